// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/watcher.h"

#include "app/engine/http/astuple.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <system_error>

#include <fcntl.h>

namespace moru::engine {

namespace {

constexpr std::size_t WaitAt = 1024;
constexpr std::size_t FailAt = 200'000;

int duplicate(int fd)
{
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        throw RpcError(RpcCode::ResourceExhausted,
                       "error creating watcher: " + std::generic_category().message(errno));
    return copy;
}

} // namespace

Watcher::Watcher(asio::any_io_executor executor, std::shared_ptr<DirectoryWatch> watch,
                 Workers &workers, WhenFull whenFull)
    : wake(executor)
    , m_watch(std::move(watch))
    , m_workers(workers)
    , m_whenFull(whenFull)
    , m_readable(executor, duplicate(m_watch->fd()))
    , m_room(executor)
{}

void Watcher::start()
{
    auto gatherer = gather(shared_from_this());
    asio::co_spawn(wake.get_executor(), std::move(gatherer), asio::detached);
}

void Watcher::stop()
{
    boost::system::error_code ignored;
    m_readable.close(ignored);
    m_room.cancel();
}

DirectoryWatch::Events Watcher::take()
{
    DirectoryWatch::Events events = std::move(m_queue);
    m_queue.clear();
    m_room.cancel();
    return events;
}

asio::awaitable<void> Watcher::gather(std::shared_ptr<Watcher> self)
{
    while (self->m_readable.is_open() && !self->m_failure) {
        if (self->m_queue.size() >= FailAt && self->m_whenFull == WhenFull::Fail) {
            self->m_failure.emplace(RpcCode::Internal, "too many events were not fetched");
            break;
        }
        if (self->m_queue.size() >= WaitAt && self->m_whenFull == WhenFull::Wait) {
            self->m_room.expires_at(Clock::time_point::max());
            co_await self->m_room.async_wait(asTuple);
            continue;
        }
        const auto [ec] = co_await self->m_readable.async_wait(
            asio::posix::stream_descriptor::wait_read, asTuple);
        if (ec)
            break;
        const auto found = std::make_shared<DirectoryWatch::Events>();
        std::vector<DirectoryWatch::NewFolder> folders;
        try {
            self->m_watch->read(self->m_queue, folders);
            if (!folders.empty()) {
                // A folder that was moved in may be large; later events wait in the kernel.
                std::function<void()> job = [watch = self->m_watch, folders, found] {
                    for (const auto &folder : folders)
                        watch->addTree(folder, *found);
                };
                co_await self->m_workers.run(std::move(job));
            }
        } catch (const RpcError &e) {
            self->m_failure = e;
        } catch (const std::exception &e) {
            self->m_failure.emplace(RpcCode::Internal, e.what());
        }
        self->m_queue.insert(self->m_queue.end(), found->begin(), found->end());
        self->wake.cancel();
    }
    self->wake.cancel();
}

} // namespace moru::engine
