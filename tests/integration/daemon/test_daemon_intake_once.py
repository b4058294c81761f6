"""`masv-watch run --once`, as cron and scripts use it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from masv_watch.config.timetable import DAYS
from tests.integration.daemon.field import Field, digest, digests, write_tree


@pytest.fixture
def make_field(tmp_path: Path) -> Iterator[object]:
    """Give the way to a sandbox and a configuration, whose daemon is not started."""
    made: list[Field] = []

    def make(folders: dict[str, str], **more: object) -> Field:
        made.append(Field(tmp_path, folders, **more))
        return made[-1]

    yield make
    for field in made:
        field.close()


def _names(field: Field) -> list[str]:
    return sorted(package["name"] for package in field.sandbox.packages())


def test_once_delivers_what_is_there_and_ends_with_zero(make_field):
    """Files, folders and a batch are finalized, whatever idle time the batch asks for."""
    field = make_field({"out": "", "dailies": "drop: batch, finalize: {idle: 1h}"})
    write_tree(field.top / "out", {"a.mov": b"a", "CARD/b.mov": b"b", "c.mov.part": b"c"})
    write_tree(field.top / "dailies", {"d.mov": b"d", "e.mov": b"e"})
    ended = field.command("run", "--once")
    packages = field.sandbox.packages()

    assert ended.returncode == 0, ended.stderr
    sent = {path: found for package in packages for path, found in digests(package).items()}
    assert sent == {
        "a.mov": digest(b"a"),
        "CARD/b.mov": digest(b"b"),
        "d.mov": digest(b"d"),
        "e.mov": digest(b"e"),
    }
    assert len(packages) == 3
    assert {package["finalize_calls"] for package in packages} == {1}
    again = field.command("run", "--once")
    assert again.returncode == 0, again.stderr
    assert len(field.sandbox.packages()) == 3


@pytest.mark.parametrize(
    ("keys", "stays"),
    [("", "VOID/"), ("drop: folder", "loose.mov"), ("initial: ask", "old.mov")],
    ids=["empty", "loose_file", "initial_ask"],
)
def test_once_with_a_held_drop_delivers_the_rest_and_ends_with_one(make_field, keys, stays):
    """A drop that waits for a person never keeps the command from ending."""
    field = make_field({"out": "", "other": keys})
    write_tree(field.top / "out", {"a.mov": b"a"})
    if stays.endswith("/"):
        (field.top / "other" / stays).mkdir()
    else:
        write_tree(field.top / "other", {stays: b"stays"})
    ended = field.command("run", "--once")

    assert ended.returncode == 1, ended.stderr
    assert _names(field) == ["a.mov"]
    assert [row[1] for row in field.drops("other")] == ["held"]


def test_once_over_nothing_ends_with_zero(make_field):
    """Nothing there is nothing to send."""
    field = make_field({"out": ""})
    ended = field.command("run", "--once")

    assert ended.returncode == 0, ended.stderr
    assert not field.sandbox.packages()


def test_once_over_a_missing_folder_ends_with_one(make_field):
    """A folder that is not there holds nobody up, and is no success for whoever started this."""
    field = make_field({"out": "", "missing": ""}, absent=("missing",))
    ended = field.command("run", "--once")

    assert ended.returncode == 1, ended.stderr
    assert "a hot folder waits" in ended.stderr
    assert not field.sandbox.packages()


@pytest.mark.parametrize(
    "closed",
    [
        'deadline: "06:30", schedule: {tz: UTC, open: "%s"}',
        'schedule: {tz: UTC, deliver: "%s"}',
        'drop: batch, schedule: {tz: UTC, deliver: "%s"}',
    ],
)
def test_once_with_a_closed_window_delivers_the_rest_and_ends_with_one(make_field, closed):
    """What waits for its window stays for the next run, and the command does not wait for it."""
    # a test that begins before midnight may end after it
    now = datetime.now(tz=UTC)
    near = {(now + timedelta(hours=hours)).weekday() for hours in (-1, 0, 1)}
    others = ",".join(day for number, day in enumerate(DAYS) if number not in near)
    field = make_field({"out": "", "night": closed % others})
    write_tree(field.top / "out", {"a.mov": b"a"})
    write_tree(field.top / "night", {"b.mov": b"b"})
    ended = field.command("run", "--once")

    assert ended.returncode == 1, ended.stderr
    assert _names(field) == ["a.mov"]
