// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/connectionmanager.h"
#include "app/core/log.h"
#include "app/core/paths.h"
#include "app/core/settings.h"
#include "app/enginehost/enginehost.h"
#include "app/update/updatecheck.h"
#include "ui/common/prompt.h"
#include "ui/common/theme.h"
#include "ui/mainwindow/mainwindow.h"
#include "ui/sandboxes/sandboxtableview.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QTimer>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#ifdef Q_OS_WIN
#include <windows.h>
#endif

namespace {

using namespace moru;

struct Options {
    QString stateDir;
    QString engine;
    QString connection;
    QString scheme;
    QString logLevel;
    QString screenshot;
};

QString tr(const char *text)
{
    return QCoreApplication::translate("main", text);
}

void setIdentity()
{
    QCoreApplication::setOrganizationName(QStringLiteral("Moru"));
    QCoreApplication::setOrganizationDomain(QStringLiteral("moru.io"));
    QCoreApplication::setApplicationName(QStringLiteral("moru-desktop"));
    QCoreApplication::setApplicationVersion(QStringLiteral(MORU_VERSION));
    QGuiApplication::setApplicationDisplayName(QStringLiteral("Moru Desktop"));
    QGuiApplication::setDesktopFileName(QStringLiteral("io.moru.Desktop"));
}

/// On Windows a program with windows has no console: what it prints goes to the one it was started
/// from, unless it was sent to a file.
void attachConsole()
{
#ifdef Q_OS_WIN
    const auto isOpen = [](DWORD stream) {
        return GetFileType(GetStdHandle(stream)) != FILE_TYPE_UNKNOWN;
    };
    const bool wantsOutput = !isOpen(STD_OUTPUT_HANDLE);
    const bool wantsErrors = !isOpen(STD_ERROR_HANDLE);
    if ((!wantsOutput && !wantsErrors) || AttachConsole(ATTACH_PARENT_PROCESS) == 0)
        return;
    if (wantsOutput)
        std::freopen("CONOUT$", "w", stdout);
    if (wantsErrors)
        std::freopen("CONOUT$", "w", stderr);
#endif
}

/// Reads the command line. An exit code means that the program ends with it now; everything that is
/// only text is answered without a display.
std::optional<int> parse(const QStringList &arguments, Options &options)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(
        tr("Shows sandboxes in a table, opens their terminals, files and commands, and pauses and "
           "kills them.\n\nThe variables MORU_API_KEY, MORU_API_URL, MORU_SANDBOX_URL and "
           "MORU_DOMAIN add a connection \"Environment\" for this run."));
    const QCommandLineOption help({QStringLiteral("h"), QStringLiteral("help")},
                                  tr("Shows this help and ends."));
    const QCommandLineOption version({QStringLiteral("v"), QStringLiteral("version")},
                                     tr("Shows the version and ends."));
    const QCommandLineOption stateDir(QStringLiteral("state-dir"),
                                      tr("Folder of the local engine's state."), tr("folder"));
    const QCommandLineOption engine(QStringLiteral("engine"), tr("The moru-local program to use."),
                                    tr("program"));
    const QCommandLineOption connection(
        QStringLiteral("connection"),
        tr("Connection to show: local, environment, or a name or ID of the list."), tr("id"));
    const QCommandLineOption scheme(QStringLiteral("scheme"),
                                    tr("Colours of this run: light, dark or system."), tr("name"));
    const QCommandLineOption logLevel(
        QStringLiteral("log-level"), tr("Least level that is logged: debug, info, warning, error."),
        tr("level"));
    const QCommandLineOption screenshot(
        QStringLiteral("screenshot"),
        tr("Saves a picture of the window with a filled table, then ends: 0 if the table was "
           "filled within 20 s, else 1."),
        tr("file"));
    parser.addOptions({help, version, stateDir, engine, connection, scheme, logLevel, screenshot});

    const auto complain = [](const QString &text) {
        std::fprintf(stderr, "moru-desktop: %s\n", qUtf8Printable(text));
        return 2;
    };
    if (!parser.parse(arguments))
        return complain(parser.errorText());
    if (parser.isSet(help)) {
        std::fputs(qUtf8Printable(parser.helpText()), stdout);
        return 0;
    }
    if (parser.isSet(version)) {
        std::fprintf(stdout, "moru-desktop %s (Qt %s)\n", MORU_VERSION, qVersion());
        return 0;
    }
    if (!parser.positionalArguments().isEmpty())
        return complain(tr("unexpected argument \"%1\"").arg(parser.positionalArguments().first()));
    options.stateDir = parser.value(stateDir);
    options.engine = parser.value(engine);
    options.connection = parser.value(connection);
    options.scheme = parser.value(scheme);
    options.logLevel = parser.value(logLevel);
    options.screenshot = parser.value(screenshot);
    const QStringList schemes{QString(), QStringLiteral("light"), QStringLiteral("dark"),
                              QStringLiteral("system")};
    if (!schemes.contains(options.scheme))
        return complain(tr("the colours are light, dark or system"));
    const QStringList levels{QString(), QStringLiteral("debug"), QStringLiteral("info"),
                             QStringLiteral("warning"), QStringLiteral("error")};
    if (!levels.contains(options.logLevel))
        return complain(tr("the levels are debug, info, warning and error"));
    return std::nullopt;
}

void setLogLevel(const QString &level)
{
    // The environment's QT_LOGGING_RULES are applied on top of these.
    QString rules = QStringLiteral("moru.*.debug=false\n");
    if (level == QLatin1String("debug"))
        rules = QStringLiteral("moru.*.debug=true\n");
    else if (level == QLatin1String("warning"))
        rules += QLatin1String("moru.*.info=false\n");
    else if (level == QLatin1String("error"))
        rules += QLatin1String("moru.*.info=false\nmoru.*.warning=false\n");
    QLoggingCategory::setFilterRules(rules);
}

theme::Scheme schemeOf(const QString &name)
{
    return name == QLatin1String("light")  ? theme::Scheme::Light
           : name == QLatin1String("dark") ? theme::Scheme::Dark
                                           : theme::Scheme::System;
}

Connection *choose(const ConnectionManager &connections, const QString &wanted)
{
    for (Connection *connection : connections.connections()) {
        if (connection->id() == wanted
            || connection->name().compare(wanted, Qt::CaseInsensitive) == 0)
            return connection;
    }
    return nullptr;
}

/// Logs once when the first rows are on screen: what the start took.
class FirstRows : public QObject {
public:
    FirstRows(SandboxTableView &view, QObject *parent)
        : QObject(parent)
        , m_view(view)
    {
        m_view.viewport()->installEventFilter(this);
    }

protected:
    bool eventFilter(QObject *watched, QEvent *event) override
    {
        if (event->type() == QEvent::Paint && m_view.model() && m_view.model()->rowCount() > 0) {
            m_view.viewport()->removeEventFilter(this);
            // When the event loop has this, the painting is done.
            QTimer::singleShot(0, this, [this] {
                qCDebug(lcUi) << "the first rows are painted";
                deleteLater();
            });
        }
        return QObject::eventFilter(watched, event);
    }

private:
    SandboxTableView &m_view;
};

/// Waits for a filled table, lets it settle, saves the picture and quits.
void takeScreenshot(MainWindow &window, const QString &file)
{
    const auto shoot = [&window, file](int code) {
        if (!window.grab().save(file)) {
            std::fprintf(stderr, "moru-desktop: %s\n",
                         qUtf8Printable(tr("the picture %1 could not be written").arg(file)));
            code = 1;
        }
        QCoreApplication::exit(code);
    };
    auto *patience = new QTimer(&window);
    patience->setSingleShot(true);
    QObject::connect(patience, &QTimer::timeout, &window, [shoot] { shoot(1); });
    patience->start(20'000);
    auto *look = new QTimer(&window);
    QObject::connect(look, &QTimer::timeout, &window, [&window, look, patience, shoot] {
        if (window.model().rowCount() < 1)
            return;
        look->stop();
        patience->stop();
        // The first row's details, and time for its figures to arrive.
        window.selectSandbox(window.model().rowAt(0)->sandbox.id);
        QTimer::singleShot(2500, &window, [shoot] { shoot(0); });
    });
    look->start(100);
}

} // namespace

int main(int argc, char **argv)
{
    setIdentity();
    attachConsole();
    Options options;
    {
        // No QApplication yet: --help must work where there is no display.
        QCoreApplication textOnly(argc, argv);
        if (const auto code = parse(QCoreApplication::arguments(), options))
            return *code;
    }
    QGuiApplication::setHighDpiScaleFactorRoundingPolicy(
        Qt::HighDpiScaleFactorRoundingPolicy::PassThrough);
    // X11 knows a window's program by its instance name, which must be the desktop file's.
    std::vector<char *> arguments(argv, argv + argc);
    char option[] = "-name";
    char id[] = "io.moru.Desktop";
    arguments.insert(arguments.begin() + std::min(argc, 1), {option, id});
    arguments.push_back(nullptr);
    int count = static_cast<int>(arguments.size()) - 1;
    QApplication app(count, arguments.data());
    setLogLevel(options.logLevel);
    const QString logFile = installLogFile(paths::stateDir());

    Settings settings;
    theme::install(app, settings.get<bool>(Setting::DesktopIsDark));
    theme::setScheme(schemeOf(options.scheme.isEmpty() ? settings.get<QString>(Setting::ColorScheme)
                                                       : options.scheme));
    QObject::connect(&theme::notifier(), &theme::Notifier::changed, &settings, [&settings] {
        if (theme::scheme() == theme::Scheme::System)
            settings.set(Setting::DesktopIsDark, theme::isDark());
    });

    EngineHost engine(options.engine, options.stateDir);
    KeychainStore secrets;
    ConnectionManager connections(settings, secrets, &engine,
                                  QProcessEnvironment::systemEnvironment());
    UpdateCheck updates(UpdateCheck::builtInUrl(), QStringLiteral(MORU_VERSION));
    MainWindow window(connections, settings, dialogPrompt(), logFile);
    if (!UpdateCheck::builtInUrl().isEmpty())
        window.setUpdates(updates);

    const QString wanted = options.connection.isEmpty()
                               ? settings.get<QString>(Setting::CurrentConnection)
                               : options.connection;
    Connection *connection = choose(connections, wanted);
    if (!connection && !options.connection.isEmpty()) {
        std::fprintf(stderr, "moru-desktop: %s\n",
                     qUtf8Printable(tr("there is no connection \"%1\"").arg(wanted)));
        return 2;
    }
    if (!connection)
        connection = connections.connections().value(0);
    if (lcUi().isDebugEnabled()) {
        if (auto *table = window.findChild<SandboxTableView *>())
            new FirstRows(*table, &window);
    }
    window.show();
    window.setConnection(connection);
    if (!options.screenshot.isEmpty())
        takeScreenshot(window, options.screenshot);
    return QApplication::exec();
}
