// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/commands/outputview.h"

#include "ui/common/theme.h"

#include <QElapsedTimer>
#include <QFontDatabase>
#include <QPaintEvent>
#include <QPainter>
#include <QScrollBar>
#include <QTextBlock>

namespace moru {

namespace {

constexpr int kStepMs = 16;
constexpr qint64 kStepBudgetMs = 4;
constexpr qint64 kPiece = 2048;
constexpr int kCalmMs = 250;
// When this much waits, it is a flood and only the end is worth painting.
constexpr qint64 kFlood = 256 << 10;
constexpr qint64 kTail = 8 << 10;
constexpr int kChannelProperty = QTextFormat::UserProperty + 1;
constexpr int kGutterPadding = 4;

} // namespace

class OutputView::Gutter : public QWidget {
public:
    explicit Gutter(OutputView &view)
        : QWidget(&view)
        , m_view(view)
    {
        setToolTip(OutputView::tr("err: written to stderr"));
    }

protected:
    void paintEvent(QPaintEvent *event) override { m_view.paintGutter(*event); }

private:
    OutputView &m_view;
};

OutputView::OutputView(QWidget *parent)
    : QPlainTextEdit(parent)
    , m_gutter(new Gutter(*this))
{
    setObjectName(QStringLiteral("commandOutput"));
    setAccessibleName(tr("Output of the command"));
    setReadOnly(true);
    setUndoRedoEnabled(false);
    setFrameShape(QFrame::NoFrame);
    setLineWrapMode(QPlainTextEdit::NoWrap);
    setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    setMaximumBlockCount(int(CommandOutput::kMaxLines));
    setTabChangesFocus(true);
    m_step.setSingleShot(true);
    m_step.setInterval(kStepMs);
    m_calm.setSingleShot(true);
    m_calm.setInterval(kCalmMs);
    connect(&m_step, &QTimer::timeout, this, &OutputView::step);
    connect(&m_calm, &QTimer::timeout, this, [this] {
        if (m_output && m_partial)
            restart(m_output->begin());
    });
    connect(this, &QPlainTextEdit::updateRequest, m_gutter, [this] { m_gutter->update(); });
    connect(&theme::notifier(), &theme::Notifier::changed, this, &OutputView::applyTheme);
    applyTheme();
}

void OutputView::setOutput(const CommandOutput *output)
{
    m_output = output;
    m_calm.stop();
    restart(output ? output->begin() : 0);
}

void OutputView::restart(qint64 from)
{
    clear();
    m_first = from;
    m_shown = from;
    m_partial = m_output && from > m_output->begin();
    if (m_output && m_shown < m_output->end())
        m_step.start(0);
    else
        m_step.stop();
}

void OutputView::follow()
{
    if (m_partial)
        m_calm.start();
    if (!m_step.isActive())
        m_step.start();
}

bool OutputView::isComplete() const
{
    return !m_output || (!m_partial && m_shown == m_output->end());
}

void OutputView::step()
{
    if (!m_output)
        return;
    const bool dropped = m_shown < m_output->begin();
    if (dropped || (m_partial && m_output->end() - m_shown > kFlood)) {
        restart(qMax(m_output->begin(), m_output->end() - kTail));
        if (m_partial)
            m_calm.start();
    }
    // The view drops lines at its head, but long lines could still fill the memory.
    if (m_shown - m_first > 2 * CommandOutput::kMaxChars)
        restart(m_output->begin());

    QScrollBar *bar = verticalScrollBar();
    const bool follows = bar->value() >= bar->maximum();
    QTextCursor cursor(document());
    cursor.movePosition(QTextCursor::End);
    QElapsedTimer clock;
    clock.start();
    while (m_shown < m_output->end() && clock.elapsed() < kStepBudgetMs) {
        cursor.beginEditBlock();
        m_shown =
            m_output->read(m_shown, kPiece, [&](CommandOutput::Channel channel, QStringView text) {
                cursor.insertText(text.toString(), m_formats[int(channel)]);
            });
        cursor.endEditBlock();
    }
    if (follows)
        bar->setValue(bar->maximum());
    if (m_shown < m_output->end())
        m_step.start();
}

void OutputView::applyTheme()
{
    const QFont font = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    setFont(font);
    // Stdout has the palette's colour, which follows by itself.
    QTextCharFormat &err = m_formats[int(CommandOutput::Channel::Stderr)];
    err.setForeground(theme::color(theme::Token::Warning));
    err.setProperty(kChannelProperty, true);
    placeGutter();
    if (m_output)
        restart(m_output->begin());
}

void OutputView::placeGutter()
{
    const int width =
        QFontMetrics(font()).horizontalAdvance(QStringLiteral("err")) + 2 * kGutterPadding;
    setViewportMargins(width, 0, 0, 0);
    const QRect area = contentsRect();
    m_gutter->setGeometry(area.left(), area.top(), width, area.height());
}

void OutputView::resizeEvent(QResizeEvent *event)
{
    QPlainTextEdit::resizeEvent(event);
    placeGutter();
}

void OutputView::paintGutter(const QPaintEvent &event)
{
    QPainter painter(m_gutter);
    painter.fillRect(event.rect(), palette().color(QPalette::AlternateBase));
    painter.setFont(font());
    painter.setPen(theme::color(theme::Token::Warning));
    for (QTextBlock block = firstVisibleBlock(); block.isValid(); block = block.next()) {
        const QRectF area = blockBoundingGeometry(block).translated(contentOffset());
        if (area.top() > event.rect().bottom())
            break;
        bool marked = false;
        for (auto it = block.begin(); !it.atEnd() && !marked; ++it)
            marked = it.fragment().charFormat().hasProperty(kChannelProperty);
        if (marked)
            painter.drawText(QRectF(kGutterPadding, area.top(), m_gutter->width(), area.height()),
                             Qt::AlignLeft | Qt::AlignTop, QStringLiteral("err"));
    }
}

} // namespace moru
