// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/uibench.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/sandboxdelegate.h"
#include "ui/sandboxes/sandboxlist.h"
#include "ui/sandboxes/sandboxtableview.h"

#include <QAccessible>
#include <QClipboard>
#include <QHeaderView>
#include <QMenu>
#include <QPushButton>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTimeZone>

using namespace moru;
using namespace moru::test;

namespace {

struct TableBench : UiBench {
    TableBench()
        : list(model)
    {
        model.setStore(store.get());
        list.setStore(store.get());
        list.resize(1200, 500);
        list.show();
    }
    [[nodiscard]] SandboxTableView &table() { return *list.table(); }
    [[nodiscard]] QWidget *page(const char *name)
    {
        return list.findChild<QWidget *>(QLatin1String(name));
    }

    SandboxTableModel model;
    SandboxList list;
};

SandboxRow rowEndingIn(qint64 seconds, std::optional<OnTimeout> onTimeout)
{
    SandboxRow row;
    row.sandbox.id = QStringLiteral("i1");
    row.sandbox.endAt = QDateTime::fromSecsSinceEpoch(1'700'000'000 + seconds, QTimeZone::utc());
    row.onTimeout = onTimeout;
    return row;
}

} // namespace

class TestSandboxTable : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { theme::install(*qApp); }
    void rowsAre28PixelsHighWithoutGrid();
    void endsInNamesWhatHappensWhenItIsNear_data();
    void endsInNamesWhatHappensWhenItIsNear();
    void selectionIsByIdAndSurvivesNewRows();
    void enterOpensTheCurrentRow();
    void escapeGivesUpTheSelection();
    void killedRowLeavesNothingSelected();
    void columnsAreRememberedByKey();
    void unknownColumnStateIsIgnored();
    void hidingAllColumnsIsImpossible();
    void visibleRowsAreAnnounced();
    void selectedRowIsPaintedInTheSelectionsColor();
    void everyCellPaintsSomething();
    void staleRowsLoseTheirColors();
    void cellsSpeakWords();
    void emptyStateOffersANewSandbox();
    void noMatchOffersToClearTheFilter();
    void failureOffersRetry();
    void slowLoadingShowsASkeleton();
    void offlineReplacesTheFailure();
};

void TestSandboxTable::rowsAre28PixelsHighWithoutGrid()
{
    TableBench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    QTRY_COMPARE(bench.model.rowCount(), 3);
    for (int row = 0; row < 3; ++row)
        QCOMPARE(bench.table().rowHeight(row), 28);
    QVERIFY(!bench.table().showGrid());
}

void TestSandboxTable::endsInNamesWhatHappensWhenItIsNear_data()
{
    QTest::addColumn<qint64>("seconds");
    QTest::addColumn<int>("action"); // -1 unknown
    QTest::addColumn<QString>("text");
    QTest::newRow("far") << qint64(3600) << static_cast<int>(OnTimeout::Kill)
                         << QStringLiteral("1 h");
    QTest::newRow("near, kill") << qint64(600) << static_cast<int>(OnTimeout::Kill)
                                << QStringLiteral("10 min (kill)");
    QTest::newRow("near, pause") << qint64(120) << static_cast<int>(OnTimeout::Pause)
                                 << QStringLiteral("2 min (pause)");
    QTest::newRow("near, unknown") << qint64(120) << -1 << QStringLiteral("2 min");
    QTest::newRow("over") << qint64(-3) << -1 << QStringLiteral("now");
}

void TestSandboxTable::endsInNamesWhatHappensWhenItIsNear()
{
    QFETCH(qint64, seconds);
    QFETCH(int, action);
    const auto known = action < 0 ? std::nullopt : std::optional(static_cast<OnTimeout>(action));
    const QDateTime now = QDateTime::fromSecsSinceEpoch(1'700'000'000, QTimeZone::utc());
    QTEST(SandboxDelegate::endsIn(rowEndingIn(seconds, known), now), "text");
    SandboxRow paused = rowEndingIn(seconds, known);
    paused.sandbox.state = SandboxState::Paused;
    QCOMPARE(SandboxDelegate::endsIn(paused, now), QString(QChar(0x2013)));
}

void TestSandboxTable::selectionIsByIdAndSurvivesNewRows()
{
    TableBench bench;
    bench.addMany(5);
    QVERIFY(bench.fill());
    QVERIFY(bench.table().selectId(QStringLiteral("i000003")));
    QCOMPARE(bench.table().currentId(), QStringLiteral("i000003"));
    QVERIFY(!bench.table().selectId(QStringLiteral("nobody")));
    bench.server.add(QStringLiteral("i000009")).startedAt =
        QDateTime::currentDateTimeUtc().addSecs(60);
    QTRY_COMPARE(bench.model.rowCount(), 6);
    QCOMPARE(bench.table().selectedIds(), QStringList{QStringLiteral("i000003")});
}

void TestSandboxTable::enterOpensTheCurrentRow()
{
    TableBench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    QSignalSpy opened(&bench.table(), &SandboxTableView::openRequested);
    QTest::keyClick(&bench.table(), Qt::Key_Return);
    QCOMPARE(opened.size(), 0);
    QVERIFY(bench.table().selectId(QStringLiteral("i000001")));
    QTest::keyClick(&bench.table(), Qt::Key_Return);
    QCOMPARE(opened.size(), 1);
    QCOMPARE(opened.first().first().toString(), QStringLiteral("i000001"));
}

void TestSandboxTable::escapeGivesUpTheSelection()
{
    TableBench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    bench.table().selectAll();
    QCOMPARE(bench.table().selectedIds().size(), 2);
    QTest::keyClick(&bench.table(), Qt::Key_Escape);
    QVERIFY(bench.table().selectedIds().isEmpty());
    QVERIFY(bench.table().currentId().isEmpty());
}

void TestSandboxTable::killedRowLeavesNothingSelected()
{
    // What slips into the place of a killed row must not become the next victim.
    TableBench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    const QString id = bench.model.rowAt(1)->sandbox.id;
    QVERIFY(bench.table().selectId(id));
    bench.server.drop(id);
    QTRY_COMPARE(bench.model.rowCount(), 2);
    QVERIFY(bench.table().selectedIds().isEmpty());
}

void TestSandboxTable::columnsAreRememberedByKey()
{
    QByteArray saved;
    {
        TableBench bench;
        QHeaderView *header = bench.table().horizontalHeader();
        header->moveSection(header->visualIndex(SandboxTableModel::CpuColumn), 1);
        header->resizeSection(SandboxTableModel::TemplateColumn, 222);
        bench.table().setColumnHidden(SandboxTableModel::StartedColumn, true);
        bench.table().sortByColumn(SandboxTableModel::MemoryColumn, Qt::AscendingOrder);
        saved = bench.table().saveColumns();
    }
    TableBench bench;
    QVERIFY(bench.table().restoreColumns(saved));
    const QHeaderView *header = bench.table().horizontalHeader();
    QCOMPARE(header->visualIndex(SandboxTableModel::CpuColumn), 1);
    QCOMPARE(header->sectionSize(SandboxTableModel::TemplateColumn), 222);
    QVERIFY(header->isSectionHidden(SandboxTableModel::StartedColumn));
    QCOMPARE(header->sortIndicatorSection(), int(SandboxTableModel::MemoryColumn));
    QCOMPARE(header->sortIndicatorOrder(), Qt::AscendingOrder);
    QCOMPARE(bench.table().saveColumns(), saved);
}

void TestSandboxTable::unknownColumnStateIsIgnored()
{
    TableBench bench;
    const QByteArray before = bench.table().saveColumns();
    for (const QByteArray &junk :
         {QByteArray(), QByteArray("no json"), QByteArray(R"({"columns":[{"key":"unheard"}]})"),
          QByteArray(R"({"columns":[{"key":7,"width":"x"}],"sort":[]})")})
        QVERIFY(!bench.table().restoreColumns(junk));
    QCOMPARE(bench.table().saveColumns(), before);
}

void TestSandboxTable::hidingAllColumnsIsImpossible()
{
    QByteArray state = R"({"columns":[)";
    for (int column = 0; column < SandboxTableModel::ColumnCount; ++column)
        state += QByteArray(column ? "," : "") + R"({"hidden":true,"key":")"
                 + SandboxTableModel::columnKey(column).toUtf8() + R"("})";
    TableBench bench;
    bench.table().restoreColumns(state + "]}");
    QCOMPARE(bench.table().horizontalHeader()->hiddenSectionCount(), 0);
}

void TestSandboxTable::visibleRowsAreAnnounced()
{
    TableBench bench;
    bench.addMany(200);
    QSignalSpy announced(&bench.table(), &SandboxTableView::visibleIdsChanged);
    QVERIFY(bench.fill());
    QTRY_VERIFY(!announced.isEmpty() && !announced.last().first().toStringList().isEmpty());
    const QStringList top = announced.last().first().toStringList();
    QVERIFY(top.size() >= 10 && top.size() <= 30);
    bench.table().verticalScrollBar()->setValue(bench.table().verticalScrollBar()->maximum());
    QTRY_VERIFY(announced.last().first().toStringList() != top);
    const QStringList bottom = announced.last().first().toStringList();
    QCOMPARE(bottom.last(), bench.model.rowAt(199)->sandbox.id);
}

void TestSandboxTable::selectedRowIsPaintedInTheSelectionsColor()
{
    TableBench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    QVERIFY(bench.table().selectId(bench.model.rowAt(1)->sandbox.id));
    const QImage image = bench.table().viewport()->grab().toImage();
    const QPalette palette = bench.table().palette();
    const bool strong = bench.table().hasFocus() && bench.table().isActiveWindow();
    QCOMPARE(image.pixelColor(5, 28 + 5).name(),
             strong ? palette.color(QPalette::Highlight).name()
                    : theme::color(theme::Token::PaleSelection).name());
    QCOMPARE(image.pixelColor(3, 56 + 5).name(), palette.color(QPalette::Base).name());
    QCOMPARE(image.pixelColor(3, 27).name(), theme::color(theme::Token::Hairline).name());
}

void TestSandboxTable::everyCellPaintsSomething()
{
    TableBench bench;
    FleetServer::Item &item = bench.server.add(QStringLiteral("i000001"));
    item.metadata = {{QStringLiteral("user"), QStringLiteral("ann")},
                     {QStringLiteral("job"), QStringLiteral("7")},
                     {QStringLiteral("x"), QStringLiteral("line\nbreak\tand tab")},
                     {QStringLiteral("y"), QString(3000, QLatin1Char('z'))}};
    bench.server.cpu.insert(QStringLiteral("i000001"), 42.0);
    QVERIFY(bench.fill());
    bench.store->setVisibleIds({QStringLiteral("i000001")});
    QTRY_VERIFY(bench.model.rowAt(0)->metric);
    const QImage image = bench.table().viewport()->grab().toImage();
    const QColor ground = bench.table().palette().color(QPalette::Base);
    for (int column = 0; column < SandboxTableModel::ColumnCount; ++column) {
        const QRect cell = bench.table().visualRect(bench.model.index(0, column));
        int different = 0;
        for (int y = cell.top() + 2; y < cell.bottom() - 2; ++y) {
            for (int x = cell.left() + 2; x < std::min(cell.right() - 2, image.width()); ++x)
                different += image.pixelColor(x, y) != ground ? 1 : 0;
        }
        QVERIFY2(different > 20, qPrintable(SandboxTableModel::columnKey(column)));
    }
}

void TestSandboxTable::staleRowsLoseTheirColors()
{
    TableBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    const QRect cell =
        bench.table().visualRect(bench.model.index(0, SandboxTableModel::StateColumn));
    const auto dot = [&] {
        // The middle of the running circle.
        return bench.table().viewport()->grab().toImage().pixelColor(cell.left() + 16,
                                                                     cell.center().y());
    };
    QCOMPARE(dot().name(), theme::color(theme::Token::Running).name());
    bench.table().setStale(true);
    QCOMPARE(dot().name(), theme::color(theme::Token::Secondary).name());
}

void TestSandboxTable::cellsSpeakWords()
{
    TableBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    const auto spoken = [&bench](int column) {
        return bench.model.index(0, column).data(Qt::AccessibleTextRole).toString();
    };
    QCOMPARE(spoken(SandboxTableModel::StateColumn), QStringLiteral("Running"));
    QCOMPARE(spoken(SandboxTableModel::NameColumn), QStringLiteral("i000000"));
    QVERIFY(!spoken(SandboxTableModel::EndsInColumn).isEmpty());
    QAccessibleInterface *table = QAccessible::queryAccessibleInterface(&bench.table());
    QVERIFY(table);
    QCOMPARE(table->text(QAccessible::Name), QStringLiteral("Sandboxes"));
}

void TestSandboxTable::emptyStateOffersANewSandbox()
{
    TableBench bench;
    QVERIFY(bench.fill());
    QTRY_VERIFY(bench.page("emptyState")->isVisible());
    QVERIFY(!bench.table().isVisible());
    QSignalSpy wanted(&bench.list, &SandboxList::newRequested);
    bench.list.findChild<QPushButton *>(QStringLiteral("emptyNewButton"))->click();
    QCOMPARE(wanted.size(), 1);
    bench.server.add(QStringLiteral("i1"));
    QTRY_VERIFY(bench.table().isVisible());
}

void TestSandboxTable::noMatchOffersToClearTheFilter()
{
    TableBench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    bench.model.setFilter(QStringLiteral("nothing like it"));
    bench.list.setFiltered(true);
    QTRY_VERIFY(bench.page("noMatchState")->isVisible());
    QSignalSpy clear(&bench.list, &SandboxList::clearFilterRequested);
    bench.list.findChild<QPushButton *>(QStringLiteral("clearFilterButton"))->click();
    QCOMPARE(clear.size(), 1);
    bench.model.setFilter({});
    bench.list.setFiltered(false);
    QTRY_VERIFY(bench.table().isVisible());
}

void TestSandboxTable::failureOffersRetry()
{
    TableBench bench;
    bench.server.intercept = [](const FleetServer::Request &) {
        return std::optional(FleetServer::error(401, "no"));
    };
    bench.store->start();
    QTRY_VERIFY(bench.page("failedState")->isVisible());
    QVERIFY(bench.page("failedState")->accessibleDescription().contains(QStringLiteral("key")));
    QSignalSpy retry(&bench.list, &SandboxList::retryRequested);
    bench.list.findChild<QPushButton *>(QStringLiteral("retryButton"))->click();
    QCOMPARE(retry.size(), 1);
}

void TestSandboxTable::slowLoadingShowsASkeleton()
{
    TableBench bench;
    bench.server.intercept = [](const FleetServer::Request &) {
        FleetServer::Answer answer;
        answer.hold = true;
        return std::optional(answer);
    };
    bench.store->start();
    QTRY_VERIFY(bench.page("loadingState")->isVisible());
    bench.server.intercept = nullptr;
    bench.server.release();
    QTRY_VERIFY(bench.page("emptyState")->isVisible());
}

void TestSandboxTable::offlineReplacesTheFailure()
{
    TableBench bench;
    bench.list.setOffline(QStringLiteral("Stopped."), QStringLiteral("Start it."),
                          QStringLiteral("Start"));
    QVERIFY(bench.page("offlineState")->isVisible());
    QSignalSpy action(&bench.list, &SandboxList::offlineActionTriggered);
    bench.list.findChild<QPushButton *>(QStringLiteral("offlineButton"))->click();
    QCOMPARE(action.size(), 1);
    bench.list.setOffline({}, {}, {});
    QVERIFY(!bench.page("offlineState")->isVisible());
}

QTEST_MAIN(TestSandboxTable)
#include "tst_sandboxtable.moc"
