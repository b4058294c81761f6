"""What the real observer goes on watching: only folders in which there is something to find."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.files import Root, count_folders, held_notifications, remove
from masv_watch.model import After, Rule, To
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.spared import Spared, spared_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

Eventually = Callable[..., Any]


@pytest.fixture
def hints(hot: Path, rung: list[str]) -> Iterator[Hints]:
    """Give hints that listen to the hot folder."""
    made = Hints(rung.append)
    assert made.arm("out", os.fsencode(hot)).sight is Sight.EVENTS
    yield made
    made.stop()


def watched(hints: Hints) -> int:
    """Count the folders that the library watches; asked where its own count is taken from."""
    (armed,) = hints._armed.values()
    group = armed.emitter._inotify
    assert set(group._active_callbacks_by_path.values()) == set(group._active_callbacks_by_watch)
    return len(group._active_callbacks_by_watch)


def kernel_watches(hot: Path) -> int:
    """Count what the kernel watches for this process, other instances of the suite left out."""
    everybody = held_notifications().watches
    return everybody - held_notifications([os.fsencode(hot)]).watches


def card(hot: Path, name: str) -> Path:
    made = hot / name
    (made / "CLIP" / "A").mkdir(parents=True)
    (made / "CLIP" / "A" / "one.mxf").write_bytes(b"frame")
    return made


def test_folder_that_went_into_the_trash_is_watched_no_more(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """Every delivered source makes a bin of its own: a day of them reaches a limit."""
    for number in range(5):
        card(hot, f"card{number}")
    eventually(lambda: watched(hints) == 1 + 5 * 3)
    with Root.open(os.fsencode(hot)) as root:
        for number in range(5):
            path = b"card%d/CLIP/A/one.mxf" % number
            seen = root.observe(path)
            assert seen is not None
            assert seen.identity is not None
            remove(root, b"card%d" % number, {path: seen.identity})

    assert len(list((hot / ".masv-trash").iterdir())) == 5
    eventually(lambda: watched(hints) == 1)
    eventually(lambda: kernel_watches(hot) == 1)


def test_trash_that_stands_at_the_start_is_not_watched(tmp_path: Path) -> None:
    """After a restart the bins of a day are there at once."""
    hot = tmp_path / "hot"
    card(hot, ".masv-trash")
    card(hot, "own")
    hints = Hints(lambda _name: None)

    hints.arm("out", os.fsencode(hot))
    found = watched(hints)
    hints.stop()

    assert found == 1 + 3


def archiving(hot: Path) -> Spared:
    """Give what a rule spares that moves delivered sources below its root."""
    moves = After(delivered="move", move_to="{root}/_sent/{date}/{name}")
    return spared_of(Rule(name="out", path=os.fsencode(hot), to=To(recipients=()), after=moves))


def test_folder_that_delivered_sources_are_moved_to_is_not_watched(
    tmp_path: Path, rung: list[str], eventually: Eventually
) -> None:
    """An archive of years has thousands of folders: neither those there nor what comes is heard."""
    hot = tmp_path / "hot"
    card(hot, "_sent/2026-01-01")
    # its name alone is taken, in the root alone
    for name in ("own", "_sent too", "deep/_sent"):
        card(hot, name)
    spared, hints = archiving(hot), Hints(rung.append)
    with Root.open(os.fsencode(hot)) as root:
        counted = count_folders(
            root, most=100, until=1.0, monotonic=lambda: 0.0, spares=spared.has
        ).folders

    assert hints.arm("out", os.fsencode(hot), spared=spared).sight is Sight.EVENTS
    try:
        assert watched(hints) == counted == 1 + 3 + 3 + 4
        assert not hints.note_folders("out", counted)
        (hot / "_sent" / "2026-01-02").mkdir()
        (hot / "own").rename(hot / "_sent" / "2026-01-02" / "own")
        eventually(lambda: watched(hints) == kernel_watches(hot) == counted - 3)
        # one that gets the name where it stands is heard no more, and told of
        (hot / "_sent").rename(tmp_path / "elsewhere")
        rung.clear()
        (hot / "_sent too").rename(hot / "_sent")
        eventually(lambda: watched(hints) == kernel_watches(hot) == counted - 6)
        eventually(lambda: rung)
        assert not _rings_by(rung, hot / "_sent" / "CLIP" / "A" / "two")
        assert _rings_by(rung, hot / "deep" / "_sent" / "CLIP" / "A" / "two")
    finally:
        hints.stop()


def test_rule_that_names_another_folder_has_the_root_listened_to_anew(
    tmp_path: Path, eventually: Eventually
) -> None:
    """After a reload what was an archive is a folder as any other."""
    hot = tmp_path / "hot"
    card(hot, "_sent")
    hints = Hints(lambda _name: None)

    hints.arm("out", os.fsencode(hot), spared=archiving(hot))
    first = watched(hints)
    hints.arm("out", os.fsencode(hot))
    second = watched(hints)
    hints.stop()

    assert (first, second) == (1, 4)


def test_folder_that_was_moved_away_is_watched_no_more(
    hot: Path, hints: Hints, rung: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    """Its changes elsewhere are none of ours; a new folder of its name is watched as any other."""
    card(hot, "card")
    eventually(lambda: watched(hints) == 4)
    (hot / "card").rename(tmp_path / "elsewhere")
    card(hot, "card")

    eventually(lambda: watched(hints) == 4 and kernel_watches(hot) == 4)
    eventually(lambda: not _rings_by(rung, tmp_path / "elsewhere" / "CLIP" / "A" / "two"))
    eventually(lambda: _rings_by(rung, hot / "card" / "CLIP" / "A" / "two"))


def test_folder_that_was_moved_within_or_came_back_is_watched_on(
    hot: Path, hints: Hints, rung: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    """A new name is no departure, and who is back within the moment never left."""
    card(hot, "card")
    card(hot, "other")
    eventually(lambda: watched(hints) == 7)
    (hot / "card").rename(hot / "renamed")
    (hot / "other").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(hot / "other")
    # the library tells of a departure after half a second; its own end is what is waited for
    (hot / "last").mkdir()
    (hot / "last").rename(tmp_path / "last")
    eventually(lambda: watched(hints) == 7)

    for name in ("renamed", "other"):
        eventually(lambda: _rings_by(rung, hot / name / "CLIP" / "A" / "two"))  # noqa: B023
    # on a busy machine the kernel's side of it comes later
    eventually(lambda: kernel_watches(hot) == watched(hints) == 7)


def _rings_by(rung: list[str], path: Path) -> bool:
    """Say whether a new file is told of; what came before it is let go by first."""
    path.unlink(missing_ok=True)
    before = -1
    while before != len(rung):
        before = len(rung)
        _pause()
    rung.clear()
    path.touch()
    for _ in range(10):
        _pause()
        if rung:
            return True
    return False


def _pause() -> None:
    threading.Event().wait(0.1)
