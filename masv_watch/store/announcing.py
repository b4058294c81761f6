"""Tell the log and the metrics of states that moved, with the names that people know.

Owns the one line that each move has in the log. Never moves or reads anything. Used by
`store.sqlite` after each commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from masv_watch.metrics import Metrics
from masv_watch.names import shown
from masv_watch.store.sql import Moved, Row

log = logging.getLogger(__name__)


def announce_all(
    moves: Iterable[Moved], metrics: Metrics, *, known_as: Callable[[Moved], Row | None]
) -> None:
    """Log and count each of `moves`; `known_as` gives the names of what moved, None without any."""
    for moved in moves:
        log.info(
            "%s moved",
            moved.noun,
            extra={
                **_named(known_as(moved)),
                "id": moved.noun_id,
                "event": str(moved.event),
                "before": str(moved.before),
                "after": str(moved.after),
                "detail": moved.detail,
            },
        )
        metrics.count("transitions", noun=moved.noun, after=str(moved.after))
        if moved.recall:
            metrics.count("recalls", end=str(moved.recall))


def _named(row: Row | None) -> dict[str, object]:
    told = {key: value for key, value in dict(row or {}).items() if value}
    return {key: shown(value) if isinstance(value, bytes) else value for key, value in told.items()}
