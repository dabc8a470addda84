// SPDX-License-Identifier: GPL-3.0-or-later
// A list of which 1 % of the rows have changed, already received: what the GUI thread has to do.
#include "app/models/sandboxtablemodel.h"
#include "tests/bench/bench.h"
#include "tests/models/sandboxfeed.h"

#include <QApplication>
#include <QHash>
#include <QHeaderView>
#include <QTableView>

using namespace moru;
using namespace moru::bench;

namespace {

/// The plain way: parse everything, look up each row by id, compare it.
class Plain {
public:
    int refresh(const QList<QByteArray> &pages)
    {
        int changed = 0;
        for (const QByteArray &page : pages) {
            const QJsonArray array = QJsonDocument::fromJson(page).array();
            for (const QJsonValue &value : array) {
                const Sandbox fresh = read(value.toObject());
                Sandbox &known = m_rows[fresh.id];
                if (!(known == fresh)) {
                    known = fresh;
                    ++changed;
                }
            }
        }
        return changed;
    }

private:
    static Sandbox read(const QJsonObject &object)
    {
        const auto text = [&object](const char *name) {
            return object[QLatin1String(name)].toString();
        };
        Sandbox sandbox;
        sandbox.id = text("sandboxID");
        sandbox.clientId = text("clientID");
        sandbox.templateId = text("templateID");
        sandbox.alias = text("alias");
        sandbox.envdVersion = text("envdVersion");
        sandbox.state =
            text("state") == QLatin1String("paused") ? SandboxState::Paused : SandboxState::Running;
        sandbox.startedAt = QDateTime::fromString(text("startedAt"), Qt::ISODateWithMs);
        sandbox.endAt = QDateTime::fromString(text("endAt"), Qt::ISODateWithMs);
        sandbox.cpuCount = object[QLatin1String("cpuCount")].toInt();
        sandbox.memoryMiB = object[QLatin1String("memoryMB")].toInt();
        sandbox.diskMiB = object[QLatin1String("diskSizeMB")].toInt();
        const QJsonObject metadata = object[QLatin1String("metadata")].toObject();
        for (auto pair = metadata.begin(); pair != metadata.end(); ++pair)
            sandbox.metadata.insert(pair.key(), pair.value().toString());
        return sandbox;
    }

    QHash<QString, Sandbox> m_rows;
};

void refresh(int rows, double goalMs)
{
    QList<Sandbox> list = fleet(rows);
    test::SandboxFeed feed;
    feed.sweep(list);
    SandboxTableModel model;
    model.setTicking(false);
    model.setStore(&feed.store());
    model.sort(SandboxTableModel::EndsInColumn);
    int resets = 0;
    QObject::connect(&model, &QAbstractItemModel::modelReset, [&resets] { ++resets; });
    QTableView view;
    view.setModel(&model);
    view.verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    view.resize(1280, 800);
    view.show();
    QApplication::processEvents();
    Plain plain;
    plain.refresh(test::SandboxFeed::pages(list));

    Times usual;
    Times worker;
    Times gui;
    Times guiSorted;
    std::mt19937 random(3);
    for (int round = 0; round < 14; ++round) {
        // The last rounds change the very column that the table is sorted by.
        const bool sorted = round >= 7;
        model.sort(sorted ? SandboxTableModel::EndsInColumn : SandboxTableModel::NameColumn);
        QApplication::processEvents();
        for (int i = 0; i < rows / 100; ++i) {
            Sandbox &sandbox = list[qsizetype(random() % unsigned(rows))];
            sandbox.endAt = sandbox.endAt.addSecs(60);
        }
        const QList<QByteArray> pages = test::SandboxFeed::pages(list);
        int plainly = 0;
        usual.measure([&] { plainly = plain.refresh(pages); });
        ListDiff diff;
        worker.measure([&] { diff = SandboxStoreAccess::compare(feed.store(), pages); });
        if (int(diff.changed.size()) != plainly || diff.error || !diff.missing.empty()) {
            std::printf("wrong: %d changes found, %zu expected\n", plainly, diff.changed.size());
            std::exit(1);
        }
        (sorted ? guiSorted : gui).measure([&] {
            SandboxStoreAccess::apply(feed.store(), std::move(diff));
        });
        QApplication::processEvents();
    }
    std::printf("# %d rows, %d changed\n", rows, rows / 100);
    report("refresh, GUI thread, median", gui.median(), "ms", "QJsonDocument + rows + hash",
           usual.median(), goalMs, 0);
    report("refresh, GUI thread, worst", gui.worst(), "ms", "QJsonDocument + rows + hash",
           usual.worst(), goalMs, 0);
    report("refresh, sorted by what changed, GUI thread, median", guiSorted.median(), "ms",
           "QJsonDocument + rows + hash", usual.median(), goalMs, 0);
    report("refresh, worker thread, median", worker.median(), "ms", "QJsonDocument + rows + hash",
           usual.median(), 0, 0);
    if (resets > 0)
        std::printf("model resets: %d  goal 0: NOT MET\n", resets);
}

} // namespace

int main(int argc, char **argv)
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication app(argc, argv);
    refresh(10'000, 1);
    refresh(100'000, 5);
    return 0;
}
