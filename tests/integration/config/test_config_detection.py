"""What `check` says about how changes will be found, and about the kernel's limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from masv_watch import check
from masv_watch.config import load
from masv_watch.files import Root, held_notifications, volume_of
from masv_watch.model import Rule, To
from masv_watch.watch.hints import Hints
from tests.doubles import FakeClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def written(folder: Path, *hot: Path) -> Path:
    """Write a configuration of these hot folders, which needs no cloud."""
    lines = [f"  - {{name: {each.name}, path: {each}, {TO}}}" for each in hot]
    path = folder / "masv-watch.yml"
    path.write_text("\n".join(["version: 1", f"state: {folder}/state", "hot_folders:", *lines]))
    return path


TO = "to: {portal: p, sender: a@example.com}"


CHECK = f"{sys.executable} -m masv_watch check -c"


def at_home(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script where this user is root of a machine of its own."""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr or "cannot create" in done.stderr:
        pytest.skip(f"this user may have no namespaces: {done.stderr.strip()}")
    return done


def looked(path: Path) -> check.Found:
    """Look at the world of a file, with no cloud to be reached."""
    text = path.read_text()
    path.write_text(text.replace("version: 1", "version: 1\nmasv: {api_url: 'http://127.0.0.1:9'}"))
    return check.examine(load.load(str(path), environ={}), file=str(path), probe=True)


def test_check_says_where_a_folder_lies_on_another_file_system_than_expected(
    tmp_path: Path,
) -> None:
    """A share that is not mounted: what is there instead, at the key's own line; a fit is told."""
    (tmp_path / "hot").mkdir()
    with Root.open(os.fsencode(tmp_path / "hot")) as root:
        kind = volume_of(root).kind

    def expecting(*kinds: str) -> check.Found:
        path = written(tmp_path, tmp_path / "hot")
        said = f"{TO}, expect: {{filesystem: [{', '.join(kinds)}]}}"
        path.write_text(path.read_text().replace(TO, said))
        return looked(path)

    fits, other = expecting("nfs", kind), expecting("nfs", "smb")
    path = tmp_path / "masv-watch.yml"

    (told,) = [line for line in other.warnings if "expect.filesystem" in line]
    column = path.read_text().splitlines()[-1].index("[nfs") + 1
    assert told == (
        f"{path}:5:{column}: hot_folders[0].expect.filesystem: warning: {tmp_path}/hot lies on"
        f" {kind} and not on nfs or smb: nothing of it will be sent - mount what belongs there"
    )
    assert not [line for line in fits.warnings if "expect.filesystem" in line]
    assert f"ok: hot_folders[0].expect.filesystem: {tmp_path}/hot lies on {kind}" in fits.ok


@pytest.mark.fault(3)
def test_check_warns_before_the_kernel_refuses_watches(tmp_path: Path) -> None:
    """Pain 32: known before the start, at the line of the hot folders, with the command."""
    for number in range(30):
        (tmp_path / "hot" / f"{number}").mkdir(parents=True)
    path = written(tmp_path, tmp_path / "hot")

    done = at_home(f"echo 12 > /proc/sys/user/max_inotify_watches; {CHECK} {path}")

    (told,) = [line for line in done.stderr.splitlines() if "inotify" in line]
    assert told.startswith(f"{path}:4:3: hot_folders: warning: 31 folders need")
    assert "but the kernel allows 12: run sysctl fs.inotify.max_user_watches=" in told
    assert told.endswith("without that a sweep every 15s decides")
    # 31 folders, the least margin, and what other programs of this user hold
    assert int(told.partition("watches=")[2].partition(";")[0]) >= 1055


def test_check_says_how_changes_are_found_and_that_the_kernel_allows_it(tmp_path: Path) -> None:
    """Configuration 2.6: local or network, and what that switches."""
    (tmp_path / "hot" / "below").mkdir(parents=True)

    found = looked(written(tmp_path, tmp_path / "hot"))

    words = "on a local file system: changes are announced, quiet after 15s"
    assert f"ok: hot_folders[0].path: {words}" in found.ok
    assert "ok: hot_folders: 2 folders to be watched, and the kernel allows it" in found.ok


def test_check_counts_no_folder_of_an_archive_that_is_not_watched(tmp_path: Path) -> None:
    """Where delivered sources are moved to is never listened to."""
    (tmp_path / "hot" / "_sent" / "2026" / "CARD").mkdir(parents=True)
    (tmp_path / "hot" / "below").mkdir()
    config = written(tmp_path, tmp_path / "hot")
    moves = "after: {delivered: {move: '{root}/_sent/{date}/{name}'}}, to:"
    config.write_text(config.read_text().replace("to:", moves))

    found = looked(config)

    assert "ok: hot_folders: 2 folders to be watched, and the kernel allows it" in found.ok


def test_count_gives_up_when_its_time_is_over_and_says_so(tmp_path: Path) -> None:
    """A start that checks first never waits for a count of millions."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    clock = FakeClock()
    rule = Rule(name="a", path=os.fsencode(tmp_path), to=To(recipients=()))
    check_s = check.COUNTING_S
    ticks = iter([0.0, check_s - 1.0, check_s])
    clock.monotonic = lambda: next(ticks)  # type: ignore[method-assign]

    counted = check.count_all([rule], clock=clock)

    assert counted.is_cut
    assert counted.folders == 2


def test_watches_of_the_daemon_that_runs_already_are_not_counted_twice(tmp_path: Path) -> None:
    """A check beside a running daemon must not warn of the daemon itself."""
    hot, proc = tmp_path / "hot", tmp_path / "proc"
    for number in range(20):
        (hot / f"{number}").mkdir(parents=True)
    # what other programs do meanwhile is no matter here
    proc.mkdir()
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    hints = Hints(lambda _name: None)
    before = held_notifications(proc=os.fsencode(proc))
    try:
        hints.arm("out", os.fsencode(hot))
        with_it = held_notifications(proc=os.fsencode(proc))
        without = held_notifications([os.fsencode(hot)], proc=os.fsencode(proc))
    finally:
        hints.stop()

    assert (with_it.watches - before.watches, with_it.instances - before.instances) == (21, 1)
    assert without == before


def test_one_folder_mounted_twice_is_a_problem(tmp_path: Path) -> None:
    """Each drop would be sent twice, and no comparison of paths can see it."""
    hot, again = tmp_path / "hot", tmp_path / "again"
    hot.mkdir()
    again.mkdir()
    path = written(tmp_path, hot, again)

    done = at_home(f"mount --bind {hot} {again} && exec {CHECK} {path}")

    assert done.returncode == 2
    assert f"{path}:5:25: hot_folders[1].path: is the same folder as that of 'hot'" in done.stderr
