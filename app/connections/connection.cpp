// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/connection.h"

namespace moru {

Connection::Connection(ConnectionSpec spec, QObject *parent)
    : QObject(parent)
    , m_spec(std::move(spec))
    , m_transport(m_spec.endpoint)
    , m_control(m_transport)
{}

Connection::~Connection()
{
    // Before the transport they use; as children they would go after it.
    qDeleteAll(m_envd);
}

void Connection::setSpec(const ConnectionSpec &spec)
{
    if (m_spec == spec)
        return;
    m_spec = spec;
    m_transport.setEndpoint(spec.endpoint);
    emit specChanged();
}

EnvdClient &Connection::envd(const QString &sandboxId)
{
    EnvdClient *&client = m_envd[sandboxId];
    if (!client)
        client = new EnvdClient(m_transport, m_control, sandboxId, this);
    return *client;
}

void Connection::forgetEnvd(const QString &sandboxId)
{
    if (EnvdClient *client = m_envd.take(sandboxId))
        client->deleteLater(); // may be called from one of its own signals
}

} // namespace moru
