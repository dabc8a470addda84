// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/armedbutton.h"

#include "ui/common/theme.h"

#include <QKeyEvent>

namespace moru {

ArmedButton::ArmedButton(const QString &text, QWidget *parent)
    : QPushButton(text, parent)
{
    setArming(true);
    connect(&theme::notifier(), &theme::Notifier::changed, this, [this] { setArming(m_arming); });
}

void ArmedButton::setArming(bool arming)
{
    m_arming = arming;
    if (arming) {
        setAutoDefault(false);
        setDefault(false);
        QPalette colors = QPalette();
        colors.setColor(QPalette::Active, QPalette::ButtonText, theme::color(theme::Token::Danger));
        colors.setColor(QPalette::Inactive, QPalette::ButtonText,
                        theme::color(theme::Token::Danger));
        setPalette(colors);
    } else {
        setPalette(QPalette());
    }
}

void ArmedButton::rearm()
{
    m_shown.start();
}

bool ArmedButton::isArmed() const
{
    return !m_arming || (m_shown.isValid() && m_shown.elapsed() >= armingMs);
}

bool ArmedButton::event(QEvent *event)
{
    switch (event->type()) {
    case QEvent::MouseButtonPress:
    case QEvent::MouseButtonDblClick:
    case QEvent::Shortcut:
    case QEvent::TouchBegin:
        if (!isArmed()) {
            event->accept();
            return true;
        }
        break;
    default:
        break;
    }
    return QPushButton::event(event);
}

void ArmedButton::showEvent(QShowEvent *event)
{
    m_shown.start();
    QPushButton::showEvent(event);
}

void ArmedButton::keyPressEvent(QKeyEvent *event)
{
    const bool presses = event->key() == Qt::Key_Space || event->key() == Qt::Key_Return
                         || event->key() == Qt::Key_Enter || event->key() == Qt::Key_Select;
    if (m_arming && presses && (event->isAutoRepeat() || !isArmed())) {
        event->accept();
        return;
    }
    QPushButton::keyPressEvent(event);
}

void ArmedButton::keyReleaseEvent(QKeyEvent *event)
{
    if (m_arming && event->isAutoRepeat()) {
        event->accept();
        return;
    }
    QPushButton::keyReleaseEvent(event);
}

} // namespace moru
