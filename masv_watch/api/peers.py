"""Ask the kernel who is at the other end of a connection, and the system what he is called.

Owns the uid of a caller and whether it is among the trusted ones. Never admits or refuses: it says
what is known, and None where nothing is. Called by `api.guard`.

Law 1. A uid counts only for a socket that somebody still holds: a client that sends and closes
shows as uid 0 without an inode, and that is nobody, never root.
Law 2. The answer is about this very connection: all four of its ends match, both its sides are
established, and ours still is after the kernel has answered.
Law 3. Nothing here raises for what a caller did or for what a directory service does.
"""

from __future__ import annotations

import errno
import grp
import ipaddress
import logging
import os
import pwd
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from masv_watch.api.doors import Door
from masv_watch.loops import Clock
from masv_watch.model import Scheme

log = logging.getLogger(__name__)

#: what the kernel shows for a user that this namespace does not know
NOBODY = 65534
#: seconds for which a name, or that there is none, is remembered
REMEMBERED_S = 60.0
_MOST_REMEMBERED = 1024

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ESTABLISHED = 1
_NO_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
#: family, protocol, extensions, padding, states
_ASK = struct.Struct("=BBBxI")
#: both ports, both addresses, interface, cookie
_ENDS = struct.Struct("!HH16s16s4s8s")
#: family, state, timer, retransmits
_TOLD = struct.Struct("=BBBB")
#: expires, receive queue, send queue, uid, inode
_OWNER = struct.Struct("=IIIII")
_ANSWER_SIZE = _HEADER.size + _TOLD.size + _ENDS.size + _OWNER.size
#: struct ucred: pid, uid, gid
_CREDENTIALS = struct.Struct("=iII")
_MAPPED = b"\x00" * 10 + b"\xff\xff"

Known = TypeVar("Known")


class Peers:
    """Who callers are; one for all connections, safe for any thread."""

    def __init__(self, clock: Clock) -> None:
        """Begin knowing nobody."""
        self._clock = clock
        self._remembered: dict[object, tuple[float, object]] = {}
        self._told: set[str] = set()
        self._table = SocketTable()

    def close(self) -> None:
        """Let go of what is held open to ask the kernel."""
        self._table.close()

    def uid_of(self, door: Door) -> int | None:
        """Give the uid that holds the other end, or None when the kernel does not tell."""
        uid = self._at_unix(door) if door.listen.scheme is Scheme.UNIX else self._at_tcp(door)
        return None if uid == NOBODY else uid

    def name_of(self, uid: int) -> str | None:
        """Give the name of a user, or None when he has none."""
        return self._remember(("name", uid), lambda: _name_of(uid))

    def is_trusted(self, uid: int, users: tuple[str, ...], groups: tuple[str, ...]) -> bool:
        """Say whether a user is among these users (names or numbers) or in one of these groups."""
        return self._remember(
            ("trusted", uid, users, groups),
            lambda: _is_among(uid, users) or _is_member(uid, groups),
        )

    def _at_unix(self, door: Door) -> int | None:
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            self._tell("this system does not name the callers of a unix socket")
            return None
        try:
            told = door.line.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
        except OSError:
            # the connection ended meanwhile
            return None
        return int(_CREDENTIALS.unpack(told)[1])

    def _at_tcp(self, door: Door) -> int | None:
        if door.peer is None or door.local is None or not is_loopback(door.peer[0]):
            return None
        if not sys.platform.startswith("linux"):
            self._tell("this system does not name the callers of a TCP socket")
            return None
        try:
            uid = self._table.owner_of(door.peer, door.local)
        except OSError as error:
            self._tell(f"the kernel does not name callers: {error.strerror or error}")
            return None
        return uid if uid is not None and _is_established(door.line) else None

    def _tell(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            log.warning("callers are known by the token alone", extra={"why": why})

    def _remember(self, key: object, ask: Callable[[], Known]) -> Known:
        now = self._clock.monotonic()
        found = self._remembered.get(key)
        if found is not None and now < found[0]:
            return found[1]  # type: ignore[return-value] # kept below under the same key
        known = ask()
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (now + REMEMBERED_S, known)
        return known


def is_loopback(host: str) -> bool:
    """Say whether an address is of this machine's loopback, written as IPv4 inside IPv6 or not."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class SocketTable:
    """The kernel's table of TCP sockets, asked by netlink over one descriptor that stays open."""

    def __init__(self) -> None:
        """Begin without the descriptor; the first question opens it."""
        self._door = threading.Lock()
        self._line: socket.socket | None = None
        self._number = 0

    def owner_of(self, end: tuple[str, int], other: tuple[str, int]) -> int | None:
        """Give the uid that holds the socket bound to `end` and connected to `other`.

        None when there is no such established socket here or nobody holds it any more.

        Raises:
            OSError: the kernel or the sandbox around us does not answer such questions.
        """
        family, near, far = _addresses(end[0], other[0])
        ends = (end[1], other[1], near, far)
        question = _ASK.pack(family, socket.IPPROTO_TCP, 0, 1 << _ESTABLISHED)
        question += _ENDS.pack(*ends, b"", _NO_COOKIE)
        with self._door:
            try:
                return _owner(self._ask(question), ends)
            except OSError:
                self._hang_up()
                raise

    def close(self) -> None:
        """Close the descriptor; another question would open it again."""
        with self._door:
            self._hang_up()

    def _ask(self, question: bytes) -> bytes:
        if self._line is None:
            self._line = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
            # the kernel has answered when the question is sent; a wait would be for ever
            self._line.settimeout(1.0)
        self._number = (self._number + 1) & 0xFFFFFFFF
        size = _HEADER.size + len(question)
        header = _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._number, 0)
        self._line.send(header + question)
        answer = self._line.recv(8192)
        if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[3] != self._number:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
        return answer

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _owner(answer: bytes, ends: tuple[int, int, bytes, bytes]) -> int | None:
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _NLMSG_ERROR and len(answer) >= _HEADER.size + _ERROR.size:
        number = -_ERROR.unpack_from(answer, _HEADER.size)[0]
        if number in {errno.ENOENT, errno.ESTALE}:
            return None
        raise OSError(number, os.strerror(number))
    if kind != _SOCK_DIAG_BY_FAMILY or len(answer) < _ANSWER_SIZE:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    family, state, _, _ = _TOLD.unpack_from(answer, _HEADER.size)
    near_port, far_port, near, far, _, _ = _ENDS.unpack_from(answer, _HEADER.size + _TOLD.size)
    *_, uid, inode = _OWNER.unpack_from(answer, _HEADER.size + _TOLD.size + _ENDS.size)
    if family == socket.AF_INET6:
        near, far = near.removeprefix(_MAPPED), far.removeprefix(_MAPPED)
    found = (near_port, far_port, near.ljust(16, b"\x00"), far.ljust(16, b"\x00"))
    # without a match the kernel falls back to a socket that merely listens on the port
    if found != ends or state != _ESTABLISHED or inode == 0:
        return None
    return int(uid)


def _addresses(near: str, far: str) -> tuple[int, bytes, bytes]:
    """Give the family and both addresses; IPv4 inside IPv6 is known to the kernel as IPv4."""
    if ":" not in near:
        first, second = socket.inet_aton(near), socket.inet_aton(far)
        return socket.AF_INET, first.ljust(16, b"\x00"), second.ljust(16, b"\x00")
    first, second = (
        socket.inet_pton(socket.AF_INET6, each.partition("%")[0]) for each in (near, far)
    )
    if first.startswith(_MAPPED) and second.startswith(_MAPPED):
        return socket.AF_INET, first[12:].ljust(16, b"\x00"), second[12:].ljust(16, b"\x00")
    return socket.AF_INET6, first, second


def _is_established(line: socket.socket) -> bool:
    """Say whether our end still is: then no other connection can have taken the same ends."""
    try:
        return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED
    except OSError:
        return False


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError, OverflowError, ValueError):
        return None


def _is_among(uid: int, users: tuple[str, ...]) -> bool:
    return any(_number(user, lambda name: pwd.getpwnam(name).pw_uid) == uid for user in users)


def _is_member(uid: int, groups: tuple[str, ...]) -> bool:
    if not groups:
        return False
    try:
        user = pwd.getpwuid(uid)
        his = set(os.getgrouplist(user.pw_name, user.pw_gid))
    except (KeyError, OSError, OverflowError, ValueError):
        # without a name nobody lists him as a member
        return False
    return any(_number(group, lambda name: grp.getgrnam(name).gr_gid) in his for group in groups)


def _number(name: str, look_up: Callable[[str], int]) -> int | None:
    if name.isascii() and name.isdigit():
        return int(name) if len(name) < 11 else None
    try:
        return look_up(name)
    except (KeyError, OSError, OverflowError, ValueError):
        return None
