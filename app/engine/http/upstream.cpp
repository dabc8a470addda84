// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/http/upstream.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

namespace moru::engine {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using boost::system::system_error;

namespace {

constexpr std::size_t SmallBody = 64 * 1024; ///< sent before the answer is looked at
constexpr std::size_t FirstPiece = 16 * 1024;
constexpr std::size_t LargestPiece = 64 * 1024; ///< Beast reads no more at once
/// Beast reads as much as the buffer has room for, and 512 bytes if it has none.
constexpr std::size_t AnswerHeadRoom = 16 * 1024;
constexpr int InterimLimit = 8; ///< 1xx answers we put up with
/// The agent tries a port for about a second.
constexpr std::chrono::seconds PortPatience{15};

using ResponseParser = http::response_parser<http::buffer_body>;

asio::awaitable<error_code> connectTo(Socket &socket, std::filesystem::path path)
{
    // sun_path holds 107 characters; a longer path is reached through its opened directory.
    std::string name = path.string();
    std::optional<FileDescriptor> directory;
    if (name.size() >= sizeof(sockaddr_un::sun_path)) {
        directory.emplace(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (directory->get() < 0)
            co_return error_code(errno, boost::system::system_category());
        name = "/proc/self/fd/" + std::to_string(directory->get()) + "/" + path.filename().string();
        if (name.size() >= sizeof(sockaddr_un::sun_path))
            co_return make_error_code(boost::system::errc::filename_too_long);
    }
    const asio::local::stream_protocol::endpoint local(name);
    const asio::generic::stream_protocol::endpoint endpoint(local);
    asio::steady_timer pause(socket.get_executor());
    // A full queue of a Unix listener answers EAGAIN at once instead of letting us wait.
    for (int attempt = 0; attempt < 50; ++attempt) {
        const auto [ec] = co_await socket.async_connect(endpoint, asTuple);
        if (ec != boost::system::errc::resource_unavailable_try_again)
            co_return ec;
        error_code ignored;
        socket.close(ignored);
        pause.expires_after(std::chrono::milliseconds(20));
        co_await pause.async_wait(asTuple);
    }
    co_return make_error_code(boost::system::errc::timed_out);
}

/// Names that concern one connection only, beside those that `Connection` lists.
bool isHopByHop(std::string_view name, const std::vector<std::string_view> &listed)
{
    static constexpr std::array<std::string_view, 9> fixed{"connection",
                                                           "keep-alive",
                                                           "proxy-authenticate",
                                                           "proxy-authorization",
                                                           "proxy-connection",
                                                           "te",
                                                           "trailer",
                                                           "transfer-encoding",
                                                           "upgrade"};
    const auto same = [&](std::string_view other) { return equalsNoCase(name, other); };
    return std::any_of(fixed.begin(), fixed.end(), same)
           || std::any_of(listed.begin(), listed.end(), same);
}

void listTokens(std::string_view value, std::vector<std::string_view> &tokens)
{
    while (!value.empty()) {
        const auto comma = value.find(',');
        const auto token = trimmed(value.substr(0, comma));
        if (!token.empty())
            tokens.push_back(token);
        value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    }
}

/// The protocol that a request without a body asks to change to; empty if it does not. HTTP/2 is
/// refused to proxies (RFC 9113 3.1).
std::string_view upgradeOf(const RequestHead &request)
{
    std::vector<std::string_view> listed;
    for (const auto &[name, value] : request.headers)
        if (equalsNoCase(name, "connection"))
            listTokens(value, listed);
    const bool asked = std::any_of(listed.begin(), listed.end(), [](std::string_view token) {
        return equalsNoCase(token, "upgrade");
    });
    const std::string_view protocol = trimmed(request.header("upgrade"));
    const bool bodyless =
        request.contentLength.value_or(0) == 0 && request.header("transfer-encoding").empty();
    if (!asked || !bodyless || request.method != "GET" || equalsNoCase(protocol, "h2c"))
        return {};
    return protocol;
}

std::string requestHead(const RequestHead &request, bool chunked, const PortRoute *route)
{
    std::vector<std::string_view> listed;
    for (const auto &[name, value] : request.headers)
        if (equalsNoCase(name, "connection"))
            listTokens(value, listed);
    std::string head = request.method + ' ' + request.target + " HTTP/1.1\r\n";
    for (const auto &[name, value] : request.headers) {
        // We answer "Expect" ourselves by reading the body, and set the length ourselves.
        if (isHopByHop(name, listed) || equalsNoCase(name, "expect")
            || equalsNoCase(name, "content-length"))
            continue;
        const auto isThis = [&name = name](const std::string &other) {
            return equalsNoCase(name, other);
        };
        if (route && std::any_of(route->withheld.begin(), route->withheld.end(), isThis))
            continue;
        const bool masked = route && !route->host.empty() && equalsNoCase(name, "host");
        appendHeader(head, name, masked ? std::string_view(route->host) : value);
    }
    if (request.contentLength)
        appendHeader(head, "Content-Length", std::to_string(*request.contentLength));
    else if (chunked)
        appendHeader(head, "Transfer-Encoding", "chunked");
    const std::string_view protocol = route ? upgradeOf(request) : std::string_view();
    if (protocol.empty()) {
        appendHeader(head, "Connection", "close");
    } else {
        appendHeader(head, "Connection", "Upgrade");
        appendHeader(head, "Upgrade", protocol);
    }
    head += "\r\n";
    return head;
}

Headers responseHeaders(const ResponseParser &parser)
{
    std::vector<std::string_view> listed;
    for (const auto &field : parser.get())
        if (field.name() == http::field::connection)
            listTokens(std::string_view(field.value()), listed);
    Headers headers;
    for (const auto &field : parser.get()) {
        const std::string_view name = field.name_string();
        if (!isHopByHop(name, listed) && field.name() != http::field::content_length)
            headers.emplace_back(std::string(name), std::string(field.value()));
    }
    return headers;
}

asio::awaitable<error_code> readResponseHead(Socket &socket, beast::flat_buffer &buffer,
                                             std::optional<ResponseParser> &parser,
                                             bool headRequest, bool mayUpgrade)
{
    for (int interim = 0; interim < InterimLimit; ++interim) {
        parser.emplace();
        parser->header_limit(64 * 1024);
        parser->body_limit(boost::none);
        parser->skip(headRequest);
        buffer.reserve(AnswerHeadRoom);
        const auto [ec, n] = co_await http::async_read_header(socket, buffer, *parser, asTuple);
        if (ec)
            co_return ec;
        const unsigned status = parser->get().result_int();
        if (status >= 200 && status <= 599)
            co_return error_code();
        if (status == 101 && mayUpgrade)
            co_return error_code();
        if (status < 100 || status == 101 || status > 599)
            break;
    }
    co_return http::make_error_code(http::error::bad_status);
}

/// 0 = end of the body.
asio::awaitable<std::size_t> readResponsePiece(Socket &socket, beast::flat_buffer &buffer,
                                               ResponseParser &parser, std::span<char> piece)
{
    while (!parser.is_done()) {
        auto &body = parser.get().body();
        body.data = piece.data();
        body.size = piece.size();
        body.more = true;
        const auto [ec, n] = co_await http::async_read_some(socket, buffer, parser, asTuple);
        const std::size_t got = piece.size() - parser.get().body().size;
        if (got > 0)
            co_return got;
        if (ec && ec != http::error::need_buffer)
            throw system_error(ec);
    }
    co_return 0;
}

/// What the two directions of a relay tell one another.
struct RelayState {
    RelayState(const asio::any_io_executor &executor)
        : upstream(executor)
        , uploadDone(executor, asio::steady_timer::time_point::max())
    {}
    void closeUpstream()
    {
        error_code ignored;
        upstream.close(ignored);
    }
    Socket upstream;
    beast::flat_buffer buffer; ///< what has come from upstream and was not used yet
    bool mayUpgrade = false;
    std::optional<Headers> upgraded; ///< upstream's answer to the wish for another protocol
    asio::steady_timer uploadDone;   ///< cancelled when the uploading half has ended
    bool uploading = false;
    bool clientGone = false;
    bool finished = false; ///< the answer is complete: the rest of the body is of no interest
};

asio::awaitable<void> upload(Exchange &exchange, std::shared_ptr<RelayState> state, bool chunked)
{
    std::vector<char> buffer(LargestPiece);
    const std::span<char> room(buffer);
    for (;;) {
        std::size_t n = 0;
        try {
            n = co_await exchange.readSome(room);
        } catch (const system_error &) {
            if (!state->finished) {
                state->clientGone = true;
                state->closeUpstream();
            }
            co_return;
        }
        std::array<char, 20> size{};
        std::array<asio::const_buffer, 3> out{};
        if (chunked) {
            char *end = std::to_chars(size.data(), size.data() + 16, n, 16).ptr;
            *end++ = '\r';
            *end++ = '\n';
            out[0] = asio::buffer(size.data(), static_cast<std::size_t>(end - size.data()));
            out[2] = asio::buffer("\r\n", 2);
        }
        out[1] = asio::buffer(buffer.data(), n);
        if (n > 0 || chunked) {
            const auto [ec, written] = co_await asio::async_write(state->upstream, out, asTuple);
            // Upstream may answer and close without reading everything; the answer decides.
            if (ec)
                co_return;
        }
        if (n == 0)
            co_return;
    }
}

asio::awaitable<RelayResult> download(Exchange &exchange, std::shared_ptr<RelayState> state)
{
    beast::flat_buffer &buffer = state->buffer;
    std::optional<ResponseParser> parser;
    const bool headRequest = exchange.request().method == "HEAD";
    const error_code ec =
        co_await readResponseHead(state->upstream, buffer, parser, headRequest, state->mayUpgrade);
    if (ec)
        co_return state->clientGone ? RelayResult::ClientGone : RelayResult::NoAnswer;
    const int status = static_cast<int>(parser->get().result_int());
    Headers headers = responseHeaders(*parser);
    if (status == 101) {
        headers.emplace_back("Connection", "Upgrade");
        headers.emplace_back("Upgrade", std::string(parser->get()[http::field::upgrade]));
        state->upgraded = std::move(headers);
        co_return RelayResult::Done;
    }
    std::optional<std::uint64_t> length;
    if (const auto announced = parser->content_length())
        length = *announced;
    try {
        co_await exchange.begin(status, std::move(headers), length);
    } catch (const system_error &) {
        co_return RelayResult::ClientGone;
    }
    std::vector<char> room(FirstPiece);
    for (;;) {
        std::size_t n = 0;
        const std::span<char> piece(room);
        try {
            n = co_await readResponsePiece(state->upstream, buffer, *parser, piece);
        } catch (const system_error &) {
            co_return state->clientGone ? RelayResult::ClientGone : RelayResult::Truncated;
        }
        try {
            if (n == 0) {
                co_await exchange.finish();
                co_return RelayResult::Done;
            }
            const std::array<std::string_view, 1> out{std::string_view(room.data(), n)};
            const std::span<const std::string_view> pieces(out);
            co_await exchange.write(pieces);
        } catch (const system_error &) {
            co_return RelayResult::ClientGone;
        }
        // A stream that half fills the room is a transfer; an idle one keeps the small buffer.
        if (n >= FirstPiece / 2 && room.size() < LargestPiece) {
            room.resize(LargestPiece);
            buffer.reserve(LargestPiece);
        }
    }
}

/// Asks the agent for a connection to a port inside. Nullopt = it stands.
asio::awaitable<std::optional<RelayResult>> openPort(std::shared_ptr<RelayState> state,
                                                     PortRoute route)
{
    std::string head = "CONNECT 127.0.0.1:" + std::to_string(route.port) + " HTTP/1.1\r\n";
    appendHeader(head, "Host", "127.0.0.1:" + std::to_string(route.port));
    appendHeader(head, "X-Access-Token", route.agentToken);
    head += "\r\n";
    asio::steady_timer limit(state->upstream.get_executor());
    limit.expires_after(PortPatience);
    limit.async_wait([state](const error_code &ec) {
        if (!ec)
            state->closeUpstream();
    });
    const auto out = asio::buffer(head);
    const auto [writeError, written] = co_await asio::async_write(state->upstream, out, asTuple);
    if (writeError)
        co_return RelayResult::NoAnswer;
    ResponseParser parser;
    parser.header_limit(8 * 1024);
    parser.skip(true); // what follows the head belongs to the program inside
    state->buffer.reserve(AnswerHeadRoom);
    const auto [ec, n] =
        co_await http::async_read_header(state->upstream, state->buffer, parser, asTuple);
    limit.cancel();
    if (ec)
        co_return RelayResult::NoAnswer;
    const unsigned status = parser.get().result_int();
    if (status == 200)
        co_return std::nullopt;
    co_return status == 502 ? RelayResult::PortClosed : RelayResult::NoAnswer;
}

/// Passes bytes on until `from` ends or `to` takes no more.
asio::awaitable<void> pump(Socket &from, Socket &to)
{
    std::vector<char> room(FirstPiece);
    const auto space = asio::buffer(room);
    for (;;) {
        const auto [readError, n] = co_await from.async_read_some(space, asTuple);
        if (readError)
            co_return;
        const auto piece = asio::buffer(room.data(), n);
        const auto [writeError, written] = co_await asio::async_write(to, piece, asTuple);
        if (writeError)
            co_return;
    }
}

/// The rest of a connection that has changed its protocol. Whoever ends it ends both directions;
/// what it sent before has been passed on then.
asio::awaitable<void> tunnel(Exchange &exchange, std::shared_ptr<RelayState> state)
{
    const auto executor = co_await asio::this_coro::executor;
    Headers headers = *std::exchange(state->upgraded, std::nullopt);
    const std::string early = co_await exchange.upgrade(101, std::move(headers));
    Socket &client = exchange.socket();
    const auto behind = asio::buffer(early);
    const auto [toUpstream, sent] = co_await asio::async_write(state->upstream, behind, asTuple);
    const auto ahead = state->buffer.data();
    const auto [toClient, passed] = co_await asio::async_write(client, ahead, asTuple);
    if (toUpstream || toClient)
        co_return;
    state->buffer.clear();
    state->uploading = true;
    auto inward = pump(client, state->upstream);
    asio::co_spawn(executor, std::move(inward), [state](const std::exception_ptr &) {
        state->uploading = false;
        state->uploadDone.cancel();
        state->closeUpstream();
    });
    auto outward = pump(state->upstream, client);
    co_await std::move(outward);
    // relay() ends the other direction, which uses the exchange.
}

asio::awaitable<RelayResult> relayTo(Exchange &exchange, std::filesystem::path unixSocket,
                                     std::optional<PortRoute> route)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto state = std::make_shared<RelayState>(executor);
    const error_code refused = co_await connectTo(state->upstream, std::move(unixSocket));
    if (refused)
        co_return RelayResult::Refused;
    if (route) {
        PortRoute wanted = *route;
        const auto problem = co_await openPort(state, std::move(wanted));
        if (problem)
            co_return *problem;
    }

    const RequestHead &request = exchange.request();
    const bool chunked = !request.contentLength && !request.header("transfer-encoding").empty();
    const std::string head = requestHead(request, chunked, route ? &*route : nullptr);
    state->mayUpgrade = route && !upgradeOf(request).empty();
    const bool small = !chunked && request.contentLength.value_or(0) <= SmallBody;
    std::string body;
    if (small) {
        try {
            auto whole = co_await exchange.readAll(SmallBody);
            body = std::move(whole).value_or(std::string());
        } catch (const system_error &) {
            co_return RelayResult::ClientGone;
        }
    }
    const std::array<asio::const_buffer, 2> out{asio::buffer(head), asio::buffer(body)};
    const auto [writeError, written] = co_await asio::async_write(state->upstream, out, asTuple);
    if (writeError)
        co_return RelayResult::NoAnswer;

    std::optional<PeerWatch> watch;
    const auto onClientGone = [state = state.get()] {
        state->clientGone = true;
        state->closeUpstream();
    };
    const auto watchClient = [&] { watch.emplace(exchange, onClientGone); };
    if (small) {
        watchClient();
    } else {
        state->uploading = true;
        auto uploader = upload(exchange, state, chunked);
        asio::co_spawn(executor, std::move(uploader), [&, state](const std::exception_ptr &) {
            state->uploading = false;
            state->uploadDone.cancel();
            // The body is through: from now on only the end of the connection can come.
            if (!state->finished && !state->clientGone)
                watchClient();
        });
    }
    auto downloader = download(exchange, state);
    RelayResult result = RelayResult::NoAnswer;
    std::exception_ptr failure;
    try {
        result = co_await std::move(downloader);
        if (state->upgraded) {
            watch.reset();
            auto passing = tunnel(exchange, state);
            co_await std::move(passing);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    state->finished = true;
    watch.reset();
    state->closeUpstream();
    if (state->uploading) {
        // The uploader uses the exchange: it has to end before this function does.
        error_code ignored;
        exchange.socket().cancel(ignored);
        while (state->uploading)
            co_await state->uploadDone.async_wait(asTuple);
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return result;
}

} // namespace

asio::awaitable<RelayResult> relay(Exchange &exchange, std::filesystem::path unixSocket)
{
    return relayTo(exchange, std::move(unixSocket), std::nullopt);
}

asio::awaitable<RelayResult> relayToPort(Exchange &exchange, std::filesystem::path unixSocket,
                                         PortRoute route)
{
    return relayTo(exchange, std::move(unixSocket), std::move(route));
}

namespace {

asio::awaitable<void> exchangeSmall(std::shared_ptr<Socket> socket, std::filesystem::path path,
                                    SmallRequest request, std::shared_ptr<SmallReply> reply)
{
    const error_code refused = co_await connectTo(*socket, std::move(path));
    if (refused) {
        reply->error = "connect: " + refused.message();
        co_return;
    }
    std::string head = request.method + ' ' + request.target + " HTTP/1.1\r\n";
    bool hosted = false;
    for (const auto &[name, value] : request.headers) {
        hosted = hosted || equalsNoCase(name, "host");
        appendHeader(head, name, value);
    }
    if (!hosted)
        appendHeader(head, "Host", "localhost");
    if (!request.body.empty() || request.method != "GET")
        appendHeader(head, "Content-Length", std::to_string(request.body.size()));
    appendHeader(head, "Connection", "close");
    head += "\r\n";
    const std::array<asio::const_buffer, 2> out{asio::buffer(head), asio::buffer(request.body)};
    const auto [writeError, written] = co_await asio::async_write(*socket, out, asTuple);
    if (writeError) {
        reply->error = "send: " + writeError.message();
        co_return;
    }
    beast::flat_buffer buffer;
    std::optional<ResponseParser> parser;
    const bool headRequest = request.method == "HEAD";
    const error_code ec = co_await readResponseHead(*socket, buffer, parser, headRequest, false);
    if (ec) {
        reply->error = "read answer: " + ec.message();
        co_return;
    }
    const int status = static_cast<int>(parser->get().result_int());
    Headers headers = responseHeaders(*parser);
    std::vector<char> room(FirstPiece);
    const std::span<char> piece(room);
    std::string body;
    for (;;) {
        const std::size_t n = co_await readResponsePiece(*socket, buffer, *parser, piece);
        if (n == 0)
            break;
        if (body.size() + n > request.maxReplyBytes) {
            reply->error = "answer too large";
            co_return;
        }
        body.append(room.data(), n);
    }
    reply->status = status;
    reply->headers = std::move(headers);
    reply->body = std::move(body);
}

} // namespace

asio::awaitable<SmallReply> smallRequest(std::filesystem::path unixSocket, SmallRequest request)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto socket = std::make_shared<Socket>(executor);
    const auto reply = std::make_shared<SmallReply>();
    const auto timedOut = std::make_shared<bool>(false);
    asio::steady_timer limit(executor);
    limit.expires_after(std::chrono::seconds(request.seconds));
    limit.async_wait([socket, timedOut](const error_code &ec) {
        if (ec)
            return;
        *timedOut = true;
        error_code ignored;
        socket->close(ignored);
    });
    auto call = exchangeSmall(socket, std::move(unixSocket), std::move(request), reply);
    try {
        co_await std::move(call);
    } catch (const system_error &e) {
        reply->error = "read answer: " + e.code().message();
    }
    limit.cancel();
    if (*timedOut && reply->status == 0)
        reply->error = "no answer in time";
    co_return std::move(*reply);
}

} // namespace moru::engine
