// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/metrics.h"

#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/statvfs.h>

namespace moru::engine {

namespace {

/// Up to 8 KiB: all that is asked for stands at the beginning.
std::string readStart(int folder, const char *name)
{
    const FileDescriptor fd(::openat(folder, name, O_RDONLY | O_CLOEXEC));
    std::array<char, 8192> buffer{};
    const ssize_t n = fd.isValid() ? ::read(fd.get(), buffer.data(), buffer.size()) : 0;
    return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

struct Totals {
    std::uint64_t ticks = 0; ///< of all processes and the children they have reaped
    std::uint64_t residentPages = 0;
};

void addProcess(std::string_view stat, Totals &totals)
{
    // The name in parentheses may contain anything; the fields behind it begin with the third.
    const auto paren = stat.rfind(')');
    if (paren == std::string_view::npos)
        return;
    std::string_view rest = stat.substr(paren + 1);
    for (int field = 3; field <= 24 && !rest.empty(); ++field) {
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        const auto end = std::min(rest.find(' '), rest.size());
        const auto value = parseNumber(rest.substr(0, end));
        if (field >= 14 && field <= 17) // utime, stime, cutime, cstime
            totals.ticks += value.value_or(0);
        if (field == 24) // rss
            totals.residentPages += value.value_or(0);
        rest.remove_prefix(end);
    }
}

Totals allProcesses()
{
    Totals totals;
    const std::unique_ptr<DIR, int (*)(DIR *)> proc(::opendir("/proc"), ::closedir);
    while (const dirent *entry = proc ? ::readdir(proc.get()) : nullptr) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        const std::string name = std::string(entry->d_name) + "/stat";
        addProcess(readStart(::dirfd(proc.get()), name.c_str()), totals);
    }
    return totals;
}

std::uint64_t totalMemory()
{
    const std::string info = readStart(AT_FDCWD, "/proc/meminfo");
    std::uint64_t kib = 0;
    const auto at = info.find("MemTotal:");
    if (at == std::string::npos)
        return 0;
    std::string_view rest = std::string_view(info).substr(at + std::strlen("MemTotal:"));
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    kib = parseNumber(rest.substr(0, rest.find(' '))).value_or(0);
    return kib * 1024;
}

int cpuCount()
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return std::max(1, CPU_COUNT(&set));
}

} // namespace

MetricsSampler::MetricsSampler()
    : m_last(std::chrono::steady_clock::now())
{}

std::string MetricsSampler::sample()
{
    const std::scoped_lock lock(m_mutex);
    const Totals totals = allProcesses();
    const auto now = std::chrono::steady_clock::now();
    const double cpuSeconds =
        static_cast<double>(totals.ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    const double elapsed = std::chrono::duration<double>(now - m_last).count();
    // Ticks are 10 ms long: over less than a fifth of a second they say nothing.
    if (elapsed >= 0.2) {
        m_lastPercent = std::max(0.0, (cpuSeconds - m_lastCpuSeconds) / elapsed * 100.0);
        m_last = now;
        m_lastCpuSeconds = cpuSeconds;
    }
    const std::uint64_t memTotal = totalMemory();
    const std::uint64_t memUsed =
        totals.residentPages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    struct statvfs disk {};
    std::uint64_t diskTotal = 0;
    std::uint64_t diskUsed = 0;
    if (::statvfs("/", &disk) == 0) {
        diskTotal = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
        diskUsed = static_cast<std::uint64_t>(disk.f_blocks - disk.f_bfree) * disk.f_frsize;
    }
    std::array<char, 512> out{};
    std::snprintf(
        out.data(), out.size(),
        "{\"ts\":%lld,\"cpu_count\":%d,\"cpu_used_pct\":%.2f,\"mem_total\":%llu,"
        "\"mem_used\":%llu,\"mem_total_mib\":%llu,\"mem_used_mib\":%llu,"
        "\"disk_used\":%llu,\"disk_total\":%llu}",
        static_cast<long long>(std::time(nullptr)), cpuCount(), m_lastPercent,
        static_cast<unsigned long long>(memTotal), static_cast<unsigned long long>(memUsed),
        static_cast<unsigned long long>(memTotal >> 20U),
        static_cast<unsigned long long>(memUsed >> 20U), static_cast<unsigned long long>(diskUsed),
        static_cast<unsigned long long>(diskTotal));
    return out.data();
}

} // namespace moru::engine
