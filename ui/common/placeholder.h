// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLabel;
class QPushButton;

namespace moru {

/// What stands in a view's place while it has nothing to show: a line icon, a title, a sentence and
/// at most one button.
class Placeholder : public QWidget {
    Q_OBJECT
public:
    /// `name` is the object name; the button is called `buttonName`.
    Placeholder(const QString &name, const QString &buttonName, QWidget *parent = nullptr);

    /// An empty `action` hides the button. All texts are plain; '&' marks the action's letter.
    void setContent(const QString &icon, const QString &title, const QString &text,
                    const QString &action = {});
    [[nodiscard]] QString title() const;
    [[nodiscard]] QString text() const;
    [[nodiscard]] QPushButton *button() const { return m_button; }

signals:
    void actionTriggered();

private:
    void updateIcon();

    QString m_iconName;
    QLabel *m_icon = nullptr;
    QLabel *m_title = nullptr;
    QLabel *m_text = nullptr;
    QPushButton *m_button = nullptr;
};

} // namespace moru
