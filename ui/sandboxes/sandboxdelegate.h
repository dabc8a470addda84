// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/models/sandboxtablemodel.h"

#include <QCache>
#include <QDateTime>
#include <QHash>
#include <QPixmap>
#include <QStaticText>
#include <QStyledItemDelegate>

namespace moru {

/// Paints the cells of the sandbox table straight from the store's rows: no strings through the
/// model, laid-out text kept between frames, no widgets.
class SandboxDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    explicit SandboxDelegate(QObject *parent = nullptr);

    /// The row under the pointer; -1 = none.
    void setHoverRow(int row) { m_hoverRow = row; }
    [[nodiscard]] int hoverRow() const { return m_hoverRow; }
    /// Old data: everything in the secondary colour.
    void setStale(bool stale) { m_stale = stale; }
    /// Of every row, in px.
    void setRowHeight(int height) { m_rowHeight = height; }
    [[nodiscard]] int rowHeight() const { return m_rowHeight; }
    /// The words to underline, lower case.
    void setMatches(const QStringList &words) { m_words = words; }
    /// "24 min", "3 min (kill)"; a dash for what does not end.
    [[nodiscard]] static QString endsIn(const SandboxRow &row, const QDateTime &now);

    void paint(QPainter *painter, const QStyleOptionViewItem &option,
               const QModelIndex &index) const override;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option,
                                 const QModelIndex &index) const override;
    /// Forgets laid-out text and tinted icons (font, palette or screen changed).
    void clearCaches();

private:
    struct Cell;
    void drawText(const Cell &cell, const QRect &rect, const QString &text, const QColor &color,
                  const QFont &font, Qt::Alignment alignment, Qt::TextElideMode elide,
                  bool matches = false) const;
    void paintState(const Cell &cell, const SandboxRow &row) const;
    void paintUsage(const Cell &cell, double fraction, const QString &number) const;
    void paintMetadata(const Cell &cell, const Metadata &metadata) const;

    int m_rowHeight = 28;
    int m_hoverRow = -1;
    bool m_stale = false;
    QStringList m_words;
    QFont m_fixed;
    mutable QCache<QString, QStaticText> m_texts{4096};
    mutable QHash<quint64, QPixmap> m_icons;
};

} // namespace moru
