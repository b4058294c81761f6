"""The chapter of the configuration's keys, made of the schema and of config/reference.yml.

Owns the words for a key's kind, and which of the values in reference.yml is a default. Never holds
a key of its own; what is said of one is what editors show. Used by `reference`.
"""

from __future__ import annotations

import inspect
import re
import tempfile
import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import yaml
from writing import entry, literal, plain, section

from masv_watch.config import meanings, schema
from masv_watch.config.load import load
from masv_watch.config.meanings import Said, general_of, meaning_of, said_of_keys
from masv_watch.errors import ConfigError

#: where the meaning of every key is written
KEYS_FILE = Path(meanings.FILE)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: its dotted path, lists as `[]`, and what may stand behind it."""

    path: str
    kind: str
    is_required: bool
    is_section: bool


def keys() -> Iterator[Key]:
    """Walk the schema in its own order."""
    yield from _keys_of(schema.Keys, "")


def _keys_of(of: type[Any], above: str) -> Iterator[Key]:
    hints = get_type_hints(of, include_extras=True)
    for one in fields(of):
        path = f"{above}{_written_as(one.name, hints[one.name])}"
        below, is_list = _section_of(hints[one.name])
        required = one.default is MISSING
        kind = _kind(hints[one.name])
        yield Key(path=path, kind=kind, is_required=required, is_section=below is not None)
        if below is not None:
            yield from _keys_of(below, f"{path}[]." if is_list else f"{path}.")


def _written_as(name: str, hint: Any) -> str:
    aliases = (getattr(note, "alias", None) for note in get_args(hint))
    return next((alias for alias in aliases if alias), name)


def _section_of(hint: Any) -> tuple[type[Any] | None, bool]:
    """Find the keys below a hint, and whether a list of them stands there."""
    if isinstance(hint, type) and is_dataclass(hint) and hasattr(hint, "__pydantic_config__"):
        return hint, False
    for arm in get_args(hint):
        found, is_list = _section_of(arm)
        if found is not None:
            return found, is_list or get_origin(hint) is list
    return None, False


#: what a check of ours reads, in words
_KINDS = {
    "seconds": "duration, {least} to {most}",
    "bytes_between": "size, {least} to {most}",
    "whole": "whole number, {least} to {most}",
    "flag": "true or false",
    "_version": "1",
    "connections": "auto, or whole number, 1 to 64",
    "quiet": "auto, or duration, 1s to 24h",
    "secret": "secret",
    "token": "secret",
    "address": "mail address",
    "mailbox": "mail address, also with a name",
    "path": "absolute path",
    "state": "absolute path",
    "template": "text with {placeholders}",
    "message": "text with {placeholders}",
    "expression": "regular expression (RE2)",
    "pattern": "pattern",
    "row_pattern": "pattern with {frame}",
    "limit": "rate, or unlimited",
    "clock_time": "time of day",
    "hours": "hours",
    "days": "days",
    "spans": "days with hours, or a list of them",
    "zone": "time zone",
    "delivered": "keep, delete, or {move: TARGET}",
    "failed": "keep",
    "domains": "list of domains, or ask",
    "by_subfolder": "folders, each with a list of addresses",
    "listener": "address to listen at",
    "api_url": "URL",
    "proxy_url": "address of a proxy, or env",
    "link_url": "URL with {placeholders}",
    "user": "name or number",
    "group": "name or number",
    "host": "name or IP address",
    "name": "name",
    "label": "name",
    "certificate": "path",
    "key": "path",
    "done_marker": "text with {placeholders}",
}


def _kind(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        words = [word for note in notes if (word := _kind_of_check(note))]
        return words[0] if words else _kind(inner)
    arms = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return _kind(next(arm for arm in arms if arm is not type(None)))
    if get_origin(hint) is list:
        return "list of sections" if _section_of(hint)[0] else f"list of {_kind(arms[0])}"
    if isinstance(hint, type) and is_dataclass(hint):
        return "section"
    return "text"


def _kind_of_check(note: Any) -> str:
    """Say what the check of a key reads; nothing when a note holds none."""
    run = getattr(note, "func", None)
    check = inspect.getclosurevars(run).nonlocals.get("check") if run is not None else None
    if check is None:
        return ""
    bounds = inspect.getclosurevars(check).nonlocals
    name = getattr(check, "__qualname__", "").partition(".")[0]
    if name == "one_of":
        return " or ".join([", ".join(bounds["words"][:-1]), bounds["words"][-1]])
    return (
        _KINDS.get(name, "")
        .replace("{least}", f"{bounds.get('least')}")
        .replace("{most}", f"{bounds.get('most')}")
    )


def values_of_keys() -> dict[str, str]:
    """Read the value at each key's first mention in reference.yml, by its dotted path.

    What fills lines of its own has none here.
    """
    text = KEYS_FILE.read_text("utf-8")
    found: dict[str, str] = {}
    _read(yaml.compose(text, yaml.SafeLoader), "", text.splitlines(), found)
    return found


def _read(node: Any, path: str, lines: list[str], found: dict[str, str]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _read(one, f"{path}[]", lines, found)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        below = f"{path}.{key.value}".removeprefix(".")
        line = lines[key.start_mark.line]
        is_block = value.end_mark.line != key.start_mark.line
        shown = "" if is_block else line[value.start_mark.column : value.end_mark.column]
        found.setdefault(below, shown)
        _read(value, below, lines, found)


def _named_default(words: str) -> str:
    """Give the default that the words of a key name; nothing when they name none."""
    found = re.search(r"\bdefault: ([^;]*)", words)
    found = found or re.search(r"\b(none|nobody|empty|not asked for) by default\b", words)
    found = found or re.search(r"\b(not set):", words)
    return found[1].strip() if found else ""


class Defaults:
    """Tells which values of reference.yml are defaults: those that change nothing.

    A file with the key is loaded beside one without it; equal settings prove it.
    """

    def __init__(self, values: dict[str, str], known: dict[str, Key]) -> None:
        """Keep the values of all keys."""
        self._values, self._known = values, known

    def is_one(self, path: str) -> bool:
        """Say whether a file without the key means the same."""
        tree = self._smallest(path)
        without = self._settings(tree)
        *above, name = path.replace("[]", ".[]").split(".")
        at = self._reached(tree, [step for step in above if step])
        at[name] = yaml.compose(self._values[path], yaml.SafeLoader)
        return without is not None and self._settings(tree) == without

    def _smallest(self, path: str) -> dict[str, Any]:
        """Give a tree with what has to be there beside the key."""
        folder = {"name": "out", "path": "/srv/out", "to": {"recipients": []}}
        masv = {"team": "any", "api_key": "any-key"}
        tree: dict[str, Any] = {"version": 1, "masv": masv, "hot_folders": [folder]}
        steps = path.replace("[]", ".[]").split(".")[:-1]
        for depth in range(1, len(steps) + 1):
            above = ".".join(steps[:depth]).replace(".[]", "[]")
            at = self._reached(tree, steps[:depth])
            for key in self._known.values():
                if key.is_required and key.path.rpartition(".")[0] == above:
                    self._require(at, key)
        return tree

    def _require(self, at: dict[str, Any], key: Key) -> None:
        name = key.path.rpartition(".")[2]
        value = self._values.get(key.path)
        if name in at:
            return
        if key.is_section:
            at[name] = {}
            for below in self._known.values():
                if below.is_required and below.path.rpartition(".")[0] == key.path:
                    self._require(at[name], below)
        elif value is not None:
            at[name] = yaml.compose(value, yaml.SafeLoader)

    @staticmethod
    def _reached(tree: dict[str, Any], steps: list[str]) -> dict[str, Any]:
        at: Any = tree
        for step in steps:
            if step == "[]":
                at = at if isinstance(at, dict) else at[0]
            else:
                at = at.setdefault(step, {})
        return at[0] if isinstance(at, list) else at

    @staticmethod
    def _settings(tree: dict[str, Any]) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(yaml.serialize(_node(tree)))
            file.flush()
            try:
                found = load(file.name, environ={}).settings
            except ConfigError:
                return None
        rules = tuple(replace(rule, at="") for rule in found.hot_folders)
        return replace(found, hot_folders=rules)


def _node(tree: Any) -> Any:
    """Write a tree as YAML nodes; what was read from reference.yml stays as it was read."""
    if isinstance(tree, yaml.Node):
        return tree
    if isinstance(tree, dict):
        pairs = [(_node(key), _node(value)) for key, value in tree.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs)
    if isinstance(tree, list):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(one) for one in tree])
    kind = "int" if isinstance(tree, int) else "str"
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", str(tree))


def reference_of_keys() -> list[str]:
    """Write every key."""
    said, values, known = said_of_keys(), values_of_keys(), {key.path: key for key in keys()}
    defaults, lines = Defaults(values, known), []
    for path, key in known.items():
        if "." not in path:
            lines += section(path, "-")
        lines += _written_key(key, said, values.get(path, ""), defaults=defaults, known=known)
    return lines


def _written_key(
    key: Key, said: dict[str, Said], value: str, *, defaults: Defaults, known: dict[str, Key]
) -> list[str]:
    general = general_of(key.path, known)
    if general:
        told = f"As :confval:`{general}`, for this hot folder."
        return entry(f"confval:: {key.path}", told, options=(f":type: {plain(key.kind)}",))
    mine = said.get(key.path, Said(words=""))
    default, example = _named_default(mine.words), ""
    if not key.is_required and not default and not key.is_section and value:
        is_default = defaults.is_one(key.path)
        default, example = (literal(value), "") if is_default else ("", literal(value))
    options = [f":type: {plain(key.kind)}{', required' if key.is_required else ''}"]
    if default and not key.is_required:
        options.append(f":default: {default if default.startswith('``') else plain(default)}")
    meaning = plain(meaning_of(key.path, said))
    meaning = f"{meaning}." if meaning else ""
    return entry(
        f"confval:: {key.path}",
        " ".join(filter(None, (meaning, f"For example {example}." if example else ""))),
        options=tuple(options),
    )
