// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QRectF>

class QPainter;

namespace moru::boxdrawing {

/// Lines, corners, blocks and shades (U+2500 to U+259F) are drawn, not taken from the font, so that
/// they meet at the cells' edges whatever the font's metrics are.
[[nodiscard]] inline bool covers(char32_t cp)
{
    return cp >= 0x2500 && cp <= 0x259f;
}

/// `devicePixel` is the size of one physical pixel in the painter's units.
void draw(QPainter &painter, const QRectF &cell, char32_t cp, const QColor &color,
          qreal devicePixel);

} // namespace moru::boxdrawing
