// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/launcher.h"

namespace moru::engine {

/// What the fleet needs of the machinery that makes sandboxes. Calls block and come from pool
/// threads; calls for one sandbox follow one another. Exists so that tests can make steps fail.
class Backend {
public:
    virtual ~Backend() = default;
    virtual std::optional<LaunchError> start(const std::string &id, const AgentConfig &config,
                                             Launched &out) = 0;
    virtual bool isAlive(const Launched &launched) = 0;
    /// A descriptor that becomes readable when PID 1 has ended, -1 if it is gone.
    virtual int openPidfd(const Launched &launched) = 0;
    virtual std::optional<LaunchError> freeze(const std::string &id, const Launched &launched) = 0;
    virtual std::optional<LaunchError> thaw(const std::string &id, const Launched &launched) = 0;
    virtual std::optional<LaunchError> kill(const std::string &id, const Launched &launched) = 0;
    virtual std::optional<LaunchError> removeFiles(const std::string &id) = 0;
    virtual void waitForRemovals() = 0;
    virtual std::optional<Usage> usage(const std::string &id, const Launched &launched,
                                       bool withDisk) = 0;
};

/// The real thing.
class LauncherBackend final : public Backend {
public:
    explicit LauncherBackend(Launcher &launcher)
        : m_launcher(launcher)
    {}
    std::optional<LaunchError> start(const std::string &id, const AgentConfig &config,
                                     Launched &out) override
    {
        return m_launcher.start(id, config, out);
    }
    bool isAlive(const Launched &launched) override { return Launcher::isAlive(launched); }
    int openPidfd(const Launched &launched) override { return Launcher::openPidfd(launched); }
    std::optional<LaunchError> freeze(const std::string &id, const Launched &launched) override
    {
        return m_launcher.freeze(id, launched);
    }
    std::optional<LaunchError> thaw(const std::string &id, const Launched &launched) override
    {
        return m_launcher.thaw(id, launched);
    }
    std::optional<LaunchError> kill(const std::string &id, const Launched &launched) override
    {
        return m_launcher.kill(id, launched);
    }
    std::optional<LaunchError> removeFiles(const std::string &id) override
    {
        return m_launcher.removeFiles(id);
    }
    void waitForRemovals() override { m_launcher.waitForRemovals(); }
    std::optional<Usage> usage(const std::string &id, const Launched &launched,
                               bool withDisk) override
    {
        return m_launcher.usage(id, launched, withDisk);
    }

private:
    Launcher &m_launcher;
};

} // namespace moru::engine
