// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/types.h"

#include <QWidget>

#include <optional>

class QTreeWidget;
class QTreeWidgetItem;

namespace moru {

/// The sidebar: all sandboxes, the running, the paused, each with its number.
class StateFilter : public QWidget {
    Q_OBJECT
public:
    explicit StateFilter(QWidget *parent = nullptr);

    void setCounts(int running, int paused);
    [[nodiscard]] std::optional<SandboxState> state() const;
    void setState(std::optional<SandboxState> state);

signals:
    void stateChanged(std::optional<moru::SandboxState> state);

private:
    void refreshLook();

    QTreeWidget *m_list = nullptr;
    QTreeWidgetItem *m_all = nullptr;
    QTreeWidgetItem *m_running = nullptr;
    QTreeWidgetItem *m_paused = nullptr;
};

} // namespace moru
