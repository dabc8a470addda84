// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/engine.h"

#include "app/engine/http/astuple.h"
#include "app/engine/server/controlplane.h"
#include "app/engine/server/dataplane.h"
#include "app/engine/server/fleet.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <system_error>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::engine {

namespace json = boost::json;
using namespace std::chrono;

namespace {

constexpr int Backlog = 1024;
/// A client has this long to send a request's head.
constexpr int HeadSeconds = 10;
constexpr seconds StopLimit{30};
/// How often we look whether the engine is still wanted.
constexpr seconds IdleCheck{30};

/// A listening TCP socket with the port it got.
struct Listening {
    int fd = -1;
    std::uint16_t port = 0;
};

void closeListening(Listening &listening)
{
    if (listening.fd >= 0)
        ::close(listening.fd);
    listening.fd = -1;
}

/// errno is set if `fd` is -1.
Listening listenOn(const asio::ip::address &address, std::uint16_t port)
{
    Listening listening;
    const asio::ip::tcp::endpoint wanted(address, port);
    const int family = address.is_v6() ? AF_INET6 : AF_INET;
    listening.fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening.fd < 0)
        return listening;
    const int on = 1;
    // A port in TIME_WAIT after a restart is ours again; a port in use stays refused.
    std::ignore = ::setsockopt(listening.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    asio::ip::tcp::endpoint got;
    auto size = static_cast<socklen_t>(got.capacity());
    if (::bind(listening.fd, wanted.data(), static_cast<socklen_t>(wanted.size())) != 0
        || ::listen(listening.fd, Backlog) != 0
        || ::getsockname(listening.fd, got.data(), &size) != 0) {
        const int code = errno;
        closeListening(listening);
        errno = code;
        return listening;
    }
    listening.port = got.port();
    return listening;
}

std::string url(const asio::ip::address &address, std::uint16_t port)
{
    const std::string host =
        address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return "http://" + host + ":" + std::to_string(port);
}

[[noreturn]] void portTaken(const asio::ip::address &address, std::uint16_t port, int code)
{
    const std::string place = address.to_string() + " port " + std::to_string(port);
    if (code == EADDRINUSE)
        throw std::runtime_error("Another program already listens on " + place
                                 + ". Choose another port with --listen (0 = any free one).");
    throw std::runtime_error("Cannot listen on " + place + ": "
                             + std::generic_category().message(code));
}

class Engine {
public:
    Engine(const StateDir &dir, const EngineOptions &options, Backend &backend, Log &log)
        : m_dir(dir)
        , m_options(options)
        , m_log(log)
        , m_fleet(m_loop, backend, dir, log, options.maxSandboxes)
        , m_signals(m_loop)
        , m_idleTimer(m_loop)
    {}
    ~Engine()
    {
        closeListening(m_control);
        closeListening(m_data);
    }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    EngineEnd run(const std::function<void(const EngineAddress &)> &onReady)
    {
        m_signals.add(SIGTERM);
        m_signals.add(SIGINT);
        m_signals.add(SIGHUP);
        listen();
        const std::string keyDigits = m_dir.loadOrMakeKey();
        const EngineAddress address = addressNow();
        m_fleet.adopt();

        ControlPlane::Settings settings;
        settings.keyDigits = keyDigits;
        settings.domain = address.domain;
        settings.diskPath = m_dir.root().string();
        settings.since = now();
        struct stat key {};
        if (::stat(m_dir.keyFile().c_str(), &key) == 0)
            settings.since = Time(seconds(key.st_mtime));
        ControlPlane control(m_fleet, m_activity, std::move(settings));
        DataPlane data(m_fleet, m_activity, m_log);
        const Handler handleControl = [&control](Exchange &exchange) {
            return control.handle(exchange);
        };
        const Handler handleData = [&data](Exchange &exchange) { return data.handle(exchange); };
        serve(m_control, handleControl, m_stopControl);
        serve(m_data, handleData, m_stopData);
        m_fleet.run();
        spawn(waitForSignal());
        if (m_options.idleExit > seconds(0))
            spawn(waitForIdleness());

        writeFileAtomically(m_dir.engineFile(), toJson(address), false);
        m_log.info("serving on " + address.apiUrl + " and " + address.sandboxUrl);
        onReady(address);
        m_loop.run();
        std::error_code ignored;
        std::filesystem::remove(m_dir.engineFile(), ignored);
        return m_end;
    }

private:
    void listen()
    {
        const auto address = asio::ip::make_address(m_options.listenHost);
        m_control = listenOn(address, m_options.port);
        if (m_control.fd < 0)
            portTaken(address, m_options.port, errno);
        const auto next = static_cast<std::uint16_t>(m_options.port == 0 ? 0 : m_options.port + 1);
        m_data = listenOn(address, next);
        if (m_data.fd < 0)
            portTaken(address, next, errno);
    }

    [[nodiscard]] EngineAddress addressNow() const
    {
        const auto host = asio::ip::make_address(m_options.listenHost);
        EngineAddress address;
        address.apiUrl = url(host, m_control.port);
        address.sandboxUrl = url(host, m_data.port);
        address.domain = "localhost:" + std::to_string(m_data.port);
        address.keyFile = m_dir.keyFile().string();
        address.pid = ::getpid();
        address.version = MORU_VERSION;
        return address;
    }

    void serve(Listening &listening, const Handler &handler, asio::cancellation_signal &stop)
    {
        ServeLimits limits;
        limits.headerSeconds = HeadSeconds;
        auto accepting = serveListener(listening.fd, handler, limits);
        listening.fd = -1; // closed by the accept loop
        auto ended = [this](const std::exception_ptr &failure) {
            if (failure && !m_ending)
                m_log.error("a listener has failed");
        };
        asio::co_spawn(m_loop, std::move(accepting),
                       asio::bind_cancellation_slot(stop.slot(), std::move(ended)));
    }

    void spawn(asio::awaitable<void> job)
    {
        asio::co_spawn(m_loop, std::move(job), [this](const std::exception_ptr &failure) {
            if (!failure)
                return;
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception &e) {
                m_log.error(std::string("unexpected: ") + e.what());
            }
        });
    }

    void stopAccepting()
    {
        m_ending = true;
        m_stopControl.emit(asio::cancellation_type::terminal);
        m_stopData.emit(asio::cancellation_type::terminal);
    }

    asio::awaitable<void> waitForSignal()
    {
        const auto [ec, number] = co_await m_signals.async_wait(asTuple);
        if (ec)
            co_return;
        m_log.info("stopping");
        stopAccepting();
        spawn(hurry());
        m_end = EngineEnd::Stopped;
        co_await m_fleet.shutDown();
        m_log.info("stopped");
        m_loop.stop();
    }

    /// A second signal, or a sandbox that does not end: leave it to the next engine.
    asio::awaitable<void> hurry()
    {
        m_idleTimer.expires_after(StopLimit);
        m_idleTimer.async_wait([this](const boost::system::error_code &ec) {
            if (ec)
                return;
            m_log.error("could not stop in time");
            m_end = EngineEnd::Hurried;
            m_loop.stop();
        });
        const auto [ec, number] = co_await m_signals.async_wait(asTuple);
        if (ec)
            co_return;
        m_end = EngineEnd::Hurried;
        m_loop.stop();
    }

    asio::awaitable<void> waitForIdleness()
    {
        auto idleSince = steady_clock::now();
        for (;;) {
            if (m_fleet.isActive() || m_activity.underWay > 0)
                idleSince = steady_clock::now();
            idleSince = std::max(idleSince, m_activity.last);
            const auto left = idleSince + m_options.idleExit - steady_clock::now();
            if (left <= steady_clock::duration::zero())
                break;
            m_idleTimer.expires_after(std::min<steady_clock::duration>(left, IdleCheck));
            co_await m_idleTimer.async_wait(asTuple);
            if (m_ending)
                co_return;
        }
        m_log.info("nothing runs and nobody asks: ending");
        stopAccepting();
        m_end = EngineEnd::Idle;
        m_loop.stop();
    }

    StateDir m_dir;
    EngineOptions m_options;
    Log &m_log;
    Activity m_activity; // outlives the loop: the requests that die with it still count themselves
    asio::io_context m_loop{1};
    Fleet m_fleet;
    Listening m_control;
    Listening m_data;
    asio::cancellation_signal m_stopControl;
    asio::cancellation_signal m_stopData;
    asio::signal_set m_signals;
    asio::steady_timer m_idleTimer;
    EngineEnd m_end = EngineEnd::Idle;
    bool m_ending = false;
};

} // namespace

std::string toJson(const EngineAddress &address)
{
    json::object object;
    object["apiUrl"] = address.apiUrl;
    object["sandboxUrl"] = address.sandboxUrl;
    object["domain"] = address.domain;
    object["keyFile"] = address.keyFile;
    object["pid"] = address.pid;
    object["version"] = address.version;
    return json::serialize(object) + "\n";
}

std::optional<EngineAddress> addressFromJson(const std::string &text)
{
    try {
        const json::value value = json::parse(text);
        const auto member = [&](std::string_view name) {
            const json::string &found = value.as_object().at(name).as_string();
            return std::string(found.data(), found.size());
        };
        EngineAddress address;
        address.apiUrl = member("apiUrl");
        address.sandboxUrl = member("sandboxUrl");
        address.domain = member("domain");
        address.keyFile = member("keyFile");
        address.pid = value.as_object().at("pid").to_number<std::int64_t>();
        address.version = member("version");
        return address;
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

EngineEnd runEngine(const StateDir &dir, const EngineOptions &options, Backend &backend, Log &log,
                    const std::function<void(const EngineAddress &)> &onReady)
{
    Engine engine(dir, options, backend, log);
    return engine.run(onReady);
}

} // namespace moru::engine
