"""How long the sending room rests while there is nothing to send, and what it wakes for."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from masv_watch.cloud.client import CloudClient
from masv_watch.departure import REST_S, Departure
from masv_watch.errors import StoreError
from masv_watch.login import Login
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Draft,
    FileDraft,
    Identity,
    Masv,
    Rule,
    Schedule,
    Settings,
    Span,
    Terms,
    To,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
#: between two ticks, so that the windows are looked at each time
BRIEFLY_S = 0.6


class House:
    """A sending room that no cloud is behind; whatever would ask it fails the test."""

    def __init__(self, state: str, schedule: Schedule) -> None:
        self.clock = FakeClock(wall=NOON)
        self.store = open_store(state, clock=self.clock, metrics=Metrics())
        rule = Rule(name="hot", path=b"/hot", to=To(recipients=()), schedule=schedule)
        settings = Settings(masv=Masv(), state=state, hot_folders=(rule,))
        metrics = Metrics()
        cloud = CloudClient(None, api_url="http://nowhere.invalid")  # type: ignore[arg-type]
        self.departure = Departure(
            self.store,
            cloud,
            Login(cloud, settings.masv, clock=self.clock, metrics=metrics),
            settings=lambda: settings,
            look=lambda *_: pytest.fail("looked at a source"),
            rights=lambda *_: pytest.fail("opened a source"),
            source_changed=lambda _name: None,
            clock=self.clock,
            metrics=metrics,
        )

    def upload(self) -> str:
        """Make an upload of a caller's file that waits for a retry, so that nothing is sent."""
        identity = Identity(size=1, mtime_ns=0, ctime_ns=0, inode=1, device=1)
        file = FileDraft(path=b"a", package_path="", name="a", identity=identity)
        upload_id = self.store.create_upload(
            Draft(
                hot_folder=None,
                root=b"/",
                name="called",
                message="",
                terms=Terms(type=UploadType.TEAM, idle_s=None),
                files=(file,),
            )
        )
        (claimed,) = self.store.claim_uploads(1, 30.0)
        self.store.let_go(upload_id, claimed.fence, retry_at=self.store.now() + 3600)
        return upload_id

    def tick(self) -> float:
        """Let a moment pass, and give what the room wants to rest then, in seconds."""
        self.clock.advance(BRIEFLY_S)
        return self.departure.tick()


@pytest.fixture
def make_house(tmp_path):
    """Give a maker of a house with this schedule."""
    built: list[House] = []

    def make(**schedule) -> House:
        state = os.fspath(tmp_path / f"state{len(built)}")
        built.append(House(state, Schedule(tz="UTC", **schedule)))
        return built[-1]

    yield make
    for house in built:
        house.departure.end(1.0)
        house.store.close()


def test_room_without_an_upload_rests_until_something_rings(make_house):
    """A service without work asks its database twice a minute and not each second."""
    assert make_house().tick() == REST_S


def test_room_rests_for_what_only_a_person_can_move_and_looks_each_second_at_the_rest(make_house):
    """A retry, a lease and a finalize by itself come by time alone: no ring tells of them."""
    house = make_house()
    upload_id = house.upload()
    assert house.tick() == 1.0

    house.store.advance_upload(upload_id, UploadEvent.PAUSE)
    assert house.tick() == REST_S

    house.store.advance_upload(upload_id, UploadEvent.RESUME)
    assert house.tick() <= 1.0


def test_room_looks_each_second_while_what_was_given_up_is_tried_once_more(make_house):
    """Of an upload in error only that one moves by time."""
    house = make_house()
    upload_id = house.upload()
    house.clock.advance(3600)
    (claimed,) = house.store.claim_uploads(1, 30.0)
    house.store.note_outage(claimed)
    house.store.give_up(claimed, code=1, error="no network for a day")
    upload = house.store.upload(upload_id)
    assert upload is not None
    assert upload.state is UploadState.ERROR
    assert house.tick() == 1.0

    house.store.advance_upload(upload_id, UploadEvent.RESUME)
    house.store.advance_upload(upload_id, UploadEvent.FAIL, code=1, error="refused")
    assert house.tick() == REST_S


def test_room_that_cannot_read_its_state_looks_each_second(make_house, monkeypatch):
    """It rests for nothing that it does not know, and a disk in trouble crashes no loop."""
    house = make_house()
    engine = house.store.engine

    def broken(_job):
        raise StoreError("the disk does not answer")

    monkeypatch.setattr(engine, "read", broken)
    assert house.tick() == 1.0
    monkeypatch.undo()
    assert house.tick() == REST_S


def test_room_at_rest_wakes_in_the_second_in_which_a_window_opens(make_house):
    """Whose hot folder is told, so that it looks at what waits there."""
    house = make_house(windows=(Span(start=12 * 60 + 1, end=13 * 60),))
    assert house.tick() == REST_S
    house.clock.advance(42)

    pause_s = house.tick()

    assert pause_s == pytest.approx(60 - 42 - 2 * BRIEFLY_S)
    house.clock.advance(pause_s)
    assert house.tick() == REST_S
    assert not house.departure.openings.turns().closed


def test_room_at_rest_is_rung_by_each_upload_that_begins_or_is_moved(make_house):
    """Otherwise it would go only when the rest is over."""
    house = make_house()
    bell = house.departure.bell
    bell.wait(0.0)

    upload_id = house.upload()
    assert bell.wait(0.0)
    house.store.advance_upload(upload_id, UploadEvent.PAUSE)
    assert bell.wait(0.0)
    house.store.advance_upload(upload_id, UploadEvent.RESUME)
    assert bell.wait(0.0)
    house.store.delete_upload(upload_id, takes_package=False)
    assert bell.wait(0.0)
