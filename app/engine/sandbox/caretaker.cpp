// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/caretaker.h"

#include "app/engine/sandbox/spawn.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/tree.h"

#include <array>
#include <csignal>
#include <cstdint>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace moru::engine {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::minutes RemovalPatience{30};

/// Threads of the launcher take no signals: those are for the engine's event loop.
std::thread quietThread(std::function<void()> work)
{
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread(std::move(work));
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

} // namespace

Reaper::Reaper()
    : m_poll(::epoll_create1(EPOLL_CLOEXEC))
    , m_wake(::eventfd(0, EFD_CLOEXEC))
{
    if (!m_poll.valid() || !m_wake.valid())
        throw StepError("watch over sandboxes");
    epoll_event event{EPOLLIN, {}};
    event.data.fd = m_wake.get();
    checked(::epoll_ctl(m_poll.get(), EPOLL_CTL_ADD, m_wake.get(), &event), "watch over sandboxes");
    m_thread = quietThread([this] { run(); });
}

Reaper::~Reaper()
{
    const std::uint64_t one = 1;
    (void)!::write(m_wake.get(), &one, sizeof one);
    m_thread.join();
}

void Reaper::watch(Descriptor pidfd)
{
    const std::lock_guard lock(m_mutex);
    const int fd = pidfd.get();
    m_watched[fd] = std::move(pidfd);
    epoll_event event{EPOLLIN, {}};
    event.data.fd = fd;
    ::epoll_ctl(m_poll.get(), EPOLL_CTL_ADD, fd, &event);
}

void Reaper::run()
{
    std::array<epoll_event, 16> events;
    for (;;) {
        const int count =
            ::epoll_wait(m_poll.get(), events.data(), static_cast<int>(events.size()), -1);
        for (int at = 0; at < count; ++at) {
            const int fd = events.at(static_cast<std::size_t>(at)).data.fd;
            if (fd == m_wake.get())
                return;
            siginfo_t info{};
            ::waitid(P_PIDFD, static_cast<id_t>(fd), &info, WEXITED | WNOHANG);
            const std::lock_guard lock(m_mutex);
            m_watched.erase(fd); // closing it also ends its watch
        }
    }
}

TrashCollector::TrashCollector(fs::path trash, std::function<Identity()> identity)
    : m_trash(std::move(trash))
    , m_identity(std::move(identity))
{
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(m_trash, ignored))
        m_entries.push_back(entry.path());
    m_thread = quietThread([this] { run(); });
}

TrashCollector::~TrashCollector()
{
    {
        const std::lock_guard lock(m_mutex);
        m_stopping = true;
    }
    m_changed.notify_all();
    m_thread.join();
}

fs::path TrashCollector::freshName() const
{
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number)
        throw StepError("read random bytes");
    return m_trash / std::to_string(number);
}

fs::path TrashCollector::makeEntry()
{
    fs::path entry = freshName();
    if (::mkdir(entry.c_str(), 0700) < 0)
        throw StepError("make the directory " + entry.string());
    return entry;
}

void TrashCollector::takeEntry(const fs::path &directory)
{
    fs::path entry = freshName();
    if (::rename(directory.c_str(), entry.c_str()) < 0)
        throw StepError("move " + directory.string() + " to the trash");
    remove(std::move(entry));
}

void TrashCollector::takeFiles(const fs::path &directory)
{
    fs::path entry = makeEntry();
    if (::rename(directory.c_str(), (entry / "fs").c_str()) < 0)
        throw StepError("move " + directory.string() + " to the trash");
    remove(std::move(entry));
}

void TrashCollector::remove(fs::path entry)
{
    {
        const std::lock_guard lock(m_mutex);
        m_entries.push_back(std::move(entry));
    }
    m_changed.notify_all();
}

void TrashCollector::wait()
{
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return (m_entries.empty() && !m_busy) || m_stopping; });
}

void TrashCollector::run()
{
    std::unique_lock lock(m_mutex);
    for (;;) {
        m_changed.wait(lock, [this] { return m_stopping || !m_entries.empty(); });
        if (m_stopping)
            return;
        const fs::path entry = std::move(m_entries.front());
        m_entries.pop_front();
        m_busy = true;
        lock.unlock();
        try {
            removeEntry(entry);
        } catch (const StepError &) {
            // It stays in the trash and is tried again by the next engine.
        }
        lock.lock();
        m_busy = false;
        m_changed.notify_all();
    }
}

void TrashCollector::removeEntry(const fs::path &entry) const
{
    const fs::path files = entry / "fs";
    struct stat info {};
    if (::lstat(files.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        try {
            runTask(m_identity(), Task::Remove, files.string(), RemovalPatience);
        } catch (const StepError &) {
            // Without user namespaces there are no others' files either, or we are root.
        }
    }
    const Descriptor directory(
        ::open(entry.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) {
        if (::unlink(entry.c_str()) < 0)
            throw StepError("remove " + entry.string());
        return;
    }
    emptyDirectory(directory.get());
    if (::rmdir(entry.c_str()) < 0)
        throw StepError("remove " + entry.string());
}

} // namespace moru::engine
