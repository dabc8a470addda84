// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/terminal/keyencoder.h"
#include "app/terminal/terminalscreen.h"

#include <QByteArray>
#include <QString>

#include <array>
#include <memory>
#include <string>
#include <vector>

struct VTerm;
struct VTermState;

namespace moru {

/// What the parser tells besides changing the screen. Called while feed() runs: note it, act later.
class VtListener {
public:
    virtual ~VtListener() = default;
    /// Answers to the program's questions and mouse reports: bytes for its input.
    virtual void vtReply(const QByteArray &bytes) = 0;
    virtual void vtTitleChanged(const QString &title) { Q_UNUSED(title) }
    /// Absolute path, as the shell reports it (OSC 7).
    virtual void vtFolderChanged(const QString &folder) { Q_UNUSED(folder) }
    virtual void vtBell() {}
    /// Any of modes() changed.
    virtual void vtModesChanged() {}
};

/// Turns the bytes of a program into changes of a TerminalScreen.
///
/// A tokenizer of our own cuts the stream into text and control sequences; it survives any split of
/// the input and bounds every string. Text, SGR and the common cursor movements go straight to the
/// screen. Everything else goes to libvterm's state layer, which owns the rarer modes, the margins,
/// the character sets, reports and mouse encodings, and answers through callbacks. The two are kept
/// level lazily: libvterm learns our cursor just before it is asked to do something, and ours is
/// read back after.
///
/// Only complete and bounded sequences are ever handed to libvterm 0.1.4: it overruns its parameter
/// array at 17 parameters, miscounts a string whose terminator is split over two writes, corrupts a
/// split UTF-8 character, answers an unknown status request through a wrong format string, and
/// repeats nothing for ever when asked to repeat before the first character.
class VtParser {
public:
    VtParser(TerminalScreen &screen, VtListener &listener);
    ~VtParser();
    VtParser(const VtParser &) = delete;
    VtParser &operator=(const VtParser &) = delete;

    void feed(const char *bytes, std::size_t length);
    void feed(const QByteArray &bytes)
    {
        feed(bytes.constData(), static_cast<std::size_t>(bytes.size()));
    }

    /// Changes the grid's size, re-wraps and tells libvterm.
    void resize(int columns, int rows);
    /// Back to the state of a new terminal; scrollback and screen text stay. For a new shell in the
    /// same view, whatever state the old one left behind.
    void resetModes();

    /// Off: text and cursor movements go through libvterm too. Slower, same screens; tests compare.
    void setFastPaths(bool on);

    enum class CursorShape { Block, Underline, Bar };
    enum class Mouse { None, Click, Drag, Move };
    struct Modes {
        KeyModes keys;
        bool bracketedPaste = false;
        bool focusReports = false;
        bool cursorVisible = true;
        bool cursorBlink = true;
        CursorShape cursorShape = CursorShape::Block;
        Mouse mouse = Mouse::None;
        bool reverseScreen = false;
        bool synchronized = false;   ///< the program asked to hold back painting
        bool alternateScroll = true; ///< the wheel becomes cursor keys on the alternate screen
        friend bool operator==(const Modes &, const Modes &) = default;
    };
    [[nodiscard]] const Modes &modes() const { return m_modes; }
    /// A program that never ends its synchronized update must not freeze the picture.
    void endSynchronized();

    /// Mouse events in grid coordinates; a report goes out as vtReply() where the program wants
    /// one. `button` 1 left, 2 middle, 3 right, 4 wheel up, 5 wheel down.
    void mouseButton(int button, bool pressed, int row, int column,
                     Qt::KeyboardModifiers modifiers);
    void mouseMove(int row, int column, Qt::KeyboardModifiers modifiers);
    void focusChanged(bool focused);

    /// Colours told to programs that ask (OSC 10, 11, 4), as 0xrrggbb.
    void setColors(quint32 foreground, quint32 background, const std::array<quint32, 16> &palette);
    /// Told to programs that ask for pixels (CSI 14 t, 16 t).
    void setCellSize(int width, int height);

private:
    enum class State { Ground, Escape, Csi, Osc, Dcs, Ignored };
    struct SavedCursor {
        TerminalScreen::Cursor cursor;
        Cell pen;
        std::array<char, 4> charsets{'B', 'B', 'B', 'B'};
        int shift = 0;
        bool origin = false;
    };
    enum class WrapPending { Keep, Clear };
    struct Callbacks; // libvterm's side

    // Tokenizer
    const char *ground(const char *at, const char *end);
    const char *csiBytes(const char *at, const char *end);
    const char *stringBytes(const char *at, const char *end);
    void control(unsigned char c);
    void escapeByte(unsigned char c);
    void startString(State state);
    void endString();
    const char *unicode(const char *at, const char *end);

    // Text
    void asciiText(const char *text, int length);
    void character(char32_t cp);
    void fastCharacter(char32_t cp, int width);
    void wrap();
    void lineFeed();
    void forwardSingleShift();
    void slowText(const char *text, int length);

    // Sequences
    void csi(char final);
    bool fastCsi(char final);
    void forwardCsi(char final);
    void sgr();
    int extendedColor(int at, CellColor &color) const;
    void setMode(int mode, bool on);
    void setAnsiMode(int mode, bool on);
    void requestMode(int mode);
    void escape(char final);
    void osc();
    void dcs();
    void windowOperation();
    void saveCursor();
    void restoreCursor();
    void fullReset();
    void softReset();
    void designate(int set, char charset);
    [[nodiscard]] int parameter(int at, int fallback) const;
    [[nodiscard]] int count(int at) const; ///< missing and 0 mean 1
    void erasePen(TerminalScreen::Rect rect) { m_screen.erase(rect, false, m_pen); }
    void tabForward(int steps);
    void reply(const char *format, ...) __attribute__((format(printf, 2, 3)));
    void replyColor(const char *what, quint32 rgb);

    // libvterm
    void syncToVterm();
    void forward(const char *bytes, std::size_t length, WrapPending wrapPending);
    void forward(const std::string &bytes, WrapPending wrapPending = WrapPending::Keep)
    {
        forward(bytes.data(), bytes.size(), wrapPending);
    }
    void forwardPen();
    void updateFast();

    TerminalScreen &m_screen;
    VtListener &m_listener;
    std::unique_ptr<VTerm, void (*)(VTerm *)> m_vt;
    VTermState *m_vtState = nullptr;
    std::unique_ptr<Callbacks> m_callbacks;

    State m_state = State::Ground;
    bool m_stringEscape = false; ///< ESC seen inside a string
    char m_tail[4] = {};         ///< an unfinished UTF-8 character at the end of the input
    int m_tailLength = 0;

    static constexpr int maxParameters = 16;
    static constexpr int missing = -1;
    std::array<int, maxParameters * 2> m_parameters{}; ///< SGR may have more than libvterm can take
    std::array<bool, maxParameters * 2> m_sub{};       ///< joined to the one before by a colon
    int m_parameterCount = 0;
    char m_leader = 0;
    char m_intermediate = 0;
    bool m_csiInvalid = false;
    std::string m_string;

    Modes m_modes;
    Cell m_pen;
    bool m_autowrap = true;
    bool m_insert = false;
    bool m_newline = false;
    bool m_origin = false;
    int m_regionTop = 0;
    int m_regionBottom = 0; ///< exclusive
    std::array<char, 4> m_charsets{'B', 'B', 'B', 'B'};
    int m_shift = 0;
    char m_singleShift = 0; ///< 'N' or 'O': the next character comes from G2 or G3
    std::vector<bool> m_tabStops;
    char32_t m_lastCharacter = 0;
    SavedCursor m_savedPrimary;
    SavedCursor m_savedAlternate;
    QString m_title;
    std::vector<QString> m_titleStack;

    bool m_fastPaths = true;
    bool m_fastText = true; ///< fast paths on, and no mode in force that only libvterm knows
    TerminalScreen::Cursor m_vtCursor; ///< where libvterm's cursor is
    bool m_muted = false;              ///< libvterm's drawing is ignored: it is only being moved
    bool m_inText = false;
    bool m_scrolledInText = false;
    bool m_keepScrolled = true;

    std::array<quint32, 16> m_palette{};
    quint32 m_foreground = 0;
    quint32 m_background = 0xffffff;
    int m_cellWidth = 8;
    int m_cellHeight = 16;
};

} // namespace moru
