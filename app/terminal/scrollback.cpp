// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/scrollback.h"

#include "app/terminal/characterwidth.h"

#include <algorithm>
#include <cstring>

namespace moru {
namespace {

constexpr std::uint32_t blockSize = 64 * 1024;
constexpr std::uint32_t maxLineCells = 4096;
constexpr std::uint32_t flagAscii = 1u << 31;
constexpr std::uint32_t flagWide = 1u << 30;
constexpr std::uint32_t flagContinues = 1u << 29;
constexpr std::uint32_t byteMask = flagContinues - 1;

/// Decodes one code point of text that we have encoded ourselves.
char32_t nextCodePoint(const char *&at)
{
    const auto lead = static_cast<unsigned char>(*at++);
    if (lead < 0x80)
        return lead;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    char32_t cp = lead & (0x3fu >> more);
    for (int i = 0; i < more; ++i)
        cp = cp << 6 | (static_cast<unsigned char>(*at++) & 0x3fu);
    return cp;
}

int rowsForCells(std::uint32_t cells, int columns)
{
    const auto width = static_cast<std::uint32_t>(columns);
    return cells == 0 ? 1 : static_cast<int>((cells + width - 1) / width);
}

} // namespace

Scrollback::Scrollback(int columns, int maxLines, qint64 maxBytes)
    : m_columns(std::max(1, columns))
    , m_maxLines(std::max(0, maxLines))
    , m_maxBytes(maxBytes)
{}

qint64 Scrollback::bytes() const
{
    return m_blockBytes + static_cast<qint64>(m_index.size() * sizeof(Entry))
           + static_cast<qint64>(m_openText.capacity() + m_openRuns.capacity() * sizeof(Run));
}

char *Scrollback::allocate(std::uint32_t size, Entry &entry)
{
    if (m_blocks.empty() || m_blocks.back().size - m_blocks.back().used < size) {
        Block block;
        block.size = std::max(blockSize, size);
        if (block.size == blockSize && m_spare)
            block.data = std::move(m_spare);
        else
            block.data.reset(new char[block.size]); // not zeroed: every byte is written before use
        m_blockBytes += block.size;
        m_blocks.push_back(std::move(block));
    }
    Block &block = m_blocks.back();
    entry.block = m_firstBlock + static_cast<std::uint32_t>(m_blocks.size()) - 1;
    entry.offset = block.used;
    block.used += size;
    return block.data.get() + entry.offset;
}

void Scrollback::store(const Record &record)
{
    const auto runBytes = static_cast<std::uint32_t>(record.runCount * sizeof(Run));
    Entry entry{};
    char *to =
        allocate(static_cast<std::uint32_t>(sizeof(Header)) + record.textBytes + runBytes, entry);
    Header header{};
    header.textBytesAndFlags = record.textBytes | (record.ascii ? flagAscii : 0)
                               | (record.wide ? flagWide : 0)
                               | (record.continues ? flagContinues : 0);
    header.cells = static_cast<std::uint16_t>(record.cells);
    header.runs = static_cast<std::uint16_t>(record.runCount);
    std::memcpy(to, &header, sizeof header);
    if (record.textBytes)
        std::memcpy(to + sizeof header, record.text, record.textBytes);
    if (runBytes)
        std::memcpy(to + sizeof header + record.textBytes, record.runs, runBytes);
    entry.rowEnd = static_cast<std::uint32_t>(committedRowEnd() + rowsOf(record));
    m_index.push_back(entry);
}

void Scrollback::push(const Cell *cells, int count, bool wrapped, bool plainAscii,
                      const std::vector<std::u32string> &clusters)
{
    if (m_maxLines == 0) {
        ++m_firstRow;
        ++m_firstLine;
        return;
    }
    if (!m_open && !wrapped && plainAscii) {
        // The common case, a line of a log: text straight into the block.
        while (count > 0 && cells[count - 1].ch == 0)
            --count;
        Entry entry{};
        const auto length = static_cast<std::uint32_t>(count);
        char *to = allocate(static_cast<std::uint32_t>(sizeof(Header)) + length, entry);
        const Header header{length | flagAscii, static_cast<std::uint16_t>(count), 0};
        std::memcpy(to, &header, sizeof header);
        to += sizeof header;
        for (int i = 0; i < count; ++i) {
            const std::uint32_t ch = cells[i].ch;
            to[i] = static_cast<char>(ch ? ch : ' ');
        }
        entry.rowEnd =
            static_cast<std::uint32_t>(committedRowEnd() + rowsForCells(length, m_columns));
        m_index.push_back(entry);
        trim();
        return;
    }
    if (!wrapped) {
        while (count > 0 && cells[count - 1].isBlank())
            --count;
    }
    if (!m_open) {
        m_open = true;
        m_openAscii = true;
        m_openWide = false;
        m_openText.clear();
        m_openRuns.clear();
        m_openCells = 0;
        m_openRows = 1;
    }
    appendOpen(cells, count, clusters);
    if (wrapped && count < m_columns - 1) {
        const int missing = m_columns - count;
        m_openText.append(static_cast<std::size_t>(missing), ' ');
        addOpenRun(Cell{}, missing);
        m_openCells += static_cast<std::uint32_t>(missing);
    }
    m_openRows = rowsOf(openRecord());
    if (!wrapped)
        commitOpen(false);
    else if (m_openCells >= maxLineCells)
        commitOpen(true);
    trim();
}

void Scrollback::addOpenRun(const Cell &style, int length)
{
    if (!m_openRuns.empty()) {
        Run &last = m_openRuns.back();
        if (last.fg == style.fg && last.bg == style.bg && last.attrs == style.attrs
            && last.length + length <= 0xffff) {
            last.length = static_cast<std::uint16_t>(last.length + length);
            return;
        }
    }
    m_openRuns.push_back({style.fg, style.bg, style.attrs, static_cast<std::uint16_t>(length)});
}

void Scrollback::appendOpen(const Cell *cells, int count,
                            const std::vector<std::u32string> &clusters)
{
    for (int i = 0; i < count;) {
        int end = i + 1;
        while (end < count && cells[end].sameStyle(cells[i]))
            ++end;
        addOpenRun(cells[i], end - i);
        for (; i < end; ++i) {
            const std::uint32_t ch = cells[i].ch;
            if (ch < 0x80) {
                m_openText.push_back(ch ? static_cast<char>(ch) : ' ');
                continue;
            }
            m_openAscii = false;
            if (ch == Cell::WideTail) {
                m_openWide = true;
            } else if (ch & Cell::ClusterTag) {
                const std::size_t at = ch & ~Cell::ClusterTag;
                for (const char32_t cp :
                     at < clusters.size() ? clusters[at] : std::u32string(1, U' '))
                    appendUtf8(m_openText, cp);
            } else {
                appendUtf8(m_openText, ch);
            }
        }
    }
    m_openCells += static_cast<std::uint32_t>(count);
}

void Scrollback::commitOpen(bool continues)
{
    Record record = openRecord();
    record.continues = continues;
    m_open = false;
    store(record);
}

void Scrollback::trim()
{
    while (!m_index.empty()
           && (lines() > m_maxLines || (bytes() > m_maxBytes && m_index.size() > 1))) {
        m_firstRow = rowEndOf(m_index.front());
        ++m_firstLine;
        m_index.pop_front();
        const std::uint32_t firstUsed =
            m_index.empty() ? m_firstBlock + static_cast<std::uint32_t>(m_blocks.size())
                            : m_index.front().block;
        while (m_firstBlock != firstUsed) {
            Block &block = m_blocks.front();
            m_blockBytes -= block.size;
            if (block.size == blockSize && !m_spare)
                m_spare = std::move(block.data);
            m_blocks.pop_front();
            ++m_firstBlock;
        }
    }
}

void Scrollback::clear()
{
    m_firstLine = endLine();
    m_firstRow = rowEnd();
    m_open = false;
    m_index.clear();
    m_blocks.clear();
    m_blockBytes = 0;
    m_firstBlock = 0;
    m_spare.reset();
    m_openText = {};
    m_openRuns = {};
}

void Scrollback::setMaxLines(int maxLines)
{
    m_maxLines = std::max(0, maxLines);
    trim();
}

void Scrollback::setColumns(int columns)
{
    columns = std::max(1, columns);
    if (columns == m_columns)
        return;
    m_columns = columns;
    qint64 rows = m_firstRow;
    for (std::size_t i = 0; i < m_index.size(); ++i) {
        rows += rowsOf(record(i));
        m_index[i].rowEnd = static_cast<std::uint32_t>(rows);
    }
    if (m_open)
        m_openRows = rowsOf(openRecord());
}

Scrollback::Record Scrollback::record(std::size_t line) const
{
    const Entry &entry = m_index[line];
    const char *at = m_blocks[entry.block - m_firstBlock].data.get() + entry.offset;
    Header header{};
    std::memcpy(&header, at, sizeof header);
    Record out;
    out.text = at + sizeof header;
    out.textBytes = header.textBytesAndFlags & byteMask;
    out.cells = header.cells;
    out.runs = out.text + out.textBytes;
    out.runCount = header.runs;
    out.ascii = header.textBytesAndFlags & flagAscii;
    out.wide = header.textBytesAndFlags & flagWide;
    out.continues = header.textBytesAndFlags & flagContinues;
    return out;
}

Scrollback::Record Scrollback::openRecord() const
{
    Record out;
    out.text = m_openText.data();
    out.textBytes = static_cast<std::uint32_t>(m_openText.size());
    out.cells = m_openCells;
    out.runs = reinterpret_cast<const char *>(m_openRuns.data());
    const bool plain = m_openRuns.size() == 1 && m_openRuns[0].fg == 0 && m_openRuns[0].bg == 0
                       && m_openRuns[0].attrs == 0;
    out.runCount = plain ? 0 : static_cast<std::uint32_t>(m_openRuns.size());
    out.ascii = m_openAscii;
    out.wide = m_openWide;
    out.continues = true;
    return out;
}

Scrollback::Record Scrollback::anyRecord(qint64 line) const
{
    const auto at = static_cast<std::size_t>(line - m_firstLine);
    return at < m_index.size() ? record(at) : openRecord();
}

template <typename Visit> void Scrollback::forEachRow(const Record &record, Visit visit) const
{
    visit(0);
    if (!record.wide) {
        for (std::uint32_t start = static_cast<std::uint32_t>(m_columns); start < record.cells;
             start += static_cast<std::uint32_t>(m_columns))
            visit(static_cast<int>(start));
        return;
    }
    int column = 0;
    int start = 0;
    const char *at = record.text;
    const char *const end = at + record.textBytes;
    while (at != end) {
        const int width = characterWidth(nextCodePoint(at));
        if (column + width > m_columns && column > 0) {
            start += column;
            column = 0;
            visit(start);
        }
        column += width;
    }
}

int Scrollback::rowsOf(const Record &record) const
{
    if (!record.wide)
        return rowsForCells(record.cells, m_columns);
    int rows = 0;
    forEachRow(record, [&rows](int) { ++rows; });
    return rows;
}

qint64 Scrollback::rowStart(std::size_t line) const
{
    return line == 0 ? m_firstRow : rowEndOf(m_index[line - 1]);
}

std::size_t Scrollback::lineOfRow(int row) const
{
    const qint64 wanted = m_firstRow + row;
    const auto found =
        std::upper_bound(m_index.begin(), m_index.end(), wanted,
                         [this](qint64 at, const Entry &e) { return at < rowEndOf(e); });
    return static_cast<std::size_t>(found - m_index.begin());
}

Scrollback::Place Scrollback::placeOf(int row) const
{
    const std::size_t line = lineOfRow(row);
    const auto number = m_firstLine + static_cast<qint64>(line);
    int within = static_cast<int>(m_firstRow + row - rowStart(line));
    Place place{number, 0};
    forEachRow(anyRecord(number), [&](int start) {
        if (within-- == 0)
            place.cell = start;
    });
    return place;
}

Scrollback::RowPlace Scrollback::rowOf(qint64 line, int cell) const
{
    const auto at = static_cast<std::size_t>(line - m_firstLine);
    RowPlace place{static_cast<int>(rowStart(at) - m_firstRow) - 1, 0};
    forEachRow(anyRecord(line), [&](int start) {
        if (start <= cell || start == 0) {
            ++place.row;
            place.startCell = start;
        }
    });
    return place;
}

int Scrollback::lineCells(qint64 line) const
{
    return static_cast<int>(anyRecord(line).cells);
}

void Scrollback::readRow(int row, RowBuffer &out) const
{
    out.clear();
    const std::size_t line = lineOfRow(row);
    const Record rec = anyRecord(m_firstLine + static_cast<qint64>(line));
    const int within = static_cast<int>(m_firstRow + row - rowStart(line));
    int from = within * m_columns;
    int to = std::min(from + m_columns, static_cast<int>(rec.cells));
    bool last = to >= static_cast<int>(rec.cells);
    if (rec.wide) {
        int index = 0;
        to = static_cast<int>(rec.cells);
        last = true;
        forEachRow(rec, [&](int start) {
            if (index == within)
                from = start;
            if (index == within + 1) {
                to = start;
                last = false;
            }
            ++index;
        });
    }
    decode(rec, from, to, out);
    out.wrapped = !last || rec.continues;
}

void Scrollback::decode(const Record &record, int from, int to, RowBuffer &out)
{
    out.cells.reserve(static_cast<std::size_t>(std::max(0, to - from)));
    if (record.ascii) {
        for (int i = from; i < to; ++i) {
            Cell cell;
            cell.ch = static_cast<unsigned char>(record.text[i]);
            out.cells.push_back(cell);
        }
    } else {
        int column = 0;
        const char *at = record.text;
        const char *const end = at + record.textBytes;
        while (at != end) {
            const char32_t cp = nextCodePoint(at);
            const int width = characterWidth(cp);
            if (width == 0) {
                if (column > from && column <= to)
                    out.combineLast(cp);
                continue;
            }
            if (column >= to)
                break;
            if (column >= from) {
                Cell cell;
                cell.ch = cp;
                out.cells.push_back(cell);
                if (width == 2) {
                    cell.ch = Cell::WideTail;
                    out.cells.push_back(cell);
                }
            }
            column += width;
        }
    }
    int runStart = 0;
    for (std::uint32_t i = 0; i < record.runCount; ++i) {
        Run run{};
        std::memcpy(&run, record.runs + i * sizeof(Run), sizeof run);
        const int first = std::max(from, runStart);
        const int end =
            std::min({to, runStart + run.length, from + static_cast<int>(out.cells.size())});
        for (int column = first; column < end; ++column) {
            Cell &cell = out.cells[static_cast<std::size_t>(column - from)];
            cell.fg = run.fg;
            cell.bg = run.bg;
            cell.attrs = run.attrs;
        }
        runStart += run.length;
        if (runStart >= to)
            break;
    }
}

bool Scrollback::popLine(RowBuffer &out)
{
    out.clear();
    if (m_open) {
        decode(openRecord(), 0, static_cast<int>(m_openCells), out);
        out.wrapped = true;
        m_open = false;
        return true;
    }
    if (m_index.empty())
        return false;
    const Record rec = record(m_index.size() - 1);
    decode(rec, 0, static_cast<int>(rec.cells), out);
    out.wrapped = rec.continues;
    const Entry entry = m_index.back();
    m_index.pop_back();
    m_blocks.back().used = entry.offset;
    if (entry.offset == 0) {
        m_blockBytes -= m_blocks.back().size;
        m_blocks.pop_back();
    }
    return true;
}

} // namespace moru
