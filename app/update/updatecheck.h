// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QPointer>
#include <QUrl>

#include <optional>

class QNetworkAccessManager;
class QNetworkReply;

namespace moru {

/// A newer version that somebody offers.
struct UpdateOffer {
    QString version; ///< digits and dots only
    QUrl page;       ///< https; for a browser, never fetched by the app

    friend bool operator==(const UpdateOffer &, const UpdateOffer &) = default;
};

/// Asks one address which version is the newest. It never downloads, installs or restarts anything,
/// and sends nothing but the usual User-Agent.
class UpdateCheck : public QObject {
    Q_OBJECT
public:
    /// What the server may answer at most, in bytes.
    static constexpr qint64 LargestAnswer = 16LL << 10U;
    static constexpr int LimitMs = 15'000;

    /// The address chosen when the program was built; empty = there is no check.
    static QUrl builtInUrl();
    /// https, or plain http on this machine.
    static bool isAcceptable(const QUrl &url);

    /// `current` = the version that runs.
    UpdateCheck(QUrl url, QString current, QObject *parent = nullptr);
    ~UpdateCheck() override;

    /// Asynchronous; a check under way is not repeated.
    void check();
    void cancel();
    [[nodiscard]] bool isRunning() const { return !m_reply.isNull(); }
    /// For tests: the time after which an answer is given up.
    void setLimitMs(int limit) { m_limitMs = limit; }

    /// The offer in `answer`, if it is well-formed and newer than `current`; otherwise why not.
    static std::optional<UpdateOffer> parse(const QByteArray &answer, const QString &current,
                                            QString *problem = nullptr);

signals:
    void offered(const moru::UpdateOffer &offer);
    /// The check has ended, with or without an offer.
    void finished();

private:
    void take();
    void end();

    QUrl m_url;
    QString m_current;
    QNetworkAccessManager *m_network;
    QPointer<QNetworkReply> m_reply;
    QByteArray m_answer;
    int m_limitMs = LimitMs;
};

} // namespace moru
