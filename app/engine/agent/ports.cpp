// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/service.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/text.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace moru::engine {

namespace {

constexpr std::size_t SplicePiece = 16 * 1024;
/// A server that is just starting gets a second.
constexpr int Attempts = 5;
constexpr std::chrono::milliseconds FirstPause{100};
/// Loopback answers at once, unless the program does not accept and its queue is full.
constexpr std::chrono::seconds ConnectPatience{5};

using boost::system::error_code;

struct Splice {
    explicit Splice(const asio::any_io_executor &executor)
        : inside(executor)
        , outwardDone(executor, Clock::time_point::max())
    {}
    void closeInside()
    {
        error_code ignored;
        inside.close(ignored);
    }
    Socket inside;
    asio::steady_timer outwardDone; ///< cancelled when the outward half has ended
    bool outward = false;
};

asio::awaitable<bool> tryConnect(std::shared_ptr<Splice> splice, asio::ip::tcp::endpoint where)
{
    asio::steady_timer limit(splice->inside.get_executor());
    limit.expires_after(ConnectPatience);
    limit.async_wait([splice](const error_code &ec) {
        if (!ec)
            splice->closeInside();
    });
    const asio::generic::stream_protocol::endpoint endpoint(where);
    const auto [ec] = co_await splice->inside.async_connect(endpoint, asTuple);
    limit.cancel();
    if (ec)
        splice->closeInside();
    co_return !ec && splice->inside.is_open();
}

asio::awaitable<bool> openPort(std::shared_ptr<Splice> splice, std::uint16_t port)
{
    asio::steady_timer pause(splice->inside.get_executor());
    for (int attempt = 1;; ++attempt) {
        // "localhost" is either of them to the programs that listen there.
        const std::array<asio::ip::address, 2> addresses{asio::ip::address_v4::loopback(),
                                                         asio::ip::address_v6::loopback()};
        for (const asio::ip::address &address : addresses) {
            const bool open = co_await tryConnect(splice, asio::ip::tcp::endpoint(address, port));
            if (open)
                co_return true;
        }
        if (attempt == Attempts)
            co_return false;
        pause.expires_after(attempt * FirstPause);
        co_await pause.async_wait(asTuple);
    }
}

/// From the program to the engine. Its end is told the engine, which then closes when it has passed
/// everything on.
asio::awaitable<void> passOutward(Socket &engine, std::shared_ptr<Splice> splice)
{
    std::vector<char> room(SplicePiece);
    const auto space = asio::buffer(room);
    for (;;) {
        const auto [readError, n] = co_await splice->inside.async_read_some(space, asTuple);
        if (readError)
            break;
        const auto piece = asio::buffer(room.data(), n);
        const auto [writeError, written] = co_await asio::async_write(engine, piece, asTuple);
        if (writeError)
            break;
    }
    error_code ignored;
    engine.shutdown(Socket::shutdown_send, ignored);
}

/// From the engine to the program, until the engine closes. A program that answers without reading
/// everything may do so: what it does not take is dropped, its answer still counts.
asio::awaitable<void> passInward(Socket &engine, std::shared_ptr<Splice> splice)
{
    std::vector<char> room(SplicePiece);
    const auto space = asio::buffer(room);
    bool takes = true;
    for (;;) {
        const auto [readError, n] = co_await engine.async_read_some(space, asTuple);
        if (readError)
            co_return;
        if (!takes)
            continue;
        const auto piece = asio::buffer(room.data(), n);
        const auto [writeError, written] =
            co_await asio::async_write(splice->inside, piece, asTuple);
        takes = !writeError;
    }
}

} // namespace

asio::awaitable<void> Service::connectPort(Exchange &exchange)
{
    static constexpr std::string_view prefix = "127.0.0.1:";
    const std::string_view target = exchange.request().target;
    const auto port =
        target.starts_with(prefix) ? parseNumber(target.substr(prefix.size())) : std::nullopt;
    if (!port || *port == 0 || *port > 65535) {
        Headers none;
        co_await respondError(exchange, 400, "a port of 127.0.0.1 is needed", std::move(none));
        co_return;
    }
    const auto splice = std::make_shared<Splice>(m_context.get_executor());
    const bool open = co_await openPort(splice, static_cast<std::uint16_t>(*port));
    if (!open) {
        Headers none;
        co_await respondError(exchange, 502, "nothing listens on the port", std::move(none));
        co_return;
    }
    const int on = 1;
    std::ignore =
        ::setsockopt(splice->inside.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Headers none;
    const std::string early = co_await exchange.upgrade(200, std::move(none));
    const auto behind = asio::buffer(early);
    const auto [ec, sent] = co_await asio::async_write(splice->inside, behind, asTuple);
    if (ec)
        co_return;
    Socket &engine = exchange.socket();
    splice->outward = true;
    auto outward = passOutward(engine, splice);
    asio::co_spawn(m_context, std::move(outward), [splice](const std::exception_ptr &) {
        splice->outward = false;
        splice->outwardDone.cancel();
    });
    auto inward = passInward(engine, splice);
    co_await std::move(inward);
    splice->closeInside();
    // It uses the exchange: it has to end before this function does.
    error_code ignored;
    engine.cancel(ignored);
    while (splice->outward)
        co_await splice->outwardDone.async_wait(asTuple);
}

} // namespace moru::engine
