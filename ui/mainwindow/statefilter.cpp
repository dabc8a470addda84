// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/statefilter.h"

#include "ui/common/theme.h"

#include <QApplication>
#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace moru {
namespace {

constexpr int rowHeight = 28;

} // namespace

StateFilter::StateFilter(QWidget *parent)
    : QWidget(parent)
{
    setObjectName(QStringLiteral("sidebar"));
    setMinimumWidth(160);
    setMaximumWidth(280);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 0);
    layout->setSpacing(4);
    auto *title = new QLabel(tr("Sandboxes"), this);
    title->setContentsMargins(4, 0, 4, 0);
    QFont small = title->font();
    small.setPointSizeF(small.pointSizeF() * 0.92);
    small.setWeight(QFont::DemiBold);
    title->setFont(small);
    title->setForegroundRole(QPalette::PlaceholderText);
    layout->addWidget(title);

    m_list = new QTreeWidget(this);
    m_list->setObjectName(QStringLiteral("stateFilter"));
    m_list->setAccessibleName(tr("Show sandboxes by state"));
    m_list->setColumnCount(2);
    m_list->setHeaderHidden(true);
    m_list->setRootIsDecorated(false);
    m_list->setIndentation(0);
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setUniformRowHeights(true);
    m_list->setAllColumnsShowFocus(true);
    m_list->setIconSize(QSize(16, 16));
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->header()->setStretchLastSection(false);
    m_list->header()->setMinimumSectionSize(40);
    m_list->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    m_list->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);
    // The sidebar belongs to the frame, not to the content.
    m_list->viewport()->setAutoFillBackground(false);
    layout->addWidget(m_list, 1);

    const auto add = [this](const QString &text) {
        auto *item = new QTreeWidgetItem(m_list, {text, QString()});
        item->setTextAlignment(1, Qt::AlignRight | Qt::AlignVCenter);
        item->setSizeHint(0, QSize(0, rowHeight));
        return item;
    };
    m_all = add(tr("All"));
    m_running = add(tr("Running"));
    m_paused = add(tr("Paused"));
    m_list->setCurrentItem(m_all);
    setFocusProxy(m_list);
    connect(m_list, &QTreeWidget::currentItemChanged, this, [this] { emit stateChanged(state()); });
    connect(&theme::notifier(), &theme::Notifier::changed, this, &StateFilter::refreshLook);
    refreshLook();
    setCounts(0, 0);
}

void StateFilter::setCounts(int running, int paused)
{
    const auto set = [](QTreeWidgetItem *item, int count) {
        const QString text = QLocale().toString(count) + QLatin1String("  ");
        if (item->text(1) != text)
            item->setText(1, text);
    };
    set(m_all, running + paused);
    set(m_running, running);
    set(m_paused, paused);
}

std::optional<SandboxState> StateFilter::state() const
{
    if (m_list->currentItem() == m_running)
        return SandboxState::Running;
    if (m_list->currentItem() == m_paused)
        return SandboxState::Paused;
    return std::nullopt;
}

void StateFilter::setState(std::optional<SandboxState> state)
{
    m_list->setCurrentItem(!state ? m_all : *state == SandboxState::Running ? m_running : m_paused);
}

void StateFilter::refreshLook()
{
    // The selection here is a place, not a thing to act on: always pale, its icons as they are.
    QPalette colors = QApplication::palette();
    const QColor pale = colors.color(QPalette::Inactive, QPalette::Highlight);
    colors.setColor(QPalette::Active, QPalette::Highlight, pale);
    colors.setColor(QPalette::Active, QPalette::HighlightedText, colors.color(QPalette::Text));
    m_list->setPalette(colors);
    const auto icon = [this](const QString &name, theme::Token token) {
        const QPixmap drawn =
            theme::icon(name, token).pixmap(m_list->iconSize(), m_list->devicePixelRatioF());
        QIcon same;
        same.addPixmap(drawn, QIcon::Normal);
        same.addPixmap(drawn, QIcon::Selected);
        return same;
    };
    m_all->setIcon(0, icon(QStringLiteral("sandbox"), theme::Token::Secondary));
    m_running->setIcon(0, icon(QStringLiteral("state-running"), theme::Token::Running));
    m_paused->setIcon(0, icon(QStringLiteral("state-paused"), theme::Token::Paused));
}

} // namespace moru
