"""Whether a drop goes: every test in its order, and what follows from all of them.

Owns the order of the tests and which failed one counts. Never makes a test itself: settle, limits,
completeness and the others hand in what they found. Called by intake, which does what it says, and
by `explain`, which prints it; so the two cannot differ.

Law 1. Nothing goes that is not quiet, and nothing that anybody objects to.
Law 2. Writers are asked about last and once, because the asking can disturb one (behaviour 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from masv_watch.model import Decision, DropEvent, HoldReason, Objection
from masv_watch.watch.settle import State, Verdict


class Step(StrEnum):
    """What comes next for a drop."""

    #: it has not settled
    WAIT = "wait"
    #: something stands in its way
    HOLD = "hold"
    #: only the test for writers is left
    ASK = "ask"
    #: it ends without being sent
    END = "end"
    GO = "go"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Decision):
    """What all tests together say."""

    step: Step
    #: why it waits or is held; None when it goes
    hold: HoldReason | None
    #: one clause for people; "" when it goes
    note: str
    #: monotonic, seconds; an earlier look may see a change, but brings it no further
    retry_at: float
    #: what ends it; None unless it ends
    ends: DropEvent | None = None
    #: what a person's word would cover; "" where none is asked for
    asked: str = ""


def decide(
    verdict: Verdict, objections: Sequence[Objection] = (), *, writers: Objection | None = None
) -> Outcome:
    """Say whether a drop goes.

    `objections` are in the order in which they count. `writers` is what the last test found; None
    before it was made.
    """
    asked = (*objections, *((writers,) if writers is not None else ()))
    findings = (*verdict.findings, *(found for each in asked for found in each.findings))
    is_quiet = verdict.state is State.QUIET
    for each in asked:
        if (each.hold or each.ends) and (is_quiet or each.is_early):
            return Outcome(
                step=Step.HOLD if each.ends is None else Step.END,
                hold=each.hold,
                note=each.note,
                retry_at=max(verdict.retry_at, each.retry_at or 0.0),
                findings=findings,
                ends=each.ends,
                asked=each.asked,
            )
    if not is_quiet:
        failed = [found for found in verdict.findings if not found.passed]
        if verdict.hold is HoldReason.MARKER_MISSING:
            # after a start all is seen anew, but that is not what keeps it
            failed.sort(key=lambda found: found.test != "marker")
        note = failed[0].detail if failed else ""
        return Outcome(
            step=Step.WAIT,
            hold=verdict.hold,
            note=note,
            retry_at=verdict.retry_at,
            findings=findings,
        )
    step = Step.ASK if writers is None else Step.GO
    return Outcome(step=step, hold=None, note="", retry_at=verdict.retry_at, findings=findings)
