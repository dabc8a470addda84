// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/http/exchange.h"

#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include <cerrno>
#include <system_error>

#include <sys/random.h>

namespace moru::engine {

namespace {

const std::uint8_t *bytesOf(std::string_view text)
{
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

int hexDigit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace

std::optional<std::string> percentDecode(std::string_view text, bool form)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '+' && form) {
            out += ' ';
        } else if (c == '%') {
            if (i + 2 >= text.size())
                return std::nullopt;
            const int high = hexDigit(text[i + 1]);
            const int low = hexDigit(text[i + 2]);
            if (high < 0 || low < 0)
                return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += c;
        }
    }
    return out;
}

std::string sha256(std::string_view bytes)
{
    sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes.size(), bytesOf(bytes));
    std::string digest(SHA256_DIGEST_SIZE, '\0');
    sha256_digest(&context, digest.size(), reinterpret_cast<std::uint8_t *>(digest.data()));
    return digest;
}

std::string base64(std::string_view bytes)
{
    std::string out(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
    base64_encode_raw(out.data(), bytes.size(), bytesOf(bytes));
    return out;
}

std::optional<std::string> fromBase64(std::string_view text)
{
    while (!text.empty() && text.back() == '=')
        text.remove_suffix(1);
    if (text.size() % 4 == 1)
        return std::nullopt;
    std::string padded(text);
    padded.append((4 - padded.size() % 4) % 4, '=');
    std::string out(BASE64_DECODE_LENGTH(padded.size()), '\0');
    base64_decode_ctx context;
    base64_decode_init(&context);
    std::size_t size = out.size();
    if (base64_decode_update(&context, &size, reinterpret_cast<std::uint8_t *>(out.data()),
                             padded.size(), padded.data())
            != 1
        || base64_decode_final(&context) != 1)
        return std::nullopt;
    out.resize(size);
    return out;
}

std::string hex(std::string_view bytes)
{
    std::string out(BASE16_ENCODE_LENGTH(bytes.size()), '\0');
    base16_encode_update(out.data(), bytes.size(), bytesOf(bytes));
    return out;
}

std::string randomBytes(std::size_t count)
{
    std::string out(count, '\0');
    for (std::size_t done = 0; done < count;) {
        const ssize_t n = getrandom(out.data() + done, count - done, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
        done += static_cast<std::size_t>(n);
    }
    return out;
}

bool equalSecrets(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && memeql_sec(a.data(), b.data(), a.size()) != 0;
}

std::string fileSignature(std::string_view path, std::string_view operation, std::string_view user,
                          std::string_view token, std::optional<std::int64_t> expiry)
{
    std::string text;
    for (const std::string_view part : {path, operation, user}) {
        text += part;
        text += ':';
    }
    text += token;
    if (expiry)
        text += ':' + std::to_string(*expiry);
    std::string signature = "v1_" + base64(sha256(text));
    while (signature.back() == '=')
        signature.pop_back();
    return signature;
}

} // namespace moru::engine
