// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/tableheader.h"

#include "ui/common/theme.h"

#include <QPainter>

namespace moru {
namespace {

constexpr int arrowSide = 16;

} // namespace

TableHeader::TableHeader(QWidget *parent, int padding)
    : QHeaderView(Qt::Horizontal, parent)
    , m_padding(padding)
{
    setSectionsClickable(true);
}

void TableHeader::paintSection(QPainter *painter, const QRect &rect, int logicalIndex) const
{
    const QColor line = theme::color(theme::Token::Hairline);
    painter->save();
    painter->fillRect(rect, palette().color(QPalette::Window));
    painter->fillRect(QRect(rect.left(), rect.bottom(), rect.width(), 1), line);
    painter->fillRect(QRect(rect.right(), rect.top() + 7, 1, rect.height() - 14), line);

    const auto alignment = Qt::Alignment(
        model()->headerData(logicalIndex, orientation(), Qt::TextAlignmentRole).toInt());
    const bool right = alignment.testFlag(Qt::AlignRight);
    QRect inside = rect.adjusted(m_padding, 0, -m_padding, -1);
    if (isSortIndicatorShown() && sortIndicatorSection() == logicalIndex) {
        const bool descending = sortIndicatorOrder() == Qt::DescendingOrder;
        const QIcon arrow =
            theme::icon(descending ? QStringLiteral("collapse") : QStringLiteral("collapse-up"),
                        theme::Token::Secondary);
        const QRect place(right ? inside.left() : inside.right() - arrowSide + 1,
                          inside.center().y() - arrowSide / 2, arrowSide, arrowSide);
        arrow.paint(painter, place);
        inside.adjust(right ? arrowSide : 0, 0, right ? 0 : -arrowSide, 0);
    }
    painter->setPen(theme::color(theme::Token::Secondary));
    const QString text =
        model()->headerData(logicalIndex, orientation(), Qt::DisplayRole).toString();
    painter->drawText(inside, static_cast<int>(alignment | Qt::AlignVCenter),
                      painter->fontMetrics().elidedText(text, Qt::ElideRight, inside.width()));
    painter->restore();
}

void TableHeader::paintEvent(QPaintEvent *event)
{
    // What no column covers belongs to the header too.
    QPainter painter(viewport());
    painter.fillRect(viewport()->rect(), palette().color(QPalette::Window));
    painter.fillRect(QRect(0, viewport()->height() - 1, viewport()->width(), 1),
                     theme::color(theme::Token::Hairline));
    painter.end();
    QHeaderView::paintEvent(event);
}

} // namespace moru
