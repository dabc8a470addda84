// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a fuzz target without libFuzzer: over every file of the folders named, over its beginnings
// and over copies with single bits turned.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

void run(const std::string &bytes)
{
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t *>(bytes.data()), bytes.size());
}

} // namespace

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto &entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(file), {}};
            ++files;
            run(bytes);
            for (std::size_t size = 0; size < bytes.size(); ++size)
                run(bytes.substr(0, size));
            for (std::size_t at = 0; at < bytes.size(); ++at) {
                std::string changed = bytes;
                changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
                run(changed);
            }
        }
    }
    std::printf("%d files replayed\n", files);
    return files > 0 ? 0 : 1; // an empty corpus proves nothing
}
