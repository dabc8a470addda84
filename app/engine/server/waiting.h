// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <functional>

namespace moru::engine {

/// Something that happens once, for which any number of coroutines of the event loop wait. Keep it
/// in a shared_ptr that every waiter holds.
class Event {
public:
    explicit Event(asio::io_context &loop);
    void set();
    [[nodiscard]] bool isSet() const { return m_set; }
    asio::awaitable<void> wait();

private:
    asio::steady_timer m_timer;
    bool m_set = false;
};

/// Threads for calls that block, beside the single-threaded event loop. With one thread, work is
/// done in the order in which it was handed in.
class WorkerPool {
public:
    WorkerPool(asio::io_context &loop, std::size_t threads);
    ~WorkerPool(); ///< waits for the work under way

    /// Does `work` on a thread and comes back to the loop; what it throws is thrown here.
    asio::awaitable<void> run(std::function<void()> work);

private:
    asio::io_context &m_loop;
    asio::thread_pool m_threads;
};

} // namespace moru::engine
