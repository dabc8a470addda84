// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/contenttype.h"
#include "app/engine/agent/multipart.h"
#include "app/engine/agent/paths.h"
#include "app/engine/agent/service.h"

#include "app/engine/http/astuple.h"
#include "app/engine/http/text.h"

#include <boost/asio/use_awaitable.hpp>

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

namespace moru::engine {

namespace {

constexpr std::size_t Piece = 256 * 1024;
/// Files up to this size are read before the answer begins.
constexpr std::size_t SmallFile = 64 * 1024;
/// Files that claim to be empty (or a page long) but are not: /proc and /sys.
constexpr std::size_t LargestPseudoFile = 4 * 1024 * 1024;

/// An answer of the plain routes that is no success.
struct HttpError {
    int status = 0;
    std::string message;
};

[[noreturn]] void refuse(int status, std::string message)
{
    throw HttpError{status, std::move(message)};
}

/// 507 when there is no room, 500 for everything else.
[[noreturn]] void refuseWrite(int code, const std::string &what)
{
    const bool full = code == ENOSPC || code == EDQUOT;
    refuse(full ? 507 : 500,
           full ? "not enough disk space available" : what + ": " + errorText(code));
}

std::size_t readFully(int fd, char *out, std::size_t size, off_t offset)
{
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = ::pread(fd, out + done, size - done, offset + static_cast<off_t>(done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            refuse(500, "error reading file: " + errorText(errno));
        if (n == 0)
            break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

/// An opened file with its beginning, or all of it if it is small.
struct Source {
    FileDescriptor fd;
    std::string head;
    bool whole = false;
    std::uint64_t size = 0;
    std::time_t modified = 0;
};

void openSource(const std::string &path, Source &source)
{
    struct stat info {};
    const std::string shown = '\'' + path + '\'';
    // Looking first: opening a FIFO or a device can have effects.
    if (::stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT)
            refuse(404, "path " + shown + " does not exist");
        refuse(500, "error getting file info of " + shown + ": " + errorText(errno));
    }
    if (S_ISDIR(info.st_mode))
        refuse(400, "path " + shown + " is a directory");
    if (!S_ISREG(info.st_mode))
        refuse(500, "path " + shown + " is not a regular file");
    source.fd = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!source.fd.isValid() || ::fstat(source.fd.get(), &info) != 0)
        refuse(500, "error opening file " + shown + ": " + errorText(errno));
    source.size = static_cast<std::uint64_t>(info.st_size);
    source.modified = info.st_mtim.tv_sec;
    source.head.resize(SmallFile + 1);
    source.head.resize(readFully(source.fd.get(), source.head.data(), source.head.size(), 0));
    if (source.size > SmallFile)
        return;
    // What was read counts, not what was announced.
    while (source.head.size() > SmallFile && source.head.size() < LargestPseudoFile) {
        const std::size_t have = source.head.size();
        source.head.resize(have + Piece);
        const std::size_t more =
            readFully(source.fd.get(), source.head.data() + have, Piece, static_cast<off_t>(have));
        source.head.resize(have + more);
        if (more < Piece)
            break;
    }
    source.whole = true;
    source.size = source.head.size();
}

struct Range {
    std::uint64_t first = 0;
    std::uint64_t length = 0;
};
enum class RangeResult { None, One, Unsatisfiable };

/// One byte range of RFC 9110 14.1.2. Several ranges, or what is malformed, count as no range: the
/// whole file is a valid answer to those.
RangeResult parseRange(std::string_view text, std::uint64_t size, Range &range)
{
    static constexpr std::string_view unit = "bytes=";
    if (text.size() < unit.size() || !equalsNoCase(text.substr(0, unit.size()), unit))
        return RangeResult::None;
    text = trimmed(text.substr(unit.size()));
    const auto dash = text.find('-');
    if (text.find(',') != std::string_view::npos || dash == std::string_view::npos)
        return RangeResult::None;
    const std::string_view from = trimmed(text.substr(0, dash));
    const std::string_view to = trimmed(text.substr(dash + 1));
    const auto last = parseNumber(to);
    if (!to.empty() && !last)
        return RangeResult::None;
    if (from.empty()) { // the last N bytes
        if (!last)
            return RangeResult::None;
        if (*last == 0 || size == 0)
            return RangeResult::Unsatisfiable;
        range.length = std::min(*last, size);
        range.first = size - range.length;
        return RangeResult::One;
    }
    const auto first = parseNumber(from);
    if (!first || (last && *last < *first))
        return RangeResult::None;
    if (*first >= size)
        return RangeResult::Unsatisfiable;
    range.first = *first;
    range.length = std::min(last.value_or(size - 1), size - 1) - *first + 1;
    return RangeResult::One;
}

/// A file being written by an upload.
struct Target {
    std::string path;
    FileDescriptor fd;
};

void openTarget(Target &target, const FileActor &actor)
{
    const std::string shown = '\'' + target.path + '\'';
    struct stat info {};
    if (::stat(target.path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode))
            refuse(400, "path is a directory: " + shown);
        if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))
            refuse(400, "path is not a regular file: " + shown);
    }
    try {
        makeParents(parentPath(target.path), actor);
    } catch (const std::system_error &e) {
        refuseWrite(e.code().value(), "error creating directories for " + shown);
    }
    // Truncated after the change of owner, so that watchers see both in this order.
    target.fd = FileDescriptor(
        ::open(target.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));
    if (!target.fd.isValid()) {
        if (errno == EISDIR) // a name that ends in a slash
            refuse(400, "path is a directory: " + shown);
        refuseWrite(errno, "error opening file " + shown);
    }
    if (actor.chowns() && ::fchown(target.fd.get(), actor.user.uid, actor.user.gid) != 0)
        refuseWrite(errno, "error changing owner of " + shown);
    if (::fstat(target.fd.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0
        && ::ftruncate(target.fd.get(), 0) != 0)
        refuseWrite(errno, "error truncating " + shown);
}

void writeTarget(const Target &target, std::string_view data)
{
    while (!data.empty()) {
        const ssize_t n = ::write(target.fd.get(), data.data(), data.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            refuseWrite(errno, "error writing file '" + target.path + "'");
        data.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace

asio::awaitable<std::optional<Service::FileCall>> Service::beginFileCall(Exchange &exchange,
                                                                         std::string operation)
{
    const RequestHead &head = exchange.request();
    const std::string queryPath = head.query("path").value_or(std::string());
    const std::string userName = head.query("username").value_or(std::string());
    HttpError error;
    // A header decides alone, even when a valid signature is there as well.
    const std::string_view token = head.header("x-access-token");
    if (!m_config.accessToken.empty() && !(!token.empty() && tokenMatches(head))) {
        error.status = 401;
        const auto signature = head.query("signature");
        const auto expiryText = head.query("signature_expiration");
        std::optional<std::int64_t> expiry;
        bool badExpiry = false;
        if (expiryText && !expiryText->empty()) {
            const bool negative = expiryText->front() == '-';
            const auto number = parseNumber(std::string_view(*expiryText).substr(negative ? 1 : 0));
            badExpiry = !number || *number > static_cast<std::uint64_t>(INT64_MAX);
            if (!badExpiry)
                expiry = negative ? -static_cast<std::int64_t>(*number)
                                  : static_cast<std::int64_t>(*number);
        }
        if (!token.empty()) {
            error.message = "access token present in header but does not match";
        } else if (!signature) {
            error.message = "missing signature query parameter";
        } else if (badExpiry) {
            error.status = 400;
            error.message = "signature_expiration is not a number";
        } else if (!equalSecrets(*signature, fileSignature(queryPath, operation, userName,
                                                           m_config.accessToken, expiry))) {
            error.message = "invalid signature";
        } else if (expiry && *expiry < static_cast<std::int64_t>(std::time(nullptr))) {
            error.message = "signature is already expired";
        } else {
            error.status = 0;
        }
    }
    FileCall call;
    if (error.status == 0) {
        const std::string name = userName.empty() ? m_config.defaultUser : userName;
        auto user = findUser(name);
        if (name.empty()) {
            error = {400, "no user given and no default user set"};
        } else if (!user) {
            error = {401, "error looking up user '" + toUtf8(name) + "'"};
        } else {
            call.user = std::move(*user);
            try {
                // The default work dir is for an empty path of a download; an upload then goes by
                // the names of its parts.
                if (operation == "read" || !queryPath.empty())
                    call.path = resolvePath(queryPath, call.user.home, m_config.defaultWorkdir);
            } catch (const BadPath &e) {
                error = {400, e.what()};
            }
        }
    }
    if (error.status != 0) {
        Headers none;
        co_await respondError(exchange, error.status, error.message, std::move(none));
        co_return std::nullopt;
    }
    co_return call;
}

asio::awaitable<void> Service::download(Exchange &exchange, Account)
{
    std::string operation = "read";
    const auto call = co_await beginFileCall(exchange, std::move(operation));
    if (!call)
        co_return;
    const auto source = std::make_shared<Source>();
    std::optional<HttpError> error;
    try {
        std::function<void()> job = [source, path = call->path] { openSource(path, *source); };
        co_await m_workers.run(std::move(job));
    } catch (const HttpError &e) {
        error = e;
    }
    if (error) {
        Headers none;
        co_await respondError(exchange, error->status, error->message, std::move(none));
        co_return;
    }

    const RequestHead &head = exchange.request();
    Headers headers{{"Accept-Ranges", "bytes"},
                    {"Content-Type", contentTypeOf(call->path, source->head)},
                    {"Last-Modified", httpDate(source->modified)}};
    const auto notAfter = parseHttpDate(head.header("if-unmodified-since"));
    if (notAfter && source->modified > *notAfter) {
        co_await exchange.respond(412, std::string(), std::string(), std::move(headers));
        co_return;
    }
    const auto since = parseHttpDate(head.header("if-modified-since"));
    if (since && source->modified <= *since && head.header("if-none-match").empty()) {
        std::erase_if(headers, [](const auto &header) { return header.first == "Content-Type"; });
        co_await exchange.respond(304, std::string(), std::string(), std::move(headers));
        co_return;
    }
    Range range{0, source->size};
    int status = 200;
    const std::string_view ifRange = trimmed(head.header("if-range"));
    if (ifRange.empty() || parseHttpDate(ifRange) == source->modified) {
        switch (parseRange(trimmed(head.header("range")), source->size, range)) {
        case RangeResult::None:
            break;
        case RangeResult::Unsatisfiable:
            status = 416;
            break;
        case RangeResult::One:
            status = 206;
            headers.emplace_back("Content-Range",
                                 "bytes " + std::to_string(range.first) + '-'
                                     + std::to_string(range.first + range.length - 1) + '/'
                                     + std::to_string(source->size));
            break;
        }
    }
    if (status == 416) {
        Headers extra{{"Content-Range", "bytes */" + std::to_string(source->size)}};
        co_await respondError(exchange, 416, "requested range not satisfiable", std::move(extra));
        co_return;
    }
    if (source->whole) {
        const auto first = static_cast<std::size_t>(range.first);
        std::string body = source->head.substr(first, static_cast<std::size_t>(range.length));
        co_await exchange.respond(status, std::string(), std::move(body), std::move(headers));
        co_return;
    }
    co_await exchange.begin(status, std::move(headers), range.length);
    const auto buffer = std::make_shared<std::string>();
    std::uint64_t left = range.length;
    std::uint64_t at = range.first;
    while (left > 0) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, Piece));
        std::function<void()> job = [source, buffer, wanted, at] {
            buffer->resize(wanted);
            buffer->resize(
                readFully(source->fd.get(), buffer->data(), wanted, static_cast<off_t>(at)));
        };
        bool failed = false;
        try {
            co_await m_workers.run(std::move(job));
        } catch (const HttpError &) {
            failed = true;
        }
        // The file shrank or broke: finish() below notices the missing bytes and ends the
        // connection, so that the client does not take the part for the whole.
        if (failed || buffer->empty())
            break;
        const std::array<std::string_view, 1> piece{*buffer};
        const std::span<const std::string_view> pieces(piece);
        co_await exchange.write(pieces);
        left -= buffer->size();
        at += buffer->size();
    }
    co_await exchange.finish();
}

asio::awaitable<void> Service::lockUpload(std::string path)
{
    while (m_uploads.contains(path)) {
        m_uploadFree.expires_at(Clock::time_point::max());
        co_await m_uploadFree.async_wait(asTuple);
    }
    m_uploads.insert(std::move(path));
}

void Service::unlockUpload(const std::string &path)
{
    m_uploads.erase(path);
    m_uploadFree.cancel();
}

asio::awaitable<void> Service::upload(Exchange &exchange, Account)
{
    std::string operation = "write";
    const auto call = co_await beginFileCall(exchange, std::move(operation));
    if (!call)
        co_return;
    Headers none;
    const auto boundary = multipartBoundary(exchange.request().header("content-type"));
    if (!boundary) {
        co_await respondError(exchange, 500,
                              "error parsing multipart form: not multipart/form-data",
                              std::move(none));
        co_return;
    }

    using Event = MultipartParser::Event;
    MultipartParser parser(*boundary);
    const FileActor actor = actorFor(call->user);
    const auto target = std::make_shared<Target>();
    struct Unlock {
        Service *service;
        std::string path; ///< empty = nothing locked
        void now()
        {
            if (!path.empty())
                service->unlockUpload(path);
            path.clear();
        }
        ~Unlock() { now(); }
    };
    Unlock lock{this, {}};
    std::set<std::string> written;
    std::string answer;
    std::optional<HttpError> error;
    std::vector<char> room(Piece);
    const std::span<char> piece(room);
    try {
        bool more = true;
        while (more) {
            const Event event = parser.next();
            switch (event) {
            case Event::NeedMore: {
                const std::size_t n = co_await exchange.readSome(piece);
                if (n == 0) {
                    parser.finish();
                    more = false;
                }
                parser.feed(std::string_view(room.data(), n));
                break;
            }
            case Event::PartBegin: {
                if (parser.part().name != "file")
                    break;
                std::string path = call->path;
                if (path.empty()) {
                    const std::string fileName = parser.part().fileName.value_or(std::string());
                    if (fileName.empty())
                        refuse(400, "neither a path nor a file name was given");
                    path = resolvePath(fileName, call->user.home, m_config.defaultWorkdir);
                }
                if (!written.insert(path).second)
                    refuse(400, "you cannot upload multiple files to the same path '" + path + "'");
                std::string locked = path;
                co_await lockUpload(std::move(locked));
                lock.path = path;
                target->path = path;
                std::function<void()> job = [target, actor] { openTarget(*target, actor); };
                co_await m_workers.run(std::move(job));
                break;
            }
            case Event::Data: {
                if (!target->fd.isValid() || parser.data().empty())
                    break;
                // Waits for the thread, so the parser's buffer stays as it is.
                std::function<void()> job = [target, data = parser.data()] {
                    writeTarget(*target, data);
                };
                co_await m_workers.run(std::move(job));
                break;
            }
            case Event::PartEnd: {
                if (!target->fd.isValid())
                    break;
                // Some file systems tell only now that there was no room.
                const int code = ::close(target->fd.release()) == 0 ? 0 : errno;
                if (code != 0 && code != EINTR)
                    refuseWrite(code, "error closing file '" + target->path + "'");
                lock.now();
                answer += (answer.empty() ? "" : ",") + std::string("{\"path\":")
                          + jsonString(target->path) + ",\"name\":"
                          + jsonString(baseName(target->path)) + ",\"type\":\"file\"}";
                break;
            }
            case Event::End: {
                // The rest is padding; it has to be read for the next request.
                const std::size_t n = co_await exchange.readSome(piece);
                more = n > 0;
                break;
            }
            }
        }
    } catch (const HttpError &e) {
        error = e;
    } catch (const BadPath &e) {
        error = HttpError{400, e.what()};
    } catch (const MultipartParser::Malformed &e) {
        error = HttpError{400, e.what()};
    }
    target->fd.reset();
    lock.now();
    if (error) {
        co_await respondError(exchange, error->status, error->message, std::move(none));
        co_return;
    }
    std::string type = "application/json";
    std::string body = '[' + answer + "]\n";
    co_await exchange.respond(200, std::move(type), std::move(body), std::move(none));
}

} // namespace moru::engine
