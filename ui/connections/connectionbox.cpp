// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/connections/connectionbox.h"

#include "ui/common/theme.h"

#include <QAbstractItemView>

namespace moru {
namespace {

QString iconName(ConnectionSpec::Kind kind)
{
    switch (kind) {
    case ConnectionSpec::Kind::Local:
        return QStringLiteral("engine");
    case ConnectionSpec::Kind::Environment:
        return QStringLiteral("key");
    case ConnectionSpec::Kind::Remote:
        return QStringLiteral("cloud");
    }
    Q_UNREACHABLE();
}

} // namespace

ConnectionBox::ConnectionBox(ConnectionManager &connections, QWidget *parent)
    : QComboBox(parent)
    , m_connections(connections)
{
    setObjectName(QStringLiteral("connectionBox"));
    setAccessibleName(tr("Connection"));
    setAccessibleDescription(tr("Connection"));
    setToolTip(tr("The connection whose sandboxes are shown"));
    setSizeAdjustPolicy(AdjustToContents);
    setMinimumContentsLength(16);
    setMaximumWidth(320);
    setIconSize(QSize(16, 16));
    fill();
    if (count() > 0)
        m_currentId = itemData(0).toString();
    connect(&connections, &ConnectionManager::added, this, &ConnectionBox::fill);
    connect(&connections, &ConnectionManager::changed, this, &ConnectionBox::fill);
    connect(&connections, &ConnectionManager::aboutToRemove, this, [this](Connection *connection) {
        if (connection->id() == m_currentId && !m_connections.connections().isEmpty())
            setCurrent(m_connections.connections().first());
        const int index = findData(connection->id());
        if (index >= 0) {
            const QSignalBlocker quiet(this);
            removeItem(index);
            setCurrentIndex(findData(m_currentId));
        }
    });
    connect(this, &QComboBox::currentIndexChanged, this, [this](int index) {
        const QString id = itemData(index).toString();
        if (id.isEmpty() || id == m_currentId)
            return;
        m_currentId = id;
        emit currentConnectionChanged(current());
    });
}

Connection *ConnectionBox::current() const
{
    return m_connections.find(m_currentId);
}

void ConnectionBox::setCurrent(const Connection *connection)
{
    if (!connection)
        return;
    const int index = findData(connection->id());
    if (index >= 0)
        setCurrentIndex(index);
}

void ConnectionBox::fill()
{
    const QSignalBlocker quiet(this);
    clear();
    for (const Connection *connection : m_connections.connections()) {
        const ConnectionSpec &spec = connection->spec();
        const QString text = spec.production ? tr("%1 (PRODUCTION)").arg(spec.name) : spec.name;
        addItem(theme::icon(iconName(spec.kind)), text, spec.id);
    }
    const int index = findData(m_currentId);
    setCurrentIndex(std::max(0, index));
}

} // namespace moru
