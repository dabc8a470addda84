// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QIcon>
#include <QObject>
#include <QString>

class QApplication;
class QPalette;

namespace moru::theme {

enum class Token {
    Running,
    Paused,
    Changing,
    Ended,
    Danger,
    Warning,
    Accent,
    Secondary,
    Hairline,
    Hover,
    PaleSelection, ///< behind selected rows of a view that has not the focus
    OnAccent,      ///< letters on the accent's fill
};
enum class Scheme { System, Light, Dark };

/// Sets style and palette of the application; follows the desktop while System. `assumeDark` is
/// what the desktop wanted last time: its answer comes later than the first paint.
void install(QApplication &app, bool assumeDark = false);
void setScheme(Scheme scheme);
[[nodiscard]] Scheme scheme();
[[nodiscard]] bool isDark();
/// Of terminals alone; System = as the application.
void setTerminalScheme(Scheme scheme);
[[nodiscard]] Scheme terminalScheme();
[[nodiscard]] bool isTerminalDark();
/// The token's colour for the palette in force.
[[nodiscard]] QColor color(Token token);

/// Contrast ratio of two opaque colours after WCAG 2, 1 to 21.
[[nodiscard]] double contrast(const QColor &one, const QColor &other);

/// A line icon by name ("kill", "pause", "play", "terminal", "folder", ...), drawn in the colour of
/// text (or `token`), with a greyed disabled form. Unknown names assert in debug builds.
[[nodiscard]] QIcon icon(const QString &name);
[[nodiscard]] QIcon icon(const QString &name, Token token);

/// Tells widgets that cache colours that the scheme changed.
class Notifier : public QObject {
    Q_OBJECT
signals:
    void changed();
};
[[nodiscard]] Notifier &notifier();

} // namespace moru::theme
