// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QList>
#include <QMap>
#include <QObject>
#include <QPointer>
#include <QUrl>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

class QSslCertificate;
class QSslKey;
class QTcpServer;
class QTcpSocket;

namespace moru::test {

struct HttpRequest {
    QByteArray method;
    QByteArray target; ///< as sent, with the query
    QByteArray path;
    QByteArray query;
    QMap<QByteArray, QByteArray> headers; ///< names in lower case
    QByteArray body;                      ///< empty when the server does not keep bodies
    qint64 bodySize = 0;
    [[nodiscard]] QByteArray header(const QByteArray &lowerName) const
    {
        return headers.value(lowerName);
    }
};

using HttpHeaders = QList<std::pair<QByteArray, QByteArray>>;

/// One request under way; the handler answers now or keeps a QPointer and answers later. Gone when
/// the peer has left or the answer is complete.
class HttpExchange : public QObject {
    Q_OBJECT
public:
    [[nodiscard]] const HttpRequest &request() const { return m_request; }

    /// A whole answer. JSON unless `type` says otherwise.
    void answer(int status, const QByteArray &body = {},
                const QByteArray &type = "application/json", const HttpHeaders &headers = {});
    /// The head of an answer whose body follows by send() and end(), in HTTP chunks.
    void begin(int status, const QByteArray &type, const HttpHeaders &headers = {});
    void send(const QByteArray &bytes);
    void end();
    /// Head with Content-Length, then `size` bytes made as the peer takes them (value: position %
    /// 251).
    void sendPattern(qint64 size, const HttpHeaders &headers = {});
    /// Bytes as they are, for answers that are not HTTP.
    void raw(const QByteArray &bytes);
    /// Closes the connection after what was written.
    void cut();
    /// Closes the connection at once with a reset.
    void reset();
    /// Bytes written that the peer's kernel has not taken yet.
    [[nodiscard]] qint64 pending() const;

signals:
    void peerLeft();
    void patternProgress(qint64 written);

private:
    friend class HttpPeer;
    explicit HttpExchange(HttpRequest request, QTcpSocket *socket, std::function<void()> over);
    void head(int status, const QByteArray &type, const HttpHeaders &headers,
              const QByteArray &framing);
    void pumpPattern();

    HttpRequest m_request;
    QPointer<QTcpSocket> m_socket;
    std::function<void()> m_over;
    qint64 m_patternSize = 0;
    qint64 m_patternSent = 0;
};

/// HTTP/1.1 on loopback in the test's own thread and event loop: keep-alive, request bodies of any
/// size, answers by handler. An unhandled path is answered with 404 and a JSON error body.
class HttpServer : public QObject {
    Q_OBJECT
public:
    using Handler = std::function<void(HttpExchange &)>;

    explicit HttpServer(QObject *parent = nullptr);
    ~HttpServer() override;

    /// Listens; with certificate and key it speaks TLS.
    bool listen(quint16 port = 0);
    bool listenTls(const QSslCertificate &certificate, const QSslKey &key);
    void stop(); ///< closes the listener and all connections
    [[nodiscard]] QUrl url() const;
    [[nodiscard]] quint16 port() const;

    /// The newest handler whose method and path match wins; a path that ends in '*' is a prefix.
    void on(const QByteArray &method, const QByteArray &path, Handler handler);
    /// A fixed answer.
    void on(const QByteArray &method, const QByteArray &path, int status, const QByteArray &body,
            const HttpHeaders &headers = {});

    /// Large uploads are only counted when off.
    void setKeepBodies(bool keep) { m_keepBodies = keep; }
    /// Requests are read no further than their head while on, so that the peer's writes block.
    void setReadingPaused(bool paused);

    [[nodiscard]] const QList<HttpRequest> &requests() const { return m_requests; }
    [[nodiscard]] int count(const QByteArray &method, const QByteArray &path) const;
    [[nodiscard]] HttpRequest last(const QByteArray &path) const;
    [[nodiscard]] int openConnections() const;
    [[nodiscard]] int connectionsSeen() const { return m_connectionsSeen; }

signals:
    void requested(const QByteArray &method, const QByteArray &path);

private:
    friend class HttpPeer;
    struct Route {
        QByteArray method;
        QByteArray path;
        Handler handler;
    };
    void dispatch(HttpExchange &exchange);
    void accept();

    QTcpServer *m_server = nullptr;
    std::vector<Route> m_routes;
    QList<HttpRequest> m_requests;
    QList<QPointer<QObject>> m_peers;
    bool m_keepBodies = true;
    bool m_paused = false;
    bool m_tls = false;
    int m_connectionsSeen = 0;
};

} // namespace moru::test
