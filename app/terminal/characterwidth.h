// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru {

/// Columns that a printable code point takes: 0 (joins the character before it), 1 or 2.
///
/// The answer is libvterm's own, found by asking it, one block of 256 code points at a time and on
/// first use: the cursor it keeps and the cells we keep must never disagree. Not thread safe; the
/// terminal lives on the GUI thread.
[[nodiscard]] int characterWidth(char32_t cp);

} // namespace moru
