"""Decide whether what stands at a root's path is the root that it was.

Owns the meaning of "the same root". Never touches the disk, the store or a clock: the gate hands in
what it saw and what was noted. Called by the gate before every look.

Law 1. Missing is not deleted, and another root is not an empty one (faults 7 to 9; pains 15, 56).
Law 2. The device's number counts only within one boot, and never on a network file system; a new,
       empty file system can show the numbers of the one before.
Law 3. What is unknown proves nothing: only what was noted and is seen otherwise closes the gate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from masv_watch.errors import SourceUnreadable
from masv_watch.model import Decision, Finding, RootRow, Rule


class RootState(StrEnum):
    """What a look at a root proves."""

    PRESENT = "present"
    MISSING = "missing"
    REPLACED = "replaced"
    UNREACHABLE = "unreachable"


class Whose(StrEnum):
    """Whom the marker in a root names."""

    NOBODY = "nobody"
    OURS = "ours"
    #: another hot folder of this state
    NEIGHBOUR = "neighbour"
    #: another state: this one was lost, or another masv-watch watches it
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSight:
    """What one look at a root showed."""

    whose: Whose = Whose.NOBODY
    #: (device, inode)
    place: tuple[int, int]
    #: of the boot in which the place counts; "" when unknown
    boot: str = ""
    #: of the file system; "" where it has none
    uuid: str = ""
    is_network: bool = False
    #: nothing stands in it but what is ours
    is_empty: bool = False
    #: something stands in it that the ledger knows by its name
    has_known: bool = False
    #: why it lies on a bare mount point, as far as this machine is told what to mount; "" if not
    lack: str = ""
    #: the folder that was known was seen to be deleted, not moved away or unmounted
    was_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RootVerdict(Decision):
    """What a look at a root showed."""

    state: RootState
    #: the content is asked about first, whatever `initial` would send
    asks: bool = False
    #: the marker was taken away, and is to be written again
    lost_marker: bool = False


#: what people call several types of file systems by
_FAMILIES = {
    "nfs": frozenset({"nfs", "nfs4"}),
    "smb": frozenset({"cifs", "smb2", "smb3", "smbfs"}),
    "cifs": frozenset({"cifs", "smb2", "smb3", "smbfs"}),
}


def is_expected(wanted: Iterable[str], kind: str, *, is_network: bool) -> bool:
    """Say whether the type of a root's file system is one of those that its rule names.

    `network` and `local` name all that are, or are not, changed by other machines. An unknown one
    is none of them.
    """
    if not kind:
        return False
    words = {kind, kind.removeprefix("fuse."), "network" if is_network else "local"}
    return any(words & _FAMILIES.get(each, {each}) for each in wanted)


def heeds_mounts(rule: Rule) -> bool:
    """Say whether what the machine is told to mount decides of a root of which nothing is known.

    A rule that says itself what it must lie on, or that welcomes any volume, knows better.
    """
    return not (rule.removable or rule.expect.filesystems)


def judge_root(
    known: RootRow | None, seen: RootSight | SourceUnreadable, *, expects: bool = False
) -> RootVerdict:
    """Say whether a root is there and is the one that it was.

    `known` is what was noted of it, None before anything was; instead of `seen` comes the error of
    opening it. `expects` says that drops of it are on their way or held.
    """
    if isinstance(seen, SourceUnreadable):
        return _away(seen)
    if known is not None and known.is_accepted:
        return _present("is the root that a person adopted")
    if seen.whose is Whose.OURS:
        return _present("carries the marker of this hot folder")
    if seen.is_empty and expects:
        # what a mount point looks like before its file system is mounted (fault 8)
        return _replaced("is empty while drops of it are on their way or held")
    if seen.whose is not Whose.NOBODY:
        return _anothers(known, seen)
    return _without_marker(known, seen)


_OWNERS = {
    Whose.NEIGHBOUR: "another hot folder of this state",
    Whose.FOREIGN: "another masv-watch, or of a state that was lost",
}


def _away(error: SourceUnreadable) -> RootVerdict:
    missing = error.facts.get("errno") in ("ENOENT", "ENOTDIR")
    state = RootState.MISSING if missing else RootState.UNREACHABLE
    return RootVerdict(state=state, findings=(_finding("root", False, error.message),))


def _anothers(known: RootRow | None, seen: RootSight) -> RootVerdict:
    detail = f"carries the marker of {_OWNERS[seen.whose]}"
    if known is not None and known.is_marked:
        return _replaced(detail)
    findings = (_finding("marker", False, detail),)
    return RootVerdict(state=RootState.PRESENT, asks=True, findings=findings)


def _without_marker(known: RootRow | None, seen: RootSight) -> RootVerdict:
    if known is None and seen.lack:
        return _replaced(f"lies on a bare mount point: {seen.lack}")
    if known is None:
        return _present("was not known before")
    difference = _difference(known, seen)
    if difference:
        return _replaced(difference)
    return _present("is the root it was", lost_marker=known.is_marked)


def _difference(known: RootRow, seen: RootSight) -> str:
    """Say what speaks against a root without its marker; "" when nothing does."""
    is_same_inode = known.place is not None and known.place[1] == seen.place[1]
    if known.uuid and seen.uuid:
        if known.uuid != seen.uuid:
            return "is on another file system, by its UUID"
        is_same_place = is_same_inode
    elif known.place is None or not known.boot or known.boot != seen.boot:
        # numbers of another boot say nothing; a marker that was written would still be there
        if known.is_marked and not seen.has_known:
            return "has not the marker that was written into it, nor anything that was known of it"
        return ""
    elif seen.is_network:
        is_same_place = is_same_inode
    elif known.place[0] != seen.place[0]:
        return "is on another file system, by its device"
    else:
        # without a UUID the numbers may be those of a new file system
        is_same_place = is_same_inode and not known.is_marked
    was_made_anew = seen.was_removed or (seen.is_empty and not seen.is_network)
    if is_same_place or seen.has_known or was_made_anew:
        # a folder that was made anew on the same file system is the same place (fault 6)
        return ""
    return "is another folder, and nothing in it is known"


def _present(detail: str, *, lost_marker: bool = False) -> RootVerdict:
    return RootVerdict(
        state=RootState.PRESENT,
        lost_marker=lost_marker,
        findings=(_finding("root", True, detail),),
    )


def _replaced(detail: str) -> RootVerdict:
    return RootVerdict(state=RootState.REPLACED, findings=(_finding("root", False, detail),))


def _finding(test: str, passed: bool, detail: str) -> Finding:
    return Finding(test=test, passed=passed, detail=detail)
