"""The gate of one root: whether what stands at its path may be believed.

Owns the look at a root before its sweep, its marker, and what was noted of it. Never lists more of
a root than tells whether it is known, and never touches a drop. Used by intake before every look.

Law 1. With the gate closed nothing is missing, nothing is deleted and nothing is new (fault 8).
Law 2. Nothing is written into a root but the marker, and that only where `sameness` believes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice

from masv_watch import files
from masv_watch.errors import SourceForbidden, SourceUnreadable
from masv_watch.lifecycle import MOUNT_CURE
from masv_watch.model import Identity, Initial, RootRow, Rule
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.drift import Drift, named
from masv_watch.watch.sameness import (
    RootSight,
    RootState,
    RootVerdict,
    Whose,
    heeds_mounts,
    is_expected,
    judge_root,
)

log = logging.getLogger(__name__)

#: names of a root that are looked up before it counts as one of which nothing is known
_NAMES = 1000
#: seconds that a marker has to be missing before it is written again
MISSED_S = 15.0
#: what stands in a root that nobody put there
_NOBODYS = {files.MARKER_NAME, b".masv-trash", b"lost+found"}
#: rules that ask nobody even about a root with the marker of another
_UNASKED = {Initial.IGNORE}


class Gate:
    """The root of one rule, looked at before each sweep by one thread."""

    def __init__(
        self,
        rule: Rule,
        denied: Callable[[], frozenset[tuple[int, int]]],
        *,
        store: Store,
        volume_of: Callable[[files.Root], files.Volume] = files.volume_of,
        mounts: Callable[[], list[files.Mount]] = files.mounts,
        bare_point: Callable[[bytes], files.Intended | None] = files.bare_point,
    ) -> None:
        """Begin without knowing the root; `denied` is what `files.never_sent` gives.

        The last three let a test stand for a network file system, and for what is to be mounted.
        """
        self._mounts, self._bare_point = mounts, bare_point
        #: network file systems that are mounted below the root
        self.below: tuple[files.Mount, ...] = ()
        self._rule = rule
        self._denied = denied
        self._store = store
        self._volume_of = volume_of
        self._known: RootRow | None = None
        self._whose = Whose.NOBODY
        self._was_removed = False
        #: monotonic seconds at which a marker was first missed; None while none is
        self._missed_at: float | None = None
        #: (device, inode) of a root that took no marker
        self._unmarked: tuple[int, int] | None = None
        #: None before the first look
        self.root_state: RootState | None = None
        #: one sentence for people while the gate is closed; "" while it is open
        self.why = ""
        #: one sentence while all that is new in an open root waits for a person; "" otherwise
        self.question = ""
        #: of the root that was let in last
        self.volume: files.Volume | None = None
        self._drift = Drift()

    @property
    def is_accepted(self) -> bool:
        """Say whether a person vouched for the root, whatever stands in it."""
        return self._known is not None and self._known.is_accepted

    @property
    def is_marked(self) -> bool:
        """Say whether the root that was let in last carries our marker."""
        return self._whose is Whose.OURS

    def proves(self, root: files.Root) -> bool:
        """Say whether a root that was let in is the known one, whatever number its device has."""
        volume, known = self.volume, self._known
        if self.is_marked or volume is None:
            return self.is_marked
        if self._rule.removable:
            # without a UUID the number is part of what its ledger is called
            return bool(volume.uuid)
        if known is None:
            return False
        if known.uuid and volume.uuid:
            return known.uuid == volume.uuid
        # a share that is mounted anew has another number, and its inode is that of many
        return volume.is_network and self._knows(root)

    def open(
        self, now: float, *, expects: Callable[[], bool], was_removed: bool = False
    ) -> files.Root | None:
        """Give the root, or None while the gate is closed; `now` is monotonic.

        `expects` tells whether drops of the root are on their way or held; while they are, no empty
        folder without its marker is let in. `was_removed` says that the folder which was known
        was seen to be deleted.
        """
        self._was_removed = was_removed
        try:
            root = files.Root.open(
                self._rule.path,
                fresh=self._fresh(),
                reach=self._reach(),
                follow=self._rule.follow,
            )
        except SourceForbidden as error:
            self._show(RootState.UNREACHABLE, f"{error.message}; watch another folder")
            return None
        except SourceUnreadable as error:
            self._refuse(error)
            return None
        with ExitStack() as unless_let_in:
            unless_let_in.enter_context(root)
            try:
                unexpected = self._unexpected(root)
                if unexpected:
                    self._show(RootState.REPLACED, unexpected)
                    return None
                verdict = self._judge(root, expects)
                self._look_for_drift(root, now)
            except SourceUnreadable as error:
                self._refuse(error)
                return None
            if verdict.state is not RootState.PRESENT:
                self._show(verdict.state, self._sentence(verdict))
                return None
            self._let_in(verdict, now)
            unless_let_in.pop_all()
        return root

    @property
    def unkept(self) -> files.Fields:
        """Give what of an identity the root's file system does not keep; any thread may ask."""
        return self._drift.fields

    def as_kept(self, identity: Identity) -> Identity:
        """Give an identity without what the root's file system does not keep; any thread may ask.

        That of a file on another one stays as it is.
        """
        is_ours = self._drift.is_of(identity.device)
        return files.without(identity, self.unkept) if is_ours else identity

    def _look_for_drift(self, root: files.Root, now: float) -> None:
        """Have the root show nothing that its file system makes up anew at every look."""
        if self.volume is None or not self.volume.is_network:
            return
        if not self.is_marked:
            # it teaches nothing while its marker is gone, and is what it was all the same
            if self._drift.is_of(root.identity[0]):
                root.leave_out(self.unkept)
            return
        before, seen = self.unkept, root.observe(files.MARKER_NAME)
        if seen is not None and seen.identity is not None:
            self._drift.note(seen.identity, now)
        root.leave_out(self.unkept)
        if self.unkept != before:
            self._tell_drift()

    def _tell_drift(self) -> None:
        told = {"hot_folder": self._rule.name, "file": shown(files.MARKER_NAME)}
        if not self.unkept:
            log.info("a share keeps inode and change time of an untouched file again", extra=told)
            return
        log.warning(
            "a share does not keep what tells a change: it is left out, and every file read twice",
            extra={**told, "what": named(self.unkept), "cure": MOUNT_CURE},
        )

    def mark(self, root: files.Root, now: float, *, is_empty: bool) -> None:
        """Write the marker into an adopted root that has none, and note what the root shows.

        One that was taken away is not written again at once, nor into an emptied root: whoever
        removes the whole folder must be able to.
        """
        volume = self.volume
        if volume is None or self.question or self._rule.removable:
            return
        if self._missed_at is not None and not is_empty and now - self._missed_at < MISSED_S:
            return
        if self._whose is not Whose.OURS and volume.takes_marker and not is_empty:
            self._write(root)
        shows = RootRow(
            path=self._rule.path,
            is_marked=self._whose is Whose.OURS,
            uuid=volume.uuid,
            place=volume.place,
            boot=volume.boot,
        )
        if shows != self._known:
            self._store.note_root(self._rule.name, shows)
            self._known = shows

    def _write(self, root: files.Root) -> None:
        if self._unmarked == root.identity:
            return
        marker = files.RootMarker(state=self._store.state_id(), hot_folder=self._rule.name)
        why = files.write_marker(root, marker)
        if why:
            self._unmarked = root.identity
            log.info(
                "a hot folder has no marker: it is known by its file system alone",
                extra={"hot_folder": self._rule.name, "reason": why},
            )
            return
        if self._missed_at is not None:
            log.warning(
                "a hot folder lost its marker; it is written again",
                extra={"hot_folder": self._rule.name, "file": shown(files.MARKER_NAME)},
            )
        self._whose, self._missed_at = Whose.OURS, None

    def _unexpected(self, root: files.Root) -> str:
        """Say why a root is not on the file system that its rule expects; "" when it is."""
        wanted = self._rule.expect.filesystems
        if not wanted:
            return ""
        volume = self._volume_of(root)
        if is_expected(wanted, volume.kind, is_network=volume.is_network):
            return ""
        found = shown(volume.kind.encode()) or "an unknown file system"
        return (
            f"{shown(self._rule.path)} lies on {found} and not on {' or '.join(wanted)}, as the"
            " rule's expect.filesystem says; mount what belongs there"
        )

    def _judge(self, root: files.Root, expects: Callable[[], bool]) -> RootVerdict:
        if self._rule.removable:
            # whatever appears there is welcome, and nothing is ever written into it
            self.volume = self._volume_of(root)
            return judge_root(None, self._sight(root))
        row = self._store.root(self._rule.name)
        # at another path it is another root
        self._known = row if row and (row.is_accepted or row.path == self._rule.path) else None
        self.volume = self._volume_of(root)
        marker = files.read_marker(root)
        self._whose = owner_of(marker, self._store.state_id(), self._rule.name)
        if self._whose is Whose.OURS:
            return judge_root(self._known, self._sight(root))
        is_empty = is_bare(root)
        sight = self._sight(root, is_empty=is_empty)
        verdict = judge_root(self._known, sight, expects=is_empty and expects())
        if verdict.state is RootState.REPLACED and not is_empty and self._knows(root):
            sight = self._sight(root, has_known=True)
            return judge_root(self._known, sight)
        return verdict

    def _sight(
        self, root: files.Root, *, is_empty: bool = False, has_known: bool = False
    ) -> RootSight:
        volume = self.volume or files.Volume(place=root.identity)
        return RootSight(
            whose=self._whose,
            place=volume.place,
            boot=volume.boot,
            uuid=volume.uuid,
            is_network=volume.is_network,
            is_empty=is_empty,
            has_known=has_known,
            lack=self._lack(),
            was_removed=self._was_removed,
        )

    def _lack(self) -> str:
        """Say what is not mounted below a root of which nothing is known, nor said by its rule."""
        if self._known is not None or not heeds_mounts(self._rule):
            return ""
        point = self._bare_point(self._rule.path)
        return "" if point is None else point.lack

    def _knows(self, root: files.Root) -> bool:
        """Say whether anything in the root is in the ledger by its name, or what lies below it."""
        knows = self._store.knows_below
        return any(knows(self._rule.name, name) for name in islice(_names(root), _NAMES))

    def _fresh(self) -> files.Fresh:
        """Say which files are opened for their identity: each mount decides, never the user."""
        path = self._rule.path
        if files.filesystem_kind(path) == "network":
            self.below = ()
            return True
        self.below = files.network_below(files.resolved(path), self._mounts())
        return frozenset(mount.device for mount in self.below)

    def _reach(self) -> files.Reach:
        # our own files are never sent, whatever is mounted or linked into a hot folder
        return files.Reach(roots=None, uid=None, gids=frozenset(), denied=self._denied())

    def _refuse(self, error: SourceUnreadable) -> None:
        verdict = judge_root(None, error)
        cure = error.hint or "it is looked for again"
        self._show(verdict.state, f"{error.message}; {cure}")

    def _sentence(self, verdict: RootVerdict) -> str:
        path, name = shown(self._rule.path), self._rule.name
        what = "the file system that was there" if self._known else "what belongs there"
        return (
            f"{path} {verdict.findings[0].detail}; mount {what}, or say masv-watch adopt {name} if"
            " this one is to take its place"
        )

    def _let_in(self, verdict: RootVerdict, now: float) -> None:
        asks = verdict.asks and self._rule.initial not in _UNASKED
        question = ""
        if asks:
            name = self._rule.name
            question = (
                f"{shown(self._rule.path)} {verdict.findings[0].detail}; what is new in it is held"
                f" until you say masv-watch adopt {name}"
            )
        if question and question != self.question:
            log.warning(
                "a hot folder asks", extra={"hot_folder": self._rule.name, "reason": question}
            )
        if not verdict.lost_marker:
            self._missed_at = None
        elif self._missed_at is None:
            self._missed_at = now
        self.question = question
        self._show(RootState.PRESENT, "")

    def _show(self, state: RootState, why: str) -> None:
        if (state, why) == (self.root_state, self.why):
            return
        if why:
            log.warning("a hot folder waits", extra={"hot_folder": self._rule.name, "reason": why})
        elif self.root_state is not None:
            log.info("a hot folder is there", extra={"hot_folder": self._rule.name})
        self.root_state, self.why = state, why


def _names(root: files.Root) -> Iterator[bytes]:
    for entry in root.list_folder():
        if entry.path not in _NOBODYS and not entry.path.endswith(b".masv-part"):
            yield entry.path


def is_bare(root: files.Root) -> bool:
    """Say whether nothing stands in a root but what nobody put there."""
    return next(_names(root), None) is None


def owner_of(marker: files.RootMarker | None, state: str, hot_folder: str) -> Whose:
    """Say whom the marker of a root names, as a hot folder of this state sees it."""
    if marker is None:
        return Whose.NOBODY
    if marker.state != state:
        return Whose.FOREIGN
    return Whose.OURS if marker.hot_folder == hot_folder else Whose.NEIGHBOUR
