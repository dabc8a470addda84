// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/httpserver.h"

#include <QSslCertificate>
#include <QSslConfiguration>
#include <QSslKey>
#include <QSslServer>
#include <QTcpServer>
#include <QTcpSocket>
#include <QTimer>

#include <algorithm>

namespace moru::test {

namespace {

constexpr qint64 PatternWindow = 256LL << 10U;

QByteArray reason(int status)
{
    return status < 300 ? "OK" : "Answer";
}

} // namespace

/// One connection: cuts requests out of the bytes and lets the server answer them in turn.
class HttpPeer : public QObject {
public:
    HttpPeer(HttpServer &server, QTcpSocket *socket)
        : QObject(&server)
        , m_server(server)
        , m_socket(socket)
    {
        socket->setParent(this);
        // Bounded, so that a peer's upload is only taken as fast as it is read here.
        socket->setReadBufferSize(1 << 20);
        connect(socket, &QTcpSocket::readyRead, this, [this] { read(); });
        connect(socket, &QTcpSocket::disconnected, this, [this] {
            if (m_exchange)
                emit m_exchange->peerLeft();
            deleteLater();
        });
        read();
    }

    void read()
    {
        while (!m_exchange && (m_inBody ? readBody() : readHead())) {
        }
    }

private:
    bool readHead()
    {
        m_head += m_socket->readAll();
        const qsizetype end = m_head.indexOf("\r\n\r\n");
        if (end < 0)
            return false;
        m_rest = m_head.mid(end + 4);
        const QList<QByteArray> lines = m_head.left(end).split('\n');
        m_head.clear();
        m_request = {};
        const QList<QByteArray> words = lines.value(0).trimmed().split(' ');
        m_request.method = words.value(0);
        m_request.target = words.value(1);
        const qsizetype mark = m_request.target.indexOf('?');
        m_request.path = m_request.target.left(mark < 0 ? m_request.target.size() : mark);
        m_request.query = mark < 0 ? QByteArray() : m_request.target.mid(mark + 1);
        for (const QByteArray &line : lines.mid(1)) {
            const qsizetype colon = line.indexOf(':');
            m_request.headers.insert(line.left(colon).trimmed().toLower(),
                                     line.mid(colon + 1).trimmed());
        }
        m_left = m_request.header("content-length").toLongLong();
        m_inBody = true;
        return true;
    }

    bool readBody()
    {
        if (m_left > 0 && m_server.m_paused)
            return false;
        while (m_left > 0) {
            QByteArray part = m_rest.isEmpty()
                                  ? m_socket->read(std::min(m_left, m_socket->bytesAvailable()))
                                  : m_rest.left(m_left);
            m_rest.remove(0, std::min(part.size(), m_rest.size()));
            if (part.isEmpty())
                return false;
            m_left -= part.size();
            m_request.bodySize += part.size();
            if (m_server.m_keepBodies)
                m_request.body += part;
        }
        m_inBody = false;
        m_head = std::exchange(m_rest, {});
        m_exchange = new HttpExchange(m_request, m_socket, [this] {
            if (HttpExchange *ended = std::exchange(m_exchange, nullptr))
                ended->deleteLater();
            QTimer::singleShot(0, this, [this] { read(); });
        });
        m_exchange->setParent(this);
        m_server.dispatch(*m_exchange);
        return true;
    }

    HttpServer &m_server;
    QTcpSocket *m_socket;
    QPointer<HttpExchange> m_exchange;
    HttpRequest m_request;
    QByteArray m_head;
    QByteArray m_rest;
    qint64 m_left = 0;
    bool m_inBody = false;
};

HttpExchange::HttpExchange(HttpRequest request, QTcpSocket *socket, std::function<void()> over)
    : m_request(std::move(request))
    , m_socket(socket)
    , m_over(std::move(over))
{}

void HttpExchange::head(int status, const QByteArray &type, const HttpHeaders &headers,
                        const QByteArray &framing)
{
    QByteArray out =
        "HTTP/1.1 " + QByteArray::number(status) + ' ' + reason(status) + "\r\n" + framing;
    if (!type.isEmpty())
        out += "Content-Type: " + type + "\r\n";
    for (const auto &[name, value] : headers)
        out += name + ": " + value + "\r\n";
    raw(out + "\r\n");
}

void HttpExchange::answer(int status, const QByteArray &body, const QByteArray &type,
                          const HttpHeaders &headers)
{
    head(status, type, headers, "Content-Length: " + QByteArray::number(body.size()) + "\r\n");
    raw(body);
    m_over();
}

void HttpExchange::begin(int status, const QByteArray &type, const HttpHeaders &headers)
{
    head(status, type, headers, "Transfer-Encoding: chunked\r\n");
}

void HttpExchange::send(const QByteArray &bytes)
{
    if (!bytes.isEmpty())
        raw(QByteArray::number(bytes.size(), 16) + "\r\n" + bytes + "\r\n");
}

void HttpExchange::end()
{
    raw("0\r\n\r\n");
    m_over();
}

void HttpExchange::sendPattern(qint64 size, const HttpHeaders &headers)
{
    head(200, "application/octet-stream", headers,
         "Content-Length: " + QByteArray::number(size) + "\r\n");
    m_patternSize = size;
    connect(m_socket, &QTcpSocket::bytesWritten, this, [this] { pumpPattern(); });
    pumpPattern();
}

void HttpExchange::pumpPattern()
{
    while (m_socket && m_patternSent < m_patternSize && m_socket->bytesToWrite() < PatternWindow) {
        QByteArray part(std::min<qint64>(64 << 10, m_patternSize - m_patternSent),
                        Qt::Uninitialized);
        for (qsizetype i = 0; i < part.size(); ++i)
            part[i] = char((m_patternSent + i) % 251);
        m_socket->write(part);
        m_patternSent += part.size();
        emit patternProgress(m_patternSent);
    }
    if (m_patternSent == m_patternSize && std::exchange(m_patternSize, -1) >= 0)
        m_over();
}

void HttpExchange::raw(const QByteArray &bytes)
{
    if (m_socket)
        m_socket->write(bytes);
}

void HttpExchange::cut()
{
    if (m_socket)
        m_socket->disconnectFromHost();
}

void HttpExchange::reset()
{
    if (m_socket)
        m_socket->abort();
}

qint64 HttpExchange::pending() const
{
    return m_socket ? m_socket->bytesToWrite() : 0;
}

HttpServer::HttpServer(QObject *parent)
    : QObject(parent)
{}

HttpServer::~HttpServer()
{
    stop();
}

bool HttpServer::listen(quint16 port)
{
    m_server = new QTcpServer(this);
    connect(m_server, &QTcpServer::pendingConnectionAvailable, this, [this] { accept(); });
    return m_server->listen(QHostAddress::LocalHost, port);
}

bool HttpServer::listenTls(const QSslCertificate &certificate, const QSslKey &key)
{
    auto *server = new QSslServer(this);
    QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
    configuration.setLocalCertificate(certificate);
    configuration.setPrivateKey(key);
    configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
    server->setSslConfiguration(configuration);
    m_server = server;
    m_tls = true;
    connect(m_server, &QTcpServer::pendingConnectionAvailable, this, [this] { accept(); });
    return m_server->listen(QHostAddress::LocalHost);
}

void HttpServer::accept()
{
    while (QTcpSocket *socket = m_server->nextPendingConnection()) {
        m_connectionsSeen += 1;
        m_peers.append(new HttpPeer(*this, socket));
    }
}

void HttpServer::stop()
{
    if (m_server) {
        m_server->close();
        m_server->deleteLater();
        m_server = nullptr;
    }
    const auto peers = std::exchange(m_peers, {});
    for (const QPointer<QObject> &peer : peers)
        delete peer.data();
}

QUrl HttpServer::url() const
{
    QUrl url;
    url.setScheme(m_tls ? QStringLiteral("https") : QStringLiteral("http"));
    url.setHost(QStringLiteral("127.0.0.1"));
    url.setPort(port());
    return url;
}

quint16 HttpServer::port() const
{
    return m_server ? m_server->serverPort() : quint16(0);
}

void HttpServer::on(const QByteArray &method, const QByteArray &path, Handler handler)
{
    m_routes.push_back({method, path, std::move(handler)});
}

void HttpServer::on(const QByteArray &method, const QByteArray &path, int status,
                    const QByteArray &body, const HttpHeaders &headers)
{
    on(method, path, [status, body, headers](HttpExchange &exchange) {
        exchange.answer(status, body, "application/json", headers);
    });
}

void HttpServer::setReadingPaused(bool paused)
{
    m_paused = paused;
    if (paused)
        return;
    for (const QPointer<QObject> &peer : std::as_const(m_peers)) {
        if (peer)
            static_cast<HttpPeer *>(peer.data())->read();
    }
}

int HttpServer::count(const QByteArray &method, const QByteArray &path) const
{
    return int(
        std::count_if(m_requests.cbegin(), m_requests.cend(), [&](const HttpRequest &request) {
            return request.method == method && request.path == path;
        }));
}

HttpRequest HttpServer::last(const QByteArray &path) const
{
    for (auto it = m_requests.crbegin(); it != m_requests.crend(); ++it) {
        if (it->path == path)
            return *it;
    }
    return {};
}

int HttpServer::openConnections() const
{
    return int(std::count_if(m_peers.cbegin(), m_peers.cend(),
                             [](const QPointer<QObject> &peer) { return !peer.isNull(); }));
}

void HttpServer::dispatch(HttpExchange &exchange)
{
    const HttpRequest request = exchange.request();
    m_requests.append(request);
    const auto matches = [&request](const Route &route) {
        const bool prefix = route.path.endsWith('*');
        return route.method == request.method
               && (prefix ? request.path.startsWith(route.path.chopped(1))
                          : request.path == route.path);
    };
    const auto route = std::find_if(m_routes.rbegin(), m_routes.rend(), matches);
    if (route != m_routes.rend()) {
        const Handler handler = route->handler; // it may add routes
        handler(exchange);
    } else {
        exchange.answer(404, R"({"code":404,"message":"no such route"})");
    }
    emit requested(request.method, request.path);
}

} // namespace moru::test
