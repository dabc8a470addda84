// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/times.h"

#include <array>
#include <cstdint>
#include <cstdio>

namespace moru::engine {

using namespace std::chrono;

namespace {

/// Exactly `width` decimal digits from the front of `text`.
std::optional<int> takeDigits(std::string_view &text, std::size_t width)
{
    if (text.size() < width)
        return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, width)) {
        if (c < '0' || c > '9')
            return std::nullopt;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(width);
    return value;
}

bool take(std::string_view &text, std::string_view anyOf)
{
    if (text.empty() || anyOf.find(text.front()) == std::string_view::npos)
        return false;
    text.remove_prefix(1);
    return true;
}

std::optional<year_month_day> takeDate(std::string_view &text)
{
    const auto y = takeDigits(text, 4);
    if (!y || !take(text, "-"))
        return std::nullopt;
    const auto m = takeDigits(text, 2);
    if (!m || !take(text, "-"))
        return std::nullopt;
    const auto d = takeDigits(text, 2);
    if (!d)
        return std::nullopt;
    const year_month_day date{year(*y), month(static_cast<unsigned>(*m)),
                              day(static_cast<unsigned>(*d))};
    // Nanoseconds in 64 bits reach from September 1677 to April 2262.
    if (!date.ok() || *y < 1678 || *y > 2261)
        return std::nullopt;
    return date;
}

std::optional<nanoseconds> takeClock(std::string_view &text)
{
    const auto h = takeDigits(text, 2);
    if (!h || *h > 23 || !take(text, ":"))
        return std::nullopt;
    const auto m = takeDigits(text, 2);
    if (!m || *m > 59 || !take(text, ":"))
        return std::nullopt;
    const auto s = takeDigits(text, 2);
    if (!s || *s > 60) // 60: a leap second
        return std::nullopt;
    nanoseconds total = hours(*h) + minutes(*m) + seconds(*s);
    if (take(text, ".")) {
        std::int64_t unit = 100'000'000;
        if (text.empty() || text.front() < '0' || text.front() > '9')
            return std::nullopt;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            total += nanoseconds((text.front() - '0') * unit);
            unit /= 10;
            text.remove_prefix(1);
        }
    }
    return total;
}

std::optional<minutes> takeOffset(std::string_view &text)
{
    if (take(text, "Zz"))
        return minutes(0);
    const bool west = text.starts_with('-');
    if (!take(text, "+-"))
        return std::nullopt;
    const auto h = takeDigits(text, 2);
    if (!h || *h > 23 || !take(text, ":"))
        return std::nullopt;
    const auto m = takeDigits(text, 2);
    if (!m || *m > 59)
        return std::nullopt;
    const minutes offset = hours(*h) + minutes(*m);
    return west ? -offset : offset;
}

} // namespace

Time now()
{
    return time_point_cast<nanoseconds>(system_clock::now());
}

std::string formatTime(Time time)
{
    const auto days = floor<std::chrono::days>(time);
    const year_month_day date(days);
    const hh_mm_ss clock(time - days);
    std::array<char, 64> text{};
    const int length = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    std::string result(text.data(), static_cast<std::size_t>(length));
    if (const auto fraction = clock.subseconds().count(); fraction != 0) {
        std::snprintf(text.data(), text.size(), ".%09d", static_cast<int>(fraction));
        result += text.data();
        while (result.back() == '0')
            result.pop_back();
    }
    return result + 'Z';
}

std::optional<Time> parseTime(std::string_view text)
{
    const auto date = takeDate(text);
    if (!date || !take(text, "Tt "))
        return std::nullopt;
    const auto clock = takeClock(text);
    if (!clock)
        return std::nullopt;
    const auto offset = takeOffset(text);
    if (!offset || !text.empty())
        return std::nullopt;
    return Time(sys_days(*date)) + *clock - *offset;
}

} // namespace moru::engine
