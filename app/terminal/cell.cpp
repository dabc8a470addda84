// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/cell.h"

namespace moru {

void RowBuffer::combineLast(char32_t mark)
{
    for (std::size_t at = cells.size(); at-- > 0;) {
        Cell &cell = cells[at];
        if (cell.ch == Cell::WideTail)
            continue;
        if (cell.isCluster()) {
            std::u32string &cluster = clusters[cell.ch & ~Cell::ClusterTag];
            if (cluster.size() < maxClusterLength)
                cluster.push_back(mark);
            return;
        }
        const char32_t base = cell.ch ? static_cast<char32_t>(cell.ch) : U' ';
        cell.ch = Cell::ClusterTag | static_cast<std::uint32_t>(clusters.size());
        clusters.push_back({base, mark});
        return;
    }
}

void appendUtf8(std::string &out, char32_t cp)
{
    const auto byte = [&out](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
    if (cp < 0x80) {
        byte(cp);
    } else if (cp < 0x800) {
        byte(0xc0 | cp >> 6);
        byte(0x80 | (cp & 0x3f));
    } else if (cp < 0x10000) {
        byte(0xe0 | cp >> 12);
        byte(0x80 | (cp >> 6 & 0x3f));
        byte(0x80 | (cp & 0x3f));
    } else {
        byte(0xf0 | cp >> 18);
        byte(0x80 | (cp >> 12 & 0x3f));
        byte(0x80 | (cp >> 6 & 0x3f));
        byte(0x80 | (cp & 0x3f));
    }
}

} // namespace moru
