// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/commandoutput.h"

#include <QTest>

using namespace moru;
using Channel = CommandOutput::Channel;

namespace {

QString decoded(const QByteArray &bytes, qsizetype cut = -1)
{
    OutputDecoder decoder;
    QString result;
    if (cut < 0) {
        result = decoder.decode(bytes);
    } else {
        result = decoder.decode(bytes.left(cut));
        result += decoder.decode(bytes.mid(cut));
    }
    return result + decoder.finish();
}

QString all(const CommandOutput &output)
{
    QString text;
    for (qint64 at = output.begin(); at < output.end();)
        at = output.read(at, 100, [&](Channel, QStringView piece) { text += piece; });
    return text;
}

} // namespace

class CommandOutputTest : public QObject {
    Q_OBJECT
private slots:
    void outputBecomesPlainLines_data();
    void outputBecomesPlainLines();
    void unendingSequenceSwallowsLittle();
    void endlessLinesAreBroken();
    void channelsKeepTheirOrder();
    void readingGoesOnWhereItWas();
    void onlyTheNewestIsKept();
    void manyShortLinesAreBounded();
};

void CommandOutputTest::outputBecomesPlainLines_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("text");
    QTest::newRow("plain") << QByteArray("a\tb\nc") << u"a\tb\nc"_qs;
    QTest::newRow("unicode") << QByteArray("\xc3\xa4 \xf0\x9f\x98\x80\n") << u"ä \U0001F600\n"_qs;
    QTest::newRow("invalid") << QByteArray("a\xff"
                                           "b")
                             << u"a\uFFFDb"_qs;
    QTest::newRow("cut character") << QByteArray("a\xc3") << u"a\uFFFD"_qs;
    QTest::newRow("colours") << QByteArray("\x1b[1;31mred\x1b[0m\n") << u"red\n"_qs;
    QTest::newRow("title") << QByteArray("\x1b]0;title\x07text") << u"text"_qs;
    QTest::newRow("title, ST") << QByteArray("\x1b]0;title\x1b\\text") << u"text"_qs;
    QTest::newRow("charset") << QByteArray("\x1b(Btext") << u"text"_qs;
    QTest::newRow("C1") << QByteArray("\xc2\x9b"
                                      "31mtext")
                        << u"text"_qs;
    QTest::newRow("CRLF") << QByteArray("a\r\nb\r\r\nc") << u"a\nb\nc"_qs;
    QTest::newRow("progress") << QByteArray("1%\r2%\r3%\n") << u"1%\n2%\n3%\n"_qs;
    QTest::newRow("bells") << QByteArray("a\x07\x08"
                                         "b\x7f")
                           << u"ab"_qs;
}

void CommandOutputTest::outputBecomesPlainLines()
{
    QFETCH(QByteArray, bytes);
    QFETCH(QString, text);
    QCOMPARE(decoded(bytes), text);
    // Cut anywhere, it is the same.
    for (qsizetype cut = 0; cut <= bytes.size(); ++cut)
        QCOMPARE(decoded(bytes, cut), text);
}

void CommandOutputTest::unendingSequenceSwallowsLittle()
{
    QCOMPARE(decoded("\x1b]0;never ends\nnext line"), u"\nnext line"_qs);
    const QByteArray junk = "\x1b]" + QByteArray(200 << 10, 'x') + "end";
    QVERIFY(decoded(junk).endsWith(u"end"_qs));
}

void CommandOutputTest::endlessLinesAreBroken()
{
    const QString text = decoded(QByteArray(3 * OutputDecoder::kMaxLine, 'x'));
    QCOMPARE(text.count(u'\n'), 2);
    QCOMPARE(QString(text).remove(u'\n').size(), 3 * OutputDecoder::kMaxLine);
}

void CommandOutputTest::channelsKeepTheirOrder()
{
    CommandOutput output;
    output.append(Channel::Stdout, u"1"_qs);
    output.append(Channel::Stderr, u"2"_qs);
    output.append(Channel::Stdout, u"3"_qs);
    output.append(Channel::Stdout, u"4"_qs);
    QList<std::pair<Channel, QString>> pieces;
    output.read(0, 100, [&](Channel channel, QStringView text) {
        pieces.append({channel, text.toString()});
    });
    const QList<std::pair<Channel, QString>> expected{
        {Channel::Stdout, u"1"_qs}, {Channel::Stderr, u"2"_qs}, {Channel::Stdout, u"34"_qs}};
    QCOMPARE(pieces, expected);
}

void CommandOutputTest::readingGoesOnWhereItWas()
{
    CommandOutput output;
    QString expected;
    QString read;
    qint64 at = 0;
    for (int i = 0; i < 2000; ++i) {
        const QString text = u"line %1 \U0001F600\n"_qs.arg(i);
        expected += text;
        output.append(i % 3 == 0 ? Channel::Stderr : Channel::Stdout, text);
        at = output.read(at, 7, [&](Channel, QStringView piece) {
            QVERIFY(piece.size() <= 7);
            QVERIFY(!piece.back().isHighSurrogate());
            read += piece;
        });
    }
    while (at < output.end())
        at = output.read(at, 1000, [&](Channel, QStringView piece) { read += piece; });
    QCOMPARE(read, expected);
    QCOMPARE(all(output), expected);
    QVERIFY(!output.isTruncated());
}

void CommandOutputTest::onlyTheNewestIsKept()
{
    CommandOutput output;
    const QString block = QString(9999, u'x') + u'\n';
    for (int i = 0; i < 1200; ++i)
        output.append(Channel::Stdout, block);
    output.append(Channel::Stdout, u"the end"_qs);
    QVERIFY(output.isTruncated());
    QVERIFY(output.end() - output.begin() <= CommandOutput::kMaxChars);
    QVERIFY(output.end() - output.begin() > CommandOutput::kMaxChars - (100 << 10));
    QVERIFY(all(output).endsWith(u"the end"_qs));
}

void CommandOutputTest::manyShortLinesAreBounded()
{
    CommandOutput output;
    const QString block = QString(u"y\n"_qs).repeated(1000);
    for (int i = 0; i < 1000; ++i)
        output.append(Channel::Stdout, block);
    QVERIFY(output.isTruncated());
    QVERIFY(all(output).count(u'\n') <= CommandOutput::kMaxLines);
    QVERIFY(all(output).count(u'\n') > CommandOutput::kMaxLines / 2);
}

QTEST_GUILESS_MAIN(CommandOutputTest)
#include "tst_commandoutput.moc"
