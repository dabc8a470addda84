// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/connections/enginemenu.h"

#include "ui/common/format.h"
#include "ui/common/messagedialog.h"
#include "ui/common/theme.h"

#include <QDesktopServices>
#include <QFileInfo>
#include <QUrl>

namespace moru {

EngineMenu::EngineMenu(EngineHost &engine, Prompt &prompt, std::function<int()> runningCount,
                       QWidget *parent)
    : QMenu(tr("&Local engine"), parent)
    , m_engine(engine)
    , m_prompt(prompt)
    , m_runningCount(std::move(runningCount))
{
    setObjectName(QStringLiteral("engineMenu"));
    setAccessibleName(tr("Local engine"));
    setToolTipsVisible(true);
    m_state = addAction(theme::icon(QStringLiteral("engine")), QString());
    m_state->setObjectName(QStringLiteral("engineState"));
    m_state->setEnabled(false);
    addSeparator();
    m_start = addAction(theme::icon(QStringLiteral("play")), tr("&Start"));
    m_start->setObjectName(QStringLiteral("engineStart"));
    m_stop = addAction(theme::icon(QStringLiteral("stop")), tr("S&top…"));
    m_stop->setObjectName(QStringLiteral("engineStop"));
    addSeparator();
    m_doctor = addAction(theme::icon(QStringLiteral("doctor")), tr("&Doctor…"));
    m_doctor->setObjectName(QStringLiteral("engineDoctor"));
    m_doctor->setToolTip(tr("Checks whether this machine can isolate sandboxes"));
    m_log = addAction(theme::icon(QStringLiteral("log")), tr("Open its &log"));
    m_log->setObjectName(QStringLiteral("engineLog"));

    connect(m_start, &QAction::triggered, &engine, &EngineHost::start);
    connect(m_stop, &QAction::triggered, this, &EngineMenu::askStop);
    connect(m_doctor, &QAction::triggered, this, &EngineMenu::runDoctor);
    connect(m_log, &QAction::triggered, this, [this] {
        const QString file = m_engine.logFile();
        if (!QFileInfo::exists(file))
            emit statusMessage(tr("The engine has not written a log yet."));
        else if (!QDesktopServices::openUrl(QUrl::fromLocalFile(file)))
            emit statusMessage(tr("No program opens text files here. The log is %1.").arg(file));
    });
    connect(&engine, &EngineHost::stateChanged, this, &EngineMenu::refresh);
    connect(this, &QMenu::aboutToShow, this, &EngineMenu::refresh);
    refresh();
}

QString EngineMenu::stateWord(EngineHost::State state)
{
    switch (state) {
    case EngineHost::State::Unknown:
        return tr("not in use");
    case EngineHost::State::Stopped:
        return tr("stopped");
    case EngineHost::State::Starting:
        return tr("starting");
    case EngineHost::State::Running:
        return tr("running");
    case EngineHost::State::Stopping:
        return tr("stopping");
    case EngineHost::State::Failed:
        return tr("failed");
    case EngineHost::State::Unsupported:
        return tr("not available");
    }
    Q_UNREACHABLE();
}

void EngineMenu::refresh()
{
    const EngineHost::State state = m_engine.state();
    m_state->setText(state == EngineHost::State::Running
                         ? tr("Running at %1").arg(m_engine.address().apiUrl.authority())
                         : tr("State: %1").arg(stateWord(state)));
    const bool known = state != EngineHost::State::Unsupported;
    const bool idle = state == EngineHost::State::Unknown || state == EngineHost::State::Stopped
                      || state == EngineHost::State::Failed;
    m_start->setEnabled(idle);
    m_start->setToolTip(idle ? QString()
                        : state == EngineHost::State::Running
                            ? tr("It is running.")
                            : tr("It is %1.").arg(stateWord(state)));
    m_stop->setEnabled(state == EngineHost::State::Running);
    m_stop->setToolTip(m_stop->isEnabled() ? QString() : tr("It is not running."));
    m_doctor->setEnabled(known && !m_examining);
    m_log->setEnabled(known);
}

void EngineMenu::askStop()
{
    const int running = m_runningCount();
    Prompt::Question question;
    question.title = tr("Stop the local engine?");
    if (running > 0)
        question.text =
            tr("Running sandboxes: %1. Their processes end at once; their files are kept, and they "
               "can be resumed when the engine runs again.")
                .arg(running);
    else
        question.text = tr("Sandboxes and their files are kept. Programs that use the engine lose "
                           "their connection.");
    question.action = tr("Stop the engine");
    question.destructive = true;
    m_prompt.confirm(parentWidget(), question, [this](bool yes) {
        if (yes)
            m_engine.stop();
    });
}

void EngineMenu::runDoctor()
{
    if (m_examining)
        return;
    m_examining = true;
    refresh();
    emit statusMessage(tr("Examining this machine…"));
    m_engine.doctor(this, [this](const Result<EngineHost::Diagnosis> &result) {
        m_examining = false;
        refresh();
        if (!result) {
            emit statusMessage(
                tr("The examination failed. %1").arg(format::sentence(result.error())));
            return;
        }
        const QString verdict = result->ok
                                    ? tr("This machine can isolate sandboxes.")
                                    : tr("This machine cannot isolate sandboxes; the report says "
                                         "why and what to do.");
        emit statusMessage(verdict);
        showDetails(parentWidget(), tr("Doctor: local engine"), verdict, result->text);
    });
}

} // namespace moru
