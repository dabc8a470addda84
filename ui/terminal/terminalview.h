// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/selection.h"
#include "app/terminal/terminalscreen.h"
#include "app/terminal/vtparser.h"
#include "ui/terminal/glyphcache.h"
#include "ui/terminal/terminalcolors.h"

#include <QAbstractScrollArea>
#include <QBasicTimer>
#include <QByteArray>
#include <QElapsedTimer>
#include <QGlyphRun>
#include <QVarLengthArray>

class QAction;

namespace moru {

class PasteBar;

/// A terminal: paints a TerminalScreen, and turns keys, mouse, paste and input methods into bytes.
///
/// Bytes go in by receive() and come out by inputReady(); where they travel is not its business.
/// Output is parsed in slices that leave the event loop free, and painted at most every 16 ms, in
/// the parts that changed.
class TerminalView : public QAbstractScrollArea, private VtListener {
    Q_OBJECT
public:
    explicit TerminalView(QWidget *parent = nullptr);
    ~TerminalView() override;

    /// Output of the program, in any pieces. Parsed at once as far as 8 ms go, the rest in later
    /// turns.
    void receive(const QByteArray &bytes);
    /// Output received but not parsed yet.
    [[nodiscard]] qsizetype backlog() const { return m_backlog.size() - m_backlogAt; }
    /// A line of the application's own between outputs ("Shell ended: ..."), on a row of its own.
    void writeNotice(const QString &text);
    /// Whatever modes the last program left behind are undone; text and scrollback stay.
    void resetModes();

    [[nodiscard]] int columns() const { return m_screen.columns(); }
    [[nodiscard]] int rows() const { return m_screen.rows(); }
    [[nodiscard]] QString text() const { return m_screen.allText(); }
    [[nodiscard]] QString selectedText() const { return m_selection.text(m_screen); }
    [[nodiscard]] const TerminalScreen &screen() const { return m_screen; }
    [[nodiscard]] const VtParser::Modes &modes() const { return m_parser.modes(); }
    /// While there is no program, keys do not go anywhere and the cursor is not drawn.
    void setLive(bool live);
    /// Rectangle of a grid cell in viewport coordinates.
    [[nodiscard]] QRectF cellRect(int documentRow, int column) const;
    /// Size for a grid of this many cells.
    [[nodiscard]] QSize sizeForGrid(int columns, int rows) const;
    [[nodiscard]] QSize sizeHint() const override;

    /// For tests and benchmarks.
    [[nodiscard]] int paintedFrames() const { return m_paintedFrames; }
    void setFastPaths(bool on) { m_parser.setFastPaths(on); }

public slots:
    void copy();
    void paste();
    void pasteSelection();
    void selectAll();
    void copyAll();
    void clearScrollback();
    void zoomIn();
    void zoomOut();
    void zoomReset();
    /// Selecting by keyboard: arrows move, Shift extends, Enter copies, Escape leaves.
    void setMarking(bool on);

signals:
    /// Keys, paste, mouse reports and answers: bytes for the program.
    void inputReady(const QByteArray &bytes);
    void gridSizeChanged(int columns, int rows);
    void titleChanged(const QString &title);
    void folderChanged(const QString &folder);
    void bell();
    /// Some output was parsed.
    void outputShown();
    /// The backlog has grown beyond what is reasonable (true) or has gone down again (false).
    void overloaded(bool overloaded);
    /// Enter was pressed while not live.
    void restartRequested();

protected:
    bool event(QEvent *event) override;
    bool focusNextPrevChild(bool next) override;
    void paintEvent(QPaintEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    void scrollContentsBy(int dx, int dy) override;
    void keyPressEvent(QKeyEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mouseReleaseEvent(QMouseEvent *event) override;
    void mouseDoubleClickEvent(QMouseEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;
    void contextMenuEvent(QContextMenuEvent *event) override;
    void focusInEvent(QFocusEvent *event) override;
    void focusOutEvent(QFocusEvent *event) override;
    void inputMethodEvent(QInputMethodEvent *event) override;
    [[nodiscard]] QVariant inputMethodQuery(Qt::InputMethodQuery query) const override;
    void timerEvent(QTimerEvent *event) override;
    void changeEvent(QEvent *event) override;
    void showEvent(QShowEvent *event) override;

private:
    // VtListener
    void vtReply(const QByteArray &bytes) override;
    void vtTitleChanged(const QString &title) override;
    void vtFolderChanged(const QString &folder) override;
    void vtBell() override;
    void vtModesChanged() override;

    void parseSlice();
    void scheduleFrame();
    void showFrame();
    void emitReplies();

    void applyFont();
    void applyColors();
    void setZoom(int steps);
    void updateGridSize();
    void updateScrollBar();
    [[nodiscard]] bool isAtBottom() const;
    void scrollToBottom();
    [[nodiscard]] int topRow() const;
    void updateRows(int firstDocumentRow, int lastDocumentRow);

    void paintRow(QPainter &painter, int documentRow, const Selection::Span &span);
    void paintCursor(QPainter &painter);
    void paintPreedit(QPainter &painter);
    void addGlyph(QPainter &painter, quint16 font, quint32 index, QPointF at, QRgb color);
    void flushGlyphs(QPainter &painter);
    void drawDecoration(QPainter &painter, const Cell &cell, qreal x, qreal y, qreal width,
                        QRgb color);

    void send(const QByteArray &bytes);
    void insertText(const QString &text);
    void pasteText(const QString &text);
    [[nodiscard]] bool keepsShortcut(const QKeyEvent *event) const;
    bool markingKey(QKeyEvent *event);
    bool scrollKey(QKeyEvent *event);
    void restartBlink();
    [[nodiscard]] bool cursorVisible() const;

    struct Hit {
        int documentRow = 0;
        int column = 0;   ///< the column under the pointer
        int boundary = 0; ///< the nearest gap between columns
    };
    [[nodiscard]] Hit hit(const QPointF &position) const;
    [[nodiscard]] bool reportsMouse(Qt::KeyboardModifiers modifiers) const;
    void selectionChanged();
    [[nodiscard]] QString selectedOnGrid() const;
    void extendSelection(const QPointF &position);
    void createActions();

    TerminalScreen m_screen;
    VtParser m_parser;
    GlyphCache m_glyphs;
    TerminalColors m_colors;
    Selection m_selection;
    /// The part of the selected text that output can still change; when it does, nothing is
    /// selected.
    QString m_selectedOnGrid;
    PasteBar *m_pasteBar = nullptr;

    QByteArray m_backlog;
    qsizetype m_backlogAt = 0;
    bool m_overloaded = false;
    QByteArray m_replies;
    QBasicTimer m_parseTimer;
    QBasicTimer m_frameTimer; ///< restarted by each chunk
    QBasicTimer m_syncTimer;
    QElapsedTimer m_sinceFrame;
    QElapsedTimer m_sinceDamage;
    bool m_framePending = false;
    int m_paintedFrames = 0;
    int m_lastTopRow = 0;
    int m_lastDocumentRows = 0;
    TerminalScreen::Cursor m_shownCursor;
    bool m_following = true;
    bool m_settingScrollBar = false;
    qint64 m_topNumber = 0; ///< scrollback row number at the top while not following

    bool m_live = true;
    bool m_blinkOn = true;
    QBasicTimer m_blinkTimer;
    QElapsedTimer m_sinceInput;

    QFont m_baseFont;
    int m_zoom = 0;
    QString m_preedit;
    bool m_selecting = false;
    bool m_mouseReported = false;
    QPointF m_selectingAt;
    QBasicTimer m_autoScrollTimer;
    QElapsedTimer m_sinceDoubleClick;
    QPointF m_doubleClickAt;
    qreal m_wheelRemainder = 0;
    bool m_marking = false;
    TerminalScreen::GridPosition m_mark; ///< the keyboard's place while marking

    // Kept between frames so that painting allocates nothing.
    RowBuffer m_row;
    QVarLengthArray<quint32, 512> m_runGlyphs;
    QVarLengthArray<QPointF, 512> m_runPositions;
    quint16 m_runFont = 0;
    QRgb m_runColor = 0;

    QAction *m_copyAction = nullptr;
    QAction *m_pasteAction = nullptr;
    QAction *m_selectAllAction = nullptr;
    QAction *m_copyAllAction = nullptr;
    QAction *m_markAction = nullptr;
    QAction *m_clearAction = nullptr;
    QAction *m_zoomInAction = nullptr;
    QAction *m_zoomOutAction = nullptr;
    QAction *m_zoomResetAction = nullptr;
};

} // namespace moru
