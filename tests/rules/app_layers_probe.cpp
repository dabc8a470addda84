// SPDX-License-Identifier: GPL-3.0-or-later
// Links every Qt layer of app/, so that a test can look at what the result needs.
#include "app/enginehost/enginehost.h"
#include "app/models/sandboxtablemodel.h"

int main()
{
    moru::EngineHost host;
    moru::SandboxTableModel model;
    return model.rowCount() == 0 && host.state() == moru::EngineHost::State::Unknown ? 0 : 1;
}
