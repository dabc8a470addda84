// SPDX-License-Identifier: GPL-3.0-or-later
// The update check against a real server on loopback that says all kinds of things.
#include "app/update/updatecheck.h"

#include "tests/support/httpserver.h"
#include "tests/support/outcome.h"

#include <QSignalSpy>
#include <QTest>

using namespace moru;
using namespace moru::test;

namespace {

const QByteArray good =
    json("{'version': '0.2.0', 'url': 'https://example.org/download', 'more': [1]}");

} // namespace

class UpdateCheckTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<HttpServer> m_server;

    [[nodiscard]] QUrl url() const
    {
        QUrl url = m_server->url();
        url.setPath(QStringLiteral("/latest.json"));
        return url;
    }
    /// What one check comes to; fails the test if it does not end.
    std::optional<UpdateOffer> outcome(const QUrl &from, int limitMs = UpdateCheck::LimitMs)
    {
        UpdateCheck check(from, QStringLiteral("0.1.0"));
        check.setLimitMs(limitMs);
        std::optional<UpdateOffer> offer;
        connect(&check, &UpdateCheck::offered, this,
                [&offer](const UpdateOffer &found) { offer = found; });
        const QSignalSpy finished(&check, &UpdateCheck::finished);
        check.check();
        if (!QTest::qWaitFor([&finished] { return finished.count() == 1; }, 20'000))
            QTest::qFail("the check does not end", __FILE__, __LINE__);
        return offer;
    }

private slots:
    void init()
    {
        m_server = std::make_unique<HttpServer>();
        QVERIFY(m_server->listen());
    }

    void aNewerVersionIsOffered()
    {
        m_server->on("GET", "/latest.json", 200, good);
        const auto offer = outcome(url());
        QVERIFY(offer.has_value());
        QCOMPARE(offer->version, QStringLiteral("0.2.0"));
        QCOMPARE(offer->page, QUrl(QStringLiteral("https://example.org/download")));
    }

    void nothingAboutTheUserIsSent()
    {
        m_server->on("GET", "/latest.json", 200, good, {{"Set-Cookie", "who=you; Path=/"}});
        UpdateCheck check(url(), QStringLiteral("0.1.0"));
        const QSignalSpy finished(&check, &UpdateCheck::finished);
        check.check();
        QTRY_COMPARE(finished.count(), 1);
        check.check();
        QTRY_COMPARE(finished.count(), 2);
        QCOMPARE(m_server->requests().size(), 2);
        for (const HttpRequest &request : m_server->requests()) {
            QCOMPARE(request.query, QByteArray());
            QVERIFY(!request.headers.contains("cookie"));
            QCOMPARE(request.header("user-agent"), QByteArray("moru-desktop/" MORU_VERSION));
        }
    }

    void answers_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<bool>("offered");
        QTest::newRow("good") << good << true;
        QTest::newRow("longer version")
            << json("{'version':'0.1.0.1','url':'https://example.org/'}") << true;
        QTest::newRow("ten is more than nine")
            << json("{'version':'0.10','url':'https://example.org/'}") << true;
        QTest::newRow("the same") << json("{'version':'0.1.0','url':'https://example.org/'}")
                                  << false;
        QTest::newRow("the same, shorter")
            << json("{'version':'0.1','url':'https://example.org/'}") << false;
        QTest::newRow("older") << json("{'version':'0.0.9','url':'https://example.org/'}") << false;
        QTest::newRow("empty") << QByteArray() << false;
        QTest::newRow("not JSON") << QByteArray("<html>") << false;
        QTest::newRow("not an object") << QByteArray("[\"0.2.0\"]") << false;
        QTest::newRow("cut off") << good.left(40) << false;
        QTest::newRow("no version") << json("{'url':'https://example.org/'}") << false;
        QTest::newRow("version is a number")
            << json("{'version':2.0,'url':'https://example.org/'}") << false;
        QTest::newRow("version with words")
            << json("{'version':'9.0 <b>click</b>','url':'https://example.org/'}") << false;
        QTest::newRow("version with a line end")
            << QByteArray("{\"version\":\"9.0\\n\",\"url\":\"https://example.org/\"}") << false;
        QTest::newRow("huge number")
            << json("{'version':'99999999999999999999.0','url':'https://example.org/'}") << false;
        QTest::newRow("other digits")
            << QByteArray("{\"version\":\"\xd9\xa9.\xd9\xa9\",\"url\":\"https://example.org/\"}")
            << false;
        QTest::newRow("no page") << json("{'version':'0.2.0'}") << false;
        QTest::newRow("plain http")
            << json("{'version':'0.2.0','url':'http://example.org/'}") << false;
        QTest::newRow("a file") << json("{'version':'0.2.0','url':'file:///etc/passwd'}") << false;
        QTest::newRow("a program")
            << QByteArray("{\"version\":\"0.2.0\",\"url\":\"javascript:alert(1)\"}") << false;
        QTest::newRow("relative") << json("{'version':'0.2.0','url':'/download'}") << false;
        QTest::newRow("with a password")
            << json("{'version':'0.2.0','url':'https://a:b@example.org/'}") << false;
        QTest::newRow("no host") << json("{'version':'0.2.0','url':'https:///x'}") << false;
        QTest::newRow("a long page")
            << json("{'version':'0.2.0','url':'https://example.org/" + QByteArray(600, 'a') + "'}")
            << false;
        QTest::newRow("deep") << QByteArray(8000, '[') << false;
        QTest::newRow("too large") << json("{'version':'0.2.0','url':'https://example.org/','pad':'"
                                           + QByteArray(UpdateCheck::LargestAnswer, 'x') + "'}")
                                   << false;
    }

    void answers()
    {
        QFETCH(const QByteArray, body);
        QFETCH(const bool, offered);
        m_server->on("GET", "/latest.json", 200, body);
        QCOMPARE(outcome(url()).has_value(), offered);
        QCOMPARE(UpdateCheck::parse(body, QStringLiteral("0.1.0")).has_value(), offered);
    }

    void anUnknownOwnVersionTakesNoOffer()
    {
        QVERIFY(!UpdateCheck::parse(good, QStringLiteral("dev")));
    }

    void onlyTheStatus200Counts()
    {
        for (const int status : {204, 206, 404, 500}) {
            m_server->on("GET", "/latest.json", status, status == 204 ? QByteArray() : good);
            QVERIFY2(!outcome(url()), qPrintable(QString::number(status)));
        }
    }

    void anEndlessAnswerIsGivenUp()
    {
        m_server->on("GET", "/latest.json",
                     [](HttpExchange &exchange) { exchange.sendPattern(1LL << 40U); });
        QVERIFY(!outcome(url()));
        QTRY_COMPARE(m_server->openConnections(), 0);
    }

    void aSilentServerIsGivenUp()
    {
        m_server->on("GET", "/latest.json", [](HttpExchange &) {});
        QVERIFY(!outcome(url(), 200));
        QTRY_COMPARE(m_server->openConnections(), 0);
    }

    void aRedirectIsFollowedButNotForEver()
    {
        m_server->on("GET", "/moved", 302, {}, {{"Location", "/latest.json"}});
        m_server->on("GET", "/latest.json", 200, good);
        m_server->on("GET", "/round", 302, {}, {{"Location", "/round"}});
        QUrl moved = url();
        moved.setPath(QStringLiteral("/moved"));
        QVERIFY(outcome(moved).has_value());
        moved.setPath(QStringLiteral("/round"));
        QVERIFY(!outcome(moved));
        QVERIFY(m_server->count("GET", "/round") <= 5);
    }

    void nobodyThereIsNoNews()
    {
        const QUrl gone = url();
        m_server->stop();
        QVERIFY(!outcome(gone));
    }

    void aCheckCanBeCancelledAndIsNotDoubled()
    {
        m_server->on("GET", "/latest.json", [](HttpExchange &) {});
        UpdateCheck check(url(), QStringLiteral("0.1.0"));
        const QSignalSpy finished(&check, &UpdateCheck::finished);
        check.check();
        check.check();
        QTRY_COMPARE(m_server->requests().size(), 1);
        check.cancel();
        QVERIFY(!check.isRunning());
        QTRY_COMPARE(m_server->openConnections(), 0);
        QCOMPARE(m_server->requests().size(), 1);
        QCOMPARE(finished.count(), 0);
    }

    void onlySafeAddressesAreAsked()
    {
        const auto acceptable = [](const char *text) {
            return UpdateCheck::isAcceptable(QUrl(QLatin1String(text), QUrl::StrictMode));
        };
        QVERIFY(acceptable("https://example.org/latest.json"));
        QVERIFY(acceptable("http://127.0.0.1:1/latest.json"));
        QVERIFY(!acceptable("http://example.org/latest.json"));
        QVERIFY(!acceptable("https://a:b@example.org/"));
        QVERIFY(!acceptable("file:///etc/hosts"));
        QVERIFY(!acceptable(""));
        UpdateCheck check(QUrl(QStringLiteral("http://example.org/")), QStringLiteral("0.1.0"));
        check.check();
        QVERIFY(!check.isRunning());
    }
};

QTEST_GUILESS_MAIN(UpdateCheckTest)
#include "tst_updatecheck.moc"
