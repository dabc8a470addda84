// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace moru::engine {

/// Figures of this sandbox, from the processes visible in /proc. Blocking; may be called from any
/// thread.
class MetricsSampler {
public:
    MetricsSampler();
    /// The body of GET /metrics. CPU use is that since the call before.
    [[nodiscard]] std::string sample();

private:
    std::mutex m_mutex;
    std::chrono::steady_clock::time_point m_last;
    double m_lastCpuSeconds = 0;
    double m_lastPercent = 0;
};

} // namespace moru::engine
