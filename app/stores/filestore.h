// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"

#include <QObject>

#include <memory>
#include <vector>

namespace moru {

/// A file or folder of the tree as FileStore knows it. Owned by its parent.
struct FileNode {
    enum class State {
        Closed,  ///< a folder whose content was never asked for (and every file)
        Loading, ///< asked for, nothing known yet
        Ready,   ///< content is known
        Stale,   ///< content is known, the last reading failed
        Failed,  ///< could not be read, nothing known
    };
    FileEntry entry;
    QString path; ///< what to ask the server for; parent's path + name
    FileNode *parent = nullptr;
    int row = 0; ///< in parent
    State state = State::Closed;
    bool open = false;       ///< shown unfolded: kept up to date
    bool addressable = true; ///< false: the server could not express the name
    Error error;             ///< meaningful while Stale or Failed
    QString sortKey;
    std::vector<std::unique_ptr<FileNode>> children;

    [[nodiscard]] bool isFolder() const { return entry.type == FileType::Directory; }
};

/// The files of one sandbox below a chosen folder, read folder by folder as they are opened and
/// kept up to date by WatchDir, or by reading again every few seconds where that is refused. A
/// fresh listing is compared by name with what is known, so that views keep selection and open
/// folders.
///
/// Signals follow the item-model discipline: children change strictly between aboutTo… and partner.
class FileStore : public QObject {
    Q_OBJECT
public:
    enum class Order { Name, Size, Modified, Permissions, Owner };
    Q_ENUM(Order)

    /// `envd` must outlive the store.
    explicit FileStore(EnvdClient &envd, QObject *parent = nullptr);
    ~FileStore() override;

    [[nodiscard]] EnvdClient &envd() const;
    /// The shown folder; its path is empty until the first setRoot() has succeeded.
    [[nodiscard]] const FileNode &root() const;
    [[nodiscard]] const FileNode *find(const QString &path) const; ///< null if not loaded
    /// True while setRoot() is on its way.
    [[nodiscard]] bool isChangingRoot() const;

    /// Shows another folder ("~" and relative paths are the server's to resolve). What is shown
    /// stays until the answer is in; then rootChanged(), or rootRefused() with nothing changed.
    void setRoot(const QString &path);
    /// Opens or closes a folder; opening loads it, or loads it again after a failure.
    void setOpen(const FileNode &folder, bool open);
    /// Reads every open folder again, now.
    void refresh();
    void refreshFolder(const QString &path);
    /// While not active (the view is hidden) nothing is watched and nothing is read.
    void setActive(bool active);
    /// While not reachable (the sandbox is paused or gone) nothing is sent; the content stays.
    void setReachable(bool reachable);

    /// Folders always come first; equal keys are ordered by name.
    void setOrder(Order order, Qt::SortOrder direction);

    /// Actions. Each makes the folder concerned be read again; the tree follows by itself, a moment
    /// after `done`. makeFolder() answers with Conflict if the folder exists.
    void makeFolder(const QString &folder, const QString &name, QObject *context,
                    Done<FileEntry> done);
    /// Conflict if `newName` exists (a plain Move would replace it silently).
    void rename(const QString &path, const QString &newName, QObject *context,
                Done<FileEntry> done);
    struct RemovalFailure {
        QString path;
        Error error;
    };
    /// Removes all, one after the other, folders with their content; ends with what could not be.
    void remove(const QStringList &paths, QObject *context,
                const std::function<void(const QList<RemovalFailure> &)> &done);

signals:
    void rootAboutToChange();
    void rootChanged();
    void rootRefused(const QString &path, const moru::Error &error);
    void changingRootChanged();
    void childrenAboutToBeInserted(const moru::FileNode *parent, int first, int last);
    void childrenInserted();
    void childrenAboutToBeRemoved(const moru::FileNode *parent, int first, int last);
    void childrenRemoved();
    void orderAboutToChange(const moru::FileNode *parent); ///< null = everywhere
    void orderChanged();
    /// The node's entry or state changed in place.
    void nodeChanged(const moru::FileNode *node);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
