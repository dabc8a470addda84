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

struct ProcessStream::Private final : EnvdTraffic {
    enum class InputKind {
        Unknown, ///< attached: PTY or pipes, found out by what comes or by trying
        Pty,
        Stdin,
    };
    enum class Output { None, Stdout, Stderr, Pty };

    ~Private() override;
    void open(EnvdClient *envd);
    void end(const Error &reason) override;
    void abandon() override;

    void connectNow();
    bool takeMessage(std::string_view bytes);
    /// False when the receiver of the signals has deleted the stream.
    bool takeEvent(const process::ProcessEvent &event);
    void append(Output kind, const std::string &bytes);
    bool flush();
    void streamEnded(const Result<> &result);
    /// Leaves the network and the client's list; nothing is told.
    void leave();
    void fail(const Error &error);

    void pumpInput();
    void inputAnswered(InputKind tried, const QByteArray &sent, const Result<> &result);
    void pumpSize();
    void select(process::ProcessSelector *selector) const;

    ProcessStream *q = nullptr;
    QPointer<EnvdClient> client;
    ConnectStream *network = nullptr; ///< child of q
    const char *method = nullptr;
    std::string message;
    QString user;
    qint64 timeoutMs = 0;

    quint32 pid = 0;
    bool over = false; ///< finished(), failed() or detach(): no more signals
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

struct DirWatch::Private final : EnvdTraffic {
    ~Private() override;
    void open(EnvdClient *envd);
    void end(const Error &reason) override;
    void abandon() override;

    void connectNow();
    bool takeMessage(std::string_view bytes);
    void leave();
    void fail(const Error &error);

    DirWatch *q = nullptr;
    QPointer<EnvdClient> client;
    ConnectStream *network = nullptr; ///< child of q
    std::string message;
    bool over = false;
};

struct Transfer::Private final : EnvdTraffic {
    ~Private() override;
    void open(EnvdClient *envd);
    void end(const Error &reason) override;
    void abandon() override;

    void connectNow();
    void drainDownload();
    /// Moves bytes from the network to the target; false when that ended the transfer.
    bool moveBytes();
    void drainUpload();
    void finishLater(const Error &error);
    void leave();
    void tell(const Result<> &result);
    void noteProgress(qint64 done, qint64 total, bool force = false);

    Transfer *q = nullptr;
    QPointer<EnvdClient> client;
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
    bool over = false;
};

} // namespace moru
