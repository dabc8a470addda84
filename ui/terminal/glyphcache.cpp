// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/glyphcache.h"

#include <QFontMetricsF>
#include <QGlyphRun>
#include <QTextLayout>

#include <algorithm>
#include <cmath>

namespace moru {
namespace {

// Enough for any real screen; a stream of random characters must not grow the cache for ever.
constexpr qsizetype maxCached = 8192;

} // namespace

void GlyphCache::setFont(const QFont &font, qreal devicePixelRatio)
{
    m_characters.clear();
    m_clusters.clear();
    m_fonts.clear();
    for (int i = 0; i < 4; ++i) {
        QFont &style = m_styles[static_cast<std::size_t>(i)];
        style = font;
        style.setBold(i & Bold);
        style.setItalic(i & Italic);
        style.setKerning(false);
        style.setStyleStrategy(QFont::PreferAntialias);
        m_fonts.push_back(QRawFont::fromFont(style));
    }
    QString letters;
    for (char16_t c = 0x20; c < 0x7f; ++c)
        letters.append(QChar(c));
    for (std::size_t i = 0; i < 4; ++i) {
        const QList<quint32> indexes = m_fonts[i].glyphIndexesForString(letters);
        m_ascii[i].fill(0);
        for (qsizetype k = 0; k < std::min(indexes.size(), letters.size()); ++k)
            m_ascii[i][static_cast<std::size_t>(0x20 + k)] = indexes[k];
    }

    const QFontMetricsF metrics(m_styles[Regular]);
    const auto snap = [devicePixelRatio](qreal value) {
        return std::max(1.0, std::round(value * devicePixelRatio)) / devicePixelRatio;
    };
    m_cellWidth = snap(metrics.horizontalAdvance(u'0'));
    m_ascent = std::ceil(metrics.ascent() * devicePixelRatio) / devicePixelRatio;
    const qreal descent = std::ceil(metrics.descent() * devicePixelRatio) / devicePixelRatio;
    m_cellHeight = m_ascent + descent + std::max(0.0, std::floor(metrics.leading()));
    m_lineThickness = snap(std::max(1.0, metrics.lineWidth()));
    m_underlinePosition = std::min(snap(metrics.underlinePos()), descent - m_lineThickness);
}

quint16 GlyphCache::fontNumber(const QRawFont &font)
{
    for (std::size_t i = 0; i < m_fonts.size(); ++i) {
        if (m_fonts[i] == font)
            return static_cast<quint16>(i);
    }
    m_fonts.push_back(font);
    return static_cast<quint16>(m_fonts.size() - 1);
}

GlyphCache::Glyphs GlyphCache::resolve(Style style, const QString &text, int cells)
{
    const QRawFont &own = m_fonts[style];
    if (text.size() == 1) {
        const QList<quint32> indexes = own.glyphIndexesForString(text);
        if (indexes.size() == 1 && indexes[0] != 0)
            return {{indexes[0], static_cast<quint16>(style), {}}};
    }
    QTextLayout layout(text, m_styles[style]);
    QTextOption option;
    option.setTextDirection(Qt::LeftToRight);
    option.setWrapMode(QTextOption::NoWrap);
    layout.setTextOption(option);
    layout.setCacheEnabled(true);
    layout.beginLayout();
    QTextLine line = layout.createLine();
    line.setLineWidth(1e6);
    layout.endLayout();
    // A wide character from another font is rarely as wide as two cells: set it in the middle.
    const qreal room = m_cellWidth * cells;
    const qreal width = line.naturalTextWidth();
    const qreal shift = std::clamp((room - width) / 2, 0.0, room);
    Glyphs out;
    for (const QGlyphRun &run : layout.glyphRuns()) {
        const quint16 font = fontNumber(run.rawFont());
        const QList<quint32> indexes = run.glyphIndexes();
        const QList<QPointF> positions = run.positions();
        for (qsizetype i = 0; i < indexes.size(); ++i) {
            const QPointF at(positions[i].x() + (font < 4 && cells == 1 ? 0 : shift),
                             positions[i].y() - line.ascent());
            out.push_back({indexes[i], font, at});
        }
    }
    return out;
}

const GlyphCache::Glyphs &GlyphCache::character(Style style, char32_t cp, int cells)
{
    const quint64 key = static_cast<quint64>(cp) | static_cast<quint64>(style) << 32;
    const auto found = m_characters.constFind(key);
    if (found != m_characters.cend())
        return *found;
    if (m_characters.size() >= maxCached)
        m_characters.clear();
    return *m_characters.insert(key, resolve(style, QString::fromUcs4(&cp, 1), cells));
}

const GlyphCache::Glyphs &GlyphCache::cluster(Style style, const std::u32string &text, int cells)
{
    const QString string = QString::fromUcs4(text.data(), static_cast<qsizetype>(text.size()));
    const QString key = string + QChar(static_cast<char16_t>(style));
    const auto found = m_clusters.constFind(key);
    if (found != m_clusters.cend())
        return *found;
    if (m_clusters.size() >= maxCached)
        m_clusters.clear();
    return *m_clusters.insert(key, resolve(style, string, cells));
}

} // namespace moru
