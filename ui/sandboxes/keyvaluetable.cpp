// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/keyvaluetable.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QKeyEvent>
#include <QSet>
#include <QStyledItemDelegate>

namespace moru {
namespace {

bool looksSecret(const QString &key)
{
    static const QStringList words{QStringLiteral("key"), QStringLiteral("token"),
                                   QStringLiteral("secret"), QStringLiteral("password"),
                                   QStringLiteral("passwd")};
    return std::any_of(words.cbegin(), words.cend(), [&key](const QString &word) {
        return key.contains(word, Qt::CaseInsensitive);
    });
}

/// Shows dots for secrets; editing shows the value.
class ValueDelegate final : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        const QString key = index.siblingAtColumn(0).data().toString();
        if (!option->text.isEmpty() && looksSecret(key))
            option->text = QString(8, QChar(0x2022));
    }
};

} // namespace

KeyValueTable::KeyValueTable(const QString &keyTitle, bool secretValues, QWidget *parent)
    : QTableWidget(0, 2, parent)
{
    setHorizontalHeaderLabels({keyTitle, tr("Value")});
    horizontalHeader()->setStretchLastSection(true);
    horizontalHeader()->setHighlightSections(false);
    horizontalHeader()->resizeSection(0, 180);
    horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    verticalHeader()->hide();
    verticalHeader()->setDefaultSectionSize(26);
    setSelectionMode(ExtendedSelection);
    setTabKeyNavigation(false);
    setEditTriggers(AnyKeyPressed | DoubleClicked | EditKeyPressed | SelectedClicked);
    if (secretValues)
        setItemDelegateForColumn(1, new ValueDelegate(this));
    connect(this, &QTableWidget::cellChanged, this, [this] {
        if (m_changing)
            return;
        keepEmptyRow();
        emit edited();
    });
    keepEmptyRow();
}

QMap<QString, QString> KeyValueTable::values() const
{
    QMap<QString, QString> result;
    for (int row = 0; row < rowCount(); ++row) {
        const QString key = textAt(row, 0).trimmed();
        if (!key.isEmpty())
            result.insert(key, textAt(row, 1));
    }
    return result;
}

void KeyValueTable::setValues(const QMap<QString, QString> &values)
{
    m_changing = true;
    setRowCount(0);
    for (auto it = values.cbegin(); it != values.cend(); ++it) {
        insertRow(rowCount());
        setRow(rowCount() - 1, it.key(), it.value());
    }
    m_changing = false;
    keepEmptyRow();
    emit edited();
}

QString KeyValueTable::problem() const
{
    QSet<QString> seen;
    for (int row = 0; row < rowCount(); ++row) {
        const QString key = textAt(row, 0).trimmed();
        if (key.isEmpty()) {
            if (!textAt(row, 1).isEmpty())
                return tr("Row %1 has a value but no name.").arg(row + 1);
            continue;
        }
        if (seen.contains(key))
            return tr("The name %1 occurs twice.").arg(key);
        seen.insert(key);
    }
    return {};
}

QList<std::pair<QString, QString>> KeyValueTable::parseLines(const QString &text)
{
    QList<std::pair<QString, QString>> pairs;
    const QStringList lines = text.split(QLatin1Char('\n'));
    for (const QString &raw : lines) {
        QString line = raw.trimmed();
        if (line.isEmpty() || line.startsWith(QLatin1Char('#')))
            continue;
        if (line.startsWith(QLatin1String("export ")))
            line = line.mid(7).trimmed();
        const qsizetype equals = line.indexOf(QLatin1Char('='));
        if (equals <= 0)
            continue;
        QString value = line.mid(equals + 1).trimmed();
        if (value.size() >= 2 && value.front() == value.back()
            && (value.front() == QLatin1Char('"') || value.front() == QLatin1Char('\'')))
            value = value.mid(1, value.size() - 2);
        pairs.append({line.left(equals).trimmed(), value});
    }
    return pairs;
}

void KeyValueTable::keyPressEvent(QKeyEvent *event)
{
    if (event->matches(QKeySequence::Paste)) {
        paste();
        return;
    }
    if (event->key() == Qt::Key_Delete || event->key() == Qt::Key_Backspace) {
        removeSelected();
        return;
    }
    // Enter edits here; the dialog's default button would close it under the user's hands.
    if (event->key() == Qt::Key_Return && event->modifiers() == Qt::NoModifier
        && currentIndex().isValid() && state() != EditingState) {
        edit(currentIndex());
        return;
    }
    QTableWidget::keyPressEvent(event);
}

void KeyValueTable::keepEmptyRow()
{
    const int last = rowCount() - 1;
    if (last >= 0 && textAt(last, 0).isEmpty() && textAt(last, 1).isEmpty())
        return;
    m_changing = true;
    insertRow(rowCount());
    setRow(rowCount() - 1, {}, {});
    m_changing = false;
}

void KeyValueTable::removeSelected()
{
    QSet<int> rows;
    const auto indexes = selectedIndexes();
    for (const QModelIndex &index : indexes)
        rows.insert(index.row());
    QList<int> ordered(rows.cbegin(), rows.cend());
    std::sort(ordered.begin(), ordered.end(), std::greater<>());
    for (const int row : std::as_const(ordered))
        removeRow(row);
    keepEmptyRow();
    emit edited();
}

void KeyValueTable::paste()
{
    const QString text = QGuiApplication::clipboard()->text();
    const auto pairs = parseLines(text);
    if (pairs.isEmpty()) {
        // Not a list of pairs: a value for this cell.
        if (QTableWidgetItem *cell = currentItem())
            cell->setText(text.simplified());
        return;
    }
    m_changing = true;
    for (const auto &[key, value] : pairs) {
        int row = 0;
        while (row < rowCount() && textAt(row, 0) != key
               && !(textAt(row, 0).isEmpty() && textAt(row, 1).isEmpty()))
            ++row;
        if (row == rowCount())
            insertRow(row);
        setRow(row, key, value);
    }
    m_changing = false;
    keepEmptyRow();
    emit edited();
}

void KeyValueTable::setRow(int row, const QString &key, const QString &value)
{
    setItem(row, 0, new QTableWidgetItem(key));
    setItem(row, 1, new QTableWidgetItem(value));
}

QString KeyValueTable::textAt(int row, int column) const
{
    const QTableWidgetItem *cell = item(row, column);
    return cell ? cell->text() : QString();
}

} // namespace moru
