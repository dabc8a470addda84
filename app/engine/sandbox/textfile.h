// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace moru::engine {

/// The content of a small file, relative to a directory (AT_FDCWD: absolute or to the current one);
/// at most `limit` bytes. nullopt with errno if it cannot be read.
std::optional<std::string> readTextFile(int directory, const char *path,
                                        std::size_t limit = std::size_t{1} << 20);
std::optional<std::string> readTextFile(const std::string &path);

/// Writes with a single write(2), as files of /proc and /sys want it. False with errno.
bool writeControlFile(const std::string &path, std::string_view text);

} // namespace moru::engine
