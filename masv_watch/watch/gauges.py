"""The gauges of one hot folder, and their end.

Owns what a page of metrics says of how it is watched. Never looks at anything itself. Set by its
intake, ended by `roster`.
"""

from __future__ import annotations

from masv_watch.metrics import Metrics
from masv_watch.watch.hints import Sight


class Gauges:
    """What is measured of one hot folder; set by its loop, ended by any thread."""

    def __init__(self, hot_folder: str, metrics: Metrics) -> None:
        """Show nothing before the first sweep."""
        self._hot_folder = hot_folder
        self._metrics = metrics
        self._is_over = False

    def tell(self, sight: Sight, *, sweep_s: float) -> None:
        """Show what a sweep came to, and nothing of notifications where none can come."""
        # one that hung outlives its hot folder
        if self._is_over:
            return
        if sight is Sight.BLIND:
            self._metrics.forget("notifications", hot_folder=self._hot_folder)
        else:
            is_heard = sight is Sight.EVENTS
            self._metrics.gauge("notifications", is_heard, hot_folder=self._hot_folder)
        self._metrics.gauge("sweep_seconds", sweep_s, hot_folder=self._hot_folder)

    def end(self) -> None:
        """Show nothing more: the hot folder is not watched any more."""
        self._is_over = True
        for name in ("notifications", "sweep_seconds"):
            self._metrics.forget(name, hot_folder=self._hot_folder)
