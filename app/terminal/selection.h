// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/terminalscreen.h"

#include <QString>

namespace moru {

/// Selected text, held by places in the text and not by places on the screen: it stays where it was
/// while output scrolls and while the width changes.
class Selection {
public:
    enum class Mode {
        Character,
        Word,
        Line,
        Block, ///< the same columns of every row
    };

    [[nodiscard]] bool isEmpty() const { return !m_active || m_begin == m_end; }
    [[nodiscard]] Mode mode() const { return m_mode; }
    [[nodiscard]] TextPosition begin() const { return m_begin; }
    [[nodiscard]] TextPosition end() const { return m_end; }
    void clear();
    /// `column` is the column under the pointer; `boundary` the nearest gap between two columns.
    void start(const TerminalScreen &screen, int documentRow, int column, int boundary, Mode mode);
    void extendTo(const TerminalScreen &screen, int documentRow, int column, int boundary);
    void selectAll(const TerminalScreen &screen);

    /// Selected columns [left, right) by document row, computed once per painted frame.
    struct Span {
        TerminalScreen::GridPosition first;
        TerminalScreen::GridPosition last; ///< exclusive column in the last row
        bool block = false;
        bool empty = true;
        /// Returns false where nothing of the row is selected.
        [[nodiscard]] bool columnsOf(int documentRow, int columns, int &left, int &right) const;
    };
    [[nodiscard]] Span span(const TerminalScreen &screen) const;
    [[nodiscard]] QString text(const TerminalScreen &screen) const;

private:
    struct Range {
        TextPosition begin;
        TextPosition end;
    };
    [[nodiscard]] Range unitAt(const TerminalScreen &screen, int documentRow, int column,
                               int boundary) const;

    Mode m_mode = Mode::Character;
    bool m_active = false;
    Range m_anchor; ///< the unit the selection started with; it stays selected whole
    TextPosition m_begin;
    TextPosition m_end;
    int m_anchorColumn = 0; ///< block mode: the columns are the pointer's, whatever the lines hold
    int m_headColumn = 0;
};

} // namespace moru
