"""A command that needs no daemon and the call of that name say the same of one masv-watch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

#: what counts something of the machine, which does not stand still
_MOVING = {"watches", "room"}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    made = Field(tmp_path_factory.mktemp("twins"), {"out": "drop: folder"})
    (made.top / "out" / "loose.mov").write_bytes(b"x")
    made.daemon.start().until_ready()
    try:
        eventually(lambda: "loose_file" in made.command("status").stdout)
        yield made
    finally:
        made.close()


def answered(field: Field, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the daemon, and give what it answers with 200."""
    status, tree = ask(field.daemon.api, f"/api/v1/{path}", "GET" if body is None else "POST", body)
    assert status == 200, tree
    return tree


def printed(field: Field, *words: str) -> Any:
    """Run a command with --json, and give what it prints."""
    done = field.command(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_check_is_the_same_by_command_and_by_call(field: Field) -> None:
    """Problems, warnings and what is in order, mail server and cloud included."""
    assert answered(field, "check", {}) == printed(field, "check")


def test_values_are_the_same_by_command_and_by_call(field: Field) -> None:
    """Every key with its origin."""
    assert answered(field, "config") == printed(field, "config", "show")
    assert answered(field, "config/schema") == printed(field, "config", "schema")


def test_self_test_is_the_same_by_command_and_by_call(field: Field) -> None:
    """Both ask the kernel for writers: the daemon ignores the signal of a broken lease."""
    found = [answered(field, "selftest", {"hot_folder": "out"}), printed(field, "selftest", "out")]

    for tree in found:
        tree["probes"] = [each for each in tree["probes"] if each["test"] not in _MOVING]
    assert found[0] == found[1]
    assert found[0]["settings"]["open_check"] is True


def test_diagnosis_is_the_same_by_command_and_by_call(field: Field, tmp_path: Path) -> None:
    """What is wrong, in one order."""
    told = printed(field, "doctor", "-o", str(tmp_path / "b.tar.gz"))["wrong"]

    found = answered(field, "doctor", {})
    assert found["wrong"] == told
    assert "is held (loose_file)" in told[0]
    assert "sandbox-key" not in json.dumps(found)


def test_import_is_the_same_by_command_and_by_call(field: Field, tmp_path: Path) -> None:
    """Text, what is left and which secrets it looks up."""
    file = tmp_path / "agent.yml"
    file.write_text("team_upload_automations:\n  - {name: a, path: /srv/a, timeout: 5}\n")
    body = {"text": file.read_text(), "timeout_unit": "s"}

    told = printed(field, "config", "import", str(file), "--timeout-unit", "s")
    assert answered(field, "config/import", body) == told
