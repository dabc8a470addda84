#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# as_users.sh self|ranges|single: runs isolation.py as whoever calls it, or, for root, as a normal user
# with subordinate uids, or as one without.
#
# newuidmap wants a user that exists. Making one is a change to the machine, so it is done only where
# CI=true or MORU_TEST_USERS=1 allows it, and undone at the end.
set -u
test=$MORU_SOURCE_DIR/tests/isolation/isolation.py
export ASAN_OPTIONS=detect_leaks=0
[ "$1" = self ] && exec python3 -B "$test"

if [ "$(id -u)" != 0 ]; then
    echo "Only root can become another user; the test as the present user covers this one."
    exit 77
fi
if [ "${CI:-}" != true ] && [ "${MORU_TEST_USERS:-}" != 1 ]; then
    echo "Set MORU_TEST_USERS=1 to let this test make a temporary user."
    exit 77
fi
user=moru-test-$1
home=$(mktemp -d /var/tmp/moru-test.XXXXXX)
useradd --home-dir "$home" --no-create-home --shell /bin/sh "$user" || exit 1
# useradd gives a range by itself where login.defs says so.
sed -i "/^$user:/d" /etc/subuid /etc/subgid
[ "$1" = ranges ] && usermod --add-subuids 3000000-3065535 --add-subgids 3000000-3065535 "$user"
# The normal user may not be able to read the build tree.
mkdir "$home/bin" && cp "$MORU_BIN_DIR/moru-local" "$home/bin/" && cp "$test" "$home/"
chown -R "$user:" "$home" && chmod 700 "$home"
python=$(readlink -f /usr/bin/python3)
setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
    env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin TMPDIR="$home" LC_ALL=C.UTF-8 \
    ASAN_OPTIONS=detect_leaks=0 MORU_BIN_DIR="$home/bin" "$python" -B "$home/isolation.py"
code=$?
userdel "$user" 2>/dev/null
sed -i "/^$user:/d" /etc/subuid /etc/subgid
rm -rf "$home"
exit $code
