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

class UnaryJob;

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
        [[nodiscard]] QByteArray header(const QByteArray &lowerName) const
        {
            return headers.value(lowerName);
        }
    };
    enum class Retry {
        Never, ///< kill, create, command start
        Reads, ///< GET and idempotent reads: broken connections, 502..504 and 429 with back-off
    };

    /// Time and size limits; other values are for tests and for very slow lines.
    struct Limits {
        int unaryMs = 60'000;         ///< for one attempt of a unary request, from sending it
        int idleMs = 60'000;          ///< a transfer without any progress ends after this
        int keepaliveSeconds = 50;    ///< asked of streams; two missed ones end the stream
        int retryBaseMs = 200;        ///< first pause of the retry schedule; later ones grow
        qint64 maxBody = 64LL << 20U; ///< of a unary answer
    };

    explicit Transport(Endpoint endpoint, QObject *parent = nullptr);
    /// Calls still under way end with Canceled, from the event loop.
    ~Transport() override;

    [[nodiscard]] const Endpoint &endpoint() const;
    void setEndpoint(const Endpoint &endpoint);
    /// The API key, kept in memory only. Empty = requests go out without one.
    void setApiKey(const QString &key);
    [[nodiscard]] bool hasApiKey() const;
    /// The key is still being fetched: control-plane requests wait for setApiKey() or
    /// setUnavailable(). The first one that waits emits apiKeyNeeded().
    void setApiKeyPending();
    /// There is no way to the server for now (no key could be read, the local engine is not
    /// running): control-plane requests fail with `reason` until setApiKey().
    void setUnavailable(const Error &reason);

    void setLimits(const Limits &limits);
    [[nodiscard]] const Limits &limits() const;

    /// Control plane request. `path` begins with '/', may hold an encoded query. Body: JSON or
    /// empty. Any 2xx is success; everything else becomes an Error made from status and body.
    Call control(const QByteArray &method, const QByteArray &path, const QByteArray &json,
                 Retry retry, QObject *context, Done<Reply> done);

    /// Data plane requests carry routing headers and the token; see EnvdClient.
    /// Limit of a unary request: 60 s.
    Call unary(const QByteArray &method, QNetworkRequest request, const QByteArray &body,
               Retry retry, QObject *context, Done<Reply> done);

    /// A long-lived POST whose answer is read as it arrives (no transfer timeout, bounded read
    /// buffer, HTTP/1.1). The caller owns the reply (deleteLater, not delete).
    QNetworkReply *openStream(QNetworkRequest request, const QByteArray &body);
    /// GET for downloads (1 MiB read buffer, no automatic decompression, HTTP/1.1).
    QNetworkReply *openDownload(QNetworkRequest request);
    /// POST whose body is read from `device`, which must outlive the reply.
    /// `device` is random access; its size becomes the Content-Length.
    QNetworkReply *openUpload(QNetworkRequest request, QIODevice *device);

    /// Turns a finished or failed reply into an Error; never contains URL queries or headers.
    static Error errorFrom(QNetworkReply &reply, const QByteArray &body);
    /// The same for a status and body without a reply at hand: the Connect and JSON error bodies.
    static Error errorFrom(int status, const QByteArray &contentType, const QByteArray &body);
    /// The request may have reached the server and been carried out; its answer is not known.
    static bool isOutcomeUnknown(const Error &error);
    /// A string code of the Connect protocol ("not_found") as an Error.
    static Error errorFromConnectCode(const QString &code, const QString &message);
    /// Server clock minus local clock in milliseconds, by the Date header of the answers. 0 while
    /// unknown and while the clocks agree as far as a header in whole seconds can tell.
    [[nodiscard]] qint64 serverClockOffsetMs() const;

signals:
    /// Network reachability of the API server changed, seen by the outcome of requests.
    void reachabilityChanged(bool reachable);
    /// A request waits for the key since setApiKeyPending().
    void apiKeyNeeded();

private:
    friend class UnaryJob;
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
