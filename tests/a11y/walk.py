# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks through the running app by keyboard; AT-SPI tells what has the focus and what things are called."""
import subprocess
import sys
import time

import pyatspi

PATIENCE = 60.0
bin_dir, state_dir = sys.argv[1:3]
failures = []
INNERMOST = (pyatspi.ROLE_TABLE, pyatspi.ROLE_TREE, pyatspi.ROLE_TREE_TABLE, pyatspi.ROLE_LIST,
             pyatspi.ROLE_TERMINAL, pyatspi.ROLE_PUSH_BUTTON, pyatspi.ROLE_TEXT)


def check(condition, what):
    print(("ok      " if condition else "FAILED  ") + what, flush=True)
    if not condition:
        failures.append(what)


def until(function, what):
    """The first true answer of `function`; ends the walk after a bounded time without one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = function()
        except Exception:  # an object that has just gone
            answer = None
        if answer:
            return answer
        time.sleep(0.05)
    seen = [t.name for w in windows() for t in showing(w) if t.name]
    sys.exit(f"FAILED  never: {what}\nfocus: {describe(focused())}\nto be seen: " + " | ".join(seen))


def keys(*names):
    subprocess.run(["xdotool", "key", "--clearmodifiers", "--delay", "20", *names], check=True)


def type_text(text):
    subprocess.run(["xdotool", "type", "--delay", "15", text], check=True)


def application():
    desktop = pyatspi.Registry.getDesktop(0)
    for app in desktop:
        if app and app.name in ("moru-desktop", "Moru Desktop"):
            return app
    return None


def has(thing, state):
    return thing.getState().contains(state)


def showing(thing, depth=0):
    """`thing` and what can be seen in it; of tables and lists not each cell."""
    yield thing
    if depth > 40:
        return
    role = thing.getRole()
    if role in (pyatspi.ROLE_TABLE, pyatspi.ROLE_TREE, pyatspi.ROLE_TREE_TABLE, pyatspi.ROLE_LIST,
                pyatspi.ROLE_TERMINAL):
        return
    for index in range(thing.childCount):
        child = thing.getChildAtIndex(index)
        if child and has(child, pyatspi.STATE_SHOWING):
            yield from showing(child, depth + 1)


def windows():
    return [w for w in application() if w and has(w, pyatspi.STATE_SHOWING)]


def focused():
    """What has the keyboard. Qt's current page tab says so of itself whatever has it."""
    found, tab = None, None
    for window in windows():
        stack = [window]
        while stack:
            thing = stack.pop()
            if thing is None:
                continue
            if has(thing, pyatspi.STATE_FOCUSED):
                if thing.getRole() == pyatspi.ROLE_PAGE_TAB:
                    tab = thing
                elif found is None or found.getRole() not in INNERMOST:
                    found = thing
            if thing.getRole() in (pyatspi.ROLE_TABLE, pyatspi.ROLE_TREE, pyatspi.ROLE_TREE_TABLE,
                                   pyatspi.ROLE_LIST, pyatspi.ROLE_TERMINAL):
                continue
            for index in range(thing.childCount):
                child = thing.getChildAtIndex(index)
                if child and has(child, pyatspi.STATE_SHOWING):
                    stack.append(child)
    return found or tab


def label(thing):
    """Name, and what Qt tells beside it: of a combo box the name is its text."""
    words = [thing.name or "", thing.description or ""]
    for relation in thing.getRelationSet():
        if relation.getRelationType() == pyatspi.RELATION_LABELLED_BY:
            words += [relation.getTarget(i).name for i in range(relation.getNTargets())]
    return ", ".join(dict.fromkeys(w for w in words if w))


def describe(thing):
    return "nothing" if thing is None else f"{thing.getRoleName()} “{label(thing)}”"


def find(role, name):
    for window in windows():
        for thing in showing(window):
            if thing.getRole() == role and name in thing.name:
                return thing
    return None


def dialog(name):
    for window in windows():
        if window.getRole() in (pyatspi.ROLE_DIALOG, pyatspi.ROLE_ALERT) and name in window.name:
            return window
    return None


def nameless(where):
    """What can be reached by keyboard and has no name."""
    lost = []
    for window in windows():
        for thing in showing(window):
            # Texts that can be marked with the mouse count as focusable; Tab passes them by.
            if thing.getRole() == pyatspi.ROLE_LABEL:
                continue
            if has(thing, pyatspi.STATE_FOCUSABLE) and not (thing.name or "").strip():
                above = thing.parent
                lost.append(f"{thing.getRoleName()} in {describe(above)}")
    check(not lost, f"{where}: everything the keyboard reaches has a name" + "".join("\n          " + l for l in lost))


def walk(where, most=60):
    """Tab once around; what it met, in order."""
    met = []
    for _ in range(most):
        before = describe(focused())
        if met and before == met[0]:
            break
        met.append(before)
        # In a terminal Tab belongs to the shell; the documented way on is F6.
        keys("F6" if before.startswith("terminal") else "Tab")
        end = time.monotonic() + 2
        while time.monotonic() < end and describe(focused()) == before:
            time.sleep(0.05)
    print(f"{where}: " + " > ".join(met), flush=True)
    check(len(met) < most, f"{where}: Tab comes around")
    check("nothing" not in met, f"{where}: Tab always arrives somewhere")
    return met


def rows():
    table = find(pyatspi.ROLE_TABLE, "Sandboxes") or find(pyatspi.ROLE_TREE_TABLE, "Sandboxes")
    return table.queryTable().nRows if table else -1


app = subprocess.Popen([f"{bin_dir}/moru-desktop", "--engine", f"{bin_dir}/moru-local", "--state-dir", state_dir])
try:
    until(application, "the app on the accessibility bus")
    # First run: the engine starts, then the empty table says what to do, at hand for the keyboard.
    until(lambda: any("No sandboxes yet" in t.name for w in windows() for t in showing(w)), "the empty state")
    nameless("empty")

    # Create, by keyboard.
    keys("ctrl+n")
    until(lambda: dialog("New sandbox"), "the dialog New sandbox")
    until(lambda: focused() is not None and "Template" in label(focused()), "focus on the template")
    nameless("New sandbox")
    met = walk("New sandbox")
    for part in ("Template", "Time until it ends", "What happens then", "Metadata", "Cancel"):
        check(any(part in m for m in met), f"New sandbox: Tab reaches {part}")
    until(lambda: "Template" in label(focused()), "focus on the template again")
    keys("Return")
    until(lambda: not dialog("New sandbox"), "the dialog to end")
    until(lambda: rows() == 1, "a row")
    until(lambda: focused().name == "Sandboxes", "focus in the table")
    check(True, "Enter creates, and the keyboard is in the table with the new row")
    nameless("main window")

    # The table reads as words.
    table = focused().queryTable()
    cells = [table.getAccessibleAt(0, column).name for column in range(table.nColumns)]
    print("row: " + " | ".join(cells), flush=True)
    check("Running" in cells[0], "the state is a word")
    check(all(c.strip() for c in cells[:5]), "the cells say something")

    met = walk("main window")
    for part in ("Connection", "Filter", "New sandbox", "Pause", "Kill", "state", "Sandboxes"):
        check(any(part.lower() in m.lower() for m in met), f"main window: Tab reaches {part}")

    # Every menu opens by its letter and its entries have names.
    for letter in "svch":
        keys(f"alt+{letter}")
        until(lambda: find(pyatspi.ROLE_POPUP_MENU, "") or find(pyatspi.ROLE_MENU, ""), f"the menu of Alt+{letter}")
        keys("Escape", "Escape")
    keys("ctrl+shift+b")
    until(lambda: focused().name == "Sandboxes", "focus back in the table")

    # Terminal: type and read.
    keys("ctrl+t")
    until(lambda: focused() is not None and focused().getRole() == pyatspi.ROLE_TERMINAL, "focus in the terminal")
    text = until(lambda: focused().queryText(), "the terminal's text")
    until(lambda: "$" in text.getText(0, -1), "a prompt")
    type_text("echo read $((40 + 2))\n")
    until(lambda: "read 42" in text.getText(0, -1), "the shell's answer as text")
    check(True, "the terminal is readable as text")
    nameless("terminal")
    keys("ctrl+shift+t")
    until(lambda: "read 42" not in focused().queryText().getText(0, -1)
          and "$" in focused().queryText().getText(0, -1), "a second terminal with a prompt")
    check(True, "a second terminal opens beside the first")

    for key, name, role in (("ctrl+shift+e", "Files", None), ("ctrl+shift+r", "Command", None), ("ctrl+i", "", None)):
        keys(key)
        until(lambda: focused() is not None and focused().getRole() != pyatspi.ROLE_TERMINAL, f"focus after {key}")
        nameless(key)
        walk(key)
    keys("ctrl+shift+b")
    until(lambda: focused().name == "Sandboxes", "focus back in the table")

    # Kill: Cancel is where the keyboard is; Esc gives it back; then for good.
    keys("Delete")
    until(lambda: dialog("Kill sandbox"), "the kill dialog")
    until(lambda: focused() is not None and focused().name == "Cancel", "focus on Cancel")
    nameless("Kill")
    walk("Kill")
    keys("Escape")
    until(lambda: not dialog("Kill sandbox"), "the dialog to end")
    until(lambda: focused().name == "Sandboxes", "focus back in the table")
    check(rows() == 1, "Esc kills nothing")
    keys("Delete")
    until(lambda: dialog("Kill sandbox"), "the kill dialog")
    for _ in range(6):
        if "Kill" in focused().name:
            break
        before = describe(focused())
        keys("Tab")
        until(lambda: describe(focused()) != before, "the next button")
    button = focused()
    check("Kill" in button.name, "Tab reaches the kill button")
    until(lambda: has(button, pyatspi.STATE_ENABLED), "the button to take keys")
    # It ignores what comes in its first moments, so the key is repeated until the dialog is gone.
    def killed():
        if dialog("Kill sandbox") is None:
            return True
        if focused() is not None and "Kill" in focused().name:
            keys("space")
        time.sleep(0.2)
        return False
    until(killed, "the dialog to end after the kill")
    until(lambda: any("No sandboxes yet" in t.name for w in windows() for t in showing(w)), "the empty state")
    check(True, "killed by keyboard")

    keys("ctrl+q")
    app.wait(PATIENCE)
    check(app.returncode == 0, "Ctrl+Q ends the app")
finally:
    if app.poll() is None:
        app.terminate()
        app.wait(20)
sys.exit(1 if failures else 0)
