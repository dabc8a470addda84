// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/http/exchange.h"
#include "app/engine/server/times.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moru::engine {

/// The place in a list after which the next page starts: items are ordered by time, newest first,
/// equal times by id, ascending.
struct Cursor {
    Time time;
    std::string id;

    /// True if an item comes after this place.
    [[nodiscard]] bool isBefore(Time itemTime, const std::string &itemId) const
    {
        return itemTime != time ? itemTime < time : itemId > id;
    }
};

std::string encodeCursor(const Cursor &cursor);
std::optional<Cursor> decodeCursor(std::string_view text);

/// The query parameters that lists have in common. The functions throw ApiError 400.
struct ListQuery {
    std::map<std::string, std::string> metadata; ///< all pairs must match
    std::vector<std::string> states;             ///< empty = every one
    std::size_t limit = 100;                     ///< 1 to 100
};

/// `states` are the words that the parameter `stateName` may hold, comma-separated or repeated.
ListQuery parseListQuery(const RequestHead &request, std::string_view stateName,
                         const std::vector<std::string> &states);
/// Undoes the two inner encodings of the metadata filter; the URL's own is off already.
std::map<std::string, std::string> parseMetadataFilter(std::string_view text);
bool matches(const std::map<std::string, std::string> &filter,
             const std::map<std::string, std::string> &metadata);
/// All values of a parameter that comes comma-separated or repeated.
std::vector<std::string> listParameter(const RequestHead &request, std::string_view name);
/// A whole number; nullopt if the parameter is absent or empty.
std::optional<std::int64_t> numberParameter(const RequestHead &request, std::string_view name);

} // namespace moru::engine
