// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/impactprobe.h"

#include "ui/common/format.h"

#include <QCoreApplication>

#include <algorithm>

namespace moru::impact {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::impact)
};

constexpr int timeoutSeconds = 3;
constexpr qint64 outputCap = 256 * 1024;
constexpr qsizetype mostLines = 1000;
constexpr qsizetype shownNames = 5;

/// A name out of a sandbox: one short line of printable characters.
QString cleanName(const QByteArray &raw)
{
    QString name = QString::fromUtf8(raw).simplified().left(32);
    name.removeIf([](QChar c) { return !c.isPrint(); });
    return name;
}

} // namespace

QString command()
{
    // First line: the probe's own shell. Then: pid, parent, CPU, name.
    return QStringLiteral("echo $$; ps -eo pid=,ppid=,pcpu=,comm= 2>/dev/null || "
                          "for p in /proc/[0-9]*; do "
                          "read -r name 2>/dev/null <$p/comm || continue; "
                          "read -r a b c parent rest 2>/dev/null <$p/stat; "
                          "echo \"${p#/proc/} ${parent:-0} 0 $name\"; done");
}

QList<Process> parse(const QByteArray &output)
{
    const QList<QByteArray> lines = output.split('\n');
    const int own = lines.value(0).trimmed().toInt();
    QList<Process> processes;
    const qsizetype end = std::min(lines.size(), mostLines + 1);
    // A sandbox with a kernel of its own has its threads as children of process 2; without one,
    // process 2 is the first thing somebody started.
    const bool hasKernel = std::any_of(lines.cbegin(), lines.cend(), [](const QByteArray &line) {
        const QList<QByteArray> words = line.simplified().split(' ');
        return words.size() == 4 && words[0] == "2" && words[3] == "kthreadd";
    });
    for (qsizetype i = 1; i < end; ++i) {
        const QList<QByteArray> words = lines.at(i).simplified().split(' ');
        if (words.size() < 4)
            continue;
        const int pid = words[0].toInt();
        const int parent = words[1].toInt();
        if (pid <= 1 || pid == own || parent == own || (hasKernel && (parent == 2 || pid == 2)))
            continue;
        Process process;
        process.cpuPercent = words[2].toDouble();
        process.name = cleanName(words.mid(3).join(' '));
        if (!process.name.isEmpty())
            processes.append(process);
    }
    std::stable_sort(processes.begin(), processes.end(), [](const Process &a, const Process &b) {
        return a.cpuPercent > b.cpuPercent;
    });
    return processes;
}

QString describe(const QList<Process> &processes)
{
    struct Group {
        QString name;
        int count = 0;
        double cpu = 0;
    };
    QList<Group> groups;
    for (const Process &process : processes) {
        auto found = std::find_if(groups.begin(), groups.end(), [&process](const Group &group) {
            return group.name == process.name;
        });
        if (found == groups.end())
            found = groups.insert(groups.end(), Group{process.name, 0, 0});
        ++found->count;
        found->cpu += process.cpuPercent;
    }
    QStringList parts;
    for (qsizetype i = 0; i < std::min(groups.size(), shownNames); ++i) {
        const Group &group = groups.at(i);
        QString part = group.name;
        if (group.count > 1)
            part += QStringLiteral(" \u00d7%1").arg(group.count);
        if (group.cpu >= 1)
            part = Words::tr("%1 (%2 CPU)").arg(part, format::percent(group.cpu));
        parts << part;
    }
    const qsizetype rest = groups.size() - parts.size();
    const QString listed = parts.join(QStringLiteral(", "));
    return rest > 0 ? Words::tr("%1 and %2 more").arg(listed).arg(rest) : listed;
}

Call probe(EnvdClient &envd, QObject *context, Done<QList<Process>> done)
{
    return envd.run(command(), timeoutSeconds, outputCap, context,
                    [done = std::move(done)](const Result<EnvdClient::CommandOutput> &result) {
                        if (!result) {
                            done(tl::unexpected(result.error()));
                            return;
                        }
                        if (result->out.isEmpty()) {
                            done(failure(Error::Kind::Protocol, QStringLiteral("no output")));
                            return;
                        }
                        done(parse(result->out));
                    });
}

} // namespace moru::impact
