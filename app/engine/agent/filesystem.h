// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/accounts.h"
#include "app/engine/agent/agent.h"

#include <filesystem.pb.h>

#include <string>

#include <sys/stat.h>

namespace moru::engine {

/// Who a file system operation is done for. envd acts as root; only what it makes is given to the
/// user.
struct FileActor {
    Account user;
    UserSwitch userSwitch = UserSwitch::Real;
    std::string rootPrefix;
    /// True when created things have to be given away.
    [[nodiscard]] bool chowns() const { return userSwitch == UserSwitch::Real; }
};

// Blocking, for worker threads. Paths are resolved ones. All throw RpcError.
filesystem::EntryInfo statEntry(const std::string &path, const FileActor &actor);
void listDirectory(const std::string &path, std::uint32_t depth, const FileActor &actor,
                   filesystem::ListDirResponse &response);
filesystem::EntryInfo makeDirectory(const std::string &path, const FileActor &actor);
filesystem::EntryInfo movePath(const std::string &source, const std::string &destination,
                               const FileActor &actor);
/// Of any depth; a missing path is fine.
void removePath(const std::string &path);

/// mkdir -p with mode 0755; what is new belongs to the user. Throws std::system_error.
void makeParents(const std::string &path, const FileActor &actor);

/// As Go prints a file mode: "-rw-r--r--", "dtrwxrwxrwx", "Lrwxrwxrwx".
std::string permissionText(mode_t mode);

} // namespace moru::engine
