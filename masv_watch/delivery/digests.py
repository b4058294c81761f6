"""Decide which deliveries one letter tells of, and when it may go.

Owns the wait between two letters to one address, and how many deliveries one holds. Never asks for
the time, the store or the mail server. Called by `delivery.postman`.

Law 1. What comes first goes at once: only what follows within the time waits, and no longer.
Law 2. Everything that may go goes at once, in as few letters as hold it; none is left for later.
Law 3. One letter has one template, and tells of no delivery twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from masv_watch.model import OwedLetter

#: deliveries that one letter tells of: with more, mail programs cut it off
MOST = 50


def opens_at(mailed_at: float | None, *, now: float, digest_s: float) -> float:
    """Give when the next letter to an address may go: `now`, or a later second of the same clock.

    `mailed_at` is when the last one was handed over. One of the future counts as of now.
    """
    return now if mailed_at is None else max(now, min(mailed_at, now) + digest_s)


def letters(owed: Iterable[OwedLetter], *, template: str | None) -> Mapping[str, Sequence[int]]:
    """Say which tasks go together, by what the Message-ID of their letter is made of.

    Those of one template, in their order, `MOST` in one at most. One alone is no letter of several.
    """
    fits = [each.task for each in owed if each.template == template]
    if len(fits) < 2:
        return {}
    # of equal length, for one that is left over would wait for the next letter
    count = -(-len(fits) // MOST)
    ends = [len(fits) * number // count for number in range(count + 1)]
    groups = [fits[start:end] for start, end in pairwise(ends)]
    return {
        _key(f"{task.upload_id}\0{task.key.casefold()}" for task in group): [
            task.id for task in group
        ]
        for group in groups
    }


def _key(members: Iterable[str]) -> str:
    """Make of what a letter tells what tells it from every other, of any state."""
    text = "\n".join(members).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:40]
