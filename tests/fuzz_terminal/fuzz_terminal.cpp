// SPDX-License-Identifier: GPL-3.0-or-later
// Feeds arbitrary bytes, in pieces of arbitrary sizes and with resizes between them, to the
// terminal, with the fast paths and without: no invariant may break and both must end with the same
// screen.
#include "app/terminal/terminalscreen.h"
#include "app/terminal/vtparser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace moru;

namespace {

class Silent : public VtListener {
public:
    void vtReply(const QByteArray &bytes) override { m_replied += bytes.size(); }

private:
    qsizetype m_replied = 0;
};

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    Silent listener;
    TerminalScreen fast(30, 7, 50);
    TerminalScreen plain(30, 7, 50);
    VtParser fastParser(fast, listener);
    VtParser plainParser(plain, listener);
    plainParser.setFastPaths(false);
    const char *at = reinterpret_cast<const char *>(data);
    std::size_t left = size;
    std::uint32_t state = static_cast<std::uint32_t>(size);
    while (left > 0) {
        state = state * 1664525u + 1013904223u + static_cast<unsigned char>(*at);
        const std::size_t length = std::min<std::size_t>(left, 1 + (state >> 24) % 64);
        fastParser.feed(at, length);
        plainParser.feed(at, length);
        at += length;
        left -= length;
        if ((state >> 16) % 32 == 0) {
            const int columns = 2 + static_cast<int>((state >> 8) % 60);
            const int rows = 1 + static_cast<int>((state >> 4) % 20);
            fastParser.resize(columns, rows);
            plainParser.resize(columns, rows);
        }
        if (!fast.checkInvariants().isEmpty() || !plain.checkInvariants().isEmpty())
            fail(qPrintable(fast.checkInvariants() + plain.checkInvariants()));
    }
    if (!(fast.cursor == plain.cursor) || fast.allText() != plain.allText())
        fail("the fast paths gave another screen");
    // What a view does with any screen.
    if (fast.text(fast.positionAt(0, 0), fast.positionAt(fast.documentRows() - 1, fast.columns()))
            .size()
        < fast.gridText().trimmed().size() / 4)
        fail("the text cannot be read back");
    return 0;
}
