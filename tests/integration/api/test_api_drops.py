"""The calls on drops: what arrives and waits, and the word that lets one go."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from masv_watch import lifecycle
from masv_watch.model import DropEvent, HoldReason
from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.store import making

DROPS = "/api/v1/drops"


@pytest.fixture
def desk(caller, caplog):
    """Give an API over an empty store."""
    caplog.set_level(logging.INFO)
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def arriving(desk, path=b"CARD", files=3, sent=1):
    """Take a drop by its first files and send some of them; give its upload and its row."""
    drop = desk.store.see_drop("out", path)
    drafts = [making.file_draft(b"%b/%d.mov" % (path, number)) for number in range(files)]
    draft = replace(making.drop_draft(drop, drafts), signature="", is_whole=False)
    upload_id = desk.store.create_upload(making.upload_draft(draft, folder="out"))
    claimed = making.claim(desk.store, upload_id)
    making.open_package(desk.store, claimed)
    for file in desk.store.files(upload_id)[:sent]:
        chunk = making.Chunk(number=1, size=file.identity.size, etag="e", hash="")
        ids = {"cloud_id": f"c{file.id}", "multipart_id": "m", "chunk_size": 99}
        desk.store.note_file_opened(file, claimed.fence, **ids)
        opened = desk.store.file(file.id)
        desk.store.note_etag(opened, claimed.fence, chunk, last=True)
        desk.store.note_file_closed(opened, claimed.fence)
    return upload_id, drop


def shown(desk, upload_id):
    """Give an upload as the list and as the single call show it."""
    one = desk.short.ask(f"{UPLOADS}/{upload_id}").tree
    (listed,) = [each for each in desk.short.ask(UPLOADS).tree if each["upload_id"] == upload_id]
    assert listed == {key: one[key] for key in listed}
    return one


def test_arriving_drop_is_listed_with_the_files_that_are_up(desk):
    """How far a card is can be seen while it is still being copied."""
    upload_id, drop = arriving(desk)

    (listed,) = desk.short.ask(DROPS).tree

    assert listed["id"] == drop.id
    assert (listed["state"], listed["whole"], listed["reason"]) == ("taken", False, None)
    assert (listed["files"], listed["files_up"]) == (3, 1)
    assert listed["upload_id"] == upload_id


def test_drop_that_was_not_taken_has_no_file_up(desk):
    """Nothing of it is in an upload."""
    desk.store.see_drop("out", b"growing")

    (listed,) = desk.short.ask(DROPS).tree

    assert (listed["files"], listed["files_up"], listed["upload_id"]) == (0, 0, None)


def test_drop_that_is_whole_and_on_its_way_is_not_listed(desk):
    """The list is of what arrives, settles or is held."""
    making.create(desk.store, b"whole")

    assert desk.short.ask(DROPS).tree == []


@pytest.mark.parametrize("sent", [1, 3])
def test_arriving_upload_waits_for_the_writer_only_with_nothing_left_to_send(desk, sent):
    """Transferring all the while; `settling` is said once everything that came is up."""
    upload_id, _ = arriving(desk, sent=sent)

    seen = shown(desk, upload_id)

    assert seen["state"] == "transferring"
    assert (seen["waiting"] or {}).get("reason") == ("settling" if sent == 3 else None)


@pytest.mark.parametrize("reason", [HoldReason.LIMIT_EXCEEDED, HoldReason.OPERATOR])
def test_held_upload_says_so_with_its_cure(desk, reason):
    """An upload that stands still for a hold is no riddle, and its own call lets it go."""
    upload_id, drop = arriving(desk)
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason, note="more than 3 files")
    seen = shown(desk, upload_id)
    assert (seen["state"], seen["waiting"]["reason"]) == ("transferring", "held")
    assert seen["waiting"]["cure"].startswith(f"{reason}: masv-watch release {drop.id}")
    (listed,) = desk.short.ask(DROPS).tree
    assert (listed["reason"], listed["note"]) == (reason, "more than 3 files")

    answer = desk.short.ask(f"{DROPS}/{drop.id}/release", "POST")

    assert (answer.status, answer.tree["reason"], answer.tree["state"]) == (200, None, "taken")
    assert (answer.tree["files"], answer.tree["files_up"]) == (3, 1)
    assert desk.hurried == ["out"]
    # its claim was taken with the hold: it takes its turn again
    assert shown(desk, upload_id)["waiting"]["reason"] == "queued"


def test_release_of_a_drop_that_was_not_taken_lets_it_settle(desk):
    """It goes on from where it was held, and other drops stay held."""
    one, other = (desk.store.see_drop("out", path) for path in (b"a", b"b"))
    for drop in (one, other):
        desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED)

    answer = desk.short.ask(f"{DROPS}/{one.id}/release", "POST", {})

    assert (answer.status, answer.tree["state"]) == (200, "settling")
    assert desk.store.drop(other.id).hold is HoldReason.LIMIT_EXCEEDED


@pytest.mark.parametrize("reason", sorted(set(HoldReason) - lifecycle.RELEASABLE))
def test_release_of_what_no_word_can_end_is_409_with_the_cure(desk, reason):
    """What helps is said instead."""
    drop = desk.store.see_drop("out", b"a")
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason)

    answer = desk.short.ask(f"{DROPS}/{drop.id}/release", "POST")

    assert (answer.status, said(answer)[0]) == (409, 1506)
    assert answer.tree["hint"] == lifecycle.CURES[reason].replace("NAME", "out")
    assert desk.store.drop(drop.id).hold is reason
    assert desk.hurried == []


def test_hold_of_a_drop_that_settles_lasts_until_its_release(desk):
    """Its hot folder is looked at soon, so that no look from before goes on with it."""
    drop = desk.store.see_drop("out", b"a")
    held = desk.short.ask(f"{DROPS}/{drop.id}/hold", "POST")
    again = desk.short.ask(f"{DROPS}/{drop.id}/hold", "POST", {})
    released = desk.short.ask(f"{DROPS}/{drop.id}/release", "POST")

    assert (held.status, held.tree["state"], held.tree["reason"]) == (200, "held", "operator")
    assert held.tree["cure"] == f"masv-watch release {drop.id} lets it go"
    assert again.tree == held.tree
    assert (released.status, released.tree["state"]) == (200, "settling")
    assert desk.hurried == ["out", "out", "out"]


def test_hold_of_what_is_on_its_way_is_409_and_names_what_stops_it(desk):
    """Nothing is changed by it."""
    upload_id, (drop,) = making.create(desk.store, b"whole")
    before = desk.store.drop(drop.id)
    answer = desk.short.ask(f"{DROPS}/{drop.id}/hold", "POST")

    assert (answer.status, said(answer)[0]) == (409, 1506)
    assert answer.tree["hint"] == f"masv-watch pause {upload_id} stops its upload"
    assert (answer.tree["state"], answer.tree["allowed"]) == ("taken", [])
    assert desk.store.drop(drop.id) == before
    assert desk.short.ask(f"{DROPS}/99/hold", "POST").status == 404


def test_release_of_what_is_not_held_is_409(desk):
    """A second word does nothing."""
    drop = desk.store.see_drop("out", b"a")

    answer = desk.short.ask(f"{DROPS}/{drop.id}/release", "POST")

    assert (answer.status, said(answer)[0]) == (409, 1506)


@pytest.mark.parametrize("number", ["7", "-1", "0", "x", "1.0", "%31%00", "9" * 18, "9" * 400, "²"])
def test_release_of_an_unknown_drop_is_404(desk, number):
    """Whatever stands for a number, nothing moves."""
    answer = desk.short.ask(f"{DROPS}/{number}/release", "POST")

    assert answer.status == 404
    said(answer)


def test_release_leaves_a_line_that_names_its_drop(desk, caplog):
    """Who asked, for what, and what came of it."""
    drop = desk.store.see_drop("out", b"a")
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED)
    desk.short.ask(f"{DROPS}/{drop.id}/release", "POST")

    (line,) = [each for each in caplog.records if each.message == "a call asked for a change"]
    assert (line.drop, line.outcome) == (str(drop.id), "done")
