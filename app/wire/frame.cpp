// SPDX-License-Identifier: GPL-3.0-or-later
#include "frame.h"

namespace moru::wire {

void writeFrameHeader(unsigned char (&header)[FrameHeaderSize], std::uint8_t flags,
                      std::uint32_t payloadSize)
{
    header[0] = flags;
    header[1] = static_cast<unsigned char>(payloadSize >> 24U);
    header[2] = static_cast<unsigned char>((payloadSize >> 16U) & 0xFFU);
    header[3] = static_cast<unsigned char>((payloadSize >> 8U) & 0xFFU);
    header[4] = static_cast<unsigned char>(payloadSize & 0xFFU);
}

void appendFrame(std::string &out, std::uint8_t flags, std::string_view payload)
{
    unsigned char header[FrameHeaderSize];
    writeFrameHeader(header, flags, static_cast<std::uint32_t>(payload.size()));
    out.reserve(out.size() + FrameHeaderSize + payload.size());
    out.append(reinterpret_cast<const char *>(header), FrameHeaderSize);
    out.append(payload);
}

void FrameDecoder::feed(std::string_view bytes)
{
    // Dropping what was consumed only here keeps payload views valid between feed() and next().
    if (m_pos > 0) {
        m_buffer.erase(0, m_pos);
        m_pos = 0;
    }
    m_buffer.append(bytes);
}

FrameDecoder::Status FrameDecoder::next(Frame &frame)
{
    const std::size_t held = m_buffer.size() - m_pos;
    if (held < FrameHeaderSize)
        return Status::NeedMore;
    const auto *head = reinterpret_cast<const unsigned char *>(m_buffer.data() + m_pos);
    const std::size_t size = (std::size_t{head[1]} << 24U) | (std::size_t{head[2]} << 16U)
                             | (std::size_t{head[3]} << 8U) | std::size_t{head[4]};
    if (size > m_maxPayload)
        return Status::TooLarge;
    if (held - FrameHeaderSize < size)
        return Status::NeedMore;
    frame.flags = head[0];
    frame.payload = std::string_view(m_buffer).substr(m_pos + FrameHeaderSize, size);
    m_pos += FrameHeaderSize + size;
    return Status::Ready;
}

} // namespace moru::wire
