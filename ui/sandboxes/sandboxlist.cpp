// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/sandboxlist.h"

#include "app/models/sandboxtablemodel.h"
#include "ui/common/format.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/sandboxtableview.h"

#include <QPainter>
#include <QStackedLayout>

#include <array>

namespace moru {
namespace {

/// Grey bars where rows will be.
class Skeleton final : public QWidget {
public:
    using QWidget::QWidget;

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter painter(this);
        painter.fillRect(rect(), palette().color(QPalette::Base));
        painter.fillRect(QRect(0, 0, width(), 28), palette().color(QPalette::Window));
        painter.fillRect(QRect(0, 27, width(), 1), theme::color(theme::Token::Hairline));
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme::color(theme::Token::Hairline));
        // Where the columns begin, and how much of each is filled.
        constexpr std::array columns{std::pair{8, 72},   std::pair{112, 160}, std::pair{296, 56},
                                     std::pair{376, 72}, std::pair{472, 96},  std::pair{600, 96},
                                     std::pair{712, 120}};
        for (int row = 0; row < 8; ++row) {
            const int y = 28 + row * 28 + 9;
            for (const auto &[x, width] : columns)
                painter.drawRoundedRect(x, y, width - (row * 13 + x) % 24, 10, 5, 5);
        }
    }
};

} // namespace

SandboxList::SandboxList(SandboxTableModel &model, QWidget *parent)
    : QWidget(parent)
    , m_model(model)
{
    setObjectName(QStringLiteral("sandboxList"));
    m_pages = new QStackedLayout(this);
    m_pages->setContentsMargins(0, 0, 0, 0);

    m_table = new SandboxTableView(this);
    m_table->setSandboxModel(&model);
    m_empty = new Placeholder(QStringLiteral("emptyState"), QStringLiteral("emptyNewButton"), this);
    m_empty->setContent(
        QStringLiteral("sandbox"), tr("No sandboxes yet."),
        tr("A sandbox is a small machine of its own: run commands and programs in it, then throw "
           "it away."),
        tr("&New sandbox"));
    m_noMatch =
        new Placeholder(QStringLiteral("noMatchState"), QStringLiteral("clearFilterButton"), this);
    m_noMatch->setContent(QStringLiteral("search"), tr("No sandbox matches."),
                          tr("The filter hides all of them."), tr("C&lear the filter"));
    m_failed = new Placeholder(QStringLiteral("failedState"), QStringLiteral("retryButton"), this);
    m_offlinePage =
        new Placeholder(QStringLiteral("offlineState"), QStringLiteral("offlineButton"), this);
    m_skeleton = new Skeleton(this);
    m_skeleton->setObjectName(QStringLiteral("loadingState"));
    m_skeleton->setAccessibleName(tr("Loading the list of sandboxes"));
    m_blank = new QWidget(this);
    for (QWidget *page :
         {static_cast<QWidget *>(m_empty), static_cast<QWidget *>(m_noMatch),
          static_cast<QWidget *>(m_failed), static_cast<QWidget *>(m_offlinePage), m_blank}) {
        page->setBackgroundRole(QPalette::Base);
        page->setAutoFillBackground(true);
    }
    for (QWidget *page : {static_cast<QWidget *>(m_table), static_cast<QWidget *>(m_empty),
                          static_cast<QWidget *>(m_noMatch), static_cast<QWidget *>(m_failed),
                          static_cast<QWidget *>(m_offlinePage), m_skeleton, m_blank})
        m_pages->addWidget(page);

    connect(m_empty, &Placeholder::actionTriggered, this, &SandboxList::newRequested);
    connect(m_noMatch, &Placeholder::actionTriggered, this, &SandboxList::clearFilterRequested);
    connect(m_failed, &Placeholder::actionTriggered, this, &SandboxList::retryRequested);
    connect(m_offlinePage, &Placeholder::actionTriggered, this,
            &SandboxList::offlineActionTriggered);

    m_skeletonDelay.setSingleShot(true);
    m_skeletonDelay.setInterval(150);
    connect(&m_skeletonDelay, &QTimer::timeout, this, &SandboxList::refresh);

    connect(&m_model, &QAbstractItemModel::rowsInserted, this, &SandboxList::refresh);
    connect(&m_model, &QAbstractItemModel::rowsRemoved, this, &SandboxList::refresh);
    connect(&m_model, &QAbstractItemModel::modelReset, this, &SandboxList::refresh);
    connect(&m_model, &QAbstractItemModel::layoutChanged, this, &SandboxList::refresh);
    refresh();
}

void SandboxList::setStore(SandboxStore *store)
{
    if (m_store)
        disconnect(m_store, nullptr, this, nullptr);
    m_store = store;
    m_skeletonDelay.start();
    if (store) {
        connect(store, &SandboxStore::phaseChanged, this, &SandboxList::refresh);
        // The model lets go of the last row while the store still counts it.
        connect(store, &SandboxStore::rowsRemoved, this, &SandboxList::refresh);
    }
    refresh();
}

void SandboxList::setOffline(const QString &title, const QString &text, const QString &action)
{
    m_offline = !title.isEmpty();
    if (m_offline)
        m_offlinePage->setContent(QStringLiteral("engine"), title, text, action);
    refresh();
}

void SandboxList::setFiltered(bool filtered)
{
    if (m_filtered == filtered)
        return;
    m_filtered = filtered;
    refresh();
}

void SandboxList::refresh()
{
    const auto phase = m_store ? m_store->phase() : SandboxStore::Phase::Idle;
    QWidget *page = m_table;
    if (m_store && m_store->count() > 0) {
        page = m_model.rowCount() > 0 || !m_filtered ? static_cast<QWidget *>(m_table) : m_noMatch;
    } else if (m_offline) {
        page = m_offlinePage;
    } else {
        switch (phase) {
        case SandboxStore::Phase::Idle:
        case SandboxStore::Phase::Loading:
            page = m_skeletonDelay.isActive() ? m_blank : m_skeleton;
            break;
        case SandboxStore::Phase::Failed:
            m_failed->setContent(QStringLiteral("error"), tr("The list could not be read."),
                                 format::sentence(m_store->lastError()), tr("&Retry"));
            page = m_failed;
            break;
        case SandboxStore::Phase::Ready:
        case SandboxStore::Phase::Stale:
            page = m_empty;
            break;
        }
    }
    if (m_pages->currentWidget() == page)
        return;
    // The keyboard stays where people look: in this place, whatever fills it.
    const QWidget *focus = focusWidget();
    const bool hadFocus = focus && focus->hasFocus() && isAncestorOf(focus);
    m_pages->setCurrentWidget(page);
    if (!hadFocus)
        return;
    if (auto *placeholder = qobject_cast<Placeholder *>(page))
        placeholder->setFocus();
    else
        page->setFocus();
}

} // namespace moru
