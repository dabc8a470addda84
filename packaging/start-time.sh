#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# start-time.sh PROGRAM APPIMAGE: on the present X display, the time until the window is there: the
# program alone, the AppImage mounted, the AppImage unpacked; three starts each, the fastest counts.
# Also looks at the window's class, which must be the application's ID.
set -euo pipefail
program=$1 appimage=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work TMPDIR=$work XDG_RUNTIME_DIR=$work DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent NO_AT_BRIDGE=1 QT_QPA_PLATFORM=xcb
export MORU_API_KEY=moru_none MORU_API_URL=http://127.0.0.1:9 MORU_SANDBOX_URL=http://127.0.0.1:9
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME
now() { date +%s%3N; }
window() { xwininfo -root -tree 2>/dev/null | grep -o '0x[0-9a-f]* "[^"]*Moru Desktop": ("[^"]*" "[^"]*")'; }
# fastest LABEL COMMAND...
fastest() {
    local label=$1 best= began took pid seen= i
    shift
    for i in 1 2 3; do
        began=$(now)
        "$@" --connection environment >"$work/log" 2>&1 &
        pid=$!
        seen=
        for _ in $(seq 3000); do
            seen=$(window) && break
            kill -0 "$pid" 2>/dev/null || { echo "start-time: $label ended early: $(tail -n 3 "$work/log")" >&2; exit 1; }
            sleep 0.01
        done
        took=$(($(now) - began))
        [ -n "$seen" ] || { echo "start-time: $label shows no window" >&2; exit 1; }
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        for _ in $(seq 500); do window >/dev/null || break; sleep 0.02; done
        [ -n "$best" ] && [ "$best" -le "$took" ] || best=$took
    done
    case $seen in
        *'("io.moru.Desktop" "moru-desktop")') ;;
        *) echo "start-time: the window is $seen" >&2; exit 1 ;;
    esac
    echo "start-time: $label: window after $best ms"
}
fastest "program alone" "$program"
[ ! -w /dev/fuse ] || fastest "AppImage, mounted" "$appimage"
APPIMAGE_EXTRACT_AND_RUN=1 fastest "AppImage, unpacked" "$appimage"
