// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connectionmanager.h"

#include <QDialog>
#include <QPointer>

#include <memory>

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;

namespace moru {

class Banner;

/// Adds a connection to a Moru cloud or a compatible cluster, or changes one. The key goes into the
/// system's keychain; where that cannot be used, the dialog offers to keep it for this run only.
class ConnectionDialog : public QDialog {
    Q_OBJECT
public:
    /// `existing` null = add. References must outlive the dialog.
    ConnectionDialog(ConnectionManager &connections, Connection *existing,
                     QWidget *parent = nullptr);
    ~ConnectionDialog() override;

    /// What the fields say; URLs that are left empty follow from the domain.
    [[nodiscard]] ConnectionSpec spec() const;
    /// Makes a URL of what a person types ("api.example.org", "https://host:8443/"): a scheme is
    /// added, https except on loopback; path, query and user part are refused. Invalid = not a URL.
    static QUrl parseUrl(const QString &text);

    void reject() override;

signals:
    void saved(moru::Connection *connection);

private:
    /// The three things a test tells apart.
    enum class Step { Address, Answer, Key };
    struct StepLine {
        QLabel *icon = nullptr;
        QLabel *text = nullptr;
    };

    void test();
    void showTest(const Result<> &result);
    void setStep(Step step, bool good, const QString &text);
    void save(bool memoryOnly);
    void refresh();
    [[nodiscard]] QString problem() const;

    ConnectionManager &m_connections;
    QPointer<Connection> m_existing;
    std::unique_ptr<Connection> m_probe;
    QLineEdit *m_name = nullptr;
    QLineEdit *m_domain = nullptr;
    QLineEdit *m_apiUrl = nullptr;
    QLineEdit *m_sandboxUrl = nullptr;
    QLineEdit *m_key = nullptr;
    QCheckBox *m_production = nullptr;
    Banner *m_banner = nullptr;
    QWidget *m_steps = nullptr;
    StepLine m_step[3];
    QPushButton *m_test = nullptr;
    QPushButton *m_save = nullptr;
    QPushButton *m_cancel = nullptr;
    bool m_busy = false;
};

} // namespace moru
