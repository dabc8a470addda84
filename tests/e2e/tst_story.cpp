// SPDX-License-Identifier: GPL-3.0-or-later
// The main job through the window: the real app, a real moru-local, a real sandbox.
#include "app/connections/connectionmanager.h"
#include "app/core/settings.h"
#include "app/enginehost/enginehost.h"
#include "app/models/filetreemodel.h"
#include "ui/common/armedbutton.h"
#include "ui/common/prompt.h"
#include "ui/common/theme.h"
#include "ui/mainwindow/mainwindow.h"
#include "ui/terminal/terminalpane.h"

#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QDialog>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QProcess>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QTreeView>

#include <Qsci/qsciscintilla.h>

using namespace moru;

namespace {

constexpr int patience = 30'000;

/// Keys of tests do not belong in anybody's wallet.
class NoSecrets final : public SecretStore {
public:
    void read(const QString &, QObject *context, Done<QString> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done(failure(Error::Kind::NotFound, {})); }, Qt::QueuedConnection);
    }
    void write(const QString &, const QString &, QObject *context, Done<> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done(failure(Error::Kind::Local, {})); }, Qt::QueuedConnection);
    }
    void remove(const QString &, QObject *context, Done<> done) override
    {
        QMetaObject::invokeMethod(
            context, [done] { done({}); }, Qt::QueuedConnection);
    }
};

} // namespace

class Story : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void cleanupTestCase();
    void emptyTableSaysWhatToDo();
    void newSandboxAppearsAsARow();
    void shellPrints();
    void fileWrittenInTheEditorIsReadByACommand();
    void pausedAndResumedItIsStillThere();
    void killingRemovesTheRow();
    void killingAgainIsAlreadyTerminated();

private:
    template <typename T = QWidget> T *visible(const QString &name) const
    {
        for (T *found : m_window->findChildren<T *>(name)) {
            if (found->isVisible())
                return found;
        }
        return nullptr;
    }
    void trigger(const QString &action)
    {
        auto *found = m_window->findChild<QAction *>(action);
        QVERIFY2(found, qPrintable(action));
        QVERIFY2(found->isEnabled(), qPrintable(action + QStringLiteral(": ") + found->toolTip()));
        found->trigger();
    }
    void click(const QString &button)
    {
        QAbstractButton *found = nullptr;
        QTRY_VERIFY2_WITH_TIMEOUT((found = visible<QAbstractButton>(button)), qPrintable(button),
                                  patience);
        QTRY_VERIFY2_WITH_TIMEOUT(found->isEnabled(), qPrintable(button), patience);
        // A dangerous button takes no click in its first moments.
        if (auto *armed = qobject_cast<ArmedButton *>(found))
            QTRY_VERIFY(armed->isArmed());
        QTest::mouseClick(found, Qt::LeftButton);
    }
    /// Runs one command in the Commands tab and gives its output.
    void run(const QString &command, QString *output)
    {
        trigger(QStringLiteral("view.commands"));
        QLineEdit *line = nullptr;
        QTRY_VERIFY_WITH_TIMEOUT((line = visible<QLineEdit>(QStringLiteral("commandEdit"))),
                                 patience);
        QTRY_VERIFY_WITH_TIMEOUT(line->isEnabled(), patience);
        line->setFocus();
        line->selectAll();
        // What the command prints ends with a line that no earlier run printed.
        const QString mark = QStringLiteral("run-%1-done").arg(++m_runs);
        QTest::keyClicks(line, command + QStringLiteral("; echo run-%1-\"done\"").arg(m_runs));
        click(QStringLiteral("runButton"));
        auto *view = visible<QPlainTextEdit>(QStringLiteral("commandOutput"));
        QVERIFY(view);
        QTRY_VERIFY2_WITH_TIMEOUT(view->toPlainText().contains(mark),
                                  qPrintable(view->toPlainText()), patience);
        *output = view->toPlainText();
    }
    SandboxState state() const { return m_window->model().rowById(m_id)->sandbox.state; }

    QTemporaryDir m_folder;
    QString m_program;
    QProcess m_engine;
    std::unique_ptr<Settings> m_settings;
    std::unique_ptr<EngineHost> m_host;
    NoSecrets m_secrets;
    std::unique_ptr<ConnectionManager> m_connections;
    std::unique_ptr<MainWindow> m_window;
    QString m_id;
    int m_runs = 0;
};

void Story::initTestCase()
{
    QVERIFY(m_folder.isValid());
    m_program = qEnvironmentVariable("MORU_BIN_DIR") + QStringLiteral("/moru-local");
    const QString state = m_folder.filePath(QStringLiteral("engine"));
    // On free ports, so that an engine of the person at this machine is left alone.
    m_engine.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    m_engine.start(m_program,
                   {QStringLiteral("serve"), QStringLiteral("--listen"),
                    QStringLiteral("127.0.0.1:0"), QStringLiteral("--state-dir"), state});
    QVERIFY(m_engine.waitForReadyRead(patience));
    m_settings = std::make_unique<Settings>(m_folder.filePath(QStringLiteral("settings.ini")));
    m_host = std::make_unique<EngineHost>(m_program, state);
    m_connections = std::make_unique<ConnectionManager>(*m_settings, m_secrets, m_host.get(),
                                                        QProcessEnvironment());
    m_window = std::make_unique<MainWindow>(*m_connections, *m_settings, dialogPrompt(), QString());
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    m_window->setConnection(m_connections->connections().first());
}

void Story::cleanupTestCase()
{
    m_window.reset();
    m_connections.reset();
    m_host.reset();
    const QString state = m_folder.filePath(QStringLiteral("engine"));
    QProcess::execute(m_program, {QStringLiteral("stop"), QStringLiteral("--state-dir"), state});
    QVERIFY(m_engine.state() == QProcess::NotRunning || m_engine.waitForFinished(patience));
    QCOMPARE(QProcess::execute(m_program, {QStringLiteral("reset"), QStringLiteral("--yes"),
                                           QStringLiteral("--state-dir"), state}),
             0);
}

void Story::emptyTableSaysWhatToDo()
{
    QTRY_VERIFY_WITH_TIMEOUT(
        m_window->store() && m_window->store()->phase() == SandboxStore::Phase::Ready, patience);
    QTRY_VERIFY(visible(QStringLiteral("emptyState")));
    QVERIFY(visible<QAbstractButton>(QStringLiteral("emptyNewButton")));
}

void Story::newSandboxAppearsAsARow()
{
    click(QStringLiteral("emptyNewButton"));
    QTRY_VERIFY(visible<QDialog>(QStringLiteral("newSandboxDialog")));
    click(QStringLiteral("createButton"));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->model().rowCount(), 1, patience);
    m_id = m_window->model().rowAt(0)->sandbox.id;
    QCOMPARE(state(), SandboxState::Running);
    QTRY_VERIFY(!visible<QDialog>(QStringLiteral("newSandboxDialog")));
    auto *table = visible<QTableView>(QStringLiteral("sandboxTable"));
    QVERIFY(table);
    table->selectRow(0);
}

void Story::shellPrints()
{
    trigger(QStringLiteral("view.terminal"));
    TerminalPane *pane = nullptr;
    QTRY_VERIFY_WITH_TIMEOUT((pane = visible<TerminalPane>(QStringLiteral("terminalPane"))),
                             patience);
    QTRY_VERIFY_WITH_TIMEOUT(pane->isLive(), patience);
    auto *view = visible(QStringLiteral("terminalView"));
    QVERIFY(view);
    QTest::keyClicks(view,
                     QStringLiteral("echo \"shell $((40 + 2))\" > note.txt; cat note.txt; tty"));
    QTest::keyClick(view, Qt::Key_Return);
    QTRY_VERIFY2_WITH_TIMEOUT(pane->text().contains(QLatin1String("shell 42")),
                              qPrintable(pane->text()), patience);
    QTRY_VERIFY2_WITH_TIMEOUT(pane->text().contains(QLatin1String("/dev/pts/")),
                              qPrintable(pane->text()), patience);
}

void Story::fileWrittenInTheEditorIsReadByACommand()
{
    trigger(QStringLiteral("view.files"));
    QTreeView *tree = nullptr;
    QTRY_VERIFY_WITH_TIMEOUT((tree = visible<QTreeView>(QStringLiteral("filesTree"))), patience);
    const QString path = QStringLiteral("/home/user/note.txt");
    auto *files = qobject_cast<FileTreeModel *>(tree->model());
    QVERIFY(files);
    QTRY_VERIFY_WITH_TIMEOUT(files->indexOf(path).isValid(), patience);
    tree->setCurrentIndex(files->indexOf(path));
    tree->setFocus();
    QTest::keyClick(tree, Qt::Key_Return);
    QsciScintilla *editor = nullptr;
    QTRY_VERIFY_WITH_TIMEOUT((editor = visible<QsciScintilla>(QStringLiteral("fileEditor"))),
                             patience);
    QTRY_COMPARE_WITH_TIMEOUT(editor->text(), QStringLiteral("shell 42\n"), patience);
    editor->setFocus();
    editor->selectAll();
    editor->replaceSelectedText(QStringLiteral("written in the editor\n"));
    QVERIFY(editor->isModified());
    click(QStringLiteral("saveFileButton"));
    QTRY_VERIFY_WITH_TIMEOUT(!editor->isModified(), patience);
    QString output;
    run(QStringLiteral("cat note.txt; stat -c %U:%a note.txt"), &output);
    QVERIFY2(output.contains(QLatin1String("written in the editor")), qPrintable(output));
    QVERIFY2(output.contains(QLatin1String("user:644")), qPrintable(output));
}

void Story::pausedAndResumedItIsStillThere()
{
    click(QStringLiteral("pauseButton"));
    QTRY_VERIFY(visible<QDialog>(QStringLiteral("pauseDialog")));
    click(QStringLiteral("pauseConfirmButton"));
    QTRY_COMPARE_WITH_TIMEOUT(state(), SandboxState::Paused, patience);
    for (TerminalPane *pane : m_window->findChildren<TerminalPane *>())
        QVERIFY(!pane->isLive());
    auto *resume = m_window->findChild<QAction *>(QStringLiteral("sandbox.resume"));
    QVERIFY(resume);
    QTRY_VERIFY_WITH_TIMEOUT(resume->isEnabled(), patience);
    resume->trigger();
    QTRY_COMPARE_WITH_TIMEOUT(state(), SandboxState::Running, patience);
    QString output;
    run(QStringLiteral("cat note.txt"), &output);
    QVERIFY2(output.contains(QLatin1String("written in the editor")), qPrintable(output));
}

void Story::killingRemovesTheRow()
{
    auto *table = visible<QTableView>(QStringLiteral("sandboxTable"));
    QVERIFY(table);
    // Shortcuts belong to the active window; offscreen nobody gives it back after a dialog.
    m_window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(m_window.get()));
    table->setFocus();
    QTest::keyClick(table, Qt::Key_Delete);
    QDialog *dialog = nullptr;
    QTRY_VERIFY((dialog = visible<QDialog>(QStringLiteral("killDialog"))));
    auto *cancel = dialog->findChild<QAbstractButton *>(QStringLiteral("cancelButton"));
    QCOMPARE(dialog->focusWidget(), cancel);
    QVERIFY(dialog->findChild<QLabel *>(QStringLiteral("lossLabel"))
                ->text()
                .contains(QLatin1String("permanently deleted")));
    // What runs now is asked of the sandbox itself.
    auto *impact = dialog->findChild<QLabel *>(QStringLiteral("impactLabel"));
    QVERIFY(impact);
    QTRY_VERIFY2_WITH_TIMEOUT(!impact->text().contains(QLatin1String("checking")),
                              qPrintable(impact->text()), patience);
    QVERIFY2(!impact->text().contains(QLatin1String("unknown")), qPrintable(impact->text()));
    click(QStringLiteral("killConfirmButton"));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->model().rowCount(), 0, patience);
    QTRY_VERIFY(!visible<QDialog>(QStringLiteral("killDialog")));
}

void Story::killingAgainIsAlreadyTerminated()
{
    trigger(QStringLiteral("sandbox.killById"));
    QDialog *dialog = nullptr;
    QTRY_VERIFY((dialog = visible<QDialog>(QStringLiteral("killByIdDialog"))));
    QTest::keyClicks(dialog->findChild<QLineEdit *>(QStringLiteral("idEdit")), m_id);
    click(QStringLiteral("killConfirmButton"));
    auto *result = dialog->findChild<QLabel *>(QStringLiteral("resultLabel"));
    QVERIFY(result);
    QTRY_VERIFY2_WITH_TIMEOUT(result->text().contains(QLatin1String("already terminated")),
                              qPrintable(result->text()), patience);
    dialog->close();
}

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    theme::install(app);
    Story story;
    return QTest::qExec(&story, argc, argv);
}

#include "tst_story.moc"
