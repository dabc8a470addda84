// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/api/envdfixture.h"

#include <QTest>
#include <QTimeZone>

using namespace moru;
using namespace moru::test;
using Kind = Error::Kind;

Q_DECLARE_METATYPE(moru::Error::Kind)

class EnvdClientTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<EnvdFixture> m_fixture;

    EnvdClient &client() { return *m_fixture->client; }
    HttpServer &data() { return m_fixture->data; }
    HttpServer &control() { return m_fixture->control; }

    static filesystem::EntryInfo entry()
    {
        filesystem::EntryInfo info;
        info.set_name("a.txt");
        info.set_path("/home/user/a.txt");
        info.set_type(filesystem::FILE_TYPE_FILE);
        info.set_size(5'000'000'000);
        info.set_mode(0644);
        info.set_permissions("-rw-r--r--");
        info.set_owner("user");
        info.set_group("staff");
        info.mutable_modified_time()->set_seconds(1768469400);
        info.mutable_modified_time()->set_nanos(250'000'000);
        return info;
    }

private slots:
    void init() { m_fixture = std::make_unique<EnvdFixture>(); }
    void cleanup() { m_fixture.reset(); }

    // --- Finding the sandbox ---

    void theTargetIsLookedUpOnceForAllWaitingCalls()
    {
        m_fixture->answer("process.Process/List", process::ListResponse());
        Outcome<QList<ProcessInfo>> first;
        Outcome<QList<ProcessInfo>> second;
        client().listProcesses(this, first.done());
        client().listProcesses(this, second.done());
        QTRY_VERIFY(first.ok() && second.ok());
        Outcome<QList<ProcessInfo>> third;
        client().listProcesses(this, third.done());
        QTRY_VERIFY(third.ok());
        QCOMPARE(control().requests().size(), 1);
        QCOMPARE(control().requests().first().method,
                 QByteArray("GET")); // observing changes nothing
    }

    void anAdoptedAnswerSparesTheLookUp()
    {
        m_fixture->answer("process.Process/List", process::ListResponse());
        SandboxDetail detail;
        detail.sandbox.id = QStringLiteral("i1");
        detail.accessToken = QStringLiteral("fresh");
        client().adopt(detail);
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        QCOMPARE(control().requests().size(), 0);
        QCOMPARE(data().requests().first().header("x-access-token"), QByteArray("fresh"));
    }

    void requestsCarryRoutingTokenAndCodec()
    {
        m_fixture->answer("process.Process/List", process::ListResponse());
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        const HttpRequest request = data().requests().first();
        QCOMPARE(request.header("moru-sandbox-id"), QByteArray("i1"));
        QCOMPARE(request.header("moru-sandbox-port"), QByteArray("49983"));
        QCOMPARE(request.header("e2b-sandbox-id"), QByteArray("i1"));
        QCOMPARE(request.header("e2b-sandbox-port"), QByteArray("49983"));
        QCOMPARE(request.header("x-access-token"), QByteArray("secret"));
        QCOMPARE(request.header("content-type"), QByteArray("application/proto"));
        QCOMPARE(request.header("connect-protocol-version"), QByteArray("1"));
        QVERIFY(!request.headers.contains("x-api-key")); // the sandbox is not to know the key
        QVERIFY(!request.headers.contains("connect-timeout-ms"));
        QVERIFY(!request.headers.contains("authorization"));
    }

    void aPausedSandboxIsLeftAlone()
    {
        m_fixture->state = "paused";
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.arrived());
        QCOMPARE(list.error().kind, Kind::Conflict);
        QCOMPARE(data().requests().size(), 0);
        // Not remembered: after a resume the next call works.
        m_fixture->state = "running";
        m_fixture->answer("process.Process/List", process::ListResponse());
        Outcome<QList<ProcessInfo>> again;
        client().listProcesses(this, again.done());
        QTRY_VERIFY(again.ok());
    }

    void aFailedLookUpIsTold()
    {
        control().on("GET", "/sandboxes/i1", 404, json("{'code':404,'message':'gone'}"));
        Outcome<FileEntry> stat;
        client().stat(QStringLiteral("/x"), this, stat.done());
        QVERIFY(!stat.arrived());
        QTRY_VERIFY(stat.arrived());
        QCOMPARE(stat.error().kind, Kind::NotFound);
    }

    void anAbortWhileLookingUpIsSilent()
    {
        QPointer<HttpExchange> lookUp;
        control().on("GET", "/sandboxes/i1", [&lookUp](HttpExchange &e) { lookUp = &e; });
        Outcome<FileEntry> aborted;
        Outcome<FileEntry> other;
        Call call = client().stat(QStringLiteral("/x"), this, aborted.done());
        client().stat(QStringLiteral("/y"), this, other.done());
        QTRY_VERIFY(lookUp);
        call.abort();
        lookUp->answer(500, json("{'code':500,'message':'m'}"));
        QTRY_VERIFY(other.arrived());
        QCOMPARE(aborted.count(), 0);
    }

    void aContextThatDiesWhileLookingUpIsNotCalled()
    {
        QPointer<HttpExchange> lookUp;
        control().on("GET", "/sandboxes/i1", [&lookUp](HttpExchange &e) { lookUp = &e; });
        Outcome<FileEntry> dead;
        Outcome<FileEntry> other;
        auto context = std::make_unique<QObject>();
        client().stat(QStringLiteral("/x"), context.get(), dead.done());
        client().stat(QStringLiteral("/y"), this, other.done());
        QTRY_VERIFY(lookUp);
        context.reset();
        lookUp->answer(500, json("{'code':500,'message':'m'}"));
        QTRY_VERIFY(other.arrived());
        QCOMPARE(dead.count(), 0);
    }

    void theTargetIsLookedUpAgainAfterARefusal_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<Error::Kind>("kind");
        QTest::newRow("token") << 401 << json("{'code':401,'message':'m'}") << Kind::Unauthorized;
        QTest::newRow("gone") << 502 << json("{'code':502,'message':'The sandbox was not found'}")
                              << Kind::NotFound;
    }

    void theTargetIsLookedUpAgainAfterARefusal()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, body);
        QFETCH(const Error::Kind, kind);
        data().on("POST", "/filesystem.Filesystem/Stat", status, body);
        Outcome<FileEntry> refused;
        client().stat(QStringLiteral("/x"), this, refused.done());
        QTRY_VERIFY(refused.arrived());
        QCOMPARE(refused.error().kind, kind);
        QCOMPARE(control().requests().size(), 1);
        Outcome<FileEntry> again;
        client().stat(QStringLiteral("/x"), this, again.done());
        QTRY_VERIFY(again.arrived());
        QCOMPARE(control().requests().size(), 2);
    }

    void aMissingFileIsNoReasonToLookUpAgain()
    {
        m_fixture->refuse("filesystem.Filesystem/Stat", 404, "not_found");
        for (int i = 0; i < 2; ++i) {
            Outcome<FileEntry> missing;
            client().stat(QStringLiteral("/x"), this, missing.done());
            QTRY_VERIFY(missing.arrived());
            QCOMPARE(missing.error().kind, Kind::NotFound);
        }
        QCOMPARE(control().requests().size(), 1);
    }

    void withoutSharedUrlEachSandboxHasItsHost()
    {
        Endpoint endpoint = m_fixture->transport->endpoint();
        endpoint.sandboxUrl.clear();
        endpoint.domain = QStringLiteral("127.0.0.1.invalid:9");
        m_fixture->transport->setEndpoint(endpoint);
        Outcome<FileEntry> stat;
        client().stat(QStringLiteral("/x"), this, stat.done());
        QTRY_VERIFY_WITH_TIMEOUT(stat.arrived(), 20000);
        QCOMPARE(stat.error().kind, Kind::Network); // such a name never resolves
        QVERIFY2(
            stat.error().detail.contains(QLatin1String("https://49983-i1.127.0.0.1.invalid:9/")),
            qPrintable(stat.error().detail));
    }

    void anIdThatIsNoHostNameIsRefused()
    {
        control().on("GET", "/sandboxes/*", [](HttpExchange &e) {
            e.answer(200,
                     json("{'sandboxID':'x','templateID':'base','state':'running',"
                          "'startedAt':'2026-01-15T09:30:00Z','endAt':'2026-01-15T09:31:00Z'}"));
        });
        EnvdClient odd(*m_fixture->transport, *m_fixture->controlClient,
                       QStringLiteral("x.evil.example/"));
        Outcome<FileEntry> stat;
        odd.stat(QStringLiteral("/x"), this, stat.done());
        QTRY_VERIFY(stat.arrived());
        QCOMPARE(stat.error().kind, Kind::Invalid);
    }

    void theEndOfTheClientIsTold()
    {
        bool lookedUp = false;
        control().on("GET", "/sandboxes/i1", [&lookedUp](HttpExchange &) { lookedUp = true; });
        Outcome<FileEntry> stat;
        client().stat(QStringLiteral("/x"), this, stat.done());
        QTRY_VERIFY(lookedUp);
        m_fixture->client.reset();
        QCOMPARE(stat.count(), 0);
        QTRY_VERIFY(stat.arrived());
        QCOMPARE(stat.error().kind, Kind::Canceled);
    }

    // --- Processes ---

    void processesAreListedInOrder()
    {
        process::ListResponse response;
        for (const quint32 pid : {30U, 20U}) {
            auto &info = *response.add_processes();
            info.set_pid(pid);
            info.set_tag("t");
            info.mutable_config()->set_cmd("/bin/bash");
            info.mutable_config()->add_args("-l");
            (*info.mutable_config()->mutable_envs())["A"] = "B";
            info.mutable_config()->set_cwd("/tmp");
        }
        m_fixture->answer("process.Process/List", response);
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        QCOMPARE(list.value().size(), 2);
        const ProcessInfo first = list.value().first();
        QCOMPARE(first.pid, 20U);
        QCOMPARE(first.cmd, QStringLiteral("/bin/bash"));
        QCOMPARE(first.args, QStringList{QStringLiteral("-l")});
        QCOMPARE(first.envs.value(QStringLiteral("A")), QStringLiteral("B"));
        QCOMPARE(first.cwd, QStringLiteral("/tmp"));
    }

    void aSignalTellsWhetherTheProcessWasThere()
    {
        m_fixture->answer("process.Process/SendSignal", process::SendSignalResponse());
        Outcome<bool> sent;
        client().signalProcess(7, EnvdClient::Signal::Kill, this, sent.done());
        QTRY_VERIFY(sent.ok());
        QVERIFY(sent.value());
        process::SendSignalRequest request;
        const QByteArray body = data().last("/process.Process/SendSignal").body;
        QVERIFY(request.ParseFromArray(body.constData(), int(body.size())));
        QCOMPARE(request.process().pid(), 7U);
        QCOMPARE(request.signal(), process::SIGNAL_SIGKILL);

        m_fixture->refuse("process.Process/SendSignal", 404, "not_found");
        Outcome<bool> gone;
        client().signalProcess(7, EnvdClient::Signal::Terminate, this, gone.done());
        QTRY_VERIFY(gone.ok());
        QVERIFY(!gone.value());

        data().on("POST", "/process.Process/SendSignal", 502,
                  json("{'code':502,'message':'The sandbox was not found'}"));
        Outcome<bool> sandboxGone;
        client().signalProcess(7, EnvdClient::Signal::Terminate, this, sandboxGone.done());
        QTRY_VERIFY(sandboxGone.arrived());
        QVERIFY(!sandboxGone.ok());
    }

    // --- Files ---

    void entriesAreRead()
    {
        filesystem::StatResponse response;
        *response.mutable_entry() = entry();
        m_fixture->answer("filesystem.Filesystem/Stat", response);
        Outcome<FileEntry> stat;
        client().stat(QStringLiteral("a.txt"), this, stat.done());
        QTRY_VERIFY(stat.ok());
        const FileEntry &file = stat.value();
        QCOMPARE(file.name, QStringLiteral("a.txt"));
        QCOMPARE(file.path, QStringLiteral("/home/user/a.txt"));
        QCOMPARE(file.type, FileType::File);
        QCOMPARE(file.size, 5'000'000'000);
        QCOMPARE(file.mode, 0644U);
        QCOMPARE(file.permissions, QStringLiteral("-rw-r--r--"));
        QCOMPARE(file.owner, QStringLiteral("user"));
        QCOMPARE(file.group, QStringLiteral("staff"));
        QCOMPARE(file.modified, QDateTime({2026, 1, 15}, {9, 30, 0, 250}, QTimeZone::utc()));
        QVERIFY(!file.isSymlink);
    }

    void aHugeFolderIsReadAsideAndCanBeAborted()
    {
        filesystem::ListDirResponse response;
        constexpr int many = 3000;
        for (int i = 0; i < many; ++i) {
            auto *made = response.add_entries();
            *made = entry();
            made->set_name("f" + std::to_string(i));
        }
        m_fixture->answer("filesystem.Filesystem/ListDir", response);
        Outcome<QList<FileEntry>> aborted;
        Call call = client().listDir(QStringLiteral("/x"), this, aborted.done());
        Outcome<QList<FileEntry>> list;
        client().listDir(QStringLiteral("/x"), this, list.done());
        auto context = std::make_unique<QObject>();
        Outcome<QList<FileEntry>> dead;
        client().listDir(QStringLiteral("/x"), context.get(), dead.done());
        QTRY_COMPARE(data().count("POST", "/filesystem.Filesystem/ListDir"), 3);
        call.abort();
        context.reset();
        QTRY_VERIFY(list.ok());
        QCOMPARE(list.value().size(), many);
        QCOMPARE(list.value().last().name, QStringLiteral("f2999"));
        QCOMPARE(list.count(), 1);
        QCOMPARE(aborted.count() + dead.count(), 0);

        data().on("POST", "/filesystem.Filesystem/ListDir", [](HttpExchange &e) {
            e.answer(200, QByteArray(200'000, '\xff'), "application/proto");
        });
        Outcome<QList<FileEntry>> damaged;
        client().listDir(QStringLiteral("/x"), this, damaged.done());
        QTRY_VERIFY(damaged.arrived());
        QCOMPARE(damaged.error().kind, Kind::Protocol);
    }

    void aPauseElsewhereIsSeenByLookingAgain()
    {
        m_fixture->answer("process.Process/List", process::ListResponse());
        Outcome<QList<ProcessInfo>> before;
        client().listProcesses(this, before.done());
        QTRY_VERIFY(before.ok());
        const auto sent = data().requests().size();
        m_fixture->state = "paused";
        client().lookAgain();
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.arrived());
        QVERIFY(EnvdClient::isPaused(list.error()));
        QCOMPARE(data().requests().size(), sent);
    }

    void nothingIsSentWhileHeld()
    {
        m_fixture->answer("process.Process/List", process::ListResponse());
        Outcome<QList<ProcessInfo>> before;
        client().listProcesses(this, before.done());
        QTRY_VERIFY(before.ok());
        const auto sent = data().requests().size();
        client().hold();
        Outcome<QList<ProcessInfo>> held;
        client().listProcesses(this, held.done());
        QCOMPARE(held.count(), 0); // never before the call has returned
        QTRY_VERIFY(held.arrived());
        QVERIFY(EnvdClient::isPaused(held.error()));
        // A look-up under way when the hold begins does not lead on to the sandbox either.
        client().release();
        client().closeStreams(); // forgets the target
        QPointer<HttpExchange> lookUp;
        control().on("GET", "/sandboxes/i1", [&lookUp](HttpExchange &e) { lookUp = &e; });
        Outcome<QList<ProcessInfo>> between;
        client().listProcesses(this, between.done());
        QTRY_VERIFY(lookUp);
        client().hold();
        lookUp->answer(200, json("{'sandboxID':'i1','templateID':'base','state':'running',"
                                 "'startedAt':'2026-01-15T09:30:00Z',"
                                 "'endAt':'2026-01-15T09:31:00Z'}"));
        QTRY_VERIFY(between.arrived());
        QVERIFY(EnvdClient::isPaused(between.error()));
        QCOMPARE(data().requests().size(), sent);
    }

    void linksAndOddThingsAreTold()
    {
        filesystem::ListDirResponse response;
        auto *link = response.add_entries();
        *link = entry();
        link->set_symlink_target("/etc/hosts");
        auto *broken = response.add_entries();
        *broken = entry();
        broken->set_type(filesystem::FILE_TYPE_UNSPECIFIED);
        broken->set_permissions("Lrwxrwxrwx");
        auto *folder = response.add_entries();
        *folder = entry();
        folder->set_type(filesystem::FILE_TYPE_DIRECTORY);
        m_fixture->answer("filesystem.Filesystem/ListDir", response);
        Outcome<QList<FileEntry>> list;
        client().listDir(QStringLiteral("/x"), this, list.done());
        QTRY_VERIFY(list.ok());
        QCOMPARE(list.value().at(0).symlinkTarget, QStringLiteral("/etc/hosts"));
        QVERIFY(list.value().at(0).isSymlink);
        QCOMPARE(list.value().at(1).type, FileType::Other);
        QVERIFY(list.value().at(1).isSymlink);
        QCOMPARE(list.value().at(2).type, FileType::Directory);
        filesystem::ListDirRequest request;
        const QByteArray body = data().last("/filesystem.Filesystem/ListDir").body;
        QVERIFY(request.ParseFromArray(body.constData(), int(body.size())));
        QCOMPARE(request.depth(), 1U);
    }

    void filesAreMadeMovedAndRemoved()
    {
        filesystem::MoveResponse moved;
        *moved.mutable_entry() = entry();
        m_fixture->answer("filesystem.Filesystem/Move", moved);
        m_fixture->answer("filesystem.Filesystem/Remove", filesystem::RemoveResponse());
        m_fixture->refuse("filesystem.Filesystem/MakeDir", 409, "already_exists");
        Outcome<FileEntry> move;
        Outcome<> remove;
        Outcome<FileEntry> make;
        client().move(QStringLiteral("a"), QStringLiteral("b"), this, move.done());
        client().remove(QStringLiteral("a"), this, remove.done());
        client().makeDir(QStringLiteral("d"), this, make.done());
        QTRY_VERIFY(move.ok() && remove.ok() && make.arrived());
        QCOMPARE(make.error().kind, Kind::Conflict);
        filesystem::MoveRequest request;
        const QByteArray body = data().last("/filesystem.Filesystem/Move").body;
        QVERIFY(request.ParseFromArray(body.constData(), int(body.size())));
        QCOMPARE(request.source(), "a");
        QCOMPARE(request.destination(), "b");
    }

    void aDamagedAnswerIsProtocol_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<QByteArray>("type");
        filesystem::StatResponse response;
        *response.mutable_entry() = entry();
        const QByteArray good = envd::bytes(response);
        QTest::newRow("truncated") << good.chopped(3) << QByteArray("application/proto");
        QTest::newRow("without entry") << QByteArray() << QByteArray("application/proto");
        QTest::newRow("web page") << QByteArray("<html></html>") << QByteArray("text/html");
        QTest::newRow("other codec") << QByteArray("{}") << QByteArray("application/json");
    }

    void aDamagedAnswerIsProtocol()
    {
        QFETCH(const QByteArray, body);
        QFETCH(const QByteArray, type);
        data().on("POST", "/filesystem.Filesystem/Stat",
                  [=](HttpExchange &e) { e.answer(200, body, type); });
        Outcome<FileEntry> stat;
        client().stat(QStringLiteral("/x"), this, stat.done());
        QTRY_VERIFY(stat.arrived());
        QCOMPARE(stat.error().kind, Kind::Protocol);
    }

    void readsAreRetriedAndChangesAreNot()
    {
        m_fixture->refuse("filesystem.Filesystem/Stat", 503, "unavailable");
        m_fixture->refuse("filesystem.Filesystem/Remove", 503, "unavailable");
        Outcome<FileEntry> stat;
        Outcome<> remove;
        client().stat(QStringLiteral("/x"), this, stat.done());
        client().remove(QStringLiteral("/x"), this, remove.done());
        QTRY_VERIFY(stat.arrived() && remove.arrived());
        QCOMPARE(data().count("POST", "/filesystem.Filesystem/Stat"), 3);
        QCOMPARE(data().count("POST", "/filesystem.Filesystem/Remove"), 1);
    }
};

QTEST_GUILESS_MAIN(EnvdClientTest)
#include "tst_envdclient.moc"
