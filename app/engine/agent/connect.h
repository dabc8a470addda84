// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"

#include <google/protobuf/message.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace moru::engine {

/// Error codes of the Connect protocol, by their numbers.
enum class RpcCode {
    Canceled = 1,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
};

struct RpcError : std::runtime_error {
    RpcError(RpcCode errorCode, const std::string &message)
        : std::runtime_error(message)
        , code(errorCode)
    {}
    RpcCode code;
};

[[nodiscard]] std::string_view nameOf(RpcCode code); ///< "not_found"
[[nodiscard]] int httpStatusOf(RpcCode code);
/// {"code":"not_found","message":"..."}
[[nodiscard]] std::string toJson(const RpcError &error);

enum class Codec { Json, Proto };

/// From a Content-Type value; nullopt = not a type of this kind of call (answer 415).
[[nodiscard]] std::optional<Codec> unaryCodec(std::string_view contentType);
[[nodiscard]] std::optional<Codec> streamCodec(std::string_view contentType);

/// Throws RpcError invalid_argument. An empty JSON text counts as {}; unknown JSON members are
/// ignored.
void decode(Codec codec, std::string_view bytes, google::protobuf::Message &message);
[[nodiscard]] std::string encode(Codec codec, const google::protobuf::Message &message);
/// The one message in the body of a server-streaming request.
void decodeSingleFrame(Codec codec, std::string_view body, google::protobuf::Message &message);

using Clock = std::chrono::steady_clock;

struct CallTimes {
    std::optional<Clock::time_point> deadline;
    std::chrono::seconds keepalive{90};
};

/// From Connect-Timeout-Ms and Keepalive-Ping-Interval. Throws RpcError for a bad timeout.
[[nodiscard]] CallTimes callTimes(const RequestHead &head);

/// Throws RpcError unimplemented for a compressed body.
void refuseCompression(const RequestHead &head, std::string_view headerName);

/// The answering side of a stream: HTTP 200, frames, one end frame.
class ServerStream {
public:
    ServerStream(Exchange &exchange, Codec codec)
        : m_exchange(exchange)
        , m_codec(codec)
    {}
    [[nodiscard]] Codec codec() const { return m_codec; }

    asio::awaitable<void> begin();
    /// Several messages as one piece on the wire, each a frame of its own. The payloads must live
    /// until the call is over.
    asio::awaitable<void> send(std::vector<std::string_view> payloads);
    asio::awaitable<void> end();
    asio::awaitable<void> end(RpcError error);

private:
    asio::awaitable<void> endWith(std::string payload);
    Exchange &m_exchange;
    Codec m_codec;
};

} // namespace moru::engine
