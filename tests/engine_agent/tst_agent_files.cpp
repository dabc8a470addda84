// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include "app/engine/http/exchange.h"

#include <QDir>
#include <QFile>
#include <QTest>
#include <QUrl>

#include <array>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Qt::StringLiterals;
using moru::engine::fileSignature;

namespace {

const std::string Boundary = "----boundary123";

std::string part(const std::string &disposition, const std::string &content)
{
    return "--" + Boundary + "\r\nContent-Disposition: form-data; " + disposition
           + "\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n";
}

std::string closing()
{
    return "--" + Boundary + "--\r\n";
}

HttpConnection::Headers multipart()
{
    return {{"Content-Type", "multipart/form-data; boundary=" + Boundary}};
}

} // namespace

class TestAgentFiles : public QObject {
    Q_OBJECT

private:
    HttpReply post(const std::string &query, const std::string &body,
                   HttpConnection::Headers extra = {})
    {
        for (const auto &header : multipart())
            extra.push_back(header);
        return m_agent->request("POST", "/files" + query, extra, body);
    }
    QByteArray content(const QString &path)
    {
        QFile file(path.startsWith('/'_L1) ? path : home() + '/'_L1 + path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("<missing>");
    }
    void put(const QString &name, const QByteArray &bytes)
    {
        QFile file(home() + '/'_L1 + name);
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(bytes), bytes.size());
    }
    [[nodiscard]] QString home() const { return QString::fromStdString(m_agent->home()); }
    static QString message(const HttpReply &reply)
    {
        const QJsonObject object =
            QJsonDocument::fromJson(QByteArray::fromStdString(reply.body)).object();
        if (object[u"code"_qs].toInt() != reply.status)
            return u"code and status differ"_qs;
        return object[u"message"_qs].toString();
    }

private slots:
    void init() { m_agent = std::make_unique<AgentProcess>(); }
    void cleanup() { m_agent.reset(); }

    void uploadsByPath_data()
    {
        QTest::addColumn<QByteArray>("disposition");
        QTest::newRow("JavaScript sends undefined")
            << QByteArray(R"(name="file"; filename="undefined")");
        QTest::newRow("Python sends the path")
            << QByteArray(R"(name="file"; filename="some/a.txt")");
        QTest::newRow("no file name") << QByteArray(R"(name="file")");
        QTest::newRow("unquoted") << QByteArray("name=file");
    }
    void uploadsByPath()
    {
        QFETCH(QByteArray, disposition);
        const HttpReply reply =
            post("?path=some%2Fa.txt", part(disposition.toStdString(), "hello") + closing());
        QCOMPARE(reply.status, 200);
        QCOMPARE(reply.headers.at("content-type"), std::string("application/json"));
        const QJsonArray wanted{QJsonObject{{u"path"_qs, home() + u"/some/a.txt"_qs},
                                            {u"name"_qs, u"a.txt"_qs},
                                            {u"type"_qs, u"file"_qs}}};
        QCOMPARE(QJsonDocument::fromJson(QByteArray::fromStdString(reply.body)).array(), wanted);
        QCOMPARE(content(u"some/a.txt"_qs), "hello");
        struct stat info {};
        QCOMPARE(::stat((m_agent->home() + "/some/a.txt").c_str(), &info), 0);
        QCOMPARE(info.st_mode & 0777U, 0644U);
        QCOMPARE(::stat((m_agent->home() + "/some").c_str(), &info), 0);
        QCOMPARE(info.st_mode & 0777U, 0755U);
    }

    void uploadsSeveralByTheirFileNames()
    {
        const std::string absolute = m_agent->home() + "/abs/b.txt";
        const HttpReply reply = post(
            "", part(R"(name="file"; filename="dir/a.txt")", "A")
                    + part(R"(name="other"; filename="ignored")", "no")
                    + part("name=\"file\"; filename=\"" + absolute + "\"", "B")
                    + part(R"(name="file"; filename="q%22uote.txt")", "Q")
                    + part("name=\"file\"; filename=\"\xc3\xa9 \\\"x\\\".txt\"", "E") + closing());
        QCOMPARE(reply.status, 200);
        QCOMPARE(content(u"dir/a.txt"_qs), "A");
        QCOMPARE(content(u"abs/b.txt"_qs), "B");
        QCOMPARE(content(u"q\"uote.txt"_qs), "Q");
        QCOMPARE(content(u"\u00e9 \"x\".txt"_qs), "E");
        QVERIFY(!QFile::exists(home() + u"/ignored"_qs));
        const QJsonArray written =
            QJsonDocument::fromJson(QByteArray::fromStdString(reply.body)).array();
        QCOMPARE(written.size(), 4);
        QCOMPARE(written[1].toObject()[u"path"_qs].toString(), QString::fromStdString(absolute));
    }

    void uploadErrors()
    {
        QVERIFY(QDir(home()).mkpath(u"folder"_qs));
        put(u"file"_qs, "x");
        const std::string file = part(R"(name="file")", "1") + closing();
        QCOMPARE(post("?path=folder", file).status, 400);
        QCOMPARE(post("?path=" + m_agent->home() + "/new/", file).status, 400);
        QCOMPARE(post("?path=file/below", file).status, 500);
        QCOMPARE(post("?path=~other/x", file).status, 400);
        QCOMPARE(post("", file).status, 400); // nothing says where to
        QCOMPARE(post("?path=x&username=nobody-here", file).status, 401);
        QCOMPARE(
            m_agent->request("POST", "/files?path=x", {{"Content-Type", "text/plain"}}, "x").status,
            500);
        QCOMPARE(m_agent->request("POST", "/files?path=x", {}, "x").status, 500);
        QCOMPARE(post("?path=x", "no multipart at all").status, 400);
        QCOMPARE(post("?path=x", part(R"(name="file")", "cut")).status,
                 400); // closing boundary missing
        QCOMPARE(content(u"file"_qs), "x");
    }

    void samePathTwiceIsRefused()
    {
        const HttpReply byQuery =
            post("?path=p", part(R"(name="file")", "1") + part(R"(name="file")", "2") + closing());
        QCOMPARE(byQuery.status, 400);
        QCOMPARE(content(u"p"_qs), "1"); // the first stays
        const HttpReply byName =
            post("", part(R"(name="file"; filename="a")", "1")
                         + part(R"(name="file"; filename="./a")", "2") + closing());
        QCOMPARE(byName.status, 400);
        QCOMPARE(content(u"a"_qs), "1");
    }

    void overwritingKeepsModeAndTruncates()
    {
        put(u"script"_qs, "a long old content");
        QCOMPARE(::chmod((m_agent->home() + "/script").c_str(), 0750), 0);
        QCOMPARE(post("?path=script", part(R"(name="file")", "new") + closing()).status, 200);
        QCOMPARE(content(u"script"_qs), "new");
        struct stat info {};
        QCOMPARE(::stat((m_agent->home() + "/script").c_str(), &info), 0);
        QCOMPARE(info.st_mode & 0777U, 0750U);
    }

    void bodiesSurviveAnyCut()
    {
        // Content full of things that look like boundaries; sent in pieces of every size.
        const std::string tricky =
            "\r\n--" + Boundary.substr(0, 10) + "\r\n--\r\n\r\r\n-" + Boundary + "\r\n";
        const std::string body = part(R"(name="file"; filename="t1")", tricky)
                                 + part(R"(name="file"; filename="t2")", "")
                                 + part(R"(name="file"; filename="t3")", "\r\n") + closing();
        for (std::size_t step = 1; step < 40; ++step) {
            HttpConnection connection(m_agent->socket());
            std::string head = "POST /files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                               "Content-Type: multipart/form-data; boundary=\""
                               + Boundary + "\"\r\n\r\n";
            connection.send(head);
            std::string chunks;
            for (std::size_t at = 0; at < body.size(); at += step) {
                const std::string piece = body.substr(at, step);
                std::array<char, 16> size{};
                std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
                chunks += size.data() + piece + "\r\n";
            }
            connection.send(chunks + "0\r\n\r\n");
            connection.readHead();
            QCOMPARE(connection.status(), 200);
            QCOMPARE(content(u"t1"_qs), QByteArray::fromStdString(tricky));
            QCOMPARE(content(u"t2"_qs), "");
            QCOMPARE(content(u"t3"_qs), "\r\n");
        }
    }

    void largeTransfersLeaveMemoryFlat()
    {
        const auto residentKib = [&] {
            QFile status(QStringLiteral("/proc/%1/status").arg(m_agent->pid()));
            if (!status.open(QIODevice::ReadOnly))
                return 0;
            const QByteArray text = status.readAll();
            const QByteArray line = text.mid(text.indexOf("VmHWM:") + 6).trimmed();
            return line.left(line.indexOf(' ')).toInt();
        };
        QCOMPARE(post("?path=warm", part(R"(name="file")", std::string(2 << 20, 'w')) + closing())
                     .status,
                 200);
        const int before = residentKib();
        constexpr std::size_t Size = 128U << 20U;
        const std::string head =
            "--" + Boundary + "\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
        const std::string tail = "\r\n" + closing();
        HttpConnection connection(m_agent->socket());
        connection.send(
            "POST /files?path=big HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: "
            "multipart/form-data; boundary="
            + Boundary + "\r\nContent-Length: " + std::to_string(head.size() + Size + tail.size())
            + "\r\n\r\n");
        connection.readHead();
        QCOMPARE(connection.status(), 100);
        connection.send(head);
        std::string block(1 << 20, '\0');
        for (std::size_t i = 0; i < block.size(); ++i)
            block[i] = static_cast<char>(i * 31 + i / 257);
        for (std::size_t sent = 0; sent < Size; sent += block.size())
            connection.send(block);
        connection.send(tail);
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        connection.readBody();
        QCOMPARE(QFileInfo(home() + u"/big"_qs).size(), qint64(Size));

        connection.sendRequest("GET", "/files?path=big", {}, std::nullopt);
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        std::size_t got = 0;
        bool same = true;
        for (std::string piece = connection.readPiece(); !piece.empty();
             piece = connection.readPiece()) {
            for (std::size_t i = 0; i < piece.size(); i += 997)
                same = same && piece[i] == block[(got + i) % block.size()];
            got += piece.size();
        }
        QCOMPARE(got, Size);
        QVERIFY(same);
        const int grown = residentKib() - before;
        QVERIFY2(grown < 32 * 1024, qPrintable(QStringLiteral("%1 KiB").arg(grown)));
    }

    void fullDiskIs507()
    {
        QFile full(u"/dev/full"_qs);
        if (!full.exists())
            QSKIP("no /dev/full");
        QVERIFY(QFile::link(u"/dev/full"_qs, home() + u"/full"_qs));
        const HttpReply reply = post("?path=full", part(R"(name="file")", "x") + closing());
        QCOMPARE(reply.status, 507);
        QVERIFY(message(reply).contains(u"not enough"_qs));
    }

    void downloadsWithHeaders()
    {
        put(u"a.txt"_qs, "0123456789");
        const HttpReply reply = m_agent->request("GET", "/files?path=a.txt");
        QCOMPARE(reply.status, 200);
        QCOMPARE(reply.body, std::string("0123456789"));
        QCOMPARE(reply.headers.at("content-length"), std::string("10"));
        QCOMPARE(reply.headers.at("accept-ranges"), std::string("bytes"));
        QCOMPARE(reply.headers.at("content-type"), std::string("text/plain; charset=utf-8"));
        QVERIFY(reply.headers.contains("last-modified"));
        put(u"empty"_qs, "");
        const HttpReply empty = m_agent->request("GET", "/files?path=empty");
        QCOMPARE(empty.status, 200);
        QCOMPARE(empty.headers.at("content-length"), std::string("0"));
    }

    void contentTypes_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QByteArray>("type");
        QTest::newRow("by name") << u"x.JSON"_qs << QByteArray("\0")
                                 << QByteArray("application/json");
        QTest::newRow("text") << u"noext"_qs << QByteArray("just text\n")
                              << QByteArray("text/plain; charset=utf-8");
        QTest::newRow("binary") << u"noext"_qs << QByteArray("\0\1\2", 3)
                                << QByteArray("application/octet-stream");
        QTest::newRow("picture") << u"noext"_qs << QByteArray("\x89PNG\r\n\x1a\n....")
                                 << QByteArray("image/png");
    }
    void contentTypes()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        QFETCH(QByteArray, type);
        put(name, bytes);
        const HttpReply reply = m_agent->request("GET", "/files?path=" + name.toStdString());
        QCOMPARE(QByteArray::fromStdString(reply.headers.at("content-type")), type);
    }

    void ranges_data()
    {
        QTest::addColumn<QByteArray>("range");
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<QByteArray>("contentRange");
        QTest::newRow("first two")
            << QByteArray("bytes=0-1") << 206 << QByteArray("01") << QByteArray("bytes 0-1/10");
        QTest::newRow("to the end")
            << QByteArray("bytes=7-") << 206 << QByteArray("789") << QByteArray("bytes 7-9/10");
        QTest::newRow("last") << QByteArray("bytes=-3") << 206 << QByteArray("789")
                              << QByteArray("bytes 7-9/10");
        QTest::newRow("beyond the end")
            << QByteArray("bytes=8-100") << 206 << QByteArray("89") << QByteArray("bytes 8-9/10");
        QTest::newRow("too far") << QByteArray("bytes=10-") << 416 << QByteArray()
                                 << QByteArray("bytes */10");
        QTest::newRow("nonsense") << QByteArray("bytes=b-a") << 200 << QByteArray("0123456789")
                                  << QByteArray();
        QTest::newRow("several") << QByteArray("bytes=0-1,3-4") << 200 << QByteArray("0123456789")
                                 << QByteArray();
        QTest::newRow("overflow") << QByteArray("bytes=99999999999999999999-") << 200
                                  << QByteArray("0123456789") << QByteArray();
    }
    void ranges()
    {
        QFETCH(QByteArray, range);
        QFETCH(int, status);
        QFETCH(QByteArray, body);
        QFETCH(QByteArray, contentRange);
        put(u"a.txt"_qs, "0123456789");
        const HttpReply reply =
            m_agent->request("GET", "/files?path=a.txt", {{"Range", range.toStdString()}});
        QCOMPARE(reply.status, status);
        if (status != 416)
            QCOMPARE(QByteArray::fromStdString(reply.body), body);
        const auto found = reply.headers.find("content-range");
        QCOMPARE(found == reply.headers.end() ? QByteArray()
                                              : QByteArray::fromStdString(found->second),
                 contentRange);
    }

    void rangesOfLargeFiles()
    {
        QByteArray bytes(300000, '\0');
        for (qsizetype i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<char>(i % 251);
        put(u"large"_qs, bytes);
        const HttpReply reply =
            m_agent->request("GET", "/files?path=large", {{"Range", "bytes=70000-280000"}});
        QCOMPARE(reply.status, 206);
        QCOMPARE(QByteArray::fromStdString(reply.body), bytes.mid(70000, 210001));
        QCOMPARE(m_agent->request("GET", "/files?path=large").body.size(), std::size_t(300000));
    }

    void conditionalRequests()
    {
        put(u"a.txt"_qs, "0123456789");
        const std::string modified =
            m_agent->request("GET", "/files?path=a.txt").headers.at("last-modified");
        const HttpReply same =
            m_agent->request("GET", "/files?path=a.txt", {{"If-Modified-Since", modified}});
        QCOMPARE(same.status, 304);
        QVERIFY(same.body.empty());
        QCOMPARE(m_agent
                     ->request("GET", "/files?path=a.txt",
                               {{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}})
                     .status,
                 200);
        QCOMPARE(m_agent
                     ->request("GET", "/files?path=a.txt",
                               {{"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}})
                     .status,
                 412);
        QCOMPARE(m_agent
                     ->request("GET", "/files?path=a.txt",
                               {{"Range", "bytes=0-1"}, {"If-Range", modified}})
                     .status,
                 206);
        QCOMPARE(m_agent
                     ->request("GET", "/files?path=a.txt",
                               {{"Range", "bytes=0-1"}, {"If-Range", "\"tag\""}})
                     .status,
                 200);
    }

    void downloadErrors()
    {
        QVERIFY(QDir(home()).mkpath(u"folder"_qs));
        QCOMPARE(::mkfifo((m_agent->home() + "/fifo").c_str(), 0600), 0);
        const HttpReply missing = m_agent->request("GET", "/files?path=none");
        QCOMPARE(missing.status, 404);
        QVERIFY(message(missing).contains(home() + u"/none"_qs));
        QCOMPARE(m_agent->request("GET", "/files?path=folder").status, 400);
        QCOMPARE(m_agent->request("GET", "/files").status, 400); // the home
        QCOMPARE(m_agent->request("GET", "/files?path=fifo").status, 500);
        QCOMPARE(m_agent->request("GET", "/files?path=~x/y").status, 400);
        QCOMPARE(m_agent->request("GET", "/files?path=none&username=nobody-here").status, 401);
        QCOMPARE(m_agent->request("HEAD", "/files?path=none").status, 405);
    }

    void filesThatLieAboutTheirSize()
    {
        const HttpReply reply = m_agent->request("GET", "/files?path=/proc/self/status");
        QCOMPARE(reply.status, 200);
        QVERIFY(reply.body.find("Name:") == 0);
    }

    void usersHaveHomes()
    {
        QCOMPARE(
            post("?path=x&username=other", part(R"(name="file")", "of other") + closing()).status,
            200);
        QCOMPARE(content(QString::fromStdString(m_agent->root()) + u"/root/x"_qs), "of other");
        QCOMPARE(m_agent->request("GET", "/files?path=x&username=other").body,
                 std::string("of other"));
        QCOMPARE(m_agent->request("GET", "/files?path=x").status, 404);
    }

    void uploadIsSeenByWatchers()
    {
        StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir", {{u"path"_qs, u"~"_qs}});
        QVERIFY(watch.next().contains(u"start"_qs));
        post("?path=seen", part(R"(name="file")", "x") + closing());
        const QJsonObject first = watch.nextEvent()[u"filesystem"_qs].toObject();
        QCOMPARE(first[u"type"_qs].toString(), u"EVENT_TYPE_CREATE"_qs);
        const QJsonObject second = watch.nextEvent()[u"filesystem"_qs].toObject();
        QCOMPARE(second[u"type"_qs].toString(), u"EVENT_TYPE_WRITE"_qs);
    }

    void parallelUploadsDoNotMix()
    {
        const std::string a(3 << 20, 'a');
        const std::string b(3 << 20, 'b');
        for (int round = 0; round < 5; ++round) {
            HttpConnection first(m_agent->socket());
            HttpConnection second(m_agent->socket());
            const std::string bodyA = part(R"(name="file")", a) + closing();
            const std::string bodyB = part(R"(name="file")", b) + closing();
            const auto head = [&](const std::string &body) {
                return "POST /files?path=mixed HTTP/1.1\r\nHost: x\r\nContent-Length: "
                       + std::to_string(body.size())
                       + "\r\nContent-Type: multipart/form-data; boundary=" + Boundary + "\r\n\r\n";
            };
            first.send(head(bodyA) + bodyA.substr(0, 1 << 20));
            second.send(head(bodyB) + bodyB.substr(0, 100));
            first.send(bodyA.substr(1 << 20));
            first.readHead();
            second.send(bodyB.substr(100));
            second.readHead();
            QCOMPARE(first.status(), 200);
            QCOMPARE(second.status(), 200);
            const QByteArray result = content(u"mixed"_qs);
            QCOMPARE(result.size(), qsizetype(a.size()));
            QCOMPARE(result.count(result.at(0)), result.size());
        }
    }

    void signaturesOpenFiles()
    {
        m_agent =
            std::make_unique<AgentProcess>([](auto &config) { config.accessToken = "secret"; });
        put(u"a.txt"_qs, "content");
        const auto escaped = [](const std::string &text) {
            return QUrl::toPercentEncoding(QString::fromStdString(text)).toStdString();
        };
        const auto get = [&](const std::string &query,
                             const HttpConnection::Headers &headers = {}) {
            return m_agent->request("GET", "/files?path=a.txt" + query, headers);
        };
        const std::string signature = escaped(fileSignature("a.txt", "read", "", "secret", {}));
        QCOMPARE(get("").status, 401);
        QVERIFY(message(get("")).contains(u"missing signature"_qs));
        QCOMPARE(get("", {{"X-Access-Token", "secret"}}).status, 200);
        QCOMPARE(get("", {{"X-Access-Token", "wrong"}}).status, 401);
        QCOMPARE(get("&signature=" + signature, {{"X-Access-Token", "wrong"}}).status, 401);
        QCOMPARE(get("&signature=" + signature).body, std::string("content"));
        QCOMPARE(message(get("&signature=v1_x")), u"invalid signature"_qs);
        // Not for another user, another operation, or with a changed end.
        QCOMPARE(get("&username=other&signature=" + signature).status, 401);
        const std::string write = escaped(fileSignature("a.txt", "write", "", "secret", {}));
        QCOMPARE(get("&signature=" + write).status, 401);
        QCOMPARE(get("&signature=" + signature + "&signature_expiration=99999999999").status, 401);
        const std::string later =
            escaped(fileSignature("a.txt", "read", "", "secret", 99999999999));
        QCOMPARE(get("&signature=" + later + "&signature_expiration=99999999999").status, 200);
        const std::string past = escaped(fileSignature("a.txt", "read", "", "secret", 1000));
        const HttpReply expired = get("&signature=" + past + "&signature_expiration=1000");
        QCOMPARE(expired.status, 401);
        QCOMPARE(expired.body,
                 std::string("{\"code\":401,\"message\":\"signature is already expired\"}\n"));
        QCOMPARE(post("?path=up.txt&signature="
                          + escaped(fileSignature("up.txt", "write", "", "secret", {})),
                      part(R"(name="file")", "signed") + closing())
                     .status,
                 200);
        QCOMPARE(content(u"up.txt"_qs), "signed");
        // Without a path the empty one is signed, and the part's name decides.
        QCOMPARE(post("?signature=" + escaped(fileSignature("", "write", "", "secret", {})),
                      part(R"(name="file"; filename="named.txt")", "n") + closing())
                     .status,
                 200);
        QCOMPARE(content(u"named.txt"_qs), "n");
    }

private:
    std::unique_ptr<AgentProcess> m_agent;
};

int main(int argc, char **argv)
{
    return agentTestMain(argc, argv, [] { return std::make_unique<TestAgentFiles>(); });
}

#include "tst_agent_files.moc"
