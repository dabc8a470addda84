// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/filewords.h"

#include "app/api/envdclient.h"
#include "ui/common/format.h"

#include <QCoreApplication>

namespace moru::filewords {

namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::files)
};

/// Our words, and theirs behind them; `ours` has no full stop.
QString with(const QString &ours, const QString &theirs)
{
    QString text = filename::display(theirs.simplified()).left(300);
    while (text.endsWith(u'.'))
        text.chop(1);
    return text.isEmpty() ? Words::tr("%1.").arg(ours) : Words::tr("%1: %2.").arg(ours, text);
}

} // namespace

QString sentence(const Error &error)
{
    // A bare status was not written by the sandbox but by what stands before it.
    if (error.message == QStringLiteral("HTTP %1").arg(error.httpStatus))
        return format::sentence(error);
    switch (error.kind) {
    case Error::Kind::NotFound:
        return error.httpStatus == 502
                   ? Words::tr("The sandbox does not answer: it is paused or gone.")
                   : Words::tr("It does not exist any more.");
    case Error::Kind::Conflict:
        if (EnvdClient::isPaused(error))
            return with(error.message, {});
        return with(Words::tr("Something else stands in the way"), error.message);
    case Error::Kind::Network:
        return error.httpStatus > 0 ? Words::tr("The connection broke on the way.")
                                    : format::sentence(error);
    case Error::Kind::Protocol:
        return with(Words::tr("The content did not arrive whole"), error.message);
    case Error::Kind::Invalid:
        return with(Words::tr("The sandbox refused this"), error.message);
    case Error::Kind::Server:
        return with(Words::tr("The sandbox could not do this"), error.message);
    case Error::Kind::Local:
        return with(Words::tr("This computer could not do it"), error.message);
    case Error::Kind::Timeout:
    case Error::Kind::Tls:
    case Error::Kind::Unauthorized:
    case Error::Kind::RateLimited:
    case Error::Kind::NoSpace:
    case Error::Kind::Canceled:
        break;
    }
    return format::sentence(error);
}

QString problem(filename::Problem problem)
{
    switch (problem) {
    case filename::Problem::None:
        return {};
    case filename::Problem::Empty:
        return Words::tr("A name has at least one character.");
    case filename::Problem::Dots:
        return Words::tr("“.” and “..” are reserved.");
    case filename::Problem::Separator:
        return Words::tr("A name cannot hold “/”.");
    case filename::Problem::Control:
        return Words::tr("A name cannot hold line breaks or control characters.");
    case filename::Problem::TooLong:
        return Words::tr("The name is too long: 255 bytes are the limit.");
    case filename::Problem::NotText:
        return Words::tr("The name holds characters that cannot be written.");
    }
    Q_UNREACHABLE();
}

QString refusal(TextRefusal refusal, qint64 size)
{
    switch (refusal) {
    case TextRefusal::None:
        return {};
    case TextRefusal::NotAFile:
        return Words::tr("This is not a regular file: it has no content to edit.");
    case TextRefusal::TooLarge:
        return Words::tr("It has %1; the editor takes up to %2. Download it to work with it.")
            .arg(format::bytes(size), format::bytes(TextFile::kMaxSize));
    case TextRefusal::Binary:
        return Words::tr("It holds binary data (%1), not text. Download it to work with it.")
            .arg(format::bytes(size));
    case TextRefusal::NotUtf8:
        return Words::tr(
            "Its text is not UTF-8, and saving would damage it. Download it to work with it.");
    }
    Q_UNREACHABLE();
}

QString state(const TransferItem &item)
{
    switch (item.state) {
    case TransferItem::State::Queued:
        return Words::tr("waiting");
    case TransferItem::State::Asking:
        return Words::tr("exists already");
    case TransferItem::State::Running: {
        if (item.total < 0)
            return Words::tr("starting");
        if (item.bytesPerSecond <= 0)
            return Words::tr("%1 of %2").arg(format::bytes(item.done), format::bytes(item.total));
        return Words::tr("%1 of %2, %3/s")
            .arg(format::bytes(item.done), format::bytes(item.total),
                 format::bytes(qint64(item.bytesPerSecond)));
    }
    case TransferItem::State::Done:
        return item.attributesKept ? Words::tr("done, %1").arg(format::bytes(item.done))
                                   : Words::tr("done, %1; mode or owner could not be kept")
                                         .arg(format::bytes(item.done));
    case TransferItem::State::Skipped:
        return Words::tr("skipped");
    case TransferItem::State::Failed:
        return Words::tr("failed: %1").arg(sentence(item.error));
    case TransferItem::State::Canceled:
        return Words::tr("canceled");
    }
    Q_UNREACHABLE();
}

QString side(const TransferItem::Side &side)
{
    return Words::tr("%1, %2").arg(
        format::bytes(side.size), format::relative(side.modified, QDateTime::currentDateTimeUtc()));
}

QString encoding(bool bom, TextContent::LineEnd lineEnd, bool mixed)
{
    const QString coding = bom ? Words::tr("UTF-8 with BOM") : Words::tr("UTF-8");
    if (mixed)
        return Words::tr("%1, mixed line ends").arg(coding);
    switch (lineEnd) {
    case TextContent::LineEnd::Lf:
        return Words::tr("%1, LF").arg(coding);
    case TextContent::LineEnd::CrLf:
        return Words::tr("%1, CRLF").arg(coding);
    case TextContent::LineEnd::Cr:
        return Words::tr("%1, CR").arg(coding);
    }
    Q_UNREACHABLE();
}

} // namespace moru::filewords
