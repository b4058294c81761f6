"""The reference, made from the code at every build.

Owns what is written of each command, call, metric, error code and hold; `keys` has the keys. Never
holds a fact of its own: what the code says no more disappears, and what it newly says is there. A
Sphinx extension: `.. from-code:: keys` puts one chapter into a page.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from keys import reference_of_keys
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from writing import entry, literal, plain, section, sentence

from masv_watch import errors, lifecycle, metrics
from masv_watch.api.calls import Desk
from masv_watch.api.openapi import document
from masv_watch.api.routes import routes
from masv_watch.cli.grammar import Command, Flag, Word, command_of
from masv_watch.cli.outcomes import STATUSES
from masv_watch.cli.table import parser
from masv_watch.sandbox import __main__ as sandbox

PROJECT = Path(__file__).resolve().parent.parent

Json = dict[str, Any]


def reference_of_commands() -> list[str]:
    """Write every command with its words and flags, and the statuses with which they end."""
    lines: list[str] = []
    for command in every_command():
        lines += _written_command(command)
    lines += section("Exit status", "-")
    for line in STATUSES.splitlines()[1:]:
        number, _, meaning = line.strip().partition("  ")
        lines += entry(f"describe:: {number}", plain(sentence(meaning)))
    return lines


def every_command() -> Iterator[Command]:
    """Give every command; the sandbox is a program of its own and has a parser of its own."""
    for command in command_of(parser()).walk():
        if command.path == ("sandbox",):
            yield command_of(sandbox.parser(), command.path, command.help)
        elif not command.below:
            yield command


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
    api = described()
    chapters: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        noun = path.removeprefix("/api/v1/").split("/")[0] if path.startswith("/api/") else ""
        for method, call in methods.items():
            written = _written_call(f"{method.upper()} {path}", call, api)
            chapters.setdefault(noun.replace("_", " ") or "health and metrics", []).extend(written)
    return [line for noun, calls in chapters.items() for line in (*section(noun, "-"), *calls)]


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


def uses_of_metrics() -> dict[str, tuple[str, set[str]]]:
    """Say of each metric whether it counts or measures, and its labels, as the code uses it."""
    found: dict[str, tuple[str, set[str]]] = {}
    for file in (PROJECT / "masv_watch").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = node.args[0].value if _has_literal(node) else None  # type: ignore[attr-defined]
            if node.func.attr in ("count", "gauge") and name in metrics.HELP:
                _, labels = found.setdefault(name, (node.func.attr, set()))
                # what is not written at the call is told of hot folders
                labels |= {each.arg or "hot_folder" for each in node.keywords}
    return found


def _has_literal(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant)


def reference_of_metrics() -> list[str]:
    """Write every metric under the name that it is printed with."""
    uses, lines = uses_of_metrics(), []
    for name, help_ in sorted(metrics.HELP.items()):
        # what is not told by its name alone is told by its unit
        by_unit = "gauge" if name.endswith("_per_second") else "count"
        use, labels = uses.get(name, (by_unit, {"hot_folder"}))
        is_counter = use == "count"
        whole = f"{metrics.PREFIX}{name}{'_total' if is_counter else ''}"
        kind = "Counter." if is_counter else "Gauge."
        told = ", ".join(literal(each) for each in sorted(labels))
        said = f"Labels: {told}." if labels else ""
        lines += entry(f"describe:: {whole}", f"{kind} {plain(help_)}", said)
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
    return {
        one.targets[0].id: two.value.value  # type: ignore[attr-defined]
        for one, two in pairwise(body)
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
            f"Remedy {literal(kind.remedy.value)}: {plain(remedies[kind.remedy.name])} Where it"
            f" answers a call, its HTTP status is {kind.status}.",
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

    def run(self) -> list[nodes.Node]:
        """Parse what the chapter writes as if it stood in the page."""
        chapter = self.arguments[0]
        if chapter not in CHAPTERS:
            raise self.error(f"no chapter {chapter!r}: {', '.join(CHAPTERS)}")
        # any file of the code may have changed
        self.env.note_reread()
        lines = CHAPTERS[chapter]()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> Json:
    """Register the directive."""
    app.add_directive("from-code", FromCode)
    return {"version": "1", "parallel_read_safe": True}
