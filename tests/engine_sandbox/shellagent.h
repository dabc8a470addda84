// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

namespace moru::engine {

/// What one command printed (both streams) and its exit code, 128 + signal, or -1 if the agent did
/// not answer.
struct Answer {
    std::string output;
    int code = -1;
};

/// Runs a shell command in a sandbox served by the stand-in agent of these tests (shellagent.cpp):
/// the launcher's tests need a way in, not envd's protocol.
Answer runInSandbox(const std::filesystem::path &socket, const std::string &user,
                    const std::string &command);

} // namespace moru::engine
