// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/filename.h"

#include <QRandomGenerator>
#include <QStringList>

namespace moru::filename {

namespace {

constexpr qsizetype kMaxNameBytes = 255; // NAME_MAX of every Linux file system in use
constexpr qsizetype kMaxLocalBytes = 200;

bool isControl(char16_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/// Characters without a shape of their own that change how their neighbours are read.
bool isInvisible(char16_t c)
{
    return c == 0x00ad || c == 0x034f || c == 0x061c || c == 0x115f || c == 0x1160 || c == 0x180e
           || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)
           || (c >= 0x2060 && c <= 0x206f) || c == 0x3164 || c == 0xfeff || c == 0xffa0
           || (c >= 0xfff9 && c <= 0xfffb);
}

/// Calls `paired(high, low)` or `single(unit, isLoneSurrogate)` for each character.
template <typename Paired, typename Single>
void forEachCharacter(const QString &text, Paired paired, Single single)
{
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text.at(i);
        if (c.isHighSurrogate() && i + 1 < text.size() && text.at(i + 1).isLowSurrogate()) {
            paired(c, text.at(i + 1));
            ++i;
        } else {
            single(c, c.isSurrogate());
        }
    }
}

/// The longest prefix of at most `bytes` bytes of UTF-8 that splits no character.
QString truncatedToBytes(const QString &text, qsizetype bytes)
{
    QString result;
    qsizetype used = 0;
    bool full = false;
    const auto take = [&](qsizetype cost, auto append) {
        full = full || used + cost > bytes;
        if (full)
            return;
        used += cost;
        append();
    };
    forEachCharacter(
        text,
        [&](QChar high, QChar low) {
            take(4, [&] {
                result += high;
                result += low;
            });
        },
        [&](QChar c, bool) {
            const qsizetype cost = c.unicode() < 0x80 ? 1 : c.unicode() < 0x800 ? 2 : 3;
            take(cost, [&] { result += c; });
        });
    return result;
}

/// Where the suffix with its dot begins; the size if there is none worth keeping.
qsizetype suffixStart(const QString &name)
{
    const qsizetype dot = name.lastIndexOf(u'.');
    if (dot <= 0 || name.size() - dot > 16)
        return name.size();
    return dot;
}

/// CON, NUL, COM1 and so on: devices on Windows in every folder and with every suffix.
bool isWindowsDevice(const QString &name)
{
    QString stem = name.left(name.indexOf(u'.') < 0 ? name.size() : name.indexOf(u'.')).toUpper();
    while (stem.endsWith(u' '))
        stem.chop(1);
    if (stem == QLatin1String("CON") || stem == QLatin1String("PRN") || stem == QLatin1String("AUX")
        || stem == QLatin1String("NUL") || stem == QLatin1String("CONIN$")
        || stem == QLatin1String("CONOUT$"))
        return true;
    if (stem.size() != 4
        || !(stem.startsWith(QLatin1String("COM")) || stem.startsWith(QLatin1String("LPT"))))
        return false;
    const char16_t digit = stem.at(3).unicode();
    return (digit >= u'0' && digit <= u'9') || digit == 0x00b9 || digit == 0x00b2
           || digit == 0x00b3;
}

} // namespace

QString display(const QString &name)
{
    QString result;
    result.reserve(name.size());
    const auto escape = [&](char16_t c) {
        switch (c) {
        case u'\n':
            result += QLatin1String("\\n");
            return;
        case u'\r':
            result += QLatin1String("\\r");
            return;
        case u'\t':
            result += QLatin1String("\\t");
            return;
        default:
            break;
        }
        if (c < 0x100)
            result += QStringLiteral("\\x%1").arg(uint(c), 2, 16, QLatin1Char('0'));
        else
            result += QStringLiteral("\\u%1").arg(uint(c), 4, 16, QLatin1Char('0'));
    };
    forEachCharacter(
        name,
        [&](QChar high, QChar low) {
            // The tag characters of plane 14 are invisible, too.
            if (QChar::surrogateToUcs4(high, low) >> 12U == 0xe0) {
                escape(high.unicode());
                escape(low.unicode());
                return;
            }
            result += high;
            result += low;
        },
        [&](QChar c, bool lone) {
            if (lone || isControl(c.unicode()) || isInvisible(c.unicode()))
                escape(c.unicode());
            else
                result += c;
        });
    return result;
}

bool isLossy(const QString &name)
{
    bool lossy = false;
    forEachCharacter(
        name, [](QChar, QChar) {},
        [&](QChar c, bool lone) { lossy = lossy || lone || c == QChar::ReplacementCharacter; });
    return lossy;
}

bool isAddressable(const QString &name)
{
    return !name.isEmpty() && name != QLatin1String(".") && name != QLatin1String("..")
           && !name.contains(u'/') && !name.contains(QChar::Null) && !isLossy(name);
}

Problem check(const QString &name)
{
    if (name.isEmpty())
        return Problem::Empty;
    if (name == QLatin1String(".") || name == QLatin1String(".."))
        return Problem::Dots;
    if (name.contains(u'/'))
        return Problem::Separator;
    for (const QChar c : name) {
        if (isControl(c.unicode()))
            return Problem::Control;
    }
    if (isLossy(name))
        return Problem::NotText;
    if (name.toUtf8().size() > kMaxNameBytes)
        return Problem::TooLong;
    return Problem::None;
}

Rules hostRules()
{
#ifdef Q_OS_WIN
    return Rules::Windows;
#else
    return Rules::Unix;
#endif
}

QString forDownload(const QString &remoteName, Rules rules)
{
    const bool windows = rules == Rules::Windows;
    QString name;
    name.reserve(remoteName.size());
    forEachCharacter(
        remoteName,
        [&](QChar high, QChar low) {
            name += high;
            name += low;
        },
        [&](QChar c, bool lone) {
            const char16_t u = c.unicode();
            const bool forbidden = u == u'/' || u == u'\\' || isControl(u) || isInvisible(u) || lone
                                   || u == QChar::ReplacementCharacter
                                   || (windows && QStringView(u"<>:\"|?*").contains(c));
            name += forbidden ? QLatin1Char('_') : c;
        });

    const qsizetype suffix = suffixStart(name);
    const QString tail = name.mid(suffix);
    name = truncatedToBytes(name.left(suffix), kMaxLocalBytes - tail.toUtf8().size()) + tail;

    if (windows) {
        if (isWindowsDevice(name)) {
            name.prepend(u'_');
            name = truncatedToBytes(name, kMaxLocalBytes);
        }
        // Windows drops dots and spaces at the end without a word.
        for (qsizetype i = name.size() - 1; i >= 0; --i) {
            if (name.at(i) != u'.' && name.at(i) != u' ')
                break;
            name[i] = u'_';
        }
    }
    if (name.isEmpty() || name == QLatin1String(".") || name == QLatin1String(".."))
        return QStringLiteral("_");
    return name;
}

QString numbered(const QString &name, int number)
{
    const qsizetype suffix = suffixStart(name);
    const QString tail = name.mid(suffix);
    const QString mark = QStringLiteral(" (%1)").arg(number);
    const qsizetype room = kMaxNameBytes - mark.size() - tail.toUtf8().size();
    return truncatedToBytes(name.left(suffix), room) + mark + tail;
}

QString temporary(const QString &name, const QString &token)
{
    const QString tail = QLatin1Char('.') + token + QStringLiteral(".part");
    return QLatin1Char('.') + truncatedToBytes(name, kMaxNameBytes - 1 - tail.size()) + tail;
}

QString randomToken()
{
    return QStringLiteral("%1").arg(QRandomGenerator::global()->generate(), 8, 16,
                                    QLatin1Char('0'));
}

QString sortKey(const QString &name)
{
    // A run of digits becomes '0', its length, its digits: '0' keeps it where digits belong, the
    // length makes longer numbers larger.
    const QString folded = name.toCaseFolded();
    QString key;
    key.reserve(folded.size() + 4);
    for (qsizetype i = 0; i < folded.size();) {
        const char16_t c = folded.at(i).unicode();
        if (c < u'0' || c > u'9') {
            key += folded.at(i++);
            continue;
        }
        while (i < folded.size() && folded.at(i) == u'0')
            ++i;
        const qsizetype begin = i;
        while (i < folded.size() && folded.at(i) >= u'0' && folded.at(i) <= u'9')
            ++i;
        key += u'0';
        key += QChar(char16_t(qMin<qsizetype>(i - begin, 0xffff)));
        key += QStringView(folded).mid(begin, i - begin);
    }
    return key;
}

QString join(const QString &folder, const QString &name)
{
    return folder.endsWith(u'/') ? folder + name : folder + QLatin1Char('/') + name;
}

QString parentOf(const QString &path)
{
    QString trimmed = path;
    while (trimmed.size() > 1 && trimmed.endsWith(u'/'))
        trimmed.chop(1);
    const qsizetype slash = trimmed.lastIndexOf(u'/');
    return slash <= 0 ? QStringLiteral("/") : trimmed.left(slash);
}

QString baseOf(const QString &path)
{
    QString trimmed = path;
    while (trimmed.size() > 1 && trimmed.endsWith(u'/'))
        trimmed.chop(1);
    return trimmed.mid(trimmed.lastIndexOf(u'/') + 1);
}

} // namespace moru::filename
