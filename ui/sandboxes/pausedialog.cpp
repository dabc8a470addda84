// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/pausedialog.h"

#include "ui/sandboxes/dialogparts.h"

#include <QCheckBox>
#include <QDialogButtonBox>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

namespace moru {

PauseDialog::PauseDialog(const ConnectionSpec &connection, const QStringList &titles,
                         const QStringList &closing, QWidget *parent)
    : QDialog(parent)
{
    Q_ASSERT(!titles.isEmpty());
    QVBoxLayout *layout = dialogparts::frame(*this, QStringLiteral("pauseDialog"));
    const bool one = titles.size() == 1;
    const QString question = one ? tr("Pause sandbox %1?").arg(titles.first())
                                 : tr("Pause %1 sandboxes?").arg(titles.size());
    setWindowTitle(question);
    layout->addWidget(dialogparts::heading(question, this));
    layout->addWidget(dialogparts::connectionLine(connection, this));
    if (!one) {
        auto *list = new QListWidget(this);
        list->setObjectName(QStringLiteral("pauseList"));
        list->setAccessibleName(tr("Sandboxes to pause"));
        list->addItems(titles);
        list->setUniformItemSizes(true);
        list->setFixedHeight(std::min(8, static_cast<int>(titles.size())) * list->sizeHintForRow(0)
                             + 8);
        layout->addWidget(list);
    }
    layout->addWidget(dialogparts::text(
        one ? tr("Its file system is kept, and it can be resumed under the same ID.")
            : tr("Their file systems are kept, and they can be resumed under the same IDs."),
        this));
    layout->addWidget(dialogparts::text(
        tr("Pause is in beta. Paused sandboxes still count toward the quota and may have time "
           "limits."),
        this));
    QLabel *closes = dialogparts::text(
        closing.isEmpty() ? tr("No terminal or transfer of yours is open in it.")
                          : tr("These close first, because their traffic would wake it: %1.")
                                .arg(closing.join(QStringLiteral(", "))),
        this);
    closes->setObjectName(QStringLiteral("closingLabel"));
    closes->setVisible(one || !closing.isEmpty());
    layout->addWidget(closes);

    m_dontAsk = new QCheckBox(tr("&Don't ask again for this connection"), this);
    m_dontAsk->setObjectName(QStringLiteral("dontAskBox"));
    m_dontAsk->setAccessibleName(tr("Don't ask again for this connection"));
    layout->addWidget(m_dontAsk);

    auto *buttons = new QDialogButtonBox(this);
    const QString verb = one ? tr("Pause sandbox") : tr("Pause %1 sandboxes").arg(titles.size());
    QPushButton *pause = buttons->addButton(verb, QDialogButtonBox::AcceptRole);
    pause->setObjectName(QStringLiteral("pauseConfirmButton"));
    pause->setAccessibleName(verb);
    pause->setDefault(true);
    QPushButton *cancel = buttons->addButton(QDialogButtonBox::Cancel);
    cancel->setText(tr("&Cancel"));
    cancel->setObjectName(QStringLiteral("cancelButton"));
    cancel->setAccessibleName(tr("Cancel"));
    cancel->setAutoDefault(false);
    layout->addWidget(buttons);
    connect(pause, &QPushButton::clicked, this, [this] {
        emit confirmed(m_dontAsk->isChecked());
        accept();
    });
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    pause->setFocus();
    dialogparts::fit(*this);
}

} // namespace moru
