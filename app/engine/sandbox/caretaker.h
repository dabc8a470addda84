// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/identity.h"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <sys/types.h>

namespace moru::engine {

/// Reaps sandboxes' first processes when they end, so that none stays behind as a zombie.
class Reaper {
public:
    Reaper();
    ~Reaper(); ///< processes that still run keep running
    Reaper(const Reaper &) = delete;
    Reaper &operator=(const Reaper &) = delete;

    void watch(Descriptor pidfd); ///< of a child of this process

private:
    void run();

    std::mutex m_mutex;
    std::map<int, Descriptor> m_watched;
    Descriptor m_poll;
    Descriptor m_wake;
    std::thread m_thread;
};

/// Deletes what was moved to a trash directory, one entry after the other on a thread of its own.
/// An entry is a directory whose subdirectory "fs" belongs to the inhabitants of a sandbox; that
/// part is removed as root of their user namespace, because their files cannot be removed, and
/// should not be touched, by the engine's user.
class TrashCollector {
public:
    /// What is still there from before is deleted first. `identity` is asked for when it is needed.
    TrashCollector(std::filesystem::path trash, std::function<Identity()> identity);
    ~TrashCollector(); ///< finishes the entry it is at; the rest waits for the next engine
    TrashCollector(const TrashCollector &) = delete;
    TrashCollector &operator=(const TrashCollector &) = delete;

    /// Makes an empty entry and returns its path. Throws StepError.
    std::filesystem::path makeEntry();
    /// Moves a directory here as a whole entry, or as the "fs" of a new one. Throws StepError.
    void takeEntry(const std::filesystem::path &directory);
    void takeFiles(const std::filesystem::path &directory);
    /// Has an entry deleted.
    void remove(std::filesystem::path entry);
    void wait();

private:
    void run();
    void removeEntry(const std::filesystem::path &entry) const;
    [[nodiscard]] std::filesystem::path freshName() const;

    std::filesystem::path m_trash;
    std::function<Identity()> m_identity;
    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<std::filesystem::path> m_entries;
    bool m_busy = false;
    bool m_stopping = false;
    std::thread m_thread;
};

} // namespace moru::engine
