#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# no_gui_libraries.sh PROGRAM: fails if PROGRAM is linked against a graphical Qt library.
needed=$(readelf -d "$1" | grep NEEDED) || { echo "cannot read $1"; exit 1; }
echo "$needed" | grep -q 'libQt6Core' || { echo "$1 does not even need Qt Core: the probe is broken"; exit 1; }
if echo "$needed" | grep -E 'libQt6(Gui|Widgets|PrintSupport)|qscintilla'; then
    echo "app/ links a graphical library"
    exit 1
fi
