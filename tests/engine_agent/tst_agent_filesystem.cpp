// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include <filesystem.pb.h>

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QTest>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Qt::StringLiterals;

class TestAgentFilesystem : public QObject {
    Q_OBJECT

private:
    QJsonObject entryOf(const QString &path, int *status = nullptr)
    {
        return m_agent
            ->call("filesystem.Filesystem/Stat", {{u"path"_qs, path}}, status)[u"entry"_qs]
            .toObject();
    }
    QString errorOf(const std::string &method, const QJsonObject &message)
    {
        return m_agent->callError("filesystem.Filesystem/" + method, message);
    }
    [[nodiscard]] QString home() const { return QString::fromStdString(m_agent->home()); }
    [[nodiscard]] std::string inHome(const std::string &name) const
    {
        return m_agent->home() + '/' + name;
    }
    void put(const QString &name, const QByteArray &content = {})
    {
        QFile file(home() + '/'_L1 + name);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(content);
    }
    QStringList listed(const QJsonObject &request)
    {
        QStringList paths;
        const QJsonObject reply = m_agent->call("filesystem.Filesystem/ListDir", request);
        for (const QJsonValue &value : reply[u"entries"_qs].toArray())
            paths << value.toObject()[u"path"_qs].toString();
        return paths;
    }
    static QString eventText(const QJsonObject &event)
    {
        return event[u"type"_qs].toString().mid(11) + ' '_L1 + event[u"name"_qs].toString();
    }

private slots:
    void init() { m_agent = std::make_unique<AgentProcess>(); }
    void cleanup() { m_agent.reset(); }

    void statDescribesAFile()
    {
        put(u"a.txt"_qs, "12345");
        QCOMPARE(::chmod(inHome("a.txt").c_str(), 0644), 0);
        const timespec times[2] = {{1700000000, 0}, {1700000000, 123456789}};
        QCOMPARE(::utimensat(AT_FDCWD, inHome("a.txt").c_str(), times, 0), 0);
        const QJsonObject wanted{{u"name"_qs, u"a.txt"_qs},
                                 {u"type"_qs, u"FILE_TYPE_FILE"_qs},
                                 {u"path"_qs, home() + u"/a.txt"_qs},
                                 {u"size"_qs, u"5"_qs},
                                 {u"mode"_qs, 0644},
                                 {u"permissions"_qs, u"-rw-r--r--"_qs},
                                 {u"owner"_qs, u"user"_qs},
                                 {u"group"_qs, u"user"_qs},
                                 {u"modifiedTime"_qs, u"2023-11-14T22:13:20.123456789Z"_qs}};
        QCOMPARE(entryOf(u"a.txt"_qs), wanted);
        QCOMPARE(entryOf(u"~/./b/../a.txt"_qs), wanted);
        QCOMPARE(entryOf(home() + u"/a.txt"_qs), wanted);
    }

    void statDoesNotFollowLinks()
    {
        put(u"target"_qs, "x");
        QVERIFY(QFile::link(u"target"_qs, home() + u"/link"_qs));
        QVERIFY(QFile::link(u"nowhere"_qs, home() + u"/broken"_qs));
        const QJsonObject link = entryOf(u"link"_qs);
        QCOMPARE(link[u"type"_qs].toString(), u"FILE_TYPE_FILE"_qs);
        QCOMPARE(link[u"permissions"_qs].toString(), u"Lrwxrwxrwx"_qs);
        QCOMPARE(link[u"size"_qs].toString(), u"6"_qs);
        QCOMPARE(link[u"symlinkTarget"_qs].toString(),
                 QFileInfo(home() + u"/target"_qs).canonicalFilePath());
        const QJsonObject broken = entryOf(u"broken"_qs);
        QVERIFY(!broken.contains(u"type"_qs)); // unspecified
        QVERIFY(!broken.contains(u"symlinkTarget"_qs));
    }

    void otherTypesAreUnspecified()
    {
        QCOMPARE(::mkfifo(inHome("fifo").c_str(), 0600), 0);
        const QJsonObject fifo = entryOf(u"fifo"_qs);
        QVERIFY(!fifo.contains(u"type"_qs));
        QCOMPARE(fifo[u"permissions"_qs].toString(), u"prw-------"_qs);
    }

    void statErrors()
    {
        put(u"a.txt"_qs);
        int status = 0;
        const QJsonObject reply =
            m_agent->call("filesystem.Filesystem/Stat", {{u"path"_qs, u"/nope"_qs}}, &status);
        QCOMPARE(status, 404);
        QCOMPARE(reply[u"code"_qs].toString(), u"not_found"_qs);
        QVERIFY(reply[u"message"_qs].toString().contains(u"file not found"_qs));
        QCOMPARE(errorOf("Stat", {{u"path"_qs, u"a.txt/b"_qs}}), u"internal"_qs);
        QCOMPARE(errorOf("Stat", {{u"path"_qs, u"~other/x"_qs}}), u"invalid_argument"_qs);
        QCOMPARE(errorOf("Stat", {{u"path"_qs, QString(QChar(u'a')) + QChar(u'\0')}}),
                 u"invalid_argument"_qs);
    }

    void listsByDepthInOrder()
    {
        QVERIFY(QDir(home()).mkpath(u"d/b/deep"_qs));
        put(u"d/c"_qs);
        put(u"d/a"_qs);
        put(u"d/b/x"_qs);
        QVERIFY(QFile::link(u"b"_qs, home() + u"/d/l"_qs));
        const QString d = home() + u"/d/"_qs;
        const QStringList one{d + u"a"_qs, d + u"b"_qs, d + u"c"_qs, d + u"l"_qs};
        QCOMPARE(listed({{u"path"_qs, u"d"_qs}}), one);
        QCOMPARE(listed({{u"path"_qs, u"d/"_qs}, {u"depth"_qs, 1}}), one);
        const QStringList two{d + u"a"_qs,   d + u"b"_qs, d + u"b/deep"_qs,
                              d + u"b/x"_qs, d + u"c"_qs, d + u"l"_qs};
        QCOMPARE(listed({{u"path"_qs, u"d"_qs}, {u"depth"_qs, 2}}), two);
        QCOMPARE(listed({{u"path"_qs, u"d"_qs}, {u"depth"_qs, 1000000}}), two);
        // A link as the listed folder is entered, and names stay below what was asked for.
        QCOMPARE(listed({{u"path"_qs, u"d/l"_qs}}), (QStringList{d + u"l/deep"_qs, d + u"l/x"_qs}));
        QCOMPARE(m_agent->call("filesystem.Filesystem/ListDir", {{u"path"_qs, u"d/b/deep"_qs}}),
                 QJsonObject());
    }

    void listErrors()
    {
        put(u"a.txt"_qs);
        QVERIFY(QFile::link(u"loop"_qs, home() + u"/loop"_qs));
        QCOMPARE(errorOf("ListDir", {{u"path"_qs, u"none"_qs}}), u"not_found"_qs);
        QCOMPARE(errorOf("ListDir", {{u"path"_qs, u"a.txt"_qs}}), u"invalid_argument"_qs);
        QCOMPARE(errorOf("ListDir", {{u"path"_qs, u"loop"_qs}}), u"failed_precondition"_qs);
    }

    void strangeNamesStayReadable()
    {
        QVERIFY(QDir(home()).mkpath(u"n"_qs));
        for (const std::string name :
             {"n/two\nlines", "n/bad\xff\xc3", "n/ok\xc3\xa9", "n/\"quoted\"\\"}) {
            const int fd = ::open(inHome(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
            QVERIFY(fd >= 0);
            ::close(fd);
        }
        QStringList names;
        for (const QJsonValue &value :
             m_agent->call("filesystem.Filesystem/ListDir", {{u"path"_qs, u"n"_qs}})[u"entries"_qs]
                 .toArray())
            names << value.toObject()[u"name"_qs].toString();
        const QStringList wanted{u"\"quoted\"\\"_qs, u"bad\uFFFD\uFFFD"_qs, u"ok\u00e9"_qs,
                                 u"two\nlines"_qs};
        QCOMPARE(names, wanted);

        // The binary codec, too, gives valid strings.
        filesystem::ListDirRequest request;
        request.set_path("n");
        const HttpReply reply =
            m_agent->request("POST", "/filesystem.Filesystem/ListDir",
                             {{"Content-Type", "application/proto"}}, request.SerializeAsString());
        QCOMPARE(reply.status, 200);
        QCOMPARE(reply.headers.at("content-type"), std::string("application/proto"));
        filesystem::ListDirResponse response;
        QVERIFY(response.ParseFromString(reply.body));
        QCOMPARE(response.entries_size(), 4);
        QCOMPARE(response.entries(1).name(), std::string("bad\xEF\xBF\xBD\xEF\xBF\xBD"));
    }

    void makesFoldersWithParents()
    {
        const QJsonObject entry =
            m_agent->call("filesystem.Filesystem/MakeDir", {{u"path"_qs, u"x/y/z"_qs}})[u"entry"_qs]
                .toObject();
        QCOMPARE(entry[u"path"_qs].toString(), home() + u"/x/y/z"_qs);
        QCOMPARE(entry[u"type"_qs].toString(), u"FILE_TYPE_DIRECTORY"_qs);
        QCOMPARE(entry[u"permissions"_qs].toString(), u"drwxr-xr-x"_qs);
        QVERIFY(QFileInfo(home() + u"/x/y/z"_qs).isDir());
        put(u"file"_qs);
        int status = 0;
        m_agent->call("filesystem.Filesystem/MakeDir", {{u"path"_qs, u"x/y"_qs}}, &status);
        QCOMPARE(status, 409);
        QCOMPARE(errorOf("MakeDir", {{u"path"_qs, u"x/y"_qs}}), u"already_exists"_qs);
        QCOMPARE(errorOf("MakeDir", {{u"path"_qs, u"file"_qs}}), u"invalid_argument"_qs);
        QCOMPARE(errorOf("MakeDir", {{u"path"_qs, u"file/below"_qs}}), u"internal"_qs);
    }

    void movesAndReplaces()
    {
        put(u"from"_qs, "new");
        put(u"over"_qs, "old");
        QCOMPARE(errorOf("Move", {{u"source"_qs, u"from"_qs}, {u"destination"_qs, u"over"_qs}}),
                 QString());
        QVERIFY(!QFile::exists(home() + u"/from"_qs));
        QFile file(home() + u"/over"_qs);
        QVERIFY(file.open(QIODevice::ReadOnly));
        QCOMPARE(file.readAll(), "new");
        const QJsonObject entry = m_agent
                                      ->call("filesystem.Filesystem/Move",
                                             {{u"source"_qs, u"over"_qs},
                                              {u"destination"_qs, u"new/folder/x"_qs}})[u"entry"_qs]
                                      .toObject();
        QCOMPARE(entry[u"path"_qs].toString(), home() + u"/new/folder/x"_qs);
        QCOMPARE(errorOf("Move", {{u"source"_qs, u"none"_qs}, {u"destination"_qs, u"y"_qs}}),
                 u"not_found"_qs);
        QVERIFY(QDir(home()).mkpath(u"full/inside"_qs));
        QVERIFY(QDir(home()).mkpath(u"other"_qs));
        QCOMPARE(errorOf("Move", {{u"source"_qs, u"other"_qs}, {u"destination"_qs, u"full"_qs}}),
                 u"internal"_qs);
    }

    void removesAnything()
    {
        QVERIFY(QDir(home()).mkpath(u"tree/a/b"_qs));
        put(u"tree/a/b/file"_qs);
        put(u"kept"_qs);
        QVERIFY(QFile::link(u"../kept"_qs, home() + u"/tree/link"_qs));
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"tree"_qs}}), QString());
        QVERIFY(!QFile::exists(home() + u"/tree"_qs));
        QVERIFY(QFile::exists(home() + u"/kept"_qs)); // links are removed, not followed
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"kept"_qs}}), QString());
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"never/was"_qs}}), QString());
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"/"_qs}}), u"invalid_argument"_qs);
    }

    void removesTreesDeeperThanAnyPath()
    {
        // 20,000 levels; no path reaches the bottom.
        int folder = ::open(m_agent->home().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 20000; ++i) {
            QVERIFY(::mkdirat(folder, "d", 0755) == 0);
            const int next = ::openat(folder, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            ::close(folder);
            folder = next;
            QVERIFY(folder >= 0);
        }
        const int file = ::openat(folder, "bottom", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        QVERIFY(file >= 0);
        ::close(file);
        ::close(folder);
        int status = 0;
        m_agent->call("filesystem.Filesystem/ListDir",
                      {{u"path"_qs, u"~"_qs}, {u"depth"_qs, 2000000000}}, &status);
        QCOMPARE(status, 200);
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"d"_qs}}), QString());
        QVERIFY(!QFile::exists(home() + u"/d"_qs));
    }

    void removesWideTrees()
    {
        // More folders next to each other than one read of a folder gives.
        QVERIFY(QDir(home()).mkpath(u"wide"_qs));
        for (int i = 0; i < 3000; ++i) {
            const std::string name = inHome("wide/" + std::to_string(i));
            QCOMPARE(::mkdir(name.c_str(), 0755), 0);
            const int fd = ::open((name + "/f").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
            QVERIFY(fd >= 0);
            ::close(fd);
        }
        QCOMPARE(errorOf("Remove", {{u"path"_qs, u"wide"_qs}}), QString());
        QVERIFY(!QFile::exists(home() + u"/wide"_qs));
    }

    void watchTellsWhatHappens()
    {
        StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir", {{u"path"_qs, QString()}});
        QVERIFY(watch.next().contains(u"start"_qs));
        const auto next = [&] { return eventText(watch.nextEvent()[u"filesystem"_qs].toObject()); };
        put(u"a"_qs, "x");
        QCOMPARE(next(), u"CREATE a"_qs);
        QCOMPARE(next(), u"WRITE a"_qs);
        QCOMPARE(::chmod(inHome("a").c_str(), 0600), 0);
        QCOMPARE(next(), u"CHMOD a"_qs);
        QVERIFY(QFile::rename(home() + u"/a"_qs, home() + u"/b"_qs));
        QCOMPARE(next(), u"RENAME a"_qs);
        QCOMPARE(next(), u"CREATE b"_qs);
        QVERIFY(QFile::remove(home() + u"/b"_qs));
        QCOMPARE(next(), u"REMOVE b"_qs);
        QCOMPARE(::mkdir(inHome("sub").c_str(), 0755), 0);
        QCOMPARE(next(), u"CREATE sub"_qs);
        // Not recursive: nothing from inside. The next event is the removal.
        QCOMPARE(::mkdir(inHome("sub/inner").c_str(), 0755), 0);
        QCOMPARE(::rmdir(inHome("sub/inner").c_str()), 0);
        QCOMPARE(::rmdir(inHome("sub").c_str()), 0);
        QCOMPARE(next(), u"REMOVE sub"_qs);
        QCOMPARE(::chmod(m_agent->home().c_str(), 0700), 0);
        QCOMPARE(next(), u"CHMOD ."_qs);
    }

    void recursiveWatchFollowsNewFolders()
    {
        QVERIFY(QDir(home()).mkpath(u"old/deep"_qs));
        StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir",
                         {{u"path"_qs, u"~"_qs}, {u"recursive"_qs, true}});
        QVERIFY(watch.next().contains(u"start"_qs));
        QStringList seen;
        const auto readUntil = [&](const QString &wanted) {
            while (!seen.contains(wanted)) {
                const QJsonObject message = watch.nextEvent();
                if (message.isEmpty())
                    return;
                seen << eventText(message[u"filesystem"_qs].toObject());
            }
        };
        put(u"old/deep/f"_qs, "x");
        readUntil(u"WRITE old/deep/f"_qs);
        QCOMPARE(seen.first(), u"CREATE old/deep/f"_qs);
        // Made in one go: whatever the watch was too late for is reported all the same, and once.
        seen.clear();
        QVERIFY(QDir(home()).mkpath(u"new/a/b"_qs));
        put(u"new/a/b/f"_qs);
        readUntil(u"CREATE new/a/b/f"_qs);
        for (const QString &event : {u"CREATE new"_qs, u"CREATE new/a"_qs, u"CREATE new/a/b"_qs})
            QCOMPARE(seen.count(event), 1);
        // What is moved in is watched, but its content is not news.
        seen.clear();
        QVERIFY(QDir(home()).rename(u"new"_qs, u"moved"_qs));
        readUntil(u"CREATE moved"_qs);
        put(u"moved/a/g"_qs);
        readUntil(u"CREATE moved/a/g"_qs);
        QVERIFY(!seen.contains(u"CREATE moved/a"_qs));
        QVERIFY(seen.contains(u"RENAME new"_qs));
    }

    void watchEndsAtItsDeadline()
    {
        StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir", {{u"path"_qs, u"~"_qs}},
                         {{"Connect-Timeout-Ms", "200"}});
        QVERIFY(watch.next().contains(u"start"_qs));
        const QJsonObject end = watch.nextEvent()[u"$end"_qs].toObject();
        QCOMPARE(end[u"error"_qs].toObject()[u"code"_qs].toString(), u"deadline_exceeded"_qs);
    }

    void watchSendsKeepalives()
    {
        StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir", {{u"path"_qs, u"~"_qs}},
                         {{"Keepalive-Ping-Interval", "1"}});
        QVERIFY(watch.next().contains(u"start"_qs));
        QCOMPARE(watch.next(), (QJsonObject{{u"keepalive"_qs, QJsonObject()}}));
    }

    void watchErrors()
    {
        put(u"file"_qs);
        const auto code = [&](const QString &path) {
            StreamCall watch(*m_agent, "filesystem.Filesystem/WatchDir", {{u"path"_qs, path}});
            return watch.next()[u"$end"_qs]
                .toObject()[u"error"_qs]
                .toObject()[u"code"_qs]
                .toString();
        };
        QCOMPARE(code(u"none"_qs), u"not_found"_qs);
        QCOMPARE(code(u"file"_qs), u"invalid_argument"_qs);
        QCOMPARE(code(u"~other"_qs), u"invalid_argument"_qs);
        QCOMPARE(errorOf("CreateWatcher", {{u"path"_qs, u"none"_qs}}), u"not_found"_qs);
        QCOMPARE(errorOf("CreateWatcher", {{u"path"_qs, u"file"_qs}}), u"invalid_argument"_qs);
        QCOMPARE(errorOf("GetWatcherEvents", {{u"watcherId"_qs, u"wnone"_qs}}), u"not_found"_qs);
        QCOMPARE(errorOf("RemoveWatcher", {{u"watcherId"_qs, u"wnone"_qs}}), u"not_found"_qs);
    }

    void polledWatcherKeepsEventsUntilFetched()
    {
        const QString id = m_agent
                               ->call("filesystem.Filesystem/CreateWatcher",
                                      {{u"path"_qs, u"~"_qs}})[u"watcherId"_qs]
                               .toString();
        QCOMPARE(id.size(), 21);
        QVERIFY(id.startsWith('w'_L1));
        const QJsonObject request{{u"watcher_id"_qs, id}}; // snake_case is understood
        QCOMPARE(m_agent->call("filesystem.Filesystem/GetWatcherEvents", request), QJsonObject());
        put(u"a"_qs, "x");
        QStringList seen;
        const auto fetch = [&] {
            for (const QJsonValue &value :
                 m_agent->call("filesystem.Filesystem/GetWatcherEvents", request)[u"events"_qs]
                     .toArray())
                seen << eventText(value.toObject());
            return seen.size();
        };
        QTRY_COMPARE(fetch(), 2);
        QCOMPARE(seen, (QStringList{u"CREATE a"_qs, u"WRITE a"_qs}));
        QCOMPARE(m_agent->call("filesystem.Filesystem/GetWatcherEvents", request), QJsonObject());
        QCOMPARE(errorOf("RemoveWatcher", request), QString());
        QCOMPARE(errorOf("GetWatcherEvents", request), u"not_found"_qs);
    }

    void largeRemovalDoesNotHoldUpOthers()
    {
        for (int i = 0; i < 200; ++i) {
            const std::string folder =
                inHome("big" + std::to_string(i % 2) + "/" + std::to_string(i));
            QVERIFY(QDir().mkpath(QString::fromStdString(folder)));
            for (int j = 0; j < 100; ++j) {
                const int fd = ::open((folder + '/' + std::to_string(j)).c_str(),
                                      O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
                QVERIFY(fd >= 0);
                ::close(fd);
            }
        }
        HttpConnection removal(m_agent->socket());
        removal.sendRequest("POST", "/filesystem.Filesystem/Remove",
                            {{"Content-Type", "application/json"}}, "{\"path\":\"big0\"}");
        // Asked while the removal runs, or after it: in both cases at once.
        StreamCall command(*m_agent, "process.Process/Start", shell(u"echo here"_qs));
        QCOMPARE(collect(command).out, "here\n");
        removal.readHead();
        QCOMPARE(removal.status(), 200);
        QVERIFY(!QFile::exists(home() + u"/big0"_qs));
        QVERIFY(QFile::exists(home() + u"/big1"_qs));
    }

private:
    std::unique_ptr<AgentProcess> m_agent;
};

int main(int argc, char **argv)
{
    return agentTestMain(argc, argv, [] { return std::make_unique<TestAgentFilesystem>(); });
}

#include "tst_agent_filesystem.moc"
