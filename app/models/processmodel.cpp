// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/processmodel.h"

#include "app/core/tooltip.h"
#include "app/stores/filename.h"

namespace moru {

ProcessModel::ProcessModel(CommandStore &store, QObject *parent)
    : QAbstractTableModel(parent)
    , m_store(store)
{
    connect(&store, &CommandStore::processesAboutToBeInserted, this,
            [this](int first, int last) { beginInsertRows({}, first, last); });
    connect(&store, &CommandStore::processesInserted, this, [this] { endInsertRows(); });
    connect(&store, &CommandStore::processesAboutToBeRemoved, this,
            [this](int first, int last) { beginRemoveRows({}, first, last); });
    connect(&store, &CommandStore::processesRemoved, this, [this] { endRemoveRows(); });
    connect(&store, &CommandStore::processChanged, this,
            [this](int row) { emit dataChanged(index(row, 0), index(row, ColumnCount - 1)); });
    // Whether a process is ours is known only when its start was answered.
    connect(&store, &CommandStore::runChanged, this, [this] {
        if (m_store.processes().isEmpty())
            return;
        const int last = int(m_store.processes().size()) - 1;
        emit dataChanged(index(0, OriginColumn), index(last, OriginColumn));
    });
}

ProcessModel::~ProcessModel() = default;

int ProcessModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(m_store.processes().size());
}

int ProcessModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QVariant ProcessModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const ProcessInfo &process = m_store.processes().at(index.row());
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case PidColumn:
            return process.pid;
        case CommandColumn:
            return filename::display(CommandStore::commandLine(process));
        case TagColumn:
            return filename::display(process.tag);
        case OriginColumn: {
            const CommandRun *run = m_store.liveRunOf(process.pid);
            return run && !run->attached ? tr("here", "where a process was started")
                                         : tr("elsewhere", "where a process was started");
        }
        default:
            return {};
        }
    case Qt::ToolTipRole: {
        QString text = filename::display(process.cmd);
        for (const QString &argument : process.args)
            text += QLatin1Char('\n') + filename::display(argument);
        if (!process.cwd.isEmpty())
            text += QLatin1Char('\n') + tr("in %1").arg(filename::display(process.cwd));
        return plainToolTip(text);
    }
    case Qt::TextAlignmentRole:
        return index.column() == PidColumn ? QVariant(int(Qt::AlignRight | Qt::AlignVCenter))
                                           : QVariant();
    case PidRole:
        return process.pid;
    default:
        return {};
    }
}

QVariant ProcessModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole && section == PidColumn)
        return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case PidColumn:
        return tr("PID", "column of the running commands");
    case CommandColumn:
        return tr("Command", "column of the running commands");
    case TagColumn:
        return tr("Tag", "column of the running commands");
    case OriginColumn:
        return tr("Started", "column of the running commands");
    default:
        return {};
    }
}

} // namespace moru
