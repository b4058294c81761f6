"""What the processes of this machine show of their open files, with real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from masv_watch import files
from tests.in_use import holding

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

_HOLDER = """
import os, sys
for path in sys.argv[2:]:
    os.open(path, os.O_RDONLY if sys.argv[1] == "reads" else os.O_WRONLY | os.O_APPEND)
print("holds", flush=True)
sys.stdin.read()
"""


def opened(how: str, *paths: Path) -> AbstractContextManager[int]:
    """Let another process have files open; what is given gives its number."""
    return holding(_HOLDER, how, *paths)


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    made = tmp_path / "hot"
    (made / "CARD").mkdir(parents=True)
    for path in (made / "a.mov", made / "CARD" / "b.mov", tmp_path / "hot.mov"):
        path.write_bytes(b"content")
    return made


def test_written_below_gives_what_lies_there_and_is_open_for_writing(hot: Path) -> None:
    """Readers count for nothing, nor does what only begins with the same name."""
    with (
        opened("writes", hot / "CARD" / "b.mov", hot.with_suffix(".mov")) as one,
        opened("writes", hot / "CARD" / "b.mov") as other,
        opened("reads", hot / "a.mov"),
    ):
        found = files.written_below(os.fsencode(hot))

    assert found == {b"CARD/b.mov": tuple(sorted((one, other)))}
    assert files.written_below(os.fsencode(hot)) == {}


def test_written_below_a_link_to_a_root_gives_the_paths_below_it(hot: Path) -> None:
    """The kernel names a file by where it lies."""
    (hot.parent / "link").symlink_to(hot)
    with opened("writes", hot / "a.mov") as pid:
        assert files.written_below(os.fsencode(hot.parent / "link")) == {b"a.mov": (pid,)}


def test_written_below_that_is_ended_asks_no_further_process(hot: Path) -> None:
    """A daemon that stops waits for nothing."""
    with opened("writes", hot / "a.mov"):
        assert files.written_below(os.fsencode(hot), stop=lambda: True) == {}


def test_programs_writing_names_as_many_as_it_is_asked_for(hot: Path) -> None:
    """Each once, however much of a drop it writes."""
    paths = [b"a.mov", b"CARD/b.mov"]
    with (
        opened("writes", hot / "a.mov", hot / "CARD" / "b.mov") as pid,
        opened("writes", hot / "a.mov"),
    ):
        both = files.programs_writing(os.fsencode(hot), paths, most=5)
        one = files.programs_writing(os.fsencode(hot), paths[1:], most=5)
        first = files.programs_writing(os.fsencode(hot), paths, most=1)

    assert (len(both), [each.pid for each in one], len(first)) == (2, [pid], 1)
    assert both[0].name.startswith(b"python")


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs root")
def test_written_below_leaves_out_what_another_user_may_not_see(hot: Path) -> None:
    """It is no error, and proves nothing."""
    hot.parent.chmod(0o755)
    code = (
        "import os,sys\nfrom masv_watch import files\nos.setresuid(1234, 1234, 1234)\n"
        "print(files.written_below(os.fsencode(sys.argv[1])))"
    )
    with opened("writes", hot / "a.mov"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(hot)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
        )

    assert done.stdout == "{}\n"
