"""60,000 files from 4 writers at once: how many are missed, and how soon the last one is known.

Owns the writers and one daemon with real notifications, whose hot folders the burst goes to: all
into one, then each writer into one of its own. Known means that the ledger has a row of it. The
quiet time is long, so that what is measured is finding, not sending. The peer is `find`, which
looks once at what the writers left.

    .venv/bin/python tests/benchmarks/bench_burst.py [--rounds N] [--files N] [--writers N]
        [--json FILE]
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, cpu_s, memory_mib, work_folder  # noqa: E402
from tests.benchmarks.trees import FILE_BYTES, PEER, find_s  # noqa: E402

ONE = "masv-watch, one hot folder"
EACH = "masv-watch, one for each writer"
#: seconds until a file counts as missed
PATIENCE_S = 180.0
WRITER = """
import os, sys
folder, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(count):
    with open(f"{folder}/{name}{number:06}.mov", "wb") as file:
        file.write(b"x")
"""


def write(hots: list[Path], *, files: int, writers: int) -> None:
    """Let the writers write at once, the files shared among them and the hot folders."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(hots[turn % len(hots)]), f"w{turn}_", str(share)]
        )
        for turn, share in enumerate(
            files // writers + (turn < files % writers) for turn in range(writers)
        )
    ]
    for process in started:
        if process.wait():
            raise CannotMeasureError("a writer failed: see above")


def known(database: Path) -> tuple[int, int]:
    """Count the drops of the ledger and their names."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as ledger:
        drops, names = ledger.execute(
            "SELECT count(*), count(DISTINCT hot_folder || '/' || path) FROM drops"
        ).fetchone()
    return int(drops), int(names)


def burst(watcher: Watcher, hots: list[Path], state: Path, options: Options) -> dict[str, float]:
    """Let a burst fall into the hot folders, and give the seconds from its end until all is known.

    Raises:
        CannotMeasureError: not everything was, or something was twice.
    """
    cpu, began = cpu_s(watcher.pid), time.monotonic()
    write(hots, files=options.files, writers=options.writers)
    ended = time.monotonic()
    while (found := known(state / "masv-watch.db"))[0] < options.files:
        if time.monotonic() - ended > PATIENCE_S:
            raise CannotMeasureError(f"missed: {options.files - found[0]} of {options.files}")
        time.sleep(0.1)
    took = time.monotonic() - ended
    time.sleep(2)
    found = known(state / "masv-watch.db")
    if found != (options.files, options.files):
        raise CannotMeasureError(f"{found[0]} drops of {found[1]} names, not {options.files}")
    return {
        "written": ended - began,
        "seconds": took,
        "cpu": cpu_s(watcher.pid) - cpu,
        "memory": memory_mib(watcher.pid)[1],
    }


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=3)
    line.add_argument("--files", type=int, default=60_000)
    line.add_argument("--writers", type=int, default=4)
    options = line.parse_args(namespace=Options())
    figures = Figures(f"{options.files:,} files from {options.writers} writers", options.rounds)
    for _ in range(options.rounds):
        for name, count in ((ONE, 1), (EACH, options.writers)):
            with (
                work_folder(in_memory=options.files * FILE_BYTES) as top,
                work_folder() as state,
                Sink() as sink,
            ):
                hots = [top / f"hot{number}" for number in range(count)]
                for hot in hots:
                    hot.mkdir()
                with Watcher(
                    top / "watcher", sink.url, folder="drop: each", quiet="10m", beside=hots,
                    state=state,
                ) as watcher:  # fmt: skip
                    watcher.until_idle()
                    figures.add(name, **burst(watcher, hots, state, options))
                if count == 1:
                    took, cpu = find_s(hots[0])
                    figures.add(PEER, seconds=took, cpu=cpu)
    for name in (ONE, EACH):
        figures.goal(
            f"seconds from the last file until all are known, {name}",
            max(figures.of("seconds", name)), limit=10, most=True,
        )  # fmt: skip
    figures.tell(
        [
            figures.table("seconds", "Seconds from the last file until all are known", peer=PEER),
            figures.table("written", "Seconds that the writers took"),
            figures.table("cpu", "CPU seconds", peer=PEER),
            figures.table("memory", "Resident memory, the most, MiB"),
        ],
        options.json,
    )


class Options:
    """The command line."""

    files: int
    writers: int
    rounds: int
    json: str | None


if __name__ == "__main__":
    sys.exit(main(run))
