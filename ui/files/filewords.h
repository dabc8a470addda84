// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"
#include "app/stores/filename.h"
#include "app/stores/textfile.h"
#include "app/stores/transferqueue.h"

#include <QString>

/// What the file pane says. Plain text.
namespace moru::filewords {

/// An error of a file operation in one sentence.
[[nodiscard]] QString sentence(const Error &error);
/// Why a typed name is not possible; empty for Problem::None.
[[nodiscard]] QString problem(filename::Problem problem);
/// Why a file is not opened in the editor, with what to do instead.
[[nodiscard]] QString refusal(TextRefusal refusal, qint64 size);
/// "42 % - 3.1 MiB/s", "waiting", "done, 12 MiB".
[[nodiscard]] QString state(const TransferItem &item);
/// "1.2 KiB, 4 min ago".
[[nodiscard]] QString side(const TransferItem::Side &side);
/// "UTF-8 with BOM, CRLF".
[[nodiscard]] QString encoding(bool bom, TextContent::LineEnd lineEnd, bool mixed);

} // namespace moru::filewords
