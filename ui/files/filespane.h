// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"
#include "ui/common/prompt.h"

#include <QWidget>

#include <memory>

namespace moru {

/// The file browser of one sandbox: tree, editor, and the transfers it started.
class FilesPane : public QWidget {
    Q_OBJECT
public:
    FilesPane(Connection &connection, const QString &sandboxId, Prompt &prompt,
              QWidget *parent = nullptr);
    ~FilesPane() override;

    void start(); ///< loads the home folder
    [[nodiscard]] bool hasUnsavedEdits() const;
    [[nodiscard]] bool hasRunningTransfers() const;
    /// The sandbox is paused or gone: shows that, keeps what is on screen and unsaved edits.
    void setReachable(bool reachable, const QString &reason);

signals:
    void busyChanged(); ///< hasUnsavedEdits() or hasRunningTransfers() changed
    void statusMessage(const QString &text);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
