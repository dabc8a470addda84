// SPDX-License-Identifier: GPL-3.0-or-later
#include "httpclient.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

constexpr int LimitMs = 30'000;

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text;
}

void waitFor(int fd, short events)
{
    pollfd entry{fd, events, 0};
    int n = 0;
    do {
        n = ::poll(&entry, 1, LimitMs);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        throw std::runtime_error("time limit");
}

} // namespace

HttpConnection::HttpConnection(const std::string &socketPath)
    : m_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socketPath.size() >= sizeof address.sun_path)
        throw std::runtime_error("socket path too long");
    std::memcpy(address.sun_path, socketPath.c_str(), socketPath.size() + 1);
    if (::connect(m_fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
        throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
}

HttpConnection::~HttpConnection()
{
    close();
}

void HttpConnection::close()
{
    if (m_fd >= 0)
        ::close(m_fd);
    m_fd = -1;
}

void HttpConnection::closeWriting()
{
    ::shutdown(m_fd, SHUT_WR);
}

void HttpConnection::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t n = ::send(m_fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            waitFor(m_fd, POLLOUT);
            continue;
        }
        if (n < 0)
            throw std::runtime_error(std::string("send: ") + std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void HttpConnection::sendRequest(const std::string &method, const std::string &target,
                                 const Headers &headers, const std::optional<std::string> &body)
{
    std::string text = method + ' ' + target + " HTTP/1.1\r\nHost: sandbox\r\n";
    for (const auto &[name, value] : headers)
        text += name + ": " + value + "\r\n";
    if (body)
        text += "Content-Length: " + std::to_string(body->size()) + "\r\n";
    text += "\r\n" + body.value_or(std::string());
    send(text);
}

bool HttpConnection::fill()
{
    std::array<char, 64 * 1024> part{};
    waitFor(m_fd, POLLIN);
    const ssize_t n = ::recv(m_fd, part.data(), part.size(), 0);
    if (n < 0)
        throw std::runtime_error(std::string("recv: ") + std::strerror(errno));
    m_buffer.append(part.data(), static_cast<std::size_t>(n));
    return n > 0;
}

std::string HttpConnection::readLine()
{
    for (;;) {
        const auto end = m_buffer.find("\r\n");
        if (end != std::string::npos) {
            std::string line = m_buffer.substr(0, end);
            m_buffer.erase(0, end + 2);
            return line;
        }
        if (!fill())
            throw std::runtime_error("closed inside a line");
    }
}

void HttpConnection::readHead()
{
    m_headers.clear();
    const std::string statusLine = readLine();
    if (!statusLine.starts_with("HTTP/1.1 "))
        throw std::runtime_error("no status line: " + statusLine);
    m_status = std::stoi(statusLine.substr(9));
    for (std::string line = readLine(); !line.empty(); line = readLine()) {
        const auto colon = line.find(": ");
        m_headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
    }
    m_chunked = header("transfer-encoding") == "chunked";
    m_left.reset();
    if (hasHeader("content-length"))
        m_left = std::stoull(header("content-length"));
    m_bodyDone = m_status == 204 || m_status == 304 || m_status < 200 || m_left == 0U;
}

std::string HttpConnection::header(const std::string &name) const
{
    const auto found = m_headers.find(name);
    return found == m_headers.end() ? std::string() : found->second;
}

std::string HttpConnection::readPiece()
{
    if (m_bodyDone)
        return {};
    if (m_chunked && !m_left) {
        m_left = std::stoull(readLine(), nullptr, 16);
        if (*m_left == 0) {
            readLine();
            m_left.reset();
            m_bodyDone = true;
            return {};
        }
    }
    if (m_buffer.empty() && !fill()) {
        if (m_left)
            throw std::runtime_error("closed inside the body");
        m_bodyDone = true;
        return {};
    }
    const std::size_t take = m_left ? std::min(*m_left, m_buffer.size()) : m_buffer.size();
    std::string piece = m_buffer.substr(0, take);
    m_buffer.erase(0, take);
    if (m_left) {
        *m_left -= take;
        if (*m_left == 0) {
            if (m_chunked) {
                if (!readLine().empty())
                    throw std::runtime_error("bad chunk end");
                m_left.reset();
            } else {
                m_bodyDone = true;
            }
        }
    }
    return piece;
}

std::string HttpConnection::readBody()
{
    std::string body;
    for (std::string piece = readPiece(); !piece.empty(); piece = readPiece())
        body += piece;
    return body;
}

bool HttpConnection::closedByPeer()
{
    try {
        while (fill()) {
        }
        return true;
    } catch (const std::runtime_error &e) {
        return std::string(e.what()).find("reset") != std::string::npos;
    }
}

std::optional<FrameReader::Frame> FrameReader::next()
{
    for (;;) {
        moru::wire::FrameDecoder::Frame part;
        if (m_decoder.next(part) == moru::wire::FrameDecoder::Status::Ready)
            return Frame{part.flags, std::string(part.payload)};
        const std::string piece = m_connection.readPiece();
        if (piece.empty())
            return std::nullopt;
        m_decoder.feed(piece);
    }
}

std::string frame(std::string_view payload, int flags)
{
    std::string out;
    moru::wire::appendFrame(out, static_cast<std::uint8_t>(flags), payload);
    return out;
}
