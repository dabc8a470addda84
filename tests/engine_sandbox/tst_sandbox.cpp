// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/cgroup.h"
#include "app/engine/sandbox/launcher.h"
#include "app/engine/sandbox/processes.h"
#include "tests/engine_sandbox/shellagent.h"

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QScopeGuard>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace moru::engine;
namespace fs = std::filesystem;

namespace {

constexpr const char *Marker = "moru-marker-7f3a91c2"; // in names
constexpr const char *Secret = "moru-secret-b04d5ee8"; // in what must not be seen

/// A failed launcher call shows its sentence.
#define VERIFY_DONE(call)                                                                          \
    do {                                                                                           \
        const auto error = (call);                                                                 \
        QVERIFY2(!error, error ? error->message.c_str() : "");                                     \
    } while (false)

/// Output and exit code in one, so that a failure shows both.
#define COMPARE_RUN(answer, wanted)                                                                \
    do {                                                                                           \
        const Answer got = (answer);                                                               \
        QCOMPARE(QByteArray::fromStdString(got.output), QByteArray(wanted));                       \
        QCOMPARE(got.code, 0);                                                                     \
    } while (false)

std::size_t openDescriptors()
{
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

/// Lets at least this much time pass in which others could have worked, by working.
void burn(double seconds)
{
    const auto threadTime = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
    };
    const double end = threadTime() + seconds;
    while (threadTime() < end)
        continue;
}

std::uint64_t ticksOf(pid_t pid)
{
    const auto state = processState(pid);
    return state ? state->cpuTicks : 0;
}

} // namespace

class TestSandbox : public QObject {
    Q_OBJECT

private slots:
    void initTestCase();
    void cleanupTestCase();
    void cleanup();

    void inhabitantsAndNames();
    void filesOfTheHostAreInvisible();
    void secretsOfThePrivilegedHostAreUnreadable();
    void processesAndEnvironmentOfTheHostAreInvisible();
    void servicesOfTheHostAreOutOfReach();
    void anotherSandboxIsOutOfReach();
    void writesStayInside();
    void waysOutAreShut_data();
    void waysOutAreShut();
    void systemCallsAreRefused();
    void nothingIsInherited();
    void sudoMakesRoot();
    void packageToolsFindTheirState();

    void filesSurviveTheEndOfAllProcesses();
    void anotherLauncherTakesOver();
    void freezingStopsAndThawingContinues_data();
    void freezingStopsAndThawingContinues();
    void killingEndsEverything_data();
    void killingEndsEverything();
    void endedSandboxesAreReaped();
    void manyStartAtOnce();
    void usageCountsWhatIsOccupied();
    void removalHandlesHostileTrees();
    void leftoverTrashIsEmptied();
    void longStateDirectoriesWork();
    void wrongIdsAreRefused();

private:
    Launched start(const std::string &id);
    Answer run(const Launched &sandbox, const std::string &command,
               const std::string &user = "root")
    {
        return runInSandbox(sandbox.socket, user, command);
    }
    void refused(const Launched &sandbox, const std::string &command,
                 const std::string &user = "root");
    void useFreezer(const std::string &id, const Launched &sandbox, const QString &kind);
    fs::path state() const { return m_folder.path().toStdString() + "/state"; }

    QTemporaryDir m_folder;
    std::unique_ptr<Launcher> m_launcher;
    std::map<std::string, Launched> m_running;
    std::string m_mode;
    bool m_single = false;
    std::vector<SandboxCgroup> m_abandoned;
};

void TestSandbox::initTestCase()
{
    QVERIFY(m_folder.isValid());
    qputenv("SECRET_OF_THE_HOST", Secret);
    m_launcher = std::make_unique<Launcher>(state());
    QElapsedTimer timer;
    timer.start();
    const Diagnosis diagnosis = m_launcher->diagnose();
    m_mode = diagnosis.mode;
    m_single = m_mode == "user, single id";
    qInfo("mode: %s, first diagnosis %lld ms", m_mode.c_str(),
          static_cast<long long>(timer.elapsed()));
    for (const std::string &problem : diagnosis.problems)
        qWarning("%s", problem.c_str());
    if (!diagnosis.ok && qEnvironmentVariable("CI") != QStringLiteral("true"))
        QSKIP("This machine cannot isolate sandboxes.");
    QVERIFY(diagnosis.ok);
    QVERIFY(!diagnosis.facts.empty());
    timer.start();
    QVERIFY(m_launcher->diagnose().ok);
    QVERIFY2(timer.elapsed() < 50, "the answer was not remembered");
}

void TestSandbox::cleanup()
{
    for (const auto &[id, sandbox] : m_running) {
        VERIFY_DONE(m_launcher->kill(id, sandbox));
        VERIFY_DONE(m_launcher->removeFiles(id));
    }
    m_running.clear();
    for (const SandboxCgroup &group : m_abandoned)
        removeCgroup(group);
    m_abandoned.clear();
}

void TestSandbox::cleanupTestCase()
{
    if (m_launcher)
        m_launcher->waitForRemovals();
    // Nothing that only a sandbox's inhabitants could remove is left.
    m_launcher.reset();
    std::error_code failed;
    fs::remove_all(state(), failed);
    QVERIFY2(!failed, failed.message().c_str());
}

Launched TestSandbox::start(const std::string &id)
{
    Launched sandbox;
    const auto error = m_launcher->start(id, {}, sandbox);
    if (error)
        qWarning("%s", error->message.c_str());
    else
        m_running[id] = sandbox;
    return sandbox;
}

void TestSandbox::refused(const Launched &sandbox, const std::string &command,
                          const std::string &user)
{
    const Answer answer = run(sandbox, command, user);
    QVERIFY2(answer.code > 0, (command + " worked: " + answer.output).c_str());
    QVERIFY2(answer.output.find(Secret) == std::string::npos, answer.output.c_str());
}

// --- what it looks like inside ------------------------------------------------------------------

void TestSandbox::inhabitantsAndNames()
{
    const Launched sandbox = start("names1");
    COMPARE_RUN(run(sandbox, "id -u; id -un; pwd; hostname; echo $HOME"),
                "0\nroot\n/root\nnames1\n/root\n");
    COMPARE_RUN(run(sandbox, "id -u; id -un; pwd; touch f; stat -c '%U %G' f . ; rm f", "user"),
                "1000\nuser\n/home/user\nuser user\nuser user\n");
    COMPARE_RUN(run(sandbox, "cat /etc/hostname; getent hosts names1 | grep -c 127.0.1.1"),
                "names1\n1\n");
    COMPARE_RUN(run(sandbox, "stat -c '%a' /tmp /var/tmp /dev/shm /run/lock"),
                "1777\n1777\n1777\n1777\n");
    // PID 1 is the agent, and what it starts is all there is.
    COMPARE_RUN(run(sandbox, "cat /proc/1/comm"), "moru-agent\n");
    COMPARE_RUN(run(sandbox, "mkdir /data && echo kept > /data/x && cat /data/x"), "kept\n");
    COMPARE_RUN(run(sandbox,
                    "for d in null zero full random urandom; do test -c /dev/$d || echo $d; done;"
                    "echo x > /dev/null && head -c2 /dev/zero | tr '\\0' 0; echo ok"),
                "00ok\n");
    COMPARE_RUN(run(sandbox, "exec 3<>/dev/ptmx && ls /dev/pts"), "0\nptmx\n");
    COMPARE_RUN(run(sandbox, "ls -A /boot /media /mnt /srv"),
                "/boot:\n\n/media:\n\n/mnt:\n\n/srv:\n");
}

void TestSandbox::filesOfTheHostAreInvisible()
{
    const Launched sandbox = start("host1");
    const fs::path file = fs::path(m_folder.path().toStdString()) / Marker;
    std::ofstream(file) << Secret;
    for (const std::string user : {"root", "user"}) {
        refused(sandbox, "cat " + file.string(), user);
        refused(sandbox, "cat /proc/1/root" + file.string(), user);
        refused(sandbox, "cat /proc/1/cwd/../../../.." + file.string(), user);
    }
    COMPARE_RUN(run(sandbox, "ls /home"), "user\n");
    COMPARE_RUN(run(sandbox, "find / -xdev -name '" + std::string(Marker) + "*' 2>/dev/null"), "");
    // The mount table names nothing of the state directory either.
    const Answer mounts = run(sandbox, "cat /proc/self/mountinfo");
    QVERIFY(mounts.output.find("overlay") != std::string::npos);
    for (const std::string &line :
         {m_folder.path().toStdString() + "/state", std::string("/work/")})
        QVERIFY2(mounts.output.find(" - overlay overlay rw,lowerdir=" + line) == std::string::npos,
                 mounts.output.c_str());
}

void TestSandbox::secretsOfThePrivilegedHostAreUnreadable()
{
    const Launched sandbox = start("secrets1");
    COMPARE_RUN(
        run(sandbox, "grep -cv ':[*]:' /etc/shadow /etc/gshadow | cut -d: -f2 | sort -u; true"),
        "0\n");
    for (const char *path :
         {"/etc/sudoers.d/README", "/etc/ssh", "/etc/ssl/private/ssl-cert-snakeoil.key",
          "/etc/gitconfig", "/etc/pip.conf", "/etc/npmrc"})
        COMPARE_RUN(run(sandbox, std::string("test ! -e ") + path), "");
    const Answer id = run(sandbox, "cat /etc/machine-id");
    std::string host;
    std::getline(std::ifstream("/etc/machine-id"), host);
    QCOMPARE(id.output.size(), std::size_t{33});
    QVERIFY(id.output != host + "\n");

    if (::geteuid() != 0)
        return;
    // Made after the layers and while the sandbox runs.
    for (const char *top : {"/usr/local", "/opt"}) {
        const fs::path file = fs::path(top) / Marker;
        const fs::path folder = fs::path(top) / (std::string(Marker) + "-folder");
        const auto undo = qScopeGuard([&] {
            std::error_code ignored;
            fs::remove(file, ignored);
            fs::remove_all(folder, ignored);
        });
        std::ofstream(file) << Secret;
        fs::permissions(file, fs::perms::owner_read);
        fs::create_directory(folder);
        std::ofstream(folder / "inner") << Secret;
        fs::permissions(folder, fs::perms::owner_all);
        for (const std::string user : {"root", "user"}) {
            refused(sandbox, "cat " + file.string(), user);
            refused(sandbox, "cp " + file.string() + " /tmp/x", user);
            refused(sandbox, "chmod 644 " + file.string(), user);
            refused(sandbox, "cat " + (folder / "inner").string(), user);
        }
        // It can be moved out of sight, but not read for that.
        QVERIFY(run(sandbox, "rm -f " + file.string() + "; cat /tmp/x " + file.string()).code != 0);
        QVERIFY(fs::exists(file));
    }
}

void TestSandbox::processesAndEnvironmentOfTheHostAreInvisible()
{
    const Launched sandbox = start("proc1");
    const Answer seen =
        run(sandbox, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; env");
    QVERIFY2(seen.output.find(Secret) == std::string::npos, seen.output.c_str());
    COMPARE_RUN(run(sandbox, "wc -c < /proc/1/environ"), "0\n");
    const Answer count = run(sandbox, "ls -d /proc/[0-9]* | wc -l");
    QVERIFY2(std::stoi(count.output) < 10, count.output.c_str());
    // Not even by number.
    refused(sandbox, "kill -0 " + std::to_string(::getpid()));
    refused(sandbox, "cat /proc/" + std::to_string(::getpid()) + "/environ");
    if (!m_single)
        refused(sandbox, "cat /proc/1/environ", "user");
}

void TestSandbox::servicesOfTheHostAreOutOfReach()
{
    const int service = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int abstract = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto undo = qScopeGuard([&] {
        ::close(service);
        ::close(abstract);
    });
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    QCOMPARE(::bind(service, reinterpret_cast<sockaddr *>(&address), length), 0);
    QCOMPARE(::listen(service, 8), 0);
    QCOMPARE(::getsockname(service, reinterpret_cast<sockaddr *>(&address), &length), 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::string(Marker).copy(name.sun_path + 1, sizeof name.sun_path - 2);
    QCOMPARE(::bind(abstract, reinterpret_cast<sockaddr *>(&name), sizeof name), 0);
    QCOMPARE(::listen(abstract, 8), 0);

    const Launched sandbox = start("net1");
    refused(sandbox, "exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(ntohs(address.sin_port)));
    const Answer sockets = run(sandbox, "cat /proc/net/unix");
    QVERIFY(sockets.output.find(Marker) == std::string::npos);
    COMPARE_RUN(run(sandbox, "ls /sys/class/net"), "lo\n");
    pollfd entry{service, POLLIN, 0};
    QCOMPARE(::poll(&entry, 1, 0), 0); // nobody came
    // Its own loopback works.
    COMPARE_RUN(run(sandbox,
                    "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "
                    "\"127.0.0.1\", Listen => 1) or die; IO::Socket::INET->new(PeerAddr => "
                    "\"127.0.0.1\", PeerPort => $s->sockport) or die; print \"ok\\n\"'"),
                "ok\n");
}

void TestSandbox::anotherSandboxIsOutOfReach()
{
    const Launched one = start("one");
    const Launched two = start("two");
    const std::string marker = Marker;
    COMPARE_RUN(
        run(one, "mkdir -p /data /opt/x; for d in /data /tmp /home/user /opt/x /usr/local /etc; do "
                 "echo x > $d/"
                     + marker + "; done"),
        "");
    COMPARE_RUN(run(one, "(exec -a " + marker + " sleep 600) >/dev/null 2>&1 &"), "");
    COMPARE_RUN(run(two, "find / -xdev -name '" + marker
                             + "*' 2>/dev/null; "
                               "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^"
                             + marker + "'; true"),
                "0\n");
    COMPARE_RUN(run(one, "cat /data/" + marker), "x\n");
}

void TestSandbox::writesStayInside()
{
    const Launched one = start("writes1");
    const Launched two = start("writes2");
    const std::string name = std::string(Marker) + "-write";
    for (const std::string folder :
         {"/usr", "/usr/bin", "/usr/local/bin", "/usr/lib", "/etc", "/var", "/var/lib/dpkg", "/opt",
          "/tmp", "/root", "/home", "/run", "/"}) {
        const std::string path = folder + "/" + name;
        COMPARE_RUN(run(one, "echo x > " + path + " && cat " + path), "x\n");
        QVERIFY2(::access(path.c_str(), F_OK) != 0, path.c_str());
        QVERIFY2(run(two, "test ! -e " + path).code == 0, path.c_str());
    }
    // Changing and removing what came from the host changes the sandbox's own view alone.
    const auto before = fs::file_size("/usr/bin/env");
    COMPARE_RUN(run(one, "rm /usr/bin/env && : > /usr/bin/env && chmod 4777 /usr/bin/env"), "");
    QCOMPARE(fs::file_size("/usr/bin/env"), before);
    COMPARE_RUN(run(two, "/usr/bin/env true"), "");
}

void TestSandbox::waysOutAreShut_data()
{
    QTest::addColumn<QByteArray>("command");
    for (const char *command :
         {"mount -t tmpfs none /mnt",
          "mount --bind /proc /mnt",
          "umount /proc",
          "umount /proc/sys",
          "mount -o remount,rw /proc/sys",
          "unshare -m true",
          "unshare -n true",
          "unshare -Um true",
          "mknod /tmp/disk b 8 0 && head -c1 /tmp/disk",
          "head -c1 /dev/kmsg",
          "dmesg",
          "echo x > /proc/sys/kernel/core_pattern",
          "echo b > /proc/sysrq-trigger",
          "echo 9 > /proc/sys/user/max_user_namespaces",
          "hostname other",
          "nsenter -t 1 -m true",
          "modprobe dummy",
          "date -s 2000-01-01",
          "echo x > /proc/1/exe",
          ": >> /proc/1/exe",
          "ip link add d0 type dummy || ip link set lo down",
          "echo 1 > /sys/kernel/mm/ksm/run",
          "echo 1 > /proc/1/oom_score_adj && echo -1000 > /proc/self/oom_score_adj",
          "ulimit -Hu unlimited",
          "ulimit -Hc unlimited"})
        QTest::newRow(command) << QByteArray(command);
}

void TestSandbox::waysOutAreShut()
{
    QFETCH(QByteArray, command);
    const std::string id = "shut";
    static Launched sandbox;
    if (m_running.count(id) == 0 || !Launcher::isAlive(sandbox))
        sandbox = start(id);
    refused(sandbox, command.toStdString());
}

void TestSandbox::systemCallsAreRefused()
{
    const Launched sandbox = start("calls1");
    COMPARE_RUN(run(sandbox, "grep -E '^Seccomp:' /proc/self/status | tr -d '\\t '"),
                "Seccomp:2\n");
#if defined(__x86_64__)
    // The filter's own answer, told from what the kernel would say to nonsense: EPERM 1, ENOSYS 38.
    const std::string perl =
        R"(perl -e 'sub try { my ($n, @a) = @_; $! = 0; syscall($n, @a); print $!+0, " "; }
        try(250, 0, -2, 0, 0, 0); try(321, 99, 0, 0); try(298, 0, 0, -1, -1, 0); try(323, 99);
        try(425, 0, 0); try(308, -1, 0); try(165, 0, 0, 0, 0, 0); try(304, -1, 0, 0); try(435, 0, 0);
        try(272, 0x20000); try(272, 0x40000000); try(56, 0x20000011, 0, 0, 0, 0);
        my $c = "x"; ioctl(STDIN, 0x5412, $c); print $!+0, " "; ioctl(STDIN, 0x541c, $c); print $!+0;')";
    COMPARE_RUN(run(sandbox, perl), "1 1 1 1 1 1 1 1 38 1 1 1 1 1");
    const Answer nested = run(sandbox, "unshare -U true", "root");
    QCOMPARE(nested.code == 0, m_single); // which needs it to show the second account
#endif
    COMPARE_RUN(run(sandbox, "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2 | sort -u"),
                "00000000a00c25fb\n");
}

void TestSandbox::nothingIsInherited()
{
    // A descriptor of the engine that somebody forgot to close on execution.
    const int forgotten = ::open("/etc/passwd", O_RDONLY); // NOLINT
    const auto undo = qScopeGuard([&] { ::close(forgotten); });
    const Launched sandbox = start("fds1");
    const Answer list = run(
        sandbox,
        "for f in /proc/1/fd/*; do readlink $f; done | sed 's/:.*//' | sort | uniq -c | tr -s ' '");
    // The connection of this very command, the listening socket, the agent's own signal descriptor.
    QCOMPARE(QByteArray::fromStdString(list.output),
             QByteArray(" 3 /dev/null\n 1 anon_inode\n 2 socket\n"));
    COMPARE_RUN(run(sandbox,
                    "readlink /proc/1/cwd /proc/1/root; grep -c . /proc/1/cgroup >/dev/null; "
                    "grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'"),
                "/\n/\nSigBlk:0000000000000000\nSigIgn:0000000000000000\n");
}

void TestSandbox::sudoMakesRoot()
{
    if (::access("/usr/bin/sudo", R_OK) != 0)
        QSKIP("This machine has no sudo to offer.");
    const Launched sandbox = start("sudo1");
    COMPARE_RUN(
        run(sandbox, "sudo id -u; sudo -n -- sh -c 'echo $0 $1' a b; sudo -u root whoami", "user"),
        "0\na b\nroot\n");
    COMPARE_RUN(run(sandbox, "sudo touch /etc/by-root && test -e /etc/by-root", "user"), "");
    if (!m_single) {
        refused(sandbox, "touch /etc/by-user", "user");
        COMPARE_RUN(run(sandbox, "su user -c 'id -un'"), "user\n");
    }
}

void TestSandbox::packageToolsFindTheirState()
{
    const Launched sandbox = start("tools1");
    if (fs::exists("/var/lib/dpkg/status")) {
        COMPARE_RUN(run(sandbox, "dpkg -s dpkg >/dev/null && dpkg --audit && apt-get -s -qq check"),
                    "");
        // A package of our own goes in and out again.
        COMPARE_RUN(
            run(sandbox,
                "mkdir -p /tmp/p/DEBIAN /tmp/p/usr/share/p && echo hi > /tmp/p/usr/share/p/x && "
                "printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nMaintainer: n "
                "<n@n>\\nDescription: d\\n' "
                "> /tmp/p/DEBIAN/control && dpkg-deb -b /tmp/p /tmp/p.deb >/dev/null && "
                "dpkg -i /tmp/p.deb >/dev/null 2>&1; cat /usr/share/p/x; dpkg -P p >/dev/null "
                "2>&1; ls /usr/share/p 2>&1 | wc -l"),
            "hi\n1\n");
    }
    if (fs::exists("/usr/bin/git"))
        COMPARE_RUN(run(sandbox,
                        "git init -q r && cd r && echo a > a && git add a && git -c user.name=n -c "
                        "user.email=e commit -qm m && git log --format=%s",
                        "user"),
                    "m\n");
}

// --- life ---------------------------------------------------------------------------------------

void TestSandbox::filesSurviveTheEndOfAllProcesses()
{
    Launched sandbox = start("again1");
    COMPARE_RUN(run(sandbox,
                    "mkdir /data && echo important > /data/file && echo u > /usr/local/u && "
                    "rm /etc/issue; chmod 700 /data && echo v > /var/v && echo o > /run/o"),
                "");
    COMPARE_RUN(run(sandbox, "echo mine > file", "user"), "");
    VERIFY_DONE(m_launcher->kill("again1", sandbox));
    QVERIFY(!Launcher::isAlive(sandbox));
    QVERIFY(m_launcher->hasFiles("again1"));
    const Launched next = start("again1");
    QVERIFY(next.pid != sandbox.pid);
    COMPARE_RUN(
        run(next, "cat /data/file /usr/local/u /var/v /run/o; test ! -e /etc/issue; hostname"),
        "important\nu\nv\no\nagain1\n");
    COMPARE_RUN(run(next, "cat file; stat -c %U file", "user"), "mine\nuser\n");
    QVERIFY(!m_launcher->hasFiles("never"));
}

void TestSandbox::anotherLauncherTakesOver()
{
    const Launched sandbox = start("taken1");
    m_launcher = std::make_unique<Launcher>(state());
    QVERIFY(Launcher::isAlive(sandbox));
    COMPARE_RUN(run(sandbox, "echo on"), "on\n");
    VERIFY_DONE(m_launcher->freeze("taken1", sandbox));
    m_launcher = std::make_unique<Launcher>(state());
    VERIFY_DONE(m_launcher->thaw("taken1", sandbox));
    COMPARE_RUN(run(sandbox, "echo still"), "still\n");
    const int pidfd = Launcher::openPidfd(sandbox);
    QVERIFY(pidfd >= 0);
    const auto undo = qScopeGuard([&] { ::close(pidfd); });
    VERIFY_DONE(m_launcher->kill("taken1", sandbox));
    pollfd entry{pidfd, POLLIN, 0};
    QCOMPARE(::poll(&entry, 1, 0), 1);
    // Nobody is mistaken for it.
    Launched other = sandbox;
    other.pid = ::getpid();
    QVERIFY(!Launcher::isAlive(other));
    QCOMPARE(Launcher::openPidfd(other), -1);
    VERIFY_DONE(m_launcher->kill("taken1", other));
}

/// Makes the launcher use another way of freezing for this sandbox.
void TestSandbox::useFreezer(const std::string &id, const Launched &sandbox, const QString &kind)
{
    const fs::path record = state() / "sandboxes" / id / "cgroup";
    // The launcher will not know of it any more; it can go when the sandbox has.
    std::string found;
    std::getline(std::ifstream(record), found);
    m_abandoned.push_back(SandboxCgroup::fromText(found + "\n"));
    if (kind == QStringLiteral("signals")) {
        std::ofstream(record) << SandboxCgroup().toText();
    } else if (kind == QStringLiteral("version 1")) {
        const CgroupHost host("moru-test-", CgroupHost::Only::Version1);
        const SandboxCgroup group = makeCgroup(host, id);
        QCOMPARE(group.version, SandboxCgroup::Version::One);
        for (const pid_t pid : familyOf(sandbox.pid))
            QVERIFY(joinCgroup(group, pid) || !processState(pid)); // it ended meanwhile
        std::ofstream(record) << group.toText();
    }
}

void TestSandbox::freezingStopsAndThawingContinues_data()
{
    QTest::addColumn<QString>("freezer");
    QTest::newRow("as found") << QStringLiteral("as found");
    QTest::newRow("version 1") << QStringLiteral("version 1");
    QTest::newRow("signals") << QStringLiteral("signals");
}

void TestSandbox::freezingStopsAndThawingContinues()
{
    QFETCH(QString, freezer);
    if (freezer == QStringLiteral("version 1")
        && CgroupHost("moru-test-", CgroupHost::Only::Version1).version1Freezer().empty())
        QSKIP("No version 1 freezer here.");
    const std::string id = "frozen1";
    const Launched sandbox = start(id);
    // A loop that works, one that keeps starting others, and one that was stopped by its owner.
    COMPARE_RUN(run(sandbox, "(exec -a busy bash -c 'while :; do :; done') >/dev/null 2>&1 & "
                             "(while :; do /bin/true; done) >/dev/null 2>&1 & "
                             "(exec -a held sleep 600) >/dev/null 2>&1 & "
                             "until grep -q ^held /proc/$!/cmdline; do :; done; kill -STOP $!"),
                "");
    useFreezer(id, sandbox, freezer);
    const auto find = [&](const std::string &name) {
        for (const pid_t pid : familyOf(sandbox.pid)) {
            std::string argument;
            std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/cmdline"), argument,
                         '\0');
            if (argument == name)
                return pid;
        }
        return pid_t{0};
    };
    QTRY_VERIFY(find("busy") != 0 && find("held") != 0);
    const pid_t busy = find("busy");
    const pid_t held = find("held");
    QTRY_VERIFY(processState(held)->isStopped());
    const std::uint64_t begin = ticksOf(busy);
    QTRY_VERIFY(ticksOf(busy) > begin + 2);

    for (int round = 0; round < 2; ++round) {
        VERIFY_DONE(m_launcher->freeze(id, sandbox));
        VERIFY_DONE(m_launcher->freeze(id, sandbox)); // twice is once
        const std::vector<pid_t> family = familyOf(sandbox.pid);
        const std::uint64_t before = ticksOf(busy);
        const double total = cpuSecondsOf(family);
        burn(0.15);
        QCOMPARE(ticksOf(busy), before);
        QCOMPARE(cpuSecondsOf(family), total);
        QCOMPARE(familyOf(sandbox.pid), family);
        QVERIFY(Launcher::isAlive(sandbox));
        QVERIFY(m_launcher->usage(id, sandbox, true));
        VERIFY_DONE(m_launcher->thaw(id, sandbox));
        QTRY_VERIFY(ticksOf(busy) > before);
        QVERIFY(processState(held)->isStopped());
        COMPARE_RUN(run(sandbox, "echo back"), "back\n");
    }
}

void TestSandbox::killingEndsEverything_data()
{
    freezingStopsAndThawingContinues_data();
}

void TestSandbox::killingEndsEverything()
{
    QFETCH(QString, freezer);
    if (freezer == QStringLiteral("version 1")
        && CgroupHost("moru-test-", CgroupHost::Only::Version1).version1Freezer().empty())
        QSKIP("No version 1 freezer here.");
    for (const bool frozen : {false, true}) {
        const std::string id = frozen ? "killed1" : "killed2";
        const Launched sandbox = start(id);
        COMPARE_RUN(run(sandbox,
                        "for i in 1 2 3; do (setsid bash -c 'trap \"\" TERM HUP INT; sleep 600') "
                        ">/dev/null 2>&1 & done"),
                    "");
        QTRY_VERIFY(familyOf(sandbox.pid).size() >= 4);
        useFreezer(id, sandbox, freezer);
        if (frozen)
            VERIFY_DONE(m_launcher->freeze(id, sandbox));
        const std::vector<pid_t> family = familyOf(sandbox.pid);
        const auto group = SandboxCgroup::fromText([&] {
            std::string line;
            std::getline(std::ifstream(state() / "sandboxes" / id / "cgroup"), line);
            return line + "\n";
        }());
        QElapsedTimer timer;
        timer.start();
        VERIFY_DONE(m_launcher->kill(id, sandbox));
        qInfo("kill: %lld ms", static_cast<long long>(timer.elapsed()));
        QVERIFY(!Launcher::isAlive(sandbox));
        for (const pid_t pid : family) {
            const auto left = processState(pid);
            QVERIFY2(!left || left->hasEnded(), std::to_string(pid).c_str());
        }
        QTRY_VERIFY(!processState(sandbox.pid)); // no zombie
        if (group.version != SandboxCgroup::Version::None)
            QTRY_VERIFY((m_launcher->kill(id, sandbox), !fs::exists(group.path)));
        QCOMPARE(runInSandbox(sandbox.socket, "root", "true").code, -1);
        VERIFY_DONE(m_launcher->kill(id, sandbox)); // what is dead may be killed
        m_running.erase(id);
        VERIFY_DONE(m_launcher->removeFiles(id));
        QVERIFY(!m_launcher->hasFiles(id));
        VERIFY_DONE(m_launcher->removeFiles(id));
    }
}

void TestSandbox::endedSandboxesAreReaped()
{
    const Launched sandbox = start("ended1");
    const int pidfd = Launcher::openPidfd(sandbox);
    const auto undo = qScopeGuard([&] { ::close(pidfd); });
    QVERIFY(pidfd >= 0);
    QCOMPARE(::kill(sandbox.pid, SIGKILL), 0);
    pollfd entry{pidfd, POLLIN, 0};
    QCOMPARE(::poll(&entry, 1, 10'000), 1);
    QVERIFY(!Launcher::isAlive(sandbox));
    QTRY_VERIFY(!processState(sandbox.pid)); // reaped without anybody asking
    QVERIFY(!m_launcher->usage("ended1", sandbox, false));
    QVERIFY(m_launcher->freeze("ended1", sandbox));
}

void TestSandbox::manyStartAtOnce()
{
    constexpr int count = 50;
    {
        // Whatever is opened once and kept is open now.
        VERIFY_DONE(m_launcher->kill("many0", start("many0")));
        QTRY_COMPARE_WITH_TIMEOUT(childrenOf(::getpid()).size(), std::size_t{0}, 30000);
        m_launcher->waitForRemovals();
        // The reaper closes its descriptor just after reaping.
        std::size_t last = 0;
        QTRY_VERIFY(std::exchange(last, openDescriptors()) == openDescriptors());
    }
    const std::size_t before = openDescriptors();
    std::vector<Launched> sandboxes(count);
    std::vector<std::optional<LaunchError>> errors(count);
    std::vector<qint64> times(count);
    std::atomic<int> next = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 8; ++thread)
        threads.emplace_back([&] {
            for (int at = next++; at < count; at = next++) {
                const auto index = static_cast<std::size_t>(at);
                QElapsedTimer timer;
                timer.start();
                errors[index] =
                    m_launcher->start("many" + std::to_string(at), {}, sandboxes[index]);
                times[index] = timer.elapsed();
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    std::sort(times.begin(), times.end());
    qInfo("50 starts on 8 threads: median %lld ms, worst %lld ms",
          static_cast<long long>(times[count / 2]), static_cast<long long>(times.back()));
    for (std::size_t at = 0; at < count; ++at)
        if (!errors[at]) // for the clean-up, whatever fails below
            m_running["many" + std::to_string(at)] = sandboxes[at];
    std::set<pid_t> pids;
    for (std::size_t at = 0; at < count; ++at) {
        QVERIFY2(!errors[at], errors[at] ? errors[at]->message.c_str() : "");
        const std::string id = "many" + std::to_string(at);
        pids.insert(sandboxes[at].pid);
        COMPARE_RUN(run(sandboxes[at], "hostname"), QByteArray::fromStdString(id + "\n"));
    }
    QCOMPARE(pids.size(), std::size_t{count});
    cleanup();
    QTRY_COMPARE_WITH_TIMEOUT(childrenOf(::getpid()).size(), std::size_t{0}, 30000);
    m_launcher->waitForRemovals();
    QTRY_VERIFY2(openDescriptors() <= before, std::to_string(openDescriptors()).c_str());
}

void TestSandbox::usageCountsWhatIsOccupied()
{
    const Launched sandbox = start("usage1");
    const auto first = m_launcher->usage("usage1", sandbox, true);
    QVERIFY(first);
    QVERIFY(first->memoryBytes > 100'000);
    QVERIFY2(first->diskBytes < 2'000'000, std::to_string(first->diskBytes).c_str());
    COMPARE_RUN(run(sandbox,
                    "truncate -s 1T big && head -c 5000000 /dev/urandom > small && sync small && "
                    "ln small other && mkdir -m 000 closed",
                    "user"),
                "");
    const auto second = m_launcher->usage("usage1", sandbox, true);
    QVERIFY(second);
    const std::uint64_t grown = second->diskBytes - first->diskBytes;
    QVERIFY2(grown >= 5'000'000 && grown < 6'000'000, std::to_string(grown).c_str());
    COMPARE_RUN(run(sandbox, "perl -e 'use POSIX; 1 while (times)[0] < 0.3'"), "");
    const auto third = m_launcher->usage("usage1", sandbox, false);
    QVERIFY(third);
    QVERIFY2(third->cpuSeconds >= second->cpuSeconds + 0.25,
             std::to_string(third->cpuSeconds).c_str());
    qInfo("memory of an idle sandbox: %llu KiB",
          static_cast<unsigned long long>(first->memoryBytes / 1024));
}

void TestSandbox::removalHandlesHostileTrees()
{
    const fs::path outside = fs::path(m_folder.path().toStdString()) / "outside";
    fs::create_directory(outside);
    std::ofstream(outside / "precious") << "x";
    const Launched sandbox = start("hostile1");
    COMPARE_RUN(run(sandbox, "perl -e 'for (1..20000) { mkdir \"d\" or die; chdir \"d\" or die } "
                             "print \"deep\\n\"'"),
                "deep\n");
    COMPARE_RUN(
        run(sandbox,
            "mkdir -p /srv/a/b && touch /srv/a/b/c && chmod 000 /srv/a/b /srv/a; "
            "ln -s "
                + outside.string() + " /srv/link; ln -s " + outside.string()
                + " /home/user/link; mkfifo /srv/pipe; touch $'/srv/new\\nline' /srv/$'\\xff'; "
                  "mkdir /srv/moved-0; touch /srv/moved-0/x; mkdir -p /srv/y/moved-1/z; true"),
        "");
    COMPARE_RUN(run(sandbox, "mkdir -p x/y && touch x/y/z && chmod 000 x", "user"), "");
    QVERIFY(m_launcher->usage("hostile1", sandbox, true));
    VERIFY_DONE(m_launcher->kill("hostile1", sandbox));
    m_running.erase("hostile1");
    VERIFY_DONE(m_launcher->removeFiles("hostile1"));
    QVERIFY(!fs::exists(state() / "sandboxes" / "hostile1")); // at once
    m_launcher->waitForRemovals();
    QVERIFY(fs::is_empty(state() / "trash"));
    QVERIFY(fs::exists(outside / "precious"));
}

void TestSandbox::leftoverTrashIsEmptied()
{
    m_launcher->waitForRemovals();
    m_launcher.reset();
    fs::create_directories(state() / "trash" / "left" / "fs" / "root" / "x");
    std::ofstream(state() / "trash" / "left" / "fs" / "root" / "x" / "y") << "z";
    std::ofstream(state() / "trash" / "stray") << "z";
    m_launcher = std::make_unique<Launcher>(state());
    m_launcher->waitForRemovals();
    QVERIFY(fs::is_empty(state() / "trash"));
}

void TestSandbox::longStateDirectoriesWork()
{
    fs::path deep = m_folder.path().toStdString();
    while (deep.string().size() < 200)
        deep /= "a folder, with: odd characters";
    Launcher launcher(deep);
    Launched sandbox;
    VERIFY_DONE(launcher.start("long1", {}, sandbox));
    COMPARE_RUN(run(sandbox, "echo hello; touch /usr/x /etc/x"), "hello\n");
    VERIFY_DONE(launcher.kill("long1", sandbox));
    VERIFY_DONE(launcher.removeFiles("long1"));
    launcher.waitForRemovals();
    struct stat info {};
    QCOMPARE(::stat(deep.c_str(), &info), 0);
    QCOMPARE(info.st_mode & 0777, 0700U);
}

void TestSandbox::wrongIdsAreRefused()
{
    Launched sandbox;
    for (const char *id : {"", "..", "a/b", "../x", "a b", "-x", "a\n"}) {
        QVERIFY2(m_launcher->start(id, {}, sandbox), id);
        QVERIFY2(m_launcher->removeFiles(id), id);
        QVERIFY2(!m_launcher->hasFiles(id), id);
    }
    QCOMPARE(sandbox.pid, 0);
}

int main(int argc, char **argv)
{
    if (argc > 0 && qstrcmp(argv[0], SandboxArgv0) == 0)
        return sandboxMain();
    QCoreApplication application(argc, argv);
    TestSandbox test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_sandbox.moc"
