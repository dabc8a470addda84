#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a program beside a window manager, where there is one: it draws the frames of dialogs and gives
# them the keyboard.
wm=
if command -v openbox >/dev/null; then
    openbox --sm-disable >/dev/null 2>&1 &
    wm=$!
    # A window that is there before it can be taken over by it without ever being exposed.
    tries=0
    until xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q 'window id' || [ $tries -ge 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
fi
"$@"
code=$?
[ -z "$wm" ] || kill "$wm" 2>/dev/null
exit $code
