"""What a rule would make of what lies in a hot folder, before anything happens.

Owns the outlook of one entry under one rule: every test that intake makes, as if the entry had been
seen unchanged for ever. Never writes a row and never asks for writers, which could disturb one.
Called by the command `rules test`, and by `rehearsal` for both sides of an edit.

Law 1. Nothing is decided here: every word of an outlook comes from the tests that intake makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import (
    Decision,
    DeliveredAt,
    DeliveredFile,
    Draft,
    Drop,
    DropState,
    Finding,
    HoldReason,
    Identity,
    Prospect,
    Rule,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.assessing import Assessment, Assessor
from masv_watch.watch.clashes import clashes_of
from masv_watch.watch.decision import Step
from masv_watch.watch.drafts import draft_of, drop_draft
from masv_watch.watch.examined import left_out, sent_of
from masv_watch.watch.generations import relate
from masv_watch.watch.markers import Marker
from masv_watch.watch.redrops import Kind
from masv_watch.watch.rules import Standing, role
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import Entry

_PROSPECTS = {Step.GO: Prospect.GOES, Step.END: Prospect.KNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook(Decision):
    """One top-level entry under one rule, with every test of the rule."""

    tree: Tree
    #: `goes`, as soon as it has settled, `held`, `known` or `left_out`
    prospect: Prospect
    #: one clause for people; "" for what is sent
    why: str = ""
    #: `file:line` of the rule that decided; "" when what is built in did
    rule_at: str = ""
    #: why it is held; None for the rest
    hold: HoldReason | None = None
    #: what its upload would be; None for what is left out, or when nothing of it could be sent
    draft: Draft | None = None
    #: path of the done marker that it waits for, below the root; None: for none
    marker: bytes | None = None
    #: what does not let that marker speak now, one clause; "" when it stands or none is asked for
    unmarked: str = ""
    #: whether the kernel is asked for writers before it goes
    asks_for_writers: bool = False


class Outlooks:
    """The tests of one rule, made as if everything had settled; used by one thread."""

    def __init__(
        self,
        rule: Rule,
        *,
        clock: Clock,
        store: Store | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Test by these; without a store nothing was ever delivered."""
        self._rule = rule
        self._store = cast(Store, _NoLedger()) if store is None else store
        settled = replace(rule.settle, done_marker=None, asks_for_writers=False)
        self._assessor = Assessor(
            replace(rule, settle=settled), store=self._store, clock=clock, stop=stop
        )

    def meet(self, entries: Iterable[files.Observation]) -> None:
        """Take in what the rule keeps at the top: loose files may be frames of one sequence."""
        for entry in entries:
            if entry.kind == "file":
                self._assessor.siblings.add(entry.path)

    def outlook(
        self, root: files.Root, tree: Tree, *, local: datetime, row: Drop | None = None
    ) -> Outlook:
        """Say what the rule makes of a top-level entry; `row` is the newest of its path."""
        standing = role(tree.kind, self._rule.drop)
        reason = left_out(tree, standing)
        if reason:
            at = self._rule.at if tree.is_drop or not tree.skipped else tree.skipped[0].rule_at
            found = replace(standing.findings[-1], passed=False, detail=reason, rule_at=at)
            return _left_out(tree, reason, at, (found,))
        related = relate(row, tree.seen())
        old = self._assessor.too_old(tree, related)
        if old is not None:
            return _left_out(tree, old.detail, self._rule.at, (*standing.findings, old))
        is_taken = row is not None and row.state is DropState.TAKEN
        assessed = self._assess(root, tree, row if is_taken else related.drop)
        hold, why = assessed.outcome.hold, assessed.outcome.note
        prospect = _PROSPECTS.get(assessed.outcome.step, Prospect.HELD)
        if standing.standing is Standing.HELD:
            prospect, hold, why = Prospect.HELD, standing.hold, standing.findings[-1].detail
        elif not tree.files and not tree.unreadable:
            why = f"{shown(tree.top)} holds no file that is sent"
        marker = self._marker(root, tree)
        return Outlook(
            tree=tree,
            prospect=prospect,
            why=why,
            rule_at=self._rule.at,
            hold=hold,
            draft=self._draft(tree, assessed, local),
            marker=None if marker is None else marker.path,
            unmarked="" if marker is None or marker.stands else marker.said,
            asks_for_writers=self._rule.settle.asks_for_writers,
            findings=(*standing.findings, *assessed.outcome.findings),
        )

    def _marker(self, root: files.Root, tree: Tree) -> Marker | None:
        template = self._rule.drop_marker
        return None if template is None else self._assessor.marker(root, tree, template)

    def _assess(self, root: files.Root, tree: Tree, drop: Drop | None) -> Assessment:
        seen = tree.seen()
        for_ever = Entry(
            signature=seen.signature,
            fence=self._assessor.fence(root, tree),
            since=float("-inf"),
            sampled_at=float("-inf"),
            samples=self._rule.settle.samples,
        )
        return self._assessor.assess(root, tree, seen, drop=drop, entry=for_ever)

    def _draft(self, tree: Tree, assessed: Assessment, local: datetime) -> Draft | None:
        sent = sent_of(tree, assessed.compared)
        if not sent.files:
            return None
        checked, compared = assessed.checked, assessed.compared
        remarks = () if checked is None else checked.completeness.remarks
        remarks = (*remarks, *clashes_of(sent))
        is_late = compared is not None and compared.kind is Kind.LATE
        drop = replace(drop_draft(0, sent, sent.seen(), remarks=remarks), is_late=is_late)
        earlier = self._store.delivered_before(self._rule.name, tree.top)
        replaces = self._assessor.histories.replaced(self._rule, tree.top, compared)
        return draft_of(assessed.rule, sent, drop, local=local, earlier=earlier, replaces=replaces)


def _left_out(tree: Tree, why: str, at: str, findings: tuple[Finding, ...]) -> Outlook:
    return Outlook(tree=tree, prospect=Prospect.LEFT_OUT, why=why, rule_at=at, findings=findings)


class _NoLedger:
    """What is asked of a ledger in which nothing stands."""

    def gaps(self, _hot_folder: str) -> tuple[float, ...]:
        return ()

    def delivered_files(self, _hot_folder: str, _path: bytes) -> Mapping[bytes, DeliveredFile]:
        return {}

    def recorded_before(self, _hot_folder: str, _path: bytes) -> Drop | None:
        return None

    def was_delivered(self, _hot_folder: str, _path: bytes) -> bool:
        return False

    def delivered_before(self, _hot_folder: str, _path: bytes) -> int:
        return 0

    def now(self) -> float:
        return 0.0

    def taken_since(self, _hot_folder: str, _since: float, *, but: int | None) -> int:
        del but
        return 0

    def delivered_sizes(self, _hot_folder: str, _most: int) -> tuple[int, ...]:
        return ()

    def delivered_to(self, _hot_folder: str, _domain: str) -> bool:
        return False

    def ongoing_drops(self, _hot_folder: str, _path: bytes, **_alike: int) -> list[Drop]:
        return []

    def like_drops(self, _hot_folder: str, _path: bytes, **_alike: int) -> list[Drop]:
        return []

    def delivered_within(
        self, _hot_folder: str, _path: bytes, _folders: Sequence[bytes]
    ) -> dict[bytes, DeliveredAt]:
        return {}

    def same_inodes(
        self, _hot_folder: str, wanted: Sequence[Identity], **_alike: int
    ) -> list[list[DeliveredAt]]:
        return [[] for _ in wanted]

    def same_sizes(self, _hot_folder: str, _wanted: Identity, **_alike: int) -> list[DeliveredAt]:
        return []
