// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/terminalscreen.h"

#include "app/terminal/characterwidth.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace moru {
namespace {

Cell blankCell(const Cell &pen)
{
    // Erased cells take the background only (back colour erase), as terminfo's "bce" promises.
    Cell cell;
    cell.bg = pen.bg;
    return cell;
}

void appendCodePoint(QString &out, char32_t cp)
{
    if (cp < 0x10000) {
        out.append(QChar(static_cast<char16_t>(cp)));
    } else {
        out.append(QChar(QChar::highSurrogate(cp)));
        out.append(QChar(QChar::lowSurrogate(cp)));
    }
}

void trimEnd(QString &text, qsizetype from)
{
    qsizetype end = text.size();
    while (end > from && text[end - 1] == u' ')
        --end;
    text.truncate(end);
}

} // namespace

TerminalScreen::TerminalScreen(int columns, int rows, int scrollbackLines)
    : m_columns(std::clamp(columns, minColumns, maxColumns))
    , m_rows(std::clamp(rows, 1, maxRows))
    , m_scrollback(m_columns, scrollbackLines)
{
    shape(m_primary, m_columns, m_rows);
    shape(m_alternate, m_columns, m_rows);
}

void TerminalScreen::shape(Grid &grid, int columns, int rows)
{
    grid.storage.assign(index(rows), Row{});
    grid.lines.clear();
    for (Row &row : grid.storage) {
        row.cells.assign(index(columns), Cell{});
        grid.lines.push_back(&row);
    }
}

void TerminalScreen::splitWide(Row &row, int left, int right)
{
    if (left > 0 && left < m_columns && row.cells[index(left)].ch == Cell::WideTail)
        row.cells[index(left - 1)].ch = 0;
    if (right > 0 && right < m_columns && row.cells[index(right)].ch == Cell::WideTail)
        row.cells[index(right)].ch = 0;
}

void TerminalScreen::putAscii(int r, int column, const char *text, int length, const Cell &pen)
{
    Row &row = line(r);
    if (row.wide)
        splitWide(row, column, column + length);
    Cell cell = pen;
    Cell *to = row.cells.data() + column;
    for (int i = 0; i < length; ++i) {
        cell.ch = static_cast<unsigned char>(text[i]);
        to[i] = cell;
    }
    row.used = std::max(row.used, column + length);
    if (!pen.isDefaultStyle())
        row.plain = false;
    row.dirty = true;
}

void TerminalScreen::put(int r, int column, char32_t cp, int width, const Cell &pen)
{
    if (r < 0 || r >= m_rows || column < 0 || column >= m_columns)
        return;
    Row &row = line(r);
    const int end = std::min(column + width, m_columns);
    if (row.wide)
        splitWide(row, column, end);
    Cell cell = pen;
    cell.ch = cp;
    row.cells[index(column)] = cell;
    if (width == 2 && end == column + 2) {
        cell.ch = Cell::WideTail;
        row.cells[index(column + 1)] = cell;
        row.wide = true;
    }
    row.used = std::max(row.used, end);
    row.plain = row.plain && cp < 0x80 && pen.isDefaultStyle();
    row.dirty = true;
}

void TerminalScreen::combine(char32_t mark)
{
    int column = cursor.wrapPending ? cursor.column : cursor.column - 1;
    if (column < 0)
        return;
    Row &row = line(cursor.row);
    if (column > 0 && row.cells[index(column)].ch == Cell::WideTail)
        --column;
    Cell &cell = row.cells[index(column)];
    std::u32string cluster;
    if (cell.isCluster())
        cluster = m_clusters[cell.ch & ~Cell::ClusterTag];
    else
        cluster.push_back(cell.ch ? static_cast<char32_t>(cell.ch) : U' ');
    if (cluster.size() >= maxClusterLength)
        return;
    cluster.push_back(mark);
    const std::uint32_t id = internCluster(std::move(cluster));
    cell.ch = Cell::ClusterTag | id;
    row.used = std::max(row.used, column + 1);
    row.plain = false;
    row.dirty = true;
}

std::uint32_t TerminalScreen::internCluster(std::u32string cluster)
{
    // Text repeats itself: the newest entries are the likeliest match.
    const std::size_t recent = m_clusters.size() > 64 ? m_clusters.size() - 64 : 0;
    for (std::size_t i = m_clusters.size(); i-- > recent;) {
        if (m_clusters[i] == cluster)
            return static_cast<std::uint32_t>(i);
    }
    if (m_clusters.size() >= m_clusterLimit)
        collectClusters();
    m_clusters.push_back(std::move(cluster));
    return static_cast<std::uint32_t>(m_clusters.size() - 1);
}

void TerminalScreen::collectClusters()
{
    std::vector<std::u32string> kept;
    std::vector<std::uint32_t> moved(m_clusters.size(), Cell::WideTail);
    for (Grid *grid : {&m_primary, &m_alternate}) {
        for (Row &row : grid->storage) {
            if (row.plain)
                continue;
            for (Cell &cell : row.cells) {
                if (!cell.isCluster())
                    continue;
                const std::uint32_t old = cell.ch & ~Cell::ClusterTag;
                if (moved[old] == Cell::WideTail) {
                    moved[old] = static_cast<std::uint32_t>(kept.size());
                    kept.push_back(std::move(m_clusters[old]));
                }
                cell.ch = Cell::ClusterTag | moved[old];
            }
        }
    }
    m_clusters = std::move(kept);
    m_clusterLimit = std::max<std::size_t>(4096, m_clusters.size() * 2);
}

void TerminalScreen::blank(Row &row, int left, int right, const Cell &pen)
{
    if (left >= right)
        return;
    if (row.wide)
        splitWide(row, left, right);
    const Cell cell = blankCell(pen);
    if (cell.bg == 0) {
        const int end = std::min(right, row.used);
        if (left < end)
            std::fill(row.cells.begin() + left, row.cells.begin() + end, cell);
        if (right >= row.used)
            row.used = std::min(row.used, left);
    } else {
        std::fill(row.cells.begin() + left, row.cells.begin() + right, cell);
        row.used = std::max(row.used, right);
        row.plain = false;
    }
    if (right == m_columns)
        row.wrapped = false;
    row.dirty = true;
}

void TerminalScreen::clearRow(Row &row, const Cell &pen)
{
    const Cell cell = blankCell(pen);
    if (cell.bg == 0) {
        std::fill(row.cells.begin(), row.cells.begin() + row.used, Cell{});
        row.used = 0;
        row.plain = true;
    } else {
        std::fill(row.cells.begin(), row.cells.end(), cell);
        row.used = m_columns;
        row.plain = false;
    }
    row.wide = false;
    row.wrapped = false;
    row.dirty = true;
}

void TerminalScreen::erase(Rect rect, bool selective, const Cell &pen)
{
    rect.top = std::max(rect.top, 0);
    rect.left = std::max(rect.left, 0);
    rect.bottom = std::min(rect.bottom, m_rows);
    rect.right = std::min(rect.right, m_columns);
    for (int r = rect.top; r < rect.bottom; ++r) {
        Row &row = line(r);
        if (selective) {
            for (int c = rect.left; c < rect.right; ++c) {
                if (!(row.cells[index(c)].attrs & attr::Protected))
                    blank(row, c, c + 1, pen);
            }
        } else if (rect.left == 0 && rect.right == m_columns) {
            clearRow(row, pen);
        } else {
            blank(row, rect.left, rect.right, pen);
        }
    }
}

void TerminalScreen::pushTop()
{
    Row &row = *m_primary.lines.front();
    m_scrollback.push(row.cells.data(), row.used, row.wrapped, row.plain, m_clusters);
    ++m_scrolled;
}

void TerminalScreen::scroll(Rect rect, int down, int right, bool keep, const Cell &pen)
{
    rect.top = std::max(rect.top, 0);
    rect.left = std::max(rect.left, 0);
    rect.bottom = std::min(rect.bottom, m_rows);
    rect.right = std::min(rect.right, m_columns);
    const int height = rect.bottom - rect.top;
    const int width = rect.right - rect.left;
    if (height <= 0 || width <= 0)
        return;

    if (width == m_columns && right == 0) {
        auto &lines = m_grid->lines;
        const int steps = std::min(std::abs(down), height);
        keep = keep && down > 0 && rect.top == 0 && m_grid == &m_primary;
        for (int i = 0; i < steps; ++i) {
            if (down > 0) {
                if (keep)
                    pushTop();
                Row *row = lines[index(rect.top)];
                std::memmove(&lines[index(rect.top)], lines.data() + rect.top + 1,
                             index(height - 1) * sizeof(Row *));
                lines[index(rect.bottom - 1)] = row;
                clearRow(*row, pen);
            } else {
                Row *row = lines[index(rect.bottom - 1)];
                std::memmove(lines.data() + rect.top + 1, &lines[index(rect.top)],
                             index(height - 1) * sizeof(Row *));
                lines[index(rect.top)] = row;
                clearRow(*row, pen);
            }
        }
        if (height == m_rows) {
            m_allDirty = true; // cheaper than touching each row at every line feed
        } else {
            for (int r = rect.top; r < rect.bottom; ++r)
                line(r).dirty = true;
        }
        return;
    }

    if (down != 0) {
        // Only left and right margins would make a partial-width vertical scroll; they are not
        // offered, but the shape is handled so that nothing depends on that.
        const int steps = std::min(std::abs(down), height);
        const auto copyRow = [&](int to, int from) {
            Row &target = line(to);
            const Row &source = line(from);
            splitWide(target, rect.left, rect.right);
            std::copy(source.cells.begin() + rect.left, source.cells.begin() + rect.right,
                      target.cells.begin() + rect.left);
            target.used = m_columns;
            target.wide = true;
            target.plain = false;
            target.dirty = true;
        };
        if (down > 0) {
            for (int r = rect.top; r < rect.bottom - steps; ++r)
                copyRow(r, r + steps);
            erase({rect.bottom - steps, rect.bottom, rect.left, rect.right}, false, pen);
        } else {
            for (int r = rect.bottom - 1; r >= rect.top + steps; --r)
                copyRow(r, r - steps);
            erase({rect.top, rect.top + steps, rect.left, rect.right}, false, pen);
        }
    }
    if (right == 0)
        return;
    const int steps = std::min(std::abs(right), width);
    const Cell filler = blankCell(pen);
    for (int r = rect.top; r < rect.bottom; ++r) {
        Row &row = line(r);
        if (row.wide) {
            // Wide characters that the edges or the cut go through leave two blanks.
            for (const int at :
                 {rect.left, right > 0 ? rect.left + steps : rect.right - steps, rect.right}) {
                if (at > 0 && at < m_columns && row.cells[index(at)].ch == Cell::WideTail)
                    row.cells[index(at - 1)].ch = row.cells[index(at)].ch = 0;
            }
        }
        const auto first = row.cells.begin() + rect.left;
        const auto last = row.cells.begin() + rect.right;
        if (right > 0) {
            std::copy(first + steps, last, first);
            std::fill(last - steps, last, filler);
        } else {
            std::copy_backward(first, last - steps, last);
            std::fill(first, first + steps, filler);
        }
        row.used = std::max(row.used, rect.right);
        while (row.used > 0 && row.cells[index(row.used - 1)].isBlank())
            --row.used;
        row.plain = row.plain && filler.bg == 0;
        if (rect.right == m_columns)
            row.wrapped = false;
        row.dirty = true;
    }
}

void TerminalScreen::markWrapped(int row)
{
    if (row >= 0 && row < m_rows)
        line(row).wrapped = true;
}

void TerminalScreen::setAlternate(bool on)
{
    m_grid = on ? &m_alternate : &m_primary;
    markAllDirty();
}

void TerminalScreen::clearScrollback()
{
    m_scrollback.clear();
    markAllDirty();
}

bool TerminalScreen::anyDirty() const
{
    return m_allDirty
           || std::any_of(m_grid->lines.begin(), m_grid->lines.end(),
                          [](const Row *row) { return row->dirty; });
}

void TerminalScreen::clearDirty()
{
    for (Row *row : m_grid->lines)
        row->dirty = false;
    m_allDirty = false;
    m_scrolled = 0;
}

void TerminalScreen::markAllDirty()
{
    m_allDirty = true;
}

// ---- Resizing ----

void TerminalScreen::resize(int columns, int rows, Cursor *savedPrimary)
{
    columns = std::clamp(columns, minColumns, maxColumns);
    rows = std::clamp(rows, 1, maxRows);
    if (columns == m_columns && rows == m_rows)
        return;
    const bool alternate = isAlternate();
    Cursor unused;
    Cursor *current = alternate ? nullptr : &cursor;
    reflow(columns, rows, current, savedPrimary ? savedPrimary : &unused);
    resizeAlternate(columns, rows);
    m_columns = columns;
    m_rows = rows;
    if (alternate) {
        cursor.row = std::min(cursor.row, rows - 1);
        cursor.column = std::min(cursor.column, columns - 1);
        cursor.wrapPending = false;
    }
    collectClusters();
    markAllDirty();
}

void TerminalScreen::resizeAlternate(int columns, int rows)
{
    // Full-screen programs redraw after the size changed; until then the old picture stays, cut.
    Grid fresh;
    shape(fresh, columns, rows);
    const int keepRows = std::min(rows, m_rows);
    const int keepColumns = std::min(columns, m_columns);
    for (int r = 0; r < keepRows; ++r) {
        const Row &from = *m_alternate.lines[index(r)];
        Row &to = *fresh.lines[index(r)];
        std::copy_n(from.cells.begin(), keepColumns, to.cells.begin());
        to.used = std::min(from.used, keepColumns);
        to.wide = from.wide;
        to.plain = from.plain;
        to.wrapped = from.wrapped && columns == m_columns;
        if (keepColumns < m_columns && from.cells[index(keepColumns)].ch == Cell::WideTail)
            to.cells[index(keepColumns - 1)].ch = 0;
    }
    m_alternate = std::move(fresh);
}

int TerminalScreen::lastUsedRow() const
{
    for (int r = m_rows - 1; r >= 0; --r) {
        if (m_primary.lines[index(r)]->used > 0)
            return r;
    }
    return -1;
}

void TerminalScreen::reflow(int columns, int rows, Cursor *current, Cursor *saved)
{
    // Cells outside the grids refer to clusters from here on: none may be collected meanwhile.
    m_clusterLimit = static_cast<std::size_t>(-1);

    struct Line {
        std::vector<Cell> cells;
    };
    struct Mark {
        Cursor *cursor = nullptr;
        std::size_t line = 0;
        int offset = 0;
    };
    std::vector<Mark> marks;
    if (current)
        marks.push_back({current, 0, 0});
    if (saved)
        marks.push_back({saved, 0, 0});

    // Clusters of lines that come back from the scrollback join ours.
    RowBuffer popped;
    const auto takeNewest = [this, &popped] {
        if (!m_scrollback.popLine(popped))
            return false;
        for (Cell &cell : popped.cells) {
            if (cell.isCluster())
                cell.ch =
                    Cell::ClusterTag | internCluster(popped.clusters[cell.ch & ~Cell::ClusterTag]);
            else if (cell.ch == ' ' && cell.isDefaultStyle())
                cell.ch = 0;
        }
        return true;
    };

    int last = lastUsedRow();
    for (const Mark &mark : marks)
        last = std::max(last, std::min(mark.cursor->row, m_rows - 1));
    const bool wasFull = lastUsedRow() == m_rows - 1 || last == m_rows - 1;

    // 1. The grid as logical lines; the first may have its beginning in the scrollback.
    std::vector<Line> lines;
    bool continues = false;
    if (m_scrollback.isOpen() && takeNewest()) {
        lines.push_back({popped.cells});
        continues = true;
    }
    for (int r = 0; r <= last; ++r) {
        const Row &row = *m_primary.lines[index(r)];
        if (!continues)
            lines.emplace_back();
        Line &target = lines.back();
        for (Mark &mark : marks) {
            if (std::min(mark.cursor->row, m_rows - 1) == r) {
                mark.line = lines.size() - 1;
                mark.offset = static_cast<int>(target.cells.size()) + mark.cursor->column
                              + (mark.cursor->wrapPending ? 1 : 0);
            }
        }
        target.cells.insert(target.cells.end(), row.cells.begin(), row.cells.begin() + row.used);
        continues = row.wrapped;
        if (continues && row.used < m_columns - 1)
            target.cells.resize(target.cells.size() + index(m_columns - row.used));
    }
    m_scrollback.setColumns(columns);

    // 2. Lines wrapped at the new width.
    struct NewRow {
        std::size_t line;
        int start;
        int end;
    };
    std::vector<NewRow> wrapped;
    const auto wrapLine = [columns](const std::vector<Cell> &cells, std::size_t number,
                                    std::vector<NewRow> &out) {
        int start = 0;
        const int size = static_cast<int>(cells.size());
        do {
            int end = std::min(start + columns, size);
            if (end < size && cells[index(end)].ch == Cell::WideTail)
                --end;
            out.push_back({number, start, end});
            start = end;
        } while (start < size);
    };
    for (std::size_t i = 0; i < lines.size(); ++i) {
        // Blanks a program painted in colour to the right edge are not text: cut back to the width,
        // so that narrowing does not turn each coloured bar into two rows.
        auto &cells = lines[i].cells;
        while (!cells.empty() && cells.back().ch == 0
               && (cells.back().isBlank() || cells.size() > index(columns)))
            cells.pop_back();
        wrapLine(cells, i, wrapped);
    }

    // 3. A screen that was full stays full: rows come back from the scrollback.
    if (wasFull) {
        while (static_cast<int>(wrapped.size()) < rows && takeNewest()) {
            std::vector<NewRow> more;
            if (popped.wrapped && !lines.empty()) {
                // One long line that had been cut in the scrollback: the first line is its rest.
                const int added = static_cast<int>(popped.cells.size());
                for (Mark &mark : marks)
                    mark.offset += mark.line == 0 ? added : 0;
                lines.front().cells.insert(lines.front().cells.begin(), popped.cells.begin(),
                                           popped.cells.end());
                wrapped.erase(std::remove_if(wrapped.begin(), wrapped.end(),
                                             [](const NewRow &row) { return row.line == 0; }),
                              wrapped.end());
            } else {
                lines.insert(lines.begin(), Line{popped.cells});
                for (Mark &mark : marks)
                    ++mark.line;
                for (NewRow &row : wrapped)
                    ++row.line;
            }
            wrapLine(lines.front().cells, 0, more);
            wrapped.insert(wrapped.begin(), more.begin(), more.end());
        }
    }

    // 4. Where the cursors are now; a cursor beyond the end of its line stays beyond it.
    struct Spot {
        int row = 0;
        int column = 0;
    };
    std::vector<Spot> spots(marks.size());
    for (std::size_t m = 0; m < marks.size(); ++m) {
        for (std::size_t r = 0; r < wrapped.size(); ++r) {
            if (wrapped[r].line == marks[m].line && wrapped[r].start <= marks[m].offset) {
                spots[m].row = static_cast<int>(r);
                spots[m].column = marks[m].offset - wrapped[r].start;
            }
        }
    }
    const int overflow = std::max(0, static_cast<int>(wrapped.size()) - rows);

    // 5. Build the new grid, pushing what does not fit.
    Grid fresh;
    shape(fresh, columns, rows);
    for (std::size_t r = 0; r < wrapped.size(); ++r) {
        const NewRow &from = wrapped[r];
        const std::vector<Cell> &cells = lines[from.line].cells;
        const bool goesOn = r + 1 < wrapped.size() && wrapped[r + 1].line == from.line;
        const int length = from.end - from.start;
        if (static_cast<int>(r) < overflow) {
            m_scrollback.push(cells.data() + from.start, length, goesOn, false, m_clusters);
            ++m_scrolled;
            continue;
        }
        const int at = static_cast<int>(r) - overflow;
        if (at >= rows)
            break;
        Row &row = *fresh.lines[index(at)];
        std::copy_n(cells.begin() + from.start, length, row.cells.begin());
        row.used = length;
        row.wrapped = goesOn;
        row.plain = false;
        row.wide = true;
    }
    m_primary = std::move(fresh);
    for (std::size_t m = 0; m < marks.size(); ++m) {
        Cursor &target = *marks[m].cursor;
        target.row = std::clamp(spots[m].row - overflow, 0, rows - 1);
        target.wrapPending = spots[m].column >= columns;
        target.column = std::min(spots[m].column, columns - 1);
    }
}

// ---- Reading ----

void TerminalScreen::readRow(int documentRow, RowBuffer &out) const
{
    const int above = scrollbackRows();
    if (documentRow < above) {
        m_scrollback.readRow(documentRow, out);
        return;
    }
    out.clear();
    if (documentRow - above >= m_rows)
        return;
    const Row &row = line(documentRow - above);
    out.cells.assign(row.cells.begin(), row.cells.begin() + row.used);
    out.wrapped = row.wrapped;
    if (row.wrapped && row.used < m_columns - 1)
        out.cells.resize(index(m_columns)); // erased blanks inside a line are part of its text
    if (row.plain)
        return;
    for (Cell &cell : out.cells) {
        if (!cell.isCluster())
            continue;
        const std::u32string &cluster = m_clusters[cell.ch & ~Cell::ClusterTag];
        cell.ch = Cell::ClusterTag | static_cast<std::uint32_t>(out.clusters.size());
        out.clusters.push_back(cluster);
    }
}

void TerminalScreen::appendText(QString &out, const RowBuffer &row, int left, int right)
{
    const int end = std::min(right, static_cast<int>(row.cells.size()));
    for (int c = left; c < end; ++c) {
        const Cell &cell = row.cells[index(c)];
        if (cell.ch == Cell::WideTail)
            continue;
        if (cell.isCluster()) {
            for (const char32_t cp : row.clusters[cell.ch & ~Cell::ClusterTag])
                appendCodePoint(out, cp);
        } else {
            appendCodePoint(out, cell.ch ? static_cast<char32_t>(cell.ch) : U' ');
        }
    }
}

QString TerminalScreen::rowText(int documentRow) const
{
    RowBuffer row;
    readRow(documentRow, row);
    QString out;
    appendText(out, row, 0, m_columns);
    trimEnd(out, 0);
    return out;
}

TextPosition TerminalScreen::positionAt(int documentRow, int column) const
{
    const int above = scrollbackRows();
    if (documentRow < 0)
        return {m_scrollback.firstLine(), 0};
    if (documentRow < above) {
        const Scrollback::Place place = m_scrollback.placeOf(documentRow);
        return {place.line, place.cell + column};
    }
    const bool open = !isAlternate() && m_scrollback.isOpen();
    qint64 number = m_scrollback.endLine() - (open ? 1 : 0);
    int offset = open ? m_scrollback.lineCells(number) : 0;
    const int last = std::min(documentRow - above, m_rows - 1);
    for (int r = 0; r < last; ++r) {
        const Row &row = line(r);
        if (row.wrapped) {
            offset += row.used < m_columns - 1 ? m_columns : row.used;
        } else {
            ++number;
            offset = 0;
        }
    }
    return {number, offset + column};
}

TerminalScreen::GridPosition TerminalScreen::gridPosition(TextPosition position) const
{
    const int above = scrollbackRows();
    const bool open = !isAlternate() && m_scrollback.isOpen();
    qint64 number = m_scrollback.endLine() - (open ? 1 : 0);
    int offset = open ? m_scrollback.lineCells(number) : 0;
    if (position.line < m_scrollback.firstLine() || (isAlternate() && position.line < number))
        return {0, 0};
    if (position.line < number || (position.line == number && position.cell < offset)) {
        const Scrollback::RowPlace place = m_scrollback.rowOf(position.line, position.cell);
        return {place.row, std::min(position.cell - place.startCell, m_columns)};
    }
    for (int r = 0; r < m_rows; ++r) {
        const Row &row = line(r);
        const int length = row.used < m_columns - 1 ? m_columns : row.used;
        if (position.line == number
            && (!row.wrapped || position.cell < offset + length || r == m_rows - 1))
            return {above + r, std::clamp(position.cell - offset, 0, m_columns)};
        if (row.wrapped) {
            offset += length;
        } else {
            ++number;
            offset = 0;
        }
    }
    return {above + m_rows - 1, m_columns};
}

QString TerminalScreen::text(TextPosition from, TextPosition to) const
{
    QString out;
    if (!(from < to))
        return out;
    const GridPosition first = gridPosition(from);
    const GridPosition last = gridPosition(to);
    RowBuffer row;
    qsizetype lineStart = 0;
    for (int r = first.row; r <= last.row; ++r) {
        readRow(r, row);
        const int right = r == last.row ? last.column : m_columns;
        appendText(out, row, r == first.row ? first.column : 0, right);
        if (row.wrapped)
            continue;
        // Blanks that fill a line up are not text; blanks before the end of the selection are.
        if (right >= static_cast<int>(row.cells.size()))
            trimEnd(out, lineStart);
        if (r != last.row)
            out.append(u'\n');
        lineStart = out.size();
    }
    return out;
}

QString TerminalScreen::blockText(int firstRow, int lastRow, int left, int right) const
{
    QString out;
    RowBuffer row;
    for (int r = firstRow; r <= lastRow; ++r) {
        readRow(r, row);
        const qsizetype lineStart = out.size();
        appendText(out, row, left, right);
        trimEnd(out, lineStart);
        if (r != lastRow)
            out.append(u'\n');
    }
    return out;
}

QString TerminalScreen::allText() const
{
    QString out;
    RowBuffer row;
    qsizetype lineStart = 0;
    const int count = documentRows();
    for (int r = 0; r < count; ++r) {
        readRow(r, row);
        appendText(out, row, 0, m_columns);
        if (row.wrapped)
            continue;
        trimEnd(out, lineStart);
        out.append(u'\n');
        lineStart = out.size();
    }
    while (out.endsWith(u'\n'))
        out.chop(1);
    return out;
}

QString TerminalScreen::gridText() const
{
    QString out;
    const int above = scrollbackRows();
    for (int r = 0; r < m_rows; ++r) {
        out += rowText(above + r);
        out += u'\n';
    }
    return out;
}

QString TerminalScreen::checkInvariants() const
{
    if (cursor.row < 0 || cursor.row >= m_rows || cursor.column < 0 || cursor.column >= m_columns)
        return QStringLiteral("cursor outside the grid");
    for (const Grid *grid : {&m_primary, &m_alternate}) {
        if (static_cast<int>(grid->lines.size()) != m_rows)
            return QStringLiteral("wrong number of rows");
        for (const Row *row : grid->lines) {
            if (static_cast<int>(row->cells.size()) != m_columns || row->used < 0
                || row->used > m_columns)
                return QStringLiteral("row of the wrong size");
            for (int c = 0; c < m_columns; ++c) {
                const Cell &cell = row->cells[index(c)];
                if (c >= row->used && !cell.isBlank())
                    return QStringLiteral("a cell beyond the used part is not blank");
                if (row->plain && (cell.ch >= 0x80 || !cell.isDefaultStyle()))
                    return QStringLiteral("a plain row is not plain");
                if (cell.ch == Cell::WideTail) {
                    if (!row->wide || c == 0)
                        return QStringLiteral("a stray half of a wide character");
                    const std::uint32_t lead = row->cells[index(c - 1)].ch;
                    if (lead == Cell::WideTail || lead == 0)
                        return QStringLiteral("a wide character without its first half");
                } else if (cell.isCluster() && (cell.ch & ~Cell::ClusterTag) >= m_clusters.size()) {
                    return QStringLiteral("a cluster that does not exist");
                }
            }
        }
    }
    return {};
}

} // namespace moru
