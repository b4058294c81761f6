"""Which uploads a screen of a few lines shows, and what is told of them below.

Owns their order and what makes room for what. Never draws: `screens` does.

Law 1. However small the screen, one upload that moves and one that needs somebody are both shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple

from masv_watch.cli import lines
from masv_watch.cli.seen import Upload
from masv_watch.delivery.letters import size_text

#: which uploads are shown first where what moves is looked at
_ORDER = ("transferring", "error", "idle", "paused", "complete")


class Fit(NamedTuple):
    """What is shown, in its order, and how many are not."""

    shown: tuple[Upload, ...]
    hidden: int
    #: of those that are shown, what a line of its own below says
    below: tuple[tuple[Upload, str], ...]


def moving_first(uploads: Sequence[Upload], height: int) -> Fit:
    """Choose for whoever looks at what moves: that first, then as listed."""
    return _fit(sorted(uploads, key=_rank), len(uploads), height, at_least=1)


def trouble_first(uploads: Sequence[Upload], height: int) -> Fit:
    """Choose for whoever looks at everything: what needs somebody and what moves, in turns."""
    ranked = sorted(uploads, key=_rank)
    troubled = [upload for upload in ranked if lines.wants_a_look(upload)]
    others = [upload for upload in ranked if not lines.wants_a_look(upload)]
    moving = [upload for upload in others if _moves(upload)]
    rest = [upload for upload in others if not _moves(upload)]
    turns = [each for pair in zip_longest(troubled, moving) for each in pair if each is not None]
    fit = _fit([*turns, *rest], len(uploads), height, at_least=bool(troubled) + bool(moving))
    place = {upload.id: at for at, upload in enumerate((*troubled, *moving, *rest))}
    return Fit(
        tuple(sorted(fit.shown, key=lambda upload: place[upload.id])),
        fit.hidden,
        tuple(sorted(fit.below, key=lambda said: place[said[0].id])),
    )


def is_in_line(upload: Upload) -> bool:
    """Say whether an upload waits for its turn and for nothing else."""
    return upload.waiting is not None and upload.waiting.reason == "queued"


def _fit(ordered: Sequence[Upload], count: int, height: int, *, at_least: int) -> Fit:
    shown: list[Upload] = []
    below: list[tuple[Upload, str]] = []
    for upload in ordered:
        said = [(upload, clause) for clause in _beside(upload)]
        if len(shown) >= at_least and len(shown) + len(below) + 1 + len(said) > height:
            break
        shown.append(upload)
        below += said
    # a row tells more than a sentence of another, and what is on its way shows in the sum, too
    on_its_way = [(each, ahead(each)) for each in shown if _moves(each) and each.in_flight]
    room = max(height - len(shown), 0)
    return Fit(tuple(shown), count - len(shown), tuple([*below, *on_its_way][:room]))


def ahead(upload: Upload) -> str:
    """Say how much has left and is not acknowledged."""
    return f"+ {size_text(upload.in_flight)} on its way"


def _rank(upload: Upload) -> tuple[int, bool]:
    known = _ORDER.index(upload.state) if upload.state in _ORDER else len(_ORDER)
    return known, upload.waiting is not None


def _moves(upload: Upload) -> bool:
    return upload.state == "transferring" and upload.waiting is None


def _beside(upload: Upload) -> Iterator[str]:
    """Say what a line of its own needs; that one waits for its turn is its state there."""
    return lines.remarks(replace(upload, waiting=None) if is_in_line(upload) else upload)
