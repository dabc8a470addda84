// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace moru::engine {

/// What /proc/PID/stat says.
struct ProcessState {
    char state = 0; ///< 'R', 'S', 'T', 'Z', ...
    pid_t parent = 0;
    std::uint64_t cpuTicks = 0;    ///< own, user and system, of all threads
    std::uint64_t reapedTicks = 0; ///< of children that were waited for
    std::uint64_t startTime = 0;   ///< in ticks since boot

    [[nodiscard]] bool isStopped() const { return state == 'T' || state == 't'; }
    [[nodiscard]] bool hasEnded() const { return state == 'Z' || state == 'X'; }
};

/// Names this run of the machine, in which pids and start times mean something; changes at every
/// boot. Empty where the kernel does not tell.
std::string currentBootId();

/// Parses the text of /proc/PID/stat; a program's name may hold any character.
std::optional<ProcessState> parseProcessState(std::string_view text);
std::optional<ProcessState> processState(pid_t pid);

/// A process that is not confused with a later one of the same number.
struct ProcessKey {
    pid_t pid = 0;
    std::uint64_t startTime = 0;

    friend bool operator==(const ProcessKey &, const ProcessKey &) = default;
};

std::vector<pid_t> childrenOf(pid_t pid);
/// The process and all its descendants, parents before children.
std::vector<pid_t> familyOf(pid_t pid);

/// CPU time of a process, its descendants and those they have waited for.
double cpuSecondsOf(const std::vector<pid_t> &family);
/// Memory of these processes, shared pages counted in parts.
std::uint64_t memoryBytesOf(const std::vector<pid_t> &family);

/// Stops PID 1 of a sandbox and everything below it by SIGSTOP, parents first, so that no process
/// is left that could start another. `stopped` receives those that ran before, in that order.
/// Where no control group can freeze them. False with errno if it did not succeed within 2 s; then
/// those stopped are running again.
bool stopFamily(pid_t init, std::vector<ProcessKey> &stopped);
/// Lets them run again, children first. Processes that were stopped before stay so.
void continueFamily(const std::vector<ProcessKey> &stopped);

std::string toText(const std::vector<ProcessKey> &keys);
std::vector<ProcessKey> keysFromText(std::string_view text);

} // namespace moru::engine
