// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/searchtext.h"

#include <QStringList>

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace moru {

namespace {

const char *findPlainly(const char *from, const char *end, const std::string &word)
{
    while (std::size_t(end - from) >= word.size()) {
        const auto *first = static_cast<const char *>(
            std::memchr(from, word[0], std::size_t(end - from) - word.size() + 1));
        if (!first)
            return nullptr;
        if (std::memcmp(first, word.data(), word.size()) == 0)
            return first;
        from = first + 1;
    }
    return nullptr;
}

#ifdef __SSE2__
/// Looks at sixteen places at once for the word's first and last byte. Unlike memmem() it has
/// nothing to set up, which counts when there is a hit in every line.
const char *findBytes(const char *from, std::size_t length, const std::string &word)
{
    const char *const end = from + length;
    const std::size_t tail = word.size() - 1;
    const __m128i first = _mm_set1_epi8(word.front());
    const __m128i last = _mm_set1_epi8(word.back());
    for (; std::size_t(end - from) >= 16 + tail; from += 16) {
        const __m128i heads = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
        const __m128i tails = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + tail));
        auto places = unsigned(_mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(heads, first), _mm_cmpeq_epi8(tails, last))));
        for (; places != 0; places &= places - 1) {
            const char *const place = from + std::countr_zero(places);
            if (std::memcmp(place, word.data(), word.size()) == 0)
                return place;
        }
    }
    return findPlainly(from, end, word);
}
#else
const char *findBytes(const char *from, std::size_t length, const std::string &word)
{
    return findPlainly(from, from + length, word);
}
#endif

} // namespace

void SearchText::clear()
{
    m_text.clear();
    m_starts.assign(1, 0);
}

SearchText::Line SearchText::append(std::string_view folded)
{
    m_text.append(folded);
    m_starts.push_back(m_text.size());
    return Line(size() - 1);
}

void SearchText::replace(const std::vector<Line> &lines, const std::vector<std::string> &folded)
{
    bool sameLengths = true;
    for (std::size_t i = 0; i < lines.size() && sameLengths; ++i)
        sameLengths = at(lines[i]).size() == folded[i].size();
    if (sameLengths) {
        for (std::size_t i = 0; i < lines.size(); ++i)
            folded[i].copy(m_text.data() + m_starts[lines[i]], folded[i].size());
        return;
    }
    std::string text;
    text.reserve(m_text.size() + 256);
    std::vector<std::size_t> starts;
    starts.reserve(m_starts.size());
    std::size_t next = 0;
    for (Line line = 0; line < size(); ++line) {
        starts.push_back(text.size());
        if (next < lines.size() && lines[next] == line)
            text.append(folded[next++]);
        else
            text.append(at(line));
    }
    starts.push_back(text.size());
    m_text = std::move(text);
    m_starts = std::move(starts);
}

void SearchText::keep(const std::vector<Line> &lines)
{
    std::size_t end = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        // Texts only ever move towards the front, and starts are overwritten behind where they are
        // read.
        const std::size_t from = m_starts[lines[i]];
        const std::size_t length = m_starts[lines[i] + 1] - from;
        std::memmove(m_text.data() + end, m_text.data() + from, length);
        m_starts[i] = end;
        end += length;
    }
    m_starts.resize(lines.size() + 1);
    m_starts.back() = end;
    m_text.resize(end);
    m_text.shrink_to_fit();
}

bool SearchText::contains(Line line, const std::vector<std::string> &words) const
{
    const std::string_view text = at(line);
    return std::ranges::all_of(words, [text](const std::string &word) {
        return findBytes(text.data(), text.size(), word) != nullptr;
    });
}

void SearchText::find(const std::vector<std::string> &words, std::vector<std::uint8_t> &hits) const
{
    // The longest word is the rarest; the others are only looked for where it occurs.
    const std::vector<std::string> others(words.begin() + 1, words.end());
    const char *const begin = m_text.data();
    std::size_t from = 0;
    std::size_t line = 0;
    while (from < m_text.size()) {
        const char *hit = findBytes(begin + from, m_text.size() - from, words.front());
        if (!hit)
            return;
        const auto at = std::size_t(hit - begin);
        // The line of the hit: mostly the next one, otherwise found by doubling steps.
        std::size_t step = 1;
        while (line + step < m_starts.size() && m_starts[line + step] <= at) {
            line += step;
            step *= 2;
        }
        const auto last = m_starts.begin() + std::ptrdiff_t(std::min(line + step, m_starts.size()));
        const auto after = std::upper_bound(m_starts.begin() + std::ptrdiff_t(line) + 1, last, at);
        line = std::size_t(after - m_starts.begin()) - 1;
        hits[line] = others.empty() || contains(Line(line), others) ? 1 : 0;
        ++line;
        from = m_starts[line];
    }
}

void SearchText::appendFolded(std::string &out, const QString &text)
{
    const std::size_t start = out.size();
    for (const QChar c : text) {
        if (c.unicode() >= 0x80) {
            const QByteArray folded = text.toCaseFolded().toUtf8();
            out.resize(start);
            out.append(folded.constData(), std::size_t(folded.size()));
            break;
        }
        const auto letter = char(c.unicode());
        out.push_back(letter >= 'A' && letter <= 'Z' ? char(letter - 'A' + 'a') : letter);
    }
    // Zero means "ended" where texts are compared eight bytes at a time.
    std::replace(out.begin() + std::ptrdiff_t(start), out.end(), '\0', ' ');
}

std::vector<std::string> SearchText::words(const QString &query)
{
    std::vector<std::string> words;
    const QStringList parts = query.simplified().split(u' ', Qt::SkipEmptyParts);
    for (const QString &part : parts)
        appendFolded(words.emplace_back(), part);
    std::ranges::stable_sort(words, std::ranges::greater{}, &std::string::size);
    return words;
}

} // namespace moru
