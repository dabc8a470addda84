// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/panehost.h"

#include "ui/common/placeholder.h"

#include <QStackedLayout>

namespace moru {

PaneHost::PaneHost(const QString &icon, Factory factory, QWidget *parent)
    : QWidget(parent)
    , m_icon(icon)
    , m_factory(std::move(factory))
{
    m_layout = new QStackedLayout(this);
    m_layout->setContentsMargins(0, 0, 0, 0);
    m_placeholder = new Placeholder(QStringLiteral("unreachableState"),
                                    QStringLiteral("unreachableButton"), this);
    m_placeholder->setBackgroundRole(QPalette::Base);
    m_placeholder->setAutoFillBackground(true);
    m_layout->addWidget(m_placeholder);
    connect(m_placeholder, &Placeholder::actionTriggered, this, &PaneHost::actionTriggered);
}

void PaneHost::setReachable(bool reachable, const QString &title, const QString &text,
                            const QString &action)
{
    m_reachable = reachable;
    if (!m_pane)
        m_placeholder->setContent(m_icon, title, text, action);
    ensure();
}

void PaneHost::ensure()
{
    if (m_pane || !m_reachable || !isVisible())
        return;
    m_pane = m_factory(this);
    m_layout->addWidget(m_pane);
    m_layout->setCurrentWidget(m_pane);
    setFocusProxy(m_pane);
    emit created(m_pane);
}

void PaneHost::showEvent(QShowEvent *event)
{
    QWidget::showEvent(event);
    ensure();
}

} // namespace moru
