// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/record.h"

#include "app/engine/http/text.h"
#include "app/engine/server/statedir.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <stdexcept>

namespace moru::engine {

namespace json = boost::json;

namespace {

constexpr std::array<std::pair<Stage, std::string_view>, 6> StageNames{{
    {Stage::Starting, "starting"},
    {Stage::Running, "running"},
    {Stage::Pausing, "pausing"},
    {Stage::Paused, "paused"},
    {Stage::Resuming, "resuming"},
    {Stage::Killing, "killing"},
}};

std::string_view nameOf(Stage stage)
{
    for (const auto &[value, name] : StageNames)
        if (value == stage)
            return name;
    return {};
}

json::object fromMap(const std::map<std::string, std::string> &map)
{
    json::object object;
    for (const auto &[key, value] : map)
        object[key] = value;
    return object;
}

std::string text(const json::object &object, std::string_view name)
{
    const json::string &value = object.at(name).as_string();
    return {value.data(), value.size()};
}

std::map<std::string, std::string> map(const json::object &object, std::string_view name)
{
    std::map<std::string, std::string> result;
    for (const auto &member : object.at(name).as_object())
        result.emplace(member.key(), member.value().as_string());
    return result;
}

Time time(const json::object &object, std::string_view name)
{
    const auto parsed = parseTime(text(object, name));
    if (!parsed)
        throw std::invalid_argument("time");
    return *parsed;
}

Stage stage(const json::object &object)
{
    const std::string wanted = text(object, "stage");
    for (const auto &[value, name] : StageNames)
        if (name == wanted)
            return value;
    throw std::invalid_argument("stage");
}

} // namespace

std::string toJson(const SandboxRecord &record)
{
    json::object object;
    object["id"] = record.id;
    object["templateId"] = record.templateId;
    object["alias"] = record.alias;
    object["token"] = record.token;
    object["trafficToken"] = record.trafficToken;
    if (!record.maskHost.empty())
        object["maskHost"] = record.maskHost;
    object["env"] = fromMap(record.env);
    object["metadata"] = fromMap(record.metadata);
    object["autoPause"] = record.autoPause;
    object["stage"] = nameOf(record.stage);
    object["createdAt"] = formatTime(record.createdAt);
    object["startedAt"] = formatTime(record.startedAt);
    object["endAt"] = formatTime(record.endAt);
    object["bootId"] = record.bootId;
    if (record.launched) {
        json::object process;
        process["pid"] = record.launched->pid;
        process["startTime"] = record.launched->startTime;
        process["socket"] = record.launched->socket.string();
        object["process"] = std::move(process);
    }
    return json::serialize(object) + "\n";
}

std::optional<SandboxRecord> recordFromJson(const std::string &content)
{
    try {
        const json::value value = json::parse(content);
        const json::object &object = value.as_object();
        SandboxRecord record;
        record.id = text(object, "id");
        record.templateId = text(object, "templateId");
        record.alias = text(object, "alias");
        record.token = text(object, "token");
        record.trafficToken = text(object, "trafficToken");
        if (object.contains("maskHost"))
            record.maskHost = text(object, "maskHost");
        record.env = map(object, "env");
        record.metadata = map(object, "metadata");
        record.autoPause = object.at("autoPause").as_bool();
        record.stage = stage(object);
        record.createdAt = time(object, "createdAt");
        record.startedAt = time(object, "startedAt");
        record.endAt = time(object, "endAt");
        record.bootId = text(object, "bootId");
        if (const json::value *found = object.if_contains("process")) {
            const json::object &process = found->as_object();
            Launched launched;
            launched.pid = process.at("pid").to_number<pid_t>();
            launched.startTime = process.at("startTime").to_number<std::uint64_t>();
            launched.socket = text(process, "socket");
            record.launched = launched;
        }
        return record;
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

} // namespace moru::engine
