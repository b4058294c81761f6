"""Let a hot folder say what another one says: `like`.

Owns which keys are taken over, and where each of them stands. Never judges a value and never
fetches one: both happen afterwards, as if the hot folder had said it all by itself. Called by
`load`.

Law 1. What a hot folder says itself counts; beside that what it is like, then `defaults`.
Law 2. What makes a hot folder one of its own is never taken over: name, path, `was`, `enabled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from masv_watch.config import nodes
from masv_watch.config.including import Part, Parts
from masv_watch.config.problems import Place, nearest, path_text, quoted

Path = tuple[str | int, ...]

_OWN = frozenset({"name", "path", "was", "like", "enabled"})
#: sections of which each key is taken over by itself, as `defaults` are
_BY_KEY = frozenset({"settle", "finalize", "package", "link", "after", "limits", "retry"})
#: other names of keys; whoever says one of both says the other, too
_ALIASES = {
    "sender_email": ("to", "sender"),
    "package_name": ("package", "name"),
    "package_description": ("package", "message"),
}


@dataclass(slots=True, kw_only=True)
class Likeness:
    """The hot folders of one file, and what they take over of each other."""

    folders: list[nodes.Tree]
    parts: Parts
    #: where a value counts -> where it stands
    taken: dict[Path, Path] = field(default_factory=dict)
    #: numbers of those that have all they get
    done: set[int] = field(default_factory=set)

    def take_over(self, number: int, chain: tuple[int, ...] = ()) -> None:
        """Give one hot folder what those say that it is like, the nearest first."""
        own = self.folders[number]
        if number in self.done or not isinstance(own, nodes.Mapping):
            return
        self.done.add(number)
        wanted = own.entries.get("like")
        if wanted is None or not isinstance(wanted[1], nodes.Scalar) or not wanted[1].text:
            return
        other = self._named(wanted[1].text)
        chain = (*chain, number)
        if other is None:
            self._complain(number, self._unknown(wanted[1].text))
        elif other in chain:
            names = " -> ".join(self._name(each) for each in (*chain[chain.index(other) :], other))
            self._complain(number, f"hot folders are like each other in a circle: {names}")
        else:
            self.take_over(other, chain)
            found = self.folders[other]
            if isinstance(found, nodes.Mapping):
                self._merge((number, own), (other, found))

    def _merge(self, own: tuple[int, nodes.Mapping], other: tuple[int, nodes.Mapping]) -> None:
        at, mine = own
        said = dict(mine.entries)
        for key, (place, value) in other[1].entries.items():
            full = _ALIASES.get(key)
            if key in _OWN or (full is not None and _says(said, full)):
                continue
            here: Path = ("hot_folders", at, key)
            there: Path = ("hot_folders", other[0], key)
            hidden = {
                last for alias, (top, last) in _ALIASES.items() if top == key and alias in said
            }
            if key not in said:
                mine.entries[key] = (place, _without(value, hidden))
                self._note(here, there)
            elif key in _BY_KEY and _are_mappings(said[key][1], value):
                section, inner = said[key]
                merged = dict(_entries(inner))
                for each, entry in _entries(value).items():
                    if each not in merged and each not in hidden:
                        merged[each] = entry
                        self._note((*here, each), (*there, each))
                mine.entries[key] = (section, nodes.Mapping(start=inner.start, entries=merged))

    def _note(self, here: Path, there: Path) -> None:
        self.taken[here] = there
        part = self.parts.of(there)
        if self.parts.of(here) is not part:
            self.parts.all.append(Part(path=here, source=part.source, mode=part.mode))
        below = [each for each in self.parts.all if each.path[: len(there)] == there != each.path]
        self.parts.all += [
            Part(path=(*here, *each.path[len(there) :]), source=each.source, mode=each.mode)
            for each in below
        ]

    def _named(self, name: str) -> int | None:
        return next((at for at in self._numbers() if self._name(at) == name), None)

    def _numbers(self) -> Iterator[int]:
        return (at for at, each in enumerate(self.folders) if isinstance(each, nodes.Mapping))

    def _name(self, number: int) -> str:
        found = nodes.find(self.folders[number], ("name",))
        return found.text if isinstance(found, nodes.Scalar) else ""

    def _unknown(self, name: str) -> str:
        known = [self._name(at) for at in self._numbers() if self._name(at)]
        meant = nearest(name, known)
        hint = f" (did you mean {quoted(meant)}?)" if meant else ""
        return f"there is no hot folder {quoted(name)}{hint} - name one of this configuration"

    def _complain(self, number: int, message: str) -> None:
        path: Path = ("hot_folders", number, "like")
        value = nodes.find(self.folders[number], ("like",))
        source = self.parts.of(path).source
        if value is not None:
            self.parts.problems.append(source.problem(value.start, path_text(path), message))


def apply(tree: nodes.Tree, parts: Parts) -> dict[Path, Path]:
    """Give each hot folder what those say that it is like; say what was taken from where."""
    folders = nodes.find(tree, ("hot_folders",))
    if not isinstance(folders, nodes.Sequence):
        return {}
    likeness = Likeness(folders=folders.elements, parts=parts)
    for number in range(len(folders.elements)):
        likeness.take_over(number)
    return likeness.taken


def origin_of(taken: dict[Path, Path], path: Path) -> Path:
    """Give where the value at a path stands, through all that is like another."""
    for length in range(len(path), 2, -1):
        if path[:length] in taken:
            return origin_of(taken, (*taken[path[:length]], *path[length:]))
    return path


def _says(said: Mapping[str, tuple[Place, nodes.Tree]], path: tuple[str, str]) -> bool:
    section = said.get(path[0])
    return section is not None and nodes.find(section[1], path[1:]) is not None


def _are_mappings(*trees: nodes.Tree) -> bool:
    return all(isinstance(each, nodes.Mapping) and each.tag is None for each in trees)


def _entries(tree: nodes.Tree) -> dict[str, tuple[Place, nodes.Tree]]:
    return tree.entries if isinstance(tree, nodes.Mapping) else {}


def _without(tree: nodes.Tree, keys: set[str]) -> nodes.Tree:
    if not keys or not isinstance(tree, nodes.Mapping) or tree.tag is not None:
        return tree
    left = {key: entry for key, entry in tree.entries.items() if key not in keys}
    return nodes.Mapping(start=tree.start, entries=left)
