"""Deletion over a real store and a real cloud: in every state, at every moment, whoever says no."""

from __future__ import annotations

import logging
import os
from itertools import pairwise
from typing import Any

import pytest

from masv_watch.errors import (
    CloudRefused,
    CloudUnreachable,
    NoSession,
    NotFound,
    PackageGone,
    TokenExpired,
)
from masv_watch.model import (
    After,
    Selection,
    TaskKind,
    Terms,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.uploads import undeleted
from tests.integration.rooms.sent import CHUNK, Door, Hold, Room, Watched
from tests.pasting import commands

LOST = CloudUnreachable("the answer was lost")
WAITS = Terms(type=UploadType.TEAM, idle_s=None)
PORTAL = Terms(type=UploadType.PORTAL, portal="dailies", sender="dit@example.com")


def _raise(error: Exception) -> Any:
    def fail(*_given: Any, **_named: Any) -> None:
        raise error

    return fail


def _first(real: Any, error: Exception, times: int = 1) -> Any:
    """Let the first calls of a verb fail without any effect."""
    left = [error] * times

    def call(*given: Any, **named: Any) -> Any:
        if left:
            raise left.pop()
        return real(*given, **named)

    return call


def _waiting(room: Room) -> list[Any]:
    return room.store.select_uploads(Selection(states=(UploadState.DELETING,)))


def _sources(room: Room) -> list[tuple[str, int, int]]:
    found = sorted(path for path in room.top.rglob("f*") if path.is_file())
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found]


@pytest.mark.parametrize("state", ["transferring", "paused", "idle", "error"])
def test_delete_of_an_unfinished_upload_takes_its_package_and_no_source(room: Room, state: str):
    """In every unfinished state the cloud's package goes, and the files in the folder stay."""
    put = Hold(room.cloud.put_chunk)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop(f"unfinished {state}", CHUNK, 10, terms=WAITS)
    before = _sources(room)
    room.until(put.reached.is_set)
    if state == "paused":
        room.desk.pause(upload_id)
    elif state == "error":
        room.store.advance_upload(upload_id, UploadEvent.FAIL, code=1205, error="no")
    put.go_on.set()
    if state == "idle":
        room.until_state(upload_id, "idle")
    package_id = room.upload(upload_id).package_id
    room.desk.delete(upload_id)
    gone = room.until_state(upload_id, "gone")

    assert room.cloud_state(package_id) == "archived"
    assert room.drops(upload_id) == ["cancelled"]
    assert (gone.package_token, gone.finalized_at) == (None, None)
    assert len(before) == 2
    assert _sources(room) == before
    assert room.desk.list() == []


def test_delete_again_is_answered_as_unknown_from_the_first_moment(room: Room):
    """A deleted upload is hidden at once, whatever the cloud still has to do."""
    delete = Hold(room.cloud.delete_package)
    room.build(cloud=Door(room.cloud, delete_package=delete))
    upload_id = room.call(room.source("again", CHUNK))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(delete.reached.is_set)
    with pytest.raises(NotFound, match=upload_id):
        room.desk.delete(upload_id)
    delete.go_on.set()
    room.until_state(upload_id, "gone")

    with pytest.raises(NotFound, match=upload_id):
        room.desk.delete(upload_id)
    assert delete.calls == 1


@pytest.mark.parametrize(("takes_package", "left"), [(False, "finalized"), (True, "archived")])
def test_delete_of_a_delivered_upload_leaves_its_package_unless_asked(
    room: Room, takes_package: bool, left: str
):
    """What was delivered stays delivered; only the word of the caller takes it from its readers."""
    room.build()
    upload_id = room.drop(f"delivered {takes_package}", 10)
    package = room.until_complete(upload_id)
    room.desk.delete(upload_id, takes_package=takes_package)
    room.until_state(upload_id, "gone")

    assert room.cloud_state(package["id"]) == left
    assert room.drops(upload_id) == ["done"]


def test_delete_of_what_never_began_is_gone_at_once_and_asks_the_cloud_nothing(room: Room):
    """Without a package and without a claim there is nobody to wait for."""
    room.build()
    upload_id = room.drop("never began", 10)
    before = len(room.sandbox.witness("requests"))
    room.desk.delete(upload_id)

    assert room.upload(upload_id).state == "gone"
    room.turn()
    assert room.drops(upload_id) == ["cancelled"]
    assert len(room.sandbox.witness("requests")) == before


def test_delete_while_the_package_is_being_made_deletes_what_was_made(room: Room):
    """A claimed upload is let go first: no package is left that nobody knows."""
    create = Hold(room.cloud.create_team_package)
    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.drop("being made", 10)
    room.until(create.reached.is_set)
    room.desk.delete(upload_id)
    at_once = room.upload(upload_id).state
    create.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert at_once == "deleting"
    assert room.cloud_state(gone.package_id) == "archived"
    assert room.drops(upload_id) == ["cancelled"]


def test_delete_after_a_lost_create_ends_without_a_package(room: Room):
    """What a lost answer left behind is empty and never delivered: nobody waits for it."""
    create = Hold(room.cloud.create_team_package, then=LOST)
    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.drop("lost create", 10)
    room.until(create.reached.is_set)
    room.desk.delete(upload_id)
    create.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert (gone.package_id, create.calls) == (None, 1)
    (left,) = [each for each in room.sandbox.witness("packages") if each["name"] == "lost create"]
    assert (left["state"], left["files"], left["finalize_calls"]) == ("new", [], 0)


def _nothing(*_given: Any) -> None:
    return None


@pytest.mark.parametrize("takes_package", [False, True])
@pytest.mark.parametrize("is_answered", [False, True])
def test_delete_during_a_finalize_that_took_effect_is_a_delivery(
    room: Room, takes_package: bool, is_answered: bool
):
    """Whether its answer came or was lost: what was delivered is, and its package stays."""
    finalize = Hold(room.cloud.finalize_package, then=None if is_answered else LOST)
    room.build(cloud=Door(room.cloud, finalize_package=finalize))
    terms = Terms(type=UploadType.TEAM, after=After(delivered="delete"))
    upload_id = room.drop("took effect", 10, terms=terms)
    before = _sources(room)
    room.until(finalize.reached.is_set)
    room.desk.delete(upload_id, takes_package=takes_package)
    finalize.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert room.cloud_state(gone.package_id) == ("archived" if takes_package else "finalized")
    assert room.package(upload_id)["finalize_calls"] == 1
    assert room.drops(upload_id) == ["done"]
    assert gone.finalized_at is not None
    # its source stays, no letter goes; that it was delivered is proved all the same
    assert [task.kind for task in room.store.tasks(upload_id)] == [TaskKind.RECEIPT]
    assert _sources(room) == before


def test_delete_during_a_finalize_that_had_no_effect_deletes_the_package(room: Room):
    """The cloud is asked, says that nothing was finalized, and lets the package go."""
    finalize = Hold(_nothing, then=LOST)
    read = Hold(room.cloud.team_package, nth=0)
    room.build(cloud=Door(room.cloud, finalize_package=finalize, team_package=read))
    upload_id = room.drop("no effect", 10)
    room.until(finalize.reached.is_set)
    room.desk.delete(upload_id)
    finalize.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert (room.cloud_state(gone.package_id), read.calls) == ("archived", 1)
    assert room.drops(upload_id) == ["cancelled"]


def test_delete_during_a_finalize_that_a_portal_cannot_tell_of_leaves_the_package_alone(
    room: Room,
):
    """What may have been delivered is never taken from its readers by a guess."""
    finalize = Hold(_nothing, then=LOST)
    cloud = Door(
        room.cloud,
        finalize_package=finalize,
        package=_raise(CloudRefused("no such call", status=405)),
    )
    room.build(cloud=cloud)
    upload_id = room.drop("cannot tell", 10, terms=PORTAL)
    room.until(finalize.reached.is_set)
    room.desk.delete(upload_id)
    finalize.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert room.cloud_state(gone.package_id) == "new"
    assert room.requests("DELETE", f"/v1/packages/{gone.package_id}") == []
    (told,) = undeleted(room.store)
    assert told.text.startswith(f"package {gone.package_id} of upload {upload_id}: ")
    assert "does not tell whether it was delivered" in told.text
    assert told.is_final
    room.clock.advance(8 * 86400)
    assert list(undeleted(room.store)) == []


def test_delete_before_the_finalize_goes_out_keeps_it_in(room: Room):
    """A worker that still looks at the sources finds that nobody wants the finalize any more."""
    finalize = Hold(room.cloud.finalize_package, nth=0)
    ask = Hold(room.store.note_finalize_asked)
    room.build(
        cloud=Door(room.cloud, finalize_package=finalize),
        store=Door(room.store, note_finalize_asked=ask),
    )
    upload_id = room.drop("kept in", 10)
    room.until(ask.reached.is_set)
    room.desk.delete(upload_id)
    ask.go_on.set()
    gone = room.until_state(upload_id, "gone")

    assert finalize.calls == 0
    assert room.cloud_state(gone.package_id) == "archived"
    assert room.drops(upload_id) == ["cancelled"]


def test_delete_while_the_cloud_is_down_is_tried_again_with_back_off_and_shown(room: Room):
    """Nobody is told of a success that is none: it waits, says why, and goes in the end."""
    calls: list[float] = []
    down = _first(room.cloud.delete_package, CloudUnreachable("the cloud failed (500)"), 4)

    def delete(*given: Any) -> None:
        calls.append(room.clock.monotonic())
        down(*given)

    room.build(cloud=Door(room.cloud, delete_package=delete))
    upload_id = room.call(room.source("down", 10))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(lambda: calls and not room.crew.busy)
    room.turn()
    (waiting,) = _waiting(room)
    gone = room.until_state(upload_id, "gone")
    gaps = [after - before for before, after in pairwise(calls)]

    assert (waiting.id, waiting.error) == (upload_id, "the cloud failed (500)")
    # with the luck of the room: half of 2, 4, 8 and 16 seconds
    assert [round(gap) for gap in gaps] == [1, 2, 4, 8]
    assert room.cloud_state(gone.package_id) == "archived"
    assert _waiting(room) == []


def test_delete_that_waits_for_the_cloud_is_hurried_by_a_reload(room: Room):
    """A person who mended what was wrong waits for no back-off; no time passes here."""
    down = _first(room.cloud.delete_package, CloudUnreachable("the cloud failed (500)"))
    room.build(cloud=Door(room.cloud, delete_package=down))
    upload_id = room.call(room.source("hurried", 10))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(lambda: [each for each in _waiting(room) if each.error])
    room.store.hurry()

    room.until(lambda: room.upload(upload_id).state == "gone")


def test_delete_outlives_a_kill_and_goes_on_at_the_next_start(room: Room):
    """The wish stands in the row: no restart forgets it, and no list shows it again."""
    room.build(cloud=Door(room.cloud, delete_package=_raise(CloudUnreachable("down"))))
    upload_id = room.call(room.source("outlives", 10))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(lambda: [each for each in _waiting(room) if each.error])
    room.restart()
    room.until(lambda: room.upload(upload_id).state == "gone")

    assert room.cloud_state(room.upload(upload_id).package_id) == "archived"


def test_delete_whose_answer_a_kill_swallowed_ends_at_the_next_start(room: Room):
    """The package is gone and the row is not: it follows without a word of failure."""
    cloud = Door(room.cloud, delete_package=_after(room.cloud.delete_package))
    room.build(cloud=cloud)
    upload_id = room.drop("swallowed", 10, terms=WAITS)
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(lambda: room.cloud_state(room.upload(upload_id).package_id) == "archived")
    room.restart()
    room.until(lambda: room.upload(upload_id).state == "gone")

    assert room.drops(upload_id) == ["cancelled"]


def _after(real: Any) -> Any:
    def effect(*given: Any) -> None:
        real(*given)
        raise LOST

    return effect


def test_delete_that_the_cloud_refuses_for_good_is_told_with_its_cure_and_ends(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """An upload that nobody wants does not haunt the daemon: a person is told what is left."""
    refused = _raise(CloudRefused("the cloud refused (403)", status=403))
    room.build(cloud=Door(room.cloud, delete_package=refused))
    upload_id = room.call(room.source("refused", 10))
    room.until_state(upload_id, "idle")
    with caplog.at_level(logging.ERROR):
        room.desk.delete(upload_id)
        room.until(lambda: room.upload(upload_id).state == "gone")

    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.cure == "delete the package at MASV"
    assert told.package == room.upload(upload_id).package_id
    (need,) = undeleted(room.store)
    assert f"package {told.package} of upload {upload_id}: it was to be deleted" in need.text


def test_delete_that_the_cloud_does_not_answer_is_told_with_what_ends_it(room: Room):
    """Its package by its name, for it can be deleted by hand."""
    silent = _raise(CloudUnreachable("the cloud did not answer"))
    room.build(cloud=Door(room.cloud, delete_package=silent))
    upload_id = room.call(room.source("silent", 10))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    room.until(lambda: next(undeleted(room.store), None) is not None)

    (need,) = undeleted(room.store)
    assert f"or delete package {room.upload(upload_id).package_id} at MASV" in need.cure
    assert commands(need.cure) == [["check"]]


def test_delete_with_an_expired_token_asks_for_a_fresh_one(room: Room):
    """The token of an upload that was paused for days costs no package that stays behind."""
    expired = _first(room.cloud.delete_package, TokenExpired("the token has expired"))
    room.build(cloud=Door(room.cloud, delete_package=expired))
    upload_id = room.call(room.source("expired", 10))
    room.until_state(upload_id, "idle")
    room.desk.delete(upload_id)
    gone = room.until_state(upload_id, "gone")

    assert room.cloud_state(gone.package_id) == "archived"


def test_delete_of_a_package_that_is_gone_already_is_no_failure(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """Whatever call finds that it is gone: what a person wanted is so."""
    cloud = Door(
        room.cloud,
        delete_package=_raise(TokenExpired("the token has expired")),
        team_package=_raise(PackageGone("the team has it no more")),
    )
    room.build(cloud=cloud)
    upload_id = room.call(room.source("gone", 10))
    room.until_state(upload_id, "idle")
    with caplog.at_level(logging.WARNING):
        room.desk.delete(upload_id)
        room.until(lambda: room.upload(upload_id).state == "gone")

    assert [record.message for record in caplog.records] == []


@pytest.mark.parametrize("verb", ["pause", "delete"])
def test_chunk_on_its_way_is_aborted_at_its_next_block(room: Room, verb: str):
    """Nobody waits for the end of a chunk: after the word of a person no further block is read."""
    bodies: list[Watched] = []
    holds: list[Hold] = []

    def put(blueprint: Any, body: Any) -> str:
        holds.append(Hold(body.read, nth=2))
        bodies.append(Watched(body, holds[-1]))
        return room.cloud.put_chunk(blueprint, bodies[-1])

    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.call(room.source(f"blocks {verb}", CHUNK))
    room.until(lambda: holds and holds[0].reached.is_set())
    getattr(room.desk, verb)(upload_id)
    room.turn()
    holds[0].go_on.set()
    room.until(lambda: not room.crew.busy)

    assert len(bodies) == 1
    assert bodies[0].blocks <= 1
    assert room.store.chunks(room.file(upload_id).id) == []


def test_chunks_acknowledged_before_a_pause_are_never_sent_again(room: Room):
    """A pause costs at most what was on the wire."""
    put = Hold(room.cloud.put_chunk, nth=3)
    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.call(room.source("kept", 4 * CHUNK))
    room.until(put.reached.is_set)
    room.desk.pause(upload_id)
    room.turn()
    put.go_on.set()
    room.until(lambda: not room.crew.busy)
    room.turn()
    kept = [chunk.number for chunk in room.store.chunks(room.file(upload_id).id)]
    room.desk.resume(upload_id)
    room.until_state(upload_id, "idle")
    cloud_id = room.file(upload_id).cloud_id
    puts = [put for put in room.sandbox.witness("puts") if put["file"] == cloud_id]

    assert kept == [1, 2]
    assert {put["part"]: put["attempts"] for put in puts if put["part"] in kept} == {1: 1, 2: 1}


def test_delete_waits_for_no_back_off_of_what_went_before(room: Room):
    """A refused key makes the upload wait a minute; who deletes it meanwhile does not."""
    put, adds = Hold(room.cloud.put_chunk), []

    def add(*given: Any, **named: Any) -> Any:
        adds.append(1)
        if len(adds) == 2:
            assert put.reached.wait(60)
            raise NoSession("the key is refused")
        return room.cloud.add_file(*given, **named)

    room.build(cloud=Door(room.cloud, put_chunk=put, add_file=add))
    upload_id = room.call(room.source("wait a", CHUNK), room.source("wait b", 2 * CHUNK))
    # all that is still out is the chunk that stands still
    room.until(lambda: put.reached.is_set() and len(adds) == 2 and room.crew.busy == 1)
    room.desk.delete(upload_id)
    put.go_on.set()

    room.until(lambda: room.upload(upload_id).state == "gone")


def test_stop_leaves_a_deletion_for_the_next_start(room: Room):
    """A daemon that ends begins no new effect; the wish stands in the row."""
    sender = room.build()
    upload_id = room.call(room.source("stop", 10))
    room.until_state(upload_id, "idle")
    sender.stop()
    room.desk.delete(upload_id)
    room.turn()
    before = room.upload(upload_id).state
    room.restart()
    room.until(lambda: room.upload(upload_id).state == "gone")

    assert before == "deleting"
    assert os.path.exists(room.top / "named" / "stop")


@pytest.mark.fault(61)
def test_delete_of_a_delivered_package_that_a_filter_answers_takes_it_all_the_same(room: Room):
    """Who takes a delivery back is not told that it is gone while its links work."""
    room.build()
    upload_id = room.drop("taken back", 10)
    room.until_complete(upload_id)
    package_id = room.upload(upload_id).package_id
    room.sandbox.fault("html", "DELETE /v1/packages/[^/]+$", status=404)
    room.desk.delete(upload_id, takes_package=True)
    room.until_state(upload_id, "gone")

    assert room.cloud_state(package_id) == "archived"
