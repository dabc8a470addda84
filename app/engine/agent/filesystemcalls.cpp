// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/service.h"

#include "app/engine/http/astuple.h"

#include <boost/asio/use_awaitable.hpp>

namespace moru::engine {

namespace {

/// Each holds an inotify instance, of which the kernel gives a user about a hundred.
constexpr std::size_t MostWatchers = 1000;

/// The answer of a job on a worker thread. Shared with the job, which may outlive its call.
template <typename Result> struct Outcome {
    Result value;
};

std::string newWatcherId()
{
    static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string id = "w";
    for (const char byte : randomBytes(20))
        id += letters[static_cast<unsigned char>(byte) % letters.size()];
    return id;
}

} // namespace

asio::awaitable<filesystem::StatResponse> Service::stat(filesystem::StatRequest request, Call call)
{
    const auto out = std::make_shared<Outcome<filesystem::StatResponse>>();
    const std::string path = resolve(request.path(), call.user);
    std::function<void()> job = [out, path, actor = actorFor(call.user)] {
        *out->value.mutable_entry() = statEntry(path, actor);
    };
    co_await m_workers.run(std::move(job), call.times.deadline);
    co_return std::move(out->value);
}

asio::awaitable<filesystem::ListDirResponse> Service::listDir(filesystem::ListDirRequest request,
                                                              Call call)
{
    const auto out = std::make_shared<Outcome<filesystem::ListDirResponse>>();
    const std::string path = resolve(request.path(), call.user);
    std::function<void()> job = [out, path, depth = request.depth(), actor = actorFor(call.user)] {
        listDirectory(path, depth, actor, out->value);
    };
    co_await m_workers.run(std::move(job), call.times.deadline);
    co_return std::move(out->value);
}

asio::awaitable<filesystem::MakeDirResponse> Service::makeDir(filesystem::MakeDirRequest request,
                                                              Call call)
{
    const auto out = std::make_shared<Outcome<filesystem::MakeDirResponse>>();
    const std::string path = resolve(request.path(), call.user);
    std::function<void()> job = [out, path, actor = actorFor(call.user)] {
        *out->value.mutable_entry() = makeDirectory(path, actor);
    };
    co_await m_workers.run(std::move(job), call.times.deadline);
    co_return std::move(out->value);
}

asio::awaitable<filesystem::MoveResponse> Service::move(filesystem::MoveRequest request, Call call)
{
    const auto out = std::make_shared<Outcome<filesystem::MoveResponse>>();
    const std::string source = resolve(request.source(), call.user);
    const std::string destination = resolve(request.destination(), call.user);
    std::function<void()> job = [out, source, destination, actor = actorFor(call.user)] {
        *out->value.mutable_entry() = movePath(source, destination, actor);
    };
    co_await m_workers.run(std::move(job), call.times.deadline);
    co_return std::move(out->value);
}

asio::awaitable<filesystem::RemoveResponse> Service::remove(filesystem::RemoveRequest request,
                                                            Call call)
{
    const std::string path = resolve(request.path(), call.user);
    std::function<void()> job = [path] { removePath(path); };
    co_await m_workers.run(std::move(job), call.times.deadline);
    co_return filesystem::RemoveResponse();
}

asio::awaitable<std::shared_ptr<DirectoryWatch>>
Service::openWatch(std::string path, bool recursive, std::optional<Clock::time_point> deadline)
{
    const auto out = std::make_shared<Outcome<std::shared_ptr<DirectoryWatch>>>();
    std::function<void()> job = [out, path, recursive] {
        out->value = std::make_shared<DirectoryWatch>(path, recursive);
    };
    co_await m_workers.run(std::move(job), deadline);
    co_return std::move(out->value);
}

asio::awaitable<void> Service::watchDir(filesystem::WatchDirRequest request, Call call,
                                        ServerStream &stream)
{
    std::string path = resolve(request.path(), call.user);
    auto opened = co_await openWatch(std::move(path), request.recursive(), call.times.deadline);
    const auto watcher = std::make_shared<Watcher>(m_context.get_executor(), std::move(opened),
                                                   m_workers, Watcher::WhenFull::Wait);
    struct Stop {
        std::shared_ptr<Watcher> watcher;
        ~Stop() { watcher->stop(); }
    };
    const Stop stop{watcher};
    const auto left = std::make_shared<bool>(false);
    const auto onLeft = [watcher, left] {
        *left = true;
        watcher->wake.cancel();
    };
    const PeerWatch peer(*call.exchange, onLeft);
    watcher->start();

    filesystem::WatchDirResponse message;
    message.mutable_start();
    const std::string started = encode(stream.codec(), message);
    message.mutable_keepalive();
    const std::string keepalive = encode(stream.codec(), message);
    std::vector<std::string_view> payloads{started};
    co_await stream.send(payloads);
    auto due = Clock::now() + call.times.keepalive;
    std::vector<std::string> encoded;
    for (;;) {
        const auto now = Clock::now();
        if (*left)
            throw boost::system::system_error(asio::error::connection_reset);
        if (call.times.deadline && now >= *call.times.deadline)
            throw RpcError(RpcCode::DeadlineExceeded, "context deadline exceeded");
        if (watcher->hasEvents()) {
            encoded.clear();
            for (const auto &event : watcher->take()) {
                *message.mutable_filesystem() = event;
                encoded.push_back(encode(stream.codec(), message));
            }
            payloads.assign(encoded.begin(), encoded.end());
        } else if (watcher->failure()) {
            throw RpcError(*watcher->failure());
        } else if (now >= due) {
            payloads.assign(1, keepalive);
        } else {
            watcher->wake.expires_at(call.times.deadline ? std::min(due, *call.times.deadline)
                                                         : due);
            co_await watcher->wake.async_wait(asTuple);
            continue;
        }
        co_await stream.send(payloads);
        due = Clock::now() + call.times.keepalive;
    }
}

asio::awaitable<filesystem::CreateWatcherResponse>
Service::createWatcher(filesystem::CreateWatcherRequest request, Call call)
{
    if (m_watchers.size() >= MostWatchers)
        throw RpcError(RpcCode::ResourceExhausted, "too many watchers");
    std::string path = resolve(request.path(), call.user);
    auto opened = co_await openWatch(std::move(path), request.recursive(), call.times.deadline);
    const auto watcher = std::make_shared<Watcher>(m_context.get_executor(), std::move(opened),
                                                   m_workers, Watcher::WhenFull::Fail);
    watcher->start();
    filesystem::CreateWatcherResponse response;
    response.set_watcher_id(newWatcherId());
    m_watchers[response.watcher_id()] = watcher;
    co_return response;
}

asio::awaitable<filesystem::GetWatcherEventsResponse>
Service::getWatcherEvents(filesystem::GetWatcherEventsRequest request, Call)
{
    const auto found = m_watchers.find(request.watcher_id());
    if (found == m_watchers.end())
        throw RpcError(RpcCode::NotFound, "watcher with id " + request.watcher_id() + " not found");
    const auto watcher = found->second;
    if (watcher->failure() && !watcher->hasEvents())
        throw RpcError(*watcher->failure());
    filesystem::GetWatcherEventsResponse response;
    for (auto &event : watcher->take())
        *response.add_events() = std::move(event);
    co_return response;
}

asio::awaitable<filesystem::RemoveWatcherResponse>
Service::removeWatcher(filesystem::RemoveWatcherRequest request, Call)
{
    const auto found = m_watchers.find(request.watcher_id());
    if (found == m_watchers.end())
        throw RpcError(RpcCode::NotFound, "watcher with id " + request.watcher_id() + " not found");
    found->second->stop();
    m_watchers.erase(found);
    co_return filesystem::RemoveWatcherResponse();
}

} // namespace moru::engine
