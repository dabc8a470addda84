#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Cross-compiles Moru Desktop and all it links for 64-bit Windows, and packs an MSI.
#
#   packaging/msi.sh [--output DIR] [--version X.Y.Z] [--scope user|machine] [--cache DIR]
#                    [--jobs N] [--libraries | --stage-only]
#     --output DIR   where the .msi is put (default: build/msi)
#     --version V    the version of the installer (default: the project's)
#     --scope WHO    user: for one user, no administrator needed (default); machine: for all
#     --cache DIR    keeps the cross-built libraries (default: ~/.cache/moru-desktop/cross)
#     --jobs N       compilers at a time (default: as many as there are processors)
#     --libraries    only build the libraries
#     --stage-only   do not pack; leave the program in build/msi/stage
#
# What it needs is installed by packaging/setup.sh --msi. The first run builds Qt, which takes two
# processors about three quarters of an hour; later ones find it in the cache.
set -euo pipefail
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '3,/^set /s/^#\( \|$\)//p' "$0" >&2
    exit 2
}

output=$root/build/msi version= scope=user jobs=$(nproc) only=
cache=${XDG_CACHE_HOME:-$HOME/.cache}/moru-desktop/cross
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=${2?} && shift ;;
        --version) version=${2?} && shift ;;
        --scope) scope=${2?} && shift ;;
        --cache) cache=${2?} && shift ;;
        --jobs) jobs=${2?} && shift ;;
        --libraries) only=libraries ;;
        --stage-only) only=stage ;;
        *) usage ;;
    esac
    shift
done
[ -n "$version" ] || version=$(sed -n 's/^project(MoruDesktop VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")

for program in x86_64-w64-mingw32-g++-posix wixl dpkg-source icotool rsvg-convert; do
    command -v "$program" >/dev/null || die "$program is missing; packaging/setup.sh --msi installs it."
done
mkdir -p "$cache" "$output"
cache=$(cd "$cache" && pwd -P)
output=$(cd "$output" && pwd -P)

. "$root/packaging/msi/cross.sh"
. "$root/packaging/msi/recipes.sh"
check_qt_version
build_recipes
[ "$only" != libraries ] || exit 0

source_date
started=$SECONDS
build=$root/build/msi
MORU_CROSS_ROOTS=$(cross_roots "${recipes[@]}")
PKG_CONFIG_LIBDIR=${MORU_CROSS_ROOTS//:/\/lib\/pkgconfig:}/lib/pkgconfig
export MORU_CROSS_ROOTS PKG_CONFIG_LIBDIR
say "Building the program ..."
mkdir -p "$build"
if ! {
    cmake -S "$root" -B "$build/program" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
        -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 -DMORU_WERROR=ON \
        -DCMAKE_TOOLCHAIN_FILE="$root/packaging/msi/toolchain.cmake" &&
        cmake --build "$build/program" --target moru-desktop -- -j"$jobs"
} >"$build/program.log" 2>&1; then
    grep -m 5 -A 5 -E 'error|Error' "$build/program.log" >&2 || tail -n 30 "$build/program.log" >&2
    die "Building the program failed; the whole log is $build/program.log"
fi
IFS=: read -ra roots <<<"$MORU_CROSS_ROOTS"
python3 "$root/packaging/msi/stage.py" "$build/program/bin/moru-desktop.exe" "$build/stage" "${roots[@]}"
cp "$root/LICENSE" "$build/stage/licenses/moru-desktop.txt"
# The libraries and what the compiler adds of its own.
declare -A toolchain=([gcc]=g++-mingw-w64-x86-64-posix [mingw-w64]=mingw-w64-x86-64-dev)
for name in "${recipes[@]}" "${!toolchain[@]}"; do
    licence=$build/stage/licenses/$name.txt
    if package=${toolchain[$name]:-} && [ -n "$package" ]; then
        cp "/usr/share/doc/$package/copyright" "$licence"
        release=$(dpkg-query -W -f '${source:Version}' "$package")
    else
        release=${recipe_version[$name]}
    fi
    printf '%s\t%s\t%s\n' "$name" "$release" "$licence"
done >"$build/bundled.txt"
python3 "$root/packaging/sbom.py" --build "$build/program" --kind msi --bundled "$build/bundled.txt" \
    --output "$build/stage/sbom.spdx.json" >/dev/null
say "  built and staged in $((SECONDS - started)) s: $(du -sm "$build/stage" | cut -f1) MB"
[ "$only" != stage ] || exit 0

started=$SECONDS
suffix=
[ "$scope" = user ] || suffix=-$scope
file=$output/moru-desktop-$version-x86_64$suffix.msi
# wixl takes an icon only by a path that is relative to where it runs.
cp "$build/program/ui/moru-desktop.ico" "$build/moru-desktop.ico"
cd "$build"
python3 "$root/packaging/msi/wxs.py" stage --version "$version" --scope "$scope" --icon moru-desktop.ico >moru-desktop.wxs
rm -f "$file"
# With the times of the commit, two builds of it are the same byte for byte.
find stage moru-desktop.ico -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
wixl --arch x64 --output "$file" moru-desktop.wxs
python3 "$root/packaging/msi/settle.py" "$file" "$SOURCE_DATE_EPOCH"
cp stage/sbom.spdx.json "$file.spdx.json"
say "  packed in $((SECONDS - started)) s"
(cd "$output" && sha256sum "${file##*/}" >"${file##*/}.sha256")
say "$file ($(du -m "$file" | cut -f1) MB)"
