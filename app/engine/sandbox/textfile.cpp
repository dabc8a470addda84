// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/textfile.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/steperror.h"

#include <algorithm>
#include <array>

#include <fcntl.h>

namespace moru::engine {

std::optional<std::string> readTextFile(int directory, const char *path, std::size_t limit)
{
    const Descriptor file(::openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid())
        return std::nullopt;
    std::string text;
    std::array<char, 16384> part;
    while (text.size() < limit) {
        const ssize_t count = uninterrupted([&] {
            return ::read(file.get(), part.data(), std::min(part.size(), limit - text.size()));
        });
        if (count < 0)
            return std::nullopt;
        if (count == 0)
            break;
        text.append(part.data(), static_cast<std::size_t>(count));
    }
    return text;
}

std::optional<std::string> readTextFile(const std::string &path)
{
    return readTextFile(AT_FDCWD, path.c_str());
}

bool writeControlFile(const std::string &path, std::string_view text)
{
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid())
        return false;
    return uninterrupted([&] { return ::write(file.get(), text.data(), text.size()); })
           == static_cast<ssize_t>(text.size());
}

} // namespace moru::engine
