// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"
#include "app/wire/frame.h"

#include "tests/support/httpserver.h"
#include "tests/support/outcome.h"

#include <memory>
#include <string>

#include <filesystem.pb.h>
#include <process.pb.h>

namespace moru::test {

/// Binary forms of what a sandbox's daemon sends.
namespace envd {

inline QByteArray bytes(const google::protobuf::MessageLite &message)
{
    const std::string text = message.SerializeAsString();
    return {text.data(), qsizetype(text.size())};
}

inline QByteArray frame(const QByteArray &payload, std::uint8_t flags = 0)
{
    std::string out;
    wire::appendFrame(out, flags, {payload.constData(), size_t(payload.size())});
    return {out.data(), qsizetype(out.size())};
}

inline QByteArray started(quint32 pid)
{
    process::StartResponse response;
    response.mutable_event()->mutable_start()->set_pid(pid);
    return frame(bytes(response));
}

inline QByteArray out(const QByteArray &text)
{
    process::StartResponse response;
    response.mutable_event()->mutable_data()->set_stdout(text.constData(), size_t(text.size()));
    return frame(bytes(response));
}

inline QByteArray err(const QByteArray &text)
{
    process::StartResponse response;
    response.mutable_event()->mutable_data()->set_stderr(text.constData(), size_t(text.size()));
    return frame(bytes(response));
}

inline QByteArray pty(const QByteArray &text)
{
    process::StartResponse response;
    response.mutable_event()->mutable_data()->set_pty(text.constData(), size_t(text.size()));
    return frame(bytes(response));
}

inline QByteArray ended(int code, bool exited = true)
{
    process::StartResponse response;
    auto &end = *response.mutable_event()->mutable_end();
    end.set_exit_code(code);
    end.set_exited(exited);
    end.set_status(exited ? "exit status " + std::to_string(code) : "signal: killed");
    return frame(bytes(response));
}

inline QByteArray keepalive()
{
    process::StartResponse response;
    response.mutable_event()->mutable_keepalive();
    return frame(bytes(response));
}

inline QByteArray endOfStream(const QByteArray &json = "{}")
{
    return frame(json, wire::FrameEndOfStream);
}

/// The message of a request whose body is one frame.
template <typename Message> Message messageOf(const QByteArray &body)
{
    Message message;
    message.ParseFromArray(body.constData() + wire::FrameHeaderSize,
                           int(body.size()) - int(wire::FrameHeaderSize));
    return message;
}

} // namespace envd

/// A server that plays control plane and data plane for sandbox "i1", and a client for it.
struct EnvdFixture {
    HttpServer control;
    HttpServer data;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<ControlClient> controlClient;
    std::unique_ptr<EnvdClient> client;
    QByteArray state = "running";

    EnvdFixture()
    {
        control.listen();
        data.listen();
        Endpoint endpoint;
        endpoint.apiUrl = control.url();
        endpoint.sandboxUrl = data.url();
        endpoint.domain = QStringLiteral("moru.test");
        transport = std::make_unique<Transport>(endpoint);
        Transport::Limits limits;
        limits.retryBaseMs = 5;
        transport->setLimits(limits);
        transport->setApiKey(QStringLiteral("moru_key"));
        controlClient = std::make_unique<ControlClient>(*transport);
        client = std::make_unique<EnvdClient>(*transport, *controlClient, QStringLiteral("i1"));
        control.on("GET", "/sandboxes/i1", [this](HttpExchange &e) {
            e.answer(
                200,
                json("{'sandboxID':'i1','templateID':'base','clientID':'c','envdVersion':'0.4.3',"
                     "'startedAt':'2026-01-15T09:30:00Z','endAt':'2026-01-15T09:31:00Z',"
                     "'cpuCount':1,'memoryMB':128,'diskSizeMB':1,'envdAccessToken':'secret',"
                     "'state':'")
                    + state + json("'}"));
        });
    }

    ~EnvdFixture()
    {
        client.reset();
        controlClient.reset();
        transport.reset();
    }

    void answer(const QByteArray &method, const google::protobuf::MessageLite &message)
    {
        const QByteArray body = envd::bytes(message);
        data.on("POST", '/' + method,
                [body](HttpExchange &e) { e.answer(200, body, "application/proto"); });
    }

    void refuse(const QByteArray &method, int status, const QByteArray &code)
    {
        data.on("POST", '/' + method, status,
                json("{'code':'") + code + json("','message':'refused'}"));
    }
};

} // namespace moru::test
