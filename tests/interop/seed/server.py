# The program that graceful_shutdown.py starts inside the sandbox: says when it is up, and on SIGTERM
# leaves a file behind, so that a test can see that the shutdown was graceful.
import http.server
import pathlib
import signal
import sys


def stop(signum, frame):
    pathlib.Path("stopped-gracefully").write_text("yes")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
server = http.server.HTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler)
pathlib.Path("server-up").write_text("yes")
server.serve_forever()
