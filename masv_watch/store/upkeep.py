"""The verbs of a state's files: copied, examined, kept small, and the room that they have.

Owns nothing but the way from the contract to `store.copying` and `store.watermark`. Never knows
when any of it is due. Part of the store; the contract stands in `store.contract`.

It stands alone because the engine's own module is full.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from masv_watch.store import copies, copying
from masv_watch.store.sql import Engine
from masv_watch.store.watermark import Watermark


class UpkeepVerbs:
    """The part of `contract.Store` about the files of the state."""

    folder: str
    disk: Watermark
    engine: Engine

    def disk_trouble(self) -> str:
        """Give how little room the disk of the state has; "" while that is enough."""
        return self.disk.sentence() if self.disk.is_low() else ""

    def demand_room(self) -> None:
        """Make sure that the disk of the state has room for something new."""
        self.disk.demand()

    def demand_writable(self) -> None:
        """Make sure that the state takes a write now."""
        now = str(self.engine.now())
        self.engine.write(lambda tx: tx.run("set_meta", key="tried", value=now))

    def back_up(self, to: str, *, with_key: bool, stop: Callable[[], bool]) -> int:
        """Copy the state to a file while it is written; give the bytes of the copy."""
        # by hand no other name is given there: what else lies in that folder is not ours
        copies.note(self.folder, os.path.dirname(to))
        return copying.back_up(self.folder, to, with_key=with_key, stop=stop)

    def damage(self, *, stop: Callable[[], bool]) -> str:
        """Look through the state for damage; "" when there is none."""
        return copying.damage(os.path.join(self.folder, copying.FILE), stop=stop)

    def tend(self) -> None:
        """Keep the journal of the state small."""
        copying.shrink(os.path.join(self.folder, copying.FILE))
