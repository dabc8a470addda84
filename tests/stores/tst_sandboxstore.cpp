// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/sandboxstore.h"

#include "tests/stores/fleetserver.h"
#include "tests/support/outcome.h"

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>

#include <algorithm>

using namespace moru;
using namespace moru::test;
using namespace std::chrono_literals;
using StoreOutcome = SandboxStore::Outcome;

namespace {

ConnectionSpec specFor(const QUrl &url)
{
    ConnectionSpec spec;
    spec.id = QStringLiteral("test");
    spec.endpoint.apiUrl = url;
    spec.endpoint.sandboxUrl = url;
    return spec;
}

SandboxStore::Pace quick()
{
    return {20ms, 20ms, 60ms, 150ms, 20ms, 20ms, 100ms};
}

/// A fleet, and a store that looks at it in a hurry.
struct Bench {
    Bench()
        : connection(specFor(server.url()))
        , store(std::make_unique<SandboxStore>(connection))
    {
        connection.transport().setApiKey(QStringLiteral("moru_key"));
        Transport::Limits limits;
        limits.retryBaseMs = 2;
        limits.unaryMs = 20'000;
        connection.transport().setLimits(limits);
        store->setPace(quick());
    }

    void addMany(int count)
    {
        for (int i = 0; i < count; ++i)
            server.add(QStringLiteral("i%1").arg(i, 4, 10, QLatin1Char('0')));
    }
    [[nodiscard]] QStringList ids() const
    {
        QStringList ids;
        for (int i = 0; i < store->count(); ++i)
            ids.append(store->at(i).sandbox.id);
        return ids;
    }
    [[nodiscard]] const SandboxRow *row(const QString &id) const
    {
        const int index = store->indexOf(id);
        return index < 0 ? nullptr : &store->at(index);
    }
    [[nodiscard]] qsizetype asked(const QString &line) const { return server.log.count(line); }
    /// Starts and waits for the first good sweep.
    [[nodiscard]] bool fill()
    {
        store->start();
        return QTest::qWaitFor([this] { return store->phase() == SandboxStore::Phase::Ready; },
                               20'000);
    }
    /// At least one whole sweep from here on has ended.
    [[nodiscard]] bool sweepOnce()
    {
        QSignalSpy swept(store.get(), &SandboxStore::swept);
        return QTest::qWaitFor([&swept] { return swept.size() >= 2; }, 20'000);
    }

    FleetServer server;
    Connection connection;
    std::unique_ptr<SandboxStore> store;
    QObject context;
};

const QString id0 = QStringLiteral("i0000");
const QString id1 = QStringLiteral("i0001");

} // namespace

class TestSandboxStore : public QObject {
    Q_OBJECT
private slots:
    void allPagesBecomeRows();
    void anUnchangedFleetAnnouncesNothing();
    void changesAndNewcomersAreAnnouncedByIndex();
    void aSandboxOnTwoPagesIsOneRow();
    void missingInAListIsGoneOnlyAfter404();
    void manyMissingAreGoneAfterTwoSweeps();
    void movingBetweenPagesKeepsTheRow();
    void faultsKeepTheLastGoodData_data();
    void faultsKeepTheLastGoodData();
    void failureInTheMiddleOfASweepRemovesNothing();
    void pagesThatGoRoundInCirclesEnd();
    void pagesThatNeverEndAreBounded();
    void anEngineThatDiesAndReturns();
    void retryAfterIsHonoured();
    void refreshDoesNotWaitForBackOff();
    void hiddenPollsSlowerAndAsksNoMetrics();
    void metricsAreAskedForVisibleRunningRowsOnly();
    void stopEndsPollingAndKeepsRows();
    void killedRowsLeaveAtOnce();
    void killOfAnUnknownIdIsAlreadyGone();
    void killWhoseAnswerIsLostIsLookedUp();
    void killWithoutAListIsLookedUpToo();
    void refusedKillLeavesTheRow();
    void aLateListDoesNotBringAKilledRowBack();
    void aLateListDoesNotUndoAPause();
    void pauseAndResume();
    void pauseOfAPausedOneIsAlreadyInState();
    void pauseWhoseAnswerIsLostIsReadAgain();
    void pauseThatNeverHappensReportsTheTimeOut();
    void extendNeverShortens();
    void extendOfAPausedOneIsAConflict();
    void createdRowsAppearAtOnce();
    void refusedCreateAddsNothing();
    void onTimeoutIsToldWhereKnown();
    void aDeadContextGetsNothing();
    void aStoreMayDieInTheMiddle();
};

void TestSandboxStore::allPagesBecomeRows()
{
    Bench bench;
    bench.addMany(250);
    QCOMPARE(bench.store->phase(), SandboxStore::Phase::Idle);
    QVERIFY(!bench.store->lastUpdated().isValid());
    QVERIFY(bench.fill());
    QCOMPARE(bench.store->count(), 250);
    QCOMPARE(bench.store->indexOf(QStringLiteral("i0249")), 249);
    QCOMPARE(bench.store->indexOf(QStringLiteral("other")), -1);
    QVERIFY(bench.store->lastUpdated().isValid());
    QCOMPARE(bench.row(id0)->sandbox.memoryMiB, 1024);
    QVERIFY(qAbs(bench.store->serverNow().secsTo(QDateTime::currentDateTimeUtc())) < 5);
}

void TestSandboxStore::anUnchangedFleetAnnouncesNothing()
{
    Bench bench;
    bench.addMany(120);
    QVERIFY(bench.fill());
    QSignalSpy inserted(bench.store.get(), &SandboxStore::rowsInserted);
    QSignalSpy removed(bench.store.get(), &SandboxStore::rowsRemoved);
    QSignalSpy changed(bench.store.get(), &SandboxStore::rowsChanged);
    QSignalSpy phase(bench.store.get(), &SandboxStore::phaseChanged);
    const SandboxRow *address = bench.row(id1);
    QVERIFY(bench.sweepOnce());
    QVERIFY(bench.sweepOnce());
    QCOMPARE(inserted.size() + removed.size() + changed.size() + phase.size(), 0);
    QCOMPARE(bench.row(id1), address);
}

void TestSandboxStore::changesAndNewcomersAreAnnouncedByIndex()
{
    Bench bench;
    bench.addMany(120);
    QVERIFY(bench.fill());
    QSignalSpy inserted(bench.store.get(), &SandboxStore::rowsInserted);
    std::vector<int> changes;
    connect(bench.store.get(), &SandboxStore::rowsChanged, this,
            [&changes](const std::vector<int> &indexes) {
                QVERIFY(std::is_sorted(indexes.begin(), indexes.end()));
                changes.insert(changes.end(), indexes.begin(), indexes.end());
            });
    bench.server.find(QStringLiteral("i0117"))->endAt = QDateTime::currentDateTimeUtc().addDays(1);
    bench.server.find(QStringLiteral("i0003"))
        ->metadata.insert(QStringLiteral("a"), QStringLiteral("b"));
    // Newer sandboxes come first in the list, but last among the rows.
    FleetServer::Item fresh = bench.server.fleet.first();
    fresh.id = QStringLiteral("fresh");
    bench.server.fleet.prepend(fresh);
    QTRY_COMPARE(bench.store->count(), 121);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(changes, (std::vector<int>{3, 117}));
    QCOMPARE(inserted.size(), 1);
    QCOMPARE(inserted[0][0].toInt(), 120);
    QCOMPARE(bench.ids().last(), QStringLiteral("fresh"));
    QCOMPARE(bench.row(QStringLiteral("i0003"))->sandbox.metadata.value(QStringLiteral("a")),
             QStringLiteral("b"));
}

void TestSandboxStore::aSandboxOnTwoPagesIsOneRow()
{
    Bench bench;
    bench.addMany(3);
    bench.server.pageSize = 2;
    bench.server.fleet.append(bench.server.fleet.first()); // moved while pages were read
    bench.server.fleet.last().paused = true;
    QVERIFY(bench.fill());
    QCOMPARE(bench.store->count(), 3);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
}

void TestSandboxStore::missingInAListIsGoneOnlyAfter404()
{
    Bench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    QSignalSpy ended(bench.store.get(), &SandboxStore::sandboxEnded);
    bench.server.find(id1)->listed = false;
    bench.server.find(id1)->paused = true;
    QTRY_VERIFY(bench.asked(QStringLiteral("GET /sandboxes/i0001")) > 0);
    QTRY_COMPARE(bench.row(id1)->sandbox.state,
                 SandboxState::Paused); // the look is worth something
    const qsizetype looks = bench.asked(QStringLiteral("GET /sandboxes/i0001"));
    QVERIFY(bench.sweepOnce());
    QVERIFY(bench.asked(QStringLiteral("GET /sandboxes/i0001")) <= looks + 1); // not at every sweep
    QCOMPARE(bench.store->count(), 3);
    bench.server.drop(id1);
    QTRY_COMPARE(bench.store->count(), 2);
    QCOMPARE(ended.size(), 1);
    QCOMPARE(ended[0][0].toString(), id1);
    QCOMPARE(ended[0][1].toBool(), false);
}

void TestSandboxStore::manyMissingAreGoneAfterTwoSweeps()
{
    Bench bench;
    bench.addMany(200);
    QVERIFY(bench.fill());
    QSignalSpy ended(bench.store.get(), &SandboxStore::sandboxEnded);
    bench.server.fleet.removeIf(
        [](const FleetServer::Item &item) { return item.id.back().digitValue() % 2 == 0; });
    QTRY_COMPARE(bench.store->count(), 100);
    QCOMPARE(ended.size(), 100);
    QVERIFY(std::none_of(bench.server.log.begin(), bench.server.log.end(), [](const QString &line) {
        return line.startsWith(QLatin1String("GET /sandboxes/i"));
    }));
    QCOMPARE(bench.store->indexOf(QStringLiteral("i0199")), 99);
    QCOMPARE(bench.store->indexOf(QStringLiteral("i0198")), -1);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 100);
}

void TestSandboxStore::movingBetweenPagesKeepsTheRow()
{
    Bench bench;
    bench.addMany(60);
    bench.server.pageSize = 20;
    QVERIFY(bench.fill());
    QSignalSpy removed(bench.store.get(), &SandboxStore::rowsRemoved);
    // All of them are missing in one sweep and back in the next.
    int sweeps = 0;
    bench.server.intercept =
        [&sweeps](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.path == "/v2/sandboxes" && request.parameter("nextToken").isEmpty()
            && ++sweeps == 1)
            return FleetServer::Answer{200, "[]", {}};
        return {};
    };
    QTRY_VERIFY(sweeps > 3);
    QCOMPARE(bench.store->count(), 60);
    QCOMPARE(removed.size(), 0);
}

void TestSandboxStore::faultsKeepTheLastGoodData_data()
{
    QTest::addColumn<int>("status");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<Error::Kind>("kind");
    const QByteArray told = FleetServer::error(1).body;
    QTest::newRow("401") << 401 << told << Error::Kind::Unauthorized;
    QTest::newRow("429") << 429 << told << Error::Kind::RateLimited;
    QTest::newRow("500") << 500 << told << Error::Kind::Server;
    QTest::newRow("502 as HTML") << 502 << QByteArray("<html>bad</html>") << Error::Kind::Server;
    QTest::newRow("empty body") << 200 << QByteArray() << Error::Kind::Protocol;
    QTest::newRow("truncated") << 200 << QByteArray("[{\"sandboxID\":\"i0")
                               << Error::Kind::Protocol;
    QTest::newRow("not a list") << 200 << QByteArray("{}") << Error::Kind::Protocol;
    QTest::newRow("cut") << 0 << QByteArray() << Error::Kind::Network;
}

void TestSandboxStore::faultsKeepTheLastGoodData()
{
    QFETCH(int, status);
    QFETCH(QByteArray, body);
    QFETCH(Error::Kind, kind);
    Bench bench;
    bench.addMany(5);
    const auto faulty = [=](const FleetServer::Request &) {
        FleetServer::Answer answer{status, body, {}};
        answer.cut = status == 0;
        return std::optional(answer);
    };
    bench.server.intercept = faulty;
    bench.store->start();
    QCOMPARE(bench.store->phase(), SandboxStore::Phase::Loading);
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Failed);
    QCOMPARE(bench.store->lastError().kind, kind);
    QVERIFY(!bench.store->lastError().message.isEmpty());
    QCOMPARE(bench.store->count(), 0);

    bench.server.intercept = {};
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Ready); // by itself
    QCOMPARE(bench.store->count(), 5);
    const QDateTime updated = bench.store->lastUpdated();

    bench.server.intercept = faulty;
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Stale);
    QCOMPARE(bench.store->lastError().kind, kind);
    QCOMPARE(bench.store->count(), 5);
    QVERIFY(bench.store->lastUpdated() >= updated);

    bench.server.intercept = {};
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Ready);
    QCOMPARE(bench.store->count(), 5);
}

void TestSandboxStore::failureInTheMiddleOfASweepRemovesNothing()
{
    Bench bench;
    bench.addMany(250);
    QVERIFY(bench.fill());
    bench.server.intercept = [](const FleetServer::Request &request) {
        return request.parameter("nextToken") == "100" ? std::optional(FleetServer::error(500))
                                                       : std::nullopt;
    };
    bench.server.find(id0)->paused = true;
    bench.server.drop(QStringLiteral("i0249"));
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Stale);
    QCOMPARE(bench.store->lastError().kind, Error::Kind::Server);
    QTRY_COMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused); // what was told is true
    QCOMPARE(bench.store->count(), 250);
}

void TestSandboxStore::pagesThatGoRoundInCirclesEnd()
{
    Bench bench;
    bench.addMany(3);
    bench.server.intercept =
        [&bench](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.path != "/v2/sandboxes")
            return {};
        FleetServer::Answer answer = bench.server.serve(request);
        const QByteArray token = request.parameter("nextToken");
        answer.body = token.isEmpty() ? answer.body : QByteArray("[]");
        answer.headers = {{"X-Next-Token", token == "1" ? "2" : "1"}};
        return answer;
    };
    bench.store->start();
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Stale); // rows, but never a whole list
    QCOMPARE(bench.store->lastError().kind, Error::Kind::Protocol);
    QCOMPARE(bench.store->count(), 3);
    QVERIFY(bench.asked(QStringLiteral("GET /v2/sandboxes")) <= 12);
}

void TestSandboxStore::pagesThatNeverEndAreBounded()
{
    Bench bench;
    int served = 0;
    bench.server.intercept = [&served](const FleetServer::Request &) {
        FleetServer::Answer answer{200, "[]", {}};
        answer.headers = {{"X-Next-Token", QByteArray::number(++served)}};
        return std::optional(answer);
    };
    bench.store->start();
    QTRY_COMPARE_WITH_TIMEOUT(bench.store->phase(), SandboxStore::Phase::Failed, 60'000);
    QCOMPARE(bench.store->lastError().kind, Error::Kind::Protocol);
    bench.store->stop();
    QVERIFY(served >= 2000);
    QVERIFY(served < 4000);
}

void TestSandboxStore::anEngineThatDiesAndReturns()
{
    Bench bench;
    bench.addMany(5);
    QVERIFY(bench.fill());
    QSignalSpy removed(bench.store.get(), &SandboxStore::rowsRemoved);
    bench.server.shut();
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Stale);
    const QDateTime updated = bench.store->lastUpdated();
    QVERIFY(updated.isValid());
    QCOMPARE(bench.store->lastError().kind, Error::Kind::Network);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->lastUpdated(), updated);
    QCOMPARE(bench.store->count(), 5);
    bench.server.listen();
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Ready);
    QVERIFY(bench.store->lastUpdated() > updated);
    QCOMPARE(removed.size(), 0);
}

void TestSandboxStore::retryAfterIsHonoured()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    QElapsedTimer since;
    qint64 pause = 0;
    int asked = 0;
    bench.server.intercept =
        [&](const FleetServer::Request &) -> std::optional<FleetServer::Answer> {
        if (++asked == 1) {
            since.start();
            FleetServer::Answer answer = FleetServer::error(429);
            answer.headers = {{"Retry-After", "15"}}; // longer than the transport waits by itself
            return answer;
        }
        pause = since.elapsed();
        return {};
    };
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Stale);
    QCOMPARE(bench.store->lastError().kind, Error::Kind::RateLimited);
    QCOMPARE(bench.store->lastError().retryAfterSeconds, 15);
    // Twenty times the longest back-off passes without a request.
    QVERIFY(!QTest::qWaitFor([&asked] { return asked > 1; }, 3000));
    QTRY_COMPARE_WITH_TIMEOUT(bench.store->phase(), SandboxStore::Phase::Ready, 30'000);
    QVERIFY2(pause >= 14'000, qPrintable(QString::number(pause)));
}

void TestSandboxStore::refreshDoesNotWaitForBackOff()
{
    Bench bench;
    SandboxStore::Pace slow = quick();
    slow.loopback = 60s;
    slow.longest = 600s;
    bench.store->setPace(slow);
    bench.addMany(1);
    bench.server.intercept = [](const FleetServer::Request &) {
        return std::optional(FleetServer::error(500));
    };
    bench.store->start();
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Failed);
    bench.server.intercept = {};
    bench.store->refresh();
    QTRY_COMPARE(bench.store->phase(), SandboxStore::Phase::Ready);
}

void TestSandboxStore::hiddenPollsSlowerAndAsksNoMetrics()
{
    Bench bench;
    SandboxStore::Pace pace = quick();
    pace.hidden = 600s;
    bench.store->setPace(pace);
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.store->setVisibleIds({id0});
    QTRY_VERIFY(bench.asked(QStringLiteral("GET /sandboxes/metrics")) > 0);
    bench.store->setHidden(true);
    QSignalSpy swept(bench.store.get(), &SandboxStore::swept);
    swept.wait(200); // one that was under way
    bench.server.log.clear();
    QVERIFY(!QTest::qWaitFor([&bench] { return !bench.server.log.isEmpty(); }, 500));
    bench.store->setHidden(false);
    QTRY_VERIFY(bench.asked(QStringLiteral("GET /v2/sandboxes")) > 0);
    QTRY_VERIFY(bench.asked(QStringLiteral("GET /sandboxes/metrics")) > 0);
}

void TestSandboxStore::metricsAreAskedForVisibleRunningRowsOnly()
{
    Bench bench;
    bench.addMany(4);
    bench.server.find(id1)->paused = true;
    const QString id2 = QStringLiteral("i0002");
    bench.server.cpu = {{id0, 12.5}, {id1, 50}, {id2, 70}};
    QVERIFY(bench.fill());
    bench.store->setVisibleIds({id0, id1, QStringLiteral("i0003"), QStringLiteral("unknown")});
    QTRY_VERIFY(bench.row(id0)->metric.has_value());
    QCOMPARE(bench.row(id0)->metric->cpuUsedPercent, 12.5);
    QVERIFY(!bench.row(id1)->metric);
    QVERIFY(!bench.row(id2)->metric);
    QVERIFY(!bench.row(QStringLiteral("i0003"))->metric);
    for (const FleetServer::Request &request : std::as_const(bench.server.requests)) {
        if (request.path == "/sandboxes/metrics")
            QCOMPARE(request.parameter("sandbox_ids"), QByteArray("i0000,i0003"));
    }
    bench.server.cpu[id0] = 99;
    QTRY_COMPARE(bench.row(id0)->metric->cpuUsedPercent, 99.0);
    bench.server.find(id0)->paused = true;
    QTRY_VERIFY(!bench.row(id0)->metric); // what a paused one used last says nothing
}

void TestSandboxStore::stopEndsPollingAndKeepsRows()
{
    Bench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    bench.store->stop();
    QCOMPARE(bench.store->phase(), SandboxStore::Phase::Idle);
    QCOMPARE(bench.store->count(), 2);
    QTest::qWait(30); // a request that had been sent
    bench.server.log.clear();
    bench.store->refresh();
    QVERIFY(!QTest::qWaitFor([&bench] { return !bench.server.log.isEmpty(); }, 300));
    bench.server.drop(id1);
    bench.store->start();
    QTRY_COMPARE(bench.ids(), QStringList{id0});
}

void TestSandboxStore::killedRowsLeaveAtOnce()
{
    Bench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    QSignalSpy ended(bench.store.get(), &SandboxStore::sandboxEnded);
    Outcome<StoreOutcome> killed;
    bench.store->kill(id1, &bench.context, killed.done());
    QVERIFY(!killed.arrived());
    QCOMPARE(bench.row(id1)->pending, PendingAction::Killing);
    QTRY_VERIFY(killed.arrived());
    QCOMPARE(killed.value(), StoreOutcome::Done);
    QCOMPARE(bench.row(id1), nullptr);
    QCOMPARE(ended.size(), 1);
    QCOMPARE(ended[0][1].toBool(), true);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 2);
    QCOMPARE(ended.size(), 1);
    QCOMPARE(killed.count(), 1);
}

void TestSandboxStore::killOfAnUnknownIdIsAlreadyGone()
{
    Bench bench;
    Outcome<StoreOutcome> killed;
    bench.store->kill(QStringLiteral("inobody"), &bench.context, killed.done());
    QTRY_VERIFY(killed.arrived());
    QVERIFY(killed.ok());
    QCOMPARE(killed.value(), StoreOutcome::AlreadyGone);
}

void TestSandboxStore::killWhoseAnswerIsLostIsLookedUp()
{
    Bench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    bench.server.intercept =
        [&bench](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method != "DELETE")
            return {};
        FleetServer::Answer answer = bench.server.serve(request);
        answer.cut = true;
        return answer;
    };
    Outcome<StoreOutcome> killed;
    bench.store->kill(id0, &bench.context, killed.done());
    QTRY_VERIFY(killed.arrived());
    QVERIFY(killed.ok());
    QCOMPARE(killed.value(), StoreOutcome::Done);
    QCOMPARE(bench.row(id0), nullptr);

    // Lost before it was carried out: it still lives, and that is said.
    bench.server.intercept = [](const FleetServer::Request &request) {
        FleetServer::Answer answer;
        answer.cut = true;
        return request.method == "DELETE" ? std::optional(answer) : std::nullopt;
    };
    Outcome<StoreOutcome> failed;
    bench.store->kill(id1, &bench.context, failed.done());
    QTRY_VERIFY(failed.arrived());
    QVERIFY(!failed.ok());
    QCOMPARE(failed.error().kind, Error::Kind::Network);
    QCOMPARE(bench.row(id1)->pending, PendingAction::None);
    QCOMPARE(bench.server.log.count(QStringLiteral("DELETE /sandboxes/") + id1), 1);
}

void TestSandboxStore::killWithoutAListIsLookedUpToo()
{
    Bench bench;
    bench.addMany(2);
    ControlClient &control = bench.connection.control();
    bool carryOut = true;
    bench.server.intercept =
        [&](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method != "DELETE")
            return {};
        FleetServer::Answer answer;
        if (carryOut)
            answer = bench.server.serve(request);
        answer.cut = true;
        return answer;
    };
    Outcome<StoreOutcome> killed;
    SandboxStore::killUnlisted(control, id0, &bench.context, killed.done());
    QTRY_VERIFY(killed.ok());
    QCOMPARE(killed.value(), StoreOutcome::Done); // by this request, not "already terminated"
    carryOut = false;
    Outcome<StoreOutcome> failed;
    SandboxStore::killUnlisted(control, id1, &bench.context, failed.done());
    QTRY_VERIFY(failed.arrived());
    QCOMPARE(failed.error().kind, Error::Kind::Network);
    for (const QString &id : {id0, id1})
        QCOMPARE(bench.server.log.count(QStringLiteral("DELETE /sandboxes/") + id), 1);
    bench.server.intercept = nullptr;
    Outcome<StoreOutcome> gone;
    SandboxStore::killUnlisted(control, id0, &bench.context, gone.done());
    QTRY_VERIFY(gone.ok());
    QCOMPARE(gone.value(), StoreOutcome::AlreadyGone);
}

void TestSandboxStore::refusedKillLeavesTheRow()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.server.intercept = [](const FleetServer::Request &request) {
        return request.method == "DELETE" ? std::optional(FleetServer::error(500)) : std::nullopt;
    };
    Outcome<StoreOutcome> killed;
    bench.store->kill(id0, &bench.context, killed.done());
    QTRY_VERIFY(killed.arrived());
    QCOMPARE(killed.error().kind, Error::Kind::Server);
    QCOMPARE(bench.row(id0)->pending, PendingAction::None);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 1);
}

void TestSandboxStore::aLateListDoesNotBringAKilledRowBack()
{
    Bench bench;
    bench.addMany(3);
    QVERIFY(bench.fill());
    bench.server.intercept =
        [&bench](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.path != "/v2/sandboxes")
            return {};
        FleetServer::Answer answer = bench.server.serve(request); // as of now, told later
        answer.hold = true;
        return answer;
    };
    QTRY_COMPARE(bench.server.heldCount(), 1);
    QSignalSpy inserted(bench.store.get(), &SandboxStore::rowsInserted);
    Outcome<StoreOutcome> killed;
    bench.store->kill(id1, &bench.context, killed.done());
    QTRY_VERIFY(killed.arrived());
    QCOMPARE(bench.store->count(), 2);
    bench.server.intercept = {};
    bench.server.release(false);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 2);
    QCOMPARE(inserted.size(), 0);
}

void TestSandboxStore::aLateListDoesNotUndoAPause()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.server.find(id0)->metadata.insert(QStringLiteral("other"), QStringLiteral("bytes"));
    bench.server.intercept =
        [&bench](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.path != "/v2/sandboxes")
            return {};
        FleetServer::Answer answer = bench.server.serve(request);
        answer.hold = true;
        return answer;
    };
    QTRY_COMPARE(bench.server.heldCount(), 1);
    Outcome<StoreOutcome> paused;
    bench.store->pause(id0, &bench.context, paused.done());
    QTRY_VERIFY(paused.arrived());
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
    bool ranAgain = false;
    connect(bench.store.get(), &SandboxStore::rowsChanged, this,
            [&] { ranAgain = ranAgain || bench.row(id0)->sandbox.state == SandboxState::Running; });
    bench.server.intercept = {};
    bench.server.release(false);
    QVERIFY(bench.sweepOnce());
    QVERIFY(!ranAgain);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
    // The next sweep is believed again.
    bench.server.find(id0)->paused = false;
    QTRY_COMPARE(bench.row(id0)->sandbox.state, SandboxState::Running);
}

void TestSandboxStore::pauseAndResume()
{
    Bench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    Outcome<StoreOutcome> paused;
    bench.store->pause(id0, &bench.context, paused.done());
    QCOMPARE(bench.row(id0)->pending, PendingAction::Pausing);
    QTRY_VERIFY(paused.arrived());
    QCOMPARE(paused.value(), StoreOutcome::Done);
    QCOMPARE(bench.row(id0)->pending, PendingAction::None);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
    Outcome<StoreOutcome> resumed;
    bench.store->resume(id0, 1200, &bench.context, resumed.done());
    QCOMPARE(bench.row(id0)->pending, PendingAction::Resuming);
    QTRY_VERIFY(resumed.arrived());
    QCOMPARE(resumed.value(), StoreOutcome::Done);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Running);
    QVERIFY(bench.store->serverNow().secsTo(bench.row(id0)->sandbox.endAt) > 1100);
    Outcome<StoreOutcome> again;
    bench.store->resume(id0, 10, &bench.context, again.done());
    QTRY_VERIFY(again.arrived());
    QCOMPARE(again.value(), StoreOutcome::AlreadyInState);
    QVERIFY(bench.sweepOnce());
    QVERIFY(bench.store->serverNow().secsTo(bench.row(id0)->sandbox.endAt) > 1100);
    Outcome<StoreOutcome> unknown;
    bench.store->resume(QStringLiteral("inobody"), 10, &bench.context, unknown.done());
    QTRY_VERIFY(unknown.arrived());
    QCOMPARE(unknown.error().kind, Error::Kind::NotFound);
}

void TestSandboxStore::pauseOfAPausedOneIsAlreadyInState()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.server.find(id0)->paused = true; // by somebody else
    Outcome<StoreOutcome> paused;
    bench.store->pause(id0, &bench.context, paused.done());
    QTRY_VERIFY(paused.arrived());
    QCOMPARE(paused.value(), StoreOutcome::AlreadyInState);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
}

void TestSandboxStore::pauseWhoseAnswerIsLostIsReadAgain()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    int looks = 0;
    bench.server.intercept =
        [&](const FleetServer::Request &request) -> std::optional<FleetServer::Answer> {
        if (request.method == "POST") {
            FleetServer::Answer answer;
            answer.cut = true;
            return answer;
        }
        // The server takes its time and completes it all the same.
        if (request.path == "/sandboxes/i0000" && ++looks == 3)
            bench.server.find(id0)->paused = true;
        return {};
    };
    Outcome<StoreOutcome> paused;
    bench.store->pause(id0, &bench.context, paused.done());
    QTRY_VERIFY(paused.arrived());
    QVERIFY(paused.ok());
    QCOMPARE(paused.value(), StoreOutcome::Done);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Paused);
    QCOMPARE(bench.row(id0)->pending, PendingAction::None);
    QVERIFY(looks >= 3);
}

void TestSandboxStore::pauseThatNeverHappensReportsTheTimeOut()
{
    Bench bench;
    Transport::Limits limits = bench.connection.transport().limits();
    limits.unaryMs = 300;
    bench.addMany(1);
    QVERIFY(bench.fill());
    bench.connection.transport().setLimits(limits);
    bench.server.intercept = [](const FleetServer::Request &request) {
        FleetServer::Answer answer;
        answer.hold = true;
        return request.method == "POST" ? std::optional(answer) : std::nullopt;
    };
    Outcome<StoreOutcome> paused;
    bench.store->pause(id0, &bench.context, paused.done());
    QTRY_VERIFY(paused.arrived());
    QCOMPARE(paused.error().kind, Error::Kind::Timeout);
    QCOMPARE(bench.row(id0)->sandbox.state, SandboxState::Running);
    QCOMPARE(bench.row(id0)->pending, PendingAction::None);
}

void TestSandboxStore::extendNeverShortens()
{
    Bench bench;
    bench.addMany(1); // ends in 300 s
    QVERIFY(bench.fill());
    Outcome<> longer;
    bench.store->extend(id0, 3600, &bench.context, longer.done());
    QTRY_VERIFY(longer.arrived());
    QVERIFY(longer.ok());
    QTRY_VERIFY(bench.store->serverNow().secsTo(bench.row(id0)->sandbox.endAt) > 3500);
    const QDateTime end = bench.server.find(id0)->endAt;
    Outcome<> shorter;
    bench.store->extend(id0, 60, &bench.context, shorter.done());
    QTRY_VERIFY(shorter.arrived());
    QVERIFY(shorter.ok());
    QCOMPARE(bench.server.find(id0)->endAt, end);
    QCOMPARE(bench.asked(QStringLiteral("POST /sandboxes/i0000/timeout")), 1);
}

void TestSandboxStore::extendOfAPausedOneIsAConflict()
{
    Bench bench;
    bench.addMany(1);
    bench.server.find(id0)->paused = true;
    QVERIFY(bench.fill());
    Outcome<> extended;
    bench.store->extend(id0, 3600, &bench.context, extended.done());
    QTRY_VERIFY(extended.arrived());
    QCOMPARE(extended.error().kind, Error::Kind::Conflict);
    QVERIFY(bench.server.find(id0)->paused);
}

void TestSandboxStore::createdRowsAppearAtOnce()
{
    Bench bench;
    bench.addMany(2);
    QVERIFY(bench.fill());
    bench.server.intercept = [](const FleetServer::Request &request) {
        FleetServer::Answer answer;
        answer.hold = true;
        return request.method == "GET" ? std::optional(answer) : std::nullopt; // no list can help
    };
    NewSandbox spec;
    spec.timeoutSeconds = 900;
    spec.onTimeout = OnTimeout::Pause;
    spec.metadata.insert(QStringLiteral("owner"), QStringLiteral("ann"));
    Outcome<SandboxDetail> created;
    QString seenBeforeDone;
    bench.store->create(spec, &bench.context, [&](const Result<SandboxDetail> &detail) {
        seenBeforeDone = bench.store->at(bench.store->count() - 1).sandbox.id;
        created.done()(detail);
    });
    QTRY_VERIFY(created.arrived());
    const QString id = created.value().sandbox.id;
    QCOMPARE(seenBeforeDone, id);
    QCOMPARE(bench.store->indexOf(id), 2);
    const SandboxRow &row = bench.store->at(2);
    QCOMPARE(row.sandbox.state, SandboxState::Running);
    QCOMPARE(row.sandbox.metadata, spec.metadata);
    QVERIFY(row.onTimeout == OnTimeout::Pause);
    QVERIFY(qAbs(bench.store->serverNow().secsTo(row.sandbox.endAt) - 900) < 30);
    bench.server.find(id)->metadata = spec.metadata;
    bench.server.intercept = {};
    bench.server.release();
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 3);
    QCOMPARE(bench.row(id)->sandbox.cpuCount, 2); // filled in from the look that followed
    QVERIFY(bench.row(id)->onTimeout == OnTimeout::Pause);
}

void TestSandboxStore::refusedCreateAddsNothing()
{
    Bench bench;
    bench.server.intercept = [](const FleetServer::Request &request) {
        return request.method == "POST" ? std::optional(FleetServer::error(429, "too many"))
                                        : std::nullopt;
    };
    QVERIFY(bench.fill());
    Outcome<SandboxDetail> created;
    bench.store->create({}, &bench.context, created.done());
    QTRY_VERIFY(created.arrived());
    QCOMPARE(created.error().kind, Error::Kind::RateLimited);
    QCOMPARE(bench.asked(QStringLiteral("POST /sandboxes")), 1);
    QVERIFY(bench.sweepOnce());
    QCOMPARE(bench.store->count(), 0);
}

void TestSandboxStore::onTimeoutIsToldWhereKnown()
{
    Bench bench;
    bench.addMany(2);
    bench.server.find(id1)->onTimeout = "kill";
    QVERIFY(bench.fill());
    QVERIFY(!bench.row(id0)->onTimeout);
    QVERIFY(bench.row(id1)->onTimeout == OnTimeout::Kill);
}

void TestSandboxStore::aDeadContextGetsNothing()
{
    Bench bench;
    bench.addMany(1);
    QVERIFY(bench.fill());
    Outcome<StoreOutcome> killed;
    {
        QObject context;
        bench.store->kill(id0, &context, killed.done());
    }
    QTRY_COMPARE(bench.store->count(), 0); // carried out all the same
    QVERIFY(bench.sweepOnce());
    QVERIFY(!killed.arrived());
}

void TestSandboxStore::aStoreMayDieInTheMiddle()
{
    for (int moment = 0; moment < 6; ++moment) {
        Bench bench;
        bench.addMany(300);
        bench.store->start();
        Outcome<StoreOutcome> killed;
        bench.store->kill(id0, &bench.context, killed.done());
        QTRY_VERIFY(bench.server.log.size() >= moment);
        bench.store.reset();
        QTest::qWait(20); // answers and jobs that are under way find nobody
        QVERIFY(killed.count() <= 1);
    }
}

QTEST_GUILESS_MAIN(TestSandboxStore)
#include "tst_sandboxstore.moc"
