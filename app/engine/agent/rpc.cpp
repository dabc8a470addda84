// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/paths.h"
#include "app/engine/agent/service.h"

#include "app/engine/http/text.h"

#include <system_error>

namespace moru::engine {

namespace {

/// A message with a large input in base64 fits; more is not sent in one call.
constexpr std::size_t LargestMessage = 64 * 1024 * 1024;

/// Turns whatever a method threw into the error of its call. A peer that is gone is no such error.
std::optional<RpcError> errorOf(const std::exception_ptr &failure)
{
    try {
        std::rethrow_exception(failure);
    } catch (const RpcError &e) {
        return e;
    } catch (const BadPath &e) {
        return RpcError(RpcCode::InvalidArgument, e.what());
    } catch (const boost::system::system_error &) {
        return std::nullopt;
    } catch (const std::bad_alloc &) {
        return RpcError(RpcCode::ResourceExhausted, "out of memory");
    } catch (const std::exception &e) {
        return RpcError(RpcCode::Internal, e.what());
    }
}

} // namespace

bool Service::isStreamPath(std::string_view path)
{
    return path == "/process.Process/Start" || path == "/process.Process/Connect"
           || path == "/process.Process/StreamInput" || path == "/filesystem.Filesystem/WatchDir";
}

asio::awaitable<bool> Service::callRpc(Exchange &exchange, Account user)
{
    const std::string &path = exchange.request().path;
    if (path == "/process.Process/Start")
        co_await stream<process::StartRequest>(exchange, std::move(user), &Service::start);
    else if (path == "/process.Process/Connect")
        co_await stream<process::ConnectRequest>(exchange, std::move(user), &Service::connect);
    else if (path == "/process.Process/List")
        co_await unary(exchange, std::move(user), &Service::list);
    else if (path == "/process.Process/Update")
        co_await unary(exchange, std::move(user), &Service::update);
    else if (path == "/process.Process/SendInput")
        co_await unary(exchange, std::move(user), &Service::sendInput);
    else if (path == "/process.Process/StreamInput")
        co_await streamInput(exchange, std::move(user));
    else if (path == "/process.Process/SendSignal")
        co_await unary(exchange, std::move(user), &Service::sendSignal);
    else if (path == "/filesystem.Filesystem/Stat")
        co_await unary(exchange, std::move(user), &Service::stat);
    else if (path == "/filesystem.Filesystem/ListDir")
        co_await unary(exchange, std::move(user), &Service::listDir);
    else if (path == "/filesystem.Filesystem/MakeDir")
        co_await unary(exchange, std::move(user), &Service::makeDir);
    else if (path == "/filesystem.Filesystem/Move")
        co_await unary(exchange, std::move(user), &Service::move);
    else if (path == "/filesystem.Filesystem/Remove")
        co_await unary(exchange, std::move(user), &Service::remove);
    else if (path == "/filesystem.Filesystem/WatchDir")
        co_await stream<filesystem::WatchDirRequest>(exchange, std::move(user), &Service::watchDir);
    else if (path == "/filesystem.Filesystem/CreateWatcher")
        co_await unary(exchange, std::move(user), &Service::createWatcher);
    else if (path == "/filesystem.Filesystem/GetWatcherEvents")
        co_await unary(exchange, std::move(user), &Service::getWatcherEvents);
    else if (path == "/filesystem.Filesystem/RemoveWatcher")
        co_await unary(exchange, std::move(user), &Service::removeWatcher);
    else
        co_return false;
    co_return true;
}

namespace {

asio::awaitable<void> refuseMethod(Exchange &exchange)
{
    Headers allow{{"Allow", "POST"}};
    co_await exchange.respond(405, std::string(), std::string(), std::move(allow));
}

asio::awaitable<void> refuseType(Exchange &exchange, std::string accepted)
{
    Headers accept;
    accept.emplace_back("Accept-Post", std::move(accepted));
    co_await exchange.respond(415, std::string(), std::string(), std::move(accept));
}

} // namespace

asio::awaitable<std::optional<Service::UnaryInput>> Service::readUnary(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    if (head.method != "POST") {
        co_await refuseMethod(exchange);
        co_return std::nullopt;
    }
    const auto codec = unaryCodec(head.header("content-type"));
    if (!codec) {
        std::string accepted = "application/json, application/proto";
        co_await refuseType(exchange, std::move(accepted));
        co_return std::nullopt;
    }
    auto body = co_await exchange.readAll(LargestMessage);
    if (!body) {
        RpcError error(RpcCode::ResourceExhausted, "message too large");
        co_await failUnary(exchange, std::move(error));
        co_return std::nullopt;
    }
    UnaryInput input;
    input.codec = *codec;
    input.body = std::move(*body);
    co_return input;
}

asio::awaitable<void> Service::answerUnary(Exchange &exchange, Codec codec,
                                           const google::protobuf::Message &response)
{
    std::string type = codec == Codec::Json ? "application/json" : "application/proto";
    std::string body = encode(codec, response);
    Headers none;
    co_await exchange.respond(200, std::move(type), std::move(body), std::move(none));
}

asio::awaitable<void> Service::failUnary(Exchange &exchange, RpcError error)
{
    std::string type = "application/json"; // in both codecs
    std::string body = toJson(error);
    Headers none;
    co_await exchange.respond(httpStatusOf(error.code), std::move(type), std::move(body),
                              std::move(none));
}

template <typename Request, typename Response>
asio::awaitable<void> Service::unary(Exchange &exchange, Account user,
                                     UnaryMethod<Request, Response> method)
{
    const auto input = co_await readUnary(exchange);
    if (!input)
        co_return;
    Response response;
    std::exception_ptr failure;
    try {
        refuseCompression(exchange.request(), "content-encoding");
        Call call{&exchange, std::move(user), callTimes(exchange.request())};
        Request request;
        decode(input->codec, input->body, request);
        response = co_await (this->*method)(std::move(request), std::move(call));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        co_await answerUnary(exchange, input->codec, response);
        co_return;
    }
    auto error = errorOf(failure);
    if (!error)
        std::rethrow_exception(failure);
    co_await failUnary(exchange, std::move(*error));
}

asio::awaitable<std::optional<Codec>> Service::beginStream(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    if (head.method != "POST") {
        co_await refuseMethod(exchange);
        co_return std::nullopt;
    }
    const auto codec = streamCodec(head.header("content-type"));
    if (!codec) {
        std::string accepted = "application/connect+json, application/connect+proto";
        co_await refuseType(exchange, std::move(accepted));
    }
    co_return codec;
}

template <typename Request>
asio::awaitable<void> Service::stream(Exchange &exchange, Account user,
                                      StreamMethod<Request> method)
{
    const auto codec = co_await beginStream(exchange);
    if (!codec)
        co_return;
    ServerStream out(exchange, *codec);
    std::exception_ptr failure;
    try {
        const auto body = co_await exchange.readAll(LargestMessage);
        co_await out.begin();
        if (!body)
            throw RpcError(RpcCode::ResourceExhausted, "message too large");
        refuseCompression(exchange.request(), "connect-content-encoding");
        Call call{&exchange, std::move(user), callTimes(exchange.request())};
        Request request;
        decodeSingleFrame(*codec, *body, request);
        co_await (this->*method)(std::move(request), std::move(call), out);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        co_await out.end();
        co_return;
    }
    auto error = errorOf(failure);
    if (!error)
        std::rethrow_exception(failure);
    co_await out.end(std::move(*error));
}

asio::awaitable<void> Service::streamInput(Exchange &exchange, Account user)
{
    const auto codec = co_await beginStream(exchange);
    if (!codec)
        co_return;
    ServerStream out(exchange, *codec);
    std::exception_ptr failure;
    try {
        refuseCompression(exchange.request(), "connect-content-encoding");
        Call call{&exchange, std::move(user), callTimes(exchange.request())};
        co_await takeInputFrames(exchange, *codec, std::move(call));
    } catch (...) {
        failure = std::current_exception();
    }
    std::optional<RpcError> error;
    if (failure) {
        error = errorOf(failure);
        if (!error)
            std::rethrow_exception(failure);
    }
    // The answer begins when the input has ended: HTTP/1.1 clients do not read earlier.
    co_await out.begin();
    if (error) {
        co_await out.end(std::move(*error));
        co_return;
    }
    const process::StreamInputResponse response;
    const std::string payload = encode(*codec, response);
    std::vector<std::string_view> payloads{payload};
    co_await out.send(std::move(payloads));
    co_await out.end();
}

} // namespace moru::engine
