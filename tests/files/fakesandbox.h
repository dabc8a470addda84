// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"
#include "tests/support/httpserver.h"

#include <QHash>
#include <QTemporaryDir>

#include <functional>
#include <memory>

#include <filesystem.pb.h>
#include <process.pb.h>

namespace moru::test {

/// A command that the client under test started; the test writes its story.
class FakeProcess : public QObject {
    Q_OBJECT
public:
    FakeProcess(HttpExchange &exchange, process::StartRequest request, bool attached);
    [[nodiscard]] const process::StartRequest &request() const { return m_request; }
    [[nodiscard]] QString script() const; ///< the last argument
    [[nodiscard]] bool isAttached() const { return m_attached; }
    void started(quint32 pid);
    void out(const QByteArray &bytes);
    void err(const QByteArray &bytes);
    void pty(const QByteArray &bytes);
    void exit(int code);
    void killed(const char *signal); ///< "killed", "terminated"
    void cut();                      ///< the connection breaks
    [[nodiscard]] qint64 pending() const;
    [[nodiscard]] bool isConnected() const { return !m_exchange.isNull(); }

private:
    void send(const process::ProcessEvent &event);
    void finish(const process::ProcessEvent &event);

    QPointer<HttpExchange> m_exchange;
    process::StartRequest m_request;
    bool m_attached;
};

/// One sandbox behind real HTTP: control plane look-up, envd's file calls on a real folder, and
/// processes as the test plays them. Everything can be made to fail at a chosen moment.
class FakeSandbox : public QObject {
    Q_OBJECT
public:
    static constexpr auto id = "itest000000000000000a";

    explicit FakeSandbox(QObject *parent = nullptr);

    [[nodiscard]] Connection &connection() { return *m_connection; }
    [[nodiscard]] EnvdClient &envd() { return m_connection->envd(QLatin1String(id)); }
    [[nodiscard]] HttpServer &server() { return m_server; }

    /// The real path of a sandbox path.
    [[nodiscard]] QString local(const QString &path) const { return m_root.path() + path; }
    void write(const QString &path, const QByteArray &content, int mode = 0644);
    [[nodiscard]] QByteArray read(const QString &path) const; ///< null if missing
    [[nodiscard]] int mode(const QString &path) const;
    [[nodiscard]] QStringList names(const QString &folder) const; ///< hidden ones, too
    void setOwner(const QString &path, const QString &owner, const QString &group);
    [[nodiscard]] QString owner(const QString &path) const;
    /// Makes the file's time differ from what it was.
    void age(const QString &path, int seconds);

    /// Seen before every envd request ("Stat", "Move", "GET /files", ...); true = it has answered.
    using Intercept = std::function<bool(const QByteArray &what, HttpExchange &)>;
    void intercept(Intercept hook) { m_intercept = std::move(hook); }
    /// The next request of this kind ends with this status.
    void failNext(const QByteArray &what, int status, const QByteArray &body);
    [[nodiscard]] int count(const QByteArray &what) const { return m_counts.value(what); }

    [[nodiscard]] int watchCount() const;
    void notify(const QString &folder, const QString &name, filesystem::EventType type);
    void refuseWatches() { m_watchRefused = true; }

    std::function<void(FakeProcess &)> onStart; ///< besides chown and chmod
    std::function<void(quint32 pid, int signal)> onSignal;
    QList<process::ProcessInfo> processes;
    bool attributesCanBeSet = true;

private:
    void rpc(HttpExchange &exchange);
    void download(HttpExchange &exchange);
    void upload(HttpExchange &exchange);
    void watch(HttpExchange &exchange, const std::string &path);
    void startProcess(HttpExchange &exchange, const process::StartRequest &request);
    bool intercepted(const QByteArray &what, HttpExchange &exchange);
    [[nodiscard]] QString resolved(const std::string &path) const;
    bool fill(filesystem::EntryInfo &info, const QString &path) const;

    QTemporaryDir m_root;
    HttpServer m_server;
    std::unique_ptr<Connection> m_connection;
    Intercept m_intercept;
    QHash<QByteArray, int> m_counts;
    QHash<QByteArray, std::pair<int, QByteArray>> m_failures;
    QHash<QString, std::pair<QString, QString>> m_owners;
    QList<std::pair<QString, QPointer<HttpExchange>>> m_watches;
    bool m_watchRefused = false;
};

} // namespace moru::test
