#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# as-user.sh HOME COMMAND [ARGUMENT...]: runs a command as a normal user with an empty environment,
# HOME (made if missing) and no session bus. For root the user, its subordinate ids and a /dev/fuse
# open to all, as udev makes it, exist in a private mount namespace alone: nothing has to be undone.
# DISPLAY, WAYLAND_DISPLAY, APPIMAGE_EXTRACT_AND_RUN and QT_QPA_PLATFORM are passed on.
set -eu
home=$1
shift
id=54322
if [ "$(id -u)" = 0 ] && [ "${MORU_AS_USER_INSIDE:-}" != 1 ]; then
    mkdir -p "$home"
    chown "$id:$id" "$home"
    MORU_AS_USER_INSIDE=1 exec unshare --mount --propagation private sh "$0" "$home" "$@"
fi
mkdir -p "$home"
as=
if [ "$(id -u)" = 0 ]; then
    accounts=$home/.accounts
    mkdir -p "$accounts"
    mount -t tmpfs none "$accounts" # gone with the namespace
    { cat /etc/passwd; echo "moru-user:x:$id:$id::$home:/bin/sh"; } >"$accounts/passwd"
    { cat /etc/group; echo "moru-user:x:$id:"; } >"$accounts/group"
    echo "moru-user:3100000:65536" >"$accounts/subuid"
    cp "$accounts/subuid" "$accounts/subgid"
    for file in passwd group subuid subgid; do
        [ ! -e "/etc/$file" ] || mount --bind "$accounts/$file" "/etc/$file"
    done
    if [ -e /dev/fuse ]; then
        mkdir "$accounts/dev"
        mount -t tmpfs -o dev none "$accounts/dev"
        mknod -m 666 "$accounts/dev/fuse" c 10 229
        mount --bind "$accounts/dev/fuse" /dev/fuse
    fi
    as="setpriv --reuid $id --regid $id --clear-groups --"
fi
run=$home/run
$as mkdir -p -m 700 "$run" "$home/tmp"
cd "$home"
# shellcheck disable=SC2086
exec $as env -i HOME="$home" TMPDIR="$home/tmp" XDG_RUNTIME_DIR="$run" LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent NO_AT_BRIDGE=1 \
    ${DISPLAY:+DISPLAY="$DISPLAY"} ${WAYLAND_DISPLAY:+WAYLAND_DISPLAY="$WAYLAND_DISPLAY"} \
    ${APPIMAGE_EXTRACT_AND_RUN:+APPIMAGE_EXTRACT_AND_RUN="$APPIMAGE_EXTRACT_AND_RUN"} \
    ${QT_QPA_PLATFORM:+QT_QPA_PLATFORM="$QT_QPA_PLATFORM"} "$@"
