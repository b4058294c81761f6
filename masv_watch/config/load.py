"""Load a configuration file: read, parse, resolve, fit, relate, build.

Owns the order of these steps. Never raises anything but `ConfigError` over a file, and reports
every problem of every step that could still run. Called by the commands, and for the daemon, at
start and reload, in a process of its own (`config.apart`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from masv_watch.config import cards, including, likeness, nodes, relations, schema, secrets
from masv_watch.config import settings as builder
from masv_watch.config.faults import Fault, nothings
from masv_watch.config.finding import find
from masv_watch.config.guarded import read_text
from masv_watch.config.handover import Loaded
from masv_watch.config.including import Parts
from masv_watch.config.origins import Plain
from masv_watch.config.problems import (
    TOP,
    Problem,
    Source,
    Wrong,
    as_records,
    path_text,
    place_of,
    printable,
    rendered,
)
from masv_watch.errors import ConfigError

__all__ = ["Loaded", "as_records", "default_state", "find", "load"]

_LARGEST = 1024 * 1024

Path = tuple[str | int, ...]


def load(
    path: str,
    *,
    environ: Mapping[str, str],
    with_secrets: bool = True,
    is_outside: bool = False,
) -> Loaded:
    """Load one file with its secrets.

    Without them every secret that the file only names stays unread: a command beside the daemon
    needs none, and runs where neither the variables nor the credentials of the service are. Only
    what looks at the file from `is_outside` of the unit leaves those credentials with a warning.

    Raises:
        ConfigError: it cannot be used; `problems` holds every reason, in the order of the file.
    """
    reading = read(path, environ=environ, with_secrets=with_secrets, is_outside=is_outside)
    resolver, values, problems = reading.resolver, reading.values, reading.problems
    state = state_of(values, environ)
    keys, faults = schema.check(values)
    beside = os.path.dirname(os.path.abspath(path))
    related, remarks = relations.check(
        values, beside=beside, state=state, line_of=lambda at: _line_of(reading, at)
    )
    profiles = cards.read_all(values, beside=beside)
    faults = [*nothings(values), *faults, *related, *profiles.faults]
    problems += [*resolver.problems, *profiles.problems]
    problems += [_problem(reading, fault) for fault in _distinct(faults)]
    if problems or keys is None:
        raise ConfigError(
            rendered(_once(problems), [*reading.sources, *resolver.sources, *profiles.sources])
        )
    lines = _lines(reading)
    return Loaded(
        settings=builder.settings(keys, state=state, beside=beside, lines=lines, cards=profiles),
        warnings=_warnings(reading, [*remarks, *_inline(reading), *_unseen(reading)]),
        secrets=tuple(dict.fromkeys(resolver.secrets)),
        private=(*_private(resolver), *(each.file for each in reading.sources[1:])),
        places=_places(reading),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A file that is YAML, with what its tags fetched; nothing of it is judged yet."""

    parts: Parts
    #: with every part in it
    tree: nodes.Tree
    values: Plain
    resolver: secrets.Resolver
    problems: list[Problem]
    #: where a value of a hot folder that is like another counts -> where it stands
    taken: dict[Path, Path]

    @property
    def sources(self) -> list[Source]:
        """Give every file in the order in which its problems are told."""
        return list(dict.fromkeys(part.source for part in self.parts.all))

    def place(self, path: Path) -> str:
        """Give the file, line and column of the value at a path."""
        place = nodes.locate(self.tree, path)
        file = self.parts.of(nodes.reached(self.tree, path)).source.file
        return f"{printable(file)}:{place.line}:{place.col}"


def read(
    path: str, *, environ: Mapping[str, str], with_secrets: bool, is_outside: bool = False
) -> Read:
    """Read one file and fetch what its tags name.

    Raises:
        ConfigError: it is no YAML, or empty.
    """
    source = Source(path)
    text, mode = opened(source)
    source.lines = Source(path, text).lines
    tree, problems = nodes.read(source, text)
    if tree is None:
        if not problems:
            problems = [
                source.problem(TOP, "top level", "the file is empty - begin with `version: 1`")
            ]
        raise ConfigError(rendered(problems, [source]))
    tree, parts = including.whole(source, tree, mode=mode)
    taken = likeness.apply(tree, parts)
    resolver = secrets.Resolver(
        path, source, environ, wants_secrets=with_secrets, is_outside=is_outside
    )
    resolver.parts = {part.path: part.source for part in parts.all[1:]}
    values = secrets.plain(resolver, tree)
    return Read(
        parts=parts,
        tree=tree,
        values=values,
        resolver=resolver,
        problems=[*problems, *parts.problems],
        taken=taken,
    )


def _private(resolver: secrets.Resolver) -> tuple[str, ...]:
    books = [path for path, book in resolver.books.items() if book is not None]
    origins = [secret.origin for secret in resolver.secrets]
    named = [origin[5:] for origin in origins if origin.startswith("file /")]
    return tuple(dict.fromkeys([*books, *named]))


def default_state(environ: Mapping[str, str]) -> str:
    """Give the state's folder for a file that names none."""
    systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if systemd.startswith("/"):
        return systemd
    machine = "/var/lib/masv-watch"
    place = machine if os.path.isdir(machine) else os.path.dirname(machine)
    if os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        return machine
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        home = os.path.expanduser("~")
    own = environ.get("XDG_STATE_HOME", "")
    return os.path.join(own if own.startswith("/") else f"{home}/.local/state", "masv-watch")


_EFFECTIVE = os.access in os.supports_effective_ids


def opened(source: Source) -> tuple[str, int]:
    """Give the text of a file and its mode.

    Raises:
        ConfigError: it cannot be read, or is no UTF-8.
    """
    try:
        content, mode = read_text(source.file, _LARGEST)
        return _decoded(source, content), mode
    except Wrong as wrong:
        problem = source.problem(TOP, "file", f"the file {wrong.message}")
        raise ConfigError(rendered([problem], [])) from None


def _decoded(source: Source, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Wrong("is UTF-16 - save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        text = before.decode("utf-8", "replace").removeprefix("\ufeff")
        place = place_of(text, len(text))
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8 - save the file as UTF-8"
        raise ConfigError(rendered([source.problem(place, "syntax", message)], [])) from None


def state_of(values: Plain, environ: Mapping[str, str]) -> str:
    """Give the state's folder of a file: the one that it names, or the default."""
    given = values.get("state") if isinstance(values, dict) else None
    if isinstance(given, str) and given.startswith("/"):
        return os.fsdecode(builder.clean_path(given))
    return default_state(environ)


def _distinct(faults: list[Fault]) -> list[Fault]:
    """Keep the first fault of each place: a value that is nothing needs no second complaint."""
    kept: dict[tuple[tuple[str | int, ...], str], Fault] = {}
    unknown = {fault.path for fault in faults if fault.message.startswith("unknown key")}
    faults = [
        fault
        for fault in faults
        if fault.path not in unknown or fault.message.startswith("unknown key")
    ]
    empty = {fault.path for fault in faults if fault.message.startswith("is empty")}
    for fault in faults:
        if fault.path in empty and not fault.message.startswith("is empty"):
            continue
        what = "is empty" if fault.path in empty else fault.message
        kept.setdefault((fault.path, what), fault)
    return list(kept.values())


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """Keep of what is told of one place the first: those that are like it have it wrong, too."""
    kept: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        kept.setdefault((problem.file, problem.place, problem.message), problem)
    return list(kept.values())


def _line_of(reading: Read, path: Path) -> str:
    """Give the line of a value for a sentence, with its file where there are several."""
    line = str(nodes.locate(reading.tree, path).line)
    part = reading.parts.of(nodes.reached(reading.tree, path))
    is_alone = len(reading.parts.all) == 1
    return line if is_alone else f"{line} of {printable(part.source.file)}"


def _problem(reading: Read, fault: Fault, head: str = "") -> Problem:
    tree = reading.tree
    reached = nodes.reached(tree, fault.path)
    source = reading.parts.of(reached, at_key=fault.at_key).source
    place = nodes.locate(tree, fault.path, key=fault.at_key)
    value = nodes.find(tree, fault.path)
    if fault.is_private and value is not None:
        nodes.hide_all(source, value)
        if isinstance(value, nodes.Scalar) and value.value is None:
            source.hide_rest(place)
    if fault.passage and isinstance(value, nodes.Scalar):
        place = source.find(fault.passage, value.start, value.end)
    shown = fault.path
    if fault.message.startswith("unknown key") and shown:
        shown = shown[:-1]
    return source.problem(place, path_text(shown), f"{head}{fault.message}")


def _inline(reading: Read) -> list[Fault]:
    message = "a secret stands in a file that others may read - use !env, !file or !secret, or "
    return [
        Fault(path=path, at_key=False, message=f"{message}run chmod 600 on the file")
        for path in reading.resolver.inline
        if reading.parts.of(path).mode & 0o077
    ]


def _unseen(reading: Read) -> list[Fault]:
    """Say what only the unit can look up, with what looks it up there."""
    file = shlex.quote(printable(reading.resolver.file))
    return [
        Fault(
            path=path,
            at_key=False,
            message=f"the credential {name} was not looked up, it is there for the unit alone - to"
            f" check it: systemd-run --pipe --wait -p LoadCredential={name}:masv-watch.{name}"
            f" masv-watch check -c {file}",
        )
        for path, name in reading.resolver.unseen
    ]


def _warnings(reading: Read, faults: list[Fault]) -> tuple[str, ...]:
    found = sorted(_once(_problem(reading, fault, "warning: ") for fault in faults))
    return tuple(problem.line() for problem in found)


def _lines(reading: Read) -> list[str]:
    folders = nodes.find(reading.tree, ("hot_folders",))
    count = len(folders.elements) if isinstance(folders, nodes.Sequence) else 0
    return [reading.place(("hot_folders", at)).rpartition(":")[0] for at in range(count)]


#: keys of a hot folder about which the world may have something to say
_PLACED = (
    ("path",),
    ("after", "delivered"),
    ("after", "duplicate"),
    ("to", "portal"),
    ("link", "template"),
    ("expect", "filesystem"),
)


def _places(reading: Read) -> dict[str, str]:
    count = len(_lines(reading))
    paths: list[tuple[str | int, ...]] = [
        ("state",),
        ("hot_folders",),
        ("backup", "to"),
        ("masv", "api_key"),
        ("masv", "team"),
        ("mail",),
        ("mail", "smtp"),
    ]
    for at in range(count):
        paths += [("hot_folders", at, *key) for key in _PLACED]
    paths += _below(reading.tree, ("server",))
    return {path_text(path): reading.place(path) for path in paths}


def _below(tree: nodes.Tree, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    found = nodes.find(tree, path)
    if isinstance(found, nodes.Mapping):
        steps: list[str | int] = list(found.entries)
    else:
        steps = list(range(len(found.elements))) if isinstance(found, nodes.Sequence) else []
    return [path, *(inner for step in steps for inner in _below(tree, (*path, step)))]
