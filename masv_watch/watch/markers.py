"""Markers: small files by which people say that a drop is whole, or that it is to go at once.

Owns which path marks which drop, and which names are markers and no drops of their own. Never looks
at a disk. Called by the sweep's matcher, by intake and by whoever explains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from masv_watch.model import UNKEPT_CTIME_NS, DeliveredFile, Identity, Rule
from masv_watch.names import shown
from masv_watch.watch.addresses import Layout

#: what a file is called that lets a drop go outside of its windows: in a folder just so, beside a
#: drop after its name and a dot
URGENT = b"SENDNOW"
#: of every such path below the root, the one at the top that names no drop too
_URGENT_SHAPE = re.compile(r"(?:[^/]+[./])?SENDNOW", re.DOTALL)
#: among files anywhere: none of them is in a folder that it could let go
_DEEP_URGENT_SHAPE = re.compile(r"(?:[^/]+/)*(?:[^/]+\.)?SENDNOW", re.DOTALL)
_WORDS = re.compile(r"\{(name|stem)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The done marker of one drop at one moment."""

    #: below the root
    path: bytes
    #: None while it is not there
    identity: Identity | None
    #: it was made for what the drop held before (`is_left_over`)
    is_stale: bool = False
    #: why what is there marks nothing, one clause; "" otherwise
    why: str = ""

    @property
    def stands(self) -> bool:
        """Say whether it is there and made for what the drop holds now."""
        return self.identity is not None and not self.is_stale

    @property
    def said(self) -> str:
        """Say how it stands, in one clause for people."""
        said = self.why or ("is there" if self.identity is not None else "is not there")
        if self.is_stale:
            said = "is older than what it marks: make or touch it anew once all is written"
        return f"{shown(self.path)} {said}"


def marker_of(template: str, top: bytes, kind: str) -> bytes:
    """Give the path below the root that marks a top-level entry as done.

    `{name}` is the entry's name, `{stem}` that without its ending; a folder has no ending.
    """
    address, slash, name = top.rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    if not stem or not dot or kind == "folder":
        stem = name
    values = {b"{name}": name, b"{stem}": stem}
    encoded = template.encode("utf-8", "surrogateescape")
    filled = re.sub(rb"\{(?:name|stem)\}", lambda found: values[found[0]], encoded)
    return address + slash + filled


def is_left_over(
    marker: Identity,
    files: Iterable[tuple[bytes, Identity]],
    delivered: Mapping[bytes, DeliveredFile],
) -> bool:
    """Say whether a marker is older than something of its drop, so that it does not speak for it.

    What was delivered as it is needs no marker again. A change is younger by its `ctime`; where
    nothing was delivered before, a younger `mtime` of the marker makes up for that: trees that are
    copied with their times bring the marker in any order. Where no `ctime` is kept only `mtime` can
    say it, and in doubt the marker is asked for once more.
    """
    for path, identity in files:
        before = delivered.get(path)
        if before is not None and (before.size, before.mtime_ns) == (
            identity.size,
            identity.mtime_ns,
        ):
            continue
        is_older = marker.mtime_ns < identity.mtime_ns
        if UNKEPT_CTIME_NS in (marker.ctime_ns, identity.ctime_ns):
            if is_older:
                return True
        elif marker.ctime_ns < identity.ctime_ns and (delivered or is_older):
            return True
    return False


def urgent_marks(top: bytes, kind: str) -> tuple[bytes, ...]:
    """Give the paths at which a file lets a drop go outside of its windows."""
    beside = top + b"." + URGENT
    return (beside, top + b"/" + URGENT) if kind == "folder" else (beside,)


def urged_by(path: bytes) -> bytes | None:
    """Give the drop that a file beside it lets go; None when that is no such file."""
    named = path.removesuffix(b"." + URGENT)
    return named if named != path and not named.endswith(b"/") and named else None


def marks_of(rule: Rule, top: bytes, kind: str) -> tuple[bytes, ...]:
    """Give the paths beside a drop at which a marker or a sidecar of it may stand."""
    templates = (rule.drop_marker, None if rule.sidecar is None else rule.sidecar.name)
    found = tuple(marker_of(each, top, kind) for each in templates if each is not None)
    if rule.schedule.heeds_marks:
        found += urgent_marks(top, kind)
    return tuple(path for path in found if not path.startswith(top + b"/"))


def shape_of(template: str, layout: Layout) -> re.Pattern[str]:
    """Give what every path has that is a marker by this template, for whole paths as text."""
    pieces = _WORDS.split(template)
    shape = "".join(
        "[^/]+" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return re.compile("(?:[^/]+/)*" * layout.is_deep + shape, re.DOTALL)


def urgent_shape(layout: Layout) -> re.Pattern[str]:
    """Give what every path has that lets a drop go outside of its windows, for whole paths."""
    return _DEEP_URGENT_SHAPE if layout.is_deep else _URGENT_SHAPE


def urgent_words(path: str, layout: Layout) -> str:
    """Say in a clause what a file of that shape is."""
    if layout.is_deep and path.rpartition("/")[2] == "SENDNOW":
        return "names no drop: call it NAME.SENDNOW"
    if path == "SENDNOW":
        return "names no drop: call it NAME.SENDNOW, or put it into a folder"
    return "lets its drop go outside of the window"
