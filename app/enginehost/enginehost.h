// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QObject>
#include <QUrl>

#include <memory>

namespace moru {

/// Finds, starts and watches moru-local, which runs detached and outlives the app. An engine that
/// crashes is started again.
class EngineHost : public QObject {
    Q_OBJECT
public:
    enum class State {
        Unknown, ///< not looked yet
        Stopped, ///< not running
        Starting,
        Running,
        Stopping,
        Failed,      ///< could not start or crashed; see lastError()
        Unsupported, ///< no moru-local on this system
    };
    Q_ENUM(State)
    struct Address {
        QUrl apiUrl;
        QUrl sandboxUrl;
        QString domain;
        QString apiKey;
    };

    /// `program` = path of moru-local, `stateDir` = its --state-dir; empty = the defaults (beside
    /// the app or in PATH; the documented default directory).
    explicit EngineHost(QString program = {}, QString stateDir = {}, QObject *parent = nullptr);
    ~EngineHost() override;

    [[nodiscard]] State state() const;
    [[nodiscard]] Error lastError() const;
    [[nodiscard]] const Address &address() const; ///< valid while Running
    [[nodiscard]] QString logFile() const;
    [[nodiscard]] QString stateDir() const;

    /// While Failed: it had been serving and ended or fell silent without being told to.
    [[nodiscard]] bool hasCrashed() const;
    /// While Failed: a start follows by itself. One that crashes time and again is left alone.
    [[nodiscard]] bool willRestart() const;

    /// Uses the engine that runs, or starts one detached. Asynchronous; see stateChanged().
    void start();
    /// moru-local stop: running sandboxes are kept as paused.
    void stop();
    /// Runs `moru-local doctor` and gives its text and whether sandboxes can be isolated.
    struct Diagnosis {
        bool ok = false;
        QString text;
    };
    void doctor(QObject *context, Done<Diagnosis> done);

signals:
    void stateChanged(moru::EngineHost::State state);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
