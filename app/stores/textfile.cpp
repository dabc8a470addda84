// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/textfile.h"

#include <QPointer>
#include <QStringDecoder>

#include <algorithm>

namespace moru {

namespace {

constexpr QByteArrayView kBom("\xef\xbb\xbf");

} // namespace

tl::expected<TextContent, TextRefusal> decodeText(const QByteArray &bytes)
{
    if (bytes.contains('\0'))
        return tl::unexpected(TextRefusal::Binary);
    TextContent content;
    content.bom = bytes.startsWith(kBom);
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless
                                                     | QStringDecoder::Flag::ConvertInitialBom);
    content.text = decoder.decode(QByteArrayView(bytes).sliced(content.bom ? kBom.size() : 0));
    if (decoder.hasError())
        return tl::unexpected(TextRefusal::NotUtf8);

    qsizetype lf = 0;
    qsizetype crLf = 0;
    qsizetype cr = 0;
    for (qsizetype i = 0; i < content.text.size(); ++i) {
        const QChar c = content.text.at(i);
        if (c == u'\n') {
            ++lf;
        } else if (c == u'\r') {
            if (i + 1 < content.text.size() && content.text.at(i + 1) == u'\n') {
                ++crLf;
                ++i;
            } else {
                ++cr;
            }
        }
    }
    if (crLf > lf && crLf >= cr)
        content.lineEnd = TextContent::LineEnd::CrLf;
    else if (cr > lf)
        content.lineEnd = TextContent::LineEnd::Cr;
    content.mixedLineEnds = (lf > 0 ? 1 : 0) + (crLf > 0 ? 1 : 0) + (cr > 0 ? 1 : 0) > 1;
    return content;
}

QByteArray encodeText(const QString &text, bool bom)
{
    QByteArray bytes = text.toUtf8();
    if (bom)
        bytes.prepend(kBom.data(), kBom.size());
    return bytes;
}

struct TextFile::Private {
    EnvdClient &envd;
    QString path;
    FileEntry version;
    std::optional<FileEntry> conflict;
    Call reading;
    QBuffer buffer;
    QPointer<RemoteWrite> writing;

    Private(EnvdClient &client, QString file)
        : envd(client)
        , path(std::move(file))
    {}
};

TextFile::TextFile(EnvdClient &envd, QString path, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(envd, std::move(path)))
{}

TextFile::~TextFile()
{
    d->reading.abort();
    delete d->writing.data(); // before the buffer it reads from
}

const QString &TextFile::path() const
{
    return d->path;
}

const FileEntry &TextFile::version() const
{
    return d->version;
}

bool TextFile::isSaving() const
{
    return !d->writing.isNull();
}

void TextFile::open(QObject *context, Opened done)
{
    d->reading.abort();
    const auto refuse = [done](TextRefusal refusal, qint64 size) {
        done(tl::unexpected(OpenFailure{refusal, {}, size}));
    };
    d->reading = statFollowed(
        d->envd, d->path, this,
        [this, done, refuse, guard = QPointer(context)](const Result<FileEntry> &stat) {
            if (!guard)
                return;
            if (!stat) {
                done(tl::unexpected(OpenFailure{TextRefusal::None, stat.error(), 0}));
                return;
            }
            if (stat->type != FileType::File) {
                refuse(TextRefusal::NotAFile, stat->size);
                return;
            }
            if (stat->size > kMaxSize) {
                refuse(TextRefusal::TooLarge, stat->size);
                return;
            }
            // The version is taken before the content: a change in between is then seen as one.
            const FileEntry version = *stat;
            d->reading = d->envd.readFile(
                version.path.isEmpty() ? d->path : version.path, kMaxSize, this,
                [this, done, refuse, guard, version](const Result<QByteArray> &bytes) {
                    if (!guard)
                        return;
                    if (!bytes) {
                        if (bytes.error().kind == Error::Kind::Invalid
                            && bytes.error().httpStatus == 0)
                            refuse(TextRefusal::TooLarge, version.size);
                        else
                            done(tl::unexpected(
                                OpenFailure{TextRefusal::None, bytes.error(), version.size}));
                        return;
                    }
                    const auto content = decodeText(*bytes);
                    if (!content) {
                        refuse(content.error(), bytes->size());
                        return;
                    }
                    d->version = version;
                    done(*content);
                });
        });
}

void TextFile::save(const QByteArray &bytes, bool force, QObject *context,
                    Done<RemoteWrite::Written> done)
{
    Q_ASSERT(!d->writing);
    d->buffer.close();
    d->buffer.setData(bytes);
    d->buffer.open(QIODevice::ReadOnly);
    RemoteWrite::Options options;
    options.path = d->path;
    options.existing =
        force ? RemoteWrite::Existing::Replace : RemoteWrite::Existing::OnlyUnchanged;
    options.expected = d->version;
    auto *job = new RemoteWrite(d->envd, d->buffer, options, this);
    d->writing = job;
    emit savingChanged();
    job->start([this, job, guard = QPointer(context),
                done = std::move(done)](const Result<RemoteWrite::Written> &result) {
        job->deleteLater();
        d->writing = nullptr;
        if (result)
            d->version = result->entry;
        else
            d->conflict = job->found();
        emit savingChanged();
        if (guard)
            done(result);
    });
}

const std::optional<FileEntry> &TextFile::conflictWith() const
{
    return d->conflict;
}

} // namespace moru
