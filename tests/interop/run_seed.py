# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the programs of seed/ against moru-local with the real Moru SDK and checks what they did."""

import pathlib
import subprocess
import sys
import unittest

from support import HERE, Engine

engine = Engine()
PLACEHOLDER = "sbx_abc123..."


def run(name, **replacements):
    """Runs seed/NAME with text replaced; returns its standard output."""
    text = (HERE / "seed" / name).read_text()
    for old, new in replacements.pop("replace", {}).items():
        assert text.count(old) >= 1, f"{name} has no {old!r} to replace"
        text = text.replace(old, new)
    result = subprocess.run([sys.executable, "-c", text], env=engine.environment(), text=True,
                            capture_output=True, timeout=120)
    if result.returncode != 0:
        raise AssertionError(f"{name} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


class Seed(unittest.TestCase):
    def setUp(self):
        engine.apply()

    def tearDown(self):
        for sandbox_id in self.listed():
            self.sdk().kill(sandbox_id)

    @staticmethod
    def sdk():
        from moru import Sandbox
        return Sandbox

    def listed(self):
        ids = []
        paginator = self.sdk().list()
        while paginator.has_next:
            ids += [info.sandbox_id for info in paginator.next_items()]
        return ids

    def test_basic_usage(self):
        output = run("basic_usage.py", replace={
            "# Terminate the sandbox": "print(result.stdout, result.exit_code, sandbox.sandbox_id)"})
        hello, code_and_id = output.splitlines()[0], output.splitlines()[-1].split()
        self.assertEqual(hello, "Hello")
        self.assertEqual(code_and_id[0], "0")
        self.assertNotIn(code_and_id[1], self.listed())
        self.assertFalse(self.sdk().kill(code_and_id[1]), "it should be gone already")

    def test_kill_by_id(self):
        sandbox = self.sdk().create()
        self.assertIn(sandbox.sandbox_id, self.listed())
        run("kill_by_id.py", replace={PLACEHOLDER: sandbox.sandbox_id})
        self.assertNotIn(sandbox.sandbox_id, self.listed())
        self.assertFalse(sandbox.is_running())

    def test_kill_by_an_id_that_never_was(self):
        run("kill_by_id.py")

    def test_context_manager(self):
        self.assertEqual(run("context_manager.py"), "Hello\n\n")
        self.assertEqual(self.listed(), [])

    def test_async(self):
        self.assertEqual(run("async_context_manager.py"), "Hello\n\n")
        self.assertEqual(self.listed(), [])

    def test_pause(self):
        # The document's ID is that of the sandbox paused just before.
        output = run("pause.py", replace={f'"{PLACEHOLDER}"': "sandbox.sandbox_id"})
        self.assertEqual(output, "Preserve this!\n")
        self.assertEqual(len(self.listed()), 1)

    def test_error_handling(self):
        sandbox = self.sdk().create()
        program = {PLACEHOLDER: sandbox.sandbox_id}
        self.assertEqual(run("error_handling.py", replace=program), "")
        self.assertNotIn(sandbox.sandbox_id, self.listed())
        self.assertEqual(run("error_handling.py", replace=program), "Sandbox already terminated\n")
        self.assertEqual(run("error_handling.py"), "Sandbox already terminated\n")

    def test_kill_multiple(self):
        Sandbox = self.sdk()
        ours = [Sandbox.create(metadata={"environment": "development"}).sandbox_id for _ in range(2)]
        other = Sandbox.create(metadata={"environment": "production"}).sandbox_id
        with self.assertRaises(TypeError, msg="this SDK can iterate now: run the document's lines as they are"):
            iter(Sandbox.list())
        output = run("kill_multiple.py", replace={
            "for info in Sandbox.list():": "paginator = Sandbox.list()\n"
                                           "items = []\n"
                                           "while paginator.has_next:\n"
                                           "    items += paginator.next_items()\n"
                                           "for info in items:"})
        self.assertEqual(sorted(output.splitlines()), sorted(f"Killed {i}" for i in ours))
        self.assertEqual(self.listed(), [other])

    def test_graceful_shutdown(self):
        server = (pathlib.Path(HERE) / "seed" / "server.py").read_text()
        output = run("graceful_shutdown.py", replace={
            "# Start a background process":
                f"sandbox.files.write('server.py', {server!r})",
            "# Graceful shutdown":
                "sandbox.commands.run('until [ -e server-up ]; do sleep 0.05; done')",
            "# Now kill":
                "print(sandbox.files.read('stopped-gracefully'), sandbox.commands.list())"})
        self.assertEqual(output, "yes []\n")
        self.assertEqual(self.listed(), [])


if __name__ == "__main__":
    with engine:
        program = unittest.main(exit=False, verbosity=2)
    sys.exit(not program.result.wasSuccessful())
