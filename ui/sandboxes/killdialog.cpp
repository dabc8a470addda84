// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/killdialog.h"

#include "app/core/tooltip.h"
#include "ui/common/armedbutton.h"
#include "ui/common/format.h"
#include "ui/common/tableheader.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/dialogparts.h"
#include "ui/sandboxes/impactprobe.h"
#include "ui/sandboxes/presentation.h"

#include <QCursor>
#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTimer>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace moru {
namespace {

constexpr qsizetype mostProbes = 9; // as many as a person reads one by one

enum ListColumn { NameColumn, RunTimeColumn, ImpactColumn, ResultColumn };

} // namespace

KillDialog::KillDialog(SandboxStore &store, const QStringList &ids, const Notes &notes,
                       QWidget *parent)
    : QDialog(parent)
    , m_store(store)
    , m_production(store.connection().spec().production)
{
    Q_ASSERT(!ids.isEmpty());
    for (const QString &id : ids) {
        Item item;
        item.id = id;
        item.title = id;
        const int row = store.indexOf(id);
        if (row >= 0) {
            item.sandbox = store.at(row).sandbox;
            item.title = presentation::title(item.sandbox);
        } else {
            item.progress = Progress::Gone;
        }
        m_items.append(item);
    }

    QVBoxLayout *layout = dialogparts::frame(*this, QStringLiteral("killDialog"));
    const QString question = m_items.size() == 1 ? tr("Kill sandbox %1?").arg(m_items.first().title)
                                                 : tr("Kill %1 sandboxes?").arg(m_items.size());
    setWindowTitle(question);
    QLabel *heading = dialogparts::heading(question, this);
    layout->addWidget(heading);
    layout->addWidget(dialogparts::connectionLine(store.connection().spec(), this));

    if (m_items.size() == 1)
        buildSingle(*layout, notes.value(m_items.first().id));
    else
        buildList(*layout, notes);

    QLabel *loss = dialogparts::text(
        m_items.size() == 1
            ? tr("Killing is irreversible: all processes end at once, all data in its file system "
                 "is permanently deleted, and its ID becomes invalid.")
            : tr("Killing is irreversible: all processes end at once, all data in their file "
                 "systems is permanently deleted, and their IDs become invalid."),
        this);
    loss->setObjectName(QStringLiteral("lossLabel"));
    layout->addWidget(loss);

    m_typeRow = new QWidget(this);
    auto *typeLayout = new QHBoxLayout(m_typeRow);
    typeLayout->setContentsMargins(0, 0, 0, 0);
    typeLayout->setSpacing(8);
    m_typeLabel = new QLabel(m_typeRow);
    m_typeLabel->setTextFormat(Qt::PlainText);
    m_type = new QLineEdit(m_typeRow);
    m_type->setObjectName(QStringLiteral("typeNumberEdit"));
    m_type->setMaximumWidth(96);
    m_typeLabel->setBuddy(m_type);
    typeLayout->addWidget(m_typeLabel);
    typeLayout->addWidget(m_type);
    typeLayout->addStretch();
    layout->addWidget(m_typeRow);
    connect(m_type, &QLineEdit::textChanged, this, &KillDialog::refresh);

    m_result = dialogparts::text({}, this);
    m_result->setObjectName(QStringLiteral("resultLabel"));
    layout->addWidget(m_result);

    auto *buttons = new QDialogButtonBox(this);
    m_kill = new ArmedButton({}, this);
    m_kill->setObjectName(QStringLiteral("killConfirmButton"));
    buttons->addButton(m_kill, QDialogButtonBox::DestructiveRole);
    m_pause = buttons->addButton(tr("&Pause instead"), QDialogButtonBox::ActionRole);
    m_pause->setObjectName(QStringLiteral("pauseInsteadButton"));
    m_pause->setAccessibleName(tr("Pause instead"));
    m_pause->setAutoDefault(false);
    m_cancel = buttons->addButton(QDialogButtonBox::Cancel);
    m_cancel->setObjectName(QStringLiteral("cancelButton"));
    m_cancel->setDefault(true);
    layout->addWidget(buttons);
    connect(m_kill, &QPushButton::clicked, this, &KillDialog::fire);
    connect(m_cancel, &QPushButton::clicked, this, &KillDialog::reject);
    connect(m_pause, &QPushButton::clicked, this, [this] {
        QStringList running;
        for (const qsizetype index : targets()) {
            if (m_items[index].sandbox.state == SandboxState::Running)
                running << m_items[index].id;
        }
        QDialog::reject();
        emit pauseInsteadRequested(running);
    });

    // What ends by itself while the question stands needs no answer any more.
    connect(&store, &SandboxStore::sandboxEnded, this, [this](const QString &id) {
        for (Item &item : m_items) {
            if (item.id == id && item.progress == Progress::Asking)
                item.progress = Progress::Gone;
        }
        refresh();
    });
    // Shown times run on.
    auto *clock = new QTimer(this);
    clock->setInterval(1000);
    connect(clock, &QTimer::timeout, this, &KillDialog::refresh);
    clock->start();

    refresh();
    probeImpact();
    m_cancel->setFocus();
}

void KillDialog::reject()
{
    // Sent kills cannot be taken back: the answers are awaited, so that nothing stays unknown.
    if (m_pending == 0)
        QDialog::reject();
}

void KillDialog::showEvent(QShowEvent *event)
{
    QDialog::showEvent(event);
    // Never open with the dangerous button under the pointer.
    QTimer::singleShot(0, this, [this] {
        const QRect button(m_kill->mapToGlobal(QPoint(0, 0)), m_kill->size());
        if (button.contains(QCursor::pos()))
            move(pos() - QPoint(0, 3 * m_kill->height()));
    });
}

void KillDialog::buildSingle(QVBoxLayout &layout, const QStringList &notes)
{
    m_facts = dialogparts::text({}, this);
    m_facts->setObjectName(QStringLiteral("factsLabel"));
    layout.addWidget(m_facts);
    m_impact = dialogparts::text({}, this);
    m_impact->setObjectName(QStringLiteral("impactLabel"));
    layout.addWidget(m_impact);
    if (!notes.isEmpty()) {
        QLabel *lost = dialogparts::text(
            tr("In this app you would lose: %1.").arg(notes.join(QStringLiteral(", "))), this);
        lost->setObjectName(QStringLiteral("notesLabel"));
        layout.addWidget(lost);
    }
}

void KillDialog::buildList(QVBoxLayout &layout, const Notes &notes)
{
    m_list = new QTreeWidget(this);
    m_list->setObjectName(QStringLiteral("killList"));
    m_list->setAccessibleName(tr("Sandboxes to kill"));
    m_list->setRootIsDecorated(false);
    m_list->setUniformRowHeights(true);
    m_list->setAllColumnsShowFocus(true);
    m_list->setTextElideMode(Qt::ElideMiddle);
    m_list->setHeader(new TableHeader(m_list, 4));
    m_list->header()->setFixedHeight(28);
    m_list->setHeaderLabels({tr("Sandbox"), tr("Has run for"), tr("Running now"), tr("Result")});
    m_list->header()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_list->header()->setStretchLastSection(false);
    m_list->header()->setSectionResizeMode(ImpactColumn, QHeaderView::Stretch);
    m_list->header()->resizeSection(NameColumn, 230);
    m_list->header()->resizeSection(RunTimeColumn, 96);
    m_list->header()->setSectionHidden(ResultColumn, true);
    for (const Item &item : std::as_const(m_items)) {
        auto *row = new QTreeWidgetItem(m_list);
        row->setText(NameColumn, item.title);
        row->setToolTip(NameColumn,
                        plainToolTip((QStringList(item.id) + notes.value(item.id)).join(u'\n')));
        row->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsUserCheckable);
        row->setCheckState(NameColumn, Qt::Checked);
        row->setSizeHint(NameColumn, QSize(0, 24));
    }
    m_list->setCurrentItem(m_list->topLevelItem(0));
    const int shown = static_cast<int>(std::min<qsizetype>(m_items.size(), 8));
    m_list->setMinimumHeight(28 + shown * 24 + 4);
    connect(m_list, &QTreeWidget::itemChanged, this, [this](QTreeWidgetItem *row, int column) {
        if (column != NameColumn || m_fired)
            return;
        m_items[m_list->indexOfTopLevelItem(row)].ticked =
            row->checkState(NameColumn) == Qt::Checked;
        m_type->clear(); // a number typed for other rows does not count
        refresh();
    });
    layout.addWidget(m_list, 1);
    resize(640, height());
    setMinimumWidth(560);
    // Kept for tests and screen readers: the sum of what the list says.
    m_impact = dialogparts::text({}, this);
    m_impact->setObjectName(QStringLiteral("impactLabel"));
    layout.addWidget(m_impact);
}

void KillDialog::probeImpact()
{
    qsizetype probes = 0;
    for (qsizetype i = 0; i < m_items.size(); ++i) {
        Item &item = m_items[i];
        if (item.progress != Progress::Asking || item.sandbox.state != SandboxState::Running)
            continue;
        if (++probes > mostProbes)
            break;
        item.impact = tr("checking…");
        EnvdClient &envd = m_store.connection().envd(item.id);
        envd.lookAgain();
        impact::probe(envd, this, [this, i](const Result<QList<impact::Process>> &processes) {
            if (!processes)
                m_items[i].impact = tr("unknown, it could not be checked");
            else if (processes->isEmpty())
                m_items[i].impact = tr("nothing");
            else
                m_items[i].impact = impact::describe(*processes);
            refresh();
        });
    }
    refresh();
}

QList<qsizetype> KillDialog::targets() const
{
    QList<qsizetype> result;
    for (qsizetype i = 0; i < m_items.size(); ++i) {
        const Item &item = m_items[i];
        if (item.ticked && (item.progress == Progress::Asking || item.progress == Progress::Failed))
            result << i;
    }
    return result;
}

void KillDialog::fire()
{
    const QList<qsizetype> chosen = targets();
    if (chosen.isEmpty() || m_pending > 0)
        return;
    m_fired = true;
    m_pending = static_cast<int>(chosen.size());
    for (const qsizetype index : chosen) {
        m_items[index].progress = Progress::Killing;
        m_items[index].error.clear();
    }
    refresh();
    for (const qsizetype index : chosen)
        m_store.kill(m_items[index].id, this,
                     [this, index](const Result<SandboxStore::Outcome> &result) {
                         answered(index, result);
                     });
}

void KillDialog::answered(qsizetype index, const Result<SandboxStore::Outcome> &result)
{
    Item &item = m_items[index];
    if (!result) {
        item.progress = Progress::Failed;
        item.error = format::sentence(result.error());
    } else if (*result == SandboxStore::Outcome::AlreadyGone) {
        item.progress = Progress::Gone;
        ++m_gone;
    } else {
        item.progress = Progress::Done;
        ++m_done;
    }
    if (--m_pending == 0)
        roundEnded();
    else
        refresh();
}

void KillDialog::roundEnded()
{
    const auto failed =
        static_cast<int>(std::count_if(m_items.cbegin(), m_items.cend(), [](const Item &item) {
            return item.progress == Progress::Failed;
        }));
    refresh();
    emit killed(m_done, m_gone, failed);
    m_done = 0;
    m_gone = 0;
    if (failed == 0)
        accept();
}

QString KillDialog::runTime(const Item &item) const
{
    if (!item.sandbox.startedAt.isValid())
        return tr("unknown");
    return format::duration(item.sandbox.startedAt.secsTo(m_store.serverNow()));
}

QString KillDialog::impactText(const Item &item) const
{
    if (item.sandbox.state == SandboxState::Paused)
        return tr("paused");
    return item.impact.isEmpty() ? tr("unknown, not checked") : item.impact;
}

void KillDialog::refresh()
{
    const QList<qsizetype> chosen = targets();
    const auto count = static_cast<int>(chosen.size());
    const bool working = m_pending > 0;
    const auto failed = std::count_if(m_items.cbegin(), m_items.cend(), [](const Item &item) {
        return item.progress == Progress::Failed;
    });
    const bool allGone = std::all_of(m_items.cbegin(), m_items.cend(), [](const Item &item) {
        return item.progress == Progress::Gone;
    });

    if (m_items.size() == 1) {
        const Item &item = m_items.first();
        QStringList facts;
        if (item.progress == Progress::Gone) {
            facts << tr("This sandbox is already terminated. There is nothing left to kill.");
        } else if (item.sandbox.state == SandboxState::Paused) {
            facts << tr("It is paused since %1.")
                         .arg(format::relative(item.sandbox.endAt, m_store.serverNow()))
                  << tr("Template: %1").arg(presentation::templateName(item.sandbox));
        } else {
            facts << tr("It has run for %1.").arg(runTime(item))
                  << tr("Template: %1").arg(presentation::templateName(item.sandbox));
        }
        m_facts->setText(facts.join(QLatin1Char('\n')));
        m_impact->setVisible(item.progress != Progress::Gone);
        m_impact->setText(item.sandbox.state == SandboxState::Paused
                              ? tr("Nothing runs in it now; its file system is kept until it is "
                                   "killed.")
                              : tr("Running now: %1").arg(impactText(item)));
        m_result->setText(item.progress == Progress::Failed
                              ? tr("It was not killed. %1").arg(item.error)
                              : QString());
    } else {
        updateList();
        m_result->setText(
            failed > 0
                ? tr("%1 of %2 were not killed; the list says why.").arg(failed).arg(m_items.size())
                : QString());
    }
    m_result->setVisible(!m_result->text().isEmpty());

    const bool mustType = !m_fired && count > 0 && (count >= typeFrom || m_production);
    m_typeRow->setVisible(mustType);
    const QString typePrompt = tr("Type &%1 to go on:").arg(count);
    m_typeLabel->setText(typePrompt);
    m_type->setAccessibleName(tr("Type %1 to go on").arg(count));
    const bool typed = !mustType || m_type->text().trimmed() == QString::number(count);

    QString verb;
    if (working)
        verb = tr("Killing…");
    else if (failed > 0)
        verb = failed == 1 ? tr("Retry 1 sandbox") : tr("Retry %1 sandboxes").arg(failed);
    else
        verb = m_items.size() == 1 ? tr("Kill sandbox")
               : count == 1        ? tr("Kill 1 sandbox")
                                   : tr("Kill %1 sandboxes").arg(count);
    if (m_kill->text() != verb) {
        m_kill->setText(verb);
        m_kill->setAccessibleName(verb);
    }
    m_kill->setEnabled(!working && count > 0 && typed);
    m_kill->setVisible(!allGone);

    const bool anyRunning = std::any_of(chosen.cbegin(), chosen.cend(), [this](qsizetype index) {
        return m_items[index].sandbox.state == SandboxState::Running;
    });
    m_pause->setVisible(!m_fired && !allGone);
    m_pause->setEnabled(anyRunning);
    m_pause->setToolTip(anyRunning ? QString() : tr("None of them is running."));
    m_cancel->setEnabled(!working);
    const QString cancel = allGone || m_fired ? tr("&Close") : tr("&Cancel");
    if (m_cancel->text() != cancel) {
        m_cancel->setText(cancel);
        QString name = cancel;
        m_cancel->setAccessibleName(name.remove(QLatin1Char('&')));
    }
}

void KillDialog::updateList()
{
    const QSignalBlocker quiet(m_list);
    QStringList running;
    for (qsizetype i = 0; i < m_items.size(); ++i) {
        const Item &item = m_items[i];
        QTreeWidgetItem *row = m_list->topLevelItem(static_cast<int>(i));
        row->setText(RunTimeColumn, item.progress == Progress::Gone ? QString() : runTime(item));
        row->setText(ImpactColumn, item.progress == Progress::Gone ? QString() : impactText(item));
        row->setToolTip(ImpactColumn, plainToolTip(row->text(ImpactColumn)));
        QString result;
        theme::Token token = theme::Token::Secondary;
        switch (item.progress) {
        case Progress::Asking:
            break;
        case Progress::Killing:
            result = tr("killing…");
            token = theme::Token::Changing;
            break;
        case Progress::Done:
            result = tr("killed");
            break;
        case Progress::Gone:
            result = tr("already terminated");
            break;
        case Progress::Failed:
            result = tr("failed: %1").arg(item.error);
            token = theme::Token::Danger;
            break;
        }
        row->setText(ResultColumn, result);
        row->setToolTip(ResultColumn, plainToolTip(result));
        row->setForeground(ResultColumn, theme::color(token));
        if (!result.isEmpty())
            m_list->header()->setSectionHidden(ResultColumn, false);
        if (m_fired || item.progress == Progress::Gone)
            row->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable);
    }
    const auto busy = std::count_if(m_items.cbegin(), m_items.cend(), [](const Item &item) {
        return item.sandbox.state == SandboxState::Running && item.progress == Progress::Asking
               && item.ticked;
    });
    const auto chosen = targets().size();
    m_impact->setText(tr("%1 of the %2 chosen are running.").arg(busy).arg(chosen));
    m_impact->setVisible(!m_fired);
}

} // namespace moru
