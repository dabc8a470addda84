// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connectionmanager.h"
#include "app/core/settings.h"
#include "app/models/sandboxtablemodel.h"
#include "app/stores/sandboxstore.h"
#include "ui/common/prompt.h"

#include <QHash>
#include <QMainWindow>
#include <QPointer>
#include <QTimer>

class QActionGroup;
class QLabel;
class QLineEdit;
class QPushButton;
class QSplitter;
class QToolButton;

namespace moru {

class Banner;
class ConnectionBox;
class DetailsPanel;
class EngineMenu;
class SandboxList;
class StateFilter;
class UpdateCheck;

/// The one window: connection, filter and actions above, states at the side, the table, the details
/// of the selected sandbox below, one line of status.
class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    /// References must outlive the window. `logFile` may be empty.
    MainWindow(ConnectionManager &connections, Settings &settings, Prompt &prompt,
               const QString &logFile, QWidget *parent = nullptr);
    ~MainWindow() override;

    /// Shows the sandboxes of one connection; Local starts its engine.
    void setConnection(Connection *connection);
    [[nodiscard]] Connection *connection() const { return m_connection; }
    [[nodiscard]] SandboxTableModel &model() { return m_model; }
    /// nullptr until setConnection().
    [[nodiscard]] SandboxStore *store() const { return m_store; }

    /// Opens the details of one sandbox of the current connection, now or when the list has it.
    void selectSandbox(const QString &id);
    /// Adds Help > Check for updates at start, and asks `delayMs` from now if it is on. The window
    /// must be gone before `updates`.
    void setUpdates(UpdateCheck &updates, int delayMs = 5000);
    /// A line for the status bar, for some seconds.
    void showStatus(const QString &text);

protected:
    void closeEvent(QCloseEvent *event) override;
    void changeEvent(QEvent *event) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    bool focusNextPrevChild(bool next) override;

private:
    /// Why an action cannot be done now, for its tooltip; empty = it can.
    struct Reasons;

    void buildActions();
    void buildMenus();
    void buildToolBar();
    void buildCentral();
    void buildStatusBar();
    QAction *addNamedAction(const QString &id, const QString &text, const QString &icon,
                            const QList<QKeySequence> &keys, const QString &section);
    void addToChrome(QAction *action);

    SandboxStore *storeFor(Connection &connection);
    void onEngineState();
    void onSelectionChanged();
    void applyFilter();
    void openSelected();
    void newSandbox();
    void askPause(const QStringList &ids);
    void pause(const QStringList &ids);
    void resume(const QStringList &ids);
    void askKill(const QStringList &ids);
    void killById();
    void extend(const QStringList &ids);
    void copySelected(bool asJson);
    void addConnection();
    void editConnection();
    void removeConnection();
    void openLogFile();
    void nextPane(int step);
    void askQuit();

    void updateActions(); ///< the one place that decides what is enabled, and says why not
    void updateCounts();
    void showOrHideDetails();
    void updateStatus();
    void updateStaleness();
    void updateTitle();
    void setScheme(const QString &name);
    void setTerminalScheme(const QString &name);
    void setRowHeight(const QString &name);
    void reportFailure(const QString &what, const Error &error);
    void updateHidden();
    void arrange();
    void divide();
    void restoreLayout();
    void saveLayout();
    [[nodiscard]] QString titleOf(const QString &id) const;
    [[nodiscard]] bool isLocal() const;

    ConnectionManager &m_connections;
    Settings &m_settings;
    Prompt &m_prompt;
    QString m_logFile;
    SandboxTableModel m_model;
    QHash<Connection *, SandboxStore *> m_stores;
    QPointer<Connection> m_connection;
    SandboxStore *m_store = nullptr;
    QString m_awaited; ///< to be selected when the list has it
    bool m_quitting = false;
    bool m_asking = false;
    bool m_staleDismissed = false;
    int m_running = 0;
    int m_paused = 0;
    QString m_message;
    QTimer m_messageTimer;
    QTimer m_clock;
    QTimer m_countTimer; ///< joins the many signals of one sweep
    QTimer m_saveColumns;

    QList<QAction *> m_actions;
    QAction *m_new = nullptr;
    QAction *m_pause = nullptr;
    QAction *m_resume = nullptr;
    QAction *m_extend = nullptr;
    QAction *m_kill = nullptr;
    QAction *m_killById = nullptr;
    QAction *m_copyId = nullptr;
    QAction *m_copyJson = nullptr;
    QAction *m_refresh = nullptr;
    QAction *m_filterAction = nullptr;
    QAction *m_overview = nullptr;
    QAction *m_terminal = nullptr;
    QAction *m_newTerminal = nullptr;
    QAction *m_closeTerminal = nullptr;
    QAction *m_files = nullptr;
    QAction *m_commands = nullptr;
    QAction *m_goTable = nullptr;
    QAction *m_nextPane = nullptr;
    QAction *m_previousPane = nullptr;
    QAction *m_sidebarAction = nullptr;
    QAction *m_resetLayout = nullptr;
    QActionGroup *m_schemes = nullptr;
    QActionGroup *m_terminalSchemes = nullptr;
    QActionGroup *m_rowHeights = nullptr;
    QAction *m_addConnection = nullptr;
    QAction *m_editConnection = nullptr;
    QAction *m_removeConnection = nullptr;
    QAction *m_quit = nullptr;
    QAction *m_shortcuts = nullptr;
    QAction *m_log = nullptr;
    QAction *m_about = nullptr;
    EngineMenu *m_engineMenu = nullptr;

    ConnectionBox *m_connectionBox = nullptr;
    QLineEdit *m_filter = nullptr;
    QPushButton *m_newButton = nullptr;
    QToolButton *m_pauseButton = nullptr;
    QToolButton *m_killButton = nullptr;
    QToolBar *m_toolBar = nullptr;
    QWidget *m_bar = nullptr; ///< what stands in the tool bar
    QWidget *m_productionBar = nullptr;
    Banner *m_banner = nullptr;
    Banner *m_failure = nullptr;
    Banner *m_updateNote = nullptr;
    QSplitter *m_across = nullptr;
    QSplitter *m_down = nullptr;
    StateFilter *m_states = nullptr;
    SandboxList *m_list = nullptr;
    DetailsPanel *m_details = nullptr;
    QLabel *m_status = nullptr;
    QToolButton *m_engineButton = nullptr;
};

} // namespace moru
