// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/filename.h"

#include <QDir>
#include <QRandomGenerator>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>

using namespace moru;
using filename::Rules;

class FilenameTest : public QObject {
    Q_OBJECT
private slots:
    void invisibleCharactersAreShown_data();
    void invisibleCharactersAreShown();
    void localNamesAreSafe_data();
    void localNamesAreSafe();
    void randomNamesNeverEscape();
    void longNamesKeepTheirSuffix();
    void typedNamesAreChecked_data();
    void typedNamesAreChecked();
    void undecodableNamesAreNotAddressable();
    void numberedNamesKeepTheSuffix();
    void temporaryNamesFitAndDiffer();
    void sortKeysGiveNaturalOrder();
    void pathsAreTakenApart();
};

void FilenameTest::invisibleCharactersAreShown_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("shown");
    QTest::newRow("plain") << u"a b.txt"_qs << u"a b.txt"_qs;
    QTest::newRow("unicode") << u"Zoë \U0001F600"_qs << u"Zoë \U0001F600"_qs;
    QTest::newRow("newline") << u"a\nb"_qs << u"a\\nb"_qs;
    QTest::newRow("tab, cr") << u"a\tb\rc"_qs << u"a\\tb\\rc"_qs;
    QTest::newRow("escape") << u"\u001b[31mred"_qs << u"\\x1b[31mred"_qs;
    QTest::newRow("delete, C1") << u"a\u007fb\u009bc"_qs << u"a\\x7fb\\x9bc"_qs;
    QTest::newRow("right-to-left override") << u"a\u202Etxt.exe"_qs << u"a\\u202etxt.exe"_qs;
    QTest::newRow("isolates") << u"\u2066a\u2069"_qs << u"\\u2066a\\u2069"_qs;
    QTest::newRow("line separator") << u"a\u2028b"_qs << u"a\\u2028b"_qs;
    QTest::newRow("zero width") << u"a\u200Bb"_qs << u"a\\u200bb"_qs;
    QTest::newRow("lone surrogate") << (QString(QChar(0xd800)) + u'x') << u"\\ud800x"_qs;
    QTest::newRow("tag character") << u"a\U000E0041"_qs << u"a\\udb40\\udc41"_qs;
}

void FilenameTest::invisibleCharactersAreShown()
{
    QFETCH(QString, name);
    QTEST(filename::display(name), "shown");
}

void FilenameTest::localNamesAreSafe_data()
{
    QTest::addColumn<QString>("remote");
    QTest::addColumn<QString>("onUnix");
    QTest::addColumn<QString>("onWindows");
    const auto row = [](const char *title, const QString &remote, const QString &onUnix,
                        const QString &onWindows) {
        QTest::newRow(title) << remote << onUnix << onWindows;
    };
    row("plain", u"a.txt"_qs, u"a.txt"_qs, u"a.txt"_qs);
    row("hidden", u".bashrc"_qs, u".bashrc"_qs, u".bashrc"_qs);
    row("empty", QString(), u"_"_qs, u"_"_qs);
    row("dot", u"."_qs, u"_"_qs, u"_"_qs);
    row("dots", u".."_qs, u"_"_qs, u"__"_qs);
    row("parent", u"../x"_qs, u".._x"_qs, u".._x"_qs);
    row("absolute", u"/etc/passwd"_qs, u"_etc_passwd"_qs, u"_etc_passwd"_qs);
    row("backslash", u"..\\x"_qs, u".._x"_qs, u".._x"_qs);
    row("drive", u"C:\\x"_qs, u"C:_x"_qs, u"C__x"_qs);
    row("stream", u"a.txt:b"_qs, u"a.txt:b"_qs, u"a.txt_b"_qs);
    row("wildcards", u"a*?<>|\"b"_qs, u"a*?<>|\"b"_qs, u"a______b"_qs);
    row("newline", u"a\nb"_qs, u"a_b"_qs, u"a_b"_qs);
    row("NUL", u"a"_qs + QChar(QChar::Null) + u"b"_qs, u"a_b"_qs, u"a_b"_qs);
    row("bidi", u"a\u202Egpj.exe"_qs, u"a_gpj.exe"_qs, u"a_gpj.exe"_qs);
    row("not UTF-8", u"a\uFFFDb"_qs, u"a_b"_qs, u"a_b"_qs);
    row("device", u"CON"_qs, u"CON"_qs, u"_CON"_qs);
    row("device, small", u"nul.txt"_qs, u"nul.txt"_qs, u"_nul.txt"_qs);
    row("device, two suffixes", u"Com1.tar.gz"_qs, u"Com1.tar.gz"_qs, u"_Com1.tar.gz"_qs);
    row("device, superscript", u"LPT\u00b2"_qs, u"LPT\u00b2"_qs, u"_LPT\u00b2"_qs);
    row("device, space", u"aux .h"_qs, u"aux .h"_qs, u"_aux .h"_qs);
    row("console", u"conin$"_qs, u"conin$"_qs, u"_conin$"_qs);
    row("no device", u"COMMAND"_qs, u"COMMAND"_qs, u"COMMAND"_qs);
    row("trailing dots", u"a.."_qs, u"a.."_qs, u"a__"_qs);
    row("trailing space", u"a "_qs, u"a "_qs, u"a_"_qs);
}

void FilenameTest::localNamesAreSafe()
{
    QFETCH(QString, remote);
    QTEST(filename::forDownload(remote, Rules::Unix), "onUnix");
    QTEST(filename::forDownload(remote, Rules::Windows), "onWindows");
}

void FilenameTest::randomNamesNeverEscape()
{
    QTemporaryDir folder;
    const QString inside = QDir(folder.path()).canonicalPath();
    QRandomGenerator random(20260801); // the same names in every run
    static const QList<QByteArray> spice{"..",
                                         "/",
                                         "\\",
                                         ".",
                                         "\0",
                                         "\n",
                                         "\xff",
                                         "CON",
                                         "NUL.",
                                         " ",
                                         ":",
                                         "\xe2\x80\xae",
                                         "\xf0\x9f\x98\x80",
                                         "\xed\xa0\x80",
                                         "aux.",
                                         "~",
                                         "com1"};
    for (int i = 0; i < 20000; ++i) {
        QByteArray bytes;
        const int length = random.bounded(random.bounded(8) == 0 ? 400 : 24);
        while (bytes.size() < length) {
            if (random.bounded(3) == 0)
                bytes += spice.at(random.bounded(int(spice.size())));
            else
                bytes += char(random.bounded(256));
        }
        const QString remote =
            random.bounded(4) == 0 ? QString::fromLatin1(bytes) : QString::fromUtf8(bytes);
        for (const Rules rules : {Rules::Unix, Rules::Windows}) {
            const QString name = filename::forDownload(remote, rules);
            QVERIFY(!name.isEmpty());
            QVERIFY(name != u"."_qs && name != u".."_qs);
            QVERIFY(!name.contains(u'/') && !name.contains(u'\\') && !name.contains(QChar::Null));
            QVERIFY(name.toUtf8().size() <= 200);
            QCOMPARE(QString::fromUtf8(name.toUtf8()), name); // no lone surrogates
            QCOMPARE(filename::forDownload(name, rules), name);
            QCOMPARE(QDir::cleanPath(inside + u'/' + name), QString(inside + u'/' + name));
            QCOMPARE(filename::display(name), name); // nothing invisible is left
            if (rules == Rules::Windows) {
                QVERIFY(!name.endsWith(u'.') && !name.endsWith(u' '));
                QVERIFY(!name.contains(u':'));
            }
            const QString temporary = filename::temporary(name, filename::randomToken());
            QVERIFY(temporary.toUtf8().size() <= 255);
            QVERIFY(!temporary.contains(u'/'));
        }
    }
}

void FilenameTest::longNamesKeepTheirSuffix()
{
    const QString name = filename::forDownload(QString(300, u'ä') + u".tar.gz"_qs);
    QVERIFY(name.toUtf8().size() <= 200);
    QVERIFY(name.toUtf8().size() > 190);
    QVERIFY(name.endsWith(u".gz"_qs));
}

void FilenameTest::typedNamesAreChecked_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("problem");
    using P = filename::Problem;
    QTest::newRow("plain") << u"a b"_qs << int(P::None);
    QTest::newRow("hidden") << u".x"_qs << int(P::None);
    QTest::newRow("three dots") << u"..."_qs << int(P::None);
    QTest::newRow("empty") << QString() << int(P::Empty);
    QTest::newRow("dot") << u"."_qs << int(P::Dots);
    QTest::newRow("dots") << u".."_qs << int(P::Dots);
    QTest::newRow("slash") << u"a/b"_qs << int(P::Separator);
    QTest::newRow("newline") << u"a\nb"_qs << int(P::Control);
    QTest::newRow("lone surrogate") << QString(QChar(0xdc00)) << int(P::NotText);
    QTest::newRow("255 bytes") << QString(255, u'x') << int(P::None);
    QTest::newRow("256 bytes") << QString(256, u'x') << int(P::TooLong);
    QTest::newRow("128 umlauts") << QString(128, u'ä') << int(P::TooLong);
}

void FilenameTest::typedNamesAreChecked()
{
    QFETCH(QString, name);
    QTEST(int(filename::check(name)), "problem");
}

void FilenameTest::undecodableNamesAreNotAddressable()
{
    QVERIFY(filename::isAddressable(u"a\nb"_qs)); // odd, but its name is known
    QVERIFY(!filename::isAddressable(QString::fromUtf8("a\xff")));
    QVERIFY(!filename::isAddressable(QString(QChar(0xd83d))));
    QVERIFY(!filename::isAddressable(u".."_qs));
    QVERIFY(!filename::isAddressable(u"a/b"_qs));
    QVERIFY(!filename::isAddressable({}));
    QVERIFY(!filename::isLossy(u"\U0001F600"_qs));
}

void FilenameTest::numberedNamesKeepTheSuffix()
{
    QCOMPARE(filename::numbered(u"report.txt"_qs, 2), u"report (2).txt"_qs);
    QCOMPARE(filename::numbered(u"report"_qs, 3), u"report (3)"_qs);
    QCOMPARE(filename::numbered(u".bashrc"_qs, 2), u".bashrc (2)"_qs);
    QVERIFY(filename::numbered(QString(255, u'x'), 12).toUtf8().size() <= 255);
}

void FilenameTest::temporaryNamesFitAndDiffer()
{
    const QString one = filename::temporary(u"a.txt"_qs, filename::randomToken());
    const QString two = filename::temporary(u"a.txt"_qs, filename::randomToken());
    QVERIFY(one.startsWith(u".a.txt."_qs));
    QVERIFY(one.endsWith(u".part"_qs));
    QVERIFY(one != two);
    QVERIFY(filename::temporary(QString(255, u'€'), u"01234567"_qs).toUtf8().size() <= 255);
}

void FilenameTest::sortKeysGiveNaturalOrder()
{
    const QStringList ordered{u".a"_qs,
                              u"1"_qs,
                              u"2"_qs,
                              u"10"_qs,
                              u"a"_qs,
                              u"A1"_qs,
                              u"a2"_qs,
                              u"a10"_qs,
                              u"a10b"_qs,
                              u"a10c2"_qs,
                              u"a010d"_qs,
                              u"B"_qs,
                              u"file99999999999999999999"_qs,
                              u"file100000000000000000000"_qs};
    for (qsizetype i = 0; i < ordered.size(); ++i) {
        for (qsizetype j = i + 1; j < ordered.size(); ++j)
            QVERIFY2(filename::sortKey(ordered.at(i)) < filename::sortKey(ordered.at(j)),
                     qPrintable(ordered.at(i) + u" < "_qs + ordered.at(j)));
    }
}

void FilenameTest::pathsAreTakenApart()
{
    QCOMPARE(filename::join(u"/"_qs, u"a"_qs), u"/a"_qs);
    QCOMPARE(filename::join(u"/a"_qs, u"b"_qs), u"/a/b"_qs);
    QCOMPARE(filename::parentOf(u"/a/b"_qs), u"/a"_qs);
    QCOMPARE(filename::parentOf(u"/a/b/"_qs), u"/a"_qs);
    QCOMPARE(filename::parentOf(u"/a"_qs), u"/"_qs);
    QCOMPARE(filename::parentOf(u"/"_qs), u"/"_qs);
    QCOMPARE(filename::baseOf(u"/a/b"_qs), u"b"_qs);
    QCOMPARE(filename::baseOf(u"/"_qs), QString());
}

QTEST_GUILESS_MAIN(FilenameTest)
#include "tst_filename.moc"
