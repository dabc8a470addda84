// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace moru::engine {

struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home;
    std::vector<gid_t> groups; ///< supplementary, without `gid`
};

/// A snapshot of /etc/passwd and /etc/group below a root folder. Read by hand: the C library's
/// lookups load name service modules, which do not fit an alien root file system.
class Accounts {
public:
    explicit Accounts(const std::string &rootPrefix = {});

    [[nodiscard]] std::optional<Account> find(std::string_view name) const;
    /// Decimal number when nobody has this id.
    [[nodiscard]] std::string userName(uid_t uid) const;
    [[nodiscard]] std::string groupName(gid_t gid) const;
    /// The ordinary account (uid >= 1000) whose home is the folder `path` or above it.
    [[nodiscard]] const Account *ownerOfHome(std::string_view path) const;

private:
    std::vector<Account> m_accounts;
    std::map<uid_t, std::string> m_users;
    std::map<gid_t, std::string> m_groups;
};

} // namespace moru::engine
