"""What `check` says about the machine: folders, rights, devices, the state."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from masv_watch import model
from masv_watch.config import load, world


def settings(ground: Path, **rule: object) -> model.Settings:
    """Give a configuration of one hot folder below the ground."""
    one = model.Rule(
        name="out",
        path=os.fsencode(ground / "out"),
        to=model.To(recipients=()),
        at="f.yml:4",
        **rule,
    )
    return model.Settings(masv=model.Masv(), state=str(ground / "state"), hot_folders=(one,))


def test_world_in_order_gives_ok_lines_only(ground: Path) -> None:
    """Each thing looked at has its line."""
    (ground / "out").mkdir()
    after = model.After(delivered="move", move_to="{root}/_sent/{name}")

    found = world.probe(settings(ground, after=after))

    assert (found.problems, found.warnings) == ([], [])
    assert found.ok == [
        f"ok: hot_folders[0].path: {ground}/out is there and can be read",
        "ok: hot_folders[0].after.delivered: delivered sources are moved by a rename",
        f"ok: state: {ground}/state will be made",
    ]
    assert not (ground / "state").exists()


def test_missing_hot_folder_is_a_warning_at_its_place(ground: Path) -> None:
    """run waits for it, so check does not refuse."""
    path = ground / "masv-watch.yml"
    path.write_text(
        f"version: 1\nmasv: {{team: t, api_key: !env K}}\nstate: {ground}\nhot_folders:\n"
        "  - {name: a, path: /nowhere/at/all, to: {recipients: []}}\n"
    )
    loaded = load.load(str(path), environ={"K": "k"})

    found = world.probe(loaded.settings, places=loaded.places)

    assert found.problems == []
    words = "/nowhere/at/all is missing: run will wait for it - mount it or make it"
    assert found.warnings == [f"{path}:5:21: hot_folders[0].path: warning: {words}"]
    assert load.as_records(found.warnings)[0]["line"] == 5


def test_hot_folder_that_is_a_file_is_a_problem(ground: Path) -> None:
    """A file will never become a folder by waiting."""
    (ground / "out").touch()

    found = world.probe(settings(ground))

    assert found.problems == [
        f"f.yml:4:1: hot_folders[0].path: {ground}/out is not a folder - name a folder"
    ]


@pytest.mark.usefixtures("as_stranger")
def test_rights_that_lack_are_warnings(ground: Path) -> None:
    """Reading the folder, and writing in it where `after` needs that (pain 40)."""
    made_by_root = os.geteuid() != os.getuid()
    if made_by_root:
        os.seteuid(0)
    (ground / "out").mkdir(mode=0o311)
    if made_by_root:
        os.seteuid(65534)
    else:
        (ground / "out").chmod(0o100)
        ground.chmod(0o555)

    found = world.probe(settings(ground, after=model.After(delivered="delete")))
    ground_is_ours = not made_by_root
    if ground_is_ours:
        ground.chmod(0o755)

    assert ["cannot be read by this user" in one for one in found.warnings] == [True, False]
    assert "cannot be deleted" in found.warnings[1]
    assert ["state: " in one and "right to write" in one for one in found.problems] == [True]


def test_state_below_a_file_is_a_problem(ground: Path) -> None:
    """The state needs a folder."""
    (ground / "out").mkdir()
    (ground / "state").touch()

    found = world.probe(settings(ground))

    assert found.problems == [
        f"configuration:1:1: state: {ground}/state is not a folder - name a folder"
    ]


def test_move_to_another_file_system_is_said(ground: Path) -> None:
    """A move across devices is a copy, which is worth knowing and not wrong."""
    (ground / "out").mkdir()
    other = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        after = model.After(delivered="move", move_to=f"{other}/{{name}}")
        found = world.probe(settings(ground, after=after))
        is_same = other.stat().st_dev == ground.stat().st_dev
    finally:
        other.rmdir()

    assert ("by a rename" in found.ok[1]) is is_same
    assert ("another file system" in found.ok[1]) is not is_same


def test_duplicates_with_a_word_of_their_own_have_a_line_of_their_own(ground: Path) -> None:
    """What becomes of them is looked at as what becomes of delivered sources."""
    (ground / "out").mkdir()
    found = world.probe(settings(ground, after_duplicate=model.After(delivered="delete")))

    assert "ok: hot_folders[0].after.duplicate: duplicates can be deleted" in found.ok
    assert not any("after.delivered" in line for line in found.ok)
