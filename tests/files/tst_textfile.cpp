// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/textfile.h"
#include "tests/files/fakesandbox.h"
#include "tests/support/outcome.h"

#include <QFile>
#include <QTest>

#include <optional>

using namespace moru;
using test::FakeSandbox;
using test::HttpExchange;
using test::Outcome;

namespace {

const QString kPath = QStringLiteral("/home/user/a.txt");

struct Opened {
    std::optional<tl::expected<TextContent, TextFile::OpenFailure>> result;
    TextFile::Opened done()
    {
        return [this](const tl::expected<TextContent, TextFile::OpenFailure> &r) { result = r; };
    }
};

} // namespace

class TextFileTest : public QObject {
    Q_OBJECT
private slots:
    void decodingLosesNothing_data();
    void decodingLosesNothing();
    void whatIsNoTextIsRefused();
    void editsAreSavedWithModeAndOwner();
    void ordinaryFilesNeedNoProcess();
    void linksAreFollowed();
    void foreignChangeIsAConflict();
    void deletionIsAConflict();
    void changeDuringTheUploadIsAConflict();
    void failedSaveLeavesTheOldFileWhole_data();
    void failedSaveLeavesTheOldFileWhole();
    void lostAnswerOfTheMoveIsNoFailure();
    void attributesThatCannotBeKeptAreTold();
    void tooLargeAndBinaryAreNotOpened();
    void deletedJobRemovesItsTemporaryFile();
};

void TextFileTest::decodingLosesNothing_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<bool>("bom");
    QTest::addColumn<int>("lineEnd");
    QTest::addColumn<bool>("mixed");
    using E = TextContent::LineEnd;
    QTest::newRow("empty") << QByteArray("") << false << int(E::Lf) << false;
    QTest::newRow("LF") << QByteArray("a\nb\n") << false << int(E::Lf) << false;
    QTest::newRow("CRLF") << QByteArray("a\r\nb\r\n") << false << int(E::CrLf) << false;
    QTest::newRow("CR") << QByteArray("a\rb\r") << false << int(E::Cr) << false;
    QTest::newRow("mixed") << QByteArray("a\r\nb\nc\r\n") << false << int(E::CrLf) << true;
    QTest::newRow("BOM") << QByteArray("\xef\xbb\xbf"
                                       "a\n")
                         << true << int(E::Lf) << false;
    QTest::newRow("BOM only") << QByteArray("\xef\xbb\xbf") << true << int(E::Lf) << false;
    QTest::newRow("two BOMs") << QByteArray("\xef\xbb\xbf\xef\xbb\xbf"
                                            "a")
                              << true << int(E::Lf) << false;
    QTest::newRow("unicode") << QByteArray("\xc3\xa4\xf0\x9f\x98\x80\xef\xbf\xbd") << false
                             << int(E::Lf) << false;
    QTest::newRow("no newline at the end") << QByteArray("a\nb") << false << int(E::Lf) << false;
}

void TextFileTest::decodingLosesNothing()
{
    QFETCH(QByteArray, bytes);
    const auto content = decodeText(bytes);
    QVERIFY(content.has_value());
    QTEST(content->bom, "bom");
    QTEST(int(content->lineEnd), "lineEnd");
    QTEST(content->mixedLineEnds, "mixed");
    QCOMPARE(encodeText(content->text, content->bom), bytes);
}

void TextFileTest::whatIsNoTextIsRefused()
{
    QCOMPARE(decodeText(QByteArray("a\0b", 3)).error(), TextRefusal::Binary);
    QCOMPARE(decodeText("caf\xe9").error(), TextRefusal::NotUtf8);
    QCOMPARE(decodeText("cut \xc3").error(), TextRefusal::NotUtf8);
    QCOMPARE(decodeText("\xed\xa0\x80").error(), TextRefusal::NotUtf8); // a surrogate
}

void TextFileTest::editsAreSavedWithModeAndOwner()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "old\r\n", 0750);
    sandbox.setOwner(kPath, u"root"_qs, u"staff"_qs);
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    QVERIFY(opened.result->has_value());
    QCOMPARE((*opened.result)->text, u"old\r\n"_qs);

    Outcome<RemoteWrite::Written> saved;
    file.save("new\r\n", false, this, saved.done());
    QVERIFY(file.isSaving());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(saved.ok());
    QVERIFY(!file.isSaving());
    QVERIFY(saved.value().attributesKept);
    QCOMPARE(sandbox.read(kPath), QByteArray("new\r\n"));
    QCOMPARE(sandbox.mode(kPath), 0750);
    QCOMPARE(sandbox.owner(kPath), u"root"_qs);
    QCOMPARE(sandbox.names(u"/home/user"_qs), QStringList{u"a.txt"_qs}); // no rest

    // What was saved is the version the next save compares with.
    Outcome<RemoteWrite::Written> again;
    file.save("newer\r\n", false, this, again.done());
    QTRY_VERIFY(again.arrived());
    QVERIFY(again.ok());
    QCOMPARE(sandbox.read(kPath), QByteArray("newer\r\n"));
}

void TextFileTest::ordinaryFilesNeedNoProcess()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "old");
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    Outcome<RemoteWrite::Written> saved;
    file.save("new", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(saved.ok());
    QCOMPARE(sandbox.count("Start"), 0);
}

void TextFileTest::linksAreFollowed()
{
    FakeSandbox sandbox;
    const QString target = u"/home/user/real/target.txt"_qs;
    sandbox.write(target, "old");
    QVERIFY(QFile::link(u"real/target.txt"_qs, sandbox.local(kPath)));
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    QVERIFY(opened.result->has_value());
    Outcome<RemoteWrite::Written> saved;
    file.save("new", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(saved.ok());
    QCOMPARE(sandbox.read(target), QByteArray("new"));
    QVERIFY(QFileInfo(sandbox.local(kPath)).isSymLink());
}

void TextFileTest::foreignChangeIsAConflict()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "mine");
    sandbox.age(kPath, 60);
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    sandbox.write(kPath, "hers"); // the same size, another time

    Outcome<RemoteWrite::Written> saved;
    file.save("mine, edited", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(!saved.ok());
    QCOMPARE(saved.error().kind, Error::Kind::Conflict);
    QVERIFY(file.conflictWith().has_value());
    QCOMPARE(file.conflictWith()->size, 4);
    QCOMPARE(sandbox.read(kPath), QByteArray("hers"));
    QCOMPARE(sandbox.count("POST /files"), 0); // found out before anything was sent

    Outcome<RemoteWrite::Written> forced;
    file.save("mine, edited", true, this, forced.done());
    QTRY_VERIFY(forced.arrived());
    QVERIFY(forced.ok());
    QCOMPARE(sandbox.read(kPath), QByteArray("mine, edited"));
}

void TextFileTest::deletionIsAConflict()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "mine");
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    QVERIFY(QFile::remove(sandbox.local(kPath)));
    Outcome<RemoteWrite::Written> saved;
    file.save("edited", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QCOMPARE(saved.error().kind, Error::Kind::Conflict);
    QVERIFY(!file.conflictWith().has_value());
    QVERIFY(sandbox.read(kPath).isNull());
}

void TextFileTest::changeDuringTheUploadIsAConflict()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "mine");
    sandbox.age(kPath, 60);
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    sandbox.intercept([&](const QByteArray &what, HttpExchange &) {
        if (what == "POST /files")
            sandbox.write(kPath, "hers, while you were sending");
        return false;
    });
    Outcome<RemoteWrite::Written> saved;
    file.save("edited", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QCOMPARE(saved.error().kind, Error::Kind::Conflict);
    QCOMPARE(sandbox.read(kPath), QByteArray("hers, while you were sending"));
    QTRY_COMPARE(sandbox.names(u"/home/user"_qs), QStringList{u"a.txt"_qs});
}

void TextFileTest::failedSaveLeavesTheOldFileWhole_data()
{
    QTest::addColumn<QByteArray>("what");
    QTest::addColumn<int>("status"); // 0 = the connection is cut
    QTest::addColumn<int>("kind");
    QTest::newRow("disk full") << QByteArray("POST /files") << 507 << int(Error::Kind::NoSpace);
    QTest::newRow("server error") << QByteArray("POST /files") << 500 << int(Error::Kind::Server);
    QTest::newRow("cut during the upload")
        << QByteArray("POST /files") << 0 << int(Error::Kind::Network);
    QTest::newRow("move fails") << QByteArray("Move") << 500 << int(Error::Kind::Server);
    QTest::newRow("move is cut") << QByteArray("Move") << 0 << int(Error::Kind::Network);
    QTest::newRow("sandbox gone") << QByteArray("POST /files") << 502 << int(Error::Kind::NotFound);
}

void TextFileTest::failedSaveLeavesTheOldFileWhole()
{
    QFETCH(QByteArray, what);
    QFETCH(int, status);
    FakeSandbox sandbox;
    sandbox.write(kPath, "old", 0600);
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    sandbox.intercept([&](const QByteArray &asked, HttpExchange &exchange) {
        if (asked != what)
            return false;
        if (status == 0)
            exchange.reset();
        else if (status == 502)
            exchange.answer(
                502, R"({"sandboxId":"itest","message":"The sandbox was not found","code":502})");
        else
            exchange.answer(status,
                            "{\"code\":" + QByteArray::number(status) + ",\"message\":\"no\"}");
        return true;
    });
    Outcome<RemoteWrite::Written> saved;
    file.save("new", false, this, saved.done());
    QTRY_VERIFY_WITH_TIMEOUT(saved.arrived(), 20000);
    QVERIFY(!saved.ok());
    QTEST(int(saved.error().kind), "kind");
    QCOMPARE(sandbox.read(kPath), QByteArray("old"));
    QCOMPARE(sandbox.mode(kPath), 0600);
    QTRY_COMPARE(sandbox.names(u"/home/user"_qs), QStringList{u"a.txt"_qs});
}

void TextFileTest::lostAnswerOfTheMoveIsNoFailure()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "old");
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    sandbox.intercept([&](const QByteArray &asked, HttpExchange &exchange) {
        if (asked != "Move")
            return false;
        // Done, but nobody hears of it.
        for (const QString &name : sandbox.names(u"/home/user"_qs)) {
            if (name.endsWith(u".part"_qs)) {
                QFile::remove(sandbox.local(kPath));
                QFile::rename(sandbox.local(u"/home/user/"_qs + name), sandbox.local(kPath));
            }
        }
        exchange.reset();
        return true;
    });
    Outcome<RemoteWrite::Written> saved;
    file.save("new", false, this, saved.done());
    QTRY_VERIFY_WITH_TIMEOUT(saved.arrived(), 20000);
    QVERIFY(saved.ok());
    QCOMPARE(sandbox.read(kPath), QByteArray("new"));
}

void TextFileTest::attributesThatCannotBeKeptAreTold()
{
    FakeSandbox sandbox;
    sandbox.attributesCanBeSet = false;
    sandbox.write(kPath, "old", 0600);
    TextFile file(sandbox.envd(), kPath);
    Opened opened;
    file.open(this, opened.done());
    QTRY_VERIFY(opened.result);
    Outcome<RemoteWrite::Written> saved;
    file.save("new", false, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(saved.ok());
    QVERIFY(!saved.value().attributesKept);
    QCOMPARE(sandbox.read(kPath), QByteArray("new"));
}

void TextFileTest::tooLargeAndBinaryAreNotOpened()
{
    FakeSandbox sandbox;
    sandbox.write(u"/home/user/big"_qs, QByteArray(TextFile::kMaxSize + 1, 'x'));
    sandbox.write(u"/home/user/bin"_qs, QByteArray("\x7f"
                                                   "ELF\0\0",
                                                   6));
    sandbox.write(u"/home/user/latin1"_qs, "caf\xe9");
    const auto refusal = [&](const QString &path) {
        TextFile file(sandbox.envd(), path);
        Opened opened;
        file.open(this, opened.done());
        [&] { QTRY_VERIFY(opened.result); }();
        return opened.result && !opened.result->has_value() ? opened.result->error().refusal
                                                            : TextRefusal::None;
    };
    QCOMPARE(refusal(u"/home/user/big"_qs), TextRefusal::TooLarge);
    QCOMPARE(sandbox.count("GET /files"), 0); // its size was enough to know
    QCOMPARE(refusal(u"/home/user/bin"_qs), TextRefusal::Binary);
    QCOMPARE(refusal(u"/home/user/latin1"_qs), TextRefusal::NotUtf8);
    QCOMPARE(refusal(u"/home/user"_qs), TextRefusal::NotAFile);
}

void TextFileTest::deletedJobRemovesItsTemporaryFile()
{
    FakeSandbox sandbox;
    sandbox.write(kPath, "old");
    QPointer<HttpExchange> held;
    bool holding = false;
    sandbox.intercept([&](const QByteArray &asked, HttpExchange &exchange) {
        // The upload has arrived, the check of its size is never answered.
        if (asked != "Stat" || sandbox.count("POST /files") == 0)
            return false;
        held = &exchange;
        holding = true;
        return true;
    });
    auto file = std::make_unique<TextFile>(sandbox.envd(), kPath);
    Outcome<RemoteWrite::Written> saved;
    file->save("new", true, this, saved.done());
    QTRY_VERIFY(holding);
    QCOMPARE(sandbox.names(u"/home/user"_qs).size(), 2);
    file.reset();
    QTRY_COMPARE(sandbox.names(u"/home/user"_qs), QStringList{u"a.txt"_qs});
    QVERIFY(!saved.arrived());
    QCOMPARE(sandbox.read(kPath), QByteArray("old"));
}

QTEST_GUILESS_MAIN(TextFileTest)
#include "tst_textfile.moc"
