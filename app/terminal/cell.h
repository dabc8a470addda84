// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace moru {

/// A colour as a program asked for it; what it looks like is the view's business.
/// 0 = the default; otherwise the top byte says which kind the rest is.
using CellColor = std::uint32_t;
namespace cellcolor {
inline constexpr CellColor Default = 0;
inline constexpr CellColor IndexedTag = 0x01000000;
inline constexpr CellColor RgbTag = 0x02000000;
inline constexpr CellColor TagMask = 0xff000000;
[[nodiscard]] constexpr CellColor indexed(std::uint32_t index)
{
    return IndexedTag | (index & 0xff);
}
[[nodiscard]] constexpr CellColor rgb(std::uint32_t red, std::uint32_t green, std::uint32_t blue)
{
    return RgbTag | (red & 0xff) << 16 | (green & 0xff) << 8 | (blue & 0xff);
}
} // namespace cellcolor

namespace attr {
inline constexpr std::uint16_t Bold = 1 << 0;
inline constexpr std::uint16_t Dim = 1 << 1;
inline constexpr std::uint16_t Italic = 1 << 2;
inline constexpr std::uint16_t Blink = 1 << 3;
inline constexpr std::uint16_t Reverse = 1 << 4;
inline constexpr std::uint16_t Strike = 1 << 5;
inline constexpr std::uint16_t Conceal = 1 << 6;
inline constexpr std::uint16_t Protected = 1 << 7; ///< spared by selective erase (DECSCA)
inline constexpr std::uint16_t UnderlineShift = 8; ///< three bits of Underline
inline constexpr std::uint16_t UnderlineMask = 7 << UnderlineShift;
} // namespace attr

enum class Underline : std::uint8_t {
    None,
    Single,
    Double,
    Curly,
    Dotted,
    Dashed,
};

/// One column of a row. 16 bytes, trivially copyable: rows are filled and moved by the million.
struct Cell {
    /// A second column of the wide character to the left.
    static constexpr std::uint32_t WideTail = 0x7fffffff;
    /// From here on `ch` is an index into the owner's clusters (base character plus marks).
    static constexpr std::uint32_t ClusterTag = 0x80000000;

    std::uint32_t ch = 0; ///< code point; 0 = never written (or erased), shown as a space
    CellColor fg = 0;
    CellColor bg = 0;
    std::uint16_t attrs = 0;
    std::uint16_t reserved = 0; ///< keeps the layout free of padding

    [[nodiscard]] Underline underline() const
    {
        return static_cast<Underline>((attrs & attr::UnderlineMask) >> attr::UnderlineShift);
    }
    [[nodiscard]] bool sameStyle(const Cell &other) const
    {
        return fg == other.fg && bg == other.bg && attrs == other.attrs;
    }
    [[nodiscard]] bool isDefaultStyle() const { return fg == 0 && bg == 0 && attrs == 0; }
    [[nodiscard]] bool isBlank() const { return ch == 0 && isDefaultStyle(); }
    [[nodiscard]] bool isCluster() const { return (ch & ClusterTag) != 0; }

    friend bool operator==(const Cell &, const Cell &) = default;
};
static_assert(sizeof(Cell) == 16);

/// A row copied out of the screen or the scrollback, for painting, selecting and comparing.
struct RowBuffer {
    std::vector<Cell> cells; ///< may be shorter than the screen; the rest is blank
    std::vector<std::u32string> clusters;
    bool wrapped = false; ///< the next row continues this line

    void clear()
    {
        cells.clear();
        clusters.clear();
        wrapped = false;
    }
    /// Appends `marks` to the last cell that holds a character.
    void combineLast(char32_t mark);
};

/// Marks kept per cell; what comes beyond is dropped, so that one cell cannot grow without bound.
inline constexpr std::size_t maxClusterLength = 8;

/// Appends `cp` as UTF-8.
void appendUtf8(std::string &out, char32_t cp);

} // namespace moru
