"""Decide when something that arrived has stopped changing.

Owns the meaning of "settled". Never touches the disk or the clock: the sweep
hands in what it saw and when. Called by intake, once for each entry of each sweep.

Law 1. Size alone never decides: preallocating writers show their full size at once (fault 13).
Law 2. Any change of an identity in the tree, folders included, restarts the quiet time (faults 11,
       14, 18). Times of the file system are compared, never subtracted (fault 43).
Law 3. Quiet needs both: the quiet time on the monotonic clock, and enough samples spread in it.
Law 4. An entry that cannot be read in whole is never quiet: nothing is sent without the rest.
Law 5. A done marker takes the place of time, never of sameness: it is waited for however long. One
       that was left over from before a change says nothing of what came since.
Law 6. While a temporary name stands in a folder its writer only pauses: four times the quiet time
       is asked of it, and no more, as one may be left over for ever (pain 21).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import xxhash

from masv_watch.figures import counted
from masv_watch.model import Decision, Finding, HoldReason, Identity, Settle
from masv_watch.watch.columns import in_order
from masv_watch.watch.gaps import SPACING_S, pause_between, quiet_time
from masv_watch.watch.markers import Marker

Files = Iterable[tuple[bytes, Identity]]

#: a change is noticed at most so much later, however long the quiet time
_LONGEST_SPACING_S = 15.0
#: writers create a file first and fill it later, and put it under its name last
_UNFINISHED_FACTOR = 4
#: seconds and samples that do once a done marker is there
MARKED_QUIET_S = 2.0
_MARKED_SAMPLES = 2


class State(StrEnum):
    """Where an entry stands."""

    #: still changing, or not unchanged long enough
    GROWING = "growing"
    QUIET = "quiet"
    #: unchanged, but nothing in it: an empty file still waiting, or a folder without a file
    EMPTY = "empty"
    #: something of it cannot be read
    ODD = "odd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one sample of a top-level entry showed."""

    #: `file` or `folder`
    kind: str
    #: size and times of what would be sent (`signature`)
    signature: str
    #: every identity in the tree (`watch.fences`)
    fence: str
    #: files that would be sent
    files: int
    #: their bytes
    size: int
    #: what cannot be read, one clause each, names escaped
    unreadable: tuple[str, ...] = ()
    #: a file of it under a temporary name, escaped; empty where there is none
    unfinished: str = ""


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
    #: seconds: the longest pause of its writer so far (`gaps.pause_between`)
    longest_gap: float = 0.0


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


def judge(
    known: Entry | None,
    seen: Seen,
    now: float,
    wants: Settle,
    *,
    quiet_s: float,
    marker: Marker | None = None,
) -> Verdict:
    """Say whether an entry is growing, quiet, empty or not to be read in whole.

    `known` is the entry of the verdict before, None for the first sample; `now` is monotonic.
    `marker` is the drop's done marker where the rule names one; until it is there nothing settles,
    and from then on it takes the place of the quiet time.
    """
    pace = _pace(seen, wants, quiet_s, marker)
    entry = _counted(known, seen, now, pace=pace, marker=marker)
    is_same = known is not None and known.fence == entry.fence
    whole_at = entry.since + pace.waiting_s
    enough = entry.samples >= pace.samples
    next_at = max(entry.sampled_at + pace.spacing_s, now)
    if enough and now < whole_at < next_at:
        next_at = whole_at
    held = f"{counted(seen.files, 'file')}, {counted(seen.size, 'byte')}"
    waited = f"{min(now - entry.since, pace.waiting_s):.0f} of {pace.waiting_s:g} s unchanged"
    if seen.unfinished and pace.waiting_s > quiet_s:
        waited += f", four times as long as {seen.unfinished} stands in it"
    findings = (
        _readable(seen),
        _finding("changes", is_same, _changes(entry, now), retry_at=next_at),
        *_marked(marker, wants),
        _finding("quiet", now >= whole_at, waited, retry_at=whole_at),
        _finding(
            "samples",
            enough,
            f"{min(entry.samples, pace.samples)} of {pace.samples} samples",
            retry_at=next_at,
        ),
        _finding("content", seen.files > 0, held),
    )
    state, hold = _state(
        seen, enough and now >= whole_at, now >= entry.since + min(quiet_s, pace.waiting_s)
    )
    if marker is not None and not marker.stands and not seen.unreadable:
        state, hold = State.GROWING, HoldReason.MARKER_MISSING
    return Verdict(state=state, entry=entry, retry_at=next_at, hold=hold, findings=findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """How long and how often an entry must be seen unchanged."""

    waiting_s: float
    samples: int
    spacing_s: float


def _pace(seen: Seen, wants: Settle, quiet_s: float, marker: Marker | None) -> _Pace:
    if marker is not None and marker.stands:
        quiet_s = min(quiet_s, MARKED_QUIET_S)
        return _Pace(
            waiting_s=quiet_s, samples=_MARKED_SAMPLES, spacing_s=quiet_s / _MARKED_SAMPLES
        )
    longest_s = SPACING_S if wants.is_learned else _LONGEST_SPACING_S
    return _Pace(
        waiting_s=quiet_s * _UNFINISHED_FACTOR if _is_unfinished(seen) else quiet_s,
        samples=wants.samples,
        spacing_s=min(quiet_s / max(wants.samples, 1), longest_s),
    )


def _marked(marker: Marker | None, wants: Settle) -> tuple[Finding, ...]:
    if marker is None:
        return ()
    detail = f"{marker.said}, as done_marker {wants.done_marker} asks"
    return (_finding("marker", marker.stands, detail),)


def quiet_for(wants: Settle, filesystem: str) -> float:
    """Give the quiet time in seconds of what no hot folder learned anything about."""
    return quiet_time(wants, filesystem).seconds


def signature(files: Files, *, grain_ns: int = 0) -> str:
    """Give the ledger's hash of a drop: relative path, size and modification time of each file.

    Where the file system may show a time otherwise than it was, one with the times cut to the grain
    comes behind it (`is_same_signature`).
    """
    signing = Signing(grain_ns=grain_ns)
    for path, identity in in_order(files):
        signing.add(path, identity.size, identity.mtime_ns)
    return signing.result()


class Signing:
    """A signature whose files come one by one, in the order of their paths."""

    def __init__(self, *, grain_ns: int) -> None:
        """Begin without a file; `grain_ns` is that of `signature`."""
        self._grain_ns = grain_ns
        self._exact, self._cut = xxhash.xxh3_128(), xxhash.xxh3_128()
        self._update = self._exact.update

    def add(self, path: bytes, size: int, mtime_ns: int) -> None:
        """Take in the next file."""
        self._update(_hashed_of(path, size, mtime_ns))
        if self._grain_ns:
            self._cut.update(_hashed_of(path, size, mtime_ns - mtime_ns % self._grain_ns))

    def result(self) -> str:
        """Give the signature of what came."""
        exact: str = self._exact.hexdigest()
        return f"{exact}~{self._grain_ns}~{self._cut.hexdigest()}" if self._grain_ns else exact


def signature_of(path: bytes, size: int, mtime_ns: int) -> str:
    """Give the signature of a loose file, its time as it is shown."""
    return xxhash.xxh3_128_hexdigest(_hashed_of(path, size, mtime_ns))


def is_same_signature(one: str, other: str) -> bool:
    """Say whether two signatures are of the same paths, sizes and times, within the same grain."""
    if not one or not other:
        return one == other
    (exact, _, cut), (exact_too, _, cut_too) = one.partition("~"), other.partition("~")
    return exact == exact_too or (bool(cut) and cut == cut_too)


def is_of(files: Files, kept: str) -> bool:
    """Say whether a signature that was kept is that of these files, within its own grain."""
    _, _, cut = kept.partition("~")
    grain_ns = int(cut.partition("~")[0] or 0)
    return is_same_signature(signature(files, grain_ns=grain_ns), kept)


def _hashed_of(path: bytes, size: int, mtime_ns: int) -> bytes:
    return b"%d:%b%d,%d;" % (len(path), path, size, mtime_ns)


def _counted(
    known: Entry | None, seen: Seen, now: float, *, pace: _Pace, marker: Marker | None
) -> Entry:
    fence = seen.fence
    if marker is not None and marker.identity is not None:
        # a marker that comes, goes or is written anew restarts the clock as any change does
        fence += f"+{marker.identity}"
    if known is None or known.fence != fence or known.signature != seen.signature:
        gap = 0.0
        if known is not None and not (seen.fence in known.fence or known.fence in seen.fence):
            gap = pause_between(known.since, known.sampled_at, now)
        return Entry(
            signature=seen.signature,
            fence=fence,
            since=now,
            sampled_at=now,
            samples=1,
            longest_gap=max(gap, 0.0 if known is None else known.longest_gap),
        )
    if now < known.sampled_at + pace.spacing_s:
        return known
    return replace(known, sampled_at=now, samples=known.samples + 1)


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


def _is_unfinished(seen: Seen) -> bool:
    return _is_empty_file(seen) or bool(seen.unfinished)


def _readable(seen: Seen) -> Finding:
    if not seen.unreadable:
        return _finding("readable", True, "everything can be read")
    more = f" and {len(seen.unreadable) - 1} more" if len(seen.unreadable) > 1 else ""
    return _finding("readable", False, seen.unreadable[0] + more)


def _changes(entry: Entry, now: float) -> str:
    return "changed or first seen now" if entry.since == now else "as in the sample before"


def _finding(test: str, passed: bool, detail: str, *, retry_at: float | None = None) -> Finding:
    # what passed waits for nothing
    return Finding(test=test, passed=passed, detail=detail, retry_at=None if passed else retry_at)
