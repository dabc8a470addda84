// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringDecoder>

#include <deque>
#include <functional>

namespace moru {

/// Turns one output stream of a program into plain lines: UTF-8 that may be cut anywhere, terminal
/// escapes removed, CR LF and lone CR as line ends, other control characters dropped, invalid bytes
/// as U+FFFD. Lines are broken after kMaxLine characters, which no view could lay out in time.
class OutputDecoder {
public:
    static constexpr int kMaxLine = 8192;

    [[nodiscard]] QString decode(const QByteArray &bytes);
    /// At the end of the stream: what an unfinished character leaves.
    [[nodiscard]] QString finish();

private:
    enum class State { Ground, Escape, Intermediate, Csi, Text, TextEscape };
    QString strip(const QString &text);

    QStringDecoder m_decoder{QStringDecoder::Utf8};
    State m_state = State::Ground;
    bool m_carriageReturn = false;
    int m_column = 0;
    int m_swallowed = 0; ///< of an escape sequence that may never end
};

/// The newest part of what a command printed, both channels in the order of arrival. Positions are
/// counted in characters since the start, so that a reader can continue where it was.
class CommandOutput {
public:
    enum class Channel { Stdout, Stderr };
    static constexpr qint64 kMaxChars = 10 << 20;
    static constexpr qint64 kMaxLines = 100000;

    void append(Channel channel, const QString &text);
    [[nodiscard]] qint64 begin() const { return m_begin; } ///< > 0: earlier output was dropped
    [[nodiscard]] qint64 end() const { return m_end; }
    [[nodiscard]] bool isTruncated() const { return m_begin > 0; }
    /// Hands out what lies at `from` (at least begin()) and behind, at most `maxChars` (> 1)
    /// characters, in pieces of one channel each. Returns the position to go on from.
    qint64 read(qint64 from, qint64 maxChars,
                const std::function<void(Channel, QStringView)> &piece) const;

private:
    struct Chunk {
        Channel channel;
        qint64 begin;
        qint64 lines;
        QString text;
    };
    std::deque<Chunk> m_chunks;
    qint64 m_begin = 0;
    qint64 m_end = 0;
    qint64 m_lines = 0;
};

} // namespace moru
