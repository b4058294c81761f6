"""Receive every HTTP request: storage goes to the depot, the rest to the WSGI app.

Owns connections, framing, body limits and the carrying out of faults. Law: a body is read or the
connection is closed, so keep-alive never loses step. Never decides what an API call means. Called
by the entry point.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_to_bytes

from masv_watch.sandbox import depot as depots
from masv_watch.sandbox.answers import Refused
from masv_watch.sandbox.depot import BLOCK, BodyCut, Depot, StorageRefused
from masv_watch.sandbox.faults import Fault, Faults
from masv_watch.sandbox.packages import Packages, refuse_content_type
from masv_watch.sandbox.pages import STREAM
from masv_watch.sandbox.records import File
from masv_watch.sandbox.traffic import Traffic, part_number
from masv_watch.sandbox.witness import PREFIX as WITNESS

log = logging.getLogger(__name__)

MAX_CONTROL_BODY = 8 << 20
#: An unread body up to this size is read away, so that the client sees the answer, not a reset.
_DRAIN_LIMIT = 1 << 30
_IDLE_S = 600.0
_LINGER_S = 2.0
_LENGTH = "content-length"
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_RESET = struct.pack("ii", 1, 0)
_HTML = "<!doctype html><title>Sign in</title><h1>Please sign in to the network</h1>"

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Reply:
    """An answer before it goes out."""

    status: int
    headers: Headers
    body: bytes = b""
    #: Files to stream instead of a body: path and size.
    stream: list[tuple[Any, int]] | None = None

    def header(self, name: str) -> str | None:
        """Find a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class ConnectionLost(Exception):
    """The connection ends here without an answer."""


class _Input(io.BufferedReader):
    """What a client sends; it remembers the last line that was read."""

    last = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Give the next line."""
        self.last = super().readline(size)
        return self.last


class Front(ThreadingHTTPServer):
    """The one port of the sandbox."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], depot: Depot, traffic: Traffic, faults: Faults
    ) -> None:
        self.depot = depot
        self.traffic = traffic
        self.faults = faults
        self.stopping = threading.Event()
        #: Set by `serve`, once the real port is known to the app.
        self.app: Any = None
        self.packages: Packages | None = None
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Exchange)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away; report anything else."""
        del request
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log.error("connection failed", exc_info=error, extra={"client": client_address})


class Exchange(BaseHTTPRequestHandler):
    """One connection; each request on it is one `_exchange`."""

    protocol_version = "HTTP/1.1"
    server_version = "masv-sandbox"
    disable_nagle_algorithm = True
    timeout = _IDLE_S
    server: Front
    #: as the library reads it
    raw_requestline: bytes

    def setup(self) -> None:
        """Prepare a connection's state."""
        super().setup()
        self.rfile.close()
        self.rfile: _Input = _Input(self.connection.makefile("rb", buffering=0))
        self._left = 0
        self._size = 0
        self._block: memoryview | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Write no access log: /_sandbox/requests is one."""

    def parse_request(self) -> bool:
        """Read a head; one that was cut is no request, though the library would take it for one."""
        is_line_whole = self.raw_requestline.endswith(b"\n")
        if is_line_whole and super().parse_request() and self.rfile.last:
            return True
        self.close_connection = True
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that could not be parsed, in the API's form."""
        del explain
        self.close_connection = True
        refused = Refused(int(code), message or "request refused")
        self._write(Reply(refused.status, [("Content-Type", "application/json")], refused.body()))

    def _exchange(self) -> None:
        self._left = self._size = 0
        fault: Fault | None = None
        path, _, query = self.path.partition("?")
        watched = not path.startswith(WITNESS)
        try:
            self._frame()
            if watched:
                part = part_number(query) if path.startswith(depots.PREFIX) else None
                if self.server.packages is not None:
                    self.server.packages.arrived(self.command, path)
                fault = self.server.faults.draw(self.command, path, part)
            reply = self._met(fault) if fault is not None else None
            if reply is None:
                reply = self._answered(path, query, fault)
            self._finish(reply, fault, watched=watched)
            if self._left:
                self._linger()
        except (ConnectionLost, BodyCut, OSError) as error:
            if watched and not isinstance(error, ConnectionLost):
                self._note(None, answered=False)
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _exchange  # noqa: N815 - the library's names

    def _frame(self) -> None:
        """Learn the body's length; a body that cannot be framed closes the connection."""
        lengths = set(self.headers.get_all("Content-Length", []))
        text = next(iter(lengths), "0").strip()
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._left = -1
        elif len(lengths) > 1 or not (text.isascii() and text.isdigit() and len(text) < 19):
            self.send_error(400, "Content-Length is malformed")
            raise ConnectionLost
        else:
            self._left = self._size = int(text)

    def _answered(self, path: str, query: str, fault: Fault | None) -> Reply:
        """Do what was asked and build the answer."""
        try:
            if path.startswith(depots.PREFIX):
                return self._stored(path, query, fault)
            return self._controlled(path, query)
        except StorageRefused as error:
            return Reply(error.status, [("Content-Type", "application/xml")], error.xml())
        except Refused as error:
            headers = [("Content-Type", "application/json"), *error.headers.items()]
            return Reply(error.status, headers, error.body())
        except (BodyCut, ConnectionLost, ConnectionError, TimeoutError):
            raise
        except Exception:
            log.exception("request failed", extra={"method": self.command, "path": path})
            body = Refused(500, "internal error").body()
            return Reply(500, [("Content-Type", "application/json")], body)

    def _stored(self, path: str, query: str, fault: Fault | None) -> Reply:
        depot = self.server.depot
        expired = fault is not None and fault.name == "expire_urls"
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = depot.admit(self.command, path, query, headers, expired=expired)
        if isinstance(asked, File):
            self._drain()
            return Reply(200, [("Content-Type", "application/xml")], depot.open_upload(asked))
        if self._left < 0 or "Content-Length" not in self.headers:
            raise StorageRefused(411, "MissingContentLength", "Content-Length is required.")
        return Reply(200, [("ETag", depot.receive(asked, self._left, self._pull, self._buffer()))])

    def _controlled(self, path: str, query: str) -> Reply:
        if self._left < 0:
            raise Refused(411, "Content-Length is required")
        if self._left > MAX_CONTROL_BODY:
            raise Refused(413, f"body is larger than {MAX_CONTROL_BODY} bytes")
        environ = self._environ(path, query)
        if path.startswith(("/v1/", "/v1.1/")):
            refuse_content_type(environ)
        body = self.rfile.read(self._left) if self._left else b""
        if len(body) < self._left:
            raise BodyCut
        self._left = 0
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> None:
            del exc_info
            started.append((status, headers))

        chunks: Iterable[bytes] = self.server.app(environ, start)
        content = b"".join(chunks)
        status, headers = started[-1]
        return Reply(int(status.split(" ", 1)[0]), headers, content, environ.get(STREAM))

    def _environ(self, path: str, query: str) -> dict[str, Any]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.server.server_name,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(self._left),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
        }
        for name, value in self.headers.items():
            environ.setdefault("HTTP_" + name.upper().replace("-", "_"), value)
        return environ

    def _met(self, fault: Fault) -> Reply | None:
        """Carry out a fault that precedes the effect; None when it comes after."""
        detail = fault.detail
        if fault.name == "reset":
            self._discard(min(detail["bytes"], max(self._left, 0)))
            self._note(None, answered=False)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()
            raise ConnectionLost
        if fault.name == "stall" and detail["when"] == "before":
            self._hold(fault)
        if fault.name == "status":
            return self._injected(detail)
        if fault.name == "html":
            text = _HTML if detail["body"] is None else detail["body"]
            return Reply(detail["status"], [("Content-Type", "text/html")], text.encode())
        if fault.name == "redirect":
            return Reply(detail["status"], [("Location", detail["location"])])
        return None

    def _injected(self, detail: dict[str, Any]) -> Reply:
        status, body = detail["status"], detail["body"]
        if isinstance(body, dict):
            content, kind = json.dumps(body).encode(), "application/json"
        elif body is not None:
            content, kind = body.encode(), "text/plain"
        elif self.path.startswith(depots.PREFIX):
            refused = StorageRefused(status, "SlowDown", "A fault of the sandbox.")
            content, kind = refused.xml(), "application/xml"
        else:
            content, kind = Refused(status, "a fault of the sandbox").body(), "application/json"
        names = {name.lower() for name in detail["headers"]}
        headers = [*detail["headers"].items()]
        if "content-type" not in names:
            headers.append(("Content-Type", kind))
        return Reply(status, headers, content)

    def _finish(self, reply: Reply, fault: Fault | None, *, watched: bool) -> None:
        """Spoil the answer if a fault says so, note the request, then let the answer go."""
        if fault is not None and fault.name == "truncate":
            reply.body = reply.body[: len(reply.body) // 2]
        if fault is not None and fault.name == "corrupt_etag" and reply.header("ETag"):
            reply.headers = [("ETag", f'"{"0" * 32}"')]
        self._drain()
        lost = fault is not None and fault.name == "after"
        if watched:
            # Noted before it goes out: who has an answer finds its request in the list.
            self._note(reply.status, answered=not lost)
        if lost:
            raise ConnectionLost
        if fault is not None and fault.name == "stall" and fault.detail["when"] == "after":
            self._hold(fault)
        self._write(reply)

    def _write(self, reply: Reply) -> None:
        size = len(reply.body)
        if reply.stream is not None:
            size = sum(length for _, length in reply.stream)
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Status')}"]
        lines.append(f"Date: {self.date_time_string()}")
        lines += [f"{key}: {value}" for key, value in reply.headers if key.lower() != _LENGTH]
        if reply.status not in {204, 304}:
            lines.append(f"Content-Length: {size}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        if self.command == "HEAD":
            self.wfile.write(head)
            return
        # One write for head and body: one packet for nearly every control call.
        self.wfile.write(head + reply.body)
        for path, length in reply.stream or []:
            with path.open("rb") as source:
                if length:
                    self.connection.sendfile(source, 0, length)

    def _note(self, status: int | None, *, answered: bool) -> None:
        size = max(self._size, 0)
        self.server.traffic.note(
            self.command, self.path, status=status, size=size, answered=answered
        )

    def _hold(self, fault: Fault) -> None:
        fault.released.wait(fault.detail["seconds"])

    def _buffer(self) -> memoryview:
        if self._block is None:
            self._block = memoryview(bytearray(BLOCK))
        return self._block

    def _pull(self, view: memoryview) -> int:
        count = int(self.rfile.readinto(view))
        self._left -= count
        return count

    def _discard(self, size: int) -> None:
        while size > 0:
            count = self._pull(self._buffer()[: min(size, BLOCK)])
            if not count:
                raise BodyCut
            size -= count

    def _linger(self) -> None:
        """Let the client read its answer: closing at once would reset it away."""
        self.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _LINGER_S
        while (left := deadline - time.monotonic()) > 0:
            self.connection.settimeout(left)
            if not self.connection.recv_into(self._buffer()):
                break

    def _drain(self) -> None:
        """Read away what is left of the body, or see to it that the connection closes."""
        if self._left < 0 or self._left > _DRAIN_LIMIT:
            self.close_connection = True
        else:
            self._discard(self._left)
