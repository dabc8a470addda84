// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/channel.h"
#include "app/engine/sandbox/hardening.h"
#include "app/engine/sandbox/launcher.h"
#include "app/engine/sandbox/layers.h"
#include "app/engine/sandbox/rootfs.h"
#include "app/engine/sandbox/spawn.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/tree.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace moru::engine {

namespace {

constexpr std::chrono::seconds Patience{60};

void answer(const Report &report)
{
    sendFrame(ChannelFd, encode(report), std::chrono::steady_clock::now() + Patience);
}

void closeExcept(int first, int second)
{
    const auto closeRange = [](unsigned from, unsigned to) {
        if (from <= to && ::syscall(SYS_close_range, from, to, 0) < 0)
            for (unsigned fd = from; fd <= std::min(to, 65535U); ++fd)
                ::close(static_cast<int>(fd));
    };
    const auto low = static_cast<unsigned>(std::min(first, second));
    const auto high = static_cast<unsigned>(std::max(first, second));
    closeRange(3, low - 1);
    closeRange(low + 1, high - 1);
    closeRange(high + 1, ~0U);
}

/// The programs doctor asks for that are missing inside, separated by blanks.
std::string missingPrograms()
{
    std::string missing;
    for (const char *name :
         {"bash", "python3", "git", "sudo", "ps", "curl", "node", "npm", "pip3", "apt-get"}) {
        bool found = false;
        for (const char *folder : {"/usr/local/bin/", "/usr/bin/", "/bin/", "/usr/sbin/"})
            found = found || ::access((std::string(folder) + name).c_str(), X_OK) == 0;
        if (!found)
            missing += (missing.empty() ? "" : " ") + std::string(name);
    }
    return missing;
}

void moveIn(const Orders &orders)
{
    ::prctl(PR_SET_NAME, "moru-agent");
    enterRoot(orders.hostName, orders.singleUid);
    nameAndConnect(orders.hostName);
    closeExcept(ChannelFd, ListenFd);
    harden(orders.singleUid);
}

/// Does everything up to the point where the engine is told; what is left is to serve.
void work(const Orders &orders)
{
    Report done{Report::Kind::Result, 0, {}, {}};
    switch (orders.task) {
    case Task::Serve:
        moveIn(orders);
        done.kind = Report::Kind::Ready;
        break;
    case Task::Probe:
        moveIn(orders);
        done.text = missingPrograms();
        break;
    case Task::Layers:
        makeLayers(orders.singleUid);
        break;
    case Task::Remove:
        emptyDirectory(AT_FDCWD);
        break;
    case Task::Measure: {
        const auto bytes = diskUsage(AT_FDCWD);
        if (!bytes)
            throw StepError("measure the sandbox's files");
        done.text = std::to_string(*bytes);
        break;
    }
    }
    answer(done);
}

/// False if it failed, and that was reported as far as there is somebody to report to.
bool obey(Orders &orders)
{
    try {
        orders = decodeOrders(receiveFrame(ChannelFd, std::chrono::steady_clock::now() + Patience));
    } catch (const std::exception &) {
        reportFailureSafely(ChannelFd, "understand the orders", EPROTO);
        return false;
    }
    try {
        work(orders);
        return true;
    } catch (const StepError &error) {
        try {
            answer({Report::Kind::Failed, error.code(), error.step(), error.what()});
        } catch (const StepError &) {
            return false; // the engine is gone
        }
        return false;
    }
}

} // namespace

int sandboxMain()
{
    Orders orders;
    int code = 1;
    if (obey(orders)) {
        ::close(ChannelFd);
        code = orders.task == Task::Serve ? serveAgent(ListenFd, orders.agent) : 0;
    }
    // Not exit(): nothing of the engine's static objects matters here.
    ::_exit(code);
}

} // namespace moru::engine
