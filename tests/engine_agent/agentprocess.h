// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/agent.h"
#include "httpclient.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>

#include <functional>
#include <memory>

#include <sys/types.h>

/// A real agent in a process of its own, behind a Unix socket, with a small root folder that has
/// the accounts root and user.
class AgentProcess {
public:
    /// `change` may alter the configuration before the start.
    explicit AgentProcess(const std::function<void(moru::engine::AgentConfig &)> &change = {});
    ~AgentProcess();
    AgentProcess(const AgentProcess &) = delete;
    AgentProcess &operator=(const AgentProcess &) = delete;

    [[nodiscard]] std::string socket() const
    {
        return m_folder.filePath(QStringLiteral("s")).toStdString();
    }
    [[nodiscard]] std::string root() const
    {
        return m_folder.filePath(QStringLiteral("root")).toStdString();
    }
    [[nodiscard]] std::string home() const { return root() + "/home/user"; }
    [[nodiscard]] pid_t pid() const { return m_pid; }

    HttpReply request(const std::string &method, const std::string &target,
                      const HttpConnection::Headers &headers = {},
                      const std::optional<std::string> &body = std::nullopt) const;
    /// A unary JSON call; `status` gets the HTTP status.
    QJsonObject call(const std::string &method, const QJsonObject &message, int *status = nullptr,
                     HttpConnection::Headers headers = {}) const;
    /// The code of the error a unary call ends with, "" for success.
    QString callError(const std::string &method, const QJsonObject &message) const;

private:
    QTemporaryDir m_folder;
    pid_t m_pid = -1;
};

/// A streaming JSON call.
class StreamCall {
public:
    StreamCall(const AgentProcess &agent, const std::string &method, const QJsonObject &message,
               HttpConnection::Headers headers = {});
    /// The next message; an end frame arrives as {"$end": {...}}, the end of the body as {}.
    QJsonObject next();
    /// The next message that is no keepalive.
    QJsonObject nextEvent();
    HttpConnection &connection() { return *m_connection; }

private:
    std::unique_ptr<HttpConnection> m_connection;
    FrameReader m_reader;
};

/// What a command did, from the first to the last event.
struct CommandResult {
    int pid = 0;
    QByteArray out;
    QByteArray err;
    QByteArray pty;
    QJsonObject end;
    QJsonObject trailer; ///< of the end frame
};
CommandResult collect(StreamCall &stream);
/// Start of /bin/sh -c `script` without input.
QJsonObject shell(const QString &script);

/// A main() for tests that start agents: the same program is the agent when called with --agent.
int agentTestMain(int argc, char **argv, const std::function<std::unique_ptr<QObject>()> &make);
