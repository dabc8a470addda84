// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QElapsedTimer>
#include <QPushButton>

namespace moru {

/// A button for what cannot be undone. While arming it answers to nothing in its first 300 ms on
/// screen, so that the click or key that opened the dialog does not run through it; it never
/// answers to a held-down key, and is never the default button.
class ArmedButton : public QPushButton {
    Q_OBJECT
public:
    explicit ArmedButton(const QString &text, QWidget *parent = nullptr);

    static constexpr int armingMs = 300;
    /// Off makes it an ordinary button. On by default.
    void setArming(bool arming);
    /// Begins the 300 ms anew (the question changed under the pointer).
    void rearm();
    [[nodiscard]] bool isArmed() const;

protected:
    bool event(QEvent *event) override;
    void showEvent(QShowEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void keyReleaseEvent(QKeyEvent *event) override;

private:
    bool m_arming = true;
    QElapsedTimer m_shown;
};

} // namespace moru
