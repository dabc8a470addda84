// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPointer>
#include <QWidget>

#include <functional>

class QStackedLayout;

namespace moru {

class Placeholder;

/// The page of a tab that makes its content when it is first looked at, because making it reaches
/// into the sandbox. Until then, and while the sandbox cannot be reached, it says so instead.
class PaneHost : public QWidget {
    Q_OBJECT
public:
    using Factory = std::function<QWidget *(QWidget *parent)>;
    PaneHost(const QString &icon, Factory factory, QWidget *parent = nullptr);

    [[nodiscard]] QWidget *pane() const { return m_pane; }
    /// Without content yet: shown in its place; an empty `action` means no button.
    void setReachable(bool reachable, const QString &title, const QString &text,
                      const QString &action);
    /// Makes the content now if that is possible and the page is on screen.
    void ensure();

signals:
    void created(QWidget *pane);
    void actionTriggered();

protected:
    void showEvent(QShowEvent *event) override;

private:
    QString m_icon;
    Factory m_factory;
    QStackedLayout *m_layout = nullptr;
    Placeholder *m_placeholder = nullptr;
    QPointer<QWidget> m_pane;
    bool m_reachable = false;
};

} // namespace moru
