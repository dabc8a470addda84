// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"

class QDialog;
class QLabel;
class QVBoxLayout;
class QWidget;

namespace moru::dialogparts {

/// The frame every dialog shares: 16 px around, 12 between, 480 px wide at least; frees itself.
QVBoxLayout *frame(QDialog &dialog, const QString &name);
/// The question, in larger semibold letters.
QLabel *heading(const QString &text, QWidget *parent);
/// Wrapped plain text that can be selected.
QLabel *text(const QString &text, QWidget *parent);
/// As high as its wrapped texts are at its width; a layout guesses more.
void fit(QDialog &dialog);
/// "in Acme", with the word PRODUCTION where that is so.
QString where(const ConnectionSpec &spec);
/// A line with the connection and, for a production one, the word in its colour.
QWidget *connectionLine(const ConnectionSpec &spec, QWidget *parent);
/// The colour a production connection is marked with.
QColor productionColor(const ConnectionSpec &spec);

} // namespace moru::dialogparts
