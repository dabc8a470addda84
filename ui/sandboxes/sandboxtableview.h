// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/models/sandboxtablemodel.h"

#include <QTableView>
#include <QTimer>

namespace moru {

class SandboxDelegate;

/// The table of sandboxes: fixed rows of 28 px painted by SandboxDelegate, whole-row selection, a
/// header whose columns can be moved, hidden and remembered by key.
class SandboxTableView : public QTableView {
    Q_OBJECT
public:
    explicit SandboxTableView(QWidget *parent = nullptr);
    ~SandboxTableView() override;

    /// Must be set before anything else; the view does not own it.
    void setSandboxModel(SandboxTableModel *model);
    [[nodiscard]] SandboxTableModel *sandboxModel() const { return m_model; }

    /// Ids of the selected rows in table order.
    [[nodiscard]] QStringList selectedIds() const;
    /// The current row's id if it is selected, else the first selected one, else empty.
    [[nodiscard]] QString currentId() const;
    /// Selects one row and scrolls to it; false if it is not in the table.
    bool selectId(const QString &id);

    /// Words to underline where they occur.
    void setMatches(const QStringList &words);
    void setStale(bool stale);
    /// Of every row and of the header, in px.
    void setRowHeight(int height);
    /// Shown by right click, Menu key and Shift+F10.
    void setContextActions(const QList<QAction *> &actions);

    /// Column order, widths, visibility and sorting as JSON, by column key.
    [[nodiscard]] QByteArray saveColumns() const;
    /// Unknown columns are skipped, missing ones keep their default. False if nothing was
    /// understood.
    bool restoreColumns(const QByteArray &json);
    void resetColumns();

signals:
    void selectionIdsChanged();
    void openRequested(const QString &id); ///< Enter or double click
    void visibleIdsChanged(const QStringList &ids);
    void columnsChanged(); ///< saveColumns() differs now

protected:
    void keyPressEvent(QKeyEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void leaveEvent(QEvent *event) override;
    void contextMenuEvent(QContextMenuEvent *event) override;
    void changeEvent(QEvent *event) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void setHoverRow(int row);
    void showHeaderMenu(const QPoint &where);
    void announceVisible();

    SandboxTableModel *m_model = nullptr;
    SandboxDelegate *m_delegate = nullptr;
    QList<QAction *> m_contextActions;
    QTimer m_visibleDebounce; ///< scrolling asks for metrics when it rests
    QStringList m_visible;
};

} // namespace moru
