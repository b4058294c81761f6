"""How much one drop may hold before a person is asked.

Owns the numbers of `limit_exceeded` and the test against them. Never counts and never holds: the
sweep hands in what it saw, and intake draws the consequence. Alone, because every further limit is
asked here.
"""

from __future__ import annotations

from dataclasses import dataclass

from masv_watch.model import Decision, Finding, HoldReason
from masv_watch.watch.rules import human_size
from masv_watch.watch.settle import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a drop may hold without being asked about."""

    files: int = 1_000_000
    #: bytes
    size: int = 15 * 10**12


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess(Decision):
    """Whether a drop is held for what it holds."""

    #: None while it is within its limits
    hold: HoldReason | None = None

    @property
    def detail(self) -> str:
        """Give what it has too much of, the same however much it is; "" when nothing."""
        return next((finding.detail for finding in self.findings if not finding.passed), "")


def exceeds(seen: Seen, limits: Limits) -> Excess:
    """Say whether a drop holds more than a person would drop by habit."""
    findings = (
        Finding(
            test="limit_files",
            passed=seen.files <= limits.files,
            detail=f"more than {limits.files:,} files",
        ),
        Finding(
            test="limit_size",
            passed=seen.size <= limits.size,
            detail=f"more than {human_size(limits.size)}",
        ),
    )
    is_over = not all(finding.passed for finding in findings)
    return Excess(hold=HoldReason.LIMIT_EXCEEDED if is_over else None, findings=findings)
