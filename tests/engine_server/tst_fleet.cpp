// SPDX-License-Identifier: GPL-3.0-or-later
// The life cycle where the machinery below it fails, dies or is slow. What works is tested on the
// real program (tst_control, tst_data, tst_process).
#include "app/engine/server/apierror.h"
#include "app/engine/server/fleet.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <future>
#include <mutex>
#include <set>

#include <sys/eventfd.h>
#include <unistd.h>

using namespace moru::engine;
using namespace std::chrono;

namespace {

/// Sandboxes without processes; steps fail or wait on demand.
class FakeBackend final : public Backend {
public:
    struct Alive {
        int event = -1; ///< readable = dead
        bool frozen = false;
    };

    ~FakeBackend() override
    {
        for (auto &[pid, alive] : m_alive)
            ::close(alive.event);
    }

    std::optional<LaunchError> start(const std::string &id, const AgentConfig &config,
                                     Launched &out) override
    {
        const std::scoped_lock lock(m_mutex);
        if (failing.contains("start"))
            return failure("start");
        lastConfig = config;
        files.insert(id);
        ++m_lastPid;
        m_alive[m_lastPid] = {::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), false};
        out = {m_lastPid, 7, "/nowhere"};
        return std::nullopt;
    }
    bool isAlive(const Launched &launched) override
    {
        const std::scoped_lock lock(m_mutex);
        return m_alive.contains(launched.pid);
    }
    int openPidfd(const Launched &launched) override
    {
        const std::scoped_lock lock(m_mutex);
        return m_alive.contains(launched.pid) ? ::dup(m_alive[launched.pid].event) : -1;
    }
    std::optional<LaunchError> freeze(const std::string &, const Launched &launched) override
    {
        if (blocked.valid())
            blocked.wait();
        const std::scoped_lock lock(m_mutex);
        if (failing.contains("freeze"))
            return failure("freeze");
        m_alive[launched.pid].frozen = true;
        return std::nullopt;
    }
    std::optional<LaunchError> thaw(const std::string &, const Launched &launched) override
    {
        const std::scoped_lock lock(m_mutex);
        if (failing.contains("thaw"))
            return failure("thaw");
        m_alive[launched.pid].frozen = false;
        return std::nullopt;
    }
    std::optional<LaunchError> kill(const std::string &, const Launched &launched) override
    {
        const std::scoped_lock lock(m_mutex);
        if (failing.contains("kill"))
            return failure("kill");
        dieLocked(launched.pid);
        return std::nullopt;
    }
    std::optional<LaunchError> removeFiles(const std::string &id) override
    {
        const std::scoped_lock lock(m_mutex);
        files.erase(id);
        std::filesystem::remove_all(sandboxes / id);
        return std::nullopt;
    }
    void waitForRemovals() override {}
    std::optional<Usage> usage(const std::string &, const Launched &, bool) override
    {
        return std::nullopt;
    }

    void die(pid_t pid)
    {
        const std::scoped_lock lock(m_mutex);
        dieLocked(pid);
    }
    bool isFrozen(pid_t pid)
    {
        const std::scoped_lock lock(m_mutex);
        return m_alive.contains(pid) && m_alive[pid].frozen;
    }
    void fail(const char *step)
    {
        const std::scoped_lock lock(m_mutex);
        failing.insert(step);
    }
    void heal()
    {
        const std::scoped_lock lock(m_mutex);
        failing.clear();
    }

    std::filesystem::path sandboxes;
    std::set<std::string> files;
    AgentConfig lastConfig;
    std::shared_future<void> blocked; ///< freeze waits for it

private:
    static LaunchError failure(const char *step)
    {
        return {step, EIO, std::string(step) + " failed."};
    }
    void dieLocked(pid_t pid)
    {
        if (!m_alive.contains(pid))
            return;
        const std::uint64_t one = 1;
        std::ignore = ::write(m_alive[pid].event, &one, sizeof one);
        m_alive.erase(pid); // the watcher has a descriptor of its own
    }

    std::mutex m_mutex;
    std::set<std::string> failing;
    std::map<pid_t, Alive> m_alive;
    pid_t m_lastPid = 1000;
};

/// A fleet on a state directory; a second one on the same directory is a restarted engine.
class Rig {
public:
    Rig(const QTemporaryDir &temporary, FakeBackend &backend, std::size_t limit = 10)
        : dir(temporary.filePath(QStringLiteral("state")).toStdString())
    {
        dir.create();
        backend.sandboxes = dir.sandboxes();
        log.openFile(dir.root() / "engine.log");
        fleet.emplace(loop, backend, dir, log, limit);
        fleet->adopt();
        fleet->run();
    }

    /// Runs the loop until the call is over; what it throws is thrown here.
    template <typename T> T wait(asio::awaitable<T> call)
    {
        std::optional<T> result;
        std::exception_ptr failure;
        bool done = false;
        asio::co_spawn(loop, std::move(call), [&](std::exception_ptr e, T value) {
            failure = e;
            result = std::move(value);
            done = true;
        });
        runUntil([&] { return done; });
        if (failure)
            std::rethrow_exception(failure);
        return *std::move(result);
    }
    void wait(asio::awaitable<void> call)
    {
        std::exception_ptr failure;
        bool done = false;
        asio::co_spawn(loop, std::move(call), [&](std::exception_ptr e) {
            failure = e;
            done = true;
        });
        runUntil([&] { return done; });
        if (failure)
            std::rethrow_exception(failure);
    }
    template <typename Condition>
    bool runUntil(Condition condition, milliseconds limit = seconds(20))
    {
        const auto end = steady_clock::now() + limit;
        while (!condition() && steady_clock::now() < end)
            loop.run_one_for(milliseconds(5));
        return condition();
    }
    /// The status of the refusal, 0 if there is none.
    template <typename T> int refusal(asio::awaitable<T> call)
    {
        try {
            wait(std::move(call));
        } catch (const ApiError &e) {
            return e.status();
        }
        return 0;
    }
    SandboxPtr create(std::int64_t timeout = 600, bool autoPause = false)
    {
        NewSandbox wanted;
        wanted.templateId = "base";
        wanted.timeout = timeout;
        wanted.autoPause = autoPause;
        wanted.env = {{"A", "b"}};
        wanted.metadata = {{"k", "v"}};
        return wait(fleet->create(std::move(wanted)));
    }
    std::optional<SandboxRecord> stored(const std::string &id) const
    {
        const auto text = readFile(dir.record(id), 1 << 20);
        return text ? recordFromJson(*text) : std::nullopt;
    }
    void store(const SandboxRecord &record) const
    {
        writeFileAtomically(dir.record(record.id), toJson(record), false);
    }

    StateDir dir;
    Log log;
    asio::io_context loop;
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(loop);
    std::optional<Fleet> fleet;
};

} // namespace

class FleetTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_temporary = std::make_unique<QTemporaryDir>();
        m_backend = std::make_unique<FakeBackend>();
    }

    void aFailedStartLeavesNothing()
    {
        Rig rig(*m_temporary, *m_backend);
        m_backend->fail("start");
        NewSandbox wanted;
        wanted.templateId = "base";
        QCOMPARE(rig.refusal(rig.fleet->create(wanted)), 500);
        QVERIFY(rig.fleet->visible().empty());
        QVERIFY(std::filesystem::is_empty(rig.dir.sandboxes()));
        m_backend->heal();
        QVERIFY(rig.create());
    }

    void aCreatedSandboxIsOnDiskBeforeItIsAnsweredFor()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create(60, true);
        const auto stored = rig.stored(sandbox->record.id);
        QVERIFY(stored && stored->stage == Stage::Running && stored->autoPause);
        QVERIFY(stored->launched && stored->metadata.at("k") == "v");
        QCOMPARE(stored->token.size(), std::size_t(64));
        QCOMPARE(m_backend->lastConfig.accessToken, stored->token);
        QCOMPARE(m_backend->lastConfig.globalEnv.at("A"), std::string("b"));
    }

    void anUnwritableStateRefusesCreate()
    {
        Rig rig(*m_temporary, *m_backend);
        // A file where the directory should be: fails for root as well.
        std::filesystem::remove(rig.dir.sandboxes());
        writeFileAtomically(rig.dir.sandboxes(), "", false);
        NewSandbox wanted;
        wanted.templateId = "base";
        QCOMPARE(rig.refusal(rig.fleet->create(wanted)), 500);
        QVERIFY(rig.fleet->visible().empty());
    }

    void theLimitCountsWhatRuns()
    {
        Rig rig(*m_temporary, *m_backend, 2);
        const SandboxPtr one = rig.create();
        rig.create();
        NewSandbox wanted;
        wanted.templateId = "base";
        QCOMPARE(rig.refusal(rig.fleet->create(wanted)), 429);
        rig.wait(rig.fleet->pause(one->record.id));
        rig.create();
        QCOMPARE(rig.refusal(rig.fleet->resume(one->record.id, 60, std::nullopt)), 429);
        QVERIFY(one->record.stage == Stage::Paused);
    }

    void aKillThatFailsIsToldAndCanBeRepeated()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        m_backend->fail("kill");
        QCOMPARE(rig.refusal(rig.fleet->kill(sandbox->record.id)), 500);
        QVERIFY(sandbox->record.stage == Stage::Running);
        QVERIFY(rig.fleet->findVisible(sandbox->record.id));
        m_backend->heal();
        QCOMPARE(rig.refusal(rig.fleet->kill(sandbox->record.id)), 0);
        QCOMPARE(rig.refusal(rig.fleet->kill(sandbox->record.id)), 404);
        QCOMPARE(rig.fleet->runs().runs().back().reason, std::string("killed"));
        QVERIFY(rig.fleet->idOfToken(sandbox->record.token) == sandbox->record.id);
    }

    void aPauseThatFailsLeavesTheSandboxRunning()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        m_backend->fail("freeze");
        QCOMPARE(rig.refusal(rig.fleet->pause(sandbox->record.id)), 500);
        QVERIFY(sandbox->record.stage == Stage::Running);
        QVERIFY(rig.stored(sandbox->record.id)->stage == Stage::Running);
    }

    void expiryWithAutoPauseKeepsTheFilesEvenIfFreezingFails()
    {
        Rig rig(*m_temporary, *m_backend);
        m_backend->fail("freeze");
        const SandboxPtr sandbox = rig.create(0, true);
        QVERIFY(rig.runUntil(
            [&] { return sandbox->record.stage == Stage::Paused && !sandbox->transition; }));
        QVERIFY(!sandbox->record.launched);
        QVERIFY(m_backend->files.contains(sandbox->record.id));
        m_backend->heal();
        const SandboxPtr resumed = rig.wait(rig.fleet->resume(sandbox->record.id, 60, false));
        QCOMPARE(resumed.get(), sandbox.get());
        QVERIFY(sandbox->record.launched && sandbox->record.stage == Stage::Running);
        QVERIFY(!sandbox->record.autoPause);
        QCOMPARE(m_backend->lastConfig.accessToken, sandbox->record.token);
        QCOMPARE(m_backend->lastConfig.globalEnv.at("A"), std::string("b"));
    }

    void aResumeThatFailsLeavesTheSandboxPaused()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        rig.wait(rig.fleet->pause(sandbox->record.id));
        const Time pausedAt = sandbox->record.endAt;
        m_backend->fail("thaw");
        QCOMPARE(rig.refusal(rig.fleet->connect(sandbox->record.id, 60)), 500);
        QVERIFY(sandbox->record.stage == Stage::Paused && sandbox->record.endAt == pausedAt);
        QVERIFY(m_backend->isFrozen(sandbox->record.launched->pid));
        m_backend->heal();
        QVERIFY(rig.wait(rig.fleet->connect(sandbox->record.id, 60)).resumed);
    }

    void whoeverAsksDuringAPauseWaitsForIt()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        const std::string id = sandbox->record.id;
        std::promise<void> gate;
        m_backend->blocked = gate.get_future().share();
        int done = 0;
        std::vector<std::string> answers;
        const auto note = [&](const char *what) {
            return [&, what](std::exception_ptr failure) {
                answers.emplace_back(std::string(what) + (failure ? " refused" : ""));
                ++done;
            };
        };
        asio::co_spawn(rig.loop, rig.fleet->pause(id), note("first"));
        QVERIFY(rig.runUntil([&] { return sandbox->record.stage == Stage::Pausing; }));
        asio::co_spawn(rig.loop, rig.fleet->pause(id), note("second"));
        asio::co_spawn(rig.loop, rig.fleet->setTimeout(id, 60), note("timeout"));
        QVERIFY(rig.runUntil([&] { return done == 1; }));
        QCOMPARE(answers.front(), std::string("timeout refused"));
        gate.set_value();
        QVERIFY(rig.runUntil([&] { return done == 3; }));
        QVERIFY(std::count(answers.begin(), answers.end(), "first") == 1);
        QVERIFY(std::count(answers.begin(), answers.end(), "second") == 1);
        QCOMPARE(rig.refusal(rig.fleet->pause(id)), 409);
    }

    void connectDuringAPauseResumesAfterIt()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        std::promise<void> gate;
        m_backend->blocked = gate.get_future().share();
        asio::co_spawn(rig.loop, rig.fleet->pause(sandbox->record.id), [](std::exception_ptr) {});
        QVERIFY(rig.runUntil([&] { return sandbox->record.stage == Stage::Pausing; }));
        QVERIFY(rig.fleet->findVisible(sandbox->record.id));
        gate.set_value();
        const Fleet::Connected connected = rig.wait(rig.fleet->connect(sandbox->record.id, 60));
        QVERIFY(connected.resumed);
        QVERIFY(sandbox->record.stage == Stage::Running);
    }

    void aDeadFirstProcessEndsTheSandbox()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        m_backend->die(sandbox->record.launched->pid);
        QVERIFY(rig.runUntil([&] { return !rig.fleet->find(sandbox->record.id); }));
        QVERIFY(rig.runUntil([&] { return !rig.fleet->runs().runs().empty(); }));
        QCOMPARE(rig.fleet->runs().runs().back().reason, std::string("error"));
        QVERIFY(!m_backend->files.contains(sandbox->record.id));
    }

    void aFrozenSandboxOutlivesItsProcesses()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        rig.wait(rig.fleet->pause(sandbox->record.id));
        m_backend->die(sandbox->record.launched->pid);
        QVERIFY(rig.runUntil([&] { return !rig.stored(sandbox->record.id)->launched; }));
        QVERIFY(sandbox->record.stage == Stage::Paused);
        QVERIFY(m_backend->files.contains(sandbox->record.id));
        QVERIFY(rig.wait(rig.fleet->connect(sandbox->record.id, 60)).resumed);
    }

    void deadlinesFollowTheirRules()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create(600);
        SandboxRecord &record = sandbox->record;
        const std::string id = record.id;
        const Time end = record.endAt;
        QVERIFY(!rig.wait(rig.fleet->connect(id, 60)).resumed);
        QVERIFY(record.endAt == end); // never shortens
        rig.wait(rig.fleet->refresh(id, 0));
        QVERIFY(record.endAt == end);
        rig.wait(rig.fleet->connect(id, 900));
        QVERIFY(record.endAt > end + seconds(290));
        rig.wait(rig.fleet->setTimeout(id, 5)); // may shorten
        QVERIFY(record.endAt < now() + seconds(6));
        rig.wait(rig.fleet->refresh(id, 1)); // gives 15 s at least
        QVERIFY(record.endAt > now() + seconds(14) && record.endAt < now() + seconds(16));
        rig.wait(rig.fleet->setTimeout(id, std::numeric_limits<std::int32_t>::max()));
        QVERIFY(record.endAt == record.startedAt + seconds(MaxTimeout));
        QVERIFY(rig.stored(id)->endAt == record.endAt);
        rig.wait(rig.fleet->setTimeout(id, 0));
        QVERIFY(rig.runUntil([&] { return !rig.fleet->find(id); }));
        QCOMPARE(rig.fleet->runs().runs().back().reason, std::string("timeout"));
    }

    void expiryIsOnTime()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create(1);
        const Time due = sandbox->record.endAt;
        QVERIFY(rig.runUntil([&] { return sandbox->record.stage == Stage::Killing; }));
        QVERIFY(now() >= due);
        // 50 ms is the promise; a loaded machine gets more.
        QVERIFY(now() < due + milliseconds(500));
    }

    void shutDownKeepsFilesAndEndsProcesses()
    {
        std::string running;
        std::string paused;
        std::string token;
        {
            Rig rig(*m_temporary, *m_backend);
            const SandboxPtr one = rig.create();
            const SandboxPtr two = rig.create();
            running = one->record.id;
            paused = two->record.id;
            token = one->record.token;
            rig.wait(rig.fleet->pause(paused));
            rig.wait(rig.fleet->shutDown());
            NewSandbox wanted;
            wanted.templateId = "base";
            QCOMPARE(rig.refusal(rig.fleet->create(wanted)), 503);
            for (const std::string &id : {running, paused}) {
                QVERIFY(rig.stored(id)->stage == Stage::Paused);
                QVERIFY(!rig.stored(id)->launched);
            }
        }
        Rig again(*m_temporary, *m_backend);
        QCOMPARE(again.fleet->visible().size(), std::size_t(2));
        const Fleet::Connected connected = again.wait(again.fleet->connect(running, 60));
        QVERIFY(connected.resumed);
        QCOMPARE(connected.sandbox->record.token, token);
        QCOMPARE(m_backend->lastConfig.accessToken, token);
        QCOMPARE(connected.sandbox->record.metadata.at("k"), std::string("v"));
    }

    void aSandboxThatCannotBeEndedIsLeftToTheNextEngine()
    {
        Rig rig(*m_temporary, *m_backend);
        const SandboxPtr sandbox = rig.create();
        m_backend->fail("kill");
        rig.wait(rig.fleet->shutDown());
        QVERIFY(rig.stored(sandbox->record.id)->launched);
    }

    void aCrashedEngineIsFollowedByOneThatKnowsEverything_data()
    {
        QTest::addColumn<int>("stage");
        QTest::addColumn<bool>("alive");
        QTest::addColumn<int>("becomes"); // -1 = gone
        const auto row = [](const char *name, Stage stage, bool alive, int becomes) {
            QTest::newRow(name) << static_cast<int>(stage) << alive << becomes;
        };
        const int running = static_cast<int>(Stage::Running);
        const int paused = static_cast<int>(Stage::Paused);
        row("starting", Stage::Starting, true, -1);
        row("starting, dead", Stage::Starting, false, -1);
        row("running", Stage::Running, true, running);
        row("running, dead", Stage::Running, false, -1);
        row("pausing", Stage::Pausing, true, paused);
        row("pausing, dead", Stage::Pausing, false, paused);
        row("paused", Stage::Paused, true, paused);
        row("paused, dead", Stage::Paused, false, paused);
        row("resuming", Stage::Resuming, true, paused);
        row("resuming, dead", Stage::Resuming, false, paused);
        row("killing", Stage::Killing, true, -1);
        row("killing, dead", Stage::Killing, false, -1);
    }
    void aCrashedEngineIsFollowedByOneThatKnowsEverything()
    {
        QFETCH(int, stage);
        QFETCH(bool, alive);
        QFETCH(int, becomes);
        SandboxRecord record;
        {
            Rig rig(*m_temporary, *m_backend);
            record = rig.create()->record;
            record.stage = static_cast<Stage>(stage);
            rig.store(record);
        } // no shutDown: killed
        if (!alive)
            m_backend->die(record.launched->pid);
        Rig again(*m_temporary, *m_backend);
        const SandboxPtr sandbox = again.fleet->findVisible(record.id);
        QCOMPARE(sandbox ? static_cast<int>(sandbox->record.stage) : -1, becomes);
        QCOMPARE(m_backend->files.contains(record.id), becomes != -1);
        QCOMPARE(again.fleet->idOfToken(record.token).value_or(""), record.id);
        if (!sandbox) {
            QVERIFY(!m_backend->isAlive(*record.launched));
            return;
        }
        QCOMPARE(sandbox->record.launched.has_value(), alive);
        if (alive && becomes == static_cast<int>(Stage::Paused) && record.stage != Stage::Paused)
            QVERIFY(m_backend->isFrozen(record.launched->pid));
        const bool runs = becomes == static_cast<int>(Stage::Running);
        QCOMPARE(again.wait(again.fleet->connect(record.id, 60)).resumed, !runs);
        // The adopted process is watched.
        m_backend->die(sandbox->record.launched->pid);
        QVERIFY(again.runUntil([&] { return !again.fleet->find(record.id); }));
    }

    void aRestartedMachineKeepsTheFilesOfWhatRan()
    {
        SandboxRecord record;
        SandboxRecord expired;
        {
            Rig rig(*m_temporary, *m_backend);
            record = rig.create()->record;
            expired = rig.create()->record;
            record.bootId = expired.bootId = "an earlier run of the machine";
            expired.endAt = now() - seconds(1);
            rig.store(record);
            rig.store(expired);
        }
        Rig again(*m_temporary, *m_backend);
        const SandboxPtr sandbox = again.fleet->findVisible(record.id);
        QVERIFY(sandbox && sandbox->record.stage == Stage::Paused && !sandbox->record.launched);
        QVERIFY(!again.fleet->findVisible(expired.id));
        // Process numbers of an earlier run mean nothing now.
        QVERIFY(m_backend->isAlive(*record.launched));
    }

    void whatExpiredWhileNoEngineRanEndsAtOnce()
    {
        SandboxRecord record;
        {
            Rig rig(*m_temporary, *m_backend);
            record = rig.create()->record;
            record.endAt = now() - seconds(1);
            rig.store(record);
        }
        Rig again(*m_temporary, *m_backend);
        QVERIFY(again.runUntil([&] { return !again.fleet->find(record.id); }));
        QCOMPARE(again.fleet->runs().runs().back().reason, std::string("timeout"));
    }

    void filesWithoutARecordAreRemovedAndBrokenRecordsAreNot()
    {
        const std::string orphan = "iaaaaaaaaaaaaaaaaaaaa";
        const std::string broken = "ibbbbbbbbbbbbbbbbbbbb";
        {
            Rig rig(*m_temporary, *m_backend);
            std::filesystem::create_directories(rig.dir.sandboxes() / orphan / "root");
            std::filesystem::create_directories(rig.dir.sandboxes() / broken);
            writeFileAtomically(rig.dir.record(broken), "{\"id\":\"ibbb", false);
        }
        Rig again(*m_temporary, *m_backend);
        QVERIFY(!std::filesystem::exists(again.dir.sandboxes() / orphan));
        QVERIFY(std::filesystem::exists(again.dir.record(broken)));
        QVERIFY(again.fleet->visible().empty());
    }

private:
    std::unique_ptr<QTemporaryDir> m_temporary;
    std::unique_ptr<FakeBackend> m_backend;
};

QTEST_GUILESS_MAIN(FleetTest)
#include "tst_fleet.moc"
