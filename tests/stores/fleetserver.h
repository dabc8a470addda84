// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/support/httpserver.h"

#include <QDateTime>
#include <QList>
#include <QMap>
#include <QObject>
#include <QPointer>
#include <QStringList>

#include <functional>
#include <optional>

namespace moru::test {

/// A control plane with a fleet in memory, over real HTTP on loopback. Answers as the protocol says
/// unless `intercept` has something else in mind.
class FleetServer : public QObject {
    Q_OBJECT
public:
    struct Item {
        QString id;
        bool paused = false;
        bool listed = true; ///< false: GET finds it, lists do not
        QDateTime startedAt;
        QDateTime endAt;
        QMap<QString, QString> metadata;
        QByteArray onTimeout; ///< of "lifecycle"; empty = not told
    };
    struct Request {
        QByteArray method;
        QByteArray path; ///< without the query
        QByteArray query;
        QByteArray body;
        [[nodiscard]] QByteArray line() const { return method + ' ' + path; }
        [[nodiscard]] QByteArray parameter(const QByteArray &name) const;
    };
    struct Answer {
        int status = 200;
        QByteArray body;
        HttpHeaders headers;
        bool cut = false;  ///< close the connection instead of answering
        bool hold = false; ///< keep it until release()
    };

    FleetServer();

    [[nodiscard]] QUrl url() const { return m_url; }
    /// Closes port and connections; listen() opens the same port again.
    void shut();
    void listen();

    Item &add(const QString &id);
    [[nodiscard]] Item *find(const QString &id);
    void drop(const QString &id);
    static QByteArray json(const Item &item);
    static Answer error(int status, const QByteArray &message = "told so");
    /// What the server would answer by itself; carries the request out.
    Answer serve(const Request &request);

    /// Sends what is held: each with the answer it had then, or what is worked out now.
    void release(bool fresh = true);
    [[nodiscard]] int heldCount() const { return int(m_held.size()); }

    QList<Item> fleet;
    int pageSize = 100;
    QMap<QString, double> cpu; ///< metrics, by id
    std::function<std::optional<Answer>(const Request &)> intercept;
    QStringList log; ///< "GET /v2/sandboxes"
    QList<Request> requests;

private:
    struct Held {
        QPointer<HttpExchange> exchange;
        Request request;
        Answer answer;
    };
    void handle(HttpExchange &exchange);
    static void send(HttpExchange &exchange, const Answer &answer);

    HttpServer m_server;
    QUrl m_url;
    QList<Held> m_held;
};

} // namespace moru::test
