"""A long link, with loss and without: 2 GiB beside curl, and 10,000 small files beside the ideal.

Owns the comparison over two network namespaces joined by a link of 500 Mbit/s with 50 ms there and
back, a queue of 50 ms and random loss. The daemon (`connections: auto`) and one curl with 8
connections send the same 100 MiB slices, in turn. The share is of what the link carries as payload
of TCP: 1,448 of 1,500 bytes. Small files go without loss; the ideal is their number times five
calls times the round trip, divided by the connections that may be open.

    .venv/bin/python tests/benchmarks/bench_long_links.py [--rounds N] [--mib N] [--files N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.transfer.crew import SMALL_WORKERS  # noqa: E402
from tests.benchmarks.bench_large_file import cut  # noqa: E402
from tests.benchmarks.bench_small_files import make  # noqa: E402
from tests.benchmarks.delivering import command, deliver, filled, needed  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser  # noqa: E402
from tests.benchmarks.namespaces import FAR_IP, Nature, inside, joined  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, work_folder  # noqa: E402

MIB = 1 << 20
NATURE = Nature()
PAYLOAD_MIB_S = NATURE.rate_bps / 8 * 1448 / 1500 / MIB
#: share of the link that is to be reached at each loss
GOALS = {0.0: 0.90, 0.001: 0.75, 0.01: 0.60}
CALLS = 5


def sender(name: str, loss: float) -> str:
    """Name a sender at a loss."""
    return f"{name}, {loss:.1%} loss"


def send_large(top: Path, far: str, mib: int) -> dict[str, dict[str, float]]:
    """Let the daemon and curl send once, here in the near namespace; give their figures."""
    whole = filled(top / "whole.mov", mib * MIB)
    slices = cut(whole, top / "slices", 100 * MIB)
    found = {}
    with Sink(listen=f"{FAR_IP}:0", prefix=inside(far)) as sink:
        with Watcher(top / "watcher", sink.url, transfer="connections: auto") as watcher:
            run = deliver(watcher, sink, whole)
        found["masv-watch"] = {"rate": mib / run.wire_s, "cpu": run.cpu_s / (mib / 1024)}
        rows = ['header="Expect:"']
        for each in slices:
            rows += [f'upload-file="{each}"', f'url="{sink.url}/put/{each.name}"']
            rows += ['output="/dev/null"']
        (top / "curl.cfg").write_text("\n".join(rows) + "\n")
        flags = ("--parallel", "--parallel-max", "8", "--no-progress-meter", "--fail")
        words = ["curl", "-q", *flags, "-K", str(top / "curl.cfg")]
        run = command(words, sink, size=mib * MIB)
        found["curl, 8 connections"] = {
            "rate": mib / run.wire_s, "cpu": run.cpu_s / (mib / 1024)
        }  # fmt: skip
    return found


def send_small(top: Path, far: str, count: int) -> dict[str, dict[str, float]]:
    """Let the daemon send a card of small files; give files a second and the share of the ideal."""
    made = make(top / "card", count)
    with (
        Sink(listen=f"{FAR_IP}:0", prefix=inside(far)) as sink,
        Watcher(top / "watcher", sink.url, folder="drop: folder") as watcher,
    ):
        run = deliver(watcher, sink, made)
    took = run.counts["last"]["package_finalize"] - run.counts["first"]["package_create"]
    ideal = count * CALLS * NATURE.rtt_ms / 1000 / SMALL_WORKERS
    return {"masv-watch": {"rate": count / took, "over_ideal": took / ideal}}


def in_namespaces(loss: float, what: str, size: int) -> dict[str, dict[str, float]]:
    """Run this file once more in the near namespace; give what it measured.

    Raises:
        CannotMeasureError: it failed.
    """
    with joined(Nature(loss=loss)) as (near, far):
        words = [sys.executable, __file__, "--inside", what, far, str(size)]
        done = subprocess.run([*inside(near), *words], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise CannotMeasureError(f"the part in the namespace ended with {done.returncode}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def judge(figures: Figures) -> list[str]:
    """Hold the medians against the goals and write the tables."""
    for loss, share in GOALS.items():
        ours = figures.median("rate", sender("masv-watch", loss))
        curl = figures.median("rate", sender("curl, 8 connections", loss))
        figures.goal(
            f"share of the link at {loss:.1%} loss", ours / PAYLOAD_MIB_S,
            limit=share, most=False,
        )  # fmt: skip
        figures.goal(f"over curl at {loss:.1%} loss", ours / curl, limit=1, most=False)
    figures.goal(
        "small files, time over the ideal", figures.median("over_ideal", "masv-watch"),
        limit=1.3, most=True,
    )  # fmt: skip
    return [
        figures.table("rate", f"MiB a second of {PAYLOAD_MIB_S:.1f} that the link carries"),
        figures.table("cpu", "CPU seconds of the sender for a GiB"),
        figures.table("files", "Small files a second"),
        figures.table("over_ideal", "Their time over the ideal"),
    ]


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=2)
    line.add_argument("--mib", type=int, default=2048, help="size of the file")
    line.add_argument("--files", type=int, default=10_000, help="small files")
    options = line.parse_args()
    needed("curl", "ip", "cc")
    figures = Figures(f"{options.mib} MiB over 500 Mbit/s and 50 ms", options.rounds)
    for _ in range(options.rounds):
        for loss in GOALS:
            for name, found in in_namespaces(loss, "large", options.mib).items():
                figures.add(sender(name, loss), **found)
        for name, found in in_namespaces(0.0, "small", options.files).items():
            figures.add(name, files=found["rate"], over_ideal=found["over_ideal"])
    figures.tell(judge(figures), options.json)


def run_inside() -> None:
    """Measure one cell in the namespace that this process was started in."""
    line = argparse.ArgumentParser()
    line.add_argument("--inside", choices=["large", "small"], required=True)
    line.add_argument("far")
    line.add_argument("size", type=int)
    options = line.parse_args()
    send = send_large if options.inside == "large" else send_small
    with work_folder(in_memory=2 * options.size * MIB) as top, tempfile.TemporaryDirectory():
        print(json.dumps(send(top, options.far, options.size)))


if __name__ == "__main__":
    sys.exit(main(run_inside if "--inside" in sys.argv else run))
