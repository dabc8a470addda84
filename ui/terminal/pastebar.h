// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/keyencoder.h"

#include <QFrame>
#include <QString>

class QLabel;
class QPushButton;

namespace moru {

/// Asks, above the terminal and without stopping it, before text with several lines or control
/// characters is pasted.
class PasteBar : public QFrame {
    Q_OBJECT
public:
    explicit PasteBar(QWidget *parent = nullptr);

    void ask(const QString &text, const paste::Risk &risk);

signals:
    void accepted(const QString &text);
    void closed();

protected:
    void keyPressEvent(QKeyEvent *event) override;

private:
    void finish(bool accept, bool filtered);

    QString m_text;
    QLabel *m_label = nullptr;
    QPushButton *m_paste = nullptr;
    QPushButton *m_filtered = nullptr;
    QPushButton *m_cancel = nullptr;
};

} // namespace moru
