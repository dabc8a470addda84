#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an installer of wixl depend on its contents only.

wixl gives each package a random code and the time of the clock. The code becomes one made of all
other bytes, the times the one given, so that the same contents give the same file."""

import argparse
import hashlib
import re
import struct
import subprocess
import uuid

NAMESPACE = uuid.UUID("c7e194b2-d170-41af-951e-fe868040d627")
VT_FILETIME = struct.pack("<I", 0x40)
EPOCH_1601 = 11644473600


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file")
    arguments.add_argument("time", type=int, help="in seconds since 1970")
    options = arguments.parse_args()

    summary = subprocess.run(["msiinfo", "suminfo", options.file], check=True, capture_output=True, text=True).stdout
    code = re.search(r"^Revision number \(UUID\): (\{[0-9A-F-]{36}\})\r?$", summary, re.MULTILINE).group(1).encode()
    with open(options.file, "rb") as file:
        content = bytearray(file.read())
    # The summary's values follow each other: the code as text, then created and saved as times.
    places = [match.start() for match in re.finditer(re.escape(code), content)]
    if len(places) != 1:
        raise SystemExit(f"settle: the package's code is in {options.file} {len(places)} times")
    start = places[0]
    times = [start + len(code) + 2 + 12 * i for i in range(2)]
    for place in times:
        if content[place:place + 4] != VT_FILETIME:
            raise SystemExit(f"settle: {options.file} has no time where one was expected")

    content[start:start + len(code)] = bytes(len(code))
    for place in times:
        content[place + 4:place + 12] = struct.pack("<Q", (options.time + EPOCH_1601) * 10_000_000)
    made = uuid.uuid5(NAMESPACE, hashlib.sha256(content).hexdigest())
    content[start:start + len(code)] = f"{{{str(made).upper()}}}".encode()
    with open(options.file, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main()
