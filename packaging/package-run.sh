#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# package-run.sh LABEL APP ENGINE OUT: the main job with a packaged program, as the present user on the
# present display. APP starts the app, ENGINE is the command moru-local. The app starts its engine,
# a sandbox made through the API appears in the table, a picture is taken into OUT, the app ends; the
# engine outlives it, runs a command, keeps a file, kills the sandbox, and leaves nothing.
# Needs bash, curl and procps only: it runs in bare systems, too.
set -euo pipefail
label=$1 app=$2 engine=$3 out=$4
state=$HOME/state-$label
log=$HOME/$label.log
fail() {
    echo "package-run ($label): $*" >&2
    tail -n 30 "$log" "$state/engine.log" >&2 2>/dev/null || true
    "$engine" reset --yes --state-dir "$state" >/dev/null 2>&1 || true
    exit 1
}
# until_true SECONDS WHAT COMMAND...
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: not within the time"
        sleep 0.1
    done
}
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$2" | head -n 1; }
ended() { ! kill -0 "$1" 2>/dev/null; }

"$app" --version >"$log" 2>&1 || fail "--version"
grep -q '^moru-desktop [0-9]' "$log" || fail "--version says nothing of the version"
"$engine" version >>"$log" 2>&1 || fail "moru-local version"
"$engine" doctor --state-dir "$state" >>"$log" 2>&1 || fail "the doctor is not content"

"$app" --connection local --state-dir "$state" --screenshot "$out/$label.png" >>"$log" 2>&1 &
pid=$!
# Right after a system was unpacked, the disk may still be busy with that.
until_true 120 "the app starts its engine" test -s "$state/engine.json"
api=$(field apiUrl "$state/engine.json")
sandboxes=$(field sandboxUrl "$state/engine.json")
(umask 077 && printf 'header = "X-API-Key: %s"\n' "$(head -n 1 "$(field keyFile "$state/engine.json")")" >"$HOME/curl.conf")
call() { curl -sS --fail --max-time 30 -K "$HOME/curl.conf" "$@"; }
until_true 20 "the engine answers" call -o /dev/null "$api/health"
call -H 'Content-Type: application/json' -d '{"templateID":"base","timeout":600,"metadata":{"package":"'"$label"'"}}' \
    "$api/sandboxes" >"$HOME/sandbox.json" || fail "no sandbox"
id=$(field sandboxID "$HOME/sandbox.json")
token=$(field envdAccessToken "$HOME/sandbox.json")
code=0
wait "$pid" || code=$?
[ "$code" = 0 ] || fail "the app ended with $code: its table was not filled"
[ -s "$out/$label.png" ] || fail "no picture"

# The app and what it was mounted from are gone, the engine is not.
server=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$state/engine.json")
no_mount() { [ -z "$(find "$TMPDIR" -maxdepth 1 -name '.*_moru-desktop-*')" ] && ! grep -q _moru-desktop- /proc/mounts; }
until_true 10 "mount or unpacked folder vanish" no_mount
ended "$server" && fail "the engine ended with the app"
[ -x "$(readlink "/proc/$server/exe")" ] || fail "the engine runs from $(readlink "/proc/$server/exe")"
if grep -q -e '/\.mount_' -e '/\.unpacked_' "/proc/$server/maps"; then fail "the engine still uses the mount"; fi

route=(-H "Moru-Sandbox-Id: $id" -H 'Moru-Sandbox-Port: 49983' -H "X-Access-Token: $token")
order='{"process":{"cmd":"/bin/sh","args":["-c","echo from $(whoami) > /home/user/mark; cat /home/user/mark"]}}'
{
    printf '\0\0\0%b' "$(printf '\\x%02x\\x%02x' $((${#order} / 256)) $((${#order} % 256)))"
    printf '%s' "$order"
} >"$HOME/order"
call "${route[@]}" -H 'Content-Type: application/connect+json' -H 'Connect-Protocol-Version: 1' \
    --data-binary "@$HOME/order" "$sandboxes/process.Process/Start" >"$HOME/answer" || fail "no command in the sandbox"
grep -aq "$(printf 'from user\n' | base64)" "$HOME/answer" || fail "the command said: $(tr -d '\0' <"$HOME/answer")"
[ "$(call "${route[@]}" "$sandboxes/files?path=/home/user/mark")" = "from user" ] || fail "the file is not there"
"$engine" status --state-dir "$state" | grep -q '"running":1' || fail "moru-local status: $("$engine" status --state-dir "$state")"
call -X DELETE "$api/sandboxes/$id" || fail "the sandbox cannot be killed"
[ "$(call "$api/v2/sandboxes")" = "[]" ] || fail "a killed sandbox is still listed"

"$engine" reset --yes --state-dir "$state" >>"$log" 2>&1 || fail "reset"
until_true 10 "the engine ends" ended "$server"
[ ! -e "$state" ] || fail "reset leaves $(find "$state" | head -n 5)"
until_true 10 "mounts of the engine's commands vanish" no_mount
echo "package-run: $label works"
