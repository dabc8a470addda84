// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace moru::engine {

/// A path that cannot be meant: "~other/x" or one with a NUL byte.
struct BadPath : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// envd's rules: "" is the default work dir or the home; "~" and relative paths start at the home
/// and are cleaned; absolute paths stay as they are. Throws BadPath.
[[nodiscard]] std::string resolvePath(std::string_view path, std::string_view home,
                                      std::string_view defaultWorkdir);
/// Lexical: no "." or "..", no double or trailing slash. "" becomes ".".
[[nodiscard]] std::string cleanPath(std::string_view path);
/// Last element without trailing slashes; "/" for the root.
[[nodiscard]] std::string baseName(std::string_view path);
/// Everything before the last element; "/" or "." when there is nothing before it.
[[nodiscard]] std::string parentPath(std::string_view path);
[[nodiscard]] std::string joinPath(std::string_view folder, std::string_view name);

} // namespace moru::engine
