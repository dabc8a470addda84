// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/statedir.h"

#include "app/engine/http/exchange.h"
#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::engine {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t KeyDigits = 40;

[[noreturn]] void fail(const std::string &step, const fs::path &path)
{
    throw std::system_error(errno, std::generic_category(), step + " " + path.string());
}

bool writeAll(int fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

bool isKey(std::string_view digits)
{
    return digits.size() == KeyDigits
           && digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

} // namespace

void writeFileAtomically(const fs::path &file, std::string_view content, bool durable, mode_t mode)
{
    const fs::path fresh = file.string() + ".new";
    {
        const FileDescriptor out(
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
        if (out.get() < 0)
            fail("create", fresh);
        if (!writeAll(out.get(), content) || (durable && ::fdatasync(out.get()) != 0)) {
            const int code = errno;
            ::unlink(fresh.c_str());
            errno = code;
            fail("write", fresh);
        }
    }
    if (::rename(fresh.c_str(), file.c_str()) != 0)
        fail("rename to", file);
    if (durable) {
        const FileDescriptor folder(
            ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder.get() < 0 || ::fsync(folder.get()) != 0)
            fail("sync", file.parent_path());
    }
}

std::optional<std::string> readFile(const fs::path &file, std::size_t limit)
{
    const FileDescriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (in.get() < 0)
        return std::nullopt;
    std::string text;
    std::string part(16 * 1024, '\0');
    for (;;) {
        const ssize_t n = ::read(in.get(), part.data(), part.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || text.size() + static_cast<std::size_t>(n) > limit)
            return std::nullopt;
        if (n == 0)
            return text;
        text.append(part, 0, static_cast<std::size_t>(n));
    }
}

StateDir::StateDir(fs::path root)
    : m_root(fs::absolute(root).lexically_normal())
{
    if (!m_root.has_filename()) // a trailing slash
        m_root = m_root.parent_path();
}

fs::path StateDir::defaultRoot()
{
    if (const char *data = std::getenv("XDG_DATA_HOME"); data && *data == '/')
        return fs::path(data) / "moru-local";
    const char *home = std::getenv("HOME");
    if (!home || *home != '/') {
        const passwd *entry = ::getpwuid(::geteuid());
        home = entry ? entry->pw_dir : "/";
    }
    return fs::path(home) / ".local/share/moru-local";
}

fs::path StateDir::record(const std::string &id) const
{
    return sandboxes() / id / "sandbox.json";
}

bool StateDir::exists() const
{
    std::error_code ec;
    return fs::is_directory(m_root, ec);
}

bool StateDir::isOurs() const
{
    std::error_code ec;
    if (fs::is_empty(m_root, ec))
        return true;
    // The app opens the log before the engine has made anything.
    for (const char *name : {"lock", "key", "sandboxes", "engine.log"})
        if (fs::exists(fs::symlink_status(m_root / name, ec)))
            return true;
    return false;
}

void StateDir::create() const
{
    std::error_code ec;
    fs::create_directories(m_root.parent_path(), ec);
    if (::mkdir(m_root.c_str(), 0700) != 0 && errno != EEXIST)
        throw std::runtime_error("The state directory " + m_root.string()
                                 + " cannot be made: " + std::generic_category().message(errno)
                                 + ". Choose another one with --state-dir.");
    struct stat info {};
    if (::stat(m_root.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
        throw std::runtime_error("The state directory " + m_root.string() + " is not a directory.");
    // Keys, tokens and set-uid files of sandboxes lie below: nobody else may come here.
    if (info.st_uid != ::geteuid())
        throw std::runtime_error(
            "The state directory " + m_root.string()
            + " belongs to another user. Choose another one with --state-dir.");
    if (!isOurs())
        throw std::runtime_error(
            "The directory " + m_root.string()
            + " holds other things than the state of moru-local. Choose an empty "
              "one with --state-dir.");
    if ((info.st_mode & 0777) != 0700 && ::chmod(m_root.c_str(), 0700) != 0)
        throw std::runtime_error("The state directory " + m_root.string()
                                 + " cannot be made private: "
                                 + std::generic_category().message(errno));
    if (::mkdir(sandboxes().c_str(), 0700) != 0 && errno != EEXIST)
        throw std::runtime_error("The state directory " + m_root.string()
                                 + " cannot be written: " + std::generic_category().message(errno));
}

std::string StateDir::loadOrMakeKey() const
{
    if (const auto text = readFile(keyFile(), 4096)) {
        std::string_view line = *text;
        line = trimmed(line.substr(0, line.find('\n')));
        if (line.starts_with("moru_"))
            line.remove_prefix(5);
        if (isKey(line))
            return std::string(line);
    }
    const std::string key = hex(randomBytes(KeyDigits / 2));
    writeFileAtomically(keyFile(), "moru_" + key + "\n", true);
    return key;
}

StateLock::~StateLock()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

bool StateLock::acquire(const StateDir &dir)
{
    FileDescriptor file(
        ::open(dir.lockFile().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0)
        fail("open", dir.lockFile());
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return false;
        fail("lock", dir.lockFile());
    }
    // The holder's pid is readable for those who want to stop it.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file.get(), 0) != 0 || !writeAll(file.get(), pid))
        fail("write", dir.lockFile());
    m_fd = file.release();
    return true;
}

std::optional<pid_t> StateLock::holder(const StateDir &dir)
{
    const FileDescriptor file(::open(dir.lockFile().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0)
        return std::nullopt;
    if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0)
        return std::nullopt; // released when the descriptor closes
    const auto text = readFile(dir.lockFile(), 64);
    const auto pid = text
                         ? parseNumber(trimmed(std::string_view(*text).substr(0, text->find('\n'))))
                         : std::nullopt;
    return pid ? static_cast<pid_t>(*pid) : 0;
}

} // namespace moru::engine
