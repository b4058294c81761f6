"""How many sweeps walk beside each other, and whom none of them keeps waiting."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from masv_watch.watch import turnstile as turnstile_module
from masv_watch.watch.turnstile import AT_ONCE, PATIENCE_S, Turnstile
from tests.doubles import FakeClock
from tests.waiting import eventually


def full(turnstile: Turnstile) -> ExitStack:
    """Give the stay of as many as are let in."""
    inside = ExitStack()
    for _ in range(AT_ONCE):
        inside.enter_context(turnstile.through(lambda: False))
    return inside


def test_turnstile_lets_so_many_in_and_another_for_each_who_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of twenty sweeps that begin at once, so many hold what they see at a time."""
    # only who leaves makes room
    monkeypatch.setattr(turnstile_module, "PATIENCE_S", 600.0)
    turnstile = Turnstile(monotonic=FakeClock().monotonic)
    door = threading.Lock()
    inside, most = 0, 0
    leave = threading.Semaphore(0)

    def sweep() -> None:
        nonlocal inside, most
        with turnstile.through(lambda: False):
            with door:
                inside += 1
                most = max(most, inside)
            leave.acquire(timeout=60)
            with door:
                inside -= 1

    sweeps = [threading.Thread(target=sweep, daemon=True) for _ in range(5 * AT_ONCE)]
    for each in sweeps:
        each.start()
    for _ in sweeps:
        eventually(lambda: inside, within=60)
        leave.release()
    for each in sweeps:
        each.join(60)

    assert not any(each.is_alive() for each in sweeps)
    assert most == AT_ONCE


def test_turnstile_counts_nobody_who_has_walked_for_long() -> None:
    """Disks that hang keep no other hot folder from being seen (fault 10)."""
    clock = FakeClock()
    turnstile = Turnstile(monotonic=clock.monotonic)

    with full(turnstile):
        clock.advance(PATIENCE_S)
        with full(turnstile):
            # they are counted: only a stop lets one more in
            with turnstile.through(lambda: True):
                pass
            assert turnstile._wait_s() == PATIENCE_S
    assert turnstile._wait_s() == 0


def test_turnstile_lets_in_who_waits_once_those_inside_hang() -> None:
    """Nobody rings for what hangs: whoever waits looks again by himself."""
    soon = PATIENCE_S - 0.01
    readings = iter([0.0] * 3 * AT_ONCE + [soon, soon, PATIENCE_S, PATIENCE_S])
    turnstile = Turnstile(monotonic=lambda: next(readings))

    with full(turnstile), turnstile.through(lambda: False) as waited_s:
        assert next(readings, None) is None
    assert waited_s == PATIENCE_S - soon


def test_turnstile_lets_in_at_once_whoever_is_to_stop() -> None:
    """The end of the daemon waits for no turn: what is let in then looks at nothing."""
    turnstile = Turnstile(monotonic=FakeClock().monotonic)

    with full(turnstile), turnstile.through(lambda: True):
        pass
