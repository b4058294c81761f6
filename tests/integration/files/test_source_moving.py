"""What becomes of delivered sources, on real files and across two real file systems."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch.errors import CannotMove, SourceChanged, SourceVanished
from masv_watch.files import Root, empty_trash, find_moved, move, moving, remove, trees
from masv_watch.model import UNKEPT_CTIME_NS, UNKEPT_INODE, Identity


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Give a hot folder with one loose file and one folder of several."""
    return filled(tmp_path / "hot")


def filled(folder: Path) -> Path:
    """Make a hot folder with one loose file and one folder of several."""
    (folder / "CARD" / "sub" / "deep").mkdir(parents=True)
    (folder / "CARD" / "a").write_bytes(b"a" * 3_000_000)
    (folder / "CARD" / "sub" / "b\n\udcff").write_bytes(b"b")
    (folder / "CARD" / "sub" / "deep" / "empty").touch()
    (folder / "CARD" / "link").symlink_to("a")
    (folder / "clip.mov").write_bytes(b"clip")
    return folder


@pytest.fixture
def root(hot: Path) -> Iterator[Root]:
    """Give the hot folder, open."""
    with Root.open(os.fsencode(hot)) as opened:
        yield opened


@pytest.fixture(params=["same", "other"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a target on the same file system, and one on another."""
    if request.param == "same":
        yield tmp_path / "archive" / "2026"
        return
    place = _other_file_system(tmp_path)
    top = tempfile.mkdtemp(prefix="masv-archive-", dir=place)
    yield Path(top) / "2026"
    shutil.rmtree(top)


def _other_file_system(tmp_path: Path) -> str:
    for place in ("/dev/shm", "/tmp", str(Path.home())):
        if os.path.isdir(place) and os.stat(place).st_dev != os.stat(tmp_path).st_dev:
            return place
    raise AssertionError("this test needs a second file system, such as /dev/shm")


def delivered(hot: Path, top: str) -> dict[bytes, Identity]:
    """Give every regular file of a drop with its identity."""
    with Root.open(os.fsencode(hot)) as root:
        return {
            path: entry.identity
            for path, entry in trees.survey(root, os.fsencode(top)).items()
            if entry.kind == "file" and entry.identity
        }


def content(folder: Path) -> dict[str, bytes | str]:
    """Give everything in a folder: bytes of files, targets of links."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("top", ["clip.mov", "CARD"])
@pytest.mark.fault(33)
def test_move_brings_everything_and_leaves_nothing(
    hot: Path, root: Root, archive: Path, top: str
) -> None:
    """A delivered file or folder arrives whole, with its times, and its source is gone."""
    before = content(hot / top) if top == "CARD" else (hot / top).read_bytes()
    expected = delivered(hot, top)
    times = {os.fsdecode(path): each.mtime_ns for path, each in expected.items()}
    target = archive / top
    done = move(root, os.fsencode(top), os.fsencode(target), expected=expected)

    assert done.target == os.fsencode(target)
    assert done.how == ("renamed" if os.stat(archive).st_dev == root.identity[0] else "copied")
    assert (content(target) if top == "CARD" else target.read_bytes()) == before
    assert not (hot / top).exists()
    assert os.listdir(archive) == [top]
    for name, mtime_ns in times.items():
        assert os.stat(archive / name).st_mtime_ns == mtime_ns


@pytest.mark.parametrize(
    ("top", "second", "third"),
    [("clip.mov", "clip (2).mov", "clip (3).mov"), ("CARD", "CARD (2)", "CARD (3)")],
)
def test_move_to_a_taken_name_counts_on(
    hot: Path, root: Root, archive: Path, top: str, second: str, third: str
) -> None:
    """Nothing in the archive is ever overwritten, not even an empty folder or a dangling link."""
    archive.mkdir(parents=True)
    if top == "CARD":
        (archive / top).mkdir()
    else:
        (archive / top).write_bytes(b"older")
    (archive / second).symlink_to("nowhere")
    done = move(root, os.fsencode(top), os.fsencode(archive / top), expected=delivered(hot, top))

    assert done.target == os.fsencode(archive / third)
    assert sorted(os.listdir(archive)) == sorted([top, second, third])
    assert (archive / second).is_symlink()


@pytest.mark.parametrize("how", ["move", "remove"])
@pytest.mark.parametrize("change", ["added", "changed", "missing", "restored"])
def test_a_folder_that_is_not_as_delivered_stays(
    hot: Path, root: Root, archive: Path, how: str, change: str
) -> None:
    """An added, changed, missing or silently rewritten file keeps the whole folder (section 5)."""
    expected = delivered(hot, "CARD")
    if change == "added":
        (hot / "CARD" / "sub" / "late").touch()
    elif change == "changed":
        (hot / "CARD" / "a").write_bytes(b"x")
    elif change == "missing":
        (hot / "CARD" / "a").unlink()
    else:
        seen = os.stat(hot / "CARD" / "a")
        while os.stat(hot / "CARD" / "a").st_ctime_ns == seen.st_ctime_ns:
            (hot / "CARD" / "a").write_bytes(b"z" * 3_000_000)
            os.utime(hot / "CARD" / "a", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    before = content(hot)

    act = {
        "move": lambda: move(root, b"CARD", os.fsencode(archive / "CARD"), expected=expected),
        "remove": lambda: remove(root, b"CARD", expected),
    }
    with pytest.raises(SourceChanged):
        act[how]()
    assert content(hot) == before
    assert not archive.exists() or os.listdir(archive) == []


def test_a_file_that_the_caller_ignores_goes_along(hot: Path, root: Root, archive: Path) -> None:
    """A `.DS_Store` that was never sent does not keep a delivered folder for ever."""
    expected = delivered(hot, "CARD")
    (hot / "CARD" / ".DS_Store").write_bytes(b"finder")
    move(
        root,
        b"CARD",
        os.fsencode(archive / "CARD"),
        expected=expected,
        ignored=lambda path, _size: path.endswith(b"/.DS_Store"),
    )

    assert (archive / "CARD" / ".DS_Store").read_bytes() == b"finder"
    assert not (hot / "CARD").exists()


@pytest.mark.parametrize("top", ["clip.mov", "CARD"])
def test_move_repeated_recognises_the_result(
    hot: Path, root: Root, archive: Path, top: str
) -> None:
    """The same call after its result was lost finds the target and moves nothing."""
    expected, target = delivered(hot, top), os.fsencode(archive / top)
    first = move(root, os.fsencode(top), target, expected=expected)
    again = move(root, os.fsencode(top), target, expected=expected)

    assert again.target == first.target
    assert again.how == "recognised"
    assert find_moved(root, os.fsencode(top), target, expected=expected) == first.target
    assert os.listdir(archive) == [top]


def test_move_of_what_is_nowhere_is_vanished(hot: Path, root: Root, archive: Path) -> None:
    """Neither source nor target: lost, which only a person can judge."""
    expected = delivered(hot, "CARD")
    shutil.rmtree(hot / "CARD")

    with pytest.raises(SourceVanished):
        move(root, b"CARD", os.fsencode(archive / "CARD"), expected=expected)
    assert find_moved(root, b"CARD", os.fsencode(archive / "CARD"), expected=expected) is None


class Killed(BaseException):
    """Stands for the end of the process at one moment."""


class Killer:
    """Ends the process at one call of the operating system, counted; a dead one does no more."""

    CALLS = ("link", "unlink", "rename", "mkdir", "rmdir", "symlink", "fsync", "utime", "write")

    def __init__(self, at: int, *, done: bool) -> None:
        self.at = at
        self.done = done
        self.calls = 0
        self.dead = False

    def deadly(self, real: Callable[..., object]) -> Callable[..., object]:
        """Wrap one call: it is done or not done when the process ends there."""

        def call(*args: object, **kwargs: object) -> object:
            if self.dead:
                raise Killed
            self.calls += 1
            if self.calls != self.at:
                return real(*args, **kwargs)
            self.dead = True
            if self.done:
                real(*args, **kwargs)
            raise Killed

        return call


@pytest.mark.parametrize("top", ["clip.mov", "CARD"])
@pytest.mark.parametrize("done", [False, True])
def test_move_killed_at_any_call_is_finished_by_the_next(
    tmp_path: Path, archive: Path, top: str, done: bool
) -> None:
    """Wherever a crash falls, the next call ends with one whole target and no source."""
    for number in range(1, 200):
        hot, place = filled(tmp_path / f"hot{number}"), archive / str(number)
        before = content(hot)
        expected, target = delivered(hot, top), os.fsencode(place / top)
        killer = Killer(number, done=done)
        with pytest.MonkeyPatch.context() as patch, Root.open(os.fsencode(hot)) as root:
            for name in Killer.CALLS:
                patch.setattr(os, name, killer.deadly(getattr(os, name)))
            with suppress(Killed):
                move(root, os.fsencode(top), target, expected=expected)
        with Root.open(os.fsencode(hot)) as root:
            finished = move(root, os.fsencode(top), target, expected=expected)
        after = content(place)

        assert finished.target == target
        assert os.listdir(place) == [top]
        assert {name: each for name, each in before.items() if name.startswith(top)} == after
        assert not (hot / top).exists()
        if not killer.dead:
            break
    assert number > 2


def test_move_without_hard_links_still_never_overwrites(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system has no hard links, the name is reserved before the rename."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "clip.mov").write_bytes(b"older")

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    target = os.fsencode(tmp_path / "to" / "clip.mov")
    done = move(root, b"clip.mov", target, expected=delivered(hot, "clip.mov"))

    assert done.target == os.fsencode(tmp_path / "to" / "clip (2).mov")
    assert content(tmp_path / "to") == {"clip.mov": b"older", "clip (2).mov": b"clip"}
    assert not (hot / "clip.mov").exists()


def test_move_puts_back_what_changed_at_the_last_moment(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that arrives between the look and the rename brings the whole folder back."""
    expected, rename = delivered(hot, "CARD"), os.rename

    def late(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(os, "rename", rename)
        (hot / "CARD" / "late").write_bytes(b"late")
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", late)

    with pytest.raises(SourceChanged, match="late"):
        move(root, b"CARD", os.fsencode(tmp_path / "to" / "CARD"), expected=expected)
    assert (hot / "CARD" / "late").read_bytes() == b"late"
    assert (hot / "CARD" / "a").exists()
    assert os.listdir(tmp_path / "to") == []


def test_move_to_another_file_system_keeps_what_arrives_meanwhile(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that comes while the sources are removed is never removed with them."""
    top = tempfile.mkdtemp(prefix="masv-archive-", dir=_other_file_system(tmp_path))
    expected, real = delivered(hot, "CARD"), moving.remove_sources

    def late(*args: object) -> None:
        (hot / "CARD" / "sub" / "late").write_bytes(b"late")
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "remove_sources", late)
    move(root, b"CARD", os.fsencode(top) + b"/CARD", expected=expected)
    left = content(hot / "CARD")
    shutil.rmtree(top)

    assert left == {"sub/late": b"late"}


def test_move_to_another_file_system_keeps_what_changes_meanwhile(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source is removed only while it still is the delivered one (section 10)."""
    top = tempfile.mkdtemp(prefix="masv-archive-", dir=_other_file_system(tmp_path))
    expected, real = delivered(hot, "clip.mov"), moving.remove_sources

    def late(*args: object) -> None:
        (hot / "clip.mov").write_bytes(b"newer")
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "remove_sources", late)
    with pytest.raises(SourceChanged):
        move(root, b"clip.mov", os.fsencode(top) + b"/clip.mov", expected=expected)
    shutil.rmtree(top)

    assert (hot / "clip.mov").read_bytes() == b"newer"


def test_move_on_a_share_that_keeps_neither_inode_nor_change_time_goes_by_the_rest(
    hot: Path, root: Root, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not kept when it was delivered proves nothing later (behaviour 3)."""
    kept = {"inode": UNKEPT_INODE, "ctime_ns": UNKEPT_CTIME_NS}
    expected = {at: replace(each, **kept) for at, each in delivered(hot, "CARD").items()}
    before, real = content(hot / "CARD"), trees.content_hash

    def drifting(*args: object) -> str:
        for path in (hot / "CARD").rglob("*"):
            if path.is_file():
                path.chmod(0o640)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(trees, "content_hash", drifting)
    moved = move(root, b"CARD", os.fsencode(archive / "CARD"), expected=expected)

    assert content(Path(os.fsdecode(moved.target))) == before
    assert not (hot / "CARD").exists()


def test_move_to_a_target_that_cannot_be_used_leaves_the_source(
    hot: Path, root: Root, tmp_path: Path
) -> None:
    """A file where a folder is needed, or a link below the root, is CannotMove (fault 33)."""
    (tmp_path / "file").write_text("x")
    (hot / "_sent").symlink_to(tmp_path)
    expected = delivered(hot, "clip.mov")

    for target in (tmp_path / "file" / "clip.mov", hot / "_sent" / "clip.mov"):
        with pytest.raises(CannotMove):
            move(root, b"clip.mov", os.fsencode(target), expected=expected)
    assert (hot / "clip.mov").read_bytes() == b"clip"
    assert not (tmp_path / "clip.mov").exists()


def test_move_to_a_full_file_system_cleans_up_and_leaves_the_source(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full target keeps the source and gives the room back (fault 33)."""
    top = tempfile.mkdtemp(prefix="masv-archive-", dir=_other_file_system(tmp_path))
    expected, before = delivered(hot, "CARD"), content(hot)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CannotMove, match="make room"):
        move(root, b"CARD", os.fsencode(top) + b"/CARD", expected=expected)
    left = os.listdir(top)
    shutil.rmtree(top)

    assert left == []
    assert content(hot) == before


def test_move_below_the_root_makes_its_folders(hot: Path, root: Root) -> None:
    """An archive inside the hot folder is made on the first move."""
    target = hot / "_sent" / "2026-11-23" / "CARD"
    done = move(root, b"CARD", os.fsencode(target), expected=delivered(hot, "CARD"))

    assert done.how == "renamed"
    assert (target / "a").exists()


def test_move_names_of_the_longest_kind_are_cut_to_fit(
    hot: Path, root: Root, archive: Path
) -> None:
    """A number is added to a name of 255 bytes too, and no letter is cut in half."""
    name = "\u00e9" * 125 + "x.mov"
    (hot / name).write_bytes(b"new")
    archive.mkdir(parents=True)
    (archive / name).write_bytes(b"older")
    done = move(
        root,
        os.fsencode(name),
        os.fsencode(archive / name),
        expected=delivered(hot, name),
    )

    assert done.target.endswith(b" (2).mov")
    assert len(os.path.basename(done.target)) <= 255
    assert Path(os.fsdecode(done.target)).read_bytes() == b"new"


@pytest.mark.parametrize("top", ["clip.mov", "CARD"])
def test_remove_puts_into_the_trash_and_empties_it_later(hot: Path, root: Root, top: str) -> None:
    """A wrong rule can be undone for a day; after that the bytes are gone."""
    (hot / "CARD" / "link").unlink()
    (hot / "CARD" / "nothing").mkdir()
    expected = delivered(hot, top)
    done = remove(root, os.fsencode(top), expected)
    again = remove(root, os.fsencode(top), expected)
    now = os.stat(os.path.dirname(done.target)).st_mtime

    assert done.how == "trashed"
    assert again.how == "recognised"
    assert again.target == done.target
    assert os.path.exists(done.target)
    assert not (hot / top).exists()
    assert (hot / ".masv-trash").stat().st_mode & 0o777 == 0o700
    assert empty_trash(root, 60, now + 59) == moving.Emptied(kept=1)
    assert os.path.exists(done.target)
    assert empty_trash(root, 60, now + 61) == moving.Emptied(removed=1)
    assert os.listdir(hot / ".masv-trash") == []


@pytest.mark.parametrize("what", ["link", "FIFO", "socket"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_remove_of_a_folder_with_what_was_never_sent_touches_nothing(
    hot: Path, root: Root, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    """A link, a FIFO or a socket was not delivered, so that it is not deleted (P5)."""
    (hot / "CARD" / "link").unlink()
    expected, rename = delivered(hot, "CARD"), os.rename
    made = hot / "CARD" / "sub" / "never sent"

    def make() -> None:
        if what == "link":
            made.symlink_to("a")
        elif what == "FIFO":
            os.mkfifo(made)
        else:
            os.mknod(made, 0o600 | stat.S_IFSOCK)

    def late(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(os, "rename", rename)
        make()
        rename(*args, **kwargs)  # type: ignore[arg-type]

    if when == "before":
        make()
    else:
        monkeypatch.setattr(os, "rename", late)
    with pytest.raises(SourceChanged, match=r"sub/never sent is .* not delivered"):
        remove(root, b"CARD", expected)

    assert os.path.lexists(made)
    assert (hot / "CARD" / "a").exists()
    # what was seen beforehand is not even moved away for a moment
    assert (hot / ".masv-trash").exists() == (when == "meanwhile")


def test_move_to_another_file_system_refuses_what_cannot_be_copied(hot: Path, root: Root) -> None:
    """A FIFO is not left behind in a folder that looks like a new drop; the source stays."""
    top = tempfile.mkdtemp(prefix="masv-archive-", dir=_other_file_system(hot))
    os.mkfifo(hot / "CARD" / "sub" / "pipe")
    expected, before = delivered(hot, "CARD"), sorted(hot.rglob("*"))
    with pytest.raises(CannotMove, match=r"sub/pipe is a FIFO"):
        move(root, b"CARD", os.fsencode(top) + b"/CARD", expected=expected)
    left = os.listdir(top)
    shutil.rmtree(top)

    assert left == []
    assert sorted(hot.rglob("*")) == before


def test_remove_after_the_trash_was_emptied_is_vanished(hot: Path, root: Root) -> None:
    """What is neither in place nor in the trash is reported, not taken for done."""
    expected = delivered(hot, "clip.mov")
    remove(root, b"clip.mov", expected)
    empty_trash(root, 0, 4e9)

    with pytest.raises(SourceVanished):
        remove(root, b"clip.mov", expected)


def test_remove_with_a_link_for_a_trash_touches_nothing(
    hot: Path, root: Root, tmp_path: Path
) -> None:
    """A `.masv-trash` that leads elsewhere is not used."""
    (tmp_path / "elsewhere").mkdir()
    (hot / ".masv-trash").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Exception, match="symbolic link"):
        remove(root, b"clip.mov", delivered(hot, "clip.mov"))
    assert (hot / "clip.mov").exists()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_empty_trash_of_a_very_deep_tree_removes_it(hot: Path, root: Root) -> None:
    """A tree of a thousand levels is removed without recursion, beyond any path length."""
    folder = os.open(hot, os.O_RDONLY)
    for name in ["deep", *["d" * 100] * 1000]:
        os.mkdir(name, dir_fd=folder)
        above, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(above)
    os.close(folder)
    (hot / "deep" / "f").touch()
    remove(root, b"deep", delivered(hot, "deep"))

    assert empty_trash(root, 0, 4e9) == moving.Emptied(removed=1)
