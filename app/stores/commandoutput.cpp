// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/commandoutput.h"

#include <algorithm>

namespace moru {

namespace {

constexpr qsizetype kChunk = 32 << 10;
constexpr int kMaxSequence = 64 << 10;

bool isPlain(char16_t c)
{
    return (c >= 0x20 && c < 0x7f) || c >= 0xa0 || c == u'\n' || c == u'\t';
}

} // namespace

QString OutputDecoder::decode(const QByteArray &bytes)
{
    return strip(m_decoder.decode(bytes));
}

QString OutputDecoder::finish()
{
    // A character that was cut off: the decoder holds its first bytes back and would say nothing.
    const QString rest = m_decoder.decode(QByteArrayView("\n", 1));
    QString result = strip(rest.chopped(rest.endsWith(u'\n') ? 1 : 0));
    m_decoder.resetState();
    m_state = State::Ground;
    m_carriageReturn = false;
    m_column = 0;
    return result;
}

QString OutputDecoder::strip(const QString &text)
{
    QString result;
    result.reserve(text.size());
    const auto put = [&](char16_t c) {
        if (c == u'\n') {
            m_column = 0;
        } else if (++m_column > kMaxLine && !QChar::isLowSurrogate(c)) {
            result += u'\n';
            m_column = 1;
        }
        result += QChar(c);
    };
    for (const QChar character : text) {
        const char16_t c = character.unicode();
        switch (m_state) {
        case State::Ground:
            if (m_carriageReturn && c != u'\r') {
                m_carriageReturn = false;
                if (c != u'\n')
                    put(u'\n');
            }
            if (isPlain(c))
                put(c);
            else if (c == u'\r')
                m_carriageReturn = true;
            else if (c == 0x1b)
                m_state = State::Escape;
            else if (c == 0x9b)
                m_state = State::Csi;
            else if (c == 0x90 || c == 0x9d || c == 0x98 || c == 0x9e || c == 0x9f)
                m_state = State::Text;
            m_swallowed = 0;
            continue;
        case State::Escape:
            if (c == u'[')
                m_state = State::Csi;
            else if (c == u']' || c == u'P' || c == u'X' || c == u'^' || c == u'_')
                m_state = State::Text;
            else if (c >= 0x20 && c < 0x30)
                m_state = State::Intermediate;
            else
                m_state = State::Ground;
            break;
        case State::Intermediate:
            if (c < 0x20 || c >= 0x30)
                m_state = State::Ground;
            break;
        case State::Csi:
            if (c < 0x20 || c >= 0x40)
                m_state = State::Ground;
            break;
        case State::Text:
            if (c == 0x07 || c == 0x9c)
                m_state = State::Ground;
            else if (c == 0x1b)
                m_state = State::TextEscape;
            break;
        case State::TextEscape:
            m_state = c == u'\\' ? State::Ground : State::Text;
            break;
        }
        // A sequence that never ends must not swallow the rest of the output, and none spans lines.
        if (m_state != State::Ground && (++m_swallowed > kMaxSequence || c == u'\n'))
            m_state = State::Ground;
        if (c == u'\n' && m_state == State::Ground)
            put(u'\n');
    }
    return result;
}

void CommandOutput::append(Channel channel, const QString &text)
{
    if (text.isEmpty())
        return;
    const auto lines = qint64(text.count(u'\n'));
    if (!m_chunks.empty() && m_chunks.back().channel == channel
        && m_chunks.back().text.size() + text.size() <= kChunk) {
        m_chunks.back().text += text;
        m_chunks.back().lines += lines;
    } else {
        m_chunks.push_back({channel, m_end, lines, text});
    }
    m_end += text.size();
    m_lines += lines;
    while (m_chunks.size() > 1 && (m_end - m_begin > kMaxChars || m_lines > kMaxLines)) {
        m_lines -= m_chunks.front().lines;
        m_chunks.pop_front();
        m_begin = m_chunks.front().begin;
    }
}

qint64 CommandOutput::read(qint64 from, qint64 maxChars,
                           const std::function<void(Channel, QStringView)> &piece) const
{
    from = qBound(m_begin, from, m_end);
    auto chunk =
        std::upper_bound(m_chunks.begin(), m_chunks.end(), from,
                         [](qint64 position, const Chunk &c) { return position < c.begin; });
    if (chunk != m_chunks.begin())
        --chunk;
    const qint64 limit = from + maxChars;
    while (chunk != m_chunks.end() && from < limit) {
        const QStringView rest = QStringView(chunk->text).sliced(from - chunk->begin);
        qint64 take = qMin<qint64>(rest.size(), limit - from);
        if (take < rest.size() && take > 1 && rest.at(take - 1).isHighSurrogate())
            --take;
        if (take > 0)
            piece(chunk->channel, rest.first(take));
        from += take;
        if (take < rest.size())
            break;
        ++chunk;
    }
    return from;
}

} // namespace moru
