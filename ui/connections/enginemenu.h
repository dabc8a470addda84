// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/enginehost/enginehost.h"
#include "ui/common/prompt.h"

#include <QMenu>

namespace moru {

/// The local engine's state and what can be done about it: start, stop, doctor, log.
class EngineMenu : public QMenu {
    Q_OBJECT
public:
    /// `runningCount` answers how many sandboxes a stop would pause; -1 = unknown.
    EngineMenu(EngineHost &engine, Prompt &prompt, std::function<int()> runningCount,
               QWidget *parent = nullptr);

    [[nodiscard]] QAction *startAction() const { return m_start; }
    [[nodiscard]] QAction *stopAction() const { return m_stop; }
    [[nodiscard]] QAction *doctorAction() const { return m_doctor; }
    [[nodiscard]] QAction *logAction() const { return m_log; }
    /// "ok", "stopped", … as one word or two.
    static QString stateWord(EngineHost::State state);
    void runDoctor();

signals:
    void statusMessage(const QString &text);

private:
    void refresh();
    void askStop();

    EngineHost &m_engine;
    Prompt &m_prompt;
    std::function<int()> m_runningCount;
    QAction *m_state = nullptr;
    QAction *m_start = nullptr;
    QAction *m_stop = nullptr;
    QAction *m_doctor = nullptr;
    QAction *m_log = nullptr;
    bool m_examining = false;
};

} // namespace moru
