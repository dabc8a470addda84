// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/access.h"

#include "app/engine/http/text.h"

#include <boost/asio/ip/address.hpp>

namespace moru::engine {

namespace {

/// The name or address of "name", "name:port", "[address]" or "[address]:port"; empty if malformed.
std::string_view hostName(std::string_view host)
{
    host = trimmed(host);
    std::string_view port;
    if (host.starts_with('[')) {
        const auto close = host.find(']');
        if (close == std::string_view::npos)
            return {};
        port = host.substr(close + 1);
        host = host.substr(1, close - 1);
        if (!port.empty() && port.front() != ':')
            return {};
    } else if (const auto colon = host.find(':'); colon != std::string_view::npos) {
        port = host.substr(colon);
        host = host.substr(0, colon);
    }
    if (!port.empty() && port.size() > 1 && !parseNumber(port.substr(1)))
        return {};
    return host;
}

} // namespace

bool isLoopbackHost(std::string_view host)
{
    std::string name = toLower(hostName(host));
    if (name.ends_with('.'))
        name.pop_back();
    if (name == "localhost" || (name.size() > 10 && name.ends_with(".localhost")))
        return true;
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(name, ec);
    return !ec && address.is_loopback();
}

bool isAllowedOrigin(const RequestHead &request)
{
    const std::string_view origin = request.header("origin");
    if (origin.empty())
        return true;
    const auto scheme = origin.find("://");
    return scheme != std::string_view::npos && isLoopbackHost(origin.substr(scheme + 3));
}

std::optional<std::string> keyProblem(const RequestHead &request, std::string_view keyDigits)
{
    std::string_view key = trimmed(request.header("x-api-key"));
    if (key.empty()) {
        const std::string_view authorization = trimmed(request.header("authorization"));
        if (authorization.size() > 7 && equalsNoCase(authorization.substr(0, 7), "bearer "))
            key = trimmed(authorization.substr(7));
    }
    if (key.empty())
        return "the API key is missing: send it in the X-API-Key header";
    for (const std::string_view prefix : {"moru_", "e2b_"}) {
        if (!key.starts_with(prefix))
            continue;
        const std::string digits = toLower(key.substr(prefix.size()));
        if (digits.empty() || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
            return "invalid API key format: hexadecimal digits must follow the prefix";
        if (equalSecrets(digits, keyDigits))
            return std::nullopt;
        return "the API key is not that of this engine";
    }
    return "the API key header is malformed: a key begins with moru_ or e2b_";
}

} // namespace moru::engine
