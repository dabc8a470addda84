// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/controlplane.h"

#include "app/engine/http/text.h"
#include "app/engine/server/access.h"
#include "app/engine/server/apierror.h"
#include "app/engine/server/listing.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <sys/statvfs.h>
#include <unistd.h>

namespace moru::engine {

namespace json = boost::json;
using namespace std::chrono;

namespace {

constexpr std::size_t BodyLimit = 16 * 1024 * 1024;
constexpr std::int64_t Mebi = 1024 * 1024;
constexpr std::size_t BatchLimit = 100;
constexpr std::string_view BaseTemplate = "base";
constexpr std::string_view ClientId = "6532622b"; ///< meaningless, but clients insist on one
constexpr std::string_view BuildId = "00000000-0000-4000-8000-000000000001";
constexpr std::string_view TeamId = "00000000-0000-4000-8000-000000000000";

std::string jsonType()
{
    return "application/json; charset=utf-8";
}

std::string_view shownState(Stage stage)
{
    return stage == Stage::Running ? "running" : "paused";
}

/// The segments between slashes, decoded; nullopt for a bad escape.
std::optional<std::vector<std::string>> segments(std::string_view path)
{
    std::vector<std::string> result;
    if (path.ends_with('/'))
        path.remove_suffix(1);
    while (!path.empty()) {
        path.remove_prefix(1);
        const auto end = std::min(path.find('/'), path.size());
        auto segment = percentDecode(path.substr(0, end), false);
        if (!segment)
            return std::nullopt;
        result.push_back(*std::move(segment));
        path.remove_prefix(end);
    }
    return result;
}

/// True if the pattern fits; `parts` then holds what its `{}` stand for.
bool fits(std::string_view pattern, const std::vector<std::string> &path,
          std::vector<std::string> &parts)
{
    parts.clear();
    for (const std::string &segment : path) {
        if (pattern.empty())
            return false;
        pattern.remove_prefix(1); // '/'
        const auto end = std::min(pattern.find('/'), pattern.size());
        const std::string_view wanted = pattern.substr(0, end);
        if (wanted == "{}") {
            if (segment.empty())
                return false;
            parts.push_back(segment);
        } else if (wanted != segment) {
            return false;
        }
        pattern.remove_prefix(end);
    }
    return pattern.empty();
}

/// Without the "-clientID" that old clients append.
std::string sandboxId(const std::string &part)
{
    const auto dash = part.find('-');
    const bool twoParts =
        dash != std::string::npos && part.find('-', dash + 1) == std::string::npos;
    return twoParts ? part.substr(0, dash) : part;
}

Headers crossOrigin(const RequestHead &request)
{
    const std::string_view origin = request.header("origin");
    if (origin.empty())
        return {};
    return {{"Access-Control-Allow-Origin", std::string(origin)},
            {"Access-Control-Expose-Headers", "X-Next-Token, X-Total-Running"},
            {"Vary", "Origin"}};
}

/// Unix seconds, or by a widespread mistake milliseconds.
std::optional<Time> timeParameter(const RequestHead &request, std::string_view name)
{
    constexpr std::int64_t surelyMilliseconds = 100'000'000'000;
    constexpr std::int64_t latest = 9'000'000'000'000; // milliseconds; nanoseconds still fit
    const auto number = numberParameter(request, name);
    if (!number)
        return std::nullopt;
    if (*number < 0)
        throw validationError("parameter \"" + std::string(name) + "\" must not be negative");
    const std::int64_t value = std::min(*number, latest);
    return value > surelyMilliseconds ? Time(milliseconds(value))
                                      : Time(milliseconds(std::min(value * 1000, latest)));
}

std::int64_t unixSeconds(Time time)
{
    return duration_cast<seconds>(time.time_since_epoch()).count();
}

} // namespace

ControlPlane::ControlPlane(Fleet &fleet, Activity &activity, Settings settings)
    : m_fleet(fleet)
    , m_activity(activity)
    , m_settings(std::move(settings))
{
    m_processors = std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
    m_memoryBytes = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
    struct statvfs disk {};
    if (::statvfs(m_settings.diskPath.c_str(), &disk) == 0)
        m_diskBytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
}

const std::vector<ControlPlane::Route> &ControlPlane::routes()
{
    using C = ControlPlane;
    // Fixed words come before placeholders. What a Moru server has and this engine does not is
    // listed as well: "not offered" tells more than "no such path".
    static const std::vector<Route> table{
        {"GET", "/health", &C::health},
        {"POST", "/sandboxes", &C::createSandbox},
        {"GET", "/sandboxes", &C::listRunning},
        {"GET", "/v2/sandboxes", &C::listSandboxes},
        {"GET", "/v2/sandbox-runs", &C::listRuns},
        {"GET", "/sandboxes/metrics", &C::latestMetrics},
        {"GET", "/sandboxes/{}", &C::getSandbox},
        {"DELETE", "/sandboxes/{}", &C::killSandbox},
        {"POST", "/sandboxes/{}/pause", &C::pauseSandbox},
        {"POST", "/sandboxes/{}/resume", &C::resumeSandbox},
        {"POST", "/sandboxes/{}/connect", &C::connectSandbox},
        {"POST", "/sandboxes/{}/timeout", &C::setTimeout},
        {"POST", "/sandboxes/{}/refreshes", &C::refreshSandbox},
        {"GET", "/sandboxes/{}/metrics", &C::sandboxMetrics},
        {"GET", "/sandboxes/{}/logs", &C::sandboxLogs},
        {"GET", "/templates", &C::listTemplates},
        {"GET", "/templates/{}", &C::getTemplate},
        {"GET", "/teams", &C::listTeams},
        {"POST", "/templates", &C::notOffered},
        {"POST", "/v2/templates", &C::notOffered},
        {"POST", "/v3/templates", &C::notOffered},
        {"POST", "/templates/{}", &C::notOffered},
        {"PATCH", "/templates/{}", &C::notOffered},
        {"DELETE", "/templates/{}", &C::notOffered},
        {"GET", "/templates/{}/files/{}", &C::notOffered},
        {"POST", "/templates/{}/builds/{}", &C::notOffered},
        {"POST", "/v2/templates/{}/builds/{}", &C::notOffered},
        {"GET", "/templates/{}/builds/{}/status", &C::notOffered},
        {"GET", "/templates/{}/builds/{}/logs", &C::notOffered},
        {"GET", "/teams/{}/metrics", &C::notOffered},
        {"GET", "/teams/{}/metrics/max", &C::notOffered},
        {"GET", "/api-keys", &C::notOffered},
        {"POST", "/api-keys", &C::notOffered},
        {"PATCH", "/api-keys/{}", &C::notOffered},
        {"DELETE", "/api-keys/{}", &C::notOffered},
        {"POST", "/access-tokens", &C::notOffered},
        {"DELETE", "/access-tokens/{}", &C::notOffered},
        {"GET", "/nodes", &C::notOffered},
        {"GET", "/nodes/{}", &C::notOffered},
        {"POST", "/nodes/{}", &C::notOffered},
        {"POST", "/admin/teams/{}/sandboxes/kill", &C::notOffered},
        {"GET", "/volumes", &C::notOffered},
        {"POST", "/volumes", &C::notOffered},
        {"GET", "/volumes/{}", &C::notOffered},
        {"DELETE", "/volumes/{}", &C::notOffered},
    };
    return table;
}

// ---- answering

asio::awaitable<void> ControlPlane::reply(Exchange &exchange, int status, const json::value &body,
                                          Headers extra)
{
    Headers headers = crossOrigin(exchange.request());
    headers.insert(headers.end(), extra.begin(), extra.end());
    std::string type = jsonType();
    std::string text = json::serialize(body);
    co_await exchange.respond(status, std::move(type), std::move(text), std::move(headers));
}

asio::awaitable<void> ControlPlane::replyEmpty(Exchange &exchange, int status)
{
    Headers headers = crossOrigin(exchange.request());
    std::string type;
    std::string text;
    co_await exchange.respond(status, std::move(type), std::move(text), std::move(headers));
}

asio::awaitable<void> ControlPlane::refuse(Exchange &exchange, int status, std::string message)
{
    Headers headers;
    if (isAllowedOrigin(exchange.request()))
        headers = crossOrigin(exchange.request());
    co_await respondError(exchange, status, message, std::move(headers));
}

asio::awaitable<json::value> ControlPlane::readBody(Exchange &exchange)
{
    const std::optional<std::string> text = co_await exchange.readAll(BodyLimit);
    if (!text)
        throw ApiError(413, "the request body is larger than 16 MiB");
    json::value body = parseBody(*text);
    co_return body;
}

asio::awaitable<void> ControlPlane::handle(Exchange &exchange)
{
    const Activity::Request counted(m_activity);
    int status = 0;
    std::string message;
    try {
        co_await dispatch(exchange);
        co_return;
    } catch (const ApiError &e) {
        status = e.status();
        message = e.what();
    }
    co_await refuse(exchange, status, std::move(message));
}

asio::awaitable<void> ControlPlane::dispatch(Exchange &exchange)
{
    const RequestHead &request = exchange.request();
    // A web page must not reach this engine, neither by its own name for this machine nor by one
    // that it made to resolve to us.
    const std::string_view host = request.header("host");
    if (!host.empty() && !isLoopbackHost(host))
        throw ApiError(403, "this engine answers on loopback names only");
    if (!isAllowedOrigin(request))
        throw ApiError(403, "requests of web pages from other hosts are refused");
    if (request.method == "OPTIONS") {
        Headers headers = crossOrigin(request);
        headers.emplace_back("Access-Control-Allow-Methods",
                             "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        const std::string_view asked = request.header("access-control-request-headers");
        if (!asked.empty())
            headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
        headers.emplace_back("Access-Control-Max-Age", "7200");
        std::string type;
        std::string text;
        co_await exchange.respond(204, std::move(type), std::move(text), std::move(headers));
        co_return;
    }
    const bool open = request.path == "/health";
    if (!open)
        if (const auto problem = keyProblem(request, m_settings.keyDigits))
            throw ApiError(401, *problem);

    const auto path = segments(request.path);
    if (!path)
        throw ApiError(400, "the path has a bad percent-encoding");
    bool known = false;
    Parts parts;
    for (const Route &route : routes()) {
        if (!fits(route.pattern, *path, parts))
            continue;
        known = true;
        // Answers to HEAD are those to GET, without the body.
        if (route.method != request.method && !(request.method == "HEAD" && route.method == "GET"))
            continue;
        co_await (this->*route.action)(exchange, std::move(parts));
        co_return;
    }
    if (known)
        throw ApiError(405, "this path does not take the method " + request.method.substr(0, 32));
    throw ApiError(404, "there is no such path");
}

// ---- objects

json::object ControlPlane::sandboxObject(const SandboxRecord &record) const
{
    json::object object;
    object["templateID"] = record.templateId;
    object["sandboxID"] = record.id;
    object["alias"] = record.alias;
    object["clientID"] = ClientId;
    object["envdVersion"] = EnvdVersion;
    object["envdAccessToken"] = record.token;
    if (!record.trafficToken.empty())
        object["trafficAccessToken"] = record.trafficToken;
    object["domain"] = m_settings.domain;
    return object;
}

json::object ControlPlane::listedObject(const SandboxRecord &record) const
{
    json::object object;
    object["templateID"] = record.templateId;
    object["sandboxID"] = record.id;
    object["alias"] = record.alias;
    object["clientID"] = ClientId;
    object["startedAt"] = formatTime(record.startedAt);
    object["endAt"] = formatTime(record.endAt);
    object["cpuCount"] = m_processors;
    object["memoryMB"] = m_memoryBytes / Mebi;
    object["diskSizeMB"] = m_diskBytes / Mebi;
    object["state"] = shownState(record.stage);
    object["envdVersion"] = EnvdVersion;
    if (!record.metadata.empty()) {
        json::object metadata;
        for (const auto &[key, value] : record.metadata)
            metadata[key] = value;
        object["metadata"] = std::move(metadata);
    }
    return object;
}

json::object ControlPlane::metricObject(const MetricPoint &point) const
{
    json::object object;
    object["timestamp"] = formatTime(point.time);
    object["timestampUnix"] = unixSeconds(point.time);
    object["cpuCount"] = m_processors;
    object["cpuUsedPct"] = std::round(point.cpuPercent * 100) / 100;
    object["memUsed"] = point.memoryBytes;
    object["memTotal"] = m_memoryBytes;
    object["diskUsed"] = point.diskBytes;
    object["diskTotal"] = m_diskBytes;
    return object;
}

std::pair<std::optional<Time>, std::size_t> ControlPlane::spawns() const
{
    std::optional<Time> last;
    const auto look = [&last](Time created) { last = std::max(last.value_or(created), created); };
    const auto alive = m_fleet.visible();
    for (const SandboxPtr &sandbox : alive)
        look(sandbox->record.createdAt);
    for (const EndedRun &run : m_fleet.runs().runs())
        look(run.createdAt);
    return {last, alive.size() + m_fleet.runs().runs().size()};
}

// ---- sandboxes

asio::awaitable<void> ControlPlane::health(Exchange &exchange, Parts)
{
    std::string type = "text/plain; charset=utf-8";
    std::string text = "Health check successful";
    co_await exchange.respond(200, std::move(type), std::move(text));
}

asio::awaitable<void> ControlPlane::createSandbox(Exchange &exchange, Parts)
{
    const json::value body = co_await readBody(exchange);
    NewSandbox wanted = parseNewSandbox(body);
    if (wanted.templateId != BaseTemplate)
        throw ApiError(404, "template '" + wanted.templateId.substr(0, 128) + "' not found");
    const SandboxPtr sandbox = co_await m_fleet.create(std::move(wanted));
    const json::value answer = sandboxObject(sandbox->record);
    Headers none;
    co_await reply(exchange, 201, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::listSandboxes(Exchange &exchange, Parts)
{
    const RequestHead &request = exchange.request();
    const std::vector<std::string> states{"running", "paused"};
    const ListQuery query = parseListQuery(request, "state", states);
    std::optional<Cursor> cursor;
    if (const auto token = request.query("nextToken"); token && !token->empty()) {
        cursor = decodeCursor(*token);
        if (!cursor)
            throw ApiError(400, "parameter \"nextToken\" is not one that this list gave");
    }
    const auto wants = [&](std::string_view state) {
        return query.states.empty()
               || std::find(query.states.begin(), query.states.end(), state) != query.states.end();
    };
    std::size_t running = 0;
    std::vector<SandboxPtr> found;
    for (const SandboxPtr &sandbox : m_fleet.visible()) {
        const SandboxRecord &record = sandbox->record;
        const auto state = shownState(record.stage);
        if (!wants(state) || !matches(query.metadata, record.metadata))
            continue;
        running += state == "running" ? 1 : 0;
        if (!cursor || cursor->isBefore(record.startedAt, record.id))
            found.push_back(sandbox);
    }
    std::sort(found.begin(), found.end(), [](const SandboxPtr &a, const SandboxPtr &b) {
        return Cursor{a->record.startedAt, a->record.id}.isBefore(b->record.startedAt,
                                                                  b->record.id);
    });
    Headers headers;
    if (wants("running"))
        headers.emplace_back("X-Total-Running", std::to_string(running));
    if (found.size() > query.limit) {
        found.resize(query.limit);
        const SandboxRecord &last = found.back()->record;
        headers.emplace_back("X-Next-Token", encodeCursor({last.startedAt, last.id}));
    }
    json::array list;
    for (const SandboxPtr &sandbox : found)
        list.push_back(listedObject(sandbox->record));
    const json::value answer = std::move(list);
    co_await reply(exchange, 200, answer, std::move(headers));
}

asio::awaitable<void> ControlPlane::listRunning(Exchange &exchange, Parts)
{
    std::map<std::string, std::string> filter;
    if (const auto text = exchange.request().query("metadata"))
        filter = parseMetadataFilter(*text);
    std::vector<SandboxPtr> found;
    for (const SandboxPtr &sandbox : m_fleet.visible())
        if (sandbox->record.stage == Stage::Running && matches(filter, sandbox->record.metadata))
            found.push_back(sandbox);
    std::sort(found.begin(), found.end(), [](const SandboxPtr &a, const SandboxPtr &b) {
        return Cursor{a->record.startedAt, a->record.id}.isBefore(b->record.startedAt,
                                                                  b->record.id);
    });
    json::array list;
    for (const SandboxPtr &sandbox : found)
        list.push_back(listedObject(sandbox->record));
    const json::value answer = std::move(list);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::listRuns(Exchange &exchange, Parts)
{
    const RequestHead &request = exchange.request();
    const std::vector<std::string> states{"running", "paused", "stopped"};
    const ListQuery query = parseListQuery(request, "status", states);
    std::optional<Time> before;
    if (const auto token = request.query("nextToken"); token && !token->empty()) {
        // An offset's '+' that was not encoded arrives as a blank.
        std::string text = *token;
        std::replace(text.begin(), text.end(), ' ', '+');
        before = parseTime(text);
        if (!before)
            throw ApiError(400, "parameter \"nextToken\" is not a time");
    }
    struct Row {
        EndedRun run;
        std::string_view status;
    };
    std::vector<Row> rows;
    for (const SandboxPtr &sandbox : m_fleet.visible()) {
        const SandboxRecord &record = sandbox->record;
        rows.push_back({{record.id, record.templateId, record.alias, {}, record.createdAt, {}},
                        shownState(record.stage)});
    }
    for (const EndedRun &run : m_fleet.runs().runs())
        rows.push_back({run, "stopped"});
    const auto unwanted = [&](const Row &row) {
        return (before && row.run.createdAt >= *before)
               || (!query.states.empty()
                   && std::find(query.states.begin(), query.states.end(), row.status)
                          == query.states.end());
    };
    rows.erase(std::remove_if(rows.begin(), rows.end(), unwanted), rows.end());
    std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) {
        return Cursor{a.run.createdAt, a.run.id}.isBefore(b.run.createdAt, b.run.id);
    });
    Headers headers;
    if (rows.size() > query.limit) {
        rows.resize(query.limit);
        headers.emplace_back("X-Next-Token", formatTime(rows.back().run.createdAt));
    }
    json::array list;
    for (const Row &row : rows) {
        json::object object;
        object["sandboxID"] = row.run.id;
        object["templateID"] = row.run.templateId;
        object["alias"] = row.run.alias;
        object["status"] = row.status;
        object["createdAt"] = formatTime(row.run.createdAt);
        if (row.status == "stopped") {
            object["endReason"] = row.run.reason;
            object["endedAt"] = formatTime(row.run.endedAt);
        }
        list.push_back(std::move(object));
    }
    const json::value answer = std::move(list);
    co_await reply(exchange, 200, answer, std::move(headers));
}

asio::awaitable<void> ControlPlane::getSandbox(Exchange &exchange, Parts parts)
{
    const std::string id = sandboxId(parts.front());
    const SandboxPtr sandbox = m_fleet.findVisible(id);
    if (!sandbox)
        throw ApiError(404, "sandbox '" + id.substr(0, 64) + "' was not found");
    json::object object = listedObject(sandbox->record);
    object["envdAccessToken"] = sandbox->record.token;
    object["domain"] = m_settings.domain;
    const json::value answer = std::move(object);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::killSandbox(Exchange &exchange, Parts parts)
{
    std::string id = sandboxId(parts.front());
    co_await m_fleet.kill(std::move(id));
    co_await replyEmpty(exchange, 204);
}

asio::awaitable<void> ControlPlane::pauseSandbox(Exchange &exchange, Parts parts)
{
    const json::value body = co_await readBody(exchange);
    std::string id = sandboxId(parts.front());
    co_await m_fleet.pause(std::move(id));
    co_await replyEmpty(exchange, 204);
}

asio::awaitable<void> ControlPlane::resumeSandbox(Exchange &exchange, Parts parts)
{
    constexpr std::int64_t usual = 15;
    const json::value body = co_await readBody(exchange);
    const std::int64_t lifetime = secondsMember(body, "timeout", MaxTimeout).value_or(usual);
    const std::optional<bool> autoPause = boolMember(body, "autoPause");
    std::string id = sandboxId(parts.front());
    const SandboxPtr sandbox = co_await m_fleet.resume(std::move(id), lifetime, autoPause);
    const json::value answer = sandboxObject(sandbox->record);
    Headers none;
    co_await reply(exchange, 201, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::connectSandbox(Exchange &exchange, Parts parts)
{
    const json::value body = co_await readBody(exchange);
    const auto lifetime = secondsMember(body, "timeout", MaxTimeout);
    if (!lifetime)
        throw validationError("\"timeout\" is missing");
    std::string id = sandboxId(parts.front());
    const Fleet::Connected connected = co_await m_fleet.connect(std::move(id), *lifetime);
    const json::value answer = sandboxObject(connected.sandbox->record);
    Headers none;
    co_await reply(exchange, connected.resumed ? 201 : 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::setTimeout(Exchange &exchange, Parts parts)
{
    const json::value body = co_await readBody(exchange);
    const auto lifetime = secondsMember(body, "timeout", std::numeric_limits<std::int32_t>::max());
    if (!lifetime)
        throw validationError("\"timeout\" is missing");
    std::string id = sandboxId(parts.front());
    co_await m_fleet.setTimeout(std::move(id), *lifetime);
    co_await replyEmpty(exchange, 204);
}

asio::awaitable<void> ControlPlane::refreshSandbox(Exchange &exchange, Parts parts)
{
    constexpr std::int64_t longest = 3600;
    const json::value body = co_await readBody(exchange);
    const std::int64_t lifetime = secondsMember(body, "duration", longest).value_or(0);
    std::string id = sandboxId(parts.front());
    co_await m_fleet.refresh(std::move(id), lifetime);
    co_await replyEmpty(exchange, 204);
}

// ---- metrics and logs

asio::awaitable<void> ControlPlane::sandboxMetrics(Exchange &exchange, Parts parts)
{
    const auto from = timeParameter(exchange.request(), "start");
    const auto to = timeParameter(exchange.request(), "end");
    if (from && to && *from > *to)
        throw ApiError(400, "parameter \"start\" is later than \"end\"");
    json::array list;
    // An unknown sandbox has no metrics; clients do not expect an error here.
    if (const SandboxPtr sandbox = m_fleet.findVisible(sandboxId(parts.front()))) {
        const auto points =
            sandbox->metrics.between(from.value_or(Time::min()), to.value_or(Time::max()));
        for (const MetricPoint &point : points)
            list.push_back(metricObject(point));
    }
    const json::value answer = std::move(list);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::latestMetrics(Exchange &exchange, Parts)
{
    std::vector<std::string> ids = listParameter(exchange.request(), "sandbox_ids");
    if (ids.empty())
        throw validationError("parameter \"sandbox_ids\" is missing");
    if (ids.size() > BatchLimit)
        throw validationError("parameter \"sandbox_ids\" has more than 100 items");
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
        throw validationError("parameter \"sandbox_ids\" names a sandbox twice");
    json::object sandboxes;
    for (const std::string &id : ids) {
        const SandboxPtr sandbox = m_fleet.findVisible(sandboxId(id));
        const MetricPoint *point = sandbox ? sandbox->metrics.latest() : nullptr;
        if (point)
            sandboxes[id] = metricObject(*point);
    }
    json::object object;
    object["sandboxes"] = std::move(sandboxes);
    const json::value answer = std::move(object);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::sandboxLogs(Exchange &exchange, Parts)
{
    const RequestHead &request = exchange.request();
    const auto oneOf = [&](std::string_view name, std::initializer_list<std::string_view> words) {
        const auto value = request.query(name);
        if (value && std::find(words.begin(), words.end(), *value) == words.end())
            throw validationError("parameter \"" + std::string(name) + "\" has an unknown value");
    };
    if (const auto limit = numberParameter(request, "limit"); limit && *limit < 0)
        throw validationError("parameter \"limit\" must not be negative");
    if (const auto cursor = numberParameter(request, "cursor"); cursor && *cursor < 0)
        throw validationError("parameter \"cursor\" must not be negative");
    oneOf("direction", {"forward", "backward"});
    oneOf("eventType", {"stdout", "stderr", "process_start", "process_end"});
    // The engine keeps no output of processes.
    json::object object;
    object["logs"] = json::array();
    object["logEntries"] = json::array();
    const json::value answer = std::move(object);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

// ---- templates, teams

asio::awaitable<void> ControlPlane::listTemplates(Exchange &exchange, Parts)
{
    const auto [last, count] = spawns();
    json::object object;
    object["templateID"] = BaseTemplate;
    object["buildID"] = BuildId;
    object["cpuCount"] = m_processors;
    object["memoryMB"] = m_memoryBytes / Mebi;
    object["diskSizeMB"] = m_diskBytes / Mebi;
    object["public"] = true;
    object["aliases"] = json::array{json::value(BaseTemplate)};
    object["createdAt"] = formatTime(m_settings.since);
    object["updatedAt"] = formatTime(m_settings.since);
    object["createdBy"] = nullptr;
    object["lastSpawnedAt"] = last ? json::value(formatTime(*last)) : json::value(nullptr);
    object["spawnCount"] = count;
    object["buildCount"] = 1;
    object["envdVersion"] = EnvdVersion;
    object["buildStatus"] = "ready";
    json::array list;
    list.push_back(std::move(object));
    const json::value answer = std::move(list);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::getTemplate(Exchange &exchange, Parts parts)
{
    if (parts.front() != BaseTemplate)
        throw ApiError(404, "template '" + parts.front().substr(0, 128) + "' not found");
    const auto [last, count] = spawns();
    json::object build;
    build["buildID"] = BuildId;
    build["status"] = "ready";
    build["createdAt"] = formatTime(m_settings.since);
    build["updatedAt"] = formatTime(m_settings.since);
    build["finishedAt"] = formatTime(m_settings.since);
    build["cpuCount"] = m_processors;
    build["memoryMB"] = m_memoryBytes / Mebi;
    build["diskSizeMB"] = m_diskBytes / Mebi;
    build["envdVersion"] = EnvdVersion;
    json::array builds;
    builds.push_back(std::move(build));
    json::object object;
    object["templateID"] = BaseTemplate;
    object["public"] = true;
    object["aliases"] = json::array{json::value(BaseTemplate)};
    object["createdAt"] = formatTime(m_settings.since);
    object["updatedAt"] = formatTime(m_settings.since);
    object["lastSpawnedAt"] = last ? json::value(formatTime(*last)) : json::value(nullptr);
    object["spawnCount"] = count;
    object["builds"] = std::move(builds);
    const json::value answer = std::move(object);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::listTeams(Exchange &exchange, Parts)
{
    json::object team;
    team["teamID"] = TeamId;
    team["name"] = "local";
    // The caller has shown that it knows the key.
    team["apiKey"] = "moru_" + m_settings.keyDigits;
    team["isDefault"] = true;
    json::array list;
    list.push_back(std::move(team));
    const json::value answer = std::move(list);
    Headers none;
    co_await reply(exchange, 200, answer, std::move(none));
}

asio::awaitable<void> ControlPlane::notOffered(Exchange &, Parts)
{
    throw ApiError(501, "the local engine does not offer this");
    co_return;
}

} // namespace moru::engine
