// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/core/paths.h"

#include <QDir>
#include <QStandardPaths>

namespace moru::paths {

namespace {

// The Generic locations, so that the result does not depend on what main() calls the program.
QString below(QStandardPaths::StandardLocation location, const QString &name)
{
    return QDir(QStandardPaths::writableLocation(location)).filePath(name);
}

} // namespace

QString configDir()
{
    return below(QStandardPaths::GenericConfigLocation, QStringLiteral("moru-desktop"));
}

QString dataDir()
{
    return below(QStandardPaths::GenericDataLocation, QStringLiteral("moru-desktop"));
}

QString stateDir()
{
#ifdef Q_OS_UNIX
    // QStandardPaths knows the state location only from Qt 6.7 on.
    if (!QStandardPaths::isTestModeEnabled()) {
        const QString home = qEnvironmentVariable("XDG_STATE_HOME");
        // The base directory specification says that relative values are to be ignored.
        const QString base = QDir::isAbsolutePath(home)
                                 ? home
                                 : QDir::home().filePath(QStringLiteral(".local/state"));
        return QDir(base).filePath(QStringLiteral("moru-desktop"));
    }
#endif
    return QDir(dataDir()).filePath(QStringLiteral("state"));
}

QString engineStateDir()
{
    return below(QStandardPaths::GenericDataLocation, QStringLiteral("moru-local"));
}

} // namespace moru::paths
