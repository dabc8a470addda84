#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds to an AppDir, into which the program is installed, what it needs beside: Qt's plugins, the
libraries of both, run paths, licences, the list of packages.

  appdir.py --build DIR --appdir DIR
"""
import argparse
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bundle  # noqa: E402

# What every desktop has and what must be its own: the C library and what is bound to it, the
# graphics drivers' side, X11's base, fonts, and what libraries of the system that we load at run
# time (libsecret, input methods) share with us: two copies of GLib in one process do not work.
HOST = set("""
ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2
libutil.so.1 libanl.so.1 libstdc++.so.6 libgcc_s.so.1
libGL.so.1 libEGL.so.1 libGLX.so.0 libOpenGL.so.0 libGLdispatch.so.0 libdrm.so.2 libgbm.so.1
libX11.so.6 libX11-xcb.so.1 libxcb.so.1 libICE.so.6 libSM.so.6
libfontconfig.so.1 libfreetype.so.6 libharfbuzz.so.0 libexpat.so.1 libz.so.1
libglib-2.0.so.0 libgobject-2.0.so.0 libgio-2.0.so.0 libgmodule-2.0.so.0 libgthread-2.0.so.0
libdbus-1.so.3
""".split())

PLUGINS = """
platforms/libqxcb.so platforms/libqwayland-generic.so platforms/libqoffscreen.so
wayland-shell-integration/libxdg-shell.so wayland-decoration-client/libbradient.so
tls/libqopensslbackend.so
imageformats/libqsvg.so iconengines/libqsvgicon.so
platforminputcontexts/libcomposeplatforminputcontextplugin.so
platforminputcontexts/libibusplatforminputcontextplugin.so
platformthemes/libqxdgdesktopportal.so
""".split()

# Loaded by the TLS plugin with dlopen, so nothing names them.
LOADED = ["libssl.so.3", "libcrypto.so.3"]

parser = argparse.ArgumentParser()
parser.add_argument("--build", required=True)
parser.add_argument("--appdir", required=True)
options = parser.parse_args()
usr = f"{options.appdir}/usr"
plugin_source = bundle.run("qtpaths6", "--query", "QT_INSTALL_PLUGINS").strip()
origin = {}  # file in the AppDir -> file of the system


def put(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.realpath(source), target)
    os.chmod(target, 0o755)
    origin[target] = source


roots = [f"{usr}/bin/moru-desktop"]
for plugin in PLUGINS:
    if not os.path.exists(f"{plugin_source}/{plugin}"):
        raise SystemExit(f"Qt's plugin {plugin} is not installed; packaging/setup.sh --package installs it")
    put(f"{plugin_source}/{plugin}", f"{usr}/plugins/{plugin}")
    roots.append(f"{plugin_source}/{plugin}")

library_cache = dict(re.findall(r"^\s*(\S+) \(libc6,x86-64.*\) => (\S+)", bundle.run("/sbin/ldconfig", "-p"), re.M))
libraries, host = {}, set()
for name in LOADED:
    libraries[name] = library_cache[name]
    roots.append(library_cache[name])
for root in roots:
    where = bundle.resolved(root)
    todo = bundle.needed(root)
    while todo:
        name = todo.pop()
        if name in HOST:
            host.add(name)
        elif name not in libraries:
            libraries[name] = where[name]
            todo += bundle.needed(where[name])
for name, path in libraries.items():
    put(path, f"{usr}/lib/{name}")

# The engine is one file and runs outside of the AppImage: it may need the C library only.
engine = f"{usr}/bin/moru-local"
strange = set(bundle.needed(engine)) - HOST
if strange:
    raise SystemExit(f"moru-local of the AppImage needs {', '.join(sorted(strange))}")

for path in [*origin, roots[0]]:
    relative = os.path.relpath(f"{usr}/lib", os.path.dirname(path))
    bundle.run("patchelf", "--set-rpath", "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}", path)
    bundle.run("strip", "--strip-unneeded", path)
with open(f"{usr}/bin/qt.conf", "w", encoding="utf-8") as file:
    file.write("[Paths]\nPrefix=..\nPlugins=plugins\n")

packages = {}
owners = bundle.packages_of(origin.values())
for target, source in origin.items():
    package = owners[source]
    if not package:
        raise SystemExit(f"{source} belongs to no package")
    packages.setdefault(package, []).append(os.path.basename(target))
share = f"{usr}/share/moru-desktop"
os.makedirs(share, exist_ok=True)
with open(f"{share}/bundled-packages.txt", "w", encoding="utf-8") as file:
    for package in sorted(packages):
        known = bundle.details(package)
        file.write(f"{package} {known['version']} {known['source']} {known['sourceVersion']} "
                   f"{' '.join(sorted(packages[package]))}\n")
for package in sorted({*packages, *bundle.compiled_in(options.build, static=True)}):
    name = bundle.details(package)["name"]
    text = bundle.copyright_file(name)
    if not text:
        raise SystemExit(f"{name} has no copyright file")
    os.makedirs(f"{usr}/share/doc/{name}", exist_ok=True)
    shutil.copyfile(text, f"{usr}/share/doc/{name}/copyright")
# Copyright files refer to these by name.
os.makedirs(f"{usr}/share/common-licenses", exist_ok=True)
for name in os.listdir("/usr/share/common-licenses"):
    if not os.path.islink(f"/usr/share/common-licenses/{name}"):
        shutil.copyfile(f"/usr/share/common-licenses/{name}", f"{usr}/share/common-licenses/{name}")

least = {}
for path in [*origin, roots[0], engine]:
    for family, number in re.findall(r"\b(GLIBC|GLIBCXX|CXXABI)_([0-9]+(?:\.[0-9]+)+)\b", bundle.run("objdump", "-T", path)):
        least[family] = max(least.get(family, (0,)), tuple(map(int, number.split("."))))
print(f"{len(libraries)} libraries and {len(PLUGINS)} plugins of {len(packages)} packages")
print("from the system:", " ".join(sorted(host)))
print("needs at least", ", ".join(f"{family} {'.'.join(map(str, number))}" for family, number in sorted(least.items())))
