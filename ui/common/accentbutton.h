// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPushButton>

namespace moru {

/// The one emphasised button of a window: filled with the selection's colour, flat.
class AccentButton : public QPushButton {
    Q_OBJECT
public:
    explicit AccentButton(const QString &text, QWidget *parent = nullptr);

protected:
    void paintEvent(QPaintEvent *event) override;
};

} // namespace moru
