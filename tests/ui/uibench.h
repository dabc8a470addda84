// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"
#include "tests/stores/fleetserver.h"

#include <QApplication>
#include <QDialog>
#include <QTest>

#include <chrono>
#include <memory>

namespace moru::test {

/// A fleet behind real HTTP and a store in a hurry.
struct UiBench {
    explicit UiBench(bool production = false)
        : connection(spec(server.url(), production))
    {
        connection.transport().setApiKey(QStringLiteral("moru_key"));
        Transport::Limits limits;
        limits.retryBaseMs = 2;
        limits.unaryMs = 20'000;
        connection.transport().setLimits(limits);
        store = std::make_unique<SandboxStore>(connection);
        using namespace std::chrono_literals;
        store->setPace({20ms, 20ms, 60ms, 150ms, 20ms, 20ms, 100ms});
    }

    static ConnectionSpec spec(const QUrl &url, bool production)
    {
        ConnectionSpec spec;
        spec.id = QStringLiteral("test");
        spec.name = QStringLiteral("Acme");
        spec.endpoint.apiUrl = url;
        spec.endpoint.sandboxUrl = url;
        spec.production = production;
        return spec;
    }
    void addMany(int count)
    {
        for (int i = 0; i < count; ++i)
            server.add(QStringLiteral("i%1").arg(i, 6, 10, QLatin1Char('0')));
    }
    /// Starts polling and waits until the list is there.
    [[nodiscard]] bool fill()
    {
        store->start();
        return QTest::qWaitFor([this] { return store->phase() == SandboxStore::Phase::Ready; },
                               20'000);
    }
    [[nodiscard]] QStringList ids() const
    {
        QStringList ids;
        for (int i = 0; i < store->count(); ++i)
            ids << store->at(i).sandbox.id;
        return ids;
    }

    FleetServer server;
    Connection connection;
    std::unique_ptr<SandboxStore> store;
};

/// The visible dialog of that name, or nullptr.
inline QDialog *openDialog(const char *name)
{
    const auto widgets = QApplication::topLevelWidgets();
    for (QWidget *widget : widgets) {
        auto *dialog = qobject_cast<QDialog *>(widget);
        if (dialog && dialog->isVisible() && dialog->objectName() == QLatin1String(name))
            return dialog;
    }
    return nullptr;
}

template <typename T> T *part(const QWidget *root, const char *name)
{
    return root->findChild<T *>(QLatin1String(name));
}

} // namespace moru::test
