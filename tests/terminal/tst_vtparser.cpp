// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/terminal/terminalfixture.h"

#include <QFile>
#include <QTest>

#include <algorithm>
#include <random>

using namespace moru;

namespace {

QByteArray recording(const QString &name)
{
    QFile file(qEnvironmentVariable("MORU_SOURCE_DIR")
               + QStringLiteral("/tests/terminal/recordings/") + name);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

/// Random output that mixes everything a program may send, with the emphasis on what is common.
class Generator {
public:
    explicit Generator(unsigned seed)
        : m_random(seed)
    {}

    QByteArray next(int columns, int rows)
    {
        const auto number = [this](int from, int to) {
            return from + static_cast<int>(m_random() % static_cast<unsigned>(to - from + 1));
        };
        const auto n = [&](int from, int to) { return QByteArray::number(number(from, to)); };
        static const QByteArrayList words{"error", "a",          "the quick brown fox",
                                          "-----", "/usr/lib/x", "0123456789"};
        static const QByteArrayList unicode{"é",        "你好",    "→", "e\xcc\x81", "\xe2\x80\x8d",
                                            "🙂",     "한",      "│", "\xcc\x88",  "\xff",
                                            "\xe4\xbd", "\xc2\x85"};
        static const QByteArrayList charsets{"\x1b(0", "\x1b(B", "\x0e",  "\x0f",
                                             "\x1b)0", "\x1bN",  "\x1bO", "\x1bn"};
        static const QByteArrayList modes{
            "\x1b[4h",   "\x1b[4l",  "\x1b[?7l", "\x1b[?7h", "\x1b[?6h", "\x1b[?6l",  "\x1b[?25l",
            "\x1b[?25h", "\x1b[20h", "\x1b[20l", "\x1b[?5h", "\x1b[?5l", "\x1b[1\"q", "\x1b[0\"q"};
        switch (number(0, 39)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
        case 6:
        case 7:
            return words[number(0, int(words.size()) - 1)];
        case 8:
        case 9:
            return QByteArray(number(1, columns * 2), char('a' + number(0, 25)));
        case 10:
        case 11:
        case 12:
            return "\r\n";
        case 13:
            return "\n";
        case 14:
        case 15:
        case 16:
            return unicode[number(0, int(unicode.size()) - 1)];
        case 17:
        case 18:
            return "\x1b[" + n(0, rows + 2) + ";" + n(0, columns + 2) + "H";
        case 19:
            return "\x1b[" + n(0, 12) + QByteArray(1, "ABCDEFGdae`jk"[number(0, 12)]);
        case 20:
        case 21:
            return "\x1b[" + n(0, 3) + "K";
        case 22:
            return "\x1b[" + n(0, 2) + "J";
        case 23:
        case 24:
        case 25:
            return "\x1b[" + n(0, 9) + ";" + n(30, 49) + "m";
        case 26:
            return "\x1b[38;2;" + n(0, 255) + ";" + n(0, 255) + ";" + n(0, 255) + "m";
        case 27:
            return "\x1b[m";
        case 28:
            return "\x1b[" + n(0, 5) + QByteArray(1, "LMP@XST"[number(0, 6)]);
        case 29:
            return "\x1b[" + n(0, rows) + ";" + n(0, rows) + "r";
        case 30:
            return modes[number(0, int(modes.size()) - 1)];
        case 31:
            return charsets[number(0, int(charsets.size()) - 1)];
        case 32:
            return number(0, 1) ? "\x1b"
                                  "7"
                                : "\x1b"
                                  "8";
        case 33:
            return number(0, 1) ? "\x1b[?1049h" : "\x1b[?1049l";
        case 34:
            return number(0, 1) ? "\t" : "\b\b";
        case 35:
            return "\x1b[" + n(0, 7) + "b";
        case 36:
            return QByteArrayList{"\x1bM",
                                  "\x1b"
                                  "D",
                                  "\x1b"
                                  "E",
                                  "\x1bH",
                                  "\x1b[3g",
                                  "\x1b[g",
                                  "\x1b[2I",
                                  "\x1b[Z"}[number(0, 7)];
        case 37:
            return QByteArrayList{"\x1b[?1J",
                                  "\x1b[?2K",
                                  "\x1b[?K",
                                  "\x1b[3J",
                                  "\x1b#8",
                                  "\x1b[!p",
                                  "\x1b"
                                  "c"}[number(0, 20) % 7 == 6 ? number(0, 6) : number(0, 3)];
        case 38:
            return "\x1b]2;title " + n(0, 9) + (number(0, 1) ? "\x07" : "\x1b\\");
        default:
            return "\x1b[" + n(0, 3) + "\b" + n(0, 9) + "\n" + "C"; // controls inside a sequence
        }
    }

    unsigned random() { return static_cast<unsigned>(m_random()); }

private:
    std::mt19937 m_random;
};

} // namespace

class TestVtParser : public QObject {
    Q_OBJECT
private slots:
    void drawsTheScenario_data();
    void drawsTheScenario();
    void anyCutGivesTheSameScreen_data();
    void anyCutGivesTheSameScreen();
    void fastPathsGiveTheSameScreen_data();
    void fastPathsGiveTheSameScreen();
    void recordedProgramsLookRight_data();
    void recordedProgramsLookRight();
    void answersQuestions_data();
    void answersQuestions();
    void setsAttributesAndColours_data();
    void setsAttributesAndColours();
    void reportsTheMouse();
    void keepsTitleAndFolder();
    void ignoresTheClipboard();
    void boundsStringsThatNeverEnd();
    void survivesWhatLibvtermDoesNot_data();
    void survivesWhatLibvtermDoesNot();
    void synchronizedUpdateIsSeen();
    void resetUndoesEverything();
    void resetModesKeepsTheText();
};

void TestVtParser::drawsTheScenario_data()
{
    QTest::addColumn<QByteArray>("input");
    QTest::addColumn<QString>("grid");
    const auto row = [](const char *name, const QByteArray &input, const char *grid) {
        QTest::newRow(name) << input << QString::fromUtf8(grid);
    };
    row("text", "hello\r\nworld", "hello|world");
    row("wrap", "0123456789abcdefghijKLM", "0123456789abcdefghij|KLM");
    row("wrap waits for the next character", "0123456789abcdefghij\rX", "X123456789abcdefghij");
    row("no wrap", "\x1b[?7l0123456789abcdefghijKLM", "0123456789abcdefghiM");
    row("scrolls", "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7", "3|4|5|6|7");
    row("cursor addressing", "\x1b[2;3Hx\x1b[4;1Hy\x1b[H*", "*|  x||y");
    row("relative movement", "\x1b[3;5Ha\x1b[Ab\x1b[2Dc\x1b[Bd", "|    cb|    ad");
    row("erase to end of line", "abcdef\x1b[3G\x1b[K", "ab");
    row("erase to start of line", "abcdef\x1b[3G\x1b[1K", "   def");
    row("erase below", "1\r\n2\r\n3\x1b[2;1H\x1b[J", "1");
    row("erase characters", "abcdef\x1b[2G\x1b[3X", "a   ef");
    row("insert characters", "abcdef\x1b[2G\x1b[2@", "a  bcdef");
    row("delete characters", "abcdef\x1b[2G\x1b[2P", "adef");
    row("insert lines", "1\r\n2\r\n3\x1b[2;1H\x1b[L", "1||2|3");
    row("delete lines", "1\r\n2\r\n3\x1b[1;1H\x1b[M", "2|3");
    row("margins", "1\r\n2\r\n3\r\n4\r\n5\x1b[2;4r\x1b[4;1H\nx", "1|3|4|x|5");
    row("reverse index", "1\r\n2\x1b[1;1H\x1bM0", "0|1|2");
    row("insert mode", "abc\x1b[1G\x1b[4hXY\x1b[4lZ", "XYZbc");
    row("tabs", "a\tb\tc", "a       b       c");
    row("back space", "abc\b\bX", "aXc");
    row("line graphics", "\x1b(0lqk\x1b(Bq", "┌─┐q");
    row("shift out",
        "\x1b)0a\x0eq\x0f"
        "b",
        "a─b");
    row("single shift", "\x1b*0\x1bNqq", "─q");
    row("save and restore",
        "ab\x1b"
        "7\x1b[3;3Hx\x1b"
        "8c",
        "abc||  x");
    row("SCO save and restore", "ab\x1b[s\x1b[3;3Hx\x1b[uc", "abc||  x");
    row("wide characters", "你好x", "你好x");
    row("wide character at the edge", "0123456789abcdefghi你", "0123456789abcdefghi|你");
    row("half a wide character overwritten", "你好\x1b[2GX", " X好");
    row("first half overwritten", "你好\x1b[3GX", "你X");
    row("combining mark", "e\xcc\x81x", "e\xcc\x81x");
    row("combining mark at the edge", "0123456789abcdefghie\xcc\x81x",
        "0123456789abcdefghie\xcc\x81|x");
    row("combining mark without base", "\xcc\x81x", "x");
    row("invalid UTF-8", "a\xff\xc3(b", "a\xef\xbf\xbd\xef\xbf\xbd(b");
    row("overlong UTF-8", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
    row("C1 as UTF-8 is ignored",
        "a\xc2\x9b"
        "31mb",
        "a31mb");
    row("repeat", "ab\x1b[3bc", "abbbbc");
    row("repeat before anything", "\x1b[5bx", "x");
    row("alternate screen comes and goes", "shell\x1b[?1049h\x1b[Hvim\x1b[?1049l$", "shell$");
    row("alternate screen is its own", "shell\x1b[?1049h\x1b[Hvim", "vim");
    row("clear", "1\r\n2\x1b[H\x1b[2J\x1b[3Jx", "x");
    row("control inside a sequence", "ab\x1b[1\rCx", "ax");
    row("cancelled sequence", "\x1b[31\x18xy", "xy");
    row("escape inside a sequence", "\x1b[3\x1b[2Cx", "  x");
    row("unknown sequences vanish",
        "a\x1b[?99h\x1b[>4;2m\x1b[=1u\x1b[?u\x1b%Gb\x1b_hidden\x1b\\c\x1b^x\x1b\\d", "abcd");
    row("title is not text",
        "a\x1b]0;title\x07"
        "b\x1b]2;x\x1b\\c",
        "abc");
    row("alignment test", "\x1b#8\x1b[3;1H\x1b[2K",
        "EEEEEEEEEEEEEEEEEEEE|EEEEEEEEEEEEEEEEEEEE||EEEEEEEEEEEEEEEEEEEE|EEEEEEEEEEEEEEEEEEEE");
    row("selective erase spares", "\x1b[1\"qab\x1b[0\"qcd\x1b[1G\x1b[?K", "ab");
    row("origin mode", "\x1b[2;4r\x1b[?6h\x1b[1;1Ha\x1b[9;1Hb", "|a||b");
    row("horizontal position", "\x1b[5`x\x1b[3dy", "    x||     y");
}

void TestVtParser::drawsTheScenario()
{
    QFETCH(QByteArray, input);
    QFETCH(QString, grid);
    for (const bool fast : {true, false}) {
        TestTerminal whole(20, 5, fast);
        whole.feed(input);
        QCOMPARE(whole.grid(), grid);
        QCOMPARE(whole.screen.checkInvariants(), QString());
        const QString expected = whole.dump();
        for (qsizetype cut = 1; cut < input.size(); ++cut) {
            TestTerminal parts(20, 5, fast);
            parts.feed(input.left(cut));
            parts.feed(input.mid(cut));
            QVERIFY2(parts.dump() == expected, qPrintable(QStringLiteral("cut at %1").arg(cut)));
        }
    }
}

void TestVtParser::anyCutGivesTheSameScreen_data()
{
    QTest::addColumn<unsigned>("seed");
    for (unsigned seed = 1; seed <= 10; ++seed)
        QTest::addRow("seed %u", seed) << seed;
}

void TestVtParser::anyCutGivesTheSameScreen()
{
    QFETCH(unsigned, seed);
    Generator generator(seed);
    QByteArray input;
    for (int i = 0; i < 300; ++i)
        input += generator.next(30, 8);
    TestTerminal whole(30, 8);
    whole.feed(input);
    TestTerminal bytes(30, 8);
    for (const char byte : input)
        bytes.feed(QByteArray(1, byte));
    QCOMPARE(bytes.dump(), whole.dump());
    TestTerminal pieces(30, 8);
    for (qsizetype at = 0; at < input.size();) {
        const qsizetype length = 1 + generator.random() % 40;
        pieces.feed(input.mid(at, length));
        at += length;
    }
    QCOMPARE(pieces.dump(), whole.dump());
}

void TestVtParser::fastPathsGiveTheSameScreen_data()
{
    QTest::addColumn<unsigned>("seed");
    QTest::addColumn<int>("columns");
    QTest::addColumn<int>("rows");
    // More can be asked for than the suite has time for.
    const auto last =
        static_cast<unsigned>(std::max(40, qEnvironmentVariableIntValue("MORU_TERMINAL_SEEDS")));
    for (unsigned seed = 1; seed <= last; ++seed) {
        const int columns = seed % 5 == 0 ? 2 : 5 + static_cast<int>(seed % 60) * 2;
        const int rows = seed % 7 == 0 ? 1 : 2 + static_cast<int>(seed % 9);
        QTest::addRow("seed %u, %dx%d", seed, columns, rows) << seed << columns << rows;
    }
}

void TestVtParser::fastPathsGiveTheSameScreen()
{
    QFETCH(unsigned, seed);
    QFETCH(int, columns);
    QFETCH(int, rows);
    Generator generator(seed * 977);
    TestTerminal fast(columns, rows, true);
    TestTerminal plain(columns, rows, false);
    QByteArrayList recent;
    for (int i = 0; i < 1500; ++i) {
        const QByteArray piece = generator.next(columns, rows);
        recent.append(piece.toPercentEncoding(" []();?"));
        if (recent.size() > 12)
            recent.removeFirst();
        fast.feed(piece);
        plain.feed(piece);
        if (!fast.screen.checkInvariants().isEmpty())
            qDebug().noquote() << "step" << i << "after" << recent.join(" , ");
        QCOMPARE(fast.screen.checkInvariants(), QString());
        const bool same = fast.screen.cursor == plain.screen.cursor
                          && fast.screen.gridText() == plain.screen.gridText();
        if (!same || i % 100 == 99) {
            if (fast.dump() != plain.dump())
                qDebug().noquote() << "step" << i << "after" << recent.join(" , ");
            QCOMPARE(fast.dump(), plain.dump());
            QVERIFY(same);
        }
        if (generator.random() % 200 == 0) {
            const int c = 2 + static_cast<int>(generator.random() % 40);
            const int r = 1 + static_cast<int>(generator.random() % 12);
            fast.parser.resize(c, r);
            plain.parser.resize(c, r);
            QCOMPARE(fast.screen.checkInvariants(), QString());
        }
    }
    QCOMPARE(fast.replies, plain.replies);
}

void TestVtParser::recordedProgramsLookRight_data()
{
    QTest::addColumn<QString>("name");
    for (const char *name : {"vim", "vim-closed", "less", "htop", "apt", "bash"})
        QTest::newRow(name) << QString::fromLatin1(name);
}

void TestVtParser::recordedProgramsLookRight()
{
    QFETCH(QString, name);
    const QByteArray input = recording(name + QStringLiteral(".bin"));
    QVERIFY(!input.isEmpty());
    TestTerminal fast(80, 24, true);
    fast.feed(input);
    TestTerminal plain(80, 24, false);
    plain.feed(input);
    QCOMPARE(fast.dump(), plain.dump());
    QCOMPARE(fast.replies, plain.replies);
    TestTerminal bytes(80, 24, true);
    for (const char byte : input)
        bytes.feed(QByteArray(1, byte));
    QCOMPARE(bytes.dump(), fast.dump());
    QCOMPARE(fast.screen.checkInvariants(), QString());

    const QString seen = fast.screen.gridText();
    if (qEnvironmentVariableIsSet("MORU_WRITE_EXPECTED")) {
        QFile file(qEnvironmentVariable("MORU_SOURCE_DIR")
                   + QStringLiteral("/tests/terminal/recordings/") + name + QStringLiteral(".txt"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(seen.toUtf8());
    }
    QCOMPARE(seen, QString::fromUtf8(recording(name + QStringLiteral(".txt"))));
}

void TestVtParser::answersQuestions_data()
{
    QTest::addColumn<QByteArray>("question");
    QTest::addColumn<QByteArray>("answer");
    const auto row = [](const char *name, const QByteArray &question, const QByteArray &answer) {
        QTest::newRow(name) << question << answer;
    };
    row("cursor position", "ab\r\ncd\x1b[6n", "\x1b[2;3R");
    row("status", "\x1b[5n", "\x1b[0n");
    row("attributes", "\x1b[c", "\x1b[?1;2c");
    row("secondary attributes", "\x1b[>c", "\x1b[>0;100;0c");
    row("mode set", "\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y");
    row("mode not set", "\x1b[?2026$p", "\x1b[?2026;2$y");
    row("mode unknown", "\x1b[?4242$p", "\x1b[?4242;0$y");
    row("alternate screen", "\x1b[?1049h\x1b[?1049$p", "\x1b[?1049;1$y");
    row("size in cells", "\x1b[18t", "\x1b[8;5;20t");
    row("size in pixels", "\x1b[14t", "\x1b[4;80;160t");
    row("background", "\x1b]11;?\x1b\\", "\x1b]11;rgb:ffff/ffff/ffff\x1b\\");
    row("foreground, BEL", "\x1b]10;?\x07", "\x1b]10;rgb:0000/0000/0000\x1b\\");
    row("attributes set", "\x1b[1;31m\x1bP$qm\x1b\\", "\x1bP1$r1;31m\x1b\\");
    row("margins set", "\x1b[2;4r\x1bP$qr\x1b\\", "\x1bP1$r2;4r\x1b\\");
    row("unknown status", "\x1bP$qt\x1b\\", "\x1bP0$r\x1b\\");
    row("terminfo by name is refused", "\x1bP+q544e\x1b\\", "\x1bP0+r\x1b\\");
    row("the title is not told", "\x1b]2;secret\x07\x1b[21t", "");
}

void TestVtParser::answersQuestions()
{
    QFETCH(QByteArray, question);
    QFETCH(QByteArray, answer);
    for (const bool fast : {true, false}) {
        TestTerminal terminal(20, 5, fast);
        terminal.feed(question);
        QCOMPARE(terminal.replies, answer);
        TestTerminal bytes(20, 5, fast);
        for (const char byte : question)
            bytes.feed(QByteArray(1, byte));
        QCOMPARE(bytes.replies, answer);
    }
}

void TestVtParser::setsAttributesAndColours_data()
{
    QTest::addColumn<QByteArray>("sgr");
    QTest::addColumn<uint>("fg");
    QTest::addColumn<uint>("bg");
    QTest::addColumn<uint>("attrs");
    const auto row = [](const char *sgr, CellColor fg, CellColor bg, unsigned attrs) {
        QTest::newRow(sgr) << QByteArray("\x1b[") + sgr + 'm' << uint(fg) << uint(bg)
                           << uint(attrs);
    };
    using namespace cellcolor;
    const auto line = [](Underline u) { return static_cast<unsigned>(u) << attr::UnderlineShift; };
    row("31", indexed(1), 0, 0);
    row("97;104", indexed(15), indexed(12), 0);
    row("38;5;208", indexed(208), 0, 0);
    row("48;5;17;1", 0, indexed(17), attr::Bold);
    row("38;2;1;2;3", rgb(1, 2, 3), 0, 0);
    row("38:2:1:2:3", rgb(1, 2, 3), 0, 0);
    row("38:2::1:2:3;3", rgb(1, 2, 3), 0, attr::Italic);
    row("48:5:9;31", indexed(1), indexed(9), 0);
    row("1;2;3;5;7;8;9", 0, 0,
        attr::Bold | attr::Dim | attr::Italic | attr::Blink | attr::Reverse | attr::Conceal
            | attr::Strike);
    row("1;2;22;3;23", 0, 0, 0);
    row("4", 0, 0, line(Underline::Single));
    row("4:3", 0, 0, line(Underline::Curly));
    row("21", 0, 0, line(Underline::Double));
    row("4:5;58;5;1", 0, 0, line(Underline::Dashed));
    row("4:4;58:2::1:2:3", 0, 0, line(Underline::Dotted));
    row("4;24", 0, 0, 0);
    row("31;1;0", 0, 0, 0);
    row("31;1;", 0, 0, 0);
    row("31;39;41;49", 0, 0, 0);
    row("38;5", 0, 0, 0);
    row("38;2;1;2", 0, 0, 0);
    row("999;31", indexed(1), 0, 0);
}

void TestVtParser::setsAttributesAndColours()
{
    QFETCH(QByteArray, sgr);
    QFETCH(uint, fg);
    QFETCH(uint, bg);
    QFETCH(uint, attrs);
    TestTerminal terminal;
    terminal.feed(sgr + 'x');
    RowBuffer row;
    terminal.screen.readRow(0, row);
    QCOMPARE(row.cells.size(), std::size_t(1));
    QCOMPARE(row.cells[0].fg, fg);
    QCOMPARE(row.cells[0].bg, bg);
    QCOMPARE(uint(row.cells[0].attrs), attrs);
}

void TestVtParser::reportsTheMouse()
{
    TestTerminal terminal;
    terminal.parser.mouseButton(1, true, 1, 2, Qt::NoModifier);
    terminal.parser.mouseButton(1, false, 1, 2, Qt::NoModifier);
    terminal.replies.clear(); // nobody asked; the view does not call without a mode

    terminal.feed("\x1b[?1000;1006h");
    QCOMPARE(terminal.parser.modes().mouse, VtParser::Mouse::Click);
    terminal.parser.mouseButton(1, true, 1, 2, Qt::NoModifier);
    terminal.parser.mouseButton(1, false, 1, 2, Qt::NoModifier);
    QCOMPARE(terminal.replies, QByteArray("\x1b[<0;3;2M\x1b[<0;3;2m"));
    terminal.replies.clear();
    terminal.parser.mouseButton(4, true, 0, 0, Qt::ControlModifier);
    QCOMPARE(terminal.replies, QByteArray("\x1b[<80;1;1M"));
    terminal.replies.clear();

    terminal.feed("\x1b[?1002h");
    terminal.parser.mouseButton(1, true, 0, 0, Qt::NoModifier);
    terminal.parser.mouseMove(0, 5, Qt::NoModifier);
    QCOMPARE(terminal.replies, QByteArray("\x1b[<0;1;1M\x1b[<32;6;1M"));
    terminal.parser.mouseButton(1, false, 0, 5, Qt::NoModifier);
    terminal.replies.clear();

    terminal.feed("\x1b[?1006l\x1b[?1000h");
    terminal.parser.mouseButton(3, true, 1, 1, Qt::NoModifier);
    QCOMPARE(terminal.replies, QByteArray("\x1b[M\"\"\""));
    terminal.feed("\x1b[?1000l");
    QCOMPARE(terminal.parser.modes().mouse, VtParser::Mouse::None);
}

void TestVtParser::keepsTitleAndFolder()
{
    TestTerminal terminal;
    terminal.feed("\x1b]0;first\x07");
    QCOMPARE(terminal.title, QStringLiteral("first"));
    terminal.feed("\x1b[22;0t\x1b]2;second\x1b\\");
    QCOMPARE(terminal.title, QStringLiteral("second"));
    terminal.feed("\x1b[23;0t");
    QCOMPARE(terminal.title, QStringLiteral("first"));
    terminal.feed("\x1b]2;a\nb\tc" + QByteArray(2000, 'x') + "\x07");
    QCOMPARE(terminal.title.size(), qsizetype(256));
    QVERIFY(!terminal.title.contains(u'\n'));
    terminal.feed("\x1b]7;file://host/home/user/a%20b\x07");
    QCOMPARE(terminal.folder, QStringLiteral("/home/user/a b"));
    terminal.feed("\x1b]7;http://host/elsewhere\x07");
    QCOMPARE(terminal.folder, QStringLiteral("/home/user/a b"));
    terminal.feed("\x07");
    QCOMPARE(terminal.bells, 1);
}

void TestVtParser::ignoresTheClipboard()
{
    TestTerminal terminal;
    terminal.feed("\x1b]52;c;?\x07\x1b]52;c;ZXZpbA==\x07x");
    QCOMPARE(terminal.replies, QByteArray());
    QCOMPARE(terminal.grid(), QStringLiteral("x"));
}

void TestVtParser::boundsStringsThatNeverEnd()
{
    TestTerminal terminal;
    terminal.feed("\x1b]2;before\x07");
    terminal.feed("\x1b]2;" + QByteArray(100000, 'x') + "\x07ok");
    QCOMPARE(terminal.title, QStringLiteral("before"));
    QCOMPARE(terminal.grid(), QStringLiteral("ok"));
    terminal.feed("\x1bP" + QByteArray(100000, 'q') + "\x1b\\!");
    QCOMPARE(terminal.grid(), QStringLiteral("ok!"));
}

void TestVtParser::survivesWhatLibvtermDoesNot_data()
{
    QTest::addColumn<QByteArray>("input");
    QByteArray many = "\x1b[";
    for (int i = 0; i < 400; ++i)
        many += "1;";
    QTest::newRow("hundreds of parameters") << many + "mx";
    QTest::newRow("hundreds of mode parameters")
        << QByteArray(many).replace("\x1b[", "\x1b[?") + "hx";
    QTest::newRow("terminator split over writes") << QByteArray("\x1b]2;t\x1b\\\x1bP$qm\x1b\\x");
    QTest::newRow("huge numbers") << QByteArray(
        "\x1b[99999999999999999999C\x1b[99999999999999999999;9999999999Hx");
    QTest::newRow("repeat first") << QByteArray("\x1b[999999999b\x1b[2bx");
    QTest::newRow("margins then smaller") << QByteArray("\x1b[4;5r\x1b[5;1H\n\nx");
    QTest::newRow("long run of marks") << "a" + QByteArray("\xcc\x81").repeated(5000) + "x";
    QTest::newRow("nested escapes") << QByteArray(3000, '\x1b') + "[Hx";
}

void TestVtParser::survivesWhatLibvtermDoesNot()
{
    QFETCH(QByteArray, input);
    for (const bool fast : {true, false}) {
        TestTerminal terminal(20, 5, fast);
        for (const char byte : input)
            terminal.feed(QByteArray(1, byte));
        QCOMPARE(terminal.screen.checkInvariants(), QString());
        terminal.parser.resize(10, 2);
        terminal.feed("\n\n\nx");
        QCOMPARE(terminal.screen.checkInvariants(), QString());
        QVERIFY(terminal.grid().contains(u'x'));
    }
}

void TestVtParser::synchronizedUpdateIsSeen()
{
    TestTerminal terminal;
    terminal.feed("\x1b[?202");
    terminal.feed("6h");
    QVERIFY(terminal.parser.modes().synchronized);
    terminal.feed("\x1b[?2026l");
    QVERIFY(!terminal.parser.modes().synchronized);
}

void TestVtParser::resetUndoesEverything()
{
    for (const bool fast : {true, false}) {
        TestTerminal terminal(20, 5, fast);
        terminal.feed("\x1b[?1049h\x1b[31m\x1b(0\x1b[4h\x1b[?6h\x1b[2;3r\x1b[?1002;1006;2004;"
                      "1h\x1b=\x1b[3g\x1b[?25l\x1b[5 q");
        terminal.feed("\x1b"
                      "c");
        TestTerminal fresh(20, 5, fast);
        QCOMPARE(terminal.dump(), fresh.dump());
        QVERIFY(terminal.parser.modes() == fresh.parser.modes());
        terminal.feed("a\tb\r\nq");
        fresh.feed("a\tb\r\nq");
        QCOMPARE(terminal.dump(), fresh.dump());
    }
}

void TestVtParser::resetModesKeepsTheText()
{
    TestTerminal terminal;
    terminal.feed("kept\r\n\x1b[?1049hgone\x1b[31m\x1b[?2004h\x1b[?1000h\x1b]2;unfinished");
    terminal.parser.resetModes();
    terminal.feed("new");
    QCOMPARE(terminal.grid(), QStringLiteral("kept|new"));
    QVERIFY(terminal.parser.modes() == TestTerminal().parser.modes());
    RowBuffer row;
    terminal.screen.readRow(1, row);
    QVERIFY(row.cells[0].isDefaultStyle());
}

QTEST_APPLESS_MAIN(TestVtParser)
#include "tst_vtparser.moc"
