#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what building, testing and running Moru Desktop needs, where it is missing. Debian 12 and
# 13 and Ubuntu 24.04 are known; elsewhere it prints the list and stops. Run as root or as a user
# with sudo; running it again changes nothing.
#
#   packaging/setup.sh [--run|--test|--package|--msi|--print]
#     --run      only what building and running needs
#     --test     the above and what the tests need (default)
#     --package  what building and running needs, and what makes and tests packages
#     --msi      what building and running needs, and what the Windows installer is made and tried with
#     --print    print the package list of the tests and stop
set -euo pipefail

mode=--test
[ $# -gt 0 ] && mode=$1
case $mode in
    --run | --test | --package | --msi | --print) ;;
    *) echo "usage: packaging/setup.sh [--run|--test|--package|--msi|--print]" >&2; exit 2 ;;
esac

id=unknown version=
[ -r /etc/os-release ] && . /etc/os-release && id=${ID:-unknown} version=${VERSION_ID:-}

# Engine HTTP needs Boost 1.81 or newer: Debian 12's default is older, so its newest is named.
case "$id-$version" in
    debian-12) boost=libboost1.81-dev known=yes ;;
    debian-13* | ubuntu-24.04) boost=libboost-dev known=yes ;;
    *) boost=libboost-dev known=no ;;
esac

build=(g++ cmake ninja-build ccache pkg-config ca-certificates git
    qt6-base-dev qt6-base-dev-tools libgl-dev
    qtkeychain-qt6-dev libqscintilla2-qt6-dev
    libprotobuf-dev protobuf-compiler libvterm-dev libexpected-dev libsimdjson-dev
    "$boost" nettle-dev libseccomp-dev libcap-dev librsvg2-bin)
# Added by what the libraries load at run time, by the engine, and by a desktop without fonts.
run=(libsecret-1-0 qt6-qpa-plugins fonts-dejavu-core dbus uidmap fuse-overlayfs sudo procps
    xvfb xauth curl)
test=(python3 python3-venv python3-pip python3-pyatspi at-spi2-core dbus-x11 gnome-keyring
    xdotool x11-utils openbox strace iproute2 vim less htop)

# AppImage and deb: the stub's static parts, squashfs, Qt's plugins that come along, checkers, and
# what packages are tried out in.
package=(file patchelf python3 dpkg-dev fakeroot squashfs-tools fuse3
    libsquashfuse-dev libfuse3-dev libzstd-dev
    qt6-wayland libqt6svg6 qt6-xdgdesktopportal-platformtheme
    desktop-file-utils appstream lintian man-db weston x11-utils gpg zsync mmdebstrap)
msi=(g++-mingw-w64-x86-64-posix dpkg-dev wixl msitools icoutils wine64 python3 xdotool openbox imagemagick)

want=("${build[@]}" "${run[@]}")
case $mode in
    --run) ;;
    --package) want+=("${package[@]}") ;;
    --msi) want+=("${msi[@]}") ;;
    --test | --print) want+=("${test[@]}") ;;
esac

if [ "$mode" = --print ]; then
    printf '%s\n' "${want[@]}"
    exit 0
fi
if [ "$known" = no ] || ! command -v apt-get >/dev/null; then
    echo "This system ($id $version) is not one this script installs on. These packages, by their" >&2
    echo "Debian names, are needed; install them by hand and build with cmake --preset release:" >&2
    printf '  %s\n' "${want[@]}" >&2
    exit 1
fi

missing=()
for package in "${want[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: everything needed is installed."
    exit 0
fi

sudo=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "setup: these packages are missing and need root to install: ${missing[*]}" >&2
        exit 1
    }
    sudo=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
