"""What of a drop was missing when a person let it go, and what his word covers.

Owns the form in which a hold keeps that, and the comparison. Never decides what is missing. Alone,
because a word is given to what was shown and to nothing else.

Law 1. A word covers what was shown or less of it: what vanishes afterwards makes a new question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from masv_watch.model import ASKED_TOGETHER
from masv_watch.watch.listing import Lack

#: things that are missing of which each is kept; of more only a hash of all
_MOST_KEPT = 500


def kept_of(lacks: Iterable[Lack]) -> str:
    """Give the form in which a hold keeps everything that is missing; "" when nothing is."""
    spans = sorted({lack.run or (lack.text, lack.text) for lack in lacks})
    if not spans:
        return ""
    if len(spans) > _MOST_KEPT:
        return json.dumps({"lacks": hashlib.sha256(json.dumps(spans).encode()).hexdigest()})
    return json.dumps({"lacks": spans})


def covers(shown: str, now: str) -> bool:
    """Say whether a word about what was shown is one about what is missing now, too.

    Where an earlier version kept nothing of what it showed, it is.
    """
    if not shown or not now or shown == now:
        return True
    before, after = _read(shown), _read(now)
    if isinstance(before, str) or isinstance(after, str):
        return False
    return all(any(_is_within(each, span) for span in before) for each in after)


def asked_of_all(kept: str) -> str:
    """Give the form in which each of several drops keeps what is missing of all of them."""
    return f"{ASKED_TOGETHER}{kept}" if kept else ""


def _read(kept: str) -> list[list[str]] | str:
    lacks: list[list[str]] | str = json.loads(kept.removeprefix(ASKED_TOGETHER))["lacks"]
    return lacks


def _is_within(one: list[str], span: list[str]) -> bool:
    # numbers of one length follow each other as their names do
    is_alike = len({len(name) for name in (*one, *span)}) == 1
    return one == span or (is_alike and span[0] <= one[0] and one[1] <= span[1])
