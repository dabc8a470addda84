// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/identity.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/spawn.h"
#include "app/engine/sandbox/steperror.h"
#include "app/engine/sandbox/textfile.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace moru::engine {

namespace {

constexpr std::uint32_t FullCount = 65536;
// `user` is 1000; with fewer ids than this the range is of no use.
constexpr std::uint32_t UsefulCount = 2000;
// Above the ids of systemd's containers, below those that overflow a signed number.
constexpr std::uint32_t ShiftedFirst = 0x70000000;
constexpr std::uint32_t ShiftedSlots = 0x0fff;

bool overlaps(const IdRange &a, const IdRange &b)
{
    return a.first < std::uint64_t{b.first} + b.count && b.first < std::uint64_t{a.first} + a.count;
}

/// Cuts at the first separator; the text keeps the rest.
std::string_view cut(std::string_view &text, char separator)
{
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return piece;
}

std::optional<std::uint32_t> number(std::string_view text)
{
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

template <typename Wanted> std::vector<IdRange> rangesOf(std::string_view text, Wanted wanted)
{
    std::vector<IdRange> ranges;
    while (!text.empty()) {
        std::string_view line = cut(text, '\n');
        const std::string_view owner = cut(line, ':');
        const auto first = number(cut(line, ':'));
        const auto count = number(line);
        if (first && count && *count > 0 && wanted(owner))
            ranges.push_back({*first, *count});
    }
    return ranges;
}

/// The ids this process itself may hand out: all, unless it is in a user namespace.
std::vector<IdRange> ownIds(const char *mapFile)
{
    std::vector<IdRange> ranges;
    const std::string text = readTextFile(mapFile).value_or("0 0 4294967295");
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view line = cut(rest, '\n');
        std::array<std::uint32_t, 3> fields{};
        std::size_t filled = 0;
        while (!line.empty() && filled < fields.size()) {
            const std::string_view word = cut(line, ' ');
            if (!word.empty())
                fields.at(filled++) = number(word).value_or(0);
        }
        if (filled == fields.size() && fields[2] > 0)
            ranges.push_back({fields[0], fields[2]});
    }
    return ranges;
}

std::string nameOf(uid_t uid)
{
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd *found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found)
        return entry.pw_name;
    return std::to_string(uid);
}

IdRange largest(const std::vector<IdRange> &ranges)
{
    const auto most = std::max_element(ranges.begin(), ranges.end(),
                                       [](auto a, auto b) { return a.count < b.count; });
    if (most == ranges.end())
        return {};
    return {most->first, std::min(most->count, FullCount - 1)};
}

/// newuidmap's own words are worth showing; they come on stderr.
void runMapProgram(const char *program, pid_t pid, id_t own, const IdRange &range)
{
    const std::string step = std::string("run ") + program;
    std::array<std::string, 8> words{program,
                                     std::to_string(pid),
                                     "0",
                                     std::to_string(own),
                                     "1",
                                     "1",
                                     std::to_string(range.first),
                                     std::to_string(range.count)};
    std::array<char *, 9> argv{};
    std::transform(words.begin(), words.end(), argv.begin(),
                   [](auto &word) { return word.data(); });
    std::array<char, 128> path{"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"};
    std::array<char *, 2> environment{path.data(), nullptr};

    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0)
        throw StepError(step);
    Descriptor readEnd(ends[0]);
    Descriptor writeEnd(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), 2);
    pid_t child = -1;
    int failed = ENOENT;
    for (const char *folder : {"/usr/bin/", "/bin/", "/usr/local/bin/", "/run/wrappers/bin/"}) {
        failed = ::posix_spawn(&child, (std::string(folder) + program).c_str(), &actions, nullptr,
                               argv.data(), environment.data());
        if (failed == 0)
            break;
    }
    ::posix_spawn_file_actions_destroy(&actions);
    writeEnd.reset();
    if (failed != 0)
        throw StepError(step, failed);

    std::string said;
    std::array<char, 512> part;
    for (;;) {
        const ssize_t count =
            uninterrupted([&] { return ::read(readEnd.get(), part.data(), part.size()); });
        if (count <= 0)
            break;
        if (said.size() < part.size())
            said.append(part.data(), static_cast<std::size_t>(count));
    }
    int status = 0;
    uninterrupted([&] { return ::waitpid(child, &status, 0); });
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        std::replace(said.begin(), said.end(), '\n', ' ');
        throw StepError(step, EPERM, std::string(program) + " refused to map ids: " + said);
    }
}

void writeMap(pid_t pid, const char *file, const std::string &map)
{
    if (!writeControlFile("/proc/" + std::to_string(pid) + "/" + file, map))
        throw StepError(std::string("write ") + file);
}

/// Makes a user namespace with these ids and ends it again.
void tryIdentity(const Identity &identity)
{
    SpawnRequest request;
    request.namespaces = CLONE_NEWUSER;
    request.onlyMap = true;
    Spawned process = spawnInNamespaces(identity, request);
    endProcess(process);
}

Identity findShifted(const std::filesystem::path &stateDir)
{
    const std::filesystem::path file = stateDir / "ids";
    Identity identity{Identity::Kind::Shifted, {}, {}};
    if (const auto kept = readTextFile(file.string())) {
        std::string_view line = *kept;
        const auto first = number(cut(line, ' '));
        const auto count = number(cut(line, '\n'));
        if (first && count && *first > 0 && *count >= UsefulCount) {
            identity.uids = identity.gids = {*first, *count};
            return identity;
        }
    }
    std::vector<IdRange> taken;
    for (const char *list : {"/etc/subuid", "/etc/subgid"}) {
        const auto more = allRanges(readTextFile(list).value_or(std::string()));
        taken.insert(taken.end(), more.begin(), more.end());
    }
    const auto wish = static_cast<std::uint32_t>(std::hash<std::string>()(stateDir.string()));
    // The same numbers for groups keep `chown 1000:1000` and a reader's head simple.
    std::vector<IdRange> available = ownIds("/proc/self/uid_map");
    const auto range = chooseShiftedRange(available, taken, wish);
    if (!range)
        throw StepError("choose ids for sandboxes", ERANGE);
    identity.uids = identity.gids = *range;
    tryIdentity(identity);

    const std::string text =
        std::to_string(range->first) + ' ' + std::to_string(range->count) + '\n';
    const Descriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!out.valid()
        || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw StepError("write " + file.string());
    return identity;
}

std::optional<Identity> findSubordinate(std::vector<std::string> &hints)
{
    const uid_t uid = ::geteuid();
    const std::string name = nameOf(uid);
    const std::string subuid = readTextFile("/etc/subuid").value_or(std::string());
    const std::string subgid = readTextFile("/etc/subgid").value_or(std::string());
    const Identity identity{Identity::Kind::Subordinate,
                            largest(subordinateRanges(subuid, name, uid)),
                            largest(subordinateRanges(subgid, name, uid))};
    if (identity.uids.count < UsefulCount || identity.gids.count < UsefulCount) {
        hints.push_back("The user " + name
                        + " has no range of subordinate ids in /etc/subuid and /etc/subgid, so "
                          "inside a sandbox root and user are the same account. To have both: "
                          "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
                        + name);
        return std::nullopt;
    }
    try {
        tryIdentity(identity);
        return identity;
    } catch (const StepError &error) {
        const bool missing = error.code() == ENOENT;
        hints.push_back(
            missing ? std::string("newuidmap and newgidmap are missing, so inside a sandbox "
                                  "root and user are the same account. Install the package "
                                  "uidmap (on Fedora shadow-utils-subid).")
                    : std::string(error.what())
                          + " Inside a sandbox root and user are the same account until "
                            "this is mended.");
        return std::nullopt;
    }
}

} // namespace

std::string Identity::description() const
{
    switch (kind) {
    case Kind::Shifted:
        return "root, shifted ids";
    case Kind::Subordinate:
        return "user, subordinate ids";
    case Kind::Single:
        return "user, single id";
    }
    return {};
}

std::string Identity::key() const
{
    std::string text;
    for (const std::uint32_t value :
         {static_cast<std::uint32_t>(kind), uids.first, uids.count, gids.first, gids.count})
        text += std::to_string(value) + ' ';
    return text;
}

std::vector<IdRange> subordinateRanges(std::string_view text, std::string_view user, uid_t uid)
{
    const std::string byNumber = std::to_string(uid);
    return rangesOf(text,
                    [&](std::string_view owner) { return owner == user || owner == byNumber; });
}

std::vector<IdRange> allRanges(std::string_view text)
{
    return rangesOf(text, [](std::string_view) { return true; });
}

std::optional<IdRange> chooseShiftedRange(const std::vector<IdRange> &available,
                                          const std::vector<IdRange> &taken, std::uint32_t wish)
{
    const auto within = [&](const IdRange &range) {
        return std::any_of(available.begin(), available.end(), [&](const IdRange &all) {
            return range.first >= all.first
                   && std::uint64_t{range.first} + range.count
                          <= std::uint64_t{all.first} + all.count;
        });
    };
    const auto isFree = [&](const IdRange &range) {
        return std::none_of(taken.begin(), taken.end(),
                            [&](const IdRange &other) { return overlaps(range, other); });
    };
    for (std::uint32_t attempt = 0; attempt < ShiftedSlots; ++attempt) {
        const std::uint32_t slot = (wish % ShiftedSlots + attempt) % ShiftedSlots;
        const IdRange range{ShiftedFirst + slot * FullCount, FullCount};
        if (within(range) && isFree(range))
            return range;
    }
    // Root of a container has few ids: the upper half of the largest piece, where accounts are
    // rare.
    IdRange piece;
    for (const IdRange &range : available)
        if (range.count > piece.count)
            piece = range;
    const std::uint32_t count = std::min(FullCount, piece.count / 2);
    if (count < UsefulCount)
        return std::nullopt;
    return IdRange{piece.first + (piece.count - count), count};
}

Identity findIdentity(const std::filesystem::path &stateDir, std::vector<std::string> &hints)
{
    // A root engine never falls back to Single: its sandboxes would be root of the host.
    if (::geteuid() == 0)
        return findShifted(stateDir);
    if (const auto subordinate = findSubordinate(hints))
        return *subordinate;
    const Identity single{Identity::Kind::Single, {}, {}};
    tryIdentity(single);
    return single;
}

void writeIdMaps(pid_t pid, const Identity &identity)
{
    switch (identity.kind) {
    case Identity::Kind::Shifted:
        writeMap(pid, "uid_map",
                 "0 " + std::to_string(identity.uids.first) + ' '
                     + std::to_string(identity.uids.count));
        writeMap(pid, "gid_map",
                 "0 " + std::to_string(identity.gids.first) + ' '
                     + std::to_string(identity.gids.count));
        return;
    case Identity::Kind::Subordinate:
        runMapProgram("newuidmap", pid, ::geteuid(), identity.uids);
        runMapProgram("newgidmap", pid, ::getegid(), identity.gids);
        return;
    case Identity::Kind::Single:
        writeMap(pid, "setgroups", "deny");
        writeMap(pid, "uid_map", "0 " + std::to_string(::geteuid()) + " 1");
        writeMap(pid, "gid_map", "0 " + std::to_string(::getegid()) + " 1");
        return;
    }
}

} // namespace moru::engine
