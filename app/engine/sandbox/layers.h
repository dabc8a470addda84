// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moru::engine {

/// A directory of a sandbox that is an overlay.
struct TopDirectory {
    std::string name;      ///< without slash at the start
    bool fromHost = false; ///< the host's directory of this name is the lowest layer
};

/// The overlays of a sandbox on this machine, outer ones first.
std::vector<TopDirectory> topDirectories();
/// The links between top directories that the host has (bin -> usr/bin).
std::vector<std::string> topLinks();

/// A short text that changes when the layers made from this host's files would change.
std::string layersStamp();

/// Fills the current directory with one lower layer for each top directory. Runs as root of a
/// user namespace, so that the kernel itself limits it to what an ordinary user of the host may
/// read.
///
/// usr, opt: the host's directories without their content. A sandbox may not write into directories
/// that belong to the host's root; these belong to its own root and are merged with the host's.
/// etc, var: an allow-listed copy of what everybody may read, and our own account files.
///
/// The host's files keep their owner, who does not exist inside: root of a sandbox has no power
/// over them, and a file that only the host's root may read stays unreadable. Mounts with shifted
/// owners would show prettier names, and every such secret below /usr and /opt.
void makeLayers(bool singleUid);

/// Lines of a passwd or group file for inside: the host's system entries without passwords and
/// members, then ours.
std::string accountsForInside(std::string_view hostPasswd);
std::string groupsForInside(std::string_view hostGroup);
/// Locked entries for every account or group of such a file.
std::string shadowForInside(std::string_view accounts, bool groups);
/// True if a list of package sources holds a password ("https://name:word@host/").
bool holdsCredentials(std::string_view sources);

} // namespace moru::engine
