// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/remotewrite.h"

#include <QDateTime>
#include <QObject>

#include <memory>

namespace moru {

/// One file on its way into or out of a sandbox.
struct TransferItem {
    enum class Direction { Download, Upload };
    enum class State {
        Queued,
        Asking, ///< the target exists; resolve() decides
        Running,
        Done,
        Skipped, ///< the user kept what is there
        Failed,
        Canceled,
    };
    /// What is known of a file on one side, for the question whether to overwrite it.
    struct Side {
        qint64 size = -1;
        QDateTime modified;
        friend bool operator==(const Side &, const Side &) = default;
    };

    quint64 id = 0;
    Direction direction = Direction::Download;
    QString remotePath;
    QString localPath;
    State state = State::Queued;
    qint64 done = 0;
    qint64 total = -1;          ///< -1 = unknown
    double bytesPerSecond = 0;  ///< 0 = not known yet
    Error error;                ///< meaningful when Failed
    bool attributesKept = true; ///< uploads: false if mode or owner of the old file were lost
    Side source;                ///< meaningful when Asking
    Side target;

    [[nodiscard]] bool isActive() const
    {
        return state == State::Queued || state == State::Asking || state == State::Running;
    }
};

/// The up- and downloads of one sandbox, three at a time, in order. Nothing is overwritten unasked,
/// and a target changes only when its new content is complete: downloads arrive in a hidden
/// temporary file in the target folder and are renamed when size and disk agree, uploads go through
/// RemoteWrite. A failed or cancelled transfer leaves the old file whole and no rest behind.
class TransferQueue : public QObject {
    Q_OBJECT
public:
    enum class Decision { Overwrite, KeepBoth, Skip };
    Q_ENUM(Decision)

    /// `envd` must outlive the queue.
    explicit TransferQueue(EnvdClient &envd, QObject *parent = nullptr);
    /// Stops what runs; temporary files are removed.
    ~TransferQueue() override;

    /// `mayReplace`: the user has already agreed that an existing target goes (a save dialog).
    quint64 download(const QString &remotePath, const QString &localPath, bool mayReplace);
    quint64 upload(const QString &localPath, const QString &remotePath);

    void cancel(quint64 id);
    void retry(quint64 id); ///< Failed or Canceled ones, at their place in the list
    /// Answers the question of an item in state Asking; with `forAll` also every later one.
    void resolve(quint64 id, Decision decision, bool forAll);
    void clearFinished(); ///< forgets what is done, skipped, failed or cancelled
    /// While not reachable nothing new is begun; what runs fails by itself.
    void setReachable(bool reachable);

    [[nodiscard]] int count() const;
    [[nodiscard]] const TransferItem &at(int index) const;
    [[nodiscard]] int indexOf(quint64 id) const; ///< -1 if unknown
    [[nodiscard]] int activeCount() const;       ///< queued, asking or running
    [[nodiscard]] int firstAsking() const;       ///< index, -1 = none

signals:
    void itemAboutToBeAdded(int index);
    void itemAdded();
    void itemsAboutToBeRemoved(int first, int last);
    void itemsRemoved();
    void itemChanged(int index);
    void activeCountChanged();
    /// An upload ended well; the folder that has it now.
    void uploaded(const QString &remotePath);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
