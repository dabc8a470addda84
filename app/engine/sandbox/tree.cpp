// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/tree.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/directory.h"
#include "app/engine/sandbox/steperror.h"

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace moru::engine {

namespace {

/// A stream with a position of its own on an open directory.
DirectoryStream streamOn(int directory)
{
    const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? nullptr : ::fdopendir(fd);
    if (fd >= 0 && !stream)
        ::close(fd);
    return {stream, ::closedir};
}

/// Removes subtrees by hanging every directory met directly below the top one. So the depth never
/// exceeds two, no path gets long, and each directory is moved at most once.
class Emptier {
public:
    explicit Emptier(int top)
        : m_top(top)
    {}

    void run()
    {
        // Removing while reading may hide entries from the reader: until a round finds nothing.
        while (round())
            continue;
    }

private:
    bool round()
    {
        const DirectoryStream entries = streamOn(m_top);
        if (!entries)
            throw StepError("read a directory that is being removed");
        bool any = false;
        errno = 0;
        while (const dirent *entry = ::readdir(entries.get())) {
            if (isDotOrDotDot(entry->d_name))
                continue;
            any = true;
            removeFromTop(entry->d_name);
            errno = 0;
        }
        if (errno != 0)
            throw StepError("read a directory that is being removed");
        return any;
    }

    static bool removeFile(int directory, const char *name)
    {
        if (::unlinkat(directory, name, 0) == 0 || errno == ENOENT)
            return true;
        // EPERM is what some file systems say about a directory.
        if (errno == EISDIR || errno == EPERM)
            return false;
        throw StepError("remove a file");
    }

    static bool removeFolder(int directory, const char *name)
    {
        if (::unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return true;
        if (errno == ENOTEMPTY || errno == EEXIST)
            return false;
        throw StepError("remove a directory");
    }

    void removeFromTop(const char *name)
    {
        if (removeFile(m_top, name) || removeFolder(m_top, name))
            return;
        Descriptor folder(::openat(m_top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!folder.valid() && errno == EACCES) {
            // Only without power over the files: then at least the owner's right to change modes.
            ::fchmodat(m_top, name, 0700, 0);
            folder.reset(::openat(m_top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        }
        if (!folder.valid())
            throw StepError("open a directory that is being removed");
        do
            hoistChildren(folder.get());
        while (!removeFolder(m_top, name));
    }

    void hoistChildren(int folder)
    {
        const DirectoryStream entries = streamOn(folder);
        if (!entries)
            throw StepError("read a directory that is being removed");
        while (const dirent *entry = ::readdir(entries.get())) {
            const char *name = entry->d_name;
            if (isDotOrDotDot(name) || removeFile(folder, name) || removeFolder(folder, name))
                continue;
            hoist(folder, name);
        }
    }

    void hoist(int folder, const char *name)
    {
        bool mayChangeMode = true;
        for (;;) {
            std::array<char, 32> fresh{};
            (void)std::snprintf(fresh.data(), fresh.size(), "moved-%zx", m_next++);
            if (::renameat2(folder, name, m_top, fresh.data(), RENAME_NOREPLACE) == 0)
                return;
            if (errno == EACCES && mayChangeMode) {
                mayChangeMode = false; // its ".." changes, so it has to be writable itself
                ::fchmodat(folder, name, 0700, 0);
            } else if (errno != EEXIST) {
                throw StepError("move a directory that is being removed");
            }
        }
    }

    int m_top;
    std::size_t m_next = 0;
};

} // namespace

void emptyDirectory(int directory)
{
    Emptier(directory).run();
}

std::optional<std::uint64_t> diskUsage(int directory)
{
    // Depth first with one open descriptor per level would run out of them in a deep tree; so the
    // way back up is by "..", checked against where it should lead.
    struct Level {
        std::vector<std::string> pending;
        dev_t device;
        ino_t inode;
    };
    std::uint64_t bytes = 0;
    std::unordered_set<std::uint64_t> linked;
    std::vector<Level> levels;
    Descriptor current(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    dev_t device = 0;

    const auto enter = [&]() -> bool {
        struct stat self {};
        if (!current.valid() || ::fstat(current.get(), &self) < 0)
            return false;
        if (levels.empty())
            device = self.st_dev;
        bytes += static_cast<std::uint64_t>(self.st_blocks) * 512;
        Level level{{}, self.st_dev, self.st_ino};
        const DirectoryStream entries = streamOn(current.get());
        if (!entries)
            return false;
        while (const dirent *entry = ::readdir(entries.get())) {
            if (isDotOrDotDot(entry->d_name))
                continue;
            struct stat info {};
            if (::fstatat(current.get(), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
                continue; // just removed
            if (info.st_dev != device)
                continue;
            if (S_ISDIR(info.st_mode))
                level.pending.emplace_back(entry->d_name);
            else if (info.st_nlink < 2 || linked.insert(info.st_ino).second)
                bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
        }
        levels.push_back(std::move(level));
        return true;
    };

    if (!enter())
        return std::nullopt;
    while (!levels.empty()) {
        if (levels.back().pending.empty()) {
            levels.pop_back();
            if (levels.empty())
                break;
            Descriptor parent(::openat(current.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            struct stat info {};
            // Moved elsewhere while we were inside: what was counted so far is the best answer.
            if (!parent.valid() || ::fstat(parent.get(), &info) < 0
                || info.st_dev != levels.back().device || info.st_ino != levels.back().inode)
                break;
            current = std::move(parent);
            continue;
        }
        const std::string name = std::move(levels.back().pending.back());
        levels.back().pending.pop_back();
        Descriptor child(
            ::openat(current.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!child.valid()) {
            if (errno == EACCES || errno == EPERM)
                return std::nullopt;
            continue;
        }
        Descriptor above = std::exchange(current, std::move(child));
        if (!enter()) {
            if (errno == EACCES)
                return std::nullopt;
            current = std::move(above);
        }
    }
    return bytes;
}

} // namespace moru::engine
