// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/history.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace moru::engine {

namespace json = boost::json;
using namespace std::chrono;

namespace {

constexpr seconds CoarseStep{60};
constexpr std::size_t FinePoints = 3600 / 5;
constexpr std::size_t CoarsePoints = 24 * 60;

std::string member(const json::object &object, std::string_view name)
{
    const json::string &value = object.at(name).as_string();
    return {value.data(), value.size()};
}

} // namespace

void MetricHistory::add(const MetricPoint &point)
{
    m_fine.push_back(point);
    if (m_fine.size() > FinePoints)
        m_fine.pop_front();
    if (m_coarse.empty() || point.time - m_coarse.back().time >= CoarseStep)
        m_coarse.push_back(point);
    if (m_coarse.size() > CoarsePoints)
        m_coarse.pop_front();
}

const MetricPoint *MetricHistory::latest() const
{
    return m_fine.empty() ? nullptr : &m_fine.back();
}

seconds MetricHistory::stepFor(nanoseconds range)
{
    if (range < hours(1))
        return seconds(5);
    if (range < hours(6))
        return seconds(30);
    if (range < hours(12))
        return minutes(1);
    if (range < hours(24))
        return minutes(2);
    if (range < hours(24 * 7))
        return minutes(5);
    return minutes(15);
}

std::vector<MetricPoint> MetricHistory::between(Time from, Time to) const
{
    std::vector<MetricPoint> all;
    for (const MetricPoint &point : m_coarse)
        if (m_fine.empty() || point.time < m_fine.front().time)
            all.push_back(point);
    all.insert(all.end(), m_fine.begin(), m_fine.end());

    const auto outside = [&](const MetricPoint &point) {
        return point.time < from || point.time > to;
    };
    all.erase(std::remove_if(all.begin(), all.end(), outside), all.end());
    if (all.empty())
        return all;
    // The range that holds points decides: "everything" of a young sandbox is not thinned.
    const seconds step = stepFor(all.back().time - all.front().time);
    if (step <= Step)
        return all;
    std::vector<MetricPoint> thinned;
    for (const MetricPoint &point : all) {
        const auto slot = point.time.time_since_epoch() / step;
        if (thinned.empty() || thinned.back().time.time_since_epoch() / step != slot)
            thinned.push_back(point);
        else
            thinned.back() = point;
    }
    return thinned;
}

void RunHistory::add(EndedRun run)
{
    m_runs.push_back(std::move(run));
    if (m_runs.size() > Limit)
        m_runs.pop_front();
}

std::string RunHistory::text() const
{
    std::string lines;
    for (const EndedRun &run : m_runs) {
        json::object object;
        object["id"] = run.id;
        object["templateId"] = run.templateId;
        object["alias"] = run.alias;
        object["reason"] = run.reason;
        object["createdAt"] = formatTime(run.createdAt);
        object["endedAt"] = formatTime(run.endedAt);
        lines += json::serialize(object);
        lines += '\n';
    }
    return lines;
}

void RunHistory::load(const std::string &content)
{
    std::string_view rest = content;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        const std::string_view line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        try {
            const json::value value = json::parse(line);
            const json::object &object = value.as_object();
            const auto created = parseTime(member(object, "createdAt"));
            const auto ended = parseTime(member(object, "endedAt"));
            if (created && ended)
                add({member(object, "id"), member(object, "templateId"), member(object, "alias"),
                     member(object, "reason"), *created, *ended});
        } catch (const std::exception &) {
            // A line of another version, or cut off: history is worth less than a start.
        }
    }
}

} // namespace moru::engine
