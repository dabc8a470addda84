// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/banner.h"

#include "ui/common/format.h"
#include "ui/common/messagedialog.h"
#include "ui/common/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

namespace moru {
namespace {

constexpr int iconSide = 16;

} // namespace

Banner::Banner(QWidget *parent)
    : QFrame(parent)
{
    setObjectName(QStringLiteral("banner"));
    setAccessibleName(tr("Notice"));
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(12, 4, 8, 4);
    layout->setSpacing(8);

    m_icon = new QLabel(this);
    m_icon->setFixedSize(iconSide, iconSide);
    layout->addWidget(m_icon, 0, Qt::AlignVCenter);

    m_text = new QLabel(this);
    m_text->setObjectName(QStringLiteral("bannerText"));
    m_text->setTextFormat(Qt::PlainText);
    m_text->setWordWrap(true);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    layout->addWidget(m_text, 1);

    m_action = new QPushButton(this);
    m_action->setObjectName(QStringLiteral("bannerAction"));
    m_action->setAutoDefault(false);
    connect(m_action, &QPushButton::clicked, this, &Banner::actionTriggered);
    layout->addWidget(m_action);

    m_details = new QPushButton(tr("Details…"), this);
    m_details->setObjectName(QStringLiteral("bannerDetails"));
    m_details->setAccessibleName(tr("Details of the notice"));
    m_details->setAutoDefault(false);
    connect(m_details, &QPushButton::clicked, this,
            [this] { showDetails(this, tr("Details"), m_text->text(), m_detailText); });
    layout->addWidget(m_details);

    m_close = new QPushButton(this);
    m_close->setObjectName(QStringLiteral("bannerClose"));
    m_close->setIcon(theme::icon(QStringLiteral("close")));
    m_close->setFlat(true);
    m_close->setAutoDefault(false);
    m_close->setFixedSize(28, 28);
    m_close->setAccessibleName(tr("Close the notice"));
    m_close->setToolTip(tr("Close"));
    connect(m_close, &QPushButton::clicked, this, [this] {
        hide();
        emit dismissed();
    });
    layout->addWidget(m_close);

    connect(&theme::notifier(), &theme::Notifier::changed, this, &Banner::updateIcon);
    hide();
}

void Banner::showMessage(Level level, const QString &text, const QString &action,
                         const QString &details)
{
    m_level = level;
    m_detailText = details;
    m_text->setText(text);
    setAccessibleDescription(text);
    m_action->setText(action);
    m_action->setAccessibleName(action);
    m_action->setVisible(!action.isEmpty());
    m_details->setVisible(!details.isEmpty());
    updateIcon();
    show();
}

void Banner::showError(const Error &error, const QString &what, const QString &action)
{
    const QString sentence = format::sentence(error);
    showMessage(Level::Error, what.isEmpty() ? sentence : what + QLatin1Char(' ') + sentence,
                action, format::details(error));
}

void Banner::clear()
{
    hide();
    m_text->clear();
    m_detailText.clear();
}

void Banner::updateIcon()
{
    const auto [name, token] = [this]() -> std::pair<QString, theme::Token> {
        switch (m_level) {
        case Level::Info:
            return {QStringLiteral("info"), theme::Token::Changing};
        case Level::Warning:
            return {QStringLiteral("warning"), theme::Token::Warning};
        case Level::Error:
            return {QStringLiteral("error"), theme::Token::Danger};
        }
        Q_UNREACHABLE();
    }();
    m_token = token;
    m_icon->setPixmap(
        theme::icon(name, token).pixmap(QSize(iconSide, iconSide), devicePixelRatioF()));
    update();
}

void Banner::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.fillRect(rect(), palette().color(QPalette::Base));
    const QColor line = theme::color(m_token);
    painter.fillRect(QRect(0, 0, 3, height()), line);
    painter.fillRect(QRect(0, height() - 1, width(), 1), theme::color(theme::Token::Hairline));
}

} // namespace moru
