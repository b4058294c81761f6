"""The sockets by which callers come in, and what is known of a caller who came.

Owns binding, the file of a unix socket, and what systemd hands over. Never accepts a connection
and never answers. Called by `api.server`; `daemon` asks it what systemd handed over.

Law 1. The file of a unix socket is never more open than it is to become, not for a moment.
Law 2. A file is replaced only when it is a socket on which nobody listens, removed only while it
is still ours.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from masv_watch.errors import CannotListen
from masv_watch.model import Listen, Scheme
from masv_watch.names import shown

#: connections that wait in the kernel's queue
BACKLOG = 1024
#: the file's rights: the daemon's user and its group
SOCKET_MODE = 0o660
#: the first descriptor that systemd hands over
_FIRST_HANDED = 3
_MOST_HANDED = 64
#: a handed socket of this name (FileDescriptorName=) speaks TLS
_TLS_NAME = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The way one connection came in, for as long as it lasts."""

    #: the address that is listened on, with its real port
    listen: Listen
    #: our end as the kernel names it, host and port; None for a unix socket
    local: tuple[str, int] | None
    #: the caller's end; None for a unix socket
    peer: tuple[str, int] | None
    #: the accepted socket, to ask the kernel about; whoever serves the connection closes it
    line: socket.socket = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A socket that listens."""

    listen: Listen
    socket: socket.socket
    #: device and inode of a unix socket's file that we made; None when there is none of ours
    file: tuple[int, int] | None = None

    def close(self) -> None:
        """Stop listening and remove the file that was made for it."""
        self.socket.close()
        if self.file is None:
            return
        try:
            found = os.lstat(self.listen.path)
            if (found.st_dev, found.st_ino) == self.file:
                os.unlink(self.listen.path)
        except OSError:
            # gone already, or its folder is: nothing of ours is left
            return


def bind_all(listens: Sequence[Listen]) -> tuple[Bound, ...]:
    """Bind every address, or none of them; beside 127.0.0.1 its twin [::1], at the end.

    Both are called localhost, and a caller tries [::1] first: left to another user of this machine,
    it would get the calls and tokens that are meant for us.

    Raises:
        CannotListen: one is taken, not ours, or its file may not be made.
    """
    return _all_or_none(_each(listens))


def _each(listens: Sequence[Listen]) -> Iterator[Bound]:
    for listen in listens:
        yield bind(listen)
    named = [listen for listen in listens if listen.scheme is not Scheme.UNIX]
    taken = {listen.port for listen in named if listen.host in ("::1", "::")}
    for listen in named:
        if listen.host == "127.0.0.1" and listen.port and listen.port not in taken:
            bound = _bind_twin(replace(listen, host="::1"))
            if bound is not None:
                yield bound


def _bind_twin(listen: Listen) -> Bound | None:
    try:
        return bind(listen)
    except CannotListen as error:
        number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
        if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            # without IPv6 there is no other localhost
            return None
        raise CannotListen(
            f"{error.message}, and localhost is its name as well",
            hint="stop what listens there, or set server.listen to another port",
        ) from error


def _all_or_none(opened: Iterator[Bound]) -> tuple[Bound, ...]:
    bound: list[Bound] = []
    try:
        bound.extend(opened)
    except CannotListen:
        for each in bound:
            each.close()
        raise
    return tuple(bound)


def bind(listen: Listen) -> Bound:
    """Bind one address and listen there; port 0 takes a free one.

    Raises:
        CannotListen: it is taken, not ours, or its file may not be made.
    """
    try:
        return _bind_unix(listen) if listen.scheme is Scheme.UNIX else _bind_tcp(listen)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        why = os.strerror(number).lower() if number and number > 0 else str(error)
        hint = "stop what listens there, or set server.listen to another address"
        if number in (errno.EACCES, errno.EPERM):
            hint = "set server.listen to a port from 1024 on, and let a reverse proxy have this one"
        if number == errno.EADDRNOTAVAIL:
            hint = (
                "this machine has no such address, or not yet: set server.listen to one of its own,"
                " or let the service wait for the network by the drop-in address.conf"
            )
        if listen.scheme is Scheme.UNIX:
            hint = "make its folder, writable for this user, or set server.listen to another path"
        raise CannotListen(f"cannot listen on {_named(listen)}: {why}", hint=hint) from error


def _bind_tcp(listen: Listen) -> Bound:
    found = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        port = int(bound.getsockname()[1])
    except OSError:
        bound.close()
        raise
    return Bound(listen=replace(listen, port=port), socket=bound)


def _bind_unix(listen: Listen) -> Bound:
    _clear_stale(listen)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # the file takes these rights less the umask; then it gets the rest of them
        os.fchmod(bound.fileno(), SOCKET_MODE)
        bound.bind(listen.path)
        found = os.lstat(listen.path)
        os.chmod(listen.path, SOCKET_MODE)
        bound.listen(BACKLOG)
    except (OSError, ValueError):
        bound.close()
        raise
    return Bound(listen=listen, socket=bound, file=(found.st_dev, found.st_ino))


def _clear_stale(listen: Listen) -> None:
    try:
        found = os.lstat(listen.path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotListen(
            f"cannot listen on {_named(listen)}: what stands there is no socket",
            hint="move it away, or set server.listen to another path",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(listen.path) != errno.ECONNREFUSED:
            raise CannotListen(
                f"cannot listen on {_named(listen)}: another process listens there",
                hint="stop it, or set server.listen to another path",
            )
    os.unlink(listen.path)


def handed_over(environ: Mapping[str, str]) -> tuple[Bound, ...]:
    """Take the sockets that systemd opened for this process; none when it opened none.

    A TCP socket named `https` (FileDescriptorName=) speaks TLS, every other one plain HTTP. To be
    called once: the descriptors belong to what is returned.

    Raises:
        CannotListen: what was handed over is not a stream socket that listens.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return ()
    said = environ.get("LISTEN_FDS", "")
    if not (said.isascii() and said.isdigit() and len(said) < 4 and int(said) <= _MOST_HANDED):
        raise CannotListen(
            "cannot use what systemd handed over: LISTEN_FDS is no small number",
            hint="start masv-watch by its socket unit, or unset LISTEN_PID",
        )
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    names += [""] * (int(said) - len(names))
    return _all_or_none(
        _take(_FIRST_HANDED + number, name) for number, name in enumerate(names[: int(said)])
    )


def _take(descriptor: int, name: str) -> Bound:
    try:
        taken = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _useless(descriptor, "is no socket") from error
    taken.set_inheritable(False)
    if taken.type != socket.SOCK_STREAM:
        taken.close()
        raise _useless(descriptor, "is no stream socket (ListenStream= is)")
    if not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        taken.close()
        raise _useless(descriptor, "does not listen (Accept=no does)")
    address = taken.getsockname()
    if taken.family == socket.AF_UNIX:
        path = os.fsdecode(address)
        return Bound(listen=Listen(scheme=Scheme.UNIX, host="", port=0, path=path), socket=taken)
    if taken.family not in {socket.AF_INET, socket.AF_INET6}:
        taken.close()
        raise _useless(descriptor, "is neither an internet nor a unix socket")
    scheme = Scheme.HTTPS if name == _TLS_NAME else Scheme.HTTP
    listen = Listen(scheme=scheme, host=str(address[0]), port=int(address[1]))
    return Bound(listen=listen, socket=taken)


def _useless(descriptor: int, why: str) -> CannotListen:
    return CannotListen(
        f"cannot use what systemd handed over: descriptor {descriptor} {why}",
        hint="correct the socket unit, or disable it so that server.listen counts",
    )


def _named(listen: Listen) -> str:
    return shown(os.fsencode(str(listen)))
