"""What a caller of our API named by paths, looked at: the files that his upload will hold.

Owns where a named path may lead, what is left out of it and how its files are called. Never reads a
byte of content and remembers nothing between two calls. Called by the API for a new upload, and by
whoever looks again at a source of one that changed.

Law 1. All of what is named is sent, or the call fails: what cannot be read is never passed over.
Law 2. Whoever is kept to roots gets one answer for what lies outside of them, is not there or is
       not his to read; nothing outside is even looked at.
Law 3. What is looked at is walked from "/" without following a link, and judged by descriptor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from masv_watch.errors import (
    Busy,
    SourceError,
    SourceForbidden,
    SourceUnreadable,
    SourceVanished,
    Unprocessable,
)
from masv_watch.figures import counted
from masv_watch.files import LONGEST_PATH, Places, Reach, Root, groups_of
from masv_watch.model import (
    TOKEN_HOLDER,
    Caller,
    FileDraft,
    Found,
    Identity,
    Rule,
    Settings,
    To,
)
from masv_watch.names import sent_name, shown
from masv_watch.watch import scan
from masv_watch.watch.gathering import gather
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import Tree

#: seconds for which a user's groups, the roots and what is our own are known to the sender
KNOWN_S = 5.0
#: files and folders that one call may name and hold
BUDGET = 1_000_000

_ABSOLUTE = "give absolute paths without the names . and .."
#: what is wrong with a disk or with us says nothing about what is there
_TROUBLE = ("EIO", "ESTALE", "ETIMEDOUT", "EHOSTDOWN", "ENODEV", "EMFILE", "ENFILE", "ENOMEM")


class Paths:
    """Looks at what callers name, by the settings as they are now; shared between threads."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        *,
        denied: Callable[[], frozenset[tuple[int, int]]],
        stop: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = lambda: 0.0,
        budget: int = BUDGET,
    ) -> None:
        """Look with these; `denied` is what `files.never_sent` gives, `stop` ends a long look."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[int | None, _Known] = {}
        self._settings = settings
        self._denied = denied
        self._stop = stop
        self._budget = budget
        self._matcher = Matcher(Rule(name="", path=b"/", to=To(recipients=())))

    def look(self, paths: Sequence[bytes], caller: Caller) -> Found:
        """Give every file that the named files and folders hold, and what is left out of them.

        Raises:
            SourceForbidden: a path is not the caller's to send, or there is nothing like it;
                `facts["path"]` is the path as it was named.
            SourceUnreadable: a named path cannot be read, and the caller may know.
            Unprocessable: a path has a wrong form, something inside a folder cannot be read, there
                is nothing to send or too much, or two files would become one.
            Busy: the daemon is about to stop.
        """
        reach, refusal = self._reach(caller)
        named = _placed(paths, Places(reach.roots), refusal)
        look = _Look(refusal=refusal, matcher=self._matcher, stop=self._stop, budget=self._budget)
        with Root.open(b"/", reach=reach) as top:
            # by their folders, each of which is opened once; an outer one comes before its inner
            named.sort(key=lambda each: each.place.rpartition(b"/")[::2])
            for above, group in groupby(named, key=lambda each: each.place.rpartition(b"/")[0]):
                look.group(top, above, list(group))
        return look.found()

    def look_again(self, path: bytes, reader: int | None) -> Identity:
        """Give the identity of one file of an earlier upload, by the rules of today.

        `path` is below "/", as a draft holds it; `reader` is the upload's.

        Raises:
            SourceForbidden: it is not the reader's to send any more, or is no file.
            SourceVanished, SourceUnreadable: as they say; only where the reader may know.
        """
        reach, refusal = self._reach(_caller_of(reader))
        whole = b"/" + path
        if reach.roots is not None and Places(reach.roots).find(whole) != path:
            raise refusal.because(whole, "lies outside")
        refusal = refusal.once_named(whole)
        try:
            with Root.open(b"/", reach=reach) as root:
                seen = root.observe(path)
        except SourceError as error:
            raise refusal.of(error, whole) from error
        if seen is None:
            raise refusal.of(SourceVanished("is not there any more", path=whole), whole)
        if seen.kind == "unreadable":
            raise refusal.of(SourceUnreadable(seen.detail, path=whole), whole)
        if seen.kind != "file" or seen.identity is None:
            raise refusal.because(whole, f"is {seen.detail or 'a folder'}")
        return seen.identity

    def rights(self, path: bytes, reader: int | None) -> Reach:
        """Give within what a file of an earlier upload is opened to be sent, by the rules of now.

        What is looked up of users, roots and of what is our own counts for some seconds, so that
        thousands of small files do not each cost it; each folder and file is judged as it is then.

        Raises:
            SourceForbidden: it lies outside of what may be sent for its reader.
        """
        settings = self._settings()
        with self._lock:
            known, now = self._known.get(reader), self._monotonic()
            if known is None or known.settings is not settings or now >= known.until:
                reach, refusal = self._reach(_caller_of(reader))
                known = self._known[reader] = _Known(
                    settings=settings,
                    until=now + KNOWN_S,
                    reach=reach,
                    places=None if reach.roots is None else Places(reach.roots),
                    refusal=refusal,
                )
        whole = b"/" + path
        if known.places is not None and known.places.find(whole) != path:
            raise known.refusal.because(whole, "lies outside")
        return known.reach

    def _reach(self, caller: Caller) -> tuple[Reach, _Refusal]:
        settings = self._settings()
        allowed = settings.server.allowed_roots
        is_free = caller.is_owner and allowed is None
        hot_folders = tuple(rule.path for rule in settings.hot_folders)
        uid = None if caller.is_owner else caller.uid
        reach = Reach(
            roots=None if is_free else (*(allowed or ()), *hot_folders),
            uid=uid,
            gids=frozenset() if uid is None else groups_of(uid),
            denied=self._denied(),
        )
        return reach, _Refusal() if is_free else _one_answer(allowed, len(hot_folders))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """How a named path is refused: precisely, or with one sentence whatever the reason is."""

    #: empty for a caller who may know the reason
    sentence: str = ""
    hint: str = ""

    def because(self, path: bytes, why: str, hint: str = "") -> SourceForbidden:
        """Give the refusal of a named path; `why` follows its name where he may know it."""
        if self.sentence:
            return SourceForbidden(self.sentence, hint=self.hint, path=path)
        return SourceForbidden(f"{shown(path)} {why}", hint=hint, path=path)

    def once_named(self, path: bytes) -> _Refusal:
        """Give how a path is refused that was his to send when he named it."""
        if not self.sentence:
            return self
        return _Refusal(
            sentence=f"{shown(path)} is gone, or is not any more to be read by whoever named it"
        )

    def of(self, error: SourceError, path: bytes) -> SourceError:
        """Give an error of the walk to a named path in the words for this caller."""
        if self.sentence and error.facts.get("errno") not in _TROUBLE:
            return self.because(path, "")
        at = error.facts.get("path")
        why = error.message.removeprefix(shown(at)).strip() if isinstance(at, bytes) else ""
        facts = {**error.facts, "path": path}
        return type(error)(f"{shown(path)} {why or error.message}", hint=error.hint, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was looked up for one reader."""

    settings: Settings
    #: monotonic seconds
    until: float
    reach: Reach
    places: Places | None
    refusal: _Refusal


def _caller_of(reader: int | None) -> Caller:
    return Caller(uid=None if reader == TOKEN_HOLDER else reader, is_owner=reader is None)


def _one_answer(allowed: tuple[bytes, ...] | None, hot_folders: int) -> _Refusal:
    hot = counted(hot_folders, "hot folder")
    if allowed is None:
        return _Refusal(
            sentence=f"no such file below server.allowed_roots (not set, {hot}); "
            "callers other than root and the daemon's own user need it",
            hint="set server.allowed_roots to the folders that they may send",
        )
    roots = ", ".join(shown(root) for root in allowed) or "no folder"
    return _Refusal(
        sentence=f"no such file below server.allowed_roots ({roots}, {hot})",
        hint="add the folder there",
    )


@dataclass(frozen=True, slots=True)
class _Named:
    """One path that was named."""

    #: absolute, without needless slashes
    path: bytes
    #: where it is walked, below "/"
    place: bytes
    #: its number in the call, from 0
    order: int

    @property
    def name(self) -> bytes:
        """Give the last name of the place."""
        return self.place.rpartition(b"/")[2]

    def at(self, relative: bytes) -> bytes:
        """Give the path, as he would write it, of what was found below its folder."""
        return self.path + relative[len(self.name) :]


def _placed(paths: Sequence[bytes], places: Places, refusal: _Refusal) -> list[_Named]:
    """Give each named path once, with its place."""
    if not paths:
        raise Unprocessable("no path is named", hint=_ABSOLUTE)
    named: dict[bytes, _Named] = {}
    for order, spelled in enumerate(paths):
        path = _checked(spelled)
        place = places.find(path)
        if place is None:
            raise refusal.because(spelled, "lies outside")
        named.setdefault(place, _Named(path, place, order))
    return list(named.values())


def _checked(path: bytes) -> bytes:
    """Give a path without doubled slashes and without one at its end."""
    if len(path) > LONGEST_PATH:
        raise Unprocessable(
            f"a path of {len(path)} bytes is named, and {LONGEST_PATH} are the most there can be",
            hint="name a folder above it",
        )
    names = [name for name in path.split(b"/") if name]
    if not path.startswith(b"/") or b"\0" in path or b"." in names or b".." in names:
        raise Unprocessable(f"`{shown(path)}` is no absolute path", hint=_ABSOLUTE, path=path)
    if not names:
        raise Unprocessable("`/` has no name to send it under", hint="name what lies in it")
    return b"/" + b"/".join(names)


@dataclass(slots=True, kw_only=True)
class _Look:
    """One call in the making."""

    refusal: _Refusal
    matcher: Matcher
    stop: Callable[[], bool]
    #: files and folders that may be found, a long path counting as several
    budget: int
    spent: int = 0
    drafts: dict[int, Sequence[FileDraft]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    #: the named folders that were walked, by their places
    trees: dict[bytes, tuple[_Named, Tree]] = field(default_factory=dict)
    #: places inside of such a folder; asked for seldom
    inside: dict[bytes, frozenset[bytes]] = field(default_factory=dict)

    def group(self, top: Root, above: bytes, group: list[_Named]) -> None:
        """Look at the named entries of one folder."""
        try:
            folder = top.below(above)
        except SourceError as error:
            raise self._refused(error, group[0]) from error
        below = above + b"/" if above else b""
        with folder:
            for named in group:
                if self.stop():
                    raise _stopping()
                if not (self.trees and self._is_inside(named)):
                    self._one(folder, named, below)

    def _one(self, folder: Root, named: _Named, below: bytes) -> None:
        try:
            left = self.budget - self.spent
            tree = scan.one(
                folder, named.name, self.matcher, budget=left, stop=self.stop, is_last=True
            )
        except SourceError as error:
            raise self._refused(error, named) from error
        if tree is None:
            if self.stop():
                raise _stopping()
            raise self._absent(named)
        self.spent += tree.cost
        if self.spent > self.budget:
            raise Unprocessable(
                f"more than the {self.budget} files and folders are named that one upload may have",
                hint="send them in several uploads",
            )
        self._assert_sendable(named, tree)
        self.skipped.extend(str(entry) for entry in tree.skipped)
        if not tree.is_drop:
            return
        if not tree.files:
            raise Unprocessable(
                f"{shown(named.path)} holds no file that is sent", hint="leave it out"
            )
        self.skipped.extend(f"{shown(path)} is an empty folder" for path in tree.empty_folders())
        drafts = gather(tree.top, tree.files, below=below)
        wanted = named.path.rpartition(b"/")[2]
        self.drafts[named.order] = drafts if wanted == tree.top else _called(drafts, wanted)
        if tree.kind == "folder":
            self.trees[named.place] = (named, tree)

    def _refused(self, error: SourceError, named: _Named) -> SourceError:
        if isinstance(error, SourceVanished):
            return self._absent(named)
        return self.refusal.of(error, named.path)

    def _absent(self, named: _Named) -> SourceForbidden:
        return self.refusal.because(named.path, "is not there", hint="look at its spelling")

    def _assert_sendable(self, named: _Named, tree: Tree) -> None:
        left_out = (*tree.unreadable, *tree.skipped)
        if tree.kind in ("link", "other"):
            hint = "name what it points to" if tree.kind == "link" else ""
            raise self.refusal.because(named.path, left_out[0].reason, hint=hint)
        if tree.kind == "unreadable" or (tree.unreadable and left_out[0].path == tree.top):
            error = SourceUnreadable(left_out[0].reason, path=named.path)
            raise self.refusal.of(error, named.path)
        if tree.unreadable:
            more = len(tree.unreadable) - 1
            also = f", and {more} more like it" if more else ""
            raise Unprocessable(
                f"{shown(named.at(left_out[0].path))} {left_out[0].reason}{also}; nothing is sent",
                hint="make it readable, or name only what is to be sent",
                path=named.path,
            )

    def _is_inside(self, named: _Named) -> bool:
        above = named.place.rpartition(b"/")[0]
        while above:
            if above in self.trees and named.place in self._places_inside(above):
                outer = self.trees[above][0].path
                self.skipped.append(
                    f"{shown(named.path)} is inside {shown(outer)}, which is named too"
                )
                return True
            above = above.rpartition(b"/")[0]
        return False

    def _places_inside(self, place: bytes) -> frozenset[bytes]:
        if place not in self.inside:
            tree = self.trees[place][1]
            below = place[: -len(tree.top)]
            placed = (*tree.files, *tree.folders)
            self.inside[place] = frozenset(below + path for path, _ in placed)
        return self.inside[place]

    def found(self) -> Found:
        """Give what was found, in the order in which it was named."""
        files = [draft for _, drafts in sorted(self.drafts.items()) for draft in drafts]
        if not files:
            raise Unprocessable(
                f"nothing that was named is sent: {self.skipped[0]}",
                hint="name a file, or a folder with files",
            )
        if len(self.drafts) > 1:
            _assert_distinct(files)
        return Found(files=tuple(files), skipped=tuple(self.skipped))


def _called(drafts: Iterable[FileDraft], name: bytes) -> tuple[FileDraft, ...]:
    """Give the files of a root that is reached by a link under the name of the link."""
    changed = []
    for draft in drafts:
        _, slash, rest = draft.package_path.partition("/")
        changed.append(replace(draft, package_path=sent_name(name) + slash + rest))
    return tuple(changed)


def _assert_distinct(files: Iterable[FileDraft]) -> None:
    taken: dict[str, FileDraft] = {}
    holders: dict[str, FileDraft] = {}
    for draft in files:
        above = draft.package_path
        first = taken.setdefault(f"{above}/{draft.name}" if above else draft.name, draft)
        if first is not draft:
            raise _one_name(first, draft, "the same file")
        while above and above not in holders:
            holders[above] = draft
            above = above.rpartition("/")[0]
    for name in taken.keys() & holders.keys():
        raise _one_name(taken[name], holders[name], "a file and a folder of one name")


def _one_name(first: FileDraft, second: FileDraft, what: str) -> Unprocessable:
    pair = f"{shown(b'/' + first.path)} and {shown(b'/' + second.path)}"
    return Unprocessable(
        f"{pair} would become {what} in the package",
        hint="send them in two uploads, or name the folders that hold them",
    )


def _stopping() -> Busy:
    return Busy("masv-watch is about to stop", hint="ask again once it runs")
