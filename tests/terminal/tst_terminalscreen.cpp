// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/terminal/terminalfixture.h"

#include "app/terminal/selection.h"

#include <QTest>

#include <random>

using namespace moru;

namespace {

/// The text as a reader sees it: wrapped rows joined, blanks at line ends and empty lines at the
/// end gone.
QString visibleText(const TerminalScreen &screen)
{
    return screen.allText();
}

} // namespace

class TestTerminalScreen : public QObject {
    Q_OBJECT
private slots:
    void keepsWhatScrollsAway();
    void keepsStylesAndMarksInTheScrollback();
    void boundsTheScrollbackByLines();
    void boundsTheScrollbackByBytes();
    void staysNearTheSizeOfTheText();
    void holdsALineOfAMegabyte();
    void doesNotKeepWhatAFullScreenProgramScrolls();
    void deletedLinesAreNotHistory();
    void rewrapsToTheNewWidth();
    void widerPullsRowsBack();
    void tallerAfterClearStaysClear();
    void anyResizeKeepsTheText_data();
    void anyResizeKeepsTheText();
    void cursorFollowsItsText();
    void alternateScreenIsCutNotWrapped();
    void resizeUnderAFullScreenProgramKeepsTheShell();
    void positionsSurviveScrollingAndResizing();
    void positionsAgreeWithRows();
    void selectsCharactersWordsAndLines();
    void selectsBlocks();
    void selectionJoinsWrappedRows();
    void selectAllIsEverything();
};

void TestTerminalScreen::keepsWhatScrollsAway()
{
    TestTerminal t(10, 3);
    for (int i = 1; i <= 8; ++i)
        t.feed("line " + QByteArray::number(i) + "\r\n");
    QCOMPARE(t.screen.scrollbackRows(), 6);
    QCOMPARE(t.screen.rowText(0), QStringLiteral("line 1"));
    QCOMPARE(t.screen.rowText(6), QStringLiteral("line 7"));
    QCOMPARE(visibleText(t.screen),
             QStringLiteral("line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8"));
}

void TestTerminalScreen::keepsStylesAndMarksInTheScrollback()
{
    TestTerminal t(20, 2);
    const QByteArray line("a\x1b[1;31mb你\x1b[4me\xcc\x81\x1b[m c\x1b[44m  \x1b[m");
    t.feed(line + "\r\n");
    const QString before = t.dump().section(u'\n', 0, 0);
    t.feed("\r\n\r\n");
    QCOMPARE(t.screen.scrollbackRows(), 2);
    QCOMPARE(t.dump().section(u'\n', 0, 0), before);
    QVERIFY(before.contains(QStringLiteral("你<e\u0301")));
}

void TestTerminalScreen::boundsTheScrollbackByLines()
{
    TestTerminal t(10, 2, true, 50);
    for (int i = 0; i < 500; ++i)
        t.feed(QByteArray::number(i) + "\r\n");
    QCOMPARE(t.screen.scrollbackRows(), 50);
    QCOMPARE(t.screen.rowText(0), QStringLiteral("449"));
    QCOMPARE(t.screen.scrollback().firstRow(), qint64(449));
    TestTerminal none(10, 2, true, 0);
    none.feed("1\r\n2\r\n3\r\n4");
    QCOMPARE(none.screen.scrollbackRows(), 0);
    QCOMPARE(none.grid(), QStringLiteral("3|4"));
}

void TestTerminalScreen::boundsTheScrollbackByBytes()
{
    Scrollback scrollback(100, 1000000, 1024 * 1024);
    Cell cell;
    cell.ch = 'x';
    const std::vector<Cell> row(100, cell);
    for (int i = 0; i < 40000; ++i)
        scrollback.push(row.data(), 100, false, true, {});
    QVERIFY2(scrollback.bytes() <= 1024 * 1024, qPrintable(QString::number(scrollback.bytes())));
    QVERIFY(scrollback.rows() > 5000);
}

void TestTerminalScreen::staysNearTheSizeOfTheText()
{
    // The goal: 1.5 x text + 12 bytes per run of style.
    TestTerminal t(120, 36, true, 20000);
    qint64 text = 0;
    for (int i = 0; i < 20036; ++i) {
        const QByteArray line = "2026-01-01T00:00:00 host service[123]: request "
                                + QByteArray::number(i) + " took some milliseconds";
        text += line.size();
        t.feed(line + "\r\n");
    }
    QVERIFY2(t.screen.scrollback().bytes() < text * 3 / 2,
             qPrintable(QString::number(t.screen.scrollback().bytes())));

    TestTerminal colored(120, 36, true, 20000);
    text = 0;
    for (int i = 0; i < 20036; ++i) {
        colored.feed("\x1b[32mok\x1b[0m request \x1b[1;33m" + QByteArray::number(i)
                     + "\x1b[0m took a while longer than it should\r\n");
        text += 2 + 9 + QByteArray::number(i).size() + 35;
    }
    QVERIFY(colored.screen.scrollback().bytes() < text * 3 / 2 + 20000 * 4 * 12);
}

void TestTerminalScreen::holdsALineOfAMegabyte()
{
    TestTerminal t(80, 24);
    QByteArray line;
    for (int i = 0; line.size() < 1024 * 1024; ++i)
        line += QByteArray::number(i) + ' ';
    t.feed(line);
    QString text = visibleText(t.screen);
    QCOMPARE(text.size(), line.trimmed().size());
    QVERIFY(text == QString::fromLatin1(line.trimmed()));
    t.parser.resize(33, 10);
    QVERIFY(visibleText(t.screen) == QString::fromLatin1(line.trimmed()));
    t.parser.resize(200, 50);
    QVERIFY(visibleText(t.screen) == QString::fromLatin1(line.trimmed()));
    QCOMPARE(t.screen.checkInvariants(), QString());
}

void TestTerminalScreen::doesNotKeepWhatAFullScreenProgramScrolls()
{
    TestTerminal t(10, 3);
    t.feed("\x1b[?1049h1\r\n2\r\n3\r\n4\r\n5");
    QCOMPARE(t.screen.scrollbackRows(), 0);
    t.feed("\x1b[?1049l");
    QCOMPARE(t.screen.scrollback().rows(), 0);
    // Margins that leave out the first row scroll nothing into the history either.
    t.feed("\x1b[2;3r\x1b[3;1H\n\n\n");
    QCOMPARE(t.screen.scrollback().rows(), 0);
}

void TestTerminalScreen::deletedLinesAreNotHistory()
{
    for (const bool fast : {true, false}) {
        TestTerminal t(10, 3, fast);
        t.feed("1\r\n2\r\n3\x1b[H\x1b[2M");
        QCOMPARE(t.screen.scrollbackRows(), 0);
        QCOMPARE(t.grid(), QStringLiteral("3"));
    }
}

void TestTerminalScreen::rewrapsToTheNewWidth()
{
    TestTerminal t(10, 4);
    t.feed("abcdefghijklmno\r\n123");
    QCOMPARE(t.grid(), QStringLiteral("abcdefghij|klmno|123"));
    t.parser.resize(5, 4);
    QCOMPARE(t.grid(), QStringLiteral("abcde|fghij|klmno|123"));
    t.parser.resize(20, 4);
    QCOMPARE(t.grid(), QStringLiteral("abcdefghijklmno|123"));
    t.feed("x");
    QCOMPARE(t.grid(), QStringLiteral("abcdefghijklmno|123x"));
    t.parser.resize(3, 4);
    QCOMPARE(t.screen.scrollbackRows(), 3);
    QCOMPARE(visibleText(t.screen), QStringLiteral("abcdefghijklmno\n123x"));
    QCOMPARE(t.grid(), QStringLiteral("jkl|mno|123|x"));
}

void TestTerminalScreen::widerPullsRowsBack()
{
    TestTerminal t(4, 3);
    t.feed("aaaabbbbcccc\r\n1\r\n2");
    QCOMPARE(t.screen.scrollbackRows(), 2);
    t.parser.resize(12, 3);
    QCOMPARE(t.screen.scrollbackRows(), 0);
    QCOMPARE(t.grid(), QStringLiteral("aaaabbbbcccc|1|2"));
    t.parser.resize(12, 2);
    QCOMPARE(t.screen.scrollbackRows(), 1);
    t.parser.resize(12, 6);
    QCOMPARE(t.screen.scrollbackRows(), 0);
    QCOMPARE(t.grid(), QStringLiteral("aaaabbbbcccc|1|2"));
    QCOMPARE(t.screen.cursor.row, 2);
}

void TestTerminalScreen::tallerAfterClearStaysClear()
{
    TestTerminal t(10, 3);
    t.feed("1\r\n2\r\n3\r\n4\r\n5\x1b[H\x1b[2J$ ");
    t.parser.resize(10, 6);
    QCOMPARE(t.grid(), QStringLiteral("$"));
    QCOMPARE(t.screen.cursor.row, 0);
}

void TestTerminalScreen::anyResizeKeepsTheText_data()
{
    QTest::addColumn<unsigned>("seed");
    for (unsigned seed = 1; seed <= 25; ++seed)
        QTest::addRow("seed %u", seed) << seed;
}

void TestTerminalScreen::anyResizeKeepsTheText()
{
    QFETCH(unsigned, seed);
    std::mt19937 random(seed);
    const auto number = [&random](unsigned below) { return static_cast<int>(random() % below); };
    TestTerminal t(20 + number(60), 3 + number(30), true, 5000);
    QStringList lines;
    for (int i = 0; i < 120; ++i) {
        QString line = QString::number(i) + u':';
        const int length = number(6) == 0 ? number(400) : number(50);
        for (int k = 0; k < length; ++k) {
            switch (number(12)) {
            case 0:
                line += u'你';
                break;
            case 1:
                line += QStringLiteral("e\u0301");
                break;
            case 2:
                line += u'.';
                break;
            default:
                line += QChar(char16_t('a' + number(26)));
            }
        }
        lines.append(line);
        t.feed((number(3) ? QByteArray() : QByteArray("\x1b[3") + char('0' + number(8)) + 'm')
               + line.toUtf8() + "\x1b[m");
        if (i + 1 < 120)
            t.feed("\r\n");
    }
    const QString text = lines.join(u'\n');
    QCOMPARE(visibleText(t.screen), text);
    for (int i = 0; i < 40; ++i) {
        t.parser.resize(2 + number(150), 1 + number(60));
        QCOMPARE(t.screen.checkInvariants(), QString());
        QCOMPARE(visibleText(t.screen), text);
    }
    t.feed("END");
    QCOMPARE(visibleText(t.screen), text + QStringLiteral("END"));
}

void TestTerminalScreen::cursorFollowsItsText()
{
    TestTerminal t(10, 4);
    t.feed("abcdefghijklmno\x1b[1;8H");
    t.parser.resize(5, 4);
    t.feed("X");
    QCOMPARE(t.grid(), QStringLiteral("abcde|fgXij|klmno"));
    // A saved cursor of the shell moves along too.
    TestTerminal s(10, 4);
    s.feed("abcdefghijklmno\x1b[1;8H\x1b"
           "7\x1b[H");
    s.parser.resize(5, 4);
    s.feed("\x1b"
           "8X");
    QCOMPARE(s.grid(), QStringLiteral("abcde|fgXij|klmno"));
}

void TestTerminalScreen::alternateScreenIsCutNotWrapped()
{
    TestTerminal t(10, 3);
    t.feed("\x1b[?1049h\x1b[Habcdefghij\r\n123");
    t.parser.resize(5, 2);
    QCOMPARE(t.grid(), QStringLiteral("abcde|123"));
    t.parser.resize(10, 3);
    QCOMPARE(t.grid(), QStringLiteral("abcde|123"));
}

void TestTerminalScreen::resizeUnderAFullScreenProgramKeepsTheShell()
{
    TestTerminal t(10, 4);
    t.feed("abcdefghijklmno\r\n$ vi\x1b[?1049h\x1b[2J\x1b[Hfile");
    t.parser.resize(5, 6);
    t.parser.resize(7, 5);
    t.feed("\x1b[?1049l!");
    QCOMPARE(t.grid(), QStringLiteral("abcdefg|hijklmn|o|$ vi!"));
}

void TestTerminalScreen::positionsSurviveScrollingAndResizing()
{
    TestTerminal t(10, 3);
    t.feed("abcdefghijklmno\r\n123");
    const TextPosition at = t.screen.positionAt(1, 2); // the "m"
    QCOMPARE(t.screen.text(at, {at.line, at.cell + 1}), QStringLiteral("m"));
    t.feed("\r\n4\r\n5\r\n6");
    QCOMPARE(t.screen.text(at, {at.line, at.cell + 1}), QStringLiteral("m"));
    t.parser.resize(4, 3);
    QCOMPARE(t.screen.text(at, {at.line, at.cell + 1}), QStringLiteral("m"));
    t.parser.resize(40, 2);
    QCOMPARE(t.screen.text(at, {at.line, at.cell + 1}), QStringLiteral("m"));
    QCOMPARE(t.screen.gridPosition(at).column, 12);
}

void TestTerminalScreen::positionsAgreeWithRows()
{
    TestTerminal t(7, 4);
    for (int i = 0; i < 30; ++i)
        t.feed("word 你好 " + QByteArray(i, 'x') + "\r\n");
    for (int pass = 0; pass < 3; ++pass) {
        for (int row = 0; row < t.screen.documentRows(); ++row) {
            const TerminalScreen::GridPosition expected{row, 0};
            QCOMPARE(t.screen.gridPosition(t.screen.positionAt(row, 0)), expected);
        }
        t.parser.resize(11 - pass * 3, 5 + pass);
    }
}

void TestTerminalScreen::selectsCharactersWordsAndLines()
{
    TestTerminal t(20, 4);
    t.feed("see /usr/lib/x86.so!\r\nnext line");
    Selection selection;
    selection.start(t.screen, 0, 4, 4, Selection::Mode::Character);
    QVERIFY(selection.isEmpty());
    selection.extendTo(t.screen, 0, 8, 8);
    QCOMPARE(selection.text(t.screen), QStringLiteral("/usr"));
    selection.start(t.screen, 0, 10, 10, Selection::Mode::Word);
    QCOMPARE(selection.text(t.screen), QStringLiteral("/usr/lib/x86.so"));
    selection.extendTo(t.screen, 1, 1, 1);
    QCOMPARE(selection.text(t.screen), QStringLiteral("/usr/lib/x86.so!\nnext"));
    selection.extendTo(t.screen, 0, 0, 0); // backwards: the first word stays whole
    QCOMPARE(selection.text(t.screen), QStringLiteral("see /usr/lib/x86.so"));
    selection.start(t.screen, 1, 2, 2, Selection::Mode::Line);
    QCOMPARE(selection.text(t.screen), QStringLiteral("next line"));
    selection.clear();
    QVERIFY(selection.isEmpty());
    QCOMPARE(selection.text(t.screen), QString());
}

void TestTerminalScreen::selectsBlocks()
{
    TestTerminal t(20, 4);
    t.feed("abcdef\r\nghijkl\r\nmn\r\nopqrst");
    Selection selection;
    selection.start(t.screen, 0, 2, 2, Selection::Mode::Block);
    selection.extendTo(t.screen, 3, 4, 4);
    QCOMPARE(selection.text(t.screen), QStringLiteral("cd\nij\n\nqr"));
    selection.start(t.screen, 3, 4, 4, Selection::Mode::Block);
    selection.extendTo(t.screen, 0, 2, 2);
    QCOMPARE(selection.text(t.screen), QStringLiteral("cd\nij\n\nqr"));
}

void TestTerminalScreen::selectionJoinsWrappedRows()
{
    TestTerminal t(10, 4);
    t.feed("abcdefghijklmno pq   \r\nz");
    Selection selection;
    selection.start(t.screen, 1, 2, 2, Selection::Mode::Line);
    QCOMPARE(selection.text(t.screen), QStringLiteral("abcdefghijklmno pq"));
    selection.start(t.screen, 0, 9, 9, Selection::Mode::Word);
    QCOMPARE(selection.text(t.screen), QStringLiteral("abcdefghijklmno"));
    selection.start(t.screen, 1, 1, 1, Selection::Mode::Word);
    QCOMPARE(selection.text(t.screen), QStringLiteral("abcdefghijklmno"));
}

void TestTerminalScreen::selectAllIsEverything()
{
    TestTerminal t(10, 3);
    for (int i = 0; i < 9; ++i)
        t.feed("row " + QByteArray::number(i) + "\r\n");
    Selection selection;
    selection.selectAll(t.screen);
    QCOMPARE(selection.text(t.screen).trimmed(), visibleText(t.screen));
}

QTEST_APPLESS_MAIN(TestTerminalScreen)
#include "tst_terminalscreen.moc"
