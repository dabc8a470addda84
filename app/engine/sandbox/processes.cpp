// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/processes.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <memory>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds StopPatience{2};

template <typename Number> std::optional<Number> toNumber(std::string_view text)
{
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() ? std::optional(value) : std::nullopt;
}

/// Calls `use` for each word of a list separated by blanks or line ends.
template <typename Use> void eachWord(std::string_view text, Use use)
{
    constexpr const char *blanks = " \n";
    for (std::size_t at = text.find_first_not_of(blanks); at != std::string_view::npos;
         at = text.find_first_not_of(blanks, at)) {
        const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
        use(text.substr(at, end - at));
        at = end;
    }
}

std::vector<pid_t> numbersIn(const std::string &folder)
{
    std::vector<pid_t> numbers;
    const std::unique_ptr<DIR, int (*)(DIR *)> entries(::opendir(folder.c_str()), ::closedir);
    if (!entries)
        return numbers;
    while (const dirent *entry = ::readdir(entries.get()))
        if (const auto number = toNumber<pid_t>(entry->d_name))
            numbers.push_back(*number);
    return numbers;
}

/// For kernels without the list of children.
std::vector<pid_t> childrenByScan(pid_t pid)
{
    std::vector<pid_t> children;
    for (const pid_t candidate : numbersIn("/proc"))
        if (const auto state = processState(candidate); state && state->parent == pid)
            children.push_back(candidate);
    return children;
}

/// A signal to exactly this process.
bool signalProcess(const ProcessKey &key, int number)
{
    const Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, key.pid, 0)));
    if (!pidfd.valid())
        return false;
    const auto state = processState(key.pid);
    if (!state || state->startTime != key.startTime) {
        errno = ESRCH;
        return false;
    }
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0;
}

/// Waits until no thread of it runs any more, or it is gone.
bool waitStopped(pid_t pid, Clock::time_point end)
{
    for (;;) {
        const auto state = processState(pid);
        if (!state || state->hasEnded() || state->isStopped())
            return true;
        if (Clock::now() > end) {
            errno = ETIMEDOUT;
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

} // namespace

std::string currentBootId()
{
    const auto text = readTextFile("/proc/sys/kernel/random/boot_id");
    return text ? text->substr(0, text->find_first_of(" \n")) : std::string();
}

std::optional<ProcessState> parseProcessState(std::string_view text)
{
    const std::size_t name = text.rfind(')');
    if (name == std::string_view::npos)
        return std::nullopt;
    std::vector<std::string_view> fields; // the first one is number 3 of proc(5)
    eachWord(text.substr(name + 1), [&](std::string_view word) { fields.push_back(word); });
    if (fields.size() < 20)
        return std::nullopt;
    ProcessState state;
    state.state = fields[0].front();
    const auto value = [&](std::size_t number) {
        return toNumber<std::uint64_t>(fields[number - 3]).value_or(0);
    };
    state.parent = static_cast<pid_t>(value(4));
    state.cpuTicks = value(14) + value(15);
    state.reapedTicks = value(16) + value(17);
    state.startTime = value(22);
    return state;
}

std::optional<ProcessState> processState(pid_t pid)
{
    const auto text = readTextFile("/proc/" + std::to_string(pid) + "/stat");
    return text ? parseProcessState(*text) : std::nullopt;
}

std::vector<pid_t> childrenOf(pid_t pid)
{
    static const bool listed =
        ::access("/proc/self/task", F_OK) == 0
        && ::access(("/proc/self/task/" + std::to_string(::getpid()) + "/children").c_str(), R_OK)
               == 0;
    if (!listed)
        return childrenByScan(pid);
    std::vector<pid_t> children;
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const pid_t thread : numbersIn(tasks)) {
        const auto text = readTextFile(tasks + "/" + std::to_string(thread) + "/children");
        if (text)
            eachWord(*text, [&](std::string_view word) {
                if (const auto child = toNumber<pid_t>(word))
                    children.push_back(*child);
            });
    }
    return children;
}

std::vector<pid_t> familyOf(pid_t pid)
{
    std::vector<pid_t> family{pid};
    std::unordered_set<pid_t> known{pid}; // a list read while it changes may show one twice
    for (std::size_t at = 0; at < family.size(); ++at)
        for (const pid_t child : childrenOf(family[at]))
            if (known.insert(child).second)
                family.push_back(child);
    return family;
}

double cpuSecondsOf(const std::vector<pid_t> &family)
{
    std::uint64_t ticks = 0;
    for (const pid_t pid : family)
        if (const auto state = processState(pid))
            ticks += state->cpuTicks + state->reapedTicks;
    return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t memoryBytesOf(const std::vector<pid_t> &family)
{
    std::uint64_t bytes = 0;
    const auto pageSize = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (const pid_t pid : family) {
        const std::string folder = "/proc/" + std::to_string(pid);
        if (const auto text = readTextFile(folder + "/smaps_rollup")) {
            const std::size_t at = text->find("\nPss:");
            if (at != std::string::npos) {
                bool taken = false;
                eachWord(std::string_view(*text).substr(at + 5), [&](std::string_view word) {
                    if (!std::exchange(taken, true))
                        bytes += toNumber<std::uint64_t>(word).value_or(0) * 1024;
                });
                continue;
            }
        }
        // Closed to us, or a process on its way out: the resident pages then.
        std::size_t field = 0;
        eachWord(readTextFile(folder + "/statm").value_or(std::string()),
                 [&](std::string_view word) {
                     if (++field == 2)
                         bytes += toNumber<std::uint64_t>(word).value_or(0) * pageSize;
                 });
    }
    return bytes;
}

bool stopFamily(pid_t init, std::vector<ProcessKey> &stopped)
{
    const auto end = Clock::now() + StopPatience;
    std::unordered_map<pid_t, std::uint64_t> visited;
    const auto giveUp = [&] {
        const int code = errno;
        continueFamily(stopped);
        stopped.clear();
        errno = code;
        return false;
    };
    // An orphan moves to PID 1 when its parent ends, possibly after PID 1's children were listed.
    // So it is done when a whole walk meets nobody new.
    for (bool anyNew = true; anyNew;) {
        anyNew = false;
        std::vector<pid_t> pending{init};
        std::unordered_set<pid_t> walked{init};
        for (std::size_t at = 0; at < pending.size(); ++at) {
            const pid_t pid = pending[at];
            const auto state = processState(pid);
            if (state && !state->hasEnded()
                && visited.insert_or_assign(pid, state->startTime).second) {
                anyNew = true;
                if (!state->isStopped()) {
                    const ProcessKey key{pid, state->startTime};
                    if (signalProcess(key, SIGSTOP))
                        stopped.push_back(key);
                    else if (errno != ESRCH)
                        return giveUp();
                    if (!waitStopped(pid, end))
                        return giveUp();
                }
            }
            for (const pid_t child : childrenOf(pid))
                if (walked.insert(child).second)
                    pending.push_back(child);
        }
        if (Clock::now() > end) {
            errno = ETIMEDOUT;
            return giveUp();
        }
    }
    return true;
}

void continueFamily(const std::vector<ProcessKey> &stopped)
{
    for (auto key = stopped.rbegin(); key != stopped.rend(); ++key)
        (void)signalProcess(*key, SIGCONT); // gone: killed while it was stopped
}

std::string toText(const std::vector<ProcessKey> &keys)
{
    std::string text;
    for (const ProcessKey &key : keys)
        text += std::to_string(key.pid) + ' ' + std::to_string(key.startTime) + '\n';
    return text;
}

std::vector<ProcessKey> keysFromText(std::string_view text)
{
    std::vector<std::string_view> words;
    eachWord(text, [&](std::string_view word) { words.push_back(word); });
    std::vector<ProcessKey> keys;
    for (std::size_t at = 0; at + 1 < words.size(); at += 2)
        keys.push_back({toNumber<pid_t>(words[at]).value_or(0),
                        toNumber<std::uint64_t>(words[at + 1]).value_or(0)});
    return keys;
}

} // namespace moru::engine
