"""Name what keeps a service from its folders, with the line of a drop-in that opens each.

Owns what `check` says inside a unit of systemd: a folder hidden by ProtectHome= or PrivateTmp=, one
that no ReadWritePaths= opens, one that is closed to the service's groups. Never changes anything
and says nothing outside of a unit. Called by `check`, which the unit runs before the daemon, as the
same user and within the same limits.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from masv_watch import files
from masv_watch.config.dropins import (
    PRIVATE,
    fits,
    is_below,
    line_for,
    target_of,
)
from masv_watch.config.problems import printable
from masv_watch.model import Settings

_EFFECTIVE = os.access in os.supports_effective_ids
_EDIT = "run `systemctl edit masv-watch` and write"
#: what stands at a path that a unit made inaccessible
_NOTHING = b"/systemd/inaccessible/dir"
_HOMES = (b"/home", b"/root", b"/run/user")


class Bar(Enum):
    """What a unit puts in the way of a path."""

    HOME = "home"
    EMPTY_HOME = "empty home"
    PRIVATE_TMP = "private tmp"
    INACCESSIBLE = "inaccessible"
    READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One path that a configuration names."""

    #: the key that names it
    key: str
    path: bytes
    #: what cannot be done without the right to write in it; "" when reading is enough
    writing: str = ""


def is_confined(environ: Mapping[str, str]) -> bool:
    """Say whether this process is the command of a unit, or what that command started."""
    said = environ.get("SYSTEMD_EXEC_PID", "")
    return said in {str(os.getpid()), str(os.getppid())}


def probe(settings: Settings, *, places: Mapping[str, str], file: str) -> list[str]:
    """Look at every path of a configuration; give a warning for each that is not open to us."""
    found = []
    listed = files.mounts()
    for want in wants_of(settings):
        said = _barred(want, listed) or _closed(want)
        if said:
            place = places.get(want.key, places.get(want.key.rpartition(".")[0], f"{file}:1:1"))
            found.append(f"{place}: {want.key}: warning: {said}")
    return found


def wants_of(settings: Settings) -> tuple[Want, ...]:
    """List the paths that a configuration names, each with what it is for."""
    wants = []
    for number, rule in enumerate(settings.hot_folders):
        key = f"hot_folders[{number}]"
        what = {"move": "moved", "delete": "deleted"}.get(rule.after.delivered)
        writing = f"delivered sources cannot be {what}" if what else ""
        wants.append(Want(key=f"{key}.path", path=rule.path, writing=writing))
        target = target_of(rule)
        if target is not None:
            wants.append(Want(key=f"{key}.after.delivered", path=target, writing=writing))
    wants += [
        Want(key=f"server.allowed_roots[{number}]", path=root)
        for number, root in enumerate(settings.server.allowed_roots or ())
    ]
    state = Want(key="state", path=os.fsencode(settings.state), writing="the daemon cannot start")
    return (*wants, state)


def bar_of(path: bytes, listed: Iterable[files.Mount], *, is_written: bool) -> Bar | None:
    """Say what a unit puts in the way of a resolved path, by what is mounted above it."""
    over = None
    for mount in listed:
        if is_below(path, (mount.point,)) and (over is None or len(mount.point) >= len(over.point)):
            over = mount
    if over is None:
        return None
    if over.root.endswith(_NOTHING):
        return Bar.HOME if is_below(over.point, _HOMES) else Bar.INACCESSIBLE
    if over.point in _HOMES and over.kind == b"tmpfs" and over.is_read_only and path != over.point:
        return Bar.EMPTY_HOME
    if over.point in PRIVATE and b"/systemd-private-" in over.root:
        return Bar.PRIVATE_TMP
    return Bar.READ_ONLY if is_written and over.is_closed else None


def cure_of(bar: Bar, path: bytes) -> str:
    """Give what happened to a path and the line of a drop-in that opens it."""
    shown = printable(os.fsdecode(path))
    if not fits(path):
        return f"{shown} is closed to this service, and no unit can name it - give it a plain name"
    written, bound = line_for("ReadWritePaths", path), line_for("BindPaths", path)
    hidden, edit = f"hides {shown} from this service", f"{_EDIT} under [Service]:"
    return {
        Bar.HOME: f"ProtectHome= {hidden} - {edit} ProtectHome=tmpfs and {bound}",
        Bar.EMPTY_HOME: f"ProtectHome= {hidden} - {edit} {bound}",
        Bar.PRIVATE_TMP: f"PrivateTmp= {hidden} - {edit} {bound}",
        Bar.INACCESSIBLE: f"InaccessiblePaths= {hidden} - take it out of there",
        Bar.READ_ONLY: f"{shown} is read-only for this service - {edit} {written}",
    }[bar]


def _barred(want: Want, listed: list[files.Mount]) -> str:
    path = files.resolved(want.path)
    bar = bar_of(path, listed, is_written=bool(want.writing))
    if bar is None or (bar is Bar.PRIVATE_TMP and os.path.isdir(path)):
        return ""
    cure = cure_of(bar, path)
    return f"{want.writing}: {cure}" if bar is Bar.READ_ONLY else cure


def _closed(want: Want) -> str:
    """Say which folder on the way is closed to this user, and what opens it."""
    way = want.path
    while way and not os.path.exists(way):
        above = os.path.dirname(way)
        if above == way or (os.path.isdir(above) and _may(above, os.X_OK)):
            # it is missing, which is no matter of rights
            return ""
        way = above
    need = os.R_OK | os.X_OK | (os.W_OK if want.writing else 0)
    if way != want.path:
        return _opened_by(way, os.X_OK)
    if os.statvfs(way).f_flag & os.ST_RDONLY:
        # no drop-in makes a file system writable
        need &= ~os.W_OK
    return "" if _may(way, need) else _opened_by(way, need)


def _opened_by(path: bytes, need: int) -> str:
    shown = printable(os.fsdecode(path))
    try:
        found = os.stat(path)
    except OSError:
        return ""
    letters = "".join(letter for bit, letter in ((4, "r"), (2, "w"), (1, "x")) if need & bit)
    allowed = stat.S_IMODE(found.st_mode) >> 3
    said = f"{shown} is closed to this service"
    name = _group(found.st_gid)
    if name is not None and allowed & need == need and found.st_gid not in _groups():
        return (
            f"{said}, open to the group {name} - {_EDIT} under [Service]:"
            f" SupplementaryGroups={name}"
        )
    user = f"u:{os.geteuid()}:{letters}"
    return f"{said} and to its groups - run `setfacl -m {user} {shown}`"


def _group(number: int) -> str | None:
    """Give the name of a group that a service may be given; root's is not."""
    if number == 0:
        return None
    try:
        return printable(grp.getgrgid(number).gr_name)
    except KeyError:
        return str(number)


def _groups() -> set[int]:
    return {os.getegid(), *os.getgroups()}


def _may(path: bytes, mode: int) -> bool:
    return os.access(path, mode, effective_ids=_EFFECTIVE)
