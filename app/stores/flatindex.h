// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace moru {

/// A map from a 64-bit hash to a 32-bit number in two flat arrays: 12 bytes per slot and no node
/// per entry, which at 100,000 rows is a quarter of what a QHash of ids takes. The keys must
/// already be well mixed. Linear probing, at most four fifths full, erasure by shifting back.
class FlatIndex {
public:
    static constexpr std::uint32_t none = UINT32_MAX;

    [[nodiscard]] std::size_t size() const { return m_size; }

    /// `none` if there is no such key.
    [[nodiscard]] std::uint32_t find(std::uint64_t key) const
    {
        return m_size == 0 ? none : m_values[probe(key)];
    }

    /// Adds the key or replaces its value, which must not be `none`.
    void insert(std::uint64_t key, std::uint32_t value)
    {
        if ((m_size + 1) * 5 > m_keys.size() * 4)
            grow();
        const std::size_t slot = probe(key);
        if (m_values[slot] == none)
            ++m_size;
        m_keys[slot] = key;
        m_values[slot] = value;
    }

    void remove(std::uint64_t key)
    {
        if (m_size == 0)
            return;
        std::size_t hole = probe(key);
        if (m_values[hole] == none)
            return;
        --m_size;
        const std::size_t mask = m_keys.size() - 1;
        for (std::size_t next = (hole + 1) & mask; m_values[next] != none;
             next = (next + 1) & mask) {
            // An entry may move into the hole only if its own place is not after the hole.
            const std::size_t home = static_cast<std::size_t>(m_keys[next]) & mask;
            if (((next - home) & mask) < ((next - hole) & mask))
                continue;
            m_keys[hole] = m_keys[next];
            m_values[hole] = m_values[next];
            hole = next;
        }
        m_values[hole] = none;
    }

    void clear()
    {
        m_keys.clear();
        m_values.clear();
        m_size = 0;
    }

private:
    /// The slot that holds the key, or the free one where it belongs.
    [[nodiscard]] std::size_t probe(std::uint64_t key) const
    {
        const std::size_t mask = m_keys.size() - 1;
        std::size_t slot = static_cast<std::size_t>(key) & mask;
        while (m_values[slot] != none && m_keys[slot] != key)
            slot = (slot + 1) & mask;
        return slot;
    }

    void grow()
    {
        std::vector<std::uint64_t> keys(m_keys.empty() ? 16 : m_keys.size() * 2);
        std::vector<std::uint32_t> values(keys.size(), none);
        keys.swap(m_keys);
        values.swap(m_values);
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (values[i] == none)
                continue;
            const std::size_t slot = probe(keys[i]);
            m_keys[slot] = keys[i];
            m_values[slot] = values[i];
        }
    }

    std::vector<std::uint64_t> m_keys;
    std::vector<std::uint32_t> m_values; ///< `none` marks a free slot
    std::size_t m_size = 0;
};

} // namespace moru
