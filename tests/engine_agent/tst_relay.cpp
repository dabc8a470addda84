// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include "app/engine/http/upstream.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace Qt::StringLiterals;
using namespace moru::engine;

namespace {

int listenOn(const std::string &path)
{
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0
        || ::listen(fd, 64) != 0)
        throw std::runtime_error("cannot listen");
    return fd;
}

/// A front server on a thread of its own that relays everything to one socket.
class Front {
public:
    explicit Front(const std::string &socket, const std::string &upstream, ServeLimits limits = {},
                   std::optional<PortRoute> route = {})
        : m_upstream(upstream)
        , m_route(std::move(route))
    {
        const int fd = listenOn(socket);
        const Handler handler = [this](Exchange &exchange) { return answer(this, exchange); };
        auto listener = serveListener(fd, handler, limits);
        asio::co_spawn(m_context, std::move(listener), asio::detached);
        m_thread = std::thread([this] { m_context.run(); });
    }
    ~Front()
    {
        m_context.stop();
        m_thread.join();
    }
    Front(const Front &) = delete;
    Front &operator=(const Front &) = delete;

    [[nodiscard]] int lastResult() const { return m_last; }
    SmallReply small(SmallRequest request)
    {
        SmallReply reply;
        std::atomic<bool> done = false;
        auto call = smallRequest(m_upstream, std::move(request));
        asio::co_spawn(m_context, std::move(call),
                       [&](const std::exception_ptr &, SmallReply value) {
                           reply = std::move(value);
                           done = true;
                       });
        while (!done)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return reply;
    }

private:
    static asio::awaitable<void> answer(Front *self, Exchange &exchange)
    {
        std::filesystem::path upstream = self->m_upstream;
        RelayResult result = RelayResult::NoAnswer;
        if (self->m_route) {
            PortRoute route = *self->m_route;
            result = co_await relayToPort(exchange, std::move(upstream), std::move(route));
        } else {
            result = co_await relay(exchange, std::move(upstream));
        }
        self->m_last = static_cast<int>(result);
        if (!exchange.answered()) {
            Headers none;
            co_await respondError(exchange, 502, "upstream", std::move(none));
        }
    }

    std::string m_upstream;
    std::optional<PortRoute> m_route;
    asio::io_context m_context{1};
    std::atomic<int> m_last = -1;
    std::thread m_thread;
};

/// Accepts one connection after the other and answers each with fixed bytes, whatever was asked.
class Scripted {
public:
    Scripted(const std::string &socket, std::string answer)
        : m_answer(std::move(answer))
    {
        m_fd = listenOn(socket);
        m_thread = std::thread([this] {
            while (!m_stop) {
                const int fd = ::accept4(m_fd, nullptr, nullptr, SOCK_CLOEXEC);
                if (fd < 0) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(2));
                    continue;
                }
                char request[8192];
                std::string seen;
                while (seen.find("\r\n\r\n") == std::string::npos) {
                    const ssize_t n = ::read(fd, request, sizeof request);
                    if (n <= 0)
                        break;
                    seen.append(request, static_cast<std::size_t>(n));
                }
                m_seen = seen;
                ::send(fd, m_answer.data(), m_answer.size(), MSG_NOSIGNAL);
                ::close(fd);
            }
        });
    }
    ~Scripted()
    {
        m_stop = true;
        m_thread.join();
        ::close(m_fd);
    }
    Scripted(const Scripted &) = delete;
    Scripted &operator=(const Scripted &) = delete;
    [[nodiscard]] const std::string &seen() const { return m_seen; } ///< after an answer was read

private:
    std::string m_answer;
    std::string m_seen;
    int m_fd = -1;
    std::atomic<bool> m_stop = false;
    std::thread m_thread;
};

} // namespace

class TestRelay : public QObject {
    Q_OBJECT

private:
    [[nodiscard]] std::string path(const char *name) const
    {
        return m_folder.filePath(QString::fromLatin1(name)).toStdString();
    }

private slots:
    void init() { QVERIFY(m_folder.isValid()); }
    void cleanup()
    {
        for (const char *name : {"front", "back"})
            QFile::remove(m_folder.filePath(QString::fromLatin1(name)));
    }

    void smallCallsPass()
    {
        const AgentProcess agent;
        const Front front(path("front"), agent.socket());
        HttpConnection connection(path("front"));
        for (int i = 0; i < 3; ++i) { // the client's connection stays, upstream's does not
            connection.sendRequest("POST", "/process.Process/List",
                                   {{"Content-Type", "application/json"}}, "{}");
            connection.readHead();
            QCOMPARE(connection.status(), 200);
            QCOMPARE(connection.header("content-length"), std::string("2"));
            QVERIFY(!connection.hasHeader("connection"));
            QCOMPARE(connection.readBody(), std::string("{}"));
        }
        connection.sendRequest("GET", "/health", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 204);
        connection.sendRequest("HEAD", "/nothing", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 404);
        connection.setNoBody();
        connection.sendRequest("GET", "/envs", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        QVERIFY(connection.readBody().starts_with('{'));
    }

    void streamsArriveAsTheyHappen()
    {
        const AgentProcess agent;
        const Front front(path("front"), agent.socket());
        HttpConnection connection(path("front"));
        const std::string body =
            frame(QJsonDocument(shell(u"echo first; read x < gate; echo second"_qs))
                      .toJson()
                      .toStdString());
        const std::string gate = agent.home() + "/gate";
        QCOMPARE(::mkfifo(gate.c_str(), 0600), 0);
        connection.sendRequest("POST", "/process.Process/Start",
                               {{"Content-Type", "application/connect+json"}}, body);
        connection.readHead();
        QCOMPARE(connection.header("transfer-encoding"), std::string("chunked"));
        FrameReader reader(connection);
        QVERIFY(reader.next()->payload.find("start") != std::string::npos);
        QVERIFY(reader.next()->payload.find("Zmlyc3QK") != std::string::npos);
        QFile writer(QString::fromStdString(gate)); // only now may it go on
        QVERIFY(writer.open(QIODevice::WriteOnly));
        writer.write("go\n");
        writer.close();
        QVERIFY(reader.next()->payload.find("c2Vjb25kCg") != std::string::npos);
        QVERIFY(reader.next()->payload.find("exited") != std::string::npos);
        QCOMPARE(reader.next()->flags, 2);
        QVERIFY(!reader.next());
        QTRY_COMPARE(front.lastResult(), static_cast<int>(RelayResult::Done));
    }

    void leavingClientClosesUpstreamAtOnce()
    {
        const AgentProcess agent;
        const Front front(path("front"), agent.socket());
        {
            HttpConnection connection(path("front"));
            connection.sendRequest("POST", "/filesystem.Filesystem/WatchDir",
                                   {{"Content-Type", "application/connect+json"}},
                                   frame("{\"path\":\"~\"}"));
            connection.readHead();
            FrameReader reader(connection);
            QVERIFY(reader.next()->payload.find("start") != std::string::npos);
        }
        QTRY_COMPARE(front.lastResult(), static_cast<int>(RelayResult::ClientGone));
        // The agent notices, too: its connection and its inotify instance go away.
        const QString fds = QStringLiteral("/proc/%1/fd").arg(agent.pid());
        const auto watching = [&] {
            const QStringList entries =
                QDir(fds).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot);
            return std::any_of(entries.begin(), entries.end(), [&](const QString &entry) {
                return QFile::symLinkTarget(fds + '/'_L1 + entry).contains(u"inotify"_qs);
            });
        };
        QTRY_VERIFY(!watching());
    }

    void largeBodiesFlowBothWays()
    {
        const AgentProcess agent;
        const Front front(path("front"), agent.socket());
        constexpr std::size_t Size = 32U << 20U;
        const std::string head = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
        const std::string tail = "\r\n--B--\r\n";
        std::string content(Size, '\0');
        for (std::size_t i = 0; i < Size; ++i)
            content[i] = static_cast<char>(i % 251);
        for (const bool chunked : {false, true}) {
            HttpConnection connection(path("front"));
            std::string request =
                "POST /files?path=big HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                "Content-Type: multipart/form-data; boundary=B\r\n";
            const std::size_t total = head.size() + Size + tail.size();
            request += chunked ? "Transfer-Encoding: chunked\r\n\r\n"
                               : "Content-Length: " + std::to_string(total) + "\r\n\r\n";
            connection.send(request);
            connection.readHead();
            QCOMPARE(connection.status(), 100);
            const std::string body = head + content + tail;
            if (chunked) {
                char size[32];
                std::snprintf(size, sizeof size, "%zx\r\n", body.size());
                connection.send(size + body + "\r\n0\r\n\r\n");
            } else {
                connection.send(body);
            }
            connection.readHead();
            QCOMPARE(connection.status(), 200);
            connection.readBody();
            connection.sendRequest("GET", "/files?path=big", {}, std::nullopt);
            connection.readHead();
            QCOMPARE(connection.header("content-length"), std::to_string(Size));
            QVERIFY(connection.readBody() == content);
        }
    }

    void earlyAnswerWinsOverTheBody()
    {
        const AgentProcess agent([](auto &config) { config.accessToken = "t"; });
        const Front front(path("front"), agent.socket());
        HttpConnection connection(path("front"));
        connection.send(
            "POST /files?path=x HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n");
        const std::string block(1 << 20, 'x');
        for (int i = 0; i < 4; ++i)
            connection.send(block);
        connection.readHead();
        QCOMPARE(connection.status(), 401);
        QTRY_COMPARE(front.lastResult(), static_cast<int>(RelayResult::Done));
    }

    void missingUpstreamIsRefused()
    {
        const Front front(path("front"), path("nobody"));
        HttpConnection connection(path("front"));
        connection.sendRequest("GET", "/", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 502);
        QCOMPARE(front.lastResult(), static_cast<int>(RelayResult::Refused));
    }

    void portsNeedTheTokenAndAListener()
    {
        const AgentProcess agent([](auto &config) { config.accessToken = "t"; });
        // A port that was free a moment ago.
        const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        QCOMPARE(::bind(taken, reinterpret_cast<sockaddr *>(&address), size), 0);
        QCOMPARE(::getsockname(taken, reinterpret_cast<sockaddr *>(&address), &size), 0);
        PortRoute route;
        route.port = ntohs(address.sin_port);
        for (const auto &[token, result] :
             {std::pair("t", RelayResult::PortClosed), std::pair("x", RelayResult::NoAnswer)}) {
            route.agentToken = token;
            const Front front(path("front"), agent.socket(), {}, route);
            HttpConnection connection(path("front"));
            connection.sendRequest("GET", "/", {}, std::nullopt);
            connection.readHead();
            QCOMPARE(connection.status(), 502);
            QCOMPARE(front.lastResult(), static_cast<int>(result));
            QFile::remove(m_folder.filePath(u"front"_qs));
        }
        ::close(taken);
    }

    void aReaderThatStandsStillIsLeft()
    {
        const AgentProcess agent;
        QFile large(QString::fromStdString(agent.home() + "/large"));
        QVERIFY(large.open(QIODevice::WriteOnly) && large.resize(64 << 20));
        ServeLimits limits;
        limits.stallSeconds = 1;
        const Front front(path("front"), agent.socket(), limits);
        HttpConnection connection(path("front"));
        connection.sendRequest("GET", "/files?path=large", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        // Nothing is read from here on.
        QTRY_COMPARE_WITH_TIMEOUT(front.lastResult(), static_cast<int>(RelayResult::ClientGone),
                                  30000);
    }

    void theIdleGiveWay()
    {
        const AgentProcess agent;
        ServeLimits limits;
        limits.connections = 2;
        const Front front(path("front"), agent.socket(), limits);
        const auto health = [](HttpConnection &connection) {
            connection.sendRequest("GET", "/health", {}, std::nullopt);
            connection.readHead();
            return connection.status();
        };
        HttpConnection first(path("front"));
        QCOMPARE(health(first), 204);
        HttpConnection second(path("front"));
        QCOMPARE(health(second), 204);
        HttpConnection third(path("front"));
        QCOMPARE(health(third), 204);
        QVERIFY(first.closedByPeer());
        QCOMPARE(health(second), 204);
        QCOMPARE(health(third), 204);
    }

    void whoNeverAsksIsNotWaitedForLong()
    {
        const AgentProcess agent;
        ServeLimits limits;
        limits.headerSeconds = 1;
        const Front front(path("front"), agent.socket(), limits);
        HttpConnection silent(path("front"));
        HttpConnection slow(path("front"));
        slow.send("GET /health HTTP/1.1\r\nHo");
        QVERIFY(silent.closedByPeer());
        QVERIFY(slow.closedByPeer());
        // Having asked once earns patience.
        HttpConnection known(path("front"));
        known.sendRequest("GET", "/health", {}, std::nullopt);
        known.readHead();
        HttpConnection later(path("front"));
        QVERIFY(later.closedByPeer());
        known.sendRequest("GET", "/health", {}, std::nullopt);
        known.readHead();
        QCOMPARE(known.status(), 204);
    }

    void hopByHopHeadersStay()
    {
        Scripted back(
            path("back"),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nConnection: X-Private\r\n"
            "X-Private: 1\r\nKeep-Alive: 5\r\nX-Public: 2\r\nContent-Length: 2\r\n\r\nok");
        const Front front(path("front"), path("back"));
        HttpConnection connection(path("front"));
        connection.sendRequest("GET", "/a?b=c",
                               {{"Connection", "keep-alive, X-Mine"},
                                {"X-Mine", "1"},
                                {"TE", "trailers"},
                                {"Upgrade", "h2c"},
                                {"X-Other", "2"}},
                               std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        QCOMPARE(connection.readBody(), std::string("ok"));
        QVERIFY(!connection.hasHeader("x-private"));
        QVERIFY(!connection.hasHeader("keep-alive"));
        QCOMPARE(connection.header("x-public"), std::string("2"));
        const std::string seen = back.seen();
        QVERIFY(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"));
        QVERIFY(seen.find("X-Other: 2\r\n") != std::string::npos);
        for (const char *name : {"X-Mine", "TE:", "Upgrade", "keep-alive"})
            QVERIFY2(seen.find(name) == std::string::npos, name);
    }

    void hostileUpstreamsAreContained_data()
    {
        QTest::addColumn<QByteArray>("answer");
        QTest::addColumn<int>("status");
        QTest::addColumn<int>("result");
        const int noAnswer = static_cast<int>(RelayResult::NoAnswer);
        const int truncated = static_cast<int>(RelayResult::Truncated);
        QTest::newRow("nothing") << QByteArray() << 502 << noAnswer;
        QTest::newRow("nonsense") << QByteArray("hello\r\n\r\n") << 502 << noAnswer;
        QTest::newRow("upgrade") << QByteArray("HTTP/1.1 101 X\r\n\r\n") << 502 << noAnswer;
        QTest::newRow("endless interim")
            << QByteArray("HTTP/1.1 102 X\r\n\r\n").repeated(50) << 502 << noAnswer;
        QTest::newRow("huge head") << "HTTP/1.1 200 X\r\nX: " + QByteArray(200000, 'x') + "\r\n\r\n"
                                   << 502 << noAnswer;
        QTest::newRow("cut") << QByteArray("HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nabc") << 200
                             << truncated;
        QTest::newRow("cut chunks")
            << QByteArray("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") << 200
            << truncated;
    }
    void hostileUpstreamsAreContained()
    {
        QFETCH(QByteArray, answer);
        QFETCH(int, status);
        QFETCH(int, result);
        Scripted back(path("back"), answer.toStdString());
        Front front(path("front"), path("back"));
        {
            HttpConnection connection(path("front"));
            connection.sendRequest("GET", "/", {}, std::nullopt);
            connection.readHead();
            QCOMPARE(connection.status(), status);
            if (result == static_cast<int>(RelayResult::Truncated))
                QVERIFY_THROWS_EXCEPTION(std::runtime_error, connection.readBody());
        }
        QTRY_COMPARE(front.lastResult(), result);
        const SmallReply reply = front.small({});
        QCOMPARE(reply.status, 0);
        QVERIFY(!reply.error.empty());
    }

    void smallRequestHasLimits()
    {
        Scripted back(path("back"),
                      "HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
        Front front(path("front"), path("back"));
        SmallRequest request;
        QCOMPARE(front.small(request).body.size(), std::size_t(1000));
        request.maxReplyBytes = 999;
        const SmallReply large = front.small(request);
        QCOMPARE(large.status, 0);
        QCOMPARE(large.error, std::string("answer too large"));
    }

    void smallRequestHasATimeLimit()
    {
        // Listens, but never answers.
        const int fd = listenOn(path("back"));
        Front front(path("front"), path("back"));
        SmallRequest request;
        request.seconds = 1;
        const SmallReply reply = front.small(request);
        QCOMPARE(reply.status, 0);
        QCOMPARE(reply.error, std::string("no answer in time"));
        ::close(fd);
    }

    void smallRequestTalksToTheAgent()
    {
        const AgentProcess agent([](auto &config) { config.accessToken = "t"; });
        Front front(path("front"), agent.socket());
        SmallRequest request;
        request.target = "/metrics";
        request.headers = {{"X-Access-Token", "t"}};
        const SmallReply metrics = front.small(request);
        QCOMPARE(metrics.status, 200);
        QVERIFY(metrics.body.find("cpu_count") != std::string::npos);
        request.method = "POST";
        request.target = "/init";
        request.body = "{}";
        QCOMPARE(front.small(request).status, 204);
    }

private:
    QTemporaryDir m_folder;
};

int main(int argc, char **argv)
{
    return agentTestMain(argc, argv, [] { return std::make_unique<TestRelay>(); });
}

#include "tst_relay.moc"
