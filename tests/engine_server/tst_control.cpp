// SPDX-License-Identifier: GPL-3.0-or-later
// The control plane of the built engine, through its socket.
#include "tests/engine_server/fixture.h"

#include <QDateTime>
#include <QRegularExpression>
#include <QTest>

using namespace moru::test;

namespace {

QDateTime timeOf(const QJsonObject &object, const char *name)
{
    return QDateTime::fromString(object.value(QLatin1String(name)).toString().left(23),
                                 QStringLiteral("yyyy-MM-ddTHH:mm:ss.zzz"));
}

QStringList idsIn(const Answer &answer)
{
    QStringList ids;
    for (const auto &item : answer.array())
        ids << item.toObject().value(QStringLiteral("sandboxID")).toString();
    return ids;
}

} // namespace

class ControlTest : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        m_engine = std::make_unique<LocalEngine>();
        QVERIFY(m_engine->start({QStringLiteral("--max-sandboxes"), QStringLiteral("12")}));
    }
    void cleanupTestCase() { m_engine.reset(); }
    void cleanup()
    {
        const Answer all = m_engine->call("GET", "/v2/sandboxes");
        for (const QString &id : idsIn(all))
            QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + id.toLatin1()).status, 204);
    }

    void everyEndpointWantsTheKey_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QByteArray>("path");
        const auto row = [](const char *method, const char *path) {
            QTest::addRow("%s %s", method, path) << QByteArray(method) << QByteArray(path);
        };
        for (const char *path :
             {"/", "/sandboxes", "/v2/sandboxes", "/v2/sandbox-runs",
              "/sandboxes/metrics?sandbox_ids=a", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa",
              "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/metrics", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/logs",
              "/templates", "/templates/base", "/teams", "/nodes", "/api-keys", "/volumes",
              "/no/such/path", "/health/", "//health", "/%68ealth"})
            row("GET", path);
        for (const char *path :
             {"/sandboxes", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/pause",
              "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/resume", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/connect",
              "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/timeout",
              "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/refreshes", "/v3/templates", "/access-tokens"})
            row("POST", path);
        row("DELETE", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa");
        row("PATCH", "/templates/base");
        row("PUT", "/sandboxes");
        row("HEAD", "/sandboxes");
    }
    void everyEndpointWantsTheKey()
    {
        QFETCH(QByteArray, method);
        QFETCH(QByteArray, path);
        const QByteArray wrong = "moru_" + QByteArray(40, '0');
        const QList<HeaderList> attempts{{},
                                         {{"X-API-Key", wrong}},
                                         {{"X-API-Key", "e2b_zz"}},
                                         {{"X-API-Key", m_engine->key().mid(5)}},
                                         {{"Authorization", "Bearer " + wrong}},
                                         {{"X-Access-Token", m_engine->key()}}};
        for (const HeaderList &headers : attempts) {
            const Answer answer = ask(m_engine->api(), method, path, headers);
            QCOMPARE(answer.status, 401);
            if (method == "HEAD")
                continue;
            QCOMPARE(answer.object().value(QStringLiteral("code")).toInt(), 401);
            QVERIFY(!answer.object().value(QStringLiteral("message")).toString().isEmpty());
        }
    }

    void bothFormsOfTheKeyWork()
    {
        const QByteArray digits = m_engine->key().mid(5);
        QCOMPARE(digits.size(), 40);
        for (const HeaderList &headers : {HeaderList{{"X-API-KEY", "moru_" + digits}},
                                          HeaderList{{"x-api-key", "e2b_" + digits}},
                                          HeaderList{{"Authorization", "Bearer moru_" + digits}}})
            QCOMPARE(ask(m_engine->api(), "GET", "/v2/sandboxes", headers).status, 200);
    }

    void healthNeedsNoKey() { QCOMPARE(ask(m_engine->api(), "GET", "/health").status, 200); }

    void errorsAreJsonWithTheirStatus_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QByteArray>("path");
        QTest::addColumn<int>("status");
        const auto row = [](const char *method, const char *path, int status) {
            QTest::addRow("%s %s", method, path)
                << QByteArray(method) << QByteArray(path) << status;
        };
        row("GET", "/", 404);
        row("GET", "/nothing", 404);
        row("GET", "/sandboxes/sbx_abc123", 404);
        row("GET", "/sandboxes/../key", 404);
        row("GET", "/sandboxes/a%2Fb", 404);
        row("GET", "/sandboxes/%zz", 400);
        row("GET", "/sandboxes/a-b-c", 404);
        row("PUT", "/sandboxes", 405);
        row("DELETE", "/v2/sandboxes", 405);
        row("DELETE", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa", 404);
        row("POST", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/pause", 404);
        row("POST", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/resume", 404);
        row("POST", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/refreshes", 404);
        row("POST", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/timeout", 400);
        row("POST", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/connect", 400);
        row("POST", "/sandboxes", 400);
        row("GET", "/templates/other", 404);
        row("POST", "/v3/templates", 501);
        row("GET", "/volumes", 501);
        row("GET", "/v2/sandboxes?limit=0", 400);
        row("GET", "/v2/sandboxes?limit=many", 400);
        row("GET", "/v2/sandboxes?state=dead", 400);
        row("GET", "/v2/sandboxes?nextToken=nonsense", 400);
        row("GET", "/v2/sandboxes?metadata=alone", 400);
        row("GET", "/v2/sandbox-runs?nextToken=nonsense", 400);
        row("GET", "/sandboxes/metrics", 400);
        row("GET", "/sandboxes/metrics?sandbox_ids=a,a", 400);
        row("GET", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/metrics?start=20&end=10", 400);
        row("GET", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/metrics?start=x", 400);
        row("GET", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/logs?direction=up", 400);
    }
    void errorsAreJsonWithTheirStatus()
    {
        QFETCH(QByteArray, method);
        QFETCH(QByteArray, path);
        QFETCH(int, status);
        const Answer answer = m_engine->call(method, path);
        QCOMPARE(answer.status, status);
        QCOMPARE(answer.header("Content-Type"), QByteArray("application/json; charset=utf-8"));
        QCOMPARE(answer.object().value(QStringLiteral("code")).toInt(), status);
        QVERIFY(!answer.object().value(QStringLiteral("message")).toString().isEmpty());
    }

    void moreThanAHundredIdsAreRefused()
    {
        QByteArray ids;
        for (int i = 0; i < 101; ++i)
            ids += "i" + QByteArray::number(i) + ",";
        QCOMPARE(m_engine->call("GET", "/sandboxes/metrics?sandbox_ids=" + ids).status, 400);
    }

    void brokenBodiesAreExplained()
    {
        const HeaderList headers{{"X-API-Key", m_engine->key()}};
        Answer answer = ask(m_engine->api(), "POST", "/sandboxes", headers, "{\"templateID\":");
        QCOMPARE(answer.status, 400);
        QVERIFY(answer.object().value(QStringLiteral("message")).toString().contains(u"JSON"));
        answer = ask(m_engine->api(), "POST", "/sandboxes", headers,
                     "{\"templateID\":\"base\",\"timeout\":\"x\"}");
        QCOMPARE(answer.status, 400);
        QVERIFY(answer.object()
                    .value(QStringLiteral("message"))
                    .toString()
                    .startsWith(u"validation error: "));
        answer = ask(m_engine->api(), "POST", "/sandboxes", headers, "{\"templateID\":\"none\"}");
        QCOMPARE(answer.status, 404);
        QCOMPARE(answer.object().value(QStringLiteral("message")).toString(),
                 QStringLiteral("template 'none' not found"));
    }

    void aTooLargeBodyIsRefusedWithoutReadingIt()
    {
        const QByteArray head =
            "POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + m_engine->key();
        Wire announced(m_engine->api());
        QVERIFY(announced.send(head + "\r\nContent-Length: 16777217\r\n\r\n"));
        QCOMPARE(announced.receive().status, 413);
        Wire chunked(m_engine->api());
        QVERIFY(chunked.send(head + "\r\nTransfer-Encoding: chunked\r\n\r\n"));
        const QByteArray chunk = "100000\r\n" + QByteArray(0x100000, ' ') + "\r\n";
        for (int i = 0; i < 17; ++i)
            chunked.send(chunk);
        QCOMPARE(chunked.receive().status, 413);
    }

    void aClientThatNeverFinishesItsHeadIsCutOff()
    {
        Wire slow(m_engine->api());
        QVERIFY(slow.send("GET /health HTTP/1.1\r\nX-Slow: "));
        QVERIFY(slow.closesWithin(25000));
        // Others are served meanwhile and afterwards.
        QCOMPARE(ask(m_engine->api(), "GET", "/health").status, 200);
    }

    void namesThatResolveToUsButAreNotOursAreRefused()
    {
        for (const QByteArray host :
             {"example.com", "evil.test:7450", "127.0.0.1.nip.io", "10.0.0.1"}) {
            const Answer answer = m_engine->call("GET", "/v2/sandboxes", {}, {{"Host", host}});
            QCOMPARE(answer.status, 403);
            QCOMPARE(answer.object().value(QStringLiteral("code")).toInt(), 403);
            QCOMPARE(ask(m_engine->api(), "GET", "/health", {{"Host", host}}).status, 403);
        }
        for (const QByteArray host : {"localhost", "127.0.0.1:1", "[::1]:7450", "api.localhost"})
            QCOMPARE(m_engine->call("GET", "/v2/sandboxes", {}, {{"Host", host}}).status, 200);
    }

    void pagesOfOtherHostsAreRefusedAndLocalOnesServed()
    {
        const HeaderList foreign{{"Origin", "https://example.com"}};
        QCOMPARE(m_engine->call("GET", "/v2/sandboxes", {}, foreign).status, 403);
        QCOMPARE(m_engine->call("GET", "/v2/sandboxes", {}, {{"Origin", "null"}}).status, 403);
        QCOMPARE(ask(m_engine->api(), "OPTIONS", "/sandboxes",
                     foreign + HeaderList{{"Access-Control-Request-Method", "POST"}})
                     .status,
                 403);

        const HeaderList local{{"Origin", "http://localhost:5173"}};
        const Answer preflight =
            ask(m_engine->api(), "OPTIONS", "/sandboxes",
                local
                    + HeaderList{{"Access-Control-Request-Method", "POST"},
                                 {"Access-Control-Request-Headers", "x-api-key"}});
        QCOMPARE(preflight.status, 204);
        QCOMPARE(preflight.header("Access-Control-Allow-Origin"),
                 QByteArray("http://localhost:5173"));
        QCOMPARE(preflight.header("Access-Control-Allow-Headers"), QByteArray("x-api-key"));
        const Answer answer = m_engine->call("GET", "/v2/sandboxes", {}, local);
        QCOMPARE(answer.status, 200);
        QCOMPARE(answer.header("Access-Control-Allow-Origin"), QByteArray("http://localhost:5173"));
        QVERIFY(answer.header("Access-Control-Expose-Headers").contains("X-Next-Token"));
        // Errors too, or the page could not read them.
        const Answer refused = ask(m_engine->api(), "GET", "/v2/sandboxes", local);
        QCOMPARE(refused.status, 401);
        QVERIFY(refused.hasHeader("Access-Control-Allow-Origin"));
    }

    void createAnswersWithEverythingAClientNeeds()
    {
        const QDateTime before = QDateTime::currentDateTimeUtc();
        const QJsonObject made =
            m_engine->create({{QStringLiteral("timeout"), 60},
                              {QStringLiteral("metadata"),
                               QJsonObject{{QStringLiteral("user"), QStringLiteral("ä")}}}});
        const QString id = QString::fromLatin1(idOf(made));
        QVERIFY(QRegularExpression(QStringLiteral("^i[a-z0-9]{20}$")).match(id).hasMatch());
        QVERIFY(QRegularExpression(QStringLiteral("^[0-9a-f]{64}$"))
                    .match(QString::fromLatin1(tokenOf(made)))
                    .hasMatch());
        QCOMPARE(made.value(QStringLiteral("templateID")).toString(), QStringLiteral("base"));
        QCOMPARE(made.value(QStringLiteral("envdVersion")).toString(), QStringLiteral("0.4.3"));
        QVERIFY(made.contains(QStringLiteral("clientID")));
        QCOMPARE(made.value(QStringLiteral("domain")).toString(),
                 QStringLiteral("localhost:%1").arg(m_engine->data().port()));

        const Answer got = m_engine->call("GET", "/sandboxes/" + idOf(made));
        QCOMPARE(got.status, 200);
        const QJsonObject detail = got.object();
        QCOMPARE(detail.value(QStringLiteral("state")).toString(), QStringLiteral("running"));
        QCOMPARE(detail.value(QStringLiteral("envdAccessToken")).toString().toLatin1(),
                 tokenOf(made));
        QCOMPARE(detail.value(QStringLiteral("metadata"))
                     .toObject()
                     .value(QStringLiteral("user"))
                     .toString(),
                 QStringLiteral("ä"));
        QVERIFY(detail.value(QStringLiteral("cpuCount")).toInt() >= 1);
        QVERIFY(detail.value(QStringLiteral("memoryMB")).toInt() >= 128);
        QVERIFY(detail.value(QStringLiteral("diskSizeMB")).toInt() >= 0);
        QVERIFY(detail.value(QStringLiteral("startedAt")).toString().endsWith(QLatin1Char('Z')));
        const qint64 lifetime = timeOf(detail, "startedAt").msecsTo(timeOf(detail, "endAt"));
        QVERIFY(std::abs(lifetime - 60000) <= 1);
        QVERIFY(timeOf(detail, "startedAt").secsTo(before) < 60);
        // With the suffix that old clients append.
        QCOMPARE(m_engine->call("GET", "/sandboxes/" + idOf(made) + "-6532622b").status, 200);
        // Usable at once.
        QCOMPARE(m_engine->command(made, QStringLiteral("echo hello")),
                 (std::pair<QByteArray, int>("hello\n", 0)));
    }

    void metadataIsAbsentWhenNoneWasGiven()
    {
        const QJsonObject made = m_engine->create({{QStringLiteral("metadata"), QJsonObject()}});
        QVERIFY(!m_engine->call("GET", "/sandboxes/" + idOf(made))
                     .object()
                     .contains(QStringLiteral("metadata")));
    }

    void privateTrafficGetsATokenOfItsOwn()
    {
        QVERIFY(!m_engine->create().contains(QStringLiteral("trafficAccessToken")));
        const QJsonObject made =
            m_engine->create({{QStringLiteral("secure"), true},
                              {QStringLiteral("network"),
                               QJsonObject{{QStringLiteral("allowPublicTraffic"), false}}}});
        QCOMPARE(made.value(QStringLiteral("trafficAccessToken")).toString().size(), 64);
    }

    void theListIsPagedNewestFirst()
    {
        QStringList made;
        for (int i = 0; i < 5; ++i)
            made.prepend(QString::fromLatin1(idOf(m_engine->create())));
        const Answer whole = m_engine->call("GET", "/v2/sandboxes");
        QCOMPARE(idsIn(whole), made);
        QCOMPARE(whole.header("X-Total-Running"), QByteArray("5"));
        QVERIFY(!whole.hasHeader("X-Next-Token"));

        QStringList paged;
        QByteArray token;
        for (int page = 0; page < 3; ++page) {
            const Answer answer = m_engine->call(
                "GET",
                "/v2/sandboxes?limit=2" + (token.isEmpty() ? QByteArray() : "&nextToken=" + token));
            QCOMPARE(answer.status, 200);
            QCOMPARE(answer.header("X-Total-Running"), QByteArray("5"));
            paged += idsIn(answer);
            token = answer.header("X-Next-Token");
            QCOMPARE(token.isEmpty(), page == 2);
        }
        QCOMPARE(paged, made);
        // A newcomer sorts before the cursor; one that is gone leaves no hole.
        const Answer first = m_engine->call("GET", "/v2/sandboxes?limit=2");
        m_engine->create();
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + made[1].toLatin1()).status, 204);
        const Answer second = m_engine->call("GET", "/v2/sandboxes?limit=2&nextToken="
                                                        + first.header("X-Next-Token"));
        QCOMPARE(idsIn(second), made.mid(2, 2));
    }

    void theListIsFilteredByStateAndMetadata()
    {
        const auto with = [](const char *key, const char *value) {
            return QJsonObject{{QStringLiteral("metadata"),
                                QJsonObject{{QString::fromUtf8(key), QString::fromUtf8(value)},
                                            {QStringLiteral("all"), QStringLiteral("yes")}}}};
        };
        const QJsonObject odd = m_engine->create(with("user name", "a&b=c"));
        const QJsonObject plain = m_engine->create(with("user", "plain"));
        const QJsonObject none = m_engine->create();
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(plain) + "/pause").status, 204);

        const auto list = [&](const QByteArray &query) {
            return m_engine->call("GET", "/v2/sandboxes" + query);
        };
        const auto one = [](const QJsonObject &sandbox) {
            return QStringList{QString::fromLatin1(idOf(sandbox))};
        };
        QCOMPARE(idsIn(list("?metadata=user%252520name%3Da%252526b%25253Dc")), one(odd));
        QCOMPARE(idsIn(list("?metadata=user%3Dplain")), one(plain));
        QCOMPARE(idsIn(list("?metadata=user%3Dplain%26all%3Dyes")), one(plain));
        QVERIFY(idsIn(list("?metadata=user%3Dplain%26all%3Dno")).isEmpty());
        QCOMPARE(idsIn(list("?metadata=all%3Dyes&state=running")), one(odd));
        QCOMPARE(idsIn(list("?state=paused")), one(plain));
        QVERIFY(!list("?state=paused").hasHeader("X-Total-Running"));
        QCOMPARE(list("?state=running").header("X-Total-Running"), QByteArray("2"));
        QCOMPARE(idsIn(list("?state=running&state=paused")).size(), 3);
        QCOMPARE(idsIn(list("?state=running,paused")).size(), 3);
        QCOMPARE(list("").header("X-Total-Running"), QByteArray("2"));
        // The old list has running ones only.
        QCOMPARE(idsIn(m_engine->call("GET", "/sandboxes")).size(), 2);
        QCOMPARE(idsIn(m_engine->call("GET", "/sandboxes?metadata=all%3Dyes")), one(odd));
        QVERIFY(!idOf(none).isEmpty());
    }

    void aLargeEnvironmentArrivesWhole()
    {
        // Characters that JSON writes as six.
        const QString value(120 * 1024, QChar(1));
        QJsonObject variables;
        for (const char *name : {"A", "B", "C", "D"})
            variables.insert(QLatin1String(name), value);
        const QJsonObject made = m_engine->create({{QStringLiteral("envVars"), variables}});
        QCOMPARE(m_engine->command(made, QStringLiteral("echo ${#A} ${#D}")).first,
                 QByteArray("122880 122880\n"));
        variables.insert(QStringLiteral("E"), value);
        const Answer refused =
            m_engine->call("POST", "/sandboxes",
                           {{QStringLiteral("templateID"), QStringLiteral("base")},
                            {QStringLiteral("envVars"), variables}});
        QCOMPARE(refused.status, 400);
        QCOMPARE(refused.object().value(QStringLiteral("code")).toInt(), 400);
    }

    void pauseKeepsEverythingAndConnectResumes()
    {
        const QJsonObject made = m_engine->create(
            {{QStringLiteral("metadata"), QJsonObject{{QStringLiteral("k"), QStringLiteral("v")}}},
             {QStringLiteral("envVars"),
              QJsonObject{{QStringLiteral("GREETING"), QStringLiteral("hi")}}}});
        const QByteArray path = "/sandboxes/" + idOf(made);
        QCOMPARE(
            m_engine
                ->command(made,
                          QStringLiteral(
                              "echo kept > file; (sleep 600 >/dev/null 2>&1 </dev/null & echo $!)"))
                .second,
            0);
        QCOMPARE(m_engine->call("POST", path + "/pause").status, 204);
        QCOMPARE(m_engine->state(made), QStringLiteral("paused"));
        const Answer again = m_engine->call("POST", path + "/pause");
        QCOMPARE(again.status, 409);
        QCOMPARE(again.object().value(QStringLiteral("code")).toInt(), 409);
        QCOMPARE(
            m_engine->call("POST", path + "/timeout", {{QStringLiteral("timeout"), 60}}).status,
            404);
        QCOMPARE(m_engine->call("POST", path + "/refreshes").status, 404);
        const QJsonObject paused = m_engine->call("GET", path).object();
        QVERIFY(timeOf(paused, "endAt") <= QDateTime::currentDateTimeUtc().addSecs(1).toUTC());

        const Answer resumed =
            m_engine->call("POST", path + "/connect", {{QStringLiteral("timeout"), 120}});
        QCOMPARE(resumed.status, 201);
        QCOMPARE(tokenOf(resumed.object()), tokenOf(made));
        QCOMPARE(idOf(resumed.object()), idOf(made));
        const QJsonObject running = m_engine->call("GET", path).object();
        QCOMPARE(running.value(QStringLiteral("state")).toString(), QStringLiteral("running"));
        QVERIFY(timeOf(running, "startedAt") > timeOf(paused, "startedAt"));
        QVERIFY(running.value(QStringLiteral("metadata")).toObject().contains(QStringLiteral("k")));
        // Files, environment and processes.
        QCOMPARE(m_engine->command(made, QStringLiteral("cat file; echo $GREETING; pgrep -c sleep"))
                     .first,
                 QByteArray("kept\nhi\n1\n"));
        QCOMPARE(m_engine->call("POST", path + "/connect", {{QStringLiteral("timeout"), 1}}).status,
                 200);
        QCOMPARE(m_engine->call("POST", path + "/resume").status, 409);
    }

    void resumeHasDefaultsOfItsOwn()
    {
        const QJsonObject made = m_engine->create();
        const QByteArray path = "/sandboxes/" + idOf(made);
        QCOMPARE(m_engine->call("POST", path + "/pause").status, 204);
        QCOMPARE(m_engine->call("POST", path + "/resume").status, 201);
        const QJsonObject detail = m_engine->call("GET", path).object();
        const qint64 lifetime = timeOf(detail, "startedAt").msecsTo(timeOf(detail, "endAt"));
        QVERIFY(std::abs(lifetime - 15000) <= 1);
    }

    void connectNeverShortensAndTimeoutMay()
    {
        const QJsonObject made = m_engine->create({{QStringLiteral("timeout"), 300}});
        const QByteArray path = "/sandboxes/" + idOf(made);
        const auto end = [&] { return timeOf(m_engine->call("GET", path).object(), "endAt"); };
        const QDateTime first = end();
        QCOMPARE(m_engine->call("POST", path + "/connect", {{QStringLiteral("timeout"), 5}}).status,
                 200);
        QCOMPARE(end(), first);
        QCOMPARE(
            m_engine->call("POST", path + "/timeout", {{QStringLiteral("timeout"), 30}}).status,
            204);
        QVERIFY(end() < first.addSecs(-200));
        QCOMPARE(
            m_engine->call("POST", path + "/refreshes", {{QStringLiteral("duration"), 600}}).status,
            204);
        QVERIFY(end() > first);
        QCOMPARE(m_engine->call("POST", path + "/refreshes", {{QStringLiteral("duration"), 3601}})
                     .status,
                 400);
        QCOMPARE(
            m_engine->call("POST", path + "/connect", {{QStringLiteral("timeout"), 86401}}).status,
            400);
        QCOMPARE(
            m_engine->call("POST", path + "/timeout", {{QStringLiteral("timeout"), -1}}).status,
            400);
        QCOMPARE(m_engine->call("POST", path + "/timeout", {{QStringLiteral("timeout"), 0}}).status,
                 204);
        QTRY_COMPARE(m_engine->call("GET", path).status, 404);
    }

    void expiryKillsOrPauses()
    {
        const QJsonObject dies = m_engine->create({{QStringLiteral("timeout"), 1}});
        const QJsonObject pauses =
            m_engine->create({{QStringLiteral("timeout"), 1}, {QStringLiteral("autoPause"), true}});
        const QJsonObject atOnce = m_engine->create({{QStringLiteral("timeout"), 0}});
        QTRY_COMPARE(m_engine->state(atOnce), QString());
        QTRY_COMPARE(m_engine->state(dies), QString());
        QTRY_COMPARE(m_engine->state(pauses), QStringLiteral("paused"));
        const Answer runs = m_engine->call("GET", "/v2/sandbox-runs?status=stopped");
        int seen = 0;
        for (const auto &value : runs.array()) {
            const QJsonObject run = value.toObject();
            if (idOf(run) != idOf(dies))
                continue;
            ++seen;
            QCOMPARE(run.value(QStringLiteral("endReason")).toString(), QStringLiteral("timeout"));
            QVERIFY(!run.value(QStringLiteral("endedAt")).toString().isEmpty());
        }
        QCOMPARE(seen, 1);
    }

    void killIsFinal()
    {
        const QJsonObject made = m_engine->create();
        const QByteArray path = "/sandboxes/" + idOf(made);
        QCOMPARE(m_engine->call("DELETE", path).status, 204);
        for (const Answer &answer :
             {m_engine->call("DELETE", path), m_engine->call("GET", path),
              m_engine->call("POST", path + "/pause"),
              m_engine->call("POST", path + "/connect", {{QStringLiteral("timeout"), 60}})}) {
            QCOMPARE(answer.status, 404);
            QVERIFY(
                answer.object().value(QStringLiteral("message")).toString().contains(u"not found"));
        }
        // Paused ones can be killed as well.
        const QJsonObject other = m_engine->create();
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(other) + "/pause").status, 204);
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(other)).status, 204);
    }

    void theLimitIsTold()
    {
        for (int i = 0; i < 12; ++i)
            m_engine->create();
        const Answer refused = m_engine->call(
            "POST", "/sandboxes", {{QStringLiteral("templateID"), QStringLiteral("base")}});
        QCOMPARE(refused.status, 429);
        QCOMPARE(refused.object().value(QStringLiteral("code")).toInt(), 429);
    }

    void runsTellTheWholeStory()
    {
        const QJsonObject running = m_engine->create();
        const QJsonObject paused = m_engine->create();
        const QJsonObject killed = m_engine->create();
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(paused) + "/pause").status, 204);
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(killed)).status, 204);
        const Answer runs = m_engine->call("GET", "/v2/sandbox-runs?limit=3");
        QCOMPARE(idsIn(runs),
                 (QStringList{QString::fromLatin1(idOf(killed)), QString::fromLatin1(idOf(paused)),
                              QString::fromLatin1(idOf(running))}));
        QCOMPARE(runs.array().at(0).toObject().value(QStringLiteral("endReason")).toString(),
                 QStringLiteral("killed"));
        QCOMPARE(runs.array().at(1).toObject().value(QStringLiteral("status")).toString(),
                 QStringLiteral("paused"));
        QCOMPARE(runs.array().at(2).toObject().value(QStringLiteral("status")).toString(),
                 QStringLiteral("running"));
        const Answer one = m_engine->call("GET", "/v2/sandbox-runs?limit=1");
        const Answer next =
            m_engine->call("GET", "/v2/sandbox-runs?limit=1&nextToken="
                                      + one.header("X-Next-Token").toPercentEncoding());
        QCOMPARE(idsIn(next), QStringList{QString::fromLatin1(idOf(paused))});
    }

    void metricsArriveAndKeepTheirShape()
    {
        const QJsonObject made = m_engine->create();
        const QByteArray path = "/sandboxes/" + idOf(made) + "/metrics";
        QCOMPARE(m_engine->call("GET", path).status, 200);
        QTRY_VERIFY_WITH_TIMEOUT(!m_engine->call("GET", path).array().isEmpty(), 30000);
        const QJsonObject point = m_engine->call("GET", path).array().first().toObject();
        for (const char *name : {"timestamp", "timestampUnix", "cpuCount", "cpuUsedPct", "memUsed",
                                 "memTotal", "diskUsed", "diskTotal"})
            QVERIFY2(point.contains(QLatin1String(name)), name);
        QVERIFY(point.value(QStringLiteral("memUsed")).toDouble() > 100000);
        QVERIFY(point.value(QStringLiteral("memTotal")).toDouble()
                > point.value(QStringLiteral("memUsed")).toDouble());
        const QByteArray at =
            QByteArray::number(point.value(QStringLiteral("timestampUnix")).toInteger());
        // Seconds, or the milliseconds that some clients send.
        QVERIFY(!m_engine->call("GET", path + "?start=" + at).array().isEmpty());
        QVERIFY(!m_engine->call("GET", path + "?start=" + at + "000").array().isEmpty());
        QVERIFY(m_engine->call("GET", path + "?end=1000").array().isEmpty());
        const QJsonObject batch =
            m_engine->call("GET", "/sandboxes/metrics?sandbox_ids=iunknown," + idOf(made))
                .object()
                .value(QStringLiteral("sandboxes"))
                .toObject();
        QCOMPARE(batch.keys(), QStringList{QString::fromLatin1(idOf(made))});
    }

    void logsTemplatesAndTeamsHaveTheirShape()
    {
        const QJsonObject logs =
            m_engine->call("GET", "/sandboxes/iaaaaaaaaaaaaaaaaaaaa/logs?limit=10").object();
        QVERIFY(logs.value(QStringLiteral("logs")).isArray()
                && logs.value(QStringLiteral("logEntries")).isArray());
        const QJsonObject base = m_engine->call("GET", "/templates").array().first().toObject();
        for (const char *name :
             {"templateID", "buildID", "cpuCount", "memoryMB", "diskSizeMB", "public", "aliases",
              "createdAt", "updatedAt", "createdBy", "lastSpawnedAt", "spawnCount", "buildCount",
              "envdVersion", "buildStatus"})
            QVERIFY2(base.contains(QLatin1String(name)), name);
        const QJsonObject detail = m_engine->call("GET", "/templates/base").object();
        QCOMPARE(detail.value(QStringLiteral("builds")).toArray().size(), 1);
        const QJsonObject team = m_engine->call("GET", "/teams").array().first().toObject();
        QCOMPARE(team.value(QStringLiteral("apiKey")).toString().toLatin1(), m_engine->key());
        QVERIFY(team.value(QStringLiteral("isDefault")).toBool());
    }

    void theLogHoldsNoSecrets()
    {
        const QJsonObject made = m_engine->create(
            {{QStringLiteral("metadata"),
              QJsonObject{{QStringLiteral("k"), QStringLiteral("metadata-secret")}}},
             {QStringLiteral("envVars"),
              QJsonObject{{QStringLiteral("E"), QStringLiteral("env-secret")}}}});
        m_engine->envd(made, "GET", "/files?path=a&signature=query-secret");
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(made)).status, 204);
        const QByteArray log = m_engine->log();
        QVERIFY(log.contains(idOf(made)));
        QVERIFY(!log.contains("secret"));
        QVERIFY(!log.contains(tokenOf(made)));
        QVERIFY(!log.contains(m_engine->key().mid(5)));
    }

    void manyRequestsOnOneConnection()
    {
        Wire wire(m_engine->api());
        const HeaderList headers{{"X-API-Key", m_engine->key()}};
        const QByteArray request =
            requestBytes(m_engine->api(), "GET", "/v2/sandboxes", headers, {});
        QVERIFY(wire.send(request + request));
        QCOMPARE(wire.receive().status, 200);
        QCOMPARE(wire.receive().status, 200);
        // A refusal does not end the connection.
        QVERIFY(wire.send(requestBytes(m_engine->api(), "GET", "/nothing", headers, {})));
        QCOMPARE(wire.receive().status, 404);
        QVERIFY(wire.send(request));
        QCOMPARE(wire.receive().status, 200);
    }

private:
    std::unique_ptr<LocalEngine> m_engine;
};

QTEST_GUILESS_MAIN(ControlTest)
#include "tst_control.moc"
