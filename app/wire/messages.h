// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The messages generated from the .proto files. The C library of Windows makes macros of stdin,
// stdout and stderr, which are names of fields too; where this is included they are only that.

#include <cstdio>

#ifdef _WIN32
#undef stdin
#undef stdout
#undef stderr
#endif

#include <filesystem.pb.h>
#include <process.pb.h>
