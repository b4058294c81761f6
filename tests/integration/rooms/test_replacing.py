"""`redrop: replace`: the package of before goes once the new one is delivered, and never sooner."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from masv_watch.delivery.retire import delete_replaced
from masv_watch.errors import CloudRefused, CloudUnreachable, FenceLost, TokenExpired
from masv_watch.model import (
    DropMode,
    DropState,
    Late,
    Redrop,
    TaskDraft,
    TaskEvent,
    TaskKind,
    TaskState,
    To,
    UploadType,
)
from masv_watch.uploads import Records
from masv_watch.watch.drafts import terms_of
from tests.integration.rooms.delivered import FOLDER
from tests.integration.rooms.sent import Door, raising
from tests.processes import free_port

from .test_intake_redrops import LATE_S, SETTLED_S, delivered, names

RETIRE, LETTER, LINK = TaskKind.RETIRE, TaskKind.LETTER, TaskKind.LINK
ONE = "one@example.com"
TOGETHER = {"redrop": Redrop.REPLACE, "late": Late.SEND}


def name():
    """Give a package name that no other test has."""
    return f"Day {uuid.uuid4().hex[:12]}"


def test_new_content_under_a_delivered_name_names_the_package_that_it_replaces(make_room):
    """It takes the name, and what was added to the earlier one goes with that one."""
    room = make_room(**TOGETHER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    delivered(room)
    (room.hot / "CARD" / "b").write_bytes(b"b")
    room.pass_time(LATE_S)
    delivered(room)
    first, added = room.taken()
    for each in "ab":
        (room.hot / "CARD" / each).write_bytes(b"other content")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (added)", "CARD"]
    third = room.taken()[2]
    assert third.terms.replaces == (added.id, first.id)
    assert [first.terms.replaces, added.terms.replaces] == [(), ()]
    assert not any(room.store.upload(each.id).is_retired for each in (first, added))
    room.deliver(third)
    assert room.store.replaceable("hot", b"CARD") == [third.id]


def test_upload_that_was_replaced_is_not_replaced_again(make_room):
    """Each new content replaces the one before, and only that."""
    room = make_room(**TOGETHER)
    room_file = room.hot / "a.mov"
    for number in range(3):
        room_file.write_bytes(b"x" * (number + 1))
        room.pass_time(SETTLED_S)
        room.store.start_over()
        upload = room.taken()[-1]
        tasks = [TaskDraft(kind=RETIRE, key=each) for each in upload.terms.replaces]
        room.deliver(upload, *tasks)
        while (task := room.store.claim_task([RETIRE], 60.0)) is not None:
            room.store.advance_task(task, TaskEvent.DONE)
        room.pass_time(SETTLED_S)

    first, second, third = room.taken()
    assert (second.terms.replaces, third.terms.replaces) == ((first.id,), (second.id,))
    assert [each.is_retired for each in room.taken()] == [True, True, False]


def test_upload_that_was_replaced_or_deleted_is_never_named_again(make_room):
    """The one before the last stays what it became, whatever a person does with the last."""
    room = make_room(**TOGETHER)
    for content in (b"abc", b"longer"):
        (room.hot / "a.mov").write_bytes(content)
        room.pass_time(SETTLED_S)
        room.store.start_over()
        upload = room.taken()[-1]
        room.deliver(upload, *(TaskDraft(kind=RETIRE, key=each) for each in upload.terms.replaces))
        while (task := room.store.claim_task([RETIRE], 60.0)) is not None:
            room.store.advance_task(task, TaskEvent.DONE)
        room.pass_time(SETTLED_S)
    first, second = room.taken()
    assert room.store.replaceable("hot", b"a.mov") == [second.id]
    room.store.delete_upload(second.id, takes_package=False)

    assert room.store.upload(first.id).is_retired
    assert room.store.replaceable("hot", b"a.mov") == []


def test_letter_that_is_on_its_way_when_its_upload_is_replaced_stores_no_outcome(world):
    """Whoever is at it finds his claim gone: withdrawn stays withdrawn."""
    first = world.deliver(name=name(), mail_to=(ONE,))
    link = world.store.claim_task([LINK], 600.0)
    world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))

    with pytest.raises(FenceLost):
        world.store.advance_task(link, TaskEvent.DONE)
    assert world.task(first, LINK).state is TaskState.WITHDRAWN


@pytest.mark.parametrize("redrop", [Redrop.SEND, Redrop.ASK])
def test_new_content_replaces_nothing_where_the_rule_does_not_say_so(make_room, redrop):
    """Only `replace` lets a delivered package go."""
    room = make_room(redrop=redrop)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a.mov").write_bytes(b"longer")
    room.pass_time(SETTLED_S)
    if redrop is Redrop.ASK:
        room.store.release_drop(room.drop("a.mov").id)
        room.pass_time(SETTLED_S)

    assert names(room) == ["a.mov", "a.mov (2)"]
    assert room.taken()[1].terms.replaces == ()


def test_same_content_that_a_person_sends_again_replaces_nothing(make_room):
    """`resend` is one more package beside the first."""
    room = make_room(**TOGETHER)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    room.store.resend_drop(room.drop("a.mov").id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.taken()[1].terms.replaces == ()


def test_package_that_holds_another_drop_too_is_not_replaced(make_room):
    """A batch of before the rule was changed keeps its package: others' files are in it."""
    room = make_room(drop=DropMode.BATCH)
    for each in "ab":
        (room.hot / each).write_bytes(b"abc")
    delivered(room)
    (batch,) = room.taken()
    assert len(room.store.drops_of(batch.id)) == 2
    room.rule = replace(room.rule, drop=DropMode.EACH, redrop=Redrop.REPLACE)
    room.begin()
    (room.hot / "a").write_bytes(b"other content")
    room.pass_time(SETTLED_S)

    assert room.taken()[1].terms.replaces == ()


def test_new_content_in_a_batch_replaces_nothing(make_room):
    """What joins an open package cannot speak for it; the configuration refuses the pair, too."""
    room = make_room(drop=DropMode.BATCH, **TOGETHER)
    (room.hot / "a").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a").write_bytes(b"other content")
    room.pass_time(SETTLED_S)

    assert [upload.terms.replaces for upload in room.taken()] == [(), ()]


def test_upload_that_is_rebound_still_replaces_what_it_replaced(make_room):
    """Other recipients change nothing of what makes way."""
    room = make_room(**TOGETHER)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a.mov").write_bytes(b"longer")
    room.pass_time(SETTLED_S)
    first, second = room.taken()
    terms = terms_of(replace(room.rule, to=To(recipients=("new@example.com",))), b"a.mov")
    Records(room.store, hurry=lambda _name: None, terms=lambda *_: terms).rebind(
        room.drop("a.mov").id
    )

    bound = room.store.upload(second.id).terms
    assert (bound.recipients, bound.replaces) == (("new@example.com",), (first.id,))


def test_replaced_package_and_its_links_go_once_the_new_letter_is_out(world, sandbox):
    """Nobody is without a link in between, and the old one leads nowhere afterwards."""
    first = world.deliver(name=name(), mail_to=(ONE,))
    world.work()
    sandbox.fault("smtp", ONE, code=450, message="4.2.0 greylisted", times=1)
    second = world.deliver({"b.mov": b"new"}, name=name(), mail_to=(ONE,), replaces=(first.id,))
    world.work()

    assert world.package(first)["state"] == "finalized"
    assert world.task(second, RETIRE).state is TaskState.DUE
    world.clock.advance(100)
    world.work()
    assert world.package(first)["state"] == "archived"
    assert world.package(second)["state"] == "finalized"
    assert len(world.mails(second)) == 1
    done = world.task(second, RETIRE, first.id)
    assert done.state is TaskState.DONE
    assert f"package {first.package_id} and its links were deleted" in done.note
    assert [drop.state for drop in world.store.drops(FOLDER)] == [DropState.DONE] * 2
    assert world.upload(first.id).is_retired
    assert not world.upload(second.id).is_retired


def test_letters_of_a_replaced_upload_that_did_not_go_out_never_do(world):
    """From the new delivery on nobody is told of the old package."""
    smtp = replace(world.settings.mail.smtp, port=free_port())
    working = world.settings
    world.settings = replace(working, mail=replace(working.mail, smtp=smtp))
    first = world.deliver(name=name(), mail_to=(ONE,))
    world.work()
    world.settings = working
    world.deliver({"b.mov": b"new"}, name=name(), mail_to=(ONE,), replaces=(first.id,))
    world.work_for(3, step_s=600)

    assert world.task(first, LETTER).state is TaskState.WITHDRAWN
    assert "later version" in world.task(first, LETTER).note
    assert world.mails(first) == []
    assert world.package(first)["state"] == "archived"


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_around_the_deletion_of_a_replaced_package_ends_in_one_deleted_package(world, when):
    """The intent is stored with the delivery; a repeat finds the package gone (P1, P3)."""
    first = world.deliver(name=name())
    second = world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    real = world.cloud.delete_package

    def killed(*given):
        if when == "after":
            real(*given)
        raise KeyboardInterrupt

    world.letters._outside = replace(
        world.letters._outside, cloud=Door(world.cloud, delete_package=killed)
    )
    with pytest.raises(KeyboardInterrupt):
        world.work()
    world.crash()
    world.work()

    assert world.package(first)["state"] == "archived"
    assert world.package(second)["state"] == "finalized"
    task = world.task(second, RETIRE)
    assert task.state is TaskState.DONE
    assert ("gone already" in task.note) == (when == "after")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CloudUnreachable("no answer"), TaskState.DUE),
        (CloudRefused("no", status=403), TaskState.REFUSED),
    ],
)
def test_deletion_that_fails_is_shown_and_touches_no_delivery(world, error, state):
    """What may work later is tried again; a final no is told, with what a person can do."""
    first = world.deliver(name=name())
    second = world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    world.letters._outside = replace(
        world.letters._outside, cloud=Door(world.cloud, delete_package=lambda *_: raising(error)())
    )
    world.work()

    task = world.task(second, RETIRE)
    assert task.state is state
    assert str(error).split(":", maxsplit=1)[0] in task.note
    if state is TaskState.REFUSED:
        assert world.store.refused_tasks() == {second.id: 1}
        assert f"package {first.package_id} and its links stay" in task.note
        assert f"delete package {first.package_id} at MASV" in task.note
    assert world.package(first)["state"] == "finalized"
    assert world.package(second)["finalize_calls"] == 1


def test_package_token_that_expired_is_renewed_for_a_team_and_told_for_a_portal(world):
    """Only a team may read its package for a fresh token."""
    first = world.deliver(name=name())
    second = world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    real, calls = world.cloud.delete_package, []

    def expired_once(package_id, token):
        calls.append(token)
        if len(calls) == 1:
            raise TokenExpired("expired")
        real(package_id, token)

    cloud = Door(world.cloud, delete_package=expired_once)
    portal = replace(first, terms=replace(first.terms, type=UploadType.PORTAL, portal="vault"))
    with pytest.raises(CloudRefused) as refused:
        delete_replaced(portal, cloud, fresh_token=raising(AssertionError()))
    assert "token has expired" in str(refused.value)
    calls.clear()
    world.letters._outside = replace(world.letters._outside, cloud=cloud)
    world.work()

    assert len(calls) == 2
    assert world.package(first)["state"] == "archived"
    assert world.task(second, RETIRE).state is TaskState.DONE


def test_replaced_upload_that_a_person_deleted_meanwhile_is_left_alone(world):
    """What is gone needs no deletion."""
    first = world.deliver(name=name())
    second = world.deliver({"b.mov": b"new"}, name=name(), replaces=(first.id,))
    world.store.delete_upload(first.id, takes_package=False)
    world.work()

    assert world.task(second, RETIRE).state is TaskState.DONE
    assert "deleted before" in world.task(second, RETIRE).note
    assert world.package(first)["state"] == "finalized"
