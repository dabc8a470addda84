// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/commands/commandspane.h"

#include "app/core/tooltip.h"
#include "app/models/processmodel.h"
#include "app/stores/commandstore.h"
#include "app/stores/filename.h"
#include "ui/commands/outputview.h"
#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/common/tableheader.h"
#include "ui/common/theme.h"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QPointer>
#include <QPushButton>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

namespace moru {

namespace {

constexpr int kRowHeight = 28;
constexpr int kClockMs = 200;
constexpr int kIconSide = 16;
constexpr qsizetype kMaxHistory = 200;
constexpr qsizetype kMaxTitle = 80;

QString spanOf(qint64 ms)
{
    if (ms < 100)
        return QObject::tr("%1 ms").arg(ms);
    if (ms < 60000)
        return QObject::tr("%1 s").arg(QLocale().toString(double(ms) / 1000.0, 'f', 1));
    return format::duration(ms / 1000);
}

/// Keeps numbers at the right edge of their column apart from the text that follows.
class PidDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        option->text += QChar(0x2002);
    }
};

} // namespace

struct CommandsPane::Private : QObject {
    CommandsPane &q;
    EnvdClient &envd;
    CommandStore store;
    ProcessModel model;

    Banner *banner = nullptr;
    QLineEdit *commandEdit = nullptr;
    QCheckBox *backgroundBox = nullptr;
    QPushButton *runButton = nullptr;
    QToolButton *optionsButton = nullptr;
    QWidget *options = nullptr;
    QLineEdit *cwdEdit = nullptr;
    QComboBox *userBox = nullptr;
    QComboBox *runBox = nullptr;
    QLabel *resultIcon = nullptr;
    QLabel *resultLabel = nullptr;
    QLabel *noteLabel = nullptr;
    QStackedWidget *outputStack = nullptr;
    QLabel *hint = nullptr;
    OutputView *output = nullptr;
    QTableView *processes = nullptr;
    QLabel *processNote = nullptr;
    QPushButton *processRetry = nullptr;
    QPushButton *attachButton = nullptr;
    QPushButton *terminateButton = nullptr;
    QPushButton *killButton = nullptr;
    QTimer clock;

    bool started = false;
    bool reachable = true;
    QString reason;
    quint64 shown = 0;       ///< run in the output view
    quint64 foreground = 0;  ///< run that the Stop button means; 0 = none
    bool terminated = false; ///< Stop was pressed once for it
    QStringList history;
    qsizetype historyIndex = 0; ///< == history.size(): the line being typed
    QString draft;

    Private(CommandsPane &pane, Connection &connection, const QString &sandboxId)
        : q(pane)
        , envd(connection.envd(sandboxId))
        , store(envd)
        , model(store)
    {}

    // --- building ---------------------------------------------------------------------------

    void build()
    {
        auto *layout = new QVBoxLayout(&q);
        layout->setContentsMargins(0, 0, 0, 0);
        layout->setSpacing(0);
        const QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);

        auto *bar = new QHBoxLayout;
        bar->setContentsMargins(8, 4, 8, 4);
        bar->setSpacing(8);
        commandEdit = new QLineEdit(&q);
        commandEdit->setObjectName(QStringLiteral("commandEdit"));
        commandEdit->setAccessibleName(tr("Command"));
        commandEdit->setPlaceholderText(tr("Command, for example: python3 --version"));
        commandEdit->setFont(fixed);
        commandEdit->installEventFilter(this);
        bar->addWidget(commandEdit, 1);
        backgroundBox = new QCheckBox(tr("In background"), &q);
        backgroundBox->setObjectName(QStringLiteral("backgroundBox"));
        backgroundBox->setAccessibleName(tr("Run in background"));
        backgroundBox->setToolTip(tr("The next command can be run while this one goes on"));
        bar->addWidget(backgroundBox);
        optionsButton = new QToolButton(&q);
        optionsButton->setObjectName(QStringLiteral("commandOptionsButton"));
        optionsButton->setText(tr("Options"));
        optionsButton->setAccessibleName(tr("Folder and user of the command"));
        optionsButton->setToolTip(tr("Folder and user"));
        optionsButton->setCheckable(true);
        optionsButton->setAutoRaise(true);
        optionsButton->setFocusPolicy(Qt::TabFocus);
        bar->addWidget(optionsButton);
        runButton = new QPushButton(&q);
        runButton->setObjectName(QStringLiteral("runButton"));
        runButton->setAutoDefault(false);
        bar->addWidget(runButton);
        layout->addLayout(bar);

        options = new QWidget(&q);
        auto *optionsLayout = new QHBoxLayout(options);
        optionsLayout->setContentsMargins(8, 0, 8, 4);
        optionsLayout->setSpacing(8);
        auto *cwdLabel = new QLabel(tr("Folder"), options);
        cwdEdit = new QLineEdit(options);
        cwdEdit->setObjectName(QStringLiteral("cwdEdit"));
        cwdEdit->setAccessibleName(tr("Folder to run in"));
        cwdEdit->setPlaceholderText(tr("the home folder"));
        cwdLabel->setBuddy(cwdEdit);
        auto *userLabel = new QLabel(tr("User"), options);
        userBox = new QComboBox(options);
        userBox->setObjectName(QStringLiteral("userBox"));
        userBox->setAccessibleName(tr("User to run as"));
        userBox->setEditable(true);
        userBox->addItems({QString(), QStringLiteral("user"), QStringLiteral("root")});
        userBox->lineEdit()->setPlaceholderText(tr("the default user"));
        userLabel->setBuddy(userBox);
        optionsLayout->addWidget(cwdLabel);
        optionsLayout->addWidget(cwdEdit, 1);
        optionsLayout->addWidget(userLabel);
        optionsLayout->addWidget(userBox);
        options->hide();
        layout->addWidget(options);

        banner = new Banner(&q);
        banner->setObjectName(QStringLiteral("commandsBanner"));
        layout->addWidget(banner);

        auto *rows = new QSplitter(Qt::Horizontal, &q);
        rows->setChildrenCollapsible(false);
        rows->addWidget(buildOutput());
        rows->addWidget(buildProcesses());
        rows->setStretchFactor(0, 1);
        rows->setSizes({680, 400});
        layout->addWidget(rows, 1);

        clock.setInterval(kClockMs);
        connectAll();
        q.installEventFilter(this);
        q.setFocusProxy(commandEdit);
        updateRun();
        updateShown();
        updateProcesses();
    }

    QWidget *buildOutput()
    {
        auto *area = new QWidget(&q);
        auto *layout = new QVBoxLayout(area);
        layout->setContentsMargins(0, 0, 0, 0);
        layout->setSpacing(0);
        auto *head = new QHBoxLayout;
        head->setContentsMargins(8, 4, 8, 4);
        head->setSpacing(8);
        runBox = new QComboBox(area);
        runBox->setObjectName(QStringLiteral("runBox"));
        runBox->setAccessibleName(tr("Commands run so far"));
        runBox->setAccessibleDescription(tr("Commands run so far"));
        runBox->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        runBox->setMinimumContentsLength(24);
        runBox->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
        head->addWidget(runBox, 1);
        resultIcon = new QLabel(area);
        resultIcon->setFixedSize(kIconSide, kIconSide);
        head->addWidget(resultIcon);
        resultLabel = new QLabel(area);
        resultLabel->setObjectName(QStringLiteral("commandResultLabel"));
        resultLabel->setTextFormat(Qt::PlainText);
        resultLabel->setTextInteractionFlags(Qt::TextSelectableByMouse);
        head->addWidget(resultLabel);
        layout->addLayout(head);
        noteLabel = new QLabel(area);
        noteLabel->setObjectName(QStringLiteral("outputNoteLabel"));
        noteLabel->setTextFormat(Qt::PlainText);
        noteLabel->setWordWrap(true);
        noteLabel->setContentsMargins(8, 0, 8, 4);
        noteLabel->setForegroundRole(QPalette::PlaceholderText);
        noteLabel->hide();
        layout->addWidget(noteLabel);
        outputStack = new QStackedWidget(area);
        hint =
            new QLabel(tr("Type a command and press Enter. Its output appears here."), outputStack);
        hint->setTextFormat(Qt::PlainText);
        hint->setAlignment(Qt::AlignCenter);
        hint->setWordWrap(true);
        hint->setForegroundRole(QPalette::PlaceholderText);
        outputStack->addWidget(hint);
        output = new OutputView(outputStack);
        outputStack->addWidget(output);
        layout->addWidget(outputStack, 1);
        return area;
    }

    QWidget *buildProcesses()
    {
        auto *area = new QWidget(&q);
        auto *layout = new QVBoxLayout(area);
        layout->setContentsMargins(0, 0, 0, 0);
        layout->setSpacing(0);
        auto *head = new QHBoxLayout;
        head->setContentsMargins(8, 4, 8, 4);
        head->setSpacing(8);
        auto *title = new QLabel(tr("Running commands"), area);
        QFont bold = title->font();
        bold.setWeight(QFont::DemiBold);
        title->setFont(bold);
        head->addWidget(title);
        processNote = new QLabel(area);
        processNote->setObjectName(QStringLiteral("processNoteLabel"));
        processNote->setTextFormat(Qt::PlainText);
        processNote->setForegroundRole(QPalette::PlaceholderText);
        head->addWidget(processNote, 1);
        layout->addLayout(head);

        auto *foot = new QHBoxLayout;
        foot->setContentsMargins(8, 4, 8, 4);
        foot->setSpacing(8);
        const auto button = [&](const QString &text, const QString &spoken, const char *name) {
            auto *b = new QPushButton(text, area);
            b->setObjectName(QLatin1String(name));
            b->setAccessibleName(spoken);
            b->setAutoDefault(false);
            foot->addWidget(b);
            return b;
        };
        processRetry =
            button(tr("Retry"), tr("Read the list of commands again"), "processRetryButton");
        attachButton = button(tr("Show output"), tr("Show the output of the selected command"),
                              "attachButton");
        terminateButton = button(tr("Terminate"), tr("Ask the selected commands to end (SIGTERM)"),
                                 "terminateButton");
        // What loses data stands apart from what asks.
        foot->addStretch();
        killButton = button(tr("Kill"), tr("End the selected commands at once (SIGKILL)"),
                            "killProcessButton");

        processes = new QTableView(area);
        processes->setObjectName(QStringLiteral("processTable"));
        processes->setAccessibleName(tr("Running commands"));
        processes->setModel(&model);
        processes->setItemDelegateForColumn(ProcessModel::PidColumn, new PidDelegate(processes));
        processes->setSelectionBehavior(QAbstractItemView::SelectRows);
        processes->setShowGrid(false);
        processes->setWordWrap(false);
        processes->setTabKeyNavigation(false);
        processes->setFrameShape(QFrame::NoFrame);
        processes->setMinimumHeight(3 * kRowHeight);
        processes->verticalHeader()->hide();
        processes->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
        processes->verticalHeader()->setDefaultSectionSize(kRowHeight);
        processes->setHorizontalHeader(new TableHeader(processes, 4));
        QHeaderView *header = processes->horizontalHeader();
        header->setFixedHeight(kRowHeight);
        header->setHighlightSections(false);
        header->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
        header->setSectionResizeMode(ProcessModel::CommandColumn, QHeaderView::Stretch);
        header->resizeSection(ProcessModel::PidColumn, 64);
        header->resizeSection(ProcessModel::TagColumn, 72);
        header->resizeSection(ProcessModel::OriginColumn, 80);
        layout->addWidget(processes, 1);
        layout->addLayout(foot);
        return area;
    }

    void connectAll()
    {
        connect(commandEdit, &QLineEdit::returnPressed, this, &Private::run);
        connect(commandEdit, &QLineEdit::textChanged, this, &Private::updateRun);
        connect(runButton, &QPushButton::clicked, this, [this] {
            if (foreground != 0)
                stop();
            else
                run();
        });
        connect(optionsButton, &QToolButton::toggled, options, &QWidget::setVisible);
        connect(runBox, &QComboBox::activated, this,
                [this](int index) { show(runBox->itemData(index).toULongLong()); });
        connect(attachButton, &QPushButton::clicked, this, &Private::attach);
        connect(processes, &QTableView::activated, this, &Private::attach);
        connect(terminateButton, &QPushButton::clicked, this,
                [this] { signal(EnvdClient::Signal::Terminate); });
        connect(killButton, &QPushButton::clicked, this,
                [this] { signal(EnvdClient::Signal::Kill); });
        connect(processRetry, &QPushButton::clicked, this, [this] { store.refreshProcesses(); });
        connect(processes->selectionModel(), &QItemSelectionModel::selectionChanged, this,
                &Private::updateProcesses);
        connect(&clock, &QTimer::timeout, this, &Private::updateResult);
        connect(&store, &CommandStore::processesListed, this, &Private::updateProcesses);
        connect(&store, &CommandStore::runChanged, this, &Private::onRunChanged);
        connect(&store, &CommandStore::runRemoved, this, [this](quint64 id) {
            runBox->removeItem(runBox->findData(id));
            if (shown == id)
                show(0);
        });
        connect(&store, &CommandStore::outputAppended, this, [this](quint64 id) {
            if (id != shown)
                return;
            output->follow();
            updateNote();
        });
        connect(&theme::notifier(), &theme::Notifier::changed, this, [this] { updateResult(); });
    }

    bool eventFilter(QObject *object, QEvent *event) override
    {
        if (object == &q) {
            if (event->type() == QEvent::Show)
                store.setActive(started);
            else if (event->type() == QEvent::Hide)
                store.setActive(false);
        } else if (object == commandEdit && event->type() == QEvent::KeyPress) {
            const int key = static_cast<QKeyEvent *>(event)->key();
            if (key == Qt::Key_Up || key == Qt::Key_Down) {
                recall(key == Qt::Key_Up ? -1 : 1);
                return true;
            }
        }
        return QObject::eventFilter(object, event);
    }

    // --- the command line -------------------------------------------------------------------

    void recall(qsizetype step)
    {
        const qsizetype next = historyIndex + step;
        if (next < 0 || next > history.size())
            return;
        if (historyIndex == history.size())
            draft = commandEdit->text();
        historyIndex = next;
        commandEdit->setText(next == history.size() ? draft : history.at(next));
    }

    void remember(const QString &command)
    {
        // In memory only: command lines hold passwords more often than one would wish.
        history.removeAll(command);
        history.append(command);
        if (history.size() > kMaxHistory)
            history.removeFirst();
        historyIndex = history.size();
        draft.clear();
    }

    void run()
    {
        const QString command = commandEdit->text();
        if (command.trimmed().isEmpty())
            return;
        if (!reachable) {
            banner->showMessage(Banner::Level::Warning, tr("Nothing was run: %1").arg(reason));
            return;
        }
        const bool background = backgroundBox->isChecked();
        if (foreground != 0 && !background) {
            emit q.statusMessage(
                tr("A command is running. Stop it, or run this one in background."));
            return;
        }
        banner->clear();
        remember(command);
        commandEdit->clear();
        const quint64 id = store.run(command, cwdEdit->text().trimmed(),
                                     userBox->currentText().trimmed(), background);
        if (!background) {
            foreground = id;
            terminated = false;
        }
        list(id);
        show(id);
        updateRun();
    }

    void stop()
    {
        const CommandRun *run = store.run(foreground);
        if (!run || run->pid == 0)
            return;
        const auto how = terminated ? EnvdClient::Signal::Kill : EnvdClient::Signal::Terminate;
        terminated = true;
        send(run->pid, how);
        updateRun();
    }

    void updateRun()
    {
        const bool live = foreground != 0;
        const CommandRun *run = live ? store.run(foreground) : nullptr;
        if (live) {
            runButton->setText(terminated ? tr("Kill") : tr("Stop"));
            runButton->setAccessibleName(terminated ? tr("Kill the running command")
                                                    : tr("Stop the running command"));
            runButton->setIcon(
                theme::icon(terminated ? QStringLiteral("kill") : QStringLiteral("stop")));
            runButton->setToolTip(terminated ? tr("It did not end yet: SIGKILL")
                                             : tr("Ask the command to end (SIGTERM)"));
            runButton->setEnabled(reachable && run && run->pid != 0);
        } else {
            runButton->setText(tr("Run"));
            runButton->setAccessibleName(tr("Run the command"));
            runButton->setIcon(theme::icon(QStringLiteral("play")));
            runButton->setEnabled(reachable && !commandEdit->text().trimmed().isEmpty());
            runButton->setToolTip(reachable ? tr("Run (Enter)") : reason);
        }
    }

    // --- runs and their output --------------------------------------------------------------

    [[nodiscard]] QString titleOf(const CommandRun &run) const
    {
        QString title = filename::display(run.command);
        if (title.size() > kMaxTitle)
            title = title.left(kMaxTitle - 1) + QChar(0x2026);
        const QString number = QStringLiteral("#%1  ").arg(run.id);
        switch (run.state) {
        case CommandRun::State::Starting:
        case CommandRun::State::Running:
            return number + tr("%1  (running)").arg(title);
        case CommandRun::State::Ended:
            return number + tr("%1  (%2)").arg(title, filename::display(run.end.status));
        case CommandRun::State::Refused:
            return number + tr("%1  (not started)").arg(title);
        case CommandRun::State::Detached:
            return number + tr("%1  (not followed)").arg(title);
        }
        Q_UNREACHABLE();
    }

    void list(quint64 id)
    {
        if (const CommandRun *run = store.run(id)) {
            if (runBox->findData(id) < 0)
                runBox->insertItem(0, titleOf(*run), id);
        }
    }

    void show(quint64 id)
    {
        shown = id;
        const CommandRun *run = store.run(id);
        output->setOutput(run ? &run->output : nullptr);
        runBox->setCurrentIndex(runBox->findData(id));
        updateShown();
    }

    void onRunChanged(quint64 id)
    {
        const CommandRun *run = store.run(id);
        if (!run)
            return;
        if (const int index = runBox->findData(id); index >= 0)
            runBox->setItemText(index, titleOf(*run));
        if (id == foreground && !run->isLive()) {
            foreground = 0;
            terminated = false;
        }
        if (!run->isLive() && !q.isVisible())
            emit q.activity();
        updateRun();
        updateShown();
        updateProcesses();
    }

    void updateShown()
    {
        const CommandRun *run = store.run(shown);
        outputStack->setCurrentWidget(run ? static_cast<QWidget *>(output) : hint);
        runBox->setVisible(runBox->count() > 0);
        if (run && run->isLive())
            clock.start();
        else
            clock.stop();
        updateResult();
        updateNote();
    }

    void updateNote()
    {
        const CommandRun *run = store.run(shown);
        QStringList notes;
        if (run && run->attached)
            notes.append(tr("Started elsewhere: what it printed before is not known."));
        if (run && run->output.isTruncated())
            notes.append(tr("Earlier output was dropped: the newest %1 or %2 lines are kept.")
                             .arg(format::bytes(CommandOutput::kMaxChars),
                                  QLocale().toString(CommandOutput::kMaxLines)));
        noteLabel->setText(notes.join(u' '));
        noteLabel->setVisible(!notes.isEmpty());
    }

    void updateResult()
    {
        const CommandRun *run = store.run(shown);
        QString text;
        QString icon;
        theme::Token token = theme::Token::Secondary;
        if (run) {
            const QString span = spanOf(store.elapsedMs(run->id));
            switch (run->state) {
            case CommandRun::State::Starting:
                text = tr("starting");
                icon = QStringLiteral("state-changing");
                token = theme::Token::Changing;
                break;
            case CommandRun::State::Running:
                text = tr("running for %1, pid %2").arg(span).arg(run->pid);
                icon = QStringLiteral("state-running");
                token = theme::Token::Running;
                break;
            case CommandRun::State::Ended: {
                const bool good = run->end.exited && run->end.exitCode == 0;
                const QString status = run->end.status.isEmpty()
                                           ? tr("exit status %1").arg(run->end.exitCode)
                                           : filename::display(run->end.status);
                text = tr("%1 after %2").arg(status, span);
                icon = good ? QStringLiteral("check") : QStringLiteral("warning");
                token = good ? theme::Token::Running : theme::Token::Warning;
                break;
            }
            case CommandRun::State::Refused:
                text = tr("not started");
                icon = QStringLiteral("error");
                token = theme::Token::Danger;
                break;
            case CommandRun::State::Detached:
                text = tr("not followed any more after %1; it may still run").arg(span);
                icon = QStringLiteral("warning");
                token = theme::Token::Warning;
                break;
            }
            if (run->state == CommandRun::State::Refused
                || run->state == CommandRun::State::Detached)
                resultLabel->setToolTip(plainToolTip(format::sentence(run->error)));
            else
                resultLabel->setToolTip(format::absolute(run->startedAt));
        }
        resultLabel->setText(text);
        resultLabel->setAccessibleName(text);
        resultIcon->setVisible(!icon.isEmpty());
        if (!icon.isEmpty())
            resultIcon->setPixmap(theme::icon(icon, token)
                                      .pixmap(QSize(kIconSide, kIconSide), q.devicePixelRatioF()));
        if (run && run->state == CommandRun::State::Refused && run->id != told) {
            told = run->id;
            banner->showError(
                run->error,
                tr("“%1” was not started.").arg(filename::display(run->command.left(kMaxTitle))));
        }
    }
    quint64 told = 0; ///< the refused run the banner spoke of

    // --- the list ---------------------------------------------------------------------------

    [[nodiscard]] QList<quint32> selectedPids() const
    {
        QList<quint32> pids;
        const auto rows = processes->selectionModel()->selectedRows();
        for (const QModelIndex &row : rows)
            pids.append(row.data(ProcessModel::PidRole).toUInt());
        return pids;
    }

    void attach()
    {
        const auto pids = selectedPids();
        if (pids.size() != 1 || !reachable)
            return;
        const quint64 id = store.attach(pids.constFirst());
        list(id);
        show(id);
    }

    void signal(EnvdClient::Signal which)
    {
        const auto pids = selectedPids();
        for (const quint32 pid : pids)
            send(pid, which);
    }

    void send(quint32 pid, EnvdClient::Signal which)
    {
        const QString name = which == EnvdClient::Signal::Kill ? QStringLiteral("SIGKILL")
                                                               : QStringLiteral("SIGTERM");
        store.signal(pid, which, this, [this, pid, name](const Result<bool> &result) {
            if (!result)
                banner->showError(result.error(), tr("%1 was not sent to %2.").arg(name).arg(pid));
            else if (*result)
                emit q.statusMessage(tr("%1 sent to %2").arg(name).arg(pid));
            else
                emit q.statusMessage(tr("%1 had ended already").arg(pid));
        });
    }

    void updateProcesses()
    {
        const auto pids = selectedPids();
        attachButton->setEnabled(reachable && pids.size() == 1);
        terminateButton->setEnabled(reachable && !pids.isEmpty());
        killButton->setEnabled(reachable && !pids.isEmpty());
        const QString none = reachable ? tr("Select a command first") : reason;
        attachButton->setToolTip(attachButton->isEnabled() ? tr("Follow its output from now on")
                                                           : none);
        terminateButton->setToolTip(terminateButton->isEnabled() ? tr("Ask it to end (SIGTERM)")
                                                                 : none);
        killButton->setToolTip(killButton->isEnabled() ? tr("End it at once (SIGKILL)") : none);

        const auto &error = store.listError();
        processRetry->setVisible(error.has_value() && reachable);
        QString note;
        if (error && reachable)
            note = store.areProcessesKnown()
                       ? tr("The list may be out of date. %1").arg(format::sentence(*error))
                       : tr("The list could not be read. %1").arg(format::sentence(*error));
        else if (!store.areProcessesKnown())
            note = started && reachable ? tr("reading") : QString();
        else if (store.processes().isEmpty())
            note = tr("nothing is running");
        processNote->setText(note);
        processNote->setToolTip(plainToolTip(note));
    }
};

CommandsPane::CommandsPane(Connection &connection, const QString &sandboxId, QWidget *parent)
    : QWidget(parent)
    , d(std::make_unique<Private>(*this, connection, sandboxId))
{
    setObjectName(QStringLiteral("commandsPane"));
    setAccessibleName(tr("Commands"));
    d->build();
}

CommandsPane::~CommandsPane()
{
    // The widgets look at the store and the model: they go first.
    removeEventFilter(d.get());
    d->commandEdit->removeEventFilter(d.get());
    qDeleteAll(findChildren<QWidget *>(QString(), Qt::FindDirectChildrenOnly));
}

void CommandsPane::start()
{
    if (d->started)
        return;
    d->started = true;
    d->store.setActive(isVisible());
    d->updateProcesses();
}

void CommandsPane::setReachable(bool reachable, const QString &reason)
{
    const bool changed = d->reachable != reachable;
    d->reachable = reachable;
    d->reason = reason;
    d->store.setReachable(reachable);
    if (!reachable)
        d->banner->showMessage(Banner::Level::Info, reason);
    else if (changed)
        d->banner->clear();
    d->updateRun();
    d->updateProcesses();
}

void CommandsPane::focusCommandLine()
{
    d->commandEdit->setFocus(Qt::OtherFocusReason);
}

} // namespace moru
