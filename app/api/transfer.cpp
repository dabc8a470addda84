// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/envdclient.h"

#include "app/api/envdclient_p.h"
#include "app/api/multipartbody.h"
#include "app/api/streams_p.h"

#include <QFileDevice>
#include <QNetworkReply>

#include <algorithm>
#include <utility>

namespace moru {

namespace {

constexpr qsizetype CopyChunk = 256LL << 10U;
// Written in one turn of the event loop at most: about half a millisecond into the page cache.
constexpr qint64 TransferBytesPerTurn = 1LL << 20U;
constexpr qsizetype LargestAnswer = 64LL << 10U;
constexpr qint64 ProgressEveryMs = 50;

} // namespace

Transfer::Private::~Private() = default;

void Transfer::Private::open(EnvdClient *envd)
{
    envd->d->transfers.append(this);
    idle.setSingleShot(true);
    idle.setInterval(envd->d->transport.limits().idleMs);
    QObject::connect(&idle, &QTimer::timeout, q, [this] {
        end({Error::Kind::Timeout,
             0,
             QStringLiteral("The transfer stopped making progress"),
             {},
             -1});
    });
    nextTurn.setSingleShot(true);
    nextTurn.setInterval(0);
    QObject::connect(&nextTurn, &QTimer::timeout, q, [this] { drainDownload(); });
    begin(envd, q);
}

void Transfer::Private::connectNow()
{
    EnvdClient::Private &envd = *client->d;
    QNetworkRequest request = envd.request(EnvdClient::Private::filesPath(path));
    if (target ? !target->isWritable() : !source->isReadable() || source->isSequential()) {
        finishLater({Error::Kind::Local, 0, QStringLiteral("The local file is not open"), {}, -1});
        return;
    }
    if (target) {
        buffer.resize(CopyChunk);
        reply = envd.transport.openDownload(request);
        QObject::connect(reply, &QNetworkReply::readyRead, q, [this] { drainDownload(); });
        QObject::connect(reply, &QNetworkReply::finished, q, [this] { drainDownload(); });
    } else {
        body = new MultipartBody(source, path.section(u'/', -1), q);
        QObject::connect(body, &MultipartBody::sourceFailed, q, [this] {
            end({Error::Kind::Local,
                 0,
                 source->errorString().isEmpty()
                     ? QStringLiteral("The file changed while it was being read")
                     : source->errorString(),
                 {},
                 -1});
        });
        request.setRawHeader("Content-Type", body->contentType());
        reply = envd.transport.openUpload(request, body);
        QObject::connect(reply, &QNetworkReply::uploadProgress, q, [this](qint64 sent, qint64) {
            idle.start();
            noteProgress(body->payloadAmong(sent), body->payloadSize());
        });
        QObject::connect(reply, &QNetworkReply::readyRead, q, [this] { drainUpload(); });
        QObject::connect(reply, &QNetworkReply::finished, q, [this] { drainUpload(); });
    }
    QObject::connect(reply, &QObject::destroyed, q, [this] {
        end({Error::Kind::Canceled, 0, QStringLiteral("The connection was closed"), {}, -1});
    });
    idle.start();
}

void Transfer::Private::drainDownload()
{
    if (over || !reply)
        return;
    const int status = reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (status == 0 && !reply->isFinished())
        return;
    idle.start();
    if (status != 200) {
        answer += reply->readAll().left(LargestAnswer - answer.size());
        if (reply->isFinished())
            end(Transport::errorFrom(*reply, answer));
        return;
    }
    if (!moveBytes())
        return;
    if (reply->bytesAvailable() > 0) {
        nextTurn.start();
        return;
    }
    if (!reply->isFinished())
        return;
    if (reply->error() != QNetworkReply::NoError) {
        end(Transport::errorFrom(*reply, {}));
    } else if (expected >= 0 && received != expected) {
        end({Error::Kind::Network,
             status,
             QStringLiteral("Only %1 of %2 bytes arrived").arg(received).arg(expected),
             {},
             -1});
    } else if (auto *file = qobject_cast<QFileDevice *>(target); file && !file->flush()) {
        end({Error::Kind::Local, 0, file->errorString(), {}, -1});
    } else {
        noteProgress(received, received, true);
        tell({});
    }
}

bool Transfer::Private::moveBytes()
{
    if (const QByteArray coding = reply->rawHeader("Content-Encoding").toLower();
        !coding.isEmpty() && coding != "identity") {
        end({Error::Kind::Protocol,
             200,
             QStringLiteral("The server compressed the file unasked"),
             {},
             -1});
        return false;
    }
    bool hasLength = false;
    const qint64 length = reply->rawHeader("Content-Length").toLongLong(&hasLength);
    expected = hasLength ? length : -1;
    qint64 moved = 0;
    while (moved < TransferBytesPerTurn) {
        const qint64 got = reply->read(buffer.data(), buffer.size());
        if (got <= 0)
            break;
        moved += got;
        received += got;
        if (maxBytes >= 0 && std::max(received, expected) > maxBytes) {
            end({Error::Kind::Invalid,
                 0,
                 QStringLiteral("The file is larger than %1 bytes").arg(maxBytes),
                 {},
                 -1});
            return false;
        }
        if (target->write(buffer.constData(), got) != got) {
            end({Error::Kind::Local, 0, target->errorString(), {}, -1});
            return false;
        }
    }
    if (moved > 0) {
        const QPointer<Transfer> self(q);
        noteProgress(received, expected);
        return self && !over;
    }
    return true;
}

void Transfer::Private::drainUpload()
{
    if (over || !reply)
        return;
    idle.start();
    answer += reply->readAll().left(LargestAnswer - answer.size());
    if (!reply->isFinished())
        return;
    const int status = reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (status < 200 || status >= 300 || reply->error() != QNetworkReply::NoError) {
        end(Transport::errorFrom(*reply, answer));
    } else if (!answer.trimmed().startsWith('[')) {
        end(Transport::errorFrom(200, reply->rawHeader("Content-Type").toLower(), answer));
    } else {
        noteProgress(body->payloadSize(), body->payloadSize(), true);
        tell({});
    }
}

void Transfer::Private::noteProgress(qint64 done, qint64 total, bool force)
{
    if (!force && sinceProgress.isValid() && sinceProgress.elapsed() < ProgressEveryMs)
        return;
    sinceProgress.start();
    emit q->progress(done, total);
}

void Transfer::Private::leave()
{
    over = true;
    idle.stop();
    nextTurn.stop();
    if (QNetworkReply *running = std::exchange(reply, nullptr)) {
        QObject::disconnect(running, nullptr, q, nullptr); // abort() would emit finished() at once
        if (running->isRunning())
            running->abort();
        running->deleteLater();
    }
    if (client)
        client->d->transfers.removeOne(this);
}

void Transfer::Private::tell(const Result<> &result)
{
    if (over)
        return;
    leave();
    emit q->finished(result);
}

void Transfer::Private::end(const Error &reason)
{
    if (!over && client)
        client->d->learnFrom(reason);
    tell(tl::unexpected<Error>(reason));
}

void Transfer::Private::finishLater(const Error &error)
{
    leave();
    QMetaObject::invokeMethod(
        q, [transfer = q, error] { emit transfer->finished(tl::unexpected<Error>(error)); },
        Qt::QueuedConnection);
}

void Transfer::Private::abandon()
{
    finishLater({Error::Kind::Canceled, 0, QStringLiteral("The connection was closed"), {}, -1});
}

Transfer::Transfer(std::unique_ptr<Private> p, QObject *parent)
    : QObject(parent)
    , d(std::move(p))
{
    d->q = this;
}

Transfer::~Transfer()
{
    d->leave();
}

void Transfer::cancel()
{
    if (!d->over)
        d->finishLater({Error::Kind::Canceled, 0, QStringLiteral("Canceled"), {}, -1});
}

} // namespace moru
