"""The search for a text in the names of files.

Owns how a text is spelled for the database, and the time that a search may take. Never decides who
may see what it found. Part of the store; the contract stands in `store.steering_contract`.

Law 1. The names are read in their order out of one index, so many at a time, and between two reads
       the clock is asked: however many there are, a search ends.
Law 2. Each read gives one row: each step to another would let a busy sender take its turn first.
"""

from __future__ import annotations

import json
import unicodedata

from masv_watch.model import FilesNamed
from masv_watch.store.sql import Engine, Transaction

#: names of one read: about 15 ms (measured with a million of them on 2 cores)
_NAMES = 100_000
#: seconds after which a search ends with what it has
LONGEST_S = 0.5
#: sorts behind every text
_BEHIND_ALL = b""


class SearchingVerbs:
    """The part of `contract.Steering` that looks through every name."""

    engine: Engine

    def files_named(self, needle: str) -> FilesNamed:
        """Give of each upload the first file whose name holds a text, for half a second."""
        until = self.engine.now() + LONGEST_S
        spelled = spellings(needle)
        return self.engine.read(lambda tx: self._look(tx, spelled, until))

    def _look(self, tx: Transaction, spelled: dict[str, object], until: float) -> FilesNamed:
        found: dict[str, str] = {}
        after = ""
        while True:
            row = tx.one("name_behind", after=after, names=_NAMES)
            last = _BEHIND_ALL if row is None else row["name"]
            looked = tx.one("files_named", after=after, until=last, **spelled)
            # the first that was found is the first in their order
            found = {**json.loads(looked["found"] if looked else "{}"), **found}
            if row is None:
                return FilesNamed(names=found)
            if self.engine.now() >= until:
                return FilesNamed(names=found, is_cut=True)
            after = row["name"]


def spellings(needle: str) -> dict[str, object]:
    """Give a text as the patterns by which the database looks for it.

    The database takes two letters for one only within ASCII. So what lies beyond it is looked for
    all small, all large, with the first letter alone large, and with its marks set apart, as macOS
    writes names.
    """
    text = unicodedata.normalize("NFC", needle)
    small = text.lower()
    return {
        "plain": _pattern(small),
        "large": _pattern(text.upper()),
        "first": _pattern(small[:1].upper() + small[1:]),
        "apart": _pattern(unicodedata.normalize("NFD", small)),
        "varies": int(not text.isascii()),
        # JSON writes it otherwise, so that the text of the terms does not say whether it is there
        "is_escaped": int(json.dumps(small) != f'"{small}"'),
    }


def _pattern(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"
