// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/filestore.h"

#include <QAbstractItemModel>

#include <memory>

namespace moru {

/// A FileStore as a tree. Display values are raw where a view must choose the words: the size is a
/// qint64, the time a QDateTime; both are empty where they say nothing (the size of a folder).
class FileTreeModel : public QAbstractItemModel {
    Q_OBJECT
public:
    enum Column {
        NameColumn,
        SizeColumn,
        ModifiedColumn,
        PermissionsColumn,
        OwnerColumn,
        ColumnCount,
    };
    enum Role {
        PathRole = Qt::UserRole + 1, ///< QString, what to ask the server for
        NameRole,                    ///< QString, unescaped
        TypeRole,                    ///< FileType as int
        SymlinkRole,                 ///< bool
        AddressableRole,             ///< bool; false: the server could not express the name
        StateRole,                   ///< FileNode::State as int
    };

    /// `store` must outlive the model.
    explicit FileTreeModel(FileStore &store, QObject *parent = nullptr);
    ~FileTreeModel() override;

    [[nodiscard]] const FileNode *node(const QModelIndex &index) const; ///< the root for no index
    [[nodiscard]] QModelIndex indexOf(const FileNode *node, int column = NameColumn) const;
    /// Invalid if the path is not loaded, and for the root.
    [[nodiscard]] QModelIndex indexOf(const QString &path) const;

    QModelIndex index(int row, int column, const QModelIndex &parent = {}) const override;
    QModelIndex parent(const QModelIndex &index) const override;
    using QObject::parent;
    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    /// True for every folder that was not read yet, so that it can be opened.
    bool hasChildren(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    Qt::ItemFlags flags(const QModelIndex &index) const override;
    void sort(int column, Qt::SortOrder order = Qt::AscendingOrder) override;

private:
    void beginReorder(const FileNode *parent);
    void endReorder();

    FileStore &m_store;
    QModelIndexList m_reordered; ///< persistent indexes while the order changes
    std::vector<const FileNode *> m_reorderedNodes;
};

} // namespace moru
