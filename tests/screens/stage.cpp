// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/screens/stage.h"

#include "ui/sandboxes/sandboxtableview.h"

#include <QAction>
#include <QCursor>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPixmap>
#include <QProcess>
#include <QScreen>
#include <QSet>
#include <QTimer>
#include <QUrlQuery>

namespace moru::screens {
namespace {

template <typename T> void later(QObject *context, Done<T> done, Result<T> result)
{
    QTimer::singleShot(0, context,
                       [done = std::move(done), result = std::move(result)] { done(result); });
}

QProcessEnvironment environmentFor(const QUrl &url)
{
    QProcessEnvironment environment;
    environment.insert(QStringLiteral("MORU_API_KEY"), QStringLiteral("moru_key"));
    environment.insert(QStringLiteral("MORU_API_URL"), url.toString());
    environment.insert(QStringLiteral("MORU_SANDBOX_URL"), url.toString());
    return environment;
}

} // namespace

void MemorySecrets::read(const QString &entry, QObject *context, Done<QString> done)
{
    if (m_secrets.contains(entry))
        later<QString>(context, std::move(done), m_secrets.value(entry));
    else
        later<QString>(context, std::move(done), failure(Error::Kind::NotFound, {}));
}

void MemorySecrets::write(const QString &entry, const QString &secret, QObject *context,
                          Done<> done)
{
    m_secrets.insert(entry, secret);
    later<void>(context, std::move(done), {});
}

void MemorySecrets::remove(const QString &entry, QObject *context, Done<> done)
{
    m_secrets.remove(entry);
    later<void>(context, std::move(done), {});
}

void ChoosingPrompt::confirm(QWidget *parent, const Question &question,
                             std::function<void(bool)> answer)
{
    dialogPrompt().confirm(parent, question, std::move(answer));
}

void ChoosingPrompt::text(QWidget *parent, const QString &title, const QString &label,
                          const QString &initial, std::function<void(QString)> answer)
{
    dialogPrompt().text(parent, title, label, initial, std::move(answer));
}

void ChoosingPrompt::openFiles(QWidget *, const QString &, std::function<void(QStringList)> answer)
{
    answer(files);
}

void ChoosingPrompt::saveFile(QWidget *parent, const QString &title, const QString &suggestedName,
                              std::function<void(QString)> answer)
{
    dialogPrompt().saveFile(parent, title, suggestedName, std::move(answer));
}

void ChoosingPrompt::folder(QWidget *parent, const QString &title,
                            std::function<void(QString)> answer)
{
    dialogPrompt().folder(parent, title, std::move(answer));
}

// ---------------------------------------------------------------------------------------------

Stage::Stage(const QSize &size)
    : m_settings(m_folder.filePath(QStringLiteral("settings.ini")))
    , m_size(size)
{}

Stage::~Stage()
{
    m_window.reset();
    m_connections.reset();
    m_engine.reset();
}

void Stage::open(EngineHost *engine, const QProcessEnvironment &environment)
{
    m_connections = std::make_unique<ConnectionManager>(m_settings, m_secrets, engine, environment);
    m_window = std::make_unique<MainWindow>(*m_connections, m_settings, m_prompt,
                                            m_folder.filePath(QStringLiteral("app.log")));
    m_window->resize(m_size);
}

void Stage::show()
{
    m_window->show();
    need(QTest::qWaitForWindowExposed(m_window.get(), patience),
         QStringLiteral("the window did not appear"));
    m_window->activateWindow();
    m_window->raise();
    need(QTest::qWaitForWindowActive(m_window.get(), patience),
         QStringLiteral("the window did not get the keyboard"));
    // No pointer in the picture, and no row under it.
    QCursor::setPos(m_window->screen()->geometry().bottomRight());
}

void Stage::trigger(const QString &action)
{
    auto *found = m_window->findChild<QAction *>(action);
    need(found, action);
    await([&] { return found->isEnabled(); }, action + QStringLiteral(" enabled"));
    found->trigger();
}

void Stage::click(const QString &button)
{
    auto *found = the<QAbstractButton>(button);
    await([&] { return found->isEnabled(); }, button + QStringLiteral(" enabled"));
    QTest::mouseClick(found, Qt::LeftButton);
}

void Stage::closeDialogs()
{
    const auto open = [] {
        QList<QDialog *> dialogs;
        for (QWidget *widget : QApplication::topLevelWidgets()) {
            auto *dialog = qobject_cast<QDialog *>(widget);
            if (dialog && dialog->isVisible())
                dialogs << dialog;
        }
        return dialogs;
    };
    if (QWidget *menu = QApplication::activePopupWidget())
        menu->close();
    for (QDialog *dialog : open())
        dialog->reject();
    await([&] { return open().isEmpty(); }, QStringLiteral("dialogs closed"));
    m_window->activateWindow();
    need(QTest::qWaitForWindowActive(m_window.get(), patience),
         QStringLiteral("the window did not get the keyboard back"));
}

void Stage::select(const QString &id)
{
    auto *table = the<SandboxTableView>(QStringLiteral("sandboxTable"));
    await([&] { return table->selectId(id); }, id + QStringLiteral(" in the table"));
}

// ---------------------------------------------------------------------------------------------

LocalStage::LocalStage(const QString &engine, const QSize &size)
    : Stage(size)
    , m_program(engine)
    , m_gate(m_folder.filePath(QStringLiteral("gate")))
{
    // The real engine behind a gate, so that its start lasts as long as a picture of it takes.
    const QString gated = m_folder.filePath(QStringLiteral("moru-local"));
    QFile script(gated);
    need(script.open(QIODevice::WriteOnly), gated);
    script.write(QStringLiteral("#!/bin/sh\nif [ \"$1\" = serve ]; then\n"
                                "    while [ -d '%1' ] && [ ! -e '%2' ]; do sleep 0.05; done\nfi\n"
                                "exec '%3' \"$@\"\n")
                     .arg(m_folder.path(), m_gate, engine)
                     .toUtf8());
    script.setPermissions(QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
    script.close();
    m_engine = std::make_unique<EngineHost>(gated, m_folder.filePath(QStringLiteral("engine")));
    open(m_engine.get(), QProcessEnvironment());
    show();
    m_window->setConnection(m_connections->connections().first());
}

LocalStage::~LocalStage()
{
    m_window.reset();
    const QString state = m_folder.filePath(QStringLiteral("engine"));
    const QStringList where{QStringLiteral("--state-dir"), state};
    QProcess::execute(m_program, QStringList{QStringLiteral("stop")} + where);
    QProcess::execute(m_program,
                      QStringList{QStringLiteral("reset"), QStringLiteral("--yes")} + where);
}

void LocalStage::openGate()
{
    QFile gate(m_gate);
    need(gate.open(QIODevice::WriteOnly), m_gate);
}

void LocalStage::haveEngine()
{
    openGate();
    await(
        [&] {
            need(m_engine->state() != EngineHost::State::Failed,
                 QStringLiteral("the engine did not start: ") + m_engine->lastError().message);
            return m_window->store()->phase() == SandboxStore::Phase::Ready;
        },
        QStringLiteral("a list from the engine"));
}

QString LocalStage::create(const NewSandbox &spec)
{
    std::optional<Result<SandboxDetail>> answer;
    QObject context;
    m_window->store()->create(spec, &context,
                              [&](const Result<SandboxDetail> &result) { answer = result; });
    await([&] { return answer.has_value(); }, QStringLiteral("an answer to create"));
    need(answer->has_value(),
         QStringLiteral("create: ") + (*answer ? QString() : answer->error().message));
    return (*answer)->sandbox.id;
}

void LocalStage::haveSandboxes()
{
    haveEngine();
    if (!m_ids.isEmpty())
        return;
    struct Plan {
        const char *name;
        int minutes;
        OnTimeout then;
        std::vector<std::pair<const char *, const char *>> metadata;
        const char *work;
        bool pause = false;
    };
    const char *busy = "nohup sh -c 'while :; do i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done; "
                       "sleep 0.1; done' >/dev/null 2>&1 &";
    const char *held = "nohup python3 -c 'import time; b = bytearray(180 << 20); time.sleep(9999)' "
                       ">/dev/null 2>&1 &";
    const std::vector<Plan> plans{
        {"nightly-build", 4, OnTimeout::Pause, {{"project", "shop"}, {"user", "ci"}}, busy},
        {"crawler-7", 12, OnTimeout::Kill, {{"agent", "crawler"}, {"user", "ben"}}, held},
        {"docs-preview", 60, OnTimeout::Kill, {{"project", "docs"}}, nullptr},
        {"data-import",
         25,
         OnTimeout::Pause,
         {{"project", "shop"}, {"table", "orders"}, {"user", "ann"}},
         nullptr},
        {"agent-42",
         24 * 60,
         OnTimeout::Kill,
         {{"agent", "refactor"}, {"branch", "main"}, {"run", "42"}, {"user", "ann"}},
         held},
        {"demo", 60, OnTimeout::Kill, {{"user", "ann"}}, nullptr, true},
        {"experiment", 120, OnTimeout::Pause, {{"user", "ben"}}, nullptr, true},
        {"api-tests",
         192,
         OnTimeout::Kill,
         {{"branch", "checkout"}, {"project", "shop"}, {"user", "ann"}},
         nullptr},
    };
    for (const Plan &plan : plans) {
        NewSandbox spec;
        spec.timeoutSeconds = plan.minutes * 60;
        spec.onTimeout = plan.then;
        spec.metadata.insert(QStringLiteral("name"), QLatin1String(plan.name));
        for (const auto &[key, value] : plan.metadata)
            spec.metadata.insert(QLatin1String(key), QLatin1String(value));
        const QString id = create(spec);
        m_ids.insert(QLatin1String(plan.name), id);
        if (plan.work)
            run(id, QLatin1String(plan.work));
    }
    run(named(QStringLiteral("api-tests")), QStringLiteral(R"(
mkdir -p app/shop app/tests notes
cat > app/shop/__init__.py <<'END'
END
cat > app/shop/basket.py <<'END'
"""What a customer is about to buy."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Line:
    name: str
    price: Decimal
    count: int = 1

    def total(self) -> Decimal:
        return self.price * self.count


@dataclass
class Basket:
    lines: list[Line] = field(default_factory=list)

    def add(self, name: str, price: str, count: int = 1) -> None:
        if count < 1:
            raise ValueError(f"cannot buy {count} of {name}")
        self.lines.append(Line(name, Decimal(price), count))

    def total(self) -> Decimal:
        return sum((line.total() for line in self.lines), Decimal(0))
END
cat > app/tests/test_basket.py <<'END'
import unittest

from shop.basket import Basket


class TestBasket(unittest.TestCase):
    def test_empty_costs_nothing(self):
        self.assertEqual(Basket().total(), 0)

    def test_counts(self):
        basket = Basket()
        basket.add("apple", "0.40", 3)
        self.assertEqual(str(basket.total()), "1.20")

    def test_refuses_less_than_one(self):
        with self.assertRaises(ValueError):
            Basket().add("apple", "0.40", 0)
END
cp app/tests/test_basket.py app/tests/test_orders.py
touch app/tests/__init__.py
printf '# Shop\n\nRun the tests with `python3 -m unittest`.\n' > app/README.md
printf 'export PS1="\\[\\e[32m\\]\\u@sandbox\\[\\e[0m\\]:\\[\\e[34m\\]\\w\\[\\e[0m\\]\\$ "\nalias ls="ls --color=auto"\n' >> .bashrc
head -c 300000 /dev/urandom > orders.csv.gz
ln -s app/README.md README.md
chmod 755 app/tests/test_basket.py
)"));
    for (const Plan &plan : plans) {
        if (!plan.pause)
            continue;
        std::optional<Result<SandboxStore::Outcome>> answer;
        QObject context;
        m_window->store()->pause(
            named(QLatin1String(plan.name)), &context,
            [&](const Result<SandboxStore::Outcome> &result) { answer = result; });
        await([&] { return answer.has_value(); }, QStringLiteral("an answer to pause"));
        need(answer->has_value(), QStringLiteral("pause failed"));
    }
    // Figures for all that run.
    await(
        [&] {
            int metrics = 0;
            int atWork = 0;
            for (int row = 0; row < m_window->store()->count(); ++row) {
                const auto &metric = m_window->store()->at(row).metric;
                metrics += metric ? 1 : 0;
                atWork += metric && metric->cpuUsedPercent > 2 ? 1 : 0;
            }
            return metrics >= 6 && atWork > 0;
        },
        QStringLiteral("metrics of all sandboxes"));
}

QString LocalStage::named(const QString &name)
{
    need(m_ids.contains(name), name);
    return m_ids.value(name);
}

QByteArray LocalStage::run(const QString &id, const QString &command)
{
    std::optional<Result<EnvdClient::CommandOutput>> answer;
    QObject context;
    m_window->connection()->envd(id).run(
        command, 60, 1 << 20, &context,
        [&](const Result<EnvdClient::CommandOutput> &result) { answer = result; });
    await([&] { return answer.has_value(); }, command.left(40));
    need(answer->has_value(),
         command.left(40) + QLatin1Char(' ') + (*answer ? QString() : answer->error().message));
    return (*answer)->out;
}

// ---------------------------------------------------------------------------------------------

FleetStage::FleetStage(const QSize &size)
    : Stage(size)
{
    open(nullptr, environmentFor(server.url()));
    server.intercept =
        [this](
            const test::FleetServer::Request &request) -> std::optional<test::FleetServer::Answer> {
        if (request.path != "/sandboxes/metrics")
            return std::nullopt;
        QJsonObject points;
        for (const QByteArray &id : request.parameter("sandbox_ids").split(',')) {
            const test::FleetServer::Item *item = server.find(QString::fromUtf8(id));
            if (!item || item->paused)
                continue;
            const size_t seed = qHash(id, 7);
            const qint64 total = qint64(2) << 30;
            points.insert(
                QString::fromUtf8(id),
                QJsonObject{{QStringLiteral("timestampUnix"), QDateTime::currentSecsSinceEpoch()},
                            {QStringLiteral("cpuCount"), 2},
                            {QStringLiteral("cpuUsedPct"), double(seed % 97)},
                            {QStringLiteral("memUsed"), double(total * qint64(seed % 89) / 100)},
                            {QStringLiteral("memTotal"), double(total)},
                            {QStringLiteral("diskUsed"), double(total / 3)},
                            {QStringLiteral("diskTotal"), double(total)}});
        }
        const QJsonObject answer{{QStringLiteral("sandboxes"), points}};
        return test::FleetServer::Answer{
            200, QJsonDocument(answer).toJson(QJsonDocument::Compact), {}};
    };
}

void FleetStage::start()
{
    m_window->setConnection(m_connections->connections().first());
}

void FleetStage::fill(int count)
{
    const QStringList names{QStringLiteral("crawl"), QStringLiteral("build"),
                            QStringLiteral("eval"), QStringLiteral("review")};
    const QStringList users{QStringLiteral("ann"), QStringLiteral("ben"), QStringLiteral("ci")};
    const QDateTime now = QDateTime::currentDateTimeUtc();
    server.pageSize = 1000;
    for (int i = 0; i < count; ++i) {
        test::FleetServer::Item &item = server.add(QStringLiteral("i%1").arg(
            quint64(qHash(i, 11)) % 0xffffffffffULL, 12, 36, QLatin1Char('k')));
        item.paused = i % 7 == 3;
        item.startedAt = now.addSecs(-37LL * (i % 900) - 20);
        item.endAt = now.addSecs(240 + 61LL * (i % 400));
        item.onTimeout = i % 3 == 0 ? "pause" : "kill";
        item.metadata.insert(QStringLiteral("name"),
                             QStringLiteral("%1-%2").arg(names.at(i % 4)).arg(i / 4));
        item.metadata.insert(QStringLiteral("user"), users.at(i % 3));
    }
}

void FleetStage::setProduction(bool production)
{
    ConnectionSpec spec = m_connections->connections().first()->spec();
    spec.production = production;
    bool done = false;
    QObject context;
    m_connections->update(spec, {}, false, &context, [&](const Result<> &) { done = true; });
    await([&] { return done; }, QStringLiteral("the connection changed"));
}

// ---------------------------------------------------------------------------------------------

namespace {

QImage look(MainWindow &window)
{
    const QRect place(window.mapToGlobal(QPoint(0, 0)), window.size());
    const QRect screen = window.screen()->geometry();
    return window.screen()
        ->grabWindow(0, place.x() - screen.x(), place.y() - screen.y(), place.width(),
                     place.height())
        .toImage()
        .convertToFormat(QImage::Format_RGB32);
}

} // namespace

void shoot(Stage &stage, const QString &file, bool moving)
{
    MainWindow &window = stage.window();
    QImage picture;
    if (moving) {
        window.repaint();
        picture = look(window);
    } else {
        // What is on screen is what was drawn some events ago: still means the same twice.
        QImage last;
        need(QTest::qWaitFor(
                 [&] {
                     last = picture;
                     QTest::qWait(80);
                     picture = look(window);
                     return picture == last;
                 },
                 20'000),
             QStringLiteral("the picture never stands still"));
    }
    need(picture.size() == (QSizeF(window.size()) * window.devicePixelRatioF()).toSize(),
         QStringLiteral("the picture is %1 x %2").arg(picture.width()).arg(picture.height()));
    QSet<QRgb> colors;
    for (int y = 0; y < picture.height(); y += 2) {
        const auto *line = reinterpret_cast<const QRgb *>(picture.constScanLine(y));
        for (int x = 0; x < picture.width(); x += 2)
            colors.insert(line[x]);
    }
    need(colors.size() > 40, QStringLiteral("the picture shows nothing"));
    need(picture.save(file), file);
}

} // namespace moru::screens
