#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects in a folder what the program needs on a Windows that has nothing of it.

A DLL is bundled if one of the ROOTs or the compiler has it; it is Windows' own if mingw-w64 has an
import library for it, or if it is one of the API sets, names that Windows itself resolves. One that
is neither ends this with an error."""

import argparse
import os
import re
import shutil
import subprocess
import sys

TRIPLE = "x86_64-w64-mingw32"
# Loaded by Qt at run time, so that nothing says that they are needed.
PLUGINS = [
    "platforms/qwindows.dll",
    "styles/qwindowsvistastyle.dll",
    "tls/qschannelbackend.dll",
    "imageformats/qico.dll",
]


def imports(path):
    text = subprocess.run([f"{TRIPLE}-objdump", "-p", path], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\s*DLL Name: (\S+)$", text, re.MULTILINE)


def windows_own(name):
    stem = name.lower().removesuffix(".dll")
    return stem.startswith("api-ms-win-") or any(
        os.path.exists(f"/usr/{TRIPLE}/lib/lib{stem}.a") for stem in (stem, stem.removesuffix(".drv")))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program")
    arguments.add_argument("output", help="is emptied first")
    arguments.add_argument("roots", nargs="+", help="where the libraries are installed")
    options = arguments.parse_args()

    runtime = subprocess.run([f"{TRIPLE}-gcc-posix", "-print-libgcc-file-name"], check=True, capture_output=True,
                             text=True).stdout
    folders = [os.path.join(root, "bin") for root in options.roots]
    folders += [os.path.dirname(runtime.strip()), f"/usr/{TRIPLE}/lib"]

    shutil.rmtree(options.output, ignore_errors=True)
    pending = []

    def take(source, target):
        path = os.path.join(options.output, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(source, path)
        subprocess.run([f"{TRIPLE}-strip", "--strip-unneeded", path], check=True)
        pending.append(path)

    def find(relative, places, wanted_by):
        for place in places:
            path = os.path.join(place, relative)
            if os.path.exists(path):
                return path
        sys.exit(f"stage: {wanted_by} needs {relative}, which is nowhere")

    take(options.program, os.path.basename(options.program))
    for plugin in PLUGINS:
        take(find(plugin, [os.path.join(root, "plugins") for root in options.roots], "Qt"), f"plugins/{plugin}")
    bundled = set()
    while pending:
        module = pending.pop()
        for name in imports(module):
            if name.lower() in bundled:
                continue
            if any(os.path.exists(os.path.join(folder, name)) for folder in folders):
                bundled.add(name.lower())
                take(find(name, folders, module), name)
            elif not windows_own(name):
                sys.exit(f"stage: {module} needs {name}, which is neither ours nor Windows'")

    with open(os.path.join(options.output, "qt.conf"), "w") as conf:
        conf.write("[Paths]\nPrefix = .\nPlugins = plugins\n")

    licences = os.path.join(options.output, "licenses")
    os.makedirs(licences)
    for root in options.roots:
        documents = os.path.join(root, "share/doc")
        for name in os.listdir(documents):
            shutil.copyfile(os.path.join(documents, name, "copyright"), os.path.join(licences, f"{name}.txt"))


if __name__ == "__main__":
    main()
