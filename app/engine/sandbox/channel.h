// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/agent.h"

#include <chrono>
#include <string>
#include <string_view>

namespace moru::engine {

/// What the process in the new namespaces is to do.
enum class Task {
    Serve,  ///< be PID 1 of a sandbox
    Probe,  ///< do everything Serve does, report what is there, end
    Layers, ///< fill the current directory with the shared lower layers
    Remove, ///< empty the current directory
    Measure ///< report the bytes used below the current directory
};

/// The orders for that process, sent over its channel.
struct Orders {
    Task task = Task::Serve;
    std::string hostName;
    bool singleUid = false; ///< only uid 0 exists inside
    AgentConfig agent;      ///< Serve only
};

std::string encode(const Orders &orders);
Orders decodeOrders(std::string_view text); ///< throws std::runtime_error

/// One message from inside: how it went.
struct Report {
    enum class Kind : char { Ready = 'R', Failed = 'E', Result = 'T' };
    Kind kind = Kind::Failed;
    int code = 0;     ///< errno of a failure
    std::string step; ///< of a failure
    std::string text; ///< sentence of a failure, or the result
};

/// Frames are a 32-bit length in host order and that many bytes. Both functions throw StepError;
/// `receive` also if the deadline passes, the peer is gone, or a frame is longer than 1 MiB.
void sendFrame(int fd, std::string_view bytes, std::chrono::steady_clock::time_point deadline);
std::string receiveFrame(int fd, std::chrono::steady_clock::time_point deadline);

std::string encode(const Report &report);
Report decodeReport(std::string_view frame);

/// Reports a failure using async-signal-safe calls only.
void reportFailureSafely(int fd, const char *step, int code) noexcept;

} // namespace moru::engine
