// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/cell.h"

#include <QtGlobal>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace moru {

/// The rows that left the top of the screen, kept as logical lines: UTF-8 text plus runs of style
/// in large blocks, about the size of the text itself. How many rows a line takes at the present
/// width is kept in the index, so that a change of width costs one pass over the index, not over
/// the text.
///
/// Bounded by lines and by bytes; the oldest lines go first. A line is cut into several records
/// when it grows beyond 4096 columns, so that a file without newlines cannot make one record of
/// megabytes.
class Scrollback {
public:
    explicit Scrollback(int columns, int maxLines = 10000, qint64 maxBytes = 32 * 1024 * 1024);

    /// A row that left the screen. `wrapped` = the next row pushed (or the screen's first) goes on.
    void push(const Cell *cells, int count, bool wrapped, bool plainAscii,
              const std::vector<std::u32string> &clusters);
    void clear();
    void setColumns(int columns);
    void setMaxLines(int maxLines);

    [[nodiscard]] int rows() const { return static_cast<int>(rowEnd() - m_firstRow); }
    [[nodiscard]] int lines() const { return static_cast<int>(m_index.size()) + (m_open ? 1 : 0); }
    /// The next row pushed continues the last line.
    [[nodiscard]] bool isOpen() const { return m_open; }
    /// Bytes of text, styles and index held.
    [[nodiscard]] qint64 bytes() const;
    /// Rows dropped so far at the present width; grows as the oldest rows go. A row's number plus
    /// this never changes until setColumns().
    [[nodiscard]] qint64 firstRow() const { return m_firstRow; }

    /// Number of the oldest line held, and one past the newest. Numbers are never reused.
    [[nodiscard]] qint64 firstLine() const { return m_firstLine; }
    [[nodiscard]] qint64 endLine() const { return m_firstLine + lines(); }

    /// Copies row `row` (0 = oldest) as it is laid out at the present width.
    void readRow(int row, RowBuffer &out) const;
    /// Line number and column within the line at which a row starts.
    struct Place {
        qint64 line = 0;
        int cell = 0;
    };
    [[nodiscard]] Place placeOf(int row) const;
    /// The row that shows column `cell` of `line`, and the column of that row's start.
    struct RowPlace {
        int row = 0;
        int startCell = 0;
    };
    [[nodiscard]] RowPlace rowOf(qint64 line, int cell) const;
    /// Columns of a line.
    [[nodiscard]] int lineCells(qint64 line) const;

    /// Takes the newest line away again (a resize that gives its rows back to the screen).
    bool popLine(RowBuffer &out);

private:
    struct Run {
        CellColor fg;
        CellColor bg;
        std::uint16_t attrs;
        std::uint16_t length; ///< columns
    };
    static_assert(sizeof(Run) == 12);
    struct Record {
        const char *text = nullptr;
        std::uint32_t textBytes = 0;
        std::uint32_t cells = 0;
        const char *runs = nullptr; ///< unaligned Run array
        std::uint32_t runCount = 0;
        bool ascii = true;      ///< one byte is one column
        bool wide = false;      ///< holds wide characters, so rows may break early
        bool continues = false; ///< cut for its length: the next line is the same line
    };
    struct Header {
        std::uint32_t textBytesAndFlags;
        std::uint16_t cells;
        std::uint16_t runs;
    };
    static_assert(sizeof(Header) == 8);
    struct Entry {
        std::uint32_t block;  ///< sequence number, wraps
        std::uint32_t offset; ///< within the block
        std::uint32_t rowEnd; ///< number of the row after this line, its low 32 bits
    };
    struct Block {
        std::unique_ptr<char[]> data;
        std::uint32_t size = 0;
        std::uint32_t used = 0;
    };

    [[nodiscard]] qint64 rowEnd() const { return committedRowEnd() + (m_open ? m_openRows : 0); }
    [[nodiscard]] qint64 committedRowEnd() const
    {
        return m_index.empty() ? m_firstRow : rowEndOf(m_index.back());
    }
    /// The full number: the rows held at one time are always fewer than 2^32.
    [[nodiscard]] qint64 rowEndOf(const Entry &entry) const
    {
        return m_firstRow
               + static_cast<std::uint32_t>(entry.rowEnd - static_cast<std::uint32_t>(m_firstRow));
    }
    [[nodiscard]] Record record(std::size_t line) const;
    [[nodiscard]] Record openRecord() const;
    [[nodiscard]] Record anyRecord(qint64 line) const;
    [[nodiscard]] std::size_t lineOfRow(int row) const;
    [[nodiscard]] qint64 rowStart(std::size_t line) const;
    [[nodiscard]] int rowsOf(const Record &record) const;
    /// Walks a record and calls `visit(startColumn)` at the start of each of its rows.
    template <typename Visit> void forEachRow(const Record &record, Visit visit) const;
    static void decode(const Record &record, int from, int to, RowBuffer &out);
    void appendOpen(const Cell *cells, int count, const std::vector<std::u32string> &clusters);
    void addOpenRun(const Cell &style, int length);
    void commitOpen(bool continues);
    void store(const Record &record);
    void trim();
    char *allocate(std::uint32_t size, Entry &entry);

    int m_columns;
    int m_maxLines;
    qint64 m_maxBytes;
    std::deque<Block> m_blocks;
    std::uint32_t m_firstBlock = 0;
    std::unique_ptr<char[]> m_spare; ///< one standard block kept for reuse
    qint64 m_blockBytes = 0;
    std::deque<Entry> m_index;
    qint64 m_firstLine = 0;
    qint64 m_firstRow = 0;

    // The newest line while it may still grow.
    bool m_open = false;
    bool m_openAscii = true;
    bool m_openWide = false;
    std::string m_openText;
    std::vector<Run> m_openRuns;
    std::uint32_t m_openCells = 0;
    int m_openRows = 0;
};

} // namespace moru
