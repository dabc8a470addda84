// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace moru::engine {

/// A media type by the name's extension, else by the first bytes: text is "text/plain;
/// charset=utf-8", anything unknown "application/octet-stream".
[[nodiscard]] std::string contentTypeOf(std::string_view path, std::string_view head);

} // namespace moru::engine
