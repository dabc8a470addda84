// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/pastebar.h"

#include "ui/common/theme.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPushButton>
#include <QStyle>

#include <utility>

namespace moru {

PasteBar::PasteBar(QWidget *parent)
    : QFrame(parent)
    , m_label(new QLabel(this))
    , m_paste(new QPushButton(tr("Paste"), this))
    , m_filtered(new QPushButton(tr("Paste without them"), this))
    , m_cancel(new QPushButton(tr("Cancel"), this))
{
    setObjectName(QStringLiteral("pasteBar"));
    setAccessibleName(tr("Before pasting"));
    setFrameShape(QFrame::NoFrame);
    setAutoFillBackground(true);
    setCursor(Qt::ArrowCursor);
    m_label->setTextFormat(Qt::PlainText);
    m_label->setWordWrap(true);
    m_label->setObjectName(QStringLiteral("pasteLabel"));
    m_paste->setObjectName(QStringLiteral("pasteConfirmButton"));
    m_paste->setAccessibleName(tr("Paste the text"));
    m_filtered->setObjectName(QStringLiteral("pasteFilteredButton"));
    m_filtered->setAccessibleName(tr("Paste the text without its control characters"));
    m_cancel->setObjectName(QStringLiteral("pasteCancelButton"));
    m_cancel->setAccessibleName(tr("Do not paste"));

    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(12, 4, 8, 4);
    layout->setSpacing(8);
    layout->addWidget(m_label, 1);
    layout->addWidget(m_filtered);
    layout->addWidget(m_paste);
    layout->addWidget(m_cancel);

    connect(m_paste, &QPushButton::clicked, this, [this] { finish(true, false); });
    connect(m_filtered, &QPushButton::clicked, this, [this] { finish(true, true); });
    connect(m_cancel, &QPushButton::clicked, this, [this] { finish(false, false); });
    hide();
}

void PasteBar::ask(const QString &text, const paste::Risk &risk)
{
    m_text = text;
    if (risk.control)
        m_label->setText(tr(
            "The text holds control characters, which can run commands or change the terminal."));
    else if (risk.lines > 1)
        m_label->setText(
            tr("Paste %n lines? A shell may run each line as it arrives.", nullptr, risk.lines));
    else
        m_label->setText(tr("Paste %n characters?", nullptr, static_cast<int>(text.size())));
    m_filtered->setVisible(risk.control);
    show();
    raise();
    m_paste->setFocus(Qt::OtherFocusReason);
}

void PasteBar::finish(bool accept, bool filtered)
{
    hide();
    const QString text = std::exchange(m_text, {});
    emit closed();
    if (accept)
        emit accepted(filtered ? paste::withoutControls(text) : text);
}

void PasteBar::keyPressEvent(QKeyEvent *event)
{
    switch (event->key()) {
    case Qt::Key_Escape:
        finish(false, false);
        return;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        // Enter presses the button that has the focus, also in styles that leave that to dialogs.
        if (auto *button = qobject_cast<QPushButton *>(focusWidget()))
            button->click();
        return;
    default:
        QFrame::keyPressEvent(event);
    }
}

} // namespace moru
