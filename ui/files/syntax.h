// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QObject;
class QsciLexer;
class QsciScintilla;

/// Languages and colours of the editor.
namespace moru::syntax {

/// A lexer for a file of this name ("Dockerfile", "a.py"), or, failing that, of this first line
/// ("#!/usr/bin/env python3"); null for plain text. Owned by `parent`.
[[nodiscard]] QsciLexer *lexerFor(const QString &fileName, const QString &firstLine,
                                  QObject *parent);

/// Gives the editor, and the lexer if any, the colours of the theme in force. Every colour of a
/// lexer is moved in lightness until it is readable on the background.
void applyTheme(QsciScintilla &editor, QsciLexer *lexer);

} // namespace moru::syntax
