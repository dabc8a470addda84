// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace moru::engine {

/// Builds the sandbox's root from the current directory (root/, up/, work/ below it) and the shared
/// layers behind LayersFd, and makes it the root of this mount namespace; the host's is gone
/// afterwards. The files below the current directory are made at the first start and kept. Throws
/// StepError.
void enterRoot(const std::string &hostName, bool singleUid);

} // namespace moru::engine
