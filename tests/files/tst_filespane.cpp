// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/textfile.h"
#include "tests/files/fakeprompt.h"
#include "tests/files/fakesandbox.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/files/choicebar.h"
#include "ui/files/filespane.h"
#include "ui/files/filetreeview.h"

#include <QAbstractButton>
#include <QApplication>
#include <QClipboard>
#include <QDir>
#include <QDropEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTabBar>
#include <QTabWidget>
#include <QTableView>
#include <QTest>
#include <QUrl>

#include <Qsci/qscilexer.h>
#include <Qsci/qsciscintilla.h>

using namespace moru;
using test::FakePrompt;
using test::FakeSandbox;
using test::HttpExchange;

namespace {

const QString kHome = QStringLiteral("/home/user");

struct Bench {
    FakeSandbox sandbox;
    FakePrompt prompt;
    std::unique_ptr<FilesPane> pane;
    QTemporaryDir folder;

    void open()
    {
        pane = std::make_unique<FilesPane>(sandbox.connection(), QLatin1String(FakeSandbox::id),
                                           prompt);
        pane->resize(1000, 600);
        pane->show();
        QVERIFY(QTest::qWaitForWindowExposed(pane.get()));
        pane->start();
    }

    template <typename T> [[nodiscard]] T *find(const char *name) const
    {
        return pane->findChild<T *>(QLatin1String(name));
    }

    [[nodiscard]] FileTreeView *tree() const { return find<FileTreeView>("filesTree"); }
    [[nodiscard]] QsciScintilla *editor() const { return find<QsciScintilla>("fileEditor"); }
    [[nodiscard]] QAbstractButton *button(const char *name) const
    {
        return find<QAbstractButton>(name);
    }

    [[nodiscard]] QModelIndex row(const QString &name) const
    {
        const auto *model = tree()->model();
        const auto found = model->match(model->index(0, 0), Qt::DisplayRole, name, 1,
                                        Qt::MatchExactly | Qt::MatchRecursive);
        return found.isEmpty() ? QModelIndex() : found.constFirst();
    }

    void select(const QString &name) const
    {
        QTRY_VERIFY(row(name).isValid());
        tree()->setCurrentIndex(row(name));
    }

    void edit(const QString &name) const
    {
        select(name);
        tree()->setFocus();
        QTest::keyClick(tree(), Qt::Key_Return);
        QTRY_VERIFY(editor() && editor()->isVisible());
    }

    [[nodiscard]] QByteArray local(const QString &name) const
    {
        QFile file(folder.path() + u'/' + name);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }
};

} // namespace

class FilesPaneTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void everythingHasANameAndAKey();
    void homeIsShownAndFoldersOpen();
    void emptyFolderOffersUpload();
    void failureOffersRetry();
    void everyFailureIsASentence_data();
    void everyFailureIsASentence();
    void typedPathIsShown();
    void editedFileIsSaved();
    void lineEndsAndMarkSurviveTheEditor_data();
    void lineEndsAndMarkSurviveTheEditor();
    void conflictAsksInPlace();
    void savingWhilePausedIsNoConflict();
    void failedSaveKeepsTheEdits();
    void edgeFilesAreRefusedWithDownload();
    void closingATabWithEditsAsks();
    void languageFollowsTheName();
    void findFinds();
    void coloursAreReadableInBothSchemes();
    void deleteAsksAndNames();
    void newFolderAndRename();
    void downloadAndUpload();
    void overwriteIsAskedInPlace();
    void droppedFilesAreUploaded();
    void unreachableKeepsContentAndEdits();
    void foreignChangeIsTold();
};

void FilesPaneTest::initTestCase()
{
    theme::install(*qApp);
}

void FilesPaneTest::everythingHasANameAndAKey()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "x");
    bench.open();
    bench.edit(u"a.txt"_qs);
    for (const char *name :
         {"pathEdit", "filesTree", "fileEditor", "saveFileButton", "uploadButton", "downloadButton",
          "newFolderButton", "renameButton", "deleteButton", "transfersView", "upButton",
          "homeButton", "refreshButton"})
        QVERIFY2(bench.find<QWidget>(name), name);
    const auto widgets = bench.pane->findChildren<QWidget *>();
    for (const QWidget *widget : widgets) {
        const auto *button = qobject_cast<const QAbstractButton *>(widget);
        if (!button || !button->isVisible() || button->objectName().startsWith(u"qt_"_qs)
            || qobject_cast<QTabBar *>(button->parentWidget()))
            continue;
        QVERIFY2(!button->accessibleName().isEmpty() || !button->text().isEmpty(),
                 qPrintable(button->objectName()));
        QVERIFY2(button->focusPolicy() & Qt::TabFocus, qPrintable(button->objectName()));
    }
}

void FilesPaneTest::homeIsShownAndFoldersOpen()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    bench.sandbox.write(kHome + u"/a.txt"_qs, "x");
    bench.open();
    QTRY_COMPARE(bench.find<QLineEdit>("pathEdit")->text(), kHome);
    bench.select(u"dir"_qs);
    bench.tree()->setFocus();
    QTest::keyClick(bench.tree(), Qt::Key_Right);
    QTRY_VERIFY(bench.row(u"in.txt"_qs).isValid());
    // Up, and back by Home.
    bench.button("upButton")->click();
    QTRY_COMPARE(bench.find<QLineEdit>("pathEdit")->text(), u"/home"_qs);
    bench.button("homeButton")->click();
    QTRY_COMPARE(bench.find<QLineEdit>("pathEdit")->text(), kHome);
    // The clipboard gets what was meant.
    bench.select(u"a.txt"_qs);
    bench.tree()->setFocus();
    QTest::keyClick(bench.tree(), Qt::Key_C, Qt::ControlModifier);
    QCOMPARE(QApplication::clipboard()->text(), kHome + u"/a.txt"_qs);
}

void FilesPaneTest::emptyFolderOffersUpload()
{
    Bench bench;
    bench.open();
    auto *placeholder = bench.find<Placeholder>("filesPlaceholder");
    QTRY_COMPARE(placeholder->title(), u"This folder is empty"_qs);
    QFile file(bench.folder.path() + u"/up.txt"_qs);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.close();
    bench.prompt.files = {file.fileName()};
    bench.button("filesPlaceholderButton")->click();
    QTRY_VERIFY(!bench.sandbox.read(kHome + u"/up.txt"_qs).isNull());
    QTRY_VERIFY(bench.tree()->isVisible());
}

void FilesPaneTest::failureOffersRetry()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "x");
    bench.sandbox.failNext("Stat", 500, R"({"code":"internal","message":"no"})");
    bench.open();
    auto *placeholder = bench.find<Placeholder>("filesPlaceholder");
    QTRY_COMPARE(placeholder->title(), u"The files could not be shown"_qs);
    bench.button("filesPlaceholderButton")->click();
    QTRY_VERIFY(bench.row(u"a.txt"_qs).isValid());
    QVERIFY(bench.tree()->isVisible());
}

void FilesPaneTest::everyFailureIsASentence_data()
{
    QTest::addColumn<int>("status");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("words");
    const auto row = [](int status, const QString &words) {
        QTest::addRow("%d", status)
            << status << QByteArray(R"({"code":0,"message":"told so"})") << words;
    };
    row(401, u"Access was refused. Check the API key of this connection."_qs);
    row(404, u"It does not exist any more."_qs);
    row(409, u"Something else stands in the way: told so."_qs);
    row(429, u"A limit of the account is reached."_qs);
    row(500, u"The sandbox could not do this: told so."_qs);
    QTest::newRow("not allowed")
        << 403 << QByteArray(R"({"code":"permission_denied","message":"permission denied"})")
        << u"The sandbox refused this: permission denied."_qs;
    QTest::newRow("sandbox gone") << 502
                                  << QByteArray(
                                         R"({"code":502,"message":"The sandbox was not found"})")
                                  << u"The sandbox does not answer: it is paused or gone."_qs;
    QTest::newRow("web page") << 502 << QByteArray("<html>bad gateway</html>")
                              << u"The server failed (status 502). Try again in a while."_qs;
    QTest::newRow("empty") << 200 << QByteArray() << u"The content did not arrive whole"_qs;
    QTest::newRow("closed") << 0 << QByteArray() << u"The server could not be reached."_qs;
}

void FilesPaneTest::everyFailureIsASentence()
{
    QFETCH(const int, status);
    QFETCH(const QByteArray, body);
    QFETCH(const QString, words);
    for (const char *name : {"Stat", "ListDir"}) {
        const QByteArray call = name;
        Bench bench;
        bench.sandbox.intercept([&](const QByteArray &what, HttpExchange &exchange) {
            if (what != call)
                return false;
            if (status == 0)
                exchange.reset();
            else
                exchange.answer(status, body);
            return true;
        });
        bench.open();
        auto *placeholder = bench.find<Placeholder>("filesPlaceholder");
        QTRY_VERIFY_WITH_TIMEOUT(bench.button("filesPlaceholderButton")->isVisible(), 15000);
        QVERIFY2(placeholder->text().contains(words), qPrintable(placeholder->text()));
        QVERIFY2(!placeholder->text().contains(u"http://"_qs)
                     && !placeholder->text().contains(u'<'),
                 qPrintable(placeholder->text()));
    }
}

void FilesPaneTest::savingWhilePausedIsNoConflict()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "a");
    bench.open();
    bench.edit(u"a.txt"_qs);
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"x"_qs);
    bench.sandbox.envd().hold();
    QTest::keyClick(bench.editor(), Qt::Key_S, Qt::ControlModifier);
    auto *banner = bench.find<QWidget>("editorBanner");
    QTRY_VERIFY(banner->isVisible());
    const QString told = banner->findChild<QLabel *>(u"bannerText"_qs)->text();
    QVERIFY2(told.contains(u"The sandbox is being paused."_qs), qPrintable(told));
    QVERIFY(!bench.find<QWidget>("conflictBar")->isVisible());
    QCOMPARE(bench.editor()->text(), u"xa"_qs);
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("a"));
    bench.sandbox.envd().release();
    QTest::keyClick(bench.editor(), Qt::Key_S, Qt::ControlModifier);
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("xa"));
}

void FilesPaneTest::typedPathIsShown()
{
    Bench bench;
    bench.sandbox.write(u"/data/deep/file.txt"_qs, "hello");
    bench.open();
    auto *path = bench.find<QLineEdit>("pathEdit");
    QTRY_COMPARE(path->text(), kHome);
    path->setFocus();
    path->selectAll();
    QTest::keyClicks(path, u"/data"_qs);
    QTest::keyClick(path, Qt::Key_Return);
    QTRY_VERIFY(bench.row(u"deep"_qs).isValid());
    // A file: its folder is shown and it is opened.
    path->setText(u"/data/deep/file.txt"_qs);
    QTest::keyClick(path, Qt::Key_Return);
    QTRY_COMPARE(path->text(), u"/data/deep"_qs);
    QTRY_VERIFY(bench.editor() && bench.editor()->isVisible());
    QTRY_COMPARE(bench.editor()->text(), u"hello"_qs);
    // What does not exist is told, and nothing else changes.
    path->setText(u"/nowhere"_qs);
    QTest::keyClick(path, Qt::Key_Return);
    QTRY_VERIFY(bench.find<QWidget>("filesBanner")->isVisible());
    QVERIFY(bench.row(u"file.txt"_qs).isValid());
}

void FilesPaneTest::editedFileIsSaved()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/run.sh"_qs, "echo 1\n", 0755);
    bench.open();
    QSignalSpy busy(bench.pane.get(), &FilesPane::busyChanged);
    bench.edit(u"run.sh"_qs);
    QCOMPARE(bench.editor()->text(), u"echo 1\n"_qs);
    QVERIFY(!bench.button("saveFileButton")->isEnabled());
    QVERIFY(!bench.pane->hasUnsavedEdits());
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"# "_qs);
    QVERIFY(bench.pane->hasUnsavedEdits());
    QCOMPARE(busy.count(), 1);
    QVERIFY(bench.find<QTabWidget>("editorTabs")->tabText(0).contains(u'•'));
    QTest::keyClick(bench.editor(), Qt::Key_S, Qt::ControlModifier);
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/run.sh"_qs), QByteArray("# echo 1\n"));
    QTRY_VERIFY(!bench.pane->hasUnsavedEdits());
    QCOMPARE(busy.count(), 2);
    QCOMPARE(bench.sandbox.mode(kHome + u"/run.sh"_qs), 0755);
    QCOMPARE(bench.find<QTabWidget>("editorTabs")->tabText(0), u"run.sh"_qs);
}

void FilesPaneTest::lineEndsAndMarkSurviveTheEditor_data()
{
    QTest::addColumn<QByteArray>("before");
    QTest::addColumn<QByteArray>("after");
    QTest::addColumn<QString>("told");
    QTest::newRow("CRLF") << QByteArray("a\r\nb\r\n") << QByteArray("x\r\na\r\nb\r\n")
                          << u"CRLF"_qs;
    QTest::newRow("LF") << QByteArray("a\nb\n") << QByteArray("x\na\nb\n") << u"LF"_qs;
    QTest::newRow("BOM, CRLF") << QByteArray("\xef\xbb\xbf"
                                             "a\r\n")
                               << QByteArray("\xef\xbb\xbf"
                                             "x\r\na\r\n")
                               << u"BOM"_qs;
    QTest::newRow("mixed") << QByteArray("a\r\nb\nc\r\n") << QByteArray("x\r\na\r\nb\nc\r\n")
                           << u"mixed"_qs;
    QTest::newRow("unicode") << QByteArray("\xf0\x9f\x98\x80\n")
                             << QByteArray("x\n\xf0\x9f\x98\x80\n") << u"LF"_qs;
}

void FilesPaneTest::lineEndsAndMarkSurviveTheEditor()
{
    QFETCH(QByteArray, before);
    QFETCH(QString, told);
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, before);
    bench.open();
    bench.edit(u"a.txt"_qs);
    QVERIFY(bench.find<QLabel>("editorInfoLabel")->text().contains(told));
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"x"_qs);
    QTest::keyClick(bench.editor(), Qt::Key_Return);
    bench.button("saveFileButton")->click();
    QTRY_VERIFY(!bench.pane->hasUnsavedEdits());
    QFETCH(QByteArray, after);
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), after);
}

void FilesPaneTest::conflictAsksInPlace()
{
    Bench bench;
    bench.sandbox.refuseWatches();
    bench.sandbox.write(kHome + u"/a.txt"_qs, "mine");
    bench.sandbox.age(kHome + u"/a.txt"_qs, 60);
    bench.open();
    bench.edit(u"a.txt"_qs);
    auto *bar = bench.find<ChoiceBar>("conflictBar");
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"not "_qs);
    bench.sandbox.write(kHome + u"/a.txt"_qs, "hers");
    bench.button("saveFileButton")->click();
    QTRY_VERIFY(bar->isVisible());
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("hers"));

    // Cancel keeps the edits, and asks again the next time.
    bench.button("conflictCancelButton")->click();
    QVERIFY(!bar->isVisible());
    QCOMPARE(bench.editor()->text(), u"not mine"_qs);
    QVERIFY(bench.pane->hasUnsavedEdits());
    bench.button("saveFileButton")->click();
    QTRY_VERIFY(bar->isVisible());
    bench.button("conflictOverwriteButton")->click();
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("not mine"));
    QTRY_VERIFY(!bench.pane->hasUnsavedEdits());

    // Reload takes what is there.
    QTest::keyClicks(bench.editor(), u"x"_qs);
    bench.sandbox.write(kHome + u"/a.txt"_qs, "hers again");
    bench.sandbox.age(kHome + u"/a.txt"_qs, -60);
    bench.button("saveFileButton")->click();
    QTRY_VERIFY(bar->isVisible());
    bench.button("conflictReloadButton")->click();
    QTRY_COMPARE(bench.editor()->text(), u"hers again"_qs);
    QVERIFY(!bench.pane->hasUnsavedEdits());
    QCOMPARE(bench.prompt.asked, 0); // no dialog anywhere
}

void FilesPaneTest::failedSaveKeepsTheEdits()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "old");
    bench.open();
    bench.edit(u"a.txt"_qs);
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"very "_qs);
    bench.sandbox.failNext("POST /files", 507, R"({"code":507,"message":"not enough disk space"})");
    bench.button("saveFileButton")->click();
    auto *banner = bench.find<QWidget>("editorBanner");
    QTRY_VERIFY(banner->isVisible());
    QVERIFY(banner->findChild<QLabel *>(u"bannerText"_qs)->text().contains(u"disk"_qs));
    QVERIFY(bench.pane->hasUnsavedEdits());
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("old"));
    banner->findChild<QAbstractButton *>(u"bannerAction"_qs)->click();
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("very old"));
    QTRY_VERIFY(!banner->isVisible());
}

void FilesPaneTest::edgeFilesAreRefusedWithDownload()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/bin"_qs, QByteArray("a\0b", 3));
    bench.sandbox.write(kHome + u"/big"_qs, "");
    QVERIFY(QFile::resize(bench.sandbox.local(kHome + u"/big"_qs), TextFile::kMaxSize + 1));
    bench.open();
    for (const char *name : {"bin", "big"}) {
        bench.select(QString::fromLatin1(name));
        bench.tree()->setFocus();
        QTest::keyClick(bench.tree(), Qt::Key_Return);
        auto *tabs = bench.find<QTabWidget>("editorTabs");
        QTRY_COMPARE(tabs->tabText(tabs->currentIndex()), QString::fromLatin1(name));
        auto *placeholder =
            tabs->currentWidget()->findChild<Placeholder *>(u"editorPlaceholder"_qs);
        QTRY_VERIFY(placeholder->button()->isVisible());
        QVERIFY(placeholder->accessibleDescription().contains(u"Download it"_qs));
        bench.prompt.answer = bench.folder.path() + u"/copy-"_qs + QString::fromLatin1(name);
        placeholder->button()->click();
        QCOMPARE(bench.prompt.suggested, QString::fromLatin1(name));
        QTRY_VERIFY(QFileInfo::exists(bench.prompt.answer));
    }
    QCOMPARE(bench.local(u"copy-bin"_qs), QByteArray("a\0b", 3));
}

void FilesPaneTest::closingATabWithEditsAsks()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "a");
    bench.open();
    bench.edit(u"a.txt"_qs);
    auto *tabs = bench.find<QTabWidget>("editorTabs");
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"x"_qs);
    bench.prompt.agree = false;
    const auto closeTab = [&] {
        qobject_cast<QAbstractButton *>(tabs->tabBar()->tabButton(0, QTabBar::RightSide))->click();
    };
    closeTab();
    QCOMPARE(bench.prompt.asked, 1);
    QVERIFY(bench.prompt.questions.constFirst().destructive);
    QCOMPARE(tabs->count(), 1);
    bench.prompt.agree = true;
    closeTab();
    QCOMPARE(tabs->count(), 0);
    QVERIFY(!tabs->isVisible());
    QVERIFY(!bench.pane->hasUnsavedEdits());
    // Without edits nothing is asked.
    bench.edit(u"a.txt"_qs);
    bench.editor()->setFocus();
    QTest::keyClick(bench.editor(), Qt::Key_W, Qt::ControlModifier);
    QCOMPARE(bench.prompt.asked, 2);
    QCOMPARE(tabs->count(), 0);
}

void FilesPaneTest::languageFollowsTheName()
{
    Bench bench;
    const QList<std::pair<QString, QByteArray>> expected{
        {u"a.py"_qs, "Python"}, {u"a.ts"_qs, "JavaScript"},   {u"a.json"_qs, "JSON"},
        {u"a.yml"_qs, "YAML"},  {u"a.sh"_qs, "Bash"},         {u"a.cpp"_qs, "C++"},
        {u"a.html"_qs, "HTML"}, {u"a.css"_qs, "CSS"},         {u"README.md"_qs, "Markdown"},
        {u"a.sql"_qs, "SQL"},   {u"Makefile"_qs, "Makefile"}, {u"CMakeLists.txt"_qs, "CMake"},
        {u"a.diff"_qs, "Diff"}, {u"a.ini"_qs, "Properties"},
    };
    for (const auto &[name, language] : expected)
        bench.sandbox.write(kHome + u'/' + name, "x\n");
    bench.sandbox.write(kHome + u"/script"_qs, "#!/usr/bin/env python3\n");
    bench.open();
    for (const auto &[name, language] : expected) {
        bench.edit(name);
        QTRY_VERIFY2(bench.editor()->lexer(), qPrintable(name));
        QCOMPARE(QByteArray(bench.editor()->lexer()->language()), language);
    }
    bench.edit(u"script"_qs);
    QTRY_VERIFY(bench.editor()->lexer());
    QCOMPARE(QByteArray(bench.editor()->lexer()->language()), QByteArray("Python"));
}

void FilesPaneTest::findFinds()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "one two\nTwo three\n");
    bench.open();
    bench.edit(u"a.txt"_qs);
    bench.editor()->setFocus();
    QTest::keyClick(bench.editor(), Qt::Key_F, Qt::ControlModifier);
    auto *edit = bench.find<QLineEdit>("findEdit");
    QTRY_VERIFY(edit->isVisible());
    QTest::keyClicks(edit, u"two"_qs);
    QCOMPARE(bench.editor()->selectedText(), u"two"_qs);
    QTest::keyClick(edit, Qt::Key_Return);
    QCOMPARE(bench.editor()->selectedText(), u"Two"_qs);
    QTest::keyClick(edit, Qt::Key_Return); // around
    QCOMPARE(bench.editor()->selectedText(), u"two"_qs);
    edit->setText(u"absent"_qs);
    QVERIFY(!bench.find<QLabel>("findResultLabel")->text().isEmpty());
    QTest::keyClick(edit, Qt::Key_Escape);
    QVERIFY(!edit->isVisible());
}

void FilesPaneTest::coloursAreReadableInBothSchemes()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.py"_qs, "import os\n");
    bench.sandbox.write(kHome + u"/a.md"_qs, "# x\n");
    bench.open();
    for (const auto scheme : {theme::Scheme::Dark, theme::Scheme::Light}) {
        theme::setScheme(scheme);
        for (const char *name : {"a.py", "a.md"}) {
            bench.edit(QString::fromLatin1(name));
            QTRY_VERIFY(bench.editor()->lexer());
            QsciLexer *lexer = bench.editor()->lexer();
            const QColor paper = QApplication::palette().color(QPalette::Base);
            for (int style = 0; style < 128; ++style) {
                if (lexer->description(style).isEmpty())
                    continue;
                QCOMPARE(lexer->paper(style), paper);
                QVERIFY2(theme::contrast(lexer->color(style), paper) >= 4.5,
                         qPrintable(lexer->description(style)));
            }
        }
    }
    theme::setScheme(theme::Scheme::System);
}

void FilesPaneTest::deleteAsksAndNames()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "x");
    bench.sandbox.write(kHome + u"/dir/in.txt"_qs, "x");
    bench.open();
    bench.select(u"a.txt"_qs);
    bench.tree()->setFocus();
    QTest::keyClick(bench.tree(), Qt::Key_Delete);
    QCOMPARE(bench.prompt.asked, 1);
    const Prompt::Question first = bench.prompt.questions.at(0);
    QVERIFY(first.title.contains(u"a.txt"_qs));
    QVERIFY(first.destructive);
    QVERIFY(first.text.contains(u"no trash"_qs));
    QTest::qWait(50);
    QVERIFY(!bench.sandbox.read(kHome + u"/a.txt"_qs).isNull()); // it was a no

    bench.prompt.agree = true;
    bench.tree()->selectAll();
    bench.button("deleteButton")->click();
    QCOMPARE(bench.prompt.asked, 2);
    QVERIFY(bench.prompt.questions.at(1).title.contains(u'2'));
    QCOMPARE(bench.prompt.questions.at(1).list.size(), 2);
    QTRY_COMPARE(bench.sandbox.names(kHome), QStringList());
}

void FilesPaneTest::newFolderAndRename()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "x");
    bench.sandbox.write(kHome + u"/b.txt"_qs, "b");
    bench.open();
    QTRY_VERIFY(bench.row(u"a.txt"_qs).isValid());
    bench.prompt.answer = u"stuff"_qs;
    bench.button("newFolderButton")->click();
    QTRY_VERIFY(bench.row(u"stuff"_qs).isValid());
    QTRY_COMPARE(bench.tree()->currentIndex().data().toString(),
                 u"stuff"_qs); // what was made is at hand

    auto *banner = bench.find<QWidget>("filesBanner");
    bench.prompt.answer = u"a/b"_qs;
    bench.button("newFolderButton")->click();
    QVERIFY(banner->isVisible());

    bench.select(u"a.txt"_qs);
    bench.tree()->setFocus();
    bench.prompt.answer = u"b.txt"_qs;
    QTest::keyClick(bench.tree(), Qt::Key_F2);
    QCOMPARE(bench.prompt.suggested, u"a.txt"_qs);
    QTRY_VERIFY(
        banner->findChild<QLabel *>(u"bannerText"_qs)->text().contains(u"exists already"_qs));
    QCOMPARE(bench.sandbox.read(kHome + u"/b.txt"_qs), QByteArray("b"));
    bench.prompt.answer = u"c.txt"_qs;
    QTest::keyClick(bench.tree(), Qt::Key_F2);
    QTRY_VERIFY(bench.row(u"c.txt"_qs).isValid());
    QVERIFY(!bench.row(u"a.txt"_qs).isValid());
}

void FilesPaneTest::downloadAndUpload()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "down");
    bench.sandbox.write(kHome + u"/b.txt"_qs, "down too");
    bench.sandbox.write(kHome + u"/dir/x"_qs, "x");
    bench.open();
    QSignalSpy busy(bench.pane.get(), &FilesPane::busyChanged);
    bench.select(u"a.txt"_qs);
    bench.prompt.answer = bench.folder.path() + u"/got.txt"_qs;
    bench.button("downloadButton")->click();
    QVERIFY(bench.pane->hasRunningTransfers());
    QTRY_COMPARE(bench.local(u"got.txt"_qs), QByteArray("down"));
    QTRY_VERIFY(!bench.pane->hasRunningTransfers());
    QVERIFY(busy.count() >= 2);
    auto *view = bench.find<QTableView>("transfersView");
    QVERIFY(view->isVisible());
    QCOMPARE(view->model()->rowCount(), 1);
    QTRY_VERIFY(bench.button("clearTransfersButton")->isEnabled());
    bench.button("clearTransfersButton")->click();
    QTRY_VERIFY(!view->isVisible()); // there only while it has something to say

    // Several go to a folder; a folder among them cannot.
    bench.tree()->selectAll();
    QVERIFY(!bench.button("downloadButton")->isEnabled());
    bench.select(u"a.txt"_qs);
    bench.tree()->selectionModel()->select(bench.row(u"b.txt"_qs),
                                           QItemSelectionModel::Select | QItemSelectionModel::Rows);
    bench.prompt.answer = bench.folder.path();
    bench.button("downloadButton")->click();
    QTRY_COMPARE(bench.local(u"a.txt"_qs), QByteArray("down"));
    QTRY_COMPARE(bench.local(u"b.txt"_qs), QByteArray("down too"));

    bench.prompt.files = {bench.folder.path() + u"/got.txt"_qs};
    bench.select(u"dir"_qs); // uploads go to the current folder
    bench.button("uploadButton")->click();
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/dir/got.txt"_qs), QByteArray("down"));
}

void FilesPaneTest::overwriteIsAskedInPlace()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "old");
    bench.open();
    QTRY_VERIFY(bench.row(u"a.txt"_qs).isValid());
    QFile file(bench.folder.path() + u"/a.txt"_qs);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("newer");
    file.close();
    bench.prompt.files = {file.fileName()};
    auto *bar = bench.find<ChoiceBar>("overwriteBar");
    bench.button("uploadButton")->click();
    QTRY_VERIFY(bar->isVisible());
    QVERIFY(bar->text().contains(u"3 B"_qs) && bar->text().contains(u"5 B"_qs));
    QTRY_VERIFY(bench.button("skipButton")->hasFocus()); // the safe answer is at hand
    QTest::keyClick(bench.button("skipButton"), Qt::Key_Return);
    QTRY_VERIFY(!bench.pane->hasRunningTransfers());
    QCOMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("old"));
    bench.button("uploadButton")->click();
    QTRY_VERIFY(bar->isVisible());
    bench.button("overwriteButton")->click();
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("newer"));
}

void FilesPaneTest::droppedFilesAreUploaded()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/dir/x"_qs, "x");
    bench.open();
    QTRY_VERIFY(bench.row(u"dir"_qs).isValid());
    QFile file(bench.folder.path() + u"/drop.txt"_qs);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.close();
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(file.fileName())});
    const auto dropOn = [&](QWidget *widget, QPoint position) {
        QDragEnterEvent enter(position, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(widget, &enter);
        QVERIFY(enter.isAccepted());
        QDragMoveEvent move(position, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(widget, &move);
        QVERIFY(move.isAccepted());
        QDropEvent drop(position, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(widget, &drop);
    };
    QWidget *viewport = bench.tree()->viewport();
    dropOn(viewport, bench.tree()->visualRect(bench.row(u"dir"_qs)).center());
    QTRY_VERIFY(!bench.sandbox.read(kHome + u"/dir/drop.txt"_qs).isNull());
    dropOn(viewport, {20, viewport->height() - 2}); // below the last row: the folder shown
    QTRY_VERIFY(!bench.sandbox.read(kHome + u"/drop.txt"_qs).isNull());

    QVERIFY(QDir().mkpath(bench.sandbox.local(u"/data/empty"_qs)));
    bench.find<QLineEdit>("pathEdit")->setText(u"/data/empty"_qs);
    QTest::keyClick(bench.find<QLineEdit>("pathEdit"), Qt::Key_Return);
    auto *placeholder = bench.find<Placeholder>("filesPlaceholder");
    QTRY_VERIFY(placeholder->isVisible());
    dropOn(placeholder, {20, 20});
    QTRY_VERIFY(!bench.sandbox.read(u"/data/empty/drop.txt"_qs).isNull());
}

void FilesPaneTest::unreachableKeepsContentAndEdits()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "a");
    bench.open();
    bench.edit(u"a.txt"_qs);
    bench.editor()->setFocus();
    QTest::keyClicks(bench.editor(), u"x"_qs);
    bench.sandbox.envd().closeStreams();
    bench.pane->setReachable(false, u"Paused: resume to go on."_qs);
    QVERIFY(bench.row(u"a.txt"_qs).isValid());
    QCOMPARE(bench.editor()->text(), u"xa"_qs);
    QVERIFY(bench.pane->hasUnsavedEdits());
    for (const char *name :
         {"uploadButton", "downloadButton", "newFolderButton", "deleteButton", "saveFileButton"}) {
        QVERIFY2(!bench.button(name)->isEnabled(), name);
        QVERIFY2(bench.button(name)->toolTip().contains(u"Paused"_qs), name);
    }
    QTest::qWait(100); // what was on its way when the sandbox went
    const qsizetype requests = bench.sandbox.server().requests().size();
    QTest::keyClick(bench.editor(), Qt::Key_S, Qt::ControlModifier);
    QTest::qWait(300);
    QCOMPARE(bench.sandbox.server().requests().size(), requests);
    bench.pane->setReachable(true, {});
    QTest::keyClick(bench.editor(), Qt::Key_S, Qt::ControlModifier);
    QTRY_COMPARE(bench.sandbox.read(kHome + u"/a.txt"_qs), QByteArray("xa"));
}

void FilesPaneTest::foreignChangeIsTold()
{
    Bench bench;
    bench.sandbox.write(kHome + u"/a.txt"_qs, "a");
    bench.sandbox.age(kHome + u"/a.txt"_qs, 60);
    bench.open();
    bench.edit(u"a.txt"_qs);
    QTRY_COMPARE(bench.sandbox.watchCount(), 1);
    auto *banner = bench.find<QWidget>("editorBanner");
    bench.sandbox.write(kHome + u"/a.txt"_qs, "changed");
    bench.sandbox.notify(kHome, u"a.txt"_qs, filesystem::EVENT_TYPE_WRITE);
    QTRY_VERIFY(banner->isVisible());
    QCOMPARE(bench.editor()->text(), u"a"_qs); // told, not done
    banner->findChild<QAbstractButton *>(u"bannerAction"_qs)->click();
    QTRY_COMPARE(bench.editor()->text(), u"changed"_qs);
}

QTEST_MAIN(FilesPaneTest)
#include "tst_filespane.moc"
