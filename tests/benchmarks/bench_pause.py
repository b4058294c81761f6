"""Pause while 16 connections are busy: how long the sink still sees bytes.

Owns one latency: a hollow file goes out over 16 connections that the sink reads at 4 MiB/s each.
Each round waits until all of them carry a part, asks the API to pause, and takes the time from
before that call to the last byte that the sink saw; silence is 3 seconds without any. Then it
resumes. What the kernel's buffers hold when the daemon lets go is sent and counts as seen; how much
that is tells the peer, a curl with 16 uploads that is killed (SIGKILL).

    .venv/bin/python tests/benchmarks/bench_pause.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.delivering import MIB, needed  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, work_folder  # noqa: E402
from tests.processes import ask  # noqa: E402
from tests.waiting import eventually  # noqa: E402

DAEMON, PEER = "masv-watch, paused", "curl --parallel, killed"
CONNECTIONS = 16
RATE = 4 * MIB
PART = 100 * MIB
SIZE = 200 * PART
#: seconds without a byte that count as silence
SILENCE_S = 3.0
#: seconds after which a pause that does not silence is given up
PATIENCE_S = 90.0
#: seconds in which the buffers on the way become as full as they get
FILL_S = 1.0


def until_busy(sink: Sink) -> None:
    """Wait until every connection carries a part for a while."""
    eventually(lambda: sink.counts()["puts_now"] == CONNECTIONS, within=60, every=0.05)
    time.sleep(FILL_S)


def until_silent(sink: Sink) -> float:
    """Wait until nothing arrives any more and give the time of the last byte."""

    def still() -> float | None:
        last = float(sink.counts()["put_last"])
        return last if time.monotonic() - last > SILENCE_S else None

    found = eventually(still, within=PATIENCE_S, every=0.1)
    assert found is not None
    return found


def by_daemon(watcher: Watcher, sink: Sink, upload_id: str) -> dict[str, float]:
    """Pause the busy upload and resume it once it is silent."""
    until_busy(sink)
    asked = time.monotonic()
    _steer(watcher, upload_id, "pause")
    answered = time.monotonic()
    last = until_silent(sink)
    state = watcher.daemon.details(upload_id)["state"]
    if state != "paused":
        raise CannotMeasureError(f"the upload is {state} after the pause")
    _steer(watcher, upload_id, "resume")
    return {"call": (answered - asked) * 1000, "last": (last - asked) * 1000}


def _steer(watcher: Watcher, upload_id: str, verb: str) -> None:
    status, answer = ask(watcher.api, f"/api/v1/uploads/{upload_id}/{verb}", "POST")
    if status >= 300:
        raise CannotMeasureError(f"{verb} was refused: {status} {answer}")


def by_curl(hollow: Path, sink: Sink) -> dict[str, float]:
    """Kill a curl with as many uploads."""
    words = ["curl", "-q", "--parallel", "--parallel-immediate", "--parallel-max", str(CONNECTIONS)]
    words += ["--no-progress-meter", "-H", "Expect:"]
    for number in range(CONNECTIONS):
        words += ["-T", str(hollow), f"{sink.url}/put/{number}"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until_busy(sink)
        asked = time.monotonic()
        process.kill()
    return {"last": (until_silent(sink) - asked) * 1000}


def hollow_file(path: Path, size: int) -> Path:
    """Make a file of zeros that takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def run() -> None:
    """Measure as the command line asks."""
    options = parser(__doc__, rounds=10).parse_args()
    needed("curl")
    figures = Figures(f"Pause of {CONNECTIONS} busy connections", options.rounds)
    with (
        work_folder(in_memory=0) as top,
        work_folder() as state,
        Sink(rate=RATE) as sink,
        Sink(rate=RATE) as other,
        Watcher(
            top / "watcher", sink.url, state=state / "state",
            transfer=f"connections: {CONNECTIONS}, chunk_size: {PART // MIB} MiB",
        ) as watcher,
    ):  # fmt: skip
        part = hollow_file(top / "part.mov", PART)
        watcher.drop(hollow_file(top / "hollow.mov", SIZE))
        upload = eventually(lambda: watcher.upload("hollow.mov"), within=60)
        for _ in range(options.rounds):
            figures.add(DAEMON, **by_daemon(watcher, sink, upload["upload_id"]))
            figures.add(PEER, **by_curl(part, other))
    figures.goal(
        "milliseconds from the pause to the last byte, the most", max(figures.of("last", DAEMON)),
        limit=2000, most=True,
    )  # fmt: skip
    tables = [
        figures.tail("last", "Milliseconds from the pause, or the kill, to the last byte seen"),
        figures.tail("call", "Milliseconds of the call itself"),
    ]
    figures.tell(tables, options.json)


if __name__ == "__main__":
    sys.exit(main(run))
