#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the deb and the AppImage (compressed little) and tries them out; the fast part, for every CI
# run. Nothing is installed on this machine and nothing of its user is touched.
#
#   packaging/package-test.sh [--build DIR]      (default: build/release)
#
# The packages and pictures are in build/package-test afterwards.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

build=$root/build/release
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=${2:?}; shift 2 ;;
        *) die "usage: packaging/package-test.sh [--build DIR]" ;;
    esac
done
"$root/packaging/setup.sh" --package
out=$root/build/package-test
rm -rf "$out"
mkdir -p "$out"
fail() { die "package-test: $*"; }

# ---- Making

started=$SECONDS
deb=$("$root/packaging/deb.sh" --build "$build" --output "$out" --fast | tail -n 1)
made_deb=$((SECONDS - started))
"$root/packaging/appimage.sh" --build "$build" --output "$out" --level 1 --appdir "$out/AppDir" >"$out/appimage.log"
cat "$out/appimage.log"
appimage=$(tail -n 1 "$out/appimage.log")
say "package-test: deb in $made_deb s ($(stat -c %s "$deb") bytes), AppImage in $((SECONDS - started - made_deb)) s ($(stat -c %s "$appimage") bytes)"

# ---- What is in them

tree=$out/AppDir
desktop-file-validate "$tree/usr/share/applications/io.moru.Desktop.desktop"
appstreamcli validate --no-net "$tree/usr/share/metainfo/io.moru.Desktop.metainfo.xml" >"$out/appstream.log" ||
    { cat "$out/appstream.log"; fail "appstreamcli"; }
(cd "$out" && lintian --fail-on error --allow-root "$deb" >"$out/lintian.log" 2>&1) || {
    cat "$out/lintian.log"
    fail "lintian"
}
say "package-test: lintian: $(grep -c '^W:' "$out/lintian.log" || true) warnings, no errors"

# One name in all places.
dpkg-deb --contents "$deb" >"$out/contents"
for file in applications/io.moru.Desktop.desktop metainfo/io.moru.Desktop.metainfo.xml \
    icons/hicolor/scalable/apps/io.moru.Desktop.svg icons/hicolor/48x48/apps/io.moru.Desktop.png; do
    [ -s "$tree/usr/share/$file" ] || fail "the AppImage has no usr/share/$file"
    grep -q " ./usr/share/$file\$" "$out/contents" || fail "the deb has no /usr/share/$file"
done
for link in io.moru.Desktop.desktop io.moru.Desktop.png .DirIcon AppRun; do
    [ -e "$tree/$link" ] || fail "the AppImage has no $link"
done
# What is only loaded is in no list of linked libraries.
depends=$(dpkg-deb --field "$deb" Depends)
for package in qt6-qpa-plugins libqt6widgets6 libqt6keychain1 libqscintilla2-qt6-15 libseccomp2 libnettle8; do
    case ", $depends" in *", $package"*) ;; *) fail "the deb does not depend on $package: $depends" ;; esac
done
dpkg-deb --field "$deb" Recommends | grep -q 'libsecret-1-0.*uidmap' || fail "the deb recommends neither keychain nor uidmap"
[ -n "$(dpkg-deb --info "$deb" md5sums)" ] || fail "the deb has no sums"
[ -z "$(awk '$2 != "root/root"' "$out/contents")" ] || fail "the deb has files that are not root's"

# Every option that --help names is in the manual.
for program in moru-desktop moru-local; do
    QT_QPA_PLATFORM=offscreen "$build/bin/$program" --help >"$out/help"
    sed 's/\\//g' "$root/packaging/linux/$program.1" >"$out/manual"
    for option in $(grep -o -e '--[a-z][a-z-]*' "$out/help" | sort -u); do
        grep -q -e "$option" "$out/manual" || fail "the manual of $program lacks $option"
    done
    [ -z "$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$root/packaging/linux/$program.1" 2>&1 >/dev/null)" ] || fail "the manual of $program has errors"
done

# What is bundled is found in the bundle, and nothing of it on this machine.
python3 - "$tree" "$appimage.spdx.json" <<'PYTHON'
import json, os, re, subprocess, sys
tree, bill = sys.argv[1:]
files = [os.path.join(folder, name) for folder, _, names in os.walk(tree + "/usr") for name in names]
elves = [f for f in files if not os.path.islink(f) and open(f, "rb").read(4) == b"\x7fELF"]
bundled = {os.path.basename(f) for f in elves}
for elf in elves:
    text = subprocess.run(["ldd", elf], capture_output=True, text=True, check=True).stdout
    dynamic = subprocess.run(["readelf", "-d", elf], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", dynamic))
    for name, path in re.findall(r"^\s*(\S+) => (\S+)", text, re.M):
        # What the system's own libraries need may come from the system.
        outside = name in needed & bundled and not os.path.realpath(path).startswith(os.path.realpath(tree))
        if path == "not" or outside:
            sys.exit(f"{elf}: {name} comes from {path}")
    if elf.endswith("/bin/moru-local") and not needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}:
        sys.exit(f"moru-local needs {needed}")
for name in ("libssl.so.3", "libcrypto.so.3", "libqopensslbackend.so", "libqxcb.so", "libqwayland-generic.so", "libqoffscreen.so"):
    if name not in bundled:
        sys.exit(f"{name} is not bundled")
document = json.load(open(bill))
ids = {p["SPDXID"] for p in document["packages"]}
names = {p["name"] for p in document["packages"]}
assert document["spdxVersion"] == "SPDX-2.3" and len(ids) == len(document["packages"])
assert all(r["relatedSpdxElement"] in ids for r in document["relationships"])
for name in ("moru-desktop", "libqt6core6", "libssl3", "libseccomp-dev", "libprotobuf-dev", "libsquashfuse-dev"):
    assert name in names, name
for line in open(tree + "/usr/share/moru-desktop/bundled-packages.txt"):
    name = line.split()[0].split(":")[0]
    assert name in names, name
    assert os.path.getsize(f"{tree}/usr/share/doc/{name}/copyright") > 0
print(f"package-test: {len(elves)} programs and libraries find each other; {len(names)} packages in the bill of materials")
PYTHON

"$root/packaging/appimage/runtime-test.sh" "$build/appimage-runtime"

# ---- Running them: as a normal user, on a display, in a home and with an engine of their own

work=$(mktemp -d /var/tmp/moru-package-test.XXXXXX)
weston=
cleanup() {
    [ -z "$weston" ] || kill "$weston" 2>/dev/null || true
    stop_display
    rm -rf "$work"
}
trap cleanup EXIT
chmod 711 "$work"
mkdir -m 1777 "$work/out"
cp "$appimage" "$work/Moru Desktop.AppImage"
ln -s "Moru Desktop.AppImage" "$work/moru-local"
cp "$root/packaging/package-run.sh" "$work/"
chmod 755 "$work"/*.sh
unset WAYLAND_DISPLAY QT_QPA_PLATFORM APPIMAGE_EXTRACT_AND_RUN
private_display
# as_user LABEL COMMAND...
as_user() {
    local label=$1
    shift
    "$root/packaging/as-user.sh" "$work/$label" "$@"
}
main_job() {
    as_user "$1" bash "$work/package-run.sh" "$1" "$work/Moru Desktop.AppImage" "$work/moru-local" "$work/out"
    cp "$work/out/$1.png" "$out/"
}
QT_QPA_PLATFORM=xcb main_job mounted
QT_QPA_PLATFORM=xcb APPIMAGE_EXTRACT_AND_RUN=1 main_job unpacked
QT_QPA_PLATFORM=offscreen main_job offscreen

# Wayland: a compositor that shows nothing.
# Not by the function: its process would be a shell in between, and weston would outlive it.
"$root/packaging/as-user.sh" "$work/weston" weston --backend=headless-backend.so --socket=moru --idle-time=0 >"$out/weston.log" 2>&1 &
weston=$!
for _ in $(seq 100); do
    [ ! -S "$work/weston/run/moru" ] || break
    kill -0 "$weston" 2>/dev/null || { cat "$out/weston.log"; fail "weston does not start"; }
    sleep 0.1
done
DISPLAY= WAYLAND_DISPLAY=$work/weston/run/moru QT_QPA_PLATFORM=wayland main_job wayland

# How the window presents itself, and how long a start takes until it is there.
"$root/packaging/start-time.sh" "$build/bin/moru-desktop" "$appimage" | tee "$out/start-time.txt"
say "package-test: passed. Packages and pictures: $out"
