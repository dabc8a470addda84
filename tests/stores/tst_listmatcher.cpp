// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/listmatcher.h"

#include <QRandomGenerator>
#include <QTest>

#include <algorithm>
#include <map>

using namespace moru;

namespace {

constexpr size_t seed = 42;

QByteArray element(const QString &id, int minute = 0, const QByteArray &more = {})
{
    return "{\"sandboxID\":\"" + id.toUtf8()
           + "\",\"templateID\":\"base\",\"clientID\":\"6532622b\",\"envdVersion\":\"0.4.3\","
             "\"startedAt\":\"2026-03-01T12:00:00Z\",\"endAt\":\"2026-03-01T13:"
           + QByteArray::number(minute).rightJustified(2, '0')
           + ":00Z\",\"cpuCount\":2,\"memoryMB\":512,\"diskSizeMB\":512,\"state\":\"running\""
           + more + '}';
}

QByteArray page(const QList<QByteArray> &elements)
{
    return '[' + elements.join(',') + ']';
}

RowEdit added(quint32 serial, const ListDiff::Element &element, quint32 sweep = 1)
{
    return {RowEdit::Kind::Added, serial, element.idHash, element.contentHash, sweep};
}

ListJob job(quint32 sweep, QList<QByteArray> pages, std::vector<RowEdit> edits = {})
{
    return {std::move(pages), std::move(edits), sweep, true};
}

QStringList ids(const std::vector<ListDiff::Element> &elements)
{
    QStringList result;
    for (const ListDiff::Element &one : elements)
        result.append(one.sandbox.id);
    return result;
}

} // namespace

class TestListMatcher : public QObject {
    Q_OBJECT
private slots:
    void indexBehavesLikeAMap();
    void unknownElementsAreNewcomersOnce();
    void knownBytesAreNoNews();
    void changedBytesNameTheirRow();
    void theLaterPageIsRight();
    void whatNoPageHasIsMissing();
    void touchedRowsAreReadAgain();
    void removedRowsComeBackAsNewcomers();
    void brokenPages_data();
    void brokenPages();
    void aBadElementDoesNotHideTheOthers();
    void lifecycleIsReadWhereTold();
    void randomSweepsMatchANaiveComparison();
};

void TestListMatcher::indexBehavesLikeAMap()
{
    QRandomGenerator random(3);
    FlatIndex index;
    std::map<quint64, quint32> expected;
    QCOMPARE(index.find(5), FlatIndex::none);
    index.remove(5);
    for (int i = 0; i < 200'000; ++i) {
        // Few distinct low bits: long runs of colliding slots.
        const quint64 key = quint64(random.bounded(64)) | quint64(random.bounded(40)) << 40;
        if (random.bounded(3) == 0) {
            index.remove(key);
            expected.erase(key);
        } else {
            index.insert(key, quint32(i));
            expected[key] = quint32(i);
        }
        if (i % 997 == 0) {
            for (quint64 low = 0; low < 64; ++low) {
                for (quint64 high = 0; high < 40; ++high) {
                    const quint64 asked = low | high << 40;
                    const auto known = expected.find(asked);
                    QCOMPARE(index.find(asked),
                             known == expected.end() ? FlatIndex::none : known->second);
                }
            }
        }
        QCOMPARE(index.size(), expected.size());
    }
}

void TestListMatcher::unknownElementsAreNewcomersOnce()
{
    ListMatcher matcher(seed);
    const ListDiff diff = matcher.compare(
        job(1, {page({element(QStringLiteral("a")), element(QStringLiteral("b"))}),
                page({element(QStringLiteral("b")), element(QStringLiteral("c"))}), page({})}));
    QVERIFY(!diff.error);
    QCOMPARE(ids(diff.newcomers),
             (QStringList{QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")}));
    QVERIFY(diff.changed.empty());
    QVERIFY(diff.missing.empty());
}

void TestListMatcher::knownBytesAreNoNews()
{
    ListMatcher matcher(seed);
    const QByteArray same = page({element(QStringLiteral("a"))});
    const ListDiff first = matcher.compare(job(1, {same}));
    const ListDiff second = matcher.compare(job(2, {same}, {added(1, first.newcomers[0])}));
    QVERIFY(second.newcomers.empty());
    QVERIFY(second.changed.empty());
    QVERIFY(second.missing.empty());
}

void TestListMatcher::changedBytesNameTheirRow()
{
    ListMatcher matcher(seed);
    const ListDiff first = matcher.compare(
        job(1, {page({element(QStringLiteral("a")), element(QStringLiteral("b"))})}));
    const ListDiff second = matcher.compare(
        job(2, {page({element(QStringLiteral("a")), element(QStringLiteral("b"), 5)})},
            {added(1, first.newcomers[0]), added(2, first.newcomers[1])}));
    QCOMPARE(second.changed.size(), size_t(1));
    QCOMPARE(second.changed[0].serial, 2U);
    QCOMPARE(second.changed[0].sandbox.endAt.time().minute(), 5);
    const ListDiff third = matcher.compare(
        job(3, {page({element(QStringLiteral("a")), element(QStringLiteral("b"), 5)})}));
    QVERIFY(third.changed.empty());
}

void TestListMatcher::theLaterPageIsRight()
{
    ListMatcher matcher(seed);
    const ListDiff first = matcher.compare(
        job(1, {page({element(QStringLiteral("a"), 1)}), page({element(QStringLiteral("a"), 2)})}));
    QCOMPARE(first.newcomers.size(), size_t(1));
    QCOMPARE(first.newcomers[0].sandbox.endAt.time().minute(), 2);
    // Other bytes first, then the known ones: nothing has changed.
    const ListDiff second = matcher.compare(
        job(2, {page({element(QStringLiteral("a"), 3)}), page({element(QStringLiteral("a"), 2)})},
            {added(1, first.newcomers[0])}));
    QVERIFY(second.changed.empty());
    QVERIFY(second.newcomers.empty());
    const ListDiff third = matcher.compare(job(3, {page({element(QStringLiteral("a"), 3)})}));
    QCOMPARE(third.changed.size(), size_t(1));
}

void TestListMatcher::whatNoPageHasIsMissing()
{
    ListMatcher matcher(seed);
    const ListDiff first = matcher.compare(
        job(1, {page({element(QStringLiteral("a")), element(QStringLiteral("b"))})}));
    const std::vector<RowEdit> edits{added(1, first.newcomers[0]), added(2, first.newcomers[1])};
    ListJob half = job(2, {page({})}, edits);
    half.complete = false;
    QVERIFY(matcher.compare(half).missing.empty());
    QCOMPARE(matcher.compare(job(2, {page({element(QStringLiteral("a"))})})).missing,
             std::vector<quint32>{2});
    QCOMPARE(matcher.compare(job(3, {page({})})).missing, (std::vector<quint32>{1, 2}));
}

void TestListMatcher::touchedRowsAreReadAgain()
{
    ListMatcher matcher(seed);
    const QByteArray same = page({element(QStringLiteral("a"))});
    const ListDiff first = matcher.compare(job(1, {same}));
    const ListDiff second = matcher.compare(job(
        2, {same}, {added(1, first.newcomers[0]), RowEdit{RowEdit::Kind::Touched, 1, 0, 0, 1}}));
    QCOMPARE(second.changed.size(), size_t(1));
    QVERIFY(matcher.compare(job(3, {same})).changed.empty());
}

void TestListMatcher::removedRowsComeBackAsNewcomers()
{
    ListMatcher matcher(seed);
    const QByteArray same = page({element(QStringLiteral("a"))});
    const ListDiff first = matcher.compare(job(1, {same}));
    const ListDiff second = matcher.compare(job(
        2, {same}, {added(1, first.newcomers[0]), RowEdit{RowEdit::Kind::Removed, 1, 0, 0, 1}}));
    QCOMPARE(second.newcomers.size(), size_t(1));
    QVERIFY(second.missing.empty());
}

void TestListMatcher::brokenPages_data()
{
    QTest::addColumn<QByteArray>("body");
    const QByteArray good = page({element(QStringLiteral("a")), element(QStringLiteral("b"))});
    QTest::newRow("empty") << QByteArray();
    QTest::newRow("white space") << QByteArray("  \n");
    QTest::newRow("an object") << QByteArray("{\"message\":\"x\"}");
    QTest::newRow("HTML") << QByteArray("<html><body>502</body></html>");
    QTest::newRow("numbers") << QByteArray("[1,2]");
    QTest::newRow("something behind") << good + "]";
    QTest::newRow("two lists") << good + good;
    for (const qsizetype length : {1, 20, 200, 260}) {
        QVERIFY(length < good.size());
        QTest::addRow("cut at %d", int(length)) << good.first(length);
    }
    QTest::newRow("last bracket lost") << good.chopped(1);
}

void TestListMatcher::brokenPages()
{
    QFETCH(QByteArray, body);
    ListMatcher matcher(seed);
    const ListDiff first = matcher.compare(job(1, {page({element(QStringLiteral("x"))})}));
    const ListDiff diff = matcher.compare(job(2, {body}, {added(1, first.newcomers[0])}));
    QVERIFY(diff.error.has_value());
    QCOMPARE(diff.error->kind, Error::Kind::Protocol);
    QVERIFY(!diff.error->message.isEmpty());
    QVERIFY(diff.newcomers.empty()); // a page that breaks off contributes nothing
    QVERIFY(diff.missing.empty());   // and proves nothing
}

void TestListMatcher::aBadElementDoesNotHideTheOthers()
{
    ListMatcher matcher(seed);
    const ListDiff diff = matcher.compare(job(
        1,
        {page({element(QStringLiteral("a")), "{\"sandboxID\":7}", element(QStringLiteral("b"))})}));
    QVERIFY(diff.error.has_value());
    QCOMPARE(ids(diff.newcomers), (QStringList{QStringLiteral("a"), QStringLiteral("b")}));
}

void TestListMatcher::lifecycleIsReadWhereTold()
{
    ListMatcher matcher(seed);
    const ListDiff diff = matcher.compare(
        job(1, {page({element(QStringLiteral("a")),
                      element(QStringLiteral("b"), 0,
                              ",\"lifecycle\":{\"autoResume\":true,\"onTimeout\":\"pause\"}"),
                      element(QStringLiteral("c"), 0, ",\"lifecycle\":{\"onTimeout\":\"kill\"}"),
                      element(QStringLiteral("d"), 0, ",\"lifecycle\":{\"onTimeout\":3}")})}));
    QVERIFY(!diff.error);
    QCOMPARE(diff.newcomers.size(), size_t(4));
    QVERIFY(!diff.newcomers[0].onTimeout);
    QVERIFY(diff.newcomers[1].onTimeout == OnTimeout::Pause);
    QVERIFY(diff.newcomers[2].onTimeout == OnTimeout::Kill);
    QVERIFY(!diff.newcomers[3].onTimeout);
}

void TestListMatcher::randomSweepsMatchANaiveComparison()
{
    QRandomGenerator random(11);
    ListMatcher matcher(seed);
    std::map<quint32, std::pair<QString, int>> rows; // serial -> id, minute
    std::vector<RowEdit> edits;
    quint32 nextSerial = 1;
    std::map<QString, int> server;
    for (quint32 sweep = 1; sweep <= 200; ++sweep) {
        for (int i = 0; i < 5; ++i) {
            const QString id = QStringLiteral("i%1").arg(random.bounded(200));
            if (random.bounded(3) == 0)
                server.erase(id);
            else
                server[id] = int(random.bounded(60));
        }
        QList<QByteArray> elements;
        for (const auto &[id, minute] : server)
            elements.append(element(id, minute));
        std::shuffle(elements.begin(), elements.end(), random);
        const qsizetype half = elements.size() / 2;
        const ListDiff diff =
            matcher.compare(job(sweep, {page(elements.first(half)), page(elements.mid(half))},
                                std::exchange(edits, {})));
        QVERIFY(!diff.error);
        for (const ListDiff::Element &change : diff.changed) {
            QCOMPARE(rows.at(change.serial).first, change.sandbox.id);
            QVERIFY(rows.at(change.serial).second != change.sandbox.endAt.time().minute());
            rows.at(change.serial).second = change.sandbox.endAt.time().minute();
        }
        for (const quint32 serial : diff.missing) {
            QVERIFY(!server.contains(rows.at(serial).first));
            rows.erase(serial);
            edits.push_back({RowEdit::Kind::Removed, serial, 0, 0, sweep});
        }
        for (const ListDiff::Element &fresh : diff.newcomers) {
            rows[nextSerial] = {fresh.sandbox.id, fresh.sandbox.endAt.time().minute()};
            edits.push_back(added(nextSerial++, fresh, sweep));
        }
        std::map<QString, int> known;
        for (const auto &[serial, row] : rows)
            known.insert(row);
        QVERIFY(known == server);
        QCOMPARE(known.size(), rows.size());
    }
}

QTEST_GUILESS_MAIN(TestListMatcher)
#include "tst_listmatcher.moc"
