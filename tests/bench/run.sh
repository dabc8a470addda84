#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the release preset with all benchmarks, runs them one after the other and prints each figure
# with its ratio to a baseline measured in the same run, and whether the project's goal is met.
#   tests/bench/run.sh [NAME...]   only those, e.g. bench_table
# MORU_BENCH_BUILD: another build directory. Exit 1 if a program fails; a missed goal is only said.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${MORU_BENCH_BUILD:-$source/build/release}
cmake -S "$source" --preset release -B "$build" >/dev/null
cmake --build "$build" --target bench moru-desktop moru-termbench

if [ $# -gt 0 ]; then
    programs=
    for name; do programs="$programs $build/bin/$name"; done
else
    programs=$(find "$build/bin" -maxdepth 1 -name 'bench_*' -type f -perm -u+x | sort)
fi
home=$(mktemp -d)
xvfb=
cleanup() {
    [ -z "$xvfb" ] || kill "$xvfb" 2>/dev/null || true
    rm -rf "$home"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkfifo "$home/display"
Xvfb -displayfd 5 -screen 0 1600x1200x24 -nolisten tcp 5>"$home/display" 2>/dev/null &
xvfb=$!
read -r number <"$home/display"
export DISPLAY=":$number"
failed=0
for program in $programs; do
    echo "== $(basename "$program")"
    HOME="$home" XDG_CONFIG_HOME="$home" XDG_DATA_HOME="$home" XDG_CACHE_HOME="$home" \
        MORU_BIN_DIR="$build/bin" MORU_SOURCE_DIR="$source" LC_ALL=C.UTF-8 \
        "$program" || { echo "$(basename "$program") failed"; failed=1; }
done
# Against other terminals, as many of them as are installed.
if [ $# -eq 0 ]; then
    echo "== terminal"
    "$source/tests/bench_terminal/run.sh" "$build" || failed=1
fi
exit $failed
