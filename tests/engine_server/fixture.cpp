// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine_server/fixture.h"

#include <QDeadlineTimer>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>
#include <QTest>
#include <QtEndian>

#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace moru::test {

namespace {

constexpr int Patience = 60000; // milliseconds; sanitizers are slow

} // namespace

QByteArray Answer::header(const QByteArray &name) const
{
    for (const auto &[key, value] : headers)
        if (key.compare(name, Qt::CaseInsensitive) == 0)
            return value;
    return {};
}

bool Answer::hasHeader(const QByteArray &name) const
{
    for (const auto &entry : headers)
        if (entry.first.compare(name, Qt::CaseInsensitive) == 0)
            return true;
    return false;
}

QJsonObject Answer::object() const
{
    return QJsonDocument::fromJson(body).object();
}

QJsonArray Answer::array() const
{
    return QJsonDocument::fromJson(body).array();
}

Wire::Wire(const QUrl &url)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<quint16>(url.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    m_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(m_fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
        ::close(m_fd);
        m_fd = -1;
    }
}

Wire::~Wire()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

bool Wire::send(const QByteArray &bytes)
{
    qsizetype sent = 0;
    while (sent < bytes.size()) {
        const ssize_t n = ::send(m_fd, bytes.constData() + sent,
                                 static_cast<size_t>(bytes.size() - sent), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += n;
    }
    return true;
}

bool Wire::fill(int milliseconds)
{
    pollfd wait{m_fd, POLLIN, 0};
    if (m_fd < 0 || ::poll(&wait, 1, milliseconds) <= 0)
        return false;
    std::array<char, 65536> part{};
    const ssize_t n = ::recv(m_fd, part.data(), part.size(), 0);
    if (n <= 0)
        return false;
    m_buffer.append(part.data(), n);
    return true;
}

QByteArray Wire::readSome(int milliseconds)
{
    if (m_buffer.isEmpty() && !fill(milliseconds))
        return {};
    return std::exchange(m_buffer, {});
}

bool Wire::closesWithin(int milliseconds)
{
    const QDeadlineTimer deadline(milliseconds);
    std::array<char, 65536> part{};
    while (!deadline.hasExpired()) {
        pollfd wait{m_fd, POLLIN, 0};
        if (::poll(&wait, 1, static_cast<int>(deadline.remainingTime())) <= 0)
            return false;
        if (::recv(m_fd, part.data(), part.size(), 0) <= 0)
            return true;
    }
    return false;
}

Answer Wire::receive(bool headOnly)
{
    Answer answer;
    qsizetype end = -1;
    while ((end = m_buffer.indexOf("\r\n\r\n")) < 0)
        if (!fill(Patience))
            return answer;
    const QList<QByteArray> lines = m_buffer.left(end).split('\n');
    m_buffer.remove(0, end + 4);
    answer.status = lines.first().mid(9, 3).toInt();
    for (qsizetype i = 1; i < lines.size(); ++i) {
        const QByteArray line = lines[i].trimmed();
        const qsizetype colon = line.indexOf(':');
        answer.headers.emplaceBack(line.left(colon), line.mid(colon + 1).trimmed());
    }
    if (headOnly || answer.status == 204)
        return answer;
    if (answer.header("Transfer-Encoding") == "chunked") {
        for (;;) {
            qsizetype line = -1;
            while ((line = m_buffer.indexOf("\r\n")) < 0)
                if (!fill(Patience))
                    return answer;
            const qsizetype size = m_buffer.left(line).toLongLong(nullptr, 16);
            while (m_buffer.size() < line + 2 + size + 2)
                if (!fill(Patience))
                    return answer;
            answer.body += m_buffer.mid(line + 2, size);
            m_buffer.remove(0, line + 2 + size + 2);
            if (size == 0)
                return answer;
        }
    }
    const qsizetype length = answer.header("Content-Length").toLongLong();
    while (m_buffer.size() < length)
        if (!fill(Patience))
            return answer;
    answer.body = m_buffer.left(length);
    m_buffer.remove(0, length);
    return answer;
}

QByteArray requestBytes(const QUrl &base, const QByteArray &method, const QByteArray &target,
                        const HeaderList &headers, const QByteArray &body)
{
    QByteArray bytes = method + ' ' + target + " HTTP/1.1\r\n";
    bool hosted = false;
    for (const auto &[name, value] : headers) {
        bytes += name + ": " + value + "\r\n";
        hosted = hosted || name == "Host";
    }
    if (!hosted)
        bytes += "Host: " + base.authority().toUtf8() + "\r\n";
    if (!body.isEmpty() || method == "POST")
        bytes += "Content-Length: " + QByteArray::number(body.size()) + "\r\n";
    return bytes + "\r\n" + body;
}

Answer ask(const QUrl &base, const QByteArray &method, const QByteArray &target,
           const HeaderList &headers, const QByteArray &body)
{
    Wire wire(base);
    if (!wire.isOpen() || !wire.send(requestBytes(base, method, target, headers, body)))
        return {};
    return wire.receive(method == "HEAD");
}

LocalEngine::LocalEngine()
    : m_dir(QStringLiteral("/var/tmp/moru-server-test-XXXXXX"))
{}

LocalEngine::~LocalEngine()
{
    // Sandboxes outlive a killed engine: stop ends what is left, reset deletes it.
    stop();
    if (m_process && m_process->state() != QProcess::NotRunning)
        killHard();
    const Finished gone = run({QStringLiteral("reset"), QStringLiteral("--yes")});
    if (gone.exitCode != 0)
        qCritical("reset failed: %s", gone.err.constData());
}

QString LocalEngine::program()
{
    return qEnvironmentVariable("MORU_BIN_DIR") + QStringLiteral("/moru-local");
}

QString LocalEngine::stateDir() const
{
    return m_dir.filePath(QStringLiteral("state"));
}

bool LocalEngine::start(const QStringList &more)
{
    m_process = std::make_unique<QProcess>();
    m_process->setStandardErrorFile(m_dir.filePath(QStringLiteral("log")), QIODevice::Append);
    m_process->start(program(), QStringList{QStringLiteral("serve"), QStringLiteral("--listen"),
                                            QStringLiteral("127.0.0.1:0"),
                                            QStringLiteral("--state-dir"), stateDir()}
                                    + more);
    while (!m_process->canReadLine())
        if (!m_process->waitForReadyRead(Patience)) {
            qWarning("moru-local did not start: %s", log().constData());
            return false;
        }
    m_ready = QJsonDocument::fromJson(m_process->readLine()).object();
    return !m_ready.isEmpty();
}

void LocalEngine::killHard()
{
    m_process->kill();
    m_process->waitForFinished(Patience);
}

Finished LocalEngine::stop()
{
    Finished done = run({QStringLiteral("stop")});
    if (m_process)
        m_process->waitForFinished(Patience);
    return done;
}

bool LocalEngine::clear()
{
    if (!m_process || !QFileInfo::exists(stateDir())) {
        m_process.reset();
        QFile::remove(m_dir.filePath(QStringLiteral("log")));
        return true; // nothing was begun, or reset took it
    }
    bool ok = m_process->state() != QProcess::NotRunning || start();
    const QJsonArray sandboxes = call("GET", "/v2/sandboxes").array();
    for (const auto &sandbox : sandboxes)
        ok = call("DELETE", "/sandboxes/" + idOf(sandbox.toObject())).status == 204 && ok;
    ok = stop().exitCode == 0 && ok;
    m_process.reset();
    QFile::remove(m_dir.filePath(QStringLiteral("log")));
    QFile::remove(stateDir() + QStringLiteral("/runs.jsonl"));
    return ok;
}

Finished LocalEngine::run(const QStringList &words, bool withStateDir) const
{
    QProcess process;
    QStringList arguments = words;
    if (withStateDir)
        arguments << QStringLiteral("--state-dir") << stateDir();
    process.start(program(), arguments);
    process.closeWriteChannel();
    if (!process.waitForFinished(Patience))
        return {};
    return {process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -2,
            process.readAllStandardOutput(), process.readAllStandardError()};
}

QUrl LocalEngine::api() const
{
    return QUrl(m_ready.value(QStringLiteral("apiUrl")).toString());
}

QUrl LocalEngine::data() const
{
    return QUrl(m_ready.value(QStringLiteral("sandboxUrl")).toString());
}

QByteArray LocalEngine::key() const
{
    QFile file(m_ready.value(QStringLiteral("keyFile")).toString());
    return file.open(QIODevice::ReadOnly) ? file.readAll().trimmed() : QByteArray();
}

QByteArray LocalEngine::log() const
{
    QFile file(m_dir.filePath(QStringLiteral("log")));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

Answer LocalEngine::call(const QByteArray &method, const QByteArray &target,
                         const QJsonObject &body, const HeaderList &more) const
{
    HeaderList headers{{"X-API-Key", key()}};
    headers += more;
    QByteArray text;
    if (!body.isEmpty()) {
        headers.emplaceBack("Content-Type", "application/json");
        text = QJsonDocument(body).toJson(QJsonDocument::Compact);
    }
    return ask(api(), method, target, headers, text);
}

QJsonObject LocalEngine::create(QJsonObject fields) const
{
    if (!fields.contains(QStringLiteral("templateID")))
        fields[QStringLiteral("templateID")] = QStringLiteral("base");
    if (!fields.contains(QStringLiteral("timeout")))
        fields[QStringLiteral("timeout")] = 600;
    const Answer answer = call("POST", "/sandboxes", fields);
    if (answer.status != 201) {
        QTest::qFail(
            ("create: " + QByteArray::number(answer.status) + ' ' + answer.body).constData(),
            __FILE__, __LINE__);
        return {};
    }
    return answer.object();
}

Answer LocalEngine::envd(const QJsonObject &sandbox, const QByteArray &method,
                         const QByteArray &target, const QByteArray &body,
                         const QByteArray &type) const
{
    HeaderList headers{{"Moru-Sandbox-Id", idOf(sandbox)},
                       {"Moru-Sandbox-Port", "49983"},
                       {"X-Access-Token", tokenOf(sandbox)}};
    if (!type.isEmpty())
        headers.emplaceBack("Content-Type", type);
    return ask(data(), method, target, headers, body);
}

QByteArray startFrame(const QString &command)
{
    const QJsonObject process{
        {QStringLiteral("cmd"), QStringLiteral("/bin/bash")},
        {QStringLiteral("args"), QJsonArray{QStringLiteral("-l"), QStringLiteral("-c"), command}}};
    const QByteArray text = QJsonDocument(QJsonObject{{QStringLiteral("process"), process},
                                                      {QStringLiteral("stdin"), false}})
                                .toJson(QJsonDocument::Compact);
    QByteArray frame(5, '\0');
    qToBigEndian(static_cast<quint32>(text.size()), frame.data() + 1);
    return frame + text;
}

std::pair<QByteArray, int> LocalEngine::command(const QJsonObject &sandbox,
                                                const QString &command) const
{
    const Answer answer = envd(sandbox, "POST", "/process.Process/Start", startFrame(command),
                               "application/connect+json");
    if (answer.status != 200)
        return {answer.body, -answer.status};
    QByteArray output;
    int code = -1;
    QByteArray rest = answer.body;
    while (rest.size() >= 5) {
        const auto size = static_cast<qsizetype>(qFromBigEndian<quint32>(rest.constData() + 1));
        const QJsonObject frame = QJsonDocument::fromJson(rest.mid(5, size)).object();
        rest.remove(0, 5 + size);
        const QJsonObject event = frame.value(QStringLiteral("event")).toObject();
        const QJsonObject data = event.value(QStringLiteral("data")).toObject();
        for (const auto &value : data)
            output += QByteArray::fromBase64(value.toString().toLatin1());
        if (event.contains(QStringLiteral("end")))
            code = event.value(QStringLiteral("end"))
                       .toObject()
                       .value(QStringLiteral("exitCode"))
                       .toInt();
    }
    return {output, code};
}

QString LocalEngine::state(const QJsonObject &sandbox) const
{
    const Answer answer = call("GET", "/sandboxes/" + idOf(sandbox));
    return answer.status == 200 ? answer.object().value(QStringLiteral("state")).toString()
                                : QString();
}

QByteArray idOf(const QJsonObject &sandbox)
{
    return sandbox.value(QStringLiteral("sandboxID")).toString().toLatin1();
}

QByteArray tokenOf(const QJsonObject &sandbox)
{
    return sandbox.value(QStringLiteral("envdAccessToken")).toString().toLatin1();
}

} // namespace moru::test
