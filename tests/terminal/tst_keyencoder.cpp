// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/terminal/keyencoder.h"

#include <QTest>

using namespace moru;

class TestKeyEncoder : public QObject {
    Q_OBJECT
private slots:
    void sendsWhatXtermSends_data();
    void sendsWhatXtermSends();
    void pasteIsSafe_data();
    void pasteIsSafe();
    void pasteSaysWhatIsRisky();
};

void TestKeyEncoder::sendsWhatXtermSends_data()
{
    QTest::addColumn<int>("key");
    QTest::addColumn<int>("modifiers");
    QTest::addColumn<QString>("text");
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("modes"); // 1 cursor, 2 keypad, 4 newline
    const auto row = [](const char *name, int key, int modifiers, const char *text,
                        const QByteArray &bytes, int modes = 0) {
        QTest::newRow(name) << key << modifiers << QString::fromUtf8(text) << bytes << modes;
    };
    constexpr int none = 0;
    constexpr int shift = Qt::ShiftModifier;
    constexpr int ctrl = Qt::ControlModifier;
    constexpr int alt = Qt::AltModifier;
    constexpr int keypad = Qt::KeypadModifier;
    row("a", Qt::Key_A, none, "a", "a");
    row("A", Qt::Key_A, shift, "A", "A");
    row("umlaut", Qt::Key_Udiaeresis, none, "ü", "\xc3\xbc");
    row("emoji", Qt::Key_unknown, none, "🙂", "\xf0\x9f\x99\x82");
    row("Alt+a", Qt::Key_A, alt, "a",
        "\x1b"
        "a");
    row("Alt+Shift+a", Qt::Key_A, alt | shift, "A",
        "\x1b"
        "A");
    row("Ctrl+A", Qt::Key_A, ctrl, "\x01", "\x01");
    row("Ctrl+I is a tab", Qt::Key_I, ctrl, "\t", "\t");
    row("Ctrl+M is a return", Qt::Key_M, ctrl, "\r", "\r");
    row("Ctrl+J is a newline", Qt::Key_J, ctrl, "\n", "\n");
    row("Ctrl+[ is an escape", Qt::Key_BracketLeft, ctrl, "\x1b", "\x1b");
    row("Ctrl+\\", Qt::Key_Backslash, ctrl, "\x1c", "\x1c");
    row("Ctrl+]", Qt::Key_BracketRight, ctrl, "\x1d", "\x1d");
    row("Ctrl+^", Qt::Key_AsciiCircum, ctrl | shift, "\x1e", "\x1e");
    row("Ctrl+_", Qt::Key_Underscore, ctrl | shift, "\x1f", "\x1f");
    row("Ctrl+Space", Qt::Key_Space, ctrl, " ", QByteArray(1, '\0'));
    row("Ctrl+2", Qt::Key_2, ctrl, "2", QByteArray(1, '\0'));
    row("Ctrl+Alt+A", Qt::Key_A, ctrl | alt, "\x01", "\x1b\x01");
    row("AltGr text on Windows", Qt::Key_At, ctrl | alt, "@", "@");
    row("Ctrl+Cyrillic", 0x0424, ctrl, "\x01", "\x01");
    row("Ctrl alone", Qt::Key_Control, ctrl, "", "");
    row("Shift alone", Qt::Key_Shift, shift, "", "");
    row("Meta+A is the desktop's", Qt::Key_A, Qt::MetaModifier, "a", "");
    row("Shift+Space", Qt::Key_Space, shift, " ", " ");
    row("Return", Qt::Key_Return, none, "\r", "\r");
    row("Shift+Return", Qt::Key_Return, shift, "\r", "\r");
    row("Alt+Return", Qt::Key_Return, alt, "\r", "\x1b\r");
    row("Return, newline mode", Qt::Key_Return, none, "\r", "\r\n", 4);
    row("Backspace", Qt::Key_Backspace, none, "\b", "\x7f");
    row("Ctrl+Backspace", Qt::Key_Backspace, ctrl, "", "\b");
    row("Alt+Backspace", Qt::Key_Backspace, alt, "", "\x1b\x7f");
    row("Escape", Qt::Key_Escape, none, "\x1b", "\x1b");
    row("Tab", Qt::Key_Tab, none, "\t", "\t");
    row("Shift+Tab", Qt::Key_Backtab, shift, "", "\x1b[Z");
    row("Up", Qt::Key_Up, none, "", "\x1b[A");
    row("Up, application", Qt::Key_Up, none, "", "\x1bOA", 1);
    row("Ctrl+Right", Qt::Key_Right, ctrl, "", "\x1b[1;5C");
    row("Ctrl+Right, application", Qt::Key_Right, ctrl, "", "\x1b[1;5C", 1);
    row("Shift+Alt+Left", Qt::Key_Left, shift | alt, "", "\x1b[1;4D");
    row("Home", Qt::Key_Home, none, "", "\x1b[H");
    row("End, application", Qt::Key_End, none, "", "\x1bOF", 1);
    row("Insert", Qt::Key_Insert, none, "", "\x1b[2~");
    row("Delete", Qt::Key_Delete, none, "\x7f", "\x1b[3~");
    row("Ctrl+Delete", Qt::Key_Delete, ctrl, "", "\x1b[3;5~");
    row("Page up", Qt::Key_PageUp, none, "", "\x1b[5~");
    row("Ctrl+Page down", Qt::Key_PageDown, ctrl, "", "\x1b[6;5~");
    row("F1", Qt::Key_F1, none, "", "\x1bOP");
    row("Shift+F4", Qt::Key_F4, shift, "", "\x1b[1;2S");
    row("F5", Qt::Key_F5, none, "", "\x1b[15~");
    row("F12", Qt::Key_F12, none, "", "\x1b[24~");
    row("Ctrl+F11", Qt::Key_F11, ctrl, "", "\x1b[23;5~");
    row("keypad 5", Qt::Key_5, keypad, "5", "5");
    row("keypad 5, application", Qt::Key_5, keypad, "5", "\x1bOu", 2);
    row("keypad Enter", Qt::Key_Enter, keypad, "\r", "\r");
    row("keypad Enter, application", Qt::Key_Enter, keypad, "\r", "\x1bOM", 2);
    row("keypad Up", Qt::Key_Up, keypad, "", "\x1b[A");
}

void TestKeyEncoder::sendsWhatXtermSends()
{
    QFETCH(int, key);
    QFETCH(int, modifiers);
    QFETCH(QString, text);
    QFETCH(QByteArray, bytes);
    QFETCH(int, modes);
    const KeyModes keyModes{(modes & 1) != 0, (modes & 2) != 0, (modes & 4) != 0};
    QCOMPARE(keyencoder::encode(key, Qt::KeyboardModifiers(modifiers), text, keyModes), bytes);
}

void TestKeyEncoder::pasteIsSafe_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<bool>("bracketed");
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("plain") << QStringLiteral("ls") << false << QByteArray("ls");
    QTest::newRow("newlines") << QStringLiteral("a\nb\r\nc\rd") << false
                              << QByteArray("a\rb\rc\rd");
    QTest::newRow("bracketed") << QStringLiteral("a\nb\tü") << true
                               << QByteArray("\x1b[200~a\rb\t\xc3\xbc\x1b[201~");
    QTest::newRow("end of bracket inside") << QStringLiteral("a\x1b[201~rm -rf\r\x03") << true
                                           << QByteArray("\x1b[200~a[201~rm -rf\r\x1b[201~");
    QTest::newRow("C1 inside") << QStringLiteral("a\u009b201~b") << true
                               << QByteArray("\x1b[200~a201~b\x1b[201~");
}

void TestKeyEncoder::pasteIsSafe()
{
    QFETCH(QString, text);
    QFETCH(bool, bracketed);
    QFETCH(QByteArray, bytes);
    QCOMPARE(paste::encode(text, bracketed), bytes);
}

void TestKeyEncoder::pasteSaysWhatIsRisky()
{
    QVERIFY(!paste::examine(QStringLiteral("ls -l")).any());
    QVERIFY(!paste::examine(QStringLiteral("tab\tis fine")).any());
    QCOMPARE(paste::examine(QStringLiteral("a\r\nb\nc")).lines, 3);
    QCOMPARE(paste::examine(QStringLiteral("runs at once\n")).lines, 2);
    QVERIFY(paste::examine(QStringLiteral("a\x1b[2J")).control);
    QVERIFY(paste::examine(QStringLiteral("a\u0085")).control);
    QVERIFY(paste::examine(QString(5001, u'x')).longText);
    QCOMPARE(paste::withoutControls(QStringLiteral("a\x1b[2J\nb\tc\x7f")),
             QStringLiteral("a[2J\nb\tc"));
}

QTEST_APPLESS_MAIN(TestKeyEncoder)
#include "tst_keyencoder.moc"
