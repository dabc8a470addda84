// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/sandboxtableview.h"

#include "ui/common/tableheader.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/sandboxdelegate.h"

#include <QContextMenuEvent>
#include <QHeaderView>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QKeyEvent>
#include <QMenu>
#include <QScrollBar>

#include <algorithm>
#include <array>

namespace moru {
namespace {

constexpr int leastRowHeight = 24;
constexpr int mostVisible = 100; // as many as one metrics request may name

constexpr std::array<int, SandboxTableModel::ColumnCount> defaultWidths{
    104, // state
    184, // id
    80,  // template
    96,  // started
    148, // ends in
    112, // cpu
    136, // memory
    160, // metadata, at least: takes what is left
};

} // namespace

SandboxTableView::SandboxTableView(QWidget *parent)
    : QTableView(parent)
    , m_delegate(new SandboxDelegate(this))
{
    setObjectName(QStringLiteral("sandboxTable"));
    setAccessibleName(tr("Sandboxes"));
    setItemDelegate(m_delegate);
    setShowGrid(false);
    setFrameShape(QFrame::NoFrame);
    setWordWrap(false);
    setAlternatingRowColors(false);
    setSelectionBehavior(SelectRows);
    setSelectionMode(ExtendedSelection);
    setEditTriggers(NoEditTriggers);
    setTabKeyNavigation(false);
    setCornerButtonEnabled(false);
    setMouseTracking(true);
    setVerticalScrollMode(ScrollPerPixel);
    setHorizontalScrollMode(ScrollPerPixel);
    setSortingEnabled(false);

    verticalHeader()->hide();
    verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    verticalHeader()->setMinimumSectionSize(leastRowHeight);

    setHorizontalHeader(new TableHeader(this));
    QHeaderView *header = horizontalHeader();
    header->setObjectName(QStringLiteral("sandboxTableHeader"));
    header->setAccessibleName(tr("Columns"));
    header->setSectionsMovable(true);
    header->setStretchLastSection(true);
    header->setHighlightSections(false);
    header->setMinimumSectionSize(48);
    header->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    header->setContextMenuPolicy(Qt::CustomContextMenu);
    header->setSortIndicatorShown(true);
    setRowHeight(m_delegate->rowHeight());
    connect(header, &QWidget::customContextMenuRequested, this, &SandboxTableView::showHeaderMenu);
    connect(header, &QHeaderView::sectionResized, this, &SandboxTableView::columnsChanged);
    connect(header, &QHeaderView::sectionMoved, this, &SandboxTableView::columnsChanged);
    connect(header, &QHeaderView::sortIndicatorChanged, this, &SandboxTableView::columnsChanged);

    m_visibleDebounce.setSingleShot(true);
    m_visibleDebounce.setInterval(150);
    connect(&m_visibleDebounce, &QTimer::timeout, this, &SandboxTableView::announceVisible);
    connect(verticalScrollBar(), &QScrollBar::valueChanged, this,
            [this] { m_visibleDebounce.start(); });
    connect(&theme::notifier(), &theme::Notifier::changed, this, [this] {
        m_delegate->clearCaches();
        viewport()->update();
    });
    connect(this, &QAbstractItemView::doubleClicked, this, [this](const QModelIndex &index) {
        emit openRequested(index.data(SandboxTableModel::IdRole).toString());
    });
}

SandboxTableView::~SandboxTableView() = default;

void SandboxTableView::setSandboxModel(SandboxTableModel *model)
{
    Q_ASSERT(model && !m_model);
    m_model = model;
    setModel(model);
    model->setTicking(isVisible());
    // Only now are there sections to speak of.
    resetColumns();
    setSortingEnabled(true);
    connect(selectionModel(), &QItemSelectionModel::selectionChanged, this,
            &SandboxTableView::selectionIdsChanged);
    connect(selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            &SandboxTableView::selectionIdsChanged);
    const auto changed = [this] { m_visibleDebounce.start(); };
    connect(model, &QAbstractItemModel::modelReset, this, changed);
    connect(model, &QAbstractItemModel::modelReset, this, &SandboxTableView::selectionIdsChanged);
    connect(model, &QAbstractItemModel::rowsInserted, this, changed);
    connect(model, &QAbstractItemModel::rowsRemoved, this, changed);
    connect(model, &QAbstractItemModel::layoutChanged, this, changed);
    connect(model, &QAbstractItemModel::rowsRemoved, this, [this] {
        // What moved under the pointer is not what was pointed at.
        setHoverRow(-1);
        emit selectionIdsChanged();
    });
}

QStringList SandboxTableView::selectedIds() const
{
    QStringList ids;
    if (!selectionModel())
        return ids;
    QModelIndexList rows = selectionModel()->selectedRows(SandboxTableModel::StateColumn);
    std::sort(rows.begin(), rows.end());
    ids.reserve(rows.size());
    for (const QModelIndex &index : std::as_const(rows))
        ids << index.data(SandboxTableModel::IdRole).toString();
    return ids;
}

QString SandboxTableView::currentId() const
{
    if (!selectionModel())
        return {};
    const QModelIndex current = selectionModel()->currentIndex();
    if (current.isValid() && selectionModel()->isRowSelected(current.row(), QModelIndex()))
        return current.data(SandboxTableModel::IdRole).toString();
    const QModelIndexList rows = selectionModel()->selectedRows(SandboxTableModel::StateColumn);
    return rows.isEmpty() ? QString() : rows.first().data(SandboxTableModel::IdRole).toString();
}

bool SandboxTableView::selectId(const QString &id)
{
    const int row = m_model ? m_model->rowOf(id) : -1;
    if (row < 0)
        return false;
    const QModelIndex index = m_model->index(row, SandboxTableModel::NameColumn);
    selectionModel()->setCurrentIndex(index, QItemSelectionModel::ClearAndSelect
                                                 | QItemSelectionModel::Rows);
    scrollTo(index);
    return true;
}

void SandboxTableView::setMatches(const QStringList &words)
{
    m_delegate->setMatches(words);
    viewport()->update();
}

void SandboxTableView::setStale(bool stale)
{
    m_delegate->setStale(stale);
    viewport()->update();
}

void SandboxTableView::setRowHeight(int height)
{
    m_delegate->setRowHeight(height);
    verticalHeader()->setDefaultSectionSize(height);
    verticalScrollBar()->setSingleStep(height);
    horizontalHeader()->setFixedHeight(std::max(height, 28));
    m_visibleDebounce.start();
}

void SandboxTableView::setContextActions(const QList<QAction *> &actions)
{
    m_contextActions = actions;
}

QByteArray SandboxTableView::saveColumns() const
{
    const QHeaderView *header = horizontalHeader();
    QJsonArray columns;
    for (int visual = 0; visual < header->count(); ++visual) {
        const int logical = header->logicalIndex(visual);
        const bool hidden = header->isSectionHidden(logical);
        // A hidden section has no width; the last shown one only stretches.
        const int width = hidden || header->sectionSize(logical) <= 0
                              ? defaultWidths[static_cast<size_t>(logical)]
                              : header->sectionSize(logical);
        columns.append(QJsonObject{
            {QStringLiteral("key"), SandboxTableModel::columnKey(logical)},
            {QStringLiteral("width"), width},
            {QStringLiteral("hidden"), hidden},
        });
    }
    const QJsonObject object{
        {QStringLiteral("columns"), columns},
        {QStringLiteral("sort"), SandboxTableModel::columnKey(header->sortIndicatorSection())},
        {QStringLiteral("descending"), header->sortIndicatorOrder() == Qt::DescendingOrder},
    };
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

bool SandboxTableView::restoreColumns(const QByteArray &json)
{
    const QJsonObject object = QJsonDocument::fromJson(json).object();
    const QJsonArray columns = object.value(QLatin1String("columns")).toArray();
    if (columns.isEmpty())
        return false;
    const auto columnOf = [](const QString &key) {
        for (int column = 0; column < SandboxTableModel::ColumnCount; ++column) {
            if (SandboxTableModel::columnKey(column) == key)
                return column;
        }
        return -1;
    };
    QHeaderView *header = horizontalHeader();
    int visual = 0;
    int shown = 0;
    for (const QJsonValue &value : columns) {
        const QJsonObject column = value.toObject();
        const int logical = columnOf(column.value(QLatin1String("key")).toString());
        if (logical < 0)
            continue;
        const int width = column.value(QLatin1String("width")).toInt();
        if (width >= header->minimumSectionSize() && width <= 4000)
            header->resizeSection(logical, width);
        const bool hidden = column.value(QLatin1String("hidden")).toBool();
        header->setSectionHidden(logical, hidden);
        shown += hidden ? 0 : 1;
        header->moveSection(header->visualIndex(logical), visual++);
    }
    if (shown == 0)
        resetColumns();
    const int sorted = columnOf(object.value(QLatin1String("sort")).toString());
    if (sorted >= 0)
        sortByColumn(sorted, object.value(QLatin1String("descending")).toBool()
                                 ? Qt::DescendingOrder
                                 : Qt::AscendingOrder);
    return visual > 0;
}

void SandboxTableView::resetColumns()
{
    QHeaderView *header = horizontalHeader();
    for (int column = 0; column < SandboxTableModel::ColumnCount; ++column) {
        header->setSectionHidden(column, false);
        header->moveSection(header->visualIndex(column), column);
        header->resizeSection(column, defaultWidths[static_cast<size_t>(column)]);
    }
    sortByColumn(SandboxTableModel::StartedColumn, Qt::DescendingOrder);
    emit columnsChanged();
}

void SandboxTableView::keyPressEvent(QKeyEvent *event)
{
    if ((event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter)
        && event->modifiers() == Qt::NoModifier) {
        if (const QString id = currentId(); !id.isEmpty())
            emit openRequested(id);
        return;
    }
    if (event->key() == Qt::Key_Escape && event->modifiers() == Qt::NoModifier) {
        clearSelection();
        return;
    }
    QTableView::keyPressEvent(event);
}

void SandboxTableView::mouseMoveEvent(QMouseEvent *event)
{
    QTableView::mouseMoveEvent(event);
    setHoverRow(rowAt(event->position().toPoint().y()));
}

void SandboxTableView::leaveEvent(QEvent *event)
{
    QTableView::leaveEvent(event);
    setHoverRow(-1);
}

void SandboxTableView::contextMenuEvent(QContextMenuEvent *event)
{
    QPoint where = event->globalPos();
    if (event->reason() == QContextMenuEvent::Keyboard) {
        const QModelIndex current = currentIndex();
        if (current.isValid())
            where = viewport()->mapToGlobal(visualRect(current).bottomLeft());
    }
    auto *menu = new QMenu(this);
    menu->setObjectName(QStringLiteral("sandboxMenu"));
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->setToolTipsVisible(true);
    menu->addActions(m_contextActions);
    menu->popup(where);
    event->accept();
}

void SandboxTableView::changeEvent(QEvent *event)
{
    QTableView::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange)
        m_delegate->clearCaches();
}

void SandboxTableView::showEvent(QShowEvent *event)
{
    QTableView::showEvent(event);
    if (m_model)
        m_model->setTicking(true);
    m_visibleDebounce.start();
}

void SandboxTableView::hideEvent(QHideEvent *event)
{
    QTableView::hideEvent(event);
    if (m_model)
        m_model->setTicking(false);
}

void SandboxTableView::resizeEvent(QResizeEvent *event)
{
    QTableView::resizeEvent(event);
    m_visibleDebounce.start();
}

void SandboxTableView::setHoverRow(int row)
{
    const int before = m_delegate->hoverRow();
    if (before == row)
        return;
    m_delegate->setHoverRow(row);
    for (const int changed : {before, row}) {
        if (changed >= 0 && m_model && changed < m_model->rowCount())
            viewport()->update(QRect(0, rowViewportPosition(changed), viewport()->width(),
                                     m_delegate->rowHeight()));
    }
    // Nothing may move under the pointer.
    if (m_model)
        m_model->setResortHeld(row >= 0);
}

void SandboxTableView::showHeaderMenu(const QPoint &where)
{
    QHeaderView *header = horizontalHeader();
    auto *menu = new QMenu(this);
    menu->setObjectName(QStringLiteral("columnsMenu"));
    menu->setAttribute(Qt::WA_DeleteOnClose);
    const int shown = header->count() - header->hiddenSectionCount();
    for (int visual = 0; visual < header->count(); ++visual) {
        const int column = header->logicalIndex(visual);
        QAction *action = menu->addAction(
            m_model->headerData(column, Qt::Horizontal, Qt::DisplayRole).toString());
        action->setCheckable(true);
        action->setChecked(!header->isSectionHidden(column));
        // One column stays, or there would be no header left to bring the others back.
        action->setEnabled(!action->isChecked() || shown > 1);
        connect(action, &QAction::toggled, this, [this, column](bool checked) {
            setColumnHidden(column, !checked);
            if (checked && columnWidth(column) < horizontalHeader()->minimumSectionSize())
                setColumnWidth(column, defaultWidths[static_cast<size_t>(column)]);
            emit columnsChanged();
        });
    }
    menu->addSeparator();
    connect(menu->addAction(tr("&Reset columns")), &QAction::triggered, this,
            &SandboxTableView::resetColumns);
    menu->popup(header->mapToGlobal(where));
}

void SandboxTableView::announceVisible()
{
    QStringList ids;
    if (m_model && isVisible()) {
        const int first = std::max(0, rowAt(0));
        int last = rowAt(viewport()->height() - 1);
        if (last < 0)
            last = m_model->rowCount() - 1;
        for (int row = first; row <= last && ids.size() < mostVisible; ++row) {
            if (const SandboxRow *sandbox = m_model->rowAt(row))
                ids << sandbox->sandbox.id;
        }
    }
    if (ids == m_visible)
        return;
    m_visible = ids;
    emit visibleIdsChanged(m_visible);
}

} // namespace moru
