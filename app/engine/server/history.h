// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/server/times.h"

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace moru::engine {

/// One measurement of a sandbox.
struct MetricPoint {
    Time time;
    double cpuPercent = 0; ///< 0 to 100, over all processors together
    std::uint64_t memoryBytes = 0;
    std::uint64_t diskBytes = 0;
};

/// The measurements of one sandbox: the last hour at full resolution, the last day by the minute.
class MetricHistory {
public:
    static constexpr std::chrono::seconds Step{5};

    void add(const MetricPoint &point);
    [[nodiscard]] const MetricPoint *latest() const;
    /// Ascending, both ends included, thinned to the step that goes with the length of the range.
    [[nodiscard]] std::vector<MetricPoint> between(Time from, Time to) const;
    /// Seconds between two points of an answer over a range of this length.
    static std::chrono::seconds stepFor(std::chrono::nanoseconds range);

private:
    std::deque<MetricPoint> m_fine;
    std::deque<MetricPoint> m_coarse;
};

/// A sandbox that has ended.
struct EndedRun {
    std::string id;
    std::string templateId;
    std::string alias;
    std::string reason; ///< killed, timeout, error, shutdown
    Time createdAt;
    Time endedAt;
};

/// The ended runs, on disk one JSON object a line; the newest are kept.
class RunHistory {
public:
    static constexpr std::size_t Limit = 1000;

    void add(EndedRun run);
    [[nodiscard]] const std::deque<EndedRun> &runs() const { return m_runs; } ///< oldest first
    [[nodiscard]] std::string text() const; ///< the content of the file
    /// Reads text() of an earlier engine; lines that are no run are dropped.
    void load(const std::string &text);

private:
    std::deque<EndedRun> m_runs;
};

} // namespace moru::engine
