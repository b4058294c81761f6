"""Sources that grow, change and vanish, before, during and after they are sent."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

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


def _pace(seconds: float) -> None:
    """Let a writer rest between two writes, as writers do."""
    threading.Event().wait(seconds)


@pytest.mark.fault(11)
def test_file_that_keeps_growing_is_sent_once_and_whole(field: Field):
    """A writer that pauses for less than the quiet time never loses its end (pains 3, 4)."""
    content = b""
    began = monotonic()
    with (field.top / "growing" / "a.mov").open("ab", buffering=0) as file:
        while monotonic() < began + 4:
            block = random.randbytes(50_000)
            file.write(block)
            content += block
            _pace(0.3)
            assert not field.uploads("growing")
    package = field.until_delivered("growing", 1)[0]

    assert digests(package) == {"a.mov": digest(content)}


@pytest.mark.fault(14)
def test_rewrite_of_equal_size_with_its_time_put_back_restarts_the_clock(field: Field):
    """Neither size nor modification time show it; the change time does."""
    target = field.top / "rewritten" / "a.mov"
    target.write_bytes(b"version 0")
    before = target.stat()
    for number in range(1, 5):
        _pace(0.6)
        target.write_bytes(b"version %d" % number)
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    written = monotonic()
    assert not field.uploads("rewritten")
    eventually(lambda: field.uploads("rewritten"))
    assert monotonic() - written >= QUIET_S - 0.1

    assert digests(field.until_delivered("rewritten", 1)[0]) == {"a.mov": digest(b"version 4")}


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
    """Mixed content is never finalized: the delivered bytes are those of the last version."""
    name = f"a-{size}-{grown}.mov"
    target = field.top / "during" / name
    known = len(field.uploads("during"))
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=1.5, times=1)
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
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=0.3, times=None)
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
    """Nothing is delivered in part; the error says what to do, and doing it delivers."""
    hot, top = field.top / "vanishing", name.split("/")[0]
    content = random.randbytes(2 * CHUNK)
    field.sandbox.fault("stall", f"PUT {PREFIX}", seconds=2, times=1)
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
    shutil.copy2(field.top / "kept", hot / name)
    assert field.command("resume", str(upload["upload_id"])).returncode == 0
    count = len(field.uploads("vanishing"))
    packages = field.until_delivered("vanishing", count, within=20)

    assert digests(packages[-1])[name] == digest(content)
