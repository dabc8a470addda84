// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/connectionmanager.h"
#include "app/core/settings.h"

#include "tests/support/httpserver.h"
#include "tests/support/outcome.h"

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <memory>

using namespace moru;
using namespace moru::test;

namespace {

/// A keychain in memory that can be out of order and that counts questions.
class FakeKeychain final : public SecretStore {
public:
    QMap<QString, QString> secrets;
    std::optional<Error> broken;
    int reads = 0;

    void read(const QString &entry, QObject *context, Done<QString> done) override
    {
        reads += 1;
        later(context, [this, entry, done] {
            if (broken)
                done(tl::unexpected<Error>(*broken));
            else if (!secrets.contains(entry))
                done(failure(Error::Kind::NotFound, QStringLiteral("no entry")));
            else
                done(secrets.value(entry));
        });
    }
    void write(const QString &entry, const QString &secret, QObject *context, Done<> done) override
    {
        later(context, [this, entry, secret, done] {
            if (broken) {
                done(tl::unexpected<Error>(*broken));
                return;
            }
            secrets.insert(entry, secret);
            done({});
        });
    }
    void remove(const QString &entry, QObject *context, Done<> done) override
    {
        later(context, [this, entry, done] {
            if (broken) {
                done(tl::unexpected<Error>(*broken));
                return;
            }
            secrets.remove(entry);
            done({});
        });
    }

private:
    static void later(QObject *context, const std::function<void()> &what)
    {
        QMetaObject::invokeMethod(context, what, Qt::QueuedConnection);
    }
};

const Error noKeychain{
    Error::Kind::Local, 0, QStringLiteral("No keychain service is running"), {}, -1};

} // namespace

class ConnectionsTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<QTemporaryDir> m_dir;
    std::unique_ptr<Settings> m_settings;
    FakeKeychain m_keychain;
    std::unique_ptr<ConnectionManager> m_manager;
    std::unique_ptr<HttpServer> m_server;

    void restart(const QProcessEnvironment &environment = {})
    {
        m_manager.reset();
        m_settings = std::make_unique<Settings>(m_dir->filePath(QStringLiteral("settings.ini")));
        m_manager =
            std::make_unique<ConnectionManager>(*m_settings, m_keychain, nullptr, environment);
    }

    ConnectionSpec remote() const
    {
        ConnectionSpec spec;
        spec.name = QStringLiteral(" My  cluster ");
        spec.endpoint.apiUrl = m_server->url();
        return spec;
    }

    Connection *addOne(bool memoryOnly = false)
    {
        Outcome<Connection *> added;
        m_manager->add(remote(), QStringLiteral("moru_abc"), memoryOnly, this, added.done());
        if (added.arrived() || !QTest::qWaitFor([&] { return added.arrived(); }) || !added.ok())
            return nullptr;
        return added.value();
    }

private slots:
    void init()
    {
        m_dir = std::make_unique<QTemporaryDir>();
        m_server = std::make_unique<HttpServer>();
        QVERIFY(m_server->listen());
        m_server->on("GET", "/v2/sandboxes", 200, "[]");
        m_keychain.secrets.clear();
        m_keychain.broken.reset();
        m_keychain.reads = 0;
        restart();
    }

    void cleanup()
    {
        m_manager.reset();
        m_settings.reset();
        m_server.reset();
    }

    void anAddedConnectionSurvivesARestartAndItsKeyIsInTheKeychainOnly()
    {
        QSignalSpy addedSpy(m_manager.get(), &ConnectionManager::added);
        Connection *connection = addOne();
        QVERIFY(connection);
        QCOMPARE(addedSpy.count(), 1);
        QCOMPARE(connection->name(), QStringLiteral("My cluster"));
        QCOMPARE(m_keychain.secrets.value(QStringLiteral("connection/") + connection->id()),
                 QStringLiteral("moru_abc"));
        QFile file(m_settings->fileName());
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(!file.readAll().contains("moru_abc"));

        const QString id = connection->id();
        restart();
        Connection *again = m_manager->find(id);
        QVERIFY(again);
        QCOMPARE(again->spec().endpoint.apiUrl, m_server->url());
        QCOMPARE(m_keychain.reads, 0); // nobody has used it yet
        Outcome<> first;
        Outcome<> second;
        again->control().probe(this, first.done());
        again->control().probe(this, second.done());
        QTRY_VERIFY(first.ok() && second.ok());
        QCOMPARE(m_keychain.reads, 1);
        QCOMPARE(m_server->last("/v2/sandboxes").header("x-api-key"), QByteArray("moru_abc"));
    }

    void withoutKeychainNothingIsAddedUnlessInMemory()
    {
        m_keychain.broken = noKeychain;
        Outcome<Connection *> added;
        m_manager->add(remote(), QStringLiteral("moru_abc"), false, this, added.done());
        QTRY_VERIFY(added.arrived());
        QCOMPARE(added.error().message, noKeychain.message);
        QVERIFY(m_manager->connections().isEmpty());
        Connection *connection = addOne(true);
        QVERIFY(connection);
        Outcome<> probe;
        connection->control().probe(this, probe.done());
        QTRY_VERIFY(probe.ok());
        QVERIFY(m_keychain.secrets.isEmpty());
        // After a restart the connection says that it has no key.
        m_keychain.broken.reset();
        const QString id = connection->id();
        restart();
        Outcome<> later;
        m_manager->find(id)->control().probe(this, later.done());
        QTRY_VERIFY(later.arrived());
        QCOMPARE(later.error().kind, Error::Kind::Unauthorized);
    }

    void aBrokenKeychainIsAskedOnceAndAgainOnWish()
    {
        const QString id = addOne()->id();
        restart();
        m_keychain.broken = noKeychain;
        Connection *connection = m_manager->find(id);
        for (int i = 0; i < 3; ++i) {
            Outcome<> probe;
            connection->control().probe(this, probe.done());
            QTRY_VERIFY(probe.arrived());
            QCOMPARE(probe.error().message, noKeychain.message);
        }
        QCOMPARE(m_keychain.reads, 1);
        m_keychain.broken.reset();
        m_manager->reloadKey(id);
        Outcome<> probe;
        connection->control().probe(this, probe.done());
        QTRY_VERIFY(probe.ok());
        QCOMPARE(m_keychain.reads, 2);
    }

    void anUpdateKeepsOrReplacesTheKey()
    {
        Connection *connection = addOne();
        QSignalSpy changed(m_manager.get(), &ConnectionManager::changed);
        ConnectionSpec spec = connection->spec();
        spec.name = QStringLiteral("Renamed");
        spec.production = true;
        Outcome<> renamed;
        m_manager->update(spec, {}, false, this, renamed.done());
        QVERIFY(!renamed.arrived());
        QTRY_VERIFY(renamed.ok());
        QCOMPARE(changed.count(), 1);
        QCOMPARE(connection->name(), QStringLiteral("Renamed"));
        QCOMPARE(m_keychain.secrets.first(), QStringLiteral("moru_abc"));
        Outcome<> rekeyed;
        m_manager->update(spec, QStringLiteral("moru_new"), false, this, rekeyed.done());
        QTRY_VERIFY(rekeyed.ok());
        QCOMPARE(m_keychain.secrets.first(), QStringLiteral("moru_new"));
        Outcome<> probe;
        connection->control().probe(this, probe.done());
        QTRY_VERIFY(probe.ok());
        QCOMPARE(m_server->last("/v2/sandboxes").header("x-api-key"), QByteArray("moru_new"));
        const QString id = connection->id();
        restart();
        QVERIFY(m_manager->find(id)->spec().production);
    }

    void aRemovedConnectionIsForgottenWithItsKey()
    {
        Connection *connection = addOne();
        const QString id = connection->id();
        QSignalSpy removing(m_manager.get(), &ConnectionManager::aboutToRemove);
        QPointer<Connection> watched = connection;
        Outcome<> removed;
        m_manager->remove(id, this, removed.done());
        QCOMPARE(removing.count(), 1);
        QTRY_VERIFY(removed.ok());
        QVERIFY(m_keychain.secrets.isEmpty());
        QVERIFY(!m_manager->find(id));
        QTRY_VERIFY(watched.isNull());
        restart();
        QVERIFY(m_manager->connections().isEmpty());
    }

    void aKeyThatStaysBehindIsTold()
    {
        const QString id = addOne()->id();
        m_keychain.broken = noKeychain;
        Outcome<> removed;
        m_manager->remove(id, this, removed.done());
        QTRY_VERIFY(removed.arrived());
        QVERIFY(!removed.ok());
        QVERIFY(removed.error().message.contains(QLatin1String("still in the keychain")));
        QVERIFY(!m_manager->find(id));
    }

    void entriesAreChecked_data()
    {
        QTest::addColumn<QString>("domain");
        QTest::addColumn<QString>("api");
        QTest::addColumn<QString>("sandbox");
        QTest::addColumn<QString>("becomes"); // the API URL, or empty = refused
        QTest::newRow("defaults") << QString() << QString() << QString()
                                  << QStringLiteral("https://api.moru.io");
        QTest::newRow("domain") << QStringLiteral("e2b.app") << QString() << QString()
                                << QStringLiteral("https://api.e2b.app");
        QTest::newRow("domain with port")
            << QStringLiteral("localhost:8443") << QString() << QString()
            << QStringLiteral("https://api.localhost:8443");
        QTest::newRow("slash") << QString() << QStringLiteral("https://x.example/") << QString()
                               << QStringLiteral("https://x.example");
        QTest::newRow("this computer") << QString() << QStringLiteral("http://127.0.0.1:7450")
                                       << QString() << QStringLiteral("http://127.0.0.1:7450");
        QTest::newRow("this computer, v6") << QString() << QStringLiteral("http://[::1]:7450")
                                           << QString() << QStringLiteral("http://[::1]:7450");
        QTest::newRow("plain http")
            << QString() << QStringLiteral("http://x.example") << QString() << QString();
        QTest::newRow("looks local")
            << QString() << QStringLiteral("http://127.0.0.1.x.example") << QString() << QString();
        QTest::newRow("path") << QString() << QStringLiteral("https://x.example/v1") << QString()
                              << QString();
        QTest::newRow("query") << QString() << QStringLiteral("https://x.example?a") << QString()
                               << QString();
        QTest::newRow("user") << QString() << QStringLiteral("https://u:p@x.example") << QString()
                              << QString();
        QTest::newRow("scheme") << QString() << QStringLiteral("ftp://x.example") << QString()
                                << QString();
        QTest::newRow("no scheme")
            << QString() << QStringLiteral("x.example") << QString() << QString();
        QTest::newRow("bad domain")
            << QStringLiteral("a b/c") << QString() << QString() << QString();
        QTest::newRow("domain with path")
            << QStringLiteral("a.example/x") << QString() << QString() << QString();
        QTest::newRow("sandbox over http")
            << QString() << QString() << QStringLiteral("http://x.example") << QString();
    }

    void entriesAreChecked()
    {
        QFETCH(const QString, domain);
        QFETCH(const QString, api);
        QFETCH(const QString, sandbox);
        QFETCH(const QString, becomes);
        ConnectionSpec spec;
        spec.name = QStringLiteral("n");
        spec.endpoint.domain = domain;
        spec.endpoint.apiUrl = QUrl(api);
        spec.endpoint.sandboxUrl = QUrl(sandbox);
        const auto result = ConnectionManager::checked(spec);
        QCOMPARE(result.has_value(), !becomes.isEmpty());
        if (result)
            QCOMPARE(result->endpoint.apiUrl.toString(), becomes);
        else
            QVERIFY(!result.error().message.isEmpty()
                    && result.error().kind == Error::Kind::Invalid);
    }

    void aNameAndAKeyAreNeeded()
    {
        ConnectionSpec nameless = remote();
        nameless.name = QStringLiteral("  ");
        Outcome<Connection *> first;
        Outcome<Connection *> second;
        Outcome<Connection *> third;
        m_manager->add(nameless, QStringLiteral("k"), false, this, first.done());
        m_manager->add(remote(), QStringLiteral(" "), false, this, second.done());
        m_manager->add(remote(), QStringLiteral("a\nb"), false, this, third.done());
        QTRY_VERIFY(first.arrived() && second.arrived() && third.arrived());
        QVERIFY(!first.ok() && !second.ok() && !third.ok());
        QVERIFY(m_manager->connections().isEmpty());
    }

    void theEnvironmentMakesAConnection()
    {
        QProcessEnvironment environment;
        QVERIFY(!ConnectionManager::fromEnvironment(environment));
        environment.insert(QStringLiteral("MORU_API_KEY"), QString());
        QVERIFY(!ConnectionManager::fromEnvironment(environment)); // empty counts as unset
        environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_env"));
        environment.insert(QStringLiteral("MORU_DOMAIN"), QString());
        auto found = ConnectionManager::fromEnvironment(environment);
        QVERIFY(found);
        QCOMPARE(found->first.endpoint.apiUrl, QUrl(QStringLiteral("https://api.moru.io")));
        QVERIFY(found->first.endpoint.sandboxUrl.isEmpty());
        environment.insert(QStringLiteral("MORU_DOMAIN"), QStringLiteral("x.example"));
        found = ConnectionManager::fromEnvironment(environment);
        QCOMPARE(found->first.endpoint.apiUrl, QUrl(QStringLiteral("https://api.x.example")));
        environment.insert(QStringLiteral("MORU_API_URL"), m_server->url().toString());
        environment.insert(QStringLiteral("MORU_SANDBOX_URL"),
                           QStringLiteral("http://127.0.0.1:2"));
        restart(environment);
        Connection *connection = m_manager->find(QStringLiteral("environment"));
        QVERIFY(connection);
        QCOMPARE(connection->spec().kind, ConnectionSpec::Kind::Environment);
        QCOMPARE(connection->spec().endpoint.sandboxUrl,
                 QUrl(QStringLiteral("http://127.0.0.1:2")));
        Outcome<> probe;
        connection->control().probe(this, probe.done());
        QTRY_VERIFY(probe.ok());
        QCOMPARE(m_server->last("/v2/sandboxes").header("x-api-key"), QByteArray("moru_env"));
        Outcome<> removed;
        m_manager->remove(QStringLiteral("environment"), this, removed.done());
        QTRY_VERIFY(removed.arrived());
        QVERIFY(!removed.ok());
        addOne(); // writes the list
        restart();
        QVERIFY(!m_manager->find(QStringLiteral("environment"))); // for that run only
    }

    void anUnsafeEnvironmentSendsNothing()
    {
        QProcessEnvironment environment;
        environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_env"));
        environment.insert(QStringLiteral("MORU_API_URL"), QStringLiteral("http://x.example"));
        restart(environment);
        Outcome<> probe;
        m_manager->find(QStringLiteral("environment"))->control().probe(this, probe.done());
        QTRY_VERIFY(probe.arrived());
        QCOMPARE(probe.error().kind, Error::Kind::Invalid);
        QVERIFY(probe.error().message.contains(QLatin1String("https")));
    }

    void aSettingsFileEditedByHandDoesNotBreakTheStart()
    {
        m_settings->set(
            Setting::Connections,
            QByteArray(json("[5,{'id':''},{'id':'a'},{'id':'a','name':'twice'},{'id':'local'},"
                            "{'id':'b','name':'n','apiUrl':'http://x.example'}]")));
        m_settings->sync();
        restart();
        QCOMPARE(m_manager->connections().size(), 2);
        Outcome<> probe;
        m_manager->find(QStringLiteral("b"))->control().probe(this, probe.done());
        QTRY_VERIFY(probe.arrived());
        QCOMPARE(probe.error().kind, Error::Kind::Invalid);
        QCOMPARE(m_keychain.reads, 0);
    }

    void aConnectionHasOneClientPerSandbox()
    {
        Connection *connection = addOne();
        EnvdClient *first = &connection->envd(QStringLiteral("i1"));
        QCOMPARE(&connection->envd(QStringLiteral("i1")), first);
        QVERIFY(&connection->envd(QStringLiteral("i2")) != first);
        QPointer<EnvdClient> watched = first;
        connection->forgetEnvd(QStringLiteral("i1"));
        connection->forgetEnvd(QStringLiteral("never"));
        QTRY_VERIFY(watched.isNull());
    }
};

QTEST_GUILESS_MAIN(ConnectionsTest)
#include "tst_connections.moc"
