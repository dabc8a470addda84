// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <cstddef>

namespace moru::engine {

/// Whether anybody uses the engine: requests under way and when the last one ended.
struct Activity {
    std::size_t underWay = 0;
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();

    /// Counts one request while it lives.
    class Request {
    public:
        explicit Request(Activity &activity)
            : m_activity(activity)
        {
            ++m_activity.underWay;
        }
        ~Request()
        {
            --m_activity.underWay;
            m_activity.last = std::chrono::steady_clock::now();
        }
        Request(const Request &) = delete;
        Request &operator=(const Request &) = delete;

    private:
        Activity &m_activity;
    };
};

} // namespace moru::engine
