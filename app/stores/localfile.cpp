// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/localfile.h"

#include <QFile>
#include <QFileInfo>

#ifdef Q_OS_WIN
#include <QDir>

#include <windows.h>
#else
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#endif

namespace moru::localfile {

namespace {

tl::unexpected<Error> systemFailure(const QString &what, const QString &path,
                                    Error::Kind kind = Error::Kind::Local)
{
    // The name of the call is for the bug report.
    return failure(kind, qt_error_string(), QStringLiteral("%1 %2").arg(what, path));
}

#ifndef Q_OS_WIN
bool sync(const QByteArray &path, int flags)
{
    const int descriptor = ::open(path.constData(), flags | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    int result = 0;
    do {
        result = ::fsync(descriptor);
    } while (result < 0 && errno == EINTR);
    const int error = errno;
    ::close(descriptor);
    errno = error;
    // Some file systems (FUSE, network) know no fsync; that is no reason to give up the file.
    return result == 0 || error == EINVAL || error == ENOSYS || error == EROFS;
}
#endif

} // namespace

#ifdef Q_OS_WIN

Result<> commit(const QString &temporary, const QString &target, bool replace)
{
    const auto native = [](const QString &path) {
        return QDir::toNativeSeparators(path).toStdWString();
    };
    const std::wstring from = native(temporary);
    const std::wstring to = native(target);
    const HANDLE file = CreateFileW(from.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                                    OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE)
        return systemFailure(QStringLiteral("open"), temporary);
    const bool flushed = FlushFileBuffers(file) != 0;
    CloseHandle(file);
    if (!flushed)
        return systemFailure(QStringLiteral("flush"), temporary);
    const DWORD flags = MOVEFILE_WRITE_THROUGH | (replace ? MOVEFILE_REPLACE_EXISTING : 0U);
    if (MoveFileExW(from.c_str(), to.c_str(), flags) == 0) {
        const DWORD error = GetLastError();
        const bool exists = error == ERROR_ALREADY_EXISTS || error == ERROR_FILE_EXISTS;
        return systemFailure(QStringLiteral("rename"), target,
                             exists ? Error::Kind::Conflict : Error::Kind::Local);
    }
    return {};
}

#else

Result<> commit(const QString &temporary, const QString &target, bool replace)
{
    const QByteArray from = QFile::encodeName(temporary);
    const QByteArray to = QFile::encodeName(target);
    if (!sync(from, O_RDONLY))
        return systemFailure(QStringLiteral("fsync"), temporary);
    if (replace) {
        if (std::rename(from.constData(), to.constData()) != 0)
            return systemFailure(QStringLiteral("rename"), target);
    } else if (::link(from.constData(), to.constData()) == 0) {
        // link(2) never replaces, which rename(2) cannot promise.
        ::unlink(from.constData());
    } else if (errno == EEXIST) {
        return systemFailure(QStringLiteral("rename"), target, Error::Kind::Conflict);
    } else {
        // FAT and the like have no links: what remains is to look first.
        const QFileInfo there(target);
        if (there.exists() || there.isSymLink())
            return failure(Error::Kind::Conflict, QStringLiteral("exists already"), target);
        if (std::rename(from.constData(), to.constData()) != 0)
            return systemFailure(QStringLiteral("rename"), target);
    }
    // The name is durable only when the folder is; failing that, the file itself is still whole.
    sync(QFile::encodeName(QFileInfo(target).absolutePath()), O_RDONLY | O_DIRECTORY);
    return {};
}

#endif

} // namespace moru::localfile
