// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/common/prompt.h"

#include <QList>

namespace moru::test {

/// Answers questions as the test said beforehand and remembers what was asked.
class FakePrompt : public Prompt {
public:
    bool agree = false;
    QString answer;
    QStringList files;
    QList<Question> questions;
    QString lastTitle;
    QString suggested;
    int asked = 0;

    void confirm(QWidget *, const Question &question, std::function<void(bool)> done) override
    {
        ++asked;
        questions.append(question);
        done(agree);
    }
    void text(QWidget *, const QString &title, const QString &, const QString &initial,
              std::function<void(QString)> done) override
    {
        ++asked;
        lastTitle = title;
        suggested = initial;
        done(answer);
    }
    void openFiles(QWidget *, const QString &title, std::function<void(QStringList)> done) override
    {
        ++asked;
        lastTitle = title;
        done(files);
    }
    void saveFile(QWidget *, const QString &title, const QString &name,
                  std::function<void(QString)> done) override
    {
        ++asked;
        lastTitle = title;
        suggested = name;
        done(answer);
    }
    void folder(QWidget *, const QString &title, std::function<void(QString)> done) override
    {
        ++asked;
        lastTitle = title;
        done(answer);
    }
};

} // namespace moru::test
