// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/contenttype.h"

#include "app/engine/http/text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace moru::engine {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<Pair, 33> Extensions{{
    {".avif", "image/avif"},
    {".bz2", "application/x-bzip2"},
    {".css", "text/css; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".gif", "image/gif"},
    {".gz", "application/gzip"},
    {".htm", "text/html; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".ico", "image/x-icon"},
    {".jpeg", "image/jpeg"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".md", "text/markdown; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".mp3", "audio/mpeg"},
    {".mp4", "video/mp4"},
    {".ogg", "audio/ogg"},
    {".pdf", "application/pdf"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".tar", "application/x-tar"},
    {".txt", "text/plain; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".wav", "audio/wav"},
    {".webm", "video/webm"},
    {".webp", "image/webp"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".xml", "text/xml; charset=utf-8"},
    {".xz", "application/x-xz"},
    {".zip", "application/zip"},
    {".zst", "application/zstd"},
}};

constexpr std::array<Pair, 9> Signatures{{
    {"\x89PNG\r\n\x1a\n", "image/png"},
    {"\xff\xd8\xff", "image/jpeg"},
    {"GIF87a", "image/gif"},
    {"GIF89a", "image/gif"},
    {"%PDF-", "application/pdf"},
    {"PK\x03\x04", "application/zip"},
    {"\x1f\x8b\x08", "application/x-gzip"},
    {"OggS", "application/ogg"},
    {"<?xml", "text/xml; charset=utf-8"},
}};

/// Control characters that no text has (WHATWG MIME sniffing, "binary data byte").
bool isBinary(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x08 || byte == 0x0B || (byte >= 0x0E && byte <= 0x1A)
           || (byte >= 0x1C && byte <= 0x1F);
}

} // namespace

std::string contentTypeOf(std::string_view path, std::string_view head)
{
    const auto slash = path.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (const auto dot = name.rfind('.'); dot != std::string_view::npos) {
        const std::string extension = toLower(name.substr(dot));
        for (const auto &[known, type] : Extensions)
            if (known == extension)
                return std::string(type);
    }
    for (const auto &[start, type] : Signatures)
        if (head.starts_with(start))
            return std::string(type);
    const std::string_view look = head.substr(0, 512);
    if (std::any_of(look.begin(), look.end(), isBinary))
        return "application/octet-stream";
    return "text/plain; charset=utf-8";
}

} // namespace moru::engine
