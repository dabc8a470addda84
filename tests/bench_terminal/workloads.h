// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <string>

namespace moru::bench {

/// Output as programs produce it, the same bytes every time: "ascii" (log lines), "sgr" (colour in
/// every word), "utf8" (wide, accented and combining characters), "cursor" (a full-screen program).
/// Empty for an unknown name. Lines end in CR LF.
std::string workload(const std::string &name, std::size_t bytes, int columns, int rows);

} // namespace moru::bench
