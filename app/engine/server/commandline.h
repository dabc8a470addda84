// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/server/engine.h"

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace moru::engine {

enum class Command { Serve, Env, Doctor, Status, Stop, Reset, Help, Version };

/// moru-local's arguments, checked.
struct CommandLine {
    Command command = Command::Help;
    std::filesystem::path stateDir; ///< the default one if not given
    std::filesystem::path logFile;  ///< empty = stderr
    EngineOptions engine;
    bool yes = false; ///< reset without asking
};

/// Arguments that make no sense; what() is a sentence with a hint.
class UsageError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws UsageError.
CommandLine parseCommandLine(const std::vector<std::string> &arguments);
std::string helpText();

} // namespace moru::engine
