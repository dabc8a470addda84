// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"

#include <QHash>
#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>
#include <vector>

namespace moru {

/// What the app itself is doing to a sandbox until the server's answer is in.
enum class PendingAction {
    None,
    Pausing,
    Resuming,
    Killing,
};

/// A sandbox as the store knows it.
struct SandboxRow {
    Sandbox sandbox;
    PendingAction pending = PendingAction::None;
    std::optional<SandboxMetric> metric; ///< newest; empty = no data
    quint64 contentHash = 0;             ///< of the list element's bytes, to skip unchanged ones
};

/// The truth about one connection's sandboxes: polls, compares by id, announces what changed, and
/// carries out the user's wishes. Observing never changes a sandbox. Lives on the GUI thread; list
/// pages are hashed and parsed on a worker thread.
///
/// Signals follow the item-model discipline: rows change strictly between aboutTo… and its partner.
class SandboxStore : public QObject {
    Q_OBJECT
public:
    enum class Phase {
        Idle,    ///< not started
        Loading, ///< nothing known yet
        Ready,   ///< data is current
        Stale,   ///< the last poll failed; the last good data stays
        Failed,  ///< the first poll failed; nothing to show
    };
    Q_ENUM(Phase)

    explicit SandboxStore(Connection &connection, QObject *parent = nullptr);
    ~SandboxStore() override;

    [[nodiscard]] Connection &connection() const;
    /// Begins polling: every 2 s on loopback, 5 s elsewhere, backing off to 60 s with jitter while it
    /// fails; slower when setHidden(true).
    void start();
    void stop();
    void setHidden(bool hidden);
    void refresh(); ///< now, also when backing off

    [[nodiscard]] Phase phase() const;
    [[nodiscard]] const Error &lastError() const;        ///< meaningful while Stale or Failed
    [[nodiscard]] QDateTime lastUpdated() const;         ///< UTC of the last good sweep; invalid = never
    [[nodiscard]] int count() const;
    [[nodiscard]] const SandboxRow &at(int index) const; ///< 0 <= index < count()
    [[nodiscard]] int indexOf(const QString &id) const;  ///< -1 if unknown
    /// "Now" by the server's clock, UTC: what "ends in" is computed against.
    [[nodiscard]] QDateTime serverNow() const;
    /// Ids whose rows are on screen: metrics are asked for these only (at most 100 per request).
    void setVisibleIds(const QStringList &ids);

    enum class Outcome { Done, AlreadyGone, AlreadyInState };
    /// Each action marks the row pending at once and ends with one result; 404 on kill is AlreadyGone.
    void create(const NewSandbox &spec, QObject *context, Done<SandboxDetail> done);
    void kill(const QString &id, QObject *context, Done<Outcome> done);
    /// Closes the sandbox's streams first. A client time-out is answered by reading the state again.
    void pause(const QString &id, QObject *context, Done<Outcome> done);
    void resume(const QString &id, int timeoutSeconds, QObject *context, Done<Outcome> done);
    /// Sets the end to max(current end, now + seconds).
    void extend(const QString &id, int seconds, QObject *context, Done<> done);

signals:
    void phaseChanged();
    void swept(); ///< a poll ended, well or not
    void rowsAboutToBeInserted(int first, int last);
    void rowsInserted(int first, int last);
    void rowsAboutToBeRemoved(int first, int last);
    void rowsRemoved(int first, int last);
    /// Sorted indexes of rows whose content changed (state, metric, pending, ...).
    void rowsChanged(const std::vector<int> &indexes);
    /// A sandbox left the list: it was killed or timed out (endedByUs = this app killed it).
    void sandboxEnded(const QString &id, bool endedByUs);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
