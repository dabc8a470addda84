// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/theme.h"
#include "ui/terminal/pastebar.h"
#include "ui/terminal/terminalview.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QInputMethodEvent>
#include <QKeyEvent>
#include <QPushButton>
#include <QScrollBar>
#include <QSignalSpy>
#include <QSocketNotifier>
#include <QTest>

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>

using namespace moru;

namespace {

/// A program on a PTY of its own, wired to a view; ended with the object.
class Program : public QObject {
public:
    Program(TerminalView &view, const QList<QByteArray> &command)
    {
        winsize size{static_cast<unsigned short>(view.rows()),
                     static_cast<unsigned short>(view.columns()), 0, 0};
        m_pid = forkpty(&m_fd, nullptr, nullptr, &size);
        if (m_pid == 0) {
            setenv("TERM", "xterm-256color", 1);
            setenv("PS1", "ready> ", 1);
            std::vector<char *> arguments;
            for (const QByteArray &word : command)
                arguments.push_back(const_cast<char *>(word.constData()));
            arguments.push_back(nullptr);
            execvp(arguments[0], arguments.data());
            _exit(127);
        }
        m_notifier = std::make_unique<QSocketNotifier>(m_fd, QSocketNotifier::Read);
        connect(m_notifier.get(), &QSocketNotifier::activated, this, [this, &view] {
            std::array<char, 65536> buffer{};
            const ssize_t n = read(m_fd, buffer.data(), buffer.size());
            if (n <= 0) {
                m_notifier->setEnabled(false);
                return;
            }
            view.receive(QByteArray(buffer.data(), static_cast<qsizetype>(n)));
        });
        connect(&view, &TerminalView::inputReady, this, [this](const QByteArray &bytes) {
            QCOMPARE(write(m_fd, bytes.constData(), static_cast<std::size_t>(bytes.size())),
                     ssize_t(bytes.size()));
        });
        connect(&view, &TerminalView::gridSizeChanged, this, [this](int columns, int rows) {
            winsize now{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0,
                        0};
            ioctl(m_fd, TIOCSWINSZ, &now);
        });
    }
    ~Program() override
    {
        m_notifier.reset();
        close(m_fd);
        kill(m_pid, SIGKILL);
        waitpid(m_pid, nullptr, 0);
    }

private:
    pid_t m_pid = -1;
    int m_fd = -1;
    std::unique_ptr<QSocketNotifier> m_notifier;
};

} // namespace

class TestTerminalView : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void init();
    void cleanup();

    void typingReachesTheShell();
    void programLearnsTheSize();
    void fullScreenProgramComesAndGoes();
    void lessScrollsByWheel();
    void shellGetsControlKeysAndAppItsOwn_data();
    void shellGetsControlKeysAndAppItsOwn();
    void dragSelectsAndCopies();
    void clicksSelectWordsAndLines();
    void scrollingOutputKeepsTheSelection();
    void changedTextDropsTheSelection();
    void keyboardSelects();
    void selectAllTakesTheScrollback();
    void followsOutputOnlyAtTheBottom();
    void typingReturnsToTheBottom();
    void pasteOfOneLineGoesThrough();
    void pasteOfSeveralLinesAsks();
    void pasteCanBeFilteredOrCancelled();
    void mouseGoesToTheProgramThatAsks();
    void floodIsParsedInSlices();
    void synchronizedUpdateCannotFreezeThePicture();
    void idleScreenIsNotRepainted();
    void zoomChangesTheGrid();
    void inputMethodCommits();
    void deadTerminalOffersANewShell();
    void noticeUndoesModes();
    void screenReadersReadTheScreen();
    void paintsColoursAndLines();
    void followsTheScheme();

private:
    QPoint cell(int documentRow, int column) const
    {
        const QRectF rect = view->cellRect(documentRow, column);
        return {static_cast<int>(rect.left() + 2), static_cast<int>(rect.center().y())};
    }
    std::unique_ptr<TerminalView> view;
};

void TestTerminalView::initTestCase()
{
    theme::install(*qApp);
    theme::setScheme(theme::Scheme::Light);
}

void TestTerminalView::init()
{
    view = std::make_unique<TerminalView>();
    view->resize(view->sizeForGrid(60, 12));
    view->show();
    QVERIFY(QTest::qWaitForWindowExposed(view.get()));
    view->activateWindow();
    view->setFocus();
    QTRY_VERIFY(view->hasFocus());
    QCOMPARE(view->columns(), 60);
    QCOMPARE(view->rows(), 12);
}

void TestTerminalView::cleanup()
{
    view.reset();
    theme::setScheme(theme::Scheme::Light);
}

void TestTerminalView::typingReachesTheShell()
{
    Program shell(*view, {"bash", "--norc", "--noprofile"});
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("ready>")), 20000);
    QTest::keyClicks(view.get(), QStringLiteral("echo answer=$((6*7))"));
    QTest::keyClick(view.get(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("answer=42")), 20000);
    QTest::keyClicks(view.get(), QStringLiteral("xyz"));
    QTRY_VERIFY(view->text().endsWith(QLatin1String("xyz")));
    QTest::keyClick(view.get(), Qt::Key_U, Qt::ControlModifier);
    QTRY_VERIFY(!view->text().contains(QLatin1String("xyz")));
}

void TestTerminalView::programLearnsTheSize()
{
    Program shell(*view, {"bash", "--norc", "--noprofile"});
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("ready>")), 20000);
    view->resize(view->sizeForGrid(51, 17));
    QTRY_COMPARE(view->columns(), 51);
    QCOMPARE(view->rows(), 17);
    QTest::keyClicks(view.get(), QStringLiteral("stty size"));
    QTest::keyClick(view.get(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("17 51")), 20000);
}

void TestTerminalView::fullScreenProgramComesAndGoes()
{
    Program shell(*view, {"bash", "--norc", "--noprofile"});
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("ready>")), 20000);
    QTest::keyClicks(view.get(), QStringLiteral("vim -u NONE -N -n -i NONE"));
    QTest::keyClick(view.get(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(view->screen().isAlternate() && view->text().contains(u'~'), 20000);
    QTest::keyClicks(view.get(), QStringLiteral("iwritten in vim"));
    QTRY_VERIFY_WITH_TIMEOUT(view->text().contains(QLatin1String("written in vim")), 20000);
    QTest::keyClick(view.get(), Qt::Key_Escape);
    QTest::keyClicks(view.get(), QStringLiteral(":q!"));
    QTest::keyClick(view.get(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(!view->screen().isAlternate(), 20000);
    QTRY_VERIFY(view->text().endsWith(QLatin1String("ready>")));
    QVERIFY(!view->text().contains(QLatin1String("written in vim")));
}

void TestTerminalView::lessScrollsByWheel()
{
    Program shell(*view, {"sh", "-c", "seq 1 500 | less"});
    QTRY_VERIFY_WITH_TIMEOUT(
        view->screen().isAlternate() && view->text().startsWith(QLatin1String("1\n")), 20000);
    const QPoint middle = view->viewport()->rect().center();
    QWheelEvent wheel(middle, view->viewport()->mapToGlobal(middle), {}, {0, -120}, Qt::NoButton,
                      Qt::NoModifier, Qt::NoScrollPhase, false);
    QApplication::sendEvent(view->viewport(), &wheel);
    QTRY_VERIFY_WITH_TIMEOUT(view->text().startsWith(QLatin1String("4\n")), 20000);
}

void TestTerminalView::shellGetsControlKeysAndAppItsOwn_data()
{
    QTest::addColumn<int>("key");
    QTest::addColumn<int>("modifiers");
    QTest::addColumn<bool>("shell");
    QTest::newRow("Ctrl+W") << int(Qt::Key_W) << int(Qt::ControlModifier) << true;
    QTest::newRow("Ctrl+F") << int(Qt::Key_F) << int(Qt::ControlModifier) << true;
    QTest::newRow("Ctrl+Q") << int(Qt::Key_Q) << int(Qt::ControlModifier) << true;
    QTest::newRow("Alt+F") << int(Qt::Key_F) << int(Qt::AltModifier) << true;
    QTest::newRow("F5") << int(Qt::Key_F5) << 0 << true;
    QTest::newRow("Delete") << int(Qt::Key_Delete) << 0 << true;
    QTest::newRow("Ctrl+Shift+T") << int(Qt::Key_T) << int(Qt::ControlModifier | Qt::ShiftModifier)
                                  << false;
    QTest::newRow("Ctrl+Shift+C") << int(Qt::Key_C) << int(Qt::ControlModifier | Qt::ShiftModifier)
                                  << false;
    QTest::newRow("Ctrl+Plus") << int(Qt::Key_Plus) << int(Qt::ControlModifier) << false;
    QTest::newRow("Ctrl+Tab") << int(Qt::Key_Tab) << int(Qt::ControlModifier) << false;
    QTest::newRow("Meta+L") << int(Qt::Key_L) << int(Qt::MetaModifier) << false;
}

void TestTerminalView::shellGetsControlKeysAndAppItsOwn()
{
    QFETCH(int, key);
    QFETCH(int, modifiers);
    QFETCH(bool, shell);
    QKeyEvent event(QEvent::ShortcutOverride, key, Qt::KeyboardModifiers(modifiers));
    event.ignore();
    QApplication::sendEvent(view.get(), &event);
    QCOMPARE(event.isAccepted(), shell);
}

void TestTerminalView::dragSelectsAndCopies()
{
    view->receive("first line\r\nsecond line\r\n");
    QTest::mousePress(view->viewport(), Qt::LeftButton, {}, cell(0, 6));
    QTest::mouseMove(view->viewport(), cell(1, 3));
    QTest::mouseMove(view->viewport(), cell(1, 6));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, {}, cell(1, 6));
    QCOMPARE(view->selectedText(), QStringLiteral("line\nsecond"));
    QTest::keyClick(view.get(), Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("line\nsecond"));
    // Alt: the same columns of each row.
    QTest::mousePress(view->viewport(), Qt::LeftButton, Qt::AltModifier, cell(0, 0));
    QTest::mouseMove(view->viewport(), cell(1, 3));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, Qt::AltModifier, cell(1, 3));
    QCOMPARE(view->selectedText(), QStringLiteral("fir\nsec"));
}

void TestTerminalView::clicksSelectWordsAndLines()
{
    view->receive("see /usr/lib/file.so now\r\n");
    QTest::mouseDClick(view->viewport(), Qt::LeftButton, {}, cell(0, 8));
    QCOMPARE(view->selectedText(), QStringLiteral("/usr/lib/file.so"));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, {}, cell(0, 8));
    QTest::mousePress(view->viewport(), Qt::LeftButton, {}, cell(0, 8));
    QCOMPARE(view->selectedText(), QStringLiteral("see /usr/lib/file.so now"));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, {}, cell(0, 8));
}

void TestTerminalView::scrollingOutputKeepsTheSelection()
{
    view->receive("keep this\r\n");
    QTest::mouseDClick(view->viewport(), Qt::LeftButton, {}, cell(0, 6));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, {}, cell(0, 6));
    QCOMPARE(view->selectedText(), QStringLiteral("this"));
    const int frames = view->paintedFrames();
    for (int i = 0; i < 40; ++i)
        view->receive("more " + QByteArray::number(i) + "\r\n");
    QTRY_VERIFY(view->paintedFrames() > frames);
    QVERIFY(view->screen().scrollbackRows() > 20);
    QCOMPARE(view->selectedText(), QStringLiteral("this"));
}

void TestTerminalView::changedTextDropsTheSelection()
{
    view->receive("keep this");
    QTest::mouseDClick(view->viewport(), Qt::LeftButton, {}, cell(0, 6));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, {}, cell(0, 6));
    QCOMPARE(view->selectedText(), QStringLiteral("this"));
    view->receive("\r\nother");
    const int frames = view->paintedFrames();
    QTRY_VERIFY(view->paintedFrames() > frames);
    QCOMPARE(view->selectedText(), QStringLiteral("this"));
    view->receive("\x1b[1;6Hthat");
    QTRY_COMPARE(view->selectedText(), QString());
}

void TestTerminalView::keyboardSelects()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    view->receive("alpha beta\r\n");
    QTest::keyClick(view.get(), Qt::Key_M, Qt::ControlModifier | Qt::ShiftModifier);
    QTest::keyClick(view.get(), Qt::Key_Up);
    QTest::keyClick(view.get(), Qt::Key_Home);
    for (int i = 0; i < 5; ++i)
        QTest::keyClick(view.get(), Qt::Key_Right, Qt::ShiftModifier);
    QCOMPARE(view->selectedText(), QStringLiteral("alpha"));
    QTest::keyClick(view.get(), Qt::Key_Return);
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("alpha"));
    QCOMPARE(input.count(), 0);
    QTest::keyClick(view.get(), Qt::Key_A);
    QCOMPARE(input.count(), 1);
}

void TestTerminalView::selectAllTakesTheScrollback()
{
    for (int i = 0; i < 30; ++i)
        view->receive("row " + QByteArray::number(i) + "\r\n");
    QTest::keyClick(view.get(), Qt::Key_A, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(view->selectedText().trimmed(), view->text());
    QVERIFY(view->selectedText().startsWith(QLatin1String("row 0\n")));
}

void TestTerminalView::followsOutputOnlyAtTheBottom()
{
    for (int i = 0; i < 60; ++i)
        view->receive("row " + QByteArray::number(i) + "\r\n");
    QScrollBar *bar = view->verticalScrollBar();
    QTRY_VERIFY(bar->maximum() > 40);
    QCOMPARE(bar->value(), bar->maximum());
    QTest::keyClick(view.get(), Qt::Key_PageUp, Qt::ShiftModifier);
    const int place = bar->value();
    QVERIFY(place < bar->maximum());
    const QString top = view->screen().rowText(place);
    const int frames = view->paintedFrames();
    for (int i = 0; i < 20; ++i)
        view->receive("later " + QByteArray::number(i) + "\r\n");
    QTRY_VERIFY(view->paintedFrames() > frames);
    QTRY_COMPARE(bar->maximum(), view->screen().scrollbackRows());
    QCOMPARE(bar->value(), place);
    QCOMPARE(view->screen().rowText(bar->value()), top);
    QTest::keyClick(view.get(), Qt::Key_End, Qt::ShiftModifier);
    QCOMPARE(bar->value(), bar->maximum());
    view->receive("last\r\n");
    QTRY_COMPARE(bar->maximum(), view->screen().scrollbackRows());
    QCOMPARE(bar->value(), bar->maximum());
}

void TestTerminalView::typingReturnsToTheBottom()
{
    for (int i = 0; i < 60; ++i)
        view->receive("row\r\n");
    QScrollBar *bar = view->verticalScrollBar();
    QTRY_VERIFY(bar->maximum() > 40);
    bar->setValue(3);
    QTest::keyClick(view.get(), Qt::Key_X);
    QCOMPARE(bar->value(), bar->maximum());
}

void TestTerminalView::pasteOfOneLineGoesThrough()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    QGuiApplication::clipboard()->setText(QStringLiteral("ls -l"));
    QTest::keyClick(view.get(), Qt::Key_V, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(input.count(), 1);
    QCOMPARE(input.at(0).at(0).toByteArray(), QByteArray("ls -l"));
    view->receive("\x1b[?2004h");
    view->paste();
    QCOMPARE(input.at(1).at(0).toByteArray(), QByteArray("\x1b[200~ls -l\x1b[201~"));
}

void TestTerminalView::pasteOfSeveralLinesAsks()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    auto *bar = view->findChild<PasteBar *>(QStringLiteral("pasteBar"));
    QVERIFY(bar && !bar->isVisible());
    QGuiApplication::clipboard()->setText(QStringLiteral("one\ntwo"));
    view->paste();
    QVERIFY(bar->isVisible());
    QCOMPARE(input.count(), 0);
    auto *button = bar->findChild<QPushButton *>(QStringLiteral("pasteConfirmButton"));
    QTRY_VERIFY(button->hasFocus());
    QTest::keyClick(button, Qt::Key_Return);
    QVERIFY(!bar->isVisible());
    QCOMPARE(input.count(), 1);
    QCOMPARE(input.at(0).at(0).toByteArray(), QByteArray("one\rtwo"));
    QVERIFY(view->hasFocus());
}

void TestTerminalView::pasteCanBeFilteredOrCancelled()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    auto *bar = view->findChild<PasteBar *>(QStringLiteral("pasteBar"));
    QGuiApplication::clipboard()->setText(QStringLiteral("echo\x03 x"));
    view->paste();
    QVERIFY(bar->isVisible());
    QTest::keyClick(bar->findChild<QPushButton *>(QStringLiteral("pasteConfirmButton")),
                    Qt::Key_Escape);
    QVERIFY(!bar->isVisible());
    QCOMPARE(input.count(), 0);
    view->paste();
    QTest::mouseClick(bar->findChild<QPushButton *>(QStringLiteral("pasteFilteredButton")),
                      Qt::LeftButton);
    QCOMPARE(input.count(), 1);
    QCOMPARE(input.at(0).at(0).toByteArray(), QByteArray("echo x"));
}

void TestTerminalView::mouseGoesToTheProgramThatAsks()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    view->receive("\x1b[?1000h\x1b[?1006h"
                  "text");
    QTest::mouseClick(view->viewport(), Qt::LeftButton, {}, cell(1, 4));
    QByteArray all;
    for (const auto &arguments : input)
        all += arguments.at(0).toByteArray();
    QCOMPARE(all, QByteArray("\x1b[<0;5;2M\x1b[<0;5;2m"));
    input.clear();
    QTest::mousePress(view->viewport(), Qt::LeftButton, Qt::ShiftModifier, cell(0, 0));
    QTest::mouseMove(view->viewport(), cell(0, 4));
    QTest::mouseRelease(view->viewport(), Qt::LeftButton, Qt::ShiftModifier, cell(0, 4));
    QCOMPARE(input.count(), 0);
    QCOMPARE(view->selectedText(), QStringLiteral("text"));
}

void TestTerminalView::floodIsParsedInSlices()
{
    QSignalSpy overloaded(view.get(), &TerminalView::overloaded);
    QByteArray flood;
    for (int i = 0; i < 1200000; ++i)
        flood += "flood line " + QByteArray::number(i) + "\r\n";
    const QByteArray first = flood.left(flood.size() / 2);
    view->receive(first);
    QVERIFY2(view->backlog() > 0, "thirteen megabytes in eight milliseconds");
    view->receive(flood.mid(first.size()));
    QCOMPARE(overloaded.count(), 1);
    QCOMPARE(overloaded.at(0).at(0).toBool(), true);
    const int frames = view->paintedFrames();
    QTRY_COMPARE_WITH_TIMEOUT(view->backlog(), qsizetype(0), 60000);
    QVERIFY(view->paintedFrames() > frames); // painted while it went on
    QCOMPARE(overloaded.count(), 2);
    QCOMPARE(overloaded.at(1).at(0).toBool(), false);
    QVERIFY(view->text().endsWith(QLatin1String("flood line 1199999")));
}

void TestTerminalView::synchronizedUpdateCannotFreezeThePicture()
{
    QTRY_VERIFY(view->paintedFrames() > 0);
    view->receive("\x1b[?2026hhalf a picture");
    QVERIFY(view->modes().synchronized);
    const int frames = view->paintedFrames();
    QTRY_VERIFY(!view->modes().synchronized);
    QTRY_VERIFY(view->paintedFrames() > frames);
}

void TestTerminalView::idleScreenIsNotRepainted()
{
    view->receive("\x1b[?12l\x1b[2 qtext"); // a steady cursor
    QSignalSpy shown(view.get(), &TerminalView::outputShown);
    const int before = view->paintedFrames();
    QTRY_VERIFY(view->paintedFrames() > before);
    const int frames = view->paintedFrames();
    QElapsedTimer timer;
    timer.start();
    QTRY_VERIFY(timer.hasExpired(1300)); // longer than the cursor's blink
    QVERIFY(view->paintedFrames() - frames <= 1);
}

void TestTerminalView::zoomChangesTheGrid()
{
    QSignalSpy size(view.get(), &TerminalView::gridSizeChanged);
    const QSizeF before = view->cellRect(0, 0).size();
    QTest::keyClick(view.get(), Qt::Key_Plus, Qt::ControlModifier);
    QTest::keyClick(view.get(), Qt::Key_Plus, Qt::ControlModifier);
    QVERIFY(view->cellRect(0, 0).height() > before.height());
    QVERIFY(size.count() > 0);
    QVERIFY(view->columns() < 60);
    QTest::keyClick(view.get(), Qt::Key_0, Qt::ControlModifier);
    QCOMPARE(view->cellRect(0, 0).size(), before);
    QCOMPARE(view->columns(), 60);
}

void TestTerminalView::inputMethodCommits()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    QInputMethodEvent compose(QStringLiteral("ni"), {});
    QApplication::sendEvent(view.get(), &compose);
    QCOMPARE(input.count(), 0);
    QInputMethodEvent commit;
    commit.setCommitString(QStringLiteral("你"));
    QApplication::sendEvent(view.get(), &commit);
    QCOMPARE(input.count(), 1);
    QCOMPARE(input.at(0).at(0).toByteArray(), QByteArray("你"));
    view->receive("ab");
    QInputMethodQueryEvent query(Qt::ImCursorRectangle);
    QApplication::sendEvent(view.get(), &query);
    const QRectF cursor = query.value(Qt::ImCursorRectangle).toRectF();
    QCOMPARE(cursor.left(), view->cellRect(0, 2).left());
}

void TestTerminalView::deadTerminalOffersANewShell()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    QSignalSpy restart(view.get(), &TerminalView::restartRequested);
    view->setLive(false);
    QTest::keyClick(view.get(), Qt::Key_A);
    view->receive("\x1b[6n");
    QCOMPARE(input.count(), 0);
    QTest::keyClick(view.get(), Qt::Key_Return);
    QCOMPARE(restart.count(), 1);
}

void TestTerminalView::noticeUndoesModes()
{
    view->receive("shell\r\n\x1b[?1049h\x1b[?1000h\x1b[31mprogram");
    view->writeNotice(QStringLiteral("Shell ended: exit status 0.\x1b[2J"));
    QVERIFY(!view->screen().isAlternate());
    QVERIFY(view->modes().mouse == VtParser::Mouse::None);
    QCOMPARE(view->text(), QStringLiteral("shell\nShell ended: exit status 0.[2J"));
}

void TestTerminalView::screenReadersReadTheScreen()
{
    view->receive("hello\r\nworld");
    QAccessibleInterface *accessible = QAccessible::queryAccessibleInterface(view.get());
    QVERIFY(accessible);
    QCOMPARE(accessible->role(), QAccessible::Terminal);
    QAccessibleTextInterface *text = accessible->textInterface();
    QVERIFY(text);
    QVERIFY(text->text(0, -1).startsWith(QLatin1String("hello\nworld\n")));
    QCOMPARE(text->cursorPosition(), 11);
    QCOMPARE(text->text(6, 11), QStringLiteral("world"));
    const QRect first = text->characterRect(6);
    QCOMPARE(text->offsetAtPoint(first.center()), 6);
}

void TestTerminalView::paintsColoursAndLines()
{
    view->receive(
        "\x1b[?25l\x1b[48;2;10;200;30m   \x1b[0m\r\n\x1b[38;2;255;0;0m───┐\r\n   │\x1b[0m");
    const qreal ratio = view->devicePixelRatioF();
    const QImage image = view->viewport()->grab().toImage();
    const auto pixel = [&](const QPointF &at) { return image.pixelColor((at * ratio).toPoint()); };
    QCOMPARE(pixel(view->cellRect(0, 1).center()), QColor(10, 200, 30));
    QCOMPARE(pixel(view->cellRect(0, 5).center()), QColor(255, 255, 255));
    // The line runs through the edges between cells without a gap, and down into the next row.
    const QRectF left = view->cellRect(1, 0);
    const QRectF corner = view->cellRect(1, 3);
    const int y = static_cast<int>(left.center().y() * ratio);
    bool unbroken = false;
    for (int dy = -2; dy <= 2 && !unbroken; ++dy) {
        unbroken = true;
        for (int x = static_cast<int>(left.left() * ratio);
             x < static_cast<int>(corner.center().x() * ratio); ++x)
            unbroken = unbroken && image.pixelColor(x, y + dy) == QColor(255, 0, 0);
    }
    QVERIFY(unbroken);
    const int x = static_cast<int>(corner.center().x() * ratio);
    unbroken = false;
    for (int dx = -2; dx <= 2 && !unbroken; ++dx) {
        unbroken = true;
        for (int row = y + 2; row < static_cast<int>(view->cellRect(2, 3).bottom() * ratio); ++row)
            unbroken = unbroken && image.pixelColor(x + dx, row) == QColor(255, 0, 0);
    }
    QVERIFY(unbroken);
}

void TestTerminalView::followsTheScheme()
{
    QSignalSpy input(view.get(), &TerminalView::inputReady);
    const auto corner = [this] { return view->viewport()->grab().toImage().pixelColor(2, 2); };
    QVERIFY(corner().lightness() > 200);
    theme::setScheme(theme::Scheme::Dark);
    QTRY_VERIFY(corner().lightness() < 60);
    view->receive("\x1b]11;?\x07");
    QCOMPARE(input.count(), 1);
    QVERIFY(input.at(0).at(0).toByteArray().startsWith("\x1b]11;rgb:1b1b/"));
}

QTEST_MAIN(TestTerminalView)
#include "tst_terminalview.moc"
