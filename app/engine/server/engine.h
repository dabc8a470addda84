// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/server/backend.h"
#include "app/engine/server/log.h"
#include "app/engine/server/statedir.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace moru::engine {

/// Where an engine can be reached: the ready line and STATE/engine.json.
struct EngineAddress {
    std::string apiUrl;
    std::string sandboxUrl;
    std::string domain;
    std::string keyFile;
    std::int64_t pid = 0;
    std::string version;
};

std::string toJson(const EngineAddress &address); ///< one line
/// nullopt if the text is not such an object.
std::optional<EngineAddress> addressFromJson(const std::string &text);

struct EngineOptions {
    std::string listenHost = "127.0.0.1"; ///< a loopback address
    std::uint16_t port = 7450; ///< control plane; data plane on the next; 0 = two free ones
    std::chrono::seconds idleExit{1800}; ///< 0 = never
    std::size_t maxSandboxes = 200;      ///< running at the same time
};

/// Why an engine ended.
enum class EngineEnd {
    Stopped, ///< asked to: sandboxes have no processes any more, their files are kept
    Idle,    ///< nothing ran and nobody asked for long: paused sandboxes are as they were
    Hurried, ///< asked twice: sandboxes go on and are taken over by the next engine
};

/// Serves both listeners on this thread until it is told to stop by SIGTERM or SIGINT or has been
/// idle for long. The caller holds the state directory's lock. `onReady` is called once, when both
/// listeners accept connections. Throws std::runtime_error with a sentence if it cannot start.
EngineEnd runEngine(const StateDir &dir, const EngineOptions &options, Backend &backend, Log &log,
                    const std::function<void(const EngineAddress &)> &onReady);

} // namespace moru::engine
