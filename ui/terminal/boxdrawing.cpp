// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/boxdrawing.h"

#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace moru::boxdrawing {
namespace {

enum Weight { None, Light, Heavy, Double };

/// For U+2500 + index: the weights of the four arms, two bits each: left, right, up, down.
/// 0 = not made of arms (dashes, arcs, diagonals).
constexpr std::array<std::uint8_t, 128> arms{
    0x05, 0x0a, 0x50, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x44, 0x48, 0x84, 0x88,
    0x41, 0x42, 0x81, 0x82, 0x14, 0x18, 0x24, 0x28, 0x11, 0x12, 0x21, 0x22, 0x54, 0x58, 0x64, 0x94,
    0xa4, 0x68, 0x98, 0xa8, 0x51, 0x52, 0x61, 0x91, 0xa1, 0x62, 0x92, 0xa2, 0x45, 0x46, 0x49, 0x4a,
    0x85, 0x86, 0x89, 0x8a, 0x15, 0x16, 0x19, 0x1a, 0x25, 0x26, 0x29, 0x2a, 0x55, 0x56, 0x59, 0x5a,
    0x65, 0x95, 0xa5, 0x66, 0x69, 0x96, 0x99, 0x6a, 0x9a, 0xa6, 0xa9, 0xaa, 0x00, 0x00, 0x00, 0x00,
    0x0f, 0xf0, 0x4c, 0xc4, 0xcc, 0x43, 0xc1, 0xc3, 0x1c, 0x34, 0x3c, 0x13, 0x31, 0x33, 0x5c, 0xf4,
    0xfc, 0x53, 0xf1, 0xf3, 0x4f, 0xc5, 0xcf, 0x1f, 0x35, 0x3f, 0x5f, 0xf5, 0xff, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x01, 0x10, 0x04, 0x40, 0x02, 0x20, 0x08, 0x80, 0x09, 0x90, 0x06, 0x60,
};

/// Everything in whole device pixels, so that lines are crisp and neighbours meet.
struct Canvas {
    QPainter &painter;
    QColor color;
    qreal px;
    int left;
    int top;
    int right;
    int bottom;
    int light;

    [[nodiscard]] int width() const { return right - left; }
    [[nodiscard]] int height() const { return bottom - top; }
    [[nodiscard]] int centerX() const { return left + (width() - light) / 2; }
    [[nodiscard]] int centerY() const { return top + (height() - light) / 2; }

    void fill(int x0, int y0, int x1, int y1) const
    {
        if (x1 > x0 && y1 > y0)
            painter.fillRect(QRectF(x0 * px, y0 * px, (x1 - x0) * px, (y1 - y0) * px), color);
    }
};

int thickness(const Canvas &c, int weight)
{
    return weight == Heavy ? c.light * 2 + (c.light == 1 ? 1 : 0) : c.light;
}

void drawArms(const Canvas &c, std::uint8_t code)
{
    const int l = code & 3;
    const int r = code >> 2 & 3;
    const int u = code >> 4 & 3;
    const int d = code >> 6 & 3;
    const int gap = c.light * 2; // distance of each line of a double from the middle
    const int cx = c.centerX();
    const int cy = c.centerY();

    // How far an arm reaches beyond the middle: to the far side of the lines that cross it.
    const auto reach = [&](int a, int b) {
        if (a == Double || b == Double)
            return gap;
        return (std::max(thickness(c, a ? a : Light), thickness(c, b ? b : Light)) - c.light) / 2;
    };

    // Where a line of a horizontal arm starts, seen from the middle (positive = into the arm).
    // `near`/`far`: the vertical arms on the line's own side and on the other.
    const auto startOf = [&](int weight, int side, int nearArm, int farArm, int opposite) {
        if (weight == Double) {
            if (nearArm == Double)
                return gap;
            if (nearArm != None)
                return 0;
            return farArm == Double ? -gap : 0;
        }
        Q_UNUSED(side)
        if (nearArm == Double && farArm == Double)
            return opposite != None ? 0 : gap;
        return -reach(nearArm, farArm);
    };

    const auto horizontal = [&](int weight, bool toRight, int opposite) {
        if (weight == None)
            return;
        const auto line = [&](int offset, int thick, int start) {
            const int y = cy + offset - (thick - c.light) / 2;
            if (toRight)
                c.fill(cx + start, y, c.right, y + thick);
            else
                c.fill(c.left, y, cx + c.light - start, y + thick);
        };
        if (weight == Double) {
            line(-gap, c.light, startOf(Double, -1, u, d, opposite));
            line(gap, c.light, startOf(Double, 1, d, u, opposite));
        } else {
            line(0, thickness(c, weight), startOf(weight, 0, u, d, opposite));
        }
    };
    const auto vertical = [&](int weight, bool toBottom, int opposite) {
        if (weight == None)
            return;
        const auto line = [&](int offset, int thick, int start) {
            const int x = cx + offset - (thick - c.light) / 2;
            if (toBottom)
                c.fill(x, cy + start, x + thick, c.bottom);
            else
                c.fill(x, c.top, x + thick, cy + c.light - start);
        };
        if (weight == Double) {
            line(-gap, c.light, startOf(Double, -1, l, r, opposite));
            line(gap, c.light, startOf(Double, 1, r, l, opposite));
        } else {
            line(0, thickness(c, weight), startOf(weight, 0, l, r, opposite));
        }
    };
    horizontal(l, false, r);
    horizontal(r, true, l);
    vertical(u, false, d);
    vertical(d, true, u);
}

void drawDashes(const Canvas &c, int count, bool heavy, bool vertical)
{
    const int thick = thickness(c, heavy ? Heavy : Light);
    const int length = vertical ? c.height() : c.width();
    for (int i = 0; i < count; ++i) {
        const int from = length * i / count;
        const int to = length * (i + 1) / count;
        const int blank = std::max(1, (to - from) / 3);
        if (vertical) {
            const int x = c.centerX() - (thick - c.light) / 2;
            c.fill(x, c.top + from, x + thick, c.top + to - blank);
        } else {
            const int y = c.centerY() - (thick - c.light) / 2;
            c.fill(c.left + from, y, c.left + to - blank, y + thick);
        }
    }
}

void drawCurve(const Canvas &c, char32_t cp)
{
    c.painter.save();
    c.painter.setRenderHint(QPainter::Antialiasing);
    QPen pen(c.color, c.light * c.px);
    pen.setCapStyle(Qt::FlatCap);
    c.painter.setPen(pen);
    c.painter.setBrush(Qt::NoBrush);
    const qreal x = (c.centerX() + c.light / 2.0) * c.px;
    const qreal y = (c.centerY() + c.light / 2.0) * c.px;
    const QRectF cell(c.left * c.px, c.top * c.px, c.width() * c.px, c.height() * c.px);
    QPainterPath path;
    if (cp >= 0x2571) {
        if (cp != 0x2572) {
            path.moveTo(cell.topRight());
            path.lineTo(cell.bottomLeft());
        }
        if (cp != 0x2571) {
            path.moveTo(cell.topLeft());
            path.lineTo(cell.bottomRight());
        }
    } else {
        // 256D down and right, 256E down and left, 256F up and left, 2570 up and right
        const bool right = cp == 0x256d || cp == 0x2570;
        const bool down = cp == 0x256d || cp == 0x256e;
        const QPointF side(right ? cell.right() : cell.left(), y);
        const QPointF end(x, down ? cell.bottom() : cell.top());
        const qreal radius = std::min(cell.width(), cell.height()) / 2;
        const qreal sx = right ? 1 : -1;
        const qreal sy = down ? 1 : -1;
        path.moveTo(side);
        path.lineTo(x + sx * radius, y);
        path.quadTo(QPointF(x, y), QPointF(x, y + sy * radius));
        path.lineTo(end);
    }
    c.painter.drawPath(path);
    c.painter.restore();
}

void drawBlock(const Canvas &c, char32_t cp)
{
    const int w = c.width();
    const int h = c.height();
    const auto part = [](int length, int eighths) {
        return static_cast<int>(std::lround(length * eighths / 8.0));
    };
    if (cp == 0x2580) {
        c.fill(c.left, c.top, c.right, c.top + part(h, 4));
    } else if (cp <= 0x2588) {
        c.fill(c.left, c.bottom - part(h, static_cast<int>(cp - 0x2580)), c.right, c.bottom);
    } else if (cp <= 0x258f) {
        c.fill(c.left, c.top, c.left + part(w, static_cast<int>(0x2590 - cp)), c.bottom);
    } else if (cp == 0x2590) {
        c.fill(c.left + part(w, 4), c.top, c.right, c.bottom);
    } else if (cp <= 0x2593) {
        Canvas shade = c;
        shade.color.setAlphaF(shade.color.alphaF() * static_cast<float>(cp - 0x2590) / 4.0F);
        shade.fill(c.left, c.top, c.right, c.bottom);
    } else if (cp == 0x2594) {
        c.fill(c.left, c.top, c.right, c.top + part(h, 1));
    } else if (cp == 0x2595) {
        c.fill(c.right - part(w, 1), c.top, c.right, c.bottom);
    } else {
        // Quadrants: upper left 1, upper right 2, lower left 4, lower right 8.
        constexpr std::array<std::uint8_t, 10> quadrants{4, 8, 1, 13, 9, 7, 11, 2, 6, 14};
        const std::uint8_t set = quadrants[cp - 0x2596];
        const int mx = c.left + part(w, 4);
        const int my = c.top + part(h, 4);
        if (set & 1)
            c.fill(c.left, c.top, mx, my);
        if (set & 2)
            c.fill(mx, c.top, c.right, my);
        if (set & 4)
            c.fill(c.left, my, mx, c.bottom);
        if (set & 8)
            c.fill(mx, my, c.right, c.bottom);
    }
}

} // namespace

void draw(QPainter &painter, const QRectF &cell, char32_t cp, const QColor &color,
          qreal devicePixel)
{
    const auto pixels = [devicePixel](qreal value) {
        return static_cast<int>(std::lround(value / devicePixel));
    };
    Canvas c{painter,
             color,
             devicePixel,
             pixels(cell.left()),
             pixels(cell.top()),
             pixels(cell.right()),
             pixels(cell.bottom()),
             1};
    c.light = std::max(1, static_cast<int>(std::lround(c.width() / 8.0)));
    if (cp >= 0x2580) {
        drawBlock(c, cp);
        return;
    }
    if (const std::uint8_t code = arms[cp - 0x2500]) {
        drawArms(c, code);
        return;
    }
    if (cp >= 0x256d && cp <= 0x2573) {
        drawCurve(c, cp);
        return;
    }
    // 2504-250B: three and four dashes; 254C-254F: two; odd numbers are heavy.
    const int count = cp >= 0x254c ? 2 : cp >= 0x2508 ? 4 : 3;
    drawDashes(c, count, cp & 1, cp & 2);
}

} // namespace moru::boxdrawing
