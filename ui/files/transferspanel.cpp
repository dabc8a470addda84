// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/transferspanel.h"

#include "app/models/transfermodel.h"
#include "app/stores/filename.h"
#include "ui/common/theme.h"
#include "ui/files/choicebar.h"
#include "ui/files/filewords.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QShortcut>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QVBoxLayout>

namespace moru {

namespace {

constexpr int kRowHeight = 28;
constexpr int kFadeMs = 10000;
constexpr int kRefreshMs = 100;

class TransferDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        option->textElideMode = Qt::ElideMiddle;
        if (index.column() == TransferModel::FileColumn) {
            const bool download = index.data(TransferModel::DirectionRole).toInt()
                                  == int(TransferItem::Direction::Download);
            option->features |= QStyleOptionViewItem::HasDecoration;
            option->decorationSize = QSize(16, 16);
            option->icon =
                theme::icon(download ? QStringLiteral("download") : QStringLiteral("upload"));
        } else if (index.column() == TransferModel::StateColumn) {
            option->textElideMode = Qt::ElideRight;
            const auto *item = static_cast<const TransferItem *>(
                index.data(TransferModel::ItemRole).value<void *>());
            option->text = filewords::state(*item);
            if (!(option->state & QStyle::State_Selected)) {
                const bool failed = item->state == TransferItem::State::Failed;
                const bool done = item->state == TransferItem::State::Done;
                option->palette.setColor(QPalette::Text,
                                         theme::color(failed ? theme::Token::Danger
                                                      : done ? theme::Token::Running
                                                             : theme::Token::Secondary));
            }
        }
    }

    void paint(QPainter *painter, const QStyleOptionViewItem &option,
               const QModelIndex &index) const override
    {
        if (index.column() != TransferModel::ProgressColumn) {
            QStyledItemDelegate::paint(painter, option, index);
            return;
        }
        QStyleOptionViewItem cell = option;
        initStyleOption(&cell, index);
        if (const QWidget *widget = option.widget)
            widget->style()->drawPrimitive(QStyle::PE_PanelItemViewItem, &cell, painter, widget);
        const int percent = index.data().toInt();
        const int textWidth = option.fontMetrics.horizontalAdvance(QStringLiteral("100 %")) + 16;
        const QRect track(option.rect.left() + 8, option.rect.center().y() - 2,
                          qMax(0, option.rect.width() - textWidth - 8), 6);
        painter->fillRect(track, theme::color(theme::Token::Hairline));
        if (percent < 0)
            return;
        painter->fillRect(
            QRect(track.topLeft(), QSize(track.width() * percent / 100, track.height())),
            theme::color(theme::Token::Accent));
        painter->setPen(cell.palette.color(
            cell.state & QStyle::State_Selected ? QPalette::HighlightedText : QPalette::Text));
        painter->drawText(option.rect.adjusted(0, 0, -8, 0), Qt::AlignRight | Qt::AlignVCenter,
                          tr("%1 %").arg(percent));
    }
};

} // namespace

TransfersPanel::TransfersPanel(TransferQueue &queue, QWidget *parent)
    : QWidget(parent)
    , m_queue(queue)
    , m_model(new TransferModel(queue, this))
{
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);

    auto *head = new QHBoxLayout;
    head->setContentsMargins(8, 4, 8, 4);
    head->setSpacing(8);
    m_summary = new QLabel(this);
    m_summary->setObjectName(QStringLiteral("transfersSummary"));
    m_summary->setTextFormat(Qt::PlainText);
    head->addWidget(m_summary, 1);
    const auto button = [&](const QString &text, const QString &spoken, const char *name) {
        auto *b = new QPushButton(text, this);
        b->setObjectName(QLatin1String(name));
        b->setAccessibleName(spoken);
        b->setAutoDefault(false);
        head->addWidget(b);
        return b;
    };
    m_cancel =
        button(tr("Cancel"), tr("Cancel the selected transfers, or all"), "cancelTransferButton");
    m_retry = button(tr("Retry"), tr("Retry the failed transfers"), "retryTransferButton");
    m_clear = button(tr("Clear"), tr("Clear the finished transfers"), "clearTransfersButton");
    layout->addLayout(head);

    m_question = new ChoiceBar({{QStringLiteral("overwriteButton"), tr("Overwrite")},
                                {QStringLiteral("keepBothButton"), tr("Keep both")},
                                {QStringLiteral("skipButton"), tr("Skip")}},
                               tr("Same for all"), this);
    m_question->setObjectName(QStringLiteral("overwriteBar"));
    layout->addWidget(m_question);

    m_view = new QTableView(this);
    m_view->setObjectName(QStringLiteral("transfersView"));
    m_view->setAccessibleName(tr("Transfers"));
    m_view->setModel(m_model);
    m_view->setItemDelegate(new TransferDelegate(m_view));
    m_view->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_view->setShowGrid(false);
    m_view->setWordWrap(false);
    m_view->setTabKeyNavigation(false);
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->verticalHeader()->hide();
    m_view->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    m_view->verticalHeader()->setDefaultSectionSize(kRowHeight);
    m_view->horizontalHeader()->hide();
    m_view->horizontalHeader()->setSectionResizeMode(TransferModel::FileColumn,
                                                     QHeaderView::Stretch);
    m_view->horizontalHeader()->setSectionResizeMode(TransferModel::TargetColumn,
                                                     QHeaderView::Stretch);
    m_view->horizontalHeader()->resizeSection(TransferModel::ProgressColumn, 160);
    m_view->horizontalHeader()->resizeSection(TransferModel::StateColumn, 280);
    layout->addWidget(m_view, 1);

    connect(m_cancel, &QPushButton::clicked, this, [this] {
        auto ids = selectedIds();
        if (ids.isEmpty()) {
            for (int i = 0; i < m_queue.count(); ++i)
                ids.append(m_queue.at(i).id);
        }
        for (const quint64 id : std::as_const(ids))
            m_queue.cancel(id);
    });
    connect(m_retry, &QPushButton::clicked, this, [this] {
        auto ids = selectedIds();
        if (ids.isEmpty()) {
            for (int i = 0; i < m_queue.count(); ++i)
                ids.append(m_queue.at(i).id);
        }
        for (const quint64 id : std::as_const(ids))
            m_queue.retry(id);
    });
    connect(m_clear, &QPushButton::clicked, this, [this] { m_queue.clearFinished(); });
    connect(m_question, &ChoiceBar::answered, this, [this](int answer) {
        static constexpr TransferQueue::Decision decisions[] = {TransferQueue::Decision::Overwrite,
                                                                TransferQueue::Decision::KeepBoth,
                                                                TransferQueue::Decision::Skip};
        m_queue.resolve(std::exchange(m_asking, 0), decisions[answer], m_question->isForAll());
        update();
    });
    connect(m_view->selectionModel(), &QItemSelectionModel::selectionChanged, this,
            &TransfersPanel::updateButtons);
    auto *remove = new QShortcut(QKeySequence::Delete, m_view);
    remove->setContext(Qt::WidgetShortcut);
    connect(remove, &QShortcut::activated, m_cancel, &QPushButton::click);

    m_fade.setSingleShot(true);
    m_fade.setInterval(kFadeMs);
    connect(&m_fade, &QTimer::timeout, this, [this] { m_queue.clearFinished(); });
    // Progress comes many times a second from each transfer; the words need not.
    m_refresh.setSingleShot(true);
    m_refresh.setInterval(kRefreshMs);
    connect(&m_refresh, &QTimer::timeout, this, &TransfersPanel::update);
    connect(&queue, &TransferQueue::itemChanged, this, [this] {
        if (!m_refresh.isActive())
            m_refresh.start();
    });
    connect(&queue, &TransferQueue::itemAdded, this, &TransfersPanel::update);
    connect(&queue, &TransferQueue::itemsRemoved, this, &TransfersPanel::update);
    connect(&theme::notifier(), &theme::Notifier::changed, m_view->viewport(),
            qOverload<>(&QWidget::update));
    update();
}

TransfersPanel::~TransfersPanel() = default;

QList<quint64> TransfersPanel::selectedIds() const
{
    QList<quint64> ids;
    const auto rows = m_view->selectionModel()->selectedRows();
    for (const QModelIndex &row : rows)
        ids.append(row.data(TransferModel::IdRole).toULongLong());
    return ids;
}

const TransferItem *TransfersPanel::itemOf(quint64 id) const
{
    const int index = m_queue.indexOf(id);
    return index < 0 ? nullptr : &m_queue.at(index);
}

void TransfersPanel::update()
{
    int failed = 0;
    for (int i = 0; i < m_queue.count(); ++i) {
        failed += m_queue.at(i).state == TransferItem::State::Failed ? 1 : 0;
    }
    const int active = m_queue.activeCount();
    setVisible(m_queue.count() > 0);
    if (active > 0)
        m_summary->setText(tr("Transfers: %n under way", nullptr, active));
    else if (failed > 0)
        m_summary->setText(tr("Transfers: %n failed", nullptr, failed));
    else
        m_summary->setText(tr("Transfers: finished"));
    if (active == 0 && failed == 0 && m_queue.count() > 0) {
        if (!m_fade.isActive())
            m_fade.start();
    } else {
        m_fade.stop();
    }

    const TransferItem *current = itemOf(m_asking);
    if (!current || current->state != TransferItem::State::Asking) {
        m_question->hide();
        m_asking = 0;
        const int next = m_queue.firstAsking();
        if (next >= 0) {
            const TransferItem &item = m_queue.at(next);
            m_asking = item.id;
            const bool download = item.direction == TransferItem::Direction::Download;
            const QString name = filename::display(download ? QFileInfo(item.localPath).fileName()
                                                            : filename::baseOf(item.remotePath));
            m_question->ask(
                download
                    ? tr("“%1” exists on this computer (%2). In the sandbox: %3.")
                          .arg(name, filewords::side(item.target), filewords::side(item.source))
                    : tr("“%1” exists in the sandbox (%2). On this computer: %3.")
                          .arg(name, filewords::side(item.target), filewords::side(item.source)));
        }
    }
    m_question->setForAllVisible(active > 1);
    updateButtons();
}

void TransfersPanel::updateButtons()
{
    const auto selected = selectedIds();
    bool cancelable = false;
    bool retryable = false;
    bool clearable = false;
    for (int i = 0; i < m_queue.count(); ++i) {
        const TransferItem &item = m_queue.at(i);
        clearable = clearable || !item.isActive();
        if (!selected.isEmpty() && !selected.contains(item.id))
            continue;
        cancelable = cancelable || item.isActive();
        retryable = retryable || item.state == TransferItem::State::Failed
                    || item.state == TransferItem::State::Canceled;
    }
    m_cancel->setEnabled(cancelable);
    m_cancel->setText(selected.isEmpty() ? tr("Cancel all") : tr("Cancel"));
    m_retry->setEnabled(retryable);
    m_clear->setEnabled(clearable);
}

} // namespace moru
