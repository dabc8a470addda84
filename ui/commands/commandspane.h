// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"

#include <QWidget>

#include <memory>

namespace moru {

/// commands.run in one sandbox: a command line, its output with stdout and stderr told apart, exit
/// code and duration, and the list of running commands with SIGTERM and SIGKILL.
class CommandsPane : public QWidget {
    Q_OBJECT
public:
    CommandsPane(Connection &connection, const QString &sandboxId, QWidget *parent = nullptr);
    ~CommandsPane() override;

    void start();
    void setReachable(bool reachable, const QString &reason);
    void focusCommandLine();

signals:
    void statusMessage(const QString &text);
    void activity(); ///< a command ended while the pane was not visible

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
