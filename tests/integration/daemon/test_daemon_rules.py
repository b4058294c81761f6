"""Rules of hot folders against a running daemon: windows, addresses, filters, limits, release."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from masv_watch.config.timetable import DAYS
from tests.integration.daemon.field import Field, write_tree
from tests.waiting import eventually

PLAIN = "to: {recipients: []}"
NAMED = "to: {by_subfolder: {studio-a: [anna@a.example], studio-b: [bob@b.example]}}"


def _closed() -> str:
    """Give days on which it is not, and will not be while this test runs."""
    now = datetime.now(tz=UTC)
    near = {(now + timedelta(hours=hours)).weekday() for hours in (-1, 0, 1)}
    return ",".join(day for number, day in enumerate(DAYS) if number not in near)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory):
    window = f'schedule: {{open: "{_closed()}", tz: UTC}}'
    made = Field(
        tmp_path_factory.mktemp("field"),
        {
            "night": window,
            "urgent": window,
            "studios": "package: {name: '{subfolder} {name}'}",
            "narrow": "only: ['*.mov'], ignore_regex: ['_old'], size: {min: 2 B}",
            "bounded": "drop: folder, limits: {files: 2}",
            "inside": "limits: {domains: [own.example]}",
            "takes": "drop: batch, finalize: {idle: 23h}, after: {delivered: delete}",
            "deep": "drop: file, depth: any, package: {name: '{name} of {subfolder}'}, after:"
            " {delivered: {move: '{root}/_sent/{subfolder}/{name}'}}",
        },
    )
    text = made.config.read_text()
    settles, quiet = "takes, settle: {quiet: 1s", "takes, settle: {done_marker: DONE, quiet: 1s"
    assert settles in text
    text = text.replace(settles, quiet)
    for name, to in (("studios", NAMED), ("inside", "to: {recipients: [x@else.example]}")):
        at = text.index(f"name: {name},")
        text = text[:at] + text[at:].replace(PLAIN, to, 1)
    made.config.write_text(text)
    made.daemon.start().until_ready()
    yield made
    made.close()


def held(field: Field, hot_folder: str) -> tuple[bytes, str, str | None]:
    """Wait until a hot folder's newest drop is held, and give its row."""
    return eventually(
        lambda: next((row for row in field.drops(hot_folder) if row[1] == "held"), None), 15.0
    )


def test_closed_window_shows_until_when_and_a_reload_opens_it(field):
    """It settles, waits and says so; live for what waits (behaviour 7.6, 12; pain 42)."""
    write_tree(field.top / "night", {"a.mov": b"a"})
    upload = eventually(lambda: field.uploads("night"), 15.0)[0]
    waiting = upload["waiting"]

    assert (upload["state"], waiting["reason"], upload["progress"]) == (
        "transferring", "window_closed", 0,
    )  # fmt: skip
    opens = datetime.fromisoformat(waiting["until"])
    ahead = opens - datetime.now(tz=UTC)
    assert timedelta(0) < ahead < timedelta(days=4)
    # the store's clock and the wall's agree within a second
    assert (opens + timedelta(seconds=1)).strftime("%H:%M") == "00:00"

    text = field.config.read_text()
    field.config.write_text(text.replace(_closed(), "mon-sun", 1))
    field.daemon.process.send_signal(signal.SIGHUP)

    assert field.until_delivered("night", 1)[0]["name"] == "a.mov"


def test_person_sends_what_waits_for_its_window(field):
    """The cure that is shown works as it stands."""
    write_tree(field.top / "urgent", {"b.mov": b"b"})
    upload = eventually(lambda: field.uploads("urgent"), 15.0)[0]
    assert upload["waiting"]["reason"] == "window_closed"
    cure = upload["waiting"]["cure"].partition("; ")[2].removesuffix(" sends it now")

    done = field.command(*cure.removeprefix("masv-watch ").split())

    assert done.returncode == 0, done.stderr
    field.until_delivered("urgent", 1)


def test_subfolders_are_addresses_and_the_cloud_mails_those_they_name(field):
    """Packages, their recipients and what is in them, as the cloud has them."""
    write_tree(
        field.top / "studios",
        {"studio-a/CARD/a.mov": b"a", "studio-b/b.mov": b"b", "beside.mov": b"c"},
    )
    packages = field.until_delivered("studios", 2)

    assert {package["name"]: package["recipients"] for package in packages} == {
        "studio-a CARD": ["anna@a.example"],
        "studio-b b.mov": ["bob@b.example"],
    }
    files = {(file["path"], file["name"]) for package in packages for file in package["files"]}
    assert files == {("CARD", "a.mov"), ("", "b.mov")}
    assert held(field, "studios") == (b"beside.mov", "held", "no_recipient")
    inner = field.top / "studios" / "studio-a" / "CARD" / "a.mov"
    said = json.loads(field.command("explain", str(inner), "--json").stdout)
    assert said["verdict"] in {"on_its_way", "known"}
    outer = field.command("explain", str(field.top / "studios" / "studio-a")).stdout
    assert "is an address of to.by_subfolder, and no drop" in outer


def test_files_at_any_depth_are_delivered_one_by_one_and_moved_with_their_folders(field):
    """Dropped as a folder, watched by real notifications, sent, moved, and not sent again."""
    (field.top / "day1").mkdir()
    write_tree(field.top / "day1", {"a.mov": b"a", "cam A/a.mov": b"b", "cam A/c.tmp": b"c"})
    done = field.command("drop", str(field.top / "day1"), "--to", "deep")
    assert done.returncode == 0, done.stderr
    packages = field.until_delivered("deep", 2, within=40.0)
    write_tree(field.top / "deep", {"day1/cam A/d.mov": b"d"})
    packages = field.until_delivered("deep", 3, within=40.0)

    assert {
        each["name"]: [(file["path"], file["name"]) for file in each["files"]] for each in packages
    } == {
        "a.mov of day1": [("", "a.mov")],
        "a.mov of day1/cam A": [("", "a.mov")],
        "d.mov of day1/cam A": [("", "d.mov")],
    }
    deep = field.top / "deep"
    left = {str(path.relative_to(deep)) for path in deep.rglob("*") if path.is_file()}
    assert left == {
        ".masv-watch", "day1/cam A/c.tmp", "_sent/day1/a.mov", "_sent/day1/cam A/a.mov",
        "_sent/day1/cam A/d.mov",
    }  # fmt: skip
    assert {path for path, _, _ in field.drops("deep")} == {
        b"day1/a.mov", b"day1/cam A/a.mov", b"day1/cam A/d.mov",
    }  # fmt: skip
    said = field.command("explain", str(deep / "day1")).stdout
    assert "day1 is a folder: each file below it is a drop of its own" in said
    assert field.lines("announced by no event") == []


def test_marker_ends_a_batch_and_goes_with_it_and_the_next_one_begins(field):
    """Seen by a real notification, finalized at once, and deleted with the sources."""
    top = field.top / "takes"
    write_tree(top, {"a.mov": b"a", "CARD/b.mov": b"b", "DONE": b""})
    (package,) = field.until_delivered("takes", 1, within=60.0)
    assert {(file["path"], file["name"]) for file in package["files"]} == {
        ("", "a.mov"), ("CARD", "b.mov"),
    }  # fmt: skip
    eventually(lambda: sorted(os.listdir(top)) == [".masv-trash", ".masv-watch"], within=60)

    write_tree(top, {"c.mov": b"c"})
    eventually(lambda: len(field.uploads("takes")) == 2, within=60)
    write_tree(top, {"DONE": b""})
    packages = field.until_delivered("takes", 2, within=60.0)

    assert [file["name"] for file in packages[-1]["files"]] == ["c.mov"]


def test_filters_leave_out_what_the_rule_does_not_want(field):
    """By pattern, by expression and by size, each named in the upload."""
    write_tree(
        field.top / "narrow",
        {"CARD/a.mov": b"aa", "CARD/b_old.mov": b"bb", "CARD/c.txt": b"cc", "CARD/d.mov": b"d"},
    )
    (package,) = field.until_delivered("narrow", 1)
    (details,) = field.details("narrow")

    assert [file["name"] for file in package["files"]] == ["a.mov"]
    assert sorted(details["skipped"]) == [
        "CARD/b_old.mov matches `_old` of the rule",
        "CARD/c.txt matches no pattern of the rule's `only`",
        "CARD/d.mov is smaller than 2 B (size)",
    ]


@pytest.mark.parametrize("hot_folder", ["bounded", "inside"])
def test_release_sends_what_a_limit_held_and_nothing_went_before(field, hot_folder):
    """Not even a package is made of it before a person says so."""
    files = {f"ROOT/{number}": b"x" for number in range(3)}
    write_tree(field.top / hot_folder, files)
    path, _, reason = held(field, hot_folder)
    assert (path, reason) == (b"ROOT", "limit_exceeded")
    assert field.uploads(hot_folder) == []
    # a release covers what was asked about, so it has to be all of it
    eventually(lambda: "3 files" in field.command("status", hot_folder).stdout)
    said = json.loads(
        field.command("explain", str(field.top / hot_folder / "ROOT"), "--json").stdout
    )

    done = field.command("release", said["cure"].split("release ")[1].split()[0])

    assert done.returncode == 0, done.stderr
    assert len(field.until_delivered(hot_folder, 1)[0]["files"]) == 3
