#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts the real app on an engine of its own, under its own display and buses, and walks through it
# by keyboard while AT-SPI tells what a screen reader would say: tests/a11y/run.sh BIN
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$1" && pwd)
[ -x "$bin/moru-desktop" ] && [ -x "$bin/moru-local" ] || { echo "a11y: build moru-desktop and moru-local first." >&2; exit 1; }
python=/usr/bin/python3 # pyatspi comes as a package of the system's own Python
for need in Xvfb openbox xdotool dbus-run-session; do
    command -v "$need" >/dev/null || { echo "a11y: $need is missing; packaging/setup.sh installs it." >&2; exit 77; }
done
"$python" -c 'import pyatspi' 2>/dev/null || { echo "a11y: python3-pyatspi is missing; packaging/setup.sh installs it." >&2; exit 77; }

home=$(mktemp -d)
mkdir -m 700 "$home/run"
xvfb=
cleanup() {
    "$bin/moru-local" stop --state-dir "$home/engine" >/dev/null 2>&1 || true
    "$bin/moru-local" reset --yes --state-dir "$home/engine" >/dev/null 2>&1 || true
    [ -z "$xvfb" ] || { kill "$xvfb" 2>/dev/null && wait "$xvfb" 2>/dev/null; } || true
    rm -rf "$home"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkfifo "$home/display"
Xvfb -displayfd 3 -screen 0 1400x900x24 -nolisten tcp 3>"$home/display" >"$home/xvfb.log" 2>&1 &
xvfb=$!
read -r -t 30 number <"$home/display" || { cat "$home/xvfb.log" >&2; echo "a11y: Xvfb did not start." >&2; exit 1; }
timeout --kill-after=20 280 \
    env -i PATH="$PATH" LANG=C.UTF-8 LC_ALL=C.UTF-8 DISPLAY=":$number" HOME="$home" \
    XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" \
    XDG_CACHE_HOME="$home/cache" XDG_RUNTIME_DIR="$home/run" QT_QPA_PLATFORM=xcb \
    QT_LINUX_ACCESSIBILITY_ALWAYS_ON=1 ASAN_OPTIONS=detect_leaks=0 \
    dbus-run-session -- "$here/../screens/session.sh" \
    "$python" "$here/walk.py" "$bin" "$home/engine"
