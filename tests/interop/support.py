# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts moru-local for a test and gives the environment that points an SDK at it."""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MORU_LOCAL = pathlib.Path(os.environ["MORU_BIN_DIR"]) / "moru-local"


class Engine:
    """One moru-local on free ports with a state directory of its own."""

    def __enter__(self):
        self.state = tempfile.mkdtemp(prefix="moru-interop-")
        self.log = open(os.path.join(self.state, "test-engine.log"), "w+")
        self.process = subprocess.Popen(
            [MORU_LOCAL, "serve", "--listen", "127.0.0.1:0", "--state-dir", self.state + "/engine"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            sys.exit("moru-local did not start:\n" + self.log.read())
        self.ready = json.loads(line)
        printed = subprocess.run([MORU_LOCAL, "env", "--state-dir", self.state + "/engine"],
                                 check=True, capture_output=True, text=True).stdout
        self.variables = {}
        for word in shlex.split(printed):
            name, separator, value = word.partition("=")
            if separator:
                self.variables[name] = value
        return self

    def environment(self):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MORU_", "E2B_"))}
        return {**inherited, **self.variables, "PYTHONDONTWRITEBYTECODE": "1"}

    def apply(self):
        """Points this very process at the engine."""
        for name in [k for k in os.environ if k.startswith(("MORU_", "E2B_"))]:
            if name != "MORU_BIN_DIR":
                del os.environ[name]
        os.environ.update(self.variables)

    def __exit__(self, *exc):
        subprocess.run([MORU_LOCAL, "stop", "--state-dir", self.state + "/engine"],
                       capture_output=True, timeout=60)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        subprocess.run([MORU_LOCAL, "reset", "--yes", "--state-dir", self.state + "/engine"],
                       capture_output=True, timeout=120)
        if exc[0] is not None:
            self.log.seek(0)
            sys.stderr.write("--- engine log ---\n" + self.log.read()[-8000:])
        self.log.close()
        shutil.rmtree(self.state, ignore_errors=True)
