"""The kernel's queue of notifications, overflowed for real while nobody reads it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.inotify_c import InotifyFD

from masv_watch.watch.hints import Hints, Sight
from tests.flooding import flooded

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
    pytest.mark.fault(1),
]

Eventually = Callable[..., Any]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Give a second hot folder, in which nothing happens."""
    folder = tmp_path / "two"
    folder.mkdir()
    return folder


def arm(hints: Hints, name: str, folder: Path) -> None:
    """Arm a hot folder as intake does on each sweep."""
    assert hints.arm(name, os.fsencode(folder)).sight is Sight.EVENTS


def test_overflow_rings_every_hot_folder_and_has_each_swept_whole(
    hot: Path, two: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """All share one queue: nobody knows whose events were lost, and each time counts once."""
    arm(hints, "out", hot)
    arm(hints, "two", two)
    for times in (1, 2):
        rung.clear()
        with flooded(hints, hot):
            (two / "new" / f"lost{times}").mkdir(parents=True)
        eventually(lambda times=times: hints.overflows == times and rung.count("two") >= 2)

        assert "out" in rung
        assert hints.take_announced("two")[1]
        assert hints.take_announced("out")[1]
    # each folder is watched, though nobody heard that it came
    rung.clear()
    (two / "new" / "lost2" / "f").touch()
    eventually(lambda: "two" in rung)

    assert hints.take_announced("two")[0] == {b"new"}
    assert hints.overflows == 2
    assert hints.healthy()


def test_overflow_rings_once_more_when_all_is_watched_again(
    hot: Path, eventually: Eventually
) -> None:
    """The library takes its watches back and walks: what comes meanwhile is announced by nobody.

    Whatever a ring raises, the thread that tells of it reads for every hot folder.
    """
    seen: list[bool] = []

    def ring(_name: str) -> None:
        is_the_readers = isinstance(threading.current_thread(), InotifyFD)
        if is_the_readers:
            seen.append((hot / "between").exists())
            (hot / "between").touch()
            raise RuntimeError("no")

    hints = Hints(ring)
    arm(hints, "out", hot)
    with flooded(hints, hot):
        pass
    eventually(lambda: len(seen) >= 2)
    healthy = hints.healthy()
    hints.stop()

    assert seen == [False, True]
    assert healthy
    assert hints.failures == 2
