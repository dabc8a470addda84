# SPDX-License-Identifier: GPL-3.0-or-later
"""E2B's own client, unmodified, with nothing but the E2B_ variables of `moru-local env`."""

import sys
import unittest

from support import Engine

engine = Engine()


class E2b(unittest.TestCase):
    def test_life_of_a_sandbox(self):
        engine.apply()
        from e2b import Sandbox
        from e2b.exceptions import NotFoundException
        sandbox = Sandbox.create(metadata={"who": "e2b"})
        try:
            self.assertEqual(sandbox.commands.run("echo hi").stdout, "hi\n")
            sandbox.files.write("/data/a.txt", "kept")
            self.assertEqual(sandbox.files.read("/data/a.txt"), "kept")
            self.assertEqual([e.name for e in sandbox.files.list("/data")], ["a.txt"])
            self.assertTrue(sandbox.is_running())
        finally:
            sandbox.kill()
        self.assertFalse(sandbox.is_running())
        with self.assertRaises(NotFoundException):
            Sandbox.connect(sandbox.sandbox_id)


if __name__ == "__main__":
    with engine:
        program = unittest.main(exit=False, verbosity=2)
    sys.exit(not program.result.wasSuccessful())
