// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/flatindex.h"
#include "app/stores/listmatcher.h"
#include "app/stores/sandboxstore.h"

#include <QElapsedTimer>
#include <QFutureWatcher>
#include <QHash>
#include <QPointer>
#include <QSet>
#include <QTimer>

#include <optional>
#include <utility>

namespace moru {

/// How it works. A *sweep* fetches all pages of the list one after the other. Pages are compared
/// with the rows by a ListMatcher on a worker thread, a *job* at a time, and the difference is
/// applied here. Rows have serials, ascending in row order, by which worker and store talk about
/// them: indexes would shift while a job runs.
///
/// What a sweep says is older than what an action's answer or a GET said during that sweep; such
/// rows are in `edited` and skipped. Ids that were seen to be gone are in `gone`, for lists that
/// lag behind.
struct SandboxStore::Private {
    Private(SandboxStore &store, Connection &connection);

    /// An action's receiver.
    template <typename T> struct Receiver {
        QPointer<QObject> context;
        Done<T> done;
        void operator()(const Result<T> &result) const
        {
            if (context && done)
                done(result);
        }
    };

    // Rows.
    [[nodiscard]] int indexOfSerial(quint32 serial) const;
    [[nodiscard]] int indexOf(const QString &id) const;
    void append(std::vector<SandboxRow> fresh, const std::vector<quint64> &contentHashes);
    void remove(int first, int last, bool byUs);
    void removeById(const QString &id, bool byUs);
    void removeSoon(std::vector<quint32> serials);
    void removeSome();
    void changed(int index);
    void touch(quint32 serial);
    void setPending(const QString &id, PendingAction action);
    static bool assign(SandboxRow &row, Sandbox sandbox, std::optional<OnTimeout> onTimeout);
    void take(const SandboxDetail &detail);

    // Sweeps.
    void beginSweep();
    void fetchPage(const QByteArray &token);
    void pageArrived(const Result<ControlClient::RawPage> &page);
    void fetchEnded(std::optional<Error> error);
    void startJob();
    void jobFinished();
    void apply(ListDiff diff);
    void concludeSweep();
    void verifyMissing();
    void verify(quint32 serial);
    void schedule();
    void setPhase(Phase next, const Error &error);
    [[nodiscard]] std::chrono::milliseconds interval() const;

    // Metrics.
    void requestMetrics();
    void applyMetrics(const QStringList &asked, const QMap<QString, SandboxMetric> &metrics);
    void armMetrics(std::chrono::milliseconds delay);

    // Actions.
    void reread(const QString &id);
    void settle(const QString &id, SandboxState wanted, const Error &error, int looks,
                const Receiver<Outcome> &receiver);
    void settleKill(const QString &id, const Error &error, const Receiver<Outcome> &receiver);

    SandboxStore &q;
    Connection &link;
    Pace pace;

    std::vector<std::unique_ptr<SandboxRow>> rows;
    std::vector<quint32> serials; ///< parallel to rows, ascending
    FlatIndex byId;               ///< hash of id -> serial
    quint32 nextSerial = 1;
    const size_t seed;
    std::shared_ptr<ListMatcher> matcher; ///< the job's while one runs
    std::vector<RowEdit> edits;           ///< for the next job
    std::vector<quint32> leaving;         ///< serials that removeSome() still has to remove
    QTimer removalTimer;

    Phase phase = Phase::Idle;
    Error lastError;
    QDateTime lastUpdated;
    bool active = false;
    bool hidden = false;
    int failures = 0; ///< sweeps in a row

    quint32 sweep = 0;
    bool sweeping = false;
    bool sweepAgain = false; ///< asked for while one was under way
    bool fetched = false;    ///< no more pages to come
    std::optional<Error> sweepError;
    QSet<QByteArray> tokens;
    int pageCount = 0;
    Call pageCall;
    QList<QByteArray> pages; ///< not yet with the matcher
    QElapsedTimer sweepClock;
    QElapsedTimer jobClock;
    QFutureWatcher<ListDiff> job;
    bool jobRunning = false;
    std::vector<quint32> missing; ///< by the sweep that ended last
    std::vector<quint32> missingBefore;
    QTimer pollTimer;

    QElapsedTimer clock;
    QHash<quint32, quint32> edited;   ///< serial -> sweep in which something newer was learned
    QHash<quint32, qint64> confirmed; ///< serial -> when a GET found it, though lists lack it
    QSet<quint32> verifying;
    QHash<QString, qint64> gone; ///< id -> when it was seen to be gone

    QStringList visible;
    QTimer metricsTimer;
    bool metricsBusy = false;
    int metricsFailures = 0;
};

/// The way in for benchmarks and for tests of what is built on a store: feeds it without a network.
struct SandboxStoreAccess {
    /// As a sweep whose pages have all arrived, on the calling thread.
    static ListDiff compare(SandboxStore &store, QList<QByteArray> pages)
    {
        ListJob job;
        job.pages = std::move(pages);
        job.edits = std::exchange(store.d->edits, {});
        job.sweep = ++store.d->sweep;
        job.complete = true;
        return store.d->matcher->compare(std::move(job));
    }
    /// The GUI thread's share of it; what is missing is taken for gone.
    static void apply(SandboxStore &store, ListDiff diff)
    {
        std::vector<quint32> missing = std::move(diff.missing);
        store.d->apply(std::move(diff));
        store.d->removeSoon(std::move(missing));
        while (!store.d->leaving.empty())
            store.d->removeSome();
    }
    static void setPending(SandboxStore &store, const QString &id, PendingAction action)
    {
        store.d->setPending(id, action);
    }
    static void setMetrics(SandboxStore &store, const QMap<QString, SandboxMetric> &metrics)
    {
        store.d->applyMetrics(metrics.keys(), metrics);
    }
};

} // namespace moru
