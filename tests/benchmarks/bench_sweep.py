"""The full sweep of an unchanged hot folder of 1,000,000 files against `find -printf`.

Owns one tree of 1,000 folders, as 1,000 drops, as a single one, and as one drop for each file with
`depth: any`, all recorded as seen before. Each round is `find` and a sweep, in turns; then an idle
cycle, a sweep that is told to stop, and what happens meanwhile in another hot folder. Memory is
that of a process which has looked at nothing before.

    .venv/bin/python tests/benchmarks/bench_sweep.py [--rounds N] [--files N] [--folders N]
        [--form folders|one|files]... [--neighbours N] [--json FILE]
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.files import MARKER_NAME  # noqa: E402
from masv_watch.loops import Clock, SystemClock  # noqa: E402
from masv_watch.metrics import Metrics  # noqa: E402
from masv_watch.model import Depth, DropMode, DropState, Initial  # noqa: E402
from masv_watch.store.contract import Store  # noqa: E402
from masv_watch.store.sqlite import open_store  # noqa: E402
from masv_watch.watch.settle import signature_of  # noqa: E402
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser, turned  # noqa: E402
from tests.benchmarks.sink import forget_peak, memory_mib, work_folder  # noqa: E402
from tests.benchmarks.trees import FILE_BYTES, PEER, find_s, seed, watched  # noqa: E402
from tests.doubles import FakeClock  # noqa: E402

DROPS = "masv-watch, a drop each folder"
SINGLE = "masv-watch, one drop"
FILES = "masv-watch, a drop each file"
#: what each is called on the command line
FORMS = {"folders": DROPS, "one": SINGLE, "files": FILES}
#: what the rule of each says beside the folder
RULES: dict[str, dict[str, Any]] = {
    DROPS: {},
    SINGLE: {},
    FILES: {"drop": DropMode.FILE, "depth": Depth.ANY},
}
ELSEWHERE, RESTARTED = "another hot folder", "beside it after a restart"
#: milliseconds after which a sweep that is told to stop has, and in which the sweep of another hot
#: folder finds its file, however much goes on elsewhere
STOP_MS = KNOWN_MS = 1000
#: how many times as long its file may take until it is taken
DELAY = 1.5
#: seconds between two looks of a hot folder that nothing rings for, and between two full ones
PERIOD_S = 300.0
HOUR_S = 3600.0
#: looks until what is there must have settled
LOOKS = 10
#: seconds after which one of them is not waited for any more
GIVEN_UP_S = 60.0


def beside(name: str) -> str:
    """Name what goes on while another hot folder is looked at."""
    return f"beside {name}"


#: all that may go on meanwhile
BESIDE = [*map(beside, RULES), RESTARTED]


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
        took, _ = looks.full()
        now, most = memory_mib(os.getpid())
        told.append({"most": most - before, "kept": now - before, "took": took})
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


def record(hot: Path, state: Path) -> None:
    """Write each file into the ledger as seen, as `initial: ignore` does in several minutes."""
    looks = Looks(hot, state, FakeClock(), **RULES[FILES])
    rule = looks.intake.rule
    looks.store.adopt(rule.name, rule.path)
    now = looks.store.now()
    looks.store.close()

    def seen() -> Iterator[tuple[object, ...]]:
        for above, _, names in os.walk(rule.path):
            for name in names:
                path = os.path.join(above, name)
                status, relative = os.stat(path), os.path.relpath(path, rule.path)
                signature = signature_of(relative, status.st_size, status.st_mtime_ns)
                yield rule.name, relative, signature, status.st_size, now

    # a million verbs, each with its words, would take longer than all that is measured
    with closing(sqlite3.connect(state / "masv-watch.db")) as database, database:
        database.executemany(
            "INSERT INTO drops (hot_folder, path, generation, state, signature, size, file_count,"
            " seen_at) VALUES (?, ?, 1, 'ignored', ?, ?, 1, ?)",
            seen(),
        )


def compare(figures: Figures, tree: Path, looks: dict[str, Looks]) -> None:
    """Let `find` and the sweeps take turns."""
    for each in looks.values():
        each.full()
    for turn in range(figures.rounds):
        for name in turned([PEER, *looks], turn):
            took, cpu = find_s(tree) if name == PEER else looks[name].full()
            figures.add(name, seconds=took, cpu=cpu)


def idle(figures: Figures, name: str, looks: Looks) -> None:
    """Let the periods of an hour pass over a folder in which nothing happens."""
    assert isinstance(looks.clock, FakeClock)
    for _ in range(2):
        # twice the same, with a period between: what a cheap look may rely on
        looks.full()
    for _ in range(int(HOUR_S / PERIOD_S) - 2):
        looks.clock.advance(PERIOD_S)
        took, cpu = looks.timed()
        figures.add(name, idle_ms=took * 1000, idle_cpu_ms=cpu * 1000)


def cancel(figures: Figures, name: str, looks: Looks) -> None:
    """Ask a sweep to stop in its middle; the milliseconds until it has."""
    thread = threading.Thread(target=looks.full)
    thread.start()
    time.sleep(figures.median("seconds", name) / 2)
    began = time.perf_counter()
    looks.is_stopped = True
    thread.join()
    figures.add(name, stop_ms=(time.perf_counter() - began) * 1000)
    looks.is_stopped = False


def neighbour(
    figures: Figures, top: Path, name: str, count: int, *,
    sweep: Callable[[], object] | None = None,
) -> None:  # fmt: skip
    """See how long `count` files take to be known and taken elsewhere, while sweeps go on."""
    other = top / "other"
    other.mkdir(exist_ok=True)
    clock = SystemClock()
    store = open_store(str(top / "other-state"), clock=clock, metrics=Metrics())
    ended = threading.Event()
    thread = threading.Thread(target=lambda: [sweep() for _ in iter(ended.is_set, True) if sweep])
    if sweep is not None:
        thread.start()
    for number in range(count):
        path = f"{name}{number}"
        (other / path).write_bytes(b"x")
        intake = watched(other, store, clock, initial="send")
        began = time.perf_counter()
        pause = intake.tick()
        known_ms = (time.perf_counter() - began) * 1000
        if store.latest_drop("other", path.encode()) is None:
            raise CannotMeasureError("a file was not known after a tick")
        while not is_taken(store, path) and time.perf_counter() - began < GIVEN_UP_S:
            time.sleep(pause)
            pause = intake.tick()
        taken_s = time.perf_counter() - began
        if not is_taken(store, path):
            raise CannotMeasureError("a file was not taken")
        figures.add(f"{ELSEWHERE}, {name}", known_ms=known_ms, taken_s=taken_s)
    ended.set()
    if sweep is not None:
        thread.join()
    store.close()


def is_taken(store: Store, path: str) -> bool:
    """Say whether a drop of the other hot folder waits for the sender."""
    drop = store.latest_drop("other", path.encode())
    return drop is not None and drop.state is DropState.TAKEN and drop.whole


def anew(hot: Path, state: Path) -> None:
    """Sweep as the first look after a restart does."""
    looks = Looks(hot, state, FakeClock(), **RULES[FILES])
    looks.full()
    looks.store.close()


def run() -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=5)
    line.add_argument("--files", type=int, default=1_000_000)
    line.add_argument("--folders", type=int, default=1_000)
    line.add_argument(
        "--neighbours", type=int, default=10, help="files in another hot folder, one by one"
    )
    line.add_argument("--form", action="append", choices=list(FORMS), help="all without it")
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
        places = {DROPS: tree, SINGLE: tree.parent, FILES: top}
        wanted = [FORMS[each] for each in options.form or FORMS]
        hots = {name: places[name] for name in places if name in wanted}
        if SINGLE in hots:
            (found,) = memory_of(tree.parent, state / "taken", SINGLE, kind="--taking")
            figures.add(SINGLE, taken_most=found["most"], taken_kept=found["kept"])
            # whoever comes next has not seen it before, either
            (tree.parent / os.fsdecode(MARKER_NAME)).unlink()
        looks: dict[str, Looks] = {}
        for number, (name, hot) in enumerate(hots.items()):
            place = state / str(number)
            if name == FILES:
                record(hot, place)
            else:
                memory_of(hot, place, name)
            for look, found in zip(("again", "steady"), memory_of(hot, place, name), strict=True):
                told = {f"{look}_{kind}": value for kind, value in found.items()}
                figures.add(name, **told)
            looks[name] = Looks(hot, place, FakeClock(), **RULES[name])
        compare(figures, tree, looks)
        for name in hots:
            idle(figures, name, looks[name])
            cancel(figures, name, looks[name])
        count = options.neighbours
        neighbour(figures, state, "alone", count)
        for name in hots:
            neighbour(figures, state, beside(name), count, sweep=looks[name].full)
        for each in looks.values():
            each.store.close()
        if FILES in hots:
            first = partial(anew, top, state / str([*hots].index(FILES)))
            neighbour(figures, state, RESTARTED, count, sweep=first)
    tell(figures, options)


def tell(figures: Figures, options: Any) -> None:
    """Print what was measured."""
    for name in RULES:
        if not figures.has("seconds", name):
            continue
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
            f"MiB more during the first sweep after a restart, {name}",
            max(figures.of("again_most", name)), limit=60, most=True,
        )  # fmt: skip
        figures.goal(
            f"CPU milliseconds of an idle cycle, {name}",
            max(figures.of("idle_cpu_ms", name)), limit=50, most=True,
        )  # fmt: skip
        figures.goal(
            f"milliseconds until a sweep that is told to stop has, {name}",
            max(figures.of("stop_ms", name)), limit=STOP_MS, most=True,
        )  # fmt: skip
    alone = figures.median("taken_s", f"{ELSEWHERE}, alone")
    for name in BESIDE:
        sender = f"{ELSEWHERE}, {name}"
        if not figures.has("taken_s", sender):
            continue
        figures.goal(
            f"milliseconds until a new file is in the ledger, the most, {sender}",
            max(figures.of("known_ms", sender)), limit=KNOWN_MS, most=True,
        )  # fmt: skip
        figures.goal(
            f"seconds until it is taken, over those alone, {sender}",
            figures.median("taken_s", sender) / alone, limit=DELAY, most=True,
        )  # fmt: skip
    taken = [] if not figures.has("taken_most", SINGLE) else [
        figures.table("taken_most", "MiB more until the drop is taken, the most"),
        figures.table("taken_kept", "MiB more once it is taken"),
    ]  # fmt: skip
    figures.tell(
        [
            figures.table("seconds", "Seconds of a look at everything", peer=PEER),
            figures.table("cpu", "CPU seconds of it", peer=PEER),
            figures.table("again_took", "Seconds of the first sweep after a restart"),
            figures.table("again_most", "MiB more during the first sweep after a restart"),
            *taken,
            figures.table("steady_most", "MiB more during a later sweep"),
            figures.table("idle_cpu_ms", "CPU milliseconds of an idle cycle"),
            figures.table("stop_ms", "Milliseconds until a sweep that is told to stop has"),
            figures.table("known_ms", "Milliseconds until a new file is in the ledger"),
            figures.table("taken_s", "Seconds until it has settled and is taken, 1 s quiet"),
        ],
        options.json,
    )


if __name__ == "__main__":
    sys.exit(main(run))
