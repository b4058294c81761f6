"""The first start ever on a hot folder: what becomes of what was there before.

Owns the rule's `initial` and the one line that a person reads when a full folder is held. Never
judges whether something has settled. Called by intake before its first sweep of a root, and by
`unmet` for what could not be read then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import Drop, DropState, HoldReason, Initial, Rule, Unread
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.addresses import above
from masv_watch.watch.examined import left_out
from masv_watch.watch.grains import grain_ns_of
from masv_watch.watch.rules import Standing, role
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import is_same_signature
from masv_watch.watch.tops import is_mounted

log = logging.getLogger(__name__)

#: what `initial: auto` sends at the first start without being asked
AUTO_DROPS = 20
AUTO_BYTES = 200 * 10**9
_FIRST = "a hot folder was full at its first start; nothing of it is sent until you say so"
_LATER = (
    "what could not be read when a hot folder was met first is there now; nothing of it is sent"
    " until you say so"
)
_NOTHING = (
    "where nothing could be read when a hot folder was met first stands nothing unknown now; what"
    " comes there is new"
)
_ANEW = "the state was restored; what it does not know is not sent until you say so"


def adopt(
    rule: Rule,
    trees: Iterable[Tree],
    *,
    store: Store,
    clock: Clock,
    stop: Callable[[], bool],
    root: files.Root,
    anew: bool = False,
) -> None:
    """Apply `initial` to what a whole sweep shows and the ledger does not know.

    With `anew` the ledger is older than the folder: what it knows otherwise is not known either.
    What `initial` has not reached since an earlier start stays for `unmet`, which asks about it
    where this one asks.

    An empty folder is not noted as known: it may be the mount point of a full one. Nor is one whose
    sweep `stop` ended early: then it was not whole.
    """
    before = store.unread(rule.name)
    unmet = {each.path for each in before if is_awake(each, root)}
    trees = (tree for tree in trees if unmet.isdisjoint((tree.top, *above(tree.top))))
    there = _weigh(rule, trees, store=store, clock=clock, anew=anew)
    if stop():
        return
    # a crash came while more than this was held: what is left is no less of it
    is_holding = store.is_holding(rule.name)
    asks = asks_first(rule.initial, drops=len(there.found), size=there.size)
    asks = asks or (is_holding and rule.initial is not Initial.SEND)
    initial = Initial.ASK if asks and rule.initial is Initial.AUTO else rule.initial
    unread = [_turned(each, initial, anew=anew) for each in before]
    if initial is not Initial.SEND:
        like = Unread(path=b"", initial=initial, is_anew=anew)
        unread += [_like(like, path, root) for path in there.unread]
    # first: what is held already no longer tells how much there was to ask about
    store.note_unread(rule.name, unread)
    if (there.found and asks) or is_holding:
        held = there.found if asks else ()
        store.hold_new(rule.name, held, HoldReason.INITIAL_ASK, anew=anew)
        if held and rule.initial is not Initial.IGNORE:
            _say_held(rule, there, clock, sentence=_ANEW if anew else _FIRST)
    if rule.initial is Initial.IGNORE and (there.found or _is_first(store, rule)):
        # what a kill left held on the way to this is not found again
        store.seed(rule.name)
    if there.found or there.unread:
        store.adopt(rule.name, rule.path)


def came_since(trees: Iterable[Tree], moment: float) -> bool:
    """Say whether all that stands in a root was written after a moment (unix), none of it before.

    Then nothing of it can have been sent by a state that was lost by then.
    """
    since_ns = int(moment * 1e9)
    found = False
    for tree in trees:
        found = True
        seen = (identity for _, identity in (*tree.files, *tree.folders))
        if tree.unreadable or any(min(each.mtime_ns, each.ctime_ns) <= since_ns for each in seen):
            return False
    return found


def _is_first(store: Store, rule: Rule) -> bool:
    """Say whether a root was not met to the end before, nor vouched for by a person."""
    known = store.root(rule.name)
    return known is None or not (known.is_accepted or known.path == rule.path)


def _turned(unread: Unread, initial: Initial, *, anew: bool) -> Unread:
    """Give what could not be read at an earlier start, asked about where all else is."""
    asked = Initial.ASK if initial is Initial.ASK else unread.initial
    return replace(unread, initial=asked, is_anew=unread.is_anew or anew)


def is_awake(unread: Unread, root: files.Root) -> bool:
    """Say whether what stands at a path now is what could not be read there.

    On a mount point whose file system is gone stands something else; what comes there is new.
    """
    return not unread.is_mounted or bool(is_mounted(root, unread.path))


def _like(unread: Unread, path: bytes, root: files.Root) -> Unread:
    return replace(unread, path=path, is_mounted=is_mounted(root, path))


def adopt_later(
    rule: Rule,
    unread: Unread,
    trees: Iterable[Tree],
    *,
    store: Store,
    clock: Clock,
    stop: Callable[[], bool],
    root: files.Root,
) -> None:
    """Apply to what could not be read at the first start, and can be now, what `initial` said.

    `auto` weighs it by itself: what the first sweep found has been answered for.
    """
    there = _weigh(rule, trees, store=store, clock=clock, anew=unread.is_anew)
    if stop():
        return
    asks = asks_first(unread.initial, drops=len(there.found), size=there.size)
    is_recorded = unread.initial is Initial.IGNORE
    found = there.found if asks else ()
    rest = [_like(unread, path, root) for path in there.unread]
    if not there.found and not rest:
        if unread.is_mounted is None and not is_mounted(root, unread.path):
            # the file system that failed there may come back
            rest = [replace(unread, is_mounted=True)]
        else:
            log.info(_NOTHING, extra={"hot_folder": rule.name, "path": shown(unread.path)})
    store.meet(rule.name, unread, found, rest=rest, is_recorded=is_recorded)
    if found and not is_recorded:
        _say_held(rule, there, clock, sentence=_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _There:
    """What stands in a root, or in a part of it, and the ledger does not know."""

    #: path, signature, bytes and files of each drop
    found: Sequence[tuple[bytes, str, int, int]]
    #: when the oldest file of each was written
    times: Sequence[int]
    #: what may be a drop, or hold some, and cannot be read
    unread: Sequence[bytes]

    @property
    def size(self) -> int:
        """Give the bytes of all drops."""
        return sum(entry[2] for entry in self.found)


def _weigh(rule: Rule, trees: Iterable[Tree], *, store: Store, clock: Clock, anew: bool) -> _There:
    found, times, unread = [], [], []
    # asked once: it is the same for each of a million files
    grain_ns = grain_ns_of(rule)
    for tree in trees:
        standing = role(tree.kind, rule.drop)
        if tree.unreadable:
            if not left_out(tree, standing) and not _goes(store, rule, tree):
                unread.append(tree.top)
            continue
        is_taken = tree.is_drop and standing.standing is Standing.TAKEN
        signature = tree.seen(grain_ns=grain_ns).signature if is_taken else ""
        if is_taken and not _is_known(store, rule, tree.top, signature, anew=anew):
            found.append((tree.top, signature, tree.size, len(tree.files)))
            seen_at = (seen.mtime_ns for _, seen in tree.files or tree.folders)
            times.append(min(seen_at, default=int(clock.wall() * 1e9)))
    return _There(found=found, times=times, unread=unread)


def _goes(store: Store, rule: Rule, tree: Tree) -> bool:
    """Say whether a drop that cannot be read is on its way already."""
    latest = store.latest_drop(rule.name, tree.top)
    return latest is not None and latest.state is DropState.TAKEN


def _is_known(store: Store, rule: Rule, top: bytes, signature: str, *, anew: bool) -> bool:
    latest = store.latest_drop(rule.name, top)
    if latest is None or _only_waited(latest):
        return False
    is_over = latest.state not in (DropState.TAKEN, DropState.HELD)
    return not (anew and is_over and not is_same_signature(latest.signature, signature))


def _only_waited(drop: Drop) -> bool:
    """Say whether all that is known of a drop is that it could not be read."""
    is_held = drop.state is DropState.HELD and drop.hold is HoldReason.UNREADABLE
    return drop.upload_id is None and (is_held or drop.state is DropState.SETTLING)


def asks_first(initial: Initial, *, drops: int, size: int) -> bool:
    """Say whether so much old content is held instead of sent."""
    if initial is Initial.AUTO:
        return drops > AUTO_DROPS or size > AUTO_BYTES
    return initial in (Initial.ASK, Initial.IGNORE)


def _say_held(rule: Rule, there: _There, clock: Clock, *, sentence: str) -> None:
    named = {one for _, found in rule.to.by_subfolder for one in found}
    to = rule.to.portal or ", ".join((*(rule.to.recipients or ()), *sorted(named))) or "nobody"
    log.warning(
        sentence,
        extra={
            "hot_folder": rule.name,
            "drops": len(there.found),
            "bytes": there.size,
            "oldest": _day(clock, min(there.times)),
            "to": to,
            "send_all": f"masv-watch release --folder {rule.name}",
            "record_as_seen": f"masv-watch ledger seed {rule.name}",
        },
    )


def _day(clock: Clock, mtime_ns: int) -> str:
    try:
        return clock.local(mtime_ns / 1e9).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        # a writer may set a time that no calendar holds
        return "unknown"
