// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QString>
#include <QUrl>

#include <optional>

namespace moru::enginefiles {

/// What a serving engine writes into its state directory (engine.json).
struct Record {
    QUrl apiUrl;
    QUrl sandboxUrl;
    QString domain;
    QString keyFile;
    qint64 pid = 0;

    friend bool operator==(const Record &, const Record &) = default;
};

/// Nothing if there is no file, it is not ours, or it does not describe a server on loopback: the
/// key is only ever sent there.
std::optional<Record> readRecord(const QString &stateDir);
bool recordExists(const QString &stateDir);

/// The key's line. Refuses a file that other users could have read or written.
Result<QString> readKey(const QString &file);

/// Whether some process serves, starts or ends on this state directory: it holds the lock.
bool isLocked(const QString &stateDir);

/// False for a process that ended and was only not reaped yet, too.
bool isAlive(qint64 pid);

/// The last lines of a text file, at most 4 KiB of it, trimmed.
QString tail(const QString &file);
/// The last line that is not empty.
QString lastLine(const QString &file);

} // namespace moru::enginefiles
