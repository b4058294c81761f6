"""Put the parts of a configuration together: what `!include` names, and the files of `conf.d`.

Owns which files may be part of a configuration, and which of them a value stands in. Never knows a
key beyond `hot_folders` and never fetches a secret. Called by `load`.

Law 1. Every part lies below the folder of the main file, links resolved; nothing is fetched from
       elsewhere, nothing includes itself, and depth and number are bounded.
Law 2. A part is spliced in where it is named: it overrides nothing, and names that clash are the
       relations' to refuse.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from masv_watch.config import nodes
from masv_watch.config.guarded import read_text
from masv_watch.config.problems import (
    Place,
    Problem,
    Source,
    Wrong,
    looks_secret,
    path_text,
    printable,
)

Path = tuple[str | int, ...]

#: what names a part
TAG = "!include"
#: files in each other, files in all, and bytes of one
_DEEPEST, _MOST, _LARGEST = 8, 200, 1024 * 1024
_FOLDER = "conf.d"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file, and where in the whole its values stand."""

    path: Path
    source: Source
    #: of the file, as `stat` gives it
    mode: int


@dataclass(slots=True, kw_only=True)
class Parts:
    """All files of a configuration, the main one first."""

    all: list[Part]
    problems: list[Problem] = field(default_factory=list)

    def of(self, path: Path, *, at_key: bool = False) -> Part:
        """Give the file that a value stands in, or its key, which the including file has."""
        best = self.all[0]
        for part in self.all[1:]:
            own = part.path
            if path[: len(own)] == own and len(own) >= len(best.path):
                is_its_key = at_key and path == own and isinstance(own[-1], str)
                best = best if is_its_key else part
        return best


def whole(
    source: Source, tree: nodes.Tree, *, mode: int, with_folder: bool = True
) -> tuple[nodes.Tree, Parts]:
    """Give a file with all its parts in it; what is wrong with one is noted at its place.

    `with_folder` says whether the hot folders of `conf.d` are parts.
    """
    parts = Parts(all=[Part(path=(), source=source, mode=mode)])
    weaver = _Weaver(
        home=os.path.realpath(os.path.dirname(os.path.abspath(source.file))), parts=parts
    )
    main = os.path.realpath(source.file)
    tree = weaver.woven(tree, (), _At(source=source, chain=(main,)))
    if with_folder and isinstance(tree, nodes.Mapping):
        weaver.gather(tree)
    return tree, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """The file that is being read, and those that lead to it."""

    source: Source
    #: real paths, the main file first
    chain: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Weaver:
    home: str
    parts: Parts

    def woven(self, tree: nodes.Tree, path: Path, at: _At) -> nodes.Tree:
        """Give a tree with its parts in it; containers are changed in place."""
        if isinstance(tree, nodes.Scalar):
            return self._included(tree, path, at) if tree.tag == TAG else tree
        if isinstance(tree, nodes.Sequence):
            tree.elements[:] = [
                self.woven(one, (*path, number), at) for number, one in enumerate(tree.elements)
            ]
        else:
            for key, (place, value) in tree.entries.items():
                tree.entries[key] = (place, self.woven(value, (*path, key), at))
        return tree

    def _included(self, named: nodes.Scalar, path: Path, at: _At) -> nodes.Tree:
        try:
            file = self._admitted(named.text.strip(), at)
            return self._read(file, path, at)
        except Wrong as wrong:
            problem = at.source.problem(named.start, path_text(path), wrong.message)
            self.parts.problems.append(problem)
            return _nothing(named.start)

    def _admitted(self, name: str, at: _At) -> str:
        """Give the path of a file that may be a part.

        Raises:
            Wrong: it may not.
        """
        if not name:
            raise Wrong(f"{TAG} takes a path - for example `{TAG} recipients.yml`")
        if "://" in name:
            raise Wrong(f"{TAG} takes a file of this machine - nothing is fetched from elsewhere")
        file = os.path.join(os.path.dirname(os.path.abspath(at.source.file)), name)
        real = os.path.realpath(file)
        if not real.startswith(self.home.rstrip("/") + "/"):
            raise Wrong(
                f"{printable(name)} lies outside of {printable(self.home)} - a part must lie below"
                " the main file's folder"
            )
        if real in at.chain:
            raise Wrong(f"{printable(name)} includes itself - remove one of the two")
        if len(at.chain) > _DEEPEST:
            raise Wrong(f"files include each other more than {_DEEPEST} deep - include fewer")
        if len(self.parts.all) >= _MOST:
            raise Wrong(f"more than {_MOST} files are included - write some of them together")
        return file

    def _read(self, file: str, path: Path, at: _At) -> nodes.Tree:
        """Read a part with its own parts.

        Raises:
            Wrong: it cannot be read, or is empty.
        """
        shown = printable(file)
        try:
            content, mode = read_text(file, _LARGEST)
            text = content.decode("utf-8-sig")
        except Wrong as wrong:
            raise Wrong(f"the included file {shown} {wrong.message}") from wrong
        except UnicodeDecodeError:
            raise Wrong(f"the included file {shown} is not UTF-8 text") from None
        source = Source(file, text)
        tree, problems = nodes.read(source, text)
        self.parts.all.append(Part(path=path, source=source, mode=mode))
        self.parts.problems += problems
        if tree is None:
            if problems:
                return _nothing(Place(1, 1))
            raise Wrong(f"the included file {shown} is empty")
        if any(isinstance(step, str) and looks_secret(step) for step in path):
            nodes.hide_all(source, tree)
        inner = _At(source=source, chain=(*at.chain, os.path.realpath(file)))
        return self.woven(tree, path, inner)

    def gather(self, main: nodes.Mapping) -> None:
        """Add the hot folders of every file of `conf.d`, in the order of their names."""
        at = _At(
            source=self.parts.all[0].source,
            chain=(os.path.realpath(self.parts.all[0].source.file),),
        )
        try:
            names = sorted(os.listdir(os.path.join(self.home, _FOLDER)))
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(at, f"{_FOLDER} cannot be listed ({(error.strerror or '').lower()})")
            return
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                self._gather(main, os.path.join(_FOLDER, name), at)

    def _gather(self, main: nodes.Mapping, name: str, at: _At) -> None:
        # read under a path of its own: where its hot folders stand in the whole shows only then
        aside: Path = (name,)
        try:
            tree = self._read(self._admitted(name, at), aside, at)
        except Wrong as wrong:
            self._complain(at, wrong.message)
            return
        first = next(part for part in self.parts.all if part.path == aside)
        own = [part for part in self.parts.all if part.path[:1] == aside]
        self.parts.all = [part for part in self.parts.all if part not in own]
        self._check(tree, first.source)
        added = nodes.find(tree, ("hot_folders",))
        if not isinstance(added, nodes.Sequence):
            # kept, so that its problems show their lines
            self.parts.all.append(first)
            return
        _, there = main.entries.setdefault(
            "hot_folders", (main.start, nodes.Sequence(start=main.start))
        )
        if not isinstance(there, nodes.Sequence):
            return
        for number, one in enumerate(added.elements):
            at_main: Path = ("hot_folders", len(there.elements))
            there.elements.append(one)
            self.parts.all.append(Part(path=at_main, source=first.source, mode=first.mode))
            below = (*aside, "hot_folders", number)
            self.parts.all += [
                Part(path=(*at_main, *part.path[len(below) :]), source=part.source, mode=part.mode)
                for part in own
                if part.path[: len(below)] == below
            ]

    def _check(self, tree: nodes.Tree, source: Source) -> None:
        if isinstance(tree, nodes.Scalar) and tree.is_broken:
            return
        entries = tree.entries if isinstance(tree, nodes.Mapping) else {}
        odd = [key for key in entries if key not in {"hot_folders", "version"}]
        if odd or "hot_folders" not in entries:
            place = entries[odd[0]][0] if odd else tree.start
            message = f"a file of {_FOLDER} holds `hot_folders` and nothing else"
            self.parts.problems.append(source.problem(place, "top level", message))
        elif not isinstance(entries["hot_folders"][1], nodes.Sequence):
            place = entries["hot_folders"][1].start
            self.parts.problems.append(source.problem(place, "hot_folders", "must be a list"))

    def _complain(self, at: _At, message: str) -> None:
        self.parts.problems.append(at.source.problem(Place(1, 1), _FOLDER, message))


def _nothing(start: Place) -> nodes.Scalar:
    """Stand for a value whose problem is noted."""
    return nodes.Scalar(value=None, text="", tag=None, start=start, end=start, is_broken=True)
