"""The command that says why a path is sent or not.

Owns how an explanation is read and how it reads on a terminal. Never makes a test: the daemon does.
Called by the table of commands.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from masv_watch.cli import answers
from masv_watch.cli.caller import place
from masv_watch.cli.desk import desk_of
from masv_watch.cli.lines import duration_text
from masv_watch.cli.outcomes import OK
from masv_watch.cli.seen import Drop

_WORDS = {
    "not_watched": "is not watched",
    "no_root": "waits: its hot folder is not there",
    "missing": "is not there",
    "left_out": "is left out",
    "settling": "settles",
    "held": "is held",
    "goes": "goes",
    "on_its_way": "is on its way",
    "known": "is known already",
}
#: what became of what is known
_ENDS = {
    "done": "was delivered already",
    "ignored": "was recorded as seen, and is not sent",
    "duplicate": "has the content of an earlier drop, and is not sent",
    "cancelled": "was cancelled, and is not sent again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One test with its verdict."""

    test: str
    has_passed: bool
    detail: str
    rule_at: str
    #: seconds; None where only a change helps
    retry_in_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a path is sent or not, as the daemon says it."""

    path: str
    verdict: str
    why: str
    cure: str
    hot_folder: str
    to: tuple[str, ...]
    retry_in_s: int | None
    findings: tuple[Tested, ...]
    #: the newest row of the ledger; None when it has none
    drop: Drop | None
    #: how the path itself ended; "" where it did not, or nobody knows
    ended: str = ""


def explain(options: argparse.Namespace) -> int:
    """Say why a path is sent or not."""
    desk = desk_of(options)
    query = urlencode({"path": os.path.abspath(os.fsencode(options.path))})
    found, tree = desk.caller.get(f"{place('explain')}?{query}", explained)
    desk.print(tree, *explained_lines(found))
    return OK


def explained(tree: answers.Json) -> Explained:
    """Read an explanation.

    Raises:
        NotOurs: it is none.
    """
    row = tree.get("drop") if isinstance(tree, dict) else None
    return Explained(
        path=answers.needed(tree, "path"),
        verdict=answers.needed(tree, "verdict"),
        why=answers.text(tree, "why"),
        cure=answers.text(tree, "cure"),
        hot_folder=answers.text(tree, "hot_folder"),
        to=tuple(answers.printable(str(one)) for one in answers.members(tree, "to")),
        retry_in_s=answers.number_if_known(tree, "retry_in_s"),
        findings=tuple(_tested(one) for one in answers.members(tree, "findings")),
        drop=None if row is None else answers.drop(row),
        ended=answers.text(tree, "ended"),
    )


def _tested(tree: answers.Json) -> Tested:
    return Tested(
        test=answers.needed(tree, "test"),
        has_passed=tree.get("passed") is True,
        detail=answers.text(tree, "detail"),
        rule_at=answers.text(tree, "rule_at"),
        retry_in_s=answers.number_if_known(tree, "retry_in_s"),
    )


def explained_lines(found: Explained) -> Iterator[str]:
    """Give an explanation: the sentence, whom it goes to, the ledger's row, and test by test."""
    words = _WORDS.get(found.verdict, found.verdict)
    ends = _ENDS.get(found.ended)
    if ends and found.verdict in {"known", "missing"}:
        words = ends if found.verdict == "known" else f"{words}; it {ends}"
    yield f"{found.path} {words}"
    yield f"  {found.why}"
    if found.retry_in_s is not None and found.verdict in {"settling", "held"}:
        yield f"  time alone may bring it further in {_span(found.retry_in_s)}"
    if found.cure:
        yield f"  {found.cure}"
    if found.hot_folder:
        # of a disabled one nobody is asked to whom it would go
        to = f", to {', '.join(found.to)}" if found.to else ""
        yield f"  hot folder {found.hot_folder}{to}"
    if found.drop is not None:
        yield f"  ledger: {_row(found.drop)}"
    yield from (_line(each, found.why) for each in found.findings)


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else duration_text(seconds)


def _row(drop: Drop) -> str:
    held = f", {drop.reason}" if drop.reason else ""
    note = f" ({drop.note})" if drop.note else ""
    return f"drop {drop.id}, generation {drop.generation}, {drop.state}{held}{note}"


def _line(each: Tested, said: str) -> str:
    """Give a test in one line; what was `said` above is not said again."""
    detail = "as above" if each.detail and each.detail == said else each.detail
    at = f"  [{each.rule_at}]" if each.rule_at else ""
    left = ""
    if not each.has_passed and each.retry_in_s is not None:
        left = f", {_span(each.retry_in_s)} left"
    return f"  {'yes' if each.has_passed else 'NO':<3}  {each.test:<14} {detail}{left}{at}".rstrip()
