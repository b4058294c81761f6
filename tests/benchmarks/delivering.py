"""One delivery by a real daemon, and one run of another sender, with what each of them cost.

Owns how the CPU of a delivery is told from the daemon's idle CPU, and what of the sink's counts
proves that everything was sent. Never part of the product. Used by the benchmarks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import CannotMeasureError
from tests.benchmarks.sink import SPARE, Sink, Watcher, cpu_s, forget_peak, memory_mib
from tests.waiting import eventually

#: seconds over which the idle daemon's CPU is looked at before a drop
IDLE_S = 2.0
#: seconds between two looks at the sink, which costs the daemon nothing
LOOK_S = 0.02
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What sending something cost, and what the sink saw of it."""

    #: of the whole sender, start-up of a daemon and its idle rate left out
    cpu_s: float
    #: from the drop, or from the start of the command, until everything was acknowledged
    whole_s: float
    #: resident, the most
    peak_mib: float
    counts: dict[str, Any]

    @property
    def wire_s(self) -> float:
        """Give the seconds from the first byte of a part to the last."""
        return float(self.counts["put_last"] - self.counts["put_first"])


def deliver(watcher: Watcher, sink: Sink, made: Path, *, within: float = 600.0) -> Run:
    """Drop something into an idle daemon's hot folder, wait until it is complete, and tell.

    Raises:
        CannotMeasureError: it was delivered, but not as it was dropped.
    """
    size = sum(path.stat().st_size for path in _files(made))
    count = len(_files(made))
    watcher.until_idle()
    looked_at, before = time.monotonic(), cpu_s(watcher.pid)
    time.sleep(IDLE_S)
    idle = (cpu_s(watcher.pid) - before) / (time.monotonic() - looked_at)
    sink.reset()
    forget_peak(watcher.pid)
    began, before = time.monotonic(), cpu_s(watcher.pid)
    watcher.drop(made)
    eventually(lambda: sink.counts()["finalized"], within=within, every=LOOK_S)
    watcher.until_complete(made.name)
    took = time.monotonic() - began
    spent = cpu_s(watcher.pid) - before - idle * took
    counts = sink.counts()
    calls = counts["calls"]
    if (counts["bytes_put"], calls["file_finalize"]) != (size, count) or counts["wrong_sizes"]:
        raise CannotMeasureError(f"{count} files of {size} bytes were dropped, but: {counts}")
    if calls["other"] or calls["package_finalize"] != 1:
        raise CannotMeasureError(f"calls that do not belong to one delivery: {calls}")
    peak = memory_mib(watcher.pid)[1]
    return Run(cpu_s=spent, whole_s=took, peak_mib=peak, counts=counts)


def _files(made: Path) -> list[Path]:
    return [path for path in made.rglob("*") if path.is_file()] if made.is_dir() else [made]


def command(words: Sequence[str], sink: Sink, *, size: int) -> Run:
    """Run another sender's command to its end and tell what it cost.

    It sees no variable of ours: proxies and bundles of certificates are named by its words alone.

    Raises:
        CannotMeasureError: it failed, or the sink did not get `size` bytes.
    """
    sink.reset()
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(
            words, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
        peak = _peak_mib(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words_said = said.read().decode(errors="replace")
    counts = sink.counts()
    if process.returncode or counts["bytes_put"] != size:
        raise CannotMeasureError(
            f"{words[0]} ended with {process.returncode} after {counts['bytes_put']} of {size}"
            f" bytes: {words_said[-1000:]}"
        )
    return Run(
        cpu_s=used.ru_utime + used.ru_stime, whole_s=took, peak_mib=peak, counts=counts
    )  # fmt: skip


def _peak_mib(pid: int) -> float:
    """Watch a process until it ends; what wait4() tells includes our own size before the exec."""
    peak = 0.0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        try:
            peak = memory_mib(pid)[1]
        except KeyError:
            # it has ended, and with it its memory
            continue
        time.sleep(LOOK_S)
    return peak


def needed(*programs: str) -> None:
    """Refuse to measure half of a comparison.

    Raises:
        CannotMeasureError: one of the programs is missing.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise CannotMeasureError(
            f"{', '.join(missing)} missing, and a figure without its peer says nothing:"
            f" apt-get install {' '.join(missing)}"
        )


def filled(path: Path, size: int, *, seed: int = 1) -> Path:
    """Make a file of pseudo-random bytes, 1 MiB of them over and over, each time a bit further on.

    Raises:
        CannotMeasureError: there is no room for it.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size + SPARE:
        raise CannotMeasureError(
            f"{path.parent} has {free // MIB} MiB left, and {size // MIB} MiB are to lie there:"
            " ask for less with --mib"
        )
    block = seed.to_bytes(8, "little") + os.urandom(MIB - 8)
    with path.open("wb", buffering=0) as file:
        for number in range(-(-size // MIB)):
            turn = number % MIB
            file.write((block[turn:] + block[:turn])[: min(MIB, size - number * MIB)])
    return path
