// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru {

/// Makes terminals readable for screen readers: the visible rows as text, with cursor and
/// selection. Installed once; harmless when called again.
void installTerminalAccessibility();

} // namespace moru
