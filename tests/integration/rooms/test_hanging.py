"""A mount that never answers keeps its own thread waiting and nobody else (fault 10)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.config.reading import real_path
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import After, Rule, Settle, To
from masv_watch.roster import SWAP_S, Roster
from masv_watch.store.contract import Store
from masv_watch.store.sqlite import open_store
from masv_watch.uploads import HotFolders, Uploads
from masv_watch.watch.intake import PATIENCE_S
from tests.mounted import Silent
from tests.waiting import eventually


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Silent]:
    """Give a mount that never answers."""
    made = Silent(tmp_path / "nas")
    yield made
    made.end()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store."""
    made = open_store(str(tmp_path / "state"), clock=SystemClock(), metrics=Metrics())
    yield made
    made.close()


def rule(name: str, path: Path) -> Rule:
    """Give a rule that settles soon and deletes what is delivered."""
    return Rule(
        name=name,
        path=os.fsencode(path),
        to=To(recipients=()),
        settle=Settle(quiet_s=1.0, samples=2),
        after=After(delivered="delete"),
    )


@pytest.mark.fault(10)
def test_a_hanging_mount_keeps_only_its_own_loop_waiting(
    tmp_path: Path, silent: Silent, store: Store
) -> None:
    """Others go on; status, housekeeping and reload answer; it is not called well (pain 27)."""
    (tmp_path / "near").mkdir()
    near, far = rule("near", tmp_path / "near"), rule("far", silent.point)
    uploads = Uploads(store, auth_until=lambda: None)
    roster = Roster(
        [far, near],
        store,
        uploads,
        denied=frozenset,
        canary=os.fsencode(tmp_path / "canary"),
        clock=SystemClock(),
        metrics=Metrics(),
    )
    folders = HotFolders(store, uploads, sights=roster.sights, hurry=roster.hurry)
    roster.start()
    try:
        (tmp_path / "near" / "a.mov").write_bytes(b"abc")
        eventually(store.uploads, within=15)
        eventually(roster.needs, within=PATIENCE_S + 5)
        began = time.monotonic()
        views = {view.sight.rule.name: view for view in folders.list()}
        concerns, blindness = [need.text for need in roster.needs()], roster.blindness()
        unswept = roster.unswept()
        roster.tidy(1.0)
        folders.scan("far")
        folders.adopt("far")
        asked_s = time.monotonic() - began
        roster.swap([near])
        swapped_s = time.monotonic() - began - asked_s
        (tmp_path / "near" / "b.mov").write_bytes(b"abc")
        eventually(lambda: len(store.uploads()) == 2, within=15)
    finally:
        silent.end()
        roster.ask_to_stop()
        roster.stop_listening()
        for loop in roster.loops:
            loop.stop(5.0)

    assert [each.upload_id for each in store.drops()] == [each.id for each in store.uploads()]
    assert concerns == ["hot folder far: its folder does not answer; look at the mount"]
    assert views["far"].state == "waiting"
    assert views["far"].sight.away_since is not None
    assert views["near"].state == "watching"
    assert views["near"].sight.away_since is None
    assert blindness == []
    assert unswept == []
    # the mount itself would keep them waiting for ever
    assert asked_s < 30.0
    assert swapped_s < SWAP_S + 30.0


@pytest.mark.fault(10)
def test_a_configuration_below_a_hanging_mount_is_read_without_waiting(
    tmp_path: Path, silent: Silent
) -> None:
    """A reload compares paths; what a dead server holds of them is not asked for."""
    answers: list[str] = []
    asker = threading.Thread(
        target=lambda: answers.append(real_path(f"{silent.point}/hot/")), daemon=True
    )
    asker.start()
    eventually(lambda: answers, within=5)

    assert answers == [f"{os.path.realpath(tmp_path)}/nas/hot"]
    assert real_path(str(tmp_path / "elsewhere")) == os.path.realpath(tmp_path / "elsewhere")
