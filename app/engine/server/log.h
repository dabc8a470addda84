// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

namespace moru::engine {

/// Lines of "time level [sandbox] text" on stderr or in a file that is kept below a size. May be
/// used from any thread. Callers never pass keys, tokens, query strings, environment or metadata.
class Log {
public:
    Log() = default; ///< stderr
    ~Log();
    Log(const Log &) = delete;
    Log &operator=(const Log &) = delete;

    /// Writes to this file from now on (0600, appended; "file.1" keeps the previous part). Throws
    /// std::system_error if it cannot be opened.
    void openFile(std::filesystem::path file);

    void info(std::string_view text, std::string_view sandboxId = {});
    void warning(std::string_view text, std::string_view sandboxId = {});
    void error(std::string_view text, std::string_view sandboxId = {});

private:
    void write(const char *level, std::string_view text, std::string_view sandboxId);
    void openLocked();

    std::mutex m_mutex;
    std::filesystem::path m_file;
    int m_fd = 2;
    std::size_t m_size = 0;
};

} // namespace moru::engine
