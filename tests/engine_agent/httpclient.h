// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/wire/frame.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A deliberately plain HTTP/1.1 client over a Unix socket: it shows what is on the wire. Blocking,
/// with a time limit on every wait; throws std::runtime_error when the limit is over or the peer
/// breaks rules.
class HttpConnection {
public:
    using Headers = std::vector<std::pair<std::string, std::string>>;
    explicit HttpConnection(const std::string &socketPath);
    ~HttpConnection();
    HttpConnection(const HttpConnection &) = delete;
    HttpConnection &operator=(const HttpConnection &) = delete;

    void send(std::string_view bytes);
    void sendRequest(const std::string &method, const std::string &target, const Headers &headers,
                     const std::optional<std::string> &body);
    /// Reads a status line and headers.
    void readHead();
    [[nodiscard]] int status() const { return m_status; }
    [[nodiscard]] std::string header(const std::string &name) const; ///< lower-case name
    [[nodiscard]] bool hasHeader(const std::string &name) const { return m_headers.contains(name); }
    /// The next piece of the body as it comes; empty at its end. `noBody` for answers to HEAD.
    std::string readPiece();
    std::string readBody();
    /// True when the peer closes (and nothing more comes) within the time limit.
    bool closedByPeer();
    void closeWriting();
    void close();
    /// Forgets the answer's head: the connection is used again.
    void setNoBody() { m_bodyDone = true; }

private:
    bool fill(); ///< false at the end of the stream
    std::string readLine();
    std::string m_buffer;
    int m_fd = -1;
    int m_status = 0;
    std::map<std::string, std::string> m_headers;
    bool m_chunked = false;
    bool m_bodyDone = true;
    std::optional<std::size_t> m_left; ///< of the body or of the current chunk
};

struct HttpReply {
    int status = 0;
    std::map<std::string, std::string> headers;
    std::string body;
};

/// Reads Connect frames of a streamed answer.
class FrameReader {
public:
    explicit FrameReader(HttpConnection &connection)
        : m_connection(connection)
    {}
    struct Frame {
        int flags = 0;
        std::string payload;
    };
    /// nullopt when the body has ended.
    std::optional<Frame> next();

private:
    HttpConnection &m_connection;
    moru::wire::FrameDecoder m_decoder;
};

std::string frame(std::string_view payload, int flags = 0);
