// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/watch.h"
#include "app/engine/agent/workers.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>

namespace moru::engine {

/// Gathers the events of a DirectoryWatch in the background until stopped.
class Watcher : public std::enable_shared_from_this<Watcher> {
public:
    enum class WhenFull {
        Wait, ///< leave events with the kernel until the queue was taken
        Fail, ///< give up, so that a client that never comes does not eat the memory
    };
    /// Takes the watch over; `workers` must outlive it.
    Watcher(asio::any_io_executor executor, std::shared_ptr<DirectoryWatch> watch, Workers &workers,
            WhenFull whenFull);

    void start();
    void stop();
    /// Everything gathered so far, in order.
    [[nodiscard]] DirectoryWatch::Events take();
    [[nodiscard]] bool hasEvents() const { return !m_queue.empty(); }
    /// Why no more events will come.
    [[nodiscard]] const std::optional<RpcError> &failure() const { return m_failure; }

    asio::steady_timer wake; ///< cancelled when events or a failure have come

private:
    static asio::awaitable<void> gather(std::shared_ptr<Watcher> self);

    std::shared_ptr<DirectoryWatch> m_watch;
    Workers &m_workers;
    WhenFull m_whenFull;
    asio::posix::stream_descriptor m_readable; ///< a duplicate of the watch's descriptor
    asio::steady_timer m_room;                 ///< cancelled when the queue was taken
    DirectoryWatch::Events m_queue;
    std::optional<RpcError> m_failure;
};

} // namespace moru::engine
