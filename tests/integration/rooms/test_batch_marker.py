"""A batch that a marker ends: whose marker it is, what belongs to it, and what a crash leaves."""

from __future__ import annotations

import os
from functools import partial
from itertools import count

import pytest

from masv_watch.model import After, DropMode, Finalize, Settle, UploadState
from masv_watch.watch.closing import used_marker
from masv_watch.watch.settle import MARKED_QUIET_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S
from tests.integration.store.making import claim, open_package, send_files
from tests.rights import bound_by_modes

LONG = QUIET_S * 4
#: seconds within which what a marker speaks for has settled, one sweep later at most
MARKED = MARKED_QUIET_S * 2 + 3 * LOOK_S
HOUR = 3600.0
#: times of modification, each of one marker alone
TIMES = count(10**18, 10**9)


@pytest.fixture
def make_batch(make_met_room):
    """Give the way to a room of a batch that only its marker ends within a day."""
    return partial(
        make_met_room,
        drop=DropMode.BATCH,
        settle=Settle(quiet_s=QUIET_S, done_marker="DONE"),
        finalize=Finalize(idle_s=24 * HOUR),
    )


def write(room, path, content=b"x"):
    """Write a file below the hot folder, and have it noticed."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)
    room.intake.hurry()
    return whole


def mark(room, seconds=MARKED):
    """Have somebody say that all is there, and a notification tell of it."""
    room.clock.advance(0.01)
    marker, at = write(room, "DONE", b""), next(TIMES)
    os.utime(marker, ns=(at, at))
    room.pass_time(seconds)


def made(room):
    """Give the uploads in the order of their making."""
    return sorted(room.taken(), key=lambda upload: upload.created_at)


def batches(room):
    """Give the files of each upload in the order of their making."""
    return [room.files(upload) for upload in made(room)]


def is_used(room):
    """Say whether the marker that was seen last was used up."""
    return room.store.batch_mark("hot").is_used


def send_all(room, upload):
    """Send every byte of an upload; say when it is to be finalized, seconds from now."""
    room.store.start_over()
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    send_files(room.store, room.store.upload(upload.id), hash_of=lambda _file: "h")
    assert room.store.advance_all_sent(upload.id, claimed.fence)
    found = room.store.upload(upload.id)
    assert found.state is UploadState.IDLE
    return found.finalize_at - room.store.now()


def test_marker_ends_the_batch_with_all_that_was_there_and_later_files_begin_the_next(make_batch):
    """What still settled goes two seconds after it, as with a marker of its own."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    write(room, "b.mov")
    write(room, "CARD/c.mov")
    room.pass_time(1)
    mark(room)
    write(room, "d.mov")
    room.pass_time(LONG)

    assert batches(room) == [["CARD/c.mov", "a.mov", "b.mov"], ["d.mov"]]
    first, second = made(room)
    assert send_all(room, first) <= 0
    assert send_all(room, second) > 23 * HOUR
    assert room.drop("DONE") is None


def test_marker_made_during_a_sweep_waits_for_the_one_that_finds_what_came_before_it(
    make_batch, monkeypatch
):
    """A sweep that had passed by already would leave that to the next batch."""
    room = make_batch()
    write(room, "a.mov")
    end = room.intake.entries.end

    def end_late(*found):
        monkeypatch.undo()
        write(room, "CARD/b.mov")
        write(room, "DONE", b"")
        end(*found)

    monkeypatch.setattr(room.intake.entries, "end", end_late)
    room.pass_time(LONG)

    assert batches(room) == [["CARD/b.mov", "a.mov"]]
    assert is_used(room)


def test_marker_is_heard_at_once_however_rarely_what_settles_is_sampled(make_batch):
    """A quiet time of ten minutes has a sample each 15 seconds, and the marker takes its place."""
    room = make_batch(settle=Settle(quiet_s=600.0, done_marker="DONE"))
    write(room, "a.mov")
    room.pass_time(LONG)
    write(room, "b.mov")
    room.pass_time(1)
    mark(room)

    assert is_used(room)
    assert batches(room) == [["a.mov", "b.mov"]]


def test_batch_that_is_sent_already_is_finalized_at_once(make_batch):
    """Nothing of it is on its way: the marker is all that it waited for."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    (upload,) = room.taken()
    assert send_all(room, upload) > 23 * HOUR
    assert room.store.finalize_due() == []
    mark(room, 2 * LOOK_S)

    assert room.store.finalize_due() == [upload.id]


def test_marker_that_was_used_says_nothing_until_it_is_touched_or_made_anew(make_batch):
    """It may stay for ever where nothing is moved or deleted, also over restarts."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(1)
    mark(room)
    write(room, "b.mov")
    room.pass_time(LONG)
    room.begin()
    write(room, "c.mov")
    room.pass_time(LONG)
    assert batches(room) == [["a.mov"], ["b.mov", "c.mov"]]

    mark(room)
    write(room, "d.mov")
    room.pass_time(LONG)
    assert batches(room) == [["a.mov"], ["b.mov", "c.mov"], ["d.mov"]]

    (room.hot / "DONE").unlink()
    room.intake.hurry()
    room.pass_time(LONG)
    assert room.store.batch_mark("hot") is None


def test_used_marker_that_nobody_can_look_at_for_a_while_says_nothing_new(make_batch, caplog):
    """Whether it is gone is not known, and all else goes on; a person is told once."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(1)
    mark(room)
    assert is_used(room)
    with bound_by_modes():
        (room.hot / "DONE").chmod(0o000)
        write(room, "b.mov")
        room.pass_time(LONG)
        assert batches(room) == [["a.mov"], ["b.mov"]]
        (room.hot / "DONE").chmod(0o755)
        room.intake.hurry()
        room.pass_time(LONG)
    write(room, "c.mov")
    room.pass_time(LONG)

    assert batches(room) == [["a.mov"], ["b.mov", "c.mov"]]
    told = [each for each in caplog.records if "batch marker cannot be" in each.message]
    assert [each.marker for each in told] == ["DONE"]
    mark(room)
    write(room, "d.mov")
    room.pass_time(LONG)
    assert batches(room) == [["a.mov"], ["b.mov", "c.mov"], ["d.mov"]]


def test_marker_of_an_empty_batch_is_used_up_and_ends_no_later_one(make_batch):
    """There is nothing to end."""
    room = make_batch()
    mark(room)
    assert is_used(room)
    write(room, "a.mov")
    room.pass_time(LONG)
    write(room, "b.mov")
    room.pass_time(LONG)

    assert batches(room) == [["a.mov", "b.mov"]]


def test_marker_waits_for_a_file_of_its_batch_that_still_grows_and_for_no_later_one(make_batch):
    """As soon as all is up that was known by then."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    write(room, "slow.mov")
    room.pass_time(1)
    mark(room, 0.1)
    for number in range(10):
        write(room, "slow.mov", b"x" * (2 + number))
        write(room, "late.mov", b"x" * (2 + number))
        room.pass_time(1)
    assert not is_used(room)
    for number in range(8):
        room.pass_time(1)
        write(room, "late.mov", b"y" * (99 + number))

    assert is_used(room)
    assert batches(room) == [["a.mov", "slow.mov"]]
    room.pass_time(LONG)
    assert batches(room) == [["a.mov", "slow.mov"], ["late.mov"]]


def test_marker_does_not_wait_for_what_a_person_is_asked_about(make_batch):
    """The batch goes without it, and it begins the next one when it is let go."""
    room = make_batch()
    write(room, "a.mov")
    (room.hot / "EMPTY").mkdir()
    room.pass_time(LONG)
    assert room.state("EMPTY") == ("held", "empty")
    mark(room)

    assert is_used(room)


def test_paused_folder_keeps_its_batch_open_until_what_settled_meanwhile_has_joined(make_batch):
    """The marker was seen, and what it spoke for is in the batch that it ends."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    room.store.pause_folder("hot")
    write(room, "b.mov")
    room.pass_time(LONG)
    mark(room)
    assert not is_used(room)
    room.store.resume_folder("hot")
    room.intake.hurry()
    room.pass_time(LONG)
    write(room, "c.mov")
    room.pass_time(LONG)

    assert batches(room) == [["a.mov", "b.mov"], ["c.mov"]]


@pytest.mark.parametrize("step", ["note_batch_mark", "close_batch"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_any_step_ends_the_batch_once(make_batch, step, when):
    """Sighting and end are each one commit; a restart goes on from whichever stands."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    write(room, "b.mov")
    room.pass_time(1)
    real = getattr(room.store, step)

    def killed(*given):
        if when == "after":
            real(*given)
        raise KeyboardInterrupt

    setattr(room.store, step, killed)
    with pytest.raises(KeyboardInterrupt):
        mark(room)
    setattr(room.store, step, real)
    room.store.start_over()
    room.begin()
    room.pass_time(LONG)
    write(room, "c.mov")
    room.pass_time(LONG)

    assert batches(room) == [["a.mov", "b.mov"], ["c.mov"]]
    assert is_used(room)


def test_marker_that_goes_after_it_was_seen_ends_the_batch_all_the_same(make_batch):
    """What was said once stays said: some writers take it back at once."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(1)
    mark(room, 0.1)
    assert not is_used(room)
    (room.hot / "DONE").unlink()
    room.pass_time(LONG)
    write(room, "b.mov")
    room.pass_time(LONG)

    assert batches(room) == [["a.mov"], ["b.mov"]]


def test_used_marker_goes_with_the_sources_and_a_new_one_stays(make_batch):
    """As `after` says, beside its batch; one that was not seen yet speaks for the next."""
    room = make_batch(after=After(delivered="delete"))
    write(room, "a.mov")
    assert used_marker(room.rule, room.store) is None
    room.pass_time(1)
    mark(room)
    assert used_marker(room.rule, room.store) == b"DONE"

    os.utime(room.hot / "DONE", ns=(5 * 10**18, 5 * 10**18))
    assert used_marker(room.rule, room.store) is None


@pytest.mark.parametrize(
    "make",
    [os.mkdir, os.mkfifo, lambda path: path.symlink_to("a.mov")],
    ids=["dir", "fifo", "link"],
)
def test_what_is_no_file_ends_no_batch(make_batch, make):
    """A folder, a FIFO or a link of that name says nothing, and is not sent."""
    room = make_batch()
    write(room, "a.mov")
    make(room.hot / "DONE")
    room.pass_time(LONG)

    assert room.store.batch_mark("hot") is None
    assert batches(room) == [["a.mov"]]


def test_marker_keeps_its_word_when_the_hot_folder_is_renamed(make_batch):
    """`was` takes the ledger along, and with it what was used up."""
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(1)
    mark(room)
    assert room.store.rename_folder("hot", "warm")

    assert room.store.batch_mark("hot") is None
    assert room.store.batch_mark("warm").is_used


@pytest.mark.parametrize(("keeps", "closed"), [(True, 2), (False, 1)])
def test_used_marker_under_another_number_is_a_new_one_only_where_numbers_are_kept(
    make_batch, monkeypatch, keeps, closed
):
    """After a remount of FAT every file has another inode, and nobody said that a batch is done."""
    monkeypatch.setattr("masv_watch.files.keeps_inodes", lambda _path: keeps)
    room = make_batch()
    write(room, "a.mov")
    room.pass_time(LONG)
    mark(room)
    assert is_used(room)
    write(room, "b.mov")
    room.pass_time(LONG)
    marker, again = room.hot / "DONE", room.top / "again"
    again.touch()
    os.utime(again, ns=(marker.stat().st_mtime_ns,) * 2)
    again.replace(marker)
    room.intake.hurry()
    room.pass_time(LONG)
    write(room, "c.mov")
    room.pass_time(LONG)

    rest = [["b.mov"], ["c.mov"]] if closed == 2 else [["b.mov", "c.mov"]]
    assert batches(room) == [["a.mov"], *rest]
