// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/placeholder.h"

#include "ui/common/theme.h"

#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

namespace moru {
namespace {

constexpr int iconSide = 48;

} // namespace

Placeholder::Placeholder(const QString &name, const QString &buttonName, QWidget *parent)
    : QWidget(parent)
{
    setObjectName(name);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(8);
    layout->addStretch(2);

    m_icon = new QLabel(this);
    m_icon->setFixedHeight(iconSide);
    m_icon->setAlignment(Qt::AlignCenter);
    layout->addWidget(m_icon);

    m_title = new QLabel(this);
    m_title->setTextFormat(Qt::PlainText);
    m_title->setAlignment(Qt::AlignCenter);
    m_title->setWordWrap(true);
    QFont large = font();
    large.setPointSizeF(large.pointSizeF() * 1.15);
    large.setWeight(QFont::DemiBold);
    m_title->setFont(large);
    layout->addWidget(m_title);

    m_text = new QLabel(this);
    m_text->setTextFormat(Qt::PlainText);
    m_text->setAlignment(Qt::AlignCenter);
    m_text->setWordWrap(true);
    m_text->setForegroundRole(QPalette::PlaceholderText);
    layout->addWidget(m_text);

    m_button = new QPushButton(this);
    m_button->setObjectName(buttonName);
    m_button->setAutoDefault(true);
    connect(m_button, &QPushButton::clicked, this, &Placeholder::actionTriggered);
    layout->addSpacing(4);
    layout->addWidget(m_button, 0, Qt::AlignHCenter);
    layout->addStretch(3);

    connect(&theme::notifier(), &theme::Notifier::changed, this, &Placeholder::updateIcon);
}

void Placeholder::setContent(const QString &icon, const QString &title, const QString &text,
                             const QString &action)
{
    m_iconName = icon;
    m_title->setText(title);
    m_text->setText(text);
    m_text->setVisible(!text.isEmpty());
    m_button->setText(action);
    QString spoken = action;
    m_button->setAccessibleName(spoken.remove(QLatin1Char('&')));
    m_button->setVisible(!action.isEmpty());
    setAccessibleName(title);
    setAccessibleDescription(text);
    updateIcon();
}

QString Placeholder::title() const
{
    return m_title->text();
}

QString Placeholder::text() const
{
    return m_text->text();
}

void Placeholder::updateIcon()
{
    if (m_iconName.isEmpty())
        return;
    m_icon->setPixmap(theme::icon(m_iconName, theme::Token::Secondary)
                          .pixmap(QSize(iconSide, iconSide), devicePixelRatioF()));
}

} // namespace moru
