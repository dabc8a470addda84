// SPDX-License-Identifier: GPL-3.0-or-later
// Faults, played by a stand-in; tst_enginehost_real.cpp does the same with the real engine.
#include "app/enginehost/enginefiles.h"
#include "app/enginehost/enginehost.h"

#include "tests/support/outcome.h"

#include <QDir>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <memory>

#include <unistd.h>

using namespace moru;
using namespace moru::test;
using State = EngineHost::State;

class EngineHostTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<QTemporaryDir> m_dir;
    const QString m_program = qEnvironmentVariable("MORU_STAND_IN");

    [[nodiscard]] QString path(const char *name) const
    {
        return m_dir->filePath(QLatin1String(name));
    }

    void behave(const QByteArray &words)
    {
        QFile file(path("behave"));
        QVERIFY(file.open(QIODevice::WriteOnly | QIODevice::Truncate));
        file.write(words);
    }

    [[nodiscard]] int starts() const
    {
        QFile file(path("starts"));
        return file.open(QIODevice::ReadOnly) ? int(file.readAll().count('\n')) : 0;
    }

    [[nodiscard]] qint64 enginePid() const
    {
        const auto record = enginefiles::readRecord(m_dir->path());
        return record ? record->pid : 0;
    }

    /// What the engine says while it starts goes to a temporary file, which must not stay.
    [[nodiscard]] QStringList startLogs() const
    {
        return QDir(m_dir->path()).entryList({QStringLiteral("moru-start-*")});
    }

    std::unique_ptr<EngineHost> host()
    {
        return std::make_unique<EngineHost>(m_program, m_dir->path());
    }

private slots:
    void initTestCase() { QVERIFY(QFile::exists(m_program)); }

    void init()
    {
        m_dir = std::make_unique<QTemporaryDir>();
        QVERIFY(m_dir->isValid());
        qputenv("TMPDIR", m_dir->path().toLocal8Bit());
    }

    void cleanup()
    {
        const qint64 pid = enginePid();
        qunsetenv("TMPDIR");
        m_dir.reset(); // the stand-in ends with its folder
        if (pid > 0)
            QTRY_VERIFY(!enginefiles::isAlive(pid));
    }

    void itStartsAnEngineThatOutlivesIt()
    {
        auto first = host();
        QSignalSpy states(first.get(), &EngineHost::stateChanged);
        QCOMPARE(first->state(), State::Unknown);
        first->start();
        QCOMPARE(first->state(), State::Starting);
        QTRY_COMPARE_WITH_TIMEOUT(first->state(), State::Running, 20000);
        QCOMPARE(states.count(), 2);
        QCOMPARE(first->address().apiKey,
                 QStringLiteral("moru_") + QStringLiteral("ab").repeated(20));
        QCOMPARE(first->address().domain, QStringLiteral("localhost:1"));
        QVERIFY(first->address().apiUrl.port() > 0);
        const qint64 pid = enginePid();
        QVERIFY(::getsid(pid_t(pid)) != ::getsid(0)); // a session of its own
        QVERIFY(startLogs().isEmpty());
        first.reset();
        QVERIFY(enginefiles::isAlive(pid));

        auto second = host();
        second->start();
        QTRY_COMPARE_WITH_TIMEOUT(second->state(), State::Running, 20000);
        QCOMPARE(enginePid(), pid);
        QCOMPARE(starts(), 1);
    }

    void theEngineDoesNotInheritKeys()
    {
        qputenv("MORU_API_KEY", "moru_secret");
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        qunsetenv("MORU_API_KEY");
        QFile file(path("starts"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(!file.readAll().contains("MORU_API_KEY"));
    }

    void twoAppsAtOnceShareOneEngine()
    {
        behave("slow");
        auto first = host();
        auto second = host();
        first->start();
        second->start();
        QTRY_COMPARE_WITH_TIMEOUT(first->state(), State::Running, 20000);
        QTRY_COMPARE_WITH_TIMEOUT(second->state(), State::Running, 20000);
        QCOMPARE(first->address().apiUrl, second->address().apiUrl);
    }

    void whatTheEngineSaidReachesTheUser()
    {
        behave("refuse");
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Failed, 20000);
        QCOMPARE(engine->lastError().kind, Error::Kind::Local);
        QCOMPARE(engine->lastError().message,
                 QStringLiteral("Cannot isolate sandboxes here.\nSwitch on user namespaces."));
        QVERIFY(startLogs().isEmpty());
        behave("");
        engine->start(); // again, and now it works
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
    }

    void theDoctorExplainsASilentFailure()
    {
        behave("silent sick");
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Failed, 20000);
        QVERIFY2(engine->lastError().message.contains(QLatin1String("cannot isolate")),
                 qPrintable(engine->lastError().message));
    }

    void aMissingProgramIsTold()
    {
        EngineHost engine(path("nothing-here"), m_dir->path());
        engine.start();
        QTRY_COMPARE(engine.state(), State::Failed);
        QVERIFY(engine.lastError().message.contains(QLatin1String("nothing-here")));
        Outcome<EngineHost::Diagnosis> diagnosis;
        engine.doctor(this, diagnosis.done());
        QVERIFY(!diagnosis.arrived());
        QTRY_VERIFY(diagnosis.arrived());
        QVERIFY(!diagnosis.ok());
    }

    void aCrashIsNoticedAndRepairedByItself()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QVERIFY(!engine->hasCrashed());
        for (int crash = 0; crash < 2; ++crash) { // the second one over the record of the first
            const qint64 pid = enginePid();
            Error told;
            bool crashed = false;
            bool restarts = false;
            const auto watching =
                connect(engine.get(), &EngineHost::stateChanged, this, [&](State state) {
                    if (state != State::Failed)
                        return;
                    told = engine->lastError();
                    crashed = engine->hasCrashed();
                    restarts = engine->willRestart();
                });
            QVERIFY(::kill(pid_t(pid), SIGKILL) == 0);
            QTRY_VERIFY_WITH_TIMEOUT(!told.message.isEmpty(), 20000);
            QVERIFY(crashed);
            QVERIFY(restarts);
            QCOMPARE(told.detail, QStringLiteral("serving")); // the log's last line
            QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
            disconnect(watching);
            QVERIFY(enginePid() != pid);
            QVERIFY(!engine->hasCrashed());
        }
    }

    void aCrashedEngineIsNotRestartedAfterStop()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QVERIFY(::kill(pid_t(enginePid()), SIGKILL) == 0);
        QTRY_VERIFY_WITH_TIMEOUT(engine->willRestart(), 20000);
        engine->stop();
        QVERIFY(!engine->willRestart());
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Stopped, 20000);
        QCOMPARE(starts(), 1);
    }

    void anEndInOrderIsStopped()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QVERIFY(::kill(pid_t(enginePid()), SIGTERM) == 0);
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Stopped, 20000);
        QVERIFY(engine->lastError().message.isEmpty());
    }

    void anEngineStartedElsewhereIsFound()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        engine->stop();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Stopped, 20000);
        auto other = host();
        other->start();
        QTRY_COMPARE_WITH_TIMEOUT(other->state(), State::Running, 20000);
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QCOMPARE(engine->address().apiUrl, other->address().apiUrl);
    }

    void stopStops()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        const qint64 pid = enginePid();
        engine->stop();
        QCOMPARE(engine->state(), State::Stopping);
        engine->start(); // remembered until it has stopped
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QVERIFY(!enginefiles::isAlive(pid));
    }

    void anEngineThatDoesNotStopIsStillRunning()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        behave("stubborn");
        engine->stop();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        QCOMPARE(engine->lastError().message, QStringLiteral("the engine does not listen"));
    }

    void anEngineThatDoesNotAnswerFails()
    {
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
        behave("unwell");
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Failed, 20000);
        behave("");
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000); // by itself
    }

    void aKeyThatOthersCanReadIsRefused()
    {
        behave("openkey");
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Failed, 20000);
        QVERIFY(engine->lastError().message.contains(QLatin1String("other users")));
    }

    void aRecordOfAnotherMachineIsIgnored()
    {
        QFile record(path("engine.json"));
        QVERIFY(record.open(QIODevice::WriteOnly));
        record.write(
            json("{'apiUrl':'http://203.0.113.1:80','sandboxUrl':'http://127.0.0.1:1','domain':'x',"
                 "'keyFile':'/x','pid':1}"));
        record.close();
        QVERIFY(!enginefiles::readRecord(m_dir->path()));
        QVERIFY(record.open(QIODevice::WriteOnly | QIODevice::Truncate));
        record.write(
            json("{'apiUrl':'http://127.0.0.1:2','sandboxUrl':'http://127.0.0.1:1','domain':'x',"
                 "'keyFile':'/x','pid':1}"));
        record.close();
        QVERIFY(enginefiles::readRecord(m_dir->path()));
        QVERIFY(record.setPermissions(record.permissions() | QFileDevice::WriteOther));
        QVERIFY(!enginefiles::readRecord(m_dir->path())); // anybody could have written it
    }

    void aStaleRecordWithAReusedNumberIsReplaced()
    {
        QFile record(path("engine.json"));
        QVERIFY(record.open(QIODevice::WriteOnly));
        record.write(
            json("{'apiUrl':'http://127.0.0.1:1','sandboxUrl':'http://127.0.0.1:1','domain':'x',"
                 "'keyFile':'/x','pid':")
            + QByteArray::number(QCoreApplication::applicationPid()) + "}");
        record.close();
        auto engine = host();
        engine->start();
        QTRY_COMPARE_WITH_TIMEOUT(engine->state(), State::Running, 20000);
    }

    void theDoctorIsAsked()
    {
        auto engine = host();
        Outcome<EngineHost::Diagnosis> well;
        engine->doctor(this, well.done());
        QVERIFY(!well.arrived());
        QTRY_VERIFY_WITH_TIMEOUT(well.arrived(), 20000);
        QVERIFY(well.value().ok);
        behave("sick");
        Outcome<EngineHost::Diagnosis> sick;
        Outcome<EngineHost::Diagnosis> dead;
        {
            QObject context;
            engine->doctor(&context, dead.done());
        }
        engine->doctor(this, sick.done());
        QTRY_VERIFY_WITH_TIMEOUT(sick.arrived(), 20000);
        QVERIFY(!sick.value().ok);
        QVERIFY(sick.value().text.contains(QLatin1String("user namespaces")));
        QCOMPARE(dead.count(), 0);
    }
};

QTEST_GUILESS_MAIN(EngineHostTest)
#include "tst_enginehost.moc"
