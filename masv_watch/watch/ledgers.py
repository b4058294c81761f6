"""The ledger of one volume: what was seen and sent of a removable hot folder, card by card.

Owns the name under which the drops of a volume are kept. Never changes what a verb does. Used by
the intake of a rule that says `removable`; every other one has the store itself.

Law 1. What is known of one volume says nothing about another: two cards with equal names are two.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, cast

from masv_watch.files import Volume
from masv_watch.store.arriving_contract import Arriving
from masv_watch.store.contract import Ledger, Store
from masv_watch.store.history_contract import History
from masv_watch.store.meeting_contract import Meeting
from masv_watch.store.rooting_contract import Rooting
from masv_watch.store.watching_contract import Watching

#: between the hot folder's name, which cannot hold it, and that of the volume
_BETWEEN = "@"
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def _takes_name(verb: object) -> bool:
    return inspect.isfunction(verb) and "hot_folder" in inspect.signature(verb).parameters


#: what is learned of a hot folder's writers and asked of whom it reached, whichever the volume
_OF_ALL = {"gaps", "note_gap", "delivered_to"}
#: the verbs that speak of a hot folder's drops or of its root
_VERBS = frozenset(
    name
    for protocol in (Ledger, Arriving, Rooting, Meeting, Watching, History)
    for name, verb in vars(protocol).items()
    if _takes_name(verb) and name not in _OF_ALL
)


def volume_name(volume: Volume) -> str:
    """Name a volume: by its UUID, else by device, inode and label, whatever there is."""
    if volume.uuid:
        return _ODD.sub("_", volume.uuid)
    device, inode = volume.place
    return f"{device}-{inode}-{_ODD.sub('_', volume.label)}".rstrip("-")


def volume_shown(volume: Volume) -> str:
    """Say for people what a volume is known by."""
    label = f" ({volume.label})" if volume.label else ""
    if volume.uuid:
        return f"UUID {volume.uuid}{label}"
    return f"device {volume.place[0]} and inode {volume.place[1]}{label}: it has no UUID"


def ledger_name(hot_folder: str, volume: str) -> str:
    """Give the name under which the drops of a volume are kept."""
    return f"{hot_folder}{_BETWEEN}{volume}"


def ledger_of(store: Store, volume: str) -> Store:
    """Give the store as the hot folder sees it while this volume is there."""
    return cast(Store, _OfVolume(store, volume))


class _OfVolume:
    """Every verb of a store; those of the ledger are asked under the volume's name."""

    def __init__(self, store: Store, volume: str) -> None:
        self._store = store
        self._volume = volume

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if name not in _VERBS:
            return verb

        def of_volume(hot_folder: str | None = None, *rest: Any, **named: Any) -> Any:
            whose = None if hot_folder is None else ledger_name(hot_folder, self._volume)
            return verb(whose, *rest, **named)

        return of_volume
