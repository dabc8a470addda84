// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/settings.h"
#include "app/stores/sandboxstore.h"

#include <QDialog>

class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;

namespace moru {

class Banner;
class KeyValueTable;

/// Asks what a new sandbox shall be and creates it; stays open until the server has answered.
class NewSandboxDialog : public QDialog {
    Q_OBJECT
public:
    NewSandboxDialog(SandboxStore &store, Settings &settings, QWidget *parent = nullptr);

    /// What would be sent now.
    [[nodiscard]] NewSandbox specification() const;
    void reject() override;

signals:
    void created(const moru::SandboxDetail &detail);

private:
    void create();
    void setBusy(bool busy);
    void updateEnd();
    void updateCreateButton();
    void loadTemplates();

    SandboxStore &m_store;
    Settings &m_settings;
    QComboBox *m_template = nullptr;
    QSpinBox *m_timeout = nullptr;
    QComboBox *m_unit = nullptr;
    QComboBox *m_onTimeout = nullptr;
    QLabel *m_end = nullptr;
    KeyValueTable *m_metadata = nullptr;
    KeyValueTable *m_env = nullptr;
    Banner *m_banner = nullptr;
    QPushButton *m_create = nullptr;
    QPushButton *m_cancel = nullptr;
    QWidget *m_form = nullptr;
    bool m_busy = false;
};

} // namespace moru
