"""Files that another program or machine has in use when they are looked at (pain 6)."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, Dedupe, DropMode, Prospect, Settle, Sidecar
from masv_watch.watch.assessing import WRITER_S
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from tests.in_use import REFUSALS, InUse, leased
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

from .test_intake_redrops import SETTLED_S, delivered

#: long enough for a drop to settle, and to be looked at again
LONG_S = PERIOD_S[Sight.BLIND] + 2 * QUIET_S + WRITER_S


@pytest.fixture
def _asked_of_the_kernel() -> Iterator[None]:
    """Let the kernel be asked for writers, as the daemon does."""
    before = signal.getsignal(signal.SIGIO)
    files.prepare()
    yield
    signal.signal(signal.SIGIO, before)


@pytest.fixture
def on_a_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give what lets all lie on a network file system, as far as the list of mounts tells."""

    def turn() -> None:
        listed = tmp_path / "mountinfo"
        lines = Path("/proc/self/mountinfo").read_bytes()
        listed.write_bytes(re.sub(rb"(?m) - \S+ ", b" - cifs ", lines))
        # a function of the package has the name of its module
        monkeypatch.setattr(sys.modules["masv_watch.files.mounts"], "_MOUNTS", os.fsencode(listed))

    return turn


def ask(room: Room, relative: str):
    """Ask about a path below the hot folder."""
    asked = Asked(
        path=os.fsencode(room.hot / relative),
        relative=os.fsencode(relative),
        caller=Caller(uid=0, is_owner=True),
    )
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


@pytest.mark.parametrize("number", REFUSALS, ids=os.strerror)
@pytest.mark.parametrize("asks", [True, False])
def test_file_on_a_share_that_is_in_use_is_held_by_its_writer_until_it_can_be_opened(
    make_room, on_a_share, monkeypatch, number, asks
):
    """A share mode of another machine is no fault of rights, whatever `open_check` says."""
    on_a_share()
    room = make_room(settle=Settle(quiet_s=QUIET_S, asks_for_writers=asks))
    (room.hot / "a.mov").write_bytes(b"abc")
    use = InUse(monkeypatch, "a.mov", number)
    room.pass_time(LONG_S)
    held, note, said = room.state("a.mov"), room.drop("a.mov").note, ask(room, "a.mov")
    use.is_refused = False
    room.pass_time(WRITER_S + LOOK_S)

    assert held == ("held", "open_by_writer")
    assert note == f"a.mov is in use by another program or machine: {os.strerror(number)}"
    assert (said.prospect, said.why) == (Prospect.HELD, note)
    assert "close the program" in said.cure
    assert [(each.test, each.passed) for each in said.findings][-1] == ("writer", False)
    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
@pytest.mark.usefixtures("_asked_of_the_kernel")
@pytest.mark.parametrize("kind", ["share", "disk"])
def test_file_that_a_file_server_leased_to_a_client_is_held_until_the_lease_ends(
    make_room, on_a_share, kind
):
    """The kernel of a local disk says the same of it as a share's look does."""
    if kind == "share":
        on_a_share()
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    with leased(room.hot / "a.mov"):
        room.pass_time(LONG_S)
        held = room.state("a.mov")
    room.pass_time(WRITER_S + LOOK_S)

    assert held == ("held", "open_by_writer")
    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]


@pytest.mark.usefixtures("_asked_of_the_kernel")
@pytest.mark.parametrize("number", REFUSALS, ids=os.strerror)
@pytest.mark.parametrize("kind", ["share", "disk"])
def test_folder_with_a_file_that_is_in_use_is_held_as_a_whole(
    make_room, monkeypatch, on_a_share, kind, number
):
    """Nobody is told of half a card."""
    if kind == "share":
        on_a_share()
    room = make_room(drop=DropMode.FOLDER, early=False)
    (room.hot / "CARD").mkdir()
    for name in ("a.mov", "b.mov"):
        (room.hot / "CARD" / name).write_bytes(b"abc")
    use = InUse(monkeypatch, "b.mov", number)
    room.pass_time(LONG_S)
    held, note = room.state("CARD"), room.drop("CARD").note
    use.is_refused = False
    room.pass_time(WRITER_S + LOOK_S)

    assert held == ("held", "open_by_writer")
    assert note.startswith("CARD/b.mov is ")
    assert [room.files(upload) for upload in room.taken()] == [["CARD/a.mov", "CARD/b.mov"]]


def test_file_on_a_share_that_is_in_use_does_not_go_with_the_rest_of_its_folder(
    make_room, on_a_share, monkeypatch
):
    """What starts early leaves it for later."""
    on_a_share()
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    for name in ("a.mov", "b.mov"):
        (room.hot / "CARD" / name).write_bytes(b"abc")
    use = InUse(monkeypatch, "b.mov", REFUSALS[1])
    room.pass_time(LONG_S)
    [upload] = room.taken()
    early, state = room.files(upload), room.state("CARD")
    use.is_refused = False
    room.pass_time(WRITER_S + LOOK_S)

    assert (early, state) == (["CARD/a.mov"], ("taken", "open_by_writer"))
    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov"]
    assert room.drop("CARD").whole


def test_delivered_file_on_a_share_that_somebody_opens_for_himself_stays_delivered(
    make_room, on_a_share, monkeypatch
):
    """An editor that lets nobody else open it changes nothing of it."""
    on_a_share()
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    before = room.store.drops("hot")
    use = InUse(monkeypatch, "a.mov", REFUSALS[1])
    room.begin()
    room.pass_time(LONG_S)

    assert use.refusals
    assert room.store.drops("hot") == before


def test_file_that_is_in_use_while_it_is_compared_is_held_by_its_writer(make_room, monkeypatch):
    """Its content tells whether it is a copy, and nobody can read it yet."""
    room = make_room(dedupe=Dedupe.SKIP)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "b.mov").write_bytes(b"abc")
    use = InUse(monkeypatch, "b.mov", REFUSALS[2])
    room.pass_time(LONG_S)
    held = room.state("b.mov")
    use.is_refused = False
    room.pass_time(SETTLED_S)

    assert held == ("held", "open_by_writer")
    assert room.state("b.mov") == ("duplicate", None)


def test_drop_whose_sidecar_is_in_use_waits_for_who_writes_that(make_room, monkeypatch):
    """There is no mistake in it that anybody could correct."""
    room = make_room(sidecar=Sidecar(name="{name}.yml", may_set=("message",)))
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "a.mov.yml").write_bytes(b"message: for the edit\n")
    use = InUse(monkeypatch, "a.mov.yml", REFUSALS[1])
    room.pass_time(LONG_S)
    held, note = room.state("a.mov"), room.drop("a.mov").note
    use.is_refused = False
    room.pass_time(LONG_S)

    assert held == ("held", "open_by_writer")
    assert note.startswith("a.mov.yml is in use by ")
    assert len(room.taken()) == 1
