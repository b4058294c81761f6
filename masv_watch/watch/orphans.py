"""What is on its way from where no hot folder is watched any more, and cannot go on by itself.

Owns what becomes of such a drop that has to settle again and cannot. Never looks at a root. Called
by `roster` at a start and at a reload, and by `untended` once it looked.

Law 1. Nothing waits for a look that nobody takes: its upload fails and says what helps (P3, P6).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from masv_watch.errors import SourceChanged
from masv_watch.lifecycle import OPEN, RELEASABLE, is_arriving
from masv_watch.model import Drop, DropState, HoldReason, Rule
from masv_watch.names import shown
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)


#: what only a person's word holds, so that no later look would hold it again
_BY_WORD = frozenset({HoldReason.INITIAL_ASK, HoldReason.OPERATOR})


def still_asks(rules: Iterable[Rule], drop: Drop) -> bool:
    """Say whether a drop waits for a person where nobody looks: nobody answered it.

    A hot folder may be away for one reload only; what was held would go by itself once it is back.
    """
    mine = [rule for rule in rules if rule.name == drop.hot_folder]
    kept = _BY_WORD if all(rule.is_enabled for rule in mine) else RELEASABLE
    return drop.state is DropState.HELD and drop.hold in kept


def why_unwatched(rules: Iterable[Rule], name: str) -> str:
    """Say why nobody watches a hot folder, in one clause."""
    is_known = any(rule.name == name for rule in rules)
    return f"its hot folder is {'disabled' if is_known else 'not configured any more'}"


def is_stuck(drop: Drop) -> bool:
    """Say whether a drop on its way goes on only after somebody looked at it."""
    return drop.state is DropState.TAKEN and not drop.whole and not is_arriving(drop)


def fail(drop: Drop, store: Store) -> None:
    """End the upload of a drop that has to settle again where nobody looks."""
    upload = store.upload(drop.upload_id) if drop.upload_id else None
    if upload is None or upload.state not in OPEN:
        return
    error = SourceChanged(
        f"{shown(drop.path)} changed while it was sent, and {shown(upload.root)} is not watched any"
        " more",
        hint=(
            f"let a hot folder {drop.hot_folder} watch that folder again, masv-watch reload, then"
            f" masv-watch resume {upload.id}; or masv-watch cancel {drop.id} ends it"
        ),
    )
    store.fail_vanished(upload.id, code=error.code, error=str(error))
    log.error(
        "an upload failed: nobody watches its changed source",
        extra={
            "upload": upload.id,
            "drop": shown(drop.path),
            "code": error.code,
            "reason": error.message,
            "cure": error.hint,
        },
    )
