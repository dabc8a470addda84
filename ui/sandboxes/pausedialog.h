// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connection.h"

#include <QDialog>

class QCheckBox;

namespace moru {

/// The short question before a pause: what is kept, what is not promised, what closes.
class PauseDialog : public QDialog {
    Q_OBJECT
public:
    /// `titles`: the sandboxes; `closing`: live terminals and watchers that end with the pause.
    PauseDialog(const ConnectionSpec &connection, const QStringList &titles,
                const QStringList &closing, QWidget *parent = nullptr);

signals:
    void confirmed(bool dontAskAgain);

private:
    QCheckBox *m_dontAsk = nullptr;
};

} // namespace moru
