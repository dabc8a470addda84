// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"

#include <optional>
#include <string>
#include <string_view>

namespace moru::engine {

/// True for localhost, names below it, and loopback addresses; `host` is a Host header's value,
/// with or without port. A page of another name that resolves to this machine (DNS rebinding) is
/// not.
bool isLoopbackHost(std::string_view host);
/// True if the request carries no Origin or that of a page served from this machine.
bool isAllowedOrigin(const RequestHead &request);

/// Why a request may not use the control plane; nullopt if its key is right. `keyDigits` are the 40
/// hexadecimal digits.
std::optional<std::string> keyProblem(const RequestHead &request, std::string_view keyDigits);

} // namespace moru::engine
