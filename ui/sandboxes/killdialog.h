// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"

#include <QDialog>
#include <QHash>

class QLabel;
class QLineEdit;
class QPushButton;
class QTreeWidget;
class QVBoxLayout;

namespace moru {

class ArmedButton;

/// Asks before sandboxes are killed, kills them, and stays until every answer is in. Touches only
/// what it names. Cancel is the default.
class KillDialog : public QDialog {
    Q_OBJECT
public:
    /// What the app itself would lose with one sandbox ("2 terminals", "unsaved edits in app.py").
    using Notes = QHash<QString, QStringList>;

    /// `ids` must not be empty; ids the store does not know are shown as already terminated.
    KillDialog(SandboxStore &store, const QStringList &ids, const Notes &notes,
               QWidget *parent = nullptr);

    /// From this many on, and in production always, the number has to be typed.
    static constexpr int typeFrom = 10;
    void reject() override;

signals:
    void pauseInsteadRequested(const QStringList &ids);
    /// All answers of one round are in.
    void killed(int done, int alreadyGone, int failed);

protected:
    void showEvent(QShowEvent *event) override;

private:
    enum class Progress { Asking, Killing, Done, Gone, Failed };
    struct Item {
        Sandbox sandbox;
        QString id;
        QString title;
        QString impact;
        QString error;
        bool ticked = true;
        Progress progress = Progress::Asking;
    };

    void buildSingle(QVBoxLayout &layout, const QStringList &notes);
    void buildList(QVBoxLayout &layout, const Notes &notes);
    void probeImpact();
    void fire();
    void answered(qsizetype index, const Result<SandboxStore::Outcome> &result);
    void roundEnded();
    void refresh();
    void updateList();
    [[nodiscard]] QList<qsizetype> targets() const;
    [[nodiscard]] QString runTime(const Item &item) const;
    [[nodiscard]] QString impactText(const Item &item) const;

    SandboxStore &m_store;
    QList<Item> m_items;
    bool m_production = false;
    int m_pending = 0;
    int m_done = 0;
    int m_gone = 0;
    bool m_fired = false;

    QLabel *m_facts = nullptr;
    QLabel *m_impact = nullptr;
    QLabel *m_result = nullptr;
    QTreeWidget *m_list = nullptr;
    QWidget *m_typeRow = nullptr;
    QLabel *m_typeLabel = nullptr;
    QLineEdit *m_type = nullptr;
    ArmedButton *m_kill = nullptr;
    QPushButton *m_pause = nullptr;
    QPushButton *m_cancel = nullptr;
};

} // namespace moru
