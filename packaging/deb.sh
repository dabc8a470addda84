#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the Debian package.
#
#   packaging/deb.sh [--build DIR] [--output DIR] [--fast]
#     --build DIR    a build folder; made if missing (default: build/package)
#     --output DIR   where the package goes (default: build/packages)
#     --fast         compress less
#
# MORU_CMAKE_ARGS is added to cmake's arguments when the build folder is made.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

build=$root/build/package output=$root/build/packages compression=xz
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=${2:?}; shift 2 ;;
        --output) output=${2:?}; shift 2 ;;
        --fast) compression=gzip; shift ;;
        *) die "usage: packaging/deb.sh [--build DIR] [--output DIR] [--fast]" ;;
    esac
done
umask 022
source_date
program_tree "$build" all
mkdir -p "$output"
build=$(cd "$build" && pwd) output=$(cd "$output" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$build" && cpack -G DEB -B "$work" -D CPACK_DEBIAN_COMPRESSION_TYPE=$compression >"$build/cpack.log" 2>&1) || {
    tail -n 30 "$build/cpack.log" >&2
    die "cpack failed; the whole log is $build/cpack.log"
}
made=$(echo "$work"/*.deb)

# CPack gives every file the time it was built at. Packed again by dpkg-deb, no file is younger than
# SOURCE_DATE_EPOCH, so that two builds are alike.
fakeroot sh -eu -c '
    dpkg-deb -R "$1" "$2/tree"
    find "$2/tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$2/tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$2/md5sums"
    cat "$2/md5sums" >"$2/tree/DEBIAN/md5sums"
    touch -d "@$SOURCE_DATE_EPOCH" "$2/tree/DEBIAN/md5sums" "$2/tree/DEBIAN"
    dpkg-deb --root-owner-group -Z"$3" --build "$2/tree" "$4" >/dev/null
' sh "$made" "$work" "$compression" "$output/$(basename "$made")"

"$root/packaging/sbom.py" --build "$build" --kind deb \
    --program "$build/bin/moru-desktop" --program "$build/bin/moru-local" \
    --output "$output/$(basename "$made").spdx.json" >/dev/null
say "$output/$(basename "$made")"
