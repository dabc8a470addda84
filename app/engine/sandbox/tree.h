// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>

namespace moru::engine {

/// Removes everything below an open directory, whatever its depth, without following links or
/// leaving the file system. To be called by someone with power over the files. Throws StepError.
void emptyDirectory(int directory);

/// Bytes on disk below an open directory, counted in blocks: a sparse file counts what it
/// occupies, a file with several links once. nullopt with errno where a directory cannot be read.
std::optional<std::uint64_t> diskUsage(int directory);

} // namespace moru::engine
