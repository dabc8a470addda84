// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/doctor.h"

#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace moru::engine {

namespace {

bool fileSays(const char *path, std::string_view value)
{
    const auto text = readTextFile(path);
    return text && text->substr(0, text->find('\n')) == value;
}

bool startsWith(std::string_view text, std::string_view start)
{
    return text.substr(0, start.size()) == start;
}

std::string ownProgram()
{
    std::error_code failed;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
    return failed ? "moru-local" : program.string();
}

bool inContainer()
{
    return ::access("/.dockerenv", F_OK) == 0 || ::access("/run/.containerenv", F_OK) == 0;
}

/// Why the kernel would refuse namespaces, or capabilities in them; empty if nothing is known.
std::string reasonForNoNamespaces()
{
    if (fileSays("/proc/sys/kernel/unprivileged_userns_clone", "0") && ::geteuid() != 0)
        return "User namespaces are switched off for normal users. To switch them on: "
               "sudo sysctl kernel.unprivileged_userns_clone=1";
    if (fileSays("/proc/sys/user/max_user_namespaces", "0"))
        return "User namespaces are switched off. To switch them on: "
               "sudo sysctl user.max_user_namespaces=15000";
    if (fileSays("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") && ::geteuid() != 0)
        return "AppArmor keeps programs without a profile from using user namespaces (the default "
               "since Ubuntu 23.10). Give "
               + ownProgram()
               + " a profile that allows userns, or allow it for all programs: "
                 "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    if (inContainer())
        return "This looks like a container, whose manager often forbids namespaces. With Docker, "
               "start the container with --privileged or with seccomp and AppArmor unconfined and "
               "--security-opt systempaths=unconfined, or run moru-local on the machine itself.";
    return {};
}

bool isOnOverlay(const std::filesystem::path &directory)
{
    struct statfs info {};
    return ::statfs(directory.c_str(), &info) == 0
           && static_cast<unsigned long>(info.f_type) == OVERLAYFS_SUPER_MAGIC;
}

std::string reasonForNoOverlay(const StepError &error, const std::filesystem::path &stateDir)
{
    if (isOnOverlay(stateDir))
        return "The state directory " + stateDir.string()
               + " is itself on an overlay file system, as the root of a container is, and cannot "
                 "hold "
                 "the changes of another one. Choose a directory on a disk or volume with "
                 "--state-dir.";
    const std::string directory = error.step().substr(error.step().rfind(' ') + 1);
    const auto mounts =
        mountsBelow(readTextFile("/proc/self/mountinfo").value_or(std::string()), directory);
    if (error.code() == EINVAL && !mounts.empty())
        return "Something is mounted at " + mounts.front()
               + ", and a directory with mounts below it "
               + "cannot be the base of a sandbox. Unmount it, or mount it elsewhere.";
    if (error.code() == ENODEV)
        return "The kernel has no overlay file system. To load it: sudo modprobe overlay";
    const std::string namespaces =
        error.code() == EPERM || error.code() == EACCES ? reasonForNoNamespaces() : std::string();
    if (!namespaces.empty())
        return namespaces;
    return "It needs Linux 5.11 or newer and a state directory on ext4, xfs, btrfs or tmpfs; "
           "choose "
           "one with --state-dir.";
}

std::string reasonOf(const StepError &error, const std::filesystem::path &stateDir)
{
    const std::string_view step = error.step();
    if (startsWith(step, "mount the overlay"))
        return reasonForNoOverlay(error, stateDir);
    if (step == "create namespaces" && error.code() == ENOSYS)
        return "It needs Linux 5.7 or newer with clone3; some containers hide that call.";
    if (step == "create namespaces" && error.code() == ENOSPC)
        return "A limit on namespaces is reached; see /proc/sys/user/max_user_namespaces and its "
               "neighbours.";
    if (step == "create namespaces" || startsWith(step, "write uid_map")
        || startsWith(step, "write gid_map") || startsWith(step, "write setgroups")
        || startsWith(step, "cut the mounts") || step == "set the host name"
        || step == "bring the loopback interface up")
        return reasonForNoNamespaces();
    if (step == "mount /proc")
        return "A new /proc may be mounted only where the present one is complete; container "
               "managers "
               "cover parts of it. With Docker: --security-opt systempaths=unconfined";
    if (step == "enter the sandbox's directory"
        || startsWith(step, "open the directory of the lower"))
        return "The way to the state directory " + stateDir.string()
               + " must be open to the user who runs moru-local. Choose another with --state-dir.";
    if (step == "choose ids for sandboxes")
        return "This container has too few user ids to set some aside for sandboxes.";
    if (error.code() == ENOSPC)
        return "The disk is full.";
    if (error.code() == EMFILE || error.code() == ENFILE)
        return "Too many files are open; raise the limit with ulimit -n.";
    if (error.code() == EAGAIN)
        return "The limit on processes is reached.";
    return {};
}

} // namespace

std::string explain(const StepError &error, const std::filesystem::path &stateDir)
{
    std::string text = error.what();
    const std::string reason = reasonOf(error, stateDir);
    if (!reason.empty())
        text += " " + reason;
    return text;
}

std::vector<std::string> hintsForMissingPrograms(std::string_view missing)
{
    struct Program {
        std::string_view name;
        const char *consequence;
    };
    constexpr std::array programs{
        Program{"bash", "Commands and terminals need bash: install the package bash."},
        Program{"python3",
                "Sandboxes have no Python: install the packages python3 and python3-pip."},
        Program{"pip3", "Sandboxes have no pip: install the package python3-pip."},
        Program{"git", "Sandboxes have no git: install the package git."},
        Program{"sudo",
                "Sandboxes have no sudo, so user cannot become root: install the package sudo."},
        Program{"ps", "Sandboxes have no ps and top: install the package procps."},
        Program{"curl", "Sandboxes have no curl: install the package curl."},
        Program{"node", "Sandboxes have no Node.js: install the packages nodejs and npm."},
        Program{"npm", "Sandboxes have no npm: install the package npm."},
        Program{"apt-get", "Sandboxes have no apt-get, because this machine has none."}};
    std::vector<std::string> hints;
    const std::string list = " " + std::string(missing) + " ";
    for (const auto &[name, consequence] : programs)
        if (list.find(" " + std::string(name) + " ") != std::string::npos)
            hints.emplace_back(consequence);
    return hints;
}

std::vector<std::string> mountsBelow(std::string_view mountInfo, const std::string &directory)
{
    std::vector<std::string> found;
    const std::string start = directory + "/";
    while (!mountInfo.empty()) {
        const std::size_t end = std::min(mountInfo.find('\n'), mountInfo.size());
        std::string_view line = mountInfo.substr(0, end);
        mountInfo.remove_prefix(std::min(end + 1, mountInfo.size()));
        for (int field = 0; field < 4; ++field) // the mount point is the fifth
            line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
        const std::string_view point = line.substr(0, line.find(' '));
        if (startsWith(point, start))
            found.emplace_back(point);
    }
    return found;
}

} // namespace moru::engine
