"""Half an hour under mixed load: do memory, descriptors and threads stay as they are?

Owns one daemon and one sandbox as processes, the pace of everything that keeps them busy, a sample
each few seconds, and the end: everything that was dropped was delivered once. Flat is what gains
next to nothing after the first third, by a robust line through the samples. Unlike the other
benchmarks this one ends with status 1 when it is not, and `make bench` leaves it out.

    .venv/bin/python tests/benchmarks/bench_soak.py [--minutes N] [--pace N] [--seed N]
        [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError, machine, plain, simple_table  # noqa: E402
from tests.benchmarks.flatness import (  # noqa: E402
    LEAST_S,
    MIB,
    Sample,
    Verdict,
    is_long_enough,
    judge,
)
from tests.benchmarks.loads import Callers, Droppers, Faults, Hand, delivered  # noqa: E402
from tests.benchmarks.sink import work_folder  # noqa: E402
from tests.processes import Daemon, Sandbox, ask, free_port  # noqa: E402
from tests.waiting import eventually  # noqa: E402

#: seconds from the end of the load until everything must be delivered
PATIENCE_S = 300.0
#: seconds between two samples; less in a short run, so that there are enough
EVERY_S = 3.0
#: lines of the printed table
LINES = 15
#: seconds after which the sandbox's bytes of what it has are thrown away, for the disk's sake
KEPT_S = 240.0
TRASH = ".masv-trash"
MOVED = "{move: '{root}/_sent/{name}'}"
PORTAL = "{portal: dailies, sender: dit@example.com}"
_NOT_DONE = """
SELECT 'drop', hot_folder, path, state, coalesce(hold, '') || note FROM drops
    WHERE state IN ('settling', 'held', 'queued')
UNION ALL SELECT 'upload', hot_folder, name, state, error FROM uploads
    WHERE state NOT IN ('complete', 'gone') AND hot_folder <> ''
UNION ALL SELECT 'task', upload_id, kind, state, note FROM tasks WHERE state = 'due'
"""


def configuration(top: Path, sandbox: Sandbox, *, port: int, turn: int) -> str:
    """Write the configuration of a reload; each other one has one hot folder more."""
    hot, smtp = top / "hot", sandbox.smtp_port
    folders = [
        "{name: each, drop: file, after: {delivered: delete}, link: {mail_to: [a@example.com]}}",
        "{name: marked, settle: {done_marker: '{name}.done'}, after: {delivered: delete}}",
        "{name: cards, drop: folder, link: {mail_to: [b@example.com, c@example.com]}}",
        f"{{name: batch, drop: batch, finalize: {{idle: 3s}}, after: {{delivered: {MOVED}}}}}",
        "{name: again, redrop: send}",
        "{name: fickle}",
        "{name: big, chunk_size: 5 MiB, after: {delivered: delete}}",
        *(["{name: extra, priority: 3}"] if turn % 2 else []),
    ]  # fmt: skip
    lines = [
        "version: 1",
        f'masv: {{api_url: "{sandbox.api}", team: acme, api_key: sandbox-key}}',
        f'server: {{listen: "http://127.0.0.1:{port}"}}',
        f"state: {top / 'state'}",
        f"mail: {{from: a@example.com, smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}}}",
        f"bandwidth: {900 + turn % 7} Mbit/s",
        "defaults: {settle: {quiet: 1s, samples: 2}, initial: send, limits: {unusual: false}}",
        "hot_folders:",
        *(
            f"  - {each[:-1]}, path: {hot / each[7:].partition(',')[0].rstrip('}')},"
            " to: {recipients: []}}"
            for each in folders
        ),
        f"  - {{name: portal, path: {hot / 'portal'}, to: {PORTAL}}}",
    ]
    return "\n".join(lines) + "\n"


class Soak:
    """A daemon, a sandbox and everything that keeps both busy."""

    def __init__(self, top: Path, options: Options) -> None:
        """Start both and wait until the daemon is ready."""
        self.top, self._options = top, options
        for name in (
            "each", "marked", "cards", "batch", "again", "fickle", "big", "extra", "portal",
        ):  # fmt: skip
            (top / "hot" / name).mkdir(parents=True)
        (top / "media").mkdir()
        self.sandbox = Sandbox(top / "cloud")
        self._port = free_port()
        self._config = top / "masv-watch.yml"
        self._turn = 0
        self._configure()
        self.database = top / "state" / "masv-watch.db"
        self.daemon = Daemon(self._config, self._port, top / "daemon.log")
        try:
            self.daemon.start().until_ready()
        except BaseException:
            self.end()
            raise
        self.droppers = Droppers(top / "hot", self.database, seed=options.seed)
        self.callers = Callers(
            self.daemon.api, top / "media", self.droppers.promises, seed=options.seed
        )
        self.reloads = 0
        self.hands: list[Hand] = []

    @property
    def pid(self) -> int:
        """Give the daemon's process id."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    def has_ended(self) -> bool:
        """Say whether the daemon lives no more."""
        assert self.daemon.process is not None
        return self.daemon.process.poll() is not None

    def _configure(self) -> None:
        text = configuration(self.top, self.sandbox, port=self._port, turn=self._turn)
        self._config.write_text(text)
        self._config.chmod(0o600)
        self._turn += 1

    def reload(self) -> None:
        """Change the configuration and have it taken over, by signal and by call in turn."""
        self._configure()
        if self._turn % 2:
            os.kill(self.pid, signal.SIGHUP)
        else:
            ask(self.daemon.api, "/api/v1/reload", "POST", {})
        self.reloads += 1

    def forget_bytes(self) -> None:
        """Throw away what the sandbox hashed long ago."""
        before = time.time() - KEPT_S
        for blob in (self.top / "cloud" / "objects").iterdir():
            # the sandbox removes some itself
            with suppress(FileNotFoundError):
                if blob.stat().st_mtime < before:
                    blob.unlink()

    @contextmanager
    def load(self) -> Iterator[list[Hand]]:
        """Keep all hands busy, and stop them at the end; the faults go first."""
        drop, call, pace = self.droppers, self.callers, self._options.pace
        faults = Faults(self.sandbox, seed=self._options.seed)
        paces: list[tuple[Callable[[], None], float]] = [
            (drop.small, 1.0), (drop.burst, 37.0), (drop.marked, 2.0), (drop.card, 6.0),
            (drop.batch, 8.0), (drop.portal, 5.0), (drop.large, 11.0), (drop.again, 1.0),
            (drop.fickle, 2.0), (call.create, 4.0), (call.poll, 2.0), (call.follow, 1.0),
            (call.follow, 1.7),
        ]  # fmt: skip
        # in a short run all that is rare comes at least a few times, too
        most_s = self._options.minutes * 60 / 4
        paces += [(self.reload, 60.0), (faults.turn, 10.0), (self.forget_bytes, 20.0)]
        hands = [Hand(act, min(every_s / pace, most_s)) for act, every_s in paces]
        self.hands = hands
        tending = [Hand(drop.clear, 2.0), Hand(call.attend, 1.0), Hand(call.tidy, 3.0)]
        try:
            yield [*hands, *tending]
            _all_end(hands)
            drop.end()
            self.sandbox.heal()
            # what waits for its next trial, a letter for minutes, is tried at once
            self.reload()
            self._until_done()
        finally:
            _all_end([*hands, *tending])

    def _until_done(self) -> None:
        def done() -> bool:
            left = self._left()
            assert not left, left[:10]
            return self.callers.is_done

        eventually(done, within=PATIENCE_S, every=1)

    def _left(self) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as ledger:
            return ledger.execute(_NOT_DONE).fetchall()

    def sample(self, began: float) -> Sample:
        """Look at the process, its database and its hot folders."""
        process = Path(f"/proc/{self.pid}")
        rollup = _kib(process / "smaps_rollup")
        status = _kib(process / "status")
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as ledger:
            tables = ledger.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall()
            rows = sum(
                ledger.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables
            )
        wal = self.database.with_name(self.database.name + "-wal")
        return Sample(
            at_s=time.monotonic() - began,
            rss_mib=rollup["Rss"] / 1024,
            anon_mib=rollup["Anonymous"] / 1024,
            pss_mib=rollup["Pss"] / 1024,
            fds=len(os.listdir(process / "fd")),
            threads=int(status["Threads"]),
            database_mib=self.database.stat().st_size / MIB,
            wal_mib=wal.stat().st_size / MIB if wal.exists() else 0.0,
            rows=rows,
            standing=sum(
                len(names) for where, _, names in os.walk(self.top / "hot") if TRASH not in where
            ),
        )

    def end(self) -> None:
        """End both."""
        if hasattr(self, "daemon") and self.daemon.process is not None:
            self.daemon.stop()
        self.sandbox.end()


def _all_end(hands: Sequence[Hand]) -> None:
    for hand in hands:
        hand.end()


def _kib(path: Path) -> dict[str, float]:
    """Read the rows of a file of /proc that are a number, most of them in KiB."""
    rows = (row.split(":", 1) for row in path.read_text().splitlines() if ":" in row)
    return {name: float(rest.split()[0]) for name, rest in rows if rest.split()[:1] and
            rest.split()[0].isdigit()}  # fmt: skip


def soaked(soak: Soak, options: Options) -> list[Sample]:
    """Let the load go on for its time and give a sample of each few seconds.

    Raises:
        CannotMeasureError: a hand failed, or the daemon did not live.
    """
    samples: list[Sample] = []
    began = time.monotonic()
    seconds = options.minutes * 60
    every_s = min(EVERY_S, seconds / 20)
    with soak.load() as hands:
        while time.monotonic() - began < seconds:
            time.sleep(every_s)
            if soak.has_ended():
                raise CannotMeasureError("the daemon ended")
            samples.append(soak.sample(began))
            if len(samples) % 20 == 0:
                print(f"  {_line(samples[-20:])}", file=sys.stderr, flush=True)
            for hand in hands:
                if hand.error is not None:
                    what = f"the hand {hand.name!r} failed: {hand.error!r}"
                    raise CannotMeasureError(what) from hand.error
    return samples


def _middle(samples: Sequence[Sample], figure: str) -> str:
    return plain(statistics.median(float(getattr(each, figure)) for each in samples))


FIGURES = (
    "rss_mib", "anon_mib", "pss_mib", "fds", "threads", "database_mib", "wal_mib", "rows",
    "standing",
)  # fmt: skip


def _line(samples: Sequence[Sample]) -> str:
    told = ", ".join(f"{figure} {_middle(samples, figure)}" for figure in FIGURES)
    return f"{samples[-1].at_s:.0f} s: {told}"


def table(samples: Sequence[Sample]) -> str:
    """Write the medians of equal spans of time."""
    rows = [["minutes", *FIGURES]]
    for number in range(LINES):
        part = samples[number * len(samples) // LINES : (number + 1) * len(samples) // LINES]
        if part:
            rows.append(
                [f"{part[-1].at_s / 60:.1f}", *(_middle(part, figure) for figure in FIGURES)]
            )
    return simple_table(rows)


def verdicts_table(verdicts: Sequence[Verdict]) -> str:
    """Write what each figure gained within ten minutes, and what it may."""
    rows = [["figure", "after warm-up", "at the end", "in 10 minutes", "at most", "verdict"]]
    rows += [
        [
            each.bound.figure, plain(each.first), plain(each.last),
            f"{each.gained:+.3f}", f"{each.bound.most + each.explained:.3f}",
            "flat" if each.is_flat else "NOT FLAT",
        ]
        for each in verdicts
    ]  # fmt: skip
    return simple_table(rows)


def told(soak: Soak, samples: Sequence[Sample], options: Options) -> int:
    """Print what was found; give 1 when something grew or was not delivered once."""
    got = delivered(soak.sandbox)
    broken = soak.droppers.promises.broken(got)
    print(f"\n{options.minutes:g} minutes under mixed load\n\n{machine()}.\n")
    print(
        f"{len(got):,} files of {len(soak.droppers.promises):,} contents delivered,"
        f" {soak.reloads} reloads, {len(soak.sandbox.witness('mail')):,} letters;"
        f" refused calls: {dict(soak.callers.refused) or 'none'}.\n"
    )
    print(table(samples) + "\n")
    verdicts = judge(samples) if is_long_enough(samples) else []
    if verdicts:
        print(verdicts_table(verdicts) + "\n")
    else:
        print(f"too short to judge what grows: less than {LEAST_S:.0f} s after the warm-up\n")
    for line in broken[:20]:
        print(f"BROKEN PROMISE: {line}")
    flat = all(each.is_flat for each in verdicts)
    print(
        f"goal: everything that was dropped was delivered once: {'MISSED' if broken else 'reached'}"
    )
    if verdicts:
        print(f"goal: memory, descriptors and threads are flat: {'reached' if flat else 'MISSED'}")
    if options.json:
        tree = {
            "machine": machine(), "minutes": options.minutes, "broken": broken,
            "acts": {each.name: each.acts for each in soak.hands},
            "samples": [asdict(each) for each in samples],
            "verdicts": [{**asdict(each), "is_flat": each.is_flat} for each in verdicts],
        }  # fmt: skip
        Path(options.json).write_text(json.dumps(tree, indent=1) + "\n")
    return 1 if broken or not flat else 0


class Options:
    """The command line."""

    minutes: float
    pace: float
    seed: int
    json: str | None


def run() -> int:
    """Soak as the command line asks; give the exit status."""
    line = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    line.add_argument("--minutes", type=float, default=30.0)
    line.add_argument("--pace", type=float, default=1.0, help="times the usual load")
    line.add_argument("--seed", type=int, default=1)
    line.add_argument("--json", metavar="FILE", help="write every sample there")
    options = line.parse_args(namespace=Options())
    # whoever ends us must not leave the two processes behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with work_folder() as top:
        soak = Soak(top, options)
        try:
            samples = soaked(soak, options)
            return told(soak, samples, options)
        except CannotMeasureError as error:
            print(f"\nCANNOT MEASURE: {error}\n{soak.daemon.text()[-2000:]}", file=sys.stderr)
            return 2
        except AssertionError as error:
            print(f"\nNOT DELIVERED: {error}\n{soak.daemon.text()[-4000:]}", file=sys.stderr)
            return 1
        finally:
            soak.end()


if __name__ == "__main__":
    sys.exit(run())
