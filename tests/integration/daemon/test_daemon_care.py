"""What the daemon takes care of although nobody asked: keys, unfinished files, people's time."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.daemon.field import Field, write_tree
from tests.processes import Sandbox
from tests.waiting import eventually


@pytest.fixture
def make_field(tmp_path: Path):
    fields = []

    def make(folders: dict[str, str]) -> Field:
        field = Field(tmp_path, folders)
        fields.append(field)
        return field

    yield make
    for field in fields:
        field.close()


def test_reload_that_names_another_host_shows_its_key_to_nobody(make_field, tmp_path):
    """The address waits for a restart, and so does the key that belongs to it (promise P7)."""
    field = make_field({"out": ""})
    other = Sandbox(tmp_path / "other")
    try:
        field.daemon.start().until_ready()
        text = field.config.read_text()
        text = text.replace(field.sandbox.api, other.api).replace("sandbox-key", "other-key")
        field.config.write_text(text)
        for count in (1, 2):
            field.daemon.signal(signal.SIGHUP)
            eventually(lambda count=count: len(field.lines("waits for a restart")) == count)
        (field.top / "out" / "a.mov").write_bytes(b"abc")
        field.until_delivered("out", 1)
        asked = field.sandbox.witness("requests"), other.witness("requests")
    finally:
        other.end()

    assert asked[1] == []
    assert 401 not in {each["status"] for each in asked[0]}


@pytest.mark.parametrize("after", ["delete", "{move: '{root}/_sent/{name}'}"])
def test_folder_with_an_unfinished_file_stays_where_it_is(make_field, after):
    """What was not sent is neither moved nor removed; the operator sees why (promise P5)."""
    field = make_field({"out": f"drop: folder, after: {{delivered: {after}}}"})
    field.daemon.start().until_ready()
    card = field.top / "out" / "CARD"
    write_tree(card, {"a.mov": b"abc", "b.mov.part": b"half"})
    field.until_delivered("out", 1)
    (upload,) = eventually(
        lambda: [each for each in field.uploads("out") if each["refused_tasks"]], within=20
    )

    assert sorted(path.name for path in card.iterdir()) == ["a.mov", "b.mov.part"]
    assert upload["state"] == "complete"
    assert "masv-watch show" in " ".join(field.status("refused"))


def test_once_with_a_refused_key_ends_with_one(make_field):
    """Only a person can correct a key: a cron job does not wait for him for ever."""
    field = make_field({"out": ""})
    field.config.write_text(field.config.read_text().replace("sandbox-key", "wrong-key"))
    (field.top / "out" / "a.mov").write_bytes(b"abc")
    ended = field.command("run", "--once")

    assert ended.returncode == 1
    assert "the cloud refuses the API key" in ended.stderr
