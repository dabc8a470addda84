# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sandbox of a real moru-local can reach of its host, of other sandboxes, and who may call it.

Runs as whoever started it; as_users.sh starts it as root and as normal users. Standard library only.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

MORU_LOCAL = os.path.join(os.environ["MORU_BIN_DIR"], "moru-local")
# Any place where this shows up inside a sandbox is a leak; so it is never part of a command.
MARKER = "moru-marker-" + secrets.token_hex(8)
# The name of a file that holds it, and a pattern that finds the name and not itself.
NAME = "moru-name-" + secrets.token_hex(8)
PATTERN = NAME.replace("name", "[n]ame") + "*"


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("condition did not come true")
        time.sleep(0.02)


class Engine:
    def __init__(self, folder):
        self.state = os.path.join(folder, "engine")
        self.log_path = os.path.join(folder, "log")
        self.start()

    def start(self):
        self.log = open(self.log_path, "a")
        self.process = subprocess.Popen(
            [MORU_LOCAL, "serve", "--listen", "127.0.0.1:0", "--state-dir", self.state],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, "SECRET_OF_THE_HOST": MARKER})
        line = self.process.stdout.readline()
        if not line:
            sys.exit("moru-local did not start:\n" + pathlib.Path(self.log_path).read_text())
        ready = json.loads(line)
        self.api = urllib.parse.urlsplit(ready["apiUrl"]).netloc
        self.data = urllib.parse.urlsplit(ready["sandboxUrl"]).netloc
        self.key = pathlib.Path(ready["keyFile"]).read_text().strip()

    def stop(self):
        subprocess.run([MORU_LOCAL, "stop", "--state-dir", self.state], check=True, capture_output=True, timeout=60)
        self.process.wait(30)
        self.log.close()

    def control(self, method, path, body=None, key=None, headers=None):
        connection = http.client.HTTPConnection(self.api, timeout=60)
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        key = self.key if key is None else key
        if key:
            all_headers["X-API-Key"] = key
        connection.request(method, path, None if body is None else json.dumps(body), all_headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def create(self, **fields):
        status, body = self.control("POST", "/sandboxes", {"templateID": "base", "timeout": 600, "secure": True, **fields})
        assert status == 201, (status, body)
        return Sandbox(self, body)


class Sandbox:
    def __init__(self, engine, answer):
        self.engine = engine
        self.id = answer["sandboxID"]
        self.token = answer["envdAccessToken"]

    def request(self, method, path, body=None, headers=None, token=None):
        connection = http.client.HTTPConnection(self.engine.data, timeout=120)
        connection.request(method, path, body, {
            "Moru-Sandbox-Id": self.id, "Moru-Sandbox-Port": "49983",
            "X-Access-Token": self.token if token is None else token, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def run(self, command, user="root", timeout_ms=60000):
        """(stdout + stderr, exit code) of one command."""
        message = json.dumps({"process": {"cmd": "/bin/bash", "args": ["-l", "-c", command]}, "stdin": False}).encode()
        status, body = self.request(
            "POST", "/process.Process/Start", struct.pack(">BI", 0, len(message)) + message,
            {"Content-Type": "application/connect+json", "Connect-Timeout-Ms": str(timeout_ms),
             "Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()})
        assert status == 200, (status, body)
        output, code = b"", None
        while body:
            flags, size = struct.unpack(">BI", body[:5])
            frame, body = json.loads(body[5:5 + size]), body[5 + size:]
            if flags & 2:
                assert "error" not in frame, frame
                break
            event = frame.get("event", {})
            for stream in ("stdout", "stderr"):
                output += base64.b64decode(event.get("data", {}).get(stream, ""))
            if "end" in event:
                code = event["end"].get("exitCode", 0)
        return output.decode(errors="replace"), code

    def kill(self):
        return self.engine.control("DELETE", "/sandboxes/" + self.id)[0]


class Isolation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="moru-isolation-")
        cls.engine = Engine(cls.folder)
        cls.one = cls.engine.create()
        cls.two = cls.engine.create()

    @classmethod
    def tearDownClass(cls):
        for sandbox in (cls.one, cls.two):
            sandbox.kill()
        cls.engine.stop()
        subprocess.run([MORU_LOCAL, "reset", "--yes", "--state-dir", cls.engine.state], check=True,
                       capture_output=True, timeout=120)
        # What reset leaves behind would make this fail: subordinate-uid files included.
        shutil.rmtree(cls.folder)

    def refused(self, sandbox, command, user="root"):
        output, code = sandbox.run(command, user)
        self.assertNotEqual(code, 0, f"{command!r} worked: {output}")
        self.assertNotIn(MARKER, output)

    # --- who may call -------------------------------------------------------------------------

    def test_without_the_key_every_endpoint_answers_401(self):
        sandbox = self.one.id
        for method, path in [
                ("GET", "/sandboxes"), ("POST", "/sandboxes"), ("GET", "/v2/sandboxes"), ("GET", "/v2/sandbox-runs"),
                ("GET", "/sandboxes/metrics?sandbox_ids=" + sandbox), ("GET", "/sandboxes/" + sandbox),
                ("DELETE", "/sandboxes/" + sandbox), ("GET", f"/sandboxes/{sandbox}/logs"),
                ("GET", f"/sandboxes/{sandbox}/metrics"), ("POST", f"/sandboxes/{sandbox}/pause"),
                ("POST", f"/sandboxes/{sandbox}/resume"), ("POST", f"/sandboxes/{sandbox}/connect"),
                ("POST", f"/sandboxes/{sandbox}/timeout"), ("POST", f"/sandboxes/{sandbox}/refreshes"),
                ("GET", "/templates"), ("GET", "/templates/base"), ("GET", "/teams"), ("GET", "/no/such/route")]:
            for key in ("", "moru_" + "0" * 40, "nonsense", self.engine.key + "0"):
                with self.subTest(method=method, path=path, key=bool(key)):
                    status, body = self.engine.control(method, path, {} if method == "POST" else None, key=key)
                    self.assertEqual(status, 401)
                    self.assertEqual(body["code"], 401)
                    self.assertIsInstance(body["message"], str)
        self.assertEqual(self.engine.control("GET", "/sandboxes/" + sandbox)[0], 200, "it must still be there")

    def test_health_and_preflight_need_no_key(self):
        connection = http.client.HTTPConnection(self.engine.api, timeout=60)
        connection.request("GET", "/health")
        self.assertEqual(connection.getresponse().status, 200)
        connection = http.client.HTTPConnection(self.engine.api, timeout=60)
        connection.request("OPTIONS", "/sandboxes", headers={
            "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key"})
        answer = connection.getresponse()
        self.assertIn(answer.status, (200, 204))
        self.assertTrue(answer.getheader("Access-Control-Allow-Origin"))

    def test_a_foreign_host_name_is_refused(self):
        # A web page that rebinds its name to 127.0.0.1 arrives with its own name in Host.
        status, _ = self.engine.control("GET", "/v2/sandboxes", headers={"Host": "attacker.example"})
        self.assertIn(status, (400, 403))

    def test_without_its_token_a_sandbox_answers_401(self):
        for token in ("", self.two.token, "0" * 64):
            for method, path in [("GET", "/files?path=/etc/hostname"), ("POST", "/process.Process/List"),
                                 ("POST", "/filesystem.Filesystem/Stat"), ("GET", "/metrics"), ("GET", "/envs")]:
                with self.subTest(path=path, token=token[:4]):
                    status, body = self.one.request(method, path, "{}" if method == "POST" else None,
                                                    {"Content-Type": "application/json"}, token=token)
                    self.assertEqual(status, 401, body)

    def test_files_of_the_engine_belong_to_its_user_alone(self):
        for path in (self.engine.state, os.path.join(self.engine.state, "key"), os.path.join(self.engine.state, "engine.json")):
            info = os.stat(path)
            self.assertEqual(info.st_mode & 0o077, 0, path)
            self.assertEqual(info.st_uid, os.geteuid())

    # --- what a sandbox can reach ---------------------------------------------------------------

    def test_files_of_the_host_are_invisible(self):
        home = pathlib.Path.home()
        with contextlib.ExitStack() as stack:
            for folder in {home, pathlib.Path("/tmp"), pathlib.Path("/var/tmp"), pathlib.Path(self.folder)}:
                path = folder / NAME
                path.write_text(MARKER)
                stack.callback(path.unlink)
                for user in ("root", "user"):
                    self.refused(self.one, f"cat '{path}'", user)
                    self.refused(self.one, f"cat '/proc/1/root{path}'", user)
            output, _ = self.one.run(f"find / -xdev -name '{PATTERN}' 2>/dev/null; ls -A /home /root /run /mnt /media /srv")
            self.assertNotIn(NAME, output)
            self.assertEqual(self.one.run("ls /home")[0], "user\n")

    def test_secrets_of_a_privileged_host_are_invisible(self):
        for path in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private", "/var/lib/private"):
            if not os.path.exists(path) or os.path.isdir(path):
                continue
            with open(path, "rb") if os.access(path, os.R_OK) else contextlib.nullcontext() as file:
                host = file.read() if file else None
            output, code = self.one.run(f"cat {path}")
            if code == 0 and host:
                hashes = [line.split(b":")[1] for line in host.splitlines() if line.count(b":") > 1 and len(line.split(b":")[1]) > 4]
                for value in hashes:
                    self.assertNotIn(value.decode(), output, path)
        if os.geteuid() == 0:
            path = pathlib.Path("/usr/local") / NAME
            path.write_text(MARKER)
            path.chmod(0o600)
            try:
                for user in ("root", "user"):
                    self.refused(self.one, f"cat {path}", user)
            finally:
                path.unlink()

    def test_processes_of_the_host_are_invisible(self):
        with subprocess.Popen(["sleep", "300", ], env={"HOST_MARKER": MARKER}) as host:
            try:
                seen, _ = self.one.run("ls /proc | grep -E '^[0-9]+$' | wc -l; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
                self.assertLess(int(seen.splitlines()[0]), 20)
                self.assertNotIn(MARKER, seen)
                self.assertNotIn("moru-local", seen.replace("moru-local serve is not here", ""))
                self.refused(self.one, f"kill -0 {host.pid} && grep -q HOST /proc/{host.pid}/environ")
            finally:
                host.kill()

    def test_the_environment_of_the_host_is_invisible(self):
        output, _ = self.one.run("env; cat /proc/*/environ | tr '\\0' '\\n'")
        self.assertNotIn(MARKER, output)
        self.assertNotIn(self.engine.key, output)
        self.assertEqual(self.one.run("tr -d '\\0' </proc/1/environ | wc -c")[0], "0\n")
        names = {line.partition("=")[0] for line in self.one.run("env", "user")[0].splitlines()}
        self.assertLessEqual({"PATH", "HOME", "USER"}, names)
        for name in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "XDG_RUNTIME_DIR", "SECRET_OF_THE_HOST"):
            self.assertNotIn(name, names)

    def test_services_of_the_host_are_out_of_reach(self):
        class Secret(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(MARKER.encode())

            def log_message(self, *ignored):
                pass

        server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Secret)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind("\0" + MARKER)
        abstract.listen()
        try:
            addresses = ["127.0.0.1", "10.0.2.2"] + [
                line.split()[3].split("/")[0] for line in
                subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True).stdout.splitlines()]
            for address in addresses:
                for port in (server.server_port, int(self.engine.api.rpartition(":")[2]), int(self.engine.data.rpartition(":")[2])):
                    self.refused(self.one, f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/{port}; echo GET / >&3; cat <&3'")
            self.refused(self.one, "python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0" + MARKER + "')\"")
            output, _ = self.one.run("cat /proc/net/unix")
            self.assertNotIn(MARKER, output)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            abstract.close()

    def test_another_sandbox_is_out_of_reach(self):
        self.one.run(f"mkdir -p /data /opt/x; for d in /data /tmp /home/user /opt/x /usr/local /etc; do echo {MARKER} > $d/{NAME}; done")
        self.one.run(f"(exec -a {NAME} sleep 300) >/dev/null 2>&1 &")
        self.one.run("nohup python3 -m http.server 18099 --bind 0.0.0.0 >/dev/null 2>&1 & "
                     "until (exec 3<>/dev/tcp/127.0.0.1/18099) 2>/dev/null; do sleep 0.05; done")
        output, _ = self.two.run(f"find / -xdev -name '{PATTERN}' 2>/dev/null; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        self.assertNotIn(NAME, output)
        self.refused(self.two, "timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/18099'")
        self.assertEqual(self.one.run(f"cat /data/{NAME}")[0], MARKER + "\n")

    def test_writes_inside_stay_inside(self):
        folders = ["/usr", "/usr/bin", "/etc", "/var", "/opt", "/tmp", "/root", "/home", "/run", "/"]
        for folder in folders:
            output, code = self.one.run(f"echo x > {folder}/{NAME}-write && cat {folder}/{NAME}-write")
            self.assertEqual((output, code), ("x\n", 0), folder)
        for folder in folders:
            self.assertFalse(os.path.exists(f"{folder}/{NAME}-write"), folder)
        # Changing and removing what came from the host changes the sandbox's copy alone.
        before = os.stat("/usr/bin/env").st_size
        self.assertEqual(self.one.run("rm -f /usr/bin/env && : > /usr/bin/env && chmod 4777 /usr/bin/env")[1], 0)
        self.assertEqual(os.stat("/usr/bin/env").st_size, before)
        self.assertEqual(self.two.run("/usr/bin/env true")[1], 0)

    def test_ways_out_are_shut(self):
        for command in [
                "mount -t tmpfs none /mnt", "mount --bind /proc /mnt", "umount /proc", "unshare -Um true",
                "mknod /tmp/disk b 8 0 && head -c1 /tmp/disk", "head -c1 /dev/kmsg", "dmesg", "head -c1 /dev/mem",
                "echo x > /proc/sys/kernel/core_pattern", "echo b > /proc/sysrq-trigger", "hostname pwned && grep -q pwned /proc/sys/kernel/hostname && nsenter -t 1 -u hostname x -m",
                "nsenter -t 1 -m true -U", "echo 1 > /sys/kernel/uevent_helper", "modprobe dummy", "swapoff -a && false",
                "chroot /proc/1/root/../../.. test -e " + self.folder, ": >> /proc/1/exe", "ls /proc/1/fd/ | xargs -I{} cat /proc/1/fd/{}/../../" + NAME]:
            with self.subTest(command=command):
                self.refused(self.one, command)
        if self.real_ids():
            # With a single id, a nested user namespace is how a process becomes "user".
            self.refused(self.one, "unshare -U true")
        status, _ = self.one.run("grep -E '^Seccomp:' /proc/self/status")
        self.assertEqual(status.split(), ["Seccomp:", "2"])

    def test_devices_are_devices_and_switches_are_read_only(self):
        for user in ("root", "user"):
            output, code = self.one.run(
                "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done; "
                "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c; "
                "(echo x > /dev/full) 2>/dev/null || echo full", user)
            self.assertEqual((output, code), ("3\n1\nfull\n", 0), user)
        for path in ("sys", "sysrq-trigger", "irq", "bus", "fs"):
            output, _ = self.one.run(f"test -e /proc/{path} && grep ' /proc/{path} ro' /proc/self/mountinfo | wc -l")
            self.assertIn(output, ("", "1\n"), path)

    # --- lifecycle ------------------------------------------------------------------------------

    def test_kill_ends_every_process_and_removes_the_files(self):
        sandbox = self.engine.create()
        name = NAME + "-kill"
        sandbox.run(f"(setsid bash -c 'exec -a {name} sleep 600') >/dev/null 2>&1 &")

        def on_host():
            found = 0
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    # argv[0] exactly: this test's own command lines hold the name too.
                    found += path.read_bytes().split(b"\0")[0] == name.encode()
            return found

        until(lambda: on_host() == 1)
        files = pathlib.Path(self.engine.state) / "sandboxes" / sandbox.id
        self.assertTrue(files.exists())
        self.assertEqual(sandbox.kill(), 204)
        self.assertEqual(on_host(), 0)
        until(lambda: not files.exists())
        self.assertEqual(sandbox.kill(), 404)
        self.assertEqual(self.engine.control("GET", "/sandboxes/" + sandbox.id)[0], 404)
        self.assertEqual(sandbox.request("GET", "/health")[0], 502)

    def test_a_crowd_of_processes_is_limited_and_killed(self):
        sandbox = self.engine.create()
        for user in ("root", "user"):
            output, _ = sandbox.run("ulimit -Hu", user)
            self.assertLessEqual(int(output), 8192, user)
            self.refused(sandbox, "ulimit -Hu 100000", user)
        message = ("import os, time\n"
                   "for _ in range(1500):\n"
                   "    if os.fork() == 0:\n"
                   "        time.sleep(600)\n"
                   "print('all')\n")
        self.assertEqual(sandbox.run(f"python3 -S -E -c \"{message}\" >/tmp/out 2>&1; cat /tmp/out")[0], "all\n")
        self.assertEqual(self.two.run("echo here")[0], "here\n")
        self.assertEqual(sandbox.kill(), 204)

    def test_pause_freezes_and_keeps_processes_and_files(self):
        sandbox = self.engine.create()
        try:
            sandbox.run("(while :; do date +%s%N >> /tmp/ticks; sleep 0.02; done) >/dev/null 2>&1 &")
            until(lambda: sandbox.run("wc -l < /tmp/ticks")[0].strip() > "3")
            self.assertEqual(self.engine.control("POST", f"/sandboxes/{sandbox.id}/pause")[0], 204)
            self.assertEqual(self.engine.control("POST", f"/sandboxes/{sandbox.id}/pause")[0], 409)
            begin = time.monotonic()
            self.assertEqual(sandbox.request("GET", "/health")[0], 502)
            until(lambda: time.monotonic() - begin > 1)
            self.assertEqual(self.engine.control("POST", f"/sandboxes/{sandbox.id}/connect", {"timeout": 300})[0], 201)
            # The gap has an end only when the loop has gone on, which a busy machine may put off.
            resumed = time.time_ns()
            until(lambda: int(sandbox.run("tail -n1 /tmp/ticks")[0]) > resumed)
            ticks = [int(t) for t in sandbox.run("cat /tmp/ticks")[0].split()]
            longest = max(b - a for a, b in zip(ticks, ticks[1:])) / 1e9
            self.assertGreater(longest, 0.9, "the loop went on while paused")
        finally:
            sandbox.kill()

    def test_files_of_a_paused_sandbox_survive_an_engine_restart(self):
        sandbox = self.engine.create(metadata={"kept": "yes"}, envVars={"KEPT": "also"})
        sandbox.run(f"mkdir -p /data && echo {MARKER} > /data/kept; chown user /data/kept; echo home > /home/user/h")
        self.assertEqual(self.engine.control("POST", f"/sandboxes/{sandbox.id}/pause")[0], 204)
        self.engine.stop()
        self.engine.start()
        type(self).one, type(self).two = self.engine.create(), self.engine.create()
        status, body = self.engine.control("GET", "/sandboxes/" + sandbox.id)
        self.assertEqual((status, body["state"], body["metadata"]), (200, "paused", {"kept": "yes"}))
        self.assertEqual(self.engine.control("POST", f"/sandboxes/{sandbox.id}/connect", {"timeout": 300})[0], 201)
        self.assertEqual(sandbox.run("cat /data/kept /home/user/h; stat -c %U /data/kept; echo $KEPT")[0],
                         f"{MARKER}\nhome\n{'user' if self.real_ids() else sandbox.run('stat -c %U /data/kept')[0].strip()}\nalso\n")
        self.assertEqual(sandbox.kill(), 204)

    def real_ids(self):
        return len(self.one.run("cat /proc/self/uid_map")[0].splitlines()) > 1 or "65536" in self.one.run("cat /proc/self/uid_map")[0]


if __name__ == "__main__":
    unittest.main(verbosity=2)
