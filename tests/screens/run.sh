#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes pictures of every screen of the real app, on a real engine with real sandboxes, for people to
# look at. Ends with 0 only when every picture was made and shows something.
#   tests/screens/run.sh [--built BIN] [--only NAME,...] [--size WxH] [--scale N] [--dark] [FOLDER]
#     FOLDER   where the pictures go; default build/screens
#     --built  folder of programs that are built already; default: builds the release preset
#     --only   these pictures only
#     --size --scale --dark   the same pictures in another window size, scale or in dark colours; their
#              names end in what differs. Without --only and without these the list is complete:
#              main-2x is made in a second run.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
bin= out=$source/build/screens scale=1 plain=yes only=
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --built) bin=$(cd "$2" && pwd); shift 2 ;;
        --only) only=$2; options+=(--only "$2"); shift 2 ;;
        --size) options+=(--size "$2"); plain=no; shift 2 ;;
        --scale) scale=$2; plain=no; shift 2 ;;
        --dark) options+=(--dark); plain=no; shift ;;
        -*) sed -n '3,12p' "$0" >&2; exit 2 ;;
        *) out=$1; shift ;;
    esac
done
for program in Xvfb dbus-run-session; do
    command -v "$program" >/dev/null || { echo "screens: $program is missing; packaging/setup.sh installs it." >&2; exit 77; }
done
if [ -z "$bin" ]; then
    cmake -S "$source" --preset release >/dev/null
    cmake --build "$source/build/release" --target moru-screens moru-local
    bin=$source/build/release/bin
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)

home=$(mktemp -d)
xvfb=
cleanup() {
    [ -z "$xvfb" ] || { kill "$xvfb" 2>/dev/null && wait "$xvfb" 2>/dev/null; } || true
    rm -rf "$home"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Xvfb writes the number of its display when it is ready for clients, which ends the read.
mkfifo "$home/display"
Xvfb -displayfd 3 -screen 0 3200x2000x24 -nolisten tcp 3>"$home/display" >"$home/xvfb.log" 2>&1 &
xvfb=$!
read -r -t 30 number <"$home/display" || { cat "$home/xvfb.log" >&2; echo "screens: Xvfb did not start." >&2; exit 1; }

shoot() { # scale, further arguments
    local factor=$1
    shift
    mkdir -p -m 700 "$home/run"
    timeout --kill-after=20 540 \
        env -i PATH="$PATH" LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ="${TZ:-UTC}" DISPLAY=":$number" \
        HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" \
        XDG_STATE_HOME="$home/state" XDG_CACHE_HOME="$home/cache" XDG_RUNTIME_DIR="$home/run" \
        QT_QPA_PLATFORM=xcb QT_SCALE_FACTOR="$factor" ASAN_OPTIONS=detect_leaks=0 \
        dbus-run-session -- "$source/tests/screens/session.sh" \
        "$bin/moru-screens" --engine "$bin/moru-local" --out "$out" "$@"
}
if [ "$plain" = yes ] && [ -z "$only" ]; then
    shoot 1
    shoot 2 --only main-2x
elif [ "$plain" = yes ] && [ "$only" = main-2x ]; then
    shoot 2 "${options[@]}"
else
    shoot "$scale" "${options[@]}"
fi
