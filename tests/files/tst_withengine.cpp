// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/connection.h"
#include "app/models/filetreemodel.h"
#include "app/stores/commandstore.h"
#include "app/stores/textfile.h"
#include "app/stores/transferqueue.h"
#include "tests/support/outcome.h"

#include <QAbstractItemModelTester>
#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <memory>
#include <optional>

using namespace moru;
using test::Outcome;

namespace {

const QString kHome = QStringLiteral("/home/user");

QByteArray sha256(const QString &path)
{
    QFile file(path);
    QCryptographicHash hash(QCryptographicHash::Sha256);
    return file.open(QIODevice::ReadOnly) && hash.addData(&file) ? hash.result().toHex()
                                                                 : QByteArray();
}

} // namespace

/// Files and commands in a sandbox of the real engine.
class WithEngineTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void cleanupTestCase();
    void filesGoInAndOutUnharmed();
    void savesKeepModeAndOwner();
    void uploadsKeepTheModeOfWhatTheyReplace();
    void treeFollowsWhatProgramsDo();
    void namesThatAreNoTextAreShown();
    void commandsAreRunAndStopped();
    void fastOutputArrives();
    void nothingWorksOnWhilePaused();

private:
    QByteArray shell(const QString &command, const QString &user = {});
    [[nodiscard]] EnvdClient &envd() { return m_connection->envd(m_id); }

    QTemporaryDir m_state;
    QProcess m_engine;
    std::unique_ptr<Connection> m_connection;
    QString m_id;
};

void WithEngineTest::initTestCase()
{
    const QString program = qEnvironmentVariable("MORU_BIN_DIR") + QStringLiteral("/moru-local");
    QVERIFY2(QFile::exists(program), qPrintable(program));
    m_engine.setProgram(program);
    m_engine.setArguments({u"serve"_qs, u"--listen"_qs, u"127.0.0.1:0"_qs, u"--idle-exit"_qs,
                           u"0"_qs, u"--state-dir"_qs, m_state.filePath(u"engine"_qs)});
    m_engine.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    m_engine.start();
    QTRY_VERIFY_WITH_TIMEOUT(m_engine.canReadLine() || m_engine.state() == QProcess::NotRunning,
                             30000);
    const QJsonObject ready = QJsonDocument::fromJson(m_engine.readLine()).object();
    QVERIFY2(ready.contains(u"apiUrl"_qs), "the engine did not start");
    QFile key(ready.value(u"keyFile"_qs).toString());
    QVERIFY(key.open(QIODevice::ReadOnly));

    ConnectionSpec spec;
    spec.id = u"local"_qs;
    spec.kind = ConnectionSpec::Kind::Local;
    spec.endpoint = Endpoint{QUrl(ready.value(u"apiUrl"_qs).toString()),
                             QUrl(ready.value(u"sandboxUrl"_qs).toString()),
                             ready.value(u"domain"_qs).toString()};
    m_connection = std::make_unique<Connection>(spec);
    m_connection->transport().setApiKey(QString::fromLatin1(key.readAll().trimmed()));
    Outcome<SandboxDetail> created;
    m_connection->control().createSandbox(NewSandbox(), this, created.done());
    QTRY_VERIFY_WITH_TIMEOUT(created.arrived(), 60000);
    QVERIFY2(created.ok(), qPrintable(created.ok() ? QString() : created.error().message));
    m_id = created.value().sandbox.id;
}

void WithEngineTest::cleanupTestCase()
{
    m_connection.reset();
    QProcess reset;
    reset.start(m_engine.program(),
                {u"reset"_qs, u"--yes"_qs, u"--state-dir"_qs, m_state.filePath(u"engine"_qs)});
    QVERIFY(reset.waitForFinished(60000));
    QCOMPARE(reset.exitCode(), 0);
    QVERIFY(m_engine.state() == QProcess::NotRunning || m_engine.waitForFinished(20000));
}

QByteArray WithEngineTest::shell(const QString &command, const QString &user)
{
    ProcessSpec spec;
    spec.args = {u"-c"_qs, command};
    spec.user = user;
    QObject owner;
    ProcessStream *stream = envd().start(spec, &owner);
    QByteArray out;
    QObject::connect(stream, &ProcessStream::stdoutData, &owner,
                     [&](const QByteArray &bytes) { out += bytes; });
    bool over = false;
    QObject::connect(stream, &ProcessStream::finished, &owner, [&] { over = true; });
    QObject::connect(stream, &ProcessStream::failed, &owner, [&] { over = true; });
    [&] { QTRY_VERIFY_WITH_TIMEOUT(over, 30000); }();
    return out.trimmed();
}

void WithEngineTest::filesGoInAndOutUnharmed()
{
    QTemporaryDir folder;
    const QString source = folder.filePath(u"source.bin"_qs);
    {
        QFile file(source);
        QVERIFY(file.open(QIODevice::WriteOnly));
        QByteArray block(1 << 20, Qt::Uninitialized);
        quint32 state = 1;
        for (int i = 0; i < 24; ++i) {
            for (char &c : block) {
                state = state * 1664525U + 1013904223U;
                c = char(state >> 24U);
            }
            QCOMPARE(file.write(block), block.size());
        }
    }
    TransferQueue queue(envd());
    const auto state = [&](quint64 id) { return queue.at(queue.indexOf(id)).state; };
    const quint64 up = queue.upload(source, kHome + u"/sub dir/x \u00e4.bin"_qs);
    QTRY_COMPARE_WITH_TIMEOUT(state(up), TransferItem::State::Done, 60000);
    QCOMPARE(
        shell(
            u"sha256sum < '/home/user/sub dir/x ä.bin' | cut -d' ' -f1; ls -A '/home/user/sub dir' | wc -l"_qs),
        sha256(source) + "\n1");
    const quint64 down =
        queue.download(kHome + u"/sub dir/x \u00e4.bin"_qs, folder.filePath(u"back.bin"_qs), false);
    QTRY_COMPARE_WITH_TIMEOUT(state(down), TransferItem::State::Done, 60000);
    QCOMPARE(sha256(folder.filePath(u"back.bin"_qs)), sha256(source));
    QCOMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden).size(), 2);
    const quint64 missing = queue.download(kHome + u"/none"_qs, folder.filePath(u"none"_qs), false);
    QTRY_COMPARE(state(missing), TransferItem::State::Failed);
    QCOMPARE(queue.at(queue.indexOf(missing)).error.kind, Error::Kind::NotFound);
}

void WithEngineTest::savesKeepModeAndOwner()
{
    shell(
        u"printf 'a\\r\\n' > /home/user/run.sh; chown root:user /home/user/run.sh; chmod 0751 /home/user/run.sh"_qs,
        u"root"_qs);
    QCOMPARE(shell(u"stat -c '%a %U %G' /home/user/run.sh"_qs), QByteArray("751 root user"));
    TextFile file(envd(), kHome + u"/run.sh"_qs);
    std::optional<TextContent> content;
    file.open(this, [&](const tl::expected<TextContent, TextFile::OpenFailure> &result) {
        if (result)
            content = *result;
    });
    QTRY_VERIFY(content);
    QCOMPARE(content->text, u"a\r\n"_qs);
    QCOMPARE(content->lineEnd, TextContent::LineEnd::CrLf);
    Outcome<RemoteWrite::Written> saved;
    file.save("b\r\n", false, this, saved.done());
    QTRY_VERIFY_WITH_TIMEOUT(saved.arrived(), 20000);
    QVERIFY2(saved.ok(), qPrintable(saved.ok() ? QString() : saved.error().message));
    QVERIFY(saved.value().attributesKept);
    QCOMPARE(
        shell(u"stat -c '%a %U %G' /home/user/run.sh; od -An -c /home/user/run.sh | tr -d ' '"_qs),
        QByteArray("751 root user\nb\\r\\n"));
    QCOMPARE(shell(u"ls -A /home/user | grep -c part"_qs), QByteArray("0"));

    // A program writes; the next save does not go over it.
    shell(u"sleep 0.01; echo program > /home/user/run.sh"_qs, u"root"_qs);
    Outcome<RemoteWrite::Written> conflict;
    file.save("c\r\n", false, this, conflict.done());
    QTRY_VERIFY_WITH_TIMEOUT(conflict.arrived(), 20000);
    QVERIFY(!conflict.ok());
    QCOMPARE(conflict.error().kind, Error::Kind::Conflict);
    QCOMPARE(shell(u"cat /home/user/run.sh"_qs), QByteArray("program"));
}

void WithEngineTest::uploadsKeepTheModeOfWhatTheyReplace()
{
    QTemporaryDir folder;
    QFile file(folder.filePath(u"tool"_qs));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("new");
    file.close();
    shell(u"echo older > /home/user/tool; chmod 700 /home/user/tool"_qs);
    TransferQueue queue(envd());
    const quint64 id = queue.upload(file.fileName(), kHome + u"/tool"_qs);
    const auto state = [&] { return queue.at(queue.indexOf(id)).state; };
    QTRY_COMPARE(state(), TransferItem::State::Asking);
    queue.resolve(id, TransferQueue::Decision::Overwrite, false);
    QTRY_COMPARE_WITH_TIMEOUT(state(), TransferItem::State::Done, 20000);
    QVERIFY(queue.at(queue.indexOf(id)).attributesKept);
    QCOMPARE(shell(u"cat /home/user/tool; stat -c ' %a %U' /home/user/tool"_qs),
             QByteArray("new 700 user"));
}

void WithEngineTest::treeFollowsWhatProgramsDo()
{
    shell(u"mkdir -p /home/user/tree/sub; echo x > /home/user/tree/a"_qs);
    FileStore store(envd());
    FileTreeModel model(store);
    QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    const auto has = [&](const QString &path) { return store.find(kHome + path) != nullptr; };
    store.setRoot(u"~/tree"_qs);
    QTRY_VERIFY(has(u"/tree/a"_qs));
    QCOMPARE(store.root().path, kHome + u"/tree"_qs);
    store.setOpen(*store.find(kHome + u"/tree/sub"_qs), true);
    QTRY_COMPARE(store.find(kHome + u"/tree/sub"_qs)->state, FileNode::State::Ready);
    QTRY_VERIFY(envd().openStreamCount() >= 2); // both folders are watched
    shell(
        u"echo y > /home/user/tree/sub/new; rm /home/user/tree/a; mv /home/user/tree/sub/new /home/user/tree/sub/newer"_qs);
    QTRY_VERIFY(has(u"/tree/sub/newer"_qs) && !has(u"/tree/a"_qs) && !has(u"/tree/sub/new"_qs));
    QCOMPARE(store.find(kHome + u"/tree/sub/newer"_qs)->entry.owner, u"user"_qs);
    // A burst ends with the truth.
    shell(u"cd /home/user/tree; for i in $(seq 1 300); do echo $i > f$i; done; rm f?"_qs);
    QTRY_COMPARE_WITH_TIMEOUT(model.rowCount(), 1 + 291, 20000);
}

void WithEngineTest::namesThatAreNoTextAreShown()
{
    shell(u"mkdir -p /home/user/odd; cd /home/user/odd; touch \"$(printf 'a\\nb')\" \"$(printf "
          u"'bad\\377')\" "
          u"\"$(printf '\\342\\200\\256rtl')\""_qs);
    FileStore store(envd());
    FileTreeModel model(store);
    store.setRoot(kHome + u"/odd"_qs);
    QTRY_COMPARE(model.rowCount(), 3);
    QStringList shown;
    int addressable = 0;
    for (int row = 0; row < 3; ++row) {
        shown.append(model.index(row, 0).data().toString());
        addressable += model.index(row, 0).data(FileTreeModel::AddressableRole).toBool() ? 1 : 0;
    }
    shown.sort();
    QCOMPARE(shown, (QStringList{u"\\u202ertl"_qs, u"a\\nb"_qs, u"bad\uFFFD"_qs}));
    QCOMPARE(addressable, 2);
    // The newline is odd, not dangerous: the file can be renamed and removed.
    Outcome<FileEntry> renamed;
    store.rename(kHome + u"/odd/a\nb"_qs, u"plain"_qs, this, renamed.done());
    QTRY_VERIFY(renamed.arrived());
    QVERIFY(renamed.ok());
    std::optional<QList<FileStore::RemovalFailure>> failures;
    store.remove({kHome + u"/odd/plain"_qs}, this, [&](const auto &f) { failures = f; });
    QTRY_VERIFY(failures);
    QVERIFY(failures->isEmpty());
    QTRY_COMPARE(model.rowCount(), 2);
}

void WithEngineTest::commandsAreRunAndStopped()
{
    CommandStore store(envd());
    store.setActive(true);
    const auto text = [&](quint64 id, CommandOutput::Channel wanted) {
        QString result;
        const CommandOutput &output = store.run(id)->output;
        for (qint64 at = output.begin(); at < output.end();)
            at = output.read(at, 1000, [&](CommandOutput::Channel channel, QStringView piece) {
                if (channel == wanted)
                    result += piece;
            });
        return result;
    };
    const quint64 id =
        store.run(u"pwd; id -un; echo problem >&2; exit 3"_qs, u"/tmp"_qs, u"root"_qs, false);
    QTRY_COMPARE_WITH_TIMEOUT(store.run(id)->state, CommandRun::State::Ended, 20000);
    QCOMPARE(store.run(id)->end.exitCode, 3);
    QVERIFY(store.run(id)->end.exited);
    QCOMPARE(text(id, CommandOutput::Channel::Stdout), u"/tmp\nroot\n"_qs);
    QCOMPARE(text(id, CommandOutput::Channel::Stderr), u"problem\n"_qs);

    const quint64 nowhere = store.run(u"true"_qs, u"/no/such/folder"_qs, {}, false);
    QTRY_COMPARE_WITH_TIMEOUT(store.run(nowhere)->state, CommandRun::State::Refused, 20000);

    const quint64 sleeper = store.run(u"echo up; exec sleep 1000"_qs, {}, {}, true);
    QTRY_VERIFY_WITH_TIMEOUT(text(sleeper, CommandOutput::Channel::Stdout) == u"up\n"_qs, 20000);
    const quint32 pid = store.run(sleeper)->pid;
    const auto listed = [&] {
        return std::any_of(store.processes().cbegin(), store.processes().cend(),
                           [&](const ProcessInfo &process) { return process.pid == pid; });
    };
    QTRY_VERIFY(listed());
    QVERIFY(store.liveRunOf(pid));
    Outcome<bool> sent;
    store.signal(pid, EnvdClient::Signal::Terminate, this, sent.done());
    QTRY_VERIFY(sent.arrived());
    QVERIFY(sent.ok() && sent.value());
    QTRY_COMPARE(store.run(sleeper)->state, CommandRun::State::Ended);
    QCOMPARE(store.run(sleeper)->end.status, u"signal: terminated"_qs);
    QTRY_VERIFY(!listed());
    Outcome<bool> late;
    store.signal(pid, EnvdClient::Signal::Kill, this, late.done());
    QTRY_VERIFY(late.arrived());
    QVERIFY(late.ok() && !late.value()); // was gone already: no error
}

void WithEngineTest::fastOutputArrives()
{
    CommandStore store(envd());
    const quint64 id = store.run(u"yes | head -c 100M; echo the end"_qs, {}, {}, false);
    QTRY_COMPARE_WITH_TIMEOUT(store.run(id)->state, CommandRun::State::Ended, 100000);
    const CommandOutput &output = store.run(id)->output;
    QCOMPARE(output.end(), (qint64(100) << 20) + 8);
    QVERIFY(output.isTruncated());
    QString tail;
    output.read(output.end() - 10, 10,
                [&](CommandOutput::Channel, QStringView piece) { tail += piece; });
    QCOMPARE(tail, u"y\nthe end\n"_qs);
}

void WithEngineTest::nothingWorksOnWhilePaused()
{
    shell(u"echo kept > /home/user/kept"_qs);
    FileStore store(envd());
    store.setRoot(kHome);
    QTRY_VERIFY(store.find(kHome + u"/kept"_qs));
    envd().closeStreams();
    Outcome<bool> paused;
    m_connection->control().pauseSandbox(m_id, this, paused.done());
    QTRY_VERIFY_WITH_TIMEOUT(paused.arrived(), 60000);
    QVERIFY(paused.ok());
    TextFile file(envd(), kHome + u"/kept"_qs);
    Outcome<RemoteWrite::Written> saved;
    file.save("changed", true, this, saved.done());
    QTRY_VERIFY(saved.arrived());
    QVERIFY(!saved.ok());
    QCOMPARE(saved.error().kind, Error::Kind::Conflict);
    QVERIFY(store.find(kHome + u"/kept"_qs)); // the tree stays
    Outcome<SandboxDetail> state;
    m_connection->control().getSandbox(m_id, this, state.done());
    QTRY_VERIFY(state.arrived());
    QCOMPARE(state.value().sandbox.state, SandboxState::Paused); // and nothing woke it

    Outcome<SandboxDetail> resumed;
    m_connection->control().resumeSandbox(m_id, 300, this, resumed.done());
    QTRY_VERIFY_WITH_TIMEOUT(resumed.arrived(), 60000);
    QVERIFY(resumed.ok());
    store.setReachable(true);
    QCOMPARE(shell(u"cat /home/user/kept"_qs), QByteArray("kept"));
    shell(u"touch /home/user/after"_qs);
    QTRY_VERIFY_WITH_TIMEOUT(store.find(kHome + u"/after"_qs), 20000);
}

QTEST_GUILESS_MAIN(WithEngineTest)
#include "tst_withengine.moc"
