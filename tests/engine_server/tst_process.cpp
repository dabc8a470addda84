// SPDX-License-Identifier: GPL-3.0-or-later
// The built engine as a process: start, crash, stop, idleness, its command line and its files.
#include "tests/engine_server/fixture.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>
#include <QTcpServer>
#include <QTest>

#include <csignal>

#include <sys/stat.h>

using namespace moru::test;

namespace {

mode_t modeOf(const QString &path)
{
    struct stat info {};
    return ::stat(QFile::encodeName(path).constData(), &info) == 0 ? info.st_mode & 07777 : 0;
}

/// The sandbox's first process on the host, as its record says.
pid_t initOf(const LocalEngine &engine, const QJsonObject &sandbox)
{
    QFile file(engine.stateDir() + QStringLiteral("/sandboxes/")
               + QString::fromLatin1(idOf(sandbox)) + QStringLiteral("/sandbox.json"));
    if (!file.open(QIODevice::ReadOnly))
        return 0;
    return QJsonDocument::fromJson(file.readAll())
        .object()
        .value(QStringLiteral("process"))
        .toObject()
        .value(QStringLiteral("pid"))
        .toInt();
}

bool isRunning(pid_t pid)
{
    QFile file(QStringLiteral("/proc/%1/stat").arg(pid));
    if (pid <= 0 || !file.open(QIODevice::ReadOnly))
        return false;
    const QByteArray text = file.readAll();
    return !text.mid(text.lastIndexOf(')') + 2).startsWith('Z');
}

} // namespace

class ProcessTest : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { m_engine = std::make_unique<LocalEngine>(); }
    void cleanup() { QVERIFY(m_engine->clear()); }
    void cleanupTestCase()
    {
        const QString state = m_engine->stateDir();
        m_engine.reset();
        // reset took everything, whoever it belonged to.
        QVERIFY(!QFileInfo::exists(state));
    }

    void theReadyLineTellsWhereEverythingIs()
    {
        QVERIFY(m_engine->start());
        const QJsonObject ready = m_engine->ready();
        QCOMPARE(ready.keys(),
                 (QStringList{QStringLiteral("apiUrl"), QStringLiteral("domain"),
                              QStringLiteral("keyFile"), QStringLiteral("pid"),
                              QStringLiteral("sandboxUrl"), QStringLiteral("version")}));
        QCOMPARE(ready.value(QStringLiteral("pid")).toInteger(), m_engine->process().processId());
        QCOMPARE(ready.value(QStringLiteral("domain")).toString(),
                 QStringLiteral("localhost:%1").arg(m_engine->data().port()));
        // Both listeners accept now.
        QCOMPARE(ask(m_engine->api(), "GET", "/health").status, 200);
        QCOMPARE(ask(m_engine->data(), "GET", "/health").status, 502);
        QFile file(m_engine->stateDir() + QStringLiteral("/engine.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        QCOMPARE(QJsonDocument::fromJson(file.readAll()).object(), ready);
        QVERIFY(m_engine->key().startsWith("moru_") && m_engine->key().size() == 45);
    }

    void stateIsPrivate()
    {
        QVERIFY(m_engine->start());
        const QJsonObject made = m_engine->create();
        QCOMPARE(modeOf(m_engine->stateDir()), mode_t(0700));
        for (const char *name : {"key", "engine.json", "lock"})
            QCOMPARE(modeOf(m_engine->stateDir() + QLatin1Char('/') + QLatin1String(name)),
                     mode_t(0600));
        QCOMPARE(modeOf(m_engine->stateDir() + QStringLiteral("/sandboxes/")
                        + QString::fromLatin1(idOf(made)) + QStringLiteral("/sandbox.json")),
                 mode_t(0600));
    }

    void secondEngineOnTheSameStateIsRefused()
    {
        QVERIFY(m_engine->start());
        const Finished second = m_engine->run(
            {QStringLiteral("serve"), QStringLiteral("--listen"), QStringLiteral("127.0.0.1:0")});
        QCOMPARE(second.exitCode, 4);
        QVERIFY(second.out.isEmpty());
        QVERIFY(second.err.contains(
            m_engine->ready().value(QStringLiteral("apiUrl")).toString().toLatin1()));
        QCOMPARE(ask(m_engine->api(), "GET", "/health").status, 200);
    }

    void aTakenPortIsNamed()
    {
        QTcpServer other;
        QVERIFY(other.listen(QHostAddress::LocalHost));
        const QString port = QString::number(other.serverPort());
        const Finished refused = m_engine->run({QStringLiteral("serve"), QStringLiteral("--listen"),
                                                QStringLiteral("127.0.0.1:") + port});
        QCOMPARE(refused.exitCode, 1);
        QVERIFY(refused.err.contains(port.toLatin1()) && refused.err.contains("--listen"));
        QVERIFY(!QFileInfo::exists(m_engine->stateDir() + QStringLiteral("/engine.json")));
    }

    void sandboxesOutliveACrashOfTheEngine()
    {
        QVERIFY(m_engine->start());
        const QJsonObject runs =
            m_engine->create({{QStringLiteral("metadata"),
                               QJsonObject{{QStringLiteral("k"), QStringLiteral("v")}}}});
        const QJsonObject paused = m_engine->create();
        const QJsonObject dies = m_engine->create();
        for (const QJsonObject &sandbox : {runs, paused})
            QCOMPARE(m_engine
                         ->command(sandbox,
                                   QStringLiteral(
                                       "echo data > file; sleep 600 >/dev/null 2>&1 </dev/null &"))
                         .second,
                     0);
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(paused) + "/pause").status, 204);
        const pid_t init = initOf(*m_engine, runs);
        QVERIFY(isRunning(init));
        const QByteArray key = m_engine->key();
        m_engine->killHard();
        QVERIFY(isRunning(init));
        ::kill(initOf(*m_engine, dies), SIGKILL);

        QVERIFY(m_engine->start());
        QCOMPARE(m_engine->key(), key);
        QCOMPARE(m_engine->state(runs), QStringLiteral("running"));
        QCOMPARE(m_engine->state(paused), QStringLiteral("paused"));
        QTRY_COMPARE(m_engine->state(dies), QString());
        QCOMPARE(initOf(*m_engine, runs), init);
        QCOMPARE(m_engine->command(runs, QStringLiteral("cat file; pgrep -c sleep")).first,
                 QByteArray("data\n1\n"));
        QCOMPARE(m_engine->call("GET", "/v2/sandboxes?metadata=k%3Dv").array().size(), 1);
        QCOMPARE(m_engine
                     ->call("POST", "/sandboxes/" + idOf(paused) + "/connect",
                            {{QStringLiteral("timeout"), 60}})
                     .status,
                 201);
        QCOMPARE(m_engine->command(paused, QStringLiteral("cat file; pgrep -c sleep")).first,
                 QByteArray("data\n1\n"));
        // Adopted ones are watched and can be killed.
        QCOMPARE(m_engine->call("DELETE", "/sandboxes/" + idOf(paused)).status, 204);
        ::kill(init, SIGKILL);
        QTRY_COMPARE(m_engine->state(runs), QString());
        // It is gone from view before its end is history.
        const auto reason = [&] {
            for (const auto &run : m_engine->call("GET", "/v2/sandbox-runs").array())
                if (idOf(run.toObject()) == idOf(runs))
                    return run.toObject().value(QStringLiteral("endReason")).toString();
            return QString();
        };
        QTRY_COMPARE(reason(), QStringLiteral("error"));
    }

    void aCrashInTheMiddleOfAStartLeavesNothing()
    {
        // The engine dies after the first process got its orders and before that was recorded: what
        // is then on disk is the announcement alone.
        QVERIFY(m_engine->start());
        const QJsonObject made = m_engine->create();
        const QJsonObject resumed = m_engine->create();
        const QList<pid_t> inits{initOf(*m_engine, made), initOf(*m_engine, resumed)};
        m_engine->killHard();
        const auto unrecord = [&](const QJsonObject &sandbox, const QString &stage) {
            QFile file(m_engine->stateDir() + QStringLiteral("/sandboxes/")
                       + QString::fromLatin1(idOf(sandbox)) + QStringLiteral("/sandbox.json"));
            QVERIFY(file.open(QIODevice::ReadWrite));
            QJsonObject record = QJsonDocument::fromJson(file.readAll()).object();
            record.insert(QStringLiteral("stage"), stage);
            record.remove(QStringLiteral("process"));
            QVERIFY(file.resize(0) && file.seek(0));
            file.write(QJsonDocument(record).toJson());
        };
        unrecord(made, QStringLiteral("starting"));
        unrecord(resumed, QStringLiteral("resuming"));
        for (const pid_t init : inits)
            QVERIFY(isRunning(init));
        QVERIFY(m_engine->start());
        for (const pid_t init : inits)
            QTRY_VERIFY(!isRunning(init));
        QCOMPARE(m_engine->state(made), QString());
        QCOMPARE(m_engine->state(resumed), QStringLiteral("paused"));
        QVERIFY(!QFileInfo::exists(m_engine->stateDir() + QStringLiteral("/sandboxes/")
                                   + QString::fromLatin1(idOf(made))));
        QCOMPARE(m_engine
                     ->call("POST", "/sandboxes/" + idOf(resumed) + "/connect",
                            {{QStringLiteral("timeout"), 60}})
                     .status,
                 201);
        QCOMPARE(m_engine->command(resumed, QStringLiteral("echo again")).first,
                 QByteArray("again\n"));
    }

    void stopKeepsFilesAndEndsProcesses()
    {
        QVERIFY(m_engine->start());
        const QJsonObject made =
            m_engine->create({{QStringLiteral("envVars"),
                               QJsonObject{{QStringLiteral("GREETING"), QStringLiteral("hi")}}}});
        QCOMPARE(m_engine->command(made, QStringLiteral("echo kept > file")).second, 0);
        const pid_t init = initOf(*m_engine, made);
        const Finished stopped = m_engine->stop();
        QCOMPARE(stopped.exitCode, 0);
        QCOMPARE(m_engine->process().state(), QProcess::NotRunning);
        QCOMPARE(m_engine->process().exitCode(), 0);
        QVERIFY(!isRunning(init));
        QVERIFY(!QFileInfo::exists(m_engine->stateDir() + QStringLiteral("/engine.json")));

        QVERIFY(m_engine->start());
        QCOMPARE(m_engine->state(made), QStringLiteral("paused"));
        QCOMPARE(m_engine->envd(made, "GET", "/health").status, 502);
        const Answer resumed = m_engine->call("POST", "/sandboxes/" + idOf(made) + "/connect",
                                              {{QStringLiteral("timeout"), 60}});
        QCOMPARE(resumed.status, 201);
        QCOMPARE(tokenOf(resumed.object()), tokenOf(made));
        QCOMPARE(m_engine->command(made, QStringLiteral("cat file; echo $GREETING")).first,
                 QByteArray("kept\nhi\n"));
    }

    void stopAlsoEndsWhatACrashedEngineLeft()
    {
        QVERIFY(m_engine->start());
        const QJsonObject made = m_engine->create();
        const pid_t init = initOf(*m_engine, made);
        m_engine->killHard();
        QVERIFY(isRunning(init));
        QCOMPARE(m_engine->run({QStringLiteral("stop")}).exitCode, 0);
        QVERIFY(!isRunning(init));
        QVERIFY(m_engine->start());
        QCOMPARE(m_engine->state(made), QStringLiteral("paused"));
    }

    void termAndInterruptStopGracefully_data()
    {
        QTest::addColumn<int>("number");
        QTest::newRow("SIGTERM") << SIGTERM;
        QTest::newRow("SIGINT") << SIGINT;
    }
    void termAndInterruptStopGracefully()
    {
        QFETCH(int, number);
        QVERIFY(m_engine->start());
        const QJsonObject made = m_engine->create();
        const pid_t init = initOf(*m_engine, made);
        Wire open(m_engine->data());
        QVERIFY(open.isOpen());
        ::kill(static_cast<pid_t>(m_engine->process().processId()), number);
        QVERIFY(m_engine->process().waitForFinished(60000));
        QCOMPARE(m_engine->process().exitStatus(), QProcess::NormalExit);
        QCOMPARE(m_engine->process().exitCode(), 0);
        QVERIFY(!isRunning(init));
    }

    void anEngineThatNobodyNeedsEnds()
    {
        QVERIFY(m_engine->start({QStringLiteral("--idle-exit"), QStringLiteral("2")}));
        QElapsedTimer timer;
        timer.start();
        const QJsonObject made =
            m_engine->create({{QStringLiteral("timeout"), 4}, {QStringLiteral("autoPause"), true}});
        const pid_t init = initOf(*m_engine, made);
        QVERIFY(m_engine->process().waitForFinished(60000));
        // Not before the sandbox stopped running.
        QVERIFY(timer.elapsed() >= 5500);
        QCOMPARE(m_engine->process().exitCode(), 0);
        // The paused sandbox is as it was, and the next engine has it.
        QVERIFY(isRunning(init));
        QVERIFY(m_engine->start());
        QCOMPARE(m_engine->state(made), QStringLiteral("paused"));
        QCOMPARE(initOf(*m_engine, made), init);
    }

    void anOpenStreamIsAClient()
    {
        QVERIFY(m_engine->start({QStringLiteral("--idle-exit"), QStringLiteral("1")}));
        // The head of a request whose body does not come yet.
        Wire wire(m_engine->api());
        QVERIFY(wire.send("POST /sandboxes HTTP/1.1\r\nHost: localhost\r\nX-API-Key: "
                          + m_engine->key() + "\r\nContent-Length: 2\r\n\r\n"));
        QVERIFY(!m_engine->process().waitForFinished(3000));
        QVERIFY(wire.send("{}"));
        QCOMPARE(wire.receive().status, 400);
        QVERIFY(m_engine->process().waitForFinished(60000));
    }

    void statusAndEnvTellAboutTheRunningEngine()
    {
        QCOMPARE(m_engine->run({QStringLiteral("status")}).exitCode, 3);
        const Finished none = m_engine->run({QStringLiteral("env")});
        QCOMPARE(none.exitCode, 3);
        QVERIFY(none.out.isEmpty() && none.err.contains("not running"));

        QVERIFY(m_engine->start());
        const QJsonObject one = m_engine->create();
        m_engine->create();
        QCOMPARE(m_engine->call("POST", "/sandboxes/" + idOf(one) + "/pause").status, 204);
        const Finished status = m_engine->run({QStringLiteral("status")});
        QCOMPARE(status.exitCode, 0);
        const QJsonObject told = QJsonDocument::fromJson(status.out).object();
        QCOMPARE(told.value(QStringLiteral("apiUrl")),
                 m_engine->ready().value(QStringLiteral("apiUrl")));
        QCOMPARE(told.value(QStringLiteral("running")).toInt(), 1);
        QCOMPARE(told.value(QStringLiteral("paused")).toInt(), 1);

        // What a shell makes of it.
        QProcess shell;
        shell.start(
            QStringLiteral("/bin/sh"),
            {QStringLiteral("-c"),
             QStringLiteral("eval \"$(\"$0\" env --state-dir \"$1\")\" && echo \"$MORU_API_URL "
                            "$MORU_SANDBOX_URL $MORU_API_KEY $MORU_DOMAIN\" && echo \"$E2B_API_URL "
                            "$E2B_SANDBOX_URL $E2B_API_KEY $E2B_DOMAIN\""),
             LocalEngine::program(), m_engine->stateDir()});
        QVERIFY(shell.waitForFinished(60000));
        const QByteArray where =
            m_engine->ready().value(QStringLiteral("apiUrl")).toString().toLatin1() + ' '
            + m_engine->ready().value(QStringLiteral("sandboxUrl")).toString().toLatin1() + ' ';
        const QByteArray domain =
            ' ' + m_engine->ready().value(QStringLiteral("domain")).toString().toLatin1();
        QCOMPARE(shell.readAllStandardOutput(), where + m_engine->key() + domain + '\n' + where
                                                    + "e2b_" + m_engine->key().mid(5) + domain
                                                    + '\n');

        m_engine->killHard();
        // A file that a crashed engine left does not count.
        QCOMPARE(m_engine->run({QStringLiteral("status")}).exitCode, 3);
        QCOMPARE(m_engine->run({QStringLiteral("env")}).exitCode, 3);
    }

    void resetAsksAndThenTakesEverything()
    {
        QVERIFY(m_engine->start());
        const QJsonObject made = m_engine->create();
        QCOMPARE(
            m_engine
                ->command(made, QStringLiteral("mkdir -p a/b && echo x > a/b/c && chmod 0 a/b a"))
                .second,
            0);
        const pid_t init = initOf(*m_engine, made);
        // Not a terminal: refused, nothing happens.
        const Finished unasked = m_engine->run({QStringLiteral("reset")});
        QCOMPARE(unasked.exitCode, 2);
        QVERIFY(unasked.err.contains("--yes"));
        QCOMPARE(m_engine->state(made), QStringLiteral("running"));
        // Done while the engine runs: it is stopped first.
        const Finished done = m_engine->run({QStringLiteral("reset"), QStringLiteral("--yes")});
        QVERIFY2(done.exitCode == 0, done.err.constData());
        QVERIFY(m_engine->process().waitForFinished(60000));
        QVERIFY(!isRunning(init));
        QVERIFY(!QFileInfo::exists(m_engine->stateDir()));
        const Finished nothing = m_engine->run({QStringLiteral("reset"), QStringLiteral("--yes")});
        QCOMPARE(nothing.exitCode, 0);
        QVERIFY(nothing.err.contains("nothing to delete"));
    }

    void foreignDirectoriesAreLeftAlone()
    {
        QTemporaryDir other(QStringLiteral("/var/tmp/moru-server-test-XXXXXX"));
        QFile letter(other.filePath(QStringLiteral("letter")));
        QVERIFY(letter.open(QIODevice::WriteOnly));
        letter.write("dear");
        letter.close();
        const QStringList at{QStringLiteral("--state-dir"), other.path()};
        QCOMPARE(m_engine->run(QStringList{QStringLiteral("serve")} + at, false).exitCode, 1);
        QCOMPARE(
            m_engine->run(QStringList{QStringLiteral("reset"), QStringLiteral("--yes")} + at, false)
                .exitCode,
            1);
        QCOMPARE(QDir(other.path()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot),
                 QStringList{QStringLiteral("letter")});
    }

    void theCommandLineExplainsItself_data()
    {
        QTest::addColumn<QStringList>("words");
        QTest::addColumn<int>("exitCode");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char *words, int exitCode, const char *says) {
            QTest::newRow(words) << QString::fromLatin1(words).split(QLatin1Char(' '),
                                                                     Qt::SkipEmptyParts)
                                 << exitCode << QByteArray(says);
        };
        row("--help", 0, "Usage:");
        row("help", 0, "Usage:");
        row("serve --help", 0, "Usage:");
        row("--version", 0, "moru-local 0.");
        row("", 2, "--help");
        row("sevre", 2, "sevre");
        row("serve --colour", 2, "--colour");
        row("serve --listen 0.0.0.0:7450", 2, "loopback");
        row("stop stop", 2, "one word too many");
    }
    void theCommandLineExplainsItself()
    {
        QFETCH(QStringList, words);
        QFETCH(int, exitCode);
        QFETCH(QByteArray, says);
        const Finished done = m_engine->run(words, false);
        QCOMPARE(done.exitCode, exitCode);
        QVERIFY((exitCode == 0 ? done.out : done.err).contains(says));
        QVERIFY((exitCode == 0 ? done.err : done.out).isEmpty());
    }

    void doctorGivesItsOpinion()
    {
        const Finished done = m_engine->run({QStringLiteral("doctor")});
        QCOMPARE(done.exitCode, 0);
        QVERIFY(done.out.contains("can isolate sandboxes"));
    }

    void theLogGoesWhereItIsWanted()
    {
        const QString file = m_engine->stateDir() + QStringLiteral("/engine.log");
        QVERIFY(m_engine->start({QStringLiteral("--log-file"), file}));
        QCOMPARE(modeOf(file), mode_t(0600));
        QFile log(file);
        QVERIFY(log.open(QIODevice::ReadOnly));
        QVERIFY(log.readAll().contains(
            m_engine->ready().value(QStringLiteral("apiUrl")).toString().toLatin1()));
        QCOMPARE(m_engine->log(), QByteArray());
    }

private:
    std::unique_ptr<LocalEngine> m_engine;
};

QTEST_GUILESS_MAIN(ProcessTest)
#include "tst_process.moc"
