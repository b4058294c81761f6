"""A stand-in for the daemon's wire: a real HTTP server that answers as the API's contract says.

Owns a handful of uploads in memory, the calls that came, and what it is told to answer instead.
Never part of the product. Used where a test needs answers that a real daemon gives only in trouble
or after hours.
"""

from __future__ import annotations

import http.server
import ipaddress
import json
import os
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LINK = {
    "email": "me@example.com", "expiry": "2020-12-31T23:59:59.999", "locked": False,
    "id": "01ECSWWC8R6J1N8Y46S094CRGT", "secret": "dDaNps/S+qlRDnTBe",
}  # fmt: skip
#: what follows a verb, by the states in which it is allowed
_VERBS = {
    "pause": ({"transferring", "idle", "paused"}, "paused"),
    "resume": ({"paused", "error", "transferring"}, "transferring"),
    "finalize": ({"idle", "complete"}, "complete"),
    "start": ({"transferring", "paused"}, "transferring"),
    "retry": ({"transferring", "idle"}, "transferring"),
}


def upload(upload_id: str, **rest: Any) -> dict[str, Any]:
    """Give an upload in the list's form."""
    return {
        "upload_id": upload_id, "type": "team", "state": "transferring",
        "package_name": "take.mov", "progress": 400, "size": 1000,
        "created_at": "2026-01-02T03:04:05.000Z", "finalized_at": None, "hot_folder": None,
        "package_id": "p1", "files_total": 1, "priority": 0, "waiting": None, "open_tasks": 0,
        "refused_tasks": 0, **rest,
    }  # fmt: skip


@dataclass
class Call:
    """One call that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


NO_ROUTE = {"code": 1504, "message": "no route"}


@dataclass
class Wire:
    """What is behind the socket."""

    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: further keys of an upload's details
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: upload id -> answers that follow one another, one for each look; the last one stays
    script: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=lambda: ["out"])
    #: by their numbers
    drops: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: what follows from any path
    explained: dict[str, Any] | None = None
    #: hot folder -> why it is paused
    paused: dict[str, str] = field(default_factory=dict)
    #: how hot folders find their drops; empty as of a daemon that does not tell
    mode: str = ""
    events: list[str] = field(default_factory=list)
    #: None: a daemon of an age that does not know the call
    stats: dict[str, Any] | None = None
    token: str | None = None
    #: verb -> what an upload shows after it
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: looks at one upload that are answered with 503 before one is answered
    stumbles: int = 0
    #: looks at one upload after which it is gone; 0 for never
    forgets_after: int = 0
    #: calls that are taken and then broken off without an answer
    breaks: int = 0
    #: (status, content type, bytes) for every call
    instead: tuple[int, str, bytes] | None = None
    calls: list[Call] = field(default_factory=list)

    def add(self, upload_id: str, **rest: Any) -> str:
        self.uploads[upload_id] = upload(upload_id, **rest)
        return upload_id

    def answer(self, call: Call) -> tuple[int, Any]:
        words = [unquote(word) for word in call.path.removeprefix("/api/v1").split("/")[1:]]
        if self.token and call.headers.get("authorization") != f"Bearer {self.token}":
            hint = "add `server.trusted_users: [1234]` to the configuration"
            return 401, {"code": 1502, "message": "uid 1234 may not call", "hint": hint}
        if words == ["readyz"]:
            return 200, {"ready": True, "why": "", "concerns": []}
        rooms = {
            "uploads": lambda: self._uploads(call, words[1:]),
            "hot_folders": lambda: self._folders(words[1:]),
            "settings": lambda: (200, self._limit(call)),
            "explain": lambda: self._explain(call),
            "ledger": lambda: (200, []),
        }
        if words[0] in rooms:
            return rooms[words[0]]()
        if words == ["portals", "uploads"]:
            return 201, {"upload_id": self.add("99999999-0000-4000-8000-000000000000")}
        if words[0] == "stats" and self.stats is not None:
            return 200, self.stats
        return self._drops(words[1:]) if words[0] == "drops" else (404, NO_ROUTE)

    def _explain(self, call: Call) -> tuple[int, Any]:
        if self.explained is None:
            return 404, NO_ROUTE
        return 200, {"path": call.query["path"], **self.explained}

    def _drops(self, words: list[str]) -> tuple[int, Any]:
        if not words:
            return 200, list(self.drops.values())
        if words[0] in self.drops:
            return 200, self.drops[words[0]]
        return 200, {"hot_folder": "out", "path": f"CARD{words[0]}", "state": "settling"}

    def _limit(self, call: Call) -> dict[str, Any]:
        rate = (call.body or {}).get("rate_limit_bps")
        source = {"POST": "api", "DELETE": "none"}.get(call.method, "config")
        now = {"rate_limit_bps": rate, "until": None}
        if call.method == "GET":
            now = {"rate_limit_bps": 200_000_000, "until": "2026-01-02T19:00:00.000Z"}
        slow = {"name": "out", "rate_limit_bps": 1_500_000, "until": None}
        return {"source": source, "now": now, "hot_folders": [slow]}

    def _uploads(self, call: Call, words: list[str]) -> tuple[int, Any]:
        if not words:
            if call.method == "POST":
                made = self.add("99999999-0000-4000-8000-000000000000", fresh=True)
                return 201, {"upload_id": made}
            return 200, [self._look(one) for one in self.uploads]
        if words in (["pause"], ["resume"]):
            return 200, {"changed": len(self.uploads)}
        if words[0] not in self.uploads:
            said = f"there is no upload '{words[0]}'"
            return 404, {"code": 1504, "message": said, "hint": "masv-watch uploads lists them"}
        return self._one(call, words[0], words[1:])

    def _one(self, call: Call, upload_id: str, words: list[str]) -> tuple[int, Any]:
        seen = self.uploads[upload_id]
        if call.method == "GET" and self.stumbles and seen.pop("fresh", None) is None:
            self.stumbles -= 1
            return 503, {"code": 1301, "message": "the state is held by another process"}
        if self.forgets_after:
            self.forgets_after -= 1
            if not self.forgets_after:
                del self.uploads[upload_id]
        if call.method == "DELETE":
            del self.uploads[upload_id]
            return 200, {"upload_id": upload_id}
        if call.method == "PATCH":
            seen |= call.body
        if words == ["link"]:
            return 200, LINK
        if words == ["receipt"]:
            return 200, {"delivery": {"upload_id": upload_id}, "seal": {"number": 1}}
        if words == ["files"]:
            seen["files_total"] += len(call.body["paths"])
        elif words:
            allowed, after = _VERBS[words[0]]
            if words[0] == "start" and (seen["waiting"] or {}).get("reason") in {
                "window_closed",
                "digest",
                "held",
            }:
                # past its window it is what it was
                allowed, after = {seen["state"]}, seen["state"]
                seen["waiting"] = None
            if seen["state"] not in allowed:
                calls = [verb for verb, (states, _) in _VERBS.items() if seen["state"] in states]
                return 409, {
                    "code": 1506, "message": f"{words[0]} is not possible now",
                    "state": seen["state"], "allowed": calls,
                }  # fmt: skip
            seen |= {"state": after, **self.after.get(words[0], {})}
            self.script.pop(upload_id, None)
        empty: dict[str, Any] = {"files": [], "skipped": [], "drops": [], "tasks": []}
        more = empty | self.details.get(upload_id, {}) if call.method == "GET" else {}
        return 200, {**self._look(upload_id), **more}

    def _look(self, upload_id: str) -> dict[str, Any]:
        script = self.script.get(upload_id)
        if script:
            self.uploads[upload_id] |= script.pop(0) if len(script) > 1 else script[0]
        return self.uploads[upload_id]

    def _folders(self, words: list[str]) -> tuple[int, Any]:
        if not words:
            return 200, [self._folder(name) for name in self.folders]
        if words[0] not in self.folders:
            hint = f"known: {', '.join(self.folders)}"
            said = f"there is no hot folder '{words[0]}'"
            return 404, {"code": 1504, "message": said, "hint": hint}
        if words[1:] and words[1] in {"release", "seed", "forget"}:
            return 200, {"drops": 2}
        return 200, self._folder(words[0])

    def _folder(self, name: str) -> dict[str, Any]:
        return {
            "name": name, "path": f"/srv/{name}", "drop": "each", "to": "all@example.com",
            "state": "paused" if name in self.paused else "watching",
            "reason": self.paused.get(name), "last_sweep": "2026-01-02T03:04:05.000Z",
            "notifications": True, "settling": 1, "held": 0,
            "mode": self.mode,
        }  # fmt: skip


class Standin:
    """The wire behind a socket: TCP, TLS or in the file system."""

    def __init__(self, *, port: int = 0, socket_path: Path | None = None,
                 tls: tuple[Path, Path] | None = None) -> None:  # fmt: skip
        self.wire = Wire()
        handler = _handler(self.wire)
        if socket_path is not None:
            self.server: socketserver.BaseServer = _UnixServer(str(socket_path), handler)
            self.url = f"unix://{socket_path}"
        else:
            server = _TcpServer(("127.0.0.1", port), handler)
            self.port = server.server_address[1]
            self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*tls)
                server.socket = context.wrap_socket(
                    server.socket, server_side=True, do_handshake_on_connect=False
                )
            self.server = server
        threading.Thread(target=self.server.serve_forever, daemon=True, args=(0.05,)).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _TcpServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that goes away, or that trusts no certificate, is part of the tests."""


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> Any:
        connection, _ = super().get_request()
        return connection, ("unix", 0)


def _handler(wire: Wire) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            parts = urlsplit(self.path)
            call = Call(
                method=self.command, path=parts.path,
                query={key: values[0] for key, values in parse_qs(parts.query).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(text) if text else None,
            )  # fmt: skip
            wire.calls.append(call)
            if wire.breaks:
                wire.breaks -= 1
                self.close_connection = True
            elif wire.instead is not None:
                self._write(*wire.instead)
            elif call.path == "/api/v1/events":
                self._stream()
            else:
                status, tree = wire.answer(call)
                self._write(status, "application/json", json.dumps(tree).encode())

        def _write(self, status: int, kind: str, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = True

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for block in [*(f"{event}\n\n" for event in wire.events), ""]:
                piece = block.encode()
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def certificate(folder: Path, *hosts: str) -> tuple[Path, Path]:
    """Make a self-signed certificate for these names and addresses; give its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "masv-watch")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return paths


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def no_daemon_socket(folder: Path) -> Path:
    """Make a socket file that nobody listens at."""
    path = folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.fspath(path))
    return path
