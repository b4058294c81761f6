"""A TLS 1.3 front before the sink, in a process of its own.

Owns the certificate, the process, and what of the protocol passes: bodies of PUTs are thrown away
here and told to the sink by number, everything else is handed on. Never part of the product. Used
by the benchmarks over TLS, where only the client's CPU counts.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError  # noqa: E402
from tests.benchmarks.sink import Sink  # noqa: E402

BLOCK = 1024 * 1024


class Front:
    """A running front; `url` is where to send."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        """Make a certificate for 127.0.0.1 in `folder` and start."""
        self._folder = folder / "front"
        self._folder.mkdir()
        self.certificate = self._folder / "cert.pem"
        key = self._folder / "key.pem"
        words = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        )
        made = subprocess.run(
            [*words.split(), "-keyout", str(key), "-out", str(self.certificate)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise CannotMeasureError(f"openssl made no certificate: {made.stderr}")
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.certificate), str(key), str(sink.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = f"https://127.0.0.1:{int(self.process.stdout.readline())}"

    def trusted_by_python(self) -> dict[str, str]:
        """Give the environment in which a Python process trusts us.

        The daemon believes in the bundle of certifi and in no variable. So a copy of certifi stands
        first on its path, with our certificate among those of the world.
        """
        import certifi

        copy = self._folder / "certifi"
        if not copy.exists():
            shutil.copytree(Path(certifi.__file__).parent, copy)
            with (copy / "cacert.pem").open("a") as bundle:
                bundle.write("\n" + self.certificate.read_text())
        before = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(self._folder), *([before] if before else [])])}

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Front:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class _Line:
    """One caller's connection and ours to the sink."""

    def __init__(self, caller: ssl.SSLSocket, port: int) -> None:
        self._caller = caller
        self._sink = socket.create_connection(("127.0.0.1", port))
        self._sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._room = memoryview(bytearray(BLOCK))
        self._early = b""

    def serve(self) -> None:
        """Answer requests until the caller hangs up."""
        with self._caller, self._sink:
            while head := self._head(self._caller):
                length = _length(head)
                if b"\r\nexpect:" in head.lower():
                    self._caller.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if head.startswith(b"PUT "):
                    self._discard(head, length)
                else:
                    self._hand_on(head, length)

    def _head(self, source: socket.socket) -> bytes:
        while b"\r\n\r\n" not in self._early:
            block = source.recv(65536)
            if not block:
                return b""
            self._early += block
        head, _, self._early = self._early.partition(b"\r\n\r\n")
        return head

    def _discard(self, head: bytes, length: int) -> None:
        first = time.monotonic_ns()
        left = length - len(self._early)
        self._early = b""
        while left:
            got = self._caller.recv_into(self._room, min(left, BLOCK))
            if not got:
                return
            left -= got
        path = head.split(b" ", 2)[1].decode()
        id_ = path.removeprefix("/storage/").partition("?")[0] if "/storage/" in path else "none"
        told = f"/_put/{id_}?bytes={length}&first={first}&last={time.monotonic_ns()}"
        self._ask(f"POST {told} HTTP/1.1\r\nHost: sink".encode(), b"")
        self._caller.sendall(
            f'HTTP/1.1 200 OK\r\nETag: "front-{length}"\r\nX-Read: {length}\r\n'
            "Content-Length: 0\r\n\r\n".encode()
        )

    def _hand_on(self, head: bytes, length: int) -> None:
        body, self._early = self._early[:length], self._early[length:]
        while len(body) < length:
            block = self._caller.recv(65536)
            if not block:
                return
            body += block
        kept = [row for row in head.split(b"\r\n") if not row.lower().startswith(b"expect:")]
        self._caller.sendall(self._ask(b"\r\n".join([*kept, b"X-Forwarded-Proto: https"]), body))

    def _ask(self, head: bytes, body: bytes) -> bytes:
        self._sink.sendall(head + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
        above, _, below = answer.partition(b"\r\n\r\n")
        while len(below) < _length(above):
            below += self._received()
        return above + b"\r\n\r\n" + below

    def _received(self) -> bytes:
        block = self._sink.recv(BLOCK)
        if not block:
            raise ConnectionError("the sink hung up")
        return block


def _length(head: bytes) -> int:
    for row in head.lower().split(b"\r\n"):
        if row.startswith(b"content-length:"):
            return int(row.partition(b":")[2])
    return 0


def _talk(caller: socket.socket, context: ssl.SSLContext, port: int) -> None:
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        _Line(context.wrap_socket(caller, server_side=True), port).serve()
    except OSError:
        # who hung up in the middle is found out by its own side
        caller.close()


def _run(certificate: str, key: str, port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=_talk, args=(caller, context, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    # whoever started us ends us by ending
    sys.stdin.read()


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
