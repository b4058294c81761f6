"""What a daemon over 20 hot folders of 10,000 files costs while nothing happens, next to its parts.

Owns one run: a real daemon whose folders were full at its start and are recorded as seen, and
beside it, over the same minute and on the same folders, a process of the bare libraries. CPU is
that of the whole process by the kernel's clock; memory is what is resident at the end.

    .venv/bin/python tests/benchmarks/bench_idle.py [--rounds N] [--seconds N] [--folders N]
        [--files N] [--loose] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, cpu_s, memory_mib, work_folder  # noqa: E402
from tests.benchmarks.trees import FILE_BYTES, seed  # noqa: E402

DAEMON = "masv-watch"
PEER = "the bare libraries"
#: the goal of 60 ms over the 29 ms that these libraries took on the machine on which it was set:
#: what a wake-up costs differs by more than ten times from one virtual machine to another
RATIO = 60 / 29


@contextmanager
def libraries(folders: list[Path]) -> Iterator[int]:
    """Give the process id of the bare libraries over the same folders."""
    script = Path(__file__).with_name("peer_idle.py")
    with subprocess.Popen(
        [sys.executable, str(script), *map(str, folders)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise CannotMeasureError("the bare libraries did not start: see above")
            yield process.pid
        finally:
            process.kill()


def switches(pid: int) -> int:
    """Count how often the threads of a process went to sleep."""
    return sum(
        int(row.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for row in status.read_text().splitlines()
        if row.startswith("voluntary_ctxt_switches:")
    )


def sample(figures: Figures, pids: dict[str, int], seconds: float) -> None:
    """Let a while go by in which nothing happens."""
    before = {name: (cpu_s(pid), switches(pid)) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    for name, pid in pids.items():
        cpu, woken = cpu_s(pid) - before[name][0], switches(pid) - before[name][1]
        figures.add(
            name, cpu_ms=cpu * 1000 * 60 / took, wakes=woken / took, memory=memory_mib(pid)[0]
        )


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=3)
    line.add_argument("--seconds", type=float, default=60.0, help="length of a round")
    line.add_argument("--folders", type=int, default=20, help="hot folders")
    line.add_argument("--files", type=int, default=10_000, help="files in each")
    line.add_argument("--loose", action="store_true", help="each file is a drop of its own")
    options = line.parse_args()
    form = "loose files" if options.loose else "files in folders"
    figures = Figures(
        f"{options.folders} hot folders of {options.files:,} {form}, idle", options.rounds
    )
    room = options.folders * options.files * FILE_BYTES
    with work_folder(in_memory=room) as top, work_folder() as state, Sink() as sink:
        hots = [top / f"hot{number:02}" for number in range(options.folders)]
        for hot in hots:
            seed(hot, folders=max(options.files // 100, 1), files=options.files)
            if options.loose:
                for clip in list(hot.glob("*/*")):
                    clip.rename(hot / clip.name)
                for folder in list(hot.iterdir()):
                    if folder.is_dir():
                        folder.rmdir()
        with (
            Watcher(
                top / "watcher", sink.url, folder="drop: each, initial: ignore", beside=hots,
                state=state / "state",
            ) as watcher,
            libraries(hots) as peer,
        ):  # fmt: skip
            watcher.until_idle()
            # the sweeps that follow a start, and what they write down, are not what is asked about
            time.sleep(options.seconds)
            for _ in range(options.rounds):
                sample(figures, {DAEMON: watcher.pid, PEER: peer}, options.seconds)
    figures.goal("CPU milliseconds a minute", figures.median("cpu_ms", DAEMON), limit=60, most=True)
    ratio = figures.median("cpu_ms", DAEMON) / figures.median("cpu_ms", PEER)
    figures.goal("CPU over that of the bare libraries", ratio, limit=RATIO, most=True)
    figures.goal("resident MiB", max(figures.of("memory", DAEMON)), limit=60, most=True)
    figures.tell(
        [
            figures.table("cpu_ms", "CPU milliseconds a minute", peer=PEER),
            figures.table("wakes", "Wake-ups a second", peer=PEER),
            figures.table("memory", "Resident MiB", peer=PEER),
        ],
        options.json,
    )


if __name__ == "__main__":
    sys.exit(main(run))
