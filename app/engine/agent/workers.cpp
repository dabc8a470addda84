// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/workers.h"

#include "app/engine/http/astuple.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace moru::engine {

namespace {

constexpr std::size_t Threads = 4;
struct Pending {
    Pending(const asio::any_io_executor &executor)
        : wake(executor)
    {}
    asio::steady_timer wake;
    bool done = false;
    std::exception_ptr failure;
};

} // namespace

Workers::~Workers()
{
    if (m_pool)
        m_pool->join();
}

asio::awaitable<void> Workers::run(std::function<void()> job,
                                   std::optional<Clock::time_point> deadline)
{
    if (!m_pool)
        m_pool.emplace(Threads);
    const auto pending = std::make_shared<Pending>(m_executor);
    auto task = [pending, job = std::move(job), executor = m_executor]() mutable {
        std::exception_ptr failure;
        try {
            job();
        } catch (...) {
            failure = std::current_exception();
        }
        job = nullptr;
        asio::post(executor, [pending, failure] {
            pending->done = true;
            pending->failure = failure;
            pending->wake.cancel();
        });
    };
    asio::post(*m_pool, std::move(task));
    while (!pending->done) {
        if (deadline && Clock::now() >= *deadline)
            throw RpcError(RpcCode::DeadlineExceeded, "context deadline exceeded");
        pending->wake.expires_at(deadline ? *deadline : Clock::time_point::max());
        co_await pending->wake.async_wait(asTuple);
    }
    if (pending->failure)
        std::rethrow_exception(pending->failure);
}

} // namespace moru::engine
