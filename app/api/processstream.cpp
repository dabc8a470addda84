// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/envdclient.h"

#include "app/api/envdclient_p.h"
#include "app/api/streams_p.h"
#include "app/core/log.h"
#include "app/wire/frame.h"
#include "app/wire/messages.h"

#include <algorithm>

namespace moru {

namespace {

// Large enough for a paste in few requests, small enough that typing behind it is not held up long.
constexpr qsizetype InputPerRequest = 64LL << 10U;

QByteArray framed(const std::string &message)
{
    std::string out;
    wire::appendFrame(out, 0, message);
    return {out.data(), qsizetype(out.size())};
}

} // namespace

ProcessStream::Private::~Private() = default;

void ProcessStream::Private::connectNow()
{
    EnvdClient::Private &envd = *client->d;
    const Transport::Limits &limits = envd.transport.limits();
    QNetworkRequest request = envd.rpcRequest(method, "application/connect+proto", user);
    request.setRawHeader("Keepalive-Ping-Interval", QByteArray::number(limits.keepaliveSeconds));
    if (timeoutMs > 0)
        request.setRawHeader("Connect-Timeout-Ms", QByteArray::number(timeoutMs));
    network = new ConnectStream({[this](std::string_view bytes) { return takeMessage(bytes); },
                                 [this] { flush(); },
                                 [this](const Result<> &result) { streamEnded(result); }},
                                q);
    network->setPaused(readingPaused);
    network->open(envd.transport.openStream(request, framed(message)), limits.keepaliveSeconds,
                  limits.unaryMs);
}

bool ProcessStream::Private::takeMessage(std::string_view bytes)
{
    // StartResponse and ConnectResponse are the same message under two names.
    process::StartResponse response;
    if (!response.ParseFromArray(bytes.data(), int(bytes.size())))
        return false;
    const process::ProcessEvent &event = response.event();
    if (pid == 0 && event.event_case() != process::ProcessEvent::kStart
        && event.event_case() != process::ProcessEvent::kKeepalive
        && event.event_case() != process::ProcessEvent::EVENT_NOT_SET)
        return false;
    takeEvent(event);
    return true;
}

bool ProcessStream::Private::takeEvent(const process::ProcessEvent &event)
{
    const QPointer<ProcessStream> self(q);
    switch (event.event_case()) {
    case process::ProcessEvent::kStart:
        pid = event.start().pid();
        emit q->started(pid);
        if (!self)
            return false;
        pumpInput();
        pumpSize();
        return true;
    case process::ProcessEvent::kData:
        switch (event.data().output_case()) {
        case process::ProcessEvent::DataEvent::kStdout:
            append(Output::Stdout, event.data().stdout());
            break;
        case process::ProcessEvent::DataEvent::kStderr:
            append(Output::Stderr, event.data().stderr());
            break;
        case process::ProcessEvent::DataEvent::kPty:
            append(Output::Pty, event.data().pty());
            break;
        case process::ProcessEvent::DataEvent::OUTPUT_NOT_SET:
            break;
        }
        return bool(self);
    case process::ProcessEvent::kEnd: {
        if (!flush() || over)
            return bool(self);
        ProcessEnd end;
        end.exitCode = event.end().exit_code();
        end.exited = event.end().exited();
        end.status = QString::fromStdString(event.end().status());
        end.error = QString::fromStdString(event.end().error());
        // All that can be known is known; the end message would add nothing.
        leave();
        emit q->finished(end);
        return bool(self);
    }
    case process::ProcessEvent::kKeepalive:
    case process::ProcessEvent::EVENT_NOT_SET: // an event of a newer server
        return true;
    }
    return true;
}

void ProcessStream::Private::append(Output kind, const std::string &bytes)
{
    if (input == InputKind::Unknown) {
        input = kind == Output::Pty ? InputKind::Pty : InputKind::Stdin;
        pumpInput();
    }
    if (kind != batchKind) {
        if (!flush() || over)
            return;
        batchKind = kind;
    }
    batch.append(bytes.data(), qsizetype(bytes.size()));
}

bool ProcessStream::Private::flush()
{
    const Output kind = std::exchange(batchKind, Output::None);
    const QByteArray bytes = std::exchange(batch, {});
    if (over || bytes.isEmpty())
        return true;
    const QPointer<ProcessStream> self(q);
    switch (kind) {
    case Output::Stdout:
        emit q->stdoutData(bytes);
        break;
    case Output::Stderr:
        emit q->stderrData(bytes);
        break;
    case Output::Pty:
        emit q->ptyData(bytes);
        break;
    case Output::None:
        break;
    }
    return bool(self);
}

void ProcessStream::Private::streamEnded(const Result<> &result)
{
    if (!flush() || over)
        return;
    if (result) {
        fail({Error::Kind::Protocol,
              0,
              QStringLiteral("The stream ended without the process's result"),
              {},
              -1});
        return;
    }
    if (client)
        client->d->learnFrom(result.error());
    fail(result.error());
}

void ProcessStream::Private::leave()
{
    queued.clear();
    batch.clear();
    wantedSize.reset();
    RpcStream::leave();
}

void ProcessStream::Private::select(process::ProcessSelector *selector) const
{
    selector->set_pid(pid);
}

void ProcessStream::Private::pumpInput()
{
    if (over || pid == 0 || inputInFlight || queued.isEmpty() || !client)
        return;
    const QByteArray bytes = queued.left(InputPerRequest);
    queued.remove(0, bytes.size());
    process::SendInputRequest request;
    select(request.mutable_process());
    const InputKind tried = input;
    if (tried == InputKind::Stdin)
        request.mutable_input()->set_stdin(bytes.constData(), size_t(bytes.size()));
    else
        request.mutable_input()->set_pty(bytes.constData(), size_t(bytes.size()));
    inputInFlight = true;
    client->d->rpc<process::SendInputResponse, void>(
        "process.Process/SendInput", request, Transport::Retry::Never, q,
        [](const process::SendInputResponse &) { return Result<>(); },
        [this, tried, bytes](const Result<> &result) { inputAnswered(tried, bytes, result); });
}

void ProcessStream::Private::inputAnswered(InputKind tried, const QByteArray &sent,
                                           const Result<> &result)
{
    inputInFlight = false;
    if (over)
        return;
    if (!result) {
        // The server refuses PTY input for a process with pipes before it writes anything.
        if (tried == InputKind::Unknown && result.error().kind == Error::Kind::Server) {
            input = InputKind::Stdin;
            queued.prepend(sent);
            pumpInput();
            return;
        }
        // What follows a lost piece would be wrong without it.
        queued.clear();
        if (!std::exchange(inputFailureTold, true))
            emit q->inputFailed(result.error());
        return;
    }
    if (tried == InputKind::Unknown)
        input = InputKind::Pty;
    inputFailureTold = false;
    pumpInput();
}

void ProcessStream::Private::pumpSize()
{
    if (over || pid == 0 || sizeInFlight || !wantedSize || !client)
        return;
    const auto [cols, rows] = *std::exchange(wantedSize, std::nullopt);
    process::UpdateRequest request;
    select(request.mutable_process());
    request.mutable_pty()->mutable_size()->set_cols(quint32(cols));
    request.mutable_pty()->mutable_size()->set_rows(quint32(rows));
    sizeInFlight = true;
    client->d->rpc<process::UpdateResponse, void>(
        "process.Process/Update", request, Transport::Retry::Never, q,
        [](const process::UpdateResponse &) { return Result<>(); },
        [this](const Result<> &result) {
            sizeInFlight = false;
            if (!result)
                qCInfo(lcApi, "a terminal's size was not accepted (HTTP %d)",
                       result.error().httpStatus);
            pumpSize();
        });
}

ProcessStream::ProcessStream(std::unique_ptr<Private> p, QObject *parent)
    : QObject(parent)
    , d(std::move(p))
{
    d->q = this;
}

ProcessStream::~ProcessStream()
{
    d->leave();
}

quint32 ProcessStream::pid() const
{
    return d->pid;
}

void ProcessStream::sendInput(const QByteArray &bytes)
{
    if (d->over)
        return;
    d->queued += bytes;
    d->pumpInput();
}

void ProcessStream::resize(int cols, int rows)
{
    if (d->over)
        return;
    d->wantedSize = {std::max(1, cols), std::max(1, rows)};
    d->pumpSize();
}

void ProcessStream::setReadingPaused(bool paused)
{
    d->readingPaused = paused;
    if (d->network)
        d->network->setPaused(paused);
}

void ProcessStream::detach()
{
    d->leave();
}

} // namespace moru
