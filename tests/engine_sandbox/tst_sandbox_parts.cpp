// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/cgroup.h"
#include "app/engine/sandbox/channel.h"
#include "app/engine/sandbox/doctor.h"
#include "app/engine/sandbox/identity.h"
#include "app/engine/sandbox/layers.h"
#include "app/engine/sandbox/processes.h"
#include "app/engine/sandbox/tree.h"

#include <QTemporaryDir>
#include <QTest>

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace moru::engine;
namespace fs = std::filesystem;

/// The parts that need no sandbox.
class TestSandboxParts : public QObject {
    Q_OBJECT

private slots:
    void subordinateRangesAreFound();
    void shiftedRangesAvoidWhatIsTaken();
    void accountsAreMadeForInside();
    void sourcesWithPasswordsAreSeen();
    void processStatesAreParsed();
    void ownGroupsAreFound();
    void groupsAreRemembered();
    void mountsBelowAreListed();
    void failuresAreExplained();
    void messagesSurviveTheChannel();
    void treesAreMeasuredAndEmptied();
};

void TestSandboxParts::subordinateRangesAreFound()
{
    const std::string text = "alice:100000:65536\nbob:200000:65536\n1001:300000:10\nalice:x:5\n\n"
                             "alice:400000:0\nalicette:1:2";
    const std::vector<IdRange> alice{{100000, 65536}};
    const std::vector<IdRange> byNumber{{300000, 10}};
    QCOMPARE(subordinateRanges(text, "alice", 7), alice);
    QCOMPARE(subordinateRanges(text, "carol", 1001), byNumber);
    QVERIFY(subordinateRanges("", "alice", 7).empty());
    QCOMPARE(allRanges(text).size(), std::size_t{4});
}

void TestSandboxParts::shiftedRangesAvoidWhatIsTaken()
{
    const std::vector<IdRange> all{{0, 4294967295U}};
    const auto first = chooseShiftedRange(all, {}, 5);
    QVERIFY(first);
    QCOMPARE(first->count, 65536U);
    QVERIFY(first->first >= 0x70000000U && first->first < 0x80000000U);
    QCOMPARE(chooseShiftedRange(all, {}, 5), first);
    const auto second = chooseShiftedRange(all, {{first->first + 10, 1}}, 5);
    QVERIFY(second);
    QVERIFY(second->first >= first->first + 65536);
    // The last slot goes round to the first.
    const auto last = chooseShiftedRange(all, {}, 0x0ffe);
    QVERIFY(last);
    QVERIFY(std::uint64_t{last->first} + last->count <= 0x80000000U);
    QVERIFY(chooseShiftedRange(all, {*last}, 0x0ffe)->first < last->first);
    // In a container with few ids: a part of them, never 0.
    const IdRange few{32768, 32768};
    QCOMPARE(chooseShiftedRange({{0, 65536}}, {}, 5), std::optional(few));
    QVERIFY(!chooseShiftedRange({{0, 1}}, {}, 5));
    QVERIFY(!chooseShiftedRange({}, {}, 5));
}

void TestSandboxParts::accountsAreMadeForInside()
{
    const std::string inside =
        accountsForInside("root:secret:0:0:Boss:/root:/bin/zsh\n"
                          "daemon:x:1:1:Full Name:/usr/sbin:/usr/sbin/nologin\n"
                          "alice:x:1000:1000:Alice:/home/alice:/bin/sh\n"
                          "user:x:500:500::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\n"
                          "nobody:x:65534:65534::/nonexistent:/bin/false\n");
    QCOMPARE(
        QByteArray::fromStdString(inside),
        QByteArray("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
                   "nobody:x:65534:65534::/nonexistent:/bin/false\n"
                   "user:x:1000:1000:user:/home/user:/bin/bash\n"));
    QCOMPARE(
        QByteArray::fromStdString(groupsForInside("root:x:0:\nadm:x:4:alice,bob\nalice:x:1000:\n")),
        QByteArray("root:x:0:\nadm:x:4:\nuser:x:1000:\n"));
    QCOMPARE(QByteArray::fromStdString(shadowForInside("a:x:1\nb:x:2\n", false)),
             QByteArray("a:*:19000:0:99999:7:::\nb:*:19000:0:99999:7:::\n"));
    QCOMPARE(QByteArray::fromStdString(shadowForInside("a:x:1:\n", true)), QByteArray("a:*::\n"));
}

void TestSandboxParts::sourcesWithPasswordsAreSeen()
{
    QVERIFY(holdsCredentials("deb https://me:word@example.org/debian stable main\n"));
    QVERIFY(holdsCredentials("deb http://a/ b\ndeb https://token@example.org/ c\n"));
    QVERIFY(!holdsCredentials("deb https://example.org/debian/@stable main\n# mail a@b\n"));
    QVERIFY(!holdsCredentials(""));
    QVERIFY(!holdsCredentials("http://"));
}

void TestSandboxParts::processStatesAreParsed()
{
    const auto state =
        parseProcessState("42 (a) b) T 7) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 "
                          "987654321 1000 1 18446744073709551615 0\n");
    QVERIFY(state);
    QCOMPARE(state->state, 'S');
    QCOMPARE(state->parent, 7);
    QCOMPARE(state->cpuTicks, 30U);
    QCOMPARE(state->reapedTicks, 70U);
    QCOMPARE(state->startTime, 987654321U);
    QVERIFY(!parseProcessState("42 (x) S 7"));
    QVERIFY(!parseProcessState(""));
    QVERIFY(processState(::getpid()));
    const std::vector<ProcessKey> keys{{1, 2}, {30, 40}};
    QCOMPARE(keysFromText(toText(keys)), keys);
    QVERIFY(keysFromText("1 2 3").size() == 1);
}

void TestSandboxParts::ownGroupsAreFound()
{
    const std::string hybrid =
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime shared:3 - cgroup cgroup rw,freezer\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    QCOMPARE(ownVersion2Group(hybrid, "6:freezer:/f\n0::/\n"), fs::path("/sys/fs/cgroup/unified"));
    QCOMPARE(ownFreezerGroup(hybrid, "6:freezer:/f/g\n0::/\n"),
             fs::path("/sys/fs/cgroup/freezer/f/g"));
    const std::string pure =
        "30 23 0:26 /user.slice /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
    QCOMPARE(ownVersion2Group(pure, "0::/user.slice/a.scope\n"),
             fs::path("/sys/fs/cgroup/a.scope"));
    QVERIFY(ownVersion2Group(pure, "0::/system.slice\n").empty());
    QVERIFY(ownVersion2Group(pure, "0::/../other\n").empty());
    QVERIFY(ownFreezerGroup(pure, "0::/user.slice\n").empty());
    QVERIFY(ownVersion2Group("", "").empty());
}

void TestSandboxParts::groupsAreRemembered()
{
    for (const SandboxCgroup::Version version :
         {SandboxCgroup::Version::One, SandboxCgroup::Version::Two}) {
        const SandboxCgroup group =
            SandboxCgroup::fromText(SandboxCgroup{version, "/sys/a b"}.toText());
        QCOMPARE(group.version, version);
        QCOMPARE(group.path, fs::path("/sys/a b"));
    }
    QCOMPARE(SandboxCgroup::fromText(SandboxCgroup().toText()).version,
             SandboxCgroup::Version::None);
    QCOMPARE(SandboxCgroup::fromText("garbage").version, SandboxCgroup::Version::None);
}

void TestSandboxParts::mountsBelowAreListed()
{
    const std::string text =
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 8:2 / /usr rw - ext4 /dev/sdb rw\n"
        "3 2 8:3 / /usr/lib/wsl rw - 9p x rw\n4 1 8:4 / /usrlocal rw - ext4 x rw\nbroken";
    const std::vector<std::string> wanted{"/usr/lib/wsl"};
    QCOMPARE(mountsBelow(text, "/usr"), wanted);
    QVERIFY(mountsBelow(text, "/opt").empty());
}

void TestSandboxParts::failuresAreExplained()
{
    const auto contains = [](const StepError &error, const char *word) {
        return explain(error, "/tmp").find(word) != std::string::npos;
    };
    QVERIFY(contains(StepError("mount /proc", EPERM), "systempaths=unconfined"));
    QVERIFY(contains(StepError("mount /proc", EPERM), "Operation not permitted"));
    QVERIFY(contains(StepError("mount the overlay on /usr", EINVAL), "--state-dir"));
    QVERIFY(contains(StepError("mount the overlay on /usr", ENODEV), "modprobe overlay"));
    QVERIFY(contains(StepError("create namespaces", ENOSPC), "max_user_namespaces"));
    QVERIFY(contains(StepError("write x", ENOSPC), "disk is full"));
    QCOMPARE(hintsForMissingPrograms("git sudo").size(), std::size_t{2});
    QVERIFY(hintsForMissingPrograms("").empty());
    QVERIFY(hintsForMissingPrograms("npm").front().find("npm") != std::string::npos);
}

void TestSandboxParts::messagesSurviveTheChannel()
{
    int ends[2];
    QCOMPARE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    Descriptor left(ends[0]);
    Descriptor right(ends[1]);
    const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::seconds(5); };
    Orders orders;
    orders.task = Task::Serve;
    orders.hostName = "abc";
    orders.singleUid = true;
    orders.agent.sandboxId = "abc";
    orders.agent.accessToken = "t";
    orders.agent.globalEnv = {{"A", "b\nc"}};
    sendFrame(left.get(), encode(orders), soon());
    const Orders got = decodeOrders(receiveFrame(right.get(), soon()));
    QCOMPARE(got.task, Task::Serve);
    QCOMPARE(got.hostName, orders.hostName);
    QVERIFY(got.singleUid);
    QCOMPARE(got.agent.globalEnv, orders.agent.globalEnv);

    reportFailureSafely(right.get(), "do it", ENOENT);
    const Report failed = decodeReport(receiveFrame(left.get(), soon()));
    QCOMPARE(failed.kind, Report::Kind::Failed);
    QCOMPARE(failed.code, ENOENT);
    QCOMPARE(failed.step, std::string("do it"));
    sendFrame(right.get(), encode(Report{Report::Kind::Result, 0, "s", "text"}), soon());
    const Report result = decodeReport(receiveFrame(left.get(), soon()));
    QCOMPARE(result.step, std::string("s"));
    QCOMPARE(result.text, std::string("text"));

    // Nonsense, a passed deadline and a peer that left are errors, not hangs.
    QVERIFY_THROWS_EXCEPTION(StepError, (void)decodeReport("E"));
    QVERIFY_THROWS_EXCEPTION(std::runtime_error, (void)decodeOrders("nothing"));
    QVERIFY_THROWS_EXCEPTION(std::runtime_error, (void)decodeOrders(std::string("fly\0x\0"
                                                                                "0\0",
                                                                                8)));
    QVERIFY_THROWS_EXCEPTION(StepError,
                             (void)receiveFrame(left.get(), std::chrono::steady_clock::now()));
    const std::uint32_t huge = 0x7fffffff;
    QCOMPARE(::write(right.get(), &huge, sizeof huge), static_cast<ssize_t>(sizeof huge));
    QVERIFY_THROWS_EXCEPTION(StepError, (void)receiveFrame(left.get(), soon()));
    right.reset();
    QVERIFY_THROWS_EXCEPTION(StepError, (void)receiveFrame(left.get(), soon()));
    QVERIFY_THROWS_EXCEPTION(StepError, (void)sendFrame(left.get(), "x", soon()));
}

void TestSandboxParts::treesAreMeasuredAndEmptied()
{
    QTemporaryDir folder;
    const fs::path top = folder.path().toStdString();
    fs::create_directories(top / "t" / "a" / "b" / "c");
    fs::create_directories(top / "t" / "moved-0" / "moved-1" / "moved-2");
    fs::create_directories(top / "outside");
    std::ofstream(top / "outside" / "kept") << "x";
    fs::create_directory_symlink(top / "outside", top / "t" / "a" / "link");
    std::ofstream(top / "t" / "a" / "data") << std::string(100'000, 'x');
    fs::create_hard_link(top / "t" / "a" / "data", top / "t" / "a" / "b" / "again");
    std::ofstream(top / "t" / "sparse");
    fs::resize_file(top / "t" / "sparse", std::uintmax_t{1} << 40);
    const Descriptor directory(::open((top / "t").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto used = diskUsage(directory.get());
    QVERIFY(used);
    QVERIFY2(*used >= 100'000 && *used < 200'000, std::to_string(*used).c_str());
    emptyDirectory(directory.get());
    QVERIFY(fs::is_empty(top / "t"));
    QVERIFY(fs::exists(top / "outside" / "kept"));
    QVERIFY(diskUsage(directory.get()));
}

QTEST_GUILESS_MAIN(TestSandboxParts)
#include "tst_sandbox_parts.moc"
