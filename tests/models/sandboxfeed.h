// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore_p.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

#include <utility>

namespace moru::test {

/// A store that gets its list from here instead of from a server, at once.
class SandboxFeed {
public:
    SandboxFeed()
        : m_connection(spec())
        , m_store(std::make_unique<SandboxStore>(m_connection))
    {}

    [[nodiscard]] SandboxStore &store() { return *m_store; }
    void dropStore() { m_store.reset(); }

    /// The list is now this: pages of 100 are compared and applied.
    void sweep(const QList<Sandbox> &list)
    {
        SandboxStoreAccess::apply(*m_store, SandboxStoreAccess::compare(*m_store, pages(list)));
    }
    void setPending(const QString &id, PendingAction action)
    {
        SandboxStoreAccess::setPending(*m_store, id, action);
    }
    void setMetrics(const QMap<QString, SandboxMetric> &metrics)
    {
        SandboxStoreAccess::setMetrics(*m_store, metrics);
    }

    static QByteArray element(const Sandbox &sandbox)
    {
        QJsonObject object{
            {QStringLiteral("sandboxID"), sandbox.id},
            {QStringLiteral("clientID"), sandbox.clientId},
            {QStringLiteral("templateID"), sandbox.templateId},
            {QStringLiteral("envdVersion"), sandbox.envdVersion},
            {QStringLiteral("cpuCount"), sandbox.cpuCount},
            {QStringLiteral("memoryMB"), sandbox.memoryMiB},
            {QStringLiteral("diskSizeMB"), sandbox.diskMiB},
            {QStringLiteral("startedAt"), sandbox.startedAt.toString(Qt::ISODateWithMs)},
            {QStringLiteral("endAt"), sandbox.endAt.toString(Qt::ISODateWithMs)},
            {QStringLiteral("state"), sandbox.state == SandboxState::Paused
                                          ? QStringLiteral("paused")
                                          : QStringLiteral("running")},
        };
        if (!sandbox.alias.isEmpty())
            object.insert(QStringLiteral("alias"), sandbox.alias);
        if (!sandbox.metadata.isEmpty()) {
            QJsonObject metadata;
            for (auto pair = sandbox.metadata.cbegin(); pair != sandbox.metadata.cend(); ++pair)
                metadata.insert(pair.key(), pair.value());
            object.insert(QStringLiteral("metadata"), metadata);
        }
        return QJsonDocument(object).toJson(QJsonDocument::Compact);
    }

    static QList<QByteArray> pages(const QList<Sandbox> &list)
    {
        QList<QByteArray> pages;
        for (qsizetype first = 0; first < list.size() || first == 0; first += 100) {
            QByteArray page = "[";
            for (qsizetype i = first; i < qMin(first + 100, list.size()); ++i) {
                if (i > first)
                    page += ',';
                page += element(list[i]);
            }
            pages.append(page + ']');
        }
        return pages;
    }

private:
    static ConnectionSpec spec()
    {
        ConnectionSpec spec;
        spec.id = QStringLiteral("feed");
        spec.endpoint.apiUrl = QUrl(QStringLiteral("http://127.0.0.1:9"));
        return spec;
    }

    Connection m_connection;
    std::unique_ptr<SandboxStore> m_store;
};

} // namespace moru::test
