"""The front of the house: our own API with its guard, its certificate and its listeners.

Owns how these are put together, what a reload changes of them, and what is never sent whoever asks.
Never answers a call. Built, reloaded and closed by `daemon`.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

from masv_watch import files, logs
from masv_watch.api.app import build_app
from masv_watch.api.calls import Desk
from masv_watch.api.doors import Bound, handed_over
from masv_watch.api.guard import Guard
from masv_watch.api.private import own_token
from masv_watch.api.server import Listeners
from masv_watch.config.access import is_loopback
from masv_watch.config.handover import Loaded
from masv_watch.errors import CannotListen
from masv_watch.loops import Clock
from masv_watch.model import Listen, Scheme, Secret, Server, Settings
from masv_watch.store.copies import Copies

log = logging.getLogger(__name__)


class Reception:
    """The API of one daemon."""

    def __init__(
        self,
        desk: Desk,
        loaded: Loaded,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        settings: Callable[[], Settings],
    ) -> None:
        """Bind every address and begin to answer.

        Raises:
            CannotListen: an address is taken, or there is no certificate or token to be had.
        """
        self._clock = clock
        self._settings = settings
        self._state = loaded.settings.state
        self._token = self._token_of(loaded.settings.server)
        server, handed = loaded.settings.server, handed_over(environ)
        for bound in handed:
            _demand_secured(bound.listen, server)
        self._guard = Guard(
            lambda: settings().server,
            listens=lambda: self.listeners.listens,
            token=lambda: self._token,
            clock=clock,
        )
        self.listeners = Listeners(
            build_app(desk, self._guard, monotonic=clock.monotonic),
            server.listen,
            tls=self._certificate(server, _addresses(server.listen, handed)),
            handed=handed,
            on_close=desk.moves.stop,
        )

    def adopt(self, server: Server) -> None:
        """Take over a reloaded configuration: token, names and certificate; addresses stay.

        Raises:
            CannotListen: the new certificate cannot be used; the earlier one stays.
        """
        certificate = self._certificate(server, self.listeners.listens)
        if certificate is not None:
            self.listeners.renew(certificate)
        self._token = self._token_of(server)

    def close(self) -> None:
        """Stop answering; event streams end, calls in progress may."""
        self.listeners.close()
        self._guard.close()

    def _token_of(self, server: Server) -> Secret:
        token = server.token or own_token(self._state)
        logs.register_secrets(token, lasting=True)
        return token

    def _certificate(self, server: Server, listens: Sequence[Listen]) -> ssl.SSLContext | None:
        if not any(listen.scheme is Scheme.HTTPS for listen in listens):
            return None
        # certificates are read and made by a library that nothing else of the front needs
        from masv_watch.api import tls  # noqa: PLC0415 - only where https is spoken

        found = tls.identity(server, listens, folder=self._state, now=self._clock.wall())
        level = logging.WARNING if found.is_over else logging.INFO
        log.log(
            level,
            "https speaks by a certificate that is over" if found.is_over else "https is spoken",
            extra={"certificate": found.certificate, "sha256": found.fingerprint},
        )
        return found.context


def _demand_secured(listen: Listen, server: Server) -> None:
    """Refuse what systemd hands over as the configuration would refuse it in `server.listen`.

    Raises:
        CannotListen: others can reach it, and there is no token, or nothing that speaks TLS.
    """
    if listen.scheme is Scheme.UNIX or is_loopback(listen):
        return
    if server.token is None:
        raise CannotListen(
            f"others reach {listen}, which systemd hands over, and there is no server.token",
            hint="set server.token, or let the socket unit listen on 127.0.0.1",
        )
    if listen.scheme is Scheme.HTTP and not server.tls_elsewhere:
        raise CannotListen(
            f"the token would reach {listen}, which systemd hands over, unencrypted",
            hint="add FileDescriptorName=https to the socket unit, or write `tls: elsewhere`",
        )


def _addresses(listens: Sequence[Listen], handed: Sequence[Bound]) -> Sequence[Listen]:
    return [bound.listen for bound in handed] or listens


class OwnThings:
    """What is the daemon's own, as it lies now: never sent, whoever asks. Any thread may look."""

    def __init__(
        self, loaded: Callable[[], Loaded], *, path: str, environ: Mapping[str, str], clock: Clock
    ) -> None:
        """Look by the configuration as it is now; `path` is its file's."""
        self._loaded, self._path, self._environ = loaded, path, environ
        self._copies = Copies(loaded().settings.state, self._backup_folder, clock=clock)

    def marks(self) -> frozenset[tuple[int, int]]:
        """Give device and inode of each: state, its copies, credentials, configuration, keys."""
        return files.never_sent(self._places()) | self._copies.marks()

    def _backup_folder(self) -> str | None:
        backup = self._loaded().settings.backup
        return None if backup is None else backup.to

    def _places(self) -> Iterator[bytes]:
        loaded = self._loaded()
        tls = loaded.settings.server.tls
        named = (
            loaded.settings.state,
            self._environ.get("CREDENTIALS_DIRECTORY", ""),
            os.path.abspath(self._path),
            tls.certificate or "",
            tls.key or "",
            *loaded.private,
        )
        yield from (os.fsencode(each) for each in named if each)
