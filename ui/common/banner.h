// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"
#include "ui/common/theme.h"

#include <QFrame>

class QLabel;
class QPushButton;

namespace moru {

/// The bar above content that tells of something that went wrong or needs knowing: icon, sentence,
/// optional action, Details, close. Hidden until shown; never modal.
class Banner : public QFrame {
    Q_OBJECT
public:
    explicit Banner(QWidget *parent = nullptr);
    enum class Level { Info, Warning, Error };
    /// `action` = button text ("Retry"), empty = none; clicking emits actionTriggered().
    void showMessage(Level level, const QString &text, const QString &action = {},
                     const QString &details = {});
    void showError(const Error &error, const QString &what, const QString &action = {});
    void clear();

signals:
    void actionTriggered();
    void dismissed();

protected:
    void paintEvent(QPaintEvent *event) override;

private:
    void updateIcon();

    Level m_level = Level::Info;
    theme::Token m_token = theme::Token::Changing;
    QLabel *m_icon = nullptr;
    QLabel *m_text = nullptr;
    QPushButton *m_action = nullptr;
    QPushButton *m_details = nullptr;
    QPushButton *m_close = nullptr;
    QString m_detailText;
};

} // namespace moru
