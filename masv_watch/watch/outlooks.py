"""What a rule would make of what lies in a hot folder, before anything happens.

Owns the outlook of one entry under one rule. Asks the deciders that intake asks, with the same
facts, so that it cannot differ from what happens. Never touches a disk, the clock or the store.
Called by the command `rules test`, and by `preview` for both sides of an edit.

Law 1. Nothing is decided here: every word of an outlook comes from the decider that intake uses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from masv_watch.model import Decision, Draft, Finding, HoldReason, Prospect, Rule
from masv_watch.names import shown
from masv_watch.watch.addresses import addressing
from masv_watch.watch.drafts import draft_of, drop_draft
from masv_watch.watch.entries import left_out
from masv_watch.watch.limits import Past, exceeds, strangers
from masv_watch.watch.markers import marker_of
from masv_watch.watch.rules import Standing, role
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import Entry, State, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook(Decision):
    """One top-level entry under one rule, with every test of the rule."""

    tree: Tree
    #: `goes`, as soon as it has settled, `held` or `left_out`
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


def outlook(rule: Rule, tree: Tree, *, local: datetime, earlier: int = 0) -> Outlook:
    """Say what a rule makes of a top-level entry that has settled as it is.

    `earlier` deliveries of the name give its package a number.
    """
    standing = role(tree.kind, rule.drop)
    reason = left_out(tree, standing)
    if reason:
        at = rule.at if tree.is_drop or not tree.skipped else tree.skipped[0].rule_at
        found = replace(standing.findings[-1], passed=False, detail=reason, rule_at=at)
        return Outlook(
            tree=tree, prospect=Prospect.LEFT_OUT, why=reason, rule_at=at, findings=(found,)
        )
    hold, why, findings = _hold(rule, tree)
    if standing.standing is Standing.HELD:
        hold, why = standing.hold, standing.findings[-1].detail
    seen = tree.seen()
    draft = None
    if tree.files:
        draft = draft_of(rule, tree, drop_draft(0, tree, seen), local=local, earlier=earlier)
    template = rule.settle.done_marker
    return Outlook(
        tree=tree,
        prospect=Prospect.GOES if hold is None else Prospect.HELD,
        why=why,
        rule_at=rule.at,
        hold=hold,
        draft=draft,
        marker=None if template is None else marker_of(template, tree.top, tree.kind),
        findings=(*standing.findings, *findings),
    )


def _hold(rule: Rule, tree: Tree) -> tuple[HoldReason | None, str, tuple[Finding, ...]]:
    """Judge it as if it had been seen unchanged for ever, by its address and its limits.

    What the ledger would be asked for is left out: what was sent today, and what is usual.
    """
    seen = tree.seen()
    known = Entry(
        signature=seen.signature,
        fence=seen.fence,
        since=float("-inf"),
        sampled_at=float("-inf"),
        samples=rule.settle.samples,
    )
    verdict = judge(known, seen, 0.0, rule.settle, quiet_s=0.0)
    excess = exceeds(seen, rule.limits, Past(strange=strangers(rule, tree.top)), at=rule.at)
    addressed = addressing(rule, tree.top)
    told = (found for each in addressed for found in each.findings)
    findings = (*verdict.findings, *excess.findings, *told)
    for each in addressed:
        if each.hold is not None:
            return each.hold, each.note, findings
    if excess.hold is not None:
        return excess.hold, excess.detail, findings
    if verdict.state is State.QUIET:
        return None, "", findings
    why = next((found.detail for found in verdict.findings if not found.passed), "")
    if tree.unreadable:
        why = str(tree.unreadable[0])
    elif not tree.files:
        why = f"{shown(tree.top)} holds no file that is sent"
    return verdict.hold, why, findings
