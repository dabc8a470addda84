// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/fleet.h"

#include "app/engine/http/astuple.h"
#include "app/engine/sandbox/processes.h"
#include "app/engine/server/apierror.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <system_error>
#include <thread>

#include <sys/stat.h>

namespace moru::engine {

namespace fs = std::filesystem;
using namespace std::chrono;

namespace {

constexpr std::size_t RunsLimit = 4 * 1024 * 1024;
constexpr std::size_t EndedKept = 500;
constexpr hours EndedKeptFor{24};
constexpr seconds RetryAfterFailure{5};
constexpr seconds LongestWait{60}; ///< the wall clock may be set while we wait
constexpr seconds DiskStep{60};
constexpr std::size_t DisksPerTick = 2; ///< walking a big tree takes long

std::string describe(const LaunchError &error)
{
    if (!error.message.empty())
        return error.message;
    std::string text = error.step;
    if (error.code != 0)
        text += ": " + std::generic_category().message(error.code);
    return text;
}

ApiError notFound(const std::string &id)
{
    return {404, "sandbox '" + id.substr(0, 64) + "' was not found"};
}

std::string makeId()
{
    static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string id = "i";
    while (id.size() < 21) {
        for (const char c : randomBytes(32)) {
            const auto byte = static_cast<unsigned char>(c);
            // 252 = 7 * 36: all letters equally likely.
            if (byte < 252 && id.size() < 21)
                id += letters[byte % letters.size()];
        }
    }
    return id;
}

bool isId(std::string_view id)
{
    return id.size() == 21 && id.front() == 'i'
           && id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789")
                  == std::string_view::npos;
}

bool sameProcess(const Launched &a, const Launched &b)
{
    return a.pid == b.pid && a.startTime == b.startTime;
}

Time latestEnd(const SandboxRecord &record)
{
    return record.startedAt + seconds(MaxTimeout);
}

} // namespace

Fleet::Fleet(asio::io_context &loop, Backend &backend, StateDir dir, Log &log,
             std::size_t maxActive)
    : m_loop(loop)
    , m_backend(backend)
    , m_dir(std::move(dir))
    , m_log(log)
    , m_maxActive(maxActive)
    , m_bootId(currentBootId())
    , m_deadlineTimer(loop)
    , m_sampleTimer(loop)
    , m_disk(loop, 1)
    , m_workers(loop, 4)
    , m_sampler(loop, 1)
{}

Fleet::~Fleet() = default;

// ---- looking things up

SandboxPtr Fleet::find(const std::string &id) const
{
    const auto found = m_sandboxes.find(id);
    return found == m_sandboxes.end() ? nullptr : found->second;
}

SandboxPtr Fleet::findVisible(const std::string &id) const
{
    SandboxPtr sandbox = find(id);
    if (sandbox
        && (sandbox->record.stage == Stage::Starting || sandbox->record.stage == Stage::Killing))
        return nullptr;
    return sandbox;
}

std::vector<SandboxPtr> Fleet::visible() const
{
    std::vector<SandboxPtr> result;
    for (const auto &[id, sandbox] : m_sandboxes)
        if (sandbox->record.stage != Stage::Starting && sandbox->record.stage != Stage::Killing)
            result.push_back(sandbox);
    return result;
}

std::size_t Fleet::runningCount() const
{
    return static_cast<std::size_t>(
        std::count_if(m_sandboxes.begin(), m_sandboxes.end(), [](const auto &entry) {
            return entry.second->record.stage == Stage::Running;
        }));
}

bool Fleet::isActive() const
{
    return std::any_of(m_sandboxes.begin(), m_sandboxes.end(), [](const auto &entry) {
        return entry.second->record.stage != Stage::Paused;
    });
}

std::optional<std::string> Fleet::idOfToken(const std::string &token) const
{
    if (const auto found = m_idOfToken.find(token); found != m_idOfToken.end())
        return found->second;
    for (const Ended &ended : m_ended)
        if (ended.token == token)
            return ended.id;
    return std::nullopt;
}

std::optional<std::string> Fleet::idOfSignature(std::string_view path, std::string_view operation,
                                                std::string_view user,
                                                std::optional<std::int64_t> expiry,
                                                std::string_view signature) const
{
    for (const auto &[id, sandbox] : m_sandboxes)
        if (equalSecrets(fileSignature(path, operation, user, sandbox->record.token, expiry),
                         signature))
            return id;
    for (const Ended &ended : m_ended)
        if (equalSecrets(fileSignature(path, operation, user, ended.token, expiry), signature))
            return ended.id;
    return std::nullopt;
}

SandboxPtr Fleet::soleRunning() const
{
    SandboxPtr sole;
    for (const auto &[id, sandbox] : m_sandboxes) {
        if (sandbox->record.stage != Stage::Running)
            continue;
        if (sole)
            return nullptr;
        sole = sandbox;
    }
    return sole;
}

// ---- what every transition shares

void Fleet::spawn(asio::awaitable<void> job)
{
    asio::co_spawn(m_loop, std::move(job), [this](const std::exception_ptr &failure) {
        if (!failure)
            return;
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception &e) {
            m_log.error(std::string("unexpected: ") + e.what());
        }
    });
}

void Fleet::insert(const SandboxPtr &sandbox)
{
    m_sandboxes[sandbox->record.id] = sandbox;
    m_idOfToken[sandbox->record.token] = sandbox->record.id;
}

std::shared_ptr<Transition> Fleet::begin(const SandboxPtr &sandbox, Stage stage)
{
    sandbox->record.stage = stage;
    sandbox->transition = std::make_shared<Transition>(m_loop);
    return sandbox->transition;
}

void Fleet::settle(const SandboxPtr &sandbox, Stage stage)
{
    sandbox->record.stage = stage;
    touchDeadlines();
}

void Fleet::fail(const SandboxPtr &sandbox, int status, std::string message)
{
    sandbox->transition->status = status;
    sandbox->transition->message = std::move(message);
}

void Fleet::finish(const SandboxPtr &sandbox)
{
    const auto transition = std::exchange(sandbox->transition, nullptr);
    transition->done.set();
}

asio::awaitable<void> Fleet::finished(std::shared_ptr<Transition> transition)
{
    co_await transition->done.wait();
    if (transition->status != 0)
        throw ApiError(transition->status, transition->message);
}

asio::awaitable<std::string> Fleet::step(Step work)
{
    const auto result = std::make_shared<std::optional<LaunchError>>();
    std::function<void()> job = [work = std::move(work), result] { *result = work(); };
    std::string problem;
    try {
        co_await m_workers.run(std::move(job));
        if (*result)
            problem = describe(**result);
    } catch (const std::exception &e) {
        problem = e.what();
    }
    co_return problem;
}

asio::awaitable<std::string> Fleet::trySave(SandboxPtr sandbox, bool durable)
{
    // The text is made now: later changes have a save of their own, which comes after this one.
    std::function<void()> job = [text = toJson(sandbox->record), durable,
                                 file = m_dir.record(sandbox->record.id)] {
        if (::mkdir(file.parent_path().c_str(), 0700) != 0 && errno != EEXIST)
            throw std::system_error(errno, std::generic_category(), "create sandbox directory");
        writeFileAtomically(file, text, durable);
    };
    std::string problem;
    try {
        co_await m_disk.run(std::move(job));
    } catch (const std::exception &e) {
        problem = e.what();
    }
    if (!problem.empty())
        m_log.error("state not written: " + problem, sandbox->record.id);
    co_return problem;
}

asio::awaitable<void> Fleet::save(SandboxPtr sandbox)
{
    const std::string problem = co_await trySave(std::move(sandbox), false);
    if (!problem.empty())
        throw ApiError(500, "the sandbox's state could not be written: " + problem);
}

asio::awaitable<std::string> Fleet::endProcesses(SandboxPtr sandbox)
{
    if (!sandbox->record.launched)
        co_return std::string();
    Step work = [this, id = sandbox->record.id, launched = *sandbox->record.launched] {
        return m_backend.kill(id, launched);
    };
    const std::string problem = co_await step(std::move(work));
    if (problem.empty())
        sandbox->record.launched.reset();
    co_return problem;
}

asio::awaitable<std::string> Fleet::removeFiles(SandboxPtr sandbox)
{
    Step work = [this, id = sandbox->record.id] { return m_backend.removeFiles(id); };
    const std::string problem = co_await step(std::move(work));
    co_return problem;
}

void Fleet::closeStreams(const SandboxPtr &sandbox)
{
    // The relay sees its client leave and closes towards the agent.
    const std::set<Socket *> streams = sandbox->streams;
    for (Socket *socket : streams) {
        boost::system::error_code ignored;
        socket->shutdown(Socket::shutdown_both, ignored);
    }
}

void Fleet::rememberEnded(const SandboxRecord &record)
{
    m_idOfToken.erase(record.token);
    m_ended.push_back({record.id, record.token, now()});
    while (m_ended.size() > EndedKept || m_ended.front().at < now() - EndedKeptFor)
        m_ended.pop_front();
}

void Fleet::noteRun(const SandboxRecord &record, const std::string &reason)
{
    m_runs.add({record.id, record.templateId, record.alias, reason, record.createdAt, now()});
}

AgentConfig Fleet::agentConfig(const SandboxRecord &record)
{
    AgentConfig config;
    config.sandboxId = record.id;
    config.templateId = record.templateId;
    config.accessToken = record.token;
    config.globalEnv = record.env;
    return config;
}

void Fleet::checkRoom() const
{
    if (m_stopping)
        throw ApiError(503, "the engine is stopping");
    const auto active = static_cast<std::size_t>(
        std::count_if(m_sandboxes.begin(), m_sandboxes.end(), [](const auto &entry) {
            const Stage stage = entry.second->record.stage;
            return stage != Stage::Paused && stage != Stage::Killing;
        }));
    if (active >= m_maxActive)
        throw ApiError(429, "the maximum of " + std::to_string(m_maxActive)
                                + " running sandboxes is reached");
}

// ---- create

asio::awaitable<SandboxPtr> Fleet::create(NewSandbox wanted)
{
    checkRoom();
    auto sandbox = std::make_shared<Sandbox>();
    SandboxRecord &record = sandbox->record;
    record.id = makeId();
    record.templateId = wanted.templateId;
    record.alias = wanted.templateId;
    record.token = hex(randomBytes(32));
    if (wanted.privateTraffic)
        record.trafficToken = hex(randomBytes(32));
    record.maskHost = std::move(wanted.maskHost);
    record.env = std::move(wanted.env);
    record.metadata = std::move(wanted.metadata);
    record.autoPause = wanted.autoPause;
    record.createdAt = record.startedAt = record.endAt = now();
    record.bootId = m_bootId;
    const auto transition = begin(sandbox, Stage::Starting);
    insert(sandbox);
    spawn(runStart(sandbox, wanted.timeout));
    co_await finished(transition);
    co_return sandbox;
}

asio::awaitable<void> Fleet::runStart(SandboxPtr sandbox, std::int64_t lifetime)
{
    SandboxRecord &record = sandbox->record;
    const auto started = steady_clock::now();
    const auto launched = std::make_shared<Launched>();
    std::string problem = co_await trySave(sandbox, false);
    if (problem.empty()) {
        Step work = [this, id = record.id, config = agentConfig(record), launched] {
            return m_backend.start(id, config, *launched);
        };
        problem = co_await step(std::move(work));
        if (problem.empty()) {
            record.launched = *launched;
            record.startedAt = now();
            record.endAt = record.startedAt + seconds(lifetime);
            record.stage = Stage::Running;
            problem = co_await trySave(sandbox, false);
        }
    }
    if (problem.empty()) {
        settle(sandbox, Stage::Running);
        spawn(watch(sandbox, *launched));
        const auto spent = duration_cast<milliseconds>(steady_clock::now() - started);
        m_log.info("started in " + std::to_string(spent.count()) + " ms", record.id);
    } else {
        record.stage = Stage::Killing;
        m_log.error("could not be started: " + problem, record.id);
        const std::string alive = co_await endProcesses(sandbox);
        const std::string left = co_await removeFiles(sandbox);
        if (!alive.empty() || !left.empty())
            m_log.error("not cleaned up: " + alive + " " + left, record.id);
        m_idOfToken.erase(record.token);
        m_sandboxes.erase(record.id);
        fail(sandbox, 500, "the sandbox could not be started: " + problem);
    }
    finish(sandbox);
}

// ---- kill

asio::awaitable<void> Fleet::kill(std::string id)
{
    for (;;) {
        const SandboxPtr sandbox = findVisible(id);
        if (!sandbox)
            throw notFound(id);
        if (sandbox->transition) {
            const auto transition = sandbox->transition;
            co_await transition->done.wait();
            continue;
        }
        const auto transition = beginKill(sandbox, "killed");
        co_await finished(transition);
        co_return;
    }
}

std::shared_ptr<Transition> Fleet::beginKill(const SandboxPtr &sandbox, std::string reason)
{
    const Stage before = sandbox->record.stage;
    auto transition = begin(sandbox, Stage::Killing);
    closeStreams(sandbox);
    spawn(runKill(sandbox, before, std::move(reason)));
    return transition;
}

asio::awaitable<void> Fleet::runKill(SandboxPtr sandbox, Stage before, std::string reason)
{
    SandboxRecord &record = sandbox->record;
    const std::string unsaved = co_await trySave(sandbox, false);
    if (!unsaved.empty())
        m_log.warning("is killed nevertheless", record.id);
    const std::string problem = co_await endProcesses(sandbox);
    if (!problem.empty()) {
        m_log.error("could not be killed: " + problem, record.id);
        if (before == Stage::Running && record.endAt < now() + RetryAfterFailure)
            record.endAt = now() + RetryAfterFailure;
        settle(sandbox, before);
        const std::string again = co_await trySave(sandbox, false);
        fail(sandbox, 500, "the sandbox could not be killed: " + problem + again);
        finish(sandbox);
        co_return;
    }
    const std::string left = co_await removeFiles(sandbox);
    if (!left.empty()) // the next start of the engine tries again
        m_log.error("files not removed: " + left, record.id);
    m_log.info("ended, " + reason, record.id);
    rememberEnded(record);
    noteRun(record, reason);
    m_sandboxes.erase(record.id);
    std::function<void()> saveRuns = [text = m_runs.text(), file = m_dir.runsFile()] {
        writeFileAtomically(file, text, false);
    };
    try {
        co_await m_disk.run(std::move(saveRuns));
    } catch (const std::exception &e) {
        m_log.error(std::string("history not written: ") + e.what());
    }
    finish(sandbox);
}

// ---- pause and resume

asio::awaitable<void> Fleet::pause(std::string id)
{
    bool waited = false; // for a pause that somebody else asked for
    for (;;) {
        const SandboxPtr sandbox = findVisible(id);
        if (!sandbox)
            throw notFound(id);
        if (sandbox->transition) {
            waited = sandbox->record.stage == Stage::Pausing;
            const auto transition = sandbox->transition;
            co_await transition->done.wait();
            continue;
        }
        if (sandbox->record.stage == Stage::Paused) {
            if (waited)
                co_return;
            throw ApiError(409, "sandbox '" + id + "' is already paused");
        }
        if (m_stopping)
            throw ApiError(503, "the engine is stopping");
        const auto transition = beginPause(sandbox, false);
        co_await finished(transition);
        co_return;
    }
}

std::shared_ptr<Transition> Fleet::beginPause(const SandboxPtr &sandbox, bool atExpiry)
{
    auto transition = begin(sandbox, Stage::Pausing);
    closeStreams(sandbox);
    spawn(runPause(sandbox, atExpiry));
    return transition;
}

asio::awaitable<void> Fleet::runPause(SandboxPtr sandbox, bool atExpiry)
{
    SandboxRecord &record = sandbox->record;
    std::string problem = co_await trySave(sandbox, false);
    if (problem.empty() || atExpiry) {
        Step freeze = [this, id = record.id, launched = *record.launched] {
            return m_backend.freeze(id, launched);
        };
        problem = co_await step(std::move(freeze));
        if (!problem.empty() && atExpiry) {
            // Its time is over: then at least the files are kept.
            m_log.warning("could not be frozen, processes are ended: " + problem, record.id);
            problem = co_await endProcesses(sandbox);
        }
    }
    if (problem.empty()) {
        record.endAt = now();
        settle(sandbox, Stage::Paused);
        problem = co_await trySave(sandbox, true);
        m_log.info(atExpiry ? "paused, timeout" : "paused", record.id);
        if (!problem.empty())
            fail(sandbox, 500, "the sandbox is paused, but this could not be written: " + problem);
    } else {
        m_log.error("could not be paused: " + problem, record.id);
        Step thaw = [this, id = record.id, launched = *record.launched] {
            return m_backend.thaw(id, launched);
        };
        const std::string stuck = co_await step(std::move(thaw));
        if (!stuck.empty())
            m_log.error("could not be thawed: " + stuck, record.id);
        if (atExpiry)
            record.endAt = now() + RetryAfterFailure;
        settle(sandbox, Stage::Running);
        const std::string unsaved = co_await trySave(sandbox, false);
        fail(sandbox, 500, "the sandbox could not be paused: " + problem + unsaved);
    }
    finish(sandbox);
}

asio::awaitable<Fleet::Connected> Fleet::connect(std::string id, std::int64_t lifetime)
{
    Connected result;
    for (;;) {
        result.sandbox = findVisible(id);
        if (!result.sandbox)
            throw notFound(id);
        SandboxRecord &record = result.sandbox->record;
        if (result.sandbox->transition) {
            const auto transition = result.sandbox->transition;
            co_await transition->done.wait();
            continue;
        }
        if (record.stage == Stage::Running) {
            const Time wanted = std::min(now() + seconds(lifetime), latestEnd(record));
            if (wanted > record.endAt) {
                record.endAt = wanted;
                touchDeadlines();
                co_await save(result.sandbox);
            }
            co_return result;
        }
        result.sandbox = co_await resume(id, lifetime, std::nullopt);
        result.resumed = true;
        co_return result;
    }
}

asio::awaitable<SandboxPtr> Fleet::resume(std::string id, std::int64_t lifetime,
                                          std::optional<bool> autoPause)
{
    for (;;) {
        SandboxPtr sandbox = findVisible(id);
        if (!sandbox)
            throw notFound(id);
        if (sandbox->transition) {
            const auto transition = sandbox->transition;
            co_await transition->done.wait();
            continue;
        }
        if (sandbox->record.stage == Stage::Running)
            throw ApiError(409, "sandbox '" + id + "' is already running");
        checkRoom();
        if (autoPause)
            sandbox->record.autoPause = *autoPause;
        const auto transition = begin(sandbox, Stage::Resuming);
        spawn(runResume(sandbox, lifetime));
        co_await finished(transition);
        co_return sandbox;
    }
}

asio::awaitable<void> Fleet::runResume(SandboxPtr sandbox, std::int64_t lifetime)
{
    SandboxRecord &record = sandbox->record;
    std::string problem = co_await trySave(sandbox, false);
    bool anew = false;
    if (problem.empty() && record.launched && m_backend.isAlive(*record.launched)) {
        Step thaw = [this, id = record.id, launched = *record.launched] {
            return m_backend.thaw(id, launched);
        };
        problem = co_await step(std::move(thaw));
    } else if (problem.empty()) {
        anew = true;
        problem = co_await endProcesses(sandbox); // what a dead PID 1 left behind
        const auto launched = std::make_shared<Launched>();
        if (problem.empty()) {
            Step start = [this, id = record.id, config = agentConfig(record), launched] {
                return m_backend.start(id, config, *launched);
            };
            problem = co_await step(std::move(start));
        }
        if (problem.empty()) {
            record.launched = *launched;
            record.bootId = m_bootId;
            sandbox->cpuSeconds = -1;
        }
    }
    const Time pausedAt = record.endAt;
    if (problem.empty()) {
        record.startedAt = now();
        record.endAt = record.startedAt + seconds(lifetime);
        record.stage = Stage::Running;
        problem = co_await trySave(sandbox, false);
    }
    if (problem.empty()) {
        settle(sandbox, Stage::Running);
        if (anew)
            spawn(watch(sandbox, *record.launched));
        m_log.info(anew ? "resumed on its files" : "resumed", record.id);
    } else {
        m_log.error("could not be resumed: " + problem, record.id);
        // Whatever runs now was not promised to anybody; the files are what counts.
        record.stage = Stage::Resuming;
        if (anew) {
            const std::string alive = co_await endProcesses(sandbox);
            if (!alive.empty())
                m_log.error("processes not ended: " + alive, record.id);
        } else if (record.launched) {
            Step freeze = [this, id = record.id, launched = *record.launched] {
                return m_backend.freeze(id, launched);
            };
            const std::string thawed = co_await step(std::move(freeze));
            if (!thawed.empty())
                m_log.error("could not be frozen again: " + thawed, record.id);
        }
        record.endAt = pausedAt;
        settle(sandbox, Stage::Paused);
        const std::string unsaved = co_await trySave(sandbox, false);
        fail(sandbox, 500, "the sandbox could not be resumed: " + problem + unsaved);
    }
    finish(sandbox);
}

// ---- deadlines

asio::awaitable<void> Fleet::setTimeout(std::string id, std::int64_t lifetime)
{
    const SandboxPtr sandbox = findVisible(id);
    if (!sandbox || sandbox->record.stage != Stage::Running)
        throw notFound(id);
    SandboxRecord &record = sandbox->record;
    if (now() >= latestEnd(record))
        throw ApiError(400, "the sandbox has reached the maximum of " + std::to_string(MaxTimeout)
                                + " seconds");
    // A wish beyond the maximum is cut, and adding it to the clock must not overflow.
    record.endAt = std::min(now() + seconds(std::min(lifetime, MaxTimeout)), latestEnd(record));
    touchDeadlines();
    co_await save(sandbox);
}

asio::awaitable<void> Fleet::refresh(std::string id, std::int64_t lifetime)
{
    constexpr std::int64_t shortest = 15;
    const SandboxPtr sandbox = findVisible(id);
    if (!sandbox || sandbox->record.stage != Stage::Running)
        throw notFound(id);
    SandboxRecord &record = sandbox->record;
    const Time wanted = std::min(now() + seconds(std::max(lifetime, shortest)), latestEnd(record));
    if (wanted <= record.endAt)
        co_return;
    record.endAt = wanted;
    touchDeadlines();
    co_await save(sandbox);
}

asio::awaitable<void> Fleet::expireLoop()
{
    while (!m_stopping) {
        const Time current = now();
        Time next = current + LongestWait;
        std::vector<SandboxPtr> due;
        for (const auto &[id, sandbox] : m_sandboxes) {
            if (sandbox->record.stage != Stage::Running || sandbox->transition)
                continue;
            if (sandbox->record.endAt <= current)
                due.push_back(sandbox);
            else
                next = std::min(next, sandbox->record.endAt);
        }
        for (const SandboxPtr &sandbox : due) {
            if (sandbox->record.autoPause)
                beginPause(sandbox, true);
            else
                beginKill(sandbox, "timeout");
        }
        m_deadlineTimer.expires_after(next - current);
        co_await m_deadlineTimer.async_wait(asTuple);
    }
}

// ---- watching

asio::awaitable<void> Fleet::watch(SandboxPtr sandbox, Launched launched)
{
    const int fd = m_backend.openPidfd(launched);
    if (fd >= 0) {
        asio::posix::stream_descriptor pidfd(m_loop, fd);
        co_await pidfd.async_wait(asio::posix::stream_descriptor::wait_read, asTuple);
    }
    while (sandbox->transition) {
        const auto transition = sandbox->transition;
        co_await transition->done.wait();
    }
    // Ended by us, or replaced by a new start?
    if (!sandbox->record.launched || !sameProcess(*sandbox->record.launched, launched))
        co_return;
    if (sandbox->record.stage == Stage::Running) {
        m_log.error("its first process has ended by itself", sandbox->record.id);
        beginKill(sandbox, "error");
    } else if (sandbox->record.stage == Stage::Paused) {
        m_log.warning("its frozen processes have ended, the files are kept", sandbox->record.id);
        const std::string left = co_await endProcesses(sandbox);
        if (!left.empty())
            m_log.error("not cleaned up: " + left, sandbox->record.id);
        sandbox->record.launched.reset();
        const std::string unsaved = co_await trySave(sandbox, false);
        if (!unsaved.empty())
            m_log.error("state not written", sandbox->record.id);
    }
}

asio::awaitable<void> Fleet::sampleLoop()
{
    struct Sample {
        SandboxPtr sandbox;
        std::string id;
        Launched launched;
        bool withDisk = false;
        std::optional<Usage> usage;
    };
    const double processors = std::max(1U, std::thread::hardware_concurrency());
    while (!m_stopping) {
        m_sampleTimer.expires_after(MetricHistory::Step);
        co_await m_sampleTimer.async_wait(asTuple);
        const auto samples = std::make_shared<std::vector<Sample>>();
        for (const auto &[id, sandbox] : m_sandboxes)
            if (sandbox->record.stage == Stage::Running && sandbox->record.launched)
                samples->push_back({sandbox, id, *sandbox->record.launched, false, std::nullopt});
        if (samples->empty())
            continue;
        std::vector<Sample *> byAge;
        for (Sample &sample : *samples)
            if (sample.sandbox->diskSampledAt < now() - DiskStep)
                byAge.push_back(&sample);
        std::sort(byAge.begin(), byAge.end(), [](const Sample *a, const Sample *b) {
            return a->sandbox->diskSampledAt < b->sandbox->diskSampledAt;
        });
        for (std::size_t i = 0; i < std::min(DisksPerTick, byAge.size()); ++i)
            byAge[i]->withDisk = true;
        std::function<void()> measure = [this, samples] {
            for (Sample &sample : *samples)
                sample.usage = m_backend.usage(sample.id, sample.launched, sample.withDisk);
        };
        try {
            co_await m_sampler.run(std::move(measure));
        } catch (const std::exception &e) {
            m_log.warning(std::string("not measured: ") + e.what());
            continue;
        }
        const Time time = now();
        for (Sample &sample : *samples) {
            if (!sample.usage)
                continue;
            Sandbox &sandbox = *sample.sandbox;
            if (sample.withDisk) {
                sandbox.diskBytes = sample.usage->diskBytes;
                sandbox.diskSampledAt = time;
            }
            MetricPoint point;
            point.time = time;
            point.memoryBytes = sample.usage->memoryBytes;
            point.diskBytes = sandbox.diskBytes;
            const double passed = duration<double>(time - sandbox.sampledAt).count();
            const double used = sample.usage->cpuSeconds - sandbox.cpuSeconds;
            if (sandbox.cpuSeconds >= 0 && passed > 0)
                point.cpuPercent = std::clamp(100 * used / passed / processors, 0.0, 100.0);
            sandbox.cpuSeconds = sample.usage->cpuSeconds;
            sandbox.sampledAt = time;
            sandbox.metrics.add(point);
        }
    }
}

// ---- start and end of the engine

void Fleet::run()
{
    spawn(expireLoop());
    spawn(sampleLoop());
}

void Fleet::adopt()
{
    if (const auto text = readFile(m_dir.runsFile(), RunsLimit))
        m_runs.load(*text);
    std::vector<std::string> ids;
    std::error_code ec;
    for (const fs::directory_entry &entry : fs::directory_iterator(m_dir.sandboxes(), ec))
        if (isId(entry.path().filename().string()))
            ids.push_back(entry.path().filename().string());
    for (const std::string &id : ids) {
        const auto text = readFile(m_dir.record(id), StateDir::RecordLimit);
        auto record = text ? recordFromJson(*text) : std::nullopt;
        if (!text) {
            m_log.warning("files without a record are removed", id);
            if (const auto error = m_backend.removeFiles(id))
                m_log.error("files not removed: " + describe(*error), id);
        } else if (!record || record->id != id) {
            m_log.error("its record cannot be read, it is left alone", id);
        } else {
            adoptOne(*std::move(record));
        }
    }
}

void Fleet::adoptOne(SandboxRecord record)
{
    const bool sameBoot = record.bootId == m_bootId;
    bool alive = record.launched && sameBoot && m_backend.isAlive(*record.launched);
    // A start may have gone further than could be written down.
    const bool unfinished = record.stage == Stage::Starting || record.stage == Stage::Resuming;
    const auto endProcesses = [&] {
        const Launched known = record.launched && sameBoot ? *record.launched : Launched();
        if (known.pid > 0 || unfinished)
            if (const auto error = m_backend.kill(record.id, known))
                m_log.error("processes not ended: " + describe(*error), record.id);
        record.launched.reset();
        alive = false;
    };
    const auto discard = [&](const std::string &reason) {
        endProcesses();
        if (const auto error = m_backend.removeFiles(record.id))
            m_log.error("files not removed: " + describe(*error), record.id);
        rememberEnded(record);
        if (!reason.empty())
            noteRun(record, reason);
        m_log.info(reason.empty() ? "unfinished, removed" : "ended, " + reason, record.id);
    };
    const bool expired = record.endAt <= now();

    switch (record.stage) {
    case Stage::Starting: // nobody was told about it
        discard({});
        return;
    case Stage::Killing:
        discard("killed");
        return;
    case Stage::Running:
        if (alive)
            break; // an expired one is due as soon as the loop runs
        if (sameBoot) {
            discard("error");
            return;
        }
        // The machine was restarted below a running sandbox.
        if (expired && !record.autoPause) {
            discard("timeout");
            return;
        }
        record.stage = Stage::Paused;
        record.endAt = std::min(record.endAt, now());
        break;
    case Stage::Pausing:
    case Stage::Resuming: // nobody was told that it runs again
        if (alive && m_backend.freeze(record.id, *record.launched))
            endProcesses();
        record.endAt = std::min(record.endAt, now());
        record.stage = Stage::Paused;
        break;
    case Stage::Paused:
        break;
    }
    if (!alive)
        endProcesses();
    const auto sandbox = std::make_shared<Sandbox>();
    sandbox->record = std::move(record);
    insert(sandbox);
    try {
        writeFileAtomically(m_dir.record(sandbox->record.id), toJson(sandbox->record), false);
    } catch (const std::exception &e) {
        m_log.error(std::string("state not written: ") + e.what(), sandbox->record.id);
    }
    if (alive)
        spawn(watch(sandbox, *sandbox->record.launched));
    m_log.info(sandbox->record.stage == Stage::Running ? "adopted, running"
               : alive                                 ? "adopted, paused"
                                                       : "adopted, paused without processes",
               sandbox->record.id);
}

asio::awaitable<void> Fleet::shutDown()
{
    m_stopping = true;
    touchDeadlines();
    m_sampleTimer.cancel();
    for (;;) {
        const auto busy =
            std::find_if(m_sandboxes.begin(), m_sandboxes.end(),
                         [](const auto &entry) { return entry.second->transition != nullptr; });
        if (busy == m_sandboxes.end())
            break;
        const auto transition = busy->second->transition;
        co_await transition->done.wait();
    }
    std::vector<std::shared_ptr<Transition>> waiting;
    for (const auto &[id, sandbox] : m_sandboxes) {
        if (!sandbox->record.launched)
            continue;
        waiting.push_back(begin(sandbox, Stage::Pausing));
        closeStreams(sandbox);
        spawn(runStop(sandbox));
    }
    for (const auto &transition : waiting)
        co_await transition->done.wait();
    std::function<void()> removals = [this] { m_backend.waitForRemovals(); };
    co_await m_workers.run(std::move(removals));
}

asio::awaitable<void> Fleet::runStop(SandboxPtr sandbox)
{
    SandboxRecord &record = sandbox->record;
    // On disk first: dead processes of a running sandbox would count as an error at the next start.
    std::string problem = co_await trySave(sandbox, true);
    if (problem.empty())
        problem = co_await endProcesses(sandbox);
    if (problem.empty()) {
        record.endAt = std::min(record.endAt, now());
        settle(sandbox, Stage::Paused);
        problem = co_await trySave(sandbox, true);
        m_log.info("processes ended, files kept", record.id);
    } else {
        m_log.error("left running: " + problem, record.id);
    }
    finish(sandbox);
}

} // namespace moru::engine
