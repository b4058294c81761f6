"""Decide when something that arrived has stopped changing.

Owns the meaning of "settled" and of "the same root". Never touches the disk or the clock: the sweep
hands in what it saw and when. Called by intake, once for each entry of each sweep.

Law 1. Size alone never decides: preallocating writers show their full size at once (fault 13).
Law 2. Any change of an identity in the tree, folders included, restarts the quiet time (faults 11,
       14, 18). Times of the file system are compared, never subtracted (fault 43).
Law 3. Quiet needs both: the quiet time on the monotonic clock, and enough samples spread in it.
Law 4. An entry that cannot be read in whole is never quiet: nothing is sent without the rest.
Law 5. Missing is not deleted: only a PRESENT root can prove that an entry is gone (fault 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import xxhash

from masv_watch.errors import SourceUnreadable
from masv_watch.model import Decision, Finding, HoldReason, Identity, Settle

Files = Iterable[tuple[bytes, Identity]]

_LOCAL_QUIET_S = 15.0
_NETWORK_QUIET_S = 60.0
#: a change is noticed at most so much later, however long the quiet time
_LONGEST_SPACING_S = 15.0
#: writers create a file first and fill it later
_EMPTY_FACTOR = 4


class State(StrEnum):
    """Where an entry stands."""

    #: still changing, or not unchanged long enough
    GROWING = "growing"
    QUIET = "quiet"
    #: unchanged, but nothing in it: an empty file still waiting, or a folder without a file
    EMPTY = "empty"
    #: something of it cannot be read
    ODD = "odd"


class RootState(StrEnum):
    """What a look at a root proves."""

    PRESENT = "present"
    MISSING = "missing"
    REPLACED = "replaced"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one sample of a top-level entry showed."""

    #: `file` or `folder`
    kind: str
    #: size and times of what would be sent (`signature`)
    signature: str
    #: every identity in the tree (`fence`)
    fence: str
    #: files that would be sent
    files: int
    #: their bytes
    size: int
    #: what cannot be read, one clause each, names escaped
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is remembered of an entry between two samples; it lives in memory only."""

    signature: str
    fence: str
    #: monotonic, seconds: the first sample that showed this fence
    since: float
    #: monotonic, seconds: the last sample that counted
    sampled_at: float
    #: samples that counted since then, that first one included
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Decision):
    """What a sample showed, what to remember, and when the next one is of use."""

    state: State
    #: to be handed in with the next sample
    entry: Entry
    #: monotonic, seconds; an earlier sample may see a change, but cannot count
    retry_at: float
    #: why it waits; None when it is quiet
    hold: HoldReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootVerdict(Decision):
    """What a look at a root showed."""

    state: RootState


def judge(known: Entry | None, seen: Seen, now: float, wants: Settle, *, quiet_s: float) -> Verdict:
    """Say whether an entry is growing, quiet, empty or not to be read in whole.

    `known` is the entry of the verdict before, None for the first sample; `now` is monotonic.
    """
    waiting_s = quiet_s * _EMPTY_FACTOR if _is_empty_file(seen) else quiet_s
    spacing_s = min(quiet_s / max(wants.samples, 1), _LONGEST_SPACING_S)
    entry = _counted(known, seen, now, spacing_s)
    whole_at = entry.since + waiting_s
    enough = entry.samples >= wants.samples
    next_at = max(entry.sampled_at + spacing_s, now)
    if enough and now < whole_at < next_at:
        next_at = whole_at
    findings = (
        _readable(seen),
        _finding("changes", known is not None and known.fence == seen.fence, _changes(entry, now)),
        _finding("quiet", now >= whole_at, f"{now - entry.since:.0f} of {waiting_s:g} s unchanged"),
        _finding("samples", enough, f"{entry.samples} of {wants.samples} samples"),
        _finding("content", seen.files > 0, f"{seen.files} files, {seen.size} bytes"),
    )
    state, hold = _state(seen, enough and now >= whole_at, now >= entry.since + quiet_s)
    return Verdict(state=state, entry=entry, retry_at=next_at, hold=hold, findings=findings)


def quiet_for(wants: Settle, filesystem: str) -> float:
    """Give the quiet time in seconds: the rule's, else the default of `local` or `network`."""
    if wants.quiet_s is not None:
        return wants.quiet_s
    return _NETWORK_QUIET_S if filesystem == "network" else _LOCAL_QUIET_S


def signature(files: Files) -> str:
    """Give the ledger's hash of a drop: relative path, size and modification time of each file."""
    hasher = xxhash.xxh3_128()
    for path, identity in sorted(files, key=lambda file: file[0]):
        hasher.update(b"%d:%b%d,%d;" % (len(path), path, identity.size, identity.mtime_ns))
    return hasher.hexdigest()


def fence(files: Files, folders: Files) -> str:
    """Give the hash of every identity in a drop, folders included; it holds within one boot."""
    hasher = xxhash.xxh3_128()
    for kind, entries in ((b"f", files), (b"d", folders)):
        for path, identity in sorted(entries, key=lambda entry: entry[0]):
            numbers = (
                identity.size,
                identity.mtime_ns,
                identity.ctime_ns,
                identity.inode,
                identity.device,
            )
            hasher.update(b"%b%d:%b%d,%d,%d,%d,%d;" % (kind, len(path), path, *numbers))
    return hasher.hexdigest()


def judge_root(
    expected: tuple[int, int] | None,
    seen: tuple[int, int] | SourceUnreadable,
    *,
    network: bool = False,
) -> RootVerdict:
    """Say whether a root is there and is the one that it was.

    `expected` and `seen` are (device, inode), `expected` None at the first look; instead of `seen`
    comes the error of opening it. On a network file system the device is not compared.
    """
    if isinstance(seen, SourceUnreadable):
        missing = seen.facts.get("errno") in ("ENOENT", "ENOTDIR")
        state = RootState.MISSING if missing else RootState.UNREACHABLE
        return RootVerdict(state=state, findings=(_finding("root", False, seen.message),))
    same = expected is None or (expected[1] == seen[1] and (network or expected[0] == seen[0]))
    if same:
        return RootVerdict(
            state=RootState.PRESENT, findings=(_finding("root", True, "is the root it was"),)
        )
    detail = "another folder or file system stands at its path"
    return RootVerdict(state=RootState.REPLACED, findings=(_finding("root", False, detail),))


def _counted(known: Entry | None, seen: Seen, now: float, spacing_s: float) -> Entry:
    if known is None or known.fence != seen.fence or known.signature != seen.signature:
        return Entry(
            signature=seen.signature, fence=seen.fence, since=now, sampled_at=now, samples=1
        )
    if now < known.sampled_at + spacing_s:
        return known
    return Entry(
        signature=known.signature,
        fence=known.fence,
        since=known.since,
        sampled_at=now,
        samples=known.samples + 1,
    )


def _state(seen: Seen, settled: bool, unchanged: bool) -> tuple[State, HoldReason | None]:
    if seen.unreadable:
        return State.ODD, HoldReason.UNREADABLE
    if seen.kind == "folder" and seen.files == 0:
        return (State.EMPTY, HoldReason.EMPTY) if settled else (State.GROWING, HoldReason.GROWING)
    if settled:
        return State.QUIET, None
    waits_empty = _is_empty_file(seen) and unchanged
    return State.EMPTY if waits_empty else State.GROWING, HoldReason.GROWING


def _is_empty_file(seen: Seen) -> bool:
    return seen.kind == "file" and seen.size == 0


def _readable(seen: Seen) -> Finding:
    if not seen.unreadable:
        return _finding("readable", True, "everything can be read")
    more = f" and {len(seen.unreadable) - 1} more" if len(seen.unreadable) > 1 else ""
    return _finding("readable", False, seen.unreadable[0] + more)


def _changes(entry: Entry, now: float) -> str:
    return "changed or first seen now" if entry.since == now else "as in the sample before"


def _finding(test: str, passed: bool, detail: str) -> Finding:
    return Finding(test=test, passed=passed, detail=detail)
