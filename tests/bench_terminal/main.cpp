// SPDX-License-Identifier: GPL-3.0-or-later
// A window with nothing but a TerminalView on a PTY: what the benchmark compares with other
// terminals, and what screenshots of single programs are taken with.
//
//   moru-termbench [--grid 120x36] [--scheme dark] [--font-size 10] [--screenshot FILE --after MS]
//                  [--keys MS TEXT]... -- PROGRAM ARGUMENTS
//   moru-termbench --drive RESULT WORKLOAD MB [WORKLOAD MB]...     (run inside a terminal)
//   moru-termbench --generate WORKLOAD MB                          (to standard output)
#include "tests/bench_terminal/driver.h"
#include "tests/bench_terminal/workloads.h"
#include "ui/common/theme.h"
#include "ui/terminal/terminalview.h"

#include <QApplication>
#include <QMouseEvent>
#include <QPixmap>
#include <QSocketNotifier>
#include <QTimer>

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace {

struct Options {
    int columns = 120;
    int rows = 36;
    QString scheme;
    QString screenshot;
    int after = 1500;
    double fontSize = 0;
    bool plain = false;
    bool select = false;
    std::vector<std::pair<int, QByteArray>> keys;
    std::vector<char *> command;
};

Options parse(int argc, char **argv)
{
    Options out;
    for (int i = 1; i < argc; ++i) {
        const QByteArray option(argv[i]);
        const auto value = [&] { return i + 1 < argc ? argv[++i] : argv[i]; };
        if (option == "--grid") {
            std::sscanf(value(), "%dx%d", &out.columns, &out.rows);
        } else if (option == "--scheme") {
            out.scheme = QString::fromLocal8Bit(value());
        } else if (option == "--screenshot") {
            out.screenshot = QString::fromLocal8Bit(value());
        } else if (option == "--after") {
            out.after = std::atoi(value());
        } else if (option == "--font-size") {
            out.fontSize = std::atof(value());
        } else if (option == "--plain") {
            out.plain = true;
        } else if (option == "--select") {
            out.select = true;
        } else if (option == "--keys") {
            const int when = std::atoi(value());
            out.keys.emplace_back(when,
                                  QByteArray(value()).replace("\\r", "\r").replace("\\e", "\x1b"));
        } else if (option == "--") {
            for (++i; i < argc; ++i)
                out.command.push_back(argv[i]);
        }
    }
    if (out.command.empty()) {
        static char shell[] = "/bin/bash";
        out.command.push_back(shell);
    }
    out.command.push_back(nullptr);
    return out;
}

} // namespace

int main(int argc, char **argv)
{
    using namespace moru;
    if (argc >= 3 && std::strcmp(argv[1], "--drive") == 0)
        return bench::drive(argc - 2, argv + 2);
    if (argc >= 4 && std::strcmp(argv[1], "--generate") == 0) {
        const std::string data =
            bench::workload(argv[2], static_cast<std::size_t>(std::atof(argv[3]) * 1e6), 120, 36);
        return std::fwrite(data.data(), 1, data.size(), stdout) == data.size() ? 0 : 1;
    }

    const Options options = parse(argc, argv);
    QApplication app(argc, argv);
    theme::install(app);
    if (!options.scheme.isEmpty())
        theme::setScheme(options.scheme == QLatin1String("dark") ? theme::Scheme::Dark
                                                                 : theme::Scheme::Light);

    TerminalView view;
    view.setFastPaths(!options.plain);
    view.setWindowTitle(QStringLiteral("moru-termbench"));
    view.resize(view.sizeForGrid(options.columns, options.rows));
    view.show();

    winsize size{static_cast<unsigned short>(options.rows),
                 static_cast<unsigned short>(options.columns), 0, 0};
    int fd = -1;
    const pid_t child = forkpty(&fd, nullptr, nullptr, &size);
    if (child < 0)
        return 1;
    if (child == 0) {
        setenv("TERM", "xterm-256color", 1);
        setenv("COLORTERM", "truecolor", 1);
        execvp(options.command[0], options.command.data());
        _exit(127);
    }
    std::vector<char> buffer(128 * 1024);
    QSocketNotifier reader(fd, QSocketNotifier::Read);
    QObject::connect(&reader, &QSocketNotifier::activated, &view, [&] {
        // One socket message's worth per turn, as frames from a server come.
        std::size_t length = 0;
        while (length < buffer.size()) {
            const ssize_t n = read(fd, buffer.data() + length, buffer.size() - length);
            if (n <= 0) {
                if (length == 0) {
                    reader.setEnabled(false);
                    if (options.screenshot.isEmpty())
                        app.quit();
                }
                break;
            }
            length += static_cast<std::size_t>(n);
            int waiting = 0;
            if (ioctl(fd, FIONREAD, &waiting) != 0 || waiting == 0)
                break;
        }
        view.receive(QByteArray(buffer.data(), static_cast<qsizetype>(length)));
    });
    QObject::connect(&view, &TerminalView::overloaded, &reader,
                     [&](bool much) { reader.setEnabled(!much); });
    QObject::connect(&view, &TerminalView::inputReady, &view, [&](const QByteArray &bytes) {
        if (write(fd, bytes.constData(), static_cast<std::size_t>(bytes.size())) < 0)
            std::perror("write");
    });
    QObject::connect(&view, &TerminalView::gridSizeChanged, &view, [&](int columns, int rows) {
        winsize now{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
        ioctl(fd, TIOCSWINSZ, &now);
    });
    for (const auto &[when, text] : options.keys)
        QTimer::singleShot(when, &view, [&view, keys = text] { emit view.inputReady(keys); });
    if (options.fontSize > 0) {
        for (int i = 0; i < static_cast<int>(options.fontSize); ++i)
            view.zoomIn();
    }
    if (!options.screenshot.isEmpty()) {
        QTimer::singleShot(options.after, &view, [&] {
            if (options.select)
                view.selectAll();
            view.activateWindow();
            view.setFocus();
            view.grab().save(options.screenshot);
            app.quit();
        });
    }
    const int status = app.exec();
    kill(child, SIGHUP);
    waitpid(child, nullptr, 0);
    return status;
}
