// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace moru::engine {

/// A moment of the wall clock with the resolution of the wire format.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

[[nodiscard]] Time now();
/// RFC 3339 in UTC with as many of nine fractional digits as are needed.
[[nodiscard]] std::string formatTime(Time time);
/// RFC 3339 with any offset; digits beyond nanoseconds are cut. nullopt if malformed or outside the
/// years 1678 to 2261.
[[nodiscard]] std::optional<Time> parseTime(std::string_view text);

} // namespace moru::engine
