// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"

#include <QObject>

#include <memory>
#include <optional>

class QIODevice;

namespace moru {

/// Writes one file of a sandbox so that the old content stays whole until the new one is complete:
/// uploads to a temporary name in the same folder, verifies the size, gives it the old file's mode
/// and owner, and moves it into place. A link is followed: its target is replaced, not the link.
///
/// A job: start() once, `done` is run exactly once, no second life. Deleting it cancels it silently
/// and removes the temporary file.
class RemoteWrite : public QObject {
    Q_OBJECT
public:
    enum class Existing {
        Replace,       ///< whatever is there
        Refuse,        ///< fail with Conflict if the path exists
        OnlyUnchanged, ///< fail with Conflict unless it is what `expected` describes
    };
    struct Options {
        QString path;
        Existing existing = Existing::Refuse;
        std::optional<FileEntry> expected; ///< for OnlyUnchanged; nullopt = must not exist
    };
    struct Written {
        FileEntry entry;            ///< the file as it is now
        bool attributesKept = true; ///< false: mode or owner of the old file could not be set
    };

    /// `envd` and `source` (open for reading, seekable) must outlive the job.
    RemoteWrite(EnvdClient &envd, QIODevice &source, Options options, QObject *parent = nullptr);
    ~RemoteWrite() override;

    void start(Done<Written> done);
    /// `done` is run with Canceled, maybe before this returns; unless the move into place is
    /// already under way.
    void cancel();
    /// After a Conflict: what is there now; nullopt = the file is gone.
    [[nodiscard]] const std::optional<FileEntry> &found() const;

    /// True if both describe the same content as far as size and time can tell.
    static bool isSameVersion(const FileEntry &a, const FileEntry &b);

signals:
    void progress(qint64 done, qint64 total);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

/// Stat that follows a link to what it points at: size, time and type of the target under its
/// resolved path. A broken link is answered with itself.
Call statFollowed(EnvdClient &envd, const QString &path, QObject *context, Done<FileEntry> done);

} // namespace moru
