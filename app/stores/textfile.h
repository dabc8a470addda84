// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/remotewrite.h"

#include <QBuffer>
#include <QObject>

#include <memory>

namespace moru {

/// A file's content as editable text. Line ends stay in `text` as they are in the file.
struct TextContent {
    enum class LineEnd { Lf, CrLf, Cr };
    QString text;
    bool bom = false;              ///< the file begins with the UTF-8 mark
    LineEnd lineEnd = LineEnd::Lf; ///< the most frequent one; Lf without any
    bool mixedLineEnds = false;

    friend bool operator==(const TextContent &, const TextContent &) = default;
};

/// Why a file is not opened as text.
enum class TextRefusal {
    None,
    NotAFile,
    TooLarge,
    Binary,  ///< holds NUL bytes
    NotUtf8, ///< text in another encoding, or no text
};

/// Decodes without loss or refuses: encodeText(decodeText(x)) == x.
[[nodiscard]] tl::expected<TextContent, TextRefusal> decodeText(const QByteArray &bytes);
[[nodiscard]] QByteArray encodeText(const QString &text, bool bom);

/// One text file of a sandbox that is open for editing: knows which version was read and refuses to
/// overwrite another one unless told to.
class TextFile : public QObject {
    Q_OBJECT
public:
    static constexpr qint64 kMaxSize = 8 << 20; ///< bytes

    struct OpenFailure {
        TextRefusal refusal = TextRefusal::None; ///< None: `error` says what went wrong
        Error error;
        qint64 size = 0;
    };
    using Opened = std::function<void(const tl::expected<TextContent, OpenFailure> &)>;

    /// `envd` must outlive the file.
    TextFile(EnvdClient &envd, QString path, QObject *parent = nullptr);
    ~TextFile() override;

    [[nodiscard]] const QString &path() const;
    /// The version that was read or written last.
    [[nodiscard]] const FileEntry &version() const;
    [[nodiscard]] bool isSaving() const;

    /// Reads the file (again). One reading at a time; a new one replaces the former.
    void open(QObject *context, Opened done);
    /// Conflict, with what is there now in conflictWith(), if the file is not the version that was
    /// read; `force` overwrites it whatever it is. Not while isSaving().
    void save(const QByteArray &bytes, bool force, QObject *context,
              Done<RemoteWrite::Written> done);
    /// nullopt = the file is gone.
    [[nodiscard]] const std::optional<FileEntry> &conflictWith() const;

signals:
    void savingChanged();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
