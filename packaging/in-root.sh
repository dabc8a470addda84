#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# in-root.sh ROOT COMMAND [ARGUMENT...]: runs a command as root with ROOT as its root file system, in
# a private mount namespace. Not chroot, in which no user namespace can be made. Root only.
set -eu
tree=$1
shift
if [ "${MORU_IN_ROOT:-}" != 1 ]; then
    MORU_IN_ROOT=1 exec unshare --mount --propagation private sh "$0" "$tree" "$@"
fi
mount --bind "$tree" "$tree"
mount --rbind /proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
if [ -e /dev/fuse ]; then
    # Open to all, as udev makes it.
    mkdir -p "$tree/run/dev"
    mount -t tmpfs -o dev none "$tree/run/dev"
    mknod -m 666 "$tree/run/dev/fuse" c 10 229
    mount --bind "$tree/run/dev/fuse" "$tree/dev/fuse"
fi
cd "$tree"
mkdir -p .old
pivot_root . .old
umount -l .old
rmdir .old 2>/dev/null || true
unset MORU_IN_ROOT
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive ${DISPLAY:+DISPLAY="$DISPLAY"} "$@"
