"""Speak HTTP to the daemon: over TCP, TLS and unix sockets.

Owns the connection, the token's header, and the words for everything that can go wrong on the way.
Never knows what a call means: `answers` reads what comes back. Built once by every command that
calls the API.

Law 1. A call is sent once: a second address is tried only while no connection was made, and only
a create is repeated, once and under its key, when its answer was lost.
Law 2. Redirects are not followed: they would carry the token elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from masv_watch.cli.answers import Json, NotOurs, printable
from masv_watch.cli.outcomes import AnswerLost, DaemonUnreachable, Refused, WrongUsage
from masv_watch.cli.whereabouts import CERTIFICATE_FILE, Whereabouts
from masv_watch.errors import Unauthenticated
from masv_watch.model import Listen, Scheme

T = TypeVar("T")

#: seconds that the daemon may take to answer; a create walks folders before it answers
ANSWER_S = 30.0
WALK_S = 600.0
#: bytes of one line of a stream
_LONGEST_LINE = 1024 * 1024
_TOKEN_CURE = "give the token by --token-file FILE or $MASV_WATCH_TOKEN"  # noqa: S105 - advice
_START = "start it with `masv-watch run -c FILE`, or name another address by --url"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class Caller:
    """The daemon's API as a command sees it."""

    def __init__(self, where: Whereabouts) -> None:
        """Call there; nothing is sent yet."""
        self._where = where

    def get(self, path: str, read: Callable[[Json], T], *good: int) -> tuple[T, Json]:
        """Ask for a path; give the answer as read and as it came.

        Raises:
            DaemonUnreachable, Refused
        """
        return self._called("GET", path, read, good=good)

    def send(
        self,
        method: str,
        path: str,
        read: Callable[[Json], T],
        body: Mapping[str, Any] | None = None,
        *,
        within_s: float = ANSWER_S,
        good: tuple[int, ...] = (),
    ) -> tuple[T, Json]:
        """Ask for a change; give the answer as read and as it came.

        `good` are the statuses of answers that are read; none means those of success.

        Raises:
            DaemonUnreachable, Refused
        """
        if method != "DELETE":
            body = body or {}
        return self._called(method, path, read, body=body, within_s=within_s, good=good)

    def create(
        self, path: str, read: Callable[[Json], T], body: Mapping[str, Any]
    ) -> tuple[T, Json]:
        """Ask for a new upload; should the answer get lost, ask once more for the same one.

        Raises:
            DaemonUnreachable, Refused
        """
        key = uuid.uuid4().hex
        try:
            return self._called("POST", path, read, body=body, within_s=WALK_S, key=key)
        except AnswerLost:
            return self._called("POST", path, read, body=body, within_s=WALK_S, key=key)

    def text(self, path: str) -> str:
        """Give what stands at a path as it came, for what is no JSON.

        Raises:
            DaemonUnreachable, Refused
        """
        connection, at = self._connected(ANSWER_S)
        with contextlib.closing(connection):
            response = self._asked(connection, at, "GET", path, accept="text/plain")
            content = self._text(response, at)
        if response.status != 200:
            self._refuse(at, response.status, content)
        return content.decode("utf-8", "replace")

    def lines(self, path: str) -> Iterator[str]:
        """Give the lines of a stream as they come, until the daemon ends it.

        Raises:
            DaemonUnreachable, Refused
        """
        connection, at = self._connected(ANSWER_S)
        with contextlib.closing(connection):
            response = self._asked(connection, at, "GET", path, accept="text/event-stream")
            if response.status != 200:
                self._refuse(at, response.status, self._text(response, at))
            kind = response.getheader("Content-Type", "")
            if not kind.startswith("text/event-stream"):
                raise _foreign(at, f"it answers with {printable(kind) or 'no content type'}")
            if connection.sock is not None:
                # a quiet daemon may say nothing for hours; the kernel notices when it is gone
                connection.sock.settimeout(None)
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            yield from self._stream(response, at)

    def _stream(self, response: http.client.HTTPResponse, at: Listen) -> Iterator[str]:
        while True:
            try:
                line = response.readline(_LONGEST_LINE)
            except (OSError, ValueError, http.client.HTTPException):
                # a daemon that is killed ends its streams in the middle of a chunk
                return
            if not line:
                return
            if len(line) >= _LONGEST_LINE:
                raise _foreign(at, "its lines have no end")
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def _called(
        self,
        method: str,
        path: str,
        read: Callable[[Json], T],
        *,
        good: tuple[int, ...] = (),
        body: Mapping[str, Any] | None = None,
        within_s: float = ANSWER_S,
        key: str = "",
    ) -> tuple[T, Json]:
        connection, at = self._connected(within_s)
        with contextlib.closing(connection):
            response = self._asked(connection, at, method, path, body=body, key=key)
            text = self._text(response, at, is_change=method != "GET")
        if response.status not in (good or (200, 201)):
            self._refuse(at, response.status, text)
        try:
            tree = json.loads(text)
            return read(tree), tree
        except (ValueError, RecursionError) as error:
            raise _foreign(at, "its answer is no JSON") from error
        except NotOurs as error:
            raise _foreign(at, f"in its answer {error}") from error

    def _connected(self, within_s: float) -> tuple[http.client.HTTPConnection, Listen]:
        failures = []
        cure = _START
        for at in self._where.addresses:
            connection = self._connection(at, within_s)
            try:
                connection.connect()
            except (OSError, UnicodeError) as error:
                connection.close()
                failures.append(f"at {printable(str(at))}: {_reason(error)}")
                cure = _cure(error) or cure
            else:
                return connection, at
        remark = f" ({self._where.remark})" if self._where.remark else ""
        raise DaemonUnreachable(f"no masv-watch answers {', '.join(failures)}{remark} - {cure}")

    def _connection(self, at: Listen, within_s: float) -> http.client.HTTPConnection:
        if at.scheme is Scheme.UNIX:
            return _UnixConnection(at.path, within_s)
        if at.scheme is Scheme.HTTP:
            return http.client.HTTPConnection(at.host, at.port, timeout=within_s)
        return http.client.HTTPSConnection(
            at.host, at.port, timeout=within_s, context=self._context()
        )

    def _context(self) -> ssl.SSLContext:
        authorities = self._where.authorities
        if authorities is not None:
            try:
                return ssl.create_default_context(cafile=authorities)
            except OSError as error:
                reason = "no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
                raise WrongUsage(
                    f"the authorities in '{printable(authorities)}' cannot be used: {reason}"
                    " - name a PEM file by --cacert FILE or $MASV_WATCH_CACERT"
                ) from error
        context = ssl.create_default_context()
        if self._where.own_certificate is not None:
            with contextlib.suppress(OSError):
                context.load_verify_locations(self._where.own_certificate)
        return context

    def _asked(
        self,
        connection: http.client.HTTPConnection,
        at: Listen,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        accept: str = "application/json",
        key: str = "",
    ) -> http.client.HTTPResponse:
        headers = {"Accept": accept, **({"Idempotency-Key": key} if key else {})}
        if self._where.token is not None:
            headers["Authorization"] = f"Bearer {self._where.token.reveal()}"
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            # escapes alone: a byte of a name that is no UTF-8 travels as a lone surrogate
            payload = json.dumps(body, ensure_ascii=True).encode()
        try:
            # who refuses a body early closes while it is still sent, and has answered before
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, payload, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _lost(at, error, is_change=method != "GET") from error

    def _text(
        self, response: http.client.HTTPResponse, at: Listen, *, is_change: bool = False
    ) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _lost(at, error, is_change=is_change) from error

    def _refuse(self, at: Listen, status: int, text: bytes) -> None:
        try:
            tree = json.loads(text)
            message = tree["message"]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise _foreign(at, f"it answers {status} without a message") from error
        if not isinstance(message, str):
            raise _foreign(at, f"it answers {status} without a message")
        code = tree.get("code")
        code = code if isinstance(code, int) else 0
        hints = list(_hints(message, tree))
        if code == Unauthenticated.code:
            hints += self._token_cure(at)
        said = " - ".join([printable(message), *(["; ".join(hints)] if hints else [])])
        raise Refused(said, answered=status, code=code)

    def _token_cure(self, at: Listen) -> Iterator[str]:
        if self._where.token is not None:
            yield f"the token of {printable(self._where.token.origin)} was shown"
        else:
            yield _TOKEN_CURE


def place(*words: str) -> str:
    """Give a path below the API, every word of it quoted whatever stands in it."""
    return "/api/v1/" + "/".join(quote(os.fsencode(word), safe="") for word in words)


def _hints(message: str, tree: dict[str, Json]) -> Iterator[str]:
    """Say what helps: the daemon's hint, and for a 409 the state with what is allowed in it."""
    hint, state, allowed = (tree.get(key) for key in ("hint", "state", "allowed"))
    if isinstance(hint, str) and hint:
        yield printable(hint)
    if isinstance(state, str) and state not in message:
        yield f"it is {printable(state)}"
    if isinstance(allowed, list):
        calls = [printable(call) for call in allowed if isinstance(call, str)]
        if not hint or not all(call in hint for call in calls):
            yield f"allowed now: {', '.join(calls) or 'nothing'}"


def _foreign(at: Listen, oddity: str) -> DaemonUnreachable:
    return DaemonUnreachable(
        f"what answers at {printable(str(at))} is not masv-watch ({oddity})"
        " - name its address by --url"
    )


def _lost(at: Listen, error: Exception, *, is_change: bool) -> DaemonUnreachable:
    if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol) and not (
        isinstance(error, http.client.RemoteDisconnected)
    ):
        return _foreign(at, "it does not speak HTTP")
    done = (
        "the change may be made all the same: look before it is repeated"
        if is_change
        else "try again, or look into the daemon's log"
    )
    return AnswerLost(
        f"masv-watch at {printable(str(at))} broke off without an answer: {_reason(error)} - {done}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {printable(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        why = printable(error.reason or "handshake failed").lower().replace("_", " ")
        return f"no TLS is spoken there ({why})"
    if isinstance(error, http.client.HTTPException | UnicodeError):
        return printable(str(error)) or type(error).__name__
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return printable(words).lower()


def _cure(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "name its file by --cacert FILE or $MASV_WATCH_CACERT (one that the daemon made is"
            f" {CERTIFICATE_FILE} in the state folder), and a host that it is made for by --url"
        )
    if getattr(error, "errno", None) == errno.EACCES:
        return "ask the daemon's operator to let your user use that socket"
    return ""
