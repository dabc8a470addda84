// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/channel.h"
#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/identity.h"

#include <chrono>
#include <cstdint>
#include <string>

#include <sys/types.h>

namespace moru::engine {

/// Descriptors the re-executed program finds open; nothing else is, but 0 to 2 on /dev/null.
enum InheritedDescriptor : int {
    ChannelFd = 3, ///< orders come, reports go
    ListenFd = 4,  ///< Serve: the agent's listening socket
    LayersFd = 5   ///< Serve, Probe: directory of the shared lower layers
};

struct SpawnRequest {
    std::uint64_t namespaces = 0; ///< CLONE_NEW... flags, always with CLONE_NEWUSER
    std::string workDirectory;    ///< current directory of the new process
    std::string layersDirectory;  ///< opened as LayersFd; may be empty
    int listenFd = -1;            ///< passed as ListenFd; may be -1
    int cgroupFd = -1;            ///< version 2 directory to be born in; may be -1
    bool onlyMap = false;         ///< stop after the id map: nothing is executed
};

struct Spawned {
    pid_t pid = -1;
    Descriptor pidfd;
    Descriptor channel;
};

/// Starts a process in new namespaces, makes it uid 0 inside and has it execute the sealed copy of
/// this program, which waits for orders on its channel. May be called from any thread. Throws
/// StepError; then nothing is left running.
Spawned spawnInNamespaces(const Identity &identity, const SpawnRequest &request);

/// Kills and reaps a process made by spawnInNamespaces.
void endProcess(Spawned &process);

/// Sends the orders and waits for the answer. Throws StepError, also for a reported failure.
Report giveOrders(const Spawned &process, const Orders &orders, std::chrono::milliseconds patience);

/// A small job done as root of a user namespace with this identity: Task::Layers, Remove, Measure
/// in a directory. Returns the result's text. Throws StepError.
std::string runTask(const Identity &identity, Task task, const std::string &directory,
                    std::chrono::milliseconds patience);

} // namespace moru::engine
