// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/processmodel.h"
#include "tests/files/fakesandbox.h"
#include "ui/commands/commandspane.h"
#include "ui/commands/outputview.h"
#include "ui/common/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTableView>
#include <QTest>
#include <QTextBlock>
#include <QTimer>

using namespace moru;
using test::FakeProcess;
using test::FakeSandbox;
using test::HttpExchange;

namespace {

process::ProcessInfo info(quint32 pid, const char *script, const char *tag = nullptr)
{
    process::ProcessInfo result;
    result.set_pid(pid);
    result.mutable_config()->set_cmd("/bin/bash");
    for (const char *arg : {"-l", "-c", script})
        result.mutable_config()->add_args(arg);
    if (tag)
        result.set_tag(tag);
    return result;
}

struct Bench {
    FakeSandbox sandbox;
    std::unique_ptr<CommandsPane> pane;
    QPointer<FakeProcess> process; ///< the newest

    Bench()
    {
        sandbox.onStart = [this](FakeProcess &started) { process = &started; };
    }

    void open()
    {
        pane = std::make_unique<CommandsPane>(sandbox.connection(), QLatin1String(FakeSandbox::id));
        pane->resize(900, 600);
        pane->show();
        QVERIFY(QTest::qWaitForWindowExposed(pane.get()));
        pane->start();
    }

    template <typename T> [[nodiscard]] T *find(const char *name) const
    {
        return pane->findChild<T *>(QLatin1String(name));
    }
    [[nodiscard]] QLineEdit *line() const { return find<QLineEdit>("commandEdit"); }
    [[nodiscard]] OutputView *output() const { return find<OutputView>("commandOutput"); }
    [[nodiscard]] QString result() const { return find<QLabel>("commandResultLabel")->text(); }
    [[nodiscard]] QPushButton *button(const char *name) const { return find<QPushButton>(name); }
    [[nodiscard]] QTableView *table() const { return find<QTableView>("processTable"); }

    void run(const QString &command)
    {
        process.clear();
        line()->setFocus();
        line()->setText(command);
        QTest::keyClick(line(), Qt::Key_Return);
        QTRY_VERIFY(process);
    }
};

} // namespace

class CommandsPaneTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void commandIsRunAndItsEndTold();
    void stderrIsToldApart();
    void signalsAndRefusalsAreTold();
    void everyRefusalIsASentence_data();
    void everyRefusalIsASentence();
    void optionsReachTheServer();
    void historyComesBack();
    void stopAsksThenKills();
    void backgroundCommandsRunSideBySide();
    void listShowsWhatRuns();
    void attachedOutputIsFollowed();
    void brokenConnectionIsNoEnd();
    void unreachableSendsNothing();
    void floodDoesNotFreezeTheWindow();
    void pollingStopsWhenHidden();
    void listFailureIsToldAndHealed();
};

void CommandsPaneTest::initTestCase()
{
    theme::install(*qApp);
}

void CommandsPaneTest::commandIsRunAndItsEndTold()
{
    Bench bench;
    bench.open();
    QVERIFY(!bench.button("runButton")->isEnabled()); // nothing to run
    bench.run(u"exit 3"_qs);
    QCOMPARE(bench.process->script(), u"exit 3"_qs);
    QCOMPARE(bench.process->request().process().cmd(), std::string("/bin/bash"));
    QVERIFY(!bench.process->request().stdin());
    bench.process->started(42);
    QTRY_VERIFY(bench.result().contains(u"running for"_qs));
    bench.process->out("h\xc3");
    bench.process->out("\xa4llo\n");
    bench.process->exit(3);
    QTRY_VERIFY(bench.result().startsWith(u"exit status 3 after "_qs));
    QTRY_COMPARE(bench.output()->toPlainText(), u"hällo\n"_qs);
    QVERIFY(bench.line()->text().isEmpty());
    QVERIFY(bench.line()->hasFocus()); // ready for the next
}

void CommandsPaneTest::stderrIsToldApart()
{
    Bench bench;
    bench.open();
    bench.run(u"x"_qs);
    bench.process->started(42);
    bench.process->out("fine\n");
    bench.process->err("\x1b[31mbad\x1b[0m\n");
    bench.process->exit(0);
    QTRY_COMPARE(bench.output()->toPlainText(), u"fine\nbad\n"_qs);
    const auto colourOf = [&](int line) {
        return bench.output()
            ->document()
            ->findBlockByNumber(line)
            .begin()
            .fragment()
            .charFormat()
            .foreground()
            .color();
    };
    QVERIFY(colourOf(0) != colourOf(1));
    QCOMPARE(colourOf(1), theme::color(theme::Token::Warning));
    // Not by colour alone: the mark beside the line is painted in another place than the text.
    const QImage image = bench.output()->grab().toImage();
    const auto inked = [&](int line) {
        const QTextBlock block = bench.output()->document()->findBlockByNumber(line);
        const int y = bench.output()->cursorRect(QTextCursor(block)).center().y()
                      + bench.output()->viewport()->y();
        const QRgb paper = image.pixel(1, image.height() - 2);
        for (int x = 0; x < bench.output()->viewport()->x(); ++x) {
            for (int dy = -5; dy <= 5; ++dy) {
                if (image.pixel(x, y + dy) != paper)
                    return true;
            }
        }
        return false;
    };
    QVERIFY(!inked(0));
    QVERIFY(inked(1));
}

void CommandsPaneTest::signalsAndRefusalsAreTold()
{
    Bench bench;
    bench.open();
    bench.run(u"sleep 100"_qs);
    bench.process->started(42);
    bench.process->killed("killed");
    QTRY_VERIFY(bench.result().startsWith(u"signal: killed after"_qs));
    bench.sandbox.failNext("Start", 400,
                           R"({"code":"invalid_argument","message":"cwd '/x' does not exist"})");
    bench.line()->setText(u"pwd"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Return);
    QTRY_COMPARE(bench.result(), u"not started"_qs);
    QVERIFY(bench.find<QWidget>("commandsBanner")->isVisible());
    QCOMPARE(bench.button("runButton")->text(), u"Run"_qs);
}

void CommandsPaneTest::everyRefusalIsASentence_data()
{
    QTest::addColumn<int>("status");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("words");
    const auto row = [](int status, const QString &words) {
        QTest::addRow("%d", status)
            << status << QByteArray(R"({"code":0,"message":"told so"})") << words;
    };
    row(401, u"Access was refused. Check the API key of this connection."_qs);
    row(404, u"It does not exist any more. told so."_qs);
    row(409, u"Its present state does not allow this. told so."_qs);
    row(429, u"A limit of the account is reached."_qs);
    row(500, u"The server failed (status 500). Try again in a while. told so."_qs);
    row(502, u"The server failed (status 502). Try again in a while. told so."_qs);
    QTest::newRow("no such user")
        << 401 << QByteArray(R"({"code":"unauthenticated","message":"invalid username: 'x'"})")
        << u"The server refused the request. invalid username: 'x'."_qs;
    QTest::newRow("web page") << 502 << QByteArray("<html>bad gateway</html>")
                              << u"The server failed (status 502). Try again in a while."_qs;
    QTest::newRow("empty") << 200 << QByteArray() << u"The answer could not be understood."_qs;
    QTest::newRow("truncated") << 200 << QByteArray("{\"a")
                               << u"The answer could not be understood."_qs;
    QTest::newRow("closed") << 0 << QByteArray()
                            << u"The server closed the connection without an answer."_qs;
}

void CommandsPaneTest::everyRefusalIsASentence()
{
    QFETCH(const int, status);
    QFETCH(const QByteArray, body);
    QFETCH(const QString, words);
    Bench bench;
    bench.open();
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "Start")
            return false;
        if (status == 0)
            exchange.reset();
        else
            exchange.answer(status, body);
        return true;
    });
    bench.line()->setText(u"pwd"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Return);
    QTRY_COMPARE(bench.result(), u"not started"_qs);
    QVERIFY(bench.find<QWidget>("commandsBanner")->isVisible());
    const QString told = bench.find<QLabel>("bannerText")->text();
    QVERIFY2(told.startsWith(u"“pwd” was not started. "_qs) && told.contains(words),
             qPrintable(told));
    QVERIFY2(!told.contains(u"http://"_qs) && !told.contains(u'<'), qPrintable(told));
    QCOMPARE(bench.sandbox.count("Start"), 1);
}

void CommandsPaneTest::optionsReachTheServer()
{
    Bench bench;
    bench.open();
    QVERIFY(!bench.find<QLineEdit>("cwdEdit")->isVisible()); // tucked away
    bench.find<QAbstractButton>("commandOptionsButton")->click();
    QVERIFY(bench.find<QLineEdit>("cwdEdit")->isVisible());
    bench.find<QLineEdit>("cwdEdit")->setText(u"/srv"_qs);
    bench.find<QComboBox>("userBox")->setCurrentText(u"root"_qs);
    bench.run(u"id"_qs);
    QCOMPARE(bench.process->request().process().cwd(), std::string("/srv"));
    QCOMPARE(bench.sandbox.server().last("/process.Process/Start").header("authorization"),
             "Basic " + QByteArray("root:").toBase64());
    QVERIFY(bench.sandbox.server()
                .last("/process.Process/Start")
                .header("connect-timeout-ms")
                .isEmpty());
}

void CommandsPaneTest::historyComesBack()
{
    Bench bench;
    bench.open();
    for (const char *command : {"one", "two"}) {
        bench.run(QString::fromLatin1(command));
        bench.process->started(1);
        bench.process->exit(0);
        QTRY_COMPARE(bench.button("runButton")->text(), u"Run"_qs);
    }
    QTest::keyClicks(bench.line(), u"draft"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Up);
    QCOMPARE(bench.line()->text(), u"two"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Up);
    QTest::keyClick(bench.line(), Qt::Key_Up); // nothing older
    QCOMPARE(bench.line()->text(), u"one"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Down);
    QTest::keyClick(bench.line(), Qt::Key_Down);
    QCOMPARE(bench.line()->text(), u"draft"_qs);
}

void CommandsPaneTest::stopAsksThenKills()
{
    Bench bench;
    bench.open();
    QList<std::pair<quint32, int>> signals_;
    bench.sandbox.onSignal = [&](quint32 pid, int signal) { signals_.append({pid, signal}); };
    bench.run(u"sleep 100"_qs);
    bench.sandbox.processes = {info(42, "sleep 100")};
    bench.process->started(42);
    QTRY_COMPARE(bench.button("runButton")->text(), u"Stop"_qs);
    QTRY_VERIFY(bench.button("runButton")->isEnabled());
    bench.button("runButton")->click();
    QTRY_COMPARE(signals_.size(), 1);
    QCOMPARE(signals_.at(0), (std::pair<quint32, int>(42, 15)));
    QCOMPARE(bench.button("runButton")->text(), u"Kill"_qs);
    bench.button("runButton")->click();
    QTRY_COMPARE(signals_.size(), 2);
    QCOMPARE(signals_.at(1).second, 9);
    bench.process->killed("killed");
    QTRY_COMPARE(bench.button("runButton")->text(), u"Run"_qs);
}

void CommandsPaneTest::backgroundCommandsRunSideBySide()
{
    Bench bench;
    bench.open();
    bench.find<QCheckBox>("backgroundBox")->setChecked(true);
    bench.run(u"first"_qs);
    const QPointer<FakeProcess> first = bench.process;
    first->started(1);
    bench.run(u"second"_qs);
    bench.process->started(2);
    first->out("from the first\n");
    bench.process->out("from the second\n");
    QTRY_COMPARE(bench.output()->toPlainText(), u"from the second\n"_qs);
    auto *runs = bench.find<QComboBox>("runBox");
    QCOMPARE(runs->count(), 2);
    runs->setCurrentIndex(1);
    emit runs->activated(1);
    QTRY_COMPARE(bench.output()->toPlainText(), u"from the first\n"_qs);
    QCOMPARE(bench.button("runButton")->text(), u"Run"_qs);
}

void CommandsPaneTest::listShowsWhatRuns()
{
    Bench bench;
    bench.sandbox.processes = {info(9, "python3 server.py\n", "web"), info(5, "sleep 1")};
    bench.open();
    QTRY_COMPARE(bench.table()->model()->rowCount(), 2);
    const auto cell = [&](int row, int column) {
        return bench.table()->model()->index(row, column).data().toString();
    };
    QCOMPARE(cell(0, ProcessModel::PidColumn), u"5"_qs);
    QCOMPARE(cell(1, ProcessModel::CommandColumn), u"python3 server.py\\n"_qs);
    QCOMPARE(cell(1, ProcessModel::TagColumn), u"web"_qs);
    QCOMPARE(cell(1, ProcessModel::OriginColumn), u"elsewhere"_qs);

    QVERIFY(!bench.button("terminateButton")->isEnabled());
    QList<std::pair<quint32, int>> sent;
    bench.sandbox.onSignal = [&](quint32 pid, int signal) {
        sent.append({pid, signal});
        bench.sandbox.processes = {info(5, "sleep 1")};
    };
    bench.table()->selectRow(1);
    bench.button("terminateButton")->click();
    QTRY_COMPARE(sent.size(), 1);
    QCOMPARE(sent.at(0), (std::pair<quint32, int>(9, 15)));
    QTRY_COMPARE(bench.table()->model()->rowCount(), 1);
    bench.table()->selectRow(0);
    bench.button("killProcessButton")->click();
    QTRY_COMPARE(sent.size(), 2);
    QCOMPARE(sent.at(1), (std::pair<quint32, int>(5, 9)));

    bench.run(u"mine"_qs);
    bench.sandbox.processes.append(info(77, "mine"));
    bench.process->started(77);
    QTRY_COMPARE(bench.table()->model()->rowCount(), 2);
    QCOMPARE(cell(1, ProcessModel::OriginColumn), u"here"_qs);
}

void CommandsPaneTest::attachedOutputIsFollowed()
{
    Bench bench;
    bench.sandbox.processes = {info(9, "python3 server.py")};
    bench.open();
    QTRY_COMPARE(bench.table()->model()->rowCount(), 1);
    bench.table()->selectRow(0);
    bench.button("attachButton")->click();
    QTRY_VERIFY(bench.process);
    QVERIFY(bench.process->isAttached());
    bench.process->out("request\n");
    QTRY_COMPARE(bench.output()->toPlainText(), u"request\n"_qs);
    QVERIFY(bench.find<QLabel>("outputNoteLabel")->isVisible());
    QVERIFY(bench.find<QComboBox>("runBox")->currentText().contains(u"python3 server.py"_qs));
    const QPointer<FakeProcess> followed = bench.process;
    bench.button("attachButton")->click(); // once is enough
    QTest::qWait(50);
    QCOMPARE(bench.sandbox.count("Connect"), 1);
    followed->exit(0);
    QTRY_VERIFY(bench.result().startsWith(u"exit status 0"_qs));
}

void CommandsPaneTest::brokenConnectionIsNoEnd()
{
    Bench bench;
    bench.open();
    bench.run(u"sleep 100"_qs);
    bench.process->started(42);
    bench.process->out("so far\n");
    QTRY_COMPARE(bench.output()->toPlainText(), u"so far\n"_qs);
    bench.process->cut();
    QTRY_VERIFY(bench.result().contains(u"may still run"_qs));
    QCOMPARE(bench.output()->toPlainText(), u"so far\n"_qs);
}

void CommandsPaneTest::unreachableSendsNothing()
{
    Bench bench;
    bench.sandbox.processes = {info(9, "x")};
    bench.open();
    QTRY_COMPARE(bench.table()->model()->rowCount(), 1);
    bench.table()->selectRow(0);
    bench.pane->setReachable(false, u"Paused."_qs);
    QVERIFY(!bench.button("killProcessButton")->isEnabled());
    QVERIFY(!bench.button("runButton")->isEnabled());
    QTest::qWait(100);
    const qsizetype requests = bench.sandbox.server().requests().size();
    bench.line()->setText(u"id"_qs);
    QTest::keyClick(bench.line(), Qt::Key_Return);
    QTest::qWait(300);
    QCOMPARE(bench.sandbox.server().requests().size(), requests);
    QCOMPARE(bench.line()->text(), u"id"_qs); // what was typed stays
    bench.pane->setReachable(true, {});
    QTRY_VERIFY(bench.sandbox.server().requests().size() > requests);
}

void CommandsPaneTest::floodDoesNotFreezeTheWindow()
{
    Bench bench;
    bench.open();
    bench.run(u"yes"_qs);
    bench.process->started(42);
    constexpr qint64 kBytes = 32 << 20;
    const QByteArray chunk = QByteArray("y\n").repeated(16 << 10);
    qint64 sent = 0;
    // The server writes as fast as it is read, like a program into a pipe.
    QTimer pump;
    connect(&pump, &QTimer::timeout, this, [&] {
        while (sent < kBytes && bench.process && bench.process->pending() < (1 << 20)) {
            bench.process->out(chunk);
            sent += chunk.size();
        }
        if (sent >= kBytes && pump.isActive()) {
            pump.stop();
            bench.process->out("the end\n");
            bench.process->exit(0);
        }
    });
    pump.start(0);
    qint64 longest = 0;
    QElapsedTimer beat;
    beat.start();
    QTimer heart;
    connect(&heart, &QTimer::timeout, this, [&] { longest = qMax(longest, beat.restart()); });
    heart.start(10);
    QTRY_VERIFY_WITH_TIMEOUT(bench.result().startsWith(u"exit status 0"_qs), 90000);
    QTRY_VERIFY_WITH_TIMEOUT(bench.output()->isComplete(), 60000);
    heart.stop();
    const QString text = bench.output()->toPlainText();
    QVERIFY(text.endsWith(u"y\nthe end\n"_qs));
    QVERIFY(bench.output()->blockCount() <= CommandOutput::kMaxLines);
    QVERIFY(bench.output()->blockCount() > CommandOutput::kMaxLines / 2);
    QVERIFY(bench.find<QLabel>("outputNoteLabel")->isVisible()); // says that it is not all
    qInfo("longest pause of the event loop: %lld ms", longest);
    QVERIFY2(longest < 2000, qPrintable(QString::number(longest)));
}

void CommandsPaneTest::pollingStopsWhenHidden()
{
    Bench bench;
    bench.open();
    QTRY_VERIFY(bench.sandbox.count("List") > 0);
    bench.pane->hide();
    QTest::qWait(50);
    const int lists = bench.sandbox.count("List");
    QTest::qWait(3500); // longer than the pause between two polls
    QCOMPARE(bench.sandbox.count("List"), lists);
    bench.pane->show();
    QTRY_VERIFY(bench.sandbox.count("List") > lists);
}

void CommandsPaneTest::listFailureIsToldAndHealed()
{
    Bench bench;
    bench.sandbox.processes = {info(9, "x")};
    bench.sandbox.failNext("List", 400, R"({"code":"invalid_argument","message":"no"})");
    bench.open();
    QTRY_VERIFY(bench.button("processRetryButton")->isVisible());
    bench.button("processRetryButton")->click();
    QTRY_COMPARE(bench.table()->model()->rowCount(), 1);
    QVERIFY(!bench.button("processRetryButton")->isVisible());
}

QTEST_MAIN(CommandsPaneTest)
#include "tst_commandspane.moc"
