// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/sandboxstore.h"

#include "app/core/log.h"
#include "app/stores/sandboxstore_p.h"

#include <QHostAddress>
#include <QRandomGenerator>
#include <QtConcurrentRun>

#include <algorithm>

namespace moru {

namespace {

using namespace std::chrono_literals;

/// 200,000 sandboxes; a server that has more pages than that is not telling the truth.
constexpr int maxPages = 2000;
/// Applying one job's newcomers must stay well below a frame.
constexpr int pagesPerJob = 20;
constexpr std::chrono::milliseconds betweenJobs = 500ms;
/// That many vanished sandboxes are looked up one by one; more are believed after two sweeps.
constexpr size_t maxVerified = 20;
/// How long the GUI thread removes rows before it does something else.
constexpr qint64 removalSliceMs = 3;
/// A list that lags behind cannot bring a killed sandbox back for that long.
constexpr qint64 goneForMs = 30'000;
constexpr int metricsPerRequest = 100;
constexpr int settleLooks = 6;
constexpr auto longestRetryAfter = std::chrono::milliseconds(1h);

size_t randomSeed()
{
    return size_t(QRandomGenerator::system()->generate64()) | 1;
}

bool isLoopback(const QUrl &url)
{
    const QString host = url.host();
    return host == u"localhost" || host.endsWith(QLatin1String(".localhost"))
           || QHostAddress(host).isLoopback();
}

} // namespace

SandboxStore::Private::Private(SandboxStore &store, Connection &connection)
    : q(store)
    , link(connection)
    , seed(randomSeed())
    , matcher(std::make_shared<ListMatcher>(seed))
{
    clock.start();
    pollTimer.setSingleShot(true);
    metricsTimer.setSingleShot(true);
    removalTimer.setSingleShot(true);
}

// ---------------------------------------------------------------------------------------------
// Rows

int SandboxStore::Private::indexOfSerial(quint32 serial) const
{
    const auto place = std::ranges::lower_bound(serials, serial);
    return place != serials.end() && *place == serial ? int(place - serials.begin()) : -1;
}

int SandboxStore::Private::indexOf(const QString &id) const
{
    const quint32 serial = byId.find(ListMatcher::hashOf(id, seed));
    if (serial == FlatIndex::none)
        return -1;
    const int index = indexOfSerial(serial);
    return index >= 0 && rows[size_t(index)]->sandbox.id == id ? index : -1;
}

void SandboxStore::Private::append(std::vector<SandboxRow> fresh,
                                   const std::vector<quint64> &contentHashes)
{
    if (fresh.empty())
        return;
    const int first = int(rows.size());
    emit q.rowsAboutToBeInserted(first, first + int(fresh.size()) - 1);
    for (size_t i = 0; i < fresh.size(); ++i) {
        const quint32 serial = nextSerial++;
        const quint64 idHash = ListMatcher::hashOf(fresh[i].sandbox.id, seed);
        rows.push_back(std::make_unique<SandboxRow>(std::move(fresh[i])));
        serials.push_back(serial);
        byId.insert(idHash, serial);
        edits.push_back({RowEdit::Kind::Added, serial, idHash, contentHashes[i], sweep});
    }
    emit q.rowsInserted(first, int(rows.size()) - 1);
}

void SandboxStore::Private::remove(int first, int last, bool byUs)
{
    QStringList ids;
    ids.reserve(last - first + 1);
    emit q.rowsAboutToBeRemoved(first, last);
    for (int i = first; i <= last; ++i) {
        const QString &id = rows[size_t(i)]->sandbox.id;
        const quint32 serial = serials[size_t(i)];
        ids.append(id);
        byId.remove(ListMatcher::hashOf(id, seed));
        edited.remove(serial);
        confirmed.remove(serial);
        gone.insert(id, clock.elapsed());
        edits.push_back({RowEdit::Kind::Removed, serial, 0, 0, sweep});
    }
    rows.erase(rows.begin() + first, rows.begin() + last + 1);
    serials.erase(serials.begin() + first, serials.begin() + last + 1);
    emit q.rowsRemoved(first, last);
    for (const QString &id : std::as_const(ids))
        emit q.sandboxEnded(id, byUs);
}

void SandboxStore::Private::removeById(const QString &id, bool byUs)
{
    gone.insert(id, clock.elapsed());
    if (const int index = indexOf(id); index >= 0)
        remove(index, index, byUs || rows[size_t(index)]->pending == PendingAction::Killing);
}

/// Rows that vanished are removed in slices: a thousand scattered ones take longer than a frame.
void SandboxStore::Private::removeSoon(std::vector<quint32> vanished)
{
    leaving.insert(leaving.end(), vanished.begin(), vanished.end());
    std::ranges::sort(leaving);
    leaving.erase(std::ranges::unique(leaving).begin(), leaving.end());
    removeSome();
}

void SandboxStore::Private::removeSome()
{
    QElapsedTimer slice;
    slice.start();
    while (!leaving.empty() && slice.elapsed() < removalSliceMs) {
        const int last = indexOfSerial(leaving.back());
        leaving.pop_back();
        if (last < 0)
            continue;
        int first = last;
        const bool byUs = rows[size_t(last)]->pending == PendingAction::Killing;
        while (first > 0 && !leaving.empty() && serials[size_t(first) - 1] == leaving.back()
               && (rows[size_t(first) - 1]->pending == PendingAction::Killing) == byUs) {
            leaving.pop_back();
            --first;
        }
        remove(first, last, byUs);
    }
    if (!leaving.empty())
        removalTimer.start(0);
}

void SandboxStore::Private::changed(int index)
{
    emit q.rowsChanged({index});
}

/// Something newer than the sweep under way is known about the row.
void SandboxStore::Private::touch(quint32 serial)
{
    edited.insert(serial, sweep);
    edits.push_back({RowEdit::Kind::Touched, serial, 0, 0, sweep});
}

void SandboxStore::Private::setPending(const QString &id, PendingAction action)
{
    const int index = indexOf(id);
    if (index < 0 || rows[size_t(index)]->pending == action)
        return;
    rows[size_t(index)]->pending = action;
    changed(index);
}

/// Whether that changed anything. Texts that are equal are kept, not exchanged: most changes are of
/// times, and thousands of rows may change at once.
bool SandboxStore::Private::assign(SandboxRow &row, Sandbox sandbox,
                                   std::optional<OnTimeout> onTimeout)
{
    Sandbox &known = row.sandbox;
    const bool sameWords = known.templateId == sandbox.templateId && known.alias == sandbox.alias
                           && known.metadata == sandbox.metadata;
    const bool sameEnding = !onTimeout || onTimeout == row.onTimeout;
    if (sameWords && sameEnding && known == sandbox)
        return false;
    if (sandbox.state == SandboxState::Paused)
        row.metric.reset();
    if (sameWords) {
        known.id.swap(sandbox.id);
        known.templateId.swap(sandbox.templateId);
        known.alias.swap(sandbox.alias);
        known.metadata.swap(sandbox.metadata);
    } else {
        ++row.wording;
    }
    known = std::move(sandbox);
    if (onTimeout)
        row.onTimeout = onTimeout;
    return true;
}

/// What a GET said: current, whatever the sweep under way says.
void SandboxStore::Private::take(const SandboxDetail &detail)
{
    const int index = indexOf(detail.sandbox.id);
    if (index < 0) {
        if (!gone.contains(detail.sandbox.id))
            append({SandboxRow{detail.sandbox, {}, {}, {}, {}}}, {0});
        return;
    }
    touch(serials[size_t(index)]);
    if (assign(*rows[size_t(index)], detail.sandbox, {}))
        changed(index);
}

// ---------------------------------------------------------------------------------------------
// Sweeps

void SandboxStore::Private::beginSweep()
{
    if (sweeping) {
        sweepAgain = true;
        return;
    }
    pollTimer.stop();
    sweeping = true;
    sweepAgain = false;
    fetched = false;
    sweepError.reset();
    tokens.clear();
    pages.clear();
    pageCount = 0;
    ++sweep;
    erase_if(edited, [this](auto entry) { return entry.value() + 1 < sweep; });
    erase_if(gone, [this](auto entry) { return clock.elapsed() - entry.value() > goneForMs; });
    sweepClock.start();
    jobClock.start();
    fetchPage({});
}

void SandboxStore::Private::fetchPage(const QByteArray &token)
{
    pageCall = link.control().listSandboxesRaw(
        token, &q, [this](const Result<ControlClient::RawPage> &page) { pageArrived(page); });
}

void SandboxStore::Private::pageArrived(const Result<ControlClient::RawPage> &page)
{
    if (!sweeping || fetched)
        return;
    if (!page) {
        fetchEnded(page.error());
        return;
    }
    pages.append(page->body);
    ++pageCount;
    const QByteArray &token = page->nextToken;
    if (token.isEmpty()) {
        fetchEnded({});
    } else if (tokens.contains(token)) {
        fetchEnded(protocolError("the pages of the list of sandboxes go round in circles"));
    } else if (pageCount >= maxPages) {
        fetchEnded(protocolError("the list of sandboxes does not end"));
    } else {
        tokens.insert(token);
        fetchPage(token);
        startJob();
    }
}

void SandboxStore::Private::fetchEnded(std::optional<Error> error)
{
    fetched = true;
    if (error && !sweepError)
        sweepError = std::move(error);
    startJob();
}

/// Hands pages to the matcher when it is free and it is worth it; ends the sweep after the last.
void SandboxStore::Private::startJob()
{
    if (jobRunning || !sweeping)
        return;
    if (pages.isEmpty()) {
        if (fetched)
            concludeSweep();
        return;
    }
    // The first page of all is shown at once; otherwise pages are gathered, for each difference
    // applied costs the views a new layout.
    if (!fetched && !rows.empty() && jobClock.elapsed() < betweenJobs.count())
        return;
    ListJob next;
    next.pages = pages.mid(0, pagesPerJob);
    pages.remove(0, next.pages.size());
    next.edits = std::exchange(edits, {});
    next.sweep = sweep;
    next.complete = fetched && !sweepError && pages.isEmpty();
    jobRunning = true;
    jobClock.start();
    job.setFuture(QtConcurrent::run([worker = matcher, work = std::move(next)]() mutable {
        return worker->compare(std::move(work));
    }));
}

void SandboxStore::Private::jobFinished()
{
    jobRunning = false;
    ListDiff diff = job.future().takeResult();
    const bool current = sweeping && diff.sweep == sweep;
    if (current && diff.error) {
        pageCall.abort();
        sweepError = std::move(diff.error);
        fetched = true;
    }
    if (current && diff.complete)
        missing = std::move(diff.missing);
    // Facts are facts, also those of a sweep that was abandoned: the matcher counts on them.
    apply(std::move(diff));
    startJob();
}

void SandboxStore::Private::apply(ListDiff diff)
{
    std::vector<int> indexes;
    indexes.reserve(diff.changed.size());
    for (ListDiff::Element &element : diff.changed) {
        const int index = indexOfSerial(element.serial);
        if (index < 0)
            continue;
        if (edited.value(element.serial) >= diff.sweep) {
            edits.push_back({RowEdit::Kind::Touched, element.serial, 0, 0, sweep});
            continue;
        }
        if (assign(*rows[size_t(index)], std::move(element.sandbox), element.onTimeout))
            indexes.push_back(index);
    }
    if (!indexes.empty()) {
        std::ranges::sort(indexes);
        emit q.rowsChanged(indexes);
    }

    std::vector<SandboxRow> fresh;
    std::vector<quint64> contentHashes;
    for (ListDiff::Element &element : diff.newcomers) {
        if (gone.contains(element.sandbox.id) || byId.find(element.idHash) != FlatIndex::none)
            continue;
        fresh.push_back({std::move(element.sandbox), {}, {}, element.onTimeout, {}});
        contentHashes.push_back(element.contentHash);
    }
    append(std::move(fresh), contentHashes);
}

void SandboxStore::Private::concludeSweep()
{
    sweeping = false;
    if (sweepError) {
        ++failures;
        qCInfo(lcStores) << "polling failed" << failures << "times:" << int(sweepError->kind)
                         << sweepError->httpStatus;
        setPhase(lastUpdated.isValid() || !rows.empty() ? Phase::Stale : Phase::Failed,
                 *sweepError);
    } else {
        failures = 0;
        verifyMissing();
        lastUpdated = QDateTime::currentDateTimeUtc();
        setPhase(Phase::Ready, {});
        if (!metricsTimer.isActive())
            armMetrics(0ms);
    }
    emit q.swept();
    schedule();
}

/// Running and paused sandboxes come from different places on the server: one that moves between
/// them while pages are read is in none of them. Only a 404 proves that it is gone, or, where that
/// would mean too many questions, a second sweep without it.
void SandboxStore::Private::verifyMissing()
{
    std::vector<quint32> vanished;
    for (const quint32 serial : std::exchange(missing, {})) {
        const int index = indexOfSerial(serial);
        if (index < 0 || edited.value(serial) >= sweep)
            continue;
        const PendingAction pending = rows[size_t(index)]->pending;
        if (pending == PendingAction::Pausing || pending == PendingAction::Resuming)
            continue; // it is just moving; the action's answer will tell
        const auto seen = confirmed.constFind(serial);
        if (seen != confirmed.cend() && clock.elapsed() - *seen < pace.verified.count())
            continue;
        vanished.push_back(serial);
    }
    if (vanished.size() <= maxVerified) {
        for (const quint32 serial : vanished)
            verify(serial);
    } else {
        std::vector<quint32> twice;
        std::ranges::set_intersection(vanished, missingBefore, std::back_inserter(twice));
        removeSoon(std::move(twice));
    }
    missingBefore = std::move(vanished);
}

void SandboxStore::Private::verify(quint32 serial)
{
    if (verifying.size() >= qsizetype(maxVerified) || verifying.contains(serial))
        return; // the next sweep asks again
    const int index = indexOfSerial(serial);
    if (index < 0)
        return;
    verifying.insert(serial);
    const QString id = rows[size_t(index)]->sandbox.id;
    link.control().getSandbox(id, &q, [this, serial, id](const Result<SandboxDetail> &detail) {
        verifying.remove(serial);
        if (detail) {
            confirmed.insert(serial, clock.elapsed());
            take(*detail);
        } else if (detail.error().kind == Error::Kind::NotFound) {
            removeById(id, false);
        }
    });
}

void SandboxStore::Private::schedule()
{
    if (!active || sweeping)
        return;
    std::chrono::milliseconds delay = interval();
    if (failures > 0) {
        const int doublings = std::min(failures, 16);
        delay = std::min(pace.longest, delay * (1 << doublings));
        // Anything from half of it to all of it, so that clients do not come back in step.
        delay -= delay * QRandomGenerator::global()->bounded(512) / 1024;
        if (lastError.retryAfterSeconds > 0) {
            const std::chrono::milliseconds asked =
                std::chrono::seconds(lastError.retryAfterSeconds);
            delay = std::max(delay, std::min(asked, longestRetryAfter));
        }
    } else if (sweepAgain) {
        delay = 0ms;
    } else {
        // A list that takes long to read is read less often.
        const auto pause = std::chrono::milliseconds(2 * sweepClock.elapsed());
        delay = std::max(delay, std::min(pause, pace.longest));
    }
    sweepAgain = false;
    pollTimer.start(delay);
}

std::chrono::milliseconds SandboxStore::Private::interval() const
{
    if (hidden)
        return pace.hidden;
    return isLoopback(link.transport().endpoint().apiUrl) ? pace.loopback : pace.remote;
}

void SandboxStore::Private::setPhase(Phase next, const Error &error)
{
    if (phase == next && lastError == error)
        return;
    phase = next;
    lastError = error;
    emit q.phaseChanged();
}

// ---------------------------------------------------------------------------------------------
// Metrics

void SandboxStore::Private::armMetrics(std::chrono::milliseconds delay)
{
    if (active && !hidden && !metricsBusy)
        metricsTimer.start(delay);
}

void SandboxStore::Private::requestMetrics()
{
    if (!active || hidden || metricsBusy)
        return;
    QStringList ids;
    for (const QString &id : std::as_const(visible)) {
        const int index = indexOf(id);
        if (index >= 0 && rows[size_t(index)]->sandbox.state == SandboxState::Running)
            ids.append(id);
        if (ids.size() == metricsPerRequest)
            break;
    }
    if (ids.isEmpty() || failures > 0)
        return; // armed again by setVisibleIds() or the next good sweep
    metricsBusy = true;
    link.control().latestMetrics(
        ids, &q, [this, ids](const Result<QMap<QString, SandboxMetric>> &metrics) {
            metricsBusy = false;
            if (metrics) {
                metricsFailures = 0;
                applyMetrics(ids, *metrics);
                armMetrics(pace.metrics);
            } else {
                metricsFailures = std::min(metricsFailures + 1, 16);
                qCDebug(lcStores) << "no metrics:" << int(metrics.error().kind);
                armMetrics(std::min(pace.longest, pace.metrics * (1 << metricsFailures)));
            }
        });
}

void SandboxStore::Private::applyMetrics(const QStringList &asked,
                                         const QMap<QString, SandboxMetric> &metrics)
{
    std::vector<int> indexes;
    for (const QString &id : asked) {
        const int index = indexOf(id);
        if (index < 0)
            continue;
        SandboxRow &row = *rows[size_t(index)];
        Boxed<SandboxMetric> now;
        const auto point = metrics.constFind(id);
        if (point != metrics.cend() && row.sandbox.state == SandboxState::Running)
            now = *point;
        if (row.metric == now)
            continue;
        row.metric = std::move(now);
        indexes.push_back(index);
    }
    if (indexes.empty())
        return;
    std::ranges::sort(indexes);
    emit q.rowsChanged(indexes);
}

// ---------------------------------------------------------------------------------------------
// Actions

/// Looks what has become of it; a failure is left to the next sweep.
void SandboxStore::Private::reread(const QString &id)
{
    link.control().getSandbox(id, &q, [this, id](const Result<SandboxDetail> &detail) {
        if (detail)
            take(*detail);
        else if (detail.error().kind == Error::Kind::NotFound)
            removeById(id, false);
    });
}

/// The answer to a pause or resume did not come. The server completes it all the same, so its state
/// is read until it is the one that was wanted.
void SandboxStore::Private::settle(const QString &id, SandboxState wanted, const Error &error,
                                   int looks, const Receiver<Outcome> &receiver)
{
    link.control().getSandbox(id, &q, [=, this](const Result<SandboxDetail> &detail) {
        if (detail)
            take(*detail);
        if (detail && detail->sandbox.state == wanted) {
            setPending(id, PendingAction::None);
            receiver(Outcome::Done);
        } else if (!detail && detail.error().kind == Error::Kind::NotFound) {
            removeById(id, false);
            receiver(tl::unexpected(detail.error()));
        } else if (looks > 1) {
            QTimer::singleShot(pace.settle, &q,
                               [=, this] { settle(id, wanted, error, looks - 1, receiver); });
        } else {
            setPending(id, PendingAction::None);
            receiver(tl::unexpected(error));
        }
    });
}

/// The answer to a kill did not come: it is never sent twice, but looking is harmless.
void SandboxStore::Private::settleKill(const QString &id, const Error &error,
                                       const Receiver<Outcome> &receiver)
{
    link.control().getSandbox(id, &q, [=, this](const Result<SandboxDetail> &detail) {
        if (!detail && detail.error().kind == Error::Kind::NotFound) {
            removeById(id, true);
            receiver(Outcome::Done);
            return;
        }
        if (detail)
            take(*detail);
        setPending(id, PendingAction::None);
        receiver(tl::unexpected(error));
    });
}

// ---------------------------------------------------------------------------------------------

SandboxStore::SandboxStore(Connection &connection, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(*this, connection))
{
    connect(&d->pollTimer, &QTimer::timeout, this, [this] { d->beginSweep(); });
    connect(&d->metricsTimer, &QTimer::timeout, this, [this] { d->requestMetrics(); });
    connect(&d->removalTimer, &QTimer::timeout, this, [this] { d->removeSome(); });
    connect(&d->job, &QFutureWatcherBase::finished, this, [this] { d->jobFinished(); });
    connect(&connection, &Connection::specChanged, this, &SandboxStore::refresh);
    connect(&connection.transport(), &Transport::reachabilityChanged, this, [this](bool reachable) {
        // Something else got through: no reason to wait any longer.
        if (reachable && d->failures > 0)
            refresh();
    });
}

SandboxStore::~SandboxStore()
{
    d->pageCall.abort();
}

Connection &SandboxStore::connection() const
{
    return d->link;
}

void SandboxStore::setPace(const Pace &pace)
{
    d->pace = pace;
}

void SandboxStore::start()
{
    if (d->active)
        return;
    d->active = true;
    d->failures = 0;
    d->setPhase(d->lastUpdated.isValid() ? Phase::Ready : Phase::Loading, {});
    d->beginSweep();
}

void SandboxStore::stop()
{
    if (!d->active)
        return;
    d->active = false;
    d->pageCall.abort();
    d->sweeping = false;
    d->sweepAgain = false;
    d->pages.clear();
    d->pollTimer.stop();
    d->metricsTimer.stop();
    d->setPhase(Phase::Idle, {});
}

void SandboxStore::setHidden(bool hidden)
{
    if (d->hidden == hidden)
        return;
    d->hidden = hidden;
    if (!d->active)
        return;
    if (hidden) {
        d->metricsTimer.stop();
        d->schedule();
    } else {
        refresh();
        d->armMetrics(0ms);
    }
}

void SandboxStore::refresh()
{
    if (d->active)
        d->beginSweep();
}

SandboxStore::Phase SandboxStore::phase() const
{
    return d->phase;
}

const Error &SandboxStore::lastError() const
{
    return d->lastError;
}

QDateTime SandboxStore::lastUpdated() const
{
    return d->lastUpdated;
}

int SandboxStore::count() const
{
    return int(d->rows.size());
}

const SandboxRow &SandboxStore::at(int index) const
{
    return *d->rows[size_t(index)];
}

int SandboxStore::indexOf(const QString &id) const
{
    return d->indexOf(id);
}

QDateTime SandboxStore::serverNow() const
{
    return QDateTime::currentDateTimeUtc().addMSecs(d->link.transport().serverClockOffsetMs());
}

void SandboxStore::setVisibleIds(const QStringList &ids)
{
    if (d->visible == ids)
        return;
    d->visible = ids;
    const bool someUnknown = std::ranges::any_of(ids, [this](const QString &id) {
        const int index = indexOf(id);
        return index >= 0 && !at(index).metric && at(index).sandbox.state == SandboxState::Running;
    });
    // Soon, but not at every step of scrolling.
    if (someUnknown && d->metricsFailures == 0)
        d->armMetrics(std::min(d->pace.metrics, std::chrono::milliseconds(200ms)));
    else if (!d->metricsTimer.isActive())
        d->armMetrics(d->pace.metrics);
}

void SandboxStore::create(const NewSandbox &spec, QObject *context, Done<SandboxDetail> done)
{
    const Private::Receiver<SandboxDetail> receiver{context, std::move(done)};
    d->link.control().createSandbox(spec, this, [=, this](const Result<SandboxDetail> &answer) {
        if (!answer) {
            if (Transport::isOutcomeUnknown(answer.error()))
                refresh(); // it may exist: then it should be seen
            receiver(answer);
            return;
        }
        // The answer says less than the list does; what it leaves out is known from the wish.
        SandboxDetail detail = *answer;
        Sandbox &sandbox = detail.sandbox;
        sandbox.state = SandboxState::Running;
        if (!sandbox.startedAt.isValid())
            sandbox.startedAt = serverNow();
        if (!sandbox.endAt.isValid())
            sandbox.endAt = serverNow().addSecs(spec.timeoutSeconds);
        if (sandbox.metadata.isEmpty())
            sandbox.metadata = spec.metadata;
        d->link.envd(sandbox.id).adopt(detail);
        if (const int index = indexOf(sandbox.id); index < 0) {
            SandboxRow row;
            row.sandbox = sandbox;
            row.onTimeout = spec.onTimeout;
            std::vector<SandboxRow> fresh;
            fresh.push_back(std::move(row));
            d->append(std::move(fresh), {0});
            d->touch(d->serials.back());
        } else if (d->rows[size_t(index)]->onTimeout != spec.onTimeout) {
            d->rows[size_t(index)]->onTimeout = spec.onTimeout;
            d->changed(index);
        }
        d->reread(sandbox.id);
        receiver(detail);
    });
}

void SandboxStore::kill(const QString &id, QObject *context, Done<Outcome> done)
{
    const Private::Receiver<Outcome> receiver{context, std::move(done)};
    d->setPending(id, PendingAction::Killing);
    d->link.control().killSandbox(id, this, [=, this](const Result<bool> &killed) {
        if (killed) {
            d->removeById(id, *killed);
            receiver(*killed ? Outcome::Done : Outcome::AlreadyGone);
        } else if (killed.error().kind == Error::Kind::NotFound) {
            d->removeById(id, false);
            receiver(Outcome::AlreadyGone);
        } else if (Transport::isOutcomeUnknown(killed.error())) {
            d->settleKill(id, killed.error(), receiver);
        } else {
            d->setPending(id, PendingAction::None);
            receiver(tl::unexpected(killed.error()));
        }
    });
}

void SandboxStore::killUnlisted(ControlClient &control, const QString &id, QObject *context,
                                Done<Outcome> done)
{
    control.killSandbox(
        id, context,
        [&control, id, guard = QPointer(context),
         done = std::move(done)](const Result<bool> &killed) {
            if (killed) {
                done(*killed ? Outcome::Done : Outcome::AlreadyGone);
                return;
            }
            if (!guard || !Transport::isOutcomeUnknown(killed.error())) {
                done(tl::unexpected(killed.error()));
                return;
            }
            // Never sent twice, but looking is harmless.
            control.getSandbox(id, guard,
                               [done, error = killed.error()](const Result<SandboxDetail> &detail) {
                                   if (!detail && detail.error().kind == Error::Kind::NotFound)
                                       done(Outcome::Done);
                                   else
                                       done(tl::unexpected(error));
                               });
        });
}

void SandboxStore::pause(const QString &id, QObject *context, Done<Outcome> done)
{
    const Private::Receiver<Outcome> told{context, std::move(done)};
    // Any traffic could wake the sandbox while it is being paused: that of open streams, and what
    // their owners would send on being closed.
    const Private::Receiver<Outcome> receiver{this, [=, this](const Result<Outcome> &result) {
                                                  d->link.envd(id).release();
                                                  told(result);
                                              }};
    d->link.envd(id).hold();
    d->setPending(id, PendingAction::Pausing);
    d->link.envd(id).closeStreams();
    d->link.control().pauseSandbox(id, this, [=, this](const Result<bool> &paused) {
        if (paused) {
            if (const int index = indexOf(id); index >= 0) {
                SandboxRow &row = *d->rows[size_t(index)];
                Sandbox sandbox = row.sandbox;
                if (sandbox.state != SandboxState::Paused) {
                    sandbox.state = SandboxState::Paused;
                    sandbox.endAt = serverNow();
                }
                d->touch(d->serials[size_t(index)]);
                Private::assign(row, std::move(sandbox), {});
                row.pending = PendingAction::None;
                d->changed(index);
            }
            d->reread(id);
            receiver(*paused ? Outcome::Done : Outcome::AlreadyInState);
        } else if (Transport::isOutcomeUnknown(paused.error())) {
            d->settle(id, SandboxState::Paused, paused.error(), settleLooks, receiver);
        } else {
            d->setPending(id, PendingAction::None);
            if (paused.error().kind == Error::Kind::NotFound)
                d->removeById(id, false);
            receiver(tl::unexpected(paused.error()));
        }
    });
}

void SandboxStore::resume(const QString &id, int timeoutSeconds, QObject *context,
                          Done<Outcome> done)
{
    const Private::Receiver<Outcome> receiver{context, std::move(done)};
    const int known = indexOf(id);
    const bool running = known >= 0 && at(known).sandbox.state == SandboxState::Running
                         && at(known).pending == PendingAction::None;
    d->setPending(id, PendingAction::Resuming);
    d->link.control().resumeSandbox(
        id, timeoutSeconds, this, [=, this](const Result<SandboxDetail> &answer) {
            if (answer) {
                d->link.envd(id).adopt(*answer);
                if (const int index = indexOf(id); index >= 0) {
                    SandboxRow &row = *d->rows[size_t(index)];
                    Sandbox sandbox = row.sandbox;
                    const QDateTime end = serverNow().addSecs(timeoutSeconds);
                    if (sandbox.state == SandboxState::Paused) {
                        sandbox.state = SandboxState::Running;
                        sandbox.startedAt = serverNow();
                        sandbox.endAt = end;
                    } else {
                        sandbox.endAt = std::max(sandbox.endAt, end);
                    }
                    d->touch(d->serials[size_t(index)]);
                    Private::assign(row, std::move(sandbox), {});
                    row.pending = PendingAction::None;
                    d->changed(index);
                }
                d->reread(id);
                receiver(running ? Outcome::AlreadyInState : Outcome::Done);
            } else if (Transport::isOutcomeUnknown(answer.error())) {
                d->settle(id, SandboxState::Running, answer.error(), settleLooks, receiver);
            } else {
                d->setPending(id, PendingAction::None);
                if (answer.error().kind == Error::Kind::NotFound)
                    d->removeById(id, false);
                receiver(tl::unexpected(answer.error()));
            }
        });
}

void SandboxStore::extend(const QString &id, int seconds, QObject *context, Done<> done)
{
    const Private::Receiver<void> receiver{context, std::move(done)};
    // The verb that sets the end may also shorten: first see where the end is.
    d->link.control().getSandbox(id, this, [=, this](const Result<SandboxDetail> &detail) {
        if (!detail) {
            if (detail.error().kind == Error::Kind::NotFound)
                d->removeById(id, false);
            receiver(tl::unexpected(detail.error()));
            return;
        }
        d->take(*detail);
        if (detail->sandbox.state == SandboxState::Paused) {
            receiver(failure(Error::Kind::Conflict, QStringLiteral("the sandbox is paused")));
            return;
        }
        if (detail->sandbox.endAt >= serverNow().addSecs(seconds)) {
            receiver({});
            return;
        }
        d->link.control().setTimeout(id, seconds, this, [=, this](const Result<> &set) {
            if (set || Transport::isOutcomeUnknown(set.error()))
                d->reread(id);
            else if (set.error().kind == Error::Kind::NotFound)
                d->reread(id); // gone, or paused meanwhile
            receiver(set);
        });
    });
}

} // namespace moru
