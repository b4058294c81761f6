"""Figures of one benchmark: kept by sender and kind, told as tables, held against goals.

Owns how rounds are collected, how minimum, median and maximum and the ratio to a peer are printed
as a fragment of reStructuredText, what a goal is and how a missed one is told, and the JSON. Never
measures and never part of the product. Used by the benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class CannotMeasureError(Exception):
    """Something that the measurement needs is missing or went wrong: no figure is better."""


class GoalsMissedError(Exception):
    """Everything was measured and told, and these goals were missed."""


#: exit statuses of a benchmark
NO_FIGURE, GOALS_MISSED = 2, 3


class Figures:
    """What one run of one benchmark measured."""

    def __init__(self, title: str, rounds: int) -> None:
        """Begin with nothing."""
        self.title, self.rounds = title, rounds
        self._values: dict[str, dict[str, list[float]]] = {}
        self._goals: list[dict[str, Any]] = []

    def add(self, sender: str, **figures: float) -> None:
        """Keep what one round gave for one sender, and tell it on stderr while it goes on."""
        for kind, value in figures.items():
            self._values.setdefault(kind, {}).setdefault(sender, []).append(value)
        told = ", ".join(f"{kind} {plain(value)}" for kind, value in figures.items())
        print(f"  {sender}: {told}", file=sys.stderr, flush=True)

    def of(self, kind: str, sender: str) -> list[float]:
        """Give all values of a kind for a sender."""
        return self._values[kind][sender]

    def has(self, kind: str, sender: str) -> bool:
        """Say whether anything of a kind was measured for a sender."""
        return sender in self._values.get(kind, {})

    def median(self, kind: str, sender: str) -> float:
        """Give the median of a kind for a sender."""
        return statistics.median(self.of(kind, sender))

    def table(self, kind: str, heading: str, *, peer: str | None = None) -> str:
        """Write minimum, median and maximum of a kind, and each median over the peer's."""
        ratio = [f"over {peer}"] if peer else []
        rows = [["sender", "minimum", "median", "maximum", *ratio]]
        for sender, values in self._values[kind].items():
            middle = statistics.median(values)
            row = [sender, plain(min(values)), plain(middle), plain(max(values))]
            rows.append(row + ([f"{middle / self.median(kind, peer):.2f}"] if peer else []))
        return f"{heading}:\n\n{simple_table(rows)}"

    def tail(self, kind: str, heading: str) -> str:
        """Write minimum, p50, p99 and maximum of a kind for each sender."""
        rows = [["sender", "minimum", "p50", "p99", "maximum"]]
        for sender, values in self._values[kind].items():
            found = (min(values), statistics.median(values), self.p99(kind, sender), max(values))
            rows.append([sender, *map(plain, found)])
        return f"{heading}:\n\n{simple_table(rows)}"

    def summary(self, sender: str, headings: dict[str, str]) -> str:
        """Write minimum, median and maximum of several kinds for one sender."""
        rows = [["figure", "minimum", "median", "maximum"]]
        for kind, heading in headings.items():
            values = self.of(kind, sender)
            found = (min(values), statistics.median(values), max(values))
            rows.append([heading, *map(plain, found)])
        return f"{sender}:\n\n{simple_table(rows)}"

    def p99(self, kind: str, sender: str) -> float:
        """Give the 99th percentile of a kind for a sender; of few values, nearly the maximum."""
        values = self.of(kind, sender)
        if len(values) < 2:
            return values[0]
        return statistics.quantiles(values, n=100, method="inclusive")[98]

    def goal(self, what: str, measured: float, *, limit: float, most: bool) -> None:
        """Hold a figure against the goal that it must reach."""
        reached = measured <= limit if most else measured >= limit
        self._goals.append({
            "what": what, "measured": measured, "goal": limit, "at_most": most, "reached": reached,
        })  # fmt: skip

    def tell(self, tables: Sequence[str], path: str | None) -> None:
        """Print tables and goals, and write the JSON where it was asked for.

        Raises:
            GoalsMissedError: after all that, where one was missed.
        """
        print(f"\n{self.title}\n\n{machine()}; rounds, interleaved: {self.rounds}.\n")
        print("\n\n".join(tables) + "\n")
        for goal in self._goals:
            bound = "at most" if goal["at_most"] else "at least"
            verdict = "reached" if goal["reached"] else "MISSED"
            print(
                f"goal: {goal['what']}, {bound} {plain(goal['goal'])}:"
                f" measured {plain(goal['measured'])}, {verdict}"
            )
        if path:
            tree = {
                "benchmark": self.title, "machine": machine(), "rounds": self.rounds,
                "figures": self._values, "goals": self._goals,
            }  # fmt: skip
            Path(path).write_text(json.dumps(tree, indent=1) + "\n")
        if missed := [goal["what"] for goal in self._goals if not goal["reached"]]:
            raise GoalsMissedError("; ".join(missed))


def plain(value: float) -> str:
    """Write a figure with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def simple_table(rows: Sequence[Sequence[str]]) -> str:
    """Write a simple table of reStructuredText, its first row as the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def machine() -> str:
    """Name what the figures hold for."""
    cpu = next(
        (
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text().splitlines()
            if row.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB,"
        f" Linux {platform.release().partition('-')[0]},"
        f" Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def parser(text: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Give the command line that every benchmark has."""
    made = argparse.ArgumentParser(description=(text or "").partition("\n")[0])
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--json", metavar="FILE", help="write every figure there")
    return made


def main(measure: Callable[[], None]) -> int:
    """Run a benchmark and give its exit status: a missed goal is another one than no figure."""
    try:
        measure()
    except CannotMeasureError as error:
        print(f"\nCANNOT MEASURE: {error}", file=sys.stderr)
        return NO_FIGURE
    except GoalsMissedError as error:
        print(f"\nGOALS MISSED: {error}", file=sys.stderr)
        return GOALS_MISSED
    return 0


def turned(senders: Sequence[Any], turn: int) -> list[Any]:
    """Give the senders in another order each round, so that none always goes first."""
    start = turn % len(senders)
    return [*senders[start:], *senders[:start]]
