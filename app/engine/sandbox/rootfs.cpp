// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/rootfs.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/layers.h"
#include "app/engine/sandbox/spawn.h"
#include "app/engine/sandbox/steperror.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace {

constexpr uid_t UserId = 1000;
constexpr const char *MadeMarker = "made";

struct Folder {
    const char *path;
    mode_t mode;
};
/// Besides the overlays. /run is a plain directory: what it holds must survive a pause.
constexpr std::array PlainFolders{Folder{"home", 0755},      Folder{"home/user", 0755},
                                  Folder{"root", 0700},      Folder{"run", 0755},
                                  Folder{"run/lock", 01777}, Folder{"tmp", 01777},
                                  Folder{"mnt", 0755},       Folder{"media", 0755},
                                  Folder{"srv", 0755},       Folder{"boot", 0755}};
constexpr std::array Devices{"null", "zero", "full", "random", "urandom", "tty"};

/// The directory `name`, whatever an inhabitant may have put in its place while nothing was mounted
/// there.
void ensureFolder(int at, const std::string &name, mode_t mode)
{
    struct stat info {};
    if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(info.st_mode))
            return;
        if (::unlinkat(at, name.c_str(), 0) < 0)
            throw StepError("replace what is in the place of /" + name);
    }
    if (::mkdirat(at, name.c_str(), mode) < 0 || ::fchmodat(at, name.c_str(), mode, 0) < 0)
        throw StepError("make the directory /" + name);
}

Descriptor openFolder(int at, const char *name)
{
    Descriptor fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid())
        throw StepError(std::string("open the directory ") + name);
    return fd;
}

void writeFile(int at, const char *name, std::string_view text, mode_t mode, bool forUser)
{
    const Descriptor file(
        ::openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!file.valid()
        || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw StepError(std::string("write ") + name);
    if (forUser && ::fchown(file.get(), UserId, UserId) < 0)
        throw StepError(std::string("give ") + name + " to user");
}

std::string readLayerFile(const char *path)
{
    const Descriptor file(::openat(LayersFd, path, O_RDONLY | O_CLOEXEC));
    std::array<char, 8192> text;
    const ssize_t count = file.valid() ? ::read(file.get(), text.data(), text.size()) : 0;
    return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

/// A name for this sandbox alone, which D-Bus and others want.
std::string randomMachineId()
{
    std::array<unsigned char, 16> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw StepError("read random bytes");
    std::string text;
    for (const unsigned byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text + '\n';
}

/// The sandbox's own files as they are at its birth.
void furnish(const std::string &hostName, bool singleUid)
{
    const Descriptor root = openFolder(AT_FDCWD, "root");
    for (const auto &[path, mode] : PlainFolders)
        ensureFolder(root.get(), path, mode);
    const std::string profile = readLayerFile("etc/skel/.profile");
    const std::string bashrc = readLayerFile("etc/skel/.bashrc");
    for (const char *home : {"root", "home/user"}) {
        const Descriptor folder = openFolder(root.get(), home);
        const bool forUser = !singleUid && home[0] == 'h';
        writeFile(folder.get(), ".profile", profile, 0644, forUser);
        writeFile(folder.get(), ".bashrc", bashrc, 0644, forUser);
        if (forUser && ::fchown(folder.get(), UserId, UserId) < 0)
            throw StepError("give /home/user to user");
    }
    for (const std::string &link : topLinks()) {
        std::array<char, 256> target{};
        if (::readlink(("/" + link).c_str(), target.data(), target.size() - 1) > 0
            && ::symlinkat(target.data(), root.get(), link.c_str()) < 0 && errno != EEXIST)
            throw StepError("make the link /" + link);
    }
    const Descriptor etc = openFolder(AT_FDCWD, "up/etc");
    writeFile(etc.get(), "hostname", hostName + "\n", 0644, false);
    writeFile(etc.get(), "hosts",
              "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 " + hostName
                  + "\n",
              0644, false);
    writeFile(etc.get(), "machine-id", randomMachineId(), 0444, false);
    writeFile(AT_FDCWD, MadeMarker, "", 0600, false);
}

/// The name of an overlay's own directories below up/ and work/.
std::string flatName(const TopDirectory &top)
{
    std::string name = top.name;
    std::replace(name.begin(), name.end(), '/', '-');
    return name;
}

void mountOverlay(const TopDirectory &top)
{
    // Relative names: the way to the current directory is closed to root of the sandbox, and no
    // character of the state directory's name can be misread as part of the options.
    std::string options =
        "userxattr,lowerdir=/proc/self/fd/" + std::to_string(LayersFd) + "/" + top.name;
    if (top.fromHost)
        options += ":/" + top.name;
    options += ",upperdir=up/" + flatName(top) + ",workdir=work/" + flatName(top);
    if (::mount("overlay", ("root/" + top.name).c_str(), "overlay", MS_NODEV, options.c_str()) < 0)
        throw StepError("mount the overlay on /" + top.name);
}

// Not "bind": with strings as arguments that would also mean std::bind, which fits numbers better
// and does nothing.
void bindMount(const std::string &from, const std::string &to, unsigned long flags)
{
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) < 0
        || (flags != 0
            && ::mount(nullptr, to.c_str(), nullptr, MS_REMOUNT | MS_BIND | flags, nullptr) < 0))
        throw StepError("mount " + from + " into the sandbox");
}

void mountProc()
{
    if (::mount("proc", "root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) < 0)
        throw StepError("mount /proc");
    // Nothing here belongs to root of the sandbox except switches of its own namespaces; closing
    // them costs nothing and leaves less to reason about.
    for (const char *name : {"sys", "sysrq-trigger", "irq", "bus", "fs"}) {
        const std::string path = std::string("root/proc/") + name;
        if (::access(path.c_str(), F_OK) == 0)
            bindMount(path, path, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
    }
}

void mountDev(bool singleUid)
{
    if (::mount("tmpfs", "root/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") < 0)
        throw StepError("mount /dev");
    for (const char *name : Devices) {
        const std::string path = std::string("root/dev/") + name;
        const Descriptor node(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
        bindMount(std::string("/dev/") + name, path, 0);
    }
    const Descriptor dev = openFolder(AT_FDCWD, "root/dev");
    ensureFolder(dev.get(), "pts", 0755);
    ensureFolder(dev.get(), "shm", 01777);
    // Group 5 is tty where groups exist.
    const std::string options =
        std::string("newinstance,ptmxmode=0666,mode=0620") + (singleUid ? "" : ",gid=5");
    if (::mount("devpts", "root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options.c_str()) < 0)
        throw StepError("mount /dev/pts");
    if (::mount("tmpfs", "root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        throw StepError("mount /dev/shm");
    constexpr std::array<std::array<const char *, 2>, 5> links{{{"pts/ptmx", "ptmx"},
                                                                {"/proc/self/fd", "fd"},
                                                                {"/proc/self/fd/0", "stdin"},
                                                                {"/proc/self/fd/1", "stdout"},
                                                                {"/proc/self/fd/2", "stderr"}}};
    for (const auto &[target, name] : links)
        if (::symlinkat(target, dev.get(), name) < 0)
            throw StepError(std::string("make /dev/") + name);
}

} // namespace

void enterRoot(const std::string &hostName, bool singleUid)
{
    ::umask(0022);
    // Nothing that is mounted on the host from now on shows up in here.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
        throw StepError("cut the mounts off from the host's");

    const auto tops = topDirectories();
    for (const char *name : {"root", "up", "work"})
        ensureFolder(AT_FDCWD, name, 0755);
    const Descriptor upper = openFolder(AT_FDCWD, "up");
    const Descriptor work = openFolder(AT_FDCWD, "work");
    for (const TopDirectory &top : tops) {
        ensureFolder(upper.get(), flatName(top), 0755);
        ensureFolder(work.get(), flatName(top), 0755);
    }
    if (::access(MadeMarker, F_OK) < 0)
        furnish(hostName, singleUid);

    bindMount("root", "root", MS_NODEV);
    const Descriptor root = openFolder(AT_FDCWD, "root");
    for (const TopDirectory &top : tops)
        if (top.name.find('/') == std::string::npos)
            ensureFolder(root.get(), top.name, 0755);
    for (const char *name : {"proc", "sys", "dev"})
        ensureFolder(root.get(), name, 0755);
    for (const TopDirectory &top : tops)
        mountOverlay(top);
    mountProc();
    // Allowed only with an own network namespace, and not where the host hides parts of its own.
    // Programs do without.
    (void)!::mount("sysfs", "root/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
                   nullptr);
    mountDev(singleUid);

    if (::chdir("root") < 0 || ::syscall(SYS_pivot_root, ".", ".") < 0
        || ::umount2(".", MNT_DETACH) < 0 || ::chdir("/") < 0)
        throw StepError("change the root directory");
}

} // namespace moru::engine
