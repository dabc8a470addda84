// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/access.h"
#include "app/engine/server/apierror.h"
#include "app/engine/server/commandline.h"
#include "app/engine/server/history.h"
#include "app/engine/server/listing.h"
#include "app/engine/server/newsandbox.h"
#include "app/engine/server/record.h"
#include "app/engine/server/times.h"

#include <QTemporaryDir>
#include <QTest>

#include <fstream>

#include <sys/stat.h>

using namespace moru::engine;
using namespace std::chrono;

namespace {

Time at(const char *text)
{
    const auto time = parseTime(text);
    return time ? *time : Time();
}

RequestHead head(const std::string &target)
{
    RequestHead request;
    request.method = "GET";
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    return request;
}

/// The status and text of the refusal; empty if there is none.
template <typename Call> QString refusal(Call call)
{
    try {
        call();
    } catch (const ApiError &e) {
        return QString::number(e.status()) + QLatin1Char(' ') + QString::fromStdString(e.what());
    }
    return {};
}

} // namespace

class UnitTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void timesKeepNanosecondsAndTrimZeros_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("shown");
        const auto row = [](const char *text, const char *shown) {
            QTest::newRow(text) << QString::fromLatin1(text) << QString::fromLatin1(shown);
        };
        row("2026-01-15T09:30:00.123456789Z", "2026-01-15T09:30:00.123456789Z");
        row("2026-01-15T09:30:00.100Z", "2026-01-15T09:30:00.1Z");
        row("2026-01-15T09:30:00.000Z", "2026-01-15T09:30:00Z");
        row("2026-01-15T09:30:00.1234567891234Z", "2026-01-15T09:30:00.123456789Z");
        row("2026-01-15T09:30:00+05:30", "2026-01-15T04:00:00Z");
        row("2026-01-01T00:30:00-01:00", "2026-01-01T01:30:00Z");
        row("2024-02-29t23:59:59z", "2024-02-29T23:59:59Z");
        row("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z");
    }
    void timesKeepNanosecondsAndTrimZeros()
    {
        QFETCH(QString, text);
        QFETCH(QString, shown);
        const auto time = parseTime(text.toStdString());
        QVERIFY(time);
        QCOMPARE(QString::fromStdString(formatTime(*time)), shown);
        QVERIFY(parseTime(formatTime(*time)) == time);
    }

    void malformedTimesAreRefused()
    {
        for (const char *text :
             {"", "now", "2026-01-15", "2026-01-15T09:30:00", "2026-13-01T00:00:00Z",
              "2026-02-30T00:00:00Z", "2026-01-15T24:00:00Z", "2026-01-15T09:30:00.Z",
              "2026-01-15T09:30:00Zx", "2026-01-15T09:30:00+0530", "9999-01-01T00:00:00Z",
              "0001-01-01T00:00:00Z", "2026-01-15T09:30:0 Z"})
            QVERIFY2(!parseTime(text), text);
    }

    void cursorSurvivesTheRoundTripAndNothingElseDoes()
    {
        const Cursor cursor{at("2026-01-15T09:30:00.123456789Z"), "iabcdefghijklmnopqrst"};
        const std::string text = encodeCursor(cursor);
        QVERIFY(text.find_first_of("+/=") == std::string::npos);
        const auto back = decodeCursor(text);
        QVERIFY(back && back->time == cursor.time && back->id == cursor.id);
        for (const char *bad : {"", "x", "!!!", "aGVsbG8", "MjAyNi0wMS0xNVQwOTozMDowMFpfXw"})
            QVERIFY2(!decodeCursor(bad), bad);
    }

    void cursorOrdersNewestFirstThenById()
    {
        const Cursor cursor{at("2026-01-15T09:30:00Z"), "ib"};
        QVERIFY(cursor.isBefore(at("2026-01-15T09:29:59Z"), "ia"));
        QVERIFY(!cursor.isBefore(at("2026-01-15T09:30:01Z"), "ic"));
        QVERIFY(cursor.isBefore(cursor.time, "ic"));
        QVERIFY(!cursor.isBefore(cursor.time, "ib"));
        QVERIFY(!cursor.isBefore(cursor.time, "ia"));
    }

    void metadataFilterIsEncodedThreeTimes()
    {
        // As a client sends it for {"user name": "a&b=c"}.
        const RequestHead request =
            head("/v2/sandboxes?metadata=user%252520name%3Da%252526b%25253Dc");
        const auto filter = parseListQuery(request, "state", {}).metadata;
        QCOMPARE(filter.size(), std::size_t(1));
        QCOMPARE(filter.at("user name"), std::string("a&b=c"));
        QVERIFY(matches(filter, {{"user name", "a&b=c"}, {"more", "x"}}));
        QVERIFY(!matches(filter, {{"user name", "a&b=d"}}));
        QVERIFY(!matches(filter, {}));
        QCOMPARE(parseMetadataFilter("a=1&b=2").size(), std::size_t(2));
        QVERIFY(parseMetadataFilter("").empty());
        QVERIFY(refusal([] { parseMetadataFilter("a"); }).startsWith(QLatin1String("400 ")));
        QVERIFY(refusal([] { parseMetadataFilter("a=b=c"); }).startsWith(QLatin1String("400 ")));
        QVERIFY(refusal([] { parseMetadataFilter("a=%zz"); }).startsWith(QLatin1String("400 ")));
    }

    void statesComeJoinedOrRepeated()
    {
        const std::vector<std::string> known{"running", "paused"};
        const std::vector<std::string> both{"running", "paused"};
        QVERIFY(parseListQuery(head("/?state=running,paused"), "state", known).states == both);
        QVERIFY(parseListQuery(head("/?state=running&state=paused"), "state", known).states
                == both);
        QVERIFY(parseListQuery(head("/?state=running%2Cpaused"), "state", known).states == both);
        QVERIFY(parseListQuery(head("/"), "state", known).states.empty());
        QVERIFY(refusal([&] {
                    parseListQuery(head("/?state=dead"), "state", known);
                }).startsWith(QLatin1String("400 validation error: ")));
    }

    void limitIsFromOneToAHundred()
    {
        QCOMPARE(parseListQuery(head("/"), "state", {}).limit, std::size_t(100));
        QCOMPARE(parseListQuery(head("/?limit=7"), "state", {}).limit, std::size_t(7));
        QCOMPARE(parseListQuery(head("/?limit=5000"), "state", {}).limit, std::size_t(100));
        for (const char *bad : {"0", "-1", "x", "1.5", "99999999999999999999"})
            QVERIFY2(!refusal([&] {
                          parseListQuery(head(std::string("/?limit=") + bad), "state", {});
                      }).isEmpty(),
                     bad);
    }

    void onlyLoopbackHostsAreOurs()
    {
        for (const char *good : {"localhost", "LocalHost:7450", "127.0.0.1", "127.9.8.7:1",
                                 "[::1]:80", "[::1]", "49983-iabc.localhost:7451", "localhost."})
            QVERIFY2(isLoopbackHost(good), good);
        for (const char *bad : {"", "example.com", "localhost.example.com", "127.0.0.1.nip.io",
                                "10.0.0.1:7450", "0.0.0.0", ".localhost", "evillocalhost", "[::2]",
                                "127.0.0.1:x", "[::1", "localhost:80:80", "2130706433"})
            QVERIFY2(!isLoopbackHost(bad), bad);
    }

    void keyIsTakenInAllItsFormsAndNoOther()
    {
        const std::string digits = "00112233445566778899aabbccddeeff00112233";
        const auto with = [&](const char *name, const std::string &value) {
            RequestHead request = head("/sandboxes");
            request.headers.emplace_back(name, value);
            return !keyProblem(request, digits);
        };
        QVERIFY(with("X-API-Key", "moru_" + digits));
        QVERIFY(with("x-api-key", "e2b_" + digits));
        QVERIFY(with("Authorization", "Bearer moru_" + digits));
        QVERIFY(!with("X-API-Key", digits));
        QVERIFY(!with("X-API-Key", "moru_" + digits.substr(1)));
        QVERIFY(!with("X-API-Key", "moru_" + digits + "0"));
        QVERIFY(!with("X-API-Key", "moru_"));
        QVERIFY(!with("X-API-Key", "moru_zz"));
        QVERIFY(!with("X-API-Key", "sk_moru_" + digits));
        QVERIFY(!with("Authorization", "Basic moru_" + digits));
        QVERIFY(!with("X-Other", "moru_" + digits));
    }

    void aNewSandboxIsCheckedMemberByMember_data()
    {
        QTest::addColumn<QString>("body");
        QTest::addColumn<QString>("refused");
        const auto row = [](const std::string &body, const char *refused) {
            QTest::newRow(body.substr(0, 100).c_str())
                << QString::fromStdString(body) << QString::fromLatin1(refused);
        };
        row(R"({"templateID":"base"})", "");
        row(R"({"templateID":"BASE","metadata":null,"envVars":{},"mcp":null})", "");
        row(R"({"templateID":"base","timeout":0,"unknown":[1]})", "");
        row(R"({"templateID":"base","timeout":300.0})", "");
        row(R"({"templateID":"base","network":{"allowPublicTraffic":false},"secure":true})", "");
        row(R"({"templateID":"base","network":{"allowOut":["example.com"],"denyOut":["0.0.0.0/0"]}})",
            "");
        row(R"({})", "400 validation error: \"templateID\" is missing");
        row(R"([])", "400 validation error: the request body must be an object");
        row(R"({"templateID":7})", "400 validation error: \"templateID\" must be a string");
        row(R"({"templateID":"a b"})", "400 validation error: ");
        row(R"({"templateID":"base","timeout":-1})",
            "400 validation error: \"timeout\" must be at least 0");
        row(R"({"templateID":"base","timeout":"5"})", "400 validation error: ");
        row(R"({"templateID":"base","timeout":1.5})", "400 validation error: ");
        row(R"({"templateID":"base","timeout":86401})", "400 timeout is longer than the maximum");
        row(R"({"templateID":"base","timeout":99999999999999999999})", "400 validation error: ");
        row(R"({"templateID":"base","autoPause":1})", "400 validation error: ");
        row(R"({"templateID":"base","metadata":{"a":1}})", "400 validation error: ");
        row(R"({"templateID":"base","metadata":[]})", "400 validation error: ");
        row(R"({"templateID":"base","envVars":{"a=b":"c"}})", "400 validation error: ");
        row(R"({"templateID":"base","envVars":{"a":"b\u0000"}})", "400 validation error: ");
        row(R"({"templateID":"base","volumeId":"v"})", "400 this engine has no volumes");
        row(R"({"templateID":"base","network":{"allowPublicTraffic":false}})",
            "400 network.allowPublicTraffic");
        row(R"({"templateID":"base","network":{"allowOut":["example.com"]}})", "400 domains");
        row(R"({"templateID":"base","network":{"denyOut":["example.com"]}})",
            "400 network.denyOut");
        row(R"({"templateID":"base","network":{"maskRequestHost":"dev.local:${PORT}"}})", "");
        row(R"({"templateID":"base","network":{"maskRequestHost":"[::1]:80"}})", "");
        for (const char *mask : {"", "a b", "a\\r\\nX-Y: z", "${HOST}", "https://a", "\u00e4"})
            row(R"({"templateID":"base","network":{"maskRequestHost":")" + std::string(mask)
                    + R"("}})",
                "400 network.maskRequestHost");
        row(R"({"templateID":"base","envVars":{"A":")" + std::string(128 * 1024, 'x') + R"("}})",
            "400 validation error: \"envVars\" are too large");
        row(R"({"templateID":)", "400 the request body is not valid JSON");
    }
    void aNewSandboxIsCheckedMemberByMember()
    {
        QFETCH(QString, body);
        QFETCH(QString, refused);
        const QString got = refusal([&] { parseNewSandbox(parseBody(body.toStdString())); });
        QVERIFY2(refused.isEmpty() ? got.isEmpty() : got.startsWith(refused), qPrintable(got));
    }

    void deeplyNestedJsonIsRefused()
    {
        const std::string body = R"({"templateID":)" + std::string(100000, '[');
        QVERIFY(refusal([&] { parseBody(body); }).startsWith(QLatin1String("400 ")));
    }

    void recordSurvivesTheRoundTrip()
    {
        SandboxRecord record;
        record.id = "iabcdefghijklmnopqrst";
        record.templateId = record.alias = "base";
        record.token = "secret";
        record.env = {{"A", "1\n2"}};
        record.metadata = {{"user name", "\xc3\xa4\""}};
        record.autoPause = true;
        record.stage = Stage::Paused;
        record.createdAt = at("2026-01-15T09:30:00.000000001Z");
        record.startedAt = at("2026-01-15T09:31:00Z");
        record.endAt = at("2026-01-15T09:32:00Z");
        record.launched = Launched{42, 18446744073709551615U, "/run/x"};
        record.bootId = "boot";
        const auto back = recordFromJson(toJson(record));
        QVERIFY(back);
        QVERIFY(back->id == record.id && back->env == record.env
                && back->metadata == record.metadata);
        QVERIFY(back->autoPause && back->stage == Stage::Paused && back->token == record.token);
        QVERIFY(back->createdAt == record.createdAt && back->endAt == record.endAt);
        QVERIFY(back->launched && back->launched->pid == 42);
        QCOMPARE(back->launched->startTime, std::uint64_t(18446744073709551615U));
        const std::string text = toJson(record);
        for (std::size_t cut = 0; cut + 2 < text.size(); ++cut)
            QVERIFY2(!recordFromJson(text.substr(0, cut)),
                     "a cut record must not be taken for whole");
    }

    void metricsAreThinnedByTheLengthOfTheirRange()
    {
        MetricHistory history;
        const Time start = at("2026-01-15T00:00:00Z");
        for (int i = 0; i < 2 * 720; ++i) {
            MetricPoint point;
            point.time = start + seconds(5 * i);
            point.cpuPercent = i;
            history.add(point);
        }
        const Time end = start + seconds(5 * (2 * 720 - 1));
        QVERIFY(history.latest() && history.latest()->time == end);
        const auto minute = history.between(end - seconds(60), end);
        QCOMPARE(minute.size(), std::size_t(13));
        const auto all = history.between(Time::min(), Time::max());
        QVERIFY(all.size() > 120 && all.size() < 260);
        for (std::size_t i = 1; i < all.size(); ++i)
            QVERIFY(all[i].time > all[i - 1].time);
        QVERIFY(all.back().time == end);
        QVERIFY(history.between(end + seconds(1), Time::max()).empty());
    }

    void metricHistoryIsBounded()
    {
        MetricHistory history;
        const Time start = at("2026-01-15T00:00:00Z");
        for (int i = 0; i < 3 * 24 * 720; ++i) {
            MetricPoint point;
            point.time = start + seconds(5 * i);
            history.add(point);
        }
        const auto all = history.between(Time::min(), Time::max());
        QVERIFY(all.size() < 1500);
        QVERIFY(all.back().time - all.front().time <= hours(25));
    }

    void runHistoryIsBoundedAndSurvivesTheRoundTrip()
    {
        RunHistory history;
        for (int i = 0; i < 1500; ++i)
            history.add({"i" + std::to_string(i), "base", "base", "killed",
                         at("2026-01-15T00:00:00Z") + seconds(i), at("2026-01-16T00:00:00Z")});
        QCOMPARE(history.runs().size(), RunHistory::Limit);
        RunHistory back;
        back.load("garbage\n{}\n" + history.text() + "{\"id\":\"cut");
        QCOMPARE(back.runs().size(), RunHistory::Limit);
        QCOMPARE(back.runs().back().id, std::string("i1499"));
        QVERIFY(back.runs().front().createdAt == history.runs().front().createdAt);
    }

    void argumentsAreUnderstood()
    {
        const CommandLine line = parseCommandLine({"serve", "--listen=[::1]:0", "--state-dir", "/x",
                                                   "--idle-exit", "0", "--max-sandboxes=3"});
        QVERIFY(line.command == Command::Serve);
        QCOMPARE(line.engine.listenHost, std::string("::1"));
        QCOMPARE(int(line.engine.port), 0);
        QVERIFY(line.stateDir == "/x" && line.engine.idleExit == seconds(0));
        QCOMPARE(line.engine.maxSandboxes, std::size_t(3));
        QVERIFY(parseCommandLine({"--help"}).command == Command::Help);
        QVERIFY(parseCommandLine({"serve", "--help"}).command == Command::Help);
        QVERIFY(parseCommandLine({"--version"}).command == Command::Version);
        QVERIFY(parseCommandLine({"reset", "-y"}).yes);
        QCOMPARE(int(parseCommandLine({"serve"}).engine.port), 7450);
    }

    void wrongArgumentsAreRefused_data()
    {
        QTest::addColumn<QStringList>("arguments");
        const auto row = [](const char *words) {
            QTest::newRow(words) << QString::fromLatin1(words).split(QLatin1Char(' '),
                                                                     Qt::SkipEmptyParts);
        };
        row("");
        row("sevre");
        row("serve now");
        row("serve --port 1");
        row("serve --listen");
        row("serve --listen 7450");
        row("serve --listen 0.0.0.0:7450");
        row("serve --listen 192.168.1.1:7450");
        row("serve --listen [::]:7450");
        row("serve --listen example.com:7450");
        row("serve --listen 127.0.0.1:65535");
        row("serve --listen 127.0.0.1:x");
        row("serve --idle-exit -1");
        row("serve --idle-exit soon");
        row("serve --max-sandboxes 0");
        row("serve --yes");
        row("reset --yes=no");
        row("stop --idle-exit 3");
        row("status --state-dir");
        row("status --state-dir=");
    }
    void wrongArgumentsAreRefused()
    {
        QFETCH(QStringList, arguments);
        std::vector<std::string> words;
        for (const QString &word : arguments)
            words.push_back(word.toStdString());
        QVERIFY_THROWS_EXCEPTION(UsageError, parseCommandLine(words));
    }

    void stateDirectoryIsPrivateAndNeverAForeignOne()
    {
        QTemporaryDir temporary;
        const std::filesystem::path root(temporary.path().toStdString());
        std::filesystem::create_directory(root / "open");
        std::filesystem::permissions(root / "open", std::filesystem::perms(0755));
        StateDir(root / "open").create();
        struct stat info {};
        QCOMPARE(::stat((root / "open").c_str(), &info), 0);
        QCOMPARE(info.st_mode & 0777, mode_t(0700));

        std::filesystem::create_directory(root / "home");
        std::ofstream(root / "home" / "letter") << "dear";
        QVERIFY_THROWS_EXCEPTION(std::runtime_error, StateDir(root / "home").create());
        QVERIFY(!StateDir(root / "home").isOurs());

        const StateDir dir(root / "open");
        const std::string key = dir.loadOrMakeKey();
        QCOMPARE(key.size(), std::size_t(40));
        QCOMPARE(dir.loadOrMakeKey(), key);
        QCOMPARE(::stat(dir.keyFile().c_str(), &info), 0);
        QCOMPARE(info.st_mode & 0777, mode_t(0600));

        QVERIFY(!StateLock::holder(dir));
        StateLock lock;
        QVERIFY(lock.acquire(dir));
        QVERIFY(StateLock::holder(dir) == ::getpid());
        StateLock other;
        QVERIFY(!other.acquire(dir));
    }
};

QTEST_GUILESS_MAIN(UnitTest)
#include "tst_units.moc"
