// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/keyencoder.h"

#include <algorithm>
#include <array>
#include <optional>

namespace moru {
namespace {

struct FunctionKey {
    int key;
    char final;          ///< '~' = numbered form
    int number;          ///< of the numbered form; for others 1
    bool cursor = false; ///< follows DECCKM
    bool ss3 = false;    ///< ESC O without modifiers
};

constexpr std::array functionKeys{
    FunctionKey{Qt::Key_Up, 'A', 1, true},
    FunctionKey{Qt::Key_Down, 'B', 1, true},
    FunctionKey{Qt::Key_Right, 'C', 1, true},
    FunctionKey{Qt::Key_Left, 'D', 1, true},
    FunctionKey{Qt::Key_Home, 'H', 1, true},
    FunctionKey{Qt::Key_End, 'F', 1, true},
    FunctionKey{Qt::Key_Insert, '~', 2},
    FunctionKey{Qt::Key_Delete, '~', 3},
    FunctionKey{Qt::Key_PageUp, '~', 5},
    FunctionKey{Qt::Key_PageDown, '~', 6},
    FunctionKey{Qt::Key_F1, 'P', 1, false, true},
    FunctionKey{Qt::Key_F2, 'Q', 1, false, true},
    FunctionKey{Qt::Key_F3, 'R', 1, false, true},
    FunctionKey{Qt::Key_F4, 'S', 1, false, true},
    FunctionKey{Qt::Key_F5, '~', 15},
    FunctionKey{Qt::Key_F6, '~', 17},
    FunctionKey{Qt::Key_F7, '~', 18},
    FunctionKey{Qt::Key_F8, '~', 19},
    FunctionKey{Qt::Key_F9, '~', 20},
    FunctionKey{Qt::Key_F10, '~', 21},
    FunctionKey{Qt::Key_F11, '~', 23},
    FunctionKey{Qt::Key_F12, '~', 24},
};

int modifierNumber(Qt::KeyboardModifiers modifiers)
{
    return 1 + (modifiers & Qt::ShiftModifier ? 1 : 0) + (modifiers & Qt::AltModifier ? 2 : 0)
           + (modifiers & Qt::ControlModifier ? 4 : 0);
}

QByteArray functionKey(const FunctionKey &key, int modifier, const KeyModes &modes)
{
    if (key.final == '~') {
        QByteArray out = "\x1b[" + QByteArray::number(key.number);
        if (modifier > 1)
            out += ';' + QByteArray::number(modifier);
        return out + '~';
    }
    if (modifier > 1)
        return "\x1b[1;" + QByteArray::number(modifier) + key.final;
    const bool ss3 = key.ss3 || (key.cursor && modes.applicationCursor);
    return QByteArray(ss3 ? "\x1bO" : "\x1b[") + key.final;
}

/// What Ctrl makes of a key, where ASCII has something for it.
std::optional<char> controlCharacter(int key)
{
    if (key >= Qt::Key_A && key <= Qt::Key_Z)
        return static_cast<char>(key - Qt::Key_A + 1);
    switch (key) {
    case Qt::Key_Space:
    case Qt::Key_At:
    case Qt::Key_2:
        return '\0';
    case Qt::Key_BracketLeft:
    case Qt::Key_BraceLeft:
    case Qt::Key_3:
        return '\x1b';
    case Qt::Key_Backslash:
    case Qt::Key_Bar:
    case Qt::Key_4:
        return '\x1c';
    case Qt::Key_BracketRight:
    case Qt::Key_BraceRight:
    case Qt::Key_5:
        return '\x1d';
    case Qt::Key_AsciiCircum:
    case Qt::Key_AsciiTilde:
    case Qt::Key_6:
        return '\x1e';
    case Qt::Key_Underscore:
    case Qt::Key_Slash:
    case Qt::Key_Minus:
    case Qt::Key_7:
        return '\x1f';
    case Qt::Key_Question:
    case Qt::Key_8:
        return '\x7f';
    default:
        return std::nullopt;
    }
}

QByteArray keypadKey(int key)
{
    switch (key) {
    case Qt::Key_Enter:
        return QByteArrayLiteral("\x1bOM");
    case Qt::Key_Asterisk:
        return QByteArrayLiteral("\x1bOj");
    case Qt::Key_Plus:
        return QByteArrayLiteral("\x1bOk");
    case Qt::Key_Comma:
        return QByteArrayLiteral("\x1bOl");
    case Qt::Key_Minus:
        return QByteArrayLiteral("\x1bOm");
    case Qt::Key_Period:
        return QByteArrayLiteral("\x1bOn");
    case Qt::Key_Slash:
        return QByteArrayLiteral("\x1bOo");
    case Qt::Key_Equal:
        return QByteArrayLiteral("\x1bOX");
    default:
        if (key >= Qt::Key_0 && key <= Qt::Key_9)
            return QByteArray("\x1bO") + static_cast<char>('p' + (key - Qt::Key_0));
        return {};
    }
}

} // namespace

QByteArray keyencoder::encode(int key, Qt::KeyboardModifiers modifiers, const QString &text,
                              const KeyModes &modes)
{
    const bool shift = modifiers & Qt::ShiftModifier;
    const bool control = modifiers & Qt::ControlModifier;
    const bool alt = modifiers & Qt::AltModifier;
    if (modifiers & Qt::MetaModifier)
        return {};
    const QByteArray prefix = alt ? QByteArrayLiteral("\x1b") : QByteArray();

    if (modes.applicationKeypad && (modifiers & Qt::KeypadModifier) && !control && !alt) {
        const QByteArray sequence = keypadKey(key);
        if (!sequence.isEmpty())
            return sequence;
    }

    switch (key) {
    case Qt::Key_Return:
    case Qt::Key_Enter:
        return prefix + (modes.newline ? "\r\n" : "\r");
    case Qt::Key_Escape:
        return prefix + '\x1b';
    case Qt::Key_Backspace:
        return prefix + (control ? '\x08' : '\x7f');
    case Qt::Key_Backtab:
        return prefix + "\x1b[Z";
    case Qt::Key_Tab:
        return prefix + (shift ? "\x1b[Z" : "\t");
    default:
        break;
    }
    for (const FunctionKey &candidate : functionKeys) {
        if (candidate.key == key)
            return functionKey(candidate, modifierNumber(modifiers), modes);
    }

    // AltGr arrives as Ctrl+Alt on Windows; then the layout has made a character of it.
    if (control && alt && !text.isEmpty() && text[0].isPrint() && !text[0].isSpace())
        return text.toUtf8();
    if (control) {
        if (const auto character = controlCharacter(key))
            return prefix + *character;
        // A layout without Latin letters gives the control character as text.
        if (text.size() == 1 && (text[0].unicode() < 0x20 || text[0].unicode() == 0x7f))
            return prefix + text.toLatin1();
        if (text.isEmpty())
            return {};
    }
    if (text.isEmpty())
        return {};
    return prefix + text.toUtf8();
}

QByteArray paste::encode(const QString &text, bool bracketed)
{
    QString plain = text;
    plain.replace(QLatin1String("\r\n"), QLatin1String("\r"));
    plain.replace(u'\n', u'\r');
    if (!bracketed)
        return plain.toUtf8();
    plain.removeIf([](QChar c) {
        const char16_t u = c.unicode();
        return (u < 0x20 && u != u'\r' && u != u'\t') || u == 0x7f || (u >= 0x80 && u < 0xa0);
    });
    return "\x1b[200~" + plain.toUtf8() + "\x1b[201~";
}

paste::Risk paste::examine(const QString &text)
{
    Risk risk;
    QString normal = text;
    normal.replace(QLatin1String("\r\n"), QLatin1String("\n"));
    // One newline at the very end still runs the command, so it counts as a line of its own.
    risk.lines = 1 + static_cast<int>(std::count_if(normal.cbegin(), normal.cend(), [](QChar c) {
                     return c == u'\n' || c == u'\r';
                 }));
    risk.control = std::any_of(normal.cbegin(), normal.cend(), [](QChar c) {
        const char16_t u = c.unicode();
        return (u < 0x20 && u != u'\n' && u != u'\r' && u != u'\t') || (u >= 0x7f && u < 0xa0);
    });
    risk.longText = text.size() > 5000;
    return risk;
}

QString paste::withoutControls(const QString &text)
{
    QString out = text;
    out.removeIf([](QChar c) {
        const char16_t u = c.unicode();
        return (u < 0x20 && u != u'\n' && u != u'\r' && u != u'\t') || (u >= 0x7f && u < 0xa0);
    });
    return out;
}

} // namespace moru
