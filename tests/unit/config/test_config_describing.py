"""The schema that editors read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from masv_watch.config import nodes, problems, schema
from masv_watch.config.describing import json_schema

SHIPPED = Path(__file__).parents[3] / "config"


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
    judge = jsonschema_rs.Draft202012Validator(described)
    files = [SHIPPED / "reference.yml", SHIPPED / "masv_watch.yml", *SHIPPED.glob("examples/*.yml")]
    for path in files:
        text = path.read_text()
        tree, _ = nodes.read(problems.Source(path.name, text), text)
        assert tree is not None
        assert not [error.message for error in judge.iter_errors(plain(tree))], path
    good = {"version": 1, "hot_folders": [{"name": "a", "path": "/a", "to": {"recipients": []}}]}
    assert judge.is_valid(good)
    for slip in (
        {"version": 2},
        {"nmae": "b"},
        {"hot_folders": [{"name": "a", "path": "/a"}]},
        {"hot_folders": [{**good["hot_folders"][0], "drop": "files"}]},  # type: ignore[index]
        {"hot_folders": [{**good["hot_folders"][0], "priority": 101}]},  # type: ignore[index]
        {"server": {"auto_finalize": "yes"}},
    ):
        assert not judge.is_valid({**good, **slip}), slip
    assert "secret" not in json.dumps(described["properties"]["version"])
