// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/types.h"

#include <QString>
#include <QTimeZone>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <utility>
#include <vector>

namespace moru::bench {

/// CPU time of the whole process, other threads included.
inline double processCpuMs()
{
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e3 + double(now.tv_nsec) / 1e6;
}

/// CPU time of the calling thread.
inline double threadCpuMs()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e3 + double(now.tv_nsec) / 1e6;
}

/// The upper one of two in the middle; 0 of nothing.
inline double median(std::vector<double> values)
{
    std::ranges::sort(values);
    return values.empty() ? 0 : values[values.size() / 2];
}

/// Times of repeated runs of one thing.
class Times {
public:
    template <typename Work> void measure(Work work)
    {
        const double before = threadCpuMs();
        work();
        m_values.push_back(threadCpuMs() - before);
    }
    [[nodiscard]] double median() const { return bench::median(m_values); }
    [[nodiscard]] double worst() const { return *std::ranges::max_element(m_values); }

private:
    std::vector<double> m_values;
};

/// One line: what, how much, against which baseline of this run, and whether the goal is met. A
/// limit of 0 is no goal.
inline void report(const char *what, double value, const char *unit, const char *baseline,
                   double baselineValue, double limit, double ratioLimit)
{
    std::printf("%-52s %9.3f %-5s", what, value, unit);
    if (baselineValue > 0)
        std::printf(" %9.4f x %s (%.3f)", value / baselineValue, baseline, baselineValue);
    if (limit > 0)
        std::printf("  goal <= %g %s: %s", limit, unit, value <= limit ? "met" : "NOT MET");
    if (ratioLimit > 0)
        std::printf("  goal <= %g x: %s", ratioLimit,
                    value <= ratioLimit * baselineValue ? "met" : "NOT MET");
    std::printf("\n");
    std::fflush(stdout);
}

/// A fleet like real ones: few templates and owners, unique ids and run numbers.
inline QList<Sandbox> fleet(int count, unsigned seed = 7)
{
    std::mt19937 random(seed);
    const auto pick = [&random](unsigned below) { return unsigned(random() % below); };
    static const char *const aliases[] = {"base",    "python-3.12", "node-22", "code-interpreter",
                                          "desktop", "browser",     "rust",    "gcc"};
    static const char *const owners[] = {"alice", "bob", "carol", "dave", "erin", "frank", "grace"};
    const QString letters = QStringLiteral("abcdefghijklmnopqrstuvwxyz0123456789");
    const QDateTime start(QDate(2026, 3, 1), QTime(12, 0), QTimeZone::utc());
    QList<Sandbox> fleet;
    fleet.reserve(count);
    for (int i = 0; i < count; ++i) {
        Sandbox sandbox;
        sandbox.id = QStringLiteral("i");
        for (int j = 0; j < 20; ++j)
            sandbox.id += letters[qsizetype(pick(36))];
        const auto kind = int(pick(8));
        sandbox.templateId =
            QStringLiteral("tpl%1%2").arg(kind).arg(QStringLiteral("k3x9q0v7m2a5"));
        sandbox.alias = QLatin1String(aliases[kind]);
        sandbox.clientId = QStringLiteral("6532622b");
        sandbox.envdVersion = QStringLiteral("0.4.3");
        sandbox.state = pick(5) == 0 ? SandboxState::Paused : SandboxState::Running;
        sandbox.startedAt = start.addSecs(-qint64(pick(86'400)));
        sandbox.endAt = start.addSecs(qint64(pick(86'400)));
        sandbox.cpuCount = 2;
        sandbox.memoryMiB = 1024;
        sandbox.diskMiB = 4096;
        sandbox.metadata = {{QStringLiteral("owner"), QLatin1String(owners[pick(7)])},
                            {QStringLiteral("run"), QString::number(pick(1'000'000))}};
        fleet.append(sandbox);
    }
    return fleet;
}

} // namespace moru::bench
