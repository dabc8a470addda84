// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/enginehost/enginehost.h"

#include "app/core/log.h"
#include "app/core/paths.h"
#include "app/enginehost/enginefiles.h"

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QFileInfo>
#include <QHostAddress>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QPointer>
#include <QProcess>
#include <QStandardPaths>
#include <QTcpServer>
#include <QTemporaryFile>
#include <QTimer>

#include <array>
#include <functional>
#include <utility>

namespace moru {

namespace {

constexpr quint16 EnginePort = 7450; ///< control plane; the data plane has the next one
constexpr int PollMs = 50;
constexpr int WatchMs = 2000;
constexpr int HealthLimitMs = 2000;
constexpr qint64 StartLimitMs = 20'000;
/// Between the end of our engine and the sight of another one that won the race for the lock.
constexpr qint64 GraceMs = 1000;
constexpr int HelperLimitMs = 60'000;
constexpr int MissesUntilFailed = 3;
/// Pauses before a crashed engine is started again. One that crashes oftener than that within
/// CrashWindowMs has a reason that starting does not remove.
constexpr std::array RestartPausesMs = {1000, 3000, 10'000};
constexpr qint64 CrashWindowMs = 120'000;
constexpr qsizetype LargestHelperOutput = 256LL << 10U;

Error localError(const QString &message, const QString &detail = {})
{
    return {Error::Kind::Local, 0, message, detail, -1};
}

/// The engine has no use for the keys of other connections.
QProcessEnvironment engineEnvironment()
{
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    const QStringList names = environment.keys();
    for (const QString &name : names) {
        if (name.startsWith(QLatin1String("MORU_")) || name.startsWith(QLatin1String("E2B_")))
            environment.remove(name);
    }
    return environment;
}

} // namespace

struct EngineHost::Private {
    explicit Private(EngineHost *host)
        : q(host)
        , network(new QNetworkAccessManager(host))
    {
        poll.setInterval(PollMs);
        QObject::connect(&poll, &QTimer::timeout, q, [this] { pollStart(); });
        watch.setInterval(WatchMs);
        QObject::connect(&watch, &QTimer::timeout, q, [this] { look(); });
        restart.setSingleShot(true);
        QObject::connect(&restart, &QTimer::timeout, q, [this] {
            if (state == State::Failed)
                beginStart();
        });
    }

    EngineHost *q;
    QNetworkAccessManager *network;
    QString program; ///< empty = not found
    QString stateDir;
    State state = State::Unknown;
    Error error;
    Address address;

    enginefiles::Record running; ///< what `address` was made of
    QTimer poll;                 ///< while Starting
    QTimer watch;                ///< otherwise, once start() or stop() was called
    QElapsedTimer sinceStart;
    QElapsedTimer sinceDeath;
    qint64 spawnedPid = 0;
    QString startLog; ///< stderr of the engine we spawned, until it serves
    QPointer<QNetworkReply> health;
    int misses = 0;
    bool startWhenStopped = false;
    bool crashed = false; ///< see hasCrashed()
    QTimer restart;
    QList<QDeadlineTimer> crashes; ///< each until it is forgotten

    void setState(State next)
    {
        if (state == next)
            return;
        state = next;
        qCInfo(lcEngine) << "engine" << next;
        emit q->stateChanged(next);
    }

    static QString findProgram(const QString &wanted)
    {
        if (!wanted.isEmpty()) {
            const QFileInfo file(wanted);
            return file.isFile() && file.isExecutable() ? file.absoluteFilePath() : QString();
        }
        const QString beside =
            QDir(QCoreApplication::applicationDirPath()).filePath(QStringLiteral("moru-local"));
        if (QFileInfo(beside).isExecutable())
            return beside;
        return QStandardPaths::findExecutable(QStringLiteral("moru-local"));
    }

    /// GET /health of `record`'s engine, without the key.
    void checkHealth(const enginefiles::Record &record, std::function<void(bool)> told)
    {
        QUrl url = record.apiUrl;
        url.setPath(QStringLiteral("/health"));
        QNetworkRequest request(url);
        request.setRawHeader("User-Agent", "moru-desktop/" MORU_VERSION);
        request.setAttribute(QNetworkRequest::RedirectPolicyAttribute,
                             QNetworkRequest::ManualRedirectPolicy);
        request.setTransferTimeout(HealthLimitMs);
        dropHealth();
        health = network->get(request);
        QNetworkReply *reply = health;
        QObject::connect(reply, &QNetworkReply::finished, q, [this, reply, told = std::move(told)] {
            const int status = reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
            health = nullptr;
            reply->deleteLater();
            told(status >= 200 && status < 300);
        });
    }

    void dropHealth()
    {
        if (QNetworkReply *reply = std::exchange(health, nullptr)) {
            QObject::disconnect(reply, nullptr, q, nullptr);
            reply->abort();
            reply->deleteLater();
        }
    }

    // --- Starting ---

    void beginStart()
    {
        watch.stop();
        restart.stop();
        dropHealth();
        error = {};
        crashed = false;
        spawnedPid = 0;
        sinceDeath.invalidate();
        sinceStart.start();
        setState(State::Starting);
        poll.start();
        QTimer::singleShot(0, q, [this] { pollStart(); });
    }

    void pollStart()
    {
        if (state != State::Starting || health)
            return;
        const auto record = enginefiles::readRecord(stateDir);
        if (record && enginefiles::isAlive(record->pid)) {
            checkHealth(*record, [this, record = *record](bool well) {
                if (state != State::Starting)
                    return;
                if (well)
                    serve(record);
                else if (spawnedPid == 0 && !enginefiles::isLocked(stateDir))
                    spawn(); // a file left behind, its number taken by another process
                else
                    checkStartLimits();
            });
            return;
        }
        if (spawnedPid == 0 && !enginefiles::isLocked(stateDir))
            spawn();
        else
            checkStartLimits();
    }

    void checkStartLimits()
    {
        if (spawnedPid > 0 && !enginefiles::isAlive(spawnedPid)) {
            // It ended. Either it lost the race against another one, which then holds the lock and
            // will be ready soon, or it could not start and has said why.
            if (!sinceDeath.isValid())
                sinceDeath.start();
            if (!enginefiles::isLocked(stateDir)
                && (sinceDeath.elapsed() > GraceMs || hasStartLog())) {
                startFailed(QStringLiteral("The local engine could not start"));
                return;
            }
        }
        if (sinceStart.elapsed() > StartLimitMs)
            startFailed(QStringLiteral("The local engine was not ready within %1 seconds")
                            .arg(StartLimitMs / 1000));
    }

    [[nodiscard]] bool hasStartLog() const { return QFileInfo(startLog).size() > 0; }

    void spawn()
    {
        program = program.isEmpty() ? findProgram({}) : program;
        if (program.isEmpty()) {
            endStart(localError(QStringLiteral("The program moru-local was not found")));
            return;
        }
        if (!QFileInfo::exists(stateDir)) {
            if (!QDir().mkpath(stateDir)) {
                endStart(
                    localError(QStringLiteral("The folder %1 cannot be created").arg(stateDir)));
                return;
            }
            QFile::setPermissions(stateDir, QFileDevice::ReadOwner | QFileDevice::WriteOwner
                                                | QFileDevice::ExeOwner);
        }
        // Not in the state directory: the engine refuses a folder that holds things it does not
        // know.
        QTemporaryFile output(QDir(QDir::tempPath()).filePath(QStringLiteral("moru-start-XXXXXX")));
        output.setAutoRemove(false);
        if (!output.open()) {
            endStart(localError(
                QStringLiteral("No temporary file can be made: %1").arg(output.errorString())));
            return;
        }
        startLog = output.fileName();
        // Detached: own session, no pipe to us. The engine outlives the app.
        QProcess process;
        process.setProgram(program);
        process.setArguments({QStringLiteral("serve"), QStringLiteral("--state-dir"), stateDir,
                              QStringLiteral("--log-file"), q->logFile(),
                              QStringLiteral("--listen"), listenAddress()});
        process.setProcessEnvironment(engineEnvironment());
        process.setWorkingDirectory(QDir::rootPath());
        process.setStandardInputFile(QProcess::nullDevice());
        process.setStandardOutputFile(QProcess::nullDevice());
        process.setStandardErrorFile(startLog, QIODevice::Truncate);
        if (!process.startDetached(&spawnedPid))
            endStart(localError(
                QStringLiteral("%1 could not be started: %2").arg(program, process.errorString())));
    }

    /// The documented port, where nothing speaks against it: another user's engine, one on another
    /// state directory, or any other program may have it.
    [[nodiscard]] QString listenAddress() const
    {
        const auto isFree = [](quint16 port) {
            QTcpServer probe;
            return probe.listen(QHostAddress::LocalHost, port);
        };
        const bool usual = stateDir == QDir(paths::engineStateDir()).absolutePath();
        const quint16 port =
            usual && isFree(EnginePort) && isFree(EnginePort + 1) ? EnginePort : quint16(0);
        return QStringLiteral("127.0.0.1:%1").arg(port);
    }

    void startFailed(const QString &what)
    {
        const QString said = enginefiles::tail(startLog);
        if (!said.isEmpty()) {
            endStart(localError(said, what));
            return;
        }
        // Nothing was said: the doctor may know.
        poll.stop();
        q->doctor(q, [this, what](const Result<Diagnosis> &diagnosis) {
            if (state != State::Starting)
                return;
            if (diagnosis && !diagnosis->ok && !diagnosis->text.isEmpty())
                endStart(localError(diagnosis->text, what));
            else
                endStart(localError(what, enginefiles::lastLine(q->logFile())));
        });
    }

    /// Starting -> Failed, with `reason`; or, with nothing to complain about, on to serve().
    void endStart(const Error &reason)
    {
        leaveStarting();
        error = reason;
        setState(State::Failed);
    }

    void leaveStarting()
    {
        poll.stop();
        if (!startLog.isEmpty())
            QFile::remove(std::exchange(startLog, {}));
        misses = 0;
        watch.start();
    }

    void serve(const enginefiles::Record &record)
    {
        auto key = enginefiles::readKey(record.keyFile);
        leaveStarting();
        crashed = false;
        restart.stop();
        if (!key) {
            error = key.error();
            setState(State::Failed);
            return;
        }
        running = record;
        address = {record.apiUrl, record.sandboxUrl, record.domain, *std::move(key)};
        error = {};
        setState(State::Running);
    }

    // --- Watching ---

    void look()
    {
        if (health)
            return;
        const auto record = enginefiles::readRecord(stateDir);
        const bool alive = record && enginefiles::isAlive(record->pid);
        if (state == State::Running) {
            if (alive && !(*record == running)) { // another engine took its place
                setState(State::Stopped);
            } else if (!enginefiles::isAlive(running.pid)) {
                lost(enginefiles::recordExists(stateDir));
                return;
            }
        }
        if (!alive)
            return;
        checkHealth(*record, [this, record = *record](bool well) {
            if (state == State::Starting || state == State::Stopping)
                return;
            if (well && state != State::Running) {
                serve(record);
            } else if (well) {
                misses = 0;
            } else if (state == State::Running && ++misses >= MissesUntilFailed) {
                error = localError(QStringLiteral("The local engine runs but does not answer"));
                crashed = true;
                setState(State::Failed);
            }
        });
    }

    /// A served engine is gone. One that ends in order removes its file.
    void lost(bool unexpected)
    {
        dropHealth();
        address = {};
        if (unexpected) {
            const QString last = enginefiles::lastLine(q->logFile());
            error = localError(QStringLiteral("The local engine ended unexpectedly"), last);
            crashed = true;
            restartSoon();
            setState(State::Failed);
        } else {
            error = {};
            setState(State::Stopped);
        }
    }

    void restartSoon()
    {
        crashes.removeIf([](const QDeadlineTimer &crash) { return crash.hasExpired(); });
        if (crashes.size() < qsizetype(RestartPausesMs.size()))
            restart.start(RestartPausesMs.at(size_t(crashes.size())));
        crashes.append(QDeadlineTimer(CrashWindowMs));
    }

    // --- Helpers: moru-local stop, moru-local doctor ---

    struct HelperResult {
        bool started = false;
        bool timedOut = false;
        int exitCode = -1;
        QString text;
    };

    void runHelper(const QString &verb, QObject *context,
                   std::function<void(const HelperResult &)> told)
    {
        auto *process = new QProcess(q);
        process->setProgram(program);
        process->setArguments({verb, QStringLiteral("--state-dir"), stateDir});
        process->setProcessEnvironment(engineEnvironment());
        process->setProcessChannelMode(QProcess::MergedChannels);
        process->setStandardInputFile(QProcess::nullDevice());
        auto output = std::make_shared<QByteArray>();
        auto timedOut = std::make_shared<bool>(false);
        const QPointer<QObject> alive(context);
        QObject::connect(process, &QProcess::readyRead, process, [process, output] {
            *output += process->readAll().left(LargestHelperOutput - output->size());
        });
        const auto finish = [process, output, timedOut, alive,
                             told = std::move(told)](bool started) {
            QObject::disconnect(process, nullptr, process, nullptr);
            *output += process->readAll().left(LargestHelperOutput - output->size());
            HelperResult result;
            result.started = started;
            result.timedOut = *timedOut;
            if (started && process->exitStatus() == QProcess::NormalExit)
                result.exitCode = process->exitCode();
            result.text = QString::fromUtf8(*output).trimmed();
            process->deleteLater();
            if (alive)
                told(result);
        };
        QObject::connect(process, &QProcess::finished, process, [finish] { finish(true); });
        QObject::connect(process, &QProcess::errorOccurred, process,
                         [finish](QProcess::ProcessError what) {
                             if (what == QProcess::FailedToStart)
                                 finish(false);
                         });
        QTimer::singleShot(HelperLimitMs, process, [process, timedOut] {
            *timedOut = true;
            process->kill();
        });
        QTimer::singleShot(0, process, [process] { process->start(QIODevice::ReadOnly); });
    }

    void stopAnswered(const HelperResult &result)
    {
        const auto record = enginefiles::readRecord(stateDir);
        const bool stillThere = record && enginefiles::isAlive(record->pid);
        misses = 0;
        watch.start();
        if (!stillThere) {
            error = {};
            address = {};
            setState(State::Stopped);
            if (std::exchange(startWhenStopped, false))
                q->start();
            return;
        }
        startWhenStopped = false;
        error = localError(result.text.isEmpty()
                               ? QStringLiteral("The local engine could not be stopped")
                               : result.text);
        setState(*record == running ? State::Running : State::Failed);
    }
};

EngineHost::EngineHost(QString program, QString stateDir, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this))
{
    d->stateDir = QDir(stateDir.isEmpty() ? paths::engineStateDir() : stateDir).absolutePath();
#ifdef Q_OS_LINUX
    d->program = Private::findProgram(program);
    if (d->program.isEmpty() && !program.isEmpty())
        d->program = program; // starting it will fail and say so
#else
    Q_UNUSED(program)
    d->state = State::Unsupported;
    d->error = localError(
        QStringLiteral("Local sandboxes need Linux; on Windows, moru-local can run inside WSL"));
#endif
}

EngineHost::~EngineHost()
{
    d->dropHealth();
    // A "stop" under way is carried through; nobody waits for it.
    const auto helpers = findChildren<QProcess *>(QString(), Qt::FindDirectChildrenOnly);
    for (QProcess *helper : helpers) {
        helper->disconnect();
        if (helper->state() == QProcess::NotRunning)
            continue;
        helper->setParent(QCoreApplication::instance());
        connect(helper, &QProcess::finished, helper, &QObject::deleteLater);
    }
}

EngineHost::State EngineHost::state() const
{
    return d->state;
}

Error EngineHost::lastError() const
{
    return d->error;
}

const EngineHost::Address &EngineHost::address() const
{
    return d->address;
}

QString EngineHost::logFile() const
{
    return QDir(d->stateDir).filePath(QStringLiteral("engine.log"));
}

QString EngineHost::stateDir() const
{
    return d->stateDir;
}

bool EngineHost::hasCrashed() const
{
    return d->state == State::Failed && d->crashed;
}

bool EngineHost::willRestart() const
{
    return d->state == State::Failed && d->restart.isActive();
}

void EngineHost::start()
{
    switch (d->state) {
    case State::Unknown:
    case State::Stopped:
    case State::Failed:
        d->beginStart();
        break;
    case State::Stopping:
        d->startWhenStopped = true;
        break;
    case State::Starting:
    case State::Running:
    case State::Unsupported:
        break;
    }
}

void EngineHost::stop()
{
    if (d->state == State::Unsupported || d->state == State::Stopping)
        return;
    d->poll.stop();
    d->watch.stop();
    d->restart.stop();
    d->dropHealth();
    d->startWhenStopped = false;
    d->setState(State::Stopping);
    d->runHelper(QStringLiteral("stop"), this,
                 [this](const Private::HelperResult &result) { d->stopAnswered(result); });
}

void EngineHost::doctor(QObject *context, Done<Diagnosis> done)
{
    if (d->program.isEmpty())
        d->program = Private::findProgram({});
    if (d->state == State::Unsupported || d->program.isEmpty()) {
        const Error reason =
            d->state == State::Unsupported
                ? d->error
                : localError(QStringLiteral("The program moru-local was not found"));
        QTimer::singleShot(
            0, context, [done = std::move(done), reason] { done(tl::unexpected<Error>(reason)); });
        return;
    }
    d->runHelper(
        QStringLiteral("doctor"), context,
        [done = std::move(done), program = d->program](const Private::HelperResult &result) {
            if (!result.started)
                done(failure(Error::Kind::Local,
                             QStringLiteral("%1 could not be started").arg(program)));
            else if (result.timedOut)
                done(failure(Error::Kind::Timeout,
                             QStringLiteral("moru-local doctor did not end in time")));
            else
                done(Diagnosis{result.exitCode == 0, result.text});
        });
}

} // namespace moru
