// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/server/newsandbox.h"

#include "app/engine/http/text.h"
#include "app/engine/server/apierror.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

namespace moru::engine {

namespace json = boost::json;
namespace ip = boost::asio::ip;

namespace {

constexpr std::size_t LongestVariable = 128 * 1024;    ///< Linux: MAX_ARG_STRLEN
constexpr std::size_t LargestEnvironment = 512 * 1024; ///< leaves room for a command line

std::string quoted(std::string_view name)
{
    return "\"" + std::string(name) + "\"";
}

const json::object &asObject(const json::value &value, std::string_view what)
{
    if (const json::object *object = value.if_object())
        return *object;
    throw validationError(std::string(what) + " must be an object");
}

/// nullptr if absent; null counts as absent.
const json::value *member(const json::object &object, const char *name)
{
    const json::value *value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

std::string stringOf(const json::value &value, const std::string &what)
{
    const json::string *text = value.if_string();
    if (!text)
        throw validationError(what + " must be a string");
    return {text->data(), text->size()};
}

std::map<std::string, std::string> stringMap(const json::object &object, const char *name)
{
    std::map<std::string, std::string> result;
    const json::value *value = member(object, name);
    if (!value)
        return result;
    for (const auto &entry : asObject(*value, quoted(name)))
        result.emplace(entry.key(), stringOf(entry.value(), "each value of " + quoted(name)));
    return result;
}

std::vector<std::string> stringList(const json::object &object, const char *name)
{
    std::vector<std::string> result;
    const json::value *value = member(object, name);
    if (!value)
        return result;
    const json::array *array = value->if_array();
    if (!array)
        throw validationError(quoted(name) + " must be an array");
    for (const json::value &entry : *array)
        result.push_back(stringOf(entry, "each item of " + quoted(name)));
    return result;
}

bool isAddressOrNetwork(const std::string &text)
{
    boost::system::error_code ec;
    ip::make_address(text, ec);
    if (!ec)
        return true;
    ip::make_network_v4(text, ec);
    if (!ec)
        return true;
    ip::make_network_v6(text, ec);
    return !ec;
}

void checkEnv(const std::map<std::string, std::string> &env)
{
    std::size_t total = 0;
    for (const auto &[name, value] : env) {
        const std::size_t size = name.size() + value.size() + 2; // '=' and NUL
        total += size;
        if (size > LongestVariable || total > LargestEnvironment)
            throw validationError("\"envVars\" are too large for the environment of a process: "
                                  "one may have 128 KiB, all together 512 KiB");
        if (name.empty() || name.find('=') != std::string::npos
            || name.find('\0') != std::string::npos)
            throw validationError("a name in \"envVars\" is empty or contains '=' or NUL");
        if (value.find('\0') != std::string::npos)
            throw validationError("a value in \"envVars\" contains NUL");
    }
}

/// A host with or without port, in which "${PORT}" may stand for a port.
void checkMask(std::string text)
{
    static constexpr std::string_view placeholder = "${PORT}";
    constexpr std::size_t longest = 255;
    bool odd = text.empty() || text.size() > longest;
    for (auto at = text.find(placeholder); !odd && at != std::string::npos;
         at = text.find(placeholder))
        text.replace(at, placeholder.size(), "1");
    odd = odd || std::any_of(text.begin(), text.end(), [](unsigned char c) {
              return c >= 0x80
                     || (std::isalnum(c) == 0
                         && std::string_view(".-_:[]").find(static_cast<char>(c))
                                == std::string_view::npos);
          });
    if (odd)
        throw ApiError(400, "network.maskRequestHost must be an ASCII host name, with or without "
                            "a port");
}

/// Sandboxes of this engine have no way out, so rules about it are checked and already kept.
void parseNetwork(const json::value &value, bool secure, NewSandbox &sandbox)
{
    const json::object &network = asObject(value, quoted("network"));
    const bool isPublic = boolMember(value, "allowPublicTraffic").value_or(true);
    if (!isPublic && !secure)
        throw ApiError(400, "network.allowPublicTraffic false needs secure true");
    sandbox.privateTraffic = !isPublic;
    bool deniesAll = false;
    for (const std::string &entry : stringList(network, "denyOut")) {
        if (!isAddressOrNetwork(entry))
            throw ApiError(400, "network.denyOut takes IP addresses and CIDR blocks only");
        deniesAll = deniesAll || entry == "0.0.0.0/0";
    }
    for (const std::string &entry : stringList(network, "allowOut"))
        if (!isAddressOrNetwork(entry) && !deniesAll)
            throw ApiError(400, "domains in network.allowOut need 0.0.0.0/0 in network.denyOut");
    if (const json::value *mask = member(network, "maskRequestHost")) {
        sandbox.maskHost = stringOf(*mask, quoted("maskRequestHost"));
        checkMask(sandbox.maskHost);
    }
}

} // namespace

json::value parseBody(const std::string &text)
{
    if (trimmed(text).empty())
        return json::object();
    json::error_code ec;
    json::parse_options options;
    options.max_depth = 64;
    json::value value = json::parse(text, ec, {}, options);
    if (ec)
        throw ApiError(400, "the request body is not valid JSON: " + ec.message());
    if (!value.is_object())
        throw validationError("the request body must be an object");
    return value;
}

std::optional<std::int64_t> secondsMember(const json::value &body, const char *name,
                                          std::int64_t max)
{
    const json::value *value = member(asObject(body, "the request body"), name);
    if (!value)
        return std::nullopt;
    std::int64_t number = -1;
    if (value->is_int64()) {
        number = value->get_int64();
    } else if (value->is_uint64()) {
        number = std::numeric_limits<std::int64_t>::max();
    } else if (value->is_double() && std::trunc(value->get_double()) == value->get_double()
               && std::abs(value->get_double()) < 1e15) {
        number = static_cast<std::int64_t>(value->get_double());
    } else {
        throw validationError(quoted(name) + " must be an integer");
    }
    if (number < 0)
        throw validationError(quoted(name) + " must be at least 0");
    if (number > max)
        throw validationError(quoted(name) + " must be at most " + std::to_string(max));
    return number;
}

std::optional<bool> boolMember(const json::value &body, const char *name)
{
    const json::value *value = member(asObject(body, "the request body"), name);
    if (!value)
        return std::nullopt;
    if (!value->is_bool())
        throw validationError(quoted(name) + " must be a boolean");
    return value->get_bool();
}

NewSandbox parseNewSandbox(const json::value &body)
{
    const json::object &object = asObject(body, "the request body");
    NewSandbox sandbox;

    const json::value *id = member(object, "templateID");
    if (!id)
        throw validationError("\"templateID\" is missing");
    sandbox.templateId = toLower(stringOf(*id, quoted("templateID")));
    static constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    if (sandbox.templateId.empty()
        || sandbox.templateId.find_first_not_of(allowed) != std::string::npos)
        throw validationError("\"templateID\" must consist of letters, digits, '-' and '_'");

    sandbox.timeout = secondsMember(body, "timeout", std::numeric_limits<std::int32_t>::max())
                          .value_or(sandbox.timeout);
    sandbox.autoPause = boolMember(body, "autoPause").value_or(false);
    const bool secure = boolMember(body, "secure").value_or(false);
    boolMember(body, "allow_internet_access");
    sandbox.metadata = stringMap(object, "metadata");
    sandbox.env = stringMap(object, "envVars");
    checkEnv(sandbox.env);
    if (member(object, "volumeId") || member(object, "volumeMountPath"))
        throw ApiError(400, "this engine has no volumes");
    if (const json::value *network = member(object, "network"))
        parseNetwork(*network, secure, sandbox);
    if (sandbox.timeout > MaxTimeout)
        throw ApiError(400, "timeout is longer than the maximum of " + std::to_string(MaxTimeout)
                                + " seconds");
    return sandbox;
}

} // namespace moru::engine
