"""After a deletion: the hot folder sends nothing again, and nobody does what was still owed."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import pytest

from masv_watch.delivery.outbox import LETTERS, SOURCES
from masv_watch.errors import CloudUnreachable
from masv_watch.loops import Bell
from masv_watch.metrics import Metrics
from masv_watch.model import After, Rule, Settle, TaskKind, TaskState, To
from masv_watch.watch.hints import Hints
from masv_watch.watch.intake import Intake
from tests.integration.rooms.delivered import World
from tests.integration.rooms.sent import CHUNK, FOLDER, QUIET_S, Door, Hold, Room

ONE = "one@example.com"


def _no_observer() -> Any:
    raise OSError(errno.ENOSPC, "the limit of watches is reached")


class Folder:
    """The intake of the room's hot folder, ticked as its loop ticks it."""

    def __init__(self, room: Room, store: Any = None) -> None:
        """Begin with nothing remembered, as after a start."""
        self._room = room
        self._intake = Intake(
            Rule(
                name=FOLDER,
                path=os.fsencode(room.root),
                to=To(recipients=()),
                settle=Settle(quiet_s=QUIET_S),
            ),
            store=store or room.store,
            uploads=room.desk,
            hints=Hints(lambda _name: None, new_observer=_no_observer),
            clock=room.clock,
            metrics=Metrics(),
            bell=Bell(),
            stop=lambda: False,
        )

    def watch(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self._room.clock.monotonic() + seconds
        while self._room.clock.monotonic() < until:
            self._room.clock.advance(min(max(self._intake.tick(), 0.1), 1.0))
        self._intake.hurry()
        self._intake.tick()


def _taken(room: Room) -> list[tuple[int, str]]:
    """Give generation and state of every drop that there was."""
    return [(drop.generation, str(drop.state)) for drop in room.store.drops(FOLDER)]


@pytest.mark.parametrize("is_complete", [False, True])
def test_deleted_drop_is_not_sent_again_until_it_changes(room: Room, is_complete: bool):
    """Over sweeps and restarts the ledger knows it; a changed file is a generation of its own."""
    put = Hold(room.cloud.put_chunk, nth=0 if is_complete else 1)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    source = room.root / "a.mov"
    source.write_bytes(b"abc")
    folder = Folder(room)
    folder.watch(QUIET_S + 5)
    (upload,) = room.store.uploads()
    if is_complete:
        room.until_complete(upload.id)
    else:
        room.until(put.reached.is_set)
    room.desk.delete(upload.id)
    put.go_on.set()
    room.until_state(upload.id, "gone")
    folder.watch(2 * QUIET_S)
    Folder(room).watch(2 * QUIET_S)
    before = _taken(room)
    source.write_bytes(b"changed")
    again = Folder(room)
    again.watch(QUIET_S + 5)
    (later,) = room.store.uploads()

    assert before == [(1, "done" if is_complete else "cancelled")]
    assert _taken(room) == [*before, (2, "taken")]
    room.until_complete(later.id)
    assert source.read_bytes() == b"changed"


def test_paused_hot_folder_goes_on_with_what_it_took(room: Room):
    """A pause of the folder is no pause of its uploads; what changes in one settles again."""
    put = Hold(room.cloud.put_chunk, nth=2)
    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))
    source = room.root / "a.mov"
    source.write_bytes(bytes(2 * CHUNK))
    folder = Folder(room)
    folder.watch(QUIET_S + 5)
    (upload,) = room.store.uploads()
    room.until(put.reached.is_set)
    room.store.pause_folder(FOLDER)
    source.write_bytes(b"changed")
    (room.root / "b.mov").write_bytes(b"new")
    put.go_on.set()
    room.until(lambda: not room.crew.busy)
    folder.watch(5 * QUIET_S)
    room.until_state(upload.id, "complete")

    assert [file["size"] for file in room.package(upload.id)["files"]] == [7]
    # its receipt is owed still, for which no drop waits
    assert _taken(room) == [(2, "done"), (1, "held")]


def test_drop_that_is_held_in_the_moment_of_a_resume_is_not_held_for_ever(room: Room):
    """Intake still sees the pause that a person ends just now; nobody has to resume twice."""

    def paused() -> Any:
        found = room.store.paused_folders()
        if found:
            room.store.resume_folder(FOLDER)
        return found

    room.store.pause_folder(FOLDER)
    (room.root / "a.mov").write_bytes(b"abc")
    Folder(room, Door(room.store, paused_folders=paused)).watch(3 * QUIET_S)

    assert _taken(room) == [(1, "taken")]


def _owed(world: World, upload_id: str) -> set[TaskState]:
    """Give the states of all that a delivered upload owes but its receipt, which is made anyway."""
    tasks = world.store.tasks(upload_id)
    return {task.state for task in tasks if task.kind is not TaskKind.RECEIPT}


def _door(world: World, **verbs: Any) -> None:
    """Put a door in front of the store and build both outboxes anew behind it."""
    world.store = Door(world.store, **verbs)
    world.letters, world.sources = world._outbox(LETTERS), world._outbox(SOURCES)


def test_task_that_was_claimed_before_the_deletion_begins_no_effect(world: World):
    """Neither is a source moved nor a link made: the fence is asked before the effect."""
    target = world.root / "_sent" / "a.mov"
    after = After(delivered="move", move_to="{root}/_sent/{name}")
    upload = world.deliver(mail_to=(ONE,), after=after)
    store = world.store

    def claim(*given: Any, **named: Any) -> Any:
        task = store.claim_task(*given, **named)
        if store.upload(upload.id).state == "complete":
            store.delete_upload(upload.id, takes_package=False)
        return task

    _door(world, claim_task=claim)
    world.sources.tick()
    world.work()

    assert _owed(world, upload.id) == {TaskState.WITHDRAWN}
    assert (target.exists(), (world.root / "a.mov").exists()) == (False, True)
    assert world.package(upload)["links"] == []
    assert world.package(upload)["state"] == "finalized"


@pytest.mark.parametrize("fails", [False, True])
def test_task_in_hand_during_the_deletion_stores_no_outcome_and_brings_nothing_after_it(
    world: World, caplog: pytest.LogCaptureFixture, fails: bool
):
    """The link that is being made is not ours any more, made or not; no letter follows it."""
    upload = world.deliver(name="in hand", mail_to=(ONE,))
    real, store = world.cloud, world.store

    def make(*given: Any, **said: Any) -> Any:
        made = real.create_link(*given, **said)
        store.delete_upload(upload.id, takes_package=False)
        if fails:
            raise CloudUnreachable("the answer was lost")
        return made

    world.cloud = Door(real, create_link=make)
    _door(world)
    with caplog.at_level(logging.INFO):
        world.work()
        world.work_for(0.2)

    assert store.link(upload.id) is None
    assert _owed(world, upload.id) == {TaskState.WITHDRAWN}
    assert world.mails(upload) == []
    assert "a task has a newer claim" in [record.message for record in caplog.records]
    assert "ERROR" not in [record.levelname for record in caplog.records]
