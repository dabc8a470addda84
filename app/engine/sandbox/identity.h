// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace moru::engine {

/// Consecutive ids of the host.
struct IdRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;

    friend bool operator==(const IdRange &, const IdRange &) = default;
};

/// Who the inhabitants of a sandbox are on the host.
struct Identity {
    enum class Kind {
        Shifted,     ///< root engine: ids 0.. inside are a range of otherwise unused ids
        Subordinate, ///< normal user: 0 inside is that user, 1.. are the subordinate ids
        Single       ///< normal user without such ids: only 0 exists inside
    };
    Kind kind = Kind::Single;
    IdRange uids; ///< Shifted: of 0..; Subordinate: of 1..; Single: unused
    IdRange gids;

    /// "root, shifted ids" and the like, for doctor.
    [[nodiscard]] std::string description() const;
    /// Names everything that decides who owns the files of a sandbox.
    [[nodiscard]] std::string key() const;

    friend bool operator==(const Identity &, const Identity &) = default;
};

/// Ranges given to a user by lines "name-or-uid:first:count" of /etc/subuid or /etc/subgid.
std::vector<IdRange> subordinateRanges(std::string_view text, std::string_view user, uid_t uid);
/// All ranges of such a file.
std::vector<IdRange> allRanges(std::string_view text);
/// 65536 ids high above those of users, system containers and /etc/subuid; `wish` picks among the
/// many possibilities. `available` is what /proc/self/uid_map offers. nullopt if nothing fits.
std::optional<IdRange> chooseShiftedRange(const std::vector<IdRange> &available,
                                          const std::vector<IdRange> &taken, std::uint32_t wish);

/// The best identity this process can give to sandboxes, found by trying it. Root's choice of a
/// range is kept in `stateDir`, because files there belong to it. Reasons for falling back to a
/// weaker kind are appended to `hints`. Throws StepError if not even Single works.
Identity findIdentity(const std::filesystem::path &stateDir, std::vector<std::string> &hints);

/// Gives the process its ids: it must be in a user namespace of its own that has none yet. Throws
/// StepError.
void writeIdMaps(pid_t pid, const Identity &identity);

} // namespace moru::engine
