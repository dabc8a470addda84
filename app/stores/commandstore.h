// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"
#include "app/stores/commandoutput.h"

#include <QDateTime>
#include <QObject>

#include <memory>

namespace moru {

/// One command as this app ran it or attached to it.
struct CommandRun {
    enum class State {
        Starting,
        Running,
        Ended,    ///< `end` says how
        Refused,  ///< never started; `error` says why
        Detached, ///< the connection to it broke or was closed; the command may still run
    };
    quint64 id = 0;
    QString command;
    QString cwd;
    QString user;
    bool background = false;
    bool attached = false; ///< started elsewhere; output from before is not known
    quint32 pid = 0;
    State state = State::Starting;
    ProcessEnd end;
    Error error;
    QDateTime startedAt;  ///< local clock, UTC
    qint64 elapsedMs = 0; ///< when over
    CommandOutput output;

    [[nodiscard]] bool isLive() const
    {
        return state == State::Starting || state == State::Running;
    }
};

/// The commands of one sandbox: those run from here with their output, and the list of everything
/// that envd runs, polled while somebody looks. Output that comes faster than it can be shown is
/// slowed down at its source.
class CommandStore : public QObject {
    Q_OBJECT
public:
    static constexpr int kMaxRuns = 20; ///< kept; the oldest ended ones go first

    /// `envd` must outlive the store.
    explicit CommandStore(EnvdClient &envd, QObject *parent = nullptr);
    ~CommandStore() override; ///< leaves running commands running

    /// `bash -l -c command`. Empty cwd and user mean the sandbox's defaults.
    quint64 run(const QString &command, const QString &cwd, const QString &user, bool background);
    /// Live output of a process of the list; the run it has already, if any.
    quint64 attach(quint32 pid);
    void signal(quint32 pid, EnvdClient::Signal signal, QObject *context, Done<bool> done);

    [[nodiscard]] int runCount() const;
    [[nodiscard]] const CommandRun &runAt(int index) const; ///< oldest first
    [[nodiscard]] const CommandRun *run(quint64 id) const;  ///< null if unknown
    [[nodiscard]] const CommandRun *liveRunOf(quint32 pid) const;
    [[nodiscard]] qint64 elapsedMs(quint64 id) const; ///< so far, or in all

    [[nodiscard]] const QList<ProcessInfo> &processes() const; ///< ordered by pid
    [[nodiscard]] bool areProcessesKnown() const;
    /// Set if the last listing failed; the processes are then those of the last good one.
    [[nodiscard]] const std::optional<Error> &listError() const;
    void refreshProcesses();
    void setActive(bool active);       ///< polls only while active
    void setReachable(bool reachable); ///< sends nothing while not reachable

    /// What a person calls this process: the script of "bash -l -c script", else command and
    /// arguments.
    [[nodiscard]] static QString commandLine(const ProcessInfo &process);

signals:
    void runAdded(quint64 id);
    void runChanged(quint64 id);
    void runRemoved(quint64 id);
    void outputAppended(quint64 id); ///< at most every 30 ms per run
    void processesAboutToBeInserted(int first, int last);
    void processesInserted();
    void processesAboutToBeRemoved(int first, int last);
    void processesRemoved();
    void processChanged(int index);
    void processesListed(); ///< a listing ended, well or not

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
