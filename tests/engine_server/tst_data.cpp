// SPDX-License-Identifier: GPL-3.0-or-later
// The data plane of the built engine: which sandbox a request reaches, and what it is told when
// there is none.
#include "tests/engine_server/fixture.h"

#include <QCryptographicHash>
#include <QElapsedTimer>
#include <QFile>
#include <QJsonDocument>
#include <QProcess>
#include <QTest>

using namespace moru::test;

namespace {

QByteArray notFound(const QByteArray &id)
{
    return "{\"sandboxId\":\"" + id + "\",\"message\":\"The sandbox was not found\",\"code\":502}";
}

QByteArray signatureOf(const QByteArray &path, const QByteArray &operation, const QByteArray &token)
{
    const QByteArray hash =
        QCryptographicHash::hash(path + ':' + operation + "::" + token, QCryptographicHash::Sha256);
    return "v1_" + hash.toBase64(QByteArray::OmitTrailingEquals);
}

} // namespace

class DataTest : public QObject {
    Q_OBJECT

private slots:
    void initTestCase()
    {
        m_engine = std::make_unique<LocalEngine>();
        QVERIFY(m_engine->start());
    }
    void cleanupTestCase() { m_engine.reset(); }

    void init()
    {
        m_one = m_engine->create();
        m_two = m_engine->create();
        for (const QJsonObject &sandbox : {m_one, m_two})
            QCOMPARE(
                m_engine->command(sandbox, QStringLiteral("echo -n $MORU_SANDBOX_ID > me")).second,
                0);
    }
    void cleanup()
    {
        for (const auto &value : m_engine->call("GET", "/v2/sandboxes").array())
            m_engine->call("DELETE", "/sandboxes/" + idOf(value.toObject()));
    }

    void theSandboxIsFoundByWhateverNamesIt()
    {
        const QByteArray one = idOf(m_one);
        const QByteArray two = idOf(m_two);
        const auto read = [&](const HeaderList &headers, const QByteArray &more = {}) {
            return ask(m_engine->data(), "GET", "/files?path=me" + more, headers);
        };
        const auto token = [](const QJsonObject &sandbox) {
            return std::pair<QByteArray, QByteArray>("X-Access-Token", tokenOf(sandbox));
        };
        // 1. the id header, in both spellings and with a suffix
        QCOMPARE(read({{"Moru-Sandbox-Id", one}, token(m_one)}).body, one);
        QCOMPARE(read({{"E2b-Sandbox-Id", two}, token(m_two)}).body, two);
        QCOMPARE(read({{"moru-sandbox-id", two + "-6532622b"}, token(m_two)}).body, two);
        // 2. the token alone
        QCOMPARE(read({token(m_one)}).body, one);
        QCOMPARE(read({token(m_two)}).body, two);
        // 3. the signature of a file URL
        const QByteArray signature = signatureOf("me", "read", tokenOf(m_two));
        QCOMPARE(read({}, "&signature=" + signature.toPercentEncoding()).body, two);
        QCOMPARE(
            read({}, "&signature=" + signatureOf("me", "read", tokenOf(m_one)).toPercentEncoding())
                .body,
            one);
        // 4. the host label, with whatever follows
        const QByteArray port = QByteArray::number(m_engine->data().port());
        QCOMPARE(ask(m_engine->data(), "GET", "/health",
                     {{"Host", "49983-" + one + ".localhost:" + port}})
                     .status,
                 204);
        QCOMPARE(
            ask(m_engine->data(), "GET", "/health", {{"Host", "49983-" + two + "-x.localhost"}})
                .status,
            204);
    }

    void anIdIsNeverOverruledByAToken()
    {
        // The agent of the named sandbox refuses the other one's token.
        const Answer answer =
            ask(m_engine->data(), "GET", "/files?path=me",
                {{"Moru-Sandbox-Id", idOf(m_one)}, {"X-Access-Token", tokenOf(m_two)}});
        QCOMPARE(answer.status, 401);
        QVERIFY(!answer.body.contains(idOf(m_two)));
    }

    void everyRequestOfAConnectionIsRoutedAnew()
    {
        Wire wire(m_engine->data());
        for (int round = 0; round < 3; ++round)
            for (const QJsonObject &sandbox : {m_one, m_two}) {
                QVERIFY(wire.send(requestBytes(m_engine->data(), "GET", "/files?path=me",
                                               {{"X-Access-Token", tokenOf(sandbox)}}, {})));
                QCOMPARE(wire.receive().body, idOf(sandbox));
            }
        QVERIFY(wire.send(
            requestBytes(m_engine->data(), "GET", "/health", {{"Moru-Sandbox-Id", "inone"}}, {})));
        QCOMPARE(wire.receive().status, 502);
        QVERIFY(wire.send(requestBytes(m_engine->data(), "GET", "/health",
                                       {{"Moru-Sandbox-Id", idOf(m_one)}}, {})));
        QCOMPARE(wire.receive().status, 204);
    }

    void aRequestThatNamesNobodyReachesTheOnlyRunningSandbox()
    {
        // Two run: nobody is meant.
        const Answer unclear = ask(m_engine->data(), "GET", "/health");
        QCOMPARE(unclear.status, 502);
        QCOMPARE(unclear.body, notFound(""));
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(m_two) + "/pause").status, 204);
        QCOMPARE(ask(m_engine->data(), "GET", "/health").status, 204);
        // A name that is wrong stays wrong although one runs.
        const QByteArray strange(64, 'a');
        QCOMPARE(ask(m_engine->data(), "GET", "/health", {{"Moru-Sandbox-Id", "inothing"}}).body,
                 notFound("inothing"));
        QCOMPARE(ask(m_engine->data(), "GET", "/health", {{"X-Access-Token", strange}}).body,
                 notFound(""));
        QCOMPARE(
            ask(m_engine->data(), "GET", "/health", {{"Host", "49983-inothing.localhost"}}).body,
            notFound("inothing"));
        // A signature that fits nobody names nobody; the sandbox itself refuses it.
        QCOMPARE(ask(m_engine->data(), "GET", "/files?path=me&signature=v1_wrong").status, 401);
        QCOMPARE(ask(m_engine->data(), "GET", "/health", {{"X-Access-Token", tokenOf(m_two)}}).body,
                 notFound(idOf(m_two)));
        // The key opens no sandbox.
        QCOMPARE(
            ask(m_engine->data(), "GET", "/files?path=me", {{"X-API-Key", m_engine->key()}}).status,
            401);
    }

    void deadAndPausedSandboxesAreNotFound()
    {
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(m_two) + "/pause").status, 204);
        const auto everyWay = [&](const QJsonObject &sandbox, const QByteArray &agent) {
            const QByteArray id = idOf(sandbox);
            const QByteArray signature =
                signatureOf("me", "read", tokenOf(sandbox)).toPercentEncoding();
            for (const auto &[target, headers] : QList<std::pair<QByteArray, HeaderList>>{
                     {"/health", {{"Moru-Sandbox-Id", id}}},
                     {"/health", {{"X-Access-Token", tokenOf(sandbox)}}},
                     {"/files?path=me&signature=" + signature, {}},
                     {"/health", {{"Host", "49983-" + id + ".localhost"}}}}) {
                const Answer answer = ask(m_engine->data(), "GET", target,
                                          headers + HeaderList{{"User-Agent", agent}});
                QCOMPARE(answer.status, 502);
                QCOMPARE(answer.header("Content-Type"),
                         QByteArray("application/json; charset=utf-8"));
                QCOMPARE(answer.body, notFound(id));
            }
        };
        everyWay(m_two, "sdk/1");
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(m_two)).status, 204);
        everyWay(m_two, "sdk/1");
        // Never a page, whatever the agent calls itself.
        everyWay(m_two, "Mozilla/5.0 (X11) Chrome/1 Safari/1");
    }

    void portsInsideAreReached()
    {
        startServer(m_one, 8000, QStringLiteral("127.0.0.1"));
        const QByteArray host = "8000-" + idOf(m_one) + ".localhost";
        // By host label and by header, with query, method, headers and body as they were sent.
        const Answer got = ask(m_engine->data(), "GET", "/a%20b?c=d",
                               {{"Host", host},
                                {"X-Access-Token", "the program's own"},
                                {"Cookie", "x=1"},
                                {"moru-traffic-access-token", "not for the program"}});
        QCOMPARE(got.status, 200);
        QCOMPARE(got.header("X-From"), QByteArray("inside"));
        QVERIFY2(got.body.startsWith("GET /a%20b?c=d HTTP/1.1\r\n"), got.body.constData());
        QVERIFY(got.body.contains("Host: " + host + "\r\n"));
        QVERIFY(got.body.contains("Cookie: x=1\r\n"));
        QVERIFY(got.body.contains("X-Access-Token: the program's own\r\n"));
        QVERIFY(!got.body.contains("not for the program"));
        QVERIFY(!got.body.contains(tokenOf(m_one)));
        QByteArray large(3 * 1024 * 1024, 'x');
        const Answer posted =
            ask(m_engine->data(), "POST", "/up",
                {{"Moru-Sandbox-Id", idOf(m_one)}, {"Moru-Sandbox-Port", "8000"}}, large);
        QCOMPARE(posted.status, 200);
        QVERIFY(posted.body.startsWith("POST /up HTTP/1.1\r\n"));
        QVERIFY(posted.body.endsWith("\r\n\r\n" + large));
        // A preflight is the program's business.
        const Answer preflight = ask(m_engine->data(), "OPTIONS", "/api",
                                     {{"Host", host},
                                      {"Origin", "https://app.example"},
                                      {"Access-Control-Request-Method", "PUT"}});
        QCOMPARE(preflight.header("X-From"), QByteArray("inside"));
        // The same port of another sandbox is another port.
        QCOMPARE(ask(m_engine->data(), "GET", "/", {{"Host", "8000-" + idOf(m_two) + ".localhost"}})
                     .status,
                 502);
        // A paused sandbox is not found, and goes on afterwards.
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(m_one) + "/pause").status, 204);
        QCOMPARE(ask(m_engine->data(), "GET", "/", {{"Host", host}}).body, notFound(idOf(m_one)));
        QCOMPARE(m_engine
                     ->call("POST", "/sandboxes/" + idOf(m_one) + "/connect",
                            {{QStringLiteral("timeout"), 60}})
                     .status,
                 201);
        QCOMPARE(ask(m_engine->data(), "GET", "/", {{"Host", host}}).status, 200);
    }

    void aPortOfTheOtherLoopbackIsReachedToo()
    {
        startServer(m_one, 8001, QStringLiteral("::1"));
        QCOMPARE(ask(m_engine->data(), "GET", "/", {{"Host", "8001-" + idOf(m_one) + ".localhost"}})
                     .status,
                 200);
    }

    void theHostHeaderCanBeMasked()
    {
        const QJsonObject made = m_engine->create(
            {{QStringLiteral("network"),
              QJsonObject{{QStringLiteral("maskRequestHost"), QStringLiteral("dev:${PORT}")}}}});
        startServer(made, 8000, QStringLiteral("127.0.0.1"));
        const Answer got =
            ask(m_engine->data(), "GET", "/", {{"Host", "8000-" + idOf(made) + ".localhost"}});
        QVERIFY2(got.body.contains("Host: dev:8000\r\n"), got.body.constData());
    }

    void otherProtocolsPassBothWays()
    {
        startServer(m_one, 8000, QStringLiteral("127.0.0.1"));
        const QByteArray id = idOf(m_one);
        const auto open = [&](Wire &wire) {
            return wire.send(requestBytes(m_engine->data(), "GET", "/socket",
                                          {{"Host", "8000-" + id + ".localhost"},
                                           {"Connection", "keep-alive, Upgrade"},
                                           {"Upgrade", "websocket"},
                                           {"Sec-WebSocket-Key", "abc"}},
                                          {}));
        };
        {
            Wire wire(m_engine->data());
            QVERIFY(open(wire));
            const Answer head = wire.receive(true);
            QCOMPARE(head.status, 101);
            QCOMPARE(head.header("Upgrade"), QByteArray("websocket"));
            QCOMPARE(head.header("Connection"), QByteArray("Upgrade"));
            QCOMPARE(head.header("Sec-WebSocket-Accept"), QByteArray("abc"));
            QVERIFY(!head.hasHeader("Transfer-Encoding") && !head.hasHeader("Content-Length"));
            // What the program sent at once, then echoes, also of bytes that are no HTTP.
            QByteArray seen;
            while (seen.size() < 5) {
                const QByteArray more = wire.readSome(20000);
                QVERIFY(!more.isEmpty());
                seen += more;
            }
            QCOMPARE(seen, QByteArray("early"));
            for (const QByteArray &piece :
                 {QByteArray("one"), QByteArray(1, '\0') + "\xff\r\n\r\n"}) {
                QVERIFY(wire.send(piece));
                QByteArray echo;
                while (echo.size() < piece.size()) {
                    const QByteArray more = wire.readSome(20000);
                    QVERIFY(!more.isEmpty());
                    echo += more;
                }
                QCOMPARE(echo, piece);
            }
            // The program hangs up after this word.
            QVERIFY(wire.send("quit"));
            QVERIFY(wire.closesWithin(20000));
        }
        {
            // The client leaves: the program notices.
            {
                Wire wire(m_engine->data());
                QVERIFY(open(wire));
                QCOMPARE(wire.receive(true).status, 101);
            }
            QTRY_COMPARE_WITH_TIMEOUT(m_engine->command(m_one, QStringLiteral("cat sockets")).first,
                                      QByteArray("0\n"), 20000);
        }
        Wire wire(m_engine->data());
        QVERIFY(open(wire));
        QCOMPARE(wire.receive(true).status, 101);
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + id).status, 204);
        QVERIFY(wire.closesWithin(20000));
    }

    void aProgramThatHangsUpIsNoOpenPort()
    {
        startServer(m_one, 8000, QStringLiteral("127.0.0.1"));
        const Answer answer = ask(m_engine->data(), "GET", "/hangup",
                                  {{"Host", "8000-" + idOf(m_one) + ".localhost"}});
        QCOMPARE(answer.status, 502);
        QVERIFY(answer.body.contains("port is not open"));
        // Answers before it has read the body.
        const Answer early =
            ask(m_engine->data(), "POST", "/early",
                {{"Host", "8000-" + idOf(m_one) + ".localhost"}}, QByteArray(4 * 1024 * 1024, 'x'));
        QCOMPARE(early.status, 413);
    }

    void thisIsNoProxy()
    {
        const Answer connect = ask(m_engine->data(), "CONNECT", "127.0.0.1:8000",
                                   {{"X-Access-Token", tokenOf(m_one)}});
        QCOMPARE(connect.status, 405);
        const Answer odd = ask(m_engine->data(), "GET", "/",
                               {{"Moru-Sandbox-Id", idOf(m_one)}, {"Moru-Sandbox-Port", "http"}});
        QCOMPARE(odd.status, 400);
        QCOMPARE(odd.object().value(QStringLiteral("code")).toInt(), 400);
    }

    void otherPortsAreNotOpen()
    {
        const QByteArray id = idOf(m_one);
        const QByteArray body = "{\"sandboxId\":\"" + id
                                + "\",\"message\":\"The sandbox is running but port is not "
                                  "open\",\"port\":8000,\"code\":502}";
        const Answer byHost =
            ask(m_engine->data(), "GET", "/", {{"Host", "8000-" + id + ".localhost"}});
        QCOMPARE(byHost.status, 502);
        QCOMPARE(byHost.body, body);
        const Answer byHeader = ask(m_engine->data(), "GET", "/",
                                    {{"Moru-Sandbox-Id", id}, {"Moru-Sandbox-Port", "8000"}});
        QCOMPARE(byHeader.body, body);
        // A token of another sandbox does not turn a user's port into that sandbox.
        const Answer other =
            ask(m_engine->data(), "GET", "/",
                {{"Host", "8000-" + id + ".localhost"}, {"X-Access-Token", tokenOf(m_two)}});
        QCOMPARE(other.body, body);
        QCOMPARE(ask(m_engine->data(), "GET", "/", {{"Host", "8000-inothing.localhost"}}).body,
                 notFound("inothing"));
    }

    void privatePortsWantTheirToken()
    {
        const QJsonObject made =
            m_engine->create({{QStringLiteral("secure"), true},
                              {QStringLiteral("network"),
                               QJsonObject{{QStringLiteral("allowPublicTraffic"), false}}}});
        const QByteArray host = "8000-" + idOf(made) + ".localhost";
        const QByteArray token =
            made.value(QStringLiteral("trafficAccessToken")).toString().toLatin1();
        const Answer refused = ask(m_engine->data(), "GET", "/", {{"Host", host}});
        QCOMPARE(refused.status, 403);
        QCOMPARE(refused.object().value(QStringLiteral("code")).toInt(), 403);
        QCOMPARE(ask(m_engine->data(), "GET", "/",
                     {{"Host", host}, {"moru-traffic-access-token", token}})
                     .status,
                 502);
        QCOMPARE(
            ask(m_engine->data(), "GET", "/", {{"Host", host}, {"e2b-traffic-access-token", token}})
                .status,
            502);
        QCOMPARE(ask(m_engine->data(), "GET", "/health", {{"Moru-Sandbox-Id", idOf(made)}}).status,
                 204);
    }

    void namesThatResolveToUsButAreNotOursAreRefused()
    {
        QCOMPARE(ask(m_engine->data(), "GET", "/health",
                     {{"Host", "49983-" + idOf(m_one) + ".example.com"},
                      {"Moru-Sandbox-Id", idOf(m_one)}})
                     .status,
                 403);
    }

    void preflightNeedsNoToken()
    {
        const Answer answer =
            ask(m_engine->data(), "OPTIONS", "/process.Process/Start",
                {{"Origin", "https://app.example"},
                 {"Access-Control-Request-Method", "POST"},
                 {"Access-Control-Request-Headers", "x-access-token,moru-sandbox-id"}});
        QCOMPARE(answer.status, 204);
        QCOMPARE(answer.header("Access-Control-Allow-Origin"), QByteArray("*"));
        QCOMPARE(answer.header("Access-Control-Allow-Headers"),
                 QByteArray("x-access-token,moru-sandbox-id"));
    }

    void withoutTheTokenNothingRuns()
    {
        const Answer answer =
            ask(m_engine->data(), "POST", "/process.Process/Start",
                {{"Moru-Sandbox-Id", idOf(m_one)}, {"Content-Type", "application/connect+json"}},
                startFrame(QStringLiteral("echo no")));
        QCOMPARE(answer.status, 401);
        QCOMPARE(answer.object().value(QStringLiteral("code")).toInt(), 401);
    }

    void outputStreamsAsItIsMade()
    {
        Wire wire(m_engine->data());
        QVERIFY(wire.send(streamRequest(QStringLiteral("echo one; read x < <(sleep 600)"))));
        QCOMPARE(wire.receive(true).status, 200);
        QByteArray seen;
        while (!seen.contains(QByteArray("one\n").toBase64())) {
            const QByteArray more = wire.readSome(20000);
            QVERIFY(!more.isEmpty());
            seen += more;
        }
    }

    void pauseAndKillCloseOpenStreams()
    {
        for (const bool kill : {false, true}) {
            Wire wire(m_engine->data());
            QVERIFY(wire.send(streamRequest(QStringLiteral("sleep 600"))));
            QCOMPARE(wire.receive(true).status, 200);
            QVERIFY(!wire.readSome(20000).isEmpty());
            if (kill)
                QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(m_one)).status, 204);
            else
                QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(m_one) + "/pause").status,
                         204);
            QVERIFY(wire.closesWithin(10000));
            if (!kill)
                QCOMPARE(m_engine
                             ->call("POST", "/sandboxes/" + idOf(m_one) + "/connect",
                                    {{QStringLiteral("timeout"), 60}})
                             .status,
                         201);
        }
        // The other sandbox did not notice.
        QCOMPARE(m_engine->command(m_two, QStringLiteral("cat me")).first, idOf(m_two));
    }

    void aReusedPidIsAnotherProcess()
    {
        // The first process has ended, but its output is still held open, while the kernel gives
        // its pid to the next one.
        Wire old(m_engine->data());
        QVERIFY(old.send(streamRequest(QStringLiteral("setsid sleep 600 & echo $$ > pid"))));
        QCOMPARE(old.receive(true).status, 200);
        QByteArray pid;
        QTRY_VERIFY(!(pid = m_engine->command(m_one, QStringLiteral("cat pid")).first).isEmpty());
        pid = pid.trimmed();
        QTRY_COMPARE(
            m_engine
                ->command(m_one, QStringLiteral("test -e /proc/%1").arg(QString::fromLatin1(pid)))
                .second,
            1);
        QCOMPARE(m_engine->command(m_one, QStringLiteral("mkfifo gate")).second, 0);
        QFile record(m_engine->stateDir() + QStringLiteral("/sandboxes/")
                     + QString::fromLatin1(idOf(m_one)) + QStringLiteral("/sandbox.json"));
        QVERIFY(record.open(QIODevice::ReadOnly));
        const int init = QJsonDocument::fromJson(record.readAll())
                             .object()
                             .value(QStringLiteral("process"))
                             .toObject()
                             .value(QStringLiteral("pid"))
                             .toInt();
        QProcess setter;
        setter.start(
            QStringLiteral("nsenter"),
            {QStringLiteral("-t"), QString::number(init), QStringLiteral("-p"),
             QStringLiteral("sh"), QStringLiteral("-c"),
             QStringLiteral("echo %1 > /proc/sys/kernel/ns_last_pid").arg(pid.toInt() - 1)});
        QVERIFY(setter.waitForFinished(20000));
        if (setter.exitCode() != 0)
            QSKIP("only root may choose the next pid");
        Wire fresh(m_engine->data());
        QVERIFY(fresh.send(streamRequest(QStringLiteral("read x < gate; echo over"))));
        QCOMPARE(fresh.receive(true).status, 200);
        const QByteArray started = "\"pid\":" + pid + '}';
        QByteArray seen;
        while (!seen.contains(started)) {
            const QByteArray more = fresh.readSome(20000);
            QVERIFY2(!more.isEmpty(), seen.constData());
            seen += more;
        }
        QCOMPARE(m_engine->command(m_one, QStringLiteral("pkill sleep")).second, 0);
        QByteArray ended;
        while (!ended.contains("exited")) {
            const QByteArray more = old.readSome(20000);
            QVERIFY2(!more.isEmpty(), ended.constData());
            ended += more;
        }
        const Answer list =
            m_engine->envd(m_one, "POST", "/process.Process/List", "{}", "application/json");
        QVERIFY2(list.body.contains("gate"), list.body.constData());
        QCOMPARE(m_engine->command(m_one, QStringLiteral("echo go > gate")).second, 0);
        while (!seen.contains("exited")) {
            const QByteArray more = fresh.readSome(20000);
            QVERIFY2(!more.isEmpty(), seen.constData());
            seen += more;
        }
    }

    void largeBodiesPassBothWays()
    {
        QByteArray content(8 * 1024 * 1024, Qt::Uninitialized);
        for (qsizetype i = 0; i < content.size(); ++i)
            content[i] = static_cast<char>(i * 31 + i / 977);
        const QByteArray body =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n"
            + content + "\r\n--b--\r\n";
        const Answer put = m_engine->envd(m_one, "POST", "/files?path=big", body,
                                          "multipart/form-data; boundary=b");
        QVERIFY2(put.status == 200, put.body.constData());
        const Answer got = m_engine->envd(m_one, "GET", "/files?path=big");
        QCOMPARE(got.body.size(), content.size());
        QVERIFY(got.body == content);
        QCOMPARE(m_engine->envd(m_two, "GET", "/files?path=big").status, 404);
    }

    void createToFirstOutputIsQuick()
    {
        QList<qint64> spent;
        for (int i = 0; i < 5; ++i) {
            QElapsedTimer timer;
            timer.start();
            const QJsonObject made = m_engine->create();
            QCOMPARE(m_engine->command(made, QStringLiteral("echo hi")).first, QByteArray("hi\n"));
            spent << timer.elapsed();
        }
        std::sort(spent.begin(), spent.end());
        // The goal is 60 ms on a quiet machine (tests/bench measures it); this finds what is
        // broken.
        qInfo("create to first output: %lld ms (median), %lld ms (best)", spent[2], spent[0]);
        QVERIFY(spent[0] < 5000);
    }

private:
    /// A program inside that answers with what it was asked, and echoes where the protocol changes.
    void startServer(const QJsonObject &sandbox, int port, const QString &address)
    {
        static const QByteArray program = R"(
import os, socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET
server = socket.socket(family)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[2], int(sys.argv[1])))
server.listen(64)
lock, sockets = threading.Lock(), 0
def count(step):
    global sockets
    with lock:
        sockets += step
        with open('sockets.new', 'w') as f:
            print(sockets, file=f)
        os.rename('sockets.new', 'sockets')
def serve(peer):
    data = b''
    while b'\r\n\r\n' not in data:
        more = peer.recv(65536)
        if not more:
            return
        data += more
    head, body = data.split(b'\r\n\r\n', 1)
    fields = dict((n.lower(), v.strip()) for n, v in
                  (line.split(b':', 1) for line in head.split(b'\r\n')[1:]))
    if b' /hangup ' in head:
        return
    if b' /early ' in head:
        peer.sendall(b'HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        return
    if fields.get(b'upgrade'):
        count(1)
        peer.sendall(b'HTTP/1.1 101 Go\r\nUpgrade: ' + fields[b'upgrade'] +
                     b'\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' +
                     fields[b'sec-websocket-key'] + b'\r\n\r\nearly')
        while True:
            more = peer.recv(65536)
            if not more or more == b'quit':
                break
            peer.sendall(more)
        count(-1)
        return
    while len(body) < int(fields.get(b'content-length', b'0')):
        body += peer.recv(65536)
    answer = head + b'\r\n\r\n' + body
    peer.sendall(b'HTTP/1.1 200 OK\r\nX-From: inside\r\nContent-Length: %d\r\n\r\n' % len(answer)
                 + answer)
def run(peer):
    with peer:
        try:
            serve(peer)
        except OSError:
            pass
while True:
    threading.Thread(target=run, args=(server.accept()[0],), daemon=True).start()
)";
        const QByteArray upload =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"server.py\"\r\n\r\n"
            + program + "\r\n--b--\r\n";
        QCOMPARE(m_engine
                     ->envd(sandbox, "POST", "/files?path=server.py", upload,
                            "multipart/form-data; boundary=b")
                     .status,
                 200);
        QCOMPARE(m_engine
                     ->command(sandbox, QStringLiteral("/usr/bin/python3 server.py %1 %2 "
                                                       ">server.log 2>&1 </dev/null &")
                                            .arg(port)
                                            .arg(address))
                     .second,
                 0);
        const QByteArray host = QByteArray::number(port) + '-' + idOf(sandbox) + ".localhost";
        QTRY_COMPARE_WITH_TIMEOUT(ask(m_engine->data(), "GET", "/ready", {{"Host", host}}).status,
                                  200, 30000);
    }

    [[nodiscard]] QByteArray streamRequest(const QString &command) const
    {
        return requestBytes(m_engine->data(), "POST", "/process.Process/Start",
                            {{"Moru-Sandbox-Id", idOf(m_one)},
                             {"X-Access-Token", tokenOf(m_one)},
                             {"Connect-Timeout-Ms", "600000"},
                             {"Content-Type", "application/connect+json"}},
                            startFrame(command));
    }

    std::unique_ptr<LocalEngine> m_engine;
    QJsonObject m_one;
    QJsonObject m_two;
};

QTEST_GUILESS_MAIN(DataTest)
#include "tst_data.moc"
