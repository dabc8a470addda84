// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/connect.h"

#include "app/engine/http/text.h"
#include "app/wire/frame.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace moru::engine {

namespace {

struct CodeInfo {
    std::string_view name;
    int status;
};

constexpr std::array<CodeInfo, 17> Codes{{
    {"", 200},
    {"canceled", 499},
    {"unknown", 500},
    {"invalid_argument", 400},
    {"deadline_exceeded", 504},
    {"not_found", 404},
    {"already_exists", 409},
    {"permission_denied", 403},
    {"resource_exhausted", 429},
    {"failed_precondition", 400},
    {"aborted", 409},
    {"out_of_range", 400},
    {"unimplemented", 501},
    {"internal", 500},
    {"unavailable", 503},
    {"data_loss", 500},
    {"unauthenticated", 401},
}};

/// A JSON type with a charset other than UTF-8 is refused, as the protocol has no other.
std::optional<Codec> codecOf(std::string_view contentType, std::string_view json,
                             std::string_view proto)
{
    const auto semicolon = contentType.find(';');
    const std::string_view type = trimmed(contentType.substr(0, semicolon));
    const std::string parameters = semicolon == std::string_view::npos
                                       ? std::string()
                                       : toLower(trimmed(contentType.substr(semicolon + 1)));
    if (equalsNoCase(type, proto))
        return Codec::Proto;
    if (!equalsNoCase(type, json))
        return std::nullopt;
    if (parameters.empty() || parameters == "charset=utf-8" || parameters == "charset=utf8"
        || parameters == "charset=\"utf-8\"")
        return Codec::Json;
    return std::nullopt;
}

/// Digits with an optional fraction, at most ten before the point.
std::optional<std::chrono::milliseconds> parseTimeout(std::string_view text)
{
    const auto point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    const auto number = parseNumber(whole);
    if (!number || whole.size() > 10)
        return std::nullopt;
    std::uint64_t value = *number;
    if (point != std::string_view::npos) {
        const std::string_view fraction = text.substr(point + 1);
        const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
        if (!std::all_of(fraction.begin(), fraction.end(), isDigit))
            return std::nullopt;
        if (!fraction.empty() && fraction.front() >= '5')
            ++value;
        // "0.3" asks for a limit; rounding it to "no limit" would be the opposite.
        const bool any = fraction.find_first_not_of('0') != std::string_view::npos;
        if (value == 0 && any)
            value = 1;
    }
    return std::chrono::milliseconds(value);
}

} // namespace

std::string_view nameOf(RpcCode code)
{
    return Codes.at(static_cast<std::size_t>(code)).name;
}

int httpStatusOf(RpcCode code)
{
    return Codes.at(static_cast<std::size_t>(code)).status;
}

std::string toJson(const RpcError &error)
{
    return "{\"code\":\"" + std::string(nameOf(error.code))
           + "\",\"message\":" + jsonString(error.what()) + '}';
}

std::optional<Codec> unaryCodec(std::string_view contentType)
{
    return codecOf(contentType, "application/json", "application/proto");
}

std::optional<Codec> streamCodec(std::string_view contentType)
{
    return codecOf(contentType, "application/connect+json", "application/connect+proto");
}

void decode(Codec codec, std::string_view bytes, google::protobuf::Message &message)
{
    message.Clear();
    if (codec == Codec::Proto) {
        if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
            throw RpcError(RpcCode::InvalidArgument, "malformed message");
        return;
    }
    if (trimmed(bytes).empty())
        return;
    // The library takes broken UTF-8 in strings without a word.
    if (!isUtf8(bytes))
        throw RpcError(RpcCode::InvalidArgument, "malformed message: not UTF-8");
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    const google::protobuf::StringPiece text(bytes.data(), bytes.size());
    const auto status = google::protobuf::util::JsonStringToMessage(text, &message, options);
    if (!status.ok())
        throw RpcError(RpcCode::InvalidArgument,
                       "malformed message: " + std::string(status.message()));
}

std::string encode(Codec codec, const google::protobuf::Message &message)
{
    std::string out;
    if (codec == Codec::Proto) {
        message.SerializeToString(&out);
        return out;
    }
    const auto status = google::protobuf::util::MessageToJsonString(message, &out);
    if (!status.ok())
        throw RpcError(RpcCode::Internal, "cannot write message: " + std::string(status.message()));
    return out;
}

void decodeSingleFrame(Codec codec, std::string_view body, google::protobuf::Message &message)
{
    wire::FrameDecoder decoder(body.size());
    decoder.feed(body);
    wire::FrameDecoder::Frame frame;
    if (decoder.next(frame) != wire::FrameDecoder::Status::Ready)
        throw RpcError(RpcCode::InvalidArgument, "incomplete message frame");
    if (frame.isCompressed())
        throw RpcError(RpcCode::Internal, "compressed frame without a negotiated compression");
    if (frame.isEndOfStream())
        throw RpcError(RpcCode::InvalidArgument, "missing request message");
    decode(codec, frame.payload, message);
    if (decoder.hasPartialFrame())
        throw RpcError(RpcCode::Unimplemented, "more than one request message");
}

CallTimes callTimes(const RequestHead &head)
{
    CallTimes times;
    const std::string_view timeout = trimmed(head.header("connect-timeout-ms"));
    if (!timeout.empty()) {
        const auto limit = parseTimeout(timeout);
        if (!limit)
            throw RpcError(RpcCode::InvalidArgument, "bad Connect-Timeout-Ms");
        if (limit->count() > 0)
            times.deadline = Clock::now() + *limit;
    }
    const auto interval = parseNumber(trimmed(head.header("keepalive-ping-interval")));
    if (interval && *interval > 0 && *interval <= 86400)
        times.keepalive = std::chrono::seconds(*interval);
    return times;
}

void refuseCompression(const RequestHead &head, std::string_view headerName)
{
    const std::string_view coding = trimmed(head.header(headerName));
    if (!coding.empty() && !equalsNoCase(coding, "identity"))
        throw RpcError(RpcCode::Unimplemented,
                       "unknown compression \"" + std::string(coding) + '"');
}

asio::awaitable<void> ServerStream::begin()
{
    Headers headers{{"Content-Type", m_codec == Codec::Json ? "application/connect+json"
                                                            : "application/connect+proto"}};
    co_await m_exchange.begin(200, std::move(headers), std::nullopt);
}

asio::awaitable<void> ServerStream::send(std::vector<std::string_view> payloads)
{
    std::vector<std::array<unsigned char, wire::FrameHeaderSize>> heads(payloads.size());
    std::vector<std::string_view> pieces;
    pieces.reserve(2 * payloads.size());
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        unsigned char head[wire::FrameHeaderSize];
        wire::writeFrameHeader(head, 0, static_cast<std::uint32_t>(payloads[i].size()));
        std::copy(std::begin(head), std::end(head), heads[i].begin());
        pieces.emplace_back(reinterpret_cast<const char *>(heads[i].data()), heads[i].size());
        pieces.push_back(payloads[i]);
    }
    const std::span<const std::string_view> all(pieces);
    co_await m_exchange.write(all);
}

asio::awaitable<void> ServerStream::endWith(std::string payload)
{
    std::string frame;
    wire::appendFrame(frame, wire::FrameEndOfStream, payload);
    const std::array<std::string_view, 1> piece{frame};
    const std::span<const std::string_view> all(piece);
    co_await m_exchange.write(all);
    co_await m_exchange.finish();
}

asio::awaitable<void> ServerStream::end()
{
    std::string payload = "{}";
    co_await endWith(std::move(payload));
}

asio::awaitable<void> ServerStream::end(RpcError error)
{
    std::string payload = "{\"error\":" + toJson(error) + '}';
    co_await endWith(std::move(payload));
}

} // namespace moru::engine
