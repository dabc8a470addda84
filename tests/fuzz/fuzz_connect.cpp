// SPDX-License-Identifier: GPL-3.0-or-later
// Frames cut at an arbitrary place, and their payloads as every kind of request in both codecs. The
// first byte chooses the cut.
#include "app/engine/agent/connect.h"
#include "app/wire/frame.h"

#include <filesystem.pb.h>
#include <process.pb.h>

#include <cstdint>
#include <cstdlib>

using namespace moru;

namespace {

std::string frames(std::string_view bytes, std::size_t cut)
{
    wire::FrameDecoder decoder(1 << 16);
    std::string out;
    for (const std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
        decoder.feed(piece);
        wire::FrameDecoder::Frame frame;
        while (decoder.next(frame) == wire::FrameDecoder::Status::Ready)
            out += std::to_string(frame.flags) + ':' + std::string(frame.payload) + ';';
    }
    return out + (decoder.hasPartialFrame() ? "partial" : "");
}

template <typename Message> void decodeAs(engine::Codec codec, std::string_view bytes)
{
    Message message;
    try {
        engine::decodeSingleFrame(codec, bytes, message);
    } catch (const engine::RpcError &) {
    }
    try {
        engine::decode(codec, bytes, message);
        // What was understood can be written and understood again.
        Message again;
        const std::string written = engine::encode(codec, message);
        engine::decode(codec, written, again);
        if (again.SerializeAsString().size() != message.SerializeAsString().size())
            std::abort();
    } catch (const engine::RpcError &) {
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0)
        return 0;
    const std::string_view bytes(reinterpret_cast<const char *>(data + 1), size - 1);
    const std::size_t cut = bytes.empty() ? 0 : std::size_t{data[0]} % (bytes.size() + 1);
    if (frames(bytes, cut) != frames(bytes, 0))
        std::abort();
    for (const engine::Codec codec : {engine::Codec::Json, engine::Codec::Proto}) {
        decodeAs<process::StartRequest>(codec, bytes);
        decodeAs<process::StreamInputRequest>(codec, bytes);
        decodeAs<filesystem::ListDirRequest>(codec, bytes);
    }
    engine::RequestHead head;
    head.headers.emplace_back("Connect-Timeout-Ms", std::string(bytes.substr(0, 64)));
    try {
        static_cast<void>(engine::callTimes(head));
    } catch (const engine::RpcError &) {
    }
    return 0;
}
