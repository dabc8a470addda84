// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/transferqueue.h"

#include "app/core/log.h"
#include "app/stores/filename.h"
#include "app/stores/localfile.h"

#include <QElapsedTimer>
#include <QFile>
#include <QFileInfo>
#include <QFutureWatcher>
#include <QPointer>
#include <QtConcurrent>

#include <algorithm>
#include <optional>
#include <vector>

namespace moru {

namespace {

constexpr int kMaxRunning = 3;
constexpr int kMaxNumbered = 1000;
constexpr qint64 kSpeedWindowMs = 500;

QString numberedPath(const QString &path, int number)
{
    const QFileInfo info(path);
    return info.absolutePath() + QLatin1Char('/') + filename::numbered(info.fileName(), number);
}

bool existsLocally(const QString &path)
{
    const QFileInfo info(path);
    return info.exists() || info.isSymLink();
}

Error localError(const QString &message)
{
    return Error{Error::Kind::Local, 0, message, {}, -1};
}

} // namespace

struct TransferQueue::Private {
    /// One run of one item; ends with finish(), after which the queue deletes it.
    class Job : public QObject {
    public:
        Job(Private &queue, quint64 itemId)
            : d(queue)
            , id(itemId)
        {}
        virtual void begin() = 0;
        virtual void cancel() = 0;
        /// The answer to ask().
        virtual void decided(Decision decision) = 0;

    protected:
        void finish(const Result<> &result) { d.onFinished(id, result); }
        void skip() { d.onSkipped(id); }
        void ask(const TransferItem::Side &source, const TransferItem::Side &target)
        {
            d.onAsking(id, source, target);
        }
        void progress(qint64 done, qint64 total) { d.onProgress(id, done, total); }
        [[nodiscard]] const TransferItem &item() const { return d.itemOf(id).item; }

        Private &d;
        quint64 id;
    };
    class DownloadJob;
    class UploadJob;

    struct Entry {
        TransferItem item;
        bool mayReplace = false;
        Job *job = nullptr;
        QElapsedTimer clock;
        qint64 measuredMs = 0;
        qint64 measuredBytes = 0;
    };

    TransferQueue &q;
    EnvdClient &envd;
    std::vector<std::unique_ptr<Entry>> entries;
    quint64 nextId = 1;
    std::optional<Decision> always;
    bool reachable = true;
    int lastActive = 0;

    Private(TransferQueue &queue, EnvdClient &client)
        : q(queue)
        , envd(client)
    {}

    [[nodiscard]] int indexOf(quint64 id) const
    {
        for (size_t i = 0; i < entries.size(); ++i) {
            if (entries[i]->item.id == id)
                return int(i);
        }
        return -1;
    }

    [[nodiscard]] Entry &itemOf(quint64 id) const
    {
        const int index = indexOf(id);
        Q_ASSERT(index >= 0);
        return *entries[size_t(index)];
    }

    [[nodiscard]] int activeCount() const
    {
        return int(std::count_if(entries.begin(), entries.end(),
                                 [](const auto &entry) { return entry->item.isActive(); }));
    }

    void changed(quint64 id)
    {
        emit q.itemChanged(indexOf(id));
        const int active = activeCount();
        if (active == 0)
            always.reset(); // "for all" meant these
        if (std::exchange(lastActive, active) != active)
            emit q.activeCountChanged();
    }

    quint64 add(TransferItem::Direction direction, const QString &remote, const QString &local,
                bool mayReplace)
    {
        auto entry = std::make_unique<Entry>();
        entry->item.id = nextId++;
        entry->item.direction = direction;
        entry->item.remotePath = remote;
        entry->item.localPath = local;
        entry->mayReplace = mayReplace;
        const quint64 id = entry->item.id;
        emit q.itemAboutToBeAdded(int(entries.size()));
        entries.push_back(std::move(entry));
        emit q.itemAdded();
        changed(id);
        pumpLater();
        return id;
    }

    void pumpLater()
    {
        QMetaObject::invokeMethod(
            &q, [this] { pump(); }, Qt::QueuedConnection);
    }

    void pump();

    void endJob(Entry &entry)
    {
        if (!entry.job)
            return;
        entry.job->deleteLater();
        entry.job = nullptr;
    }

    void onProgress(quint64 id, qint64 done, qint64 total)
    {
        Entry &entry = itemOf(id);
        entry.item.done = done;
        if (total >= 0)
            entry.item.total = total;
        const qint64 now = entry.clock.elapsed();
        const qint64 span = now - entry.measuredMs;
        if (span >= kSpeedWindowMs) {
            const double fresh = double(done - entry.measuredBytes) * 1000.0 / double(span);
            entry.item.bytesPerSecond = entry.item.bytesPerSecond > 0
                                            ? entry.item.bytesPerSecond * 0.6 + fresh * 0.4
                                            : fresh;
            entry.measuredMs = now;
            entry.measuredBytes = done;
        }
        changed(id);
    }

    void onAsking(quint64 id, const TransferItem::Side &source, const TransferItem::Side &target)
    {
        Entry &entry = itemOf(id);
        if (always) {
            entry.job->decided(*always);
            return;
        }
        entry.item.state = TransferItem::State::Asking;
        entry.item.source = source;
        entry.item.target = target;
        changed(id);
        pumpLater(); // a question holds no place
    }

    void onSkipped(quint64 id)
    {
        Entry &entry = itemOf(id);
        endJob(entry);
        entry.item.state = TransferItem::State::Skipped;
        changed(id);
        pumpLater();
    }

    void onFinished(quint64 id, const Result<> &result)
    {
        Entry &entry = itemOf(id);
        endJob(entry);
        TransferItem &item = entry.item;
        item.bytesPerSecond = 0;
        if (result) {
            item.state = TransferItem::State::Done;
            if (item.total < 0)
                item.total = item.done;
        } else if (result.error().kind == Error::Kind::Canceled) {
            item.state = TransferItem::State::Canceled;
            item.error = result.error();
        } else {
            item.state = TransferItem::State::Failed;
            item.error = result.error();
            qCInfo(lcFiles) << "transfer failed:" << result.error().message;
        }
        const bool uploaded = result && item.direction == TransferItem::Direction::Upload;
        const QString remote = item.remotePath;
        changed(id);
        if (uploaded)
            emit q.uploaded(remote);
        pumpLater();
    }
};

/// Stat, question, stream into a temporary file, verify, commit on a worker thread.
class TransferQueue::Private::DownloadJob : public Job {
public:
    using Job::Job;

    ~DownloadJob() override
    {
        m_call.abort();
        if (m_transfer) {
            m_transfer->disconnect(this);
            m_transfer->cancel();
            delete m_transfer.data(); // writes to m_file no more
        }
        // A commit under way finishes on its thread; only an unfinished file is removed.
        if (!m_committing)
            discard();
    }

    void begin() override
    {
        m_replace = d.itemOf(id).mayReplace;
        m_target = item().localPath;
        m_call =
            statFollowed(d.envd, item().remotePath, this, [this](const Result<FileEntry> &result) {
                if (!result) {
                    finish(tl::unexpected(result.error()));
                    return;
                }
                if (result->type != FileType::File) {
                    finish(failure(Error::Kind::Invalid, QStringLiteral("not a regular file")));
                    return;
                }
                m_remote = *result;
                if (m_remote.path.isEmpty())
                    m_remote.path = item().remotePath;
                if (!m_replace && existsLocally(m_target)) {
                    const QFileInfo there(m_target);
                    ask({m_remote.size, m_remote.modified}, {there.size(), there.lastModified()});
                    return;
                }
                receive();
            });
    }

    void decided(Decision decision) override
    {
        switch (decision) {
        case Decision::Skip:
            skip();
            return;
        case Decision::Overwrite:
            m_replace = true;
            break;
        case Decision::KeepBoth: {
            int number = 2;
            while (number < kMaxNumbered && existsLocally(numberedPath(m_target, number)))
                ++number;
            m_target = numberedPath(m_target, number);
            d.itemOf(id).item.localPath = m_target;
            break;
        }
        }
        receive();
    }

    void cancel() override
    {
        if (m_committing)
            return;
        m_call.abort();
        if (m_transfer)
            m_transfer->cancel(); // its finished() ends the job
        else
            finish(failure(Error::Kind::Canceled, {}));
    }

private:
    void receive()
    {
        const QFileInfo info(m_target);
        if (info.isDir() && !info.isSymLink()) {
            finish(
                failure(Error::Kind::Local, QStringLiteral("a folder of this name exists here")));
            return;
        }
        m_file.setFileName(info.absolutePath() + QLatin1Char('/')
                           + filename::temporary(info.fileName(), filename::randomToken()));
        // NewOnly: never through a link that waits there.
        if (!m_file.open(QIODevice::WriteOnly | QIODevice::NewOnly | QIODevice::Unbuffered)) {
            finish(tl::unexpected(localError(m_file.errorString())));
            return;
        }
        progress(0, m_remote.size);
        m_transfer = d.envd.download(m_remote.path, &m_file, this);
        connect(m_transfer, &Transfer::progress, this, [this](qint64 done, qint64 total) {
            if (total >= 0)
                m_announced = total;
            progress(done, total);
        });
        connect(m_transfer, &Transfer::finished, this, [this](const Result<> &result) {
            m_transfer->deleteLater();
            m_transfer = nullptr;
            if (result) {
                verify();
            } else {
                discard();
                finish(result);
            }
        });
    }

    void verify()
    {
        m_received = m_file.size();
        if (m_announced >= 0 && m_received != m_announced) {
            failIncomplete(m_announced);
            return;
        }
        if (m_received == m_remote.size) {
            commit();
            return;
        }
        // A log that grew while it was read is no failure, a file that lost its end is one. Files
        // of /proc say size 0 and have content.
        m_call = d.envd.stat(m_remote.path, this, [this](const Result<FileEntry> &result) {
            const bool virtualFile = result && result->size == 0 && m_remote.size == 0;
            const bool grew = result && result->size >= m_received && m_received >= m_remote.size;
            const bool rewritten = result && result->size == m_received;
            if (virtualFile || grew || rewritten) {
                commit();
            } else if (!result) {
                discard();
                finish(tl::unexpected(result.error()));
            } else {
                failIncomplete(result->size);
            }
        });
    }

    void failIncomplete(qint64 expected)
    {
        discard();
        finish(failure(Error::Kind::Protocol,
                       QStringLiteral("%1 of %2 bytes arrived").arg(m_received).arg(expected)));
    }

    void commit()
    {
        m_file.close();
        if (m_file.error() != QFileDevice::NoError) {
            const QString message = m_file.errorString();
            discard();
            finish(tl::unexpected(localError(message)));
            return;
        }
        m_committing = true;
        progress(m_received, m_received);
        auto *watcher = new QFutureWatcher<Result<>>(this);
        connect(watcher, &QFutureWatcherBase::finished, this, [this, watcher] {
            m_committing = false;
            const Result<> result = watcher->result();
            if (!result)
                discard();
            finish(result);
        });
        watcher->setFuture(
            QtConcurrent::run(&localfile::commit, m_file.fileName(), m_target, m_replace));
    }

    void discard()
    {
        if (m_file.fileName().isEmpty())
            return;
        m_file.close();
        m_file.remove();
        m_file.setFileName({});
    }

    FileEntry m_remote;
    QString m_target;
    bool m_replace = false;
    bool m_committing = false;
    qint64 m_announced = -1;
    qint64 m_received = 0;
    QFile m_file;
    Call m_call;
    QPointer<Transfer> m_transfer;
};

/// RemoteWrite with the question before it.
class TransferQueue::Private::UploadJob : public Job {
public:
    using Job::Job;

    ~UploadJob() override
    {
        m_call.abort();
        delete m_write.data(); // before the file it reads from
    }

    void begin() override
    {
        m_target = item().remotePath;
        m_file.setFileName(item().localPath);
        const QFileInfo info(m_file);
        if (!info.isFile()) {
            finish(failure(Error::Kind::Local, info.exists() ? QStringLiteral("not a regular file")
                                                             : QStringLiteral("the file is gone")));
            return;
        }
        if (!m_file.open(QIODevice::ReadOnly)) {
            finish(tl::unexpected(localError(m_file.errorString())));
            return;
        }
        m_call = statFollowed(d.envd, m_target, this, [this](const Result<FileEntry> &result) {
            if (!result && result.error().kind != Error::Kind::NotFound) {
                finish(tl::unexpected(result.error()));
                return;
            }
            if (!result) {
                write();
                return;
            }
            m_expected = *result;
            const QFileInfo here(m_file);
            ask({here.size(), here.lastModified()}, {result->size, result->modified});
        });
    }

    void decided(Decision decision) override
    {
        switch (decision) {
        case Decision::Skip:
            skip();
            return;
        case Decision::Overwrite:
            write();
            return;
        case Decision::KeepBoth:
            findFreeName(2);
            return;
        }
    }

    void cancel() override
    {
        m_call.abort();
        if (m_write)
            m_write->cancel();
        else
            finish(failure(Error::Kind::Canceled, {}));
    }

private:
    void findFreeName(int number)
    {
        if (number >= kMaxNumbered) {
            finish(failure(Error::Kind::Conflict, QStringLiteral("no free name was found")));
            return;
        }
        const QString candidate = filename::join(
            filename::parentOf(m_target), filename::numbered(filename::baseOf(m_target), number));
        m_call = d.envd.stat(candidate, this,
                             [this, candidate, number](const Result<FileEntry> &result) {
                                 if (result) {
                                     findFreeName(number + 1);
                                 } else if (result.error().kind == Error::Kind::NotFound) {
                                     m_target = candidate;
                                     m_expected.reset();
                                     d.itemOf(id).item.remotePath = candidate;
                                     write();
                                 } else {
                                     finish(tl::unexpected(result.error()));
                                 }
                             });
    }

    void write()
    {
        RemoteWrite::Options options;
        options.path = m_target;
        // What the user saw in the question is what may be replaced.
        options.existing =
            m_expected ? RemoteWrite::Existing::OnlyUnchanged : RemoteWrite::Existing::Refuse;
        options.expected = m_expected;
        progress(0, m_file.size());
        m_write = new RemoteWrite(d.envd, m_file, options, this);
        connect(m_write, &RemoteWrite::progress, this,
                [this](qint64 done, qint64 total) { progress(done, total); });
        m_write->start([this](const Result<RemoteWrite::Written> &result) {
            m_write->deleteLater();
            m_write = nullptr;
            m_file.close();
            if (!result) {
                finish(tl::unexpected(result.error()));
                return;
            }
            d.itemOf(id).item.attributesKept = result->attributesKept;
            progress(result->entry.size, result->entry.size);
            finish({});
        });
    }

    QString m_target;
    std::optional<FileEntry> m_expected;
    QFile m_file;
    Call m_call;
    QPointer<RemoteWrite> m_write;
};

void TransferQueue::Private::pump()
{
    if (!reachable)
        return;
    auto running = std::count_if(entries.begin(), entries.end(), [](const auto &entry) {
        return entry->item.state == TransferItem::State::Running;
    });
    for (size_t i = 0; i < entries.size() && running < kMaxRunning; ++i) {
        Entry &entry = *entries[i];
        if (entry.item.state != TransferItem::State::Queued)
            continue;
        ++running;
        entry.item.state = TransferItem::State::Running;
        entry.item.done = 0;
        entry.item.bytesPerSecond = 0;
        entry.item.error = {};
        entry.clock.start();
        entry.measuredMs = 0;
        entry.measuredBytes = 0;
        if (entry.item.direction == TransferItem::Direction::Download)
            entry.job = new DownloadJob(*this, entry.item.id);
        else
            entry.job = new UploadJob(*this, entry.item.id);
        changed(entry.item.id);
        entry.job->begin();
    }
}

TransferQueue::TransferQueue(EnvdClient &envd, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(*this, envd))
{}

TransferQueue::~TransferQueue()
{
    for (const auto &entry : d->entries)
        delete entry->job;
}

quint64 TransferQueue::download(const QString &remotePath, const QString &localPath,
                                bool mayReplace)
{
    return d->add(TransferItem::Direction::Download, remotePath, localPath, mayReplace);
}

quint64 TransferQueue::upload(const QString &localPath, const QString &remotePath)
{
    return d->add(TransferItem::Direction::Upload, remotePath, localPath, false);
}

void TransferQueue::cancel(quint64 id)
{
    const int index = d->indexOf(id);
    if (index < 0)
        return;
    Private::Entry &entry = *d->entries[size_t(index)];
    if (!entry.item.isActive())
        return;
    if (entry.job)
        entry.job->cancel();
    else
        d->onFinished(id, failure(Error::Kind::Canceled, {}));
}

void TransferQueue::retry(quint64 id)
{
    const int index = d->indexOf(id);
    if (index < 0)
        return;
    TransferItem &item = d->entries[size_t(index)]->item;
    if (item.state != TransferItem::State::Failed && item.state != TransferItem::State::Canceled)
        return;
    item.state = TransferItem::State::Queued;
    item.error = {};
    item.done = 0;
    d->changed(id);
    d->pumpLater();
}

void TransferQueue::resolve(quint64 id, Decision decision, bool forAll)
{
    if (forAll)
        d->always = decision;
    std::vector<quint64> asking;
    for (const auto &entry : d->entries) {
        if (entry->item.state == TransferItem::State::Asking && (forAll || entry->item.id == id))
            asking.push_back(entry->item.id);
    }
    for (const quint64 each : asking) {
        Private::Entry &entry = d->itemOf(each);
        entry.item.state = TransferItem::State::Running;
        entry.clock.start();
        d->changed(each);
        entry.job->decided(decision);
    }
}

void TransferQueue::clearFinished()
{
    for (size_t end = d->entries.size(); end > 0;) {
        if (d->entries[end - 1]->item.isActive()) {
            --end;
            continue;
        }
        size_t begin = end - 1;
        while (begin > 0 && !d->entries[begin - 1]->item.isActive())
            --begin;
        emit itemsAboutToBeRemoved(int(begin), int(end - 1));
        d->entries.erase(d->entries.begin() + qsizetype(begin),
                         d->entries.begin() + qsizetype(end));
        emit itemsRemoved();
        end = begin;
    }
}

void TransferQueue::setReachable(bool reachable)
{
    if (std::exchange(d->reachable, reachable) != reachable && reachable)
        d->pumpLater();
}

int TransferQueue::count() const
{
    return int(d->entries.size());
}

const TransferItem &TransferQueue::at(int index) const
{
    return d->entries[size_t(index)]->item;
}

int TransferQueue::indexOf(quint64 id) const
{
    return d->indexOf(id);
}

int TransferQueue::activeCount() const
{
    return d->activeCount();
}

int TransferQueue::firstAsking() const
{
    for (size_t i = 0; i < d->entries.size(); ++i) {
        if (d->entries[i]->item.state == TransferItem::State::Asking)
            return int(i);
    }
    return -1;
}

} // namespace moru
