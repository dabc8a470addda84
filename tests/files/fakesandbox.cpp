// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/files/fakesandbox.h"

#include "app/wire/frame.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QUrlQuery>

#include <cerrno>
#include <cstdio>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moru::test {

namespace {

QByteArray error(const char *code, const char *message)
{
    return QByteArray("{\"code\":\"") + code + "\",\"message\":\"" + message + "\"}";
}

QByteArray httpError(int code, const char *message)
{
    return "{\"code\":" + QByteArray::number(code) + ",\"message\":\"" + message + "\"}";
}

QByteArray frame(const google::protobuf::MessageLite &message)
{
    std::string out;
    wire::appendFrame(out, 0, message.SerializeAsString());
    return QByteArray::fromStdString(out);
}

QByteArray endFrame()
{
    std::string out;
    wire::appendFrame(out, wire::FrameEndOfStream, "{}");
    return QByteArray::fromStdString(out);
}

constexpr auto kStream = "application/connect+proto";

std::string text(const QString &s)
{
    return s.toStdString();
}

std::string permissionsOf(mode_t mode)
{
    std::string result = S_ISLNK(mode) ? "L" : S_ISDIR(mode) ? "d" : "-";
    for (int bit = 8; bit >= 0; --bit)
        result += (mode >> unsigned(bit) & 1U) != 0 ? "xwr"[bit % 3] : '-';
    return result;
}

} // namespace

FakeProcess::FakeProcess(HttpExchange &exchange, process::StartRequest request, bool attached)
    : QObject(&exchange)
    , m_exchange(&exchange)
    , m_request(std::move(request))
    , m_attached(attached)
{
    exchange.begin(200, kStream);
}

QString FakeProcess::script() const
{
    const auto &args = m_request.process().args();
    return args.empty() ? QString() : QString::fromStdString(args[args.size() - 1]);
}

void FakeProcess::send(const process::ProcessEvent &event)
{
    if (!m_exchange)
        return;
    process::StartResponse response;
    *response.mutable_event() = event;
    m_exchange->send(frame(response));
}

void FakeProcess::finish(const process::ProcessEvent &event)
{
    send(event);
    if (!m_exchange)
        return;
    m_exchange->send(endFrame());
    m_exchange->end();
}

void FakeProcess::started(quint32 pid)
{
    process::ProcessEvent event;
    event.mutable_start()->set_pid(pid);
    send(event);
}

void FakeProcess::out(const QByteArray &bytes)
{
    process::ProcessEvent event;
    event.mutable_data()->set_stdout(bytes.toStdString());
    send(event);
}

void FakeProcess::err(const QByteArray &bytes)
{
    process::ProcessEvent event;
    event.mutable_data()->set_stderr(bytes.toStdString());
    send(event);
}

void FakeProcess::pty(const QByteArray &bytes)
{
    process::ProcessEvent event;
    event.mutable_data()->set_pty(bytes.toStdString());
    send(event);
}

void FakeProcess::exit(int code)
{
    process::ProcessEvent event;
    event.mutable_end()->set_exit_code(code);
    event.mutable_end()->set_exited(true);
    event.mutable_end()->set_status("exit status " + std::to_string(code));
    finish(event);
}

void FakeProcess::killed(const char *signal)
{
    process::ProcessEvent event;
    event.mutable_end()->set_exit_code(-1);
    event.mutable_end()->set_status(std::string("signal: ") + signal);
    finish(event);
}

void FakeProcess::cut()
{
    if (m_exchange)
        m_exchange->reset();
}

qint64 FakeProcess::pending() const
{
    return m_exchange ? m_exchange->pending() : 0;
}

FakeSandbox::FakeSandbox(QObject *parent)
    : QObject(parent)
{
    QDir(m_root.path()).mkpath(QStringLiteral("home/user"));
    m_server.listen();
    m_server.on("GET", "/sandboxes/*", 200,
                QByteArray("{\"sandboxID\":\"") + id
                    + "\",\"templateID\":\"base\",\"clientID\":\"c\",\"startedAt\":\"2026-01-01T00:"
                      "00:00Z\","
                      "\"endAt\":\"2099-01-01T00:00:00Z\",\"state\":\"running\",\"cpuCount\":2,"
                      "\"memoryMB\":512,"
                      "\"diskSizeMB\":1024,\"envdVersion\":\"0.4.3\",\"envdAccessToken\":\"t\"}");
    m_server.on("POST", "/filesystem.Filesystem/*",
                [this](HttpExchange &exchange) { rpc(exchange); });
    m_server.on("POST", "/process.Process/*", [this](HttpExchange &exchange) { rpc(exchange); });
    m_server.on("GET", "/files", [this](HttpExchange &exchange) { download(exchange); });
    m_server.on("POST", "/files", [this](HttpExchange &exchange) { upload(exchange); });
    ConnectionSpec spec;
    spec.id = QStringLiteral("test");
    spec.name = QStringLiteral("Test");
    spec.endpoint = Endpoint{m_server.url(), m_server.url(), QStringLiteral("localhost")};
    m_connection = std::make_unique<Connection>(spec);
    m_connection->transport().setApiKey(QStringLiteral("k"));
}

void FakeSandbox::write(const QString &path, const QByteArray &content, int mode)
{
    QDir().mkpath(QFileInfo(local(path)).path());
    QFile file(local(path));
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        qFatal("cannot write %s", qPrintable(local(path)));
    file.close();
    ::chmod(QFile::encodeName(local(path)).constData(), mode_t(mode));
}

QByteArray FakeSandbox::read(const QString &path) const
{
    QFile file(local(path));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    const QByteArray content = file.readAll();
    return content.isNull() ? QByteArray("") : content;
}

int FakeSandbox::mode(const QString &path) const
{
    struct stat info = {};
    return ::stat(QFile::encodeName(local(path)).constData(), &info) == 0
               ? int(info.st_mode & 07777U)
               : -1;
}

QStringList FakeSandbox::names(const QString &folder) const
{
    return QDir(local(folder))
        .entryList(QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot,
                   QDir::Name);
}

void FakeSandbox::setOwner(const QString &path, const QString &owner, const QString &group)
{
    m_owners.insert(path, {owner, group});
}

QString FakeSandbox::owner(const QString &path) const
{
    return m_owners.value(path, {QStringLiteral("user"), QStringLiteral("user")}).first;
}

void FakeSandbox::age(const QString &path, int seconds)
{
    QFile file(local(path));
    if (!file.open(QIODevice::ReadWrite))
        qFatal("cannot open %s", qPrintable(local(path)));
    file.setFileTime(QDateTime::currentDateTimeUtc().addSecs(-seconds),
                     QFileDevice::FileModificationTime);
}

void FakeSandbox::failNext(const QByteArray &what, int status, const QByteArray &body)
{
    m_failures.insert(what, {status, body});
}

bool FakeSandbox::intercepted(const QByteArray &what, HttpExchange &exchange)
{
    ++m_counts[what];
    if (m_failures.contains(what)) {
        const auto [status, body] = m_failures.take(what);
        exchange.answer(status, body);
        return true;
    }
    return m_intercept && m_intercept(what, exchange);
}

QString FakeSandbox::resolved(const std::string &path) const
{
    const QString p = QString::fromStdString(path);
    if (p.isEmpty() || p == QLatin1String("~"))
        return QStringLiteral("/home/user");
    if (p.startsWith(QLatin1String("~/")))
        return QStringLiteral("/home/user") + p.mid(1);
    return p.startsWith(u'/') ? p : QStringLiteral("/home/user/") + p;
}

bool FakeSandbox::fill(filesystem::EntryInfo &info, const QString &path) const
{
    struct stat link = {};
    const QByteArray real = QFile::encodeName(local(path));
    if (::lstat(real.constData(), &link) != 0)
        return false;
    struct stat target = link;
    const bool isLink = S_ISLNK(link.st_mode);
    const bool broken = isLink && ::stat(real.constData(), &target) != 0;
    info.set_name(text(path.mid(path.lastIndexOf(u'/') + 1)));
    info.set_path(text(path));
    if (!broken && S_ISREG(target.st_mode))
        info.set_type(filesystem::FILE_TYPE_FILE);
    else if (!broken && S_ISDIR(target.st_mode))
        info.set_type(filesystem::FILE_TYPE_DIRECTORY);
    info.set_size(link.st_size);
    info.set_mode(target.st_mode & 0777U);
    info.set_permissions(permissionsOf(link.st_mode));
    const auto owner = m_owners.value(path, {QStringLiteral("user"), QStringLiteral("user")});
    info.set_owner(text(owner.first));
    info.set_group(text(owner.second));
    info.mutable_modified_time()->set_seconds(link.st_mtim.tv_sec);
    info.mutable_modified_time()->set_nanos(int(link.st_mtim.tv_nsec));
    if (isLink && !broken) {
        QString to = QFileInfo(local(path)).canonicalFilePath();
        const QString root = QFileInfo(m_root.path()).canonicalFilePath();
        if (to.startsWith(root))
            to.remove(0, root.size());
        info.set_symlink_target(text(to));
    }
    return true;
}

void FakeSandbox::rpc(HttpExchange &exchange)
{
    const QByteArray method =
        exchange.request().path.mid(exchange.request().path.lastIndexOf('/') + 1);
    if (intercepted(method, exchange))
        return;
    const QByteArray &body = exchange.request().body;
    const auto parse = [&](auto &message) {
        message.ParseFromArray(body.constData(), int(body.size()));
    };
    const auto reply = [&](const google::protobuf::MessageLite &message) {
        exchange.answer(200, QByteArray::fromStdString(message.SerializeAsString()),
                        "application/proto");
    };
    const auto payload = [&] { return body.mid(qsizetype(wire::FrameHeaderSize)); };
    const auto real = [&](const QString &path) { return QFile::encodeName(local(path)); };

    if (method == "Stat") {
        filesystem::StatRequest request;
        parse(request);
        filesystem::StatResponse response;
        if (!fill(*response.mutable_entry(), resolved(request.path())))
            exchange.answer(404, error("not_found", "file not found"));
        else
            reply(response);
    } else if (method == "ListDir") {
        filesystem::ListDirRequest request;
        parse(request);
        const QString folder = resolved(request.path());
        DIR *dir = ::opendir(real(folder).constData());
        if (!dir) {
            if (errno == ENOTDIR)
                exchange.answer(400, error("invalid_argument", "path is not a directory"));
            else
                exchange.answer(404, error("not_found", "not found"));
            return;
        }
        filesystem::ListDirResponse response;
        while (const dirent *entry = ::readdir(dir)) {
            const QByteArray name(entry->d_name);
            if (name == "." || name == "..")
                continue;
            // What is no UTF-8 becomes U+FFFD, as on the wire.
            const QString shown = QString::fromUtf8(name);
            auto *info = response.add_entries();
            if (!fill(*info, folder + QLatin1Char('/') + shown)) {
                info->set_name(text(shown));
                info->set_type(filesystem::FILE_TYPE_FILE);
                info->set_path(text(folder + QLatin1Char('/') + shown));
            }
        }
        ::closedir(dir);
        reply(response);
    } else if (method == "MakeDir") {
        filesystem::MakeDirRequest request;
        parse(request);
        const QString path = resolved(request.path());
        if (QFileInfo(local(path)).isDir()) {
            exchange.answer(409, error("already_exists", "directory already exists"));
            return;
        }
        QDir().mkpath(local(path));
        filesystem::MakeDirResponse response;
        fill(*response.mutable_entry(), path);
        reply(response);
    } else if (method == "Move") {
        filesystem::MoveRequest request;
        parse(request);
        const QString from = resolved(request.source());
        const QString to = resolved(request.destination());
        if (std::rename(real(from).constData(), real(to).constData()) != 0) {
            exchange.answer(errno == ENOENT ? 404 : 500,
                            errno == ENOENT ? error("not_found", "source file not found")
                                            : error("internal", "rename failed"));
            return;
        }
        m_owners.remove(to);
        if (m_owners.contains(from))
            m_owners.insert(to, m_owners.take(from));
        filesystem::MoveResponse response;
        fill(*response.mutable_entry(), to);
        reply(response);
    } else if (method == "Remove") {
        filesystem::RemoveRequest request;
        parse(request);
        const QString path = local(resolved(request.path()));
        if (QFileInfo(path).isDir() && !QFileInfo(path).isSymLink())
            QDir(path).removeRecursively();
        else
            QFile::remove(path);
        reply(filesystem::RemoveResponse());
    } else if (method == "WatchDir") {
        filesystem::WatchDirRequest request;
        request.ParseFromString(payload().toStdString());
        watch(exchange, request.path());
    } else if (method == "Start") {
        process::StartRequest request;
        request.ParseFromString(payload().toStdString());
        startProcess(exchange, request);
    } else if (method == "Connect") {
        process::ConnectRequest request;
        request.ParseFromString(payload().toStdString());
        auto *process = new FakeProcess(exchange, {}, true);
        process->started(request.process().pid());
        if (onStart)
            onStart(*process);
    } else if (method == "List") {
        process::ListResponse response;
        for (const auto &info : std::as_const(processes))
            *response.add_processes() = info;
        reply(response);
    } else if (method == "SendSignal") {
        process::SendSignalRequest request;
        parse(request);
        const quint32 pid = request.process().pid();
        bool known = false;
        for (const auto &info : std::as_const(processes))
            known = known || info.pid() == pid;
        if (!known) {
            exchange.answer(404, error("not_found", "not found"));
            return;
        }
        reply(process::SendSignalResponse());
        if (onSignal)
            onSignal(pid, int(request.signal()));
    } else {
        exchange.answer(404, error("unimplemented", "no such call"));
    }
}

void FakeSandbox::watch(HttpExchange &exchange, const std::string &path)
{
    if (m_watchRefused) {
        exchange.answer(400, error("invalid_argument", "network file system"));
        return;
    }
    exchange.begin(200, kStream);
    filesystem::WatchDirResponse response;
    response.mutable_start();
    exchange.send(frame(response));
    m_watches.append({resolved(path), &exchange});
}

int FakeSandbox::watchCount() const
{
    int count = 0;
    for (const auto &[folder, exchange] : m_watches)
        count += exchange ? 1 : 0;
    return count;
}

void FakeSandbox::notify(const QString &folder, const QString &name, filesystem::EventType type)
{
    filesystem::WatchDirResponse response;
    response.mutable_filesystem()->set_name(text(name));
    response.mutable_filesystem()->set_type(type);
    for (const auto &[watched, exchange] : std::as_const(m_watches)) {
        if (exchange && watched == folder)
            exchange->send(frame(response));
    }
}

void FakeSandbox::startProcess(HttpExchange &exchange, const process::StartRequest &request)
{
    auto *process = new FakeProcess(exchange, request, false);
    const auto &args = request.process().args();
    if (args.size() == 6 && QByteArray::fromStdString(args[1]).contains("chmod")) {
        process->started(7);
        if (!attributesCanBeSet) {
            process->exit(1);
            return;
        }
        const QString path = QString::fromStdString(args[5]);
        const QStringList owner = QString::fromStdString(args[3]).split(u':');
        m_owners.insert(path, {owner.value(0), owner.value(1)});
        ::chmod(QFile::encodeName(local(path)).constData(),
                mode_t(QByteArray::fromStdString(args[4]).toUInt(nullptr, 8)));
        process->exit(0);
        return;
    }
    if (onStart)
        onStart(*process);
    else
        process->cut();
}

void FakeSandbox::download(HttpExchange &exchange)
{
    if (intercepted("GET /files", exchange))
        return;
    const QString path = resolved(QUrlQuery(QString::fromLatin1(exchange.request().query))
                                      .queryItemValue(QStringLiteral("path"), QUrl::FullyDecoded)
                                      .toStdString());
    const QByteArray content = read(path);
    if (content.isNull())
        exchange.answer(404, httpError(404, "file not found"));
    else
        exchange.answer(200, content, "application/octet-stream");
}

void FakeSandbox::upload(HttpExchange &exchange)
{
    if (intercepted("POST /files", exchange))
        return;
    const HttpRequest &request = exchange.request();
    const QString path = resolved(QUrlQuery(QString::fromLatin1(request.query))
                                      .queryItemValue(QStringLiteral("path"), QUrl::FullyDecoded)
                                      .toStdString());
    const QByteArray type = request.header("content-type");
    QByteArray boundary = type.mid(type.indexOf("boundary=") + 9);
    if (boundary.startsWith('"'))
        boundary = boundary.mid(1, boundary.size() - 2);
    const qsizetype begin = request.body.indexOf("\r\n\r\n") + 4;
    const qsizetype end = request.body.lastIndexOf("\r\n--" + boundary);
    if (begin < 4 || end < begin) {
        exchange.answer(400, httpError(400, "no multipart body"));
        return;
    }
    write(path, request.body.mid(begin, end - begin));
    exchange.answer(200, "[{\"path\":\"" + path.toUtf8() + "\",\"name\":\"x\",\"type\":\"file\"}]");
}

} // namespace moru::test
