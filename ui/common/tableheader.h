// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QHeaderView>

namespace moru {

/// A quiet column header whose texts stand over the cells' texts.
class TableHeader : public QHeaderView {
    Q_OBJECT
public:
    /// `padding` = px before the cells' texts.
    explicit TableHeader(QWidget *parent = nullptr, int padding = 8);

protected:
    void paintSection(QPainter *painter, const QRect &rect, int logicalIndex) const override;
    void paintEvent(QPaintEvent *event) override;

private:
    int m_padding;
};

} // namespace moru
