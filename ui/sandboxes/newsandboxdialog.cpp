// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/newsandboxdialog.h"

#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/sandboxes/dialogparts.h"
#include "ui/sandboxes/keyvaluetable.h"

#include <QComboBox>
#include <QCompleter>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QPushButton>
#include <QSpinBox>
#include <QTabWidget>
#include <QTimer>
#include <QVBoxLayout>

namespace moru {
namespace {

enum Unit { Minutes, Hours };
constexpr int mostMinutes = 24 * 60;
constexpr int mostHours = 30 * 24;

} // namespace

NewSandboxDialog::NewSandboxDialog(SandboxStore &store, Settings &settings, QWidget *parent)
    : QDialog(parent)
    , m_store(store)
    , m_settings(settings)
{
    QVBoxLayout *layout = dialogparts::frame(*this, QStringLiteral("newSandboxDialog"));
    setWindowTitle(tr("New sandbox"));
    const ConnectionSpec &connection = store.connection().spec();
    layout->addWidget(dialogparts::heading(tr("New sandbox"), this));
    layout->addWidget(dialogparts::connectionLine(connection, this));

    m_banner = new Banner(this);
    m_banner->setObjectName(QStringLiteral("createBanner"));
    layout->addWidget(m_banner);

    m_form = new QWidget(this);
    layout->addWidget(m_form, 1);
    auto *column = new QVBoxLayout(m_form);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(12);
    auto *form = new QFormLayout;
    form->setHorizontalSpacing(12);
    form->setVerticalSpacing(8);
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    column->addLayout(form);

    m_template = new QComboBox(m_form);
    m_template->setObjectName(QStringLiteral("templateBox"));
    m_template->setAccessibleName(tr("Template"));
    m_template->setEditable(true);
    m_template->setInsertPolicy(QComboBox::NoInsert);
    m_template->lineEdit()->setObjectName(QStringLiteral("templateEdit"));
    m_template->lineEdit()->setAccessibleName(tr("Template"));
    m_template->completer()->setCompletionMode(QCompleter::PopupCompletion);
    m_template->completer()->setFilterMode(Qt::MatchContains);
    const QString last = settings.get<QString>(Setting::LastTemplate);
    m_template->addItem(QStringLiteral("base"));
    m_template->setEditText(last.isEmpty() ? QStringLiteral("base") : last);
    connect(m_template, &QComboBox::editTextChanged, this, &NewSandboxDialog::updateCreateButton);
    form->addRow(tr("&Template"), m_template);
    // The letter to press is drawn wider than it was measured.
    form->labelForField(m_template)->setMinimumWidth(64);

    auto *end = new QWidget(m_form);
    auto *endLayout = new QHBoxLayout(end);
    endLayout->setContentsMargins(0, 0, 0, 0);
    endLayout->setSpacing(8);
    m_timeout = new QSpinBox(end);
    m_timeout->setObjectName(QStringLiteral("timeoutSpin"));
    m_timeout->setAccessibleName(tr("Time until it ends"));
    m_timeout->setRange(1, mostMinutes);
    m_timeout->setMinimumWidth(80);
    m_unit = new QComboBox(end);
    m_unit->setObjectName(QStringLiteral("timeoutUnitBox"));
    m_unit->setAccessibleName(tr("Unit of time"));
    m_unit->setAccessibleDescription(tr("Unit of time"));
    m_unit->addItems({tr("minutes"), tr("hours")});
    m_onTimeout = new QComboBox(end);
    m_onTimeout->setObjectName(QStringLiteral("onTimeoutBox"));
    m_onTimeout->setAccessibleName(tr("What happens then"));
    m_onTimeout->setAccessibleDescription(tr("What happens then"));
    m_onTimeout->addItem(tr("kill it"), static_cast<int>(OnTimeout::Kill));
    m_onTimeout->addItem(tr("pause it"), static_cast<int>(OnTimeout::Pause));
    endLayout->addWidget(m_timeout);
    endLayout->addWidget(m_unit);
    endLayout->addWidget(m_onTimeout);
    endLayout->addStretch();
    auto *after = new QLabel(tr("&After"), m_form);
    after->setBuddy(m_timeout);
    form->addRow(after, end);
    m_end = new QLabel(m_form);
    m_end->setObjectName(QStringLiteral("endLabel"));
    m_end->setTextFormat(Qt::PlainText);
    m_end->setWordWrap(true);
    m_end->setForegroundRole(QPalette::PlaceholderText);
    form->addRow(QString(), m_end);

    auto *tabs = new QTabWidget(m_form);
    tabs->setObjectName(QStringLiteral("newSandboxTabs"));
    tabs->setAccessibleName(tr("Metadata and environment"));
    m_metadata = new KeyValueTable(tr("Name"), false, tabs);
    m_metadata->setObjectName(QStringLiteral("metadataTable"));
    m_metadata->setAccessibleName(tr("Metadata"));
    m_metadata->setToolTip(
        tr("Labels to find the sandbox by. Several lines NAME=value can be pasted at once."));
    m_env = new KeyValueTable(tr("Variable"), true, tabs);
    m_env->setObjectName(QStringLiteral("envTable"));
    m_env->setAccessibleName(tr("Environment variables"));
    m_env->setToolTip(tr("Set for every process in the sandbox. The lines of a .env file can be "
                         "pasted at once."));
    tabs->addTab(m_metadata, tr("&Metadata"));
    tabs->addTab(m_env, tr("&Environment"));
    tabs->setMinimumHeight(180);
    column->addWidget(tabs, 1);

    auto *buttons = new QDialogButtonBox(this);
    m_create = buttons->addButton(tr("Create &sandbox"), QDialogButtonBox::AcceptRole);
    m_create->setObjectName(QStringLiteral("createButton"));
    m_create->setAccessibleName(tr("Create sandbox"));
    m_create->setDefault(true);
    m_cancel = buttons->addButton(QDialogButtonBox::Cancel);
    m_cancel->setText(tr("&Cancel"));
    m_cancel->setObjectName(QStringLiteral("cancelButton"));
    m_cancel->setAccessibleName(tr("Cancel"));
    m_cancel->setAutoDefault(false);
    layout->addWidget(buttons);

    const int seconds = settings.get<int>(Setting::LastTimeout);
    if (seconds >= 3600 && seconds % 3600 == 0 && seconds / 3600 <= mostHours) {
        m_timeout->setRange(1, mostHours);
        m_unit->setCurrentIndex(Hours);
        m_timeout->setValue(seconds / 3600);
    } else {
        m_timeout->setValue(std::clamp(seconds / 60, 1, mostMinutes));
    }
    m_onTimeout->setCurrentIndex(settings.get<bool>(Setting::PauseOnTimeout) ? 1 : 0);

    connect(m_unit, &QComboBox::currentIndexChanged, this, [this](int unit) {
        // The time meant stays the same as far as the unit allows.
        const int value = m_timeout->value();
        m_timeout->setRange(1, unit == Hours ? mostHours : mostMinutes);
        m_timeout->setValue(unit == Hours ? (value + 59) / 60 : value * 60);
        updateEnd();
    });
    connect(m_timeout, &QSpinBox::valueChanged, this, &NewSandboxDialog::updateEnd);
    connect(m_onTimeout, &QComboBox::currentIndexChanged, this, &NewSandboxDialog::updateEnd);
    connect(m_metadata, &KeyValueTable::edited, this, &NewSandboxDialog::updateCreateButton);
    connect(m_env, &KeyValueTable::edited, this, &NewSandboxDialog::updateCreateButton);
    connect(m_create, &QPushButton::clicked, this, &NewSandboxDialog::create);
    connect(m_cancel, &QPushButton::clicked, this, &NewSandboxDialog::reject);

    // The clock time that is promised moves on while the dialog stands.
    auto *clock = new QTimer(this);
    clock->setInterval(15'000);
    connect(clock, &QTimer::timeout, this, &NewSandboxDialog::updateEnd);
    clock->start();

    updateEnd();
    updateCreateButton();
    loadTemplates();
    m_template->setFocus();
    m_template->lineEdit()->selectAll();
    resize(520, 500);
}

NewSandbox NewSandboxDialog::specification() const
{
    NewSandbox spec;
    // A chosen template goes by its id, a typed one as it stands.
    const int index = m_template->findText(m_template->currentText());
    const QString id = index >= 0 ? m_template->itemData(index).toString() : QString();
    spec.templateId = id.isEmpty() ? m_template->currentText().trimmed() : id;
    spec.timeoutSeconds = m_timeout->value() * (m_unit->currentIndex() == Hours ? 3600 : 60);
    spec.onTimeout = static_cast<OnTimeout>(m_onTimeout->currentData().toInt());
    spec.metadata = m_metadata->values();
    spec.envVars = m_env->values();
    return spec;
}

void NewSandboxDialog::reject()
{
    // A request under way cannot be taken back: its sandbox will exist, so its answer is awaited.
    if (!m_busy)
        QDialog::reject();
}

void NewSandboxDialog::create()
{
    if (m_busy || !m_create->isEnabled())
        return;
    // An open cell editor still holds what was typed last.
    m_create->setFocus();
    const NewSandbox spec = specification();
    m_settings.set(Setting::LastTemplate, m_template->currentText().trimmed());
    m_settings.set(Setting::LastTimeout, spec.timeoutSeconds);
    m_settings.set(Setting::PauseOnTimeout, spec.onTimeout == OnTimeout::Pause);
    m_banner->clear();
    setBusy(true);
    m_store.create(spec, this, [this](const Result<SandboxDetail> &result) {
        setBusy(false);
        if (!result) {
            m_banner->showError(
                result.error(),
                Transport::isOutcomeUnknown(result.error())
                    ? tr("It is not known whether the sandbox was created; the list shows it if it "
                         "was.")
                    : tr("The sandbox was not created."));
            m_create->setFocus();
            return;
        }
        emit created(*result);
        accept();
    });
}

void NewSandboxDialog::setBusy(bool busy)
{
    m_busy = busy;
    m_form->setEnabled(!busy);
    m_cancel->setEnabled(!busy);
    m_create->setText(busy ? tr("Creating…") : tr("Create &sandbox"));
    updateCreateButton();
}

void NewSandboxDialog::updateEnd()
{
    const NewSandbox spec = specification();
    const QDateTime now = QDateTime::currentDateTime();
    const QDateTime end = now.addSecs(spec.timeoutSeconds);
    const QString time = QLocale().toString(end.time(), QStringLiteral("HH:mm"));
    QString day;
    switch (now.date().daysTo(end.date())) {
    case 0:
        day = tr("today at %1").arg(time);
        break;
    case 1:
        day = tr("tomorrow at %1").arg(time);
        break;
    default:
        day = tr("%1 at %2").arg(QLocale().toString(end.date(), QLocale::ShortFormat), time);
    }
    m_end->setText(spec.onTimeout == OnTimeout::Kill
                       ? tr("It will be killed %1, with everything in it. The time can be extended "
                            "while it runs.")
                             .arg(day)
                       : tr("It will be paused %1; its files are kept. The time can be extended "
                            "while it runs.")
                             .arg(day));
}

void NewSandboxDialog::updateCreateButton()
{
    QString problem;
    if (m_template->currentText().trimmed().isEmpty())
        problem = tr("Name a template.");
    else if (!m_metadata->problem().isEmpty())
        problem = tr("Metadata: %1").arg(m_metadata->problem());
    else if (!m_env->problem().isEmpty())
        problem = tr("Environment: %1").arg(m_env->problem());
    m_create->setEnabled(!m_busy && problem.isEmpty());
    m_create->setToolTip(problem);
}

void NewSandboxDialog::loadTemplates()
{
    m_store.connection().control().listTemplates(
        this, [this](const Result<QList<Template>> &templates) {
            // Without a list any name can still be typed.
            if (!templates || templates->isEmpty())
                return;
            const QString typed = m_template->currentText();
            const QSignalBlocker quiet(m_template);
            m_template->clear();
            for (const Template &one : *templates)
                m_template->addItem(one.aliases.isEmpty() ? one.id : one.aliases.first(), one.id);
            m_template->setEditText(typed);
        });
}

} // namespace moru
