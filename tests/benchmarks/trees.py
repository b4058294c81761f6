"""Trees of very many files, made and looked at: the hot folders of the benchmarks of watching.

Owns how a tree is seeded, what `find` takes for the same look, and an intake over a hot folder with
a clock that the run moves. Never part of the product and never asserts anything. Used by the
benchmarks.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.loops import Bell, Clock  # noqa: E402
from masv_watch.metrics import Metrics  # noqa: E402
from masv_watch.model import DropMode, Initial, Rule, Settle, To  # noqa: E402
from masv_watch.store.contract import Store  # noqa: E402
from masv_watch.uploads import Uploads  # noqa: E402
from masv_watch.watch.hints import Hints, Mode, Sight  # noqa: E402
from masv_watch.watch.intake import Intake  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError  # noqa: E402

#: bytes that an empty file takes of a file system in memory, its name included
FILE_BYTES = 1200
PEER = "find -printf"


class EventsWork(Hints):
    """Hints of a root where notifications work and none comes."""

    def arm(self, hot_folder: str, path: bytes, **_more: Any) -> Mode:
        """Say that they work."""
        return Mode(sight=Sight.EVENTS)

    def mode(self, hot_folder: str) -> Mode:
        """Say that they work."""
        return Mode(sight=Sight.EVENTS)


def seed(top: Path, *, folders: int, files: int) -> None:
    """Make so many files, empty and named as a camera does, in so many folders."""
    per_folder = -(-files // folders)
    for number in range(folders):
        folder = top / f"CARD{number:04}"
        folder.mkdir(parents=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for clip in range(min(per_folder, files - number * per_folder)):
                name = f"A{number:03}C{clip:06}_231126_R1AB.MXF"
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=descriptor))
        finally:
            os.close(descriptor)


def find_s(top: Path) -> tuple[float, float]:
    """Let `find` print size, time, inode and path of everything; give its seconds and CPU seconds.

    Raises:
        CannotMeasureError: there is no `find` that can.
    """
    if shutil.which("find") is None:
        raise CannotMeasureError("there is no `find` (Debian: apt-get install findutils)")
    command = ["find", str(top), "-printf", "%s %T@ %i %p\\n"]
    before, began = _children_s(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    took, cpu = time.perf_counter() - began, _children_s() - before
    if done.returncode:
        raise CannotMeasureError("`find` has no -printf: install findutils of GNU")
    return took, cpu


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watched(
    hot: Path,
    store: Store,
    clock: Clock,
    *,
    stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Intake:
    """Give the intake of a hot folder whose content was there before and is recorded as seen."""
    rule = Rule(
        name=hot.name,
        path=os.fsencode(hot),
        to=To(recipients=()),
        settle=Settle(quiet_s=1.0),
        initial=settings.pop("initial", Initial.IGNORE),
        drop=settings.pop("drop", DropMode.EACH),
        **settings,
    )
    return Intake(
        rule,
        store=store,
        uploads=Uploads(store, auth_until=lambda: None),
        hints=EventsWork(lambda _name: None),
        clock=clock,
        metrics=Metrics(),
        bell=Bell(),
        stop=stop,
    )
