"""Whether notifications still come: a touch of our own that they must show.

Owns the canary's rhythm and what its silence means. Never reads a hot folder. Its tick is called by
a loop of its own, built by `roster`.

Law 1. Alive is what has an effect: no thread's word counts (pain 57, fault 4).
Law 2. Where nothing can be heard by rule, silence means nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from masv_watch import files
from masv_watch.errors import OUR_FAULT
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.watch.hints import Hints

log = logging.getLogger(__name__)

_CURE = "nothing; often: masv-watch check names the kernel's limits"

#: seconds between two touches
PERIOD_S = 60.0
#: touches in a row that went unheard before the observer is made anew
MISSES = 3
#: seconds between two looks at what a thread may have left behind
_LOOK_S = 15.0


class Canary:
    """The canary of one observer; `tick` is called by one loop, `hear` by the observer's thread."""

    def __init__(
        self,
        hints: Hints,
        folder: bytes,
        *,
        clock: Clock,
        metrics: Metrics,
        touch: Callable[[bytes], str] = files.touch_canary,
    ) -> None:
        """Touch a file in this private folder, which is made when it is not there."""
        self._hints = hints
        self._folder = folder
        self._clock = clock
        self._metrics = metrics
        self._touch = touch
        self._touch_at = 0.0
        self._is_asked = self._is_heard = False
        self._misses = 0
        self._overflows = 0
        self._trouble = files.make_canary(folder)
        if self._trouble:
            log.warning("the canary cannot be made", extra={"reason": self._trouble})
        else:
            hints.listen_to(folder, self.hear)

    def hear(self) -> None:
        """Take in that a touch was seen."""
        self._is_heard = True

    def tick(self) -> float:
        """Judge the last touch and make the next when it is time; give the seconds to the next."""
        now = self._clock.monotonic()
        self._hints.revive()
        overflows = self._hints.overflows
        self._metrics.count("hint_overflows", overflows - self._overflows)
        self._overflows = overflows
        if self._is_asked and self._is_heard:
            self._is_asked, self._misses = False, 0
            self._hints.trust()
        if now >= self._touch_at:
            self._touch_at = now + PERIOD_S
            self._judge()
            self._ask()
        return min(self._touch_at - now, _LOOK_S)

    def _judge(self) -> None:
        if not self._is_asked:
            return
        self._misses += 1
        self._metrics.count("canary_misses")
        if self._misses >= MISSES:
            self._misses = 0
            self._metrics.count("observers_renewed")
            log.error(
                "notifications stopped; the observer is made anew",
                extra={"unheard": MISSES, "period_s": PERIOD_S, **OUR_FAULT, "cure": _CURE},
            )
            self._hints.renew("notifications stopped: a touch of our own was not announced")

    def _ask(self) -> None:
        self._is_asked = self._is_heard = False
        if self._trouble or not self._hints.hears_canary:
            return
        trouble = self._touch(self._folder)
        self._is_asked = not trouble
        if trouble:
            log.warning("the canary cannot be touched", extra={"reason": trouble})
