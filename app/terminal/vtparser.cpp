// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/vtparser.h"

#include "app/terminal/characterwidth.h"

#include <QUrl>

#include <vterm.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace moru {
namespace {

constexpr std::size_t maxString = 4096; ///< bytes of an OSC or DCS; longer ones are dropped whole
constexpr int maxNumber = 65535;
constexpr qsizetype maxTitle = 256;
constexpr std::size_t maxTitleStack = 16;
constexpr char32_t replacement = 0xfffd;

/// Length of the character at `at`, 0 if it is not finished yet. What is not UTF-8 becomes U+FFFD,
/// one per longest wrong part, as browsers and most terminals do.
int decodeUtf8(const char *at, const char *end, char32_t &cp)
{
    const auto byteAt = [at](int i) { return static_cast<unsigned char>(at[i]); };
    const unsigned char lead = byteAt(0);
    int more = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        more = 1;
        cp = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        more = 2;
        cp = lead & 0x0fu;
        if (lead == 0xe0)
            low = 0xa0;
        else if (lead == 0xed)
            high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        more = 3;
        cp = lead & 0x07u;
        if (lead == 0xf0)
            low = 0x90;
        else if (lead == 0xf4)
            high = 0x8f;
    } else {
        cp = replacement;
        return 1;
    }
    for (int i = 1; i <= more; ++i) {
        if (at + i == end)
            return 0;
        const unsigned char c = byteAt(i);
        if (c < low || c > high) {
            cp = replacement;
            return i;
        }
        low = 0x80;
        high = 0xbf;
        cp = cp << 6 | (c & 0x3fu);
    }
    if (cp == 0xfffe || cp == 0xffff)
        cp = replacement;
    return more + 1;
}

VTermModifier vtermModifiers(Qt::KeyboardModifiers modifiers)
{
    int out = VTERM_MOD_NONE;
    if (modifiers & Qt::ShiftModifier)
        out |= VTERM_MOD_SHIFT;
    if (modifiers & Qt::AltModifier)
        out |= VTERM_MOD_ALT;
    if (modifiers & Qt::ControlModifier)
        out |= VTERM_MOD_CTRL;
    return static_cast<VTermModifier>(out);
}

QString printable(const char *text, std::size_t length, qsizetype limit)
{
    QString out = QString::fromUtf8(text, static_cast<qsizetype>(length));
    out.removeIf(
        [](QChar c) { return c.unicode() < 0x20 || (c.unicode() >= 0x7f && c.unicode() < 0xa0); });
    out.truncate(limit);
    return out;
}

} // namespace

struct VtParser::Callbacks {
    VTermStateCallbacks table{};
    int row = 0; ///< where libvterm will put the next character of a text, as far as we can tell
    int column = 0;
    bool pending = false;

    Callbacks()
    {
        table.putglyph = &Callbacks::putGlyph;
        table.scrollrect = &Callbacks::scrollRect;
        table.erase = &Callbacks::erase;
        table.settermprop = &Callbacks::setProperty;
        table.bell = [](void *user) {
            static_cast<VtParser *>(user)->m_listener.vtBell();
            return 1;
        };
    }

    static int putGlyph(VTermGlyphInfo *info, VTermPos pos, void *user)
    {
        auto &self = *static_cast<VtParser *>(user);
        if (self.m_muted)
            return 1;
        const int width = info->width;
        if (self.m_inText) {
            Callbacks &at = *self.m_callbacks;
            if (at.pending || at.column + width > self.m_screen.columns()) {
                // A wrap that scrolled was seen there, before its row moved.
                if (!self.m_scrolledInText)
                    self.m_screen.markWrapped(at.row);
            }
            self.m_scrolledInText = false;
            at.row = pos.row;
            const bool full = pos.col + width >= self.m_screen.columns();
            at.column = full ? pos.col : pos.col + width;
            at.pending = full && self.m_autowrap;
        }
        self.m_screen.put(pos.row, pos.col, info->chars[0], width, self.m_pen);
        return 1;
    }

    static int scrollRect(VTermRect rect, int downward, int rightward, void *user)
    {
        auto &self = *static_cast<VtParser *>(user);
        if (self.m_muted)
            return 1;
        if (self.m_inText && downward == 1 && rightward == 0) {
            self.m_screen.markWrapped(rect.end_row - 1);
            self.m_scrolledInText = true;
        }
        self.m_screen.scroll({rect.start_row, rect.end_row, rect.start_col, rect.end_col}, downward,
                             rightward, self.m_keepScrolled, self.m_pen);
        return 1;
    }

    static int erase(VTermRect rect, int selective, void *user)
    {
        auto &self = *static_cast<VtParser *>(user);
        if (!self.m_muted) {
            self.m_screen.erase({rect.start_row, rect.end_row, rect.start_col, rect.end_col},
                                selective != 0, self.m_pen);
        }
        return 1;
    }

    static int setProperty(VTermProp property, VTermValue *value, void *user)
    {
        auto &self = *static_cast<VtParser *>(user);
        Modes &modes = self.m_modes;
        switch (property) {
        case VTERM_PROP_CURSORVISIBLE:
            modes.cursorVisible = value->boolean;
            break;
        case VTERM_PROP_CURSORBLINK:
            modes.cursorBlink = value->boolean;
            break;
        case VTERM_PROP_CURSORSHAPE:
            modes.cursorShape =
                value->number == VTERM_PROP_CURSORSHAPE_UNDERLINE  ? CursorShape::Underline
                : value->number == VTERM_PROP_CURSORSHAPE_BAR_LEFT ? CursorShape::Bar
                                                                   : CursorShape::Block;
            break;
        case VTERM_PROP_ALTSCREEN:
            self.m_screen.setAlternate(value->boolean);
            break;
        case VTERM_PROP_REVERSE:
            if (modes.reverseScreen != static_cast<bool>(value->boolean))
                self.m_screen.markAllDirty();
            modes.reverseScreen = value->boolean;
            break;
        case VTERM_PROP_MOUSE:
            modes.mouse = value->number == VTERM_PROP_MOUSE_CLICK  ? Mouse::Click
                          : value->number == VTERM_PROP_MOUSE_DRAG ? Mouse::Drag
                          : value->number == VTERM_PROP_MOUSE_MOVE ? Mouse::Move
                                                                   : Mouse::None;
            break;
        default: // titles and, in newer versions, focus reports: this class sees to them itself
            break;
        }
        return 1;
    }
};

VtParser::VtParser(TerminalScreen &screen, VtListener &listener)
    : m_screen(screen)
    , m_listener(listener)
    , m_vt(vterm_new(screen.rows(), screen.columns()), &vterm_free)
    , m_callbacks(std::make_unique<Callbacks>())
    , m_regionBottom(screen.rows())
{
    vterm_set_utf8(m_vt.get(), 1);
    vterm_output_set_callback(
        m_vt.get(),
        [](const char *bytes, size_t length, void *user) {
            static_cast<VtParser *>(user)->m_listener.vtReply(
                QByteArray(bytes, static_cast<qsizetype>(length)));
        },
        this);
    m_vtState = vterm_obtain_state(m_vt.get());
    vterm_state_set_callbacks(m_vtState, &m_callbacks->table, this);
    vterm_state_reset(m_vtState, 1);
    m_tabStops.assign(static_cast<std::size_t>(screen.columns()), false);
    for (std::size_t i = 0; i < m_tabStops.size(); i += 8)
        m_tabStops[i] = true;
    updateFast();
}

VtParser::~VtParser() = default;

void VtParser::setFastPaths(bool on)
{
    m_fastPaths = on;
    updateFast();
}

void VtParser::updateFast()
{
    m_fastText = m_fastPaths && !m_insert && m_charsets[static_cast<std::size_t>(m_shift)] == 'B';
}

// ---- Tokenizer ----

void VtParser::feed(const char *bytes, std::size_t length)
{
    const Modes before = m_modes;
    const char *at = bytes;
    const char *const end = bytes + length;
    if (m_tailLength > 0 && at != end) {
        // Finish the character that the last input cut: it needs at most three bytes more.
        char joined[8];
        const auto old = static_cast<std::size_t>(m_tailLength);
        const std::size_t taken = std::min<std::size_t>(length, sizeof joined - old);
        std::memcpy(joined, m_tail, old);
        std::memcpy(joined + old, at, taken);
        char32_t cp = 0;
        const int used = decodeUtf8(joined, joined + old + taken, cp);
        if (used == 0) {
            std::memcpy(m_tail + old, at,
                        taken); // at most three bytes in all, or it had been finished
            m_tailLength += static_cast<int>(taken);
            return;
        }
        // A wrong part may end inside the old bytes only before its last: what remains of them is
        // never there, because each of them was accepted as a continuation.
        m_tailLength = 0;
        character(cp);
        at += std::max(0, used - static_cast<int>(old));
    }
    while (at != end) {
        switch (m_state) {
        case State::Ground:
            at = ground(at, end);
            break;
        case State::Escape:
            escapeByte(static_cast<unsigned char>(*at));
            if (m_state != State::Ground || static_cast<unsigned char>(*at) < 0x80)
                ++at;
            break;
        case State::Csi:
            at = csiBytes(at, end);
            break;
        case State::Osc:
        case State::Dcs:
        case State::Ignored:
            at = stringBytes(at, end);
            break;
        }
    }
    if (m_modes != before)
        m_listener.vtModesChanged();
}

const char *VtParser::ground(const char *at, const char *end)
{
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t high = 0x8080808080808080;
    while (at != end) {
        const auto c = static_cast<unsigned char>(*at);
        if (c >= 0x20 && c < 0x7f) {
            const char *stop = at + 1;
            while (end - stop >= 8) {
                std::uint64_t word = 0;
                std::memcpy(&word, stop, sizeof word);
                const std::uint64_t del = word ^ (ones * 0x7f);
                // Any byte below 0x20, above 0x7f, or 0x7f itself?
                if ((word & high) || ((word - ones * 0x20) & ~word & high)
                    || ((del - ones) & ~del & high))
                    break;
                stop += 8;
            }
            while (stop != end && static_cast<unsigned char>(*stop) >= 0x20
                   && static_cast<unsigned char>(*stop) < 0x7f)
                ++stop;
            asciiText(at, static_cast<int>(stop - at));
            at = stop;
        } else if (c == 0x1b) {
            m_state = State::Escape;
            m_intermediate = 0;
            return at + 1;
        } else if (c < 0x20) {
            control(c);
            ++at;
        } else if (c == 0x7f) {
            ++at;
        } else {
            at = unicode(at, end);
        }
    }
    return at;
}

const char *VtParser::unicode(const char *at, const char *end)
{
    while (at != end && static_cast<unsigned char>(*at) >= 0x80) {
        char32_t cp = 0;
        const int used = decodeUtf8(at, end, cp);
        if (used == 0) {
            m_tailLength = static_cast<int>(end - at);
            std::memcpy(m_tail, at, static_cast<std::size_t>(m_tailLength));
            return end;
        }
        character(cp);
        at += used;
    }
    return at;
}

void VtParser::control(unsigned char c)
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    switch (c) {
    case 0x07:
        m_listener.vtBell();
        return;
    case 0x08:
        if (m_fastPaths) {
            if (cursor.column > 0) {
                --cursor.column;
                cursor.wrapPending = false;
            }
            return;
        }
        break;
    case 0x09:
        if (m_fastPaths) {
            tabForward(1);
            return;
        }
        break;
    case 0x0a:
    case 0x0b:
    case 0x0c:
        if (m_fastPaths) {
            const int row = cursor.row;
            lineFeed();
            if (row != cursor.row)
                cursor.wrapPending = false;
            if (m_newline && cursor.column != 0) {
                cursor.column = 0;
                cursor.wrapPending = false;
            }
            return;
        }
        break;
    case 0x0d:
        if (m_fastPaths) {
            if (cursor.column != 0) {
                cursor.column = 0;
                cursor.wrapPending = false;
            }
            return;
        }
        break;
    case 0x0e:
    case 0x0f:
        m_shift = c == 0x0e ? 1 : 0;
        updateFast();
        break;
    default:
        return;
    }
    const char byte = static_cast<char>(c);
    forward(&byte, 1, WrapPending::Keep);
}

void VtParser::tabForward(int steps)
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    while (steps > 0 && cursor.column < m_screen.columns() - 1) {
        ++cursor.column;
        cursor.wrapPending = false;
        if (m_tabStops[static_cast<std::size_t>(cursor.column)])
            --steps;
    }
}

void VtParser::escapeByte(unsigned char c)
{
    if (c == 0x1b) {
        m_intermediate = 0;
        return;
    }
    if (c == 0x18 || c == 0x1a) {
        m_state = State::Ground;
        return;
    }
    if (c < 0x20) {
        control(c);
        return;
    }
    if (c == 0x7f)
        return;
    if (c >= 0x80) {
        m_state = State::Ground; // not ours: the byte is looked at again as text
        return;
    }
    if (c < 0x30) {
        m_intermediate = m_intermediate ? '?' : static_cast<char>(c); // '?' matches nothing below
        return;
    }
    m_state = State::Ground;
    if (m_intermediate) {
        escape(static_cast<char>(c));
        return;
    }
    switch (c) {
    case '[':
        m_state = State::Csi;
        m_parameterCount = 0;
        m_leader = 0;
        m_csiInvalid = false;
        break;
    case ']':
        startString(State::Osc);
        break;
    case 'P':
        startString(State::Dcs);
        break;
    case 'X':
    case '^':
    case '_':
        startString(State::Ignored);
        break;
    default:
        escape(static_cast<char>(c));
        break;
    }
}

const char *VtParser::csiBytes(const char *at, const char *end)
{
    while (at != end) {
        const auto c = static_cast<unsigned char>(*at);
        if (c >= '0' && c <= '9') {
            if (m_intermediate)
                m_csiInvalid = true;
            if (m_parameterCount == 0) {
                m_parameterCount = 1;
                m_parameters[0] = missing;
                m_sub[0] = false;
            }
            int &value = m_parameters[static_cast<std::size_t>(m_parameterCount - 1)];
            value = std::min((value < 0 ? 0 : value) * 10 + (c - '0'), maxNumber);
        } else if (c == ';' || c == ':') {
            if (m_parameterCount == 0) {
                m_parameterCount = 1;
                m_parameters[0] = missing;
                m_sub[0] = false;
            }
            if (m_parameterCount < static_cast<int>(m_parameters.size())) {
                m_parameters[static_cast<std::size_t>(m_parameterCount)] = missing;
                m_sub[static_cast<std::size_t>(m_parameterCount)] = c == ':';
                ++m_parameterCount;
            } else {
                m_csiInvalid = true; // more than any real program sends
            }
        } else if (c >= 0x40 && c < 0x7f) {
            m_state = State::Ground;
            if (!m_csiInvalid)
                csi(static_cast<char>(c));
            return at + 1;
        } else if (c >= 0x3c && c <= 0x3f) {
            if (m_parameterCount || m_leader || m_intermediate)
                m_csiInvalid = true;
            m_leader = static_cast<char>(c);
        } else if (c >= 0x20 && c <= 0x2f) {
            if (m_intermediate)
                m_csiInvalid = true;
            m_intermediate = static_cast<char>(c);
        } else if (c == 0x1b) {
            m_state = State::Escape;
            m_intermediate = 0;
            return at + 1;
        } else if (c == 0x18 || c == 0x1a) {
            m_state = State::Ground;
            return at + 1;
        } else if (c < 0x20) {
            control(c);
        } else if (c >= 0x80) {
            m_state = State::Ground;
            return at;
        }
        ++at;
    }
    return at;
}

void VtParser::startString(State state)
{
    m_state = state;
    m_string.clear();
    m_stringEscape = false;
}

const char *VtParser::stringBytes(const char *at, const char *end)
{
    while (at != end) {
        const auto c = static_cast<unsigned char>(*at);
        if (m_stringEscape) {
            m_stringEscape = false;
            if (c == '\\') {
                endString();
                return at + 1;
            }
            m_state = State::Escape; // any other escape sequence ends the string unheard
            m_intermediate = 0;
            return at;
        }
        if (c == 0x1b) {
            m_stringEscape = true;
        } else if (c == 0x07 && m_state == State::Osc) {
            endString();
            return at + 1;
        } else if (c == 0x18 || c == 0x1a) {
            m_state = State::Ground;
            return at + 1;
        } else if (c >= 0x20 && c != 0x7f && m_state != State::Ignored
                   && m_string.size() <= maxString) {
            m_string.push_back(static_cast<char>(c));
        }
        ++at;
    }
    return at;
}

void VtParser::endString()
{
    const State kind = std::exchange(m_state, State::Ground);
    if (m_string.size() <= maxString) {
        if (kind == State::Osc)
            osc();
        else if (kind == State::Dcs)
            dcs();
    }
    m_string.clear();
    if (m_string.capacity() > 512)
        m_string.shrink_to_fit();
}

// ---- Text ----

void VtParser::asciiText(const char *text, int length)
{
    m_lastCharacter = static_cast<unsigned char>(text[length - 1]);
    if (m_singleShift) {
        forwardSingleShift();
        slowText(text, 1);
        ++text;
        --length;
    }
    if (!m_fastText) {
        if (length > 0)
            slowText(text, length);
        return;
    }
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    const int columns = m_screen.columns();
    while (length > 0) {
        if (cursor.wrapPending)
            wrap();
        const int fits = std::min(length, columns - cursor.column);
        m_screen.putAscii(cursor.row, cursor.column, text, fits, m_pen);
        cursor.column += fits;
        if (cursor.column >= columns) {
            cursor.column = columns - 1;
            cursor.wrapPending = m_autowrap;
        }
        text += fits;
        length -= fits;
    }
}

void VtParser::character(char32_t cp)
{
    if (cp < 0xa0)
        return; // C1 controls written as UTF-8: no program means them, and none of them is harmless
    const int width = characterWidth(cp);
    if (width == 0) {
        m_screen.combine(cp);
        return;
    }
    m_lastCharacter = cp;
    if (m_fastText && !m_singleShift) {
        fastCharacter(cp, width);
        return;
    }
    if (m_singleShift)
        forwardSingleShift();
    std::string bytes;
    appendUtf8(bytes, cp);
    slowText(bytes.data(), static_cast<int>(bytes.size()));
}

void VtParser::fastCharacter(char32_t cp, int width)
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    const int columns = m_screen.columns();
    if (cursor.wrapPending || cursor.column + width > columns)
        wrap();
    m_screen.put(cursor.row, cursor.column, cp, width, m_pen);
    if (cursor.column + width >= columns)
        cursor.wrapPending = m_autowrap;
    else
        cursor.column += width;
}

void VtParser::wrap()
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    m_screen.markWrapped(cursor.row);
    lineFeed();
    cursor.column = 0;
    cursor.wrapPending = false;
}

void VtParser::lineFeed()
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    if (cursor.row == m_regionBottom - 1)
        m_screen.scroll({m_regionTop, m_regionBottom, 0, m_screen.columns()}, 1, 0, true, m_pen);
    else if (cursor.row < m_screen.rows() - 1)
        ++cursor.row;
}

void VtParser::forwardSingleShift()
{
    // Not before now: levelling the cursors may write a character, which would use it up.
    const char sequence[2] = {'\x1b', std::exchange(m_singleShift, '\0')};
    forward(sequence, sizeof sequence, WrapPending::Keep);
}

void VtParser::slowText(const char *text, int length)
{
    syncToVterm();
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    Callbacks &at = *m_callbacks;
    at.row = cursor.row;
    at.column = cursor.column;
    at.pending = cursor.wrapPending;
    m_inText = true;
    m_scrolledInText = false;
    // libvterm keeps a decoded copy of each write on the stack.
    constexpr int chunk = 512;
    while (length > 0) {
        const int part = std::min(length, chunk);
        vterm_input_write(m_vt.get(), text, static_cast<std::size_t>(part));
        text += part;
        length -= part;
    }
    m_inText = false;
    VTermPos pos{};
    vterm_state_get_cursorpos(m_vtState, &pos);
    cursor = {pos.row, pos.col, at.pending};
    m_vtCursor = cursor;
}

// ---- libvterm ----

void VtParser::syncToVterm()
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    if (m_vtCursor == cursor)
        return;
    m_muted = true;
    char sequence[40];
    const int row = cursor.row - (m_origin ? m_regionTop : 0);
    const int length =
        std::snprintf(sequence, sizeof sequence, "\x1b[%d;%dH", row + 1, cursor.column + 1);
    vterm_input_write(m_vt.get(), sequence, static_cast<std::size_t>(length));
    if (cursor.wrapPending) {
        // There is no request for "at the end, about to wrap" but writing the last character again,
        // with wrapping on.
        std::string again = m_autowrap ? "" : "\x1b[?7h";
        again += cursor.column == m_screen.columns() - 1 ? " " : "\xe3\x81\x82";
        if (!m_autowrap)
            again += "\x1b[?7l";
        vterm_input_write(m_vt.get(), again.data(), again.size());
    }
    m_muted = false;
    VTermPos pos{};
    vterm_state_get_cursorpos(m_vtState, &pos);
    cursor.row = pos.row; // in origin mode libvterm may have kept it inside the margins
    cursor.column = pos.col;
    m_vtCursor = cursor;
}

void VtParser::forward(const char *bytes, std::size_t length, WrapPending wrapPending)
{
    syncToVterm();
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    vterm_input_write(m_vt.get(), bytes, length);
    VTermPos pos{};
    vterm_state_get_cursorpos(m_vtState, &pos);
    // libvterm forgets a pending wrap when the cursor moved, and on movements even if it did not.
    const bool moved = pos.row != cursor.row || pos.col != cursor.column;
    cursor.wrapPending = cursor.wrapPending && !moved && wrapPending == WrapPending::Keep;
    cursor.row = pos.row;
    cursor.column = pos.col;
    m_vtCursor = cursor;
}

void VtParser::forwardPen()
{
    // Only libvterm's answer to "which attributes are set" needs them; its own drawing never does.
    std::string out = "\x1b[0";
    const std::uint16_t attrs = m_pen.attrs;
    if (attrs & attr::Bold)
        out += ";1";
    if (attrs & attr::Italic)
        out += ";3";
    switch (m_pen.underline()) {
    case Underline::None:
        break;
    case Underline::Double:
        out += ";21";
        break;
    case Underline::Single:
    case Underline::Curly:
    case Underline::Dotted:
    case Underline::Dashed:
        out += ";4";
        break;
    }
    if (attrs & attr::Blink)
        out += ";5";
    if (attrs & attr::Reverse)
        out += ";7";
    if (attrs & attr::Strike)
        out += ";9";
    const auto color = [&out](CellColor value, int base) {
        if (value == cellcolor::Default)
            return;
        out += ';' + std::to_string(base);
        if ((value & cellcolor::TagMask) == cellcolor::IndexedTag) {
            out += ":5:" + std::to_string(value & 0xff);
        } else {
            out += ":2:" + std::to_string(value >> 16 & 0xff) + ':'
                   + std::to_string(value >> 8 & 0xff) + ':' + std::to_string(value & 0xff);
        }
    };
    color(m_pen.fg, 38);
    color(m_pen.bg, 48);
    forward(out + 'm');
}

// ---- CSI ----

int VtParser::parameter(int at, int fallback) const
{
    if (at >= m_parameterCount || m_parameters[static_cast<std::size_t>(at)] == missing)
        return fallback;
    return m_parameters[static_cast<std::size_t>(at)];
}

int VtParser::count(int at) const
{
    return std::max(1, parameter(at, 1));
}

void VtParser::forwardCsi(char final)
{
    std::string out = "\x1b[";
    if (m_leader)
        out += m_leader;
    const int parameters = std::min(m_parameterCount, maxParameters - 1);
    for (int i = 0; i < parameters; ++i) {
        if (i > 0)
            out += ';';
        if (m_parameters[static_cast<std::size_t>(i)] != missing)
            out += std::to_string(m_parameters[static_cast<std::size_t>(i)]);
    }
    if (m_intermediate)
        out += m_intermediate;
    out += final;
    const bool movement = !m_leader && !m_intermediate && std::strchr("ABCDEFGH`adefjk", final);
    m_keepScrolled = final != 'M'; // deleted lines are gone, scrolled ones are history
    forward(out, movement ? WrapPending::Clear : WrapPending::Keep);
    m_keepScrolled = true;
}

void VtParser::csi(char final)
{
    if (m_leader == 0 && m_intermediate == 0) {
        switch (final) {
        case 'm':
            sgr();
            return;
        case 'J':
            if (parameter(0, 0) == 3) {
                m_screen.clearScrollback();
                return;
            }
            break;
        case 'b': {
            // Repeat: libvterm would loop forever if nothing had been written yet.
            const int limit = m_screen.columns() * m_screen.rows();
            const char32_t cp = m_lastCharacter;
            for (int n = std::min(count(0), limit); n > 0 && cp; --n) {
                const char byte = static_cast<char>(cp);
                if (cp < 0x80)
                    asciiText(&byte, 1);
                else
                    character(cp);
            }
            return;
        }
        case 's':
            saveCursor(); // libvterm takes it for margins, which need a mode that is not offered
            return;
        case 'u':
            restoreCursor();
            return;
        case 't':
            windowOperation();
            return;
        case 'h':
        case 'l':
            for (int i = 0; i < m_parameterCount; ++i)
                setAnsiMode(parameter(i, missing), final == 'h');
            return;
        case 'r': {
            const int rows = m_screen.rows();
            int top = std::min(count(0) - 1, rows);
            int bottom = std::min(parameter(1, 0) == 0 ? rows : parameter(1, 0), rows);
            if (bottom <= top) {
                top = 0;
                bottom = rows;
            }
            m_regionTop = top;
            m_regionBottom = bottom;
            forward("\x1b[" + std::to_string(top + 1) + ';' + std::to_string(bottom) + 'r');
            return;
        }
        case 'g':
            if (parameter(0, 0) == 0)
                m_tabStops[static_cast<std::size_t>(m_screen.cursor.column)] = false;
            else if (parameter(0, 0) == 3 || parameter(0, 0) == 5)
                std::fill(m_tabStops.begin(), m_tabStops.end(), false);
            break;
        default:
            break;
        }
        if (m_fastPaths && !m_origin && fastCsi(final))
            return;
    } else if (m_leader == '?' && m_intermediate == 0) {
        if (final == 'h' || final == 'l') {
            for (int i = 0; i < m_parameterCount; ++i)
                setMode(parameter(i, missing), final == 'h');
            return;
        }
        if (final != 'J' && final != 'K' && final != 'n')
            return;
    } else if (m_leader == '?' && m_intermediate == '$') {
        if (final == 'p')
            requestMode(parameter(0, 0));
        return;
    } else if (m_leader == 0 && m_intermediate == '!') {
        if (final == 'p')
            softReset();
        return;
    } else if (m_leader == 0 && m_intermediate == '"') {
        if (final != 'q')
            return;
        if (parameter(0, 0) == 1)
            m_pen.attrs |= attr::Protected;
        else
            m_pen.attrs &= static_cast<std::uint16_t>(~attr::Protected);
    } else if (m_leader == '>' && m_intermediate == 0) {
        if (final != 'c')
            return;
    } else if (!(m_leader == 0 && (m_intermediate == ' ' || m_intermediate == '\''))) {
        return;
    }
    forwardCsi(final);
}

bool VtParser::fastCsi(char final)
{
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    const int columns = m_screen.columns();
    const int rows = m_screen.rows();
    const auto moveTo = [&](int row, int column) {
        cursor.row = std::clamp(row, 0, rows - 1);
        cursor.column = std::clamp(column, 0, columns - 1);
        cursor.wrapPending = false;
    };
    const bool inRegion = cursor.row >= m_regionTop && cursor.row < m_regionBottom;
    switch (final) {
    case 'A':
    case 'k':
        moveTo(cursor.row - count(0), cursor.column);
        return true;
    case 'B':
    case 'e':
        moveTo(cursor.row + count(0), cursor.column);
        return true;
    case 'C':
    case 'a':
        moveTo(cursor.row, cursor.column + count(0));
        return true;
    case 'D':
    case 'j':
        moveTo(cursor.row, cursor.column - count(0));
        return true;
    case 'E':
        moveTo(cursor.row + count(0), 0);
        return true;
    case 'F':
        moveTo(cursor.row - count(0), 0);
        return true;
    case 'G':
    case '`':
        moveTo(cursor.row, parameter(0, 1) - 1);
        return true;
    case 'H':
    case 'f':
        moveTo(parameter(0, 1) - 1, parameter(1, 1) - 1);
        return true;
    case 'd':
        moveTo(parameter(0, 1) - 1, cursor.column);
        return true;
    case 'J':
        switch (parameter(0, 0)) {
        case 0:
            erasePen({cursor.row, cursor.row + 1, cursor.column, columns});
            erasePen({cursor.row + 1, rows, 0, columns});
            break;
        case 1:
            erasePen({0, cursor.row, 0, columns});
            erasePen({cursor.row, cursor.row + 1, 0, cursor.column + 1});
            break;
        case 2:
            erasePen({0, rows, 0, columns});
            break;
        default:
            break;
        }
        return true;
    case 'K':
        switch (parameter(0, 0)) {
        case 0:
            erasePen({cursor.row, cursor.row + 1, cursor.column, columns});
            break;
        case 1:
            erasePen({cursor.row, cursor.row + 1, 0, cursor.column + 1});
            break;
        case 2:
            erasePen({cursor.row, cursor.row + 1, 0, columns});
            break;
        default:
            break;
        }
        return true;
    case 'X':
        erasePen({cursor.row, cursor.row + 1, cursor.column, cursor.column + count(0)});
        return true;
    case 'L':
    case 'M':
        if (inRegion) {
            m_screen.scroll({cursor.row, m_regionBottom, 0, columns},
                            final == 'L' ? -count(0) : count(0), 0, false, m_pen);
        }
        return true;
    case '@':
    case 'P':
        if (inRegion) {
            m_screen.scroll({cursor.row, cursor.row + 1, cursor.column, columns}, 0,
                            final == '@' ? -count(0) : count(0), false, m_pen);
        }
        return true;
    case 'S':
    case 'T':
        m_screen.scroll({m_regionTop, m_regionBottom, 0, columns},
                        final == 'S' ? count(0) : -count(0), 0, true, m_pen);
        return true;
    default:
        return false;
    }
}

int VtParser::extendedColor(int at, CellColor &color) const
{
    // Returns how many parameters after `at` belong to the colour. Two spellings: 38;5;n and
    // 38:5:n, 38;2;r;g;b and 38:2:<space>:r:g:b with the colour space often left out.
    const auto value = [this](int i) {
        return static_cast<std::uint32_t>(std::max(0, parameter(i, 0)));
    };
    if (at + 1 < m_parameterCount && m_sub[static_cast<std::size_t>(at + 1)]) {
        int end = at + 1;
        while (end < m_parameterCount && m_sub[static_cast<std::size_t>(end)])
            ++end;
        const int parts = end - at - 1;
        if (parameter(at + 1, 0) == 5 && parts >= 2) {
            color = cellcolor::indexed(value(at + 2));
        } else if (parameter(at + 1, 0) == 2 && parts >= 4) {
            const int first = parts >= 5 ? at + 3 : at + 2;
            color = cellcolor::rgb(value(first), value(first + 1), value(first + 2));
        }
        return parts;
    }
    if (parameter(at + 1, 0) == 5) {
        if (at + 2 < m_parameterCount)
            color = cellcolor::indexed(value(at + 2));
        return 2;
    }
    if (parameter(at + 1, 0) == 2) {
        if (at + 4 < m_parameterCount)
            color = cellcolor::rgb(value(at + 2), value(at + 3), value(at + 4));
        return 4;
    }
    return 1;
}

void VtParser::sgr()
{
    std::uint16_t &attrs = m_pen.attrs;
    const auto set = [&attrs](std::uint16_t bit) { attrs |= bit; };
    const auto unset = [&attrs](std::uint16_t bits) { attrs &= static_cast<std::uint16_t>(~bits); };
    const auto underline = [&](Underline kind) {
        unset(attr::UnderlineMask);
        set(static_cast<std::uint16_t>(static_cast<unsigned>(kind) << attr::UnderlineShift));
    };
    if (m_parameterCount == 0) {
        attrs &= attr::Protected;
        m_pen.fg = m_pen.bg = cellcolor::Default;
        return;
    }
    for (int i = 0; i < m_parameterCount; ++i) {
        if (m_sub[static_cast<std::size_t>(i)])
            continue; // belongs to a parameter that did not want it
        const int value = parameter(i, 0);
        const bool hasSub = i + 1 < m_parameterCount && m_sub[static_cast<std::size_t>(i + 1)];
        switch (value) {
        case 0:
            attrs &= attr::Protected;
            m_pen.fg = m_pen.bg = cellcolor::Default;
            break;
        case 1:
            set(attr::Bold);
            break;
        case 2:
            set(attr::Dim);
            break;
        case 3:
            set(attr::Italic);
            break;
        case 4: {
            const int kind = hasSub ? parameter(i + 1, 1) : 1;
            underline(kind >= 0 && kind <= 5 ? static_cast<Underline>(kind) : Underline::Single);
            break;
        }
        case 5:
        case 6:
            set(attr::Blink);
            break;
        case 7:
            set(attr::Reverse);
            break;
        case 8:
            set(attr::Conceal);
            break;
        case 9:
            set(attr::Strike);
            break;
        case 21:
            underline(Underline::Double);
            break;
        case 22:
            unset(attr::Bold | attr::Dim);
            break;
        case 23:
            unset(attr::Italic);
            break;
        case 24:
            unset(attr::UnderlineMask);
            break;
        case 25:
            unset(attr::Blink);
            break;
        case 27:
            unset(attr::Reverse);
            break;
        case 28:
            unset(attr::Conceal);
            break;
        case 29:
            unset(attr::Strike);
            break;
        case 38:
            i += extendedColor(i, m_pen.fg);
            break;
        case 39:
            m_pen.fg = cellcolor::Default;
            break;
        case 48:
            i += extendedColor(i, m_pen.bg);
            break;
        case 49:
            m_pen.bg = cellcolor::Default;
            break;
        case 58: {
            CellColor unused = 0; // the underline's own colour: drawn in the text's
            i += extendedColor(i, unused);
            break;
        }
        default:
            if (value >= 30 && value <= 37)
                m_pen.fg = cellcolor::indexed(static_cast<std::uint32_t>(value - 30));
            else if (value >= 40 && value <= 47)
                m_pen.bg = cellcolor::indexed(static_cast<std::uint32_t>(value - 40));
            else if (value >= 90 && value <= 97)
                m_pen.fg = cellcolor::indexed(static_cast<std::uint32_t>(value - 90 + 8));
            else if (value >= 100 && value <= 107)
                m_pen.bg = cellcolor::indexed(static_cast<std::uint32_t>(value - 100 + 8));
            break;
        }
    }
}

void VtParser::setAnsiMode(int mode, bool on)
{
    if (mode == 4)
        m_insert = on;
    else if (mode == 20)
        m_newline = m_modes.keys.newline = on;
    else
        return;
    updateFast();
    forward("\x1b[" + std::to_string(mode) + (on ? 'h' : 'l'));
}

void VtParser::setMode(int mode, bool on)
{
    const auto pass = [this, on](int number) {
        forward("\x1b[?" + std::to_string(number) + (on ? 'h' : 'l'));
    };
    switch (mode) {
    case 1:
        m_modes.keys.applicationCursor = on;
        pass(mode);
        break;
    case 6:
        // Level the cursors while both still count from the same origin.
        syncToVterm();
        m_origin = on;
        pass(mode);
        break;
    case 7:
        pass(mode);
        m_autowrap = on;
        break;
    case 5:
    case 12:
    case 25:
    case 1000:
    case 1002:
    case 1003:
    case 1005:
    case 1006:
    case 1015:
        pass(mode);
        break;
    case 66:
        m_modes.keys.applicationKeypad = on;
        break;
    case 1004:
        m_modes.focusReports = on;
        pass(mode);
        break;
    case 1007:
        m_modes.alternateScroll = on;
        break;
    case 1048:
        if (on)
            saveCursor();
        else
            restoreCursor();
        break;
    case 47:
    case 1047:
        if (on != m_screen.isAlternate())
            pass(1047);
        break;
    case 1049:
        if (on == m_screen.isAlternate())
            break;
        if (on)
            saveCursor();
        pass(1047);
        if (!on)
            restoreCursor();
        break;
    case 2004:
        m_modes.bracketedPaste = on;
        pass(mode);
        break;
    case 2026:
        m_modes.synchronized = on;
        break;
    default:
        break; // 69 among them: left and right margins are not offered
    }
}

void VtParser::requestMode(int mode)
{
    const auto answer = [&](bool on) { reply("\x1b[?%d;%d$y", mode, on ? 1 : 2); };
    switch (mode) {
    case 47:
    case 1047:
    case 1049:
        answer(m_screen.isAlternate());
        break;
    case 66:
        answer(m_modes.keys.applicationKeypad);
        break;
    case 1007:
        answer(m_modes.alternateScroll);
        break;
    case 2026:
        answer(m_modes.synchronized);
        break;
    case 69:
        reply("\x1b[?69;0$y");
        break;
    default:
        forward("\x1b[?" + std::to_string(mode) + "$p");
        break;
    }
}

void VtParser::windowOperation()
{
    switch (parameter(0, 0)) {
    case 14:
        reply("\x1b[4;%d;%dt", m_screen.rows() * m_cellHeight, m_screen.columns() * m_cellWidth);
        break;
    case 16:
        reply("\x1b[6;%d;%dt", m_cellHeight, m_cellWidth);
        break;
    case 18:
        reply("\x1b[8;%d;%dt", m_screen.rows(), m_screen.columns());
        break;
    case 22:
        if (m_titleStack.size() < maxTitleStack)
            m_titleStack.push_back(m_title);
        break;
    case 23:
        if (!m_titleStack.empty()) {
            m_title = m_titleStack.back();
            m_titleStack.pop_back();
            m_listener.vtTitleChanged(m_title);
        }
        break;
    default:
        break; // moving, raising and reading the title of the window are not a program's business
    }
}

// ---- ESC ----

void VtParser::designate(int set, char charset)
{
    // The sets libvterm knows; others leave the present one in place, as there.
    if (charset != '0' && charset != 'A' && charset != 'B')
        return;
    m_charsets[static_cast<std::size_t>(set)] = charset;
    updateFast();
    forward(std::string("\x1b") + static_cast<char>('(' + set) + charset);
}

void VtParser::escape(char final)
{
    if (m_intermediate) {
        if (m_intermediate >= '(' && m_intermediate <= '+')
            designate(m_intermediate - '(', final);
        else if (m_intermediate == '#' && final == '8')
            forward("\x1b#8");
        return;
    }
    switch (final) {
    case '7':
        saveCursor();
        break;
    case '8':
        restoreCursor();
        break;
    case '=':
    case '>':
        m_modes.keys.applicationKeypad = final == '=';
        forward(std::string("\x1b") + final);
        break;
    case 'c':
        fullReset();
        break;
    case 'D':
    case 'E':
    case 'M':
        forward(std::string("\x1b") + final);
        break;
    case 'H':
        m_tabStops[static_cast<std::size_t>(m_screen.cursor.column)] = true;
        forward("\x1bH");
        break;
    case 'N':
    case 'O':
        m_singleShift = final;
        break;
    case 'n':
    case 'o':
        m_shift = final == 'n' ? 2 : 3;
        updateFast();
        forward(std::string("\x1b") + final);
        break;
    default:
        break;
    }
}

void VtParser::saveCursor()
{
    SavedCursor &saved = m_screen.isAlternate() ? m_savedAlternate : m_savedPrimary;
    saved = {m_screen.cursor, m_pen, m_charsets, m_shift, m_origin};
}

void VtParser::restoreCursor()
{
    const SavedCursor saved = m_screen.isAlternate() ? m_savedAlternate : m_savedPrimary;
    for (int i = 0; i < 4; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (m_charsets[at] != saved.charsets[at])
            designate(i, saved.charsets[at]);
    }
    if (m_shift != saved.shift) {
        m_shift = saved.shift;
        updateFast();
        static const std::array<const char *, 4> shifts{"\x0f", "\x0e", "\x1bn", "\x1bo"};
        forward(shifts[static_cast<std::size_t>(m_shift)]);
    }
    if (m_origin != saved.origin)
        setMode(6, saved.origin);
    m_pen = saved.pen;
    TerminalScreen::Cursor &cursor = m_screen.cursor;
    cursor.row = std::min(saved.cursor.row, m_screen.rows() - 1);
    if (m_origin)
        cursor.row = std::clamp(cursor.row, m_regionTop, m_regionBottom - 1);
    cursor.column = std::min(saved.cursor.column, m_screen.columns() - 1);
    cursor.wrapPending =
        saved.cursor.wrapPending && m_autowrap && cursor.column >= m_screen.columns() - 2;
}

void VtParser::fullReset()
{
    softReset();
    setMode(1047, false);
    for (const int mode : {5, 1000, 1005, 1006, 1015, 1004, 2004})
        setMode(mode, false);
    m_modes.synchronized = false;
    m_modes.alternateScroll = true;
    m_savedPrimary = m_savedAlternate = {};
    for (std::size_t i = 0; i < m_tabStops.size(); ++i)
        m_tabStops[i] = i % 8 == 0;
    m_lastCharacter = 0;
    forward("\x1b"
            "c",
            WrapPending::Clear);
}

void VtParser::softReset()
{
    const TerminalScreen::Cursor cursor = m_screen.cursor;
    m_pen = {};
    setAnsiMode(4, false);
    setAnsiMode(20, false);
    setMode(6, false);
    setMode(7, true);
    setMode(1, false);
    setMode(25, true);
    m_regionTop = 0;
    m_regionBottom = m_screen.rows();
    forward("\x1b[r\x1b>\x1b[0\"q\x1b[0 q\x0f");
    m_modes.keys.applicationKeypad = false;
    m_shift = 0;
    m_singleShift = 0;
    for (int i = 0; i < 4; ++i)
        designate(i, 'B');
    (m_screen.isAlternate() ? m_savedAlternate : m_savedPrimary) = {};
    m_screen.cursor = cursor;
}

void VtParser::resetModes()
{
    const Modes before = m_modes;
    m_state = State::Ground;
    m_tailLength = 0;
    m_string.clear();
    setMode(1049, false);
    softReset();
    for (const int mode : {5, 1000, 1005, 1006, 1015, 1004, 2004, 2026})
        setMode(mode, false);
    m_modes.alternateScroll = true;
    m_titleStack.clear();
    if (m_modes != before)
        m_listener.vtModesChanged();
}

void VtParser::endSynchronized()
{
    m_modes.synchronized = false;
}

// ---- Strings ----

void VtParser::osc()
{
    const char *text = m_string.data();
    std::size_t at = 0;
    int number = 0;
    while (at < m_string.size() && text[at] >= '0' && text[at] <= '9' && number < 10000)
        number = number * 10 + (text[at++] - '0');
    if (at == 0)
        return;
    if (at < m_string.size() && text[at] != ';')
        return;
    at = std::min(at + 1, m_string.size());
    const char *rest = text + at;
    const std::size_t length = m_string.size() - at;
    switch (number) {
    case 0:
    case 2: {
        const QString title = printable(rest, length, maxTitle);
        if (title != m_title) {
            m_title = title;
            m_listener.vtTitleChanged(title);
        }
        break;
    }
    case 4: {
        // Only questions: "4;n;?". Programs do not change the palette that a person chose.
        int index = 0;
        std::size_t i = 0;
        while (i < length && rest[i] >= '0' && rest[i] <= '9' && index < 1000)
            index = index * 10 + (rest[i++] - '0');
        if (i > 0 && length == i + 2 && rest[i] == ';' && rest[i + 1] == '?' && index < 16) {
            char what[16];
            std::snprintf(what, sizeof what, "4;%d", index);
            replyColor(what, m_palette[static_cast<std::size_t>(index)]);
        }
        break;
    }
    case 7: {
        const QUrl url =
            QUrl::fromEncoded(QByteArray(rest, static_cast<qsizetype>(length)), QUrl::StrictMode);
        QString folder = url.path(QUrl::FullyDecoded);
        if (url.scheme() == QLatin1String("file") && folder.startsWith(u'/')) {
            folder.removeIf([](QChar c) { return c.unicode() < 0x20 || c.unicode() == 0x7f; });
            m_listener.vtFolderChanged(folder);
        }
        break;
    }
    case 10:
        if (length == 1 && rest[0] == '?')
            replyColor("10", m_foreground);
        break;
    case 11:
        if (length == 1 && rest[0] == '?')
            replyColor("11", m_background);
        break;
    default:
        break; // 52 among them: a program in a sandbox neither reads nor writes the clipboard
    }
}

void VtParser::dcs()
{
    if (m_string.size() > 64)
        return;
    if (m_string.rfind("$q", 0) == 0) {
        // Only what libvterm knows: its answer to anything else has a wrong format string.
        const std::string what = m_string.substr(2);
        if (what == "m")
            forwardPen();
        if (what == "m" || what == "r" || what == " q" || what == "\"q")
            forward("\x1bP" + m_string + "\x1b\\");
        else
            reply("\x1bP0$r\x1b\\");
    } else if (m_string.rfind("+q", 0) == 0) {
        reply("\x1bP0+r\x1b\\");
    }
}

void VtParser::reply(const char *format, ...)
{
    char buffer[96];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    if (length > 0)
        m_listener.vtReply(
            QByteArray(buffer, std::min(length, static_cast<int>(sizeof buffer) - 1)));
}

void VtParser::replyColor(const char *what, quint32 rgb)
{
    const unsigned red = rgb >> 16 & 0xff;
    const unsigned green = rgb >> 8 & 0xff;
    const unsigned blue = rgb & 0xff;
    reply("\x1b]%s;rgb:%02x%02x/%02x%02x/%02x%02x\x1b\\", what, red, red, green, green, blue, blue);
}

// ---- From the view ----

void VtParser::resize(int columns, int rows)
{
    columns = std::clamp(columns, TerminalScreen::minColumns, TerminalScreen::maxColumns);
    rows = std::clamp(rows, 1, TerminalScreen::maxRows);
    if (columns == m_screen.columns() && rows == m_screen.rows())
        return;
    const TerminalScreen::Cursor before = m_screen.cursor;
    // libvterm keeps margins that lie outside the new size and computes with them.
    forward("\x1b[?6l\x1b[r");
    m_origin = false;
    m_regionTop = 0;
    m_regionBottom = rows;
    m_screen.cursor = before;
    m_screen.resize(columns, rows, &m_savedPrimary.cursor);
    m_savedAlternate.cursor.row = std::min(m_savedAlternate.cursor.row, rows - 1);
    m_savedAlternate.cursor.column = std::min(m_savedAlternate.cursor.column, columns - 1);
    m_savedAlternate.cursor.wrapPending = false;
    m_savedPrimary.origin = m_savedAlternate.origin = false;
    vterm_set_size(m_vt.get(), rows, columns);
    m_vtCursor = {-1, -1, false}; // it is told where it is before its next turn
    const std::size_t old = m_tabStops.size();
    m_tabStops.resize(static_cast<std::size_t>(columns));
    for (std::size_t i = old; i < m_tabStops.size(); ++i)
        m_tabStops[i] = i % 8 == 0;
}

void VtParser::mouseButton(int button, bool pressed, int row, int column,
                           Qt::KeyboardModifiers modifiers)
{
    vterm_mouse_move(m_vt.get(), row, column, vtermModifiers(modifiers));
    vterm_mouse_button(m_vt.get(), button, pressed, vtermModifiers(modifiers));
}

void VtParser::mouseMove(int row, int column, Qt::KeyboardModifiers modifiers)
{
    vterm_mouse_move(m_vt.get(), row, column, vtermModifiers(modifiers));
}

void VtParser::focusChanged(bool focused)
{
    if (m_modes.focusReports)
        m_listener.vtReply(focused ? QByteArrayLiteral("\x1b[I") : QByteArrayLiteral("\x1b[O"));
}

void VtParser::setColors(quint32 foreground, quint32 background,
                         const std::array<quint32, 16> &palette)
{
    m_foreground = foreground;
    m_background = background;
    m_palette = palette;
}

void VtParser::setCellSize(int width, int height)
{
    m_cellWidth = width;
    m_cellHeight = height;
}

} // namespace moru
