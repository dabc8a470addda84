// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/log.h"

#include "app/engine/server/times.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::engine {

namespace {

constexpr std::size_t FileLimit = 8 * 1024 * 1024;

} // namespace

Log::~Log()
{
    if (m_fd > 2)
        ::close(m_fd);
}

void Log::openFile(std::filesystem::path file)
{
    const std::scoped_lock lock(m_mutex);
    m_file = std::move(file);
    openLocked();
}

void Log::openLocked()
{
    const int fd = ::open(m_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "open " + m_file.string());
    struct stat info {};
    m_size = ::fstat(fd, &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
    if (m_fd > 2)
        ::close(m_fd);
    m_fd = fd;
}

void Log::info(std::string_view text, std::string_view sandboxId)
{
    write("info", text, sandboxId);
}

void Log::warning(std::string_view text, std::string_view sandboxId)
{
    write("warning", text, sandboxId);
}

void Log::error(std::string_view text, std::string_view sandboxId)
{
    write("error", text, sandboxId);
}

void Log::write(const char *level, std::string_view text, std::string_view sandboxId)
{
    std::string line = formatTime(std::chrono::floor<std::chrono::milliseconds>(now()));
    line += ' ';
    line += level;
    line += ' ';
    if (!sandboxId.empty()) {
        line += sandboxId;
        line += ": ";
    }
    // One line per entry, whatever an error text brings along.
    for (const char c : text)
        line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    line += '\n';

    const std::scoped_lock lock(m_mutex);
    if (m_fd > 2 && m_size + line.size() > FileLimit) {
        std::error_code ignored;
        std::filesystem::rename(m_file, m_file.string() + ".1", ignored);
        try {
            openLocked();
        } catch (const std::system_error &) {
            m_size = 0; // the old file goes on: a longer log is better than none
        }
    }
    // A log that cannot be written must not stop the engine.
    if (::write(m_fd, line.data(), line.size()) > 0)
        m_size += line.size();
}

} // namespace moru::engine
