// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/api/transport.h"

#include "app/api/oneshotbody.h"
#include "app/core/log.h"

#include <QDateTime>
#include <QDeadlineTimer>
#include <QHash>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QPointer>
#include <QRandomGenerator>
#include <QSet>
#include <QSslError>
#include <QTimeZone>
#include <QTimer>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

namespace moru {

namespace {

// The retry schedule of reads: pauses as multiples of Limits::retryBaseMs, each with up to a
// quarter of jitter either way. Short, because pollers above have a schedule of their own.
constexpr std::array<int, 2> RetryPauses = {1, 5};

// A limit that asks for more patience than this is told to the caller instead of waited for.
constexpr qint64 LongestHoldMs = 10'000;
constexpr int LongestRetryAfterSeconds = 3600;

// HTTP/1.1 allows six sockets per host and manager; one stays free for whatever comes next.
constexpr int StreamsPerManager = 5;

constexpr qint64 StreamReadBuffer = 256LL << 10U;
constexpr qint64 DownloadReadBuffer = 1LL << 20U;
constexpr qsizetype LargestErrorBody = 64LL << 10U;
constexpr qsizetype LongestMessage = 1000;
constexpr qsizetype LongestExcerpt = 500;

const char *const TlsErrorsProperty = "moruTlsErrors";

int statusOf(const QNetworkReply &reply)
{
    return reply.attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
}

QString authorityOf(const QUrl &url)
{
    const int standard = url.scheme() == QLatin1String("https") ? 443 : 80;
    return url.host() + u':' + QString::number(url.port(standard));
}

/// What a server wrote, fit for a label or a log line: one paragraph, bounded, printable.
QString tidied(const QString &text, qsizetype limit)
{
    QString out;
    out.reserve(std::min(text.size(), limit));
    for (const QChar c : text) {
        if (out.size() >= limit) {
            out += u'\u2026';
            break;
        }
        if (c.isPrint() || c == u'\n')
            out += c;
        else if (c.isSpace() && !out.endsWith(u' '))
            out += u' ';
    }
    return out.trimmed();
}

bool looksLikeHtml(const QByteArray &contentType, const QByteArray &body)
{
    return contentType.startsWith("text/html") || body.trimmed().startsWith('<');
}

/// The one form of date that HTTP servers send: "Sun, 06 Nov 1994 08:49:37 GMT". UTC, or invalid.
QDateTime parseHttpDate(const QByteArray &value)
{
    const QStringList words = QString::fromLatin1(value).simplified().split(u' ');
    if (words.size() != 6 || words.at(5) != QLatin1String("GMT"))
        return {};
    const QDate day =
        QLocale::c().toDate(words.mid(1, 3).join(u' '), QStringLiteral("dd MMM yyyy"));
    const QTime time = QTime::fromString(words.at(4), QStringLiteral("HH:mm:ss"));
    return day.isValid() && time.isValid() ? QDateTime(day, time, QTimeZone::utc()) : QDateTime();
}

/// Seconds from a Retry-After value (a number or an HTTP date); -1 if there is none.
int parseRetryAfter(const QByteArray &value)
{
    if (value.isEmpty())
        return -1;
    bool isNumber = false;
    const qint64 seconds = value.trimmed().toLongLong(&isNumber);
    if (isNumber)
        return int(std::clamp<qint64>(seconds, 0, LongestRetryAfterSeconds));
    const QDateTime when = parseHttpDate(value);
    if (!when.isValid())
        return -1;
    return int(std::clamp<qint64>(QDateTime::currentDateTimeUtc().secsTo(when), 0,
                                  LongestRetryAfterSeconds));
}

QString requestLine(const QNetworkReply &reply)
{
    QString method;
    switch (reply.operation()) {
    case QNetworkAccessManager::GetOperation:
        method = QStringLiteral("GET");
        break;
    case QNetworkAccessManager::PostOperation:
        method = QStringLiteral("POST");
        break;
    case QNetworkAccessManager::DeleteOperation:
        method = QStringLiteral("DELETE");
        break;
    default:
        method = QString::fromLatin1(
            reply.request().attribute(QNetworkRequest::CustomVerbAttribute).toByteArray());
        break;
    }
    // Never the query: signatures and paths of the user's files are in there.
    return method + u' '
           + reply.url().toDisplayString(QUrl::RemoveQuery | QUrl::RemoveUserInfo
                                         | QUrl::RemoveFragment);
}

QString withDetail(const QString &line, int status, const QByteArray &body)
{
    QString detail = line;
    if (status > 0)
        detail += QStringLiteral("\nHTTP %1").arg(status);
    if (!body.isEmpty())
        detail += u'\n' + tidied(QString::fromUtf8(body.left(4 * LongestExcerpt)), LongestExcerpt);
    return detail.trimmed();
}

Error::Kind kindOfStatus(int status)
{
    switch (status) {
    case 401:
    case 403:
        return Error::Kind::Unauthorized;
    case 404:
        return Error::Kind::NotFound;
    case 408:
    case 504:
        return Error::Kind::Timeout;
    case 409:
        return Error::Kind::Conflict;
    case 429:
        return Error::Kind::RateLimited;
    case 507:
        return Error::Kind::NoSpace;
    default:
        break;
    }
    if (status >= 500)
        return Error::Kind::Server;
    if (status >= 400)
        return Error::Kind::Invalid;
    return Error::Kind::Protocol;
}

struct ConnectCode {
    const char *name;
    Error::Kind kind;
};

constexpr ConnectCode ConnectCodes[] = {
    // Our own cancellations never come back as an answer, so this one is the server's doing.
    {"canceled", Error::Kind::Server},
    {"unknown", Error::Kind::Server},
    {"invalid_argument", Error::Kind::Invalid},
    {"deadline_exceeded", Error::Kind::Timeout},
    {"not_found", Error::Kind::NotFound},
    {"already_exists", Error::Kind::Conflict},
    // These two are about users inside a sandbox, not about the key of the connection.
    {"permission_denied", Error::Kind::Invalid},
    {"unauthenticated", Error::Kind::Invalid},
    {"resource_exhausted", Error::Kind::RateLimited},
    {"failed_precondition", Error::Kind::Conflict},
    {"aborted", Error::Kind::Conflict},
    {"out_of_range", Error::Kind::Invalid},
    {"unimplemented", Error::Kind::Server},
    {"internal", Error::Kind::Server},
    {"unavailable", Error::Kind::Server},
    {"data_loss", Error::Kind::Server},
};

bool isConnectCode(const QString &code)
{
    return std::any_of(std::begin(ConnectCodes), std::end(ConnectCodes),
                       [&code](const ConnectCode &c) { return code == QLatin1String(c.name); });
}

/// What went wrong below HTTP. QNetworkReply::errorString() is not used: it may contain the URL.
std::optional<Error> networkError(const QNetworkReply &reply, int status)
{
    const auto broken = [status](const char *before, const char *amid) {
        return QString::fromLatin1(status == 0 ? before : amid);
    };
    Error error;
    error.kind = Error::Kind::Network;
    error.httpStatus = status;
    switch (reply.error()) {
    case QNetworkReply::NoError:
        return std::nullopt;
    case QNetworkReply::ConnectionRefusedError:
        error.message = QStringLiteral("%1 refused the connection").arg(authorityOf(reply.url()));
        error.neverSent = status == 0;
        break;
    case QNetworkReply::HostNotFoundError:
        error.message = QStringLiteral("The host %1 was not found").arg(reply.url().host());
        error.neverSent = status == 0;
        break;
    case QNetworkReply::ContentReSendError: // what OneShotBody makes of it
    case QNetworkReply::RemoteHostClosedError:
        error.message = broken("The server closed the connection without an answer",
                               "The connection broke in the middle of the answer");
        break;
    case QNetworkReply::TimeoutError:
    case QNetworkReply::OperationCanceledError: // ours never get here: aborted calls tell nothing
        error.kind = Error::Kind::Timeout;
        error.message =
            broken("No answer within the time limit", "The answer stopped before it was complete");
        break;
    case QNetworkReply::SslHandshakeFailedError: {
        error.kind = Error::Kind::Tls;
        const QString why = reply.property(TlsErrorsProperty).toString();
        error.message =
            why.isEmpty() ? QStringLiteral("The secure connection could not be set up") : why;
        break;
    }
    case QNetworkReply::ProtocolUnknownError:
    case QNetworkReply::ProtocolInvalidOperationError:
        error.kind = Error::Kind::Invalid;
        error.message = QStringLiteral("The address cannot be used for HTTP");
        break;
    case QNetworkReply::ProtocolFailure:
    case QNetworkReply::UnknownContentError:
        if (status >= 400)
            return std::nullopt;
        error.kind = Error::Kind::Protocol;
        error.message = QStringLiteral("The answer is not valid HTTP");
        break;
    default:
        if (reply.error() >= 200) // made by Qt from the status code, which says it better
            return std::nullopt;
        error.message = reply.error() >= 100
                            ? QStringLiteral("The network proxy refused the connection")
                            : broken("The network connection failed",
                                     "The connection broke in the middle of the answer");
        break;
    }
    return error;
}

QByteArray sanitizedHeaderValue(const QString &text)
{
    QByteArray out;
    for (const QChar c : text.trimmed()) {
        if (c.unicode() > 0x20 && c.unicode() < 0x7f)
            out += char(c.unicode());
    }
    return out;
}

/// A request that Qt does not repeat on its own.
QNetworkReply *sendOnce(QNetworkAccessManager &manager, const QByteArray &method,
                        QNetworkRequest request, const QByteArray &bytes)
{
    auto *body = new OneShotBody(bytes);
    body->announceIn(request);
    QNetworkReply *reply = method == "POST" ? manager.post(request, body)
                                            : manager.sendCustomRequest(request, method, body);
    body->setParent(reply);
    return reply;
}

/// Managers with a bounded number of open replies each; grows and shrinks with the need.
class ManagerPool {
public:
    explicit ManagerPool(QObject *owner)
        : m_owner(owner)
    {}

    /// The manager with room; `track()` must follow with the reply made by it.
    QNetworkAccessManager *take()
    {
        for (Slot &slot : m_slots) {
            if (slot.open < StreamsPerManager)
                return slot.manager;
        }
        m_slots.push_back({new QNetworkAccessManager(m_owner), 0});
        return m_slots.back().manager;
    }

    void track(QNetworkReply *reply, QNetworkAccessManager *manager)
    {
        slotOf(manager)->open += 1;
        QObject::connect(reply, &QObject::destroyed, m_owner,
                         [this, manager] { release(manager); });
    }

    /// Deletes managers and with them all their replies.
    void closeAll()
    {
        const auto closing = std::exchange(m_slots, {});
        for (const Slot &slot : closing)
            delete slot.manager;
    }

private:
    struct Slot {
        QNetworkAccessManager *manager;
        int open;
    };

    std::vector<Slot>::iterator slotOf(const QNetworkAccessManager *manager)
    {
        return std::find_if(m_slots.begin(), m_slots.end(),
                            [manager](const Slot &slot) { return slot.manager == manager; });
    }

    void release(QNetworkAccessManager *manager)
    {
        const auto slot = slotOf(manager);
        if (slot == m_slots.end())
            return;
        slot->open -= 1;
        // Each manager holds a thread; one is kept for the next stream.
        if (slot->open == 0 && m_slots.size() > 1) {
            manager->deleteLater();
            m_slots.erase(slot);
        }
    }

    QObject *m_owner;
    std::vector<Slot> m_slots;
};

} // namespace

struct Transport::Private {
    explicit Private(Transport *transport)
        : q(transport)
        , reads(new QNetworkAccessManager(transport))
        , commands(new QNetworkAccessManager(transport))
        , kills(new QNetworkAccessManager(transport))
        , streams(transport)
        , transfers(transport)
    {}

    enum class KeyState { Known, Pending, Asked, Unavailable };

    Transport *q;
    Endpoint endpoint;
    QByteArray apiKey;
    KeyState keyState = KeyState::Known;
    Error unavailable;
    Limits limits;

    QNetworkAccessManager *reads;
    /// POSTs to the control plane may take minutes (pause, create). Apart from the rest, or six of
    /// them would hold up every list and kill.
    QNetworkAccessManager *commands;
    /// Apart from both: a kill waits neither for slow commands nor for lists.
    QNetworkAccessManager *kills;
    ManagerPool streams;
    ManagerPool transfers;

    QSet<UnaryJob *> jobs;
    QHash<QString, QDeadlineTimer> holds; ///< by authority: no request before this
    qint64 clockOffsetMs = 0;
    bool reachable = true;

    void prepare(QNetworkRequest &request) const
    {
        request.setRawHeader("User-Agent", "moru-desktop/" MORU_VERSION);
        request.setAttribute(QNetworkRequest::RedirectPolicyAttribute,
                             QNetworkRequest::ManualRedirectPolicy);
        request.setAttribute(QNetworkRequest::CookieLoadControlAttribute, QNetworkRequest::Manual);
        request.setAttribute(QNetworkRequest::CookieSaveControlAttribute, QNetworkRequest::Manual);
        request.setAttribute(QNetworkRequest::AuthenticationReuseAttribute,
                             QNetworkRequest::Manual);
        request.setAttribute(QNetworkRequest::CacheLoadControlAttribute,
                             QNetworkRequest::AlwaysNetwork);
        request.setAttribute(QNetworkRequest::CacheSaveControlAttribute, false);
        // Our own cap on the size of a body does what Qt's ratio check is for.
        request.setDecompressedSafetyCheckThreshold(-1);
    }

    void prepareLong(QNetworkRequest &request) const
    {
        prepare(request);
        request.setAttribute(QNetworkRequest::Http2AllowedAttribute, false);
        request.setTransferTimeout(0);
    }

    static void collectTlsErrors(QNetworkReply *reply)
    {
        QObject::connect(
            reply, &QNetworkReply::sslErrors, reply, [reply](const QList<QSslError> &errors) {
                QStringList words;
                for (const QSslError &error : errors)
                    words.append(error.errorString());
                words.removeDuplicates();
                reply->setProperty(TlsErrorsProperty, words.join(QStringLiteral("; ")));
            });
    }

    void noteReachability(bool now)
    {
        if (reachable == now)
            return;
        reachable = now;
        emit q->reachabilityChanged(now);
    }

    /// The header has whole seconds and was written somewhere between sending and receiving, so it
    /// gives a range. The known offset is only moved when it lies outside, which keeps it still.
    void noteServerTime(const QByteArray &date, qint64 sentMs, qint64 receivedMs)
    {
        const QDateTime server = parseHttpDate(date);
        if (!server.isValid())
            return;
        const qint64 serverMs = server.toMSecsSinceEpoch();
        const qint64 lowest = serverMs - receivedMs;
        const qint64 highest = serverMs + 999 - sentMs;
        if (lowest <= highest) // false when the local clock was set meanwhile
            clockOffsetMs = std::clamp(clockOffsetMs, lowest, highest);
    }
};

/// One unary request with its retries. Deletes itself when it has told its result.
class UnaryJob : public QObject {
public:
    struct Plan {
        QByteArray method;
        QNetworkRequest request; ///< complete, unless isControl
        QByteArray controlPath;
        QByteArray body;
        bool isControl = false;
        Transport::Retry retry = Transport::Retry::Never;
    };

    UnaryJob(Transport::Private &transport, Plan plan, QObject *context,
             Done<Transport::Reply> done)
        : m_transport(transport)
        , m_plan(std::move(plan))
        , m_context(context)
        , m_done(std::move(done))
    {
        m_transport.jobs.insert(this);
        m_wait.setSingleShot(true);
        connect(&m_wait, &QTimer::timeout, this, [this] { begin(); });
        m_limit.setSingleShot(true);
        connect(&m_limit, &QTimer::timeout, this, [this] {
            if (m_reply)
                m_reply->abort(); // finished() follows and is told as a time-out
        });
        connect(context, &QObject::destroyed, this, [this] { abort(); });
        m_wait.start(
            0); // from the event loop: whatever happens, it happens after the call returned
    }

    ~UnaryJob() override
    {
        m_transport.jobs.remove(this);
        dropReply();
    }

    [[nodiscard]] std::shared_ptr<bool> dropped() const { return m_dropped; }

    void abort()
    {
        *m_dropped = true;
        m_done = nullptr;
        m_wait.stop();
        m_limit.stop();
        dropReply();
        deleteLater();
    }

    /// The key is there, or it is certain that none comes.
    void wake()
    {
        if (m_waitsForKey)
            m_wait.start(0);
    }

    /// For the end of the transport: nobody is called from within its destructor.
    void cancelLater()
    {
        if (m_done && m_context) {
            QMetaObject::invokeMethod(
                m_context,
                [dropped = m_dropped, done = std::move(m_done)] {
                    if (!*dropped)
                        done(failure(Error::Kind::Canceled,
                                     QStringLiteral("The connection was closed")));
                },
                Qt::QueuedConnection);
        }
        m_done = nullptr;
    }

private:
    void begin()
    {
        m_waitsForKey = false;
        if (m_plan.isControl) {
            using KeyState = Transport::Private::KeyState;
            switch (m_transport.keyState) {
            case KeyState::Known:
                break;
            case KeyState::Unavailable:
                settle(tl::unexpected<Error>(m_transport.unavailable));
                return;
            case KeyState::Pending:
            case KeyState::Asked:
                m_waitsForKey = true;
                if (std::exchange(m_transport.keyState, KeyState::Asked) == KeyState::Pending)
                    emit m_transport.q->apiKeyNeeded();
                return;
            }
            if (auto ready = addressControl(); !ready) {
                settle(tl::unexpected<Error>(ready.error()));
                return;
            }
        }
        const QUrl url = m_plan.request.url();
        if (!url.isValid() || url.host().isEmpty()) {
            settle(failure(Error::Kind::Invalid,
                           QStringLiteral("The address of the server is not valid")));
            return;
        }
        const auto hold = m_transport.holds.constFind(authorityOf(url));
        if (hold != m_transport.holds.constEnd() && !hold->hasExpired()) {
            const qint64 remaining = hold->remainingTime();
            if (remaining > LongestHoldMs) {
                Error error{Error::Kind::RateLimited,
                            429,
                            QStringLiteral("The server asked to wait before the next request"),
                            {},
                            int((remaining + 999) / 1000)};
                settle(tl::unexpected<Error>(std::move(error)));
                return;
            }
            m_wait.start(int(remaining) + 1);
            return;
        }
        send();
    }

    Result<> addressControl()
    {
        const QUrl &base = m_transport.endpoint.apiUrl;
        if (base.host().isEmpty())
            return failure(Error::Kind::Local, QStringLiteral("The connection has no API address"));
        const QByteArray root =
            base.toEncoded(QUrl::RemovePath | QUrl::RemoveQuery | QUrl::RemoveFragment);
        const QUrl url = QUrl::fromEncoded(root + m_plan.controlPath, QUrl::StrictMode);
        // The key goes to the API's host and nowhere else, whatever was put into the path.
        if (!m_plan.controlPath.startsWith('/') || m_plan.controlPath.startsWith("//")
            || !url.isValid() || url.scheme() != base.scheme()
            || authorityOf(url) != authorityOf(base) || url.userInfo() != base.userInfo())
            return failure(Error::Kind::Invalid, QStringLiteral("The request's path is not valid"));
        m_plan.request = QNetworkRequest(url);
        m_plan.request.setRawHeader("Accept", "application/json");
        if (m_plan.method == "POST")
            m_plan.request.setRawHeader("Content-Type", "application/json");
        if (!m_transport.apiKey.isEmpty())
            m_plan.request.setRawHeader("X-API-Key", m_transport.apiKey);
        return {};
    }

    void send()
    {
        QNetworkRequest request = m_plan.request;
        m_transport.prepare(request);
        request.setTransferTimeout(m_transport.limits.unaryMs);
        auto *manager = m_transport.reads;
        if (m_plan.isControl && m_plan.method != "GET") {
            manager = m_plan.method == "POST" ? m_transport.commands : m_transport.kills;
            // A connection of its own, which breaks only if the network does: one that was kept
            // open may be dead since the computer slept, and this request is not sent again.
            request.setAttribute(QNetworkRequest::Http2AllowedAttribute, false);
            request.setRawHeader("Connection", "close");
        }
        m_body.clear();
        m_tooLarge = false;
        m_sentMs = QDateTime::currentMSecsSinceEpoch();
        if (m_plan.method == "GET")
            m_reply = manager->get(request);
        else if (m_plan.method == "POST" && m_plan.retry == Transport::Retry::Reads)
            m_reply = manager->post(request, m_plan.body);
        else
            m_reply = sendOnce(*manager, m_plan.method, request, m_plan.body);
        Transport::Private::collectTlsErrors(m_reply);
        connect(m_reply, &QNetworkReply::readyRead, this, [this] { takeBody(); });
        connect(m_reply, &QNetworkReply::finished, this, [this] { finish(); });
        m_limit.start(m_transport.limits.unaryMs);
    }

    void takeBody()
    {
        const qint64 announced = m_reply->header(QNetworkRequest::ContentLengthHeader).toLongLong();
        const qint64 cap = m_transport.limits.maxBody;
        if (announced > cap || m_body.size() + m_reply->bytesAvailable() > cap) {
            m_tooLarge = true;
            m_reply->abort();
            return;
        }
        m_body += m_reply->readAll();
    }

    void finish()
    {
        m_limit.stop();
        if (!m_tooLarge && m_reply->bytesAvailable() > 0) {
            takeBody();
            if (!m_reply) // too large after all: abort() has brought us here a second time
                return;
        }
        const int status = statusOf(*m_reply);
        const bool answered = status > 0;
        const auto networkFailure = networkError(*m_reply, status);
        if (m_plan.isControl) {
            if (answered)
                m_transport.noteServerTime(m_reply->rawHeader("Date"), m_sentMs,
                                           QDateTime::currentMSecsSinceEpoch());
            m_transport.noteReachability(answered || !networkFailure);
            if (!m_reply) // a listener of that signal ended this call
                return;
        }
        if (m_tooLarge) {
            Error error{Error::Kind::Protocol, status,
                        QStringLiteral("The answer is larger than this app accepts"),
                        requestLine(*m_reply), -1};
            dropReply();
            settle(tl::unexpected<Error>(std::move(error)));
            return;
        }
        if (!networkFailure && status >= 200 && status < 300) {
            Transport::Reply result;
            result.status = status;
            result.body = std::move(m_body);
            for (const auto &[name, value] : m_reply->rawHeaderPairs())
                result.headers.insert(name.toLower(), value);
            result.contentType = result.headers.value("content-type").toLower();
            dropReply();
            settle(std::move(result));
            return;
        }
        Error error = Transport::errorFrom(*m_reply, m_body);
        const QString authority = authorityOf(m_reply->url());
        dropReply();
        if (error.kind == Error::Kind::RateLimited && error.retryAfterSeconds > 0) {
            m_transport.holds.insert(authority, QDeadlineTimer(1000LL * error.retryAfterSeconds));
            qCInfo(lcApi, "rate limited, waiting %d s", error.retryAfterSeconds);
        }
        if (m_plan.retry == Transport::Retry::Reads && isWorthRetrying(error)
            && m_attempt < int(RetryPauses.size())) {
            const int pause = RetryPauses.at(size_t(m_attempt)) * m_transport.limits.retryBaseMs;
            m_attempt += 1;
            const double jitter = 0.75 + 0.5 * QRandomGenerator::global()->generateDouble();
            m_wait.start(int(pause * jitter));
            return;
        }
        settle(tl::unexpected<Error>(std::move(error)));
    }

    static bool isWorthRetrying(const Error &error)
    {
        if (error.kind == Error::Kind::NotFound)
            return false; // the data plane's 502 for an unknown sandbox is an answer, not a fault
        if (error.kind == Error::Kind::RateLimited)
            return error.retryAfterSeconds * 1000LL <= LongestHoldMs;
        return error.kind == Error::Kind::Network
               || (error.httpStatus >= 502 && error.httpStatus <= 504);
    }

    void settle(Result<Transport::Reply> result)
    {
        deleteLater();
        const auto done = std::exchange(m_done, nullptr);
        if (done && m_context && !*m_dropped)
            done(result);
    }

    void dropReply()
    {
        if (!m_reply)
            return;
        QNetworkReply *reply = std::exchange(m_reply, nullptr);
        disconnect(reply, nullptr, this, nullptr); // abort() would emit finished() at once
        if (reply->isRunning())
            reply->abort();
        reply->deleteLater();
    }

    Transport::Private &m_transport;
    Plan m_plan;
    QPointer<QObject> m_context;
    Done<Transport::Reply> m_done;
    std::shared_ptr<bool> m_dropped = std::make_shared<bool>(false);
    QPointer<QNetworkReply> m_reply;
    QByteArray m_body;
    QTimer m_wait;
    QTimer m_limit;
    qint64 m_sentMs = 0;
    int m_attempt = 0;
    bool m_tooLarge = false;
    bool m_waitsForKey = false;
};

Transport::Transport(Endpoint endpoint, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this))
{
    d->endpoint = std::move(endpoint);
}

Transport::~Transport()
{
    const auto jobs = std::exchange(d->jobs, {});
    for (UnaryJob *job : jobs) {
        job->cancelLater();
        delete job;
    }
    d->streams.closeAll();
    d->transfers.closeAll();
}

const Endpoint &Transport::endpoint() const
{
    return d->endpoint;
}

void Transport::setEndpoint(const Endpoint &endpoint)
{
    if (d->endpoint == endpoint)
        return;
    // What was learnt about the old server says nothing about the new one.
    if (d->endpoint.apiUrl != endpoint.apiUrl) {
        d->clockOffsetMs = 0;
        d->holds.clear();
        d->reachable = true;
    }
    d->endpoint = endpoint;
}

void Transport::setApiKey(const QString &key)
{
    d->apiKey = sanitizedHeaderValue(key);
    const auto before = std::exchange(d->keyState, Private::KeyState::Known);
    for (UnaryJob *job : std::as_const(d->jobs))
        job->wake();
    if (before == Private::KeyState::Unavailable)
        d->noteReachability(true); // as far as is known; whoever waits may try again
}

bool Transport::hasApiKey() const
{
    return !d->apiKey.isEmpty();
}

void Transport::setApiKeyPending()
{
    d->apiKey.clear();
    d->keyState = Private::KeyState::Pending;
}

void Transport::setUnavailable(const Error &reason)
{
    d->apiKey.clear();
    d->keyState = Private::KeyState::Unavailable;
    d->unavailable = reason;
    for (UnaryJob *job : std::as_const(d->jobs))
        job->wake();
    d->noteReachability(false);
}

void Transport::setLimits(const Limits &limits)
{
    d->limits = limits;
}

const Transport::Limits &Transport::limits() const
{
    return d->limits;
}

Call Transport::control(const QByteArray &method, const QByteArray &path, const QByteArray &json,
                        Retry retry, QObject *context, Done<Reply> done)
{
    Q_ASSERT(context && context->thread() == thread());
    UnaryJob::Plan plan;
    plan.method = method;
    plan.controlPath = path;
    plan.body = json;
    plan.isControl = true;
    plan.retry = retry;
    auto *job = new UnaryJob(*d, std::move(plan), context, std::move(done));
    return Call([guard = QPointer<UnaryJob>(job), dropped = job->dropped()] {
        *dropped = true;
        if (guard)
            guard->abort();
    });
}

Call Transport::unary(const QByteArray &method, QNetworkRequest request, const QByteArray &body,
                      Retry retry, QObject *context, Done<Reply> done)
{
    Q_ASSERT(context && context->thread() == thread());
    UnaryJob::Plan plan;
    plan.method = method;
    plan.request = std::move(request);
    plan.body = body;
    plan.retry = retry;
    auto *job = new UnaryJob(*d, std::move(plan), context, std::move(done));
    return Call([guard = QPointer<UnaryJob>(job), dropped = job->dropped()] {
        *dropped = true;
        if (guard)
            guard->abort();
    });
}

QNetworkReply *Transport::openStream(QNetworkRequest request, const QByteArray &body)
{
    d->prepareLong(request);
    // Also keeps Qt from decompressing: frames say themselves what they are.
    request.setRawHeader("Accept-Encoding", "identity");
    auto *manager = d->streams.take();
    QNetworkReply *reply = sendOnce(*manager, "POST", request, body);
    // Qt 6.4 forgets a limit that is set before a POST has left. Set when the answer begins it
    // holds, and without it a flood of output would be read into memory however slow the receiver
    // is.
    connect(reply, &QNetworkReply::metaDataChanged, reply,
            [reply] { reply->setReadBufferSize(StreamReadBuffer); });
    Private::collectTlsErrors(reply);
    d->streams.track(reply, manager);
    return reply;
}

QNetworkReply *Transport::openDownload(QNetworkRequest request)
{
    d->prepareLong(request);
    // Setting it by hand also keeps Qt from decompressing: the size must match Content-Length.
    request.setRawHeader("Accept-Encoding", "identity");
    auto *manager = d->transfers.take();
    QNetworkReply *reply = manager->get(request);
    reply->setReadBufferSize(DownloadReadBuffer);
    Private::collectTlsErrors(reply);
    d->transfers.track(reply, manager);
    return reply;
}

QNetworkReply *Transport::openUpload(QNetworkRequest request, QIODevice *device)
{
    d->prepareLong(request);
    auto *manager = d->transfers.take();
    QNetworkReply *reply = manager->post(request, device);
    Private::collectTlsErrors(reply);
    d->transfers.track(reply, manager);
    return reply;
}

Error Transport::errorFrom(QNetworkReply &reply, const QByteArray &body)
{
    const int status = statusOf(reply);
    if (status < 300) {
        if (auto error = networkError(reply, status)) {
            error->detail = withDetail(requestLine(reply), status, {});
            return *std::move(error);
        }
    }
    Error error = errorFrom(status, reply.rawHeader("Content-Type").toLower(), body);
    if (status >= 300 && status < 400) {
        const QUrl target = reply.attribute(QNetworkRequest::RedirectionTargetAttribute).toUrl();
        if (!target.host().isEmpty())
            error.message += QStringLiteral(" (to %1)").arg(target.host());
    }
    error.detail = withDetail(requestLine(reply), status, status >= 300 ? body : QByteArray());
    error.retryAfterSeconds = parseRetryAfter(reply.rawHeader("Retry-After"));
    return error;
}

Error Transport::errorFrom(int status, const QByteArray &contentType, const QByteArray &body)
{
    Error error;
    error.httpStatus = status;
    error.kind = kindOfStatus(status);
    if (status >= 300 && status < 400) {
        error.message =
            QStringLiteral("The server answered with a redirect, which is never followed");
        return error;
    }
    if (status < 300) {
        error.kind = Error::Kind::Protocol;
        if (body.trimmed().isEmpty())
            error.message =
                QStringLiteral("The server answered with nothing where data was expected");
        else if (looksLikeHtml(contentType, body))
            error.message = QStringLiteral("The server answered with a web page instead of data");
        else
            error.message = QStringLiteral("The server's answer is damaged or incomplete");
        return error;
    }
    const QJsonDocument json =
        body.size() <= LargestErrorBody ? QJsonDocument::fromJson(body) : QJsonDocument();
    if (json.isObject()) {
        const QJsonObject object = json.object();
        error.message = tidied(object.value(QLatin1String("message")).toString(), LongestMessage);
        const QString code = object.value(QLatin1String("code")).toString(); // empty for a number
        if (isConnectCode(code))
            error.kind = errorFromConnectCode(code, {}).kind;
        // The proxy's words for a sandbox that is unknown, ended or paused.
        else if (status == 502 && error.message == QLatin1String("The sandbox was not found"))
            error.kind = Error::Kind::NotFound;
    } else if (status == 404 || status == 409) {
        // These two mean "gone" and "already so" to callers. Only the API itself may say that, not
        // a web server that happens to stand at this address.
        error.kind = Error::Kind::Protocol;
        error.message = QStringLiteral("HTTP %1 in a form the API does not use; "
                                       "the address may be wrong")
                            .arg(status);
    } else if (!looksLikeHtml(contentType, body)) {
        error.message = tidied(QString::fromUtf8(body.left(4 * LongestMessage)), LongestMessage);
    }
    if (error.message.isEmpty())
        error.message = QStringLiteral("HTTP %1").arg(status);
    return error;
}

bool Transport::isOutcomeUnknown(const Error &error)
{
    switch (error.kind) {
    case Error::Kind::Network:
        return !error.neverSent;
    case Error::Kind::Timeout:
        return true;
    case Error::Kind::Protocol: // a good status with an answer that is not; others are refusals
        return error.httpStatus < 300;
    default:
        return error.httpStatus >= 502 && error.httpStatus <= 504;
    }
}

Error Transport::errorFromConnectCode(const QString &code, const QString &message)
{
    Error error;
    error.kind = Error::Kind::Server;
    for (const ConnectCode &known : ConnectCodes) {
        if (code == QLatin1String(known.name))
            error.kind = known.kind;
    }
    error.message = tidied(message, LongestMessage);
    if (error.message.isEmpty())
        error.message = code;
    error.detail = tidied(code, 40);
    return error;
}

qint64 Transport::serverClockOffsetMs() const
{
    return d->clockOffsetMs;
}

} // namespace moru
