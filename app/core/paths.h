// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace moru::paths {

/// Settings, for instance ~/.config/moru-desktop. None of these functions creates a folder.
QString configDir();
/// What the user would miss if it were gone, for instance ~/.local/share/moru-desktop.
QString dataDir();
/// Logs and the like, for instance ~/.local/state/moru-desktop.
QString stateDir();
/// moru-local's default state directory: ${XDG_DATA_HOME:-$HOME/.local/share}/moru-local.
QString engineStateDir();

} // namespace moru::paths
