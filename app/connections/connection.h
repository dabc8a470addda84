// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/controlclient.h"
#include "app/api/envdclient.h"

#include <QHash>
#include <QObject>

namespace moru {

/// What a connection is made of; stored in the settings, without the key.
struct ConnectionSpec {
    enum class Kind {
        Local,       ///< this machine's moru-local
        Environment, ///< from MORU_… variables, for this run only
        Remote,      ///< Moru cloud or a compatible cluster, added by the user
    };
    QString id; ///< "local", "environment", or a UUID
    QString name;
    Kind kind = Kind::Remote;
    Endpoint endpoint;
    bool production = false;  ///< colour bar and PRODUCTION in dialogs
    QString color;            ///< "#rrggbb" or empty
    bool confirmPause = true; ///< the short pause dialog is shown

    friend bool operator==(const ConnectionSpec &, const ConnectionSpec &) = default;
};

/// A place that has sandboxes: owns the transport, the clients and, in memory, the key.
class Connection : public QObject {
    Q_OBJECT
public:
    explicit Connection(ConnectionSpec spec, QObject *parent = nullptr);
    ~Connection() override;

    [[nodiscard]] const ConnectionSpec &spec() const { return m_spec; }
    void setSpec(const ConnectionSpec &spec);
    [[nodiscard]] QString id() const { return m_spec.id; }
    [[nodiscard]] QString name() const { return m_spec.name; }
    [[nodiscard]] Transport &transport() { return m_transport; }
    [[nodiscard]] ControlClient &control() { return m_control; }
    /// One client per sandbox, made on first use, owned by the connection, dropped by forgetEnvd().
    [[nodiscard]] EnvdClient &envd(const QString &sandboxId);
    void forgetEnvd(const QString &sandboxId);

signals:
    void specChanged();

private:
    ConnectionSpec m_spec;
    Transport m_transport;
    ControlClient m_control;
    QHash<QString, EnvdClient *> m_envd;
};

} // namespace moru
