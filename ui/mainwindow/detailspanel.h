// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/sandboxstore.h"
#include "ui/common/prompt.h"

#include <QWidget>

#include <memory>
#include <vector>

class QHBoxLayout;
class QLabel;
class QStackedLayout;
class QTabWidget;
class QToolButton;

namespace moru {

class ElidedLabel;
class OverviewTab;
class PaneHost;
class Placeholder;

/// What is known of and open in the selected sandbox: a header line and the tabs Overview,
/// Terminal(s), Files, Commands. Panes are kept per sandbox while others are looked at; the tab
/// that was in front comes back with its sandbox.
class DetailsPanel : public QWidget {
    Q_OBJECT
public:
    explicit DetailsPanel(Prompt &prompt, QWidget *parent = nullptr);
    ~DetailsPanel() override;

    /// Makes `id` of `store` the subject.
    void showSandbox(SandboxStore &store, const QString &id);
    /// No subject; open panes are kept.
    void showNothing();
    /// Drops everything that belongs to the connection (it is being removed).
    void forgetConnection(const Connection &connection);
    [[nodiscard]] QString sandboxId() const;
    /// The shown sandbox is running and reachable.
    [[nodiscard]] bool isReachable() const;

    enum class Tab { Overview, Terminal, Files, Commands };
    void openTab(Tab tab);
    void openNewTerminal();
    /// Asks first if its shell is live. Nothing happens in front of another tab.
    void closeCurrentTerminal();
    [[nodiscard]] bool canCloseTerminal() const;
    void focusCurrent();

    /// Over all sandboxes.
    [[nodiscard]] bool hasUnsavedEdits() const;
    [[nodiscard]] bool hasRunningTransfers() const;
    [[nodiscard]] bool hasRunningTransfers(const Connection &connection, const QString &id) const;
    /// Live terminals of one sandbox, by title.
    [[nodiscard]] QStringList liveTerminals(const Connection &connection, const QString &id) const;
    /// What the app would lose with it, as short phrases.
    [[nodiscard]] QStringList losses(const Connection &connection, const QString &id) const;
    /// Ends terminals and watchers before a pause, because their traffic would wake the sandbox.
    void closeForPause(const Connection &connection, const QString &id);

    /// The buttons of the header line show these actions.
    void setHeaderActions(QAction *copyId, QAction *extend);

signals:
    void resumeRequested(const QString &id);
    void statusMessage(const QString &text);
    void busyChanged();

private:
    struct Set;
    enum class Reach { Live, Paused, Changing, Ended, Unknown };

    Set *find(const Connection &connection, const QString &id) const;
    Set &setFor(SandboxStore &store, const QString &id);
    PaneHost *addTerminal(Set &set);
    void mount(Set *set);
    void noteNews(const QWidget *page);
    void unmount();
    void watch(SandboxStore &store);
    void refreshSets(SandboxStore &store);
    void refreshReach(Set &set);
    void refreshHeader();
    void retireEnded();
    void closeTerminalAt(int index);
    void updateTabTexts();
    [[nodiscard]] static Reach reachOf(const Set &set);

    Prompt &m_prompt;
    std::vector<std::unique_ptr<Set>> m_sets;
    std::vector<SandboxStore *> m_watched;
    Set *m_current = nullptr;

    QStackedLayout *m_pages = nullptr;
    Placeholder *m_empty = nullptr;
    QWidget *m_content = nullptr;
    QHBoxLayout *m_header = nullptr;
    QLabel *m_stateIcon = nullptr;
    QLabel *m_stateWord = nullptr;
    ElidedLabel *m_name = nullptr;
    QToolButton *m_copy = nullptr;
    ElidedLabel *m_template = nullptr;
    ElidedLabel *m_connection = nullptr;
    QLabel *m_ends = nullptr;
    QToolButton *m_extend = nullptr;
    QTabWidget *m_tabs = nullptr;
    QToolButton *m_newTerminal = nullptr;
    QWidget *m_parking = nullptr; ///< keeps the pages of sandboxes that are not looked at
};

} // namespace moru
