#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a program beside a window manager, where there is one: it draws the frames of dialogs and gives
# them the keyboard.
wm=
if command -v openbox >/dev/null; then
    openbox --sm-disable >/dev/null 2>&1 &
    wm=$!
fi
"$@"
code=$?
[ -z "$wm" ] || kill "$wm" 2>/dev/null
exit $code
