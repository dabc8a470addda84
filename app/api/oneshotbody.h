// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QIODevice>
#include <QNetworkRequest>

#include <algorithm>
#include <cstring>

namespace moru {

/// A request body that can be sent once. When a connection breaks before the answer, Qt sends the
/// request again by itself, POST and DELETE as well, unless the body refuses to be rewound; a
/// sandbox could be created or a command started twice, and a kill repeated would be told as
/// "already terminated". An empty body refuses from the start: nothing can be seen being taken from
/// it, and Qt rewinds a body only to send it again.
class OneShotBody final : public QIODevice {
public:
    explicit OneShotBody(QByteArray bytes)
        : m_bytes(std::move(bytes))
    {
        open(QIODevice::ReadOnly | QIODevice::Unbuffered);
    }

    /// What a request needs so that the device is neither buffered nor sent in chunks.
    void announceIn(QNetworkRequest &request) const
    {
        request.setHeader(QNetworkRequest::ContentLengthHeader, m_bytes.size());
        request.setAttribute(QNetworkRequest::DoNotBufferUploadDataAttribute, true);
    }

    [[nodiscard]] bool isSequential() const override { return true; }
    [[nodiscard]] qint64 bytesAvailable() const override { return m_bytes.size() - m_taken; }
    [[nodiscard]] bool atEnd() const override { return m_taken == m_bytes.size(); }
    bool reset() override { return m_taken == 0 && !m_bytes.isEmpty(); }

protected:
    qint64 readData(char *data, qint64 maxSize) override
    {
        const qint64 part = std::min<qint64>(maxSize, m_bytes.size() - m_taken);
        if (part == 0 && maxSize > 0)
            return -1;
        std::memcpy(data, m_bytes.constData() + m_taken, size_t(part));
        m_taken += part;
        return part;
    }
    qint64 writeData(const char *, qint64) override { return -1; }

private:
    QByteArray m_bytes;
    qint64 m_taken = 0;
};

} // namespace moru
