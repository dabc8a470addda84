// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <functional>

#include <tl/expected.hpp>

namespace moru {

/// Why something did not work. Code branches on `kind`, a person reads the sentence that
/// ui/common makes of kind and message, a bug report wants `detail`.
struct Error {
    enum class Kind {
        Network,      ///< no connection, connection broken
        Timeout,      ///< no answer within the time limit, or the server's deadline
        Tls,          ///< certificate not trusted and the like
        Unauthorized, ///< 401, 403: key or token missing or wrong
        NotFound,     ///< 404, or the data plane's 502 "sandbox was not found"
        Conflict,     ///< 409: the state does not allow it
        RateLimited,  ///< 429: limit reached
        Server,       ///< 5xx and what else the server could not do
        Protocol,     ///< the answer is not what the protocol promises
        Invalid,      ///< the request was refused as wrong (400, invalid_argument)
        NoSpace,      ///< 507: the sandbox's disk is full
        Canceled,     ///< ended on the user's wish
        Local,        ///< this machine: file system, keychain, engine
    };
    Kind kind = Kind::Local;
    int httpStatus = 0;         ///< 0 where no HTTP answer was involved
    QString message;            ///< what the server or the system said, untranslated plain text
    QString detail;             ///< for "Details" and the log: no query string, no secret
    int retryAfterSeconds = -1; ///< from Retry-After; -1 = the server did not say
    bool neverSent = false;     ///< no byte of the request reached a server

    friend bool operator==(const Error &, const Error &) = default;
};

/// An answer that is not what the protocol promises; `what` is plain English for the details and
/// the log.
inline Error protocolError(const char *what)
{
    return {Error::Kind::Protocol, 0, QString::fromLatin1(what), {}, -1};
}

template <typename T = void> using Result = tl::expected<T, Error>;

/// tl::expected's own comparison does not compile for void, and Qt compares what signals carry.
inline bool operator==(const Result<> &a, const Result<> &b)
{
    return a.has_value() == b.has_value() && (a.has_value() || a.error() == b.error());
}

/// The receiver of an asynchronous result. Called exactly once and never before the call that took
/// it has returned; not called after Call::abort() or the death of the context object.
template <typename T = void> using Done = std::function<void(const Result<T> &)>;

inline tl::unexpected<Error> failure(Error::Kind kind, QString message, QString detail = {})
{
    return tl::unexpected<Error>(Error{kind, 0, std::move(message), std::move(detail), -1});
}

} // namespace moru
