// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace moru::engine {

/// ASCII comparison without case (header names, media types).
[[nodiscard]] bool equalsNoCase(std::string_view a, std::string_view b);
[[nodiscard]] std::string toLower(std::string_view text); ///< ASCII only
[[nodiscard]] std::string_view
trimmed(std::string_view text); ///< without blanks and tabs at both ends
/// Appends "name: value\r\n"; line breaks and NUL in the value become blanks.
void appendHeader(std::string &head, std::string_view name, std::string_view value);
/// RFC 9110 5.6.7, always GMT. Independent of the locale.
[[nodiscard]] std::string httpDate(std::time_t time);
/// The preferred form of an HTTP date only; nullopt for anything else.
[[nodiscard]] std::optional<std::time_t> parseHttpDate(std::string_view text);
/// A quoted JSON string; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string jsonString(std::string_view text);
/// Valid UTF-8 is returned as it is, every other byte becomes U+FFFD.
[[nodiscard]] std::string toUtf8(std::string_view bytes);
[[nodiscard]] bool isUtf8(std::string_view bytes);
/// What the system says of an errno value, in English.
[[nodiscard]] std::string errorText(int code);
/// A whole decimal number without sign; nullopt for anything else or overflow.
[[nodiscard]] std::optional<std::uint64_t> parseNumber(std::string_view text);

} // namespace moru::engine
