// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/http/exchange.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/text.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <list>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace moru::engine {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using boost::system::system_error;
using std::chrono::seconds;

namespace {

/// Beast reads as much as the buffer has room for, and 512 bytes if it has none.
constexpr std::size_t HeadRoom = 4 * 1024;
constexpr std::size_t BodyRoom = 64 * 1024;
/// An unread rest of a body up to this size is read and dropped to keep the connection.
constexpr std::uint64_t DrainLimit = 64 * 1024;

/// Cancels the socket's operations when the armed time is over.
class Deadline {
public:
    explicit Deadline(Socket &socket)
        : m_timer(socket.get_executor())
    {
        m_state->socket = &socket;
    }
    ~Deadline() { m_state->socket = nullptr; }
    Deadline(const Deadline &) = delete;
    Deadline &operator=(const Deadline &) = delete;

    void arm(seconds time)
    {
        const unsigned turn = ++m_state->turn;
        m_timer.expires_after(time);
        m_timer.async_wait([state = m_state, turn](const error_code &ec) {
            // A wait that had expired before it was disarmed arrives without an error.
            if (ec || state->turn != turn || !state->socket)
                return;
            error_code ignored;
            state->socket->cancel(ignored);
        });
    }
    void disarm()
    {
        ++m_state->turn;
        m_timer.cancel();
    }

private:
    struct State {
        Socket *socket = nullptr;
        unsigned turn = 0;
    };
    std::shared_ptr<State> m_state = std::make_shared<State>();
    asio::steady_timer m_timer;
};

/// True when the peer has closed its side and nothing unread is left.
bool atEndOfStream(Socket &socket)
{
    char byte = 0;
    const ssize_t n = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool hasUnread(Socket &socket)
{
    char byte = 0;
    return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/// Connections between two requests, the one that has waited longest in front.
struct IdleConnections {
    std::list<Socket *> sockets;
    std::function<void()> onAdded;
};

class Connection final : public Exchange {
public:
    Connection(Socket socket, ServeLimits limits, std::shared_ptr<IdleConnections> idle)
        : m_socket(std::move(socket))
        , m_limits(limits)
        , m_deadline(m_socket)
        , m_writeDeadline(m_socket)
        , m_idle(std::move(idle))
    {}

    enum class Head { Ready, Closed, Bad, TooLarge };

    asio::awaitable<Head> readHead()
    {
        m_parser.emplace();
        m_parser->header_limit(static_cast<std::uint32_t>(m_limits.headerBytes));
        m_parser->body_limit(boost::none);
        m_head = {};
        m_answer = Answer::None;
        m_expectsContinue = false;
        m_chunked = false;
        m_left = 0;
        if (m_buffer.size() == 0) {
            // A connection that idles holds no buffer.
            m_buffer.shrink_to_fit();
            // Who has never asked for anything is not waited for as long as who may ask again.
            m_deadline.arm(seconds(m_served ? m_limits.idleSeconds : m_limits.headerSeconds));
            const auto place = m_idle->sockets.insert(m_idle->sockets.end(), &m_socket);
            m_idle->onAdded();
            const auto [ec] = co_await m_socket.async_wait(Socket::wait_read, asTuple);
            m_idle->sockets.erase(place);
            m_deadline.disarm();
            if (ec)
                co_return Head::Closed;
        }
        m_buffer.reserve(HeadRoom);
        m_deadline.arm(seconds(m_limits.headerSeconds));
        const auto [ec, n] =
            co_await http::async_read_header(m_socket, m_buffer, *m_parser, asTuple);
        m_deadline.disarm();
        if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
            co_return Head::TooLarge;
        if (ec == http::error::end_of_stream || ec == http::error::partial_message)
            co_return Head::Closed;
        if (ec) {
            const bool malformed =
                ec.category() == http::make_error_code(http::error::bad_method).category();
            co_return malformed ? Head::Bad : Head::Closed;
        }
        takeHead();
        m_served = true;
        co_return Head::Ready;
    }

    /// Makes the connection fit for the next request; false = it has to be closed.
    asio::awaitable<bool> settle()
    {
        if (m_answer != Answer::Finished || !m_keepAlive)
            co_return false;
        std::array<char, 4096> waste{};
        const std::span<char> piece(waste);
        while (!m_parser->is_done()) {
            const std::size_t n = co_await readSome(piece);
            if (n == 0)
                break;
        }
        co_return true;
    }

    /// Closing at once while the peer still sends would make its kernel throw our answer away.
    asio::awaitable<void> lingeringClose()
    {
        error_code ec;
        m_socket.shutdown(Socket::shutdown_send, ec);
        if (ec)
            co_return;
        const auto end = std::chrono::steady_clock::now() + seconds(30);
        std::vector<char> waste(64 * 1024);
        const auto room = asio::buffer(waste);
        while (std::chrono::steady_clock::now() < end) {
            m_deadline.arm(seconds(2));
            const auto [error, n] = co_await m_socket.async_read_some(room, asTuple);
            m_deadline.disarm();
            if (error)
                break;
        }
    }

    [[nodiscard]] bool needsLinger() const
    {
        return m_upgraded || (m_parser && !m_parser->is_done());
    }
    void refuseKeepAlive() { m_keepAlive = false; }

    [[nodiscard]] const RequestHead &request() const override { return m_head; }
    [[nodiscard]] bool answered() const override { return m_answer != Answer::None; }
    Socket &socket() override { return m_socket; }

    asio::awaitable<std::size_t> readSome(std::span<char> buffer) override
    {
        if (buffer.empty() || m_parser->is_done())
            co_return 0;
        if (m_expectsContinue) {
            m_expectsContinue = false;
            static constexpr std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
            const auto out = asio::buffer(line);
            co_await send(out);
        }
        if (m_head.contentLength.value_or(BodyRoom) > HeadRoom)
            m_buffer.reserve(BodyRoom);
        while (!m_parser->is_done()) {
            auto &body = m_parser->get().body();
            body.data = buffer.data();
            body.size = buffer.size();
            body.more = true;
            m_deadline.arm(seconds(m_limits.idleSeconds));
            const auto [ec, n] =
                co_await http::async_read_some(m_socket, m_buffer, *m_parser, asTuple);
            m_deadline.disarm();
            if (ec && ec != http::error::need_buffer) {
                m_keepAlive = false;
                throw system_error(ec, "read request body");
            }
            const std::size_t got = buffer.size() - m_parser->get().body().size;
            if (got > 0)
                co_return got;
        }
        co_return 0;
    }

    asio::awaitable<std::optional<std::string>> readAll(std::size_t limit) override
    {
        std::string body;
        if (m_head.contentLength) {
            if (*m_head.contentLength > limit) {
                m_keepAlive = false;
                co_return std::nullopt;
            }
            body.reserve(static_cast<std::size_t>(*m_head.contentLength));
        }
        std::array<char, 16 * 1024> part{};
        const std::span<char> piece(part);
        for (;;) {
            const std::size_t n = co_await readSome(piece);
            if (n == 0)
                break;
            if (body.size() + n > limit) {
                m_keepAlive = false;
                co_return std::nullopt;
            }
            body.append(part.data(), n);
        }
        co_return body;
    }

    asio::awaitable<void> respond(int status, std::string contentType, std::string body,
                                  Headers extra) override
    {
        if (!contentType.empty())
            extra.emplace_back("Content-Type", std::move(contentType));
        const std::string head = startAnswer(status, extra, body.size());
        std::array<asio::const_buffer, 2> out{asio::buffer(head), asio::buffer(body)};
        if (m_bodyless)
            out[1] = {};
        co_await send(out);
        m_answer = Answer::Finished;
    }

    asio::awaitable<void> begin(int status, Headers headers,
                                std::optional<std::uint64_t> length) override
    {
        const std::string head = startAnswer(status, headers, length);
        const auto out = asio::buffer(head);
        co_await send(out);
    }

    asio::awaitable<std::string> upgrade(int status, Headers headers) override
    {
        if (m_answer != Answer::None)
            throw std::logic_error("a request is answered once");
        m_answer = Answer::Finished;
        m_keepAlive = false;
        m_upgraded = true;
        std::string head = statusLine(status);
        for (const auto &[name, value] : headers)
            appendHeader(head, name, value);
        head += "\r\n";
        const auto out = asio::buffer(head);
        co_await send(out);
        const auto unread = m_buffer.data();
        std::string behind(static_cast<const char *>(unread.data()), unread.size());
        m_buffer.clear();
        m_buffer.shrink_to_fit();
        co_return behind;
    }

    asio::awaitable<void> write(std::span<const std::string_view> pieces) override
    {
        std::size_t total = 0;
        for (const std::string_view piece : pieces)
            total += piece.size();
        if (total == 0 || m_bodyless)
            co_return;
        m_out.clear();
        std::array<char, 20> size{};
        if (m_chunked) {
            auto end = std::to_chars(size.data(), size.data() + 16, total, 16).ptr;
            *end++ = '\r';
            *end++ = '\n';
            m_out.emplace_back(size.data(), static_cast<std::size_t>(end - size.data()));
        } else if (m_counted) {
            if (total > m_left)
                throw system_error(make_error_code(boost::system::errc::message_size),
                                   "more body than announced");
            m_left -= total;
        }
        for (const std::string_view piece : pieces)
            m_out.emplace_back(piece.data(), piece.size());
        if (m_chunked)
            m_out.emplace_back("\r\n", 2);
        co_await send(m_out);
    }

    asio::awaitable<void> finish() override
    {
        if (m_answer != Answer::Begun)
            co_return;
        if (m_counted && m_left > 0 && !m_bodyless)
            throw system_error(make_error_code(boost::system::errc::message_size),
                               "less body than announced");
        if (m_chunked && !m_bodyless) {
            static constexpr std::string_view last = "0\r\n\r\n";
            const auto out = asio::buffer(last);
            co_await send(out);
        }
        m_answer = Answer::Finished;
    }

    asio::awaitable<void> peerClosed() override
    {
        const auto [ec] = co_await m_socket.async_wait(Socket::wait_read, asTuple);
        if (ec)
            throw system_error(ec);
        if (!hasUnread(m_socket))
            co_return;
        // The next request is already there, so an end behind it cannot be seen: a writer will
        // notice. Wait until cancelled.
        asio::steady_timer never(m_socket.get_executor(), asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
    }

private:
    enum class Answer { None, Begun, Finished };

    /// Sends everything; gives up on a peer that takes nothing for long. The buffers' owner must
    /// live until the call is over.
    template <typename Buffers> asio::awaitable<void> send(const Buffers &buffers)
    {
        const auto progress = [this](const error_code &ec, std::size_t) -> std::size_t {
            if (ec)
                return 0;
            m_writeDeadline.arm(seconds(m_limits.stallSeconds));
            return BodyRoom;
        };
        const auto [ec, n] = co_await asio::async_write(m_socket, buffers, progress, asTuple);
        m_writeDeadline.disarm();
        if (ec)
            throw system_error(ec, "send");
    }

    static std::string statusLine(int status)
    {
        std::string head;
        head.reserve(256);
        head += "HTTP/1.1 ";
        head += std::to_string(status);
        head += ' ';
        head += std::string_view(
            http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status))));
        head += "\r\n";
        return head;
    }

    void takeHead()
    {
        const auto &message = m_parser->get();
        m_head.method = std::string(message.method_string());
        m_head.target = std::string(message.target());
        std::string_view path = m_head.target;
        // Absolute form (RFC 9112 3.2.2): scheme and authority are not part of the path.
        if (!path.starts_with('/')) {
            const auto scheme = path.find("://");
            if (scheme != std::string_view::npos) {
                const auto slash = path.find('/', scheme + 3);
                path = slash == std::string_view::npos ? "/" : path.substr(slash);
            }
        }
        m_head.path = std::string(path.substr(0, path.find('?')));
        for (const auto &field : message)
            m_head.headers.emplace_back(std::string(field.name_string()),
                                        std::string(field.value()));
        if (const auto length = m_parser->content_length())
            m_head.contentLength = *length;
        else if (!m_parser->chunked())
            m_head.contentLength.reset();
        m_head.keepAlive = m_parser->keep_alive();
        m_keepAlive = m_head.keepAlive;
        m_http10 = message.version() < 11;
        m_isHead = m_head.method == "HEAD";
        m_expectsContinue = !m_http10 && !m_parser->is_done()
                            && equalsNoCase(m_head.header("expect"), "100-continue");
    }

    std::string startAnswer(int status, const Headers &headers, std::optional<std::uint64_t> length)
    {
        if (m_answer != Answer::None)
            throw std::logic_error("a request is answered once");
        m_answer = Answer::Begun;
        const bool neverBody = status == 204 || status == 304 || status < 200;
        m_bodyless = neverBody || m_isHead;
        m_counted = length.has_value();
        m_left = length.value_or(0);
        m_chunked = !m_counted && !neverBody && !m_http10;
        if (!m_counted && !neverBody && m_http10)
            m_keepAlive = false; // the end of the body is the end of the connection
        if (m_parser && m_parser->is_header_done() && !m_parser->is_done()) {
            const auto left = m_parser->content_length_remaining();
            if (m_expectsContinue || !left || *left > DrainLimit)
                m_keepAlive = false;
        }
        std::string head = statusLine(status);
        bool dated = false;
        for (const auto &[name, value] : headers) {
            dated = dated || equalsNoCase(name, "date");
            appendHeader(head, name, value);
        }
        if (!dated)
            appendHeader(head, "Date", httpDate(std::time(nullptr)));
        if (m_counted && !neverBody)
            appendHeader(head, "Content-Length", std::to_string(*length));
        if (m_chunked)
            appendHeader(head, "Transfer-Encoding", "chunked");
        if (!m_keepAlive)
            appendHeader(head, "Connection", "close");
        else if (m_http10)
            appendHeader(head, "Connection", "keep-alive");
        head += "\r\n";
        return head;
    }

    Socket m_socket;
    ServeLimits m_limits;
    Deadline m_deadline;      ///< of reading
    Deadline m_writeDeadline; ///< a body may still come in while the answer goes out
    std::shared_ptr<IdleConnections> m_idle;
    beast::flat_buffer m_buffer;
    std::optional<http::request_parser<http::buffer_body>> m_parser;
    RequestHead m_head;
    std::vector<asio::const_buffer> m_out;
    Answer m_answer = Answer::None;
    std::uint64_t m_left = 0; ///< of an announced length
    bool m_keepAlive = false;
    bool m_served = false;   ///< a whole head has come on this connection
    bool m_upgraded = false; ///< HTTP is over here
    bool m_http10 = false;
    bool m_isHead = false;
    bool m_expectsContinue = false;
    bool m_chunked = false;
    bool m_counted = false;
    bool m_bodyless = false;
};

asio::awaitable<void> runHandler(const Handler &handler, Connection &connection)
{
    std::string failure;
    bool failed = false;
    try {
        co_await handler(connection);
    } catch (const system_error &e) {
        failed = true;
        failure = e.code().message();
    } catch (const std::exception &e) {
        failed = true;
        failure = e.what();
    } catch (...) {
        failed = true;
        failure = "unknown exception";
    }
    if (!failed && !connection.answered()) {
        failed = true;
        failure = "no answer";
    }
    if (!failed)
        co_return;
    connection.refuseKeepAlive();
    if (connection.answered())
        co_return;
    const std::string text = "internal error: " + failure;
    co_await respondError(connection, 500, text);
}

} // namespace

std::string_view RequestHead::header(std::string_view name) const
{
    for (const auto &[key, value] : headers)
        if (equalsNoCase(key, name))
            return value;
    return {};
}

std::vector<std::string> RequestHead::queryAll(std::string_view name) const
{
    std::vector<std::string> found;
    const std::string_view whole = target;
    const auto mark = whole.find('?');
    if (mark == std::string_view::npos)
        return found;
    std::string_view rest = whole.substr(mark + 1);
    while (!rest.empty()) {
        const auto amp = rest.find('&');
        const std::string_view pair = rest.substr(0, amp);
        rest = amp == std::string_view::npos ? std::string_view() : rest.substr(amp + 1);
        const auto equal = pair.find('=');
        const auto key = percentDecode(pair.substr(0, equal), true);
        if (!key || *key != name)
            continue;
        auto value = equal == std::string_view::npos ? std::optional<std::string>(std::string())
                                                     : percentDecode(pair.substr(equal + 1), true);
        if (value)
            found.push_back(std::move(*value));
    }
    return found;
}

std::optional<std::string> RequestHead::query(std::string_view name) const
{
    auto all = queryAll(name);
    if (all.empty())
        return std::nullopt;
    return std::move(all.front());
}

asio::awaitable<void> respondError(Exchange &exchange, int status, std::string_view message,
                                   Headers extra)
{
    std::string body =
        "{\"code\":" + std::to_string(status) + ",\"message\":" + jsonString(message) + "}\n";
    extra.emplace_back("X-Content-Type-Options", "nosniff");
    std::string type = "application/json; charset=utf-8";
    co_await exchange.respond(status, std::move(type), std::move(body), std::move(extra));
}

struct PeerWatch::State {
    Socket *socket = nullptr; ///< null once the watch is gone
    std::function<void()> onClosed;
};

PeerWatch::PeerWatch(Exchange &exchange, std::function<void()> onClosed)
    : m_state(std::make_shared<State>())
{
    m_state->socket = &exchange.socket();
    m_state->onClosed = std::move(onClosed);
    wait(m_state);
}

PeerWatch::~PeerWatch()
{
    error_code ignored;
    if (m_state->socket)
        m_state->socket->cancel(ignored);
    m_state->socket = nullptr;
}

void PeerWatch::wait(const std::shared_ptr<State> &state)
{
    state->socket->async_wait(Socket::wait_read, [state](const error_code &ec) {
        if (ec || !state->socket)
            return;
        if (atEndOfStream(*state->socket)) {
            const auto call = std::move(state->onClosed);
            state->onClosed = nullptr;
            call();
        } else if (!hasUnread(*state->socket)) {
            wait(state);
        }
        // Else the next request is already there: an end behind it shows when we write.
    });
}

namespace {

asio::awaitable<void> serve(Socket socket, Handler handler, ServeLimits limits,
                            std::shared_ptr<IdleConnections> idle)
{
    const int on = 1;
    // Fails on a Unix socket, where there is nothing to switch.
    std::ignore = ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection connection(std::move(socket), limits, std::move(idle));
    try {
        for (;;) {
            const Connection::Head head = co_await connection.readHead();
            if (head == Connection::Head::Closed)
                co_return;
            if (head == Connection::Head::Ready) {
                co_await runHandler(handler, connection);
                const bool more = co_await connection.settle();
                if (more)
                    continue;
            } else {
                connection.refuseKeepAlive();
                const bool large = head == Connection::Head::TooLarge;
                const std::string text = large ? "request head too large" : "malformed request";
                co_await respondError(connection, large ? 431 : 400, text);
            }
            if (connection.needsLinger())
                co_await connection.lingeringClose();
            co_return;
        }
    } catch (const system_error &) {
        // The peer is gone, or our side was cancelled: nobody is left to tell.
    }
}

struct Listener {
    Listener(const asio::any_io_executor &executor, int fd)
        : descriptor(executor, fd)
        , freed(executor, asio::steady_timer::time_point::max())
    {}
    asio::posix::stream_descriptor descriptor;
    asio::steady_timer freed; ///< cancelled when a connection ends or becomes idle
    std::size_t open = 0;
};

} // namespace

asio::awaitable<void> serveConnection(Socket socket, Handler handler, ServeLimits limits)
{
    const auto idle = std::make_shared<IdleConnections>();
    idle->onAdded = [] {};
    auto served = serve(std::move(socket), std::move(handler), limits, idle);
    co_await std::move(served);
}

asio::awaitable<void> serveListener(int listenFd, Handler handler, ServeLimits limits)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto listener = std::make_shared<Listener>(executor, listenFd);
    const auto idle = std::make_shared<IdleConnections>();
    idle->onAdded = [limits, weak = std::weak_ptr(listener)] {
        if (const auto self = weak.lock(); self && self->open >= limits.connections)
            self->freed.cancel();
    };
    asio::steady_timer pause(executor);
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(listenFd, reinterpret_cast<sockaddr *>(&address), &size) != 0)
        throw system_error(errno, boost::system::generic_category(), "getsockname");
    const asio::generic::stream_protocol protocol(address.ss_family,
                                                  address.ss_family == AF_UNIX ? 0 : IPPROTO_TCP);
    for (;;) {
        co_await listener->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                                 asio::use_awaitable);
        if (listener->open >= limits.connections) {
            error_code ignored;
            if (!idle->sockets.empty())
                idle->sockets.front()->cancel(ignored);
            listener->freed.expires_at(asio::steady_timer::time_point::max());
            co_await listener->freed.async_wait(asTuple);
            continue;
        }
        const int fd = ::accept4(listenFd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                // Out of something: a connection that ends will help, spinning will not.
                pause.expires_after(std::chrono::milliseconds(100));
                co_await pause.async_wait(asTuple);
            }
            continue;
        }
        Socket socket(executor);
        error_code ec;
        socket.assign(protocol, fd, ec);
        if (ec) {
            ::close(fd);
            continue;
        }
        ++listener->open;
        auto connection = serve(std::move(socket), handler, limits, idle);
        asio::co_spawn(executor, std::move(connection), [listener](const std::exception_ptr &) {
            --listener->open;
            listener->freed.cancel();
        });
    }
}

} // namespace moru::engine
