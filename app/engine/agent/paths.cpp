// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/agent/paths.h"

#include <vector>

namespace moru::engine {

namespace {

std::string_view withoutTrailingSlashes(std::string_view path)
{
    while (path.size() > 1 && path.back() == '/')
        path.remove_suffix(1);
    return path;
}

} // namespace

std::string resolvePath(std::string_view path, std::string_view home,
                        std::string_view defaultWorkdir)
{
    if (path.find('\0') != std::string_view::npos)
        throw BadPath("path contains a NUL byte");
    if (path.empty())
        return std::string(defaultWorkdir.empty() ? home : defaultWorkdir);
    if (path.front() == '~') {
        if (path.size() > 1 && path[1] != '/')
            throw BadPath("cannot expand the home directory of another user");
        return cleanPath(std::string(home) + std::string(path.substr(1)));
    }
    if (path.front() == '/')
        return std::string(path);
    return cleanPath(std::string(home) + '/' + std::string(path));
}

std::string cleanPath(std::string_view path)
{
    const bool rooted = !path.empty() && path.front() == '/';
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part.empty() || part == ".")
            continue;
        if (part != "..")
            parts.push_back(part);
        else if (!parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (!rooted)
            parts.push_back(part);
    }
    std::string out = rooted ? "/" : "";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0)
            out += '/';
        out += parts[i];
    }
    return out.empty() ? "." : out;
}

std::string baseName(std::string_view path)
{
    path = withoutTrailingSlashes(path);
    if (path == "/")
        return "/";
    const auto slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string parentPath(std::string_view path)
{
    path = withoutTrailingSlashes(path);
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos)
        return ".";
    return std::string(withoutTrailingSlashes(path.substr(0, slash + 1)));
}

std::string joinPath(std::string_view folder, std::string_view name)
{
    std::string out(folder);
    if (out.empty() || out.back() != '/')
        out += '/';
    out += name;
    return out;
}

} // namespace moru::engine
