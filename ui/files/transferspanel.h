// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/transferqueue.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QPushButton;
class QTableView;

namespace moru {

class ChoiceBar;
class TransferModel;

/// The up- and downloads under the tree: there only while they have something to say. Asks before
/// anything is overwritten.
class TransfersPanel : public QWidget {
    Q_OBJECT
public:
    /// `queue` must outlive the panel.
    explicit TransfersPanel(TransferQueue &queue, QWidget *parent = nullptr);
    ~TransfersPanel() override;

private:
    void update();
    void updateButtons();
    [[nodiscard]] QList<quint64> selectedIds() const;
    [[nodiscard]] const TransferItem *itemOf(quint64 id) const;

    TransferQueue &m_queue;
    TransferModel *m_model = nullptr;
    QLabel *m_summary = nullptr;
    QPushButton *m_cancel = nullptr;
    QPushButton *m_retry = nullptr;
    QPushButton *m_clear = nullptr;
    ChoiceBar *m_question = nullptr;
    QTableView *m_view = nullptr;
    quint64 m_asking = 0;
    QTimer m_fade;
    QTimer m_refresh;
};

} // namespace moru
