// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connectionmanager.h"

#include <QDialog>

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;

namespace moru {

class ArmedButton;

/// Kills a sandbox of which only the ID is known: nothing is listed, and nothing is connected to.
class KillByIdDialog : public QDialog {
    Q_OBJECT
public:
    /// `current` is preselected; may be null.
    KillByIdDialog(const ConnectionManager &connections, const Connection *current,
                   QWidget *parent = nullptr);

    void reject() override;

signals:
    /// The server has answered: killed now, or false if it was gone already.
    void answered(const QString &id, const QString &connectionId, bool killedNow);

private:
    void fire();
    void refresh();

    const ConnectionManager &m_connections;
    QComboBox *m_connection = nullptr;
    QLineEdit *m_id = nullptr;
    QLabel *m_production = nullptr;
    QLabel *m_result = nullptr;
    ArmedButton *m_kill = nullptr;
    QPushButton *m_cancel = nullptr;
    bool m_pending = false;
};

} // namespace moru
