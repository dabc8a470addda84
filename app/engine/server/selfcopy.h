// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/server/statedir.h"

#include <string>
#include <vector>

namespace moru::engine {

/// Whether the program that runs lies in an AppImage: its mount, or the folder it is unpacked to,
/// vanishes when the app ends.
bool isInAppImage();

/// Goes on as a copy of this program in the state directory, with the same arguments (without
/// argv[0]) and process number; does not return. The directory must exist. Throws
/// std::runtime_error with a sentence.
[[noreturn]] void continueAsCopy(const StateDir &dir, const std::vector<std::string> &arguments);

} // namespace moru::engine
