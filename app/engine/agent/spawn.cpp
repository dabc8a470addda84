// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/spawn.h"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace {

[[noreturn]] void fail(const char *what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

struct Pipe {
    FileDescriptor reader;
    FileDescriptor writer;
};

Pipe makePipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        fail("pipe");
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

void setNonBlocking(const FileDescriptor &fd)
{
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        fail("fcntl");
}

std::string lookUp(const std::string &program)
{
    if (program.find('/') != std::string::npos)
        return program;
    std::string_view rest = SandboxPath;
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const std::string candidate = std::string(rest.substr(0, colon)) + '/' + program;
        struct stat info {};
        if (::stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode)
            && ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
    throw std::system_error(ENOENT, std::generic_category(), program);
}

std::vector<char *> pointersTo(const std::vector<std::string> &texts)
{
    std::vector<char *> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string &text : texts)
        pointers.push_back(const_cast<char *>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

/// Everything the child needs, made before the fork: after it only async-signal-safe calls are
/// allowed, because other threads may have held any lock.
struct ChildPlan {
    const char *program = nullptr;
    char *const *argv = nullptr;
    char *const *envp = nullptr;
    const char *workdir = nullptr;
    const gid_t *groups = nullptr;
    std::size_t groupCount = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    UserSwitch userSwitch = UserSwitch::Real;
    bool terminal = false;
    int input = -1;
    int output = -1;
    int errors = -1;
    int failure = -1;
    const char *uidMap = nullptr;
    const char *gidMap = nullptr;
    pid_t parent = 0;
};

bool writeText(const char *path, const char *text)
{
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t n = ::write(fd, text, std::strlen(text));
    const int code = errno;
    ::close(fd);
    errno = code;
    return n >= 0;
}

[[noreturn]] void giveUp(const ChildPlan &plan, SpawnFailure::Step step)
{
    SpawnFailure failure;
    failure.step = step;
    failure.code = errno;
    ssize_t n = 0;
    do {
        n = ::write(plan.failure, &failure, sizeof failure);
    } while (n < 0 && errno == EINTR);
    ::_exit(127);
}

bool becomeUser(const ChildPlan &plan)
{
    switch (plan.userSwitch) {
    case UserSwitch::None:
        return true;
    case UserSwitch::Real:
        return ::setgroups(plan.groupCount, plan.groups) == 0 && ::setgid(plan.gid) == 0
               && ::setuid(plan.uid) == 0;
    case UserSwitch::SingleUid:
        if (plan.uid == 0)
            return true;
        return ::unshare(CLONE_NEWUSER) == 0 && writeText("/proc/self/setgroups", "deny")
               && writeText("/proc/self/uid_map", plan.uidMap)
               && writeText("/proc/self/gid_map", plan.gidMap);
    }
    return false;
}

[[noreturn]] void runChild(const ChildPlan &plan)
{
    using Step = SpawnFailure::Step;
    // Handlers vanish with exec, ignored signals would not.
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
        ::sigaction(number, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);

    // A session of its own also with pipes: "kill 0" in one command must not end all others.
    if (::setsid() < 0)
        giveUp(plan, Step::Session);
    if (plan.terminal && ::ioctl(plan.input, TIOCSCTTY, 0) != 0)
        giveUp(plan, Step::Session);
    if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.errors, 2) < 0)
        giveUp(plan, Step::Streams);
    // Whatever we inherited without the flag; `failure` has it.
    ::syscall(SYS_close_range, 3U, UINT_MAX, 1U << 2U /* CLOSE_RANGE_CLOEXEC */);
    ::umask(022);
    // The agent should outlive memory shortage, its children come first. Best effort: without /proc
    // everything else still works.
    static_cast<void>(writeText("/proc/self/oom_score_adj", "100"));
    if (!becomeUser(plan))
        giveUp(plan, Step::User);
    // After the change of user, which clears it. PID 1 takes everything along anyway; this is for
    // an agent that is not PID 1.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent)
        ::_exit(127);
    if (::chdir(plan.workdir) != 0)
        giveUp(plan, Step::Directory);
    ::execve(plan.program, plan.argv, plan.envp);
    giveUp(plan, Step::Exec);
}

struct Terminal {
    FileDescriptor master;
    FileDescriptor slave;
};

Terminal openTerminal(const SpawnPlan &plan)
{
    Terminal terminal;
    terminal.master = FileDescriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.master.isValid())
        fail("open /dev/ptmx");
    if (::grantpt(terminal.master.get()) != 0 || ::unlockpt(terminal.master.get()) != 0)
        fail("unlock terminal");
    // By the master, not by name: what is mounted on /dev/pts is the sandbox's business.
    terminal.slave =
        FileDescriptor(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.slave.isValid())
        fail("open terminal");
    if (::ioctl(terminal.master.get(), TIOCSWINSZ, &*plan.terminal) != 0)
        fail("set terminal size");
    // Programs reopen their terminal by name (sudo, tmux, gpg).
    if (plan.userSwitch == UserSwitch::Real
        && ::fchown(terminal.slave.get(), plan.user.uid, static_cast<gid_t>(-1)) != 0)
        fail("give terminal to user");
    return terminal;
}

} // namespace

std::string SpawnFailure::message() const
{
    const char *what = "";
    switch (step) {
    case Step::Session:
        what = "new session";
        break;
    case Step::Streams:
        what = "redirect streams";
        break;
    case Step::User:
        what = "become user";
        break;
    case Step::Directory:
        what = "change directory";
        break;
    case Step::Exec:
        what = "exec";
        break;
    }
    return std::string(what) + ": " + std::generic_category().message(code);
}

Spawned spawn(const SpawnPlan &plan)
{
    const std::string program = lookUp(plan.program);
    std::vector<std::string> arguments;
    arguments.reserve(plan.arguments.size() + 1);
    arguments.push_back(plan.program);
    arguments.insert(arguments.end(), plan.arguments.begin(), plan.arguments.end());
    const std::vector<char *> argv = pointersTo(arguments);
    const std::vector<char *> envp = pointersTo(plan.environment);
    std::vector<gid_t> groups{plan.user.gid};
    groups.insert(groups.end(), plan.user.groups.begin(), plan.user.groups.end());
    const std::string uidMap = std::to_string(plan.user.uid) + " 0 1\n";
    const std::string gidMap = std::to_string(plan.user.gid) + " 0 1\n";

    Spawned result;
    Pipe failure = makePipe();
    FileDescriptor childInput;
    FileDescriptor childOutput;
    FileDescriptor childErrors;
    if (plan.terminal) {
        Terminal terminal = openTerminal(plan);
        // Reading and writing wait apart from one another, so each has its descriptor.
        result.input = FileDescriptor(::fcntl(terminal.master.get(), F_DUPFD_CLOEXEC, 3));
        if (!result.input.isValid())
            fail("duplicate terminal");
        result.output = std::move(terminal.master);
        childInput = std::move(terminal.slave);
    } else {
        if (plan.stdinPipe) {
            Pipe input = makePipe();
            result.input = std::move(input.writer);
            childInput = std::move(input.reader);
        } else {
            childInput = FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            if (!childInput.isValid())
                fail("open /dev/null");
        }
        Pipe output = makePipe();
        Pipe errors = makePipe();
        result.output = std::move(output.reader);
        result.errors = std::move(errors.reader);
        childOutput = std::move(output.writer);
        childErrors = std::move(errors.writer);
    }
    for (const FileDescriptor *fd :
         {&result.input, &result.output, &result.errors, &failure.reader})
        if (fd->isValid())
            setNonBlocking(*fd);

    ChildPlan child;
    child.program = program.c_str();
    child.argv = argv.data();
    child.envp = envp.data();
    child.workdir = plan.workdir.c_str();
    child.groups = groups.data();
    child.groupCount = groups.size();
    child.uid = plan.user.uid;
    child.gid = plan.user.gid;
    child.userSwitch = plan.userSwitch;
    child.terminal = plan.terminal.has_value();
    child.input = childInput.get();
    child.output = plan.terminal ? childInput.get() : childOutput.get();
    child.errors = plan.terminal ? childInput.get() : childErrors.get();
    child.failure = failure.writer.get();
    child.uidMap = uidMap.c_str();
    child.gidMap = gidMap.c_str();
    child.parent = ::getpid();

    // No handler of ours may run in the child.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0)
        runChild(child);
    const int code = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        errno = code;
        fail("fork");
    }
    result.pid = pid;
    result.failure = std::move(failure.reader);
    return result;
}

} // namespace moru::engine
