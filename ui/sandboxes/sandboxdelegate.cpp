// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/sandboxdelegate.h"

#include "ui/common/format.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/presentation.h"

#include <QFontDatabase>
#include <QPainter>
#include <QTextLayout>

namespace moru {
namespace {

constexpr int padding = 8;
constexpr int iconSide = 16;
constexpr int barWidth = 48;
constexpr int barHeight = 6;
constexpr int shownLabels = 2;
constexpr int moreWidth = 24;         // of "+3"
constexpr qint64 warnBelow = 15 * 60; // seconds
constexpr qint64 dangerBelow = 5 * 60;

/// A cell is one line, whatever the text holds.
QString oneLine(QString text)
{
    for (QChar &c : text) {
        if (c.category() == QChar::Other_Control)
            c = QLatin1Char(' ');
    }
    return text;
}

} // namespace

struct SandboxDelegate::Cell {
    QPainter *painter = nullptr;
    QRect rect; ///< inside the padding
    QFont font;
    QColor text;
    QColor secondary;
    bool strong = false; ///< on the selection's colour: everything in `text`
    bool stale = false;

    [[nodiscard]] QColor token(theme::Token token) const
    {
        if (strong)
            return text;
        return stale ? secondary : theme::color(token);
    }
};

SandboxDelegate::SandboxDelegate(QObject *parent)
    : QStyledItemDelegate(parent)
    , m_fixed(QFontDatabase::systemFont(QFontDatabase::FixedFont))
{}

QString SandboxDelegate::endsIn(const SandboxRow &row, const QDateTime &now)
{
    if (row.sandbox.state == SandboxState::Paused || !row.sandbox.endAt.isValid())
        return QString(QChar(0x2013));
    const qint64 left = now.secsTo(row.sandbox.endAt);
    QString text = left <= 0 ? tr("now") : format::duration(left);
    if (left < warnBelow) {
        if (row.onTimeout)
            text = *row.onTimeout == OnTimeout::Kill ? tr("%1 (kill)").arg(text)
                                                     : tr("%1 (pause)").arg(text);
    }
    return text;
}

void SandboxDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option,
                            const QModelIndex &index) const
{
    const auto *row =
        static_cast<const SandboxRow *>(index.data(SandboxTableModel::RowRole).value<void *>());
    if (!row)
        return;
    const auto *model = static_cast<const SandboxTableModel *>(index.model());
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    // Strong only where the keyboard is; elsewhere the selection is remembered, not pressed on.
    const bool active =
        option.state.testFlag(QStyle::State_Active) && option.widget && option.widget->hasFocus();
    const auto group = active ? QPalette::Active : QPalette::Inactive;

    Cell cell;
    cell.painter = painter;
    cell.rect = option.rect.adjusted(padding, 0, -padding, -1);
    cell.font = option.font;
    cell.stale = m_stale;
    cell.strong = selected && active;
    cell.text =
        option.palette.color(group, cell.strong ? QPalette::HighlightedText : QPalette::Text);
    cell.secondary = cell.strong ? cell.text : theme::color(theme::Token::Secondary);
    if (m_stale && !cell.strong)
        cell.text = cell.secondary;

    if (cell.strong)
        painter->fillRect(option.rect, option.palette.color(group, QPalette::Highlight));
    else if (selected)
        painter->fillRect(option.rect, theme::color(theme::Token::PaleSelection));
    else if (index.row() == m_hoverRow)
        painter->fillRect(option.rect, theme::color(theme::Token::Hover));
    painter->fillRect(QRect(option.rect.left(), option.rect.bottom(), option.rect.width(), 1),
                      theme::color(theme::Token::Hairline));
    if (selected && !cell.strong && option.rect.left() <= 0) {
        // A pale selection must not depend on seeing a faint tint.
        painter->fillRect(QRect(option.rect.left(), option.rect.top(), 3, option.rect.height() - 1),
                          theme::color(theme::Token::Accent));
    }
    if (option.state.testFlag(QStyle::State_HasFocus) && !selected) {
        // The current row without selection: what the arrow keys have reached with Ctrl held.
        painter->fillRect(QRect(option.rect.left(), option.rect.top(), option.rect.width(), 1),
                          theme::color(theme::Token::Accent));
        painter->fillRect(QRect(option.rect.left(), option.rect.bottom(), option.rect.width(), 1),
                          theme::color(theme::Token::Accent));
    }

    const Sandbox &sandbox = row->sandbox;
    const bool paused = sandbox.state == SandboxState::Paused;
    switch (static_cast<SandboxTableModel::Column>(index.column())) {
    case SandboxTableModel::StateColumn:
        paintState(cell, *row);
        break;
    case SandboxTableModel::NameColumn:
        drawText(cell, cell.rect, sandbox.id, cell.text, m_fixed, Qt::AlignLeft, Qt::ElideMiddle,
                 true);
        break;
    case SandboxTableModel::TemplateColumn:
        drawText(cell, cell.rect, oneLine(presentation::templateName(sandbox)), cell.text,
                 cell.font, Qt::AlignLeft, Qt::ElideRight, true);
        break;
    case SandboxTableModel::StartedColumn:
        drawText(cell, cell.rect,
                 model->store() ? format::relative(sandbox.startedAt, model->store()->serverNow())
                                : QString(),
                 cell.text, cell.font, Qt::AlignLeft, Qt::ElideRight);
        break;
    case SandboxTableModel::EndsInColumn: {
        if (!model->store())
            break;
        const QDateTime now = model->store()->serverNow();
        QColor color = paused ? cell.secondary : cell.text;
        if (!paused && sandbox.endAt.isValid()) {
            const qint64 left = now.secsTo(sandbox.endAt);
            if (left < dangerBelow)
                color = cell.token(theme::Token::Danger);
            else if (left < warnBelow)
                color = cell.token(theme::Token::Warning);
        }
        drawText(cell, cell.rect, endsIn(*row, now), color, cell.font, Qt::AlignLeft,
                 Qt::ElideRight);
        break;
    }
    case SandboxTableModel::CpuColumn:
        if (row->metric && !paused)
            paintUsage(cell, row->metric->cpuUsedPercent / 100.0,
                       format::percent(row->metric->cpuUsedPercent));
        else
            drawText(cell, cell.rect, paused ? QString(QChar(0x2013)) : tr("no data"),
                     cell.secondary, cell.font, Qt::AlignRight, Qt::ElideRight);
        break;
    case SandboxTableModel::MemoryColumn:
        if (row->metric && row->metric->memTotal > 0 && !paused)
            paintUsage(cell,
                       static_cast<double>(row->metric->memUsed)
                           / static_cast<double>(row->metric->memTotal),
                       format::bytes(row->metric->memUsed));
        else
            drawText(cell, cell.rect, paused ? QString(QChar(0x2013)) : tr("no data"),
                     cell.secondary, cell.font, Qt::AlignRight, Qt::ElideRight);
        break;
    case SandboxTableModel::MetadataColumn:
        paintMetadata(cell, sandbox.metadata);
        break;
    case SandboxTableModel::ColumnCount:
        break;
    }
}

QSize SandboxDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    return {QStyledItemDelegate::sizeHint(option, index).width(), m_rowHeight};
}

void SandboxDelegate::clearCaches()
{
    m_texts.clear();
    m_icons.clear();
    m_fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
}

void SandboxDelegate::drawText(const Cell &cell, const QRect &rect, const QString &text,
                               const QColor &color, const QFont &font, Qt::Alignment alignment,
                               Qt::TextElideMode elide, bool matches) const
{
    if (text.isEmpty() || rect.width() <= 0)
        return;
    QPainter &painter = *cell.painter;
    painter.setPen(color);

    if (matches && !m_words.isEmpty()) {
        const QString shown = QFontMetrics(font).elidedText(text, elide, rect.width());
        QList<QTextLayout::FormatRange> ranges;
        for (const QString &word : m_words) {
            for (qsizetype at = shown.indexOf(word, 0, Qt::CaseInsensitive); at >= 0;
                 at = shown.indexOf(word, at + word.size(), Qt::CaseInsensitive)) {
                QTextLayout::FormatRange range;
                range.start = static_cast<int>(at);
                range.length = static_cast<int>(word.size());
                range.format.setFontUnderline(true);
                ranges << range;
            }
        }
        if (!ranges.isEmpty()) {
            QTextLayout layout(shown, font);
            layout.setFormats(ranges);
            layout.beginLayout();
            QTextLine line = layout.createLine();
            line.setLineWidth(rect.width() + 64);
            layout.endLayout();
            painter.save();
            painter.setClipRect(rect, Qt::IntersectClip);
            layout.draw(&painter,
                        QPointF(rect.left(), rect.top() + (rect.height() - line.height()) / 2));
            painter.restore();
            return;
        }
    }

    // Layout is what costs; the same few strings come back frame after frame.
    const QString key = QString::number(rect.width()) + QLatin1Char('/')
                        + QString::number(static_cast<int>(font.fixedPitch() || &font == &m_fixed))
                        + QLatin1Char('/')
                        + QString::number(font.pixelSize() * 100 + font.pointSize()) + text;
    QStaticText *laidOut = m_texts.object(key);
    if (!laidOut) {
        laidOut = new QStaticText(QFontMetrics(font).elidedText(text, elide, rect.width()));
        laidOut->setTextFormat(Qt::PlainText);
        laidOut->setPerformanceHint(QStaticText::AggressiveCaching);
        laidOut->prepare(painter.transform(), font);
        m_texts.insert(key, laidOut);
    }
    const QSizeF size = laidOut->size();
    qreal x = rect.left();
    if (alignment & Qt::AlignRight)
        x = rect.right() + 1 - size.width();
    else if (alignment & Qt::AlignHCenter)
        x = rect.left() + (rect.width() - size.width()) / 2;
    if (painter.font() != font)
        painter.setFont(font);
    painter.drawStaticText(QPointF(x, rect.top() + (rect.height() - size.height()) / 2), *laidOut);
}

void SandboxDelegate::paintState(const Cell &cell, const SandboxRow &row) const
{
    const presentation::DisplayState state = presentation::displayState(row);
    const QColor color = cell.token(presentation::stateToken(state));
    const qreal ratio = cell.painter->device()->devicePixelRatioF();
    const quint64 key = (static_cast<quint64>(color.rgba()) << 16)
                        | (static_cast<quint64>(state) << 8) | static_cast<quint64>(ratio * 16);
    QPixmap icon = m_icons.value(key);
    if (icon.isNull()) {
        icon = theme::icon(presentation::stateIcon(state)).pixmap(QSize(iconSide, iconSide), ratio);
        QPainter tint(&icon);
        tint.setCompositionMode(QPainter::CompositionMode_SourceIn);
        tint.fillRect(QRect(0, 0, iconSide, iconSide), color);
        tint.end();
        m_icons.insert(key, icon);
    }
    const int y = cell.rect.top() + (cell.rect.height() - iconSide) / 2;
    cell.painter->drawPixmap(QPoint(cell.rect.left(), y), icon);
    drawText(cell, cell.rect.adjusted(iconSide + padding, 0, 0, 0), presentation::stateWord(state),
             color, cell.font, Qt::AlignLeft, Qt::ElideRight);
}

void SandboxDelegate::paintUsage(const Cell &cell, double fraction, const QString &number) const
{
    fraction = std::clamp(fraction, 0.0, 1.0);
    QRect text = cell.rect;
    // The number keeps its place when the column gets too narrow for both.
    if (cell.rect.width() >= barWidth + padding + 40) {
        QPainter &painter = *cell.painter;
        const QRectF bar(cell.rect.left(), cell.rect.top() + (cell.rect.height() - barHeight) / 2.0,
                         barWidth, barHeight);
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        QColor track = cell.text;
        track.setAlphaF(0.16F);
        painter.setBrush(track);
        painter.drawRoundedRect(bar, 3, 3);
        if (fraction > 0) {
            QColor fill =
                cell.token(fraction >= 0.9 ? theme::Token::Warning : theme::Token::Accent);
            painter.setBrush(fill);
            QRectF filled = bar;
            filled.setWidth(std::max(3.0, bar.width() * fraction));
            painter.drawRoundedRect(filled, std::min(3.0, filled.width() / 2), 3);
        }
        painter.restore();
        text.setLeft(cell.rect.left() + barWidth + padding);
    }
    drawText(cell, text, number, cell.text, cell.font, Qt::AlignRight, Qt::ElideRight);
}

void SandboxDelegate::paintMetadata(const Cell &cell, const Metadata &metadata) const
{
    QPainter &painter = *cell.painter;
    const QFontMetrics metrics(cell.font);
    int x = cell.rect.left();
    int shown = 0;
    const int height = std::min(20, cell.rect.height() - 4);
    const int top = cell.rect.top() + (cell.rect.height() - height) / 2;
    // A name is what people look for; the rest in the order of its keys.
    const QString nameKey = QStringLiteral("name");
    auto next = metadata.cbegin();
    bool nameFirst = metadata.contains(nameKey);
    for (; shown < shownLabels; ++shown) {
        if (!nameFirst && next != metadata.cend() && next.key() == nameKey)
            ++next;
        if (!nameFirst && next == metadata.cend())
            break;
        const auto it = nameFirst ? metadata.constFind(nameKey) : next++;
        const QString text =
            oneLine(nameFirst ? it.value() : it.key() + QLatin1Char('=') + it.value());
        nameFirst = false;
        const int wanted = std::min(metrics.horizontalAdvance(text) + 2, 200) + 2 * padding;
        const bool isLast = shown + 1 == metadata.size();
        const int room = cell.rect.right() + 1 - x - (isLast ? 0 : moreWidth);
        const int width = std::min(wanted, room);
        if (width < 40)
            break;
        const QRect label(x, top, width, height);
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        QColor back = cell.text;
        back.setAlphaF(cell.strong ? 0.18F : 0.08F);
        painter.setPen(Qt::NoPen);
        painter.setBrush(back);
        painter.drawRoundedRect(label, 4, 4);
        painter.restore();
        drawText(cell, label.adjusted(padding, 0, -padding, 0), text, cell.text, cell.font,
                 Qt::AlignLeft, Qt::ElideRight, true);
        x += width + 4;
    }
    const qsizetype rest = metadata.size() - shown;
    if (rest > 0 && cell.rect.right() + 1 - x > 20)
        drawText(cell, QRect(x, cell.rect.top(), cell.rect.right() + 1 - x, cell.rect.height()),
                 QStringLiteral("+%1").arg(rest), cell.secondary, cell.font, Qt::AlignLeft,
                 Qt::ElideRight);
}

} // namespace moru
