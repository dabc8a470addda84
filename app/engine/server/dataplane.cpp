// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/dataplane.h"

#include "app/engine/http/text.h"
#include "app/engine/http/upstream.h"
#include "app/engine/server/access.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace moru::engine {

namespace {

constexpr int AgentPort = 49983;
/// Headers that open the ports of a sandbox with private traffic.
constexpr std::array<const char *, 2> TrafficTokens{"moru-traffic-access-token",
                                                    "e2b-traffic-access-token"};
constexpr std::size_t LongestEchoedId = 64;

std::string bodyOf(const std::string &id, std::string_view message, const std::string &more,
                   int code)
{
    return "{\"sandboxId\":" + jsonString(std::string_view(id).substr(0, LongestEchoedId))
           + ",\"message\":" + jsonString(message) + more + ",\"code\":" + std::to_string(code)
           + "}";
}

std::string notFoundBody(const std::string &id)
{
    return bodyOf(id, "The sandbox was not found", {}, 502);
}

std::string portClosedBody(const std::string &id, int port)
{
    return bodyOf(id, "The sandbox is running but port is not open",
                  ",\"port\":" + std::to_string(port), 502);
}

PortRoute portRoute(const SandboxRecord &record, int port)
{
    static constexpr std::string_view placeholder = "${PORT}";
    PortRoute route;
    route.port = port;
    route.agentToken = record.token;
    route.host = record.maskHost;
    for (auto at = route.host.find(placeholder); at != std::string::npos;
         at = route.host.find(placeholder))
        route.host.replace(at, placeholder.size(), std::to_string(port));
    route.withheld.assign(TrafficTokens.begin(), TrafficTokens.end());
    return route;
}

std::optional<int> portOf(std::string_view text)
{
    const auto number = parseNumber(trimmed(text));
    if (!number || *number == 0 || *number > 65535)
        return std::nullopt;
    return static_cast<int>(*number);
}

std::string_view firstOf(const RequestHead &request, std::string_view one, std::string_view other)
{
    const std::string_view value = trimmed(request.header(one));
    return value.empty() ? trimmed(request.header(other)) : value;
}

struct HostLabel {
    std::string id;
    int port = 0;
};

/// "PORT-ID[-anything]" as the first label of a host name that has more than one.
std::optional<HostLabel> hostLabel(const RequestHead &request)
{
    const std::string_view host = trimmed(request.header("host"));
    const auto dot = host.find('.');
    if (dot == std::string_view::npos)
        return std::nullopt;
    const std::string_view label = host.substr(0, dot);
    const auto dash = label.find('-');
    if (dash == std::string_view::npos)
        return std::nullopt;
    const auto port = portOf(label.substr(0, dash));
    const std::string_view rest = label.substr(dash + 1);
    const std::string_view id = rest.substr(0, rest.find('-'));
    if (!port || id.empty())
        return std::nullopt;
    return HostLabel{toLower(id), *port};
}

/// The id that a signed file URL belongs to; nullopt if the request is none. Empty = nobody's.
std::optional<std::string> signedFor(const RequestHead &request, const Fleet &fleet)
{
    if (request.path != "/files")
        return std::nullopt;
    const auto signature = request.query("signature");
    if (!signature)
        return std::nullopt;
    std::optional<std::int64_t> expiry;
    if (const auto text = request.query("signature_expiration"); text && !text->empty()) {
        std::int64_t number = 0;
        const char *end = text->data() + text->size();
        const auto [stop, ec] = std::from_chars(text->data(), end, number);
        if (ec != std::errc() || stop != end)
            return std::string();
        expiry = number;
    }
    const bool reads = request.method == "GET" || request.method == "HEAD";
    // A '+' of the signature that was not encoded in the URL arrives as a blank.
    std::string plain = *signature;
    std::replace(plain.begin(), plain.end(), ' ', '+');
    return fleet
        .idOfSignature(request.query("path").value_or(""), reads ? "read" : "write",
                       request.query("username").value_or(""), expiry, plain)
        .value_or("");
}

} // namespace

DataPlane::Target DataPlane::resolve(const RequestHead &request) const
{
    const auto label = hostLabel(request);
    const std::string_view id = firstOf(request, "moru-sandbox-id", "e2b-sandbox-id");
    if (!id.empty()) {
        const std::string_view port = firstOf(request, "moru-sandbox-port", "e2b-sandbox-port");
        const std::string_view plain = id.substr(0, id.find('-'));
        return {std::string(plain), port.empty() ? AgentPort : portOf(port).value_or(0)};
    }
    // On a port of the user's own program a token header is that program's business.
    if (label && label->port != AgentPort)
        return {label->id, label->port};
    const std::string_view token = trimmed(request.header("x-access-token"));
    if (!token.empty())
        return {m_fleet.idOfToken(std::string(token)).value_or(""), AgentPort};
    // A signature that fits nobody names nobody: whoever gets the request refuses it.
    if (const auto owner = signedFor(request, m_fleet); owner && !owner->empty())
        return {*owner, AgentPort};
    if (label)
        return {label->id, label->port};
    const SandboxPtr sole = m_fleet.soleRunning();
    return {sole ? sole->record.id : std::string(), AgentPort};
}

asio::awaitable<void> DataPlane::refuse(Exchange &exchange, int status, std::string body)
{
    Headers headers;
    headers.emplace_back("X-Content-Type-Options", "nosniff");
    if (!exchange.request().header("origin").empty())
        headers.emplace_back("Access-Control-Allow-Origin", "*");
    std::string type = "application/json; charset=utf-8";
    co_await exchange.respond(status, std::move(type), std::move(body), std::move(headers));
}

asio::awaitable<void> DataPlane::handle(Exchange &exchange)
{
    const Activity::Request counted(m_activity);
    const RequestHead &request = exchange.request();
    const std::string_view host = request.header("host");
    if (!host.empty() && !isLoopbackHost(host)) {
        const std::string_view message = "this engine answers on loopback names only";
        co_await respondError(exchange, 403, message);
        co_return;
    }
    if (request.method == "CONNECT") { // between engine and agent it means something
        const std::string_view message = "this is no proxy";
        co_await respondError(exchange, 405, message);
        co_return;
    }
    const Target target = resolve(request);
    if (target.port == 0) {
        const std::string_view message = "the sandbox port must be a number from 1 to 65535";
        co_await respondError(exchange, 400, message);
        co_return;
    }
    const bool preflight =
        request.method == "OPTIONS" && !request.header("access-control-request-method").empty();
    if (preflight && target.port == AgentPort) {
        // Carries neither token nor id, so it could not be told whose it is. The agent's rule:
        // any page may ask, the token decides.
        Headers headers;
        headers.emplace_back("Access-Control-Allow-Origin", "*");
        headers.emplace_back("Access-Control-Allow-Methods", "HEAD, GET, POST, PUT, PATCH, DELETE");
        const std::string_view asked = request.header("access-control-request-headers");
        if (!asked.empty())
            headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
        headers.emplace_back("Access-Control-Max-Age", "7200");
        std::string type;
        std::string text;
        co_await exchange.respond(204, std::move(type), std::move(text), std::move(headers));
        co_return;
    }

    const SandboxPtr sandbox = m_fleet.find(target.id);
    const bool reachable = sandbox && sandbox->record.stage == Stage::Running
                           && !sandbox->transition && sandbox->record.launched;
    if (!reachable) {
        std::string body = notFoundBody(target.id);
        co_await refuse(exchange, 502, std::move(body));
        co_return;
    }
    const bool isAgent = target.port == AgentPort;
    const std::string &wanted = sandbox->record.trafficToken;
    if (!isAgent && !wanted.empty()
        && !equalSecrets(firstOf(request, TrafficTokens[0], TrafficTokens[1]), wanted)) {
        std::string body =
            bodyOf(target.id, "The traffic access token is missing or wrong", {}, 403);
        co_await refuse(exchange, 403, std::move(body));
        co_return;
    }

    RelayResult result = RelayResult::NoAnswer;
    {
        const StreamGuard guard(sandbox, exchange.socket());
        std::filesystem::path agent = sandbox->record.launched->socket;
        if (isAgent) {
            result = co_await relay(exchange, std::move(agent));
        } else {
            PortRoute route = portRoute(sandbox->record, target.port);
            result = co_await relayToPort(exchange, std::move(agent), std::move(route));
        }
    }
    const bool unanswered = result == RelayResult::Refused || result == RelayResult::NoAnswer
                            || result == RelayResult::PortClosed;
    if (!unanswered || exchange.answered())
        co_return;
    const bool running = sandbox->record.stage == Stage::Running && !sandbox->transition;
    // The agent ends only together with its sandbox; the user's own programs do as they like.
    const bool ofAgent = isAgent || result == RelayResult::Refused;
    if (running && ofAgent)
        m_log.warning("its agent gave no answer", target.id);
    std::string body =
        running && !ofAgent ? portClosedBody(target.id, target.port) : notFoundBody(target.id);
    co_await refuse(exchange, 502, std::move(body));
}

} // namespace moru::engine
