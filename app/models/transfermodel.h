// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/transferqueue.h"

#include <QAbstractTableModel>

namespace moru {

/// A TransferQueue as a table, in its order. The state is a role; the view chooses the words.
class TransferModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        FileColumn,     ///< name, escaped
        TargetColumn,   ///< where it goes, escaped
        ProgressColumn, ///< percent as int, -1 while the size is unknown
        StateColumn,    ///< empty; ItemRole says it
        ColumnCount,
    };
    enum Role {
        IdRole = Qt::UserRole + 1, ///< quint64
        DirectionRole,             ///< TransferItem::Direction as int
        StateRole,                 ///< TransferItem::State as int
        ItemRole,                  ///< const TransferItem * as void *; valid during the call only
    };

    /// `queue` must outlive the model.
    explicit TransferModel(TransferQueue &queue, QObject *parent = nullptr);
    ~TransferModel() override;

    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    TransferQueue &m_queue;
};

} // namespace moru
