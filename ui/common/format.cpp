// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/format.h"

#include <QCoreApplication>
#include <QLocale>
#include <QTimeZone>

#include <array>
#include <cmath>

namespace moru::format {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::format)
};

QString kindName(Error::Kind kind)
{
    switch (kind) {
    case Error::Kind::Network:
        return QStringLiteral("network");
    case Error::Kind::Timeout:
        return QStringLiteral("timeout");
    case Error::Kind::Tls:
        return QStringLiteral("tls");
    case Error::Kind::Unauthorized:
        return QStringLiteral("unauthorized");
    case Error::Kind::NotFound:
        return QStringLiteral("not found");
    case Error::Kind::Conflict:
        return QStringLiteral("conflict");
    case Error::Kind::RateLimited:
        return QStringLiteral("rate limited");
    case Error::Kind::Server:
        return QStringLiteral("server");
    case Error::Kind::Protocol:
        return QStringLiteral("protocol");
    case Error::Kind::Invalid:
        return QStringLiteral("invalid request");
    case Error::Kind::NoSpace:
        return QStringLiteral("no space");
    case Error::Kind::Canceled:
        return QStringLiteral("canceled");
    case Error::Kind::Local:
        return QStringLiteral("local");
    }
    Q_UNREACHABLE();
}

/// A foreign sentence as a part of ours: one line, not endless, ends with a full stop.
QString quoted(const QString &message)
{
    QString text = message.simplified();
    if (text.isEmpty())
        return {};
    constexpr qsizetype longest = 300;
    if (text.size() > longest)
        text = text.left(longest - 1) + QChar(0x2026);
    if (!text.endsWith(QLatin1Char('.')) && !text.endsWith(QChar(0x2026)))
        text += QLatin1Char('.');
    return text;
}

/// What the server said, unless it said no more than the number of the status.
QString theirWords(const Error &error)
{
    return error.message == QStringLiteral("HTTP %1").arg(error.httpStatus) ? QString()
                                                                            : error.message;
}

QString join(const QString &ours, const QString &message)
{
    const QString theirs = quoted(message);
    return theirs.isEmpty() ? ours : ours + QLatin1Char(' ') + theirs;
}

} // namespace

QString duration(qint64 seconds)
{
    struct Unit {
        qint64 seconds;
        const char *word;
    };
    static constexpr std::array units{
        Unit{86400, QT_TRANSLATE_NOOP("moru::format", "%1 d")},
        Unit{3600, QT_TRANSLATE_NOOP("moru::format", "%1 h")},
        Unit{60, QT_TRANSLATE_NOOP("moru::format", "%1 min")},
        Unit{1, QT_TRANSLATE_NOOP("moru::format", "%1 s")},
    };
    seconds = std::max<qint64>(0, seconds);
    for (size_t i = 0; i < units.size(); ++i) {
        const qint64 whole = seconds / units[i].seconds;
        if (whole == 0 && i + 1 < units.size())
            continue;
        const QString first = Words::tr(units[i].word).arg(whole);
        const qint64 rest = seconds % units[i].seconds;
        // Seconds beside minutes only while they matter.
        const bool second = i + 1 < units.size() && (units[i + 1].seconds > 1 || whole < 10);
        const qint64 next = second ? rest / units[i + 1].seconds : 0;
        if (next == 0)
            return first;
        return first + QLatin1Char(' ') + Words::tr(units[i + 1].word).arg(next);
    }
    Q_UNREACHABLE();
}

QString relative(const QDateTime &when, const QDateTime &now)
{
    if (!when.isValid())
        return Words::tr("unknown");
    const qint64 seconds = when.secsTo(now);
    if (std::abs(seconds) < 5)
        return Words::tr("just now");
    // One unit is enough for looking back: "3 h ago".
    const auto coarse = [](qint64 span) {
        if (span >= 86400)
            return duration(span / 86400 * 86400);
        if (span >= 3600)
            return duration(span / 3600 * 3600);
        if (span >= 60)
            return duration(span / 60 * 60);
        return duration(span);
    };
    return seconds > 0 ? Words::tr("%1 ago").arg(coarse(seconds))
                       : Words::tr("in %1").arg(coarse(-seconds));
}

QString absolute(const QDateTime &when)
{
    if (!when.isValid())
        return Words::tr("unknown");
    const QDateTime local = when.toLocalTime();
    return QLocale().toString(local, QStringLiteral("yyyy-MM-dd HH:mm:ss")) + QLatin1Char(' ')
           + local.timeZoneAbbreviation();
}

QString bytes(qint64 size)
{
    static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(size);
    size_t unit = 0;
    // 1023.96 would be rounded to "1024.0".
    while (std::abs(value) >= 1023.95 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    const int decimals = unit == 0 || std::abs(value) >= 99.95 ? 0 : 1;
    return QLocale().toString(value, 'f', decimals) + QLatin1Char(' ') + QLatin1String(units[unit]);
}

QString percent(double value)
{
    if (value > 0 && value < 0.95)
        return QLocale().toString(value, 'f', 1) + QStringLiteral(" %");
    return QLocale().toString(std::round(value), 'f', 0) + QStringLiteral(" %");
}

QString shortId(const QString &id)
{
    constexpr qsizetype whole = 12;
    if (id.size() <= whole)
        return id;
    return id.left(5) + QChar(0x2026) + id.right(4);
}

QString sentence(const Error &error)
{
    switch (error.kind) {
    case Error::Kind::Network:
        if (error.httpStatus > 0)
            return Words::tr("The connection broke before the answer was complete. Try again.");
        return join(
            Words::tr("The server could not be reached. Check the network and the address."),
            error.message);
    case Error::Kind::Timeout:
        return Words::tr("The server did not answer in time. Try again.");
    case Error::Kind::Tls:
        return Words::tr("The server's certificate is not trusted. Check the address and this "
                         "computer's clock.");
    case Error::Kind::Unauthorized:
        if (error.httpStatus == 0 && !error.message.isEmpty()) // there was no key to send
            return quoted(error.message);
        if (error.httpStatus == 403)
            return join(Words::tr("The API key does not allow this."), theirWords(error));
        return Words::tr("Access was refused. Check the API key of this connection.");
    case Error::Kind::NotFound:
        if (error.httpStatus == 502)
            return Words::tr("The sandbox does not answer: it is paused or gone.");
        return join(Words::tr("It does not exist any more."), theirWords(error));
    case Error::Kind::Conflict:
        return join(Words::tr("Its present state does not allow this."), theirWords(error));
    case Error::Kind::RateLimited:
        if (error.retryAfterSeconds > 0)
            return Words::tr("A limit of the account is reached. The server asks to wait %1.")
                .arg(duration(error.retryAfterSeconds));
        return join(
            Words::tr("A limit of the account is reached. Wait, or stop what is not needed."),
            theirWords(error));
    case Error::Kind::Server:
        if (error.httpStatus > 0)
            return join(Words::tr("The server failed (status %1). Try again in a while.")
                            .arg(error.httpStatus),
                        theirWords(error));
        return join(Words::tr("The server failed."), error.message);
    case Error::Kind::Protocol:
        return join(Words::tr("The answer could not be understood. Is the address that of a Moru "
                              "server?"),
                    error.message);
    case Error::Kind::Invalid:
        return join(Words::tr("The server refused the request."), theirWords(error));
    case Error::Kind::NoSpace:
        return Words::tr("The disk of the sandbox is full. Delete something and try again.");
    case Error::Kind::Canceled:
        return Words::tr("Canceled.");
    case Error::Kind::Local: {
        const QString theirs = quoted(error.message);
        return theirs.isEmpty() ? Words::tr("Something went wrong on this computer.") : theirs;
    }
    }
    Q_UNREACHABLE();
}

QString details(const Error &error)
{
    QStringList lines;
    lines << Words::tr("Kind: %1").arg(kindName(error.kind));
    if (error.httpStatus > 0)
        lines << Words::tr("HTTP status: %1").arg(error.httpStatus);
    if (!error.message.isEmpty())
        lines << Words::tr("Message: %1").arg(error.message);
    if (!error.detail.isEmpty())
        lines << error.detail;
    return lines.join(QLatin1Char('\n'));
}

} // namespace moru::format
