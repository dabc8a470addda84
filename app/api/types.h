// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDateTime>
#include <QMap>
#include <QString>
#include <QStringList>
#include <QUrl>

#include <cstdint>
#include <optional>

namespace moru {

using Metadata = QMap<QString, QString>;

enum class SandboxState {
    Running,
    Paused,
};

/// One sandbox as the lists and GET /sandboxes/{id} describe it (protocol: ListedSandbox).
struct Sandbox {
    QString id;
    QString clientId;
    QString templateId;
    QString alias; ///< of the template; often empty
    SandboxState state = SandboxState::Running;
    QDateTime startedAt; ///< UTC; the last start or resume
    QDateTime endAt;     ///< UTC; for a paused sandbox the time of the pause, not an expiry
    int cpuCount = 0;
    int memoryMiB = 0;
    int diskMiB = 0;
    QString envdVersion;
    Metadata metadata;

    friend bool operator==(const Sandbox &, const Sandbox &) = default;
};

/// What GET /sandboxes/{id} and the answers of create, connect and resume add.
struct SandboxDetail {
    Sandbox sandbox;
    QString accessToken; ///< envd token; a secret as good as a root password
    QString domain;      ///< empty = the connection's domain
};

enum class OnTimeout {
    Kill,
    Pause,
};

/// POST /sandboxes.
struct NewSandbox {
    QString templateId = QStringLiteral("base");
    int timeoutSeconds = 300; ///< > 0
    OnTimeout onTimeout = OnTimeout::Kill;
    bool secure = true;
    bool allowInternet = true;
    Metadata metadata;
    QMap<QString, QString> envVars;
};

/// One point of GET /sandboxes/{id}/metrics. Sizes in bytes; totals of 0 mean "no data".
struct SandboxMetric {
    QDateTime timestamp;
    int cpuCount = 0;
    double cpuUsedPercent = 0; ///< 0..100 over all CPUs together
    qint64 memUsed = 0;
    qint64 memTotal = 0;
    qint64 diskUsed = 0;
    qint64 diskTotal = 0;

    friend bool operator==(const SandboxMetric &, const SandboxMetric &) = default;
};

struct Template {
    QString id;
    QStringList aliases;
    int cpuCount = 0;
    int memoryMiB = 0;
    int diskMiB = 0;
};

/// A process that envd started (Process.List); processes started otherwise are not listed.
struct ProcessInfo {
    quint32 pid = 0;
    QString tag;
    QString cmd;
    QStringList args;
    QMap<QString, QString> envs;
    QString cwd;

    friend bool operator==(const ProcessInfo &, const ProcessInfo &) = default;
};

struct ProcessEnd {
    int exitCode = 0;    ///< 0..255, -1 if ended by a signal
    bool exited = false; ///< true only for a normal exit
    QString status;      ///< "exit status 3", "signal: killed"
    QString error;
};

/// Process.Start.
struct ProcessSpec {
    QString cmd = QStringLiteral("/bin/bash");
    QStringList args;
    QMap<QString, QString> envs;
    QString cwd;  ///< empty = the user's home
    QString user; ///< empty = the sandbox's default user
    bool stdinOpen = false;
    bool pty = false;
    int cols = 80;
    int rows = 24;
    QString tag;
    int timeoutSeconds = 0; ///< kill timer on the server; 0 = none
};

enum class FileType {
    File,
    Directory,
    Other, ///< device, socket, FIFO, broken link
};

/// Filesystem.EntryInfo. Names are Unix bytes on the server; proto3 strings are UTF-8, so a server
/// that meets other bytes sends U+FFFD in their place and such an entry cannot be addressed.
struct FileEntry {
    QString name;
    QString path;
    FileType type = FileType::Other;
    qint64 size = 0;
    quint32 mode = 0;    ///< permission bits
    QString permissions; ///< "-rw-r--r--"; links start with 'L'
    QString owner;
    QString group;
    QDateTime modified; ///< UTC
    QString symlinkTarget;
    bool isSymlink = false;

    friend bool operator==(const FileEntry &, const FileEntry &) = default;
};

/// Where a connection's servers are. URLs have no path.
struct Endpoint {
    QUrl apiUrl; ///< https://api.<domain> unless given
    QUrl
        sandboxUrl; ///< one URL for every sandbox's data plane; empty = https://49983-<id>.<domain>
    QString domain; ///< "moru.io"

    friend bool operator==(const Endpoint &, const Endpoint &) = default;
};

} // namespace moru
