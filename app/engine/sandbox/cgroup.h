// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/descriptor.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace moru::engine {

/// The control groups this process may make children in, found by making one.
class CgroupHost {
public:
    /// A prefix keeps the groups of several engines apart.
    explicit CgroupHost(std::string prefix);
    /// For tests: no groups at all, or version 1 only.
    enum class Only { Anything, Version1, Nothing };
    CgroupHost(std::string prefix, Only only);

    /// Empty where not available.
    [[nodiscard]] const std::filesystem::path &version2() const { return m_version2; }
    [[nodiscard]] const std::filesystem::path &version1Freezer() const { return m_freezer; }
    [[nodiscard]] std::filesystem::path groupOf(const std::filesystem::path &parent,
                                                const std::string &id) const;

private:
    std::string m_prefix;
    std::filesystem::path m_version2;
    std::filesystem::path m_freezer;
};

/// Where the hierarchies are mounted and where a process is in them; from the texts of
/// /proc/self/mountinfo and /proc/self/cgroup. Empty if there is none.
std::filesystem::path ownVersion2Group(std::string_view mountInfo, std::string_view cgroups);
std::filesystem::path ownFreezerGroup(std::string_view mountInfo, std::string_view cgroups);

/// The group of one sandbox; remembered in a file, so that another engine finds it.
struct SandboxCgroup {
    enum class Version { None, One, Two };
    Version version = Version::None;
    std::filesystem::path path;

    [[nodiscard]] std::string toText() const;
    static SandboxCgroup fromText(std::string_view text);
};

/// Makes an empty group for a sandbox; None if this machine offers none.
SandboxCgroup makeCgroup(const CgroupHost &host, const std::string &id);
/// Removes the group if it is empty.
void removeCgroup(const SandboxCgroup &group);
/// Moves a process there (version 1; with version 2 processes are born in their group).
bool joinCgroup(const SandboxCgroup &group, pid_t pid);
/// Freezes or thaws and waits until that is so, 2 s at most. False with errno.
bool setFrozen(const SandboxCgroup &group, bool frozen);

struct CgroupUsage {
    std::optional<double> cpuSeconds;
    std::optional<std::uint64_t> memoryBytes;
};
CgroupUsage cgroupUsage(const SandboxCgroup &group);

} // namespace moru::engine
