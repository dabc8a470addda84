#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs keychain_probe against a fresh, unlocked gnome-keyring, and then without any keychain.
set -eu

probe=$MORU_BIN_DIR/keychain_probe
for tool in dbus-run-session gnome-keyring-daemon; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: run packaging/setup.sh" >&2; exit 1; }
done

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -m 700 "$home/runtime"
export HOME="$home" XDG_RUNTIME_DIR="$home/runtime"
export XDG_DATA_HOME="$home/data" XDG_CONFIG_HOME="$home/config" XDG_CACHE_HOME="$home/cache"
export LC_ALL=C.UTF-8 ASAN_OPTIONS=detect_leaks=0 PROBE="$probe"
unset DISPLAY WAYLAND_DISPLAY XDG_CURRENT_DESKTOP DBUS_SESSION_BUS_ADDRESS || true

echo "-- with a keychain"
dbus-run-session -- sh -euc '
    printf pw | gnome-keyring-daemon --unlock --components=secrets --foreground >/dev/null 2>&1 &
    daemon=$!
    trap "kill $daemon 2>/dev/null || true" EXIT
    for try in $(seq 200); do
        dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
            org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets 2>/dev/null |
            grep -q "boolean true" && break
        sleep 0.05
    done
    "$PROBE" keepsAndForgetsSecrets
    # Another process finds what the first one kept.
    "$PROBE" writesForLater
    "$PROBE" readsWhatWasWritten
'
if grep -rqs moru_secret_of_the_test "$home"; then
    echo "the secret lies in a file in clear text" >&2
    exit 1
fi

echo "-- without a keychain"
"$probe" saysThatThereIsNoKeychain
if grep -rqs moru_secret_of_the_test "$home"; then
    echo "the secret fell back to a file" >&2
    exit 1
fi
