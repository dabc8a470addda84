// SPDX-License-Identifier: GPL-3.0-or-later
#include "agentprocess.h"

#include <process.pb.h>

#include <QElapsedTimer>
#include <QTest>

#include <csignal>

#include <sys/stat.h>

using namespace Qt::StringLiterals;

namespace {

QJsonObject selector(int pid)
{
    return {{u"pid"_qs, pid}};
}

QJsonObject startOf(const QString &command, const QStringList &arguments)
{
    return {{u"process"_qs, QJsonObject{{u"cmd"_qs, command},
                                        {u"args"_qs, QJsonArray::fromStringList(arguments)}}},
            {u"stdin"_qs, false}};
}

int pidOf(const QJsonObject &message)
{
    return message[u"event"_qs].toObject()[u"start"_qs].toObject()[u"pid"_qs].toInt();
}

QString errorCode(const QJsonObject &trailer)
{
    return trailer[u"error"_qs].toObject()[u"code"_qs].toString();
}

QString base64(const QByteArray &bytes)
{
    return QString::fromLatin1(bytes.toBase64());
}

/// Reads until the output contains `wanted`.
QByteArray readUntil(StreamCall &stream, const QString &channel, const QByteArray &wanted)
{
    QByteArray seen;
    while (!seen.contains(wanted)) {
        const QJsonObject message = stream.nextEvent();
        if (message.isEmpty() || message.contains(u"$end"_qs))
            return seen;
        const QJsonObject data = message[u"event"_qs].toObject()[u"data"_qs].toObject();
        seen += QByteArray::fromBase64(data[channel].toString().toLatin1());
    }
    return seen;
}

} // namespace

class TestAgentProcess : public QObject {
    Q_OBJECT

private slots:
    void initTestCase() { m_agent = std::make_unique<AgentProcess>(); }
    void cleanupTestCase() { m_agent.reset(); }

    void commandGivesOutputThenExitCode()
    {
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"echo out; echo err >&2; exit 3"_qs));
        QCOMPARE(call.connection().status(), 200);
        QCOMPARE(call.connection().header("content-type"), std::string("application/connect+json"));
        const CommandResult result = collect(call);
        QVERIFY(result.pid > 0);
        QCOMPARE(result.out, "out\n");
        QCOMPARE(result.err, "err\n");
        const QJsonObject wanted{{u"exitCode"_qs, 3},
                                 {u"exited"_qs, true},
                                 {u"status"_qs, u"exit status 3"_qs},
                                 {u"error"_qs, u"exit status 3"_qs}};
        QCOMPARE(result.end, wanted);
        QVERIFY(result.trailer.isEmpty());
    }

    void successLeavesOutDefaults()
    {
        StreamCall call(*m_agent, "process.Process/Start", shell(u"true"_qs));
        const QJsonObject wanted{{u"exited"_qs, true}, {u"status"_qs, u"exit status 0"_qs}};
        QCOMPARE(collect(call).end, wanted);
    }

    void binaryCodecSpeaksTheSameProtocol()
    {
        process::StartRequest request;
        request.mutable_process()->set_cmd("/bin/sh");
        request.mutable_process()->add_args("-c");
        request.mutable_process()->add_args("printf 'a\\0b'");
        request.set_stdin(false);
        HttpConnection connection(m_agent->socket());
        connection.sendRequest("POST", "/process.Process/Start",
                               {{"Content-Type", "application/connect+proto"}},
                               frame(request.SerializeAsString()));
        connection.readHead();
        QCOMPARE(connection.header("content-type"), std::string("application/connect+proto"));
        FrameReader reader(connection);
        std::string out;
        bool ended = false;
        for (auto part = reader.next(); part; part = reader.next()) {
            if (part->flags == 2) {
                QCOMPARE(part->payload, std::string("{}"));
                ended = true;
                continue;
            }
            process::StartResponse response;
            QVERIFY(response.ParseFromString(part->payload));
            out += response.event().data().stdout();
            if (response.event().has_end())
                QVERIFY(response.event().end().exited());
        }
        QVERIFY(ended);
        QCOMPARE(out, std::string("a\0b", 3));
    }

    void environmentIsBuiltFromNothing()
    {
        AgentProcess agent([](auto &config) {
            config.globalEnv = {{"GLOBAL", "g"}, {"BOTH", "global"}};
        });
        QJsonObject request = startOf(u"/usr/bin/env"_qs, {});
        QJsonObject config = request[u"process"_qs].toObject();
        config[u"envs"_qs] = QJsonObject{{u"BOTH"_qs, u"request"_qs}, {u"OWN"_qs, u"a b"_qs}};
        request[u"process"_qs] = config;
        StreamCall call(agent, "process.Process/Start", request);
        QList<QByteArray> lines = collect(call).out.trimmed().split('\n');
        std::sort(lines.begin(), lines.end());
        const QByteArray home = QByteArray::fromStdString(agent.home());
        const QList<QByteArray> wanted{
            "BOTH=request",
            "E2B_SANDBOX=true",
            "E2B_SANDBOX_ID=isandbox1",
            "E2B_TEMPLATE_ID=base",
            "GLOBAL=g",
            "HOME=" + home,
            "LOGNAME=user",
            "MORU_SANDBOX=true",
            "MORU_SANDBOX_ID=isandbox1",
            "MORU_TEMPLATE_ID=base",
            "OWN=a b",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "USER=user",
        };
        QCOMPARE(lines, wanted);
    }

    void workdirIsHomeUnlessGiven()
    {
        StreamCall plain(*m_agent, "process.Process/Start", shell(u"pwd"_qs));
        QCOMPARE(collect(plain).out.trimmed(), QByteArray::fromStdString(m_agent->home()));
        QJsonObject request = shell(u"pwd"_qs);
        QJsonObject config = request[u"process"_qs].toObject();
        config[u"cwd"_qs] = u"/usr"_qs;
        request[u"process"_qs] = config;
        StreamCall inside(*m_agent, "process.Process/Start", request);
        QCOMPARE(collect(inside).out, "/usr\n");
        config[u"cwd"_qs] = u"/does/not/exist"_qs;
        request[u"process"_qs] = config;
        StreamCall missing(*m_agent, "process.Process/Start", request);
        const QJsonObject error = collect(missing).trailer[u"error"_qs].toObject();
        QCOMPARE(error[u"code"_qs].toString(), u"invalid_argument"_qs);
        QVERIFY(error[u"message"_qs].toString().contains(u"does not exist"_qs));
    }

    void commandThatCannotRunIsAnInvalidArgument_data()
    {
        QTest::addColumn<QString>("command");
        QTest::newRow("not in PATH") << u"no-such-program"_qs;
        QTest::newRow("missing file") << u"/no/such/program"_qs;
        QTest::newRow("not executable") << u"/etc/passwd"_qs;
        QTest::newRow("a folder") << u"/usr"_qs;
        QTest::newRow("empty") << QString();
    }
    void commandThatCannotRunIsAnInvalidArgument()
    {
        QFETCH(QString, command);
        StreamCall call(*m_agent, "process.Process/Start", startOf(command, {}));
        QCOMPARE(call.connection().status(), 200);
        const CommandResult result = collect(call);
        QCOMPARE(errorCode(result.trailer), u"invalid_argument"_qs);
        QVERIFY(result.trailer[u"error"_qs].toObject()[u"message"_qs].toString().contains(
            u"error starting process"_qs));
        QCOMPARE(result.pid, 0);
    }

    void programsAreFoundInTheFixedPath()
    {
        StreamCall call(*m_agent, "process.Process/Start", startOf(u"echo"_qs, {u"found"_qs}));
        QCOMPARE(collect(call).out, "found\n");
    }

    void killedProcessSaysSo()
    {
        StreamCall call(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs));
        const int pid = pidOf(call.nextEvent());
        QCOMPARE(m_agent->callError(
                     "process.Process/SendSignal",
                     {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}}),
                 QString());
        const QJsonObject wanted{{u"exitCode"_qs, -1},
                                 {u"status"_qs, u"signal: killed"_qs},
                                 {u"error"_qs, u"signal: killed"_qs}};
        QCOMPARE(collect(call).end, wanted);
        QCOMPARE(m_agent->callError(
                     "process.Process/SendSignal",
                     {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}}),
                 u"not_found"_qs);
    }

    void signalsByNumberAndOthersRefused()
    {
        StreamCall call(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs));
        const int pid = pidOf(call.nextEvent());
        QCOMPARE(m_agent->callError("process.Process/SendSignal", {{u"process"_qs, selector(pid)}}),
                 u"unimplemented"_qs);
        QCOMPARE(m_agent->callError("process.Process/SendSignal",
                                    {{u"process"_qs, selector(pid)}, {u"signal"_qs, 15}}),
                 QString());
        QCOMPARE(collect(call).end[u"status"_qs].toString(), u"signal: terminated"_qs);
    }

    void killDoesNotWaitForDescendants()
    {
        // The background sleep holds the output open; after the kill nobody waits for it.
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"sleep 1000 & echo $!; wait; exit 0"_qs));
        const int pid = pidOf(call.nextEvent());
        const int child = readUntil(call, u"stdout"_qs, "\n").trimmed().toInt();
        QVERIFY(child > 0);
        m_agent->call("process.Process/SendSignal",
                      {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        QCOMPARE(collect(call).end[u"status"_qs].toString(), u"signal: killed"_qs);
        QCOMPARE(::kill(child, 0), 0); // only the direct child was hit
        ::kill(child, SIGKILL);
    }

    void endComesAfterInheritedOutputIsClosed()
    {
        // The background part waits for us, holding the output open.
        const std::string gate = m_agent->home() + "/gate";
        QCOMPARE(::mkfifo(gate.c_str(), 0600), 0);
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"(read line < gate; echo $line) & exit 7"_qs));
        const int pid = pidOf(call.nextEvent());
        QTRY_COMPARE(::kill(pid, 0), -1); // ended and reaped
        const QByteArray listed = QJsonDocument(m_agent->call("process.Process/List", {})).toJson();
        QVERIFY(listed.contains("\"pid\": " + QByteArray::number(pid)));
        QCOMPARE(m_agent->callError(
                     "process.Process/SendSignal",
                     {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}}),
                 u"internal"_qs);
        QFile writer(QString::fromStdString(gate));
        QVERIFY(writer.open(QIODevice::WriteOnly));
        writer.write("late\n");
        writer.close();
        const CommandResult result = collect(call);
        QCOMPARE(result.out, "late\n");
        QCOMPARE(result.end[u"exitCode"_qs].toInt(), 7);
    }

    void deadlineKillsAndEndsTheStream()
    {
        QElapsedTimer timer;
        timer.start();
        StreamCall call(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs),
                        {{"Connect-Timeout-Ms", "300.5"}});
        const int pid = pidOf(call.nextEvent());
        StreamCall other(*m_agent, "process.Process/Connect", {{u"process"_qs, selector(pid)}});
        const CommandResult result = collect(call);
        QVERIFY(timer.elapsed() >= 290);
        QCOMPARE(errorCode(result.trailer), u"deadline_exceeded"_qs);
        QVERIFY(result.end.isEmpty());
        QCOMPARE(collect(other).end[u"error"_qs].toString(), u"signal: killed"_qs);
    }

    void deadlineKillsAlsoWhenTheClientHasLeft()
    {
        int pid = 0;
        {
            StreamCall call(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs),
                            {{"Connect-Timeout-Ms", "500"}});
            pid = pidOf(call.nextEvent());
        }
        QVERIFY(pid > 0);
        QCOMPARE(::kill(pid, 0), 0);
        QTRY_COMPARE(::kill(pid, 0), -1);
    }

    void badDeadlineIsRefused()
    {
        StreamCall call(*m_agent, "process.Process/Start", shell(u"true"_qs),
                        {{"Connect-Timeout-Ms", "soon"}});
        QCOMPARE(errorCode(collect(call).trailer), u"invalid_argument"_qs);
        StreamCall huge(*m_agent, "process.Process/Start", shell(u"true"_qs),
                        {{"Connect-Timeout-Ms", "12345678901"}});
        QCOMPARE(errorCode(collect(huge).trailer), u"invalid_argument"_qs);
        StreamCall unlimited(*m_agent, "process.Process/Start", shell(u"true"_qs),
                             {{"Connect-Timeout-Ms", "0"}});
        QVERIFY(collect(unlimited).end[u"exited"_qs].toBool());
    }

    void processOutlivesItsClientAndCanBeFoundAgain()
    {
        int pid = 0;
        {
            QJsonObject request = shell(u"exec cat"_qs);
            request[u"stdin"_qs] = true;
            request[u"tag"_qs] = u"mine"_qs;
            StreamCall call(*m_agent, "process.Process/Start", request);
            pid = pidOf(call.nextEvent());
        }
        StreamCall other(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs));
        const int otherPid = pidOf(other.nextEvent());
        StreamCall again(*m_agent, "process.Process/Connect",
                         {{u"process"_qs, QJsonObject{{u"tag"_qs, u"mine"_qs}}}});
        QCOMPARE(pidOf(again.nextEvent()), pid);
        StreamCall twice(*m_agent, "process.Process/Connect", {{u"process"_qs, selector(pid)}});
        QCOMPARE(pidOf(twice.nextEvent()), pid);
        m_agent->call("process.Process/SendInput",
                      {{u"process"_qs, selector(pid)},
                       {u"input"_qs, QJsonObject{{u"stdin"_qs, base64("to both\n")}}}});
        QCOMPARE(readUntil(again, u"stdout"_qs, "\n"), "to both\n");
        QCOMPARE(readUntil(twice, u"stdout"_qs, "\n"), "to both\n");
        for (const int target : {pid, otherPid})
            m_agent->call("process.Process/SendSignal", {{u"process"_qs, selector(target)},
                                                         {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        QCOMPARE(collect(again).end[u"exitCode"_qs].toInt(), -1);
        QCOMPARE(collect(twice).end[u"exitCode"_qs].toInt(), -1);
        collect(other);
    }

    void listShowsWhatWasAskedFor()
    {
        QJsonObject request = shell(u"exec sleep 1000"_qs);
        QJsonObject config = request[u"process"_qs].toObject();
        config[u"envs"_qs] = QJsonObject{{u"A"_qs, u"1"_qs}};
        config[u"cwd"_qs] = u"~"_qs;
        request[u"process"_qs] = config;
        request[u"tag"_qs] = u"a tag"_qs;
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        QJsonObject found;
        for (const QJsonValue &value :
             m_agent->call("process.Process/List", {})[u"processes"_qs].toArray())
            if (value.toObject()[u"pid"_qs].toInt() == pid)
                found = value.toObject();
        const QJsonObject wanted{
            {u"config"_qs, config}, {u"pid"_qs, pid}, {u"tag"_qs, u"a tag"_qs}};
        QCOMPARE(found, wanted);
        m_agent->call("process.Process/SendSignal",
                      {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        collect(call);
        QVERIFY(
            !QJsonDocument(m_agent->call("process.Process/List", {})).toJson().contains("a tag"));
    }

    void connectErrors()
    {
        StreamCall missing(*m_agent, "process.Process/Connect",
                           {{u"process"_qs, selector(999999)}});
        QCOMPARE(errorCode(collect(missing).trailer), u"not_found"_qs);
        StreamCall none(*m_agent, "process.Process/Connect", {});
        QCOMPARE(errorCode(collect(none).trailer), u"unimplemented"_qs);
    }

    void outputEventsAreLimitedInSize()
    {
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"head -c 1000000 /dev/zero; head -c 100000 /dev/zero >&2"_qs));
        qsizetype out = 0;
        qsizetype err = 0;
        for (;;) {
            const QJsonObject message = call.nextEvent();
            if (message.isEmpty())
                break;
            const QJsonObject data = message[u"event"_qs].toObject()[u"data"_qs].toObject();
            const auto size = [&](const QString &name) {
                return QByteArray::fromBase64(data[name].toString().toLatin1()).size();
            };
            QVERIFY(size(u"stdout"_qs) <= 32 * 1024);
            QVERIFY(size(u"stderr"_qs) <= 32 * 1024);
            out += size(u"stdout"_qs);
            err += size(u"stderr"_qs);
        }
        QCOMPARE(out, 1000000);
        QCOMPARE(err, 100000);
    }

    void charactersAreNotSplitBetweenEvents()
    {
        // Three-byte characters, so that every cut of 32 KiB falls into one.
        StreamCall call(
            *m_agent, "process.Process/Start",
            shell(u"i=0; while [ $i -lt 30000 ]; do printf '\\342\\202\\254'; i=$((i+1)); "
                  "done; printf '\\342\\202'; sleep 0.2; printf '\\254'"_qs));
        QByteArray all;
        int broken = 0;
        for (;;) {
            const QJsonObject message = call.nextEvent();
            if (message.isEmpty())
                break;
            const QJsonObject data = message[u"event"_qs].toObject()[u"data"_qs].toObject();
            const QByteArray bytes =
                QByteArray::fromBase64(data[u"stdout"_qs].toString().toLatin1());
            all += bytes;
            if (QString::fromUtf8(bytes).contains(QChar::ReplacementCharacter))
                ++broken;
        }
        QCOMPARE(all, QByteArray("\342\202\254").repeated(30001));
        // Only the one that was split by time itself (two pieces) may be.
        QVERIFY2(broken <= 2, qPrintable(QString::number(broken)));
    }

    void inputReachesTheProcess()
    {
        QJsonObject request =
            shell(u"read line; echo \"got $line\"; read other; echo \"and $other\""_qs);
        request.remove(u"stdin"_qs); // absent means a pipe
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        QCOMPARE(m_agent->callError("process.Process/SendInput",
                                    {{u"process"_qs, selector(pid)},
                                     {u"input"_qs, QJsonObject{{u"stdin"_qs, base64("one\n")}}}}),
                 QString());
        QCOMPARE(readUntil(call, u"stdout"_qs, "\n"), "got one\n");

        // The second line by StreamInput, in two frames, without padding and in the URL-safe
        // alphabet.
        HttpConnection connection(m_agent->socket());
        const std::string selectorText = "{\"pid\":" + std::to_string(pid) + "}";
        const std::string body = frame("{\"start\":{\"process\":" + selectorText + "}}")
                                 + frame("{\"keepalive\":{}}")
                                 + frame(R"({"data":{"input":{"stdin":"dA"}}})")
                                 + frame(R"({"data":{"input":{"stdin":"d28_Cg"}}})");
        connection.sendRequest("POST", "/process.Process/StreamInput",
                               {{"Content-Type", "application/connect+json"}}, body);
        connection.readHead();
        FrameReader reader(connection);
        QCOMPARE(reader.next()->payload, std::string("{}"));
        const auto last = reader.next();
        QCOMPARE(last->flags, 2);
        QCOMPARE(last->payload, std::string("{}"));
        const CommandResult result = collect(call);
        QCOMPARE(result.out, "and two?\n");
    }

    void inputErrors()
    {
        StreamCall without(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs));
        const int pid = pidOf(without.nextEvent());
        const auto send = [&](const QJsonObject &input, int target) {
            return m_agent->callError("process.Process/SendInput",
                                      {{u"process"_qs, selector(target)}, {u"input"_qs, input}});
        };
        QCOMPARE(send({{u"stdin"_qs, u"YQ=="_qs}}, pid), u"internal"_qs);
        QCOMPARE(send({{u"pty"_qs, u"YQ=="_qs}}, pid), u"internal"_qs);
        QCOMPARE(send({}, pid), u"unimplemented"_qs);
        QCOMPARE(send({{u"stdin"_qs, u"YQ=="_qs}}, 999999), u"not_found"_qs);
        QCOMPARE(m_agent->callError(
                     "process.Process/Update",
                     {{u"process"_qs, selector(pid)},
                      {u"pty"_qs,
                       QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 1}, {u"rows"_qs, 1}}}}}}),
                 u"internal"_qs);
        QCOMPARE(m_agent->callError("process.Process/Update", {{u"process"_qs, selector(pid)}}),
                 QString());
        m_agent->call("process.Process/SendSignal",
                      {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        collect(without);
    }

    void largeInputWaitsForTheReader()
    {
        // Its input has no end, so it counts a given number of bytes.
        QJsonObject request = shell(u"sleep 0.3; head -c 3000000 | wc -c"_qs);
        request[u"stdin"_qs] = true;
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        QCOMPARE(m_agent->callError(
                     "process.Process/SendInput",
                     {{u"process"_qs, selector(pid)},
                      {u"input"_qs, QJsonObject{{u"stdin"_qs, base64(QByteArray(3000000, 'x'))}}}}),
                 QString());
        QCOMPARE(collect(call).out.trimmed(), "3000000");
    }

    void inputToAProcessThatDoesNotReadEndsAtItsDeadline()
    {
        QJsonObject request = shell(u"exec sleep 1000"_qs);
        request[u"stdin"_qs] = true;
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        int status = 0;
        const QJsonObject reply = m_agent->call(
            "process.Process/SendInput",
            {{u"process"_qs, selector(pid)},
             {u"input"_qs, QJsonObject{{u"stdin"_qs, base64(QByteArray(1000000, 'x'))}}}},
            &status, {{"Connect-Timeout-Ms", "200"}});
        QCOMPARE(status, 504);
        QCOMPARE(reply[u"code"_qs].toString(), u"deadline_exceeded"_qs);
        m_agent->call("process.Process/SendSignal",
                      {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        collect(call);
    }

    void terminalHasASizeAndTakesInput()
    {
        QJsonObject request = shell(u"stty size; tty; read line; echo \"<$line>\"; stty size"_qs);
        request.remove(u"stdin"_qs);
        request[u"pty"_qs] =
            QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 81}, {u"rows"_qs, 25}}}};
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        const QByteArray first = readUntil(call, u"pty"_qs, "/dev/pts/");
        QVERIFY2(first.startsWith("25 81\r\n"), first.constData());
        QCOMPARE(m_agent->callError(
                     "process.Process/Update",
                     {{u"process"_qs, selector(pid)},
                      {u"pty"_qs, QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 120},
                                                                       {u"rows"_qs, 40}}}}}}),
                 QString());
        QCOMPARE(m_agent->callError("process.Process/SendInput",
                                    {{u"process"_qs, selector(pid)},
                                     {u"input"_qs, QJsonObject{{u"stdin"_qs, base64("x")}}}}),
                 u"internal"_qs);
        QCOMPARE(m_agent->callError("process.Process/SendInput",
                                    {{u"process"_qs, selector(pid)},
                                     {u"input"_qs, QJsonObject{{u"pty"_qs, base64("hello\n")}}}}),
                 QString());
        const CommandResult result = collect(call);
        QVERIFY2(result.pty.contains("<hello>\r\n40 120\r\n"), result.pty.constData());
        QVERIFY(result.out.isEmpty());
        QVERIFY(result.end[u"exited"_qs].toBool());
    }

    void resizeIsSignalled()
    {
        QJsonObject request =
            shell(u"trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"_qs);
        request[u"pty"_qs] =
            QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 80}, {u"rows"_qs, 24}}}};
        StreamCall call(*m_agent, "process.Process/Start", request);
        const int pid = pidOf(call.nextEvent());
        readUntil(call, u"pty"_qs, "ready");
        m_agent->call("process.Process/Update",
                      {{u"process"_qs, selector(pid)},
                       {u"pty"_qs, QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 50},
                                                                        {u"rows"_qs, 10}}}}}});
        QVERIFY(collect(call).pty.contains("10 50"));
    }

    void terminalEventsAreLimitedInSize()
    {
        QJsonObject request = shell(u"head -c 200000 /dev/zero"_qs);
        request[u"pty"_qs] =
            QJsonObject{{u"size"_qs, QJsonObject{{u"cols"_qs, 80}, {u"rows"_qs, 24}}}};
        StreamCall call(*m_agent, "process.Process/Start", request);
        qsizetype all = 0;
        for (;;) {
            const QJsonObject message = call.nextEvent();
            if (message.isEmpty())
                break;
            const QJsonObject data = message[u"event"_qs].toObject()[u"data"_qs].toObject();
            const auto size = QByteArray::fromBase64(data[u"pty"_qs].toString().toLatin1()).size();
            QVERIFY(size <= 16 * 1024);
            all += size;
        }
        QCOMPARE(all, 200000);
    }

    void keepalivesFillTheSilence()
    {
        StreamCall call(*m_agent, "process.Process/Start", shell(u"exec sleep 1000"_qs),
                        {{"Keepalive-Ping-Interval", "1"}});
        const int pid = pidOf(call.next());
        const QJsonObject wanted{{u"event"_qs, QJsonObject{{u"keepalive"_qs, QJsonObject()}}}};
        QCOMPARE(call.next(), wanted);
        QCOMPARE(call.next(), wanted);
        m_agent->call("process.Process/SendSignal",
                      {{u"process"_qs, selector(pid)}, {u"signal"_qs, u"SIGNAL_SIGKILL"_qs}});
        collect(call);
    }

    void slowReaderHoldsTheProcessNotTheMemory()
    {
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"exec head -c 60000000 /dev/zero"_qs));
        const int pid = pidOf(call.nextEvent());
        // Others are served meanwhile, and the writer is stuck.
        StreamCall quick(*m_agent, "process.Process/Start", shell(u"echo here"_qs));
        QCOMPARE(collect(quick).out, "here\n");
        QCOMPARE(::kill(pid, 0), 0);
        QFile status(QStringLiteral("/proc/%1/status").arg(m_agent->pid()));
        QVERIFY(status.open(QIODevice::ReadOnly));
        const QByteArray text = status.readAll();
        const QByteArray line = text.mid(text.indexOf("VmRSS:") + 6).trimmed();
        const int kib = line.left(line.indexOf(' ')).toInt();
        QVERIFY2(kib > 0 && kib < 200 * 1024, line.left(20).constData());
        QCOMPARE(collect(call).out.size(), 60000000);
    }

    void orphansAreReaped()
    {
        StreamCall call(*m_agent, "process.Process/Start",
                        shell(u"(sleep 0.1 >/dev/null 2>&1 & echo $!)"_qs));
        const int orphan = collect(call).out.trimmed().toInt();
        QVERIFY(orphan > 0);
        // A zombie would still take signals.
        QTRY_COMPARE(::kill(orphan, 0), -1);
    }

    void requestsAreReadLeniently()
    {
        // snake_case, unknown members, null, several lines.
        HttpConnection connection(m_agent->socket());
        const std::string body =
            frame("{\n \"process\": {\"cmd\": \"/bin/echo\", \"args\": [\"\xc3\xa9\"],\n"
                  "  \"envs\": null, \"unknown\": [1]},\n \"stdin\": false\n}\n");
        connection.sendRequest("POST", "/process.Process/Start",
                               {{"Content-Type", "application/connect+json; charset=utf-8"}}, body);
        connection.readHead();
        const std::string text = connection.readBody();
        QVERIFY(text.find("w6kK") != std::string::npos);
    }

    void malformedStreamsEndWithAnError_data()
    {
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<QString>("code");
        const auto bytes = [](const std::string &text) { return QByteArray::fromStdString(text); };
        QTest::newRow("empty") << QByteArray() << u"invalid_argument"_qs;
        QTest::newRow("half a head") << QByteArray("\0\0", 2) << u"invalid_argument"_qs;
        QTest::newRow("short payload") << QByteArray("\0\0\0\0\x09{}", 7) << u"invalid_argument"_qs;
        QTest::newRow("huge length")
            << QByteArray("\0\xff\xff\xff\xff{}", 7) << u"invalid_argument"_qs;
        QTest::newRow("no JSON") << bytes(frame("{\"process\":")) << u"invalid_argument"_qs;
        QTest::newRow("wrong type") << bytes(frame("{\"process\":3}")) << u"invalid_argument"_qs;
        QTest::newRow("no UTF-8") << bytes(frame("{\"tag\":\"\xff\"}")) << u"invalid_argument"_qs;
        QTest::newRow("two") << bytes(frame("{}") + frame("{}")) << u"unimplemented"_qs;
        QTest::newRow("compressed") << bytes(frame("{}", 1)) << u"internal"_qs;
    }
    void malformedStreamsEndWithAnError()
    {
        QFETCH(QByteArray, body);
        QFETCH(QString, code);
        HttpConnection connection(m_agent->socket());
        connection.sendRequest("POST", "/process.Process/Start",
                               {{"Content-Type", "application/connect+json"}}, body.toStdString());
        connection.readHead();
        QCOMPARE(connection.status(), 200);
        FrameReader reader(connection);
        const auto part = reader.next();
        QVERIFY(part.has_value());
        QCOMPARE(part->flags, 2);
        QCOMPARE(
            errorCode(QJsonDocument::fromJson(QByteArray::fromStdString(part->payload)).object()),
            code);
        QVERIFY(!reader.next());
    }

private:
    std::unique_ptr<AgentProcess> m_agent;
};

int main(int argc, char **argv)
{
    return agentTestMain(argc, argv, [] { return std::make_unique<TestAgentProcess>(); });
}

#include "tst_agent_process.moc"
