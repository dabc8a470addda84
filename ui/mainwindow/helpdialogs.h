// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QString>

class QAction;
class QWidget;

namespace moru {

/// A page with every shortcut of `actions`, grouped by `section` (a property of the action), and
/// the keys that belong to single views.
void showShortcuts(QWidget *parent, const QList<QAction *> &actions);
/// Name, version, licence, what it is built with.
void showAbout(QWidget *parent);

} // namespace moru
