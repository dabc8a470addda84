// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/connect.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <optional>

namespace moru::engine {

/// A few threads for file system work of unknown length, so that the event loop keeps serving
/// terminals. Started with the first job.
class Workers {
public:
    explicit Workers(asio::any_io_executor executor)
        : m_executor(std::move(executor))
    {}
    ~Workers();

    /// Runs `job` on a thread and resumes in the event loop; rethrows what it threw. Past
    /// `deadline` it throws RpcError deadline_exceeded while the job runs on: everything the job
    /// touches must be owned by it unless there is no deadline.
    asio::awaitable<void> run(std::function<void()> job,
                              std::optional<Clock::time_point> deadline = std::nullopt);

private:
    asio::any_io_executor m_executor;
    std::optional<asio::thread_pool> m_pool;
};

} // namespace moru::engine
