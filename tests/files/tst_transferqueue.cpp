// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/transfermodel.h"
#include "app/stores/localfile.h"
#include "tests/files/fakesandbox.h"

#include <QAbstractItemModelTester>
#include <QDir>
#include <QFile>
#include <QSignalSpy>
#include <QTest>

#include <algorithm>
#include <memory>

using namespace moru;
using test::FakeSandbox;
using test::HttpExchange;

namespace {

const QString kHome = QStringLiteral("/home/user");

using State = TransferItem::State;

struct Bench {
    FakeSandbox sandbox;
    TransferQueue queue{sandbox.envd()};
    TransferModel model{queue};
    QAbstractItemModelTester tester{&model, QAbstractItemModelTester::FailureReportingMode::QtTest};
    QTemporaryDir folder;

    [[nodiscard]] QString local(const QString &name) const { return folder.path() + u'/' + name; }

    void write(const QString &name, const QByteArray &content) const
    {
        QFile file(local(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(content), content.size());
    }

    [[nodiscard]] QByteArray read(const QString &name) const
    {
        QFile file(local(name));
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

    [[nodiscard]] QStringList names() const
    {
        return QDir(folder.path()).entryList(QDir::Files | QDir::Hidden | QDir::System, QDir::Name);
    }

    [[nodiscard]] const TransferItem &item(quint64 id) const { return queue.at(queue.indexOf(id)); }
};

} // namespace

class TransferQueueTest : public QObject {
    Q_OBJECT
private slots:
    void downloadArrivesWhole();
    void emptyAndLinkedFilesAreDownloaded();
    void failedDownloadLeavesTheOldFileWhole_data();
    void failedDownloadLeavesTheOldFileWhole();
    void shortFileIsNoSuccess();
    void growingFileIsNoFailure();
    void canceledDownloadLeavesNothing();
    void unwritableFolderIsToldPlainly();
    void nothingIsReplacedUnasked_data();
    void nothingIsReplacedUnasked();
    void oneAnswerForAll();
    void uploadArrivesWhole();
    void uploadAsksAndKeepsTheMode();
    void uploadKeepsBothUnderAFreeName();
    void failedUploadLeavesTheOldFileWhole_data();
    void failedUploadLeavesTheOldFileWhole();
    void canceledUploadLeavesNothing();
    void transfersSendNothingToASandboxBeingPaused();
    void retryGoesOnAfterAFailure();
    void atMostThreeRunAtOnce();
    void unreachableQueueWaits();
    void finishedOnesCanBeCleared();
    void destructionLeavesNothingBehind();
    void commitNeverReplacesUnasked();
    void linkAtTheTargetIsReplacedNotFollowed();
    void largeFileIsStreamed();
};

void TransferQueueTest::downloadArrivesWhole()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.bin"_qs, QByteArray(300000, 'x'));
    QSignalSpy active(&bench.queue, &TransferQueue::activeCountChanged);
    const quint64 id = bench.queue.download(kHome + u"/a.bin"_qs, bench.local(u"a.bin"_qs), true);
    QCOMPARE(bench.item(id).state, State::Queued);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.item(id).done, 300000);
    QCOMPARE(bench.item(id).total, 300000);
    QCOMPARE(bench.read(u"a.bin"_qs), QByteArray(300000, 'x'));
    QCOMPARE(bench.names(), QStringList{u"a.bin"_qs});
    QCOMPARE(bench.queue.activeCount(), 0);
    QCOMPARE(active.count(), 2); // up and down
}

void TransferQueueTest::emptyAndLinkedFilesAreDownloaded()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/empty"_qs, "");
    bench.sandbox.write(kHome + u"/target"_qs, "content");
    QVERIFY(QFile::link(u"target"_qs, bench.sandbox.local(kHome + u"/link"_qs)));
    const quint64 empty =
        bench.queue.download(kHome + u"/empty"_qs, bench.local(u"empty"_qs), false);
    const quint64 link = bench.queue.download(kHome + u"/link"_qs, bench.local(u"link"_qs), false);
    QTRY_COMPARE(bench.item(empty).state, State::Done);
    QTRY_COMPARE(bench.item(link).state, State::Done);
    QVERIFY(QFileInfo::exists(bench.local(u"empty"_qs)));
    QCOMPARE(bench.read(u"link"_qs), QByteArray("content"));
}

void TransferQueueTest::failedDownloadLeavesTheOldFileWhole_data()
{
    QTest::addColumn<QString>("fault");
    QTest::addColumn<int>("kind");
    QTest::newRow("gone") << u"404"_qs << int(Error::Kind::NotFound);
    QTest::newRow("server error") << u"500"_qs << int(Error::Kind::Server);
    QTest::newRow("token refused") << u"401"_qs << int(Error::Kind::Unauthorized);
    QTest::newRow("cut") << u"cut"_qs << int(Error::Kind::Network);
    QTest::newRow("reset") << u"reset"_qs << int(Error::Kind::Network);
    QTest::newRow("a page instead of the file") << u"502"_qs << int(Error::Kind::NotFound);
}

void TransferQueueTest::failedDownloadLeavesTheOldFileWhole()
{
    QFETCH(QString, fault);
    Bench bench;
    bench.write(u"a.txt"_qs, "old");
    bench.sandbox.write(kHome + u"/a.txt"_qs, QByteArray(500000, 'n'));
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        if (fault == u"cut"_qs) {
            exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n"
                         + QByteArray(200000, 'n'));
            exchange.cut();
        } else if (fault == u"reset"_qs) {
            exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n"
                         + QByteArray(2000, 'n'));
            exchange.reset();
        } else {
            exchange.answer(fault.toInt(), "{\"code\":" + fault.toLatin1()
                                               + ",\"message\":\"The sandbox was not found\"}");
        }
        return true;
    });
    const quint64 id = bench.queue.download(kHome + u"/a.txt"_qs, bench.local(u"a.txt"_qs), true);
    QTRY_COMPARE_WITH_TIMEOUT(bench.item(id).state, State::Failed, 20000);
    QTEST(int(bench.item(id).error.kind), "kind");
    QCOMPARE(bench.read(u"a.txt"_qs), QByteArray("old"));
    QCOMPARE(bench.names(), QStringList{u"a.txt"_qs});
}

void TransferQueueTest::shortFileIsNoSuccess()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a"_qs, QByteArray(1000, 'x'));
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        exchange.answer(200, QByteArray(900, 'x'),
                        "application/octet-stream"); // whole, as far as HTTP goes
        return true;
    });
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), false);
    QTRY_COMPARE(bench.item(id).state, State::Failed);
    QCOMPARE(bench.item(id).error.kind, Error::Kind::Protocol);
    QCOMPARE(bench.names(), QStringList());
}

void TransferQueueTest::growingFileIsNoFailure()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/log"_qs, QByteArray(1000, 'x'));
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &) {
        if (what == "GET /files")
            bench.sandbox.write(kHome + u"/log"_qs, QByteArray(1200, 'x'));
        return false;
    });
    const quint64 id = bench.queue.download(kHome + u"/log"_qs, bench.local(u"log"_qs), false);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.read(u"log"_qs).size(), 1200);
}

void TransferQueueTest::canceledDownloadLeavesNothing()
{
    Bench bench;
    bench.write(u"a"_qs, "old");
    bench.sandbox.write(kHome + u"/a"_qs, "x");
    QPointer<HttpExchange> held;
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
                     + QByteArray(300000, 'n'));
        held = &exchange;
        return true;
    });
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), true);
    QTRY_COMPARE(bench.item(id).total, 1000000);
    QTRY_COMPARE(bench.names().size(), 2);
    bench.queue.cancel(id);
    QTRY_COMPARE(bench.item(id).state, State::Canceled);
    QCOMPARE(bench.names(), QStringList{u"a"_qs});
    QCOMPARE(bench.read(u"a"_qs), QByteArray("old"));
    QTRY_VERIFY(!held); // the connection went, too
}

void TransferQueueTest::unwritableFolderIsToldPlainly()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a"_qs, "x");
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"missing/a"_qs), true);
    QTRY_COMPARE(bench.item(id).state, State::Failed);
    QCOMPARE(bench.item(id).error.kind, Error::Kind::Local);
    QVERIFY(QDir().mkdir(bench.local(u"dir"_qs)));
    const quint64 onFolder = bench.queue.download(kHome + u"/a"_qs, bench.local(u"dir"_qs), true);
    QTRY_COMPARE(bench.item(onFolder).state, State::Failed);
    const quint64 ofFolder = bench.queue.download(kHome, bench.local(u"b"_qs), true);
    QTRY_COMPARE(bench.item(ofFolder).state, State::Failed);
    QCOMPARE(bench.names(), QStringList());
}

void TransferQueueTest::nothingIsReplacedUnasked_data()
{
    QTest::addColumn<int>("decision");
    QTest::addColumn<int>("state");
    QTest::addColumn<QByteArray>("original");
    QTest::addColumn<QStringList>("files");
    QTest::newRow("overwrite") << int(TransferQueue::Decision::Overwrite) << int(State::Done)
                               << QByteArray("new") << QStringList{u"a.txt"_qs};
    QTest::newRow("keep both") << int(TransferQueue::Decision::KeepBoth) << int(State::Done)
                               << QByteArray("old") << QStringList{u"a (2).txt"_qs, u"a.txt"_qs};
    QTest::newRow("skip") << int(TransferQueue::Decision::Skip) << int(State::Skipped)
                          << QByteArray("old") << QStringList{u"a.txt"_qs};
}

void TransferQueueTest::nothingIsReplacedUnasked()
{
    QFETCH(int, decision);
    QFETCH(QStringList, files);
    Bench bench;
    bench.write(u"a.txt"_qs, "old");
    bench.sandbox.write(kHome + u"/a.txt"_qs, "new");
    const quint64 id = bench.queue.download(kHome + u"/a.txt"_qs, bench.local(u"a.txt"_qs), false);
    QTRY_COMPARE(bench.item(id).state, State::Asking);
    QCOMPARE(bench.item(id).source.size, 3);
    QCOMPARE(bench.queue.firstAsking(), 0);
    QCOMPARE(bench.sandbox.count("GET /files"), 0);
    QCOMPARE(bench.read(u"a.txt"_qs), QByteArray("old"));
    bench.queue.resolve(id, TransferQueue::Decision(decision), false);
    QTRY_VERIFY(!bench.item(id).isActive());
    QTEST(int(bench.item(id).state), "state");
    QTEST(bench.read(u"a.txt"_qs), "original");
    QStringList names = bench.names();
    names.sort();
    files.sort();
    QCOMPARE(names, files);
    if (files.size() == 2)
        QCOMPARE(bench.read(u"a (2).txt"_qs), QByteArray("new"));
}

void TransferQueueTest::oneAnswerForAll()
{
    Bench bench;
    QList<quint64> ids;
    for (int i = 0; i < 8; ++i) {
        const QString name = u"f%1"_qs.arg(i);
        bench.write(name, "old");
        bench.sandbox.write(kHome + u'/' + name, "new");
        ids.append(bench.queue.download(kHome + u'/' + name, bench.local(name), false));
    }
    QTRY_COMPARE(bench.item(ids.at(0)).state, State::Asking);
    bench.queue.resolve(ids.at(0), TransferQueue::Decision::Overwrite, true);
    QTRY_COMPARE(bench.queue.activeCount(), 0);
    for (int i = 0; i < 8; ++i)
        QCOMPARE(bench.read(u"f%1"_qs.arg(i)), QByteArray("new"));
    // "All" were these, not those of tomorrow.
    const quint64 later = bench.queue.download(kHome + u"/f0"_qs, bench.local(u"f0"_qs), false);
    QTRY_COMPARE(bench.item(later).state, State::Asking);
}

void TransferQueueTest::uploadArrivesWhole()
{
    Bench bench;
    bench.write(u"a.bin"_qs, QByteArray(300000, 'u'));
    QSignalSpy uploaded(&bench.queue, &TransferQueue::uploaded);
    const quint64 id = bench.queue.upload(bench.local(u"a.bin"_qs), kHome + u"/sub/a.bin"_qs);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.sandbox.read(kHome + u"/sub/a.bin"_qs), QByteArray(300000, 'u'));
    QCOMPARE(bench.sandbox.names(kHome + u"/sub"_qs), QStringList{u"a.bin"_qs});
    QCOMPARE(uploaded.count(), 1);
    bench.write(u"empty"_qs, "");
    const quint64 empty = bench.queue.upload(bench.local(u"empty"_qs), kHome + u"/empty"_qs);
    QTRY_COMPARE(bench.item(empty).state, State::Done);
    QCOMPARE(bench.sandbox.read(kHome + u"/empty"_qs), QByteArray(""));
}

void TransferQueueTest::uploadAsksAndKeepsTheMode()
{
    Bench bench;
    bench.write(u"run.sh"_qs, "new");
    bench.sandbox.write(kHome + u"/run.sh"_qs, "older", 0755);
    const quint64 id = bench.queue.upload(bench.local(u"run.sh"_qs), kHome + u"/run.sh"_qs);
    QTRY_COMPARE(bench.item(id).state, State::Asking);
    QCOMPARE(bench.item(id).target.size, 5);
    QCOMPARE(bench.item(id).source.size, 3);
    QCOMPARE(bench.sandbox.count("POST /files"), 0);
    bench.queue.resolve(id, TransferQueue::Decision::Overwrite, false);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.sandbox.read(kHome + u"/run.sh"_qs), QByteArray("new"));
    QCOMPARE(bench.sandbox.mode(kHome + u"/run.sh"_qs), 0755);
}

void TransferQueueTest::uploadKeepsBothUnderAFreeName()
{
    Bench bench;
    bench.write(u"a.txt"_qs, "new");
    bench.sandbox.write(kHome + u"/a.txt"_qs, "old");
    bench.sandbox.write(kHome + u"/a (2).txt"_qs, "older");
    const quint64 id = bench.queue.upload(bench.local(u"a.txt"_qs), kHome + u"/a.txt"_qs);
    QTRY_COMPARE(bench.item(id).state, State::Asking);
    bench.queue.resolve(id, TransferQueue::Decision::KeepBoth, false);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.item(id).remotePath, kHome + u"/a (3).txt"_qs);
    QCOMPARE(bench.sandbox.read(kHome + u"/a (3).txt"_qs), QByteArray("new"));
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("old"));
    QCOMPARE(bench.sandbox.read(kHome + u"/a (2).txt"_qs), QByteArray("older"));
}

void TransferQueueTest::failedUploadLeavesTheOldFileWhole_data()
{
    QTest::addColumn<QString>("fault");
    QTest::addColumn<int>("kind");
    QTest::newRow("disk full") << u"507"_qs << int(Error::Kind::NoSpace);
    QTest::newRow("cut") << u"cut"_qs << int(Error::Kind::Network);
    QTest::newRow("arrived short") << u"short"_qs << int(Error::Kind::Protocol);
}

void TransferQueueTest::failedUploadLeavesTheOldFileWhole()
{
    QFETCH(QString, fault);
    Bench bench;
    bench.write(u"a"_qs, QByteArray(100000, 'n'));
    bench.sandbox.write(kHome + u"/a"_qs, "old");
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "POST /files")
            return false;
        if (fault == u"507"_qs) {
            exchange.answer(507, R"({"code":507,"message":"not enough disk space"})");
        } else if (fault == u"cut"_qs) {
            exchange.reset();
        } else {
            // Says it went well and kept the half.
            const QByteArray query = QByteArray::fromPercentEncoding(exchange.request().query);
            bench.sandbox.write(QString::fromUtf8(query.mid(query.indexOf("path=") + 5)), "half");
            exchange.answer(200, "[{\"path\":\"/x\",\"name\":\"x\",\"type\":\"file\"}]");
        }
        return true;
    });
    const quint64 id = bench.queue.upload(bench.local(u"a"_qs), kHome + u"/a"_qs);
    QTRY_COMPARE(bench.item(id).state, State::Asking);
    bench.queue.resolve(id, TransferQueue::Decision::Overwrite, false);
    QTRY_COMPARE_WITH_TIMEOUT(bench.item(id).state, State::Failed, 20000);
    QTEST(int(bench.item(id).error.kind), "kind");
    QCOMPARE(bench.sandbox.read(kHome + u"/a"_qs), QByteArray("old"));
    QTRY_COMPARE(bench.sandbox.names(kHome), QStringList{u"a"_qs});
}

void TransferQueueTest::canceledUploadLeavesNothing()
{
    Bench bench;
    bench.write(u"a"_qs, QByteArray(8 << 20, 'n'));
    bench.sandbox.write(kHome + u"/b"_qs, "x");
    const quint64 id = bench.queue.upload(bench.local(u"a"_qs), kHome + u"/a"_qs);
    bench.sandbox.server().setReadingPaused(false);
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        Q_UNUSED(exchange)
        return what == "POST /files"; // never answered
    });
    QTRY_COMPARE(bench.sandbox.count("POST /files"), 1);
    QCOMPARE(bench.item(id).state, State::Running);
    bench.queue.cancel(id);
    QTRY_COMPARE(bench.item(id).state, State::Canceled);
    QTRY_VERIFY(bench.sandbox.count("Remove") > 0);
    QCOMPARE(bench.sandbox.names(kHome), QStringList{u"b"_qs});
}

void TransferQueueTest::transfersSendNothingToASandboxBeingPaused()
{
    Bench bench;
    bench.write(u"a"_qs, QByteArray(8 << 20, 'n'));
    const quint64 id = bench.queue.upload(bench.local(u"a"_qs), kHome + u"/a"_qs);
    int after = 0;
    bool held = false;
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        Q_UNUSED(exchange)
        after += held ? 1 : 0;
        return what == "POST /files"; // never answered
    });
    QTRY_COMPARE(bench.sandbox.count("POST /files"), 1);
    bench.sandbox.envd().hold();
    held = true;
    bench.sandbox.envd().closeStreams();
    QTRY_COMPARE(bench.item(id).state, State::Canceled);
    // What would tidy up behind the upload has been refused by then, and nothing else came.
    bool refused = false;
    bench.sandbox.envd().stat(kHome, this, [&refused](const Result<FileEntry> &result) {
        refused = !result && EnvdClient::isPaused(result.error());
    });
    QTRY_VERIFY(refused);
    QCOMPARE(after, 0);
    held = false;
    bench.sandbox.envd().release();
    bool answered = false;
    bench.sandbox.envd().stat(
        kHome, this, [&answered](const Result<FileEntry> &result) { answered = bool(result); });
    QTRY_VERIFY(answered);
}

void TransferQueueTest::retryGoesOnAfterAFailure()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a"_qs, "content");
    bench.sandbox.failNext("GET /files", 500, R"({"code":500,"message":"no"})");
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), false);
    QTRY_COMPARE(bench.item(id).state, State::Failed);
    bench.queue.retry(id);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.read(u"a"_qs), QByteArray("content"));
    bench.queue.retry(id); // done is done
    QCOMPARE(bench.item(id).state, State::Done);
}

void TransferQueueTest::atMostThreeRunAtOnce()
{
    Bench bench;
    QList<QPointer<HttpExchange>> held;
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        held.append(&exchange);
        return true;
    });
    QList<quint64> ids;
    for (int i = 0; i < 7; ++i) {
        const QString name = u"f%1"_qs.arg(i);
        bench.sandbox.write(kHome + u'/' + name, "x");
        ids.append(bench.queue.download(kHome + u'/' + name, bench.local(name), false));
    }
    for (int done = 0; done < 7; ++done) {
        QTRY_COMPARE(held.size(), qMin(7, done + 3));
        QCOMPARE(std::count_if(ids.cbegin(), ids.cend(),
                               [&](quint64 id) { return bench.item(id).state == State::Running; }),
                 qMin(3, 7 - done));
        QVERIFY(held.at(done));
        held.at(done)->answer(200, "x", "application/octet-stream");
        QTRY_COMPARE(bench.queue.activeCount(), 7 - done - 1);
    }
    // In the order they were asked for.
    for (const quint64 id : ids)
        QCOMPARE(bench.item(id).state, State::Done);
}

void TransferQueueTest::unreachableQueueWaits()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a"_qs, "x");
    bench.queue.setReachable(false);
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), false);
    QTest::qWait(100);
    QCOMPARE(bench.item(id).state, State::Queued);
    QCOMPARE(bench.sandbox.server().requests().size(), 0);
    bench.queue.setReachable(true);
    QTRY_COMPARE(bench.item(id).state, State::Done);
}

void TransferQueueTest::finishedOnesCanBeCleared()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a"_qs, "x");
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &) {
        return what == "GET /files" && bench.sandbox.count("GET /files") > 1; // the second hangs
    });
    const quint64 first = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), false);
    QTRY_COMPARE(bench.item(first).state, State::Done);
    const quint64 second = bench.queue.download(kHome + u"/a"_qs, bench.local(u"b"_qs), false);
    const quint64 third = bench.queue.download(kHome + u"/none"_qs, bench.local(u"c"_qs), false);
    QTRY_COMPARE(bench.item(third).state, State::Failed);
    bench.queue.clearFinished();
    QCOMPARE(bench.queue.count(), 1);
    QCOMPARE(bench.queue.at(0).id, second);
    QCOMPARE(bench.queue.indexOf(first), -1);
}

void TransferQueueTest::destructionLeavesNothingBehind()
{
    FakeSandbox sandbox;
    QTemporaryDir folder;
    sandbox.write(kHome + u"/a"_qs, "x");
    sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
                     + QByteArray(300000, 'n'));
        return true;
    });
    auto queue = std::make_unique<TransferQueue>(sandbox.envd());
    queue->download(kHome + u"/a"_qs, folder.path() + u"/a"_qs, false);
    QTRY_COMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden).size(), 1);
    queue.reset();
    QCOMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden), QStringList());
}

void TransferQueueTest::commitNeverReplacesUnasked()
{
    Bench bench;
    bench.write(u"t.part"_qs, "new");
    bench.write(u"t"_qs, "old");
    const auto refused = localfile::commit(bench.local(u"t.part"_qs), bench.local(u"t"_qs), false);
    QVERIFY(!refused);
    QCOMPARE(refused.error().kind, Error::Kind::Conflict);
    QCOMPARE(bench.read(u"t"_qs), QByteArray("old"));
    QVERIFY(localfile::commit(bench.local(u"t.part"_qs), bench.local(u"t"_qs), true));
    QCOMPARE(bench.read(u"t"_qs), QByteArray("new"));
    QVERIFY(!localfile::commit(bench.local(u"t.part"_qs), bench.local(u"t"_qs), true)); // gone
    bench.write(u"u.part"_qs, "new");
    QVERIFY(localfile::commit(bench.local(u"u.part"_qs), bench.local(u"u"_qs), false));
    QCOMPARE(bench.names(), (QStringList{u"t"_qs, u"u"_qs}));
}

void TransferQueueTest::linkAtTheTargetIsReplacedNotFollowed()
{
    Bench bench;
    bench.write(u"precious"_qs, "precious");
    QVERIFY(QFile::link(bench.local(u"precious"_qs), bench.local(u"a"_qs)));
    bench.sandbox.write(kHome + u"/a"_qs, "new");
    const quint64 id = bench.queue.download(kHome + u"/a"_qs, bench.local(u"a"_qs), true);
    QTRY_COMPARE(bench.item(id).state, State::Done);
    QCOMPARE(bench.read(u"precious"_qs), QByteArray("precious"));
    QVERIFY(!QFileInfo(bench.local(u"a"_qs)).isSymLink());
    QCOMPARE(bench.read(u"a"_qs), QByteArray("new"));
}

void TransferQueueTest::largeFileIsStreamed()
{
    Bench bench;
    constexpr qint64 kSize = 96 << 20;
    bench.sandbox.write(kHome + u"/big"_qs, "");
    QVERIFY(QFile::resize(bench.sandbox.local(kHome + u"/big"_qs), kSize)); // sparse
    bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
        if (what != "GET /files")
            return false;
        exchange.sendPattern(kSize);
        return true;
    });
    const quint64 id = bench.queue.download(kHome + u"/big"_qs, bench.local(u"big"_qs), false);
    QSignalSpy changed(&bench.queue, &TransferQueue::itemChanged);
    QTRY_COMPARE_WITH_TIMEOUT(bench.item(id).state, State::Done, 60000);
    QVERIFY(changed.count() > 3); // told on the way
    QCOMPARE(QFileInfo(bench.local(u"big"_qs)).size(), kSize);
    QFile file(bench.local(u"big"_qs));
    QVERIFY(file.open(QIODevice::ReadOnly));
    for (const qint64 at : {qint64(0), qint64(1) << 20, kSize - 1}) {
        QVERIFY(file.seek(at));
        char c = 0;
        QVERIFY(file.getChar(&c));
        QCOMPARE(int(uchar(c)), int(at % 251));
    }
}

QTEST_GUILESS_MAIN(TransferQueueTest)
#include "tst_transferqueue.moc"
