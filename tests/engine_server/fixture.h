// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QJsonArray>
#include <QJsonObject>
#include <QList>
#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTemporaryDir>
#include <QUrl>

#include <functional>
#include <memory>
#include <utility>

namespace moru::test {

using HeaderList = QList<std::pair<QByteArray, QByteArray>>;

struct Answer {
    int status = 0; ///< 0 = the connection closed without an answer
    HeaderList headers;
    QByteArray body;

    [[nodiscard]] QByteArray header(const QByteArray &name) const; ///< any case; empty if absent
    [[nodiscard]] bool hasHeader(const QByteArray &name) const;
    [[nodiscard]] QJsonObject object() const;
    [[nodiscard]] QJsonArray array() const;
};

/// A plain blocking HTTP/1.1 connection to loopback: the tests decide every byte.
class Wire {
public:
    explicit Wire(const QUrl &url);
    ~Wire();
    Wire(const Wire &) = delete;
    Wire &operator=(const Wire &) = delete;

    [[nodiscard]] bool isOpen() const { return m_fd >= 0; }
    bool send(const QByteArray &bytes);
    /// One answer; with `headOnly` the body stays on the wire.
    Answer receive(bool headOnly = false);
    /// The next bytes, at least one; empty = closed or nothing within the time.
    QByteArray readSome(int milliseconds);
    /// True if the peer closes within the time; what it sends before is dropped.
    bool closesWithin(int milliseconds);

private:
    bool fill(int milliseconds);
    int m_fd = -1;
    QByteArray m_buffer;
};

/// Asks once on a connection of its own.
Answer ask(const QUrl &base, const QByteArray &method, const QByteArray &target,
           const HeaderList &headers = {}, const QByteArray &body = {});
QByteArray requestBytes(const QUrl &base, const QByteArray &method, const QByteArray &target,
                        const HeaderList &headers, const QByteArray &body);

struct Finished {
    int exitCode = -1;
    QByteArray out;
    QByteArray err;
};

/// A real moru-local on a state directory of its own.
class LocalEngine {
public:
    LocalEngine();
    ~LocalEngine(); ///< stops and resets; leaves no process behind

    bool start(const QStringList &more = {}); ///< waits for the ready line
    void killHard();                          ///< SIGKILL, and waits
    Finished stop();                          ///< `moru-local stop`
    /// Kills all sandboxes and stops; the next start() is a fresh one, but need not set up again
    /// what is the same for every engine on this directory.
    bool clear();
    /// Runs `moru-local WORDS --state-dir …`.
    Finished run(const QStringList &words, bool withStateDir = true) const;

    [[nodiscard]] static QString program();
    [[nodiscard]] QString stateDir() const;
    [[nodiscard]] QJsonObject ready() const { return m_ready; }
    [[nodiscard]] QUrl api() const;
    [[nodiscard]] QUrl data() const;
    [[nodiscard]] QByteArray key() const;
    [[nodiscard]] QByteArray log() const;
    [[nodiscard]] QProcess &process() { return *m_process; }

    /// A control plane call with the key.
    Answer call(const QByteArray &method, const QByteArray &target, const QJsonObject &body = {},
                const HeaderList &more = {}) const;
    /// The created sandbox's answer; empty and a test failure if it was refused.
    QJsonObject create(QJsonObject fields = {}) const;
    /// A data plane call that names its sandbox by id and token.
    Answer envd(const QJsonObject &sandbox, const QByteArray &method, const QByteArray &target,
                const QByteArray &body = {}, const QByteArray &type = {}) const;
    /// (stdout and stderr, exit code) of a command in a sandbox.
    [[nodiscard]] std::pair<QByteArray, int> command(const QJsonObject &sandbox,
                                                     const QString &command) const;
    /// The state that GET shows; empty for 404.
    [[nodiscard]] QString state(const QJsonObject &sandbox) const;

private:
    QTemporaryDir m_dir;
    std::unique_ptr<QProcess> m_process;
    QJsonObject m_ready;
};

QByteArray idOf(const QJsonObject &sandbox);
QByteArray tokenOf(const QJsonObject &sandbox);
/// The request of a Start call as one frame of a Connect stream in JSON.
QByteArray startFrame(const QString &command);

} // namespace moru::test
