// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"
#include "app/engine/server/activity.h"
#include "app/engine/server/fleet.h"

#include <string>

namespace moru::engine {

/// The door to the sandboxes: finds out, for each request anew, which sandbox it means, and passes
/// it to that sandbox's agent. Clients share connections between sandboxes, so nothing is
/// remembered from one request to the next. A request never reaches another sandbox than the one it
/// names.
class DataPlane {
public:
    DataPlane(Fleet &fleet, Activity &activity, Log &log)
        : m_fleet(fleet)
        , m_activity(activity)
        , m_log(log)
    {}

    asio::awaitable<void> handle(Exchange &exchange);

    /// Which sandbox and port a request means.
    struct Target {
        std::string id; ///< empty = the request does not say and there is no single running sandbox
        int port = 0;   ///< 0 = what was given is no port
    };
    /// In this order: sandbox id header, host label of a port that is not the agent's, access
    /// token, signature of a file URL, host label, the only running sandbox.
    [[nodiscard]] Target resolve(const RequestHead &request) const;

private:
    static asio::awaitable<void> refuse(Exchange &exchange, int status, std::string body);

    Fleet &m_fleet;
    Activity &m_activity;
    Log &m_log;
};

} // namespace moru::engine
