// SPDX-License-Identifier: GPL-3.0-or-later
// Run by keychain.sh, one function at a time, in an environment that the script prepares.
#include "app/connections/secretstore.h"

#include "tests/support/outcome.h"

#include <QTest>

using namespace moru;
using namespace moru::test;

class KeychainProbe : public QObject {
    Q_OBJECT

    KeychainStore m_store;
    const QString m_secret = QStringLiteral("moru_secret_of_the_test \u00e4");

    [[nodiscard]] bool write(const QString &entry)
    {
        Outcome<> written;
        m_store.write(entry, m_secret, this, written.done());
        if (written.arrived() || !QTest::qWaitFor([&] { return written.arrived(); }, 20000))
            return false;
        if (!written.ok())
            qWarning("%s", qPrintable(written.error().message + u' ' + written.error().detail));
        return written.ok();
    }

private slots:
    void keepsAndForgetsSecrets()
    {
        const QString entry = QStringLiteral("connection/test");
        Outcome<QString> missing;
        m_store.read(entry, this, missing.done());
        QTRY_VERIFY_WITH_TIMEOUT(missing.arrived(), 20000);
        QVERIFY(!missing.ok());
        QCOMPARE(missing.error().kind, Error::Kind::NotFound);

        QVERIFY(write(entry));
        Outcome<QString> read;
        m_store.read(entry, this, read.done());
        QTRY_VERIFY_WITH_TIMEOUT(read.arrived(), 20000);
        QVERIFY(read.ok());
        QCOMPARE(read.value(), m_secret);

        // A context that dies first is not called.
        Outcome<QString> dead;
        {
            QObject context;
            m_store.read(entry, &context, dead.done());
        }

        Outcome<> removed;
        m_store.remove(entry, this, removed.done());
        QTRY_VERIFY_WITH_TIMEOUT(removed.ok(), 20000);
        Outcome<QString> gone;
        m_store.read(entry, this, gone.done());
        QTRY_VERIFY_WITH_TIMEOUT(gone.arrived(), 20000);
        QCOMPARE(gone.error().kind, Error::Kind::NotFound);
        QCOMPARE(dead.count(), 0);

        Outcome<> again;
        m_store.remove(entry, this, again.done());
        QTRY_VERIFY_WITH_TIMEOUT(again.ok(), 20000); // what is gone already needs no deleting
    }

    void writesForLater() { QVERIFY(write(QStringLiteral("connection/later"))); }

    void readsWhatWasWritten()
    {
        Outcome<QString> read;
        m_store.read(QStringLiteral("connection/later"), this, read.done());
        QTRY_VERIFY_WITH_TIMEOUT(read.ok(), 20000);
        QCOMPARE(read.value(), m_secret);
    }

    void saysThatThereIsNoKeychain()
    {
        Outcome<> written;
        Outcome<QString> read;
        m_store.write(QStringLiteral("connection/test"), m_secret, this, written.done());
        m_store.read(QStringLiteral("connection/test"), this, read.done());
        QTRY_VERIFY_WITH_TIMEOUT(written.arrived() && read.arrived(), 20000);
        QVERIFY(!written.ok());
        QCOMPARE(written.error().kind, Error::Kind::Local);
        QVERIFY2(written.error().message.contains(QLatin1String("No keychain service is running")),
                 qPrintable(written.error().message));
        QCOMPARE(read.error().kind, Error::Kind::Local);
    }
};

QTEST_GUILESS_MAIN(KeychainProbe)
#include "keychain_probe.moc"
