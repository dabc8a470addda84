// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/filesystem.h"

#include "app/engine/agent/connect.h"
#include "app/engine/agent/paths.h"
#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>

namespace moru::engine {

namespace {

/// A listing of more entries would not fit into any client.
constexpr int MostEntries = 1'000'000;
/// Folders held open while a tree is removed; deeper ones are found again by "..".
constexpr std::size_t MostOpen = 64;

[[noreturn]] void failInternal(const std::string &what, const std::string &path, int code)
{
    throw RpcError(RpcCode::Internal, what + " '" + toUtf8(path) + "': " + errorText(code));
}

struct CloseDir {
    void operator()(DIR *dir) const { ::closedir(dir); }
};
using Directory = std::unique_ptr<DIR, CloseDir>;

Directory openDirectory(int parent, const char *name, int extraFlags)
{
    FileDescriptor fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | extraFlags));
    if (!fd.isValid())
        return {};
    Directory directory(::fdopendir(fd.get()));
    if (directory)
        std::ignore = fd.release();
    return directory;
}

bool isDots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

filesystem::FileType typeOf(mode_t mode)
{
    if (S_ISREG(mode))
        return filesystem::FILE_TYPE_FILE;
    if (S_ISDIR(mode))
        return filesystem::FILE_TYPE_DIRECTORY;
    return filesystem::FILE_TYPE_UNSPECIFIED;
}

/// `info` is the entry itself (a link, not its target).
void fillEntry(filesystem::EntryInfo &entry, const std::string &path, const struct stat &info,
               const FileActor &actor, const Accounts &accounts)
{
    entry.set_name(toUtf8(baseName(path)));
    entry.set_path(toUtf8(path));
    entry.set_size(info.st_size);
    entry.set_permissions(permissionText(info.st_mode));
    entry.set_type(typeOf(info.st_mode));
    entry.set_mode(info.st_mode & 0777U);
    entry.mutable_modified_time()->set_seconds(info.st_mtim.tv_sec);
    entry.mutable_modified_time()->set_nanos(static_cast<std::int32_t>(info.st_mtim.tv_nsec));
    // Where only one id exists, everything is owned by it; what lies in a home is its user's.
    const Account *homeOwner = actor.userSwitch == UserSwitch::SingleUid && info.st_uid == 0
                                   ? accounts.ownerOfHome(path)
                                   : nullptr;
    entry.set_owner(toUtf8(homeOwner ? homeOwner->name : accounts.userName(info.st_uid)));
    entry.set_group(toUtf8(accounts.groupName(homeOwner ? homeOwner->gid : info.st_gid)));
    if (!S_ISLNK(info.st_mode))
        return;
    struct stat target {};
    if (::stat(path.c_str(), &target) != 0) {
        entry.set_type(filesystem::FILE_TYPE_UNSPECIFIED);
        return;
    }
    entry.set_type(typeOf(target.st_mode));
    entry.set_mode(target.st_mode & 0777U);
    if (char *real = ::realpath(path.c_str(), nullptr)) {
        entry.set_symlink_target(toUtf8(real));
        std::free(real);
    }
}

filesystem::EntryInfo entryOf(const std::string &path, const FileActor &actor, const char *notFound)
{
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT)
            throw RpcError(RpcCode::NotFound, notFound + (": '" + toUtf8(path) + "'"));
        failInternal("error getting file info of", path, errno);
    }
    const Accounts accounts(actor.rootPrefix);
    filesystem::EntryInfo entry;
    fillEntry(entry, path, info, actor, accounts);
    return entry;
}

/// Removes everything below one folder without ever building a path: trees may be deeper than any
/// path may be long.
class TreeRemover {
public:
    /// Takes the opened folder. Throws std::system_error.
    void run(Directory root)
    {
        push(std::move(root), {});
        while (true) {
            Level &level = m_levels.back();
            errno = 0;
            const dirent *entry = ::readdir(level.directory.get());
            if (entry) {
                removeOrEnter(entry->d_name);
                continue;
            }
            if (errno != 0)
                fail("read folder");
            if (m_levels.size() == 1)
                return;
            leave();
        }
    }

private:
    struct Level {
        Directory directory; ///< none when closed to save descriptors
        std::string name;    ///< in the level above
        dev_t device = 0;
        ino_t inode = 0;
    };

    [[noreturn]] static void fail(const char *what)
    {
        throw std::system_error(errno, std::generic_category(), what);
    }

    void push(Directory directory, std::string name)
    {
        struct stat info {};
        if (::fstat(::dirfd(directory.get()), &info) != 0)
            fail("stat folder");
        m_levels.push_back({std::move(directory), std::move(name), info.st_dev, info.st_ino});
        if (m_levels.size() > MostOpen)
            m_levels[m_levels.size() - 1 - MostOpen].directory.reset();
    }

    void removeOrEnter(const char *name)
    {
        if (isDots(name))
            return;
        const int fd = ::dirfd(m_levels.back().directory.get());
        if (::unlinkat(fd, name, 0) == 0 || errno == ENOENT)
            return;
        // Folders answer EISDIR here, on some file systems EPERM.
        const int code = errno;
        if (code != EISDIR && code != EPERM)
            fail("remove file");
        if (::unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return;
        if (errno == ENOTDIR) {
            errno = code;
            fail("remove file");
        }
        if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)
            fail("remove folder");
        std::string kept = name;
        Directory child = openDirectory(fd, name, O_NOFOLLOW);
        if (!child && errno == EACCES && ::fchmodat(fd, name, 0700, 0) == 0)
            child = openDirectory(fd, name, O_NOFOLLOW);
        if (!child)
            fail("open folder");
        push(std::move(child), std::move(kept));
    }

    void leave()
    {
        Level done = std::move(m_levels.back());
        m_levels.pop_back();
        Level &above = m_levels.back();
        if (!above.directory) {
            above.directory = openDirectory(::dirfd(done.directory.get()), "..", 0);
            struct stat info {};
            if (!above.directory || ::fstat(::dirfd(above.directory.get()), &info) != 0)
                fail("reopen folder");
            // Somebody moved the tree while it was being removed: what is above now is not ours.
            if (info.st_dev != above.device || info.st_ino != above.inode) {
                errno = ESTALE;
                fail("reopen folder");
            }
        }
        done.directory.reset();
        if (::unlinkat(::dirfd(above.directory.get()), done.name.c_str(), AT_REMOVEDIR) == 0
            || errno == ENOENT)
            return;
        if (errno != ENOTEMPTY && errno != EEXIST)
            fail("remove folder");
        // Somebody put something in meanwhile: look again.
        Directory again =
            openDirectory(::dirfd(above.directory.get()), done.name.c_str(), O_NOFOLLOW);
        if (!again)
            fail("open folder");
        if (++m_repeats > 1000) {
            errno = ENOTEMPTY;
            fail("remove folder");
        }
        push(std::move(again), std::move(done.name));
    }

    std::vector<Level> m_levels;
    int m_repeats = 0;
};

std::vector<std::string> sortedNames(DIR *directory)
{
    std::vector<std::string> names;
    while (const dirent *entry = ::readdir(directory))
        if (!isDots(entry->d_name))
            names.emplace_back(entry->d_name);
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace

std::string permissionText(mode_t mode)
{
    std::string text;
    // Go's order of the letters, which is not that of ls.
    if (S_ISDIR(mode))
        text += 'd';
    if (S_ISLNK(mode))
        text += 'L';
    if (S_ISBLK(mode) || S_ISCHR(mode))
        text += 'D';
    if (S_ISFIFO(mode))
        text += 'p';
    if (S_ISSOCK(mode))
        text += 'S';
    if ((mode & S_ISUID) != 0)
        text += 'u';
    if ((mode & S_ISGID) != 0)
        text += 'g';
    if (S_ISCHR(mode))
        text += 'c';
    if ((mode & S_ISVTX) != 0)
        text += 't';
    if (text.empty())
        text += '-';
    static constexpr std::string_view letters = "rwxrwxrwx";
    for (std::size_t i = 0; i < letters.size(); ++i)
        text += (mode & (0400U >> i)) != 0 ? letters[i] : '-';
    return text;
}

void makeParents(const std::string &path, const FileActor &actor)
{
    // Walks down from the top, so that a parent that is a file is reported as such.
    std::size_t end = 0;
    while (end != std::string::npos) {
        end = path.find('/', end + 1);
        const std::string part = path.substr(0, end);
        if (part.empty() || part == "/" || part.back() == '/')
            continue;
        if (::mkdir(part.c_str(), 0755) == 0) {
            if (actor.chowns() && ::lchown(part.c_str(), actor.user.uid, actor.user.gid) != 0)
                throw std::system_error(errno, std::generic_category(), "chown " + part);
            continue;
        }
        const int code = errno;
        struct stat info {};
        // Whatever mkdir says of an existing folder (read-only file systems say EROFS), it is
        // there.
        if (::stat(part.c_str(), &info) == 0) {
            if (S_ISDIR(info.st_mode))
                continue;
            throw std::system_error(ENOTDIR, std::generic_category(), "mkdir " + part);
        }
        throw std::system_error(code, std::generic_category(), "mkdir " + part);
    }
}

filesystem::EntryInfo statEntry(const std::string &path, const FileActor &actor)
{
    return entryOf(path, actor, "file not found");
}

void listDirectory(const std::string &path, std::uint32_t depth, const FileActor &actor,
                   filesystem::ListDirResponse &response)
{
    const FileDescriptor root(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!root.isValid()) {
        if (errno == ENOENT)
            throw RpcError(RpcCode::NotFound, "directory not found: '" + toUtf8(path) + "'");
        if (errno == ELOOP)
            throw RpcError(RpcCode::FailedPrecondition,
                           "too many symbolic links: '" + toUtf8(path) + "'");
        failInternal("error opening", path, errno);
    }
    struct stat info {};
    if (::fstat(root.get(), &info) != 0)
        failInternal("error getting file info of", path, errno);
    if (!S_ISDIR(info.st_mode))
        throw RpcError(RpcCode::InvalidArgument, "path is not a directory: '" + toUtf8(path) + "'");
    Directory top = openDirectory(root.get(), ".", 0);
    if (!top)
        failInternal("error reading directory", path, errno);

    const Accounts accounts(actor.rootPrefix);
    std::string folder = path;
    while (folder.size() > 1 && folder.back() == '/')
        folder.pop_back();
    struct Level {
        std::string below; ///< the folder relative to the listed one, empty or ending in '/'
        std::vector<std::string> names;
        std::size_t next = 0;
    };
    std::vector<Level> levels;
    levels.push_back({{}, sortedNames(top.get()), 0});
    top.reset();
    const std::uint32_t most = std::max<std::uint32_t>(depth, 1);
    while (!levels.empty()) {
        Level &level = levels.back();
        if (level.next == level.names.size()) {
            levels.pop_back();
            continue;
        }
        const std::string relative = level.below + level.names[level.next++];
        struct stat entry {};
        // Gone meanwhile, or too deep to be named: left out.
        if (::fstatat(root.get(), relative.c_str(), &entry, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        fillEntry(*response.add_entries(), joinPath(folder, relative), entry, actor, accounts);
        if (response.entries_size() > MostEntries)
            throw RpcError(RpcCode::ResourceExhausted, "too many entries: list with less depth");
        if (!S_ISDIR(entry.st_mode) || levels.size() >= most)
            continue;
        if (const Directory child = openDirectory(root.get(), relative.c_str(), O_NOFOLLOW))
            levels.push_back({relative + '/', sortedNames(child.get()), 0});
    }
}

filesystem::EntryInfo makeDirectory(const std::string &path, const FileActor &actor)
{
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode))
            throw RpcError(RpcCode::AlreadyExists,
                           "directory already exists: '" + toUtf8(path) + "'");
        throw RpcError(RpcCode::InvalidArgument,
                       "path exists and is not a directory: '" + toUtf8(path) + "'");
    }
    try {
        makeParents(path, actor);
    } catch (const std::system_error &e) {
        throw RpcError(RpcCode::Internal, std::string("error creating directory: ") + e.what());
    }
    return entryOf(path, actor, "directory not found");
}

filesystem::EntryInfo movePath(const std::string &source, const std::string &destination,
                               const FileActor &actor)
{
    struct stat info {};
    if (::lstat(source.c_str(), &info) != 0) {
        if (errno == ENOENT)
            throw RpcError(RpcCode::NotFound, "source file not found: '" + toUtf8(source) + "'");
        failInternal("error getting file info of", source, errno);
    }
    try {
        makeParents(parentPath(destination), actor);
    } catch (const std::system_error &e) {
        throw RpcError(RpcCode::Internal,
                       std::string("error creating parent directory: ") + e.what());
    }
    if (::rename(source.c_str(), destination.c_str()) != 0) {
        const int code = errno;
        if (code == ENOENT && ::lstat(source.c_str(), &info) != 0)
            throw RpcError(RpcCode::NotFound, "source file not found: '" + toUtf8(source) + "'");
        failInternal("error renaming to", destination, code);
    }
    return entryOf(destination, actor, "file not found");
}

void removePath(const std::string &path)
{
    const std::string cleaned = cleanPath(path);
    if (cleaned == "/")
        throw RpcError(RpcCode::InvalidArgument, "refusing to remove the root directory");
    if (::unlink(path.c_str()) == 0 || errno == ENOENT)
        return;
    const int code = errno;
    if (code != EISDIR && code != EPERM && code != ENOTDIR)
        failInternal("error removing", path, code);
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT)
        return;
    if (errno != ENOTEMPTY && errno != EEXIST)
        failInternal("error removing", path, errno == ENOTDIR ? code : errno);
    try {
        Directory root = openDirectory(AT_FDCWD, path.c_str(), O_NOFOLLOW);
        if (!root && errno == EACCES && ::chmod(path.c_str(), 0700) == 0)
            root = openDirectory(AT_FDCWD, path.c_str(), O_NOFOLLOW);
        if (!root)
            failInternal("error removing", path, errno);
        TreeRemover().run(std::move(root));
    } catch (const std::system_error &e) {
        throw RpcError(RpcCode::Internal, "error removing '" + toUtf8(path) + "': " + e.what());
    }
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
        failInternal("error removing", path, errno);
}

} // namespace moru::engine
