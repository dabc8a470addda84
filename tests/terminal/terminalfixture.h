// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/terminalscreen.h"
#include "app/terminal/vtparser.h"

#include <QByteArray>
#include <QString>
#include <QStringList>

namespace moru {

/// A screen with its parser and everything the parser told.
class TestTerminal : private VtListener {
public:
    explicit TestTerminal(int columns = 20, int rows = 5, bool fast = true, int scrollback = 1000)
        : screen(columns, rows, scrollback)
        , parser(screen, *this)
    {
        parser.setFastPaths(fast);
    }

    TerminalScreen screen;
    VtParser parser;
    QByteArray replies;
    QString title;
    QString folder;
    int bells = 0;

    void feed(const QByteArray &bytes) { parser.feed(bytes); }

    /// Rows of the grid without the blank ones at the end, joined by '|'.
    [[nodiscard]] QString grid() const
    {
        QStringList rows = screen.gridText().split(u'\n');
        while (!rows.isEmpty() && rows.last().isEmpty())
            rows.removeLast();
        return rows.join(u'|');
    }

    /// Everything that can be seen, styles included, as text to compare.
    [[nodiscard]] QString dump() const
    {
        QString out;
        RowBuffer row;
        for (int r = 0; r < screen.documentRows(); ++r) {
            screen.readRow(r, row);
            auto end = row.cells.size();
            while (end > 0 && (row.cells[end - 1].ch == 0 || row.cells[end - 1].ch == ' ')
                   && row.cells[end - 1].isDefaultStyle())
                --end;
            QString text;
            QString styles;
            for (std::size_t c = 0; c < end; ++c) {
                const Cell &cell = row.cells[c];
                if (cell.isCluster()) {
                    const auto &cluster = row.clusters[cell.ch & ~Cell::ClusterTag];
                    text +=
                        QString::fromUcs4(cluster.data(), static_cast<qsizetype>(cluster.size()));
                } else if (cell.ch == Cell::WideTail) {
                    text += u'<';
                } else {
                    const char32_t cp = cell.ch ? static_cast<char32_t>(cell.ch) : U' ';
                    text += QString::fromUcs4(&cp, 1);
                }
                if (c == 0 || !cell.sameStyle(row.cells[c - 1])) {
                    styles += QStringLiteral(" %1:%2/%3/%4")
                                  .arg(c)
                                  .arg(cell.fg, 0, 16)
                                  .arg(cell.bg, 0, 16)
                                  .arg(cell.attrs, 0, 16);
                }
            }
            out += text + (row.wrapped ? u'\\' : u'$')
                   + (styles == QLatin1String(" 0:0/0/0") ? QString() : styles) + u'\n';
        }
        const VtParser::Modes &modes = parser.modes();
        out += QStringLiteral(
                   "cursor %1,%2%3 visible %4 shape %5 mouse %6 alt %7 keys %8%9 title %10\n")
                   .arg(screen.cursor.row)
                   .arg(screen.cursor.column)
                   .arg(screen.cursor.wrapPending ? u'+' : u'-')
                   .arg(modes.cursorVisible)
                   .arg(static_cast<int>(modes.cursorShape))
                   .arg(static_cast<int>(modes.mouse))
                   .arg(screen.isAlternate())
                   .arg(modes.keys.applicationCursor)
                   .arg(modes.keys.applicationKeypad)
                   .arg(title);
        return out;
    }

private:
    void vtReply(const QByteArray &bytes) override { replies += bytes; }
    void vtTitleChanged(const QString &text) override { title = text; }
    void vtFolderChanged(const QString &text) override { folder = text; }
    void vtBell() override { ++bells; }
};

} // namespace moru
