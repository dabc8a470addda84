// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/envdclient.h"

#include <QWidget>

#include <memory>

namespace moru {

/// An interactive shell in one sandbox: the terminal view, its status line, and the stream to envd.
class TerminalPane : public QWidget {
    Q_OBJECT
public:
    /// `envd` must outlive the pane. `sandboxName` is used in the title.
    TerminalPane(EnvdClient &envd, const QString &sandboxName, QWidget *parent = nullptr);
    ~TerminalPane() override;

    void start();   ///< opens the shell (bash -i -l, TERM=xterm-256color)
    void restart(); ///< after the end: draws a line and starts a new shell, scrollback kept
    [[nodiscard]] bool isLive() const;
    [[nodiscard]] quint32 pid() const;
    /// Why the pane is not live is told in the terminal itself ("Paused: ...").
    void closeBecause(const QString &reason);
    [[nodiscard]] QString title() const; ///< "name: program - folder"
    /// The screen's and the scrollback's text, rows joined by newlines (tests, accessibility, copy
    /// all).
    [[nodiscard]] QString text() const;

signals:
    void titleChanged(const QString &title);
    void liveChanged(bool live);
    void activity(); ///< output arrived while the pane was not visible
    void bell();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace moru
