// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>

#include <functional>

class QWidget;

namespace moru {

/// The one way product code asks for files or small confirmations, so that tests can answer. Never
/// blocks: answers come by callback; a closed dialog answers with false or an empty value.
class Prompt {
public:
    virtual ~Prompt() = default;
    struct Question {
        QString title;            ///< a question with verb and name
        QString text;             ///< facts, plain text
        QStringList list;         ///< shown in a box, plain text
        QString action;           ///< the button's verb ("Delete 3 files")
        bool destructive = false; ///< then Cancel is the default
    };
    virtual void confirm(QWidget *parent, const Question &question,
                         std::function<void(bool)> answer) = 0;
    virtual void text(QWidget *parent, const QString &title, const QString &label,
                      const QString &initial, std::function<void(QString)> answer) = 0;
    virtual void openFiles(QWidget *parent, const QString &title,
                           std::function<void(QStringList)> answer) = 0;
    virtual void saveFile(QWidget *parent, const QString &title, const QString &suggestedName,
                          std::function<void(QString)> answer) = 0;
    virtual void folder(QWidget *parent, const QString &title,
                        std::function<void(QString)> answer) = 0;
};

/// The real dialogs (window-modal, opened with open()).
Prompt &dialogPrompt();

} // namespace moru
