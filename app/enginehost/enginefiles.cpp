// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/enginehost/enginefiles.h"

#include <QDir>
#include <QFile>
#include <QHostAddress>
#include <QJsonDocument>
#include <QJsonObject>

#ifdef Q_OS_UNIX
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace moru::enginefiles {

namespace {

constexpr qint64 LargestRecord = 16LL << 10U;
constexpr qint64 TailBytes = 4LL << 10U;

QString recordPath(const QString &stateDir)
{
    return QDir(stateDir).filePath(QStringLiteral("engine.json"));
}

bool isLoopback(const QUrl &url)
{
    if (url.scheme() != QLatin1String("http") || !url.userInfo().isEmpty() || url.port() <= 0)
        return false;
    return url.host() == QLatin1String("localhost") || QHostAddress(url.host()).isLoopback();
}

/// Ours alone: a regular file of this user that nobody else may write (or read, if `secret`).
bool isOurs(const QString &path, bool secret)
{
#ifdef Q_OS_UNIX
    struct stat info = {};
    if (::lstat(QFile::encodeName(path).constData(), &info) != 0)
        return false;
    const mode_t others = secret ? (S_IRWXG | S_IRWXO) : (S_IWGRP | S_IWOTH);
    return S_ISREG(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & others) == 0;
#else
    Q_UNUSED(secret)
    return QFile::exists(path);
#endif
}

} // namespace

bool recordExists(const QString &stateDir)
{
    return QFile::exists(recordPath(stateDir));
}

std::optional<Record> readRecord(const QString &stateDir)
{
    QFile file(recordPath(stateDir));
    if (!isOurs(file.fileName(), false) || !file.open(QIODevice::ReadOnly))
        return std::nullopt;
    const QJsonObject json = QJsonDocument::fromJson(file.read(LargestRecord)).object();
    Record record;
    record.apiUrl = QUrl(json.value(QLatin1String("apiUrl")).toString(), QUrl::StrictMode);
    record.sandboxUrl = QUrl(json.value(QLatin1String("sandboxUrl")).toString(), QUrl::StrictMode);
    record.domain = json.value(QLatin1String("domain")).toString();
    record.keyFile = json.value(QLatin1String("keyFile")).toString();
    record.pid = json.value(QLatin1String("pid")).toInteger();
    if (!isLoopback(record.apiUrl) || !isLoopback(record.sandboxUrl) || record.pid <= 0
        || record.keyFile.isEmpty())
        return std::nullopt;
    return record;
}

Result<QString> readKey(const QString &file)
{
    QFile key(file);
    if (!key.exists())
        return failure(Error::Kind::Local, QStringLiteral("The local engine's key file is missing"),
                       file);
    if (!isOurs(file, true))
        return failure(
            Error::Kind::Local,
            QStringLiteral("The local engine's key file could be read or changed by other users"),
            file);
    if (!key.open(QIODevice::ReadOnly))
        return failure(
            Error::Kind::Local,
            QStringLiteral("The local engine's key file cannot be read: %1").arg(key.errorString()),
            file);
    const QString line = QString::fromLatin1(key.read(256)).section(u'\n', 0, 0).trimmed();
    if (line.isEmpty())
        return failure(Error::Kind::Local, QStringLiteral("The local engine's key file is empty"),
                       file);
    return line;
}

bool isLocked(const QString &stateDir)
{
#ifdef Q_OS_LINUX
    // Asking by taking the lock would make an engine that starts at this moment fail.
    struct stat info = {};
    const QString path = QDir(stateDir).filePath(QStringLiteral("lock"));
    if (::stat(QFile::encodeName(path).constData(), &info) != 0)
        return false;
    QFile locks(QStringLiteral("/proc/locks"));
    if (!locks.open(QIODevice::ReadOnly))
        return false;
    const QByteArray inode = ':' + QByteArray::number(quint64(info.st_ino)) + ' ';
    // A file of procfs has no size, so it is read to its end in one go.
    const QList<QByteArray> lines = locks.readAll().split('\n');
    for (const QByteArray &line : lines) {
        if (line.contains("FLOCK") && line.contains(inode))
            return true;
    }
#else
    Q_UNUSED(stateDir)
#endif
    return false;
}

bool isAlive(qint64 pid)
{
#ifdef Q_OS_LINUX
    QFile status(QStringLiteral("/proc/%1/stat").arg(pid));
    if (pid <= 0 || !status.open(QIODevice::ReadOnly))
        return false;
    const QByteArray text = status.read(512);
    // "pid (name) S ...": the name may hold anything, the state follows the last parenthesis.
    const char state =
        text.mid(text.lastIndexOf(')') + 2, 1).isEmpty() ? 'X' : text.at(text.lastIndexOf(')') + 2);
    return state != 'Z' && state != 'X';
#else
    Q_UNUSED(pid)
    return false;
#endif
}

QString tail(const QString &file)
{
    QFile log(file);
    if (!log.open(QIODevice::ReadOnly))
        return {};
    if (log.size() > TailBytes) {
        log.seek(log.size() - TailBytes);
        log.readLine(); // the rest of a line that began before
    }
    return QString::fromUtf8(log.read(TailBytes)).trimmed();
}

QString lastLine(const QString &file)
{
    return tail(file).section(u'\n', -1).trimmed();
}

} // namespace moru::enginefiles
