"""The full sweep of an unchanged hot folder of 1,000,000 files against `find -printf`.

Owns one tree of 1,000 folders, as 1,000 drops, as a single one, and as one drop for each file with
`depth: any`, all recorded as seen by a process before. Each round is `find` and a sweep, in turns;
then an idle cycle, a sweep that is told to stop, and what happens meanwhile in another hot folder.
Memory is that of a process which has looked at nothing before.

    .venv/bin/python tests/benchmarks/bench_sweep.py [--rounds N] [--files N] [--folders N]
        [--json FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.files import MARKER_NAME  # noqa: E402
from masv_watch.loops import Clock, SystemClock  # noqa: E402
from masv_watch.metrics import Metrics  # noqa: E402
from masv_watch.model import Depth, DropMode, DropState, Initial  # noqa: E402
from masv_watch.store.sqlite import open_store  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser, turned  # noqa: E402
from tests.benchmarks.sink import forget_peak, memory_mib, work_folder  # noqa: E402
from tests.benchmarks.trees import FILE_BYTES, PEER, find_s, seed, watched  # noqa: E402
from tests.doubles import FakeClock  # noqa: E402

DROPS = "masv-watch, a drop each folder"
SINGLE = "masv-watch, one drop"
FILES = "masv-watch, a drop each file"
#: what the rule of each says beside the folder
RULES: dict[str, dict[str, Any]] = {
    DROPS: {},
    SINGLE: {},
    FILES: {"drop": DropMode.FILE, "depth": Depth.ANY},
}
IDLE = "masv-watch, idle cycle"
#: seconds between two looks of a hot folder that nothing rings for, and between two full ones
PERIOD_S = 300.0
HOUR_S = 3600.0
#: looks until what is there must have settled
LOOKS = 10
#: files that appear in the other hot folder, one after the other
NEIGHBOURS = 10


class Looks:
    """One hot folder with its ledger, looked at again and again."""

    def __init__(self, hot: Path, state: Path, clock: Clock, **rule: Any) -> None:
        """Open the state that stands beside the hot folder."""
        self.clock = clock
        self.is_stopped = False
        self.store = open_store(str(state), clock=clock, metrics=Metrics())
        self.intake = watched(hot, self.store, clock, stop=lambda: self.is_stopped, **rule)

    def full(self) -> tuple[float, float]:
        """Sweep as a notification asks for it; give the seconds and the CPU seconds of it."""
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(PERIOD_S)
        self.intake.hurry()
        return self.timed()

    def timed(self) -> tuple[float, float]:
        """Tick; give the seconds and the CPU seconds of it."""
        began, cpu = time.perf_counter(), time.process_time()
        self.intake.tick()
        return time.perf_counter() - began, time.process_time() - cpu

    def is_known(self) -> bool:
        """Say whether nothing is left to be judged."""
        return self.intake.is_at_rest and not self.store.drops(living=True)


def child(hot: str, state: str, name: str) -> None:
    """Be the process whose memory counts: look twice, and tell what each look added, MiB."""
    looks = Looks(Path(hot), Path(state), FakeClock(), **RULES[name])
    told = []
    for _ in range(2):
        forget_peak(os.getpid())
        before = memory_mib(os.getpid())[0]
        looks.full()
        now, most = memory_mib(os.getpid())
        told.append({"most": most - before, "kept": now - before})
    if not looks.is_known():
        raise CannotMeasureError("not everything was known to the ledger")
    print(json.dumps(told))
    looks.store.close()


def taking_child(hot: str, state: str) -> None:
    """Be the process that takes what is there, and tell what its looks added, MiB."""
    looks = Looks(Path(hot), Path(state), FakeClock(), initial=Initial.SEND)
    forget_peak(os.getpid())
    before = memory_mib(os.getpid())[0]
    for _ in range(LOOKS):
        looks.full()
        if all(drop.state is DropState.TAKEN for drop in looks.store.drops()):
            break
    else:
        raise CannotMeasureError("the drop was not taken")
    now, most = memory_mib(os.getpid())
    print(json.dumps([{"most": most - before, "kept": now - before}]))
    looks.store.close()


def memory_of(
    hot: Path, state: Path, name: str, *, kind: str = "--child"
) -> list[dict[str, float]]:
    """Give what looks add to the memory of a fresh process: of the first two, or until it takes."""
    done = subprocess.run(
        [sys.executable, __file__, kind, str(hot), str(state), name],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotMeasureError("the process that looks went wrong: see above")
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


def compare(figures: Figures, tree: Path, looks: dict[str, Looks]) -> None:
    """Let `find` and the sweeps take turns."""
    for each in looks.values():
        each.full()
    for turn in range(figures.rounds):
        for name in turned([PEER, *looks], turn):
            took, cpu = find_s(tree) if name == PEER else looks[name].full()
            figures.add(name, seconds=took, cpu=cpu)


def idle(figures: Figures, looks: Looks) -> None:
    """Let the periods of an hour pass over a folder in which nothing happens."""
    assert isinstance(looks.clock, FakeClock)
    for _ in range(2):
        # twice the same, with a period between: what a cheap look may rely on
        looks.full()
    for _ in range(int(HOUR_S / PERIOD_S) - 2):
        looks.clock.advance(PERIOD_S)
        took, cpu = looks.timed()
        figures.add(IDLE, idle_ms=took * 1000, idle_cpu_ms=cpu * 1000)


def cancel(figures: Figures, looks: Looks) -> None:
    """Ask a sweep to stop in its middle; the milliseconds until it has."""
    thread = threading.Thread(target=looks.full)
    thread.start()
    time.sleep(figures.median("seconds", DROPS) / 2)
    began = time.perf_counter()
    looks.is_stopped = True
    thread.join()
    figures.add(DROPS, stop_ms=(time.perf_counter() - began) * 1000)
    looks.is_stopped = False


def neighbour(figures: Figures, top: Path, looks: Looks) -> None:
    """See how long a file takes to be known in another folder, quiet and during sweeps."""
    other = top / "other"
    other.mkdir()
    clock = SystemClock()
    store = open_store(str(top / "other-state"), clock=clock, metrics=Metrics())
    ended = threading.Event()
    for kind, is_busy in (("alone", False), ("beside", True)):
        thread = threading.Thread(target=lambda: [looks.full() for _ in iter(ended.is_set, True)])
        ended.clear()
        if is_busy:
            thread.start()
        for number in range(NEIGHBOURS):
            intake = watched(other, store, clock, initial="send")
            (other / f"{kind}{number}").write_bytes(b"x")
            began = time.perf_counter()
            intake.tick()
            took = (time.perf_counter() - began) * 1000
            if store.latest_drop("other", f"{kind}{number}".encode()) is None:
                raise CannotMeasureError("a file was not known after a tick")
            figures.add(f"another hot folder, {kind}", known_ms=took)
        ended.set()
        if is_busy:
            thread.join()
    store.close()


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=5)
    line.add_argument("--files", type=int, default=1_000_000)
    line.add_argument("--folders", type=int, default=1_000)
    line.add_argument(
        "--child", nargs=3, metavar=("HOT", "STATE", "NAME"), help="for the run itself"
    )
    line.add_argument("--taking", nargs=3, metavar=("HOT", "STATE", "NAME"), help="the same")
    options = line.parse_args()
    if options.taking:
        taking_child(*options.taking[:2])
        return
    if options.child:
        child(*options.child)
        return
    figures = Figures(
        f"{options.files:,} files in {options.folders:,} folders, unchanged", options.rounds
    )
    with work_folder(in_memory=options.files * FILE_BYTES) as top, work_folder() as state:
        tree = top / "hot" / "ALL"
        seed(tree, folders=options.folders, files=options.files)
        hots = {DROPS: tree, SINGLE: tree.parent, FILES: top}
        (found,) = memory_of(tree.parent, state / "taken", SINGLE, kind="--taking")
        figures.add(SINGLE, taken_most=found["most"], taken_kept=found["kept"])
        # whoever comes next has not seen it before, either
        (tree.parent / os.fsdecode(MARKER_NAME)).unlink()
        looks = {}
        for number, (name, hot) in enumerate(hots.items()):
            place = state / str(number)
            memory_of(hot, place, name)
            for look, found in zip(("again", "steady"), memory_of(hot, place, name), strict=True):
                figures.add(name, **{f"{look}_most": found["most"], f"{look}_kept": found["kept"]})
            looks[name] = Looks(hot, place, FakeClock(), **RULES[name])
        compare(figures, tree, looks)
        idle(figures, looks[DROPS])
        cancel(figures, looks[DROPS])
        neighbour(figures, state, looks[DROPS])
        for each in looks.values():
            each.store.close()
    tell(figures, options)


def tell(figures: Figures, options: Any) -> None:
    """Print what was measured."""
    for name in (DROPS, SINGLE):
        figures.goal(
            f"seconds of a full sweep over find's, {name}",
            figures.median("seconds", name) / figures.median("seconds", PEER),
            limit=2, most=True,
        )  # fmt: skip
        figures.goal(
            f"MiB more during a full sweep, {name}",
            max(figures.of("steady_most", name)), limit=60, most=True,
        )  # fmt: skip
    figures.goal(
        "CPU milliseconds of an idle cycle", max(figures.of("idle_cpu_ms", IDLE)),
        limit=50, most=True,
    )  # fmt: skip
    figures.tell(
        [
            figures.table("seconds", "Seconds of a look at everything", peer=PEER),
            figures.table("cpu", "CPU seconds of it", peer=PEER),
            figures.table("again_most", "MiB more during the first sweep after a restart"),
            figures.table("taken_most", "MiB more until the drop is taken, the most"),
            figures.table("taken_kept", "MiB more once it is taken"),
            figures.table("steady_most", "MiB more during a later sweep"),
            figures.table("idle_cpu_ms", "CPU milliseconds of an idle cycle"),
            figures.table("stop_ms", "Milliseconds until a sweep that is told to stop has"),
            figures.table("known_ms", "Milliseconds until a new file is in the ledger"),
        ],
        options.json,
    )


if __name__ == "__main__":
    sys.exit(main(run))
