"""What one sweep of a folder of 50,000 files costs while it still arrives, and what it keeps.

Owns one run: a hot folder on the local disk with one card of many files, its intake with a clock
that the run moves, and a store. Each round adds a file and sweeps, as a notification would have it.
Prints CPU time by mode, which other load disturbs little, and the memory that stays between two
sweeps; nothing here is asserted.

    .venv/bin/python tests/benchmarks/bench_arriving.py [--files N] [--rounds N]
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.loops import Bell  # noqa: E402
from masv_watch.metrics import Metrics  # noqa: E402
from masv_watch.model import DropMode, Initial, Rule, Settle, To  # noqa: E402
from masv_watch.store.sqlite import open_store  # noqa: E402
from masv_watch.uploads import Uploads  # noqa: E402
from masv_watch.watch.hints import Hints  # noqa: E402
from masv_watch.watch.intake import Intake  # noqa: E402
from tests.doubles import FakeClock  # noqa: E402

QUIET_S = 15.0
#: seconds between two sweeps that notifications ask for
BETWEEN_S = 2.0


def make_card(top: Path, files: int) -> Path:
    """Write a card of files in folders of a hundred."""
    card = top / "hot" / "CARD"
    for number in range(files):
        folder = card / f"CLIPS{number // 100:04}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"A001C{number:06}_231126_R1AB.MXF").write_bytes(b"x")
    return card


def intake_over(top: Path, clock: FakeClock, **more: Any) -> tuple[Intake, Any]:
    """Build an intake over the hot folder with a state of its own."""
    state = tempfile.mkdtemp(dir=top)
    store = open_store(state, clock=clock, metrics=Metrics())
    rule = Rule(
        name="hot",
        path=os.fsencode(top / "hot"),
        to=To(recipients=()),
        drop=DropMode.FOLDER,
        settle=Settle(quiet_s=QUIET_S),
        initial=Initial.SEND,
    )
    known = {each.name for each in dataclasses.fields(Rule)}
    rule = dataclasses.replace(rule, **{key: value for key, value in more.items() if key in known})
    intake = Intake(
        rule,
        store=store,
        uploads=Uploads(store, auth_until=lambda: None),
        hints=Hints(lambda _name: None, new_observer=_no_observer),
        clock=clock,
        metrics=Metrics(),
        bell=Bell(),
        stop=lambda: False,
    )
    return intake, store


def _no_observer() -> Any:
    raise OSError(28, "no notifications here")


def measure(top: Path, card: Path, *, rounds: int, early: bool) -> None:
    """Sweep while files arrive, and say what each sweep took."""
    clock = FakeClock()
    intake, store = intake_over(top, clock, early=early)
    took = []
    for number in range(rounds):
        (card / f"late{number}").write_bytes(b"x")
        intake.hurry()
        began = time.process_time()
        intake.tick()
        took.append((time.process_time() - began) * 1000)
        clock.advance(BETWEEN_S)
    slow = ", ".join(f"{each:.0f}" for each in sorted(took)[-2:])
    median = statistics.median(took[2:] or took)
    print(
        f"early={early!s:<6} median {median:7.0f} ms   min {min(took):7.0f} ms   the two slowest"
        f" {slow} ms   taken: {len(store.uploads())}   whole in {until_whole(intake, clock):.0f} ms"
    )
    store.close()
    for number in range(rounds):
        (card / f"late{number}").unlink()


def until_whole(intake: Intake, clock: FakeClock) -> float:
    """Let the card stand still until it is whole; give the milliseconds of that look."""
    while True:
        clock.advance(QUIET_S / 3)
        intake.hurry()
        began = time.process_time()
        intake.tick()
        took = (time.process_time() - began) * 1000
        if intake.is_at_rest:
            return took


def weigh(top: Path, *, early: bool) -> None:
    """Say how many bytes stay between two sweeps."""
    clock = FakeClock()
    intake, store = intake_over(top, clock, early=early)
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(3):
        intake.hurry()
        intake.tick()
        clock.advance(BETWEEN_S)
    gc.collect()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"early={early!s:<6} kept between two sweeps {(after - before) / 2**20:.1f} MiB, most"
        f" during one {(peak - before) / 2**20:.1f} MiB"
    )
    store.close()


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=14)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        card = make_card(top, options.files)
        print(f"{options.files} files in one card, {options.rounds} sweeps each")
        for early in (False, True):
            measure(top, card, rounds=options.rounds, early=early)
        for early in (False, True):
            weigh(top, early=early)
    return 0


if __name__ == "__main__":
    sys.exit(main())
