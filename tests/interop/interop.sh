#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# interop.sh PROGRAM: runs one interop program with the SDKs that packaging/test.sh installed. Without
# them: exit 77 (skipped), and in CI a failure.
export MORU_INTEROP_DIR="$MORU_SOURCE_DIR/build/interop"
if [ ! -f "$MORU_INTEROP_DIR/stamp" ]; then
    echo "The SDKs are not installed (packaging/test.sh does it): not run."
    [ "${CI:-}" = true ] && exit 1
    exit 77
fi
# The engine is the system under test, not the leak checker's victim: it is stopped, not unwound.
export ASAN_OPTIONS=detect_leaks=0
exec "$MORU_INTEROP_DIR/venv/bin/python" -B "$MORU_SOURCE_DIR/tests/interop/$1"
