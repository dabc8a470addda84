// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/connectionmanager.h"

#include "app/core/log.h"
#include "app/core/settings.h"
#include "app/enginehost/enginehost.h"

#include <QHostAddress>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPointer>
#include <QSet>
#include <QTimer>
#include <QUuid>

#include <algorithm>

namespace moru {

namespace {

const QString localId = QStringLiteral("local");
const QString environmentId = QStringLiteral("environment");
const QString defaultDomain = QStringLiteral("moru.io");

QString entryOf(const QString &id)
{
    return QStringLiteral("connection/") + id;
}

Error invalid(const QString &message)
{
    return {Error::Kind::Invalid, 0, message, {}, -1};
}

bool isThisComputer(const QString &host)
{
    return host == QLatin1String("localhost") || host.endsWith(QLatin1String(".localhost"))
           || QHostAddress(host).isLoopback();
}

/// `url` without what a trailing slash adds, or why it cannot be used.
Result<QUrl> checkedUrl(const QUrl &url, const QString &what)
{
    if (!url.isValid() || url.host().isEmpty())
        return tl::unexpected<Error>(
            invalid(QStringLiteral("%1 is not a valid address").arg(what)));
    const QString scheme = url.scheme();
    if (scheme != QLatin1String("https") && scheme != QLatin1String("http"))
        return tl::unexpected<Error>(
            invalid(QStringLiteral("%1 must begin with https://").arg(what)));
    if (!url.userInfo().isEmpty())
        return tl::unexpected<Error>(
            invalid(QStringLiteral("%1 must not contain a user or password").arg(what)));
    if ((!url.path().isEmpty() && url.path() != QLatin1String("/")) || url.hasQuery()
        || url.hasFragment())
        return tl::unexpected<Error>(invalid(QStringLiteral("%1 must not have a path").arg(what)));
    if (scheme == QLatin1String("http") && !isThisComputer(url.host()))
        return tl::unexpected<Error>(invalid(
            QStringLiteral("%1 must use https: over http the key would be readable on its way")
                .arg(what)));
    return url.adjusted(QUrl::RemovePath);
}

/// A host name with an optional port.
bool isDomain(const QString &domain)
{
    const QUrl url(QStringLiteral("https://x.") + domain, QUrl::StrictMode);
    return url.isValid() && url.path().isEmpty() && !url.hasQuery() && !url.hasFragment()
           && url.userInfo().isEmpty() && url.host().size() > 2;
}

/// A key is sent as a header value: one printable word.
Result<> checkedKey(const QString &key)
{
    const bool fine = std::all_of(key.cbegin(), key.cend(),
                                  [](QChar c) { return c.unicode() > 0x20 && c.unicode() < 0x7f; });
    if (!fine)
        return tl::unexpected<Error>(
            invalid(QStringLiteral("The key contains characters that no key has")));
    return {};
}

QJsonObject toJson(const ConnectionSpec &spec)
{
    QJsonObject json{
        {QStringLiteral("id"), spec.id},
        {QStringLiteral("production"), spec.production},
        {QStringLiteral("color"), spec.color},
        {QStringLiteral("confirmPause"), spec.confirmPause},
    };
    if (spec.kind == ConnectionSpec::Kind::Remote) {
        json.insert(QStringLiteral("name"), spec.name);
        json.insert(QStringLiteral("domain"), spec.endpoint.domain);
        json.insert(QStringLiteral("apiUrl"), spec.endpoint.apiUrl.toString());
        json.insert(QStringLiteral("sandboxUrl"), spec.endpoint.sandboxUrl.toString());
    }
    return json;
}

void readPreferences(const QJsonObject &json, ConnectionSpec &spec)
{
    spec.production = json.value(QLatin1String("production")).toBool();
    spec.color = json.value(QLatin1String("color")).toString();
    spec.confirmPause = json.value(QLatin1String("confirmPause")).toBool(true);
}

template <typename T> void tellLater(QObject *context, Done<T> done, Result<T> result)
{
    QTimer::singleShot(0, context,
                       [done = std::move(done), result = std::move(result)] { done(result); });
}

} // namespace

struct ConnectionManager::Private {
    Private(ConnectionManager *manager, Settings &theSettings, SecretStore &theSecrets,
            EngineHost *theEngine)
        : q(manager)
        , settings(theSettings)
        , secrets(theSecrets)
        , engine(theEngine)
    {}

    void load(const QProcessEnvironment &environment)
    {
        const QJsonArray stored =
            QJsonDocument::fromJson(settings.get<QByteArray>(Setting::Connections)).array();
        if (engine) {
            ConnectionSpec spec;
            spec.id = localId;
            spec.name = QStringLiteral("Local");
            spec.kind = ConnectionSpec::Kind::Local;
            for (const auto &value : stored) {
                if (value.toObject().value(QLatin1String("id")) == localId)
                    readPreferences(value.toObject(), spec);
            }
            connections.append(new Connection(spec, q));
            followEngine();
            QObject::connect(engine, &EngineHost::stateChanged, q, [this] { followEngine(); });
        }
        if (const auto found = fromEnvironment(environment)) {
            auto *connection = new Connection(found->first, q);
            if (const auto usable = checked(found->first); !usable)
                connection->transport().setUnavailable(usable.error());
            else
                connection->transport().setApiKey(found->second);
            connections.append(connection);
        }
        for (const auto &value : stored)
            loadRemote(value.toObject());
    }

    void loadRemote(const QJsonObject &json)
    {
        ConnectionSpec spec;
        spec.id = json.value(QLatin1String("id")).toString();
        if (spec.id.isEmpty() || spec.id == localId || spec.id == environmentId || q->find(spec.id))
            return;
        spec.name = json.value(QLatin1String("name")).toString();
        spec.endpoint.domain = json.value(QLatin1String("domain")).toString();
        spec.endpoint.apiUrl = QUrl(json.value(QLatin1String("apiUrl")).toString());
        spec.endpoint.sandboxUrl = QUrl(json.value(QLatin1String("sandboxUrl")).toString());
        readPreferences(json, spec);
        auto *connection = new Connection(spec, q);
        if (const auto usable = checked(spec); !usable) // edited by hand
            connection->transport().setUnavailable(usable.error());
        else
            fetchKeyWhenNeeded(connection);
        connections.append(connection);
    }

    /// The keychain is asked when the connection is used first, not at the start of the app: it may
    /// want to ask the user for its password.
    void fetchKeyWhenNeeded(Connection *connection)
    {
        connection->transport().setApiKeyPending();
        QObject::connect(&connection->transport(), &Transport::apiKeyNeeded, connection,
                         [this, connection] { fetchKey(connection); });
    }

    void fetchKey(Connection *connection)
    {
        secrets.read(entryOf(connection->id()), connection,
                     [this, connection](const Result<QString> &key) {
                         // Not asked again by itself: a keychain that was refused its password
                         // would ask at every poll. See reloadKey().
                         if (key)
                             connection->transport().setApiKey(*key);
                         else if (key.error().kind == Error::Kind::NotFound)
                             connection->transport().setUnavailable(
                                 {Error::Kind::Unauthorized,
                                  0,
                                  QStringLiteral("No key is stored for this connection"),
                                  {},
                                  -1});
                         else
                             connection->transport().setUnavailable(key.error());
                         emit q->changed(connection);
                     });
    }

    void followEngine()
    {
        Connection *local = q->find(localId);
        if (engine->state() == EngineHost::State::Running) {
            const EngineHost::Address &address = engine->address();
            ConnectionSpec spec = local->spec();
            spec.endpoint = {address.apiUrl, address.sandboxUrl, address.domain};
            local->setSpec(spec);
            local->transport().setApiKey(address.apiKey);
        } else if (engine->state() == EngineHost::State::Failed
                   || engine->state() == EngineHost::State::Unsupported) {
            local->transport().setUnavailable(engine->lastError());
        } else {
            local->transport().setUnavailable(
                {Error::Kind::Local,
                 0,
                 engine->state() == EngineHost::State::Starting
                     ? QStringLiteral("The local engine is starting")
                     : QStringLiteral("The local engine is not running"),
                 {},
                 -1});
        }
        emit q->changed(local);
    }

    Result<> save()
    {
        QJsonArray list;
        for (const Connection *connection : std::as_const(connections)) {
            if (connection->spec().kind != ConnectionSpec::Kind::Environment)
                list.append(toJson(connection->spec()));
        }
        settings.set(Setting::Connections, QJsonDocument(list).toJson(QJsonDocument::Compact));
        if (!settings.sync())
            return failure(Error::Kind::Local, QStringLiteral("The settings could not be saved"),
                           settings.fileName());
        return {};
    }

    /// The connection as it will be, with its key kept.
    void insert(const ConnectionSpec &spec, const QString &key, QObject *context,
                const Done<Connection *> &done)
    {
        auto *connection = new Connection(spec, q);
        connection->transport().setApiKey(key);
        connections.append(connection);
        const Result<> saved = save();
        if (!saved)
            qCWarning(lcConnections)
                << "the connection lasts for this run only:" << saved.error().message;
        emit q->added(connection);
        if (context)
            done(connection);
    }

    void apply(const ConnectionSpec &spec, const QString &key, const Done<> &done,
               bool contextAlive)
    {
        Connection *connection = q->find(spec.id);
        if (!connection) {
            if (contextAlive)
                done(tl::unexpected<Error>(Error{Error::Kind::NotFound,
                                                 0,
                                                 QStringLiteral("There is no such connection"),
                                                 {},
                                                 -1}));
            return;
        }
        connection->setSpec(spec);
        if (!key.isEmpty())
            connection->transport().setApiKey(key);
        const Result<> saved = save();
        emit q->changed(connection);
        if (contextAlive)
            done(saved);
    }

    ConnectionManager *q;
    Settings &settings;
    SecretStore &secrets;
    EngineHost *engine;
    QList<Connection *> connections;
    QSet<QString> memoryOnly; ///< ids whose key was never given to the keychain
};

ConnectionManager::ConnectionManager(SecretStore &secrets, EngineHost *engine,
                                     const QProcessEnvironment &environment, QObject *parent)
    : QObject(parent)
{
    d = std::make_unique<Private>(this, *new Settings(this), secrets, engine);
    d->load(environment);
}

ConnectionManager::ConnectionManager(Settings &settings, SecretStore &secrets, EngineHost *engine,
                                     const QProcessEnvironment &environment, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this, settings, secrets, engine))
{
    d->load(environment);
}

ConnectionManager::~ConnectionManager() = default;

const QList<Connection *> &ConnectionManager::connections() const
{
    return d->connections;
}

Connection *ConnectionManager::find(const QString &id) const
{
    for (Connection *connection : std::as_const(d->connections)) {
        if (connection->id() == id)
            return connection;
    }
    return nullptr;
}

EngineHost *ConnectionManager::engine() const
{
    return d->engine;
}

void ConnectionManager::add(const ConnectionSpec &spec, const QString &key, bool memoryOnly,
                            QObject *context, Done<Connection *> done)
{
    auto ready = checked(spec);
    const QString trimmed = key.trimmed();
    Result<> keyReady = checkedKey(trimmed);
    if (keyReady && trimmed.isEmpty())
        keyReady =
            tl::unexpected<Error>(invalid(QStringLiteral("The connection needs an API key")));
    if (!ready || !keyReady) {
        tellLater<Connection *>(context, std::move(done),
                                tl::unexpected<Error>(ready ? keyReady.error() : ready.error()));
        return;
    }
    ready->kind = ConnectionSpec::Kind::Remote;
    ready->id = QUuid::createUuid().toString(QUuid::WithoutBraces);
    const QPointer<QObject> alive(context);
    if (memoryOnly) {
        QTimer::singleShot(0, this, [this, spec = *ready, trimmed, alive, done = std::move(done)] {
            d->memoryOnly.insert(spec.id);
            d->insert(spec, trimmed, alive, done);
        });
        return;
    }
    d->secrets.write(
        entryOf(ready->id), trimmed, this,
        [this, spec = *ready, trimmed, alive, done = std::move(done)](const Result<> &kept) {
            if (kept)
                d->insert(spec, trimmed, alive, done);
            else if (alive)
                done(tl::unexpected<Error>(kept.error()));
        });
}

void ConnectionManager::update(const ConnectionSpec &spec, const QString &key, bool memoryOnly,
                               QObject *context, Done<> done)
{
    const Connection *connection = find(spec.id);
    if (!connection) {
        tellLater<void>(
            context, std::move(done),
            failure(Error::Kind::NotFound, QStringLiteral("There is no such connection")));
        return;
    }
    const QPointer<QObject> alive(context);
    if (connection->spec().kind != ConnectionSpec::Kind::Remote) {
        ConnectionSpec own = connection->spec();
        own.production = spec.production;
        own.color = spec.color;
        own.confirmPause = spec.confirmPause;
        QTimer::singleShot(0, this, [this, own, alive, done = std::move(done)] {
            d->apply(own, {}, done, bool(alive));
        });
        return;
    }
    auto ready = checked(spec);
    const QString trimmed = key.trimmed();
    const Result<> keyReady = checkedKey(trimmed);
    if (!ready || !keyReady) {
        tellLater<void>(context, std::move(done),
                        tl::unexpected<Error>(ready ? keyReady.error() : ready.error()));
        return;
    }
    ready->kind = ConnectionSpec::Kind::Remote;
    if (trimmed.isEmpty() || memoryOnly) {
        if (!trimmed.isEmpty())
            d->memoryOnly.insert(ready->id);
        QTimer::singleShot(0, this, [this, own = *ready, trimmed, alive, done = std::move(done)] {
            d->apply(own, trimmed, done, bool(alive));
        });
        return;
    }
    d->secrets.write(
        entryOf(ready->id), trimmed, this,
        [this, own = *ready, trimmed, alive, done = std::move(done)](const Result<> &kept) {
            if (kept) {
                d->memoryOnly.remove(own.id);
                d->apply(own, trimmed, done, bool(alive));
            } else if (alive) {
                done(kept);
            }
        });
}

void ConnectionManager::remove(const QString &id, QObject *context, Done<> done)
{
    Connection *connection = find(id);
    if (!connection || connection->spec().kind != ConnectionSpec::Kind::Remote) {
        tellLater<void>(
            context, std::move(done),
            connection
                ? failure(Error::Kind::Invalid, QStringLiteral("This connection cannot be removed"))
                : failure(Error::Kind::NotFound, QStringLiteral("There is no such connection")));
        return;
    }
    emit aboutToRemove(connection);
    d->connections.removeOne(connection);
    connection->deleteLater();
    const Result<> saved = d->save();
    if (d->memoryOnly.remove(id)) {
        tellLater<void>(context, std::move(done), saved);
        return;
    }
    const QPointer<QObject> alive(context);
    d->secrets.remove(
        entryOf(id), this, [saved, alive, done = std::move(done)](const Result<> &forgotten) {
            if (!alive)
                return;
            if (forgotten) {
                done(saved);
                return;
            }
            Error error = forgotten.error();
            error.message =
                QStringLiteral(
                    "The connection was removed, but its key is still in the keychain: %1")
                    .arg(error.message);
            done(tl::unexpected<Error>(std::move(error)));
        });
}

void ConnectionManager::reloadKey(const QString &id)
{
    Connection *connection = find(id);
    if (connection && connection->spec().kind == ConnectionSpec::Kind::Remote
        && !connection->transport().hasApiKey() && !d->memoryOnly.contains(id))
        connection->transport().setApiKeyPending();
}

Result<ConnectionSpec> ConnectionManager::checked(ConnectionSpec spec)
{
    spec.name = spec.name.simplified();
    if (spec.name.isEmpty())
        return tl::unexpected<Error>(invalid(QStringLiteral("The connection needs a name")));
    Endpoint &endpoint = spec.endpoint;
    endpoint.domain = endpoint.domain.trimmed();
    if (endpoint.domain.isEmpty())
        endpoint.domain = defaultDomain;
    if (!isDomain(endpoint.domain))
        return tl::unexpected<Error>(
            invalid(QStringLiteral("The domain is not a valid host name")));
    if (endpoint.apiUrl.isEmpty())
        endpoint.apiUrl = QUrl(QStringLiteral("https://api.") + endpoint.domain);
    auto api = checkedUrl(endpoint.apiUrl, QStringLiteral("The API URL"));
    if (!api)
        return tl::unexpected<Error>(api.error());
    endpoint.apiUrl = *std::move(api);
    if (!endpoint.sandboxUrl.isEmpty()) {
        auto sandbox = checkedUrl(endpoint.sandboxUrl, QStringLiteral("The sandbox URL"));
        if (!sandbox)
            return tl::unexpected<Error>(sandbox.error());
        endpoint.sandboxUrl = *std::move(sandbox);
    }
    return spec;
}

std::optional<std::pair<ConnectionSpec, QString>>
ConnectionManager::fromEnvironment(const QProcessEnvironment &environment)
{
    const auto read = [&environment](const char *name) {
        return environment.value(QLatin1String(name)).trimmed();
    };
    const QString key = read("MORU_API_KEY");
    if (key.isEmpty())
        return std::nullopt;
    ConnectionSpec spec;
    spec.id = environmentId;
    spec.name = QStringLiteral("Environment");
    spec.kind = ConnectionSpec::Kind::Environment;
    // As in the SDKs, an empty variable is one that is not set.
    const QString domain = read("MORU_DOMAIN");
    spec.endpoint.domain = domain.isEmpty() ? defaultDomain : domain;
    const QString api = read("MORU_API_URL");
    spec.endpoint.apiUrl =
        QUrl(api.isEmpty() ? QStringLiteral("https://api.") + spec.endpoint.domain : api);
    spec.endpoint.sandboxUrl = QUrl(read("MORU_SANDBOX_URL"));
    return std::pair(spec, key);
}

} // namespace moru
