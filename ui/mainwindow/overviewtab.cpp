// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/overviewtab.h"

#include "app/core/tooltip.h"
#include "ui/common/format.h"
#include "ui/common/tableheader.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/presentation.h"

#include <QFontDatabase>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace moru {
namespace {

void setText(QLabel &label, const QString &text)
{
    if (label.text() != text)
        label.setText(text);
}

QString used(qint64 part, qint64 whole)
{
    return QObject::tr("%1 of %2 (%3)")
        .arg(format::bytes(part), format::bytes(whole),
             format::percent(100.0 * static_cast<double>(part) / static_cast<double>(whole)));
}

constexpr qint64 mebibyte = 1024 * 1024;

} // namespace

OverviewTab::OverviewTab(QWidget *parent)
    : QScrollArea(parent)
{
    setObjectName(QStringLiteral("overviewTab"));
    setAccessibleName(tr("Overview"));
    setFrameShape(QFrame::NoFrame);
    setWidgetResizable(true);

    auto *content = new QWidget(this);
    content->setBackgroundRole(QPalette::Base);
    content->setAutoFillBackground(true);
    auto *layout = new QHBoxLayout(content);
    layout->setContentsMargins(16, 12, 16, 12);
    layout->setSpacing(24);

    m_facts = new QWidget(content);
    auto *form = new QFormLayout(m_facts);
    form->setContentsMargins(0, 0, 0, 0);
    form->setHorizontalSpacing(16);
    form->setVerticalSpacing(8);
    form->setLabelAlignment(Qt::AlignLeft);
    layout->addWidget(m_facts, 3);
    m_id = addFact(tr("ID"), QStringLiteral("overviewId"), true);
    m_state = addFact(tr("State"), QStringLiteral("overviewState"));
    m_template = addFact(tr("Template"), QStringLiteral("overviewTemplate"));
    m_started = addFact(tr("Started"), QStringLiteral("overviewStarted"));
    m_ends = addFact(tr("Ends"), QStringLiteral("overviewEnds"));
    m_cpu = addFact(tr("CPU"), QStringLiteral("overviewCpu"));
    m_memory = addFact(tr("Memory"), QStringLiteral("overviewMemory"));
    m_disk = addFact(tr("Disk"), QStringLiteral("overviewDisk"));
    m_version = addFact(tr("Agent version"), QStringLiteral("overviewVersion"));

    m_metadata = new QTreeWidget(content);
    m_metadata->setObjectName(QStringLiteral("overviewMetadata"));
    m_metadata->setAccessibleName(tr("Metadata"));
    m_metadata->setHeader(new TableHeader(m_metadata, 4));
    m_metadata->setFrameShape(QFrame::NoFrame);
    m_metadata->setHeaderLabels({tr("Metadata"), tr("Value")});
    m_metadata->setRootIsDecorated(false);
    m_metadata->setUniformRowHeights(true);
    m_metadata->setAllColumnsShowFocus(true);
    m_metadata->header()->setFixedHeight(28);
    m_metadata->header()->setStretchLastSection(true);
    m_metadata->header()->resizeSection(0, 140);
    m_metadata->setMinimumWidth(240);
    m_metadata->setMinimumHeight(96);
    layout->addWidget(m_metadata, 2);
    setWidget(content);
    setFocusProxy(m_metadata);
}

void OverviewTab::showRow(const SandboxRow &row, const QDateTime &now)
{
    const Sandbox &sandbox = row.sandbox;
    const bool paused = sandbox.state == SandboxState::Paused;
    setText(*m_id, sandbox.id);
    setText(*m_state, presentation::stateWord(presentation::displayState(row)));
    setText(*m_template, sandbox.alias.isEmpty() || sandbox.alias == sandbox.templateId
                             ? sandbox.templateId
                             : QStringLiteral("%1 (%2)").arg(sandbox.alias, sandbox.templateId));
    setText(*m_started, QStringLiteral("%1 (%2)").arg(format::relative(sandbox.startedAt, now),
                                                      format::absolute(sandbox.startedAt)));
    if (paused) {
        setText(*m_ends,
                tr("Not while it is paused (since %1)").arg(format::absolute(sandbox.endAt)));
    } else {
        QString ends = tr("in %1 (%2)")
                           .arg(format::duration(std::max<qint64>(0, now.secsTo(sandbox.endAt))),
                                format::absolute(sandbox.endAt));
        if (row.onTimeout)
            ends = *row.onTimeout == OnTimeout::Kill ? tr("%1, then it is killed").arg(ends)
                                                     : tr("%1, then it is paused").arg(ends);
        setText(*m_ends, ends);
    }
    const QString noData = tr("no data");
    setText(*m_cpu, row.metric && !paused ? tr("%1 of %2")
                                                .arg(format::percent(row.metric->cpuUsedPercent),
                                                     presentation::cores(sandbox.cpuCount))
                                          : presentation::cores(sandbox.cpuCount));
    setText(*m_memory, row.metric && row.metric->memTotal > 0 && !paused
                           ? used(row.metric->memUsed, row.metric->memTotal)
                       : sandbox.memoryMiB > 0 ? format::bytes(sandbox.memoryMiB * mebibyte)
                                               : noData);
    setText(*m_disk, row.metric && row.metric->diskTotal > 0
                         ? used(row.metric->diskUsed, row.metric->diskTotal)
                     : sandbox.diskMiB > 0 ? format::bytes(sandbox.diskMiB * mebibyte)
                                           : noData);
    setText(*m_version, sandbox.envdVersion.isEmpty() ? noData : sandbox.envdVersion);
    showMetadata(sandbox.metadata);
}

void OverviewTab::showEnded()
{
    setText(*m_state, tr("Ended"));
    setText(*m_ends, tr("It has ended"));
}

QLabel *OverviewTab::addFact(const QString &title, const QString &name, bool fixedPitch)
{
    auto *caption = new QLabel(title, m_facts);
    caption->setForegroundRole(QPalette::PlaceholderText);
    auto *value = new QLabel(m_facts);
    value->setObjectName(name);
    value->setTextFormat(Qt::PlainText);
    value->setWordWrap(true);
    value->setTextInteractionFlags(Qt::TextSelectableByMouse);
    if (fixedPitch)
        value->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    static_cast<QFormLayout *>(m_facts->layout())->addRow(caption, value);
    return value;
}

void OverviewTab::showMetadata(const Metadata &metadata)
{
    if (metadata == m_shownMetadata && m_metadata->topLevelItemCount() > 0)
        return;
    m_shownMetadata = metadata;
    m_metadata->clear();
    for (auto it = metadata.cbegin(); it != metadata.cend(); ++it) {
        auto *item =
            new QTreeWidgetItem(m_metadata, {it.key().simplified(), it.value().simplified()});
        item->setSizeHint(0, QSize(0, 24));
        item->setToolTip(1, plainToolTip(it.value().left(500)));
    }
    if (metadata.isEmpty()) {
        auto *item = new QTreeWidgetItem(m_metadata, {tr("none")});
        item->setSizeHint(0, QSize(0, 24));
        item->setDisabled(true);
    }
}

} // namespace moru
