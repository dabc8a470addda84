// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/multipart.h"

#include "app/engine/http/exchange.h"
#include "app/engine/http/text.h"

#include <algorithm>

namespace moru::engine {

namespace {

constexpr std::size_t LargestHead = 64 * 1024;
constexpr std::size_t LargestBoundary = 200; ///< RFC 2046 says 70, some clients exceed it

std::string_view headerValue(std::string_view head, std::string_view name)
{
    while (!head.empty()) {
        const auto end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
        const auto colon = line.find(':');
        if (colon != std::string_view::npos && equalsNoCase(trimmed(line.substr(0, colon)), name))
            return trimmed(line.substr(colon + 1));
    }
    return {};
}

/// Browsers write exactly these three characters of a file name as escapes, and nothing else
/// (WHATWG HTML, "multipart/form-data encoding algorithm").
std::string withoutFormEscapes(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::string_view escape = text.substr(0, 3);
        if (escape == "%22")
            out += '"';
        else if (equalsNoCase(escape, "%0D"))
            out += '\r';
        else if (equalsNoCase(escape, "%0A"))
            out += '\n';
        else {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        text.remove_prefix(3);
    }
    return out;
}

/// RFC 5987: charset'language'percent-encoded. Only UTF-8 is understood.
std::optional<std::string> extendedValue(std::string_view text)
{
    const auto first = text.find('\'');
    const auto second = first == std::string_view::npos ? first : text.find('\'', first + 1);
    if (second == std::string_view::npos || !equalsNoCase(text.substr(0, first), "utf-8"))
        return std::nullopt;
    return percentDecode(text.substr(second + 1), false);
}

} // namespace

std::optional<std::string> headerParameter(std::string_view value, std::string_view parameter)
{
    const auto semicolon = value.find(';');
    if (semicolon == std::string_view::npos)
        return std::nullopt;
    value.remove_prefix(semicolon + 1);
    while (!value.empty()) {
        const auto equal = value.find_first_of("=;");
        const std::string_view name = trimmed(value.substr(0, equal));
        if (equal == std::string_view::npos)
            return std::nullopt;
        const bool hasValue = value[equal] == '=';
        value.remove_prefix(equal + 1);
        if (!hasValue)
            continue;
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        std::string content;
        if (!value.empty() && value.front() == '"') {
            std::size_t i = 1;
            for (; i < value.size() && value[i] != '"'; ++i) {
                // A backslash before anything else stands for itself: paths of Windows clients.
                if (value[i] == '\\' && i + 1 < value.size()
                    && (value[i + 1] == '"' || value[i + 1] == '\\'))
                    ++i;
                content += value[i];
            }
            value.remove_prefix(std::min(i + 1, value.size()));
            const auto next = value.find(';');
            value = next == std::string_view::npos ? std::string_view() : value.substr(next + 1);
        } else {
            const auto next = value.find(';');
            content = std::string(trimmed(value.substr(0, next)));
            value = next == std::string_view::npos ? std::string_view() : value.substr(next + 1);
        }
        if (equalsNoCase(name, parameter))
            return content;
    }
    return std::nullopt;
}

std::optional<std::string> multipartBoundary(std::string_view contentType)
{
    const auto semicolon = contentType.find(';');
    if (!equalsNoCase(trimmed(contentType.substr(0, semicolon)), "multipart/form-data"))
        return std::nullopt;
    auto boundary = headerParameter(contentType, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > LargestBoundary)
        return std::nullopt;
    return boundary;
}

MultipartParser::MultipartParser(const std::string &boundary)
    : m_delimiter("\r\n--" + boundary)
    // The first boundary need not follow a line break; with one of ours it looks like all others.
    , m_buffer("\r\n")
{}

void MultipartParser::feed(std::string_view bytes)
{
    m_data = {};
    m_buffer.erase(0, m_pos);
    m_pos = 0;
    m_buffer.append(bytes);
}

MultipartParser::Event MultipartParser::next()
{
    for (;;) {
        const std::string_view rest = std::string_view(m_buffer).substr(m_pos);
        switch (m_state) {
        case State::Preamble: {
            const auto at = rest.find(m_delimiter);
            if (at == std::string_view::npos) {
                // Keep what may be the beginning of the delimiter.
                if (rest.size() >= m_delimiter.size())
                    m_pos += rest.size() - m_delimiter.size() + 1;
                return Event::NeedMore;
            }
            m_pos += at + m_delimiter.size();
            m_state = State::AfterBoundary;
            continue;
        }
        case State::AfterBoundary: {
            // "--" ends everything; else blanks and a line break follow.
            if (m_partOpen) {
                m_partOpen = false;
                return Event::PartEnd;
            }
            if (rest.size() < 2)
                return Event::NeedMore;
            if (rest.starts_with("--")) {
                m_pos = m_buffer.size();
                m_state = State::Epilogue;
                continue;
            }
            const auto text = rest.find_first_not_of(" \t");
            if (text == std::string_view::npos || rest.substr(text) == "\r") {
                if (rest.size() > LargestHead)
                    throw Malformed("multipart: endless boundary line");
                return Event::NeedMore;
            }
            if (!rest.substr(text).starts_with("\r\n"))
                throw Malformed("multipart: text behind a boundary");
            // The line break stays: a part without headers has its empty line right there.
            m_pos += text;
            m_state = State::Head;
            continue;
        }
        case State::Head: {
            const auto end = rest.find("\r\n\r\n");
            if (end == std::string_view::npos ? rest.size() > LargestHead : end > LargestHead)
                throw Malformed("multipart: part head too large");
            if (end == std::string_view::npos)
                return Event::NeedMore;
            parseHead(rest.substr(0, end));
            // One line break of the empty line may already belong to the next boundary (empty
            // part).
            m_pos += end + 2;
            m_state = State::Body;
            m_partOpen = true;
            return Event::PartBegin;
        }
        case State::Body:
            return body();
        case State::Epilogue:
            m_pos = m_buffer.size();
            return Event::End;
        }
    }
}

MultipartParser::Event MultipartParser::body()
{
    // The buffer begins with the line break that ended the head until the first data is handed out;
    // it is not data, but it may be the one in front of a boundary.
    const std::string_view all = std::string_view(m_buffer).substr(m_pos);
    const auto at = all.find(m_delimiter);
    const std::size_t skip = m_bodyBegun ? 0 : 2;
    std::size_t end = at;
    if (at == std::string_view::npos) {
        // Hold back what may be the beginning of the delimiter.
        if (all.size() < m_delimiter.size() + skip)
            return Event::NeedMore;
        end = all.size() - m_delimiter.size() + 1;
    }
    m_data = end > skip ? all.substr(skip, end - skip) : std::string_view();
    m_bodyBegun = true;
    if (at != std::string_view::npos) {
        m_state = State::AfterBoundary;
        m_pos += at + m_delimiter.size();
        m_bodyBegun = false;
    } else {
        m_pos += end;
    }
    return Event::Data;
}

void MultipartParser::parseHead(std::string_view head)
{
    m_part = {};
    const std::string_view disposition = headerValue(head, "content-disposition");
    if (const auto name = headerParameter(disposition, "name"))
        m_part.name = withoutFormEscapes(*name);
    if (const auto extended = headerParameter(disposition, "filename*"))
        m_part.fileName = extendedValue(*extended);
    if (m_part.fileName)
        return;
    if (const auto plain = headerParameter(disposition, "filename"))
        m_part.fileName = withoutFormEscapes(*plain);
}

void MultipartParser::finish() const
{
    if (m_state != State::Epilogue)
        throw Malformed("multipart: the closing boundary is missing");
}

} // namespace moru::engine
