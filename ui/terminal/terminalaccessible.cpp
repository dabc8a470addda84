// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/terminalaccessible.h"

#include "ui/terminal/terminalview.h"

#include <QAccessible>
#include <QAccessibleWidget>

#include <algorithm>

namespace moru {
namespace {

/// Offsets count the characters of the grid's rows, each followed by a newline.
class TerminalAccessible : public QAccessibleWidget, public QAccessibleTextInterface {
public:
    explicit TerminalAccessible(TerminalView *view)
        : QAccessibleWidget(view, QAccessible::Terminal)
    {}

    void *interface_cast(QAccessible::InterfaceType type) override
    {
        if (type == QAccessible::TextInterface)
            return static_cast<QAccessibleTextInterface *>(this);
        return QAccessibleWidget::interface_cast(type);
    }

    [[nodiscard]] QString text(QAccessible::Text kind) const override
    {
        if (kind == QAccessible::Value)
            return screen().gridText();
        return QAccessibleWidget::text(kind);
    }

    [[nodiscard]] QAccessible::State state() const override
    {
        QAccessible::State state = QAccessibleWidget::state();
        state.multiLine = true;
        state.selectableText = true;
        return state;
    }

    void selection(int index, int *start, int *end) const override
    {
        *start = *end = 0;
        if (index != 0)
            return;
        const QString selected = view()->selectedText();
        const auto at = selected.isEmpty() ? -1 : all().indexOf(selected);
        if (at >= 0) {
            *start = static_cast<int>(at);
            *end = static_cast<int>(at + selected.size());
        }
    }
    [[nodiscard]] int selectionCount() const override
    {
        return view()->selectedText().isEmpty() ? 0 : 1;
    }
    void addSelection(int, int) override {}
    void removeSelection(int) override {}
    void setSelection(int, int, int) override {}

    [[nodiscard]] int cursorPosition() const override
    {
        const TerminalScreen::Cursor &cursor = screen().cursor;
        int offset = 0;
        const int above = screen().scrollbackRows();
        for (int row = 0; row < cursor.row; ++row)
            offset += static_cast<int>(screen().rowText(above + row).size()) + 1;
        const auto length = static_cast<int>(screen().rowText(above + cursor.row).size());
        return offset + std::min(cursor.column, length);
    }
    void setCursorPosition(int) override {}

    [[nodiscard]] QString text(int start, int end) const override
    {
        const QString everything = all();
        if (end < 0)
            end = static_cast<int>(everything.size());
        return everything.mid(start, std::max(0, end - start));
    }
    [[nodiscard]] int characterCount() const override { return static_cast<int>(all().size()); }

    [[nodiscard]] QRect characterRect(int offset) const override
    {
        const GridOffset at = locate(offset);
        const QRectF cell = view()->cellRect(screen().scrollbackRows() + at.row, at.column);
        return {view()->viewport()->mapToGlobal(cell.topLeft().toPoint()), cell.size().toSize()};
    }
    [[nodiscard]] int offsetAtPoint(const QPoint &point) const override
    {
        const QPoint local = view()->viewport()->mapFromGlobal(point);
        const QRectF cell = view()->cellRect(screen().scrollbackRows(), 0);
        const int row = std::clamp(static_cast<int>((local.y() - cell.top()) / cell.height()), 0,
                                   screen().rows() - 1);
        const int column = std::max(0, static_cast<int>((local.x() - cell.left()) / cell.width()));
        int offset = 0;
        const int above = screen().scrollbackRows();
        for (int r = 0; r < row; ++r)
            offset += static_cast<int>(screen().rowText(above + r).size()) + 1;
        return offset + std::min(column, static_cast<int>(screen().rowText(above + row).size()));
    }
    void scrollToSubstring(int, int) override {}
    [[nodiscard]] QString attributes(int offset, int *start, int *end) const override
    {
        *start = offset;
        *end = offset + 1;
        return {};
    }

private:
    struct GridOffset {
        int row = 0;
        int column = 0;
    };
    [[nodiscard]] TerminalView *view() const { return static_cast<TerminalView *>(widget()); }
    [[nodiscard]] const TerminalScreen &screen() const { return view()->screen(); }
    [[nodiscard]] QString all() const { return screen().gridText(); }
    [[nodiscard]] GridOffset locate(int offset) const
    {
        const int above = screen().scrollbackRows();
        for (int row = 0; row < screen().rows(); ++row) {
            const auto length = static_cast<int>(screen().rowText(above + row).size());
            if (offset <= length)
                return {row, offset};
            offset -= length + 1;
        }
        return {screen().rows() - 1, 0};
    }
};

QAccessibleInterface *create(const QString &, QObject *object)
{
    auto *view = qobject_cast<TerminalView *>(object);
    return view ? new TerminalAccessible(view) : nullptr;
}

} // namespace

void installTerminalAccessibility()
{
    static const bool installed = [] {
        QAccessible::installFactory(&create);
        return true;
    }();
    Q_UNUSED(installed)
}

} // namespace moru
