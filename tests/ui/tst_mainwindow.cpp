// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/update/updatecheck.h"
#include "tests/support/httpserver.h"
#include "tests/ui/uibench.h"
#include "tests/ui/widgetrules.h"
#include "ui/common/armedbutton.h"
#include "ui/common/banner.h"
#include "ui/common/theme.h"
#include "ui/connections/connectionbox.h"
#include "ui/mainwindow/mainwindow.h"
#include "ui/sandboxes/sandboxtableview.h"

#include <QAction>
#include <QClipboard>
#include <QComboBox>
#include <QDesktopServices>
#include <QHeaderView>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QMenuBar>
#include <QPushButton>
#include <QSignalSpy>
#include <QTabWidget>
#include <QTemporaryDir>
#include <QTimer>
#include <QToolButton>
#include <QTreeWidget>

#include <optional>

using namespace moru;
using namespace moru::test;

namespace {

/// No keychain: nothing is stored, nothing is found.
class NoSecrets final : public SecretStore {
public:
    void read(const QString &, QObject *context, Done<QString> done) override
    {
        QTimer::singleShot(
            0, context, [done] { done(failure(Error::Kind::NotFound, QStringLiteral("none"))); });
    }
    void write(const QString &, const QString &, QObject *context, Done<> done) override
    {
        QTimer::singleShot(0, context, [done] {
            done(failure(Error::Kind::Local, QStringLiteral("There is no keychain")));
        });
    }
    void remove(const QString &, QObject *context, Done<> done) override
    {
        QTimer::singleShot(0, context, [done] { done({}); });
    }
};

/// Answers questions without a dialog.
class ScriptedPrompt final : public Prompt {
public:
    bool yes = true;
    QList<Question> questions;

    void confirm(QWidget *, const Question &question, std::function<void(bool)> answer) override
    {
        questions << question;
        answer(yes);
    }
    void text(QWidget *, const QString &, const QString &, const QString &initial,
              std::function<void(QString)> answer) override
    {
        answer(initial);
    }
    void openFiles(QWidget *, const QString &, std::function<void(QStringList)> answer) override
    {
        answer({});
    }
    void saveFile(QWidget *, const QString &, const QString &,
                  std::function<void(QString)> answer) override
    {
        answer({});
    }
    void folder(QWidget *, const QString &, std::function<void(QString)> answer) override
    {
        answer({});
    }
};

QProcessEnvironment environmentFor(const QUrl &url)
{
    QProcessEnvironment environment;
    environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_key"));
    environment.insert(QStringLiteral("MORU_API_URL"), url.toString());
    environment.insert(QStringLiteral("MORU_SANDBOX_URL"), url.toString());
    return environment;
}

/// The real window on a fleet behind real HTTP.
struct WindowBench {
    WindowBench()
        : settings(folder.filePath(QStringLiteral("settings.ini")))
        , connections(settings, secrets, nullptr, environmentFor(server.url()))
        , window(std::make_unique<MainWindow>(connections, settings, prompt, QString()))
    {}

    void show()
    {
        using namespace std::chrono_literals;
        window->show();
        window->setConnection(connections.connections().first());
        window->store()->setPace({20ms, 20ms, 60ms, 150ms, 20ms, 20ms, 100ms});
        Transport::Limits limits;
        limits.retryBaseMs = 2;
        connections.connections().first()->transport().setLimits(limits);
        window->store()->refresh();
    }
    [[nodiscard]] bool fill(int rows)
    {
        show();
        return QTest::qWaitFor([this, rows] { return window->model().rowCount() == rows; }, 20'000);
    }
    template <typename T> T *find(const char *name)
    {
        return window->findChild<T *>(QLatin1String(name));
    }
    SandboxTableView *table() { return find<SandboxTableView>("sandboxTable"); }
    QAction *action(const char *id) { return find<QAction>(id); }
    QString status() { return find<QLabel>("statusLabel")->text(); }

    FleetServer server;
    QTemporaryDir folder;
    Settings settings;
    NoSecrets secrets;
    ScriptedPrompt prompt;
    ConnectionManager connections;
    std::unique_ptr<MainWindow> window;
};

} // namespace

/// What would go to a browser.
class UrlCatcher final : public QObject {
    Q_OBJECT
public:
    QList<QUrl> urls;
    Q_INVOKABLE void open(const QUrl &url) { urls << url; }
};

class TestMainWindow : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { theme::install(*qApp); }
    void everythingHasANameAndALetterOfItsOwn();
    void tabReachesEveryPart();
    void shortcutsAreUnambiguous();
    void emptyFleetLeadsToTheNewDialog();
    void listCountsAndFilters();
    void sidebarNarrowsByState();
    void slashGoesToTheFilter();
    void disabledActionsSayWhy();
    void pauseButtonTurnsIntoResume();
    void pauseAndResumeTellTheTruth();
    void pauseQuestionCanBeSwitchedOff();
    void deleteKeyKillsWithDialogOnly();
    void deleteKeyElsewhereKillsNothing();
    void killedSandboxStaysReadable();
    void killOfSomethingGoneIsAStatusLine();
    void ctrlCCopiesTheId();
    void extendAddsAnHour();
    void createdSandboxIsSelected();
    void brokenServerGreysTheTableAndHeals();
    void refusedKeySaysSo();
    void observingSendsOnlyReads();
    void productionIsMarked();
    void layoutIsRemembered();
    void schemeChoiceIsKept();
    void helpListsTheShortcuts();
    void aboutNamesTheLicences();
    void aNewVersionIsSaidOnceAndQuietly();
    void noVersionIsAskedForWhenThatIsOff();
    void f6GoesAround();
    void closingWithoutWorkAsksNothing();
};

void TestMainWindow::everythingHasANameAndALetterOfItsOwn()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    QCOMPARE(unnamedWidgets(*bench.window).join(u'\n'), QString());
    QCOMPARE(sharedMnemonics(*bench.window->menuBar()).join(u'\n'), QString());
    QCOMPARE(sharedMnemonics(*bench.window).join(u'\n'), QString());
}

void TestMainWindow::tabReachesEveryPart()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    const QStringList order = tabOrder(*bench.window);
    for (const char *name : {"connectionBox", "filterEdit", "newSandboxButton", "pauseButton",
                             "killButton", "stateFilter", "sandboxTable", "detailsTabBar"})
        QVERIFY2(
            order.contains(QLatin1String(name)),
            qPrintable(QLatin1String(name) + QLatin1String(" of ") + order.join(QLatin1Char(' '))));
    QVERIFY(order.indexOf(QStringLiteral("newSandboxButton"))
            < order.indexOf(QStringLiteral("killButton")));
    QVERIFY(order.indexOf(QStringLiteral("sandboxTable"))
            < order.indexOf(QStringLiteral("detailsTabBar")));
}

void TestMainWindow::shortcutsAreUnambiguous()
{
    WindowBench bench;
    QMap<QString, QStringList> owners;
    const auto actions = bench.window->findChildren<QAction *>();
    for (const QAction *action : actions) {
        const auto keys = action->shortcuts();
        for (const QKeySequence &key : keys)
            owners[key.toString()] << action->objectName();
    }
    QVERIFY(owners.size() > 20);
    for (auto it = owners.cbegin(); it != owners.cend(); ++it)
        QVERIFY2(it.value().size() == 1,
                 qPrintable(it.key() + QLatin1String(": ") + it.value().join(u' ')));
}

void TestMainWindow::emptyFleetLeadsToTheNewDialog()
{
    WindowBench bench;
    QVERIFY(bench.fill(0));
    auto *empty = bench.find<QWidget>("emptyState");
    QTRY_VERIFY(empty->isVisible());
    bench.find<QPushButton>("emptyNewButton")->click();
    QDialog *dialog = openDialog("newSandboxDialog");
    QVERIFY(dialog);
    QTest::keyClick(dialog, Qt::Key_Escape);
    QTRY_VERIFY(!openDialog("newSandboxDialog"));
}

void TestMainWindow::listCountsAndFilters()
{
    WindowBench bench;
    for (int i = 0; i < 12; ++i)
        bench.server.add(QStringLiteral("i%1").arg(i)).paused = i < 3;
    QVERIFY(bench.fill(12));
    QTRY_VERIFY2(bench.status().contains(QStringLiteral("9 running, 3 paused")),
                 qPrintable(bench.status()));
    QVERIFY(bench.status().contains(QStringLiteral("updated")));
    bench.window->activateWindow();
    bench.find<QLineEdit>("filterEdit")->setFocus();
    QTRY_VERIFY(bench.find<QLineEdit>("filterEdit")->hasFocus());
    QTest::keyClicks(bench.find<QLineEdit>("filterEdit"), QStringLiteral("i11"));
    QCOMPARE(bench.window->model().rowCount(), 1);
    QVERIFY(bench.status().contains(QStringLiteral("1 shown")));
    QTest::keyClick(bench.find<QLineEdit>("filterEdit"), Qt::Key_Escape);
    QCOMPARE(bench.window->model().rowCount(), 12);
}

void TestMainWindow::sidebarNarrowsByState()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("ir"));
    bench.server.add(QStringLiteral("ip")).paused = true;
    QVERIFY(bench.fill(2));
    auto *states = bench.find<QTreeWidget>("stateFilter");
    QTRY_COMPARE(states->topLevelItem(2)->text(1).trimmed(), QStringLiteral("1"));
    states->setCurrentItem(states->topLevelItem(2));
    QCOMPARE(bench.window->model().rowCount(), 1);
    QCOMPARE(bench.window->model().rowAt(0)->sandbox.id, QStringLiteral("ip"));
    states->setCurrentItem(states->topLevelItem(0));
    QCOMPARE(bench.window->model().rowCount(), 2);
}

void TestMainWindow::slashGoesToTheFilter()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    bench.window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(bench.window.get()));
    bench.table()->setFocus();
    QTest::keyClick(bench.table(), Qt::Key_Slash);
    QTRY_VERIFY(bench.find<QLineEdit>("filterEdit")->hasFocus());
    QTest::keyClick(bench.find<QLineEdit>("filterEdit"), Qt::Key_Down);
    QTRY_VERIFY(bench.table()->hasFocus());
    QTest::keyClick(bench.table(), Qt::Key_F, Qt::ControlModifier);
    QTRY_VERIFY(bench.find<QLineEdit>("filterEdit")->hasFocus());
}

void TestMainWindow::disabledActionsSayWhy()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("ir"));
    bench.server.add(QStringLiteral("ip")).paused = true;
    QVERIFY(bench.fill(2));
    bench.table()->clearSelection();
    QVERIFY(!bench.action("sandbox.kill")->isEnabled());
    QVERIFY(bench.action("sandbox.kill")->toolTip().contains(QStringLiteral("Select")));
    QVERIFY(bench.table()->selectId(QStringLiteral("ip")));
    QVERIFY(!bench.action("sandbox.pause")->isEnabled());
    QVERIFY(bench.action("sandbox.pause")->toolTip().contains(QStringLiteral("already")));
    QVERIFY(bench.action("sandbox.resume")->isEnabled());
    QVERIFY(!bench.action("sandbox.extend")->isEnabled());
    QVERIFY(bench.table()->selectId(QStringLiteral("ir")));
    QVERIFY(bench.action("sandbox.pause")->isEnabled());
    QVERIFY(!bench.action("sandbox.resume")->isEnabled());
    QVERIFY(bench.action("sandbox.kill")->isEnabled());
    const auto actions = bench.window->findChildren<QAction *>();
    for (const QAction *action : actions) {
        if (!action->isEnabled() && action->property("section").isValid())
            QVERIFY2(action->toolTip().endsWith(QLatin1Char('.')),
                     qPrintable(action->objectName()));
    }
}

void TestMainWindow::pauseButtonTurnsIntoResume()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("ir"));
    bench.server.add(QStringLiteral("ip")).paused = true;
    QVERIFY(bench.fill(2));
    auto *button = bench.find<QToolButton>("pauseButton");
    QVERIFY(bench.table()->selectId(QStringLiteral("ip")));
    QCOMPARE(button->defaultAction(), bench.action("sandbox.resume"));
    QCOMPARE(button->accessibleName(), QStringLiteral("Resume"));
    QVERIFY(bench.table()->selectId(QStringLiteral("ir")));
    QCOMPARE(button->defaultAction(), bench.action("sandbox.pause"));
}

void TestMainWindow::pauseAndResumeTellTheTruth()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("ir"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("ir")));
    bench.find<QToolButton>("pauseButton")->click();
    QDialog *dialog = openDialog("pauseDialog");
    QVERIFY(dialog);
    part<QPushButton>(dialog, "pauseConfirmButton")->click();
    QTRY_VERIFY(bench.server.find(QStringLiteral("ir"))->paused);
    QTRY_VERIFY(bench.status().contains(QStringLiteral("counts toward the quota")));
    QTRY_VERIFY(bench.action("sandbox.resume")->isEnabled());
    bench.find<QToolButton>("pauseButton")->click();
    QTRY_VERIFY(!bench.server.find(QStringLiteral("ir"))->paused);
    QTRY_VERIFY(bench.status().contains(QStringLiteral("runs again")));
    // Refusals are said where they matter, not in a box.
    bench.server.intercept =
        [](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.path.endsWith("/pause"))
            return FleetServer::error(500, "snapshot failed");
        return std::nullopt;
    };
    QTRY_VERIFY(bench.action("sandbox.pause")->isEnabled());
    bench.find<QToolButton>("pauseButton")->click();
    part<QPushButton>(openDialog("pauseDialog"), "pauseConfirmButton")->click();
    auto *failure = bench.find<QWidget>("failureBanner");
    QTRY_VERIFY(failure->isVisible());
    QVERIFY(
        part<QLabel>(failure, "bannerText")->text().contains(QStringLiteral("snapshot failed")));
}

void TestMainWindow::pauseQuestionCanBeSwitchedOff()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    bench.server.add(QStringLiteral("i2"));
    QVERIFY(bench.fill(2));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.action("sandbox.pause")->trigger();
    QDialog *dialog = openDialog("pauseDialog");
    QVERIFY(dialog);
    part<QAbstractButton>(dialog, "dontAskBox")->click();
    part<QPushButton>(dialog, "pauseConfirmButton")->click();
    QTRY_VERIFY(bench.server.find(QStringLiteral("i1"))->paused);
    QTRY_VERIFY(!bench.window->connection()->spec().confirmPause);
    QVERIFY(bench.table()->selectId(QStringLiteral("i2")));
    QTRY_VERIFY(bench.action("sandbox.pause")->isEnabled());
    bench.action("sandbox.pause")->trigger();
    QVERIFY(!openDialog("pauseDialog"));
    QTRY_VERIFY(bench.server.find(QStringLiteral("i2"))->paused);
}

void TestMainWindow::deleteKeyKillsWithDialogOnly()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    bench.window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(bench.window.get()));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.table()->setFocus();
    QTest::keyClick(bench.table(), Qt::Key_Delete);
    QDialog *dialog = openDialog("killDialog");
    QVERIFY(dialog);
    auto *kill = part<ArmedButton>(dialog, "killConfirmButton");
    QTRY_VERIFY(kill->isArmed());
    QTest::mouseClick(kill, Qt::LeftButton);
    QTRY_COMPARE(bench.window->model().rowCount(), 0);
    QTRY_VERIFY(bench.status().contains(QStringLiteral("is killed")));
}

void TestMainWindow::deleteKeyElsewhereKillsNothing()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    for (QWidget *other :
         {static_cast<QWidget *>(bench.find<QLineEdit>("filterEdit")),
          bench.find<QWidget>("stateFilter"), bench.find<QWidget>("overviewMetadata")}) {
        other->setFocus();
        QTest::keyClick(other, Qt::Key_Delete);
        QVERIFY2(!openDialog("killDialog"), qPrintable(other->objectName()));
    }
}

void TestMainWindow::killedSandboxStaysReadable()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    bench.server.add(QStringLiteral("i2"));
    QVERIFY(bench.fill(2));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    QCOMPARE(bench.find<QLabel>("overviewId")->text(), QStringLiteral("i1"));
    bench.server.drop(QStringLiteral("i1"));
    QTRY_COMPARE(bench.window->model().rowCount(), 1);
    QTRY_COMPARE(bench.find<QLabel>("detailsState")->text(), QStringLiteral("Ended"));
    QCOMPARE(bench.find<QLabel>("overviewId")->text(), QStringLiteral("i1"));
    QTRY_VERIFY(bench.status().contains(QStringLiteral("has ended")));
    QVERIFY(!bench.action("sandbox.kill")->isEnabled()); // the neighbour is not the next victim
}

void TestMainWindow::killOfSomethingGoneIsAStatusLine()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    bench.server.intercept =
        [](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method == "DELETE")
            return FleetServer::error(404, "not found");
        return std::nullopt;
    };
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.action("sandbox.kill")->trigger();
    QDialog *dialog = openDialog("killDialog");
    QVERIFY(dialog);
    auto *kill = part<ArmedButton>(dialog, "killConfirmButton");
    QTRY_VERIFY(kill->isArmed());
    QTest::mouseClick(kill, Qt::LeftButton);
    QTRY_VERIFY(bench.status().contains(QStringLiteral("already terminated")));
    QVERIFY(!bench.find<QWidget>("failureBanner")->isVisible());
}

void TestMainWindow::ctrlCCopiesTheId()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1")).metadata = {
        {QStringLiteral("user"), QStringLiteral("ann")}};
    QVERIFY(bench.fill(1));
    bench.window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(bench.window.get()));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.table()->setFocus();
    QTest::keyClick(bench.table(), Qt::Key_C, Qt::ControlModifier);
    QTRY_COMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("i1"));
    QTest::keyClick(bench.table(), Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    const QJsonObject json =
        QJsonDocument::fromJson(QGuiApplication::clipboard()->text().toUtf8()).object();
    QCOMPARE(json.value(QLatin1String("sandboxID")).toString(), QStringLiteral("i1"));
    QCOMPARE(
        json.value(QLatin1String("metadata")).toObject().value(QLatin1String("user")).toString(),
        QStringLiteral("ann"));
}

void TestMainWindow::extendAddsAnHour()
{
    WindowBench bench;
    FleetServer::Item &item = bench.server.add(QStringLiteral("i1"));
    item.endAt = item.startedAt.addSecs(1200);
    const QDateTime before = item.endAt;
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.find<QToolButton>("extendButton")->click();
    QTRY_VERIFY(bench.status().contains(QStringLiteral("one hour more")));
    const qint64 gained = before.secsTo(bench.server.find(QStringLiteral("i1"))->endAt);
    QVERIFY2(gained >= 3595 && gained <= 3610, qPrintable(QString::number(gained)));
}

void TestMainWindow::createdSandboxIsSelected()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    bench.find<QPushButton>("newSandboxButton")->click();
    QDialog *dialog = openDialog("newSandboxDialog");
    QVERIFY(dialog);
    part<QPushButton>(dialog, "createButton")->click();
    QTRY_COMPARE(bench.window->model().rowCount(), 2);
    QTRY_VERIFY(bench.table()->currentId().startsWith(QStringLiteral("inew")));
    QTRY_VERIFY(!openDialog("newSandboxDialog"));
    QCOMPARE(bench.find<QLabel>("overviewId")->text(), bench.table()->currentId());
}

void TestMainWindow::brokenServerGreysTheTableAndHeals()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    bench.server.shut();
    auto *banner = bench.find<QWidget>("banner");
    QTRY_VERIFY_WITH_TIMEOUT(banner->isVisible(), 20'000);
    const QString text = part<QLabel>(banner, "bannerText")->text();
    QVERIFY2(text.contains(QStringLiteral("The list is as it was")), qPrintable(text));
    QCOMPARE(bench.window->model().rowCount(), 1); // the last good data stays
    QVERIFY(bench.table()->isVisible());
    bench.server.listen();
    part<QPushButton>(banner, "bannerAction")->click();
    QTRY_VERIFY_WITH_TIMEOUT(!banner->isVisible(), 20'000);
}

void TestMainWindow::refusedKeySaysSo()
{
    WindowBench bench;
    bench.server.intercept = [](const FleetServer::Request &) {
        return std::optional(FleetServer::error(401, "nope"));
    };
    bench.show();
    auto *failed = bench.find<QWidget>("failedState");
    QTRY_VERIFY(failed->isVisible());
    QVERIFY(failed->accessibleDescription().contains(QStringLiteral("API key")));
    bench.server.intercept = nullptr;
    bench.find<QPushButton>("retryButton")->click();
    QTRY_VERIFY(bench.find<QWidget>("emptyState")->isVisible());
}

void TestMainWindow::observingSendsOnlyReads()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    bench.server.add(QStringLiteral("i2")).paused = true;
    QVERIFY(bench.fill(2));
    const QDateTime end = bench.server.find(QStringLiteral("i1"))->endAt;
    for (const QString &id : {QStringLiteral("i1"), QStringLiteral("i2")}) {
        QVERIFY(bench.table()->selectId(id));
        auto *tabs = bench.find<QTabWidget>("detailsTabs");
        QCOMPARE(tabs->currentIndex(), 0);
    }
    // A paused sandbox may be looked at from every side without being touched.
    auto *tabs = bench.find<QTabWidget>("detailsTabs");
    for (int i = 0; i < tabs->count(); ++i)
        tabs->setCurrentIndex(i);
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    QCOMPARE(tabs->currentIndex(), 0); // another sandbox, another tab in front
    QVERIFY(bench.table()->selectId(QStringLiteral("i2")));
    QCOMPARE(tabs->currentIndex(), tabs->count() - 1);
    QSignalSpy swept(bench.window->store(), &SandboxStore::swept);
    QTRY_VERIFY(swept.size() >= 2);
    for (const QString &line : std::as_const(bench.server.log))
        QVERIFY2(line.startsWith(QLatin1String("GET ")), qPrintable(line));
    QCOMPARE(bench.server.find(QStringLiteral("i1"))->endAt, end);
    QVERIFY(bench.server.find(QStringLiteral("i2"))->paused);
}

void TestMainWindow::productionIsMarked()
{
    WindowBench bench;
    QVERIFY(bench.fill(0));
    auto *bar = bench.find<QWidget>("productionBar");
    QVERIFY(!bar->isVisible());
    ConnectionSpec spec = bench.window->connection()->spec();
    spec.production = true;
    spec.color = QStringLiteral("#aa00bb");
    std::optional<Result<>> outcome;
    bench.connections.update(spec, {}, false, bench.window.get(),
                             [&outcome](const Result<> &result) { outcome = result; });
    QTRY_VERIFY(outcome.has_value());
    QVERIFY(outcome->has_value());
    QTRY_VERIFY(bar->isVisible());
    QCOMPARE(bar->height(), 3);
    QCOMPARE(bar->grab().toImage().pixelColor(10, 1).name(), QStringLiteral("#aa00bb"));
    QVERIFY(bench.window->windowTitle().contains(QStringLiteral("PRODUCTION")));
    QVERIFY(bench.find<QComboBox>("connectionBox")
                ->currentText()
                .contains(QStringLiteral("PRODUCTION")));
}

void TestMainWindow::layoutIsRemembered()
{
    WindowBench bench;
    QVERIFY(bench.fill(0));
    bench.window->resize(1111, 777);
    bench.table()->horizontalHeader()->resizeSection(SandboxTableModel::TemplateColumn, 177);
    bench.action("view.sidebar")->setChecked(false);
    QVERIFY(bench.window->close());
    bench.window =
        std::make_unique<MainWindow>(bench.connections, bench.settings, bench.prompt, QString());
    bench.window->show();
    QCOMPARE(bench.window->size(), QSize(1111, 777));
    QCOMPARE(bench.table()->horizontalHeader()->sectionSize(SandboxTableModel::TemplateColumn),
             177);
    QVERIFY(!bench.find<QWidget>("sidebar")->isVisible());
}

void TestMainWindow::schemeChoiceIsKept()
{
    WindowBench bench;
    bench.window->show();
    bench.action("scheme.dark")->trigger();
    QVERIFY(theme::isDark());
    QCOMPARE(bench.settings.get<QString>(Setting::ColorScheme), QStringLiteral("dark"));
    QCOMPARE(QGuiApplication::palette().color(QPalette::Text).lightness() > 128, true);
    bench.action("scheme.light")->trigger();
    QVERIFY(!theme::isDark());
    bench.action("scheme.system")->trigger();
    QCOMPARE(theme::scheme(), theme::Scheme::System);
}

void TestMainWindow::helpListsTheShortcuts()
{
    WindowBench bench;
    bench.window->show();
    bench.action("help.shortcuts")->trigger();
    QDialog *dialog = openDialog("shortcutsDialog");
    QVERIFY(dialog);
    const auto *tree = part<QTreeWidget>(dialog, "shortcutsTree");
    QVERIFY(tree->findItems(QStringLiteral("Kill"), Qt::MatchExactly | Qt::MatchRecursive).size()
            == 1);
    QCOMPARE(unnamedWidgets(*dialog).join(u'\n'), QString());
    dialog->close();
    bench.action("help.about")->trigger();
    QDialog *about = openDialog("aboutDialog");
    QVERIFY(about);
    QVERIFY(part<QLabel>(about, "aboutVersion")->text().startsWith(QStringLiteral("Moru Desktop")));
    about->close();
}

void TestMainWindow::aboutNamesTheLicences()
{
    WindowBench bench;
    bench.window->show();
    bench.action("help.about")->trigger();
    QDialog *about = openDialog("aboutDialog");
    QVERIFY(about);
    const auto *tree = part<QTreeWidget>(about, "licencesTree");
    QVERIFY(tree);
    const auto rows = tree->findItems(QStringLiteral("QScintilla"), Qt::MatchExactly);
    QCOMPARE(rows.size(), 1);
    QCOMPARE(rows.first()->text(2), QStringLiteral("GPL-3.0"));
    for (int i = 0; i < tree->topLevelItemCount(); ++i)
        QVERIFY2(!tree->topLevelItem(i)->text(2).isEmpty(),
                 qPrintable(tree->topLevelItem(i)->text(0)));
    QCOMPARE(unnamedWidgets(*about).join(u'\n'), QString());
    about->close();
}

void TestMainWindow::aNewVersionIsSaidOnceAndQuietly()
{
    HttpServer server;
    QVERIFY(server.listen());
    server.on("GET", "/latest.json", 200,
              R"({"version": "99.0", "url": "https://example.org/new"})");
    UpdateCheck updates(server.url().resolved(QUrl(QStringLiteral("/latest.json"))),
                        QStringLiteral("0.1.0"));
    WindowBench bench;
    bench.window->setUpdates(updates, 0);
    bench.window->show();
    auto *note = bench.find<Banner>("updateBanner");
    QTRY_VERIFY_WITH_TIMEOUT(note->isVisible(), 20'000);
    QVERIFY(part<QLabel>(note, "bannerText")->text().contains(QStringLiteral("99.0")));
    QVERIFY(!QApplication::activeModalWidget());
    QCOMPARE(unnamedWidgets(*bench.window).join(u'\n'), QString());
    QCOMPARE(sharedMnemonics(*bench.window->menuBar()).join(u'\n'), QString());

    UrlCatcher browser;
    QDesktopServices::setUrlHandler(QStringLiteral("https"), &browser, "open");
    part<QPushButton>(note, "bannerAction")->click();
    QDesktopServices::unsetUrlHandler(QStringLiteral("https"));
    QCOMPARE(browser.urls, QList<QUrl>{QUrl(QStringLiteral("https://example.org/new"))});
    QCOMPARE(server.count("GET", "/new"), 0);

    part<QPushButton>(note, "bannerClose")->click();
    QVERIFY(!note->isVisible());
    QCOMPARE(bench.settings.get<QString>(Setting::DismissedUpdate), QStringLiteral("99.0"));
    const QSignalSpy finished(&updates, &UpdateCheck::finished);
    updates.check();
    QTRY_COMPARE_WITH_TIMEOUT(finished.count(), 1, 20'000);
    QVERIFY(!note->isVisible());
    // The next one is news again.
    server.on("GET", "/latest.json", 200, R"({"version": "99.1", "url": "https://example.org/"})");
    updates.check();
    QTRY_VERIFY_WITH_TIMEOUT(note->isVisible(), 20'000);
}

void TestMainWindow::noVersionIsAskedForWhenThatIsOff()
{
    HttpServer server;
    QVERIFY(server.listen());
    server.on("GET", "/latest.json", 200, R"({"version": "99.0", "url": "https://example.org/"})");
    UpdateCheck updates(server.url().resolved(QUrl(QStringLiteral("/latest.json"))),
                        QStringLiteral("0.1.0"));
    WindowBench bench;
    QVERIFY(!bench.action("help.updates")); // no address, no entry
    bench.settings.set(Setting::CheckForUpdates, false);
    bench.window->setUpdates(updates, 0);
    bench.window->show();
    bool later = false;
    QTimer::singleShot(0, &server, [&later] { later = true; });
    QTRY_VERIFY(later); // timers fire in order, so the window's has fired
    QVERIFY(!updates.isRunning());
    QAction *atStart = bench.action("help.updates");
    QVERIFY(atStart && !atStart->isChecked());

    atStart->trigger();
    QVERIFY(bench.settings.get<bool>(Setting::CheckForUpdates));
    auto *note = bench.find<Banner>("updateBanner");
    QTRY_VERIFY_WITH_TIMEOUT(note->isVisible(), 20'000);
    atStart->trigger();
    QVERIFY(!bench.settings.get<bool>(Setting::CheckForUpdates));
    QVERIFY(!note->isVisible());
}

void TestMainWindow::f6GoesAround()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.table()->selectId(QStringLiteral("i1")));
    bench.window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(bench.window.get()));
    bench.find<QLineEdit>("filterEdit")->setFocus();
    QStringList visited;
    for (int i = 0; i < 4; ++i) {
        QTest::keyClick(bench.window.get(), Qt::Key_F6);
        visited << QApplication::focusWidget()->objectName();
    }
    QCOMPARE(visited,
             (QStringList{QStringLiteral("stateFilter"), QStringLiteral("sandboxTable"),
                          QStringLiteral("overviewMetadata"), QStringLiteral("filterEdit")}));
}

void TestMainWindow::closingWithoutWorkAsksNothing()
{
    WindowBench bench;
    bench.server.add(QStringLiteral("i1"));
    QVERIFY(bench.fill(1));
    QVERIFY(bench.window->close());
    QVERIFY(bench.prompt.questions.isEmpty());
}

QTEST_MAIN(TestMainWindow)
#include "tst_mainwindow.moc"
