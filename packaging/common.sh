# SPDX-License-Identifier: GPL-3.0-or-later
# Shared by the scripts beside it; sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Objects are found again in another clone of the same sources.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# build PRESET [CMAKE-ARGS...]: configures and builds build/PRESET.
build() {
    local preset=$1
    shift
    cd "$root"
    say "Building ($preset) ..."
    cmake --preset "$preset" "$@" >"$root/build/$preset.configure.log" 2>&1 || {
        tail -n 30 "$root/build/$preset.configure.log" >&2
        die "Configuring failed; the whole log is build/$preset.configure.log"
    }
    cmake --build --preset "$preset"
}

# source_date: exports SOURCE_DATE_EPOCH, the one time that packages may contain: the commit's, or in a
# tree without git the newest release's.
source_date() {
    if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
        SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null) ||
            SOURCE_DATE_EPOCH=$(date -u +%s -d "$(sed -n 's/^ -- .*>  //p' "$root/packaging/debian/changelog" | head -n 1)")
    fi
    export SOURCE_DATE_EPOCH
}

# project_version: the version in CMakeLists.txt.
project_version() {
    sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt"
}

# machine_mirror: the mirror of Debian that this machine's apt installs its release from, or nothing.
machine_mirror() {
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        awk -v suite="$(. /etc/os-release && echo "$VERSION_CODENAME")" \
            '$1 == suite && $2 == "main" && $3 == "Debian" { print $4; exit }'
}

# program_tree DIR: builds the programs in the build folder DIR; a missing one is made first, as the
# preset release has it, so that what is shipped is what was tested.
program_tree() {
    if [ ! -e "$1/CMakeCache.txt" ]; then
        say "Configuring $1 ..."
        mkdir -p "$1"
        cmake -S "$root" -B "$1" --preset release -DBUILD_TESTING=OFF \
            ${MORU_CMAKE_ARGS:-} >"$1/configure.log" 2>&1 || {
            tail -n 30 "$1/configure.log" >&2
            die "Configuring failed; the whole log is $1/configure.log"
        }
    fi
    cmake --build "$1" --target "${@:2}" >"$1/programs.log" 2>&1 || {
        tail -n 40 "$1/programs.log" >&2
        die "Building failed; the whole log is $1/programs.log"
    }
}

# private_display: starts an Xvfb of our own and sets DISPLAY; stop_display ends it.
private_display() {
    local file
    file=$(mktemp)
    # Without -noreset it starts anew when its last client leaves, and refuses the next one meanwhile.
    Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp -noreset 3>"$file" >/dev/null 2>&1 &
    display_pid=$!
    local i
    for i in $(seq 1 100); do
        [ -s "$file" ] && break
        kill -0 "$display_pid" 2>/dev/null || die "Xvfb did not start."
        sleep 0.1
    done
    [ -s "$file" ] || die "Xvfb did not say which display it serves."
    DISPLAY=:$(cat "$file")
    export DISPLAY
    unset WAYLAND_DISPLAY
    rm -f "$file"
}
stop_display() {
    [ -n "${display_pid:-}" ] && kill "$display_pid" 2>/dev/null || true
}
