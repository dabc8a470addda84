// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"

#include <QAbstractTableModel>

#include <memory>
#include <optional>

namespace moru {

/// The table of one store's sandboxes, filtered and sorted by itself (no proxy: with a view
/// attached QSortFilterProxyModel needs seconds at 100,000 rows). Holds an index vector over
/// pre-folded search text; a change of filter or order is one layout change that keeps selection
/// and current row by id.
class SandboxTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        StateColumn,
        NameColumn, ///< id
        TemplateColumn,
        StartedColumn,
        EndsInColumn,
        CpuColumn,
        MemoryColumn,
        MetadataColumn,
        ColumnCount,
    };
    enum Role {
        IdRole = Qt::UserRole + 1, ///< QString
        RowRole,                   ///< const SandboxRow * as void *; valid during the call only
        SortRole,                  ///< raw number, time or folded text
        DisplayStateRole,          ///< DisplayState as int
    };
    enum class DisplayState { Running, Paused, Pausing, Resuming, Killing };
    Q_ENUM(DisplayState)

    explicit SandboxTableModel(QObject *parent = nullptr);
    ~SandboxTableModel() override;

    /// Another store = another subject: the model resets. nullptr empties it.
    void setStore(SandboxStore *store);
    [[nodiscard]] SandboxStore *store() const;

    /// Words that must all occur in id, template, alias, state, or metadata ("key=value"); case
    /// does not matter. Applied at once.
    void setFilter(const QString &text);
    [[nodiscard]] QString filter() const;
    /// Restricts to one state; nullopt = all.
    void setStateFilter(std::optional<SandboxState> state);
    [[nodiscard]] int totalCount() const; ///< before filtering

    [[nodiscard]] const SandboxRow *rowAt(int row) const;
    [[nodiscard]] const SandboxRow *rowById(const QString &id) const;
    [[nodiscard]] int
    rowOf(const QString &id) const; ///< visible row, -1 if unknown or filtered out
    /// While held, volatile columns (CPU, memory) do not re-sort. Otherwise they do every 5 s.
    void setResortHeld(bool held);
    /// Whether "Started" and "Ends in" are announced as changed every second; off while nobody
    /// looks.
    void setTicking(bool ticking);

public slots:
    void tick(); ///< announces the time-dependent cells as changed

public:
    [[nodiscard]] static DisplayState displayState(const SandboxRow &row);

    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    void sort(int column, Qt::SortOrder order = Qt::AscendingOrder) override;
    /// A stable key of a column for saved layouts ("state", "id", ...).
    static QString columnKey(int column);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
