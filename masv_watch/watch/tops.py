"""Which entries of a hot folder may be drops: at its top, in an address, or at any depth.

Owns the walk from the root to where drops lie. Never looks into a drop and remembers nothing.
Called by the sweep, and by whoever previews one.

Law 1. A folder that cannot be listed keeps nothing else from being seen, and proves nothing of what
       lies in it.
Law 2. What a process knows already is told by a number alone: a million files that do not change
       cost little more than their stats.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from masv_watch.errors import SourceError, SourceForbidden, SourceVanished
from masv_watch.files import MARKER_NAME, Observation, Root, observed
from masv_watch.names import shown
from masv_watch.watch.fences import numbers_of
from masv_watch.watch.ground import Ground
from masv_watch.watch.marks import Marks
from masv_watch.watch.rules import Fate, Match, Matcher
from masv_watch.watch.settle import Seen

#: gives the fence by which a drop is known; None where it has to be looked at
KnownBy = Callable[[bytes], str | None]
#: what a mistake of ours, or a name that nobody thought of, raises at one entry
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Same:
    """A drop in which nothing changed since it was last looked at in full."""

    top: bytes
    #: of a folder that is known by its signature, what was seen of it; None of one by its fence
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger keeps of a folder about which nothing is to be done while it is like that."""

    signature: str
    #: by how much the file system may show a time otherwise than it was
    grain_ns: int


@dataclass(frozen=True, slots=True)
class Alike:
    """Some files of one folder that are known; all that is said is that they are there."""

    folder: bytes
    names: Sequence[str]

    @property
    def tops(self) -> list[bytes]:
        """Give the path of each."""
        return _paths(self.folder, self.names)


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A folder on the way to drops of which no list was had: what lies in it is not missing."""

    top: bytes
    #: one clause that follows its name; "" when it went away meanwhile
    why: str = ""


def tops(
    root: Root,
    matcher: Matcher,
    *,
    ground: Ground | None = None,
    marks: Marks | None = None,
) -> Iterator[Observation | Alike | Unlisted]:
    """Give every entry that may be a drop by the matcher's rule, what is left out with them.

    The folders on the way to them, the root left out, are put on the `ground`. Loose files whose
    `marks` are known come together.

    Raises: SourceUnreadable when the root itself cannot be listed.
    """
    if matcher.layout.is_deep:
        return _deep(root, matcher, ground=ground, marks=marks)
    return _flat(root, matcher.layout.addresses, ground, marks)


def _flat(
    root: Root, addresses: frozenset[bytes], ground: Ground | None, marks: Marks | None
) -> Iterator[Observation | Alike | Unlisted]:
    for top in _listed(root, b"", marks):
        if isinstance(top, Alike) or top.path not in addresses:
            yield top
            continue
        if top.kind == "unreadable":
            yield Unlisted(top.path, top.detail)
            continue
        if top.kind != "folder":
            yield top
            continue
        if ground is not None and top.identity is not None:
            ground.add(top.path, numbers_of(top.identity))
        try:
            yield from _listed(root, top.path, marks)
        except SourceError as error:
            yield _unlisted(root, top.path, error)


def _deep(
    root: Root, matcher: Matcher, *, ground: Ground | None, marks: Marks | None
) -> Iterator[Observation | Alike | Unlisted]:
    ahead = [b""]
    while ahead:
        folder = ahead.pop()
        try:
            for entry in _listed(root, folder, marks):
                if isinstance(entry, Alike) or not leads_on(entry, matcher):
                    yield entry
                    continue
                ahead.append(entry.path)
                if ground is not None and entry.identity is not None:
                    ground.add(entry.path, numbers_of(entry.identity))
        except SourceError as error:
            yield _unlisted(root, folder, error)


def _listed(root: Root, folder: bytes, marks: Marks | None) -> Iterator[Observation | Alike]:
    """Give what a folder holds, the loose files that are known together."""
    listed = (Marks() if marks is None else marks).list_folder(folder)
    for names, stats, others in root.stat_folder(folder):
        places = listed.unknown(names, stats)
        alike = _without(names, places) if places else names
        for path, place in zip(_paths(folder, [names[at] for at in places]), places, strict=True):
            entry = observed(path, stats[place])
            if listed.knows(entry):
                # a time that the ledger cannot hold is known cut short
                alike = [*alike, names[place]]
            else:
                yield entry
        for entry in map(unfollowed, others):
            if listed.knows(entry):
                alike = [*alike, os.fsdecode(entry.path.rpartition(b"/")[2])]
            else:
                yield entry
        if alike:
            yield Alike(folder, alike)
    listed.is_whole = True


def _without(names: Sequence[str], places: Sequence[int]) -> list[str]:
    left_out = set(places)
    return [name for at, name in enumerate(names) if at not in left_out]


def _paths(folder: bytes, names: Sequence[str]) -> list[bytes]:
    # one call for some hundred names: no name holds a slash
    above = folder + b"/" if folder else b""
    return [above + name for name in os.fsencode("/".join(names)).split(b"/")] if names else []


def _unlisted(root: Root, folder: bytes, error: SourceError) -> Unlisted:
    if not folder:
        raise error
    # a root that went away is no fault of the folder; asked by listing none of it
    root.observe(MARKER_NAME)
    if isinstance(error, SourceVanished | SourceForbidden):
        # gone, or a link by now
        return Unlisted(folder)
    return Unlisted(folder, reason_of(error, folder))


def leads_on(entry: Observation, matcher: Matcher) -> bool:
    """Say whether an entry is no drop but a folder in which drops lie."""
    if entry.kind != "folder":
        return False
    if entry.path in matcher.layout.addresses:
        return True
    if not matcher.layout.is_deep:
        return False
    try:
        return matched(matcher, entry).fate is Fate.KEEP
    except FAULTS:
        # the look at it meets the fault again, and tells; its neighbours go on
        return False


#: tests of a rule that ask of a linked file as it is named in the drop, not where it lies
_OF_THE_LINK = {"only", "size", "hardlinks"}


def unfollowed(top: Observation) -> Observation:
    """Give what may be a drop, with a link as the link that it is: only those in a drop count."""
    if not top.real:
        return top
    return Observation(path=top.path, kind="link", identity=None, detail="a symbolic link")


def matched(matcher: Matcher, entry: Observation) -> Match:
    """Say whether what was observed is sent or left out, its size included.

    What a link led to is left out where its own path is, too.
    """
    size = entry.identity.size if entry.identity is not None else None
    found = matcher.match(entry.path, entry.kind, entry.detail, size=size, nlink=entry.nlink)
    if not entry.real or found.fate is Fate.SKIP:
        return found
    there = matcher.match(entry.real, entry.kind, size=size)
    if there.fate is not Fate.SKIP or there.findings[-1].test in _OF_THE_LINK:
        return found
    finding = there.findings[-1]
    led = f"leads to {shown(entry.real)}, which {finding.detail}"
    return replace(there, findings=(*there.findings[:-1], replace(finding, detail=led)))


def seen_at(root: Root, path: bytes) -> Observation | None:
    """Give what stands at a path that a drop depends on, as its marker; None when nothing does.

    What lies behind a folder that cannot be passed is unreadable: that proves nothing of it.

    Raises: SourceUnreadable when the root is gone.
    """
    try:
        return root.observe(path)
    except SourceForbidden:
        return None
    except SourceError as error:
        root.observe(MARKER_NAME)
        detail = reason_of(error, path)
        return Observation(path=path, kind="unreadable", identity=None, detail=detail)


def is_mounted(root: Root, path: bytes) -> bool | None:
    """Say whether another file system than the root's stands at a path; None when not known.

    Raises: SourceUnreadable when the root is gone.
    """
    seen = seen_at(root, path)
    if seen is None or seen.identity is None:
        return None
    return seen.identity.device != root.identity[0]


def reason_of(error: SourceError, path: bytes) -> str:
    """Give what is wrong with a path as a clause that follows its name."""
    return error.message.removeprefix(shown(path)).strip()
