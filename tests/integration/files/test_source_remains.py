"""What a kill left of a copy into a hot folder, and who takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from masv_watch.files import Root, bring, look, remains
from masv_watch.files.probing import Workbench
from tests.processes import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc")

COPYING = """
import sys, time
from masv_watch.files import bring, look
def proceed(size):
    if not size:
        return
    print("copies", flush=True)
    time.sleep(600)
bring(look(sys.argv[1].encode()), sys.argv[2].encode(), b"CARD", proceed=proceed)
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Give a folder to be copied."""
    (tmp_path / "CARD").mkdir()
    (tmp_path / "CARD" / "a.mov").write_bytes(b"a")
    return tmp_path / "CARD"


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Give an empty hot folder."""
    (tmp_path / "hot").mkdir()
    return tmp_path / "hot"


def names(hot: Path) -> set[str]:
    """List the hot folder."""
    return set(os.listdir(hot))


def left_by(
    hot: Path, process: int, *, boot: bytes = b"", space: int = 0, began: bytes = b""
) -> str:
    """Make what a process of this number leaves behind; give its name."""
    if not began:
        began = remains._began(process) if os.path.exists(f"/proc/{process}") else b"1"
    maker = b"%s-%d-%d-%s" % (boot or remains._boot(), space or remains._space(), process, began)
    name = os.fsdecode(b".drop-%s-%s.masv-part" % (maker, b"0" * 32))
    (hot / name / "sub").mkdir(parents=True)
    (hot / name / "sub" / "half.mov").write_bytes(b"half")
    return name


def test_copy_that_was_killed_is_removed_by_the_next_one(card: Path, hot: Path) -> None:
    """A kill -9 leaves an ignored name; it goes when somebody drops there again."""
    process = subprocess.Popen(
        [sys.executable, "-c", COPYING, str(card), str(hot)],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "copies\n"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    (left,) = names(hot)

    bring(look(os.fsencode(card)), os.fsencode(hot), b"NEW", proceed=lambda _size: None)

    assert left.startswith(".drop-")
    assert names(hot) == {"NEW"}


def test_copy_of_a_process_that_lives_stays(hot: Path) -> None:
    """Two may drop into one folder at a time."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        name = left_by(hot, process.pid)
        with Root.open(os.fsencode(hot)) as root, Workbench(root):
            assert name in names(hot)
    finally:
        process.kill()
        process.wait(30)
    with Root.open(os.fsencode(hot)) as root, Workbench(root):
        assert name not in names(hot)


def test_number_of_a_dead_process_that_another_one_has_now_keeps_nothing(hot: Path) -> None:
    """The kernel gives numbers again; when a process began tells the two apart."""
    left_by(hot, os.getpid(), began=b"1")

    with Root.open(os.fsencode(hot)) as root:
        assert remains.clear_remains(root) == 1


def test_what_may_belong_to_somebody_else_stays(hot: Path) -> None:
    """A container has its own process numbers, and an odd name is nobody's of ours."""
    other_space = left_by(hot, 4_000_000_000, space=1)
    odd = hot / ".drop-x.masv-part"
    odd.mkdir()

    with Root.open(os.fsencode(hot)) as root:
        assert remains.clear_remains(root) == 0

    assert names(hot) == {other_space, odd.name}


def test_what_an_earlier_boot_left_goes_from_a_local_disk_only(hot: Path) -> None:
    """Whoever wrote to our own disk before this boot is dead; to a share another machine writes."""
    left_by(hot, os.getpid(), boot=b"0" * 32)
    with Root.open(os.fsencode(hot)) as root:
        on_a_share = remains.clear_remains(root, kind_of=lambda _path: "network")
        on_our_disk = remains.clear_remains(root)

    assert (on_a_share, on_our_disk) == (0, 1)
    assert names(hot) == set()
