"""The reference, made from the code at every build.

Owns what is written of each key, command, call, metric, error code and hold. Never holds a fact of
its own: what the code says no more disappears, and what it newly says is there. A Sphinx extension:
`.. from-code:: keys` puts one chapter into a page.
"""

from __future__ import annotations

import ast
import inspect
import re
import tempfile
import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

import yaml
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from masv_watch import errors, lifecycle, metrics
from masv_watch.api.calls import Desk
from masv_watch.api.openapi import document
from masv_watch.api.routes import routes
from masv_watch.cli.grammar import Command, Flag, Word, command_of
from masv_watch.cli.outcomes import STATUSES
from masv_watch.cli.table import parser
from masv_watch.config import schema
from masv_watch.config.load import load
from masv_watch.errors import ConfigError

PROJECT = Path(__file__).resolve().parent.parent
#: where the meaning of every key is written
KEYS_FILE = PROJECT / "config" / "reference.yml"

Json = dict[str, Any]


def plain(text: str) -> str:
    """Write text that reStructuredText takes for text, with `words` as literals."""
    pieces = re.split(r"``?([^`]+)``?", " ".join(text.split()))
    return "".join(
        literal(piece) if index % 2 else re.sub(r"([\\*|_`<])", r"\\\1", piece)
        for index, piece in enumerate(pieces)
    ).strip()


def literal(text: str) -> str:
    """Write text as a literal."""
    return f"``{text}``" if text.strip() else ""


def sentence(text: str) -> str:
    """Begin with a capital and end with a stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def section(title: str, mark: str) -> list[str]:
    """Give a heading."""
    return ["", title, mark * len(title), ""]


def entry(head: str, *body: str, options: tuple[str, ...] = ()) -> list[str]:
    """Give one object of a list with what is said of it."""
    told = [line for text in body if text for line in ("", f"   {text}")]
    return ["", f".. {head}", *(f"   {option}" for option in options), *told, ""]



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
    return _KINDS.get(name, "").replace("{least}", f"{bounds.get('least')}").replace(
        "{most}", f"{bounds.get('most')}"
    )


@dataclass(frozen=True, kw_only=True)
class Said:
    """What reference.yml says of a key: its comment, and the value that stands there."""

    words: str
    value: str
    #: it stands behind another key on the same line
    is_beside: bool = False


def said_of_keys() -> dict[str, Said]:
    """Read each key's first mention in reference.yml, by its dotted path."""
    text = KEYS_FILE.read_text("utf-8")
    found: dict[str, Said] = {}
    _read(yaml.compose(text, yaml.SafeLoader), "", text.splitlines(), found)
    return found


def _read(node: Any, path: str, lines: list[str], found: dict[str, Said]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _read(one, f"{path}[]", lines, found)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        line = lines[key.start_mark.line]
        below = f"{path}.{key.value}".removeprefix(".")
        comment = re.search(r"\s# ?(.*)$", line)
        is_first = re.fullmatch(r"\s*(- )?\{?", line[: key.start_mark.column]) is not None
        words = comment[1] if comment and is_first else ""
        shown = line[value.start_mark.column : value.end_mark.column]
        is_block = value.end_mark.line != key.start_mark.line
        found.setdefault(
            below, Said(words=words, value="" if is_block else shown, is_beside=not is_first)
        )
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

    def __init__(self, said: dict[str, Said], known: dict[str, Key]) -> None:
        """Keep what is said of all keys."""
        self._said, self._known = said, known

    def is_one(self, path: str) -> bool:
        """Say whether a file without the key means the same."""
        tree = self._smallest(path)
        without = self._settings(tree)
        *above, name = path.replace("[]", ".[]").split(".")
        at = self._reached(tree, [step for step in above if step])
        at[name] = yaml.compose(self._said[path].value, yaml.SafeLoader)
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
        said = self._said.get(key.path)
        if name in at:
            return
        if key.is_section:
            at[name] = {}
            for below in self._known.values():
                if below.is_required and below.path.rpartition(".")[0] == key.path:
                    self._require(at[name], below)
        elif said is not None:
            at[name] = yaml.compose(said.value, yaml.SafeLoader)

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
    said, known, lines = said_of_keys(), {key.path: key for key in keys()}, []
    defaults = Defaults(said, known)
    for path, key in known.items():
        if "." not in path:
            lines += section(path, "-")
        lines += _written_key(key, said, known, defaults=defaults)
    return lines


def _written_key(
    key: Key, said: dict[str, Said], known: dict[str, Key], *, defaults: Defaults
) -> list[str]:
    mine = said.get(key.path, Said(words="", value=""))
    bare = key.path.removeprefix("hot_folders[].")
    general = next((each for each in (f"defaults.{bare}", bare) if each in known), "")
    if bare != key.path and general:
        told = f"As :confval:`{general}`, for this hot folder."
        return entry(f"confval:: {key.path}", told, options=(f":type: {plain(key.kind)}",))
    # several keys on one line share what is said of the section above them
    words = said.get(key.path.rpartition(".")[0], mine).words if mine.is_beside else mine.words
    default, example = _named_default(mine.words), ""
    if key.is_required:
        default = "required"
    elif not default and not key.is_section and mine.value:
        is_default = defaults.is_one(key.path)
        default, example = (literal(mine.value), "") if is_default else ("", literal(mine.value))
    options = [f":type: {plain(key.kind)}"]
    if default:
        options.append(f":default: {default if default.startswith('``') else plain(default)}")
    meaning = plain(re.sub(r"^required;? ?", "", words))
    meaning = f"{meaning}." if meaning else ""
    return entry(
        f"confval:: {key.path}",
        " ".join(filter(None, (meaning, f"For example {example}." if example else ""))),
        options=tuple(options),
    )


def reference_of_commands() -> list[str]:
    """Write every command with its words and flags, and the statuses with which they end."""
    lines: list[str] = []
    for command in command_of(parser()).walk():
        if not command.below:
            lines += _written_command(command)
    lines += section("Exit status", "-")
    for line in STATUSES.splitlines()[1:]:
        number, _, meaning = line.strip().partition("  ")
        lines += entry(f"describe:: {number}", plain(sentence(meaning)))
    return lines


def _written_command(command: Command) -> list[str]:
    name = " ".join(("masv-watch", *command.path))
    lines = [*section(name, "-"), f".. program:: {name}", ""]
    lines += [plain(sentence(command.help)), ""]
    usage = " ".join([name, *map(_usage, command.words)])
    lines += [f":Usage: {literal(usage)}", ""]
    for word in command.words:
        lines += entry(f"option:: {word.name}", plain(sentence(word.help)))
    for flag in command.flags:
        if "--help" not in flag.names:
            lines += _written_flag(flag)
    return lines


def _usage(word: Word) -> str:
    name = word.name + ("..." if word.is_repeated else "")
    return f"[{name}]" if word.is_optional else name


def _written_flag(flag: Flag) -> list[str]:
    value = f" {flag.value}" if flag.value else ""
    names = ", ".join(f"{name}{value}" for name in flag.names)
    choices = f"One of {', '.join(map(literal, flag.choices))}." if flag.choices else ""
    repeated = "May be repeated." if flag.is_repeated and "repeated" not in flag.help else ""
    told = " ".join(filter(None, (plain(sentence(flag.help)), choices, repeated)))
    return entry(f"option:: {names}", told)



class _Nobody:
    """Stands for what the routes would ask: only their table is read."""

    def __getattr__(self, _name: str) -> Any:
        return _Nobody()

    def __call__(self, *_arguments: object) -> Any:
        return _Nobody()


def described() -> Json:
    """Give the description of the API that the daemon serves."""
    desk = Desk(**{name: _Nobody() for name in Desk.__dataclass_fields__})  # type: ignore[arg-type]
    return document(routes(desk))


def reference_of_calls() -> list[str]:
    """Write every call with what it takes, gives and can be refused with."""
    api, lines, noun = described(), [], ""
    for path, methods in api["paths"].items():
        pieces = path.removeprefix("/api/v1").strip("/").split("/")
        if pieces[0] != noun and path.startswith("/api/v1"):
            noun = pieces[0]
            lines += section(noun.replace("_", " "), "-")
        elif not noun:
            noun = "health and metrics"
            lines += section(noun, "-")
        for method, call in methods.items():
            lines += _written_call(f"{method.upper()} {path}", call, api)
    return lines


def _written_call(head: str, call: Json, api: Json) -> list[str]:
    body = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    takes = ", ".join(_members(body.get("schema", {}), api))
    asks = ", ".join(
        literal(one["name"]) for one in call.get("parameters", ()) if one["in"] != "path"
    )
    answers = ", ".join(sorted(call["responses"]))
    return entry(
        f"describe:: {head}",
        plain(call["summary"]),
        f"Body: {takes}." if takes else "",
        f"Parameters: {asks}." if asks else "",
        f"Answers: {answers}.",
    )


def _members(shape: Json, api: Json) -> list[str]:
    if "$ref" in shape:
        shape = api["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    needed = set(shape.get("required", ()))
    return [
        literal(name) + (" (required)" if name in needed else "")
        for name in shape.get("properties", {})
    ]



def kinds_of_metrics() -> dict[str, str]:
    """Say of each metric whether it counts or measures, as the code uses it."""
    told = r"\.(count|gauge)\(\s*\"(\w+)\""
    texts = (file.read_text("utf-8") for file in (PROJECT / "masv_watch").rglob("*.py"))
    return {name: kind for text in texts for kind, name in re.findall(told, text)}


def reference_of_metrics() -> list[str]:
    """Write every metric under the name that it is printed with."""
    kinds, lines = kinds_of_metrics(), []
    for name, help_ in sorted(metrics.HELP.items()):
        # what is not told by its name alone is told by its unit
        by_unit = "gauge" if name.endswith("_per_second") else "count"
        is_counter = kinds.get(name, by_unit) == "count"
        whole = f"{metrics.PREFIX}{name}{'_total' if is_counter else ''}"
        kind = "Counter." if is_counter else "Gauge."
        lines += entry(f"describe:: {whole}", f"{kind} {plain(help_)}")
    return lines


def published() -> list[type[errors.MasvWatchError]]:
    """Give every error that is raised on purpose, by its code."""
    found, waiting = [], [errors.MasvWatchError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    mine = [kind for kind in found if kind.__module__ == errors.__name__]
    return sorted(mine, key=lambda kind: kind.code)


def words_of_remedies() -> dict[str, str]:
    """Read what stands below each remedy in its source."""
    body = next(
        node
        for node in ast.parse(inspect.getsource(errors)).body
        if isinstance(node, ast.ClassDef) and node.name == errors.Remedy.__name__
    ).body
    pairs = zip(body, body[1:], strict=False)
    return {
        one.targets[0].id: two.value.value  # type: ignore[attr-defined]
        for one, two in pairs
        if isinstance(one, ast.Assign) and isinstance(two, ast.Expr)
    }


def said_of_error(kind: type[errors.MasvWatchError]) -> str:
    """Give an error's first sentence, without the numbers by which tests know it."""
    words = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    words = re.sub(r"(?:[;,] )?\bfaults? [\d, to and]+[^()]*(?=\))", "", " ".join(words.split()))
    return re.sub(r" \(\)", "", words)


def reference_of_errors() -> list[str]:
    """Write every code with its sentence, its status and what helps."""
    remedies, lines = words_of_remedies(), []
    for kind in published():
        words = said_of_error(kind) if kind.code else "This call failed inside masv-watch."
        lines += entry(
            f"describe:: {kind.code}",
            plain(words),
            f"HTTP status {kind.status}. What helps: {plain(remedies[kind.remedy.name])}",
        )
    return lines


def reference_of_holds() -> list[str]:
    """Write every reason for which a drop waits, with its cure."""
    lines: list[str] = []
    for reason, cure in lifecycle.CURES.items():
        word = "A person's word ends it, too." if reason in lifecycle.RELEASABLE else ""
        on = "What has settled goes up meanwhile." if reason in lifecycle.SENDS_ON else ""
        lines += entry(f"describe:: {reason}", plain(sentence(cure)), " ".join((word, on)).strip())
    return lines


CHAPTERS = {
    "keys": reference_of_keys,
    "commands": reference_of_commands,
    "calls": reference_of_calls,
    "metrics": reference_of_metrics,
    "errors": reference_of_errors,
    "holds": reference_of_holds,
}


class FromCode(SphinxDirective):
    """Put a chapter that is made from the code into the page."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"class": directives.class_option}

    def run(self) -> list[nodes.Node]:
        """Parse what the chapter writes as if it stood in the page."""
        chapter = self.arguments[0]
        if chapter not in CHAPTERS:
            raise self.error(f"no chapter {chapter!r}: {', '.join(CHAPTERS)}")
        for module in (schema, errors, lifecycle, metrics):
            self.env.note_dependency(inspect.getfile(module))
        lines = CHAPTERS[chapter]()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> Json:
    """Register the directive."""
    app.add_directive("from-code", FromCode)
    return {"version": "1", "parallel_read_safe": True}
