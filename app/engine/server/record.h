// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/launcher.h"
#include "app/engine/server/times.h"

#include <map>
#include <optional>
#include <string>

namespace moru::engine {

/// Where a sandbox stands. The stages in between are written to disk too: they tell the next engine
/// what to finish or undo after a crash.
enum class Stage { Starting, Running, Pausing, Paused, Resuming, Killing };

/// Everything about a sandbox that outlives the engine: STATE/sandboxes/ID/sandbox.json.
struct SandboxRecord {
    std::string id;
    std::string templateId;
    std::string alias;
    std::string token;        ///< X-Access-Token of the agent: 64 hexadecimal digits
    std::string trafficToken; ///< for ports other than the agent's; empty = public
    std::string maskHost;     ///< Host header for other ports, with "${PORT}"; empty = unchanged
    std::map<std::string, std::string> env;
    std::map<std::string, std::string> metadata;
    bool autoPause = false;
    Stage stage = Stage::Starting;
    Time createdAt;
    Time startedAt; ///< last start or resume
    Time endAt;     ///< running: when it expires; paused: when it was paused
    /// PID 1 while there is one: running, or paused and frozen. A paused sandbox without is started
    /// anew on its files.
    std::optional<Launched> launched;
    std::string bootId; ///< of the machine's run in which PID 1 was started
};

std::string toJson(const SandboxRecord &record);
/// nullopt if the text is not a whole record.
std::optional<SandboxRecord> recordFromJson(const std::string &text);

} // namespace moru::engine
