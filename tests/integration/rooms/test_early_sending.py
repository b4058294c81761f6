"""Intake and sender together over a real cloud: what arrives past its limit stops being sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.model import DropMode, HoldReason, UploadState
from masv_watch.sandbox.depot import PREFIX
from masv_watch.watch.limits import Limits
from tests.integration.rooms.sent import CHUNK, Room
from tests.integration.rooms.watched import QUIET_S, SPACING_S
from tests.integration.rooms.watched import Room as WatchedRoom
from tests.processes import Sandbox
from tests.waiting import eventually


class Station:
    """One hot folder with its intake, and the sender of the same store."""

    def __init__(self, top: Path, sandbox: Sandbox, limits: Limits, drop: DropMode) -> None:
        """Start both."""
        self.sent = Room(top, sandbox)
        self.sent.build()
        self.watched = WatchedRoom(
            top, store=self.sent.store, clock=self.sent.clock, limits=limits, drop=drop
        )
        self.card = self.watched.hot / "CARD"
        self.watched.pass_time(1)
        self.card.mkdir()

    def hollow(self, name: str, size: int) -> None:
        """Write a file of zeros."""
        with (self.card / name).open("wb") as made:
            made.truncate(size)

    def grow(self, seconds: float) -> None:
        """Write on at one file while time passes and the intake looks."""
        self.watched.intake.hurry()
        with (self.card / "growing.mov").open("ab", buffering=0) as growing:
            for _ in range(round(seconds / 2)):
                growing.write(b"more")
                self.watched.pass_time(2)


@pytest.fixture
def make_station(tmp_path: Path, sandbox: Sandbox) -> Iterator[object]:
    """Give the way to a station."""
    made: list[Station] = []

    def make(limits: Limits, drop: DropMode = DropMode.FOLDER) -> Station:
        made.append(Station(tmp_path, sandbox, limits, drop))
        return made[-1]

    yield make
    for station in made:
        sandbox.heal()
        station.watched.hints.stop()
        station.sent.close()


def _stalled(sandbox: Sandbox) -> bool:
    return any(each["fired"] for each in sandbox.witness("faults"))


def test_limit_passed_on_the_way_stops_what_is_being_sent_and_finalizes_nothing(
    make_station, sandbox
):
    """The chunks on their way give up, no further one begins, and a word sends all of it."""
    station = make_station(Limits(files=3))
    sent, watched = station.sent, station.watched
    station.hollow("a.mov", 6 * CHUNK)
    station.grow(QUIET_S + 3 * SPACING_S)
    (upload,) = watched.taken()
    sandbox.fault("stall", f"PUT {PREFIX}", seconds=1.0, times=None)
    sent.until(lambda: _stalled(sandbox))
    for name in ("b.mov", "c.mov", "d.mov"):
        station.hollow(name, CHUNK)
    station.grow(2 * SPACING_S)
    drop = watched.drop("CARD")
    assert (drop.hold, drop.whole) == (HoldReason.LIMIT_EXCEEDED, False)

    # nothing but the sender's own loop has to turn for the workers to give up
    sent.until(lambda: sent.sender.is_still, within=10)
    sandbox.heal()
    for _ in range(40):
        sent.turn()
        sent.clock.advance(1.0)
    watched.pass_time(QUIET_S + 3 * SPACING_S)
    # the cloud lists a request once it ends, which may be after the sender gave it up
    assert len(sent.requests("PUT", PREFIX)) < 6
    assert sent.upload(upload.id).state is UploadState.TRANSFERRING
    assert sent.package(upload.id)["finalize_calls"] == 0
    watched.store.release_drop(drop.id)
    watched.intake.hurry()

    def complete() -> bool:
        watched.pass_time(1)
        return sent.upload(upload.id).state == "complete"

    sent.until(complete, within=30)
    sizes = {file["name"]: file["size"] for file in sent.package(upload.id)["files"]}
    assert sizes["a.mov"] == 6 * CHUNK
    assert set(sizes) == {"a.mov", "b.mov", "c.mov", "d.mov", "growing.mov"}
    assert sent.package(upload.id)["finalize_calls"] == 1


def test_limit_passed_by_one_folder_of_a_batch_lets_the_others_be_sent(make_station):
    """Only its own files stop; the package waits for all of it."""
    station = make_station(Limits(files=2), DropMode.BATCH)
    sent, watched = station.sent, station.watched
    station.hollow("a.mov", 10)
    station.grow(QUIET_S + 3 * SPACING_S)
    for name in ("b.mov", "c.mov"):
        station.hollow(name, 10)
    (watched.hot / "single.mov").write_bytes(b"abc")
    station.grow(3 * QUIET_S)
    (upload,) = watched.taken()
    assert watched.drop("CARD").hold is HoldReason.LIMIT_EXCEEDED

    def single_is_up() -> bool:
        sent.clock.advance(0.5)
        return any(
            file.closed for file in watched.store.files(upload.id) if file.path == b"single.mov"
        )

    sent.until(single_is_up)
    states = {file.path: file.closed for file in watched.store.files(upload.id)}
    assert states == {b"CARD/a.mov": False, b"single.mov": True}
    assert eventually(lambda: sent.upload(upload.id).state is UploadState.TRANSFERRING)


def test_file_that_vanishes_before_the_sender_reaches_it_is_left_out(make_station):
    """The sender looks at a source before it asks the cloud for anything of it."""
    station = make_station(Limits())
    sent, watched = station.sent, station.watched
    station.hollow("a.mov", 10)
    station.hollow("scratch.mov", 10)
    station.grow(QUIET_S + 3 * SPACING_S)
    (upload,) = watched.taken()
    assert len(watched.files(upload)) == 2
    (station.card / "scratch.mov").unlink()

    def noticed() -> bool:
        return any(file.stale for file in watched.store.files(upload.id))

    sent.until(noticed)
    watched.pass_time(3 * QUIET_S)
    assert watched.drop("CARD").whole
    package = sent.until_complete(upload.id)

    assert {file["name"] for file in package["files"]} == {"a.mov", "growing.mov"}
