"""Tell the log and the metrics of states that moved, with the names that people know.

Owns the one line that each move has in the log. Never moves or reads anything. Used by
`store.sqlite` after each commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from masv_watch.metrics import Metrics
from masv_watch.model import DropState, TaskState, UploadState
from masv_watch.names import shown
from masv_watch.store.sql import Moved, Row

log = logging.getLogger(__name__)

_STATES: Mapping[str, type[StrEnum]] = {
    "drop": DropState,
    "task": TaskState,
    "upload": UploadState,
}


def begin_counting(metrics: Metrics) -> None:
    """Show every state with nothing that reached it, so that the first one is an increase."""
    for noun, states in _STATES.items():
        for state in states:
            metrics.count("transitions", 0, noun=noun, after=str(state))


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
