// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/presentation.h"

#include "ui/common/format.h"

#include <QCoreApplication>

namespace moru::presentation {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::presentation)
};

} // namespace

DisplayState displayState(const SandboxRow &row)
{
    switch (row.pending) {
    case PendingAction::Pausing:
        return DisplayState::Pausing;
    case PendingAction::Resuming:
        return DisplayState::Resuming;
    case PendingAction::Killing:
        return DisplayState::Killing;
    case PendingAction::None:
        break;
    }
    return row.sandbox.state == SandboxState::Paused ? DisplayState::Paused : DisplayState::Running;
}

QString stateWord(DisplayState state)
{
    switch (state) {
    case DisplayState::Running:
        return Words::tr("Running");
    case DisplayState::Paused:
        return Words::tr("Paused");
    case DisplayState::Pausing:
        return Words::tr("Pausing…");
    case DisplayState::Resuming:
        return Words::tr("Resuming…");
    case DisplayState::Killing:
        return Words::tr("Killing…");
    }
    Q_UNREACHABLE();
}

QString stateIcon(DisplayState state)
{
    switch (state) {
    case DisplayState::Running:
        return QStringLiteral("state-running");
    case DisplayState::Paused:
        return QStringLiteral("state-paused");
    case DisplayState::Pausing:
    case DisplayState::Resuming:
    case DisplayState::Killing:
        return QStringLiteral("state-changing");
    }
    Q_UNREACHABLE();
}

theme::Token stateToken(DisplayState state)
{
    switch (state) {
    case DisplayState::Running:
        return theme::Token::Running;
    case DisplayState::Paused:
        return theme::Token::Paused;
    case DisplayState::Pausing:
    case DisplayState::Resuming:
    case DisplayState::Killing:
        return theme::Token::Changing;
    }
    Q_UNREACHABLE();
}

QString templateName(const Sandbox &sandbox)
{
    return sandbox.alias.isEmpty() ? sandbox.templateId : sandbox.alias;
}

QString title(const Sandbox &sandbox)
{
    const QString name = sandbox.metadata.value(QStringLiteral("name")).simplified();
    if (name.isEmpty())
        return sandbox.id;
    return QStringLiteral("%1 (%2)").arg(name, format::shortId(sandbox.id));
}

QString cores(int count)
{
    return count == 1 ? Words::tr("1 core") : Words::tr("%1 cores").arg(count);
}

} // namespace moru::presentation
