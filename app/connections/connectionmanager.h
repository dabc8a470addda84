// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"
#include "app/connections/secretstore.h"

#include <QList>
#include <QObject>
#include <QProcessEnvironment>

#include <vector>

namespace moru {

class EngineHost;
class Settings;

/// All connections: Local (always first), Environment (if the variables are set), and those the
/// user added. Keeps the list in the settings and the keys in the SecretStore.
class ConnectionManager : public QObject {
    Q_OBJECT
public:
    /// Without an `engine` there is no Local. What is referred to must outlive this.
    ConnectionManager(SecretStore &secrets, EngineHost *engine,
                      const QProcessEnvironment &environment, QObject *parent = nullptr);
    /// The same with other settings than the user's file.
    ConnectionManager(Settings &settings, SecretStore &secrets, EngineHost *engine,
                      const QProcessEnvironment &environment, QObject *parent = nullptr);
    ~ConnectionManager() override;

    [[nodiscard]] const QList<Connection *> &connections() const;
    [[nodiscard]] Connection *find(const QString &id) const;
    [[nodiscard]] EngineHost *engine() const;

    /// Saves the connection, its key first: a connection whose key could not be kept is not added.
    /// On a keychain failure the error says so; with `memoryOnly` the key lives for this run.
    void add(const ConnectionSpec &spec, const QString &key, bool memoryOnly, QObject *context,
             Done<Connection *> done);
    /// Empty key = keep the stored one. Of Local and Environment only what concerns this app
    /// changes (production, color, confirmPause), and of Environment not beyond this run.
    void update(const ConnectionSpec &spec, const QString &key, bool memoryOnly, QObject *context,
                Done<> done);
    /// Forgets connection and key. Its sandboxes keep running.
    void remove(const QString &id, QObject *context, Done<> done);

    /// Asks the keychain again at the next request, where it could not give the key so far: for a
    /// Retry button.
    void reloadKey(const QString &id);

    /// Completes and checks what a person entered: name, domain, and URLs that are http or https
    /// without a path, user or query. Plain http is for this computer only, because the key would
    /// travel readable. Invalid with a sentence otherwise.
    static Result<ConnectionSpec> checked(ConnectionSpec spec);

    /// Reads MORU_API_KEY, MORU_API_URL, MORU_SANDBOX_URL, MORU_DOMAIN; nullopt when no key is set.
    static std::optional<std::pair<ConnectionSpec, QString>>
    fromEnvironment(const QProcessEnvironment &environment);

signals:
    void added(moru::Connection *connection);
    void aboutToRemove(moru::Connection *connection);
    void changed(moru::Connection *connection);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
