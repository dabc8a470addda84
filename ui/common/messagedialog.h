// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QWidget;

namespace moru {

/// Opens a window-modal dialog with `text` to read and copy: a summary above, fixed-pitch plain
/// text in a box below. Frees itself when closed.
void showDetails(QWidget *parent, const QString &title, const QString &summary,
                 const QString &text);

} // namespace moru
