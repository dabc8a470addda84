// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/cell.h"

#include <QColor>
#include <QHash>

#include <array>

namespace moru {

/// The colours that a program's sixteen names and the defaults stand for, in the light or the dark
/// scheme, and the rule that keeps text readable on whatever background it lands on.
class TerminalColors {
public:
    explicit TerminalColors(bool dark = false);

    [[nodiscard]] bool isDark() const { return m_dark; }
    [[nodiscard]] QRgb foreground() const { return m_foreground; }
    [[nodiscard]] QRgb background() const { return m_background; }
    [[nodiscard]] QRgb cursor() const { return m_cursor; }
    [[nodiscard]] QRgb selection() const { return m_selection; }
    [[nodiscard]] const std::array<quint32, 16> &palette() const { return m_palette; }

    struct Pair {
        QRgb fg = 0;
        QRgb bg = 0;
    };
    /// Text and background of a cell: reverse, dim and conceal applied. Colours that a program
    /// named (not those it gave as numbers) are shifted until text stands out by 3:1.
    [[nodiscard]] Pair resolve(const Cell &cell, bool reverseScreen) const;
    /// `fg` moved towards black or white until it stands out from `bg` by 3:1.
    [[nodiscard]] QRgb readable(QRgb fg, QRgb bg) const;

private:
    [[nodiscard]] QRgb color(CellColor color, QRgb fallback) const;

    bool m_dark;
    QRgb m_foreground;
    QRgb m_background;
    QRgb m_cursor;
    QRgb m_selection;
    std::array<quint32, 16> m_palette;
    mutable QHash<quint64, QRgb> m_readable;
};

} // namespace moru
