// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/api/envdfixture.h"

#include <QBuffer>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace moru;
using namespace moru::test;
using Kind = Error::Kind;

namespace {

/// Counts what is written and checks the pattern; keeps nothing.
class PatternSink : public QIODevice {
public:
    PatternSink() { open(QIODevice::WriteOnly | QIODevice::Unbuffered); }
    qint64 total = 0;
    bool intact = true;

protected:
    qint64 readData(char *, qint64) override { return -1; }
    qint64 writeData(const char *data, qint64 size) override
    {
        for (qint64 i = 0; i < size; ++i)
            intact = intact && data[i] == char((total + i) % 251);
        total += size;
        return size;
    }
};

/// A device that takes so much and no more.
class FullDisk : public QIODevice {
public:
    explicit FullDisk(qint64 room)
        : m_room(room)
    {
        open(QIODevice::WriteOnly | QIODevice::Unbuffered);
    }

protected:
    qint64 readData(char *, qint64) override { return -1; }
    qint64 writeData(const char *, qint64 size) override
    {
        if (size > m_room) {
            setErrorString(QStringLiteral("No space left on device"));
            return -1;
        }
        m_room -= size;
        return size;
    }

private:
    qint64 m_room;
};

/// A file of any size without a disk: byte n is n % 251. May end early.
class PatternSource : public QIODevice {
public:
    PatternSource(qint64 promised, qint64 real)
        : m_promised(promised)
        , m_real(real)
    {
        open(QIODevice::ReadOnly | QIODevice::Unbuffered);
    }
    [[nodiscard]] qint64 size() const override { return m_promised; }

protected:
    qint64 readData(char *data, qint64 maxSize) override
    {
        const qint64 part = std::min(maxSize, m_real - pos());
        for (qint64 i = 0; i < part; ++i)
            data[i] = char((pos() + i) % 251);
        return part > 0 ? part : -1;
    }
    qint64 writeData(const char *, qint64) override { return -1; }

private:
    qint64 m_promised;
    qint64 m_real;
};

/// Resident memory of this process in bytes.
qint64 residentBytes()
{
    QFile file(QStringLiteral("/proc/self/statm"));
    if (!file.open(QIODevice::ReadOnly))
        return -1;
    return file.readAll().split(' ').value(1).toLongLong() * 4096;
}

struct Ended {
    explicit Ended(Transfer *transfer)
    {
        QObject::connect(transfer, &Transfer::finished, transfer, [this](const Result<> &r) {
            count += 1;
            result = r;
        });
    }
    int count = 0;
    Result<> result;
};

} // namespace

class TransferTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<EnvdFixture> m_fixture;
    std::unique_ptr<QObject> m_parent;

    EnvdClient &client() { return *m_fixture->client; }
    HttpServer &data() { return m_fixture->data; }

private slots:
    void init()
    {
        m_fixture = std::make_unique<EnvdFixture>();
        m_parent = std::make_unique<QObject>();
    }

    void cleanup()
    {
        m_parent.reset();
        m_fixture.reset();
    }

    // --- Downloads ---

    void aDownloadIsStreamedInFlatMemory()
    {
        constexpr qint64 Size = 192LL << 20;
        data().on("GET", "/files", [](HttpExchange &e) { e.sendPattern(Size); });
        PatternSink sink;
        const qint64 before = residentBytes();
        qint64 peak = before;
        Transfer *transfer =
            client().download(QStringLiteral("/a b+c&d.bin"), &sink, m_parent.get());
        Ended ended(transfer);
        QList<std::pair<qint64, qint64>> progress;
        connect(transfer, &Transfer::progress, this, [&](qint64 done, qint64 total) {
            progress.append({done, total});
            peak = std::max(peak, residentBytes());
        });
        QTRY_COMPARE_WITH_TIMEOUT(ended.count, 1, 120000);
        QVERIFY2(ended.result.has_value(),
                 qPrintable(ended.result ? QString() : ended.result.error().message));
        QCOMPARE(sink.total, Size);
        QVERIFY(sink.intact);
        // Client and server share this process, so both are within the bound.
        QVERIFY2(peak - before < 48LL << 20, qPrintable(QString::number((peak - before) >> 20)));
        QVERIFY(!progress.isEmpty());
        QCOMPARE(progress.last(), std::pair(Size, Size));
        QCOMPARE(data().last("/files").query, QByteArray("path=%2Fa%20b%2Bc%26d.bin"));
        QCOMPARE(data().last("/files").header("accept-encoding"), QByteArray("identity"));
        QCOMPARE(data().last("/files").header("x-access-token"), QByteArray("secret"));
    }

    void anEmptyFileIsAFile()
    {
        data().on("GET", "/files",
                  [](HttpExchange &e) { e.answer(200, {}, "application/octet-stream"); });
        QBuffer buffer;
        buffer.open(QIODevice::WriteOnly);
        Ended ended(client().download(QStringLiteral("/x"), &buffer, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QVERIFY(ended.result.has_value());
        QCOMPARE(buffer.size(), 0);
    }

    void aTruncatedDownloadIsAnError_data()
    {
        QTest::addColumn<bool>("chunked");
        QTest::newRow("content-length") << false;
        QTest::newRow("chunked") << true;
    }

    void aTruncatedDownloadIsAnError()
    {
        QFETCH(const bool, chunked);
        data().on("GET", "/files", [chunked](HttpExchange &e) {
            if (chunked) {
                e.begin(200, "application/octet-stream");
                e.send("half of it");
            } else {
                e.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it");
            }
            e.cut();
        });
        QBuffer buffer;
        buffer.open(QIODevice::WriteOnly);
        Ended ended(client().download(QStringLiteral("/x"), &buffer, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QVERIFY(!ended.result);
        QCOMPARE(ended.result.error().kind, Kind::Network);
    }

    void aRefusedDownloadWritesNothing_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<int>("kind");
        QTest::newRow("missing") << 404 << int(Kind::NotFound);
        QTest::newRow("folder") << 400 << int(Kind::Invalid);
        QTest::newRow("token") << 401 << int(Kind::Unauthorized);
        QTest::newRow("broken") << 500 << int(Kind::Server);
    }

    void aRefusedDownloadWritesNothing()
    {
        QFETCH(const int, status);
        QFETCH(const int, kind);
        data().on("GET", "/files", status,
                  json("{'code':") + QByteArray::number(status) + json(",'message':'why'}"));
        QBuffer buffer;
        buffer.open(QIODevice::WriteOnly);
        Ended ended(client().download(QStringLiteral("/x"), &buffer, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(int(ended.result.error().kind), kind);
        QCOMPARE(ended.result.error().message, QStringLiteral("why"));
        QCOMPARE(buffer.size(), 0);
    }

    void aFullLocalDiskEndsTheDownload()
    {
        data().on("GET", "/files", [](HttpExchange &e) { e.sendPattern(8LL << 20); });
        FullDisk disk(1LL << 20);
        Ended ended(client().download(QStringLiteral("/x"), &disk, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Local);
        QCOMPARE(ended.result.error().message, QStringLiteral("No space left on device"));
    }

    void aCompressedAnswerIsNotWrittenAsAFile()
    {
        data().on("GET", "/files", 200, "\x1f\x8b", {{"Content-Encoding", "gzip"}});
        QBuffer buffer;
        buffer.open(QIODevice::WriteOnly);
        Ended ended(client().download(QStringLiteral("/x"), &buffer, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Protocol);
        QCOMPARE(buffer.size(), 0);
    }

    void aCanceledDownloadEndsOnceAndLater()
    {
        QPointer<HttpExchange> exchange;
        data().on("GET", "/files", [&exchange](HttpExchange &e) {
            exchange = &e;
            e.sendPattern(1LL << 30);
        });
        PatternSink sink;
        Transfer *transfer = client().download(QStringLiteral("/x"), &sink, m_parent.get());
        Ended ended(transfer);
        QTRY_VERIFY(sink.total > 0);
        QSignalSpy left(exchange.data(), &HttpExchange::peerLeft);
        transfer->cancel();
        const qint64 written = sink.total;
        QCOMPARE(ended.count, 0);
        transfer->cancel();
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Canceled);
        QTRY_COMPARE(left.count(), 1);
        QCOMPARE(sink.total, written);
        QCOMPARE(ended.count, 1);
    }

    void aStalledTransferTimesOut()
    {
        Transport::Limits limits = m_fixture->transport->limits();
        limits.idleMs = 200;
        m_fixture->transport->setLimits(limits);
        data().on("GET", "/files", [](HttpExchange &e) {
            e.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
        });
        QBuffer buffer;
        buffer.open(QIODevice::WriteOnly);
        Ended ended(client().download(QStringLiteral("/x"), &buffer, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Timeout);
    }

    void manyDownloadsRunBesideRequests()
    {
        int open = 0;
        data().on("GET", "/files", [&open](HttpExchange &e) {
            open += 1;
            e.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
        });
        m_fixture->answer("process.Process/List", process::ListResponse());
        std::vector<std::unique_ptr<PatternSink>> sinks;
        for (int i = 0; i < 12; ++i) {
            sinks.push_back(std::make_unique<PatternSink>());
            client().download(QStringLiteral("/x"), sinks.back().get(), m_parent.get());
        }
        QTRY_COMPARE(open, 12);
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        m_parent.reset(); // before the sinks
    }

    void closingStreamsEndsTransfers()
    {
        data().on("GET", "/files", [](HttpExchange &e) { e.sendPattern(1LL << 30); });
        PatternSink sink;
        Ended ended(client().download(QStringLiteral("/x"), &sink, m_parent.get()));
        QTRY_VERIFY(sink.total > 0);
        client().closeStreams();
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Canceled);
    }

    // --- Uploads ---

    void anUploadIsStreamedInFlatMemory()
    {
        constexpr qint64 Size = 192LL << 20;
        data().setKeepBodies(false);
        data().on("POST", "/files", 200, json("[{'path':'/x','name':'x','type':'file'}]"));
        PatternSource source(Size, Size);
        const qint64 before = residentBytes();
        qint64 peak = before;
        Transfer *transfer =
            client().upload(QStringLiteral("/home/user/na\"me ü.bin"), &source, m_parent.get());
        Ended ended(transfer);
        qint64 last = -1;
        connect(transfer, &Transfer::progress, this, [&](qint64 done, qint64 total) {
            QVERIFY(done >= last && done <= Size);
            QCOMPARE(total, Size);
            last = done;
            peak = std::max(peak, residentBytes());
        });
        QTRY_COMPARE_WITH_TIMEOUT(ended.count, 1, 120000);
        QVERIFY2(ended.result.has_value(),
                 qPrintable(ended.result ? QString() : ended.result.error().message));
        QCOMPARE(last, Size);
        QVERIFY2(peak - before < 48LL << 20, qPrintable(QString::number((peak - before) >> 20)));
        const HttpRequest request = data().last("/files");
        QVERIFY(request.bodySize > Size);
        QCOMPARE(request.bodySize, request.header("content-length").toLongLong());
        QCOMPARE(request.query, QByteArray("path=%2Fhome%2Fuser%2Fna%22me%20%C3%BC.bin"));
    }

    void theMultipartBodyIsWellFormed()
    {
        data().on("POST", "/files", 200, json("[{'path':'/x','name':'x','type':'file'}]"));
        QBuffer source;
        source.setData("skipped|content\r\n--moru\r\n");
        source.open(QIODevice::ReadOnly);
        source.seek(8);
        Ended ended(
            client().upload(QStringLiteral("/tmp/\"evil\r\n.txt"), &source, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QVERIFY(ended.result.has_value());
        const HttpRequest request = data().last("/files");
        const QByteArray type = request.header("content-type");
        QVERIFY(type.startsWith("multipart/form-data; boundary="));
        const QByteArray boundary = type.mid(type.indexOf('=') + 1);
        QCOMPARE(
            request.body,
            "--" + boundary
                + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"_evil__.txt\"\r\n"
                  "Content-Type: application/octet-stream\r\n\r\n"
                  "content\r\n--moru\r\n\r\n--"
                + boundary + "--\r\n");
    }

    void aFullSandboxDiskIsTold()
    {
        data().on("POST", "/files", 507, json("{'code':507,'message':'not enough space'}"));
        QBuffer source;
        source.setData("x");
        source.open(QIODevice::ReadOnly);
        Ended ended(client().upload(QStringLiteral("/x"), &source, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::NoSpace);
        QCOMPARE(ended.result.error().message, QStringLiteral("not enough space"));
    }

    void aSourceThatShrinksEndsTheUpload()
    {
        data().setKeepBodies(false);
        data().on("POST", "/files", 200, "[]");
        PatternSource source(4 << 20, 1 << 20);
        Ended ended(client().upload(QStringLiteral("/x"), &source, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Local);
        QCOMPARE(data().requests().size(), 0); // the server never saw a whole request
    }

    void aSourceThatIsNotOpenIsRefused()
    {
        QFile closed(QStringLiteral("/etc/hostname"));
        Ended ended(client().upload(QStringLiteral("/x"), &closed, m_parent.get()));
        QCOMPARE(ended.count, 0);
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Local);
        QCOMPARE(data().requests().size(), 0);
    }

    void anUploadIsConfirmedByItsAnswer()
    {
        data().on("POST", "/files",
                  [](HttpExchange &e) { e.answer(200, "<html></html>", "text/html"); });
        QBuffer source;
        source.setData("x");
        source.open(QIODevice::ReadOnly);
        Ended ended(client().upload(QStringLiteral("/x"), &source, m_parent.get()));
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Protocol);
    }

    void aCanceledUploadStops()
    {
        data().setReadingPaused(true);
        PatternSource source(1LL << 30, 1LL << 30);
        Transfer *transfer = client().upload(QStringLiteral("/x"), &source, m_parent.get());
        Ended ended(transfer);
        QSignalSpy progress(transfer, &Transfer::progress);
        QTRY_VERIFY(progress.count() > 0);
        transfer->cancel();
        QTRY_COMPARE(ended.count, 1);
        QCOMPARE(ended.result.error().kind, Kind::Canceled);
        data().setReadingPaused(false);
        QTRY_COMPARE(data().openConnections(), 0);
        QCOMPARE(data().requests().size(), 0);
    }

    // --- Small files ---

    void aSmallFileIsReadIntoMemory()
    {
        data().on("GET", "/files", [](HttpExchange &e) { e.answer(200, "text\n", "text/plain"); });
        Outcome<QByteArray> read;
        client().readFile(QStringLiteral("/x"), 5, this, read.done());
        QTRY_VERIFY(read.ok());
        QCOMPARE(read.value(), QByteArray("text\n"));
        QTRY_COMPARE(client().findChildren<Transfer *>().size(), 0);
    }

    void aFileAboveTheCapIsRefused_data()
    {
        QTest::addColumn<bool>("announced");
        QTest::newRow("announced") << true;
        QTest::newRow("found out") << false;
    }

    void aFileAboveTheCapIsRefused()
    {
        QFETCH(const bool, announced);
        data().on("GET", "/files", [announced](HttpExchange &e) {
            if (announced) {
                e.sendPattern(1LL << 30);
            } else {
                e.begin(200, "text/plain");
                e.send("123456");
            }
        });
        Outcome<QByteArray> read;
        client().readFile(QStringLiteral("/x"), 5, this, read.done());
        QTRY_VERIFY(read.arrived());
        QCOMPARE(read.error().kind, Kind::Invalid);
    }

    void anAbortedReadIsSilent()
    {
        bool left = false;
        bool asked = false;
        data().on("GET", "/files", [&](HttpExchange &e) {
            asked = true;
            connect(&e, &HttpExchange::peerLeft, this, [&left] { left = true; });
        });
        Outcome<QByteArray> read;
        Call call = client().readFile(QStringLiteral("/x"), 5, this, read.done());
        QTRY_VERIFY(asked);
        call.abort();
        QTRY_VERIFY(left);
        QCOMPARE(read.count(), 0);
    }

    void aSmallFileIsWrittenFromMemory()
    {
        data().on("POST", "/files", 200, json("[{'path':'/x','name':'x','type':'file'}]"));
        Outcome<> written;
        client().writeFile(QStringLiteral("/tmp/a.txt"), "content", this, written.done());
        QTRY_VERIFY(written.ok());
        QVERIFY(data().last("/files").body.contains("filename=\"a.txt\""));
        QVERIFY(data().last("/files").body.contains("\r\n\r\ncontent\r\n--"));
        data().on("POST", "/files", 507, json("{'code':507,'message':'full'}"));
        Outcome<> full;
        client().writeFile(QStringLiteral("/tmp/a.txt"), "content", this, full.done());
        QTRY_VERIFY(full.arrived());
        QCOMPARE(full.error().kind, Kind::NoSpace);
        QCOMPARE(data().count("POST", "/files"), 2);
    }
};

QTEST_GUILESS_MAIN(TransferTest)
#include "tst_transfers.moc"
