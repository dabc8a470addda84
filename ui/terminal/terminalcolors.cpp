// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/terminalcolors.h"

#include <algorithm>
#include <cmath>

namespace moru {
namespace {

constexpr std::array<quint32, 16> darkPalette{
    0x3b4048, 0xf2777a, 0x7ec98a, 0xe8b84a, 0x7fb4f5, 0xd3a4f0, 0x6ccbd0, 0xc9cdd4,
    0x7a828e, 0xff9a9c, 0xa3e0ac, 0xf5d37a, 0xa8ccfa, 0xe4c4f7, 0x9be1e4, 0xffffff,
};
constexpr std::array<quint32, 16> lightPalette{
    0x24292f, 0xb3261e, 0x1b7f3b, 0x8a6100, 0x1f63b5, 0x8e3fa8, 0x0b7a80, 0xd0d5db,
    0x57606a, 0xcf3a31, 0x23903f, 0x9a6b00, 0x2f7bd9, 0xa653c2, 0x148c93, 0xffffff,
};

double luminance(QRgb color)
{
    const auto channel = [](int value) {
        const double v = value / 255.0;
        return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * channel(qRed(color)) + 0.7152 * channel(qGreen(color))
           + 0.0722 * channel(qBlue(color));
}

double contrast(QRgb a, QRgb b)
{
    const double first = luminance(a) + 0.05;
    const double second = luminance(b) + 0.05;
    return std::max(first, second) / std::min(first, second);
}

QRgb mix(QRgb from, QRgb to, int percent)
{
    const auto part = [percent](int a, int b) { return a + (b - a) * percent / 100; };
    return qRgb(part(qRed(from), qRed(to)), part(qGreen(from), qGreen(to)),
                part(qBlue(from), qBlue(to)));
}

} // namespace

TerminalColors::TerminalColors(bool dark)
    : m_dark(dark)
    , m_foreground(dark ? qRgb(0xd6, 0xd9, 0xde) : qRgb(0x24, 0x29, 0x2f))
    , m_background(dark ? qRgb(0x1b, 0x1d, 0x20) : qRgb(0xff, 0xff, 0xff))
    , m_cursor(dark ? qRgb(0xd6, 0xd9, 0xde) : qRgb(0x24, 0x29, 0x2f))
    , m_selection(dark ? qRgb(0x2f, 0x4d, 0x75) : qRgb(0xbc, 0xd7, 0xf7))
    , m_palette(dark ? darkPalette : lightPalette)
{}

QRgb TerminalColors::color(CellColor color, QRgb fallback) const
{
    switch (color & cellcolor::TagMask) {
    case cellcolor::RgbTag:
        return 0xff000000 | (color & 0xffffff);
    case cellcolor::IndexedTag: {
        const unsigned index = color & 0xff;
        if (index < 16)
            return 0xff000000 | m_palette[index];
        if (index >= 232) {
            const int grey = static_cast<int>(8 + (index - 232) * 10);
            return qRgb(grey, grey, grey);
        }
        const auto step = [](unsigned value) {
            return value == 0 ? 0 : static_cast<int>(55 + value * 40);
        };
        const unsigned cube = index - 16;
        return qRgb(step(cube / 36), step(cube / 6 % 6), step(cube % 6));
    }
    default:
        return fallback;
    }
}

QRgb TerminalColors::readable(QRgb fg, QRgb bg) const
{
    const quint64 key = static_cast<quint64>(fg) << 32 | bg;
    const auto found = m_readable.constFind(key);
    if (found != m_readable.cend())
        return *found;
    QRgb out = fg;
    const QRgb target = luminance(bg) > 0.18 ? qRgb(0, 0, 0) : qRgb(255, 255, 255);
    if (contrast(fg, bg) < 3) {
        // Once it has to be moved, move it to where it reads well instead of to the very limit.
        for (int percent = 10; percent <= 100 && contrast(out, bg) < 5; percent += 10)
            out = mix(fg, target, percent);
    }
    if (m_readable.size() > 4096)
        m_readable.clear();
    m_readable.insert(key, out);
    return out;
}

TerminalColors::Pair TerminalColors::resolve(const Cell &cell, bool reverseScreen) const
{
    Pair out{color(cell.fg, m_foreground), color(cell.bg, m_background)};
    const bool reverse = static_cast<bool>(cell.attrs & attr::Reverse) != reverseScreen;
    if (reverse)
        std::swap(out.fg, out.bg);
    const auto named = [](CellColor c) {
        return (c & cellcolor::TagMask) != cellcolor::RgbTag
               && !((c & cellcolor::TagMask) == cellcolor::IndexedTag && (c & 0xff) >= 16);
    };
    if (named(reverse ? cell.bg : cell.fg) && (cell.fg != 0 || cell.bg != 0))
        out.fg = readable(out.fg, out.bg);
    if (cell.attrs & attr::Dim)
        out.fg = mix(out.fg, out.bg, 40);
    if (cell.attrs & attr::Conceal)
        out.fg = out.bg;
    return out;
}

} // namespace moru
