// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/waiting.h"

#include "app/engine/http/astuple.h"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace moru::engine {

namespace {

struct Job {
    Job(asio::io_context &loop, std::function<void()> what)
        : done(loop)
        , work(std::move(what))
    {}
    Event done;
    std::function<void()> work;
    std::exception_ptr error;
};

} // namespace

Event::Event(asio::io_context &loop)
    : m_timer(loop, asio::steady_timer::time_point::max())
{}

void Event::set()
{
    m_set = true;
    m_timer.cancel();
}

asio::awaitable<void> Event::wait()
{
    while (!m_set)
        co_await m_timer.async_wait(asTuple);
}

WorkerPool::WorkerPool(asio::io_context &loop, std::size_t threads)
    : m_loop(loop)
    , m_threads(threads)
{}

WorkerPool::~WorkerPool()
{
    m_threads.join();
}

asio::awaitable<void> WorkerPool::run(std::function<void()> work)
{
    auto job = std::make_shared<Job>(m_loop, std::move(work));
    auto back = asio::make_work_guard(m_loop);
    // The job travels: its last owner is the loop, never a thread.
    asio::post(m_threads, [job, back = std::move(back)]() mutable {
        try {
            job->work();
        } catch (...) {
            job->error = std::current_exception();
        }
        const auto loop = back.get_executor();
        asio::post(loop, [job = std::move(job), back = std::move(back)] { job->done.set(); });
    });
    co_await job->done.wait();
    if (job->error)
        std::rethrow_exception(job->error);
}

} // namespace moru::engine
