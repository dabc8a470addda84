// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"
#include "app/engine/server/backend.h"
#include "app/engine/server/history.h"
#include "app/engine/server/log.h"
#include "app/engine/server/newsandbox.h"
#include "app/engine/server/record.h"
#include "app/engine/server/statedir.h"
#include "app/engine/server/waiting.h"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace moru::engine {

/// A change of stage under way. It goes on when the request that asked for it has gone.
struct Transition {
    explicit Transition(asio::io_context &loop)
        : done(loop)
    {}
    Event done;
    int status = 0; ///< not 0: it failed, this is what a waiting request answers
    std::string message;
};

/// One sandbox as the engine knows it. Changed by Fleet only.
struct Sandbox {
    SandboxRecord record;
    std::shared_ptr<Transition> transition; ///< set in the stages between Running, Paused and gone
    std::set<Socket *> streams;             ///< clients whose requests are being relayed
    MetricHistory metrics;

    // What the last measurement saw.
    double cpuSeconds = -1;
    Time sampledAt;
    Time diskSampledAt;
    std::uint64_t diskBytes = 0;
};
using SandboxPtr = std::shared_ptr<Sandbox>;

/// Notes a relayed request, so that pausing or killing its sandbox can close it.
class StreamGuard {
public:
    StreamGuard(SandboxPtr sandbox, Socket &socket)
        : m_sandbox(std::move(sandbox))
        , m_socket(&socket)
    {
        m_sandbox->streams.insert(m_socket);
    }
    ~StreamGuard() { m_sandbox->streams.erase(m_socket); }
    StreamGuard(const StreamGuard &) = delete;
    StreamGuard &operator=(const StreamGuard &) = delete;

private:
    SandboxPtr m_sandbox;
    Socket *m_socket;
};

/// All sandboxes of an engine: their life cycle, their deadlines and their state on disk. Lives on
/// the event loop; what blocks is done on threads. Its coroutines throw ApiError.
///
/// Invariants: a stage is on disk before it is answered for, and the stages in between before the
/// step they announce; at most one transition per sandbox at a time; an id is never used again.
class Fleet {
public:
    Fleet(asio::io_context &loop, Backend &backend, StateDir dir, Log &log, std::size_t maxActive);
    ~Fleet();
    Fleet(const Fleet &) = delete;
    Fleet &operator=(const Fleet &) = delete;

    /// Takes over what an earlier engine left. Blocks; to be called once, before the loop runs.
    void adopt();
    /// Begins to keep deadlines and to measure.
    void run();

    asio::awaitable<SandboxPtr> create(NewSandbox wanted);
    asio::awaitable<void> kill(std::string id);
    asio::awaitable<void> pause(std::string id);
    struct Connected {
        SandboxPtr sandbox;
        bool resumed = false;
    };
    asio::awaitable<Connected> connect(std::string id, std::int64_t seconds);
    asio::awaitable<SandboxPtr> resume(std::string id, std::int64_t seconds,
                                       std::optional<bool> autoPause);
    asio::awaitable<void> setTimeout(std::string id, std::int64_t seconds);
    asio::awaitable<void> refresh(std::string id, std::int64_t seconds);
    /// Ends all processes; running sandboxes become paused ones whose files are kept.
    asio::awaitable<void> shutDown();

    /// Running and paused sandboxes (also on the way between), not those being made or killed.
    [[nodiscard]] std::vector<SandboxPtr> visible() const;
    [[nodiscard]] SandboxPtr findVisible(const std::string &id) const;
    [[nodiscard]] const RunHistory &runs() const { return m_runs; }
    [[nodiscard]] std::size_t runningCount() const;
    /// True while a sandbox runs or changes its stage.
    [[nodiscard]] bool isActive() const;

    // For the data plane.
    [[nodiscard]] SandboxPtr find(const std::string &id) const;
    /// The id of the sandbox, alive or ended not long ago, that has this token.
    [[nodiscard]] std::optional<std::string> idOfToken(const std::string &token) const;
    /// The id of the sandbox, alive or ended not long ago, whose token made this signature.
    [[nodiscard]] std::optional<std::string>
    idOfSignature(std::string_view path, std::string_view operation, std::string_view user,
                  std::optional<std::int64_t> expiry, std::string_view signature) const;
    /// The only running sandbox; null if there is none or more than one.
    [[nodiscard]] SandboxPtr soleRunning() const;

private:
    void spawn(asio::awaitable<void> job);
    std::shared_ptr<Transition> begin(const SandboxPtr &sandbox, Stage stage);
    void settle(const SandboxPtr &sandbox, Stage stage);
    static void fail(const SandboxPtr &sandbox, int status, std::string message);
    void finish(const SandboxPtr &sandbox);
    std::shared_ptr<Transition> beginPause(const SandboxPtr &sandbox, bool atExpiry);
    std::shared_ptr<Transition> beginKill(const SandboxPtr &sandbox, std::string reason);
    static void closeStreams(const SandboxPtr &sandbox);
    void checkRoom() const;

    asio::awaitable<void> runStart(SandboxPtr sandbox, std::int64_t seconds);
    asio::awaitable<void> runPause(SandboxPtr sandbox, bool atExpiry);
    asio::awaitable<void> runResume(SandboxPtr sandbox, std::int64_t seconds);
    asio::awaitable<void> runKill(SandboxPtr sandbox, Stage before, std::string reason);
    asio::awaitable<void> runStop(SandboxPtr sandbox);
    asio::awaitable<void> watch(SandboxPtr sandbox, Launched launched);
    asio::awaitable<void> expireLoop();
    asio::awaitable<void> sampleLoop();

    /// Waits for the end of a transition; throws if it failed.
    static asio::awaitable<void> finished(std::shared_ptr<Transition> transition);
    /// Empty = done, else what went wrong.
    asio::awaitable<std::string> trySave(SandboxPtr sandbox, bool durable);
    asio::awaitable<void> save(SandboxPtr sandbox);
    using Step = std::function<std::optional<LaunchError>()>;
    /// Does a step of the backend on a thread. Empty = done, else what went wrong.
    asio::awaitable<std::string> step(Step work);
    /// Empty = gone, else what went wrong.
    asio::awaitable<std::string> endProcesses(SandboxPtr sandbox);
    asio::awaitable<std::string> removeFiles(SandboxPtr sandbox);

    void adoptOne(SandboxRecord record);
    void insert(const SandboxPtr &sandbox);
    void rememberEnded(const SandboxRecord &record);
    void noteRun(const SandboxRecord &record, const std::string &reason);
    void touchDeadlines() { m_deadlineTimer.cancel(); }
    [[nodiscard]] static AgentConfig agentConfig(const SandboxRecord &record);

    asio::io_context &m_loop;
    Backend &m_backend;
    StateDir m_dir;
    Log &m_log;
    std::size_t m_maxActive;
    std::string m_bootId;
    bool m_stopping = false;

    std::map<std::string, SandboxPtr> m_sandboxes;
    std::unordered_map<std::string, std::string> m_idOfToken;
    struct Ended {
        std::string id;
        std::string token;
        Time at;
    };
    std::deque<Ended> m_ended; ///< oldest first
    RunHistory m_runs;

    asio::steady_timer m_deadlineTimer;
    asio::steady_timer m_sampleTimer;
    WorkerPool m_disk;    ///< one thread: records are written in order
    WorkerPool m_workers; ///< blocking calls of the backend
    WorkerPool m_sampler; ///< measuring never delays a kill
};

} // namespace moru::engine
