// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/controlclient.h"

#include <QObject>
#include <QPointer>

#include <memory>

class QFileDevice;
class QIODevice;

namespace moru {

/// A process's life as seen over one Start or Connect stream. Made by EnvdClient; emits exactly one
/// of finished() or failed(), last. Dropping it closes the stream and leaves the process running.
class ProcessStream : public QObject {
    Q_OBJECT
public:
    ~ProcessStream() override;
    [[nodiscard]] quint32 pid() const; ///< 0 until started()
    /// Bytes to the PTY or stdin, in order, one request at a time; what is typed meanwhile is
    /// joined. A failure is told once by inputFailed().
    void sendInput(const QByteArray &bytes);
    /// PTY only; the newest size wins when several are given at once.
    void resize(int cols, int rows);
    /// Stops or resumes reading from the network (back-pressure); the server's process then blocks.
    void setReadingPaused(bool paused);
    /// Closes the stream, no more signals. The process lives on.
    void detach();

signals:
    void started(quint32 pid);
    void stdoutData(const QByteArray &bytes);
    void stderrData(const QByteArray &bytes);
    void ptyData(const QByteArray &bytes);
    void inputFailed(const moru::Error &error);
    void finished(const moru::ProcessEnd &end);
    /// The stream broke or the server refused; a started process may still run.
    void failed(const moru::Error &error);

private:
    friend class EnvdClient;
    struct Private;
    explicit ProcessStream(std::unique_ptr<Private> d, QObject *parent);
    std::unique_ptr<Private> d;
};

/// Changes below one folder, as WatchDir reports them. Ends with failed() when the stream breaks.
class DirWatch : public QObject {
    Q_OBJECT
public:
    enum class Event { Create, Write, Remove, Rename, Chmod };
    Q_ENUM(Event)
    ~DirWatch() override;

signals:
    void started();
    void changed(const QString &relativeName, moru::DirWatch::Event event);
    void failed(const moru::Error &error);

private:
    friend class EnvdClient;
    struct Private;
    explicit DirWatch(std::unique_ptr<Private> d, QObject *parent);
    std::unique_ptr<Private> d;
};

/// A running up- or download. Emits exactly one finished() and deletes nothing itself.
class Transfer : public QObject {
    Q_OBJECT
public:
    ~Transfer() override;
    void cancel(); ///< finished() follows with Error::Canceled
signals:
    /// total is -1 while unknown. Emitted at most every 50 ms.
    void progress(qint64 done, qint64 total);
    void finished(const moru::Result<> &result);

private:
    friend class EnvdClient;
    struct Private;
    explicit Transfer(std::unique_ptr<Private> d, QObject *parent);
    std::unique_ptr<Private> d;
};

/// Typed access to one sandbox's envd: processes and files (protocol.md C to F), binary codec.
///
/// Finds its token and domain by GET /sandboxes/{id} on first use (which neither wakes nor extends
/// the sandbox) and refuses with Conflict while the sandbox is paused, because data-plane traffic
/// could wake it. Safe to keep over pause and resume: a 401 or "sandbox was not found" makes the
/// next call look the target up again.
class EnvdClient : public QObject {
    Q_OBJECT
public:
    EnvdClient(Transport &transport, ControlClient &control, QString sandboxId,
               QObject *parent = nullptr);
    ~EnvdClient() override;

    [[nodiscard]] const QString &sandboxId() const;
    /// Spares the first look-up where create's or resume's answer is at hand.
    void adopt(const SandboxDetail &detail);

    /// Owned by `parent`. Emits nothing before this function has returned.
    ProcessStream *start(const ProcessSpec &spec, QObject *parent);
    /// Attaches to a running process; live output only, no replay.
    ProcessStream *attach(quint32 pid, QObject *parent);
    Call listProcesses(QObject *context, Done<QList<ProcessInfo>> done);
    enum class Signal { Terminate = 15, Kill = 9 };
    /// To the direct child only. false = no such process any more.
    Call signalProcess(quint32 pid, Signal signal, QObject *context, Done<bool> done);

    /// Runs `bash -l -c command` to its end and collects output, each stream capped at `cap` bytes.
    struct CommandOutput {
        ProcessEnd end;
        QByteArray out;
        QByteArray err;
        bool truncated = false;
    };
    Call run(const QString &command, int timeoutSeconds, qint64 cap, QObject *context,
             Done<CommandOutput> done);

    Call stat(const QString &path, QObject *context, Done<FileEntry> done);
    Call listDir(const QString &path, QObject *context, Done<QList<FileEntry>> done);
    Call makeDir(const QString &path, QObject *context,
                 Done<FileEntry> done); ///< Conflict if it exists
    Call move(const QString &from, const QString &to, QObject *context, Done<FileEntry> done);
    Call remove(const QString &path, QObject *context, Done<> done); ///< recursive
    DirWatch *watch(const QString &path, bool recursive, QObject *parent);

    /// Streams GET /files into `target` (open for writing, must outlive the transfer).
    Transfer *download(const QString &path, QIODevice *target, QObject *parent);
    /// Streams `source` (open for reading, seekable, size known) to `path` as multipart.
    Transfer *upload(const QString &path, QIODevice *source, QObject *parent);
    /// Small files in memory: fails with Invalid above `cap` bytes.
    Call readFile(const QString &path, qint64 cap, QObject *context, Done<QByteArray> done);
    Call writeFile(const QString &path, const QByteArray &bytes, QObject *context, Done<> done);

    /// Closes every open stream of this sandbox (terminals, watchers): done before a pause, because
    /// their traffic would wake it. Each stream reports failed() with Canceled, and so does each
    /// running transfer. The next call looks the sandbox up again.
    void closeStreams();
    [[nodiscard]] int openStreamCount() const; ///< without transfers

    /// The next call first asks the control plane whether the sandbox still runs: for traffic that
    /// nobody asked for and that must not wake one that was paused elsewhere meanwhile.
    void lookAgain();
    /// While held nothing more is sent to the sandbox: calls fail as if it were paused already. For
    /// the time from the wish for a pause to its answer, in which any request, also one that tidies
    /// up behind a closed stream, could wake it again. Holds are counted.
    void hold();
    void release();
    /// Refused by this class because the sandbox is paused or being paused; nothing was sent.
    [[nodiscard]] static bool isPaused(const Error &error);

private:
    friend class ProcessStream;
    friend class DirWatch;
    friend class Transfer;
    friend class EnvdTraffic;
    template <typename Object> friend struct RpcStream;
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
