#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds, and starts Moru Desktop on this machine's engine. Without a
# display it starts the app under Xvfb on a fresh engine with one sandbox, saves a screenshot of the
# filled table, says where, and ends with 0. Arguments are passed on to the app.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

"$root/packaging/setup.sh" --run
mkdir -p "$root/build"
build release -DBUILD_TESTING=OFF
bin=$root/build/release/bin

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec "$bin/moru-desktop" "$@"
fi

say "There is no display here: starting the app under Xvfb and saving a screenshot."
work=$(mktemp -d)
cleanup() {
    "$bin/moru-local" stop --state-dir "$work/engine" >/dev/null 2>&1 || true
    "$bin/moru-local" reset --yes --state-dir "$work/engine" >/dev/null 2>&1 || true
    stop_display
    rm -rf "$work"
}
trap cleanup EXIT

"$bin/moru-local" serve --listen 127.0.0.1:0 --state-dir "$work/engine" >"$work/ready.json" 2>"$work/engine.log" &
engine=$!
for _ in $(seq 1 200); do
    [ -s "$work/ready.json" ] && break
    kill -0 "$engine" 2>/dev/null || {
        cat "$work/engine.log" >&2
        die "The local engine did not start; the lines above say why."
    }
    sleep 0.1
done
[ -s "$work/ready.json" ] || die "The local engine did not become ready within 20 s."
eval "$("$bin/moru-local" env --state-dir "$work/engine")"
# The key goes to curl by a file: a command line can be read by everybody.
(umask 077 && printf 'header = "X-API-Key: %s"\n' "$MORU_API_KEY" >"$work/curl.conf")
curl -sS --fail -K "$work/curl.conf" -H 'Content-Type: application/json' \
    -d '{"templateID":"base","timeout":1800,"metadata":{"made-by":"run.sh"}}' \
    "$MORU_API_URL/sandboxes" >/dev/null || die "The engine did not make a sandbox."

private_display
unset MORU_API_KEY MORU_API_URL MORU_SANDBOX_URL MORU_DOMAIN
# Settings and keyring of the person at this machine stay untouched.
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_DATA_HOME=$work/home/.local/share \
    XDG_STATE_HOME=$work/home/.local/state XDG_CACHE_HOME=$work/home/.cache DBUS_SESSION_BUS_ADDRESS=
mkdir -p "$HOME"
picture=$root/build/moru-desktop.png
QT_QPA_PLATFORM=xcb "$bin/moru-desktop" --connection local --state-dir "$work/engine" --screenshot "$picture" "$@"
say "Screenshot of the table with one running sandbox: $picture"
