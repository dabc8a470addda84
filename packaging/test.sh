#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds, and runs all tests.
#
#   packaging/test.sh [--preset NAME]... [--packages] [-- CTEST-ARGS...]
#     --preset    the tree to build and test; may be given several times (default: release)
#     --packages  also make the packages from the release tree and try them out
#
# The interop tests need the SDKs from PyPI and npm. Where these cannot be reached everything else
# runs, the end of the output says what did not, and with CI=true that is a failure.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

presets=()
packages=OFF
while [ $# -gt 0 ]; do
    case $1 in
        --preset) presets+=("${2:?--preset wants a name}"); shift 2 ;;
        --packages) packages=ON; shift ;;
        --) shift; break ;;
        *) die "usage: packaging/test.sh [--preset NAME]... [--packages] [-- CTEST-ARGS...]" ;;
    esac
done
[ ${#presets[@]} -gt 0 ] || presets=(release)

"$root/packaging/setup.sh" --test
[ $packages = OFF ] || "$root/packaging/setup.sh" --package
mkdir -p "$root/build"

interop=$root/build/interop
interop_missing=
prepare_interop() {
    local wanted stamp
    wanted=$(cat "$root/tests/interop/requirements.txt" "$root/tests/interop/js/package.json")
    stamp=$interop/stamp
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
    rm -rf "$interop"
    mkdir -p "$interop/js"
    python3 -m venv "$interop/venv" &&
        "$interop/venv/bin/pip" install -q --disable-pip-version-check -r "$root/tests/interop/requirements.txt" &&
        cp "$root/tests/interop/js/package.json" "$interop/js/" &&
        (cd "$interop/js" && PATH=$interop/venv/bin:$PATH npm install --no-package-lock --no-audit --no-fund --loglevel=error) &&
        printf '%s' "$wanted" >"$stamp"
}
if ! prepare_interop >"$root/build/interop.log" 2>&1; then
    tail -n 5 "$root/build/interop.log" >&2
    interop_missing=yes
    rm -rf "$interop"
fi

# On a busy machine a time limit can hit the innocent: in CI a test that failed is tried again, and the
# first failure stays in the output.
[ "${CI:-}" = true ] && set -- --repeat until-pass:3 "$@"
# Much of the time tests wait; more of them at once than this would hold each other up.
parallel=$(nproc)
[ "$parallel" -le 4 ] || parallel=4
werror=OFF
[ "${CI:-}" = true ] && werror=ON
failed=0
for preset in "${presets[@]}"; do
    with_packages=OFF
    [ "$preset" != release ] || with_packages=$packages
    build "$preset" -DBUILD_TESTING=ON -DMORU_WERROR=$werror -DMORU_TEST_PACKAGES=$with_packages
    ctest --preset "$preset" --parallel "$parallel" "$@" || failed=1
done

if [ -n "$interop_missing" ]; then
    say "NOT RUN: the interop tests (real Moru SDKs for Python and JavaScript), because the SDKs could"
    say "not be installed from their package indexes. The log is build/interop.log."
    [ "${CI:-}" = true ] && failed=1
fi
exit $failed
