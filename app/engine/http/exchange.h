// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moru::engine {

namespace asio = boost::asio;

/// One socket type for TCP and Unix sockets, so that Beast is instantiated once.
using Socket = asio::generic::stream_protocol::socket;

/// A request's head. Header names compare without case.
struct RequestHead {
    std::string method;
    std::string target; ///< as received: path and query
    std::string path;   ///< before '?', not percent-decoded
    std::vector<std::pair<std::string, std::string>> headers;
    std::optional<std::uint64_t> contentLength; ///< empty = chunked or none
    bool keepAlive = true;

    [[nodiscard]] std::string_view header(std::string_view name) const; ///< first match or empty
    /// Decoded query parameter ('+' = space); first match; nullopt if absent.
    [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
    /// All values of a repeated parameter, in order.
    [[nodiscard]] std::vector<std::string> queryAll(std::string_view name) const;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

/// One HTTP/1.1 request and its answer. The body is pulled in pieces, the answer pushed in pieces;
/// neither is held whole. Every awaitable throws boost::system::system_error when the peer is gone.
class Exchange {
public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual const RequestHead &request() const = 0;
    /// The next piece of the body, 0 = end of body.
    virtual asio::awaitable<std::size_t> readSome(std::span<char> buffer) = 0;
    /// The whole body, or nullopt if it is longer than `limit` bytes (the rest is then not read and
    /// the connection closes after the answer).
    virtual asio::awaitable<std::optional<std::string>> readAll(std::size_t limit) = 0;

    /// Whole answer with Content-Length (also for an empty body; none for 204). Allowed once.
    virtual asio::awaitable<void> respond(int status, std::string contentType, std::string body,
                                          Headers extra = {}) = 0;
    /// Streamed answer: known length, or chunked when `length` is empty.
    virtual asio::awaitable<void> begin(int status, Headers headers,
                                        std::optional<std::uint64_t> length) = 0;
    virtual asio::awaitable<void>
    write(std::span<const std::string_view> pieces) = 0; ///< one chunk, flushed
    virtual asio::awaitable<void> finish() = 0;
    /// Switches to another protocol: sends a head that no body follows (101, or 200 to CONNECT).
    /// From then on the socket is the handler's; the connection closes when the handler returns.
    /// Returns what the client had sent behind its request.
    virtual asio::awaitable<std::string> upgrade(int status, Headers headers) = 0;
    /// Returns when the peer has closed its side while we stream. For use beside a writer.
    virtual asio::awaitable<void> peerClosed() = 0;
    [[nodiscard]] virtual bool answered() const = 0; ///< a status line was sent
    virtual Socket &socket() = 0;
};

using Handler = std::function<asio::awaitable<void>(Exchange &)>;

struct ServeLimits {
    std::size_t headerBytes = 64 * 1024;
    int headerSeconds = 30; ///< time to send a head
    int idleSeconds = 640;  ///< keep-alive; also the longest silence inside a body
    int stallSeconds = 640; ///< a peer that takes nothing of what is sent to it for so long is gone
    /// When more want in, the connection that has been idle for longest gives way.
    std::size_t connections = 4096;
};

/// Calls `onClosed` once, from the event loop, when the peer closes its side; nothing after the
/// watch is destroyed. To be made when the request's body has been read, and destroyed before the
/// exchange's answer ends. For one-threaded event loops, like everything here.
class PeerWatch {
public:
    PeerWatch(Exchange &exchange, std::function<void()> onClosed);
    ~PeerWatch();
    PeerWatch(const PeerWatch &) = delete;
    PeerWatch &operator=(const PeerWatch &) = delete;

private:
    struct State;
    static void wait(const std::shared_ptr<State> &state);
    std::shared_ptr<State> m_state;
};

/// Accepts connections on a listening descriptor (owned from now on) and serves each one, at most
/// `limits.connections` at a time; the others wait in the kernel's queue until one ends or, being
/// idle, is closed for them. Ends by cancellation or when the context stops. Accepted sockets are
/// close-on-exec.
asio::awaitable<void> serveListener(int listenFd, Handler handler, ServeLimits limits);

/// Answers requests of one connection until it ends. A handler that throws before answering gives
/// 500 with a JSON error body; one that throws later closes the connection.
asio::awaitable<void> serveConnection(Socket socket, Handler handler, ServeLimits limits);

/// `{"code":status,"message":message}` plus newline, application/json.
asio::awaitable<void> respondError(Exchange &exchange, int status, std::string_view message,
                                   Headers extra = {});

/// Percent-decoding of RFC 3986; '+' stays unless `form`. nullopt on a bad escape.
std::optional<std::string> percentDecode(std::string_view text, bool form);

/// Signature of a /files URL (envd): "v1_" + unpadded base64 of
/// SHA-256("path:operation:user:token[:expiry]").
std::string fileSignature(std::string_view path, std::string_view operation, std::string_view user,
                          std::string_view token, std::optional<std::int64_t> expiry);
/// Equal strings, in time that depends on the lengths only.
bool equalSecrets(std::string_view a, std::string_view b);
std::string sha256(std::string_view bytes);                   ///< 32 raw bytes
std::string base64(std::string_view bytes);                   ///< standard alphabet, padded
std::optional<std::string> fromBase64(std::string_view text); ///< padded or not
std::string hex(std::string_view bytes);
std::string randomBytes(std::size_t count); ///< from the kernel; throws if it cannot

} // namespace moru::engine
