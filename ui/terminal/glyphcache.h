// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFont>
#include <QHash>
#include <QPointF>
#include <QRawFont>
#include <QString>

#include <array>
#include <vector>

namespace moru {

/// Which glyph of which font shows a character, found once and remembered: painting a frame then
/// needs no text layout at all, characters from fallback fonts included.
class GlyphCache {
public:
    enum Style { Regular = 0, Bold = 1, Italic = 2, BoldItalic = 3 };

    struct Glyph {
        quint32 index = 0;
        quint16 font = 0;
        QPointF offset; ///< from the cell's left end of the base line
    };
    using Glyphs = std::vector<Glyph>;

    /// `font` must be fixed-pitch; `devicePixelRatio` decides which pixels cells are snapped to.
    void setFont(const QFont &font, qreal devicePixelRatio);
    [[nodiscard]] const QFont &font() const { return m_styles[Regular]; }

    [[nodiscard]] qreal cellWidth() const { return m_cellWidth; }
    [[nodiscard]] qreal cellHeight() const { return m_cellHeight; }
    [[nodiscard]] qreal ascent() const { return m_ascent; }
    [[nodiscard]] qreal underlinePosition() const { return m_underlinePosition; }
    [[nodiscard]] qreal lineThickness() const { return m_lineThickness; }

    /// ASCII only; the glyph is always one of the font's own, at the cell's left.
    [[nodiscard]] quint32 ascii(Style style, char32_t cp) const
    {
        return m_ascii[style][cp & 0x7f];
    }
    /// `cells` is the width in columns. Valid until the next call.
    [[nodiscard]] const Glyphs &character(Style style, char32_t cp, int cells);
    [[nodiscard]] const Glyphs &cluster(Style style, const std::u32string &text, int cells);
    [[nodiscard]] const QRawFont &rawFont(quint16 font) const { return m_fonts[font]; }

private:
    Glyphs resolve(Style style, const QString &text, int cells);
    quint16 fontNumber(const QRawFont &font);

    std::array<QFont, 4> m_styles;
    std::vector<QRawFont> m_fonts; ///< the first four are the styles themselves
    std::array<std::array<quint32, 128>, 4> m_ascii{};
    QHash<quint64, Glyphs> m_characters;
    QHash<QString, Glyphs> m_clusters;
    qreal m_cellWidth = 8;
    qreal m_cellHeight = 16;
    qreal m_ascent = 12;
    qreal m_underlinePosition = 1;
    qreal m_lineThickness = 1;
};

} // namespace moru
