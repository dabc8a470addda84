#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Searches for inputs that break the parsers, for a while: run.sh [RUNS per target, default 200000].
# What it finds is left in build/fuzz/found; put it into corpus/ with its correction.
set -euo pipefail
root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
build=$root/build/fuzz
runs=${1:-200000}
cd "$root"
cmake --preset fuzz
cmake --build --preset fuzz --target fuzz_multipart fuzz_connect fuzz_head fuzz_terminal
mkdir -p "$build/found"
for target in multipart connect head; do
    mkdir -p "$build/corpus-$target"
    "$build/bin/fuzz_$target" -runs="$runs" -max_len=8192 -artifact_prefix="$build/found/$target-" \
        -close_fd_mask=2 "$build/corpus-$target" "$root/tests/fuzz/corpus/$target"
done
mkdir -p "$build/corpus-terminal"
"$build/bin/fuzz_terminal" -runs="$runs" -max_len=8192 -artifact_prefix="$build/found/terminal-" \
    -close_fd_mask=2 "$build/corpus-terminal" "$root/tests/fuzz_terminal/corpus" "$root/tests/terminal/recordings"
