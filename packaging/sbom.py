#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the bill of materials (SPDX 2.3, JSON) of a build, from the packages really linked.

  sbom.py --build DIR --kind deb|appimage [--bundled FILE] [--program FILE]... --output FILE
  sbom.py --build DIR --kind msi --bundled FILE --output FILE

--bundled is the list appdir.py writes: one package per line, as dpkg names it. Without it the
packages of the libraries that --program needs are listed as dependencies, not as contents.
For an MSI it has a line for each cross-built source package: its name, its version and the path of
its copyright file, with tabs between. SOURCE_DATE_EPOCH gives the time.
"""
import argparse
import datetime
import hashlib
import json
import os
import re

import bundle

parser = argparse.ArgumentParser()
parser.add_argument("--build", required=True)
parser.add_argument("--kind", choices=("deb", "appimage", "msi"), required=True)
parser.add_argument("--bundled")
parser.add_argument("--program", action="append", default=[])
parser.add_argument("--output", required=True)
options = parser.parse_args()

version = bundle.project_version(options.build)
system = dict(re.findall(r'^(\w+)="?([^"\n]*)', open("/etc/os-release", encoding="utf-8").read(), re.M))
distribution = system.get("ID", "debian")
release = f"{distribution}-{system.get('VERSION_ID', '')}".rstrip("-")


def identifier(text):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", text)


def installed(package):
    """The entry of a package that dpkg knows on this machine."""
    known = bundle.details(package)
    return entry(known["name"], known["version"], known["architecture"],
                 bundle.licences(bundle.copyright_file(known["name"])),
                 f"built from source package {known['source']} {known['sourceVersion']}")


def cross_built(line):
    """The entry of a source package that was built for another system."""
    name, package_version, copyright_file = line.split("\t")
    return entry(name, package_version, "source", bundle.licences(copyright_file), "cross-built from this source package")


def entry(name, package_version, architecture, named, source):
    result = {
        "SPDXID": identifier("Package-" + name),
        "name": name,
        "versionInfo": package_version,
        "supplier": f"Organization: {distribution.capitalize()}",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "sourceInfo": source,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/{distribution}/{name}@"
                                f"{package_version.replace('+', '%2B').replace(':', '%3A')}"
                                f"?arch={architecture}&distro={release}",
        }],
    }
    if named:
        result["licenseComments"] = "named in its copyright file: " + ", ".join(named)
    return result


bundled = []
if options.bundled:
    with open(options.bundled, encoding="utf-8") as file:
        bundled = [line for line in file.read().splitlines() if line.strip()]
parts = {"STATIC_LINK": [], "CONTAINS": [], "DYNAMIC_LINK": []}
if options.kind == "msi":
    parts["CONTAINS"] = sorted((cross_built(line) for line in bundled), key=lambda part: part["name"])
else:
    depends = set()
    if not bundled:
        for program in options.program:
            depends.update(bundle.packages_of(bundle.resolved(program).values()).values())
    inside = bundle.compiled_in(options.build, static=options.kind == "appimage")
    for kind, names in (("STATIC_LINK", inside), ("CONTAINS", {line.split()[0] for line in bundled}),
                        ("DYNAMIC_LINK", depends - {None})):
        parts[kind] = [installed(name) for name in sorted(names)]

root = identifier("Package-moru-desktop")
packages = [{
    "SPDXID": root,
    "name": "moru-desktop",
    "versionInfo": version,
    "supplier": "Organization: Moru Desktop contributors",
    "downloadLocation": "NOASSERTION",
    "filesAnalyzed": False,
    "licenseConcluded": "GPL-3.0-or-later",
    "licenseDeclared": "GPL-3.0-or-later",
    "copyrightText": "2026 Moru Desktop contributors",
    "primaryPackagePurpose": "APPLICATION",
}]
relationships = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                  "relatedSpdxElement": root}]
for kind, entries in parts.items():
    for package in entries:
        if all(known["SPDXID"] != package["SPDXID"] for known in packages):
            packages.append(package)
        relationships.append({"spdxElementId": root, "relationshipType": kind,
                              "relatedSpdxElement": package["SPDXID"]})

epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
content = json.dumps([packages, relationships], sort_keys=True)
document = {
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": f"moru-desktop-{version}-{options.kind}",
    "documentNamespace": f"https://moru.io/spdx/moru-desktop-{version}-{options.kind}-"
                         + hashlib.sha256(content.encode()).hexdigest()[:16],
    "creationInfo": {
        "created": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
                   .strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creators": ["Tool: moru-desktop-packaging-sbom.py"],
    },
    "packages": packages,
    "relationships": relationships,
}
with open(options.output, "w", encoding="utf-8") as file:
    json.dump(document, file, indent=1)
    file.write("\n")
print(f"{options.output}: {len(packages)} packages")
