// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"
#include "app/wire/frame.h"

#include <QElapsedTimer>
#include <QObject>
#include <QPointer>
#include <QTimer>

#include <functional>
#include <memory>
#include <string_view>

class QNetworkReply;

namespace moru {

/// Reads the answer of one server-stream call of the Connect protocol: cuts it into messages,
/// watches for signs of life, and says once how it ended. The handlers may delete this object.
class ConnectStream : public QObject {
    Q_OBJECT
public:
    struct Handlers {
        /// One message; the bytes are valid during the call. False = it could not be understood.
        std::function<bool(std::string_view)> message;
        /// All messages that one read from the network held were given; time to pass things on.
        std::function<void()> batchEnd;
        /// The stream is over: success after its end message, otherwise why not. Told once.
        std::function<void(const Result<> &)> ended;
    };

    ConnectStream(Handlers handlers, QObject *parent);
    ~ConnectStream() override;

    /// Takes over `reply`. `keepaliveSeconds` is what the server was asked for; `firstByteMs`
    /// limits the wait for the first sign of life.
    void open(QNetworkReply *reply, int keepaliveSeconds, int firstByteMs);
    /// While paused nothing is read, so that the server's writes block sooner or later.
    void setPaused(bool paused);
    /// Ends the transfer without another word.
    void close();

private:
    enum class Progress { Drained, Stopped };
    void drain();
    Progress giveFrames();
    void collectRefusal();
    void end(const Result<> &result);
    void checkPulse();
    static Result<> parseEnd(std::string_view json);

    std::shared_ptr<const Handlers> m_handlers; ///< shared: a handler may delete this object
    QPointer<QNetworkReply> m_reply;
    wire::FrameDecoder m_decoder;
    QByteArray m_buffer;
    QByteArray m_refusal; ///< body of an answer that is not a stream
    QTimer m_nextTurn;
    QTimer m_pulse;
    QElapsedTimer m_lastByte;
    qint64 m_silenceMs = 0;
    qint64 m_firstByteMs = 0;
    bool m_sawByte = false;
    bool m_paused = false;
    bool m_draining = false;
    bool m_typeChecked = false;
    bool m_closed = false;
};

} // namespace moru
