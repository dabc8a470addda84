// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"

#include <filesystem>

namespace moru::engine {

/// How a relayed request ended.
enum class RelayResult {
    Done,       ///< the whole answer was passed on
    Refused,    ///< nobody listens on the socket; nothing was answered, the body was not touched
    NoAnswer,   ///< upstream ended or spoke nonsense before its head; nothing was answered
    Truncated,  ///< upstream ended inside its answer; the client's connection will be closed
    ClientGone, ///< the client left; upstream was closed at once
    PortClosed, ///< nobody listens on the port inside; nothing was answered
};

/// Passes one request to the HTTP server behind a Unix socket and its answer back. Bodies of any
/// size flow in both directions piece by piece, each side waiting for the other; every piece is
/// sent on as it arrives. Hop-by-hop headers stay behind. When the client closes, the upstream
/// connection is closed at once, which is how upstream learns that a stream is no longer wanted.
/// With Refused and NoAnswer the caller still has to answer (unless `exchange.answered()`).
asio::awaitable<RelayResult> relay(Exchange &exchange, std::filesystem::path unixSocket);

/// The way to a program that listens on a TCP port inside a sandbox.
struct PortRoute {
    int port = 0;                      ///< 1 to 65535
    std::string agentToken;            ///< what the agent wants to see
    std::string host;                  ///< in the place of the client's Host header; empty = that
    std::vector<std::string> withheld; ///< names of headers that are not for the program
};

/// As relay(), but the agent behind the Unix socket connects on to a port inside, and a request to
/// change the protocol (WebSocket) is passed on: from the answer 101 on all bytes go both ways
/// until one side ends.
asio::awaitable<RelayResult> relayToPort(Exchange &exchange, std::filesystem::path unixSocket,
                                         PortRoute route);

struct SmallReply {
    int status = 0; ///< 0 = no usable answer in time; `error` says why
    Headers headers;
    std::string body;
    std::string error;
};

struct SmallRequest {
    std::string method = "GET";
    std::string target = "/";
    Headers headers;
    std::string body;
    std::size_t maxReplyBytes = 1024 * 1024;
    int seconds = 5; ///< for everything together
};

/// A small call to the HTTP server behind a Unix socket. Never throws for what the other side does.
asio::awaitable<SmallReply> smallRequest(std::filesystem::path unixSocket, SmallRequest request);

} // namespace moru::engine
