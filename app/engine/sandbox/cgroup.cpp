// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/cgroup.h"

#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

namespace moru::engine {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds FreezePatience{2};

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool hasWord(std::string_view list, std::string_view word)
{
    const auto words = split(list, ',');
    return std::find(words.begin(), words.end(), word) != words.end();
}

struct Hierarchy {
    fs::path mountPoint;
    std::string root; ///< the part of the hierarchy that is mounted there
};

/// `controller` empty: version 2. mountinfo: id parent dev root mountpoint options ... - type
/// source options.
std::optional<Hierarchy> findHierarchy(std::string_view mountInfo, std::string_view controller)
{
    for (const std::string_view line : split(mountInfo, '\n')) {
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos)
            continue;
        const auto left = split(line.substr(0, dash), ' ');
        const auto right = split(line.substr(dash + 3), ' ');
        if (left.size() < 6 || right.size() < 3)
            continue;
        const bool matches = controller.empty()
                                 ? right[0] == "cgroup2"
                                 : right[0] == "cgroup" && hasWord(right[2], controller);
        if (matches)
            return Hierarchy{fs::path(left[4]), std::string(left[3])};
    }
    return std::nullopt;
}

/// Lines of /proc/PID/cgroup are "number:controllers:path", the number 0 and no controllers for
/// version 2.
std::optional<std::string> ownPath(std::string_view cgroups, std::string_view controller)
{
    for (const std::string_view line : split(cgroups, '\n')) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos)
            continue;
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        if (controller.empty() ? controllers.empty() && line.substr(0, first) == "0"
                               : hasWord(controllers, controller))
            return std::string(line.substr(second + 1));
    }
    return std::nullopt;
}

fs::path ownGroup(std::string_view mountInfo, std::string_view cgroups, std::string_view controller)
{
    const auto hierarchy = findHierarchy(mountInfo, controller);
    const auto path = ownPath(cgroups, controller);
    if (!hierarchy || !path || path->find("..") != std::string::npos)
        return {};
    std::string_view below = *path;
    if (hierarchy->root != "/") {
        if (below.substr(0, hierarchy->root.size()) != hierarchy->root)
            return {};
        below.remove_prefix(hierarchy->root.size());
    }
    while (!below.empty() && below.front() == '/')
        below.remove_prefix(1);
    return below.empty() ? hierarchy->mountPoint : hierarchy->mountPoint / below;
}

/// Groups can be made here, have the wanted switch, and, for version 2, take processes.
bool isUsable(const fs::path &parent, const std::string &prefix, const char *control)
{
    if (parent.empty())
        return false;
    const fs::path trial = parent / (prefix + "trial-" + std::to_string(::getpid()));
    if (::mkdir(trial.c_str(), 0755) < 0 && errno != EEXIST)
        return false;
    const bool usable = ::access((trial / control).c_str(), W_OK) == 0
                        && ::access((trial / "cgroup.procs").c_str(), W_OK) == 0
                        && ::access((parent / "cgroup.procs").c_str(), W_OK) == 0;
    ::rmdir(trial.c_str());
    return usable;
}

/// The number after "name " in a file of such lines; after nothing if name is empty.
std::optional<std::uint64_t> valueIn(const fs::path &file, std::string_view name)
{
    const auto text = readTextFile(file.string());
    if (!text)
        return std::nullopt;
    for (std::string_view line : split(*text, '\n')) {
        if (!name.empty()) {
            if (line.substr(0, name.size()) != name || line.substr(name.size(), 1) != " ")
                continue;
            line.remove_prefix(name.size() + 1);
        }
        std::uint64_t value = 0;
        if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc())
            return value;
    }
    return std::nullopt;
}

bool freezeVersion2(const fs::path &group, bool frozen)
{
    if (!writeControlFile((group / "cgroup.freeze").string(), frozen ? "1" : "0"))
        return false;
    const auto end = std::chrono::steady_clock::now() + FreezePatience;
    const Descriptor events(::open((group / "cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
    if (!events.valid())
        return false;
    for (;;) {
        // Reading arms the descriptor for the next change.
        if (valueIn("/proc/self/fd/" + std::to_string(events.get()), "frozen").value_or(2)
            == (frozen ? 1U : 0U))
            return true;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            errno = ETIMEDOUT;
            return false;
        }
        pollfd entry{events.get(), POLLPRI, 0};
        // A change between reading and waiting is seen after 20 ms.
        ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 20)));
    }
}

bool freezeVersion1(const fs::path &group, bool frozen)
{
    const std::string control = (group / "freezer.state").string();
    const auto end = std::chrono::steady_clock::now() + FreezePatience;
    do {
        // Writing again makes the kernel look again at what was in the way.
        if (!writeControlFile(control, frozen ? "FROZEN" : "THAWED"))
            return false;
        if (readTextFile(control).value_or(std::string()) == (frozen ? "FROZEN\n" : "THAWED\n"))
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } while (std::chrono::steady_clock::now() < end);
    errno = ETIMEDOUT;
    return false;
}

} // namespace

CgroupHost::CgroupHost(std::string prefix)
    : CgroupHost(std::move(prefix), Only::Anything)
{}

CgroupHost::CgroupHost(std::string prefix, Only only)
    : m_prefix(std::move(prefix))
{
    if (only == Only::Nothing)
        return;
    const std::string mounts = readTextFile("/proc/self/mountinfo").value_or(std::string());
    const std::string own = readTextFile("/proc/self/cgroup").value_or(std::string());
    if (only == Only::Anything) {
        const fs::path group = ownVersion2Group(mounts, own);
        if (isUsable(group, m_prefix, "cgroup.freeze")) {
            m_version2 = group;
            // Refused where processes are in the group itself; accounting then goes by process.
            for (const char *controller : {"+memory", "+pids"})
                (void)writeControlFile((group / "cgroup.subtree_control").string(), controller);
            return;
        }
    }
    const fs::path freezer = ownFreezerGroup(mounts, own);
    if (isUsable(freezer, m_prefix, "freezer.state"))
        m_freezer = freezer;
}

fs::path CgroupHost::groupOf(const fs::path &parent, const std::string &id) const
{
    return parent / (m_prefix + id);
}

fs::path ownVersion2Group(std::string_view mountInfo, std::string_view cgroups)
{
    return ownGroup(mountInfo, cgroups, {});
}

fs::path ownFreezerGroup(std::string_view mountInfo, std::string_view cgroups)
{
    return ownGroup(mountInfo, cgroups, "freezer");
}

std::string SandboxCgroup::toText() const
{
    switch (version) {
    case Version::None:
        return "0\n";
    case Version::One:
        return "1 " + path.string() + "\n";
    case Version::Two:
        return "2 " + path.string() + "\n";
    }
    return {};
}

SandboxCgroup SandboxCgroup::fromText(std::string_view text)
{
    SandboxCgroup group;
    if (text.size() > 2 && text[1] == ' ' && (text[0] == '1' || text[0] == '2')) {
        group.version = text[0] == '1' ? Version::One : Version::Two;
        group.path = text.substr(2, text.find('\n') - 2);
    }
    return group;
}

SandboxCgroup makeCgroup(const CgroupHost &host, const std::string &id)
{
    SandboxCgroup group;
    if (!host.version2().empty())
        group = {SandboxCgroup::Version::Two, host.groupOf(host.version2(), id)};
    else if (!host.version1Freezer().empty())
        group = {SandboxCgroup::Version::One, host.groupOf(host.version1Freezer(), id)};
    else
        return group;
    if (::mkdir(group.path.c_str(), 0755) < 0 && errno != EEXIST)
        return {};
    // One left over from a sandbox of the same name may still be frozen.
    if (group.version == SandboxCgroup::Version::Two) {
        (void)writeControlFile((group.path / "cgroup.freeze").string(), "0");
        (void)writeControlFile((group.path / "pids.max").string(), "16384");
    } else {
        (void)writeControlFile((group.path / "freezer.state").string(), "THAWED");
    }
    return group;
}

void removeCgroup(const SandboxCgroup &group)
{
    if (group.version != SandboxCgroup::Version::None)
        ::rmdir(group.path.c_str());
}

bool joinCgroup(const SandboxCgroup &group, pid_t pid)
{
    return writeControlFile((group.path / "cgroup.procs").string(), std::to_string(pid));
}

bool setFrozen(const SandboxCgroup &group, bool frozen)
{
    return group.version == SandboxCgroup::Version::Two ? freezeVersion2(group.path, frozen)
                                                        : freezeVersion1(group.path, frozen);
}

CgroupUsage cgroupUsage(const SandboxCgroup &group)
{
    CgroupUsage usage;
    if (group.version == SandboxCgroup::Version::Two) {
        if (const auto microseconds = valueIn(group.path / "cpu.stat", "usage_usec"))
            usage.cpuSeconds = static_cast<double>(*microseconds) / 1e6;
        usage.memoryBytes = valueIn(group.path / "memory.current", {});
    }
    return usage;
}

} // namespace moru::engine
