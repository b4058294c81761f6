"""One look at everything in a hot folder, on real files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from masv_watch.errors import SourceUnreadable
from masv_watch.files import Root
from masv_watch.files.trees import delete_tree
from masv_watch.model import Rule, To
from masv_watch.watch import scan
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import Tree
from masv_watch.watch.tops import Same

PLAIN = Rule(name="out", path=b"/srv/out", to=To(recipients=()))


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Give an empty hot folder."""
    folder = tmp_path / "hot"
    folder.mkdir()
    return folder


def swept(hot: Path, **more: object) -> dict[bytes, Tree]:
    """Sweep the hot folder once."""
    with Root.open(os.fsencode(hot)) as root:
        return {tree.top: tree for tree in scan.sweep(root, Matcher(PLAIN), **more)}  # type: ignore[arg-type]


def reasons(tree: Tree) -> dict[bytes, str]:
    """Give what a tree leaves out."""
    return {each.path: each.reason for each in tree.skipped}


def test_sweep_gives_each_top_with_its_whole_tree(hot: Path) -> None:
    """A folder comes with every file below it, a file with itself."""
    (hot / "CARD" / "sub").mkdir(parents=True)
    (hot / "CARD" / "a").write_bytes(b"1")
    (hot / "CARD" / "sub" / "b").write_bytes(b"22")
    (hot / "CARD" / "none" / "inner").mkdir(parents=True)
    (hot / "clip").write_bytes(b"333")
    trees = swept(hot)

    assert set(trees) == {b"CARD", b"clip"}
    assert {path for path, _ in trees[b"CARD"].files} == {b"CARD/a", b"CARD/sub/b"}
    assert trees[b"CARD"].size == 3
    assert len(trees[b"CARD"].folders) == 4
    assert trees[b"CARD"].empty_folders() == (b"CARD/none",)
    assert trees[b"clip"].kind == "file"
    assert [identity.size for _, identity in trees[b"clip"].files] == [3]


def test_sweep_skips_odd_entries_with_a_reason_and_goes_on(hot: Path) -> None:
    """A FIFO, a link or a loop is listed with its reason and stops nothing (faults 23, 26)."""
    (hot / "CARD").mkdir()
    os.mkfifo(hot / "CARD" / "pipe\n")
    (hot / "CARD" / "loop").symlink_to(".")
    (hot / "CARD" / "x.part").write_bytes(b"1")
    (hot / "CARD" / "fine").write_bytes(b"1")
    (hot / "lonely").symlink_to("nowhere")
    os.mkfifo(hot / "fifo")
    (hot / ".DS_Store").touch()
    trees = swept(hot)

    assert reasons(trees[b"CARD"]) == {
        b"CARD/pipe\n": "is a FIFO",
        b"CARD/loop": "is a symbolic link",
        b"CARD/x.part": "matches `*.part` of the built-in list",
    }
    assert [path for path, _ in trees[b"CARD"].files] == [b"CARD/fine"]
    assert {top for top, tree in trees.items() if tree.is_drop} == {b"CARD"}
    assert reasons(trees[b"lonely"]) == {b"lonely": "is a symbolic link"}
    assert "CARD/pipe\\n is a FIFO" in map(str, trees[b"CARD"].skipped)


def test_sweep_does_not_enter_ignored_folders(hot: Path) -> None:
    """What lies below an ignored folder is not even looked at."""
    (hot / "CARD" / "@eaDir").mkdir(parents=True)
    (hot / "CARD" / "@eaDir" / "thumb").touch()
    (hot / ".masv-trash" / "x").mkdir(parents=True)
    trees = swept(hot)

    assert list(reasons(trees[b"CARD"])) == [b"CARD/@eaDir"]
    assert trees[b"CARD"].files == ()
    assert not trees[b".masv-trash"].is_drop


def test_seen_of_a_tree_changes_with_anything_in_it(hot: Path) -> None:
    """Content, a new empty folder and a growing temporary file all restart the quiet time."""
    card = hot / "CARD"
    card.mkdir()
    (card / "a").write_bytes(b"1")
    fences, signatures = [], []
    steps = [
        lambda: None,
        lambda: (card / "a").write_bytes(b"22"),
        (card / "sub").mkdir,
        lambda: (card / "b.part").write_bytes(b"1"),
        lambda: (card / "b.part").write_bytes(b"333"),
        lambda: (card / "b.part").rename(card / "b"),
        (card / "b").unlink,
    ]
    for step in steps:
        step()
        seen = swept(hot)[b"CARD"].seen()
        fences.append(seen.fence)
        signatures.append(seen.signature)
    again = swept(hot)[b"CARD"].seen()

    assert len(set(fences)) == len(steps)
    assert signatures[1] == signatures[4]
    assert signatures[4] != signatures[5]
    assert again.fence == fences[-1]


def test_one_looks_again_at_a_single_entry(hot: Path) -> None:
    """A re-sample of one entry is the same look, and None when it is gone."""
    (hot / "CARD").mkdir()
    (hot / "CARD" / "a").touch()
    (tree,) = swept(hot).values()
    with Root.open(os.fsencode(hot)) as root:
        assert scan.one(root, b"CARD", Matcher(PLAIN)) == tree
        shutil.rmtree(hot / "CARD")
        assert scan.one(root, b"CARD", Matcher(PLAIN)) is None
        hot.rmdir()

        with pytest.raises(SourceUnreadable):
            scan.one(root, b"CARD", Matcher(PLAIN))


def test_sweep_of_a_removed_root_raises(hot: Path) -> None:
    """A root that is gone is no empty root (fault 8)."""
    with Root.open(os.fsencode(hot)) as root:
        hot.rmdir()

        with pytest.raises(SourceUnreadable):
            list(scan.sweep(root, Matcher(PLAIN)))


def test_sweep_of_a_root_removed_midway_raises(hot: Path) -> None:
    """A root that goes away while it is swept ends the sweep with an error, not with silence."""
    for name in "abc":
        (hot / name).mkdir()
        (hot / name / "f").touch()
    with Root.open(os.fsencode(hot)) as root:
        sweep = scan.sweep(root, Matcher(PLAIN))
        next(sweep)
        shutil.rmtree(hot)

        with pytest.raises(SourceUnreadable):
            list(sweep)


def test_sweep_reports_what_cannot_be_read_and_goes_on(
    hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be listed makes its own tree unreadable and no other (fault 29)."""
    for name in ("bad", "good"):
        (hot / name / "sub").mkdir(parents=True)
        (hot / name / "sub" / "f").touch()
    real = os.open

    def fails(path: object, flags: int, *args: object, **kwargs: object) -> int:
        descriptor = real(path, flags, *args, **kwargs)  # type: ignore[arg-type]
        if path == b"." and os.readlink(f"/proc/self/fd/{descriptor}").endswith("/bad/sub"):
            os.close(descriptor)
            raise PermissionError(13, "Permission denied")
        return descriptor

    monkeypatch.setattr(os, "open", fails)
    trees = swept(hot)

    assert [str(each) for each in trees[b"bad"].unreadable] == [
        "bad/sub cannot be read: Permission denied"
    ]
    assert trees[b"bad"].seen().unreadable
    assert trees[b"good"].unreadable == ()
    assert len(trees[b"good"].files) == 1


def test_sweep_of_a_thousand_levels_of_long_names_ends(hot: Path) -> None:
    """A tree far deeper than any path may be long is walked to its end, without recursion."""
    depth, name = 1000, b"n" * 255
    folder = os.open(hot, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        deeper = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open(b"f", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    began = time.process_time()
    (tree,) = swept(hot).values()
    took_s = time.process_time() - began
    with Root.open(os.fsencode(hot)) as root:
        seen = root.identify(tree.files[0][0])
    shutil.move(hot / os.fsdecode(name), hot / "d")
    with Root.open(os.fsencode(hot)) as root:
        delete_tree(root, b"d")

    assert len(tree.folders) == depth
    assert tree.files[0][1] == seen
    assert took_s < 20


def test_sweep_of_a_tree_over_budget_is_reported_and_goes_on(hot: Path) -> None:
    """A tree that would exhaust the memory is not sent, and stops no other."""
    (hot / "big").mkdir()
    for number in range(50):
        (hot / "big" / str(number)).touch()
    (hot / "small").touch()
    trees = swept(hot, budget=20)

    assert "more than the 20 entries" in str(trees[b"big"].unreadable[0])
    assert len(trees[b"big"].files) <= 21
    assert trees[b"small"].unreadable == ()


def test_sweep_stops_when_told(hot: Path) -> None:
    """A stop is noticed within a folder, and the unfinished tree is not given (pain 30)."""
    (hot / "big").mkdir()
    for number in range(50):
        (hot / "big" / str(number)).touch()
    looks = iter(range(1000))
    trees = swept(hot, stop=lambda: next(looks) > 20)

    assert trees == {}
    assert next(looks) < 30


@pytest.mark.fault(31)
def test_sweep_of_many_small_files_is_quick(hot: Path) -> None:
    """Twenty thousand files take seconds of work at most, one tree at a time."""
    for folder in range(20):
        (hot / f"d{folder}").mkdir()
        for number in range(1000):
            os.close(os.open(hot / f"d{folder}" / str(number), os.O_CREAT | os.O_WRONLY))
    began = time.process_time()
    trees = swept(hot)
    took_s = time.process_time() - began

    assert sum(len(tree.files) for tree in trees.values()) == 20_000
    assert took_s < 5


def varied(hot: Path) -> Path:
    """Make a card with everything in it that is sent, left out or still written."""
    card = hot / "CARD"
    (card / "sub" / "inner").mkdir(parents=True)
    (card / "a.mov").write_bytes(b"1")
    (card / "sub" / "b.mov").write_bytes(b"22")
    (card / "sub" / "inner" / "c.part").write_bytes(b"333")
    (card / "sub" / ".DS_Store").write_bytes(b"4")
    (card / "sub" / "secret").write_bytes(b"5")
    (card / "sub" / "secret").chmod(0o600)
    (card / "link").symlink_to("a.mov")
    os.mkfifo(card / "fifo")
    return card


def looked_again(hot: Path, fences: dict[bytes, str]) -> list[bytes]:
    """Sweep with what is known; give the tops that were not the same."""
    with Root.open(os.fsencode(hot)) as root:
        found = list(scan.changes(root, Matcher(PLAIN), known=fences.get))
    return [each.top for each in found if isinstance(each, Tree)]


CHANGES = {
    "rewritten": lambda card: (card / "a.mov").write_bytes(b"9"),
    "below": lambda card: (card / "sub" / "b.mov").write_bytes(b"99"),
    "temporary": lambda card: (card / "sub" / "inner" / "c.part").write_bytes(b"9"),
    "mode": lambda card: (card / "sub" / "secret").chmod(0o644),
    "added": lambda card: (card / "sub" / "inner" / "new").touch(),
    "removed": lambda card: (card / "sub" / "b.mov").unlink(),
    "renamed": lambda card: (card / "a.mov").rename(card / "b.mov"),
    "folder": lambda card: (card / "sub" / "inner").rename(card / "inner"),
    "emptied": lambda card: shutil.rmtree(card / "sub"),
    "replaced": lambda card: (shutil.rmtree(card), card.touch()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_gives_the_tree_of_what_changed_and_nothing_of_the_rest(
    hot: Path, change: str
) -> None:
    """What a look in full would show as another fence is never taken for the same."""
    card = varied(hot)
    (hot / "clip").write_bytes(b"1")
    (hot / "temp.part").touch()
    fences = {top: tree.fence for top, tree in swept(hot).items() if tree.is_drop}
    before = looked_again(hot, fences)
    CHANGES[change](card)

    assert before == [b"temp.part"]
    assert sorted(looked_again(hot, fences)) == [b"CARD", b"temp.part"]


def test_changes_of_an_entry_that_cannot_be_read_gives_its_tree(
    hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An equal fence says nothing about what could not be looked at."""
    varied(hot)
    monkeypatch.setattr(os, "access", lambda *_words, **_more: False)
    fences = {top: tree.fence for top, tree in swept(hot).items()}
    with Root.open(os.fsencode(hot)) as root:
        found = list(scan.changes(root, Matcher(PLAIN), known=fences.get))

    assert [str(each) for tree in found for each in tree.unreadable] == [
        "CARD/sub/secret cannot be examined: Permission denied"
    ]


def test_changes_of_a_loose_file_that_was_rewritten_gives_it(hot: Path) -> None:
    """A file at the top is compared as those in a folder are."""
    (hot / "clip").write_bytes(b"1")
    fences = {top: tree.fence for top, tree in swept(hot).items()}
    same = looked_again(hot, fences)
    (hot / "clip").write_bytes(b"2")

    assert (same, looked_again(hot, fences)) == ([], [b"clip"])


def test_changes_told_to_stop_gives_nothing_more(hot: Path) -> None:
    """A sweep that compares a folder of many files ends in the middle of it."""
    (hot / "CARD").mkdir()
    for number in range(2000):
        (hot / "CARD" / f"{number}").touch()
    fences = {top: tree.fence for top, tree in swept(hot).items()}
    asked = iter(range(10_000))
    with Root.open(os.fsencode(hot)) as root:
        found = list(
            scan.changes(root, Matcher(PLAIN), known=fences.get, stop=lambda: next(asked) > 3)
        )

    assert found == []
    assert next(asked) < 10


def test_folder_with_a_file_dated_beyond_the_columns_is_not_listed_again(hot: Path) -> None:
    """A glance and a look in full join the same numbers, whatever a camera's clock says."""
    (hot / "CARD").mkdir()
    for name, year_s in (("far", 13_569_465_600), ("near", 1_700_000_000)):
        (hot / "CARD" / name).write_bytes(b"1")
        os.utime(hot / "CARD" / name, (year_s, year_s))
    if (hot / "CARD" / "far").stat().st_mtime < 13_569_465_600:
        pytest.skip("this file system knows no such time")
    fence = swept(hot)[b"CARD"].fence
    with Root.open(os.fsencode(hot)) as root:
        (again,) = scan.changes(root, Matcher(PLAIN), known=lambda _top: fence)

    assert isinstance(again, Same)
