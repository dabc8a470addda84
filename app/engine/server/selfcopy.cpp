// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/selfcopy.h"

#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"
#include "app/engine/sandbox/selfimage.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::engine {

namespace fs = std::filesystem;

namespace {

constexpr const char *Self = "/proc/self/exe";
constexpr std::size_t CompareBytes = 256UL << 10U;

[[noreturn]] void fail(const fs::path &path)
{
    throw std::runtime_error("moru-local cannot copy itself out of the AppImage to " + path.string()
                             + ": " + errorText(errno) + ".");
}

bool sameContent(int one, int other)
{
    struct stat a {};
    struct stat b {};
    if (::fstat(one, &a) != 0 || ::fstat(other, &b) != 0 || !S_ISREG(b.st_mode)
        || a.st_size != b.st_size)
        return false;
    std::vector<char> left(CompareBytes);
    std::vector<char> right(CompareBytes);
    for (off_t at = 0; at < a.st_size;) {
        const ssize_t n = ::pread(one, left.data(), left.size(), at);
        if (n <= 0 || ::pread(other, right.data(), static_cast<std::size_t>(n), at) != n
            || std::memcmp(left.data(), right.data(), static_cast<std::size_t>(n)) != 0)
            return false;
        at += n;
    }
    return true;
}

void copySelf(const fs::path &target)
{
    const FileDescriptor self(::open(Self, O_RDONLY | O_CLOEXEC));
    if (self.get() < 0)
        fail(target);
    {
        const FileDescriptor old(::open(target.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        struct stat info {};
        if (old.get() >= 0 && ::fstat(old.get(), &info) == 0 && info.st_uid == ::geteuid()
            && (info.st_mode & 07777) == 0700 && sameContent(self.get(), old.get()))
            return;
    }
    if (::mkdir(target.parent_path().c_str(), 0700) != 0 && errno != EEXIST)
        fail(target);
    // Several may start at once; an engine that runs keeps its old file.
    const std::string fresh = target.string() + "." + std::to_string(::getpid());
    ::unlink(fresh.c_str());
    {
        const FileDescriptor out(
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700));
        if (out.get() < 0)
            fail(target);
        ssize_t n = 0;
        do {
            n = ::sendfile(out.get(), self.get(), nullptr, 1UL << 24U);
        } while (n > 0 || (n < 0 && errno == EINTR));
        if (n < 0 || ::fchmod(out.get(), 0700) != 0) {
            const int code = errno;
            ::unlink(fresh.c_str());
            errno = code;
            fail(target);
        }
    }
    if (::rename(fresh.c_str(), target.c_str()) != 0) {
        const int code = errno;
        ::unlink(fresh.c_str());
        errno = code;
        fail(target);
    }
}

/// The environment without what an AppImage's start adds: it names a folder that will be gone.
std::vector<char *> outerEnvironment()
{
    constexpr std::array<std::string_view, 4> names{"APPDIR=", "APPIMAGE=", "ARGV0=", "OWD="};
    std::vector<char *> result;
    for (char **entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        bool drop = false;
        for (const std::string_view name : names)
            drop = drop || text.starts_with(name);
        if (!drop)
            result.push_back(*entry);
    }
    result.push_back(nullptr);
    return result;
}

} // namespace

bool isInAppImage()
{
    const char *folder = std::getenv("APPDIR");
    if (!folder || *folder != '/')
        return false;
    std::error_code ec;
    const fs::path inside = fs::canonical(folder, ec);
    const fs::path self = ec ? fs::path() : fs::read_symlink(Self, ec);
    return !ec && inside != "/" && self.string().starts_with(inside.string() + "/");
}

void continueAsCopy(const StateDir &dir, const std::vector<std::string> &arguments)
{
    const fs::path target = dir.program();
    copySelf(target);
    std::string name = target.string();
    std::vector<std::string> words = arguments;
    std::vector<char *> argv{name.data()};
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::vector<char *> environment = outerEnvironment();
    ::execve(target.c_str(), argv.data(), environment.data());
    // A home that is mounted noexec; memory is no worse a place, only without a path.
    if (errno == EACCES)
        ::fexecve(selfImage(), argv.data(), environment.data());
    fail(target);
}

} // namespace moru::engine
