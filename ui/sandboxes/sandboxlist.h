// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"

#include <QTimer>
#include <QWidget>

class QStackedLayout;

namespace moru {

class Placeholder;
class SandboxTableModel;
class SandboxTableView;

/// The table and what stands in its place: loading, nothing yet, nothing matches, failed.
class SandboxList : public QWidget {
    Q_OBJECT
public:
    explicit SandboxList(SandboxTableModel &model, QWidget *parent = nullptr);

    [[nodiscard]] SandboxTableView *table() const { return m_table; }
    /// nullptr = no store; then `offline` (see setOffline) or nothing is shown.
    void setStore(SandboxStore *store);
    /// A reason that is shown instead of "failed" while there is no data (the engine is stopped);
    /// an empty title takes it back.
    void setOffline(const QString &title, const QString &text, const QString &action);
    /// Filter text or state in force: decides between "nothing yet" and "nothing matches".
    void setFiltered(bool filtered);

signals:
    void newRequested();
    void clearFilterRequested();
    void retryRequested();
    void offlineActionTriggered();

private:
    void refresh();

    SandboxTableModel &m_model;
    SandboxStore *m_store = nullptr;
    SandboxTableView *m_table = nullptr;
    QStackedLayout *m_pages = nullptr;
    Placeholder *m_empty = nullptr;
    Placeholder *m_noMatch = nullptr;
    Placeholder *m_failed = nullptr;
    Placeholder *m_offlinePage = nullptr;
    QWidget *m_skeleton = nullptr;
    QWidget *m_blank = nullptr;
    QTimer m_skeletonDelay; ///< what loads faster shows no skeleton
    bool m_filtered = false;
    bool m_offline = false;
};

} // namespace moru
