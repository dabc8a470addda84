// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/multipartbody.h"

#include <QUuid>

#include <algorithm>
#include <cstring>

namespace moru {

namespace {

/// Only what survives every server's parser of quoted strings; the destination is in the query.
QByteArray plainName(const QString &name)
{
    QByteArray out;
    for (const char c : name.toUtf8()) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                           || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        out += plain ? c : '_';
    }
    return out.isEmpty() ? QByteArrayLiteral("file") : out.left(200);
}

} // namespace

MultipartBody::MultipartBody(QIODevice *source, const QString &name, QObject *parent)
    : QIODevice(parent)
    , m_source(source)
    , m_sourceStart(source->pos())
    , m_payloadSize(source->size() - m_sourceStart)
    , m_boundary("moru-" + QUuid::createUuid().toByteArray(QUuid::Id128))
    , m_head("--" + m_boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\""
             + plainName(name) + "\"\r\nContent-Type: application/octet-stream\r\n\r\n")
    , m_tail("\r\n--" + m_boundary + "--\r\n")
{
    open(QIODevice::ReadOnly | QIODevice::Unbuffered);
}

QByteArray MultipartBody::contentType() const
{
    return "multipart/form-data; boundary=" + m_boundary;
}

qint64 MultipartBody::payloadAmong(qint64 sent) const
{
    return std::clamp<qint64>(sent - m_head.size(), 0, m_payloadSize);
}

qint64 MultipartBody::size() const
{
    return m_head.size() + m_payloadSize + m_tail.size();
}

qint64 MultipartBody::readData(char *data, qint64 maxSize)
{
    qint64 done = 0;
    while (done < maxSize) {
        const qint64 at = pos() + done;
        const qint64 inPayload = at - m_head.size();
        const qint64 inTail = inPayload - m_payloadSize;
        const qint64 room = maxSize - done;
        if (inPayload < 0) {
            const qint64 part = std::min(room, -inPayload);
            std::memcpy(data + done, m_head.constData() + at, size_t(part));
            done += part;
        } else if (inTail < 0) {
            const qint64 position = m_sourceStart + inPayload;
            const qint64 part = m_source->pos() == position || m_source->seek(position)
                                    ? m_source->read(data + done, std::min(room, -inTail))
                                    : -1;
            if (part <= 0) {
                // Less than was promised in Content-Length: the request cannot be completed.
                QMetaObject::invokeMethod(this, &MultipartBody::sourceFailed, Qt::QueuedConnection);
                return done > 0 ? done : -1;
            }
            done += part;
        } else if (inTail < m_tail.size()) {
            const qint64 part = std::min<qint64>(room, m_tail.size() - inTail);
            std::memcpy(data + done, m_tail.constData() + inTail, size_t(part));
            done += part;
        } else {
            break;
        }
    }
    return done > 0 ? done : -1;
}

qint64 MultipartBody::writeData(const char *, qint64)
{
    return -1;
}

} // namespace moru
