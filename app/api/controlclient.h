// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/transport.h"

#include <QList>
#include <QObject>

namespace moru {

/// Typed access to the control plane (protocol.md B): one function per endpoint, no state.
class ControlClient : public QObject {
    Q_OBJECT
public:
    explicit ControlClient(Transport &transport, QObject *parent = nullptr);

    struct SandboxPage {
        QList<Sandbox> sandboxes;
        QByteArray nextToken;  ///< empty = last page
        int totalRunning = -1; ///< -1 = the server did not say
    };
    /// One raw page of GET /v2/sandboxes (limit 100, both states); the store parses only what
    /// changed.
    struct RawPage {
        QByteArray body;
        QByteArray nextToken;
        int totalRunning = -1;
    };
    Call listSandboxes(const QByteArray &nextToken, QObject *context, Done<SandboxPage> done);
    Call listSandboxesRaw(const QByteArray &nextToken, QObject *context, Done<RawPage> done);
    /// Observes only: never extends or wakes.
    Call getSandbox(const QString &id, QObject *context, Done<SandboxDetail> done);
    /// Never retried.
    Call createSandbox(const NewSandbox &spec, QObject *context, Done<SandboxDetail> done);
    /// true = killed now, false = was already gone (404). Never retried.
    Call killSandbox(const QString &id, QObject *context, Done<bool> done);
    /// true = paused now, false = was paused already (409). 404 is Error::NotFound. May take
    /// minutes; on a time-out the state must be read again, the server completes it all the same.
    Call pauseSandbox(const QString &id, QObject *context, Done<bool> done);
    /// POST …/connect: wakes a paused sandbox and gives it `timeoutSeconds` from now; never
    /// shortens.
    Call resumeSandbox(const QString &id, int timeoutSeconds, QObject *context,
                       Done<SandboxDetail> done);
    /// POST …/timeout: end = now + seconds, may shorten. Callers that extend compute the maximum
    /// first.
    Call setTimeout(const QString &id, int seconds, QObject *context, Done<> done);
    /// Latest point per sandbox; asks in groups of 100; unknown ids are missing in the answer.
    Call latestMetrics(const QStringList &ids, QObject *context,
                       Done<QMap<QString, SandboxMetric>> done);
    Call listTemplates(QObject *context, Done<QList<Template>> done);
    /// GET /v2/sandboxes?limit=1: proves that address and key work.
    Call probe(QObject *context, Done<> done);

    /// Parses one element of a sandbox list (UTF-8 JSON object); Protocol error names the bad
    /// member.
    static Result<Sandbox> parseSandbox(const QByteArray &json);

private:
    Transport &m_transport;
};

} // namespace moru
