// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/detailspanel.h"

#include "app/core/tooltip.h"
#include "ui/commands/commandspane.h"
#include "ui/common/elidedlabel.h"
#include "ui/common/format.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/files/filespane.h"
#include "ui/mainwindow/overviewtab.h"
#include "ui/mainwindow/panehost.h"
#include "ui/sandboxes/presentation.h"
#include "ui/sandboxes/sandboxdelegate.h"
#include "ui/terminal/terminalpane.h"

#include <QAction>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QLabel>
#include <QStackedLayout>
#include <QTabBar>
#include <QTabWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace moru {
namespace {

constexpr int iconSide = 16;

} // namespace

/// Everything open for one sandbox.
struct DetailsPanel::Set {
    SandboxStore *store = nullptr;
    QString id;
    QString title;
    std::vector<QWidget *> pages; ///< in tab order: overview, terminals, files, commands
    OverviewTab *overview = nullptr;
    std::vector<PaneHost *> terminals;
    PaneHost *files = nullptr;
    PaneHost *commands = nullptr;
    QWidget *front = nullptr;
    std::vector<QWidget *> news; ///< pages with output nobody has seen
    int terminalNumber = 0;
    bool seen = false; ///< has been in the list, so its absence means something
    Reach reach = Reach::Unknown;
    bool reachKnown = false;

    [[nodiscard]] FilesPane *filesPane() const { return qobject_cast<FilesPane *>(files->pane()); }
    [[nodiscard]] CommandsPane *commandsPane() const
    {
        return qobject_cast<CommandsPane *>(commands->pane());
    }
};

DetailsPanel::DetailsPanel(Prompt &prompt, QWidget *parent)
    : QWidget(parent)
    , m_prompt(prompt)
{
    setObjectName(QStringLiteral("detailsPanel"));
    setAccessibleName(tr("Details of the selected sandbox"));
    m_pages = new QStackedLayout(this);
    m_pages->setContentsMargins(0, 0, 0, 0);

    m_empty = new Placeholder(QStringLiteral("detailsEmptyState"),
                              QStringLiteral("detailsEmptyButton"), this);
    m_empty->setContent(QStringLiteral("overview"), tr("No sandbox selected."),
                        tr("Select one above to open its terminal, files and commands."));
    m_empty->setBackgroundRole(QPalette::Base);
    m_empty->setAutoFillBackground(true);
    m_pages->addWidget(m_empty);

    m_content = new QWidget(this);
    auto *column = new QVBoxLayout(m_content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    auto *headerLine = new QWidget(m_content);
    headerLine->setObjectName(QStringLiteral("detailsHeader"));
    m_header = new QHBoxLayout(headerLine);
    m_header->setContentsMargins(8, 4, 8, 4);
    m_header->setSpacing(8);
    m_stateIcon = new QLabel(headerLine);
    m_stateIcon->setFixedSize(iconSide, iconSide);
    m_stateWord = new QLabel(headerLine);
    m_stateWord->setObjectName(QStringLiteral("detailsState"));
    m_name = new ElidedLabel(headerLine);
    m_name->setObjectName(QStringLiteral("detailsName"));
    QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    fixed.setWeight(QFont::DemiBold);
    m_name->setFont(fixed);
    m_name->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_copy = new QToolButton(headerLine);
    m_copy->setObjectName(QStringLiteral("copyIdButton"));
    m_copy->setAutoRaise(true);
    m_template = new ElidedLabel(headerLine);
    m_template->setObjectName(QStringLiteral("detailsTemplate"));
    m_template->setForegroundRole(QPalette::PlaceholderText);
    m_connection = new ElidedLabel(headerLine);
    m_connection->setObjectName(QStringLiteral("detailsConnection"));
    m_connection->setForegroundRole(QPalette::PlaceholderText);
    m_ends = new QLabel(headerLine);
    m_ends->setObjectName(QStringLiteral("detailsEnds"));
    m_ends->setTextFormat(Qt::PlainText);
    m_extend = new QToolButton(headerLine);
    m_extend->setObjectName(QStringLiteral("extendButton"));
    m_extend->setAutoRaise(true);
    m_extend->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_header->addWidget(m_stateIcon);
    m_header->addWidget(m_stateWord);
    m_header->addSpacing(4);
    m_header->addWidget(m_name);
    m_header->addWidget(m_copy);
    m_header->addSpacing(4);
    m_header->addWidget(m_template);
    m_header->addWidget(m_connection);
    m_header->addStretch(1);
    m_header->addWidget(m_ends);
    m_header->addWidget(m_extend);
    column->addWidget(headerLine);

    m_tabs = new QTabWidget(m_content);
    m_tabs->setObjectName(QStringLiteral("detailsTabs"));
    m_tabs->setAccessibleName(tr("Views of the sandbox"));
    m_tabs->setDocumentMode(true);
    m_tabs->setTabsClosable(true);
    m_tabs->setIconSize(QSize(iconSide, iconSide));
    m_tabs->tabBar()->setObjectName(QStringLiteral("detailsTabBar"));
    m_tabs->tabBar()->setAccessibleName(tr("Views of the sandbox"));
    m_tabs->tabBar()->setElideMode(Qt::ElideNone);
    m_tabs->setUsesScrollButtons(true);
    auto *corner = new QWidget(m_tabs);
    auto *cornerLine = new QHBoxLayout(corner);
    cornerLine->setContentsMargins(0, 0, 8, 0);
    m_newTerminal = new QToolButton(corner);
    cornerLine->addWidget(m_newTerminal);
    m_newTerminal->setObjectName(QStringLiteral("newTerminalButton"));
    m_newTerminal->setAccessibleName(tr("New terminal"));
    m_newTerminal->setAutoRaise(true);
    m_newTerminal->setIcon(theme::icon(QStringLiteral("add")));
    m_newTerminal->setToolTip(tr("New terminal"));
    m_newTerminal->setText(tr("New terminal"));
    m_newTerminal->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_newTerminal->setIconSize(QSize(iconSide, iconSide));
    m_tabs->setCornerWidget(corner);
    column->addWidget(m_tabs, 1);
    m_pages->addWidget(m_content);

    m_parking = new QWidget(this);
    m_parking->setObjectName(QStringLiteral("parkedPanes"));
    m_parking->hide();

    connect(m_newTerminal, &QToolButton::clicked, this, &DetailsPanel::openNewTerminal);
    connect(m_tabs, &QTabWidget::tabCloseRequested, this, &DetailsPanel::closeTerminalAt);
    connect(m_tabs, &QTabWidget::currentChanged, this, [this](int index) {
        if (!m_current || index < 0)
            return;
        m_current->front = m_tabs->widget(index);
        std::erase(m_current->news, m_current->front);
        updateTabTexts();
    });
    connect(&theme::notifier(), &theme::Notifier::changed, this, &DetailsPanel::refreshHeader);

    // "Ends in" counts by itself.
    auto *clock = new QTimer(this);
    clock->setInterval(1000);
    connect(clock, &QTimer::timeout, this, [this] {
        if (m_current && isVisible())
            refreshHeader();
    });
    clock->start();
}

DetailsPanel::~DetailsPanel()
{
    // Panes tell of their end while they are deleted, and the sets are gone by then.
    for (const auto &set : m_sets) {
        for (QWidget *page : set->pages)
            page->disconnect(this);
    }
    m_tabs->disconnect(this);
    m_current = nullptr;
}

void DetailsPanel::showSandbox(SandboxStore &store, const QString &id)
{
    if (m_current && m_current->store == &store && m_current->id == id) {
        refreshReach(*m_current);
        refreshHeader();
        return;
    }
    watch(store);
    Set &set = setFor(store, id);
    mount(&set);
    refreshReach(set);
    refreshHeader();
    retireEnded();
}

void DetailsPanel::showNothing()
{
    mount(nullptr);
    retireEnded();
}

void DetailsPanel::forgetConnection(const Connection &connection)
{
    if (m_current && &m_current->store->connection() == &connection)
        mount(nullptr);
    std::erase_if(m_sets, [&connection](const std::unique_ptr<Set> &set) {
        if (&set->store->connection() != &connection)
            return false;
        for (QWidget *page : set->pages)
            delete page;
        return true;
    });
    std::erase_if(m_watched, [&connection](const SandboxStore *store) {
        return &store->connection() == &connection;
    });
}

QString DetailsPanel::sandboxId() const
{
    return m_current ? m_current->id : QString();
}

bool DetailsPanel::isReachable() const
{
    return m_current && m_current->reach == Reach::Live;
}

void DetailsPanel::openTab(Tab tab)
{
    if (!m_current)
        return;
    QWidget *page = nullptr;
    switch (tab) {
    case Tab::Overview:
        page = m_current->overview;
        break;
    case Tab::Terminal:
        // The terminal used last, if one is in front already.
        page = m_current->terminals.front();
        for (PaneHost *terminal : m_current->terminals) {
            if (terminal == m_current->front)
                page = terminal;
        }
        break;
    case Tab::Files:
        page = m_current->files;
        break;
    case Tab::Commands:
        page = m_current->commands;
        break;
    }
    m_tabs->setCurrentWidget(page);
    focusCurrent();
}

void DetailsPanel::openNewTerminal()
{
    if (!m_current)
        return;
    PaneHost *first = m_current->terminals.front();
    if (!first->pane()) {
        m_tabs->setCurrentWidget(first);
        focusCurrent();
        return;
    }
    PaneHost *host = addTerminal(*m_current);
    const auto at = static_cast<int>(m_current->terminals.size());
    m_tabs->insertTab(at, host, theme::icon(QStringLiteral("terminal")), QString());
    updateTabTexts();
    m_current->reachKnown = false; // the new page has not been told yet
    refreshReach(*m_current);
    m_tabs->setCurrentWidget(host);
    focusCurrent();
}

bool DetailsPanel::canCloseTerminal() const
{
    if (!m_current || m_current->terminals.size() < 2)
        return false;
    return std::find(m_current->terminals.begin(), m_current->terminals.end(), m_current->front)
           != m_current->terminals.end();
}

void DetailsPanel::closeCurrentTerminal()
{
    if (canCloseTerminal())
        closeTerminalAt(m_tabs->currentIndex());
}

void DetailsPanel::focusCurrent()
{
    QWidget *page = m_tabs->currentWidget();
    if (!page)
        return;
    if (m_current && page == m_current->commands && m_current->commandsPane())
        m_current->commandsPane()->focusCommandLine();
    else
        page->setFocus();
}

bool DetailsPanel::hasUnsavedEdits() const
{
    return std::any_of(m_sets.begin(), m_sets.end(), [](const std::unique_ptr<Set> &set) {
        return set->filesPane() && set->filesPane()->hasUnsavedEdits();
    });
}

bool DetailsPanel::hasRunningTransfers() const
{
    return std::any_of(m_sets.begin(), m_sets.end(), [](const std::unique_ptr<Set> &set) {
        return set->filesPane() && set->filesPane()->hasRunningTransfers();
    });
}

QStringList DetailsPanel::liveTerminals(const Connection &connection, const QString &id) const
{
    QStringList titles;
    if (const Set *set = find(connection, id)) {
        for (const PaneHost *host : set->terminals) {
            const auto *terminal = qobject_cast<TerminalPane *>(host->pane());
            if (terminal && terminal->isLive())
                titles << terminal->title().simplified().left(80);
        }
    }
    return titles;
}

bool DetailsPanel::hasRunningTransfers(const Connection &connection, const QString &id) const
{
    const Set *set = find(connection, id);
    return set && set->filesPane() && set->filesPane()->hasRunningTransfers();
}

QStringList DetailsPanel::losses(const Connection &connection, const QString &id) const
{
    QStringList phrases;
    const Set *set = find(connection, id);
    if (!set)
        return phrases;
    const qsizetype terminals = liveTerminals(connection, id).size();
    if (terminals == 1)
        phrases << tr("an open terminal");
    else if (terminals > 1)
        phrases << tr("%1 open terminals").arg(terminals);
    if (set->filesPane() && set->filesPane()->hasUnsavedEdits())
        phrases << tr("unsaved edits");
    if (set->filesPane() && set->filesPane()->hasRunningTransfers())
        phrases << tr("running transfers");
    return phrases;
}

void DetailsPanel::closeForPause(const Connection &connection, const QString &id)
{
    Set *set = find(connection, id);
    if (!set)
        return;
    const QString reason = tr("Paused: the sandbox is being paused. Its files are kept.");
    for (const PaneHost *host : set->terminals) {
        if (auto *terminal = qobject_cast<TerminalPane *>(host->pane()))
            terminal->closeBecause(reason);
    }
    if (FilesPane *files = set->filesPane())
        files->setReachable(false, reason);
    if (CommandsPane *commands = set->commandsPane())
        commands->setReachable(false, reason);
    set->reachKnown = false; // the store's next word decides again
}

void DetailsPanel::setHeaderActions(QAction *copyId, QAction *extend)
{
    m_copy->setDefaultAction(copyId);
    m_copy->setToolButtonStyle(Qt::ToolButtonIconOnly);
    m_copy->setAccessibleName(tr("Copy the ID"));
    m_extend->setDefaultAction(extend);
    m_extend->setAccessibleName(tr("Extend by one hour"));
}

DetailsPanel::Set *DetailsPanel::find(const Connection &connection, const QString &id) const
{
    for (const auto &set : m_sets) {
        if (set->id == id && &set->store->connection() == &connection)
            return set.get();
    }
    return nullptr;
}

DetailsPanel::Set &DetailsPanel::setFor(SandboxStore &store, const QString &id)
{
    if (Set *known = find(store.connection(), id))
        return *known;
    auto made = std::make_unique<Set>();
    Set &set = *made;
    set.store = &store;
    set.id = id;
    const int row = store.indexOf(id);
    set.title = row >= 0 ? presentation::title(store.at(row).sandbox) : id;
    set.overview = new OverviewTab(m_parking);
    set.pages.push_back(set.overview);

    Connection &connection = store.connection();
    set.files = new PaneHost(
        QStringLiteral("folder"),
        [this, &connection, id](QWidget *parent) {
            auto *pane = new FilesPane(connection, id, m_prompt, parent);
            pane->setObjectName(QStringLiteral("filesPane"));
            connect(pane, &FilesPane::busyChanged, this, &DetailsPanel::busyChanged);
            connect(pane, &FilesPane::statusMessage, this, &DetailsPanel::statusMessage);
            pane->start();
            return pane;
        },
        m_parking);
    set.commands = new PaneHost(
        QStringLiteral("command"),
        [this, &connection, id](QWidget *parent) {
            auto *pane = new CommandsPane(connection, id, parent);
            pane->setObjectName(QStringLiteral("commandsPane"));
            connect(pane, &CommandsPane::statusMessage, this, &DetailsPanel::statusMessage);
            pane->start();
            return pane;
        },
        m_parking);
    for (PaneHost *host : {set.files, set.commands}) {
        set.pages.push_back(host);
        connect(host, &PaneHost::actionTriggered, this, [this, id] { emit resumeRequested(id); });
    }
    connect(set.commands, &PaneHost::created, this, [this, host = set.commands](QWidget *pane) {
        connect(static_cast<CommandsPane *>(pane), &CommandsPane::activity, this,
                [this, host] { noteNews(host); });
    });
    addTerminal(set);
    set.front = set.overview;
    m_sets.push_back(std::move(made));
    return set;
}

PaneHost *DetailsPanel::addTerminal(Set &set)
{
    EnvdClient &envd = set.store->connection().envd(set.id);
    const QString title = set.title;
    auto *host = new PaneHost(
        QStringLiteral("terminal"),
        [&envd, title](QWidget *parent) {
            auto *pane = new TerminalPane(envd, title, parent);
            pane->setObjectName(QStringLiteral("terminalPane"));
            pane->start();
            return pane;
        },
        m_parking);
    const int number = ++set.terminalNumber;
    host->setProperty("number", number);
    connect(host, &PaneHost::actionTriggered, this,
            [this, id = set.id] { emit resumeRequested(id); });
    connect(host, &PaneHost::created, this, [this, host, id = set.id](QWidget *pane) {
        auto *terminal = static_cast<TerminalPane *>(pane);
        connect(terminal, &TerminalPane::titleChanged, this, &DetailsPanel::updateTabTexts);
        connect(terminal, &TerminalPane::activity, this, [this, host] { noteNews(host); });
    });
    const auto at = static_cast<std::ptrdiff_t>(1 + set.terminals.size());
    set.pages.insert(set.pages.begin() + at, host);
    set.terminals.push_back(host);
    return host;
}

void DetailsPanel::noteNews(const QWidget *page)
{
    for (const auto &set : m_sets) {
        const auto own = std::find(set->pages.begin(), set->pages.end(), page);
        const bool inFront = set.get() == m_current && set->front == page;
        const bool told = std::find(set->news.begin(), set->news.end(), page) != set->news.end();
        if (own == set->pages.end() || inFront || told)
            continue;
        set->news.push_back(*own);
        updateTabTexts();
    }
}

void DetailsPanel::unmount()
{
    // The page in front goes last: each removal of it would bring up the next page, and a page that
    // comes up opens its pane, which reaches into the sandbox.
    for (int index = m_tabs->count() - 1; index >= 0; --index) {
        if (index != m_tabs->currentIndex())
            m_tabs->removeTab(index);
    }
    m_tabs->removeTab(0);
    if (!m_current)
        return;
    for (QWidget *page : m_current->pages)
        page->setParent(m_parking);
}

void DetailsPanel::mount(Set *set)
{
    if (set == m_current && set)
        return;
    setUpdatesEnabled(false);
    {
        const QSignalBlocker quiet(m_tabs);
        unmount();
        m_current = set;
        if (set) {
            for (QWidget *page : set->pages) {
                QString icon = QStringLiteral("terminal");
                if (page == set->overview)
                    icon = QStringLiteral("overview");
                else if (page == set->files)
                    icon = QStringLiteral("folder");
                else if (page == set->commands)
                    icon = QStringLiteral("command");
                m_tabs->addTab(page, theme::icon(icon), QString());
            }
            updateTabTexts();
            m_tabs->setCurrentWidget(set->front);
            std::erase(set->news, set->front);
            updateTabTexts();
        }
    }
    m_pages->setCurrentWidget(set ? m_content : static_cast<QWidget *>(m_empty));
    setUpdatesEnabled(true);
}

void DetailsPanel::watch(SandboxStore &store)
{
    if (std::find(m_watched.begin(), m_watched.end(), &store) != m_watched.end())
        return;
    m_watched.push_back(&store);
    const auto refresh = [this, &store] { refreshSets(store); };
    connect(&store, &SandboxStore::rowsChanged, this, refresh);
    connect(&store, &SandboxStore::rowsInserted, this, refresh);
    connect(&store, &SandboxStore::rowsRemoved, this, refresh);
    connect(&store, &SandboxStore::phaseChanged, this, refresh);
}

void DetailsPanel::refreshSets(SandboxStore &store)
{
    for (const auto &set : m_sets) {
        if (set->store == &store)
            refreshReach(*set);
    }
    if (m_current && m_current->store == &store)
        refreshHeader();
}

DetailsPanel::Reach DetailsPanel::reachOf(const Set &set)
{
    const int row = set.store->indexOf(set.id);
    if (row < 0)
        return set.seen ? Reach::Ended : Reach::Unknown;
    switch (presentation::displayState(set.store->at(row))) {
    case presentation::DisplayState::Running:
        return Reach::Live;
    case presentation::DisplayState::Paused:
        return Reach::Paused;
    case presentation::DisplayState::Pausing:
    case presentation::DisplayState::Resuming:
    case presentation::DisplayState::Killing:
        return Reach::Changing;
    }
    Q_UNREACHABLE();
}

void DetailsPanel::refreshReach(Set &set)
{
    if (set.store->indexOf(set.id) >= 0)
        set.seen = true;
    const Reach reach = reachOf(set);
    if (set.reachKnown && reach == set.reach)
        return;
    set.reach = reach;
    set.reachKnown = true;

    QString title;
    QString text;
    QString action;
    switch (reach) {
    case Reach::Live:
        break;
    case Reach::Paused:
        title = tr("This sandbox is paused.");
        text = tr("Its files are kept. Resume it to go on.");
        action = tr("Res&ume");
        break;
    case Reach::Changing:
        title = tr("This sandbox is changing its state.");
        text = tr("One moment.");
        break;
    case Reach::Ended:
        title = tr("This sandbox has ended.");
        text = tr("What is open here can still be read and copied.");
        break;
    case Reach::Unknown:
        title = tr("Nothing is known of this sandbox yet.");
        text = tr("It opens as soon as the list has it.");
        break;
    }
    const bool live = reach == Reach::Live;
    for (PaneHost *host : set.terminals)
        host->setReachable(live, title, text, action);
    set.files->setReachable(live, title, text, action);
    set.commands->setReachable(live, title, text, action);

    const QString reason = reach == Reach::Paused ? tr("Paused: resume the sandbox to go on.")
                           : reach == Reach::Ended
                               ? tr("Ended: this sandbox was killed or its time "
                                    "was over.")
                               : title;
    if (reach == Reach::Paused || reach == Reach::Ended) {
        for (const PaneHost *host : set.terminals) {
            // Also one that tries to get its shell back: it would say something else.
            if (auto *terminal = qobject_cast<TerminalPane *>(host->pane()))
                terminal->closeBecause(reason);
        }
    }
    if (FilesPane *files = set.filesPane())
        files->setReachable(live, live ? QString() : reason);
    if (CommandsPane *commands = set.commandsPane())
        commands->setReachable(live, live ? QString() : reason);
}

void DetailsPanel::refreshHeader()
{
    if (!m_current)
        return;
    Set &set = *m_current;
    const int index = set.store->indexOf(set.id);
    QString icon = QStringLiteral("state-ended");
    theme::Token token = theme::Token::Ended;
    QString word = set.seen ? tr("Ended") : tr("Unknown");
    QString ends;
    theme::Token endsToken = theme::Token::Secondary;
    if (index >= 0) {
        const SandboxRow &row = set.store->at(index);
        const auto state = presentation::displayState(row);
        icon = presentation::stateIcon(state);
        token = presentation::stateToken(state);
        word = presentation::stateWord(state);
        m_template->setFullText(tr("Template %1").arg(presentation::templateName(row.sandbox)));
        if (row.sandbox.state == SandboxState::Running && row.sandbox.endAt.isValid()) {
            const QDateTime now = set.store->serverNow();
            ends = tr("Ends in %1").arg(SandboxDelegate::endsIn(row, now));
            const qint64 left = now.secsTo(row.sandbox.endAt);
            if (left < 5 * 60)
                endsToken = theme::Token::Danger;
            else if (left < 15 * 60)
                endsToken = theme::Token::Warning;
        }
        set.overview->showRow(row, set.store->serverNow());
    } else if (set.seen) {
        set.overview->showEnded();
    }
    m_stateIcon->setPixmap(
        theme::icon(icon, token).pixmap(QSize(iconSide, iconSide), devicePixelRatioF()));
    const auto tint = [](QLabel &label, theme::Token wanted) {
        QPalette colors = label.palette();
        const QColor color = theme::color(wanted);
        if (colors.color(QPalette::WindowText) == color)
            return;
        colors.setColor(QPalette::WindowText, color);
        label.setPalette(colors);
    };
    if (m_stateWord->text() != word)
        m_stateWord->setText(word);
    tint(*m_stateWord, token);
    m_name->setFullText(set.title);
    m_connection->setFullText(tr("on %1").arg(set.store->connection().name()));
    if (m_ends->text() != ends)
        m_ends->setText(ends);
    tint(*m_ends, endsToken);
    m_ends->setVisible(!ends.isEmpty());
    m_extend->setVisible(!ends.isEmpty());
    m_newTerminal->setEnabled(set.reach == Reach::Live);
}

void DetailsPanel::retireEnded()
{
    std::erase_if(m_sets, [this](const std::unique_ptr<Set> &set) {
        if (set.get() == m_current || set->reach != Reach::Ended)
            return false;
        if (set->filesPane()
            && (set->filesPane()->hasUnsavedEdits() || set->filesPane()->hasRunningTransfers()))
            return false;
        for (QWidget *page : set->pages)
            page->deleteLater();
        return true;
    });
}

void DetailsPanel::closeTerminalAt(int index)
{
    if (!m_current)
        return;
    QWidget *page = m_tabs->widget(index);
    auto &terminals = m_current->terminals;
    const auto found = std::find(terminals.begin(), terminals.end(), page);
    if (found == terminals.end() || terminals.size() < 2)
        return;
    QPointer<PaneHost> host = *found;
    const auto remove = [this, host] {
        if (!host)
            return;
        for (const auto &set : m_sets) {
            const auto at = std::find(set->terminals.begin(), set->terminals.end(), host);
            if (at == set->terminals.end())
                continue;
            auto *terminal = qobject_cast<TerminalPane *>(host->pane());
            if (terminal && terminal->isLive() && terminal->pid() != 0) {
                // Leaving the stream alone would leave the shell running with nobody to see it.
                set->store->connection().envd(set->id).signalProcess(
                    terminal->pid(), EnvdClient::Signal::Kill, &set->store->connection(),
                    [](const Result<bool> &) {});
            }
            set->terminals.erase(at);
            std::erase(set->pages, host.data());
            std::erase(set->news, host.data());
            if (set->front == host)
                set->front = set->terminals.front();
            host->disconnect(this);
            if (set.get() == m_current) {
                // Not what happens to stand beside it: another page would open its pane.
                if (m_tabs->currentWidget() == host)
                    m_tabs->setCurrentWidget(set->terminals.front());
                m_tabs->removeTab(m_tabs->indexOf(host));
                updateTabTexts();
                focusCurrent();
            }
            host->deleteLater();
            return;
        }
    };
    auto *terminal = qobject_cast<TerminalPane *>(host->pane());
    if (!terminal || !terminal->isLive()) {
        remove();
        return;
    }
    Prompt::Question question;
    question.title = tr("Close this terminal?");
    question.text = tr("%1\nIts shell ends, with what was started from it.")
                        .arg(terminal->title().simplified());
    question.action = tr("Close the terminal");
    question.destructive = true;
    m_prompt.confirm(this, question, [remove](bool yes) {
        if (yes)
            remove();
    });
}

void DetailsPanel::updateTabTexts()
{
    if (!m_current)
        return;
    const Set &set = *m_current;
    const bool several = set.terminals.size() > 1;
    for (int index = 0; index < m_tabs->count(); ++index) {
        QWidget *page = m_tabs->widget(index);
        QString text;
        bool closable = false;
        if (page == set.overview) {
            text = tr("&Overview");
        } else if (page == set.files) {
            text = tr("F&iles");
        } else if (page == set.commands) {
            text = tr("Co&mmands");
        } else {
            text =
                several ? tr("Terminal %1").arg(page->property("number").toInt()) : tr("&Terminal");
            closable = several;
            if (const auto *terminal =
                    qobject_cast<TerminalPane *>(static_cast<PaneHost *>(page)->pane()))
                m_tabs->setTabToolTip(index,
                                      plainToolTip(terminal->title().simplified().left(200)));
        }
        if (std::find(set.news.begin(), set.news.end(), page) != set.news.end())
            text += QStringLiteral(" \u2022");
        if (m_tabs->tabText(index) != text)
            m_tabs->setTabText(index, text);
        QTabBar *bar = m_tabs->tabBar();
        for (const auto side : {QTabBar::LeftSide, QTabBar::RightSide}) {
            if (QWidget *button = bar->tabButton(index, side)) {
                button->setVisible(closable);
                if (!closable)
                    button->setFixedSize(0, 0);
                else
                    button->setFixedSize(button->sizeHint());
                button->setObjectName(QStringLiteral("closeTerminalButton"));
                button->setAccessibleName(tr("Close the terminal"));
            }
        }
    }
}

} // namespace moru
