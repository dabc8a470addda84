// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/filetreemodel.h"

#include "app/core/tooltip.h"
#include "app/stores/filename.h"

namespace moru {

FileTreeModel::FileTreeModel(FileStore &store, QObject *parent)
    : QAbstractItemModel(parent)
    , m_store(store)
{
    connect(&store, &FileStore::rootAboutToChange, this, [this] { beginResetModel(); });
    connect(&store, &FileStore::rootChanged, this, [this] { endResetModel(); });
    connect(&store, &FileStore::childrenAboutToBeInserted, this,
            [this](const FileNode *node, int first, int last) {
                beginInsertRows(indexOf(node), first, last);
            });
    connect(&store, &FileStore::childrenInserted, this, [this] { endInsertRows(); });
    connect(&store, &FileStore::childrenAboutToBeRemoved, this,
            [this](const FileNode *node, int first, int last) {
                beginRemoveRows(indexOf(node), first, last);
            });
    connect(&store, &FileStore::childrenRemoved, this, [this] { endRemoveRows(); });
    connect(&store, &FileStore::orderAboutToChange, this, &FileTreeModel::beginReorder);
    connect(&store, &FileStore::orderChanged, this, &FileTreeModel::endReorder);
    connect(&store, &FileStore::nodeChanged, this, [this](const FileNode *node) {
        const QModelIndex index = indexOf(node);
        if (index.isValid())
            emit dataChanged(index, index.siblingAtColumn(ColumnCount - 1));
    });
}

FileTreeModel::~FileTreeModel() = default;

const FileNode *FileTreeModel::node(const QModelIndex &index) const
{
    return index.isValid() ? static_cast<const FileNode *>(index.constInternalPointer())
                           : &m_store.root();
}

QModelIndex FileTreeModel::indexOf(const FileNode *node, int column) const
{
    if (!node || !node->parent)
        return {};
    return createIndex(node->row, column, node);
}

QModelIndex FileTreeModel::indexOf(const QString &path) const
{
    return indexOf(m_store.find(path));
}

QModelIndex FileTreeModel::index(int row, int column, const QModelIndex &parent) const
{
    if (row < 0 || column < 0 || column >= ColumnCount || parent.column() > 0)
        return {};
    const FileNode *above = node(parent);
    if (size_t(row) >= above->children.size())
        return {};
    return createIndex(row, column, above->children[size_t(row)].get());
}

QModelIndex FileTreeModel::parent(const QModelIndex &index) const
{
    return index.isValid() ? indexOf(node(index)->parent) : QModelIndex();
}

int FileTreeModel::rowCount(const QModelIndex &parent) const
{
    return parent.column() > 0 ? 0 : int(node(parent)->children.size());
}

int FileTreeModel::columnCount(const QModelIndex &) const
{
    return ColumnCount;
}

bool FileTreeModel::hasChildren(const QModelIndex &parent) const
{
    if (parent.column() > 0)
        return false;
    const FileNode *folder = node(parent);
    if (!folder->children.empty())
        return true;
    if (!folder->parent || !folder->isFolder() || !folder->addressable)
        return false;
    return folder->state != FileNode::State::Ready && folder->state != FileNode::State::Stale;
}

QVariant FileTreeModel::data(const QModelIndex &index, int role) const
{
    if (!index.isValid())
        return {};
    const FileNode *item = node(index);
    const FileEntry &entry = item->entry;
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case NameColumn:
            return filename::display(entry.name);
        case SizeColumn:
            return entry.type == FileType::File && !entry.isSymlink ? QVariant(entry.size)
                                                                    : QVariant();
        case ModifiedColumn:
            return entry.modified.isValid() ? QVariant(entry.modified) : QVariant();
        case PermissionsColumn:
            return entry.permissions;
        case OwnerColumn:
            return entry.group.isEmpty() || entry.group == entry.owner
                       ? entry.owner
                       : entry.owner + QLatin1Char(':') + entry.group;
        default:
            return {};
        }
    case Qt::ToolTipRole:
        if (index.column() != NameColumn)
            return {};
        if (!item->addressable)
            return plainToolTip(
                tr("%1\nThis name is not valid UTF-8, so the file cannot be addressed from "
                   "here.")
                    .arg(filename::display(item->path)));
        if (entry.isSymlink) {
            if (entry.symlinkTarget.isEmpty() || entry.symlinkTarget == item->path)
                return plainToolTip(tr("%1\nLink to something that does not exist")
                                        .arg(filename::display(item->path)));
            return plainToolTip(
                tr("%1\nLink to %2")
                    .arg(filename::display(item->path), filename::display(entry.symlinkTarget)));
        }
        return plainToolTip(filename::display(item->path));
    case Qt::TextAlignmentRole:
        return index.column() == SizeColumn ? QVariant(int(Qt::AlignRight | Qt::AlignVCenter))
                                            : QVariant();
    case PathRole:
        return item->path;
    case NameRole:
        return entry.name;
    case TypeRole:
        return int(entry.type);
    case SymlinkRole:
        return entry.isSymlink;
    case AddressableRole:
        return item->addressable;
    case StateRole:
        return int(item->state);
    default:
        return {};
    }
}

QVariant FileTreeModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole && section == SizeColumn)
        return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case NameColumn:
        return tr("Name", "column of the file tree");
    case SizeColumn:
        return tr("Size", "column of the file tree");
    case ModifiedColumn:
        return tr("Modified", "column of the file tree");
    case PermissionsColumn:
        return tr("Permissions", "column of the file tree");
    case OwnerColumn:
        return tr("Owner", "column of the file tree");
    default:
        return {};
    }
}

Qt::ItemFlags FileTreeModel::flags(const QModelIndex &index) const
{
    if (!index.isValid())
        return Qt::ItemIsDropEnabled;
    Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable;
    if (!node(index)->isFolder())
        flags |= Qt::ItemNeverHasChildren;
    return flags;
}

void FileTreeModel::sort(int column, Qt::SortOrder order)
{
    switch (column) {
    case NameColumn:
        m_store.setOrder(FileStore::Order::Name, order);
        break;
    case SizeColumn:
        m_store.setOrder(FileStore::Order::Size, order);
        break;
    case ModifiedColumn:
        m_store.setOrder(FileStore::Order::Modified, order);
        break;
    case PermissionsColumn:
        m_store.setOrder(FileStore::Order::Permissions, order);
        break;
    case OwnerColumn:
        m_store.setOrder(FileStore::Order::Owner, order);
        break;
    default:
        break;
    }
}

void FileTreeModel::beginReorder(const FileNode *parent)
{
    QList<QPersistentModelIndex> parents;
    if (parent && parent->parent)
        parents.append(indexOf(parent));
    emit layoutAboutToBeChanged(parents, VerticalSortHint);
    m_reordered = persistentIndexList();
    m_reorderedNodes.clear();
    for (const QModelIndex &index : std::as_const(m_reordered))
        m_reorderedNodes.push_back(node(index));
}

void FileTreeModel::endReorder()
{
    QModelIndexList moved;
    moved.reserve(m_reordered.size());
    for (qsizetype i = 0; i < m_reordered.size(); ++i)
        moved.append(indexOf(m_reorderedNodes[size_t(i)], m_reordered.at(i).column()));
    changePersistentIndexList(m_reordered, moved);
    m_reordered.clear();
    m_reorderedNodes.clear();
    emit layoutChanged({}, VerticalSortHint);
}

} // namespace moru
