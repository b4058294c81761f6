"""The pages as they are built: no warning, no foreign asset, and all of the code.

What should be there is asked of the code itself here, not of what writes the reference.
"""

from __future__ import annotations

import ast
import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

import pytest
from docutils.core import publish_doctree
from sphinx.util.inventory import InventoryFile

from masv_watch import errors, lifecycle, metrics
from masv_watch.api.calls import Desk
from masv_watch.api.openapi import document
from masv_watch.api.routes import routes
from masv_watch.cli.grammar import command_of
from masv_watch.cli.table import parser
from masv_watch.config import schema
from masv_watch.model import HoldReason
from masv_watch.reloads import Reloads
from masv_watch.sandbox import __main__ as sandbox
from masv_watch.uploads.needs import TASKS
from masv_watch.watch.observing import Handler
from tests.integration.docs.blocks import PAGES, PROJECT


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all pages as `make docs` does."""
    out = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html",
            "-d", str(out / "trees"), str(PROJECT / "docs"), str(out / "html"),
        ],
        capture_output=True, text=True, timeout=800, check=False, cwd=out,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "html"


def words_of(text: str) -> str:
    """Leave nothing of a page or a docstring but its words."""
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return re.sub(r"\s+", " ", re.sub("[`¶]", "", text))


def page(built: Path, name: str) -> str:
    """Give the words of a page of the reference."""
    return words_of((built / "reference" / f"{name}.html").read_text("utf-8"))


def named(built: Path, kind: str) -> set[str]:
    """Give what the pages have an entry for, as other documents would find it."""
    inventory = InventoryFile.loads((built / "objects.inv").read_bytes(), uri="")
    return set(inventory.data.get(kind, {}))


def test_reference_has_every_key_of_the_configuration_and_no_other(built: Path) -> None:
    """A key that the schema knows stands there, with nothing that it does not know."""
    assert named(built, "std:confval") == schema.known_keys()


def test_reference_says_what_a_key_is_and_what_it_does_without_it(built: Path) -> None:
    """Type, default and meaning are those of the code and of reference.yml."""
    text = page(built, "configuration")

    assert "transfer.chunk_size Type: size, 5 MiB to 5 GiB Default: 100 MiB" in text
    assert "mail.smtp.host Type: name or IP address, required name or IP address." in text
    # a value that is only an example is no default
    assert "masv.team Type: name the team's subdomain; needed by rules" in text


def test_reference_has_every_command_with_all_of_its_options(built: Path) -> None:
    """What the parser takes stands there, below its command."""
    text, options = page(built, "commands"), named(built, "std:cmdoption")

    own = command_of(sandbox.parser(), ("sandbox",))
    commands = [one for one in command_of(parser()).walk() if not one.below]
    assert len(own.flags) > 5
    for command in (*commands, own):
        name = " ".join(("masv-watch", *command.path))
        assert f"{name} " in text
        assert words_of(command.help)[1:] in text
        words = [word.name for word in command.words]
        flags = [name for flag in command.flags for name in flag.names if "-h" not in flag.names]
        prefix = name.replace(" ", "-")
        missing = [each for each in (*words, *flags) if f"{prefix}.{each}" not in options]
        assert missing == [], name


class _Any:
    """Stands for what the routes would ask: the table alone is looked at."""

    def __getattr__(self, _name):
        return _Any()

    def __call__(self, *_arguments):
        return _Any()


def test_reference_has_every_call_with_its_summary(built: Path) -> None:
    """What is served stands there."""
    text = page(built, "calls")
    table = routes(Desk(**{name: _Any() for name in Desk.__dataclass_fields__}))
    calls = [
        f"{method.upper()} {path} {call['summary']}"
        for path, methods in document(table)["paths"].items()
        for method, call in methods.items()
    ]

    assert len(calls) > 40
    assert [call for call in calls if words_of(call) not in text] == []


def test_reference_has_every_metric_with_its_help(built: Path) -> None:
    """What HELP describes stands there, under the name that is printed."""
    text = page(built, "metrics")

    for name, help_ in metrics.HELP.items():
        assert re.search(rf"\bmasv_watch_{name}(?:_total)? (?:Counter|Gauge)\. ", text), name
        assert words_of(help_) in text


def test_reference_has_every_error_code_with_its_sentence(built: Path) -> None:
    """Whatever can be raised on purpose stands there, with what helps."""
    text, waiting = page(built, "errors"), [errors.MasvWatchError]
    while waiting:
        kind = waiting.pop()
        waiting += [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
        said = re.search(
            rf"(?<!\d){kind.code} [^¶]+? Remedy {kind.remedy.value}: [^¶]+? is {kind.status}\.",
            text,
        )
        assert said, kind
        first = words_of((kind.__doc__ or "").partition("\n")[0])
        if kind.code:
            assert first[:24] in text, kind


def test_reference_has_every_reason_to_wait_with_its_cure(built: Path) -> None:
    """Nobody meets a hold that no page knows."""
    text = page(built, "holds")

    for reason, cure in lifecycle.CURES.items():
        assert f"{reason} {words_of(cure)[:1].upper()}{words_of(cure)[1:]}" in text


def test_pages_need_no_asset_from_elsewhere(built: Path) -> None:
    """They are read on a machine that reaches nothing."""
    foreign = re.compile(
        r"""<(?:script|img|iframe)\b[^>]*\bsrc=["'](?:https?:)?//|"""
        r"""<link\b(?![^>]*\brel=["'](?:canonical|license))[^>]*\bhref=["'](?:https?:)?//|"""
        r"""@import\s+["'](?:https?:)?//|url\(["']?(?:https?:)?//"""
    )
    files = [file for kind in ("*.html", "*.css") for file in built.rglob(kind)]

    assert len(files) > 20
    assert [str(file) for file in files if foreign.search(file.read_text("utf-8"))] == []


def test_readme_is_read_without_sphinx() -> None:
    """A package index and a forge show it by docutils alone, and leave out what it refuses."""
    said = StringIO()
    text = (PROJECT / "README.rst").read_text("utf-8")
    publish_doctree(text, settings_overrides={"warning_stream": said, "report_level": 2})

    assert said.getvalue() == ""
    missing = [
        name
        for name in re.findall(r"<((?:docs|config)/[^>]+)>`__?", text)
        if not (PROJECT / name).exists()
    ]
    assert missing == []


def test_runbook_quotes_lines_that_the_program_writes() -> None:
    """Whoever searches the page for what he sees finds it, and nothing there is made up."""
    text = (PROJECT / "docs" / "runbook.rst").read_text("utf-8")
    table = text.partition("What the log says")[2]
    quoted = re.findall(r"^``([^`]+)``  ", table, re.MULTILINE)
    quoted += re.findall(r"^``look at: ([^`.:]+?)(?: in \.\.\.)?``", text, re.MULTILINE)
    code = "".join(file.read_text("utf-8") for file in (PROJECT / "masv_watch").rglob("*.py"))

    assert len(quoted) > 12
    assert [words for words in quoted if words not in code] == []


def test_runbook_has_an_entry_for_every_hold_and_every_alert() -> None:
    """Whatever calls somebody at night stands there by its name, and nothing that cannot."""
    text = (PROJECT / "docs" / "runbook.rst").read_text("utf-8")
    alerts = (PROJECT / "contrib" / "prometheus" / "masv-watch.rules.yml").read_text("utf-8")

    assert entries_of(text, "What is held") == [str(reason) for reason in HoldReason]
    assert entries_of(text, "What monitoring says") == re.findall(r"- alert: (\w+)", alerts)


def test_alert_of_a_refused_key_has_the_cure_that_the_service_gives() -> None:
    """A credential, as the Debian package has it, counts after a restart alone."""
    text = (PROJECT / "docs" / "runbook.rst").read_text("utf-8")
    alerts = (PROJECT / "contrib" / "prometheus" / "masv-watch.rules.yml").read_text("utf-8")
    (entry,) = re.findall(r"^``MasvWatchKeyRefused``\n((?:    .+\n)+)", text, re.MULTILINE)

    assert f'"{lifecycle.CURES[HoldReason.AUTH]}"' in alerts.partition("MasvWatchKeyRefused")[2]
    assert "systemctl restart masv-watch" in " ".join(entry.split())


#: where a need's text says what it is about; what is wrong with it stands behind that
_SUBJECTS = {"hot folder", "the state in", "the disk of the state in"}


def test_runbook_has_words_of_everything_that_needs_a_person() -> None:
    """Whatever status or a letter says of it is found there by what is seen."""
    runbook = re.sub(r"[\s;,:]+", " ", (PROJECT / "docs" / "runbook.rst").read_text("utf-8"))
    said = [each for file in (PROJECT / "masv_watch").rglob("*.py") for each in needs_in(file)]

    assert len(said) > 18
    assert [each for each in said if not any(is_named(piece, runbook) for piece in each)] == []
    assert [words for words in TASKS.values() if words.format(key="ADDRESS") not in runbook] == []


def test_runbook_has_every_line_that_the_log_shows_as_an_error() -> None:
    """Whoever is called by a line of the journal finds it there as it stands."""
    runbook = (PROJECT / "docs" / "runbook.rst").read_text("utf-8")
    told = [
        each
        for file in (PROJECT / "masv_watch").rglob("*.py")
        if "sandbox" not in file.parts
        for each in errors_in(file)
    ]

    assert len(told) > 20
    assert [line for line in told if f"``{line}``" not in runbook] == []


def errors_in(file: Path) -> Iterator[str]:
    """Give the constant text of each line that a module logs as an error."""
    for call in error_calls(ast.parse(file.read_text("utf-8"))):
        yield ast.literal_eval(call.args[0]).replace("%s;", "").strip()


def test_every_line_that_the_log_shows_as_an_error_has_its_code_and_its_cure() -> None:
    """P6: whoever is called by a line of the journal reads there what helps."""
    found = [
        (f"{file.name}: {ast.unparse(call.args[0])}", fields_of(call, module))
        for file in (PROJECT / "masv_watch").rglob("*.py")
        if "sandbox" not in file.parts
        for module in [ast.parse(file.read_text("utf-8"))]
        for call in error_calls(module)
    ]

    assert len(found) > 20
    assert [line for line, fields in found if not {"code", "cure"} <= fields] == []


#: what gives fields of a line from another module than the one that writes it
FIELDS: dict[str, Mapping[str, object]] = {
    "OUR_FAULT": errors.OUR_FAULT,
    "Reloads.told": Reloads.told("x"),
    "Handler.told": Handler.told("x"),
}


def fields_of(call: ast.Call, module: ast.Module) -> set[str]:
    """Give the names of the fields beside a line of the log."""
    functions = [each for each in ast.walk(module) if isinstance(each, ast.FunctionDef)]
    (*_, within) = (each for each in functions if call in ast.walk(each))
    returned = {
        each.name: [one.value for one in ast.walk(each) if isinstance(one, ast.Return)]
        for each in functions
    }
    assigned = {
        ast.unparse(each.targets[0]): [each.value]
        for each in ast.walk(within)
        if isinstance(each, ast.Assign)
    }
    known = {**returned, **assigned}
    extra = [each.value for each in call.keywords if each.arg == "extra"]
    return set().union(*(keys_of(each, known) for each in extra))


def keys_of(made: ast.expr | None, known: Mapping[str, Sequence[ast.expr | None]]) -> set[str]:
    """Give the keys of a mapping as it is written; `known` is what names in it stand for."""
    if isinstance(made, ast.Dict):
        named = {str(each.value) for each in made.keys if isinstance(each, ast.Constant)}
        parts = [value for key, value in zip(made.keys, made.values, strict=True) if key is None]
        return named.union(*(keys_of(part, known) for part in parts))
    name = "" if made is None else ast.unparse(made.func if isinstance(made, ast.Call) else made)
    if name in FIELDS:
        return set(FIELDS[name])
    last = name.rpartition(".")[2]
    others = {key: each for key, each in known.items() if key != last}
    return set().union(*(keys_of(each, others) for each in known.get(last, ())))


def error_calls(module: ast.Module) -> Iterator[ast.Call]:
    """Give each call by which a module logs an error."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        is_log = getattr(node.func.value, "id", "") == "log"
        if is_log and node.func.attr in {"error", "exception", "critical"}:
            yield node


def is_named(piece: str, runbook: str) -> bool:
    """Say whether three words in a row of a text stand there, or all of a shorter one."""
    words = re.sub(r"[;,:]", " ", piece).split()
    runs = [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]
    return any(run in runbook for run in runs)


def needs_in(file: Path) -> Iterator[list[str]]:
    """Give what stands in the text of each need that a module makes, but for what differs."""
    for function in ast.walk(ast.parse(file.read_text("utf-8"))):
        inner = list(ast.walk(function)) if isinstance(function, ast.FunctionDef) else []
        if not any(isinstance(one, ast.Call) and called(one) == "Need" for one in inner):
            continue
        for node in inner:
            is_named = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "text"
            if is_named or (isinstance(node, ast.keyword) and node.arg == "text"):
                pieces = pieces_of(node.value)
                if pieces:
                    yield pieces


def called(call: ast.Call) -> str:
    return str(getattr(call.func, "id", ""))


def pieces_of(text: ast.expr) -> list[str]:
    """Give the constant pieces of a text that say what is wrong."""
    found = [
        part.value.strip(" :,(")
        for part in ast.walk(text)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return [piece for piece in found if len(piece) > 8 and piece not in _SUBJECTS]


def entries_of(text: str, heading: str) -> list[str]:
    """Give the names below a heading that have something to do below them."""
    section = re.split(r"\n[^\n]+\n-{4,}\n", text.partition(f"\n{heading}\n---")[2])[0]
    return re.findall(r"^``(\w+)``\n    \S", section, re.MULTILINE)


def test_pages_name_no_command_flag_or_metric_that_is_not_there() -> None:
    """What is named in running text is what the program has now."""
    commands = {" ".join(one.path): one for one in command_of(parser()).walk() if not one.below}
    known = {f"{metrics.PREFIX}{name}{end}" for name in metrics.HELP for end in ("", "_total")}
    wrong = []
    for file in PAGES:
        text = re.sub(r"\s+", " ", file.read_text("utf-8"))
        for said in re.findall(r"``masv-watch ([a-z][^`]*)``", text):
            words = said.split()
            name = next(
                (" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in commands), ""
            )
            flags = {one for flag in getattr(commands.get(name), "flags", ()) for one in flag.names}
            if not (name) or set(re.findall(r"(?<= )--?[a-z-]+", said)) - flags:
                wrong.append(f"{file.name}: masv-watch {said}")
        wrong += [
            f"{file.name}: {name}"
            for name in re.findall(r"``(masv_watch_\w+)``", text)
            if name not in known
        ]

    assert wrong == []
