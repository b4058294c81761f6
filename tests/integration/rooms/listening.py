"""Whoever listens at a hook: a real HTTP server that keeps what it is told.

Owns its answers and what was told. Never part of the product. Used by the tests of hooks.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from masv_watch.model import Secret

TOKEN = "T0K3N-of-the-hook"


class Listener:
    """Whoever listens at a hook: he keeps what he is told, and answers as the test says."""

    def __init__(self):
        """Listen on a free port."""
        self.told, self.answers = [], []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.told.append((self.path, json.loads(body)))
                status, headers = listener.answers.pop(0) if listener.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"x" * 100_000 if status == 200 else b"")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self):
        """Give its address with a token, as those of Slack have."""
        return Secret(f"http://127.0.0.1:{self.port}/services/{TOKEN}?a=b")

    def close(self):
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
