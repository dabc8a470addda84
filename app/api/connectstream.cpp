// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/connectstream.h"

#include "app/api/transport.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QNetworkReply>

#include <algorithm>
#include <utility>

namespace moru {

namespace {

constexpr qsizetype ReadChunk = 64LL << 10U;
// What one turn of the event loop works on at most, so that a flood leaves room for the keyboard.
constexpr qint64 BytesPerTurn = 256LL << 10U;
constexpr qsizetype LargestRefusal = 64LL << 10U;

} // namespace

ConnectStream::ConnectStream(Handlers handlers, QObject *parent)
    : QObject(parent)
    , m_handlers(std::make_shared<const Handlers>(std::move(handlers)))
{
    m_nextTurn.setSingleShot(true);
    m_nextTurn.setInterval(0);
    connect(&m_nextTurn, &QTimer::timeout, this, [this] { drain(); });
    connect(&m_pulse, &QTimer::timeout, this, [this] { checkPulse(); });
}

ConnectStream::~ConnectStream()
{
    close();
}

void ConnectStream::open(QNetworkReply *reply, int keepaliveSeconds, int firstByteMs)
{
    m_reply = reply;
    m_firstByteMs = firstByteMs;
    m_silenceMs = 2000LL * keepaliveSeconds;
    m_buffer.resize(ReadChunk);
    connect(reply, &QNetworkReply::readyRead, this, [this] { drain(); });
    connect(reply, &QNetworkReply::finished, this, [this] { drain(); });
    connect(reply, &QObject::destroyed, this, [this] {
        end(failure(Error::Kind::Canceled, QStringLiteral("The connection was closed")));
    });
    m_lastByte.start();
    m_pulse.start(
        int(std::clamp<qint64>(std::min(m_silenceMs / 4, m_firstByteMs / 4), 20, 10'000)));
}

void ConnectStream::setPaused(bool paused)
{
    if (m_paused == paused)
        return;
    m_paused = paused;
    if (!paused) {
        m_lastByte.start(); // silence while paused was ours
        m_nextTurn.start();
    }
}

void ConnectStream::close()
{
    m_closed = true;
    m_nextTurn.stop();
    m_pulse.stop();
    if (QNetworkReply *reply = std::exchange(m_reply, nullptr)) {
        disconnect(reply, nullptr, this, nullptr); // abort() would emit finished() at once
        if (reply->isRunning())
            reply->abort();
        reply->deleteLater();
    }
}

void ConnectStream::drain()
{
    if (m_closed || m_paused || m_draining || !m_reply)
        return;
    const int status = m_reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (status == 0 && !m_reply->isFinished())
        return;
    if (status != 200) {
        collectRefusal();
        return;
    }
    if (!m_typeChecked) {
        m_typeChecked = true;
        if (!m_reply->rawHeader("Content-Type").toLower().startsWith("application/connect+proto")) {
            end(failure(Error::Kind::Protocol,
                        QStringLiteral("The server's answer is not a stream")));
            return;
        }
    }

    const QPointer<ConnectStream> self(this);
    const auto handlers = m_handlers;
    m_draining = true;
    qint64 taken = 0;
    // First what is left from before a pause: the decoder wants to be empty before it is fed.
    if (giveFrames() == Progress::Stopped) {
        if (self)
            m_draining = false;
        return;
    }
    while (taken < BytesPerTurn) {
        const qint64 got = m_reply->read(m_buffer.data(), m_buffer.size());
        if (got <= 0)
            break;
        m_sawByte = true;
        taken += got;
        m_decoder.feed({m_buffer.constData(), size_t(got)});
        if (giveFrames() == Progress::Stopped) {
            if (self)
                m_draining = false;
            return;
        }
    }
    m_draining = false;
    if (taken > 0) {
        m_lastByte.start();
        handlers->batchEnd();
        if (!self || m_closed || m_paused)
            return;
    }
    if (m_reply->bytesAvailable() > 0) {
        m_nextTurn.start();
    } else if (m_reply->isFinished()) {
        if (m_reply->error() != QNetworkReply::NoError)
            end(tl::unexpected<Error>(Transport::errorFrom(*m_reply, {})));
        else
            end(failure(Error::Kind::Network,
                        QStringLiteral("The stream ended without its end message")));
    }
}

ConnectStream::Progress ConnectStream::giveFrames()
{
    const QPointer<ConnectStream> self(this);
    const auto handlers = m_handlers;
    wire::FrameDecoder::Frame frame;
    for (;;) {
        switch (m_decoder.next(frame)) {
        case wire::FrameDecoder::Status::NeedMore:
            return Progress::Drained;
        case wire::FrameDecoder::Status::TooLarge:
            end(failure(Error::Kind::Protocol,
                        QStringLiteral("The stream has a message larger than this app accepts")));
            return Progress::Stopped;
        case wire::FrameDecoder::Status::Ready:
            break;
        }
        if (frame.isCompressed()) {
            end(failure(Error::Kind::Protocol, QStringLiteral("The stream is compressed unasked")));
            return Progress::Stopped;
        }
        if (frame.isEndOfStream()) {
            const Result<> result = parseEnd(frame.payload);
            handlers->batchEnd();
            if (self && !m_closed)
                end(result);
            return Progress::Stopped;
        }
        const bool understood = handlers->message(frame.payload);
        if (!self || m_closed)
            return Progress::Stopped;
        if (!understood) {
            end(failure(Error::Kind::Protocol,
                        QStringLiteral("The stream has a message that is not understood")));
            return Progress::Stopped;
        }
        if (m_paused) { // by the handler; the rest stays in the decoder
            handlers->batchEnd();
            return Progress::Stopped;
        }
    }
}

/// The server refused before there was a stream: an ordinary error answer.
void ConnectStream::collectRefusal()
{
    const QByteArray more = m_reply->readAll();
    m_refusal += more.left(LargestRefusal - m_refusal.size());
    if (m_reply->isFinished())
        end(tl::unexpected<Error>(Transport::errorFrom(*m_reply, m_refusal)));
}

void ConnectStream::end(const Result<> &result)
{
    if (m_closed)
        return;
    const auto handlers = m_handlers;
    close();
    handlers->ended(result);
}

void ConnectStream::checkPulse()
{
    if (m_paused || m_closed)
        return;
    if (m_lastByte.elapsed() > (m_sawByte ? m_silenceMs : m_firstByteMs))
        end(failure(Error::Kind::Timeout, QStringLiteral("No sign of life from the server")));
}

Result<> ConnectStream::parseEnd(std::string_view json)
{
    const QJsonDocument document =
        QJsonDocument::fromJson(QByteArray::fromRawData(json.data(), qsizetype(json.size())));
    if (!document.isObject())
        return failure(Error::Kind::Protocol,
                       QStringLiteral("The stream's end message is damaged"));
    const QJsonValue error = document.object().value(QLatin1String("error"));
    if (!error.isObject())
        return {};
    const QJsonObject object = error.toObject();
    return tl::unexpected<Error>(
        Transport::errorFromConnectCode(object.value(QLatin1String("code")).toString(),
                                        object.value(QLatin1String("message")).toString()));
}

} // namespace moru
