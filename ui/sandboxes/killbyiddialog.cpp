// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/killbyiddialog.h"

#include "app/stores/sandboxstore.h"
#include "ui/common/armedbutton.h"
#include "ui/common/format.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/dialogparts.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QRegularExpressionValidator>
#include <QVBoxLayout>

namespace moru {

KillByIdDialog::KillByIdDialog(const ConnectionManager &connections, const Connection *current,
                               QWidget *parent)
    : QDialog(parent)
    , m_connections(connections)
{
    QVBoxLayout *layout = dialogparts::frame(*this, QStringLiteral("killByIdDialog"));
    setWindowTitle(tr("Kill a sandbox by its ID?"));
    layout->addWidget(dialogparts::heading(tr("Kill a sandbox by its ID?"), this));

    auto *form = new QFormLayout;
    form->setHorizontalSpacing(12);
    form->setVerticalSpacing(8);
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    m_connection = new QComboBox(this);
    m_connection->setObjectName(QStringLiteral("killConnectionBox"));
    m_connection->setAccessibleName(tr("Connection"));
    m_connection->setAccessibleDescription(tr("Connection"));
    for (const Connection *connection : connections.connections()) {
        m_connection->addItem(dialogparts::where(connection->spec()), connection->id());
        if (connection == current)
            m_connection->setCurrentIndex(m_connection->count() - 1);
    }
    form->addRow(tr("C&onnection"), m_connection);
    m_id = new QLineEdit(this);
    m_id->setObjectName(QStringLiteral("idEdit"));
    m_id->setAccessibleName(tr("Sandbox ID"));
    m_id->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_id->setMaxLength(128);
    m_id->setPlaceholderText(tr("for instance i7f3k2m9qx4w"));
    form->addRow(tr("Sandbox &ID"), m_id);
    layout->addLayout(form);

    m_production = dialogparts::text(tr("PRODUCTION: check the ID twice."), this);
    m_production->setObjectName(QStringLiteral("productionLabel"));
    QPalette danger = m_production->palette();
    danger.setColor(QPalette::WindowText, theme::color(theme::Token::Danger));
    m_production->setPalette(danger);
    layout->addWidget(m_production);
    QLabel *loss = dialogparts::text(
        tr("It is not looked up first. Killing is irreversible: all processes end at once, all "
           "data in its file system is permanently deleted, and the ID becomes invalid."),
        this);
    loss->setObjectName(QStringLiteral("lossLabel"));
    layout->addWidget(loss);
    m_result = dialogparts::text({}, this);
    m_result->setObjectName(QStringLiteral("resultLabel"));
    layout->addWidget(m_result);

    auto *buttons = new QDialogButtonBox(this);
    m_kill = new ArmedButton(tr("Kill sandbox"), this);
    m_kill->setObjectName(QStringLiteral("killConfirmButton"));
    m_kill->setAccessibleName(tr("Kill sandbox"));
    buttons->addButton(m_kill, QDialogButtonBox::DestructiveRole);
    m_cancel = buttons->addButton(QDialogButtonBox::Cancel);
    m_cancel->setText(tr("&Cancel"));
    m_cancel->setObjectName(QStringLiteral("cancelButton"));
    m_cancel->setAccessibleName(tr("Cancel"));
    m_cancel->setDefault(true);
    layout->addWidget(buttons);

    connect(m_kill, &QPushButton::clicked, this, &KillByIdDialog::fire);
    connect(m_cancel, &QPushButton::clicked, this, &KillByIdDialog::reject);
    connect(m_connection, &QComboBox::currentIndexChanged, this, [this] {
        m_result->clear();
        refresh();
    });
    connect(m_id, &QLineEdit::textChanged, this, [this] {
        m_result->clear();
        refresh();
    });
    refresh();
    m_id->setFocus();
}

void KillByIdDialog::reject()
{
    if (!m_pending)
        QDialog::reject();
}

void KillByIdDialog::fire()
{
    const QString id = m_id->text().trimmed();
    Connection *connection = m_connections.find(m_connection->currentData().toString());
    if (!connection) {
        m_result->setText(tr("This connection does not exist any more."));
        refresh();
        return;
    }
    m_pending = true;
    m_result->clear();
    refresh();
    SandboxStore::killUnlisted(
        connection->control(), id, this,
        [this, id, connectionId = connection->id()](const Result<SandboxStore::Outcome> &result) {
            m_pending = false;
            if (!result) {
                m_result->setText(
                    tr("It was not killed. %1").arg(format::sentence(result.error())));
            } else {
                // The dialog stays for the next ID.
                const bool killedNow = *result == SandboxStore::Outcome::Done;
                m_result->setText(killedNow ? tr("Sandbox %1 is killed.").arg(id)
                                            : tr("Sandbox %1 is already terminated.").arg(id));
                emit answered(id, connectionId, killedNow);
            }
            refresh();
            m_id->setFocus();
            m_id->selectAll();
        });
}

void KillByIdDialog::refresh()
{
    static const QRegularExpression form(QStringLiteral("^[A-Za-z0-9_-]+$"));
    const QString id = m_id->text().trimmed();
    const bool valid = form.match(id).hasMatch();
    const Connection *connection = m_connections.find(m_connection->currentData().toString());
    m_production->setVisible(connection && connection->spec().production);
    m_kill->setText(m_pending ? tr("Killing…") : tr("Kill sandbox"));
    m_kill->setEnabled(valid && connection && !m_pending);
    m_kill->setToolTip(id.isEmpty() ? tr("Enter an ID first.")
                       : valid      ? QString()
                                    : tr("An ID has only letters, digits, - and _."));
    m_connection->setEnabled(!m_pending);
    m_id->setEnabled(!m_pending);
    m_cancel->setEnabled(!m_pending);
    m_result->setVisible(!m_result->text().isEmpty());
}

} // namespace moru
