// SPDX-License-Identifier: GPL-3.0-or-later
// From the start of the program to a painted, filled table, and what it costs to leave it open: the
// real moru-desktop on a control plane of this process, against a bare Qt window with a table of as
// many rows. Wants an X display (run.sh brings one).
#include "tests/bench/bench.h"
#include "tests/bench/procfs.h"
#include "tests/stores/fleetserver.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QLineEdit>
#include <QMainWindow>
#include <QMenuBar>
#include <QProcess>
#include <QProcessEnvironment>
#include <QStandardItemModel>
#include <QStatusBar>
#include <QTableView>
#include <QTemporaryDir>
#include <QTimer>
#include <QToolBar>

#include <cstdlib>
#include <cstring>

using namespace moru;
using namespace moru::bench;

namespace {

/// The line that both programs write to stderr when the first rows are on screen.
constexpr const char *mark = "first rows are painted";
constexpr int patienceMs = 30'000;

/// What any Qt program of this kind has to pay.
class BareWindow : public QMainWindow {
public:
    explicit BareWindow(int rows)
        : m_model(rows, 8)
        , m_table(new QTableView(this))
    {
        for (int row = 0; row < rows; ++row) {
            for (int column = 0; column < 8; ++column)
                m_model.setItem(
                    row, column,
                    new QStandardItem(QStringLiteral("row %1 column %2").arg(row).arg(column)));
        }
        m_table->setModel(&m_model);
        setCentralWidget(m_table);
        menuBar()->addMenu(QStringLiteral("Window"))->addAction(QStringLiteral("Close"));
        addToolBar(QStringLiteral("Main"))->addWidget(new QLineEdit);
        statusBar()->showMessage(QStringLiteral("Ready"));
        resize(1280, 800);
        m_table->viewport()->installEventFilter(this);
    }

protected:
    bool eventFilter(QObject *watched, QEvent *event) override
    {
        if (event->type() == QEvent::Paint && !m_said) {
            m_said = true;
            QTimer::singleShot(0, this, [] {
                std::fprintf(stderr, "%s\n", mark);
                std::fflush(stderr);
            });
        }
        return QMainWindow::eventFilter(watched, event);
    }

private:
    QStandardItemModel m_model;
    QTableView *m_table;
    bool m_said = false;
};

struct Figures {
    double cpuMs = 0;  ///< until the mark
    double wallMs = 0; ///< until the mark
    double idleMsPerS = 0;
    double pssMiB = 0;
    bool ok = false;
};

/// Starts a program, waits for the mark, then, if `idleMs` > 0, leaves it alone for that long.
Figures run(const QString &program, const QStringList &arguments,
            const QProcessEnvironment &environment, int settleMs, int idleMs)
{
    Figures figures;
    QProcess process;
    process.setProgram(program);
    process.setArguments(arguments);
    process.setProcessEnvironment(environment);
    process.setStandardOutputFile(QProcess::nullDevice());
    QByteArray said;
    QEventLoop loop;
    QTimer patience;
    patience.setSingleShot(true);
    QObject::connect(&patience, &QTimer::timeout, &loop, &QEventLoop::quit);
    QObject::connect(&process, &QProcess::finished, &loop, &QEventLoop::quit);
    QObject::connect(&process, &QProcess::readyReadStandardError, &loop, [&] {
        said += process.readAllStandardError();
        if (!figures.ok && said.contains(mark)) {
            figures.ok = true;
            loop.quit();
        }
    });
    QElapsedTimer clock;
    clock.start();
    process.start();
    patience.start(patienceMs);
    loop.exec();
    if (figures.ok) {
        figures.wallMs = double(clock.nsecsElapsed()) / 1e6;
        figures.cpuMs = cpuOfProcessMs(process.processId());
        if (idleMs > 0) {
            QTimer::singleShot(settleMs, &loop, &QEventLoop::quit);
            loop.exec();
            const double before = cpuOfProcessMs(process.processId());
            clock.start();
            QTimer::singleShot(idleMs, &loop, &QEventLoop::quit);
            loop.exec();
            const double seconds = double(clock.nsecsElapsed()) / 1e9;
            figures.idleMsPerS = (cpuOfProcessMs(process.processId()) - before) / seconds;
            figures.pssMiB = pssMiB(process.processId());
        }
    } else {
        std::fprintf(stderr, "%s did not show its rows:\n%s\n", qUtf8Printable(program),
                     said.constData());
    }
    process.kill();
    process.waitForFinished();
    return figures;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc > 2 && std::strcmp(argv[1], "--bare") == 0) {
        QApplication app(argc, argv);
        BareWindow window(std::atoi(argv[2]));
        window.show();
        return QApplication::exec();
    }
    if (qEnvironmentVariableIsEmpty("DISPLAY")) {
        std::fprintf(stderr, "bench_start needs an X display; tests/bench/run.sh brings one\n");
        return 1;
    }
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
    QCoreApplication app(argc, argv);
    QTemporaryDir home;
    test::FleetServer server;
    const auto fill = [&server](int count) {
        server.fleet.clear();
        const QList<Sandbox> sandboxes = fleet(count);
        for (const Sandbox &sandbox : sandboxes) {
            test::FleetServer::Item &item = server.add(sandbox.id);
            item.metadata = sandbox.metadata;
        }
    };

    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("xcb"));
    environment.insert(QStringLiteral("HOME"), home.path());
    for (const char *name :
         {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        environment.insert(QString::fromLatin1(name), home.path());
    environment.insert(QStringLiteral("DBUS_SESSION_BUS_ADDRESS"), QString());
    environment.insert(QStringLiteral("MORU_API_URL"), server.url().toString());
    environment.insert(QStringLiteral("MORU_SANDBOX_URL"), server.url().toString());
    environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_0123456789abcdef"));
    const QString desktop = qEnvironmentVariable("MORU_BIN_DIR") + QStringLiteral("/moru-desktop");
    const QStringList arguments{QStringLiteral("--connection"), QStringLiteral("environment"),
                                QStringLiteral("--log-level"),  QStringLiteral("debug"),
                                QStringLiteral("--state-dir"),  home.filePath(QStringLiteral("e"))};
    const QString self = QCoreApplication::applicationFilePath();
    const auto ours = [&](int settle, int idle) {
        return run(desktop, arguments, environment, settle, idle);
    };
    const auto bare = [&](int rows, int settle, int idle) {
        return run(self, {QStringLiteral("--bare"), QString::number(rows)}, environment, settle,
                   idle);
    };

    std::printf("# exec to the first painted rows (100), CPU of the process, %d rounds in turn\n",
                rounds);
    fill(100);
    std::vector<double> ourCpu;
    std::vector<double> bareCpu;
    std::vector<double> ourWall;
    std::vector<double> bareWall;
    (void)bare(100, 0, 0); // caches
    (void)ours(0, 0);
    for (int round = 0; round < rounds; ++round) {
        const Figures a = ours(0, 0);
        const Figures b = bare(100, 0, 0);
        if (!a.ok || !b.ok)
            return 1;
        ourCpu.push_back(a.cpuMs);
        bareCpu.push_back(b.cpuMs);
        ourWall.push_back(a.wallMs);
        bareWall.push_back(b.wallMs);
    }
    report("start to filled table, CPU", median(ourCpu), "ms", "bare window", median(bareCpu), 0,
           1.8);
    report("start to filled table, wall", median(ourWall), "ms", "bare window", median(bareWall), 0,
           0);

    std::printf("# left open with 1000 sandboxes, polling, for 30 s after 10 s\n");
    fill(1000);
    const Figures open = ours(10'000, 30'000);
    const Figures nothing = bare(1000, 1'000, 1'000);
    if (!open.ok || !nothing.ok)
        return 1;
    report("proportional set size", open.pssMiB, "MiB", "bare window", nothing.pssMiB, 50, 0);
    report("CPU while polling", open.idleMsPerS, "ms/s", "", 0, 10, 0);
    return 0;
}
