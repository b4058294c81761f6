"""Files that another program or machine has in use when they are looked at (pain 6)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, Dedupe, DropMode, Prospect, Settle, Sidecar
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.writing import WRITER_S
from tests.in_use import REFUSALS, InUse, leased
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

from .test_intake_redrops import SETTLED_S, delivered

#: long enough for a drop to settle, and to be looked at again
LONG_S = PERIOD_S[Sight.BLIND] + 2 * QUIET_S + WRITER_S


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


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Count how often the processes of this machine are gone through."""
    counted: list[object] = []
    real = os.listdir

    def listdir(path: object = ".") -> object:
        if path == b"/proc":
            counted.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    return counted


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("kind", ["share", "disk"])
def test_drop_that_a_program_writes_is_held_where_the_kernel_cannot_tell(
    make_room, on_a_share, kind
):
    """On a share it never can; on a disk not of the files of others, nor without leases."""
    if kind == "share":
        on_a_share()
    room = make_room()
    with (room.hot / "a.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(LONG_S)
        held, note, said = room.state("a.mov"), room.drop("a.mov").note, ask(room, "a.mov")
    room.pass_time(WRITER_S + LOOK_S)

    assert (held, note) == (("held", "open_by_writer"), "a.mov is open for writing")
    assert (said.prospect, f"(pid {os.getpid()})" in said.why) == (Prospect.HELD, True)
    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_file_of_a_folder_on_a_share_that_a_program_writes_does_not_go_with_the_others(
    make_room, on_a_share
):
    """What starts early is asked about as well."""
    on_a_share()
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    with (room.hot / "CARD" / "b.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(LONG_S)
        [upload] = room.taken()
        early, state = room.files(upload), room.state("CARD")
    room.pass_time(WRITER_S + LOOK_S)

    assert (early, state) == (["CARD/a.mov"], ("taken", "open_by_writer"))
    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov"]


def test_drops_that_go_at_once_have_the_processes_gone_through_once(
    make_met_room, on_a_share, passes
):
    """And a hot folder in which nothing would go never has."""
    on_a_share()
    room = make_met_room()
    for number in range(30):
        (room.hot / f"{number}.mov").write_bytes(b"%d" % number)
    room.pass_time(PERIOD_S[Sight.BLIND] + 2 * QUIET_S)
    taken, asked = len(room.taken()), len(passes)
    room.pass_time(3600.0)

    assert (taken, asked, len(passes)) == (30, 1, 1)


def test_rule_that_never_asks_for_writers_has_no_process_looked_at(make_room, on_a_share, passes):
    """`open_check: never` is for programs that keep everything open."""
    on_a_share()
    room = make_room(settle=Settle(quiet_s=QUIET_S, asks_for_writers=False))
    with (room.hot / "a.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(LONG_S)

        assert len(room.taken()) == 1
    assert passes == []


def test_drop_on_a_share_says_which_writers_nobody_would_have_seen(make_room, on_a_share):
    """`explain` lists the test and what it does not prove, and the status of the folder does."""
    on_a_share()
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(LOOK_S)

    def writer_tests():
        room.intake.tick()
        room.clock.advance(LOOK_S)
        return [each for each in ask(room, "a.mov").findings if each.test == "writer"]

    [writer] = next(filter(None, (writer_tests() for _ in range(100))))
    why = "cannot tell: on a network file system the kernel knows no writer"

    assert writer.passed
    assert writer.detail == f"{why}; no program that the daemon can see writes it"
    shown = room.intake.entries.assessor.shown.writers
    assert shown == f"{why}; only programs that the daemon can see count"
