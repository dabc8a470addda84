// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QString>
#include <QtCore/qnamespace.h>

namespace moru {

/// The modes a program sets that change what a key sends.
struct KeyModes {
    bool applicationCursor = false; ///< DECCKM
    bool applicationKeypad = false; ///< DECKPAM
    bool newline = false;           ///< LNM: Enter sends CR LF
    friend bool operator==(const KeyModes &, const KeyModes &) = default;
};

/// What a key press sends to the program: the bytes xterm sends, which is what terminfo's
/// xterm-256color promises. Control keys are sent plainly (Ctrl+I is a tab), never in the CSI-u
/// form. Alt is an ESC before the key. An empty answer means that the key is not the program's.
namespace keyencoder {
/// `text` is what the keyboard layout made of the key.
[[nodiscard]] QByteArray encode(int key, Qt::KeyboardModifiers modifiers, const QString &text,
                                const KeyModes &modes);
} // namespace keyencoder

/// Text on its way into a program.
namespace paste {
/// Newlines become CR. Between bracketed-paste marks ESC and the like are removed, so that the text
/// cannot end the bracket and type commands of its own.
[[nodiscard]] QByteArray encode(const QString &text, bool bracketed);

struct Risk {
    int lines = 1;
    bool control = false;  ///< control characters beyond newline and tab
    bool longText = false; ///< more than 5,000 characters
    /// Whether to ask first. Inside a bracket a shell does not run pasted lines by itself.
    [[nodiscard]] bool any() const { return lines > 1 || control || longText; }
};
[[nodiscard]] Risk examine(const QString &text);
/// The text without control characters other than newline and tab.
[[nodiscard]] QString withoutControls(const QString &text);
} // namespace paste

} // namespace moru
