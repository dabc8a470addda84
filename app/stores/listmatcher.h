// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/api/types.h"
#include "app/core/result.h"
#include "app/stores/flatindex.h"

#include <QByteArray>
#include <QList>
#include <QSet>

#include <optional>
#include <vector>

namespace moru {

/// Something the store did to its rows by itself, told to the matcher with the next job. Rows are
/// named by serial: a number the store gives to each row once, in the order of its rows.
struct RowEdit {
    enum class Kind {
        Added,   ///< a row that the matcher has not had: serial, idHash, contentHash (0 = unknown)
        Removed, ///< the row is gone
        Touched, ///< changed from another source, so the next list element is parsed whatever its
                 ///< hash
    };
    Kind kind = Kind::Touched;
    quint32 serial = 0;
    quint64 idHash = 0;
    quint64 contentHash = 0;
    quint32 sweep = 0; ///< Added: the one that was under way or had ended last
};

/// Pages of one sweep over the list, in the order they came.
struct ListJob {
    QList<QByteArray> pages;
    std::vector<RowEdit> edits; ///< since the job before
    quint32 sweep = 0;          ///< grows with each sweep, from 1
    bool complete = false;      ///< the sweep's last page is among them and none failed
};

/// What the pages of a job say that the rows do not.
struct ListDiff {
    struct Element {
        quint32 serial = 0; ///< of the row that changed; 0 for a newcomer
        quint64 idHash = 0;
        quint64 contentHash = 0; ///< of the element's bytes
        Sandbox sandbox;
        std::optional<OnTimeout> onTimeout; ///< where the server tells it
    };
    std::vector<Element> changed;   ///< at most one per row
    std::vector<Element> newcomers; ///< ids are unique
    /// Rows that no page of the sweep had; only after a complete sweep without an error, ascending.
    std::vector<quint32> missing;
    std::optional<Error>
        error; ///< the first page or element that is not what the protocol promises
    quint32 sweep = 0;
    bool complete = false;
};

/// Compares the raw pages of the sandbox list with the rows the store has. Holds two hashes per row
/// and no text: an element whose bytes are known is recognised by their hash and not parsed at all.
/// Used by one thread at a time, in general not the GUI's.
class ListMatcher {
public:
    /// `seed` makes hashes unpredictable for a server that would like to have collisions.
    explicit ListMatcher(size_t seed)
        : m_seed(seed)
    {}

    [[nodiscard]] ListDiff compare(ListJob job);

    static quint64 hashOf(const QString &id, size_t seed);

private:
    struct Entry {
        quint64 contentHash = 0;
        quint64 idHash = 0;
        quint32 serial = 0;
        quint32 sweep = 0; ///< the last one that had it
    };
    struct Batch;

    void apply(const std::vector<RowEdit> &edits);
    [[nodiscard]] std::optional<Error> scan(QByteArray page, quint32 sweep, Batch &batch);
    [[nodiscard]] Entry *entry(quint32 serial);
    void share(Sandbox &sandbox);
    [[nodiscard]] QString shared(const QString &text);

    const size_t m_seed;
    std::vector<Entry> m_entries; ///< by ascending serial
    FlatIndex m_byContent;        ///< content hash -> serial
    FlatIndex m_byId;             ///< id hash -> serial
    QSet<QString> m_texts;        ///< texts that many rows have in common
};

} // namespace moru
