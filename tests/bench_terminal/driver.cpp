// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/bench_terminal/driver.h"

#include "tests/bench_terminal/workloads.h"

#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

namespace moru::bench {
namespace {

/// Nanoseconds on a CPU of all threads of a process, ended threads left out.
double cpuMs(pid_t pid)
{
    const std::string folder = "/proc/" + std::to_string(pid) + "/task";
    const std::unique_ptr<DIR, int (*)(DIR *)> tasks(opendir(folder.c_str()), &closedir);
    double total = 0;
    while (const dirent *entry = tasks ? readdir(tasks.get()) : nullptr) {
        std::ifstream in(folder + '/' + static_cast<const char *>(entry->d_name) + "/schedstat");
        double ns = 0;
        if (in >> ns)
            total += ns;
    }
    return total / 1e6;
}

bool writeAll(const std::string &bytes)
{
    std::size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t n = write(STDOUT_FILENO, bytes.data() + at,
                                std::min<std::size_t>(bytes.size() - at, 65536));
        if (n <= 0)
            return false;
        at += static_cast<std::size_t>(n);
    }
    return true;
}

/// Waits for "ESC [ row ; column R".
bool waitForReply()
{
    std::string seen;
    while (seen.find('R') == std::string::npos) {
        pollfd poller{STDIN_FILENO, POLLIN, 0};
        if (poll(&poller, 1, 120000) <= 0)
            return false;
        char buffer[64];
        const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n <= 0)
            return false;
        seen.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

int drive(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    termios raw{};
    tcgetattr(STDIN_FILENO, &raw);
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    winsize size{};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    const pid_t terminal = getppid();
    std::string report =
        "size " + std::to_string(size.ws_col) + "x" + std::to_string(size.ws_row) + '\n';
    usleep(500000); // the window's own start is not part of the measurement
    if (!writeAll("\x1b[6n") || !waitForReply())
        return 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        const auto bytes = static_cast<std::size_t>(std::atof(argv[i + 1]) * 1e6);
        const std::string data =
            "\x1b[0m\x1b[H\x1b[2J" + workload(name, bytes, size.ws_col, size.ws_row);
        const double before = cpuMs(terminal);
        const auto start = std::chrono::steady_clock::now();
        if (!writeAll(data) || !writeAll("\x1b[6n") || !waitForReply())
            return 1;
        const double wall =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                .count();
        const double megabytes = static_cast<double>(data.size()) / 1e6;
        char line[128];
        std::snprintf(line, sizeof line, "%s %.3f %.3f\n", name.c_str(),
                      (cpuMs(terminal) - before) / megabytes, wall / megabytes);
        report += line;
        usleep(200000);
    }
    std::ofstream(argv[0]) << report;
    return 0;
}

} // namespace moru::bench
