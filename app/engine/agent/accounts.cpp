// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/accounts.h"

#include "app/engine/http/fd.h"
#include "app/engine/http/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include <fcntl.h>

namespace moru::engine {

namespace {

/// Nobody writes larger ones by hand; the file may be anything, it is the sandbox's.
constexpr std::size_t LargestTable = 4 * 1024 * 1024;

std::string readTable(const std::string &path)
{
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::string text;
    std::array<char, 16 * 1024> part{};
    while (fd.isValid() && text.size() < LargestTable) {
        const ssize_t n = ::read(fd.get(), part.data(), part.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text.append(part.data(), static_cast<std::size_t>(n));
    }
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos)
            return parts;
        text.remove_prefix(at + 1);
    }
}

std::optional<std::uint32_t> idOf(std::string_view text)
{
    const auto number = parseNumber(text);
    // All ones means "leave as it is" to the kernel.
    if (!number || *number >= std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

} // namespace

Accounts::Accounts(const std::string &rootPrefix)
{
    const std::string passwd = readTable(rootPrefix + "/etc/passwd");
    for (const std::string_view line : split(passwd, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() < 6 || fields[0].empty())
            continue;
        const auto uid = idOf(fields[2]);
        const auto gid = idOf(fields[3]);
        if (!uid || !gid)
            continue;
        Account account;
        account.name = fields[0];
        account.uid = *uid;
        account.gid = *gid;
        account.home = rootPrefix + std::string(fields[5].empty() ? "/" : fields[5]);
        m_users.emplace(account.uid, account.name);
        m_accounts.push_back(std::move(account));
    }
    const std::string group = readTable(rootPrefix + "/etc/group");
    for (const std::string_view line : split(group, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() < 4)
            continue;
        const auto gid = idOf(fields[2]);
        if (!gid)
            continue;
        m_groups.emplace(*gid, fields[0]);
        for (const std::string_view member : split(fields[3], ','))
            for (Account &account : m_accounts)
                if (account.name == member && account.gid != *gid)
                    account.groups.push_back(*gid);
    }
}

std::optional<Account> Accounts::find(std::string_view name) const
{
    const auto found = std::find_if(m_accounts.begin(), m_accounts.end(),
                                    [&](const Account &account) { return account.name == name; });
    if (found == m_accounts.end())
        return std::nullopt;
    return *found;
}

std::string Accounts::userName(uid_t uid) const
{
    const auto found = m_users.find(uid);
    return found == m_users.end() ? std::to_string(uid) : found->second;
}

std::string Accounts::groupName(gid_t gid) const
{
    const auto found = m_groups.find(gid);
    return found == m_groups.end() ? std::to_string(gid) : found->second;
}

const Account *Accounts::ownerOfHome(std::string_view path) const
{
    for (const Account &account : m_accounts) {
        const std::string &home = account.home;
        if (account.uid < 1000 || account.uid == 65534 || home.size() < 2
            || !path.starts_with(home))
            continue;
        if (path.size() == home.size() || path[home.size()] == '/')
            return &account;
    }
    return nullptr;
}

} // namespace moru::engine
