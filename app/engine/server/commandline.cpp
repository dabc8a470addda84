// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/commandline.h"

#include "app/engine/http/text.h"
#include "app/engine/server/newsandbox.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace moru::engine {

namespace {

constexpr std::array<std::pair<std::string_view, Command>, 8> Commands{{
    {"serve", Command::Serve},
    {"env", Command::Env},
    {"doctor", Command::Doctor},
    {"status", Command::Status},
    {"stop", Command::Stop},
    {"reset", Command::Reset},
    {"help", Command::Help},
    {"version", Command::Version},
}};

std::string tryHelp()
{
    return " Try: moru-local --help";
}

std::uint64_t number(const std::string &option, const std::string &value, std::uint64_t min,
                     std::uint64_t max)
{
    const auto parsed = parseNumber(value);
    if (!parsed || *parsed < min || *parsed > max)
        throw UsageError(option + " takes a whole number from " + std::to_string(min) + " to "
                         + std::to_string(max) + ", not '" + value + "'." + tryHelp());
    return *parsed;
}

void parseListen(const std::string &value, EngineOptions &options)
{
    const auto colon = value.rfind(':');
    if (colon == std::string::npos)
        throw UsageError("--listen takes ADDRESS:PORT, for example 127.0.0.1:7450, not '" + value
                         + "'." + tryHelp());
    std::string host = value.substr(0, colon);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    if (host == "localhost")
        host = "127.0.0.1";
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(host, ec);
    if (ec || !address.is_loopback())
        throw UsageError("moru-local listens on this machine's loopback addresses only, such as "
                         "127.0.0.1 or [::1], because whoever reaches it can run programs here. "
                         "For another machine use a tunnel, for example ssh -L.");
    options.listenHost = address.to_string();
    // The data plane takes the next port.
    options.port = static_cast<std::uint16_t>(
        number("The port of --listen", value.substr(colon + 1), 0, 65534));
}

Command commandNamed(const std::string &word)
{
    for (const auto &[name, command] : Commands)
        if (name == word)
            return command;
    throw UsageError("There is no command '" + word + "'." + tryHelp());
}

/// Arguments one after another; "--name=value" counts as two.
class Words {
public:
    explicit Words(const std::vector<std::string> &arguments)
        : m_arguments(arguments)
    {}

    bool next(std::string &word)
    {
        if (m_inline)
            throw UsageError(m_option + " takes no value." + tryHelp());
        if (m_index == m_arguments.size())
            return false;
        word = m_arguments[m_index++];
        const auto equal = word.find('=');
        if (word.starts_with("--") && equal != std::string::npos) {
            m_inline = word.substr(equal + 1);
            word.resize(equal);
        }
        m_option = word;
        return true;
    }
    std::string value()
    {
        if (m_inline)
            return *std::exchange(m_inline, std::nullopt);
        if (m_index == m_arguments.size())
            throw UsageError(m_option + " needs a value." + tryHelp());
        return m_arguments[m_index++];
    }

private:
    const std::vector<std::string> &m_arguments;
    std::size_t m_index = 0;
    std::optional<std::string> m_inline;
    std::string m_option;
};

} // namespace

CommandLine parseCommandLine(const std::vector<std::string> &arguments)
{
    constexpr std::uint64_t longestIdle = 365 * 24 * 3600;
    constexpr std::uint64_t mostSandboxes = 10000;
    CommandLine line;
    std::optional<Command> command;
    std::optional<std::string> onlyServe;
    std::optional<std::string> onlyReset;
    bool help = false;
    Words words(arguments);
    std::string word;
    while (words.next(word)) {
        if (word == "--help" || word == "-h") {
            help = true;
        } else if (word == "--version" || word == "-V") {
            command = command.value_or(Command::Version);
        } else if (word == "--state-dir") {
            line.stateDir = words.value();
            if (line.stateDir.empty())
                throw UsageError("--state-dir needs a directory." + tryHelp());
        } else if (word == "--listen") {
            onlyServe = word;
            parseListen(words.value(), line.engine);
        } else if (word == "--log-file") {
            onlyServe = word;
            line.logFile = words.value();
            if (line.logFile.empty())
                throw UsageError("--log-file needs a file." + tryHelp());
        } else if (word == "--idle-exit") {
            onlyServe = word;
            line.engine.idleExit =
                std::chrono::seconds(number(word, words.value(), 0, longestIdle));
        } else if (word == "--max-sandboxes") {
            onlyServe = word;
            line.engine.maxSandboxes = number(word, words.value(), 1, mostSandboxes);
        } else if (word == "--yes" || word == "-y") {
            onlyReset = word;
            line.yes = true;
        } else if (word.starts_with('-')) {
            throw UsageError("There is no option '" + word + "'." + tryHelp());
        } else if (command) {
            throw UsageError("'" + word + "' is one word too many." + tryHelp());
        } else {
            command = commandNamed(word);
        }
    }
    if (help)
        command = Command::Help;
    if (!command)
        throw UsageError("moru-local needs a command." + tryHelp());
    line.command = *command;
    if (onlyServe && line.command != Command::Serve && line.command != Command::Help)
        throw UsageError(*onlyServe + " belongs to the command serve only." + tryHelp());
    if (onlyReset && line.command != Command::Reset && line.command != Command::Help)
        throw UsageError(*onlyReset + " belongs to the command reset only." + tryHelp());
    if (line.stateDir.empty())
        line.stateDir = StateDir::defaultRoot();
    return line;
}

// Laid out as it is printed.
// clang-format off
std::string helpText()
{
    const EngineOptions defaults;
    const std::string port = std::to_string(defaults.port);
    const std::string next = std::to_string(defaults.port + 1);
    return "moru-local runs isolated sandboxes on this machine and speaks the Moru sandbox API.\n"
           "\n"
           "Usage: moru-local COMMAND [OPTIONS]\n"
           "\n"
           "Commands\n"
           "  serve     Serve until stopped. Prints one line of JSON when ready: apiUrl, sandboxUrl,\n"
           "            domain, keyFile, pid, version.\n"
           "  env       Print shell lines that point an unmodified Moru or E2B SDK at the running\n"
           "            engine. Use: eval \"$(moru-local env)\"\n"
           "  doctor    Say whether this machine can isolate sandboxes, what they will miss, and\n"
           "            what to do about it.\n"
           "  status    Print the running engine's address and its number of sandboxes as JSON.\n"
           "  stop      End the engine. Running sandboxes are kept as paused ones: their processes\n"
           "            end, their files stay.\n"
           "  reset     Stop the engine and delete all sandboxes, the key and all other state.\n"
           "  help, version\n"
           "\n"
           "Options of every command\n"
           "  --state-dir DIR       Where sandboxes, key and log are kept. Private to its owner; one\n"
           "                        engine at a time. Default:\n"
           "                        ${XDG_DATA_HOME:-$HOME/.local/share}/moru-local\n"
           "  -h, --help            This text.\n"
           "\n"
           "Options of serve\n"
           "  --listen ADDRESS:PORT Where the control plane listens, on a loopback address; the data\n"
           "                        plane takes the next port. Port 0 = two free ones.\n"
           "                        Default: " + defaults.listenHost + ":" + port + " (and " + next + ")\n"
           "  --log-file FILE       Write the log there instead of stderr.\n"
           "  --idle-exit SECONDS   End when nothing has run and nobody has asked for this long;\n"
           "                        paused sandboxes are kept as they are. 0 = never.\n"
           "                        Default: " + std::to_string(defaults.idleExit.count()) + "\n"
           "  --max-sandboxes N     Most sandboxes that may run at the same time; more are refused\n"
           "                        with status 429. Default: " + std::to_string(defaults.maxSandboxes) + "\n"
           "\n"
           "Options of reset\n"
           "  -y, --yes             Do not ask.\n"
           "\n"
           "A sandbox may be given, and live without a resume, at most "
        + std::to_string(MaxTimeout / 3600) + " hours.\n"
           "\n"
           "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not running (env, status),\n"
           "4 already running (serve).\n";
}
// clang-format on

} // namespace moru::engine
