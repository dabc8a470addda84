# SPDX-License-Identifier: GPL-3.0-or-later
"""More of the Python SDK's surface than the document's programs touch."""

import asyncio
import datetime
import sys
import time
import unittest
import urllib.error
import urllib.request

from support import Engine

engine = Engine()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("condition did not come true")
        time.sleep(0.02)


class Sdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        engine.apply()
        from moru import Sandbox
        cls.sandbox = Sandbox.create(envs={"COLOUR": "teal"}, metadata={"user name": "a&b=c"}, timeout=600)

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.kill()

    def test_command_results(self):
        from moru import CommandExitException
        with self.assertRaises(CommandExitException) as caught:
            self.sandbox.commands.run("echo out; echo err >&2; exit 7")
        self.assertEqual((caught.exception.exit_code, caught.exception.stdout, caught.exception.stderr),
                         (7, "out\n", "err\n"))
        self.assertEqual(self.sandbox.commands.run("echo $COLOUR").stdout, "teal\n")
        self.assertEqual(self.sandbox.commands.run("whoami", user="root").stdout, "root\n")
        self.assertEqual(self.sandbox.commands.run("pwd", cwd="/tmp").stdout, "/tmp\n")

    def test_big_output_arrives_whole(self):
        result = self.sandbox.commands.run("head -c 5000000 /dev/zero | tr '\\0' x; echo end >&2")
        self.assertEqual(len(result.stdout), 5_000_000)
        self.assertEqual(result.stderr, "end\n")

    def test_time_limit_ends_a_command(self):
        from moru import TimeoutException
        with self.assertRaises(TimeoutException):
            self.sandbox.commands.run("sleep 60", timeout=0.5)

    def test_background_stdin_list_connect_kill(self):
        handle = self.sandbox.commands.run("cat", background=True, stdin=True)
        self.sandbox.commands.send_stdin(handle.pid, "one\n")
        self.assertIn(handle.pid, [p.pid for p in self.sandbox.commands.list()])
        self.assertTrue(self.sandbox.commands.kill(handle.pid))
        until(lambda: handle.pid not in [p.pid for p in self.sandbox.commands.list()])
        self.assertFalse(self.sandbox.commands.kill(handle.pid))

    def test_files(self):
        from moru import InvalidArgumentException, NotFoundException
        files = self.sandbox.files
        files.write("sub/a.txt", "text")
        files.write_files([{"path": "sub/b.txt", "data": b"\x00\xff"}, {"path": "/data/c.txt", "data": "c"}])
        self.assertEqual(files.read("sub/a.txt"), "text")
        self.assertEqual(bytes(files.read("sub/b.txt", format="bytes")), b"\x00\xff")
        self.assertEqual(sorted(e.name for e in files.list("sub")), ["a.txt", "b.txt"])
        info = files.get_info("sub/a.txt")
        self.assertEqual((info.owner, info.group, info.mode, info.permissions, info.path),
                         ("user", "user", 0o644, "-rw-r--r--", "/home/user/sub/a.txt"))
        self.assertLess(abs(info.modified_time.timestamp() - time.time()), 60)
        self.assertTrue(files.make_dir("sub/deep/deeper"))
        self.assertFalse(files.make_dir("sub/deep"))
        files.rename("sub/a.txt", "sub/deep/z.txt")
        self.assertFalse(files.exists("sub/a.txt"))
        with self.assertRaises(NotFoundException):
            files.read("sub/a.txt")
        with self.assertRaises(InvalidArgumentException):
            files.list("sub/b.txt")
        files.remove("sub")
        self.assertFalse(files.exists("sub"))

    def test_watching_a_folder(self):
        self.sandbox.files.make_dir("watched")
        handle = self.sandbox.files.watch_dir("watched")
        self.sandbox.files.write("watched/new.txt", "x")
        seen = []
        until(lambda: seen.extend(handle.get_new_events()) or "new.txt" in [e.name for e in seen])
        handle.stop()

    def test_list_pages_and_filters(self):
        from moru import Sandbox
        from moru.sandbox.sandbox_api import SandboxQuery
        more = [Sandbox.create(metadata={"page": "yes"}).sandbox_id for _ in range(3)]
        try:
            paginator = Sandbox.list(query=SandboxQuery(metadata={"page": "yes"}), limit=2)
            first = [i.sandbox_id for i in paginator.next_items()]
            self.assertTrue(paginator.has_next)
            second = [i.sandbox_id for i in paginator.next_items()]
            self.assertFalse(paginator.has_next)
            self.assertEqual((len(first), len(second)), (2, 1))
            self.assertEqual(sorted(first + second), sorted(more))
            found = Sandbox.list(query=SandboxQuery(metadata={"user name": "a&b=c"})).next_items()
            self.assertEqual([i.sandbox_id for i in found], [self.sandbox.sandbox_id])
        finally:
            for sandbox_id in more:
                Sandbox.kill(sandbox_id)

    def test_info_timeout_metrics(self):
        from moru import Sandbox
        info = self.sandbox.get_info()
        self.assertEqual(info.template_id, "base")
        self.assertEqual(info.metadata, {"user name": "a&b=c"})
        self.sandbox.set_timeout(1200)
        left = self.sandbox.get_info().end_at - datetime.datetime.now(datetime.timezone.utc)
        self.assertLess(abs(left.total_seconds() - 1200), 30)
        until(lambda: self.sandbox.get_metrics())
        metric = self.sandbox.get_metrics()[-1]
        self.assertGreater(metric.mem_used, 0)
        self.assertGreaterEqual(metric.mem_total, metric.mem_used)
        short = Sandbox.create(timeout=1)
        until(lambda: not short.is_running())

    def test_signed_urls(self):
        self.sandbox.files.write("signed.txt", "by signature")
        url = self.sandbox.download_url("signed.txt", use_signature_expiration=60)
        self.assertEqual(urllib.request.urlopen(url, timeout=30).read(), b"by signature")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.replace("signature=v1_", "signature=v1_x"), timeout=30)
        self.assertEqual(caught.exception.code, 401)

    def test_a_wrong_key_is_refused(self):
        from moru import Sandbox
        from moru.exceptions import AuthenticationException
        with self.assertRaises(AuthenticationException):
            Sandbox.create(api_key="moru_" + "0" * 40)

    def test_async_sandbox(self):
        from moru import AsyncSandbox

        async def life():
            async with await AsyncSandbox.create() as sandbox:
                outputs = await asyncio.gather(*(sandbox.commands.run(f"echo {i}") for i in range(10)))
                self.assertEqual([o.stdout for o in outputs], [f"{i}\n" for i in range(10)])
                events = []
                watch = await sandbox.files.watch_dir("/home/user", on_event=events.append)
                await sandbox.files.write("async.txt", "x")
                for _ in range(400):
                    if "async.txt" in [e.name for e in events]:
                        break
                    await asyncio.sleep(0.02)
                self.assertIn("async.txt", [e.name for e in events])
                await watch.stop()
                await sandbox.beta_pause()
                await sandbox.connect()
                self.assertEqual(await sandbox.files.read("async.txt"), "x")
            self.assertFalse(await sandbox.is_running())

        asyncio.run(life())


if __name__ == "__main__":
    with engine:
        program = unittest.main(exit=False, verbosity=2)
    sys.exit(not program.result.wasSuccessful())
