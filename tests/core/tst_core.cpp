// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/core/log.h"
#include "app/core/paths.h"
#include "app/core/result.h"
#include "app/core/settings.h"

#include <QDir>
#include <QFile>
#include <QSettings>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace moru;

class CoreTest : public QObject {
    Q_OBJECT
private slots:
    void aNewSettingsFileGivesDefaults()
    {
        Settings settings(m_dir.filePath(QStringLiteral("new.ini")));
        QCOMPARE(settings.get<int>(Setting::ScrollbackLines), 10000);
        QCOMPARE(settings.get<QString>(Setting::ColorScheme), QStringLiteral("system"));
        QCOMPARE(settings.get<QByteArray>(Setting::Connections), QByteArrayLiteral("[]"));
        QCOMPARE(settings.get<bool>(Setting::PauseOnTimeout), false);
        QCOMPARE(settings.loadedVersion(), 0);
    }

    void settingsSurviveARestart()
    {
        const QString file = m_dir.filePath(QStringLiteral("kept.ini"));
        {
            Settings settings(file);
            settings.set(Setting::ScrollbackLines, 500);
            settings.set(Setting::PauseOnTimeout, true);
            settings.set(Setting::WindowGeometry, QByteArray("\0\xff;,\"[", 6));
            QVERIFY(settings.sync());
        }
        Settings settings(file);
        QCOMPARE(settings.loadedVersion(), Settings::Version);
        QCOMPARE(settings.get<int>(Setting::ScrollbackLines), 500);
        QCOMPARE(settings.get<bool>(Setting::PauseOnTimeout), true);
        QCOMPARE(settings.get<QByteArray>(Setting::WindowGeometry), QByteArray("\0\xff;,\"[", 6));
    }

    void onlyARealChangeIsSignalled()
    {
        Settings settings(m_dir.filePath(QStringLiteral("signal.ini")));
        QSignalSpy spy(&settings, &Settings::changed);
        settings.set(Setting::ScrollbackLines, 10000); // the default
        QCOMPARE(spy.count(), 0);
        settings.set(Setting::ScrollbackLines, 20);
        settings.set(Setting::ScrollbackLines, 20);
        QCOMPARE(spy.count(), 1);
        settings.reset(Setting::ScrollbackLines);
        QCOMPARE(spy.count(), 2);
        QCOMPARE(settings.get<int>(Setting::ScrollbackLines), 10000);
    }

    void aValueOfTheWrongTypeGivesTheDefault()
    {
        const QString file = m_dir.filePath(QStringLiteral("wrong.ini"));
        {
            QSettings raw(file, QSettings::IniFormat);
            raw.setValue(QStringLiteral("terminal/scrollbackLines"), QStringLiteral("many"));
        }
        Settings settings(file);
        QCOMPARE(settings.get<int>(Setting::ScrollbackLines), 10000);
    }

    void anUnwritableSettingsFileIsReported()
    {
        Settings settings(QStringLiteral("/proc/nowhere/settings.ini"));
        settings.set(Setting::ScrollbackLines, 7);
        QVERIFY(!settings.sync());
        QCOMPARE(settings.get<int>(Setting::ScrollbackLines), 7); // still good for this run
    }

    void theLogKeepsOneLinePerMessageAndRotates()
    {
        const QString folder = m_dir.filePath(QStringLiteral("log/deep"));
        const QString file = installLogFile(folder);
        QVERIFY(!file.isEmpty());
        qCWarning(lcApi, "first\nsecond");
        QFile log(file);
        QVERIFY(log.open(QIODevice::ReadOnly));
        const QByteArray line = log.readAll();
        QVERIFY2(line.contains("moru.api: first\\nsecond\n"), line.constData());
        QCOMPARE(line.count('\n'), 1);
        QCOMPARE(log.permissions() & (QFileDevice::ReadGroup | QFileDevice::ReadOther),
                 QFileDevice::Permissions());
        log.close();

        QVERIFY(log.resize(4'999'990));
        qCWarning(lcApi, "after");
        QVERIFY(QFile::exists(file + QStringLiteral(".1")));
        QVERIFY(log.open(QIODevice::ReadOnly));
        QVERIFY(log.readAll().endsWith("moru.api: after\n"));
    }

    void aFolderThatCannotBeMadeGivesNoLog()
    {
        QVERIFY(installLogFile(QStringLiteral("/proc/nowhere")).isEmpty());
    }

    void theEnginesFolderFollowsTheDataHome()
    {
        qputenv("XDG_DATA_HOME", "/somewhere/data");
        QCOMPARE(paths::engineStateDir(), QStringLiteral("/somewhere/data/moru-local"));
        qputenv("XDG_STATE_HOME", "/somewhere/state");
        QCOMPARE(paths::stateDir(), QStringLiteral("/somewhere/state/moru-desktop"));
        qputenv("XDG_STATE_HOME", "relative");
        QCOMPARE(paths::stateDir(),
                 QDir::home().filePath(QStringLiteral(".local/state/moru-desktop")));
    }

    void resultsOfNothingCompare()
    {
        const Result<> good;
        const Result<> bad = failure(Error::Kind::Local, QStringLiteral("x"));
        QVERIFY(good == Result<>());
        QVERIFY(!(good == bad));
        QVERIFY(bad == bad);
    }

private:
    QTemporaryDir m_dir;
};

QTEST_GUILESS_MAIN(CoreTest)
#include "tst_core.moc"
