"""What a restored state owes: nothing that may have been done since the copy is done again."""

from __future__ import annotations

import os

import pytest

from masv_watch.model import Link, Secret, TaskEvent, TaskKind, TaskState
from masv_watch.store.copying import back_up, restore
from masv_watch.store.sqlite import SCHEMA
from masv_watch.uploads import Uploads, WaitReason, needs_of

TO = ("a@example.com",)


@pytest.fixture
def copy(tmp_path):
    return os.fspath(tmp_path / "copy.db")


def put_back(world, copy):
    """Restore a copy and start on it; give what the restore said."""
    world.store.close()
    done = restore(copy, world.settings.state, stamp="now", schema=SCHEMA)
    world.open()
    return done


def links_in(mails):
    """Give the secrets of all links that letters name."""
    return {mail["text"].partition("secret=")[2][:16] for mail in mails}


def test_letter_that_left_after_the_copy_is_sent_once_more_by_a_person_alone(world, copy):
    """Nobody is written to twice unasked, and who is has the same link and the same letter."""
    upload = world.deliver(mail_to=TO)
    back_up(world.settings.state, copy)
    world.work()
    first = world.mails(upload)
    done = put_back(world, copy)
    world.work_for(1.0)
    held, needs = world.mails(upload), list(needs_of(world.store))
    world.store.hurry()
    world.work()
    hurried = world.mails(upload)
    world.store.start_upload(upload.id)
    world.work()
    both = world.mails(upload)

    assert done.letters == 1
    assert held == hurried == first
    assert [need.cure.partition(" sends")[0] for need in needs] == [f"masv-watch start {upload.id}"]
    assert len(both) == 2
    assert len(links_in(both)) == 1
    assert len({mail["message_id"] for mail in both}) == 1
    assert list(needs_of(world.store)) == []
    assert world.task(upload, TaskKind.LETTER).state is TaskState.DONE


def test_letters_that_went_together_are_sent_together_by_a_word_about_one(world, copy):
    """A repeat is what went: the same Message-ID, about the same deliveries."""
    one, two = (world.deliver({f"{n}.mov": b"x"}, name=n, mail_to=TO) for n in ("One", "Two"))
    for upload in (one, two):
        made = Link(upload_id=upload.id, id=upload.name, secret=Secret(f"secret of {upload.name}"))
        claimed = world.store.claim_task([TaskKind.LINK], 600.0)
        world.store.advance_task(claimed, TaskEvent.DONE, link=made)
    letters = [world.task(upload, TaskKind.LETTER) for upload in (one, two)]
    claimed = world.store.claim_task([TaskKind.LETTER], 600.0)
    world.store.join_letters(claimed, {"joint": [letter.id for letter in letters]})
    back_up(world.settings.state, copy)
    put_back(world, copy)
    world.work_for(1.0)
    before = [mail for mail in world.sandbox.witness("mail") if "joint" in mail["message_id"]]
    world.store.start_upload(two.id)
    in_doubt = world.store.gathering_letters()
    world.work()
    (mail,) = (mail for mail in world.sandbox.witness("mail") if "joint" in mail["message_id"])

    assert before == []
    assert in_doubt == {}
    assert "One" in mail["text"]
    assert "Two" in mail["text"]


def test_desk_starts_a_letter_in_doubt_and_shows_the_upload_as_held_before(world, copy):
    """What status names is what helps."""
    upload = world.deliver(mail_to=TO)
    back_up(world.settings.state, copy)
    put_back(world, copy)
    desk = Uploads(world.store, auth_until=lambda: None)
    waiting = desk.view(upload.id).waiting
    desk.start(upload.id)
    after = desk.view(upload.id).waiting

    assert waiting.reason is WaitReason.HELD
    assert f"masv-watch start {upload.id}" in waiting.cure
    assert [each.waiting for each in desk.list()] == [None]
    assert after is None
