// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/transfermodel.h"

#include "app/core/tooltip.h"
#include "app/stores/filename.h"

#include <QFileInfo>

namespace moru {

TransferModel::TransferModel(TransferQueue &queue, QObject *parent)
    : QAbstractTableModel(parent)
    , m_queue(queue)
{
    connect(&queue, &TransferQueue::itemAboutToBeAdded, this,
            [this](int row) { beginInsertRows({}, row, row); });
    connect(&queue, &TransferQueue::itemAdded, this, [this] { endInsertRows(); });
    connect(&queue, &TransferQueue::itemsAboutToBeRemoved, this,
            [this](int first, int last) { beginRemoveRows({}, first, last); });
    connect(&queue, &TransferQueue::itemsRemoved, this, [this] { endRemoveRows(); });
    connect(&queue, &TransferQueue::itemChanged, this,
            [this](int row) { emit dataChanged(index(row, 0), index(row, ColumnCount - 1)); });
}

TransferModel::~TransferModel() = default;

int TransferModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : m_queue.count();
}

int TransferModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QVariant TransferModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const TransferItem &item = m_queue.at(index.row());
    const bool download = item.direction == TransferItem::Direction::Download;
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case FileColumn:
            return filename::display(download ? filename::baseOf(item.remotePath)
                                              : QFileInfo(item.localPath).fileName());
        case TargetColumn:
            return filename::display(download ? item.localPath : item.remotePath);
        case ProgressColumn:
            if (item.state == TransferItem::State::Done)
                return 100;
            return item.total > 0 ? int(qMin<qint64>(item.done * 100 / item.total, 100)) : -1;
        default:
            return {};
        }
    case Qt::ToolTipRole:
        return plainToolTip(
            tr("From %1\nto %2")
                .arg(filename::display(download ? item.remotePath : item.localPath),
                     filename::display(download ? item.localPath : item.remotePath)));
    case IdRole:
        return item.id;
    case DirectionRole:
        return int(item.direction);
    case StateRole:
        return int(item.state);
    case ItemRole:
        return QVariant::fromValue(static_cast<void *>(const_cast<TransferItem *>(&item)));
    default:
        return {};
    }
}

QVariant TransferModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (section) {
    case FileColumn:
        return tr("File", "column of the transfers");
    case TargetColumn:
        return tr("To", "column of the transfers");
    case ProgressColumn:
        return tr("Progress", "column of the transfers");
    case StateColumn:
        return tr("State", "column of the transfers");
    default:
        return {};
    }
}

} // namespace moru
