# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs are made of, asked from dpkg: shared by appdir.py and sbom.py."""
import glob
import os
import re
import subprocess


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def needed(path):
    """The libraries a file names itself."""
    return re.findall(r"\(NEEDED\).*\[(.+?)\]", run("readelf", "-d", path))


def resolved(path):
    """Name -> file of everything the loader would load for `path`."""
    text = run("ldd", path)
    missing = re.findall(r"^\s*(\S+) => not found", text, re.M)
    if missing:
        raise SystemExit(f"{path}: {', '.join(missing)} not found")
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", text, re.M))


def packages_of(paths):
    """File -> the Debian package it belongs to, or None; one question for all of them."""
    # Before the merge of /usr, packages listed /lib/...; dpkg still knows those names.
    names = {}
    for path in paths:
        real = os.path.realpath(path)
        names[path] = list(dict.fromkeys((path, real, real.replace("/usr/lib/", "/lib/", 1),
                                          path.replace("/lib/", "/usr/lib/", 1) if path.startswith("/lib/") else path)))
    answer = subprocess.run(["dpkg-query", "-S", *sorted({n for all in names.values() for n in all})],
                            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    owner = {}
    for line in answer.stdout.splitlines():
        package, _, file = line.partition(": ")
        if not line.startswith("diversion "):
            owner.setdefault(file, package.split(",")[0])
    return {path: next((owner[n] for n in candidates if n in owner), None)
            for path, candidates in names.items()}


def details(package):
    """name, version, source, source version, architecture of an installed package."""
    text = run("dpkg-query", "-W", "-f",
               "${Package}\\t${Version}\\t${source:Package}\\t${source:Version}\\t${Architecture}\\n", package)
    name, version, source, source_version, architecture = text.splitlines()[0].split("\t")
    return {"name": name, "version": version, "source": source, "sourceVersion": source_version,
            "architecture": architecture}


def copyright_file(name):
    path = f"/usr/share/doc/{name}/copyright"
    return path if os.path.exists(path) else None


def licences(path):
    """The short names in a package's copyright file, in the order in which they come."""
    if not path:
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return list(dict.fromkeys(re.findall(r"^Licen[sc]e: *(\S[^\n]*)", file.read(), re.M)))


def cache(build):
    """CMake's cache as a dictionary."""
    with open(f"{build}/CMakeCache.txt", encoding="utf-8") as file:
        return dict(re.findall(r"^([A-Za-z0-9_.]+):[A-Z]+=(.*)$", file.read(), re.M))


def compiled_in(build, static):
    """Packages whose code is inside our programs: header-only libraries and, if `static`, the
    archives of moru-local-portable and of the AppImage's runtime."""
    files = [path for path in ("/usr/include/tl/expected.hpp",) if os.path.exists(path)]
    values = cache(build)
    includes = values.get("Boost_INCLUDE_DIR", "/usr/include")
    files += glob.glob(f"{includes}/boost/version.hpp")
    if static:
        files += [path for key, path in values.items() if key.startswith("MORU_STATIC_")]
        compiler = values["CMAKE_CXX_COMPILER"]
        # The last four are in the AppImage's runtime (appimage/runtime.c).
        for archive in ("libstdc++.a", "libgcc.a", "libsquashfuse_ll.a", "libfuse3.a", "libzstd.a", "libc.a"):
            files.append(os.path.realpath(run(compiler, f"-print-file-name={archive}").strip()))
    return sorted({package for package in packages_of(files).values() if package})


def project_version(build):
    return cache(build)["CMAKE_PROJECT_VERSION"]
