// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/cli.h"

#include "app/engine/sandbox/launcher.h"
#include "app/engine/sandbox/processes.h"
#include "app/engine/server/commandline.h"
#include "app/engine/server/record.h"
#include "app/engine/server/selfcopy.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t EngineFileLimit = 64 * 1024;
/// An engine that holds the lock but has not told its address yet gets this long.
constexpr auto StartPatience = 10s;
/// Ending many sandboxes takes time; the engine itself gives up earlier.
constexpr auto StopPatience = 60s;

void say(const std::string &text)
{
    std::cerr << text << '\n';
}

/// Descriptors 0 to 2 must be taken, or a socket would get one of these numbers and be written to.
void openStandardDescriptors()
{
    for (;;) {
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return;
        if (fd > 2) {
            ::close(fd);
            return;
        }
        std::ignore = ::fcntl(fd, F_SETFD, 0);
    }
}

void prepareProcess()
{
    openStandardDescriptors();
    // Files get their modes explicitly, all below a directory that is 0700. The files of a sandbox
    // must be reachable for its own user, so whatever mask we were started with does not apply.
    ::umask(022);
    std::ignore = std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        std::ignore = ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

/// Where the running engine is; waits for one that is just starting.
std::optional<EngineAddress> findRunning(const StateDir &dir)
{
    const auto end = steady_clock::now() + StartPatience;
    for (;;) {
        const auto holder = StateLock::holder(dir);
        if (!holder)
            return std::nullopt;
        const auto text = readFile(dir.engineFile(), EngineFileLimit);
        auto address = text ? addressFromJson(*text) : std::nullopt;
        // A file of an engine that was killed may still be there while the next one starts.
        if (address && address->pid == *holder)
            return address;
        if (steady_clock::now() > end)
            return std::nullopt;
        std::this_thread::sleep_for(20ms);
    }
}

std::string withLines(const std::vector<std::string> &sentences, const std::string &mark)
{
    std::string text;
    for (const std::string &sentence : sentences)
        text += mark + sentence + "\n";
    return text;
}

std::string explain(const Diagnosis &diagnosis)
{
    std::string text = diagnosis.ok
                           ? "This machine can isolate sandboxes (" + diagnosis.mode + ").\n"
                           : std::string("This machine cannot isolate sandboxes.\n");
    if (!diagnosis.problems.empty())
        text += "\nWhat stops it:\n" + withLines(diagnosis.problems, "  - ");
    if (!diagnosis.facts.empty())
        text += "\nWhat works:\n" + withLines(diagnosis.facts, "  - ");
    if (!diagnosis.hints.empty())
        text += "\nWorth knowing:\n" + withLines(diagnosis.hints, "  - ");
    return text;
}

/// Every sandbox on disk whose record can be read, and the ids of all.
struct Stored {
    std::vector<SandboxRecord> records;
    std::vector<std::string> ids;
};

Stored storedSandboxes(const StateDir &dir)
{
    Stored stored;
    std::error_code ec;
    for (const fs::directory_entry &entry : fs::directory_iterator(dir.sandboxes(), ec)) {
        const std::string id = entry.path().filename().string();
        stored.ids.push_back(id);
        const auto text = readFile(dir.record(id), StateDir::RecordLimit);
        auto record = text ? recordFromJson(*text) : std::nullopt;
        if (record && record->id == id)
            stored.records.push_back(*std::move(record));
    }
    return stored;
}

/// Ends what an engine left behind that did not stop by itself. Their files become those of paused
/// sandboxes. The caller holds the lock. False if something could not be done.
bool endLeftovers(const StateDir &dir, Launcher &launcher)
{
    bool ok = true;
    const std::string boot = currentBootId();
    for (SandboxRecord &record : storedSandboxes(dir).records) {
        const bool known = record.launched && record.bootId == boot;
        const bool unfinished = record.stage == Stage::Starting || record.stage == Stage::Resuming;
        if (!known && !unfinished)
            continue;
        const bool keeps = record.stage != Stage::Starting && record.stage != Stage::Killing;
        const Launched launched = known ? *record.launched : Launched();
        try {
            if (keeps) {
                record.stage = Stage::Pausing;
                writeFileAtomically(dir.record(record.id), toJson(record), true);
            }
            if (const auto error = launcher.kill(record.id, launched)) {
                say("Sandbox " + record.id + " could not be ended: " + error->message);
                ok = false;
                continue;
            }
            if (keeps) {
                record.launched.reset();
                record.stage = Stage::Paused;
                record.endAt = std::min(record.endAt, now());
                writeFileAtomically(dir.record(record.id), toJson(record), true);
            }
        } catch (const std::system_error &e) {
            say("Sandbox " + record.id + ": " + e.what());
            ok = false;
        }
    }
    return ok;
}

enum class StopOutcome { WasNotRunning, Stopped, Failed };

/// Asks the engine to stop and waits until its process is gone.
StopOutcome stopRunning(const StateDir &dir)
{
    const auto holder = StateLock::holder(dir);
    if (!holder)
        return StopOutcome::WasNotRunning;
    const auto running = findRunning(dir);
    const auto pid = static_cast<pid_t>(running ? running->pid : *holder);
    if (pid <= 0) {
        say("An engine holds the state directory, but does not say which process it is.");
        return StopOutcome::Failed;
    }
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0 && errno == ESRCH)
        return StopOutcome::Stopped;
    // The descriptor names this very process; the lock, looked at again, that it is the engine.
    const auto again = StateLock::holder(dir);
    StopOutcome outcome = StopOutcome::Stopped;
    if (again && *again == pid) {
        if (::syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, nullptr, 0) != 0 && errno != ESRCH) {
            say("The engine (process " + std::to_string(pid)
                + ") could not be told to stop: " + std::generic_category().message(errno));
            outcome = StopOutcome::Failed;
        } else {
            pollfd wait{pidfd, POLLIN, 0};
            const auto patience = std::chrono::milliseconds(StopPatience).count();
            const int ready = ::poll(&wait, 1, static_cast<int>(patience));
            if (ready <= 0) {
                say("The engine (process " + std::to_string(pid) + ") has not ended in time.");
                outcome = StopOutcome::Failed;
            }
        }
    }
    ::close(pidfd);
    return outcome;
}

std::string shellQuoted(const std::string &text)
{
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

int notRunning(const StateDir &dir)
{
    say("moru-local is not running (state directory " + dir.root().string()
        + "). Start it with: moru-local serve");
    return ExitNotRunning;
}

// ---- the commands

int serve(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    dir.create();
    StateLock lock;
    // Somebody who only looks whether an engine runs holds the lock for an instant.
    bool locked = lock.acquire(dir);
    for (int attempt = 0; !locked && attempt < 10; ++attempt) {
        std::this_thread::sleep_for(20ms);
        locked = lock.acquire(dir);
    }
    if (!locked) {
        if (const auto running = findRunning(dir))
            say("moru-local is already running at " + running->apiUrl + " (process "
                + std::to_string(running->pid) + ", state directory " + dir.root().string() + ").");
        else
            say("Another moru-local uses the state directory " + dir.root().string() + ".");
        return ExitAlreadyRunning;
    }
    std::error_code ignored;
    fs::remove(dir.engineFile(), ignored);

    Log log;
    if (!line.logFile.empty())
        log.openFile(fs::absolute(line.logFile));
    Launcher launcher(dir.root());
    const Diagnosis diagnosis = launcher.diagnose();
    if (!diagnosis.ok) {
        say(explain(diagnosis)
            + "\nSandboxes are never run unprotected, so moru-local does not start.");
        log.error("not started: this machine cannot isolate sandboxes");
        return ExitFailure;
    }
    log.info("moru-local " MORU_VERSION ", " + diagnosis.mode);
    LauncherBackend backend(launcher);
    runEngine(dir, line.engine, backend, log,
              [](const EngineAddress &address) { std::cout << toJson(address) << std::flush; });
    return ExitSuccess;
}

int printEnv(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    const auto running = findRunning(dir);
    if (!running)
        return notRunning(dir);
    const std::string digits = dir.loadOrMakeKey();
    for (const char *prefix : {"MORU_", "E2B_"}) {
        const std::string key =
            prefix == std::string_view("E2B_") ? "e2b_" + digits : "moru_" + digits;
        const std::string name = std::string("export ") + prefix;
        std::cout << name << "API_URL=" << shellQuoted(running->apiUrl) << '\n'
                  << name << "SANDBOX_URL=" << shellQuoted(running->sandboxUrl) << '\n'
                  << name << "API_KEY=" << shellQuoted(key) << '\n'
                  << name << "DOMAIN=" << shellQuoted(running->domain) << '\n';
    }
    std::cout << std::flush;
    return ExitSuccess;
}

int doctor(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    dir.create();
    std::ignore = findRunning(dir); // an engine that just starts makes the same tries
    Launcher launcher(dir.root());
    const Diagnosis diagnosis = launcher.diagnose(true);
    std::cout << explain(diagnosis) << std::flush;
    return diagnosis.ok ? ExitSuccess : ExitFailure;
}

int status(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    const auto running = findRunning(dir);
    if (!running)
        return notRunning(dir);
    json::value value = json::parse(toJson(*running));
    std::int64_t runs = 0;
    std::int64_t paused = 0;
    for (const SandboxRecord &record : storedSandboxes(dir).records) {
        runs += record.stage == Stage::Running ? 1 : 0;
        paused += record.stage == Stage::Paused || record.stage == Stage::Pausing
                          || record.stage == Stage::Resuming
                      ? 1
                      : 0;
    }
    value.as_object()["running"] = runs;
    value.as_object()["paused"] = paused;
    std::cout << json::serialize(value) << '\n' << std::flush;
    return ExitSuccess;
}

int stop(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    const StopOutcome outcome = stopRunning(dir);
    if (outcome == StopOutcome::Failed)
        return ExitFailure;
    if (outcome == StopOutcome::Stopped) {
        say("moru-local has stopped. Its sandboxes are kept as paused.");
        return ExitSuccess;
    }
    bool ok = true;
    if (dir.exists()) {
        StateLock lock;
        if (lock.acquire(dir)) {
            Launcher launcher(dir.root());
            ok = endLeftovers(dir, launcher);
        }
    }
    say("moru-local was not running.");
    return ok ? ExitSuccess : ExitFailure;
}

/// Deletes the files of all sandboxes, and the layers below them the same way: as a normal user
/// they belong to subordinate ids, which only the launcher has power over.
bool removeSandboxes(const StateDir &dir, Launcher &launcher)
{
    std::error_code ec;
    int number = 0;
    for (const fs::directory_entry &entry : fs::directory_iterator(dir.root() / "layers", ec)) {
        const fs::path home = dir.sandboxes() / ("layers-" + std::to_string(++number));
        fs::create_directory(home, ec);
        fs::rename(entry.path(), home / "fs", ec);
    }
    bool ok = true;
    for (const std::string &id : storedSandboxes(dir).ids) {
        if (const auto error = launcher.removeFiles(id)) {
            say("Sandbox " + id + " could not be deleted: " + error->message);
            ok = false;
        }
    }
    launcher.waitForRemovals();
    return ok;
}

bool confirmed(const StateDir &dir, std::size_t sandboxes)
{
    std::cerr << "This deletes " << sandboxes << (sandboxes == 1 ? " sandbox" : " sandboxes")
              << " with all files in them, the API key and everything else in\n"
              << dir.root().string() << "\nType yes to go on: " << std::flush;
    std::string answer;
    return std::getline(std::cin, answer) && answer == "yes";
}

int reset(const CommandLine &line)
{
    const StateDir dir(line.stateDir);
    if (!dir.exists()) {
        say("There is nothing to delete: " + dir.root().string() + " does not exist.");
        return ExitSuccess;
    }
    if (!dir.isOurs()) {
        say(dir.root().string() + " is not a state directory of moru-local. Nothing was deleted.");
        return ExitFailure;
    }
    if (!line.yes) {
        if (::isatty(STDIN_FILENO) == 0) {
            say("reset deletes all sandboxes. To do this without being asked, add --yes.");
            return ExitUsage;
        }
        if (!confirmed(dir, storedSandboxes(dir).ids.size())) {
            say("Nothing was deleted.");
            return ExitFailure;
        }
    }
    if (stopRunning(dir) == StopOutcome::Failed)
        return ExitFailure;
    dir.create();
    StateLock lock;
    if (!lock.acquire(dir)) {
        say("Another moru-local has just taken the state directory. Nothing was deleted.");
        return ExitFailure;
    }
    std::error_code ec;
    bool ok = true;
    {
        Launcher launcher(dir.root());
        ok = endLeftovers(dir, launcher) && removeSandboxes(dir, launcher);
    }
    if (!ok)
        return ExitFailure;
    // By name: a directory that somebody also used for other things keeps those.
    for (const char *name : {"sandboxes", "layers", "trash", "ids", "runs.jsonl", "engine.json",
                             "engine.log", "engine.log.1", "key", "lock", "program"}) {
        fs::remove_all(dir.root() / name, ec);
        if (ec) {
            say((dir.root() / name).string() + " could not be deleted: " + ec.message());
            return ExitFailure;
        }
    }
    fs::remove(dir.root(), ec);
    say(ec ? "All sandboxes and all state are deleted. Other files are left in "
                 + dir.root().string()
           : std::string("All sandboxes and all state are deleted."));
    return ExitSuccess;
}

int runCommand(const CommandLine &line, const std::vector<std::string> &arguments)
{
    // What stays, and what tries the machine out for it, must not depend on an AppImage's mount.
    if ((line.command == Command::Serve || line.command == Command::Doctor) && isInAppImage()) {
        const StateDir dir(line.stateDir);
        dir.create();
        continueAsCopy(dir, arguments);
    }
    switch (line.command) {
    case Command::Serve:
        return serve(line);
    case Command::Env:
        return printEnv(line);
    case Command::Doctor:
        return doctor(line);
    case Command::Status:
        return status(line);
    case Command::Stop:
        return stop(line);
    case Command::Reset:
        return reset(line);
    case Command::Help:
        std::cout << helpText() << std::flush;
        return ExitSuccess;
    case Command::Version:
        std::cout << "moru-local " MORU_VERSION "\n" << std::flush;
        return ExitSuccess;
    }
    return ExitFailure;
}

} // namespace

int runCli(int argc, char **argv)
{
    prepareProcess();
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    try {
        const CommandLine line = parseCommandLine(arguments);
        return runCommand(line, arguments);
    } catch (const UsageError &e) {
        say(e.what());
        return ExitUsage;
    } catch (const std::exception &e) {
        say(e.what());
        return ExitFailure;
    }
}

} // namespace moru::engine
