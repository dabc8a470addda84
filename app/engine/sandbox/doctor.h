// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/steperror.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace moru::engine {

/// What a failed step means on this machine and what to do about it, in sentences.
std::string explain(const StepError &error, const std::filesystem::path &stateDir);

/// What users will miss if these programs (separated by blanks) are not on the host.
std::vector<std::string> hintsForMissingPrograms(std::string_view missing);

/// Mount points below a directory, which keep a normal user's overlay from using it; from the text
/// of /proc/self/mountinfo.
std::vector<std::string> mountsBelow(std::string_view mountInfo, const std::string &directory);

} // namespace moru::engine
