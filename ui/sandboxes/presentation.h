// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/models/sandboxtablemodel.h"
#include "ui/common/theme.h"

#include <QString>

namespace moru::presentation {

using DisplayState = SandboxTableModel::DisplayState;

/// What a person sees: the server's state, or what this app is doing to it.
DisplayState displayState(const SandboxRow &row);
QString stateWord(DisplayState state);
QString stateIcon(DisplayState state);
theme::Token stateToken(DisplayState state);

/// The template's alias, or its id where it has none.
QString templateName(const Sandbox &sandbox);
/// What people call it: metadata "name" beside the id, or the id alone.
QString title(const Sandbox &sandbox);

/// "1 core", "4 cores".
QString cores(int count);

} // namespace moru::presentation
