// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QStorageInfo>
#include <QTest>

#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using moru::engine::AgentConfig;

namespace {

constexpr int ConfigFd = 10;
constexpr int ListenFd = 11;

void write(const QString &path, const QByteArray &content)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        throw std::runtime_error("cannot write test file");
}

int listenOn(const std::string &path)
{
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0
        || ::listen(fd, 64) != 0)
        throw std::runtime_error("cannot listen");
    return fd;
}

/// In memory where there is room: the tests write much and nothing of it is worth a disk.
QString folderTemplate()
{
    const QStorageInfo memory(QStringLiteral("/dev/shm"));
    const bool fits =
        memory.isValid() && !memory.isReadOnly() && memory.bytesAvailable() > (1LL << 30);
    const QString base = fits ? QStringLiteral("/dev/shm") : QDir::tempPath();
    return base + QStringLiteral("/moru-agent-XXXXXX");
}

int runAgent()
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::string json;
    char part[4096];
    for (ssize_t n = 0; (n = ::read(ConfigFd, part, sizeof part)) > 0;)
        json.append(part, static_cast<std::size_t>(n));
    ::close(ConfigFd);
    return moru::engine::serveAgent(ListenFd, moru::engine::agentConfigFromJson(json));
}

} // namespace

AgentProcess::AgentProcess(const std::function<void(AgentConfig &)> &change)
    : m_folder(folderTemplate())
{
    const QString root = QString::fromStdString(this->root());
    for (const char *folder : {"/etc", "/home/user", "/root", "/tmp"})
        QDir().mkpath(root + QLatin1String(folder));
    const QByteArray uid = QByteArray::number(::getuid());
    const QByteArray gid = QByteArray::number(::getgid());
    // The tests stay who they are, so the files of "user" belong to whoever runs them.
    write(root + QStringLiteral("/etc/passwd"),
          "user:x:" + uid + ':' + gid + "::/home/user:/bin/sh\nother:x:4711:4712::/root:/bin/sh\n");
    write(root + QStringLiteral("/etc/group"), "user:x:" + gid + ":\n");

    AgentConfig config;
    config.sandboxId = "isandbox1";
    config.templateId = "base";
    config.userSwitch = moru::engine::UserSwitch::None;
    config.rootPrefix = this->root();
    if (change)
        change(config);
    const std::string json = moru::engine::toJson(config);

    const int listener = listenOn(socket());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error("pipe");
    m_pid = ::fork();
    if (m_pid == 0) {
        ::dup2(ends[0], ConfigFd);
        ::dup2(listener, ListenFd);
        // A sanitizer keeps freed memory for a while; the tests that measure want to see the
        // agent's own.
        ::setenv("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=4", 1);
        ::execl("/proc/self/exe", "agent", "--agent", nullptr);
        ::_exit(127);
    }
    ::close(ends[0]);
    ::close(listener);
    const ssize_t n = ::write(ends[1], json.data(), json.size());
    ::close(ends[1]);
    if (m_pid < 0 || n != static_cast<ssize_t>(json.size()))
        throw std::runtime_error("cannot start the agent");
}

AgentProcess::~AgentProcess()
{
    ::kill(m_pid, SIGKILL);
    ::waitpid(m_pid, nullptr, 0);
}

HttpReply AgentProcess::request(const std::string &method, const std::string &target,
                                const HttpConnection::Headers &headers,
                                const std::optional<std::string> &body) const
{
    HttpConnection connection(socket());
    connection.sendRequest(method, target, headers, body);
    connection.readHead();
    HttpReply reply;
    reply.status = connection.status();
    for (const char *name :
         {"content-type", "content-length", "content-range", "accept-ranges", "last-modified",
          "allow", "cache-control", "access-control-allow-origin", "access-control-allow-methods",
          "access-control-allow-headers", "access-control-max-age", "access-control-expose-headers",
          "accept-post", "date", "connection", "transfer-encoding", "x-content-type-options"})
        if (connection.hasHeader(name))
            reply.headers[name] = connection.header(name);
    if (method == "HEAD")
        connection.setNoBody();
    reply.body = connection.readBody();
    return reply;
}

QJsonObject AgentProcess::call(const std::string &method, const QJsonObject &message, int *status,
                               HttpConnection::Headers headers) const
{
    headers.emplace_back("Content-Type", "application/json");
    const std::string body = QJsonDocument(message).toJson(QJsonDocument::Compact).toStdString();
    const HttpReply reply = request("POST", "/" + method, headers, body);
    if (status)
        *status = reply.status;
    return QJsonDocument::fromJson(QByteArray::fromStdString(reply.body)).object();
}

QString AgentProcess::callError(const std::string &method, const QJsonObject &message) const
{
    int status = 0;
    const QJsonObject reply = call(method, message, &status);
    if (status == 200)
        return {};
    return reply.value(QStringLiteral("code")).toString();
}

StreamCall::StreamCall(const AgentProcess &agent, const std::string &method,
                       const QJsonObject &message, HttpConnection::Headers headers)
    : m_connection(std::make_unique<HttpConnection>(agent.socket()))
    , m_reader(*m_connection)
{
    headers.emplace_back("Content-Type", "application/connect+json");
    const std::string body =
        frame(QJsonDocument(message).toJson(QJsonDocument::Compact).toStdString());
    m_connection->sendRequest("POST", "/" + method, headers, body);
    m_connection->readHead();
}

QJsonObject StreamCall::next()
{
    const auto part = m_reader.next();
    if (!part)
        return {};
    const QJsonObject message =
        QJsonDocument::fromJson(QByteArray::fromStdString(part->payload)).object();
    if (part->flags == 2)
        return {{QStringLiteral("$end"), message}};
    return message;
}

QJsonObject StreamCall::nextEvent()
{
    for (;;) {
        const QJsonObject message = next();
        const QJsonObject event = message.value(QStringLiteral("event")).toObject();
        if (!event.contains(QStringLiteral("keepalive"))
            && !message.contains(QStringLiteral("keepalive")))
            return message;
    }
}

CommandResult collect(StreamCall &stream)
{
    CommandResult result;
    for (;;) {
        const QJsonObject message = stream.nextEvent();
        if (message.isEmpty())
            return result;
        if (message.contains(QStringLiteral("$end"))) {
            result.trailer = message.value(QStringLiteral("$end")).toObject();
            continue;
        }
        const QJsonObject event = message.value(QStringLiteral("event")).toObject();
        const auto bytes = [&](const QString &name) {
            return QByteArray::fromBase64(
                event.value(QStringLiteral("data")).toObject().value(name).toString().toLatin1());
        };
        if (event.contains(QStringLiteral("start")))
            result.pid = event.value(QStringLiteral("start"))
                             .toObject()
                             .value(QStringLiteral("pid"))
                             .toInt();
        result.out += bytes(QStringLiteral("stdout"));
        result.err += bytes(QStringLiteral("stderr"));
        result.pty += bytes(QStringLiteral("pty"));
        if (event.contains(QStringLiteral("end")))
            result.end = event.value(QStringLiteral("end")).toObject();
    }
}

QJsonObject shell(const QString &script)
{
    const QJsonArray arguments{QStringLiteral("-c"), script};
    const QJsonObject process{{QStringLiteral("cmd"), QStringLiteral("/bin/sh")},
                              {QStringLiteral("args"), arguments}};
    return {{QStringLiteral("process"), process}, {QStringLiteral("stdin"), false}};
}

int agentTestMain(int argc, char **argv, const std::function<std::unique_ptr<QObject>()> &make)
{
    if (argc > 1 && std::strcmp(argv[1], "--agent") == 0)
        return runAgent();
    QCoreApplication application(argc, argv);
    const auto test = make();
    return QTest::qExec(test.get(), argc, argv);
}
