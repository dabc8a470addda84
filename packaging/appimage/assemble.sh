#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# assemble.sh TREE RESULT LEVEL UPDATE-INFORMATION: makes an AppImage of a finished AppDir: runtime,
# squashfs image, marks. RUNTIME and RUNTIME_SHA256 name the runtime and the sum it must have.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../common.sh"
tree=$1 result=$2 level=$3 update=$4
umask 022
source_date
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -n "${RUNTIME_SHA256:-}" ] || die "RUNTIME needs RUNTIME_SHA256, the sum it must have."
echo "$RUNTIME_SHA256  $RUNTIME" | sha256sum --check --status ||
    die "$RUNTIME does not have the SHA-256 $RUNTIME_SHA256."
cp "$RUNTIME" "$work/runtime"

# Sorted, owned by root, one time for everything: the same files give the same image.
env -u SOURCE_DATE_EPOCH mksquashfs "$tree" "$work/image" -comp zstd -Xcompression-level "$level" \
    -b 128K -root-owned -noappend -no-xattrs -no-progress -quiet \
    -mkfs-time "$SOURCE_DATE_EPOCH" -all-time "$SOURCE_DATE_EPOCH" >"$work/squashfs.log" 2>&1 ||
    { cat "$work/squashfs.log" >&2; die "mksquashfs failed."; }

cat "$work/runtime" "$work/image" >"$work/result"
# patch OFFSET: writes standard input over the file's bytes there.
patch() { dd of="$work/result" bs=1 seek="$1" conv=notrunc status=none; }
section=$(readelf -SW "$work/runtime" | sed -n 's/.* \.upd_info  *[A-Z]*  *[0-9a-f]*  *\([0-9a-f]*\) \([0-9a-f]*\) .*/0x\1 0x\2/p')
[ -n "$section" ] || die "The runtime has no section for update information."
[ ${#update} -lt $((${section#* })) ] || die "The update information is too long."
printf '%s' "$update" | patch $((${section% *}))
printf 'AI\002' | patch 8
chmod 755 "$work/result"
mv "$work/result" "$result"
