// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/transport.h"

#include "tests/support/httpserver.h"
#include "tests/support/outcome.h"

#include <QDateTime>
#include <QElapsedTimer>
#include <QLocale>
#include <QNetworkReply>
#include <QSignalSpy>
#include <QSslCertificate>
#include <QSslKey>
#include <QTest>
#include <QTimer>

#include <memory>

using namespace moru;
using namespace moru::test;
using Kind = Error::Kind;
using Reply = Transport::Reply;
using Retry = Transport::Retry;

Q_DECLARE_METATYPE(moru::Error::Kind)

namespace {

// Made for these tests; protects nothing.
const QByteArray testKey = "-----BEGIN PRIVATE KEY-----\n"
                           "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdwjOkb1BSQz9KptC\n"
                           "329raFG/SSeiowqHLf8kf/ndDPKhRANCAATiM3RuStUB1eUpw2JzdyWhO6mmCS3b\n"
                           "F+TJcuQor7Q/3yicEr789DmrV7FFiS/kRtaeucPJ/J/OGDWrYP5oFK+L\n"
                           "-----END PRIVATE KEY-----\n";
const QByteArray testCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnDCCAUGgAwIBAgIUQcPhb/PH1ZPMPF4/fW0pDKqsMicwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzIzMzU0N1oYDzIxMjYxMDMw\n"
    "MjMzNTQ3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAATiM3RuStUB1eUpw2JzdyWhO6mmCS3bF+TJcuQor7Q/3yicEr789Dmr\n"
    "V7FFiS/kRtaeucPJ/J/OGDWrYP5oFK+Lo28wbTAdBgNVHQ4EFgQUPzE7CH75W4tc\n"
    "JjRwrWWvNdWPnTUwHwYDVR0jBBgwFoAUPzE7CH75W4tcJjRwrWWvNdWPnTUwDwYD\n"
    "VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI\n"
    "zj0EAwIDSQAwRgIhAMOkodrusC/DUe8m+2yYvovo43/JimCEDEJw3HToK+6oAiEA\n"
    "yVM+HtEZAPHJTyTmuAXjlbH3ToaQxFGFskGLOsjPll4=\n"
    "-----END CERTIFICATE-----\n";

QByteArray httpDate(const QDateTime &when)
{
    return QLocale::c()
               .toString(when.toUTC(), QStringLiteral("ddd, dd MMM yyyy HH:mm:ss"))
               .toLatin1()
           + " GMT";
}

} // namespace

class TransportTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<HttpServer> m_server;
    std::unique_ptr<Transport> m_transport;
    std::unique_ptr<QObject> m_context;

    Outcome<Reply> ask(const QByteArray &path, Retry retry = Retry::Never)
    {
        Outcome<Reply> outcome;
        m_transport->control("GET", path, {}, retry, m_context.get(), outcome.done());
        return outcome;
    }

private slots:
    void init()
    {
        m_server = std::make_unique<HttpServer>();
        QVERIFY(m_server->listen());
        Endpoint endpoint;
        endpoint.apiUrl = m_server->url();
        m_transport = std::make_unique<Transport>(endpoint);
        Transport::Limits limits;
        limits.retryBaseMs = 10;
        m_transport->setLimits(limits);
        m_transport->setApiKey(QStringLiteral("moru_0123"));
        m_context = std::make_unique<QObject>();
    }

    void cleanup()
    {
        m_context.reset();
        m_transport.reset();
        m_server.reset();
    }

    // --- The contract of a call ---

    void doneRunsOnceAndAfterTheCallReturned()
    {
        m_server->on("GET", "/x", 200, "{}");
        Outcome<Reply> outcome = ask("/x");
        QVERIFY(!outcome.arrived());
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(outcome.ok());
        QCOMPARE(outcome.value().status, 200);
        QCOMPARE(outcome.value().body, QByteArray("{}"));
        QCOMPARE(outcome.value().contentType, QByteArray("application/json"));
        m_server->stop();
        QCoreApplication::processEvents();
        QCOMPARE(outcome.count(), 1);
    }

    void evenAnImpossibleRequestAnswersLater()
    {
        Outcome<Reply> outcome = ask("no-slash");
        QVERIFY(!outcome.arrived());
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Invalid);
        QCOMPARE(m_server->requests().size(), 0);
    }

    void anAbortedCallNeverDelivers_data()
    {
        QTest::addColumn<bool>("afterItWasSent");
        QTest::newRow("at once") << false;
        QTest::newRow("while the server thinks") << true;
    }

    void anAbortedCallNeverDelivers()
    {
        QFETCH(const bool, afterItWasSent);
        QPointer<HttpExchange> exchange;
        bool left = false;
        m_server->on("GET", "/slow", [&](HttpExchange &e) {
            exchange = &e;
            connect(&e, &HttpExchange::peerLeft, this, [&left] { left = true; });
        });
        Outcome<Reply> outcome;
        Call call =
            m_transport->control("GET", "/slow", {}, Retry::Reads, m_context.get(), outcome.done());
        if (afterItWasSent)
            QTRY_VERIFY(exchange);
        call.abort();
        call.abort(); // harmless
        QCOMPARE(outcome.count(), 0);
        // A later call gives the first one every chance to misbehave.
        m_server->on("GET", "/x", 200, "{}");
        Outcome<Reply> later = ask("/x");
        QTRY_VERIFY(later.ok());
        if (afterItWasSent)
            QTRY_VERIFY(left); // the transfer ended, too
        else
            QCOMPARE(m_server->count("GET", "/slow"), 0);
        QCOMPARE(outcome.count(), 0);
    }

    void aDeadContextNeverHearsAndEndsTheTransfer()
    {
        bool arrived = false;
        bool left = false;
        m_server->on("GET", "/slow", [&](HttpExchange &e) {
            arrived = true;
            connect(&e, &HttpExchange::peerLeft, this, [&left] { left = true; });
        });
        Outcome<Reply> outcome = ask("/slow");
        QTRY_VERIFY(arrived);
        m_context = std::make_unique<QObject>();
        QTRY_VERIFY(left);
        QCOMPARE(outcome.count(), 0);
    }

    void aCallMayAbortItselfWithinDone()
    {
        m_server->on("GET", "/x", 200, "{}");
        Call call;
        int count = 0;
        call = m_transport->control("GET", "/x", {}, Retry::Never, m_context.get(),
                                    [&](const Result<Reply> &) {
                                        count += 1;
                                        call.abort();
                                        m_context.reset();
                                    });
        QTRY_COMPARE(count, 1);
    }

    void droppingTheCallDoesNotStopIt()
    {
        m_server->on("GET", "/x", 200, "{}");
        Outcome<Reply> outcome;
        {
            const Call call = m_transport->control("GET", "/x", {}, Retry::Never, m_context.get(),
                                                   outcome.done());
        }
        QTRY_VERIFY(outcome.ok());
    }

    void theReplyIsFreed()
    {
        m_server->on("GET", "/x", 200, "{}");
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QTRY_COMPARE(m_transport->findChildren<QNetworkReply *>().size(), 0);
    }

    void theEndOfTheTransportIsTold()
    {
        bool arrived = false;
        m_server->on("GET", "/slow", [&](HttpExchange &) { arrived = true; });
        Outcome<Reply> outcome = ask("/slow");
        QTRY_VERIFY(arrived);
        m_transport.reset();
        QCOMPARE(outcome.count(), 0); // not from within the destructor
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Canceled);
    }

    // --- What goes out ---

    void requestsCarryKeyAndAgentAndNothingOfABrowser()
    {
        m_server->on("POST", "/x", 201, "{}");
        Outcome<Reply> outcome;
        m_transport->control("POST", "/x?a=b", json("{'a':1}"), Retry::Never, m_context.get(),
                             outcome.done());
        QTRY_VERIFY(outcome.ok());
        const HttpRequest request = m_server->last("/x");
        QCOMPARE(request.header("x-api-key"), QByteArray("moru_0123"));
        QCOMPARE(request.header("user-agent"), QByteArray("moru-desktop/" MORU_VERSION));
        QCOMPARE(request.header("content-type"), QByteArray("application/json"));
        QCOMPARE(request.query, QByteArray("a=b"));
        QCOMPARE(request.body, json("{'a':1}"));
        QVERIFY(!request.headers.contains("cookie"));
    }

    void aKeyCannotSmuggleHeaders()
    {
        m_server->on("GET", "/x", 200, "{}");
        m_transport->setApiKey(QStringLiteral(" moru_1\r\nX-Evil: 1 "));
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.ok());
        QVERIFY(!m_server->last("/x").headers.contains("x-evil"));
        QCOMPARE(m_server->last("/x").header("x-api-key"), QByteArray("moru_1X-Evil:1"));
    }

    void theKeyGoesToTheApiHostOnly_data()
    {
        QTest::addColumn<QByteArray>("path");
        QTest::newRow("user info") << QByteArray("@evil.example/x");
        QTest::newRow("port") << QByteArray("0/x");
        QTest::newRow("no path") << QByteArray("");
        QTest::newRow("network path") << QByteArray("//evil.example/x");
    }

    void theKeyGoesToTheApiHostOnly()
    {
        QFETCH(const QByteArray, path);
        Outcome<Reply> outcome = ask(path);
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Invalid);
        QCOMPARE(m_server->requests().size(), 0);
    }

    void aRedirectIsNotFollowed()
    {
        HttpServer other;
        QVERIFY(other.listen());
        other.on("GET", "/x", 200, "{}");
        m_server->on("GET", "/x", 302, {}, {{"Location", other.url().toEncoded() + "/x"}});
        Outcome<Reply> outcome = ask("/x", Retry::Reads);
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Protocol);
        QVERIFY(outcome.error().message.contains(QLatin1String("redirect")));
        QCOMPARE(other.requests().size(), 0);
    }

    void cookiesAreNotKept()
    {
        m_server->on("GET", "/x", 200, "{}", {{"Set-Cookie", "a=b; Path=/"}});
        Outcome<Reply> first = ask("/x");
        QTRY_VERIFY(first.ok());
        Outcome<Reply> second = ask("/x");
        QTRY_VERIFY(second.ok());
        QVERIFY(!m_server->last("/x").headers.contains("cookie"));
    }

    void aPendingKeyIsAskedForOnceAndWaitedFor()
    {
        m_server->on("GET", "/x", 200, "{}");
        m_transport->setApiKeyPending();
        QSignalSpy asked(m_transport.get(), &Transport::apiKeyNeeded);
        Outcome<Reply> first = ask("/x");
        Outcome<Reply> second = ask("/x");
        QTRY_COMPARE(asked.count(), 1);
        QCOMPARE(m_server->requests().size(), 0);
        m_transport->setApiKey(QStringLiteral("moru_late"));
        QTRY_VERIFY(first.ok() && second.ok());
        QCOMPARE(m_server->last("/x").header("x-api-key"), QByteArray("moru_late"));
        QCOMPARE(asked.count(), 1);
    }

    void anUnavailableConnectionSaysWhy()
    {
        m_transport->setApiKeyPending();
        QSignalSpy reachability(m_transport.get(), &Transport::reachabilityChanged);
        Outcome<Reply> waiting = ask("/x");
        QSignalSpy asked(m_transport.get(), &Transport::apiKeyNeeded);
        QVERIFY(asked.wait());
        m_transport->setUnavailable({Kind::Local, 0, QStringLiteral("locked"), {}, -1});
        QTRY_VERIFY(waiting.arrived());
        QCOMPARE(waiting.error().message, QStringLiteral("locked"));
        Outcome<Reply> next = ask("/x");
        QTRY_VERIFY(next.arrived());
        QCOMPARE(next.error().kind, Kind::Local);
        QCOMPARE(reachability.value(0).value(0).toBool(), false);
        m_transport->setApiKey(QStringLiteral("k"));
        QCOMPARE(reachability.value(1).value(0).toBool(), true);
    }

    // --- What comes back ---

    void answersBecomeErrors_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<QByteArray>("type");
        QTest::addColumn<Error::Kind>("kind");
        QTest::addColumn<QString>("message");
        const QByteArray jsonType = "application/json";
        const QByteArray html = "text/html; charset=utf-8";
        const auto error = [](int code, const char *message) {
            return QByteArray("{\"code\":" + QByteArray::number(code) + ",\"message\":\"" + message
                              + "\"}");
        };
        const auto connectError = [](const char *code) {
            return QByteArray(json("{'code':'") + QByteArray(code) + json("','message':'why'}"));
        };
        const QString why = QStringLiteral("why");
        QTest::newRow("400") << 400 << error(400, "why") << jsonType << Kind::Invalid << why;
        QTest::newRow("401") << 401 << error(401, "why") << jsonType << Kind::Unauthorized << why;
        QTest::newRow("403") << 403 << error(403, "why") << jsonType << Kind::Unauthorized << why;
        QTest::newRow("404") << 404 << error(404, "why") << jsonType << Kind::NotFound << why;
        QTest::newRow("409") << 409 << error(409, "why") << jsonType << Kind::Conflict << why;
        QTest::newRow("429") << 429 << error(429, "why") << jsonType << Kind::RateLimited << why;
        QTest::newRow("500") << 500 << error(500, "why") << jsonType << Kind::Server << why;
        QTest::newRow("502") << 502 << error(502, "why") << jsonType << Kind::Server << why;
        QTest::newRow("504") << 504 << error(504, "why") << jsonType << Kind::Timeout << why;
        QTest::newRow("507") << 507 << error(507, "why") << jsonType << Kind::NoSpace << why;
        QTest::newRow("sandbox gone")
            << 502
            << QByteArray(
                   json("{'sandboxId':'i1','message':'The sandbox was not found','code':502}"))
            << jsonType << Kind::NotFound << QStringLiteral("The sandbox was not found");
        QTest::newRow("port closed")
            << 502
            << QByteArray(json("{'sandboxId':'i1','message':'The sandbox is running but port is "
                               "not open','code':502}"))
            << jsonType << Kind::Server
            << QStringLiteral("The sandbox is running but port is not open");
        QTest::newRow("html 500") << 500 << QByteArray("<html>oops</html>") << html << Kind::Server
                                  << QStringLiteral("HTTP 500");
        QTest::newRow("html 404 is not 'gone'")
            << 404 << QByteArray("<html>nginx</html>") << html << Kind::Protocol << QString();
        QTest::newRow("empty 404 is not 'gone'")
            << 404 << QByteArray() << jsonType << Kind::Protocol << QString();
        QTest::newRow("html 409 is not 'already'")
            << 409 << QByteArray("<html>nginx</html>") << html << Kind::Protocol << QString();
        QTest::newRow("empty 500")
            << 500 << QByteArray() << jsonType << Kind::Server << QStringLiteral("HTTP 500");
        QTest::newRow("truncated 500")
            << 500 << json("{'code':50") << jsonType << Kind::Server << QString();
        QTest::newRow("text 400") << 400 << QByteArray("bad host") << QByteArray("text/plain")
                                  << Kind::Invalid << QStringLiteral("bad host");
        QTest::newRow("canceled") << 499 << connectError("canceled") << jsonType << Kind::Server
                                  << why;
        QTest::newRow("unknown") << 500 << connectError("unknown") << jsonType << Kind::Server
                                 << why;
        QTest::newRow("invalid_argument")
            << 400 << connectError("invalid_argument") << jsonType << Kind::Invalid << why;
        QTest::newRow("deadline_exceeded")
            << 504 << connectError("deadline_exceeded") << jsonType << Kind::Timeout << why;
        QTest::newRow("not_found")
            << 404 << connectError("not_found") << jsonType << Kind::NotFound << why;
        QTest::newRow("already_exists")
            << 409 << connectError("already_exists") << jsonType << Kind::Conflict << why;
        QTest::newRow("permission_denied")
            << 403 << connectError("permission_denied") << jsonType << Kind::Invalid << why;
        QTest::newRow("resource_exhausted")
            << 429 << connectError("resource_exhausted") << jsonType << Kind::RateLimited << why;
        QTest::newRow("failed_precondition")
            << 400 << connectError("failed_precondition") << jsonType << Kind::Conflict << why;
        QTest::newRow("aborted") << 409 << connectError("aborted") << jsonType << Kind::Conflict
                                 << why;
        QTest::newRow("out_of_range")
            << 400 << connectError("out_of_range") << jsonType << Kind::Invalid << why;
        QTest::newRow("unimplemented")
            << 501 << connectError("unimplemented") << jsonType << Kind::Server << why;
        QTest::newRow("internal") << 500 << connectError("internal") << jsonType << Kind::Server
                                  << why;
        QTest::newRow("unavailable")
            << 503 << connectError("unavailable") << jsonType << Kind::Server << why;
        QTest::newRow("data_loss")
            << 500 << connectError("data_loss") << jsonType << Kind::Server << why;
        QTest::newRow("unauthenticated")
            << 401 << connectError("unauthenticated") << jsonType << Kind::Invalid << why;
    }

    void answersBecomeErrors()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, body);
        QFETCH(const QByteArray, type);
        QFETCH(const Error::Kind, kind);
        QFETCH(const QString, message);
        m_server->on("GET", "/x", [=](HttpExchange &e) { e.answer(status, body, type); });
        Outcome<Reply> outcome = ask("/x?secret=1");
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(!outcome.ok());
        QCOMPARE(outcome.error().kind, kind);
        QCOMPARE(outcome.error().httpStatus, status);
        QVERIFY(!outcome.error().message.isEmpty());
        if (!message.isEmpty())
            QCOMPARE(outcome.error().message, message);
        QVERIFY(!outcome.error().detail.contains(QLatin1String("secret")));
        QVERIFY(!outcome.error().message.contains(QLatin1String("127.0.0.1")));
    }

    void whatAServerWroteIsTidiedAndCapped()
    {
        m_server->on("GET", "/x", 500,
                     "{\"code\":500,\"message\":\"a\\u0000\\u001b[31mb\\t" + QByteArray(5000, 'x')
                         + "\"}");
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(outcome.error().message.size() < 1100);
        QVERIFY(!outcome.error().message.contains(QChar(0x1b)));
        QVERIFY(outcome.error().detail.size() < 1100);
    }

    void aRefusedConnectionIsNetwork()
    {
        m_server->stop();
        Outcome<Reply> outcome = ask("/x?secret=1");
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Network);
        QVERIFY(outcome.error().message.contains(QLatin1String("refused")));
        QVERIFY(!outcome.error().message.contains(QLatin1String("secret")));
        QVERIFY(!outcome.error().detail.contains(QLatin1String("secret")));
    }

    void aConnectionClosedBeforeTheAnswerIsNetwork()
    {
        m_server->on("GET", "/x", [](HttpExchange &e) { e.reset(); });
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Network);
        QCOMPARE(outcome.error().httpStatus, 0);
    }

    void aTruncatedBodyIsNetwork()
    {
        m_server->on("GET", "/x", [](HttpExchange &e) {
            e.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                  "100\r\n\r\n[1,2");
            e.cut();
        });
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Network);
        QCOMPARE(outcome.error().httpStatus, 200);
    }

    void whatIsNotHttpIsProtocolOrNetwork()
    {
        m_server->on("GET", "/x", [](HttpExchange &e) {
            e.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n");
            e.cut();
        });
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(outcome.error().kind == Kind::Protocol || outcome.error().kind == Kind::Network);
    }

    void silenceIsATimeout_data()
    {
        QTest::addColumn<bool>("drip");
        QTest::newRow("nothing") << false;
        QTest::newRow("a byte now and then") << true;
    }

    void silenceIsATimeout()
    {
        QFETCH(const bool, drip);
        Transport::Limits limits = m_transport->limits();
        limits.unaryMs = 200;
        m_transport->setLimits(limits);
        m_server->on("GET", "/x", [drip](HttpExchange &e) {
            if (!drip)
                return;
            e.begin(200, "application/json");
            auto *timer = new QTimer(&e);
            connect(timer, &QTimer::timeout, &e, [&e] { e.send(" "); });
            timer->start(20);
        });
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Timeout);
    }

    void anUntrustedCertificateIsTls()
    {
        HttpServer tls;
        QVERIFY(tls.listenTls(QSslCertificate(testCertificate), QSslKey(testKey, QSsl::Ec)));
        tls.on("GET", "/x", 200, "{}");
        Endpoint endpoint;
        endpoint.apiUrl = tls.url();
        m_transport->setEndpoint(endpoint);
        Outcome<Reply> outcome = ask("/x", Retry::Reads);
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Tls);
        QVERIFY(!outcome.error().message.isEmpty());
        QCOMPARE(tls.requests().size(), 0);
    }

    void anAnswerThatIsTooLargeIsRefused_data()
    {
        QTest::addColumn<bool>("announced");
        QTest::newRow("announced") << true;
        QTest::newRow("in chunks") << false;
    }

    void anAnswerThatIsTooLargeIsRefused()
    {
        QFETCH(const bool, announced);
        Transport::Limits limits = m_transport->limits();
        limits.maxBody = 1000;
        m_transport->setLimits(limits);
        m_server->on("GET", "/x", [announced](HttpExchange &e) {
            if (announced) {
                e.answer(200, QByteArray(1001, ' '));
            } else {
                e.begin(200, "application/json");
                e.send(QByteArray(600, ' '));
                e.send(QByteArray(600, ' '));
                e.end();
            }
        });
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QCOMPARE(outcome.error().kind, Kind::Protocol);
        QCOMPARE(outcome.count(), 1);
    }

    // --- Retries ---

    void retriesAreCounted_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<Transport::Retry>("retry");
        QTest::addColumn<int>("requests");
        const QByteArray body = json("{'code':1,'message':'m'}");
        QTest::newRow("502 read") << 502 << body << Retry::Reads << 3;
        QTest::newRow("503 read") << 503 << body << Retry::Reads << 3;
        QTest::newRow("504 read") << 504 << body << Retry::Reads << 3;
        QTest::newRow("429 read") << 429 << body << Retry::Reads << 3;
        QTest::newRow("500 read") << 500 << body << Retry::Reads << 1;
        QTest::newRow("404 read") << 404 << body << Retry::Reads << 1;
        QTest::newRow("401 read") << 401 << body << Retry::Reads << 1;
        QTest::newRow("sandbox gone")
            << 502 << json("{'message':'The sandbox was not found','code':502}") << Retry::Reads
            << 1;
        QTest::newRow("502 command") << 502 << body << Retry::Never << 1;
        QTest::newRow("429 command") << 429 << body << Retry::Never << 1;
        QTest::newRow("reset read") << 0 << QByteArray() << Retry::Reads << 3;
    }

    void retriesAreCounted()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, body);
        QFETCH(const Transport::Retry, retry);
        QFETCH(const int, requests);
        m_server->on("GET", "/x", [=](HttpExchange &e) {
            if (status > 0)
                e.answer(status, body);
            else
                e.reset();
        });
        Outcome<Reply> outcome = ask("/x", retry);
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(!outcome.ok());
        // A reset connection is tried again by Qt itself, too; fewer than ours would be wrong.
        if (status > 0)
            QCOMPARE(m_server->count("GET", "/x"), requests);
        else
            QVERIFY(m_server->count("GET", "/x") >= requests);
    }

    void aCommandIsNeverSentTwice_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<bool>("reused");
        QTest::addColumn<bool>("orderly");
        for (const bool reused : {false, true}) {
            for (const bool orderly : {false, true}) {
                const auto row = [&](const char *what) -> QTestData & {
                    return QTest::addRow("%s, %s connection, %s", what, reused ? "used" : "fresh",
                                         orderly ? "closed" : "reset");
                };
                row("create") << QByteArray("POST") << QByteArray("{}") << reused << orderly;
                row("pause") << QByteArray("POST") << QByteArray() << reused << orderly;
                row("kill") << QByteArray("DELETE") << QByteArray() << reused << orderly;
            }
        }
    }

    void aCommandIsNeverSentTwice()
    {
        QFETCH(const QByteArray, method);
        QFETCH(const QByteArray, body);
        QFETCH(const bool, reused);
        QFETCH(const bool, orderly);
        const auto send = [&](const char *path) {
            Outcome<Reply> outcome;
            m_transport->control(method, path, body, Retry::Never, m_context.get(), outcome.done());
            return outcome;
        };
        // A connection that worked before is where Qt tries again most eagerly.
        m_server->on(method, "/well", 204, {});
        if (reused) {
            Outcome<Reply> before = send("/well");
            QTRY_VERIFY(before.ok());
        }
        int seen = 0;
        m_server->on(method, "/x", [&seen, orderly](HttpExchange &e) {
            seen += 1;
            if (seen > 1)
                e.answer(404, json("{'code':404,'message':'gone'}"));
            else if (orderly)
                e.cut();
            else
                e.reset();
        });
        Outcome<Reply> outcome = send("/x");
        QTRY_VERIFY(outcome.arrived());
        QVERIFY(!outcome.ok());
        QCOMPARE(outcome.error().kind, Kind::Network);
        QVERIFY2(outcome.error().message.contains(QLatin1String("without an answer")),
                 qPrintable(outcome.error().message));
        QCOMPARE(seen, 1);
        QCOMPARE(m_server->last("/x").body, body);
        // What is asked next finds a way again.
        Outcome<Reply> after = send("/well");
        QTRY_VERIFY(after.ok());
        QCOMPARE(m_server->count(method, "/x"), 1);
    }

    void whetherACommandMayHaveArrivedIsKnown()
    {
        const auto unknown = [this](const HttpServer::Handler &handler) {
            if (handler)
                m_server->on("POST", "/x", handler);
            Outcome<Reply> outcome;
            m_transport->control("POST", "/x", {}, Retry::Never, m_context.get(), outcome.done());
            return QTest::qWaitFor([&] { return outcome.arrived(); })
                   && Transport::isOutcomeUnknown(outcome.error());
        };
        const auto answer = [](int status, const QByteArray &type) {
            return [=](HttpExchange &e) { e.answer(status, "<html>", type); };
        };
        QVERIFY(unknown([](HttpExchange &e) { e.reset(); }));
        QVERIFY(unknown([](HttpExchange &e) {
            e.raw("HTTP/1.1 201 OK\r\nContent-Length: 100\r\n\r\n{");
            e.cut();
        }));
        QVERIFY(unknown(answer(502, "text/html")));
        QVERIFY(unknown(answer(504, "text/html")));
        QVERIFY(!unknown(answer(404, "text/html")));
        QVERIFY(!unknown(answer(429, "application/json")));
        QVERIFY(!unknown(answer(500, "application/json")));
        QVERIFY(!unknown(answer(302, "text/html")));
        m_server->stop();
        QVERIFY(!unknown({})); // nobody listens
        QVERIFY(Transport::isOutcomeUnknown(Transport::errorFrom(200, "application/json", "{")));
    }

    void commandsUseAConnectionOfTheirOwn()
    {
        m_server->on("DELETE", "/x", 204, {});
        Outcome<Reply> outcome;
        m_transport->control("DELETE", "/x", {}, Retry::Never, m_context.get(), outcome.done());
        QTRY_VERIFY(outcome.ok());
        QCOMPARE(m_server->last("/x").header("connection").toLower(), QByteArray("close"));
        QCOMPARE(m_server->last("/x").header("content-length"), QByteArray("0"));
    }

    void aStreamIsNeverStartedTwice()
    {
        m_server->on("POST", "/start", [](HttpExchange &e) { e.reset(); });
        QUrl url = m_server->url();
        url.setPath(QStringLiteral("/start"));
        QNetworkRequest request(url);
        request.setHeader(QNetworkRequest::ContentTypeHeader,
                          QStringLiteral("application/connect+proto"));
        QNetworkReply *reply = m_transport->openStream(request, "x");
        QTRY_VERIFY(reply->isFinished());
        QCOMPARE(Transport::errorFrom(*reply, {}).kind, Kind::Network);
        QCOMPARE(m_server->count("POST", "/start"), 1);
        QCOMPARE(m_server->last("/start").body, QByteArray("x"));
        reply->deleteLater();
    }

    void aReadSucceedsAtItsSecondTry()
    {
        int tries = 0;
        m_server->on("GET", "/x", [&tries](HttpExchange &e) {
            e.answer(++tries == 1 ? 503 : 200, json("{'code':503,'message':'m'}"));
        });
        Outcome<Reply> outcome = ask("/x", Retry::Reads);
        QTRY_VERIFY(outcome.ok());
        QCOMPARE(tries, 2);
        QCOMPARE(outcome.count(), 1);
    }

    void retryAfterHoldsTheWholeConnection()
    {
        m_server->on("GET", "/x", 429, json("{'code':429,'message':'slow down'}"),
                     {{"Retry-After", "1"}});
        m_server->on("DELETE", "/y", 204, {});
        Outcome<Reply> limited = ask("/x");
        QTRY_VERIFY(limited.arrived());
        QCOMPARE(limited.error().retryAfterSeconds, 1);
        // Another caller's request waits, then goes out.
        QElapsedTimer clock;
        clock.start();
        Outcome<Reply> other;
        m_transport->control("DELETE", "/y", {}, Retry::Never, m_context.get(), other.done());
        QTRY_VERIFY(other.ok());
        QVERIFY2(clock.elapsed() >= 900, qPrintable(QString::number(clock.elapsed())));
    }

    void aLimitedReadIsRepeatedAfterThePause()
    {
        int tries = 0;
        m_server->on("GET", "/x", [&tries](HttpExchange &e) {
            if (++tries == 1)
                e.answer(429, json("{'code':429,'message':'m'}"), "application/json",
                         {{"Retry-After", "1"}});
            else
                e.answer(200, "{}");
        });
        QElapsedTimer clock;
        clock.start();
        Outcome<Reply> read = ask("/x", Retry::Reads);
        QTRY_VERIFY(read.ok());
        QCOMPARE(tries, 2);
        QVERIFY(clock.elapsed() >= 950);
    }

    void aLongRetryAfterIsToldInsteadOfWaitedFor()
    {
        m_server->on("GET", "/x", 429, json("{'code':429,'message':'slow down'}"),
                     {{"Retry-After", "120"}});
        m_server->on("DELETE", "/y", 204, {});
        Outcome<Reply> first = ask("/x", Retry::Reads);
        QTRY_VERIFY(first.arrived());
        QCOMPARE(first.error().kind, Kind::RateLimited);
        QCOMPARE(first.error().retryAfterSeconds, 120);
        QCOMPARE(m_server->requests().size(), 1);
        // The same for every other request, without asking the server.
        Outcome<Reply> second;
        m_transport->control("DELETE", "/y", {}, Retry::Never, m_context.get(), second.done());
        QTRY_VERIFY(second.arrived());
        QCOMPARE(second.error().kind, Kind::RateLimited);
        QVERIFY(second.error().retryAfterSeconds > 100);
        QCOMPARE(m_server->requests().size(), 1);
    }

    void retryAfterMayBeADate()
    {
        m_server->on("GET", "/x", 429, json("{'code':429,'message':'m'}"),
                     {{"Retry-After", httpDate(QDateTime::currentDateTimeUtc().addSecs(300))}});
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.arrived());
        QVERIFY2(std::abs(outcome.error().retryAfterSeconds - 300) <= 5,
                 qPrintable(QString::number(outcome.error().retryAfterSeconds)));
    }

    // --- Clock and reachability ---

    void theServersClockIsKnown()
    {
        const auto serverTime = [this](qint64 offset) {
            m_server->on("GET", "/x", 200, "{}",
                         {{"Date", httpDate(QDateTime::currentDateTimeUtc().addMSecs(offset))}});
            Outcome<Reply> outcome = ask("/x");
            return QTest::qWaitFor([&] { return outcome.ok(); });
        };
        QCOMPARE(m_transport->serverClockOffsetMs(), 0);
        QVERIFY(serverTime(-3'600'000));
        QVERIFY2(std::abs(m_transport->serverClockOffsetMs() + 3'600'000) <= 1500,
                 qPrintable(QString::number(m_transport->serverClockOffsetMs())));
        const qint64 before = m_transport->serverClockOffsetMs();
        QVERIFY(serverTime(-3'600'000));
        QVERIFY(std::abs(m_transport->serverClockOffsetMs() - before) <= 1000); // steady
        m_server->on("GET", "/x", 200, "{}", {{"Date", "yesterday"}});
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.ok());
        QVERIFY(m_transport->serverClockOffsetMs() < -3'000'000); // rubbish changes nothing
    }

    void reachabilityIsToldOnChange()
    {
        m_server->on("GET", "/x", 500, json("{'code':500,'message':'m'}"));
        QSignalSpy spy(m_transport.get(), &Transport::reachabilityChanged);
        Outcome<Reply> first = ask("/x");
        QTRY_VERIFY(first.arrived());
        QCOMPARE(spy.count(), 0); // an answer is an answer
        const quint16 port = m_server->port();
        m_server->stop();
        Outcome<Reply> second = ask("/x");
        QTRY_VERIFY(second.arrived());
        QCOMPARE(spy.count(), 1);
        QCOMPARE(spy.at(0).at(0).toBool(), false);
        QVERIFY(m_server->listen(port));
        Outcome<Reply> third = ask("/x");
        QTRY_VERIFY(third.arrived());
        QCOMPARE(spy.count(), 2);
        QCOMPARE(spy.at(1).at(0).toBool(), true);
    }

    // --- Managers ---

    void slowCommandsDoNotHoldUpListsAndKills()
    {
        int waiting = 0;
        m_server->on("POST", "/pause", [&waiting](HttpExchange &) { waiting += 1; });
        m_server->on("GET", "/list", 200, "[]");
        m_server->on("DELETE", "/kill", 204, {});
        for (int i = 0; i < 8; ++i)
            m_transport->control("POST", "/pause", {}, Retry::Never, m_context.get(),
                                 Outcome<Reply>().done());
        QTRY_COMPARE(waiting, 6); // all the sockets one manager has for one host
        Outcome<Reply> list = ask("/list");
        Outcome<Reply> kill;
        m_transport->control("DELETE", "/kill", {}, Retry::Never, m_context.get(), kill.done());
        QTRY_VERIFY(list.ok() && kill.ok());
    }

    void manyStreamsAreOpenAtOnceBesideRequests()
    {
        int open = 0;
        m_server->on("POST", "/stream", [&open](HttpExchange &e) {
            open += 1;
            e.begin(200, "application/connect+proto");
        });
        m_server->on("GET", "/x", 200, "{}");
        QUrl url = m_server->url();
        url.setPath(QStringLiteral("/stream"));
        QNetworkRequest request(url);
        request.setHeader(QNetworkRequest::ContentTypeHeader,
                          QStringLiteral("application/connect+proto"));
        QList<QNetworkReply *> replies;
        for (int i = 0; i < 23; ++i)
            replies.append(m_transport->openStream(request, "x"));
        QTRY_COMPARE(open, 23);
        Outcome<Reply> outcome = ask("/x");
        QTRY_VERIFY(outcome.ok());
        for (QNetworkReply *reply : std::as_const(replies)) {
            reply->abort();
            reply->deleteLater();
        }
        QTRY_COMPARE(m_transport->findChildren<QNetworkReply *>().size(), 0);
        // Three for unary requests and one kept for the next stream.
        QTRY_COMPARE(m_transport->findChildren<QNetworkAccessManager *>().size(), 4);
    }
};

QTEST_GUILESS_MAIN(TransportTest)
#include "tst_transport.moc"
