// SPDX-License-Identifier: GPL-3.0-or-later
// The app's side of moru-local's life, with the real moru-local.
#include "app/connections/connectionmanager.h"
#include "app/core/settings.h"
#include "app/enginehost/enginefiles.h"
#include "app/enginehost/enginehost.h"

#include "tests/support/outcome.h"

#include <QDir>
#include <QFileInfo>
#include <QProcess>
#include <QScopeGuard>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <memory>

using namespace moru;
using namespace moru::test;
using State = EngineHost::State;

namespace {

/// Nothing here has a key to keep.
class NoSecrets final : public SecretStore {
public:
    void read(const QString &, QObject *context, Done<QString> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done(failure(Error::Kind::NotFound, QStringLiteral("none"))); },
            Qt::QueuedConnection);
    }
    void write(const QString &, const QString &, QObject *context, Done<> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done({}); }, Qt::QueuedConnection);
    }
    void remove(const QString &, QObject *context, Done<> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done({}); }, Qt::QueuedConnection);
    }
};

} // namespace

class RealEngineHostTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<QTemporaryDir> m_dir;
    const QString m_program =
        QDir(qEnvironmentVariable("MORU_BIN_DIR")).filePath(QStringLiteral("moru-local"));

    [[nodiscard]] QString stateDir() const { return m_dir->filePath(QStringLiteral("state")); }
    [[nodiscard]] qint64 enginePid() const
    {
        const auto record = enginefiles::readRecord(stateDir());
        return record ? record->pid : 0;
    }

    static bool serves(const EngineHost &engine)
    {
        return QTest::qWaitFor([&engine] { return engine.state() != State::Starting; }, 40000)
               && engine.state() == State::Running;
    }

private slots:
    void init()
    {
        QVERIFY2(QFile::exists(m_program), qPrintable(m_program));
        m_dir = std::make_unique<QTemporaryDir>();
    }

    void cleanup()
    {
        QProcess reset;
        reset.start(m_program, {QStringLiteral("stop"), QStringLiteral("--state-dir"), stateDir()});
        QVERIFY(reset.waitForFinished(60000));
        m_dir.reset();
    }

    void theLocalConnectionFollowsTheEngine()
    {
        EngineHost engine(m_program, stateDir());
        NoSecrets secrets;
        Settings settings(m_dir->filePath(QStringLiteral("settings.ini")));
        ConnectionManager manager(settings, secrets, &engine, QProcessEnvironment());
        Connection *local = manager.find(QStringLiteral("local"));
        QVERIFY(local);
        Outcome<> tooEarly;
        local->control().probe(this, tooEarly.done());
        QTRY_VERIFY(tooEarly.arrived());
        QCOMPARE(tooEarly.error().kind, Error::Kind::Local);

        engine.start();
        QVERIFY2(serves(engine), qPrintable(engine.lastError().message));
        QVERIFY2(enginefiles::isLocked(stateDir()), "the lock of a serving engine is not seen");
        Outcome<> probe;
        local->control().probe(this, probe.done());
        QTRY_VERIFY_WITH_TIMEOUT(probe.arrived(), 20000);
        QVERIFY2(probe.ok(), qPrintable(probe.ok() ? QString() : probe.error().message));
        QVERIFY(qAbs(local->transport().serverClockOffsetMs()) < 2000);

        engine.stop();
        QTRY_COMPARE_WITH_TIMEOUT(engine.state(), State::Stopped, 60000);
        Outcome<> stopped;
        local->control().probe(this, stopped.done());
        QTRY_VERIFY(stopped.arrived());
        QCOMPARE(stopped.error().kind, Error::Kind::Local);
    }

    void theEngineOutlivesTheAppAndACrash()
    {
        auto first = std::make_unique<EngineHost>(m_program, stateDir());
        first->start();
        QVERIFY2(serves(*first), qPrintable(first->lastError().message));
        const qint64 pid = enginePid();
        first.reset();
        QVERIFY(enginefiles::isAlive(pid));

        EngineHost second(m_program, stateDir());
        second.start();
        QVERIFY2(serves(second), qPrintable(second.lastError().message));
        QCOMPARE(enginePid(), pid);

        QVERIFY(::kill(pid_t(pid), SIGKILL) == 0);
        QTRY_COMPARE_WITH_TIMEOUT(second.state(), State::Failed, 20000);
        second.start();
        QVERIFY2(serves(second), qPrintable(second.lastError().message));
        QVERIFY(enginePid() != pid);
    }

    void twoAppsAtOnceShareOneEngine()
    {
        EngineHost first(m_program, stateDir());
        EngineHost second(m_program, stateDir());
        first.start();
        second.start();
        QVERIFY2(serves(first), qPrintable(first.lastError().message));
        QVERIFY2(serves(second), qPrintable(second.lastError().message));
        QCOMPARE(first.address().apiUrl, second.address().apiUrl);
    }

    /// The program lies in a folder that vanishes, as the mount of an AppImage does.
    void theEngineOutlivesItsAppImage()
    {
        const QString mount = m_dir->filePath(QStringLiteral("mount ü"));
        const QString program = mount + QStringLiteral("/usr/bin/moru-local");
        QVERIFY(QDir().mkpath(QFileInfo(program).path()));
        QVERIFY(QFile::copy(m_program, program));
        const QMap<QByteArray, QByteArray> added{{"APPDIR", QFile::encodeName(mount)},
                                                 {"APPIMAGE", "/nowhere/Moru.AppImage"},
                                                 {"ARGV0", "Moru.AppImage"},
                                                 {"OWD", "/nowhere"}};
        for (auto it = added.begin(); it != added.end(); ++it)
            qputenv(it.key().constData(), it.value());
        const auto restore = qScopeGuard([&added] {
            for (auto it = added.begin(); it != added.end(); ++it)
                qunsetenv(it.key().constData());
        });

        EngineHost engine(program, stateDir());
        Outcome<EngineHost::Diagnosis> diagnosis;
        engine.doctor(this, diagnosis.done());
        QTRY_VERIFY_WITH_TIMEOUT(diagnosis.arrived(), 60000);
        QVERIFY2(diagnosis.ok() && diagnosis.value().ok,
                 qPrintable(diagnosis.ok() ? diagnosis.value().text : diagnosis.error().message));
        engine.start();
        QVERIFY2(serves(engine), qPrintable(engine.lastError().message));
        const QString copy = stateDir() + QStringLiteral("/program/moru-local");
        const QString process = QStringLiteral("/proc/%1/").arg(enginePid());
        QCOMPARE(QFile::symLinkTarget(process + QStringLiteral("exe")), copy);
        QCOMPARE(
            QFile::permissions(copy)
                & (QFile::ReadGroup | QFile::WriteGroup | QFile::ReadOther | QFile::WriteOther),
            QFile::Permissions());
        // No other file in the program's folder: temporary ones are gone.
        QCOMPARE(QDir(stateDir() + QStringLiteral("/program")).entryList(QDir::Files),
                 QStringList{QStringLiteral("moru-local")});
        QFile environment(process + QStringLiteral("environ"));
        QVERIFY(environment.open(QIODevice::ReadOnly));
        const QList<QByteArray> variables = environment.readAll().split('\0');
        for (const QByteArray &variable : variables)
            QVERIFY2(!added.contains(variable.left(variable.indexOf('='))), variable.constData());
        QFile maps(process + QStringLiteral("maps"));
        QVERIFY(maps.open(QIODevice::ReadOnly));
        QVERIFY(!maps.readAll().contains(QFile::encodeName(mount)));

        QVERIFY(QDir(mount).removeRecursively());
        NoSecrets secrets;
        Settings settings(m_dir->filePath(QStringLiteral("settings.ini")));
        ConnectionManager manager(settings, secrets, &engine, QProcessEnvironment());
        Outcome<SandboxDetail> created;
        Connection *local = manager.find(QStringLiteral("local"));
        local->control().createSandbox({}, this, created.done());
        QTRY_VERIFY_WITH_TIMEOUT(created.arrived(), 60000);
        QVERIFY2(created.ok(), qPrintable(created.ok() ? QString() : created.error().message));
        Outcome<EnvdClient::CommandOutput> ran;
        local->envd(created.value().sandbox.id)
            .run(QStringLiteral("echo alive"), 30, 1000, this, ran.done());
        QTRY_VERIFY_WITH_TIMEOUT(ran.arrived(), 20000);
        QVERIFY2(ran.ok(), qPrintable(ran.ok() ? QString() : ran.error().message));
        QCOMPARE(ran.value().out, QByteArray("alive\n"));
    }

    /// A variable that somebody else's AppImage left behind means nothing to an installed engine.
    void anInstalledEngineIsNotCopied()
    {
        qputenv("APPDIR", QFile::encodeName(m_dir->path()));
        const auto restore = qScopeGuard([] { qunsetenv("APPDIR"); });
        EngineHost engine(m_program, stateDir());
        engine.start();
        QVERIFY2(serves(engine), qPrintable(engine.lastError().message));
        QCOMPARE(QFile::symLinkTarget(QStringLiteral("/proc/%1/exe").arg(enginePid())),
                 QFileInfo(m_program).canonicalFilePath());
        QVERIFY(!QFile::exists(stateDir() + QStringLiteral("/program")));
    }

    void theDoctorSpeaks()
    {
        EngineHost engine(m_program, stateDir());
        Outcome<EngineHost::Diagnosis> diagnosis;
        engine.doctor(this, diagnosis.done());
        QTRY_VERIFY_WITH_TIMEOUT(diagnosis.arrived(), 60000);
        QVERIFY(diagnosis.ok());
        QVERIFY(!diagnosis.value().text.isEmpty());
    }

    void aSandboxRunsACommandThroughTheClient()
    {
        EngineHost engine(m_program, stateDir());
        NoSecrets secrets;
        Settings settings(m_dir->filePath(QStringLiteral("settings.ini")));
        ConnectionManager manager(settings, secrets, &engine, QProcessEnvironment());
        Connection *local = manager.find(QStringLiteral("local"));
        engine.start();
        QVERIFY2(serves(engine), qPrintable(engine.lastError().message));

        Outcome<SandboxDetail> created;
        local->control().createSandbox({}, this, created.done());
        QTRY_VERIFY_WITH_TIMEOUT(created.arrived(), 60000);
        QVERIFY2(created.ok(), qPrintable(created.ok() ? QString() : created.error().message));
        const QString id = created.value().sandbox.id;
        EnvdClient &envd = local->envd(id);

        Outcome<> written;
        envd.writeFile(QStringLiteral("/home/user/a b.txt"), "from the client", this,
                       written.done());
        QTRY_VERIFY_WITH_TIMEOUT(written.arrived(), 20000);
        QVERIFY2(written.ok(), qPrintable(written.ok() ? QString() : written.error().message));
        Outcome<EnvdClient::CommandOutput> ran;
        envd.run(QStringLiteral("cat 'a b.txt'; echo oops >&2; exit 3"), 30, 1000, this,
                 ran.done());
        QTRY_VERIFY_WITH_TIMEOUT(ran.arrived(), 20000);
        QVERIFY2(ran.ok(), qPrintable(ran.ok() ? QString() : ran.error().message));
        QCOMPARE(ran.value().out, QByteArray("from the client"));
        QCOMPARE(ran.value().err, QByteArray("oops\n"));
        QCOMPARE(ran.value().end.exitCode, 3);
        Outcome<QByteArray> read;
        envd.readFile(QStringLiteral("/home/user/a b.txt"), 1000, this, read.done());
        QTRY_VERIFY_WITH_TIMEOUT(read.arrived(), 20000);
        QCOMPARE(read.value(), QByteArray("from the client"));
        Outcome<QByteArray> missing;
        envd.readFile(QStringLiteral("/nope"), 1000, this, missing.done());
        QTRY_VERIFY_WITH_TIMEOUT(missing.arrived(), 20000);
        QCOMPARE(missing.error().kind, Error::Kind::NotFound);

        ProcessSpec spec;
        spec.pty = true;
        spec.args = {QStringLiteral("-i"), QStringLiteral("-l")};
        ProcessStream *shell = envd.start(spec, this);
        QByteArray screen;
        int ends = 0;
        connect(shell, &ProcessStream::ptyData, this,
                [&screen](const QByteArray &bytes) { screen += bytes; });
        connect(shell, &ProcessStream::finished, this, [&ends] { ends += 1; });
        shell->resize(132, 43);
        // Two requests: the input may be there first.
        shell->sendInput("until stty size | grep -x '43 132'; do sleep 0.1; done; exit\n");
        QTRY_COMPARE_WITH_TIMEOUT(ends, 1, 20000);
        QVERIFY2(screen.contains("43 132"), screen.constData());

        Outcome<bool> killed;
        local->control().killSandbox(id, this, killed.done());
        QTRY_VERIFY_WITH_TIMEOUT(killed.arrived(), 20000);
        QVERIFY(killed.value());
        Outcome<bool> again;
        local->control().killSandbox(id, this, again.done());
        QTRY_VERIFY_WITH_TIMEOUT(again.arrived(), 20000);
        QCOMPARE(again.value(), false);
        Outcome<EnvdClient::CommandOutput> gone;
        envd.run(QStringLiteral("true"), 30, 1000, this, gone.done());
        QTRY_VERIFY_WITH_TIMEOUT(gone.arrived(), 20000);
        QCOMPARE(gone.error().kind, Error::Kind::NotFound);
    }
};

QTEST_GUILESS_MAIN(RealEngineHostTest)
#include "tst_enginehost_real.moc"
