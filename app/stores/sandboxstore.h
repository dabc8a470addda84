// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"
#include "app/stores/boxed.h"

#include <QDateTime>
#include <QObject>

#include <chrono>
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
    quint8 wording = 0; ///< another value whenever template, alias or metadata change
    std::optional<OnTimeout> onTimeout; ///< what happens at endAt; empty = the server does not tell
    Boxed<SandboxMetric> metric;        ///< newest; empty = no data
};

/// The truth about one connection's sandboxes: polls, compares by id, announces what changed, and
/// carries out the user's wishes. Observing never changes a sandbox. Lives on the GUI thread; list
/// pages are hashed and parsed on a worker thread.
///
/// Signals follow the item-model discipline: rows change strictly between aboutTo… and its partner.
/// Newcomers are always appended. The order of rows never changes, and a row stays at its address
/// until it is removed.
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

    /// How often the store asks. Tests are in more of a hurry than people.
    struct Pace {
        std::chrono::milliseconds loopback{2'000}; ///< between sweeps, server on this machine
        std::chrono::milliseconds remote{5'000};   ///< between sweeps elsewhere
        std::chrono::milliseconds hidden{30'000};  ///< between sweeps while nobody looks
        std::chrono::milliseconds longest{60'000}; ///< limit of backing off
        std::chrono::milliseconds metrics{5'000};  ///< between requests for visible rows' metrics
        std::chrono::milliseconds settle{2'000}; ///< between looks at an action of unknown outcome
        std::chrono::milliseconds verified{10'000}; ///< how long "it does exist" is believed
    };

    explicit SandboxStore(Connection &connection, QObject *parent = nullptr);
    ~SandboxStore() override;

    [[nodiscard]] Connection &connection() const;
    void setPace(const Pace &pace);
    /// Begins polling: every 2 s on loopback, 5 s elsewhere, backing off to 60 s with jitter while
    /// it fails (or as long as the server's Retry-After says); slower when setHidden(true).
    void start();
    /// Ends polling and goes Idle; the rows stay. Actions under way still come to their end.
    void stop();
    void setHidden(bool hidden);
    void refresh(); ///< now, also when backing off; nothing while stopped

    [[nodiscard]] Phase phase() const;
    [[nodiscard]] const Error &lastError() const; ///< meaningful while Stale or Failed
    [[nodiscard]] QDateTime lastUpdated() const;  ///< UTC of the last good sweep; invalid = never
    [[nodiscard]] int count() const;
    [[nodiscard]] const SandboxRow &at(int index) const; ///< 0 <= index < count()
    [[nodiscard]] int indexOf(const QString &id) const;  ///< -1 if unknown
    /// "Now" by the server's clock, UTC: what "ends in" is computed against.
    [[nodiscard]] QDateTime serverNow() const;
    /// Ids whose rows are on screen: metrics are asked for these only (at most 100 per request).
    void setVisibleIds(const QStringList &ids);

    enum class Outcome { Done, AlreadyGone, AlreadyInState };
    /// Each action marks the row pending at once and ends with one result; 404 on kill is
    /// AlreadyGone. The result is not delivered to a dead `context`, but the action is carried out
    /// all the same. Ids need not be in the list.
    void create(const NewSandbox &spec, QObject *context, Done<SandboxDetail> done);
    void kill(const QString &id, QObject *context, Done<Outcome> done);
    /// The same for a sandbox that no list need know. 404 on the look-up after a lost answer counts
    /// as killed.
    static void killUnlisted(ControlClient &control, const QString &id, QObject *context,
                             Done<Outcome> done);
    /// Closes the sandbox's streams first and sends nothing to it until the pause has its answer. A
    /// client time-out is answered by reading the state again.
    void pause(const QString &id, QObject *context, Done<Outcome> done);
    void resume(const QString &id, int timeoutSeconds, QObject *context, Done<Outcome> done);
    /// Sets the end to max(current end, now + seconds). Conflict if it is paused: it has no end
    /// then.
    void extend(const QString &id, int seconds, QObject *context, Done<> done);

signals:
    void phaseChanged(); ///< the phase, or the error behind it
    void swept();        ///< a poll ended, well or not
    void rowsAboutToBeInserted(int first, int last);
    void rowsInserted(int first, int last);
    void rowsAboutToBeRemoved(int first, int last);
    void rowsRemoved(int first, int last);
    /// Sorted indexes of rows whose content changed (state, metric, pending, ...).
    void rowsChanged(const std::vector<int> &indexes);
    /// A sandbox left the list: it was killed or timed out (endedByUs = this app killed it).
    void sandboxEnded(const QString &id, bool endedByUs);

private:
    friend struct SandboxStoreAccess; // benchmarks and tests feed it without a network
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
