"""Notifications as hints, with the real observer."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import DirDeletedEvent
from watchdog.observers.api import BaseObserver

from masv_watch.files import Root, held_notifications
from masv_watch.watch.hints import Hints, Sight

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

Eventually = Callable[..., Any]


def identity(folder: Path) -> tuple[int, int]:
    """Give the identity of a root."""
    with Root.open(os.fsencode(folder)) as root:
        return root.identity


def arm(hints: Hints, hot: Path) -> Sight:
    """Arm a hot folder as intake does on each sweep."""
    return hints.arm("out", os.fsencode(hot), identity=identity(hot)).sight


def test_hints_ring_for_a_change_below_and_not_for_a_look(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """A new file rings, also in a new folder; our own sweeps and reads ring for nothing."""
    assert arm(hints, hot) is Sight.EVENTS
    (hot / "a" / "b").mkdir(parents=True)
    (hot / "a" / "sent").write_text("x")
    eventually(lambda: rung)
    eventually(lambda: not _rings_within(rung, 1.0))
    list(os.scandir(hot / "a"))
    (hot / "a" / "sent").read_text()

    assert not _rings_within(rung, 0.3)
    (hot / "a" / "b" / "f").write_text("x")
    eventually(lambda: "out" in rung)
    assert hints.healthy()


def test_hints_of_a_growing_file_ring_once_it_is_closed(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """A recorder that writes all day must not have its folder swept all day."""
    arm(hints, hot)
    with (hot / "recording").open("wb", buffering=0) as file:
        eventually(lambda: rung)
        eventually(lambda: not _rings_within(rung, 1.0))
        for _ in range(20):
            file.write(b"x")
        rings = _rings_within(rung, 0.3)

    assert not rings
    eventually(lambda: rung)


def _rings_within(rung: list[str], seconds: float) -> bool:
    rung.clear()
    threading.Event().wait(seconds)
    return bool(rung)


def test_hints_of_a_root_behind_a_link_ring(
    hot: Path, hints: Hints, rung: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    """A root may be a link: what is watched is the folder behind it."""
    (tmp_path / "link").symlink_to(hot)
    hints.arm("out", os.fsencode(tmp_path / "link"))
    (hot / "f").touch()

    eventually(lambda: rung)


def test_hints_survive_a_ring_that_raises(hot: Path, eventually: Eventually) -> None:
    """An exception in the handler would end the dispatcher for every hot folder (measured)."""
    rings: list[str] = []

    def broken(name: str) -> None:
        rings.append(name)
        raise RuntimeError("no")

    hints = Hints(broken)
    arm(hints, hot)
    (hot / "a").touch()
    eventually(lambda: rings)
    rings.clear()
    (hot / "b").touch()
    eventually(lambda: rings)
    healthy, failures = hints.healthy(), hints.failures
    hints.stop()

    assert healthy
    assert failures >= 2


@pytest.mark.fault(6)
def test_hints_of_a_recreated_root_are_armed_anew(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """The observer forgets a removed folder for ever; the next sweep arms the new one."""
    arm(hints, hot)
    hot.rmdir()
    eventually(lambda: not hints.healthy())
    hot.mkdir()
    assert arm(hints, hot) is Sight.EVENTS
    rung.clear()
    (hot / "f").touch()

    eventually(lambda: rung)
    assert hints.healthy()


@pytest.mark.fault(6)
def test_hints_tell_a_deleted_root_from_one_that_was_moved_away(
    hot: Path, hints: Hints, tmp_path: Path, rung: list[str], eventually: Eventually
) -> None:
    """Only a folder that was deleted may be made anew without being another one."""
    arm(hints, hot)
    hot.rename(tmp_path / "away")
    (tmp_path / "away" / "f").touch()
    eventually(lambda: rung)
    moved = hints.was_removed("out")
    shutil.rmtree(tmp_path / "away")
    # the word of that end is about the watch of before: it is heard out before the next one
    eventually(lambda: hints.was_removed("out"))
    hot.mkdir()
    arm(hints, hot)
    hot.rmdir()
    eventually(lambda: hints.was_removed("out"))
    hot.mkdir()
    arm(hints, hot)

    assert not moved
    assert not hints.was_removed("out")


@pytest.mark.fault(7)
def test_hints_of_another_root_at_the_path_are_armed_anew(
    hot: Path, hints: Hints, rung: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    """The observer keeps reporting the old folder; another identity arms the new one."""
    arm(hints, hot)
    hot.rename(tmp_path / "old")
    hot.mkdir()
    arm(hints, hot)
    eventually(lambda: not _rings_within(rung, 0.2))
    (hot / "f").touch()
    eventually(lambda: rung)
    eventually(lambda: not _rings_within(rung, 0.2))
    (tmp_path / "old" / "f").touch()

    assert not _rings_within(rung, 0.3)


def test_hints_armed_again_for_the_same_root_change_nothing(hot: Path, hints: Hints) -> None:
    """Arming on every sweep costs nothing and starts no threads."""
    arm(hints, hot)
    before = {thread.ident for thread in threading.enumerate()}
    for _ in range(5):
        assert arm(hints, hot) is Sight.EVENTS

    assert {thread.ident for thread in threading.enumerate()} == before


class Refusing:
    """An observer on a machine at one of its limits."""

    daemon = True

    def __init__(self, number: int) -> None:
        self._number = number

    def start(self) -> None:
        """Refuse as the kernel does."""
        raise OSError(self._number, os.strerror(self._number))

    def is_alive(self) -> bool:
        """Never run."""
        return False

    def stop(self) -> None:
        """Have nothing to stop."""


@pytest.mark.fault(3)
@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "sysctl fs.inotify.max_user_watches="),
        (errno.EMFILE, "sysctl fs.inotify.max_user_instances="),
    ],
)
def test_a_kernel_limit_is_degraded_with_the_exact_line(
    hot: Path, rung: list[str], number: int, line: str
) -> None:
    """At a limit the daemon starts all the same, sweeps, and says what to raise."""
    hints = Hints(rung.append, new_observer=lambda: Refusing(number))  # type: ignore[arg-type]
    mode = hints.arm("out", os.fsencode(hot))
    healthy = hints.healthy()
    hints.stop()

    assert mode.sight is Sight.DEGRADED
    assert line in mode.why
    assert not healthy


def test_a_missing_root_is_degraded_and_armed_when_it_comes(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """A hot folder that is missing at start is no error, and is heard once it is there."""
    hot.rmdir()
    assert hints.arm("out", os.fsencode(hot)).sight is Sight.DEGRADED
    hot.mkdir()
    assert arm(hints, hot) is Sight.EVENTS
    (hot / "f").touch()

    eventually(lambda: rung)


@pytest.mark.fault(10)
def test_a_disk_that_hangs_while_it_is_armed_keeps_no_other_from_being_armed_and_heard(
    hot: Path, tmp_path: Path, rung: list[str], eventually: Eventually
) -> None:
    """The library walks a root under the lock of all; the walk of one is no matter of others."""
    from watchdog.observers import Observer
    from watchdog.observers.inotify import InotifyEmitter

    hangs, answers = threading.Event(), threading.Event()

    class Hanging(InotifyEmitter):
        """Walks as the library does, once the disk answers."""

        def on_thread_start(self) -> None:
            if self.watch.path.endswith("slow"):
                hangs.set()
                answers.wait(60)
            super().on_thread_start()

    def observer() -> Any:
        made = Observer()
        vars(made)["_emitter_class"] = Hanging
        return made

    slow, proc = tmp_path / "slow", tmp_path / "proc"
    slow.mkdir()
    proc.mkdir()
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    before = held_notifications(proc=os.fsencode(proc)).watches
    hints = Hints(rung.append, new_observer=observer)
    arming = threading.Thread(target=hints.arm, args=("slow", os.fsencode(slow)), daemon=True)
    arming.start()
    assert hangs.wait(30)
    try:
        mode, meanwhile = arm(hints, hot), hints.mode("slow").sight
        (hot / "f").touch()
        eventually(lambda: "out" in rung)
        # a reload can even take the one away that hangs
        hints.disarm("slow")
    finally:
        answers.set()
    arming.join(30)
    rung.clear()
    (slow / "f").touch()
    (hot / "g").touch()
    eventually(lambda: "out" in rung)
    after = held_notifications(proc=os.fsencode(proc)).watches
    hints.stop()

    assert (mode, meanwhile) == (Sight.EVENTS, Sight.OFF)
    assert after == before + 1
    assert "slow" not in rung


def test_a_network_file_system_is_not_armed(hot: Path, rung: list[str]) -> None:
    """Where others' changes are unseen nothing is armed, and that counts as healthy."""
    hints = Hints(rung.append, kind_of=lambda _: "network")
    mode = hints.arm("out", os.fsencode(hot))
    (hot / "f").touch()
    silent = not _rings_within(rung, 0.3)
    healthy = hints.healthy()
    hints.stop()

    assert mode.sight is Sight.BLIND
    assert silent
    assert healthy


@pytest.mark.fault(4)
def test_a_dead_reader_thread_is_noticed_and_replaced(
    hot: Path, hints: Hints, rung: list[str], eventually: Eventually
) -> None:
    """The thread that reads can die while the others look alive; the next sweep replaces it."""
    from watchdog.observers.inotify_c import InotifyFD

    before = {each for each in threading.enumerate() if isinstance(each, InotifyFD)}
    arm(hints, hot)
    (reader,) = {each for each in threading.enumerate() if isinstance(each, InotifyFD)} - before
    reader.stop()
    reader.join(60)
    assert not hints.healthy()
    assert arm(hints, hot) is Sight.EVENTS
    rung.clear()
    (hot / "f").touch()

    eventually(lambda: rung)
    assert hints.healthy()


def test_the_observers_warning_storm_never_ends_its_reader(
    hot: Path, rung: list[str], eventually: Eventually
) -> None:
    """With warnings as errors a burst of new folders would blind the observer (measured)."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hints = Hints(rung.append)
        arm(hints, hot)
        for number in range(100):
            (hot / f"a{number}" / "b" / "c").mkdir(parents=True)
            (hot / f"a{number}" / "b" / "c" / "f").touch()
        eventually(lambda: rung)
        eventually(lambda: not _rings_within(rung, 0.2))
        healthy = hints.healthy()
        (hot / "last").touch()
        eventually(lambda: rung)
        hints.stop()

    assert healthy


def test_mode_of_what_is_not_armed_is_off(hot: Path, hints: Hints) -> None:
    """A disarmed hot folder is off, and disarming twice or after its folder went is fine."""
    arm(hints, hot)
    shutil.rmtree(hot)
    hints.disarm("out")
    hints.disarm("out")

    assert hints.mode("out").sight is Sight.OFF


@pytest.mark.fault(6)
def test_late_word_of_the_end_of_an_earlier_root_says_nothing_about_the_next(
    hot: Path, hints: Hints
) -> None:
    """It waits in the observer's queue while the next root is armed at the same path."""
    hints.arm("out", os.fsencode(hot), identity=(1, 1))
    earlier = hints._armed["out"].handler
    hints.arm("out", os.fsencode(hot), identity=(1, 2))
    later = hints._armed["out"].handler
    assert earlier is not None
    assert later is not None
    end = DirDeletedEvent(os.fspath(hot))
    earlier.on_any_event(end)
    assert not hints.was_removed("out")
    # while it is away its own word counts
    hints.lose("out")
    earlier.on_any_event(end)
    assert not hints.was_removed("out")
    later.on_any_event(end)
    assert hints.was_removed("out")


@pytest.mark.fault(6)
@pytest.mark.parametrize("then", ["disarmed", "at the limit"])
def test_word_of_the_end_of_a_root_counts_only_until_its_next_one_is_met(
    hot: Path, hints: Hints, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Whatever takes the place of that one later was seen by nobody to be made anew."""
    hints.arm("out", os.fsencode(hot), identity=(1, 1))
    handler = hints._armed["out"].handler
    assert handler is not None
    handler.on_any_event(DirDeletedEvent(os.fspath(hot)))
    assert hints.was_removed("out")
    if then == "disarmed":
        hints.disarm("out")
    else:

        def refuse() -> BaseObserver:
            raise OSError(errno.ENOSPC, "the limit of watches is reached")

        monkeypatch.setattr(hints, "_running", refuse)
        assert hints.arm("out", os.fsencode(hot), identity=(1, 2)).sight is Sight.DEGRADED

    assert not hints.was_removed("out")
