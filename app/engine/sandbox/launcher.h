// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/agent.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace moru::engine {

/// A failure of a system step in words, with errno where there is one.
struct LaunchError {
    std::string step;    ///< "create namespaces", "mount overlay on /usr", ...
    int code = 0;        ///< errno, 0 = none
    std::string message; ///< a whole sentence
};

/// What was started: enough to find it again after an engine restart.
struct Launched {
    pid_t pid = 0;                ///< PID 1 of the sandbox, seen from the host
    std::uint64_t startTime = 0;  ///< field 22 of /proc/PID/stat: guards against pid reuse
    std::filesystem::path socket; ///< the agent's Unix socket, on the host
};

struct Usage {
    double cpuSeconds = 0; ///< of all processes since start
    std::uint64_t memoryBytes = 0;
    std::uint64_t diskBytes = 0; ///< blocks written by the sandbox
};

/// What this machine can do, found by doing it.
struct Diagnosis {
    bool ok = false;
    std::string mode; ///< "root, idmapped mounts", "user, subordinate ids", "user, single id"
    std::vector<std::string> facts;    ///< plain sentences: what works
    std::vector<std::string> problems; ///< what stops sandboxes, with what to do
    std::vector<std::string>
        hints; ///< what a sandbox will miss (programs, limits), with what to do
};

/// Makes, freezes and ends isolated sandboxes with Linux namespaces. All calls block for
/// milliseconds (kill and removal of big trees excepted) and may be made from any thread, one at a
/// time per sandbox id. Every function that can fail returns an error text as LaunchError.
class Launcher {
public:
    /// `stateDir` is created 0700. Sandboxes live in stateDir/sandboxes/ID.
    explicit Launcher(std::filesystem::path stateDir);
    ~Launcher();

    /// Runs a probe child through all steps; result is cached for the life of the launcher unless
    /// fresh.
    Diagnosis diagnose(bool fresh = false);

    /// Makes the file system if it does not exist yet and starts PID 1; returns when the agent
    /// accepts connections. On failure nothing is left running.
    std::optional<LaunchError> start(const std::string &id, const AgentConfig &config,
                                     Launched &out);
    /// True while exactly this process still runs.
    static bool isAlive(const Launched &launched);
    /// A descriptor that becomes readable when PID 1 has ended; -1 with errno if it is gone
    /// already.
    static int openPidfd(const Launched &launched);

    std::optional<LaunchError> freeze(const std::string &id, const Launched &launched);
    std::optional<LaunchError> thaw(const std::string &id, const Launched &launched);
    /// Ends every process of the sandbox, also frozen ones, and also those of a start that nobody
    /// got to know of; returns when they are gone (20 s limit).
    std::optional<LaunchError> kill(const std::string &id, const Launched &launched);
    /// Removes the sandbox's files, after whatever still runs on them: moved aside at once, deleted
    /// on a background thread. Never follows links, never touches anything outside stateDir.
    std::optional<LaunchError> removeFiles(const std::string &id);
    /// Waits for removals under way (tests, stop, reset).
    void waitForRemovals();
    [[nodiscard]] bool hasFiles(const std::string &id) const;

    std::optional<Usage> usage(const std::string &id, const Launched &launched, bool withDisk);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

/// Entry point of the re-executed binary inside the new namespaces (argv[0] is SandboxArgv0): makes
/// the root file system, hardens itself, then serves the agent. Does not return on success.
inline constexpr const char *SandboxArgv0 = "moru-sandbox";
int sandboxMain();

} // namespace moru::engine
