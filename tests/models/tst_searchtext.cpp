// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/searchtext.h"

#include <QRandomGenerator>
#include <QTest>

#include <algorithm>

using namespace moru;

namespace {

std::string folded(const QString &text)
{
    std::string out;
    SearchText::appendFolded(out, text);
    return out + '\n';
}

std::vector<int> found(const SearchText &text, const QString &query)
{
    std::vector<quint8> hits(text.size(), 0);
    text.find(SearchText::words(query), hits);
    std::vector<int> lines;
    for (size_t i = 0; i < hits.size(); ++i) {
        if (hits[i])
            lines.push_back(int(i));
    }
    return lines;
}

} // namespace

class TestSearchText : public QObject {
    Q_OBJECT
private slots:
    void caseDoesNotMatterInAnyScript();
    void wordsMayStandInAnyOrder();
    void noWordIsFoundAcrossTwoLines();
    void findsWhatANaiveSearchFinds();
    void replacedTextIsFoundAndTheOldIsNot();
    void keptLinesAreRenumbered();
};

void TestSearchText::caseDoesNotMatterInAnyScript()
{
    SearchText text;
    text.append(folded(QStringLiteral("Worker-ONE")));
    text.append(folded(QStringLiteral("ПЕСОК Straße")));
    QCOMPARE(found(text, QStringLiteral("wORKER")), std::vector{0});
    QCOMPARE(found(text, QStringLiteral("песок")), std::vector{1});
    QCOMPARE(found(text, QStringLiteral("STRAß")), std::vector{1});
}

void TestSearchText::wordsMayStandInAnyOrder()
{
    SearchText text;
    text.append(folded(QStringLiteral("alpha beta")));
    text.append(folded(QStringLiteral("beta gamma")));
    QCOMPARE(found(text, QStringLiteral("  beta\talpha ")), std::vector{0});
    QCOMPARE(found(text, QStringLiteral("et")), (std::vector{0, 1}));
    QCOMPARE(found(text, QStringLiteral("gamma delta")), std::vector<int>{});
}

void TestSearchText::noWordIsFoundAcrossTwoLines()
{
    SearchText text;
    text.append(folded(QStringLiteral("abc")));
    text.append(folded(QStringLiteral("def")));
    QCOMPARE(found(text, QStringLiteral("cd")), std::vector<int>{});
    QCOMPARE(found(text, QStringLiteral("f")), std::vector{1});
}

void TestSearchText::findsWhatANaiveSearchFinds()
{
    QRandomGenerator random(7);
    SearchText text;
    QStringList lines;
    for (int i = 0; i < 3000; ++i) {
        QString line;
        for (int j = int(random.bounded(12)); j >= 0; --j)
            line += QChar(u'a' + random.bounded(4));
        lines.append(line);
        text.append(folded(line));
    }
    for (int i = 0; i < 200; ++i) {
        QString first;
        QString second;
        for (int j = int(random.bounded(4)); j >= 0; --j)
            first += QChar(u'a' + random.bounded(4));
        for (int j = int(random.bounded(3)); j >= 0; --j)
            second += QChar(u'a' + random.bounded(4));
        std::vector<int> expected;
        for (int line = 0; line < int(lines.size()); ++line) {
            if (lines[line].contains(first) && lines[line].contains(second))
                expected.push_back(line);
        }
        QCOMPARE(found(text, first + u' ' + second), expected);
    }
}

void TestSearchText::replacedTextIsFoundAndTheOldIsNot()
{
    SearchText text;
    for (const char *line : {"one", "two", "six"})
        text.append(folded(QLatin1String(line)));
    text.replace({1}, {folded(QStringLiteral("ten"))}); // of equal length
    QCOMPARE(found(text, QStringLiteral("two")), std::vector<int>{});
    QCOMPARE(found(text, QStringLiteral("ten")), std::vector{1});
    text.replace({0, 2}, {folded(QStringLiteral("eleven")), folded({})});
    QCOMPARE(found(text, QStringLiteral("eleven")), std::vector{0});
    QCOMPARE(found(text, QStringLiteral("ten")), std::vector{1});
    QCOMPARE(found(text, QStringLiteral("six")), std::vector<int>{});
    QCOMPARE(text.size(), size_t(3));
}

void TestSearchText::keptLinesAreRenumbered()
{
    SearchText text;
    for (const char *line : {"one", "three", "five", "seven"})
        text.append(folded(QLatin1String(line)));
    text.keep({1, 3});
    QCOMPARE(text.size(), size_t(2));
    QCOMPARE(found(text, QStringLiteral("three")), std::vector{0});
    QCOMPARE(found(text, QStringLiteral("seven")), std::vector{1});
    QCOMPARE(found(text, QStringLiteral("five")), std::vector<int>{});
    QCOMPARE(text.append(folded(QStringLiteral("nine"))), SearchText::Line(2));
    QCOMPARE(found(text, QStringLiteral("nine")), std::vector{2});
}

QTEST_GUILESS_MAIN(TestSearchText)
#include "tst_searchtext.moc"
