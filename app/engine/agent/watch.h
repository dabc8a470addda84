// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/fd.h"

#include <filesystem.pb.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/inotify.h>

namespace moru::engine {

/// One watched folder, by inotify, with its subfolders if wanted. No event loop inside: the owner
/// waits for fd() to become readable, calls read(), and hands new folders to addTree(), which may
/// block.
class DirectoryWatch {
public:
    using Events = std::vector<filesystem::FilesystemEvent>;

    /// Blocking. Throws RpcError (not_found, invalid_argument, resource_exhausted, internal).
    DirectoryWatch(std::string path, bool recursive);

    [[nodiscard]] int fd() const { return m_fd.get(); }

    struct NewFolder {
        std::string name;     ///< relative to the watched folder
        bool created = false; ///< false: moved in with everything inside
    };
    /// Takes what the kernel has, without waiting. Afterwards each of `folders` has to be given to
    /// addTree(). Throws RpcError when events were lost.
    void read(Events &events, std::vector<NewFolder> &folders);
    /// Watches a folder that appeared, and those below it. What was put into a created folder
    /// before we could watch it is reported here. Blocking.
    void addTree(const NewFolder &folder, Events &events);

private:
    bool add(const std::string &name);
    void forgetTree(const std::string &name);
    void take(const inotify_event &event, Events &events, std::vector<NewFolder> &folders);

    std::string m_path;
    bool m_recursive;
    FileDescriptor m_fd;
    std::map<int, std::string> m_names; ///< watch descriptor to folder; "" is the watched one
    std::map<std::string, int> m_watches;
    /// Reported by addTree; the kernel's own CREATE for them is still in its queue.
    std::set<std::string> m_reported;
};

} // namespace moru::engine
