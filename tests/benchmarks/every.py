"""Every benchmark but the soak, one after the other; in the end, what was missed or not measured.

Owns the order and that verdict. Never measures and never stops at one that failed. Run by
`make bench`.

    .venv/bin/python tests/benchmarks/every.py [FILE...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import GOALS_MISSED, NO_FIGURE  # noqa: E402

HERE = Path(__file__).resolve().parent
#: it takes half an hour, and has a command of its own
SOAK = "bench_soak.py"
GOAL, MISSED = "goal: ", "MISSED"


def found() -> list[Path]:
    """List the benchmarks that there are."""
    return sorted(each for each in HERE.glob("bench_*.py") if each.name != SOAK)


def told(bench: Path) -> tuple[int, list[str]]:
    """Run one and pass on what it prints; give its exit status and the goals that it missed."""
    print(f"bench: {bench}", flush=True)
    missed = []
    with subprocess.Popen([sys.executable, str(bench)], stdout=subprocess.PIPE, text=True) as done:
        assert done.stdout is not None
        for line in done.stdout:
            print(line, end="", flush=True)
            if line.startswith(GOAL) and line.rstrip().endswith(MISSED):
                missed.append(line.removeprefix(GOAL).rstrip())
    return done.returncode, missed


def run(benches: list[Path]) -> int:
    """Run them all; give 3 where goals were missed, 2 where anything could not be measured."""
    missed: list[str] = []
    failed: list[str] = []
    for bench in benches:
        status, goals = told(bench)
        missed += [f"{bench.stem}: {goal}" for goal in goals]
        if status not in (0, GOALS_MISSED):
            failed.append(f"{bench.stem} (status {status})")
    for goal in missed:
        print(f"bench: {goal}", file=sys.stderr)
    for name in failed:
        print(f"bench: could not measure: {name}", file=sys.stderr)
    if failed:
        return NO_FIGURE
    return GOALS_MISSED if missed else 0


def main() -> int:
    """Read the command line."""
    line = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    line.add_argument("files", nargs="*", type=Path, metavar="FILE", help="all without it")
    return run(line.parse_args().files or found())


if __name__ == "__main__":
    sys.exit(main())
