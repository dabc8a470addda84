// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/launcher.h"

#include "app/engine/sandbox/caretaker.h"
#include "app/engine/sandbox/cgroup.h"
#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/doctor.h"
#include "app/engine/sandbox/hardening.h"
#include "app/engine/sandbox/layers.h"
#include "app/engine/sandbox/processes.h"
#include "app/engine/sandbox/spawn.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/textfile.h"
#include "app/engine/sandbox/tree.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace moru::engine {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto StartPatience = 20s;
constexpr auto LayersPatience = 5min;
constexpr auto MeasurePatience = 30s;
// Thousands of processes take seconds to end.
constexpr auto KillPatience = 20s;
constexpr int Backlog = 1024;

constexpr std::uint64_t SandboxNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID
                                            | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
                                            | CLONE_NEWCGROUP;

bool isValidId(const std::string &id)
{
    return !id.empty() && id.size() <= 64 && id.front() != '-'
           && std::all_of(id.begin(), id.end(), [](unsigned char c) {
                  return (std::isalnum(c) != 0 && c < 0x80) || c == '-' || c == '_';
              });
}

void makeDirectory(const fs::path &path, mode_t mode)
{
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
        throw StepError("make the directory " + path.string());
}

void replaceFile(const fs::path &path, std::string_view text)
{
    const std::string fresh = path.string() + ".new";
    const Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.valid()
        || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())
        || ::rename(fresh.c_str(), path.c_str()) < 0)
        throw StepError("write " + path.string());
}

/// A listening socket in `directory`. Its address goes by way of the opened directory, because a
/// socket's path may not be longer than 107 characters.
Descriptor listenIn(const fs::path &directory, const char *name)
{
    static constexpr const char *step = "make the agent's socket";
    const Descriptor folder(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid())
        throw StepError(step);
    if (::unlinkat(folder.get(), name, 0) < 0 && errno != ENOENT)
        throw StepError(step);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (void)std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                        folder.get(), name);
    Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener.valid()
        || ::bind(listener.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) < 0
        || ::fchmodat(folder.get(), name, 0600, 0) < 0 || ::listen(listener.get(), Backlog) < 0)
        throw StepError(step);
    return listener;
}

/// One word also where the kernel does not name the boot.
std::string bootId()
{
    const std::string id = currentBootId();
    return id.empty() ? "unknown" : id;
}

std::string hexHash(const std::string &text)
{
    std::array<char, 17> digits{};
    std::to_chars(digits.data(), digits.data() + 16, std::hash<std::string>()(text), 16);
    return digits.data();
}

} // namespace

struct Launcher::Private {
    explicit Private(const fs::path &directory);

    const Identity &identity();
    std::string layersFor(const std::string &id);
    void removeOldLayers();
    /// A directory that belongs to root of sandboxes.
    void makeOwned(const fs::path &path);

    [[nodiscard]] fs::path sandboxDir(const std::string &id) const
    {
        return state / "sandboxes" / id;
    }
    [[nodiscard]] SandboxCgroup cgroupOf(const std::string &id) const
    {
        return SandboxCgroup::fromText(
            readTextFile((sandboxDir(id) / "cgroup").string()).value_or(std::string()));
    }

    Launched launch(const std::string &id, const AgentConfig &config);
    void end(const SandboxCgroup &group, const Launched &launched);
    /// Ends a first process that was started by an engine which was killed before it could tell
    /// anybody. Nobody knows its pid but the file that launch() wrote.
    void endStray(const std::string &id);
    std::string probe();
    Diagnosis examine();

    /// Runs a public operation: StepErrors become LaunchErrors.
    template <typename Work> std::optional<LaunchError> attempt(Work work)
    {
        try {
            work();
            return std::nullopt;
        } catch (const StepError &error) {
            return LaunchError{error.step(), error.code(), explain(error, state)};
        }
    }

    fs::path state;
    CgroupHost cgroups;

    std::mutex identityMutex;
    std::optional<Identity> knownIdentity;
    std::vector<std::string> identityHints;

    std::mutex layersMutex;
    std::mutex diagnosisMutex;
    std::optional<Diagnosis> diagnosis;

    Reaper reaper;
    // Last: its thread uses the rest.
    std::unique_ptr<TrashCollector> trash;
};

Launcher::Private::Private(const fs::path &directory)
    : state(fs::absolute(directory).lexically_normal())
    , cgroups("moru-" + hexHash(state.string()) + "-")
{
    std::error_code failed;
    fs::create_directories(state.parent_path(), failed);
    if (failed)
        throw StepError("make the directory " + state.parent_path().string(), failed.value());
    makeDirectory(state, 0700);
    if (::chmod(state.c_str(), 0700) < 0)
        throw StepError("close the state directory " + state.string() + " to others");
    for (const char *name : {"sandboxes", "layers", "trash"})
        makeDirectory(state / name, 0700);
    removeOldLayers();
    trash = std::make_unique<TrashCollector>(state / "trash", [this] { return identity(); });
}

const Identity &Launcher::Private::identity()
{
    const std::lock_guard lock(identityMutex);
    if (!knownIdentity) {
        identityHints.clear();
        knownIdentity = findIdentity(state, identityHints);
    }
    return *knownIdentity;
}

void Launcher::Private::makeOwned(const fs::path &path)
{
    // Open to read, because it is entered before the new process is anybody; what is above is 0700.
    makeDirectory(path, 0755);
    const Identity &who = identity();
    if (who.kind == Identity::Kind::Shifted
        && ::chown(path.c_str(), who.uids.first, who.gids.first) < 0)
        throw StepError("give " + path.string() + " to the sandbox");
}

/// The generation of lower layers that a sandbox uses: for its whole life the one it began with.
/// Made when it is needed for the first time.
std::string Launcher::Private::layersFor(const std::string &id)
{
    const fs::path pin = sandboxDir(id) / "layers";
    const fs::path all = state / "layers";
    const std::string suffix = "-" + hexHash(identity().key());
    const std::lock_guard lock(layersMutex);
    std::error_code ignored;
    std::string name = readTextFile(pin.string()).value_or(std::string());
    if (!name.empty() && name.find('/') == std::string::npos && name.size() > suffix.size()
        && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0
        && fs::is_directory(all / name, ignored))
        return (all / name).string();

    name = layersStamp() + suffix;
    if (!fs::is_directory(all / name, ignored)) {
        const fs::path entry = trash->makeEntry(); // where a half made one is cleared away
        makeOwned(entry / "fs");
        try {
            runTask(identity(), Task::Layers, (entry / "fs").string(), LayersPatience);
            if (::rename((entry / "fs").c_str(), (all / name).c_str()) < 0)
                throw StepError("put the lower layers in place");
        } catch (const StepError &) {
            trash->remove(entry);
            throw;
        }
        trash->remove(entry);
    }
    if (!id.empty())
        replaceFile(pin, name);
    return (all / name).string();
}

void Launcher::Private::removeOldLayers()
{
    std::error_code ignored;
    std::set<std::string> used;
    for (const auto &sandbox : fs::directory_iterator(state / "sandboxes", ignored))
        used.insert(readTextFile((sandbox.path() / "layers").string()).value_or(std::string()));
    const std::string current = layersStamp() + "-";
    for (const auto &layers : fs::directory_iterator(state / "layers", ignored)) {
        const std::string name = layers.path().filename().string();
        if (used.count(name) != 0 || name.compare(0, current.size(), current) == 0)
            continue;
        // Before the collector starts, which then finds it.
        const fs::path entry = state / "trash" / ("layers-" + name);
        if (::mkdir(entry.c_str(), 0700) == 0 || errno == EEXIST)
            (void)std::rename(layers.path().c_str(), (entry / "fs").c_str());
    }
}

void Launcher::Private::end(const SandboxCgroup &group, const Launched &launched)
{
    const Descriptor pidfd(openPidfd(launched));
    if (!pidfd.valid())
        return;
    // With PID 1 the kernel ends everything in its namespace, stopped processes included.
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) < 0 && errno != ESRCH)
        throw StepError("end the sandbox's processes");
    // Only frozen ones of version 1 have to wake up to die.
    if (group.version == SandboxCgroup::Version::One)
        (void)setFrozen(group, false);
    pollfd entry{pidfd.get(), POLLIN, 0};
    const auto patience = std::chrono::milliseconds(KillPatience).count();
    const int ended = uninterrupted([&] { return ::poll(&entry, 1, static_cast<int>(patience)); });
    if (ended <= 0)
        throw StepError("end the sandbox's processes", ETIMEDOUT);
    // A child of an earlier engine is not ours to reap.
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
}

void Launcher::Private::endStray(const std::string &id)
{
    const fs::path file = sandboxDir(id) / "process";
    const auto text = readTextFile(file.string());
    if (!text)
        return;
    std::istringstream words(*text);
    std::string boot;
    Launched stray;
    if (words >> boot >> stray.pid >> stray.startTime && boot == bootId())
        end(cgroupOf(id), stray);
    ::unlink(file.c_str());
}

Launched Launcher::Private::launch(const std::string &id, const AgentConfig &config)
{
    endStray(id);
    const fs::path home = sandboxDir(id);
    makeDirectory(home, 0700);
    makeOwned(home / "fs");
    const Identity &who = identity();

    Orders orders;
    orders.task = Task::Serve;
    orders.hostName = id;
    orders.singleUid = who.kind == Identity::Kind::Single;
    orders.agent = config;
    orders.agent.userSwitch = orders.singleUid ? UserSwitch::SingleUid : UserSwitch::Real;

    const Descriptor listener = listenIn(home, "agent.sock");
    removeCgroup(cgroupOf(id)); // of its last life
    ::unlink((home / "stopped").c_str());
    SandboxCgroup group = makeCgroup(cgroups, id);

    SpawnRequest request;
    request.namespaces = SandboxNamespaces;
    request.workDirectory = (home / "fs").string();
    request.layersDirectory = layersFor(id);
    request.listenFd = listener.get();
    Descriptor groupFd;
    if (group.version == SandboxCgroup::Version::Two) {
        groupFd.reset(::open(group.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        request.cgroupFd = groupFd.get();
    }
    Spawned process;
    try {
        try {
            process = spawnInNamespaces(who, request);
        } catch (const StepError &) {
            if (request.cgroupFd < 0)
                throw;
            // A group can be made here but not entered; it was only for freezing and counting.
            removeCgroup(std::exchange(group, {}));
            request.cgroupFd = -1;
            process = spawnInNamespaces(who, request);
        }
        if (group.version == SandboxCgroup::Version::One && !joinCgroup(group, process.pid))
            removeCgroup(std::exchange(group, {}));
        replaceFile(home / "cgroup", group.toText());
        // Without orders it ends with us. With them it lives on, so first it is written down.
        const auto waiting = processState(process.pid);
        if (!waiting)
            throw StepError("keep the first process running", ECHILD);
        replaceFile(home / "process", bootId() + ' ' + std::to_string(process.pid) + ' '
                                          + std::to_string(waiting->startTime) + '\n');
        giveOrders(process, orders, StartPatience);
        const auto running = processState(process.pid);
        if (!running || running->hasEnded())
            throw StepError("keep the agent running", ECHILD);
        Launched launched{process.pid, running->startTime, home / "agent.sock"};
        reaper.watch(std::move(process.pidfd));
        return launched;
    } catch (const StepError &) {
        endProcess(process);
        removeCgroup(group);
        throw;
    }
}

/// Everything a start does, up to the agent. Returns the programs that are missing inside.
std::string Launcher::Private::probe()
{
    const fs::path entry = trash->makeEntry();
    Spawned process;
    try {
        makeOwned(entry / "fs");
        const Identity &who = identity();
        SpawnRequest request;
        request.namespaces = SandboxNamespaces;
        request.workDirectory = (entry / "fs").string();
        request.layersDirectory = layersFor({});
        Orders orders;
        orders.task = Task::Probe;
        orders.hostName = "probe";
        orders.singleUid = who.kind == Identity::Kind::Single;
        process = spawnInNamespaces(who, request);
        Report report = giveOrders(process, orders, StartPatience);
        endProcess(process);
        trash->remove(entry);
        return report.text;
    } catch (const StepError &) {
        endProcess(process);
        trash->remove(entry);
        throw;
    }
}

Diagnosis Launcher::Private::examine()
{
    Diagnosis result;
    try {
        const Identity &who = identity();
        result.mode = who.description();
        {
            const std::lock_guard lock(identityMutex);
            result.hints = identityHints;
        }
        switch (who.kind) {
        case Identity::Kind::Shifted:
            result.facts.push_back("Sandboxes run with the ids " + std::to_string(who.uids.first)
                                   + " to " + std::to_string(who.uids.first + who.uids.count - 1)
                                   + ", which nobody else on this machine uses.");
            break;
        case Identity::Kind::Subordinate:
            result.facts.push_back("Sandboxes run with this user's id and the subordinate ids from "
                                   + std::to_string(who.uids.first) + " on.");
            break;
        case Identity::Kind::Single:
            result.facts.emplace_back("Sandboxes run with this user's id alone.");
            break;
        }
        const std::string missing = probe();
        result.facts.emplace_back(
            "A sandbox has its own root file system, processes, users, host name "
            "and loopback network; starting one was tried and works.");
        const auto hints = hintsForMissingPrograms(missing);
        result.hints.insert(result.hints.end(), hints.begin(), hints.end());
        result.ok = true;
    } catch (const StepError &error) {
        result.problems.push_back(explain(error, state));
        return result;
    }
    if (!cgroups.version2().empty())
        result.facts.emplace_back("Pause freezes a sandbox by its control group (version 2).");
    else if (!cgroups.version1Freezer().empty())
        result.facts.emplace_back(
            "Pause freezes a sandbox by its control group (version 1 freezer).");
    else
        result.hints.emplace_back("No control group may be made here, so pause stops processes by "
                                  "signals, which they can "
                                  "notice. To start the engine with its own group: "
                                  "systemd-run --user --scope -p Delegate=yes moru-local serve");
    result.hints.emplace_back("Sandboxes have no network besides their own loopback.");
    result.hints.emplace_back(
        "Memory, processor time and disk space are not limited: a sandbox can "
        "use up what this machine has. An account inside has at most "
        + std::to_string(MostProcesses) + " processes.");
    return result;
}

Launcher::Launcher(fs::path stateDir)
    : d(std::make_unique<Private>(stateDir))
{}

Launcher::~Launcher() = default;

Diagnosis Launcher::diagnose(bool fresh)
{
    const std::lock_guard lock(d->diagnosisMutex);
    if (!d->diagnosis || fresh)
        d->diagnosis = d->examine();
    return *d->diagnosis;
}

std::optional<LaunchError> Launcher::start(const std::string &id, const AgentConfig &config,
                                           Launched &out)
{
    return d->attempt([&] {
        if (!isValidId(id))
            throw StepError("start the sandbox", EINVAL, "This is not a sandbox id: " + id);
        out = d->launch(id, config);
    });
}

bool Launcher::isAlive(const Launched &launched)
{
    const auto state = processState(launched.pid);
    return launched.pid > 0 && state && state->startTime == launched.startTime
           && !state->hasEnded();
}

int Launcher::openPidfd(const Launched &launched)
{
    if (launched.pid <= 0) {
        errno = ESRCH;
        return -1;
    }
    Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, launched.pid, 0)));
    if (!pidfd.valid())
        return -1;
    const auto state = processState(launched.pid);
    if (!state || state->startTime != launched.startTime) {
        errno = ESRCH;
        return -1;
    }
    return pidfd.release();
}

std::optional<LaunchError> Launcher::freeze(const std::string &id, const Launched &launched)
{
    return d->attempt([&] {
        if (!isValidId(id) || !isAlive(launched))
            throw StepError("pause the sandbox", ESRCH);
        const SandboxCgroup group = d->cgroupOf(id);
        if (group.version != SandboxCgroup::Version::None) {
            if (!setFrozen(group, true)) {
                const int code = errno;
                setFrozen(group, false);
                throw StepError("freeze the sandbox's processes", code);
            }
            return;
        }
        const fs::path record = d->sandboxDir(id) / "stopped";
        // Paused already: what was stopped then is what is to continue.
        if (::access(record.c_str(), F_OK) == 0 && processState(launched.pid)->isStopped())
            return;
        std::vector<ProcessKey> stopped;
        if (!stopFamily(launched.pid, stopped))
            throw StepError("stop the sandbox's processes");
        try {
            replaceFile(record, toText(stopped));
        } catch (const StepError &) {
            continueFamily(stopped);
            throw;
        }
    });
}

std::optional<LaunchError> Launcher::thaw(const std::string &id, const Launched &launched)
{
    return d->attempt([&] {
        if (!isValidId(id) || !isAlive(launched))
            throw StepError("resume the sandbox", ESRCH);
        const SandboxCgroup group = d->cgroupOf(id);
        if (group.version != SandboxCgroup::Version::None) {
            if (!setFrozen(group, false))
                throw StepError("thaw the sandbox's processes");
            return;
        }
        const fs::path record = d->sandboxDir(id) / "stopped";
        std::vector<ProcessKey> stopped;
        if (const auto text = readTextFile(record.string())) {
            stopped = keysFromText(*text);
        } else {
            // The engine ended between stopping and writing it down.
            for (const pid_t pid : familyOf(launched.pid))
                if (const auto state = processState(pid); state && state->isStopped())
                    stopped.push_back({pid, state->startTime});
        }
        continueFamily(stopped);
        ::unlink(record.c_str());
    });
}

std::optional<LaunchError> Launcher::kill(const std::string &id, const Launched &launched)
{
    return d->attempt([&] {
        if (!isValidId(id))
            throw StepError("end the sandbox", EINVAL);
        const SandboxCgroup group = d->cgroupOf(id);
        d->end(group, launched);
        d->endStray(id);
        removeCgroup(group);
    });
}

std::optional<LaunchError> Launcher::removeFiles(const std::string &id)
{
    return d->attempt([&] {
        if (!isValidId(id))
            throw StepError("remove the sandbox's files", EINVAL);
        const fs::path home = d->sandboxDir(id);
        d->endStray(id);
        removeCgroup(d->cgroupOf(id));
        struct stat info {};
        if (::lstat(home.c_str(), &info) == 0)
            d->trash->takeEntry(home);
    });
}

void Launcher::waitForRemovals()
{
    d->trash->wait();
}

bool Launcher::hasFiles(const std::string &id) const
{
    struct stat info {};
    return isValidId(id) && ::lstat((d->sandboxDir(id) / "fs").c_str(), &info) == 0;
}

std::optional<Usage> Launcher::usage(const std::string &id, const Launched &launched, bool withDisk)
{
    if (!isValidId(id) || !isAlive(launched))
        return std::nullopt;
    Usage usage;
    const CgroupUsage group = cgroupUsage(d->cgroupOf(id));
    std::vector<pid_t> family;
    if (!group.cpuSeconds || !group.memoryBytes)
        family = familyOf(launched.pid);
    usage.cpuSeconds = group.cpuSeconds ? *group.cpuSeconds : cpuSecondsOf(family);
    usage.memoryBytes = group.memoryBytes ? *group.memoryBytes : memoryBytesOf(family);
    if (withDisk) {
        const std::string files = (d->sandboxDir(id) / "fs").string();
        const Descriptor directory(
            ::open(files.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (const auto bytes = directory.valid() ? diskUsage(directory.get()) : std::nullopt) {
            usage.diskBytes = *bytes;
        } else {
            // Directories that only the inhabitants may read.
            try {
                const std::string text =
                    runTask(d->identity(), Task::Measure, files, MeasurePatience);
                std::from_chars(text.data(), text.data() + text.size(), usage.diskBytes);
            } catch (const StepError &) {
                return std::nullopt;
            }
        }
    }
    return usage;
}

} // namespace moru::engine
