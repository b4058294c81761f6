"""Which entries of a hot folder could not be judged because of a fault of our own.

Owns when one of them is tried again, and the sentences about it. Never judges an entry and mends
nothing. Used by intake on its thread; the needs are read by any.

It stands alone because a fault at one entry must cost its neighbours nothing: they are looked at in
the same look, and it alone waits.

Law 1. From the first time on a person can see it; nothing is passed over in silence.
Law 2. It is tried again, however often it failed, and at once when it changed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from masv_watch.errors import CannotJudge
from masv_watch.metrics import Metrics
from masv_watch.model import Need, Rule
from masv_watch.names import shown

log = logging.getLogger(__name__)

#: seconds after the first fault at an entry until it is tried again, doubled with each further one
FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 3600.0
#: entries that are named one by one; of the others the number is told
_NAMED = 20
#: characters of an error that are told
_TOLD = 200
FAULT_CURE = (
    "give it another name or take it out of the hot folder if it is urgent; the log has the fault:"
    " please report it"
)


def fault_shown(error: BaseException) -> str:
    """Give a fault as one clause for people."""
    told = shown(f"{type(error).__name__}: {error}".encode("utf-8", "surrogateescape"))
    return told[:_TOLD]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An entry that could not be judged."""

    #: what went wrong, one clause
    error: str
    #: of the entry as it was then; "" where it was not seen in whole
    fence: str
    #: how often in a row
    times: int
    #: monotonic, seconds: when it is tried again
    retry_at: float


class Troubles:
    """The entries of one hot folder that could not be judged."""

    def __init__(self, rule: Rule, metrics: Metrics) -> None:
        """Begin without any."""
        self._rule = rule
        self._metrics = metrics
        self._known: dict[bytes, Trouble] = {}

    def note(self, top: bytes, error: BaseException, now: float, *, fence: str = "") -> None:
        """Note that an entry could not be judged."""
        times = self._known[top].times + 1 if top in self._known else 1
        pause = min(FIRST_PAUSE_S * 2.0 ** min(times - 1, 16), LONGEST_PAUSE_S)
        self._known[top] = Trouble(
            error=fault_shown(error), fence=fence, times=times, retry_at=now + pause
        )
        self._metrics.count("entry_faults", hot_folder=self._rule.name)
        log.error(
            "an entry could not be judged; its neighbours go on",
            exc_info=error,
            extra={
                "hot_folder": self._rule.name,
                "entry": shown(top),
                "code": CannotJudge.code,
                "again_in_s": pause,
                "cure": FAULT_CURE,
            },
        )

    def waits(self, top: bytes, fence: str, now: float) -> float | None:
        """Give the second until which an entry waits that is as it was; None when it does not."""
        known = self._known.get(top)
        if known is None or known.fence != fence or now >= known.retry_at:
            return None
        return known.retry_at

    def is_due(self, now: float) -> bool:
        """Say whether an entry is to be tried again."""
        return any(known.retry_at <= now for known in tuple(self._known.values()))

    def due_at(self) -> float | None:
        """Give the second at which the next entry is tried again; None without one."""
        return min((known.retry_at for known in self._known.values()), default=None)

    def end(self, top: bytes) -> None:
        """Take in that an entry was judged."""
        if self._known.pop(top, None) is not None:
            log.info(
                "an entry can be judged again",
                extra={"hot_folder": self._rule.name, "entry": shown(top)},
            )

    @property
    def tops(self) -> Collection[bytes]:
        """Give the entries."""
        return self._known.keys()

    def lose(self, tops: set[bytes]) -> None:
        """Let go of what a whole sweep did not show any more."""
        for top in self._known.keys() & tops:
            del self._known[top]

    def needs(self) -> list[Need]:
        """Name the entries, one sentence each; any thread."""
        known = list(self._known.items())
        found = [
            Need(
                key=f"entry {self._rule.name} {shown(top)}",
                text=(
                    f"hot folder {self._rule.name}: {shown(top)} could not be judged"
                    f" ({trouble.error}), {trouble.times} times so far; it is tried again, and the"
                    " rest goes on"
                ),
                cure=FAULT_CURE,
            )
            for top, trouble in known[:_NAMED]
        ]
        if len(known) > _NAMED:
            text = (
                f"hot folder {self._rule.name}: {len(known) - _NAMED} more entries could not be"
                " judged"
            )
            found.append(Need(key=f"entries {self._rule.name}", text=text, cure=FAULT_CURE))
        return found
