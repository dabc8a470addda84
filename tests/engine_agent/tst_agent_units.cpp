// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/accounts.h"
#include "app/engine/agent/agent.h"
#include "app/engine/agent/connect.h"
#include "app/engine/agent/filesystem.h"
#include "app/engine/agent/multipart.h"
#include "app/engine/agent/paths.h"
#include "app/engine/http/exchange.h"
#include "app/engine/http/text.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <chrono>

using namespace moru::engine;

namespace {

RequestHead headWith(const char *name, const char *value)
{
    RequestHead head;
    head.headers.emplace_back(name, value);
    return head;
}

/// All parts of a body, fed in pieces of `step` bytes: "name|filename|content;" each.
std::string partsOf(const std::string &body, std::size_t step)
{
    MultipartParser parser("B");
    std::string out;
    std::size_t at = 0;
    for (;;) {
        switch (parser.next()) {
        case MultipartParser::Event::NeedMore:
            if (at >= body.size()) {
                parser.finish();
                return out;
            }
            parser.feed(std::string_view(body).substr(at, step));
            at += step;
            break;
        case MultipartParser::Event::PartBegin:
            out += parser.part().name + '|' + parser.part().fileName.value_or("-") + '|';
            break;
        case MultipartParser::Event::Data:
            out += parser.data();
            break;
        case MultipartParser::Event::PartEnd:
            out += ';';
            break;
        case MultipartParser::Event::End:
            return out;
        }
    }
}

} // namespace

class TestAgentUnits : public QObject {
    Q_OBJECT

private slots:
    void signatureVectors()
    {
        QCOMPARE(fileSignature("a.txt", "read", "", "t", {}),
                 std::string("v1_2v3RGodSIuQBfrhry7d92pL2eC/VztnPNAoPk2Ut/Ic"));
        QCOMPARE(fileSignature("a.txt", "write", "root", "t", 1700000000),
                 std::string("v1_YZEfEt59FYpqgkqTcPr4FIb9nCQn52JFia6zdcnVEy4"));
    }

    void encodings()
    {
        QCOMPARE(hex(sha256("abc")),
                 std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        QCOMPARE(base64(""), std::string());
        QCOMPARE(base64("fo"), std::string("Zm8="));
        QCOMPARE(fromBase64("Zm8=").value(), std::string("fo"));
        QCOMPARE(fromBase64("Zm8").value(), std::string("fo"));
        QVERIFY(!fromBase64("Z").has_value());
        QVERIFY(!fromBase64("Zm8*").has_value());
        QVERIFY(equalSecrets("same", "same"));
        QVERIFY(!equalSecrets("same", "sane"));
        QVERIFY(!equalSecrets("same", "sam"));
        QCOMPARE(randomBytes(16).size(), std::size_t(16));
        QVERIFY(randomBytes(16) != randomBytes(16));
        QCOMPARE(percentDecode("a%20b+c", true).value(), std::string("a b c"));
        QCOMPARE(percentDecode("a+%2B", false).value(), std::string("a++"));
        QVERIFY(!percentDecode("%2", false).has_value());
        QVERIFY(!percentDecode("%zz", false).has_value());
    }

    void queries()
    {
        RequestHead head;
        head.target = "/files?path=a%2Fb&x=1&x=2&flag&bad=%z&empty=";
        QCOMPARE(head.query("path").value(), std::string("a/b"));
        QCOMPARE(head.queryAll("x").size(), std::size_t(2));
        QCOMPARE(head.query("flag").value(), std::string());
        QCOMPARE(head.query("empty").value(), std::string());
        QVERIFY(!head.query("bad").has_value());
        QVERIFY(!head.query("none").has_value());
    }

    void dates()
    {
        QCOMPARE(httpDate(784111777), std::string("Sun, 06 Nov 1994 08:49:37 GMT"));
        QCOMPARE(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT").value(), std::time_t(784111777));
        QVERIFY(!parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT").has_value());
        QVERIFY(!parseHttpDate("").has_value());
    }

    void textIsMadeSafe()
    {
        QCOMPARE(jsonString("a\"\\\n\x01\xff"), std::string("\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\""));
        QVERIFY(isUtf8("\xf0\x9f\x98\x80"));
        for (const char *bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
            QVERIFY(!isUtf8(bad));
        std::string head;
        appendHeader(head, "X", "a\r\nInjected: b");
        QCOMPARE(head, std::string("X: a  Injected: b\r\n"));
    }

    void pathRules_data()
    {
        QTest::addColumn<QByteArray>("path");
        QTest::addColumn<QByteArray>("wanted");
        QTest::newRow("empty") << QByteArray("") << QByteArray("/home/user");
        QTest::newRow("home") << QByteArray("~") << QByteArray("/home/user");
        QTest::newRow("below home") << QByteArray("~/a/../b") << QByteArray("/home/user/b");
        QTest::newRow("relative") << QByteArray("./a//b/") << QByteArray("/home/user/a/b");
        QTest::newRow("climbing") << QByteArray("../../../x") << QByteArray("/x");
        QTest::newRow("absolute stays") << QByteArray("/a/../b/") << QByteArray("/a/../b/");
    }
    void pathRules()
    {
        QFETCH(QByteArray, path);
        QFETCH(QByteArray, wanted);
        QCOMPARE(QByteArray::fromStdString(resolvePath(path.toStdString(), "/home/user", "")),
                 wanted);
    }
    void pathOfAnotherUserIsRefused()
    {
        QVERIFY_THROWS_EXCEPTION(BadPath, (void)resolvePath("~x", "/h", ""));
        QVERIFY_THROWS_EXCEPTION(BadPath, (void)resolvePath("~x/y", "/h", ""));
        QVERIFY_THROWS_EXCEPTION(BadPath, (void)resolvePath(std::string("a\0b", 3), "/h", ""));
        QCOMPARE(resolvePath("", "/h", "/work"), std::string("/work"));
        QCOMPARE(resolvePath("a", "/h", "/work"), std::string("/h/a"));
    }
    void pathParts()
    {
        QCOMPARE(baseName("/a/b/"), std::string("b"));
        QCOMPARE(baseName("/"), std::string("/"));
        QCOMPARE(parentPath("/a/b/"), std::string("/a"));
        QCOMPARE(parentPath("/a"), std::string("/"));
        QCOMPARE(joinPath("/", "a"), std::string("/a"));
        QCOMPARE(cleanPath("/.."), std::string("/"));
    }

    void permissionsAsGoPrintsThem()
    {
        QCOMPARE(permissionText(S_IFREG | 0644), std::string("-rw-r--r--"));
        QCOMPARE(permissionText(S_IFDIR | 0755), std::string("drwxr-xr-x"));
        QCOMPARE(permissionText(S_IFDIR | S_ISVTX | 0777), std::string("dtrwxrwxrwx"));
        QCOMPARE(permissionText(S_IFLNK | 0777), std::string("Lrwxrwxrwx"));
        QCOMPARE(permissionText(S_IFREG | S_ISUID | 0755), std::string("urwxr-xr-x"));
        QCOMPARE(permissionText(S_IFCHR | 0666), std::string("Dcrw-rw-rw-"));
        QCOMPARE(permissionText(S_IFBLK | 0660), std::string("Drw-rw----"));
        QCOMPARE(permissionText(S_IFIFO | 0600), std::string("prw-------"));
        QCOMPARE(permissionText(S_IFSOCK | 0755), std::string("Srwxr-xr-x"));
    }

    void timeoutsAreRead_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("ms"); // -1 none, -2 refused
        QTest::newRow("whole") << QByteArray("1500") << 1500;
        QTest::newRow("fraction") << QByteArray("500.5") << 501;
        QTest::newRow("point zero") << QByteArray("500.0") << 500;
        QTest::newRow("tiny") << QByteArray("0.3") << 1;
        QTest::newRow("zero") << QByteArray("0") << -1;
        QTest::newRow("absent") << QByteArray("") << -1;
        QTest::newRow("text") << QByteArray("abc") << -2;
        QTest::newRow("negative") << QByteArray("-5") << -2;
        QTest::newRow("exponent") << QByteArray("1e3") << -2;
        QTest::newRow("eleven digits") << QByteArray("12345678901") << -2;
    }
    void timeoutsAreRead()
    {
        QFETCH(QByteArray, text);
        QFETCH(int, ms);
        const RequestHead head = headWith("connect-timeout-ms", text.constData());
        if (ms == -2) {
            QVERIFY_THROWS_EXCEPTION(RpcError, (void)callTimes(head));
            return;
        }
        const auto before = Clock::now();
        const CallTimes times = callTimes(head);
        QCOMPARE(times.deadline.has_value(), ms >= 0);
        if (times.deadline) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(*times.deadline - before);
            QVERIFY(left.count() >= ms && left.count() < ms + 5000);
        }
    }
    void keepaliveHasADefault()
    {
        QCOMPARE(callTimes({}).keepalive, std::chrono::seconds(90));
        QCOMPARE(callTimes(headWith("keepalive-ping-interval", "50")).keepalive,
                 std::chrono::seconds(50));
        for (const char *bad : {"0", "-1", "x", "999999999999"})
            QCOMPARE(callTimes(headWith("keepalive-ping-interval", bad)).keepalive,
                     std::chrono::seconds(90));
    }

    void everyCodeHasNameAndStatus()
    {
        QCOMPARE(nameOf(RpcCode::Canceled), std::string_view("canceled"));
        QCOMPARE(nameOf(RpcCode::Unauthenticated), std::string_view("unauthenticated"));
        QCOMPARE(httpStatusOf(RpcCode::DeadlineExceeded), 504);
        QCOMPARE(httpStatusOf(RpcCode::Canceled), 499);
        QCOMPARE(httpStatusOf(RpcCode::DataLoss), 500);
        const std::string wanted = "{\"code\":\"not_found\",\"message\":\"a \\\"b\\\"\"}";
        QCOMPARE(toJson(RpcError(RpcCode::NotFound, "a \"b\"")), wanted);
    }

    void multipartAtEveryCut_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<QByteArray>("wanted");
        const auto part = [](const QByteArray &head, const QByteArray &content) {
            return QByteArray("--B\r\n" + head + "\r\n\r\n" + content + "\r\n");
        };
        const QByteArray file = "Content-Disposition: form-data; name=\"file\"";
        QTest::newRow("one") << part(file, "abc") + "--B--" << QByteArray("file|-|abc;");
        QTest::newRow("preamble and epilogue")
            << "before\r\n" + part(file, "abc") + "--B--\r\nafter" << QByteArray("file|-|abc;");
        QTest::newRow("nearly a boundary") << part(file, "\r\n--A\r\n-\r\r\n--") + "--B--\r\n"
                                           << QByteArray("file|-|\r\n--A\r\n-\r\r\n--;");
        QTest::newRow("empty part without its line break")
            << QByteArray("--B\r\n" + file + "\r\n\r\n--B--\r\n") << QByteArray("file|-|;");
        QTest::newRow("blanks behind the boundary")
            << QByteArray("--B \t\r\n" + file + "\r\n\r\nx\r\n--B--") << QByteArray("file|-|x;");
        QTest::newRow("no header") << QByteArray("--B\r\n\r\nx\r\n--B--") << QByteArray("|-|x;");
        QTest::newRow("nothing") << QByteArray("--B--\r\n") << QByteArray("");
        QTest::newRow("names")
            << part(file + "; filename=\"a/b%22c\"", "1")
                   + part("content-disposition:form-data;name=x; filename=\"C:\\dir\\f\"", "2")
                   + part(file + "; filename*=UTF-8''%e2%82%ac; filename=\"no\"", "3") + "--B--"
            << QByteArray("file|a/b\"c|1;x|C:\\dir\\f|2;file|\xe2\x82\xac|3;");
    }
    void multipartAtEveryCut()
    {
        QFETCH(QByteArray, body);
        QFETCH(QByteArray, wanted);
        for (qsizetype step = 1; step <= body.size(); ++step)
            QCOMPARE(QByteArray::fromStdString(
                         partsOf(body.toStdString(), static_cast<std::size_t>(step))),
                     wanted);
    }
    void malformedMultipart_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::newRow("no boundary") << QByteArray("abc");
        QTest::newRow("cut in the data") << QByteArray("--B\r\nA: b\r\n\r\nabc");
        QTest::newRow("cut in the head") << QByteArray("--B\r\nA: b\r\n");
        QTest::newRow("text behind a boundary") << QByteArray("--Bx\r\n\r\n\r\n--B--");
        QTest::newRow("huge head")
            << QByteArray("--B\r\nA: " + QByteArray(70000, 'x') + "\r\n\r\n\r\n--B--");
        QTest::newRow("endless blanks") << QByteArray("--B" + QByteArray(70000, ' ') + "\r\n");
    }
    void malformedMultipart()
    {
        QFETCH(QByteArray, body);
        for (const std::size_t step : {std::size_t(1000), std::size_t(7), std::size_t(100000)})
            QVERIFY_THROWS_EXCEPTION(MultipartParser::Malformed, partsOf(body.toStdString(), step));
    }
    void boundaries()
    {
        QCOMPARE(multipartBoundary("multipart/form-data; boundary=abc").value(),
                 std::string("abc"));
        QCOMPARE(multipartBoundary("Multipart/Form-Data; charset=x; BOUNDARY=\"a b\"").value(),
                 std::string("a b"));
        for (const char *bad : {"multipart/mixed; boundary=a", "multipart/form-data", "",
                                "multipart/form-data; boundary=", "application/json"})
            QVERIFY(!multipartBoundary(bad).has_value());
    }

    void configurationTravels()
    {
        AgentConfig config;
        config.sandboxId = "i1";
        config.templateId = "base";
        config.accessToken = "tok\"en";
        config.globalEnv = {{"A", "1\n2"}, {"\xc3\xa9", ""}};
        config.defaultUser = "u";
        config.defaultWorkdir = "/w";
        config.userSwitch = UserSwitch::SingleUid;
        config.rootPrefix = "/r";
        const AgentConfig back = agentConfigFromJson(toJson(config));
        QCOMPARE(back.sandboxId, config.sandboxId);
        QCOMPARE(back.templateId, config.templateId);
        QCOMPARE(back.accessToken, config.accessToken);
        QVERIFY(back.globalEnv == config.globalEnv);
        QCOMPARE(back.defaultUser, config.defaultUser);
        QCOMPARE(back.defaultWorkdir, config.defaultWorkdir);
        QVERIFY(back.userSwitch == config.userSwitch);
        QCOMPARE(back.rootPrefix, config.rootPrefix);
        QVERIFY_THROWS_EXCEPTION(std::runtime_error, agentConfigFromJson("{"));
        QVERIFY_THROWS_EXCEPTION(std::runtime_error, agentConfigFromJson("{}"));
    }

    void accountsAreReadByHand()
    {
        QTemporaryDir folder;
        QVERIFY(QDir(folder.path()).mkpath(QStringLiteral("etc")));
        const auto put = [&](const QString &name, const QByteArray &content) {
            QFile file(folder.filePath(name));
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(content);
        };
        put(QStringLiteral("etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\n# comment\nbad:x:y:1::/:\nshort:x\n"
            "all:x:4294967295:1::/:\nuser:x:1000:1001:,,,:/home/user:/bin/bash\n");
        put(QStringLiteral("etc/group"), "root:x:0:\nsudo:x:27:other,user\nuser:x:1001:\n");
        const Accounts accounts(folder.path().toStdString());
        const auto user = accounts.find("user");
        QVERIFY(user.has_value());
        QCOMPARE(user->uid, 1000U);
        QCOMPARE(user->gid, 1001U);
        QCOMPARE(user->home, folder.path().toStdString() + "/home/user");
        QVERIFY(user->groups == std::vector<gid_t>{27});
        for (const char *name : {"bad", "short", "all", "nobody", ""})
            QVERIFY(!accounts.find(name).has_value());
        QCOMPARE(accounts.userName(1000), std::string("user"));
        QCOMPARE(accounts.userName(4242), std::string("4242"));
        QCOMPARE(accounts.groupName(27), std::string("sudo"));
        QVERIFY(accounts.ownerOfHome(user->home + "/x"));
        QVERIFY(!accounts.ownerOfHome(user->home + "x"));
        QVERIFY(!accounts.ownerOfHome(folder.path().toStdString() + "/root/x"));
    }
};

QTEST_GUILESS_MAIN(TestAgentUnits)
#include "tst_agent_units.moc"
