// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/selection.h"

#include <QChar>

#include <algorithm>

namespace moru {
namespace {

enum class Kind { Blank, Word, Other };

/// Addresses, paths and options are words: that is what people double-click.
Kind kindOf(const RowBuffer &row, int column)
{
    if (column >= static_cast<int>(row.cells.size()))
        return Kind::Blank;
    int at = column;
    if (row.cells[static_cast<std::size_t>(at)].ch == Cell::WideTail && at > 0)
        --at;
    const Cell &cell = row.cells[static_cast<std::size_t>(at)];
    char32_t cp = cell.ch;
    if (cell.isCluster())
        cp = row.clusters[cell.ch & ~Cell::ClusterTag].front();
    if (cp == 0 || QChar::isSpace(cp))
        return Kind::Blank;
    constexpr std::u32string_view joiners = U"-_./~:@%+#?&=,";
    if (QChar::isLetterOrNumber(cp) || joiners.find(cp) != std::u32string_view::npos)
        return Kind::Word;
    return Kind::Other;
}

} // namespace

void Selection::clear()
{
    m_active = false;
    m_begin = m_end = {};
}

Selection::Range Selection::unitAt(const TerminalScreen &screen, int documentRow, int column,
                                   int boundary) const
{
    switch (m_mode) {
    case Mode::Character:
    case Mode::Block: {
        const TextPosition at = screen.positionAt(documentRow, boundary);
        return {at, at};
    }
    case Mode::Line: {
        int first = documentRow;
        int last = documentRow;
        RowBuffer row;
        while (first > 0) {
            screen.readRow(first - 1, row);
            if (!row.wrapped)
                break;
            --first;
        }
        for (screen.readRow(last, row); row.wrapped && last + 1 < screen.documentRows();
             screen.readRow(last, row))
            ++last;
        return {screen.positionAt(first, 0), screen.positionAt(last, screen.columns())};
    }
    case Mode::Word:
        break;
    }
    RowBuffer row;
    screen.readRow(documentRow, row);
    const Kind kind = kindOf(row, column);
    int firstRow = documentRow;
    int first = column;
    while (true) {
        if (first > 0) {
            if (kindOf(row, first - 1) != kind)
                break;
            --first;
            continue;
        }
        if (firstRow == 0)
            break;
        RowBuffer above;
        screen.readRow(firstRow - 1, above);
        const int end = static_cast<int>(above.cells.size());
        if (!above.wrapped || end == 0 || kindOf(above, end - 1) != kind)
            break;
        row = above;
        --firstRow;
        first = end - 1;
    }
    screen.readRow(documentRow, row);
    int lastRow = documentRow;
    int last = column + 1;
    while (true) {
        const int end = row.wrapped ? static_cast<int>(row.cells.size()) : screen.columns();
        if (last < end) {
            if (kindOf(row, last) != kind)
                break;
            ++last;
            continue;
        }
        if (!row.wrapped || lastRow + 1 >= screen.documentRows())
            break;
        RowBuffer below;
        screen.readRow(lastRow + 1, below);
        if (kindOf(below, 0) != kind)
            break;
        row = below;
        ++lastRow;
        last = 1;
    }
    return {screen.positionAt(firstRow, first), screen.positionAt(lastRow, last)};
}

void Selection::start(const TerminalScreen &screen, int documentRow, int column, int boundary,
                      Mode mode)
{
    m_mode = mode;
    m_active = true;
    m_anchor = unitAt(screen, documentRow, column, boundary);
    m_begin = m_anchor.begin;
    m_end = m_anchor.end;
    m_anchorColumn = m_headColumn = boundary;
}

void Selection::extendTo(const TerminalScreen &screen, int documentRow, int column, int boundary)
{
    if (!m_active)
        return;
    const Range head = unitAt(screen, documentRow, column, boundary);
    m_begin = std::min(m_anchor.begin, head.begin);
    m_end = std::max(m_anchor.end, head.end);
    m_headColumn = boundary;
}

void Selection::selectAll(const TerminalScreen &screen)
{
    m_mode = Mode::Character;
    m_active = true;
    m_begin = screen.positionAt(0, 0);
    m_end = screen.positionAt(screen.documentRows() - 1, screen.columns());
    m_anchor = {m_begin, m_begin};
}

Selection::Span Selection::span(const TerminalScreen &screen) const
{
    Span out;
    if (!m_active || (m_mode != Mode::Block && m_begin == m_end))
        return out;
    out.first = screen.gridPosition(m_begin);
    out.last = screen.gridPosition(m_end);
    out.empty = false;
    if (m_mode == Mode::Block) {
        out.block = true;
        out.first.column = std::min(m_anchorColumn, m_headColumn);
        out.last.column = std::max(m_anchorColumn, m_headColumn);
        out.empty = out.first.column == out.last.column;
    }
    return out;
}

bool Selection::Span::columnsOf(int documentRow, int columns, int &left, int &right) const
{
    if (empty || documentRow < first.row || documentRow > last.row)
        return false;
    left = block || documentRow == first.row ? first.column : 0;
    right = block || documentRow == last.row ? last.column : columns;
    return left < right;
}

QString Selection::text(const TerminalScreen &screen) const
{
    if (!m_active)
        return {};
    if (m_mode == Mode::Block) {
        const Span s = span(screen);
        return s.empty ? QString()
                       : screen.blockText(s.first.row, s.last.row, s.first.column, s.last.column);
    }
    return screen.text(m_begin, m_end);
}

} // namespace moru
