// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"

#include <QStringList>

namespace moru::impact {

struct Process {
    QString name;
    double cpuPercent = 0;

    friend bool operator==(const Process &, const Process &) = default;
};

/// The command that lists what runs in a sandbox, with `ps` or, where there is none, from /proc.
QString command();
/// Reads the command's output; the agent, the probe itself and kernel threads are left out. Sorted
/// by CPU use. At most 1000 lines are looked at.
QList<Process> parse(const QByteArray &output);
/// "node (4 % CPU), pytest, bash ×2 and 3 more"; empty if there is nothing.
QString describe(const QList<Process> &processes);

/// Asks the sandbox; never to be called for a paused one, because traffic could wake it.
Call probe(EnvdClient &envd, QObject *context, Done<QList<Process>> done);

} // namespace moru::impact
