"""The first start ever on a hot folder: what becomes of what was there before.

Owns the rule's `initial` and the one line that a person reads when a full folder is held. Never
judges whether something has settled. Called by intake before its first sweep of a root.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from masv_watch.loops import Clock
from masv_watch.model import DropState, HoldReason, Initial, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.grains import grain_ns_of
from masv_watch.watch.rules import Standing, role
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import is_same_signature

log = logging.getLogger(__name__)

#: what `initial: auto` sends at the first start without being asked
AUTO_DROPS = 20
AUTO_BYTES = 200 * 10**9
_FIRST = "a hot folder was full at its first start; nothing of it is sent until you say so"
_ANEW = "the state was restored; what it does not know is not sent until you say so"


def adopt(
    rule: Rule,
    trees: Iterable[Tree],
    *,
    store: Store,
    clock: Clock,
    stop: Callable[[], bool],
    anew: bool = False,
) -> None:
    """Apply `initial` to what a whole sweep shows and the ledger does not know.

    With `anew` the ledger is older than the folder: what it knows otherwise is not known either.

    An empty folder is not noted as known: it may be the mount point of a full one. Nor is one whose
    sweep `stop` ended early: then it was not whole.
    """
    found, times = [], []
    for tree in trees:
        is_taken = tree.is_drop and role(tree.kind, rule.drop).standing is Standing.TAKEN
        if is_taken and not _is_known(store, rule, tree, anew=anew):
            found.append((tree.top, _signature(rule, tree), tree.size, len(tree.files)))
            seen_at = (seen.mtime_ns for _, seen in tree.files or tree.folders)
            times.append(min(seen_at, default=int(clock.wall() * 1e9)))
    if stop():
        return
    size = sum(entry[2] for entry in found)
    if found and asks_first(rule.initial, drops=len(found), size=size):
        store.hold_new(rule.name, found, HoldReason.INITIAL_ASK, anew=anew)
        if rule.initial is Initial.IGNORE:
            store.seed(rule.name)
        else:
            oldest = _day(clock, min(times))
            _say_held(rule, len(found), size, oldest=oldest, sentence=_ANEW if anew else _FIRST)
    if found:
        store.adopt(rule.name, rule.path)


def _is_known(store: Store, rule: Rule, tree: Tree, *, anew: bool) -> bool:
    latest = store.latest_drop(rule.name, tree.top)
    if latest is None:
        return False
    is_over = latest.state not in (DropState.TAKEN, DropState.HELD)
    is_same = is_same_signature(latest.signature, _signature(rule, tree))
    return not (anew and is_over and not is_same)


def _signature(rule: Rule, tree: Tree) -> str:
    return tree.seen(grain_ns=grain_ns_of(rule)).signature


def asks_first(initial: Initial, *, drops: int, size: int) -> bool:
    """Say whether so much old content is held instead of sent."""
    if initial is Initial.AUTO:
        return drops > AUTO_DROPS or size > AUTO_BYTES
    return initial in (Initial.ASK, Initial.IGNORE)


def _say_held(rule: Rule, drops: int, size: int, *, oldest: str, sentence: str) -> None:
    named = {one for _, found in rule.to.by_subfolder for one in found}
    to = rule.to.portal or ", ".join((*(rule.to.recipients or ()), *sorted(named))) or "nobody"
    log.warning(
        sentence,
        extra={
            "hot_folder": rule.name,
            "drops": drops,
            "bytes": size,
            "oldest": oldest,
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
