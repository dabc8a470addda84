// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/watch.h"

#include "app/engine/agent/connect.h"
#include "app/engine/agent/paths.h"
#include "app/engine/http/text.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace moru::engine {

namespace {

constexpr std::uint32_t Mask = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY
                               | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

std::string within(const std::string &folder, std::string_view name)
{
    return folder.empty() ? std::string(name) : folder + '/' + std::string(name);
}

void append(DirectoryWatch::Events &events, const std::string &name, filesystem::EventType type)
{
    filesystem::FilesystemEvent event;
    event.set_name(toUtf8(name));
    event.set_type(type);
    events.push_back(std::move(event));
}

} // namespace

DirectoryWatch::DirectoryWatch(std::string path, bool recursive)
    : m_path(std::move(path))
    , m_recursive(recursive)
{
    struct stat info {};
    const std::string shown = '\'' + toUtf8(m_path) + '\'';
    if (::stat(m_path.c_str(), &info) != 0) {
        if (errno == ENOENT)
            throw RpcError(RpcCode::NotFound, "path not found: " + shown);
        throw RpcError(RpcCode::Internal, "error getting file info of " + shown + ": "
                                              + std::generic_category().message(errno));
    }
    if (!S_ISDIR(info.st_mode))
        throw RpcError(RpcCode::InvalidArgument, "path is not a directory: " + shown);
    m_fd = FileDescriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!m_fd.isValid())
        throw RpcError(errno == EMFILE ? RpcCode::ResourceExhausted : RpcCode::Internal,
                       "error creating watcher: " + std::generic_category().message(errno));
    if (!add({}))
        throw RpcError(errno == ENOSPC ? RpcCode::ResourceExhausted : RpcCode::Internal,
                       "error watching " + shown + ": " + std::generic_category().message(errno));
    if (m_recursive) {
        Events nothing;
        addTree({{}, false}, nothing);
    }
}

bool DirectoryWatch::add(const std::string &name)
{
    const std::string path = name.empty() ? m_path : joinPath(m_path, name);
    // The watched folder itself may be named by a link, those inside are not followed.
    const std::uint32_t mask = Mask | IN_ONLYDIR | (name.empty() ? 0U : IN_DONT_FOLLOW);
    const int watch = ::inotify_add_watch(m_fd.get(), path.c_str(), mask);
    if (watch < 0)
        return false;
    m_names[watch] = name;
    m_watches[name] = watch;
    return true;
}

void DirectoryWatch::addTree(const NewFolder &folder, Events &events)
{
    if (!m_recursive)
        return;
    std::vector<std::string> pending{folder.name};
    while (!pending.empty()) {
        const std::string name = std::move(pending.back());
        pending.pop_back();
        if (!name.empty() && !add(name)) {
            if (errno == ENOSPC)
                throw RpcError(RpcCode::ResourceExhausted, "too many folders to watch");
            continue; // gone again, or no folder any more
        }
        const std::string path = name.empty() ? m_path : joinPath(m_path, name);
        const std::unique_ptr<DIR, int (*)(DIR *)> directory(::opendir(path.c_str()), ::closedir);
        while (const dirent *entry = directory ? ::readdir(directory.get()) : nullptr) {
            if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0)
                continue;
            const std::string child = within(name, entry->d_name);
            if (folder.created) {
                append(events, child, filesystem::EVENT_TYPE_CREATE);
                m_reported.insert(child);
            }
            bool isFolder = entry->d_type == DT_DIR;
            if (entry->d_type == DT_UNKNOWN) {
                struct stat info {};
                isFolder =
                    ::lstat(joinPath(m_path, child).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
            }
            if (isFolder)
                pending.push_back(child);
        }
    }
}

void DirectoryWatch::forgetTree(const std::string &name)
{
    const auto forget = [this](auto it) {
        ::inotify_rm_watch(m_fd.get(), it->second);
        m_names.erase(it->second);
        return m_watches.erase(it);
    };
    if (const auto it = m_watches.find(name); it != m_watches.end())
        forget(it);
    // '0' is the character behind '/': the range of everything below.
    const auto end = m_watches.lower_bound(name + '0');
    for (auto it = m_watches.lower_bound(name + '/'); it != end;)
        it = forget(it);
}

void DirectoryWatch::read(Events &events, std::vector<NewFolder> &folders)
{
    alignas(inotify_event) std::array<char, 16 * 1024> buffer;
    for (;;) {
        const ssize_t n = ::read(m_fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            throw RpcError(RpcCode::Internal,
                           "error reading events: " + std::generic_category().message(errno));
        if (n <= 0)
            break;
        for (std::size_t at = 0; at < static_cast<std::size_t>(n);) {
            const auto *event = reinterpret_cast<const inotify_event *>(buffer.data() + at);
            at += sizeof(inotify_event) + event->len;
            take(*event, events, folders);
        }
    }
    // Everything that happened before the last addTree() has been seen now.
    m_reported.clear();
}

void DirectoryWatch::take(const inotify_event &event, Events &events,
                          std::vector<NewFolder> &folders)
{
    if ((event.mask & IN_Q_OVERFLOW) != 0)
        throw RpcError(RpcCode::Internal, "events were lost: too many changes at once");
    const auto watched = m_names.find(event.wd);
    if (watched == m_names.end())
        return;
    if ((event.mask & IN_IGNORED) != 0) {
        const auto named = m_watches.find(watched->second);
        if (named != m_watches.end() && named->second == event.wd)
            m_watches.erase(named);
        m_names.erase(watched);
        return;
    }
    const std::string folder = watched->second;
    const bool itself = event.len == 0;
    // A watched subfolder tells about itself what its parent tells, too.
    if (itself && !folder.empty())
        return;
    const std::string name = itself ? std::string(".") : within(folder, event.name);
    const bool isFolder = (event.mask & IN_ISDIR) != 0 && !itself;
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        const bool known = (event.mask & IN_CREATE) != 0 && m_reported.erase(name) > 0;
        if (!known)
            append(events, name, filesystem::EVENT_TYPE_CREATE);
        if (isFolder && m_recursive && !m_watches.contains(name))
            folders.push_back({name, (event.mask & IN_CREATE) != 0});
    }
    if ((event.mask & (IN_MOVED_FROM | IN_MOVE_SELF)) != 0) {
        append(events, name, filesystem::EVENT_TYPE_RENAME);
        if (isFolder)
            forgetTree(name);
    }
    if ((event.mask & IN_ATTRIB) != 0)
        append(events, name, filesystem::EVENT_TYPE_CHMOD);
    if ((event.mask & IN_MODIFY) != 0)
        append(events, name, filesystem::EVENT_TYPE_WRITE);
    if ((event.mask & (IN_DELETE | IN_DELETE_SELF)) != 0)
        append(events, name, filesystem::EVENT_TYPE_REMOVE);
}

} // namespace moru::engine
