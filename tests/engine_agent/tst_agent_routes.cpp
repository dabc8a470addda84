// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include <QFile>
#include <QTest>

#include <algorithm>

using namespace Qt::StringLiterals;

class TestAgentRoutes : public QObject {
    Q_OBJECT

private:
    static QJsonObject json(const HttpReply &reply)
    {
        return QJsonDocument::fromJson(QByteArray::fromStdString(reply.body)).object();
    }
    static std::string basic(const QByteArray &name)
    {
        return "Basic " + (name + ':').toBase64().toStdString();
    }

private slots:
    void initTestCase()
    {
        m_open = std::make_unique<AgentProcess>();
        m_locked = std::make_unique<AgentProcess>([](auto &config) {
            config.accessToken = "secret";
            config.globalEnv = {{"NAME", "a \"value\""}};
        });
    }
    void cleanupTestCase()
    {
        m_open.reset();
        m_locked.reset();
    }

    void healthIsOpen()
    {
        const HttpReply reply = m_locked->request("GET", "/health");
        QCOMPARE(reply.status, 204);
        QCOMPARE(reply.headers.at("cache-control"), std::string("no-store"));
        QVERIFY(!reply.headers.contains("content-length"));
        QVERIFY(reply.headers.contains("date"));
    }

    void everythingElseWantsTheToken_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QByteArray>("path");
        QTest::newRow("metrics") << QByteArray("GET") << QByteArray("/metrics");
        QTest::newRow("envs") << QByteArray("GET") << QByteArray("/envs");
        QTest::newRow("init") << QByteArray("POST") << QByteArray("/init");
        QTest::newRow("rpc") << QByteArray("POST") << QByteArray("/process.Process/List");
        QTest::newRow("stream") << QByteArray("POST") << QByteArray("/process.Process/Start");
        QTest::newRow("unknown") << QByteArray("GET") << QByteArray("/nothing/here");
        QTest::newRow("other method of files") << QByteArray("HEAD") << QByteArray("/files");
        QTest::newRow("other method of health") << QByteArray("POST") << QByteArray("/health");
    }
    void everythingElseWantsTheToken()
    {
        QFETCH(QByteArray, method);
        QFETCH(QByteArray, path);
        for (const std::string token : {"", "wrong", "secretsecret"}) {
            HttpConnection::Headers headers;
            if (!token.empty())
                headers.emplace_back("X-Access-Token", token);
            const HttpReply reply =
                m_locked->request(method.toStdString(), path.toStdString(), headers);
            QCOMPARE(reply.status, 401);
            QCOMPARE(reply.headers.at("content-type"),
                     std::string("application/json; charset=utf-8"));
            if (method != "HEAD")
                QCOMPARE(json(reply)[u"code"_qs].toInt(), 401);
        }
    }

    void tokenOpensRoutes()
    {
        const HttpConnection::Headers token{{"X-Access-Token", "secret"}};
        QCOMPARE(m_locked->request("GET", "/metrics", token).status, 200);
        const QJsonObject envs = json(m_locked->request("GET", "/envs", token));
        QCOMPARE(envs[u"NAME"_qs].toString(), u"a \"value\""_qs);
        QCOMPARE(envs[u"MORU_SANDBOX_ID"_qs].toString(), u"isandbox1"_qs);
    }

    void metricsAreNumbers()
    {
        m_open->request("GET", "/metrics");
        const HttpReply reply = m_open->request("GET", "/metrics");
        QCOMPARE(reply.headers.at("cache-control"), std::string("no-store"));
        const QJsonObject metrics = json(reply);
        for (const QString &key : {u"ts"_qs, u"cpu_count"_qs, u"mem_total"_qs, u"mem_used"_qs,
                                   u"mem_total_mib"_qs, u"disk_used"_qs, u"disk_total"_qs})
            QVERIFY2(metrics[key].toDouble() > 0, qPrintable(key));
        QVERIFY(metrics[u"cpu_used_pct"_qs].isDouble());
        QVERIFY(metrics[u"mem_used_mib"_qs].isDouble());
    }

    void unknownUserFailsEveryRoute()
    {
        const HttpConnection::Headers nobody{{"Authorization", basic("nobody-here")}};
        for (const char *path : {"/health", "/envs", "/nothing"}) {
            const HttpReply reply = m_open->request("GET", path, nobody);
            QCOMPARE(reply.status, 401);
            QCOMPARE(json(reply)[u"code"_qs].toString(), u"unauthenticated"_qs);
            QVERIFY(json(reply)[u"message"_qs].toString().contains(u"invalid username"_qs));
        }
        int status = 0;
        m_open->call("process.Process/List", {}, &status, nobody);
        QCOMPARE(status, 401);
        StreamCall stream(*m_open, "process.Process/Start", shell(u"true"_qs), nobody);
        QCOMPARE(stream.connection().status(), 200);
        QCOMPARE(
            stream.next()[u"$end"_qs].toObject()[u"error"_qs].toObject()[u"code"_qs].toString(),
            u"unauthenticated"_qs);
        // The token comes first.
        QCOMPARE(json(m_locked->request("GET", "/envs", nobody))[u"code"_qs].toInt(), 401);
    }

    void basicUserDecidesTheHome()
    {
        StreamCall stream(*m_open, "process.Process/Start", shell(u"echo $USER; pwd"_qs),
                          {{"Authorization", basic("other")}});
        const QByteArray wanted = "other\n" + QByteArray::fromStdString(m_open->root()) + "/root\n";
        QCOMPARE(collect(stream).out, wanted);
        // Anything but Basic is not for us.
        QCOMPARE(m_open->request("GET", "/health", {{"Authorization", "Bearer x"}}).status, 204);
    }

    void crossOriginRequestsAreAllowed()
    {
        const HttpReply preflight =
            m_locked->request("OPTIONS", "/process.Process/List",
                              {{"Origin", "https://example.org"},
                               {"Access-Control-Request-Method", "POST"},
                               {"Access-Control-Request-Headers", "x-access-token"}});
        QCOMPARE(preflight.status, 204);
        QCOMPARE(preflight.headers.at("access-control-allow-origin"), std::string("*"));
        QCOMPARE(preflight.headers.at("access-control-allow-headers"),
                 std::string("x-access-token"));
        QCOMPARE(preflight.headers.at("access-control-max-age"), std::string("7200"));
        QVERIFY(preflight.headers.at("access-control-allow-methods").find("DELETE")
                != std::string::npos);
        const HttpReply refused =
            m_locked->request("GET", "/envs", {{"Origin", "https://example.org"}});
        QCOMPARE(refused.status, 401);
        QCOMPARE(refused.headers.at("access-control-allow-origin"), std::string("*"));
        QVERIFY(refused.headers.contains("access-control-expose-headers"));
        QVERIFY(!m_open->request("GET", "/envs").headers.contains("access-control-allow-origin"));
    }

    void unknownRouteIsPlainText()
    {
        const HttpReply reply = m_open->request("GET", "/nothing/here");
        QCOMPARE(reply.status, 404);
        QVERIFY(reply.headers.at("content-type").starts_with("text/plain"));
        QCOMPARE(m_open->request("POST", "/process.Process/Unknown", {}, "{}").status, 404);
    }

    void methodsAndTypesOfCalls()
    {
        const HttpReply get = m_open->request("GET", "/process.Process/List");
        QCOMPARE(get.status, 405);
        QCOMPARE(get.headers.at("allow"), std::string("POST"));
        const HttpReply type = m_open->request("POST", "/process.Process/List",
                                               {{"Content-Type", "text/plain"}}, "{}");
        QCOMPARE(type.status, 415);
        QVERIFY(type.headers.at("accept-post").find("application/json") != std::string::npos);
        const HttpReply streamed = m_open->request("POST", "/process.Process/Start",
                                                   {{"Content-Type", "application/json"}}, "{}");
        QCOMPARE(streamed.status, 415);
        const HttpReply charset =
            m_open->request("POST", "/process.Process/List",
                            {{"Content-Type", "Application/JSON; charset=UTF-8"}}, "");
        QCOMPARE(charset.status, 200); // an empty body is an empty message
        QCOMPARE(charset.body, std::string("{}"));
        QCOMPARE(charset.headers.at("content-length"), std::string("2"));
        const HttpReply packed = m_open->request(
            "POST", "/process.Process/List",
            {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}, "{}");
        QCOMPARE(packed.status, 501);
        const HttpReply broken = m_open->request("POST", "/process.Process/List",
                                                 {{"Content-Type", "application/json"}}, "[1]");
        QCOMPARE(broken.status, 400);
        QCOMPARE(json(broken)[u"code"_qs].toString(), u"invalid_argument"_qs);
        const HttpReply binary = m_open->request("POST", "/process.Process/SendSignal",
                                                 {{"Content-Type", "application/proto"}}, "");
        QCOMPARE(binary.status, 501); // no selector
        QCOMPARE(binary.headers.at("content-type"), std::string("application/json"));
    }

    void initChangesTheDefaults()
    {
        AgentProcess agent;
        QCOMPARE(agent
                     .request("POST", "/init", {},
                              R"({"envVars":{"LATE":"1"},"accessToken":"t","defaultUser":"other"})")
                     .status,
                 204);
        const HttpConnection::Headers token{{"X-Access-Token", "t"}};
        QCOMPARE(agent.request("GET", "/envs").status, 401);
        QCOMPARE(json(agent.request("GET", "/envs", token))[u"LATE"_qs].toString(), u"1"_qs);
        QCOMPARE(agent.request("POST", "/init", token, R"({"accessToken":"other"})").status, 409);
        QCOMPARE(agent.request("POST", "/init", token, "nonsense").status, 400);
        StreamCall stream(agent, "process.Process/Start", shell(u"echo $USER"_qs), token);
        QCOMPARE(collect(stream).out, "other\n");
    }

    void malformedRequestsAreAnswered_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<int>("status");
        QTest::newRow("no HTTP") << QByteArray("hello\r\n\r\n") << 400;
        QTest::newRow("bad header") << QByteArray("GET / HTTP/1.1\r\nno colon\r\n\r\n") << 400;
        QTest::newRow("two lengths")
            << QByteArray("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
            << 400;
        QTest::newRow("length and chunked") << QByteArray(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n")
                                            << 400;
        QTest::newRow("huge head")
            << QByteArray("GET / HTTP/1.1\r\nX: " + QByteArray(70000, 'x') + "\r\n\r\n") << 431;
    }
    void malformedRequestsAreAnswered()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(int, status);
        HttpConnection connection(m_open->socket());
        connection.send(bytes.toStdString());
        connection.readHead();
        QCOMPARE(connection.status(), status);
        QCOMPARE(connection.header("connection"), std::string("close"));
        const QJsonObject body =
            QJsonDocument::fromJson(QByteArray::fromStdString(connection.readBody())).object();
        QCOMPARE(body[u"code"_qs].toInt(), status);
        QVERIFY(connection.closedByPeer());
    }

    void connectionsAreReused()
    {
        HttpConnection connection(m_open->socket());
        for (int i = 0; i < 3; ++i) {
            connection.sendRequest("GET", "/envs", {}, std::nullopt);
            connection.readHead();
            QCOMPARE(connection.status(), 200);
            connection.readBody();
        }
        // Pipelined, one with a body that nobody reads.
        connection.send("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.readHead();
        QCOMPARE(connection.status(), 404);
        connection.readBody();
        connection.readHead();
        QCOMPARE(connection.status(), 204);
        connection.sendRequest("GET", "/health", {{"Connection", "close"}}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 204);
        QVERIFY(connection.closedByPeer());
    }

    void answerArrivesAlthoughTheBodyIsNotRead()
    {
        HttpConnection connection(m_locked->socket());
        connection.send(
            "POST /files?path=x HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n");
        // The answer must survive what we still send.
        const std::string block(1 << 20, 'x');
        for (int i = 0; i < 8; ++i)
            connection.send(block);
        connection.readHead();
        QCOMPARE(connection.status(), 401);
        QCOMPARE(connection.header("connection"), std::string("close"));
    }

    void oldClientsGetNoChunks()
    {
        HttpConnection connection(m_open->socket());
        const std::string body = frame(QJsonDocument(shell(u"echo hi"_qs)).toJson().toStdString());
        connection.send(
            "POST /process.Process/Start HTTP/1.0\r\nContent-Type: application/connect+json\r\n"
            "Content-Length: "
            + std::to_string(body.size()) + "\r\n\r\n" + body);
        connection.readHead();
        QVERIFY(!connection.hasHeader("transfer-encoding"));
        FrameReader reader(connection);
        int frames = 0;
        while (reader.next())
            ++frames;
        QVERIFY(frames >= 3);
    }

    void idleAgentIsSmallAndQuiet()
    {
        const AgentProcess agent;
        QCOMPARE(agent.request("GET", "/health").status, 204);
        const auto read = [&](const QString &name) {
            QFile file(QStringLiteral("/proc/%1/%2").arg(agent.pid()).arg(name));
            return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
        };
        const auto switches = [&] {
            const QByteArray status = read(u"status"_qs);
            const auto at = status.indexOf("voluntary_ctxt_switches:");
            return status.mid(at + 24, 12).trimmed().split('\n').first().toInt();
        };
        int before = switches();
        QTRY_VERIFY([&] { // until the last request has settled
            QTest::qWait(100);
            return std::exchange(before, switches()) == before;
        }());
        QTest::qWait(1000);
        QCOMPARE(switches(), before); // it has not been woken once
    }

private:
    std::unique_ptr<AgentProcess> m_open;
    std::unique_ptr<AgentProcess> m_locked;
};

int main(int argc, char **argv)
{
    return agentTestMain(argc, argv, [] { return std::make_unique<TestAgentRoutes>(); });
}

#include "tst_agent_routes.moc"
