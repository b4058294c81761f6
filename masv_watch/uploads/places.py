"""Where a drop lies, as the ledger noted its hot folder.

Owns the one look at the noted root. Never looks at a disk. Called by the views that give a cure
with commands to paste.
"""

from __future__ import annotations

from masv_watch.model import Drop
from masv_watch.store.contract import Store


def root_of(store: Store, drop: Drop | None) -> bytes | None:
    """Give the path of a drop's hot folder; None where none was noted yet."""
    row = None if drop is None else store.root(drop.hot_folder)
    return row.path or None if row is not None else None
