// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/filestore.h"

#include "app/core/log.h"
#include "app/stores/filename.h"

#include <QElapsedTimer>
#include <QHash>
#include <QPointer>
#include <QTimer>

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace moru {

namespace {

// Each watched folder holds one stream, and with it one connection, open.
constexpr int kMaxWatches = 6;
constexpr qint64 kFolderPollMs = 5000;
constexpr qint64 kSettleMs = 150; // several events come per write
constexpr qint64 kRewatchMs = 30000;
constexpr qint64 kNever = std::numeric_limits<qint64>::max();
// Beyond so many separate insertions or removals one new ordering of the folder is cheaper.
constexpr size_t kMaxRuns = 32;

int compared(qint64 a, qint64 b)
{
    return a < b ? -1 : a > b ? 1 : 0;
}

} // namespace

struct FileStore::Private {
    /// What goes on behind an open folder.
    struct Folder {
        FileNode *node = nullptr;
        Call listing;
        bool isListing = false;
        bool again = false; ///< asked for once more while listing
        qint64 listedAt = 0;
        qint64 tookMs = 0;
        qint64 dueAt = kNever;
        qint64 watchAfter = 0;
        QPointer<DirWatch> watch;
    };
    using FolderPtr = std::shared_ptr<Folder>;

    FileStore &q;
    EnvdClient &envd;
    FileNode root;
    QHash<const FileNode *, FolderPtr> folders;
    QTimer timer;
    QElapsedTimer clock;
    Order order = Order::Name;
    Qt::SortOrder direction = Qt::AscendingOrder;
    bool active = true;
    bool reachable = true;
    bool changingRoot = false;
    quint64 rootRequest = 0;
    Call rootCall;

    Private(FileStore &store, EnvdClient &client)
        : q(store)
        , envd(client)
    {
        root.entry.type = FileType::Directory;
        clock.start();
        timer.setSingleShot(true);
    }

    [[nodiscard]] bool mayTalk() const { return active && reachable; }

    void setChangingRoot(bool changing)
    {
        if (changingRoot == changing)
            return;
        changingRoot = changing;
        emit q.changingRootChanged();
    }

    void setState(FileNode *node, FileNode::State state, const Error &error = {})
    {
        if (node->state == state && node->error == error)
            return;
        node->state = state;
        node->error = error;
        emit q.nodeChanged(node);
    }

    // --- when to read -----------------------------------------------------------------------

    void schedule(Folder &folder, qint64 delayMs)
    {
        folder.dueAt = qMin(folder.dueAt, clock.elapsed() + delayMs);
        arm();
    }

    void arm()
    {
        if (!mayTalk()) {
            timer.stop();
            return;
        }
        qint64 next = kNever;
        for (const FolderPtr &folder : std::as_const(folders))
            next = qMin(next, folder->dueAt);
        if (next == kNever)
            timer.stop();
        else
            timer.start(int(qBound<qint64>(0, next - clock.elapsed(), kFolderPollMs)));
    }

    void onTimer()
    {
        const qint64 now = clock.elapsed();
        const auto all = folders.values();
        for (const FolderPtr &folder : all) {
            if (folder->dueAt <= now)
                list(folder);
        }
        arm();
    }

    /// Reading a huge folder at every change would keep the line busy: the pause grows with the
    /// cost.
    void onChanged(Folder &folder)
    {
        const qint64 earliest = folder.listedAt + folder.tookMs * 5 - clock.elapsed();
        schedule(folder, qMax(kSettleMs, earliest));
    }

    void list(const FolderPtr &folder)
    {
        folder->dueAt = kNever;
        if (!mayTalk())
            return;
        if (folder->isListing) {
            folder->again = true;
            return;
        }
        folder->isListing = true;
        FileNode *node = folder->node;
        if (node->state == FileNode::State::Closed || node->state == FileNode::State::Failed)
            setState(node, FileNode::State::Loading);
        const qint64 started = clock.elapsed();
        folder->listing = envd.listDir(node->path, &q,
                                       [this, weak = std::weak_ptr<Folder>(folder),
                                        started](const Result<QList<FileEntry>> &result) {
                                           if (const FolderPtr alive = weak.lock())
                                               onListed(alive, started, result);
                                       });
    }

    void onListed(const FolderPtr &folder, qint64 started, const Result<QList<FileEntry>> &result)
    {
        folder->isListing = false;
        folder->listedAt = clock.elapsed();
        folder->tookMs = folder->listedAt - started;
        FileNode *node = folder->node;
        if (!result) {
            const bool known =
                node->state == FileNode::State::Ready || node->state == FileNode::State::Stale;
            setState(node, known ? FileNode::State::Stale : FileNode::State::Failed,
                     result.error());
            // A folder that vanished is a change of its parent.
            if (result.error().kind == Error::Kind::NotFound && node->parent) {
                if (const FolderPtr above = folders.value(node->parent))
                    schedule(*above, 0);
            } else if (known) {
                schedule(*folder, 2 * kFolderPollMs);
            }
            return;
        }
        merge(node, *result);
        setState(node, FileNode::State::Ready);
        if (!folders.contains(node)) // a slot closed it
            return;
        if (folder->again) {
            folder->again = false;
            schedule(*folder, kSettleMs);
        }
        watch(folder);
        if (!folder->watch)
            schedule(*folder, kFolderPollMs);
    }

    void watch(const FolderPtr &folder)
    {
        if (folder->watch || !mayTalk() || clock.elapsed() < folder->watchAfter)
            return;
        const auto watched = std::count_if(folders.cbegin(), folders.cend(),
                                           [](const FolderPtr &f) { return !f->watch.isNull(); });
        if (watched >= kMaxWatches)
            return;
        DirWatch *watch = envd.watch(folder->node->path, false, &q);
        folder->watch = watch;
        const std::weak_ptr<Folder> weak = folder;
        // What changed between the listing and the start of the watch was seen by neither.
        connect(watch, &DirWatch::started, &q, [this, weak] {
            if (const FolderPtr alive = weak.lock())
                schedule(*alive, 0);
        });
        connect(watch, &DirWatch::changed, &q, [this, weak] {
            if (const FolderPtr alive = weak.lock())
                onChanged(*alive);
        });
        connect(watch, &DirWatch::failed, &q, [this, weak, watch](const Error &error) {
            watch->deleteLater();
            const FolderPtr alive = weak.lock();
            if (!alive || alive->watch != watch)
                return;
            alive->watch = nullptr;
            alive->watchAfter = clock.elapsed() + kRewatchMs;
            // Closed on purpose: the sandbox is about to be paused, and a request would wake it.
            if (error.kind == Error::Kind::Canceled || error.kind == Error::Kind::Conflict) {
                q.setReachable(false);
                return;
            }
            schedule(*alive, kSettleMs);
        });
    }

    /// Later, because the client may be walking over its streams right now (closeStreams()).
    void dropWatch(Folder &folder) const
    {
        if (!folder.watch)
            return;
        folder.watch->disconnect(&q);
        folder.watch->deleteLater();
        folder.watch = nullptr;
    }

    void dropWatches()
    {
        for (const FolderPtr &folder : std::as_const(folders)) {
            dropWatch(*folder);
            folder->watchAfter = 0;
        }
    }

    void resume()
    {
        if (!mayTalk())
            return;
        const auto all = folders.values();
        for (const FolderPtr &folder : all) {
            folder->watchAfter = 0;
            list(folder);
        }
    }

    void openFolder(FileNode *node)
    {
        node->open = true;
        FolderPtr &folder = folders[node];
        if (!folder) {
            folder = std::make_shared<Folder>();
            folder->node = node;
        }
        list(FolderPtr(folder));
    }

    void closeFolder(FileNode *node)
    {
        node->open = false;
        const FolderPtr folder = folders.take(node);
        if (!folder)
            return;
        folder->listing.abort();
        dropWatch(*folder);
        if (node->state == FileNode::State::Loading)
            setState(node, FileNode::State::Closed);
    }

    /// Before a node goes: nothing may come back to it.
    void forget(FileNode *node)
    {
        if (const FolderPtr folder = folders.take(node)) {
            folder->listing.abort();
            dropWatch(*folder);
        }
        for (const auto &child : node->children)
            forget(child.get());
    }

    // --- order ------------------------------------------------------------------------------

    [[nodiscard]] bool before(const FileNode &a, const FileNode &b) const
    {
        if (a.isFolder() != b.isFolder())
            return a.isFolder();
        int by = 0;
        switch (order) {
        case Order::Name:
            break;
        case Order::Size:
            by = a.isFolder() ? 0 : compared(a.entry.size, b.entry.size);
            break;
        case Order::Modified:
            by = compared(a.entry.modified.toMSecsSinceEpoch(),
                          b.entry.modified.toMSecsSinceEpoch());
            break;
        case Order::Permissions:
            by = a.entry.permissions.compare(b.entry.permissions);
            break;
        case Order::Owner:
            by = a.entry.owner.compare(b.entry.owner);
            break;
        }
        if (by == 0) {
            const int name = a.sortKey.compare(b.sortKey);
            const int exact = name != 0 ? name : a.entry.name.compare(b.entry.name);
            // A secondary key stays ascending, whatever the direction of the first.
            if (order != Order::Name)
                return exact < 0;
            by = exact;
        }
        return direction == Qt::AscendingOrder ? by < 0 : by > 0;
    }

    static void renumber(FileNode *parent, size_t from)
    {
        for (size_t i = from; i < parent->children.size(); ++i)
            parent->children[i]->row = int(i);
    }

    void sortChildren(FileNode *parent) const
    {
        std::stable_sort(parent->children.begin(), parent->children.end(),
                         [this](const auto &a, const auto &b) { return before(*a, *b); });
        renumber(parent, 0);
    }

    void sortAll(FileNode *parent) const
    {
        sortChildren(parent);
        for (const auto &child : parent->children) {
            if (!child->children.empty())
                sortAll(child.get());
        }
    }

    [[nodiscard]] bool isSorted(const FileNode *parent) const
    {
        return std::is_sorted(parent->children.begin(), parent->children.end(),
                              [this](const auto &a, const auto &b) { return before(*a, *b); });
    }

    // --- comparison with a fresh listing ----------------------------------------------------

    std::unique_ptr<FileNode> makeNode(FileNode *parent, const FileEntry &entry) const
    {
        auto node = std::make_unique<FileNode>();
        node->entry = entry;
        // The path is ours, made from the name: what an answer says about paths is not trusted.
        node->path = filename::join(parent->path, entry.name);
        node->addressable = filename::isAddressable(entry.name);
        node->sortKey = filename::sortKey(entry.name);
        node->parent = parent;
        return node;
    }

    void merge(FileNode *parent, const QList<FileEntry> &fresh)
    {
        // Names that were not UTF-8 may coincide after decoding: the n-th of a name is compared
        // with the n-th. A folder that became a file is another thing of the same name.
        struct Key {
            QString name;
            bool folder = false;
            int nth = 0;
            bool operator==(const Key &) const = default;
        };
        struct Hash {
            size_t operator()(const Key &key) const
            {
                return qHash(key.name) * 31U + size_t(key.nth) * 2U + (key.folder ? 1U : 0U);
            }
        };
        const auto keyed = [](auto &counts, const FileEntry &entry) {
            Key key{entry.name, entry.type == FileType::Directory, 0};
            key.nth = counts[key]++;
            return key;
        };
        std::unordered_map<Key, const FileEntry *, Hash> incoming;
        incoming.reserve(size_t(fresh.size()));
        {
            std::unordered_map<Key, int, Hash> counts;
            for (const FileEntry &entry : fresh)
                incoming.emplace(keyed(counts, entry), &entry);
        }

        // 1. What stays, and what changed in it.
        std::vector<bool> stays(parent->children.size(), false);
        bool mayBeUnsorted = false;
        {
            std::unordered_map<Key, int, Hash> counts;
            for (size_t i = 0; i < parent->children.size(); ++i) {
                FileNode *node = parent->children[i].get();
                const auto found = incoming.find(keyed(counts, node->entry));
                if (found == incoming.end())
                    continue;
                stays[i] = true;
                if (!(*found->second == node->entry)) {
                    node->entry = *found->second;
                    mayBeUnsorted = true;
                    emit q.nodeChanged(node);
                }
                incoming.erase(found);
            }
        }

        // 2. Removals, in runs, from the end.
        const auto goes = [&](size_t i) { return !stays[i]; };
        size_t runs = 0;
        for (size_t i = 0; i < stays.size(); ++i)
            runs += goes(i) && (i == 0 || !goes(i - 1)) ? 1U : 0U;
        if (runs > kMaxRuns)
            moveToEnd(parent, stays);
        for (size_t end = stays.size(); end > 0;) {
            if (stays[end - 1]) {
                --end;
                continue;
            }
            size_t begin = end - 1;
            while (begin > 0 && !stays[begin - 1])
                --begin;
            for (size_t i = begin; i < end; ++i)
                forget(parent->children[i].get());
            emit q.childrenAboutToBeRemoved(parent, int(begin), int(end - 1));
            parent->children.erase(parent->children.begin() + qsizetype(begin),
                                   parent->children.begin() + qsizetype(end));
            renumber(parent, begin);
            emit q.childrenRemoved();
            end = begin;
        }

        // 3. Order among those that stayed.
        if (mayBeUnsorted && !isSorted(parent)) {
            emit q.orderAboutToChange(parent);
            sortChildren(parent);
            emit q.orderChanged();
        }

        // 4. Newcomers, in runs at their places.
        if (incoming.empty())
            return;
        std::vector<std::unique_ptr<FileNode>> newcomers;
        newcomers.reserve(incoming.size());
        for (const auto &entry : incoming)
            newcomers.push_back(makeNode(parent, *entry.second));
        std::sort(newcomers.begin(), newcomers.end(),
                  [this](const auto &a, const auto &b) { return before(*a, *b); });
        insert(parent, std::move(newcomers));
    }

    /// What is about to go becomes one run: `stays` follows the new order.
    void moveToEnd(FileNode *parent, std::vector<bool> &stays) const
    {
        emit q.orderAboutToChange(parent);
        std::stable_partition(parent->children.begin(), parent->children.end(),
                              [&](const auto &child) { return stays[size_t(child->row)]; });
        renumber(parent, 0);
        const auto kept = std::count(stays.begin(), stays.end(), true);
        std::fill(stays.begin(), stays.begin() + kept, true);
        std::fill(stays.begin() + kept, stays.end(), false);
        emit q.orderChanged();
    }

    void insert(FileNode *parent, std::vector<std::unique_ptr<FileNode>> newcomers)
    {
        struct Run {
            size_t at;    // position among the present children
            size_t first; // of newcomers
            size_t count;
        };
        std::vector<Run> runs;
        for (size_t i = 0; i < newcomers.size(); ++i) {
            const auto place =
                std::lower_bound(parent->children.begin(), parent->children.end(), newcomers[i],
                                 [this](const auto &a, const auto &b) { return before(*a, *b); });
            const auto at = size_t(place - parent->children.begin());
            if (!runs.empty() && runs.back().at == at)
                ++runs.back().count;
            else
                runs.push_back({at, i, 1});
        }
        const bool scattered = runs.size() > kMaxRuns;
        if (scattered)
            runs = {{parent->children.size(), 0, newcomers.size()}};
        // From the end, so that the positions of the remaining runs stay true.
        for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
            emit q.childrenAboutToBeInserted(parent, int(run->at), int(run->at + run->count - 1));
            const auto from = newcomers.begin() + qsizetype(run->first);
            parent->children.insert(parent->children.begin() + qsizetype(run->at),
                                    std::make_move_iterator(from),
                                    std::make_move_iterator(from + qsizetype(run->count)));
            renumber(parent, run->at);
            emit q.childrenInserted();
        }
        if (scattered) {
            emit q.orderAboutToChange(parent);
            sortChildren(parent);
            emit q.orderChanged();
        }
    }

    void changeRoot(const QString &path, const FileEntry &entry)
    {
        emit q.rootAboutToChange();
        forget(&root);
        root.children.clear();
        root.entry = entry;
        root.path = path;
        root.state = FileNode::State::Closed;
        root.error = {};
        root.open = false;
        setChangingRoot(false);
        emit q.rootChanged();
        openFolder(&root);
    }

    [[nodiscard]] FileNode *find(const QString &path)
    {
        if (root.path.isEmpty())
            return nullptr;
        FileNode *node = &root;
        while (node->path != path) {
            FileNode *next = nullptr;
            for (const auto &child : node->children) {
                if (child->path == path || path.startsWith(child->path + QLatin1Char('/'))) {
                    next = child.get();
                    break;
                }
            }
            if (!next)
                return nullptr;
            node = next;
        }
        return node;
    }
};

FileStore::FileStore(EnvdClient &envd, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(*this, envd))
{
    connect(&d->timer, &QTimer::timeout, this, [this] { d->onTimer(); });
}

FileStore::~FileStore()
{
    d->rootCall.abort();
    d->forget(&d->root);
}

EnvdClient &FileStore::envd() const
{
    return d->envd;
}

const FileNode &FileStore::root() const
{
    return d->root;
}

const FileNode *FileStore::find(const QString &path) const
{
    return d->find(path);
}

bool FileStore::isChangingRoot() const
{
    return d->changingRoot;
}

void FileStore::setRoot(const QString &path)
{
    d->rootCall.abort();
    const quint64 request = ++d->rootRequest;
    d->setChangingRoot(true);
    // A reader's explicit wish is sent even if a former failure made us quiet.
    d->rootCall = d->envd.stat(path, this, [this, path, request](const Result<FileEntry> &result) {
        if (request != d->rootRequest)
            return;
        if (!result) {
            d->setChangingRoot(false);
            emit rootRefused(path, result.error());
            return;
        }
        if (result->type != FileType::Directory) {
            d->setChangingRoot(false);
            emit rootRefused(path, Error{Error::Kind::Invalid,
                                         0,
                                         QStringLiteral("not a folder: %1").arg(result->path),
                                         {},
                                         -1});
            return;
        }
        QString resolved = result->path.isEmpty() ? path : result->path;
        while (resolved.size() > 1 && resolved.endsWith(u'/'))
            resolved.chop(1);
        d->changeRoot(resolved, *result);
    });
}

void FileStore::setOpen(const FileNode &folder, bool open)
{
    auto *node = const_cast<FileNode *>(&folder); // ours: only this class makes nodes
    if (!node->isFolder() || !node->addressable)
        return;
    if (open) {
        if (!node->open || node->state == FileNode::State::Failed)
            d->openFolder(node);
    } else if (node->open && node != &d->root) {
        d->closeFolder(node);
    }
}

void FileStore::refresh()
{
    d->resume();
}

void FileStore::refreshFolder(const QString &path)
{
    if (const auto folder = d->folders.value(d->find(path)))
        d->schedule(*folder, 0);
}

void FileStore::setActive(bool active)
{
    if (d->active == active)
        return;
    d->active = active;
    if (active) {
        d->resume();
    } else {
        d->dropWatches();
        d->timer.stop();
    }
}

void FileStore::setReachable(bool reachable)
{
    if (d->reachable == reachable)
        return;
    d->reachable = reachable;
    if (reachable) {
        d->resume();
        return;
    }
    d->dropWatches();
    d->timer.stop();
    for (const auto &folder : std::as_const(d->folders)) {
        folder->listing.abort();
        if (std::exchange(folder->isListing, false)
            && folder->node->state == FileNode::State::Loading)
            d->setState(folder->node, FileNode::State::Closed);
    }
}

void FileStore::setOrder(Order order, Qt::SortOrder direction)
{
    if (d->order == order && d->direction == direction)
        return;
    emit orderAboutToChange(nullptr);
    d->order = order;
    d->direction = direction;
    d->sortAll(&d->root);
    emit orderChanged();
}

void FileStore::makeFolder(const QString &folder, const QString &name, QObject *context,
                           Done<FileEntry> done)
{
    d->envd.makeDir(
        filename::join(folder, name), context,
        [self = QPointer(this), folder, done = std::move(done)](const Result<FileEntry> &result) {
            if (self)
                self->refreshFolder(folder);
            done(result);
        });
}

void FileStore::rename(const QString &path, const QString &newName, QObject *context,
                       Done<FileEntry> done)
{
    const QString folder = filename::parentOf(path);
    const QString target = filename::join(folder, newName);
    d->envd.stat(target, context,
                 [self = QPointer(this), guard = QPointer(context), path, folder, target,
                  done = std::move(done)](const Result<FileEntry> &there) {
                     if (!self || !guard)
                         return;
                     if (there) {
                         done(failure(Error::Kind::Conflict,
                                      QStringLiteral("exists already: %1").arg(target)));
                         return;
                     }
                     if (there.error().kind != Error::Kind::NotFound) {
                         done(tl::unexpected(there.error()));
                         return;
                     }
                     self->d->envd.move(path, target, guard,
                                        [self, folder, done](const Result<FileEntry> &moved) {
                                            if (self)
                                                self->refreshFolder(folder);
                                            done(moved);
                                        });
                 });
}

void FileStore::remove(const QStringList &paths, QObject *context,
                       const std::function<void(const QList<RemovalFailure> &)> &done)
{
    struct Removal {
        QStringList left;
        QList<RemovalFailure> failures;
        std::function<void(const std::shared_ptr<Removal> &)> next;
    };
    auto removal = std::make_shared<Removal>();
    removal->left = paths;
    removal->next = [self = QPointer(this), guard = QPointer(context),
                     done](const std::shared_ptr<Removal> &state) {
        if (!self || !guard)
            return;
        if (state->left.isEmpty()) {
            done(state->failures);
            return;
        }
        const QString path = state->left.takeFirst();
        self->d->envd.remove(path, guard, [self, state, path](const Result<> &result) {
            if (!result)
                state->failures.append({path, result.error()});
            if (self)
                self->refreshFolder(filename::parentOf(path));
            state->next(state);
        });
    };
    QMetaObject::invokeMethod(
        this, [removal] { removal->next(removal); }, Qt::QueuedConnection);
}

} // namespace moru
