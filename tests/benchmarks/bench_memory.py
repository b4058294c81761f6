"""A file of 100 GiB over 32 connections: how much memory the daemon takes, and whether it grows.

Owns one curve: the resident memory each second from the drop to complete. The file is hollow and
lies in memory, so that neither a disk nor the page cache limits or counts; the sink discards. Flat
is what gains next to nothing over the second half, by the line that fits its samples best.

    .venv/bin/python tests/benchmarks/bench_memory.py [--rounds N] [--gib N] [--json FILE]
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import (  # noqa: E402
    CannotMeasureError,
    Figures,
    main,
    parser,
)
from tests.benchmarks.sink import Sink, Watcher, forget_peak, memory_mib, work_folder  # noqa: E402

DAEMON = "masv-watch"
CONNECTIONS = 32
#: seconds until a delivery is given up
PATIENCE_S = 900.0


def sample(watcher: Watcher, sink: Sink, size: int) -> list[tuple[float, float]]:
    """Drop a hollow file; give the resident MiB by seconds from the drop on, idle at first."""
    hollow = watcher.top / "hollow.mov"
    with hollow.open("wb") as file:
        file.truncate(size)
    watcher.until_idle()
    found = [(0.0, memory_mib(watcher.pid)[0])]
    sink.reset()
    forget_peak(watcher.pid)
    began = time.monotonic()
    watcher.drop(hollow)
    while not sink.counts()["finalized"]:
        took = time.monotonic() - began
        if took > PATIENCE_S:
            raise CannotMeasureError(f"not delivered after {took:.0f} s: {sink.counts()}")
        if sink.counts()["put_first"]:
            found.append((took, memory_mib(watcher.pid)[0]))
        time.sleep(1)
    watcher.until_complete(hollow.name)
    if sink.counts()["bytes_put"] < size:
        raise CannotMeasureError(f"the sink did not get everything: {sink.counts()}")
    return found


def gained(samples: list[tuple[float, float]]) -> float:
    """Give the MiB that the second half of the samples gains, by its line of least squares.

    Raises:
        CannotMeasureError: there are too few of them.
    """
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        raise CannotMeasureError(f"{len(samples)} samples: ask for more with --gib")
    seconds, sizes = zip(*half, strict=True)
    slope = statistics.linear_regression(seconds, sizes).slope
    return slope * (seconds[-1] - seconds[0])


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=1)
    line.add_argument("--gib", type=int, default=100, help="size of the file")
    options = line.parse_args()
    size = options.gib << 30
    figures = Figures(
        f"One file of {options.gib} GiB over {CONNECTIONS} connections", options.rounds
    )
    for _ in range(options.rounds):
        with (
            work_folder(in_memory=0) as top,
            work_folder() as state,
            Sink() as sink,
            Watcher(
                top / "watcher", sink.url, state=state / "state",
                transfer=f"connections: {CONNECTIONS}",
            ) as watcher,
        ):  # fmt: skip
            idle, *samples = sample(watcher, sink, size)
            most, counts = memory_mib(watcher.pid)[1], sink.counts()
        figures.add(
            DAEMON,
            idle=idle[1],
            most=most,
            early=samples[0][1],
            late=samples[-1][1],
            gained=gained(samples),
            lines=counts["puts_peak"],
            rate=size / 2**20 / (counts["put_last"] - counts["put_first"]),
        )
    figures.goal(
        "resident memory, the most, MiB", max(figures.of("most", DAEMON)),
        limit=150, most=True,
    )  # fmt: skip
    figures.goal(
        "MiB gained over the second half", max(figures.of("gained", DAEMON)),
        limit=2, most=True,
    )  # fmt: skip
    headings = {
        "most": "resident memory, the most, MiB",
        "idle": "before the drop, MiB",
        "early": "at the first sample, MiB",
        "late": "at the last sample, MiB",
        "gained": "gained over the second half, MiB",
        "lines": "parts on the way at once, the most",
        "rate": "MiB a second, first byte to last",
    }
    figures.tell([figures.summary(DAEMON, headings)], options.json)


if __name__ == "__main__":
    sys.exit(main(run))
