#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# no_gui_includes.sh FOLDER: fails if a source below FOLDER includes something graphical or from ui/.
pattern='#[[:space:]]*include[[:space:]]*[<"](Qt(Widgets|Gui|PrintSupport)/|Qsci|ui/|Q(Widget|Application|GuiApplication|Dialog|MainWindow|Painter|Color|Icon|Pixmap|Image|Font|Palette|Label|Action|Menu|Clipboard|Cursor|KeyEvent|KeySequence|StandardItemModel)(>|\.h))'
[ -n "$(find "$1" -name '*.cpp')" ] || { echo "no sources below $1"; exit 1; }
if grep -rnE --include='*.h' --include='*.cpp' "$pattern" "$1"; then
    echo "these lines of app/ reach for the user interface"
    exit 1
fi
