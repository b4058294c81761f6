"""The sink cloud, a daemon that delivers to it, and what either of them costs.

Owns compiling and starting tests/benchmarks/sink.c, asking what it saw, starting a real daemon
process with a configuration in a folder, and reading a process' CPU and memory. Never part of the
product and never asserts anything. Used by the benchmarks.

    with tempfile.TemporaryDirectory() as top, Sink() as sink:
        with Watcher(Path(top), sink.url, transfer="connections: 4") as watcher:
            watcher.drop(prepared)
            watcher.until_complete(prepared.name)
        print(sink.counts()["bytes_put"])
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.figures import CannotMeasureError  # noqa: E402
from tests.processes import Daemon, ask, free_port  # noqa: E402
from tests.waiting import eventually  # noqa: E402

#: seconds for a process to become ready
START_S = 60.0
#: where files cost no disk, and the bytes that others are left there
MEMORY = Path("/dev/shm")
SPARE = 256 * 1024 * 1024
#: what `state` a delivered upload has
COMPLETE = "complete"


@functools.cache
def compiled() -> Path:
    """Compile the sink once for this process and give the program, which goes with the process.

    Raises:
        CannotMeasureError: there is no C compiler, or it refuses the source.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotMeasureError(
            "there is no `cc`: install a C compiler (Debian: apt-get install gcc)"
        )
    folder = tempfile.TemporaryDirectory(prefix="masv-watch-sink-")
    # held for as long as the process lives
    _FOLDERS.append(folder)
    program = Path(folder.name) / "sink"
    source = Path(__file__).with_name("sink.c")
    done = subprocess.run(
        [compiler, "-O2", "-pthread", "-o", str(program), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotMeasureError(f"the sink does not compile:\n{done.stderr}")
    return program


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


class Sink:
    """A running sink; its storage's URLs begin with `public`, or with what it is called by."""

    def __init__(
        self,
        *,
        rate: int = 0,
        delay_ms: float = 0,
        public: str = "",
        listen: str = "127.0.0.1:0",
        prefix: tuple[str, ...] = (),
    ) -> None:
        """Start it; `rate` is bytes a second for each connection, `delay_ms` before each answer.

        `prefix` are words before the command, such as `ip netns exec NAME`.
        """
        words = ["--listen", listen, "--tied"]
        words += ["--rate", str(rate)] if rate else []
        words += ["--delay", str(delay_ms)] if delay_ms else []
        words += ["--public", public] if public else []
        # tied to our end of the pipe, so that it never outlives us
        self.process = subprocess.Popen(
            [*prefix, str(compiled()), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("sink ready: port="):
            raise CannotMeasureError(f"the sink did not start: {line!r}")
        self.port = int(line.rpartition("=")[2])
        host = listen.rpartition(":")[0]
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"

    def counts(self) -> dict[str, Any]:
        """Give what it saw since the last reset; times are seconds of this machine's clocks."""
        return ask(self.url, "/_counts")[1]

    def reset(self) -> None:
        """Begin to count afresh; what is finalized stays finalized."""
        ask(self.url, "/_reset", "POST")

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class Watcher:
    """A daemon process with one hot folder `out` to the sink's team, in a folder of its own.

    The folder must lie on the file system of what is dropped: a drop is one rename.
    """

    def __init__(
        self,
        top: Path,
        api_url: str,
        *,
        transfer: str = "connections: 4",
        folder: str = "drop: each",
        state: Path | None = None,
        environ: dict[str, str] | None = None,
        beside: Sequence[Path] = (),
        quiet: str = "1s",
    ) -> None:
        """Write the configuration; `folder` are further keys of the hot folder, as flow YAML.

        `state` keeps the database elsewhere: on a disk, where the drops lie in memory. `beside` are
        further hot folders that are there, with the same keys."""
        self.top, self.out = top, top / "out"
        self.out.mkdir(parents=True)
        self.config = top / "masv-watch.yml"
        port = free_port()
        self.config.write_text(
            "version: 1\n"
            f'masv: {{api_url: "{api_url}", team: acme, api_key: sink-key-0123456789}}\n'
            f'server: {{listen: "http://127.0.0.1:{port}"}}\n'
            f"state: {state or top / 'state'}\n"
            f"transfer: {{{transfer}}}\n"
            "hot_folders:\n"
            + "".join(
                f"  - {{name: {each.name}, path: {each}, to: {{recipients: []}}, settle: {{quiet:"
                f" {quiet}, samples: 2}}, {folder}}}\n"
                for each in (self.out, *beside)
            )
        )
        self.config.chmod(0o600)
        self.daemon = Daemon(self.config, port, top / "daemon.log")
        self.api = self.daemon.api
        self._environ = environ or {}

    @property
    def pid(self) -> int:
        """Give the daemon's process id."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    def start(self) -> Watcher:
        """Start the daemon and wait until it is ready."""
        self.daemon.start(environ=self._environ)
        try:
            self.daemon.until_ready()
        except BaseException:
            self.end()
            raise
        return self

    def end(self) -> None:
        """End the daemon, hard where it does not end by itself."""
        try:
            self.daemon.stop()
        except subprocess.TimeoutExpired:
            self.daemon.kill()

    def drop(self, made: Path) -> None:
        """Put what was made beside the hot folder into it by one rename."""
        made.rename(self.out / made.name)

    def upload(self, name: str) -> dict[str, Any]:
        """Give the newest upload of this package name; LookupError while there is none."""
        return [each for each in self.daemon.uploads() if each["package_name"] == name][-1]

    def until_complete(self, name: str, within: float = 600.0, *, every: float = 0.05) -> Any:
        """Wait until the upload of this name is complete and give it.

        Asking costs the daemon CPU, which `every` keeps small beside what is measured.
        """

        def there() -> dict[str, Any] | None:
            found = self.upload(name)
            if found["state"] not in {"transferring", "idle", "finalizing", COMPLETE}:
                raise CannotMeasureError(
                    f"the upload went wrong: {found}\n{self.daemon.text()[-2000:]}"
                )
            return found if found["state"] == COMPLETE else None

        return eventually(there, within=within, every=every)

    def until_idle(self, within: float = 60.0) -> None:
        """Wait until the daemon takes less than a fiftieth of a core over half a second."""

        def rests() -> bool:
            before = cpu_s(self.pid)
            time.sleep(0.5)
            return cpu_s(self.pid) - before < 0.01

        eventually(rests, within=within)

    def __enter__(self) -> Watcher:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


def cpu_s(pid: int) -> float:
    """Give the CPU seconds of a process, ended threads and children included.

    Its own part is exact to the nanosecond, that of reaped children to a clock tick.
    """
    # what clock_getcpuclockid() of the C library makes of a process id
    own = time.clock_gettime((~pid << 3) | 2)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    reaped = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return own + reaped + sum(cpu_s(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(word) for word in (thread / "children").read_text().split()]
        except FileNotFoundError:
            # a thread that ended meanwhile
            continue
    return found


def memory_mib(pid: int) -> tuple[float, float]:
    """Give the resident memory of a process in MiB: now, and the most since the last reset."""
    rows = dict(
        row.split(":", 1)
        for row in Path(f"/proc/{pid}/status").read_text().splitlines()
        if ":" in row
    )
    now, peak = (int(rows[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def forget_peak(pid: int) -> None:
    """Let the memory's peak begin anew at what it is now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def work_folder(*, in_memory: int | None = None) -> Iterator[Path]:
    """Give a folder that is removed afterwards.

    It lies in memory where `in_memory` bytes have room there, else on the disk of the temporary
    folder, which is said: then it is the page cache that holds them.
    """
    where = None
    if in_memory is not None:
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= in_memory + SPARE:
            where = str(MEMORY)
        else:
            print(f"  {MEMORY} has no room for {in_memory >> 20} MiB: on disk", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="masv-watch-bench-", dir=where) as top:
        yield Path(top)
