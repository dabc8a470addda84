// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moru {

/// Many short texts, case-folded and joined into one block of UTF-8, so that a search over all of
/// them is one linear scan. Each text is a *line* with a number; numbers grow in the order of
/// adding. A line must end in white space, which no searched word has, so that no word is found
/// across two lines.
class SearchText {
public:
    using Line = std::uint32_t;

    [[nodiscard]] std::size_t size() const { return m_starts.size() - 1; }
    [[nodiscard]] std::string_view at(Line line) const
    {
        return {m_text.data() + m_starts[line], m_starts[line + 1] - m_starts[line]};
    }

    void clear();
    /// `folded` should come from appendFolded(). Returns the new line's number.
    Line append(std::string_view folded);
    /// Puts other texts into the lines; `lines` ascending. Cheap where the length stays the same.
    void replace(const std::vector<Line> &lines, const std::vector<std::string> &folded);
    /// Removes all lines but these (ascending), which are then numbered 0, 1, ...
    void keep(const std::vector<Line> &lines);

    /// Whether all words, folded and not empty, occur in the line.
    [[nodiscard]] bool contains(Line line, const std::vector<std::string> &words) const;
    /// Sets hits[line] to 1 for each line in which all words occur. `hits` has size() elements;
    /// `words` is not empty and its words hold no white space.
    void find(const std::vector<std::string> &words, std::vector<std::uint8_t> &hits) const;

    /// Case-folded UTF-8 without NUL, which becomes a space.
    static void appendFolded(std::string &out, const QString &text);
    /// The words of a query, folded, longest first.
    [[nodiscard]] static std::vector<std::string> words(const QString &query);

private:
    std::string m_text;
    std::vector<std::size_t> m_starts{0}; ///< of each line, and the end of the last
};

} // namespace moru
