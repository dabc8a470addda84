// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/stores/fleetserver.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>
#include <QUrlQuery>

#include <algorithm>
#include <utility>

namespace moru::test {

namespace {

QByteArray compact(const QJsonObject &object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

} // namespace

QByteArray FleetServer::Request::parameter(const QByteArray &name) const
{
    return QUrlQuery(QString::fromLatin1(query))
        .queryItemValue(QString::fromLatin1(name), QUrl::FullyDecoded)
        .toUtf8();
}

FleetServer::FleetServer()
{
    for (const char *method : {"GET", "POST", "DELETE"})
        m_server.on(method, "/*", [this](HttpExchange &exchange) { handle(exchange); });
    listen();
}

void FleetServer::listen()
{
    // The port was ours a moment ago; another process may have it for an instant.
    const auto port = quint16(m_url.port(0));
    QVERIFY(QTest::qWaitFor([this, port] { return m_server.listen(port); }));
    m_url = m_server.url();
}

void FleetServer::shut()
{
    m_held.clear();
    m_server.stop();
}

FleetServer::Item &FleetServer::add(const QString &id)
{
    Item item;
    item.id = id;
    item.startedAt = QDateTime::currentDateTimeUtc();
    item.endAt = item.startedAt.addSecs(300);
    fleet.append(item);
    return fleet.last();
}

FleetServer::Item *FleetServer::find(const QString &id)
{
    const auto place = std::ranges::find(fleet, id, &Item::id);
    return place == fleet.end() ? nullptr : &*place;
}

void FleetServer::drop(const QString &id)
{
    fleet.removeIf([&id](const Item &item) { return item.id == id; });
}

QByteArray FleetServer::json(const Item &item)
{
    QJsonObject object{
        {QStringLiteral("sandboxID"), item.id},
        {QStringLiteral("clientID"), QStringLiteral("6532622b")},
        {QStringLiteral("templateID"), QStringLiteral("base")},
        {QStringLiteral("envdVersion"), QStringLiteral("0.4.3")},
        {QStringLiteral("cpuCount"), 2},
        {QStringLiteral("memoryMB"), 1024},
        {QStringLiteral("diskSizeMB"), 1024},
        {QStringLiteral("startedAt"), item.startedAt.toString(Qt::ISODateWithMs)},
        {QStringLiteral("endAt"), item.endAt.toString(Qt::ISODateWithMs)},
        {QStringLiteral("state"),
         item.paused ? QStringLiteral("paused") : QStringLiteral("running")},
    };
    if (!item.metadata.isEmpty()) {
        QJsonObject metadata;
        for (auto pair = item.metadata.cbegin(); pair != item.metadata.cend(); ++pair)
            metadata.insert(pair.key(), pair.value());
        object.insert(QStringLiteral("metadata"), metadata);
    }
    if (!item.onTimeout.isEmpty())
        object.insert(
            QStringLiteral("lifecycle"),
            QJsonObject{{QStringLiteral("autoResume"), false},
                        {QStringLiteral("onTimeout"), QString::fromLatin1(item.onTimeout)}});
    return compact(object);
}

FleetServer::Answer FleetServer::error(int status, const QByteArray &message)
{
    return {status,
            compact({{QStringLiteral("code"), status},
                     {QStringLiteral("message"), QString::fromUtf8(message)}}),
            {}};
}

FleetServer::Answer FleetServer::serve(const Request &request)
{
    if (request.path == "/v2/sandboxes") {
        const qsizetype first = request.parameter("nextToken").toInt();
        QList<const Item *> listed;
        for (const Item &item : std::as_const(fleet)) {
            if (item.listed)
                listed.append(&item);
        }
        const qsizetype end = std::min(first + pageSize, listed.size());
        QByteArray body = "[";
        for (qsizetype i = first; i < end; ++i)
            body += (i > first ? "," : "") + json(*listed[i]);
        Answer answer{200, body + ']', {}};
        if (end < listed.size())
            answer.headers.emplaceBack("X-Next-Token", QByteArray::number(end));
        return answer;
    }
    if (request.path == "/sandboxes/metrics") {
        QJsonObject points;
        const QList<QByteArray> ids = request.parameter("sandbox_ids").split(',');
        for (const QByteArray &id : ids) {
            const QString name = QString::fromUtf8(id);
            if (cpu.contains(name))
                points.insert(name, QJsonObject{{QStringLiteral("timestampUnix"), 1'700'000'000},
                                                {QStringLiteral("cpuCount"), 2},
                                                {QStringLiteral("cpuUsedPct"), cpu[name]},
                                                {QStringLiteral("memUsed"), 1000},
                                                {QStringLiteral("memTotal"), 2000},
                                                {QStringLiteral("diskUsed"), 0},
                                                {QStringLiteral("diskTotal"), 0}});
        }
        return {200, compact({{QStringLiteral("sandboxes"), points}}), {}};
    }
    if (request.path == "/sandboxes" && request.method == "POST") {
        Item &item = add(QStringLiteral("inew%1").arg(fleet.size()));
        const QJsonObject answer{{QStringLiteral("sandboxID"), item.id},
                                 {QStringLiteral("templateID"), QStringLiteral("base")},
                                 {QStringLiteral("clientID"), QStringLiteral("6532622b")},
                                 {QStringLiteral("envdVersion"), QStringLiteral("0.4.3")}};
        return {201, compact(answer), {}};
    }
    const QList<QByteArray> parts = request.path.split('/');
    if (parts.size() < 3 || parts[1] != "sandboxes")
        return error(404);
    Item *item = find(QString::fromUtf8(parts[2]));
    if (!item)
        return error(404, "sandbox not found");
    const QByteArray verb = parts.value(3);
    if (request.method == "GET")
        return {200, json(*item), {}};
    if (request.method == "DELETE") {
        drop(item->id);
        return {204, {}, {}};
    }
    const int seconds =
        QJsonDocument::fromJson(request.body).object()[QLatin1String("timeout")].toInt();
    const QDateTime now = QDateTime::currentDateTimeUtc();
    if (verb == "pause") {
        if (item->paused)
            return error(409, "already paused");
        item->paused = true;
        item->endAt = now;
        return {204, {}, {}};
    }
    if (verb == "connect") {
        const bool woken = std::exchange(item->paused, false);
        if (woken)
            item->startedAt = now;
        item->endAt = woken ? now.addSecs(seconds) : std::max(item->endAt, now.addSecs(seconds));
        return {woken ? 201 : 200, json(*item), {}};
    }
    if (verb == "timeout") {
        if (item->paused)
            return error(404);
        item->endAt = now.addSecs(seconds);
        return {204, {}, {}};
    }
    return error(404);
}

void FleetServer::handle(HttpExchange &exchange)
{
    const HttpRequest &http = exchange.request();
    const Request request{http.method, http.path, http.query, http.body};
    log.append(QString::fromUtf8(request.line()));
    requests.append(request);
    std::optional<Answer> scripted = intercept ? intercept(request) : std::nullopt;
    const Answer answer = scripted ? *scripted : serve(request);
    if (answer.hold)
        m_held.append({&exchange, request, answer});
    else
        send(exchange, answer);
}

void FleetServer::release(bool fresh)
{
    const QList<Held> held = std::exchange(m_held, {});
    for (const Held &one : held) {
        if (one.exchange)
            send(*one.exchange, fresh ? serve(one.request) : one.answer);
    }
}

void FleetServer::send(HttpExchange &exchange, const Answer &answer)
{
    if (answer.cut)
        exchange.reset();
    else
        exchange.answer(answer.status, answer.body, "application/json", answer.headers);
}

} // namespace moru::test
