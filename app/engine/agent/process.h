// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/agent/connect.h"
#include "app/engine/agent/spawn.h"

#include <process.pb.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>

namespace moru::engine {

/// One message of a process, shared by all its subscribers and encoded once per codec.
class ProcessMessage {
public:
    enum class Kind { Stdout, Stderr, Pty, End };
    ProcessMessage(Kind kind, std::string bytes)
        : m_kind(kind)
        , m_bytes(std::move(bytes))
    {}
    explicit ProcessMessage(const process::ProcessEvent::EndEvent &end);

    [[nodiscard]] bool isEnd() const { return m_kind == Kind::End; }
    /// A StartResponse or ConnectResponse: both look the same on the wire.
    [[nodiscard]] const std::string &encoded(Codec codec) const;

private:
    Kind m_kind;
    std::string m_bytes;
    process::ProcessEvent::EndEvent m_end;
    mutable std::string m_json;
    mutable std::string m_proto;
};

/// A reader of one process. Its queue is bounded: a full one stops reading from the process.
struct Subscriber {
    explicit Subscriber(const asio::any_io_executor &executor)
        : wake(executor)
    {}
    std::deque<std::shared_ptr<const ProcessMessage>> queue;
    asio::steady_timer wake; ///< cancelled when something happened
    bool left = false;       ///< the client has gone
};

class ProcessTable;

/// A running child with its streams. Lives in the table until it was reaped and its output read.
class Process : public std::enable_shared_from_this<Process> {
public:
    Process(ProcessTable &table, Spawned spawned, const process::StartRequest &request);

    [[nodiscard]] pid_t pid() const { return m_pid; }
    [[nodiscard]] bool hasTerminal() const { return m_hasTerminal; }
    [[nodiscard]] const std::optional<std::string> &tag() const { return m_tag; }
    void describe(process::ProcessInfo &info) const;

    [[nodiscard]] std::shared_ptr<Subscriber> subscribe();
    void unsubscribe(const std::shared_ptr<Subscriber> &subscriber);
    /// A subscriber has taken something from its queue.
    void roomMade() { m_room.cancel(); }

    /// Throws RpcError internal when this process has no such input, or it broke.
    /// `exchange` is watched while the process does not read.
    asio::awaitable<void> write(std::string bytes, bool terminal, Exchange &exchange,
                                std::optional<Clock::time_point> deadline);
    /// Throws RpcError.
    void resize(const process::PTY::Size &size);
    /// To the direct child only. Output that its descendants still hold open is no longer waited
    /// for. Throws RpcError internal when the process has ended already.
    void signal(int number);
    void killAt(Clock::time_point deadline);

    /// Reads output from now on. To be called once, after exec has worked.
    void startReading();
    void reaped(int status);

private:
    struct Output : std::enable_shared_from_this<Output> {
        Output(const asio::any_io_executor &executor, FileDescriptor fd,
               ProcessMessage::Kind outputKind, std::size_t most);
        asio::posix::stream_descriptor descriptor;
        ProcessMessage::Kind kind;
        std::size_t limit; ///< bytes per message
        std::string held;  ///< the beginning of a UTF-8 character whose rest has not come yet
        asio::steady_timer flush; ///< when `held` has waited long enough
        bool flushDue = false;
    };

    static asio::awaitable<void> read(std::shared_ptr<Process> self,
                                      std::shared_ptr<Output> output);
    /// False at the end of the stream. Publishes what there is; EAGAIN counts as "there was
    /// nothing".
    bool readOnce(Output &output, bool &any);
    void holdBackIncompleteTail(Output &output, std::string &bytes);
    void closeOutput(const std::shared_ptr<Output> &output);
    void drainNow();
    void publish(std::shared_ptr<const ProcessMessage> message);
    [[nodiscard]] bool anySubscriberFull() const;
    void endIfOver();

    ProcessTable &m_table;
    pid_t m_pid;
    bool m_hasTerminal;
    process::ProcessConfig m_config;
    std::optional<std::string> m_tag;
    std::optional<asio::posix::stream_descriptor> m_input;
    std::vector<std::shared_ptr<Output>> m_outputs; ///< those still open
    std::vector<std::shared_ptr<Subscriber>> m_subscribers;
    asio::steady_timer m_room;      ///< cancelled when a full queue may have room again
    asio::steady_timer m_inputFree; ///< cancelled when the writer of input has finished
    asio::steady_timer m_deadline;
    std::optional<int> m_status; ///< of waitpid
    bool m_reading = false;
    bool m_writing = false;
    bool m_signalled = false;
    bool m_ended = false;
};

/// All children started by request, and the reaper of every child.
class ProcessTable {
public:
    explicit ProcessTable(asio::io_context &context);

    /// Spawns and waits until exec has worked. `subscriber` gets everything from the first byte.
    /// Throws RpcError.
    asio::awaitable<std::shared_ptr<Process>> start(SpawnPlan plan, process::StartRequest request,
                                                    std::shared_ptr<Subscriber> *subscriber);
    /// Throws RpcError not_found or, without a selector, unimplemented.
    [[nodiscard]] std::shared_ptr<Process> find(const process::ProcessSelector &selector) const;
    void list(process::ListResponse &response) const;

    [[nodiscard]] asio::any_io_executor executor() const { return m_context.get_executor(); }
    void remove(const Process &process);

private:
    void reapOnSignal();
    void reapAll();

    asio::io_context &m_context;
    asio::posix::stream_descriptor m_childSignal; ///< a signalfd
    std::map<pid_t, std::shared_ptr<Process>> m_processes;
    /// Children whose exec has not been confirmed; they are not listed yet.
    std::map<pid_t, std::optional<int>> m_starting;
};

} // namespace moru::engine
