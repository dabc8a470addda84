// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/spawn.h"

#include "app/engine/sandbox/launcher.h"
#include "app/engine/sandbox/selfimage.h"
#include "app/engine/sandbox/steperror.h"

#include <array>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace moru::engine {

namespace {

constexpr int ImageFd = 6;
constexpr int FirstFreeFd = 7;

/// All that the new process needs, made before it exists: it shares its memory image with a program
/// of many threads, so until it executes it may use async-signal-safe calls only.
struct ChildPlan {
    int channel = -1;
    int listen = -1;
    int image = -1;
    const char *workDirectory = nullptr;
    const char *layersDirectory = nullptr;
    bool dropGroups = false;
    bool execute = true;
    std::array<char *, 2> argv{};
    std::array<char *, 1> environment{};
};

[[noreturn]] void giveUp(int channel, const char *step)
{
    reportFailureSafely(channel, step, errno);
    ::_exit(1);
}

void resetSignals()
{
    struct sigaction byDefault {};
    byDefault.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
        ::sigaction(number, &byDefault,
                    nullptr); // KILL, STOP and libc's own refuse: as it should be
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Puts a descriptor at a fixed number, to stay open over the execution or not.
void place(int &fd, int number, bool keep, int channel)
{
    if (::dup3(fd, number, keep ? 0 : O_CLOEXEC) < 0)
        giveUp(channel, "arrange descriptors");
    fd = number;
}

[[noreturn]] void becomeSandbox(ChildPlan plan)
{
    resetSignals();
    // The id map is written through /proc/PID, which is closed to everybody but root if the engine
    // protects itself from being dumped.
    ::prctl(PR_SET_DUMPABLE, 1);
    ::setsid();

    // Directories are reached now, as the engine's user: afterwards the way to them is shut.
    int layers = -1;
    if (plan.workDirectory && ::chdir(plan.workDirectory) < 0)
        giveUp(plan.channel, "enter the sandbox's directory");
    if (plan.layersDirectory) {
        layers = ::open(plan.layersDirectory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (layers < 0)
            giveUp(plan.channel, "open the directory of the lower layers");
    }

    // Everything moves out of the way of the fixed numbers first.
    for (int *fd : {&plan.channel, &plan.listen, &plan.image, &layers}) {
        if (*fd < 0)
            continue;
        const int high = ::fcntl(*fd, F_DUPFD_CLOEXEC, 64);
        if (high < 0)
            giveUp(plan.channel, "arrange descriptors");
        *fd = high;
    }
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        giveUp(plan.channel, "open /dev/null");
    for (int number = 0; number <= 2; ++number) {
        if (null != number && ::dup2(null, number) < 0)
            giveUp(plan.channel, "arrange descriptors");
        if (null == number)
            ::fcntl(number, F_SETFD, 0);
    }
    place(plan.channel, ChannelFd, true, plan.channel);
    if (plan.listen >= 0)
        place(plan.listen, ListenFd, true, plan.channel);
    else
        ::close(ListenFd);
    if (layers >= 0)
        place(layers, LayersFd, true, plan.channel);
    else
        ::close(LayersFd);
    if (plan.image >= 0)
        place(plan.image, ImageFd, false, plan.channel);
    if (::syscall(SYS_close_range, FirstFreeFd, ~0U, 0) < 0) {
        for (int fd = FirstFreeFd; fd < 65536; ++fd) // before Linux 5.9
            ::close(fd);
    }

    char go = 0;
    ssize_t count = 0;
    do
        count = ::read(ChannelFd, &go, 1);
    while (count < 0 && errno == EINTR);
    if (count != 1 || !plan.execute)
        ::_exit(0);

    // An execution before the map is written would lose all capabilities. Not libc's functions:
    // they change the ids of all threads, and wait for those of the engine, which are not here.
    if (plan.dropGroups && ::syscall(SYS_setgroups, 0, nullptr) < 0)
        giveUp(ChannelFd, "leave supplementary groups");
    if (::syscall(SYS_setresgid, 0, 0, 0) < 0 || ::syscall(SYS_setresuid, 0, 0, 0) < 0)
        giveUp(ChannelFd, "become root inside");
    ::syscall(SYS_execveat, ImageFd, "", plan.argv.data(), plan.environment.data(), AT_EMPTY_PATH);
    giveUp(ChannelFd, "execute the copy of the program");
}

/// Blocks all signals in this thread, so that no handler of the engine runs in the new process.
class SignalsBlocked {
public:
    SignalsBlocked()
    {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &m_before);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &m_before, nullptr); }
    SignalsBlocked(const SignalsBlocked &) = delete;
    SignalsBlocked &operator=(const SignalsBlocked &) = delete;

private:
    sigset_t m_before{};
};

pid_t cloneProcess(const SpawnRequest &request, const ChildPlan &plan, int &pidfd)
{
    clone_args args{};
    args.flags = request.namespaces | CLONE_NEWUSER | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (request.cgroupFd >= 0) {
        args.flags |= CLONE_INTO_CGROUP | CLONE_NEWCGROUP;
        args.cgroup = static_cast<std::uint64_t>(request.cgroupFd);
    }
    const SignalsBlocked blocked;
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        becomeSandbox(plan);
    return static_cast<pid_t>(pid);
}

Report nextReport(const Spawned &process, std::chrono::steady_clock::time_point deadline)
{
    Report report = decodeReport(receiveFrame(process.channel.get(), deadline));
    if (report.kind == Report::Kind::Failed)
        throw report.text.empty() ? StepError(report.step, report.code)
                                  : StepError(report.step, report.code, report.text);
    return report;
}

} // namespace

Spawned spawnInNamespaces(const Identity &identity, const SpawnRequest &request)
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
        throw StepError("make a channel to the sandbox's first process");
    Spawned process;
    process.channel.reset(ends[0]);
    Descriptor inside(ends[1]);

    std::array<char, 32> name{};
    std::strncpy(name.data(), SandboxArgv0, name.size() - 1);
    ChildPlan plan;
    plan.channel = inside.get();
    plan.listen = request.listenFd;
    plan.execute = !request.onlyMap;
    plan.image = plan.execute ? selfImage() : -1;
    plan.workDirectory = request.workDirectory.empty() ? nullptr : request.workDirectory.c_str();
    plan.layersDirectory =
        request.layersDirectory.empty() ? nullptr : request.layersDirectory.c_str();
    plan.dropGroups = identity.kind != Identity::Kind::Single;
    plan.argv = {name.data(), nullptr};
    plan.environment = {nullptr};

    int pidfd = -1;
    process.pid = cloneProcess(request, plan, pidfd);
    if (process.pid < 0)
        throw StepError("create namespaces");
    process.pidfd.reset(pidfd);
    inside.reset();
    try {
        writeIdMaps(process.pid, identity);
        const char go = 'g';
        if (::send(process.channel.get(), &go, 1, MSG_NOSIGNAL) != 1)
            throw StepError("speak to the sandbox's first process");
    } catch (const StepError &) {
        endProcess(process);
        throw;
    }
    return process;
}

void endProcess(Spawned &process)
{
    if (!process.pidfd.valid())
        return;
    ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGKILL, nullptr, 0);
    uninterrupted([&] { return ::waitpid(process.pid, nullptr, 0); });
    process.pidfd.reset();
    process.channel.reset();
}

Report giveOrders(const Spawned &process, const Orders &orders, std::chrono::milliseconds patience)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    try {
        sendFrame(process.channel.get(), encode(orders), deadline);
    } catch (const StepError &) {
        // It may have said why it ended.
        nextReport(process, deadline);
        throw;
    }
    return nextReport(process, deadline);
}

std::string runTask(const Identity &identity, Task task, const std::string &directory,
                    std::chrono::milliseconds patience)
{
    SpawnRequest request;
    request.namespaces = CLONE_NEWUSER;
    request.workDirectory = directory;
    Spawned process = spawnInNamespaces(identity, request);
    Orders orders;
    orders.task = task;
    orders.singleUid = identity.kind == Identity::Kind::Single;
    try {
        Report report = giveOrders(process, orders, patience);
        endProcess(process);
        return report.text;
    } catch (const StepError &) {
        endProcess(process);
        throw;
    }
}

} // namespace moru::engine
