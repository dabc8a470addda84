// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/models/sandboxtablemodel.h"

#include "app/core/tooltip.h"
#include "app/models/searchtext.h"

#include <QLocale>
#include <QPointer>
#include <QTimer>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace moru {

namespace {

using Line = SearchText::Line;
using Column = SandboxTableModel::Column;
using DisplayState = SandboxTableModel::DisplayState;

/// Up to that many separate insertions or removals are announced as such, more as one new layout:
/// views pay for each announcement with work that grows with the number of rows.
constexpr size_t maxRuns = 16;
/// Of rows that changed without moving; more are announced as one range that covers them.
constexpr size_t maxChangeRuns = 64;
constexpr int resortMs = 5'000;
constexpr int tickMs = 1'000;
constexpr int metadataTooltipLines = 40;

/// What is kept of a row beside its texts. Bits 3 to 5 hold the state as shown, the two highest the
/// row's wording: while all of them stay the same, so does the search text.
enum Flag : quint8 {
    Alive = 1,  ///< the line belongs to a row
    Paused = 2, ///< the server's state, for the state filter
    Marked = 4, ///< scratch
};

quint8 flagsOf(const SandboxRow &row)
{
    const auto shown = unsigned(SandboxTableModel::displayState(row));
    return quint8(Alive | (row.sandbox.state == SandboxState::Paused ? unsigned(Paused) : 0U)
                  | shown << 3U | (row.wording & 3U) << 6U);
}

constexpr std::array displayStates{DisplayState::Running, DisplayState::Paused,
                                   DisplayState::Pausing, DisplayState::Resuming,
                                   DisplayState::Killing};

QString stateWord(DisplayState state)
{
    switch (state) {
    case DisplayState::Running:
        return SandboxTableModel::tr("Running", "state of a sandbox");
    case DisplayState::Paused:
        return SandboxTableModel::tr("Paused", "state of a sandbox");
    case DisplayState::Pausing:
        return SandboxTableModel::tr("Pausing", "state of a sandbox");
    case DisplayState::Resuming:
        return SandboxTableModel::tr("Resuming", "state of a sandbox");
    case DisplayState::Killing:
        return SandboxTableModel::tr("Killing", "state of a sandbox");
    }
    return {};
}

QString templateText(const Sandbox &sandbox)
{
    return sandbox.alias.isEmpty() ? sandbox.templateId : sandbox.alias;
}

QString metadataText(const Metadata &metadata)
{
    QString text;
    for (auto pair = metadata.cbegin(); pair != metadata.cend(); ++pair) {
        if (!text.isEmpty())
            text += QLatin1String(", ");
        text += pair.key() + u'=' + pair.value();
    }
    return text;
}

/// "3 h 12 min": two units at most.
QString durationText(qint64 seconds)
{
    const qint64 minutes = seconds / 60;
    const qint64 hours = minutes / 60;
    const qint64 days = hours / 24;
    if (days > 0)
        return hours % 24 == 0 ? SandboxTableModel::tr("%1 d").arg(days)
                               : SandboxTableModel::tr("%1 d %2 h").arg(days).arg(hours % 24);
    if (hours > 0)
        return minutes % 60 == 0
                   ? SandboxTableModel::tr("%1 h").arg(hours)
                   : SandboxTableModel::tr("%1 h %2 min").arg(hours).arg(minutes % 60);
    if (minutes > 0)
        return SandboxTableModel::tr("%1 min").arg(minutes);
    return SandboxTableModel::tr("%1 s").arg(std::max<qint64>(0, seconds));
}

QString absoluteText(const QDateTime &when)
{
    const QDateTime local = when.toLocalTime();
    return QLocale().toString(local, QLocale::ShortFormat) + u' ' + local.timeZoneAbbreviation();
}

QString sizeText(qint64 bytes)
{
    return QLocale().formattedDataSize(bytes, 1, QLocale::DataSizeIecFormat);
}

QString startedText(const Sandbox &sandbox, const QDateTime &now)
{
    if (!sandbox.startedAt.isValid())
        return {};
    const qint64 seconds = sandbox.startedAt.secsTo(now);
    return seconds < 5 ? SandboxTableModel::tr("just now")
                       : SandboxTableModel::tr("%1 ago").arg(durationText(seconds));
}

QString endsInText(const SandboxRow &row, const QDateTime &now)
{
    if (!row.sandbox.endAt.isValid())
        return {};
    const qint64 seconds = now.secsTo(row.sandbox.endAt);
    if (row.sandbox.state == SandboxState::Paused)
        return -seconds < 5 ? SandboxTableModel::tr("paused just now")
                            : SandboxTableModel::tr("paused %1 ago").arg(durationText(-seconds));
    if (seconds <= 0)
        return SandboxTableModel::tr("now");
    const QString duration = durationText(seconds);
    if (!row.onTimeout)
        return SandboxTableModel::tr("in %1").arg(duration);
    switch (*row.onTimeout) {
    case OnTimeout::Kill:
        return SandboxTableModel::tr("in %1, kill", "ends in").arg(duration);
    case OnTimeout::Pause:
        return SandboxTableModel::tr("in %1, pause", "ends in").arg(duration);
    }
    return {};
}

bool hasMemory(const SandboxRow &row)
{
    return row.metric && row.metric->memTotal > 0;
}

// Views take a tooltip for HTML when its first line looks like it. Wherever a text comes from
// outside, the first line is therefore one of ours.
QString toolTip(const SandboxRow &row, int column)
{
    const Sandbox &sandbox = row.sandbox;
    switch (column) {
    case SandboxTableModel::NameColumn:
        return SandboxTableModel::tr("Sandbox ID") + u'\n' + sandbox.id;
    case SandboxTableModel::TemplateColumn: {
        QString text = SandboxTableModel::tr("Template") + u'\n' + templateText(sandbox);
        if (!sandbox.alias.isEmpty() && sandbox.alias != sandbox.templateId)
            text += u'\n' + sandbox.templateId;
        return text;
    }
    case SandboxTableModel::StartedColumn:
        return sandbox.startedAt.isValid()
                   ? SandboxTableModel::tr("Started %1").arg(absoluteText(sandbox.startedAt))
                   : QString();
    case SandboxTableModel::EndsInColumn: {
        if (!sandbox.endAt.isValid())
            return {};
        const QString when = absoluteText(sandbox.endAt);
        if (sandbox.state == SandboxState::Paused)
            return SandboxTableModel::tr("Paused %1").arg(when);
        if (row.onTimeout == OnTimeout::Kill)
            return SandboxTableModel::tr("Is killed %1").arg(when);
        if (row.onTimeout == OnTimeout::Pause)
            return SandboxTableModel::tr("Is paused %1").arg(when);
        return SandboxTableModel::tr("Ends %1").arg(when);
    }
    case SandboxTableModel::CpuColumn:
        return row.metric ? SandboxTableModel::tr("%1 % (CPUs: %2)")
                                .arg(QLocale().toString(row.metric->cpuUsedPercent, 'f', 1))
                                .arg(sandbox.cpuCount)
                          : SandboxTableModel::tr("No usage data (CPUs: %1)").arg(sandbox.cpuCount);
    case SandboxTableModel::MemoryColumn:
        return hasMemory(row)
                   ? SandboxTableModel::tr("%1 of %2")
                         .arg(sizeText(row.metric->memUsed), sizeText(row.metric->memTotal))
                   : SandboxTableModel::tr("No usage data (size: %1)")
                         .arg(sizeText(qint64(sandbox.memoryMiB) * 1024 * 1024));
    case SandboxTableModel::MetadataColumn: {
        if (sandbox.metadata.isEmpty())
            return {};
        QString text = SandboxTableModel::tr("Metadata");
        int lines = 0;
        for (auto pair = sandbox.metadata.cbegin(); pair != sandbox.metadata.cend(); ++pair) {
            if (++lines > metadataTooltipLines)
                return text + QLatin1String("\n…");
            text += u'\n' + pair.key() + u'=' + pair.value();
        }
        return text;
    }
    default:
        return stateWord(SandboxTableModel::displayState(row));
    }
}

bool isText(int column)
{
    return column == SandboxTableModel::NameColumn || column == SandboxTableModel::TemplateColumn
           || column == SandboxTableModel::MetadataColumn;
}

/// Changes by itself all the time.
bool isVolatile(int column)
{
    return column == SandboxTableModel::CpuColumn || column == SandboxTableModel::MemoryColumn;
}

QString sortText(const SandboxRow &row, int column)
{
    switch (column) {
    case SandboxTableModel::NameColumn:
        return row.sandbox.id;
    case SandboxTableModel::TemplateColumn:
        return templateText(row.sandbox);
    default:
        return metadataText(row.sandbox.metadata);
    }
}

/// Eight bytes from `from` on as a number that orders as they do.
quint64 textKey(std::string_view text, size_t from = 0)
{
    quint64 key = 0;
    for (size_t i = from; i < from + sizeof(key); ++i)
        key = key << 8U | (i < text.size() ? quint8(text[i]) : 0U);
    return key;
}

/// The first four code units: mostly enough to tell ids apart.
quint64 idKey(const QString &id)
{
    quint64 key = 0;
    for (qsizetype i = 0; i < 4; ++i)
        key = key << 16U | (i < id.size() ? id[i].unicode() : 0U);
    return key;
}

/// Order-preserving.
quint64 numberKey(qint64 number)
{
    return quint64(number) ^ (quint64(1) << 63);
}

/// Paused sandboxes have no end: they come after all that have one, by the time of their pause.
quint64 endKey(const Sandbox &sandbox)
{
    const qint64 end = sandbox.endAt.isValid() ? sandbox.endAt.toMSecsSinceEpoch() : 0;
    return numberKey(sandbox.state == SandboxState::Paused ? end + (qint64(1) << 60) : end);
}

/// For columns of numbers and times.
quint64 sortKey(const SandboxRow &row, int column)
{
    switch (column) {
    case SandboxTableModel::StateColumn:
        return quint64(SandboxTableModel::displayState(row));
    case SandboxTableModel::StartedColumn:
        return numberKey(row.sandbox.startedAt.isValid() ? row.sandbox.startedAt.toMSecsSinceEpoch()
                                                         : 0);
    case SandboxTableModel::EndsInColumn:
        return endKey(row.sandbox);
    case SandboxTableModel::CpuColumn:
        return row.metric ? numberKey(std::llround(row.metric->cpuUsedPercent * 1000)) : 0;
    case SandboxTableModel::MemoryColumn:
        return hasMemory(row) ? numberKey(row.metric->memUsed) : 0;
    default:
        return 0;
    }
}

struct Keyed {
    quint64 key;
    Line line;
};

/// Stable, linear: byte by byte from the lowest, skipping bytes that all keys have in common.
void radixSort(std::vector<Keyed> &items)
{
    std::vector<Keyed> other(items.size());
    for (int shift = 0; shift < 64; shift += 8) {
        std::array<size_t, 256> counts{};
        for (const Keyed &item : items)
            ++counts[(item.key >> shift) & 0xff];
        if (std::ranges::find(counts, items.size()) != counts.end())
            continue;
        size_t place = 0;
        for (size_t &count : counts)
            place += std::exchange(count, place);
        for (const Keyed &item : items)
            other[counts[(item.key >> shift) & 0xff]++] = item;
        items.swap(other);
    }
}

/// Calls `order` with each run of more than one equal key.
template <typename Order>
void forTies(std::vector<Keyed>::iterator first, std::vector<Keyed>::iterator end, Order order)
{
    while (first != end) {
        auto last = first + 1;
        while (last != end && last->key == first->key)
            ++last;
        if (last - first > 1)
            order(first, last);
        first = last;
    }
}

const QList<int> &timeRoles()
{
    static const QList<int> roles{Qt::DisplayRole, Qt::AccessibleTextRole};
    return roles;
}

} // namespace

/// Every row of the store has a *line*: a number that stays while the row lives and grows in the
/// order of rows, under which its search text and sort key are kept. Lines of removed rows are dead
/// until compact() renumbers. `order` has all living lines as sorted, `visible` those that pass the
/// filter.
struct SandboxTableModel::Private {
    explicit Private(SandboxTableModel &model)
        : q(model)
    {}

    void reload();
    void clear();
    void inserted(int first, int last);
    void removing(int first, int last);
    void changed(const std::vector<int> &indexes);
    void applyFilter(bool narrower);
    void resort();
    void compact();

    [[nodiscard]] const SandboxRow &row(Line line) const { return *rows[line]; }
    [[nodiscard]] bool sorted() const { return sortColumn >= 0; }
    [[nodiscard]] bool passesState(Line line) const
    {
        return !stateFilter
               || ((flags[line] & Paused) != 0) == (*stateFilter == SandboxState::Paused);
    }
    [[nodiscard]] bool passes(Line line) const
    {
        return passesState(line) && (words.empty() || text.contains(line, words));
    }
    [[nodiscard]] quint64 keyOf(Line line) const
    {
        return directed(isText(sortColumn) ? textKey(sortWords(line))
                                           : sortKey(row(line), sortColumn));
    }
    [[nodiscard]] quint64 directed(quint64 key) const
    {
        return sortOrder == Qt::AscendingOrder ? key : ~key;
    }
    [[nodiscard]] std::string_view sortWords(Line line) const;
    void orderTexts(std::vector<Keyed>::iterator first, std::vector<Keyed>::iterator last,
                    size_t from) const;
    [[nodiscard]] bool before(Line a, Line b) const;
    [[nodiscard]] int rowOf(Line line) const;
    void spell(std::string &out, const SandboxRow &row) const;
    void setRow(Line line, const SandboxRow &row);
    void merge(std::vector<Line> &into, const std::vector<Line> &lines) const;
    void relayout(std::vector<Line> next);
    void announceChanges(const std::vector<Line> &lines);
    [[nodiscard]] QVariant display(const SandboxRow &row, int column) const;
    void updateTicking();

    SandboxTableModel &q;
    QPointer<SandboxStore> store;

    // By line.
    std::vector<const SandboxRow *> rows;
    std::vector<quint8> flags;
    std::vector<quint64> keys; ///< inverted where the order is descending; empty while unsorted
    SearchText text;
    size_t stateWidth = 0; ///< of the state's field in front of each text

    std::vector<Line> lineAt; ///< of the store's index, ascending
    std::vector<Line> order;  ///< empty while unsorted: then lineAt is the order
    std::vector<Line> visible;
    size_t dead = 0;

    QString filter;
    std::vector<std::string> words;
    std::optional<SandboxState> stateFilter;
    int sortColumn = -1;
    Qt::SortOrder sortOrder = Qt::AscendingOrder;
    bool resortDue = false;
    bool resortHeld = false;
    bool ticking = true;
    QTimer resortTimer;
    QTimer tickTimer;
};

/// Strict, total: ties are broken by id.
bool SandboxTableModel::Private::before(Line a, Line b) const
{
    if (keys[a] != keys[b])
        return keys[a] < keys[b];
    if (isText(sortColumn)) {
        const int side = sortWords(a).compare(sortWords(b));
        if (side != 0)
            return sortOrder == Qt::AscendingOrder ? side < 0 : side > 0;
    }
    return row(a).sandbox.id < row(b).sandbox.id;
}

/// The folded text that a text column is sorted by: a part of the search text, see spell().
std::string_view SandboxTableModel::Private::sortWords(Line line) const
{
    std::string_view rest = text.at(line).substr(stateWidth + 1);
    const auto field = [&rest] {
        const std::string_view head = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(head.size() + 1, rest.size()));
        return head;
    };
    const std::string_view id = field();
    if (sortColumn == NameColumn)
        return id;
    const std::string_view templateId = field();
    const std::string_view alias = field();
    if (sortColumn == TemplateColumn)
        return alias.empty() ? templateId : alias;
    return rest;
}

/// Orders texts that have all bytes before `from` in common; equal texts stay as they stand.
void SandboxTableModel::Private::orderTexts(std::vector<Keyed>::iterator first,
                                            std::vector<Keyed>::iterator last, size_t from) const
{
    constexpr size_t longest = 256; // bounds the recursion
    if (from > longest) {
        std::stable_sort(first, last, [this](const Keyed &a, const Keyed &b) {
            const int side = sortWords(a.line).compare(sortWords(b.line));
            return sortOrder == Qt::AscendingOrder ? side < 0 : side > 0;
        });
        return;
    }
    bool more = false;
    for (auto item = first; item != last; ++item) {
        const std::string_view now = sortWords(item->line);
        item->key = directed(textKey(now, from));
        more = more || now.size() > from;
    }
    if (!more)
        return;
    std::stable_sort(first, last, [](const Keyed &a, const Keyed &b) { return a.key < b.key; });
    forTies(first, last,
            [this, from](auto begin, auto end) { orderTexts(begin, end, from + sizeof(quint64)); });
}

/// The visible row of a living line, -1 if it is filtered out. Needs a consistent order.
int SandboxTableModel::Private::rowOf(Line line) const
{
    const auto place = sorted() ? std::lower_bound(visible.begin(), visible.end(), line,
                                                   [this](Line a, Line b) { return before(a, b); })
                                : std::lower_bound(visible.begin(), visible.end(), line);
    return place != visible.end() && *place == line ? int(place - visible.begin()) : -1;
}

/// The state stands in a field of fixed width: it is what changes most, and then in place.
void SandboxTableModel::Private::spell(std::string &out, const SandboxRow &row) const
{
    SearchText::appendFolded(out, stateWord(displayState(row)));
    out.resize(std::max(out.size(), stateWidth), ' ');
    const Sandbox &sandbox = row.sandbox;
    for (const QString &part : {sandbox.id, sandbox.templateId, sandbox.alias}) {
        out.push_back('\n');
        SearchText::appendFolded(out, part);
    }
    for (auto pair = sandbox.metadata.cbegin(); pair != sandbox.metadata.cend(); ++pair) {
        out.push_back('\n');
        SearchText::appendFolded(out, pair.key());
        out.push_back('=');
        SearchText::appendFolded(out, pair.value());
    }
    out.push_back('\n');
}

void SandboxTableModel::Private::setRow(Line line, const SandboxRow &row)
{
    rows[line] = &row;
    flags[line] = flagsOf(row);
}

/// Both lists are in order, the result too.
void SandboxTableModel::Private::merge(std::vector<Line> &into,
                                       const std::vector<Line> &lines) const
{
    auto end = std::ptrdiff_t(into.size());
    into.resize(into.size() + lines.size());
    for (size_t i = lines.size(); i > 0; --i) {
        const Line line = lines[i - 1];
        const auto last = into.begin() + end;
        const auto place = sorted()
                               ? std::upper_bound(into.begin(), last, line,
                                                  [this](Line a, Line b) { return before(a, b); })
                               : std::upper_bound(into.begin(), last, line);
        const auto hole = std::move_backward(place, last, last + std::ptrdiff_t(i));
        *(hole - 1) = line;
        end = place - into.begin();
    }
}

/// Other rows or another order, announced at once: what is selected, current and expanded stays
/// with its sandbox. The hint keeps the horizontal header from looking for its sections in row 0,
/// which may be gone.
void SandboxTableModel::Private::relayout(std::vector<Line> next)
{
    emit q.layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    const QModelIndexList from = q.persistentIndexList();
    std::vector<Line> lines;
    lines.reserve(size_t(from.size()));
    for (const QModelIndex &index : from)
        lines.push_back(visible[size_t(index.row())]);
    visible = std::move(next);
    if (!from.isEmpty()) {
        // Few indexes are looked up, for many the whole list is turned round.
        std::vector<int> rowOfLine;
        if (from.size() > 64) {
            rowOfLine.assign(rows.size(), -1);
            for (size_t i = 0; i < visible.size(); ++i)
                rowOfLine[visible[i]] = int(i);
        }
        QModelIndexList to;
        to.reserve(from.size());
        for (qsizetype i = 0; i < from.size(); ++i) {
            const Line line = lines[size_t(i)];
            const int place = rowOfLine.empty() ? rowOf(line) : rowOfLine[line];
            to.append(place < 0 ? QModelIndex() : q.index(place, from[i].column()));
        }
        q.changePersistentIndexList(from, to);
    }
    emit q.layoutChanged({}, QAbstractItemModel::VerticalSortHint);
}

void SandboxTableModel::Private::clear()
{
    rows.clear();
    flags.clear();
    keys.clear();
    text.clear();
    lineAt.clear();
    order.clear();
    visible.clear();
    dead = 0;
}

/// All over again, between beginResetModel() and endResetModel().
void SandboxTableModel::Private::reload()
{
    clear();
    stateWidth = 0;
    for (const DisplayState state : displayStates) {
        std::string word;
        SearchText::appendFolded(word, stateWord(state));
        stateWidth = std::max(stateWidth, word.size());
    }
    if (!store)
        return;
    const auto count = size_t(store->count());
    rows.resize(count);
    flags.resize(count);
    std::string folded;
    for (size_t i = 0; i < count; ++i) {
        const SandboxRow &fresh = store->at(int(i));
        setRow(Line(i), fresh);
        folded.clear();
        spell(folded, fresh);
        lineAt.push_back(text.append(folded));
    }
    resort();
    const std::vector<Line> &all = sorted() ? order : lineAt;
    std::ranges::copy_if(all, std::back_inserter(visible),
                         [this](Line line) { return passes(line); });
}

void SandboxTableModel::Private::inserted(int first, int last)
{
    // The store only ever appends; a line's number is its place among the rows.
    Q_ASSERT(size_t(first) == lineAt.size());
    std::vector<Line> fresh;
    std::string folded;
    for (int i = first; i <= last; ++i) {
        const SandboxRow &added = store->at(i);
        folded.clear();
        spell(folded, added);
        const Line line = text.append(folded);
        rows.push_back(nullptr);
        flags.push_back(0);
        setRow(line, added);
        lineAt.push_back(line);
        fresh.push_back(line);
    }
    if (sorted()) {
        for (const Line line : fresh)
            keys.push_back(keyOf(line));
        std::ranges::sort(fresh, [this](Line a, Line b) { return before(a, b); });
        merge(order, fresh);
    }
    std::erase_if(fresh, [this](Line line) { return !passes(line); });
    if (fresh.empty())
        return;
    if (!sorted() || visible.empty()) {
        const int row = int(visible.size());
        q.beginInsertRows({}, row, row + int(fresh.size()) - 1);
        visible.insert(visible.end(), fresh.begin(), fresh.end());
        q.endInsertRows();
    } else if (fresh.size() <= maxRuns) {
        for (const Line line : fresh) {
            const auto place = std::upper_bound(visible.begin(), visible.end(), line,
                                                [this](Line a, Line b) { return before(a, b); });
            const int row = int(place - visible.begin());
            q.beginInsertRows({}, row, row);
            visible.insert(place, line);
            q.endInsertRows();
        }
    } else {
        std::vector<Line> next = visible;
        merge(next, fresh);
        relayout(std::move(next));
    }
    updateTicking();
}

/// Before the store lets go of them: until then their order can be told.
void SandboxTableModel::Private::removing(int first, int last)
{
    const std::vector<Line> lines(lineAt.begin() + first, lineAt.begin() + last + 1);
    std::vector<int> places;
    for (const Line line : lines) {
        if (const int place = rowOf(line); place >= 0)
            places.push_back(place);
    }
    std::ranges::sort(places);
    std::vector<std::pair<int, int>> runs;
    for (const int place : places) {
        if (runs.empty() || runs.back().second + 1 != place)
            runs.emplace_back(place, place);
        else
            runs.back().second = place;
    }
    const auto isLeaving = [this](Line line) { return (flags[line] & Marked) != 0; };
    for (const Line line : lines)
        flags[line] |= Marked;
    if (runs.size() <= maxRuns) {
        for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
            q.beginRemoveRows({}, run->first, run->second);
            visible.erase(visible.begin() + run->first, visible.begin() + run->second + 1);
            q.endRemoveRows();
        }
    } else {
        std::vector<Line> next = visible;
        std::erase_if(next, isLeaving);
        relayout(std::move(next));
    }
    std::erase_if(order, isLeaving);
    lineAt.erase(lineAt.begin() + first, lineAt.begin() + last + 1);
    for (const Line line : lines) {
        flags[line] = 0;
        rows[line] = nullptr;
    }
    dead += lines.size();
    if (dead > 1024 && dead * 4 > rows.size())
        compact();
    updateTicking();
}

/// Rows, order and everything seen from outside stay as they are; only the numbers change.
void SandboxTableModel::Private::compact()
{
    std::vector<Line> fresh(rows.size());
    for (size_t i = 0; i < lineAt.size(); ++i) {
        const Line line = lineAt[i];
        fresh[line] = Line(i);
        rows[i] = rows[line];
        flags[i] = flags[line];
        if (sorted())
            keys[i] = keys[line];
    }
    text.keep(lineAt);
    rows.resize(lineAt.size());
    flags.resize(lineAt.size());
    if (sorted())
        keys.resize(lineAt.size());
    for (std::vector<Line> *list : {&order, &visible, &lineAt}) {
        for (Line &line : *list)
            line = fresh[line];
    }
    dead = 0;
}

void SandboxTableModel::Private::changed(const std::vector<int> &indexes)
{
    std::vector<Line> lines;
    lines.reserve(indexes.size());
    std::vector<Line> respelled;
    std::vector<std::string> spellings;
    std::vector<bool> otherWords; // parallel to lines: more than the state's word has changed
    bool otherState = false;
    std::string folded;
    for (const int index : indexes) {
        const Line line = lineAt[size_t(index)];
        lines.push_back(line);
        otherWords.push_back(false);
        if (flags[line] == flagsOf(row(line)))
            continue;
        otherState = true;
        setRow(line, row(line));
        folded.clear();
        spell(folded, row(line));
        const std::string_view now = folded;
        const std::string_view was = text.at(line);
        otherWords.back() = now.substr(stateWidth) != was.substr(stateWidth);
        if (now != was) {
            respelled.push_back(line);
            spellings.push_back(folded);
        }
    }
    if (!respelled.empty())
        text.replace(respelled, spellings);

    std::vector<Line> moved;      // to another place among the sorted
    std::vector<quint64> newKeys; // parallel to moved
    for (size_t i = 0; i < lines.size() && sorted(); ++i) {
        const quint64 key = keyOf(lines[i]);
        const bool sameKey = key == keys[lines[i]];
        if (sameKey && !(otherWords[i] && isText(sortColumn)))
            continue;
        if (isVolatile(sortColumn)) {
            resortDue = true;
            continue;
        }
        moved.push_back(lines[i]);
        newKeys.push_back(key);
    }

    // Which of them pass changes with their words or state only, never with times or metrics.
    // Their old places cannot be looked up, since the order they stood in no longer holds: one pass
    // over all rows tells which were in sight.
    std::vector<Line> leaving;
    std::vector<Line> entering;
    if (!moved.empty() || otherState) {
        for (const Line line : lines)
            flags[line] |= Marked;
        std::vector<Line> seen;
        for (const Line line : visible) {
            if (flags[line] & Marked)
                seen.push_back(line);
        }
        for (const Line line : lines)
            flags[line] &= quint8(~Marked);
        std::ranges::sort(seen);
        for (const Line line : lines) {
            const bool was = std::ranges::binary_search(seen, line);
            const bool is = passes(line);
            const bool moves = std::ranges::binary_search(moved, line);
            if (was && (!is || moves))
                leaving.push_back(line);
            if (is && (!was || moves))
                entering.push_back(line);
        }
    }

    const auto isMarked = [this](Line line) { return (flags[line] & Marked) != 0; };
    std::vector<Line> next;
    const bool otherLayout = !leaving.empty() || !entering.empty();
    if (otherLayout) {
        next = visible;
        for (const Line line : leaving)
            flags[line] |= Marked;
        std::erase_if(next, isMarked);
        for (const Line line : leaving)
            flags[line] &= quint8(~Marked);
    }
    if (!moved.empty()) {
        for (const Line line : moved)
            flags[line] |= Marked;
        std::erase_if(order, isMarked);
        for (size_t i = 0; i < moved.size(); ++i) {
            flags[moved[i]] &= quint8(~Marked);
            keys[moved[i]] = newKeys[i];
        }
        std::ranges::sort(moved, [this](Line a, Line b) { return before(a, b); });
        merge(order, moved);
    }
    if (otherLayout) {
        if (sorted())
            std::ranges::sort(entering, [this](Line a, Line b) { return before(a, b); });
        merge(next, entering);
        if (next == visible)
            next.clear();
        else
            relayout(std::move(next));
    }
    announceChanges(lines);
    if (resortDue && !resortHeld && !resortTimer.isActive())
        resortTimer.start(resortMs);
    updateTicking();
}

void SandboxTableModel::Private::announceChanges(const std::vector<Line> &lines)
{
    std::vector<int> places;
    if (lines.size() * 512 < visible.size()) {
        for (const Line line : lines) {
            if (const int place = rowOf(line); place >= 0)
                places.push_back(place);
        }
        std::ranges::sort(places);
    } else {
        for (const Line line : lines)
            flags[line] |= Marked;
        for (size_t i = 0; i < visible.size(); ++i) {
            if (flags[visible[i]] & Marked)
                places.push_back(int(i));
        }
        for (const Line line : lines)
            flags[line] &= quint8(~Marked);
    }
    // A view does the same work for each announcement, however few rows it is about.
    const int gap = places.size() > maxChangeRuns ? std::numeric_limits<int>::max() : 1;
    for (size_t i = 0; i < places.size();) {
        size_t end = i + 1;
        while (end < places.size() && places[end] - places[end - 1] <= gap)
            ++end;
        emit q.dataChanged(q.index(places[i], 0), q.index(places[end - 1], ColumnCount - 1));
        i = end;
    }
}

void SandboxTableModel::Private::applyFilter(bool narrower)
{
    std::vector<Line> next;
    // Line by line only where few are left: in sorted order their texts lie scattered.
    if (narrower && visible.size() < rows.size() / 32) {
        next.reserve(visible.size());
        std::ranges::copy_if(visible, std::back_inserter(next),
                             [this](Line line) { return text.contains(line, words); });
        if (next.size() == visible.size())
            return;
    } else {
        const std::vector<Line> &all = sorted() ? order : lineAt;
        if (words.empty() && !stateFilter) {
            next = all;
        } else {
            std::vector<quint8> hits(rows.size(), words.empty() ? 1 : 0);
            if (!words.empty())
                text.find(words, hits);
            if (stateFilter) {
                for (size_t line = 0; line < hits.size(); ++line)
                    hits[line] &= quint8(passesState(Line(line)));
            }
            // No branch here: nobody can foresee which lines are hit.
            next.resize(all.size());
            size_t count = 0;
            for (const Line line : all) {
                next[count] = line;
                count += hits[line];
            }
            next.resize(count);
        }
        if (next == visible)
            return;
    }
    relayout(std::move(next));
    updateTicking();
}

/// Computes keys and order anew; the caller then makes it visible with applyFilter().
void SandboxTableModel::Private::resort()
{
    resortDue = false;
    resortTimer.stop();
    if (!sorted()) {
        keys.clear();
        order.clear();
    } else {
        std::vector<Keyed> items;
        items.reserve(lineAt.size());
        for (const Line line : lineAt)
            items.push_back({idKey(row(line).sandbox.id), line});
        radixSort(items);
        forTies(items.begin(), items.end(), [this](auto first, auto last) {
            std::sort(first, last, [this](const Keyed &a, const Keyed &b) {
                return row(a.line).sandbox.id < row(b.line).sandbox.id;
            });
        });
        keys.resize(rows.size());
        for (Keyed &item : items)
            keys[item.line] = item.key = keyOf(item.line);
        radixSort(items);
        if (isText(sortColumn)) {
            forTies(items.begin(), items.end(),
                    [this](auto first, auto last) { orderTexts(first, last, sizeof(quint64)); });
        }
        order.resize(items.size());
        std::ranges::transform(items, order.begin(), &Keyed::line);
    }
}

QVariant SandboxTableModel::Private::display(const SandboxRow &row, int column) const
{
    switch (column) {
    case StateColumn:
        return stateWord(displayState(row));
    case NameColumn:
        return row.sandbox.id;
    case TemplateColumn:
        return templateText(row.sandbox);
    case StartedColumn:
        return startedText(row.sandbox, store->serverNow());
    case EndsInColumn:
        return endsInText(row, store->serverNow());
    case CpuColumn:
        return row.metric
                   ? tr("%1 %").arg(QLocale().toString(std::lround(row.metric->cpuUsedPercent)))
                   : QString();
    case MemoryColumn:
        return hasMemory(row) ? sizeText(row.metric->memUsed) : QString();
    case MetadataColumn:
        return metadataText(row.sandbox.metadata);
    default:
        return {};
    }
}

void SandboxTableModel::Private::updateTicking()
{
    const bool wanted = ticking && !visible.empty();
    if (wanted != tickTimer.isActive())
        wanted ? tickTimer.start(tickMs) : tickTimer.stop();
}

SandboxTableModel::SandboxTableModel(QObject *parent)
    : QAbstractTableModel(parent)
    , d(std::make_unique<Private>(*this))
{
    d->resortTimer.setSingleShot(true);
    connect(&d->resortTimer, &QTimer::timeout, this, [this] {
        if (!d->resortDue || d->resortHeld)
            return;
        d->resort();
        d->applyFilter(false);
    });
    connect(&d->tickTimer, &QTimer::timeout, this, &SandboxTableModel::tick);
}

SandboxTableModel::~SandboxTableModel() = default;

void SandboxTableModel::setStore(SandboxStore *store)
{
    if (d->store == store && store)
        return;
    beginResetModel();
    if (d->store)
        d->store->disconnect(this);
    d->store = store;
    d->reload();
    endResetModel();
    d->updateTicking();
    if (!store)
        return;
    connect(store, &SandboxStore::rowsInserted, this,
            [this](int first, int last) { d->inserted(first, last); });
    connect(store, &SandboxStore::rowsAboutToBeRemoved, this,
            [this](int first, int last) { d->removing(first, last); });
    connect(store, &SandboxStore::rowsChanged, this,
            [this](const std::vector<int> &indexes) { d->changed(indexes); });
    connect(store, &QObject::destroyed, this, [this] { setStore(nullptr); });
}

SandboxStore *SandboxTableModel::store() const
{
    return d->store;
}

void SandboxTableModel::setFilter(const QString &text)
{
    if (d->filter == text)
        return;
    d->filter = text;
    std::vector<std::string> before = std::exchange(d->words, SearchText::words(text));
    if (before == d->words)
        return;
    // Each word asked for before is still asked for, at least as a part of another.
    const bool narrower =
        !before.empty() && std::ranges::all_of(before, [this](const std::string &old) {
            return std::ranges::any_of(d->words, [&old](const std::string &word) {
                return word.find(old) != std::string::npos;
            });
        });
    d->applyFilter(narrower);
}

QString SandboxTableModel::filter() const
{
    return d->filter;
}

void SandboxTableModel::setStateFilter(std::optional<SandboxState> state)
{
    if (d->stateFilter == state)
        return;
    d->stateFilter = state;
    d->applyFilter(false);
}

int SandboxTableModel::totalCount() const
{
    return int(d->lineAt.size());
}

const SandboxRow *SandboxTableModel::rowAt(int row) const
{
    return row >= 0 && row < rowCount() ? d->rows[d->visible[size_t(row)]] : nullptr;
}

const SandboxRow *SandboxTableModel::rowById(const QString &id) const
{
    const int index = d->store ? d->store->indexOf(id) : -1;
    return index < 0 ? nullptr : &d->store->at(index);
}

int SandboxTableModel::rowOf(const QString &id) const
{
    const int index = d->store ? d->store->indexOf(id) : -1;
    return index < 0 || size_t(index) >= d->lineAt.size() ? -1 : d->rowOf(d->lineAt[size_t(index)]);
}

void SandboxTableModel::setResortHeld(bool held)
{
    d->resortHeld = held;
    if (!held && d->resortDue && !d->resortTimer.isActive())
        d->resortTimer.start(resortMs);
}

void SandboxTableModel::setTicking(bool ticking)
{
    d->ticking = ticking;
    d->updateTicking();
}

void SandboxTableModel::tick()
{
    if (!d->visible.empty())
        emit dataChanged(index(0, StartedColumn), index(rowCount() - 1, EndsInColumn), timeRoles());
}

SandboxTableModel::DisplayState SandboxTableModel::displayState(const SandboxRow &row)
{
    switch (row.pending) {
    case PendingAction::Pausing:
        return DisplayState::Pausing;
    case PendingAction::Resuming:
        return DisplayState::Resuming;
    case PendingAction::Killing:
        return DisplayState::Killing;
    case PendingAction::None:
        break;
    }
    return row.sandbox.state == SandboxState::Paused ? DisplayState::Paused : DisplayState::Running;
}

int SandboxTableModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(d->visible.size());
}

int SandboxTableModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant SandboxTableModel::data(const QModelIndex &index, int role) const
{
    const SandboxRow *row = index.isValid() ? rowAt(index.row()) : nullptr;
    if (!row)
        return {};
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return d->display(*row, column);
    case Qt::ToolTipRole:
        return plainToolTip(toolTip(*row, column));
    case Qt::AccessibleTextRole:
        if ((column == CpuColumn && !row->metric) || (column == MemoryColumn && !hasMemory(*row)))
            return tr("no data");
        return d->display(*row, column);
    case Qt::TextAlignmentRole:
        return int((isVolatile(column) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case IdRole:
        return row->sandbox.id;
    case RowRole:
        return QVariant::fromValue(static_cast<void *>(const_cast<SandboxRow *>(row)));
    case DisplayStateRole:
        return int(displayState(*row));
    case SortRole:
        switch (column) {
        case StateColumn:
            return int(displayState(*row));
        case StartedColumn:
            return row->sandbox.startedAt;
        case EndsInColumn:
            return row->sandbox.endAt;
        case CpuColumn:
            return row->metric ? QVariant(row->metric->cpuUsedPercent) : QVariant();
        case MemoryColumn:
            return hasMemory(*row) ? QVariant(row->metric->memUsed) : QVariant();
        default:
            return sortText(*row, column).toCaseFolded();
        }
    default:
        return {};
    }
}

QVariant SandboxTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return QAbstractTableModel::headerData(section, orientation, role);
    if (role == Qt::TextAlignmentRole)
        return int((isVolatile(section) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole)
        return {};
    switch (Column(section)) {
    case StateColumn:
        return tr("State", "column");
    case NameColumn:
        return tr("ID", "column");
    case TemplateColumn:
        return tr("Template", "column");
    case StartedColumn:
        return tr("Started", "column");
    case EndsInColumn:
        return tr("Ends in", "column");
    case CpuColumn:
        return tr("CPU", "column");
    case MemoryColumn:
        return tr("Memory", "column");
    case MetadataColumn:
        return tr("Metadata", "column");
    case ColumnCount:
        break;
    }
    return {};
}

void SandboxTableModel::sort(int column, Qt::SortOrder order)
{
    if (column >= ColumnCount || (column == d->sortColumn && order == d->sortOrder))
        return;
    d->sortColumn = column < 0 ? -1 : column;
    d->sortOrder = order;
    d->resort();
    d->applyFilter(false);
}

QString SandboxTableModel::columnKey(int column)
{
    switch (Column(column)) {
    case StateColumn:
        return QStringLiteral("state");
    case NameColumn:
        return QStringLiteral("id");
    case TemplateColumn:
        return QStringLiteral("template");
    case StartedColumn:
        return QStringLiteral("started");
    case EndsInColumn:
        return QStringLiteral("endsIn");
    case CpuColumn:
        return QStringLiteral("cpu");
    case MemoryColumn:
        return QStringLiteral("memory");
    case MetadataColumn:
        return QStringLiteral("metadata");
    case ColumnCount:
        break;
    }
    return {};
}

} // namespace moru
