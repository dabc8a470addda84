// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/uibench.h"
#include "tests/ui/widgetrules.h"
#include "ui/common/armedbutton.h"
#include "ui/common/theme.h"
#include "ui/connections/connectiondialog.h"
#include "ui/sandboxes/impactprobe.h"
#include "ui/sandboxes/keyvaluetable.h"
#include "ui/sandboxes/killbyiddialog.h"
#include "ui/sandboxes/killdialog.h"
#include "ui/sandboxes/newsandboxdialog.h"
#include "ui/sandboxes/pausedialog.h"

#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QPointer>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTemporaryDir>
#include <QTimer>
#include <QTreeWidget>

using namespace moru;
using namespace moru::test;

namespace {

/// A keychain in memory, which can be locked.
class MemorySecrets final : public SecretStore {
public:
    bool locked = false;
    QMap<QString, QString> entries;

    void read(const QString &entry, QObject *context, Done<QString> done) override
    {
        Result<QString> result = failure(Error::Kind::NotFound, QStringLiteral("none"));
        if (locked)
            result = failure(Error::Kind::Local, QStringLiteral("The keychain is locked"));
        else if (entries.contains(entry))
            result = entries.value(entry);
        QTimer::singleShot(0, context, [done, result] { done(result); });
    }
    void write(const QString &entry, const QString &secret, QObject *context, Done<> done) override
    {
        Result<> result;
        if (locked)
            result = failure(Error::Kind::Local, QStringLiteral("The keychain is locked"));
        else
            entries.insert(entry, secret);
        QTimer::singleShot(0, context, [done, result] { done(result); });
    }
    void remove(const QString &entry, QObject *context, Done<> done) override
    {
        entries.remove(entry);
        QTimer::singleShot(0, context, [done] { done({}); });
    }
};

QPointer<KillDialog> openKill(UiBench &bench, const QStringList &ids,
                              const KillDialog::Notes &notes = {})
{
    QPointer<KillDialog> dialog = new KillDialog(*bench.store, ids, notes);
    dialog->open();
    return dialog;
}

ArmedButton *killButton(const QDialog *dialog)
{
    return part<ArmedButton>(dialog, "killConfirmButton");
}

QString textOf(const QDialog *dialog, const char *label)
{
    return part<QLabel>(dialog, label)->text();
}

bool clickArmed(ArmedButton *button)
{
    if (!QTest::qWaitFor([button] { return button->isArmed() && button->isEnabled(); }, 10'000))
        return false;
    QTest::mouseClick(button, Qt::LeftButton);
    return true;
}

} // namespace

class TestDialogs : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { theme::install(*qApp); }
    void killNamesWhatIsLost();
    void killDefaultsToCancel();
    void killButtonArmsFirst();
    void killSendsOneRequestAndCloses();
    void killOfSomethingGoneIsCalm();
    void killNoticesTheEndOfItsSandbox();
    void killFailureStaysAndOffersRetry();
    void killStaysOpenUntilTheAnswer();
    void killOfAPausedSandboxDoesNotTouchIt();
    void killOffersPauseInstead();
    void killListCountsTicks();
    void killOfTenWantsTheNumber();
    void killInProductionWantsTheNumber();
    void killListReportsEachItem();
    void impactIsParsed();
    void impactIsDescribedShortly();
    void killByIdNeitherListsNorConnects();
    void killByIdRefusesWhatIsNoId();
    void pauseSaysWhatIsKeptAndWhatCloses();
    void newSandboxSendsWhatItShows();
    void newSandboxKeepsTimeOverUnits();
    void newSandboxStaysWithTheError();
    void newSandboxRefusesDoubleNames();
    void environmentLinesAreParsed();
    void connectionAddressesAreUnderstood_data();
    void connectionAddressesAreUnderstood();
    void connectionTestNamesTheStep_data();
    void connectionTestNamesTheStep();
    void connectionOffersMemoryWhenTheKeychainFails();
    void dialogsHaveNamesAndUniqueLetters();
};

void TestDialogs::killNamesWhatIsLost()
{
    UiBench bench;
    FleetServer::Item &item = bench.server.add(QStringLiteral("i000001"));
    item.startedAt = item.startedAt.addSecs(-3 * 3600 - 12 * 60);
    item.metadata = {{QStringLiteral("name"), QStringLiteral("api-tests")}};
    QVERIFY(bench.fill());
    const auto dialog =
        openKill(bench, {QStringLiteral("i000001")},
                 {{QStringLiteral("i000001"), {QStringLiteral("2 open terminals")}}});
    QVERIFY(dialog->windowTitle().contains(QStringLiteral("api-tests")));
    QVERIFY(textOf(dialog, "connectionLabel").contains(QStringLiteral("Acme")));
    QVERIFY(!part<QLabel>(dialog, "productionLabel"));
    QVERIFY(textOf(dialog, "factsLabel").contains(QStringLiteral("3 h 12 min")));
    QVERIFY(textOf(dialog, "notesLabel").contains(QStringLiteral("2 open terminals")));
    const QString loss = textOf(dialog, "lossLabel");
    for (const char *word : {"irreversible", "processes end at once", "permanently deleted", "ID"})
        QVERIFY2(loss.contains(QLatin1String(word)), word);
    // This server runs no processes that could be asked about.
    QTRY_VERIFY(textOf(dialog, "impactLabel").contains(QStringLiteral("unknown")));
    dialog->reject();
}

void TestDialogs::killDefaultsToCancel()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    auto *cancel = part<QPushButton>(dialog, "cancelButton");
    QVERIFY(cancel->isDefault());
    QTRY_VERIFY(cancel->hasFocus());
    QVERIFY(!killButton(dialog)->isDefault());
    QTest::keyClick(dialog, Qt::Key_Return);
    QTRY_VERIFY(!dialog);
    QVERIFY(!bench.server.log.contains(QStringLiteral("DELETE /sandboxes/i000000")));
}

void TestDialogs::killButtonArmsFirst()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    killButton(dialog)->rearm();
    QTest::mouseClick(killButton(dialog), Qt::LeftButton);
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Kill sandbox"));
    QVERIFY(!bench.server.log.contains(QStringLiteral("DELETE /sandboxes/i000000")));
    dialog->reject();
}

void TestDialogs::killSendsOneRequestAndCloses()
{
    UiBench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, {QStringLiteral("i000001")});
    QSignalSpy killed(dialog, &KillDialog::killed);
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(killed.size(), 1);
    QCOMPARE(killed.first().at(0).toInt(), 1);
    QTRY_VERIFY(!dialog);
    QCOMPARE(bench.server.log.count(QStringLiteral("DELETE /sandboxes/i000001")), 1);
    QVERIFY(bench.server.find(QStringLiteral("i000000")));
}

void TestDialogs::killOfSomethingGoneIsCalm()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.store->stop(); // so that the list cannot tell in time
    const auto dialog = openKill(bench, {QStringLiteral("i000000")});
    bench.server.drop(QStringLiteral("i000000"));
    QSignalSpy killed(dialog, &KillDialog::killed);
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(killed.size(), 1);
    QCOMPARE(killed.first().at(0).toInt(), 0);
    QCOMPARE(killed.first().at(1).toInt(), 1);
    QCOMPARE(killed.first().at(2).toInt(), 0);
    QTRY_VERIFY(!dialog);
}

void TestDialogs::killNoticesTheEndOfItsSandbox()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, {QStringLiteral("i000000")});
    bench.server.drop(QStringLiteral("i000000"));
    QTRY_VERIFY(textOf(dialog, "factsLabel").contains(QStringLiteral("already terminated")));
    QVERIFY(!killButton(dialog)->isVisible());
    QVERIFY(!part<QPushButton>(dialog, "pauseInsteadButton")->isVisible());
    part<QPushButton>(dialog, "cancelButton")->click();
    QTRY_VERIFY(!dialog);
}

void TestDialogs::killFailureStaysAndOffersRetry()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bool broken = true;
    bench.server.intercept =
        [&broken](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method == "DELETE" && broken)
            return FleetServer::error(500, "out of order");
        return std::nullopt;
    };
    const auto dialog = openKill(bench, {QStringLiteral("i000000")});
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_VERIFY(textOf(dialog, "resultLabel").contains(QStringLiteral("out of order")));
    QVERIFY(dialog->isVisible());
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Retry 1 sandbox"));
    QCOMPARE(bench.server.log.count(QStringLiteral("DELETE /sandboxes/i000000")),
             1); // no blind retry
    broken = false;
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_VERIFY(!dialog);
    QVERIFY(!bench.server.find(QStringLiteral("i000000")));
}

void TestDialogs::killStaysOpenUntilTheAnswer()
{
    UiBench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.server.intercept =
        [](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method != "DELETE")
            return std::nullopt;
        FleetServer::Answer answer;
        answer.hold = true;
        return answer;
    };
    const auto dialog = openKill(bench, {QStringLiteral("i000000")});
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(bench.server.heldCount(), 1);
    QTest::keyClick(dialog, Qt::Key_Escape);
    dialog->close();
    QVERIFY(dialog && dialog->isVisible());
    QVERIFY(!killButton(dialog)->isEnabled());
    bench.server.intercept = nullptr;
    bench.server.release();
    QTRY_VERIFY(!dialog);
}

void TestDialogs::killOfAPausedSandboxDoesNotTouchIt()
{
    UiBench bench;
    bench.server.add(QStringLiteral("i000001")).paused = true;
    QVERIFY(bench.fill());
    bench.server.log.clear();
    const auto dialog = openKill(bench, {QStringLiteral("i000001")});
    QVERIFY(textOf(dialog, "impactLabel").contains(QStringLiteral("Nothing runs")));
    QVERIFY(!part<QPushButton>(dialog, "pauseInsteadButton")->isEnabled());
    QSignalSpy swept(bench.store.get(), &SandboxStore::swept);
    QTRY_VERIFY(swept.size() >= 2);
    for (const QString &line : std::as_const(bench.server.log))
        QVERIFY2(line == QLatin1String("GET /v2/sandboxes")
                     || line.contains(QLatin1String("metrics")),
                 qPrintable(line));
    dialog->reject();
}

void TestDialogs::killOffersPauseInstead()
{
    UiBench bench;
    bench.addMany(2);
    bench.server.add(QStringLiteral("ip")).paused = true;
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    QStringList wanted;
    connect(dialog, &KillDialog::pauseInsteadRequested, this,
            [&wanted](const QStringList &ids) { wanted = ids; });
    part<QPushButton>(dialog, "pauseInsteadButton")->click();
    wanted.sort();
    QCOMPARE(wanted, (QStringList{QStringLiteral("i000000"), QStringLiteral("i000001")}));
    QTRY_VERIFY(!dialog);
}

void TestDialogs::killListCountsTicks()
{
    UiBench bench;
    bench.addMany(4);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Kill 4 sandboxes"));
    auto *list = part<QTreeWidget>(dialog, "killList");
    list->topLevelItem(0)->setCheckState(0, Qt::Unchecked);
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Kill 3 sandboxes"));
    list->topLevelItem(1)->setCheckState(0, Qt::Unchecked);
    list->topLevelItem(2)->setCheckState(0, Qt::Unchecked);
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Kill 1 sandbox"));
    list->topLevelItem(3)->setCheckState(0, Qt::Unchecked);
    QVERIFY(!killButton(dialog)->isEnabled());
    list->topLevelItem(2)->setCheckState(0, Qt::Checked);
    const QString id = bench.ids().at(2);
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_VERIFY(!dialog);
    QCOMPARE(bench.server.fleet.size(), 3);
    QVERIFY(!bench.server.find(id));
}

void TestDialogs::killOfTenWantsTheNumber()
{
    UiBench bench;
    bench.addMany(KillDialog::typeFrom);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    auto *type = part<QLineEdit>(dialog, "typeNumberEdit");
    QVERIFY(type->isVisible());
    QVERIFY(!killButton(dialog)->isEnabled());
    QTest::keyClicks(type, QStringLiteral("1"));
    QVERIFY(!killButton(dialog)->isEnabled());
    QTest::keyClicks(type, QStringLiteral("0"));
    QVERIFY(killButton(dialog)->isEnabled());
    // Another choice is another question.
    auto *list = part<QTreeWidget>(dialog, "killList");
    list->topLevelItem(0)->setCheckState(0, Qt::Unchecked);
    QVERIFY(!type->isVisible());
    QVERIFY(killButton(dialog)->isEnabled());
    list->topLevelItem(0)->setCheckState(0, Qt::Checked);
    QVERIFY(!killButton(dialog)->isEnabled());
    dialog->reject();
}

void TestDialogs::killInProductionWantsTheNumber()
{
    UiBench bench(true);
    bench.addMany(1);
    QVERIFY(bench.fill());
    const auto dialog = openKill(bench, bench.ids());
    QCOMPARE(textOf(dialog, "productionLabel"), QStringLiteral("PRODUCTION"));
    QVERIFY(!killButton(dialog)->isEnabled());
    QTest::keyClicks(part<QLineEdit>(dialog, "typeNumberEdit"), QStringLiteral("1"));
    QVERIFY(killButton(dialog)->isEnabled());
    dialog->reject();
}

void TestDialogs::killListReportsEachItem()
{
    UiBench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    const QStringList ids = bench.ids();
    bench.server.intercept =
        [&ids](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method != "DELETE")
            return std::nullopt;
        if (request.path.endsWith(ids.at(1).toUtf8()))
            return FleetServer::error(403, "not yours");
        if (request.path.endsWith(ids.at(2).toUtf8()))
            return FleetServer::error(404, "gone");
        return std::nullopt;
    };
    const auto dialog = openKill(bench, ids);
    QSignalSpy killed(dialog, &KillDialog::killed);
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(killed.size(), 1);
    QVERIFY(dialog);
    const auto *list = part<QTreeWidget>(dialog, "killList");
    QStringList results;
    for (int i = 0; i < 3; ++i)
        results << list->topLevelItem(i)->text(3);
    QCOMPARE(results.at(0), QStringLiteral("killed"));
    QVERIFY(results.at(1).startsWith(QStringLiteral("failed")));
    QCOMPARE(results.at(2), QStringLiteral("already terminated"));
    QCOMPARE(killButton(dialog)->text(), QStringLiteral("Retry 1 sandbox"));
    part<QPushButton>(dialog, "cancelButton")->click();
    QTRY_VERIFY(!dialog);
}

void TestDialogs::impactIsParsed()
{
    const QByteArray output = "421\n"
                              "      1       0  0.0 moru-agent\n"
                              "    100       1  3.9 node\n"
                              "    421       1  0.0 bash\n"
                              "    422     421  0.0 ps\n"
                              "    130       1 12.5 my prog\n"
                              "junk\n"
                              "    140       1  0.0 \x1b[31mevil\n";
    const QList<impact::Process> processes = impact::parse(output);
    QCOMPARE(processes.size(), 3);
    QCOMPARE(processes.at(0), (impact::Process{QStringLiteral("my prog"), 12.5}));
    QCOMPARE(processes.at(1), (impact::Process{QStringLiteral("node"), 3.9}));
    QVERIFY(!processes.at(2).name.contains(QChar(0x1b)));
    QVERIFY(impact::parse({}).isEmpty());
    QCOMPARE(impact::parse("421\n" + QByteArray("2000 1 0 sleep\n").repeated(50'000)).size(), 1000);
}

void TestDialogs::impactIsDescribedShortly()
{
    using P = impact::Process;
    QVERIFY(impact::describe({}).isEmpty());
    QCOMPARE(impact::describe({P{QStringLiteral("node"), 4}, P{QStringLiteral("pytest"), 0},
                               P{QStringLiteral("bash"), 0}, P{QStringLiteral("bash"), 0}}),
             QStringLiteral("node (4 % CPU), pytest, bash \u00d72"));
    QList<P> many;
    for (int i = 0; i < 8; ++i)
        many << P{QStringLiteral("p%1").arg(i), 0};
    QCOMPARE(impact::describe(many), QStringLiteral("p0, p1, p2, p3, p4 and 3 more"));
}

void TestDialogs::killByIdNeitherListsNorConnects()
{
    FleetServer server;
    server.add(QStringLiteral("i000001"));
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    MemorySecrets secrets;
    QProcessEnvironment environment;
    environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_key"));
    environment.insert(QStringLiteral("MORU_API_URL"), server.url().toString());
    ConnectionManager connections(settings, secrets, nullptr, environment);
    QPointer<KillByIdDialog> dialog =
        new KillByIdDialog(connections, connections.connections().first());
    QSignalSpy answered(dialog, &KillByIdDialog::answered);
    dialog->open();
    QVERIFY(part<QPushButton>(dialog, "cancelButton")->isDefault());
    QTest::keyClicks(part<QLineEdit>(dialog, "idEdit"), QStringLiteral("i000001"));
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(answered.size(), 1);
    QCOMPARE(answered.first().at(2).toBool(), true);
    QCOMPARE(server.log, QStringList{QStringLiteral("DELETE /sandboxes/i000001")});
    QVERIFY(clickArmed(killButton(dialog)));
    QTRY_COMPARE(answered.size(), 2);
    QCOMPARE(answered.last().at(2).toBool(), false);
    QVERIFY(textOf(dialog, "resultLabel").contains(QStringLiteral("already terminated")));
    QCOMPARE(unnamedWidgets(*dialog).join(u'\n'), QString());
    QCOMPARE(sharedMnemonics(*dialog).join(u'\n'), QString());
    dialog->reject();
}

void TestDialogs::killByIdRefusesWhatIsNoId()
{
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    MemorySecrets secrets;
    QProcessEnvironment environment;
    environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_key"));
    ConnectionManager connections(settings, secrets, nullptr, environment);
    KillByIdDialog dialog(connections, nullptr);
    dialog.setAttribute(Qt::WA_DeleteOnClose, false);
    dialog.open();
    QVERIFY(!killButton(&dialog)->isEnabled());
    auto *edit = part<QLineEdit>(&dialog, "idEdit");
    for (const char *bad : {"../teams", "a b", "i1?x=1", "i1/pause"}) {
        edit->setText(QLatin1String(bad));
        QVERIFY2(!killButton(&dialog)->isEnabled(), bad);
    }
    edit->setText(QStringLiteral(" i7f3k2m9qx4w-6532622b "));
    QVERIFY(killButton(&dialog)->isEnabled());
}

void TestDialogs::pauseSaysWhatIsKeptAndWhatCloses()
{
    ConnectionSpec spec = UiBench::spec(QUrl(QStringLiteral("http://127.0.0.1:1")), false);
    PauseDialog dialog(spec, {QStringLiteral("api-tests")}, {QStringLiteral("api-tests: vim")});
    dialog.setAttribute(Qt::WA_DeleteOnClose, false);
    QSignalSpy confirmed(&dialog, &PauseDialog::confirmed);
    dialog.open();
    QString all;
    const auto labels = dialog.findChildren<QLabel *>();
    for (const QLabel *label : labels)
        all += label->text() + QLatin1Char('\n');
    for (const char *fact :
         {"file system is kept", "beta", "quota", "time limits", "api-tests: vim"})
        QVERIFY2(all.contains(QLatin1String(fact)), fact);
    part<QCheckBox>(&dialog, "dontAskBox")->setChecked(true);
    part<QPushButton>(&dialog, "pauseConfirmButton")->click();
    QCOMPARE(confirmed.size(), 1);
    QCOMPARE(confirmed.first().first().toBool(), true);
    QVERIFY(!dialog.isVisible());
}

void TestDialogs::newSandboxSendsWhatItShows()
{
    UiBench bench;
    QVERIFY(bench.fill());
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    QPointer<NewSandboxDialog> dialog = new NewSandboxDialog(*bench.store, settings);
    QSignalSpy created(dialog, &NewSandboxDialog::created);
    dialog->open();
    part<QSpinBox>(dialog, "timeoutSpin")->setValue(45);
    part<QComboBox>(dialog, "onTimeoutBox")->setCurrentIndex(1);
    part<KeyValueTable>(dialog, "metadataTable")
        ->setValues({{QStringLiteral("user"), QStringLiteral("ann")}});
    part<KeyValueTable>(dialog, "envTable")
        ->setValues({{QStringLiteral("A"), QStringLiteral("1")}});
    QVERIFY(textOf(dialog, "endLabel").contains(QStringLiteral("paused")));
    auto *create = part<QPushButton>(dialog, "createButton");
    QVERIFY(create->isDefault());
    create->click();
    QTRY_COMPARE(created.size(), 1);
    QTRY_VERIFY(!dialog);
    QJsonObject sent;
    for (const auto &request : std::as_const(bench.server.requests)) {
        if (request.method == "POST" && request.path == "/sandboxes")
            sent = QJsonDocument::fromJson(request.body).object();
    }
    QCOMPARE(sent.value(QLatin1String("templateID")).toString(), QStringLiteral("base"));
    QCOMPARE(sent.value(QLatin1String("timeout")).toInt(), 2700);
    QCOMPARE(sent.value(QLatin1String("autoPause")).toBool(), true);
    QCOMPARE(
        sent.value(QLatin1String("metadata")).toObject().value(QLatin1String("user")).toString(),
        QStringLiteral("ann"));
    QCOMPARE(sent.value(QLatin1String("envVars")).toObject().value(QLatin1String("A")).toString(),
             QStringLiteral("1"));
    // The next dialog starts where this one ended.
    QCOMPARE(settings.get<int>(Setting::LastTimeout), 2700);
    QCOMPARE(settings.get<bool>(Setting::PauseOnTimeout), true);
}

void TestDialogs::newSandboxKeepsTimeOverUnits()
{
    UiBench bench;
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    NewSandboxDialog dialog(*bench.store, settings);
    dialog.setAttribute(Qt::WA_DeleteOnClose, false);
    auto *spin = part<QSpinBox>(&dialog, "timeoutSpin");
    auto *unit = part<QComboBox>(&dialog, "timeoutUnitBox");
    spin->setValue(120);
    unit->setCurrentIndex(1);
    QCOMPARE(dialog.specification().timeoutSeconds, 7200);
    unit->setCurrentIndex(0);
    QCOMPARE(dialog.specification().timeoutSeconds, 7200);
    spin->setValue(30);
    unit->setCurrentIndex(1);
    QCOMPARE(dialog.specification().timeoutSeconds, 3600); // never less than was asked for
}

void TestDialogs::newSandboxStaysWithTheError()
{
    UiBench bench;
    QVERIFY(bench.fill());
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    bench.server.intercept =
        [](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method == "POST")
            return FleetServer::error(429, "maximum number of concurrent sandboxes (20)");
        return std::nullopt;
    };
    QPointer<NewSandboxDialog> dialog = new NewSandboxDialog(*bench.store, settings);
    dialog->open();
    part<QPushButton>(dialog, "createButton")->click();
    auto *banner = part<QWidget>(dialog, "createBanner");
    QTRY_VERIFY(banner->isVisible());
    QVERIFY(textOf(dialog, "bannerText").contains(QStringLiteral("concurrent sandboxes (20)")));
    QVERIFY(part<QPushButton>(dialog, "createButton")->isEnabled());
    dialog->reject();
    QTRY_VERIFY(!dialog);
}

void TestDialogs::newSandboxRefusesDoubleNames()
{
    UiBench bench;
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    NewSandboxDialog dialog(*bench.store, settings);
    dialog.setAttribute(Qt::WA_DeleteOnClose, false);
    dialog.open();
    auto *table = part<KeyValueTable>(&dialog, "metadataTable");
    auto *create = part<QPushButton>(&dialog, "createButton");
    table->setValues({{QStringLiteral("a"), QStringLiteral("1")}});
    QVERIFY(create->isEnabled());
    table->item(1, 0)->setText(QStringLiteral("a"));
    QVERIFY(!create->isEnabled());
    QVERIFY(create->toolTip().contains(QStringLiteral("twice")));
    table->item(1, 0)->setText(QStringLiteral("b"));
    QVERIFY(create->isEnabled());
    table->item(2, 1)->setText(QStringLiteral("value"));
    QVERIFY(!create->isEnabled());
}

void TestDialogs::environmentLinesAreParsed()
{
    const auto pairs = KeyValueTable::parseLines(QStringLiteral(
        "# comment\n\nexport A=1\nB = \"two words\" \nC='x=y'\nno pair\n=nothing\nD=\n"));
    const QList<std::pair<QString, QString>> expected{
        {QStringLiteral("A"), QStringLiteral("1")},
        {QStringLiteral("B"), QStringLiteral("two words")},
        {QStringLiteral("C"), QStringLiteral("x=y")},
        {QStringLiteral("D"), QString()},
    };
    QCOMPARE(pairs, expected);

    KeyValueTable table(QStringLiteral("Variable"), true);
    table.show();
    QGuiApplication::clipboard()->setText(QStringLiteral("A=1\nB=2"));
    table.setCurrentCell(0, 0);
    QTest::keySequence(&table, QKeySequence::Paste);
    QCOMPARE(table.values().size(), 2);
    QCOMPARE(table.rowCount(), 3); // and one to write into
    table.selectRow(0);
    QTest::keyClick(&table, Qt::Key_Delete);
    QCOMPARE(table.values(), (QMap<QString, QString>{{QStringLiteral("B"), QStringLiteral("2")}}));
}

void TestDialogs::connectionAddressesAreUnderstood_data()
{
    QTest::addColumn<QString>("typed");
    QTest::addColumn<QString>("url");
    const auto row = [](const char *typed, const char *url) {
        QTest::newRow(typed) << QString::fromLatin1(typed) << QString::fromLatin1(url);
    };
    row("api.example.org", "https://api.example.org");
    row("https://host:8443/", "https://host:8443");
    row("localhost:3000", "http://localhost:3000");
    row("127.0.0.1:3000", "http://127.0.0.1:3000");
    row("http://10.0.0.5", "http://10.0.0.5");
    row("https://host/path", "");
    row("https://host?x=1", "");
    row("https://me:secret@host", "");
    row("ftp://host", "");
    row("not a host", "");
    row("", "");
}

void TestDialogs::connectionAddressesAreUnderstood()
{
    QFETCH(QString, typed);
    QTEST(ConnectionDialog::parseUrl(typed).toString(), "url");
}

void TestDialogs::connectionTestNamesTheStep_data()
{
    QTest::addColumn<int>("status"); // 0 = nobody listens
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("lastStep");
    QTest::newRow("fine") << 200 << QByteArray("[]") << QStringLiteral("Key: accepted");
    QTest::newRow("key") << 401 << QByteArray(R"({"code":401,"message":"bad key"})")
                         << QStringLiteral("Key: refused");
    QTest::newRow("not ours") << 200 << QByteArray("<html>hello</html>")
                              << QStringLiteral("Server: its answer is not");
    QTest::newRow("nobody") << 0 << QByteArray() << QStringLiteral("Address: 127.0.0.1 failed");
}

void TestDialogs::connectionTestNamesTheStep()
{
    QFETCH(int, status);
    QFETCH(QByteArray, body);
    QFETCH(QString, lastStep);
    FleetServer server;
    server.intercept = [&](const FleetServer::Request &) {
        return std::optional(FleetServer::Answer{status, body, {}});
    };
    if (status == 0)
        server.shut();
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    MemorySecrets secrets;
    ConnectionManager connections(settings, secrets, nullptr, {});
    ConnectionDialog dialog(connections, nullptr);
    dialog.setAttribute(Qt::WA_DeleteOnClose, false);
    dialog.open();
    part<QLineEdit>(&dialog, "nameEdit")->setText(QStringLiteral("Test"));
    part<QLineEdit>(&dialog, "domainEdit")->setText(QStringLiteral("localhost"));
    part<QLineEdit>(&dialog, "apiUrlEdit")->setText(server.url().toString());
    auto *test = part<QPushButton>(&dialog, "testButton");
    QVERIFY(!test->isEnabled());
    part<QLineEdit>(&dialog, "keyEdit")->setText(QStringLiteral("moru_key"));
    QVERIFY(test->isEnabled());
    test->click();
    auto *steps = part<QWidget>(&dialog, "testSteps");
    QTRY_VERIFY_WITH_TIMEOUT(steps->isVisible(), 30'000);
    QString last;
    const auto labels = steps->findChildren<QLabel *>();
    for (const QLabel *label : labels) {
        if (!label->text().isEmpty())
            last = label->text();
    }
    QVERIFY2(last.startsWith(lastStep), qPrintable(last));
}

void TestDialogs::connectionOffersMemoryWhenTheKeychainFails()
{
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    MemorySecrets secrets;
    secrets.locked = true;
    ConnectionManager connections(settings, secrets, nullptr, {});
    QPointer<ConnectionDialog> dialog = new ConnectionDialog(connections, nullptr);
    QSignalSpy saved(dialog, &ConnectionDialog::saved);
    dialog->open();
    part<QLineEdit>(dialog, "nameEdit")->setText(QStringLiteral("Acme"));
    part<QLineEdit>(dialog, "keyEdit")->setText(QStringLiteral("moru_key"));
    part<QCheckBox>(dialog, "productionBox")->setChecked(true);
    part<QPushButton>(dialog, "saveButton")->click();
    QTRY_VERIFY(part<QWidget>(dialog, "connectionBanner")->isVisible());
    QCOMPARE(saved.size(), 0);
    auto *offer = part<QPushButton>(dialog, "bannerAction");
    QVERIFY(offer->isVisible());
    offer->click();
    QTRY_COMPARE(saved.size(), 1);
    QTRY_VERIFY(!dialog);
    QVERIFY(secrets.entries.isEmpty());
    QCOMPARE(connections.connections().size(), 1);
    const ConnectionSpec &spec = connections.connections().first()->spec();
    QCOMPARE(spec.name, QStringLiteral("Acme"));
    QCOMPARE(spec.endpoint.apiUrl, QUrl(QStringLiteral("https://api.moru.io")));
    QVERIFY(spec.production);
}

void TestDialogs::dialogsHaveNamesAndUniqueLetters()
{
    UiBench bench(true);
    bench.addMany(KillDialog::typeFrom);
    QVERIFY(bench.fill());
    QTemporaryDir folder;
    Settings settings(folder.filePath(QStringLiteral("settings.ini")));
    MemorySecrets secrets;
    ConnectionManager connections(settings, secrets, nullptr, {});
    const QList<QDialog *> dialogs{
        new KillDialog(*bench.store, bench.ids(), {}),
        new KillDialog(*bench.store, {bench.ids().first()}, {}),
        new PauseDialog(bench.connection.spec(), {QStringLiteral("a"), QStringLiteral("b")}, {}),
        new NewSandboxDialog(*bench.store, settings),
        new ConnectionDialog(connections, nullptr),
    };
    for (QDialog *dialog : dialogs) {
        dialog->open();
        QVERIFY(QTest::qWaitForWindowExposed(dialog));
        QVERIFY(!dialog->windowTitle().isEmpty());
        QVERIFY(dialog->width() >= 440);
        QCOMPARE(unnamedWidgets(*dialog).join(u'\n'), QString());
        QCOMPARE(sharedMnemonics(*dialog).join(u'\n'), QString());
        QVERIFY(tabOrder(*dialog).contains(QStringLiteral("cancelButton")));
        dialog->setAttribute(Qt::WA_DeleteOnClose, false);
        dialog->hide();
    }
    qDeleteAll(dialogs);
}

QTEST_MAIN(TestDialogs)
#include "tst_dialogs.moc"
