// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/layers.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/directory.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

namespace moru::engine {

namespace {

// Raised when the content of the layers changes with the program.
constexpr const char *LayoutVersion = "1";

/// What a distribution puts into /etc and programs need; not what an administrator puts there.
constexpr std::array EtcEntries{"ImageMagick-[0-9]*",
                                "adduser.conf",
                                "alternatives",
                                "bash_completion",
                                "bash_completion.d",
                                "bindresvport.blacklist",
                                "ca-certificates",
                                "ca-certificates.conf",
                                "crypto-policies",
                                "debconf.conf",
                                "debian_version",
                                "deluser.conf",
                                "dpkg",
                                "emacs",
                                "ethertypes",
                                "fonts",
                                "gai.conf",
                                "glvnd",
                                "groff",
                                "gtk-[0-9]*",
                                "host.conf",
                                "inputrc",
                                "issue",
                                "issue.net",
                                "java-*",
                                "ld.so.cache",
                                "ld.so.conf",
                                "ld.so.conf.d",
                                "libaudit.conf",
                                "libnl-3",
                                "libpaper.d",
                                "locale.alias",
                                "locale.conf",
                                "locale.gen",
                                "localtime",
                                "login.defs",
                                "lsb-release",
                                "magic",
                                "magic.mime",
                                "mailcap",
                                "manpath.config",
                                "maven",
                                "mime.types",
                                "mke2fs.conf",
                                "mtab",
                                "nanorc",
                                "netconfig",
                                "networks",
                                "os-release",
                                "papersize",
                                "perl",
                                "php",
                                "protocols",
                                "python3*",
                                "rpc",
                                "screenrc",
                                "security",
                                "services",
                                "sgml",
                                "shells",
                                "terminfo",
                                "timezone",
                                "ucf.conf",
                                "vim",
                                "vulkan",
                                "wgetrc",
                                "xattr.conf",
                                "xml"};
constexpr std::array EtcSubEntries{"apt/keyrings",       "apt/preferences.d", "apt/sources.list",
                                   "apt/sources.list.d", "apt/trusted.gpg.d", "pki/ca-trust",
                                   "pki/tls/cert.pem",   "pki/tls/certs",     "ssl/certs",
                                   "ssl/openssl.cnf"};
constexpr std::array VarEntries{
    "cache/fontconfig", "lib/apt/extended_states", "lib/pam", "lib/python",
    "lib/sgml-base",    "lib/shells.state",        "lib/ucf", "lib/vim",
    "lib/xml-core"};

struct Directory {
    const char *path;
    mode_t mode;
};
constexpr std::array EtcDirectories{
    Directory{"apt/apt.conf.d", 0755}, Directory{"default", 0755},
    Directory{"init.d", 0755},         Directory{"opt", 0755},
    Directory{"pam.d", 0755},          Directory{"profile.d", 0755},
    Directory{"skel", 0755},           Directory{"ssl/private", 0700},
    Directory{"sudoers.d", 0755},      Directory{"systemd/system", 0755}};
constexpr std::array VarDirectories{Directory{"backups", 0755},
                                    Directory{"cache/apt/archives/partial", 0755},
                                    Directory{"cache/debconf", 0755},
                                    Directory{"cache/ldconfig", 0700},
                                    Directory{"cache/man", 0755},
                                    Directory{"lib/apt/lists/partial", 0755},
                                    Directory{"lib/apt/mirrors/partial", 0755},
                                    Directory{"lib/apt/periodic", 0755},
                                    Directory{"lib/misc", 0755},
                                    Directory{"lib/private", 0700},
                                    Directory{"lib/sudo/lectured", 0700},
                                    Directory{"local", 02775},
                                    Directory{"log/apt", 0755},
                                    Directory{"mail", 02775},
                                    Directory{"opt", 0755},
                                    Directory{"spool", 0755},
                                    Directory{"tmp", 01777}};
constexpr std::array DpkgLocks{"lib/dpkg/lock", "lib/dpkg/lock-frontend", "lib/dpkg/triggers/Lock",
                               "lib/apt/lists/lock", "cache/apt/archives/lock"};

constexpr int SkeletonLevels = 4;

constexpr std::string_view FixedPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr std::string_view Profile = R"(# Read by login shells.
export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
if [ -n "${BASH_VERSION:-}" ] && [ "${PS1:-}" ] && [ -f /etc/bash.bashrc ]; then
    . /etc/bash.bashrc
fi
for part in /etc/profile.d/*.sh; do
    if [ -r "$part" ]; then
        . "$part"
    fi
done
unset part
)";
constexpr std::string_view BashRc = R"(# Read by interactive shells.
case $- in *i*) ;; *) return ;; esac
shopt -s checkwinsize
export LANG="${LANG:-C.UTF-8}"
PS1='\u@\h:\w\$ '
)";
constexpr std::string_view HomeProfile = R"(# Read by login shells.
if [ -n "$BASH_VERSION" ] && [ -f "$HOME/.bashrc" ]; then
    . "$HOME/.bashrc"
fi
if [ -d "$HOME/.local/bin" ]; then
    PATH="$HOME/.local/bin:$PATH"
fi
)";
constexpr std::string_view HomeBashRc = R"(# Read by interactive shells.
case $- in *i*) ;; *) return ;; esac
HISTCONTROL=ignoreboth
HISTSIZE=10000
shopt -s histappend
export LANG="${LANG:-C.UTF-8}"
PS1='\u@\h:\w\$ '
alias ls='ls --color=auto'
alias grep='grep --color=auto'
)";
constexpr std::string_view NameServices = R"(passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
)";
// Inside, everybody who got this far is let through: the sandbox is the border, not its accounts.
constexpr std::string_view PamOpen = R"(auth sufficient pam_permit.so
account sufficient pam_permit.so
password required pam_unix.so sha512
session optional pam_permit.so
)";
constexpr std::string_view PamRootOnly = R"(auth sufficient pam_rootok.so
auth required pam_unix.so
account sufficient pam_permit.so
password required pam_unix.so sha512
session optional pam_permit.so
)";
// With a single id nobody can change it. A nested namespace at least makes the same account look
// like root, which is what installers ask for.
constexpr std::string_view SudoScript = R"sh(#!/bin/sh
# Runs a command that looks like root to itself. This sandbox has one account under two names.
while [ $# -gt 0 ]; do
    case $1 in
    --) shift; break ;;
    -u | -g | -C | -h | -p | -U) shift 2 ;;
    -i | -s) shell=1; shift ;;
    -V | --version) echo "sudo of a single-account sandbox"; exit 0 ;;
    -v | -k | -K | -l) [ $# -eq 1 ] && exit 0; shift ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
    esac
done
if [ $# -eq 0 ]; then
    [ "${shell:-}" ] || { echo "usage: sudo command [argument ...]" >&2; exit 1; }
    set -- "${SHELL:-/bin/bash}"
fi
[ "$(id -u)" = 0 ] && exec "$@"
exec unshare --user --map-root-user -- "$@"
)sh";

/// Iterates over a directory; takes the descriptor.
DirectoryStream streamOf(Descriptor fd)
{
    DIR *stream = ::fdopendir(fd.get());
    if (stream)
        (void)fd.release();
    return {stream, ::closedir};
}

Descriptor openDirectory(int at, const char *path)
{
    return Descriptor(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

/// mkdir -p relative to the current directory; existing directories keep their mode.
void makePath(const std::string &path, mode_t mode = 0755)
{
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1))
        if (::mkdir(path.substr(0, slash).c_str(), 0755) < 0 && errno != EEXIST)
            throw StepError("make the directory " + path);
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
        throw StepError("make the directory " + path);
    if (::chmod(path.c_str(), mode) < 0) // what mkdir ignores: set-group-id, sticky
        throw StepError("make the directory " + path);
}

void writeWhole(const std::string &path, std::string_view text, mode_t mode = 0644)
{
    if (::unlink(path.c_str()) < 0 && errno != ENOENT)
        throw StepError("replace " + path);
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file.valid())
        throw StepError("write " + path);
    while (!text.empty()) {
        const ssize_t count =
            uninterrupted([&] { return ::write(file.get(), text.data(), text.size()); });
        if (count < 0)
            throw StepError("write " + path);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// How many levels of directories below this one are worth having. A directory that is not made
/// anew can be read inside, but nobody can add to it. That is no loss deep inside a program's own
/// tree, and making them all takes seconds; packages do add to the deep places named here.
int levelsWanted(const std::string &path, int levels)
{
    constexpr std::array shared{
        "usr/include/*-linux-gnu", "usr/lib/*-linux-gnu*", "usr/lib/python3*",  "usr/local/*",
        "usr/share/icons",         "usr/share/perl*",      "usr/share/texlive", "usr/share/texmf*"};
    constexpr int all = 64;
    if (path == "usr/local/go")
        return levels;
    const bool isShared = std::any_of(shared.begin(), shared.end(), [&](const char *pattern) {
        return ::fnmatch(pattern, path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
    });
    return isShared ? all : levels;
}

/// The directories below `from` that everybody may enter, made anew below `to`.
void copySkeleton(int from, int to, dev_t device, const std::string &path, int levels)
{
    const DirectoryStream entries = streamOf(Descriptor(::fcntl(from, F_DUPFD_CLOEXEC, 0)));
    if (!entries)
        return;
    while (const dirent *entry = ::readdir(entries.get())) {
        const char *name = entry->d_name;
        if ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) || isDotOrDotDot(name))
            continue;
        struct stat info {};
        if (::fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode)
            || info.st_dev != device || (info.st_mode & 0005) != 0005)
            continue;
        const mode_t mode = (info.st_mode & 03777) | 0700;
        if (::mkdirat(to, name, mode) < 0 && errno != EEXIST)
            throw StepError(std::string("make the layer directory ") + name);
        if ((mode & 03000) != 0)
            ::fchmodat(to, name, mode, 0);
        const std::string below = path + "/" + name;
        const int wanted = levelsWanted(below, levels - 1);
        if (wanted <= 0)
            continue;
        const Descriptor source = openDirectory(from, name);
        const Descriptor target = openDirectory(to, name);
        if (source.valid() && target.valid())
            copySkeleton(source.get(), target.get(), device, below, wanted);
    }
}

void copyContent(int from, int to, off_t size)
{
    while (size > 0) {
        const ssize_t count = ::sendfile(to, from, nullptr, static_cast<std::size_t>(size));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return; // shorter than it was: someone is changing it
        size -= count;
    }
}

void copyEntry(int fromDirectory, const char *name, int toDirectory, const char *toName);

void copyDirectory(int from, int to)
{
    const DirectoryStream entries = streamOf(Descriptor(::fcntl(from, F_DUPFD_CLOEXEC, 0)));
    if (!entries)
        return;
    while (const dirent *entry = ::readdir(entries.get()))
        if (!isDotOrDotDot(entry->d_name))
            copyEntry(from, entry->d_name, to, entry->d_name);
}

void copyRegular(int fromDirectory, const char *name, int toDirectory, const char *toName)
{
    const Descriptor source(
        ::openat(fromDirectory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!source.valid() || ::fstat(source.get(), &info) < 0 || !S_ISREG(info.st_mode)
        || (info.st_mode & S_IROTH) == 0)
        return;
    const Descriptor target(::openat(toDirectory, toName,
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                                     (info.st_mode & 0777) | 0600));
    if (!target.valid()) {
        if (errno == EEXIST)
            return;
        throw StepError(std::string("copy ") + name);
    }
    copyContent(source.get(), target.get(), info.st_size);
    const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
    ::futimens(target.get(), times.data());
}

/// Copies what everybody may read; silently leaves out the rest. Never follows links.
void copyEntry(int fromDirectory, const char *name, int toDirectory, const char *toName)
{
    struct stat info {};
    if (::fstatat(fromDirectory, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (S_ISLNK(info.st_mode)) {
        std::array<char, 4096> target;
        const ssize_t length = ::readlinkat(fromDirectory, name, target.data(), target.size() - 1);
        if (length > 0) {
            target.at(static_cast<std::size_t>(length)) = '\0';
            (void)!::symlinkat(target.data(), toDirectory, toName);
        }
    } else if (S_ISREG(info.st_mode)) {
        copyRegular(fromDirectory, name, toDirectory, toName);
    } else if (S_ISDIR(info.st_mode) && (info.st_mode & 0005) == 0005) {
        if (::mkdirat(toDirectory, toName, (info.st_mode & 0777) | 0700) < 0 && errno != EEXIST)
            throw StepError(std::string("make the directory ") + toName);
        const Descriptor source = openDirectory(fromDirectory, name);
        const Descriptor target = openDirectory(toDirectory, toName);
        if (source.valid() && target.valid())
            copyDirectory(source.get(), target.get());
    }
}

/// `path` below the host's `top` to the same path below our `top`, through real directories only.
void copyPath(const std::string &top, const std::string &path)
{
    const std::string from = "/" + top + "/" + path;
    struct stat info {};
    if (::lstat(from.c_str(), &info) < 0)
        return;
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? top : top + "/" + path.substr(0, slash);
    makePath(folder);
    const Descriptor target = openDirectory(AT_FDCWD, folder.c_str());
    if (target.valid())
        copyEntry(AT_FDCWD, from.c_str(), target.get(),
                  slash == std::string::npos ? path.c_str() : path.c_str() + slash + 1);
}

void dropSourcesWithCredentials()
{
    std::vector<std::string> files{"etc/apt/sources.list"};
    if (const DirectoryStream entries = streamOf(openDirectory(AT_FDCWD, "etc/apt/sources.list.d")))
        while (const dirent *entry = ::readdir(entries.get()))
            if (!isDotOrDotDot(entry->d_name))
                files.push_back(std::string("etc/apt/sources.list.d/") + entry->d_name);
    for (const std::string &file : files)
        if (holdsCredentials(readTextFile(file).value_or(std::string())))
            ::unlink(file.c_str());
}

void makeSudo(bool singleUid)
{
    if (singleUid) {
        makePath("usr/local/bin");
        writeWhole("usr/local/bin/sudo", SudoScript, 0755);
        return;
    }
    // A set-user-id file of the host's root means nothing in here, so sudo comes as a copy that
    // belongs to root of the sandbox. The state directory is closed to others on the host.
    struct stat info {};
    if (::stat("/usr/bin/sudo", &info) < 0 || (info.st_mode & S_IROTH) == 0)
        return;
    std::array<char, 4096> real;
    if (!::realpath("/usr/bin/sudo", real.data()))
        return;
    makePath("usr/bin");
    const Descriptor target = openDirectory(AT_FDCWD, "usr/bin");
    copyRegular(AT_FDCWD, real.data(), target.get(), "sudo");
    if (::fchmodat(target.get(), "sudo", 04755, 0) < 0)
        return;
    for (const char *plugins : {"usr/lib/sudo", "usr/libexec/sudo"}) {
        const Descriptor from = openDirectory(AT_FDCWD, (std::string("/") + plugins).c_str());
        const Descriptor to = openDirectory(AT_FDCWD, plugins);
        if (from.valid() && to.valid())
            copyDirectory(from.get(), to.get());
    }
    writeWhole("etc/sudoers",
               "Defaults secure_path=\"" + std::string(FixedPath)
                   + "\"\nroot ALL=(ALL:ALL) NOPASSWD: ALL\nuser ALL=(ALL:ALL) NOPASSWD: ALL\n"
                     "@includedir /etc/sudoers.d\n",
               0440);
}

void makeEtc(bool singleUid)
{
    makePath("etc");
    if (const DirectoryStream entries = streamOf(openDirectory(AT_FDCWD, "/etc"))) {
        while (const dirent *entry = ::readdir(entries.get())) {
            const char *name = entry->d_name;
            if (std::any_of(EtcEntries.begin(), EtcEntries.end(), [&](const char *pattern) {
                    return ::fnmatch(pattern, name, FNM_PERIOD) == 0;
                }))
                copyPath("etc", name);
        }
    }
    for (const char *path : EtcSubEntries)
        copyPath("etc", path);
    for (const auto &[path, mode] : EtcDirectories)
        makePath(std::string("etc/") + path, mode);
    dropSourcesWithCredentials();

    const std::string accounts =
        accountsForInside(readTextFile("/etc/passwd").value_or(std::string()));
    const std::string groups = groupsForInside(readTextFile("/etc/group").value_or(std::string()));
    writeWhole("etc/passwd", accounts);
    writeWhole("etc/group", groups);
    writeWhole("etc/shadow", shadowForInside(accounts, false), 0600);
    writeWhole("etc/gshadow", shadowForInside(groups, true), 0600);
    writeWhole("etc/nsswitch.conf", NameServices);
    writeWhole("etc/resolv.conf", "# This sandbox has no network besides its own loopback.\n");
    writeWhole("etc/fstab", "");
    writeWhole("etc/environment", "");
    writeWhole("etc/profile", Profile);
    writeWhole("etc/bash.bashrc", BashRc);
    writeWhole("etc/skel/.profile", HomeProfile);
    writeWhole("etc/skel/.bashrc", HomeBashRc);
    for (const char *service : {"sudo", "sudo-i", "other"})
        writeWhole(std::string("etc/pam.d/") + service, PamOpen);
    for (const char *service : {"su", "su-l", "runuser", "runuser-l", "passwd", "chpasswd", "chfn",
                                "chsh", "newusers", "useradd", "usermod", "groupadd"})
        writeWhole(std::string("etc/pam.d/") + service, PamRootOnly);
    // apt changes to its own account for downloads, which a single id cannot.
    writeWhole("etc/apt/apt.conf.d/20sandbox", singleUid ? "APT::Sandbox::User \"root\";\n" : "");
}

void makeVar()
{
    makePath("var");
    for (const char *path : VarEntries)
        copyPath("var", path);
    for (const auto &[path, mode] : VarDirectories)
        makePath(std::string("var/") + path, mode);
    (void)!::symlink("/run", "var/run");
    (void)!::symlink("/run/lock", "var/lock");
    // The state of packages: many small files of the host, merged in, and above them the few that
    // are written anew.
    struct stat info {};
    if (::stat("var/lib/dpkg", &info) == 0) {
        const Descriptor from = openDirectory(AT_FDCWD, "/var/lib/dpkg");
        const Descriptor to = openDirectory(AT_FDCWD, "var/lib/dpkg");
        for (const char *name : {"alternatives", "available", "arch", "arch-native", "diversions",
                                 "statoverride", "status", "triggers"})
            copyEntry(from.get(), name, to.get(), name);
    }
    if (::stat("var/lib/dpkg/triggers", &info) == 0)
        for (const char *lock : DpkgLocks)
            writeWhole(std::string("var/") + lock, "", 0640);
}

/// The fields of one line, separated by colons.
std::vector<std::string_view> fieldsOf(std::string_view line)
{
    std::vector<std::string_view> fields;
    for (;;) {
        const std::size_t colon = line.find(':');
        fields.push_back(line.substr(0, colon));
        if (colon == std::string_view::npos)
            return fields;
        line.remove_prefix(colon + 1);
    }
}

template <typename Use> void eachLine(std::string_view text, Use use)
{
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (end > 0)
            use(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

/// System accounts are below 1000, and nobody.
bool isSystemId(std::string_view text)
{
    unsigned id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc() && end == text.data() + text.size()
           && ((id > 0 && id < 1000) || id == 65534);
}

bool isOurName(std::string_view name)
{
    return name == "root" || name == "user";
}

} // namespace

std::vector<TopDirectory> topDirectories()
{
    std::vector<TopDirectory> result{{"etc", false}, {"var", false}};
    for (const char *name :
         {"usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "var/lib/dpkg"}) {
        struct stat info {};
        if (::lstat((std::string("/") + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode))
            result.push_back({name, true});
    }
    return result;
}

std::vector<std::string> topLinks()
{
    std::vector<std::string> result;
    for (const char *name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
        struct stat info {};
        if (::lstat((std::string("/") + name).c_str(), &info) == 0 && S_ISLNK(info.st_mode))
            result.emplace_back(name);
    }
    return result;
}

std::string layersStamp()
{
    // FNV-1a over what changes when software is installed on the host or its accounts change.
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto mix = [&hash](std::uint64_t value) {
        for (int shift = 0; shift < 64; shift += 8)
            hash = (hash ^ ((value >> shift) & 0xff)) * 0x100000001b3U;
    };
    for (const char *path :
         {"/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/local", "/usr/local/bin",
          "/usr/local/lib", "/opt", "/etc/passwd", "/etc/group", "/etc/ld.so.cache",
          "/etc/localtime", "/etc/alternatives", "/etc/ssl/certs", "/var/lib/dpkg/status",
          "/var/lib/rpm", "/usr/lib/sysimage/rpm", "/var/lib/pacman/local"}) {
        struct stat info {};
        const bool there = ::lstat(path, &info) == 0;
        mix(there ? static_cast<std::uint64_t>(info.st_mtim.tv_sec) : 0);
        mix(there ? static_cast<std::uint64_t>(info.st_mtim.tv_nsec) : 0);
    }
    std::array<char, 17> text{};
    std::to_chars(text.data(), text.data() + 16, hash, 16);
    return std::string(LayoutVersion) + "-" + text.data();
}

void makeLayers(bool singleUid)
{
    ::umask(0);
    for (const TopDirectory &top : topDirectories()) {
        if (!top.fromHost)
            continue;
        makePath(top.name);
        const Descriptor from = openDirectory(AT_FDCWD, ("/" + top.name).c_str());
        const Descriptor to = openDirectory(AT_FDCWD, top.name.c_str());
        struct stat info {};
        if (from.valid() && to.valid() && ::fstat(from.get(), &info) == 0)
            copySkeleton(from.get(), to.get(), info.st_dev, top.name, SkeletonLevels);
    }
    makeEtc(singleUid);
    makeVar();
    makeSudo(singleUid);
}

std::string accountsForInside(std::string_view hostPasswd)
{
    std::string text = "root:x:0:0:root:/root:/bin/bash\n";
    eachLine(hostPasswd, [&](std::string_view line) {
        const auto fields = fieldsOf(line);
        if (fields.size() != 7 || isOurName(fields[0]) || !isSystemId(fields[2]))
            return;
        text.append(fields[0]).append(":x:").append(fields[2]).append(":").append(fields[3]);
        text.append("::").append(fields[5]).append(":").append(fields[6]).append("\n");
    });
    return text + "user:x:1000:1000:user:/home/user:/bin/bash\n";
}

std::string groupsForInside(std::string_view hostGroup)
{
    std::string text = "root:x:0:\n";
    eachLine(hostGroup, [&](std::string_view line) {
        const auto fields = fieldsOf(line);
        if (fields.size() != 4 || isOurName(fields[0]) || !isSystemId(fields[2]))
            return;
        text.append(fields[0]).append(":x:").append(fields[2]).append(":\n");
    });
    return text + "user:x:1000:\n";
}

std::string shadowForInside(std::string_view accounts, bool groups)
{
    std::string text;
    eachLine(accounts, [&](std::string_view line) {
        text.append(line.substr(0, line.find(':')))
            .append(groups ? ":*::\n" : ":*:19000:0:99999:7:::\n");
    });
    return text;
}

bool holdsCredentials(std::string_view sources)
{
    for (std::size_t at = sources.find("://"); at != std::string_view::npos;
         at = sources.find("://", at)) {
        at += 3;
        const std::size_t end = sources.find_first_of("/ \t\n", at);
        if (sources.substr(at, end - at).find('@') != std::string_view::npos)
            return true;
    }
    return false;
}

} // namespace moru::engine
