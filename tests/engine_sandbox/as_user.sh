#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# as_user.sh ranges|single PROGRAM [ARGUMENT...]: runs a test program, for root only, as a normal user
# with subordinate ids or without. The user exists in a private mount namespace alone, where other
# account files lie over the machine's, so nothing has to be undone.
set -eu
kind=$1
program=$2
shift 2
if [ "$(id -u)" != 0 ]; then
    echo "Only root can become another user; the test as the present user covers this one."
    exit 77
fi
if [ "${MORU_AS_USER_INSIDE:-}" != 1 ]; then
    MORU_AS_USER_INSIDE=1 exec unshare --mount --propagation private sh "$0" "$kind" "$program" "$@"
fi

id=54321
name=moru-test
home=$(mktemp -d /var/tmp/moru-sandbox-test.XXXXXX)
trap 'rm -rf "$home"' EXIT
mkdir "$home/accounts"
{ cat /etc/passwd; echo "$name:x:$id:$id::$home/own:/bin/sh"; } >"$home/accounts/passwd"
{ cat /etc/group; echo "$name:x:$id:"; } >"$home/accounts/group"
: >"$home/accounts/subuid"
if [ "$kind" = ranges ]; then
    echo "$name:3000000:65536" >"$home/accounts/subuid"
fi
cp "$home/accounts/subuid" "$home/accounts/subgid"
for file in passwd group subuid subgid; do
    [ -e "/etc/$file" ] || continue
    mount --bind "$home/accounts/$file" "/etc/$file"
done
# The normal user may not be able to read the build tree.
mkdir "$home/own"
cp "$program" "$home/own/program"
chown -R "$id:$id" "$home/own"
chmod 711 "$home"
code=0
cd "$home/own"
setpriv --reuid "$id" --regid "$id" --clear-groups \
    env -i HOME="$home/own" TMPDIR="$home/own" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    LC_ALL=C.UTF-8 QT_QPA_PLATFORM=offscreen ASAN_OPTIONS=detect_leaks=0 \
    "$home/own/program" "$@" || code=$?
exit "$code"
