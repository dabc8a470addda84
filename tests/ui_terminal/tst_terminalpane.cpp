// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/terminalpane.h"

#include "tests/files/fakesandbox.h"

#include <QLabel>
#include <QPointer>
#include <QTest>

#include <memory>

using namespace moru;
using test::FakeProcess;
using test::FakeSandbox;
using test::HttpExchange;

namespace {

/// A terminal on a sandbox whose shells the test plays.
struct Bench {
    FakeSandbox sandbox;
    QList<QPointer<FakeProcess>> shells; ///< started and attached ones, in order
    std::unique_ptr<TerminalPane> pane;

    Bench()
    {
        sandbox.onStart = [this](FakeProcess &process) {
            shells.append(&process);
            if (!process.isAttached())
                process.started(quint32(100 + shells.size()));
        };
        pane = std::make_unique<TerminalPane>(sandbox.envd(), QStringLiteral("box"));
        pane->resize(800, 400);
        pane->show();
        pane->start();
    }

    [[nodiscard]] QString banner() const
    {
        const auto *label = pane->findChild<QLabel *>(QStringLiteral("bannerText"));
        return label && label->isVisible() ? label->text() : QString();
    }
    [[nodiscard]] FakeProcess &shell() const { return *shells.last(); }
    void press(Qt::Key key) const { QTest::keyClick(pane->focusProxy(), key); }
};

} // namespace

class TerminalPaneTest : public QObject {
    Q_OBJECT
private slots:
    void aShellPrintsAndEnds();
    void aRefusedShellSaysWhy_data();
    void aRefusedShellSaysWhy();
    void aBrokenConnectionGetsTheShellBack();
    void aShellThatEndedMeanwhileIsToldSo();
    void aConnectionThatStaysBrokenIsToldOnce();
    void theReasonOfAnEndWinsOverReconnecting();
    void closedStreamsSayWhy();
    void lostTypingIsTold();
};

void TerminalPaneTest::aShellPrintsAndEnds()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.shell().pty("hello\r\n");
    QTRY_VERIFY(bench.pane->text().contains(u"hello"_qs));
    bench.shell().exit(3);
    QTRY_VERIFY(!bench.pane->isLive());
    QVERIFY(bench.pane->text().contains(u"Shell ended: exit status 3. Press Enter"_qs));
    bench.press(Qt::Key_Return);
    QTRY_COMPARE(bench.shells.size(), 2);
    QTRY_VERIFY(bench.pane->isLive());
    QVERIFY(bench.pane->text().contains(u"hello"_qs)); // what was printed stays
}

void TerminalPaneTest::aRefusedShellSaysWhy_data()
{
    QTest::addColumn<int>("status");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("words");
    const auto told = [](int code) {
        return QByteArray("{\"code\":" + QByteArray::number(code) + ",\"message\":\"told so\"}");
    };
    QTest::newRow("401") << 401 << told(401) << u"Access was refused."_qs;
    QTest::newRow("404") << 404 << told(404) << u"It does not exist any more. told so."_qs;
    QTest::newRow("409") << 409 << told(409) << u"Its present state does not allow this."_qs;
    QTest::newRow("429") << 429 << told(429) << u"A limit of the account is reached."_qs;
    QTest::newRow("500") << 500 << told(500) << u"The server failed (status 500)."_qs;
    QTest::newRow("502") << 502 << QByteArray("<html>bad gateway</html>")
                         << u"The server failed (status 502)."_qs;
    QTest::newRow("sandbox gone") << 502
                                  << QByteArray(
                                         R"({"code":502,"message":"The sandbox was not found"})")
                                  << u"The sandbox does not answer: it is paused or gone."_qs;
    QTest::newRow("empty") << 200 << QByteArray() << u"The answer could not be understood."_qs;
    QTest::newRow("web page") << 200 << QByteArray("<html></html>")
                              << u"The answer could not be understood."_qs;
}

void TerminalPaneTest::aRefusedShellSaysWhy()
{
    QFETCH(const int, status);
    QFETCH(const QByteArray, body);
    QFETCH(const QString, words);
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.shell().exit(0);
    QTRY_VERIFY(!bench.pane->isLive());
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "Start")
            return false;
        exchange.answer(status, body);
        return true;
    });
    bench.press(Qt::Key_Return);
    QTRY_VERIFY2(bench.pane->text().contains(words), qPrintable(bench.pane->text()));
    QVERIFY(bench.pane->text().contains(u"Press Enter to start a new shell."_qs));
    QVERIFY(!bench.pane->text().contains(u"http://"_qs));
    QVERIFY(!bench.pane->text().contains(u"<html>"_qs));
    QVERIFY(!bench.pane->isLive());
}

void TerminalPaneTest::aBrokenConnectionGetsTheShellBack()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.sandbox.processes.resize(1);
    bench.sandbox.processes[0].set_pid(101);
    bench.shell().cut();
    QTRY_VERIFY(!bench.pane->isLive());
    QVERIFY(bench.banner().contains(u"Trying to get the shell back."_qs));
    QTRY_COMPARE(bench.shells.size(), 2);
    QVERIFY(bench.shell().isAttached());
    QTRY_VERIFY(bench.pane->isLive());
    QVERIFY(bench.banner().isEmpty());
}

void TerminalPaneTest::aShellThatEndedMeanwhileIsToldSo()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.shell().cut();
    QTRY_VERIFY(bench.pane->text().contains(
        u"The connection broke and the shell has ended. Press Enter to start a new one."_qs));
    QVERIFY(bench.banner().isEmpty());
}

void TerminalPaneTest::aConnectionThatStaysBrokenIsToldOnce()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.sandbox.server().stop();
    const QString told = u"The connection to the shell broke and could not be restored."_qs;
    QTRY_VERIFY_WITH_TIMEOUT(bench.pane->text().contains(told), 30000);
    QCOMPARE(bench.pane->text().count(told), 1);
    QVERIFY(bench.banner().isEmpty());
    QVERIFY(!bench.pane->isLive());
}

void TerminalPaneTest::theReasonOfAnEndWinsOverReconnecting()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.shell().cut();
    QTRY_VERIFY(!bench.banner().isEmpty());
    bench.pane->closeBecause(u"Ended: this sandbox was killed."_qs);
    QVERIFY(bench.pane->text().contains(u"Ended: this sandbox was killed."_qs));
    QVERIFY(bench.banner().isEmpty());
    const int asked = bench.sandbox.count("List");

    // The same while it asks whether the shell is still there.
    bench.press(Qt::Key_Return);
    QTRY_VERIFY(bench.pane->isLive());
    bool held = false;
    bench.sandbox.intercept([&held](const QByteArray &what, HttpExchange &) {
        held = held || what == "List";
        return what == "List"; // never answered
    });
    bench.shell().cut();
    QTRY_VERIFY(held);
    bench.pane->closeBecause(u"Paused: again."_qs);
    QVERIFY(bench.pane->text().contains(u"Paused: again."_qs));
    QCOMPARE(bench.sandbox.count("List"), asked + 1);
    bench.pane->closeBecause(u"Never said."_qs); // it has been explained
    QVERIFY(!bench.pane->text().contains(u"Never said."_qs));
}

void TerminalPaneTest::closedStreamsSayWhy()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.sandbox.envd().hold();
    bench.sandbox.envd().closeStreams();
    bench.pane->closeBecause(u"Paused: its files are kept."_qs);
    QVERIFY(!bench.pane->isLive());
    QVERIFY(bench.pane->text().contains(u"Paused: its files are kept."_qs));
    // Enter while it is being paused wakes nothing and says so.
    const int started = bench.sandbox.count("Start");
    bench.press(Qt::Key_Return);
    QTRY_VERIFY2(bench.pane->text().contains(u"The sandbox is being paused."_qs),
                 qPrintable(bench.pane->text()));
    QCOMPARE(bench.sandbox.count("Start"), started);
}

void TerminalPaneTest::lostTypingIsTold()
{
    Bench bench;
    QTRY_VERIFY(bench.pane->isLive());
    bench.sandbox.intercept([](const QByteArray &what, HttpExchange &exchange) {
        if (what != "SendInput")
            return false;
        exchange.answer(500, R"({"code":"internal","message":"told so"})");
        return true;
    });
    bench.press(Qt::Key_X);
    QTRY_VERIFY2(bench.banner().contains(u"What was typed did not arrive."_qs),
                 qPrintable(bench.banner()));
    QVERIFY(bench.pane->isLive());
}

QTEST_MAIN(TerminalPaneTest)
#include "tst_terminalpane.moc"
