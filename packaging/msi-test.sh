#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Looks into the Windows installer, and then installs, uses, upgrades and removes the program under
# Wine, on a display, in a home and with a Windows of its own, against an engine on loopback.
#
#   packaging/msi-test.sh [--engine PROGRAM] [--pictures DIR] [--next FILE.msi] [--package-only] [FILE.msi]
#     --engine PROGRAM  the moru-local to use (default: built, or build/release/bin/moru-local)
#     --pictures DIR    where screenshots are saved (default: build/msi/pictures)
#     --next FILE.msi   a later version, for the upgrade (default: packed for this)
#     --package-only    only what needs no program: look, install, upgrade, remove
#     FILE.msi          default: the one in build/msi
#
# What Wine cannot show is listed in packaging/msi/README.md.
set -euo pipefail
. "$(dirname "$0")/common.sh"

engine= pictures=$root/build/msi/pictures next= package_only= file=
while [ $# -gt 0 ]; do
    case $1 in
        --engine) engine=$(realpath "${2?}") && shift ;;
        --pictures) pictures=${2?} && shift ;;
        --next) next=$(realpath "${2?}") && shift ;;
        --package-only) package_only=yes ;;
        -*) die "usage: packaging/msi-test.sh [--engine PROGRAM] [--pictures DIR] [--next FILE.msi] [--package-only] [FILE.msi]" ;;
        *) file=$(realpath "$1") ;;
    esac
    shift
done
[ -n "$file" ] || file=$(ls -t "$root"/build/msi/moru-desktop-*-x86_64.msi 2>/dev/null | head -n 1)
[ -n "$file" ] || die "There is no installer; packaging/msi.sh makes it."

work=$(mktemp -d)
# What is built finds the caches where they are otherwise.
outside=("HOME=$HOME" ${XDG_CACHE_HOME:+"XDG_CACHE_HOME=$XDG_CACHE_HOME"})
export HOME=$work/home
export WINEPREFIX=$work/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d'
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR
export DBUS_SESSION_BUS_ADDRESS= LC_ALL=C.UTF-8
mkdir -p "$HOME" "$pictures"
pictures=$(realpath "$pictures")

PATH=$PATH:/usr/lib/wine
wineserver=$(command -v wineserver64 || command -v wineserver || true)
for program in wine64 msiinfo msiextract wrestool Xvfb openbox xdotool curl; do
    command -v "$program" >/dev/null || die "$program is missing; packaging/setup.sh --msi installs it."
done

passed=0
cleanup() {
    local code=$?
    [ "$code" = 0 ] || say "FAILED after $passed checks"
    [ ! -d "$WINEPREFIX" ] || "$wineserver" -k >/dev/null 2>&1 || true
    if [ -d "$work/engine" ]; then
        "$engine" stop --state-dir "$work/engine" >/dev/null 2>&1 || true
        "$engine" reset --yes --state-dir "$work/engine" >/dev/null 2>&1 || true
    fi
    [ -z "${manager:-}" ] || kill "$manager" 2>/dev/null || true
    stop_display
    rm -rf "$work"
}
trap cleanup EXIT

# check WHAT COMMAND...: COMMAND must succeed.
check() {
    local what=$1
    shift
    if ! "$@" >"$work/check.log" 2>&1; then
        head -n 30 "$work/check.log" >&2
        die "FAILED: $what"
    fi
    passed=$((passed + 1))
    say "ok: $what"
}

# within SECONDS COMMAND...: repeats COMMAND until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}

# --- The package, from outside ---

table() { msiinfo export "$1" "$2" | tr -d '\r' | tail -n +4; }
property() { table "$1" Property | sed -n "s/^$2\t//p"; }
# Without -q, which would end the writer in mid-sentence: pipefail takes that for a failure.
has_line() { printf '%s\n' "$1" | grep -xF -- "$2" >/dev/null; }
same() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\"" && false; }; }

version=$(property "$file" ProductVersion)
product=$(property "$file" ProductCode)
summary=$(msiinfo suminfo "$file")
say "$file: $(property "$file" ProductName) $version"
check "is for 64-bit Windows" has_line "$summary" "Template: x64;1033"
# Bit 1: compressed; bit 3: an administrator is not needed.
check "asks for no administrator" has_line "$summary" "Source: 10 (a)"
check "is not for all users" same "$(property "$file" ALLUSERS)" ""
check "knows its later versions" same "$(table "$file" Upgrade | wc -l)" 2
check "runs no code while installing" same "$(table "$file" CustomAction | grep -cv $'\t19\t' || true)" 0
check "has one shortcut" same "$(table "$file" Shortcut | cut -f2,3,5)" $'ProgramMenuFolder\tMoru Desktop\t[INSTALLDIR]moru-desktop.exe'
check "can be unpacked" msiextract -C "$work/unpacked" "$file"
inside="$work/unpacked/Programs/Moru Desktop"
stage=$root/build/msi/stage
if [ -d "$stage" ] && [ "$stage" -ot "$file" ] && [ -z "$package_only" ]; then
    check "holds what was staged" diff -r "$stage" "$inside"
fi

if [ -z "$package_only" ]; then
    exe="$inside/moru-desktop.exe"
    resource() { wrestool --extract --raw --type="$1" "$exe"; }
    says() { resource 16 | strings -el | grep -xF -- "$1" >/dev/null; }
    check "says its version" says "$version"
    check "says its name" says "Moru Desktop"
    check "has icons of eight sizes" same "$(wrestool --list --type=3 "$exe" | wc -l)" 8
    is_aware() { resource 24 | grep PerMonitorV2 >/dev/null; }
    check "has a manifest" is_aware
    is_gui() { x86_64-w64-mingw32-objdump -p "$exe" | grep 'Subsystem.*Windows GUI' >/dev/null; }
    check "opens no console" is_gui
    made_of() { python3 -c 'import json, sys; sys.exit(sys.argv[2] not in [p["name"] for p in json.load(open(sys.argv[1]))["packages"]])' "$inside/sbom.spdx.json" "$1"; }
    for name in qt6-base qscintilla2 protobuf simdjson libvterm gcc mingw-w64 moru-desktop; do
        check "brings the licence of $name" test -s "$inside/licenses/$name.txt"
        check "says that it is made of $name" made_of "$name"
    done
fi

# --- A Windows of our own ---

private_display
openbox >/dev/null 2>&1 &
manager=$!
say "Making a Windows in Wine ..."
wine64 wineboot --init >/dev/null 2>&1
"$wineserver" -w
c=$WINEPREFIX/drive_c
user=$c/users/$(id -un)
local=$user/AppData/Local
installed="$local/Programs/Moru Desktop"
shortcut="$user/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Moru Desktop.lnk"
windows_path() { printf 'Z:%s' "${1//\//\\}"; }

files() { (cd "$c" && find . -type f ! -path "*/AppData/Local/moru-desktop/*" | sort); }
# registry: each value with its key. Of Wine's own: what it notes about devices, fonts and the
# credentials' key; the places it makes for the first installer it sees hold no value.
registry() {
    "$wineserver" -w
    sed -E -e '/^#/d' -e 's/^(\[.*\]) [0-9]+$/\1/' "$WINEPREFIX/user.reg" "$WINEPREFIX/system.reg" |
        awk '/^\[/ { key = $0; next }
             key ~ /^\[(System|Software\\\\Wine|Software\\\\Microsoft\\\\Windows NT\\\\CurrentVersion\\\\(Fonts|NetworkCards))/ { next }
             NF { print key, $0 }' | sort
}
msiexec() { wine64 msiexec "$@" /qn && "$wineserver" -w; }
entries() { registry | grep -cF '\\CurrentVersion\\Uninstall\\' | cat; }
shown_version() {
    registry | sed -nE 's/^\[.*CurrentVersion\\\\Uninstall\\\\\{[^ ]*\}\] "DisplayVersion"="(.*)"$/\1/p'
}
# keeps FILE...: each of them is there.
keeps() { local f; for f in "$@"; do [ -e "$f" ] || { echo "$f is missing" && return 1; }; done; }
lacks() { local f; for f in "$@"; do [ ! -e "$f" ] || { echo "$f is there" && return 1; }; done; }

files >"$work/files.before"
registry >"$work/registry.before"
check "installs without a question" msiexec /i "$(windows_path "$file")"
check "puts its files into the user's programs" diff -r "$inside" "$installed"
check "is in the start menu" test -s "$shortcut"
check "is listed with its version" same "$(shown_version)" "$version"

# --- The program ---

# started ARGS...: the installed program in the background.
start_program() {
    wine64 "$installed/moru-desktop.exe" "$@" >"$work/program.log" 2>&1 &
    program=$!
}
window() { xdotool search --onlyvisible --name "$1" 2>/dev/null | tail -n 1; }
has_window() { [ -n "$(window "$1")" ]; }
lacks_window() { ! has_window "$1"; }
picture() { import -window root "$pictures/$1.png"; }
keys() { xdotool key --clearmodifiers --delay 60 "$@"; }
text() { xdotool type --clearmodifiers --delay 25 -- "$1"; }

if [ -z "$package_only" ]; then
    if [ -z "$engine" ]; then
        (export "${outside[@]}" && build release -DBUILD_TESTING=OFF) >/dev/null
        engine=$root/build/release/bin/moru-local
    fi
    mkdir -m 700 "$work/engine"
    "$engine" serve --listen 127.0.0.1:0 --state-dir "$work/engine" >"$work/ready.json" 2>"$work/engine.log" &
    check "an engine serves on loopback" within 30 test -s "$work/ready.json"
    eval "$("$engine" env --state-dir "$work/engine")"
    (umask 077 && printf 'header = "X-API-Key: %s"\n' "$MORU_API_KEY" >"$work/curl.conf")
    api() { curl -sS --fail -K "$work/curl.conf" "$@"; }
    sandbox=$(api -H 'Content-Type: application/json' \
        -d '{"templateID":"base","timeout":3600,"metadata":{"made-by":"msi-test"}}' "$MORU_API_URL/sandboxes")
    id=$(printf '%s' "$sandbox" | python3 -c 'import json, sys; print(json.load(sys.stdin)["sandboxID"])')
    (umask 077 && printf '%s' "$sandbox" | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(f"""header = "Moru-Sandbox-Id: {s["sandboxID"]}" """)
if s.get("envdAccessToken"): print(f"""header = "X-Access-Token: {s["envdAccessToken"]}" """)' >"$work/envd.conf")
    # remote PATH: the file of that path in the sandbox; holds PATH TEXT: it has exactly that line.
    remote() { curl -sS --fail -K "$work/envd.conf" --get --data-urlencode "path=$1" --data-urlencode username=user "$MORU_SANDBOX_URL/files"; }
    holds() { remote "$1" 2>/dev/null | grep -xF -- "$2" >/dev/null; }

    start=$SECONDS
    check "fills its table from the engine" \
        timeout 120 wine64 "$installed/moru-desktop.exe" --connection environment --screenshot "$(windows_path "$pictures/table.png")"
    check "saves the picture of it" test -s "$pictures/table.png"
    say "    after $((SECONDS - start)) s, the 2.5 s until the picture included"

    start_program --connection environment
    check "shows its window" within 60 has_window 'Moru Desktop'
    xdotool windowfocus --sync "$(window 'Moru Desktop')"
    # The row has to be there first; asking for it again does no harm.
    terminal_works() {
        keys ctrl+shift+b Home ctrl+t
        sleep 2
        text 'echo written in Wine > terminal.txt'
        keys Return
        within 5 holds terminal.txt 'written in Wine'
    }
    check "runs a command in a terminal" within 90 terminal_works
    picture terminal
    text 'echo a line > note.txt'
    keys Return
    check "has a file to open" within 20 holds note.txt 'a line'
    file_works() {
        keys ctrl+shift+b ctrl+shift+e
        sleep 2
        # Into the empty part of the tree, low in the window.
        xdotool mousemove --window "$(window 'Moru Desktop')" 500 700 click 1
        text note
        keys Return
        sleep 2
        # The editor is right of the tree then.
        xdotool mousemove --window "$(window 'Moru Desktop')" 1000 700 click 1
        keys ctrl+Home
        text 'from Wine: '
        keys ctrl+s
        within 5 holds note.txt 'from Wine: a line'
    }
    check "changes a file in the editor" file_works
    picture files
    keys ctrl+q
    check "ends when it is told to" within 30 lacks "/proc/$program"

    # Adds a connection with a key, which a second run then finds in the Credential Manager.
    start_program
    check "shows its window again" within 60 has_window 'Moru Desktop'
    xdotool windowfocus --sync "$(window 'Moru Desktop')"
    sleep 2
    picture local
    keys alt+c a
    check "opens the dialog for a connection" within 20 has_window 'Add a connection'
    xdotool windowfocus --sync "$(window 'Add a connection')"
    text 'Engine'
    keys alt+a ctrl+a
    text "$MORU_API_URL"
    keys alt+r ctrl+a
    text "$MORU_SANDBOX_URL"
    keys alt+k
    printf '%s' "$MORU_API_KEY" | xdotool type --clearmodifiers --delay 25 --file -
    picture connection
    keys alt+s
    check "saves the connection" within 20 lacks_window 'Add a connection'
    keys ctrl+q
    check "ends again" within 30 lacks "/proc/$program"
    check "finds the key in the Credential Manager" \
        env -u MORU_API_KEY -u MORU_API_URL -u MORU_SANDBOX_URL -u MORU_DOMAIN \
        timeout 120 wine64 "$installed/moru-desktop.exe" --connection Engine --screenshot "$(windows_path "$pictures/stored.png")"
    "$wineserver" -w
    no_clear_key() { ! grep -rqsFf <(printf '%s' "$MORU_API_KEY") "$WINEPREFIX"; }
    check "keeps the key in no readable file" no_clear_key
    check "keeps its log and settings with the user" keeps "$local/moru-desktop"
fi

# --- Upgrade and removal ---

if [ -z "$next" ]; then
    later=${version%.*}.$((${version##*.} + 1))
    env "${outside[@]}" "$root/packaging/msi.sh" --output "$work/next" --version "$later" >"$work/next.log" 2>&1 || {
        tail "$work/next.log" >&2
        die "FAILED: packing a later version"
    }
    next=$work/next/moru-desktop-$later-x86_64.msi
fi
later=$(property "$next" ProductVersion)
check "a later version has the same upgrade code" same "$(property "$next" UpgradeCode)" "$(property "$file" UpgradeCode)"
check "upgrades without a question" msiexec /i "$(windows_path "$next")"
check "is listed once, with the later version" same "$(shown_version)" "$later"
check "is still in the start menu" test -s "$shortcut"
refuses() { ! msiexec "$@"; }
check "does not go back to an earlier version" refuses /i "$(windows_path "$file")"
check "keeps the later one" same "$(shown_version)" "$later"
check "is removed without a question" msiexec /x "$(property "$next" ProductCode)"
check "leaves no file" diff "$work/files.before" <(files)
check "leaves no folder" lacks "$local/Programs" "$shortcut"
registry >"$work/registry.after"
check "leaves nothing in the registry" diff "$work/registry.before" "$work/registry.after"
[ -n "$package_only" ] || check "leaves the user's data alone" keeps "$local/moru-desktop"
say "All $passed checks passed; pictures are in $pictures"
