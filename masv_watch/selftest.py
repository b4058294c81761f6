"""Try out what a folder's mount can do: the self-test of one hot folder.

Owns the order of the probes and what follows when one cannot be made. Never decides what masv-watch
does because of an answer and never leaves anything behind. Called by `fitness`, which also lends it
an ear: who listens to notifications is a room above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from masv_watch.files import Reach, Root, count_folders, held_notifications
from masv_watch.files.probing import (
    Lease,
    Mount,
    Naming,
    Need,
    Renaming,
    Room,
    Workbench,
    is_sticky,
    mount_of,
    room_of,
)
from masv_watch.loops import Clock

#: folders that are counted for the need of notifications, and seconds after which that ends
MOST_FOLDERS = 2_000_000
COUNTING_S = 60.0
#: looks at one untouched file
_LOOKS = 3

#: asked whether a change in a folder is announced: it is given the folder and how to make a change
Ear = Callable[[bytes, Callable[[], None]], "Heard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Whether notifications reach us from a folder."""

    #: None where they are not relied on
    is_heard: bool | None
    #: one sentence for people; "" when they are heard
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """What was found out about a folder; None is what could not be tried."""

    path: bytes
    mount: Mount
    room: Room
    need: Need
    is_sticky: bool
    #: why nothing can be written there; "" when it can
    unwritable: str
    heard: Heard | None = None
    #: nanoseconds that times are rounded to; None also where a set time is not kept
    mtime_grain_ns: int | None = None
    #: whether an untouched file shows the same inode and change time at every look
    keeps_inode: bool | None = None
    keeps_ctime: bool | None = None
    renaming: Renaming | None = None
    naming: Naming | None = None
    lease: Lease | None = None
    #: seconds that the file system's clock is ahead of this machine's
    skew_s: float | None = None
    #: what of ours could not be removed again; "" when nothing stays
    stays: str = ""
    #: probes that failed, with the system's word
    failed: tuple[str, ...] = ()

    @property
    def can_delete(self) -> bool | None:
        """Say whether what is made there can be removed; None when nothing could be made."""
        return None if self.unwritable else not self.stays


def sound(
    path: bytes,
    *,
    ear: Ear,
    clock: Clock,
    proceed: Callable[[], None] = lambda: None,
    reach: Reach | None = None,
) -> Sounding:
    """Try out everything that the rights, and `reach` where it is given, allow.

    `proceed` is called between the probes and may raise; nothing of ours stays even then.

    Raises:
        SourceUnreadable: the folder is not there, or cannot be listed.
        SourceForbidden: the way to it leads where it must not.
    """
    with Root.open(path, reach=reach) as root:
        need = _need(root, clock, proceed)
        plain = Sounding(
            path=path,
            mount=mount_of(root),
            room=room_of(root),
            need=need,
            is_sticky=is_sticky(root),
            unwritable="",
        )
        try:
            bench = Workbench(root)
        except OSError as error:
            return replace(plain, unwritable=error.strerror or "unknown reason")
        with bench:
            tried = _Trial(bench=bench, ear=ear, clock=clock, proceed=proceed).all()
            return replace(plain, **tried, stays=bench.clear())


@dataclass(kw_only=True, slots=True)
class _Trial:
    """The probes that need a file of our own."""

    bench: Workbench
    ear: Ear
    clock: Clock
    proceed: Callable[[], None]
    found: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    looks: list[tuple[int, int]] = field(default_factory=list)

    def all(self) -> dict[str, Any]:
        """Make every probe, and give what each found."""
        bench = self.bench
        self._try("file", lambda: bench.touch(b"still"))
        self._look()
        self._try("skew_s", self._skew)
        self._try("heard", lambda: self.ear(bench.path, lambda: bench.touch(b"heard")))
        self._look()
        self._try("mtime_grain_ns", bench.mtime_grain_ns)
        self._try("renaming", bench.renaming)
        self._try("naming", bench.naming)
        self._try("lease", bench.lease)
        self._look()
        self.found.pop("file", None)
        if len(self.looks) == _LOOKS:
            inodes, ctimes = zip(*self.looks, strict=True)
            self.found["keeps_inode"] = len(set(inodes)) == 1 and -1 not in inodes
            self.found["keeps_ctime"] = len(set(ctimes)) == 1
        return {**self.found, "failed": tuple(self.failed)}

    def _look(self) -> None:
        self._try("file", lambda: self.looks.append(self.bench.identity(b"still")))

    def _try(self, name: str, probe: Callable[[], object]) -> None:
        self.proceed()
        try:
            self.found[name] = probe()
        except OSError as error:
            self.failed.append(f"{name}: {error.strerror}")

    def _skew(self) -> float:
        before = self.clock.wall()
        there = self.bench.clock()
        after = self.clock.wall()
        return 0.0 if before <= there <= after else there - (before + after) / 2


def _need(root: Root, clock: Clock, proceed: Callable[[], None]) -> Need:
    until = clock.monotonic() + COUNTING_S
    counted = count_folders(
        root, most=MOST_FOLDERS, until=until, monotonic=clock.monotonic, proceed=proceed
    )
    held = held_notifications()
    return Need(
        folders=counted.folders,
        is_cut=counted.is_cut,
        used=held.watches,
        limit=held.most_watches,
    )
