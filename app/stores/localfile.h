// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QString>

/// The last step of a download. Blocks on the disk: meant for a worker thread.
namespace moru::localfile {

/// Makes the content of `temporary` durable and gives it the name `target` in the same folder in
/// one step. With `replace` an older file gives way (a link is replaced, not followed); without, an
/// existing target is Conflict and stays. On failure `temporary` is left to the caller.
[[nodiscard]] Result<> commit(const QString &temporary, const QString &target, bool replace);

} // namespace moru::localfile
