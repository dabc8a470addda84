// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/api/envdfixture.h"

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>
#include <QTimer>

using namespace moru;
using namespace moru::test;
using Kind = Error::Kind;

namespace {

/// Everything a ProcessStream says, in order.
struct Heard {
    explicit Heard(ProcessStream *stream)
    {
        QObject::connect(stream, &ProcessStream::started, stream,
                         [this](quint32 pid) { startedPid = pid; });
        QObject::connect(stream, &ProcessStream::stdoutData, stream,
                         [this](const QByteArray &b) { out += b; });
        QObject::connect(stream, &ProcessStream::stderrData, stream,
                         [this](const QByteArray &b) { err += b; });
        QObject::connect(stream, &ProcessStream::ptyData, stream, [this](const QByteArray &b) {
            pty += b;
            ptySignals += 1;
        });
        QObject::connect(stream, &ProcessStream::inputFailed, stream, [this](const Error &e) {
            inputFailures += 1;
            inputError = e;
        });
        QObject::connect(stream, &ProcessStream::finished, stream, [this](const ProcessEnd &e) {
            ends += 1;
            end = e;
        });
        QObject::connect(stream, &ProcessStream::failed, stream, [this](const Error &e) {
            failures += 1;
            error = e;
        });
    }
    [[nodiscard]] bool over() const { return ends + failures > 0; }

    quint32 startedPid = 0;
    QByteArray out;
    QByteArray err;
    QByteArray pty;
    int ptySignals = 0;
    int inputFailures = 0;
    Error inputError;
    int ends = 0;
    ProcessEnd end;
    int failures = 0;
    Error error;
};

const QByteArray connectProto = "application/connect+proto";

} // namespace

class StreamTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<EnvdFixture> m_fixture;
    std::unique_ptr<QObject> m_parent;

    EnvdClient &client() { return *m_fixture->client; }
    HttpServer &data() { return m_fixture->data; }

    /// Answers Start with these bytes, whole and in order.
    void script(const QByteArray &bytes)
    {
        data().on("POST", "/process.Process/Start", [bytes](HttpExchange &e) {
            e.begin(200, connectProto);
            e.send(bytes);
            e.end();
        });
    }

    ProcessStream *startPty()
    {
        ProcessSpec spec;
        spec.pty = true;
        spec.cols = 100;
        spec.rows = 30;
        return client().start(spec, m_parent.get());
    }

    /// Keeps the stream's exchange for the test to write to.
    QPointer<HttpExchange> *keepOpen()
    {
        auto *kept = new QPointer<HttpExchange>;
        data().on("POST", "/process.Process/Start", [kept](HttpExchange &e) {
            *kept = &e;
            e.begin(200, connectProto);
            e.send(envd::started(42));
        });
        m_kept.emplace_back(kept);
        return kept;
    }

    std::vector<std::unique_ptr<QPointer<HttpExchange>>> m_kept;

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
        m_kept.clear();
    }

    void aProcessIsSeenFromStartToEnd()
    {
        script(envd::started(42) + envd::out("hello ") + envd::keepalive() + envd::out("world")
               + envd::err("oops") + envd::ended(3) + envd::endOfStream());
        ProcessSpec spec;
        spec.cmd = QStringLiteral("/bin/sh");
        spec.args = {QStringLiteral("-c"), QStringLiteral("x")};
        spec.envs = {{QStringLiteral("A"), QStringLiteral("B")}};
        spec.cwd = QStringLiteral("/tmp");
        spec.user = QStringLiteral("root");
        spec.tag = QStringLiteral("tag");
        spec.timeoutSeconds = 9;
        ProcessStream *stream = client().start(spec, m_parent.get());
        Heard heard(stream);
        QVERIFY(!heard.over());
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.startedPid, 42U);
        QCOMPARE(stream->pid(), 42U);
        QCOMPARE(heard.out, QByteArray("hello world"));
        QCOMPARE(heard.err, QByteArray("oops"));
        QCOMPARE(heard.ends, 1);
        QCOMPARE(heard.failures, 0);
        QCOMPARE(heard.end.exitCode, 3);
        QVERIFY(heard.end.exited);
        QCOMPARE(heard.end.status, QStringLiteral("exit status 3"));
        QCOMPARE(client().openStreamCount(), 0);

        const HttpRequest request = data().last("/process.Process/Start");
        QCOMPARE(request.header("content-type"), connectProto);
        QCOMPARE(request.header("connect-timeout-ms"), QByteArray("9000"));
        QCOMPARE(request.header("keepalive-ping-interval"), QByteArray("50"));
        QCOMPARE(request.header("authorization"), "Basic " + QByteArray("root:").toBase64());
        QVERIFY(!request.headers.contains("connect-accept-encoding"));
        const auto message = envd::messageOf<process::StartRequest>(request.body);
        QCOMPARE(message.process().cmd(), "/bin/sh");
        QCOMPARE(message.process().args_size(), 2);
        QCOMPARE(message.process().envs().at("A"), "B");
        QCOMPARE(message.process().cwd(), "/tmp");
        QCOMPARE(message.tag(), "tag");
        QVERIFY(message.has_stdin());
        QVERIFY(!message.stdin());
        QVERIFY(!message.has_pty());
    }

    void aPtyHasASizeAndATerm()
    {
        keepOpen();
        startPty();
        QTRY_COMPARE(data().count("POST", "/process.Process/Start"), 1);
        const HttpRequest request = data().last("/process.Process/Start");
        QVERIFY(!request.headers.contains("connect-timeout-ms")); // a terminal has no time limit
        const auto message = envd::messageOf<process::StartRequest>(request.body);
        QCOMPARE(message.pty().size().cols(), 100U);
        QCOMPARE(message.pty().size().rows(), 30U);
        QCOMPARE(message.process().envs().at("TERM"), "xterm-256color");
        QVERIFY(!message.has_stdin());
    }

    void aStreamMayBeCutAtEveryByte()
    {
        const QByteArray upToEnd = envd::started(42) + envd::out("abc") + envd::ended(0);
        const QByteArray whole = upToEnd + envd::endOfStream();
        for (qsizetype cut = 0; cut <= whole.size(); ++cut) {
            data().on("POST", "/process.Process/Start", [&](HttpExchange &e) {
                e.begin(200, connectProto);
                e.send(whole.left(cut));
                e.cut();
            });
            QObject parent;
            ProcessStream *stream = client().start({}, &parent);
            Heard heard(stream);
            QTRY_VERIFY2(heard.over(), qPrintable(QString::number(cut)));
            QCOMPARE(heard.ends + heard.failures, 1);
            // Once the end event is in, everything is known.
            QVERIFY2((heard.ends == 1) == (cut >= upToEnd.size()),
                     qPrintable(QString::number(cut)));
            if (heard.failures > 0)
                QVERIFY(heard.error.kind == Kind::Network || heard.error.kind == Kind::Protocol);
        }
    }

    void aStreamMayArriveInPiecesOfAnySize()
    {
        const QByteArray whole = envd::started(42) + envd::out("abc") + envd::err("de")
                                 + envd::out("fg") + envd::ended(0) + envd::endOfStream();
        data().on("POST", "/process.Process/Start", [&whole](HttpExchange &e) {
            e.begin(200, connectProto);
            auto *timer = new QTimer(&e);
            auto position = std::make_shared<qsizetype>(0);
            connect(timer, &QTimer::timeout, &e, [&e, &whole, position, timer] {
                e.send(whole.mid(*position, 1));
                if (++*position == whole.size()) {
                    timer->stop();
                    e.end();
                }
            });
            timer->start(0);
        });
        Heard heard(client().start({}, m_parent.get()));
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.out, QByteArray("abcfg"));
        QCOMPARE(heard.err, QByteArray("de"));
        QCOMPARE(heard.ends, 1);
    }

    void consecutivePtyEventsComeAsOne()
    {
        QByteArray events;
        for (int i = 0; i < 200; ++i)
            events += envd::pty("line\r\n");
        script(envd::started(1) + events + envd::ended(0) + envd::endOfStream());
        Heard heard(startPty());
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.pty.size(), 200 * 6);
        QVERIFY2(heard.ptySignals <= 20, qPrintable(QString::number(heard.ptySignals)));
    }

    void badStreamsFail_data()
    {
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("type");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<int>("kind");
        const QByteArray proto = connectProto;
        const auto row = [](const char *name, int status, const QByteArray &type,
                            const QByteArray &body, Kind kind) {
            QTest::newRow(name) << status << type << body << int(kind);
        };
        row("no end message", 200, proto, envd::started(1) + envd::out("x"), Kind::Network);
        row("nothing", 200, proto, {}, Kind::Network);
        row("no result", 200, proto, envd::started(1) + envd::endOfStream(), Kind::Protocol);
        row("output first", 200, proto, envd::out("x") + envd::endOfStream(), Kind::Protocol);
        row("rubbish", 200, proto, envd::frame("\xff\xff\xff"), Kind::Protocol);
        row("compressed", 200, proto, envd::frame("x", wire::FrameCompressed), Kind::Protocol);
        row("far too large", 200, proto, QByteArray("\x00\x7f\xff\xff\xff", 5), Kind::Protocol);
        row("end message damaged", 200, proto, envd::started(1) + envd::endOfStream("{"),
            Kind::Protocol);
        row("error null is none", 200, proto,
            envd::started(1) + envd::endOfStream(json("{'error':null}")), Kind::Protocol);
        row("not found", 200, proto,
            envd::endOfStream(json("{'error':{'code':'not_found','message':'m'}}")),
            Kind::NotFound);
        row("deadline", 200, proto,
            envd::started(1)
                + envd::endOfStream(json("{'error':{'code':'deadline_exceeded','message':'m'}}")),
            Kind::Timeout);
        row("invalid user", 200, proto,
            envd::endOfStream(json("{'error':{'code':'unauthenticated','message':'m'}}")),
            Kind::Invalid);
        row("json stream", 200, "application/connect+json", envd::started(1), Kind::Protocol);
        row("web page", 200, "text/html", "<html></html>", Kind::Protocol);
        row("401", 401, "application/json", json("{'code':401,'message':'m'}"), Kind::Unauthorized);
        row("sandbox gone", 502, "application/json",
            json("{'code':502,'message':'The sandbox was not found'}"), Kind::NotFound);
        row("429", 429, "application/json", json("{'code':'resource_exhausted','message':'m'}"),
            Kind::RateLimited);
    }

    void badStreamsFail()
    {
        QFETCH(const int, status);
        QFETCH(const QByteArray, type);
        QFETCH(const QByteArray, body);
        QFETCH(const int, kind);
        data().on("POST", "/process.Process/Start", [=](HttpExchange &e) {
            e.begin(status, type);
            e.send(body);
            e.end();
        });
        Heard heard(client().start({}, m_parent.get()));
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.ends, 0);
        QCOMPARE(heard.failures, 1);
        QCOMPARE(int(heard.error.kind), kind);
        QCOMPARE(client().openStreamCount(), 0);
    }

    void aPausedSandboxIsNotWoken()
    {
        m_fixture->state = "paused";
        Heard heard(startPty());
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.error.kind, Kind::Conflict);
        QCOMPARE(data().requests().size(), 0);
    }

    void inputIsSentInOrderOneAtATimeAndJoined()
    {
        keepOpen();
        QList<QByteArray> received;
        QPointer<HttpExchange> waiting;
        int atOnce = 0;
        data().on("POST", "/process.Process/SendInput", [&](HttpExchange &e) {
            atOnce += waiting ? 1 : 0;
            waiting = &e;
            process::SendInputRequest request;
            request.ParseFromArray(e.request().body.constData(), int(e.request().body.size()));
            received.append(QByteArray::fromStdString(request.input().pty()));
        });
        ProcessStream *stream = startPty();
        Heard heard(stream);
        stream->sendInput("early "); // before it has started
        QTRY_VERIFY(waiting);
        QCOMPARE(received, QList<QByteArray>{"early "});
        for (const char c : QByteArray("typed"))
            stream->sendInput(QByteArray(1, c));
        waiting->answer(200, {}, "application/proto");
        QTRY_COMPARE(received.size(), 2);
        QCOMPARE(received.last(), QByteArray("typed"));
        QCOMPARE(atOnce, 0);
        waiting->answer(200, {}, "application/proto");
        QCOMPARE(heard.inputFailures, 0);
    }

    void aLargePasteArrivesWhole()
    {
        keepOpen();
        QByteArray received;
        data().on("POST", "/process.Process/SendInput", [&](HttpExchange &e) {
            process::SendInputRequest request;
            request.ParseFromArray(e.request().body.constData(), int(e.request().body.size()));
            received += QByteArray::fromStdString(request.input().pty());
            e.answer(200, {}, "application/proto");
        });
        QByteArray paste;
        for (int i = 0; i < 50'000; ++i)
            paste += QByteArray::number(i) + '\n';
        ProcessStream *stream = startPty();
        stream->sendInput(paste);
        QTRY_COMPARE(received.size(), paste.size());
        QVERIFY(received == paste);
    }

    void aFailedInputIsToldOnceAndNotRepeated()
    {
        keepOpen();
        m_fixture->refuse("process.Process/SendInput", 404, "not_found");
        ProcessStream *stream = startPty();
        Heard heard(stream);
        stream->sendInput("a");
        QTRY_COMPARE(heard.inputFailures, 1);
        QCOMPARE(heard.inputError.kind, Kind::NotFound);
        stream->sendInput("b");
        QTRY_COMPARE(data().count("POST", "/process.Process/SendInput"), 2);
        // A round trip through the same connection proves that the answer has been seen.
        Outcome<QList<ProcessInfo>> list;
        m_fixture->answer("process.Process/List", process::ListResponse());
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        QCOMPARE(heard.inputFailures, 1);
        QCOMPARE(heard.over(), false); // the terminal itself lives on
    }

    void anAttachedProcessFindsOutHowToType()
    {
        data().on("POST", "/process.Process/Connect", [](HttpExchange &e) {
            e.begin(200, connectProto);
            e.send(envd::started(7));
        });
        QByteArray received;
        data().on("POST", "/process.Process/SendInput", [&](HttpExchange &e) {
            process::SendInputRequest request;
            request.ParseFromArray(e.request().body.constData(), int(e.request().body.size()));
            if (request.input().has_pty()) {
                e.answer(500, json("{'code':'internal','message':'tty not assigned'}"));
                return;
            }
            received += QByteArray::fromStdString(request.input().stdin());
            e.answer(200, {}, "application/proto");
        });
        ProcessStream *stream = client().attach(7, m_parent.get());
        Heard heard(stream);
        stream->sendInput("x");
        QTRY_COMPARE(received, QByteArray("x"));
        QCOMPARE(heard.inputFailures, 0);
        stream->sendInput("y");
        QTRY_COMPARE(received, QByteArray("xy"));
        QCOMPARE(data().count("POST", "/process.Process/SendInput"), 3); // learnt once
        const auto message =
            envd::messageOf<process::ConnectRequest>(data().last("/process.Process/Connect").body);
        QCOMPARE(message.process().pid(), 7U);
    }

    void theNewestSizeWins()
    {
        keepOpen();
        QList<quint32> cols;
        QPointer<HttpExchange> waiting;
        data().on("POST", "/process.Process/Update", [&](HttpExchange &e) {
            process::UpdateRequest request;
            request.ParseFromArray(e.request().body.constData(), int(e.request().body.size()));
            cols.append(request.pty().size().cols());
            waiting = &e;
        });
        ProcessStream *stream = startPty();
        stream->resize(90, 20);
        QTRY_COMPARE(cols.size(), 1);
        for (int width = 91; width <= 120; ++width)
            stream->resize(width, 20);
        waiting->answer(200, {}, "application/proto");
        QTRY_COMPARE(cols.size(), 2);
        QCOMPARE(cols, (QList<quint32>{90, 120}));
        waiting->answer(200, {}, "application/proto");
    }

    void pausedReadingHoldsTheServerBack()
    {
        QPointer<HttpExchange> *exchange = keepOpen();
        ProcessStream *stream = startPty();
        Heard heard(stream);
        QTRY_COMPARE(heard.startedPid, 42U);
        stream->setReadingPaused(true);
        // Far more than all buffers on the way hold.
        const QByteArray block = envd::pty(QByteArray(16 << 10, 'x'));
        constexpr int Blocks = 4096;
        for (int i = 0; i < Blocks; ++i)
            (*exchange)->send(block);
        // The kernel's buffers fill up, then nothing moves any more.
        qint64 before = -1;
        QTRY_VERIFY_WITH_TIMEOUT(
            [&] {
                const qint64 now = (*exchange)->pending();
                const bool still = now == before;
                before = now;
                QTest::qWait(100);
                return still;
            }(),
            60000);
        QVERIFY2((*exchange)->pending() > 30LL << 20,
                 qPrintable(QString::number((*exchange)->pending())));
        QCOMPARE(heard.pty.size(), 0);
        stream->setReadingPaused(false);
        QTRY_COMPARE_WITH_TIMEOUT(heard.pty.size(), qint64(Blocks) * (16 << 10), 60000);
    }

    void aReceiverMayPauseWithinASignal()
    {
        script(envd::started(1) + envd::out("one") + envd::err("two") + envd::ended(0)
               + envd::endOfStream());
        ProcessStream *stream = client().start({}, m_parent.get());
        Heard heard(stream);
        connect(stream, &ProcessStream::stdoutData, stream, [stream] {
            stream->setReadingPaused(true);
            QTimer::singleShot(20, stream, [stream] { stream->setReadingPaused(false); });
        });
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.out, QByteArray("one"));
        QCOMPARE(heard.err, QByteArray("two"));
        QCOMPARE(heard.ends, 1);
    }

    void aReceiverMayDeleteTheStreamWithinASignal_data()
    {
        QTest::addColumn<int>("which");
        QTest::newRow("started") << 0;
        QTest::newRow("stdoutData") << 1;
        QTest::newRow("stderrData") << 2;
        QTest::newRow("finished") << 3;
    }

    void aReceiverMayDeleteTheStreamWithinASignal()
    {
        QFETCH(const int, which);
        script(envd::started(1) + envd::out("one") + envd::err("two") + envd::ended(0)
               + envd::endOfStream());
        QPointer<ProcessStream> stream = client().start({}, m_parent.get());
        const auto die = [&stream] { delete stream.data(); };
        switch (which) {
        case 0:
            connect(stream, &ProcessStream::started, this, die);
            break;
        case 1:
            connect(stream, &ProcessStream::stdoutData, this, die);
            break;
        case 2:
            connect(stream, &ProcessStream::stderrData, this, die);
            break;
        default:
            connect(stream, &ProcessStream::finished, this, die);
            break;
        }
        QTRY_VERIFY(stream.isNull());
        QCOMPARE(client().openStreamCount(), 0);
    }

    void detachEndsTheStreamWithoutAWord()
    {
        QPointer<HttpExchange> *exchange = keepOpen();
        ProcessStream *stream = startPty();
        Heard heard(stream);
        QTRY_COMPARE(heard.startedPid, 42U);
        QSignalSpy left(exchange->data(), &HttpExchange::peerLeft);
        stream->detach();
        QTRY_COMPARE(left.count(), 1);
        QVERIFY(!heard.over());
        QCOMPARE(client().openStreamCount(), 0);
        QCOMPARE(data().count("POST", "/process.Process/SendSignal"), 0); // the process lives on
    }

    void silenceForTwoKeepalivesEndsTheStream()
    {
        Transport::Limits limits = m_fixture->transport->limits();
        limits.keepaliveSeconds = 1;
        m_fixture->transport->setLimits(limits);
        keepOpen();
        Heard heard(startPty());
        QTRY_COMPARE(heard.startedPid, 42U);
        QElapsedTimer clock;
        clock.start();
        QTRY_VERIFY_WITH_TIMEOUT(heard.over(), 10000);
        QCOMPARE(heard.error.kind, Kind::Timeout);
        QVERIFY(clock.elapsed() >= 1900);
        QCOMPARE(data().last("/process.Process/Start").header("keepalive-ping-interval"),
                 QByteArray("1"));
    }

    void keepalivesKeepTheStream()
    {
        Transport::Limits limits = m_fixture->transport->limits();
        limits.keepaliveSeconds = 1;
        m_fixture->transport->setLimits(limits);
        QPointer<HttpExchange> *exchange = keepOpen();
        Heard heard(startPty());
        QTRY_COMPARE(heard.startedPid, 42U);
        QTimer beat;
        connect(&beat, &QTimer::timeout, this,
                [exchange] { (*exchange)->send(envd::keepalive()); });
        beat.start(300);
        QElapsedTimer clock;
        clock.start();
        QTRY_VERIFY_WITH_TIMEOUT(clock.elapsed() > 3500, 10000);
        QVERIFY(!heard.over());
        beat.stop();
        QTRY_VERIFY_WITH_TIMEOUT(heard.over(), 10000);
    }

    void aStartThatIsNeverAnsweredTimesOut()
    {
        Transport::Limits limits = m_fixture->transport->limits();
        limits.unaryMs = 300;
        m_fixture->transport->setLimits(limits);
        data().on("POST", "/process.Process/Start", [](HttpExchange &) {});
        Heard heard(startPty());
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.error.kind, Kind::Timeout);
    }

    void closingStreamsTellsEachAndLooksUpAgain()
    {
        keepOpen();
        data().on("POST", "/filesystem.Filesystem/WatchDir", [](HttpExchange &e) {
            e.begin(200, connectProto);
            filesystem::WatchDirResponse started;
            started.mutable_start();
            e.send(envd::frame(envd::bytes(started)));
        });
        Heard first(startPty());
        Heard second(startPty());
        DirWatch *watch = client().watch(QStringLiteral("/x"), true, m_parent.get());
        QSignalSpy watching(watch, &DirWatch::started);
        QSignalSpy watchFailed(watch, &DirWatch::failed);
        QTRY_VERIFY(first.startedPid && second.startedPid && watching.count() == 1);
        QCOMPARE(client().openStreamCount(), 3);
        const int lookUps = int(m_fixture->control.requests().size());
        client().closeStreams();
        QCOMPARE(client().openStreamCount(), 0);
        QCOMPARE(first.error.kind, Kind::Canceled);
        QCOMPARE(second.error.kind, Kind::Canceled);
        QCOMPARE(watchFailed.count(), 1);
        QTRY_COMPARE(data().openConnections(), 0);
        m_fixture->state = "paused";
        Heard third(startPty());
        QTRY_VERIFY(third.over());
        QCOMPARE(third.error.kind, Kind::Conflict);
        QCOMPARE(int(m_fixture->control.requests().size()), lookUps + 1);
    }

    void tenTerminalsLeaveRoomForRequests()
    {
        keepOpen();
        m_fixture->answer("process.Process/List", process::ListResponse());
        std::vector<std::unique_ptr<Heard>> terminals;
        for (int i = 0; i < 10; ++i)
            terminals.push_back(std::make_unique<Heard>(startPty()));
        QTRY_COMPARE(data().count("POST", "/process.Process/Start"), 10);
        QElapsedTimer clock;
        clock.start();
        Outcome<QList<ProcessInfo>> list;
        client().listProcesses(this, list.done());
        QTRY_VERIFY(list.ok());
        for (const auto &terminal : terminals)
            QTRY_COMPARE(terminal->startedPid, 42U);
        client().closeStreams();
    }

    void theEndOfTheClientEndsItsStreams()
    {
        keepOpen();
        Heard heard(startPty());
        QTRY_COMPARE(heard.startedPid, 42U);
        m_fixture->client.reset();
        QVERIFY(!heard.over()); // not from within the destructor
        QTRY_VERIFY(heard.over());
        QCOMPARE(heard.error.kind, Kind::Canceled);
    }

    // --- Commands ---

    void aCommandIsRunAndCollected()
    {
        script(envd::started(1) + envd::out("out") + envd::err("err") + envd::out("put")
               + envd::ended(2) + envd::endOfStream());
        Outcome<EnvdClient::CommandOutput> ran;
        client().run(QStringLiteral("echo 'x'"), 30, 100, this, ran.done());
        QTRY_VERIFY(ran.ok());
        QCOMPARE(ran.value().out, QByteArray("output"));
        QCOMPARE(ran.value().err, QByteArray("err"));
        QCOMPARE(ran.value().end.exitCode, 2);
        QVERIFY(!ran.value().truncated);
        const HttpRequest request = data().last("/process.Process/Start");
        QCOMPARE(request.header("connect-timeout-ms"), QByteArray("30000"));
        const auto message = envd::messageOf<process::StartRequest>(request.body);
        QCOMPARE(message.process().args(2), "echo 'x'");
        QTRY_COMPARE(client().findChildren<ProcessStream *>().size(), 0);
    }

    void outputIsCapped()
    {
        script(envd::started(1) + envd::out("123456") + envd::out("789") + envd::ended(0)
               + envd::endOfStream());
        Outcome<EnvdClient::CommandOutput> ran;
        client().run(QStringLiteral("x"), 0, 7, this, ran.done());
        QTRY_VERIFY(ran.ok());
        QCOMPARE(ran.value().out, QByteArray("1234567"));
        QVERIFY(ran.value().truncated);
        QVERIFY(!data().last("/process.Process/Start").headers.contains("connect-timeout-ms"));
    }

    void anAbortedCommandIsSilent()
    {
        QPointer<HttpExchange> *exchange = keepOpen();
        Outcome<EnvdClient::CommandOutput> ran;
        Call call = client().run(QStringLiteral("x"), 0, 100, this, ran.done());
        QTRY_VERIFY(*exchange);
        QSignalSpy left(exchange->data(), &HttpExchange::peerLeft);
        call.abort();
        QTRY_COMPARE(left.count(), 1);
        QCOMPARE(ran.count(), 0);
    }

    // --- Watching folders ---

    void folderEventsAreTold()
    {
        data().on("POST", "/filesystem.Filesystem/WatchDir", [](HttpExchange &e) {
            e.begin(200, connectProto);
            filesystem::WatchDirResponse response;
            response.mutable_start();
            e.send(envd::frame(envd::bytes(response)));
            response.mutable_keepalive();
            e.send(envd::frame(envd::bytes(response)));
            for (int type = 0; type <= 6; ++type) {
                response.mutable_filesystem()->set_name("sub/a.txt");
                response.mutable_filesystem()->set_type(filesystem::EventType(type));
                e.send(envd::frame(envd::bytes(response)));
            }
            e.send(envd::endOfStream());
            e.end();
        });
        DirWatch *watch = client().watch(QStringLiteral("/x"), true, m_parent.get());
        QSignalSpy changed(watch, &DirWatch::changed);
        QSignalSpy failed(watch, &DirWatch::failed);
        QTRY_COMPARE(failed.count(), 1);
        QCOMPARE(changed.count(), 5); // the unknown ones are left out
        QCOMPARE(changed.at(0).at(0).toString(), QStringLiteral("sub/a.txt"));
        QCOMPARE(changed.at(0).at(1).value<DirWatch::Event>(), DirWatch::Event::Create);
        QCOMPARE(changed.at(4).at(1).value<DirWatch::Event>(), DirWatch::Event::Chmod);
        const auto message = envd::messageOf<filesystem::WatchDirRequest>(
            data().last("/filesystem.Filesystem/WatchDir").body);
        QVERIFY(message.recursive());
    }
};

QTEST_GUILESS_MAIN(StreamTest)
#include "tst_streams.moc"
