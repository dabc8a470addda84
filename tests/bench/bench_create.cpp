// SPDX-License-Identifier: GPL-3.0-or-later
// From "create" to the first output of a command, through the app's own clients and a real
// moru-local, and what an idle sandbox costs. The baseline is the least that an isolated process
// takes on this machine: one new user, mount and PID namespace and a shell in it.
#include "app/connections/connection.h"
#include "tests/bench/bench.h"
#include "tests/bench/procfs.h"

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QTimer>

#include <cstdlib>
#include <memory>
#include <optional>

using namespace moru;
using namespace moru::bench;

namespace {

constexpr int patienceMs = 60'000;

double elapsedMs(const QElapsedTimer &clock)
{
    return double(clock.nsecsElapsed()) / 1e6;
}

/// Runs the loop until `over` says so; false when that takes too long.
template <typename Over> bool waitUntil(Over over)
{
    QElapsedTimer clock;
    clock.start();
    while (!over()) {
        if (clock.elapsed() > patienceMs)
            return false;
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents | QEventLoop::AllEvents, 50);
    }
    return true;
}

struct Round {
    double createdMs = 0; ///< the create call is answered
    double outputMs = 0;  ///< the first byte of the command's output is here
    QString id;
};

std::optional<Round> createAndRun(Connection &connection)
{
    QObject context;
    QElapsedTimer clock;
    clock.start();
    Round round;
    std::optional<Result<SandboxDetail>> created;
    connection.control().createSandbox(
        NewSandbox(), &context, [&](const Result<SandboxDetail> &result) { created = result; });
    if (!waitUntil([&] { return created.has_value(); }) || !created->has_value())
        return std::nullopt;
    round.createdMs = elapsedMs(clock);
    round.id = (*created)->sandbox.id;
    EnvdClient &envd = connection.envd(round.id);
    envd.adopt(**created);
    ProcessSpec spec;
    spec.args = {QStringLiteral("-l"), QStringLiteral("-c"), QStringLiteral("echo here")};
    ProcessStream *stream = envd.start(spec, &context);
    bool failed = false;
    QObject::connect(stream, &ProcessStream::stdoutData, &context, [&] {
        if (round.outputMs == 0)
            round.outputMs = elapsedMs(clock);
    });
    QObject::connect(stream, &ProcessStream::failed, &context, [&] { failed = true; });
    if (!waitUntil([&] { return failed || round.outputMs > 0; }) || failed)
        return std::nullopt;
    return round;
}

double leastMs()
{
    QProcess process;
    QElapsedTimer clock;
    clock.start();
    process.start(QStringLiteral("unshare"),
                  {QStringLiteral("--user"), QStringLiteral("--map-root-user"),
                   QStringLiteral("--mount"), QStringLiteral("--pid"), QStringLiteral("--fork"),
                   QStringLiteral("sh"), QStringLiteral("-c"), QStringLiteral("echo here")});
    const bool read = process.waitForReadyRead(patienceMs);
    const double ms = elapsedMs(clock);
    process.waitForFinished(patienceMs);
    return read ? ms : 0;
}

/// Direct children of a process, of all its threads: the kernel lists a child with the one that
/// made it.
QList<qint64> childrenOf(qint64 pid)
{
    QList<qint64> children;
    const QStringList folders = threadFolders(pid);
    for (const QString &folder : folders) {
        QFile file(folder + QStringLiteral("/children"));
        if (!file.open(QIODevice::ReadOnly))
            continue;
        const QList<QByteArray> words = file.readAll().simplified().split(' ');
        for (const QByteArray &word : words) {
            if (!word.isEmpty())
                children.append(word.toLongLong());
        }
    }
    return children;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
    QTemporaryDir state;
    QProcess engine;
    engine.setProgram(qEnvironmentVariable("MORU_BIN_DIR") + QStringLiteral("/moru-local"));
    engine.setArguments({QStringLiteral("serve"), QStringLiteral("--listen"),
                         QStringLiteral("127.0.0.1:0"), QStringLiteral("--state-dir"),
                         state.filePath(QStringLiteral("engine"))});
    engine.setStandardErrorFile(QProcess::nullDevice()); // its log is in the state directory
    engine.start();
    if (!waitUntil([&] { return engine.canReadLine() || engine.state() == QProcess::NotRunning; }))
        return 1;
    const QJsonObject ready = QJsonDocument::fromJson(engine.readLine()).object();
    QFile key(ready.value(QStringLiteral("keyFile")).toString());
    if (!key.open(QIODevice::ReadOnly)) {
        std::fprintf(stderr, "the engine did not start\n");
        return 1;
    }
    ConnectionSpec spec;
    spec.id = QStringLiteral("local");
    spec.kind = ConnectionSpec::Kind::Local;
    spec.endpoint = Endpoint{QUrl(ready.value(QStringLiteral("apiUrl")).toString()),
                             QUrl(ready.value(QStringLiteral("sandboxUrl")).toString()),
                             ready.value(QStringLiteral("domain")).toString()};
    Connection connection(spec);
    connection.transport().setApiKey(QString::fromLatin1(key.readAll().trimmed()));

    bool ok = true;
    std::vector<double> created;
    std::vector<double> output;
    std::vector<double> least;
    QStringList ids;
    (void)createAndRun(connection); // the template's layers are made once
    for (int i = 0; ok && i < rounds; ++i) {
        const std::optional<Round> round = createAndRun(connection);
        ok = round.has_value();
        if (!ok)
            break;
        created.push_back(round->createdMs);
        output.push_back(round->outputMs);
        ids.append(round->id);
        least.push_back(leastMs());
    }
    if (ok) {
        std::printf("# %d sandboxes of the base template, wall time\n", rounds);
        report("create answered, median", median(created), "ms", "unshare sh", median(least), 0, 0);
        report("create to first command output, median", median(output), "ms", "unshare sh",
               median(least), 60, 0);
        report("create to first command output, worst", *std::ranges::max_element(output), "ms",
               "unshare sh", *std::ranges::max_element(least), 0, 0);

        std::printf("# idle sandboxes, over 10 s\n");
        const QList<qint64> agents = childrenOf(engine.processId());
        std::vector<double> memory;
        double before = 0;
        for (const qint64 pid : agents) {
            memory.push_back(mebibytes(pid, "status", "VmRSS"));
            before += cpuOfProcessMs(pid);
        }
        QEventLoop loop;
        QTimer::singleShot(10'000, &loop, &QEventLoop::quit);
        loop.exec();
        double after = 0;
        for (const qint64 pid : agents)
            after += cpuOfProcessMs(pid);
        if (memory.empty()) {
            std::fprintf(stderr, "the engine has no children to look at\n");
            ok = false;
        } else {
            report("agent of an idle sandbox, RSS, median", median(memory), "MiB", "", 0, 8, 0);
            report("CPU of all idle agents", (after - before) / 10, "ms/s", "", 0, 0, 0);
        }
        report("the engine itself, RSS", mebibytes(engine.processId(), "status", "VmRSS"), "MiB",
               "", 0, 0, 0);
    } else {
        std::fprintf(stderr, "a sandbox was not made or its command did not run\n");
    }
    QProcess reset;
    reset.start(engine.program(),
                {QStringLiteral("reset"), QStringLiteral("--yes"), QStringLiteral("--state-dir"),
                 state.filePath(QStringLiteral("engine"))});
    reset.waitForFinished(patienceMs);
    engine.waitForFinished(patienceMs);
    return ok ? 0 : 1;
}
