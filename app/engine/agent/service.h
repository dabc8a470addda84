// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/agent.h"
#include "app/engine/agent/connect.h"
#include "app/engine/agent/filesystem.h"
#include "app/engine/agent/metrics.h"
#include "app/engine/agent/process.h"
#include "app/engine/agent/watcher.h"
#include "app/engine/agent/workers.h"

#include <set>

namespace moru::engine {

/// All routes of the agent. One object serves every connection, in one thread; file system work of
/// unknown length goes to worker threads.
class Service {
public:
    Service(asio::io_context &context, AgentConfig config);
    ~Service();

    asio::awaitable<void> handle(Exchange &exchange);

private:
    /// What a call knows beside its message.
    struct Call {
        Exchange *exchange = nullptr;
        Account user;
        CallTimes times;
    };
    template <typename Request, typename Response>
    using UnaryMethod = asio::awaitable<Response> (Service::*)(Request, Call);
    template <typename Request>
    using StreamMethod = asio::awaitable<void> (Service::*)(Request, Call, ServerStream &);
    using Route = asio::awaitable<void> (Service::*)(Exchange &, Account);
    struct UnaryInput {
        Codec codec = Codec::Json;
        std::string body;
    };

    // service.cpp: order of processing and the small plain routes
    asio::awaitable<void> dispatch(Exchange &exchange);
    asio::awaitable<void> refuseUser(Exchange &exchange, bool stream, std::string name);
    asio::awaitable<void> health(Exchange &exchange, Account user);
    asio::awaitable<void> metrics(Exchange &exchange, Account user);
    asio::awaitable<void> envs(Exchange &exchange, Account user);
    asio::awaitable<void> init(Exchange &exchange, Account user);
    [[nodiscard]] std::optional<Account> findUser(std::string_view name) const;
    [[nodiscard]] FileActor actorFor(Account user) const;
    /// Throws RpcError invalid_argument.
    [[nodiscard]] std::string resolve(std::string_view path, const Account &user) const;
    [[nodiscard]] bool tokenMatches(const RequestHead &head) const;

    // ports.cpp
    /// CONNECT: the rest of the connection is one to a port of the loopback in here.
    asio::awaitable<void> connectPort(Exchange &exchange);

    // rpc.cpp: the Connect calls around a method
    [[nodiscard]] static bool isStreamPath(std::string_view path);
    /// False when no call has this path.
    asio::awaitable<bool> callRpc(Exchange &exchange, Account user);
    asio::awaitable<std::optional<UnaryInput>> readUnary(Exchange &exchange);
    asio::awaitable<void> answerUnary(Exchange &exchange, Codec codec,
                                      const google::protobuf::Message &response);
    asio::awaitable<void> failUnary(Exchange &exchange, RpcError error);
    asio::awaitable<std::optional<Codec>> beginStream(Exchange &exchange);
    template <typename Request, typename Response>
    asio::awaitable<void> unary(Exchange &exchange, Account user,
                                UnaryMethod<Request, Response> method);
    template <typename Request>
    asio::awaitable<void> stream(Exchange &exchange, Account user, StreamMethod<Request> method);
    asio::awaitable<void> streamInput(Exchange &exchange, Account user);

    // processcalls.cpp
    asio::awaitable<void> start(process::StartRequest request, Call call, ServerStream &stream);
    asio::awaitable<void> connect(process::ConnectRequest request, Call call, ServerStream &stream);
    asio::awaitable<void> follow(std::shared_ptr<Process> process,
                                 std::shared_ptr<Subscriber> subscriber, Call call,
                                 ServerStream &stream);
    asio::awaitable<process::ListResponse> list(process::ListRequest request, Call call);
    asio::awaitable<process::UpdateResponse> update(process::UpdateRequest request, Call call);
    asio::awaitable<process::SendInputResponse> sendInput(process::SendInputRequest request,
                                                          Call call);
    asio::awaitable<process::SendSignalResponse> sendSignal(process::SendSignalRequest request,
                                                            Call call);
    asio::awaitable<void> writeInput(std::shared_ptr<Process> process, process::ProcessInput input,
                                     Call call);
    /// Reads frames until the body ends. Throws RpcError.
    asio::awaitable<void> takeInputFrames(Exchange &exchange, Codec codec, Call call);
    [[nodiscard]] std::vector<std::string>
    environmentOf(const Account &user,
                  const google::protobuf::Map<std::string, std::string> &requested) const;

    // filesystemcalls.cpp
    asio::awaitable<filesystem::StatResponse> stat(filesystem::StatRequest request, Call call);
    asio::awaitable<filesystem::ListDirResponse> listDir(filesystem::ListDirRequest request,
                                                         Call call);
    asio::awaitable<filesystem::MakeDirResponse> makeDir(filesystem::MakeDirRequest request,
                                                         Call call);
    asio::awaitable<filesystem::MoveResponse> move(filesystem::MoveRequest request, Call call);
    asio::awaitable<filesystem::RemoveResponse> remove(filesystem::RemoveRequest request,
                                                       Call call);
    asio::awaitable<void> watchDir(filesystem::WatchDirRequest request, Call call,
                                   ServerStream &stream);
    asio::awaitable<filesystem::CreateWatcherResponse>
    createWatcher(filesystem::CreateWatcherRequest request, Call call);
    asio::awaitable<filesystem::GetWatcherEventsResponse>
    getWatcherEvents(filesystem::GetWatcherEventsRequest request, Call call);
    asio::awaitable<filesystem::RemoveWatcherResponse>
    removeWatcher(filesystem::RemoveWatcherRequest request, Call call);
    asio::awaitable<std::shared_ptr<DirectoryWatch>>
    openWatch(std::string path, bool recursive, std::optional<Clock::time_point> deadline);

    // files.cpp
    struct FileCall {
        Account user;
        std::string path; ///< resolved; empty when the query has none
    };
    asio::awaitable<std::optional<FileCall>> beginFileCall(Exchange &exchange,
                                                           std::string operation);
    asio::awaitable<void> download(Exchange &exchange, Account user);
    asio::awaitable<void> upload(Exchange &exchange, Account user);
    /// Waits until nobody else writes this file.
    asio::awaitable<void> lockUpload(std::string path);
    void unlockUpload(const std::string &path);

    asio::io_context &m_context;
    AgentConfig m_config;
    Workers m_workers;
    ProcessTable m_processes;
    MetricsSampler m_metrics;
    std::map<std::string, std::shared_ptr<Watcher>> m_watchers; ///< of CreateWatcher
    std::set<std::string> m_uploads;                            ///< paths being written
    asio::steady_timer m_uploadFree; ///< cancelled when one of them is done
};

} // namespace moru::engine
