"""What the C library's heaps give back, in a process that holds nothing else."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from masv_watch.thrift import CHANGED, LOOK_S, SPARE, Heaps
from tests.doubles import FakeClock

#: a rush of small pieces of which some stay, so that no heap ends where it began
PROGRAM = f"""
from itertools import count

from masv_watch.thrift import LOOK_S, Heaps

def resident():
    with open("/proc/self/status") as status:
        return next(int(row.split()[1]) << 10 for row in status if row.startswith("RssAnon"))

def rush():
    pieces = [bytes(3000) for _ in range(20_000)]
    return pieces[::100]

heaps = Heaps(monotonic=count(step=LOOK_S).__next__)
heaps.tend()
small = heaps.tend()
stays = rush()
large = resident()
first, again = heaps.tend(), heaps.tend()
less = large - resident()
few = bytes({CHANGED} // 2)
quiet = heaps.tend()
more = rush()
print(small, first, again, quiet, heaps.tend(), less > 20_000 * 3000 // 2)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library tells nothing of its heaps"
)
def test_heaps_give_back_what_a_rush_took_and_rest_where_nothing_changed(project):
    """Between pieces that stay the library keeps every page, and a daemon its largest minute."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=project, capture_output=True, text=True, check=True
    )

    small, first, again, quiet, after_more, is_less = done.stdout.split()
    assert (first, is_less, after_more) == ("True", "True", "True")
    assert (small, again, quiet) == ("False", "False", "False")
    assert SPARE > CHANGED


def test_heaps_are_looked_at_once_a_minute_however_often_they_are_tended(monkeypatch):
    """Each look walks over all that is free, and the daemon's main thread turns six times."""
    clock, looks = FakeClock(), []
    heaps = Heaps(monotonic=clock.monotonic)
    look = heaps._look
    monkeypatch.setattr(heaps, "_look", lambda: looks.append(clock.monotonic()) or look())

    for _ in range(13):
        heaps.tend()
        clock.advance(10.0)

    assert [at - looks[0] for at in looks] == [0.0, LOOK_S, 2 * LOOK_S]
