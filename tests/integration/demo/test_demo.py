"""The demo of the README, with a smaller file: the whole way, as a newcomer starts it."""

from __future__ import annotations

import re
import subprocess
import sys

LAST = re.compile(r"demo: ok, (\d+) files, (\d+) bytes, sha256 equal, \d+\.\d s, \d+\.\d MiB/s")


def test_demo_with_a_small_file_ends_ok_and_leaves_nothing_running(project):
    """Every file that was dropped comes back through the mailed link, byte for byte."""
    done = subprocess.run(
        [sys.executable, "demo/main_job.py", "--size-mib", "16"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    found = LAST.fullmatch(lines[-1])
    assert found, lines[-1]
    assert int(found[1]) > 2000
    assert int(found[2]) > 16 * 1024 * 1024
    moments = ("settled", "transferred", "idle", "complete", "finalize asked 1 time", "mail")
    assert [word for word in moments if word not in done.stdout] == []
    assert "daemon   stopped" in done.stdout
