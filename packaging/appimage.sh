#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the AppImage (x86_64): one file that runs where Qt is not installed.
#
#   packaging/appimage.sh [--build DIR] [--output DIR] [--level N] [--appdir DIR]
#     --build DIR    a build folder; made if missing (default: build/package)
#     --output DIR   where the AppImage goes (default: build/packages)
#     --level N      zstd level, 1 to 22 (default: 19)
#     --appdir DIR   keep the unpacked tree there
#
# RUNTIME=FILE RUNTIME_SHA256=SUM     another type-2 runtime in place of packaging/appimage/runtime.c
# MORU_UPDATE_INFORMATION=TEXT        what tools that update AppImages read; see packaging/README.md
# MORU_CMAKE_ARGS                     added to cmake's arguments when the build folder is made
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

build=$root/build/package output=$root/build/packages level=19 appdir=
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=${2:?}; shift 2 ;;
        --output) output=${2:?}; shift 2 ;;
        --level) level=${2:?}; shift 2 ;;
        --appdir) appdir=${2:?}; shift 2 ;;
        *) die "usage: packaging/appimage.sh [--build DIR] [--output DIR] [--level N] [--appdir DIR]" ;;
    esac
done
[ "$(uname -m)" = x86_64 ] || die "The AppImage is made on x86_64 only."
umask 022
source_date
update=${MORU_UPDATE_INFORMATION-zsync|https://moru.io/desktop/Moru_Desktop-latest-x86_64.AppImage.zsync}
program_tree "$build" all moru-local-portable
mkdir -p "$output"
build=$(cd "$build" && pwd) output=$(cd "$output" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/AppDir
cmake --install "$build" --prefix "$tree/usr" --strip >"$build/install.log" 2>&1 || {
    tail -n 30 "$build/install.log" >&2
    die "Installing to a folder failed."
}
install -m 755 "$build/bin/moru-local-portable" "$tree/usr/bin/moru-local"
strip --strip-unneeded "$tree/usr/bin/moru-local"
python3 "$root/packaging/appimage/appdir.py" --build "$build" --appdir "$tree"
"$root/packaging/sbom.py" --build "$build" --kind appimage \
    --bundled "$tree/usr/share/moru-desktop/bundled-packages.txt" \
    --output "$tree/usr/share/moru-desktop/sbom.spdx.json" >/dev/null
install -m 755 "$root/packaging/appimage/AppRun" "$tree/AppRun"
ln -s usr/share/applications/io.moru.Desktop.desktop "$tree/io.moru.Desktop.desktop"
ln -s usr/share/icons/hicolor/256x256/apps/io.moru.Desktop.png "$tree/io.moru.Desktop.png"
ln -s io.moru.Desktop.png "$tree/.DirIcon"

if [ -z "${RUNTIME:-}" ]; then
    RUNTIME=$build/appimage-runtime
    "$root/packaging/appimage/build-runtime.sh" "$RUNTIME"
    RUNTIME_SHA256=$(sha256sum "$RUNTIME" | cut -d' ' -f1)
fi
export RUNTIME RUNTIME_SHA256
result=$output/Moru_Desktop-$(project_version)-x86_64.AppImage
"$root/packaging/appimage/assemble.sh" "$tree" "$result" "$level" "$update"
cp "$tree/usr/share/moru-desktop/sbom.spdx.json" "$result.spdx.json"
if [ -n "$appdir" ]; then
    rm -rf "$appdir"
    mv "$tree" "$appdir"
fi
say "$result"
