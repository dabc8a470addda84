// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/commandstore.h"

#include <QAbstractTableModel>

namespace moru {

/// The processes that envd runs in one sandbox, by pid.
class ProcessModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        PidColumn,
        CommandColumn,
        TagColumn,
        OriginColumn, ///< "here" or "elsewhere"
        ColumnCount,
    };
    enum Role {
        PidRole = Qt::UserRole + 1, ///< quint32
    };

    /// `store` must outlive the model.
    explicit ProcessModel(CommandStore &store, QObject *parent = nullptr);
    ~ProcessModel() override;

    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    CommandStore &m_store;
};

} // namespace moru
