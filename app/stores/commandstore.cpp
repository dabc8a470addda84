// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/commandstore.h"

#include <QElapsedTimer>
#include <QPointer>
#include <QTimer>

#include <algorithm>
#include <vector>

namespace moru {

namespace {

constexpr int kTickMs = 30;
// Bytes a command may print between two ticks: 64 MiB/s, and the window stays alive.
constexpr qint64 kTickBudget = 2 << 20;
constexpr int kPollMs = 3000;
constexpr int kMaxPollMs = 30000;
constexpr int kSoonMs = 150;
constexpr qint64 kMaxTotalChars = 40 << 20;

} // namespace

struct CommandStore::Private {
    struct Entry {
        CommandRun run;
        QPointer<ProcessStream> stream;
        OutputDecoder out;
        OutputDecoder err;
        QElapsedTimer clock;
        qint64 spent = 0; ///< bytes since the last tick
        bool held = false;
        bool fresh = false; ///< output not announced yet
    };

    CommandStore &q;
    EnvdClient &envd;
    std::vector<std::unique_ptr<Entry>> runs;
    quint64 nextId = 1;
    QTimer tick;
    QTimer poll;
    QList<ProcessInfo> processes;
    bool known = false;
    bool active = false;
    bool reachable = true;
    bool listing = false;
    Call listCall;
    int failures = 0;
    std::optional<Error> listError;

    Private(CommandStore &store, EnvdClient &client)
        : q(store)
        , envd(client)
    {
        tick.setSingleShot(true);
        tick.setInterval(kTickMs);
        poll.setSingleShot(true);
    }

    [[nodiscard]] Entry *find(quint64 id) const
    {
        const auto found = std::find_if(runs.begin(), runs.end(),
                                        [id](const auto &entry) { return entry->run.id == id; });
        return found == runs.end() ? nullptr : found->get();
    }

    quint64 add(CommandRun run)
    {
        trim();
        auto entry = std::make_unique<Entry>();
        run.id = nextId++;
        run.startedAt = QDateTime::currentDateTimeUtc();
        entry->run = std::move(run);
        entry->clock.start();
        const quint64 id = entry->run.id;
        runs.push_back(std::move(entry));
        emit q.runAdded(id);
        return id;
    }

    void trim()
    {
        const auto total = [this] {
            qint64 chars = 0;
            for (const auto &entry : runs)
                chars += entry->run.output.end() - entry->run.output.begin();
            return chars;
        };
        while (int(runs.size()) >= kMaxRuns || total() > kMaxTotalChars) {
            const auto oldest = std::find_if(
                runs.begin(), runs.end(), [](const auto &entry) { return !entry->run.isLive(); });
            if (oldest == runs.end())
                return;
            const quint64 id = (*oldest)->run.id;
            runs.erase(oldest);
            emit q.runRemoved(id);
        }
    }

    void follow(quint64 id, ProcessStream *stream)
    {
        Entry *entry = find(id);
        entry->stream = stream;
        connect(stream, &ProcessStream::started, &q, [this, id](quint32 pid) {
            if (Entry *e = find(id)) {
                e->run.pid = pid;
                e->run.state = CommandRun::State::Running;
                emit q.runChanged(id);
                pollSoon();
            }
        });
        connect(stream, &ProcessStream::stdoutData, &q, [this, id](const QByteArray &bytes) {
            receive(id, CommandOutput::Channel::Stdout, bytes);
        });
        connect(stream, &ProcessStream::stderrData, &q, [this, id](const QByteArray &bytes) {
            receive(id, CommandOutput::Channel::Stderr, bytes);
        });
        connect(stream, &ProcessStream::ptyData, &q, [this, id](const QByteArray &bytes) {
            receive(id, CommandOutput::Channel::Stdout, bytes);
        });
        connect(stream, &ProcessStream::finished, &q, [this, id](const ProcessEnd &end) {
            if (Entry *e = find(id)) {
                e->run.end = end;
                close(*e, CommandRun::State::Ended);
            }
        });
        connect(stream, &ProcessStream::failed, &q, [this, id](const Error &error) {
            if (Entry *e = find(id)) {
                e->run.error = error;
                close(*e, e->run.state == CommandRun::State::Running ? CommandRun::State::Detached
                                                                     : CommandRun::State::Refused);
            }
        });
    }

    void receive(quint64 id, CommandOutput::Channel channel, const QByteArray &bytes)
    {
        Entry *entry = find(id);
        if (!entry)
            return;
        OutputDecoder &decoder =
            channel == CommandOutput::Channel::Stdout ? entry->out : entry->err;
        entry->run.output.append(channel, decoder.decode(bytes));
        entry->fresh = true;
        entry->spent += bytes.size();
        if (entry->spent > kTickBudget && !entry->held && entry->stream) {
            entry->held = true;
            entry->stream->setReadingPaused(true);
        }
        if (!tick.isActive())
            tick.start();
    }

    void onTick()
    {
        std::vector<quint64> fresh;
        for (const auto &entry : runs) {
            entry->spent = 0;
            if (std::exchange(entry->fresh, false))
                fresh.push_back(entry->run.id);
            if (std::exchange(entry->held, false) && entry->stream)
                entry->stream->setReadingPaused(false);
        }
        for (const quint64 id : fresh)
            emit q.outputAppended(id);
    }

    void close(Entry &entry, CommandRun::State state)
    {
        entry.run.output.append(CommandOutput::Channel::Stdout, entry.out.finish());
        entry.run.output.append(CommandOutput::Channel::Stderr, entry.err.finish());
        entry.run.state = state;
        entry.run.elapsedMs = entry.clock.elapsed();
        entry.fresh = false;
        if (entry.stream)
            entry.stream->deleteLater();
        entry.stream = nullptr;
        const quint64 id = entry.run.id;
        emit q.outputAppended(id);
        emit q.runChanged(id);
        pollSoon();
    }

    // --- the list ---------------------------------------------------------------------------

    void pollSoon()
    {
        if (active && reachable && !listing && (!poll.isActive() || poll.remainingTime() > kSoonMs))
            poll.start(kSoonMs);
    }

    void list()
    {
        if (!active || !reachable || listing)
            return;
        listing = true;
        poll.stop();
        listCall = envd.listProcesses(&q, [this](const Result<QList<ProcessInfo>> &result) {
            listing = false;
            if (result) {
                failures = 0;
                known = true;
                listError.reset();
                merge(*result);
            } else {
                failures = qMin(failures + 1, 10);
                listError = result.error();
            }
            emit q.processesListed();
            if (!active || !reachable)
                return;
            // Refused because the sandbox pauses: asking on could wake it.
            if (!result && result.error().kind == Error::Kind::Conflict)
                return;
            poll.start(qMin(kMaxPollMs, kPollMs << qMin(failures, 4)));
        });
    }

    void merge(QList<ProcessInfo> fresh)
    {
        const auto byPid = [](const ProcessInfo &a, const ProcessInfo &b) { return a.pid < b.pid; };
        std::sort(fresh.begin(), fresh.end(), byPid);
        fresh.erase(std::unique(fresh.begin(), fresh.end(),
                                [](const auto &a, const auto &b) { return a.pid == b.pid; }),
                    fresh.end());
        for (qsizetype i = processes.size() - 1; i >= 0; --i) {
            if (std::binary_search(fresh.cbegin(), fresh.cend(), processes.at(i), byPid))
                continue;
            emit q.processesAboutToBeRemoved(int(i), int(i));
            processes.removeAt(i);
            emit q.processesRemoved();
        }
        for (qsizetype i = 0; i < fresh.size(); ++i) {
            if (i < processes.size() && processes.at(i).pid == fresh.at(i).pid) {
                if (!(processes.at(i) == fresh.at(i))) {
                    processes[i] = fresh.at(i);
                    emit q.processChanged(int(i));
                }
                continue;
            }
            emit q.processesAboutToBeInserted(int(i), int(i));
            processes.insert(i, fresh.at(i));
            emit q.processesInserted();
        }
    }
};

CommandStore::CommandStore(EnvdClient &envd, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(*this, envd))
{
    connect(&d->tick, &QTimer::timeout, this, [this] { d->onTick(); });
    connect(&d->poll, &QTimer::timeout, this, [this] { d->list(); });
}

CommandStore::~CommandStore()
{
    for (const auto &entry : d->runs) {
        if (!entry->stream)
            continue;
        entry->stream->disconnect(this);
        entry->stream->detach();
    }
}

quint64 CommandStore::run(const QString &command, const QString &cwd, const QString &user,
                          bool background)
{
    CommandRun run;
    run.command = command;
    run.cwd = cwd;
    run.user = user;
    run.background = background;
    ProcessSpec spec;
    spec.args = {QStringLiteral("-l"), QStringLiteral("-c"), command};
    spec.cwd = cwd;
    spec.user = user;
    const quint64 id = d->add(std::move(run));
    d->follow(id, d->envd.start(spec, this));
    return id;
}

quint64 CommandStore::attach(quint32 pid)
{
    if (const CommandRun *present = liveRunOf(pid))
        return present->id;
    CommandRun run;
    run.attached = true;
    run.background = true;
    run.pid = pid;
    for (const ProcessInfo &process : std::as_const(d->processes)) {
        if (process.pid == pid) {
            run.command = commandLine(process);
            run.cwd = process.cwd;
        }
    }
    const quint64 id = d->add(std::move(run));
    d->follow(id, d->envd.attach(pid, this));
    return id;
}

void CommandStore::signal(quint32 pid, EnvdClient::Signal signal, QObject *context, Done<bool> done)
{
    d->envd.signalProcess(
        pid, signal, context,
        [self = QPointer(this), done = std::move(done)](const Result<bool> &result) {
            if (self)
                self->d->pollSoon();
            done(result);
        });
}

int CommandStore::runCount() const
{
    return int(d->runs.size());
}

const CommandRun &CommandStore::runAt(int index) const
{
    return d->runs[size_t(index)]->run;
}

const CommandRun *CommandStore::run(quint64 id) const
{
    const Private::Entry *entry = d->find(id);
    return entry ? &entry->run : nullptr;
}

const CommandRun *CommandStore::liveRunOf(quint32 pid) const
{
    for (const auto &entry : d->runs) {
        if (entry->run.pid == pid && entry->run.isLive())
            return &entry->run;
    }
    return nullptr;
}

qint64 CommandStore::elapsedMs(quint64 id) const
{
    const Private::Entry *entry = d->find(id);
    if (!entry)
        return 0;
    return entry->run.isLive() ? entry->clock.elapsed() : entry->run.elapsedMs;
}

const QList<ProcessInfo> &CommandStore::processes() const
{
    return d->processes;
}

bool CommandStore::areProcessesKnown() const
{
    return d->known;
}

const std::optional<Error> &CommandStore::listError() const
{
    return d->listError;
}

void CommandStore::refreshProcesses()
{
    d->list();
}

void CommandStore::setActive(bool active)
{
    if (std::exchange(d->active, active) == active)
        return;
    if (active)
        d->list();
    else
        d->poll.stop();
}

void CommandStore::setReachable(bool reachable)
{
    if (std::exchange(d->reachable, reachable) == reachable)
        return;
    if (reachable) {
        d->list();
        return;
    }
    d->poll.stop();
    // Its retries would go to a sandbox that is being paused.
    d->listCall.abort();
    d->listing = false;
}

QString CommandStore::commandLine(const ProcessInfo &process)
{
    const QString program = process.cmd.mid(process.cmd.lastIndexOf(u'/') + 1);
    if ((program == QLatin1String("bash") || program == QLatin1String("sh"))
        && process.args.size() >= 2
        && process.args.at(process.args.size() - 2) == QLatin1String("-c"))
        return process.args.constLast();
    return process.args.isEmpty()
               ? process.cmd
               : process.cmd + QLatin1Char(' ') + process.args.join(QLatin1Char(' '));
}

} // namespace moru
