// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/cell.h"
#include "app/terminal/scrollback.h"

#include <QString>

#include <compare>
#include <vector>

namespace moru {

/// A place in the text that survives scrolling and re-wrapping: line number since the start of the
/// session and column within that line.
struct TextPosition {
    qint64 line = 0;
    int cell = 0;
    friend auto operator<=>(const TextPosition &, const TextPosition &) = default;
};

/// The grid a program draws on (primary and alternate) with the scrollback above it.
///
/// Rows and columns of the grid count from 0. A *document row* counts from the oldest row of the
/// scrollback; while the alternate grid is shown the document is that grid alone. Arguments outside
/// the grid are clamped, so that no sequence a program sends can reach beyond it.
class TerminalScreen {
public:
    static constexpr int minColumns = 2;
    static constexpr int maxColumns = 4096;
    static constexpr int maxRows = 4096;

    TerminalScreen(int columns, int rows, int scrollbackLines = 10000);

    struct Cursor {
        int row = 0;
        int column = 0;
        bool wrapPending = false; ///< the last column was written; the next character goes below
        friend bool operator==(const Cursor &, const Cursor &) = default;
    };

    [[nodiscard]] int columns() const { return m_columns; }
    [[nodiscard]] int rows() const { return m_rows; }
    [[nodiscard]] bool isAlternate() const { return m_grid == &m_alternate; }
    [[nodiscard]] const Scrollback &scrollback() const { return m_scrollback; }

    // ---- Written by the parser ----

    Cursor cursor;

    /// Printable ASCII, all within the row.
    void putAscii(int row, int column, const char *text, int length, const Cell &pen);
    /// One character of width 1 or 2.
    void put(int row, int column, char32_t cp, int width, const Cell &pen);
    /// Adds a combining mark to the character that ends before the cursor.
    void combine(char32_t mark);
    struct Rect {
        int top = 0;
        int bottom = 0; ///< exclusive
        int left = 0;
        int right = 0; ///< exclusive
    };
    /// `selective` spares protected cells. `pen` gives the background of the blank cells.
    void erase(Rect rect, bool selective, const Cell &pen);
    /// Moves the contents up by `down` rows and left by `right` columns (negative: the other way).
    /// What leaves the top of the primary grid goes into the scrollback where `keep` is set.
    void scroll(Rect rect, int down, int right, bool keep, const Cell &pen);
    void markWrapped(int row);
    void setAlternate(bool on);
    void clearScrollback();
    void setScrollbackLines(int lines) { m_scrollback.setMaxLines(lines); }

    /// Re-wraps the primary grid and the scrollback. `saved` cursors of the primary grid move
    /// along.
    void resize(int columns, int rows, Cursor *savedPrimary = nullptr);

    // ---- Read by the view ----

    [[nodiscard]] int scrollbackRows() const { return isAlternate() ? 0 : m_scrollback.rows(); }
    [[nodiscard]] int documentRows() const { return scrollbackRows() + m_rows; }
    void readRow(int documentRow, RowBuffer &out) const;
    /// Text of a document row without trailing blanks.
    [[nodiscard]] QString rowText(int documentRow) const;

    [[nodiscard]] TextPosition positionAt(int documentRow, int column) const;
    /// Document row and column; places that are gone clamp to the oldest row.
    struct GridPosition {
        int row = 0;
        int column = 0;
        friend bool operator==(const GridPosition &, const GridPosition &) = default;
    };
    [[nodiscard]] GridPosition gridPosition(TextPosition position) const;
    /// Text from `from` up to but not including `to`; rows of one wrapped line are joined.
    [[nodiscard]] QString text(TextPosition from, TextPosition to) const;
    /// The same columns of several document rows, each row a line.
    [[nodiscard]] QString blockText(int firstRow, int lastRow, int left, int right) const;
    /// Everything, scrollback included.
    [[nodiscard]] QString allText() const;
    /// The grid alone, a line per row: what tests compare.
    [[nodiscard]] QString gridText() const;

    // ---- Damage ----

    [[nodiscard]] bool isDirty(int row) const
    {
        return m_allDirty || m_grid->lines[index(row)]->dirty;
    }
    [[nodiscard]] bool anyDirty() const;
    void clearDirty();
    void markAllDirty();
    /// Rows that went into the scrollback since clearDirty().
    [[nodiscard]] int scrolledRows() const { return m_scrolled; }

    /// For tests and the fuzzer: what is wrong, or an empty string.
    [[nodiscard]] QString checkInvariants() const;

private:
    struct Row {
        std::vector<Cell> cells;
        int used = 0;         ///< cells from here on are blank in the default style
        bool wrapped = false; ///< the next row continues this line
        bool wide = false;    ///< may hold wide characters
        bool plain = true;    ///< nothing but ASCII in the default style
        bool dirty = true;
    };
    struct Grid {
        std::vector<Row> storage;
        std::vector<Row *> lines; ///< top to bottom; scrolling moves pointers, not cells
    };

    static std::size_t index(int value) { return static_cast<std::size_t>(value); }
    Row &line(int row) { return *m_grid->lines[index(row)]; }
    [[nodiscard]] const Row &line(int row) const { return *m_grid->lines[index(row)]; }
    static void shape(Grid &grid, int columns, int rows);
    void blank(Row &row, int left, int right, const Cell &pen);
    void clearRow(Row &row, const Cell &pen);
    /// Blanks the halves of wide characters that an edit of [left, right) would cut.
    void splitWide(Row &row, int left, int right);
    void pushTop();
    std::uint32_t internCluster(std::u32string cluster);
    void collectClusters();
    void resizeAlternate(int columns, int rows);
    void reflow(int columns, int rows, Cursor *current, Cursor *saved);
    [[nodiscard]] int lastUsedRow() const;
    static void appendText(QString &out, const RowBuffer &row, int left, int right);

    int m_columns;
    int m_rows;
    Grid m_primary;
    Grid m_alternate;
    Grid *m_grid = &m_primary;
    Scrollback m_scrollback;
    std::vector<std::u32string> m_clusters;
    std::size_t m_clusterLimit = 4096;
    int m_scrolled = 0;
    bool m_allDirty = true;
};

} // namespace moru
