"""Read card profiles: what each kind of camera card must hold.

Owns the form of a profile file, those that ship and those that the configuration names. Never
looks at a card. Called by `load` for the profiles that hot folders use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from masv_watch.config import nodes
from masv_watch.config.faults import Fault
from masv_watch.config.forms import Form
from masv_watch.config.guarded import read_text
from masv_watch.config.origins import FromEnv, Plain
from masv_watch.config.problems import Problem, Source, Wrong, listed, nearest, quoted
from masv_watch.config.reading import Path, Reading
from masv_watch.config.values import shown
from masv_watch.model import Card, CardIndex, CardLayout, CardNeed, CardRow

#: those that ship, by their names
SHIPPED = ("p2", "red", "xdcam")
_FOLDER = os.path.join(os.path.dirname(__file__), "profiles")
_LARGEST = 256 * 1024


@dataclass(slots=True)
class Cards:
    """Every profile that hot folders use, and what is wrong with those files."""

    #: folder of the configuration file
    beside: str
    known: dict[str, Card] = field(default_factory=dict)
    #: what is wrong with the main file
    faults: list[Fault] = field(default_factory=list)
    #: what is wrong with the profiles' own files
    problems: list[Problem] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    def chosen(self, names: list[str] | None) -> tuple[Card, ...] | None:
        """Give the profiles of these names; None for None."""
        if names is None:
            return None
        return tuple(self.known[name] for name in dict.fromkeys(names) if name in self.known)


def read_all(values: Plain, *, beside: str) -> Cards:
    """Read the profiles that the file names and uses; what is wrong is in what comes back."""
    reading = Reading(values, beside, lambda _path: 0)
    cards = Cards(beside)
    own: dict[str, str] = {}
    # a file that is wrong may be the one whose name is looked for
    is_unsure = not all(
        _add(cards, path, given, own=own) for path, given in reading.texts("profiles")
    )
    for at in (("defaults",), *reading.folders()):
        for path, name in reading.texts(*at, "bundles"):
            if name in cards.known:
                continue
            if name in SHIPPED:
                _add(cards, path, os.path.join(_FOLDER, f"{name}.yml"))
            elif name not in own and not is_unsure:
                cards.faults.append(_unknown(path, name, sorted({*SHIPPED, *own})))
    return cards


def _add(cards: Cards, path: Path, given: str, *, own: dict[str, str] | None = None) -> bool:
    """Read one file for the value at a path; say whether it is right. `own` are names so far."""
    try:
        card = _read(cards, os.path.join(cards.beside, given), given=given, own=own)
    except Wrong as wrong:
        name = "the profile" if isinstance(given, FromEnv) else f"the profile {quoted(given)}"
        message = f"{name} {wrong.message}"
        cards.faults.append(Fault(path=path, at_key=False, message=message))
        return False
    if card is not None:
        cards.known[card.name] = card
    return card is not None


def _unknown(path: Path, name: str, known: list[str]) -> Fault:
    meant = nearest(name, known)
    hint = f" (did you mean `{meant}`?)" if meant else ""
    message = f"{shown(name)} is no card profile{hint} - {listed(known)}"
    return Fault(path=path, at_key=False, message=f"{message}, or your own in `profiles`")


def _read(cards: Cards, file: str, *, given: str, own: dict[str, str] | None) -> Card | None:
    """Read one file; None when it is wrong, its problems noted.

    Raises:
        Wrong: there is no such file, or it cannot be read.
    """
    content, _ = read_text(file, _LARGEST)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Wrong("is not UTF-8 text") from None
    source = Source(file, text)
    cards.sources.append(source)
    tree, problems = nodes.read(source, text)
    cards.problems.extend(problems)
    if tree is None:
        if not problems:
            raise Wrong("is empty - it has a `name` and `layouts`")
        return None
    form = Form(source)
    card = _card(form, tree)
    if own is not None and card.name:
        _claim_name(form, tree, card.name, own)
        own.setdefault(card.name, given)
    cards.problems.extend(form.problems)
    return None if form.problems or problems else card


def _claim_name(form: Form, tree: nodes.Tree, name: str, own: dict[str, str]) -> None:
    path, value = ("name",), nodes.find(tree, ("name",))
    if name in SHIPPED:
        message = f"{quoted(name)} is the name of a profile that ships - choose another"
        form.wrong(value or tree, path, message)
    elif name in own:
        message = f"{quoted(name)} is the name of {quoted(own[name])} too - choose another"
        form.wrong(value or tree, path, message)


def _card(form: Form, tree: nodes.Tree) -> Card:
    keys = form.mapping(tree, (), needed=("name", "layouts"))
    name = form.name(keys.get("name"), ("name",))
    layouts = tuple(
        _layout(form, one, path) for path, one in form.each(keys.get("layouts"), ("layouts",))
    )
    return Card(name=name, layouts=layouts)


def _layout(form: Form, tree: nodes.Tree, path: Path) -> CardLayout:
    keys = form.mapping(
        tree,
        path,
        needed=("recognised_by",),
        optional=("title", "needs", "rows", "indexes"),
    )
    marks = [
        tuple(form.pattern(text, at) for at, text in form.each(group, above))
        for above, group in form.each(keys.get("recognised_by"), (*path, "recognised_by"))
    ]
    return CardLayout(
        title=form.text(keys.get("title"), (*path, "title")),
        recognised_by=tuple(marks),
        needs=tuple(
            _need(form, one, at)
            for at, one in form.each(keys.get("needs"), (*path, "needs"), may_lack=True)
        ),
        rows=tuple(
            _row(form, one, at)
            for at, one in form.each(keys.get("rows"), (*path, "rows"), may_lack=True)
        ),
        indexes=tuple(
            _index(form, one, at)
            for at, one in form.each(keys.get("indexes"), (*path, "indexes"), may_lack=True)
        ),
    )


def _need(form: Form, tree: nodes.Tree, path: Path) -> CardNeed:
    keys = form.mapping(tree, path, needed=("needs",), optional=("each", "advice"))
    each = form.pattern(keys.get("each"), (*path, "each")) if "each" in keys else ""
    needs = []
    for at, one in form.each(keys.get("needs"), (*path, "needs")):
        spellings = [(at, one)] if isinstance(one, nodes.Scalar) else form.each(one, at)
        needs.append(tuple(form.pattern(text, below, knows=each) for below, text in spellings))
    advice = form.flag(keys.get("advice"), (*path, "advice"))
    return CardNeed(each=each, needs=tuple(needs), advice=advice)


def _row(form: Form, tree: nodes.Tree, path: Path) -> CardRow:
    keys = form.mapping(tree, path, needed=("files",), optional=("first", "advice"))
    return CardRow(
        files=form.pattern(keys.get("files"), (*path, "files"), counts=True),
        first=form.whole(keys.get("first"), (*path, "first")),
        advice=form.flag(keys.get("advice"), (*path, "advice")),
    )


def _index(form: Form, tree: nodes.Tree, path: Path) -> CardIndex:
    keys = form.mapping(
        tree,
        path,
        needed=("file", "elements"),
        optional=("attribute", "needs", "first", "advice"),
    )
    file = form.pattern(keys.get("file"), (*path, "file"))
    elements = form.each(keys.get("elements"), (*path, "elements"))
    needs = None
    if "needs" in keys:
        needs = form.pattern(keys["needs"], (*path, "needs"), knows=file, counts=True)
    attribute = form.text(keys.get("attribute"), (*path, "attribute")) or None
    if keys and (needs is None) == (attribute is None):
        message = "give `attribute`, which holds a path, or `needs`, which is counted, and not both"
        form.wrong(tree, path, message)
    return CardIndex(
        file=file,
        elements=tuple(form.text(one, at) for at, one in elements),
        attribute=attribute,
        needs=needs,
        first=form.whole(keys.get("first"), (*path, "first")) or 0,
        advice=form.flag(keys.get("advice"), (*path, "advice")),
    )
