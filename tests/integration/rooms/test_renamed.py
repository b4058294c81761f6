"""A hot folder that gets another name and keeps its ledger (behaviour 7.4)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masv_watch import check
from masv_watch.config.load import load
from masv_watch.errors import ConfigError
from masv_watch.store.peeking import known_roots
from tests.integration.rooms.delivered import World
from tests.integration.rooms.rostered import busy, roster, settling
from tests.integration.rooms.test_intake_redrops import SETTLED_S, delivered


def test_renamed_hot_folder_sends_nothing_again_with_was(make_room: Any):
    """Delivered drops, living ones and uploads on their way go on under the new name."""
    room = busy(make_room())
    room.store.pause_folder("hot")
    before = {drop.path: (drop.id, drop.state) for drop in room.store.drops()}
    new = replace(room.rule, name="new", was="hot")

    roster(room, new)

    after = {drop.path: (drop.id, drop.state) for drop in room.store.drops("new")}
    assert after == before
    assert room.store.drops("hot") == []
    assert {upload.hot_folder for upload in room.store.uploads()} == {"new"}
    assert room.store.is_adopted("new", new.path)
    assert list(room.store.paused_folders()) == ["new"]
    # at every later start it is done already
    roster(room, new)
    assert {drop.path: (drop.id, drop.state) for drop in room.store.drops("new")} == before
    room.rule = new
    room.begin()
    room.pass_time(SETTLED_S)
    assert len(room.store.uploads()) == 2


def test_renamed_hot_folder_is_not_asked_about_once_more_after_a_restore(make_room: Any):
    """What its first start on the restored state held was asked about under the earlier name."""
    store = make_room().store
    store.engine.write(lambda tx: tx.run("note_restored"))
    for name in ("hot", "hotter"):
        store.see_drop(name, b"a.mov")
        store.note_asked(name)

    assert store.rename_folder("hot", "new")
    assert not store.asks_anew("new")
    assert store.asks_anew("hot")
    assert not store.asks_anew("hotter")


def test_renamed_hot_folder_without_was_drops_from_view_what_settles(make_room: Any):
    """Removed: what settles goes from view, and the ledger stays (behaviour 7.4)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    settling(room)

    roster(room, replace(room.rule, name="new"))

    assert [str(drop.state) for drop in room.store.drops("hot")][1:] == ["cancelled"]
    assert room.store.was_delivered("hot", b"a.mov")
    assert room.store.drops("new") == []


def test_two_histories_do_not_become_one(make_room: Any, caplog: Any):
    """Who names the earlier name too late is told, and nothing is mixed."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    room.store.see_drop("new", b"a.mov")

    roster(room, replace(room.rule, name="new", was="hot"))

    assert [drop.path for drop in room.store.drops("hot")] == [b"a.mov"]
    assert [one.was for one in caplog.records if "ledger of its own" in one.message] == ["hot"]


def test_volumes_of_a_renamed_hot_folder_go_along(make_room: Any):
    """A removable one has a ledger for each; a longer name beside it is another folder."""
    room = make_room()
    for name in ("hot@1234-ABCD", "hot", "hotter"):
        room.store.see_drop(name, b"a.mov")

    assert room.store.rename_folder("hot", "new")

    assert len(room.store.drops("new@1234-ABCD")) == len(room.store.drops("new")) == 1
    assert len(room.store.drops("hotter")) == 1


CONFIG = """
version: 1
state: {state}
hot_folders:
  - {{name: {name}, path: {path}{more}, to: {{portal: p, sender: a@b.example}}}}
"""


def warned(world: World, name: str, more: str = "") -> list[str]:
    """Check a file whose hot folder has this name; give what it warns of its name."""
    path = world.top / "masv-watch.yml"
    path.write_text(
        CONFIG.format(state=world.settings.state, name=name, path=world.root, more=more)
    )
    path.chmod(0o600)
    found = check.examine(load(str(path), environ={}), file=str(path), probe=False)
    return [one for one in found.warnings if ".name: " in one]


@pytest.mark.parametrize("is_open", [True, False])
def test_check_warns_of_a_renamed_hot_folder_without_was(world: World, is_open: bool):
    """Whether the daemon runs or not; a look leaves nothing beside the state."""
    world.store.adopt("old", os.fsencode(world.root))
    if not is_open:
        world.store.close()
    before = sorted(os.listdir(world.settings.state))

    (warning,) = warned(world, "new")

    assert "is known as old" in warning
    assert warning.endswith("add `was: old` to keep its ledger")
    assert warned(world, "new", ", was: old") == []
    assert warned(world, "old") == []
    assert sorted(os.listdir(world.settings.state)) == before
    assert known_roots(str(world.top / "none")) == {}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ("[{name: b, was: a, %s}, {name: a, %s}]", "`a` is still a hot folder (line"),
        ("[{name: a, was: a, %s}, {name: b, %s}]", "`a` is still a hot folder (line"),
        ("[{name: b, was: a, %s}, {name: c, was: a, %s}]", "`a` is named at line"),
        ("[{name: b, was: a b, %s}, {name: c, %s}]", "a b"),
    ],
)
def test_earlier_name_that_is_somebody_elses_is_refused(tmp_path: Path, folders: str, message: str):
    """One ledger has one heir."""
    keys = [
        f"path: {tmp_path}/{number}, to: {{portal: p, sender: a@b.example}}" for number in range(2)
    ]
    path = tmp_path / "masv-watch.yml"
    path.write_text(f"version: 1\nstate: {tmp_path}/s\nhot_folders: {folders % tuple(keys)}\n")
    path.chmod(0o600)

    with pytest.raises(ConfigError) as refused:
        load(str(path), environ={})

    assert message in str(refused.value.problems)


@pytest.mark.parametrize(("state", "is_told"), [("another", True), ("own", False)])
def test_check_warns_of_a_root_with_the_marker_of_another_state(
    world: World, state: str, is_told: bool
):
    """Before the daemon starts: two that watch one folder would send all of it twice."""
    own = world.store.state_id()
    world.root.joinpath(".masv-watch").write_text(
        json.dumps({"state": own if state == "own" else state, "hot_folder": "old"})
    )
    path = world.top / "masv-watch.yml"
    path.write_text(CONFIG.format(state=world.settings.state, name="old", path=world.root, more=""))
    found = check.examine(load(str(path), environ={}), file=str(path), probe=True, network=False)

    told = [one for one in found.warnings if "the marker of another masv-watch" in one]
    assert len(told) == is_told
    assert all("hot_folders[0].path: warning: " in one for one in told)
    assert all("masv-watch adopt old" in one for one in told)


@pytest.mark.parametrize("ledger", ["{}", "{}@CARD"])
def test_hot_folder_that_is_renamed_after_a_restore_is_not_asked_about_once_more(make_room, ledger):
    """It was asked about under its earlier name."""
    room = make_room()
    room.store.engine.write(lambda tx: tx.run("set_meta", key="restored", value="1"))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    room.store.note_asked(ledger.format("hot"))
    assert room.store.rename_folder("hot", "new")

    assert not room.store.asks_anew(ledger.format("new"))
    assert room.store.asks_anew(ledger.format("hot"))
