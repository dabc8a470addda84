// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/channel.h"

#include "app/engine/sandbox/steperror.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>

namespace moru::engine {

namespace {

// The largest environment that a sandbox may be given, every byte of it escaped.
constexpr std::size_t MaxFrame = std::size_t{4} << 20;
constexpr std::array<const char *, 5> TaskNames{"serve", "probe", "layers", "remove", "measure"};

using Deadline = std::chrono::steady_clock::time_point;

void waitFor(int fd, short events, Deadline deadline, const char *step)
{
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            throw StepError(step, ETIMEDOUT);
        pollfd entry{fd, events, 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
        if (ready > 0)
            return;
        if (ready < 0 && errno != EINTR)
            throw StepError(step);
    }
}

void readExactly(int fd, char *bytes, std::size_t size, Deadline deadline)
{
    static constexpr const char *step = "hear from the sandbox's first process";
    while (size > 0) {
        waitFor(fd, POLLIN, deadline, step);
        const ssize_t count = ::recv(fd, bytes, size, MSG_DONTWAIT);
        if (count == 0)
            throw StepError(step, ECONNRESET);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR)
                continue;
            throw StepError(step);
        }
        bytes += count;
        size -= static_cast<std::size_t>(count);
    }
}

/// Fields are separated by NUL, which none of them can hold; the last one runs to the end.
std::string_view takeField(std::string_view &text)
{
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos)
        throw std::runtime_error("truncated orders");
    const std::string_view field = text.substr(0, end);
    text.remove_prefix(end + 1);
    return field;
}

} // namespace

std::string encode(const Orders &orders)
{
    std::string text = TaskNames.at(static_cast<std::size_t>(orders.task));
    text += '\0';
    text += orders.hostName;
    text += '\0';
    text += orders.singleUid ? '1' : '0';
    text += '\0';
    if (orders.task == Task::Serve)
        text += toJson(orders.agent);
    return text;
}

Orders decodeOrders(std::string_view text)
{
    Orders orders;
    const std::string_view task = takeField(text);
    const auto found = std::find(TaskNames.begin(), TaskNames.end(), task);
    if (found == TaskNames.end())
        throw std::runtime_error("unknown task");
    orders.task = static_cast<Task>(found - TaskNames.begin());
    orders.hostName = takeField(text);
    orders.singleUid = takeField(text) == "1";
    if (orders.task == Task::Serve)
        orders.agent = agentConfigFromJson(std::string(text));
    return orders;
}

void sendFrame(int fd, std::string_view bytes, Deadline deadline)
{
    static constexpr const char *step = "speak to the sandbox's first process";
    if (bytes.size() > MaxFrame)
        throw StepError(step, EMSGSIZE);
    const auto size = static_cast<std::uint32_t>(bytes.size());
    std::string frame(sizeof size, '\0');
    std::memcpy(frame.data(), &size, sizeof size);
    frame += bytes;
    std::string_view rest = frame;
    while (!rest.empty()) {
        waitFor(fd, POLLOUT, deadline, step);
        const ssize_t count = ::send(fd, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR)
                continue;
            throw StepError(step);
        }
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
}

std::string receiveFrame(int fd, Deadline deadline)
{
    std::uint32_t size = 0;
    readExactly(fd, reinterpret_cast<char *>(&size), sizeof size, deadline);
    if (size > MaxFrame)
        throw StepError("hear from the sandbox's first process", EMSGSIZE);
    std::string frame(size, '\0');
    readExactly(fd, frame.data(), frame.size(), deadline);
    return frame;
}

// A report's frame: kind, errno, then step and text separated by NUL.
std::string encode(const Report &report)
{
    std::string frame(1, static_cast<char>(report.kind));
    frame.append(reinterpret_cast<const char *>(&report.code), sizeof report.code);
    frame += report.step;
    frame += '\0';
    frame += report.text;
    return frame;
}

Report decodeReport(std::string_view frame)
{
    Report report;
    if (frame.size() < 1 + sizeof report.code)
        throw StepError("hear from the sandbox's first process", EBADMSG);
    report.kind = static_cast<Report::Kind>(frame.front());
    std::memcpy(&report.code, frame.data() + 1, sizeof report.code);
    frame.remove_prefix(1 + sizeof report.code);
    const std::size_t end = std::min(frame.find('\0'), frame.size());
    report.step = frame.substr(0, end);
    report.text = frame.substr(std::min(end + 1, frame.size()));
    return report;
}

void reportFailureSafely(int fd, const char *step, int code) noexcept
{
    std::array<char, 256> frame{};
    const std::size_t length = std::min<std::size_t>(std::strlen(step), 200);
    const auto size = static_cast<std::uint32_t>(1 + sizeof code + length);
    std::memcpy(frame.data(), &size, sizeof size);
    frame[sizeof size] = static_cast<char>(Report::Kind::Failed);
    std::memcpy(frame.data() + sizeof size + 1, &code, sizeof code);
    std::memcpy(frame.data() + sizeof size + 1 + sizeof code, step, length);
    // Nobody is left to tell if this fails.
    (void)!::send(fd, frame.data(), sizeof size + size, MSG_NOSIGNAL);
}

} // namespace moru::engine
