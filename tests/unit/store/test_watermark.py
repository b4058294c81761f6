"""When the disk of the state has too little room, and when it has enough again (fault 38)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.errors import StoreFull
from masv_watch.metrics import Metrics
from masv_watch.store import watermark
from masv_watch.store.watermark import ENOUGH, LOOK_S, LOW, Watermark, is_low, marks
from tests.doubles import FakeClock

GIB = 1 << 30
DISKS = st.integers(min_value=0, max_value=1 << 60)


@pytest.mark.parametrize(
    ("free", "total", "was_low", "low"),
    [
        (GIB - 1, 40 * GIB, False, True),
        (GIB, 40 * GIB, False, False),
        (GIB + 1, 60 * GIB, False, True),
        (2 * GIB, 40 * GIB, True, True),
        (2 * GIB + 1, 40 * GIB, True, False),
        (GIB + 1, 40 * GIB, True, True),
        (1600 << 20, 100_000 * GIB, False, False),
        (15 << 20, 64 << 20, False, True),
        (33 << 20, 64 << 20, True, False),
    ],
)
def test_disk_is_low_below_one_mark_and_well_above_the_other(free, total, was_low, low):
    """1 GiB or 2 %, back over 2 GiB; a small disk is not low for ever (behaviour.md 2)."""
    assert is_low(free, total, was_low=was_low) is low


@given(free=DISKS, total=DISKS, was_low=st.booleans())
def test_disk_at_its_edge_does_not_waver(free, total, was_low):
    """What was just said of a disk stands while the disk stands; an empty one is never low."""
    said = is_low(free, total, was_low=was_low)
    low, enough = marks(total)

    assert is_low(free, total, was_low=said) is said
    assert low <= LOW * 1.5
    assert low <= enough <= ENOUGH
    assert total == 0 or not is_low(total, total, was_low=was_low)


@given(total=DISKS, frees=st.lists(DISKS, min_size=2, max_size=6))
def test_more_room_never_makes_a_disk_low(total, frees):
    """Freeing space only ever helps."""
    for was_low in (False, True):
        said = [is_low(free, total, was_low=was_low) for free in sorted(frees)]
        assert said == sorted(said, reverse=True)


def test_watermark_tells_once_and_refuses_with_what_helps(monkeypatch, caplog, tmp_path):
    """One line when it becomes low and one when it is well; a look holds for a second."""
    seen = os.statvfs(tmp_path)
    block, total = seen.f_frsize, 40 * GIB
    free = GIB // 2

    def look(_folder):
        return os.statvfs_result(
            (block, block, total // block, free // block, free // block, *seen[5:])
        )

    monkeypatch.setattr(watermark.os, "statvfs", look)
    clock, metrics = FakeClock(), Metrics()
    disk = Watermark(str(tmp_path), clock=clock, metrics=metrics)
    caplog.set_level("INFO")
    with pytest.raises(StoreFull, match="512 MiB free") as refused:
        disk.demand()
    for _ in range(5):
        clock.advance(LOOK_S)
        assert disk.is_low()
    told_low = [record.message for record in caplog.records]
    gauges = metrics.value("state_disk_low"), metrics.value("state_disk_free_bytes")
    free = 3 * GIB
    kept = disk.is_low()
    clock.advance(LOOK_S)

    disk.demand()
    assert kept
    assert gauges == (1, GIB // 2)
    assert str(tmp_path) in refused.value.hint
    assert told_low == ["the disk of the state is low: nothing new begins"]
    assert [record.message for record in caplog.records][1:] == [
        "the disk of the state has room again"
    ]


def test_watermark_of_a_folder_that_cannot_be_looked_at_stops_nothing(tmp_path):
    """Law 2."""
    disk = Watermark(str(tmp_path / "away"), clock=FakeClock(), metrics=Metrics())

    assert not disk.is_low()
    disk.demand()
