// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/controlclient.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTimeZone>
#include <QTimer>

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include <simdjson.h>

namespace moru {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr qsizetype MetricsPerRequest = 100; // more is refused with 400
constexpr char PageQuery[] = "/v2/sandboxes?state=running,paused&limit=100";

QString toQString(std::string_view text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

tl::unexpected<Error> wrongMember(const char *name)
{
    return failure(
        Error::Kind::Protocol,
        QStringLiteral("The server's answer lacks a valid \"%1\"").arg(QLatin1String(name)));
}

/// Reads members of one JSON object, remembering the first one that is wrong. A member that is
/// missing or null is an error only where it was asked for as required; one of another type than
/// the protocol's always is.
class Reader {
public:
    explicit Reader(const object &source)
        : m_source(source)
    {}

    [[nodiscard]] const char *wrong() const { return m_wrong; }

    QString text(const char *name, bool required = false)
    {
        const auto found = member(name, required);
        std::string_view value;
        if (!found)
            return {};
        if (found->get_string().get(value) != simdjson::SUCCESS || (required && value.empty()))
            note(name);
        return toQString(value);
    }

    QDateTime time(const char *name, bool required = false)
    {
        const QString value = text(name, required);
        if (value.isEmpty())
            return {};
        // Up to nine fractional digits may come, Qt reads three.
        QDateTime when = QDateTime::fromString(value, Qt::ISODateWithMs);
        if (!when.isValid()) {
            note(name);
            return {};
        }
        return when.toUTC();
    }

    qint64 integer(const char *name)
    {
        const auto found = member(name, false);
        std::int64_t value = 0;
        if (found && found->get_int64().get(value) != simdjson::SUCCESS) {
            double real = 0; // "1024.0" is a legal way to write 1024
            if (found->get_double().get(real) != simdjson::SUCCESS || !(std::abs(real) < 9.0e15))
                note(name);
            else
                value = std::int64_t(real);
        }
        return value;
    }

    int smallInteger(const char *name)
    {
        const qint64 value = integer(name);
        if (value < 0 || value > std::numeric_limits<int>::max()) {
            note(name);
            return 0;
        }
        return int(value);
    }

    double real(const char *name)
    {
        const auto found = member(name, false);
        double value = 0;
        if (found && found->get_double().get(value) != simdjson::SUCCESS)
            note(name);
        return value;
    }

    Metadata texts(const char *name)
    {
        const auto found = member(name, false);
        Metadata result;
        if (!found)
            return result;
        object values;
        if (found->get_object().get(values) != simdjson::SUCCESS) {
            note(name);
            return result;
        }
        for (const auto &[key, value] : values) {
            std::string_view text;
            if (value.get_string().get(text) == simdjson::SUCCESS)
                result.insert(toQString(key), toQString(text));
            else
                note(name);
        }
        return result;
    }

    QStringList list(const char *name)
    {
        const auto found = member(name, false);
        QStringList result;
        simdjson::dom::array values;
        if (!found)
            return result;
        if (found->get_array().get(values) != simdjson::SUCCESS) {
            note(name);
            return result;
        }
        for (const element value : values) {
            std::string_view text;
            if (value.get_string().get(text) == simdjson::SUCCESS)
                result.append(toQString(text));
            else
                note(name);
        }
        return result;
    }

    void note(const char *name)
    {
        if (!m_wrong)
            m_wrong = name;
    }

private:
    std::optional<element> member(const char *name, bool required)
    {
        element found;
        if (m_source.at_key(name).get(found) != simdjson::SUCCESS || found.is_null()) {
            if (required)
                note(name);
            return std::nullopt;
        }
        return found;
    }

    const object &m_source;
    const char *m_wrong = nullptr;
};

/// Which members an answer must have.
enum class Shape {
    Listed, ///< lists and GET: everything
    Fresh,  ///< answers of create and connect: ids only
};

Result<Sandbox> readSandbox(const object &source, Shape shape)
{
    Reader reader(source);
    const bool listed = shape == Shape::Listed;
    Sandbox sandbox;
    sandbox.id = reader.text("sandboxID", true);
    sandbox.templateId = reader.text("templateID", true);
    sandbox.clientId = reader.text("clientID");
    sandbox.alias = reader.text("alias");
    sandbox.envdVersion = reader.text("envdVersion");
    sandbox.startedAt = reader.time("startedAt", listed);
    sandbox.endAt = reader.time("endAt", listed);
    sandbox.cpuCount = reader.smallInteger("cpuCount");
    sandbox.memoryMiB = reader.smallInteger("memoryMB");
    sandbox.diskMiB = reader.smallInteger("diskSizeMB");
    sandbox.metadata = reader.texts("metadata");
    const QString state = reader.text("state", listed);
    if (state == QLatin1String("paused"))
        sandbox.state = SandboxState::Paused;
    else if (!state.isEmpty() && state != QLatin1String("running"))
        reader.note("state");
    if (reader.wrong())
        return wrongMember(reader.wrong());
    return sandbox;
}

Result<SandboxDetail> readDetail(const object &source, Shape shape)
{
    auto sandbox = readSandbox(source, shape);
    if (!sandbox)
        return tl::unexpected<Error>(sandbox.error());
    Reader reader(source);
    SandboxDetail detail;
    detail.sandbox = *std::move(sandbox);
    detail.accessToken = reader.text("envdAccessToken");
    detail.domain = reader.text("domain");
    if (reader.wrong())
        return wrongMember(reader.wrong());
    return detail;
}

Result<SandboxMetric> readMetric(const object &source)
{
    Reader reader(source);
    SandboxMetric metric;
    const qint64 unix = reader.integer("timestampUnix");
    metric.timestamp =
        unix > 0 ? QDateTime::fromSecsSinceEpoch(unix, QTimeZone::utc()) : reader.time("timestamp");
    metric.cpuCount = reader.smallInteger("cpuCount");
    metric.cpuUsedPercent = reader.real("cpuUsedPct");
    metric.memUsed = reader.integer("memUsed");
    metric.memTotal = reader.integer("memTotal");
    metric.diskUsed = reader.integer("diskUsed");
    metric.diskTotal = reader.integer("diskTotal");
    if (reader.wrong())
        return wrongMember(reader.wrong());
    return metric;
}

Result<Template> readTemplate(const object &source)
{
    Reader reader(source);
    Template result;
    result.id = reader.text("templateID", true);
    result.aliases = reader.list("aliases");
    result.cpuCount = reader.smallInteger("cpuCount");
    result.memoryMiB = reader.smallInteger("memoryMB");
    result.diskMiB = reader.smallInteger("diskSizeMB");
    if (reader.wrong())
        return wrongMember(reader.wrong());
    return result;
}

tl::unexpected<Error> damaged(const Transport::Reply &reply)
{
    Error error = Transport::errorFrom(reply.status, reply.contentType, reply.body);
    error.kind = Error::Kind::Protocol;
    return tl::unexpected<Error>(std::move(error));
}

/// Parses `reply` as a JSON object and hands it to `read`.
template <typename T, typename Read> Result<T> readObject(const Transport::Reply &reply, Read read)
{
    simdjson::dom::parser parser;
    object source;
    if (parser.parse(reply.body.constData(), size_t(reply.body.size())).get(source)
        != simdjson::SUCCESS)
        return damaged(reply);
    return read(source);
}

/// Parses `reply` as a JSON array of objects and hands each to `read`.
template <typename T, typename Read>
Result<QList<T>> readArray(const Transport::Reply &reply, Read read)
{
    simdjson::dom::parser parser;
    simdjson::dom::array source;
    if (parser.parse(reply.body.constData(), size_t(reply.body.size())).get(source)
        != simdjson::SUCCESS)
        return damaged(reply);
    QList<T> result;
    result.reserve(qsizetype(source.size()));
    for (const element item : source) {
        object members;
        if (item.get_object().get(members) != simdjson::SUCCESS)
            return damaged(reply);
        auto value = read(members);
        if (!value)
            return tl::unexpected<Error>(value.error());
        result.append(*std::move(value));
    }
    return result;
}

int totalRunning(const Transport::Reply &reply)
{
    bool ok = false;
    const int total = reply.header("x-total-running").toInt(&ok);
    return ok && total >= 0 ? total : -1;
}

QByteArray pagePath(const QByteArray &nextToken)
{
    QByteArray path(PageQuery);
    if (!nextToken.isEmpty())
        path += "&nextToken=" + nextToken.toPercentEncoding();
    return path;
}

QByteArray sandboxPath(const QString &id, const char *verb = "")
{
    return "/sandboxes/" + id.toUtf8().toPercentEncoding() + verb;
}

/// An id that would address something else than a sandbox must not reach a path.
bool isAddressable(const QString &id)
{
    return !id.isEmpty() && id != QLatin1String(".") && id != QLatin1String("..");
}

QByteArray toJson(const QJsonObject &object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

QJsonObject toJsonObject(const QMap<QString, QString> &values)
{
    QJsonObject result;
    for (auto it = values.cbegin(); it != values.cend(); ++it)
        result.insert(it.key(), it.value());
    return result;
}

/// Tells `done` the same failure that would otherwise have come from the network.
template <typename T> Call failLater(QObject *context, Done<T> done, Error error)
{
    auto dropped = std::make_shared<bool>(false);
    QTimer::singleShot(0, context, [dropped, done = std::move(done), error = std::move(error)] {
        if (!*dropped)
            done(tl::unexpected<Error>(error));
    });
    return Call([dropped] { *dropped = true; });
}

Error invalidId()
{
    return {Error::Kind::Invalid, 0, QStringLiteral("This is not a sandbox ID"), {}, -1};
}

/// Turns the reply into a value by `read`, or passes the failure on.
template <typename T, typename Read> Done<Transport::Reply> parsed(Read read, Done<T> done)
{
    return [read = std::move(read), done = std::move(done)](const Result<Transport::Reply> &reply) {
        if (reply)
            done(read(*reply));
        else
            done(tl::unexpected<Error>(reply.error()));
    };
}

/// The groups of one latestMetrics() call.
struct MetricsRound {
    QList<QStringList> groups;
    QMap<QString, SandboxMetric> points;
    Done<QMap<QString, SandboxMetric>> done;
    Call current;
    bool aborted = false;
};

Result<> readMetrics(const Transport::Reply &reply, QMap<QString, SandboxMetric> &points)
{
    simdjson::dom::parser parser;
    object answer;
    object sandboxes;
    if (parser.parse(reply.body.constData(), size_t(reply.body.size())).get(answer)
        != simdjson::SUCCESS)
        return damaged(reply);
    if (answer.at_key("sandboxes").get_object().get(sandboxes) != simdjson::SUCCESS)
        return wrongMember("sandboxes");
    for (const auto &[id, value] : sandboxes) {
        object members;
        if (value.get_object().get(members) != simdjson::SUCCESS)
            return wrongMember("sandboxes");
        auto metric = readMetric(members);
        if (!metric)
            return tl::unexpected<Error>(metric.error());
        points.insert(toQString(id), *metric);
    }
    return {};
}

void askNextGroup(Transport &transport, QObject *context,
                  const std::shared_ptr<MetricsRound> &round)
{
    if (round->aborted)
        return;
    QByteArray ids;
    const QStringList group = round->groups.takeFirst();
    for (const QString &id : group)
        ids += (ids.isEmpty() ? "" : ",") + id.toUtf8().toPercentEncoding();
    round->current = transport.control(
        "GET", "/sandboxes/metrics?sandbox_ids=" + ids, {}, Transport::Retry::Reads, context,
        [&transport, context, round](const Result<Transport::Reply> &reply) {
            if (!reply) {
                round->done(tl::unexpected<Error>(reply.error()));
                return;
            }
            if (const auto read = readMetrics(*reply, round->points); !read)
                round->done(tl::unexpected<Error>(read.error()));
            else if (round->groups.isEmpty())
                round->done(round->points);
            else
                askNextGroup(transport, context, round);
        });
}

} // namespace

ControlClient::ControlClient(Transport &transport, QObject *parent)
    : QObject(parent)
    , m_transport(transport)
{}

Call ControlClient::listSandboxes(const QByteArray &nextToken, QObject *context,
                                  Done<SandboxPage> done)
{
    const auto read = [](const Transport::Reply &reply) -> Result<SandboxPage> {
        auto sandboxes = readArray<Sandbox>(
            reply, [](const object &source) { return readSandbox(source, Shape::Listed); });
        if (!sandboxes)
            return tl::unexpected<Error>(sandboxes.error());
        return SandboxPage{*std::move(sandboxes), reply.header("x-next-token"),
                           totalRunning(reply)};
    };
    return m_transport.control("GET", pagePath(nextToken), {}, Transport::Retry::Reads, context,
                               parsed<SandboxPage>(read, std::move(done)));
}

Call ControlClient::listSandboxesRaw(const QByteArray &nextToken, QObject *context,
                                     Done<RawPage> done)
{
    const auto read = [](const Transport::Reply &reply) -> Result<RawPage> {
        const QByteArray trimmed = reply.body.trimmed(); // shares unless there is something to trim
        if (!trimmed.startsWith('[') || !trimmed.endsWith(']'))
            return damaged(reply);
        return RawPage{reply.body, reply.header("x-next-token"), totalRunning(reply)};
    };
    return m_transport.control("GET", pagePath(nextToken), {}, Transport::Retry::Reads, context,
                               parsed<RawPage>(read, std::move(done)));
}

Call ControlClient::getSandbox(const QString &id, QObject *context, Done<SandboxDetail> done)
{
    if (!isAddressable(id))
        return failLater(context, std::move(done), invalidId());
    const auto read = [](const Transport::Reply &reply) {
        return readObject<SandboxDetail>(
            reply, [](const object &source) { return readDetail(source, Shape::Listed); });
    };
    return m_transport.control("GET", sandboxPath(id), {}, Transport::Retry::Reads, context,
                               parsed<SandboxDetail>(read, std::move(done)));
}

Call ControlClient::createSandbox(const NewSandbox &spec, QObject *context,
                                  Done<SandboxDetail> done)
{
    QJsonObject body{
        {QStringLiteral("templateID"), spec.templateId},
        {QStringLiteral("timeout"), spec.timeoutSeconds},
        {QStringLiteral("autoPause"), spec.onTimeout == OnTimeout::Pause},
        {QStringLiteral("secure"), spec.secure},
        {QStringLiteral("allow_internet_access"), spec.allowInternet},
    };
    if (!spec.metadata.isEmpty())
        body.insert(QStringLiteral("metadata"), toJsonObject(spec.metadata));
    if (!spec.envVars.isEmpty())
        body.insert(QStringLiteral("envVars"), toJsonObject(spec.envVars));
    const auto read = [](const Transport::Reply &reply) {
        return readObject<SandboxDetail>(
            reply, [](const object &source) { return readDetail(source, Shape::Fresh); });
    };
    return m_transport.control("POST", "/sandboxes", toJson(body), Transport::Retry::Never, context,
                               parsed<SandboxDetail>(read, std::move(done)));
}

Call ControlClient::killSandbox(const QString &id, QObject *context, Done<bool> done)
{
    if (!isAddressable(id))
        return failLater(context, std::move(done), invalidId());
    return m_transport.control("DELETE", sandboxPath(id), {}, Transport::Retry::Never, context,
                               [done = std::move(done)](const Result<Transport::Reply> &reply) {
                                   if (reply)
                                       done(true);
                                   else if (reply.error().kind == Error::Kind::NotFound
                                            && reply.error().httpStatus == 404)
                                       done(false);
                                   else
                                       done(tl::unexpected<Error>(reply.error()));
                               });
}

Call ControlClient::pauseSandbox(const QString &id, QObject *context, Done<bool> done)
{
    if (!isAddressable(id))
        return failLater(context, std::move(done), invalidId());
    return m_transport.control("POST", sandboxPath(id, "/pause"), {}, Transport::Retry::Never,
                               context,
                               [done = std::move(done)](const Result<Transport::Reply> &reply) {
                                   if (reply)
                                       done(true);
                                   else if (reply.error().kind == Error::Kind::Conflict)
                                       done(false);
                                   else
                                       done(tl::unexpected<Error>(reply.error()));
                               });
}

Call ControlClient::resumeSandbox(const QString &id, int timeoutSeconds, QObject *context,
                                  Done<SandboxDetail> done)
{
    if (!isAddressable(id))
        return failLater(context, std::move(done), invalidId());
    const auto read = [](const Transport::Reply &reply) {
        return readObject<SandboxDetail>(
            reply, [](const object &source) { return readDetail(source, Shape::Fresh); });
    };
    return m_transport.control(
        "POST", sandboxPath(id, "/connect"), toJson({{QStringLiteral("timeout"), timeoutSeconds}}),
        Transport::Retry::Never, context, parsed<SandboxDetail>(read, std::move(done)));
}

Call ControlClient::setTimeout(const QString &id, int seconds, QObject *context, Done<> done)
{
    if (!isAddressable(id))
        return failLater(context, std::move(done), invalidId());
    return m_transport.control(
        "POST", sandboxPath(id, "/timeout"), toJson({{QStringLiteral("timeout"), seconds}}),
        Transport::Retry::Never, context,
        parsed<void>([](const Transport::Reply &) { return Result<>(); }, std::move(done)));
}

Call ControlClient::latestMetrics(const QStringList &ids, QObject *context,
                                  Done<QMap<QString, SandboxMetric>> done)
{
    auto round = std::make_shared<MetricsRound>();
    round->done = std::move(done);
    QStringList unique = ids;
    unique.removeDuplicates(); // the server refuses repeated ids
    for (qsizetype i = 0; i < unique.size(); i += MetricsPerRequest)
        round->groups.append(unique.mid(i, MetricsPerRequest));
    const auto abort = [round] {
        round->aborted = true;
        round->current.abort();
    };
    if (round->groups.isEmpty()) {
        QTimer::singleShot(0, context, [round] {
            if (!round->aborted)
                round->done(round->points);
        });
    } else {
        askNextGroup(m_transport, context, round);
    }
    return Call(abort);
}

Call ControlClient::listTemplates(QObject *context, Done<QList<Template>> done)
{
    const auto read = [](const Transport::Reply &reply) {
        return readArray<Template>(reply, readTemplate);
    };
    return m_transport.control("GET", "/templates", {}, Transport::Retry::Reads, context,
                               parsed<QList<Template>>(read, std::move(done)));
}

Call ControlClient::probe(QObject *context, Done<> done)
{
    const auto read = [](const Transport::Reply &reply) -> Result<> {
        auto sandboxes = readArray<Sandbox>(
            reply, [](const object &source) { return readSandbox(source, Shape::Listed); });
        if (!sandboxes)
            return tl::unexpected<Error>(sandboxes.error());
        return {};
    };
    // Not retried: somebody is waiting for the answer of a "Test" button.
    return m_transport.control("GET", "/v2/sandboxes?limit=1", {}, Transport::Retry::Never, context,
                               parsed<void>(read, std::move(done)));
}

Result<Sandbox> ControlClient::parseSandbox(const QByteArray &json)
{
    // One parser per thread: it keeps its buffers, and pages are parsed element by element.
    thread_local simdjson::dom::parser parser;
    object source;
    if (parser.parse(json.constData(), size_t(json.size())).get(source) != simdjson::SUCCESS)
        return failure(Error::Kind::Protocol,
                       QStringLiteral("A list element is not a JSON object"));
    return readSandbox(source, Shape::Listed);
}

} // namespace moru
