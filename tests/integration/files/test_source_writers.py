"""The kernel's answer to whether a file is written, with real writers in real processes."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch import files
from tests.in_use import REFUSALS, InUse, leased

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read leases are Linux's")

_HOLDER = """
import mmap, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
if sys.argv[2] == "mapping":
    kept = mmap.mmap(descriptor, 0)
    os.close(descriptor)
print("holds", flush=True)
sys.stdin.read()
"""

#: looks as the daemon does, and holds each lease until the kernel says that somebody breaks it
_LOOKER = """
import fcntl, os, sys, time
from masv_watch import files

files.prepare()
real = fcntl.fcntl

def held(descriptor, order, value=0):
    answer = real(descriptor, order, value)
    if (order, value) == (fcntl.F_SETLEASE, fcntl.F_RDLCK):
        print("leased", flush=True)
        while real(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK:
            time.sleep(0.001)
    return answer

fcntl.fcntl = held
with files.Root.open(os.fsencode(sys.argv[1])) as root:
    files.find_writers(root, [b"a.mov"])
    print("looked", flush=True)
    sys.stdin.readline()
    fcntl.fcntl = real
    print(files.find_writers(root, [b"a.mov"]).busy, flush=True)
"""
_WRITER = """
import os, sys, time
began = time.monotonic()
descriptor = os.open(sys.argv[1], os.O_WRONLY)
print(time.monotonic() - began, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _ignored_signal() -> Iterator[None]:
    """Let the signal of a broken lease be ignored, as the daemon does."""
    before = signal.getsignal(signal.SIGIO)
    files.prepare()
    yield
    signal.signal(signal.SIGIO, before)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[files.Root]:
    (tmp_path / "CARD" / "clips").mkdir(parents=True)
    for name in ("a.mov", "CARD/clips/b.mov", "CARD/clips/c.mov"):
        (tmp_path / name).write_bytes(b"content")
    with files.Root.open(os.fsencode(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize("how", ["descriptor", "mapping"])
@pytest.mark.fault(13)
@pytest.mark.fault(15)
def test_find_writers_names_a_file_that_another_process_has_open(
    root: files.Root, tmp_path: Path, how: str
) -> None:
    """A writable mapping counts too when its descriptor is closed already."""
    holder = _process(_HOLDER, tmp_path / "CARD/clips/b.mov", how)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holds\n"
    paths = [b"a.mov", b"CARD/clips/b.mov", b"CARD/clips/c.mov"]

    assert files.find_writers(root, paths).busy == (b"CARD/clips/b.mov",)
    holder.communicate("")
    assert files.find_writers(root, paths) == files.Writers()


@pytest.mark.fault(13)
def test_find_writers_that_a_writer_meets_on_its_lease_lives_lets_him_in_and_sees_him_next(
    tmp_path: Path, root: files.Root
) -> None:
    """The kernel sends the signal whose default ends a process, and has the writer wait.

    Nobody's lease ends by itself before the kernel's time is over: he came in because we let go.
    """
    looker = _process(_LOOKER, tmp_path)
    assert looker.stdout is not None
    assert looker.stdout.readline() == "leased\n"
    writer = _process(_WRITER, tmp_path / "a.mov")
    assert writer.stdout is not None
    waited_s = float(writer.stdout.readline())
    assert looker.stdout.readline() == "looked\n"
    seen, _ = looker.communicate("again\n")
    writer.communicate("")

    assert waited_s < float(Path("/proc/sys/fs/lease-break-time").read_text())
    assert looker.returncode == 0
    assert seen == "(b'a.mov',)\n"


def _process(code: str, *words: object) -> subprocess.Popen[str]:
    """Run a program of Python that is talked with line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def test_find_writers_is_not_disturbed_by_readers_and_lists_as_many_as_it_is_asked_for(
    root: files.Root, tmp_path: Path
) -> None:
    """Who reads a file does not hold it; `most` ends the search."""
    paths = [b"a.mov", b"CARD/clips/b.mov", b"CARD/clips/c.mov"]
    with (tmp_path / "a.mov").open("rb"), (tmp_path / "CARD/clips/b.mov").open("ab"):
        with (tmp_path / "CARD/clips/c.mov").open("r+b") as third:
            kept = mmap.mmap(third.fileno(), 0, access=mmap.ACCESS_READ)
            assert len(files.find_writers(root, paths).busy) == 1
            assert len(files.find_writers(root, paths, most=3).busy) == 2
        kept.close()


def test_find_writers_names_a_file_that_another_process_has_a_lease_on(
    root: files.Root, tmp_path: Path
) -> None:
    """As a file server has for a client: the open itself is refused, and nobody has it open."""
    with leased(tmp_path / "a.mov"):
        assert files.find_writers(root, [b"a.mov"]).busy == (b"a.mov",)
    assert files.find_writers(root, [b"a.mov"]) == files.Writers()


@pytest.mark.parametrize("number", REFUSALS, ids=os.strerror)
def test_find_writers_names_a_file_that_nobody_may_open_while_it_is_in_use(
    root: files.Root, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Nobody knows that it is not written."""
    InUse(monkeypatch, "b.mov", number)

    assert files.find_writers(root, [b"a.mov", b"CARD/clips/b.mov"]).busy == (b"CARD/clips/b.mov",)


def test_find_writers_passes_over_what_is_gone_a_link_or_a_fifo(
    root: files.Root, tmp_path: Path
) -> None:
    """Other tests see those; a FIFO never makes it wait (fault 26)."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("a.mov")

    assert files.find_writers(root, [b"gone", b"pipe", b"link", b"no/such"]) == files.Writers()


def test_find_writers_without_the_signal_ignored_takes_no_lease(root: files.Root) -> None:
    """Its default would end the daemon: then it cannot tell, and says so."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)

    assert "would end this process" in files.find_writers(root, [b"a.mov"]).unknown


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_find_writers_of_another_users_file_without_the_capability_cannot_tell(
    root: files.Root, tmp_path: Path
) -> None:
    """EACCES is "cannot tell", never "free"."""
    tmp_path.chmod(0o755)
    code = (
        "import os,sys\nfrom masv_watch import files\nfiles.prepare()\n"
        "root = files.Root.open(os.fsencode(sys.argv[1]))\nos.setresuid(1234, 1234, 1234)\n"
        "print(files.find_writers(root, [b'a.mov']).unknown)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )

    assert "CAP_LEASE" in done.stdout
