// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/choicebar.h"

#include "ui/common/theme.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QPushButton>

namespace moru {

namespace {

constexpr int kIconSide = 16;

} // namespace

ChoiceBar::ChoiceBar(const QList<Answer> &answers, const QString &forAll, QWidget *parent)
    : QFrame(parent)
{
    setAccessibleName(tr("Question"));
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(12, 4, 8, 4);
    layout->setSpacing(8);

    m_icon = new QLabel(this);
    m_icon->setFixedSize(kIconSide, kIconSide);
    layout->addWidget(m_icon, 0, Qt::AlignVCenter);

    m_text = new QLabel(this);
    m_text->setTextFormat(Qt::PlainText);
    m_text->setWordWrap(true);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    layout->addWidget(m_text, 1);

    m_forAll = new QCheckBox(forAll, this);
    m_forAll->setObjectName(QStringLiteral("forAllBox"));
    m_forAll->setAccessibleName(forAll);
    m_forAll->setVisible(!forAll.isEmpty());
    layout->addWidget(m_forAll);

    for (int i = 0; i < int(answers.size()); ++i) {
        auto *button = new QPushButton(answers.at(i).text, this);
        button->setObjectName(answers.at(i).objectName);
        QString spoken = answers.at(i).text;
        button->setAccessibleName(spoken.remove(u'&'));
        button->setAutoDefault(true); // Enter presses the one with the focus
        connect(button, &QPushButton::clicked, this, [this, i] {
            hide();
            emit answered(i);
        });
        layout->addWidget(button);
        m_buttons.append(button);
    }
    connect(&theme::notifier(), &theme::Notifier::changed, this, &ChoiceBar::updateIcon);
    updateIcon();
    hide();
}

void ChoiceBar::ask(const QString &text)
{
    const bool appears = isHidden();
    m_text->setText(text);
    setAccessibleDescription(text);
    if (!appears)
        return;
    m_forAll->setChecked(false);
    show();
    m_buttons.constLast()->setFocus(Qt::OtherFocusReason);
}

void ChoiceBar::setForAllVisible(bool visible)
{
    m_forAll->setVisible(visible);
    if (!visible)
        m_forAll->setChecked(false);
}

bool ChoiceBar::isForAll() const
{
    return m_forAll->isChecked();
}

QString ChoiceBar::text() const
{
    return m_text->text();
}

void ChoiceBar::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.fillRect(rect(), theme::color(theme::Token::Hover));
    painter.fillRect(QRect(0, 0, 3, height()), theme::color(theme::Token::Warning));
    painter.fillRect(QRect(0, height() - 1, width(), 1), theme::color(theme::Token::Hairline));
}

void ChoiceBar::keyPressEvent(QKeyEvent *event)
{
    if (event->key() == Qt::Key_Escape)
        m_buttons.constLast()->click();
    else
        QFrame::keyPressEvent(event);
}

void ChoiceBar::updateIcon()
{
    m_icon->setPixmap(theme::icon(QStringLiteral("warning"), theme::Token::Warning)
                          .pixmap(QSize(kIconSide, kIconSide), devicePixelRatioF()));
    update();
}

} // namespace moru
