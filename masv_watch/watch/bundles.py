"""Whether the camera cards in a drop hold what their kind of card must hold.

Owns the meaning of a card profile: where a card is recognised, and what of it is missing. Never
touches the disk: paths and the contents of small indexes are handed in. Called by `completeness`,
which also asks it about media and their companions.

Law 1. A profile speaks only where its structure is recognised, at whatever depth and however often.
Law 2. What lies outside of the drop is never missed: the folder above may be another drop.
Law 3. An index that cannot be read is a fault of the card, and never stops the other tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from masv_watch import patterns
from masv_watch.figures import counted
from masv_watch.model import (
    Card,
    CardIndex,
    CardLayout,
    CardNeed,
    CardRow,
    Companion,
)
from masv_watch.names import shown
from masv_watch.patterns import Found, Pattern, fold
from masv_watch.watch.controls import Content, Unreadable, elements_of
from masv_watch.watch.listing import Listing, Shortage
from masv_watch.watch.sequences import gaps

#: folded folder of a card, with its last slash -> the folder as it is spelled
Bases = Mapping[bytes, bytes]

#: compiled once for each text: a drop of many cards asks for the same ones
_pattern = lru_cache(maxsize=1024)(patterns.parse)


def reads(cards: Sequence[Card], listing: Listing) -> Iterator[bytes]:
    """Give the paths of the indexes whose contents `judge` wants."""
    for card in cards:
        for layout in card.layouts:
            if layout.indexes and (bases := _bases(layout, listing)):
                for index in layout.indexes:
                    for found in listing.find(_pattern(index.file), bases):
                        yield found.path


def judge(cards: Sequence[Card], listing: Listing, contents: Mapping[bytes, Content]) -> Shortage:
    """Say what is missing on the cards in a drop."""
    shortage, seen = Shortage(), []
    for card in cards:
        known: dict[bytes, bytes] = {}
        for layout in card.layouts:
            bases = _bases(layout, listing)
            known.update(bases)
            if bases:
                _Look(listing, bases, shortage).at(layout, contents)
        if known:
            seen.append(counted(len(known), f"{card.name} card"))
    shortage.scope = ", ".join(seen) or "no card"
    return shortage


def judge_companions(wants: Sequence[Companion], listing: Listing) -> Shortage:
    """Say which media lack a companion."""
    shortage, count = Shortage(), 0
    for want in wants:
        for found in listing.find(_pattern(want.each)):
            count += 1
            for text in want.needs:
                path = found.base + _pattern(text).fill(found.words, found.number)
                if not listing.has(path):
                    shortage.miss(path)
    shortage.scope = f"{counted(count, 'file')} with companions"
    return shortage


def _bases(layout: CardLayout, listing: Listing) -> dict[bytes, bytes]:
    """Give the folders of the cards that are laid out like this."""
    known: dict[bytes, bytes] = {}
    for group in layout.recognised_by:
        marked: dict[bytes, bytes] | None = None
        for text in group:
            here = {fold(found.base): found.base for found in listing.find(_pattern(text))}
            marked = here if marked is None else {k: v for k, v in marked.items() if k in here}
        known.update(marked or {})
    return known


class _Look:
    """One layout on its cards."""

    def __init__(self, listing: Listing, bases: Bases, shortage: Shortage) -> None:
        self.listing = listing
        self.bases = bases
        self.shortage = shortage

    def at(self, layout: CardLayout, contents: Mapping[bytes, Content]) -> None:
        """Make every test of the layout."""
        for need in layout.needs:
            self._need(need)
        for row in layout.rows:
            self._row(row)
        for index in layout.indexes:
            for found in self.listing.find(_pattern(index.file), self.bases):
                self._index(index, found, contents.get(found.path, "was not read"))

    def _need(self, need: CardNeed) -> None:
        if need.each:
            begun: Iterator[Found] = self.listing.find(_pattern(need.each), self.bases)
        else:
            begun = (Found(path=base, base=base, words={}) for base in self.bases.values())
        for found in begun:
            for spellings in need.needs:
                paths = [
                    found.base + _pattern(text).fill(found.words, found.number)
                    for text in spellings
                ]
                self._ask(paths, advice=need.advice)

    def _ask(self, paths: Sequence[bytes], *, advice: bool) -> None:
        inside = [path for path in paths if self.listing.encloses(path)]
        if inside and not any(self.listing.has(path) for path in inside):
            self.shortage.miss(*inside, advice=advice)

    def _row(self, row: CardRow) -> None:
        pattern = _pattern(row.files)
        rows: dict[object, dict[int, Found]] = {}
        for found in self.listing.find(pattern, self.bases):
            rows.setdefault(found.kin, {}).setdefault(found.number or 0, found)
        for members in rows.values():
            for gap in gaps(members, first=row.first):
                sample = next(iter(members.values()))
                first, last = (
                    sample.base + pattern.fill(sample.words, number)
                    for number in (gap.first, gap.last)
                )
                self.shortage.miss_run(first, last, gap.count(), advice=row.advice)

    def _index(self, index: CardIndex, found: Found, content: Content) -> None:
        try:
            paths = [tuple(text.split("/")) for text in index.elements]
            elements = [
                one
                for one in elements_of(content)
                if any(one.path[-len(path) :] == path for path in paths)
            ]
        except Unreadable as error:
            clause = f"{shown(found.path)} {error}"
            self.shortage.fault(found.path, clause, advice=index.advice)
            return
        if index.attribute is not None:
            for element in elements:
                self._named(index, found, element.attributes.get(index.attribute, ""))
        elif index.needs is not None:
            self._counted(index, found, len(elements), _pattern(index.needs))

    def _named(self, index: CardIndex, found: Found, uri: str) -> None:
        path = _below(found.path.rpartition(b"/")[0], uri)
        if path is not None and self.listing.encloses(path) and not self.listing.has(path):
            self.shortage.miss(path, advice=index.advice)

    def _counted(self, index: CardIndex, found: Found, count: int, needs: Pattern) -> None:
        for number in range(index.first, index.first + min(count, _MOST_COUNTED)):
            path = found.base + needs.fill(found.words, number)
            if not self.listing.has(path):
                self.shortage.miss(path, advice=index.advice)


#: elements of one index that are believed
_MOST_COUNTED = 1000


def _below(folder: bytes, uri: str) -> bytes | None:
    """Give the path that an index means; None for what is no path below its folder."""
    if ":" in uri.partition("/")[0] or not uri.strip("./"):
        return None
    steps = [step for step in uri.split("/") if step not in ("", ".")]
    if uri.startswith("/") or ".." in steps:
        return None
    below = "/".join(steps).encode("utf-8", "surrogatepass")
    return folder + b"/" + below if folder else below
