# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the table of recipes (recipes.sh) and keeps the results, each under a name made of all that
# goes into it. Sourced by msi.sh, which sets: cache (folder), jobs (number).

msi_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# --- The table ---

recipes=()
declare -A recipe_kind recipe_version recipe_sum recipe_needs

# recipe NAME VERSION SHA256 [NEEDS...]: the Debian source package NAME in that version; SHA256 is
# of its .dsc, which in turn lists the sums of the archives. NEEDS are recipes named before.
recipe() {
    recipes+=("$1")
    recipe_kind[$1]=source
    recipe_version[$1]=$2
    recipe_sum[$1]=$3
    recipe_needs[$1]=${*:4}
}

# headers NAME VERSION SHA256: the Debian package NAME of that version, which is the same on every
# kind of machine; SHA256 is of the .deb. Its headers are used as they are.
headers() {
    recipe "$@"
    recipe_kind[$1]=headers
}

# --- What the recipes call ---

# cmake_build SOURCE [CMAKE-ARGS...]: configures, builds and installs into $prefix.
cmake_build() {
    local from=$1
    shift
    cmake -S "$from" -B "$work/build" -G Ninja --log-level=STATUS \
        -DCMAKE_TOOLCHAIN_FILE="$msi_dir/toolchain.cmake" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib "$@"
    cmake --build "$work/build" -- -j"$jobs"
    cmake --install "$work/build"
}

# --- Sources ---

# apt with lists and settings of its own: the machine's stay as they are, and it need not have
# source packages switched on.
source_apt() {
    local suite mirror
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=${MORU_SOURCE_MIRROR:-$(machine_mirror)}
    [ -n "$mirror" ] || die "apt on this machine names no mirror of Debian $suite; MORU_SOURCE_MIRROR takes the address of one."
    mkdir -p "$cache/apt/sources.d" "$cache/apt/lists/partial" "$cache/apt/archives/partial"
    cat >"$cache/apt/sources.d/source.sources" <<EOF
Types: deb deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$cache/apt/sources.d" \
        -o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

# fetch NAME: downloads the package unless it is here, compares its sum and unpacks it as $source.
fetch() {
    local name=$1 version=${recipe_version[$1]} kind=${recipe_kind[$1]} file
    case $kind in
        source) file=${name}_${version#*:}.dsc ;;
        headers) file=${name}_${version/:/%3a}_all.deb ;;
    esac
    file=$cache/sources/$file
    mkdir -p "$cache/sources"
    if ! echo "${recipe_sum[$name]}  $file" | sha256sum --check --status 2>/dev/null; then
        rm -f "$file"
        source_apt update
        cd "$cache/sources"
        case $kind in
            source) source_apt source --download-only "$name=$version" ;;
            headers) source_apt download "$name=$version" ;;
        esac
        echo "${recipe_sum[$name]}  $file" | sha256sum --check --quiet ||
            die "The package $name $version is not the one the recipe was made for."
    fi
    rm -rf "$work"
    mkdir -p "$work"
    case $kind in
        # Compares every archive with the sums in the .dsc, and applies Debian's patches.
        source) dpkg-source -q -x "$file" "$source" ;;
        headers) dpkg-deb -x "$file" "$source" ;;
    esac
}

# --- Results ---

compiler_id() {
    dpkg-query -W -f '${Package} ${Version}\n' \
        'g++-mingw-w64-x86-64-posix' 'binutils-mingw-w64-x86-64' 'mingw-w64-x86-64-dev' 'qt6-base-dev-tools'
}

# recipe_key NAME: a hash of everything the result depends on.
recipe_key() {
    local name=$1 need
    {
        echo "${recipe_kind[$name]} $name ${recipe_version[$name]} ${recipe_sum[$name]}"
        declare -f "build_${name//[-+.]/_}" cmake_build fetch
        cat "$msi_dir/toolchain.cmake"
        [ ! -d "$msi_dir/$name" ] || find "$msi_dir/$name" -type f -print0 | sort -z | xargs -0 sha256sum | cut -d' ' -f1
        for need in ${recipe_needs[$name]}; do recipe_key "$need"; done
        compiler_id
    } | sha256sum | cut -c1-16
}

# recipe_prefix NAME: the folder its result is installed in.
recipe_prefix() { echo "$cache/$1-$(recipe_key "$1")"; }

# cross_roots NAME...: what those have installed, for MORU_CROSS_ROOTS.
cross_roots() {
    local name roots=
    for name in "$@"; do roots+=${roots:+:}$(recipe_prefix "$name"); done
    echo "$roots"
}

# build_recipe NAME: builds it unless its result is kept; prints the time it took.
build_recipe() {
    local name=$1 started=$SECONDS prefix work=$cache/work/$1 log=$cache/$1.log
    local source=$work/source
    prefix=$(recipe_prefix "$name")
    if [ -e "$prefix/.complete" ]; then
        say "$(printf '  %-12s %-16s kept (built in %s s)' "$name" "${recipe_version[$name]}" "$(cat "$prefix/.complete")")"
        return
    fi
    rm -rf "$prefix"
    # In the background, as the first failing command does not end a shell that is a condition.
    (
        set -euo pipefail
        fetch "$name"
        MORU_CROSS_ROOTS=$(cross_roots ${recipe_needs[$name]})
        export MORU_CROSS_ROOTS
        cd "$work"
        "build_${name//[-+.]/_}"
        if [ "${recipe_kind[$name]}" = source ]; then
            install -D -m 644 "$source/debian/copyright" "$prefix/share/doc/$name/copyright"
        fi
    ) >"$log" 2>&1 &
    if ! wait $!; then
        tail -n 30 "$log" >&2
        die "Building $name failed; the whole log is $log"
    fi
    rm -rf "$work"
    echo $((SECONDS - started)) >"$prefix/.complete"
    say "$(printf '  %-12s %-16s built in %s s' "$name" "${recipe_version[$name]}" $((SECONDS - started)))"
}

# Qt's generators, which run on this machine, and its libraries have to be of the same version.
check_qt_version() {
    local host
    host=$(dpkg-query -W -f '${Version}' qt6-base-dev-tools 2>/dev/null || true)
    [ "${host%%[+-]*}" = "${recipe_version[qt6-base]%%[+-]*}" ] ||
        die "Qt ${recipe_version[qt6-base]} is to be built, but this machine has ${host:-none}: the recipe's version and sum have to follow."
}

# build_recipes: all of the table, in its order; two at once would use the same folders.
build_recipes() {
    local started=$SECONDS name
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    say "Libraries for Windows, kept in $cache:"
    for name in "${recipes[@]}"; do build_recipe "$name"; done
    flock -u 9
    say "  all of them: $((SECONDS - started)) s"
}
