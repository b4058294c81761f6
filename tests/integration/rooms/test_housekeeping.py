"""The jobs that the clock does, each called as it would, over a real store and real files."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from masv_watch.errors import StoreUnusable
from masv_watch.housekeeping import BACKUP_S, Housekeeping, name_of
from masv_watch.metrics import Metrics
from masv_watch.model import Backup, DropEvent, History
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock

DAY_S = 86400.0


class House:
    """A housekeeping whose clock never rings by itself."""

    def __init__(self, top) -> None:
        self.clock, self.metrics = FakeClock(), Metrics()
        self.state = top / "state"
        self.store = open_store(str(self.state), clock=self.clock, metrics=self.metrics)
        self.settings = SimpleNamespace(
            state=str(self.state), history=History(drops_s=DAY_S, events_s=DAY_S), backup=None
        )
        self.told: list[float] = []
        self.begin(self.metrics)

    def begin(self, metrics: Metrics) -> None:
        """Start anew, as a restart of the daemon does."""
        self.keeping = Housekeeping(
            self.store,
            settings=lambda: self.settings,
            tidy=self.told.append,
            clock=self.clock,
            metrics=metrics,
        )


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.store.close()


def test_forgetting_removes_what_is_over_and_says_so_once(house, caplog):
    """With `history`'s times; with nothing to forget nothing is said."""
    caplog.set_level("INFO")
    drop = house.store.see_drop("out", b"a.mov")
    house.store.advance_drop(drop.id, DropEvent.CANCEL)
    house.store.note_missed(gone=[drop.id], over=[drop.id])
    house.clock.advance(DAY_S)
    house.keeping.tidy()
    house.keeping.forget()
    house.keeping.forget()

    assert house.told == [DAY_S]
    assert house.store.drops() == []
    told = [record for record in caplog.records if record.message == "history was forgotten"]
    assert len(told) == 1


def test_copies_are_made_once_a_day_and_the_oldest_go(house, tmp_path, caplog):
    """As many as `keep` says, each with its key, and the last one's time is a metric."""
    caplog.set_level("INFO")
    house.settings.backup = Backup(to=str(tmp_path / "copies"), keep=2)
    for _ in range(4):
        house.keeping.back_up()
        _age(tmp_path / "copies", house.clock)
        house.keeping.back_up()
        house.clock.advance(BACKUP_S)
    names = sorted(each.name for each in (tmp_path / "copies").iterdir())

    assert len(names) == 4
    assert [name.endswith(".key") for name in names] == [False, True, False, True]
    assert house.metrics.value("backup_last_success_timestamp_seconds") > 0
    assert len([one for one in caplog.records if one.message == "the state was backed up"]) == 4
    assert not house.keeping.needs()


def test_time_of_the_newest_copy_is_shown_after_a_restart_whether_one_is_due_or_fails(
    house, tmp_path
):
    """The alert of an old copy would be silent for a day, or for ever; the future counts not."""
    copies = tmp_path / "copies"
    house.settings.backup = Backup(to=str(copies))
    house.keeping.back_up()
    made_at = house.clock.wall()
    _age(copies, house.clock)
    ahead = copies / "masv-watch-21000101T000000.db"
    ahead.write_bytes(b"made while the clock was ahead")
    os.utime(ahead, (4_102_444_800, 4_102_444_800))
    shown = []
    for later_s in (60, BACKUP_S):
        house.clock.advance(later_s)
        metrics = Metrics()
        house.begin(metrics)
        # nothing can be put in the place of a folder
        (copies / name_of(house.clock.local(house.clock.wall()))).mkdir()
        house.keeping.back_up()
        shown.append(metrics.value("backup_last_success_timestamp_seconds"))

    assert shown == pytest.approx([made_at, made_at], rel=0, abs=1)
    assert [need.key for need in house.keeping.needs()] == ["backup"]


def test_copy_made_now_outlives_those_that_a_clock_ahead_has_named(house, tmp_path):
    """Names sort by their time, and one of the future is no newer than the one made now."""
    copies = tmp_path / "copies"
    house.settings.backup = Backup(to=str(copies), keep=2)
    house.keeping.back_up()
    for day in ("21000101", "21000102"):
        ahead = copies / f"masv-watch-{day}T000000.db"
        ahead.write_bytes(b"made while the clock was ahead")
        os.utime(ahead, (4_102_444_800, 4_102_444_800))
    left = []
    for _ in range(2):
        house.clock.advance(BACKUP_S + 60)
        house.keeping.back_up()
        _age(copies, house.clock)
        left.append([each.name for each in copies.glob("*.db") if "-2100" not in each.name])

    assert not house.keeping.needs()
    # the copy of before with each new one, the wrong ones gone first
    assert [len(names) for names in left] == [2, 2]
    assert len(list(copies.glob("*.db"))) == 2


def _age(folder, clock) -> None:
    """Give every new copy the time of the driven clock."""

    for each in folder.iterdir():
        if each.stat().st_mtime > clock.wall():
            os.utime(each, (clock.wall(), clock.wall()))


def test_copy_that_fails_is_a_trouble_until_one_goes_well(house, tmp_path):
    """It names the folder and what helps; nothing half is left (P6)."""
    (tmp_path / "copies").write_bytes(b"a file where a folder should be")
    house.settings.backup = Backup(to=str(tmp_path / "copies"))
    house.keeping.back_up()
    (need,) = house.keeping.needs()
    (tmp_path / "copies").unlink()
    house.keeping.back_up()

    assert need.key == "backup"
    assert str(tmp_path / "copies") in need.text
    assert "backup.to" in need.cure
    assert not house.keeping.needs()
    assert house.metrics.value("backup_failures") == 1


def test_history_that_cannot_be_forgotten_is_a_trouble_until_it_can(house, caplog):
    """The state grows meanwhile, and nobody reads the log of a day that went well (P6)."""
    house.store.engine._connection.execute("ALTER TABLE events RENAME TO elsewhere")
    house.keeping.forget()
    (need,) = house.keeping.needs()
    house.store.engine._connection.execute("ALTER TABLE elsewhere RENAME TO events")
    house.keeping.forget()

    assert need.key == "history"
    assert "not forgotten" in need.text
    assert need.cure
    (told,) = [each for each in caplog.records if each.message == "history was not forgotten"]
    assert told.levelname == "ERROR"
    assert told.code == StoreUnusable.code
    assert told.cure == need.cure
    assert not house.keeping.needs()


@pytest.mark.fault(39)
def test_damage_is_a_trouble_that_tells_what_to_do(house):
    """A row that belongs to none is found while everything still seems to work."""
    house.keeping.check()
    well = list(house.keeping.needs()), house.metrics.value("state_damaged")
    house.store.engine._connection.execute("PRAGMA foreign_keys=OFF")
    house.store.engine.write(
        lambda tx: tx.run("add_skipped", upload_id="none", drop_id=1, reason="x")
    )
    house.keeping.check()
    (need,) = house.keeping.needs()

    assert well == ([], 0)
    assert need.key == "damage"
    assert "masv-watch state restore FROM" in need.cure
    assert house.metrics.value("state_damaged") == 1


def test_end_of_the_daemon_waits_for_no_job(house, tmp_path):
    """What is asked to stop leaves no copy and calls nothing damaged."""
    house.settings.backup = Backup(to=str(tmp_path / "copies"))
    house.keeping.start()
    house.keeping.stop()
    house.keeping.back_up()
    house.keeping.check()

    assert not list((tmp_path / "copies").iterdir())
    assert not house.keeping.needs()
