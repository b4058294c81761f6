"""`send` where another root stands at the path of a hot folder: adopted only for what is in it.

A root that is only away is never adopted, and nothing is given up by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch import files
from tests.integration.cli.terminal import Terminal
from tests.integration.daemon.remedies import Remedies
from tests.waiting import eventually

OK, FAILED, USAGE = range(3)

#: hot folders of these tests, one for each: they are put away and replaced
FOLDERS = ("swapped", "asked", "unplugged", "bare", "left", "cloned")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remedies]:
    """Give the daemon that serves all of them, each root known by what was delivered from it."""
    made = Remedies(tmp_path_factory.mktemp("roots"))
    for name in FOLDERS:
        (made.top / name).mkdir()
    made.configure(**dict.fromkeys(FOLDERS, "settle: {quiet: 3s}"))
    try:
        made.daemon.start().until_ready()
        for name in FOLDERS:
            put(made, f"{name}/{name} first.mov")
        for name in FOLDERS:
            made.until_delivered(f"{name} first.mov")
        yield made
    finally:
        made.close()


@pytest.fixture
def world(daemon: Remedies, monkeypatch: pytest.MonkeyPatch) -> Remedies:
    """Give the daemon, to which the commands of this process are led by their environment."""
    for name in ("MASV_WATCH_URL", "MASV_WATCH_TOKEN", "MASV_WATCH_CACERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASV_WATCH_CONFIG", str(daemon.config))
    return daemon


def put(world: Remedies, path: str) -> Path:
    """Put a file that has the content of no other into a hot folder."""
    return world.put(path, path.encode())


def take_away(world: Remedies, name: str) -> int:
    """Have a drop settle and its root vanish; give the number of the drop, which is held for it."""
    late = f"{name} late.mov"
    with world.writing(f"{name}/{late}"):
        eventually(lambda: [one for one in world.call("drops")[1] if one["path"] == late])
        (world.top / name).rename(world.top / f"{name} elsewhere")
    return int(world.drop(f"{name}/{late}", "root_unavailable")["id"])


def folder(world: Remedies, name: str) -> dict[str, Any]:
    """Give a hot folder as the API lists it."""
    found: dict[str, Any] = {one["name"]: one for one in world.call("hot_folders")[1]}[name]
    return found


def until_asked(world: Remedies, name: str) -> str:
    """Wait until another root is seen at the path; give what is said of it."""

    def reason() -> str:
        said = str(folder(world, name)["reason"])
        assert f"masv-watch adopt {name}" in said
        return said

    return eventually(reason)


def test_send_of_a_path_in_another_root_adopts_it_once_that_was_said(world: Remedies) -> None:
    """Which root, for whom, and what becomes of the rest: before anything is done."""
    (world.top / "swapped").rename(world.top / "swapped elsewhere")
    (world.top / "swapped").mkdir()
    path = put(world, "swapped/swapped new.mov")
    said = until_asked(world, "swapped")
    unasked = world.say("send", str(path))
    is_waiting = folder(world, "swapped")["state"] == "waiting"
    told = world.say("send", str(path), "--yes")

    assert (unasked.status, is_waiting) == (USAGE, True)
    assert (told.status, told.err) == (OK, unasked.err.rpartition("masv-watch: ")[0])
    assert f"{path} to nobody: goes once quiet, for hot folder swapped takes what" in told.err
    assert f"this is about all of hot folder swapped: {said}" in told.err
    assert "what is new in it counts as at a first start" in told.err
    world.until_delivered("swapped new.mov")


def test_send_of_a_drop_in_a_root_with_the_marker_of_another_adopts_it(world: Remedies) -> None:
    """The drop that was held for its root goes: it stands in the one that took its place."""
    number = take_away(world, "cloned")
    put(world, "cloned/cloned late.mov")
    with files.Root.open(os.fsencode(world.top / "cloned")) as root:
        files.write_marker(root, files.RootMarker(state="another", hot_folder="cloned"))
    until_asked(world, "cloned")
    told = world.say("send", str(number), "--yes")

    assert told.status == OK, told.err
    assert "cloned/cloned late.mov to nobody: goes once quiet, for hot folder cloned" in told.err
    assert "of 1 drop in wait, what does not stand in it is given up" in told.err
    world.until_delivered("cloned late.mov")


def test_send_of_a_drop_that_another_root_has_not_gives_nothing_up(world: Remedies) -> None:
    """The one command that would is named, with what it would do."""
    number = take_away(world, "left")
    put(world, "left/left other.mov")
    said = until_asked(world, "left")
    told = world.say("send", str(number), "--yes")

    assert told.status == FAILED
    assert "left late.mov cannot be hurried, for it does not stand in what is there now" in told.err
    assert f"{said}, which gives up what does not stand in it" in told.err
    assert told.err.count("\n") == 1
    assert folder(world, "left")["state"] == "waiting"


@pytest.mark.parametrize(("name", "is_bare"), [("unplugged", False), ("bare", True)])
def test_send_of_a_drop_whose_root_is_away_hurries_nothing(
    world: Remedies, name: str, is_bare: bool
) -> None:
    """Neither is a bare mount point adopted: the drop goes once its disk is back."""
    if is_bare:
        # an empty folder is another root while something of the known one waits for a person
        assert world.say("hold", str(put(world, f"{name}/{name} kept.mov"))).status == OK
    number = take_away(world, name)
    if is_bare:
        (world.top / name).mkdir()
        until_asked(world, name)
    told = world.say("send", str(number), "--yes")
    state = folder(world, name)["state"]
    if is_bare:
        (world.top / name).rmdir()
    (world.top / f"{name} elsewhere").rename(world.top / name)

    assert (told.status, state) == (FAILED, "waiting")
    assert "cannot be hurried" in told.err
    assert f"masv-watch adopt {name}" in told.err
    world.until_delivered(f"{name} late.mov")


def test_send_in_another_root_asks_at_a_terminal_and_a_no_leaves_it(world: Remedies) -> None:
    """One question for all of it; only a yes adopts."""
    (world.top / "asked").rename(world.top / "asked elsewhere")
    (world.top / "asked").mkdir()
    path = put(world, "asked/asked new.mov")
    until_asked(world, "asked")
    ended = []
    for keys in ("n\n", "y\n"):
        with Terminal("send", str(path)) as terminal:
            terminal.until("Send it? [y/N]")
            assert "this is about all of hot folder asked" in terminal.text
            assert folder(world, "asked")["state"] == "waiting"
            terminal.type(keys)
            ended.append(terminal.end())

    assert ended == [FAILED, OK]
    world.until_delivered("asked new.mov")
