"""What a start finds: old content, folders that are not there, and what was delivered before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.integration.daemon.field import Field, digest, digests, write_tree
from tests.processes import ask
from tests.waiting import eventually

FOLDERS = {
    "few": "",
    "full": "",
    "archive": "",
    "send": "initial: send",
    "ask": "initial: ask",
    "ignore": "initial: ignore",
    "missing": "",
    "anew": "",
}
#: more than what is sent unasked, and than what one transaction takes
OLD = 300


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a daemon that was started over hot folders with old content, one of them missing."""
    made = Field(tmp_path_factory.mktemp("start"), FOLDERS, absent=("missing",))
    for name in ("full", "archive"):
        write_tree(made.top / name, {f"{number}.mov": b"%d" % number for number in range(OLD)})
    write_tree(made.top / "few", {f"{number}.mov": b"%d" % number for number in range(20)})
    for name in ("send", "ask", "ignore"):
        write_tree(made.top / name, {f"{name}{number}.mov": b"old" for number in range(21)})
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


@pytest.mark.fault(5)
def test_first_start_is_ready_without_a_folder_that_is_missing(field: Field):
    """A missing hot folder delays nobody: readiness is 200 and the log names the folder once."""
    status, answer = ask(field.daemon.api, "/readyz")

    assert status == 200, answer
    assert not (field.top / "missing").exists()
    assert len(field.lines("a hot folder waits", "hot_folder=missing")) == 1


def test_first_start_sends_what_is_there_up_to_twenty_drops(field: Field):
    """What was dropped before the first start is sent like what is dropped after it."""
    packages = field.until_delivered("few", 20)

    assert {package["name"]: digests(package) for package in packages} == {
        f"{number}.mov": {f"{number}.mov": digest(b"%d" % number)} for number in range(20)
    }


def test_first_start_does_as_initial_says(field: Field):
    """`send` sends all, `ask` holds all, `ignore` records all as seen; later drops are sent."""
    for name in ("send", "ask", "ignore"):
        write_tree(field.top / name, {"later.mov": b"later"})
    sent = field.until_delivered("send", 22)
    asked = field.until_delivered("ask", 1)
    ignored = field.until_delivered("ignore", 1)

    assert len(sent) == 22
    assert [package["name"] for package in (*asked, *ignored)] == ["later.mov"] * 2
    assert {row[1:] for row in field.drops("ask") if row[0] != b"later.mov"} == {
        ("held", "initial_ask")
    }
    assert {row[1:] for row in field.drops("ignore") if row[0] != b"later.mov"} == {
        ("ignored", None)
    }
    assert not field.lines("first start", "hot_folder=ignore")


def test_first_start_on_a_full_folder_sends_nothing_until_a_person_answers(field: Field):
    """One line names the number and both commands; each command does what the line says."""
    for name in ("full", "archive"):
        (line,) = field.lines("first start", f"hot_folder={name}")
        assert f"drops={OLD}" in line
        assert f'"masv-watch release --folder {name}"' in line
        assert f'"masv-watch ledger seed {name}"' in line
        assert not field.uploads(name)
    released = field.command("release", "--folder", "full")
    seeded = field.command("ledger", "seed", "archive")
    assert (released.returncode, seeded.returncode) == (0, 0), released.stderr + seeded.stderr
    assert f"{OLD} drops" in released.stdout
    assert f"{OLD} drops" in seeded.stdout
    packages = field.until_delivered("full", OLD, within=180)

    assert {package["name"] for package in packages} == {f"{number}.mov" for number in range(OLD)}
    assert not field.uploads("archive")
    assert {row[1] for row in field.drops("archive")} == {"ignored"}
    again = field.command("release", "--folder", "archive")
    assert again.returncode == 1
    assert "'archive'" in again.stderr


@pytest.mark.fault(6)
def test_missing_and_recreated_folders_are_taken_up_when_they_are_there(field: Field):
    """A folder that appears late, and one that was deleted and made anew, work like any other."""
    write_tree(field.top / "anew", {"before.mov": b"before"})
    field.until_delivered("anew", 1)
    shutil.rmtree(field.top / "anew")
    eventually(lambda: field.lines("a hot folder waits", "hot_folder=anew"), within=10)
    assert ask(field.daemon.api, "/readyz")[0] == 200
    write_tree(field.top / "missing", {"early.mov": b"early"})
    write_tree(field.top / "anew", {"after.mov": b"after"})
    early = field.until_delivered("missing", 1, within=25)
    after = field.until_delivered("anew", 2, within=25)
    # by now notifications work there too: the next drop needs no sweep of theirs
    write_tree(field.top / "missing", {"late.mov": b"late"})
    write_tree(field.top / "anew", {"late.mov": b"late"})
    late = field.until_delivered("missing", 2, within=6)
    field.until_delivered("anew", 3, within=6)

    assert [package["name"] for package in early] == ["early.mov"]
    assert [package["name"] for package in after] == ["before.mov", "after.mov"]
    assert [package["name"] for package in late] == ["early.mov", "late.mov"]
    assert len(field.lines("a hot folder is there", "hot_folder=missing")) == 1


def test_restart_never_sends_again_what_was_delivered(field: Field):
    """Neither a restart nor a touch of owner and mode sends one file twice (pain 41)."""
    field.until_delivered("few", 20)
    assert field.daemon.stop() == 0
    for path in (field.top / "few").iterdir():
        path.chmod(0o600)
        os.link(path, field.top / f"backup-{path.name}")
    before = len(field.sandbox.packages())
    field.daemon.start().until_ready()
    for name in ("few", "archive"):
        write_tree(field.top / name, {"after the restart.mov": name.encode()})
    field.until_delivered("few", 21)
    field.until_delivered("archive", 1)

    assert len(field.sandbox.packages()) == before + 2
    assert not field.sandbox.packages(state="new")
    assert len(field.lines("first start", "hot_folder=full")) == 1
    assert not field.lines("Traceback")
