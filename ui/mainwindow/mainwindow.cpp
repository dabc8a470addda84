// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/mainwindow.h"

#include "app/core/tooltip.h"
#include "app/update/updatecheck.h"
#include "ui/common/accentbutton.h"
#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/common/theme.h"
#include "ui/connections/connectionbox.h"
#include "ui/connections/connectiondialog.h"
#include "ui/connections/enginemenu.h"
#include "ui/mainwindow/detailspanel.h"
#include "ui/mainwindow/helpdialogs.h"
#include "ui/mainwindow/statefilter.h"
#include "ui/sandboxes/dialogparts.h"
#include "ui/sandboxes/killbyiddialog.h"
#include "ui/sandboxes/killdialog.h"
#include "ui/sandboxes/newsandboxdialog.h"
#include "ui/sandboxes/pausedialog.h"
#include "ui/sandboxes/presentation.h"
#include "ui/sandboxes/sandboxlist.h"
#include "ui/sandboxes/sandboxtableview.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDesktopServices>
#include <QHBoxLayout>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QMenuBar>
#include <QPainter>
#include <QPushButton>
#include <QShortcut>
#include <QSplitter>
#include <QStatusBar>
#include <QToolBar>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>
#include <memory>

namespace moru {
namespace {

constexpr int messageMs = 8000;
constexpr int hour = 3600; // seconds
constexpr int sidebarWidth = 200;
constexpr int wideFrom = 1800; // px of window from which the details stand beside the table

/// 3 px of the production connection's colour under the tool bar.
class ProductionBar final : public QWidget {
public:
    explicit ProductionBar(QWidget *parent)
        : QWidget(parent)
    {
        setFixedHeight(3);
    }
    void setColor(const QColor &color)
    {
        m_color = color;
        update();
    }

protected:
    void paintEvent(QPaintEvent *) override { QPainter(this).fillRect(rect(), m_color); }

private:
    QColor m_color;
};

QString withoutMnemonic(QString text)
{
    return text.remove(QLatin1Char('&'));
}

/// Enabled, or disabled with the reason where the pointer finds it.
void allow(QAction *action, const QString &reason)
{
    action->setEnabled(reason.isEmpty());
    QString tip = action->property("tip").toString();
    if (tip.isEmpty())
        tip = withoutMnemonic(action->text());
    action->setToolTip(reason.isEmpty() ? tip : reason);
}

/// Collects the outcomes of one action on several sandboxes into one sentence.
struct Tally {
    int pending = 0;
    int done = 0;
    int already = 0;
    int gone = 0;
    int failed = 0;
    Error error;
};

} // namespace

MainWindow::MainWindow(ConnectionManager &connections, Settings &settings, Prompt &prompt,
                       const QString &logFile, QWidget *parent)
    : QMainWindow(parent)
    , m_connections(connections)
    , m_settings(settings)
    , m_prompt(prompt)
    , m_logFile(logFile)
{
    setObjectName(QStringLiteral("mainWindow"));
    setMinimumSize(800, 480);
    resize(1280, 800);

    buildActions();
    buildToolBar();
    buildCentral();
    buildMenus();
    buildStatusBar();

    m_messageTimer.setSingleShot(true);
    m_messageTimer.setInterval(messageMs);
    connect(&m_messageTimer, &QTimer::timeout, this, [this] {
        m_message.clear();
        updateStatus();
    });
    m_clock.setInterval(1000);
    connect(&m_clock, &QTimer::timeout, this, [this] {
        updateStatus();
        updateStaleness();
    });
    m_countTimer.setSingleShot(true);
    m_countTimer.setInterval(0);
    connect(&m_countTimer, &QTimer::timeout, this, [this] {
        updateCounts();
        updateActions();
        updateStatus();
    });
    m_saveColumns.setSingleShot(true);
    m_saveColumns.setInterval(500);
    connect(&m_saveColumns, &QTimer::timeout, this,
            [this] { m_settings.set(Setting::SandboxColumns, m_list->table()->saveColumns()); });

    connect(&m_connections, &ConnectionManager::aboutToRemove, this,
            [this](Connection *connection) {
                // The box has moved on to another connection by now.
                if (m_connection == connection)
                    setConnection(m_connections.connections().value(0));
                m_details->forgetConnection(*connection);
                delete m_stores.take(connection);
            });
    connect(&m_connections, &ConnectionManager::changed, this, [this] {
        updateTitle();
        updateActions();
    });
    if (EngineHost *engine = m_connections.engine())
        connect(engine, &EngineHost::stateChanged, this, &MainWindow::onEngineState);

    restoreLayout();
    updateActions();
    updateTitle();
    updateStatus();
}

MainWindow::~MainWindow()
{
    // The model lets go of the store before the stores go.
    m_model.setStore(nullptr);
    m_list->setStore(nullptr);
    delete m_details;
    qDeleteAll(m_stores);
}

// ---------------------------------------------------------------------------------------------
// Building

QAction *MainWindow::addNamedAction(const QString &id, const QString &text, const QString &icon,
                                    const QList<QKeySequence> &keys, const QString &section)
{
    auto *action = new QAction(text, this);
    action->setObjectName(id);
    if (!icon.isEmpty())
        action->setIcon(theme::icon(icon));
    action->setShortcuts(keys);
    action->setProperty("section", section);
    m_actions.append(action);
    return action;
}

void MainWindow::buildActions()
{
    using Key = QKeySequence;
    const QString sandboxes = tr("Sandboxes");
    const QString views = tr("Views");
    const QString app = tr("Application");

    // Keys with Shift beside the plain ones: a terminal keeps Ctrl and a letter for the shell.
    m_new = addNamedAction(QStringLiteral("sandbox.new"), tr("&New sandbox…"),
                           QStringLiteral("add"), {Key::New, Key(tr("Ctrl+Shift+N"))}, sandboxes);
    m_pause = addNamedAction(QStringLiteral("sandbox.pause"), tr("&Pause…"),
                             QStringLiteral("pause"), {Key(tr("Ctrl+P"))}, sandboxes);
    m_resume = addNamedAction(QStringLiteral("sandbox.resume"), tr("&Resume"),
                              QStringLiteral("play"), {Key(tr("Ctrl+Shift+P"))}, sandboxes);
    m_extend =
        addNamedAction(QStringLiteral("sandbox.extend"), tr("E&xtend by 1 h"),
                       QStringLiteral("extend"), {Key(tr("Ctrl++")), Key(tr("Ctrl+="))}, sandboxes);
    m_extend->setIconText(tr("+1 h"));
    m_kill = addNamedAction(QStringLiteral("sandbox.kill"), tr("&Kill…"), QStringLiteral("kill"),
                            {Key::Delete}, sandboxes);
    m_killById = addNamedAction(QStringLiteral("sandbox.killById"), tr("Kill &by ID…"), {},
                                {Key(tr("Ctrl+Shift+Del"))}, sandboxes);
    m_copyId = addNamedAction(QStringLiteral("sandbox.copyId"), tr("&Copy ID"),
                              QStringLiteral("copy"), {Key::Copy}, sandboxes);
    m_copyJson = addNamedAction(QStringLiteral("sandbox.copyJson"), tr("Copy as &JSON"), {},
                                {Key(tr("Ctrl+Shift+C"))}, sandboxes);

    m_filterAction = addNamedAction(QStringLiteral("view.filter"), tr("&Filter"),
                                    QStringLiteral("search"), {Key::Find}, views);
    m_refresh = addNamedAction(QStringLiteral("view.refresh"), tr("&Refresh"),
                               QStringLiteral("refresh"), {Key::Refresh}, views);
    m_overview = addNamedAction(QStringLiteral("view.overview"), tr("&Overview"),
                                QStringLiteral("overview"), {Key(tr("Ctrl+I"))}, views);
    m_terminal = addNamedAction(QStringLiteral("view.terminal"), tr("&Terminal"),
                                QStringLiteral("terminal"), {Key(tr("Ctrl+T"))}, views);
    m_newTerminal = addNamedAction(QStringLiteral("view.newTerminal"), tr("&New terminal"), {},
                                   {Key(tr("Ctrl+Shift+T"))}, views);
    m_closeTerminal = addNamedAction(QStringLiteral("view.closeTerminal"), tr("&Close terminal…"),
                                     {}, {Key(tr("Ctrl+Shift+W"))}, views);
    m_files = addNamedAction(QStringLiteral("view.files"), tr("F&iles"), QStringLiteral("folder"),
                             {Key(tr("Ctrl+E")), Key(tr("Ctrl+Shift+E"))}, views);
    m_commands = addNamedAction(QStringLiteral("view.commands"), tr("Run a co&mmand"),
                                QStringLiteral("command"),
                                {Key(tr("Ctrl+R")), Key(tr("Ctrl+Shift+R"))}, views);
    m_goTable = addNamedAction(QStringLiteral("view.table"), tr("&Back to the table"), {},
                               {Key(tr("Ctrl+Shift+B"))}, views);
    m_nextPane = addNamedAction(QStringLiteral("view.nextPane"), tr("Ne&xt part of the window"), {},
                                {Key(tr("F6"))}, views);
    m_previousPane =
        addNamedAction(QStringLiteral("view.previousPane"), tr("&Previous part of the window"), {},
                       {Key(tr("Shift+F6"))}, views);
    m_sidebarAction =
        addNamedAction(QStringLiteral("view.sidebar"), tr("Si&debar"), {}, {Key(tr("F9"))}, views);
    m_sidebarAction->setCheckable(true);
    m_sidebarAction->setChecked(true);
    m_resetLayout =
        addNamedAction(QStringLiteral("view.resetLayout"), tr("Reset &layout"), {}, {}, views);

    m_addConnection = addNamedAction(QStringLiteral("connection.add"), tr("&Add a connection…"),
                                     QStringLiteral("connection"), {}, app);
    m_editConnection = addNamedAction(QStringLiteral("connection.edit"), tr("&Edit…"),
                                      QStringLiteral("edit"), {}, app);
    m_removeConnection = addNamedAction(QStringLiteral("connection.remove"), tr("&Remove…"),
                                        QStringLiteral("trash"), {}, app);
    m_shortcuts = addNamedAction(QStringLiteral("help.shortcuts"), tr("&Shortcuts"),
                                 QStringLiteral("shortcuts"), {Key::HelpContents}, app);
    m_log = addNamedAction(QStringLiteral("help.log"), tr("Open the &log file"),
                           QStringLiteral("log"), {}, app);
    m_about = addNamedAction(QStringLiteral("help.about"), tr("&About Moru Desktop"),
                             QStringLiteral("info"), {}, app);
    m_quit = addNamedAction(QStringLiteral("app.quit"), tr("&Quit"), {}, {Key(tr("Ctrl+Q"))}, app);

    const auto ids = [this] { return m_list->table()->selectedIds(); };
    connect(m_new, &QAction::triggered, this, &MainWindow::newSandbox);
    connect(m_pause, &QAction::triggered, this, [this, ids] { askPause(ids()); });
    connect(m_resume, &QAction::triggered, this, [this, ids] { resume(ids()); });
    connect(m_extend, &QAction::triggered, this, [this, ids] { extend(ids()); });
    connect(m_kill, &QAction::triggered, this, [this, ids] { askKill(ids()); });
    connect(m_killById, &QAction::triggered, this, &MainWindow::killById);
    connect(m_copyId, &QAction::triggered, this, [this] { copySelected(false); });
    connect(m_copyJson, &QAction::triggered, this, [this] { copySelected(true); });
    connect(m_filterAction, &QAction::triggered, this, [this] {
        m_filter->setFocus(Qt::ShortcutFocusReason);
        m_filter->selectAll();
    });
    connect(m_refresh, &QAction::triggered, this, [this] {
        if (m_connection && m_connection->spec().kind == ConnectionSpec::Kind::Remote)
            m_connections.reloadKey(m_connection->id());
        if (m_store)
            m_store->refresh();
    });
    connect(m_overview, &QAction::triggered, this,
            [this] { m_details->openTab(DetailsPanel::Tab::Overview); });
    connect(m_terminal, &QAction::triggered, this,
            [this] { m_details->openTab(DetailsPanel::Tab::Terminal); });
    connect(m_newTerminal, &QAction::triggered, this, [this] { m_details->openNewTerminal(); });
    connect(m_closeTerminal, &QAction::triggered, this,
            [this] { m_details->closeCurrentTerminal(); });
    connect(m_files, &QAction::triggered, this,
            [this] { m_details->openTab(DetailsPanel::Tab::Files); });
    connect(m_commands, &QAction::triggered, this,
            [this] { m_details->openTab(DetailsPanel::Tab::Commands); });
    connect(m_goTable, &QAction::triggered, this,
            [this] { m_list->table()->setFocus(Qt::ShortcutFocusReason); });
    connect(m_nextPane, &QAction::triggered, this, [this] { nextPane(1); });
    connect(m_previousPane, &QAction::triggered, this, [this] { nextPane(-1); });
    connect(m_sidebarAction, &QAction::toggled, this,
            [this](bool shown) { m_states->setVisible(shown); });
    connect(m_resetLayout, &QAction::triggered, this, [this] {
        m_sidebarAction->setChecked(true);
        m_across->setSizes({sidebarWidth, std::max(1, width() - sidebarWidth)});
        divide();
        m_list->table()->resetColumns();
    });
    connect(m_addConnection, &QAction::triggered, this, &MainWindow::addConnection);
    connect(m_editConnection, &QAction::triggered, this, &MainWindow::editConnection);
    connect(m_removeConnection, &QAction::triggered, this, &MainWindow::removeConnection);
    connect(m_shortcuts, &QAction::triggered, this, [this] { showShortcuts(this, m_actions); });
    connect(m_log, &QAction::triggered, this, &MainWindow::openLogFile);
    connect(m_about, &QAction::triggered, this, [this] { showAbout(this); });
    connect(m_quit, &QAction::triggered, this, &QWidget::close);
}

void MainWindow::buildMenus()
{
    const auto add = [this](const QString &title, const QString &name) {
        QMenu *menu = menuBar()->addMenu(title);
        menu->setObjectName(name);
        menu->setAccessibleName(withoutMnemonic(title));
        menu->setToolTipsVisible(true);
        return menu;
    };
    menuBar()->setObjectName(QStringLiteral("menuBar"));
    menuBar()->setAccessibleName(tr("Menu bar"));

    QMenu *sandbox = add(tr("&Sandbox"), QStringLiteral("sandboxMenuBar"));
    sandbox->addAction(m_new);
    sandbox->addSeparator();
    sandbox->addActions({m_pause, m_resume, m_extend});
    sandbox->addSeparator();
    sandbox->addActions({m_copyId, m_copyJson});
    sandbox->addSeparator();
    sandbox->addActions({m_kill, m_killById});
    sandbox->addSeparator();
    sandbox->addAction(m_quit);

    QMenu *view = add(tr("&View"), QStringLiteral("viewMenu"));
    view->addActions({m_overview, m_terminal, m_newTerminal, m_closeTerminal, m_files, m_commands});
    view->addSeparator();
    view->addActions({m_filterAction, m_refresh});
    view->addSeparator();
    view->addActions({m_goTable, m_nextPane, m_previousPane});
    view->addSeparator();
    using Choices = QList<std::pair<QString, QString>>;
    const auto addChoice = [this, view](const QString &title, const QString &name,
                                        const Choices &choices) {
        QMenu *menu = view->addMenu(title);
        menu->setObjectName(name + QStringLiteral("Menu"));
        menu->setAccessibleName(withoutMnemonic(title));
        auto *group = new QActionGroup(this);
        for (const auto &[value, text] : choices) {
            QAction *action = menu->addAction(text);
            action->setObjectName(name + QLatin1Char('.') + value);
            action->setCheckable(true);
            action->setData(value);
            group->addAction(action);
        }
        return group;
    };
    m_schemes = addChoice(tr("Colo&urs"), QStringLiteral("scheme"),
                          {{QStringLiteral("system"), tr("&As the desktop")},
                           {QStringLiteral("light"), tr("&Light")},
                           {QStringLiteral("dark"), tr("&Dark")}});
    m_terminalSchemes = addChoice(tr("Terminal colour&s"), QStringLiteral("terminalScheme"),
                                  {{QStringLiteral("app"), tr("&As the rest")},
                                   {QStringLiteral("light"), tr("&Light")},
                                   {QStringLiteral("dark"), tr("&Dark")}});
    m_rowHeights = addChoice(tr("Row hei&ght"), QStringLiteral("rowHeight"),
                             {{QStringLiteral("compact"), tr("&Compact")},
                              {QStringLiteral("normal"), tr("&Normal")},
                              {QStringLiteral("comfortable"), tr("C&omfortable")}});
    connect(view, &QMenu::aboutToShow, this, [this] {
        m_schemes->actions().at(static_cast<int>(theme::scheme()))->setChecked(true);
    });
    connect(m_schemes, &QActionGroup::triggered, this,
            [this](const QAction *action) { setScheme(action->data().toString()); });
    connect(m_terminalSchemes, &QActionGroup::triggered, this,
            [this](const QAction *action) { setTerminalScheme(action->data().toString()); });
    connect(m_rowHeights, &QActionGroup::triggered, this,
            [this](const QAction *action) { setRowHeight(action->data().toString()); });
    setTerminalScheme(m_settings.get<QString>(Setting::TerminalScheme));
    setRowHeight(m_settings.get<QString>(Setting::RowHeight));
    view->addActions({m_sidebarAction, m_resetLayout});

    QMenu *connection = add(tr("&Connection"), QStringLiteral("connectionMenu"));
    connection->addAction(m_addConnection);
    connection->addActions({m_editConnection, m_removeConnection});
    if (EngineHost *engine = m_connections.engine()) {
        connection->addSeparator();
        m_engineMenu = new EngineMenu(
            *engine, m_prompt, [this] { return isLocal() && m_store ? m_running : -1; }, this);
        connection->addMenu(m_engineMenu);
        connect(m_engineMenu, &EngineMenu::statusMessage, this, &MainWindow::showStatus);
    }

    QMenu *help = add(tr("&Help"), QStringLiteral("helpMenu"));
    help->addActions({m_shortcuts, m_log});
    help->addSeparator();
    help->addAction(m_about);
}

void MainWindow::buildToolBar()
{
    m_toolBar = addToolBar(tr("Main"));
    m_toolBar->setObjectName(QStringLiteral("mainToolBar"));
    m_toolBar->setAccessibleName(tr("Main"));
    m_toolBar->setMovable(false);
    m_toolBar->setFloatable(false);
    m_toolBar->setContextMenuPolicy(Qt::PreventContextMenu);
    m_toolBar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_toolBar->setIconSize(QSize(16, 16));

    m_bar = new QWidget(m_toolBar);
    QWidget *bar = m_bar;
    auto *layout = new QHBoxLayout(bar);
    layout->setContentsMargins(8, 4, 8, 4);
    layout->setSpacing(8);
    m_connectionBox = new ConnectionBox(m_connections, bar);
    m_connectionBox->setMinimumWidth(176);
    layout->addWidget(m_connectionBox);

    m_filter = new QLineEdit(bar);
    m_filter->setObjectName(QStringLiteral("filterEdit"));
    m_filter->setAccessibleName(tr("Filter the table"));
    m_filter->setPlaceholderText(tr("Filter by ID, template, state or metadata"));
    m_filter->setClearButtonEnabled(true);
    m_filter->addAction(theme::icon(QStringLiteral("search"), theme::Token::Secondary),
                        QLineEdit::LeadingPosition);
    layout->addWidget(m_filter, 1);

    m_newButton = new AccentButton(tr("New sandbox"), bar);
    m_newButton->setObjectName(QStringLiteral("newSandboxButton"));
    m_newButton->setAccessibleName(tr("New sandbox"));
    m_newButton->setIcon(theme::icon(QStringLiteral("add"), theme::Token::OnAccent));
    m_newButton->setAutoDefault(false);
    layout->addWidget(m_newButton);
    connect(m_newButton, &QPushButton::clicked, m_new, &QAction::trigger);

    m_pauseButton = new QToolButton(bar);
    m_pauseButton->setObjectName(QStringLiteral("pauseButton"));
    m_pauseButton->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_pauseButton->setAutoRaise(true);
    m_pauseButton->setIconSize(QSize(16, 16));
    m_pauseButton->setFocusPolicy(Qt::TabFocus);
    m_pauseButton->setDefaultAction(m_pause);
    m_pauseButton->setMinimumWidth(92);
    m_pauseButton->setAccessibleName(tr("Pause"));
    layout->addWidget(m_pauseButton);
    layout->addSpacing(32); // Kill keeps its distance

    m_killButton = new QToolButton(bar);
    m_killButton->setObjectName(QStringLiteral("killButton"));
    m_killButton->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_killButton->setAutoRaise(true);
    m_killButton->setIconSize(QSize(16, 16));
    m_killButton->setFocusPolicy(Qt::TabFocus);
    m_killButton->setDefaultAction(m_kill);
    m_killButton->setAccessibleName(tr("Kill"));
    layout->addWidget(m_killButton);
    m_toolBar->addWidget(bar);

    connect(m_connectionBox, &ConnectionBox::currentConnectionChanged, this,
            &MainWindow::setConnection);
    connect(m_filter, &QLineEdit::textChanged, this, &MainWindow::applyFilter);
    auto *down = new QShortcut(QKeySequence(Qt::Key_Down), m_filter);
    down->setContext(Qt::WidgetShortcut);
    connect(down, &QShortcut::activated, this, [this] { m_list->table()->setFocus(); });
    auto *leave = new QShortcut(QKeySequence(Qt::Key_Escape), m_filter);
    leave->setContext(Qt::WidgetShortcut);
    connect(leave, &QShortcut::activated, this, [this] {
        m_filter->clear();
        m_list->table()->setFocus();
    });
    auto *enter = new QShortcut(QKeySequence(Qt::Key_Return), m_filter);
    enter->setContext(Qt::WidgetShortcut);
    connect(enter, &QShortcut::activated, this, [this] {
        if (m_list->table()->selectedIds().isEmpty() && m_model.rowCount() > 0)
            m_list->table()->selectRow(0);
        m_list->table()->setFocus();
    });
}

void MainWindow::buildCentral()
{
    auto *central = new QWidget(this);
    auto *layout = new QVBoxLayout(central);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_productionBar = new ProductionBar(central);
    m_productionBar->setObjectName(QStringLiteral("productionBar"));
    m_productionBar->setAccessibleName(tr("Production connection"));
    m_productionBar->hide();
    layout->addWidget(m_productionBar);
    m_banner = new Banner(central);
    layout->addWidget(m_banner);
    m_failure = new Banner(central);
    m_failure->setObjectName(QStringLiteral("failureBanner"));
    layout->addWidget(m_failure);
    m_updateNote = new Banner(central);
    m_updateNote->setObjectName(QStringLiteral("updateBanner"));
    layout->addWidget(m_updateNote);

    m_across = new QSplitter(Qt::Horizontal, central);
    m_across->setObjectName(QStringLiteral("acrossSplitter"));
    m_across->setHandleWidth(1);
    m_across->setChildrenCollapsible(false);
    layout->addWidget(m_across, 1);
    m_states = new StateFilter(m_across);
    m_down = new QSplitter(Qt::Vertical, m_across);
    m_down->setObjectName(QStringLiteral("downSplitter"));
    m_down->setHandleWidth(5);
    m_down->setChildrenCollapsible(false);
    m_list = new SandboxList(m_model, m_down);
    m_list->setMinimumHeight(120);
    m_details = new DetailsPanel(m_prompt, m_down);
    m_details->setMinimumHeight(160);
    m_details->hide(); // until there is something to look at
    m_across->setStretchFactor(0, 0);
    m_across->setStretchFactor(1, 1);
    m_down->setStretchFactor(0, 1);
    m_down->setStretchFactor(1, 1);
    m_across->setSizes({sidebarWidth, 1280 - sidebarWidth});
    m_down->setSizes({350, 350});
    setCentralWidget(central);

    SandboxTableView *table = m_list->table();
    auto *separators = new QAction(this);
    separators->setSeparator(true);
    auto *separator = new QAction(this);
    separator->setSeparator(true);
    auto *last = new QAction(this);
    last->setSeparator(true);
    table->setContextActions({m_terminal, m_files, m_commands, m_overview, separators, m_pause,
                              m_resume, m_extend, separator, m_copyId, m_copyJson, last, m_kill});

    // Keys of the table: they must not fire from a terminal, an editor or a file list.
    for (QAction *action : {m_kill, m_copyId, m_copyJson}) {
        action->setShortcutContext(Qt::WidgetShortcut);
        table->addAction(action);
    }
    for (QAction *action : {m_filterAction, m_refresh, m_extend}) {
        action->setShortcutContext(Qt::WidgetWithChildrenShortcut);
        addToChrome(action);
    }
    auto *slash = new QShortcut(QKeySequence(Qt::Key_Slash), table);
    slash->setContext(Qt::WidgetShortcut);
    connect(slash, &QShortcut::activated, m_filterAction, &QAction::trigger);
    for (QAction *action : {m_new, m_pause, m_resume, m_killById, m_overview, m_terminal,
                            m_newTerminal, m_closeTerminal, m_files, m_commands, m_goTable,
                            m_nextPane, m_previousPane, m_sidebarAction, m_shortcuts, m_quit})
        addAction(action);

    m_details->setHeaderActions(m_copyId, m_extend);
    connect(table, &SandboxTableView::selectionIdsChanged, this, &MainWindow::onSelectionChanged);
    connect(table, &SandboxTableView::openRequested, this, &MainWindow::openSelected);
    connect(table, &SandboxTableView::columnsChanged, &m_saveColumns, qOverload<>(&QTimer::start));
    connect(table, &SandboxTableView::visibleIdsChanged, this, [this](const QStringList &ids) {
        if (m_store)
            m_store->setVisibleIds(ids);
    });
    connect(m_states, &StateFilter::stateChanged, this, [this](std::optional<SandboxState> state) {
        m_model.setStateFilter(state);
        applyFilter();
    });
    connect(m_list, &SandboxList::newRequested, m_new, &QAction::trigger);
    connect(m_list, &SandboxList::clearFilterRequested, this, [this] {
        m_filter->clear();
        m_states->setState(std::nullopt);
    });
    connect(m_list, &SandboxList::retryRequested, m_refresh, &QAction::trigger);
    connect(m_list, &SandboxList::offlineActionTriggered, this, [this] {
        EngineHost *engine = m_connections.engine();
        if (engine && engine->state() != EngineHost::State::Unsupported)
            engine->start();
        else
            addConnection();
    });
    connect(m_details, &DetailsPanel::statusMessage, this, &MainWindow::showStatus);
    connect(m_details, &DetailsPanel::resumeRequested, this,
            [this](const QString &id) { resume({id}); });
    connect(m_banner, &Banner::actionTriggered, this, [this] {
        EngineHost *engine = m_connections.engine();
        if (isLocal() && engine && engine->state() != EngineHost::State::Running)
            engine->start();
        else
            m_refresh->trigger();
    });
    connect(m_banner, &Banner::dismissed, this, [this] { m_staleDismissed = true; });
}

void MainWindow::setUpdates(UpdateCheck &updates, int delayMs)
{
    QAction *atStart = addNamedAction(QStringLiteral("help.updates"),
                                      tr("Check for &updates at start"), {}, {}, tr("Application"));
    atStart->setCheckable(true);
    atStart->setChecked(m_settings.get<bool>(Setting::CheckForUpdates));
    auto *help = menuBar()->findChild<QMenu *>(QStringLiteral("helpMenu"));
    help->insertAction(m_about, atStart);
    connect(atStart, &QAction::toggled, this, [this, &updates](bool on) {
        m_settings.set(Setting::CheckForUpdates, on);
        if (on) {
            updates.check();
        } else {
            updates.cancel();
            m_updateNote->clear();
        }
    });
    auto offer = std::make_shared<UpdateOffer>();
    connect(&updates, &UpdateCheck::offered, this, [this, offer](const UpdateOffer &found) {
        // Said once: whoever closes the note does not hear of this version again.
        if (m_settings.get<QString>(Setting::DismissedUpdate) == found.version)
            return;
        *offer = found;
        m_updateNote->showMessage(Banner::Level::Info,
                                  tr("Moru Desktop %1 is available; this is %2.")
                                      .arg(found.version, QCoreApplication::applicationVersion()),
                                  tr("Open the download page"));
    });
    connect(m_updateNote, &Banner::actionTriggered, this, [this, offer] {
        if (!QDesktopServices::openUrl(offer->page))
            showStatus(tr("No browser opens here. The page is %1.")
                           .arg(offer->page.toString(QUrl::FullyEncoded)));
    });
    connect(m_updateNote, &Banner::dismissed, this,
            [this, offer] { m_settings.set(Setting::DismissedUpdate, offer->version); });
    // Not while the window fills.
    QTimer::singleShot(delayMs, this, [this, &updates] {
        if (m_settings.get<bool>(Setting::CheckForUpdates))
            updates.check();
    });
}

void MainWindow::addToChrome(QAction *action)
{
    for (QWidget *part : {m_bar, static_cast<QWidget *>(m_list), static_cast<QWidget *>(m_states)})
        part->addAction(action);
}

void MainWindow::buildStatusBar()
{
    statusBar()->setSizeGripEnabled(false);
    statusBar()->setObjectName(QStringLiteral("statusBar"));
    statusBar()->setMinimumHeight(28); // with and without the engine's button
    m_status = new QLabel(this);
    m_status->setObjectName(QStringLiteral("statusLabel"));
    m_status->setTextFormat(Qt::PlainText);
    m_status->setContentsMargins(8, 0, 8, 0);
    m_status->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    statusBar()->addWidget(m_status, 1);
    if (m_engineMenu) {
        m_engineButton = new QToolButton(this);
        m_engineButton->setObjectName(QStringLiteral("engineButton"));
        m_engineButton->setAccessibleName(tr("Local engine"));
        m_engineButton->setAutoRaise(true);
        m_engineButton->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        m_engineButton->setIconSize(QSize(16, 16));
        m_engineButton->setIcon(theme::icon(QStringLiteral("engine")));
        m_engineButton->setToolTip(tr("What the engine on this machine does"));
        // Not setMenu(): the style's arrow has no room in a line this low.
        connect(m_engineButton, &QToolButton::clicked, this, [this] {
            m_engineMenu->popup(
                m_engineButton->mapToGlobal(QPoint(0, -m_engineMenu->sizeHint().height())));
        });
        m_engineButton->setFocusPolicy(Qt::TabFocus);
        statusBar()->addPermanentWidget(m_engineButton);
        onEngineState();
    }
}

// ---------------------------------------------------------------------------------------------
// Connections

SandboxStore *MainWindow::storeFor(Connection &connection)
{
    if (SandboxStore *known = m_stores.value(&connection))
        return known;
    auto *store = new SandboxStore(connection);
    m_stores.insert(&connection, store);
    const auto current = [this, store](auto &&then) {
        return [this, store, then] {
            if (store == m_store)
                then();
        };
    };
    const auto count = current([this] { m_countTimer.start(); });
    connect(store, &SandboxStore::swept, this, count);
    connect(store, &SandboxStore::rowsChanged, this, count);
    connect(store, &SandboxStore::rowsInserted, this, count);
    connect(store, &SandboxStore::rowsRemoved, this, count);
    connect(store, &SandboxStore::rowsInserted, this, current([this] {
                if (!m_awaited.isEmpty())
                    selectSandbox(m_awaited);
            }));
    connect(store, &SandboxStore::phaseChanged, this, current([this] {
                m_staleDismissed =
                    m_staleDismissed && m_store->phase() == SandboxStore::Phase::Stale;
                updateStaleness();
                updateActions();
                updateStatus();
            }));
    connect(store, &SandboxStore::sandboxEnded, this,
            [this, store](const QString &id, bool endedByUs) {
                if (store == m_store && !endedByUs && m_details->sandboxId() == id)
                    showStatus(tr("Sandbox %1 has ended.").arg(format::shortId(id)));
            });
    return store;
}

void MainWindow::setConnection(Connection *connection)
{
    if (!connection || connection == m_connection)
        return;
    if (m_store)
        m_store->stop();
    m_connection = connection;
    m_store = storeFor(*connection);
    m_awaited.clear();
    m_failure->clear();
    m_banner->clear();
    m_staleDismissed = false;
    m_details->showNothing();
    m_model.setStore(m_store);
    m_list->setStore(m_store);
    {
        const QSignalBlocker quiet(m_connectionBox);
        m_connectionBox->setCurrent(connection);
    }
    m_connectionBox->setCurrent(connection);
    // Environment lives for one run; the next one starts with what was chosen for good.
    if (connection->spec().kind != ConnectionSpec::Kind::Environment)
        m_settings.set(Setting::CurrentConnection, connection->id());

    EngineHost *engine = m_connections.engine();
    if (isLocal() && engine
        && (engine->state() == EngineHost::State::Unknown
            || engine->state() == EngineHost::State::Stopped))
        engine->start();
    updateHidden();
    if (!isLocal() || !engine || engine->state() == EngineHost::State::Running)
        m_store->start();
    onEngineState();
    updateTitle();
    m_countTimer.start();
    updateStaleness();
}

bool MainWindow::isLocal() const
{
    return m_connection && m_connection->spec().kind == ConnectionSpec::Kind::Local;
}

void MainWindow::onEngineState()
{
    EngineHost *engine = m_connections.engine();
    if (!engine)
        return;
    const EngineHost::State state = engine->state();
    if (m_engineButton)
        m_engineButton->setText(tr("Local engine: %1").arg(EngineMenu::stateWord(state)));
    if (isLocal() && m_store) {
        switch (state) {
        case EngineHost::State::Running:
            m_list->setOffline({}, {}, {});
            m_store->start();
            m_store->refresh();
            break;
        case EngineHost::State::Unknown:
        case EngineHost::State::Starting:
            m_list->setOffline(tr("Starting the local engine…"),
                               tr("It runs sandboxes on this machine."), {});
            break;
        case EngineHost::State::Stopping:
            m_list->setOffline(tr("The local engine is stopping…"),
                               tr("Running sandboxes are kept as paused ones."), {});
            break;
        case EngineHost::State::Stopped:
            m_list->setOffline(tr("The local engine is stopped."),
                               tr("Sandboxes and their files are kept until it runs again."),
                               tr("Start the engine"));
            break;
        case EngineHost::State::Failed:
            m_list->setOffline(engine->hasCrashed() ? tr("The local engine has stopped working.")
                                                    : tr("The local engine did not start."),
                               engine->willRestart() ? tr("It is started again in a moment.")
                                                     : format::sentence(engine->lastError()),
                               tr("Start the engine"));
            break;
        case EngineHost::State::Unsupported:
            m_list->setOffline(tr("Local sandboxes need Linux."),
                               tr("Add a connection to a Moru cloud, a compatible cluster, or a "
                                  "moru-local that runs inside WSL."),
                               tr("Add a connection…"));
            break;
        }
    } else {
        m_list->setOffline({}, {}, {});
    }
    updateActions();
    updateStaleness();
    updateStatus();
}

void MainWindow::addConnection()
{
    auto *dialog = new ConnectionDialog(m_connections, nullptr, this);
    connect(dialog, &ConnectionDialog::saved, this, [this](Connection *connection) {
        setConnection(connection);
        showStatus(tr("Connection %1 is added.").arg(connection->name()));
    });
    dialog->open();
}

void MainWindow::editConnection()
{
    if (!m_connection || m_connection->spec().kind != ConnectionSpec::Kind::Remote)
        return;
    auto *dialog = new ConnectionDialog(m_connections, m_connection, this);
    connect(dialog, &ConnectionDialog::saved, this, [this](const Connection *connection) {
        showStatus(tr("Connection %1 is changed.").arg(connection->name()));
        if (m_store)
            m_store->refresh();
    });
    dialog->open();
}

void MainWindow::removeConnection()
{
    if (!m_connection || m_connection->spec().kind != ConnectionSpec::Kind::Remote)
        return;
    Prompt::Question question;
    question.title = tr("Remove connection %1?").arg(m_connection->name());
    question.text = tr("Its address and key are forgotten here. Its sandboxes keep running until "
                       "their time is over.");
    question.action = tr("Remove the connection");
    question.destructive = true;
    m_prompt.confirm(this, question, [this, id = m_connection->id()](bool yes) {
        if (!yes)
            return;
        m_connections.remove(id, this, [this](const Result<> &result) {
            if (!result)
                reportFailure(tr("The connection was not removed."), result.error());
            else
                showStatus(tr("The connection is removed."));
        });
    });
}

// ---------------------------------------------------------------------------------------------
// Table and details

void MainWindow::selectSandbox(const QString &id)
{
    if (!m_store)
        return;
    if (m_store->indexOf(id) < 0) {
        m_awaited = id;
        return;
    }
    if (m_list->table()->selectId(id)) {
        m_awaited.clear();
        return;
    }
    m_awaited.clear();
    m_details->showSandbox(*m_store, id);
    showStatus(tr("The filter hides sandbox %1.").arg(format::shortId(id)));
}

void MainWindow::onSelectionChanged()
{
    const QString id = m_list->table()->currentId();
    // With nothing selected the last subject stays: a killed sandbox can still be read.
    if (!id.isEmpty() && m_store)
        m_details->showSandbox(*m_store, id);
    showOrHideDetails();
    updateActions();
    updateStatus();
}

void MainWindow::applyFilter()
{
    const QString text = m_filter->text();
    m_model.setFilter(text);
    m_list->table()->setMatches(text.simplified().split(QLatin1Char(' '), Qt::SkipEmptyParts));
    m_list->setFiltered(!text.trimmed().isEmpty() || m_states->state().has_value());
    updateStatus();
}

void MainWindow::openSelected()
{
    const SandboxRow *row = m_model.rowById(m_list->table()->currentId());
    if (!row)
        return;
    m_details->openTab(row->sandbox.state == SandboxState::Running ? DetailsPanel::Tab::Terminal
                                                                   : DetailsPanel::Tab::Overview);
}

void MainWindow::newSandbox()
{
    if (!m_store || !m_new->isEnabled())
        return;
    auto *dialog = new NewSandboxDialog(*m_store, m_settings, this);
    connect(dialog, &NewSandboxDialog::created, this, [this](const SandboxDetail &detail) {
        showStatus(tr("Sandbox %1 is created.").arg(detail.sandbox.id));
        m_list->table()->setFocus();
        selectSandbox(detail.sandbox.id);
    });
    dialog->open();
}

void MainWindow::askPause(const QStringList &ids)
{
    if (!m_store || ids.isEmpty())
        return;
    QStringList running;
    QStringList titles;
    QStringList closing;
    for (const QString &id : ids) {
        const int row = m_store->indexOf(id);
        if (row < 0 || m_store->at(row).sandbox.state != SandboxState::Running
            || m_store->at(row).pending != PendingAction::None)
            continue;
        running << id;
        titles << titleOf(id);
        closing << m_details->liveTerminals(*m_connection, id);
        if (m_details->hasRunningTransfers(*m_connection, id))
            closing << tr("running transfers");
    }
    if (running.isEmpty())
        return;
    if (!m_connection->spec().confirmPause) {
        pause(running);
        return;
    }
    auto *dialog = new PauseDialog(m_connection->spec(), titles, closing, this);
    connect(dialog, &PauseDialog::confirmed, this,
            [this, running, connection = m_connection](bool dontAskAgain) {
                if (!connection || connection != m_connection)
                    return;
                if (dontAskAgain) {
                    ConnectionSpec spec = connection->spec();
                    spec.confirmPause = false;
                    m_connections.update(spec, {}, false, this, [this](const Result<> &result) {
                        if (!result)
                            reportFailure(tr("The choice was not kept."), result.error());
                    });
                }
                pause(running);
            });
    dialog->open();
}

void MainWindow::pause(const QStringList &ids)
{
    if (!m_store)
        return;
    auto tally = std::make_shared<Tally>();
    tally->pending = static_cast<int>(ids.size());
    const QString only = ids.size() == 1 ? titleOf(ids.first()) : QString();
    for (const QString &id : ids) {
        // Their traffic would wake the sandbox while it is being frozen.
        m_details->closeForPause(*m_connection, id);
        m_store->pause(id, this, [this, tally, only](const Result<SandboxStore::Outcome> &result) {
            if (!result) {
                ++tally->failed;
                tally->error = result.error();
            } else if (*result == SandboxStore::Outcome::AlreadyGone) {
                ++tally->gone;
            } else if (*result == SandboxStore::Outcome::AlreadyInState) {
                ++tally->already;
            } else {
                ++tally->done;
            }
            if (--tally->pending > 0)
                return;
            if (tally->failed > 0)
                reportFailure(only.isEmpty()
                                  ? tr("%1 sandboxes were not paused.").arg(tally->failed)
                                  : tr("Sandbox %1 was not paused.").arg(only),
                              tally->error);
            else if (tally->gone > 0 && tally->done == 0)
                showStatus(only.isEmpty() ? tr("They are already terminated.")
                                          : tr("Sandbox %1 is already terminated.").arg(only));
            else
                showStatus(only.isEmpty() ? tr("%1 sandboxes are paused. They still count "
                                               "toward the quota.")
                                                .arg(tally->done + tally->already)
                                          : tr("Sandbox %1 is paused. Its files are kept; it "
                                               "still counts toward the quota.")
                                                .arg(only));
        });
    }
}

void MainWindow::resume(const QStringList &ids)
{
    if (!m_store)
        return;
    const int seconds = std::max(300, m_settings.get<int>(Setting::LastTimeout));
    for (const QString &id : ids) {
        const int row = m_store->indexOf(id);
        if (row < 0 || m_store->at(row).sandbox.state != SandboxState::Paused
            || m_store->at(row).pending != PendingAction::None)
            continue;
        const QString title = titleOf(id);
        m_store->resume(
            id, seconds, this, [this, title, seconds](const Result<SandboxStore::Outcome> &result) {
                if (!result)
                    reportFailure(tr("Sandbox %1 was not resumed.").arg(title), result.error());
                else if (*result == SandboxStore::Outcome::AlreadyGone)
                    showStatus(tr("Sandbox %1 is already terminated.").arg(title));
                else
                    showStatus(tr("Sandbox %1 runs again; it ends in %2.")
                                   .arg(title, format::duration(seconds)));
            });
    }
}

void MainWindow::askKill(const QStringList &ids)
{
    if (!m_store || ids.isEmpty())
        return;
    KillDialog::Notes notes;
    for (const QString &id : ids) {
        const QStringList losses = m_details->losses(*m_connection, id);
        if (!losses.isEmpty())
            notes.insert(id, losses);
    }
    const QString only = ids.size() == 1 ? titleOf(ids.first()) : QString();
    auto *dialog = new KillDialog(*m_store, ids, notes, this);
    connect(dialog, &KillDialog::killed, this, [this, only](int done, int gone, int failed) {
        QString text;
        if (!only.isEmpty()) {
            text = done > 0   ? tr("Sandbox %1 is killed.").arg(only)
                   : gone > 0 ? tr("Sandbox %1 is already terminated.").arg(only)
                              : tr("Sandbox %1 was not killed.").arg(only);
        } else {
            QStringList parts;
            if (done > 0)
                parts << tr("%1 killed").arg(done);
            if (gone > 0)
                parts << tr("%1 already terminated").arg(gone);
            if (failed > 0)
                parts << tr("%1 failed").arg(failed);
            text = tr("Sandboxes: %1.").arg(parts.join(QStringLiteral(", ")));
        }
        showStatus(text);
    });
    connect(dialog, &KillDialog::pauseInsteadRequested, this, &MainWindow::askPause);
    // A store that goes away with its connection takes the question along.
    connect(m_store, &QObject::destroyed, dialog, &QObject::deleteLater);
    dialog->open();
}

void MainWindow::killById()
{
    auto *dialog = new KillByIdDialog(m_connections, m_connection, this);
    connect(dialog, &KillByIdDialog::answered, this,
            [this](const QString &id, const QString &connectionId, bool killedNow) {
                showStatus(killedNow ? tr("Sandbox %1 is killed.").arg(id)
                                     : tr("Sandbox %1 is already terminated.").arg(id));
                if (m_store && m_connection && m_connection->id() == connectionId)
                    m_store->refresh();
            });
    dialog->open();
}

void MainWindow::extend(const QStringList &ids)
{
    if (!m_store)
        return;
    for (const QString &id : ids) {
        const int row = m_store->indexOf(id);
        if (row < 0 || m_store->at(row).sandbox.state != SandboxState::Running)
            continue;
        const qint64 left =
            std::max<qint64>(0, m_store->serverNow().secsTo(m_store->at(row).sandbox.endAt));
        const QString title = titleOf(id);
        m_store->extend(
            id, static_cast<int>(left) + hour, this, [this, title](const Result<> &result) {
                if (!result)
                    reportFailure(tr("Sandbox %1 was not extended.").arg(title), result.error());
                else
                    showStatus(tr("Sandbox %1 has one hour more.").arg(title));
            });
    }
}

void MainWindow::copySelected(bool asJson)
{
    const QStringList ids = m_list->table()->selectedIds();
    if (ids.isEmpty() || !m_store)
        return;
    QString text;
    if (asJson) {
        QJsonArray array;
        for (const QString &id : ids) {
            const int row = m_store->indexOf(id);
            if (row < 0)
                continue;
            const Sandbox &sandbox = m_store->at(row).sandbox;
            QJsonObject metadata;
            for (auto it = sandbox.metadata.cbegin(); it != sandbox.metadata.cend(); ++it)
                metadata.insert(it.key(), it.value());
            array.append(QJsonObject{
                {QStringLiteral("sandboxID"), sandbox.id},
                {QStringLiteral("templateID"), sandbox.templateId},
                {QStringLiteral("alias"), sandbox.alias},
                {QStringLiteral("state"), sandbox.state == SandboxState::Paused
                                              ? QStringLiteral("paused")
                                              : QStringLiteral("running")},
                {QStringLiteral("startedAt"),
                 sandbox.startedAt.toUTC().toString(Qt::ISODateWithMs)},
                {QStringLiteral("endAt"), sandbox.endAt.toUTC().toString(Qt::ISODateWithMs)},
                {QStringLiteral("cpuCount"), sandbox.cpuCount},
                {QStringLiteral("memoryMB"), sandbox.memoryMiB},
                {QStringLiteral("metadata"), metadata},
            });
        }
        const QJsonDocument document =
            array.size() == 1 ? QJsonDocument(array.first().toObject()) : QJsonDocument(array);
        text = QString::fromUtf8(document.toJson(QJsonDocument::Indented));
    } else {
        text = ids.join(QLatin1Char('\n'));
    }
    QGuiApplication::clipboard()->setText(text);
    showStatus(ids.size() == 1
                   ? (asJson ? tr("The sandbox is copied as JSON.") : tr("The ID is copied."))
                   : tr("%1 sandboxes are copied.").arg(ids.size()));
}

// ---------------------------------------------------------------------------------------------
// State of the window

void MainWindow::updateActions()
{
    const QStringList ids = m_list->table()->selectedIds();
    int running = 0;
    int paused = 0;
    int pending = 0;
    for (const QString &id : ids) {
        const SandboxRow *row = m_model.rowById(id);
        if (!row)
            continue;
        if (row->pending != PendingAction::None)
            ++pending;
        else if (row->sandbox.state == SandboxState::Running)
            ++running;
        else
            ++paused;
    }
    const EngineHost *engine = m_connections.engine();
    QString offline;
    if (!m_store)
        offline = tr("No connection is chosen.");
    else if (isLocal() && engine && engine->state() != EngineHost::State::Running)
        offline = tr("The local engine is not running.");
    const QString none = tr("Select a sandbox first.");
    const QString busy = tr("It is changing its state.");
    const auto reason = [&](bool possible, const QString &otherwise) {
        if (!offline.isEmpty())
            return offline;
        if (ids.isEmpty())
            return none;
        if (possible)
            return QString();
        return pending > 0 ? busy : otherwise;
    };

    allow(m_new, offline);
    m_newButton->setEnabled(m_new->isEnabled());
    m_newButton->setToolTip(
        offline.isEmpty()
            ? tr("Create a sandbox (%1)").arg(m_new->shortcut().toString(QKeySequence::NativeText))
            : offline);
    allow(m_pause, reason(running > 0, tr("It is paused already.")));
    allow(m_resume, reason(paused > 0, tr("It is running.")));
    allow(m_extend, reason(running > 0, tr("A paused sandbox has no end to extend.")));
    allow(m_kill, reason(running + paused > 0, busy));
    allow(m_killById, offline.isEmpty() || !isLocal() ? QString() : offline);
    const QString nothing = ids.isEmpty() ? none : QString();
    allow(m_copyId, nothing);
    allow(m_copyJson, nothing);
    allow(m_refresh, offline);
    m_extend->setIconText(tr("+1 h"));

    const QString subject = m_details->sandboxId().isEmpty() ? none : QString();
    allow(m_overview, subject);
    for (QAction *action : {m_terminal, m_files, m_commands})
        allow(action, subject);
    allow(m_newTerminal, !subject.isEmpty()         ? subject
                         : m_details->isReachable() ? QString()
                                                    : tr("The sandbox is not running."));
    allow(m_closeTerminal, m_details->canCloseTerminal()
                               ? QString()
                               : tr("Only terminals beside the first one can be closed."));

    // One button for both directions: what can be done with the selection.
    QAction *wanted = running == 0 && paused > 0 ? m_resume : m_pause;
    if (m_pauseButton->defaultAction() != wanted) {
        m_pauseButton->removeAction(m_pauseButton->defaultAction());
        m_pauseButton->setDefaultAction(wanted);
        m_pauseButton->setAccessibleName(wanted == m_resume ? tr("Resume") : tr("Pause"));
    }

    const bool remote = m_connection && m_connection->spec().kind == ConnectionSpec::Kind::Remote;
    const QString builtIn = tr("This connection is built in.");
    allow(m_editConnection, remote ? QString() : builtIn);
    allow(m_removeConnection, remote ? QString() : builtIn);
    allow(m_log, m_logFile.isEmpty() ? tr("No log file could be written.") : QString());
}

void MainWindow::updateCounts()
{
    m_running = 0;
    m_paused = 0;
    if (m_store) {
        const int count = m_store->count();
        for (int i = 0; i < count; ++i) {
            if (m_store->at(i).sandbox.state == SandboxState::Paused)
                ++m_paused;
        }
        m_running = count - m_paused;
    }
    m_states->setCounts(m_running, m_paused);
    showOrHideDetails();
}

void MainWindow::showOrHideDetails()
{
    // Of two empty halves the upper one says what to do.
    m_details->setVisible((m_store && m_store->count() > 0) || !m_details->sandboxId().isEmpty());
}

void MainWindow::updateStatus()
{
    QStringList parts;
    if (!m_message.isEmpty())
        parts << m_message;
    if (m_store) {
        const QLocale locale;
        QString counts =
            tr("%1 running, %2 paused").arg(locale.toString(m_running), locale.toString(m_paused));
        if (m_model.rowCount() != m_model.totalCount())
            counts += tr(", %1 shown").arg(locale.toString(m_model.rowCount()));
        const auto selected = m_list->table()->selectionModel()->hasSelection()
                                  ? m_list->table()->selectedIds().size()
                                  : 0;
        if (selected > 1)
            counts += tr(", %1 selected").arg(locale.toString(selected));
        parts << counts;
        if (m_store->lastUpdated().isValid())
            parts << tr("updated %1")
                         .arg(format::relative(m_store->lastUpdated(),
                                               QDateTime::currentDateTimeUtc()));
        else if (m_store->phase() == SandboxStore::Phase::Loading)
            parts << tr("loading");
    }
    const QString text = parts.join(QStringLiteral(" \u2013 "));
    if (m_status->text() != text) {
        m_status->setText(text);
        m_status->setToolTip(plainToolTip(m_message));
    }
}

void MainWindow::updateStaleness()
{
    const EngineHost *engine = m_connections.engine();
    const bool engineDown = isLocal() && engine && engine->state() != EngineHost::State::Running;
    const bool failing = m_store && m_store->phase() == SandboxStore::Phase::Stale;
    const bool stale = m_store && m_store->count() > 0 && (failing || engineDown);
    m_list->table()->setStale(stale);
    if (!stale) {
        m_banner->clear();
        m_staleDismissed = false;
        return;
    }
    if (m_staleDismissed)
        return;
    const QString age =
        tr("The list is as it was %1.")
            .arg(format::relative(m_store->lastUpdated(), QDateTime::currentDateTimeUtc()));
    if (engineDown) {
        QString what = tr("The local engine has stopped.");
        QString action = tr("Start the engine");
        if (engine->state() == EngineHost::State::Starting) {
            what = tr("The local engine is starting.");
            action.clear();
        } else if (engine->state() == EngineHost::State::Stopping) {
            what = tr("The local engine is stopping.");
            action.clear();
        } else if (engine->state() == EngineHost::State::Failed) {
            what = format::sentence(engine->lastError());
            if (engine->willRestart())
                what += QLatin1Char(' ') + tr("It is started again in a moment.");
            else if (!engine->hasCrashed())
                what = tr("The local engine did not start. %1").arg(what);
        }
        m_banner->showMessage(Banner::Level::Warning, what + QLatin1Char(' ') + age, action);
        return;
    }
    const Error &error = m_store->lastError();
    m_banner->showMessage(Banner::Level::Warning,
                          tr("The list cannot be updated. %1 %2").arg(format::sentence(error), age),
                          tr("Retry"), format::details(error));
}

void MainWindow::updateTitle()
{
    const bool production = m_connection && m_connection->spec().production;
    m_productionBar->setVisible(production);
    if (production)
        static_cast<ProductionBar *>(m_productionBar)
            ->setColor(dialogparts::productionColor(m_connection->spec()));
    setWindowTitle(m_connection
                       ? tr("%1 – Moru Desktop").arg(dialogparts::where(m_connection->spec()))
                       : tr("Moru Desktop"));
}

void MainWindow::showStatus(const QString &text)
{
    m_message = text.simplified();
    m_messageTimer.start();
    updateStatus();
}

void MainWindow::reportFailure(const QString &what, const Error &error)
{
    m_failure->showError(error, what);
}

void MainWindow::setScheme(const QString &name)
{
    m_settings.set(Setting::ColorScheme, name);
    theme::setScheme(name == QLatin1String("light")  ? theme::Scheme::Light
                     : name == QLatin1String("dark") ? theme::Scheme::Dark
                                                     : theme::Scheme::System);
    updateTitle();
}

void MainWindow::setTerminalScheme(const QString &name)
{
    const auto scheme = name == QLatin1String("light")  ? theme::Scheme::Light
                        : name == QLatin1String("dark") ? theme::Scheme::Dark
                                                        : theme::Scheme::System;
    theme::setTerminalScheme(scheme);
    m_terminalSchemes->actions().at(static_cast<int>(scheme))->setChecked(true);
    m_settings.set(Setting::TerminalScheme,
                   scheme == theme::Scheme::System ? QStringLiteral("app") : name);
}

void MainWindow::setRowHeight(const QString &name)
{
    const bool compact = name == QLatin1String("compact");
    const bool comfortable = name == QLatin1String("comfortable");
    m_list->table()->setRowHeight(compact ? 24 : comfortable ? 34 : 28);
    m_rowHeights->actions().at(compact ? 0 : comfortable ? 2 : 1)->setChecked(true);
    m_settings.set(Setting::RowHeight, compact       ? QStringLiteral("compact")
                                       : comfortable ? name
                                                     : QStringLiteral("normal"));
}

void MainWindow::openLogFile()
{
    if (!QDesktopServices::openUrl(QUrl::fromLocalFile(m_logFile)))
        showStatus(tr("No program opens text files here. The log is %1.").arg(m_logFile));
}

QString MainWindow::titleOf(const QString &id) const
{
    const SandboxRow *row = m_model.rowById(id);
    return row ? presentation::title(row->sandbox) : id;
}

void MainWindow::nextPane(int step)
{
    QList<QWidget *> parts{m_filter};
    if (m_states->isVisible())
        parts << m_states;
    parts << m_list;
    if (m_details->isVisible())
        parts << m_details;
    const QWidget *focus = QApplication::focusWidget();
    qsizetype at = 0;
    for (qsizetype i = 0; i < parts.size(); ++i) {
        if (focus && (parts.at(i) == focus || parts.at(i)->isAncestorOf(focus)))
            at = i;
    }
    const qsizetype next = (at + step + parts.size()) % parts.size();
    QWidget *part = parts.at(next);
    if (part == m_details)
        m_details->focusCurrent();
    else if (part == m_list)
        m_list->table()->setFocus(Qt::ShortcutFocusReason);
    else
        part->setFocus(Qt::ShortcutFocusReason);
}

void MainWindow::restoreLayout()
{
    const QByteArray geometry = m_settings.get<QByteArray>(Setting::WindowGeometry);
    if (!geometry.isEmpty())
        restoreGeometry(geometry);
    const QByteArray across = m_settings.get<QByteArray>(Setting::MainSplitter);
    if (!across.isEmpty())
        m_across->restoreState(across);
    const QJsonObject state =
        QJsonDocument::fromJson(m_settings.get<QByteArray>(Setting::WindowState)).object();
    const QByteArray down =
        QByteArray::fromBase64(state.value(QLatin1String("down")).toString().toLatin1());
    if (!down.isEmpty())
        m_down->restoreState(down);
    m_across->setHandleWidth(1);
    m_down->setHandleWidth(5);
    m_across->setChildrenCollapsible(false);
    m_down->setChildrenCollapsible(false);
    arrange();
    m_sidebarAction->setChecked(state.value(QLatin1String("sidebar")).toBool(true));
    const QByteArray columns = m_settings.get<QByteArray>(Setting::SandboxColumns);
    if (!columns.isEmpty())
        m_list->table()->restoreColumns(columns);
    m_saveColumns.stop();
}

void MainWindow::saveLayout()
{
    m_settings.set(Setting::WindowGeometry, saveGeometry());
    m_settings.set(Setting::MainSplitter, m_across->saveState());
    const QJsonObject state{
        {QStringLiteral("down"), QString::fromLatin1(m_down->saveState().toBase64())},
        {QStringLiteral("sidebar"), m_sidebarAction->isChecked()},
    };
    m_settings.set(Setting::WindowState, QJsonDocument(state).toJson(QJsonDocument::Compact));
    m_settings.set(Setting::SandboxColumns, m_list->table()->saveColumns());
    m_settings.sync();
}

void MainWindow::closeEvent(QCloseEvent *event)
{
    if (!m_quitting && (m_details->hasUnsavedEdits() || m_details->hasRunningTransfers())) {
        event->ignore();
        askQuit();
        return;
    }
    saveLayout();
    event->accept();
}

void MainWindow::askQuit()
{
    if (m_asking)
        return;
    m_asking = true;
    Prompt::Question question;
    question.title = tr("Quit Moru Desktop?");
    if (m_details->hasUnsavedEdits())
        question.list << tr("Unsaved edits would be lost.");
    if (m_details->hasRunningTransfers())
        question.list << tr("Running transfers would end; what is not finished is not kept.");
    question.text = tr("Sandboxes keep running.");
    question.action = tr("Quit all the same");
    question.destructive = true;
    m_prompt.confirm(this, question, [this](bool yes) {
        m_asking = false;
        if (!yes)
            return;
        m_quitting = true;
        close();
    });
}

void MainWindow::changeEvent(QEvent *event)
{
    QMainWindow::changeEvent(event);
    if (event->type() == QEvent::WindowStateChange)
        updateHidden();
}

void MainWindow::showEvent(QShowEvent *event)
{
    QMainWindow::showEvent(event);
    m_clock.start();
    updateHidden();
}

void MainWindow::hideEvent(QHideEvent *event)
{
    QMainWindow::hideEvent(event);
    m_clock.stop();
    updateHidden();
}

bool MainWindow::focusNextPrevChild(bool next)
{
    // Panes are made late and stand at the end of the order; the status bar comes after them.
    QWidget *last = previousInFocusChain();
    while (last != this && last->focusPolicy() == Qt::NoFocus)
        last = last->previousInFocusChain();
    if (m_engineButton && last != m_engineButton && last != this)
        setTabOrder(last, m_engineButton);
    return QMainWindow::focusNextPrevChild(next);
}

void MainWindow::resizeEvent(QResizeEvent *event)
{
    QMainWindow::resizeEvent(event);
    arrange();
}

/// Details below the table, or beside it where there is room for both.
void MainWindow::arrange()
{
    const auto wanted = width() >= wideFrom ? Qt::Horizontal : Qt::Vertical;
    if (m_down->orientation() == wanted)
        return;
    m_down->setOrientation(wanted);
    divide();
}

void MainWindow::divide()
{
    const int room = m_down->orientation() == Qt::Horizontal ? m_down->width() : m_down->height();
    m_down->setSizes({room / 2, room / 2});
}

void MainWindow::updateHidden()
{
    if (m_store)
        m_store->setHidden(!isVisible() || isMinimized());
}

} // namespace moru
