"""`late_drops: urgent`: a file named SENDNOW lets one drop go outside of its window."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import roster
from masv_watch.model import (
    NO_TURNS,
    DropMode,
    LateDrops,
    Rule,
    Schedule,
    Span,
    TaskDraft,
    TaskKind,
    To,
    Turns,
    UploadEvent,
)
from masv_watch.watch.markers import marks_of, urged_by, urgent_marks
from masv_watch.watch.rules import Fate, Matcher

from .test_intake_redrops import SETTLED_S, delivered

NIGHT = Schedule(windows=(Span(start=19 * 60, end=20 * 60),), late_drops=LateDrops.URGENT)
SHUT = Turns(closed={"hot": None})
_NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 47} & set(name))


def goes(room):
    """List the paths of drops of which the sender is given the upload while the window is shut."""
    claimed = room.store.claim_uploads(10, 0.0, turns=SHUT)
    return sorted(os.fsdecode(drop.path) for one in claimed for drop in room.store.drops_of(one.id))


def rule(late_drops=LateDrops.URGENT):
    """Make a rule that heeds the marker, or does not."""
    return Rule(
        name="hot",
        path=b"/hot",
        to=To(recipients=(), by_subfolder=((b"studio", ()),)),
        schedule=Schedule(windows=NIGHT.windows, late_drops=late_drops),
    )


def test_drop_with_its_marker_goes_while_the_window_is_closed_and_others_wait(make_room):
    """Beside a file or a folder, or in the folder; one drop's marker is no other's."""
    room = make_room(schedule=NIGHT)
    for folder in ("CARD", "CARD2", "CARD3"):
        (room.hot / folder).mkdir()
        (room.hot / folder / "a").write_bytes(b"a")
    for file in ("a.mov", "b.mov"):
        (room.hot / file).write_bytes(b"abc")
    for marker in ("a.mov.SENDNOW", "CARD/SENDNOW", "CARD2.SENDNOW"):
        (room.hot / marker).write_bytes(b"")
    room.pass_time(SETTLED_S)

    assert len(room.taken()) == 5
    assert goes(room) == ["CARD", "CARD2", "a.mov"]
    assert not any("SENDNOW" in path for upload in room.taken() for path in room.files(upload))


@pytest.mark.parametrize("marker", ["CARD/SENDNOW", "CARD.SENDNOW"])
@pytest.mark.parametrize("is_restarted", [True, False])
def test_marker_that_comes_when_the_drop_waits_already_is_heeded(make_room, marker, is_restarted):
    """A person sees that it waits for the night, and wants it now; a restart forgets nothing."""
    room = make_room(schedule=NIGHT, drop=DropMode.EACH)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    room.pass_time(10 * SETTLED_S)
    assert (len(room.taken()), goes(room)) == (1, [])
    (room.hot / marker).write_bytes(b"")
    if is_restarted:
        room.begin()
    room.pass_time(SETTLED_S)

    assert goes(room) == ["CARD"]
    assert room.state("CARD") == ("taken", None)


def test_marker_is_heeded_at_once_and_not_at_the_next_period(make_room):
    """What is looked at for it comes soon after the marker was seen."""
    room = make_room(schedule=NIGHT)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "a.mov.SENDNOW").write_bytes(b"")
    room.intake.hurry()
    room.pass_time(3)

    assert goes(room) == ["a.mov"]


def test_marker_starts_an_upload_once_and_only_what_may_still_wait(make_room):
    """Each start ends a pause between tries: a marker that stays must not."""
    room = make_room(schedule=NIGHT)
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "a.mov.SENDNOW").write_bytes(b"")
    started = []
    real = room.store.start_upload

    def count(upload_id):
        started.append(upload_id)
        real(upload_id)

    room.store.start_upload = count
    room.pass_time(SETTLED_S)
    for _ in range(3):
        room.begin()
        room.pass_time(20)
    assert len(started) == 1
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    room.store.start_over()
    second = next(upload for upload in room.taken() if upload.name == "b.mov")
    room.deliver(second, TaskDraft(kind=TaskKind.LINK, key=""))
    (room.hot / "b.mov.SENDNOW").write_bytes(b"")
    room.pass_time(SETTLED_S)

    assert room.state("b.mov") == ("taken", None)
    assert len(started) == 1


def test_rule_that_begins_to_heed_markers_is_watched_anew():
    """What is a marker is a matter of the names, and those are compiled once."""
    wait, urgent = rule(LateDrops.WAIT), rule(LateDrops.URGENT)

    assert roster._watching(wait) == roster._watching(rule(LateDrops.SEND_NEXT))
    assert roster._watching(wait) != roster._watching(urgent)
    assert roster._watching(urgent) == roster._watching(
        replace(urgent, schedule=Schedule(late_drops=LateDrops.URGENT))
    )


def test_marker_lets_what_arrives_go_before_all_of_it_is_there(make_room):
    """With early start the settled files go at once, and only the finalize waits."""
    room = make_room(schedule=NIGHT, drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    (room.hot / "CARD" / "SENDNOW").write_bytes(b"")
    for _ in range(40):
        (room.hot / "CARD" / "growing").write_bytes(os.urandom(10))
        room.pass_time(1)

    assert goes(room) == ["CARD"]
    assert not room.drop("CARD").whole


@pytest.mark.parametrize("late_drops", [LateDrops.WAIT, LateDrops.SEND_NEXT])
def test_marker_is_a_file_as_any_other_where_the_rule_does_not_heed_it(make_room, late_drops):
    """Nothing is left out, and nothing goes early, that no rule asked for."""
    room = make_room(schedule=Schedule(windows=NIGHT.windows, late_drops=late_drops))
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    (room.hot / "CARD" / "SENDNOW").write_bytes(b"x")
    room.pass_time(SETTLED_S)

    assert goes(room) == []
    assert room.files(room.taken()[0]) == ["CARD/SENDNOW", "CARD/a"]


def test_bare_marker_and_a_folder_of_that_name_let_nothing_go(make_room):
    """A marker is a file and names its drop; a folder is a drop like any other."""
    room = make_room(schedule=NIGHT)
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "SENDNOW").write_bytes(b"")
    (room.hot / "a.mov.SENDNOW").mkdir()
    (room.hot / "a.mov.SENDNOW" / "x").write_bytes(b"x")
    room.pass_time(SETTLED_S)

    assert goes(room) == []
    assert len(room.taken()) == 2
    assert "NAME.SENDNOW" in Matcher(rule()).match(b"SENDNOW", "file").reason


def test_marker_wakes_no_upload_that_a_person_paused(make_room):
    """Paused is what a person paused; when it goes on, it goes at once."""
    room = make_room(schedule=NIGHT)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    room.store.advance_upload(upload.id, UploadEvent.PAUSE)
    (room.hot / "a.mov.SENDNOW").write_bytes(b"")
    room.pass_time(SETTLED_S)
    assert goes(room) == []
    room.store.advance_upload(upload.id, UploadEvent.RESUME)

    assert goes(room) == ["a.mov"]


def test_marker_beside_a_delivered_drop_sends_nothing_again(make_room):
    """It says when, never what."""
    room = make_room(schedule=NIGHT)
    (room.hot / "a.mov").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a.mov.SENDNOW").write_bytes(b"")
    room.pass_time(SETTLED_S)

    assert len(room.taken()) == 1
    assert room.store.claim_uploads(10, 0.0, turns=NO_TURNS) == []


@given(_NAMES, st.sampled_from(["file", "folder"]), st.sampled_from([b"", b"studio/"]))
def test_marks_of_any_drop_are_left_out_and_lead_back_to_it(name, kind, address):
    """Whatever bytes a name has, in an address too, and only where the rule heeds them."""
    top = address + name
    matcher, other = Matcher(rule()), Matcher(rule(LateDrops.WAIT))
    for path in urgent_marks(top, kind):
        assert matcher.match(path, "file").fate is Fate.SKIP
        assert other.match(path, "file").findings[-1].test != "marker"
    assert urged_by(urgent_marks(top, kind)[0]) == top
    assert urged_by(top + b"/SENDNOW") is None
    assert marks_of(rule(), top, kind) == (top + b".SENDNOW",)
    assert marks_of(rule(LateDrops.WAIT), top, kind) == ()


@pytest.mark.parametrize("name", ["CARD/SENDNOW", "a.SENDNOW", "studio/a.SENDNOW"])
def test_glance_at_names_sees_a_marker_as_one(name):
    """What a sweep passes over at a glance would be sent."""
    folder, _, own = name.rpartition("/")
    matcher = Matcher(rule())

    assert not matcher.keeps_all(folder.encode(), (own,))
    assert matcher.keeps_all(folder.encode(), ("a.mov",))
