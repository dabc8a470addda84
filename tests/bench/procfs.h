// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QDir>
#include <QFile>
#include <QString>

namespace moru::bench {

/// CPU time in ms that the living threads of a process have used; 0 if there is no such process.
inline double cpuOfProcessMs(qint64 pid)
{
    double total = 0;
    const QString tasks = QStringLiteral("/proc/%1/task").arg(pid);
    const QStringList names = QDir(tasks).entryList(QDir::Dirs | QDir::NoDotAndDotDot);
    for (const QString &name : names) {
        QFile file(tasks + QLatin1Char('/') + name + QStringLiteral("/schedstat"));
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
