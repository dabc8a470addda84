// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/listmatcher.h"

#include "app/api/controlclient.h"

#include <QHash>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include <simdjson.h>

namespace moru {

namespace {

using simdjson::ondemand::document;
using simdjson::ondemand::parser;

/// Texts shared between rows are collected up to this number; beyond it they are mostly unique.
constexpr qsizetype sharedTextLimit = 4096;

/// simdjson reads whole registers, so there must be readable bytes behind the text.
void pad(QByteArray &text)
{
    const qsizetype room = text.size() + qsizetype(simdjson::SIMDJSON_PADDING);
    if (text.capacity() < room)
        text.reserve(room);
}

/// "lifecycle": {"onTimeout": …} is newer than the rest of the protocol: most servers omit it.
std::optional<OnTimeout> lifecycleOf(const QByteArray &element)
{
    if (!element.contains("\"lifecycle\""))
        return {};
    QByteArray text = element;
    pad(text);
    parser json;
    document root;
    std::string_view word;
    if (json.iterate(text.constData(), size_t(text.size()), size_t(text.capacity())).get(root)
        || root["lifecycle"]["onTimeout"].get_string().get(word))
        return {};
    if (word == "kill")
        return OnTimeout::Kill;
    if (word == "pause")
        return OnTimeout::Pause;
    return {};
}

quint64 contentHashOf(std::string_view element, size_t seed)
{
    const quint64 hash = qHashBits(element.data(), element.size(), seed);
    return hash == 0 ? 1 : hash; // 0 means unknown
}

} // namespace

/// What one job has found so far; the last word about an id counts.
struct ListMatcher::Batch {
    std::vector<ListDiff::Element> found;
    std::unordered_map<quint64, size_t> placeOfId; ///< id hash -> place in `found`
    std::vector<bool> dropped;                     ///< parallel to `found`
};

quint64 ListMatcher::hashOf(const QString &id, size_t seed)
{
    return qHashBits(id.constData(), size_t(id.size()) * sizeof(QChar), seed);
}

ListDiff ListMatcher::compare(ListJob job)
{
    ListDiff diff;
    diff.sweep = job.sweep;
    diff.complete = job.complete;
    apply(job.edits);

    Batch batch;
    for (QByteArray &page : job.pages) {
        auto error = scan(std::move(page), job.sweep, batch);
        if (error && !diff.error)
            diff.error = std::move(error);
    }

    for (size_t i = 0; i < batch.found.size(); ++i) {
        if (batch.dropped[i])
            continue;
        ListDiff::Element &element = batch.found[i];
        if (element.serial == 0) {
            diff.newcomers.push_back(std::move(element));
            continue;
        }
        if (Entry *known = entry(element.serial)) {
            if (known->contentHash != 0)
                m_byContent.remove(known->contentHash);
            known->contentHash = element.contentHash;
            m_byContent.insert(element.contentHash, element.serial);
        }
        diff.changed.push_back(std::move(element));
    }

    if (job.complete && !diff.error) {
        for (const Entry &known : m_entries) {
            if (known.sweep != job.sweep)
                diff.missing.push_back(known.serial);
        }
    }
    return diff;
}

void ListMatcher::apply(const std::vector<RowEdit> &edits)
{
    bool removed = false;
    for (const RowEdit &edit : edits) {
        if (edit.kind == RowEdit::Kind::Added) {
            // A sweep that was under way then may have been too early to have it.
            m_entries.push_back({edit.contentHash, edit.idHash, edit.serial, edit.sweep});
            m_byId.insert(edit.idHash, edit.serial);
            if (edit.contentHash != 0)
                m_byContent.insert(edit.contentHash, edit.serial);
            continue;
        }
        Entry *known = entry(edit.serial);
        if (!known)
            continue;
        if (known->contentHash != 0)
            m_byContent.remove(known->contentHash);
        known->contentHash = 0;
        if (edit.kind == RowEdit::Kind::Removed) {
            m_byId.remove(known->idHash);
            known->idHash = 0;
            removed = true;
        }
    }
    if (removed)
        std::erase_if(m_entries, [](const Entry &known) { return known.idHash == 0; });
}

std::optional<Error> ListMatcher::scan(QByteArray page, quint32 sweep, Batch &batch)
{
    pad(page);
    parser json;
    document root;
    simdjson::ondemand::array elements;
    if (json.iterate(page.constData(), size_t(page.size()), size_t(page.capacity())).get(root)
        || root.get_array().get(elements))
        return protocolError("the list of sandboxes is not a JSON array");

    // The whole page is cut first, so that a page that breaks off contributes nothing.
    std::vector<std::string_view> slices;
    slices.reserve(128);
    for (auto element : elements) {
        simdjson::ondemand::object object;
        std::string_view slice;
        if (element.get_object().get(object) || object.raw_json().get(slice))
            return protocolError("the list of sandboxes is not an array of JSON objects");
        slices.push_back(slice);
    }
    if (!root.current_location().error())
        return protocolError("the list of sandboxes has something behind its end");

    std::optional<Error> firstError;
    for (const std::string_view slice : slices) {
        const quint64 contentHash = contentHashOf(slice, m_seed);
        if (Entry *known = entry(m_byContent.find(contentHash))) {
            known->sweep = sweep;
            // Seen with other bytes before in this job: this page is the newer one.
            if (const auto place = batch.placeOfId.find(known->idHash);
                place != batch.placeOfId.end())
                batch.dropped[place->second] = true;
            continue;
        }
        const QByteArray bytes(slice.data(), qsizetype(slice.size()));
        auto sandbox = ControlClient::parseSandbox(bytes);
        if (!sandbox) {
            if (!firstError)
                firstError = sandbox.error();
            continue;
        }
        share(*sandbox);
        ListDiff::Element found;
        found.idHash = hashOf(sandbox->id, m_seed);
        found.contentHash = contentHash;
        found.sandbox = std::move(*sandbox);
        found.onTimeout = lifecycleOf(bytes);
        if (Entry *known = entry(m_byId.find(found.idHash))) {
            known->sweep = sweep;
            found.serial = known->serial;
        }
        const auto [place, fresh] = batch.placeOfId.try_emplace(found.idHash, batch.found.size());
        if (fresh) {
            batch.found.push_back(std::move(found));
            batch.dropped.push_back(false);
        } else {
            batch.found[place->second] = std::move(found);
            batch.dropped[place->second] = false;
        }
    }
    return firstError;
}

ListMatcher::Entry *ListMatcher::entry(quint32 serial)
{
    const auto place = std::ranges::lower_bound(m_entries, serial, {}, &Entry::serial);
    return place != m_entries.end() && place->serial == serial ? &*place : nullptr;
}

void ListMatcher::share(Sandbox &sandbox)
{
    sandbox.clientId = shared(sandbox.clientId);
    sandbox.templateId = shared(sandbox.templateId);
    sandbox.alias = shared(sandbox.alias);
    sandbox.envdVersion = shared(sandbox.envdVersion);
    if (sandbox.metadata.isEmpty())
        return;
    Metadata metadata;
    for (auto pair = sandbox.metadata.cbegin(); pair != sandbox.metadata.cend(); ++pair)
        metadata.insert(metadata.cend(), shared(pair.key()), shared(pair.value()));
    sandbox.metadata = metadata;
}

QString ListMatcher::shared(const QString &text)
{
    if (text.isEmpty())
        return text;
    if (const auto known = m_texts.constFind(text); known != m_texts.cend())
        return *known;
    if (m_texts.size() < sharedTextLimit)
        m_texts.insert(text);
    return text;
}

} // namespace moru
