"""10,000 small files in one folder drop: files a second and CPU a file, beside plain `requests`.

Owns one comparison over plain HTTP without latency: the daemon delivers a folder of 10,000 files of
10 KiB as one package, and a script makes the very same calls with one `requests.Session`, shared by
1, 2, 4, 8 and 16 threads. Its fastest number of threads counts. The files lie in memory, the
daemon's database on a disk. Files a second are told by the sink: from the arrival of the package
create to the answer of the package finalize. The CPU of the daemon holds everything from the drop
to complete, its sweeps too; that of the script its start.

    .venv/bin/python tests/benchmarks/bench_small_files.py [--rounds N] [--files N] [--json FILE]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.delivering import Run, command, deliver  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser, turned  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, work_folder  # noqa: E402

DAEMON = "masv-watch"
THREADS = (1, 2, 4, 8, 16)
SIZE = 10 * 1024
#: the calls that each file costs
EACH = ("file_add", "multipart_create", "chunk_urls", "put", "file_finalize")


def peer(threads: int) -> str:
    """Name the script with so many threads."""
    return f"requests, {threads} thread{'s' if threads > 1 else ''}"


def make(folder: Path, count: int) -> Path:
    """Make the files, each with a content of its own."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"f{number:06}.dat").write_bytes(os.urandom(16) * (SIZE // 16))
    return folder


def measure(
    top: Path, state: Path, sink: Sink, figures: Figures, *, counts: tuple[int, int]
) -> None:
    """Let everybody send once in each round; `counts` are the daemon's files and the script's."""
    made = make(top / "made" / "small", counts[0])
    for turn in range(figures.rounds):
        for threads in turned([0, *THREADS], turn):
            if threads:
                words = [
                    sys.executable, str(Path(__file__).with_name("peer_requests.py")), sink.url,
                    str(made), str(counts[1]), str(threads),
                ]  # fmt: skip
                keep(figures, peer(threads), counts[1], command(words, sink, size=counts[1] * SIZE))
                continue
            watcher = Watcher(
                top / f"watcher-{turn}", sink.url, transfer="connections: auto",
                folder="drop: folder", state=state / f"state-{turn}",
            )  # fmt: skip
            with watcher:
                keep(figures, DAEMON, counts[0], deliver(watcher, sink, made))
                (watcher.out / made.name).rename(made)


def keep(figures: Figures, sender: str, count: int, run: Run) -> None:
    """Keep what one run tells of each file, unless it was not the same five calls each."""
    calls, first, last = (run.counts[name] for name in ("calls", "first", "last"))
    took = last["package_finalize"] - first["package_create"]
    each = sum(calls[name] for name in EACH) / count
    if each != len(EACH):
        raise CannotMeasureError(f"{sender} made {each} calls for a file: {calls}")
    figures.add(sender, rate=count / took, cpu=run.cpu_s / count * 1000, memory=run.peak_mib)


def judge(figures: Figures) -> list[str]:
    """Hold the medians against the goals and write the tables."""
    best = max(map(peer, THREADS), key=lambda name: figures.median("rate", name))
    figures.goal(
        f"files a second over {best}, its best",
        figures.median("rate", DAEMON) / figures.median("rate", best),
        limit=2.5, most=False,
    )  # fmt: skip
    figures.goal(
        "CPU milliseconds of the daemon for a file", figures.median("cpu", DAEMON),
        limit=2.0, most=True,
    )  # fmt: skip
    return [
        figures.table("rate", "Files a second", peer=best),
        figures.table("cpu", "CPU milliseconds of the sender for a file", peer=best),
        figures.table("memory", "Resident memory of the sender, the most, MiB"),
    ]


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=3)
    line.add_argument("--files", type=int, default=10_000, help="files of the drop")
    line.add_argument("--peer-files", type=int, default=2_000, help="files that the script sends")
    options = line.parse_args()
    counts = options.files, min(options.peer_files, options.files)
    figures = Figures(
        f"{counts[0]} files of 10 KiB in one drop ({counts[1]} by the script)", options.rounds
    )
    with work_folder(in_memory=counts[0] * SIZE) as top, work_folder() as state, Sink() as sink:
        measure(top, state, sink, figures, counts=counts)
    figures.tell(judge(figures), options.json)


if __name__ == "__main__":
    sys.exit(main(run))
