#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes everything of a release from a clean build: AppImage, deb, with --with-msi the Windows
# installer, source archive, bills of materials, SHA256SUMS, the answer for the update check.
#
#   packaging/release.sh [--output DIR] [--with-msi] [--twice]
#     --output DIR   where it goes (default: build/release-VERSION); must not hold anything yet
#     --with-msi     also packaging/msi.sh (cross-builds Qt once, see packaging/msi)
#     --twice        build all of it a second time and write into REPRODUCIBLE.txt what differs
#
# Keys come from outside and are never read by this script:
#   MORU_GPG_KEY=ID           SHA256SUMS is signed with this key of the caller's gpg-agent
#   MORU_SIGN_COMMAND=CMD     called as: CMD FILE for each package before sums are made; signs in place
# Addresses built in:
#   MORU_UPDATE_URL           https address of the JSON of the update check (empty: no check)
#   MORU_RELEASE_PAGE         the page latest.json points to (default: https://moru.io/desktop)
#   MORU_UPDATE_INFORMATION   see packaging/appimage.sh
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

version=$(project_version)
output=$root/build/release-$version msi=no twice=no
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=${2:?}; shift 2 ;;
        --with-msi) msi=yes; shift ;;
        --twice) twice=yes; shift ;;
        *) die "usage: packaging/release.sh [--output DIR] [--with-msi] [--twice]" ;;
    esac
done
[ $msi = no ] || [ -x "$root/packaging/msi.sh" ] || die "There is no packaging/msi.sh."
mkdir -p "$output"
output=$(cd "$output" && pwd)
[ -z "$(ls -A "$output")" ] || die "$output is not empty."
if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    [ -z "$(git -C "$root" status --porcelain)" ] || die "The tree has changes that are not committed; a release is made of a commit."
fi
source_date
umask 022
export TZ=UTC LC_ALL=C.UTF-8
# Hardened, and without the name of the folder it was built in.
export CFLAGS="-ffile-prefix-map=$root=. -fstack-protector-strong -D_FORTIFY_SOURCE=2"
export CXXFLAGS=$CFLAGS LDFLAGS="-Wl,-z,relro,-z,now"
export MORU_CMAKE_ARGS="-DMORU_UPDATE_URL=${MORU_UPDATE_URL:-} ${MORU_CMAKE_ARGS:-}"

# make FOLDER BUILD: all packages.
make() {
    mkdir -p "$1"
    rm -rf "$2"
    "$root/packaging/deb.sh" --build "$2" --output "$1"
    "$root/packaging/appimage.sh" --build "$2" --output "$1"
    if [ $msi = yes ]; then
        env -u CFLAGS -u CXXFLAGS -u LDFLAGS "$root/packaging/msi.sh" --output "$1"
    fi
}
say "Making $version ..."
make "$output" "$root/build/release-a"
if [ $twice = yes ]; then
    say "Making it a second time ..."
    second=$(mktemp -d)
    trap 'rm -rf "$second"' EXIT
    CCACHE_RECACHE=1 make "$second" "$root/build/release-b"
    {
        echo "Two builds of commit $(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown), version $version,"
        echo "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH, $(cc --version | head -n 1):"
        echo
        for file in "$output"/*; do
            name=$(basename "$file")
            if cmp -s "$file" "$second/$name"; then
                echo "identical   $name"
            else
                echo "different   $name ($(cmp -l "$file" "$second/$name" 2>/dev/null | wc -l) bytes)"
            fi
        done
    } >"$second.txt"
    mv "$second.txt" "$output/REPRODUCIBLE.txt"
    cat "$output/REPRODUCIBLE.txt"
fi

if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$root" archive --prefix="moru-desktop-$version/" HEAD | gzip -9n >"$output/moru-desktop-$version.tar.gz"
fi
if [ -n "${MORU_SIGN_COMMAND:-}" ]; then
    for file in "$output"/*.AppImage "$output"/*.deb "$output"/*.msi; do
        [ ! -e "$file" ] || "$MORU_SIGN_COMMAND" "$file" || die "$MORU_SIGN_COMMAND did not sign $file."
    done
fi
# After signing, which changes the file. The name is the one in the update information and always the
# same; the file it points to has a version.
(
    cd "$output"
    file=$(ls ./*.AppImage)
    touch -d "@$SOURCE_DATE_EPOCH" "$file"
    zsyncmake -q -u "${file#./}" -o Moru_Desktop-latest-x86_64.AppImage.zsync "$file" 2>/dev/null
) || die "zsyncmake failed."
printf '{"version": "%s", "url": "%s"}\n' "$version" "${MORU_RELEASE_PAGE:-https://moru.io/desktop}" >"$output/latest.json"
(cd "$output" && find . -maxdepth 1 -type f ! -name SHA256SUMS ! -name '*.new' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum) >"$output/SHA256SUMS.new"
mv "$output/SHA256SUMS.new" "$output/SHA256SUMS"
if [ -n "${MORU_GPG_KEY:-}" ]; then
    gpg --batch --yes --local-user "$MORU_GPG_KEY" --armor --detach-sign --output "$output/SHA256SUMS.asc" "$output/SHA256SUMS"
    gpg --batch --verify "$output/SHA256SUMS.asc" "$output/SHA256SUMS" 2>/dev/null || die "The signature does not verify."
fi
say "Release $version:"
ls -l "$output"
