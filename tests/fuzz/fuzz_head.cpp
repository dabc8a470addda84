// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes as a client would send them, through a real connection of the server: every request it
// finds must be answered or the connection closed.
#include "app/engine/http/exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <cstdlib>

#include <sys/socket.h>
#include <unistd.h>

using namespace moru::engine;

namespace {

asio::awaitable<void> answer(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    static_cast<void>(head.query("path"));
    static_cast<void>(head.queryAll("x"));
    const auto body = co_await exchange.readAll(4096);
    std::string type = "text/plain";
    std::string text = body ? *body : std::string("too long");
    Headers headers;
    headers.emplace_back("X-Echo", std::string(head.header("x-echo")));
    co_await exchange.respond(200, std::move(type), std::move(text), std::move(headers));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size > 100'000) // what a socket takes without a reader
        return 0;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        std::abort();
    asio::io_context context(1);
    bool over = false;
    {
        Socket socket(context);
        socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
        const Handler handler = answer;
        auto connection = serveConnection(std::move(socket), handler, ServeLimits{});
        asio::co_spawn(context, std::move(connection), [&](const std::exception_ptr &failure) {
            over = true;
            if (failure)
                std::abort(); // a connection deals with its errors itself
        });
    }
    const ssize_t sent = ::write(ends[1], data, size);
    if (size > 0 && sent <= 0)
        std::abort();
    ::shutdown(ends[1], SHUT_WR);
    std::string answers;
    for (int turn = 0; turn < 10'000 && !over; ++turn) {
        context.poll();
        char part[4096];
        for (ssize_t n = 0; (n = ::read(ends[1], part, sizeof part)) > 0;)
            answers.append(part, static_cast<std::size_t>(n));
    }
    if (!over) // it saw the end of its input
        std::abort();
    if (!answers.empty() && !answers.starts_with("HTTP/1.1 "))
        std::abort();
    ::close(ends[1]);
    return 0;
}
