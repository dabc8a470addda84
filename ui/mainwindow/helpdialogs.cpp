// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/mainwindow/helpdialogs.h"

#include "ui/common/tableheader.h"

#include <QAction>
#include <QApplication>
#include <QDialog>
#include <QDialogButtonBox>
#include <QDir>
#include <QFile>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QPushButton>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace moru {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::Help)
};

QDialog *newDialog(QWidget *parent, const QString &name, const QString &title)
{
    auto *dialog = new QDialog(parent);
    dialog->setObjectName(name);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(title);
    auto *layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(12);
    return dialog;
}

void addClose(QDialog &dialog)
{
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Close, &dialog);
    QPushButton *close = buttons->button(QDialogButtonBox::Close);
    close->setText(Words::tr("&Close"));
    close->setObjectName(QStringLiteral("closeButton"));
    close->setAccessibleName(Words::tr("Close"));
    close->setDefault(true);
    QObject::connect(buttons, &QDialogButtonBox::rejected, &dialog, &QDialog::reject);
    dialog.layout()->addWidget(buttons);
}

struct Part {
    const char *name;
    const char *licence;
};

/// What the programs link, also where it is not bundled (README.md has the same table).
constexpr Part parts[] = {
    {"Qt", "LGPL-3.0"},
    {"QtKeychain", "BSD-3-Clause"},
    {"QScintilla", "GPL-3.0"},
    {"libvterm", "MIT"},
    {"Protocol Buffers", "BSD-3-Clause"},
    {"simdjson", "Apache-2.0"},
    {"tl::expected", "CC0-1.0"},
    {"Boost", "BSL-1.0"},
    {"Nettle", "LGPL-3.0-or-later"},
    {"libseccomp", "LGPL-2.1"},
    {"libcap", "BSD-3-Clause"},
};

constexpr qint64 largestBill = 1LL << 20U;

/// Where a bundle keeps its bill of materials and the texts of licences.
struct BundlePaths {
    QString bill;
    QString licences;
};

BundlePaths bundlePaths()
{
    const QDir programs(QCoreApplication::applicationDirPath());
#ifdef Q_OS_WIN
    return {programs.filePath(QStringLiteral("sbom.spdx.json")),
            programs.filePath(QStringLiteral("licenses"))};
#else
    const QString share = QDir::cleanPath(programs.filePath(QStringLiteral("../share")));
    return {share + QStringLiteral("/moru-desktop/sbom.spdx.json"), share + QStringLiteral("/doc")};
#endif
}

/// Name, version and licences of what a bundle says it contains; none where the program is
/// installed beside the system's own libraries.
QList<QStringList> bundledPackages(const QString &bill)
{
    QFile file(bill);
    if (!file.open(QIODevice::ReadOnly) || file.size() > largestBill)
        return {};
    QList<QStringList> rows;
    const QJsonArray packages =
        QJsonDocument::fromJson(file.readAll()).object().value(QLatin1String("packages")).toArray();
    for (const auto &value : packages) {
        const QJsonObject package = value.toObject();
        // "named in its copyright file: MIT, BSD-3-clause"
        const QString named = package.value(QLatin1String("licenseComments"))
                                  .toString()
                                  .section(QLatin1String(": "), 1);
        if (!named.isEmpty())
            rows << QStringList{package.value(QLatin1String("name")).toString(),
                                package.value(QLatin1String("versionInfo")).toString(), named};
    }
    return rows;
}

QTreeWidget *newLicencesTree(QWidget *parent)
{
    auto *tree = new QTreeWidget(parent);
    tree->setObjectName(QStringLiteral("licencesTree"));
    tree->setAccessibleName(Words::tr("Libraries and their licences"));
    tree->setHeaderLabels({Words::tr("Library"), Words::tr("Version"), Words::tr("Licence")});
    tree->setRootIsDecorated(false);
    tree->setAllColumnsShowFocus(true);
    tree->setMinimumHeight(180);
    for (const Part &part : parts) {
        const QString version =
            qstrcmp(part.name, "Qt") == 0 ? QString::fromLatin1(qVersion()) : QString();
        new QTreeWidgetItem(
            tree, {QString::fromLatin1(part.name), version, QString::fromLatin1(part.licence)});
    }
    const BundlePaths paths = bundlePaths();
    const QList<QStringList> bundled = bundledPackages(paths.bill);
    for (const QStringList &row : bundled)
        new QTreeWidgetItem(tree, row);
    if (!bundled.isEmpty())
        tree->setToolTip(Words::tr("The texts of all licences are in %1.")
                             .arg(QDir::toNativeSeparators(paths.licences)));
    for (int column = 0; column < 2; ++column)
        tree->resizeColumnToContents(column);
    return tree;
}

QString keysOf(const QAction &action)
{
    QStringList keys;
    const auto sequences = action.shortcuts();
    for (const QKeySequence &sequence : sequences)
        keys << sequence.toString(QKeySequence::NativeText);
    return keys.join(Words::tr(" or "));
}

QString plain(QString text)
{
    text.remove(QLatin1Char('&'));
    if (text.endsWith(QChar(0x2026)))
        text.chop(1);
    return text;
}

} // namespace

void showShortcuts(QWidget *parent, const QList<QAction *> &actions)
{
    QDialog *dialog = newDialog(parent, QStringLiteral("shortcutsDialog"), Words::tr("Shortcuts"));
    auto *tree = new QTreeWidget(dialog);
    tree->setObjectName(QStringLiteral("shortcutsTree"));
    tree->setAccessibleName(Words::tr("Shortcuts"));
    tree->setHeader(new TableHeader(tree, 4));
    tree->header()->setFixedHeight(28);
    tree->setHeaderLabels({Words::tr("What"), Words::tr("Keys")});
    tree->setRootIsDecorated(false);
    tree->setItemsExpandable(false);
    tree->setAllColumnsShowFocus(true);
    tree->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    tree->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);
    tree->header()->setStretchLastSection(false);

    QTreeWidgetItem *section = nullptr;
    const auto begin = [&](const QString &title) {
        if (section && section->text(0) == title)
            return;
        section = new QTreeWidgetItem(tree, {title});
        section->setFirstColumnSpanned(true);
        QFont bold = tree->font();
        bold.setWeight(QFont::DemiBold);
        section->setFont(0, bold);
        section->setSizeHint(0, QSize(0, 28));
    };
    const auto add = [&](const QString &what, const QString &keys) {
        auto *item = new QTreeWidgetItem(section, {what, keys});
        item->setSizeHint(0, QSize(0, 20));
        item->setFirstColumnSpanned(keys.isEmpty());
    };
    for (const QAction *action : actions) {
        if (action->shortcuts().isEmpty())
            continue;
        begin(action->property("section").toString());
        add(plain(action->text()), keysOf(*action));
    }
    begin(Words::tr("In the table"));
    add(Words::tr("Open the terminal of the sandbox"), Words::tr("Enter"));
    add(Words::tr("Select several"), Words::tr("Shift or Ctrl with arrows and clicks, Ctrl+A"));
    add(Words::tr("Filter"), QStringLiteral("/"));
    add(Words::tr("Actions for the sandbox"), Words::tr("Menu key or Shift+F10"));
    add(Words::tr("Give up the selection"), Words::tr("Esc"));
    begin(Words::tr("In a terminal"));
    add(Words::tr("Copy"), QStringLiteral("Ctrl+Shift+C"));
    add(Words::tr("Paste"), QStringLiteral("Ctrl+Shift+V"));
    add(Words::tr("Everything else with Ctrl goes to the shell"), QString());
    tree->expandAll();
    dialog->layout()->addWidget(tree);
    addClose(*dialog);
    dialog->resize(560, 600);
    dialog->open();
}

void showAbout(QWidget *parent)
{
    QDialog *dialog =
        newDialog(parent, QStringLiteral("aboutDialog"), Words::tr("About Moru Desktop"));
    auto *top = new QHBoxLayout;
    top->setSpacing(16);
    auto *icon = new QLabel(dialog);
    icon->setPixmap(QApplication::windowIcon().pixmap(QSize(64, 64), dialog->devicePixelRatioF()));
    top->addWidget(icon, 0, Qt::AlignTop);
    auto *text = new QVBoxLayout;
    text->setSpacing(8);
    top->addLayout(text, 1);
    static_cast<QVBoxLayout *>(dialog->layout())->addLayout(top);

    auto *name = new QLabel(
        Words::tr("Moru Desktop %1").arg(QCoreApplication::applicationVersion()), dialog);
    name->setObjectName(QStringLiteral("aboutVersion"));
    QFont large = name->font();
    large.setPointSizeF(large.pointSizeF() * 1.4);
    large.setWeight(QFont::DemiBold);
    name->setFont(large);
    text->addWidget(name);
    for (const QString &line :
         {Words::tr("Sandboxes on this machine and in Moru's and compatible clouds: their shells, "
                    "files, commands, and their end."),
          Words::tr("Free software under the GNU General Public License, version 3 or later. It "
                    "comes without any warranty."),
          Words::tr("Built with Qt %1, running with Qt %2. What else it is made of:")
              .arg(QLatin1String(QT_VERSION_STR), QLatin1String(qVersion()))}) {
        auto *label = new QLabel(line, dialog);
        label->setTextFormat(Qt::PlainText);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        text->addWidget(label);
    }
    text->addWidget(newLicencesTree(dialog), 1);
    addClose(*dialog);
    dialog->setMinimumWidth(560);
    dialog->open();
}

} // namespace moru
