// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/accentbutton.h"

#include <QStyleOptionButton>
#include <QStylePainter>

namespace moru {

AccentButton::AccentButton(const QString &text, QWidget *parent)
    : QPushButton(text, parent)
{
    setAttribute(Qt::WA_Hover);
}

void AccentButton::paintEvent(QPaintEvent *)
{
    QStyleOptionButton option;
    initStyleOption(&option);
    QStylePainter painter(this);
    const QPalette colors = palette();
    if (!isEnabled()) {
        painter.drawControl(QStyle::CE_PushButton, option);
        return;
    }
    // Styles mix the button's colour with others of their own, and white letters would lose their
    // contrast; so the fill is ours and only the label is the style's.
    QColor fill = colors.color(QPalette::Active, QPalette::Highlight);
    if (isDown())
        fill = fill.darker(115);
    else if (underMouse())
        fill = fill.darker(106);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(fill);
    painter.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    const QColor letters = colors.color(QPalette::Active, QPalette::HighlightedText);
    if (hasFocus()) {
        painter.setPen(QPen(letters, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(QRectF(rect()).adjusted(2.5, 2.5, -2.5, -2.5), 2, 2);
    }
    for (const auto group : {QPalette::Active, QPalette::Inactive})
        option.palette.setColor(group, QPalette::ButtonText, letters);
    option.state &= ~QStyle::State_HasFocus;
    painter.drawControl(QStyle::CE_PushButtonLabel, option);
}

} // namespace moru
