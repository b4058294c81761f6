"""Sidecars: files that come with a drop and change what its rule says of it.

Owns which path is the sidecar of which drop, what was read of it last, and what a rule becomes with
it. Never decides what a sidecar may say: `config.sidecars` does. Called by `assessing`.

Law 1. A sidecar changes nothing of a drop that is taken: its upload froze what was said, and a
       rebind keeps it as far as the rule that counts by then takes it.
Law 2. It settles with its drop: as long as it changes, the drop is not quiet.
Law 3. It is read once for each of its identities, in one go, and only a regular file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from masv_watch import files
from masv_watch.errors import SourceBusy, SourceError
from masv_watch.model import (
    Finding,
    HoldReason,
    Identity,
    Limits,
    Objection,
    Override,
    Rule,
    Sidecar,
    Terms,
    To,
)
from masv_watch.names import shown
from masv_watch.watch.controls import LARGEST, TOO_LARGE
from masv_watch.watch.markers import marker_of
from masv_watch.watch.scan import Tree
from masv_watch.watch.tops import seen_at, unfollowed

#: sidecars of which is remembered what they say; an older one is read again
_MOST_KEPT = 1000
NOTHING = Override()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The sidecar of one drop at one moment."""

    #: below the root
    path: bytes
    #: None while there is no file that can be read
    identity: Identity | None
    #: why what is there cannot be read, one clause; "" otherwise
    why: str = ""

    def fenced(self, fence: str) -> str:
        """Give the fence around a drop with its sidecar."""
        return fence if self.identity is None else f"{fence}~{self.identity}"


class _Known(NamedTuple):
    """What one sidecar said, and by which keys of the rule."""

    sidecar: Sidecar | None
    limits: Limits
    override: Override
    problems: tuple[str, ...]


class Sidecars:
    """What the sidecars of one rule say; any thread may ask, with a root of its own."""

    def __init__(self) -> None:
        """Begin without one."""
        self._known: dict[tuple[bytes, Identity], _Known] = {}

    def look(self, rule: Rule, root: files.Root, tree: Tree) -> Beside | None:
        """Look for the sidecar of a drop; None where the rule knows none.

        Raises: SourceUnreadable when the root is gone.
        """
        if rule.sidecar is None:
            return None
        path = sidecar_of(rule.sidecar, tree.top, tree.kind)
        found = seen_at(root, path)
        seen = None if found is None else unfollowed(found)
        if seen is None or seen.kind == "file":
            return Beside(path=path, identity=None if seen is None else seen.identity)
        detail = seen.detail if seen.kind == "unreadable" else f"is {seen.detail or 'a folder'}"
        return Beside(path=path, identity=None, why=detail)

    def read(self, rule: Rule, root: files.Root, beside: Beside) -> tuple[Override, Objection]:
        """Give what a sidecar sets, and what speaks against its drop because of it."""
        wants = rule.sidecar
        if wants is None:
            return NOTHING, Objection()
        if beside.why:
            return _invalid(rule, f"{shown(beside.path)} {beside.why}, and a sidecar is a file")
        if beside.identity is None:
            return NOTHING, _missing(rule, beside, is_required=wants.required)
        try:
            override, problems = self._said(rule, root, beside.path, beside.identity)
        except SourceBusy as error:
            # whoever writes it is not done
            return NOTHING, _objection(HoldReason.OPEN_BY_WRITER, error.message, rule)
        if problems:
            return _invalid(rule, "; ".join(problems))
        sets = ", ".join(override.keys) or "nothing"
        return override, Objection(
            findings=(_finding(True, f"{shown(beside.path)} sets {sets}", rule),)
        )

    def _said(
        self, rule: Rule, root: files.Root, path: bytes, identity: Identity
    ) -> tuple[Override, tuple[str, ...]]:
        known = self._known.get((path, identity))
        if known is not None and (known.sidecar, known.limits) == (rule.sidecar, rule.limits):
            return known.override, known.problems
        name = shown(path)
        try:
            content = files.read_small(root, path, identity, most=LARGEST)
        except SourceBusy:
            raise
        except SourceError as error:
            # not remembered: the next look reads it again
            return NOTHING, (error.message,)
        problems: tuple[str, ...] = (f"{name} {TOO_LARGE}",)
        override = NOTHING
        if content is not None and rule.sidecar is not None:
            from masv_watch.config import sidecars  # noqa: PLC0415 - YAML, where one is read

            override, problems = sidecars.read(content, name, rule.sidecar, rule.limits)
        self._known[path, identity] = _Known(rule.sidecar, rule.limits, override, problems)
        while len(self._known) > _MOST_KEPT:
            # another thread may have taken the oldest one already
            self._known.pop(next(iter(tuple(self._known))), None)
        return override, problems


def sidecar_of(wants: Sidecar, top: bytes, kind: str) -> bytes:
    """Give the path below the root of the sidecar of a top-level entry."""
    return marker_of(wants.name, top, kind)


def overridden(rule: Rule, said: Override) -> Rule:
    """Give what a rule says of one drop with its sidecar."""
    if said.message is not None:
        rule = replace(rule, package=replace(rule.package, message=said.message))
    if said.priority is not None:
        rule = replace(rule, priority=said.priority, keeps_priority=True)
    if said.recipients is not None:
        # whoever it names takes the place of all that the rule names, by subfolder or not
        to = To(recipients=said.recipients, sender=rule.to.sender)
        rule = replace(rule, to=to, keeps_recipients=True)
    return rule


def rebound(rule: Rule, frozen: Terms) -> Rule:
    """Give what a rule says of a drop that it was not taken by, with what its sidecar froze.

    Of the recipients that the sidecar named those stay that this rule would take from one; where
    it would take none, its own count.
    """
    wants, limits = rule.sidecar, rule.limits
    takes = wants is not None and "recipients" in wants.may_set and rule.to.portal is None
    if not frozen.keeps_recipients or not takes:
        return rule
    kept = tuple(
        each
        for each in frozen.recipients
        if limits.asks_new_domains or each.rpartition("@")[2].casefold() in (limits.domains or ())
    )
    return overridden(rule, Override(recipients=kept)) if kept else rule


def _missing(rule: Rule, beside: Beside, *, is_required: bool) -> Objection:
    detail = f"{shown(beside.path)} is not there"
    if not is_required:
        finding = _finding(True, f"{detail}, and it need not be", rule)
        return Objection(findings=(finding,))
    return _objection(HoldReason.SIDECAR_MISSING, detail, rule)


def _invalid(rule: Rule, why: str) -> tuple[Override, Objection]:
    return NOTHING, _objection(HoldReason.SIDECAR_INVALID, why, rule)


def _objection(hold: HoldReason, why: str, rule: Rule) -> Objection:
    return Objection(hold=hold, note=why, findings=(_finding(False, why, rule),))


def _finding(passed: bool, detail: str, rule: Rule) -> Finding:
    return Finding(test="sidecar", passed=passed, detail=detail, rule_at=rule.at)
