#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# CPU per megabyte of terminal output, ours against other terminals in the same run, under Xvfb.
# Usage: tests/bench_terminal/run.sh [BUILD_DIR] [RUNS]
# Prints milliseconds of CPU per MB (median) and the ratios that the project has set itself.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
runs=${2:-3}
bench=$build/bin/moru-termbench
[ -x "$bench" ] || { echo "build moru-termbench first: $bench is missing" >&2; exit 2; }
command -v Xvfb >/dev/null || { echo "Xvfb is missing" >&2; exit 2; }

work=$(mktemp -d)
xvfb=
cleanup() { [ -z "$xvfb" ] || kill "$xvfb" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT INT TERM
mkfifo "$work/display"
Xvfb -displayfd 5 -screen 0 1600x1200x24 -nolisten tcp 5>"$work/display" 2>/dev/null &
xvfb=$!
read -r number <"$work/display"
export DISPLAY=":$number" QT_QPA_PLATFORM=xcb HOME="$work" XDG_RUNTIME_DIR="$work" LC_ALL=C.UTF-8
export XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache" XDG_DATA_HOME="$work/data"
mkdir -p "$XDG_DATA_HOME/konsole" "$XDG_CONFIG_HOME"
printf '[General]\nName=Bench\nParent=FALLBACK/\nTerminalColumns=120\nTerminalRows=36\n[Scrolling]\nHistoryMode=1\nHistorySize=10000\n[Terminal Features]\nUrlHintsModifiers=0\n' >"$XDG_DATA_HOME/konsole/Bench.profile"
printf '[Desktop Entry]\nDefaultProfile=Bench.profile\n[MainWindow]\nMenuBar=Disabled\nToolBarsMovable=Disabled\n[KonsoleWindow]\nRememberWindowSize=false\n' >"$XDG_CONFIG_HOME/konsolerc"

workloads="ascii 40 sgr 20 utf8 12 cursor 10"
one() { # NAME COMMAND...: runs the driver in a terminal, result in $work/NAME.N
    name=$1; shift
    i=0
    while [ "$i" -lt "$runs" ]; do
        # shellcheck disable=SC2086
        timeout 300 "$@" "$bench" --drive "$work/$name.$i" $workloads >/dev/null 2>&1 || true
        i=$((i + 1))
    done
}
one moru "$bench" --grid 120x36 --
if command -v konsole >/dev/null; then
    one konsole dbus-run-session -- konsole --nofork --separate --profile Bench -e
fi
if command -v urxvt >/dev/null; then one urxvt urxvt -geometry 120x36 -sl 10000 -e; fi
if command -v st >/dev/null; then one st st -g 120x36 -e; fi
if command -v xterm >/dev/null; then one xterm xterm -geometry 120x36 -sl 10000 -e; fi

awk -v dir="$work" '
function median(list, n,   a, i, j, t) {
    split(list, a, " ")
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] + 0 < a[i] + 0) { t = a[i]; a[i] = a[j]; a[j] = t }
    return a[int((n + 1) / 2)]
}
function ratio(w, other, goal,   r) {
    if (!((other, w) in cpu)) return
    r = med["moru", w] / med[other, w]
    printf "%-8s %.2f x %-8s goal %.2f  %s\n", w, r, other, goal, r <= goal ? "met" : "NOT MET"
}
BEGIN {
    for (i = 1; i < ARGC; i++) {
        file = ARGV[i]; name = file; sub(/.*\//, "", name); sub(/\.[0-9]+$/, "", name)
        while ((getline line < file) > 0) {
            split(line, f, " ")
            if (f[1] == "size") { grid[name] = f[2]; continue }
            cpu[name, f[1]] = cpu[name, f[1]] " " f[2]; n[name, f[1]]++
            wall[name, f[1]] = wall[name, f[1]] " " f[3]
        }
    }
    count = split("ascii sgr utf8 cursor", w, " ")
    printf "%-9s %-9s", "terminal", "grid"
    for (i = 1; i <= count; i++) printf " %12s", w[i]
    printf "   CPU ms/MB (wall)\n"
    for (name in grid) {
        printf "%-9s %-9s", name, grid[name]
        for (i = 1; i <= count; i++) {
            med[name, w[i]] = median(cpu[name, w[i]], n[name, w[i]])
            printf " %12s", sprintf("%.1f (%.1f)", med[name, w[i]], median(wall[name, w[i]], n[name, w[i]]))
        }
        printf "\n"
    }
    ratio("ascii", "urxvt", 0.65); ratio("ascii", "konsole", 0.20)
    ratio("sgr", "st", 1.00); ratio("sgr", "konsole", 0.55)
    ratio("utf8", "st", 1.00); ratio("utf8", "konsole", 0.50)
    ratio("cursor", "urxvt", 1.10); ratio("cursor", "konsole", 0.65)
}' "$work"/*.[0-9]*
