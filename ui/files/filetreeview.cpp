// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/filetreeview.h"

#include "app/models/filetreemodel.h"
#include "ui/common/format.h"
#include "ui/common/tableheader.h"
#include "ui/common/theme.h"
#include "ui/files/filewords.h"

#include <QDragEnterEvent>
#include <QFontDatabase>
#include <QHeaderView>
#include <QMimeData>
#include <QPainter>
#include <QUrl>

namespace moru {

namespace {

constexpr int kRowHeight = 28;
// Widths of the view from which on a column has room.
constexpr int kModifiedFrom = 340;
constexpr int kPermissionsFrom = 460;
constexpr int kOwnerFrom = 540;

QStringList localFiles(const QMimeData &data)
{
    QStringList paths;
    const auto urls = data.urls();
    for (const QUrl &url : urls) {
        if (url.isLocalFile())
            paths.append(url.toLocalFile());
    }
    return paths;
}

} // namespace

QString FileDelegate::displayText(const QVariant &value, const QLocale &locale) const
{
    if (value.metaType() == QMetaType::fromType<QDateTime>())
        return format::relative(value.toDateTime(), QDateTime::currentDateTimeUtc());
    if (value.metaType() == QMetaType::fromType<qint64>())
        return format::bytes(value.toLongLong());
    return QStyledItemDelegate::displayText(value, locale);
}

QSize FileDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    return {QStyledItemDelegate::sizeHint(option, index).width(), kRowHeight};
}

void FileDelegate::initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const
{
    QStyledItemDelegate::initStyleOption(option, index);
    const bool addressable = index.data(FileTreeModel::AddressableRole).toBool();
    const auto type = FileType(index.data(FileTreeModel::TypeRole).toInt());
    if (!addressable)
        option->palette.setColor(QPalette::Text, theme::color(theme::Token::Secondary));
    if (index.column() == FileTreeModel::PermissionsColumn)
        option->font = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    if (index.column() != FileTreeModel::NameColumn) {
        if (index.column() == FileTreeModel::SizeColumn)
            option->text += QChar(0x2002); // apart from the time that follows
        if (!(option->state & QStyle::State_Selected))
            option->palette.setColor(QPalette::Text, theme::color(theme::Token::Secondary));
        return;
    }
    option->features |= QStyleOptionViewItem::HasDecoration;
    option->decorationSize = QSize(16, 16);
    const bool link = index.data(FileTreeModel::SymlinkRole).toBool();
    const QString icon = link                          ? QStringLiteral("link")
                         : type == FileType::Directory ? QStringLiteral("folder")
                                                       : QStringLiteral("file");
    // White only where the selection is strong.
    const bool pale = option->state.testFlag(QStyle::State_Selected) && option->widget
                      && !option->widget->hasFocus();
    option->icon = theme::icon(icon);
    if (pale) {
        const QPixmap drawn =
            option->icon.pixmap(option->decorationSize, option->widget->devicePixelRatioF());
        option->icon = QIcon();
        option->icon.addPixmap(drawn, QIcon::Normal);
        option->icon.addPixmap(drawn, QIcon::Selected);
    }

    const auto *model = qobject_cast<const FileTreeModel *>(index.model());
    const FileNode *node = model ? model->node(index) : nullptr;
    if (!node)
        return;
    switch (node->state) {
    case FileNode::State::Loading:
        option->text = tr("%1  (loading)").arg(option->text);
        break;
    case FileNode::State::Failed:
    case FileNode::State::Stale:
        option->text = tr("%1  (not read: %2)").arg(option->text, filewords::sentence(node->error));
        break;
    case FileNode::State::Ready:
        if (node->open && node->children.empty())
            option->text = tr("%1  (empty)").arg(option->text);
        break;
    case FileNode::State::Closed:
        if (!addressable)
            option->text = tr("%1  (name is not UTF-8)").arg(option->text);
        break;
    }
}

void FileDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option,
                         const QModelIndex &index) const
{
    QStyledItemDelegate::paint(painter, option, index);
    if (!m_dropTarget.isValid() || index.siblingAtColumn(0) != m_dropTarget)
        return;
    painter->save();
    painter->setPen(QPen(theme::color(theme::Token::Accent), 2));
    const QRect r = option.rect.adjusted(0, 1, 0, -1);
    painter->drawLine(r.topLeft(), r.topRight());
    painter->drawLine(r.bottomLeft(), r.bottomRight());
    painter->restore();
}

FileTreeView::FileTreeView(FileStore &store, FileTreeModel &model, QWidget *parent)
    : QTreeView(parent)
    , m_store(store)
    , m_model(model)
    , m_delegate(new FileDelegate(this))
{
    setObjectName(QStringLiteral("filesTree"));
    setAccessibleName(tr("Files of the sandbox"));
    setModel(&model);
    setItemDelegate(m_delegate);
    setUniformRowHeights(true);
    setSelectionMode(QAbstractItemView::ExtendedSelection);
    setSelectionBehavior(QAbstractItemView::SelectRows);
    setAllColumnsShowFocus(true);
    setEditTriggers(QAbstractItemView::NoEditTriggers);
    setExpandsOnDoubleClick(true);
    setContextMenuPolicy(Qt::CustomContextMenu);
    setAcceptDrops(true);
    setDragDropMode(QAbstractItemView::DropOnly);
    setDropIndicatorShown(false);
    setFrameShape(QFrame::NoFrame);
    setHeader(new TableHeader(this, 4));
    header()->setFixedHeight(28);
    setSortingEnabled(true);
    header()->setStretchLastSection(false);
    header()->setSortIndicator(FileTreeModel::NameColumn, Qt::AscendingOrder);
    header()->setSectionsMovable(false);
    header()->setSectionResizeMode(FileTreeModel::NameColumn, QHeaderView::Stretch);
    header()->setMinimumSectionSize(48);
    const QFontMetrics metrics(font());
    header()->resizeSection(FileTreeModel::SizeColumn,
                            metrics.horizontalAdvance(QStringLiteral("1,023 KiB")) + 24);
    header()->resizeSection(FileTreeModel::ModifiedColumn,
                            metrics.horizontalAdvance(QStringLiteral("59 min ago")) + 28);
    header()->resizeSection(FileTreeModel::PermissionsColumn,
                            QFontMetrics(QFontDatabase::systemFont(QFontDatabase::FixedFont))
                                    .horizontalAdvance(QStringLiteral("drwxr-xr-x"))
                                + 20);
    header()->resizeSection(FileTreeModel::OwnerColumn,
                            metrics.horizontalAdvance(QStringLiteral("root:root")) + 20);

    connect(this, &QTreeView::expanded, this,
            [this](const QModelIndex &index) { m_store.setOpen(*m_model.node(index), true); });
    connect(this, &QTreeView::collapsed, this,
            [this](const QModelIndex &index) { m_store.setOpen(*m_model.node(index), false); });
    connect(&theme::notifier(), &theme::Notifier::changed, viewport(),
            qOverload<>(&QWidget::update));
}

QStringList FileTreeView::selectedPaths() const
{
    const QModelIndexList rows = selectionModel()->selectedRows();
    QStringList paths;
    for (const QModelIndex &row : rows) {
        if (!row.data(FileTreeModel::AddressableRole).toBool())
            continue;
        bool covered = false;
        for (QModelIndex above = row.parent(); above.isValid() && !covered; above = above.parent())
            covered = selectionModel()->isRowSelected(above.row(), above.parent());
        if (!covered)
            paths.append(row.data(FileTreeModel::PathRole).toString());
    }
    return paths;
}

QString FileTreeView::targetFolder() const
{
    const QModelIndex current = currentIndex();
    if (!current.isValid() || !selectionModel()->isRowSelected(current.row(), current.parent()))
        return m_store.root().path;
    const FileNode *node = m_model.node(current);
    if (node->isFolder() && node->addressable)
        return node->path;
    return node->parent->path;
}

QModelIndex FileTreeView::folderAt(const QPoint &position) const
{
    const QModelIndex index = indexAt(position).siblingAtColumn(0);
    if (!index.isValid())
        return {};
    const FileNode *node = m_model.node(index);
    return node->isFolder() && node->addressable ? index : index.parent();
}

void FileTreeView::setDropTarget(const QModelIndex &index)
{
    m_delegate->setDropTarget(index);
    viewport()->update();
}

void FileTreeView::resizeEvent(QResizeEvent *event)
{
    // The name matters most: what says least goes first.
    const int width = event->size().width();
    setColumnHidden(FileTreeModel::OwnerColumn, width < kOwnerFrom);
    setColumnHidden(FileTreeModel::PermissionsColumn, width < kPermissionsFrom);
    setColumnHidden(FileTreeModel::ModifiedColumn, width < kModifiedFrom);
    QTreeView::resizeEvent(event);
}

bool FileTreeView::offer(QDropEvent &event)
{
    if (localFiles(*event.mimeData()).isEmpty())
        return false;
    event.setDropAction(Qt::CopyAction);
    event.accept();
    return true;
}

void FileTreeView::take(QDropEvent &event, const QString &folder)
{
    if (offer(event))
        emit filesDropped(localFiles(*event.mimeData()), folder);
}

void FileTreeView::dragEnterEvent(QDragEnterEvent *event)
{
    if (!m_store.root().path.isEmpty())
        offer(*event);
}

void FileTreeView::dragMoveEvent(QDragMoveEvent *event)
{
    setDropTarget(folderAt(event->position().toPoint()));
    offer(*event);
}

void FileTreeView::dragLeaveEvent(QDragLeaveEvent *event)
{
    setDropTarget({});
    event->accept();
}

void FileTreeView::dropEvent(QDropEvent *event)
{
    setDropTarget({});
    take(*event, m_model.node(folderAt(event->position().toPoint()))->path);
}

} // namespace moru
