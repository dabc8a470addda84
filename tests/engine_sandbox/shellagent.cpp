// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine_sandbox/shellagent.h"

#include "app/engine/agent/agent.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace moru::engine {

// The stand-in: a connection sends "user\ncommand" and closes its side; it gets what the command
// prints, then a NUL and the exit code.

std::string toJson(const AgentConfig &config)
{
    return config.userSwitch == UserSwitch::SingleUid ? "single" : "real";
}

AgentConfig agentConfigFromJson(const std::string &json)
{
    AgentConfig config;
    config.userSwitch = json == "single" ? UserSwitch::SingleUid : UserSwitch::Real;
    return config;
}

namespace {

std::string readAll(int fd)
{
    std::string text;
    std::array<char, 16384> part;
    for (;;) {
        const ssize_t count = ::read(fd, part.data(), part.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return text;
        text.append(part.data(), static_cast<std::size_t>(count));
    }
}

void writeFile(const char *path, const char *text)
{
    const int fd = ::open(path, O_WRONLY);
    (void)!::write(fd, text, std::strlen(text));
    ::close(fd);
}

[[noreturn]] void execute(int connection, UserSwitch userSwitch)
{
    const std::string request = readAll(connection);
    const std::size_t line = request.find('\n');
    const std::string user = request.substr(0, line);
    const std::string command = request.substr(line + 1);
    const std::string home = user == "root" ? "/root" : "/home/" + user;
    ::setsid();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (user != "root") {
        if (userSwitch == UserSwitch::Real) {
            if (::setgroups(0, nullptr) != 0 || ::setresgid(1000, 1000, 1000) != 0
                || ::setresuid(1000, 1000, 1000) != 0)
                ::_exit(126);
        } else {
            if (::unshare(CLONE_NEWUSER) != 0)
                ::_exit(125);
            writeFile("/proc/self/setgroups", "deny");
            writeFile("/proc/self/uid_map", "1000 0 1");
            writeFile("/proc/self/gid_map", "1000 0 1");
        }
    }
    ::clearenv();
    ::setenv("HOME", home.c_str(), 1);
    ::setenv("USER", user.c_str(), 1);
    ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (::chdir(home.c_str()) != 0)
        ::_exit(124);
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(connection, 1);
    ::dup2(connection, 2);
    ::execl("/bin/bash", "bash", "-l", "-c", command.c_str(), nullptr);
    ::_exit(127);
}

} // namespace

int serveAgent(int listenFd, const AgentConfig &config)
{
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    const int signals = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    ::fcntl(listenFd, F_SETFD, FD_CLOEXEC);
    std::map<pid_t, int> running;
    for (;;) {
        std::array<pollfd, 2> ready{{{listenFd, POLLIN, 0}, {signals, POLLIN, 0}}};
        ::poll(ready.data(), ready.size(), -1);
        if (ready[0].revents != 0) {
            const int connection = ::accept4(listenFd, nullptr, nullptr, SOCK_CLOEXEC);
            const pid_t pid = ::fork();
            if (pid == 0)
                execute(connection, config.userSwitch);
            running[pid] = connection;
        }
        if (ready[1].revents != 0) {
            signalfd_siginfo info{};
            (void)!::read(signals, &info, sizeof info);
            int status = 0;
            for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
                const auto found = running.find(pid);
                if (found == running.end())
                    continue; // an orphan
                const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                const std::string end = '\0' + std::to_string(code);
                (void)!::send(found->second, end.data(), end.size(), MSG_NOSIGNAL);
                ::shutdown(found->second, SHUT_RDWR); // background processes may hold it too
                ::close(found->second);
                running.erase(found);
            }
        }
    }
}

Answer runInSandbox(const std::filesystem::path &socket, const std::string &user,
                    const std::string &command)
{
    Answer answer;
    const int folder = ::open(socket.parent_path().c_str(), O_PATH | O_CLOEXEC);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path =
        "/proc/self/fd/" + std::to_string(folder) + "/" + socket.filename().string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        ::connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
    ::close(folder);
    if (connected) {
        const std::string request = user + "\n" + command;
        (void)!::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
        ::shutdown(fd, SHUT_WR);
        answer.output = readAll(fd);
        const std::size_t end = answer.output.rfind('\0');
        if (end != std::string::npos) {
            answer.code = std::atoi(answer.output.c_str() + end + 1);
            answer.output.resize(end);
        }
    }
    ::close(fd);
    return answer;
}

} // namespace moru::engine
