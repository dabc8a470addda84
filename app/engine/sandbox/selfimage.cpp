// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/selfimage.h"

#include "app/engine/sandbox/descriptor.h"
#include "app/engine/sandbox/steperror.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

namespace moru::engine {

namespace {

void readAt(int fd, void *to, std::size_t size, off_t offset)
{
    if (uninterrupted([&] { return ::pread(fd, to, size, offset); }) != static_cast<ssize_t>(size))
        throw StepError("read the program's own file", EIO);
}

/// Where the part that runs ends: what follows is symbols and debug information, often ten times
/// larger, and would only cost memory.
off_t endOfSegments(int fd, ElfW(Ehdr) & header)
{
    readAt(fd, &header, sizeof header, 0);
    if (header.e_phentsize != sizeof(ElfW(Phdr)))
        throw StepError("read the program's own file", ENOEXEC);
    std::vector<ElfW(Phdr)> segments(header.e_phnum);
    readAt(fd, segments.data(), segments.size() * sizeof(ElfW(Phdr)),
           static_cast<off_t>(header.e_phoff));
    ElfW(Off) end = header.e_phoff + segments.size() * sizeof(ElfW(Phdr));
    for (const auto &segment : segments)
        end = std::max(end, segment.p_offset + segment.p_filesz);
    return static_cast<off_t>(end);
}

int makeImage()
{
    const Descriptor self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    if (!self.valid())
        throw StepError("open the program's own file");
    ElfW(Ehdr) header;
    const off_t end = endOfSegments(self.get(), header);

    // Newer kernels want to be told that it is to be executed; older ones do not know the flag.
    constexpr unsigned executable = 0x10; // MFD_EXEC
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Descriptor image(::memfd_create("moru-sandbox", flags | executable));
    if (!image.valid() && errno == EINVAL)
        image.reset(::memfd_create("moru-sandbox", flags));
    if (!image.valid())
        throw StepError("make a copy of the program in memory");
    for (off_t offset = 0; offset < end;) {
        const ssize_t count =
            ::sendfile(image.get(), self.get(), &offset, static_cast<std::size_t>(end - offset));
        if (count == 0 || (count < 0 && errno != EINTR))
            throw StepError("make a copy of the program in memory", count == 0 ? EIO : errno);
    }
    // The section table is not in the copy.
    header.e_shoff = 0;
    header.e_shnum = 0;
    header.e_shstrndx = SHN_UNDEF;
    if (::pwrite(image.get(), &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header))
        throw StepError("make a copy of the program in memory");
    checked(::fchmod(image.get(), 0555), "make a copy of the program in memory");
    checked(
        ::fcntl(image.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
        "seal the copy of the program");
    return image.release();
}

} // namespace

int selfImage()
{
    static const int image = makeImage(); // a throwing initialisation is tried again next time
    return image;
}

} // namespace moru::engine
