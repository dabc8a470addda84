// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/paths.h"
#include "app/engine/agent/service.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/text.h"
#include "app/wire/frame.h"

#include <boost/asio/use_awaitable.hpp>

#include <csignal>

#include <sys/stat.h>

namespace moru::engine {

namespace {

void setVariable(std::map<std::string, std::string> &variables, const std::string &name,
                 const std::string &value)
{
    // What no environment can hold.
    const bool bad = name.empty() || name.find('=') != std::string::npos
                     || name.find('\0') != std::string::npos
                     || value.find('\0') != std::string::npos;
    if (bad)
        throw RpcError(RpcCode::InvalidArgument, "bad environment variable '" + toUtf8(name) + "'");
    variables[name] = value;
}

} // namespace

std::vector<std::string>
Service::environmentOf(const Account &user,
                       const google::protobuf::Map<std::string, std::string> &requested) const
{
    std::map<std::string, std::string> variables{
        {"PATH", SandboxPath}, {"HOME", user.home}, {"USER", user.name}, {"LOGNAME", user.name}};
    // Programs written for the other name of this protocol look for the other prefix.
    for (const char *prefix : {"MORU_", "E2B_"}) {
        variables[std::string(prefix) + "SANDBOX"] = "true";
        variables[std::string(prefix) + "SANDBOX_ID"] = m_config.sandboxId;
        variables[std::string(prefix) + "TEMPLATE_ID"] = m_config.templateId;
    }
    for (const auto &[name, value] : m_config.globalEnv)
        setVariable(variables, name, value);
    for (const auto &[name, value] : requested)
        setVariable(variables, name, value);
    std::vector<std::string> environment;
    environment.reserve(variables.size());
    for (const auto &[name, value] : variables)
        environment.push_back(name + '=' + value);
    return environment;
}

asio::awaitable<void> Service::start(process::StartRequest request, Call call, ServerStream &stream)
{
    const process::ProcessConfig &config = request.process();
    if (config.cmd().empty())
        throw RpcError(RpcCode::InvalidArgument, "error starting process: no command");
    SpawnPlan plan;
    plan.program = config.cmd();
    plan.arguments.assign(config.args().begin(), config.args().end());
    for (const std::string &text : plan.arguments)
        if (text.find('\0') != std::string::npos)
            throw RpcError(RpcCode::InvalidArgument, "error starting process: NUL in an argument");
    if (plan.program.find('\0') != std::string::npos)
        throw RpcError(RpcCode::InvalidArgument, "error starting process: NUL in the command");
    plan.environment = environmentOf(call.user, config.envs());
    plan.workdir = resolve(config.cwd(), call.user);
    plan.user = call.user;
    plan.userSwitch = m_config.userSwitch;
    struct stat info {};
    if (::stat(plan.workdir.c_str(), &info) != 0)
        throw RpcError(RpcCode::InvalidArgument,
                       "cwd '" + toUtf8(plan.workdir) + "' does not exist");
    if (!S_ISDIR(info.st_mode))
        throw RpcError(RpcCode::InvalidArgument,
                       "cwd '" + toUtf8(plan.workdir) + "' is not a directory");

    std::shared_ptr<Subscriber> subscriber;
    const auto deadline = call.times.deadline;
    auto process = co_await m_processes.start(std::move(plan), std::move(request), &subscriber);
    // The limit of this call is also the life of the process, whether or not somebody still
    // listens.
    if (deadline)
        process->killAt(*deadline);
    co_await follow(std::move(process), std::move(subscriber), std::move(call), stream);
}

asio::awaitable<void> Service::connect(process::ConnectRequest request, Call call,
                                       ServerStream &stream)
{
    auto process = m_processes.find(request.process());
    auto subscriber = process->subscribe();
    co_await follow(std::move(process), std::move(subscriber), std::move(call), stream);
}

asio::awaitable<void> Service::follow(std::shared_ptr<Process> process,
                                      std::shared_ptr<Subscriber> subscriber, Call call,
                                      ServerStream &stream)
{
    struct Leave {
        Process *process;
        std::shared_ptr<Subscriber> subscriber;
        ~Leave() { process->unsubscribe(subscriber); }
    };
    const Leave leave{process.get(), subscriber};
    const auto onLeft = [subscriber] {
        subscriber->left = true;
        subscriber->wake.cancel();
    };
    const PeerWatch watch(*call.exchange, onLeft);

    process::StartResponse first;
    first.mutable_event()->mutable_start()->set_pid(static_cast<std::uint32_t>(process->pid()));
    const std::string started = encode(stream.codec(), first);
    process::StartResponse idle;
    idle.mutable_event()->mutable_keepalive();
    const std::string keepalive = encode(stream.codec(), idle);

    std::vector<std::string_view> payloads{started};
    co_await stream.send(payloads);
    auto due = Clock::now() + call.times.keepalive;
    for (;;) {
        // Limits and absence count before data: a process that never pauses must not outrun them.
        const auto now = Clock::now();
        if (subscriber->left)
            throw boost::system::system_error(asio::error::connection_reset);
        if (call.times.deadline && now >= *call.times.deadline)
            throw RpcError(RpcCode::DeadlineExceeded, "context deadline exceeded");
        payloads.clear();
        if (!subscriber->queue.empty()) {
            const auto messages = std::move(subscriber->queue);
            subscriber->queue.clear();
            for (const auto &message : messages)
                payloads.push_back(message->encoded(stream.codec()));
            const bool over = messages.back()->isEnd();
            co_await stream.send(payloads);
            if (over)
                co_return;
            process->roomMade();
            due = Clock::now() + call.times.keepalive;
            continue;
        }
        if (now >= due) {
            payloads.push_back(keepalive);
            co_await stream.send(payloads);
            due = Clock::now() + call.times.keepalive;
            continue;
        }
        subscriber->wake.expires_at(call.times.deadline ? std::min(due, *call.times.deadline)
                                                        : due);
        co_await subscriber->wake.async_wait(asTuple);
    }
}

asio::awaitable<process::ListResponse> Service::list(process::ListRequest, Call)
{
    process::ListResponse response;
    m_processes.list(response);
    co_return response;
}

asio::awaitable<process::UpdateResponse> Service::update(process::UpdateRequest request, Call)
{
    const auto process = m_processes.find(request.process());
    if (request.has_pty() && request.pty().has_size())
        process->resize(request.pty().size());
    co_return process::UpdateResponse();
}

asio::awaitable<void> Service::writeInput(std::shared_ptr<Process> process,
                                          process::ProcessInput input, Call call)
{
    switch (input.input_case()) {
    case process::ProcessInput::kStdin: {
        std::string bytes = std::move(*input.mutable_stdin());
        co_await process->write(std::move(bytes), false, *call.exchange, call.times.deadline);
        co_return;
    }
    case process::ProcessInput::kPty: {
        std::string bytes = std::move(*input.mutable_pty());
        co_await process->write(std::move(bytes), true, *call.exchange, call.times.deadline);
        co_return;
    }
    case process::ProcessInput::INPUT_NOT_SET:
        break;
    }
    throw RpcError(RpcCode::Unimplemented, "input missing");
}

asio::awaitable<process::SendInputResponse> Service::sendInput(process::SendInputRequest request,
                                                               Call call)
{
    auto process = m_processes.find(request.process());
    auto input = std::move(*request.mutable_input());
    co_await writeInput(std::move(process), std::move(input), std::move(call));
    co_return process::SendInputResponse();
}

asio::awaitable<void> Service::takeInputFrames(Exchange &exchange, Codec codec, Call call)
{
    wire::FrameDecoder decoder;
    std::vector<char> room(64 * 1024);
    const std::span<char> piece(room);
    std::shared_ptr<Process> process;
    for (;;) {
        const std::size_t n = co_await exchange.readSome(piece);
        if (n == 0)
            break;
        decoder.feed(std::string_view(room.data(), n));
        for (;;) {
            wire::FrameDecoder::Frame frame;
            const auto status = decoder.next(frame);
            if (status == wire::FrameDecoder::Status::TooLarge)
                throw RpcError(RpcCode::ResourceExhausted, "message too large");
            if (status == wire::FrameDecoder::Status::NeedMore)
                break;
            if (frame.isCompressed())
                throw RpcError(RpcCode::Internal,
                               "compressed frame without a negotiated compression");
            if (frame.isEndOfStream())
                continue;
            process::StreamInputRequest request;
            decode(codec, frame.payload, request);
            if (request.has_start()) {
                process = m_processes.find(request.start().process());
            } else if (request.has_data()) {
                if (!process)
                    throw RpcError(RpcCode::InvalidArgument, "data before the start message");
                auto input = std::move(*request.mutable_data()->mutable_input());
                auto target = process;
                auto context = call;
                co_await writeInput(std::move(target), std::move(input), std::move(context));
            } else if (!request.has_keepalive()) {
                throw RpcError(RpcCode::Unimplemented, "event missing");
            }
        }
    }
    if (decoder.hasPartialFrame())
        throw RpcError(RpcCode::InvalidArgument, "incomplete message frame");
}

asio::awaitable<process::SendSignalResponse> Service::sendSignal(process::SendSignalRequest request,
                                                                 Call)
{
    const auto process = m_processes.find(request.process());
    switch (request.signal()) {
    case process::SIGNAL_SIGKILL:
        process->signal(SIGKILL);
        break;
    case process::SIGNAL_SIGTERM:
        process->signal(SIGTERM);
        break;
    default:
        throw RpcError(RpcCode::Unimplemented, "invalid signal");
    }
    co_return process::SendSignalResponse();
}

} // namespace moru::engine
