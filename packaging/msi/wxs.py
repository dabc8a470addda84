#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes for wixl the installer of a staged folder; prints the XML.

Windows knows a product, and each file of it, by GUIDs. They are made of names here: those of the
files stay the same in every version, the product's changes with the version. (The package's is made
by settle.py.)"""

import argparse
import hashlib
import os
import re
import uuid
import xml.etree.ElementTree as xml

# Never to change: with another one, Windows takes the next version for a different program.
FAMILY = uuid.UUID("b5fbb13b-a2c5-4f45-ab7e-75b34a397603")
NAME = "Moru Desktop"
PROGRAM = "moru-desktop.exe"
ICON = "moru_desktop.ico"
# The folders and the registry's root that a user may write, or only an administrator.
SCOPES = {
    "user": ("perUser", "LocalAppDataFolder", "HKCU"),
    "machine": ("perMachine", "ProgramFiles64Folder", "HKLM"),
}


def identifier(kind, path):
    return kind + hashlib.sha256(path.encode()).hexdigest()[:24]


class Installer:
    def __init__(self, stage, version, scope, icon):
        self.stage, self.version, self.scope, self.icon = stage, version, scope, icon
        self.install_scope, self.base, self.registry = SCOPES[scope]
        self.components = []

    def guid(self, name):
        return str(uuid.uuid5(FAMILY, f"{self.scope}/{name}")).upper()

    def component(self, parent, name):
        key = identifier("c", name)
        self.components.append(key)
        return xml.SubElement(parent, "Component", Id=key, Guid=self.guid(name), Win64="yes")

    def add_mark(self, component, name, value):
        """By which Windows sees that a component without a file is there."""
        xml.SubElement(component, "RegistryValue", Root=self.registry, Key=f"Software\\Moru\\{NAME}", Name=name,
                       Type="string", Value=value, KeyPath="yes")

    def add_files(self, parent, folder):
        for name in sorted(os.listdir(os.path.join(self.stage, folder))):
            relative = os.path.join(folder, name)
            path = os.path.join(self.stage, relative)
            if os.path.isdir(path):
                below = xml.SubElement(parent, "Directory", Id=identifier("d", relative), Name=name)
                self.add_files(below, relative)
                continue
            component = self.component(parent, f"file/{relative}")
            xml.SubElement(component, "File", Id=identifier("f", relative), Name=name, Source=path, KeyPath="yes")

    def document(self):
        root = xml.Element("Wix", xmlns="http://schemas.microsoft.com/wix/2006/wi")
        product = xml.SubElement(root, "Product", Id=self.guid(f"product/{self.version}"), Name=NAME,
                                 Manufacturer="Moru", Version=self.version, Language="1033",
                                 UpgradeCode=self.guid("upgrade"))
        xml.SubElement(product, "Package", InstallerVersion="500", Compressed="yes",
                       InstallScope=self.install_scope, Manufacturer="Moru", Description=f"{NAME} {self.version}")
        xml.SubElement(product, "MajorUpgrade",
                       DowngradeErrorMessage=f"A newer version of {NAME} is installed already.")
        xml.SubElement(product, "Media", Id="1", Cabinet="moru.cab", EmbedCab="yes")
        xml.SubElement(product, "Icon", Id=ICON, SourceFile=self.icon)
        # Nothing can be chosen at install time, so that there is nothing to change later.
        for name, value in {"ARPPRODUCTICON": ICON, "ARPNOMODIFY": "1", "ARPNOREPAIR": "1",
                            "ARPURLINFOABOUT": "https://moru.io/"}.items():
            xml.SubElement(product, "Property", Id=name, Value=value)

        target = xml.SubElement(product, "Directory", Id="TARGETDIR", Name="SourceDir")
        place = xml.SubElement(target, "Directory", Id=self.base)
        if self.scope == "user":
            place = xml.SubElement(place, "Directory", Id="PROGRAMS", Name="Programs")
            # Windows removes the folders of components, but not those above, which it made too. It
            # goes only if it is empty then.
            above = self.component(place, "programs")
            xml.SubElement(above, "RemoveFolder", Id="RemovePrograms", On="uninstall")
            self.add_mark(above, "Installed", self.version)
        folder = xml.SubElement(place, "Directory", Id="INSTALLDIR", Name=NAME)
        self.add_files(folder, "")

        menu = xml.SubElement(target, "Directory", Id="ProgramMenuFolder")
        shortcut = self.component(menu, "shortcut")
        xml.SubElement(shortcut, "Shortcut", Id="MenuShortcut", Name=NAME, Target=f"[INSTALLDIR]{PROGRAM}",
                       WorkingDirectory="INSTALLDIR", Icon=ICON)
        self.add_mark(shortcut, "InstallDir", "[INSTALLDIR]")

        feature = xml.SubElement(product, "Feature", Id="Main", Level="1", Title=NAME)
        for component in self.components:
            xml.SubElement(feature, "ComponentRef", Id=component)
        xml.indent(root)
        return xml.tostring(root, encoding="unicode", xml_declaration=True)


def version_number(text):
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}\.\d{1,5}", text):
        raise argparse.ArgumentTypeError("three numbers are needed, as 1.2.3")
    return text


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("stage")
    arguments.add_argument("--version", type=version_number, required=True)
    arguments.add_argument("--scope", choices=SCOPES, default="user")
    arguments.add_argument("--icon", required=True)
    options = arguments.parse_args()
    print(Installer(options.stage, options.version, options.scope, options.icon).document())


if __name__ == "__main__":
    main()
