// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"

#include <QScrollArea>

class QLabel;
class QTreeWidget;

namespace moru {

/// The facts about one sandbox, as the list has them; looks at nothing inside the sandbox.
class OverviewTab : public QScrollArea {
    Q_OBJECT
public:
    explicit OverviewTab(QWidget *parent = nullptr);

    void showRow(const SandboxRow &row, const QDateTime &now);
    /// The sandbox is gone; the last facts stay.
    void showEnded();

private:
    QLabel *addFact(const QString &title, const QString &name, bool fixedPitch = false);
    void showMetadata(const Metadata &metadata);

    QWidget *m_facts = nullptr;
    QLabel *m_id = nullptr;
    QLabel *m_state = nullptr;
    QLabel *m_template = nullptr;
    QLabel *m_started = nullptr;
    QLabel *m_ends = nullptr;
    QLabel *m_cpu = nullptr;
    QLabel *m_memory = nullptr;
    QLabel *m_disk = nullptr;
    QLabel *m_version = nullptr;
    QTreeWidget *m_metadata = nullptr;
    Metadata m_shownMetadata;
};

} // namespace moru
