// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/filespane.h"

#include "app/core/tooltip.h"
#include "app/models/filetreemodel.h"
#include "app/stores/filename.h"
#include "app/stores/filestore.h"
#include "app/stores/transferqueue.h"
#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/files/editorpage.h"
#include "ui/files/filetreeview.h"
#include "ui/files/filewords.h"
#include "ui/files/transferspanel.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDropEvent>
#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QMenu>
#include <QPointer>
#include <QPushButton>
#include <QSet>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QTabBar>
#include <QTabWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

namespace moru {

namespace {

constexpr int kLoadingDelayMs = 150;

} // namespace

struct FilesPane::Private : QObject {
    FilesPane &q;
    Prompt &prompt;
    EnvdClient &envd;
    FileStore store;
    TransferQueue queue;
    FileTreeModel model;

    Banner *banner = nullptr;
    QLineEdit *pathEdit = nullptr;
    FileTreeView *tree = nullptr;
    QStackedWidget *stack = nullptr;
    Placeholder *placeholder = nullptr;
    QTabWidget *tabs = nullptr;
    TransfersPanel *transfers = nullptr;
    QAction *upAction = nullptr;
    QAction *homeAction = nullptr;
    QAction *refreshAction = nullptr;
    QAction *openAction = nullptr;
    QAction *enterAction = nullptr;
    QAction *uploadAction = nullptr;
    QAction *downloadAction = nullptr;
    QAction *newFolderAction = nullptr;
    QAction *renameAction = nullptr;
    QAction *deleteAction = nullptr;
    QAction *copyPathAction = nullptr;

    bool started = false;
    bool reachable = true;
    QString reason;
    bool wasUnsaved = false;
    bool wasTransferring = false;
    bool rootFailed = false;
    bool isUploadPlaceholder = false;
    QString wantedRoot;     ///< for Retry
    QString selectWhenSeen; ///< path of something just made or renamed
    QString openAfterRoot;  ///< a file whose path was typed

    Private(FilesPane &pane, Connection &connection, const QString &sandboxId, Prompt &asker)
        : q(pane)
        , prompt(asker)
        , envd(connection.envd(sandboxId))
        , store(envd)
        , queue(envd)
        , model(store)
    {
        store.setActive(false);
    }

    // --- building ---------------------------------------------------------------------------

    QAction *action(const QString &icon, const QString &text, const QString &tip,
                    const QKeySequence &keys, void (Private::*slot)())
    {
        auto *a = new QAction(theme::icon(icon), text, this);
        a->setToolTip(
            keys.isEmpty() ? tip : tr("%1 (%2)").arg(tip, keys.toString(QKeySequence::NativeText)));
        a->setData(a->toolTip()); // what it says while it can be used
        if (!keys.isEmpty()) {
            a->setShortcut(keys);
            a->setShortcutContext(Qt::WidgetShortcut);
            a->setShortcutVisibleInContextMenu(true);
        }
        connect(a, &QAction::triggered, this, [this, slot] { (this->*slot)(); });
        return a;
    }

    QToolButton *buttonFor(QAction *a, const char *name, bool withText, QWidget *parent)
    {
        auto *button = new QToolButton(parent);
        button->setDefaultAction(a);
        button->setObjectName(QLatin1String(name));
        QString spoken = a->text();
        button->setAccessibleName(spoken.remove(QStringLiteral("…")));
        button->setToolButtonStyle(withText ? Qt::ToolButtonTextBesideIcon
                                            : Qt::ToolButtonIconOnly);
        button->setAutoRaise(true);
        button->setFocusPolicy(Qt::TabFocus);
        button->setIconSize(QSize(16, 16));
        return button;
    }

    void build()
    {
        using Seq = QKeySequence;
        upAction = action(QStringLiteral("up"), tr("Parent folder"), tr("Parent folder"),
                          Seq(Qt::ALT | Qt::Key_Up), &Private::goUp);
        homeAction = action(QStringLiteral("home"), tr("Home folder"), tr("Home folder"),
                            Seq(Qt::ALT | Qt::Key_Home), &Private::goHome);
        refreshAction =
            action(QStringLiteral("refresh"), tr("Refresh"), tr("Read the open folders again"),
                   Seq(Seq::Refresh), &Private::refresh);
        openAction = action(QStringLiteral("edit"), tr("Open"), tr("Open in the editor"), {},
                            &Private::openSelected);
        enterAction = action(QStringLiteral("folder"), tr("Show only this folder"),
                             tr("Show only this folder"), {}, &Private::enterSelected);
        uploadAction =
            action(QStringLiteral("upload"), tr("Upload…"), tr("Upload files from this computer"),
                   Seq(Qt::CTRL | Qt::Key_U), &Private::upload);
        downloadAction =
            action(QStringLiteral("download"), tr("Download…"), tr("Download the selected files"),
                   Seq(Qt::CTRL | Qt::Key_D), &Private::download);
        newFolderAction =
            action(QStringLiteral("folder-new"), tr("New folder…"), tr("Make a folder"),
                   Seq(Qt::CTRL | Qt::SHIFT | Qt::Key_N), &Private::newFolder);
        renameAction = action(QStringLiteral("edit"), tr("Rename…"), tr("Rename"), Seq(Qt::Key_F2),
                              &Private::rename);
        deleteAction = action(QStringLiteral("trash"), tr("Delete…"), tr("Delete for good"),
                              Seq(Seq::Delete), &Private::remove);
        copyPathAction = action(QStringLiteral("copy"), tr("Copy path"), tr("Copy the path"),
                                Seq(Seq::Copy), &Private::copyPath);

        auto *layout = new QVBoxLayout(&q);
        layout->setContentsMargins(0, 0, 0, 0);
        layout->setSpacing(0);

        auto *bar = new QHBoxLayout;
        bar->setContentsMargins(8, 4, 8, 4);
        bar->setSpacing(4);
        bar->addWidget(buttonFor(upAction, "upButton", false, &q));
        bar->addWidget(buttonFor(homeAction, "homeButton", false, &q));
        bar->addWidget(buttonFor(refreshAction, "refreshButton", false, &q));
        pathEdit = new QLineEdit(&q);
        pathEdit->setObjectName(QStringLiteral("pathEdit"));
        pathEdit->setAccessibleName(tr("Folder"));
        pathEdit->setPlaceholderText(tr("Folder or file"));
        pathEdit->setMinimumWidth(120);
        bar->addWidget(pathEdit, 1);
        bar->addSpacing(8);
        bar->addWidget(buttonFor(uploadAction, "uploadButton", true, &q));
        bar->addWidget(buttonFor(downloadAction, "downloadButton", true, &q));
        bar->addWidget(buttonFor(newFolderAction, "newFolderButton", true, &q));
        bar->addWidget(buttonFor(renameAction, "renameButton", true, &q));
        bar->addWidget(buttonFor(deleteAction, "deleteButton", true, &q));
        layout->addLayout(bar);

        banner = new Banner(&q);
        banner->setObjectName(QStringLiteral("filesBanner"));
        layout->addWidget(banner);

        auto *rows = new QSplitter(Qt::Vertical, &q);
        rows->setChildrenCollapsible(false);
        auto *columns = new QSplitter(Qt::Horizontal, rows);
        columns->setChildrenCollapsible(false);
        stack = new QStackedWidget(columns);
        placeholder = new Placeholder(QStringLiteral("filesPlaceholder"),
                                      QStringLiteral("filesPlaceholderButton"), stack);
        placeholder->setAcceptDrops(true);
        placeholder->installEventFilter(this);
        stack->addWidget(placeholder);
        tree = new FileTreeView(store, model, stack);
        tree->addActions({openAction, enterAction, upAction, homeAction, refreshAction,
                          uploadAction, downloadAction, newFolderAction, renameAction, deleteAction,
                          copyPathAction});
        stack->addWidget(tree);
        tabs = new QTabWidget(columns);
        tabs->setObjectName(QStringLiteral("editorTabs"));
        tabs->setAccessibleName(tr("Open files"));
        tabs->setDocumentMode(true);
        tabs->setMovable(true);
        tabs->setElideMode(Qt::ElideMiddle);
        tabs->hide();
        columns->addWidget(stack);
        columns->addWidget(tabs);
        columns->setStretchFactor(0, 45);
        columns->setStretchFactor(1, 55);
        transfers = new TransfersPanel(queue, rows);
        rows->addWidget(columns);
        rows->addWidget(transfers);
        rows->setStretchFactor(0, 1);
        rows->setSizes({400, 140});
        layout->addWidget(rows, 1);

        // The keyboard goes to the files as soon as there are some.
        connect(stack, &QStackedWidget::currentChanged, this,
                [this] { q.setFocusProxy(stack->currentWidget() == tree ? tree : nullptr); });
        connect(pathEdit, &QLineEdit::returnPressed, this, [this] { goTo(pathEdit->text()); });
        connect(tree, &QTreeView::activated, this, [this](const QModelIndex &index) {
            const FileNode *node = model.node(index);
            if (!node->isFolder())
                open(*node);
        });
        connect(tree, &QWidget::customContextMenuRequested, this, &Private::showMenu);
        connect(tree, &FileTreeView::filesDropped, this, &Private::uploadFiles);
        connect(tree->selectionModel(), &QItemSelectionModel::selectionChanged, this,
                &Private::updateActions);
        connect(tree->selectionModel(), &QItemSelectionModel::currentChanged, this,
                &Private::updateActions);
        connect(placeholder, &Placeholder::actionTriggered, this, [this] {
            if (isUploadPlaceholder)
                upload();
            else
                goTo(wantedRoot);
        });
        connect(banner, &Banner::actionTriggered, this, [this] {
            banner->clear();
            refresh();
        });
        connect(tabs, &QTabWidget::currentChanged, this, &Private::updateFront);
        auto *closeShortcut = new QShortcut(QKeySequence::Close, tabs);
        closeShortcut->setContext(Qt::WidgetWithChildrenShortcut);
        connect(closeShortcut, &QShortcut::activated, this,
                [this] { closeTab(tabs->currentIndex()); });

        connect(&store, &FileStore::rootChanged, this, &Private::onRootChanged);
        connect(&store, &FileStore::rootRefused, this, &Private::onRootRefused);
        connect(&store, &FileStore::changingRootChanged, this, &Private::updateStack);
        connect(&store, &FileStore::nodeChanged, this, &Private::onNodeChanged);
        connect(&store, &FileStore::childrenRemoved, this, &Private::updateStack);
        connect(&store, &FileStore::childrenInserted, this, [this] {
            updateStack();
            selectNew();
        });
        connect(&queue, &TransferQueue::activeCountChanged, this, &Private::updateBusy);
        connect(&queue, &TransferQueue::uploaded, this, [this](const QString &path) {
            store.refreshFolder(filename::parentOf(path));
            emit q.statusMessage(tr("Uploaded %1").arg(filename::display(path)));
        });

        q.installEventFilter(this);
        QWidget::setTabOrder(pathEdit, tree);
        updateActions();
        updateStack();
    }

    bool eventFilter(QObject *object, QEvent *event) override
    {
        if (object == &q) {
            if (event->type() == QEvent::Show)
                store.setActive(true);
            else if (event->type() == QEvent::Hide)
                store.setActive(false);
        } else if (object == placeholder && isUploadPlaceholder && reachable) {
            // An empty folder takes dropped files as the tree does.
            if (event->type() == QEvent::DragEnter || event->type() == QEvent::DragMove)
                return FileTreeView::offer(*static_cast<QDropEvent *>(event));
            if (event->type() == QEvent::Drop) {
                tree->take(*static_cast<QDropEvent *>(event), store.root().path);
                return true;
            }
        }
        return QObject::eventFilter(object, event);
    }

    // --- state ------------------------------------------------------------------------------

    void updateBusy()
    {
        const bool unsaved = q.hasUnsavedEdits();
        const bool transferring = q.hasRunningTransfers();
        if (unsaved == wasUnsaved && transferring == wasTransferring)
            return;
        wasUnsaved = unsaved;
        wasTransferring = transferring;
        emit q.busyChanged();
    }

    void enable(QAction *a, bool possible, const QString &why)
    {
        const bool on = possible && reachable;
        a->setEnabled(on);
        a->setToolTip(on ? a->data().toString() : !reachable ? reason : why);
    }

    void updateActions()
    {
        const bool loaded = !store.root().path.isEmpty();
        const QStringList paths = tree->selectedPaths();
        bool filesOnly = !paths.isEmpty();
        for (const QString &path : paths) {
            const FileNode *node = store.find(path);
            filesOnly = filesOnly && node && node->entry.type == FileType::File;
        }
        const FileNode *single = paths.size() == 1 ? store.find(paths.constFirst()) : nullptr;
        const QString none = tr("Select a file or folder first");
        enable(upAction, loaded && store.root().path != QLatin1String("/"), tr("This is the top"));
        enable(homeAction, true, {});
        enable(refreshAction, started, {});
        enable(openAction, single && !single->isFolder(), tr("Select one file first"));
        enable(enterAction, single && single->isFolder(), tr("Select one folder first"));
        enable(uploadAction, loaded, tr("No folder is shown"));
        enable(downloadAction, filesOnly,
               paths.isEmpty() ? tr("Select files first") : tr("Folders cannot be downloaded"));
        enable(newFolderAction, loaded, tr("No folder is shown"));
        enable(renameAction, single != nullptr, tr("Select one file or folder first"));
        enable(deleteAction, !paths.isEmpty(), none);
        copyPathAction->setEnabled(!paths.isEmpty());
    }

    void updateStack()
    {
        const FileNode &root = store.root();
        isUploadPlaceholder = false;
        if (root.path.isEmpty()) {
            if (rootFailed) {
                stack->setCurrentWidget(placeholder);
                return; // its words were set with the error
            }
            placeholder->setContent({}, {}, {});
            stack->setCurrentWidget(placeholder);
            if (store.isChangingRoot())
                showLoadingLater();
            return;
        }
        if (!root.children.empty() || root.state == FileNode::State::Closed) {
            stack->setCurrentWidget(tree);
            return;
        }
        switch (root.state) {
        case FileNode::State::Loading:
        case FileNode::State::Closed:
            showLoadingLater();
            return; // what is shown stays for that moment
        case FileNode::State::Failed:
            placeholder->setContent(QStringLiteral("error"), tr("The folder could not be read"),
                                    filewords::sentence(root.error), tr("Retry"));
            wantedRoot = root.path;
            break;
        case FileNode::State::Ready:
        case FileNode::State::Stale:
            isUploadPlaceholder = true;
            placeholder->setContent(QStringLiteral("folder"), tr("This folder is empty"),
                                    tr("Drop files here, or upload them."), tr("Upload…"));
            placeholder->button()->setEnabled(reachable);
            break;
        }
        stack->setCurrentWidget(placeholder);
    }

    void showLoadingLater()
    {
        QTimer::singleShot(kLoadingDelayMs, this, [this] {
            const FileNode &root = store.root();
            if (root.path.isEmpty()
                    ? store.isChangingRoot()
                    : root.children.empty() && root.state == FileNode::State::Loading) {
                placeholder->setContent(QStringLiteral("folder"), tr("Loading…"), {});
                stack->setCurrentWidget(placeholder);
            }
        });
    }

    void onRootChanged()
    {
        rootFailed = false;
        banner->clear();
        pathEdit->setText(filename::display(store.root().path));
        updateActions();
        updateStack();
        if (!openAfterRoot.isEmpty()) {
            const QString path = std::exchange(openAfterRoot, {});
            openPath(path);
        }
    }

    void onRootRefused(const QString &path, const Error &error)
    {
        if (error.kind == Error::Kind::Invalid && error.httpStatus == 0 && path.startsWith(u'/')
            && openAfterRoot.isEmpty()) {
            // A file was typed: show its folder and open it.
            openAfterRoot = path;
            store.setRoot(filename::parentOf(path));
            return;
        }
        openAfterRoot.clear();
        wantedRoot = path;
        if (store.root().path.isEmpty()) {
            rootFailed = true;
            placeholder->setContent(QStringLiteral("error"), tr("The files could not be shown"),
                                    filewords::sentence(error), tr("Retry"));
            updateStack();
            return;
        }
        banner->showMessage(Banner::Level::Error,
                            error.kind == Error::Kind::NotFound && error.httpStatus != 502
                                ? tr("There is no folder “%1”.").arg(filename::display(path))
                                : tr("“%1” cannot be shown. %2")
                                      .arg(filename::display(path), filewords::sentence(error)),
                            {}, format::details(error));
    }

    void onNodeChanged(const FileNode *node)
    {
        if (node == &store.root()) {
            updateStack();
            if (node->state == FileNode::State::Stale)
                banner->showMessage(
                    Banner::Level::Warning,
                    tr("The list may be out of date. %1").arg(filewords::sentence(node->error)),
                    tr("Retry"), format::details(node->error));
            else if (node->state == FileNode::State::Ready && !staleTold)
                return;
            else if (node->state == FileNode::State::Ready && reachable)
                banner->clear();
            staleTold = node->state == FileNode::State::Stale;
            return;
        }
        if (node->isFolder())
            return;
        if (EditorPage *page = pageOf(node->path))
            page->noteListed(node->entry);
    }
    bool staleTold = false;

    void selectNew()
    {
        if (selectWhenSeen.isEmpty())
            return;
        const QModelIndex index = model.indexOf(selectWhenSeen);
        if (!index.isValid())
            return;
        selectWhenSeen.clear();
        // Not in the middle of the model's insertion.
        QTimer::singleShot(0, this, [this, target = QPersistentModelIndex(index)] {
            if (target.isValid())
                tree->setCurrentIndex(target);
        });
    }

    // --- the editor -------------------------------------------------------------------------

    [[nodiscard]] EditorPage *page(int index) const
    {
        return qobject_cast<EditorPage *>(tabs->widget(index));
    }

    [[nodiscard]] EditorPage *pageOf(const QString &path) const
    {
        for (int i = 0; i < tabs->count(); ++i) {
            if (page(i)->path() == path)
                return page(i);
        }
        return nullptr;
    }

    void open(const FileNode &node)
    {
        if (!node.addressable) {
            banner->showMessage(Banner::Level::Warning,
                                tr("“%1” cannot be opened: its name is not valid UTF-8.")
                                    .arg(filename::display(node.entry.name)));
            return;
        }
        openPath(node.path);
    }

    void openPath(const QString &path)
    {
        if (EditorPage *present = pageOf(path)) {
            tabs->setCurrentWidget(present);
            present->focusEditor();
            return;
        }
        if (!reachable)
            return;
        auto *fresh = new EditorPage(envd, path, tabs);
        connect(fresh, &EditorPage::modifiedChanged, this, [this, fresh] {
            updateTab(fresh);
            updateBusy();
        });
        connect(fresh, &EditorPage::saved, this,
                [this](const QString &file) { store.refreshFolder(filename::parentOf(file)); });
        connect(fresh, &EditorPage::downloadWanted, this,
                [this](const QString &file) { downloadFiles({file}); });
        connect(fresh, &EditorPage::statusMessage, &q, &FilesPane::statusMessage);
        const int index = tabs->addTab(fresh, {});
        auto *close = new QToolButton(tabs->tabBar());
        close->setIcon(theme::icon(QStringLiteral("close")));
        close->setIconSize(QSize(12, 12));
        close->setAutoRaise(true);
        close->setFocusPolicy(Qt::NoFocus); // the keyboard has its own way: Ctrl+W
        close->setToolTip(
            tr("Close (%1)")
                .arg(QKeySequence(QKeySequence::Close).toString(QKeySequence::NativeText)));
        close->setAccessibleName(tr("Close %1").arg(filename::display(filename::baseOf(path))));
        connect(close, &QToolButton::clicked, this,
                [this, fresh] { closeTab(tabs->indexOf(fresh)); });
        tabs->tabBar()->setTabButton(index, QTabBar::RightSide, close);
        updateTab(fresh);
        tabs->show();
        tabs->setCurrentWidget(fresh);
        updateFront();
        fresh->load();
        fresh->focusEditor();
    }

    void updateTab(EditorPage *changed)
    {
        const int index = tabs->indexOf(changed);
        QString text = filename::display(filename::baseOf(changed->path()));
        text.replace(u'&', QLatin1String("&&"));
        tabs->setTabText(
            index, changed->isModified() ? tr("%1 •", "file with unsaved edits").arg(text) : text);
        tabs->setTabToolTip(index, plainToolTip(filename::display(changed->path())));
    }

    void updateFront()
    {
        for (int i = 0; i < tabs->count(); ++i)
            page(i)->setInFront(i == tabs->currentIndex());
        tabs->setVisible(tabs->count() > 0);
    }

    void closeTab(int index)
    {
        EditorPage *closing = page(index);
        if (!closing)
            return;
        if (closing->isSaving()) {
            emit q.statusMessage(tr("Saving is still under way."));
            return;
        }
        if (!closing->isModified()) {
            drop(closing);
            return;
        }
        const QString name = filename::display(filename::baseOf(closing->path()));
        Prompt::Question question;
        question.title = tr("Close “%1” and lose the edits?").arg(name);
        question.text = tr("The edits since the last save are not in the sandbox.");
        question.action = tr("Close without saving");
        question.destructive = true;
        prompt.confirm(&q, question,
                       [this, self = QPointer(this), target = QPointer(closing)](bool yes) {
                           if (self && target && yes)
                               drop(target);
                       });
    }

    void drop(EditorPage *closing)
    {
        tabs->removeTab(tabs->indexOf(closing));
        closing->deleteLater();
        updateFront();
        updateBusy();
        if (tabs->count() == 0)
            tree->setFocus(Qt::OtherFocusReason);
    }

    // --- actions ----------------------------------------------------------------------------

    void goTo(const QString &path)
    {
        if (!reachable)
            return;
        store.setReachable(true);
        wantedRoot = path.trimmed().isEmpty() ? QStringLiteral("~") : path.trimmed();
        rootFailed = false;
        store.setRoot(wantedRoot);
        updateStack();
    }

    void goUp() { goTo(filename::parentOf(store.root().path)); }
    void goHome() { goTo(QStringLiteral("~")); }

    void refresh()
    {
        // The store may have fallen silent because its streams were closed.
        if (reachable)
            store.setReachable(true);
        if (store.root().path.isEmpty())
            goTo(wantedRoot);
        else
            store.refresh();
    }

    void openSelected()
    {
        const QStringList paths = tree->selectedPaths();
        if (const FileNode *node = paths.size() == 1 ? store.find(paths.constFirst()) : nullptr)
            open(*node);
    }

    void enterSelected()
    {
        const QStringList paths = tree->selectedPaths();
        if (paths.size() == 1)
            goTo(paths.constFirst());
    }

    void showMenu(const QPoint &position)
    {
        auto *menu = new QMenu(tree);
        menu->setAttribute(Qt::WA_DeleteOnClose);
        menu->setToolTipsVisible(true);
        menu->addActions({openAction, enterAction});
        menu->addSeparator();
        menu->addActions({uploadAction, downloadAction});
        menu->addSeparator();
        menu->addActions({newFolderAction, renameAction, copyPathAction});
        menu->addSeparator();
        menu->addAction(deleteAction);
        menu->popup(tree->viewport()->mapToGlobal(position));
    }

    void upload()
    {
        const QString folder = tree->targetFolder();
        prompt.openFiles(&q, tr("Upload to %1").arg(filename::display(folder)),
                         [this, self = QPointer(this), folder](const QStringList &files) {
                             if (self && !files.isEmpty())
                                 uploadFiles(files, folder);
                         });
    }

    void uploadFiles(const QStringList &files, const QString &folder)
    {
        if (!reachable) {
            banner->showMessage(Banner::Level::Warning, tr("Nothing was uploaded: %1").arg(reason));
            return;
        }
        int folders = 0;
        QString bad;
        for (const QString &file : files) {
            const QFileInfo info(file);
            const QString name = info.fileName();
            if (info.isDir())
                ++folders;
            else if (filename::check(name) != filename::Problem::None)
                bad = tr("“%1” was not uploaded. %2")
                          .arg(filename::display(name), filewords::problem(filename::check(name)));
            else
                queue.upload(file, filename::join(folder, name));
        }
        if (!bad.isEmpty())
            banner->showMessage(Banner::Level::Warning, bad);
        else if (folders > 0)
            banner->showMessage(
                Banner::Level::Warning,
                tr("%n folder(s) were left out: only files are uploaded.", nullptr, folders));
    }

    void download() { downloadFiles(tree->selectedPaths()); }

    void downloadFiles(const QStringList &paths)
    {
        if (paths.isEmpty())
            return;
        if (paths.size() == 1) {
            const QString path = paths.constFirst();
            prompt.saveFile(&q, tr("Download %1").arg(filename::display(filename::baseOf(path))),
                            filename::forDownload(filename::baseOf(path)),
                            [this, self = QPointer(this), path](const QString &local) {
                                if (self && !local.isEmpty())
                                    queue.download(path, local, true);
                            });
            return;
        }
        prompt.folder(&q, tr("Download %n files to", nullptr, int(paths.size())),
                      [this, self = QPointer(this), paths](const QString &folder) {
                          if (!self || folder.isEmpty())
                              return;
                          QSet<QString> taken;
                          for (const QString &path : paths) {
                              const QString wanted = filename::forDownload(filename::baseOf(path));
                              QString name = wanted;
                              // Two remote names may become one local name.
                              for (int n = 2; taken.contains(name.toCaseFolded()); ++n)
                                  name = filename::numbered(wanted, n);
                              taken.insert(name.toCaseFolded());
                              queue.download(path, folder + QLatin1Char('/') + name, false);
                          }
                      });
    }

    void newFolder()
    {
        const QString folder = tree->targetFolder();
        prompt.text(
            &q, tr("New folder in %1").arg(filename::display(folder)), tr("Name"), {},
            [this, self = QPointer(this), folder](const QString &name) {
                if (!self || name.isEmpty())
                    return;
                if (const auto problem = filename::check(name);
                    problem != filename::Problem::None) {
                    banner->showMessage(
                        Banner::Level::Warning,
                        tr("No folder was made. %1").arg(filewords::problem(problem)));
                    return;
                }
                if (const FileNode *node = store.find(folder); node && node != &store.root())
                    tree->expand(model.indexOf(node));
                selectWhenSeen = filename::join(folder, name);
                store.makeFolder(folder, name, this, [this, name](const Result<FileEntry> &result) {
                    if (result)
                        return;
                    selectWhenSeen.clear();
                    const bool exists = result.error().kind == Error::Kind::Conflict
                                        && !EnvdClient::isPaused(result.error());
                    banner->showMessage(
                        Banner::Level::Error,
                        exists ? tr("“%1” exists already.").arg(filename::display(name))
                               : tr("The folder “%1” was not made. %2")
                                     .arg(filename::display(name),
                                          filewords::sentence(result.error())),
                        {}, format::details(result.error()));
                });
            });
    }

    void rename()
    {
        const QStringList paths = tree->selectedPaths();
        if (paths.size() != 1)
            return;
        const QString path = paths.constFirst();
        const QString old = filename::baseOf(path);
        prompt.text(
            &q, tr("Rename “%1”").arg(filename::display(old)), tr("New name"), old,
            [this, self = QPointer(this), path, old](const QString &name) {
                if (!self || name.isEmpty() || name == old)
                    return;
                if (const auto problem = filename::check(name);
                    problem != filename::Problem::None) {
                    banner->showMessage(
                        Banner::Level::Warning,
                        tr("Nothing was renamed. %1").arg(filewords::problem(problem)));
                    return;
                }
                selectWhenSeen = filename::join(filename::parentOf(path), name);
                store.rename(path, name, this, [this, name, old](const Result<FileEntry> &result) {
                    if (result) {
                        emit q.statusMessage(
                            tr("Renamed “%1” to “%2”")
                                .arg(filename::display(old), filename::display(name)));
                        return;
                    }
                    selectWhenSeen.clear();
                    const bool exists = result.error().kind == Error::Kind::Conflict
                                        && !EnvdClient::isPaused(result.error());
                    banner->showMessage(Banner::Level::Error,
                                        exists ? tr("“%1” exists already; nothing was renamed.")
                                                     .arg(filename::display(name))
                                               : tr("“%1” was not renamed. %2")
                                                     .arg(filename::display(old),
                                                          filewords::sentence(result.error())),
                                        {}, format::details(result.error()));
                });
            });
    }

    void remove()
    {
        const QStringList paths = tree->selectedPaths();
        if (paths.isEmpty())
            return;
        Prompt::Question question;
        int folders = 0;
        for (const QString &path : paths) {
            const FileNode *node = store.find(path);
            const bool folder = node && node->isFolder() && !node->entry.isSymlink;
            folders += folder ? 1 : 0;
            question.list.append(
                folder ? tr("%1/ (with everything in it)").arg(filename::display(path))
                       : filename::display(path));
        }
        const int count = int(paths.size());
        if (count == 1) {
            const QString name = filename::display(filename::baseOf(paths.constFirst()));
            question.title =
                folders > 0 ? tr("Delete folder “%1”?").arg(name) : tr("Delete “%1”?").arg(name);
            question.action = folders > 0 ? tr("Delete folder") : tr("Delete file");
        } else {
            question.title = tr("Delete %n items?", nullptr, count);
            question.action = tr("Delete %n items", nullptr, count);
        }
        question.text = tr("A sandbox has no trash: what is deleted is permanently lost.");
        question.destructive = true;
        prompt.confirm(&q, question, [this, self = QPointer(this), paths](bool yes) {
            if (self && yes)
                removePaths(paths);
        });
    }

    void removePaths(const QStringList &paths)
    {
        store.remove(paths, this, [this, paths](const QList<FileStore::RemovalFailure> &failures) {
            if (failures.isEmpty()) {
                emit q.statusMessage(tr("Deleted %n item(s)", nullptr, int(paths.size())));
                return;
            }
            QStringList details;
            for (const auto &failure : failures)
                details.append(tr("%1: %2").arg(filename::display(failure.path),
                                                filewords::sentence(failure.error)));
            banner->showMessage(
                Banner::Level::Error,
                failures.size() == 1
                    ? tr("“%1” was not deleted. %2")
                          .arg(filename::display(filename::baseOf(failures.constFirst().path)),
                               filewords::sentence(failures.constFirst().error))
                    : tr("%1 of %2 were not deleted.").arg(failures.size()).arg(paths.size()),
                {}, details.join(u'\n'));
        });
    }

    void copyPath()
    {
        const QStringList paths = tree->selectedPaths();
        if (paths.isEmpty())
            return;
        QApplication::clipboard()->setText(paths.join(u'\n'));
        emit q.statusMessage(tr("Copied %n path(s)", nullptr, int(paths.size())));
    }
};

FilesPane::FilesPane(Connection &connection, const QString &sandboxId, Prompt &prompt,
                     QWidget *parent)
    : QWidget(parent)
    , d(std::make_unique<Private>(*this, connection, sandboxId, prompt))
{
    setObjectName(QStringLiteral("filesPane"));
    setAccessibleName(tr("Files"));
    d->build();
}

FilesPane::~FilesPane()
{
    // The widgets look at the store, the model and the queue: they go first.
    removeEventFilter(d.get());
    qDeleteAll(findChildren<QWidget *>(QString(), Qt::FindDirectChildrenOnly));
}

void FilesPane::start()
{
    if (d->started)
        return;
    d->started = true;
    d->store.setActive(isVisible());
    d->goHome();
    d->updateActions();
}

bool FilesPane::hasUnsavedEdits() const
{
    for (int i = 0; i < d->tabs->count(); ++i) {
        if (d->page(i)->isModified())
            return true;
    }
    return false;
}

bool FilesPane::hasRunningTransfers() const
{
    return d->queue.activeCount() > 0;
}

void FilesPane::setReachable(bool reachable, const QString &reason)
{
    const bool changed = d->reachable != reachable;
    d->reachable = reachable;
    d->reason = reason;
    d->store.setReachable(reachable);
    d->queue.setReachable(reachable);
    for (int i = 0; i < d->tabs->count(); ++i)
        d->page(i)->setReachable(reachable, reason);
    d->pathEdit->setEnabled(reachable);
    if (!reachable)
        d->banner->showMessage(Banner::Level::Info, reason);
    else if (changed)
        d->banner->clear();
    d->updateActions();
    d->updateStack();
    if (reachable && changed && d->started && d->store.root().path.isEmpty())
        d->goHome();
}

} // namespace moru
