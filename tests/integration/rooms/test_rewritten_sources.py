"""Delivered sources on a share that does not keep what tells a rewrite, and their removal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.delivery import dispose
from masv_watch.errors import SourceUnreadable
from masv_watch.model import After, TaskKind, TaskState, Upload

from .delivered import World
from .test_disposing import DELETE, outbox_of, owed, settle, work
from .test_drift import LONG_S, change_time_drifts, on_a_share, pass_time, shaken

DISPOSE = TaskKind.DISPOSE
CARD = {"CARD/a.mov": b"as it was sent", "CARD/clips/b.mov": b"beside it"}


def rewrite(path: Path) -> None:
    """Write other bytes into a file, and give it its size and time again."""
    seen = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def delivered(world: World, *unkept: str) -> Upload:
    """Deliver a card from a share that keeps everything but this; it is to be deleted."""
    world.unkept = frozenset(unkept)
    return world.deliver(CARD, after=After(delivered="delete"))


@pytest.mark.parametrize("unkept", [{"ctime_ns"}, {"ctime_ns", "inode"}])
def test_source_that_was_rewritten_under_its_size_and_time_is_not_removed(world, unkept):
    """Its new version was never sent, and only its bytes tell that (P5)."""
    upload = delivered(world, *unkept)
    rewrite(world.root / "CARD" / "clips" / "b.mov")
    world.work()

    ended = world.task(upload, DISPOSE)
    assert ended.state is TaskState.REFUSED
    assert "CARD/clips/b.mov has other bytes than were delivered" in ended.note
    assert (world.root / "CARD" / "clips" / "b.mov").exists()
    assert not list((world.root).glob(".masv-trash/*"))


def test_source_that_is_as_it_was_sent_is_removed_from_such_a_share(world):
    """What the share makes up anew at every look keeps nothing there."""
    upload = delivered(world, "ctime_ns", "inode")
    change_time_drifts(world.root / "CARD" / "a.mov")
    world.work()

    assert world.task(upload, DISPOSE).state is TaskState.DONE
    assert not (world.root / "CARD").exists()


def test_source_that_was_sent_without_a_hash_is_not_removed_from_such_a_share(world):
    """Nothing is left that could tell; somebody hears of it."""
    world.is_hashed = False
    upload = delivered(world, "ctime_ns")
    world.work()

    ended = world.task(upload, DISPOSE)
    assert ended.state is TaskState.REFUSED
    assert "cannot be compared with what was delivered" in ended.note
    assert (world.root / "CARD" / "a.mov").exists()


def test_source_whose_root_goes_away_while_it_is_compared_is_tried_again(world):
    """Missing is not deleted: what cannot be read now is neither removed nor given up."""
    upload = delivered(world, "ctime_ns")
    (drop,) = world.store.drops_of(upload.id)
    rows = world.store.files(upload.id)
    source = dispose.Source(
        root=os.fsencode(world.root),
        after=After(delivered="delete"),
        drop=drop,
        expected={row.path: row.identity for row in rows},
        finalized=world.clock.local(0.0),
        ignored=lambda *_: False,
        sent={row.path: [row] for row in rows},
    )
    away = world.top / "away"
    with files.Root.open(source.root) as root:
        world.root.rename(away)
        # its bare mount point
        world.root.mkdir()
        with pytest.raises(SourceUnreadable, match="cannot be compared now"):
            dispose.carry_out(root, source)

    assert (away / "CARD" / "a.mov").exists()


@pytest.mark.parametrize("is_rewritten", [True, False])
def test_duplicate_on_such_a_share_is_removed_only_with_the_bytes_of_its_equal(
    make_room, is_rewritten
):
    """Size and time made it a duplicate: nobody has read it since."""
    room = on_a_share(make_room(after_duplicate=DELETE))
    film = room.hot / "film.mov"
    film.write_bytes(b"as it was sent")
    shake = shaken(room, change_time_drifts)
    pass_time(room, LONG_S, shake)
    settle(room)
    os.utime(film, (1, 1))
    pass_time(room, LONG_S, shake)
    assert room.state("film.mov") == ("duplicate", None)
    if is_rewritten:
        rewrite(film)
    work(outbox_of(room))

    ((_, state, note),) = owed(room)
    assert film.exists() == is_rewritten
    assert state is (TaskState.REFUSED if is_rewritten else TaskState.DONE)
    assert ("has other bytes" in note) == is_rewritten
