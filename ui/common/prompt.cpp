// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/prompt.h"

#include "ui/common/armedbutton.h"

#include <QCoreApplication>
#include <QDialog>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFontDatabase>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

#include <memory>

namespace moru {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::Prompt)
};

QLabel *plainLabel(const QString &text, QWidget *parent)
{
    auto *label = new QLabel(text, parent);
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    return label;
}

QDialog *newDialog(QWidget *parent, const QString &title, const char *name)
{
    auto *dialog = new QDialog(parent ? parent->window() : nullptr);
    dialog->setObjectName(QLatin1String(name));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(title);
    dialog->setMinimumWidth(440);
    auto *layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(12);
    return dialog;
}

class DialogPrompt final : public Prompt {
public:
    void confirm(QWidget *parent, const Question &question,
                 std::function<void(bool)> answer) override
    {
        QDialog *dialog = newDialog(parent, question.title, "confirmDialog");
        auto *layout = static_cast<QVBoxLayout *>(dialog->layout());

        QLabel *title = plainLabel(question.title, dialog);
        QFont bold = title->font();
        bold.setWeight(QFont::DemiBold);
        bold.setPointSizeF(bold.pointSizeF() * 1.15);
        title->setFont(bold);
        layout->addWidget(title);
        if (!question.text.isEmpty())
            layout->addWidget(plainLabel(question.text, dialog));
        if (!question.list.isEmpty()) {
            auto *list = new QListWidget(dialog);
            list->setObjectName(QStringLiteral("confirmList"));
            list->setAccessibleName(Words::tr("What it is about"));
            list->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
            list->setTextElideMode(Qt::ElideMiddle);
            list->setUniformItemSizes(true);
            for (QString line : question.list) {
                line.replace(QLatin1Char('\n'), QChar(0x240a));
                list->addItem(line);
            }
            const qsizetype shown = std::min<qsizetype>(question.list.size(), 8);
            list->setFixedHeight(list->sizeHintForRow(0) * static_cast<int>(shown)
                                 + 2 * list->frameWidth() + 4);
            layout->addWidget(list);
        }

        auto *buttons = new QDialogButtonBox(dialog);
        auto *action = new ArmedButton(question.action, dialog);
        action->setObjectName(QStringLiteral("confirmButton"));
        action->setAccessibleName(question.action);
        action->setArming(question.destructive);
        buttons->addButton(action, question.destructive ? QDialogButtonBox::DestructiveRole
                                                        : QDialogButtonBox::AcceptRole);
        QPushButton *cancel = buttons->addButton(QDialogButtonBox::Cancel);
        cancel->setText(Words::tr("Cancel"));
        cancel->setObjectName(QStringLiteral("cancelButton"));
        cancel->setAccessibleName(Words::tr("Cancel"));
        layout->addWidget(buttons);
        QObject::connect(action, &QPushButton::clicked, dialog, &QDialog::accept);
        QObject::connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::reject);
        QPushButton *safe = question.destructive ? cancel : static_cast<QPushButton *>(action);
        action->setAutoDefault(!question.destructive);
        safe->setDefault(true);
        safe->setFocus();
        QObject::connect(
            dialog, &QDialog::finished, dialog,
            [answer = std::move(answer)](int result) { answer(result == QDialog::Accepted); });
        dialog->open();
    }

    void text(QWidget *parent, const QString &title, const QString &label, const QString &initial,
              std::function<void(QString)> answer) override
    {
        QDialog *dialog = newDialog(parent, title, "textDialog");
        auto *layout = static_cast<QVBoxLayout *>(dialog->layout());
        QLabel *caption = plainLabel(label, dialog);
        auto *edit = new QLineEdit(initial, dialog);
        edit->setObjectName(QStringLiteral("textEdit"));
        edit->setAccessibleName(label);
        caption->setBuddy(edit);
        layout->addWidget(caption);
        layout->addWidget(edit);
        auto *buttons =
            new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, dialog);
        QPushButton *ok = buttons->button(QDialogButtonBox::Ok);
        ok->setObjectName(QStringLiteral("okButton"));
        ok->setAccessibleName(title);
        ok->setText(Words::tr("OK"));
        ok->setEnabled(!initial.isEmpty());
        QPushButton *cancel = buttons->button(QDialogButtonBox::Cancel);
        cancel->setObjectName(QStringLiteral("cancelButton"));
        cancel->setAccessibleName(Words::tr("Cancel"));
        cancel->setText(Words::tr("Cancel"));
        layout->addWidget(buttons);
        QObject::connect(edit, &QLineEdit::textChanged, ok,
                         [ok](const QString &text) { ok->setEnabled(!text.isEmpty()); });
        QObject::connect(buttons, &QDialogButtonBox::accepted, dialog, &QDialog::accept);
        QObject::connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::reject);
        QObject::connect(dialog, &QDialog::finished, dialog,
                         [answer = std::move(answer), edit](int result) {
                             answer(result == QDialog::Accepted ? edit->text() : QString());
                         });
        // The name without its extension is what people change.
        const qsizetype dot = initial.lastIndexOf(QLatin1Char('.'));
        edit->setFocus();
        if (dot > 0)
            edit->setSelection(0, static_cast<int>(dot));
        else
            edit->selectAll();
        dialog->open();
    }

    void openFiles(QWidget *parent, const QString &title,
                   std::function<void(QStringList)> answer) override
    {
        QFileDialog *dialog = newFileDialog(parent, title);
        dialog->setAcceptMode(QFileDialog::AcceptOpen);
        dialog->setFileMode(QFileDialog::ExistingFiles);
        deliver(dialog, [answer = std::move(answer)](const QStringList &files) { answer(files); });
    }

    void saveFile(QWidget *parent, const QString &title, const QString &suggestedName,
                  std::function<void(QString)> answer) override
    {
        QFileDialog *dialog = newFileDialog(parent, title);
        dialog->setAcceptMode(QFileDialog::AcceptSave);
        dialog->setFileMode(QFileDialog::AnyFile);
        dialog->selectFile(suggestedName);
        deliver(dialog,
                [answer = std::move(answer)](const QStringList &files) { answer(files.value(0)); });
    }

    void folder(QWidget *parent, const QString &title, std::function<void(QString)> answer) override
    {
        QFileDialog *dialog = newFileDialog(parent, title);
        dialog->setFileMode(QFileDialog::Directory);
        dialog->setOption(QFileDialog::ShowDirsOnly);
        deliver(dialog,
                [answer = std::move(answer)](const QStringList &files) { answer(files.value(0)); });
    }

private:
    static QFileDialog *newFileDialog(QWidget *parent, const QString &title)
    {
        auto *dialog = new QFileDialog(parent ? parent->window() : nullptr, title);
        dialog->setObjectName(QStringLiteral("fileDialog"));
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        return dialog;
    }

    static void deliver(QFileDialog *dialog, std::function<void(const QStringList &)> answer)
    {
        QObject::connect(
            dialog, &QDialog::finished, dialog, [dialog, answer = std::move(answer)](int result) {
                answer(result == QDialog::Accepted ? dialog->selectedFiles() : QStringList());
            });
        dialog->open();
    }
};

} // namespace

Prompt &dialogPrompt()
{
    static DialogPrompt prompt;
    return prompt;
}

} // namespace moru
