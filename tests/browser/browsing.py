"""A real browser, and the servers of somebody else that it visits.

Owns the start of the headless Chromium, the hostile page with what it reports, and a proxy that
takes away what a browser tells about itself. Never part of the product. Used by the browser tests.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.browser.devtools import Tab
from tests.waiting import eventually

PROGRAM = "chromium-headless-shell"
PAGE = Path(__file__).with_name("page.html")
#: what a browser says of the page that makes a call, and what lets that page read the answer
_TELLTALE = ("origin", "referer", "host", "content-type", "connection", "accept-encoding")
_OPEN = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Allow-Credentials": "true",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Foreign

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def answer(self) -> None:
        """Serve the page and its plan, take its report, or pass a call on."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "GET" and self.path == "/":
            self.reply(200, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.command == "GET" and self.path == "/plan":
            self.reply(200, "application/json", json.dumps(self.server.plan).encode())
        elif self.command == "POST" and self.path == "/report":
            self.server.reports.append(json.loads(body))
            self.reply(200, "text/plain", b"thanks")
        elif self.server.behind is None:
            self.reply(404, "text/plain", b"not here")
        elif self.server.launders and self.command == "OPTIONS":
            self.reply(204, "text/plain", b"")
        else:
            self.pass_on(body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def pass_on(self, body: bytes) -> None:
        """Make the same call at the server behind and give its answer."""
        headers = dict(self.headers.items())
        if self.server.launders:
            headers = {
                name: value for name, value in headers.items()
                if name.lower() not in _TELLTALE and not name.lower().startswith("sec-")
            }  # fmt: skip
            headers["Content-Type"] = "application/json"
            headers["Host"] = f"127.0.0.1:{self.server.behind}"
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind or 0, timeout=60)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                behind.putheader(name, value)
            behind.endheaders(body or None)
            found = behind.getresponse()
            kind = found.headers.get("Content-Type", "")
            # a stream has no end: that it opened is all that is asked
            content = b"" if "event-stream" in kind else found.read()
            self.reply(found.status, kind, content, headers=_kept(found))
        finally:
            behind.close()

    def reply(
        self, status: int, kind: str, body: bytes, *, headers: dict[str, str] | None = None
    ) -> None:
        """Answer, with everything that lets a page of another site read it where we launder."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        more = dict(headers or {})
        if self.server.launders:
            more |= {**_OPEN, "Access-Control-Allow-Origin": self.headers.get("Origin") or "*"}
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _kept(found: http.client.HTTPResponse) -> dict[str, str]:
    names = ("Content-Security-Policy", "X-Content-Type-Options", "Cross-Origin-Resource-Policy")
    return {name: found.headers[name] for name in names if name in found.headers}


class Foreign(ThreadingHTTPServer):
    """The server of somebody else: the hostile page, and perhaps a way to a server behind.

    With `behind` every other path is passed on to that port as the browser sent it, as if the name
    of this server had been turned to it meanwhile. `launders` takes away all that tells a browser.
    """

    daemon_threads = True

    def __init__(self, behind: int | None = None, *, launders: bool = False) -> None:
        """Listen on a free port of the loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.launders = behind, launders
        self.plan: dict[str, Any] = {}
        self.reports: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class Browser:
    """One headless Chromium; each page gets a tab of its own."""

    def __init__(self, folder: Path, rules: str) -> None:
        """Start it; `rules` say to which address a name leads, as a name server would."""
        assert shutil.which(PROGRAM), f"{PROGRAM} is missing: install the Debian package"
        self._log = folder / "browser.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    PROGRAM, "--no-sandbox", "--disable-gpu", "--no-proxy-server",
                    "--remote-debugging-port=0", f"--user-data-dir={folder / 'browser'}",
                    f"--host-resolver-rules={rules}", "about:blank",
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        announced = folder / "browser" / "DevToolsActivePort"
        self._port = int(
            eventually(lambda: announced.exists() and announced.read_text(), within=30).split()[0]
        )

    def visit(self, url: str, foreign: Foreign, plan: dict[str, Any]) -> dict[str, Any]:
        """Open a page of a foreign server and give what it reports at its end."""
        foreign.plan, foreign.reports = plan, []
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request("PUT", f"/json/new?{quote(url, safe=':/')}")
            answer = line.getresponse()
            tab = json.loads(answer.read())
            assert answer.status == 200, tab
            eventually(lambda: foreign.reports, within=60, every=0.05)
            line.request("GET", f"/json/close/{tab['id']}")
            line.getresponse().read()
        finally:
            line.close()
        return foreign.reports[0]

    def tab(self) -> Tab:
        """Open an empty tab and give it."""
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request("PUT", "/json/new?about:blank")
            found = json.loads(line.getresponse().read())
        finally:
            line.close()
        return Tab(self._port, found["id"])

    def close(self) -> None:
        """End it with all its processes: the program may be a script around the real one."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)
