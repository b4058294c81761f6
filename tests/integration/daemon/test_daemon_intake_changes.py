"""Sources that grow, change and vanish, before, during and after they are sent."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from masv_watch.sandbox.depot import PREFIX
from tests.integration.daemon.field import QUIET_S, Field, digest, digests, write_tree
from tests.waiting import eventually

FOLDERS = {
    "growing": "",
    "rewritten": "",
    "after": "",
    "during": "",
    "tree": "",
    "batch": "drop: batch, finalize: {idle: 4s}",
    "vanishing": "",
}
CHUNK = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a ready daemon over the hot folders of this module."""
    made = Field(tmp_path_factory.mktemp("changes"), FOLDERS)
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


class _Writer:
    """Somebody who rests between two writes, and knows whether the machine held him up."""

    def __init__(self) -> None:
        self._at = monotonic()
        self.longest_s = 0.0

    def rest(self, seconds: float) -> None:
        """Rest before the next write."""
        threading.Event().wait(seconds)

    def wrote(self) -> None:
        """Note that a write is done."""
        now = monotonic()
        self.longest_s, self._at = max(self.longest_s, now - self._at), now

    @property
    def was_quiet(self) -> bool:
        """Say whether his file stood still for as long as what is whole does."""
        return self.longest_s > QUIET_S - 0.1


def _undisturbed(attempt: Callable[[str, _Writer], None]) -> str:
    """Let somebody write until no pause of his was as long as the quiet time; give the name."""
    for number in range(10):
        name, writer = f"a{number}.mov", _Writer()
        attempt(name, writer)
        if not writer.was_quiet:
            return name
    pytest.fail("the machine let nobody write ten times with pauses of less than a second")


def _names(field: Field, hot_folder: str) -> list[str]:
    return [each["package_name"] for each in field.uploads(hot_folder)]


def _delivered(field: Field, hot_folder: str, name: str) -> dict[str, Any]:
    """Wait for the only package of a drop."""

    def is_done() -> bool:
        (upload,) = [
            each for each in field.uploads(hot_folder) if each["package_name"].startswith(name)
        ]
        return bool(upload["state"] == "complete")

    # of none there is nothing to unpack yet
    eventually(lambda: _names(field, hot_folder).count(name) and is_done())
    return next(each for each in field.packages(hot_folder) if each["name"] == name)


@pytest.mark.fault(11)
def test_file_that_keeps_growing_is_sent_once_and_whole(field: Field):
    """A writer that pauses for less than the quiet time never loses its end (pains 3, 4)."""
    contents: dict[str, bytes] = {}
    early: list[str] = []

    def attempt(name: str, writer: _Writer) -> None:
        contents[name] = b""
        with (field.top / "growing" / name).open("ab", buffering=0) as file:
            for _ in range(12):
                block = random.randbytes(50_000)
                file.write(block)
                writer.wrote()
                contents[name] += block
                writer.rest(0.3)
        early[:] = _names(field, "growing")
        # to ask took its time as well
        writer.wrote()

    name = _undisturbed(attempt)
    package = _delivered(field, "growing", name)

    assert name not in early
    assert digests(package) == {name: digest(contents[name])}


@pytest.mark.fault(14)
def test_rewrite_of_equal_size_with_its_time_put_back_restarts_the_clock(field: Field):
    """Neither size nor modification time show it; the change time does."""
    written: list[float] = []

    def attempt(name: str, writer: _Writer) -> None:
        target = field.top / "rewritten" / name
        target.write_bytes(b"version 0")
        writer.wrote()
        before = target.stat()
        for number in range(1, 5):
            writer.rest(0.6)
            target.write_bytes(b"version %d" % number)
            os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
            writer.wrote()
        written[:] = [monotonic()]

    name = _undisturbed(attempt)
    eventually(lambda: name in _names(field, "rewritten"))
    took_s = monotonic() - written[0]
    package = _delivered(field, "rewritten", name)

    assert took_s >= QUIET_S - 0.1
    assert digests(package) == {name: digest(b"version 4")}


def test_delivered_drop_is_sent_again_only_for_new_content(field: Field):
    """A chmod alone sends nothing; other content makes exactly one package of what is new."""
    hot = field.top / "after"
    (hot / "a.mov").write_bytes(b"first")
    write_tree(hot, {"CARD/a.mov": b"first", "CARD/b.mov": b"same"})
    field.until_delivered("after", 2)
    (hot / "a.mov").chmod(0o600)
    (hot / "CARD" / "b.mov").chmod(0o600)
    os.link(hot / "a.mov", field.top / "backup.mov")
    # a later drop of the same folder shows that the sweep after the chmod has passed
    (hot / "later.mov").write_bytes(b"later")
    field.until_delivered("after", 3)
    (hot / "a.mov").unlink()
    (hot / "a.mov").write_bytes(b"second")
    (hot / "CARD" / "a.mov").write_bytes(b"second")
    packages = field.until_delivered("after", 5)

    found = {package["name"]: digests(package) for package in packages}
    assert found["a.mov"] == {"a.mov": digest(b"first")}
    assert found["a.mov (2)"] == {"a.mov": digest(b"second")}
    assert found["CARD (added)"] == {"CARD/a.mov": digest(b"second")}
    assert set(found) == {"a.mov", "CARD", "later.mov", "a.mov (2)", "CARD (added)"}


def _has_struck(field: Field) -> bool:
    return any(each["fired"] for each in field.sandbox.witness("faults"))


def _rewrite(target: Path, content: bytes, *, hidden: bool) -> None:
    """Write over a file in place; hidden puts its modification time back."""
    before = target.stat()
    with target.open("r+b") as file:
        file.write(content)
    if hidden:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("size", "grown", "hidden"),
    [(3 * CHUNK + 17, 12345, False), (3 * CHUNK + 17, 0, True), (1000, 1, False), (1000, 0, True)],
)
@pytest.mark.fault(16)
def test_source_that_changes_while_it_is_sent_goes_as_it_was_last(
    field: Field, size: int, grown: int, hidden: bool
):
    """Mixed content is never finalized: what arrives is the last version (pains 18, 26)."""
    name = f"a-{size}-{grown}.mov"
    target = field.top / "during" / name
    known = len(field.uploads("during"))
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=60, times=1)
    target.write_bytes(random.randbytes(size))
    eventually(lambda: _has_struck(field), within=10)
    last = random.randbytes(size + grown)
    _rewrite(target, last, hidden=hidden)
    field.sandbox.heal()
    packages = field.until_delivered("during", known + 1, within=30)

    package = next(package for package in packages if package["name"] == name)
    assert digests(package) == {name: digest(last)}
    assert len(package["files"]) == 1


def test_folder_that_changes_while_it_is_sent_keeps_its_other_files(field: Field):
    """One file changes, one is added: the package holds the tree as it was last, once."""
    hot = field.top / "tree"
    files = {f"CARD/{number}.mov": random.randbytes(60_000) for number in range(20)}
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=60, times=None)
    write_tree(hot, files)
    eventually(lambda: _has_struck(field), within=10)
    changed = {"CARD/3.mov": b"changed", "CARD/19.mov": b"changed too", "CARD/new.mov": b"new"}
    write_tree(hot, changed)
    eventually(
        lambda: any(not drop["whole"] for drop in field.details("tree")[0]["drops"]), within=10
    )
    field.sandbox.heal()
    package = field.until_delivered("tree", 1, within=30)[0]

    wanted = {path: digest(content) for path, content in (files | changed).items()}
    assert digests(package) == wanted
    assert len(package["files"]) == len(wanted)


def test_batch_file_that_changes_before_its_finalize_is_delivered_as_it_was_last(field: Field):
    """An open package takes the last version of each file, and not the one before it as well."""
    hot = field.top / "batch"
    write_tree(hot, {"a.mov": b"first", "b.mov": b"first"})
    eventually(lambda: [each["state"] for each in field.uploads("batch")] == ["idle"], within=10)
    _rewrite(hot / "a.mov", b"second, and longer", hidden=False)
    _rewrite(hot / "b.mov", b"other", hidden=True)
    package = field.until_delivered("batch", 1)[0]

    assert digests(package) == {"a.mov": digest(b"second, and longer"), "b.mov": digest(b"other")}
    assert len(package["files"]) == 2


@pytest.mark.parametrize("name", ["a.mov", "CARD/a.mov"])
@pytest.mark.fault(17)
def test_source_that_vanishes_while_it_is_sent_fails_with_its_cure(field: Field, name):
    """Nothing goes in part; the error says what to do, and doing it delivers (pain 31)."""
    hot, top = field.top / "vanishing", name.split("/")[0]
    content = random.randbytes(2 * CHUNK)
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=60, times=1)
    write_tree(hot, {name: content} | ({"CARD/b.mov": b"stays"} if "/" in name else {}))
    eventually(lambda: _has_struck(field), within=10)
    (hot / name).rename(field.top / "kept")
    field.sandbox.heal()

    def failed() -> dict[str, object]:
        uploads = [each for each in field.uploads("vanishing") if each["package_name"] == top]
        return uploads[0] if uploads[0]["state"] == "error" else {}

    upload = eventually(failed, within=15)
    assert top not in [package["name"] for package in field.packages("vanishing")]
    assert "vanished" in upload["error"]["message"]
    assert upload["error"]["cure"] == f"masv-watch resume {upload['upload_id']}"
    assert field.lines("an upload failed", str(upload["upload_id"]), "put it back")
    assert upload["package_id"] in (None, "")
    eventually(
        lambda: field.lines("a package that was left is cancelled", str(upload["upload_id"])),
        within=10,
    )
    shutil.copy2(field.top / "kept", hot / name)
    assert field.command("resume", str(upload["upload_id"])).returncode == 0
    count = len(field.uploads("vanishing"))
    packages = field.until_delivered("vanishing", count, within=20)

    assert digests(packages[-1])[name] == digest(content)
