// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/process.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/text.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>
#include <system_error>

#include <sys/signalfd.h>
#include <sys/wait.h>

namespace moru::engine {

namespace {

constexpr std::size_t PipeMessage = 32 * 1024;
constexpr std::size_t TerminalMessage = 16 * 1024;
constexpr std::size_t QueueLimit = 64;
/// How long the first bytes of a character wait for the others.
constexpr std::chrono::milliseconds TailPatience{25};

/// Names as Go's syscall package prints them: clients compare "signal: killed".
std::string signalName(int number)
{
    static constexpr std::array<const char *, 32> names{"",
                                                        "hangup",
                                                        "interrupt",
                                                        "quit",
                                                        "illegal instruction",
                                                        "trace/breakpoint trap",
                                                        "aborted",
                                                        "bus error",
                                                        "floating point exception",
                                                        "killed",
                                                        "user defined signal 1",
                                                        "segmentation fault",
                                                        "user defined signal 2",
                                                        "broken pipe",
                                                        "alarm clock",
                                                        "terminated",
                                                        "stack fault",
                                                        "child exited",
                                                        "continued",
                                                        "stopped (signal)",
                                                        "stopped",
                                                        "stopped (tty input)",
                                                        "stopped (tty output)",
                                                        "urgent I/O condition",
                                                        "CPU time limit exceeded",
                                                        "file size limit exceeded",
                                                        "virtual timer expired",
                                                        "profiling timer expired",
                                                        "window changed",
                                                        "I/O possible",
                                                        "power failure",
                                                        "bad system call"};
    if (number > 0 && static_cast<std::size_t>(number) < names.size())
        return names.at(static_cast<std::size_t>(number));
    return "signal " + std::to_string(number);
}

process::ProcessEvent::EndEvent endEvent(int status)
{
    process::ProcessEvent::EndEvent end;
    std::string text;
    if (WIFEXITED(status)) {
        end.set_exited(true);
        end.set_exit_code(WEXITSTATUS(status));
        text = "exit status " + std::to_string(WEXITSTATUS(status));
    } else {
        end.set_exit_code(-1);
        text = "signal: " + signalName(WTERMSIG(status));
        if (WCOREDUMP(status))
            text += " (core dumped)";
    }
    end.set_status(text);
    if (!end.exited() || end.exit_code() != 0)
        end.set_error(text);
    return end;
}

/// Bytes at the end that begin a UTF-8 character without completing it (0 to 3).
std::size_t incompleteTail(std::string_view bytes)
{
    const std::size_t look = std::min<std::size_t>(3, bytes.size());
    for (std::size_t back = 1; back <= look; ++back) {
        const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
        if (byte >= 0x80 && byte < 0xC0)
            continue; // a continuation byte: its leader is further in front
        const std::size_t whole = byte >= 0xF0 && byte <= 0xF4  ? 4
                                  : byte >= 0xE0 && byte < 0xF0 ? 3
                                  : byte >= 0xC2 && byte < 0xE0 ? 2
                                                                : 1;
        return whole > back ? back : 0;
    }
    return 0;
}

void setSize(winsize &size, const process::PTY::Size &wanted)
{
    const auto limited = [](std::uint32_t value) {
        return static_cast<unsigned short>(
            std::min<std::uint32_t>(value, std::numeric_limits<unsigned short>::max()));
    };
    size.ws_col = limited(wanted.cols());
    size.ws_row = limited(wanted.rows());
}

int openChildSignal()
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &child, nullptr);
    const int fd = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "signalfd");
    return fd;
}

} // namespace

ProcessMessage::ProcessMessage(const process::ProcessEvent::EndEvent &end)
    : m_kind(Kind::End)
    , m_end(end)
{}

const std::string &ProcessMessage::encoded(Codec codec) const
{
    std::string &out = codec == Codec::Json ? m_json : m_proto;
    if (!out.empty())
        return out;
    if (codec == Codec::Json && m_kind != Kind::End) {
        // What the library would write, at a hundredth of its price.
        const char *name = m_kind == Kind::Stdout   ? "stdout"
                           : m_kind == Kind::Stderr ? "stderr"
                                                    : "pty";
        out = std::string(R"({"event":{"data":{")") + name + R"(":")" + base64(m_bytes) + R"("}}})";
        return out;
    }
    process::StartResponse response;
    auto *event = response.mutable_event();
    switch (m_kind) {
    case Kind::Stdout:
        event->mutable_data()->set_stdout(m_bytes);
        break;
    case Kind::Stderr:
        event->mutable_data()->set_stderr(m_bytes);
        break;
    case Kind::Pty:
        event->mutable_data()->set_pty(m_bytes);
        break;
    case Kind::End:
        *event->mutable_end() = m_end;
        break;
    }
    out = encode(codec, response);
    return out;
}

Process::Output::Output(const asio::any_io_executor &executor, FileDescriptor fd,
                        ProcessMessage::Kind outputKind, std::size_t most)
    : descriptor(executor, fd.release())
    , kind(outputKind)
    , limit(most)
    , flush(executor)
{}

Process::Process(ProcessTable &table, Spawned spawned, const process::StartRequest &request)
    : m_table(table)
    , m_pid(spawned.pid)
    , m_hasTerminal(request.has_pty())
    , m_config(request.process())
    , m_room(table.executor(), Clock::time_point::max())
    , m_inputFree(table.executor(), Clock::time_point::max())
    , m_deadline(table.executor())
{
    if (request.has_tag())
        m_tag = request.tag();
    const auto executor = table.executor();
    if (spawned.input.isValid())
        m_input.emplace(executor, spawned.input.release());
    const auto kind = m_hasTerminal ? ProcessMessage::Kind::Pty : ProcessMessage::Kind::Stdout;
    m_outputs.push_back(std::make_shared<Output>(executor, std::move(spawned.output), kind,
                                                 m_hasTerminal ? TerminalMessage : PipeMessage));
    if (spawned.errors.isValid())
        m_outputs.push_back(std::make_shared<Output>(executor, std::move(spawned.errors),
                                                     ProcessMessage::Kind::Stderr, PipeMessage));
}

void Process::describe(process::ProcessInfo &info) const
{
    *info.mutable_config() = m_config;
    info.set_pid(static_cast<std::uint32_t>(m_pid));
    if (m_tag)
        info.set_tag(*m_tag);
}

std::shared_ptr<Subscriber> Process::subscribe()
{
    auto subscriber = std::make_shared<Subscriber>(m_table.executor());
    m_subscribers.push_back(subscriber);
    return subscriber;
}

void Process::unsubscribe(const std::shared_ptr<Subscriber> &subscriber)
{
    std::erase(m_subscribers, subscriber);
    m_room.cancel();
}

bool Process::anySubscriberFull() const
{
    return std::any_of(m_subscribers.begin(), m_subscribers.end(), [](const auto &subscriber) {
        return subscriber->queue.size() >= QueueLimit;
    });
}

void Process::publish(std::shared_ptr<const ProcessMessage> message)
{
    for (const auto &subscriber : m_subscribers) {
        subscriber->queue.push_back(message);
        subscriber->wake.cancel();
    }
}

void Process::startReading()
{
    m_reading = true;
    const auto outputs = m_outputs;
    for (const auto &output : outputs) {
        auto reader = read(shared_from_this(), output);
        asio::co_spawn(m_table.executor(), std::move(reader), asio::detached);
    }
    endIfOver();
}

void Process::holdBackIncompleteTail(Output &output, std::string &bytes)
{
    const std::size_t tail = incompleteTail(bytes);
    output.held = bytes.substr(bytes.size() - tail);
    bytes.resize(bytes.size() - tail);
    if (tail == 0)
        return;
    output.flushDue = false;
    output.flush.expires_after(TailPatience);
    output.flush.async_wait([weak = output.weak_from_this()](const boost::system::error_code &ec) {
        const auto self = weak.lock();
        if (ec || !self || !self->descriptor.is_open())
            return;
        self->flushDue = true;
        boost::system::error_code ignored;
        self->descriptor.cancel(ignored);
    });
}

bool Process::readOnce(Output &output, bool &any)
{
    // One scratch buffer for all: reading happens in the event loop only.
    static std::array<char, PipeMessage> scratch;
    any = false;
    const std::size_t room = output.limit - output.held.size();
    ssize_t n = 0;
    do {
        n = ::read(output.descriptor.native_handle(), scratch.data(), room);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0) // a PTY whose last user has gone answers EIO
        return false;
    any = true;
    output.flush.cancel();
    std::string bytes = std::move(output.held);
    bytes.append(scratch.data(), static_cast<std::size_t>(n));
    output.held.clear();
    holdBackIncompleteTail(output, bytes);
    if (!bytes.empty())
        publish(std::make_shared<ProcessMessage>(output.kind, std::move(bytes)));
    return true;
}

asio::awaitable<void> Process::read(std::shared_ptr<Process> self, std::shared_ptr<Output> output)
{
    for (;;) {
        while (self->anySubscriberFull() && output->descriptor.is_open())
            co_await self->m_room.async_wait(asTuple);
        if (!output->descriptor.is_open())
            co_return;
        const auto [ec] = co_await output->descriptor.async_wait(
            asio::posix::stream_descriptor::wait_read, asTuple);
        if (!output->descriptor.is_open())
            co_return;
        if (output->flushDue) {
            output->flushDue = false;
            std::string late = std::move(output->held);
            output->held.clear();
            if (!late.empty())
                self->publish(std::make_shared<ProcessMessage>(output->kind, std::move(late)));
        }
        if (ec)
            continue;
        bool any = false;
        if (!self->readOnce(*output, any)) {
            self->closeOutput(output);
            co_return;
        }
    }
}

void Process::closeOutput(const std::shared_ptr<Output> &output)
{
    output->flush.cancel();
    if (!output->held.empty())
        publish(std::make_shared<ProcessMessage>(output->kind, std::move(output->held)));
    boost::system::error_code ignored;
    output->descriptor.close(ignored);
    std::erase(m_outputs, output);
    endIfOver();
}

void Process::drainNow()
{
    const auto outputs = m_outputs;
    for (const auto &output : outputs) {
        // A descendant may write faster than we read: what fits in a pipe is enough.
        std::size_t rounds = 64;
        bool any = true;
        while (any && rounds-- > 0 && readOnce(*output, any)) {
        }
        closeOutput(output);
    }
    m_room.cancel();
}

void Process::reaped(int status)
{
    m_status = status;
    if (m_signalled && m_reading)
        drainNow();
    endIfOver();
}

void Process::endIfOver()
{
    if (!m_status || !m_reading || !m_outputs.empty() || m_ended)
        return;
    m_ended = true;
    m_deadline.cancel();
    if (m_input) {
        boost::system::error_code ignored;
        m_input->close(ignored);
    }
    m_inputFree.cancel();
    publish(std::make_shared<ProcessMessage>(endEvent(*m_status)));
    // May destroy us; the callers keep a reference.
    const auto self = shared_from_this();
    m_table.remove(*this);
}

void Process::signal(int number)
{
    if (m_status)
        throw RpcError(RpcCode::Internal, "process has already finished");
    // Not reaped yet, so the pid is still its own.
    if (::kill(m_pid, number) != 0)
        throw RpcError(RpcCode::Internal,
                       "error sending signal: " + std::generic_category().message(errno));
    m_signalled = true;
}

void Process::killAt(Clock::time_point deadline)
{
    m_deadline.expires_at(deadline);
    m_deadline.async_wait([weak = weak_from_this()](const boost::system::error_code &ec) {
        const auto self = weak.lock();
        if (ec || !self || self->m_ended)
            return;
        self->m_signalled = true;
        if (!self->m_status)
            ::kill(self->m_pid, SIGKILL);
        else if (self->m_reading)
            self->drainNow(); // only descendants hold the output open
    });
}

void Process::resize(const process::PTY::Size &size)
{
    if (!m_hasTerminal || !m_input || !m_input->is_open())
        throw RpcError(RpcCode::Internal, "tty not assigned to process");
    winsize terminal{};
    setSize(terminal, size);
    if (::ioctl(m_input->native_handle(), TIOCSWINSZ, &terminal) != 0)
        throw RpcError(RpcCode::Internal,
                       "error resizing terminal: " + std::generic_category().message(errno));
}

asio::awaitable<void> Process::write(std::string bytes, bool terminal, Exchange &exchange,
                                     std::optional<Clock::time_point> deadline)
{
    if (terminal && !m_hasTerminal)
        throw RpcError(RpcCode::Internal, "tty not assigned to process");
    if (!terminal && m_hasTerminal)
        throw RpcError(RpcCode::Internal, "tty assigned to process, input must go to it");
    if (!m_input)
        throw RpcError(RpcCode::Internal, "stdin not enabled or closed");

    struct Waiting {
        explicit Waiting(const asio::any_io_executor &executor)
            : wake(executor)
        {}
        asio::steady_timer wake;
        bool left = false;
        bool ready = false;
    };
    const auto self = shared_from_this();
    const auto waiting = std::make_shared<Waiting>(m_table.executor());
    const auto expiry = deadline.value_or(Clock::time_point::max());
    // One writer at a time, else two large inputs would mix.
    while (m_writing && Clock::now() < expiry) {
        m_inputFree.expires_at(expiry);
        co_await m_inputFree.async_wait(asTuple);
    }
    if (m_writing)
        throw RpcError(RpcCode::DeadlineExceeded, "context deadline exceeded");
    m_writing = true;
    struct Release {
        Process *process;
        ~Release()
        {
            process->m_writing = false;
            process->m_inputFree.cancel();
        }
    };
    const Release release{this};

    std::optional<PeerWatch> watch;
    const auto onLeft = [waiting] {
        waiting->left = true;
        waiting->wake.cancel();
    };
    std::string_view rest = bytes;
    while (!rest.empty()) {
        if (!m_input->is_open())
            throw RpcError(RpcCode::Internal, "error writing input: process has ended");
        const ssize_t n = ::write(m_input->native_handle(), rest.data(), rest.size());
        if (n >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            throw RpcError(RpcCode::Internal,
                           "error writing input: " + std::generic_category().message(errno));
        if (!watch)
            watch.emplace(exchange, onLeft);
        waiting->ready = false;
        m_input->async_wait(asio::posix::stream_descriptor::wait_write,
                            [waiting](const boost::system::error_code &) {
                                waiting->ready = true;
                                waiting->wake.cancel();
                            });
        while (!waiting->ready) {
            if (Clock::now() >= expiry)
                throw RpcError(RpcCode::DeadlineExceeded, "context deadline exceeded");
            if (waiting->left)
                throw RpcError(RpcCode::Canceled, "client has gone");
            waiting->wake.expires_at(expiry);
            co_await waiting->wake.async_wait(asTuple);
        }
    }
}

ProcessTable::ProcessTable(asio::io_context &context)
    : m_context(context)
    , m_childSignal(context.get_executor(), openChildSignal())
{
    reapOnSignal();
}

void ProcessTable::reapOnSignal()
{
    m_childSignal.async_wait(
        asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code &ec) {
            if (ec)
                return;
            signalfd_siginfo info{};
            while (::read(m_childSignal.native_handle(), &info, sizeof info) > 0) {
            }
            reapAll();
            reapOnSignal();
        });
}

void ProcessTable::reapAll()
{
    // Signals merge, so take everything there is; orphans of the sandbox come here too.
    int status = 0;
    for (;;) {
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return;
        if (const auto starting = m_starting.find(pid); starting != m_starting.end()) {
            starting->second = status;
        } else if (const auto found = m_processes.find(pid); found != m_processes.end()) {
            const auto process = found->second;
            process->reaped(status);
        }
    }
}

asio::awaitable<std::shared_ptr<Process>>
ProcessTable::start(SpawnPlan plan, process::StartRequest request,
                    std::shared_ptr<Subscriber> *subscriber)
{
    const std::string named = "error starting process '" + request.process().cmd() + "': ";
    if (request.has_pty()) {
        plan.terminal.emplace();
        setSize(*plan.terminal, request.pty().size());
    }
    plan.stdinPipe = !request.has_stdin() || request.stdin();
    Spawned spawned;
    try {
        spawned = spawn(plan);
    } catch (const std::system_error &e) {
        throw RpcError(RpcCode::InvalidArgument, named + e.what());
    }
    const pid_t pid = spawned.pid;
    m_starting.emplace(pid, std::nullopt);
    asio::posix::stream_descriptor report(executor(), spawned.failure.release());
    SpawnFailure failure;
    const auto room = asio::buffer(&failure, sizeof failure);
    const auto [ec, n] = co_await report.async_read_some(room, asTuple);
    const std::optional<int> status = m_starting[pid];
    m_starting.erase(pid);
    if (!ec && n == sizeof failure)
        throw RpcError(RpcCode::InvalidArgument, named + failure.message());

    auto process = std::make_shared<Process>(*this, std::move(spawned), request);
    m_processes[pid] = process;
    if (subscriber)
        *subscriber = process->subscribe();
    if (status)
        process->reaped(*status);
    process->startReading();
    co_return process;
}

std::shared_ptr<Process> ProcessTable::find(const process::ProcessSelector &selector) const
{
    switch (selector.selector_case()) {
    case process::ProcessSelector::kPid: {
        const auto found = m_processes.find(static_cast<pid_t>(selector.pid()));
        if (found != m_processes.end())
            return found->second;
        throw RpcError(RpcCode::NotFound,
                       "process with pid " + std::to_string(selector.pid()) + " not found");
    }
    case process::ProcessSelector::kTag:
        for (const auto &[pid, process] : m_processes)
            if (process->tag() == selector.tag())
                return process;
        throw RpcError(RpcCode::NotFound, "process with tag '" + selector.tag() + "' not found");
    case process::ProcessSelector::SELECTOR_NOT_SET:
        break;
    }
    throw RpcError(RpcCode::Unimplemented, "process selector missing");
}

void ProcessTable::remove(const Process &process)
{
    // A pid is free once its process was reaped, which may be long before its output ends.
    const auto found = m_processes.find(process.pid());
    if (found != m_processes.end() && found->second.get() == &process)
        m_processes.erase(found);
}

void ProcessTable::list(process::ListResponse &response) const
{
    for (const auto &[pid, process] : m_processes)
        process->describe(*response.add_processes());
}

} // namespace moru::engine
