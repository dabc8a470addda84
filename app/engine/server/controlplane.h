// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"
#include "app/engine/server/activity.h"
#include "app/engine/server/fleet.h"

#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace moru::engine {

/// The REST interface through which sandboxes are made, found and ended. Every error answer has a
/// JSON body with the integer `code` of the status and a `message`.
class ControlPlane {
public:
    struct Settings {
        std::string keyDigits; ///< the API key without prefix
        std::string domain;    ///< base domain of the sandboxes' host names
        Time since;            ///< when this state directory was set up: the age of the template
        std::string diskPath;  ///< a path on the file system that holds the sandboxes
    };
    ControlPlane(Fleet &fleet, Activity &activity, Settings settings);

    asio::awaitable<void> handle(Exchange &exchange);

private:
    /// The parts of the path that a route's `{}` stand for.
    using Parts = std::vector<std::string>;
    using Action = asio::awaitable<void> (ControlPlane::*)(Exchange &, Parts);
    struct Route {
        std::string_view method;
        std::string_view pattern;
        Action action;
    };
    static const std::vector<Route> &routes();

    asio::awaitable<void> dispatch(Exchange &exchange);
    asio::awaitable<void> reply(Exchange &exchange, int status, const boost::json::value &body,
                                Headers extra);
    asio::awaitable<void> replyEmpty(Exchange &exchange, int status);
    asio::awaitable<void> refuse(Exchange &exchange, int status, std::string message);
    static asio::awaitable<boost::json::value> readBody(Exchange &exchange);

    asio::awaitable<void> health(Exchange &exchange, Parts parts);
    asio::awaitable<void> createSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> listSandboxes(Exchange &exchange, Parts parts);
    asio::awaitable<void> listRunning(Exchange &exchange, Parts parts);
    asio::awaitable<void> listRuns(Exchange &exchange, Parts parts);
    asio::awaitable<void> latestMetrics(Exchange &exchange, Parts parts);
    asio::awaitable<void> getSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> killSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> pauseSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> resumeSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> connectSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> setTimeout(Exchange &exchange, Parts parts);
    asio::awaitable<void> refreshSandbox(Exchange &exchange, Parts parts);
    asio::awaitable<void> sandboxMetrics(Exchange &exchange, Parts parts);
    asio::awaitable<void> sandboxLogs(Exchange &exchange, Parts parts);
    asio::awaitable<void> listTemplates(Exchange &exchange, Parts parts);
    asio::awaitable<void> getTemplate(Exchange &exchange, Parts parts);
    asio::awaitable<void> listTeams(Exchange &exchange, Parts parts);
    asio::awaitable<void> notOffered(Exchange &exchange, Parts parts);

    [[nodiscard]] boost::json::object sandboxObject(const SandboxRecord &record) const;
    [[nodiscard]] boost::json::object listedObject(const SandboxRecord &record) const;
    [[nodiscard]] boost::json::object metricObject(const MetricPoint &point) const;
    /// (when a sandbox was last made, how many of the known ones were)
    [[nodiscard]] std::pair<std::optional<Time>, std::size_t> spawns() const;

    Fleet &m_fleet;
    Activity &m_activity;
    Settings m_settings;
    int m_processors = 1;
    std::int64_t m_memoryBytes = 0;
    std::int64_t m_diskBytes = 0;
};

} // namespace moru::engine
