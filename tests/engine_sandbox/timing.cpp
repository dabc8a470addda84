// SPDX-License-Identifier: GPL-3.0-or-later
// Prints how long the launcher's steps take. Usage: sandbox_timing STATE-DIR [COUNT [COMMAND...]]
#include "app/engine/sandbox/launcher.h"
#include "tests/engine_sandbox/shellagent.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace moru::engine;

namespace {

double now()
{
    return std::chrono::duration<double, std::milli>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void print(const char *name, std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    std::printf("%-16s median %7.1f ms   worst %7.1f ms\n", name, values[values.size() / 2],
                values.back());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc > 0 && std::string_view(argv[0]) == SandboxArgv0)
        return sandboxMain();
    if (argc < 2)
        return 2;
    const int count = argc > 2 ? std::atoi(argv[2]) : 20;
    Launcher launcher(argv[1]);
    const double begin = now();
    const Diagnosis diagnosis = launcher.diagnose();
    std::printf("diagnose %.1f ms: %s, mode %s\n", now() - begin, diagnosis.ok ? "ok" : "NOT OK",
                diagnosis.mode.c_str());
    for (const auto *list : {&diagnosis.facts, &diagnosis.problems, &diagnosis.hints})
        for (const std::string &line : *list)
            std::printf("  %s\n", line.c_str());
    if (!diagnosis.ok)
        return 1;
    std::vector<double> starts;
    std::vector<double> restarts;
    std::vector<double> firsts;
    std::vector<double> kills;
    for (int round = 0; round < count; ++round) {
        const std::string id = "timing" + std::to_string(round);
        for (std::vector<double> *list : {&starts, &restarts}) {
            Launched launched;
            double from = now();
            if (const auto error = launcher.start(id, {}, launched)) {
                std::printf("%s\n", error->message.c_str());
                return 1;
            }
            list->push_back(now() - from);
            from = now();
            const Answer answer = runInSandbox(launched.socket, "user", "echo hello");
            firsts.push_back(now() - from);
            if (answer.output != "hello\n")
                std::printf("first command: %d %s\n", answer.code, answer.output.c_str());
            if (round == 0 && list == &starts)
                for (int at = 3; at < argc; ++at) {
                    const Answer shown = runInSandbox(launched.socket, "root", argv[at]);
                    std::printf("$ %s\n%s[%d]\n", argv[at], shown.output.c_str(), shown.code);
                }
            from = now();
            if (const auto error = launcher.kill(id, launched))
                std::printf("%s\n", error->message.c_str());
            kills.push_back(now() - from);
        }
        launcher.removeFiles(id);
    }
    print("start, new", starts);
    print("start, again", restarts);
    print("first command", firsts);
    print("kill", kills);
    const double from = now();
    launcher.waitForRemovals();
    std::printf("removals took %.1f ms more\n", now() - from);
    return 0;
}
