// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the pictures that run.sh asks for: the real window, driven as a person would.
#include "app/models/filetreemodel.h"
#include "app/models/transfermodel.h"
#include "tests/screens/stage.h"
#include "ui/common/theme.h"
#include "ui/sandboxes/keyvaluetable.h"
#include "ui/sandboxes/sandboxtableview.h"
#include "ui/terminal/terminalpane.h"

#include <QCommandLineParser>
#include <QContextMenuEvent>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QTableView>
#include <QTreeView>

#include <Qsci/qsciscintilla.h>

#include <cstdio>
#include <functional>

using namespace moru;
using namespace moru::screens;

namespace {

QString words(const char *text)
{
    return QString::fromLatin1(text);
}

class Studio {
public:
    struct Options {
        QString engine;
        QString folder;
        QStringList only;
        QSize size{1280, 800};
        bool dark = false;
    };
    explicit Studio(Options options);
    /// The number of pictures that could not be made.
    int run();

private:
    struct Picture {
        QString name;
        std::function<void()> prepare;
        bool moving = false;
    };
    void addLocalPictures();
    void addFleetPictures();
    void add(const char *name, std::function<void()> prepare)
    {
        m_pictures.push_back({words(name), std::move(prepare), false});
    }
    [[nodiscard]] QString fileFor(const QString &name) const;

    LocalStage &local();
    FleetStage &fleet();
    void newFleet()
    {
        m_fleet.reset();
        if (m_local)
            m_local->hide();
        m_fleet = std::make_unique<FleetStage>(m_options.size);
        m_stage = m_fleet.get();
    }
    /// Terminal of the sandbox: waits for its shell.
    TerminalPane *shell(const QString &name);
    void type(const QString &line, const QString &until);
    QTreeView *files(const QString &name, const QStringList &open);
    /// The tree with a program's text selected in it.
    QTreeView *basket();
    void choose(const QStringList &names);

    Options m_options;
    std::unique_ptr<LocalStage> m_local;
    std::unique_ptr<FleetStage> m_fleet;
    Stage *m_stage = nullptr;
    std::vector<Picture> m_pictures;
};

Studio::Studio(Options options)
    : m_options(std::move(options))
{
    addLocalPictures();
    addFleetPictures();
}

LocalStage &Studio::local()
{
    if (!m_local)
        m_local = std::make_unique<LocalStage>(m_options.engine, m_options.size);
    m_stage = m_local.get();
    return *m_local;
}

FleetStage &Studio::fleet()
{
    return *m_fleet;
}

TerminalPane *Studio::shell(const QString &name)
{
    LocalStage &stage = local();
    stage.select(stage.named(name));
    stage.trigger(words("view.terminal"));
    auto *pane = stage.the<TerminalPane>(words("terminalPane"));
    await([&] { return pane->isLive() && !pane->text().trimmed().isEmpty(); }, words("a shell"));
    return pane;
}

void Studio::type(const QString &line, const QString &until)
{
    auto *pane = m_stage->the<TerminalPane>(words("terminalPane"));
    auto *view = m_stage->the(words("terminalView"));
    QTest::keyClicks(view, line);
    QTest::keyClick(view, Qt::Key_Return);
    await([&] { return pane->text().contains(until); }, line);
}

QTreeView *Studio::files(const QString &name, const QStringList &open)
{
    LocalStage &stage = local();
    stage.select(stage.named(name));
    stage.trigger(words("view.files"));
    auto *tree = stage.the<QTreeView>(words("filesTree"));
    auto *model = qobject_cast<FileTreeModel *>(tree->model());
    need(model, words("a file model"));
    for (const QString &path : open) {
        await([&] { return model->indexOf(path).isValid(); }, path);
        const QModelIndex index = model->indexOf(path);
        tree->setCurrentIndex(index);
        tree->expand(index);
    }
    return tree;
}

QTreeView *Studio::basket()
{
    QTreeView *tree =
        files(words("api-tests"), {words("/home/user/app"), words("/home/user/app/shop")});
    auto *model = qobject_cast<FileTreeModel *>(tree->model());
    const QString file = words("/home/user/app/shop/basket.py");
    await([&] { return model->indexOf(file).isValid(); }, file);
    tree->setCurrentIndex(model->indexOf(file));
    tree->setFocus();
    return tree;
}

void Studio::choose(const QStringList &names)
{
    LocalStage &stage = local();
    auto *table = stage.the<SandboxTableView>(words("sandboxTable"));
    table->clearSelection();
    for (const QString &name : names) {
        const QString id = stage.named(name);
        for (int row = 0; row < stage.window().model().rowCount(); ++row) {
            if (stage.window().model().rowAt(row)->sandbox.id == id)
                table->selectionModel()->select(stage.window().model().index(row, 0),
                                                QItemSelectionModel::Select
                                                    | QItemSelectionModel::Rows);
        }
    }
    need(table->selectedIds().size() == names.size(), words("all selected"));
}

void Studio::addLocalPictures()
{
    add("first-run", [this] {
        LocalStage &stage = local();
        await([&] { return stage.engine().state() == EngineHost::State::Starting; },
              words("the engine starting"));
        stage.the(words("offlineState"));
    });
    add("empty", [this] {
        LocalStage &stage = local();
        stage.haveEngine();
        stage.the(words("emptyState"));
    });
    add("new-sandbox", [this] {
        LocalStage &stage = local();
        stage.haveEngine();
        stage.click(words("newSandboxButton"));
        QDialog *dialog = stage.dialog(words("newSandboxDialog"));
        dialog->findChild<KeyValueTable *>(words("metadataTable"))
            ->setValues({{words("name"), words("api-tests")}, {words("user"), words("ann")}});
    });
    for (const bool dark : {false, true}) {
        add(dark ? "main-dark" : "main-light", [this, dark] {
            theme::setScheme(dark || m_options.dark ? theme::Scheme::Dark : theme::Scheme::Light);
            LocalStage &stage = local();
            stage.haveSandboxes();
            if (!dark) {
                const TerminalPane *pane = shell(words("api-tests"));
                if (!pane->text().contains(words("Ran 6 tests"))) {
                    type(words("cd app && ls -l"), words("tests"));
                    type(words("python3 -m unittest -v"), words("Ran 6 tests"));
                }
            }
            shell(words("api-tests"));
            stage.trigger(words("view.table"));
        });
    }
    add("details-overview", [this] {
        theme::setScheme(m_options.dark ? theme::Scheme::Dark : theme::Scheme::Light);
        LocalStage &stage = local();
        stage.haveSandboxes();
        stage.select(stage.named(words("agent-42")));
        stage.trigger(words("view.overview"));
        auto *memory = stage.the<QLabel>(words("overviewMemory"));
        await([&] { return memory->text().contains(words("%")); }, words("memory in use"));
    });
    add("terminal", [this] {
        local().haveSandboxes();
        const TerminalPane *pane = shell(words("api-tests"));
        if (!pane->text().contains(words("GNU bash")))
            type(words("cd ~/app && ls -la --color=always && bash --version | head -1"),
                 words("GNU bash"));
        m_stage->the(words("terminalView"))->setFocus();
    });
    add("terminal-vim", [this] {
        local().haveSandboxes();
        shell(words("api-tests"));
        type(words("vim ~/app/shop/basket.py"), words("dataclass"));
        QTest::keyClicks(m_stage->the(words("terminalView")), words(":set number ruler\r/total\r"));
        const auto *pane = m_stage->the<TerminalPane>(words("terminalPane"));
        await([&] { return pane->text().contains(words(" 10 ")); }, words("line numbers"));
    });
    add("kill-busy", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        const QString id = stage.named(words("api-tests"));
        shell(words("api-tests"));
        stage.run(id, words("nohup python3 -m http.server 8000 >/dev/null 2>&1 &"));
        stage.trigger(words("sandbox.kill"));
        auto *impact = stage.dialog(words("killDialog"))->findChild<QLabel *>(words("impactLabel"));
        need(impact, words("impactLabel"));
        await([&] { return impact->text().contains(words("python3")); }, words("what runs"));
    });
    add("run-command", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        stage.select(stage.named(words("data-import")));
        stage.trigger(words("view.commands"));
        auto *line = stage.the<QLineEdit>(words("commandEdit"));
        await([&] { return line->isEnabled(); }, words("a command line"));
        const auto runIt = [&](const QString &command, bool background) {
            auto *box = stage.the<QAbstractButton>(words("backgroundBox"));
            if (box->isChecked() != background)
                box->click();
            line->setText(command);
            stage.click(words("runButton"));
        };
        runIt(words("sleep 900"), true);
        if (auto *box = stage.the<QAbstractButton>(words("backgroundBox")); box->isChecked())
            box->click();
        runIt(words("echo 'reading orders'; for i in 1 2 3; do echo \"batch $i: $((i * 250)) "
                    "rows\"; done; "
                    "echo 'batch 4: no such table: customers' >&2; ls /data /home/user; exit 3"),
              false);
        auto *result = stage.the<QLabel>(words("commandResultLabel"));
        await([&] { return result->text().contains(QLatin1Char('3')); }, words("an exit code"));
        auto *processes = stage.the<QTableView>(words("processTable"));
        await([&] { return processes->model()->rowCount() > 0; }, words("a running command"));
        line->setFocus();
    });
    add("files", [this] {
        local().haveSandboxes();
        basket();
    });
    add("files-edit", [this] {
        local().haveSandboxes();
        QTreeView *tree = basket();
        QTest::keyClick(tree, Qt::Key_Return);
        auto *editor = m_stage->the<QsciScintilla>(words("fileEditor"));
        await([&] { return editor->text().contains(words("dataclass")); }, words("the file"));
        editor->setFocus();
        editor->setCursorPosition(12, 0);
        QTest::keyClicks(editor, words("    "));
    });
    add("transfers", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        files(words("data-import"), {});
        const auto make = [&](const char *name, qint64 size) {
            QFile file(stage.file(words(name)));
            need(file.open(QIODevice::WriteOnly) && file.resize(size), words(name));
            return file.fileName();
        };
        stage.chooseFiles(
            {make("orders-2026-10.csv", 310'000), make("orders-2026-11.csv", 4'200'000),
             make("embeddings.bin", qint64(600) << 20), make("customers.csv", 92'000)});
        stage.click(words("uploadButton"));
        auto *view = stage.the<QTableView>(words("transfersView"));
        await(
            [&] {
                for (int row = 0; row < view->model()->rowCount(); ++row) {
                    const int percent =
                        view->model()->index(row, TransferModel::ProgressColumn).data().toInt();
                    if (percent >= 20 && percent <= 90)
                        return true;
                }
                return false;
            },
            words("an upload half way"));
    });
    m_pictures.back().moving = true;
    add("kill-one", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        stage.select(stage.named(words("docs-preview")));
        stage.trigger(words("sandbox.kill"));
        auto *impact = stage.dialog(words("killDialog"))->findChild<QLabel *>(words("impactLabel"));
        need(impact, words("impactLabel"));
        await([&] { return !impact->text().contains(words("checking")); }, words("what runs"));
    });
    add("kill-many", [this] {
        local().haveSandboxes();
        choose({words("nightly-build"), words("crawler-7"), words("demo"), words("agent-42")});
        m_stage->trigger(words("sandbox.kill"));
        auto *list =
            m_stage->dialog(words("killDialog"))->findChild<QAbstractItemView *>(words("killList"));
        need(list, words("killList"));
        await(
            [&] {
                for (int row = 0; row < list->model()->rowCount(); ++row) {
                    if (list->model()->index(row, 2).data().toString().contains(words("checking")))
                        return false;
                }
                return true;
            },
            words("what runs in each"));
    });
    add("pause-note", [this] {
        local().haveSandboxes();
        shell(words("api-tests"));
        m_stage->trigger(words("sandbox.pause"));
        m_stage->dialog(words("pauseDialog"));
    });
    add("connections", [this] {
        LocalStage &stage = local();
        stage.haveEngine();
        stage.trigger(words("connection.add"));
        QDialog *dialog = stage.dialog(words("connectionDialog"));
        const auto fill = [&](const char *name, const QString &text) {
            auto *edit = dialog->findChild<QLineEdit *>(words(name));
            need(edit, words(name));
            edit->setText(text);
        };
        const EngineHost::Address &address = stage.engine().address();
        fill("nameEdit", words("Acme staging"));
        fill("domainEdit", address.domain);
        fill("apiUrlEdit", address.apiUrl.toString());
        fill("sandboxUrlEdit", address.sandboxUrl.toString());
        fill("keyEdit", address.apiKey);
        stage.click(words("testButton"));
        stage.the(words("testSteps"));
        auto *test = stage.the<QAbstractButton>(words("testButton"));
        await([&] { return test->isEnabled(); }, words("the test's end"));
    });
    add("about", [this] {
        local().haveEngine();
        m_stage->trigger(words("help.about"));
        m_stage->dialog(words("aboutDialog"));
    });
    // Beside the list: other places worth a look.
    add("shortcuts", [this] {
        local().haveEngine();
        m_stage->trigger(words("help.shortcuts"));
        m_stage->dialog(words("shortcutsDialog"));
    });
    add("kill-by-id", [this] {
        local().haveEngine();
        m_stage->trigger(words("sandbox.killById"));
        QDialog *dialog = m_stage->dialog(words("killByIdDialog"));
        QTest::keyClicks(dialog->findChild<QLineEdit *>(words("idEdit")),
                         words("i0a1b2c3d4e5f6g7h8j9"));
    });
    add("paused", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        stage.select(stage.named(words("demo")));
        stage.trigger(words("view.files"));
        stage.the(words("unreachableState"));
    });
    add("context-menu", [this] {
        LocalStage &stage = local();
        stage.haveSandboxes();
        stage.select(stage.named(words("crawler-7")));
        auto *table = stage.the<SandboxTableView>(words("sandboxTable"));
        table->setFocus();
        QTest::keyClick(table, Qt::Key_Menu);
        QContextMenuEvent menu(QContextMenuEvent::Keyboard, QPoint(), QPoint());
        QApplication::sendEvent(table->viewport(), &menu);
        await([] { return QApplication::activePopupWidget() != nullptr; }, words("a menu"));
    });
}

void Studio::addFleetPictures()
{
    const auto start = [this] {
        FleetStage &stage = fleet();
        stage.show();
        stage.start();
    };
    add("loading", [this, start] {
        newFleet();
        fleet().server.intercept = [](const test::FleetServer::Request &) {
            test::FleetServer::Answer answer;
            answer.hold = true;
            return std::optional(answer);
        };
        start();
        fleet().the(words("loadingState"));
    });
    add("error-401", [this, start] {
        newFleet();
        fleet().server.intercept = [](const test::FleetServer::Request &) {
            return std::optional(test::FleetServer::error(401, "Invalid API key"));
        };
        start();
        fleet().the(words("failedState"));
    });
    add("error-offline", [this, start] {
        newFleet();
        fleet().fill(9);
        start();
        await([this] { return fleet().window().model().rowCount() == 9; }, words("nine rows"));
        fleet().server.shut();
        fleet().the(words("banner"));
    });
    add("many-rows", [this, start] {
        newFleet();
        fleet().fill(10'000);
        start();
        await([this] { return fleet().window().model().rowCount() == 10'000; },
              words("ten thousand rows"));
        fleet().select(fleet().window().model().rowAt(4)->sandbox.id);
        await([this] { return bool(fleet().window().model().rowAt(0)->metric); }, words("metrics"));
    });
    add("filter-query", [this, start] {
        newFleet();
        fleet().fill(10'000);
        start();
        await([this] { return fleet().window().model().rowCount() == 10'000; },
              words("ten thousand rows"));
        auto *filter = fleet().the<QLineEdit>(words("filterEdit"));
        filter->setFocus();
        QTest::keyClicks(filter, words("crawl user=ann"));
        await(
            [this] {
                const int rows = fleet().window().model().rowCount();
                return rows > 0 && rows < 10'000 && bool(fleet().window().model().rowAt(0)->metric);
            },
            words("fewer rows"));
    });
    add("production", [this, start] {
        newFleet();
        fleet().fill(9);
        start();
        await([this] { return fleet().window().model().rowCount() == 9; }, words("nine rows"));
        fleet().setProduction(true);
        fleet().select(fleet().window().model().rowAt(1)->sandbox.id);
        fleet().trigger(words("sandbox.kill"));
        fleet().dialog(words("killDialog"));
    });
    add("kill-all", [this, start] {
        newFleet();
        fleet().fill(14);
        start();
        await([this] { return fleet().window().model().rowCount() == 14; }, words("fourteen rows"));
        fleet().the<SandboxTableView>(words("sandboxTable"))->selectAll();
        fleet().trigger(words("sandbox.kill"));
        fleet().dialog(words("killDialog"));
    });
    add("no-match", [this, start] {
        newFleet();
        fleet().fill(9);
        start();
        await([this] { return fleet().window().model().rowCount() == 9; }, words("nine rows"));
        fleet().the<QLineEdit>(words("filterEdit"))->setText(words("nothing like this"));
        fleet().the(words("noMatchState"));
    });
}

QString Studio::fileFor(const QString &name) const
{
    QString file = name;
    if (m_options.size != QSize(1280, 800))
        file += QStringLiteral("-%1x%2").arg(m_options.size.width()).arg(m_options.size.height());
    if (m_options.dark)
        file += words("-dark");
    if (const qreal ratio = qApp->devicePixelRatio(); ratio > 1 && !file.endsWith(words("-2x")))
        file += QStringLiteral("-%1x").arg(ratio);
    return QDir(m_options.folder).filePath(file + words(".png"));
}

int Studio::run()
{
    theme::setScheme(m_options.dark ? theme::Scheme::Dark : theme::Scheme::Light);
    int failures = 0;
    QStringList unknown = m_options.only;
    for (const Picture &picture : m_pictures) {
        QString name = picture.name;
        if (name == words("main-light") && m_options.only.contains(words("main-2x")))
            name = words("main-2x");
        if (!m_options.only.isEmpty() && !m_options.only.contains(name))
            continue;
        unknown.removeAll(name);
        try {
            picture.prepare();
            shoot(*m_stage, fileFor(name), picture.moving);
            m_stage->closeDialogs();
            std::printf("%s\n", qPrintable(fileFor(name)));
        } catch (const std::exception &problem) {
            ++failures;
            std::fprintf(stderr, "screens: %s: %s\n", qPrintable(name), problem.what());
            try {
                if (m_stage)
                    m_stage->closeDialogs();
            } catch (const std::exception &) {
                m_stage = nullptr; // the next picture tells
            }
        }
        std::fflush(stdout);
    }
    for (const QString &name : unknown) {
        ++failures;
        std::fprintf(stderr, "screens: there is no picture %s\n", qPrintable(name));
    }
    return failures;
}

} // namespace

int main(int argc, char **argv)
{
    QGuiApplication::setHighDpiScaleFactorRoundingPolicy(
        Qt::HighDpiScaleFactorRoundingPolicy::PassThrough);
    QApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("moru-desktop"));
    QCoreApplication::setApplicationVersion(QStringLiteral(MORU_VERSION));
    QGuiApplication::setApplicationDisplayName(QStringLiteral("Moru Desktop"));
    QApplication::setCursorFlashTime(0); // a blinking line would never stand still
    theme::install(app);

    QCommandLineParser parser;
    const QCommandLineOption engine(words("engine"), words("The moru-local to use."),
                                    words("program"));
    const QCommandLineOption out(words("out"), words("Where the pictures go."), words("folder"));
    const QCommandLineOption only(words("only"), words("These pictures only."), words("names"));
    const QCommandLineOption size(words("size"), words("Of the window."), words("WxH"));
    const QCommandLineOption dark(words("dark"), words("In dark colours."));
    parser.addHelpOption();
    parser.addOptions({engine, out, only, size, dark});
    parser.process(app);
    Studio::Options options;
    options.engine = parser.value(engine);
    options.folder = parser.value(out);
    options.only = parser.value(only).split(QLatin1Char(','), Qt::SkipEmptyParts);
    options.dark = parser.isSet(dark);
    if (parser.isSet(size)) {
        const QStringList parts = parser.value(size).split(QLatin1Char('x'));
        options.size = parts.size() == 2 ? QSize(parts[0].toInt(), parts[1].toInt()) : QSize();
    }
    if (options.engine.isEmpty() || options.folder.isEmpty() || options.size.isEmpty()) {
        std::fprintf(stderr, "screens: --engine, --out and a sensible --size are needed\n");
        return 2;
    }
    try {
        return Studio(std::move(options)).run() > 0 ? 1 : 0;
    } catch (const std::exception &problem) {
        std::fprintf(stderr, "screens: %s\n", problem.what());
        return 1;
    }
}
