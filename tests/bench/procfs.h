// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QDir>
#include <QFile>
#include <QString>
#include <QStringList>

namespace moru::bench {

/// The folders in /proc of a process's living threads; none if there is no such process.
inline QStringList threadFolders(qint64 pid)
{
    const QString tasks = QStringLiteral("/proc/%1/task").arg(pid);
    QStringList folders = QDir(tasks).entryList(QDir::Dirs | QDir::NoDotAndDotDot);
    for (QString &folder : folders)
        folder.prepend(tasks + QLatin1Char('/'));
    return folders;
}

/// CPU time in ms that the living threads of a process have used; 0 if there is no such process.
inline double cpuOfProcessMs(qint64 pid)
{
    double total = 0;
    const QStringList folders = threadFolders(pid);
    for (const QString &folder : folders) {
        QFile file(folder + QStringLiteral("/schedstat"));
        if (file.open(QIODevice::ReadOnly))
            total += file.readAll().split(' ').value(0).toDouble() / 1e6;
    }
    return total;
}

/// A "name: N kB" figure of /proc/PID/FILE in MiB; 0 where there is none.
inline double mebibytes(qint64 pid, const char *file, const QByteArray &name)
{
    QFile source(QStringLiteral("/proc/%1/%2").arg(pid).arg(QLatin1String(file)));
    if (!source.open(QIODevice::ReadOnly))
        return 0;
    const QList<QByteArray> lines = source.readAll().split('\n');
    for (const QByteArray &line : lines) {
        if (line.startsWith(name + ':'))
            return line.mid(name.size() + 1).trimmed().split(' ').value(0).toDouble() / 1024;
    }
    return 0;
}

/// Proportional set size: shared pages are counted in equal parts.
inline double pssMiB(qint64 pid)
{
    return mebibytes(pid, "smaps_rollup", "Pss");
}

} // namespace moru::bench
