// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/agent.h"

#include "app/engine/http/text.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <stdexcept>

namespace moru::engine {

namespace {

const char *nameOf(UserSwitch value)
{
    switch (value) {
    case UserSwitch::Real:
        return "real";
    case UserSwitch::SingleUid:
        return "single-uid";
    case UserSwitch::None:
        return "none";
    }
    return "real";
}

std::string textOf(const google::protobuf::Struct &object, const char *key)
{
    const auto found = object.fields().find(key);
    return found == object.fields().end() ? std::string() : found->second.string_value();
}

} // namespace

std::string toJson(const AgentConfig &config)
{
    std::string out = "{";
    const auto add = [&](const char *key, std::string_view value) {
        out += jsonString(key) + ':' + jsonString(value) + ',';
    };
    add("sandboxId", config.sandboxId);
    add("templateId", config.templateId);
    add("accessToken", config.accessToken);
    add("defaultUser", config.defaultUser);
    add("defaultWorkdir", config.defaultWorkdir);
    add("userSwitch", nameOf(config.userSwitch));
    add("rootPrefix", config.rootPrefix);
    out += "\"globalEnv\":{";
    bool first = true;
    for (const auto &[name, value] : config.globalEnv) {
        out += (first ? "" : ",") + jsonString(name) + ':' + jsonString(value);
        first = false;
    }
    out += "}}";
    return out;
}

AgentConfig agentConfigFromJson(const std::string &json)
{
    google::protobuf::Struct object;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &object);
    if (!status.ok())
        throw std::runtime_error("agent configuration: " + std::string(status.message()));
    AgentConfig config;
    config.sandboxId = textOf(object, "sandboxId");
    config.templateId = textOf(object, "templateId");
    config.accessToken = textOf(object, "accessToken");
    config.defaultUser = textOf(object, "defaultUser");
    config.defaultWorkdir = textOf(object, "defaultWorkdir");
    config.rootPrefix = textOf(object, "rootPrefix");
    const std::string mode = textOf(object, "userSwitch");
    bool known = false;
    for (const UserSwitch value : {UserSwitch::Real, UserSwitch::SingleUid, UserSwitch::None}) {
        if (mode == nameOf(value)) {
            config.userSwitch = value;
            known = true;
        }
    }
    // Guessing here could mean running everything as root.
    if (!known)
        throw std::runtime_error("agent configuration: unknown userSwitch");
    if (const auto env = object.fields().find("globalEnv"); env != object.fields().end())
        for (const auto &[name, value] : env->second.struct_value().fields())
            config.globalEnv[name] = value.string_value();
    return config;
}

} // namespace moru::engine
