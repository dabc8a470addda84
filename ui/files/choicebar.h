// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>
#include <QStringList>

class QCheckBox;
class QHBoxLayout;
class QLabel;
class QPushButton;

namespace moru {

/// A question in a bar above the content: a sentence, a button for each answer, and perhaps "for
/// all". Never modal; hidden until asked. The last answer is the safe one: it
/// gets the focus, and Esc gives it.
class ChoiceBar : public QFrame {
    Q_OBJECT
public:
    struct Answer {
        QString objectName;
        QString text;
    };
    /// An empty `forAll` means there is no such box.
    ChoiceBar(const QList<Answer> &answers, const QString &forAll, QWidget *parent = nullptr);

    void ask(const QString &text);
    void setForAllVisible(bool visible);
    [[nodiscard]] bool isForAll() const;
    [[nodiscard]] QString text() const;

signals:
    void answered(int index);

protected:
    void paintEvent(QPaintEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    void updateIcon();

    QLabel *m_icon = nullptr;
    QLabel *m_text = nullptr;
    QCheckBox *m_forAll = nullptr;
    QList<QPushButton *> m_buttons;
};

} // namespace moru
