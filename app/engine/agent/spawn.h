// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/accounts.h"
#include "app/engine/agent/agent.h"
#include "app/engine/http/fd.h"

#include <optional>
#include <string>
#include <vector>

#include <sys/ioctl.h>
#include <sys/types.h>

namespace moru::engine {

/// The search path of sandbox processes, and of lookups for them.
inline constexpr const char *SandboxPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct SpawnPlan {
    std::string program; ///< as asked for; looked up in SandboxPath when it has no slash
    std::vector<std::string> arguments;   ///< without argv[0]
    std::vector<std::string> environment; ///< "NAME=value"
    std::string workdir;
    Account user;
    UserSwitch userSwitch = UserSwitch::Real;
    std::optional<winsize> terminal; ///< a PTY of this size instead of pipes
    bool stdinPipe = true;           ///< else /dev/null; without meaning for a PTY
};

struct Spawned {
    pid_t pid = 0;
    FileDescriptor failure; ///< carries a SpawnFailure, or nothing when exec worked
    FileDescriptor input;   ///< stdin or a second descriptor of the PTY; may be none
    FileDescriptor output;  ///< stdout or the PTY
    FileDescriptor errors;  ///< stderr; none with a PTY
};

/// What the child reports through `Spawned::failure` before it ends with 127.
struct SpawnFailure {
    enum class Step : int { Session, Streams, User, Directory, Exec };
    Step step = Step::Exec;
    int code = 0; ///< errno
    [[nodiscard]] std::string message() const;
};

/// Forks and executes; all descriptors are non-blocking and close-on-exec. Throws std::system_error
/// if the child could not be made. A child that cannot execute its program tells so through
/// `failure`.
Spawned spawn(const SpawnPlan &plan);

} // namespace moru::engine
