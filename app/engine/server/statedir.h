// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace moru::engine {

/// Replaces `file` by a new one with this content (temporary file, rename). `durable` waits until
/// it would survive a power cut. Throws std::system_error; the old file is then still whole.
void writeFileAtomically(const std::filesystem::path &file, std::string_view content, bool durable,
                         mode_t mode = 0600);
/// nullopt if it cannot be read or is larger than `limit`.
std::optional<std::string> readFile(const std::filesystem::path &file, std::size_t limit);

/// The layout of an engine's state directory.
class StateDir {
public:
    explicit StateDir(std::filesystem::path root); ///< made absolute

    /// Bytes of a sandbox's record that are read; a create body has at most 16 MiB.
    static constexpr std::size_t RecordLimit = 64 * 1024 * 1024;

    /// ${XDG_DATA_HOME:-$HOME/.local/share}/moru-local
    static std::filesystem::path defaultRoot();

    [[nodiscard]] const std::filesystem::path &root() const { return m_root; }
    [[nodiscard]] std::filesystem::path keyFile() const { return m_root / "key"; }
    [[nodiscard]] std::filesystem::path lockFile() const { return m_root / "lock"; }
    [[nodiscard]] std::filesystem::path engineFile() const { return m_root / "engine.json"; }
    [[nodiscard]] std::filesystem::path runsFile() const { return m_root / "runs.jsonl"; }
    [[nodiscard]] std::filesystem::path sandboxes() const { return m_root / "sandboxes"; }
    /// Where an engine from an AppImage keeps its copy.
    [[nodiscard]] std::filesystem::path program() const { return m_root / "program/moru-local"; }
    [[nodiscard]] std::filesystem::path record(const std::string &id) const;
    [[nodiscard]] bool exists() const;
    /// False for a directory full of other things, which must be neither changed nor deleted.
    [[nodiscard]] bool isOurs() const;

    /// Makes the directory, private to its owner. Throws std::runtime_error with a sentence.
    void create() const;
    /// The 40 hexadecimal digits of the API key; made at the first call.
    [[nodiscard]] std::string loadOrMakeKey() const;

private:
    std::filesystem::path m_root;
};

/// The lock that makes an engine the only one on its state directory. Held until destroyed or the
/// process ends.
class StateLock {
public:
    StateLock() = default;
    ~StateLock();
    StateLock(const StateLock &) = delete;
    StateLock &operator=(const StateLock &) = delete;

    /// False if another process holds it. Throws std::system_error where locking does not work.
    bool acquire(const StateDir &dir);
    /// The process that holds the lock; nullopt if nobody does.
    static std::optional<pid_t> holder(const StateDir &dir);

private:
    int m_fd = -1;
};

} // namespace moru::engine
