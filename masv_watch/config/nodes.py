"""Turn the text of a YAML file into a tree in which everything knows its place.

Owns what a scalar means (true, false, null, decimal numbers, all else is text), which tags exist,
and the words for broken syntax. Never resolves a tag and knows no key. Called by `load` and
`secrets`.

Law 1. No text makes it raise or recurse: it reads events one by one and stops at 32 levels, since
       the parser itself slows down with the square of the depth.
Law 2. A key written twice is a problem, and so is an alias: a value is where it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from masv_watch.config.problems import (
    TOP,
    Place,
    Problem,
    Source,
    listed,
    looks_secret,
    mentions_secret,
    path_text,
    place_of,
    quoted,
    shown_key,
    swallows_secret,
)

#: tags that the file may use
TAGS = ("!env", "!file", "!secret", "!credential", "!include")
#: what `!env` knows when it is written as a mapping
_ENV_KEYS = ("name", "default")
_DEPTH = 32
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# `move: {root}/x`: a placeholder that YAML takes for a mapping
_BRACE = re.compile(r":\s+(?=\{\w+\} *[^\s,}\]#])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value: text, a number, true, false or nothing."""

    value: str | int | float | bool | None
    #: as it was written, without quotes
    text: str
    #: one of TAGS, or None
    tag: str | None
    start: Place
    end: Place
    #: a problem about it is noted: it stands for no value
    is_broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    start: Place
    elements: list[Tree] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys with their values, in the order of the file."""

    start: Place
    #: `!env` or None
    tag: str | None = None
    #: key -> (place of the key, value)
    entries: dict[str, tuple[Place, Tree]] = field(default_factory=dict)


Tree = Scalar | Sequence | Mapping


@dataclass(slots=True)
class _Open:
    """A container whose end has not been read yet."""

    tree: Sequence | Mapping
    path: tuple[str | int, ...]
    #: the key whose value comes next, and None in its stead when it is refused; None while awaited
    key: tuple[str | None, Place] | None = None
    #: a container that stands where a key should: read and dropped
    dropped: bool = False


@dataclass(slots=True)
class _Reader:
    """What has been read so far."""

    source: Source
    #: those that may be used
    tags: tuple[str, ...] = TAGS
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Tree | None = None
    documents: int = 0

    def note(
        self, place: Place, message: str, *, path: tuple[str | int, ...] | None = None
    ) -> None:
        here = self.path() if path is None else path
        self.problems.append(self.source.problem(place, path_text(here), message))

    def path(self) -> tuple[str | int, ...]:
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.tree, Sequence):
            return (*top.path, len(top.tree.elements))
        return top.path if top.key is None else (*top.path, top.key[0] or "?")

    def awaits_key(self) -> bool:
        top = self.stack[-1] if self.stack else None
        return top is not None and isinstance(top.tree, Mapping) and top.key is None


def read(
    source: Source, text: str, *, tags: tuple[str, ...] = TAGS, most: int | None = None
) -> tuple[Tree | None, list[Problem]]:
    """Read one document; an empty one gives None. Problems never raise.

    Only these `tags` may be used. Reading ends after `most` values and ends of lists and mappings:
    a file of which little is expected costs little, whatever it holds.
    """
    odd = _NOT_TEXT.search(text)
    if odd is not None:
        place = place_of(text, odd.start())
        shown = f"U+{ord(odd[0]):04X}"
        message = f"the character {shown} is not allowed in YAML - remove it"
        return None, [source.problem(place, "syntax", message)]
    reader = _Reader(source, tags)
    try:
        for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if count == most:
                reader.note(_start(event), f"holds more than {most} values", path=())
                return None, reader.problems
            if not _take(reader, event):
                return None, reader.problems
    except yaml.YAMLError as error:
        place, message = _syntax(error, source)
        return None, [*reader.problems, source.problem(place, "syntax", message)]
    source.parsed = True
    return reader.root, reader.problems


def locate(root: Tree | None, path: tuple[str | int, ...], *, key: bool = False) -> Place:
    """Find the place of the value at a path, or of its key; of what encloses it when absent."""
    place = TOP if root is None else root.start
    at = root
    for step in path:
        if isinstance(at, Mapping) and isinstance(step, str) and step in at.entries:
            key_at, at = at.entries[step]
            place = key_at if key else at.start
        elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at.elements):
            at = at.elements[step]
            place = at.start
        else:
            break
    return place


def reached(root: Tree | None, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Give as much of a path as there is: that whose place `locate` finds."""
    at, found = root, 0
    for step in path:
        if isinstance(at, Mapping) and isinstance(step, str) and step in at.entries:
            at = at.entries[step][1]
        elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at.elements):
            at = at.elements[step]
        else:
            break
        found += 1
    return path[:found]


def find(root: Tree | None, path: tuple[str | int, ...]) -> Tree | None:
    """Give the value at a path, None when there is none."""
    at = root
    for step in path:
        if isinstance(at, Mapping) and isinstance(step, str) and step in at.entries:
            at = at.entries[step][1]
        elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at.elements):
            at = at.elements[step]
        else:
            return None
    return at


def hide_all(source: Source, tree: Tree) -> None:
    """Keep every value in a tree out of messages, except what a tag names."""
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Scalar):
            if at.tag is None:
                source.hide(at.start, at.end)
        elif isinstance(at, Sequence):
            waiting.extend(at.elements)
        else:
            waiting.extend(value for _, value in at.entries.values())


def _take(reader: _Reader, event: Any) -> bool:
    """Add one event to the tree; False ends the reading."""
    start = _start(event)
    if isinstance(event, yaml.DocumentStartEvent):
        reader.documents += 1
        if reader.documents > 1:
            reader.note(start, "a second document begins here - one file holds one", path=())
            return False
    elif isinstance(event, yaml.AliasEvent):
        if _is_private(reader):
            reader.source.hide_rest(start)
        _note_anchor(reader, start)
        _add(reader, _empty(start), start)
    elif isinstance(event, yaml.ScalarEvent):
        _scalar(reader, event, start)
    elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
        return _opened(reader, event, start)
    elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
        done = reader.stack.pop()
        if done.dropped:
            reader.stack[-1].key = (None, done.tree.start)
        else:
            _add(reader, done.tree, done.tree.start)
    return True


def _start(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(reader: _Reader, event: Any, start: Place) -> None:
    end = Place(event.end_mark.line + 1, event.end_mark.column + 1)
    text: str = event.value
    if reader.awaits_key():
        is_plain = not event.tag and not event.anchor
        if not is_plain:
            reader.note(start, "a key must be plain text - no tag and no anchor")
        is_odd = _is_private(reader) and text not in _ENV_KEYS
        if not is_plain or swallows_secret(text) or is_odd:
            # `!api_key: x` makes a key of the secret itself, and so does `api_key: {x: }`
            reader.source.hide(start, end)
        reader.stack[-1].key = (text if is_plain else None, start)
        return
    tag = _tag(reader, event, start)
    value = text if event.tag or event.style else _meaning(text)
    is_broken = bool(event.tag) and tag is None
    tree = Scalar(value=value, text=text, tag=tag, start=start, end=end, is_broken=is_broken)
    if tag is None and (_is_private(reader) or mentions_secret(text)):
        reader.source.hide(start, end)
    if any("\ud800" <= char <= "\udfff" for char in text):
        reader.note(start, "the text holds half a character (a lone surrogate) - write it whole")
    _add(reader, tree, start)


def _opened(reader: _Reader, event: Any, start: Place) -> bool:
    if len(reader.stack) >= _DEPTH:
        reader.note(start, f"nested deeper than {_DEPTH} levels", path=reader.path()[:4])
        return False
    is_key = reader.awaits_key()
    if is_key:
        reader.note(start, "a key must be plain text, not a list or a mapping - quote `{` and `[`")
    tag = _tag(reader, event, start, for_mapping=isinstance(event, yaml.MappingStartEvent))
    if (event.anchor or (event.tag and tag is None)) and _is_private(reader):
        reader.source.hide_rest(start)  # `api_key: &x [a]`: the secret begins with `&`
    tree: Sequence | Mapping
    if isinstance(event, yaml.SequenceStartEvent):
        tree = Sequence(start=start)
    else:
        tree = Mapping(start=start, tag=tag)
    reader.stack.append(_Open(tree, reader.path(), dropped=is_key))
    return True


def _add(reader: _Reader, tree: Tree, start: Place) -> None:
    if not reader.stack:
        reader.root = tree
        return
    top = reader.stack[-1]
    if isinstance(top.tree, Sequence):
        top.tree.elements.append(tree)
    elif top.key is None:
        top.key = (None, start)
    else:
        key, key_at = top.key
        top.key = None
        if key is not None:
            _enter(reader, top, (key, key_at), tree)


def _enter(reader: _Reader, top: _Open, key: tuple[str, Place], tree: Tree) -> None:
    assert isinstance(top.tree, Mapping)  # noqa: S101 - only a mapping has keys
    first = top.tree.entries.get(key[0])
    if first is None:
        top.tree.entries[key[0]] = (key[1], tree)
        return
    name = "a key" if _is_private(reader) else shown_key(key[0])
    message = f"{name} is written twice (first at line {first[0].line}) - keep one"
    reader.note(key[1], message, path=top.path)


def _tag(reader: _Reader, event: Any, start: Place, *, for_mapping: bool = False) -> str | None:
    if event.anchor:
        _note_anchor(reader, start)
    tag: str | None = event.tag
    if tag is None:
        return None
    is_scalar = isinstance(event, yaml.ScalarEvent)
    if not reader.tags:
        reader.note(start, "tags are not available here - put text that begins with `!` in quotes")
        return None
    allowed = reader.tags if is_scalar else ("!env",) if for_mapping else ()
    if tag in allowed:
        return tag
    if tag in reader.tags:
        reader.note(start, f"{tag} takes a name - for example `{tag} NAME`")
    else:
        # a secret that begins with `!` looks like a tag
        shown = "here" if _is_private(reader) else quoted(tag)
        advice = f"{listed(reader.tags)}; put text that begins with `!` in quotes"
        reader.note(start, f"the tag {shown} is not known - {advice}")
    return None


def _note_anchor(reader: _Reader, start: Place) -> None:
    # what people want by them has a key of its own
    like = ", or let one hot folder be `like: NAME` of another"
    more = like if reader.path()[:1] == ("hot_folders",) else ""
    reader.note(start, f"anchors and aliases are not available - write the value out{more}")


def _is_private(reader: _Reader) -> bool:
    """Say whether what is read next stands below a key that may hold a secret."""
    for opened in reversed(reader.stack):
        if opened.key is None:
            continue
        if opened.key[0] is None or looks_secret(opened.key[0]):
            return True
        # `token: !env {name: X, default: ...}`: the name may be seen, the default is as secret
        if opened.key[0] == "name" and isinstance(opened.tree, Mapping) and opened.tree.tag:
            return False
    return False


def _empty(start: Place) -> Scalar:
    return Scalar(value=None, text="", tag=None, start=start, end=start, is_broken=True)


def _meaning(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    # longer numbers are no setting of ours, and int() refuses some of them
    if len(text) <= 18:
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


_ALIGN = "put text that holds `: ` in quotes, and give neighbours the same indentation"
_SYNTAX = (
    ("found unexpected end of stream", "a quote opens here and is never closed"),
    ("mapping values are not allowed", f"a `:` too many, or lines that are not aligned - {_ALIGN}"),
    ("could not find expected ':'", "a key without its `: ` - write `key: value`"),
    ("did not find expected '-'", "a list's entries must all begin with `- ` in the same column"),
    ("did not find expected ',' or", "the bracket that opens here lacks its end, or a comma"),
    ("did not find expected alphabetic", "text that begins with `*` or `&` must be in quotes"),
    ("found unknown escape", "a backslash in double quotes begins an escape - use single quotes"),
    ("escape", "a broken escape in double quotes - use single quotes"),
    ("did not find expected <document start>", "something is left over after the end - remove it"),
    ("did not find expected key", f"this line does not fit the lines above - {_ALIGN}"),
    ("did not find expected node content", "a value, or the end of a bracket, is missing here"),
    ("found undefined tag handle", f"the tag is not known - {listed(TAGS)}"),
)


def _syntax(error: yaml.YAMLError, source: Source) -> tuple[Place, str]:
    """Put the parser's complaint into our words, at the place where the slip is."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    place = Place(mark.line + 1, mark.column + 1) if mark else TOP
    problem = str(getattr(error, "problem", "") or "")
    if "nesting depth" in problem:
        # PyYAML has a limit of its own since 6.0.4, and its scanner meets it before ours
        return place, f"nested deeper than {_DEPTH} levels"
    if "cannot start any token" in problem or "found a tab" in problem:
        return place, _odd_start(source, place)
    for known, words in _SYNTAX:
        if problem.startswith(known) or (known == "escape" and known in problem):
            brace = _unquoted_brace(source, place)
            if brace is not None:
                return brace, 'text that begins with `{` must be in quotes - for example "{name}"'
            past = place.line > len(source.lines) or not source.lines[place.line - 1].strip()
            if context is not None and (past or "opens here" in words):
                place = Place(context.line + 1, context.column + 1)
            return place, words
    return place, f"not YAML: {problem or 'it cannot be read'} - look at indentation and quotes"


def _odd_start(source: Source, place: Place) -> str:
    line = source.lines[place.line - 1] if place.line <= len(source.lines) else ""
    char = line[place.col - 1 : place.col]
    if char in {"\t", ""}:
        return "a tab cannot indent - use spaces"
    return f"text that begins with {quoted(char)} must be in quotes"


def _unquoted_brace(source: Source, place: Place) -> Place | None:
    for line in (place.line, place.line - 1):
        text = source.lines[line - 1] if 1 <= line <= len(source.lines) else ""
        found = _BRACE.search(text)
        if found is not None:
            return Place(line, found.end() + 1)
    return None
