// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace moru::engine {

/// The boundary of a multipart/form-data Content-Type; nullopt for every other value.
[[nodiscard]] std::optional<std::string> multipartBoundary(std::string_view contentType);

/// What a part says of itself.
struct PartHead {
    std::string name;
    /// As sent, with its folders; nullopt when the part has none.
    std::optional<std::string> fileName;
};

/// Cuts a multipart/form-data body (RFC 7578, RFC 2046) that arrives in pieces. Holds a part's head
/// (limited) and at most one boundary's length of data; everything else is passed on at once.
class MultipartParser {
public:
    struct Malformed : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    enum class Event { NeedMore, PartBegin, Data, PartEnd, End };

    explicit MultipartParser(const std::string &boundary);

    /// Hands over the next piece. Only when next() said NeedMore (or at first).
    void feed(std::string_view bytes);
    /// What comes next. Throws Malformed.
    Event next();
    [[nodiscard]] const PartHead &part() const { return m_part; }
    [[nodiscard]] std::string_view data() const { return m_data; } ///< valid until next() or feed()
    /// Throws Malformed unless the closing boundary was seen.
    void finish() const;

private:
    enum class State { Preamble, AfterBoundary, Head, Body, Epilogue };
    Event body();
    void parseHead(std::string_view head);

    std::string m_delimiter; ///< CRLF "--" boundary
    std::string m_buffer;
    std::size_t m_pos = 0;
    State m_state = State::Preamble;
    bool m_partOpen = false;  ///< PartEnd is still to be reported
    bool m_bodyBegun = false; ///< the line break behind the head has been skipped
    PartHead m_part;
    std::string_view m_data;
};

/// Parameters of a header value such as Content-Disposition: `form-data; name="file";
/// filename="x"`. Returns the value of `parameter`, with quoting undone, and nullopt if it is not
/// there.
[[nodiscard]] std::optional<std::string> headerParameter(std::string_view value,
                                                         std::string_view parameter);

} // namespace moru::engine
