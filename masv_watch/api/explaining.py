"""The call that says why a path is sent or not.

Owns its route and how an explanation is written. Never makes a test: `explain` does. Mounted by
`api.routes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from masv_watch.api import commands as asked
from masv_watch.api import shapes
from masv_watch.api.bodies import drop_body
from masv_watch.api.calls import BASE, Desk, Route, caller_of_call, query_of_call
from masv_watch.model import Drop, Explanation, Finding
from masv_watch.names import shown
from masv_watch.uploads import DropView


def explaining(desk: Desk) -> list[Route]:
    """Give the table of its calls."""

    def explain() -> shapes.ExplanationBody:
        path = query_of_call(asked.ExplanationAsked, has_paths=True).path
        with desk.walks:
            found = desk.explain(path.encode("utf-8", "surrogateescape"), caller_of_call())
        return explanation_body(found, desk.records.view)

    return [
        Route(method="GET", path=f"{BASE}/explain", answer=explain, asks=asked.ExplanationAsked,
              gives=shapes.ExplanationBody, refuses=(404, 422, 503),
              summary="Say why a path in a hot folder is sent or not: every test with its verdict,"
              " the clock left, the ledger's row, and what would make it go."),
    ]  # fmt: skip


def explanation_body(
    found: Explanation, view: Callable[[Drop], DropView]
) -> shapes.ExplanationBody:
    """Give why a path is sent or not; clocks are seconds from now, `view` is of its row."""
    return {
        "path": shown(found.path),
        "hot_folder": found.hot_folder,
        "top": shown(found.top),
        "verdict": found.prospect,
        "why": found.why,
        "cure": found.cure,
        "retry_in_s": _retry_in(found.findings, found.at),
        "to": list(found.to),
        "findings": [_finding_body(finding, found.at) for finding in found.findings],
        "drop": None if found.drop is None else drop_body(view(found.drop)),
        "ended": found.ended,
    }


def _finding_body(finding: Finding, now: float) -> shapes.FindingBody:
    return {
        "test": finding.test,
        "passed": finding.passed,
        "detail": finding.detail,
        "rule_at": finding.rule_at,
        "retry_in_s": _left(finding, now),
    }


def _left(finding: Finding, now: float) -> int | None:
    if finding.passed or finding.retry_at is None:
        return None
    return max(math.ceil(finding.retry_at - now), 0)


def _retry_in(findings: tuple[Finding, ...], now: float) -> int | None:
    """Give the seconds until all that only needs time may be otherwise; None: time is no help."""
    failed = [_left(finding, now) for finding in findings if not finding.passed]
    return max((left for left in failed if left is not None), default=None) if failed else None
