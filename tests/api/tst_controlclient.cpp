// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/controlclient.h"

#include "tests/support/httpserver.h"
#include "tests/support/outcome.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>
#include <QTimeZone>

#include <memory>

using namespace moru;
using namespace moru::test;
using Kind = Error::Kind;

namespace {

const QByteArray listed =
    json("{'sandboxID':'iabc','templateID':'base1','clientID':'6532622b','alias':'base',"
         "'startedAt':'2026-01-15T09:30:00.123456789Z','endAt':'2026-01-15T11:30:00+02:00',"
         "'cpuCount':2,'memoryMB':1024,'diskSizeMB':512,'state':'running','envdVersion':'0.4.3',"
         "'metadata':{'name':'J\\u00f6rg','team':'a'},'somethingNew':{'x':[1,2]}}");

} // namespace

class ControlClientTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<HttpServer> m_server;
    std::unique_ptr<Transport> m_transport;
    std::unique_ptr<ControlClient> m_client;

private slots:
    void init()
    {
        m_server = std::make_unique<HttpServer>();
        QVERIFY(m_server->listen());
        Endpoint endpoint;
        endpoint.apiUrl = m_server->url();
        m_transport = std::make_unique<Transport>(endpoint);
        Transport::Limits limits;
        limits.retryBaseMs = 5;
        m_transport->setLimits(limits);
        m_client = std::make_unique<ControlClient>(*m_transport);
    }

    void cleanup()
    {
        m_client.reset();
        m_transport.reset();
        m_server.reset();
    }

    void aPageOfSandboxesIsRead()
    {
        m_server->on("GET", "/v2/sandboxes", 200, '[' + listed + ']',
                     {{"X-Next-Token", "abc=="}, {"X-Total-Running", "17"}});
        Outcome<ControlClient::SandboxPage> page;
        m_client->listSandboxes("to+ken=", this, page.done());
        QTRY_VERIFY(page.ok());
        QCOMPARE(page.value().nextToken, QByteArray("abc=="));
        QCOMPARE(page.value().totalRunning, 17);
        QCOMPARE(page.value().sandboxes.size(), 1);
        const Sandbox &sandbox = page.value().sandboxes.first();
        QCOMPARE(sandbox.id, QStringLiteral("iabc"));
        QCOMPARE(sandbox.templateId, QStringLiteral("base1"));
        QCOMPARE(sandbox.alias, QStringLiteral("base"));
        QCOMPARE(sandbox.state, SandboxState::Running);
        QCOMPARE(sandbox.startedAt, QDateTime({2026, 1, 15}, {9, 30, 0, 123}, QTimeZone::utc()));
        QCOMPARE(sandbox.endAt, QDateTime({2026, 1, 15}, {9, 30}, QTimeZone::utc()));
        QCOMPARE(sandbox.endAt.timeSpec(), Qt::UTC);
        QCOMPARE(sandbox.cpuCount, 2);
        QCOMPARE(sandbox.memoryMiB, 1024);
        QCOMPARE(sandbox.diskMiB, 512);
        QCOMPARE(sandbox.metadata.value(QStringLiteral("name")), QStringLiteral("Jörg"));
        QCOMPARE(m_server->last("/v2/sandboxes").query,
                 QByteArray("state=running,paused&limit=100&nextToken=to%2Bken%3D"));
    }

    void aRawPageKeepsItsBytes()
    {
        m_server->on("GET", "/v2/sandboxes", 200, "[ " + listed + " ]\n");
        Outcome<ControlClient::RawPage> page;
        m_client->listSandboxesRaw({}, this, page.done());
        QTRY_VERIFY(page.ok());
        QCOMPARE(page.value().body, "[ " + listed + " ]\n");
        QCOMPARE(page.value().nextToken, QByteArray());
        QCOMPARE(page.value().totalRunning, -1);
        QCOMPARE(m_server->last("/v2/sandboxes").query,
                 QByteArray("state=running,paused&limit=100"));
    }

    void aDamagedPageIsProtocol_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::newRow("empty") << QByteArray();
        QTest::newRow("null") << QByteArray("null");
        QTest::newRow("object") << QByteArray("{}");
        QTest::newRow("truncated") << QByteArray("[" + listed.chopped(10));
        QTest::newRow("html") << QByteArray("<!doctype html><html></html>");
    }

    void aDamagedPageIsProtocol()
    {
        QFETCH(const QByteArray, body);
        m_server->on("GET", "/v2/sandboxes", 200, body);
        Outcome<ControlClient::RawPage> raw;
        Outcome<ControlClient::SandboxPage> page;
        m_client->listSandboxesRaw({}, this, raw.done());
        m_client->listSandboxes({}, this, page.done());
        QTRY_VERIFY(raw.arrived() && page.arrived());
        QCOMPARE(raw.error().kind, Kind::Protocol);
        QCOMPARE(page.error().kind, Kind::Protocol);
        QVERIFY(!page.error().message.isEmpty());
    }

    void theWrongMemberIsNamed_data()
    {
        QTest::addColumn<QByteArray>("from");
        QTest::addColumn<QByteArray>("to");
        QTest::addColumn<QString>("named");
        QTest::newRow("no id") << QByteArray("\"sandboxID\"") << QByteArray("\"x\"")
                               << QStringLiteral("sandboxID");
        QTest::newRow("empty id") << QByteArray("\"iabc\"") << QByteArray("\"\"")
                                  << QStringLiteral("sandboxID");
        QTest::newRow("id is a number")
            << QByteArray("\"iabc\"") << QByteArray("7") << QStringLiteral("sandboxID");
        QTest::newRow("no template")
            << QByteArray("\"templateID\"") << QByteArray("\"x\"") << QStringLiteral("templateID");
        QTest::newRow("bad time") << QByteArray("2026-01-15T09:30:00.123456789Z")
                                  << QByteArray("soon") << QStringLiteral("startedAt");
        QTest::newRow("null time") << QByteArray("\"2026-01-15T11:30:00+02:00\"")
                                   << QByteArray("null") << QStringLiteral("endAt");
        QTest::newRow("unknown state")
            << QByteArray("\"running\"") << QByteArray("\"dancing\"") << QStringLiteral("state");
        QTest::newRow("cpu is a word")
            << QByteArray("\"cpuCount\":2") << QByteArray("\"cpuCount\":\"2\"")
            << QStringLiteral("cpuCount");
        QTest::newRow("memory is negative")
            << QByteArray("1024") << QByteArray("-1024") << QStringLiteral("memoryMB");
        QTest::newRow("disk is huge")
            << QByteArray("512") << QByteArray("99999999999") << QStringLiteral("diskSizeMB");
        QTest::newRow("metadata is a list") << json("{'name':'J\\u00f6rg','team':'a'}")
                                            << QByteArray("[]") << QStringLiteral("metadata");
        QTest::newRow("metadata of numbers")
            << QByteArray("\"team\":\"a\"") << QByteArray("\"team\":1")
            << QStringLiteral("metadata");
    }

    void theWrongMemberIsNamed()
    {
        QFETCH(const QByteArray, from);
        QFETCH(const QByteArray, to);
        QFETCH(const QString, named);
        QVERIFY(listed.contains(from));
        QVERIFY(ControlClient::parseSandbox(listed).has_value());
        const Result<Sandbox> result =
            ControlClient::parseSandbox(QByteArray(listed).replace(from, to));
        QVERIFY(!result);
        QCOMPARE(result.error().kind, Kind::Protocol);
        QVERIFY2(result.error().message.contains(named), qPrintable(result.error().message));
    }

    void whatAnOlderServerLeavesOutIsTolerated()
    {
        const Result<Sandbox> sandbox =
            ControlClient::parseSandbox(json("{'sandboxID':'i1','templateID':'t','state':'paused','"
                                             "startedAt':'2026-01-15T09:30:00Z',"
                                             "'endAt':'2026-01-15T09:31:00Z','alias':null}"));
        QVERIFY(sandbox.has_value());
        QCOMPARE(sandbox->state, SandboxState::Paused);
        QCOMPARE(sandbox->alias, QString());
        QCOMPARE(sandbox->cpuCount, 0);
    }

    void detailBringsTokenAndDomain()
    {
        m_server->on("GET", "/sandboxes/iabc", 200,
                     listed.chopped(1) + json(",'envdAccessToken':'tok','domain':null}"));
        Outcome<SandboxDetail> detail;
        m_client->getSandbox(QStringLiteral("iabc"), this, detail.done());
        QTRY_VERIFY(detail.ok());
        QCOMPARE(detail.value().accessToken, QStringLiteral("tok"));
        QCOMPARE(detail.value().domain, QString());
        QCOMPARE(detail.value().sandbox.id, QStringLiteral("iabc"));
    }

    void createSendsWhatWasAskedFor()
    {
        m_server->on(
            "POST", "/sandboxes", 201,
            json("{'sandboxID':'inew','templateID':'base','clientID':'c','envdVersion':'0.4.3',"
                 "'envdAccessToken':'tok','domain':'localhost:7451'}"));
        NewSandbox spec;
        spec.templateId = QStringLiteral("python");
        spec.timeoutSeconds = 1800;
        spec.onTimeout = OnTimeout::Pause;
        spec.allowInternet = false;
        spec.metadata = {{QStringLiteral("k"), QStringLiteral("v ü")}};
        spec.envVars = {{QStringLiteral("A"), QStringLiteral("B\nC")}};
        Outcome<SandboxDetail> created;
        m_client->createSandbox(spec, this, created.done());
        QTRY_VERIFY(created.ok());
        QCOMPARE(created.value().sandbox.id, QStringLiteral("inew"));
        QCOMPARE(created.value().accessToken, QStringLiteral("tok"));
        QCOMPARE(created.value().domain, QStringLiteral("localhost:7451"));
        const QJsonObject body =
            QJsonDocument::fromJson(m_server->last("/sandboxes").body).object();
        const QJsonObject expected{
            {QStringLiteral("templateID"), QStringLiteral("python")},
            {QStringLiteral("timeout"), 1800},
            {QStringLiteral("autoPause"), true},
            {QStringLiteral("secure"), true},
            {QStringLiteral("allow_internet_access"), false},
            {QStringLiteral("metadata"), QJsonObject{{QStringLiteral("k"), QStringLiteral("v ü")}}},
            {QStringLiteral("envVars"), QJsonObject{{QStringLiteral("A"), QStringLiteral("B\nC")}}},
        };
        QCOMPARE(body, expected);
    }

    void createIsNotRetried()
    {
        m_server->on("POST", "/sandboxes", 503, json("{'code':503,'message':'busy'}"));
        Outcome<SandboxDetail> created;
        m_client->createSandbox({}, this, created.done());
        QTRY_VERIFY(created.arrived());
        QCOMPARE(created.error().kind, Kind::Server);
        QCOMPARE(m_server->requests().size(), 1);
    }

    void killTellsWhetherItWasThere_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<int>("outcome"); // 1 true, 0 false, -1 error
        QTest::newRow("killed") << 204 << QByteArray() << 1;
        QTest::newRow("gone") << 404 << json("{'code':404,'message':'no'}") << 0;
        QTest::newRow("some web server") << 404 << QByteArray("<html>no</html>") << -1;
        QTest::newRow("empty 404") << 404 << QByteArray() << -1;
        QTest::newRow("not allowed") << 403 << json("{'code':403,'message':'no'}") << -1;
        QTest::newRow("broken") << 500 << json("{'code':500,'message':'no'}") << -1;
    }

    void killTellsWhetherItWasThere()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, body);
        QFETCH(const int, outcome);
        m_server->on("DELETE", "/sandboxes/i1", 204, {});
        m_server->on("DELETE", "/sandboxes/i1", status, body);
        Outcome<bool> killed;
        m_client->killSandbox(QStringLiteral("i1"), this, killed.done());
        QTRY_VERIFY(killed.arrived());
        QCOMPARE(killed.ok(), outcome >= 0);
        if (outcome >= 0)
            QCOMPARE(killed.value(), outcome == 1);
    }

    void pauseTellsWhetherItWasRunning_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<int>("outcome");
        QTest::newRow("paused") << 204 << 1;
        QTest::newRow("was paused") << 409 << 0;
        QTest::newRow("unknown") << 404 << -1;
    }

    void pauseTellsWhetherItWasRunning()
    {
        QFETCH(const int, status);
        QFETCH(const int, outcome);
        m_server->on("POST", "/sandboxes/i1/pause", status,
                     status == 204
                         ? QByteArray()
                         : json("{'code':") + QByteArray::number(status) + json(",'message':'m'}"));
        Outcome<bool> paused;
        m_client->pauseSandbox(QStringLiteral("i1"), this, paused.done());
        QTRY_VERIFY(paused.arrived());
        QCOMPARE(paused.ok(), outcome >= 0);
        if (outcome >= 0)
            QCOMPARE(paused.value(), outcome == 1);
        else
            QCOMPARE(paused.error().kind, Kind::NotFound);
    }

    void resumeIsConnect()
    {
        m_server->on(
            "POST", "/sandboxes/i1/connect", 201,
            json("{'sandboxID':'i1','templateID':'base','clientID':'c','envdVersion':'0.4.3'}"));
        Outcome<SandboxDetail> resumed;
        m_client->resumeSandbox(QStringLiteral("i1"), 60, this, resumed.done());
        QTRY_VERIFY(resumed.ok());
        QCOMPARE(m_server->last("/sandboxes/i1/connect").body, json("{'timeout':60}"));
    }

    void timeoutIsSet()
    {
        m_server->on("POST", "/sandboxes/i1/timeout", 204, {});
        Outcome<> set;
        m_client->setTimeout(QStringLiteral("i1"), 90, this, set.done());
        QTRY_VERIFY(set.ok());
        QCOMPARE(m_server->last("/sandboxes/i1/timeout").body, json("{'timeout':90}"));
    }

    void idsArePercentEncoded()
    {
        Outcome<bool> killed;
        m_client->killSandbox(QStringLiteral("a/../b?c#d e"), this, killed.done());
        QTRY_VERIFY(killed.arrived());
        QCOMPARE(m_server->requests().value(0).target,
                 QByteArray("/sandboxes/a%2F..%2Fb%3Fc%23d%20e"));
        QCOMPARE(killed.value(), false);
    }

    void anIdThatIsNoIdIsRefused_data()
    {
        QTest::addColumn<QString>("id");
        QTest::newRow("empty") << QString();
        QTest::newRow("dot") << QStringLiteral(".");
        QTest::newRow("dots") << QStringLiteral("..");
    }

    void anIdThatIsNoIdIsRefused()
    {
        QFETCH(const QString, id);
        Outcome<bool> killed;
        Outcome<bool> paused;
        Outcome<SandboxDetail> got;
        Outcome<bool> aborted;
        m_client->killSandbox(id, this, killed.done());
        m_client->pauseSandbox(id, this, paused.done());
        m_client->getSandbox(id, this, got.done());
        m_client->killSandbox(id, this, aborted.done()).abort();
        QVERIFY(!killed.arrived());
        QTRY_VERIFY(killed.arrived() && paused.arrived() && got.arrived());
        QCOMPARE(killed.error().kind, Kind::Invalid);
        QCOMPARE(aborted.count(), 0);
        QCOMPARE(m_server->requests().size(), 0);
    }

    void metricsAreAskedInGroupsOfAHundred()
    {
        QStringList ids;
        for (int i = 0; i < 250; ++i)
            ids.append(QStringLiteral("i%1").arg(i));
        ids.append(QStringLiteral("i0")); // repeated ids are refused by servers
        m_server->on("GET", "/sandboxes/metrics", [](HttpExchange &e) {
            const QByteArray list = e.request().query.mid(int(strlen("sandbox_ids=")));
            QByteArray body = json("{'sandboxes':{");
            const QList<QByteArray> asked = list.split(',');
            for (const QByteArray &id : asked) {
                if (id == "i7") // unknown ones are missing
                    continue;
                body +=
                    (body.endsWith('{') ? "\"" : ",\"") + id
                    + json(
                        "':{'timestamp':'2026-01-15T09:30:00Z','timestampUnix':1768469400,'"
                        "cpuCount':2,"
                        "'cpuUsedPct':12.5,'memUsed':1048576,'memTotal':4294967296,'diskUsed':1,'"
                        "diskTotal':9000000000}");
            }
            e.answer(200, body + "}}");
        });
        Outcome<QMap<QString, SandboxMetric>> metrics;
        m_client->latestMetrics(ids, this, metrics.done());
        QTRY_VERIFY(metrics.ok());
        QCOMPARE(metrics.value().size(), 249);
        QCOMPARE(m_server->count("GET", "/sandboxes/metrics"), 3);
        for (const HttpRequest &request : m_server->requests())
            QVERIFY(request.query.count(',') <= 99);
        const SandboxMetric metric = metrics.value().value(QStringLiteral("i249"));
        QCOMPARE(metric.cpuUsedPercent, 12.5);
        QCOMPARE(metric.memTotal, 4294967296LL);
        QCOMPARE(metric.diskTotal, 9000000000LL);
        QCOMPARE(metric.timestamp, QDateTime({2026, 1, 15}, {9, 30}, QTimeZone::utc()));
    }

    void metricsOfNothingNeedNoRequest()
    {
        Outcome<QMap<QString, SandboxMetric>> metrics;
        m_client->latestMetrics({}, this, metrics.done());
        QVERIFY(!metrics.arrived());
        QTRY_VERIFY(metrics.ok());
        QCOMPARE(m_server->requests().size(), 0);
    }

    void metricsFailWhenOneGroupFails()
    {
        QStringList ids;
        for (int i = 0; i < 150; ++i)
            ids.append(QStringLiteral("i%1").arg(i));
        int asked = 0;
        m_server->on("GET", "/sandboxes/metrics", [&asked](HttpExchange &e) {
            if (++asked == 1)
                e.answer(200, json("{'sandboxes':{}}"));
            else
                e.answer(500, json("{'code':500,'message':'m'}"));
        });
        Outcome<QMap<QString, SandboxMetric>> metrics;
        m_client->latestMetrics(ids, this, metrics.done());
        QTRY_VERIFY(metrics.arrived());
        QCOMPARE(metrics.error().kind, Kind::Server);
        QCOMPARE(metrics.count(), 1);
    }

    void templatesAreRead()
    {
        m_server->on(
            "GET", "/templates", 200,
            json("[{'templateID':'base','aliases':['base','b'],'cpuCount':2,'memoryMB':1024,'"
                 "diskSizeMB':0}]"));
        Outcome<QList<Template>> templates;
        m_client->listTemplates(this, templates.done());
        QTRY_VERIFY(templates.ok());
        QCOMPARE(templates.value().size(), 1);
        QCOMPARE(templates.value().first().aliases,
                 QStringList({QStringLiteral("base"), QStringLiteral("b")}));
    }

    void aProbeProvesAddressAndKey_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<bool>("ok");
        QTest::newRow("works") << 200 << QByteArray("[]") << true;
        QTest::newRow("wrong key") << 401 << json("{'code':401,'message':'m'}") << false;
        QTest::newRow("web page") << 200 << QByteArray("<html></html>") << false;
    }

    void aProbeProvesAddressAndKey()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, body);
        QFETCH(const bool, ok);
        m_server->on("GET", "/v2/sandboxes", status, body);
        Outcome<> probe;
        m_client->probe(this, probe.done());
        QTRY_VERIFY(probe.arrived());
        QCOMPARE(probe.ok(), ok);
        QCOMPARE(m_server->requests().size(), 1);
    }
};

QTEST_GUILESS_MAIN(ControlClientTest)
#include "tst_controlclient.moc"
