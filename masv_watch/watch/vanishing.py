"""What becomes of drops that a whole sweep of a present root did not show any more.

Owns that consequence for each drop. Never looks for anything but what stands at their paths. Used
by the entries of a hot folder, on its thread.
"""

from __future__ import annotations

from masv_watch import files
from masv_watch.model import DropState, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.handover import Handover
from masv_watch.watch.memory import Memory
from masv_watch.watch.successors import Successors
from masv_watch.watch.tops import seen_at


def let_go(
    missing: set[bytes],
    rule: Rule,
    root: files.Root,
    *,
    store: Store,
    hand: Handover,
    memory: Memory,
) -> None:
    """Let go of these paths."""
    living = [path for path in store.living_paths(rule.name) if path in missing]
    there = Successors(rule, store=store, root=root, growing=memory.growing)
    for drop in store.latest_drops(rule.name, living):
        if drop.state is not DropState.TAKEN:
            hand.let_go(drop)
        elif not drop.whole:
            memory.growing.pop(drop.path, None)
            hand.miss(drop, there.of, there=seen_at(root, drop.path))
    for drop in store.given_up(rule.name):
        if drop.path in missing:
            # whatever comes under its name from now on is new
            store.note_given_up(drop.id, "")
