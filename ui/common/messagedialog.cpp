// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/messagedialog.h"

#include <QClipboard>
#include <QCoreApplication>
#include <QDialog>
#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QVBoxLayout>

namespace moru {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::MessageDialog)
};

} // namespace

void showDetails(QWidget *parent, const QString &title, const QString &summary, const QString &text)
{
    auto *dialog = new QDialog(parent ? parent->window() : nullptr);
    dialog->setObjectName(QStringLiteral("detailsDialog"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(title);
    dialog->resize(560, 320);
    auto *layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(12);
    if (!summary.isEmpty()) {
        auto *label = new QLabel(summary, dialog);
        label->setTextFormat(Qt::PlainText);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        layout->addWidget(label);
    }
    auto *view = new QPlainTextEdit(dialog);
    view->setObjectName(QStringLiteral("detailsText"));
    view->setAccessibleName(title);
    view->setReadOnly(true);
    view->setTabChangesFocus(true);
    view->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    view->setPlainText(text);
    layout->addWidget(view, 1);
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Close, dialog);
    QPushButton *copy = buttons->addButton(Words::tr("Co&py"), QDialogButtonBox::ActionRole);
    copy->setObjectName(QStringLiteral("copyButton"));
    copy->setAccessibleName(Words::tr("Copy the text"));
    copy->setAutoDefault(false);
    QPushButton *close = buttons->button(QDialogButtonBox::Close);
    close->setObjectName(QStringLiteral("closeButton"));
    close->setAccessibleName(Words::tr("Close"));
    close->setText(Words::tr("&Close"));
    close->setDefault(true);
    QObject::connect(copy, &QPushButton::clicked, dialog,
                     [text] { QGuiApplication::clipboard()->setText(text); });
    QObject::connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::reject);
    layout->addWidget(buttons);
    close->setFocus();
    dialog->open();
}

} // namespace moru
