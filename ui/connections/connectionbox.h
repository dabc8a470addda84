// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connectionmanager.h"

#include <QComboBox>

namespace moru {

/// Chooses the connection whose sandboxes are shown.
class ConnectionBox : public QComboBox {
    Q_OBJECT
public:
    explicit ConnectionBox(ConnectionManager &connections, QWidget *parent = nullptr);

    [[nodiscard]] Connection *current() const;
    /// Emits currentConnectionChanged() if that changes anything.
    void setCurrent(const Connection *connection);

signals:
    void currentConnectionChanged(moru::Connection *connection);

private:
    void fill();

    ConnectionManager &m_connections;
    QString m_currentId;
};

} // namespace moru
