// SPDX-License-Identifier: GPL-3.0-or-later
// Heap per sandbox in store and table model together.
#include "app/models/sandboxtablemodel.h"
#include "tests/bench/bench.h"
#include "tests/models/sandboxfeed.h"

#include <QCoreApplication>

#include <malloc.h>

using namespace moru;
using namespace moru::bench;

namespace {

double heapBytes()
{
    malloc_trim(0);
    const auto info = mallinfo2();
    return double(info.uordblks) + double(info.hblkhd);
}

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    constexpr int rows = 100'000;
    // The list itself is made and gone in between: only what store and model keep is counted.
    const auto used = [](int count) {
        const double before = heapBytes();
        test::SandboxFeed feed;
        SandboxTableModel model;
        model.setTicking(false);
        model.setStore(&feed.store());
        feed.sweep(fleet(count));
        model.sort(SandboxTableModel::EndsInColumn);
        return heapBytes() - before;
    };
    (void)used(1'000); // what is allocated once
    // As a program that read the same list into plain rows would hold it.
    const double before = heapBytes();
    QList<Sandbox> plain;
    for (const QByteArray &page : test::SandboxFeed::pages(fleet(rows))) {
        const QJsonArray array = QJsonDocument::fromJson(page).array();
        for (const QJsonValue &value : array)
            plain.append(*ControlClient::parseSandbox(
                QJsonDocument(value.toObject()).toJson(QJsonDocument::Compact)));
    }
    const double plainBytes = (heapBytes() - before) / rows;
    plain.clear();
    plain.squeeze();
    const double perRow = (used(rows) - used(1'000)) / (rows - 1'000);
    std::printf("# heap per row, %d rows\n", rows);
    report("memory per row, store and model", perRow, "B", "plain list of parsed rows", plainBytes,
           250, 0);
    return 0;
}
