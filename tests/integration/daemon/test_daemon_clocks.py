"""A whole daemon whose wall clock is wrong, and one whose clock jumps, with files of any time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.clocked import ClockedField
from tests.integration.daemon.field import QUIET_S, digest, digests
from tests.processes import ask
from tests.waiting import eventually

DAY_S = 24 * 3600.0
#: seconds since 1970 of what clocks show that lost their battery, and of a slip of the keyboard
IN_1970, IN_2100 = 1000.0, 4_102_444_800.0 + 1000.0

Make = Callable[..., ClockedField]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a ready daemon whose wall clock is off by so many seconds."""
    made: list[ClockedField] = []

    def one(offset_s: float, **folders: str) -> ClockedField:
        made.append(ClockedField(tmp_path, folders or {"out": ""}, offset_s=offset_s))
        made[-1].daemon.start().until_ready()
        return made[-1]

    yield one
    for field in made:
        field.close()


def drop(field: ClockedField, name: str, mtime: float | None = None) -> float:
    """Put a file with some content into the hot folder; give the monotonic second after that."""
    path = field.top / name
    path.write_bytes(name.encode())
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    path.rename(field.top / "out" / name)
    return time.monotonic()


def until_taken(field: ClockedField, name: str) -> float:
    """Wait until a drop has settled; give the monotonic second."""
    eventually(lambda: name in [each["package_name"] for each in field.uploads("out")])
    return time.monotonic()


@pytest.mark.fault(42)
@pytest.mark.fault(43)
@pytest.mark.parametrize("year", ["1970", "2100"])
def test_daemon_whose_clock_is_decades_off_delivers_and_goes_on_with_the_right_one(
    make: Make, year: str
):
    """Files of any time settle by their quiet time; a corrected clock sends nothing again."""
    field = make({"1970": IN_1970, "2100": IN_2100}[year] - time.time())
    times = {"old.mov": 0.0, "early.mov": IN_1970, "now.mov": None, "late.mov": IN_2100}
    dropped_at = max(drop(field, name, mtime) for name, mtime in times.items())
    last_at = max(until_taken(field, name) for name in times)
    first = field.until_delivered("out", len(times))
    told = field.details("out")
    is_ready = ask(field.daemon.api, "/readyz")[0]
    status = field.daemon.stop()
    field.set_clock(0.0)
    field.daemon.start().until_ready()
    drop(field, "after.mov", IN_1970)
    packages = field.until_delivered("out", len(times) + 1)

    assert last_at - dropped_at >= QUIET_S - 0.1
    assert {each["name"]: digests(each) for each in first} == {
        name: {name: digest(name.encode())} for name in times
    }
    assert {(each["state"], each["created_at"][:4]) for each in told} == {("complete", year)}
    assert (is_ready, status) == (200, 0)
    assert sorted(each["name"] for each in packages) == sorted([*times, "after.mov"])
    assert "Traceback" not in field.daemon.text()


@pytest.mark.fault(42)
def test_clock_that_jumps_a_day_either_way_sends_nothing_early_and_keeps_nothing(make: Make):
    """While a drop settles, and while its chunk is on the wire."""
    field = make(0.0)
    took = {}
    for name, jump_s in [("ahead.mov", DAY_S), ("back.mov", -DAY_S), ("home.mov", 0.0)]:
        known = len(field.uploads("out"))
        dropped_at = drop(field, name)
        # seen, and not quiet for long enough
        eventually(lambda name=name: name.encode() in [row[0] for row in field.drops("out")])
        field.set_clock(jump_s)
        took[name] = until_taken(field, name) - dropped_at
        field.until_delivered("out", known + 1)
    field.sandbox.fault("stall", "PUT /storage/", seconds=60, times=None)
    on_its_way = []
    for name, jump_s in [("sent-ahead.mov", DAY_S), ("sent-back.mov", -DAY_S)]:
        known = len(field.uploads("out"))
        drop(field, name)
        eventually(lambda: field.sandbox.witness("faults")[0]["fired"])
        field.set_clock(jump_s)
        # the daemon lives over it: it takes further drops meanwhile
        drop(field, f"beside-{name}")
        until_taken(field, f"beside-{name}")
        on_its_way.append([each["state"] for each in field.uploads("out")][known])
        field.sandbox.heal()
        packages = field.until_delivered("out", known + 2)
        field.sandbox.fault("stall", "PUT /storage/", seconds=60, times=None)

    assert min(took.values()) >= QUIET_S - 0.1, took
    assert on_its_way == ["transferring", "transferring"]
    assert len(packages) == 7
    assert {each["attempts"] for each in field.sandbox.witness("puts")} == {1}
    assert {name: sums for each in packages for name, sums in digests(each).items()} == {
        each["name"]: digest(each["name"].encode()) for each in packages
    }
    assert "Traceback" not in field.daemon.text()
