// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/update/updatecheck.h"

#include "app/core/log.h"

#include <QHostAddress>
#include <QJsonDocument>
#include <QJsonObject>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QRegularExpression>
#include <QTimer>
#include <QVersionNumber>

#include <utility>

namespace moru {

namespace {

constexpr int LongestUrl = 500;

bool isLoopback(const QString &host)
{
    return host == QLatin1String("localhost") || QHostAddress(host).isLoopback();
}

std::optional<QVersionNumber> versionOf(const QString &text)
{
    // Short groups: QVersionNumber counts in int.
    static const QRegularExpression shape(QStringLiteral("\\A[0-9]{1,6}(?:\\.[0-9]{1,6}){1,3}\\z"));
    if (!shape.match(text).hasMatch())
        return std::nullopt;
    return QVersionNumber::fromString(text).normalized();
}

} // namespace

QUrl UpdateCheck::builtInUrl()
{
    const QUrl url(QStringLiteral(MORU_UPDATE_URL), QUrl::StrictMode);
    return isAcceptable(url) ? url : QUrl();
}

bool UpdateCheck::isAcceptable(const QUrl &url)
{
    if (!url.isValid() || url.host().isEmpty() || !url.userInfo().isEmpty())
        return false;
    return url.scheme() == QLatin1String("https")
           || (url.scheme() == QLatin1String("http") && isLoopback(url.host()));
}

UpdateCheck::UpdateCheck(QUrl url, QString current, QObject *parent)
    : QObject(parent)
    , m_url(std::move(url))
    , m_current(std::move(current))
    , m_network(new QNetworkAccessManager(this))
{}

UpdateCheck::~UpdateCheck()
{
    cancel();
}

std::optional<UpdateOffer> UpdateCheck::parse(const QByteArray &answer, const QString &current,
                                              QString *problem)
{
    const auto refuse = [problem](const QString &why) -> std::optional<UpdateOffer> {
        if (problem)
            *problem = why;
        return std::nullopt;
    };
    if (answer.size() > LargestAnswer)
        return refuse(QStringLiteral("the answer is too large"));
    const QJsonDocument document = QJsonDocument::fromJson(answer);
    if (!document.isObject())
        return refuse(QStringLiteral("the answer is not a JSON object"));
    const QString text = document.object().value(QLatin1String("version")).toString();
    const auto offered = versionOf(text);
    if (!offered)
        return refuse(QStringLiteral("the answer names no version"));
    const QString link = document.object().value(QLatin1String("url")).toString();
    const QUrl page(link, QUrl::StrictMode);
    if (link.size() > LongestUrl || !page.isValid() || page.scheme() != QLatin1String("https")
        || page.host().isEmpty() || !page.userInfo().isEmpty())
        return refuse(QStringLiteral("the answer names no https page"));
    const auto running = versionOf(current);
    if (!running || *offered <= *running)
        return refuse({});
    return UpdateOffer{text, page};
}

void UpdateCheck::check()
{
    if (m_reply || !isAcceptable(m_url))
        return;
    QNetworkRequest request(m_url);
    request.setRawHeader("User-Agent", "moru-desktop/" MORU_VERSION);
    request.setRawHeader("Accept", "application/json");
    // A redirect to another scheme would be an answer from somebody else.
    request.setAttribute(QNetworkRequest::RedirectPolicyAttribute,
                         QNetworkRequest::NoLessSafeRedirectPolicy);
    request.setAttribute(QNetworkRequest::CookieLoadControlAttribute, QNetworkRequest::Manual);
    request.setAttribute(QNetworkRequest::CookieSaveControlAttribute, QNetworkRequest::Manual);
    request.setMaximumRedirectsAllowed(3);
    request.setDecompressedSafetyCheckThreshold(LargestAnswer);
    m_answer.clear();
    m_reply = m_network->get(request);
    QNetworkReply *reply = m_reply;
    // The whole of it, not the time between two bytes.
    QTimer::singleShot(m_limitMs, reply, [this, reply] {
        if (m_reply == reply) {
            qCInfo(lcApi) << "update check: no answer in time";
            end();
        }
    });
    connect(reply, &QNetworkReply::readyRead, this, [this] {
        m_answer += m_reply->read(LargestAnswer + 1 - m_answer.size());
        if (m_answer.size() > LargestAnswer) {
            qCInfo(lcApi) << "update check: the answer is too large";
            end();
        }
    });
    connect(reply, &QNetworkReply::finished, this, &UpdateCheck::take);
}

void UpdateCheck::cancel()
{
    if (QNetworkReply *reply = m_reply) {
        m_reply = nullptr;
        disconnect(reply, nullptr, this, nullptr);
        reply->abort();
        reply->deleteLater();
    }
    m_answer.clear();
}

void UpdateCheck::take()
{
    const int status = m_reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (m_reply->error() != QNetworkReply::NoError || status != 200) {
        // Nobody asked for it, so nobody is told: being offline is no news.
        qCInfo(lcApi) << "update check:" << status << m_reply->error();
        end();
        return;
    }
    QString problem;
    const auto offer = parse(m_answer, m_current, &problem);
    if (!problem.isEmpty())
        qCInfo(lcApi) << "update check:" << problem;
    end();
    if (offer)
        emit offered(*offer);
}

void UpdateCheck::end()
{
    cancel();
    emit finished();
}

} // namespace moru
