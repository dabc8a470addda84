// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <string>

namespace moru::engine {

/// How a process becomes "user" (uid 1000) inside the sandbox.
enum class UserSwitch {
    Real,      ///< uids are mapped: plain setuid
    SingleUid, ///< only uid 0 is mapped: a nested user namespace shows uid 1000 (cosmetic)
    None,      ///< tests outside a sandbox: stay who we are
};

/// What the agent of one sandbox must know. Travels over an inherited descriptor, never by argv or
/// environment, because it holds secrets.
struct AgentConfig {
    std::string sandboxId;
    std::string templateId;
    std::string accessToken;                      ///< empty = no check
    std::map<std::string, std::string> globalEnv; ///< envVars of create
    std::string defaultUser = "user";
    std::string defaultWorkdir; ///< empty = the user's home
    UserSwitch userSwitch = UserSwitch::Real;
    std::string rootPrefix; ///< tests only: home directories are looked up below this folder
};

inline constexpr const char *EnvdVersion = "0.4.3";

std::string toJson(const AgentConfig &config);
/// Throws std::runtime_error on malformed text.
AgentConfig agentConfigFromJson(const std::string &json);

/// envd's role: serves HTTP and Connect RPC (protocol.md C to F) on an already listening stream
/// socket until the process ends; reaps every child (it is PID 1). Returns an exit code.
int serveAgent(int listenFd, const AgentConfig &config);

} // namespace moru::engine
