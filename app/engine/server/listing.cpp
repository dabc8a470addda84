// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/listing.h"

#include "app/engine/server/apierror.h"

#include <algorithm>
#include <charconv>

namespace moru::engine {

namespace {

constexpr std::int64_t LargestPage = 100;

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

std::string unescape(std::string_view text)
{
    auto plain = percentDecode(text, true);
    if (!plain)
        throw ApiError(400, "the metadata filter has a bad percent-encoding");
    return *std::move(plain);
}

} // namespace

std::string encodeCursor(const Cursor &cursor)
{
    std::string text = base64(formatTime(cursor.time) + "__" + cursor.id);
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    text.erase(std::find(text.begin(), text.end(), '='), text.end());
    return text;
}

std::optional<Cursor> decodeCursor(std::string_view text)
{
    std::string standard(text);
    std::replace(standard.begin(), standard.end(), '-', '+');
    std::replace(standard.begin(), standard.end(), '_', '/');
    const auto plain = fromBase64(standard);
    if (!plain)
        return std::nullopt;
    const auto middle = plain->find("__");
    if (middle == std::string::npos)
        return std::nullopt;
    const auto time = parseTime(std::string_view(*plain).substr(0, middle));
    std::string id = plain->substr(middle + 2);
    if (!time || id.empty())
        return std::nullopt;
    return Cursor{*time, std::move(id)};
}

std::vector<std::string> listParameter(const RequestHead &request, std::string_view name)
{
    std::vector<std::string> words;
    for (const std::string &value : request.queryAll(name))
        for (const std::string_view word : split(value, ','))
            if (!word.empty())
                words.emplace_back(word);
    return words;
}

std::optional<std::int64_t> numberParameter(const RequestHead &request, std::string_view name)
{
    const auto text = request.query(name);
    if (!text || text->empty())
        return std::nullopt;
    std::int64_t number = 0;
    const char *end = text->data() + text->size();
    const auto [stop, ec] = std::from_chars(text->data(), end, number);
    if (ec != std::errc() || stop != end)
        throw validationError("parameter \"" + std::string(name) + "\" must be an integer");
    return number;
}

std::map<std::string, std::string> parseMetadataFilter(std::string_view text)
{
    std::map<std::string, std::string> filter;
    if (text.empty())
        return filter;
    const std::string pairs = unescape(text);
    for (const std::string_view pair : split(pairs, '&')) {
        const auto parts = split(pair, '=');
        if (parts.size() != 2)
            throw ApiError(400,
                           "the metadata filter must consist of key=value pairs joined by '&'");
        filter[unescape(parts[0])] = unescape(parts[1]);
    }
    return filter;
}

bool matches(const std::map<std::string, std::string> &filter,
             const std::map<std::string, std::string> &metadata)
{
    return std::all_of(filter.begin(), filter.end(), [&](const auto &pair) {
        const auto found = metadata.find(pair.first);
        return found != metadata.end() && found->second == pair.second;
    });
}

ListQuery parseListQuery(const RequestHead &request, std::string_view stateName,
                         const std::vector<std::string> &states)
{
    ListQuery query;
    query.states = listParameter(request, stateName);
    for (const std::string &state : query.states)
        if (std::find(states.begin(), states.end(), state) == states.end())
            throw validationError("parameter \"" + std::string(stateName)
                                  + "\" has a value that is not one of its states");
    if (const auto limit = numberParameter(request, "limit")) {
        if (*limit < 1)
            throw validationError("parameter \"limit\" must be at least 1");
        query.limit = static_cast<std::size_t>(std::min(*limit, LargestPage));
    }
    if (const auto filter = request.query("metadata"))
        query.metadata = parseMetadataFilter(*filter);
    return query;
}

} // namespace moru::engine
