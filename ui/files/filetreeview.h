// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPersistentModelIndex>
#include <QStyledItemDelegate>
#include <QTreeView>

namespace moru {

class FileTreeModel;
class FileStore;

/// Icons, sizes and times in words, and what is wrong with a folder, beside its name.
class FileDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void setDropTarget(const QModelIndex &index) { m_dropTarget = index; }

    QString displayText(const QVariant &value, const QLocale &locale) const override;
    QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    void paint(QPainter *painter, const QStyleOptionViewItem &option,
               const QModelIndex &index) const override;

protected:
    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override;

private:
    QPersistentModelIndex m_dropTarget;
};

/// The tree of a sandbox's files. Tells the store which folders are open; offers dropped local
/// files to the folder under the pointer.
class FileTreeView : public QTreeView {
    Q_OBJECT
public:
    FileTreeView(FileStore &store, FileTreeModel &model, QWidget *parent = nullptr);

    /// Paths of the selected rows that can be addressed, without those below another selected one.
    [[nodiscard]] QStringList selectedPaths() const;
    /// The folder that new things go to: the current folder or that of the current file; the root
    /// without a selection.
    [[nodiscard]] QString targetFolder() const;

    /// Accepts a drag that carries local files. False: it carries none.
    static bool offer(QDropEvent &event);
    /// Takes the files of a drop.
    void take(QDropEvent &event, const QString &folder);

signals:
    void filesDropped(const QStringList &localPaths, const QString &folder);

protected:
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dragMoveEvent(QDragMoveEvent *event) override;
    void dragLeaveEvent(QDragLeaveEvent *event) override;
    void dropEvent(QDropEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    [[nodiscard]] QModelIndex folderAt(const QPoint &position) const;
    void setDropTarget(const QModelIndex &index);

    FileStore &m_store;
    FileTreeModel &m_model;
    FileDelegate *m_delegate = nullptr;
};

} // namespace moru
