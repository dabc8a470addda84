// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/filetreemodel.h"
#include "tests/files/fakesandbox.h"
#include "tests/support/outcome.h"

#include <QAbstractItemModelTester>
#include <QDir>
#include <QFile>
#include <QRandomGenerator>
#include <QSignalSpy>
#include <QTest>

#include <algorithm>
#include <cstdio>
#include <optional>

#include <sys/stat.h>

using namespace moru;
using test::FakeSandbox;
using test::HttpExchange;
using test::Outcome;

namespace {

const QString kHome = QStringLiteral("/home/user");

struct Tree {
    FakeSandbox sandbox;
    FileStore store{sandbox.envd()};
    FileTreeModel model{store};
    QAbstractItemModelTester tester{&model, QAbstractItemModelTester::FailureReportingMode::QtTest};

    void show(const QString &path = QStringLiteral("~"))
    {
        store.setRoot(path);
        QTRY_COMPARE(store.root().state, FileNode::State::Ready);
    }

    [[nodiscard]] QStringList names(const QModelIndex &parent = {}) const
    {
        QStringList result;
        for (int row = 0; row < model.rowCount(parent); ++row)
            result.append(model.index(row, 0, parent).data().toString());
        return result;
    }
};

} // namespace

class FileTreeTest : public QObject {
    Q_OBJECT
private slots:
    void foldersComeFirstInNaturalOrder();
    void columnsSayWhatTheServerSaid();
    void foldersAreReadWhenOpened();
    void refreshKeepsSelectionAndOpenFolders();
    void randomChangesEndLikeAFreshListing();
    void everyOrderIsAnOrder_data();
    void everyOrderIsAnOrder();
    void strangeNamesAreEscapedAndMarked();
    void watchedChangesArrive();
    void refusedWatchIsReplacedByReadingAgain();
    void failuresAreToldAndHealed();
    void vanishedFolderLeavesTheTree();
    void refusedRootChangesNothing();
    void nothingIsSentWhileUnreachableOrHidden();
    void closedStreamsSilenceTheStore();
    void actionsDoWhatTheySay();
    void bigFoldersMergeInTime();
};

void FileTreeTest::foldersComeFirstInNaturalOrder()
{
    Tree tree;
    for (const char *name : {"b10.txt", "b9.txt", "B1.txt", ".hidden", "z/f", "a2/f", "a10/f"})
        tree.sandbox.write(kHome + u'/' + QString::fromLatin1(name), "x");
    tree.show();
    QCOMPARE(tree.names(), (QStringList{u"a2"_qs, u"a10"_qs, u"z"_qs, u".hidden"_qs, u"B1.txt"_qs,
                                        u"b9.txt"_qs, u"b10.txt"_qs}));
}

void FileTreeTest::columnsSayWhatTheServerSaid()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/a.txt"_qs, "12345", 0640);
    tree.sandbox.setOwner(kHome + u"/a.txt"_qs, u"root"_qs, u"staff"_qs);
    QVERIFY(QFile::link(u"a.txt"_qs, tree.sandbox.local(kHome + u"/link"_qs)));
    QVERIFY(QFile::link(u"nowhere"_qs, tree.sandbox.local(kHome + u"/zbroken"_qs)));
    tree.show();
    const QModelIndex file = tree.model.index(0, 0);
    QCOMPARE(file.data().toString(), u"a.txt"_qs);
    QCOMPARE(file.siblingAtColumn(FileTreeModel::SizeColumn).data().toLongLong(), 5);
    QCOMPARE(file.siblingAtColumn(FileTreeModel::PermissionsColumn).data().toString(),
             u"-rw-r-----"_qs);
    QCOMPARE(file.siblingAtColumn(FileTreeModel::OwnerColumn).data().toString(), u"root:staff"_qs);
    QVERIFY(qAbs(file.siblingAtColumn(FileTreeModel::ModifiedColumn)
                     .data()
                     .toDateTime()
                     .secsTo(QDateTime::currentDateTimeUtc()))
            < 60);
    QCOMPARE(file.data(FileTreeModel::PathRole).toString(), kHome + u"/a.txt"_qs);
    const QModelIndex link = tree.model.index(1, 0);
    QVERIFY(link.data(FileTreeModel::SymlinkRole).toBool());
    QVERIFY(link.data(Qt::ToolTipRole).toString().contains(kHome + u"/a.txt"_qs));
    QVERIFY(!link.siblingAtColumn(FileTreeModel::SizeColumn).data().isValid());
    QVERIFY(tree.model.index(2, 0).data(Qt::ToolTipRole).toString().contains(u"does not exist"_qs));
}

void FileTreeTest::foldersAreReadWhenOpened()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/a/b/c.txt"_qs, "x");
    tree.show();
    const QModelIndex a = tree.model.index(0, 0);
    QVERIFY(tree.model.hasChildren(a));
    QCOMPARE(tree.model.rowCount(a), 0);
    const int listings = tree.sandbox.count("ListDir");
    tree.store.setOpen(*tree.model.node(a), true);
    QCOMPARE(a.data(FileTreeModel::StateRole).toInt(), int(FileNode::State::Loading));
    QTRY_COMPARE(tree.names(a), QStringList{u"b"_qs});
    QVERIFY(tree.sandbox.count("ListDir") > listings);
    QCOMPARE(tree.model.rowCount(tree.model.index(0, 0, a)), 0); // deeper ones wait
    QVERIFY(tree.store.find(kHome + u"/a/b"_qs));
    QVERIFY(!tree.store.find(kHome + u"/a/b/c.txt"_qs));
}

void FileTreeTest::refreshKeepsSelectionAndOpenFolders()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    for (const char *name : {"b", "d", "f"})
        tree.sandbox.write(kHome + u'/' + QString::fromLatin1(name), "x");
    tree.show();
    const QPersistentModelIndex dir = tree.model.index(0, 0);
    tree.store.setOpen(*tree.model.node(dir), true);
    QTRY_COMPARE(tree.model.rowCount(dir), 1);
    const QPersistentModelIndex inside = tree.model.index(0, 0, dir);
    const QPersistentModelIndex d = tree.model.indexOf(kHome + u"/d"_qs);
    QSignalSpy reset(&tree.model, &QAbstractItemModel::modelReset);

    for (const char *name : {"a", "c", "e", "aaa/x"})
        tree.sandbox.write(kHome + u'/' + QString::fromLatin1(name), "x");
    QVERIFY(QFile::remove(tree.sandbox.local(kHome + u"/b"_qs)));
    tree.store.refresh();
    QTRY_COMPARE(tree.names(),
                 (QStringList{u"aaa"_qs, u"dir"_qs, u"a"_qs, u"c"_qs, u"d"_qs, u"e"_qs, u"f"_qs}));
    QVERIFY(d.isValid());
    QCOMPARE(d.data().toString(), u"d"_qs);
    QVERIFY(inside.isValid());
    QCOMPARE(inside.data().toString(), u"in.txt"_qs);
    QCOMPARE(reset.count(), 0);

    // Nothing changed: nothing is announced.
    QSignalSpy changed(&tree.model, &QAbstractItemModel::dataChanged);
    QSignalSpy inserted(&tree.model, &QAbstractItemModel::rowsInserted);
    const int listings = tree.sandbox.count("ListDir");
    tree.store.refresh();
    QTRY_VERIFY(tree.sandbox.count("ListDir") >= listings + 2);
    QTest::qWait(50); // the answers, if they said anything, would have been merged
    QCOMPARE(changed.count(), 0);
    QCOMPARE(inserted.count(), 0);
}

void FileTreeTest::randomChangesEndLikeAFreshListing()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.show();
    QRandomGenerator random(7);
    for (int round = 0; round < 25; ++round) {
        // From time to time so much at once that the order is made anew.
        const int changes = round % 5 == 0 ? 150 : 10;
        for (int i = 0; i < changes; ++i) {
            const QString name =
                u"/%1%2"_qs.arg(QChar(char16_t(u'a' + random.bounded(26)))).arg(random.bounded(12));
            const QString path = kHome + name;
            if (random.bounded(3) == 0) {
                QDir(tree.sandbox.local(path)).removeRecursively();
                QFile::remove(tree.sandbox.local(path));
            } else if (random.bounded(4) == 0 && !QFileInfo::exists(tree.sandbox.local(path))) {
                QDir().mkpath(tree.sandbox.local(path));
            } else if (!QFileInfo(tree.sandbox.local(path)).isDir()) {
                tree.sandbox.write(path, QByteArray(random.bounded(100), 'x'));
            }
        }
        if (round % 3 == 0)
            tree.model.sort(random.bounded(FileTreeModel::ColumnCount),
                            random.bounded(2) == 0 ? Qt::AscendingOrder : Qt::DescendingOrder);
        const int listings = tree.sandbox.count("ListDir");
        tree.store.refresh();
        QTRY_VERIFY(tree.sandbox.count("ListDir") > listings);
        QStringList expected = tree.sandbox.names(kHome);
        const auto sorted = [](QStringList list) {
            list.sort();
            return list;
        };
        QTRY_COMPARE(sorted(tree.names()), sorted(expected));
        for (int row = 1; row < tree.model.rowCount(); ++row) {
            const auto *above = tree.model.node(tree.model.index(row - 1, 0));
            const auto *node = tree.model.node(tree.model.index(row, 0));
            QCOMPARE(node->row, row);
            QVERIFY(above->isFolder() || !node->isFolder());
        }
    }
}

void FileTreeTest::everyOrderIsAnOrder_data()
{
    QTest::addColumn<int>("column");
    QTest::addColumn<QStringList>("ascending");
    QTest::newRow("name") << int(FileTreeModel::NameColumn)
                          << QStringList{u"a"_qs, u"b"_qs, u"c"_qs};
    QTest::newRow("size") << int(FileTreeModel::SizeColumn)
                          << QStringList{u"c"_qs, u"a"_qs, u"b"_qs};
    QTest::newRow("modified") << int(FileTreeModel::ModifiedColumn)
                              << QStringList{u"b"_qs, u"c"_qs, u"a"_qs};
    QTest::newRow("permissions") << int(FileTreeModel::PermissionsColumn)
                                 << QStringList{u"b"_qs, u"a"_qs, u"c"_qs};
    QTest::newRow("owner") << int(FileTreeModel::OwnerColumn)
                           << QStringList{u"c"_qs, u"b"_qs, u"a"_qs};
}

void FileTreeTest::everyOrderIsAnOrder()
{
    QFETCH(int, column);
    QFETCH(QStringList, ascending);
    Tree tree;
    tree.sandbox.write(kHome + u"/a"_qs, "22", 0640);
    tree.sandbox.write(kHome + u"/b"_qs, "333");
    tree.sandbox.write(kHome + u"/c"_qs, "1", 0644);
    tree.sandbox.age(kHome + u"/b"_qs, 200);
    tree.sandbox.age(kHome + u"/c"_qs, 100);
    // Last: who may not write to it cannot set its time.
    QVERIFY(::chmod(QFile::encodeName(tree.sandbox.local(kHome + u"/b"_qs)).constData(), 0440)
            == 0);
    tree.sandbox.setOwner(kHome + u"/a"_qs, u"z"_qs, u"z"_qs);
    tree.sandbox.setOwner(kHome + u"/b"_qs, u"y"_qs, u"y"_qs);
    tree.sandbox.setOwner(kHome + u"/c"_qs, u"x"_qs, u"x"_qs);
    tree.show();
    const QPersistentModelIndex a = tree.model.indexOf(kHome + u"/a"_qs);
    tree.model.sort(column, Qt::DescendingOrder);
    QStringList descending = ascending;
    std::reverse(descending.begin(), descending.end());
    QCOMPARE(tree.names(), descending);
    tree.model.sort(column, Qt::AscendingOrder);
    QCOMPARE(tree.names(), ascending);
    QCOMPARE(a.data().toString(), u"a"_qs);
}

void FileTreeTest::strangeNamesAreEscapedAndMarked()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/a\nb"_qs, "x");
    tree.sandbox.write(kHome + u"/c\u202Ed"_qs, "x");
    // Two names that are one after decoding.
    for (const char *name : {"/e\xff", "/e\xfe"}) {
        const QByteArray path = QFile::encodeName(tree.sandbox.local(kHome)) + name;
        FILE *f = std::fopen(path.constData(), "w");
        QVERIFY(f);
        std::fclose(f);
    }
    tree.show();
    QCOMPARE(tree.names(),
             (QStringList{u"a\\nb"_qs, u"c\\u202ed"_qs, u"e\uFFFD"_qs, u"e\uFFFD"_qs}));
    QVERIFY(tree.model.index(0, 0).data(FileTreeModel::AddressableRole).toBool());
    QCOMPARE(tree.model.index(0, 0).data(FileTreeModel::NameRole).toString(), u"a\nb"_qs);
    QVERIFY(!tree.model.index(2, 0).data(FileTreeModel::AddressableRole).toBool());
    QVERIFY(!tree.model.index(3, 0).data(FileTreeModel::AddressableRole).toBool());
    // Reading again neither doubles nor drops one of the two.
    const int listings = tree.sandbox.count("ListDir");
    tree.store.refresh();
    QTRY_VERIFY(tree.sandbox.count("ListDir") > listings);
    QTest::qWait(50);
    QCOMPARE(tree.model.rowCount(), 4);
    for (const char *name : {"/e\xff", "/e\xfe"}) // beyond what QTemporaryDir can remove
        QCOMPARE(std::remove((QFile::encodeName(tree.sandbox.local(kHome)) + name).constData()), 0);
}

void FileTreeTest::watchedChangesArrive()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/a"_qs, "x");
    tree.show();
    QTRY_COMPARE(tree.sandbox.watchCount(), 1);
    QTRY_VERIFY(tree.sandbox.count("ListDir") >= 2); // closes the gap before the watch
    tree.sandbox.write(kHome + u"/b"_qs, "x");
    const int listings = tree.sandbox.count("ListDir");
    for (int i = 0; i < 20; ++i)
        tree.sandbox.notify(kHome, u"b"_qs, filesystem::EVENT_TYPE_WRITE);
    QTRY_COMPARE(tree.names(), (QStringList{u"a"_qs, u"b"_qs}));
    QVERIFY(tree.sandbox.count("ListDir") - listings <= 3); // one reading for many events
}

void FileTreeTest::refusedWatchIsReplacedByReadingAgain()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.show();
    tree.sandbox.write(kHome + u"/b"_qs, "x");
    QTRY_COMPARE_WITH_TIMEOUT(tree.names(), QStringList{u"b"_qs}, 12000);
}

void FileTreeTest::failuresAreToldAndHealed()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    tree.show();
    const QModelIndex dir = tree.model.index(0, 0);
    tree.sandbox.failNext("ListDir", 500, R"({"code":"internal","message":"permission denied"})");
    tree.store.setOpen(*tree.model.node(dir), true);
    QTRY_COMPARE(tree.model.node(dir)->state, FileNode::State::Failed);
    QVERIFY(tree.model.node(dir)->error.message.contains(u"permission denied"_qs));
    QVERIFY(tree.model.hasChildren(dir)); // can be opened again
    tree.store.setOpen(*tree.model.node(dir), false);
    tree.store.setOpen(*tree.model.node(dir), true);
    QTRY_COMPARE(tree.names(dir), QStringList{u"in.txt"_qs});

    // What is known stays when a later reading fails.
    tree.sandbox.failNext("ListDir", 500, R"({"code":"internal","message":"no"})");
    tree.store.refreshFolder(kHome + u"/dir"_qs);
    QTRY_COMPARE(tree.model.node(dir)->state, FileNode::State::Stale);
    QCOMPARE(tree.names(dir), QStringList{u"in.txt"_qs});
    tree.store.refresh();
    QTRY_COMPARE(tree.model.node(dir)->state, FileNode::State::Ready);
}

void FileTreeTest::vanishedFolderLeavesTheTree()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    tree.show();
    tree.store.setOpen(*tree.model.node(tree.model.index(0, 0)), true);
    QTRY_COMPARE(tree.model.rowCount(tree.model.index(0, 0)), 1);
    QVERIFY(QDir(tree.sandbox.local(kHome + u"/dir"_qs)).removeRecursively());
    tree.store.refreshFolder(kHome + u"/dir"_qs);
    QTRY_COMPARE(tree.model.rowCount(), 0);
}

void FileTreeTest::refusedRootChangesNothing()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/a"_qs, "x");
    tree.show();
    QSignalSpy refused(&tree.store, &FileStore::rootRefused);
    tree.store.setRoot(u"/nowhere"_qs);
    QVERIFY(tree.store.isChangingRoot());
    QTRY_COMPARE(refused.count(), 1);
    QCOMPARE(refused.at(0).at(1).value<Error>().kind, Error::Kind::NotFound);
    QCOMPARE(tree.names(), QStringList{u"a"_qs});
    tree.store.setRoot(kHome + u"/a"_qs);
    QTRY_COMPARE(refused.count(), 2);
    QCOMPARE(refused.at(1).at(1).value<Error>().kind, Error::Kind::Invalid);
    QCOMPARE(tree.store.root().path, kHome);
    QVERIFY(!tree.store.isChangingRoot());
    tree.show(u"/"_qs);
    QTRY_COMPARE(tree.names(), QStringList{u"home"_qs});
    QCOMPARE(tree.model.index(0, 0).data(FileTreeModel::PathRole).toString(), u"/home"_qs);
}

void FileTreeTest::nothingIsSentWhileUnreachableOrHidden()
{
    for (const bool hidden : {true, false}) {
        Tree tree;
        tree.sandbox.write(kHome + u"/a"_qs, "x");
        tree.show();
        QTRY_COMPARE(tree.sandbox.watchCount(), 1);
        QTRY_VERIFY(tree.sandbox.count("ListDir") >= 2);
        hidden ? tree.store.setActive(false) : tree.store.setReachable(false);
        QTRY_COMPARE(tree.sandbox.watchCount(), 0);
        const qsizetype requests = tree.sandbox.server().requests().size();
        tree.store.refresh();
        tree.store.refreshFolder(kHome);
        QTest::qWait(300);
        QCOMPARE(tree.sandbox.server().requests().size(), requests);
        QCOMPARE(tree.names(), QStringList{u"a"_qs}); // the content stays
        tree.sandbox.write(kHome + u"/b"_qs, "x");
        hidden ? tree.store.setActive(true) : tree.store.setReachable(true);
        QTRY_COMPARE(tree.names(), (QStringList{u"a"_qs, u"b"_qs}));
        QTRY_COMPARE(tree.sandbox.watchCount(), 1);
    }
}

void FileTreeTest::closedStreamsSilenceTheStore()
{
    Tree tree;
    tree.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    tree.show();
    tree.store.setOpen(*tree.model.node(tree.model.index(0, 0)), true);
    QTRY_COMPARE(tree.sandbox.watchCount(), 2);
    QTRY_VERIFY(tree.sandbox.count("ListDir") >= 4);
    tree.sandbox.envd().closeStreams();
    QTRY_COMPARE(tree.sandbox.watchCount(), 0);
    const qsizetype requests = tree.sandbox.server().requests().size();
    QTest::qWait(400);
    QCOMPARE(tree.sandbox.server().requests().size(), requests);
    tree.store.setReachable(true);
    QTRY_COMPARE(tree.sandbox.watchCount(), 2);
}

void FileTreeTest::actionsDoWhatTheySay()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    tree.sandbox.write(kHome + u"/a"_qs, "a");
    tree.sandbox.write(kHome + u"/b"_qs, "b");
    tree.show();

    Outcome<FileEntry> made;
    tree.store.makeFolder(kHome, u"new"_qs, this, made.done());
    QTRY_VERIFY(made.arrived());
    QVERIFY(made.ok());
    QTRY_VERIFY(tree.names().contains(u"new"_qs));
    Outcome<FileEntry> twice;
    tree.store.makeFolder(kHome, u"new"_qs, this, twice.done());
    QTRY_VERIFY(twice.arrived());
    QCOMPARE(twice.error().kind, Error::Kind::Conflict);

    Outcome<FileEntry> clash;
    tree.store.rename(kHome + u"/a"_qs, u"b"_qs, this, clash.done());
    QTRY_VERIFY(clash.arrived());
    QCOMPARE(clash.error().kind, Error::Kind::Conflict);
    QCOMPARE(tree.sandbox.read(kHome + u"/b"_qs), QByteArray("b")); // not replaced silently
    Outcome<FileEntry> renamed;
    tree.store.rename(kHome + u"/a"_qs, u"c"_qs, this, renamed.done());
    QTRY_VERIFY(renamed.arrived());
    QVERIFY(renamed.ok());
    QTRY_COMPARE(tree.names(), (QStringList{u"new"_qs, u"b"_qs, u"c"_qs}));

    std::optional<QList<FileStore::RemovalFailure>> failures;
    int removals = 0;
    tree.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "Remove" || ++removals != 1)
            return false;
        exchange.answer(500, R"({"code":"internal","message":"busy"})");
        return true;
    });
    tree.store.remove({kHome + u"/b"_qs, kHome + u"/new"_qs}, this,
                      [&](const QList<FileStore::RemovalFailure> &f) { failures = f; });
    QTRY_VERIFY(failures);
    QCOMPARE(failures->size(), 1);
    QCOMPARE(failures->at(0).path, kHome + u"/b"_qs);
    QTRY_COMPARE(tree.names(), (QStringList{u"b"_qs, u"c"_qs}));
}

void FileTreeTest::bigFoldersMergeInTime()
{
    Tree tree;
    tree.sandbox.refuseWatches();
    constexpr int kFiles = 20000;
    filesystem::ListDirResponse response;
    for (int i = 0; i < kFiles; ++i) {
        auto *entry = response.add_entries();
        entry->set_name("file" + std::to_string(i));
        entry->set_type(filesystem::FILE_TYPE_FILE);
    }
    tree.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "ListDir")
            return false;
        exchange.answer(200, QByteArray::fromStdString(response.SerializeAsString()),
                        "application/proto");
        return true;
    });
    tree.show();
    QTRY_COMPARE(tree.model.rowCount(), kFiles);
    // Every second one goes, as many come in between: thousands of runs.
    filesystem::ListDirResponse next;
    for (int i = 0; i < kFiles; ++i) {
        auto *entry = next.add_entries();
        entry->set_name((i % 2 == 0 ? "file" : "file0.") + std::to_string(i));
        entry->set_type(filesystem::FILE_TYPE_FILE);
    }
    response = next;
    tree.store.refresh();
    QTRY_VERIFY_WITH_TIMEOUT(tree.store.find(kHome + u"/file0.1"_qs), 20000);
    QCOMPARE(tree.model.rowCount(), kFiles);
}

QTEST_GUILESS_MAIN(FileTreeTest)
#include "tst_filetree.moc"
