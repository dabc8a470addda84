// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/call.h"
#include "app/api/types.h"
#include "app/core/result.h"

#include <QByteArray>
#include <QNetworkRequest>
#include <QObject>

#include <memory>
#include <vector>

class QIODevice;
class QNetworkAccessManager;
class QNetworkReply;

namespace moru {

/// One connection's way to the network: its access managers, its key, its headers, its retry
/// rules. All HTTP of a connection goes through here; lives on the GUI thread.
///
/// Unary requests share one manager. Streams and transfers get managers of their own, at most five
/// each, because HTTP/1.1 allows six sockets per host and manager and an open stream holds one.
class Transport : public QObject {
    Q_OBJECT
public:
    struct Reply {
        int status = 0;
        QByteArray body;
        QByteArray contentType;
        QMap<QByteArray, QByteArray> headers; ///< names in lower case
        [[nodiscard]] QByteArray header(const QByteArray &lowerName) const { return headers.value(lowerName); }
    };
    enum class Retry {
        Never, ///< kill, create, command start
        Reads, ///< GET and idempotent reads: broken connections, 502..504 and 429 with back-off
    };

    Transport(Endpoint endpoint, QObject *parent = nullptr);
    ~Transport() override;

    [[nodiscard]] const Endpoint &endpoint() const;
    void setEndpoint(const Endpoint &endpoint);
    /// The API key, kept in memory only. Empty = requests go out without one.
    void setApiKey(const QString &key);
    [[nodiscard]] bool hasApiKey() const;

    /// Control plane request. `path` begins with '/', may hold an encoded query. Body: JSON or empty.
    /// Any 2xx is success; everything else becomes an Error made from status and body.
    Call control(const QByteArray &method, const QByteArray &path, const QByteArray &json,
                 Retry retry, QObject *context, Done<Reply> done);

    /// Data plane requests carry routing headers and the token; see EnvdClient.
    /// Limit of a unary request: 60 s.
    Call unary(const QByteArray &method, QNetworkRequest request, const QByteArray &body, Retry retry,
               QObject *context, Done<Reply> done);

    /// A long-lived POST whose answer is read as it arrives (no transfer timeout, bounded read
    /// buffer, HTTP/1.1). The caller owns the reply (deleteLater, not delete).
    QNetworkReply *openStream(QNetworkRequest request, const QByteArray &body);
    /// GET for downloads (1 MiB read buffer, no automatic decompression, HTTP/1.1).
    QNetworkReply *openDownload(QNetworkRequest request);
    /// POST whose body is read from `device`, which must outlive the reply.
    QNetworkReply *openUpload(QNetworkRequest request, QIODevice *device);

    /// Turns a finished or failed reply into an Error; never contains URL queries or headers.
    static Error errorFrom(QNetworkReply &reply, const QByteArray &body);
    /// HTTP date of the newest answer minus local clock, in milliseconds (0 until known).
    [[nodiscard]] qint64 serverClockOffsetMs() const;

signals:
    /// Network reachability of the API server changed, seen by the outcome of requests.
    void reachabilityChanged(bool reachable);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
