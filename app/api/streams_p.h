// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The insides of the streams and transfers that EnvdClient makes. Not for other layers.

#include "app/api/connectstream.h"
#include "app/api/envdclient_p.h"

#include <QElapsedTimer>
#include <QTimer>

#include <optional>
#include <string>
#include <utility>

namespace process {
class ProcessEvent;
class ProcessSelector;
} // namespace process

namespace moru {

class MultipartBody;

/// What a streaming call is made of, whatever it carries: `Object` is what its user holds and has
/// a signal failed(Error).
template <typename Object> struct RpcStream : EnvdTraffic {
    void open(EnvdClient *envd)
    {
        envd->d->streams.append(this);
        begin(envd, q);
    }
    /// Leaves the network and the client's list; nothing is told.
    virtual void leave()
    {
        over = true;
        if (network)
            network->close();
        if (client)
            client->d->streams.removeOne(this);
    }
    void fail(const Error &error)
    {
        leave();
        emit q->failed(error);
    }
    void end(const Error &reason) override
    {
        if (!over)
            fail(reason);
    }
    void abandon() override
    {
        leave();
        QMetaObject::invokeMethod(
            q,
            [object = q] {
                emit object->failed({Error::Kind::Canceled,
                                     0,
                                     QStringLiteral("The connection was closed"),
                                     {},
                                     -1});
            },
            Qt::QueuedConnection);
    }

    Object *q = nullptr;
    ConnectStream *network = nullptr; ///< child of q
    std::string message;
};

struct ProcessStream::Private final : RpcStream<ProcessStream> {
    enum class InputKind {
        Unknown, ///< attached: PTY or pipes, found out by what comes or by trying
        Pty,
        Stdin,
    };
    enum class Output { None, Stdout, Stderr, Pty };

    ~Private() override;
    void connectNow() override;
    void leave() override;

    bool takeMessage(std::string_view bytes);
    /// False when the receiver of the signals has deleted the stream.
    bool takeEvent(const process::ProcessEvent &event);
    void append(Output kind, const std::string &bytes);
    bool flush();
    void streamEnded(const Result<> &result);

    void pumpInput();
    void inputAnswered(InputKind tried, const QByteArray &sent, const Result<> &result);
    void pumpSize();
    void select(process::ProcessSelector *selector) const;

    const char *method = nullptr;
    QString user;
    qint64 timeoutMs = 0;

    quint32 pid = 0;
    bool readingPaused = false;

    Output batchKind = Output::None;
    QByteArray batch; ///< consecutive output of one kind, joined

    InputKind input = InputKind::Unknown;
    QByteArray queued;
    bool inputInFlight = false;
    bool inputFailureTold = false;
    std::optional<std::pair<int, int>> wantedSize;
    bool sizeInFlight = false;
};

struct DirWatch::Private final : RpcStream<DirWatch> {
    ~Private() override;
    void connectNow() override;

    bool takeMessage(std::string_view bytes);
};

struct Transfer::Private final : EnvdTraffic {
    ~Private() override;
    void open(EnvdClient *envd);
    void end(const Error &reason) override;
    void abandon() override;

    void connectNow() override;
    void drainDownload();
    /// Moves bytes from the network to the target; false when that ended the transfer.
    bool moveBytes();
    void drainUpload();
    void finishLater(const Error &error);
    void leave();
    void tell(const Result<> &result);
    void noteProgress(qint64 done, qint64 total, bool force = false);

    Transfer *q = nullptr;
    QString path;
    QIODevice *target = nullptr; ///< set for a download
    QIODevice *source = nullptr; ///< set for an upload
    qint64 maxBytes = -1;        ///< a longer download fails with Invalid; -1 = any length
    QPointer<QNetworkReply> reply;
    MultipartBody *body = nullptr; ///< child of q
    QByteArray answer;             ///< of an upload, or the refusal of a download
    QByteArray buffer;
    qint64 received = 0;
    qint64 expected = -1;
    QTimer idle;
    QTimer nextTurn;
    QElapsedTimer sinceProgress;
};

} // namespace moru
