"""Limits of a hot folder over a real ledger: days, habits, domains, and what a release does."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from masv_watch.model import DropMode, HoldReason, Limits, LinkWish, Schedule, Sidecar, To
from masv_watch.watch import limits
from tests.integration.rooms.watched import QUIET_S, Room
from tests.integration.store.making import LEASE_S, drop_draft, file_draft, upload_draft

LONG = QUIET_S * 3
HOUR = 3600.0
#: until what is held was looked at again and has settled
HELD_S = 15.0 + LONG
HELD = ("held", "limit_exceeded")


def write(room: Room, path: str, size: int) -> None:
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(b"x" * size)


def deliver_all(room: Room) -> None:
    """Deliver what was taken and is not delivered yet."""
    for upload in room.taken():
        if upload.finalized_at is None:
            room.deliver(upload)
            # a claim takes every upload that is due
            room.clock.advance(LEASE_S + 1)


def release(room: Room, path: str) -> None:
    """Let a drop go, as `masv-watch release DROP` does."""
    drop = room.drop(path)
    assert drop is not None
    room.store.release_drop(drop.id)
    room.intake.hurry()
    room.pass_time(LONG)


def test_drop_past_a_limit_is_held_before_a_byte_and_goes_once_released(make_met_room):
    """A dragged server root costs nothing: no upload is made of any of it."""
    room = make_met_room(drop=DropMode.FOLDER, limits=Limits(files=2, is_own=True))
    for number in range(3):
        write(room, f"ROOT/{number}", 10)
        room.pass_time(QUIET_S * 0.9)

    assert room.state("ROOT") == HELD
    assert room.taken() == []
    release(room, "ROOT")
    assert len(room.taken()) == 1


def test_day_lets_go_what_fits_and_the_rest_on_the_next_local_day(make_met_room):
    """Each drop is asked about with what went before it on the day of the rule's zone."""
    room = make_met_room(
        limits=Limits(per_day=100, unusual=False, is_own=True), schedule=Schedule(tz="UTC")
    )
    # 22:13:20 in UTC
    write(room, "a", 60)
    write(room, "b", 30)
    room.pass_time(LONG)
    write(room, "c", 20)
    room.pass_time(LONG)
    assert len(room.taken()) == 2
    assert room.state("c") == HELD
    assert room.drop("c").note == (
        "more than 100 B on one day; the next day it goes by itself: 1 file, 20 B, to nobody"
    )

    room.pass_time(HOUR)
    assert room.state("c") == HELD
    room.pass_time(HOUR)

    assert room.state("c") == ("taken", None)


def test_drops_that_settle_together_do_not_pass_a_day_together(make_met_room):
    """A thousand small ones are as much as one large one."""
    room = make_met_room(limits=Limits(per_day=100, unusual=False, is_own=True))
    for number in range(15):
        write(room, f"f{number:02}", 10)

    room.pass_time(LONG)

    assert sum(upload.size for upload in room.taken()) == 100


def test_released_drop_counts_for_its_day(make_met_room):
    """What a person let go is paid for all the same."""
    room = make_met_room(limits=Limits(per_day=100, unusual=False, is_own=True))
    write(room, "large", 500)
    room.pass_time(LONG)
    assert room.state("large") == HELD
    release(room, "large")
    assert room.state("large") == ("taken", None)

    write(room, "small", 1)
    room.pass_time(LONG)

    assert room.state("small") == HELD


def test_drop_far_larger_than_the_last_ones_is_held_from_the_tenth_on(make_met_room, monkeypatch):
    """Twenty times the largest is still a habit; one byte more is asked about (beyond 8)."""
    monkeypatch.setattr(limits, "UNUSUAL_FROM", 0)
    room = make_met_room()
    for number in range(8):
        write(room, f"{number}", 10)
    room.pass_time(LONG)
    deliver_all(room)
    write(room, "ninth", 10 * 21)
    room.pass_time(LONG)
    assert room.state("ninth") == ("taken", None)
    deliver_all(room)

    write(room, "tenth", 210 * 20)
    write(room, "over", 210 * 20 + 1)
    room.pass_time(LONG)

    assert room.state("tenth") == ("taken", None)
    assert room.state("over") == HELD
    asked = "over 20 times the largest of the last 9 drops, 210 B: 1 file, 4.2 kB, to nobody"
    assert room.drop("over").note == asked
    release(room, "over")
    assert room.state("over") == ("taken", None)


def test_drop_of_less_than_a_gibibyte_is_never_far_too_large(make_met_room):
    """A clip after ten notes is what a hot folder is for."""
    room = make_met_room()
    for number in range(10):
        write(room, f"{number}", 10)
    room.pass_time(LONG)
    deliver_all(room)
    for name, size in (("clip", 2**30), ("film", 2**30 + 1)):
        write(room, name, 0)
        os.truncate(room.hot / name, size)
    room.pass_time(LONG)

    assert room.state("clip") == ("taken", None)
    assert room.state("film") == HELD
    assert "over 20 times the largest of the last 10 drops" in room.drop("film").note


def test_outsider_is_asked_about_before_a_byte_goes(make_met_room):
    """Also one who only gets our letter; a release lets this drop go and no other."""
    room = make_met_room(
        to=To(recipients=("a@Own.example",)),
        link=LinkWish(mail_to=("b@else.example",)),
        limits=Limits(domains=("own.example",)),
        drop=DropMode.FOLDER,
    )
    write(room, "CARD/a", 1)
    write(room, "OTHER/a", 1)
    room.pass_time(LONG)

    assert (room.state("CARD"), room.taken()) == (HELD, [])
    assert room.drop("CARD").note == (
        "it goes to else.example, which are not allowed: 1 file, 1 B,"
        " to a@own.example, b@else.example"
    )
    release(room, "CARD")
    assert [upload.name for upload in room.taken()] == ["CARD"]
    assert room.state("OTHER") == HELD


@pytest.mark.parametrize("is_released_first", [True, False])
def test_release_covers_no_byte_more_than_the_question_named(make_met_room, is_released_first):
    """What is appended before or after the word is asked about, and the hold says how much."""
    room = make_met_room(limits=Limits(size=8_000, is_own=True))
    write(room, "q", 9_000)
    room.pass_time(LONG)
    assert room.drop("q").note == "more than 8.0 kB: 1 file, 9.0 kB, to nobody"
    if is_released_first:
        release(room, "q")
        assert room.state("q") == ("taken", None)
        write(room, "q", 3_000_000)
    else:
        write(room, "q", 3_000_000)
        release(room, "q")
    room.intake.hurry()
    room.pass_time(HELD_S)
    assert room.drop("q").hold is HoldReason.LIMIT_EXCEEDED
    assert not room.drop("q").whole
    assert room.drop("q").note == "more than 8.0 kB: 1 file, 3.0 MB, to nobody"
    release(room, "q")
    room.pass_time(LONG)

    assert (room.state("q"), room.drop("q").whole) == (("taken", None), True)


def test_release_covers_nobody_whom_the_question_did_not_name(make_met_room):
    """Whoever can write a sidecar on a share cannot turn a person's word to himself."""
    room = make_met_room(
        to=To(recipients=("c@second.example",)),
        limits=Limits(asks_new_domains=True),
        sidecar=Sidecar(name="{name}.yml", may_set=("recipients",), required=False),
    )
    write(room, "q", 3)
    room.pass_time(LONG)
    assert room.drop("q").note.endswith(": 1 file, 3 B, to c@second.example")
    (room.hot / "q.yml").write_text("recipients: [x@outsider.example]\n")
    release(room, "q")
    room.pass_time(HELD_S)
    assert room.state("q") == HELD
    assert room.taken() == []
    assert room.drop("q").note.endswith(": 1 file, 3 B, to x@outsider.example")
    release(room, "q")

    assert [one.terms.recipients for one in room.taken()] == [("x@outsider.example",)]


def test_new_domain_is_asked_about_until_something_was_delivered_to_it(make_met_room):
    """The first mail to a domain needs an answer, the second none (beyond 8)."""
    room = make_met_room(to=To(recipients=("a@NEW.example",)), limits=Limits(asks_new_domains=True))
    write(room, "first", 1)
    write(room, "second", 1)
    room.pass_time(LONG)
    assert (room.state("first"), room.state("second")) == (HELD, HELD)
    release(room, "first")
    assert room.state("second") == HELD

    deliver_all(room)
    room.pass_time(LONG * 2)

    assert room.state("second") == ("taken", None)


@pytest.mark.parametrize("other", ["another hot folder", "the API"])
def test_new_domain_stays_asked_about_whoever_else_delivers_to_it(make_met_room, other):
    """A sidecar on a share may name anybody: what another sends there is no word about it (P8)."""
    room = make_met_room(
        limits=Limits(asks_new_domains=True),
        sidecar=Sidecar(name="{name}.yml", may_set=("recipients",), required=False),
    )
    (room.hot / "s.yml").write_text("recipients: [b@example.com]\n")
    write(room, "s", 3)
    room.pass_time(LONG)
    assert room.state("s") == HELD

    if other == "the API":
        draft = replace(upload_draft(), hot_folder=None, files=(file_draft(b"another"),))
    else:
        draft = upload_draft(drop_draft(room.store.see_drop("another", b"another")), folder=other)
    delivered = room.store.create_upload(draft)
    deliver_all(room)
    room.intake.hurry()
    room.pass_time(HELD_S)

    assert [upload.id for upload in room.taken()] == [delivered]
    assert room.state("s") == HELD
    assert room.drop("s").note.startswith("it goes to example.com, which nothing was delivered to")


def test_reloaded_limit_counts_for_what_waits(make_met_room):
    """Limits are live: what was too much is let go by the next look (behaviour 7.6)."""
    room = make_met_room(limits=Limits(size=10, is_own=True))
    write(room, "a", 20)
    room.pass_time(LONG)
    assert room.state("a") == HELD

    room.intake.adopt(replace(room.rule, limits=Limits()))
    room.pass_time(LONG)

    assert room.state("a") == ("taken", None)
