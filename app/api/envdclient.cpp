// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/envdclient.h"

#include "app/api/envdclient_p.h"
#include "app/api/multipartbody.h"
#include "app/api/streams_p.h"
#include "app/wire/messages.h"

#include <QBuffer>
#include <QTimeZone>
#include <QTimer>

#include <algorithm>

namespace moru {

namespace {

constexpr int EnvdPort = 49983;

const QString PausedMessage = QStringLiteral("The sandbox is paused");
const QString PausingMessage = QStringLiteral("The sandbox is being paused");

QString toQString(const std::string &text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

FileEntry toEntry(const filesystem::EntryInfo &info)
{
    FileEntry entry;
    entry.name = toQString(info.name());
    entry.path = toQString(info.path());
    switch (info.type()) {
    case filesystem::FILE_TYPE_FILE:
        entry.type = FileType::File;
        break;
    case filesystem::FILE_TYPE_DIRECTORY:
        entry.type = FileType::Directory;
        break;
    default:
        entry.type = FileType::Other;
        break;
    }
    entry.size = info.size();
    entry.mode = info.mode();
    entry.permissions = toQString(info.permissions());
    entry.owner = toQString(info.owner());
    entry.group = toQString(info.group());
    if (info.has_modified_time()) {
        entry.modified = QDateTime::fromMSecsSinceEpoch(
            info.modified_time().seconds() * 1000 + info.modified_time().nanos() / 1'000'000,
            QTimeZone::utc());
    }
    entry.symlinkTarget = toQString(info.symlink_target());
    // A broken link has no target, only the mark in its permissions.
    entry.isSymlink = info.has_symlink_target() || info.permissions().starts_with('L')
                      || info.type() == filesystem::FILE_TYPE_SYMLINK;
    return entry;
}

template <typename Response> Result<FileEntry> entryOf(const Response &response)
{
    if (!response.has_entry())
        return failure(Error::Kind::Protocol,
                       QStringLiteral("The sandbox's answer describes no file"));
    return toEntry(response.entry());
}

/// An id may become part of a host name.
bool isHostLabel(const QString &id)
{
    return !id.isEmpty() && std::all_of(id.cbegin(), id.cend(), [](QChar c) {
        return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z') || (c >= u'0' && c <= u'9')
               || c == u'-' || c == u'_';
    });
}

std::string toStd(const QString &text)
{
    return text.toStdString();
}

} // namespace

void EnvdTraffic::begin(EnvdClient *envd, QObject *context)
{
    client = envd;
    envd->d->withTarget(context, [this](const Result<> &ready) {
        if (over)
            return;
        if (ready)
            connectNow();
        else
            end(ready.error());
    });
}

void EnvdClient::Private::withTarget(QObject *context, std::function<void(const Result<> &)> ready)
{
    if (holds > 0) {
        QTimer::singleShot(0, context, [ready = std::move(ready)] {
            ready(failure(Error::Kind::Conflict, PausingMessage));
        });
        return;
    }
    if (target) {
        ready({});
        return;
    }
    waiters.append({context, std::move(ready)});
    if (std::exchange(lookingUp, true))
        return;
    control.getSandbox(id, q, [this](const Result<SandboxDetail> &detail) { lookedUp(detail); });
}

void EnvdClient::Private::lookedUp(const Result<SandboxDetail> &detail)
{
    lookingUp = false;
    Result<> outcome;
    if (!detail)
        outcome = tl::unexpected<Error>(detail.error());
    else if (detail->sandbox.state == SandboxState::Paused)
        outcome = failure(Error::Kind::Conflict, PausedMessage);
    else if (holds > 0)
        outcome = failure(Error::Kind::Conflict, PausingMessage);
    else if (!isHostLabel(id))
        outcome = failure(Error::Kind::Invalid, QStringLiteral("This is not a sandbox ID"));
    else
        q->adopt(*detail);
    const QPointer<EnvdClient> self(q);
    const auto told = std::exchange(waiters, {});
    for (const Waiter &waiter : told) {
        if (waiter.context)
            waiter.ready(outcome);
        if (!self)
            return;
    }
}

void EnvdClient::Private::learnFrom(const Error &error)
{
    if (error.kind == Error::Kind::Unauthorized
        || (error.kind == Error::Kind::NotFound && error.httpStatus == 502))
        target.reset();
}

QNetworkRequest EnvdClient::Private::request(const QByteArray &path) const
{
    const Endpoint &endpoint = transport.endpoint();
    const bool shared = !endpoint.sandboxUrl.isEmpty();
    QByteArray base;
    if (shared) {
        base = endpoint.sandboxUrl.toEncoded(QUrl::RemovePath | QUrl::RemoveQuery
                                             | QUrl::RemoveFragment);
    } else {
        const QString &domain = target->domain.isEmpty() ? endpoint.domain : target->domain;
        base = QStringLiteral("https://%1-%2.%3").arg(EnvdPort).arg(id, domain).toUtf8();
    }
    QNetworkRequest request(QUrl::fromEncoded(base + path, QUrl::StrictMode));
    const QByteArray port = QByteArray::number(EnvdPort);
    request.setRawHeader("Moru-Sandbox-Id", id.toLatin1());
    request.setRawHeader("Moru-Sandbox-Port", port);
    if (shared) {
        request.setRawHeader("E2b-Sandbox-Id", id.toLatin1());
        request.setRawHeader("E2b-Sandbox-Port", port);
    }
    if (!target->token.isEmpty())
        request.setRawHeader("X-Access-Token", target->token);
    return request;
}

QNetworkRequest EnvdClient::Private::rpcRequest(const char *method, const char *contentType,
                                                const QString &user) const
{
    QNetworkRequest result = request(QByteArrayLiteral("/") + method);
    result.setRawHeader("Content-Type", contentType);
    result.setRawHeader("Connect-Protocol-Version", "1");
    if (!user.isEmpty())
        result.setRawHeader("Authorization", "Basic " + (user.toUtf8() + ':').toBase64());
    return result;
}

QByteArray EnvdClient::Private::filesPath(const QString &path)
{
    return "/files?path=" + path.toUtf8().toPercentEncoding();
}

EnvdClient::EnvdClient(Transport &transport, ControlClient &control, QString sandboxId,
                       QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this, transport, control, std::move(sandboxId)))
{}

EnvdClient::~EnvdClient()
{
    const Error gone{Error::Kind::Canceled, 0, QStringLiteral("The connection was closed"), {}, -1};
    const auto streams = d->streams + d->transfers;
    for (EnvdTraffic *traffic : streams)
        traffic->abandon();
    for (const Private::Waiter &waiter : std::as_const(d->waiters)) {
        if (waiter.context) {
            QMetaObject::invokeMethod(
                waiter.context,
                [ready = waiter.ready, gone] { ready(tl::unexpected<Error>(gone)); },
                Qt::QueuedConnection);
        }
    }
}

const QString &EnvdClient::sandboxId() const
{
    return d->id;
}

void EnvdClient::adopt(const SandboxDetail &detail)
{
    if (detail.sandbox.state == SandboxState::Paused || !isHostLabel(d->id))
        return;
    d->target = Private::Target{detail.accessToken.toUtf8(), detail.domain};
}

ProcessStream *EnvdClient::start(const ProcessSpec &spec, QObject *parent)
{
    process::StartRequest request;
    auto &config = *request.mutable_process();
    config.set_cmd(toStd(spec.cmd));
    for (const QString &arg : spec.args)
        config.add_args(toStd(arg));
    for (auto it = spec.envs.cbegin(); it != spec.envs.cend(); ++it)
        (*config.mutable_envs())[toStd(it.key())] = toStd(it.value());
    if (!spec.cwd.isEmpty())
        config.set_cwd(toStd(spec.cwd));
    if (!spec.tag.isEmpty())
        request.set_tag(toStd(spec.tag));
    if (spec.pty) {
        // A PTY without a size is 0 x 0, and no TERM comes from the server.
        request.mutable_pty()->mutable_size()->set_cols(quint32(std::max(1, spec.cols)));
        request.mutable_pty()->mutable_size()->set_rows(quint32(std::max(1, spec.rows)));
        if (!spec.envs.contains(QStringLiteral("TERM")))
            (*config.mutable_envs())["TERM"] = "xterm-256color";
    } else {
        request.set_stdin(spec.stdinOpen);
    }

    auto p = std::make_unique<ProcessStream::Private>();
    p->input = spec.pty ? ProcessStream::Private::InputKind::Pty
                        : ProcessStream::Private::InputKind::Stdin;
    p->method = "process.Process/Start";
    p->user = spec.user;
    p->timeoutMs = spec.timeoutSeconds > 0 ? spec.timeoutSeconds * 1000LL : 0;
    p->message = request.SerializeAsString();
    auto *stream = new ProcessStream(std::move(p), parent);
    stream->d->open(this);
    return stream;
}

ProcessStream *EnvdClient::attach(quint32 pid, QObject *parent)
{
    process::ConnectRequest request;
    request.mutable_process()->set_pid(pid);
    auto p = std::make_unique<ProcessStream::Private>();
    p->method = "process.Process/Connect";
    p->message = request.SerializeAsString();
    auto *stream = new ProcessStream(std::move(p), parent);
    stream->d->open(this);
    return stream;
}

Call EnvdClient::listProcesses(QObject *context, Done<QList<ProcessInfo>> done)
{
    const auto convert = [](const process::ListResponse &response) -> Result<QList<ProcessInfo>> {
        QList<ProcessInfo> result;
        result.reserve(response.processes_size());
        for (const auto &process : response.processes()) {
            ProcessInfo info;
            info.pid = process.pid();
            info.tag = toQString(process.tag());
            info.cmd = toQString(process.config().cmd());
            for (const auto &arg : process.config().args())
                info.args.append(toQString(arg));
            for (const auto &[name, value] : process.config().envs())
                info.envs.insert(toQString(name), toQString(value));
            info.cwd = toQString(process.config().cwd());
            result.append(std::move(info));
        }
        // The server's order is random; a view wants a stable one.
        std::sort(result.begin(), result.end(),
                  [](const ProcessInfo &a, const ProcessInfo &b) { return a.pid < b.pid; });
        return result;
    };
    return d->rpc<process::ListResponse>("process.Process/List", process::ListRequest(),
                                         Transport::Retry::Reads, context, convert,
                                         std::move(done));
}

Call EnvdClient::signalProcess(quint32 pid, Signal signal, QObject *context, Done<bool> done)
{
    process::SendSignalRequest request;
    request.mutable_process()->set_pid(pid);
    request.set_signal(signal == Signal::Kill ? process::SIGNAL_SIGKILL : process::SIGNAL_SIGTERM);
    const Done<bool> wrapped = [done = std::move(done)](const Result<bool> &result) {
        // 404 says that the process is gone; the proxy's 502 that the sandbox is.
        if (!result && result.error().kind == Error::Kind::NotFound
            && result.error().httpStatus == 404)
            done(false);
        else
            done(result);
    };
    return d->rpc<process::SendSignalResponse>(
        "process.Process/SendSignal", request, Transport::Retry::Never, context,
        [](const process::SendSignalResponse &) { return Result<bool>(true); }, wrapped);
}

Call EnvdClient::run(const QString &command, int timeoutSeconds, qint64 cap, QObject *context,
                     Done<CommandOutput> done)
{
    ProcessSpec spec;
    spec.args = {QStringLiteral("-l"), QStringLiteral("-c"), command};
    spec.timeoutSeconds = timeoutSeconds;
    auto *stream = start(spec, this);
    auto output = std::make_shared<CommandOutput>();
    const auto collect = [output, cap](QByteArray &to, const QByteArray &bytes) {
        const qint64 room = std::max<qint64>(0, cap - to.size());
        to += bytes.left(room);
        output->truncated = output->truncated || bytes.size() > room;
    };
    connect(stream, &ProcessStream::stdoutData, stream,
            [output, collect](const QByteArray &bytes) { collect(output->out, bytes); });
    connect(stream, &ProcessStream::stderrData, stream,
            [output, collect](const QByteArray &bytes) { collect(output->err, bytes); });
    // The stream goes with the context, the context may go within done().
    connect(context, &QObject::destroyed, stream, [stream] {
        stream->detach();
        stream->deleteLater();
    });
    const QPointer<QObject> alive(context);
    connect(stream, &ProcessStream::finished, stream,
            [stream, output, alive, done](const ProcessEnd &end) {
                output->end = end;
                stream->deleteLater();
                if (alive)
                    done(std::move(*output));
            });
    connect(stream, &ProcessStream::failed, stream, [stream, alive, done](const Error &error) {
        stream->deleteLater();
        if (alive)
            done(tl::unexpected<Error>(error));
    });
    return Call([guard = QPointer<ProcessStream>(stream)] {
        if (guard) {
            guard->detach();
            guard->deleteLater();
        }
    });
}

Call EnvdClient::stat(const QString &path, QObject *context, Done<FileEntry> done)
{
    filesystem::StatRequest request;
    request.set_path(toStd(path));
    return d->rpc<filesystem::StatResponse>("filesystem.Filesystem/Stat", request,
                                            Transport::Retry::Reads, context,
                                            entryOf<filesystem::StatResponse>, std::move(done));
}

Call EnvdClient::listDir(const QString &path, QObject *context, Done<QList<FileEntry>> done)
{
    filesystem::ListDirRequest request;
    request.set_path(toStd(path));
    request.set_depth(1);
    const auto convert =
        [](const filesystem::ListDirResponse &response) -> Result<QList<FileEntry>> {
        QList<FileEntry> result;
        result.reserve(response.entries_size());
        for (const auto &entry : response.entries())
            result.append(toEntry(entry));
        return result;
    };
    return d->rpc<filesystem::ListDirResponse, QList<FileEntry>, true>(
        "filesystem.Filesystem/ListDir", request, Transport::Retry::Reads, context, convert,
        std::move(done));
}

Call EnvdClient::makeDir(const QString &path, QObject *context, Done<FileEntry> done)
{
    filesystem::MakeDirRequest request;
    request.set_path(toStd(path));
    return d->rpc<filesystem::MakeDirResponse>(
        "filesystem.Filesystem/MakeDir", request, Transport::Retry::Never, context,
        entryOf<filesystem::MakeDirResponse>, std::move(done));
}

Call EnvdClient::move(const QString &from, const QString &to, QObject *context,
                      Done<FileEntry> done)
{
    filesystem::MoveRequest request;
    request.set_source(toStd(from));
    request.set_destination(toStd(to));
    return d->rpc<filesystem::MoveResponse>("filesystem.Filesystem/Move", request,
                                            Transport::Retry::Never, context,
                                            entryOf<filesystem::MoveResponse>, std::move(done));
}

Call EnvdClient::remove(const QString &path, QObject *context, Done<> done)
{
    filesystem::RemoveRequest request;
    request.set_path(toStd(path));
    return d->rpc<filesystem::RemoveResponse>(
        "filesystem.Filesystem/Remove", request, Transport::Retry::Never, context,
        [](const filesystem::RemoveResponse &) { return Result<>(); }, std::move(done));
}

DirWatch *EnvdClient::watch(const QString &path, bool recursive, QObject *parent)
{
    filesystem::WatchDirRequest request;
    request.set_path(toStd(path));
    request.set_recursive(recursive);
    auto p = std::make_unique<DirWatch::Private>();
    p->message = request.SerializeAsString();
    auto *watch = new DirWatch(std::move(p), parent);
    watch->d->open(this);
    return watch;
}

Transfer *EnvdClient::download(const QString &path, QIODevice *target, QObject *parent)
{
    auto p = std::make_unique<Transfer::Private>();
    p->path = path;
    p->target = target;
    auto *transfer = new Transfer(std::move(p), parent);
    transfer->d->open(this);
    return transfer;
}

Transfer *EnvdClient::upload(const QString &path, QIODevice *source, QObject *parent)
{
    auto p = std::make_unique<Transfer::Private>();
    p->path = path;
    p->source = source;
    auto *transfer = new Transfer(std::move(p), parent);
    transfer->d->open(this);
    return transfer;
}

Call EnvdClient::readFile(const QString &path, qint64 cap, QObject *context, Done<QByteArray> done)
{
    auto p = std::make_unique<Transfer::Private>();
    auto *buffer = new QBuffer;
    buffer->open(QIODevice::WriteOnly);
    p->path = path;
    p->target = buffer;
    p->maxBytes = cap;
    auto *transfer = new Transfer(std::move(p), this);
    buffer->setParent(transfer);
    transfer->d->open(this);
    connect(context, &QObject::destroyed, transfer, &QObject::deleteLater);
    const QPointer<QObject> alive(context);
    auto dropped = std::make_shared<bool>(false);
    connect(transfer, &Transfer::finished, transfer,
            [transfer, buffer, alive, dropped, done = std::move(done)](const Result<> &result) {
                transfer->deleteLater();
                if (!alive || *dropped)
                    return;
                if (result)
                    done(buffer->data());
                else
                    done(tl::unexpected<Error>(result.error()));
            });
    return Call([guard = QPointer<Transfer>(transfer), dropped] {
        *dropped = true;
        if (guard)
            guard->deleteLater();
    });
}

Call EnvdClient::writeFile(const QString &path, const QByteArray &bytes, QObject *context,
                           Done<> done)
{
    auto flight = std::make_shared<Private::Flight>();
    QByteArray content = bytes;
    QBuffer source(&content);
    source.open(QIODevice::ReadOnly);
    MultipartBody multipart(&source, path.section(u'/', -1));
    const QByteArray body = multipart.readAll();
    const QByteArray type = multipart.contentType();
    const QPointer<EnvdClient> client(this);
    const auto finish = [client, done](const Result<Transport::Reply> &reply) {
        if (reply) {
            done({});
            return;
        }
        if (client)
            client->d->learnFrom(reply.error());
        done(tl::unexpected<Error>(reply.error()));
    };
    d->withTarget(
        context, [this, flight, path, body, type, context, finish, done](const Result<> &ready) {
            if (flight->aborted)
                return;
            if (!ready) {
                done(tl::unexpected<Error>(ready.error()));
                return;
            }
            QNetworkRequest request = d->request(Private::filesPath(path));
            request.setRawHeader("Content-Type", type);
            flight->call =
                d->transport.unary("POST", request, body, Transport::Retry::Never, context, finish);
        });
    return Call([flight] {
        flight->aborted = true;
        flight->call.abort();
    });
}

void EnvdClient::closeStreams()
{
    const Error closed{Error::Kind::Canceled, 0, QStringLiteral("Closed by the app"), {}, -1};
    d->target.reset();
    const QPointer<EnvdClient> self(this);
    const auto open = d->streams + d->transfers;
    for (EnvdTraffic *traffic : open) {
        if (!self)
            return;
        // A handler of an earlier one may have ended this one too.
        if (d->streams.contains(traffic) || d->transfers.contains(traffic))
            traffic->end(closed);
    }
}

int EnvdClient::openStreamCount() const
{
    return int(d->streams.size());
}

void EnvdClient::lookAgain()
{
    d->target.reset();
}

void EnvdClient::hold()
{
    d->holds += 1;
}

void EnvdClient::release()
{
    d->holds = std::max(0, d->holds - 1);
}

bool EnvdClient::isPaused(const Error &error)
{
    return error.kind == Error::Kind::Conflict && error.httpStatus == 0
           && (error.message == PausedMessage || error.message == PausingMessage);
}

} // namespace moru
