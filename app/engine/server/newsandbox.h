// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <boost/json/value.hpp>

namespace moru::engine {

/// The longest time a sandbox may be given, and live since its last start or resume.
inline constexpr std::int64_t MaxTimeout = 24 * 60 * 60; // seconds

/// The body of POST /sandboxes, checked.
struct NewSandbox {
    std::string templateId;
    std::int64_t timeout = 15; ///< seconds
    bool autoPause = false;
    bool privateTraffic = false; ///< network.allowPublicTraffic was false
    std::string maskHost;        ///< network.maskRequestHost, may contain "${PORT}"; empty = none
    std::map<std::string, std::string> metadata;
    std::map<std::string, std::string> env;
};

/// Throws ApiError 400.
NewSandbox parseNewSandbox(const boost::json::value &body);

/// A body as JSON; an empty one counts as {}. Throws ApiError 400.
boost::json::value parseBody(const std::string &text);
/// A whole number of seconds from 0; nullopt if the member is absent. Throws ApiError 400.
std::optional<std::int64_t> secondsMember(const boost::json::value &body, const char *name,
                                          std::int64_t max);
/// Throws ApiError 400.
std::optional<bool> boolMember(const boost::json::value &body, const char *name);

} // namespace moru::engine
