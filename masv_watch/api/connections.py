"""One connection: what a caller may send, how long he may take, and what he may leave unread.

Owns the bounds of a connection and the answer to what is no HTTP at all. Never looks into a call.
Called by `api.server`; with it the only place that knows waitress.

Law 1. No caller holds a worker by being slow: a call reaches one when it is there whole, and an
answer waits in a buffer.
Law 2. What a connection may hold is bounded: headers, body, unread answers, and time.
Law 3. When there are too many, the one that has brought no whole call for longest makes room.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import socket
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, RequestEntityTooLarge

from masv_watch.api.app import refusal
from masv_watch.api.doors import Door
from masv_watch.api.guard import DOOR
from masv_watch.model import Listen, Scheme

log = logging.getLogger(__name__)

#: bytes of a body that is read, and of one that is listened to until it is refused
BODY_LIMIT = 8 * 1024 * 1024
DRAIN_LIMIT = 4 * BODY_LIMIT
#: bytes of a request line with all headers, of the trailers, and of one chunk's size line
HEADER_LIMIT = 64 * 1024
CHUNK_LINE_LIMIT = 4 * 1024
#: bytes of unfinished bodies that one listener holds for all its callers together
HELD_LIMIT = 8 * BODY_LIMIT
#: connections of one listener at the same time; one with TLS takes three descriptors
CONNECTIONS = 300
TLS_CONNECTIONS = 150
#: seconds without a byte after which a connection is closed, and between two looks for such
SILENCE_S = 30
LOOK_S = 2
#: seconds in which a call must have come whole
CALL_S = 120
#: no descriptor or no memory for another connection
OUT_OF_MEANS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Void:
    """Where bytes go that are counted and not kept."""

    def __init__(self, size: int) -> None:
        self._size = size

    def append(self, data: bytes) -> None:
        self._size += len(data)

    def __len__(self) -> int:
        return self._size

    def getfile(self) -> io.BytesIO:
        return io.BytesIO()

    def close(self) -> None:
        return


class _Parser(HTTPRequestParser):  # type: ignore[misc] # the library publishes no types
    """The library's parser, with our bounds and an answer where it would cut the connection."""

    is_too_large = False

    def parse_header(self, header_plus: bytes) -> None:
        """Refuse what the library does not catch or understands in two ways."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # a target that is no URL (`http://[`), a length of thousands of digits
            raise ParsingError("the header cannot be read") from error
        if "TRANSFER_ENCODING" in self.headers or (
            self.chunked and "CONTENT_LENGTH" in self.headers
        ):
            # something in front of us may have read the other length
            raise ParsingError("the length of the body is told in two ways")
        if self.body_rcv is None:
            # the library would wait for a body that never comes
            self.expect_continue = False
        if self.content_length > BODY_LIMIT:
            self._keep_nothing()

    def received(self, data: bytes) -> int:
        """Take bytes and give how many belonged to this call."""
        taken = int(super().received(data))
        if self.error is not None:
            # who asks first whether to send is not told to go on
            self.expect_continue = False
        elif self.body_rcv is not None:
            self._bound()
        return taken

    def _bound(self) -> None:
        body = self.body_rcv
        if self.chunked:
            if not self.is_too_large and len(body) > BODY_LIMIT:
                self._keep_nothing()
            if len(body.control_line) > CHUNK_LINE_LIMIT or len(body.trailer) > HEADER_LIMIT:
                # the library copies an unfinished line anew with every block that comes
                self.error, self.completed = BadRequest("a line is too long"), True
        if self.is_too_large and (self.completed or self.expect_continue):
            # who asks first whether to send is told so before he has sent anything
            self.error, self.completed = RequestEntityTooLarge("too large"), True
            self.expect_continue = False

    def _keep_nothing(self) -> None:
        self.is_too_large = True
        kept = self.body_rcv.getbuf()
        self.body_rcv.buf = _Void(len(kept))
        kept.close()


class _Task(WSGITask):  # type: ignore[misc] # the library publishes no types
    """A call, with the door by which it came."""

    def get_environment(self) -> dict[str, Any]:
        """Give the call's environment."""
        environ: dict[str, Any] = super().get_environment()
        environ[DOOR] = self.channel.door
        return environ


class _Refusal(ErrorTask):  # type: ignore[misc] # the library publishes no types
    """What waitress itself refuses, in our words instead of its own page."""

    def execute(self) -> None:
        """Answer as the app answers."""
        error = self.request.error
        body, headers = refusal(error.code)
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(headers)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc] # the library publishes no types
    """A connection whose errors are JSON and which holds no worker."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = _Refusal
    door: Door
    #: since when it has brought no whole call, by the library's clock; 0 before its first one
    waits_since = 0.0
    #: bytes that are kept of a body that has not come whole
    held = 0

    def received(self, data: bytes) -> bool:
        """Take what a caller sent."""
        went_on = bool(super().received(data))
        call = self.request
        body = None if call is None or call.is_too_large else call.body_rcv
        # it may have ended while it was told to go on
        self._hold(0 if body is None or not self.connected else len(body))
        if self.server.held > HELD_LIMIT:
            self.server.make_room(but=self)
        return went_on

    def handle_close(self) -> None:
        """End the connection."""
        self._hold(0)
        super().handle_close()

    def _hold(self, size: int) -> None:
        self.server.held += size - self.held
        self.held = size

    def service(self) -> None:
        """Answer one call."""
        super().service()
        self.waits_since = self.last_activity

    def waiting_since(self) -> float:
        """Give since when this connection has brought no whole call."""
        return self.waits_since or float(self.creation_time)

    def is_overdue(self, now: float) -> bool:
        """Say whether the caller has been silent, unfinished or unwilling to read for too long."""
        if not self.requests:
            is_late = not self.total_outbufs_len and self.waiting_since() < now - CALL_S
            return is_late or bool(self.last_activity < now - SILENCE_S)
        # while a call is answered, only an answer that waits to be read counts
        if not self.total_outbufs_len or not self.outbuf_lock.acquire(False):
            return False
        try:
            return bool(self.total_outbufs_len and self.last_activity < now - SILENCE_S)
        finally:
            self.outbuf_lock.release()

    def _flush_outbufs_below_high_watermark(self) -> None:
        # the library's worker would wait here until the caller reads
        if self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return
        with self.outbuf_lock:
            self._flush_exception(self._flush_some, do_close=False)
            line = self.socket
            if self.total_outbufs_len > self.adj.outbuf_high_watermark and line is not None:
                self.connected = False
                with contextlib.suppress(OSError):
                    # a socket that nobody reads is never writable, and so never closed by a wish
                    line.shutdown(socket.SHUT_RDWR)


class Hall:
    """What our waitress servers have in common; beside one of the library's classes."""

    channel_class = Channel
    listen_at: Listen
    #: no descriptor was left for a new connection; the next look ends this
    is_deaf = False
    #: it was said since the last look that connections are not taken
    has_told = False
    #: bytes that are kept of bodies that have not come whole
    held = 0

    def readable(self: Any) -> bool:
        """Say whether a connection may be accepted, after the look at those there are."""
        return bool(super().readable()) and not self.is_deaf  # type: ignore[misc]

    def handle_accept(self: Any) -> None:
        """Take a connection."""
        try:
            pair = self.accept()
        except OSError as error:
            if not self.has_told:
                # once between two looks, or a flood of callers would flood the log
                self.has_told = True
                log.warning("a connection was not taken", extra={"why": error.strerror})
            if error.errno in OUT_OF_MEANS:
                self.is_deaf = not self.make_room()
            return
        if pair is not None:
            line, address = pair
            with contextlib.suppress(OSError):
                # what fails here has ended already
                self.welcome(line, line, None if self.family == socket.AF_UNIX else address)

    def welcome(self: Any, stream: socket.socket, line: socket.socket, peer: Any) -> None:
        """Serve a connection whose bytes are in `stream` and whose caller is behind `line`.

        Raises:
            OSError: it has ended already.
        """
        try:
            local = line.getsockname()
            if peer is not None and stream is line:
                self.set_socket_options(stream)
            address = ("localhost", None) if peer is None else peer
            channel = self.channel_class(self, stream, address, self.adj, map=self._map)
        except OSError:
            stream.close()
            raise
        channel.door = Door(
            listen=self.listen_at,
            line=line,
            local=None if peer is None else (local[0], local[1]),
            peer=None if peer is None else (peer[0], peer[1]),
        )
        is_tls = self.listen_at.scheme is Scheme.HTTPS
        if len(self.active_channels) > (TLS_CONNECTIONS if is_tls else CONNECTIONS):
            self.make_room(but=channel)

    def make_room(self: Any, but: Channel | None = None) -> bool:
        """Close the connection that has brought no whole call for longest, if there is one.

        When too much is held of unfinished bodies, it is one of those that hold some.
        """
        is_heavy = self.held > HELD_LIMIT
        waiting = [
            each
            for each in self.active_channels.values()
            if each is not but and not each.requests and (each.held or not is_heavy)
        ]
        if not waiting:
            return False
        min(waiting, key=Channel.waiting_since).handle_close()
        return True

    def maintenance(self: Any, now: float) -> None:
        """Close what has been silent, unfinished or unread for too long."""
        self.is_deaf = self.has_told = False
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now):
                channel.handle_close()


class TcpHall(Hall, TcpWSGIServer):  # type: ignore[misc] # the library publishes no types
    """Callers over TCP."""


class UnixHall(Hall, UnixWSGIServer):  # type: ignore[misc] # the library publishes no types
    """Callers over a unix socket."""


def adjustments(listen: Listen) -> Adjustments:
    """Give the library's settings for one address."""
    return Adjustments(
        ident=None,
        clear_untrusted_proxy_headers=True,
        expose_tracebacks=False,
        url_scheme="https" if listen.scheme is Scheme.HTTPS else "http",
        max_request_header_size=HEADER_LIMIT,
        # what is larger by its own account is refused at once
        max_request_body_size=DRAIN_LIMIT + 1,
        # never reached: law 3 makes room before
        connection_limit=1_000_000,
        channel_timeout=SILENCE_S,
        cleanup_interval=LOOK_S,
        # a caller who goes away while his call is answered is noticed
        channel_request_lookahead=1,
        # select() ends at descriptor 1024, which a busy sender reaches
        asyncore_use_poll=True,
    )
