#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# runtime-test.sh [RUNTIME]: tries the AppImage runtime (compiled if none is given) on a small AppDir:
# mounted and unpacked, as root and as other users, with every end a process can have. What needs
# root or FUSE is left out where there is none, and said.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../common.sh"

# A path with blanks and letters beyond ASCII.
work=$(mktemp -d "${TMPDIR:-/tmp}/moru runtime tëst XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
checks=0
ok() { checks=$((checks + 1)); }
fail() { die "runtime-test: $*"; }
# equal WHAT EXPECTED ACTUAL
equal() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; ok; }
# until_true WHAT COMMAND...: at most 10 s.
until_true() {
    local what=$1
    shift
    for _ in $(seq 200); do
        if "$@"; then
            ok
            return
        fi
        sleep 0.05
    done
    fail "$what did not happen within 10 s"
}

mkdir "$work/AppDir" "$work/tmp"
chmod 1777 "$work/tmp"
export TMPDIR=$work/tmp
cat >"$work/AppDir/AppRun" <<'SCRIPT'
#!/bin/sh
case $1 in
    data) sha256sum <"$APPDIR/folder/data" ;;
    link) cat "$APPDIR/link" | sha256sum ;;
    words) shift; printf '%s|' "$@" ;;
    env) printf '%s\n' "$APPIMAGE" ;;
    dir) printf '%s\n' "$APPDIR" ;;
    exit) exit "$2" ;;
    run) echo "$$ $APPDIR" >"$2.new"; mv "$2.new" "$2"; exec sleep 300 ;;
    child) "$APPDIR/sleeper" "$2" & ;;
esac
SCRIPT
cp /bin/sleep "$work/AppDir/sleeper"
chmod 755 "$work/AppDir/AppRun"
mkdir "$work/AppDir/folder"
head -c 3000001 /dev/urandom >"$work/AppDir/folder/data"
ln -s folder/data "$work/AppDir/link"
: >"$work/AppDir/empty"
sum=$(sha256sum <"$work/AppDir/folder/data")

RUNTIME=${1:-$work/runtime}
[ -n "${1:-}" ] || "$root/packaging/appimage/build-runtime.sh" "$RUNTIME"
RUNTIME_SHA256=$(sha256sum "$RUNTIME" | cut -d' ' -f1)
export RUNTIME RUNTIME_SHA256
image="$work/tést app.AppImage"
"$root/packaging/appimage/assemble.sh" "$work/AppDir" "$image" 1 "zsync|https://example.org/a.zsync"
"$root/packaging/appimage/assemble.sh" "$work/AppDir" "$work/second" 1 "zsync|https://example.org/a.zsync"
cmp -s "$image" "$work/second" || fail "two AppImages of one tree differ"
ok
equal "the mark of an AppImage" "4149 02" "$(dd if="$image" bs=1 skip=8 count=3 status=none | od -An -tx1 | tr -d ' ' | sed 's/^\(....\)/\1 /')"
equal "update information" "zsync|https://example.org/a.zsync" "$("$image" --appimage-updateinformation)"
offset=$("$image" --appimage-offset)
equal "what is behind the offset" hsqs "$(dd if="$image" bs=1 skip="$offset" count=4 status=none)"

leftovers() { find "$work/tmp" -mindepth 1 -maxdepth 1 | head -n 3; }
clean() { [ -z "$(leftovers)" ]; }

# both_ways USER-COMMAND...: the same checks, mounted or unpacked.
behaves() {
    local way=$1
    shift
    equal "$way: data" "$sum" "$("$@" "$image" data)"
    equal "$way: link" "$sum" "$("$@" "$image" link)"
    equal "$way: words" "a b|--c||ü|" "$("$@" "$image" words "a b" --c "" ü)"
    equal "$way: APPIMAGE" "$image" "$("$@" "$image" env)"
    local code=0
    "$@" "$image" exit 37 || code=$?
    equal "$way: exit code" 37 "$code"
    until_true "$way: nothing left" clean

    # How it ends is how the app ends, and what it leaves is cleaned up.
    local signal pid
    for signal in TERM KILL; do
        # In a shell of its own, which keeps to itself what it says of killed jobs.
        (
            code=0
            "$@" "$image" run "$work/run/state" || code=$?
            echo $code >"$work/run/status"
        ) 2>/dev/null &
        local job=$!
        until_true "$way: the start before $signal" test -s "$work/run/state"
        pid=$(cut -d' ' -f1 "$work/run/state")
        kill -s $signal "$pid"
        wait "$job"
        equal "$way: exit code after $signal" $((128 + $(kill -l $signal))) "$(cat "$work/run/status")"
        until_true "$way: nothing left after $signal" clean
        rm -f "$work/run/state" "$work/run/status"
    done

    # Eight at once.
    local jobs=() i
    for i in 1 2 3 4 5 6 7 8; do
        "$@" "$image" data >"$work/run/$i" &
        jobs+=($!)
    done
    for i in 1 2 3 4 5 6 7 8; do
        wait "${jobs[$((i - 1))]}" || fail "$way: number $i of eight failed"
        equal "$way: number $i of eight" "$sum" "$(cat "$work/run/$i")"
    done
    until_true "$way: nothing left of eight" clean
}
mkdir "$work/run"
chmod 1777 "$work/run"

as_me() { "$@"; }
unpacked() { APPIMAGE_EXTRACT_AND_RUN=1 "$@"; }
says_mount() { "$@" "$image" dir | grep -q '/\.mount_'; }

fuse=no
if says_mount as_me; then
    fuse=yes
    behaves mounted as_me
    # A child that still runs from the mount keeps it, and only so long.
    "$image" child 2
    until_true "nothing left after a child" clean
    # --appimage-mount
    "$image" --appimage-mount >"$work/run/mount" 2>/dev/null &
    job=$!
    disown
    until_true "--appimage-mount says where" test -s "$work/run/mount"
    equal "data below --appimage-mount" "$sum" "$(sha256sum <"$(cat "$work/run/mount")/folder/data")"
    kill "$job"
    until_true "nothing left after --appimage-mount" clean
else
    [ "${CI:-}" != true ] || [ ! -e /dev/fuse ] || fail "there is /dev/fuse, but nothing is mounted"
    say "runtime-test: FUSE does not work here; only unpacking is tried"
fi
behaves unpacked unpacked
equal "--appimage-extract-and-run" "$sum" "$("$image" --appimage-extract-and-run data)"

# --appimage-extract
(cd "$work/run" && "$image" --appimage-extract >/dev/null)
diff -r --no-dereference "$work/AppDir" "$work/run/squashfs-root" || fail "the unpacked tree differs"
ok
code=0
(cd "$work/run" && "$image" --appimage-extract >/dev/null 2>&1) || code=$?
equal "a folder that is there already" 127 "$code"
rm -rf "$work/run/squashfs-root"
code=0
"$image" --appimage-nonsense 2>"$work/run/said" || code=$?
equal "an unknown option" 127 "$code"
grep -q -- --appimage-help "$work/run/said" || fail "an unknown option is not explained"

# A download that broke off.
for size in $((offset - 100)) $((offset + 40)) $((offset + 200000)); do
    head -c "$size" "$image" >"$work/run/broken"
    chmod 755 "$work/run/broken"
    code=0
    "$work/run/broken" data >"$work/run/said" 2>&1 || code=$?
    [ "$code" != 0 ] || fail "a file cut at $size runs"
    if [ "$size" -gt "$offset" ]; then
        grep -q "incomplete.*Download it again" "$work/run/said" || fail "a file cut at $size says: $(cat "$work/run/said")"
    fi
    ok
done
until_true "nothing left of broken files" clean

if [ "$(id -u)" = 0 ]; then
    # Somebody without an account and a home.
    stranger() { setpriv --reuid 54399 --regid 54399 --clear-groups env -u HOME TMPDIR="$TMPDIR" "$@"; }
    stranger_unpacked() { APPIMAGE_EXTRACT_AND_RUN=1 stranger "$@"; }
    # A normal user with a device that is open to all, as udev makes it; build machines often have
    # it for root only.
    nobody() {
        unshare --mount sh -euc '
            mount --bind "$1/fuse" /dev/fuse
            shift
            exec setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent "$@"' \
            sh "$work" "$@"
    }
    mknod -m 666 "$work/fuse" c 10 229
    # A system as bare as debootstrap leaves it has no /etc/mtab, and then nothing may be mounted.
    if [ $fuse = yes ] && [ -e /etc/mtab ]; then
        says_mount nobody || fail "a normal user gets no mount"
        behaves "mounted, nobody" nobody
    fi
    equal "a user id without an account" "$sum" "$(stranger "$image" data)"
    until_true "nothing left of the stranger" clean
    behaves "unpacked, stranger" stranger_unpacked
    # Without the helper that mounts for normal users.
    equal "without fusermount3" "$sum" "$(unshare --mount sh -euc '
        for helper in /bin/fusermount3 /usr/bin/fusermount3; do
            [ ! -e $helper ] || mount --bind /bin/false "$helper"
        done
        exec setpriv --reuid nobody --regid nogroup --clear-groups env TMPDIR="$TMPDIR" "$1" data' sh "$image")"
    # Where it would mount, but never unmount.
    equal "without /etc/mtab" no "$(unshare --mount sh -euc '
        [ ! -e /dev/fuse ] || mount --bind "$2/fuse" /dev/fuse
        mkdir "$2/etc" && cp -a /etc/. "$2/etc/" && rm -f "$2/etc/mtab" && mount --bind "$2/etc" /etc
        setpriv --reuid nobody --regid nogroup --clear-groups env TMPDIR="$TMPDIR" "$1" dir | grep -q /.mount_ && echo yes || echo no' sh "$image" "$work")"
    equal "without /dev/fuse" "$sum" "$(unshare --mount sh -euc '
        [ ! -e /dev/fuse ] || mount --bind /dev/null /dev/fuse
        exec "$1" data' sh "$image")"
    until_true "nothing left without helper" clean
    # No room: it says so and leaves nothing.
    unshare --mount sh -euc '
        mkdir -p "$1/small" && mount -t tmpfs -o size=1m none "$1/small"
        code=0
        TMPDIR=$1/small APPIMAGE_EXTRACT_AND_RUN=1 "$2" data >"$1/said" 2>&1 || code=$?
        [ $code = 127 ] || { echo "a full disk gives $code" >&2; exit 1; }
        grep -q "cannot unpack to .*No space left" "$1/said" || { cat "$1/said" >&2; exit 1; }
        for i in $(seq 200); do [ -n "$(ls -A "$1/small")" ] || exit 0; sleep 0.05; done
        echo "left behind: $(ls -A "$1/small")" >&2
        exit 1' sh "$work/run" "$image" || fail "a full disk"
    ok
else
    say "runtime-test: not root, so other users, missing helpers and full disks are not tried"
fi
say "runtime-test: $checks checks passed (FUSE: $fuse)"
