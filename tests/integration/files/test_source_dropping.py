"""Copies that are brought into a hot folder, on real files and across two real file systems."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.errors import CannotDrop, SourceChanged, SourceUnreadable
from masv_watch.files import Load, bring, dropping, look, naming
from masv_watch.model import Rule, To
from masv_watch.watch.rules import Fate, Matcher

OLD_NS = 1_000_000_000_123_456_789


class Enough(Exception):
    """Somebody wants no more."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Give a folder with files, an empty folder, and what no copy follows."""
    card = tmp_path / "CARD"
    (card / "sub" / "empty").mkdir(parents=True)
    (card / "a.mov").write_bytes(os.urandom(3_000_001))
    (card / "sub" / os.fsdecode(b"b\n\xff")).write_bytes(b"b")
    (card / "link").symlink_to("/etc/passwd")
    os.mkfifo(card / "fifo")
    for path in (card / "a.mov", card / "sub"):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    return card


@pytest.fixture(params=["same", "other"])
def hot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a hot folder on the file system of the sources, and one on another."""
    if request.param == "same":
        (tmp_path / "hot").mkdir()
        yield tmp_path / "hot"
        return
    assert os.stat("/dev/shm").st_dev != os.stat(tmp_path).st_dev
    top = tempfile.mkdtemp(prefix="masv-drop-", dir="/dev/shm")
    yield Path(top)
    shutil.rmtree(top)


def looked(path: Path) -> Load:
    return look(os.fsencode(path))


def put(load: Load, hot: Path, name: bytes = b"", proceed=lambda _size: None) -> bytes:
    return bring(load, os.fsencode(hot), name or load.name, proceed=proceed)


def test_folder_is_copied_whole_with_its_times_and_without_what_links_lead_to(card, hot):
    """Files, folders and their times arrive; links and FIFOs are named and stay behind."""
    load = looked(card)
    path = put(load, hot)

    assert path == os.fsencode(hot / "CARD")
    assert os.listdir(hot) == ["CARD"]
    found = {str(each.relative_to(hot)) for each in hot.rglob("*")}
    assert found == {
        "CARD", "CARD/a.mov", "CARD/sub", "CARD/sub/empty", os.fsdecode(b"CARD/sub/b\n\xff"),
    }  # fmt: skip
    assert (hot / "CARD" / "a.mov").read_bytes() == (card / "a.mov").read_bytes()
    assert (hot / "CARD" / "a.mov").stat().st_mtime_ns == OLD_NS
    assert (hot / "CARD" / "sub").stat().st_mtime_ns == OLD_NS
    assert sorted(load.left_out) == ["CARD/fifo is a FIFO", "CARD/link is a symbolic link"]
    assert (card / "a.mov").exists()


def test_copy_has_an_ignored_name_until_it_is_whole(card, hot):
    """Law 1: whoever looks while it is copied sees no name that any rule would send."""
    seen: set[bytes] = set()

    put(looked(card), hot, proceed=lambda _size: seen.update(os.listdir(os.fsencode(hot))))

    assert len(seen) == 1
    matcher = Matcher(Rule(name="x", path=b"/x", to=To(recipients=()), ignore_builtin=False))
    assert {matcher.match(name, "folder").fate for name in seen} == {Fate.SKIP}
    assert {matcher.match(name, "file").temporary for name in seen} == {True}


@pytest.mark.parametrize("calls", [1, 2, 4, 7])
def test_copy_that_is_ended_early_leaves_nothing(card, hot, calls):
    """Law 2: at whichever step somebody has had enough."""
    left = iter(range(calls))

    def proceed(_size):
        if next(left, None) is None:
            raise Enough

    with pytest.raises(Enough):
        put(looked(card), hot, proceed=proceed)

    assert os.listdir(hot) == []


@pytest.mark.parametrize("is_folder", [False, True])
def test_name_that_is_taken_is_refused_before_and_after_the_copying(card, hot, is_folder):
    """Nothing is ever overwritten, not even by whoever is quicker (pain 59)."""
    load = looked(card if is_folder else card / "a.mov")
    there = hot / os.fsdecode(load.name)

    def appear(_size):
        if not there.exists():
            there.mkdir() if is_folder else there.write_bytes(b"other")

    with pytest.raises(CannotDrop, match="is already in"):
        put(load, hot, proceed=appear)
    copied = []
    with pytest.raises(CannotDrop, match="is already in"):
        put(load, hot, proceed=copied.append)

    assert not copied
    assert os.listdir(hot) == [there.name]
    assert list(there.iterdir()) == [] if is_folder else there.read_bytes() == b"other"


@pytest.mark.parametrize("is_folder", [False, True])
def test_name_is_kept_where_the_exclusive_rename_is_unknown(card, hot, is_folder, monkeypatch):
    """On NFS the name change goes by a hard link, or after a look; the promise is the same."""
    monkeypatch.setattr(naming, "rename_exclusively", lambda *_: False)
    load = looked(card if is_folder else card / "a.mov")
    put(load, hot, b"first")

    def appear(_size):
        target = hot / "second"
        if not target.exists():
            target.mkdir()
            (target / "x").write_bytes(b"other")

    with pytest.raises(CannotDrop, match="is already in"):
        put(load, hot, b"second", proceed=appear)

    assert sorted(os.listdir(hot)) == ["first", "second"]
    assert (hot / "second" / "x").read_bytes() == b"other"


def test_file_is_named_where_neither_links_nor_exclusive_renames_are_known(card, hot, monkeypatch):
    """As on an old FAT: the name is reserved by an empty file of ours, and then replaced."""

    def no_link(*_arguments, **_keywords):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(naming, "rename_exclusively", lambda *_: False)
    monkeypatch.setattr(os, "link", no_link)
    put(looked(card / "a.mov"), hot)
    with pytest.raises(CannotDrop, match="is already in"):
        put(looked(card / "a.mov"), hot)

    assert os.listdir(hot) == ["a.mov"]
    assert (hot / "a.mov").read_bytes() == (card / "a.mov").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda card: (card / "a.mov").write_bytes(b"shorter"),
        lambda card: os.utime(card / "a.mov"),
        lambda card: (card / "late.mov").write_bytes(b"late"),
        lambda card: (card / "sub" / "empty").rmdir(),
    ],
    ids=["rewritten", "touched", "grown", "shrunk"],
)
def test_source_that_changes_while_it_is_copied_is_not_dropped(card, hot, change):
    """Law 4: what stands in the hot folder is one version of the source, or nothing."""
    seen = []

    def proceed(size):
        if size and not seen:
            seen.append(size)
            change(card)

    with pytest.raises((SourceChanged, SourceUnreadable)):
        put(looked(card), hot, proceed=proceed)

    assert seen
    assert os.listdir(hot) == []


def test_copy_goes_on_by_hand_where_the_kernel_cannot_copy(card, hot, monkeypatch):
    """Some file systems refuse after the first bytes."""
    calls = []

    def refuses(source, target, count, at, to):
        calls.append(count)
        if len(calls) > 1:
            raise OSError(errno.EXDEV, "across")
        os.pwrite(target, os.pread(source, 1000, at), to)
        return 1000

    monkeypatch.setattr(os, "copy_file_range", refuses)
    put(looked(card / "a.mov"), hot)

    assert len(calls) == 2
    assert (hot / "a.mov").read_bytes() == (card / "a.mov").read_bytes()


@pytest.mark.parametrize("knows_all", [True, False])
@pytest.mark.parametrize("files", [3, 40])
def test_every_file_is_synced_before_the_copy_gets_its_name(
    tmp_path, hot, monkeypatch, files, knows_all
):
    """By itself, or many by one call; where there is none, by themselves again."""
    (tmp_path / "CARD").mkdir()
    for number in range(files):
        (tmp_path / "CARD" / str(number)).write_bytes(b"x")
    calls, original = [], dropping.sync_all
    named = dropping.change_name

    def sync_all(descriptor):
        calls.append("all")
        return original(descriptor) if knows_all else False

    def fsync(descriptor):
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}").rpartition("/")[2])

    def change_name(*arguments, **keywords):
        calls.append("named")
        return named(*arguments, **keywords)

    monkeypatch.setattr(dropping, "sync_all", sync_all)
    monkeypatch.setattr(dropping, "change_name", change_name)
    monkeypatch.setattr(dropping.os, "fsync", fsync)
    put(looked(tmp_path / "CARD"), hot)

    before = calls[: calls.index("named")]
    synced = {call for call in before if call.isdigit()}
    assert ("all" in before) == (files == 40)
    assert synced == ({str(number) for number in range(files)} if files == 3 or not knows_all
                      else set())  # fmt: skip
    assert len(os.listdir(hot / "CARD")) == files


def test_copy_that_cannot_fit_is_refused_before_it_begins(tmp_path):
    """Nobody waits an hour for a full disk; what is sparse counts as what it would take."""
    top = tempfile.mkdtemp(prefix="masv-drop-", dir="/dev/shm")
    try:
        with (tmp_path / "vast.mov").open("wb") as vast:
            vast.truncate(8 << 40)

        def end(_size):
            # a copy that begins all the same must not fill the machine
            raise Enough

        with pytest.raises(CannotDrop, match=r"bytes free, and vast\.mov needs 8,796,093,022,208"):
            put(looked(tmp_path / "vast.mov"), Path(top), proceed=end)

        assert os.listdir(top) == []
    finally:
        shutil.rmtree(top)


def test_two_names_that_are_one_at_the_target_are_told(card, hot, monkeypatch):
    """A file system without case folds two files into one: neither is lost in silence."""
    (card / "A.MOV").write_bytes(b"other")
    original = os.open

    def folding(path, flags, *arguments, **keywords):
        is_made = flags & os.O_CREAT and isinstance(path, bytes)
        return original(path.lower() if is_made else path, flags, *arguments, **keywords)

    monkeypatch.setattr(dropping.os, "open", folding)
    with pytest.raises(CannotDrop, match="two names in CARD are one"):
        put(looked(card), hot)

    assert os.listdir(hot) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("link", "is a symbolic link"),
        ("fifo", "is a FIFO"),
        ("nothing", "is not there"),
    ],
)
def test_what_is_no_file_and_no_folder_is_refused(card, name, said):
    """Law 3: a link that is named is not followed either."""
    with pytest.raises(SourceUnreadable, match=said):
        looked(card / name)
