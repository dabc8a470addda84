// SPDX-License-Identifier: GPL-3.0-or-later
// A key in the filter field, and a frame of the table. Argument: number of rows.
#include "app/models/sandboxtablemodel.h"
#include "tests/bench/bench.h"
#include "tests/models/sandboxfeed.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/sandboxdelegate.h"

#include <QApplication>
#include <QHeaderView>
#include <QScrollBar>
#include <QSortFilterProxyModel>
#include <QTableView>

#include <cstdlib>

using namespace moru;
using namespace moru::bench;

namespace {

/// What one would write without a second thought.
class UsualProxy : public QSortFilterProxyModel {
public:
    using QSortFilterProxyModel::QSortFilterProxyModel;
    void setText(const QString &text)
    {
        m_text = text;
        invalidateFilter();
    }

protected:
    bool filterAcceptsRow(int row, const QModelIndex &parent) const override
    {
        if (m_text.isEmpty())
            return true;
        for (const int column :
             {SandboxTableModel::StateColumn, SandboxTableModel::NameColumn,
              SandboxTableModel::TemplateColumn, SandboxTableModel::MetadataColumn}) {
            if (sourceModel()
                    ->index(row, column, parent)
                    .data()
                    .toString()
                    .contains(m_text, Qt::CaseInsensitive))
                return true;
        }
        return false;
    }

private:
    QString m_text;
};

const char *const keys[] = {"r",   "ru",        "run", "runn", "running", "runn", "run", "ru", "r",
                            "",    "9",         "98",  "987",  "98",      "9",    "",    "o",  "ow",
                            "own", "owner=bob", "",    "z",    "zz",      "zzz",  ""};

template <typename Key> Times type(Key key, int rounds = 3)
{
    Times times;
    for (int round = 0; round < rounds; ++round) {
        for (const char *text : keys)
            times.measure([&] { key(QString::fromLatin1(text)); });
    }
    return times;
}

void show(QTableView &view, QAbstractItemModel *model)
{
    view.setModel(model);
    view.verticalHeader()->hide();
    view.verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    view.verticalHeader()->setDefaultSectionSize(28);
    view.setSelectionBehavior(QAbstractItemView::SelectRows);
    view.setWordWrap(false);
    view.setShowGrid(false);
    view.resize(1280, 50 * 28 + view.horizontalHeader()->sizeHint().height() + 4);
    view.show();
    for (int i = 0; i < 10; ++i)
        QApplication::processEvents();
    view.selectRow(3);
    QApplication::processEvents();
}

Times frames(QTableView &view, int rows)
{
    Times times;
    for (int i = 0; i < 60; ++i) {
        view.verticalScrollBar()->setValue((i * 53) % std::max(1, rows - 60));
        times.measure([&view] { view.viewport()->repaint(); });
    }
    return times;
}

} // namespace

int main(int argc, char **argv)
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication app(argc, argv);
    theme::install(app);
    const int rows = argc > 1 ? std::atoi(argv[1]) : 100'000;
    std::printf("# %d rows, CPU time of the GUI thread\n", rows);

    test::SandboxFeed feed;
    const QList<Sandbox> list = fleet(rows);
    feed.sweep(list);

    {
        SandboxTableModel source;
        source.setTicking(false);
        source.setStore(&feed.store());
        UsualProxy proxy;
        proxy.setSourceModel(&source);
        SandboxTableModel model;
        model.setTicking(false);
        model.setStore(&feed.store());
        const Times usual = type(
            [&proxy](const QString &text) {
                proxy.setText(text);
                (void)proxy.rowCount();
            },
            1);
        const Times ours = type([&model](const QString &text) { model.setFilter(text); });
        report("filter key, no view, median", ours.median(), "ms", "QSortFilterProxyModel",
               usual.median(), 0, 0.08);
        report("filter key, no view, worst", ours.worst(), "ms", "QSortFilterProxyModel",
               usual.worst(), 2.5, 0.08);
        model.sort(SandboxTableModel::TemplateColumn);
        const Times sorted = type([&model](const QString &text) { model.setFilter(text); });
        report("filter key, sorted, no view, worst", sorted.worst(), "ms", "QSortFilterProxyModel",
               usual.worst(), 2.5, 0.08);

        Times sorting;
        for (int i = 0; i < 3; ++i) {
            for (int column = 0; column < SandboxTableModel::ColumnCount; ++column)
                sorting.measure([&model, column, i] {
                    model.sort(column, i % 2 ? Qt::AscendingOrder : Qt::DescendingOrder);
                });
        }
        report("sort, median over columns", sorting.median(), "ms", "", 0, 0, 0);
        report("sort, worst column", sorting.worst(), "ms", "", 0, 0, 0);
    }
    {
        SandboxTableModel source;
        source.setTicking(false);
        source.setStore(&feed.store());
        UsualProxy proxy;
        proxy.setSourceModel(&source);
        QTableView usualView;
        show(usualView, &proxy);
        const Times usual = type(
            [&proxy](const QString &text) {
                proxy.setText(text);
                QApplication::processEvents();
            },
            1);
        usualView.hide();

        SandboxTableModel model;
        model.setTicking(false);
        model.setStore(&feed.store());
        SandboxDelegate delegate;
        QTableView view;
        view.setItemDelegate(&delegate);
        show(view, &model);
        const Times ours = type([&model](const QString &text) {
            model.setFilter(text);
            QApplication::processEvents();
        });
        report("filter key with repaint, median", ours.median(), "ms", "QSortFilterProxyModel",
               usual.median(), 0, 0);
        report("filter key with repaint, worst", ours.worst(), "ms", "QSortFilterProxyModel",
               usual.worst(), 8, 0.08);
    }
    {
        SandboxTableModel model;
        model.setTicking(false);
        model.setStore(&feed.store());
        QTableView usualView;
        show(usualView, &model);
        const Times usual = frames(usualView, rows);
        usualView.hide();
        SandboxDelegate delegate;
        QTableView view;
        view.setItemDelegate(&delegate);
        show(view, &model);
        const Times ours = frames(view, rows);
        report("table frame, 50 x 8 cells, median", ours.median(), "ms", "default delegate",
               usual.median(), 0, 0.4);
    }
    return 0;
}
