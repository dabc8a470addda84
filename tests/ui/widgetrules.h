// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStringList>

class QMenu;
class QMenuBar;
class QWidget;

namespace moru::test {

/// Widgets below `root` that Tab can reach and that are on screen, but lack an object name or a
/// name that a screen reader could say. One line each; empty = all is well.
QStringList unnamedWidgets(const QWidget &root);

/// Alt letters that two visible things below `root` share (buttons, buddies, tabs).
QStringList sharedMnemonics(const QWidget &root);
/// Letters that two entries of one menu share, sub-menus included.
QStringList sharedMnemonics(const QMenu &menu);
QStringList sharedMnemonics(const QMenuBar &bar);

/// Object names in the order in which Tab reaches them, starting anywhere, for visible widgets.
QStringList tabOrder(const QWidget &window);

} // namespace moru::test
