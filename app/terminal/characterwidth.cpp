// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/characterwidth.h"

#include "app/terminal/cell.h"

#include <vterm.h>

#include <array>
#include <memory>

namespace moru {
namespace {

/// A terminal nobody sees: each code point is written after a base character at the top left.
class WidthProbe {
public:
    WidthProbe()
        : m_vt(vterm_new(1, 8), &vterm_free)
    {
        vterm_set_utf8(m_vt.get(), 1);
        m_callbacks.putglyph = [](VTermGlyphInfo *info, VTermPos, void *user) {
            auto &self = *static_cast<WidthProbe *>(user);
            self.m_width = info->chars[1] ? 0 : info->width;
            return 1;
        };
        VTermState *state = vterm_obtain_state(m_vt.get());
        vterm_state_set_callbacks(state, &m_callbacks, this);
        vterm_state_reset(state, 1);
    }

    [[nodiscard]] signed char width(char32_t cp)
    {
        m_bytes.assign("\x1b[Ha");
        appendUtf8(m_bytes, cp);
        m_width = 1;
        vterm_input_write(m_vt.get(), m_bytes.data(), m_bytes.size());
        return static_cast<signed char>(m_width < 0 ? 0 : m_width > 2 ? 2 : m_width);
    }

private:
    std::unique_ptr<VTerm, decltype(&vterm_free)> m_vt;
    VTermStateCallbacks m_callbacks{};
    std::string m_bytes;
    int m_width = 1;
};

} // namespace

int characterWidth(char32_t cp)
{
    using Block = std::array<signed char, 256>;
    static std::array<std::unique_ptr<Block>, 0x1100> blocks;
    if (cp < 0x7f)
        return 1;
    if (cp > 0x10ffff)
        return 1;
    std::unique_ptr<Block> &block = blocks[cp >> 8];
    if (!block) {
        static WidthProbe probe;
        block = std::make_unique<Block>();
        const char32_t first = cp & ~char32_t(0xff);
        for (char32_t low = 0; low < 256; ++low) {
            const char32_t at = first + low;
            const bool printable = at >= 0xa0 && !(at >= 0xd800 && at <= 0xdfff);
            (*block)[low] = printable ? probe.width(at) : static_cast<signed char>(1);
        }
    }
    return (*block)[cp & 0xff];
}

} // namespace moru
