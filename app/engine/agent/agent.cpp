// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/agent.h"

#include "app/engine/agent/service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <google/protobuf/stubs/logging.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::engine {

namespace {

/// Descriptors 0 to 2 must be taken, or a pipe of a child would get one of these numbers.
void fillStandardDescriptors()
{
    int fd = -1;
    do {
        fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2)
        ::close(fd);
}

} // namespace

int serveAgent(int listenFd, const AgentConfig &config)
{
    // One event loop and a few helpers: more arenas would only cost memory.
    ::mallopt(M_ARENA_MAX, 2);
    ::umask(022);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr);
    // Orphans come to PID 1 anyway; an agent that is not PID 1 wants to reap them as well.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    fillStandardDescriptors();
    const int flags = ::fcntl(listenFd, F_GETFL);
    if (flags < 0 || ::fcntl(listenFd, F_SETFL, flags | O_NONBLOCK) != 0
        || ::fcntl(listenFd, F_SETFD, FD_CLOEXEC) != 0) {
        std::perror("agent: listening socket");
        return 1;
    }
    // It would print a line for every malformed message.
    google::protobuf::SetLogHandler(nullptr);
    try {
        asio::io_context context(1);
        Service service(context, config);
        const Handler handler = [&service](Exchange &exchange) { return service.handle(exchange); };
        auto listener = serveListener(listenFd, handler, ServeLimits{});
        int code = 0;
        asio::co_spawn(context, std::move(listener), [&](const std::exception_ptr &failure) {
            // It only ends when something is badly wrong with the socket.
            code = failure ? 1 : 0;
            context.stop();
        });
        context.run();
        return code;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "agent: %s\n", e.what());
        return 1;
    }
}

} // namespace moru::engine
