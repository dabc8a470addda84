// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/envdclient.h"

#include "app/api/envdclient_p.h"
#include "app/api/streams_p.h"
#include "app/wire/frame.h"
#include "app/wire/messages.h"

namespace moru {

DirWatch::Private::~Private() = default;

void DirWatch::Private::connectNow()
{
    EnvdClient::Private &envd = *client->d;
    const Transport::Limits &limits = envd.transport.limits();
    QNetworkRequest request =
        envd.rpcRequest("filesystem.Filesystem/WatchDir", "application/connect+proto");
    request.setRawHeader("Keepalive-Ping-Interval", QByteArray::number(limits.keepaliveSeconds));
    std::string body;
    wire::appendFrame(body, 0, message);
    network = new ConnectStream(
        {[this](std::string_view bytes) { return takeMessage(bytes); }, [] {},
         [this](const Result<> &result) {
             if (!result && client)
                 client->d->learnFrom(result.error());
             fail(result ? Error{Error::Kind::Network,
                                 0,
                                 QStringLiteral("The server ended the watch of the folder"),
                                 {},
                                 -1}
                         : result.error());
         }},
        q);
    network->open(
        envd.transport.openStream(request, QByteArray(body.data(), qsizetype(body.size()))),
        limits.keepaliveSeconds, limits.unaryMs);
}

bool DirWatch::Private::takeMessage(std::string_view bytes)
{
    filesystem::WatchDirResponse response;
    if (!response.ParseFromArray(bytes.data(), int(bytes.size())))
        return false;
    if (response.has_start()) {
        emit q->started();
        return true;
    }
    if (!response.has_filesystem())
        return true; // keepalive, or an event of a newer server
    const QString name = QString::fromStdString(response.filesystem().name());
    switch (response.filesystem().type()) {
    case filesystem::EVENT_TYPE_CREATE:
        emit q->changed(name, Event::Create);
        break;
    case filesystem::EVENT_TYPE_WRITE:
        emit q->changed(name, Event::Write);
        break;
    case filesystem::EVENT_TYPE_REMOVE:
        emit q->changed(name, Event::Remove);
        break;
    case filesystem::EVENT_TYPE_RENAME:
        emit q->changed(name, Event::Rename);
        break;
    case filesystem::EVENT_TYPE_CHMOD:
        emit q->changed(name, Event::Chmod);
        break;
    default:
        break;
    }
    return true;
}

DirWatch::DirWatch(std::unique_ptr<Private> p, QObject *parent)
    : QObject(parent)
    , d(std::move(p))
{
    d->q = this;
}

DirWatch::~DirWatch()
{
    d->leave();
}

} // namespace moru
