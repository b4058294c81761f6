"""`check` within the limits of a unit: real mounts in a namespace of its own, no capability left.

Root without capabilities is a plain user who owns what root owns, so that the interpreter under
test can be started wherever it lies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")

_PID = 'exec setpriv --bounding-set=-all --no-new-privs env "SYSTEMD_EXEC_PID=$$" "$@"'


@pytest.fixture
def ground() -> Iterator[Path]:
    """Give a folder of which a unit has no copy of its own."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-unit-", dir="/var/lib"))
    folder.chmod(0o755)
    (folder / "out").mkdir()
    yield folder
    shutil.rmtree(folder)


def check(ground: Path, *limits: str, rule: str = "", path: Path | None = None) -> str:
    """Run `check` as the command of a unit with these limits; give its warnings."""
    file = ground / "masv-watch.yml"
    file.write_text(
        f"version: 1\nmasv: {{team: acme}}\nstate: /dev/shm\nhot_folders:\n"
        f"  - {{name: out, path: {path or ground / 'out'},"
        f" to: {{portal: dailies, sender: a@example.com}}{rule}}}\n"
    )
    script = "\n".join(["set -e", *limits, _PID])
    words = (sys.executable, "-m", "masv_watch", "check", "--no-network", "-c", str(file))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *words],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


STRICT = "mount -o remount,bind,ro /"
DELETE = ", after: {delivered: delete}"
KEY = "hot_folders[0].path: warning: "


def test_folder_left_out_of_readwritepaths_is_named_with_its_line(ground):
    """The line is the one that opens it: with it nothing is left to say."""
    line = f"ReadWritePaths=-{ground}/out"
    opened = f"mount --bind {ground}/out {ground}/out; {STRICT}"

    said, cured = check(ground, STRICT, rule=DELETE), check(ground, opened, rule=DELETE)

    (told,) = [each for each in said.splitlines() if "read-only for this service" in each]
    assert told.startswith(
        f"{ground}/masv-watch.yml:5:23: {KEY}delivered sources cannot be deleted"
    )
    assert told.endswith(f"run `systemctl edit masv-watch` and write under [Service]: {line}")
    assert "systemctl" not in cured


def test_folder_that_is_only_read_needs_no_line(ground):
    """A rule that keeps its sources works in the unit as it is shipped."""
    assert "systemctl" not in check(ground, STRICT)


def test_folder_hidden_by_protecthome_is_named_with_its_line(ground):
    """An inaccessible folder as systemd makes one, and the empty one of `tmpfs`."""
    home = Path("/home/masv-watch-test/out")
    nothing = "/mnt/systemd/inaccessible/dir"
    hidden = (
        "mount -t tmpfs tmpfs /mnt",
        f"mkdir -p {nothing}",
        f"chmod 0 {nothing}",
        f"mount --bind {nothing} /home",
    )
    empty = "mount -t tmpfs -o ro,mode=755 tmpfs /home"

    barred, emptied = check(ground, *hidden, path=home), check(ground, empty, path=home)

    line = f"BindPaths=-{home}"
    for said in (barred, emptied):
        assert f"{KEY}ProtectHome= hides {home} from this service" in said
        assert said.rstrip().endswith(line)
    assert f"ProtectHome=tmpfs and {line}" in barred
    assert "ProtectHome=tmpfs" not in emptied


def test_folder_closed_to_the_group_is_named_with_the_group(ground):
    """A group that may enter becomes a line; where none may, an access list helps."""
    os.chown(ground / "out", 12345, 54321)
    (ground / "out").chmod(0o750)

    readable, closed = check(ground), check(ground, rule=DELETE)

    assert "SupplementaryGroups=54321" in readable
    assert "SupplementaryGroups" not in closed
    assert f"setfacl -m u:0:rwx {ground}/out" in closed


def test_folder_behind_a_closed_one_names_that_one(ground):
    """The right that lacks is the one to pass the folder above."""
    above = ground / "above"
    (above / "out").mkdir(parents=True)
    os.chown(above, 12345, 0)
    above.chmod(0o700)

    said = check(ground, path=above / "out")

    assert f"{KEY}{above} is closed to this service" in said
    assert f"setfacl -m u:0:x {above}" in said


def test_check_outside_of_a_unit_says_nothing_of_units(ground):
    """A person at a terminal has no drop-in to write."""
    os.chown(ground / "out", 12345, 54321)
    (ground / "out").chmod(0o750)
    file = ground / "masv-watch.yml"
    check(ground)

    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", sys.executable, "-m", "masv_watch", "check",
         "--no-network", "-c", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip

    assert "cannot be read by this user" in done.stderr
    assert "systemctl" not in done.stderr
