// SPDX-License-Identifier: GPL-3.0-or-later
// The first byte decides the size of the pieces. Whatever the pieces, the result must be the same.
#include "app/engine/agent/multipart.h"

#include <cstdint>
#include <cstdlib>

using moru::engine::MultipartParser;

namespace {

std::string parse(std::string_view body, std::size_t step)
{
    MultipartParser parser("B");
    std::string out;
    std::size_t inside = 0;
    try {
        for (std::size_t at = 0;;) {
            switch (parser.next()) {
            case MultipartParser::Event::NeedMore:
                if (at >= body.size()) {
                    parser.finish();
                    return out;
                }
                parser.feed(body.substr(at, step));
                at += step;
                break;
            case MultipartParser::Event::PartBegin:
                if (inside++ != 0)
                    std::abort();
                out += '[' + parser.part().name + '|' + parser.part().fileName.value_or("-") + '|';
                break;
            case MultipartParser::Event::Data:
                if (inside != 1)
                    std::abort();
                out += parser.data();
                break;
            case MultipartParser::Event::PartEnd:
                if (inside-- != 1)
                    std::abort();
                out += ']';
                break;
            case MultipartParser::Event::End:
                return out;
            }
        }
    } catch (const MultipartParser::Malformed &) {
        return "malformed";
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char *>(data + 1), size - 1);
    const std::size_t step = std::size_t{data[0]} % 64 + 1;
    if (parse(text, step) != parse(text, text.size() + 1))
        std::abort();
    static_cast<void>(moru::engine::multipartBoundary(text));
    return 0;
}
