"""`masv-watch service paths`: the drop-in on the screen and in its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.config.dropins import mount_unit
from tests.mounted import Mounts
from tests.processes import PROJECT

_CONFIG = """\
version: 1
masv: {{team: acme, api_key: !credential api_key}}
hot_folders:
  - {{name: out, path: {path}, to: {{recipients: []}}, after: {{delivered: delete}}}}
"""


def paths(config: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "masv_watch", "service", "paths", "-c", str(config), *words],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **environ},
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "masv-watch.yml"
    file.write_text(_CONFIG.format(path="/srv/out"))
    return file


def test_paths_are_printed_and_nothing_is_touched(config, tmp_path):
    """Without credentials at hand, as root types it; the state is the unit's own."""
    answer = paths(config, XDG_STATE_HOME=str(tmp_path))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "RequiresMountsFor=/srv/out\n" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "ReadWritePaths=-/srv/out"
    assert "state" not in answer.stdout.split("[Service]")[1].replace("the state.", "")
    assert [each.name for each in tmp_path.iterdir()] == ["masv-watch.yml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_paths_of_a_mount_with_its_marker_do_not_keep_the_service_down(config, tmp_path):
    """Without the marker an empty mount point would be taken for the folder, so that it does."""
    mounts, point = Mounts(), tmp_path / "nas"
    config.write_text(_CONFIG.format(path=point))
    mounts.tmpfs(point)
    try:
        bare = paths(config)
        with files.Root.open(os.fsencode(point)) as root:
            files.write_marker(root, files.RootMarker(state="s", hot_folder="out"))
        marked = paths(config)
    finally:
        mounts.end()

    unit = mount_unit(os.fsencode(point))
    assert f"\nRequiresMountsFor={point}\n" in bare.stdout
    assert "Wants=" not in bare.stdout
    assert f"\nWants={unit}\nAfter={unit}\n#RequiresMountsFor={point}\n" in marked.stdout


def test_paths_written_stand_in_the_folder_of_drop_ins(config, tmp_path):
    """The folder is made, an earlier file replaced, and the next command is named."""
    folder = tmp_path / "system" / "masv-watch.service.d"

    first = paths(config, "--write", str(folder))
    config.write_text(_CONFIG.format(path="/srv/other"))
    second = paths(config, "--write", str(folder))

    assert (first.returncode, second.returncode) == (0, 0)
    assert "systemctl daemon-reload" in second.stdout
    assert [each.name for each in folder.iterdir()] == ["paths.conf"]
    text = (folder / "paths.conf").read_text()
    assert "/srv/other" in text
    assert "/srv/out" not in text


def test_paths_that_cannot_be_written_are_one_line(config, tmp_path):
    """What, why, what to do."""
    (tmp_path / "file").touch()

    answer = paths(config, "--write", str(tmp_path / "file"))

    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "cannot be written" in answer.stderr
    assert "run it as root" in answer.stderr


def test_paths_of_a_wrong_configuration_are_its_problems(config):
    """The same lines as `check` has, and no drop-in."""
    config.write_text("version: 1\nmistake: 1\n")

    answer = paths(config)

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "masv-watch.yml:2:1" in answer.stderr
