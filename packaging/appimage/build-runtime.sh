#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build-runtime.sh RESULT: compiles runtime.c to a static program, unless RESULT is newer than it.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../common.sh"
source=$root/packaging/appimage/runtime.c
[ ! "$1" -nt "$source" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The linker's warning about dlopen in libfuse's module loader, which is never called, is shown only
# with an error.
# shellcheck disable=SC2046
cc -std=c11 -Os -Wall -Wextra -Wpedantic -Werror -ffunction-sections -fdata-sections \
    -D_FILE_OFFSET_BITS=64 $(pkg-config --cflags fuse3) "$source" \
    -o "$work/runtime" -static -s -Wl,--gc-sections -Wl,--build-id=none \
    -lsquashfuse_ll -lsquashfuse -lfuse3 -lzstd -lpthread 2>"$work/log" ||
    { cat "$work/log" >&2; die "The AppImage runtime could not be compiled."; }
mv "$work/runtime" "$1"
