// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/terminalview.h"

#include "app/terminal/keyencoder.h"
#include "ui/common/theme.h"
#include "ui/terminal/boxdrawing.h"
#include "ui/terminal/pastebar.h"
#include "ui/terminal/terminalaccessible.h"

#include <QAccessible>
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QFontDatabase>
#include <QInputMethodEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QStyleHints>
#include <QWheelEvent>
#include <QWindow>

#include <algorithm>
#include <cmath>
#include <utility>

namespace moru {
namespace {

constexpr int padding = 8;    ///< px around the grid
constexpr qint64 sliceMs = 8; ///< parsing per turn of the event loop
constexpr qsizetype sliceBytes = 16384;
constexpr qsizetype backlogHigh = 1024 * 1024;
constexpr qsizetype backlogLow = 256 * 1024;
constexpr int frameQuietMs = 3; ///< wait this long for more output before painting
constexpr int frameMinMs = 16;
constexpr qint64 frameMaxMs = 40;    ///< under constant output
constexpr int synchronizedMs = 150;  ///< a program may hold the picture back this long
constexpr qint64 blinkForMs = 20000; ///< then the cursor stays on: an idle window costs nothing
constexpr int minZoom = -6;
constexpr int maxZoom = 24;
constexpr qsizetype maxReplies = 64 * 1024;

QRectF underlinePart(const QRectF &line, qreal from, qreal to)
{
    return {line.left() + from, line.top(), to - from, line.height()};
}

} // namespace

TerminalView::TerminalView(QWidget *parent)
    : QAbstractScrollArea(parent)
    , m_screen(80, 24)
    , m_parser(m_screen, *this)
    , m_colors(theme::isTerminalDark())
    , m_pasteBar(new PasteBar(this))
{
    installTerminalAccessibility();
    setObjectName(QStringLiteral("terminalView"));
    setAccessibleName(tr("Terminal"));
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_InputMethodEnabled);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(
        Qt::ScrollBarAlwaysOn); // the grid's width must not depend on history
    viewport()->setAttribute(Qt::WA_OpaquePaintEvent);
    viewport()->setCursor(Qt::IBeamCursor);
    m_baseFont = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    m_sinceFrame.start();
    m_sinceInput.start();
    m_sinceDoubleClick.start();

    createActions();
    applyColors();
    applyFont();
    updateScrollBar();

    connect(&theme::notifier(), &theme::Notifier::changed, this, &TerminalView::applyColors);
    connect(m_pasteBar, &PasteBar::accepted, this, &TerminalView::insertText);
    connect(m_pasteBar, &PasteBar::closed, this, [this] { setFocus(Qt::OtherFocusReason); });
}

TerminalView::~TerminalView() = default;

void TerminalView::createActions()
{
    const auto make = [this](const char *name, const QString &text,
                             const QList<QKeySequence> &shortcuts, auto slot) {
        auto *action = new QAction(text, this);
        action->setObjectName(QLatin1String(name));
        action->setShortcuts(shortcuts);
        action->setShortcutContext(Qt::WidgetShortcut);
        action->setShortcutVisibleInContextMenu(true);
        connect(action, &QAction::triggered, this, slot);
        addAction(action);
        return action;
    };
    m_copyAction = make("terminalCopy", tr("Copy"),
                        {QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_C)}, &TerminalView::copy);
    m_pasteAction = make("terminalPaste", tr("Paste"),
                         {QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_V)}, &TerminalView::paste);
    m_selectAllAction =
        make("terminalSelectAll", tr("Select all"),
             {QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_A)}, &TerminalView::selectAll);
    m_copyAllAction = make("terminalCopyAll", tr("Copy all"), {}, &TerminalView::copyAll);
    m_markAction =
        make("terminalMark", tr("Select by keyboard"),
             {QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_M)}, [this] { setMarking(!m_marking); });
    m_clearAction =
        make("terminalClearScrollback", tr("Clear scrollback"),
             {QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_K)}, &TerminalView::clearScrollback);
    m_zoomInAction =
        make("terminalZoomIn", tr("Larger text"),
             {QKeySequence(Qt::CTRL | Qt::Key_Plus), QKeySequence(Qt::CTRL | Qt::Key_Equal)},
             &TerminalView::zoomIn);
    m_zoomOutAction = make("terminalZoomOut", tr("Smaller text"),
                           {QKeySequence(Qt::CTRL | Qt::Key_Minus)}, &TerminalView::zoomOut);
    m_zoomResetAction = make("terminalZoomReset", tr("Normal text size"),
                             {QKeySequence(Qt::CTRL | Qt::Key_0)}, &TerminalView::zoomReset);
}

// ---- Bytes in ----

void TerminalView::receive(const QByteArray &bytes)
{
    if (bytes.isEmpty())
        return;
    if (backlog() == 0) {
        m_backlog = bytes;
        m_backlogAt = 0;
        parseSlice();
        return;
    }
    m_backlog.append(bytes);
    if (backlog() > backlogHigh && !m_overloaded) {
        m_overloaded = true;
        emit overloaded(true);
    }
}

void TerminalView::parseSlice()
{
    QElapsedTimer spent;
    spent.start();
    while (backlog() > 0) {
        const qsizetype length = std::min(sliceBytes, backlog());
        m_parser.feed(m_backlog.constData() + m_backlogAt, static_cast<std::size_t>(length));
        m_backlogAt += length;
        if (spent.elapsed() >= sliceMs)
            break;
    }
    if (backlog() == 0) {
        m_backlog.clear();
        m_backlogAt = 0;
        m_parseTimer.stop();
    } else {
        if (m_backlogAt > backlogHigh) {
            m_backlog.remove(0, m_backlogAt);
            m_backlogAt = 0;
        }
        if (!m_parseTimer.isActive())
            m_parseTimer.start(0, this);
    }
    if (m_overloaded && backlog() < backlogLow) {
        m_overloaded = false;
        emit overloaded(false);
    }
    scheduleFrame();
    emitReplies();
    emit outputShown();
}

void TerminalView::writeNotice(const QString &text)
{
    while (backlog() > 0)
        parseSlice(); // bounded by the back-pressure above
    m_parser.resetModes();
    QString plain = text;
    plain.removeIf(
        [](QChar c) { return c.unicode() < 0x20 || (c.unicode() >= 0x7f && c.unicode() < 0xa0); });
    QByteArray bytes;
    if (m_screen.cursor.column > 0 || m_screen.cursor.wrapPending)
        bytes += "\r\n";
    bytes += "\x1b[0;2m" + plain.toUtf8() + "\x1b[0m\r\n";
    m_parser.feed(bytes);
    scheduleFrame();
    emit outputShown();
}

void TerminalView::resetModes()
{
    m_parser.resetModes();
    scheduleFrame();
}

void TerminalView::setLive(bool live)
{
    if (m_live == live)
        return;
    m_live = live;
    restartBlink();
    viewport()->update();
}

void TerminalView::vtReply(const QByteArray &bytes)
{
    if (m_replies.size() + bytes.size() <= maxReplies)
        m_replies += bytes;
}

void TerminalView::emitReplies()
{
    if (m_replies.isEmpty())
        return;
    const QByteArray bytes = std::exchange(m_replies, {});
    if (m_live)
        emit inputReady(bytes);
}

void TerminalView::vtTitleChanged(const QString &title)
{
    emit titleChanged(title);
}

void TerminalView::vtFolderChanged(const QString &folder)
{
    emit folderChanged(folder);
}

void TerminalView::vtBell()
{
    emit bell();
}

void TerminalView::vtModesChanged()
{
    const bool reports = m_parser.modes().mouse != VtParser::Mouse::None;
    viewport()->setCursor(reports ? Qt::ArrowCursor : Qt::IBeamCursor);
    viewport()->setMouseTracking(m_parser.modes().mouse == VtParser::Mouse::Move);
    restartBlink();
}

// ---- Frames ----

void TerminalView::scheduleFrame()
{
    if (m_parser.modes().synchronized) {
        if (!m_syncTimer.isActive())
            m_syncTimer.start(synchronizedMs, this);
        return;
    }
    m_syncTimer.stop();
    if (!m_framePending) {
        m_framePending = true;
        m_sinceDamage.start();
    }
    const qint64 waited = m_sinceDamage.elapsed();
    if (waited >= frameMaxMs) {
        // A timer that every slice of a flood starts anew may never get its turn.
        showFrame();
        return;
    }
    const qint64 wait = std::max<qint64>(frameQuietMs, frameMinMs - m_sinceFrame.elapsed());
    m_frameTimer.start(static_cast<int>(std::min(wait, frameMaxMs - waited)), this);
}

void TerminalView::showFrame()
{
    m_frameTimer.stop();
    m_framePending = false;
    m_sinceFrame.restart();

    const int oldTop = m_lastTopRow;
    updateScrollBar();
    const int top = topRow();
    const int above = m_screen.scrollbackRows();

    if (!m_selection.isEmpty() && !m_selecting && m_screen.anyDirty()) {
        // Rows that scrolled away are safe; of the rest nothing may have changed.
        const QString now = selectedOnGrid();
        if (!m_selectedOnGrid.endsWith(now)
            || (now.isEmpty() && !m_selectedOnGrid.isEmpty()
                && m_selection.span(m_screen).last.row >= above))
            m_selection.clear();
        m_selectedOnGrid = now;
    }

    const bool moved = top != oldTop || m_screen.scrolledRows() > 0
                       || m_screen.documentRows() != m_lastDocumentRows;
    const TerminalScreen::Cursor cursor = m_screen.cursor;
    if (moved) {
        viewport()->update();
    } else {
        for (int row = 0; row < m_screen.rows(); ++row) {
            if (!m_screen.isDirty(row))
                continue;
            int last = row;
            while (last + 1 < m_screen.rows() && m_screen.isDirty(last + 1))
                ++last;
            updateRows(above + row, above + last);
            row = last;
        }
        if (cursor != m_shownCursor) {
            updateRows(above + m_shownCursor.row, above + m_shownCursor.row);
            updateRows(above + cursor.row, above + cursor.row);
        }
    }
    if (cursor != m_shownCursor) {
        m_blinkOn = true;
        updateMicroFocus(Qt::ImCursorRectangle);
        if (QAccessible::isActive() && hasFocus()) {
            QAccessibleInterface *accessible = QAccessible::queryAccessibleInterface(this);
            if (accessible && accessible->textInterface()) {
                QAccessibleTextCursorEvent event(this,
                                                 accessible->textInterface()->cursorPosition());
                QAccessible::updateAccessibility(&event);
            }
        }
    }
    m_shownCursor = cursor;
    m_lastTopRow = top;
    m_lastDocumentRows = m_screen.documentRows();
    m_screen.clearDirty();
}

void TerminalView::updateRows(int firstDocumentRow, int lastDocumentRow)
{
    const int top = topRow();
    const int first = firstDocumentRow - top;
    const int last = lastDocumentRow - top;
    if (last < 0 || first > m_screen.rows())
        return;
    const int y0 = static_cast<int>(std::floor(padding + first * m_glyphs.cellHeight()));
    const int y1 = static_cast<int>(std::ceil(padding + (last + 1) * m_glyphs.cellHeight()));
    viewport()->update(0, y0, viewport()->width(), y1 - y0);
}

void TerminalView::timerEvent(QTimerEvent *event)
{
    const int id = event->timerId();
    if (id == m_parseTimer.timerId()) {
        parseSlice();
    } else if (id == m_frameTimer.timerId()) {
        showFrame();
    } else if (id == m_syncTimer.timerId()) {
        m_syncTimer.stop();
        m_parser.endSynchronized();
        scheduleFrame();
    } else if (id == m_blinkTimer.timerId()) {
        m_blinkOn = !m_blinkOn;
        if (m_sinceInput.elapsed() > blinkForMs) {
            m_blinkOn = true;
            m_blinkTimer.stop();
        }
        const int row = m_screen.scrollbackRows() + m_screen.cursor.row;
        updateRows(row, row);
    } else if (id == m_autoScrollTimer.timerId()) {
        const int step = m_selectingAt.y() < 0 ? -1 : 1;
        verticalScrollBar()->setValue(verticalScrollBar()->value() + step);
        extendSelection(m_selectingAt);
    } else {
        QAbstractScrollArea::timerEvent(event);
    }
}

// ---- Geometry ----

void TerminalView::applyFont()
{
    QFont font = m_baseFont;
    if (font.pointSizeF() > 0)
        font.setPointSizeF(std::max(4.0, font.pointSizeF() + m_zoom));
    else
        font.setPixelSize(std::max(6, font.pixelSize() + m_zoom));
    m_glyphs.setFont(font, devicePixelRatioF());
    m_parser.setCellSize(static_cast<int>(m_glyphs.cellWidth()),
                         static_cast<int>(m_glyphs.cellHeight()));
    verticalScrollBar()->setSingleStep(1);
    updateGridSize();
    viewport()->update();
}

void TerminalView::applyColors()
{
    m_colors = TerminalColors(theme::isTerminalDark());
    m_parser.setColors(m_colors.foreground() & 0xffffff, m_colors.background() & 0xffffff,
                       m_colors.palette());
    viewport()->update();
}

void TerminalView::setZoom(int steps)
{
    steps = std::clamp(steps, minZoom, maxZoom);
    if (steps == m_zoom)
        return;
    m_zoom = steps;
    applyFont();
}

void TerminalView::zoomIn()
{
    setZoom(m_zoom + 1);
}

void TerminalView::zoomOut()
{
    setZoom(m_zoom - 1);
}

void TerminalView::zoomReset()
{
    setZoom(0);
}

QSize TerminalView::sizeForGrid(int columns, int rows) const
{
    const int bar = verticalScrollBar()->sizeHint().width();
    return {static_cast<int>(std::ceil(columns * m_glyphs.cellWidth())) + 2 * padding + bar,
            static_cast<int>(std::ceil(rows * m_glyphs.cellHeight())) + 2 * padding};
}

QSize TerminalView::sizeHint() const
{
    return sizeForGrid(80, 24);
}

void TerminalView::updateGridSize()
{
    const int width = viewport()->width() - 2 * padding;
    const int height = viewport()->height() - 2 * padding;
    if (width < m_glyphs.cellWidth() || height < m_glyphs.cellHeight())
        return; // not laid out yet
    const int columns =
        std::max(TerminalScreen::minColumns, static_cast<int>(width / m_glyphs.cellWidth()));
    const int rows = std::max(1, static_cast<int>(height / m_glyphs.cellHeight()));
    if (columns == m_screen.columns() && rows == m_screen.rows())
        return;
    const bool following = m_following;
    const TextPosition top = m_screen.positionAt(topRow(), 0);
    m_parser.resize(columns, rows);
    m_following = following;
    if (!following)
        m_topNumber = m_screen.scrollback().firstRow() + m_screen.gridPosition(top).row;
    updateScrollBar();
    m_mark = {std::min(m_mark.row, m_screen.documentRows() - 1),
              std::min(m_mark.column, columns - 1)};
    viewport()->update();
    emitReplies();
    emit gridSizeChanged(columns, rows);
}

void TerminalView::resizeEvent(QResizeEvent *event)
{
    QAbstractScrollArea::resizeEvent(event);
    m_pasteBar->setGeometry(0, 0, viewport()->width(), m_pasteBar->sizeHint().height());
    updateGridSize();
}

void TerminalView::showEvent(QShowEvent *event)
{
    QAbstractScrollArea::showEvent(event);
    applyFont(); // the screen, and with it the pixel ratio, is known now
    if (QWindow *handle = window()->windowHandle())
        connect(handle, &QWindow::screenChanged, this, &TerminalView::applyFont,
                Qt::UniqueConnection);
}

int TerminalView::topRow() const
{
    return verticalScrollBar()->value();
}

bool TerminalView::isAtBottom() const
{
    return verticalScrollBar()->value() == verticalScrollBar()->maximum();
}

void TerminalView::updateScrollBar()
{
    const int above = m_screen.scrollbackRows();
    m_settingScrollBar = true;
    QScrollBar *bar = verticalScrollBar();
    bar->setRange(0, above);
    bar->setPageStep(m_screen.rows());
    if (m_following) {
        bar->setValue(above);
    } else {
        const qint64 row = m_topNumber - m_screen.scrollback().firstRow();
        bar->setValue(static_cast<int>(std::clamp<qint64>(row, 0, above)));
        m_following = !m_screen.isAlternate() && isAtBottom();
    }
    m_settingScrollBar = false;
}

void TerminalView::scrollContentsBy(int, int)
{
    if (!m_settingScrollBar) {
        m_following = isAtBottom();
        m_topNumber = m_screen.scrollback().firstRow() + topRow();
    }
    m_lastTopRow = topRow();
    viewport()->update();
}

void TerminalView::scrollToBottom()
{
    m_following = true;
    verticalScrollBar()->setValue(verticalScrollBar()->maximum());
}

QRectF TerminalView::cellRect(int documentRow, int column) const
{
    return {padding + column * m_glyphs.cellWidth(),
            padding + (documentRow - topRow()) * m_glyphs.cellHeight(), m_glyphs.cellWidth(),
            m_glyphs.cellHeight()};
}

TerminalView::Hit TerminalView::hit(const QPointF &position) const
{
    const qreal x = position.x() - padding;
    const qreal y = position.y() - padding;
    const int row = static_cast<int>(std::floor(y / m_glyphs.cellHeight()));
    Hit out;
    out.documentRow = topRow() + std::clamp(row, 0, m_screen.rows() - 1);
    out.documentRow = std::min(out.documentRow, m_screen.documentRows() - 1);
    out.column = std::clamp(static_cast<int>(std::floor(x / m_glyphs.cellWidth())), 0,
                            m_screen.columns() - 1);
    out.boundary =
        std::clamp(static_cast<int>(std::lround(x / m_glyphs.cellWidth())), 0, m_screen.columns());
    return out;
}

// ---- Painting ----

void TerminalView::paintEvent(QPaintEvent *event)
{
    ++m_paintedFrames;
    QPainter painter(viewport());
    const QRect area = event->rect();
    painter.fillRect(area, QColor::fromRgb(m_parser.modes().reverseScreen ? m_colors.foreground()
                                                                          : m_colors.background()));
    const int top = topRow();
    const int first =
        std::max(0, static_cast<int>(std::floor((area.top() - padding) / m_glyphs.cellHeight())));
    const int last =
        std::min(m_screen.rows() - 1,
                 static_cast<int>(std::floor((area.bottom() - padding) / m_glyphs.cellHeight())));
    const Selection::Span span = m_selection.span(m_screen);
    const int cursorRow = m_screen.scrollbackRows() + m_screen.cursor.row;
    for (int row = first; row <= last; ++row)
        paintRow(painter, top + row, span);
    flushGlyphs(painter);
    if (cursorRow >= top + first && cursorRow <= top + last)
        paintCursor(painter);
    if (m_marking && m_mark.row >= top + first && m_mark.row <= top + last) {
        const QRectF cell = cellRect(m_mark.row, m_mark.column);
        painter.fillRect(QRectF(cell.left() - 1, cell.top(), 2, cell.height()),
                         theme::color(theme::Token::Accent));
    }
    paintPreedit(painter);
}

void TerminalView::addGlyph(QPainter &painter, quint16 font, quint32 index, QPointF at, QRgb color)
{
    if (font != m_runFont || color != m_runColor || m_runGlyphs.size() == m_runGlyphs.capacity()) {
        flushGlyphs(painter);
        m_runFont = font;
        m_runColor = color;
    }
    m_runGlyphs.append(index);
    m_runPositions.append(at);
}

void TerminalView::flushGlyphs(QPainter &painter)
{
    if (m_runGlyphs.isEmpty())
        return;
    QGlyphRun run;
    run.setRawFont(m_glyphs.rawFont(m_runFont));
    run.setRawData(m_runGlyphs.constData(), m_runPositions.constData(),
                   static_cast<int>(m_runGlyphs.size()));
    painter.setPen(QColor::fromRgb(m_runColor));
    painter.drawGlyphRun(QPointF(), run);
    m_runGlyphs.clear();
    m_runPositions.clear();
}

void TerminalView::paintRow(QPainter &painter, int documentRow, const Selection::Span &span)
{
    m_screen.readRow(documentRow, m_row);
    const int columns = m_screen.columns();
    const int size = std::min(static_cast<int>(m_row.cells.size()), columns);
    const bool reverse = m_parser.modes().reverseScreen;
    const QRgb plainBackground = reverse ? m_colors.foreground() : m_colors.background();
    const qreal width = m_glyphs.cellWidth();
    const qreal y = padding + (documentRow - topRow()) * m_glyphs.cellHeight();
    const qreal baseLine = y + m_glyphs.ascent();
    const qreal px = 1.0 / devicePixelRatioF();
    int selectedLeft = columns;
    int selectedRight = columns;
    if (!span.columnsOf(documentRow, columns, selectedLeft, selectedRight))
        selectedLeft = selectedRight = columns;

    for (int at = 0; at < columns;) {
        const Cell style = at < size ? m_row.cells[static_cast<std::size_t>(at)] : Cell{};
        const bool selected = at >= selectedLeft && at < selectedRight;
        int end = at < selectedLeft ? selectedLeft : selected ? selectedRight : columns;
        if (at < size) {
            end = std::min(end, size);
            for (int c = at + 1; c < end; ++c) {
                if (!m_row.cells[static_cast<std::size_t>(c)].sameStyle(style)) {
                    end = c;
                    break;
                }
            }
        }
        TerminalColors::Pair colors = m_colors.resolve(style, reverse);
        if (selected) {
            colors.bg = m_colors.selection();
            colors.fg = m_colors.readable(colors.fg, colors.bg);
        }
        const qreal x = padding + at * width;
        if (colors.bg != plainBackground) {
            painter.fillRect(QRectF(x, y, (end - at) * width, m_glyphs.cellHeight()),
                             QColor::fromRgb(colors.bg));
        }
        const auto fontStyle =
            static_cast<GlyphCache::Style>((style.attrs & attr::Bold ? GlyphCache::Bold : 0)
                                           | (style.attrs & attr::Italic ? GlyphCache::Italic : 0));
        const int textEnd = (style.attrs & attr::Conceal) ? at : std::min(end, size);
        for (int c = at; c < textEnd; ++c) {
            const Cell &cell = m_row.cells[static_cast<std::size_t>(c)];
            const std::uint32_t ch = cell.ch;
            if (ch == 0 || ch == ' ' || ch == Cell::WideTail)
                continue;
            const QPointF origin(padding + c * width, baseLine);
            if (ch < 0x80) {
                addGlyph(painter, static_cast<quint16>(fontStyle), m_glyphs.ascii(fontStyle, ch),
                         origin, colors.fg);
                continue;
            }
            if (boxdrawing::covers(ch)) {
                boxdrawing::draw(painter, QRectF(origin.x(), y, width, m_glyphs.cellHeight()), ch,
                                 QColor::fromRgb(colors.fg), px);
                continue;
            }
            const bool wide =
                c + 1 < size && m_row.cells[static_cast<std::size_t>(c + 1)].ch == Cell::WideTail;
            const GlyphCache::Glyphs &glyphs =
                cell.isCluster() ? m_glyphs.cluster(
                    fontStyle, m_row.clusters[ch & ~Cell::ClusterTag], wide ? 2 : 1)
                                 : m_glyphs.character(fontStyle, ch, wide ? 2 : 1);
            for (const GlyphCache::Glyph &glyph : glyphs)
                addGlyph(painter, glyph.font, glyph.index, origin + glyph.offset, colors.fg);
        }
        if (style.attrs & (attr::UnderlineMask | attr::Strike))
            drawDecoration(painter, style, x, y, (end - at) * width, colors.fg);
        at = end;
    }
}

void TerminalView::drawDecoration(QPainter &painter, const Cell &cell, qreal x, qreal y,
                                  qreal width, QRgb color)
{
    const qreal thick = m_glyphs.lineThickness();
    const QColor ink = QColor::fromRgb(color);
    const QRectF line(x, y + m_glyphs.ascent() + m_glyphs.underlinePosition(), width, thick);
    switch (cell.underline()) {
    case Underline::None:
        break;
    case Underline::Single:
        painter.fillRect(line, ink);
        break;
    case Underline::Double:
        painter.fillRect(line.translated(0, -thick), ink);
        painter.fillRect(line.translated(0, thick), ink);
        break;
    case Underline::Curly: {
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(ink, thick));
        QPainterPath wave;
        const qreal middle = line.center().y();
        const qreal half = m_glyphs.cellWidth() / 4;
        wave.moveTo(x, middle);
        int side = 1;
        for (qreal at = x; at + 2 * half <= x + width + 0.01; at += 2 * half, side = -side)
            wave.quadTo(at + half, middle + side * 2 * thick, at + 2 * half, middle);
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(wave);
        painter.restore();
        break;
    }
    case Underline::Dotted:
        for (qreal at = 0; at < width; at += 2 * thick)
            painter.fillRect(underlinePart(line, at, std::min(at + thick, width)), ink);
        break;
    case Underline::Dashed:
        for (qreal at = 0; at < width; at += m_glyphs.cellWidth())
            painter.fillRect(
                underlinePart(line, at, std::min(at + m_glyphs.cellWidth() / 2, width)), ink);
        break;
    }
    if (cell.attrs & attr::Strike) {
        const qreal at = y + std::round(m_glyphs.ascent() * 0.66);
        painter.fillRect(QRectF(x, at, width, thick), ink);
    }
}

bool TerminalView::cursorVisible() const
{
    return m_live && m_parser.modes().cursorVisible && m_preedit.isEmpty();
}

void TerminalView::paintCursor(QPainter &painter)
{
    if (!cursorVisible() || (hasFocus() && !m_blinkOn))
        return;
    const TerminalScreen::Cursor &cursor = m_screen.cursor;
    const int row = m_screen.scrollbackRows() + cursor.row;
    int column = cursor.column;
    m_screen.readRow(row, m_row);
    const auto cellAt = [this](int c) {
        return c < static_cast<int>(m_row.cells.size()) ? m_row.cells[static_cast<std::size_t>(c)]
                                                        : Cell{};
    };
    if (column > 0 && cellAt(column).ch == Cell::WideTail)
        --column;
    const bool wide = cellAt(column + 1).ch == Cell::WideTail;
    QRectF cell = cellRect(row, column);
    if (wide)
        cell.setWidth(cell.width() * 2);
    const QColor ink =
        QColor::fromRgb(m_parser.modes().reverseScreen ? m_colors.background() : m_colors.cursor());
    const qreal px = 1.0 / devicePixelRatioF();
    if (!hasFocus()) {
        painter.setPen(QPen(ink, px));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(cell.adjusted(px / 2, px / 2, -px / 2, -px / 2));
        return;
    }
    switch (m_parser.modes().cursorShape) {
    case VtParser::CursorShape::Underline: {
        const qreal thick = std::max(2.0, m_glyphs.lineThickness());
        painter.fillRect(QRectF(cell.left(), cell.bottom() - thick, cell.width(), thick), ink);
        return;
    }
    case VtParser::CursorShape::Bar:
        painter.fillRect(
            QRectF(cell.left(), cell.top(), std::max(2.0, m_glyphs.lineThickness()), cell.height()),
            ink);
        return;
    case VtParser::CursorShape::Block:
        break;
    }
    painter.fillRect(cell, ink);
    const Cell under = cellAt(column);
    if (under.ch == 0 || under.ch == ' ' || (under.attrs & attr::Conceal))
        return;
    const QRgb color =
        m_colors.readable(m_colors.resolve(under, m_parser.modes().reverseScreen).bg, ink.rgb());
    const auto fontStyle =
        static_cast<GlyphCache::Style>((under.attrs & attr::Bold ? GlyphCache::Bold : 0)
                                       | (under.attrs & attr::Italic ? GlyphCache::Italic : 0));
    const QPointF origin(cell.left(), cell.top() + m_glyphs.ascent());
    if (under.ch < 0x80) {
        addGlyph(painter, static_cast<quint16>(fontStyle), m_glyphs.ascii(fontStyle, under.ch),
                 origin, color);
    } else if (boxdrawing::covers(under.ch)) {
        boxdrawing::draw(painter, cell, under.ch, QColor::fromRgb(color), px);
    } else {
        const GlyphCache::Glyphs &glyphs =
            under.isCluster() ? m_glyphs.cluster(
                fontStyle, m_row.clusters[under.ch & ~Cell::ClusterTag], wide ? 2 : 1)
                              : m_glyphs.character(fontStyle, under.ch, wide ? 2 : 1);
        for (const GlyphCache::Glyph &glyph : glyphs)
            addGlyph(painter, glyph.font, glyph.index, origin + glyph.offset, color);
    }
    flushGlyphs(painter);
}

void TerminalView::paintPreedit(QPainter &painter)
{
    if (m_preedit.isEmpty())
        return;
    const QRectF cell =
        cellRect(m_screen.scrollbackRows() + m_screen.cursor.row, m_screen.cursor.column);
    painter.setFont(m_glyphs.font());
    const qreal width = QFontMetricsF(m_glyphs.font()).horizontalAdvance(m_preedit);
    const QRectF box(cell.left(), cell.top(), width, cell.height());
    painter.fillRect(box, QColor::fromRgb(m_colors.background()));
    painter.setPen(QColor::fromRgb(m_colors.foreground()));
    painter.drawText(QPointF(box.left(), box.top() + m_glyphs.ascent()), m_preedit);
    painter.fillRect(QRectF(box.left(), box.bottom() - m_glyphs.lineThickness(), width,
                            m_glyphs.lineThickness()),
                     QColor::fromRgb(m_colors.foreground()));
}

void TerminalView::restartBlink()
{
    m_blinkOn = true;
    const int flash = QApplication::cursorFlashTime();
    if (hasFocus() && m_live && m_parser.modes().cursorBlink && m_parser.modes().cursorVisible
        && flash > 0) {
        if (!m_blinkTimer.isActive())
            m_blinkTimer.start(flash / 2, this);
    } else {
        m_blinkTimer.stop();
    }
}

// ---- Keys ----

void TerminalView::send(const QByteArray &bytes)
{
    if (bytes.isEmpty() || !m_live)
        return;
    scrollToBottom();
    m_sinceInput.restart();
    restartBlink();
    emit inputReady(bytes);
}

bool TerminalView::keepsShortcut(const QKeyEvent *event) const
{
    const Qt::KeyboardModifiers modifiers = event->modifiers();
    const bool control = modifiers & Qt::ControlModifier;
    if (modifiers & Qt::MetaModifier)
        return false;
    if (control && (modifiers & Qt::ShiftModifier))
        return false; // the application's own
    if (control && !(modifiers & Qt::AltModifier)) {
        switch (event->key()) {
        case Qt::Key_Plus:
        case Qt::Key_Equal:
        case Qt::Key_Minus:
        case Qt::Key_0:
        case Qt::Key_Tab:
            return false;
        default:
            break;
        }
    }
    return true;
}

bool TerminalView::event(QEvent *event)
{
    switch (event->type()) {
    case QEvent::ShortcutOverride:
        if (keepsShortcut(static_cast<QKeyEvent *>(event))) {
            event->accept();
            return true;
        }
        break;
    case QEvent::FontChange:
    case QEvent::ApplicationFontChange:
        m_baseFont = QFontDatabase::systemFont(QFontDatabase::FixedFont);
        applyFont();
        break;
    default:
        break;
    }
    return QAbstractScrollArea::event(event);
}

bool TerminalView::focusNextPrevChild(bool next)
{
    Q_UNUSED(next)
    return false; // Tab is the program's; Ctrl+Tab leaves
}

bool TerminalView::scrollKey(QKeyEvent *event)
{
    const Qt::KeyboardModifiers modifiers = event->modifiers() & ~Qt::KeypadModifier;
    QScrollBar *bar = verticalScrollBar();
    if (modifiers == Qt::ShiftModifier && !m_screen.isAlternate()) {
        switch (event->key()) {
        case Qt::Key_PageUp:
            bar->setValue(bar->value() - std::max(1, m_screen.rows() - 1));
            return true;
        case Qt::Key_PageDown:
            bar->setValue(bar->value() + std::max(1, m_screen.rows() - 1));
            return true;
        case Qt::Key_Home:
            bar->setValue(0);
            return true;
        case Qt::Key_End:
            scrollToBottom();
            return true;
        default:
            break;
        }
    }
    if (modifiers == (Qt::ControlModifier | Qt::ShiftModifier)
        && (event->key() == Qt::Key_Up || event->key() == Qt::Key_Down)) {
        bar->setValue(bar->value() + (event->key() == Qt::Key_Up ? -1 : 1));
        return true;
    }
    return false;
}

void TerminalView::keyPressEvent(QKeyEvent *event)
{
    event->accept();
    if (m_marking && markingKey(event))
        return;
    if (scrollKey(event))
        return;
    const Qt::KeyboardModifiers modifiers = event->modifiers();
    const int key = event->key();
    if ((modifiers & Qt::ControlModifier) && (key == Qt::Key_Tab || key == Qt::Key_Backtab)) {
        QAbstractScrollArea::focusNextPrevChild(key == Qt::Key_Tab);
        return;
    }
    if (key == Qt::Key_Insert && modifiers == Qt::ShiftModifier) {
        pasteSelection();
        return;
    }
    if (!m_live) {
        if ((key == Qt::Key_Return || key == Qt::Key_Enter) && !(modifiers & ~Qt::KeypadModifier))
            emit restartRequested();
        else
            event->ignore();
        return;
    }
    const QByteArray bytes =
        keyencoder::encode(key, modifiers, event->text(), m_parser.modes().keys);
    if (bytes.isEmpty()) {
        event->ignore();
        return;
    }
    send(bytes);
}

void TerminalView::focusInEvent(QFocusEvent *event)
{
    QAbstractScrollArea::focusInEvent(event);
    m_sinceInput.restart();
    restartBlink();
    m_parser.focusChanged(true);
    emitReplies();
    viewport()->update();
}

void TerminalView::focusOutEvent(QFocusEvent *event)
{
    QAbstractScrollArea::focusOutEvent(event);
    restartBlink();
    m_parser.focusChanged(false);
    emitReplies();
    viewport()->update();
}

void TerminalView::inputMethodEvent(QInputMethodEvent *event)
{
    m_preedit = event->preeditString();
    const QString text = event->commitString();
    if (!text.isEmpty())
        send(text.toUtf8());
    const int row = m_screen.scrollbackRows() + m_screen.cursor.row;
    updateRows(row, row);
    event->accept();
}

QVariant TerminalView::inputMethodQuery(Qt::InputMethodQuery query) const
{
    switch (query) {
    case Qt::ImEnabled:
        return m_live;
    case Qt::ImCursorRectangle: {
        const QRectF cell =
            cellRect(m_screen.scrollbackRows() + m_screen.cursor.row, m_screen.cursor.column);
        return cell.translated(viewport()->pos());
    }
    case Qt::ImFont:
        return m_glyphs.font();
    case Qt::ImHints:
        return static_cast<int>(Qt::ImhNoPredictiveText | Qt::ImhNoAutoUppercase);
    default:
        return QAbstractScrollArea::inputMethodQuery(query);
    }
}

void TerminalView::changeEvent(QEvent *event)
{
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        applyColors();
}

// ---- Selection, copy, paste ----

void TerminalView::selectionChanged()
{
    // While the mouse drags, every move would read the text; it is wanted when the button is let
    // go.
    if (!m_selecting)
        m_selectedOnGrid = selectedOnGrid();
    viewport()->update();
}

QString TerminalView::selectedOnGrid() const
{
    if (m_selection.isEmpty())
        return {};
    if (m_selection.mode() == Selection::Mode::Block)
        return m_selection.text(m_screen);
    const TextPosition grid = m_screen.positionAt(m_screen.scrollbackRows(), 0);
    return m_screen.text(std::max(m_selection.begin(), grid), m_selection.end());
}

void TerminalView::extendSelection(const QPointF &position)
{
    const Hit at = hit(position);
    m_selection.extendTo(m_screen, at.documentRow, at.column, at.boundary);
    selectionChanged();
}

void TerminalView::copy()
{
    const QString text = selectedText();
    if (!text.isEmpty())
        QGuiApplication::clipboard()->setText(text);
}

void TerminalView::copyAll()
{
    QGuiApplication::clipboard()->setText(text());
}

void TerminalView::selectAll()
{
    m_selection.selectAll(m_screen);
    selectionChanged();
}

void TerminalView::clearScrollback()
{
    m_screen.clearScrollback();
    m_selection.clear();
    m_following = true;
    scheduleFrame();
    viewport()->update();
}

void TerminalView::paste()
{
    pasteText(QGuiApplication::clipboard()->text());
}

void TerminalView::pasteSelection()
{
    QClipboard *clipboard = QGuiApplication::clipboard();
    pasteText(clipboard->text(clipboard->supportsSelection() ? QClipboard::Selection
                                                             : QClipboard::Clipboard));
}

void TerminalView::pasteText(const QString &text)
{
    if (text.isEmpty() || !m_live)
        return;
    const paste::Risk risk = paste::examine(text);
    if (!risk.any()) {
        insertText(text);
        return;
    }
    m_pasteBar->ask(text, risk);
    m_pasteBar->setGeometry(0, 0, viewport()->width(), m_pasteBar->sizeHint().height());
}

void TerminalView::insertText(const QString &text)
{
    send(paste::encode(text, m_parser.modes().bracketedPaste));
}

void TerminalView::setMarking(bool on)
{
    if (m_marking == on)
        return;
    m_marking = on;
    if (on)
        m_mark = {m_screen.scrollbackRows() + m_screen.cursor.row, m_screen.cursor.column};
    else
        m_selection.clear();
    viewport()->update();
}

bool TerminalView::markingKey(QKeyEvent *event)
{
    const Qt::KeyboardModifiers modifiers = event->modifiers() & ~Qt::KeypadModifier;
    if (modifiers & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier))
        return false;
    const TerminalScreen::GridPosition before = m_mark;
    const int page = std::max(1, m_screen.rows() - 1);
    switch (event->key()) {
    case Qt::Key_Escape:
        setMarking(false);
        return true;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        copy();
        setMarking(false);
        return true;
    case Qt::Key_Left:
        --m_mark.column;
        break;
    case Qt::Key_Right:
        ++m_mark.column;
        break;
    case Qt::Key_Up:
        --m_mark.row;
        break;
    case Qt::Key_Down:
        ++m_mark.row;
        break;
    case Qt::Key_PageUp:
        m_mark.row -= page;
        break;
    case Qt::Key_PageDown:
        m_mark.row += page;
        break;
    case Qt::Key_Home:
        m_mark.column = 0;
        break;
    case Qt::Key_End:
        m_mark.column = m_screen.columns();
        break;
    default:
        return true; // nothing else is typed by mistake while marking
    }
    if (m_mark.column < 0 && m_mark.row > 0) {
        --m_mark.row;
        m_mark.column = m_screen.columns();
    } else if (m_mark.column > m_screen.columns() && m_mark.row + 1 < m_screen.documentRows()) {
        ++m_mark.row;
        m_mark.column = 0;
    }
    m_mark.row = std::clamp(m_mark.row, 0, m_screen.documentRows() - 1);
    m_mark.column = std::clamp(m_mark.column, 0, m_screen.columns());
    const auto underMark = [this](const TerminalScreen::GridPosition &at) {
        return std::min(at.column, m_screen.columns() - 1);
    };
    if (modifiers & Qt::ShiftModifier) {
        if (m_selection.isEmpty())
            m_selection.start(m_screen, before.row, underMark(before), before.column,
                              Selection::Mode::Character);
        m_selection.extendTo(m_screen, m_mark.row, underMark(m_mark), m_mark.column);
    } else {
        m_selection.clear();
    }
    if (m_mark.row < topRow())
        verticalScrollBar()->setValue(m_mark.row);
    else if (m_mark.row >= topRow() + m_screen.rows())
        verticalScrollBar()->setValue(m_mark.row - m_screen.rows() + 1);
    selectionChanged();
    return true;
}

// ---- Mouse ----

bool TerminalView::reportsMouse(Qt::KeyboardModifiers modifiers) const
{
    return m_live && m_parser.modes().mouse != VtParser::Mouse::None
           && !(modifiers & Qt::ShiftModifier) && m_following;
}

void TerminalView::mousePressEvent(QMouseEvent *event)
{
    const Hit at = hit(event->position());
    if (reportsMouse(event->modifiers())) {
        const int button = event->button() == Qt::LeftButton     ? 1
                           : event->button() == Qt::MiddleButton ? 2
                           : event->button() == Qt::RightButton  ? 3
                                                                 : 0;
        if (button) {
            m_mouseReported = true;
            m_parser.mouseButton(button, true, at.documentRow - m_screen.scrollbackRows(),
                                 at.column, event->modifiers());
            emitReplies();
        }
        return;
    }
    if (event->button() == Qt::MiddleButton) {
        pasteSelection();
        return;
    }
    if (event->button() != Qt::LeftButton)
        return;
    m_selecting = true;
    const bool third =
        m_sinceDoubleClick.elapsed() < QGuiApplication::styleHints()->mouseDoubleClickInterval()
        && (event->position() - m_doubleClickAt).manhattanLength()
               < QGuiApplication::styleHints()->startDragDistance();
    if (third) {
        m_selection.start(m_screen, at.documentRow, at.column, at.boundary, Selection::Mode::Line);
        m_doubleClickAt = QPointF(-100, -100);
    } else if ((event->modifiers() & Qt::ShiftModifier) && !m_selection.isEmpty()) {
        m_selection.extendTo(m_screen, at.documentRow, at.column, at.boundary);
    } else {
        const bool block = event->modifiers() & Qt::AltModifier;
        m_selection.start(m_screen, at.documentRow, at.column, at.boundary,
                          block ? Selection::Mode::Block : Selection::Mode::Character);
    }
    selectionChanged();
}

void TerminalView::mouseDoubleClickEvent(QMouseEvent *event)
{
    if (event->button() != Qt::LeftButton || reportsMouse(event->modifiers())) {
        mousePressEvent(event);
        return;
    }
    const Hit at = hit(event->position());
    m_selecting = true;
    m_selection.start(m_screen, at.documentRow, at.column, at.boundary, Selection::Mode::Word);
    m_sinceDoubleClick.restart();
    m_doubleClickAt = event->position();
    selectionChanged();
}

void TerminalView::mouseMoveEvent(QMouseEvent *event)
{
    if (m_mouseReported || (!m_selecting && reportsMouse(event->modifiers()))) {
        const Hit at = hit(event->position());
        m_parser.mouseMove(at.documentRow - m_screen.scrollbackRows(), at.column,
                           event->modifiers());
        emitReplies();
        return;
    }
    if (!m_selecting)
        return;
    m_selectingAt = event->position();
    extendSelection(m_selectingAt);
    const bool outside = m_selectingAt.y() < 0 || m_selectingAt.y() > viewport()->height();
    if (outside && !m_autoScrollTimer.isActive())
        m_autoScrollTimer.start(40, this);
    else if (!outside)
        m_autoScrollTimer.stop();
}

void TerminalView::mouseReleaseEvent(QMouseEvent *event)
{
    if (m_mouseReported) {
        const int button = event->button() == Qt::LeftButton     ? 1
                           : event->button() == Qt::MiddleButton ? 2
                           : event->button() == Qt::RightButton  ? 3
                                                                 : 0;
        const Hit at = hit(event->position());
        if (button) {
            m_parser.mouseButton(button, false, at.documentRow - m_screen.scrollbackRows(),
                                 at.column, event->modifiers());
            emitReplies();
        }
        m_mouseReported = event->buttons() != Qt::NoButton;
        return;
    }
    if (event->button() != Qt::LeftButton || !m_selecting)
        return;
    m_selecting = false;
    m_autoScrollTimer.stop();
    selectionChanged();
    if (m_selection.isEmpty())
        return;
    QClipboard *clipboard = QGuiApplication::clipboard();
    if (clipboard->supportsSelection())
        clipboard->setText(selectedText(), QClipboard::Selection);
}

void TerminalView::wheelEvent(QWheelEvent *event)
{
    if (event->modifiers() & Qt::ControlModifier) {
        m_wheelRemainder += event->angleDelta().y() / 120.0;
        const int steps = static_cast<int>(m_wheelRemainder);
        m_wheelRemainder -= steps;
        setZoom(m_zoom + steps);
        event->accept();
        return;
    }
    const bool report = reportsMouse(event->modifiers());
    const bool keys = m_live && m_screen.isAlternate() && m_parser.modes().alternateScroll;
    if (!report && !keys) {
        QAbstractScrollArea::wheelEvent(event);
        return;
    }
    event->accept();
    m_wheelRemainder += event->angleDelta().y() / 120.0 * (report ? 1 : 3);
    const int steps = static_cast<int>(m_wheelRemainder);
    m_wheelRemainder -= steps;
    const Hit at = hit(event->position());
    for (int i = 0; i < std::abs(steps); ++i) {
        if (report) {
            m_parser.mouseButton(steps > 0 ? 4 : 5, true,
                                 at.documentRow - m_screen.scrollbackRows(), at.column,
                                 event->modifiers());
        } else {
            m_replies += keyencoder::encode(steps > 0 ? Qt::Key_Up : Qt::Key_Down, Qt::NoModifier,
                                            {}, m_parser.modes().keys);
        }
    }
    emitReplies();
}

void TerminalView::contextMenuEvent(QContextMenuEvent *event)
{
    if (event->reason() == QContextMenuEvent::Mouse && reportsMouse(event->modifiers()))
        return;
    auto *menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->setObjectName(QStringLiteral("terminalMenu"));
    m_copyAction->setEnabled(true);
    menu->addAction(m_copyAction);
    menu->addAction(m_pasteAction);
    menu->addSeparator();
    menu->addAction(m_selectAllAction);
    menu->addAction(m_copyAllAction);
    menu->addAction(m_markAction);
    menu->addSeparator();
    menu->addAction(m_zoomInAction);
    menu->addAction(m_zoomOutAction);
    menu->addAction(m_zoomResetAction);
    menu->addSeparator();
    menu->addAction(m_clearAction);
    // Enabled only while the menu is up: a disabled action would leave its keys to the program.
    m_copyAction->setEnabled(!m_selection.isEmpty());
    m_pasteAction->setEnabled(m_live);
    connect(menu, &QMenu::aboutToHide, this, [this] {
        m_copyAction->setEnabled(true);
        m_pasteAction->setEnabled(true);
    });
    const QPoint place =
        event->reason() == QContextMenuEvent::Keyboard ? viewport()->mapToGlobal(
            cellRect(m_screen.scrollbackRows() + m_screen.cursor.row, m_screen.cursor.column)
                .bottomLeft()
                .toPoint())
                                                       : event->globalPos();
    menu->popup(place);
}

} // namespace moru
