// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru::engine {

/// A descriptor of a sealed, anonymous copy of the running program, made at the first call and kept
/// for the life of the process. Sandboxes execute the copy: a process that got hold of /proc/1/exe
/// could otherwise write to the installed program. Close-on-exec. Throws StepError.
int selfImage();

} // namespace moru::engine
