// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace moru::engine {

/// An account inside has no more, so that one sandbox cannot use up the host's process ids.
inline constexpr unsigned MostProcesses = 8192;

/// Host name and loopback of the new namespaces. Throws StepError.
void nameAndConnect(const std::string &hostName);

/// Takes from this process and all its descendants what a sandbox must not have: further
/// namespaces, the kernel's session keyring, dangerous system calls and most capabilities. Not
/// no_new_privs: sudo has to work inside. Throws StepError.
void harden(bool singleUid);

} // namespace moru::engine
