"""The listener: waitress on a thread of its own.

Owns the socket, and the answer to what is no HTTP at all. Never looks into a call. Built and
stopped by `daemon`.

It stands alone because it is the only place that knows waitress.
"""

from __future__ import annotations

import os
from typing import Any

import waitress.server
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask

from masv_watch.api.app import refusal
from masv_watch.errors import CannotListen
from masv_watch.loops import start_thread

#: threads that answer calls
THREADS = 8
#: bytes of a body that is read
BODY_LIMIT = 8 * 1024 * 1024
#: connections at the same time; more wait in the kernel's queue until one ends
CONNECTIONS = 500
#: seconds without a byte after which a connection is closed, and between two looks for such
SILENCE_S = 30
LOOK_S = 5


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


class _Parser(HTTPRequestParser):  # type: ignore[misc] # the library publishes no types
    """The library's parser, with an answer where it would cut the connection."""

    def parse_header(self, header_plus: bytes) -> None:
        """Refuse a target that is no URL (`http://[`), which the library does not catch."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("the target is no URL") from error


class _Channel(HTTPChannel):  # type: ignore[misc] # the library publishes no types
    """A connection whose errors are JSON."""

    parser_class = _Parser
    error_task_class = _Refusal


class Listener:
    """An app behind a TCP socket."""

    def __init__(self, app: Any, *, host: str, port: int) -> None:
        """Bind the socket; port 0 takes a free one.

        Raises:
            CannotListen: the address is taken or not ours.
        """
        self._sockets: dict[int, Any] = {}
        try:
            self._server = waitress.server.create_server(
                app,
                map=self._sockets,
                host=host,
                port=port,
                threads=THREADS,
                ident=None,
                clear_untrusted_proxy_headers=True,
                expose_tracebacks=False,
                max_request_body_size=BODY_LIMIT,
                connection_limit=CONNECTIONS,
                channel_timeout=SILENCE_S,
                cleanup_interval=LOOK_S,
                # select() ends at descriptor 1024, which a busy sender reaches
                asyncore_use_poll=True,
            )
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
                hint="stop what listens there, or set server.listen to another port",
            ) from error
        self._server.channel_class = _Channel
        self.port = int(self._server.effective_port)
        self._thread = start_thread("listener", self._server.run)

    @property
    def alive(self) -> bool:
        """Say whether calls are answered."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop answering, connections that callers keep open included."""
        # on the listener's own thread: a socket closed under its poll would end that with an error
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._sockets))
        self._thread.join(5.0)
        self._server.task_dispatcher.shutdown()
