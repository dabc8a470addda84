#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays moru-local where faults are wanted. What it does wrong is a word in STATE/behave."""
import fcntl
import http.server
import json
import os
import signal
import sys
import threading
import time


def option(name, fallback=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else fallback


verb = sys.argv[1]
state = option("--state-dir")
record_path = os.path.join(state, "engine.json")


def behave():
    try:
        with open(os.path.join(state, "behave")) as f:
            return f.read().split()
    except OSError:
        return []


def read_record():
    try:
        with open(record_path) as f:
            return json.load(f)
    except OSError:
        return None


if verb == "doctor":
    print("This machine cannot isolate sandboxes: user namespaces are switched off.")
    sys.exit(1 if "sick" in behave() else 0)

if verb == "stop":
    record = read_record()
    if "stubborn" in behave():
        print("the engine does not listen", file=sys.stderr)
        sys.exit(1)
    if record:
        os.kill(record["pid"], signal.SIGTERM)
        while os.path.exists(record_path):
            time.sleep(0.01)
    sys.exit(0)

assert verb == "serve", sys.argv
with open(os.path.join(state, "starts"), "a") as f:
    f.write("%d %s\n" % (os.getpid(), ",".join(sorted(k for k in os.environ if k.startswith("MORU_")))))
if "refuse" in behave():
    print("Cannot isolate sandboxes here.\nSwitch on user namespaces.", file=sys.stderr)
    sys.exit(1)
if "silent" in behave():
    sys.exit(1)

lock = open(os.path.join(state, "lock"), "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("another engine serves this state directory", file=sys.stderr)
    sys.exit(1)
if "slow" in behave():
    time.sleep(1)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = "unwell" not in behave()
        self.send_response(200 if ok else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
url = "http://127.0.0.1:%d" % server.server_address[1]
if "foreign" in behave():
    url = "http://203.0.113.1:80"
key_path = os.path.join(state, "key")
with open(os.open(key_path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
    f.write("moru_" + "ab" * 20 + "\n")
os.chmod(key_path, 0o644 if "openkey" in behave() else 0o600)
with open(option("--log-file"), "a") as f:
    f.write("first line\nserving\n")


def stop(*_):
    os.unlink(record_path)
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
with open(record_path + ".new", "w") as f:
    json.dump({"apiUrl": url, "sandboxUrl": url, "domain": "localhost:1", "keyFile": key_path,
               "pid": os.getpid(), "version": "0"}, f)
os.chmod(record_path + ".new", 0o600)
os.rename(record_path + ".new", record_path)
threading.Thread(target=server.serve_forever, daemon=True).start()
# Ends with the folder the test made, however the test ended.
while os.path.isdir(state):
    time.sleep(0.2)
