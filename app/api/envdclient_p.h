// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What EnvdClient shares with the streams and transfers it makes. Not for other layers.

#include "app/api/envdclient.h"

#include <QFutureWatcher>
#include <QNetworkRequest>
#include <QtConcurrentRun>

#include <functional>
#include <optional>

#include <google/protobuf/message_lite.h>

namespace moru {

/// Anything that keeps traffic to the sandbox going and must be ended before a pause.
class EnvdTraffic {
public:
    EnvdTraffic() = default;
    EnvdTraffic(const EnvdTraffic &) = delete;
    EnvdTraffic &operator=(const EnvdTraffic &) = delete;
    virtual ~EnvdTraffic() = default;
    /// Calls connectNow() once `envd` knows its target, or end() where it cannot; neither if it is
    /// over before. `context` is the object that dies with this one.
    void begin(EnvdClient *envd, QObject *context);
    virtual void connectNow() = 0;
    /// Stops using the network and reports `reason`; may delete this object.
    virtual void end(const Error &reason) = 0;
    /// The client goes away: stops using the network now, reports Canceled from the event loop.
    virtual void abandon() = 0;

    QPointer<EnvdClient> client;
    bool over = false; ///< no more signals
};

struct EnvdClient::Private {
    static constexpr qsizetype ReadHere = 64 << 10; ///< larger answers go to a worker
    struct Target {
        QByteArray token;
        QString domain;
    };
    struct Waiter {
        QPointer<QObject> context;
        std::function<void(const Result<> &)> ready;
    };
    /// A call that first needs the target and then the network.
    struct Flight {
        Call call;
        bool aborted = false;
    };

    Private(EnvdClient *client, Transport &theTransport, ControlClient &theControl,
            QString sandboxId)
        : q(client)
        , transport(theTransport)
        , control(theControl)
        , id(std::move(sandboxId))
    {}

    /// Runs `ready` once token and domain are known: at once if they are, otherwise after a look-up
    /// that all callers share. A failure always comes from the event loop.
    void withTarget(QObject *context, std::function<void(const Result<> &)> ready);
    void lookedUp(const Result<SandboxDetail> &detail);
    /// Forgets the target where `error` says that it is not (any more) what we think.
    void learnFrom(const Error &error);

    /// A request to the sandbox's daemon; the target must be known. `path` is encoded.
    [[nodiscard]] QNetworkRequest request(const QByteArray &path) const;
    [[nodiscard]] QNetworkRequest rpcRequest(const char *method, const char *contentType,
                                             const QString &user = {}) const;
    [[nodiscard]] static QByteArray filesPath(const QString &path);

    /// `Large`: answers that may take longer to read than a frame lasts are read on a worker
    /// thread.
    template <typename Response, typename T, bool Large = false, typename Convert>
    Call rpc(const char *method, const google::protobuf::MessageLite &message,
             Transport::Retry retry, QObject *context, Convert convert, Done<T> done);

    EnvdClient *q;
    Transport &transport;
    ControlClient &control;
    QString id;
    std::optional<Target> target;
    QList<Waiter> waiters;
    bool lookingUp = false;
    int holds = 0;
    QList<EnvdTraffic *> streams;
    QList<EnvdTraffic *> transfers;
};

template <typename Response, typename T, bool Large, typename Convert>
Call EnvdClient::Private::rpc(const char *method, const google::protobuf::MessageLite &message,
                              Transport::Retry retry, QObject *context, Convert convert,
                              Done<T> done)
{
    auto flight = std::make_shared<Flight>();
    const std::string bytes = message.SerializeAsString();
    const QByteArray body(bytes.data(), qsizetype(bytes.size()));
    const QPointer<EnvdClient> client(q);
    const auto finish = [client, convert, done, flight,
                         guard = QPointer(context)](const Result<Transport::Reply> &reply) {
        if (!reply) {
            if (client)
                client->d->learnFrom(reply.error());
            done(tl::unexpected<Error>(reply.error()));
            return;
        }
        const auto read = [convert, typed = reply->contentType.startsWith("application/proto"),
                           body = reply->body]() -> Result<T> {
            Response response;
            if (!typed || !response.ParseFromArray(body.constData(), int(body.size())))
                return failure(Error::Kind::Protocol,
                               QStringLiteral("The sandbox's answer is damaged"));
            return convert(response);
        };
        if constexpr (Large) {
            if (reply->body.size() > ReadHere) {
                auto *watcher = new QFutureWatcher<Result<T>>(guard);
                QObject::connect(watcher, &QFutureWatcherBase::finished, watcher,
                                 [watcher, flight, done] {
                                     watcher->deleteLater();
                                     if (!flight->aborted)
                                         done(watcher->result());
                                 });
                watcher->setFuture(QtConcurrent::run(read));
                return;
            }
        }
        done(read());
    };
    withTarget(context,
               [this, flight, method, body, retry, context, finish, done](const Result<> &ready) {
                   if (flight->aborted)
                       return;
                   if (!ready) {
                       done(tl::unexpected<Error>(ready.error()));
                       return;
                   }
                   flight->call = transport.unary("POST", rpcRequest(method, "application/proto"),
                                                  body, retry, context, finish);
               });
    return Call([flight] {
        flight->aborted = true;
        flight->call.abort();
    });
}

} // namespace moru
