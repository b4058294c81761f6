"""Intake with a real store, real files and a clock that the tests drive."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace

import pytest

from masv_watch.errors import StoreFull
from masv_watch.model import (
    After,
    Drop,
    DropMode,
    DropState,
    Finalize,
    HoldReason,
    Initial,
    TaskDraft,
    TaskEvent,
    TaskKind,
    UploadState,
)
from masv_watch.watch.adoption import AUTO_BYTES, AUTO_DROPS
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from masv_watch.watch.observing import watched_folders
from tests.integration.rooms.watched import LOOK_S, QUIET_S, SPACING_S
from tests.integration.store.making import claim


@pytest.mark.parametrize(("sight", "period_s"), [(Sight.DEGRADED, 15), (Sight.BLIND, 30)])
@pytest.mark.fault(3)
def test_intake_without_notifications_finds_a_drop_by_its_sweep(make_room, sight, period_s):
    """No hint at all costs at most one sweep period."""
    room = make_room(sight=sight)
    room.pass_time(1)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(period_s + QUIET_S + LOOK_S)

    assert room.hints.mode("hot").sight is sight
    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]


def test_intake_with_notifications_sweeps_once_in_five_minutes_when_nothing_rings(make_room):
    """While hints work the sweep is only the safety net."""
    room = make_room()
    room.hints = Hints(lambda _name: None)
    room.begin()
    room.pass_time(1)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.EVENTS] - 5)
    assert room.hints.mode("hot").sight is Sight.EVENTS
    assert room.drop("a.mov") is None
    room.pass_time(5 + QUIET_S + LOOK_S)

    assert len(room.taken()) == 1


def test_intake_hears_nothing_of_where_delivered_sources_are_moved_to(make_room):
    """An archive below the root costs no watch, and the sweep misses none (configuration 3)."""
    after = After(delivered="move", move_to="{root}/_sent/{date}/{name}")
    room = make_room(after=after)
    room.hints = Hints(lambda _name: None)
    room.begin()
    for number in range(5):
        (room.hot / "_sent" / "2026-01-01" / f"CARD_{number}").mkdir(parents=True)
    (room.hot / "CARD").mkdir()
    room.pass_time(1)

    watched = watched_folders(room.hints._armed["hot"].emitter)
    mode = room.hints.mode("hot")
    room.hints.stop()

    assert (watched, mode.sight) == (2, Sight.EVENTS)


@pytest.mark.parametrize("count", [AUTO_DROPS, AUTO_DROPS + 1])
def test_intake_at_the_first_start_sends_twenty_drops_and_holds_more(make_room, count, caplog):
    """`initial: auto` sends what a person plausibly just dropped, and asks about an archive."""
    room = make_room()
    for number in range(count):
        (room.hot / f"{number}.mov").write_bytes(b"abc")
    os.utime(room.hot / "7.mov", (10**9, 10**9))
    with caplog.at_level(logging.INFO):
        room.pass_time(QUIET_S + LOOK_S)

    asked = [record for record in caplog.records if hasattr(record, "send_all")]
    if count == AUTO_DROPS:
        assert len(room.taken()) == count
        assert not asked
    else:
        assert not room.taken()
        assert [(record.drops, record.oldest) for record in asked] == [(count, "2001-09-09")]
        assert room.state("0.mov") == ("held", "initial_ask")


def test_intake_at_the_first_start_holds_more_than_two_hundred_gigabytes(make_room):
    """Few drops may be an archive too: their size counts as well."""
    room = make_room()
    with (room.hot / "archive.tar").open("wb") as file:
        file.truncate(AUTO_BYTES + 1)
    room.pass_time(QUIET_S + LOOK_S)

    assert room.state("archive.tar") == ("held", "initial_ask")


@pytest.mark.parametrize(
    ("initial", "expected"),
    [
        (Initial.SEND, ("taken", None)),
        (Initial.ASK, ("held", "initial_ask")),
        (Initial.IGNORE, ("ignored", None)),
    ],
)
def test_intake_at_the_first_start_does_as_initial_says(make_room, initial, expected):
    """The rule's word beats the numbers; what comes later is sent in every case."""
    room = make_room(initial=initial)
    for number in range(AUTO_DROPS + 1):
        (room.hot / f"{number}.mov").write_bytes(b"abc")
    room.pass_time(1)
    (room.hot / "later.mov").write_bytes(b"later")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert {room.state(f"{number}.mov") for number in range(AUTO_DROPS + 1)} == {expected}
    assert room.state("later.mov") == ("taken", None)


def test_intake_at_the_first_start_asks_once_for_what_is_the_same_for_every_file(
    make_room, monkeypatch
):
    """A full folder is recorded in a time that its files take, not its mounts."""
    room = make_room(initial=Initial.IGNORE)
    for number in range(50):
        (room.hot / f"{number}.mov").write_bytes(b"abc")
    asked = []
    monkeypatch.setattr("masv_watch.files.mtime_grain_ns", lambda path: asked.append(path) or 0)

    room.intake.tick()

    assert room.state("49.mov") == ("ignored", None)
    # the look that follows knows them again without it
    assert len(asked) == 1


def test_intake_ignores_old_content_only_until_it_changes(make_room):
    """What `initial: ignore` recorded is that content, not that name."""
    room = make_room(initial=Initial.IGNORE)
    (room.hot / "a.mov").write_bytes(b"old")
    room.pass_time(1)
    (room.hot / "a.mov").write_bytes(b"new and longer")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert [upload.name for upload in room.taken()] == ["a.mov"]


@pytest.mark.parametrize("answer", ["release", "seed"])
def test_intake_takes_up_an_answer_to_the_first_start_within_seconds(make_room, answer):
    """The rows move, and nobody waits for a sweep period after it."""
    room = make_room(initial=Initial.ASK)
    room.hints = Hints(lambda _name: None)
    room.begin()
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(3)
    if answer == "release":
        room.store.release("hot", HoldReason.INITIAL_ASK)
    else:
        room.store.seed("hot")
    room.pass_time(QUIET_S + 2 * LOOK_S + 0.1)

    expected = ("taken", None) if answer == "release" else ("ignored", None)
    assert [room.state("a.mov"), room.state("b.mov")] == [expected, expected]


def test_intake_of_a_paused_hot_folder_takes_nothing_until_it_is_resumed(make_room):
    """What settles is held as paused over any time, and goes as soon as a person resumes."""
    room = make_room()
    room.store.pause_folder("hot")
    room.begin()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + 60)
    held = room.state("a.mov")
    room.store.resume_folder("hot")
    room.store.release("hot", HoldReason.PAUSED)
    room.pass_time(QUIET_S + 2 * LOOK_S + 0.1)

    assert held == ("held", HoldReason.PAUSED)
    assert room.state("a.mov") == ("taken", None)


def test_intake_sends_what_the_first_start_held_when_it_is_moved_away_and_back(make_room):
    """What vanished while it was held was never sent: when it comes again it is a new drop."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(1)
    (room.hot / "a.mov").rename(room.top / "a.mov")
    room.pass_time(PERIOD_S[Sight.DEGRADED])
    assert room.state("a.mov") == ("cancelled", None)
    (room.top / "a.mov").rename(room.hot / "a.mov")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert room.state("a.mov") == ("taken", None)


def test_intake_lets_an_empty_file_wait_four_times_the_quiet_time(make_room):
    """Writers create first and fill later; then it is sent as empty."""
    room = make_room()
    (room.hot / "empty.mov").touch()
    room.pass_time(4 * QUIET_S - LOOK_S)
    assert room.state("empty.mov") == ("settling", None)
    room.pass_time(2 * LOOK_S + SPACING_S)

    assert [upload.size for upload in room.taken()] == [0]


def test_intake_holds_an_empty_folder_until_a_file_comes(make_room):
    """A folder without a file makes no package, rests, and becomes a drop later."""
    room = make_room()
    (room.hot / "CARD" / "inner").mkdir(parents=True)
    room.pass_time(QUIET_S + LOOK_S)
    assert room.state("CARD") == ("held", "empty")
    assert room.intake.is_at_rest
    assert room.pass_time(60) <= 65
    (room.hot / "CARD" / "inner" / "a.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert room.state("CARD") == ("taken", None)
    assert [room.files(upload) for upload in room.taken()] == [["CARD/inner/a.mov"]]


def test_intake_of_folders_holds_a_loose_file(make_room):
    """`drop: folder` sends folders; a file beside them waits with its cure, and nothing is lost."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "loose.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    assert room.state("loose.mov") == ("held", "loose_file")
    assert room.intake.is_at_rest
    (room.hot / "loose.mov").rename(room.hot / "CARD" / "b.mov")
    room.pass_time(PERIOD_S[Sight.DEGRADED])

    assert room.state("loose.mov") == ("cancelled", None)


def test_intake_of_files_leaves_folders_out_with_the_right_reason(make_room, caplog):
    """The reason names the entry, not something that is left out inside it."""
    room = make_room(drop=DropMode.FILE)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / ".DS_Store").write_bytes(b"x")
    (room.hot / "CARD" / "a.mov").write_bytes(b"x")
    with caplog.at_level(logging.INFO):
        room.pass_time(QUIET_S + LOOK_S)

    told = [record for record in caplog.records if record.message == "an entry is left out"]
    assert [(record.entry, record.reason) for record in told] == [
        ("CARD", "is a folder, and files are sent (drop: file)")
    ]
    assert room.drop("CARD") is None


def test_intake_restarts_the_clock_for_a_rewrite_of_equal_size_and_time(make_room):
    """Size and modification time can be put back; the change time cannot (fault 14)."""
    room = make_room()
    target = room.hot / "a.mov"
    target.write_bytes(b"first!")
    before = target.stat()
    room.pass_time(QUIET_S - 1)
    target.write_bytes(b"second")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    room.pass_time(QUIET_S - 1)

    assert not room.taken()
    room.pass_time(1 + 2 * SPACING_S)
    assert len(room.taken()) == 1


def test_intake_never_takes_what_keeps_growing(make_room):
    """However slowly it grows: any change within the quiet time restarts it (pain 1)."""
    room = make_room()
    with (room.hot / "a.mov").open("ab", buffering=0) as file:
        for _ in range(20):
            file.write(b"more")
            room.pass_time(QUIET_S * 0.9)
            assert not room.taken()
    room.pass_time(QUIET_S + SPACING_S)

    assert [upload.size for upload in room.taken()] == [80]


def test_intake_forgets_a_drop_that_vanishes_before_it_settles(make_room):
    """Nothing was promised yet: a cancelled row is all that stays."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S / 2)
    (room.hot / "a.mov").unlink()
    room.pass_time(QUIET_S)

    assert room.state("a.mov") == ("cancelled", None)
    assert not room.taken()
    assert room.intake.is_at_rest


def test_intake_cancels_a_drop_that_becomes_something_unsendable(make_room):
    """A link in place of a settling file ends that drop, at rest and without a busy loop."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S / 2)
    (room.hot / "a.mov").unlink()
    (room.hot / "a.mov").symlink_to("/etc/hostname")
    ticks = room.pass_time(60)

    assert room.state("a.mov") == ("cancelled", None)
    assert ticks < 80
    assert room.intake.is_at_rest


@pytest.mark.fault(5)
def test_intake_with_a_missing_root_waits_and_takes_it_up_when_it_appears(make_room):
    """A folder that is not there is no error: it is looked for every 15 seconds."""
    room = make_room(there=False)
    room.pass_time(1)
    assert room.intake.looked
    room.pass_time(100)
    room.hot.mkdir()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + QUIET_S + LOOK_S)

    assert [upload.name for upload in room.taken()] == ["a.mov"]


@pytest.mark.fault(8)
def test_intake_whose_root_goes_away_waits_calmly_and_loses_nothing(make_room):
    """An absent root proves nothing: no row ends, no busy loop, and all settles anew after it."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S / 2)
    room.hot.rename(room.top / "away")
    ticks = room.pass_time(120)
    assert ticks < 150
    assert room.state("a.mov") == ("held", "root_unavailable")
    (room.top / "away").rename(room.hot)
    back_at = room.store.now()
    room.pass_time(REPROBE_S + QUIET_S + LOOK_S)

    assert [upload.name for upload in room.taken()] == ["a.mov"]
    assert room.taken()[0].created_at - back_at >= QUIET_S


@pytest.mark.fault(6)
def test_intake_works_on_in_a_root_that_was_made_anew(make_room):
    """A folder of the same path on the same file system is the same place."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S / 2)
    shutil.rmtree(room.hot)
    room.hot.mkdir()
    room.pass_time(REPROBE_S)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + QUIET_S + LOOK_S)

    assert room.state("a.mov") == ("cancelled", None)
    assert [upload.name for upload in room.taken()] == ["b.mov"]


def test_intake_never_sends_again_what_was_delivered(make_room):
    """Neither a restart nor a chmod, a hard link or a copy back with its times is new content."""
    room = make_room()
    source = room.hot / "a.mov"
    source.write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    room.deliver(room.taken()[0])
    assert room.state("a.mov") == ("done", None)
    source.chmod(0o600)
    os.link(source, room.top / "backup.mov")
    room.begin()
    room.pass_time(60)
    source.unlink()
    shutil.copy2(room.top / "backup.mov", source)
    room.pass_time(60)

    assert len(room.taken()) == 1


def test_intake_sends_changed_content_once_as_a_numbered_package(make_room):
    """Changed content after a delivery is a new generation with a name of its own."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    room.deliver(room.taken()[0])
    (room.hot / "a.mov").write_bytes(b"other content")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)
    room.pass_time(60)

    assert [upload.name for upload in room.taken()] == ["a.mov", "a.mov (2)"]
    assert room.drop("a.mov").generation == 2


def test_intake_sends_what_changed_while_a_letter_is_due(make_room):
    """A new version of a delivered file waits for no mail server."""
    room = make_room()
    room.hints = Hints(lambda _name: None)
    room.begin()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    room.deliver(room.taken()[0], TaskDraft(kind=TaskKind.LINK, key=""))
    (room.hot / "a.mov").write_bytes(b"other content")
    room.intake.hurry()
    room.pass_time(3 * QUIET_S)

    assert [upload.name for upload in room.taken()] == ["a.mov", "a.mov (2)"]


def test_intake_sends_what_changed_while_its_move_was_due_soon_after_it(make_room):
    """A change between finalize and the move waits for that task, not for a period."""
    room = make_room()
    room.hints = Hints(lambda _name: None)
    room.begin()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    drop = room.drop("a.mov")
    room.deliver(room.taken()[0], TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)))
    (room.hot / "a.mov").write_bytes(b"other content")
    room.intake.hurry()
    room.pass_time(3 * QUIET_S)
    assert len(room.taken()) == 1
    room.store.advance_task(room.store.claim_task([TaskKind.DISPOSE], 30.0), TaskEvent.WITHDRAWN)
    room.pass_time(QUIET_S + 2 * LOOK_S + 0.1)

    assert [upload.name for upload in room.taken()] == ["a.mov", "a.mov (2)"]


def test_intake_of_a_batch_joins_the_open_package_and_begins_another_after_it(make_room):
    """Until its finalize the package takes what settles; what comes later begins the next."""
    room = make_room(drop=DropMode.BATCH)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)
    assert [room.files(upload) for upload in room.taken()] == [["a.mov", "b.mov"]]
    first = room.taken()[0]
    room.deliver(first)
    (room.hot / "c.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert [room.files(upload) for upload in room.taken()] == [["a.mov", "b.mov"], ["c.mov"]]


def test_intake_begins_the_next_batch_with_the_drop_that_finds_no_room(make_room):
    """The full one is named until it went, and takes nothing however long that is."""
    room = make_room(drop=DropMode.BATCH, finalize=Finalize(max_files=2))
    for names in ("ab", "cd", "e"):
        for name in names:
            (room.hot / f"{name}.mov").write_bytes(b"abc")
        room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    found = [room.files(upload) for upload in room.taken()]
    assert found == [["a.mov", "b.mov"], ["c.mov", "d.mov"], ["e.mov"]]


@pytest.mark.parametrize("ends", [{"max_files": 2}, {"max_size": 8}])
def test_intake_begins_the_next_batch_with_a_folder_that_is_more_than_the_room_left(
    make_room, ends
):
    """A drop is never parted, and counts with all its files and bytes."""
    room = make_room(drop=DropMode.BATCH, early=False, finalize=Finalize(**ends))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    (room.hot / "card").mkdir()
    for name in ("1.mov", "2.mov"):
        (room.hot / "card" / name).write_bytes(b"abc")
    room.pass_time(2 * PERIOD_S[Sight.DEGRADED] + 2 * QUIET_S + LOOK_S)

    assert [len(room.files(upload)) for upload in room.taken()] == [1, 2]


def test_intake_begins_the_next_batch_once_the_last_was_open_for_its_time(make_room):
    """What still settles then belongs to the next one."""
    room = make_room(drop=DropMode.BATCH, finalize=Finalize(max_open_s=3600.0))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    room.pass_time(3595)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert [room.files(upload) for upload in room.taken()] == [["a.mov"], ["b.mov"]]


def test_intake_settles_a_changed_drop_of_a_living_upload_again(make_room):
    """A change while it is sent makes the same upload wait, and its new content goes instead."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    (room.hot / "a.mov").write_bytes(b"longer content")
    room.intake.hurry()
    room.pass_time(QUIET_S / 2)
    assert not room.drop("a.mov").whole
    room.pass_time(QUIET_S)

    assert room.drop("a.mov").whole
    assert [(upload.state, upload.size) for upload in room.taken()] == [
        (UploadState.TRANSFERRING, 14)
    ]


def test_intake_fails_the_upload_of_a_drop_that_changed_and_then_vanished(make_room):
    """A source that is gone before it was sent in whole is told with its cure."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    (room.hot / "a.mov").write_bytes(b"longer content")
    room.intake.hurry()
    room.pass_time(QUIET_S / 2)
    (room.hot / "a.mov").unlink()
    room.pass_time(QUIET_S)
    upload = room.taken()[0]

    assert upload.state is UploadState.ERROR
    assert "vanished" in upload.error
    assert f"masv-watch resume {upload.id}" in upload.error


@pytest.mark.fault(7)
def test_intake_settles_again_what_the_sender_missed_for_a_moment(make_room):
    """An unmounted disk that comes back shows the identity of before; the upload goes on."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    claimed = claim(room.store, room.taken()[0].id)
    file = room.store.files(claimed.id)[0]
    room.store.note_source_changed(file, claimed.fence, "a.mov is not there any more")
    assert not room.drop("a.mov").whole
    room.intake.hurry()
    room.pass_time(QUIET_S + LOOK_S)

    assert room.drop("a.mov").whole


def test_intake_remembers_nothing_of_names_that_are_gone(make_room):
    """Temporary names come and go for months without filling the memory."""
    room = make_room()
    for number in range(5):
        name = room.hot / f"{number}.part"
        name.write_bytes(b"abc")
        room.pass_time(PERIOD_S[Sight.DEGRADED])
        name.unlink()
    room.pass_time(PERIOD_S[Sight.DEGRADED])

    assert room.intake.entries.is_empty


def test_intake_takes_three_hundred_folders_of_a_tree_as_one_drop(make_room):
    """A tree is one drop with every file in it, and its empty folders are named."""
    room = make_room()
    for folder in range(300):
        (room.hot / "CARD" / f"d{folder}").mkdir(parents=True)
        for number in range(10):
            (room.hot / "CARD" / f"d{folder}" / f"{number}.mxf").write_bytes(b"%d" % number)
    (room.hot / "CARD" / "nothing" / "in it").mkdir(parents=True)
    room.pass_time(QUIET_S + LOOK_S)

    uploads = room.taken()
    assert [upload.file_count for upload in uploads] == [3000]
    assert room.store.skipped(uploads[0].id) == ["CARD/nothing is an empty folder"]


@pytest.mark.fault(29)
def test_intake_holds_what_it_may_not_read_and_sends_it_once_it_may(make_room, monkeypatch):
    """An unreadable file is held with its cure, never left out in silence (pain 28)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "a.mov").chmod(0o000)
    # the tests may run as root, who may read everything
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    room.pass_time(QUIET_S + LOOK_S)
    assert room.state("a.mov") == ("held", HoldReason.UNREADABLE)
    assert "Permission denied" in room.drop("a.mov").note
    assert room.intake.is_at_rest
    (room.hot / "a.mov").chmod(0o644)
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert room.drop("a.mov").state is DropState.TAKEN


def test_intake_of_an_empty_root_at_the_start_ends_no_hold(make_room, tmp_path):
    """A restart before the mount came back turns no held content into new content (fault 8)."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "old.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S)
    assert room.state("old.mov") == ("held", "initial_ask")
    room.hot.rename(tmp_path / "away")
    room.hot.mkdir()
    room.begin()
    room.pass_time(3 * QUIET_S)
    while_away = room.state("old.mov"), room.intake.gate.why
    room.hot.rmdir()
    (tmp_path / "away").rename(room.hot)
    room.begin()
    room.pass_time(3 * QUIET_S)

    assert while_away[0] == ("held", "initial_ask")
    assert "is empty while drops of it are on their way or held" in while_away[1]
    assert room.state("old.mov") == ("held", "initial_ask")
    assert room.taken() == []


def test_intake_that_first_met_an_empty_root_asks_about_a_full_one_after_a_restart(make_room):
    """An empty mount point is not noted as known: what mounts there later is old content."""
    room = make_room()
    room.pass_time(QUIET_S)
    for number in range(AUTO_DROPS + 1):
        (room.hot / f"{number}.mov").write_bytes(b"abc")
    room.begin()
    room.pass_time(3 * QUIET_S)

    assert {room.state(f"{number}.mov") for number in range(AUTO_DROPS + 1)} == {
        ("held", "initial_ask")
    }


def test_intake_whose_store_refused_a_sweep_sweeps_again_at_once(make_room):
    """What a full disk did not take in waits for the disk, not for the next period (fault 38)."""
    room = make_room(sight=Sight.BLIND)
    room.pass_time(2 * QUIET_S)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.intake.hurry()
    see_drop = room.store.see_drop

    def full(_hot_folder: str, _path: bytes) -> Drop:
        raise StoreFull("the disk is full")

    room.store.see_drop = full
    with pytest.raises(StoreFull):
        room.pass_time(QUIET_S)
    room.store.see_drop = see_drop
    room.pass_time(2 * QUIET_S + 2 * LOOK_S)

    assert [upload.name for upload in room.taken()] == ["a.mov"]


def test_intake_leaves_a_drop_of_an_earlier_path_to_its_upload(make_room, tmp_path):
    """After the rule's path changed, what stands there under the same name waits its turn."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(2 * QUIET_S)
    (upload,) = room.taken()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "a.mov").write_bytes(b"other content")
    room.rule = replace(room.rule, path=os.fsencode(moved))
    room.begin()
    room.pass_time(3 * QUIET_S)

    assert room.drop("a.mov").generation == 1
    assert room.drop("a.mov").whole
    assert room.store.upload(upload.id).root == os.fsencode(room.hot)


def test_intake_gives_the_priority_of_a_reloaded_rule_to_what_comes_after(make_room):
    """What a rule says of sending is read as it is when a drop is taken, not as it once was."""
    room = make_room()
    room.pass_time(1)
    room.intake.adopt(replace(room.rule, priority=7))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert [upload.priority for upload in room.taken()] == [7]


def test_kill_before_all_was_recorded_as_seen_leaves_nothing_held(make_room):
    """`initial: ignore` records what was there; after a kill it goes on with that."""
    room = make_room(initial=Initial.IGNORE)
    (room.hot / "a.mov").write_bytes(b"x")
    real = room.store.seed

    def seed(*_given: object) -> int:
        raise KeyboardInterrupt

    room.store.seed = seed
    with pytest.raises(KeyboardInterrupt):
        room.intake.tick()
    assert room.state("a.mov") == ("held", "initial_ask")
    room.store.seed = real
    room.begin()
    room.pass_time(5 * QUIET_S)

    assert room.state("a.mov") == ("ignored", None)
