// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

#include <dirent.h>

namespace moru::engine {

/// An open directory that is being listed; empty with errno where that failed.
using DirectoryStream = std::unique_ptr<DIR, int (*)(DIR *)>;

inline bool isDotOrDotDot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

} // namespace moru::engine
