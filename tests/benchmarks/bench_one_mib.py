"""A drop of 1 MiB: from settled to complete, 20 times, beside the same calls by `requests`.

Owns one latency: how long the daemon takes from the moment in which a drop has settled (its upload
is created then, `created_at`) to the moment in which the cloud confirmed the finalize
(`finalized_at`), both as the API tells them. Settling itself is the writer's time and not in it.
The peer makes the same seven calls one after the other with one `requests.Session`: from the
arrival of the first at the sink to the answer of the last. No latency on the link.

    .venv/bin/python tests/benchmarks/bench_one_mib.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.delivering import MIB, command  # noqa: E402
from tests.benchmarks.figures import Figures, main, parser  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, work_folder  # noqa: E402

DAEMON, PEER = "masv-watch", "requests, 1 thread"


def by_daemon(watcher: Watcher, made: Path) -> float:
    """Drop a file and give the milliseconds from settled to complete."""
    watcher.until_idle()
    watcher.drop(made)
    upload = watcher.until_complete(made.name)
    settled, complete = (
        datetime.fromisoformat(upload[name]) for name in ("created_at", "finalized_at")
    )
    return (complete - settled).total_seconds() * 1000


def by_peer(sink: Sink, made: Path) -> float:
    """Send the same file by the script and give the milliseconds of its calls."""
    script = str(Path(__file__).with_name("peer_requests.py"))
    words = [sys.executable, script, sink.url, str(made.parent), "1", "1"]
    counts = command(words, sink, size=made.stat().st_size).counts
    return float(counts["last"]["package_finalize"] - counts["first"]["package_create"]) * 1000


def run() -> None:
    """Measure as the command line asks."""
    options = parser(__doc__, rounds=20).parse_args()
    figures = Figures("A drop of 1 MiB, from settled to complete", options.rounds)
    with (
        work_folder() as top,
        Sink() as sink,
        Watcher(top / "watcher", sink.url, transfer="connections: auto") as watcher,
    ):
        (top / "made").mkdir()
        for turn in range(options.rounds):
            made = top / "made" / f"one-{turn}.bin"
            made.write_bytes(os.urandom(MIB))
            figures.add(PEER, took=by_peer(sink, made))
            figures.add(DAEMON, took=by_daemon(watcher, made))
    figures.goal(
        "p99 of milliseconds from settled to complete", figures.p99("took", DAEMON),
        limit=1000, most=True,
    )  # fmt: skip
    figures.tell([figures.tail("took", "Milliseconds")], options.json)


if __name__ == "__main__":
    sys.exit(main(run))
