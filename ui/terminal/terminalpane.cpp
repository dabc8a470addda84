// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/terminal/terminalpane.h"

#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/terminal/terminalview.h"

#include <QFileInfo>
#include <QPointer>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace moru {
namespace {

using namespace std::chrono_literals;

constexpr auto resizeDelay = 80ms; ///< dragging a window edge asks the server once, not per pixel
constexpr int maxReconnects = 3;   ///< in a row, until output arrives again
constexpr std::array<std::chrono::milliseconds, maxReconnects> reconnectDelays{300ms, 1500ms,
                                                                               5000ms};

} // namespace

struct TerminalPane::Private {
    TerminalPane *pane;
    EnvdClient &envd;
    QString name;
    Banner *banner;
    TerminalView *view;
    QPointer<ProcessStream> stream;
    QTimer resizeTimer;
    QTimer reconnectTimer;
    Call lookup;
    quint32 pid = 0;
    bool live = false;
    bool lookingUp = false;   ///< asks whether the shell is still there
    bool unexplained = false; ///< the stream was closed on purpose and nobody has said why yet
    int reconnects = 0;
    QString program;
    QString folder;
    QString lastTitle;

    Private(TerminalPane *owner, EnvdClient &client, QString sandboxName)
        : pane(owner)
        , envd(client)
        , name(std::move(sandboxName))
        , banner(new Banner(owner))
        , view(new TerminalView(owner))
    {}

    void connectStream(ProcessStream *fresh);
    void dropStream();
    void setLive(bool on);
    void ended(const QString &line);
    void streamFailed(const Error &error);
    void reconnect();
    void updateTitle();
};

void TerminalPane::Private::setLive(bool on)
{
    view->setLive(on);
    if (live == on)
        return;
    live = on;
    emit pane->liveChanged(on);
}

void TerminalPane::Private::dropStream()
{
    if (!stream)
        return;
    stream->disconnect(pane);
    stream->detach();
    stream->deleteLater();
    stream.clear();
}

void TerminalPane::Private::connectStream(ProcessStream *fresh)
{
    dropStream();
    stream = fresh;
    QObject::connect(fresh, &ProcessStream::started, pane, [this](quint32 id) {
        pid = id;
        banner->clear();
        setLive(true);
        stream->resize(view->columns(), view->rows());
        updateTitle();
    });
    QObject::connect(fresh, &ProcessStream::ptyData, pane, [this](const QByteArray &bytes) {
        reconnects = 0;
        view->receive(bytes);
        if (!pane->isVisible())
            emit pane->activity();
    });
    QObject::connect(fresh, &ProcessStream::inputFailed, pane, [this](const Error &error) {
        // Not in the terminal itself: the program goes on, perhaps full-screen.
        banner->showError(error, TerminalPane::tr("What was typed did not arrive."));
    });
    QObject::connect(fresh, &ProcessStream::finished, pane, [this](const ProcessEnd &end) {
        QString how = end.status;
        if (how.isEmpty())
            how = end.exited ? TerminalPane::tr("exit status %1").arg(end.exitCode) : end.error;
        if (how.isEmpty())
            how = TerminalPane::tr("no status");
        ended(TerminalPane::tr("Shell ended: %1. Press Enter to start a new one.").arg(how));
    });
    QObject::connect(fresh, &ProcessStream::failed, pane,
                     [this](const Error &error) { streamFailed(error); });
}

void TerminalPane::Private::ended(const QString &line)
{
    dropStream();
    reconnectTimer.stop();
    lookup.abort();
    lookingUp = false;
    pid = 0;
    unexplained = false;
    program.clear();
    banner->clear();
    view->writeNotice(line);
    setLive(false);
    updateTitle();
}

void TerminalPane::Private::streamFailed(const Error &error)
{
    dropStream();
    if (error.kind == Error::Kind::Canceled) {
        // Closed on purpose; who did that says why with closeBecause(), before or right after.
        pid = 0;
        unexplained = true;
        setLive(false);
        QTimer::singleShot(0, pane, [this, error] {
            if (unexplained)
                ended(format::sentence(error));
        });
        return;
    }
    const bool temporary = error.kind == Error::Kind::Network || error.kind == Error::Kind::Timeout
                           || error.kind == Error::Kind::Server;
    if (pid != 0 && temporary && reconnects < maxReconnects) {
        // The shell may well be alive: look again shortly, and only then say that it is lost.
        setLive(false);
        banner->showMessage(Banner::Level::Warning,
                            TerminalPane::tr("The connection broke. Trying to get the shell back."),
                            {}, format::details(error));
        reconnectTimer.start(reconnectDelays[static_cast<std::size_t>(reconnects)]);
        ++reconnects;
        return;
    }
    const QString why =
        pid != 0 && temporary
            ? TerminalPane::tr("The connection to the shell broke and could not be restored.")
            : format::sentence(error);
    ended(TerminalPane::tr("%1 Press Enter to start a new shell.").arg(why));
}

void TerminalPane::Private::reconnect()
{
    lookingUp = true;
    lookup = envd.listProcesses(pane, [this](const Result<QList<ProcessInfo>> &result) {
        lookingUp = false;
        if (!result) {
            streamFailed(result.error());
            return;
        }
        const bool alive =
            std::any_of(result->cbegin(), result->cend(),
                        [this](const ProcessInfo &process) { return process.pid == pid; });
        if (!alive) {
            ended(TerminalPane::tr(
                "The connection broke and the shell has ended. Press Enter to start a new one."));
            return;
        }
        connectStream(envd.attach(pid, pane));
    });
}

void TerminalPane::Private::updateTitle()
{
    const QString title = pane->title();
    if (title == lastTitle)
        return;
    lastTitle = title;
    emit pane->titleChanged(title);
}

TerminalPane::TerminalPane(EnvdClient &envd, const QString &sandboxName, QWidget *parent)
    : QWidget(parent)
    , d(std::make_unique<Private>(this, envd, sandboxName))
{
    setObjectName(QStringLiteral("terminalPane"));
    setFocusProxy(d->view);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(d->banner);
    layout->addWidget(d->view);

    d->resizeTimer.setSingleShot(true);
    d->resizeTimer.setInterval(resizeDelay);
    d->reconnectTimer.setSingleShot(true);
    d->view->setLive(false);

    connect(d->view, &TerminalView::inputReady, this, [this](const QByteArray &bytes) {
        if (d->stream)
            d->stream->sendInput(bytes);
    });
    connect(d->view, &TerminalView::gridSizeChanged, this, [this] { d->resizeTimer.start(); });
    connect(&d->resizeTimer, &QTimer::timeout, this, [this] {
        if (d->stream && d->live)
            d->stream->resize(d->view->columns(), d->view->rows());
    });
    connect(&d->reconnectTimer, &QTimer::timeout, this, [this] { d->reconnect(); });
    connect(d->view, &TerminalView::overloaded, this, [this](bool tooMuch) {
        if (d->stream)
            d->stream->setReadingPaused(tooMuch);
    });
    connect(d->view, &TerminalView::titleChanged, this, [this](const QString &title) {
        d->program = title;
        d->updateTitle();
    });
    connect(d->view, &TerminalView::folderChanged, this, [this](const QString &folder) {
        d->folder = folder;
        d->updateTitle();
    });
    connect(d->view, &TerminalView::bell, this, &TerminalPane::bell);
    connect(d->view, &TerminalView::restartRequested, this, &TerminalPane::restart);
}

TerminalPane::~TerminalPane()
{
    d->lookup.abort();
    d->dropStream();
}

void TerminalPane::start()
{
    if (d->stream)
        return;
    d->reconnectTimer.stop();
    d->lookup.abort();
    d->lookingUp = false;
    d->pid = 0;
    d->reconnects = 0;
    ProcessSpec spec;
    spec.cmd = QStringLiteral("/bin/bash");
    spec.args = {QStringLiteral("-i"), QStringLiteral("-l")};
    spec.envs = {{QStringLiteral("TERM"), QStringLiteral("xterm-256color")},
                 {QStringLiteral("COLORTERM"), QStringLiteral("truecolor")},
                 {QStringLiteral("LANG"), QStringLiteral("C.UTF-8")}};
    spec.pty = true;
    spec.cols = d->view->columns();
    spec.rows = d->view->rows();
    d->connectStream(d->envd.start(spec, this));
}

void TerminalPane::restart()
{
    if (d->stream || d->reconnectTimer.isActive() || d->lookingUp)
        return;
    d->view->resetModes();
    start();
}

bool TerminalPane::isLive() const
{
    return d->live;
}

quint32 TerminalPane::pid() const
{
    return d->pid;
}

void TerminalPane::closeBecause(const QString &reason)
{
    if (!d->stream && !d->reconnectTimer.isActive() && !d->lookingUp && !d->live && !d->unexplained)
        return;
    d->ended(reason);
}

QString TerminalPane::title() const
{
    QString out = d->name;
    const QString folder = d->folder;
    if (!d->program.isEmpty())
        out = tr("%1: %2", "sandbox: program").arg(out, d->program);
    if (!folder.isEmpty() && !d->program.contains(folder)) {
        const QString last = QFileInfo(folder).fileName();
        out = tr("%1 - %2", "program - folder").arg(out, last.isEmpty() ? folder : last);
    }
    return out;
}

QString TerminalPane::text() const
{
    return d->view->text();
}

} // namespace moru
