// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moru::wire {

/// Flag bits of a Connect envelope (Connect protocol, "streaming": 1 flag byte, 4-byte
/// big-endian length, payload).
enum FrameFlag : std::uint8_t {
    FrameCompressed = 0x01,
    FrameEndOfStream = 0x02, ///< payload is JSON in both codecs
};

inline constexpr std::size_t FrameHeaderSize = 5;

/// Appends one envelope to `out`. `payload` must be shorter than 4 GiB.
void appendFrame(std::string &out, std::uint8_t flags, std::string_view payload);

/// The five header bytes alone, for writers that send header and payload as separate buffers.
void writeFrameHeader(unsigned char (&header)[FrameHeaderSize], std::uint8_t flags,
                      std::uint32_t payloadSize);

/// Cuts a byte stream that arrives in arbitrary pieces into Connect envelopes. Fed with bytes,
/// asked for frames; holds at most one incomplete frame of `maxPayload` bytes.
class FrameDecoder {
public:
    struct Frame {
        std::uint8_t flags = 0;
        std::string_view payload; ///< valid until the next call of feed() or next()
        [[nodiscard]] bool isEndOfStream() const { return (flags & FrameEndOfStream) != 0; }
        [[nodiscard]] bool isCompressed() const { return (flags & FrameCompressed) != 0; }
    };
    enum class Status {
        NeedMore, ///< no whole frame yet
        Ready,    ///< `frame` was filled
        TooLarge, ///< a header announces more than maxPayload; the decoder stays in this state
    };

    explicit FrameDecoder(std::size_t maxPayload = 16U << 20U)
        : m_maxPayload(maxPayload)
    {}

    /// Copies `bytes` behind what is held. Call next() until it says NeedMore before feeding again.
    void feed(std::string_view bytes);
    Status next(Frame &frame);
    /// True when bytes of an unfinished frame are held (a stream that ends now was truncated).
    [[nodiscard]] bool hasPartialFrame() const { return m_pos < m_buffer.size(); }

private:
    std::string m_buffer;
    std::size_t m_pos = 0;
    std::size_t m_maxPayload;
};

} // namespace moru::wire
