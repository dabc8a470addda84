// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/wire/frame.h"

#include <QTest>

#include <string>
#include <vector>

using namespace moru::wire;

namespace {

struct Seen {
    int flags;
    std::string payload;
    bool operator==(const Seen &) const = default;
};

std::vector<Seen> decodeInPieces(const std::string &bytes, const std::vector<std::size_t> &cuts)
{
    FrameDecoder decoder;
    std::vector<Seen> seen;
    std::size_t from = 0;
    const auto feed = [&](std::size_t to) {
        decoder.feed(std::string_view(bytes).substr(from, to - from));
        from = to;
        FrameDecoder::Frame frame;
        while (decoder.next(frame) == FrameDecoder::Status::Ready)
            seen.push_back({frame.flags, std::string(frame.payload)});
    };
    for (const std::size_t cut : cuts)
        feed(cut);
    feed(bytes.size());
    return decoder.hasPartialFrame() ? std::vector<Seen>() : seen;
}

} // namespace

class TestFrame : public QObject {
    Q_OBJECT

private slots:
    void headerIsBigEndian()
    {
        unsigned char header[FrameHeaderSize];
        writeFrameHeader(header, FrameEndOfStream, 0x01020304);
        const unsigned char wanted[] = {2, 1, 2, 3, 4};
        QVERIFY(std::equal(std::begin(header), std::end(header), std::begin(wanted)));
        std::string out = "x";
        appendFrame(out, 0, "ab");
        QCOMPARE(out, std::string("x\0\0\0\0\2ab", 8));
    }

    void anyTwoCutsGiveTheSameFrames()
    {
        const std::vector<Seen> wanted{
            {0, "first"}, {0, ""}, {1, std::string(300, 'x')}, {2, "{}"}};
        std::string bytes;
        for (const Seen &frame : wanted)
            appendFrame(bytes, static_cast<std::uint8_t>(frame.flags), frame.payload);
        for (std::size_t a = 0; a <= bytes.size(); ++a)
            for (std::size_t b = a; b <= bytes.size(); ++b)
                if (decodeInPieces(bytes, {a, b}) != wanted)
                    QFAIL(qPrintable(QStringLiteral("cut at %1 and %2").arg(a).arg(b)));
    }

    void everyByteAlone()
    {
        std::string bytes;
        appendFrame(bytes, 0, "payload");
        appendFrame(bytes, FrameEndOfStream, "{}");
        std::vector<std::size_t> cuts;
        for (std::size_t i = 1; i < bytes.size(); ++i)
            cuts.push_back(i);
        QVERIFY((decodeInPieces(bytes, cuts) == std::vector<Seen>{{0, "payload"}, {2, "{}"}}));
    }

    void unfinishedFrameIsSeen()
    {
        std::string bytes;
        appendFrame(bytes, 0, "payload");
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            FrameDecoder decoder;
            decoder.feed(std::string_view(bytes).substr(0, size));
            FrameDecoder::Frame frame;
            const bool ready = decoder.next(frame) == FrameDecoder::Status::Ready;
            QCOMPARE(ready, size == bytes.size());
            QCOMPARE(decoder.hasPartialFrame(), size > 0 && size < bytes.size());
        }
    }

    void announcedLengthIsLimited()
    {
        FrameDecoder decoder(10);
        decoder.feed(std::string_view("\0\0\0\0\x0a", 5));
        FrameDecoder::Frame frame;
        QVERIFY(decoder.next(frame) == FrameDecoder::Status::NeedMore);
        decoder.feed("0123456789");
        QVERIFY(decoder.next(frame) == FrameDecoder::Status::Ready);
        QCOMPARE(frame.payload, std::string_view("0123456789"));
        decoder.feed(std::string_view("\0\0\0\0\x0b", 5));
        QVERIFY(decoder.next(frame) == FrameDecoder::Status::TooLarge);
        decoder.feed("more");
        QVERIFY(decoder.next(frame) == FrameDecoder::Status::TooLarge); // it stays so
        FrameDecoder other;
        other.feed(std::string_view("\0\xff\xff\xff\xff", 5));
        QVERIFY(other.next(frame) == FrameDecoder::Status::TooLarge);
    }

    void flagsAreReadable()
    {
        FrameDecoder decoder;
        std::string bytes;
        appendFrame(bytes, FrameCompressed | FrameEndOfStream, {});
        decoder.feed(bytes);
        FrameDecoder::Frame frame;
        QVERIFY(decoder.next(frame) == FrameDecoder::Status::Ready);
        QVERIFY(frame.isCompressed());
        QVERIFY(frame.isEndOfStream());
        QVERIFY(frame.payload.empty());
    }
};

QTEST_APPLESS_MAIN(TestFrame)
#include "tst_frame.moc"
