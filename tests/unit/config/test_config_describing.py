"""The schema that editors read."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from masv_watch.config import nodes, problems, schema
from masv_watch.config.describing import json_schema
from masv_watch.config.load import load
from masv_watch.config.meanings import FILE
from masv_watch.model import Settings, Timetable
from tests.integration.config.test_config_load import WRONG
from tests.integration.docs.blocks import PAGES, blocks_of

PROJECT = Path(__file__).parents[3]
SHIPPED = PROJECT / "config"
#: what the schema can see of a slip, by the words of `check`: the form, and nothing between values
STRUCTURAL = (
    "unknown key", "it belongs in", "is missing", "must be a list", "must be a mapping",
    "must be true or false", "must be the number 1", "must be text, not the number", "2 to 20",
    "keep, delete or", "is empty",
)  # fmt: skip
#: optional keys without a default that a file could say: why
NO_DEFAULT = {
    "unset": {
        "masv.team", "masv.api_key", "masv.proxy", "masv.proxy.user",
        "masv.proxy.password", "server.allowed_roots", "server.token", "server.hosts",
        "server.trusted_users", "server.trusted_groups", "server.tls", "server.tls.certificate",
        "server.tls.key", "mail", "mail.smtp.user", "mail.smtp.password", "mail.alerts", "backup",
        "mail.digest",
        "profiles", "bundles", "ignore", "only", "only_regex", "ignore_regex", "companions",
        "sequences", "manifest", "settle.done_marker", "finalize.max_open", "finalize.max_files",
        "limits.per_day", "limits.domains", "was", "like", "tags", "notify", "notify[].slack",
        "notify[].webhook", "notify[].events", "package.message",
        "package.password", "package.expires", "package.downloads", "link.mail_to", "sidecar",
        "link.template", "size.max", "age.max", "schedule", "deadline", "expect_by", "to.sender",
        "to.recipients", "to.by_subfolder", "to.portal", "to.access_code", "expect.filesystem",
        "sender_email", "package_name", "package_description", "sidecar.may_set", "hot_folders",
    },
    "of another key": {
        "after.duplicate", "sequences.gaps", "incomplete", "chunk_size", "schedule.open",
        "schedule.deliver", "schedule.tz", "bandwidth.tz", "bandwidth.rules[].days",
        "bandwidth.rules[].hours",
    },
    "of the folder or the machine": {
        "settle.quiet", "finalize.idle", "early", "late", "state",
    },
}  # fmt: skip


def keys_of(described: dict[str, Any], prefix: str = "") -> set[str]:
    """List the keys that a schema knows, as `schema.known_keys` does."""
    found = set()
    for arm in [described, *described.get("anyOf", [])]:
        for key, value in arm.get("properties", {}).items():
            found |= {f"{prefix}{key}"} | keys_of(value, f"{prefix}{key}.")
        if "items" in arm:
            found |= keys_of(arm["items"], f"{prefix[:-1]}[].")
    return found


def plain(tree: nodes.Tree) -> Any:
    """Give a file as an editor sees it: what a tag fetches is text."""
    if isinstance(tree, nodes.Mapping):
        if tree.tag:
            return "fetched"
        return {key: plain(value) for key, (_, value) in tree.entries.items()}
    if isinstance(tree, nodes.Sequence):
        return [plain(one) for one in tree.elements]
    return tree.value


def test_schema_knows_exactly_the_keys_of_the_file() -> None:
    """A key that works is completed by an editor, and no other."""
    assert keys_of(json_schema()) == schema.known_keys()


def test_schema_accepts_every_file_that_ships_and_refuses_slips() -> None:
    """What `check` takes is never underlined; a wrong key, word or number is."""
    described = json_schema()
    judged = jsonschema_rs.Draft7Validator(described)
    files = [SHIPPED / "reference.yml", SHIPPED / "masv_watch.yml", *SHIPPED.glob("examples/*.yml")]
    for path in files:
        text = path.read_text()
        tree, _ = nodes.read(problems.Source(path.name, text), text)
        assert tree is not None
        assert not [error.message for error in judged.iter_errors(plain(tree))], path
    good = {"version": 1, "hot_folders": [{"name": "a", "path": "/a", "to": {"recipients": []}}]}
    assert judged.is_valid(good)
    for slip in (
        {"version": 2},
        {"nmae": "b"},
        {"hot_folders": [{"name": "a", "path": "/a"}]},
        {"hot_folders": [{**good["hot_folders"][0], "drop": "files"}]},  # type: ignore[index]
        {"hot_folders": [{**good["hot_folders"][0], "priority": 101}]},  # type: ignore[index]
        {"server": {"auto_finalize": "yes"}},
    ):
        assert not judged.is_valid({**good, **slip}), slip
    assert "secret" not in json.dumps(described["properties"]["version"])


def keys_below(described: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Give what is said of each key by its dotted path, lists as `[]`."""
    found = {}
    for arm in [described, *described.get("anyOf", [])]:
        for key, value in arm.get("properties", {}).items():
            at = f"{path}.{key}".removeprefix(".")
            found |= {at: value} | keys_below(value, at)
        if "items" in arm:
            found |= keys_below(arm["items"], f"{path}[]")
    return found


def bare(path: str) -> str:
    return path.removeprefix("hot_folders[].").removeprefix("defaults.")


def test_schema_says_of_every_key_what_it_is() -> None:
    """Whoever points at a key reads the words of the reference, or what the section holds."""
    told = {path: value["description"] for path, value in keys_below(json_schema()).items()}

    assert set(told) == schema.known_keys()
    quiet = told["defaults.settle.quiet"]
    assert quiet.startswith("without change before something counts as whole")
    assert told["hot_folders[].settle.quiet"] == told["defaults.settle.quiet"]
    assert told["masv.api_url"] == "the service, without a version"
    assert not [path for path, words in told.items() if not words]
    assert [path for path, words in told.items() if words.startswith("`")] == []


def test_meanings_are_those_of_the_reference_that_ships() -> None:
    """One file says what keys are, to editors, to the documentation and to whoever opens it."""
    assert Path(FILE).read_bytes() == (SHIPPED / "reference.yml").read_bytes()


def test_every_key_has_a_default_in_the_schema_or_a_reason_why_no_file_could_say_it() -> None:
    """A default that got lost would be guessed by whoever reads the schema."""
    described = json_schema()
    reasons = set().union(*NO_DEFAULT.values())
    required = {
        f"{path}.{key}".removeprefix(".")
        for path, value in {"": described, **keys_below(described)}.items()
        for arm in [value, value.get("items", {}), *value.get("anyOf", [])]
        for key in arm.get("required", [])
    } | {
        f"{path}[].{key}"
        for path, value in keys_below(described).items()
        for arm in [value, *value.get("anyOf", [])]
        for key in arm.get("items", {}).get("required", [])
    }

    without = {
        path
        for path, value in keys_below(described).items()
        if "default" not in value and path not in required and "properties" not in value
    }
    assert {bare(path) for path in without} <= reasons
    named = {bare(path) for path, value in keys_below(described).items() if "default" in value}
    assert not named & reasons


def test_default_of_every_key_is_what_a_file_without_it_means(tmp_path: Path) -> None:
    """Written out, each changes nothing: the model has the same."""
    told = {
        path: value["default"]
        for path, value in keys_below(json_schema()).items()
        if "default" in value
    }

    assert len(told) > 60
    for path, default in told.items():
        tree, at = specimen(path)
        without = settings_of(tree, tmp_path)
        at[path.rpartition(".")[2]] = default
        assert settings_of(tree, tmp_path) == without, path


def specimen(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a file with the section of a key and what that needs, and the section."""
    folder: dict[str, Any] = {"name": "out", "path": "/srv/out", "to": {"recipients": []}}
    tree: dict[str, Any] = {
        "version": 1, "masv": {"team": "t", "api_key": "k"}, "hot_folders": [folder],
    }  # fmt: skip
    needed: dict[str, Any] = {
        "mail": {"smtp": {"host": "h"}, "from": "a@example.com", "alerts": {"to": "a@example.com"}},
        "backup": {"to": "/srv/backup"}, "sequences": {"pattern": "{stem}.{frame:04d}.exr"},
        "manifest": {"files": ["*.mhl"]}, "sidecar": {"name": "{name}.masv.yml"},
        "schedule": {"open": "mon-sun 00:00-24:00"},
    }  # fmt: skip
    if path.endswith("to.others"):
        folder["to"] = {"by_subfolder": {"a": []}}
    if ".finalize.max_" in path:
        folder["drop"] = "batch"
    if path.endswith(".depth"):
        folder["drop"] = "file"
    at: dict[str, Any] = tree
    for step in path.split(".")[:-1]:
        name = step.removesuffix("[]")
        inner = at.setdefault(name, copy.deepcopy(needed.get(name, {})))
        at = inner[0] if isinstance(inner, list) else inner
    return tree, at


def settings_of(tree: dict[str, Any], folder: Path) -> Settings:
    path = folder / "masv-watch.yml"
    path.write_text(json.dumps(tree))
    path.chmod(0o600)
    found = load(str(path), environ={}).settings
    # that a limit is written at all ends the early start of a folder, whatever its number
    rules = tuple(
        replace(
            each, at="", bandwidth=meant(each.bandwidth), limits=replace(each.limits, is_own=False)
        )
        for each in found.hot_folders
    )
    return replace(found, hot_folders=rules, bandwidth=meant(found.bandwidth))


def meant(timetable: Timetable) -> Timetable:
    """Give a timetable without what limits nothing: where no line fits there is no limit."""
    is_free = all(line.limit is None for line in timetable.lines)
    return replace(timetable, lines=()) if is_free else timetable


def judge() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(json_schema())


def as_seen(text: str) -> Any:
    tree, _ = nodes.read(problems.Source("m.yml", text), text)
    return None if tree is None else plain(tree)


def test_schema_accepts_every_configuration_of_the_documentation() -> None:
    """What the pages and the README show is never underlined."""
    judged, shown = judge(), 0
    for page in PAGES:
        for block in blocks_of(page):
            seen = as_seen(block.text) if block.language == "yaml" else None
            if isinstance(seen, dict) and seen.get("version") == 1:
                shown += 1
                errors = [error.message for error in judged.iter_errors(seen)]
                assert not errors, (page.name, block.text, errors)

    assert shown > 10


def test_schema_refuses_every_slip_of_form_that_check_refuses() -> None:
    """A wrong key, word, number or kind is underlined while it is typed."""
    judged, refused = judge(), 0
    for text, expected in WRONG:
        if any(words in message for *_, message in expected for words in STRUCTURAL):
            refused += 1
            assert not judged.is_valid(as_seen(text)), text

    assert refused > 15


@pytest.mark.parametrize("name", ["masv_watch.yml", "reference.yml"])
def test_file_that_ships_is_no_slip_of_form(name: str) -> None:
    """The same validator, so that a schema which refuses everything is found."""
    assert judge().is_valid(as_seen((SHIPPED / name).read_text()))
