// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QIODevice>

namespace moru {

/// The multipart/form-data body of one upload: a head, the bytes of another device, a tail. Reads
/// from the device as it is read itself, so that the size of a file does not matter.
class MultipartBody : public QIODevice {
    Q_OBJECT
public:
    /// `source` is open for reading, random access, and must outlive this. What lies between its
    /// position and its end is sent. `name` is told to the server as the part's file name.
    MultipartBody(QIODevice *source, const QString &name, QObject *parent = nullptr);

    [[nodiscard]] QByteArray contentType() const;
    [[nodiscard]] qint64 payloadSize() const { return m_payloadSize; }
    /// Bytes of the payload among the first `sent` bytes of the body.
    [[nodiscard]] qint64 payloadAmong(qint64 sent) const;

    [[nodiscard]] bool isSequential() const override { return false; }
    [[nodiscard]] qint64 size() const override;

signals:
    /// The source could not be read, or became shorter than it was at the start.
    void sourceFailed();

protected:
    qint64 readData(char *data, qint64 maxSize) override;
    qint64 writeData(const char *data, qint64 maxSize) override;

private:
    QIODevice *m_source;
    qint64 m_sourceStart;
    qint64 m_payloadSize;
    QByteArray m_boundary;
    QByteArray m_head;
    QByteArray m_tail;
};

} // namespace moru
