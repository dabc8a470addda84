#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Tries the packages out where they are to work: the AppImage as a normal user in a bare Debian 13
# without Qt, the deb in a clean Debian 12: install, main job, upgrade, purge. Root only; needs a
# Debian mirror.
#
#   packaging/package-test-slow.sh [--packages DIR] [--program FILE]
#     --packages DIR   where they are (default: makes them in build/package-slow)
#     --program FILE   the program as it was built, to compare start times with
#
# Bare systems are made once and kept as archives in build/roots. They come from this
# machine's mirror or from MORU_MIRROR.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
[ "$(id -u)" = 0 ] || die "package-test-slow: only root can make the systems it tests in."

out=$root/build/package-slow packages= program=
while [ $# -gt 0 ]; do
    case $1 in
        --packages) packages=$(cd "${2:?}" && pwd); shift 2 ;;
        --program) program=$(readlink -f "${2:?}"); shift 2 ;;
        *) die "usage: packaging/package-test-slow.sh [--packages DIR] [--program FILE]" ;;
    esac
done
"$root/packaging/setup.sh" --package
mkdir -p "$out"
if [ -z "$packages" ]; then
    packages=$out
    "$root/packaging/deb.sh" --output "$out"
    "$root/packaging/appimage.sh" --output "$out"
fi
deb=$(ls "$packages"/moru-desktop_*.deb) appimage=$(ls "$packages"/*.AppImage)
mirror=${MORU_MIRROR:-$(machine_mirror)}
[ -n "$mirror" ] || die "package-test-slow: MORU_MIRROR must name a Debian mirror."
fail() { die "package-test-slow: $*"; }

work=$(mktemp -d /var/tmp/moru-package-slow.XXXXXX)
chmod 755 "$work"
helpers=()
cleanup() {
    for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null || true; done
    stop_display
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# system SUITE PACKAGES: a bare system in $work/SUITE.
system() {
    local archive=$root/build/roots/$1.tar
    if [ ! -e "$archive" ]; then
        say "Making a bare $1 ..."
        mkdir -p "$root/build/roots"
        mmdebstrap --quiet --format=tar --variant=minbase --include="$2" "$1" "$archive.new" "$mirror"
        mv "$archive.new" "$archive"
    fi
    mkdir "$work/$1"
    tar -C "$work/$1" -xf "$archive" --exclude='./dev/*'
    cp /etc/resolv.conf "$work/$1/etc/resolv.conf"
    ln -s /proc/self/mounts "$work/$1/etc/mtab" # made by systemd elsewhere
    inside "$1" useradd --create-home --shell /bin/bash somebody
    mkdir -m 1777 "$work/$1/out"
    cp "$root/packaging/package-run.sh" "$work/$1/out/"
}
inside() { "$root/packaging/in-root.sh" "$work/$1" "${@:2}"; }
# as_somebody SUITE COMMAND...: as its normal user.
as_somebody() {
    inside "$1" setpriv --reuid somebody --regid somebody --init-groups env -i HOME=/home/somebody \
        TMPDIR=/home/somebody/tmp XDG_RUNTIME_DIR=/home/somebody/run PATH=/usr/local/bin:/usr/bin:/bin \
        LC_ALL=C.UTF-8 DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent NO_AT_BRIDGE=1 QT_QPA_PLATFORM=xcb \
        DISPLAY="$DISPLAY" sh -euc 'mkdir -p -m 700 "$TMPDIR" "$XDG_RUNTIME_DIR"; cd; exec "$@"' sh "${@:2}"
}
# main_job SUITE LABEL APP ENGINE [VARIABLE=VALUE]
main_job() {
    as_somebody "$1" env ${5:-} bash /out/package-run.sh "$2" "$3" "$4" /out || fail "$2 in $1"
    cp "$work/$1/out/$2.png" "$out/"
}
private_display
say "package-test-slow: AppImage $(stat -c %s "$appimage") bytes, deb $(stat -c %s "$deb") bytes"

# ---- AppImage in Debian 13: what every desktop has, what sandboxes use, and no Qt

system trixie bash,curl,procps,ca-certificates,libx11-6,libx11-xcb1,libxcb1,libsm6,libice6,libgl1,libegl1,libopengl0,libfontconfig1,libfreetype6,libharfbuzz0b,libglib2.0-0t64,libdbus-1-3,fonts-dejavu-core,fuse3,uidmap,sudo,python3,git
[ -z "$(find "$work/trixie/usr" -name 'libQt*')" ] || fail "there is a Qt in the bare system"
cp "$appimage" "$work/trixie/out/Moru.AppImage"
ln -s Moru.AppImage "$work/trixie/out/moru-local"
main_job trixie trixie-mounted /out/Moru.AppImage /out/moru-local
main_job trixie trixie-unpacked /out/Moru.AppImage /out/moru-local APPIMAGE_EXTRACT_AND_RUN=1

# TLS: with a certificate of an authority that the system trusts, and before it does.
(cd "$work" && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj "/CN=Test authority" \
    -addext basicConstraints=critical,CA:TRUE &&
    openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=localhost &&
    printf 'subjectAltName=DNS:localhost\n' >tls.ext &&
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile tls.ext -out tls.crt) >"$out/openssl.log" 2>&1 ||
    fail "openssl"
inside trixie sh -c 'APPDIR= exec setpriv --reuid somebody --regid somebody --init-groups env HOME=/home/somebody TMPDIR=/home/somebody/tmp /out/moru-local serve --listen 127.0.0.1:0 --state-dir /home/somebody/tls' >"$work/ready" 2>"$out/tls-engine.log" &
helpers+=($!)
for _ in $(seq 300); do [ ! -s "$work/ready" ] || break; sleep 0.1; done
api=$(sed -n 's/.*"apiUrl":"\([^"]*\)".*/\1/p' "$work/ready")
[ -n "$api" ] || { cat "$out/tls-engine.log"; fail "no engine behind TLS"; }
key=$(head -n 1 "$work/trixie/home/somebody/tls/key")
(umask 077 && printf 'header = "X-API-Key: %s"\n' "$key" >"$work/curl.conf")
curl -sS --fail -K "$work/curl.conf" -H 'Content-Type: application/json' -d '{"templateID":"base","timeout":900}' "$api/sandboxes" >/dev/null
python3 "$root/packaging/tls-proxy.py" "$work/tls.crt" "$work/tls.key" "$api" "$work/port" &
helpers+=($!)
for _ in $(seq 100); do [ ! -s "$work/port" ] || break; sleep 0.1; done
tls_job() {
    as_somebody trixie env MORU_API_KEY="$key" MORU_API_URL="https://localhost:$(cat "$work/port")" MORU_SANDBOX_URL="https://localhost:$(cat "$work/port")" \
        /out/Moru.AppImage --connection environment --screenshot "/out/$1.png" >"$out/$1.log" 2>&1
}
if tls_job tls-unknown; then fail "an unknown authority is trusted"; fi
cp "$work/ca.crt" "$work/trixie/usr/local/share/ca-certificates/moru-test.crt"
inside trixie update-ca-certificates >/dev/null
tls_job tls-known || { cat "$out/tls-known.log"; fail "the system's certificates are not used"; }
cp "$work/trixie/out/tls-known.png" "$work/trixie/out/tls-unknown.png" "$out/"
as_somebody trixie /out/moru-local reset --yes --state-dir /home/somebody/tls
say "package-test-slow: TLS trusts whom the system trusts"
[ -z "$(find "$work/trixie/home/somebody/tmp" -mindepth 1)" ] || fail "temporary files are left: $(find "$work/trixie/home/somebody/tmp" | head)"

# The profile is for systems whose AppArmor knows "userns".
inside trixie sh -euc 'apt-get update -qq && apt-get install -qq -y --no-install-recommends apparmor >/dev/null'
dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/share/moru-desktop/apparmor-profile >"$work/trixie/out/profile"
inside trixie apparmor_parser --skip-kernel-load --skip-cache /out/profile || fail "the AppArmor profile"
say "package-test-slow: the AppArmor profile is understood by $(inside trixie apparmor_parser --version | head -n 1)"

# ---- deb in Debian 12

system bookworm bash,curl,procps,ca-certificates,fonts-dejavu-core,uidmap,sudo,python3,git
cp "$deb" "$work/bookworm/out/moru-desktop.deb"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group --build "$work/next" "$work/bookworm/out/next.deb" >/dev/null
snapshot() {
    inside bookworm find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /out -o -path /home -o -path /tmp -o -path /var/cache -o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /run \) -prune -o -print | LC_ALL=C sort
}
inside bookworm apt-get update -qq
inside bookworm apt-get install -qq -y --no-install-recommends /out/moru-desktop.deb >"$out/apt.log" 2>&1 || { tail -n 20 "$out/apt.log"; fail "the deb does not install"; }
inside bookworm dpkg --purge moru-desktop >/dev/null
snapshot >"$out/before"
if grep -i moru "$out/before"; then fail "files are left after purge"; fi
# As on a system whose AppArmor restricts user namespaces.
mkdir -p "$work/bookworm/etc/apparmor.d/abi"
: >"$work/bookworm/etc/apparmor.d/abi/4.0"
snapshot >"$out/before"
inside bookworm apt-get install -qq -y --no-install-recommends /out/moru-desktop.deb >>"$out/apt.log" 2>&1
[ -s "$work/bookworm/etc/apparmor.d/moru-local" ] || fail "the AppArmor profile is not in place"
main_job bookworm bookworm-deb moru-desktop moru-local
as_somebody bookworm moru-local serve --listen 127.0.0.1:0 --state-dir /home/somebody/kept >"$work/kept" 2>/dev/null &
helpers+=($!)
for _ in $(seq 300); do [ ! -s "$work/kept" ] || break; sleep 0.1; done
[ -s "$work/kept" ] || fail "no engine before the upgrade"
inside bookworm apt-get install -qq -y --no-install-recommends /out/next.deb >>"$out/apt.log" 2>&1 || fail "the upgrade"
[ "$(inside bookworm dpkg-query -W -f '${Version}' moru-desktop)" = "$(project_version)+next" ] || fail "the upgrade changed nothing"
as_somebody bookworm moru-local status --state-dir /home/somebody/kept >/dev/null || fail "the engine did not survive the upgrade"
as_somebody bookworm moru-local reset --yes --state-dir /home/somebody/kept
main_job bookworm bookworm-upgraded moru-desktop moru-local
inside bookworm apt-get purge -qq -y moru-desktop >>"$out/apt.log" 2>&1 || fail "purge"
snapshot >"$out/after"
diff "$out/before" "$out/after" || fail "install, run, upgrade and purge are not without trace"
say "package-test-slow: the deb installs, works, upgrades and leaves nothing"

if [ -n "$program" ]; then
    "$root/packaging/start-time.sh" "$program" "$appimage" | tee "$out/start-time.txt"
fi
say "package-test-slow: passed. Pictures: $out"
