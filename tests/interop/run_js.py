# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the JavaScript SDK's tests against a moru-local of their own."""

import os
import pathlib
import subprocess
import sys

from support import HERE, Engine

interop = pathlib.Path(os.environ["MORU_INTEROP_DIR"])
node = interop / "venv" / "bin" / "node"
with Engine() as engine:
    environment = {**engine.environment(), "MORU_JS_ROOT": str(interop / "js")}
    sys.exit(subprocess.run([node, "--test", str(HERE / "js" / "seed.test.mjs")],
                            env=environment, timeout=280).returncode)
