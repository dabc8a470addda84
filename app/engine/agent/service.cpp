// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/service.h"

#include "app/engine/agent/paths.h"
#include "app/engine/http/text.h"

#include <google/protobuf/struct.pb.h>

namespace moru::engine {

namespace {

constexpr std::size_t LargestInit = 1024 * 1024;

/// Adds what browsers need to the answers of another exchange: any origin may read them, for access
/// is decided by tokens that pages of strangers do not have.
class CorsExchange final : public Exchange {
public:
    explicit CorsExchange(Exchange &inner)
        : m_inner(inner)
        , m_fromPage(!inner.request().header("origin").empty())
    {}

    [[nodiscard]] const RequestHead &request() const override { return m_inner.request(); }
    asio::awaitable<std::size_t> readSome(std::span<char> buffer) override
    {
        return m_inner.readSome(buffer);
    }
    asio::awaitable<std::optional<std::string>> readAll(std::size_t limit) override
    {
        return m_inner.readAll(limit);
    }
    asio::awaitable<void> respond(int status, std::string contentType, std::string body,
                                  Headers extra) override
    {
        addTo(extra);
        return m_inner.respond(status, std::move(contentType), std::move(body), std::move(extra));
    }
    asio::awaitable<void> begin(int status, Headers headers,
                                std::optional<std::uint64_t> length) override
    {
        addTo(headers);
        return m_inner.begin(status, std::move(headers), length);
    }
    asio::awaitable<void> write(std::span<const std::string_view> pieces) override
    {
        return m_inner.write(pieces);
    }
    asio::awaitable<void> finish() override { return m_inner.finish(); }
    asio::awaitable<std::string> upgrade(int status, Headers headers) override
    {
        return m_inner.upgrade(status, std::move(headers));
    }
    asio::awaitable<void> peerClosed() override { return m_inner.peerClosed(); }
    [[nodiscard]] bool answered() const override { return m_inner.answered(); }
    Socket &socket() override { return m_inner.socket(); }

private:
    void addTo(Headers &headers) const
    {
        headers.emplace_back("Vary", "Origin");
        if (!m_fromPage)
            return;
        headers.emplace_back("Access-Control-Allow-Origin", "*");
        headers.emplace_back("Access-Control-Expose-Headers",
                             "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Location, "
                             "Cache-Control, X-Content-Type-Options");
    }

    Exchange &m_inner;
    bool m_fromPage;
};

asio::awaitable<void> preflight(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    Headers headers{
        {"Access-Control-Allow-Origin", "*"},
        {"Access-Control-Allow-Methods", "HEAD, GET, POST, PUT, PATCH, DELETE"},
        {"Access-Control-Max-Age", "7200"},
        {"Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}};
    const std::string_view wanted = head.header("access-control-request-headers");
    if (!wanted.empty())
        headers.emplace_back("Access-Control-Allow-Headers", std::string(wanted));
    co_await exchange.respond(204, std::string(), std::string(), std::move(headers));
}

/// The user name of a Basic authorization; nullopt when there is none.
std::optional<std::string> basicUser(const RequestHead &head)
{
    std::string_view value = trimmed(head.header("authorization"));
    static constexpr std::string_view scheme = "basic ";
    if (value.size() < scheme.size() || !equalsNoCase(value.substr(0, scheme.size()), scheme))
        return std::nullopt;
    const auto decoded = fromBase64(trimmed(value.substr(scheme.size())));
    if (!decoded)
        return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos)
        return std::nullopt;
    return decoded->substr(0, colon);
}

} // namespace

Service::Service(asio::io_context &context, AgentConfig config)
    : m_context(context)
    , m_config(std::move(config))
    , m_workers(context.get_executor())
    , m_processes(context)
    , m_uploadFree(context, Clock::time_point::max())
{}

Service::~Service() = default;

std::optional<Account> Service::findUser(std::string_view name) const
{
    const Accounts accounts(m_config.rootPrefix);
    return accounts.find(name);
}

FileActor Service::actorFor(Account user) const
{
    FileActor actor;
    actor.user = std::move(user);
    actor.userSwitch = m_config.userSwitch;
    actor.rootPrefix = m_config.rootPrefix;
    return actor;
}

std::string Service::resolve(std::string_view path, const Account &user) const
{
    try {
        return resolvePath(path, user.home, m_config.defaultWorkdir);
    } catch (const BadPath &e) {
        throw RpcError(RpcCode::InvalidArgument, e.what());
    }
}

bool Service::tokenMatches(const RequestHead &head) const
{
    return m_config.accessToken.empty()
           || equalSecrets(head.header("x-access-token"), m_config.accessToken);
}

asio::awaitable<void> Service::handle(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    if (head.method == "OPTIONS" && !head.header("access-control-request-method").empty()) {
        co_await preflight(exchange);
        co_return;
    }
    CorsExchange cors(exchange);
    co_await dispatch(cors);
}

asio::awaitable<void> Service::dispatch(Exchange &exchange)
{
    const RequestHead &head = exchange.request();
    const bool isFiles = head.path == "/files" && (head.method == "GET" || head.method == "POST");
    const bool isOpen = isFiles || (head.path == "/health" && head.method == "GET");
    if (!isOpen && !tokenMatches(head)) {
        Headers none;
        co_await respondError(exchange, 401,
                              "unauthorized access, please provide a valid access token",
                              std::move(none));
        co_return;
    }
    if (head.method == "CONNECT") {
        co_await connectPort(exchange);
        co_return;
    }

    const auto named = basicUser(head);
    auto user = findUser(named.value_or(m_config.defaultUser));
    if (named && !user) {
        const bool stream = isStreamPath(head.path);
        co_await refuseUser(exchange, stream, *named);
        co_return;
    }
    if (!user) {
        // A root file system without our default account: there is always root.
        user.emplace();
        user->name = "root";
        user->home = m_config.rootPrefix + "/root";
    }

    struct PlainRoute {
        std::string_view method;
        std::string_view path;
        Route route;
    };
    static constexpr std::array<PlainRoute, 6> routes{{
        {"GET", "/health", &Service::health},
        {"GET", "/metrics", &Service::metrics},
        {"GET", "/envs", &Service::envs},
        {"POST", "/init", &Service::init},
        {"GET", "/files", &Service::download},
        {"POST", "/files", &Service::upload},
    }};
    std::string allowed;
    for (const PlainRoute &entry : routes) {
        if (entry.path != head.path)
            continue;
        if (entry.method == head.method) {
            co_await (this->*entry.route)(exchange, std::move(*user));
            co_return;
        }
        allowed += (allowed.empty() ? "" : ", ") + std::string(entry.method);
    }
    if (!allowed.empty()) {
        Headers allow;
        allow.emplace_back("Allow", std::move(allowed));
        co_await exchange.respond(405, std::string(), std::string(), std::move(allow));
        co_return;
    }
    const bool known = co_await callRpc(exchange, std::move(*user));
    if (known)
        co_return;
    std::string type = "text/plain; charset=utf-8";
    std::string text = "404 page not found\n";
    Headers extra{{"X-Content-Type-Options", "nosniff"}};
    co_await exchange.respond(404, std::move(type), std::move(text), std::move(extra));
}

asio::awaitable<void> Service::refuseUser(Exchange &exchange, bool stream, std::string name)
{
    RpcError error(RpcCode::Unauthenticated, "invalid username: '" + toUtf8(name) + "'");
    if (!stream) {
        co_await failUnary(exchange, std::move(error));
        co_return;
    }
    const auto codec = co_await beginStream(exchange);
    if (!codec)
        co_return;
    ServerStream out(exchange, *codec);
    co_await out.begin();
    co_await out.end(std::move(error));
}

asio::awaitable<void> Service::health(Exchange &exchange, Account)
{
    Headers headers{{"Cache-Control", "no-store"}};
    co_await exchange.respond(204, std::string(), std::string(), std::move(headers));
}

asio::awaitable<void> Service::metrics(Exchange &exchange, Account)
{
    const auto body = std::make_shared<std::string>();
    std::function<void()> job = [this, body] { *body = m_metrics.sample(); };
    co_await m_workers.run(std::move(job));
    std::string type = "application/json";
    Headers headers{{"Cache-Control", "no-store"}};
    co_await exchange.respond(200, std::move(type), std::move(*body), std::move(headers));
}

asio::awaitable<void> Service::envs(Exchange &exchange, Account)
{
    std::string body = "{";
    const auto add = [&](std::string_view name, std::string_view value) {
        body += (body.size() > 1 ? "," : "") + jsonString(name) + ':' + jsonString(value);
    };
    std::map<std::string, std::string> variables{{"MORU_SANDBOX", "true"},
                                                 {"MORU_SANDBOX_ID", m_config.sandboxId},
                                                 {"MORU_TEMPLATE_ID", m_config.templateId}};
    for (const auto &[name, value] : m_config.globalEnv)
        variables[name] = value;
    for (const auto &[name, value] : variables)
        add(name, value);
    body += '}';
    std::string type = "application/json";
    Headers headers{{"Cache-Control", "no-store"}};
    co_await exchange.respond(200, std::move(type), std::move(body), std::move(headers));
}

asio::awaitable<void> Service::init(Exchange &exchange, Account)
{
    Headers none;
    const auto body = co_await exchange.readAll(LargestInit);
    google::protobuf::Struct object;
    bool good = body.has_value();
    if (good) {
        try {
            decode(Codec::Json, *body, object);
        } catch (const RpcError &) {
            good = false;
        }
    }
    if (!good) {
        co_await respondError(exchange, 400, "malformed request", std::move(none));
        co_return;
    }
    const auto text = [&](const char *key) {
        const auto found = object.fields().find(key);
        return found == object.fields().end() ? std::string() : found->second.string_value();
    };
    const std::string token = text("accessToken");
    if (!token.empty() && !m_config.accessToken.empty()
        && !equalSecrets(token, m_config.accessToken)) {
        co_await respondError(exchange, 409, "access token is already set", std::move(none));
        co_return;
    }
    if (!token.empty())
        m_config.accessToken = token;
    if (const std::string user = text("defaultUser"); !user.empty())
        m_config.defaultUser = user;
    if (const std::string workdir = text("defaultWorkdir"); !workdir.empty())
        m_config.defaultWorkdir = workdir;
    if (const auto env = object.fields().find("envVars"); env != object.fields().end())
        for (const auto &[name, value] : env->second.struct_value().fields())
            m_config.globalEnv[name] = value.string_value();
    Headers headers{{"Cache-Control", "no-store"}};
    co_await exchange.respond(204, std::string(), std::string(), std::move(headers));
}

} // namespace moru::engine
