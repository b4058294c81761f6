"""The listeners: waitress on a thread of its own, behind every door of the API.

Owns the threads that read and answer, their start and their end. Never looks into a call. Built and
stopped by `daemon`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any

from waitress import wasyncore
from waitress.task import ThreadedTaskDispatcher

from masv_watch.api.connections import Channel, TcpHall, UnixHall, adjustments
from masv_watch.api.doors import Bound, bind_all
from masv_watch.api.terminator import Terminator
from masv_watch.errors import CannotListen
from masv_watch.loops import start_thread
from masv_watch.model import Listen, Scheme

#: threads that answer calls
THREADS = 8
#: seconds that calls in progress get to end when the daemon stops
FAREWELL_S = 2.0
#: seconds between two looks at the connections there are, and while there are none: a call and all
#: that our threads want of the listener wake it
LOOK_S = 1.0
IDLE_S = 60.0


class Listeners:
    """An app behind all its doors."""

    def __init__(
        self,
        app: Any,
        listens: Sequence[Listen],
        *,
        tls: ssl.SSLContext | None = None,
        handed: Sequence[Bound] = (),
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """Bind every address and answer; what systemd `handed` over replaces the addresses.

        `tls` is what `https` listeners speak by. `on_close` is called first when this is closed:
        it lets calls end that would go on (event streams).

        Raises:
            CannotListen: an address is taken or not ours, or `https` has no certificate.
        """
        self._on_close = on_close
        self._sockets: dict[int, Any] = {}
        self._bound = tuple(handed) or bind_all(listens)
        self._terminator = self._need_terminator(tls)
        self._dispatcher = ThreadedTaskDispatcher()
        # a queue is what eight threads are for; each entry would be a line in the log
        self._dispatcher.queue_logger = _Unheard()
        self._halls = [self._open(app, bound) for bound in self._bound]
        self._dispatcher.set_thread_count(THREADS)
        self._thread = start_thread("listener", self._run)
        self._accept_tls()

    def _need_terminator(self, tls: ssl.SSLContext | None) -> Terminator | None:
        for bound in self._bound:
            if bound.listen.scheme is not Scheme.HTTPS:
                continue
            if tls is not None:
                return Terminator(tls)
            for each in self._bound:
                each.close()
            raise CannotListen(
                f"cannot listen on {bound.listen}: there is no certificate",
                hint="name one in server.tls, or listen by http",
            )
        return None

    def _open(self, app: Any, bound: Bound) -> Any:
        is_tls = bound.listen.scheme is Scheme.HTTPS
        address = bound.socket.getsockname()
        kind = UnixHall if bound.listen.scheme is Scheme.UNIX else TcpHall
        hall = kind(
            app,
            map=self._sockets,
            # the terminator accepts for a hall that does not start
            _start=not is_tls,
            _sock=bound.socket,
            dispatcher=self._dispatcher,
            adj=adjustments(bound.listen),
            bind_socket=False,
            sockinfo=(bound.socket.family, bound.socket.type, bound.socket.proto, address),
        )
        hall.listen_at = bound.listen
        return hall

    def _accept_tls(self) -> None:
        for hall in self._halls:
            if self._terminator is not None and hall.listen_at.scheme is Scheme.HTTPS:
                self._terminator.accept(hall.socket.dup(), _Welcome(hall))

    def _run(self) -> None:
        while self._sockets:
            wasyncore.loop(timeout=self._rest_s(), use_poll=True, map=self._sockets, count=1)

    def _rest_s(self) -> float:
        is_watched = any(hall.active_channels or hall.is_deaf for hall in self._halls)
        return LOOK_S if is_watched else IDLE_S

    @property
    def listens(self) -> tuple[Listen, ...]:
        """The addresses as they were really bound, in the order of the configuration."""
        return tuple(bound.listen for bound in self._bound)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports as they were really bound; 0 for a unix socket."""
        return tuple(0 if listen.scheme is Scheme.UNIX else listen.port for listen in self.listens)

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses as the configuration writes them, with their real ports."""
        return tuple(str(listen) for listen in self.listens)

    @property
    def alive(self) -> bool:
        """Say whether calls are answered."""
        return self._thread.is_alive() and (self._terminator is None or self._terminator.alive)

    def renew(self, tls: ssl.SSLContext) -> None:
        """Speak by another certificate from the next connection on."""
        if self._terminator is not None:
            self._terminator.renew(tls)

    def close(self) -> None:
        """Take no more calls, let those in progress end shortly, and cut the rest."""
        if self._on_close is not None:
            self._on_close()
        self._on_thread(self._stop_accepting)
        if self._terminator is not None:
            self._terminator.stop_accepting()
        self._dispatcher.shutdown(timeout=FAREWELL_S)
        self._on_thread(self._close_channels)
        if self._terminator is not None:
            self._terminator.close()
        self._on_thread(self._close_sockets)
        self._thread.join(5.0)

    def _on_thread(self, act: Callable[[], None]) -> None:
        # a socket closed under the listener's poll would end that with an error
        if not self._thread.is_alive():
            act()
            return
        done = threading.Event()

        def act_and_tell() -> None:
            act()
            done.set()

        self._halls[0].trigger.pull_trigger(act_and_tell)
        done.wait(5.0)

    def _stop_accepting(self) -> None:
        for hall, bound in zip(self._halls, self._bound, strict=True):
            wasyncore.dispatcher.close(hall)
            bound.close()

    def _close_channels(self) -> None:
        for channel in list(self._sockets.values()):
            if isinstance(channel, Channel):
                channel.handle_close()

    def _close_sockets(self) -> None:
        for hall in self._halls:
            wasyncore.dispatcher.close(hall)
            # a worker that is late would ring a descriptor that has become something else
            if not self._dispatcher.threads:
                hall.trigger.close()
        for bound in self._bound:
            bound.close()
        self._sockets.clear()


class _Welcome:
    """Bring what the terminator has unwrapped to waitress, on waitress' own thread."""

    def __init__(self, hall: Any) -> None:
        self._hall = hall

    def __call__(self, stream: socket.socket, line: socket.socket, peer: Any) -> None:
        self._hall.trigger.pull_trigger(lambda: self._enter(stream, line, peer))

    def _enter(self, stream: socket.socket, line: socket.socket, peer: Any) -> None:
        with contextlib.suppress(OSError):
            self._hall.welcome(stream, line, peer)


class _Unheard:
    """The library's count of waiting calls."""

    def warning(self, *_: object) -> None:
        return
