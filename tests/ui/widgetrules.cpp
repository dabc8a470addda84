// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/widgetrules.h"

#include <QAbstractButton>
#include <QAccessible>
#include <QAction>
#include <QKeySequence>
#include <QLabel>
#include <QMap>
#include <QMenu>
#include <QMenuBar>
#include <QTabBar>

namespace moru::test {
namespace {

bool isPartOfQt(const QWidget &widget)
{
    return widget.objectName().startsWith(QLatin1String("qt_"))
           || widget.inherits("QLineEditIconButton") || widget.inherits("QComboBoxListView")
           || widget.inherits("QTabWidget"); // its tab bar is what has the focus
}

QStringList shared(const QMap<QString, QStringList> &owners)
{
    QStringList lines;
    for (auto it = owners.cbegin(); it != owners.cend(); ++it) {
        if (it.value().size() > 1)
            lines << it.key() + QLatin1String(": ") + it.value().join(QLatin1String(" / "));
    }
    return lines;
}

void note(QMap<QString, QStringList> &owners, const QString &text)
{
    const QKeySequence key = QKeySequence::mnemonic(text);
    if (!key.isEmpty())
        owners[key.toString()] << text;
}

} // namespace

QStringList unnamedWidgets(const QWidget &root)
{
    QStringList lines;
    const auto widgets = root.findChildren<QWidget *>();
    for (QWidget *widget : widgets) {
        // Labels take the focus by click only, to have their text selected.
        if (!widget->isVisible() || !(widget->focusPolicy() & Qt::TabFocus) || isPartOfQt(*widget))
            continue;
        const QString where = QStringLiteral("%1 \"%2\" in \"%3\"")
                                  .arg(QLatin1String(widget->metaObject()->className()),
                                       widget->objectName(), widget->parentWidget()->objectName());
        if (widget->objectName().isEmpty())
            lines << where + QLatin1String(": no object name");
        const QAccessibleInterface *accessible = QAccessible::queryAccessibleInterface(widget);
        if (!accessible || accessible->text(QAccessible::Name).isEmpty())
            lines << where + QLatin1String(": no accessible name");
    }
    return lines;
}

QStringList sharedMnemonics(const QWidget &root)
{
    QMap<QString, QStringList> owners;
    const auto widgets = root.findChildren<QWidget *>();
    for (const QWidget *widget : widgets) {
        if (!widget->isVisible())
            continue;
        if (const auto *button = qobject_cast<const QAbstractButton *>(widget))
            note(owners, button->text());
        else if (const auto *label = qobject_cast<const QLabel *>(widget); label && label->buddy())
            note(owners, label->text());
        else if (const auto *tabs = qobject_cast<const QTabBar *>(widget)) {
            for (int i = 0; i < tabs->count(); ++i)
                note(owners, tabs->tabText(i));
        } else if (const auto *bar = qobject_cast<const QMenuBar *>(widget)) {
            const auto actions = bar->actions();
            for (const QAction *action : actions)
                note(owners, action->text());
        }
    }
    return shared(owners);
}

QStringList sharedMnemonics(const QMenu &menu)
{
    QMap<QString, QStringList> owners;
    QStringList lines;
    const auto actions = menu.actions();
    for (const QAction *action : actions) {
        note(owners, action->text());
        if (const QMenu *sub = action->menu<QMenu *>())
            lines << sharedMnemonics(*sub);
    }
    for (const QString &line : shared(owners))
        lines << menu.title() + QLatin1String(" > ") + line;
    return lines;
}

QStringList sharedMnemonics(const QMenuBar &bar)
{
    QMap<QString, QStringList> owners;
    QStringList lines;
    const auto actions = bar.actions();
    for (const QAction *action : actions) {
        note(owners, action->text());
        if (const QMenu *menu = action->menu<QMenu *>())
            lines << sharedMnemonics(*menu);
    }
    return lines + shared(owners);
}

QStringList tabOrder(const QWidget &window)
{
    QStringList names;
    const QWidget *widget = &window;
    do {
        if (widget->isVisible() && widget->isEnabled() && (widget->focusPolicy() & Qt::TabFocus)
            && !widget->focusProxy())
            names << widget->objectName();
        widget = widget->nextInFocusChain();
    } while (widget && widget != &window);
    return names;
}

} // namespace moru::test
